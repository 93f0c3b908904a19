//! What is left of a run that was cut short, worked out from what the journal tells when somebody asks. Nothing here is
//! kept up to date while a run goes on, so nothing can be out of date after a crash.
//!
//! Who is outstanding:
//!
//! ```text
//! a write was announced, and the step has no settled ending ─► settle: finish it or take it back, whatever else holds
//! the run is complete, or another one has gone on with it, taken it back, or looked at everybody since ─► nobody
//! a later run has brought the person to an end              ─► nothing
//! the turn came and led to something                        ─► nothing
//! the turn came and led to nothing, and the run was stopped ─► again
//! the turn never came                                       ─► start; whoever was changed since is left alone
//! ```

use std::collections::{HashMap, HashSet};

use super::ids::{RunId, SourceId};
use super::photo::ChainStamp;
use super::run::{Outcome, PersonRef};
use super::tidying::Task;

/// One step as a run set out to do it: what it takes to plan it anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedStep {
    /// Who.
    pub person: PersonRef,
    /// What.
    pub task: Task,
    /// The target's state when this was decided.
    pub expected: ChainStamp,
}

/// What is left to do for somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Rest {
    /// A push was begun and nobody knows how it ended: it is finished or taken back before anything else.
    Settle,
    /// The turn never came. If the target has moved since, the person was changed meanwhile and is left alone.
    Start,
    /// The turn came and led to nothing, in a run that was cut short.
    Again,
}

/// A run among the others, the oldest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToldRun {
    /// Its id.
    pub id: RunId,
    /// True if it ended and nothing stopped it.
    pub is_complete: bool,
    /// True for a run that looked at everybody and pushed.
    pub is_of_everybody: bool,
    /// The run that it goes on with.
    pub continues: Option<RunId>,
    /// The run that it takes back.
    pub undoes: Option<RunId>,
}

/// How somebody's turn ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ToldEnding {
    /// The outcome.
    pub outcome: Outcome,
    /// False if something may be left in the target.
    pub is_settled: bool,
}

/// What the journal tells about one run and what came after it, beside its plan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// True if nothing more is to be expected of the run's plan; see [`is_answered`].
    pub is_answered: bool,
    /// Whose writes were announced in this run and are not settled.
    pub begun: HashSet<SourceId>,
    /// How turns of this run ended.
    pub endings: HashMap<SourceId, ToldEnding>,
    /// Whom a later run has brought to an end.
    pub done_later: HashSet<SourceId>,
}

/// True if a run needs nothing more: it was completed, another run went on with it or took it back, or everybody was
/// looked at anew since. `runs` are in the order in which they began.
pub fn is_answered(run: &RunId, runs: &[ToldRun]) -> bool {
    let Some(position) = runs.iter().position(|known| &known.id == run) else {
        return true;
    };
    let (own, later) = (&runs[position], &runs[position + 1..]);
    own.is_complete
        || later.iter().any(|later| {
            later.continues.as_ref() == Some(run)
                || later.undoes.as_ref() == Some(run)
                // A taking back is not answered by a push.
                || own.undoes.is_none()
                    && later.is_complete
                    && later.is_of_everybody
                    && later.continues.is_none()
        })
}

impl Told {
    /// What is left to do for somebody whom the run set out to do something for; `None` for nothing.
    pub fn rest_of(&self, person: &SourceId) -> Option<Rest> {
        let ending = self.endings.get(person);
        if self.begun.contains(person) || ending.is_some_and(|ending| !ending.is_settled) {
            return Some(Rest::Settle);
        }
        if self.is_answered || self.done_later.contains(person) {
            return None;
        }
        match ending.map(|ending| ending.outcome) {
            None => Some(Rest::Start),
            Some(Outcome::Failed | Outcome::Skipped) => Some(Rest::Again),
            Some(outcome) => {
                debug_assert!(leads_to_something(outcome));
                None
            }
        }
    }
}

/// True for the ending of a turn after which nothing is left of what was planned.
pub fn leads_to_something(outcome: Outcome) -> bool {
    match outcome {
        Outcome::Updated
        | Outcome::Unchanged
        | Outcome::Removed
        | Outcome::NoPhoto
        | Outcome::ChangedMeanwhile => true,
        Outcome::Failed | Outcome::Skipped => false,
    }
}

/// Everybody of a run's plan for whom something is left to do, in the order of the plan.
pub fn outstanding(told: &Told, planned: impl IntoIterator<Item = PlannedStep>) -> Vec<(PlannedStep, Rest)> {
    planned
        .into_iter()
        .filter_map(|step| {
            let rest = told.rest_of(&step.person.source)?;
            Some((step, rest))
        })
        .collect()
}
