//! Forgetting somebody, or everything, because they ask (`reliability.md` 8.10).
//!
//! Works from what is on this machine alone. The audit trail keeps ids, hashes and what was done; names, addresses and
//! pictures go, and both databases are rewritten, so that nothing stands in their free pages either.

mod memory;
mod person;

use std::collections::BTreeSet;
use std::path::Path;

use rusqlite::{Connection, params_from_iter};

pub use person::{Known, Sought};

use super::database;
use super::keys::{KeyId, Keys, SecretStoreError};
use super::lock::Lock;
use super::vault::{self, Vault};
use super::{StoreError, StoreOptions, StorePaths, files, journal, place, snapshot, standing};
use crate::domain::ids::SourceId;
use crate::domain::run::PersonRef;

/// The right to forget: nobody else writes while it lives.
pub struct Forgetting {
    paths: StorePaths,
    vault: Vault,
    journal: Connection,
    /// Held until everything is done.
    _lock: Lock,
}

/// What has gone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gone {
    /// Pictures out of the vault.
    pub pictures: u64,
    /// Steps of the history that have lost their names.
    pub steps: u64,
    /// True if the last scan was dropped; the next one writes a new one.
    pub scan: bool,
    /// Rows of the cache.
    pub remembered: u64,
    /// Copies of the databases that were put aside, removed as a whole.
    pub copies: u64,
}

/// Who is known here under this name, without changing anything.
///
/// # Errors
///
/// If the journal cannot be read.
pub fn look(paths: &StorePaths, wanted: &str) -> Result<Sought, StoreError> {
    let journal = database::open_read_only(&paths.journal(), &journal::SCHEMA)?;
    person::seek(journal.as_ref(), paths, wanted)
}

impl Forgetting {
    /// Takes the profile's lock.
    ///
    /// # Errors
    ///
    /// [`StoreError::Locked`] while a run is under way; others if the local data cannot be used.
    pub fn begin(paths: &StorePaths, options: &StoreOptions) -> Result<Self, StoreError> {
        files::create_folder(&paths.state())?;
        let lock = Lock::take(&paths.state(), place::of(&paths.state()).is_some())?.0;
        let journal = database::open(&paths.journal(), &journal::SCHEMA, &mut Vec::new())?;
        let vault = Vault::open_for_reading(paths.vault(), options.keys());
        Ok(Self {
            paths: paths.clone(),
            vault,
            journal,
            _lock: lock,
        })
    }

    /// Who is known here under this name.
    pub fn look(&self, wanted: &str) -> Result<Sought, StoreError> {
        person::seek(Some(&self.journal), &self.paths, wanted)
    }

    /// Forgets somebody.
    ///
    /// # Errors
    ///
    /// [`StoreError::Key`] if their pictures are sealed and the key is not at hand: then nothing has changed. Whatever
    /// else is in the way, asking once more does the rest.
    pub fn forget(&mut self, known: &Known) -> Result<Gone, StoreError> {
        let mut gone = Gone::default();
        // Files first: whoever is interrupted here finds the rows again.
        for sha256 in &known.pictures {
            self.vault.remove_now(sha256)?;
            gone.pictures += 1;
        }
        gone.steps = self
            .scrub(known)
            .map_err(StoreError::database("take names out of the journal"))?;
        // Copies that no row names may be anybody's; none of them is needed.
        gone.pictures += self.vault.sweep_all(&self.journal)?;
        rewrite(&self.journal).map_err(StoreError::database("rewrite the journal"))?;
        gone.remembered = memory::forget(&self.paths, known)?;
        gone.remembered += standing::forget(&self.paths, &known.sources)?;
        // A plan names everybody.
        files::remove(&self.paths.stopped_plan())?;
        let (state, cache) = (self.paths.state(), self.paths.cache());
        gone.copies = vault::remove_copies(&state, "journal.", None)?
            + vault::remove_copies(&state, "standing.", None)?
            + vault::remove_copies(&cache, "memory.", None)?;
        // Not only their own line: reasons of others name them.
        gone.scan = files::remove(&self.paths.snapshot())?;
        Ok(gone)
    }

