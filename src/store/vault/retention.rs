//! What is old leaves (`reliability.md` 8.10): pictures, the rows that say whose they were, names in the journal, copies
//! of it that were put aside, and a scan that nobody has repeated.
//!
//! The audit trail stays: who did what when, with ids and hashes. That a picture has left stays too, so that an undo can
//! say so instead of taking the rest back.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime};

use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, TransactionBehavior, params};

use super::shelves::Shelved;
use super::{TENDING, Vault};
use crate::domain::photo::Sha256;
use crate::store::{StoreError, StorePaths, database, files};

/// Journal: which pictures have left the vault, by the step that had kept them.
pub(in crate::store) const MIGRATION: &str = "
    CREATE TABLE released (
        run TEXT NOT NULL, source TEXT NOT NULL, target TEXT NOT NULL, pictures INTEGER NOT NULL,
        why TEXT NOT NULL, at TEXT NOT NULL,
        PRIMARY KEY (run, source)) STRICT, WITHOUT ROWID;
    CREATE INDEX kept_by_picture ON kept (sha256);
    CREATE INDEX kept_by_age ON kept (at);
    -- Runs whose steps have lost their names.
    CREATE TABLE thinned (run TEXT PRIMARY KEY, at TEXT NOT NULL) STRICT, WITHOUT ROWID;
";

/// What stands where a name was.
pub(in crate::store) const NO_NAME: &str = "(name not kept)";

/// The most rows of one opening.
const ROWS: usize = 2_000;

/// How long personal data is kept on this machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    /// Days; 0 for ever.
    pub days: u32,
}

impl Retention {
    fn cutoff(self, now: Timestamp) -> Option<Timestamp> {
        let age = SignedDuration::from_hours(24 * i64::from(self.days));
        (self.days > 0).then(|| now.checked_sub(age).ok()).flatten()
    }
}

impl Vault {
    /// Lets go what is old and seals what is plain, for a moment at most: the next writer goes on. The journal has been
    /// opened by this process and nobody else can write.
    pub(in crate::store) fn tend(&self, paths: &StorePaths, retention: Retention) -> Result<(), StoreError> {
        let until = Instant::now() + TENDING;
        if let Some(cutoff) = retention.cutoff(Timestamp::now()) {
            let mut journal = database::open_again(&paths.journal())?;
            self.release(&mut journal, cutoff, until)?;
            self.sweep(&journal, cutoff, until)?;
            thin(&mut journal, cutoff, until).map_err(StoreError::database("thin the journal"))?;
            let old = SystemTime::from(cutoff);
            for (folder, begins) in [
                (paths.state(), "journal."),
                (paths.state(), "standing."),
                (paths.cache(), "memory."),
            ] {
                remove_copies(&folder, begins, Some(old))?;
            }
            remove_if_old(&paths.snapshot(), old)?;
            remove_if_old(&paths.stopped_plan(), old)?;
        }
        self.seal_some(until)
    }

    /// Rows first: a file without a row is found by [`Vault::sweep`], a row without a file would promise a picture.
    fn release(&self, journal: &mut Connection, cutoff: Timestamp, until: Instant) -> Result<(), StoreError> {
        while Instant::now() < until {
            let gone = release_rows(journal, cutoff).map_err(StoreError::database("let go old pictures"))?;
            for sha256 in &gone {
                if !is_named(journal, sha256).map_err(StoreError::database("read the journal"))? {
                    self.remove_now(sha256)?;
                }
            }
            if gone.is_empty() {
                break;
            }
        }
        Ok(())
    }

    /// Files that are old and that no row names: kept ahead of a push that never came, thumbnails, remains. Answers how
    /// many have gone.
    fn sweep(&self, journal: &Connection, cutoff: Timestamp, until: Instant) -> Result<u64, StoreError> {
        let old = SystemTime::from(cutoff);
        let mut candidates = Vec::new();
        self.shelves.find(|path, shelved| {
            let kept = path.metadata().and_then(|metadata| metadata.modified());
            if kept.map_err(StoreError::files("read", path))? < old {
                candidates.push((path.to_owned(), shelved));
            }
            Ok((candidates.len() >= ROWS || Instant::now() >= until).then_some(()))
        })?;
        self.remove_unnamed(journal, candidates)
    }

    /// Every file that no row names, however young; for whoever knows that no run is under way.
    pub(in crate::store) fn sweep_all(&self, journal: &Connection) -> Result<u64, StoreError> {
        let mut all = Vec::new();
        self.shelves.find(|path, shelved| {
            all.push((path.to_owned(), shelved));
            Ok(None::<()>)
        })?;
        self.remove_unnamed(journal, all)
    }

    fn remove_unnamed(
        &self,
        journal: &Connection,
        candidates: Vec<(PathBuf, Shelved)>,
    ) -> Result<u64, StoreError> {
        if candidates.is_empty() {
            return Ok(0);
        }
        let named = all_named(journal).map_err(StoreError::database("read the journal"))?;
        // Without the key nobody can tell which sealed file a row means: then all of them stay.
        let sealed: Option<HashSet<Sha256>> = match self.key() {
            Ok(Some(key)) => Some(named.iter().map(|sha256| key.name_of(sha256)).collect()),
            Ok(None) | Err(StoreError::Key(_)) => None,
            Err(error) => return Err(error),
        };
        let mut removed = 0;
        for (path, shelved) in candidates {
            let is_named = match shelved {
                Shelved::Plain(sha256) => named.contains(&sha256),
                Shelved::Sealed(name) => sealed.as_ref().is_none_or(|sealed| sealed.contains(&name)),
                Shelved::Remains => false,
            };
            if !is_named {
                files::remove(&path)?;
                removed += 1;
            }
        }
        Ok(removed)
    }
}

