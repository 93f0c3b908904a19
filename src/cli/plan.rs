//! `avatar-sync plan`.

use std::path::PathBuf;

use clap::Args;

use super::connect::{self, Session};
use super::failure::Failure;
use super::output::Output;
use super::{GlobalArguments, brakes, exit, writing};
use crate::engine::Depth;
use crate::report;
use crate::store::Access;

/// What to plan, and where to.
#[derive(Debug, Args)]
pub struct PlanArguments {
    /// Only these people; everybody if none is named.
    #[arg(value_name = "PERSON")]
    people: Vec<String>,
    /// Write the plan to a file for `apply`; - is standard output.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// The plan as JSON on standard output.
    #[arg(long)]
    json: bool,
    /// Name everybody, not only the first.
    #[arg(long)]
    all: bool,
    /// End with code 3 if the plan changes anything.
    #[arg(long)]
    exit_code: bool,
}

/// Scans, plans and prints; nothing is written to ServiceNow.
pub async fn run(
    output: &Output,
    global: &GlobalArguments,
    arguments: &PlanArguments,
) -> Result<u8, Failure> {
    let configuration = connect::configuration(global, Vec::new())?;
    let session = Session::open(&configuration, Access::Read)?;
    let plan = if arguments.people.is_empty() {
        session.plan(output).await?.0
    } else {
        let scan = session.scan_people(&arguments.people, Depth::Settled).await?;
        session.engine.plan(&scan).await
    };
    let to_stdout = arguments.json
        || arguments
            .output
            .as_ref()
            .is_some_and(|path| path.as_os_str() == "-");
    if to_stdout {
        output.data(|out| report::json::line(out, &plan))?;
    } else {
        output.data(|out| report::plan::write_human(out, output.look, &plan, arguments.all))?;
        brakes::tell_of_removals(output, global, &session, &plan).await?;
        if let Some(path) = &arguments.output {
            writing::save_plan(path, &plan)?;
            output.talk(&format!(
                "Plan written to {}; `avatar-sync apply {}` does it.",
                path.display(),
                path.display()
            ));
        }
    }
    Ok(if arguments.exit_code && !plan.steps.is_empty() {
        exit::DIFFERENCES
    } else {
        exit::OK
    })
}
