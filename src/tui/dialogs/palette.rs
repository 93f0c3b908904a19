//! All actions by name: type a part of one, choose it.

use crossterm::event::KeyCode;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::{Answer, add_bounded};
use crate::tui::intent::{Context, ENTRIES, Entry, Intent};
use crate::tui::keymap::Key;
use crate::tui::layout;
use crate::tui::pen::{Pen, tail};
use crate::tui::state::State;
use crate::tui::view::{framed, harmless};

/// The palette.
#[derive(Clone, Debug, Default)]
pub struct Palette {
    /// What is typed.
    pub filter: String,
    /// The line that is chosen.
    pub chosen: usize,
}

impl Palette {
    /// Adds to what is typed.
    pub fn add(&mut self, text: &str) {
        add_bounded(&mut self.filter, text);
        self.chosen = 0;
    }

    /// The actions that have a meaning here and match what is typed.
    pub fn entries(&self, here: Context) -> Vec<&'static Entry> {
        let wanted: Vec<String> = self.filter.split_whitespace().map(str::to_lowercase).collect();
        let text = |entry: &Entry| format!("{} {} {}", entry.code, entry.words, entry.twin).to_lowercase();
        let mut entries: Vec<&'static Entry> = ENTRIES
            .iter()
            .filter(|entry| entry.context.holds(here))
            .filter(|entry| !entry.intent.is_spoken_for())
            .filter(|entry| wanted.iter().all(|word| text(entry).contains(word.as_str())))
            .collect();
        // Where it stands as it is typed, it is more likely to be meant. Nobody moves a cursor by name, and nobody is to
        // say yes by opening this and pressing Enter.
        let whole = wanted.join(" ");
        entries.sort_by_key(|entry| {
            let is_last = matches!(
                entry.intent,
                Intent::Up
                    | Intent::Down
                    | Intent::PageUp
                    | Intent::PageDown
                    | Intent::First
                    | Intent::Last
                    | Intent::Accept
            );
            (!text(entry).contains(&whole), is_last)
        });
        entries
    }
}

/// Typing filters; arrows choose; Enter does it; Escape closes.
pub fn key(palette: &mut Palette, state: &State, key: Key) -> Answer {
    let entries = palette.entries(state.context());
    match key.code {
        KeyCode::Esc => return Answer::Closes,
        KeyCode::Enter => {
            return entries
                .get(palette.chosen)
                .map_or(Answer::Closes, |entry| Answer::Does(entry.intent));
        }
        KeyCode::Up | KeyCode::BackTab => palette.chosen = palette.chosen.saturating_sub(1),
        KeyCode::Down | KeyCode::Tab => {
            palette.chosen = (palette.chosen + 1).min(entries.len().saturating_sub(1));
        }
        KeyCode::Backspace => {
            palette.chosen = 0;
            if palette.filter.pop().is_none() {
                return Answer::Closes;
            }
        }
        _ => match key.typed() {
            Some(letter) => palette.add(letter.encode_utf8(&mut [0; 4])),
            None => return Answer::Closes,
        },
    }
    Answer::Stays
}

/// Draws the palette.
pub fn draw(palette: &Palette, state: &State, buffer: &mut Buffer) {
    let theme = state.theme;
    let entries = palette.entries(state.context());
    let area = layout::dialog(state.size, 80, entries.len().max(1) as u16 + 3);
    let inner = framed(state, buffer, area, "Command");
    Pen::new(buffer, theme, inner, 0)
        .write(":", theme.accent())
        .write(
            &tail(
                &harmless(&palette.filter),
                usize::from(inner.width).saturating_sub(2),
                theme.is_ascii,
            ),
            theme.text(),
        )
        .write(theme.sign("▏", "_"), theme.accent());
    if entries.is_empty() {
        Pen::new(buffer, theme, inner, 1)
            .skip(1)
            .write("no action is called so here", theme.quiet());
    }
    let room = usize::from(inner.height.saturating_sub(1));
    let first = (palette.chosen + 1).saturating_sub(room);
    for (line, (position, entry)) in entries.iter().enumerate().skip(first).take(room).enumerate() {
        let place = Rect {
            y: inner.y + 1 + line as u16,
            height: 1,
            ..inner
        };
        let is_chosen = position == palette.chosen;
        if is_chosen {
            buffer.set_style(place, theme.cursor());
        }
        Pen::new(buffer, theme, place, 0)
            .write(if is_chosen { theme.sign("▌", ">") } else { " " }, theme.accent())
            .cell(
                entry.words,
                usize::from(inner.width).saturating_sub(18),
                theme.text(),
            )
            .skip(1)
            .write(
                &state.keymap.keys(entry.intent, theme.is_ascii).join(" "),
                theme.quiet(),
            );
    }
}
