//! `avatar-sync info`.

use std::path::Path;

use clap::Args;
use jiff::Timestamp;
use serde::Serialize;

use super::failure::Failure;
use super::output::Output;
use super::{GlobalArguments, connect, exit};
use crate::domain::text::clean;
use crate::report::json;
use crate::report::text::size;
use crate::store::Access;

/// How to print.
#[derive(Debug, Args)]
pub struct InfoArguments {
    /// One JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Info {
    version: &'static str,
    profile: String,
    configured: bool,
    configuration_file: String,
    state: String,
    state_bytes: u64,
    vault: String,
    vault_bytes: u64,
    cache: String,
    cache_bytes: u64,
    /// What slows the profile down or waits for somebody, a sentence each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    brakes: Vec<String>,
}

/// Prints where everything is and how large it is.
pub fn run(output: &Output, global: &GlobalArguments, arguments: &InfoArguments) -> Result<u8, Failure> {
    let configuration = connect::configuration(global, Vec::new())?;
    let store = connect::store_paths(&configuration);
    let (state, cache, vault) = (store.state(), store.cache(), store.vault());
    // Where everything is stays known even where it cannot be opened.
    let brakes = connect::open_store(&configuration, Access::Read)
        .and_then(|store| {
            let brakes = store.standing().brakes_at_once(Timestamp::now());
            brakes.map_err(connect::store_failure)
        })
        .map_or_else(
            |failure| vec![format!("What brakes know cannot be read: {}.", failure.error)],
            |brakes| brakes.lines(),
        );
    let info = Info {
        version: env!("CARGO_PKG_VERSION"),
        profile: configuration.profile.clone(),
        configured: configuration.is_configured,
        configuration_file: configuration.paths.configuration_file().display().to_string(),
        state_bytes: folder_size(&state),
        state: state.display().to_string(),
        vault_bytes: folder_size(&vault),
        vault: vault.display().to_string(),
        cache_bytes: folder_size(&cache),
        cache: cache.display().to_string(),
        brakes,
    };
    output.data(|out| {
        if arguments.json {
            return json::line(out, &info);
        }
        writeln!(out, "avatar-sync    {}", info.version)?;
        let configured = if info.configured { "" } else { " (not configured)" };
        writeln!(out, "profile        {}{configured}", info.profile)?;
        writeln!(out, "configuration  {}", info.configuration_file)?;
        writeln!(out, "state          {}  {}", info.state, size(info.state_bytes))?;
        writeln!(out, "  of it vault  {}  {}", info.vault, size(info.vault_bytes))?;
        writeln!(out, "cache          {}  {}", info.cache, size(info.cache_bytes))?;
        writeln!(
            out,
            "The state folder holds the journal and replaced pictures; the cache can be deleted."
        )?;
        info.brakes
            .iter()
            .try_for_each(|line| writeln!(out, "{}", clean(line)))
    })?;
    Ok(exit::OK)
}

/// Bytes of all files below a folder; links are not followed, what cannot be read counts nothing.
fn folder_size(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return 0;
    };
    entries
        .flatten()
        .map(|entry| match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => folder_size(&entry.path()),
            Ok(metadata) if metadata.is_file() => metadata.len(),
            _ => 0,
        })
        .sum()
}
