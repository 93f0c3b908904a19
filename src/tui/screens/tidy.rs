//! A cleaning or an undo that is being planned, or waits for an answer. Of a cleaning: what lies around and nobody sees,
//! and what of it would go. Of an undo: which faces would come back. Either way what is left and why, before anything
//! is changed.

pub mod view;

use std::collections::BTreeMap;

use crossterm::event::KeyCode;
use jiff::Timestamp;

use crate::domain::plan::Limits;
use crate::domain::text::clean;
use crate::domain::tidying::{Purpose, TidyPlan, TidyStep};
use crate::report::tidying::left_words;
use crate::tui::faces::{FaceKey, FaceQuestion};
use crate::tui::intent::Intent;
use crate::tui::keymap::Key;
use crate::tui::message::{Effect, ScanNews, Tidying, Trouble, Undo};
use crate::tui::screens::plan::{Again, is_run_in_the_way, lines_further, type_digit};
use crate::tui::sight::show;
use crate::tui::state::{Effects, Screen, State};

/// The screen: a small machine.
#[derive(Debug, Default)]
pub enum TidyScreen {
    /// There is none.
    #[default]
    Nothing,
    /// It is being planned.
    Making {
        /// The question's number.
        question: u64,
        /// What for.
        tidying: Tidying,
        /// How far it is.
        news: Option<ScanNews>,
        /// The plan that has waited too long, if it is made again for that.
        instead_of: Option<Box<TidyPlan>>,
    },
    /// It waits for an answer.
    Ready(Box<Proposal>),
    /// It cannot be planned.
    Refused(Tidying, Trouble),
}

/// A plan with what the screen says about it.
#[derive(Debug)]
pub struct Proposal {
    /// The plan.
    pub plan: TidyPlan,
    /// What was asked for.
    pub tidying: Tidying,
    /// Why things are left, with how many people or records each reason has; the most frequent first.
    pub left: Vec<(String, u64)>,
    /// The number that has to be typed, if it is a large one.
    pub wanted: Option<u64>,
    /// What has been typed so far.
    pub typed: String,
    /// The first line of the list on the screen.
    pub offset: usize,
    /// Why it may not be carried out, if it may not.
    pub obstacle: Option<String>,
    /// It was made again, because it had waited too long.
    pub again: Option<Again>,
}

impl TidyScreen {
    /// True while somebody waits for it.
    pub fn is_being_made(&self) -> bool {
        matches!(self, Self::Making { .. })
    }

    /// True if this key is part of the number that has to be typed.
    pub fn takes(&self, key: Key) -> bool {
        let Self::Ready(proposal) = self else { return false };
        proposal.wanted.is_some()
            && proposal.obstacle.is_none()
            && (key.typed().is_some_and(|letter| letter.is_ascii_digit()) || key.code == KeyCode::Backspace)
    }
}

impl Proposal {
    fn new(plan: TidyPlan, tidying: Tidying, obstacle: Option<String>) -> Self {
        let mut left: BTreeMap<String, u64> = BTreeMap::new();
        for one in &plan.left {
            *left.entry(clean(&left_words(one)).into_owned()).or_default() += 1;
        }
        let mut left: Vec<(String, u64)> = left.into_iter().collect();
        left.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        Self {
            wanted: plan.number_to_type(),
            plan,
            tidying,
            left,
            typed: String::new(),
            offset: 0,
            obstacle,
            again: None,
        }
    }

    /// True if the answer may be yes now.
    pub fn may_be_accepted(&self) -> bool {
        self.obstacle.is_none()
            && !self.plan.steps.is_empty()
            && self.wanted.is_none_or(|wanted| self.typed.parse() == Ok(wanted))
    }

    /// Lines of the list: those where something is done, then those who are left alone.
    pub fn lines(&self) -> usize {
        self.plan.steps.len() + self.plan.left.len()
    }

