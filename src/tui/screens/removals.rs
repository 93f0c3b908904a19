//! Avatars that may go because the photo is gone: for whom evidence is collected, what waits for somebody's word, and
//! what was said. Whoever approves sees whose faces would go and is asked once more; the other way no question is asked.

pub mod view;

use std::collections::{BTreeMap, HashSet};

use crossterm::event::KeyCode;

use crate::domain::brake::removal::{Decision, Sightings, StagedRemoval, Word};
use crate::domain::comparison::Verdict;
use crate::domain::ids::SourceId;
use crate::domain::plan::Absence;
use crate::domain::run::PersonRef;
use crate::engine::Removals;
use crate::tui::faces::{FaceKey, FaceQuestion};
use crate::tui::intent::Intent;
use crate::tui::keymap::Key;
use crate::tui::message::{Effect, Trouble};
use crate::tui::screens::past;
use crate::tui::screens::plan::{self, type_digit};
use crate::tui::screens::tidy;
use crate::tui::sight::{paint_around, show};
use crate::tui::state::{Effects, Screen, State};

/// How far it has come with somebody's avatar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// It waits for somebody's word.
    Waiting,
    /// The next run may remove it.
    Approved,
    /// Somebody has said that it stays.
    Kept,
    /// The evidence is complete; the next run acts on it.
    Due,
    /// The photo has not been missing for long enough, or not been seen missing often enough.
    Collecting,
}

impl Stage {
    /// Every stage, in the order in which they are listed.
    pub const ALL: [Self; 5] = [
        Self::Waiting,
        Self::Approved,
        Self::Kept,
        Self::Due,
        Self::Collecting,
    ];

    /// A word for the row and the tab.
    pub fn words(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Approved => "approved",
            Self::Kept => "kept",
            Self::Due => "due",
            Self::Collecting => "collecting",
        }
    }
}

/// Somebody whose avatar may go.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Who.
    pub person: SourceId,
    /// How far it has come.
    pub stage: Stage,
    /// What was seen, where it was recorded.
    pub evidence: Option<Sightings>,
    /// Where it is in [`Removals::staged`]; `None` as long as nothing was staged.
    staged: Option<usize>,
}

/// A question that waits for an answer.
#[derive(Clone, Debug)]
pub struct Question {
    /// Whose avatars would go, as they were shown.
    pub removals: Vec<StagedRemoval>,
    /// The number that has to be typed: nobody lets several faces go with one key.
    pub wanted: Option<u64>,
    /// What has been typed so far.
    pub typed: String,
    /// Where the cursor was.
    cursor: usize,
}

impl Question {
    /// True if the answer may be yes now.
    pub fn may_be_accepted(&self) -> bool {
        self.wanted.is_none_or(|wanted| self.typed.parse() == Ok(wanted))
    }
}

/// The screen.
#[derive(Debug, Default)]
pub struct RemovalsScreen {
    /// What is known; `None` until it has been read.
    pub known: Option<Result<Box<Removals>, Trouble>>,
    /// How many wait for somebody's word, as it was last told.
    pub waiting: u64,
    /// Everybody, in order.
    entries: Vec<Entry>,
    /// Those on the list, by their place in `entries`.
    pub rows: Vec<usize>,
    /// The row under the cursor.
    pub cursor: usize,
    /// The first row on the screen.
    pub offset: usize,
    /// Rows that fit; set by the layout.
    pub height: usize,
    /// Only those at this stage; everybody if `None`.
    pub only: Option<Stage>,
    /// Who is marked.
    pub marks: HashSet<SourceId>,
    /// The question, if one waits for an answer; then the list shows whom it is about.
    pub question: Option<Question>,
}

impl RemovalsScreen {
    /// What was read, if it could be.
    pub fn removals(&self) -> Option<&Removals> {
        self.known.as_ref()?.as_ref().ok().map(AsRef::as_ref)
    }

    /// The entry on this row.
    pub fn entry(&self, row: usize) -> Option<&Entry> {
        self.entries.get(*self.rows.get(row)?)
    }

    /// The entry under the cursor.
    pub fn current(&self) -> Option<&Entry> {
        self.entry(self.cursor)
    }

    /// The staged removal of an entry, if there is one.
    pub fn staged(&self, entry: &Entry) -> Option<&StagedRemoval> {
        self.removals()?.staged.get(entry.staged?)
    }

