//! `avatar-sync explain PERSON`.

use clap::Args;

use super::connect::{self, Session, engine_failure};
use super::failure::Failure;
use super::output::Output;
use super::{GlobalArguments, exit};
use crate::connector::Priority;
use crate::report::explanation::{write_human, write_json};
use crate::store::Access;

/// Whom to explain.
#[derive(Debug, Args)]
pub struct ExplainArguments {
    /// Sign-in name, e-mail, Entra object id, ServiceNow user_name or sys_id.
    #[arg(value_name = "PERSON")]
    person: String,
    /// One JSON object (avatar-sync/explain/1) instead of text.
    #[arg(long)]
    json: bool,
}

/// Says why this person's picture is what it is. Only reads.
pub async fn run(
    output: &Output,
    global: &GlobalArguments,
    arguments: &ExplainArguments,
) -> Result<u8, Failure> {
    let configuration = connect::configuration(global, Vec::new())?;
    let session = Session::open(&configuration, Access::Read)?;
    let explained = session
        .engine
        .explain(&arguments.person, Priority::Foreground)
        .await;
    let explanation = explained.map_err(engine_failure)?;
    output.data(|out| {
        if arguments.json {
            write_json(out, &configuration.profile, &explanation)
        } else {
            write_human(out, output.look, &explanation)
        }
    })?;
    Ok(exit::OK)
}