    /// True if a run or the last changes are taken back.
    pub fn is_undo(&self) -> bool {
        self.plan.purpose != Purpose::Clean
    }
}

/// The limits of a tidying. The one on removals is about people who lose their avatar; nobody does in a cleaning.
pub fn limits_of(purpose: &Purpose, limits: &Limits) -> Limits {
    match purpose {
        Purpose::Clean => Limits {
            max_removals: None,
            ..*limits
        },
        Purpose::Undo(_) | Purpose::UndoLast => *limits,
    }
}

/// Asks for the plan of a cleaning and shows that it is being made.
pub fn clean_up(state: &mut State) -> Effects {
    state.before_tidy = state.list;
    make(state, Tidying::Clean, None)
}

/// Asks for the plan of an undo, unless a run is under way, and shows that it is being made.
pub fn undo(state: &mut State, undo: Undo) -> Effects {
    if is_run_in_the_way(state) {
        return Vec::new();
    }
    state.before_tidy = state.screen;
    make(state, Tidying::Undo(undo), None)
}

/// Asks for the plan that takes the last change to the marked people back, or to the one under the cursor.
pub fn undo_chosen(state: &mut State) -> Effects {
    let people = &state.people;
    let chosen = people.chosen();
    let listing = &people.listing;
    let targets: Vec<_> = chosen
        .iter()
        .filter_map(|person| listing.find(person))
        .filter_map(|row| listing.entry(row).target())
        .collect();
    if targets.is_empty() {
        state.say(match chosen.len() {
            0 => "nobody is shown, so nothing can be taken back",
            1 => "this person is nobody in ServiceNow, so nothing was changed",
            _ => "these people are nobody in ServiceNow, so nothing was changed",
        });
        return Vec::new();
    }
    undo(state, Undo::Last(targets))
}

fn make(state: &mut State, tidying: Tidying, instead_of: Option<Box<TidyPlan>>) -> Effects {
    state.questions += 1;
    let question = state.questions;
    state.tidy = TidyScreen::Making {
        question,
        tidying: tidying.clone(),
        news: None,
        instead_of,
    };
    let mut effects = show(state, Screen::Tidy);
    effects.push(Effect::PlanTidying { question, tidying });
    effects
}

/// How far the making is.
pub fn progress(state: &mut State, question: u64, news: ScanNews) {
    if let TidyScreen::Making {
        question: wanted,
        news: known,
        ..
    } = &mut state.tidy
        && *wanted == question
    {
        *known = Some(news);
    }
}

/// The answer; one to a question that nobody waits for any more is dropped.
pub fn planned(state: &mut State, question: u64, result: Result<Box<TidyPlan>, Trouble>) -> Effects {
    match &state.tidy {
        TidyScreen::Making { question: wanted, .. } if *wanted == question => {}
        _ => return Vec::new(),
    }
    let TidyScreen::Making {
        tidying, instead_of, ..
    } = std::mem::take(&mut state.tidy)
    else {
        return Vec::new();
    };
    state.tidy = match result {
        Ok(plan) => {
            let obstacle = if state.setting.is_readonly {
                Some("read-only".to_owned())
            } else {
                let limits = limits_of(&plan.purpose, &state.setting.limits);
                plan.check(&limits).err().map(|breach| breach.to_string())
            };
            let again = instead_of.map(|old| again(&old, &plan, state.now));
            TidyScreen::Ready(Box::new(Proposal {
                again,
                ..Proposal::new(*plan, tidying, obstacle)
            }))
        }
        Err(trouble) => TidyScreen::Refused(tidying, trouble),
    };
    show_faces(state)
}

/// What has become of a plan that was made again.
fn again(old: &TidyPlan, new: &TidyPlan, now: Timestamp) -> Again {
    let people = |plan: &TidyPlan| {
        plan.steps
            .iter()
            .map(|step| step.person.source.clone())
            .collect::<Vec<_>>()
    };
    Again::new(old.made_at, now, &people(old), &people(new))
}