    /// How many are at this stage, or how many there are.
    pub fn count(&self, stage: Option<Stage>) -> usize {
        match stage {
            None => self.entries.len(),
            Some(stage) => self.entries.iter().filter(|entry| entry.stage == stage).count(),
        }
    }

    /// The stages at which somebody is, in their order.
    pub fn tabs(&self) -> Vec<Option<Stage>> {
        let mut counts: BTreeMap<Stage, usize> = BTreeMap::new();
        for entry in &self.entries {
            *counts.entry(entry.stage).or_default() += 1;
        }
        let stages = Stage::ALL
            .into_iter()
            .filter(|stage| counts.contains_key(stage) || self.only == Some(*stage));
        std::iter::once(None).chain(stages.map(Some)).collect()
    }

    /// True if this key is part of the number that has to be typed.
    pub fn takes(&self, key: Key) -> bool {
        self.question
            .as_ref()
            .is_some_and(|question| question.wanted.is_some())
            && (key.typed().is_some_and(|letter| letter.is_ascii_digit()) || key.code == KeyCode::Backspace)
    }

    /// The cursor stays on the list, and the list with it in sight.
    pub fn keep_in_sight(&mut self) {
        let height = self.height.max(1);
        self.cursor = self.cursor.min(self.rows.len().saturating_sub(1));
        self.offset = self
            .offset
            .min(self.cursor)
            .max((self.cursor + 1).saturating_sub(height))
            .min(self.rows.len().saturating_sub(height));
    }

    /// Moves the cursor; false for what does not move it.
    fn moves(&mut self, intent: Intent) -> bool {
        let page = self.height.max(1) as isize;
        let by = match intent {
            Intent::Down => 1,
            Intent::Up => -1,
            Intent::PageDown => page,
            Intent::PageUp => -page,
            Intent::First => isize::MIN,
            Intent::Last => isize::MAX,
            _ => return false,
        };
        self.cursor = self.cursor.saturating_add_signed(by);
        self.keep_in_sight();
        true
    }

    /// Whom the list shows; the cursor stays on whom it is on, if they are still there.
    fn arrange(&mut self) {
        let here = self.current().map(|entry| entry.person.clone());
        self.rows = match &self.question {
            Some(question) => {
                let asked: HashSet<&SourceId> = question
                    .removals
                    .iter()
                    .map(|removal| &removal.person.source)
                    .collect();
                self.rows_of(|entry| asked.contains(&entry.person))
            }
            None => self.rows_of(|entry| self.only.is_none_or(|only| entry.stage == only)),
        };
        if let Some(here) = here
            && let Some(row) = self
                .rows
                .iter()
                .position(|entry| self.entries[*entry].person == here)
        {
            self.cursor = row;
        }
        self.keep_in_sight();
    }

    fn rows_of(&self, is_shown: impl Fn(&Entry) -> bool) -> Vec<usize> {
        (0..self.entries.len())
            .filter(|entry| is_shown(&self.entries[*entry]))
            .collect()
    }

    /// The staged removals of the marked people, or of the one under the cursor.
    fn chosen(&self) -> Vec<&StagedRemoval> {
        if self.marks.is_empty() {
            let here = self.current().and_then(|entry| self.staged(entry));
            return here.into_iter().collect();
        }
        self.entries
            .iter()
            .filter(|entry| self.marks.contains(&entry.person))
            .filter_map(|entry| self.staged(entry))
            .collect()
    }
}

/// Opens the page; it is read anew.
pub fn open(state: &mut State) -> Effects {
    let mut effects = plan::drop_it(state);
    effects.extend(tidy::drop_it(state));
    effects.extend(show(state, Screen::Removals));
    effects.push(Effect::ReadRemovals);
    effects
}

/// A scan or a run may have changed what is known.
pub fn outdate(state: &State) -> Effects {
    if state.screen == Screen::Removals {
        return vec![Effect::ReadRemovals];
    }
    Vec::new()
}

/// It was read.
pub fn read(state: &mut State, result: Result<Box<Removals>, Trouble>) -> Effects {
    state.removals.entries = match &result {
        Ok(known) => entries(state, known),
        Err(_) => Vec::new(),
    };
    let screen = &mut state.removals;
    if let Ok(known) = &result {
        screen.waiting = screen.count(Some(Stage::Waiting)) as u64;
        let staged: HashSet<&SourceId> = known
            .staged
            .iter()
            .map(|removal| &removal.person.source)
            .collect();
        screen.marks.retain(|person| staged.contains(person));
    }
    screen.known = Some(result);
    screen.arrange();
    follow(state)
}

