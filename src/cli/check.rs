//! `avatar-sync check`.

use anstyle::AnsiColor;
use clap::Args;
use serde::Serialize;

use super::connect::{self, Session};
use super::failure::Failure;
use super::output::Output;
use super::{GlobalArguments, exit};
use crate::connector::{ErrorKind, Probe, ProbeResult};
use crate::domain::text::clean;
use crate::report::json;
use crate::store::Access;

/// How to print.
#[derive(Debug, Args)]
pub struct CheckArguments {
    /// One JSON object a line, one for every probe.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct JsonProbe<'a> {
    what: &'a str,
    result: &'static str,
    seen: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'a str>,
}

/// Runs the probes and prints them.
pub async fn run(
    output: &Output,
    global: &GlobalArguments,
    arguments: &CheckArguments,
) -> Result<u8, Failure> {
    let configuration = connect::configuration(global, Vec::new())?;
    let session = Session::open(&configuration, Access::Read)?;
    let progress = output.progress(true);
    progress.counting("probing both services", 0, output.look.is_ascii);
    let probes = session.engine.check().await;
    progress.finish();
    output.data(|out| {
        for probe in &probes {
            let (word, colour, seen, hint) = parts(probe);
            if arguments.json {
                json::line(
                    out,
                    &JsonProbe {
                        what: &probe.what,
                        result: word,
                        seen,
                        hint,
                    },
                )?;
                continue;
            }
            let style = colour.on_default();
            writeln!(
                out,
                "{style}{word:<8}{style:#} {}: {}",
                clean(&probe.what),
                clean(seen)
            )?;
            for line in hint.into_iter().flat_map(str::lines) {
                writeln!(out, "         {}", clean(line))?;
            }
        }
        Ok(())
    })?;
    Ok(code(&probes))
}

fn parts(probe: &Probe) -> (&'static str, AnsiColor, &str, Option<&str>) {
    match &probe.result {
        ProbeResult::Passed(seen) => ("ok", AnsiColor::Green, seen, None),
        ProbeResult::Warning { seen, hint } => ("warning", AnsiColor::Yellow, seen, Some(hint)),
        ProbeResult::Failed { seen, hint, .. } => ("failed", AnsiColor::Red, seen, Some(hint)),
    }
}

/// Access first: it is what the command is for.
fn code(probes: &[Probe]) -> u8 {
    let failures = || {
        probes.iter().filter_map(|probe| match &probe.result {
            ProbeResult::Failed { kind, .. } => Some(kind),
            _ => None,
        })
    };
    if failures().any(|kind| matches!(kind, ErrorKind::SignInRejected | ErrorKind::NotAllowed { .. })) {
        exit::NO_ACCESS
    } else if failures().any(|kind| *kind == ErrorKind::Configuration) {
        exit::USAGE
    } else if failures().next().is_some() {
        exit::UNEXPECTED
    } else {
        exit::OK
    }
}
