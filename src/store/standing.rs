//! How the profile and its people stand: runs that failed, people who keep failing, absences that were seen, removals
//! that wait for somebody's word. What brakes know, and what somebody has decided.
//!
//! It is a file of its own beside the journal because it is written without the profile's lock: whoever releases,
//! approves or rejects need not wait for a run to end. Every change is one transaction that is on the disk when it
//! returns. It is small: only people about whom there is something to say are in it.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, TransactionBehavior};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::database::{self, Schema};
use super::{Access, StoreError, StorePaths, in_background};
use crate::domain::brake::Brakes;
use crate::domain::brake::parking::{Failure, FailureSeries, Parked};
use crate::domain::brake::quarantine::{Conduct, RunEnd};
use crate::domain::brake::removal::{Decision, Sightings, StagedRemoval};
use crate::domain::ids::SourceId;
use crate::domain::run::PersonRef;

const SCHEMA: Schema = Schema {
    name: "the brakes' memory",
    migrations: &["
        -- How the profile's runs have ended lately: one row.
        CREATE TABLE conduct (id INTEGER PRIMARY KEY CHECK (id = 1), state TEXT NOT NULL) STRICT;
        -- People who have failed, each in the situation of their last failure; `last` in milliseconds.
        CREATE TABLE failing (source TEXT PRIMARY KEY, last INTEGER NOT NULL, series TEXT NOT NULL)
            STRICT, WITHOUT ROWID;
        -- Who has been seen without a photo in complete scans, and not with one since; times in milliseconds.
        CREATE TABLE absences (
            source TEXT PRIMARY KEY, first INTEGER NOT NULL, last INTEGER NOT NULL, scans INTEGER NOT NULL)
            STRICT, WITHOUT ROWID;
        -- Removals that wait for somebody's word, or have it.
        CREATE TABLE removals (source TEXT PRIMARY KEY, removal TEXT NOT NULL) STRICT, WITHOUT ROWID;
    "],
    is_durable: true,
    self_test: |connection| {
        conduct(connection)?;
        series(connection)?;
        removals(connection)?;
        sightings(connection).map(drop)
    },
};

/// What was seen or failed longer ago than this says nothing any more; it bounds the file.
const KEPT: SignedDuration = SignedDuration::from_hours(24 * 90);

/// A handle to the file; clones share one connection.
#[derive(Clone)]
pub struct Standing {
    /// `None` if nothing has been written yet and this process is not to begin it.
    connection: Option<Arc<Mutex<Connection>>>,
}

/// What is no longer a removal, to be cleared away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Overtaken {
    /// Everybody but these: after a plan of everybody.
    AllBut(HashSet<SourceId>),
    /// These: after a plan of a few.
    These(Vec<SourceId>),
}

impl Standing {
    /// A reader keeps what it sees, too, but does not begin the file; on a disk that cannot be written it does without.
    pub(super) fn open(path: &Path, access: Access, notes: &mut Vec<String>) -> Result<Self, StoreError> {
        let folder_is_there = path.parent().is_some_and(Path::is_dir);
        let connection = match access {
            Access::Write => Some(database::open(path, &SCHEMA, notes)?),
            Access::Read if !folder_is_there => None,
            Access::Read => match database::open(path, &SCHEMA, notes) {
                Ok(connection) => Some(connection),
                Err(_) => database::open_read_only(path, &SCHEMA)?,
            },
        };
        Ok(Self {
            connection: connection.map(|connection| Arc::new(Mutex::new(connection))),
        })
    }

    /// True if there is a file; what is not there has nothing to say, and a reader keeps nothing.
    pub fn is_begun(&self) -> bool {
        self.connection.is_some()
    }

    /// Everything that slows the profile down or waits for somebody at `now`, in figures.
    pub async fn brakes(&self, now: Timestamp) -> Result<Brakes, StoreError> {
        self.read(move |connection| brakes(connection, now)).await
    }

    /// The same for a caller outside the runtime. Blocks for milliseconds.
    pub fn brakes_at_once(&self, now: Timestamp) -> Result<Brakes, StoreError> {
        match &self.connection {
            Some(connection) => {
                brakes(&connection.lock(), now).map_err(StoreError::database("read what brakes know"))
            }
            None => Ok(Brakes::default()),
        }
    }

    /// How the profile's runs have ended lately.
    pub async fn conduct(&self) -> Result<Conduct, StoreError> {
        self.read(conduct).await
    }

