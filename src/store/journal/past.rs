//! Looking back: runs page by page, the people of a run page by page, and which pictures a step had before it and
//! after it. Pages are found by their place in the order, so the last one costs no more than the first.

use rusqlite::{Connection, OptionalExtension, params_from_iter};

use super::records::{Deeds, RunRecord, StepRecord, WriteKind};
use super::rows;
use crate::domain::filter::folded;
use crate::domain::ids::{PictureId, RunId, SourceId, TargetId};
use crate::domain::photo::{Place, Sha256};
use crate::domain::run::{Outcome, PersonRef, Summary};

/// A place between two runs, where a page goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunCursor {
    started: String,
    row: i64,
}

impl RunCursor {
    /// A place as the journal would name it.
    #[cfg(test)]
    pub(crate) fn known(row: i64) -> Self {
        Self {
            started: "2026-03-02T14:05:00Z".into(),
            row,
        }
    }
}

/// Some runs, the newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunsPage {
    /// The runs.
    pub runs: Vec<PastRun>,
    /// Where the next page begins; `None` if this is the last one.
    pub next: Option<RunCursor>,
}

/// A run, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastRun {
    /// The run.
    pub record: RunRecord,
    /// How many ended in which way, as far as it was written down: of people with a step alone, while `record.summary`
    /// counts everybody who was looked at and is there once the run has ended.
    pub endings: Summary,
    /// People whose push has begun and is not settled; the next start settles them.
    pub unsettled: u64,
    /// The run that went on with this one, the newest if there are several.
    pub continued_by: Option<RunId>,
    /// The run that took this one back, the newest if there are several.
    pub undone_by: Option<RunId>,
}

impl PastRun {
    /// People for whom something was planned and whose turn never came.
    pub fn not_reached(&self) -> u64 {
        let ended = self.endings.selected;
        self.record
            .start
            .planned
            .steps()
            .saturating_sub(ended + self.unsettled)
    }
}

/// A place between two people of a run, where a page goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeopleCursor {
    at: String,
    source: String,
}

/// Some people of a run, in the order in which their turns ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PeoplePage {
    /// The people.
    pub people: Vec<PastStep>,
    /// Where the next page begins; `None` if this is the last one.
    pub next: Option<PeopleCursor>,
}

/// One person's step in a run, with the picture that was displayed before it and the one it brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastStep {
    /// How it ended.
    pub step: StepRecord,
    /// The picture of before; `None` if there was none, or if nothing was replaced.
    pub old: Option<PastPicture>,
    /// The picture that was stored and left there; `None` if none was.
    pub new: Option<PastPicture>,
}

/// A picture that a step dealt with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastPicture {
    /// Its row in the target, where that is known; it may be gone.
    pub id: Option<PictureId>,
    /// Its bytes' SHA-256, where that is known: their name in the vault, if they are kept.
    pub sha256: Option<Sha256>,
    /// Where it was stored.
    pub place: Place,
}

pub(super) fn runs(
    connection: &Connection,
    after: Option<&RunCursor>,
    limit: usize,
) -> rusqlite::Result<RunsPage> {
    let (started, row) = match after {
        Some(cursor) => (cursor.started.as_str(), cursor.row),
        // Sorts behind every moment.
        None => ("~", i64::MAX),
    };
    let mut statement = connection.prepare_cached(
        "SELECT id, started, rowid FROM runs WHERE (started, rowid) < (?1, ?2) \
         ORDER BY started DESC, rowid DESC",
    )?;
    let limit = limit.max(1);
    // One more than the page holds tells whether there is another page.
    let found: Vec<(String, RunCursor)> = statement
        .query_map((started, row), |row| {
            let cursor = RunCursor {
                started: row.get(1)?,
                row: row.get(2)?,
            };
            Ok((row.get(0)?, cursor))
        })?
        .take(limit.saturating_add(1))
        .collect::<rusqlite::Result<_>>()?;
    let next = (found.len() > limit).then(|| found[limit - 1].1.clone());
    let mut runs = Vec::with_capacity(found.len().min(limit));
    for (id, _) in found.into_iter().take(limit) {
        runs.extend(run(connection, &RunId::new(id))?);
    }
    Ok(RunsPage { runs, next })
}

