//! A plan, carried out: many people at once, one report, brakes, pause and stop.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::brakes::Lessons;
use super::memory::Learning;
use super::push::{Ended, Guard, Pushing, Turn};
use super::{Engine, RecoverError};
use crate::connector::LaneState;
use crate::domain::brake::failures::FailureBrake;
use crate::domain::brake::parking::{Failure, Situation};
use crate::domain::ids::RunId;
use crate::domain::plan::{Breach, Change, Limits, PLAN_SCHEMA, Plan, Step};
use crate::domain::run::{Outcome, PersonRef, RunEvent, StopReason, Summary};
use crate::store::journal::{Actor, Planned, RunKind, RunStart, StepToPlan};
use crate::store::{StoreError, host_name, os_user};

/// How many people may be under way for each that works: most of a push is waiting for a virus scan and for rules
/// that act a moment later. A bound on memory and on what a crash leaves to settle.
const UNDER_WAY_PER_SLOT: usize = 32;

/// Steers a run from outside; clones steer the same one.
#[derive(Clone, Debug)]
pub struct RunControl {
    cancelled: CancellationToken,
    paused: Arc<watch::Sender<bool>>,
    kind: RunKind,
    continues: Option<RunId>,
    undoes: Option<RunId>,
}

impl RunControl {
    /// Neither paused nor cancelled.
    pub fn new() -> Self {
        Self {
            cancelled: CancellationToken::new(),
            paused: Arc::new(watch::Sender::new(false)),
            kind: RunKind::Sync,
            continues: None,
            undoes: None,
        }
    }

    /// The same for another kind of run; the history shows it.
    #[must_use]
    pub fn of_kind(mut self, kind: RunKind) -> Self {
        self.kind = kind;
        self
    }

    /// The same for a run that goes on with one that was cut short; the history shows it.
    #[must_use]
    pub fn continuing(mut self, run: RunId) -> Self {
        self.continues = Some(run);
        self
    }

    /// The same for a run that takes another one back.
    #[must_use]
    pub(super) fn undoing(mut self, run: RunId) -> Self {
        self.undoes = Some(run);
        self
    }

    /// Nobody new gets a turn; whoever is under way is brought to an end.
    pub fn cancel(&self) {
        self.cancelled.cancel();
    }

    /// True once somebody has asked to stop.
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.is_cancelled()
    }

    /// Nobody new gets a turn until [`RunControl::resume`].
    pub fn pause(&self) {
        self.paused.send_replace(true);
    }

    /// Goes on.
    pub fn resume(&self) {
        self.paused.send_replace(false);
    }

    /// True while paused.
    pub fn is_paused(&self) -> bool {
        *self.paused.borrow()
    }

    async fn cancelled(&self) {
        self.cancelled.cancelled().await;
    }

    async fn not_paused(&self) {
        // The sender lives as long as this handle.
        drop(self.paused.subscribe().wait_for(|paused| !paused).await);
    }
}