    /// Notes how a full run has ended, and answers the state after it.
    pub async fn run_ended(&self, end: RunEnd, at: Timestamp) -> Result<Conduct, StoreError> {
        self.write(move |transaction| {
            let after = conduct(transaction)?.after(&end, at);
            transaction.execute(
                "INSERT INTO conduct (id, state) VALUES (1, ?1) ON CONFLICT (id) DO UPDATE SET state = excluded.state",
                [json(&after)],
            )?;
            Ok(after)
        })
        .await
    }

    /// Ends a quarantine.
    pub async fn release_quarantine(&self) -> Result<(), StoreError> {
        self.write(|transaction| transaction.execute("DELETE FROM conduct", []).map(drop))
            .await
    }

    /// Everybody who has failed lately and has not succeeded since; not all of them are parked.
    pub async fn failing(&self) -> Result<HashMap<SourceId, FailureSeries>, StoreError> {
        self.read(series).await
    }

    /// Whom runs pass over at `now`, the first one to be tried again first.
    pub async fn parked(&self, now: Timestamp) -> Result<Vec<Parked>, StoreError> {
        let failing = self.failing().await?;
        let mut parked: Vec<Parked> = failing
            .values()
            .filter_map(FailureSeries::parked)
            .filter(|parked| parked.is_in_force(now))
            .collect();
        parked.sort_by(|one, other| {
            let key = |parked: &Parked| (parked.until, parked.person.name.raw().to_owned());
            key(one).cmp(&key(other))
        });
        Ok(parked)
    }

    /// Notes who has failed in a run, forgets those who have not, and the staged removals of those who have lost their
    /// avatar.
    pub async fn people_ended(
        &self,
        failures: Vec<Failure>,
        fine: Vec<SourceId>,
        removed: Vec<SourceId>,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        self.write(move |transaction| {
            for person in fine.iter().chain(&removed) {
                transaction
                    .prepare_cached("DELETE FROM failing WHERE source = ?1")?
                    .execute([person.as_str()])?;
            }
            for person in &removed {
                transaction
                    .prepare_cached("DELETE FROM removals WHERE source = ?1")?
                    .execute([person.as_str()])?;
            }
            for failure in failures {
                let source = failure.person.source.clone();
                let before = transaction
                    .prepare_cached("SELECT series FROM failing WHERE source = ?1")?
                    .query_row([source.as_str()], |row| value(row, 0))
                    .optional()?;
                let after = FailureSeries::after(before, failure);
                transaction
                    .prepare_cached(
                        "INSERT OR REPLACE INTO failing (source, last, series) VALUES (?1, ?2, ?3)",
                    )?
                    .execute((source.as_str(), after.last().as_millisecond(), json(&after)))?;
            }
            forget_old(transaction, "failing", at)
        })
        .await
    }

    /// Forgets that these people have failed; answers how many were known.
    pub async fn release(&self, people: Vec<SourceId>) -> Result<usize, StoreError> {
        self.write(move |transaction| {
            let mut released = 0;
            for person in &people {
                released += transaction
                    .prepare_cached("DELETE FROM failing WHERE source = ?1")?
                    .execute([person.as_str()])?;
            }
            Ok(released)
        })
        .await
    }

    /// What has been seen of everybody without a photo.
    pub async fn absences(&self) -> Result<HashMap<SourceId, Sightings>, StoreError> {
        self.read(sightings).await
    }

