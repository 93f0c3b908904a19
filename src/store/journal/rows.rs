//! Reading the journal. A value that cannot be understood is an error of the query, never a panic.

use std::str::FromStr;

use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::records::{
    Actor, Answer, Deeds, Intent, IntentId, KeptPicture, Released, RunKind, RunRecord, RunStart, StepRecord,
    Unfinished, WriteKind, WriteRecord,
};
use crate::domain::ids::{PictureId, RecordId, RunId, SourceId, TargetId};
use crate::domain::photo::{Place, Sha256};
use crate::domain::run::Outcome;
use crate::store::vault::Why;

pub(super) fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("plain values with text keys")
}

const RUN: &str = "SELECT id, profile, kind, started, os_user, host, account, planned, finished, summary, stopped, \
                   continues, undoes FROM runs";

pub(super) fn runs(connection: &Connection, limit: usize) -> rusqlite::Result<Vec<RunRecord>> {
    let mut statement = connection.prepare(&format!("{RUN} ORDER BY started DESC, rowid DESC LIMIT ?1"))?;
    statement
        .query_map([i64::try_from(limit).unwrap_or(i64::MAX)], run_row)?
        .collect()
}

pub(super) fn run(connection: &Connection, id: &RunId) -> rusqlite::Result<Option<RunRecord>> {
    connection
        .query_row(&format!("{RUN} WHERE id = ?1"), [id.as_str()], run_row)
        .optional()
}

fn run_row(row: &Row<'_>) -> rusqlite::Result<RunRecord> {
    Ok(RunRecord {
        id: RunId::new(row.get::<_, String>(0)?),
        start: RunStart {
            profile: row.get(1)?,
            kind: coded(row, 2, RunKind::from_code)?,
            started: parsed(row, 3)?,
            actor: Actor {
                os_user: row.get(4)?,
                host: row.get(5)?,
                account: row.get(6)?,
            },
            planned: from_json(row, 7)?,
            continues: row.get::<_, Option<String>>(11)?.map(RunId::new),
            undoes: row.get::<_, Option<String>>(12)?.map(RunId::new),
        },
        finished: optional(row, 8, parsed)?,
        summary: optional(row, 9, from_json)?,
        stopped: optional(row, 10, from_json)?,
    })
}

pub(super) fn steps(connection: &Connection, run: &RunId) -> rusqlite::Result<Vec<StepRecord>> {
    let mut statement = connection.prepare(&format!("{STEP} WHERE run = ?1"))?;
    statement.query_map([run.as_str()], step_row)?.collect()
}

/// Steps of whoever is called `?1`.
pub(super) const NAMES_PERSON: &str = "(target = ?1 OR source = ?1 \
     OR lower(json_extract(person, '$.upn')) = lower(?1) OR lower(json_extract(person, '$.mail')) = lower(?1) \
     OR lower(json_extract(person, '$.user_name')) = lower(?1))";

/// Only steps in which something was written, the newest first: by the order of the writes, because a clock may be put back.
pub(super) const THAT_WROTE: &str = "AND EXISTS (SELECT 1 FROM writes WHERE run = steps.run AND source = steps.source) \
     ORDER BY (SELECT max(id) FROM writes WHERE run = steps.run AND source = steps.source) DESC";

pub(super) fn steps_of(connection: &Connection, person: &str) -> rusqlite::Result<Vec<StepRecord>> {
    let mut statement = connection.prepare(&format!("{STEP} WHERE {NAMES_PERSON} {THAT_WROTE}"))?;
    statement.query_map([person], step_row)?.collect()
}

pub(super) const STEP: &str =
    "SELECT run, person, change, outcome, detail, hint, settled, at, after FROM steps";

pub(super) fn step_row(row: &Row<'_>) -> rusqlite::Result<StepRecord> {
    Ok(StepRecord {
        run: RunId::new(row.get::<_, String>(0)?),
        person: from_json(row, 1)?,
        change: from_json(row, 2)?,
        outcome: coded(row, 3, Outcome::from_code)?,
        detail: row.get(4)?,
        hint: row.get(5)?,
        settled: row.get(6)?,
        at: parsed(row, 7)?,
        after: optional(row, 8, from_json)?,
    })
}