impl Default for RunControl {
    fn default() -> Self {
        Self::new()
    }
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunReport {
    /// Its id.
    pub run: RunId,
    /// When it began.
    pub started: Timestamp,
    /// When it ended.
    pub finished: Timestamp,
    /// The numbers; they add up.
    pub summary: Summary,
    /// Why it ended early, if it did.
    pub stopped: Option<StopReason>,
    /// What went wrong beside the people, in words: a cache that could not be written.
    pub problems: Vec<String>,
}

/// Why a plan is not carried out at all.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// Made by another version.
    #[error("this plan's format is {found:?}; this version reads {known:?}")]
    Schema {
        /// What it says.
        found: String,
        /// What it should say.
        known: &'static str,
    },
    /// Made for another profile.
    #[error("this plan was made for profile {plan:?}, not for {ours:?}")]
    OtherProfile {
        /// The plan's.
        plan: String,
        /// Ours.
        ours: String,
    },
    /// Outside the limits.
    #[error(transparent)]
    Breach(#[from] Breach),
    /// Removals in a plan from a listing that was cut short (`reliability.md` E6).
    #[error(
        "this plan removes avatars although a listing was incomplete; nothing is removed on such evidence"
    )]
    RemovesOnIncompleteListing,
    /// What an interrupted run left could not be settled.
    #[error(transparent)]
    Recover(#[from] RecoverError),
    /// The journal cannot be written; nothing was done.
    #[error("nothing is written without a journal")]
    Storage(#[from] StoreError),
}

impl Engine {
    /// Carries out a plan. Every person of it gets exactly one [`RunEvent::Step`], and the summary adds up however the
    /// run ends. Nobody needs to listen to the events; a full channel slows the run down.
    ///
    /// What an interrupted run has left is settled first; if that concerns people of this plan, their steps end as
    /// *changed meanwhile*, so call [`Engine::recover`] before the scan.
    ///
    /// # Errors
    ///
    /// Only if nothing was begun. What stops a run on its way is in the report.
    pub async fn apply(
        &self,
        plan: Plan,
        limits: &Limits,
        control: &RunControl,
        events: mpsc::Sender<RunEvent>,
    ) -> Result<RunReport, ApplyError> {
        self.check_plan(&plan, limits)?;
        self.recover().await?;
        let planned = planned(&plan);
        let guard = (!plan.push_suspicious).then(Guard::default);
        let done = plan
            .skips
            .into_iter()
            .map(|skip| (skip.person, Ended::new(skip.outcome, skip.reason)))
            .collect();
        self.run(planned, done, plan.steps, guard, control, events).await
    }

    /// One run: `done` needs no turn, `turns` get one each.
    pub(super) async fn run<T: TakesTurn>(
        &self,
        planned: Planned,
        done: Vec<(PersonRef, Ended)>,
        turns: Vec<T>,
        guard: Option<Guard>,
        control: &RunControl,
        events: mpsc::Sender<RunEvent>,
    ) -> Result<RunReport, ApplyError> {
        let started = self.now();
        let run = self
            .store
            .journal()
            .begin_planned_run(
                RunStart {
                    profile: self.settings.profile.clone(),
                    kind: control.kind,
                    started,
                    actor: self.actor(),
                    planned,
                    continues: control.continues.clone(),
                    undoes: control.undoes.clone(),
                },
                turns.iter().map(TakesTurn::planned),
            )
            .await?;
        let mut running = Running {
            events,
            summary: Summary::default(),
            brake: FailureBrake::default(),
            stopped: None,
            learning: Learning::new(self),
            lessons: Lessons::new(self.store.standing().failing().await?),
            paused_lanes: HashMap::new(),
        };
        running
            .tell(RunEvent::Started {
                run: run.clone(),
                at: started,
                selected: (done.len() + turns.len()) as u64,
                steps: turns.len() as u64,
                continues: control.continues.clone(),
            })
            .await;
        for (person, ended) in done {
            running.end(person, ended, None).await;
        }
        let pushing = Pushing {
            guard,
            ..self.pushing(run.clone(), control)
        };
        self.carry_out(pushing, turns, control, &mut running).await;
        let mut problems = Vec::new();
        let Running {
            events,
            summary,
            mut stopped,
            learning,
            lessons,
            ..
        } = running;
        problems.extend(learning.finish().await.err());
        let finished = self.now();
        let kept = lessons
            .keep(self, control.kind, &summary, stopped.as_ref(), finished)
            .await;
        if let Err(error) = kept {
            problems.push(format!(
                "how this run ended could not be kept for the next ones: {}",
                error.sentence()
            ));
        }
        let written = self
            .store
            .journal()
            .finish_run(&run, finished, summary, stopped.clone())
            .await;
        if let Err(error) = written {
            stopped.get_or_insert(StopReason::Storage(error.sentence()));
        }
        let finish = RunEvent::Finished {
            run: run.clone(),
            at: finished,
            summary,
            stopped: stopped.clone(),
        };
        // Nobody may be listening.
        drop(events.send(finish).await);
        Ok(RunReport {
            run,
            started,
            finished,
            summary,
            stopped,
            problems,
        })
    }

    fn check_plan(&self, plan: &Plan, limits: &Limits) -> Result<(), ApplyError> {
        self.check_origin(&plan.schema, PLAN_SCHEMA, &plan.profile)?;
        if !plan.complete && plan.count(Change::Remove) > 0 {
            return Err(ApplyError::RemovesOnIncompleteListing);
        }
        Ok(plan.check(limits)?)
    }

    /// Refuses plans of another version or profile.
    pub(super) fn check_origin(
        &self,
        schema: &str,
        known: &'static str,
        profile: &str,
    ) -> Result<(), ApplyError> {
        if schema != known {
            return Err(ApplyError::Schema {
                found: crate::domain::text::clean(schema).into_owned(),
                known,
            });
        }
        if profile != self.settings.profile {
            return Err(ApplyError::OtherProfile {
                plan: crate::domain::text::clean(profile).into_owned(),
                ours: self.settings.profile.clone(),
            });
        }
        Ok(())
    }

    pub(super) fn actor(&self) -> Actor {
        Actor {
            os_user: os_user(),
            host: host_name(),
            account: self.account.clone(),
        }
    }

    pub(super) fn pushing(&self, run: RunId, control: &RunControl) -> Pushing {
        Pushing {
            source: Arc::clone(&self.source),
            target: Arc::clone(&self.target),
            store: Arc::clone(&self.store),
            decoding: self.decoding.clone(),
            form: self.upload_form(),
            clock: Arc::clone(&self.clock),
            control: control.clone(),
            run,
            slots: Arc::new(Semaphore::new(self.settings.pushes_in_flight.max(1))),
            began: Instant::now(),
            pace: self.pace,
            guard: None,
        }
    }

    /// How many people may be under way at once.
    pub(super) fn under_way_at_most(&self) -> usize {
        self.settings.pushes_in_flight.max(1) * UNDER_WAY_PER_SLOT
    }

    async fn carry_out<T: TakesTurn>(
        &self,
        pushing: Pushing,
        steps: Vec<T>,
        control: &RunControl,
        running: &mut Running<'_>,
    ) {
        let pushing = Arc::new(pushing);
        let most = self.under_way_at_most();
        let mut waiting = steps.into_iter();
        let mut tasks: JoinSet<Ended> = JoinSet::new();
        let mut people: HashMap<Id, (PersonRef, Option<Situation>)> = HashMap::new();
        let mut next_turn = None;
        let mut tick = tokio::time::interval(std::time::Duration::from_secs(1));
        loop {
            if control.is_cancelled() {
                self.store.stop_waiting_for_room();
                running.stopped.get_or_insert(StopReason::Cancelled);
            }
            let may_begin = running.stopped.is_none() && waiting.len() > 0 && tasks.len() < most;
            if tasks.is_empty() && (running.stopped.is_some() || waiting.len() == 0) {
                break;
            }
            tokio::select! {
                biased;
                Some(joined) = tasks.join_next_with_id() => {
                    let (id, ended) = ended_of(joined);
                    let (person, situation) = people.remove(&id).expect("every task was begun for somebody");
                    let attempt = situation.map(|situation| (situation, &pushing.run, self.now()));
                    running.end(person, ended, attempt).await;
                }
                () = control.cancelled(), if running.stopped.is_none() => {}
                turn = next_turn_of(&pushing, control), if may_begin && next_turn.is_none() => {
                    next_turn = Some(turn);
                }
                _ = tick.tick() => running.watch(&self.lanes()).await,
            }
            if running.stopped.is_none()
                && let Some(turn) = next_turn.take()
                && let Some(step) = waiting.next()
            {
                let person = (step.person().clone(), step.situation());
                let pushing = Arc::clone(&pushing);
                let task = tasks.spawn(async move { step.take(&pushing, turn).await });
                people.insert(task.id(), person);
            }
        }
        for step in waiting {
            let why = "not reached before the run stopped";
            running
                .end(step.person().clone(), Ended::new(Outcome::Skipped, why), None)
                .await;
        }
    }
}

/// One person's part of a run.
pub(super) trait TakesTurn: Send + Sync + 'static {
    /// Whose turn it is.
    fn person(&self) -> &PersonRef;

    /// What it was decided on, if it is tried again in every run.
    fn situation(&self) -> Option<Situation> {
        None
    }

    /// What it sets out to do.
    fn planned(&self) -> StepToPlan<'_>;

    /// Takes it to its end and writes that down.
    fn take(&self, pushing: &Pushing, turn: Turn) -> impl Future<Output = Ended> + Send;
}

