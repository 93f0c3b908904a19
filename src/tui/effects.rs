//! Does what the screen wants done. The only part of it that knows the engine, the disk and the clock.
//!
//! Everything runs beside the screen; answers come back as messages. What nobody waits for any more is dropped.

mod explaining;
mod looking_back;
mod painting;
mod removing;
mod running;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use jiff::Timestamp;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::looked::PersonLook;
use super::mailbox::Mailbox;
use super::message::{Compared, Effect, Kept, Message, Release, ScanNews, Scanned, Tidying, Trouble, Who};
use crate::connector::http::{RequestLog, RequestRecord};
use crate::connector::{LaneState, Priority};
use crate::domain::comparison::Verdict;
use crate::domain::listing::{Listed, Listing};
use crate::domain::litter::CleaningOptions;
use crate::domain::plan::{Limits, Plan};
use crate::domain::run::PersonRef;
use crate::domain::text::clean;
use crate::engine::{Depth, Engine, EngineError, ScanEvent, in_words};
use crate::graphics::Canvas;
use crate::store::StorePaths;
use looking_back::Reading;
use painting::Painting;
use running::Running;

/// How long the cursor has to rest before anybody is looked at.
const BREATH: Duration = Duration::from_millis(40);
/// People compared at once behind the screen, and how many such groups.
const COMPARED_AT_ONCE: usize = 16;
/// See [`COMPARED_AT_ONCE`].
const GROUPS: usize = 2;
/// With more marked people than this share of everybody, one scan costs less than looking each of them up.
const SCAN_INSTEAD: usize = 400;

/// What the screen works with.
#[derive(Clone)]
pub struct Services {
    /// Reads.
    pub engine: Arc<Engine>,
    /// Opens the engine for writing: takes the profile's lock.
    pub writer: Arc<dyn Fn() -> Result<Arc<Engine>, Trouble> + Send + Sync>,
    /// The administrator's limits.
    pub limits: Limits,
    /// The requests of both sides.
    pub requests: Vec<RequestLog>,
    /// Where the last scan is kept.
    pub store: StorePaths,
}

/// Does what the screen wants done.
pub struct Effects {
    services: Services,
    mailbox: Mailbox,
    painting: Painting,
    running: Running,
    scan: Option<CancellationToken>,
    comparing: Option<CancellationToken>,
    planning: Option<CancellationToken>,
    explaining: Option<CancellationToken>,
    rest: Option<JoinHandle<()>>,
    reading: Reading,
}

impl Effects {
    /// Answers go to `mailbox`.
    pub fn new(services: Services, mailbox: Mailbox) -> Self {
        Self {
            painting: Painting::new(mailbox.clone()),
            running: Running::new(services.clone(), mailbox.clone()),
            services,
            mailbox,
            scan: None,
            comparing: None,
            planning: None,
            explaining: None,
            rest: None,
            reading: Reading::default(),
        }
    }

    /// Pictures are drawn like this from now on.
    pub fn set_canvas(&self, canvas: &Canvas) {
        self.painting.set_canvas(canvas);
    }

    /// How the traffic is doing.
    pub fn lanes(&self) -> Vec<LaneState> {
        self.services.engine.lanes()
    }

    /// The run under way, for whoever has to wait for its end.
    pub fn running(&mut self) -> &mut Running {
        &mut self.running
    }

    /// Reads the last scan from disk, on a thread of its own.
    pub fn load_snapshot(&self) {
        let (store, mailbox) = (self.services.store.clone(), self.mailbox.clone());
        tokio::task::spawn_blocking(move || {
            let listed = match crate::store::snapshot::load(&store) {
                Ok(listed) => listed,
                Err(error) => {
                    mailbox.post(Message::Trouble(Trouble {
                        what: format!("the last scan cannot be read: {}", error.sentence()),
                        hint: None,
                    }));
                    None
                }
            };
            mailbox.post(Message::Snapshot(listed.map(Box::new)));
        });
    }