pub(super) const WRITE: &str = "SELECT id, run, source, target, kind, place, record, picture, old_picture, sha256, bytes, \
                     expected, at, answer, answer_id, detail, answered FROM writes";

/// Writes of people who are not settled.
const UNDER_WAY: &str = "WHERE (run, source) IN (SELECT run, source FROM under_way)";

pub(super) fn writes(connection: &Connection, run: &RunId) -> rusqlite::Result<Vec<WriteRecord>> {
    let mut statement = connection.prepare(&format!("{WRITE} WHERE run = ?1 ORDER BY id"))?;
    statement.query_map([run.as_str()], write_row)?.collect()
}

pub(super) fn writes_of_person(
    connection: &Connection,
    person: &TargetId,
    limit: usize,
) -> rusqlite::Result<Vec<WriteRecord>> {
    let mut statement =
        connection.prepare(&format!("{WRITE} WHERE target = ?1 ORDER BY id DESC LIMIT ?2"))?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    statement
        .query_map((person.as_str(), limit), write_row)?
        .collect()
}

pub(super) fn outstanding(connection: &Connection) -> rusqlite::Result<Vec<WriteRecord>> {
    let mut statement = connection.prepare(&format!("{WRITE} {UNDER_WAY} AND answer IS NULL ORDER BY id"))?;
    statement.query_map([], write_row)?.collect()
}

pub(super) fn unfinished(connection: &Connection) -> rusqlite::Result<Vec<Unfinished>> {
    let mut statement = connection.prepare(
        "SELECT run, person, change FROM under_way ORDER BY (SELECT started FROM runs WHERE id = run), source",
    )?;
    let people = statement.query_map([], |row| {
        Ok(Unfinished {
            run: RunId::new(row.get::<_, String>(0)?),
            person: from_json(row, 1)?,
            change: from_json(row, 2)?,
            writes: Vec::new(),
            kept: Vec::new(),
        })
    })?;
    let mut people: Vec<Unfinished> = people.collect::<rusqlite::Result<_>>()?;
    for person in &mut people {
        let Deeds { writes, kept, .. } = deeds_of(connection, &person.run, &person.person.source)?;
        (person.writes, person.kept) = (writes, kept);
    }
    Ok(people)
}

pub(super) fn deeds(
    connection: &Connection,
    run: &RunId,
    people: &[SourceId],
) -> rusqlite::Result<Vec<Deeds>> {
    people
        .iter()
        .map(|person| deeds_of(connection, run, person))
        .collect()
}

pub(super) fn deeds_of(connection: &Connection, run: &RunId, person: &SourceId) -> rusqlite::Result<Deeds> {
    let key = [run.as_str(), person.as_str()];
    let mut writes =
        connection.prepare_cached(&format!("{WRITE} WHERE run = ?1 AND source = ?2 ORDER BY id"))?;
    let mut kept = connection.prepare_cached(&format!(
        "{KEPT} WHERE run = ?1 AND source = ?2 ORDER BY at, picture"
    ))?;
    Ok(Deeds {
        writes: writes
            .query_map(key, write_row)?
            .collect::<rusqlite::Result<_>>()?,
        kept: kept.query_map(key, kept_row)?.collect::<rusqlite::Result<_>>()?,
        released: connection
            .prepare_cached("SELECT why, at FROM released WHERE run = ?1 AND source = ?2")?
            .query_row(key, |row| {
                Ok(Released {
                    why: coded(row, 0, Why::from_code)?,
                    at: parsed(row, 1)?,
                })
            })
            .optional()?,
    })
}

