//! One person: why their picture is what it is, step by step, the chain with the picture stored at each link, and who
//! works with them.

mod page;
pub mod view;

use std::num::NonZeroUsize;
use std::sync::Arc;

use bytes::Bytes;
use jiff::SignedDuration;
use lru::LruCache;

use crate::domain::anatomy::{Colleague, Colleagues};
use crate::domain::explanation::{Explanation, LinkPicture, Xray};
use crate::domain::ids::{PictureId, SourceId};
use crate::domain::run::PersonRef;
use crate::tui::intent::Intent;
use crate::tui::layout;
use crate::tui::looked::{Side, SideView};
use crate::tui::message::{Effect, Trouble};
use crate::tui::screens::people::Tab;
use crate::tui::sight::{ask_around, moved, show};
use crate::tui::state::{Effects, Screen, State};

/// Pictures of links and colleagues that are kept.
const KEPT: usize = 64;
/// Bytes they may hold.
const KEPT_BYTES: usize = 8 << 20;
/// An explanation counts as fresh for so long.
const FRESH: SignedDuration = SignedDuration::from_mins(1);
/// Direct reports that a key leads to.
pub const REPORTS: u8 = 9;

/// Something that may not be known yet.
#[derive(Clone, Debug)]
pub enum Known<T> {
    /// Nobody has asked.
    Wanted,
    /// Asked for.
    Loading,
    /// Here it is.
    Ready(Arc<T>),
    /// Could not be had; why, in words.
    Failed(String),
}

/// A picture of this screen that is neither side's.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum PictureKey {
    /// Stored at a link of the chain.
    Stored(PictureId),
    /// The photo of a manager or report.
    Face(SourceId),
}

/// A picture to fetch.
#[derive(Clone, Debug)]
pub enum Fetch {
    /// Stored at a link of the chain.
    Stored(Box<LinkPicture>),
    /// The photo of a manager or report.
    Face(SourceId),
}

impl Fetch {
    /// Which picture it is.
    pub fn key(&self) -> PictureKey {
        match self {
            Self::Stored(picture) => PictureKey::Stored(picture.id.clone()),
            Self::Face(person) => PictureKey::Face(person.clone()),
        }
    }
}

/// The screen.
#[derive(Debug)]
pub struct PersonScreen {
    /// Who.
    who: Option<PersonRef>,
    /// Numbers the people shown so far; an answer to an earlier one is dropped.
    question: u64,
    /// Why.
    explanation: Known<Explanation>,
    /// Who works with them.
    colleagues: Known<Colleagues>,
    /// Pictures of links and colleagues; `None`: asked for.
    pictures: LruCache<PictureKey, Option<Side>>,
    /// The first line on the screen.
    offset: usize,
}

impl Default for PersonScreen {
    fn default() -> Self {
        Self {
            who: None,
            question: 0,
            explanation: Known::Wanted,
            colleagues: Known::Wanted,
            pictures: LruCache::new(NonZeroUsize::new(KEPT).expect("not zero")),
            offset: 0,
        }
    }
}

impl PersonScreen {
    /// The number of the question whose answers are waited for.
    #[cfg(test)]
    pub fn question(&self) -> u64 {
        self.question
    }

    /// What is known of a picture; `None` if it was not asked for, `Some(None)` if it was.
    fn picture(&self, key: &PictureKey) -> Option<&Option<Side>> {
        self.pictures.peek(key)
    }

    /// Which of these pictures nobody has asked for, marked as asked for.
    fn not_asked_for(&mut self, wanted: Vec<Fetch>) -> Vec<Fetch> {
        let new: Vec<Fetch> = wanted
            .into_iter()
            .filter(|fetch| !self.pictures.contains(&fetch.key()))
            .take(KEPT / 2)
            .collect();
        for fetch in &new {
            self.pictures.put(fetch.key(), None);
        }
        new
    }

    fn keep(&mut self, key: PictureKey, side: Side) {
        self.pictures.put(key, Some(side));
        let held = |pictures: &LruCache<PictureKey, Option<Side>>| -> usize {
            let sides = pictures.iter().filter_map(|(_, side)| side.as_ref());
            sides.filter_map(Side::bytes).map(Bytes::len).sum()
        };
        while held(&self.pictures) > KEPT_BYTES && self.pictures.len() > 1 {
            self.pictures.pop_lru();
        }
    }
}

