//! What every command that writes has in common: flags, the question before, the run, the ending.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::time::Instant;

use tokio::sync::mpsc;

use super::brakes::{self, Braked};
use super::connect::{Session, store_failure};
use super::failure::Failure;
use super::interrupt::on_interrupt;
use super::output::Output;
use super::{GlobalArguments, WriteArguments, exit};
use crate::config::{FlagValues, Value};
use crate::domain::plan::{Limits, PLAN_SCHEMA, Plan};
use crate::domain::run::{Outcome, PersonRef, RunEvent, StopReason};
use crate::domain::text::clean;
use crate::domain::tidying::TidyPlan;
use crate::engine::{ApplyError, DISK, RecoverError, RunControl, RunReport};
use crate::report;
use crate::store::Access;
use crate::store::journal::RunKind;

/// The largest plan file that is read, in bytes.
const PLAN_FILE_LIMIT: u64 = 1 << 30;
/// The most people who failed that are kept for a notification.
const SHOWN_FAILURES: usize = crate::notify::NAMED;
/// What goes on before a run, while it is looked after what an interrupted one has left.
const SETTLING: &str = "settling what an interrupted run has left";
/// Events that may wait for the printer.
const EVENT_QUEUE: usize = 1_024;

/// Settings given by flags.
pub fn flags(arguments: &WriteArguments) -> FlagValues {
    let mut flags = FlagValues::new();
    if let Some(number) = arguments.concurrency {
        for key in ["entra.photo_concurrency", "servicenow.concurrency"] {
            flags.push((key, "--concurrency", Value::Number(number.into())));
        }
    }
    if arguments.push_suspicious {
        flags.push(("policy.push_suspicious", "--push-suspicious", Value::Flag(true)));
    }
    if let Some(number) = arguments.max_changes {
        flags.push((
            "limits.max_changes",
            "--max-changes",
            Value::Number(number.into()),
        ));
    }
    if let Some(number) = arguments.max_removals {
        flags.push((
            "limits.max_removals",
            "--max-removals",
            Value::Number(number.into()),
        ));
    }
    for (key, flag, percent) in [
        (
            "limits.max_change_share",
            "--max-change-share",
            arguments.max_change_share,
        ),
        (
            "limits.max_removal_share",
            "--max-removal-share",
            arguments.max_removal_share,
        ),
    ] {
        flags.extend(percent.map(|percent| (key, flag, Value::Number(percent.into()))));
    }
    flags
}

/// A dry run only reads; otherwise `--readonly` refuses.
pub fn access(global: &GlobalArguments, arguments: &WriteArguments) -> Result<Access, Failure> {
    match (arguments.dry_run, global.readonly) {
        (true, _) => Ok(Access::Read),
        (false, true) => Err(Failure::usage("--readonly refuses commands that write")
            .with_hint("add --dry-run to see the plan, or leave --readonly away")),
        (false, false) => Ok(Access::Write),
    }
}

/// Writes a plan where nobody else can read it: it names people.
pub fn save_plan(path: &Path, plan: &Plan) -> Result<(), Failure> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    let failed = |error: std::io::Error| {
        Failure::new(
            exit::UNEXPECTED,
            format!("the plan cannot be written to {}: {error}", path.display()),
        )
    };
    let mut file = options.open(path).map_err(failed)?;
    let text = serde_json::to_vec_pretty(plan).map_err(|error| Failure::new(exit::UNEXPECTED, error))?;
    file.write_all(&text)
        .and_then(|()| file.write_all(b"\n"))
        .and_then(|()| file.sync_all())
        .map_err(failed)
}

/// Reads a plan file.
pub fn load_plan(path: &Path) -> Result<Plan, Failure> {
    let bad = |why: String| {
        Failure::usage(format!(
            "{} is not a plan that can be applied: {why}",
            path.display()
        ))
        .with_hint("make a new one with `avatar-sync plan -o FILE`")
    };
    let length = fs::metadata(path).map_err(|error| bad(error.to_string()))?.len();
    if length > PLAN_FILE_LIMIT {
        return Err(bad(format!("it has {length} bytes")));
    }
    let text = fs::read(path).map_err(|error| bad(error.to_string()))?;
    let plan: Plan = serde_json::from_slice(&text).map_err(|error| bad(error.to_string()))?;
    if plan.schema != PLAN_SCHEMA {
        return Err(bad(format!(
            "its format is {:?}, not {PLAN_SCHEMA:?}",
            clean(&plan.schema)
        )));
    }
    if let Some(step) = plan.steps.iter().find(|step| step.person.target.is_none()) {
        return Err(bad(format!(
            "the step for {} names nobody in ServiceNow",
            step.person.upn.shown()
        )));
    }
    Ok(plan)
}

