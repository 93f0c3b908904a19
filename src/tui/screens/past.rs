//! The people of a run of the past, with the old and the new face of the one under the cursor side by side.

pub mod view;

use crossterm::event::KeyCode;

use crate::domain::run::{Outcome, PersonRef};
use crate::engine::PastFace;
use crate::store::journal::{PastRun, PastStep, PeopleCursor, PeopleFilter};
use crate::tui::faces::{FaceKey, FaceQuestion, side_of};
use crate::tui::intent::Intent;
use crate::tui::keymap::Key;
use crate::tui::layout;
use crate::tui::message::{Effect, Trouble, Undo};
use crate::tui::paged::{Paged, Slice, Wanted};
use crate::tui::screens::people::{QUERY_LIMIT, Tab};
use crate::tui::screens::tidy;
use crate::tui::sight::{moved, paint_around, show};
use crate::tui::state::{Effects, Screen, State};

/// A run of the past.
#[derive(Debug, Default)]
pub struct PastScreen {
    /// Which one.
    pub run: Option<PastRun>,
    /// Its people, as far as they are wanted.
    pub people: Paged<PastStep, PeopleCursor>,
    /// Only those who ended so; everybody if `None`.
    pub only: Option<Outcome>,
    /// A part of their names.
    pub text: String,
    /// Somebody is typing it.
    pub is_typing: bool,
}

impl PastScreen {
    /// The outcomes that somebody of the run has had, in the order in which they are always named.
    pub fn tabs(&self) -> Vec<Option<Outcome>> {
        let is_there = |outcome: &Outcome| self.count(Some(*outcome)) > 0 || self.only == Some(*outcome);
        std::iter::once(None)
            .chain(Outcome::ALL.into_iter().filter(is_there).map(Some))
            .collect()
    }

    /// How many have this outcome, or how many there are.
    pub fn count(&self, outcome: Option<Outcome>) -> u64 {
        let endings = self.run.as_ref().map(|run| run.endings).unwrap_or_default();
        outcome.map_or(endings.selected, |outcome| endings.of(outcome))
    }
}

/// Opens a run.
pub fn open(state: &mut State, run: PastRun) -> Effects {
    let is_another = state
        .past
        .run
        .as_ref()
        .is_none_or(|known| known.record.id != run.record.id);
    if is_another {
        state.past = PastScreen {
            run: Some(run),
            ..PastScreen::default()
        };
    } else {
        state.past.run = Some(run);
    }
    state.questions += 1;
    state.past.people.restart(state.questions);
    let mut effects = show(state, Screen::Past);
    effects.extend(follow(state));
    effects
}

/// Another part of the run's people is wanted.
fn restart(state: &mut State) -> Effects {
    state.questions += 1;
    state.past.people.restart(state.questions);
    follow(state)
}

/// The run has gone on, or is over: its people are read anew.
pub fn outdate(state: &mut State) -> Effects {
    if state.past.run.is_none() {
        return Vec::new();
    }
    state.questions += 1;
    state.past.people.restart(state.questions);
    if state.screen == Screen::Past {
        return follow(state);
    }
    Vec::new()
}

/// The cursor may be on somebody else: pages in sight are read, what is known is drawn, and what is not is asked for
/// once the cursor rests.
pub fn follow(state: &mut State) -> Effects {
    let mut effects = read(state);
    effects.extend(paint_around(state));
    let is_unknown = |key: &FaceKey| state.faces.get(key).is_none();
    if keys(state).iter().any(is_unknown) {
        state.pictures.moves += 1;
        effects.push(Effect::Rest(state.pictures.moves));
    }
    effects
}

/// The cursor rests: the faces are asked for.
pub fn ask(state: &mut State) -> Effects {
    let Some(past) = state.past.people.current() else {
        return Vec::new();
    };
    let question = FaceQuestion::Past(Box::new(past.clone()));
    state.faces.ask(vec![question]).into_iter().collect()
}

fn read(state: &mut State) -> Effects {
    let past = &mut state.past;
    let Some(run) = &past.run else { return Vec::new() };
    let filter = PeopleFilter {
        outcome: past.only,
        text: past.text.clone(),
    };
    past.people
        .wanted()
        .into_iter()
        .map(|at| Effect::ReadRunPeople {
            at,
            run: run.record.id.clone(),
            filter: filter.clone(),
        })
        .collect()
}

/// A page is there.
pub fn people(
    state: &mut State,
    at: &Wanted<PeopleCursor>,
    result: Result<Slice<PastStep, PeopleCursor>, Trouble>,
) -> Effects {
    match result {
        Ok(slice) => {
            state.past.people.put(at, slice);
        }
        Err(trouble) => state.past.people.fail(at, trouble.sentences()),
    }
    if state.screen == Screen::Past {
        return follow(state);
    }
    Vec::new()
}