/// Opens the screen on whoever is under the cursor.
pub fn open(state: &mut State) -> Effects {
    if state.people.current_person().is_none() {
        state.say("nobody is shown");
        return Vec::new();
    }
    if is_old(state) {
        again(&mut state.person);
    }
    let mut effects = show(state, Screen::Person);
    effects.extend(ask_around(state));
    effects.extend(ask(state));
    effects
}

/// What was found out is from a while ago, or could not be found out.
fn is_old(state: &State) -> bool {
    match &state.person.explanation {
        Known::Failed(_) => true,
        Known::Ready(explanation) => state.now.duration_since(explanation.looked_at) > FRESH,
        Known::Wanted | Known::Loading => false,
    }
}

/// What is known of somebody is no longer so.
pub fn outdate(state: &mut State, person: &SourceId) {
    if state.person.who.as_ref().is_some_and(|who| who.source == *person) {
        again(&mut state.person);
    }
}

/// Somebody else may be under the cursor: what belongs to the one before is forgotten. True if so.
pub fn follow(state: &mut State) -> bool {
    let current = state.people.current_person();
    let source = |who: &Option<PersonRef>| who.as_ref().map(|who| who.source.clone());
    if source(&state.person.who) == source(&current) {
        return false;
    }
    state.person.who = current;
    again(&mut state.person);
    state.person.offset = 0;
    true
}

/// What is known may be so no longer.
fn again(person: &mut PersonScreen) {
    person.question += 1;
    person.explanation = Known::Wanted;
    person.colleagues = Known::Wanted;
}

/// True if something has to be asked for.
pub fn is_wanting(state: &State) -> bool {
    matches!(state.person.explanation, Known::Wanted)
}

/// Asks why, and who works with them, unless somebody has.
pub fn ask(state: &mut State) -> Effects {
    follow(state);
    let person = &mut state.person;
    let Some(who) = person.who.clone() else {
        return Vec::new();
    };
    if !matches!(person.explanation, Known::Wanted) {
        return Vec::new();
    }
    person.explanation = Known::Loading;
    person.colleagues = Known::Loading;
    vec![Effect::Explain {
        question: person.question,
        person: who,
    }]
}

/// The explanation is there.
pub fn explained(state: &mut State, question: u64, result: Result<Box<Explanation>, Trouble>) -> Effects {
    let person = &mut state.person;
    if question != person.question {
        return Vec::new();
    }
    match result {
        Err(trouble) => {
            person.explanation = Known::Failed(trouble.sentences());
            Vec::new()
        }
        Ok(explanation) => {
            let stored = explanation.xray.iter().flat_map(Xray::pictures);
            let wanted = stored
                .cloned()
                .map(|stored| Fetch::Stored(stored.into()))
                .collect();
            person.explanation = Known::Ready(explanation.into());
            fetch(state, wanted)
        }
    }
}

/// Who works with them is known.
pub fn colleagues(state: &mut State, question: u64, result: Result<Box<Colleagues>, Trouble>) -> Effects {
    let person = &mut state.person;
    if question != person.question {
        return Vec::new();
    }
    match result {
        Err(trouble) => {
            person.colleagues = Known::Failed(trouble.sentences());
            Vec::new()
        }
        Ok(colleagues) => {
            let reports = colleagues.reports.iter().take(usize::from(REPORTS));
            let faces = colleagues.manager.iter().chain(reports);
            let wanted = faces.map(|colleague| Fetch::Face(colleague.id.clone())).collect();
            person.colleagues = Known::Ready(colleagues.into());
            fetch(state, wanted)
        }
    }
}

fn fetch(state: &mut State, wanted: Vec<Fetch>) -> Effects {
    // Words need no bytes.
    if state.canvas.protocol().is_none() {
        return Vec::new();
    }
    let wanted = state.person.not_asked_for(wanted);
    let mut effects = paint(state);
    if !wanted.is_empty() {
        effects.push(Effect::Fetch(wanted));
    }
    effects
}

/// A picture of a link or a colleague is there.
pub fn fetched(state: &mut State, key: PictureKey, picture: SideView) -> Effects {
    let side = Side {
        picture,
        caption: Vec::new(),
    };
    state.person.keep(key, side);
    if state.screen == Screen::Person {
        return paint(state);
    }
    Vec::new()
}

