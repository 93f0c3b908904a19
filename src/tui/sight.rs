//! What is in sight, and what it needs: whose pictures are asked for, which are made ready, and how large.
//!
//! Only who is on the screen, and who may be next, is ever looked at. What is known is drawn at once; what is not is
//! asked for when the cursor rests, so that holding a key asks nobody.

use super::layout;
use super::looked::PersonLook;
use super::message::{Effect, Trouble};
use super::pictures::Looked;
use super::screens::people::Origin;
use super::screens::{history, past, person, plan, removals, sheet, tidy, zoom};
use super::state::{Effects, Screen, State};
use crate::domain::ids::SourceId;
use crate::domain::run::PersonRef;

/// How many people above and below the cursor are looked at ahead.
const NEIGHBOURS: usize = 2;

/// Brings a screen to the front.
pub fn show(state: &mut State, screen: Screen) -> Effects {
    state.screen = screen;
    if screen == Screen::Person {
        person::follow(state);
    }
    fit(state);
    paint_around(state)
}

/// The window or the screen has changed: how many people and how large a picture now fit.
pub fn fit(state: &mut State) {
    if layout::is_too_small(state.size) {
        state.pictures.within = (0, 0);
        return;
    }
    let areas = layout::people(state.size);
    let grid = sheet::grid(state);
    let people = &mut state.people;
    if state.list == Screen::Sheet {
        people.columns = usize::from(grid.columns);
        people.height = usize::from(grid.columns) * usize::from(grid.lines);
    } else {
        people.columns = 1;
        // The frame and the line of column names.
        people.height = usize::from(areas.table.height.saturating_sub(3));
    }
    people.keep_in_sight();
    state.history.runs.height = history::view::rows(state);
    state.history.runs.keep_in_sight();
    state.past.people.height = past::rows(state);
    state.past.people.keep_in_sight();
    state.removals.height = past::rows(state);
    state.removals.keep_in_sight();
    let picture = match state.screen {
        Screen::Zoom => zoom::picture(state).as_size(),
        Screen::Plan | Screen::Tidy | Screen::Person => layout::THUMBNAIL,
        Screen::Sheet => grid.picture,
        _ => layout::picture(areas.source).as_size(),
    };
    state.pictures.within = match state.canvas.protocol() {
        Some(_) => (picture.width, picture.height),
        None => (0, 0),
    };
}

/// The cursor may be on somebody else: what is known is drawn at once, what is not is asked for once it rests.
pub fn moved(state: &mut State) -> Effects {
    state.pictures.moves += 1;
    let mut effects = Vec::new();
    if state.screen == Screen::Sheet && state.sheet.has_scrolled_to(state.people.offset) {
        effects.extend(state.pictures.drop_paints());
    }
    if state.screen == Screen::Person {
        person::follow(state);
    }
    effects.extend(paint_around(state));
    let Some(person) = state.people.current_person() else {
        return effects;
    };
    // Who belongs together is not known before everybody is listed.
    if state.people.origin == Origin::Pages {
        return effects;
    }
    let is_unexplained = state.screen == Screen::Person && person::is_wanting(state);
    if is_unexplained
        || state.pictures.is_worth_another_look(&person.source, state.now)
        || is_missing_neighbour(state)
    {
        effects.push(Effect::Rest(state.pictures.moves));
    }
    effects
}

fn is_missing_neighbour(state: &State) -> bool {
    let is_missing =
        |person: &SourceId| matches!(state.pictures.look(person), None | Some(Looked::Failed(_)));
    if state.screen == Screen::Sheet {
        let listing = &state.people.listing;
        let on_screen = state.people.on_screen().iter().copied();
        return on_screen
            .chain(state.people.next_to_screen())
            .any(|row| is_missing(&listing.entry(row).source()));
    }
    let neighbours = state.people.neighbours(NEIGHBOURS);
    neighbours
        .iter()
        .any(|person| state.pictures.look(&person.source).is_none())
}

/// Whose pictures are in sight on the screen that is open, whoever is waited for first.
fn in_sight(state: &State) -> Vec<PersonRef> {
    match state.screen {
        Screen::Plan => plan::faces(state),
        // Their faces are of the past, or of one side alone.
        Screen::Tidy | Screen::History | Screen::Past | Screen::Removals => Vec::new(),
        _ => state.people.current_person().into_iter().collect(),
    }
}

