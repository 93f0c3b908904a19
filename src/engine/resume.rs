//! A run that was cut short, gone on with: what is left of it is worked out from the journal when it is asked, and planned
//! anew, because a plan is stale after a while. Whoever was changed since the run was planned is left alone.

use std::collections::{HashMap, HashSet};

use tokio_util::sync::CancellationToken;

use super::planning::Candidates;
use super::{Depth, Engine, EngineError, PersonState, ScanObserver, ScanSink, UndoError};
use crate::domain::comparison::Verdict;
use crate::domain::ids::{RunId, SourceId, TargetId};
use crate::domain::outstanding::{PlannedStep, Rest};
use crate::domain::plan::{Change, Plan, Skip, Step};
use crate::domain::run::{Outcome, StopReason};
use crate::domain::suspicion::Suspicions;
use crate::domain::text::clean;
use crate::domain::tidying::{Left, Task, TidyPlan};
use crate::store::StoreError;
use crate::store::journal::{CutShort, RunKind, RunRecord};

/// Up to so many people are looked up one by one; for more, everybody is listed.
const SCAN_INSTEAD: usize = 400;

/// Why a run cannot be gone on with.
#[derive(Debug, thiserror::Error)]
pub enum ResumeError {
    /// No such run.
    #[error("there is no run {0:?}")]
    Unknown(
        /// What was asked for, cleaned.
        String,
    ),
    /// Written by a version that did not write plans down.
    #[error("run {0} was begun by an older version, which did not write down whom it had yet to reach")]
    PlanUnknown(
        /// Which.
        RunId,
    ),
    /// A cleaning, which is planned from what is there anyway.
    #[error("run {0} is a cleaning; what is left of it is found by cleaning again")]
    Cleaning(
        /// Which.
        RunId,
    ),
    /// The journal cannot be read.
    #[error("the journal cannot be read")]
    Storage(#[from] StoreError),
    /// The services could not be looked at.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// What was to be taken back cannot be worked out.
    #[error(transparent)]
    Undo(#[from] UndoError),
}

/// What is left of a run.
#[derive(Clone, Debug)]
pub struct Outstanding {
    /// The run.
    pub run: RunRecord,
    /// For whom something is left to do, in the order of the run's plan.
    pub people: Vec<(PlannedStep, Rest)>,
}

impl Outstanding {
    /// How many people are left in this way.
    pub fn count(&self, rest: Rest) -> u64 {
        self.people.iter().filter(|(_, known)| *known == rest).count() as u64
    }

    /// What the brake said that stopped the run, if one did.
    pub fn brake(&self) -> Option<&str> {
        match &self.run.stopped {
            Some(StopReason::Brake(why)) => Some(why),
            _ => None,
        }
    }
}

/// What is to be done for those who are outstanding.
#[derive(Clone, Debug)]
pub enum Resumption {
    /// Photos are pushed.
    Push(Plan),
    /// A run is taken back.
    Tidy(TidyPlan),
}

impl Engine {
    /// The newest run of which something is left to do, and how many others there are; `None` if nothing is left.
    /// Cleanings are none of them: they are planned from what is there.
    pub async fn outstanding(&self) -> Result<Option<(Outstanding, u64)>, StoreError> {
        let mut cut_short = self
            .store
            .journal()
            .cut_short()
            .await?
            .into_iter()
            .filter(|run| run.record.start.kind != RunKind::Clean && !run.people.is_empty());
        let Some(newest) = cut_short.next() else {
            return Ok(None);
        };
        let others = cut_short.count() as u64;
        Ok(Some((outstanding_of(newest), others)))
    }

    /// What is left of one run.
    ///
    /// # Errors
    ///
    /// If there is no such run, or nobody can tell what is left of it.
    pub async fn outstanding_of(&self, run: &str) -> Result<Outstanding, ResumeError> {
        let id = RunId::new(run.trim());
        let Some(left) = self.store.journal().left_of(&id).await? else {
            return Err(ResumeError::Unknown(clean(run).into_owned()));
        };
        if left.record.start.kind == RunKind::Clean && !left.people.is_empty() {
            return Err(ResumeError::Cleaning(id));
        }
        if !left.is_plan_known {
            return Err(ResumeError::PlanUnknown(id));
        }
        Ok(outstanding_of(left))
    }

    /// Plans anew for those who are outstanding; everybody of them is in the plan, with a step or with the reason why
    /// there is none. Call [`Engine::recover`] before, so that nobody is left half way. Nothing is written.
    ///
    /// # Errors
    ///
    /// If a service cannot be asked, or on `cancel`.
    pub async fn resumption(
        &self,
        outstanding: &Outstanding,
        progress: &dyn ScanObserver,
        cancel: &CancellationToken,
    ) -> Result<Resumption, ResumeError> {
        match &outstanding.run.start.undoes {
            Some(undone) => {
                let plan = cancel
                    .run_until_cancelled(self.undo_plan(undone.as_str()))
                    .await
                    .ok_or(EngineError::Cancelled)??;
                Ok(Resumption::Tidy(narrowed(plan, outstanding)))
            }
            // The last changes to some people were to be taken back, of whichever run they were.
            None if outstanding.run.start.kind == RunKind::Undo => {
                let targets: Vec<TargetId> = outstanding
                    .people
                    .iter()
                    .filter_map(|(step, _)| step.person.target.clone())
                    .collect();
                let plan = cancel
                    .run_until_cancelled(self.undo_plan_of_people(&targets))
                    .await
                    .ok_or(EngineError::Cancelled)??;
                Ok(Resumption::Tidy(narrowed(plan, outstanding)))
            }
            None => {
                let plan = self.plan_for_outstanding(outstanding, progress, cancel).await?;
                Ok(Resumption::Push(reconciled(
                    plan,
                    outstanding,
                    self.source.name(),
                )))
            }
        }
    }

    async fn plan_for_outstanding(
        &self,
        outstanding: &Outstanding,
        progress: &dyn ScanObserver,
        cancel: &CancellationToken,
    ) -> Result<Plan, EngineError> {
        let ids = || {
            outstanding
                .people
                .iter()
                .map(|(step, _)| step.person.source.clone())
        };
        // Whoever was to be put in order still is, whatever the settings say today.
        let to_repair: HashSet<SourceId> = outstanding
            .people
            .iter()
            .filter(|(step, _)| step.task == Task::Push(Change::Repair))
            .map(|(step, _)| step.person.source.clone())
            .collect();
        if outstanding.people.len() <= SCAN_INSTEAD {
            let people: Vec<String> = ids().map(|id| id.to_string()).collect();
            let looked = cancel
                .run_until_cancelled(self.scan_people(&people, Depth::Settled))
                .await
                .ok_or(EngineError::Cancelled)?;
            match looked {
                Ok(mut scan) => {
                    if !to_repair.is_empty() {
                        self.find_stale_thumbnails(&mut scan).await;
                    }
                    let mut sink = self.sort_candidates(ids(), to_repair);
                    for (position, state) in (0..).zip(scan.people) {
                        sink.take(position, state);
                    }
                    let (at, complete) = (scan.scanned_at, scan.complete);
                    let plan = self.plan_both(sink, at, complete, &scan.suspicions).await;
                    // Whoever is left is not everybody.
                    return Ok(Plan {
                        in_scope: None,
                        ..plan
                    });
                }
                // Somebody is gone; a listing of everybody tells what became of each.
                Err(EngineError::Find(super::FindError::Connector(error))) => {
                    return Err(EngineError::Connector(error));
                }
                Err(EngineError::Find(_)) => {}
                Err(error) => return Err(error),
            }
        }
        let sink = self.sort_candidates(ids(), to_repair);
        let (scanned, sink) = self.scan_into(Depth::Settled, sink, progress, cancel).await?;
        let suspicions = scanned.listed.listing.suspicions();
        let (at, complete) = (scanned.listed.scanned_at, scanned.listed.complete);
        drop(scanned);
        Ok(self.plan_both(sink, at, complete, &suspicions).await)
    }

    fn sort_candidates(
        &self,
        outstanding: impl Iterator<Item = SourceId>,
        to_repair: HashSet<SourceId>,
    ) -> ByPolicy {
        ByPolicy {
            usual: self
                .candidates()
                .only(outstanding.filter(|person| !to_repair.contains(person))),
            repairing: self.candidates().repairing().only(to_repair),
        }
    }

    async fn plan_both(
        &self,
        sink: ByPolicy,
        scanned_at: jiff::Timestamp,
        complete: bool,
        suspicions: &Suspicions,
    ) -> Plan {
        let mut plan = self.plan_for(sink.usual, scanned_at, complete, suspicions).await;
        let repairs = self
            .plan_for(sink.repairing, scanned_at, complete, suspicions)
            .await;
        plan.steps.extend(repairs.steps);
        plan.skips.extend(repairs.skips);
        plan
    }
}

/// People whom the run was to put in order, and the others.
struct ByPolicy {
    usual: Candidates,
    repairing: Candidates,
}

impl ScanSink for ByPolicy {
    fn take(&mut self, position: u32, person: PersonState) {
        // Each takes its own.
        self.repairing.take(position, person.clone());
        self.usual.take(position, person);
    }
}

fn outstanding_of(left: CutShort) -> Outstanding {
    Outstanding {
        run: left.record,
        people: left.people,
    }
}

/// Brings a new plan in line with the old one: its order, nobody missing, and whoever was changed since the old one was
/// made and whose turn never came is left alone (`reliability.md` P4).
fn reconciled(mut plan: Plan, outstanding: &Outstanding, source: &str) -> Plan {
    let positions: HashMap<&SourceId, usize> = outstanding
        .people
        .iter()
        .enumerate()
        .map(|(position, (step, _))| (&step.person.source, position))
        .collect();
    let place = |id: &SourceId| positions.get(id).copied();
    let mut steps = Vec::with_capacity(plan.steps.len());
    for step in std::mem::take(&mut plan.steps) {
        let Some((before, rest)) = place(&step.person.source).map(|position| &outstanding.people[position])
        else {
            continue;
        };
        if *rest == Rest::Start && before.expected != step.expected {
            plan.skips.push(changed_since(step, outstanding));
        } else {
            steps.push(step);
        }
    }
    steps.sort_by_key(|step| place(&step.person.source));
    plan.steps = steps;
    plan.skips.retain(|skip| place(&skip.person.source).is_some());
    let mut seen: HashSet<&SourceId> = plan.steps.iter().map(|step| &step.person.source).collect();
    seen.extend(plan.skips.iter().map(|skip| &skip.person.source));
    let gone: Vec<Skip> = outstanding
        .people
        .iter()
        .filter(|(step, _)| !seen.contains(&step.person.source))
        .map(|(step, _)| Skip {
            person: step.person.clone(),
            verdict: Verdict::Excluded,
            outcome: Outcome::Skipped,
            reason: format!("not listed in {source} any more"),
            is_held_back: false,
        })
        .collect();
    plan.skips.extend(gone);
    plan.skips.sort_by_key(|skip| place(&skip.person.source));
    plan
}

fn changed_since(step: Step, outstanding: &Outstanding) -> Skip {
    Skip {
        person: step.person,
        verdict: match step.change {
            Change::Add => Verdict::Missing,
            Change::Replace => Verdict::Differs,
            Change::Repair => Verdict::Broken,
            Change::Remove => Verdict::OnlyInTarget,
        },
        outcome: Outcome::ChangedMeanwhile,
        reason: format!(
            "the records were changed after run {} was planned; they stay as they are",
            outstanding.run.id
        ),
        is_held_back: false,
    }
}

/// Of the plan that takes a run back, what is outstanding.
fn narrowed(mut plan: TidyPlan, outstanding: &Outstanding) -> TidyPlan {
    let wanted: HashSet<&SourceId> = outstanding
        .people
        .iter()
        .map(|(step, _)| &step.person.source)
        .collect();
    plan.steps.retain(|step| wanted.contains(&step.person.source));
    plan.left.retain(|left| wanted.contains(&left.person.source));
    let mut seen: HashSet<SourceId> = plan.steps.iter().map(|step| step.person.source.clone()).collect();
    seen.extend(plan.left.iter().map(|left| left.person.source.clone()));
    let nothing_left = outstanding
        .people
        .iter()
        .filter(|(step, _)| !seen.contains(&step.person.source))
        .map(|(step, _)| Left {
            person: step.person.clone(),
            outcome: Outcome::Skipped,
            litter: Vec::new(),
            reason: "there is nothing to take back any more".into(),
        });
    plan.left.extend(nothing_left);
    plan.people = plan.selected();
    plan
}

#[cfg(test)]
mod tests;
