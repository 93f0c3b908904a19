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
use crate::report::status::whole_seconds;
use crate::report::text::{moment, number, size};
use crate::store::vault::{Protection, VaultSize};
use crate::store::{Access, Retention, StoreError, StoreOptions, StorePaths, Vault};

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
    vault_pictures: u64,
    vault_sealed: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    vault_oldest: Option<String>,
    vault_encryption: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    vault_key: Option<String>,
    vault_protection: String,
    vault_retention_days: u32,
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
    let options = connect::store_options(&configuration);
    let kept = Kept::of(&store, &options).map_err(connect::store_failure)?;
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
        vault_pictures: kept.size.pictures,
        vault_sealed: kept.size.sealed,
        vault_oldest: kept.oldest().map(whole_seconds),
        vault_encryption: kept.encryption(),
        vault_key: kept.key(),
        vault_protection: kept.sentence(),
        vault_retention_days: options.retention.days,
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
        writeln!(out, "    pictures   {}", kept.pictures())?;
        writeln!(out, "    encryption {}", info.vault_protection)?;
        writeln!(out, "    retention  {}", retention(options.retention))?;
        writeln!(out, "cache          {}  {}", info.cache, size(info.cache_bytes))?;
        writeln!(
            out,
            "The state folder holds the journal and replaced pictures; the cache can be deleted. `avatar-sync forget` removes people."
        )?;
        info.brakes
            .iter()
            .try_for_each(|line| writeln!(out, "{}", clean(line)))
    })?;
    Ok(exit::OK)
}

/// What is in the vault, and how it is kept.
struct Kept {
    size: VaultSize,
    protection: Protection,
}

impl Kept {
    fn of(paths: &StorePaths, options: &StoreOptions) -> Result<Self, StoreError> {
        let vault = Vault::look(paths, options);
        Ok(Self {
            size: vault.size_now()?,
            protection: vault.protection_now()?,
        })
    }

    fn oldest(&self) -> Option<Timestamp> {
        self.size.oldest.and_then(|oldest| oldest.try_into().ok())
    }

    fn pictures(&self) -> String {
        let VaultSize { pictures, sealed, .. } = self.size;
        match self.oldest() {
            None => "none".into(),
            Some(oldest) => format!(
                "{}, {} of them sealed; the oldest of {}",
                number(pictures),
                number(sealed),
                moment(oldest)
            ),
        }
    }

    fn encryption(&self) -> &'static str {
        match self.protection {
            Protection::Off => "off",
            Protection::NotBegun { .. } => "not_begun",
            Protection::Sealed { .. } => "sealed",
        }
    }

    fn key(&self) -> Option<String> {
        match &self.protection {
            Protection::Sealed { key, .. } => Some(key.to_string()),
            _ => None,
        }
    }

    fn sentence(&self) -> String {
        if let Some((concern, hint)) = self.protection.concern() {
            return format!("{}; {hint}", clean(&concern));
        }
        match &self.protection {
            Protection::Sealed {
                key,
                place: Ok(place),
            } => {
                format!("sealed with key {key}, which is in {}", clean(&place.to_string()))
            }
            Protection::NotBegun { place: Ok(place), .. } => format!(
                "nothing is sealed yet; from the next run on, with a key in {}",
                clean(&place.to_string())
            ),
            _ => "off: replaced pictures are kept as they are".into(),
        }
    }
}

fn retention(retention: Retention) -> String {
    match retention.days {
        0 => "for ever".into(),
        1 => "1 day".into(),
        days => format!("{days} days"),
    }
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
