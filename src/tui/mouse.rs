//! What the mouse does: it chooses, marks and scrolls; everything it does a key does too.

use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};
use ratatui::layout::Position;

use super::intent::Intent;
use super::layout;
use super::screens::{people, sheet};
use super::sight::moved;
use super::state::{Effects, Screen, State};
use super::update::perform;

/// Lines of the table that one notch of the wheel moves.
const NOTCH: isize = 3;

/// Works one event of the mouse into the state.
pub fn update(state: &mut State, event: MouseEvent) -> Effects {
    if state.dialog.is_some() || layout::is_too_small(state.size) {
        return Vec::new();
    }
    if !state.shows_list() {
        return match event.kind {
            MouseEventKind::ScrollUp => perform(state, Intent::Up),
            MouseEventKind::ScrollDown => perform(state, Intent::Down),
            _ => Vec::new(),
        };
    }
    let at = Position {
        x: event.column,
        y: event.row,
    };
    // A line of the contact sheet is as high as several of the table.
    let notch = if state.list == Screen::Sheet { 1 } else { NOTCH };
    match event.kind {
        MouseEventKind::ScrollUp => state.people.scroll(-notch),
        MouseEventKind::ScrollDown => state.people.scroll(notch),
        MouseEventKind::Down(MouseButton::Left) => {
            if !pressed(state, at) {
                return Vec::new();
            }
        }
        _ => return Vec::new(),
    }
    moved(state)
}

/// The left button was pressed here; false if that means nothing.
fn pressed(state: &mut State, at: Position) -> bool {
    let areas = layout::people(state.size);
    if areas.tabs.contains(at) {
        let tab = people::view::tab_at(state, areas.tabs, at.x);
        if let Some(tab) = tab {
            state.people.open_tab(tab);
        }
        return tab.is_some();
    }
    let hit = match state.list {
        Screen::Sheet => sheet::hit(state, at),
        _ if areas.table.contains(at) => {
            let inner = layout::inside(areas.table);
            if at.y == inner.y {
                let column = people::view::column_at(inner, at.x);
                if let Some(column) = column {
                    state.people.sort_by(column);
                }
                return column.is_some();
            }
            inner.contains(at).then(|| {
                let position = state.people.offset + usize::from(at.y - inner.y - 1);
                // The sign at the left is a box to tick.
                (position, at.x < inner.x + 3)
            })
        }
        _ => None,
    };
    let Some((position, is_box)) = hit.filter(|(position, _)| *position < state.people.rows.len()) else {
        return true;
    };
    state.people.go_to(position);
    if is_box {
        state.people.toggle_mark();
    }
    true
}