pub(super) fn run(connection: &Connection, id: &RunId) -> rusqlite::Result<Option<PastRun>> {
    let Some(record) = rows::run(connection, id)? else {
        return Ok(None);
    };
    let newest = |column: &str| {
        connection
            .prepare_cached(&format!(
                "SELECT id FROM runs WHERE {column} = ?1 ORDER BY started DESC, rowid DESC LIMIT 1"
            ))?
            .query_row([id.as_str()], |row| Ok(RunId::new(row.get::<_, String>(0)?)))
            .optional()
    };
    Ok(Some(PastRun {
        record,
        endings: endings(connection, id)?,
        unsettled: connection
            .prepare_cached("SELECT count(*) FROM under_way WHERE run = ?1")?
            .query_row([id.as_str()], |row| row.get::<_, i64>(0))? as u64,
        continued_by: newest("continues")?,
        undone_by: newest("undoes")?,
    }))
}

/// Whoever is not settled has no ending yet, whatever was written down of the turn.
fn endings(connection: &Connection, run: &RunId) -> rusqlite::Result<Summary> {
    let mut statement = connection.prepare_cached(
        "SELECT outcome, count(*) FROM steps WHERE run = ?1
         AND NOT EXISTS (SELECT 1 FROM under_way WHERE run = steps.run AND source = steps.source) GROUP BY outcome",
    )?;
    let counted = statement.query_map([run.as_str()], |row| {
        let outcome: Outcome = rows::coded(row, 0, Outcome::from_code)?;
        Ok((outcome, row.get::<_, i64>(1)? as u64))
    })?;
    let mut endings = Summary::default();
    for counted in counted {
        let (outcome, count) = counted?;
        endings.count_many(outcome, count);
    }
    Ok(endings)
}

/// Which people of a run are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PeopleFilter {
    /// Only whose step ended like this.
    pub outcome: Option<Outcome>,
    /// Only whose name or sign-in name contains this, whatever its capitals and accents; empty for everybody.
    pub text: String,
}

impl PeopleFilter {
    /// True if this person is called as is asked for; `text` is folded.
    fn is_called(text: &str, person: &PersonRef) -> bool {
        let names = [&person.name, &person.upn];
        text.is_empty() || names.into_iter().any(|name| folded(name.raw()).contains(text))
    }
}

pub(super) fn people(
    connection: &Connection,
    run: &RunId,
    filter: &PeopleFilter,
    after: Option<&PeopleCursor>,
    limit: usize,
) -> rusqlite::Result<PeoplePage> {
    let limit = limit.max(1);
    let (at, source) = after.map_or(("", ""), |cursor| (cursor.at.as_str(), cursor.source.as_str()));
    let outcome = filter.outcome.map(Outcome::code);
    let and = if outcome.is_some() {
        "AND outcome = ?4"
    } else {
        "AND ?4 IS NULL"
    };
    // Names are compared as people read them, which the database cannot do: it hands on one row after the other.
    let text = folded(filter.text.trim());
    let mut statement = connection.prepare_cached(&format!(
        "{} WHERE run = ?1 AND (at, source) > (?2, ?3) {and} ORDER BY at, source",
        rows::STEP
    ))?;
    let mut found: Vec<(StepRecord, PeopleCursor)> = Vec::new();
    let mut all = statement.query((run.as_str(), at, source, outcome))?;
    while found.len() <= limit
        && let Some(row) = all.next()?
    {
        let step = rows::step_row(row)?;
        if PeopleFilter::is_called(&text, &step.person) {
            let cursor = PeopleCursor {
                at: row.get(7)?,
                source: step.person.source.as_str().to_owned(),
            };
            found.push((step, cursor));
        }
    }
    let next = (found.len() > limit).then(|| found[limit - 1].1.clone());
    let people = found
        .into_iter()
        .take(limit)
        .map(|(step, _)| with_pictures(connection, step))
        .collect::<rusqlite::Result<_>>()?;
    Ok(PeoplePage { people, next })
}

