//! `avatar-sync parked`.

use clap::Args;
use jiff::Timestamp;
use serde::Serialize;

use super::connect::store_failure;
use super::failure::Failure;
use super::output::Output;
use super::{GlobalArguments, connect, exit};
use crate::domain::brake::parking::Parked;
use crate::domain::run::PersonRef;
use crate::domain::text::clean;
use crate::report::json;
use crate::report::status::whole_seconds;
use crate::store::Access;

/// How to print.
#[derive(Debug, Args)]
pub struct ParkedArguments {
    /// One JSON object a line.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct JsonParked<'a> {
    person: &'a PersonRef,
    failures: u32,
    since: String,
    last: String,
    until: String,
    why: &'a str,
}

/// Lists people whom runs pass over; asks no service.
pub async fn run(
    output: &Output,
    global: &GlobalArguments,
    arguments: &ParkedArguments,
) -> Result<u8, Failure> {
    let configuration = connect::configuration(global, Vec::new())?;
    let store = connect::open_store(&configuration, Access::Read)?;
    let parked = store
        .standing()
        .parked(Timestamp::now())
        .await
        .map_err(store_failure)?;
    output.data(|out| {
        parked
            .iter()
            .try_for_each(|parked| write(out, parked, arguments.json))
    })?;
    if parked.is_empty() {
        output.talk("Nobody is parked.");
    } else if !arguments.json {
        output.talk("`avatar-sync push PERSON` tries one of them now; `avatar-sync release` forgets that they failed.");
    }
    Ok(exit::OK)
}

fn write(out: &mut dyn std::io::Write, parked: &Parked, is_json: bool) -> std::io::Result<()> {
    if is_json {
        return json::line(
            out,
            &JsonParked {
                person: &parked.person,
                failures: parked.failures,
                since: whole_seconds(parked.since),
                last: whole_seconds(parked.last),
                until: whole_seconds(parked.until),
                why: &parked.why,
            },
        );
    }
    let person = &parked.person;
    writeln!(out, "{}  {}", person.name.shown(), person.upn.shown())?;
    writeln!(out, "    {}", clean(&parked.sentence()))
}
