//! The thread that writes the journal: everything that waits goes into one transaction, because a durable commit
//! costs milliseconds however much is in it.

use std::sync::Arc;
use std::thread::JoinHandle;

use jiff::Timestamp;
use rusqlite::{Connection, TransactionBehavior, params};
use tokio::sync::{mpsc, oneshot};

use super::records::{Answer, Intent, IntentId, KeptPicture, RunStart, StepRecord};
use super::rows::json;
use super::trail::{self, Link};
use crate::domain::ids::{PictureId, RecordId, RunId, TargetId};
use crate::domain::run::{PersonRef, StopReason, Summary};
use crate::domain::tidying::Task;
use crate::store::StoreError;
use crate::store::lock::Lock;
use crate::store::patience::{Patience, has_no_room};

/// How many entries may wait for the thread.
const QUEUE: usize = 1024;

/// The most entries of one transaction.
const GROUP: usize = 512;

/// One line of the journal.
pub(super) enum Entry {
    /// A portion of what a run will do; the run does not exist yet.
    Planned(RunId, i64, Vec<u8>),
    /// With the last portion of what it will do.
    RunBegins(RunId, RunStart, Option<(i64, Vec<u8>)>),
    RunEnds {
        run: RunId,
        at: Timestamp,
        summary: Summary,
        stopped: Option<StopReason>,
    },
    StepBegins(RunId, PersonRef, Task),
    Intent(IntentId, Intent),
    Answer(IntentId, Timestamp, Answer),
    Kept(KeptPicture),
    Step(StepRecord),
    /// How many pages the file may have.
    #[cfg(test)]
    Room(u32),
    /// Nothing; its commit says that everything before it is on the disk.
    Mark,
}

struct Waiting {
    entry: Entry,
    /// Whoever waits for the commit. Without, the entry is kept until a commit succeeds.
    reply: Option<oneshot::Sender<Result<(), StoreError>>>,
}

pub(super) struct Writer {
    /// Goes first: without it the thread writes what is left, and ends.
    queue: mpsc::Sender<Waiting>,
    thread: Thread,
}

/// The thread that writes. Whoever drops it waits for its end.
struct Thread {
    handle: Option<JoinHandle<()>>,
    patience: Arc<Patience>,
}

impl Writer {
    /// The lock lives as long as the thread, so that nobody else writes before the last entry is on the disk.
    pub(super) fn start(connection: Connection, lock: Arc<Lock>, patience: Arc<Patience>) -> Self {
        let (queue, waiting) = mpsc::channel(QUEUE);
        let shared = Arc::clone(&patience);
        let handle = std::thread::Builder::new()
            .name("journal".into())
            .spawn(move || {
                write_until_closed(connection, waiting, &shared);
                drop(lock);
            })
            .expect("the operating system starts a thread");
        Self {
            queue,
            thread: Thread {
                handle: Some(handle),
                patience,
            },
        }
    }

    /// What is waited for when the disk is full.
    pub(super) fn patience(&self) -> &Patience {
        &self.thread.patience
    }

    /// Writes an entry and waits until it is on the disk.
    pub(super) async fn commit(&self, entry: Entry) -> Result<(), StoreError> {
        let (reply, committed) = oneshot::channel();
        self.send(Waiting {
            entry,
            reply: Some(reply),
        })
        .await?;
        committed.await.map_err(|_| StoreError::Closed)?
    }

    /// Passes an entry on; it is written before anything that is passed on later.
    pub(super) async fn pass(&self, entry: Entry) -> Result<(), StoreError> {
        self.send(Waiting { entry, reply: None }).await
    }

    /// Waits until everything passed on so far is on the disk.
    pub(super) async fn flush(&self) -> Result<(), StoreError> {
        self.commit(Entry::Mark).await
    }

    async fn send(&self, waiting: Waiting) -> Result<(), StoreError> {
        self.queue.send(waiting).await.map_err(|_| StoreError::Closed)
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        // Whoever closes does not wait for room.
        self.patience.give_up();
        // A panic there has been answered with `Closed` to everybody who asked since.
        drop(self.handle.take().map(JoinHandle::join));
    }
}