/// The steps whose faces are in sight, as far as there is room for them.
pub fn with_faces<'a>(state: &State, proposal: &'a Proposal) -> &'a [TidyStep] {
    let room = view::areas(state, proposal).pairs.len();
    let steps = proposal.plan.steps.get(proposal.offset..).unwrap_or_default();
    &steps[..room.min(steps.len())]
}

/// Which faces belong to a step of an undo: the one of now, and the one that comes back.
pub fn faces(step: &TidyStep) -> [FaceQuestion; 2] {
    [
        FaceQuestion::Now(step.person.clone()),
        FaceQuestion::Again(Box::new(step.clone())),
    ]
}

/// Asks for the faces that are in sight, and for what draws them.
pub fn show_faces(state: &mut State) -> Effects {
    let TidyScreen::Ready(proposal) = &state.tidy else {
        return Vec::new();
    };
    let questions: Vec<FaceQuestion> = with_faces(state, proposal).iter().flat_map(faces).collect();
    let keys: Vec<FaceKey> = questions.iter().flat_map(FaceQuestion::keys).collect();
    let within = state.pictures.within;
    let mut effects = state.faces.paint(&keys, within, &mut state.pictures);
    effects.extend(state.faces.ask(questions));
    effects
}

/// A digit of the number that has to be typed.
pub fn typed(state: &mut State, key: Key) -> Effects {
    if let TidyScreen::Ready(proposal) = &mut state.tidy {
        type_digit(&mut proposal.typed, key);
    }
    Vec::new()
}

/// What somebody wants of the plan.
pub fn perform(state: &mut State, intent: Intent) -> Effects {
    let by = lines_further(intent);
    match (intent, &mut state.tidy) {
        (Intent::Accept, TidyScreen::Ready(proposal)) if proposal.may_be_accepted() => accept(state),
        (Intent::Accept, TidyScreen::Ready(proposal)) => {
            if let Some(wanted) = proposal.wanted.filter(|_| proposal.obstacle.is_none()) {
                state.say(format!("this is a large change: type {wanted}, then accept"));
                return Vec::new();
            }
            leave(state)
        }
        // A key that was faster than the plan decides nothing.
        (Intent::Accept, TidyScreen::Making { .. }) => Vec::new(),
        (Intent::Accept | Intent::Back, _) => leave(state),
        (_, TidyScreen::Ready(proposal)) if by != 0 => {
            let last = proposal.lines().saturating_sub(1);
            proposal.offset = proposal.offset.saturating_add_signed(by).min(last);
            show_faces(state)
        }
        _ => Vec::new(),
    }
}

fn accept(state: &mut State) -> Effects {
    let TidyScreen::Ready(proposal) = std::mem::take(&mut state.tidy) else {
        return Vec::new();
    };
    if Again::is_due(proposal.plan.made_at, state.now) {
        return make(state, proposal.tidying, Some(Box::new(proposal.plan)));
    }
    let kind = proposal.plan.purpose.kind();
    state
        .run
        .begin_tidying(kind, proposal.plan.steps.len() as u64, state.now);
    let mut effects = show(state, Screen::Run);
    let continues = match proposal.tidying {
        Tidying::Undo(Undo::Rest(run)) => Some(run),
        Tidying::Undo(_) | Tidying::Clean => None,
    };
    effects.push(Effect::Tidy {
        plan: Box::new(proposal.plan),
        continues,
    });
    effects
}

fn leave(state: &mut State) -> Effects {
    let mut effects = drop_it(state);
    effects.extend(show(state, state.before_tidy));
    effects
}

/// Nobody wants the plan any more, if there is one.
pub fn drop_it(state: &mut State) -> Effects {
    let was_being_made = state.tidy.is_being_made();
    state.tidy = TidyScreen::Nothing;
    was_being_made.then_some(Effect::DropPlan).into_iter().collect()
}
