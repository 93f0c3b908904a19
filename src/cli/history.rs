//! `avatar-sync history [RUN]`.

use std::time::Duration;

use clap::Args;
use serde::Serialize;

use super::failure::Failure;
use super::output::Output;
use super::{GlobalArguments, connect, exit};
use crate::domain::ids::RunId;
use crate::domain::run::{Outcome, PersonRef, Summary};
use crate::domain::tidying::Task;
use crate::report::json;
use crate::report::run::{duration, stop_sentence, write_step};
use crate::report::status::whole_seconds;
use crate::report::text::{Look, moment, number};
use crate::store::Access;
use crate::store::journal::{RunRecord, StepRecord};

/// Which run, and how to print.
#[derive(Debug, Args)]
pub struct HistoryArguments {
    /// One run, person by person; all runs if left away.
    #[arg(value_name = "RUN")]
    run: Option<String>,
    /// One JSON object a line.
    #[arg(long)]
    json: bool,
    /// The newest so many runs.
    #[arg(long, default_value_t = 50, value_name = "N")]
    limit: usize,
}

#[derive(Serialize)]
struct JsonRun<'a> {
    run: &'a str,
    kind: &'static str,
    started: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    finished: Option<String>,
    os_user: &'a str,
    host: &'a str,
    account: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    summary: Option<&'a Summary>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stopped: Option<String>,
}

#[derive(Serialize)]
struct JsonStep<'a> {
    person: &'a PersonRef,
    change: Task,
    outcome: Outcome,
    detail: &'a str,
    at: String,
}

/// Prints runs from the journal; asks no service.
pub async fn run(
    output: &Output,
    global: &GlobalArguments,
    arguments: &HistoryArguments,
) -> Result<u8, Failure> {
    let configuration = connect::configuration(global, Vec::new())?;
    let store = connect::open_store(&configuration, Access::Read)?;
    let journal = store.journal();
    let unreadable = |error| Failure::new(exit::UNEXPECTED, error);
    match &arguments.run {
        None => {
            let runs = journal.runs(arguments.limit).await.map_err(unreadable)?;
            output.data(|out| {
                runs.iter()
                    .try_for_each(|run| write_run(out, run, arguments.json))
            })?;
            if runs.is_empty() {
                output.talk("No run has written anything yet.");
            }
        }
        Some(wanted) => {
            let id = RunId::new(wanted.as_str());
            let run = journal.run(&id).await.map_err(unreadable)?.ok_or_else(|| {
                Failure::usage(format!(
                    "there is no run {:?}",
                    crate::domain::text::clean(wanted)
                ))
                .with_hint("`avatar-sync history` lists them")
            })?;
            let steps = journal.steps(&id).await.map_err(unreadable)?;
            output.data(|out| {
                if !arguments.json {
                    write_run(out, &run, false)?;
                }
                steps
                    .iter()
                    .try_for_each(|step| write_recorded(out, output.look, step, arguments.json))
            })?;
        }
    }
    Ok(exit::OK)
}

fn write_run(out: &mut dyn std::io::Write, run: &RunRecord, is_json: bool) -> std::io::Result<()> {
    if is_json {
        return json::line(
            out,
            &JsonRun {
                run: run.id.as_str(),
                kind: run.start.kind.code(),
                started: whole_seconds(run.start.started),
                finished: run.finished.map(whole_seconds),
                os_user: &run.start.actor.os_user,
                host: &run.start.actor.host,
                account: &run.start.actor.account,
                summary: run.summary.as_ref(),
                stopped: run.stopped.as_ref().map(stop_sentence),
            },
        );
    }
    let took = run.finished.map_or_else(
        || "not finished".to_owned(),
        |finished| {
            duration(Duration::try_from(finished.duration_since(run.start.started)).unwrap_or_default())
        },
    );
    let summary = run.summary.unwrap_or_default();
    writeln!(
        out,
        "{}  {}  {:<5} by {}@{}  {took}",
        run.id,
        moment(run.start.started),
        run.start.kind.code(),
        run.start.actor.os_user,
        run.start.actor.host,
    )?;
    let counted: Vec<String> = Outcome::ALL
        .into_iter()
        .filter(|outcome| summary.of(*outcome) > 0)
        .map(|outcome| format!("{} {}", number(summary.of(outcome)), outcome.words()))
        .collect();
    if !counted.is_empty() {
        writeln!(out, "    {}", counted.join(", "))?;
    }
    if let Some(reason) = &run.stopped {
        writeln!(out, "    {}", stop_sentence(reason))?;
    }
    Ok(())
}

fn write_recorded(
    out: &mut dyn std::io::Write,
    look: Look,
    step: &StepRecord,
    is_json: bool,
) -> std::io::Result<()> {
    if is_json {
        return json::line(
            out,
            &JsonStep {
                person: &step.person,
                change: step.change,
                outcome: step.outcome,
                detail: &step.detail,
                at: whole_seconds(step.at),
            },
        );
    }
    write_step(
        out,
        look,
        &step.person,
        step.outcome,
        &step.detail,
        step.hint.as_deref(),
    )
}
