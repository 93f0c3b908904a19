//! A plan, carried out: many people at once, one report, brakes, pause and stop.
//!
//! ```text
//! everybody has a turn ─► told of, or kept for a further turn: trouble that may pass
//!                 ▲                              │ everybody has had theirs, and somebody got through
//!                 └──────── twice at most ───────┘
//! ```

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

/// How many turns somebody may have in one run, each after everybody else's, as long as trouble that may pass keeps
/// them from a good end and others get through.
const TURNS: usize = 3;

/// So many people in a row whom a service kept refusing, while nobody got through, stop a run.
const REFUSED_IN_A_ROW: usize = 5;

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

    pub(super) async fn cancelled(&self) {
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
    /// Whoever fails by trouble that may pass, an error of the service or an answer that did not come, has another turn
    /// when everybody else has had theirs, and is told of then.
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
        self.recover_watched(control, &events).await?;
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
            stopped: None,
            refused_in_a_row: 0,
            learning: Learning::new(self),
            lessons: Lessons::new(self.store.standing().failing().await?),
            pauses: Pauses::default(),
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
        let mut waiting: Vec<Waiting<T>> = steps.into_iter().map(Waiting::first).collect();
        for turn in 1..=TURNS {
            let mut round = Round::new(turn);
            self.carry_out_round(&pushing, waiting, control, running, &mut round)
                .await;
            // What kept everybody from a good end is no bad luck.
            let goes_on = round.has_helped && !round.is_over(running);
            waiting = round.again;
            if waiting.is_empty() || !goes_on {
                break;
            }
            tracing::info!(
                people = waiting.len(),
                turn,
                "kept from a good end by trouble that may pass"
            );
        }
        for left in waiting {
            self.end_with_earlier(left, &pushing, running).await;
        }
    }

    /// Gives everybody who waits a turn, as long as nothing stops the run or this round of it.
    async fn carry_out_round<T: TakesTurn>(
        &self,
        pushing: &Arc<Pushing>,
        waiting: Vec<Waiting<T>>,
        control: &RunControl,
        running: &mut Running<'_>,
        round: &mut Round<T>,
    ) {
        let most = self.under_way_at_most();
        let mut waiting = waiting.into_iter();
        let mut tasks: JoinSet<(T, Ended)> = JoinSet::new();
        let mut people: HashMap<Id, (PersonRef, Option<Situation>)> = HashMap::new();
        let mut next_turn = None;
        let mut tick = tokio::time::interval(std::time::Duration::from_secs(1));
        loop {
            if control.is_cancelled() {
                self.store.stop_waiting_for_room();
                running.stopped.get_or_insert(StopReason::Cancelled);
            }
            let is_over = round.is_over(running);
            let may_begin = !is_over && waiting.len() > 0 && tasks.len() < most;
            if tasks.is_empty() && (is_over || waiting.len() == 0) {
                break;
            }
            tokio::select! {
                biased;
                Some(joined) = tasks.join_next_with_id() => {
                    let (id, step, ended) = ended_of(joined);
                    let (person, situation) = people.remove(&id).expect("every task was begun for somebody");
                    round.has_helped |= ended.outcome != Outcome::Failed;
                    running.judge(&ended, round);
                    match step {
                        Some(step) if ended.again.is_some() && ended.stop.is_none() => {
                            round.again.push(Waiting { step, earlier: Some(ended) });
                        }
                        _ => {
                            let attempt = situation.map(|situation| (situation, &pushing.run, self.now()));
                            running.end(person, ended, attempt).await;
                        }
                    }
                }
                () = control.cancelled(), if running.stopped.is_none() => {}
                turn = next_turn_of(pushing, control), if may_begin && next_turn.is_none() => {
                    next_turn = Some(turn);
                }
                _ = tick.tick() => running.watch(&self.lanes()).await,
            }
            if !round.is_over(running)
                && let Some(turn) = next_turn.take()
                && let Some(Waiting { step, earlier }) = waiting.next()
            {
                let person = (step.person().clone(), step.situation());
                let pushing = Arc::clone(pushing);
                let task = tasks.spawn(async move {
                    let ended = step.take(&pushing, earlier, turn).await;
                    (step, ended)
                });
                people.insert(task.id(), person);
            }
        }
        round.again.extend(waiting);
    }

    /// Somebody has no further turn: that is how the last one ended, or it never came.
    async fn end_with_earlier<T: TakesTurn>(
        &self,
        left: Waiting<T>,
        pushing: &Pushing,
        running: &mut Running<'_>,
    ) {
        let person = left.step.person().clone();
        let (ended, situation) = match left.earlier {
            Some(ended) => (ended, left.step.situation()),
            None => (
                Ended::new(Outcome::Skipped, "not reached before the run stopped"),
                None,
            ),
        };
        let attempt = situation.map(|situation| (situation, &pushing.run, self.now()));
        running.end(person, ended, attempt).await;
    }
}

