//! `avatar-sync apply FILE`.

use std::path::PathBuf;

use clap::Args;

use super::connect::{self, Session};
use super::failure::Failure;
use super::output::Output;
use super::{GlobalArguments, WriteArguments, writing};
use crate::store::journal::RunKind;

/// Which plan.
#[derive(Debug, Args)]
pub struct ApplyArguments {
    /// A file written by `plan -o`.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    write: WriteArguments,
}

/// Does exactly what the plan says; a step whose target has moved since is left alone and reported.
pub async fn run(
    output: &Output,
    global: &GlobalArguments,
    arguments: &ApplyArguments,
) -> Result<u8, Failure> {
    let plan = writing::load_plan(&arguments.file)?;
    let configuration = connect::configuration(global, writing::flags(&arguments.write))?;
    if plan.profile != configuration.profile {
        return Err(Failure::usage(format!(
            "the plan was made for profile {:?}, not for {:?}",
            crate::domain::text::clean(&plan.profile),
            configuration.profile
        ))
        .with_hint(format!(
            "run it with --profile {}",
            crate::domain::text::clean(&plan.profile)
        )));
    }
    let session = Session::open(&configuration, writing::access(global, &arguments.write)?)?;
    writing::carry_out(output, &session, plan, RunKind::Apply, &arguments.write).await
}