/// A face is there.
pub fn face(state: &mut State, key: FaceKey, face: PastFace, words: &str) -> Effects {
    state.faces.put(key, side_of(face, words));
    match state.screen {
        Screen::Past | Screen::Removals => paint_around(state),
        Screen::Tidy => tidy::show_faces(state),
        _ => Vec::new(),
    }
}

/// Which faces belong to the person under the cursor.
pub fn keys(state: &State) -> Vec<FaceKey> {
    let current = state.past.people.current();
    current.map(FaceKey::of_step).into_iter().flatten().collect()
}

/// Asks for what the screen needs to be drawn.
pub fn paint(state: &mut State) -> Effects {
    let keys = keys(state);
    let within = state.pictures.within;
    state.faces.paint(&keys, within, &mut state.pictures)
}

/// What somebody wants of the run.
pub fn perform(state: &mut State, intent: Intent) -> Effects {
    if state.past.people.moves(intent) {
        return follow(state);
    }
    match intent {
        Intent::NextTab | Intent::Right => turn(state, true),
        Intent::PreviousTab | Intent::Left => turn(state, false),
        Intent::Filter => {
            state.past.is_typing = true;
            Vec::new()
        }
        Intent::Follow => jump(state),
        Intent::Undo => {
            let past = &state.past;
            let Some(PastStep { step, .. }) = past.people.current() else {
                return Vec::new();
            };
            let undo = Undo::OfRun(step.run.clone(), step.person.source.clone());
            tidy::undo(state, undo)
        }
        Intent::Back if !state.past.text.is_empty() => {
            state.past.text.clear();
            restart(state)
        }
        Intent::Back => super::history::open(state),
        _ => Vec::new(),
    }
}

fn turn(state: &mut State, forward: bool) -> Effects {
    let tabs = state.past.tabs();
    let here = tabs.iter().position(|tab| *tab == state.past.only).unwrap_or(0);
    let step = if forward { 1 } else { tabs.len() - 1 };
    state.past.only = tabs[(here + step) % tabs.len()];
    restart(state)
}

/// Leads to the person in the table.
fn jump(state: &mut State) -> Effects {
    match state.past.people.current() {
        Some(past) => {
            let person = past.step.person.clone();
            jump_to(state, &person)
        }
        None => Vec::new(),
    }
}

/// Leads to this person in the table.
pub fn jump_to(state: &mut State, person: &PersonRef) -> Effects {
    let people = &mut state.people;
    let found = people.listing.find(&person.source).or_else(|| {
        // A cleaning and an undo know people of the target alone.
        let target = person.target.as_ref()?;
        let mut rows = people.listing.rows();
        rows.find(|row| people.listing.entry(*row).target().as_ref() == Some(target))
    });
    let Some(row) = found else {
        state.say(format!("{} is not in the last scan", person.name.shown()));
        return Vec::new();
    };
    people.set_text(String::new());
    people.open_tab(Tab::All);
    if people.is_of_marked {
        people.arrange(None);
    }
    let position = people.rows.iter().position(|shown| *shown == row);
    people.go_to(position.unwrap_or(0));
    let mut effects = show(state, state.list);
    effects.extend(moved(state));
    effects
}

/// A key while a part of a name is typed.
pub fn typed(state: &mut State, key: Key) -> Effects {
    let past = &mut state.past;
    let before = past.text.clone();
    match key.code {
        KeyCode::Esc => {
            past.is_typing = false;
            past.text.clear();
        }
        KeyCode::Enter => past.is_typing = false,
        KeyCode::Backspace => {
            if past.text.pop().is_none() {
                past.is_typing = false;
            }
        }
        KeyCode::Up | KeyCode::Down => {
            past.people.moves(if key.code == KeyCode::Up {
                Intent::Up
            } else {
                Intent::Down
            });
            return follow(state);
        }
        KeyCode::Char('c') if key.typed().is_none() => {
            past.is_typing = false;
            past.text.clear();
        }
        KeyCode::Char('u') if key.typed().is_none() => past.text.clear(),
        _ => {
            if let Some(letter) = key.typed()
                && past.text.chars().count() < QUERY_LIMIT
            {
                past.text.push(letter);
            }
        }
    }
    if state.past.text == before {
        return Vec::new();
    }
    restart(state)
}

/// Text was pasted while a part of a name is typed.
pub fn pasted(state: &mut State, text: &str) -> Effects {
    let room = QUERY_LIMIT.saturating_sub(state.past.text.chars().count());
    state.past.text.extend(text.chars().take(room));
    restart(state)
}

/// The rows of people that fit.
pub fn rows(state: &State) -> usize {
    let table = layout::people(state.size).table;
    // The frame.
    usize::from(table.height.saturating_sub(2))
}
