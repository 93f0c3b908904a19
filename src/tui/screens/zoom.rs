//! One pair, as large as the window, and the facts below it.

use ratatui::buffer::Buffer;

use crate::graphics::Placements;
use crate::tui::layout;
use crate::tui::pictures::Looked;
use crate::tui::screens::people::view::{facts, pane};
use crate::tui::state::State;
use crate::tui::view::{centred, framed};

/// Draws the screen.
pub fn draw(state: &State, buffer: &mut Buffer, placements: &mut Placements) {
    let areas = layout::zoom(state.size);
    let entry = state.people.current().map(|row| state.people.listing.entry(row));
    let looked = entry
        .as_ref()
        .and_then(|entry| state.pictures.look(&entry.source()));
    let name = entry.as_ref().map_or_else(String::new, |entry| {
        let verdict = entry.verdict();
        format!(
            ": {} {} {}",
            entry.name(),
            state.theme.symbol(verdict),
            verdict.words()
        )
    });
    for (area, title, is_source) in [
        (areas.source, format!("Entra ID{name}"), true),
        (areas.target, "ServiceNow".to_owned(), false),
    ] {
        let inner = framed(state, buffer, area, &title);
        match looked {
            Some(Looked::Ready(look)) => {
                let side = if is_source { &look.source } else { &look.target };
                pane(
                    state,
                    buffer,
                    placements,
                    layout::zoomed_picture(area),
                    inner,
                    side,
                );
            }
            Some(Looked::Failed(why)) => centred(state, buffer, inner, why),
            Some(Looked::Loading) | None if entry.is_some() => centred(state, buffer, inner, "loading"),
            Some(Looked::Loading) | None => {}
        }
    }
    if let Some(entry) = &entry {
        facts(state, buffer, areas.facts, entry, looked);
    }
}