    /// Who has been seen without a photo and not with one since.
    pub async fn absent(&self) -> Result<HashSet<SourceId>, StoreError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached("SELECT source FROM absences")?;
            let rows = statement.query_map([], |row| id(row, 0))?;
            rows.collect()
        })
        .await
    }

    /// Notes who was seen without a photo in a complete scan at `at`. Those who were seen with one are forgotten, and
    /// with the evidence any approval that rested on it.
    pub async fn see_absences(
        &self,
        at: Timestamp,
        without: Vec<SourceId>,
        with: Vec<SourceId>,
    ) -> Result<(), StoreError> {
        self.write(move |transaction| {
            for person in &with {
                for table in ["absences", "removals"] {
                    transaction
                        .prepare_cached(&format!("DELETE FROM {table} WHERE source = ?1"))?
                        .execute([person.as_str()])?;
                }
            }
            for person in &without {
                transaction
                    .prepare_cached(
                        "INSERT INTO absences (source, first, last, scans) VALUES (?1, ?2, ?2, 1)
                         ON CONFLICT (source) DO UPDATE SET
                             -- A first sighting in the future is of a clock that was put back since.
                             scans = CASE WHEN first > excluded.first THEN 1 ELSE scans + 1 END,
                             first = min(first, excluded.first), last = excluded.last",
                    )?
                    .execute((person.as_str(), at.as_millisecond()))?;
            }
            forget_old(transaction, "absences", at)
        })
        .await
    }

    /// Removals that wait for somebody's word, or have it.
    pub async fn staged_removals(&self) -> Result<HashMap<SourceId, StagedRemoval>, StoreError> {
        self.read(removals).await
    }

    /// Keeps removals that wait, and clears away those that were overtaken by events.
    pub async fn stage(&self, waiting: Vec<StagedRemoval>, overtaken: Overtaken) -> Result<(), StoreError> {
        self.write(move |transaction| {
            let gone: Vec<SourceId> = match overtaken {
                Overtaken::These(people) => people,
                Overtaken::AllBut(kept) => removals(transaction)?
                    .into_keys()
                    .filter(|person| !kept.contains(person))
                    .collect(),
            };
            for person in &gone {
                transaction
                    .prepare_cached("DELETE FROM removals WHERE source = ?1")?
                    .execute([person.as_str()])?;
            }
            for removal in &waiting {
                transaction
                    .prepare_cached("INSERT OR REPLACE INTO removals (source, removal) VALUES (?1, ?2)")?
                    .execute((removal.person.source.as_str(), json(removal)))?;
            }
            Ok(())
        })
        .await
    }

    /// Says something about staged removals as they were shown. One that has been staged anew for another state since
    /// is left as it is; answers about how many it was said.
    pub async fn decide(&self, shown: Vec<StagedRemoval>, decision: Decision) -> Result<usize, StoreError> {
        self.write(move |transaction| {
            let mut now = removals(transaction)?;
            let mut decided = 0;
            for shown in shown {
                if let Some(mut removal) = now.remove(&shown.person.source)
                    && removal.expected == shown.expected
                {
                    removal.decision = decision.clone();
                    decided += transaction
                        .prepare_cached("UPDATE removals SET removal = ?2 WHERE source = ?1")?
                        .execute((removal.person.source.as_str(), json(&removal)))?;
                }
            }
            Ok(decided)
        })
        .await
    }

    /// Deletes everything about a person, for a privacy request; answers whether there was anything.
    pub async fn remove(&self, person: &SourceId) -> Result<bool, StoreError> {
        if self.connection.is_none() {
            return Ok(false);
        }
        let person = person.clone();
        self.write(move |transaction| Ok(delete_person(transaction, &person)? > 0))
            .await
    }

    /// Deletes everything about everybody. How the profile's runs have ended stays: it names nobody.
    pub async fn clear(&self) -> Result<(), StoreError> {
        if self.connection.is_none() {
            return Ok(());
        }
        self.write(|transaction| {
            transaction.execute_batch("DELETE FROM failing; DELETE FROM absences; DELETE FROM removals;")
        })
        .await
    }

    async fn read<T: Default + Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let Some(connection) = self.connection.clone() else {
            return Ok(T::default());
        };
        in_background(move || {
            query(&connection.lock()).map_err(StoreError::database("read what brakes know"))
        })
        .await
    }

    async fn write<T: Send + 'static>(
        &self,
        change: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let connection = self.connection.clone().ok_or(StoreError::ReadOnly)?;
        in_background(move || {
            let mut connection = connection.lock();
            // Another process may be writing, too; whoever comes second waits before it reads.
            let changed = (|| {
                let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
                let changed = change(&transaction)?;
                transaction.commit()?;
                Ok(changed)
            })();
            changed.map_err(StoreError::database("write what brakes know"))
        })
        .await
    }
}

/// Everybody who is named here, for a privacy request.
pub(super) fn people(paths: &StorePaths) -> Result<Vec<PersonRef>, StoreError> {
    with_file(paths, |connection| {
        let failing = series(connection)?
            .into_values()
            .map(|series| series.person().clone());
        let removals = removals(connection)?.into_values().map(|removal| removal.person);
        Ok(failing.chain(removals).collect())
    })
}

