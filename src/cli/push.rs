//! `avatar-sync push PERSON…`.

use clap::Args;

use super::connect::{self, Session};
use super::failure::Failure;
use super::output::Output;
use super::{GlobalArguments, WriteArguments, writing};
use crate::config::Value;
use crate::engine::Depth;
use crate::store::journal::RunKind;

/// Whom to push.
#[derive(Debug, Args)]
pub struct PushArguments {
    /// Sign-in names, e-mails, Entra object ids, ServiceNow user_names or sys_ids.
    #[arg(value_name = "PERSON", required = true)]
    people: Vec<String>,
    /// Also put in order what lies behind a picture that is right already: a missing live_profile, another picture at
    /// the second record, a shared attachment, a stale thumbnail.
    #[arg(long)]
    repair: bool,
    #[command(flatten)]
    write: WriteArguments,
}

/// Brings these people's photos into ServiceNow.
pub async fn run(
    output: &Output,
    global: &GlobalArguments,
    arguments: &PushArguments,
) -> Result<u8, Failure> {
    let mut flags = writing::flags(&arguments.write);
    if arguments.repair {
        flags.push(("policy.repair", "--repair", Value::Flag(true)));
    }
    let configuration = connect::configuration(global, flags)?;
    let session = Session::open(&configuration, writing::access(global, &arguments.write)?)?;
    session.recover(output, arguments.write.json).await?;
    let mut scan = session.scan_people(&arguments.people, Depth::Settled).await?;
    if session.engine.settings().policy.repair {
        session.engine.find_stale_thumbnails(&mut scan).await;
    }
    let plan = session.engine.plan(&scan).await;
    writing::carry_out(output, &session, plan, RunKind::Push, &arguments.write).await
}