/// Asks for what the screen needs to be drawn, beside the pair.
pub fn paint(state: &mut State) -> Effects {
    let mut effects = Vec::new();
    if state.canvas.protocol().is_none() || layout::is_too_small(state.size) {
        return effects;
    }
    let mut gone = Vec::new();
    let sides: Vec<(PictureKey, Side)> = state
        .person
        .pictures
        .iter()
        .filter(|(key, _)| is_shown(&state.person, key))
        .filter_map(|(key, side)| Some((key.clone(), side.clone()?)))
        .collect();
    for (key, side) in sides {
        let Some(subject) = side.subject() else { continue };
        let within = size_of(&key);
        let bytes = side.bytes().cloned().map(|bytes| vec![bytes]);
        match state.pictures.want(subject, within, bytes, true) {
            Ok(effect) => effects.extend(effect),
            Err(_) => gone.push(key),
        }
    }
    for key in gone {
        state.person.pictures.pop(&key);
    }
    effects
}

fn is_shown(person: &PersonScreen, key: &PictureKey) -> bool {
    match (key, &person.explanation, &person.colleagues) {
        (PictureKey::Stored(id), Known::Ready(explanation), _) => explanation
            .xray
            .iter()
            .flat_map(Xray::pictures)
            .any(|picture| picture.id == *id),
        (PictureKey::Face(id), _, Known::Ready(colleagues)) => colleagues
            .manager
            .iter()
            .chain(&colleagues.reports)
            .any(|colleague| colleague.id == *id),
        _ => false,
    }
}

/// The cells in which a picture of this screen is drawn.
fn size_of(key: &PictureKey) -> (u16, u16) {
    let size = match key {
        PictureKey::Stored(_) => layout::THUMBNAIL,
        PictureKey::Face(_) => layout::SMALL_FACE,
    };
    (size.width, size.height)
}

/// What somebody wants of this screen; `None` for what means the same on every screen with people.
pub fn perform(state: &mut State, intent: Intent) -> Option<Effects> {
    let page = isize::try_from(view::height(state)).unwrap_or(1).max(2);
    let by = match intent {
        Intent::Up => -1,
        Intent::Down => 1,
        Intent::PageUp => 1 - page,
        Intent::PageDown => page - 1,
        Intent::First => isize::MIN,
        Intent::Last => isize::MAX,
        _ => 0,
    };
    if by != 0 {
        let last = view::last_offset(state);
        state.person.offset = state.person.offset.min(last).saturating_add_signed(by).min(last);
        return Some(Vec::new());
    }
    match intent {
        Intent::Left | Intent::Right => {
            state.people.step(if intent == Intent::Left { -1 } else { 1 });
            Some(moved(state))
        }
        // The person stays on the screen: nothing else is in sight that could be marked next.
        Intent::Mark => {
            state.people.toggle_mark();
            Some(Vec::new())
        }
        Intent::Back | Intent::Details => Some(show(state, state.list)),
        Intent::RefreshOne => {
            again(&mut state.person);
            let shown: Vec<PictureKey> = state.person.pictures.iter().map(|(key, _)| key.clone()).collect();
            for key in shown {
                state.person.pictures.pop(&key);
            }
            if let Some(person) = state.people.current_person() {
                state.pictures.forget(&person.source);
            }
            let mut effects = ask(state);
            effects.extend(ask_around(state));
            Some(effects)
        }
        Intent::Manager => Some(go_to(state, "no manager is known", |colleagues| {
            colleagues.manager.as_ref()
        })),
        Intent::Report(number) => Some(go_to(state, "there is no such direct report", |colleagues| {
            colleagues.reports.get(usize::from(number.saturating_sub(1)))
        })),
        _ => None,
    }
}

/// Goes on to somebody who works with this person, in the list too.
fn go_to(state: &mut State, nobody: &str, choose: impl FnOnce(&Colleagues) -> Option<&Colleague>) -> Effects {
    let Known::Ready(colleagues) = &state.person.colleagues else {
        state.say("who works with this person is not known yet");
        return Vec::new();
    };
    let colleagues = Arc::clone(colleagues);
    let Some(colleague) = choose(&colleagues) else {
        state.say(nobody);
        return Vec::new();
    };
    let people = &mut state.people;
    let Some(row) = people.listing.find(&colleague.id) else {
        state.say(format!(
            "{} is not among the people listed here",
            colleague.name.shown()
        ));
        return Vec::new();
    };
    if !people.rows.contains(&row) {
        people.set_text(String::new());
        people.open_tab(Tab::All);
        people.arrange(None);
    }
    if let Some(position) = people.rows.iter().position(|shown| *shown == row) {
        people.go_to(position);
    }
    let mut effects = moved(state);
    effects.extend(ask(state));
    effects
}
