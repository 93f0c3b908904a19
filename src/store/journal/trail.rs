//! The audit trail (`reliability.md` 8.14): every write with who, when, whom, which pictures and how it went; only ever
//! added to, and read as a stream, however long it is.
//!
//! The database itself refuses to delete or change a line, except to fill in an answer once. Beside the lines stands a
//! chain of digests: each is made of the one before and of a line as it was written, in the same transaction. A line
//! that was changed, left out or put in later breaks the chain. Whoever can write the file can also make a whole new
//! chain; against that helps a digest noted elsewhere, which must be found in the chain again.

use std::sync::Arc;

use jiff::Timestamp;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row, params};
use sha2::Digest;

use super::records::{RunRecord, WriteRecord};
use super::rows;
use crate::domain::ids::RunId;
use crate::domain::photo::Sha256;

/// The tables and guards of the trail. `line` 0 says how much was written down before there was a chain.
pub(super) const TABLES: &str = "
    -- `what` is 0 for the beginning of the chain, 1 for a run, 2 for an announced write, 3 for its answer.
    CREATE TABLE trail (
        line INTEGER PRIMARY KEY, what INTEGER NOT NULL, subject ANY NOT NULL, digest BLOB NOT NULL) STRICT;
    INSERT INTO trail VALUES (0, 0,
        (SELECT coalesce(max(id), 0) FROM writes) || ' ' || (SELECT count(*) FROM runs), zeroblob(32));
    CREATE TRIGGER writes_stay BEFORE DELETE ON writes
        BEGIN SELECT RAISE(ABORT, 'the audit trail is only added to'); END;
    CREATE TRIGGER writes_are_new BEFORE INSERT ON writes WHEN EXISTS (SELECT 1 FROM writes WHERE id = NEW.id)
        BEGIN SELECT RAISE(ABORT, 'the audit trail is only added to'); END;
    CREATE TRIGGER writes_are_as_announced BEFORE UPDATE OF id, run, source, target, kind, place, record, picture,
        old_picture, sha256, bytes, expected, at ON writes
        BEGIN SELECT RAISE(ABORT, 'the audit trail is only added to'); END;
    CREATE TRIGGER writes_are_answered_once BEFORE UPDATE ON writes
        WHEN OLD.answer IS NOT NULL OR NEW.answer IS NULL OR OLD.id IS NOT NEW.id
        BEGIN SELECT RAISE(ABORT, 'the audit trail is only added to'); END;
    CREATE TRIGGER runs_stay BEFORE DELETE ON runs
        BEGIN SELECT RAISE(ABORT, 'the audit trail is only added to'); END;
    CREATE TRIGGER runs_are_new BEFORE INSERT ON runs WHEN EXISTS (SELECT 1 FROM runs WHERE id = NEW.id)
        BEGIN SELECT RAISE(ABORT, 'the audit trail is only added to'); END;
    CREATE TRIGGER runs_are_as_begun BEFORE UPDATE OF id, profile, kind, started, os_user, host, account, planned,
        continues, undoes ON runs
        BEGIN SELECT RAISE(ABORT, 'the audit trail is only added to'); END;
    CREATE TRIGGER runs_end_once BEFORE UPDATE ON runs WHEN OLD.finished IS NOT NULL
        BEGIN SELECT RAISE(ABORT, 'the audit trail is only added to'); END;
    CREATE TRIGGER trail_stays BEFORE DELETE ON trail
        BEGIN SELECT RAISE(ABORT, 'the audit trail is only added to'); END;
    CREATE TRIGGER trail_is_new BEFORE INSERT ON trail WHEN EXISTS (SELECT 1 FROM trail WHERE line = NEW.line)
        BEGIN SELECT RAISE(ABORT, 'the audit trail is only added to'); END;
    CREATE TRIGGER trail_is_as_written BEFORE UPDATE ON trail
        BEGIN SELECT RAISE(ABORT, 'the audit trail is only added to'); END;
";

/// What a link of the chain is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Link<'a> {
    /// A run has begun.
    Run(&'a str),
    /// A write was announced.
    Announced(i64),
    /// It is known how it went.
    Answered(i64),
}

