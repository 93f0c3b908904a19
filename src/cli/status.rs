//! `avatar-sync status`.

use clap::Args;

use super::connect::{self, Session};
use super::failure::Failure;
use super::output::Output;
use super::{GlobalArguments, brakes, exit};
use crate::domain::filter::Filter;
use crate::engine::Depth;
use crate::report::status::{self, Listing, Selection};
use crate::store::Access;

/// What to print.
#[derive(Debug, Args)]
pub struct StatusArguments {
    /// Words that must occur; status:missing, dept:sales, name:, upn:, mail:; ! negates.
    #[arg(value_name = "FILTER")]
    filter: Vec<String>,
    /// Download whatever is needed to settle what stamps and hashes leave undecided.
    #[arg(long)]
    deep: bool,
    /// One JSON object on standard output.
    #[arg(long)]
    json: bool,
    /// List everybody, not only those who need a look.
    #[arg(long)]
    all: bool,
    /// End with code 3 if anything differs.
    #[arg(long)]
    exit_code: bool,
}

/// Scans and prints.
pub async fn run(
    output: &Output,
    global: &GlobalArguments,
    arguments: &StatusArguments,
) -> Result<u8, Failure> {
    let filter = Filter::parse(&arguments.filter.join(" "))?;
    let configuration = connect::configuration(global, Vec::new())?;
    let session = Session::open(&configuration, Access::Read)?;
    let depth = if arguments.deep {
        Depth::Deep
    } else {
        Depth::Stamps
    };
    let listing = if arguments.json || arguments.all || !filter.is_empty() {
        Listing::Everybody
    } else {
        Listing::NeedsALook
    };
    let selection = Selection::new(filter, listing);
    let (scanned, selection) = session.scan_into(output, depth, selection).await?;
    let status = selection.finish(scanned);

    output.data(|out| {
        if arguments.json {
            return status::write_json(out, &configuration.profile, &status);
        }
        status::write_human(out, output.look, &session.headline(output.look), &status)
    })?;
    brakes::talk(output, &session).await;
    Ok(if arguments.exit_code && status.has_differences() {
        exit::DIFFERENCES
    } else {
        exit::OK
    })
}
