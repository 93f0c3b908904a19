//! What was done before, read from the journal; the faces of the past; what an undo would do.

use std::sync::Arc;

use futures::StreamExt;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use crate::connector::Priority;
use crate::domain::ids::RunId;
use crate::domain::outstanding::Rest;
use crate::domain::plan::Plan;
use crate::domain::run::Outcome;
use crate::domain::text::clean;
use crate::domain::tidying::{Task, TidyKind, TidyPlan};
use crate::engine::{Engine, Ignore, PastFace, ResumeError, Resumption, ScanObserver, UndoError, in_words};
use crate::store::StoreError;
use crate::store::journal::{PastStep, PeopleCursor, PeopleFilter, RunCursor};
use crate::tui::faces::FaceQuestion;
use crate::tui::mailbox::Mailbox;
use crate::tui::message::{CutShort, Message, Trouble, Undo, Unfinished};
use crate::tui::paged::{PAGE, Slice, Wanted};

/// Faces that are fetched at once.
const AT_ONCE: usize = 4;

/// One reading of people at a time: whoever types a name must not gather readings of a long run.
#[derive(Debug, Default)]
pub struct Reading {
    turn: Arc<Mutex<()>>,
    question: u64,
    cancel: CancellationToken,
}

impl Reading {
    /// The turn to wait for, and what tells that nobody waits for the answer any more.
    pub fn of(&mut self, question: u64) -> (Arc<Mutex<()>>, CancellationToken) {
        if question != self.question {
            self.cancel.cancel();
            self.cancel = CancellationToken::new();
            self.question = question;
        }
        (Arc::clone(&self.turn), self.cancel.clone())
    }
}

/// Reads a page of runs.
pub async fn read_runs(engine: Arc<Engine>, mailbox: Mailbox, at: Wanted<RunCursor>) {
    let read = engine.past_runs(at.after.clone(), PAGE).await;
    let result = read.map_err(|error| unreadable(&error)).map(|page| Slice {
        rows: page.runs,
        next: page.next,
    });
    mailbox.post(Message::Runs { at, result });
}

/// Reads a page of a run's people, unless they are of no interest any more when the turn comes.
pub async fn read_people(
    engine: Arc<Engine>,
    mailbox: Mailbox,
    at: Wanted<PeopleCursor>,
    run: RunId,
    filter: PeopleFilter,
    (turn, cancel): (Arc<Mutex<()>>, CancellationToken),
) {
    let _turn = turn.lock().await;
    if cancel.is_cancelled() {
        return;
    }
    let read = engine.past_people(&run, &filter, at.after.clone(), PAGE).await;
    let result = read.map_err(|error| unreadable(&error)).map(|page| Slice {
        rows: page.people,
        next: page.next,
    });
    mailbox.post(Message::RunPeople { at, result });
}

/// Fetches faces, a few at once, each answered by itself.
pub async fn fetch_faces(engine: Arc<Engine>, mailbox: Mailbox, wanted: Vec<FaceQuestion>) {
    futures::stream::iter(wanted)
        .for_each_concurrent(AT_ONCE, |question| {
            let (engine, mailbox) = (Arc::clone(&engine), mailbox.clone());
            async move {
                let faces: Vec<(PastFace, &'static str)> = match &question {
                    FaceQuestion::Past(past) => both_faces(&engine, past).await.into(),
                    FaceQuestion::Now(person) => {
                        let face = engine.face_now(person, Priority::Foreground).await;
                        vec![(face, "displayed now")]
                    }
                    FaceQuestion::Again(step) => {
                        let face = engine.face_again(step, Priority::Foreground).await;
                        vec![(face, "comes back")]
                    }
                };
                for (key, (face, words)) in question.keys().into_iter().zip(faces) {
                    mailbox.post(Message::Face { key, face, words });
                }
            }
        })
        .await;
}