fn write_until_closed(mut connection: Connection, mut queue: mpsc::Receiver<Waiting>, patience: &Patience) {
    let mut group: Vec<Waiting> = Vec::new();
    while let Some(first) = queue.blocking_recv() {
        group.push(first);
        let outcome = loop {
            let space = GROUP.saturating_sub(group.len());
            group.extend(std::iter::from_fn(|| queue.try_recv().ok()).take(space));
            #[cfg(test)]
            make_room(&connection, &group);
            let is_marker_only = group.iter().all(|waiting| matches!(waiting.entry, Entry::Mark));
            if is_marker_only {
                break Ok(());
            }
            match write(&mut connection, &group) {
                Err(error) if has_no_room(&error) => {
                    dismiss(&mut group, &error);
                    if group.is_empty() || !patience.wait() {
                        break Err(error);
                    }
                }
                outcome => {
                    patience.relax();
                    break outcome;
                }
            }
        };
        match outcome {
            Ok(()) => {
                for waiting in group.drain(..) {
                    answer(waiting.reply, Ok(()));
                }
            }
            Err(error) => {
                // What somebody waits for is told and dropped; what nobody waits for is tried again with the next.
                let mut carried = Vec::new();
                for waiting in group.drain(..) {
                    match waiting.reply {
                        Some(reply) => answer(Some(reply), Err(error.clone())),
                        None => carried.push(waiting),
                    }
                }
                group = carried;
            }
        }
    }
    if !group.is_empty()
        && let Err(error) = write(&mut connection, &group)
    {
        // The next start finds these writes without an answer and looks at the target.
        tracing::error!(
            error = error.sentence(),
            entries = group.len(),
            "the journal's last entries could not be written"
        );
    }
}

/// Before anything is written, as somebody would who clears a disk.
#[cfg(test)]
fn make_room(connection: &Connection, group: &[Waiting]) {
    for waiting in group {
        if let Entry::Room(pages) = waiting.entry {
            connection
                .query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(()))
                .expect("set");
        }
    }
}

/// While there is no room, a run that has not begun does not begin, and whoever wants to read sees what is on the disk.
fn dismiss(group: &mut Vec<Waiting>, error: &StoreError) {
    let mut carried = Vec::with_capacity(group.len());
    for waiting in group.drain(..) {
        match waiting.entry {
            Entry::Mark => answer(waiting.reply, Ok(())),
            Entry::Planned(..) | Entry::RunBegins(..) => answer(waiting.reply, Err(error.clone())),
            _ => carried.push(waiting),
        }
    }
    *group = carried;
}

fn answer(reply: Option<oneshot::Sender<Result<(), StoreError>>>, result: Result<(), StoreError>) {
    if let Some(reply) = reply {
        // Whoever waited may have been cancelled.
        drop(reply.send(result));
    }
}

fn write(connection: &mut Connection, group: &[Waiting]) -> Result<(), StoreError> {
    let written = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .and_then(|transaction| {
            for waiting in group {
                insert(&transaction, &waiting.entry)?;
            }
            transaction.commit()
        });
    written.map_err(StoreError::database("write the journal"))
}

fn plan(connection: &Connection, run: &RunId, portion: i64, steps: &[u8]) -> rusqlite::Result<()> {
    connection
        .prepare_cached("INSERT INTO planned (run, portion, steps) VALUES (?1, ?2, ?3)")?
        .execute(params![run.as_str(), portion, steps])
        .map(drop)
}

/// Nobody goes on with a run that is complete, with those it went on with, or with any other once everybody has been
/// looked at anew.
fn forget_plans(connection: &Connection, run: &RunId) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "WITH RECURSIVE chain (id) AS (
                 VALUES (?1) UNION SELECT continues FROM runs JOIN chain USING (id) WHERE continues IS NOT NULL)
             DELETE FROM planned WHERE run IN (SELECT id FROM chain)
                 OR EXISTS (SELECT 1 FROM runs WHERE id = ?1 AND kind = 'sync' AND continues IS NULL)",
        )?
        .execute([run.as_str()])
        .map(drop)
}