/// Whose pictures may be in sight next.
fn nearly_in_sight(state: &State) -> Vec<PersonRef> {
    match state.screen {
        Screen::Plan | Screen::Tidy | Screen::History | Screen::Past | Screen::Removals => Vec::new(),
        _ => state.people.neighbours(NEIGHBOURS),
    }
}

/// Asks for whoever is in sight, and for the neighbours.
pub fn ask_around(state: &mut State) -> Effects {
    if state.screen == Screen::Sheet {
        let listing = &state.people.listing;
        for row in state.people.on_screen() {
            let person = listing.entry(*row).source();
            if matches!(state.pictures.look(&person), Some(Looked::Failed(_))) {
                state.pictures.forget(&person);
            }
        }
        return ask_in_sight(state);
    }
    let mut people = in_sight(state);
    for person in &people {
        if state.pictures.is_worth_another_look(&person.source, state.now) {
            state.pictures.forget(&person.source);
        }
    }
    people.extend(nearly_in_sight(state));
    state.pictures.ask(people)
}

/// Asks for whoever is in sight, if nobody has; on a contact sheet for the pages beside it too.
pub fn ask_in_sight(state: &mut State) -> Effects {
    if state.screen == Screen::Sheet {
        let people = &state.people;
        let rows = people.on_screen().iter().copied().chain(people.next_to_screen());
        let wanted = rows.map(|row| people.listing.entry(row).reference());
        return state.pictures.ask_many(wanted);
    }
    let people = in_sight(state);
    state.pictures.ask(people)
}

/// Asks for the drawables of whoever is in sight, and of the neighbours.
pub fn paint_around(state: &mut State) -> Effects {
    match state.screen {
        Screen::Sheet => {
            let people = &state.people;
            let ids = |rows: &mut dyn Iterator<Item = _>| -> Vec<SourceId> {
                rows.map(|row| people.listing.entry(row).source()).collect()
            };
            let on_screen = ids(&mut people.on_screen().iter().copied());
            let next = ids(&mut people.next_to_screen());
            let mut effects = state.pictures.paint_many(&on_screen);
            effects.extend(state.pictures.paint_ahead(&next));
            effects
        }
        Screen::Zoom => zoom::paint(state),
        Screen::Tidy => tidy::show_faces(state),
        Screen::Past => past::paint(state),
        Screen::Removals => removals::paint(state),
        Screen::Person => {
            let mut effects = paint_pairs(state);
            effects.extend(person::paint(state));
            effects
        }
        _ => paint_pairs(state),
    }
}

/// Asks for the pairs of whoever is in sight, and of the neighbours, in the size of the screen that is open.
pub fn paint_pairs(state: &mut State) -> Effects {
    let mut effects = Vec::new();
    for person in in_sight(state) {
        effects.extend(state.pictures.paint(&person.source, true));
    }
    for neighbour in nearly_in_sight(state) {
        effects.extend(state.pictures.paint(&neighbour.source, false));
    }
    effects
}

/// Somebody was looked at.
pub fn looked(state: &mut State, person: SourceId, result: Result<Box<PersonLook>, Trouble>) -> Effects {
    if state.outdated.remove(&person) {
        state.pictures.forget(&person);
    } else {
        let looked = match result {
            Ok(look) => {
                match &look.judgement {
                    Some((verdict, reason)) if look.is_whole => {
                        state.people.set(&person, *verdict, reason);
                    }
                    // A picture that did not come is no news about what a scan has found.
                    Some((verdict, reason)) => state.people.settle(&person, *verdict, reason),
                    None => {}
                }
                Looked::Ready((*look).into())
            }
            Err(trouble) => Looked::Failed(match trouble.hint {
                Some(hint) => format!("{}; {hint}", trouble.what),
                None => trouble.what,
            }),
        };
        state.pictures.looked(person, looked);
    }
    let mut effects = paint_around(state);
    // Whoever found no room before has some now; somebody who is only passing by wants none.
    if state.rested == state.pictures.moves || state.screen == Screen::Plan {
        effects.extend(ask_in_sight(state));
    }
    effects
}

/// What is known of somebody's pictures is no longer so.
pub fn outdate(state: &mut State, person: &SourceId) {
    person::outdate(state, person);
    state.faces.outdate(person);
    if matches!(state.pictures.look(person), Some(Looked::Loading)) {
        state.outdated.insert(person.clone());
    } else {
        state.pictures.forget(person);
    }
}