/// Before and after a step, with words for both. Where a run has set nothing, what is displayed now stands for it.
async fn both_faces(engine: &Engine, past: &PastStep) -> [(PastFace, &'static str); 2] {
    let faces = engine.past_faces(past, Priority::Foreground).await;
    let has_changed = matches!(past.step.outcome, Outcome::Updated | Outcome::Removed);
    let is_cleaning = past.step.change == Task::Tidy(TidyKind::Clean);
    let old = match faces.old {
        PastFace::None if is_cleaning => (PastFace::None, "nobody saw what went"),
        PastFace::None if !has_changed => (PastFace::None, "nothing was replaced"),
        old => (old, "before this run"),
    };
    let new = match faces.new {
        PastFace::None => {
            let now = engine.face_now(&past.step.person, Priority::Foreground).await;
            (now, "displayed now")
        }
        new => (new, "set by this run"),
    };
    [old, new]
}

/// What would take something back.
pub async fn plan_undo(engine: &Engine, undo: Undo, cancel: &CancellationToken) -> Result<TidyPlan, Trouble> {
    let planned = match undo {
        Undo::Run(run) => engine.undo_plan(run.as_str()).await,
        Undo::OfRun(run, person) => engine.undo_plan_of_person(&run, &person).await,
        Undo::Last(people) => engine.undo_plan_of_people(&people).await,
        Undo::Rest(run) => {
            return match resumption(engine, &run, &Ignore, cancel).await? {
                Resumption::Tidy(plan) => Ok(plan),
                Resumption::Push(_) => Err(Trouble {
                    what: format!("run {run} was no undo"),
                    hint: None,
                }),
            };
        }
    };
    planned.map_err(|error| {
        let hint = match &error {
            UndoError::UnderWay(_) => Some("the next start settles what was in hand".to_owned()),
            UndoError::Connector(connector) => connector.hint.clone(),
            UndoError::Unknown(_) | UndoError::Ambiguous { .. } | UndoError::Storage(_) => None,
        };
        in_trouble(&error, hint.as_deref())
    })
}

/// What would be done for those for whom a run that was cut short has left something to do.
pub async fn plan_rest(
    engine: &Engine,
    run: &RunId,
    observer: &dyn ScanObserver,
    cancel: &CancellationToken,
) -> Result<Plan, Trouble> {
    match resumption(engine, run, observer, cancel).await? {
        Resumption::Push(plan) => Ok(plan),
        Resumption::Tidy(_) => Err(Trouble {
            what: format!("run {run} was an undo"),
            hint: None,
        }),
    }
}

async fn resumption(
    engine: &Engine,
    run: &RunId,
    observer: &dyn ScanObserver,
    cancel: &CancellationToken,
) -> Result<Resumption, Trouble> {
    let words = |error: ResumeError| in_trouble(&error, None);
    let outstanding = engine.outstanding_of(run.as_str()).await.map_err(words)?;
    if outstanding.people.is_empty() {
        return Err(Trouble {
            what: format!("nothing is left to do of run {run}"),
            hint: None,
        });
    }
    engine
        .resumption(&outstanding, observer, cancel)
        .await
        .map_err(words)
}

/// Says what slows the profile down.
pub async fn tell_standing(engine: &Engine, mailbox: &Mailbox) {
    let known = async { Ok::<_, StoreError>((engine.brakes().await?, engine.parked().await?)) };
    match known.await {
        Ok((brakes, parked)) => mailbox.post(Message::Standing {
            quarantine: brakes.quarantine,
            parked,
            waiting: brakes.waiting,
        }),
        Err(error) => mailbox.post(Message::Trouble(Trouble {
            what: format!("the brakes cannot be read: {}", unreadable(&error).what),
            hint: None,
        })),
    }
}

/// Says whether a run was cut short and has left something to do.
pub async fn tell_unfinished(engine: &Engine, mailbox: &Mailbox, settled: u64) {
    tell_standing(engine, mailbox).await;
    match engine.outstanding().await {
        Ok(newest) => {
            let left = newest.map(|(outstanding, others)| {
                let unsettled = outstanding.count(Rest::Settle);
                Box::new(Unfinished {
                    run: CutShort {
                        id: outstanding.run.id.clone(),
                        kind: outstanding.run.start.kind,
                        brake: outstanding.brake().map(|why| clean(why).into_owned()),
                    },
                    started: outstanding.run.start.started,
                    unsettled,
                    left: outstanding.people.len() as u64 - unsettled,
                    others,
                })
            });
            mailbox.post(Message::Unfinished { settled, left });
        }
        Err(error) => mailbox.post(Message::Trouble(Trouble {
            what: format!(
                "it cannot be told whether a run was cut short: {}",
                unreadable(&error).what
            ),
            hint: None,
        })),
    }
}

fn in_trouble(error: &(dyn std::error::Error + 'static), hint: Option<&str>) -> Trouble {
    Trouble {
        what: clean(&in_words(error)).into_owned(),
        hint: hint.map(|hint| clean(hint).into_owned()),
    }
}

fn unreadable(error: &StoreError) -> Trouble {
    Trouble {
        what: clean(&error.sentence()).into_owned(),
        hint: None,
    }
}
