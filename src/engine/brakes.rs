//! What the engine remembers for its brakes between runs, and what it asks them before one.

use std::collections::{HashMap, HashSet};

use jiff::{SignedDuration, Timestamp};

use super::Engine;
use crate::domain::brake::Brakes;
use crate::domain::brake::parking::{Failure, FailureSeries, Parked};
use crate::domain::brake::quarantine::{Quarantine, RunEnd};
use crate::domain::brake::removal::{self, EvidenceRule, Sightings, StagedRemoval, Word};
use crate::domain::comparison::Verdict;
use crate::domain::ids::SourceId;
use crate::domain::plan::{Change, Limits, Plan};
use crate::domain::run::{Outcome, StopReason, Summary};
use crate::store::journal::{RunKind, RunRecord};
use crate::store::standing::Overtaken;
use crate::store::{StoreError, os_user};

/// How many runs are looked at for one that went through everybody.
const RUNS_LOOKED_AT: usize = 1_000;

impl Engine {
    /// The quarantine, if the profile is in one: scheduled runs wait, and it says why and until when.
    pub async fn quarantine(&self) -> Result<Option<Quarantine>, StoreError> {
        Ok(self.store.standing().conduct().await?.quarantine())
    }

    /// Everything that slows the profile down or waits for somebody, in figures.
    pub async fn brakes(&self) -> Result<Brakes, StoreError> {
        self.store.standing().brakes(self.now()).await
    }

    /// True if a scheduled run may try now, although the profile is in this quarantine.
    pub fn is_allowed_by(&self, quarantine: &Quarantine) -> bool {
        quarantine.allows(self.now())
    }

    /// Notes that a full run failed before it began: no sign-in, a service out of reach, a plan outside its limits. What
    /// fails later is noted by the run itself. Answers the quarantine, if that made or prolonged one.
    pub async fn run_failed(&self, why: String) -> Result<Option<Quarantine>, StoreError> {
        let end = RunEnd::Failed(why);
        let conduct = self.store.standing().run_ended(end, self.now()).await?;
        Ok(conduct.quarantine())
    }

    /// Whom runs pass over for a while because they keep failing, the first one to be tried again first.
    pub async fn parked(&self) -> Result<Vec<Parked>, StoreError> {
        self.store.standing().parked(self.now()).await
    }

    /// Ends the quarantine.
    pub async fn release_quarantine(&self) -> Result<(), StoreError> {
        self.store.standing().release_quarantine().await
    }

    /// Forgets that these people have failed, so that the next run tries them; how many of them had.
    pub async fn release(&self, people: Vec<SourceId>) -> Result<usize, StoreError> {
        self.store.standing().release(people).await
    }

    /// Removals that wait for somebody's word or have it, the oldest first.
    pub async fn staged_removals(&self) -> Result<Vec<StagedRemoval>, StoreError> {
        let staged = self.store.standing().staged_removals().await?;
        Ok(removal::in_order(staged.into_values()))
    }

    /// Everything there is to know of avatars that may go because the photo is gone: how removals are configured, what
    /// is staged, the oldest first, and the evidence so far for everybody else.
    pub async fn removals(&self) -> Result<Removals, StoreError> {
        let standing = self.store.standing();
        let staged = standing.staged_removals().await?;
        let is_on = self.settings.policy.mirror_removals;
        let mut seen = if is_on {
            standing.absences().await?
        } else {
            HashMap::new()
        };
        seen.retain(|person, _| !staged.contains_key(person));
        Ok(Removals {
            is_on,
            needs_approval: self.settings.removals_need_approval,
            rule: self.evidence_rule(),
            staged: removal::in_order(staged.into_values()),
            seen,
        })
    }

    /// Says something about staged removals as they were shown; answers about how many. One that was staged anew for
    /// another state since is left as it is. Needs no lock, so it works beside a run.
    pub async fn decide_removals(&self, shown: Vec<StagedRemoval>, word: Word) -> Result<usize, StoreError> {
        let decision = word.decision(self.now(), os_user());
        self.store.standing().decide(shown, decision).await
    }

    /// How much has to be seen before an absence is acted on.
    pub(super) fn evidence_rule(&self) -> EvidenceRule {
        EvidenceRule {
            scans: self.settings.absence_scans,
            apart: SignedDuration::from_hours(i64::from(self.settings.absence_hours)),
        }
    }

    /// The limits as they hold for the next run that nobody confirms: the share of changes says nothing until a run
    /// has gone through everybody once.
    pub async fn limits_in_force(&self, limits: Limits) -> Result<Limits, StoreError> {
        let runs = self.store.journal().runs(RUNS_LOOKED_AT).await?;
        // More runs than that are a profile that has long been at work.
        let is_first = runs.len() < RUNS_LOOKED_AT && !runs.iter().any(went_through_everybody);
        Ok(if is_first {
            limits.without_change_share()
        } else {
            limits
        })
    }

