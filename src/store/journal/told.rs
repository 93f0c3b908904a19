//! What is left of runs that were cut short: the journal's rows, handed to the rules of `domain::outstanding`.

use rusqlite::Connection;

use super::records::{RunKind, RunRecord};
use super::{planned, rows};
use crate::domain::ids::{RunId, SourceId};
use crate::domain::outstanding::{
    PlannedStep, Rest, Told, ToldEnding, ToldRun, is_answered, leads_to_something,
};
use crate::domain::run::Outcome;

/// A run that was cut short.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CutShort {
    /// The run.
    pub record: RunRecord,
    /// For whom something is left to do, in the order of the plan; empty if the plan is not known.
    pub people: Vec<(PlannedStep, Rest)>,
    /// False for a run of a version that did not write its plans down.
    pub is_plan_known: bool,
}

/// Every run, the oldest first.
fn told_runs(connection: &Connection) -> rusqlite::Result<Vec<ToldRun>> {
    let mut statement = connection.prepare(
        "SELECT id, kind, continues, undoes, finished IS NOT NULL AND stopped IS NULL FROM runs ORDER BY rowid",
    )?;
    let run = |row: &rusqlite::Row<'_>, column: usize| -> rusqlite::Result<Option<RunId>> {
        Ok(row.get::<_, Option<String>>(column)?.map(RunId::new))
    };
    statement
        .query_map([], |row| {
            let kind: RunKind = rows::coded(row, 1, RunKind::from_code)?;
            Ok(ToldRun {
                id: RunId::new(row.get::<_, String>(0)?),
                is_complete: row.get(4)?,
                is_of_everybody: kind == RunKind::Sync,
                continues: run(row, 2)?,
                undoes: run(row, 3)?,
            })
        })?
        .collect()
}

fn told_beside(connection: &Connection, run: &RunId, runs: &[ToldRun]) -> rusqlite::Result<Told> {
    let people = |sql: &str| -> rusqlite::Result<Vec<SourceId>> {
        let mut statement = connection.prepare_cached(sql)?;
        statement
            .query_map([run.as_str()], |row| Ok(SourceId::new(row.get::<_, String>(0)?)))?
            .collect()
    };
    let begun = people(
        "SELECT source FROM under_way WHERE run = ?1 UNION SELECT source FROM writes WHERE run = ?1
         AND NOT EXISTS (
             SELECT 1 FROM steps WHERE steps.run = writes.run AND steps.source = writes.source AND settled)",
    )?;
    let mut endings =
        connection.prepare_cached("SELECT source, outcome, settled FROM steps WHERE run = ?1")?;
    let endings = endings.query_map([run.as_str()], |row| {
        let ending = ToldEnding {
            outcome: rows::coded(row, 1, Outcome::from_code)?,
            is_settled: row.get(2)?,
        };
        Ok((SourceId::new(row.get::<_, String>(0)?), ending))
    })?;
    let mut later = connection.prepare_cached(
        "SELECT source, outcome FROM steps WHERE settled AND run IN (
             SELECT id FROM runs WHERE kind <> 'clean' AND rowid > (SELECT rowid FROM runs WHERE id = ?1))",
    )?;
    let later = later.query_map([run.as_str()], |row| {
        let outcome: Outcome = rows::coded(row, 1, Outcome::from_code)?;
        let person = SourceId::new(row.get::<_, String>(0)?);
        Ok(leads_to_something(outcome).then_some(person))
    })?;
    Ok(Told {
        is_answered: is_answered(run, runs),
        begun: begun.into_iter().collect(),
        endings: endings.collect::<rusqlite::Result<_>>()?,
        done_later: later
            .filter_map(Result::transpose)
            .collect::<rusqlite::Result<_>>()?,
    })
}

/// What is left of one run; `None` if there is no such run.
pub(super) fn left_of(connection: &Connection, run: &RunId) -> rusqlite::Result<Option<CutShort>> {
    left_beside(connection, run, &told_runs(connection)?)
}

fn left_beside(connection: &Connection, run: &RunId, runs: &[ToldRun]) -> rusqlite::Result<Option<CutShort>> {
    let Some(record) = rows::run(connection, run)? else {
        return Ok(None);
    };
    let told = told_beside(connection, run, runs)?;
    let mut people = Vec::new();
    let mut is_plan_known = record.start.planned.steps() == 0 || told.is_answered;
    planned::read(connection, run, |step| {
        is_plan_known = true;
        if let Some(rest) = told.rest_of(&step.person.source) {
            people.push((step, rest));
        }
    })?;
    Ok(Some(CutShort {
        record,
        people,
        is_plan_known,
    }))
}

/// Whose turn never came, in the order of the plan, as long as it is kept.
pub(super) fn not_reached(connection: &Connection, run: &RunId) -> rusqlite::Result<Vec<PlannedStep>> {
    let told = told_beside(connection, run, &[])?;
    let mut people = Vec::new();
    planned::read(connection, run, |step| {
        let source = &step.person.source;
        if !told.begun.contains(source) && !told.endings.contains_key(source) {
            people.push(step);
        }
    })?;
    Ok(people)
}

/// Every run of which something is left to do, or may be, the newest first.
pub(super) fn cut_short(connection: &Connection) -> rusqlite::Result<Vec<CutShort>> {
    let runs = told_runs(connection)?;
    let mut found = Vec::new();
    for run in runs.iter().rev().filter(|run| !is_answered(&run.id, &runs)) {
        let left = left_beside(connection, &run.id, &runs)?;
        found.extend(left.filter(|left| !left.people.is_empty() || !left.is_plan_known));
    }
    Ok(found)
}

#[cfg(test)]
mod tests;
