//! The contact sheet: the people of the table as pairs of pictures, the source's over the target's.
//!
//! It is the same list with the same cursor, marks, filter and order, several people a line. Only who is on the screen
//! is ever looked at, and the screenfuls beside it.

pub mod view;

use ratatui::layout::Position;

use crate::graphics::Protocol;
use crate::tui::intent::Intent;
use crate::tui::layout::{self, SheetAreas};
use crate::tui::sight::{moved, show};
use crate::tui::state::{Effects, Screen, State};

/// Lines of cells that one picture takes at least, from small to large; what is left of the window is shared out.
const SIZES: [u16; 6] = [3, 4, 6, 9, 13, 20];
/// The size to begin with, where pixels are drawn.
const USUAL: usize = 0;
/// The same where a cell is two pixels: smaller ones show no faces.
const USUAL_OF_BLOCKS: usize = 2;

/// How the contact sheet is looked at.
#[derive(Clone, Debug, Default)]
pub struct Sheet {
    /// Which of [`SIZES`] somebody has chosen.
    size: Option<usize>,
    /// The first person on the screen when pictures were last asked for.
    scrolled_to: usize,
}

impl Sheet {
    /// True if other people are on the screen than the last time.
    pub fn has_scrolled_to(&mut self, offset: usize) -> bool {
        std::mem::replace(&mut self.scrolled_to, offset) != offset
    }
}

/// Where everything stands in this window.
pub fn grid(state: &State) -> SheetAreas {
    let lines = state.canvas.protocol().map(|_| SIZES[size(state)]);
    layout::sheet(state.size, lines, state.canvas.cell())
}

/// Which of [`SIZES`] is in force.
fn size(state: &State) -> usize {
    let usual = match state.canvas.protocol() {
        Some(Protocol::Blocks) => USUAL_OF_BLOCKS,
        _ => USUAL,
    };
    state.sheet.size.unwrap_or(usual)
}

/// Opens it, goes back to the table, or makes its pictures larger or smaller.
pub fn perform(state: &mut State, intent: Intent) -> Effects {
    let is_open = state.list == Screen::Sheet;
    match intent {
        Intent::Sheet => {
            state.list = if is_open { Screen::People } else { Screen::Sheet };
            let mut effects: Effects = state.pictures.drop_paints().into_iter().collect();
            effects.extend(show(state, state.list));
            effects.extend(moved(state));
            effects
        }
        Intent::Larger | Intent::Smaller if is_open && state.canvas.protocol().is_some() => {
            resize(state, intent == Intent::Larger)
        }
        _ => Vec::new(),
    }
}

/// Another size: the next one that shows another number of people, or the largest or smallest there is.
fn resize(state: &mut State, larger: bool) -> Effects {
    let before = grid(state);
    loop {
        let size = size(state);
        let next = if larger { size + 1 } else { size.wrapping_sub(1) };
        if next >= SIZES.len() {
            break;
        }
        state.sheet.size = Some(next);
        let now = grid(state);
        if (now.columns, now.lines) != (before.columns, before.lines) {
            break;
        }
    }
    let mut effects: Effects = state.pictures.drop_paints().into_iter().collect();
    effects.extend(show(state, state.list));
    effects.extend(moved(state));
    effects
}

/// Who is at this place of the screen, as a position in the list, and whether it is the sign that marks them.
pub fn hit(state: &State, at: Position) -> Option<(usize, bool)> {
    let grid = grid(state);
    let on_screen = state.people.on_screen().len();
    (0..on_screen).find_map(|position| {
        let cell = grid.cell(position as u16);
        let box_line = grid.parts(cell).name;
        cell.contains(at).then(|| {
            let is_box = at.y == box_line.y && at.x <= box_line.x;
            (state.people.offset + position, is_box)
        })
    })
}