    /// Settles what an interrupted run has left, if it has left anything, may be written and nobody else is writing; and
    /// says whether a run that was cut short has left something to do.
    pub fn look_for_unfinished(&mut self, may_write: bool) {
        if may_write {
            self.running.settle_left_over();
        } else {
            self.tell_unfinished();
        }
    }

    fn tell_unfinished(&self) {
        let (engine, mailbox) = (Arc::clone(&self.services.engine), self.mailbox.clone());
        self.beside(async move { looking_back::tell_unfinished(&engine, &mailbox, 0).await });
    }

    /// Does one thing. What concerns the terminal is not done here.
    pub fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Scan { fill } => self.begin_scan(fill),
            Effect::StopScan => stop(&mut self.scan),
            Effect::Compare(people) => self.compare(people),
            Effect::StopComparing => stop(&mut self.comparing),
            Effect::Judge {
                question,
                listing,
                gallery,
                seen,
            } => {
                let mailbox = self.mailbox.clone();
                self.beside(async move {
                    let judging = tokio::task::spawn_blocking(move || {
                        let gallery = gallery.with(&seen);
                        let suspicions = listing.judged(&gallery);
                        (Arc::new(gallery), suspicions)
                    });
                    let (gallery, suspicions) = match judging.await {
                        Ok(judged) => judged,
                        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
                        // The program is ending.
                        Err(_) => return,
                    };
                    mailbox.post(Message::Judged {
                        question,
                        gallery,
                        suspicions,
                    });
                });
            }
            Effect::Rest(moves) => self.begin_rest(moves),
            Effect::Look(people) => self.look(people),
            Effect::Explain { question, person } => {
                stop(&mut self.explaining);
                let cancel = CancellationToken::new();
                self.explaining = Some(cancel.clone());
                let (engine, mailbox) = (Arc::clone(&self.services.engine), self.mailbox.clone());
                self.beside(explaining::explain(engine, mailbox, question, person, cancel));
            }
            Effect::Fetch(wanted) => {
                let (engine, mailbox) = (Arc::clone(&self.services.engine), self.mailbox.clone());
                self.beside(explaining::fetch(engine, mailbox, wanted));
            }
            Effect::Paint {
                key,
                bytes,
                is_wanted_now,
            } => self.painting.paint(key, bytes, is_wanted_now),
            Effect::DropPaints => self.painting.drop_waiting(),
            Effect::Plan {
                question,
                who,
                is_confirmed,
            } => self.plan(question, who, is_confirmed),
            Effect::PlanTidying { question, tidying } => self.plan_tidying(question, tidying),
            Effect::DropPlan => stop(&mut self.planning),
            Effect::Apply { plan, who } => self.running.apply(*plan, &who),
            Effect::Tidy { plan, continues } => self.running.tidy(*plan, continues),
            Effect::Release(what) => self.release(what),
            Effect::ReadRemovals => {
                let (engine, mailbox) = (Arc::clone(&self.services.engine), self.mailbox.clone());
                self.beside(async move { removing::read(&engine, &mailbox).await });
            }
            Effect::Decide { removals, word } => {
                let (engine, mailbox) = (Arc::clone(&self.services.engine), self.mailbox.clone());
                self.beside(async move { removing::decide(&engine, &mailbox, removals, word).await });
            }
            Effect::ReadUnfinished => self.tell_unfinished(),
            Effect::ReadRuns(at) => self.beside(looking_back::read_runs(
                Arc::clone(&self.services.engine),
                self.mailbox.clone(),
                at,
            )),
            Effect::ReadRunPeople { at, run, filter } => {
                let (engine, mailbox) = (Arc::clone(&self.services.engine), self.mailbox.clone());
                let reading = self.reading.of(at.question);
                self.beside(looking_back::read_people(
                    engine, mailbox, at, run, filter, reading,
                ));
            }
            Effect::FetchFaces(wanted) => {
                let (engine, mailbox) = (Arc::clone(&self.services.engine), self.mailbox.clone());
                self.beside(looking_back::fetch_faces(engine, mailbox, wanted));
            }
            Effect::PauseRun => self.running.pause(),
            Effect::ResumeRun => self.running.resume(),
            Effect::CancelRun => self.running.cancel(),
            Effect::Keep(kept) => self.keep(kept),
            Effect::PrepareSearch(listing) => {
                tokio::task::spawn_blocking(move || listing.prepare_search());
            }
            Effect::ReadRequests => self.mailbox.post(Message::Requests(self.requests())),
            Effect::Open(address) => self.open(&address),
            Effect::Copy(_) | Effect::Redraw | Effect::Suspend | Effect::Quit => {}
        }
    }

    /// Runs something beside the screen. What panics is reported and takes nothing else with it.
    fn beside(&self, work: impl Future<Output = ()> + Send + 'static) {
        let mailbox = self.mailbox.clone();
        tokio::spawn(async move {
            if let Err(error) = tokio::spawn(work).await
                && error.is_panic()
            {
                mailbox.post(Message::Trouble(Trouble {
                    what: "a part of the program broke; what it was doing is not done".into(),
                    hint: Some("please report this".into()),
                }));
            }
        });
    }

    fn begin_scan(&mut self, fill: bool) {
        let cancel = CancellationToken::new();
        self.scan = Some(cancel.clone());
        let (engine, mailbox) = (Arc::clone(&self.services.engine), self.mailbox.clone());
        self.beside(async move {
            let observer = {
                let mailbox = mailbox.clone();
                move |event: ScanEvent<'_>| {
                    if let ScanEvent::SourcePage { people, .. } = &event
                        && fill
                    {
                        mailbox.post(Message::Page(people.to_vec()));
                    }
                    if let Some(news) = scan_news(&event) {
                        mailbox.post(Message::Scanning(news));
                    }
                }
            };
            let result = engine.scan_with_faces(Depth::Stamps, &observer, &cancel).await;
            let result = match result {
                Ok((scanned, gallery)) => Ok(Box::new(Scanned {
                    listed: scanned.listed,
                    problems: scanned.problems,
                    gallery,
                })),
                Err(error) => Err(trouble(&error)),
            };
            mailbox.post(Message::Scanned(result));
        });
    }

    fn begin_rest(&mut self, moves: u64) {
        if let Some(rest) = self.rest.take() {
            rest.abort();
        }
        let mailbox = self.mailbox.clone();
        self.rest = Some(tokio::spawn(async move {
            tokio::time::sleep(BREATH).await;
            mailbox.post(Message::Rested(moves));
        }));
    }

    fn look(&self, people: Vec<PersonRef>) {
        let (engine, mailbox) = (Arc::clone(&self.services.engine), self.mailbox.clone());
        self.beside(async move {
            let result = engine.look(&people, Priority::Foreground).await;
            let at = Timestamp::now();
            match result {
                Ok(looks) => {
                    for (person, look) in people.into_iter().zip(looks) {
                        mailbox.post(Message::Looked {
                            person: person.source,
                            result: Ok(Box::new(PersonLook::of(&look, at))),
                        });
                    }
                }
                Err(error) => {
                    for person in people {
                        mailbox.post(Message::Looked {
                            person: person.source,
                            result: Err(trouble(&error)),
                        });
                    }
                }
            }
        });
    }

    fn compare(&mut self, people: Vec<PersonRef>) {
        stop(&mut self.comparing);
        let cancel = CancellationToken::new();
        self.comparing = Some(cancel.clone());
        let (engine, mailbox) = (Arc::clone(&self.services.engine), self.mailbox.clone());
        self.beside(async move {
            let groups: Vec<Vec<PersonRef>> = people
                .chunks(COMPARED_AT_ONCE)
                .map(<[PersonRef]>::to_vec)
                .collect();
            let mut groups = futures::stream::iter(groups)
                .map(|group| {
                    let engine = Arc::clone(&engine);
                    async move { compare_some(&engine, &group).await }
                })
                .buffer_unordered(GROUPS);
            let mut result = Ok(());
            while let Some(next) = cancel.run_until_cancelled(groups.next()).await {
                match next {
                    None => break,
                    Some(Ok(compared)) => mailbox.post(Message::Compared(compared)),
                    Some(Err(error)) => {
                        result = Err(trouble(&error));
                        break;
                    }
                }
            }
            // Whoever stopped it knows, and may have begun anew.
            if !cancel.is_cancelled() {
                mailbox.post(Message::ComparingEnded(result));
            }
        });
    }

    fn plan_tidying(&mut self, question: u64, tidying: Tidying) {
        stop(&mut self.planning);
        let cancel = CancellationToken::new();
        self.planning = Some(cancel.clone());
        let (engine, mailbox) = (Arc::clone(&self.services.engine), self.mailbox.clone());
        self.beside(async move {
            let result = match tidying {
                Tidying::Clean => {
                    let observer = planning_news(&mailbox, question);
                    let options = CleaningOptions::default();
                    let planned = engine.cleaning_plan(&[], options, &observer, &cancel).await;
                    planned.map_err(|error| trouble(&error))
                }
                Tidying::Undo(undo) => {
                    let planned =
                        cancel.run_until_cancelled(Box::pin(looking_back::plan_undo(&engine, undo, &cancel)));
                    match planned.await {
                        Some(planned) => planned,
                        None => return,
                    }
                }
            };
            if !cancel.is_cancelled() {
                let result = result.map(Box::new);
                mailbox.post(Message::TidyingPlanned { question, result });
            }
        });
    }

    fn plan(&mut self, question: u64, who: Who, is_confirmed: bool) {
        stop(&mut self.planning);
        let cancel = CancellationToken::new();
        self.planning = Some(cancel.clone());
        let (engine, mailbox) = (Arc::clone(&self.services.engine), self.mailbox.clone());
        self.beside(async move {
            let observer = planning_news(&mailbox, question);
            let planned = match who {
                Who::Rest(run) => looking_back::plan_rest(&engine, &run.id, &observer, &cancel).await,
                who => plan(&engine, who, is_confirmed, &observer, &cancel)
                    .await
                    .map_err(|error| trouble(&error)),
            };
            if cancel.is_cancelled() {
                return;
            }
            let result = planned.map(Box::new);
            mailbox.post(Message::Planned { question, result });
        });
    }

    fn keep(&self, kept: Kept) {
        let (engine, mailbox) = (Arc::clone(&self.services.engine), self.mailbox.clone());
        self.beside(async move {
            let copied = tokio::task::spawn_blocking(move || Listed {
                scanned_at: kept.scanned_at,
                complete: kept.complete,
                listing: Listing::clone(&kept.listing),
            });
            // Otherwise the program is ending.
            let Ok(listed) = copied.await else { return };
            if let Err(what) = engine.remember_scan(Arc::new(listed)).await {
                mailbox.post(Message::Trouble(Trouble { what, hint: None }));
            }
        });
    }

    /// Takes the profile's lock for a moment: what runs pass over is remembered beside the journal.
    fn release(&self, what: Release) {
        let (services, mailbox) = (self.services.clone(), self.mailbox.clone());
        self.beside(async move {
            let open = services.writer.clone();
            let Ok(opened) = tokio::task::spawn_blocking(move || open()).await else {
                return;
            };
            let released = match opened {
                Err(trouble) => {
                    mailbox.post(Message::Trouble(trouble));
                    return;
                }
                Ok(writer) => match what {
                    Release::Quarantine => writer
                        .release_quarantine()
                        .await
                        .map(|()| "the quarantine is over; scheduled runs go on".to_owned()),
                    Release::People(people) => writer.release(people).await.map(|count| {
                        let people = crate::report::text::people(count as u64);
                        format!("released {people}; the next run tries again")
                    }),
                },
            };
            match released {
                Ok(words) => mailbox.post(Message::Said(words)),
                Err(error) => mailbox.post(Message::Trouble(Trouble {
                    what: clean(&error.sentence()).into_owned(),
                    hint: None,
                })),
            }
            looking_back::tell_standing(&services.engine, &mailbox).await;
        });
    }

    fn requests(&self) -> Vec<RequestRecord> {
        let mut records: Vec<RequestRecord> = self
            .services
            .requests
            .iter()
            .flat_map(RequestLog::recent)
            .collect();
        records.sort_by_key(|record| record.at);
        records
    }

    /// Opens an address in a browser where there is one; says it where there is none.
    fn open(&self, address: &str) {
        let is_remote = ["SSH_CONNECTION", "SSH_TTY"]
            .iter()
            .any(|name| std::env::var_os(name).is_some());
        let opened = !is_remote && open::that_detached(address).is_ok();
        let words = if opened {
            "opened"
        } else {
            "open this in a browser:"
        };
        self.mailbox.post(Message::Said(format!("{words} {address}")));
    }
}