pub(super) fn write_row(row: &Row<'_>) -> rusqlite::Result<WriteRecord> {
    let picture =
        |column| Ok::<_, rusqlite::Error>(row.get::<_, Option<String>>(column)?.map(PictureId::new));
    let intent = Intent {
        run: RunId::new(row.get::<_, String>(1)?),
        source: SourceId::new(row.get::<_, String>(2)?),
        target: TargetId::new(row.get::<_, String>(3)?),
        kind: coded(row, 4, WriteKind::from_code)?,
        place: coded(row, 5, place_of)?,
        record: row.get::<_, Option<String>>(6)?.map(RecordId::new),
        picture: picture(7)?,
        old_picture: picture(8)?,
        sha256: optional(row, 9, |row, column| coded(row, column, Sha256::from_hex))?,
        bytes: row.get::<_, Option<i64>>(10)?.map(|bytes| bytes as u64),
        expected: from_json(row, 11)?,
        at: parsed(row, 12)?,
    };
    let answer = match row.get::<_, Option<String>>(13)?.as_deref() {
        None => None,
        Some("done") => Some((Answer::Done(row.get(14)?), parsed(row, 16)?)),
        Some("not_done") => {
            let detail: Option<String> = row.get(15)?;
            Some((Answer::NotDone(detail.unwrap_or_default()), parsed(row, 16)?))
        }
        Some(other) => return Err(not_understood(13, other)),
    };
    Ok(WriteRecord {
        id: IntentId(row.get(0)?),
        intent,
        answer,
    })
}

const KEPT: &str = "SELECT run, source, target, place, record, sha256, stored, was_displayed, at FROM kept";

pub(super) fn kept_of_person(
    connection: &Connection,
    person: &TargetId,
) -> rusqlite::Result<Vec<KeptPicture>> {
    let mut statement = connection.prepare(&format!("{KEPT} WHERE target = ?1 ORDER BY at DESC, picture"))?;
    statement.query_map([person.as_str()], kept_row)?.collect()
}

pub(super) fn kept_in_run(connection: &Connection, run: &RunId) -> rusqlite::Result<Vec<KeptPicture>> {
    let mut statement = connection.prepare(&format!("{KEPT} WHERE run = ?1 ORDER BY at, picture"))?;
    statement.query_map([run.as_str()], kept_row)?.collect()
}

fn kept_row(row: &Row<'_>) -> rusqlite::Result<KeptPicture> {
    Ok(KeptPicture {
        run: RunId::new(row.get::<_, String>(0)?),
        source: SourceId::new(row.get::<_, String>(1)?),
        target: TargetId::new(row.get::<_, String>(2)?),
        place: coded(row, 3, place_of)?,
        record: RecordId::new(row.get::<_, String>(4)?),
        sha256: coded(row, 5, Sha256::from_hex)?,
        stored: from_json(row, 6)?,
        was_displayed: row.get(7)?,
        at: parsed(row, 8)?,
    })
}

fn place_of(name: &str) -> Option<Place> {
    serde_json::from_value(name.into()).ok()
}

pub(super) fn coded<T>(
    row: &Row<'_>,
    column: usize,
    read: impl Fn(&str) -> Option<T>,
) -> rusqlite::Result<T> {
    let code: String = row.get(column)?;
    read(&code).ok_or_else(|| not_understood(column, &code))
}

fn parsed<T: FromStr>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    let text: String = row.get(column)?;
    text.parse().map_err(|_| not_understood(column, &text))
}

fn from_json<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    let text: String = row.get(column)?;
    serde_json::from_str(&text)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error)))
}

fn optional<'row, T>(
    row: &Row<'row>,
    column: usize,
    read: impl Fn(&Row<'row>, usize) -> rusqlite::Result<T>,
) -> rusqlite::Result<Option<T>> {
    match row.get_ref(column)? {
        rusqlite::types::ValueRef::Null => Ok(None),
        _ => read(row, column).map(Some),
    }
}

fn not_understood(column: usize, value: &str) -> rusqlite::Error {
    let shown = crate::domain::text::clean(value).into_owned();
    rusqlite::Error::FromSqlConversionFailure(
        column,
        Type::Text,
        format!("{shown:?} is not understood").into(),
    )
}