/// Everybody of whom nothing but an absence is known here, and others.
pub(super) fn absent(paths: &StorePaths) -> Result<Vec<SourceId>, StoreError> {
    with_file(paths, |connection| {
        Ok(sightings(connection)?.into_keys().collect())
    })
}

/// Forgets people, in the free pages too; answers how many rows that were.
pub(super) fn forget(paths: &StorePaths, people: &[SourceId]) -> Result<u64, StoreError> {
    with_file(paths, |connection| {
        let transaction = connection.unchecked_transaction()?;
        let mut deleted = 0;
        for person in people {
            deleted += delete_person(&transaction, person)?;
        }
        transaction.commit()?;
        connection.execute_batch("VACUUM")?;
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        Ok(deleted as u64)
    })
}

fn with_file<T: Default>(
    paths: &StorePaths,
    work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
) -> Result<T, StoreError> {
    if !paths.standing().exists() {
        return Ok(T::default());
    }
    let connection = database::open(&paths.standing(), &SCHEMA, &mut Vec::new())?;
    work(&connection).map_err(StoreError::database("forget what brakes know"))
}

/// Answers how many rows there were.
fn delete_person(connection: &Connection, person: &SourceId) -> rusqlite::Result<usize> {
    ["failing", "absences", "removals"]
        .iter()
        .try_fold(0, |deleted, table| {
            let rows = format!("DELETE FROM {table} WHERE source = ?1");
            Ok(deleted + connection.execute(&rows, [person.as_str()])?)
        })
}

fn forget_old(transaction: &Transaction<'_>, table: &str, at: Timestamp) -> rusqlite::Result<()> {
    let oldest = at.as_millisecond().saturating_sub(KEPT.as_millis() as i64);
    transaction
        .prepare_cached(&format!("DELETE FROM {table} WHERE last < ?1"))?
        .execute([oldest])
        .map(drop)
}

fn brakes(connection: &Connection, now: Timestamp) -> rusqlite::Result<Brakes> {
    let is_parked = |series: &FailureSeries| series.parked().is_some_and(|parked| parked.is_in_force(now));
    Ok(Brakes {
        quarantine: conduct(connection)?.quarantine(),
        parked: series(connection)?
            .values()
            .filter(|series| is_parked(series))
            .count() as u64,
        waiting: removals(connection)?
            .values()
            .filter(|removal| removal.decision == Decision::Waiting)
            .count() as u64,
    })
}

fn conduct(connection: &Connection) -> rusqlite::Result<Conduct> {
    let kept = connection
        .query_row("SELECT state FROM conduct", [], |row| value(row, 0))
        .optional()?;
    Ok(kept.unwrap_or_default())
}

fn series(connection: &Connection) -> rusqlite::Result<HashMap<SourceId, FailureSeries>> {
    let mut statement = connection.prepare_cached("SELECT source, series FROM failing")?;
    let rows = statement.query_map([], |row| Ok((id(row, 0)?, value(row, 1)?)))?;
    rows.collect()
}

fn removals(connection: &Connection) -> rusqlite::Result<HashMap<SourceId, StagedRemoval>> {
    let mut statement = connection.prepare_cached("SELECT source, removal FROM removals")?;
    let rows = statement.query_map([], |row| Ok((id(row, 0)?, value(row, 1)?)))?;
    rows.collect()
}

fn sightings(connection: &Connection) -> rusqlite::Result<HashMap<SourceId, Sightings>> {
    let mut statement = connection.prepare_cached("SELECT source, first, last, scans FROM absences")?;
    let rows = statement.query_map([], |row| {
        let seen = Sightings {
            first: time(row, 1)?,
            last: time(row, 2)?,
            scans: row.get(3)?,
        };
        Ok((id(row, 0)?, seen))
    })?;
    rows.collect()
}

fn id(row: &Row<'_>, column: usize) -> rusqlite::Result<SourceId> {
    let text: Arc<str> = row.get_ref(column)?.as_str()?.into();
    Ok(SourceId::new(text))
}

fn time(row: &Row<'_>, column: usize) -> rusqlite::Result<Timestamp> {
    Timestamp::from_millisecond(row.get(column)?)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(column, Type::Integer, Box::new(error)))
}

fn value<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    serde_json::from_str(row.get_ref(column)?.as_str()?)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error)))
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("plain values can be written as JSON")
}

#[cfg(test)]
mod tests;
