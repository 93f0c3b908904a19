//! What is configured, and what this terminal can do: the first thing asked for in a report of a problem.

use ratatui::buffer::Buffer;

use crate::tui::layout;
use crate::tui::pen::{Pen, wrap};
use crate::tui::state::State;
use crate::tui::view::framed;

/// Draws the page.
pub fn draw(state: &State, buffer: &mut Buffer) {
    let theme = state.theme;
    let pictures = match state.canvas.protocol() {
        Some(protocol) => format!("{}: {}", protocol.name(), state.canvas_why),
        None => format!("words alone: {}", state.canvas_why),
    };
    let colours = format!(
        "{}{}",
        theme.palette.code(),
        if theme.is_ascii { ", ASCII" } else { "" }
    );
    let mut facts = state.setting.facts.clone();
    facts.push(("pictures".into(), pictures));
    facts.push(("colours".into(), colours));
    for problem in &state.problems {
        facts.push((
            "last scan".into(),
            crate::domain::text::clean(problem).into_owned(),
        ));
    }
    const NAME: usize = 14;
    let width = 88.min(state.size.width.saturating_sub(2));
    let room = usize::from(width).saturating_sub(NAME + 4);
    let lines: Vec<(String, String)> = facts
        .into_iter()
        .flat_map(|(name, value)| {
            let mut name = Some(name);
            let mut values = wrap(&value, room);
            if values.is_empty() {
                values.push("-".into());
            }
            values
                .into_iter()
                .map(move |value| (name.take().unwrap_or_default(), value))
                .collect::<Vec<_>>()
        })
        .collect();
    let area = layout::dialog(state.size, width, lines.len() as u16 + 2);
    let inner = framed(
        state,
        buffer,
        area,
        concat!("avatar-sync ", env!("CARGO_PKG_VERSION")),
    );
    for (line, (name, value)) in lines.iter().enumerate() {
        Pen::new(buffer, theme, inner, line as u16)
            .skip(1)
            .cell(name, NAME, theme.strong())
            .write(value, theme.text());
    }
}