/// Somebody whose turn comes, and how the one before it ended if it is not the first.
struct Waiting<T> {
    step: T,
    earlier: Option<Ended>,
}

impl<T> Waiting<T> {
    fn first(step: T) -> Self {
        Self { step, earlier: None }
    }
}

/// One turn for everybody who waits.
struct Round<T> {
    /// The first one is everybody's; what goes wrong in the later ones stops no run, as all of them have failed before.
    is_first: bool,
    brake: FailureBrake,
    is_braked: bool,
    /// True if somebody came to an end that is no failure.
    has_helped: bool,
    /// Who may have another turn, or has had none because the round is over.
    again: Vec<Waiting<T>>,
}

impl<T> Round<T> {
    fn new(turn: usize) -> Self {
        Self {
            is_first: turn == 1,
            brake: FailureBrake::default(),
            is_braked: false,
            has_helped: false,
            again: Vec::new(),
        }
    }

    /// True if nobody else has a turn in it.
    fn is_over(&self, running: &Running<'_>) -> bool {
        self.is_braked || running.stopped.is_some()
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

    /// Takes it to its end and writes that down. `earlier` is how the turn before this one ended, if there was one.
    fn take(
        &self,
        pushing: &Pushing,
        earlier: Option<Ended>,
        turn: Turn,
    ) -> impl Future<Output = Ended> + Send;
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

    async fn take(&self, pushing: &Pushing, earlier: Option<Ended>, turn: Turn) -> Ended {
        pushing.step(self, earlier, turn).await
    }
}

/// Waits for a turn, and as long as nobody may have one.
pub(super) async fn next_turn_of(pushing: &Pushing, control: &RunControl) -> Turn {
    control.not_paused().await;
    Turn::take(&pushing.slots).await
}

fn ended_of<T>(joined: Result<(Id, (T, Ended)), JoinError>) -> (Id, Option<T>, Ended) {
    match joined {
        Ok((id, (step, ended))) => (id, Some(step), ended),
        // A panic in one person's push is that person's failure; the next start looks at what it left.
        Err(error) => {
            let ended = Ended {
                settled: false,
                ..Ended::new(
                    Outcome::Failed,
                    "an unexpected error in this program; please report it",
                )
            };
            (error.id(), None, ended)
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
    stopped: Option<StopReason>,
    /// People whom a service kept refusing since somebody got through.
    refused_in_a_row: usize,
    learning: Learning<'a>,
    lessons: Lessons,
    pauses: Pauses,
}

/// Lanes that pause, and until when somebody has been told.
#[derive(Debug, Default)]
pub(super) struct Pauses(HashMap<&'static str, Instant>);

impl Pauses {
    /// Events for the pauses that nobody has been told of; each is told once.
    pub(super) fn new_of(&mut self, lanes: &[LaneState]) -> Vec<RunEvent> {
        let now = Instant::now();
        self.0.retain(|_, until| *until > now);
        let mut events = Vec::new();
        for lane in lanes {
            if let Some((remaining, _)) = lane.paused
                && !remaining.is_zero()
                && !self.0.contains_key(lane.name)
            {
                self.0.insert(lane.name, now + remaining);
                events.push(RunEvent::Waiting {
                    lane: lane.name,
                    remaining,
                });
            }
        }
        events
    }
}

impl Running<'_> {
    async fn tell(&self, event: RunEvent) {
        // Nobody may be listening.
        drop(self.events.send(event).await);
    }

    /// Somebody's turn is over: does that stop the run, or the round?
    fn judge<T>(&mut self, ended: &Ended, round: &mut Round<T>) {
        self.refused_in_a_row = match (&ended.stalls, ended.outcome) {
            (Some(_), _) => self.refused_in_a_row + 1,
            // Other trouble says nothing about whether anybody gets through.
            (None, Outcome::Failed) if ended.is_passing => self.refused_in_a_row,
            (None, _) => 0,
        };
        let braked = round
            .brake
            .count(ended.outcome, &ended.detail, ended.denied.as_deref());
        if self.stopped.is_some() {
            return;
        }
        let is_refused = self.refused_in_a_row >= REFUSED_IN_A_ROW;
        let stalled = ended.stalls.clone().filter(|_| is_refused && round.is_first);
        self.stopped = ended.stop.clone().or(stalled);
        match braked {
            Some(reason) if round.is_first => {
                self.stopped.get_or_insert(reason);
            }
            Some(_) => round.is_braked = true,
            None => round.is_braked |= is_refused,
        }
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
        for pause in self.pauses.new_of(lanes) {
            self.tell(pause).await;
        }
    }
}

#[cfg(test)]
mod tests;
