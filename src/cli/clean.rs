//! `avatar-sync clean [PERSON…]`.

use clap::Args;

use super::connect::{self, Session};
use super::failure::Failure;
use super::output::Output;
use super::{GlobalArguments, WriteArguments, writing};
use crate::domain::litter::CleaningOptions;
use crate::domain::plan::Limits;

/// What to clear away.
#[derive(Debug, Args)]
pub struct CleanArguments {
    /// Only these people: sign-in names, e-mails, Entra object ids, ServiceNow user_names or sys_ids. Everybody in
    /// scope, and pictures whose record is gone, if left away.
    #[arg(value_name = "PERSON")]
    people: Vec<String>,
    /// Also remove what is displayed although it is no picture: stored error messages, single pixels.
    #[arg(long)]
    unreadable: bool,
    #[command(flatten)]
    write: WriteArguments,
}

/// Clears away what nobody sees.
pub async fn run(
    output: &Output,
    global: &GlobalArguments,
    arguments: &CleanArguments,
) -> Result<u8, Failure> {
    let configuration = connect::configuration(global, writing::flags(&arguments.write))?;
    let session = Session::open(&configuration, writing::access(global, &arguments.write)?)?;
    session.recover(output, arguments.write.json).await?;
    let options = CleaningOptions {
        unreadable: arguments.unreadable,
    };
    let plan = session.cleaning_plan(output, &arguments.people, options).await?;
    // The configured limit on removals is about people who lose their avatar; nobody does here.
    let limits = Limits {
        max_changes: session.limits.max_changes,
        max_removals: arguments.write.max_removals.map(u64::from),
        ..Limits::NONE
    };
    writing::carry_out_tidying(output, &session, plan, &limits, &arguments.write).await
}