impl TakesTurn for Step {
    fn person(&self) -> &PersonRef {
        &self.person
    }

    fn situation(&self) -> Option<Situation> {
        Some(Situation {
            photo: self.photo.clone(),
            expected: self.expected.clone(),
        })
    }

    fn planned(&self) -> StepToPlan<'_> {
        StepToPlan {
            person: &self.person,
            task: self.change.into(),
            expected: &self.expected,
        }
    }

    async fn take(&self, pushing: &Pushing, turn: Turn) -> Ended {
        pushing.step(self, turn).await
    }
}

async fn next_turn_of(pushing: &Pushing, control: &RunControl) -> Turn {
    control.not_paused().await;
    Turn::take(&pushing.slots).await
}

fn ended_of(joined: Result<(Id, Ended), JoinError>) -> (Id, Ended) {
    match joined {
        Ok(ended) => ended,
        // A panic in one person's push is that person's failure; the next start looks at what it left.
        Err(error) => {
            let ended = Ended {
                settled: false,
                ..Ended::new(
                    Outcome::Failed,
                    "an unexpected error in this program; please report it",
                )
            };
            (error.id(), ended)
        }
    }
}

fn planned(plan: &Plan) -> Planned {
    Planned {
        selected: plan.selected(),
        add: plan.count(Change::Add),
        replace: plan.count(Change::Replace),
        repair: plan.count(Change::Repair),
        remove: plan.count(Change::Remove),
    }
}