/// How a plan ended.
pub struct Ending {
    /// The program's exit code.
    pub code: u8,
    /// The run, if it came to one.
    pub report: Option<RunReport>,
    /// The first people who failed, and why; at most [`SHOWN_FAILURES`].
    pub failed: Vec<(PersonRef, String)>,
    /// How many removals wait for approval.
    pub waiting: u64,
}

impl Ending {
    fn without_run(code: u8) -> Self {
        Self {
            code,
            report: None,
            failed: Vec::new(),
            waiting: 0,
        }
    }
}

/// Shows the plan, asks where somebody can answer, applies it and reports.
pub async fn carry_out(
    output: &Output,
    session: &Session,
    plan: Plan,
    kind: RunKind,
    arguments: &WriteArguments,
) -> Result<u8, Failure> {
    let control = RunControl::new().of_kind(kind);
    Ok(carry_through(output, session, plan, control, arguments)
        .await?
        .code)
}

/// The same as [`carry_out`] for a run that goes on with another one, or a caller who has more to say about the end.
pub async fn carry_through(
    output: &Output,
    session: &Session,
    plan: Plan,
    control: RunControl,
    arguments: &WriteArguments,
) -> Result<Ending, Failure> {
    let Braked {
        plan,
        limits,
        breach,
        waiting,
    } = brakes::before(output, session, plan, arguments).await?;
    if arguments.dry_run {
        dry_run(output, &plan, arguments.json)?;
    }
    if let Some(breach) = breach {
        return Err(breach);
    }
    if arguments.dry_run {
        return Ok(Ending::without_run(exit::OK));
    }
    if !plan.steps.is_empty() && !arguments.yes && !output.can_ask {
        return Err(nobody_to_ask());
    }
    let asks = !arguments.yes && output.can_ask && !plan.steps.is_empty();
    if asks {
        let mut err = anstream::stderr().lock();
        report::plan::write_human(&mut err, output.look, &plan, false)?;
        drop(err);
        let steps = plan.steps.len() as u64;
        let number = plan.number_to_type(plan.selected());
        let question = format!(
            "\nChange {} in {}?",
            report::text::people(steps),
            session.instance
        );
        if !output.confirm(&question, number)? {
            output.talk("Nothing was changed.");
            return Ok(Ending::without_run(exit::OK));
        }
    }
    let steps = plan.steps.len() as u64;
    let (events, received) = mpsc::channel(EVENT_QUEUE);
    // Far more than belongs on a stack.
    let run = Box::pin(session.engine.apply(plan, &limits, &control, events));
    let ending = follow(output, session, run, &control, received, steps, arguments.json).await?;
    Ok(Ending { waiting, ..ending })
}

fn nobody_to_ask() -> Failure {
    Failure::usage("there is nobody to ask")
        .with_hint("look at the plan with --dry-run, then carry it out with --yes")
}

fn dry_run(output: &Output, plan: &Plan, is_json: bool) -> Result<(), Failure> {
    output
        .data(|out| {
            if is_json {
                report::json::line(out, plan)
            } else {
                report::plan::write_human(out, output.look, plan, false)?;
                writeln!(out, "\nDry run: nothing was written.")
            }
        })
        .map(drop)
}

/// The same as [`carry_out`] for a tidying, which has limits of its own.
pub async fn carry_out_tidying(
    output: &Output,
    session: &Session,
    plan: TidyPlan,
    limits: &Limits,
    arguments: &WriteArguments,
) -> Result<u8, Failure> {
    carry_out_tidying_with(output, session, plan, limits, RunControl::new(), arguments).await
}

