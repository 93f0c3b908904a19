//! What can be copied about a person.

use crossterm::event::KeyCode;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::Answer;
use crate::domain::run::PersonRef;
use crate::tui::keymap::Key;
use crate::tui::layout;
use crate::tui::looked::PersonLook;
use crate::tui::pen::Pen;
use crate::tui::state::{Setting, State};
use crate::tui::view::framed;

/// The menu.
#[derive(Clone, Debug)]
pub struct CopyMenu {
    /// Key, name, and the text itself.
    pub lines: Vec<(char, &'static str, String)>,
    /// The line that is chosen.
    pub chosen: usize,
}

impl CopyMenu {
    /// What there is to copy about this person.
    pub fn of(person: &PersonRef, look: Option<&PersonLook>, setting: &Setting) -> Self {
        let upn = person.upn.shown().into_owned();
        let mut lines = vec![
            ('n', "name", person.name.shown().into_owned()),
            ('u', "sign-in name", upn.clone()),
        ];
        lines.extend(
            person
                .mail
                .as_ref()
                .map(|mail| ('m', "e-mail", mail.shown().into_owned())),
        );
        lines.push(('e', "Entra object id", person.source.to_string()));
        if let Some(target) = &person.target {
            lines.push(('s', "ServiceNow sys_id", target.to_string()));
            lines.push((
                'l',
                "ServiceNow address",
                format!("{}{target}", setting.target_record),
            ));
        }
        lines.push((
            'c',
            "command that shows it",
            format!("avatar-sync show {}", quoted(&upn)),
        ));
        lines.push((
            'p',
            "command that pushes it",
            format!("avatar-sync push {}", quoted(&upn)),
        ));
        if let Some((verdict, reason)) = look.and_then(|look| look.judgement.as_ref()) {
            let name = person.name.shown();
            lines.push((
                'w',
                "verdict and why",
                format!("{name} <{upn}>: {}: {reason}", verdict.words()),
            ));
        }
        Self { lines, chosen: 0 }
    }
}

/// Quoted for a POSIX shell and for PowerShell where that is needed.
fn quoted(text: &str) -> String {
    let is_plain = text
        .chars()
        .all(|letter| letter.is_ascii_alphanumeric() || "@._-+".contains(letter));
    if is_plain && !text.starts_with('-') {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

/// A letter or Enter copies; Escape closes.
pub fn key(menu: &mut CopyMenu, key: Key) -> Answer {
    match key.code {
        KeyCode::Up => menu.chosen = menu.chosen.saturating_sub(1),
        KeyCode::Down => menu.chosen = (menu.chosen + 1).min(menu.lines.len().saturating_sub(1)),
        KeyCode::Enter => {
            return menu
                .lines
                .get(menu.chosen)
                .map_or(Answer::Closes, |(_, _, text)| Answer::Copies(text.clone()));
        }
        _ => {
            let line = menu
                .lines
                .iter()
                .find(|(letter, _, _)| key.typed() == Some(*letter));
            return line.map_or(Answer::Closes, |(_, _, text)| Answer::Copies(text.clone()));
        }
    }
    Answer::Stays
}

/// Draws the menu.
pub fn draw(menu: &CopyMenu, state: &State, buffer: &mut Buffer) {
    let theme = state.theme;
    let area = layout::dialog(state.size, 84, menu.lines.len() as u16 + 2);
    let inner = framed(state, buffer, area, "Copy");
    for (line, (letter, name, text)) in menu.lines.iter().enumerate() {
        let place = Rect {
            y: inner.y + line as u16,
            height: 1,
            ..inner
        };
        if line == menu.chosen {
            buffer.set_style(place, theme.cursor());
        }
        Pen::new(buffer, theme, place, 0)
            .write(
                if line == menu.chosen {
                    theme.sign("▌", ">")
                } else {
                    " "
                },
                theme.accent(),
            )
            .write(&letter.to_string(), theme.accent())
            .skip(2)
            .cell(name, 24, theme.text())
            .write(text, theme.quiet());
    }
}