/// Everybody whose avatar may go, in order: what waits for somebody comes first.
fn entries(state: &State, known: &Removals) -> Vec<Entry> {
    let mut entries: Vec<Entry> = known
        .staged
        .iter()
        .enumerate()
        .map(|(position, removal)| Entry {
            person: removal.person.source.clone(),
            stage: match removal.decision {
                Decision::Waiting => Stage::Waiting,
                Decision::Approved { .. } => Stage::Approved,
                Decision::Rejected { .. } => Stage::Kept,
            },
            evidence: removal.evidence,
            staged: Some(position),
        })
        .collect();
    let listing = &state.people.listing;
    // What was seen of somebody who has a photo or no avatar by now is of no interest any more.
    let seen = listing.rows().filter_map(|row| {
        let entry = listing.entry(row);
        if entry.verdict() != Verdict::OnlyInTarget {
            return None;
        }
        let person = entry.source();
        let evidence = *known.seen.get(&person)?;
        let is_due = known.rule.judge(Some(evidence), state.now) == Absence::Confirmed;
        Some(Entry {
            person,
            stage: if is_due { Stage::Due } else { Stage::Collecting },
            evidence: Some(evidence),
            staged: None,
        })
    });
    entries.extend(seen);
    // Of one stage the order stays: staged ones by age, the others as the listing has them.
    entries.sort_by_key(|entry| entry.stage);
    entries
}

/// How reports name somebody of the list.
pub fn reference(state: &State, entry: &Entry) -> Option<PersonRef> {
    if let Some(staged) = state.removals.staged(entry) {
        return Some(staged.person.clone());
    }
    let listing = &state.people.listing;
    let row = listing.find(&entry.person)?;
    Some(listing.entry(row).reference())
}

/// The face that belongs to the row under the cursor.
pub fn key(state: &State) -> Option<FaceKey> {
    let entry = state.removals.current()?;
    Some(FaceKey::Now(entry.person.clone()))
}

/// The cursor may be on somebody else: what is known is drawn, what is not is asked for once it rests.
pub fn follow(state: &mut State) -> Effects {
    if state.screen != Screen::Removals {
        return Vec::new();
    }
    let mut effects = paint_around(state);
    if key(state).is_some_and(|key| state.faces.get(&key).is_none()) {
        state.pictures.moves += 1;
        effects.push(Effect::Rest(state.pictures.moves));
    }
    effects
}

/// The cursor rests: the face is asked for.
pub fn ask(state: &mut State) -> Effects {
    let here = state.removals.current();
    let Some(person) = here.and_then(|entry| reference(state, entry)) else {
        return Vec::new();
    };
    state
        .faces
        .ask(vec![FaceQuestion::Now(person)])
        .into_iter()
        .collect()
}

/// Asks for what the screen needs to be drawn.
pub fn paint(state: &mut State) -> Effects {
    let keys: Vec<FaceKey> = key(state).into_iter().collect();
    let within = state.pictures.within;
    state.faces.paint(&keys, within, &mut state.pictures)
}

/// A digit of the number that has to be typed.
pub fn typed(state: &mut State, key: Key) -> Effects {
    if let Some(question) = &mut state.removals.question {
        type_digit(&mut question.typed, key);
    }
    Vec::new()
}

/// What somebody wants of the list, or answers to the question.
pub fn perform(state: &mut State, intent: Intent) -> Effects {
    let screen = &mut state.removals;
    if screen.moves(intent) {
        return follow(state);
    }
    if screen.question.is_some() {
        return match intent {
            Intent::Accept => accept(state),
            Intent::Back => {
                close_question(state);
                follow(state)
            }
            _ => Vec::new(),
        };
    }
    match intent {
        Intent::NextTab | Intent::Right => turn(state, true),
        Intent::PreviousTab | Intent::Left => turn(state, false),
        Intent::Mark => mark(state),
        Intent::MarkShown | Intent::InvertMarks | Intent::UnmarkAll => {
            mark_many(state, intent);
            Vec::new()
        }
        Intent::Approve => say(state, Word::Approve),
        Intent::Keep => say(state, Word::Keep),
        Intent::TakeBack => say(state, Word::TakeBack),
        Intent::Follow => {
            let here = state.removals.current();
            match here.and_then(|entry| reference(state, entry)) {
                Some(person) => past::jump_to(state, &person),
                None => Vec::new(),
            }
        }
        Intent::Back => show(state, state.list),
        _ => Vec::new(),
    }
}

