//! One pair, as large as the window: beside each other, in one place, as a map of their difference, or as people will
//! see them; and the facts below.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::graphics::{CIRCLES, Placements, Protocol, circles_size};
use crate::tui::intent::Intent;
use crate::tui::layout;
use crate::tui::looked::{PersonLook, Side};
use crate::tui::message::Subject;
use crate::tui::pen::{Pen, wrap_within};
use crate::tui::pictures::{Looked, Painted};
use crate::tui::screens::people::view::{facts, pane};
use crate::tui::sight::{ask_around, paint_pairs, show};
use crate::tui::state::{Effects, Screen, State};
use crate::tui::view::{centred, framed};

/// How two pictures are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// Beside each other.
    Pair,
    /// In one place: one, and with the next key the other. Nothing changes by itself.
    Blink {
        /// The target's picture is the one that is seen.
        target: bool,
    },
    /// With a map of where they differ between them.
    Difference,
    /// Round and small, on light and on dark.
    Circles,
}

/// Opens the large pictures from another screen, changes how they are compared, or goes back.
pub fn open(state: &mut State, intent: Intent, from: Screen) -> Effects {
    let is_open = from == Screen::Zoom;
    let wanted = match (intent, state.comparison) {
        (Intent::Blink, Comparison::Blink { target }) if is_open => Comparison::Blink { target: !target },
        (Intent::Blink, _) => Comparison::Blink { target: false },
        (Intent::Difference, _) => Comparison::Difference,
        (Intent::Circles, _) => Comparison::Circles,
        _ => Comparison::Pair,
    };
    if is_open && wanted == state.comparison {
        return leave(state);
    }
    if !is_open {
        state.before_zoom = from;
    }
    state.comparison = wanted;
    let mut effects = show(state, Screen::Zoom);
    effects.extend(ask_around(state));
    effects
}

/// Goes back to where the pictures were enlarged.
pub fn leave(state: &mut State) -> Effects {
    show(state, state.before_zoom)
}

/// Where one picture of a pair goes in the comparison that is open.
pub fn picture(state: &State) -> Rect {
    let pane = match state.comparison {
        Comparison::Pair | Comparison::Circles => layout::zoom(state.size).source,
        Comparison::Blink { .. } => layout::one(state.size),
        Comparison::Difference => layout::three(state.size)[0],
    };
    layout::zoomed_picture(pane)
}

/// The cells in which circles are drawn: pixel for pixel if that is possible, or a whole multiple of it.
fn circles_within(state: &State) -> (u16, u16) {
    let (width, height) = state.pictures.within;
    if state.canvas.protocol() == Some(Protocol::Blocks) {
        return (width, height);
    }
    let (cell_width, cell_height) = state.canvas.cell();
    let (wide, high) = circles_size();
    let cells = |times: u32| {
        let columns = (wide * times).div_ceil(u32::from(cell_width.max(1)));
        let rows = (high * times).div_ceil(u32::from(cell_height.max(1)));
        (columns.min(1_000) as u16, rows.min(1_000) as u16)
    };
    // Cells of twice the usual height are those of a screen with twice as many pixels.
    let times = (u32::from(cell_height) / 20).max(1);
    let (columns, rows) = cells(times);
    (columns.min(width), rows.min(height))
}

/// Asks for what the comparison needs to be drawn.
pub fn paint(state: &mut State) -> Effects {
    let mut effects = Vec::new();
    let Some(person) = state.people.current_person() else {
        return effects;
    };
    if state.comparison != Comparison::Circles {
        effects.extend(paint_pairs(state));
    }
    let Some(Looked::Ready(look)) = state.pictures.look(&person.source) else {
        return effects;
    };
    let look = std::sync::Arc::clone(look);
    let wanted = match state.comparison {
        Comparison::Pair | Comparison::Blink { .. } => return effects,
        Comparison::Difference => vec![(map(&look), state.pictures.within, both(&look))],
        Comparison::Circles => {
            let within = circles_within(state);
            [&look.source, &look.target]
                .map(|side| {
                    (
                        round(side),
                        within,
                        side.bytes().cloned().map(|bytes| vec![bytes]),
                    )
                })
                .into()
        }
    };
    for (subject, within, bytes) in wanted {
        let Some(subject) = subject else { continue };
        match state.pictures.want(subject, within, bytes, true) {
            Ok(effect) => effects.extend(effect),
            Err(_) => state.pictures.forget(&person.source),
        }
    }
    effects
}

fn both(look: &PersonLook) -> Option<Vec<bytes::Bytes>> {
    Some(vec![look.source.bytes()?.clone(), look.target.bytes()?.clone()])
}

/// The map of a pair; none where there are not two pictures.
fn map(look: &PersonLook) -> Option<Subject> {
    match (look.source.subject()?, look.target.subject()?) {
        (Subject::Picture(one), Subject::Picture(other)) => Some(Subject::Difference(one, other)),
        _ => None,
    }
}

