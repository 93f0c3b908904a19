//! `avatar-sync sync`: one full run, or a run again and again.

mod aftermath;
mod scheduled;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use jiff::Timestamp;

use super::connect::{self, Connection, Session};
use super::failure::Failure;
use super::output::Output;
use super::writing::Ending;
use super::{GlobalArguments, WriteArguments, brakes, exit, interrupt, writing};
use crate::config::values::ScheduleValues;
use crate::config::{Configuration, FlagValues, Value};
use crate::engine::RunControl;
use crate::schedule::{self, First, Jitter, Schedule};
use crate::store::journal::RunKind;
use crate::store::{Access, host_name};
use aftermath::{Aftermath, Outcome};

/// How often it is tried to take a lock that another run holds.
const LOCK_POLL: Duration = Duration::from_secs(1);

/// A full run, or one again and again.
#[derive(Debug, Args)]
pub struct SyncArguments {
    #[command(flatten)]
    write: WriteArguments,
    #[command(flatten)]
    repeat: RepeatArguments,
}

/// When to run again, and what to do about it.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Repeating")]
struct RepeatArguments {
    /// Run again and again in the foreground, from start to start: 40m, 1h 30m, 1d. The first run is at once.
    #[arg(long, value_name = "DURATION", conflicts_with = "cron")]
    every: Option<String>,
    /// Run again and again in the foreground, when a pattern of five fields says so: "0 3 1 * *".
    #[arg(long, value_name = "PATTERN")]
    cron: Option<String>,
    /// With --every: let the first interval pass before the first run.
    #[arg(long, requires = "every")]
    wait_first: bool,
    /// How much later than due a run begins at most; a tenth of the interval, at most 5m, unless given.
    #[arg(long, value_name = "DURATION")]
    jitter: Option<String>,
    /// What to do while another run holds the profile.
    #[arg(long, value_enum, value_name = "WHAT")]
    if_locked: Option<IfLocked>,
    /// Write how it is doing into this file, for probes; read it with `avatar-sync health`.
    #[arg(long, value_name = "FILE")]
    health: Option<PathBuf>,
}

/// What to do while another run holds the profile (`reliability.md` H3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum IfLocked {
    /// Leave this run out.
    Skip,
    /// Wait for the other one; a repeated run no longer than until the next one is due.
    Wait,
}

/// Everything one run needs; what it keeps from run to run are connections, tokens and pauses.
struct Runner<'a> {
    output: &'a Output,
    configuration: &'a Configuration,
    connection: Connection,
    write: WriteArguments,
    access: Access,
    waits_for_lock: bool,
    /// True if somebody sits beside the run.
    is_attended: bool,
}

/// Scans everybody, plans and applies: once, or again and again.
pub async fn run(
    output: &Output,
    global: &GlobalArguments,
    arguments: &SyncArguments,
) -> Result<u8, Failure> {
    let configuration = connect::configuration(global, flags(arguments)?)?;
    let access = writing::access(global, &arguments.write)?;
    let values = ScheduleValues::of(&configuration);
    let schedule = planned(&arguments.repeat, &values)?;
    let jitter = jitter(&configuration, &values)?;
    let mut aftermath = Aftermath::new(output, &configuration, &values, access)?;
    let connection = match Connection::new(&configuration) {
        Ok(connection) => connection,
        Err(failure) => {
            aftermath.ended(&Outcome::of_failure(&failure), None).await;
            return Err(failure);
        }
    };
    let mut runner = Runner {
        output,
        configuration: &configuration,
        connection,
        write: arguments.write.clone(),
        access,
        waits_for_lock: values.waits_for_lock,
        is_attended: output.can_ask && schedule.is_none(),
    };
    let Some(schedule) = schedule else {
        return Box::pin(once(&runner, &mut aftermath)).await;
    };
    // Whoever repeats runs does not sit beside them.
    runner.write.yes = true;
    let first = if arguments.repeat.every.is_some() && !arguments.repeat.wait_first {
        First::AtOnce
    } else {
        First::Waits
    };
    scheduled::run(&mut runner, &mut aftermath, schedule, jitter, first).await
}

