//! Draws the person screen: the steps, the X-ray and the card, in one column or in two, as the window has room.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::page::{Item, Which, Writer};
use super::{PersonScreen, size_of};
use crate::graphics::Placements;
use crate::tui::layout;
use crate::tui::looked::{Side, SideView};
use crate::tui::message::Subject;
use crate::tui::pen::{Pen, wrap_within};
use crate::tui::pictures::{Looked, Painted};
use crate::tui::state::State;
use crate::tui::view::framed;

/// Windows of this width have the steps and the X-ray beside each other.
const TWO_COLUMNS: u16 = 110;

/// Where the columns are, inside of the frame.
fn columns(state: &State) -> Vec<Rect> {
    let (_, body, _) = layout::frame(state.size);
    let inner = layout::inside(body);
    let inner = Rect {
        x: inner.x + 1,
        width: inner.width.saturating_sub(2),
        ..inner
    };
    if state.size.width < TWO_COLUMNS {
        return vec![inner];
    }
    let left = inner.width * 11 / 20;
    vec![
        Rect { width: left, ..inner },
        Rect {
            x: inner.x + left + 2,
            width: inner.width - left - 2,
            ..inner
        },
    ]
}

/// Lines on the screen.
pub fn height(state: &State) -> usize {
    columns(state)
        .first()
        .map_or(1, |column| usize::from(column.height))
}

/// What the columns say.
fn pages(state: &State) -> Vec<(Rect, Vec<Item>)> {
    let columns = columns(state);
    let person = &state.person;
    let first = columns.first().copied().unwrap_or_default();
    let mut steps = Writer::new(state, first.width);
    steps.steps(person);
    let mut steps = steps.finish();
    let beside = columns.get(1).copied();
    let mut chain = Writer::new(state, beside.unwrap_or(first).width);
    chain.xray(person);
    chain.card(person);
    if let Some(beside) = beside {
        return vec![(first, steps), (beside, chain.finish())];
    }
    steps.push(Item::Line(Vec::new()));
    steps.extend(chain.finish());
    vec![(first, steps)]
}

/// How far down the screen can be scrolled: until the last line of the longest column is in sight.
pub fn last_offset(state: &State) -> usize {
    let draws = state.canvas.protocol().is_some();
    pages(state)
        .iter()
        .map(|(column, items)| {
            let lines: usize = items.iter().map(|item| item.height(draws)).sum();
            lines.saturating_sub(usize::from(column.height))
        })
        .max()
        .unwrap_or(0)
}

/// Draws the screen.
pub fn draw(state: &State, buffer: &mut Buffer, placements: &mut Placements) {
    let (_, body, _) = layout::frame(state.size);
    let name = state
        .person
        .who
        .as_ref()
        .map_or_else(String::new, |who| format!(": {}", who.name.shown()));
    framed(state, buffer, body, &format!("Person{name}"));
    let draws = state.canvas.protocol().is_some();
    let offset = state.person.offset.min(last_offset(state));
    let mut is_more = false;
    for (column, items) in pages(state) {
        let lines: usize = items.iter().map(|item| item.height(draws)).sum();
        // A column that is shorter than the others stays where its end is.
        let own = offset.min(lines.saturating_sub(usize::from(column.height)));
        is_more |= lines > own + usize::from(column.height);
        let mut top = 0;
        for item in &items {
            let height = item.height(draws);
            if top + height > own && top < own + usize::from(column.height) {
                one(
                    state,
                    buffer,
                    placements,
                    column,
                    top as isize - own as isize,
                    item,
                );
            }
            top += height;
        }
    }
    let words = match (offset > 0, is_more) {
        (_, true) => " more below ",
        (true, false) => " the end ",
        (false, false) => return,
    };
    let line = Rect {
        y: body.bottom().saturating_sub(1),
        height: 1,
        width: body.width.saturating_sub(2),
        ..body
    };
    Pen::new(buffer, state.theme, line, 0).right(words, state.theme.quiet());
}

/// One item; `top` counts from the first line of the column and may lie above it.
fn one(
    state: &State,
    buffer: &mut Buffer,
    placements: &mut Placements,
    column: Rect,
    top: isize,
    item: &Item,
) {
    let line_at = |line: usize| {
        u16::try_from(top + line as isize)
            .ok()
            .filter(|line| *line < column.height)
    };
    match item {
        Item::Line(parts) => {
            if let Some(line) = line_at(0) {
                let mut pen = Pen::new(buffer, state.theme, column, line);
                for (text, style) in parts {
                    pen.write(text, *style);
                }
            }
        }
        Item::Picture {
            before,
            which,
            beside,
        } => {
            let draws = state.canvas.protocol().is_some();
            let (width, height) = which.cells();
            let mut left = 0;
            for line in 0..item.height(draws) {
                let Some(at) = line_at(line) else { continue };
                let mut pen = Pen::new(buffer, state.theme, column, at);
                for (text, style) in before {
                    let text = if line == 0 { text.clone() } else { continued(text) };
                    pen.write(&text, *style);
                }
                left = pen.column();
                if draws {
                    pen.skip(usize::from(width) + 1);
                }
                for (text, style) in beside.get(line).into_iter().flatten() {
                    pen.write(text, *style);
                }
            }
            let place = line_at(0)
                .filter(|line| draws && line + height <= column.height)
                .map(|line| Rect {
                    x: left,
                    y: column.y + line,
                    width,
                    height,
                });
            if let Some(place) = place {
                picture(state, buffer, placements, place, which);
            }
        }
    }
}

/// What stands at the left of the further lines of an item: the drawing goes on.
fn continued(text: &str) -> String {
    let go_on = |letter: char| match letter {
        '├' => '│',
        '+' => '|',
        _ => ' ',
    };
    text.chars().map(go_on).collect()
}

/// The side that a picture belongs to; `None` while it is on its way.
fn side<'a>(state: &'a State, person: &'a PersonScreen, which: &Which) -> Option<&'a Side> {
    match which {
        Which::Photo => match state.pictures.look(&person.who.as_ref()?.source)? {
            Looked::Ready(look) => Some(&look.source),
            Looked::Loading | Looked::Failed(_) => None,
        },
        Which::Other(key) => person.picture(key)?.as_ref(),
    }
}

fn picture(state: &State, buffer: &mut Buffer, placements: &mut Placements, place: Rect, which: &Which) {
    let within = match which {
        Which::Photo => (layout::THUMBNAIL.width, layout::THUMBNAIL.height),
        Which::Other(key) => size_of(key),
    };
    let known = side(state, &state.person, which);
    let words = match known.map(|side| (&side.picture, side.subject())) {
        None => state.theme.sign("…", "..."),
        Some((SideView::Absent, _)) => "no photo",
        Some((SideView::Explained(why), _)) => why.as_str(),
        Some((SideView::Picture { .. }, subject)) => {
            match subject.and_then(|subject: Subject| state.pictures.drawable(subject, within)) {
                Some(Painted::Ready(drawable)) => {
                    if state.shows_pictures() {
                        placements.put_in_the_middle(drawable, place, buffer);
                    }
                    return;
                }
                Some(Painted::Failed(why)) => why.as_str(),
                Some(Painted::Loading) | None => state.theme.sign("…", "..."),
            }
        }
    };
    let lines = wrap_within(
        words,
        usize::from(place.width),
        usize::from(place.height),
        state.theme.is_ascii,
    );
    for (line, text) in lines.iter().enumerate() {
        Pen::new(buffer, state.theme, place, line as u16).write(text, state.theme.quiet());
    }
}