/// The same for a run that goes on with another one.
pub async fn carry_out_tidying_with(
    output: &Output,
    session: &Session,
    plan: TidyPlan,
    limits: &Limits,
    control: RunControl,
    arguments: &WriteArguments,
) -> Result<u8, Failure> {
    plan.check(limits).map_err(|breach| {
        Failure::new(exit::BRAKE, breach)
            .with_hint("look at the plan with --dry-run; raise the limit if it is right")
    })?;
    if arguments.dry_run {
        output.data(|out| {
            if arguments.json {
                report::json::line(out, &plan)
            } else {
                report::tidying::write_human(out, output.look, &plan)?;
                writeln!(out, "\nDry run: nothing was written.")
            }
        })?;
        return Ok(exit::OK);
    }
    if !plan.steps.is_empty() && !arguments.yes {
        if !output.can_ask {
            return Err(nobody_to_ask());
        }
        let mut err = anstream::stderr().lock();
        report::tidying::write_human(&mut err, output.look, &plan)?;
        drop(err);
        let question = report::tidying::question(&plan, &session.instance);
        if !output.confirm(&question, plan.number_to_type())? {
            output.talk("Nothing was changed.");
            return Ok(exit::OK);
        }
    }
    if !arguments.json {
        output.data(|out| report::tidying::write_left(out, output.look, &plan))?;
    }
    let steps = plan.steps.len() as u64;
    let (events, received) = mpsc::channel(EVENT_QUEUE);
    let run = Box::pin(session.engine.tidy(plan, limits, &control, events));
    let ending = follow(output, session, run, &control, received, steps, arguments.json).await?;
    Ok(ending.code)
}

/// Settles what interrupted runs have left, with progress; the first Ctrl-C ends it after whoever is under way.
pub async fn settle(output: &Output, session: &Session, is_json: bool) -> Result<(), Failure> {
    let has_left_over = session.engine.has_left_over().await;
    if !has_left_over.map_err(store_failure)? {
        return Ok(());
    }
    let control = RunControl::new();
    let (events, received) = mpsc::channel(EVENT_QUEUE);
    let settling = async {
        // The events end with it.
        let events = events;
        session.engine.recover_watched(&control, &events).await
    };
    let mut follower = Follower::new(output, session, 0, is_json);
    follower.what = SETTLING;
    follower
        .follow(settling, &control, received)
        .await?
        .map(drop)
        .map_err(unsettled)
}

/// Follows a run to its end and reports.
async fn follow(
    output: &Output,
    session: &Session,
    run: impl Future<Output = Result<RunReport, ApplyError>>,
    control: &RunControl,
    received: mpsc::Receiver<RunEvent>,
    steps: u64,
    is_json: bool,
) -> Result<Ending, Failure> {
    let started = Instant::now();
    let mut follower = Follower::new(output, session, steps, is_json);
    let report = follower
        .follow(run, control, received)
        .await?
        .map_err(failure_of)?;
    if !is_json {
        output.data(|out| {
            report::run::write_summary(
                out,
                &report.summary,
                started.elapsed(),
                report.run.as_str(),
                report.stopped.as_ref(),
            )
        })?;
    }
    Ok(Ending {
        code: code(&report),
        report: Some(report),
        failed: follower.failed,
        waiting: 0,
    })
}

/// Prints what happens in a run, and in the settling before it.
struct Follower<'a> {
    output: &'a Output,
    session: &'a Session,
    is_json: bool,
    /// What goes on, with how many people are done of how many.
    what: &'static str,
    done: u64,
    total: u64,
    /// How many steps the run has.
    steps: u64,
    failed: Vec<(PersonRef, String)>,
}

impl<'a> Follower<'a> {
    fn new(output: &'a Output, session: &'a Session, steps: u64, is_json: bool) -> Self {
        Self {
            output,
            session,
            is_json,
            what: "writing",
            done: 0,
            total: steps.max(1),
            steps: steps.max(1),
            failed: Vec::new(),
        }
    }

    /// Follows it to its end; Ctrl-C ends it after what is under way.
    async fn follow<T>(
        &mut self,
        work: impl Future<Output = T>,
        control: &RunControl,
        mut received: mpsc::Receiver<RunEvent>,
    ) -> Result<T, Failure> {
        let interrupt = on_interrupt({
            let control = control.clone();
            move || control.cancel()
        });
        let progress = self.output.progress(true);
        tokio::pin!(work);
        let mut ended = None;
        let mut tick = tokio::time::interval(std::time::Duration::from_millis(250));
        loop {
            tokio::select! {
                event = received.recv() => match event {
                    Some(event) => {
                        self.count(&event);
                        if matches!(event, RunEvent::Settling { .. } | RunEvent::Settled { .. } | RunEvent::Step { .. }) {
                            self.show(&progress, None);
                        }
                        progress.suspended(|| print_event(self.output, &event, self.is_json))?;
                    }
                    None => break,
                },
                result = &mut work, if ended.is_none() => ended = Some(result),
                _ = tick.tick(), if ended.is_none() && self.output.shows_progress => {
                    self.show(&progress, report::progress::waiting(&self.session.engine.lanes()));
                }
            }
        }
        progress.finish();
        interrupt.abort();
        Ok(match ended {
            Some(result) => result,
            None => work.await,
        })
    }

