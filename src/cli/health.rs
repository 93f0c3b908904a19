//! `avatar-sync health`: for `HEALTHCHECK` and probes.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use jiff::Timestamp;

use super::exit;
use super::failure::Failure;
use super::output::Output;
use crate::schedule::{Health, HealthError, Judgement, Patience, parse_duration};

/// Which file, and how much to put up with.
#[derive(Debug, Args)]
pub struct HealthArguments {
    /// The file that `sync --health FILE` writes.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Not healthy if the file is older: it is written at least once a minute.
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = duration)]
    max_age: Duration,
    /// Not healthy either if the last good run is longer ago: 26h for a run a day.
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    max_without_success: Option<Duration>,
}

fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text).map_err(|error| error.to_string())
}

/// Ends with 0 if all is well and with 1 if not; says why in one line.
pub fn run(output: &Output, arguments: &HealthArguments) -> Result<u8, Failure> {
    let patience = Patience {
        age: arguments.max_age,
        without_success: arguments.max_without_success,
    };
    let Judgement { is_healthy, sentence } = match Health::read(&arguments.file) {
        Ok(health) => health.judge(patience, Timestamp::now()),
        // A program that has just begun has not written it yet; a probe knows how long to wait for that.
        Err(error @ (HealthError::Unreadable(_) | HealthError::Foreign(_))) => Judgement {
            is_healthy: false,
            sentence: error.to_string(),
        },
    };
    output.data(|out| {
        let word = if is_healthy { "healthy" } else { "not healthy" };
        writeln!(out, "{word}: {sentence}")
    })?;
    Ok(if is_healthy { exit::OK } else { exit::UNEXPECTED })
}
