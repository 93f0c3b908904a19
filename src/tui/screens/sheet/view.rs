//! Draws the contact sheet: tabs, pairs, and who is under the cursor.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Color;

use super::grid;
use crate::domain::comparison::Verdict;
use crate::domain::listing::Row;
use crate::domain::text::clean;
use crate::graphics::Placements;
use crate::report::text::number;
use crate::tui::layout;
use crate::tui::looked::{Side, SideView};
use crate::tui::pen::{Pen, wrap};
use crate::tui::pictures::{Looked, Painted};
use crate::tui::screens::people::Origin;
use crate::tui::screens::people::view::{nobody, scroll_bar, tabs};
use crate::tui::state::State;
use crate::tui::theme::Palette;
use crate::tui::view::{centred, framed};

/// Draws the screen.
pub fn draw(state: &State, buffer: &mut Buffer, placements: &mut Placements) {
    let grid = grid(state);
    let people = &state.people;
    tabs(state, buffer, layout::people(state.size).tabs);
    let shown = number(people.rows.len() as u64);
    let title = if people.is_of_marked {
        format!("Contact sheet {shown}: those who were marked")
    } else if people.text.is_empty() || people.is_typing {
        format!("Contact sheet {shown}: Entra ID above, ServiceNow below")
    } else {
        format!("Contact sheet {shown} /{}", clean(&people.text))
    };
    let inner = framed(state, buffer, grid.frame, &title);
    if people.rows.is_empty() {
        centred(state, buffer, inner, &nobody(state));
        return;
    }
    let range = people
        .anchor
        .map(|anchor| anchor.min(people.cursor)..=anchor.max(people.cursor));
    for (position, row) in people.on_screen().iter().enumerate() {
        let in_list = people.offset + position;
        let cell = Cell {
            row: *row,
            area: grid.cell(position as u16),
            is_here: in_list == people.cursor,
            is_in_range: range.as_ref().is_some_and(|range| range.contains(&in_list)),
        };
        pair(state, buffer, placements, &cell);
    }
    under_cursor(state, buffer, grid.frame);
    scroll_bar(state, buffer, grid.frame);
}

/// One person on the sheet.
struct Cell {
    row: Row,
    area: Rect,
    is_here: bool,
    is_in_range: bool,
}

fn pair(state: &State, buffer: &mut Buffer, placements: &mut Placements, cell: &Cell) {
    let theme = state.theme;
    let entry = state.people.listing.entry(cell.row);
    let verdict = entry.verdict();
    let parts = grid(state).parts(cell.area);
    let looked = state.pictures.look(&entry.source());
    let has_pictures = state.canvas.protocol().is_some();
    for (place, is_source) in [(parts.source, true), (parts.target, false)] {
        let side = match looked {
            Some(Looked::Ready(look)) => Ok(if is_source { &look.source } else { &look.target }),
            Some(Looked::Failed(_)) => Err("not readable"),
            Some(Looked::Loading) | None if state.people.origin == Origin::Pages => Err(""),
            Some(Looked::Loading) | None => Err(theme.sign("…", "...")),
        };
        match side {
            Ok(side) if has_pictures => face(state, buffer, placements, place, side),
            Ok(side) => {
                let name = if is_source { "Entra " } else { "SN    " };
                let words = side.caption.first().map_or("", String::as_str);
                Pen::new(buffer, theme, place, 0)
                    .write(name, theme.quiet())
                    .write(words, theme.text());
            }
            Err(words) => small(state, buffer, place, words),
        }
    }
    let captions = Rect {
        height: 2,
        ..parts.name
    };
    let is_plain = matches!(theme.palette, Palette::Sixteen | Palette::Plain);
    if cell.is_here && !is_plain {
        buffer.set_style(captions, theme.cursor());
    }
    Pen::new(buffer, theme, parts.name, 0).write(&entry.name(), theme.text());
    Pen::new(buffer, theme, parts.verdict, 0)
        .write(
            theme.symbol(verdict).encode_utf8(&mut [0; 4]),
            theme.verdict(verdict),
        )
        .write(
            if entry.suspicion().is_some() { "!" } else { " " },
            theme.warning(),
        )
        .write(few_words(verdict), theme.verdict(verdict));
    if cell.is_here && is_plain {
        buffer.set_style(captions, theme.cursor());
    }
    // The column at the left: the cursor along the pair, and the sign of a mark beside the name.
    let edge = cell.area.x;
    if cell.is_here {
        for y in cell.area.rows().map(|line| line.y) {
            buffer.set_string(edge, y, theme.sign("▌", ">"), theme.accent());
        }
    }
    let (sign, style) = if state.people.marks.is_marked(cell.row) {
        (theme.sign("●", "*"), theme.marked())
    } else if cell.is_in_range {
        (theme.sign("◌", "+"), theme.marked())
    } else {
        return;
    };
    buffer.set_string(edge, parts.name.y, sign, style);
}

