//! `avatar-sync sync`.

use clap::Args;

use super::connect::{self, Session};
use super::failure::Failure;
use super::output::Output;
use super::{GlobalArguments, WriteArguments, brakes, writing};
use crate::store::journal::RunKind;

/// A full run.
#[derive(Debug, Args)]
pub struct SyncArguments {
    #[command(flatten)]
    write: WriteArguments,
}

/// Scans everybody, plans and applies.
pub async fn run(
    output: &Output,
    global: &GlobalArguments,
    arguments: &SyncArguments,
) -> Result<u8, Failure> {
    let configuration = connect::configuration(global, writing::flags(&arguments.write))?;
    let session = Session::open(&configuration, writing::access(global, &arguments.write)?)?;
    let run = async {
        session.recover(output).await?;
        let (plan, problems) = session.plan(output).await?;
        for problem in &problems {
            output.talk(&format!("warning: {}", crate::domain::text::clean(problem)));
        }
        writing::carry_out(output, &session, plan, RunKind::Sync, &arguments.write).await
    };
    if arguments.write.dry_run {
        return run.await;
    }
    brakes::full_run(output, &session, output.can_ask, run).await
}