    /// What the trail keeps of a person's steps: ids, hashes and what was done.
    fn scrub(&mut self, known: &Known) -> rusqlite::Result<u64> {
        let transaction = self.journal.transaction()?;
        let of_them = format!("source IN ({})", places(known.sources.len()));
        let sources = || params_from_iter(known.sources.iter().map(SourceId::as_str));
        let rows: Vec<[String; 3]> = transaction
            .prepare(&format!("SELECT run, source, target FROM kept WHERE {of_them}"))?
            .query_map(sources(), |row| Ok([row.get(0)?, row.get(1)?, row.get(2)?]))?
            .collect::<rusqlite::Result<_>>()?;
        for [run, source, target] in &rows {
            vault::record(&transaction, [run, source, target], 1, vault::Why::Forgotten)?;
        }
        transaction.execute(&format!("DELETE FROM kept WHERE {of_them}"), sources())?;
        let steps = transaction.execute(&format!("{} WHERE {of_them}", vault::NAMELESS), sources())?;
        journal::planned::forget_people(&transaction, &known.sources)?;
        other_tables(&transaction, &known.sources)?;
        for column in ["detail", "hint"] {
            blank_names(&transaction, column, &known.names)?;
        }
        transaction.commit()?;
        Ok(steps as u64)
    }
}

/// Tables that are handled by name: what they keep is the audit trail, or is removed above.
const TRAIL: [&str; 5] = ["steps", "writes", "under_way", "kept", "released"];

/// What is neither is about how things stand with somebody, and goes.
fn other_tables(journal: &Connection, sources: &[SourceId]) -> rusqlite::Result<()> {
    let tables: Vec<String> = journal
        .prepare(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'
             AND EXISTS (SELECT 1 FROM pragma_table_info(sqlite_schema.name) WHERE name = 'source')",
        )?
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    for table in tables.iter().filter(|table| !TRAIL.contains(&table.as_str())) {
        let rows = format!(
            "DELETE FROM \"{table}\" WHERE source IN ({})",
            places(sources.len())
        );
        journal.execute(&rows, params_from_iter(sources.iter().map(SourceId::as_str)))?;
    }
    Ok(())
}

/// One person's step may name another: "the same picture as …". The audit trail beside it names nobody.
fn blank_names(journal: &Connection, column: &str, names: &BTreeSet<String>) -> rusqlite::Result<()> {
    let mut naming = journal.prepare(&format!(
        "SELECT run, source, {column} FROM steps WHERE instr({column}, ?1) > 0"
    ))?;
    let mut blank = journal.prepare(&format!(
        "UPDATE steps SET {column} = ?3 WHERE run = ?1 AND source = ?2"
    ))?;
    for name in names {
        let rows: Vec<[String; 3]> = naming
            .query_map([name], |row| Ok([row.get(0)?, row.get(1)?, row.get(2)?]))?
            .collect::<rusqlite::Result<_>>()?;
        for [run, source, text] in rows {
            blank.execute([run, source, without(&text, name)])?;
        }
    }
    Ok(())
}

/// The text without this name. Part of a longer word is no name.
fn without(text: &str, name: &str) -> String {
    let is_part = |neighbour: Option<char>| neighbour.is_some_and(char::is_alphanumeric);
    let mut blanked = String::with_capacity(text.len());
    let mut done = 0;
    for (start, _) in text.match_indices(name) {
        let end = start + name.len();
        if start < done || is_part(text[..start].chars().next_back()) || is_part(text[end..].chars().next()) {
            continue;
        }
        blanked.push_str(&text[done..start]);
        blanked.push_str("(forgotten)");
        done = end;
    }
    blanked.push_str(&text[done..]);
    blanked
}

