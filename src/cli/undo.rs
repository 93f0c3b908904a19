//! `avatar-sync undo RUN|PERSON`.

use clap::Args;

use super::connect::{self, Session};
use super::failure::Failure;
use super::output::Output;
use super::{GlobalArguments, WriteArguments, exit, writing};
use crate::engine::UndoError;

/// What to take back.
#[derive(Debug, Args)]
pub struct UndoArguments {
    /// A run, as `history` lists it; or a person, whose last change is taken back.
    #[arg(value_name = "RUN|PERSON")]
    what: String,
    #[command(flatten)]
    write: WriteArguments,
}

/// Takes a run back.
pub async fn run(
    output: &Output,
    global: &GlobalArguments,
    arguments: &UndoArguments,
) -> Result<u8, Failure> {
    let configuration = connect::configuration(global, writing::flags(&arguments.write))?;
    let session = Session::open(&configuration, writing::access(global, &arguments.write)?)?;
    session.recover(output, arguments.write.json).await?;
    let plan = session
        .engine
        .undo_plan(&arguments.what)
        .await
        .map_err(failure_of)?;
    writing::carry_out_tidying(output, &session, plan, &session.limits, &arguments.write).await
}

pub(super) fn failure_of(error: UndoError) -> Failure {
    match &error {
        UndoError::Unknown(_) => Failure::usage(error).with_hint(
            "`avatar-sync history` lists runs; a person is named by a sign-in name, e-mail address or id of either side",
        ),
        UndoError::Ambiguous { .. } => Failure::usage(error).with_hint("say which one, by a sys_id"),
        UndoError::UnderWay(_) => Failure::new(exit::LOCKED, error),
        UndoError::Connector(connector) => connect::connector_stopped(connector.kind.clone(), connector.hint.clone(), error),
        UndoError::Storage(_) => Failure::new(exit::UNEXPECTED, error),
    }
}
