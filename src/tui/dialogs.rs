//! What lies over a screen: questions, help, menus. Each is a small state of its own.

pub mod about;
pub mod help;
pub mod menu;
pub mod palette;
pub mod quit;

use super::intent::Intent;
use super::screens::people::QUERY_LIMIT;

/// What lies over the screen.
#[derive(Clone, Debug)]
pub enum Dialog {
    /// All keys, filterable.
    Help(help::Help),
    /// All actions by name, filterable.
    Palette(palette::Palette),
    /// One of a few things to copy.
    Copy(menu::CopyMenu),
    /// What is configured, and what this terminal can do.
    About,
    /// A run is under way: wait, stop after the writes in hand, or stop now (`reliability.md` N2).
    Quit,
}

/// What a dialog makes of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It stays open.
    Stays,
    /// It closes.
    Closes,
    /// It closes, and this is done.
    Does(Intent),
    /// It closes, and this is copied.
    Copies(String),
}

/// Adds text to a field, as much as fits (`reliability.md` K8).
fn add_bounded(field: &mut String, text: &str) {
    let room = QUERY_LIMIT.saturating_sub(field.chars().count());
    field.extend(text.chars().take(room));
}