async fn once(runner: &Runner<'_>, aftermath: &mut Aftermath<'_>) -> Result<u8, Failure> {
    aftermath.begun();
    let ended = aftermath.touching(Box::pin(runner.run(None))).await;
    aftermath.ended(&Outcome::of(&ended), None).await;
    ended.map(|ending| ending.code)
}

impl Runner<'_> {
    /// One run. The local data is opened for it alone, so that other commands can write in between.
    async fn run(&self, before: Option<Timestamp>) -> Result<Ending, Failure> {
        let session = self.session(before).await?;
        let run = async {
            session.recover(self.output, self.write.json).await?;
            let (plan, problems) = session.plan(self.output).await?;
            for problem in &problems {
                self.output
                    .talk(&format!("warning: {}", crate::domain::text::clean(problem)));
            }
            let control = RunControl::new().of_kind(RunKind::Sync);
            writing::carry_through(self.output, &session, plan, control, &self.write).await
        };
        if self.access == Access::Read {
            return run.await;
        }
        brakes::full_run(self.output, &session, self.is_attended, Box::pin(run)).await
    }

    /// Opens the local data; while another run holds it, waits if that is wanted, but not into the next slot.
    async fn session(&self, before: Option<Timestamp>) -> Result<Session, Failure> {
        let stop = interrupt::asked();
        let mut was_told = false;
        loop {
            let failure = match self.connection.session(self.access) {
                Err(failure) if failure.code == exit::LOCKED && self.waits_for_lock => failure,
                result => return result,
            };
            if before.is_some_and(|before| Timestamp::now() >= before) {
                return Err(failure);
            }
            if !was_told {
                self.output.talk(&format!("{}; waiting for it", failure.error));
                was_told = true;
            }
            tokio::select! {
                () = stop.cancelled() => {
                    return Err(Failure::new(exit::INTERRUPTED, "interrupted while waiting for another run"));
                }
                () = tokio::time::sleep(LOCK_POLL) => {}
            }
        }
    }
}

/// Settings given by flags.
fn flags(arguments: &SyncArguments) -> Result<FlagValues, Failure> {
    let mut flags = writing::flags(&arguments.write);
    let repeat = &arguments.repeat;
    if let Some(jitter) = &repeat.jitter {
        flags.push(("schedule.jitter", "--jitter", Value::Text(jitter.clone())));
    }
    if let Some(what) = repeat.if_locked {
        let word = match what {
            IfLocked::Skip => "skip",
            IfLocked::Wait => "wait",
        };
        flags.push(("schedule.if_locked", "--if-locked", Value::Text(word.into())));
    }
    if let Some(path) = &repeat.health {
        let path = path
            .to_str()
            .ok_or_else(|| Failure::usage("--health: the file's name must be Unicode text"))?;
        flags.push(("schedule.health_file", "--health", Value::Text(path.to_owned())));
    }
    Ok(flags)
}

/// The schedule, if runs are to be repeated.
fn planned(repeat: &RepeatArguments, values: &ScheduleValues) -> Result<Option<Schedule>, Failure> {
    if let Some(interval) = &repeat.every {
        return schedule::parse_duration(interval)
            .and_then(Schedule::every)
            .map(Some)
            .map_err(|error| Failure::usage(format!("--every: {error}")));
    }
    let Some(pattern) = &repeat.cron else {
        return Ok(None);
    };
    let zone = schedule::time_zone(values.time_zone.as_deref())
        .map_err(|error| Failure::usage(format!("schedule.time_zone: {error}")))?;
    Schedule::cron(pattern, zone, Timestamp::now())
        .map(Some)
        .map_err(|error| Failure::usage(format!("--cron: {error}")))
}

/// The jitter tells machines, profiles and instances apart, so that neither a fleet nor one machine's profiles begin at
/// once.
fn jitter(configuration: &Configuration, values: &ScheduleValues) -> Result<Jitter, Failure> {
    let most = values
        .jitter
        .as_deref()
        .map(schedule::parse_duration)
        .transpose()
        .map_err(|error| Failure::usage(format!("schedule.jitter: {error}")))?;
    Ok(Jitter::new(most, &[&host_name(), &configuration.profile]))
}

#[cfg(test)]
mod tests;