pub(super) fn insert(connection: &Connection, entry: &Entry) -> rusqlite::Result<()> {
    match entry {
        Entry::Mark => Ok(()),
        #[cfg(test)]
        Entry::Room(_) => Ok(()),
        Entry::Planned(run, portion, steps) => plan(connection, run, *portion, steps),
        Entry::RunBegins(id, run, last) => {
            if let Some((portion, steps)) = last {
                plan(connection, id, *portion, steps)?;
            }
            connection
            .prepare_cached(
                "INSERT INTO runs (id, profile, kind, started, os_user, host, account, planned, continues, undoes)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
            )?
            .execute(params![
                id.as_str(),
                run.profile,
                run.kind.code(),
                run.started.to_string(),
                run.actor.os_user,
                run.actor.host,
                run.actor.account,
                json(&run.planned),
                run.continues.as_ref().map(RunId::as_str),
                run.undoes.as_ref().map(RunId::as_str),
            ])?;
            trail::extend(connection, Link::Run(id.as_str()))
        }
        Entry::RunEnds {
            run,
            at,
            summary,
            stopped,
        } => {
            if stopped.is_none() {
                forget_plans(connection, run)?;
            }
            connection
            .prepare_cached("UPDATE runs SET finished = ?2, summary = ?3, stopped = ?4 WHERE id = ?1 AND finished IS NULL")?
            .execute(params![
                run.as_str(),
                at.to_string(),
                json(summary),
                stopped.as_ref().map(json),
            ])
            .map(drop)
        }
        Entry::StepBegins(run, person, change) => connection
            .prepare_cached(
                "INSERT OR REPLACE INTO under_way (run, source, person, change) VALUES (?1, ?2, ?3, ?4)",
            )?
            .execute(params![
                run.as_str(),
                person.source.as_str(),
                json(person),
                json(change)
            ])
            .map(drop),
        Entry::Intent(id, intent) => {
            connection
            .prepare_cached(
                "INSERT INTO writes (id, run, source, target, kind, place, record, picture, old_picture, sha256,
                                     bytes, expected, at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
            )?
            .execute(params![
                id.0,
                intent.run.as_str(),
                intent.source.as_str(),
                intent.target.as_str(),
                intent.kind.code(),
                intent.place.0,
                intent.record.as_ref().map(RecordId::as_str),
                intent.picture.as_ref().map(PictureId::as_str),
                intent.old_picture.as_ref().map(PictureId::as_str),
                intent.sha256.map(|sha256| sha256.to_string()),
                intent.bytes.map(|bytes| bytes as i64),
                json(&intent.expected),
                intent.at.to_string(),
            ])?;
            trail::extend(connection, Link::Announced(id.0))
        }
        Entry::Answer(id, at, answer) => {
            let (code, made, detail) = match answer {
                Answer::Done(made) => ("done", made.as_deref(), None),
                Answer::NotDone(detail) => ("not_done", None, Some(detail)),
            };
            // What was answered once stays so.
            let filled = connection
                .prepare_cached(
                    "UPDATE writes SET answer = ?2, answer_id = ?3, detail = ?4, answered = ?5
                     WHERE id = ?1 AND answer IS NULL",
                )?
                .execute(params![id.0, code, made, detail, at.to_string()])?;
            match filled {
                0 => Ok(()),
                _ => trail::extend(connection, Link::Answered(id.0)),
            }
        }
        Entry::Kept(kept) => connection
            .prepare_cached(
                "INSERT OR REPLACE INTO kept (run, source, target, place, record, picture, sha256, stored,
                                              was_displayed, at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
            )?
            .execute(params![
                kept.run.as_str(),
                kept.source.as_str(),
                kept.target.as_str(),
                kept.place.0,
                kept.record.as_str(),
                kept.stored.id.as_str(),
                kept.sha256.to_string(),
                json(&kept.stored),
                kept.was_displayed,
                kept.at.to_string(),
            ])
            .map(drop),
        Entry::Step(step) => {
            if step.settled {
                connection
                    .prepare_cached("DELETE FROM under_way WHERE run = ?1 AND source = ?2")?
                    .execute([step.run.as_str(), step.person.source.as_str()])?;
            }
            connection
            .prepare_cached(
                "INSERT OR REPLACE INTO steps (run, source, target, person, change, outcome, detail, hint, settled,
                                               after, at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
            )?
            .execute(params![
                step.run.as_str(),
                step.person.source.as_str(),
                step.person.target.as_ref().map(TargetId::as_str),
                json(&step.person),
                json(&step.change),
                step.outcome.code(),
                step.detail,
                step.hint,
                step.settled,
                step.after.as_ref().map(json),
                step.at.to_string(),
            ])
            .map(drop)
        }
    }
}
