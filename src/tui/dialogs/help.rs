//! All keys, made from the table that also works them.

use crossterm::event::KeyCode;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use unicode_width::UnicodeWidthStr;

use super::{Answer, add_bounded};
use crate::tui::intent::{Context, ENTRIES, Entry, Intent};
use crate::tui::keymap::{Key, Keymap};
use crate::tui::layout::{self, inside};
use crate::tui::pen::{Pen, tail};
use crate::tui::screens::person::REPORTS;
use crate::tui::state::State;
use crate::tui::view::{centred, framed, harmless};

/// Columns for the keys and the blanks around them.
const KEYS: usize = 18;

/// The help page.
#[derive(Clone, Debug, Default)]
pub struct Help {
    /// What is typed to find a key.
    pub filter: String,
    /// The first line on the page.
    pub offset: usize,
}

impl Help {
    /// What the page says, with what is typed.
    fn lines(&self, keymap: &Keymap, width: u16) -> Vec<Line> {
        let width = usize::from(width);
        let wanted = self.filter.to_lowercase();
        let mut lines = Vec::new();
        // What holds in several places stands where most people look for it.
        for (contexts, title) in [
            (&[Context::People, Context::Marks][..], "People"),
            (&[Context::Lists, Context::Tabs], "People and history"),
            (&[Context::History, Context::Leads], "History"),
            (
                &[Context::Removals],
                "Removals; marks and tabs are those of people",
            ),
            (&[Context::Plan], "A plan"),
            (&[Context::Run], "A run"),
            (&[Context::Everywhere], "Everywhere"),
        ] {
            let entries: Vec<&Entry> = ENTRIES
                .iter()
                .filter(|entry| contexts.contains(&entry.context) && !entry.intent.is_spoken_for())
                .filter(|entry| {
                    let keys = keymap.keys(entry.intent, true).join(" ");
                    let text = format!("{keys} {} {}", entry.words, entry.twin).to_lowercase();
                    text.contains(&wanted)
                })
                .collect();
            if entries.is_empty() {
                continue;
            }
            if !lines.is_empty() {
                lines.push(Line::Blank);
            }
            lines.push(Line::Title(title));
            for entry in entries {
                let used = KEYS + entry.words.width() + 2 + entry.twin.width();
                let has_room = used <= width;
                lines.push(Line::Entry(entry, has_room));
                if !has_room {
                    lines.push(Line::Twin(entry.twin));
                }
            }
        }
        lines
    }

    /// Scrolls, and no further than there are lines.
    fn scroll(&mut self, state: &State, by: isize) {
        let page = page(inside(place(state)));
        let last = self
            .lines(&state.keymap, page.width)
            .len()
            .saturating_sub(usize::from(page.height));
        self.offset = self.offset.saturating_add_signed(by).min(last);
    }

    /// Adds to what is typed.
    pub fn add(&mut self, text: &str) {
        add_bounded(&mut self.filter, text);
        self.offset = 0;
    }
}

/// Typing filters; arrows scroll; Escape closes.
pub fn key(help: &mut Help, state: &State, key: Key) -> Answer {
    match key.code {
        KeyCode::Esc if !help.filter.is_empty() => help.filter.clear(),
        KeyCode::Esc | KeyCode::Enter | KeyCode::F(1) => return Answer::Closes,
        KeyCode::Char('?') if help.filter.is_empty() => return Answer::Closes,
        KeyCode::Char('q') if help.filter.is_empty() => return Answer::Closes,
        KeyCode::Up => help.scroll(state, -1),
        KeyCode::Down => help.scroll(state, 1),
        KeyCode::PageUp => help.scroll(state, -10),
        KeyCode::PageDown => help.scroll(state, 10),
        KeyCode::Backspace => {
            help.filter.pop();
            help.offset = 0;
        }
        _ => match key.typed() {
            Some(letter) => help.add(letter.encode_utf8(&mut [0; 4])),
            None => return Answer::Closes,
        },
    }
    Answer::Stays
}

/// Where the page lies.
fn place(state: &State) -> Rect {
    layout::dialog(state.size, 92, state.size.height)
}

/// The lines below the one in which somebody types.
fn page(inner: Rect) -> Rect {
    Rect {
        y: inner.y + 1,
        height: inner.height.saturating_sub(1),
        ..inner
    }
}

/// Draws the page.
pub fn draw(help: &Help, state: &State, buffer: &mut Buffer) {
    let theme = state.theme;
    let inner = framed(state, buffer, place(state), "Keys: type to find one, esc closes");
    let lines = help.lines(&state.keymap, inner.width);
    let search = Rect { height: 1, ..inner };
    Pen::new(buffer, theme, search, 0)
        .write("/", theme.accent())
        .write(
            &tail(
                &harmless(&help.filter),
                usize::from(search.width).saturating_sub(2),
                theme.is_ascii,
            ),
            theme.text(),
        )
        .write(theme.sign("▏", "_"), theme.accent());
    let page = page(inner);
    if lines.is_empty() {
        centred(state, buffer, page, "no key does that; : has all actions by name");
    }
    let last = lines.len().saturating_sub(usize::from(page.height));
    for (line, entry) in lines.iter().skip(help.offset.min(last)).enumerate() {
        let mut pen = Pen::new(buffer, theme, page, line as u16);
        match entry {
            Line::Title(title) => {
                pen.write(title, theme.strong());
            }
            Line::Blank => {}
            Line::Twin(twin) => {
                pen.right(twin, theme.quiet());
            }
            Line::Entry(entry, has_room) => {
                let mut keys = state.keymap.keys(entry.intent, theme.is_ascii).join(" ");
                if entry.intent == Intent::Report(1) {
                    let last = state.keymap.key(Intent::Report(REPORTS), theme.is_ascii);
                    keys = format!("{keys} to {last}");
                }
                pen.skip(1)
                    .cell(&keys, KEYS - 2, theme.accent())
                    .skip(1)
                    .write(entry.words, theme.text());
                if *has_room {
                    pen.right(entry.twin, theme.quiet());
                }
            }
        }
    }
}

enum Line {
    Blank,
    Title(&'static str),
    /// An action; true if its twin on the command line has room beside it.
    Entry(&'static Entry, bool),
    /// A twin on a line of its own.
    Twin(&'static str),
}
