//! What was done, what is under way, and who did it.
//!
//! Every write to the target is announced by an [`Intent`] that is on the disk before the request is sent, and closed
//! by an [`Answer`] after it. Whoever has intents and no settled [`StepRecord`] was interrupted; the next start settles
//! them before anything new is sent (`reliability.md` 2). Together with the runs this is the audit trail (8.14). There are
//! no picture bytes and no secrets in it: it is what people attach to tickets.

mod past;
pub(super) mod planned;
mod records;
mod rows;
mod told;
mod trail;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::Timestamp;
use rusqlite::Connection;

pub use past::{PastPicture, PastRun, PastStep, PeopleCursor, PeopleFilter, PeoplePage, RunCursor, RunsPage};
pub use planned::StepToPlan;
pub use records::{
    Actor, Answer, Deeds, Intent, IntentId, KeptPicture, Planned, Released, RunKind, RunRecord, RunStart,
    StepRecord, Unfinished, WriteKind, WriteRecord,
};
pub use told::CutShort;
pub use trail::{TrailFilter, TrailLine, Verified};
use writer::{Entry, Writer};

use super::database::{self, Schema};
use super::lock::Lock;
use super::patience::Patience;
use super::{StoreError, in_background};
use crate::domain::ids::{RunId, SourceId, TargetId};
use crate::domain::outstanding::PlannedStep;
use crate::domain::photo::Sha256;
use crate::domain::run::{PersonRef, StopReason, Summary};
use crate::domain::tidying::Task;