    /// The plan as it may be carried out without anybody confirming it, unless removals need no approval: those that
    /// nobody has approved are taken out, to be [staged](Engine::stage).
    ///
    /// # Errors
    ///
    /// If it cannot be read what was approved; then nothing of the plan should be carried out.
    pub async fn hold_back_removals(&self, plan: Plan) -> Result<(Plan, Staging), StoreError> {
        let standing = self.store.standing();
        let removes = plan.count(Change::Remove) > 0;
        if !self.settings.removals_need_approval {
            return Ok((plan, Staging::default()));
        }
        let staged = standing.staged_removals().await?;
        if staged.is_empty() && !removes {
            return Ok((plan, Staging::default()));
        }
        let evidence = if removes {
            standing.absences().await?
        } else {
            HashMap::new()
        };
        let overtaken = overtaken(&plan);
        let (plan, waiting) = removal::hold_back(plan, &staged, &evidence, self.now());
        Ok((
            plan,
            Staging {
                waiting,
                overtaken: Some(overtaken),
            },
        ))
    }

    /// Keeps removals that wait for somebody's word, and clears away what was staged before and is overtaken by events.
    /// Answers how many wait.
    pub async fn stage(&self, staging: Staging) -> Result<u64, StoreError> {
        let Staging { waiting, overtaken } = staging;
        let count = waiting.len() as u64;
        if let Some(overtaken) = overtaken {
            self.store.standing().stage(waiting, overtaken).await?;
        }
        Ok(count)
    }
}

/// What there is to know of avatars that may go.
#[derive(Clone, Debug)]
pub struct Removals {
    /// Whether removals are switched on at all (`policy.mirror_removals`).
    pub is_on: bool,
    /// Whether a run that nobody confirms needs somebody's word first (`policy.removal_approval`).
    pub needs_approval: bool,
    /// How much has to be seen.
    pub rule: EvidenceRule,
    /// What waits for somebody's word, or has it; the oldest first.
    pub staged: Vec<StagedRemoval>,
    /// What has been seen of everybody else who had no photo and an avatar; nobody where removals are off.
    pub seen: HashMap<SourceId, Sightings>,
}

/// Removals that were taken out of a plan.
#[derive(Debug, Default)]
pub struct Staging {
    waiting: Vec<StagedRemoval>,
    overtaken: Option<Overtaken>,
}

fn went_through_everybody(run: &RunRecord) -> bool {
    matches!(run.start.kind, RunKind::Sync | RunKind::Apply)
        && run.finished.is_some()
        && run.stopped.is_none()
}

/// Whose staged removals this plan makes pointless: people who show up in it, and not as somebody with an avatar and no
/// photo. After a whole look at everybody also those who do not show up any more.
fn overtaken(plan: &Plan) -> Overtaken {
    let removed = plan
        .steps
        .iter()
        .filter(|step| step.change == Change::Remove)
        .map(|step| &step.person.source);
    let left = plan
        .skips
        .iter()
        .filter(|skip| !is_no_removal(skip.verdict))
        .map(|skip| &skip.person.source);
    let kept: HashSet<SourceId> = removed.chain(left).cloned().collect();
    let in_scope = plan.skips.iter().filter(|skip| skip.verdict != Verdict::Excluded);
    let covered = (plan.steps.len() + in_scope.count()) as u64;
    if plan.complete && plan.in_scope == Some(covered) {
        return Overtaken::AllBut(kept);
    }
    let steps = plan.steps.iter().map(|step| &step.person.source);
    let skips = plan.skips.iter().map(|skip| &skip.person.source);
    Overtaken::These(
        steps
            .chain(skips)
            .filter(|person| !kept.contains(person))
            .cloned()
            .collect(),
    )
}

/// True if somebody in this state has surely no avatar to remove; whatever could not be seen is no reason to forget
/// what somebody has said.
fn is_no_removal(verdict: Verdict) -> bool {
    !matches!(
        verdict,
        Verdict::OnlyInTarget | Verdict::Undecided | Verdict::Error
    )
}

/// What a run learns for later ones.
#[derive(Default)]
pub(super) struct Lessons {
    /// Who has failed in earlier runs.
    known: HashMap<SourceId, FailureSeries>,
    failures: Vec<Failure>,
    fine: Vec<SourceId>,
    removed: Vec<SourceId>,
}

impl Lessons {
    pub(super) fn new(known: HashMap<SourceId, FailureSeries>) -> Self {
        Self {
            known,
            ..Self::default()
        }
    }

    pub(super) fn failed(&mut self, failure: Failure) {
        self.failures.push(failure);
    }

    /// Somebody ended some other way.
    pub(super) fn ended(&mut self, person: &SourceId, outcome: Outcome) {
        match outcome {
            Outcome::Removed => self.removed.push(person.clone()),
            Outcome::Updated | Outcome::Unchanged if self.known.contains_key(person) => {
                self.fine.push(person.clone());
            }
            _ => {}
        }
    }

    /// Keeps what was learnt. A run that was stopped by what went wrong says nothing about single people.
    pub(super) async fn keep(
        self,
        engine: &Engine,
        kind: RunKind,
        summary: &Summary,
        stopped: Option<&StopReason>,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let Self {
            mut failures,
            fine,
            removed,
            ..
        } = self;
        if !matches!(stopped, None | Some(StopReason::Cancelled)) {
            failures.clear();
        }
        let standing = engine.store.standing();
        if !(failures.is_empty() && fine.is_empty() && removed.is_empty()) {
            standing.people_ended(failures, fine, removed, at).await?;
        }
        if matches!(kind, RunKind::Sync | RunKind::Apply)
            && let Some(end) = RunEnd::of(summary, stopped)
        {
            standing.run_ended(end, at).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