fn stop(token: &mut Option<CancellationToken>) {
    if let Some(token) = token.take() {
        token.cancel();
    }
}

/// Tells the screen how far the making of a plan is.
fn planning_news(mailbox: &Mailbox, question: u64) -> impl Fn(ScanEvent<'_>) + Send + Sync + use<> {
    let mailbox = mailbox.clone();
    move |event| {
        if let Some(news) = scan_news(&event) {
            mailbox.post(Message::Planning { question, news });
        }
    }
}

/// A plan for these people, from a fresh look at them.
async fn plan(
    engine: &Engine,
    who: Who,
    is_confirmed: bool,
    observer: &dyn crate::engine::ScanObserver,
    cancel: &CancellationToken,
) -> Result<Plan, EngineError> {
    let all = || {
        let candidates = engine.candidates();
        if is_confirmed {
            candidates.confirmed()
        } else {
            candidates
        }
    };
    let candidates = match who {
        Who::Everybody | Who::Rest(_) => all(),
        Who::People(people) if people.len() <= SCAN_INSTEAD => {
            let ids: Vec<String> = people.iter().map(ToString::to_string).collect();
            let scan = cancel
                .run_until_cancelled(engine.scan_people(&ids, Depth::Settled))
                .await
                .ok_or(EngineError::Cancelled)??;
            return Ok(if is_confirmed {
                engine.plan_confirmed(&scan).await
            } else {
                engine.plan(&scan).await
            });
        }
        Who::People(people) => all().only(people),
    };
    let (scanned, candidates) = engine
        .scan_into(Depth::Settled, candidates, observer, cancel)
        .await?;
    let (scanned_at, complete) = (scanned.listed.scanned_at, scanned.listed.complete);
    let suspicions = scanned.listed.listing.suspicions();
    drop(scanned);
    Ok(engine
        .plan_for(candidates, scanned_at, complete, &suspicions)
        .await)
}