fn turn(state: &mut State, forward: bool) -> Effects {
    let screen = &mut state.removals;
    let tabs = screen.tabs();
    let here = tabs.iter().position(|tab| *tab == screen.only).unwrap_or(0);
    let step = if forward { 1 } else { tabs.len() - 1 };
    screen.only = tabs[(here + step) % tabs.len()];
    screen.arrange();
    follow(state)
}

fn mark(state: &mut State) -> Effects {
    let screen = &mut state.removals;
    let Some(entry) = screen.current() else {
        return Vec::new();
    };
    if entry.staged.is_none() {
        let why = not_yet(entry.stage);
        state.say(why);
        return Vec::new();
    }
    let person = entry.person.clone();
    if !screen.marks.remove(&person) {
        screen.marks.insert(person);
    }
    screen.moves(Intent::Down);
    follow(state)
}

fn mark_many(state: &mut State, intent: Intent) {
    let screen = &mut state.removals;
    let shown: Vec<SourceId> = (0..screen.rows.len())
        .filter_map(|row| screen.entry(row))
        .filter(|entry| entry.staged.is_some())
        .map(|entry| entry.person.clone())
        .collect();
    match intent {
        Intent::UnmarkAll => screen.marks.clear(),
        Intent::MarkShown => screen.marks.extend(shown),
        _ => {
            for person in shown {
                if !screen.marks.remove(&person) {
                    screen.marks.insert(person);
                }
            }
        }
    }
}

/// Why nothing can be said about somebody yet.
fn not_yet(stage: Stage) -> &'static str {
    match stage {
        Stage::Due => "nothing to approve yet: the next run that nobody confirms stages it",
        _ => "nothing to approve yet: evidence is still collected",
    }
}

/// Says something about the marked avatars, or the one under the cursor. Only what lets faces go is asked about first.
fn say(state: &mut State, word: Word) -> Effects {
    if state.setting.is_readonly {
        state.say("read-only: nothing is decided");
        return Vec::new();
    }
    let screen = &state.removals;
    let chosen = screen.chosen();
    let removals: Vec<StagedRemoval> = chosen
        .iter()
        .filter(|removal| word.changes(&removal.decision))
        .map(|removal| (*removal).clone())
        .collect();
    if removals.is_empty() {
        let words = match (screen.current(), chosen.is_empty(), word) {
            (None, ..) => "nobody is shown",
            (Some(entry), true, _) => not_yet(entry.stage),
            (_, false, Word::Approve) => "approved already",
            (_, false, Word::Keep) => "kept already",
            (_, false, Word::TakeBack) => "nothing was said about it yet",
        };
        state.say(words);
        return Vec::new();
    }
    if word != Word::Approve {
        return decide(state, removals, word);
    }
    let count = removals.len() as u64;
    let screen = &mut state.removals;
    screen.question = Some(Question {
        wanted: (count > 1).then_some(count),
        removals,
        typed: String::new(),
        cursor: screen.cursor,
    });
    screen.cursor = 0;
    screen.arrange();
    follow(state)
}

fn accept(state: &mut State) -> Effects {
    let Some(question) = &state.removals.question else {
        return Vec::new();
    };
    if !question.may_be_accepted() {
        if let Some(wanted) = question.wanted {
            state.say(format!("several faces would go: type {wanted}, then accept"));
        }
        return Vec::new();
    }
    let removals = question.removals.clone();
    close_question(state);
    let mut effects = decide(state, removals, Word::Approve);
    effects.extend(follow(state));
    effects
}

fn close_question(state: &mut State) {
    let screen = &mut state.removals;
    if let Some(question) = screen.question.take() {
        screen.rows.clear();
        screen.cursor = question.cursor;
        screen.arrange();
    }
}

/// Has it said. What is shown follows once it is kept.
fn decide(state: &mut State, removals: Vec<StagedRemoval>, word: Word) -> Effects {
    for removal in &removals {
        state.removals.marks.remove(&removal.person.source);
    }
    vec![Effect::Decide { removals, word }]
}