impl Link<'_> {
    fn of(what: i64, subject: ValueRef<'_>) -> Option<Link<'_>> {
        match (what, subject) {
            (1, ValueRef::Text(run)) => std::str::from_utf8(run).ok().map(Link::Run),
            (2, ValueRef::Integer(write)) => Some(Link::Announced(write)),
            (3, ValueRef::Integer(write)) => Some(Link::Answered(write)),
            _ => None,
        }
    }

    /// The digest of this link after `before`; `None` if what it is about is not there.
    fn digest(self, connection: &Connection, before: &[u8]) -> rusqlite::Result<Option<[u8; 32]>> {
        let (what, sql) = match self {
            Self::Run(_) => (
                1_u8,
                "SELECT id, profile, kind, started, os_user, host, account, planned, continues, undoes \
                 FROM runs WHERE id = ?1",
            ),
            Self::Announced(_) => (
                2,
                "SELECT id, run, source, target, kind, place, record, picture, old_picture, sha256, bytes, \
                 expected, at FROM writes WHERE id = ?1",
            ),
            Self::Answered(_) => (
                3,
                "SELECT id, answer, answer_id, detail, answered FROM writes WHERE id = ?1 AND answer IS NOT NULL",
            ),
        };
        let mut statement = connection.prepare_cached(sql)?;
        let columns = statement.column_count();
        let mut rows = match self {
            Self::Run(run) => statement.query([run])?,
            Self::Announced(write) | Self::Answered(write) => statement.query([write])?,
        };
        let Some(row) = rows.next()? else {
            return Ok(None);
        };
        let mut hasher = sha2::Sha256::new();
        hasher.update(before);
        hasher.update([what]);
        for column in 0..columns {
            take_up(&mut hasher, row, column)?;
        }
        Ok(Some(hasher.finalize().into()))
    }
}

/// A value with its kind and length, so that no two rows are the same bytes.
pub(super) fn take_up(hasher: &mut sha2::Sha256, row: &Row<'_>, column: usize) -> rusqlite::Result<()> {
    let (kind, bytes) = match row.get_ref(column)? {
        ValueRef::Null => (0, Vec::new()),
        ValueRef::Integer(number) => (1, number.to_le_bytes().to_vec()),
        ValueRef::Real(number) => (2, number.to_le_bytes().to_vec()),
        ValueRef::Text(text) => (3, text.to_vec()),
        ValueRef::Blob(bytes) => (4, bytes.to_vec()),
    };
    hasher.update([kind]);
    hasher.update((bytes.len() as u64).to_le_bytes());
    hasher.update(bytes);
    Ok(())
}

/// What the first link follows on: what was there before the chain.
fn beginning(subject: &str) -> [u8; 32] {
    let mut hasher = sha2::Sha256::new();
    hasher.update(b"avatar-sync audit trail 1\n");
    hasher.update(subject.as_bytes());
    hasher.finalize().into()
}

/// Adds a link in the transaction that writes what it is about.
pub(super) fn extend(connection: &Connection, link: Link<'_>) -> rusqlite::Result<()> {
    let (line, before): (i64, Vec<u8>) = connection
        .prepare_cached("SELECT line, CASE line WHEN 0 THEN subject ELSE digest END FROM trail ORDER BY line DESC LIMIT 1")?
        .query_row([], |row| {
            let line = row.get(0)?;
            let before = match row.get_ref(1)? {
                ValueRef::Text(subject) => beginning(&String::from_utf8_lossy(subject)).to_vec(),
                other => other.as_blob()?.to_vec(),
            };
            Ok((line, before))
        })?;
    let digest = link
        .digest(connection, &before)?
        .ok_or(rusqlite::Error::QueryReturnedNoRows)?;
    let mut insert = connection.prepare_cached("INSERT INTO trail VALUES (?1, ?2, ?3, ?4)")?;
    match link {
        Link::Run(run) => insert.execute(params![line + 1, 1, run, digest]),
        Link::Announced(write) => insert.execute(params![line + 1, 2, write, digest]),
        Link::Answered(write) => insert.execute(params![line + 1, 3, write, digest]),
    }
    .map(drop)
}

/// What a look at the whole chain has found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Links in the chain.
    pub links: u64,
    /// Writes that it covers.
    pub writes: u64,
    /// Writes that were there before the chain was begun, of which it says nothing.
    pub before: u64,
    /// The newest digest: noted elsewhere, it proves later that nothing up to here was changed.
    pub head: Sha256,
    /// Whether the digest that was asked for is in the chain.
    pub has_asked: bool,
    /// What is wrong, if anything, in a sentence.
    pub broken: Option<String>,
}

