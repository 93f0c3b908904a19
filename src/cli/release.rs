//! `avatar-sync release PERSON…|--all|quarantine`.

use clap::Args;
use jiff::Timestamp;

use super::connect::store_failure;
use super::failure::Failure;
use super::output::Output;
use super::{GlobalArguments, brakes, connect, exit};
use crate::domain::ids::SourceId;
use crate::report::text::people;
use crate::store::{Access, Standing};

/// The word that means the profile's quarantine, where a person could stand.
const QUARANTINE: &str = "quarantine";

/// What to release.
#[derive(Debug, Args)]
#[command(arg_required_else_help = true)]
pub struct ReleaseArguments {
    /// Sign-in names, e-mails or ids of people who are parked; the word "quarantine" means the profile.
    #[arg(value_name = "PERSON|quarantine", conflicts_with = "all")]
    what: Vec<String>,
    /// Everybody who is parked, and the profile's quarantine.
    #[arg(long)]
    all: bool,
}

/// Releases; needs no lock, so it works beside a run.
pub async fn run(
    output: &Output,
    global: &GlobalArguments,
    arguments: &ReleaseArguments,
) -> Result<u8, Failure> {
    let configuration = connect::configuration(global, Vec::new())?;
    let store = connect::open_store(&configuration, Access::Read)?;
    let standing = store.standing();
    let parked = standing.parked(Timestamp::now()).await.map_err(store_failure)?;
    let mut chosen: Vec<SourceId> = Vec::new();
    for wanted in arguments.what.iter().filter(|wanted| *wanted != QUARANTINE) {
        let parked = brakes::named(&parked, |parked| &parked.person, wanted, "parked")
            .map_err(|failure| failure.with_hint("`avatar-sync parked` lists them"))?;
        chosen.push(parked.person.source.clone());
    }
    if arguments.all {
        chosen = parked.iter().map(|parked| parked.person.source.clone()).collect();
    }
    if arguments.all || arguments.what.iter().any(|wanted| wanted == QUARANTINE) {
        release_profile(output, standing).await?;
    }
    if !chosen.is_empty() {
        let count = standing.release(chosen).await.map_err(store_failure)? as u64;
        output.talk(&format!("{} will be tried by the next run.", people(count)));
    } else if arguments.all {
        output.talk("Nobody is parked.");
    }
    Ok(exit::OK)
}

async fn release_profile(output: &Output, standing: &Standing) -> Result<(), Failure> {
    let conduct = standing.conduct().await.map_err(store_failure)?;
    if conduct.quarantine().is_none() {
        output.talk("The profile is in no quarantine.");
        return Ok(());
    }
    standing.release_quarantine().await.map_err(store_failure)?;
    output.talk("The quarantine is over; the next scheduled run tries.");
    Ok(())
}