/// What a run keeps count of.
struct Running<'a> {
    events: mpsc::Sender<RunEvent>,
    summary: Summary,
    brake: FailureBrake,
    stopped: Option<StopReason>,
    learning: Learning<'a>,
    lessons: Lessons,
    /// Lanes that pause, and until when somebody has been told.
    paused_lanes: HashMap<&'static str, Instant>,
}

impl Running<'_> {
    async fn tell(&self, event: RunEvent) {
        // Nobody may be listening.
        drop(self.events.send(event).await);
    }

    /// Somebody is done. `attempt` says on what, in which run and when, for whoever had a turn.
    async fn end(
        &mut self,
        person: PersonRef,
        ended: Ended,
        attempt: Option<(Situation, &RunId, Timestamp)>,
    ) {
        self.summary.count(ended.outcome);
        match attempt {
            Some((situation, run, at)) if ended.is_own_failure() => self.lessons.failed(Failure {
                person: person.clone(),
                run: run.clone(),
                at,
                why: ended.detail.clone(),
                situation,
            }),
            _ => self.lessons.ended(&person.source, ended.outcome),
        }
        if let Some(lesson) = ended.lesson {
            self.learning.add(lesson).await;
        }
        if self.stopped.is_none() {
            self.stopped = ended.stop.or_else(|| {
                self.brake
                    .count(ended.outcome, &ended.detail, ended.denied.as_deref())
            });
        }
        self.tell(RunEvent::Step {
            person,
            outcome: ended.outcome,
            detail: ended.detail,
            hint: ended.hint,
        })
        .await;
    }

    /// Says once per pause that a service asks us to wait.
    async fn watch(&mut self, lanes: &[LaneState]) {
        let now = Instant::now();
        self.paused_lanes.retain(|_, until| *until > now);
        for lane in lanes {
            if let Some((remaining, _)) = lane.paused
                && !remaining.is_zero()
                && !self.paused_lanes.contains_key(lane.name)
            {
                self.paused_lanes.insert(lane.name, now + remaining);
                self.tell(RunEvent::Waiting {
                    lane: lane.name,
                    remaining,
                })
                .await;
            }
        }
    }
}

#[cfg(test)]
mod tests;