fn round(side: &Side) -> Option<Subject> {
    match side.subject()? {
        Subject::Picture(hash) => Some(Subject::Circles(hash)),
        _ => None,
    }
}

/// Draws the screen.
pub fn draw(state: &State, buffer: &mut Buffer, placements: &mut Placements) {
    let entry = state.people.current().map(|row| state.people.listing.entry(row));
    let looked = entry
        .as_ref()
        .and_then(|entry| state.pictures.look(&entry.source()));
    let name = entry.as_ref().map_or_else(String::new, |entry| {
        let verdict = entry.verdict();
        let sign = state.theme.symbol(verdict);
        format!(": {} {sign} {}", entry.name(), verdict.words())
    });
    let (source, target) = (format!("Entra ID{name}"), "ServiceNow".to_owned());
    let areas = layout::zoom(state.size);
    let panes: Vec<(Rect, String, What)> = match state.comparison {
        Comparison::Pair => vec![
            (areas.source, source, What::Side { target: false }),
            (areas.target, target, What::Side { target: true }),
        ],
        Comparison::Blink { target: false } => vec![(
            layout::one(state.size),
            format!("Blink: {source}"),
            What::Side { target: false },
        )],
        Comparison::Blink { target: true } => vec![(
            layout::one(state.size),
            format!("Blink: ServiceNow{name}"),
            What::Side { target: true },
        )],
        Comparison::Difference => {
            let [one, between, other] = layout::three(state.size);
            vec![
                (one, source, What::Side { target: false }),
                (between, "Difference".to_owned(), What::Map),
                (other, target, What::Side { target: true }),
            ]
        }
        Comparison::Circles => vec![
            (areas.source, source, What::Circles { target: false }),
            (areas.target, target, What::Circles { target: true }),
        ],
    };
    for (area, title, what) in panes {
        let inner = framed(state, buffer, area, &title);
        match looked {
            Some(Looked::Ready(look)) => {
                one_pane(state, buffer, placements, area, inner, look, what);
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

/// What a pane shows.
#[derive(Clone, Copy)]
enum What {
    Side { target: bool },
    Map,
    Circles { target: bool },
}

fn one_pane(
    state: &State,
    buffer: &mut Buffer,
    placements: &mut Placements,
    area: Rect,
    inner: Rect,
    look: &PersonLook,
    what: What,
) {
    let place = layout::zoomed_picture(area);
    let side = |target: bool| if target { &look.target } else { &look.source };
    let (subject, within) = match what {
        What::Side { target } => {
            pane(state, buffer, placements, place, inner, side(target));
            return;
        }
        What::Map => {
            let Some(subject) = map(look) else {
                centred(state, buffer, inner, "there are not two pictures to compare");
                return;
            };
            (subject, state.pictures.within)
        }
        What::Circles { target } => {
            let Some(subject) = round(side(target)) else {
                pane(state, buffer, placements, place, inner, side(target));
                return;
            };
            (subject, circles_within(state))
        }
    };
    let caption = match what {
        What::Map => look.similarity.clone().unwrap_or_default(),
        What::Side { .. } | What::Circles { .. } => {
            let sizes = CIRCLES.map(|size| size.to_string()).join(", ");
            format!("as people see it: {sizes} pixels, on light and on dark")
        }
    };
    let lines = layout::caption_lines(inner);
    let above = Rect {
        height: inner.height.saturating_sub(lines),
        ..inner
    };
    let below = Rect {
        x: inner.x + 1,
        y: above.bottom(),
        width: inner.width.saturating_sub(2),
        height: lines,
    };
    let words = wrap_within(
        &caption,
        usize::from(below.width),
        usize::from(lines),
        state.theme.is_ascii,
    );
    for (line, words) in words.iter().enumerate() {
        Pen::new(buffer, state.theme, below, line as u16).write(words, state.theme.text());
    }
    composed(state, buffer, placements, place, above, subject, within);
}

/// Something made of pictures, in the middle of its place, or why there is none.
fn composed(
    state: &State,
    buffer: &mut Buffer,
    placements: &mut Placements,
    place: Rect,
    inner: Rect,
    subject: Subject,
    within: (u16, u16),
) {
    match state.pictures.drawable(subject, within) {
        _ if state.canvas.protocol().is_none() => {
            centred(
                state,
                buffer,
                inner,
                "not drawn here: this terminal shows no pictures",
            );
        }
        Some(Painted::Ready(drawable)) if state.shows_pictures() => {
            placements.put_in_the_middle(drawable, place, buffer);
        }
        Some(Painted::Ready(_)) => {}
        Some(Painted::Failed(why)) => centred(state, buffer, inner, why),
        Some(Painted::Loading) | None => centred(state, buffer, inner, "loading"),
    }
}