/// One side's picture, or a word in its place.
fn face(state: &State, buffer: &mut Buffer, placements: &mut Placements, place: Rect, side: &Side) {
    let theme = state.theme;
    match &side.picture {
        SideView::Absent => small(state, buffer, place, theme.sign("∅", "none")),
        SideView::Explained(_) => small(state, buffer, place, "not usable"),
        SideView::Picture { .. } => match state.pictures.painted(side) {
            Some(Painted::Ready(drawable)) if state.shows_pictures() => {
                placements.put_in_the_middle(drawable, place, buffer);
            }
            Some(Painted::Ready(_)) => {}
            Some(Painted::Failed(_)) => small(state, buffer, place, "not drawn"),
            Some(Painted::Loading) | None => small(state, buffer, place, theme.sign("…", "...")),
        },
    }
}

/// A word or two in the middle of a small area.
fn small(state: &State, buffer: &mut Buffer, place: Rect, words: &str) {
    let lines = wrap(words, usize::from(place.width));
    let top = place.height.saturating_sub(lines.len() as u16) / 2;
    for (line, text) in lines.iter().enumerate() {
        let width = unicode_width::UnicodeWidthStr::width(text.as_str());
        Pen::new(buffer, state.theme, place, top + line as u16)
            .skip(usize::from(place.width).saturating_sub(width) / 2)
            .write(text, state.theme.quiet());
    }
}

/// Who is under the cursor, and why the verdict is what it is: on the lower frame, where there is a whole line.
fn under_cursor(state: &State, buffer: &mut Buffer, frame: Rect) {
    let theme = state.theme;
    let Some(row) = state.people.current() else { return };
    let entry = state.people.listing.entry(row);
    let line = Rect {
        x: frame.x + 2,
        y: frame.bottom().saturating_sub(1),
        width: frame.width.saturating_sub(4),
        height: 1,
    };
    let verdict = entry.verdict();
    let mut pen = Pen::new(buffer, theme, line, 0);
    // The frame has a colour of its own, which is none for words.
    let (text, strong) = (theme.text().fg(Color::Reset), theme.strong().fg(Color::Reset));
    pen.write(" ", text).write(&entry.name(), strong);
    if let Some(department) = entry.department() {
        pen.write(", ", text).write(&department, text);
    }
    pen.write("  ", text)
        .write(
            theme.symbol(verdict).encode_utf8(&mut [0; 4]),
            theme.verdict(verdict),
        )
        .write(" ", text)
        .write(verdict.words(), theme.verdict(verdict));
    if let Some(suspicion) = entry.suspicion() {
        pen.write(", ", text)
            .write("! suspicious: ", theme.warning())
            .write(&clean(suspicion), text);
    } else if !entry.reason().is_empty() {
        pen.write(": ", text).write(&clean(entry.reason()), text);
    }
    pen.write(" ", text);
}

/// A verdict in at most eight columns.
fn few_words(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::OnlyInTarget => "SN only",
        Verdict::SamePicture => "same",
        Verdict::Unmatched => "no match",
        Verdict::Ambiguous => "several",
        Verdict::Undecided => "not seen",
        verdict => verdict.words(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_verdict_has_a_word_that_fits_into_the_narrowest_cell() {
        for verdict in Verdict::ALL {
            let words = few_words(verdict);
            assert!(words.len() <= 8, "{words}");
        }
    }
}