/// `?, ?, …`
fn places(count: usize) -> String {
    vec!["?"; count].join(", ")
}

/// Writes a database anew, so that nothing that was removed is left in free pages or in the log of changes.
fn rewrite(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch("VACUUM")?;
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
}

/// What a profile has on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Everything {
    /// Pictures in the vault.
    pub pictures: u64,
    /// Runs in the journal.
    pub runs: u64,
    /// People whose change was begun and is not finished.
    pub unfinished: u64,
    /// The key that the vault is sealed with.
    pub key: Option<KeyId>,
}

/// What happened to the key when everything was forgotten.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyGone {
    /// There was none in the secret store: pictures were plain, or the administrator keeps the key.
    NotKeptHere,
    /// It was taken out of the secret store.
    Removed,
    /// It is still there.
    Left(SecretStoreError),
}

/// What there is to forget.
///
/// # Errors
///
/// If the journal or the vault cannot be read.
pub fn survey(paths: &StorePaths, options: &StoreOptions) -> Result<Everything, StoreError> {
    let journal = database::open_read_only(&paths.journal(), &journal::SCHEMA)?;
    let count = |table: &str| -> Result<u64, StoreError> {
        let Some(journal) = &journal else { return Ok(0) };
        journal
            .query_row(&format!("SELECT count(*) FROM {table}"), [], |row| {
                row.get::<_, i64>(0)
            })
            .map(|count| count as u64)
            .map_err(StoreError::database("read the journal"))
    };
    let vault = Vault::open_for_reading(paths.vault(), options.keys());
    Ok(Everything {
        pictures: vault.size_now()?.pictures,
        runs: count("runs")?,
        unfinished: count("under_way")?,
        key: vault.sealed_with()?,
    })
}

/// Removes everything of a profile: journal, vault, memory, last scan, and the key that this program has made. The
/// configuration stays.
///
/// # Errors
///
/// [`StoreError::Locked`] while a run is under way; [`StoreError::Files`] if something cannot be removed: asking once
/// more does the rest.
pub fn everything(paths: &StorePaths, options: &StoreOptions) -> Result<KeyGone, StoreError> {
    let (state, cache) = (paths.state(), paths.cache());
    if !state.exists() {
        remove_folder(&cache)?;
        return Ok(KeyGone::NotKeptHere);
    }
    let lock = Lock::take(&state, place::of(&state).is_some())?.0;
    let vault = Vault::open_for_reading(paths.vault(), options.keys());
    // The key goes first: without it what is left of sealed pictures is noise.
    let key = match vault.sealed_with()? {
        Some(id) => forget_key(&options.keys(), id),
        None => KeyGone::NotKeptHere,
    };
    for path in files::list(&state)? {
        let is_lock = path.file_name().is_some_and(|name| {
            let name = name.to_string_lossy();
            name == "lock" || name == "lock.json"
        });
        if path.is_dir() {
            remove_folder(&path)?;
        } else if !is_lock {
            files::remove(&path)?;
        }
    }
    remove_folder(&cache)?;
    drop(lock);
    remove_folder(&state)?;
    Ok(key)
}

fn forget_key(keys: &Keys, id: KeyId) -> KeyGone {
    match keys.forget(id) {
        Ok(true) => KeyGone::Removed,
        Ok(false) => KeyGone::NotKeptHere,
        Err(why) => KeyGone::Left(why),
    }
}

fn remove_folder(folder: &Path) -> Result<(), StoreError> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(StoreError::files("remove", folder)(error))
        }
        _ => Ok(()),
    }
}

/// Everybody of the last scan; nobody if there is none that can be read.
fn last_scan(paths: &StorePaths) -> Result<Vec<PersonRef>, StoreError> {
    let Some(listed) = snapshot::load(paths)? else {
        return Ok(Vec::new());
    };
    let listing = &listed.listing;
    Ok(listing.rows().map(|row| listing.entry(row).reference()).collect())
}

#[cfg(test)]
mod tests;