pub(super) const SCHEMA: Schema = Schema {
    name: "the journal",
    migrations: &["
        -- One row per run that may write. `finished` stays empty when it was interrupted.
        CREATE TABLE runs (
            id TEXT PRIMARY KEY, profile TEXT NOT NULL, kind TEXT NOT NULL, started TEXT NOT NULL, finished TEXT,
            os_user TEXT NOT NULL, host TEXT NOT NULL, account TEXT NOT NULL,
            planned TEXT NOT NULL, summary TEXT, stopped TEXT) STRICT;
        CREATE INDEX runs_by_start ON runs (started);
        -- How each person of a run ended. People for whom nothing was planned are in the summary alone.
        CREATE TABLE steps (
            run TEXT NOT NULL, source TEXT NOT NULL, target TEXT, person TEXT NOT NULL, change TEXT NOT NULL,
            outcome TEXT NOT NULL, detail TEXT NOT NULL, hint TEXT, settled INTEGER NOT NULL, at TEXT NOT NULL,
            PRIMARY KEY (run, source)) STRICT, WITHOUT ROWID;
        -- Every write to the target: the intent, and once it is known how it went.
        CREATE TABLE writes (
            id INTEGER PRIMARY KEY, run TEXT NOT NULL, source TEXT NOT NULL, target TEXT NOT NULL,
            kind TEXT NOT NULL, place TEXT NOT NULL, record TEXT, picture TEXT, old_picture TEXT,
            sha256 TEXT, bytes INTEGER, expected TEXT NOT NULL, at TEXT NOT NULL,
            answer TEXT, answer_id TEXT, detail TEXT, answered TEXT) STRICT;
        CREATE INDEX writes_by_person ON writes (run, source);
        -- Whose writes have begun and are not settled: what the next start looks at first, however long the rest is.
        CREATE TABLE under_way (
            run TEXT NOT NULL, source TEXT NOT NULL, person TEXT NOT NULL, change TEXT NOT NULL,
            PRIMARY KEY (run, source)) STRICT, WITHOUT ROWID;
        -- Whose picture each copy in the vault is.
        CREATE TABLE kept (
            run TEXT NOT NULL, source TEXT NOT NULL, target TEXT NOT NULL, place TEXT NOT NULL, record TEXT NOT NULL,
            picture TEXT NOT NULL, sha256 TEXT NOT NULL, stored TEXT NOT NULL, was_displayed INTEGER NOT NULL,
            at TEXT NOT NULL,
            PRIMARY KEY (run, source, picture)) STRICT, WITHOUT ROWID;
        CREATE INDEX kept_by_person ON kept (target, at);
    ", "
        -- How a step has left the target: what an undo must find.
        ALTER TABLE steps ADD COLUMN after TEXT;
        CREATE INDEX steps_by_person ON steps (target, at);
    ", "
        -- Which run a run goes on with, and which one it takes back.
        ALTER TABLE runs ADD COLUMN continues TEXT;
        ALTER TABLE runs ADD COLUMN undoes TEXT;
        CREATE INDEX runs_by_continued ON runs (continues) WHERE continues IS NOT NULL;
        CREATE INDEX runs_by_undone ON runs (undoes) WHERE undoes IS NOT NULL;
        -- What a run set out to do, in portions, until it is complete.
        CREATE TABLE planned (
            id INTEGER PRIMARY KEY, run TEXT NOT NULL, portion INTEGER NOT NULL, steps BLOB NOT NULL,
            UNIQUE (run, portion)) STRICT;
        -- A run's people page by page, with and without a filter.
        CREATE INDEX steps_in_order ON steps (run, at, source, outcome);
    ", trail::TABLES, super::vault::RETENTION_MIGRATION],
    is_durable: true,
    self_test: |connection| {
        rows::unfinished(connection)?;
        rows::runs(connection, 1).map(drop)
    },
};

/// Why the audit trail was not read to its end.
#[derive(Debug, thiserror::Error)]
pub enum TrailError {
    /// Whoever it was handed to could not take it.
    #[error(transparent)]
    Output(#[from] std::io::Error),
    /// The journal cannot be read.
    #[error(transparent)]
    Storage(#[from] StoreError),
}

enum Interrupted {
    Output(std::io::Error),
    Storage(rusqlite::Error),
}

impl From<rusqlite::Error> for Interrupted {
    fn from(error: rusqlite::Error) -> Self {
        Self::Storage(error)
    }
}

/// A handle to the journal; clones share one writing thread.
#[derive(Clone)]
pub struct Journal {
    /// The file; a reader may be there before it is.
    path: PathBuf,
    writing: Option<Arc<Writing>>,
}

struct Writing {
    writer: Writer,
    /// The journal has one writer, so the next intent's number is known here.
    next: AtomicI64,
}

impl Journal {
    pub(super) fn open_for_writing(
        path: &Path,
        lock: Arc<Lock>,
        patience: Arc<Patience>,
        notes: &mut Vec<String>,
    ) -> Result<Self, StoreError> {
        let connection = database::open(path, &SCHEMA, notes)?;
        planned::forget_unbegun(&connection).map_err(StoreError::database("clear the journal"))?;
        let last: i64 = connection
            .query_row("SELECT coalesce(max(id), 0) FROM writes", [], |row| row.get(0))
            .map_err(StoreError::database("read the journal"))?;
        Ok(Self {
            path: path.to_owned(),
            writing: Some(Arc::new(Writing {
                writer: Writer::start(connection, lock, patience),
                next: AtomicI64::new(last + 1),
            })),
        })
    }

    pub(super) fn open_for_reading(path: &Path) -> Result<Self, StoreError> {
        // One that cannot be read is said so at once; one that is not there yet may be later.
        database::open_read_only(path, &SCHEMA)?;
        Ok(Self {
            path: path.to_owned(),
            writing: None,
        })
    }

    /// Begins a run of which nobody has to know what it set out to do.
    #[cfg(test)]
    pub(crate) async fn begin_run(&self, run: RunStart) -> Result<RunId, StoreError> {
        self.begin_planned_run(run, std::iter::empty()).await
    }

    /// Begins a run and names it: the moment, readable, and four random digits. When this returns the run and the whole
    /// of its plan are on the disk; if it fails there is neither.
    pub async fn begin_planned_run<'a>(
        &self,
        run: RunStart,
        plan: impl Iterator<Item = StepToPlan<'a>> + Send,
    ) -> Result<RunId, StoreError> {
        self.writing()?.writer.patience().renew();
        let random = uuid::Uuid::new_v4().simple().to_string();
        let id = RunId::new(format!(
            "{}-{}",
            run.started.strftime("%Y%m%d-%H%M%S"),
            &random[..4]
        ));
        let mut steps = plan.peekable();
        let mut last = None;
        for portion in 0.. {
            if steps.peek().is_none() {
                break;
            }
            let packed = planned::pack(steps.by_ref().take(planned::PORTION));
            if steps.peek().is_none() {
                last = Some((portion, packed));
            } else {
                self.commit(Entry::Planned(id.clone(), portion, packed)).await?;
            }
        }
        self.commit(Entry::RunBegins(id.clone(), run, last)).await?;
        Ok(id)
    }

    /// Ends a run.
    pub async fn finish_run(
        &self,
        run: &RunId,
        at: Timestamp,
        summary: Summary,
        stopped: Option<StopReason>,
    ) -> Result<(), StoreError> {
        self.commit(Entry::RunEnds {
            run: run.clone(),
            at,
            summary,
            stopped,
        })
        .await
    }

    /// Says that a person's turn has come. Returns at once, and is on the disk before the person's first intent is.
    pub async fn begin_step(&self, run: &RunId, person: &PersonRef, task: Task) -> Result<(), StoreError> {
        let entry = Entry::StepBegins(run.clone(), person.clone(), task);
        self.writing()?.writer.pass(entry).await
    }

    /// Announces a write. It is on the disk when this returns; only then may the request be sent.
    pub async fn intend(&self, intent: Intent) -> Result<IntentId, StoreError> {
        let id = self.writing()?.next.fetch_add(1, Ordering::Relaxed);
        self.commit(Entry::Intent(IntentId(id), intent)).await?;
        Ok(IntentId(id))
    }

    /// Says how a write went. Returns at once; it reaches the disk with or before whatever is committed next, and is
    /// kept for the next attempt if the disk is full.
    pub async fn answer(&self, intent: IntentId, at: Timestamp, answer: Answer) -> Result<(), StoreError> {
        self.writing()?
            .writer
            .pass(Entry::Answer(intent, at, answer))
            .await
    }

    /// Says whose picture a copy in the vault is. Like [`Journal::answer`] it returns at once, and is on the disk
    /// before the next intent is.
    pub async fn kept(&self, picture: KeptPicture) -> Result<(), StoreError> {
        self.writing()?.writer.pass(Entry::Kept(picture)).await
    }

    /// Says how a person ended. If the step is settled they are no longer under way when this returns.
    pub async fn step(&self, step: StepRecord) -> Result<(), StoreError> {
        self.commit(Entry::Step(step)).await
    }

    /// The latest runs, newest first.
    pub async fn runs(&self, limit: usize) -> Result<Vec<RunRecord>, StoreError> {
        self.read(move |connection| rows::runs(connection, limit)).await
    }

    /// One run.
    pub async fn run(&self, run: &RunId) -> Result<Option<RunRecord>, StoreError> {
        let run = run.clone();
        self.read(move |connection| rows::run(connection, &run)).await
    }

    /// How the people of a run ended, in no particular order.
    pub async fn steps(&self, run: &RunId) -> Result<Vec<StepRecord>, StoreError> {
        let run = run.clone();
        self.read(move |connection| rows::steps(connection, &run)).await
    }

    /// Runs of which something is left to do, the newest first.
    pub async fn cut_short(&self) -> Result<Vec<CutShort>, StoreError> {
        self.read(told::cut_short).await
    }

    /// What is left to do of one run; `None` if there is no such run.
    pub async fn left_of(&self, run: &RunId) -> Result<Option<CutShort>, StoreError> {
        let run = run.clone();
        self.read(move |connection| told::left_of(connection, &run)).await
    }

    /// Whose turn in a run never came, in the order of its plan; nobody once the plan is not kept any more.
    pub async fn not_reached(&self, run: &RunId) -> Result<Vec<PlannedStep>, StoreError> {
        let run = run.clone();
        self.read(move |connection| told::not_reached(connection, &run))
            .await
    }

    /// A page of runs, the newest first; `after` is the end of the page before.
    pub async fn past_runs(&self, after: Option<RunCursor>, limit: usize) -> Result<RunsPage, StoreError> {
        self.read(move |connection| past::runs(connection, after.as_ref(), limit))
            .await
    }

    /// One run, and what became of it.
    pub async fn past_run(&self, run: &RunId) -> Result<Option<PastRun>, StoreError> {
        let run = run.clone();
        self.read(move |connection| past::run(connection, &run)).await
    }

    /// A page of a run's people, in the order in which their turns ended; `after` is the end of the page before. Whether
    /// their pictures are kept, [`Store::past_people`](super::Store::past_people) tells.
    pub async fn past_people(
        &self,
        run: &RunId,
        filter: &PeopleFilter,
        after: Option<PeopleCursor>,
        limit: usize,
    ) -> Result<PeoplePage, StoreError> {
        let (run, filter) = (run.clone(), filter.clone());
        self.read(move |connection| past::people(connection, &run, &filter, after.as_ref(), limit))
            .await
    }

    /// One person's step in a run.
    pub async fn past_person(&self, run: &RunId, person: &SourceId) -> Result<Option<PastStep>, StoreError> {
        let (run, person) = (run.clone(), person.clone());
        self.read(move |connection| past::person(connection, &run, &person))
            .await
    }

    /// The steps that have written something for each of these people of the target, the newest first, by the order of the
    /// writes and not by a clock; in their order.
    pub async fn changes_of(&self, people: Vec<TargetId>) -> Result<Vec<Vec<StepRecord>>, StoreError> {
        self.read(move |connection| past::changes(connection, &people))
            .await
    }

    /// Every step of whoever is called this (see [`Journal::steps_of`]), the newest first.
    pub async fn past_of_person(&self, person: &str) -> Result<Vec<PastStep>, StoreError> {
        let person = person.trim().to_owned();
        self.read(move |connection| past::person_ever(connection, &person))
            .await
    }

    /// Every step that wrote something for a person whom this names: an id of either side, a sign-in name of either side
    /// or an e-mail address, in any capitalisation. The newest first, by the order of the writes and not by a clock.
    pub async fn steps_of(&self, person: &str) -> Result<Vec<StepRecord>, StoreError> {
        let person = person.trim().to_owned();
        self.read(move |connection| rows::steps_of(connection, &person))
            .await
    }

    /// What a run wrote for each of these people and kept before, in their order.
    pub async fn deeds(&self, run: &RunId, people: Vec<SourceId>) -> Result<Vec<Deeds>, StoreError> {
        let run = run.clone();
        self.read(move |connection| rows::deeds(connection, &run, &people))
            .await
    }

    /// The writes of a run in the order in which they were announced: the audit trail.
    pub async fn writes(&self, run: &RunId) -> Result<Vec<WriteRecord>, StoreError> {
        let run = run.clone();
        self.read(move |connection| rows::writes(connection, &run)).await
    }

    /// The latest writes for one person in the target, newest first. Looks through the whole trail, so it is for
    /// somebody who asks about one person.
    pub async fn writes_of_person(
        &self,
        person: &TargetId,
        limit: usize,
    ) -> Result<Vec<WriteRecord>, StoreError> {
        let person = person.clone();
        self.read(move |connection| rows::writes_of_person(connection, &person, limit))
            .await
    }

    /// Writes that were announced and of which it is not known how they went, oldest first.
    pub async fn outstanding(&self) -> Result<Vec<WriteRecord>, StoreError> {
        self.read(rows::outstanding).await
    }

    /// People whose push was begun and not settled, oldest first. While a run is under way these are its own.
    pub async fn unfinished(&self) -> Result<Vec<Unfinished>, StoreError> {
        self.read(rows::unfinished).await
    }

    /// Which pictures of a person are in the vault, newest first.
    pub async fn kept_pictures(&self, person: &TargetId) -> Result<Vec<KeptPicture>, StoreError> {
        let person = person.clone();
        self.read(move |connection| rows::kept_of_person(connection, &person))
            .await
    }

    /// Which pictures a run put into the vault.
    pub async fn kept_in_run(&self, run: &RunId) -> Result<Vec<KeptPicture>, StoreError> {
        let run = run.clone();
        self.read(move |connection| rows::kept_in_run(connection, &run))
            .await
    }

    /// Hands on the audit trail line by line, in the order in which writes were announced. Blocks, and holds one line
    /// however many there are.
    ///
    /// # Errors
    ///
    /// What `each` answers, which ends the reading; or that the journal cannot be read.
    pub fn trail(
        &self,
        filter: &TrailFilter,
        mut each: impl FnMut(TrailLine) -> std::io::Result<()>,
    ) -> Result<(), TrailError> {
        let Some(connection) = self.connection()? else {
            return Ok(());
        };
        trail::read(&connection, filter, |line| {
            each(line).map_err(Interrupted::Output)
        })
        .map_err(|ended| match ended {
            Interrupted::Output(error) => TrailError::Output(error),
            Interrupted::Storage(error) => {
                TrailError::Storage(StoreError::database("read the journal")(error))
            }
        })
    }

    /// Follows the chain of digests beside the audit trail; `None` if there is no journal yet. Blocks for about ten
    /// seconds for a million writes. `asked` is a digest that is to be found in the chain.
    ///
    /// # Errors
    ///
    /// If the journal cannot be read. A broken chain is no error here but what was found.
    pub fn verify(&self, asked: Option<&Sha256>) -> Result<Option<Verified>, StoreError> {
        self.connection()?
            .map(|connection| {
                trail::verify(&connection, asked).map_err(StoreError::database("read the journal"))
            })
            .transpose()
    }

    /// How many pages the file may have: what lies beyond is a full disk to SQLite.
    #[cfg(test)]
    pub(crate) async fn limit_pages(&self, pages: u32) {
        self.writing()
            .expect("opened for writing")
            .writer
            .pass(Entry::Room(pages))
            .await
            .expect("the thread is there");
    }

    fn connection(&self) -> Result<Option<Connection>, StoreError> {
        database::open_read_only(&self.path, &SCHEMA)
    }

    fn writing(&self) -> Result<&Writing, StoreError> {
        self.writing.as_deref().ok_or(StoreError::ReadOnly)
    }

    async fn commit(&self, entry: Entry) -> Result<(), StoreError> {
        self.writing()?.writer.commit(entry).await
    }

    /// Reads on a connection of its own, so that nobody waits for a commit.
    async fn read<T: Default + Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let path = self.path.clone();
        if let Some(writing) = &self.writing {
            // What was passed on without waiting is part of what a reader expects to see.
            writing.writer.flush().await?;
        }
        in_background(move || match database::open_read_only(&path, &SCHEMA)? {
            Some(connection) => query(&connection).map_err(StoreError::database("read the journal")),
            None => Ok(T::default()),
        })
        .await
    }
}

#[cfg(test)]
mod tests;
