//! A cleaning that is being planned, or waits for an answer: what lies around and nobody sees, what of it would go, and
//! what is left, before anything is removed.

pub mod view;

use std::collections::BTreeMap;

use crossterm::event::KeyCode;

use crate::domain::plan::Limits;
use crate::domain::text::clean;
use crate::domain::tidying::TidyPlan;
use crate::report::tidying::left_words;
use crate::tui::intent::Intent;
use crate::tui::keymap::Key;
use crate::tui::message::{Effect, ScanNews, Trouble};
use crate::tui::screens::plan::{lines_further, type_digit};
use crate::tui::sight::show;
use crate::tui::state::{Effects, Screen, State};

/// The cleaning screen: a small machine.
#[derive(Debug, Default)]
pub enum CleanScreen {
    /// There is none.
    #[default]
    Nothing,
    /// It is being planned.
    Making {
        /// The question's number.
        question: u64,
        /// How far it is.
        news: Option<ScanNews>,
    },
    /// It waits for an answer.
    Ready(Box<Proposal>),
    /// It cannot be planned.
    Refused(Trouble),
}

/// A plan with what the screen says about it.
#[derive(Debug)]
pub struct Proposal {
    /// The plan.
    pub plan: TidyPlan,
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
}

impl CleanScreen {
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
    fn new(plan: TidyPlan, obstacle: Option<String>) -> Self {
        let mut left: BTreeMap<String, u64> = BTreeMap::new();
        for one in &plan.left {
            *left.entry(clean(&left_words(one)).into_owned()).or_default() += 1;
        }
        let mut left: Vec<(String, u64)> = left.into_iter().collect();
        left.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        Self {
            wanted: plan.number_to_type(),
            plan,
            left,
            typed: String::new(),
            offset: 0,
            obstacle,
        }
    }

    /// True if the answer may be yes now.
    pub fn may_be_accepted(&self) -> bool {
        self.obstacle.is_none()
            && !self.plan.steps.is_empty()
            && self.wanted.is_none_or(|wanted| self.typed.parse() == Ok(wanted))
    }

    /// Lines of the list: those where something goes, then those who are left alone.
    pub fn lines(&self) -> usize {
        self.plan.steps.len() + self.plan.left.len()
    }
}

/// The limits of a cleaning. The one on removals is about people who lose their avatar; nobody does here.
pub fn cleaning_limits(limits: &Limits) -> Limits {
    Limits {
        max_changes: limits.max_changes,
        ..Limits::NONE
    }
}

/// Asks for a plan and shows that it is being made.
pub fn ask(state: &mut State) -> Effects {
    state.questions += 1;
    let question = state.questions;
    state.clean = CleanScreen::Making { question, news: None };
    let mut effects = show(state, Screen::Clean);
    effects.push(Effect::PlanCleaning { question });
    effects
}

/// How far the making is.
pub fn progress(state: &mut State, question: u64, news: ScanNews) {
    if let CleanScreen::Making {
        question: wanted,
        news: known,
    } = &mut state.clean
        && *wanted == question
    {
        *known = Some(news);
    }
}

/// The answer; one to a question that nobody waits for any more is dropped.
pub fn planned(state: &mut State, question: u64, result: Result<Box<TidyPlan>, Trouble>) -> Effects {
    let is_waited_for =
        matches!(state.clean, CleanScreen::Making { question: wanted, .. } if wanted == question);
    if !is_waited_for {
        return Vec::new();
    }
    state.clean = match result {
        Ok(plan) => {
            let obstacle = if state.setting.is_readonly {
                Some("read-only: this is what a cleaning would do".to_owned())
            } else {
                let breach = plan.check(&cleaning_limits(&state.setting.limits)).err();
                breach.map(|breach| breach.to_string())
            };
            CleanScreen::Ready(Box::new(Proposal::new(*plan, obstacle)))
        }
        Err(trouble) => CleanScreen::Refused(trouble),
    };
    Vec::new()
}

/// A digit of the number that has to be typed.
pub fn typed(state: &mut State, key: Key) -> Effects {
    if let CleanScreen::Ready(proposal) = &mut state.clean {
        type_digit(&mut proposal.typed, key);
    }
    Vec::new()
}

/// What somebody wants of the plan.
pub fn perform(state: &mut State, intent: Intent) -> Effects {
    let by = lines_further(intent);
    match (intent, &mut state.clean) {
        (Intent::Accept, CleanScreen::Ready(proposal)) if proposal.may_be_accepted() => accept(state),
        (Intent::Accept, CleanScreen::Ready(proposal)) => {
            if let Some(wanted) = proposal.wanted.filter(|_| proposal.obstacle.is_none()) {
                state.say(format!("this is a large change: type {wanted}, then accept"));
                return Vec::new();
            }
            leave(state)
        }
        // A key that was faster than the plan decides nothing.
        (Intent::Accept, CleanScreen::Making { .. }) => Vec::new(),
        (Intent::Accept | Intent::Back, _) => leave(state),
        (_, CleanScreen::Ready(proposal)) if by != 0 => {
            let last = proposal.lines().saturating_sub(1);
            proposal.offset = proposal.offset.saturating_add_signed(by).min(last);
            Vec::new()
        }
        _ => Vec::new(),
    }
}

fn accept(state: &mut State) -> Effects {
    let CleanScreen::Ready(proposal) = std::mem::take(&mut state.clean) else {
        return Vec::new();
    };
    state
        .run
        .begin_cleaning(proposal.plan.steps.len() as u64, state.now);
    let mut effects = show(state, Screen::Run);
    effects.push(Effect::Clean(Box::new(proposal.plan)));
    effects
}

fn leave(state: &mut State) -> Effects {
    let mut effects = show(state, state.list);
    effects.extend(drop_it(state));
    effects
}

/// Nobody wants the cleaning any more, if there is one.
pub fn drop_it(state: &mut State) -> Effects {
    let was_being_made = state.clean.is_being_made();
    state.clean = CleanScreen::Nothing;
    was_being_made.then_some(Effect::DropPlan).into_iter().collect()
}
