//! `avatar-sync resume [RUN]`.

use clap::Args;

use super::connect::{self, Session};
use super::failure::Failure;
use super::output::Output;
use super::{GlobalArguments, WriteArguments, exit, writing};
use crate::domain::outstanding::Rest;
use crate::domain::run::Summary;
use crate::engine::{Outstanding, ResumeError, Resumption, RunControl};
use crate::report::json;
use crate::report::text::{moment, people};

/// What to go on with.
#[derive(Debug, Args)]
pub struct ResumeArguments {
    /// A run that was cut short, as `history` lists it; the newest one of which something is left if left away.
    #[arg(value_name = "RUN")]
    run: Option<String>,
    /// Go on although a brake has stopped the run: you have looked at why.
    #[arg(long)]
    despite_brake: bool,
    #[command(flatten)]
    write: WriteArguments,
}

/// Goes on with a run that was stopped or cut off.
pub async fn run(
    output: &Output,
    global: &GlobalArguments,
    arguments: &ResumeArguments,
) -> Result<u8, Failure> {
    let configuration = connect::configuration(global, writing::flags(&arguments.write))?;
    let session = Session::open(&configuration, writing::access(global, &arguments.write)?)?;
    session.recover(output, arguments.write.json).await?;
    let Some(outstanding) = choose(output, &session, arguments).await? else {
        return nothing_outstanding(output, arguments);
    };
    announce(output, &outstanding);
    if !is_confirmed(output, &outstanding, arguments)? {
        output.talk("Nothing was changed.");
        return Ok(exit::OK);
    }
    let resumption = session
        .resumption(output, &outstanding)
        .await
        .map_err(failure_of)?;
    let control = RunControl::new()
        .of_kind(outstanding.run.start.kind)
        .continuing(outstanding.run.id.clone());
    match resumption {
        Resumption::Push(plan) => {
            let ending = writing::carry_through(output, &session, plan, control, &arguments.write).await?;
            Ok(ending.code)
        }
        Resumption::Tidy(plan) => {
            writing::carry_out_tidying_with(
                output,
                &session,
                plan,
                &session.limits,
                control,
                &arguments.write,
            )
            .await
        }
    }
}

async fn choose(
    output: &Output,
    session: &Session,
    arguments: &ResumeArguments,
) -> Result<Option<Outstanding>, Failure> {
    if let Some(run) = &arguments.run {
        let outstanding = session.engine.outstanding_of(run).await.map_err(failure_of)?;
        return Ok(Some(outstanding).filter(|outstanding| !outstanding.people.is_empty()));
    }
    let newest = session
        .engine
        .outstanding()
        .await
        .map_err(|error| failure_of(error.into()))?;
    let Some((outstanding, others)) = newest else {
        return Ok(None);
    };
    if others > 0 {
        let runs = if others == 1 { "run was" } else { "runs were" };
        output.talk(&format!(
            "{others} older {runs} cut short too; `avatar-sync history` lists them"
        ));
    }
    Ok(Some(outstanding))
}

fn announce(output: &Output, outstanding: &Outstanding) {
    let run = &outstanding.run;
    let mut parts = Vec::new();
    for (rest, words) in [
        (Rest::Settle, "begun and not settled"),
        (Rest::Start, "not reached"),
        (Rest::Again, "to be tried again"),
    ] {
        let count = outstanding.count(rest);
        if count > 0 {
            parts.push(format!("{} {words}", people(count)));
        }
    }
    output.talk(&format!(
        "Run {} of {} was cut short: {}.",
        run.id,
        moment(run.start.started),
        parts.join(", ")
    ));
}

/// A run that a brake has stopped goes on only if somebody has looked at why.
fn is_confirmed(
    output: &Output,
    outstanding: &Outstanding,
    arguments: &ResumeArguments,
) -> Result<bool, Failure> {
    let Some(why) = outstanding.brake() else {
        return Ok(true);
    };
    let why = crate::domain::text::clean(why);
    if arguments.despite_brake || arguments.write.dry_run {
        return Ok(true);
    }
    if output.can_ask && !arguments.write.yes {
        return output.confirm(&format!("A brake stopped it: {why}. Go on all the same?"), None);
    }
    Err(Failure::new(
        exit::BRAKE,
        format!("a brake stopped run {}: {why}", outstanding.run.id),
    )
    .with_hint("look at `avatar-sync history RUN`; go on with --despite-brake"))
}

/// The last line of a writer's JSON, for a run that was not needed.
#[derive(serde::Serialize)]
struct NothingToDo {
    event: &'static str,
    run: Option<String>,
    summary: Summary,
}

fn nothing_outstanding(output: &Output, arguments: &ResumeArguments) -> Result<u8, Failure> {
    if arguments.write.json {
        let finished = NothingToDo {
            event: "finished",
            run: None,
            summary: Summary::default(),
        };
        output.data(|out| json::line(out, &finished))?;
    } else {
        output.talk("Nothing is outstanding.");
    }
    Ok(exit::OK)
}

fn failure_of(error: ResumeError) -> Failure {
    match error {
        ResumeError::Unknown(_) => Failure::usage(error).with_hint("`avatar-sync history` lists the runs"),
        ResumeError::PlanUnknown(_) => {
            Failure::usage(error).with_hint("start it anew: `avatar-sync sync` plans from what is there")
        }
        ResumeError::Cleaning(_) => Failure::usage(error).with_hint("`avatar-sync clean`"),
        ResumeError::Storage(_) => Failure::new(exit::UNEXPECTED, error),
        ResumeError::Engine(error) => connect::engine_failure(error),
        ResumeError::Undo(error) => super::undo::failure_of(error),
    }
}