/// Removes rows that are old and that no unfinished step needs; answers the pictures that they named.
fn release_rows(journal: &mut Connection, cutoff: Timestamp) -> rusqlite::Result<Vec<Sha256>> {
    let transaction = journal.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let rows: Vec<(String, String, String, String, String)> = transaction
        .prepare_cached(
            "SELECT run, source, target, picture, sha256 FROM kept
             WHERE at < ?1 AND (run, source) NOT IN (SELECT run, source FROM under_way) ORDER BY at LIMIT ?2",
        )?
        .query_map(params![cutoff.to_string(), ROWS as i64], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?))
        })?
        .collect::<rusqlite::Result<_>>()?;
    let mut gone = HashSet::new();
    for (run, source, target, picture, sha256) in rows {
        transaction
            .prepare_cached("DELETE FROM kept WHERE run = ?1 AND source = ?2 AND picture = ?3")?
            .execute([&run, &source, &picture])?;
        record(&transaction, [&run, &source, &target], 1, Why::Age)?;
        gone.extend(Sha256::from_hex(&sha256));
    }
    transaction.commit()?;
    Ok(gone.into_iter().collect())
}

/// Why a picture has left the vault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// It was older than the retention allows.
    Age,
    /// Its person was forgotten.
    Forgotten,
}

impl Why {
    /// The stable code in the journal.
    pub fn code(self) -> &'static str {
        match self {
            Self::Age => "age",
            Self::Forgotten => "forgotten",
        }
    }

    pub(in crate::store) fn from_code(code: &str) -> Option<Self> {
        [Self::Age, Self::Forgotten]
            .into_iter()
            .find(|why| why.code() == code)
    }
}

/// Notes that pictures of a step (run, source, target) have left.
pub(in crate::store) fn record(
    journal: &Connection,
    [run, source, target]: [&str; 3],
    pictures: u64,
    why: Why,
) -> rusqlite::Result<()> {
    journal
        .prepare_cached(
            "INSERT INTO released (run, source, target, pictures, why, at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT (run, source) DO UPDATE SET
                pictures = pictures + excluded.pictures, why = excluded.why, at = excluded.at",
        )?
        .execute(params![
            run,
            source,
            target,
            pictures as i64,
            why.code(),
            Timestamp::now().to_string()
        ])
        .map(drop)
}

/// True if a row says whose picture this is.
pub(in crate::store) fn is_named(journal: &Connection, sha256: &Sha256) -> rusqlite::Result<bool> {
    journal
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM kept WHERE sha256 = ?1)")?
        .query_row([sha256.to_string()], |row| row.get(0))
}

fn all_named(journal: &Connection) -> rusqlite::Result<HashSet<Sha256>> {
    let mut statement = journal.prepare("SELECT DISTINCT sha256 FROM kept")?;
    let names = statement.query_map([], |row| row.get::<_, String>(0))?;
    names
        .filter_map(|name| name.map(|name| Sha256::from_hex(&name)).transpose())
        .collect()
}

/// Takes the names out of the steps and plans of old runs, one run at a time.
fn thin(journal: &mut Connection, cutoff: Timestamp, until: Instant) -> rusqlite::Result<()> {
    while Instant::now() < until {
        let transaction = journal.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let run: Option<String> = transaction
            .prepare_cached(
                "SELECT id FROM runs WHERE started < ?1 AND id NOT IN (SELECT run FROM thinned)
                 AND id NOT IN (SELECT run FROM under_way) ORDER BY started LIMIT 1",
            )?
            .query_map([cutoff.to_string()], |row| row.get(0))?
            .next()
            .transpose()?;
        let Some(run) = run else { return Ok(()) };
        transaction.execute(&format!("{NAMELESS} WHERE run = ?1"), [&run])?;
        // Nobody goes on with a run of so long ago.
        transaction.execute("DELETE FROM planned WHERE run = ?1", [&run])?;
        transaction.execute(
            "INSERT INTO thinned (run, at) VALUES (?1, ?2)",
            [&run, &Timestamp::now().to_string()],
        )?;
        transaction.commit()?;
    }
    Ok(())
}

/// Leaves of a step what the audit trail needs: ids, what was done, how it ended.
pub(in crate::store) const NAMELESS: &str =
    "UPDATE steps SET detail = '', hint = NULL, person = json_set(person,
    '$.name', '(name not kept)', '$.upn', '(name not kept)', '$.mail', NULL, '$.user_name', NULL)";

/// Removes copies of a database that were put aside, with the date of a change of format or of damage in their names:
/// those that are older than this, or all.
pub(in crate::store) fn remove_copies(
    folder: &Path,
    begins: &str,
    older_than: Option<SystemTime>,
) -> Result<u64, StoreError> {
    let mut removed = 0;
    for path in files::list(folder)? {
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let is_copy = name
            .strip_prefix(begins)
            .is_some_and(|rest| rest.starts_with("format-") || rest.starts_with("damaged-"));
        if is_copy {
            removed += u64::from(match older_than {
                Some(old) => remove_if_old(&path, old)?,
                None => files::remove(&path)?,
            });
        }
    }
    Ok(removed)
}

fn remove_if_old(path: &Path, old: SystemTime) -> Result<bool, StoreError> {
    let is_old = match path.metadata().and_then(|metadata| metadata.modified()) {
        Ok(written) => written < old,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => false,
        Err(error) => return Err(StoreError::files("read", path)(error)),
    };
    if is_old {
        files::remove(path)?;
    }
    Ok(is_old)
}

#[cfg(test)]
mod tests;