    fn count(&mut self, event: &RunEvent) {
        match event {
            RunEvent::Settling { total } => {
                (self.what, self.done, self.total) = (SETTLING, 0, *total);
            }
            RunEvent::Settled { done, .. } => self.done = *done,
            RunEvent::Started { .. } => (self.what, self.done, self.total) = ("writing", 0, self.steps),
            RunEvent::Step {
                person,
                outcome,
                detail,
                ..
            } => {
                self.done += u64::from(outcome.is_of_a_step());
                if *outcome == Outcome::Failed && self.failed.len() < SHOWN_FAILURES {
                    self.failed.push((person.clone(), detail.clone()));
                }
            }
            RunEvent::Waiting { .. } | RunEvent::Finished { .. } => {}
        }
    }

    fn show(&self, progress: &report::progress::Progress, waiting: Option<String>) {
        let what = waiting.unwrap_or_else(|| self.what.to_owned());
        let done = self.done.min(self.total);
        progress.measured(&what, done, self.total, self.output.look.is_ascii);
    }
}

fn print_event(output: &Output, event: &RunEvent, is_json: bool) -> Result<(), Failure> {
    if let RunEvent::Waiting { lane: DISK, .. } = event {
        output.talk("there is no room on the disk for the journal: nothing is sent until there is");
    }
    if is_json {
        output.data(|out| report::run::write_json(out, event))?;
        return Ok(());
    }
    match event {
        RunEvent::Settling { total } => {
            output.talk(&format!("{SETTLING}: {}", report::text::people(*total)));
        }
        RunEvent::Settled { settled, .. } => output.talk(&clean(&settled.sentence())),
        RunEvent::Step {
            person,
            outcome,
            detail,
            hint,
        } if outcome.is_of_a_step() => {
            output.data(|out| {
                report::run::write_step(out, output.look, person, *outcome, detail, hint.as_deref())
            })?;
        }
        RunEvent::Step { .. }
        | RunEvent::Started { .. }
        | RunEvent::Waiting { .. }
        | RunEvent::Finished { .. } => {}
    }
    Ok(())
}

/// How a run that took place ends.
fn code(report: &RunReport) -> u8 {
    match &report.stopped {
        Some(StopReason::Cancelled) => exit::INTERRUPTED,
        Some(StopReason::Brake(_)) => exit::BRAKE,
        Some(StopReason::Refused { is_access: true, .. }) => exit::NO_ACCESS,
        Some(StopReason::Refused { .. } | StopReason::Storage(_)) => exit::UNEXPECTED,
        None if report.summary.failed > 0 => exit::SOME_FAILED,
        None => exit::OK,
    }
}

fn failure_of(error: ApplyError) -> Failure {
    match error {
        ApplyError::Recover(error) => unsettled(error),
        ApplyError::Breach(_) => Failure::new(exit::BRAKE, error),
        ApplyError::OtherProfile { .. } => Failure::usage(error),
        _ => Failure::new(exit::UNEXPECTED, error),
    }
}

/// What an interrupted run has left could not be settled, or somebody stopped it; the run itself has not begun.
fn unsettled(error: RecoverError) -> Failure {
    let goes_on = "the run itself has not begun; the next start settles what is left, and then `avatar-sync resume` \
                   goes on with the interrupted one";
    match &error {
        RecoverError::Cancelled { .. } => Failure::new(exit::INTERRUPTED, error).with_hint(goes_on),
        RecoverError::Connector(service) => {
            let (kind, hint) = (service.kind.clone(), service.hint.clone());
            super::connect::connector_stopped(kind, hint, error)
        }
        RecoverError::Stopped { is_access: true, .. } => Failure::new(exit::NO_ACCESS, error),
        RecoverError::Stopped { .. } | RecoverError::Storage(_) => Failure::new(exit::UNEXPECTED, error),
    }
}