pub(super) fn person(
    connection: &Connection,
    run: &RunId,
    person: &SourceId,
) -> rusqlite::Result<Option<PastStep>> {
    let step = connection
        .prepare_cached(&format!("{} WHERE run = ?1 AND source = ?2", rows::STEP))?
        .query_row([run.as_str(), person.as_str()], rows::step_row)
        .optional()?;
    step.map(|step| with_pictures(connection, step)).transpose()
}

/// Every step of the people whom this names, the newest first.
pub(super) fn person_ever(connection: &Connection, person: &str) -> rusqlite::Result<Vec<PastStep>> {
    let ids = params_from_iter([person]);
    let mut statement = connection.prepare(&format!(
        "{} WHERE {} ORDER BY at DESC, run DESC",
        rows::STEP,
        rows::NAMES_PERSON
    ))?;
    let steps: Vec<StepRecord> = statement
        .query_map(ids, rows::step_row)?
        .collect::<rusqlite::Result<_>>()?;
    steps
        .into_iter()
        .map(|step| with_pictures(connection, step))
        .collect()
}

/// The steps that have changed something for each of these people, the newest first.
pub(super) fn changes(
    connection: &Connection,
    people: &[TargetId],
) -> rusqlite::Result<Vec<Vec<StepRecord>>> {
    let mut statement =
        connection.prepare_cached(&format!("{} WHERE target = ?1 {}", rows::STEP, rows::THAT_WROTE))?;
    people
        .iter()
        .map(|person| statement.query_map([person.as_str()], rows::step_row)?.collect())
        .collect()
}

pub(super) fn with_pictures(connection: &Connection, step: StepRecord) -> rusqlite::Result<PastStep> {
    let deeds = rows::deeds_of(connection, &step.run, &step.person.source)?;
    let (old, new) = pictures(&deeds);
    Ok(PastStep { step, old, new })
}

/// What was displayed before, and what was stored and stayed. Of several places the first one counts, because its
/// picture is the one that people see.
fn pictures(deeds: &Deeds) -> (Option<PastPicture>, Option<PastPicture>) {
    let done = |kind: WriteKind| {
        deeds
            .writes
            .iter()
            .filter(move |write| write.intent.kind == kind && write.is_done())
    };
    let kept = deeds.kept.iter().find(|kept| kept.was_displayed);
    let old = kept
        .map(|kept| PastPicture {
            id: Some(kept.stored.id.clone()),
            sha256: Some(kept.sha256),
            place: kept.place,
        })
        .or_else(|| {
            // Nothing went, so nothing was kept: only a column moved on.
            let first = done(WriteKind::SetColumn).find(|write| write.intent.old_picture.is_some())?;
            Some(PastPicture {
                id: first.intent.old_picture.clone(),
                sha256: None,
                place: first.intent.place,
            })
        });
    let is_removed = |picture: &PictureId| {
        done(WriteKind::Remove).any(|write| write.intent.picture.as_ref() == Some(picture))
    };
    let stored = done(WriteKind::Upload)
        .filter_map(|write| {
            let id = write.uploaded()?;
            Some(id).filter(|id| !is_removed(id)).map(|id| PastPicture {
                id: Some(id),
                sha256: write.intent.sha256,
                place: write.intent.place,
            })
        })
        .min_by_key(|picture| picture.place);
    let new = stored.or_else(|| {
        let last = done(WriteKind::SetColumn).next_back()?;
        let id = last.intent.picture.clone().filter(|id| !is_removed(id))?;
        Some(PastPicture {
            id: Some(id),
            sha256: None,
            place: last.intent.place,
        })
    });
    (old, new)
}