async fn compare_some(engine: &Engine, people: &[PersonRef]) -> Result<Vec<Compared>, EngineError> {
    let looks = engine.look(people, Priority::Background).await?;
    Ok(people
        .iter()
        .zip(looks)
        .map(|(person, look)| {
            let faces = look.faces();
            let (verdict, reason) = match look.judgement {
                Some(judgement) => (judgement.verdict, judgement.reason),
                None => (Verdict::Undecided, "not paired; scan again".into()),
            };
            Compared {
                person: person.source.clone(),
                verdict,
                reason,
                faces,
            }
        })
        .collect())
}

fn scan_news(event: &ScanEvent<'_>) -> Option<ScanNews> {
    let (what, done, total) = match event {
        ScanEvent::SourcePage { listed, .. } => ("listing people in Entra ID", *listed, None),
        ScanEvent::TargetPage { listed, .. } => ("listing people in ServiceNow", *listed, None),
        ScanEvent::Paired { paired, .. } => ("matched", *paired, None),
        ScanEvent::Stamps { done, total } => ("asking for photo stamps", *done, Some(*total)),
        ScanEvent::Chains { people } => ("reading avatars", *people, None),
        ScanEvent::Settling { done, total } => ("comparing pictures", *done, Some(*total)),
        ScanEvent::Problem(_) => return None,
    };
    Some(ScanNews { what, done, total })
}

/// What the engine could not do, in words fit for showing.
pub fn trouble(error: &EngineError) -> Trouble {
    Trouble {
        what: clean(&in_words(error)).into_owned(),
        hint: error.hint().map(|hint| clean(hint).into_owned()),
    }
}