/// Follows the chain from its beginning.
pub(super) fn verify(connection: &Connection, asked: Option<&Sha256>) -> rusqlite::Result<Verified> {
    let mut verified = Verified {
        links: 0,
        writes: 0,
        before: 0,
        head: Sha256::from_bytes([0; 32]),
        has_asked: asked.is_none(),
        broken: None,
    };
    let mut statement = connection.prepare("SELECT line, what, subject, digest FROM trail ORDER BY line")?;
    let mut rows = statement.query([])?;
    let (mut old_writes, mut old_runs) = (0_i64, 0_i64);
    let (mut runs, mut answers) = (0_i64, 0_i64);
    // Intents of several people overtake each other on their way here, so their numbers need not ascend.
    let mut numbers = 0_i128;
    let mut head = [0; 32];
    let mut expected_line = 0_i64;
    while let Some(row) = rows.next()? {
        let (line, what): (i64, i64) = (row.get(0)?, row.get(1)?);
        let broken = |why: &str| Some(format!("line {line} of the chain {why}"));
        if line != expected_line {
            verified.broken = Some(format!("line {expected_line} of the chain is missing"));
            break;
        }
        expected_line += 1;
        if line == 0 {
            let subject = row.get_ref(2)?.as_str().unwrap_or_default();
            let numbers = subject
                .split_once(' ')
                .and_then(|(writes, runs)| Some((writes.parse().ok()?, runs.parse().ok()?)));
            let Some((writes, runs)) = numbers else {
                verified.broken = broken("is not understood");
                break;
            };
            (old_writes, old_runs) = (writes, runs);
            head = beginning(subject);
            verified.head = Sha256::from_bytes(head);
            continue;
        }
        let Some(link) = Link::of(what, row.get_ref(2)?) else {
            verified.broken = broken("is not understood");
            break;
        };
        let found = row.get_ref(3)?.as_blob()?;
        match link.digest(connection, &head)? {
            None => {
                verified.broken = broken("is about something that is not there any more");
                break;
            }
            Some(digest) if digest != *found => {
                verified.broken = broken("does not match what is written down");
                break;
            }
            Some(digest) => head = digest,
        }
        match link {
            Link::Run(_) => runs += 1,
            Link::Announced(write) => {
                numbers += i128::from(write);
                verified.writes += 1;
            }
            Link::Answered(write) if write > old_writes => answers += 1,
            Link::Answered(_) => {}
        }
        verified.links += 1;
        verified.head = Sha256::from_bytes(head);
        verified.has_asked |= asked == Some(&verified.head);
    }
    let count = |sql: &str, after: i64| -> rusqlite::Result<i64> {
        connection.query_row(sql, [after], |row| row.get(0))
    };
    verified.before = count("SELECT count(*) FROM writes WHERE id <= ?1", old_writes)? as u64;
    if verified.broken.is_none() {
        let written = count("SELECT count(*) FROM writes WHERE id > ?1", old_writes)?;
        let sum = count(
            "SELECT coalesce(sum(id), 0) FROM writes WHERE id > ?1",
            old_writes,
        )?;
        let answered = count(
            "SELECT count(*) FROM writes WHERE id > ?1 AND answer IS NOT NULL",
            old_writes,
        )?;
        let begun = count("SELECT count(*) - ?1 FROM runs", old_runs)?;
        if expected_line == 0 {
            verified.broken = Some("the chain is missing".into());
        } else if (written, i128::from(sum)) != (verified.writes as i64, numbers)
            || (answered, begun) != (answers, runs)
        {
            verified.broken = Some("something is written down that is not in the chain".into());
        }
    }
    Ok(verified)
}

/// Which part of the trail is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrailFilter {
    /// Announced at this moment or later.
    pub since: Option<Timestamp>,
    /// Announced before this moment.
    pub until: Option<Timestamp>,
    /// Of this run.
    pub run: Option<RunId>,
}

/// A line of the trail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrailLine {
    /// The write.
    pub write: WriteRecord,
    /// The run it belongs to, which says who did it.
    pub run: Arc<RunRecord>,
}

/// Hands on the trail in the order in which writes were announced, one line in memory at a time.
pub(super) fn read<E: From<rusqlite::Error>>(
    connection: &Connection,
    filter: &TrailFilter,
    mut each: impl FnMut(TrailLine) -> Result<(), E>,
) -> Result<(), E> {
    let mut statement = match filter.run {
        Some(_) => connection.prepare(&format!("{} WHERE run = ?1 ORDER BY id", rows::WRITE))?,
        None => connection.prepare(&format!("{} WHERE ?1 IS NULL ORDER BY id", rows::WRITE))?,
    };
    let mut found = statement.query([filter.run.as_ref().map(RunId::as_str)])?;
    let mut last: Option<Arc<RunRecord>> = None;
    while let Some(row) = found.next()? {
        let write = rows::write_row(row)?;
        let at = write.intent.at;
        if filter.since.is_some_and(|since| at < since) || filter.until.is_some_and(|until| at >= until) {
            continue;
        }
        let run = match &last {
            Some(run) if run.id == write.intent.run => Arc::clone(run),
            _ => {
                let run =
                    rows::run(connection, &write.intent.run)?.ok_or(rusqlite::Error::QueryReturnedNoRows)?;
                Arc::clone(last.insert(Arc::new(run)))
            }
        };
        each(TrailLine { write, run })?;
    }
    Ok(())
}
