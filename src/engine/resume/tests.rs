//! Stories about runs that are cut short and gone on with.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::*;
use crate::domain::plan::Limits;
use crate::domain::run::Summary;
use crate::engine::fakes::{Watched, When, World, person, picture};
use crate::engine::scan::Ignore;
use crate::engine::{RunControl, RunReport};
use crate::store::{Access, Store, StorePaths};

fn old(number: usize) -> bytes::Bytes {
    picture(100 + number as u8)
}

fn new(number: usize) -> bytes::Bytes {
    picture(number as u8)
}

fn name(number: usize) -> String {
    format!("person{number}")
}

/// People whose pictures differ, and a program that can be ended and started.
struct Scene {
    world: World,
    target: Arc<Watched>,
    paths: StorePaths,
    engine: Option<Engine>,
    people: usize,
    _folder: tempfile::TempDir,
}

impl Scene {
    async fn of(people: usize) -> Self {
        let world = World::with(
            (0..people).map(|number| person(&name(number)).photo(new(number)).avatar(old(number))),
        );
        let folder = crate::store::quick_folder();
        let mut scene = Self {
            target: Arc::new(Watched::new(&world)),
            world,
            paths: StorePaths {
                state_dir: folder.path().join("state"),
                cache_dir: folder.path().join("cache"),
                profile: "default".into(),
            },
            engine: None,
            people,
            _folder: folder,
        };
        scene.start().await;
        scene
    }

    /// Ends the program. One that died leaves its lock with the last of its tasks.
    async fn end(&mut self) {
        let Some(engine) = self.engine.take() else {
            return;
        };
        let store = Arc::downgrade(&engine.store);
        drop(engine);
        while store.strong_count() > 0 {
            tokio::task::yield_now().await;
        }
    }

    async fn start(&mut self) {
        self.end().await;
        let store = Arc::new(Store::open(&self.paths, Access::Write).expect("nobody else has it"));
        let to = Arc::clone(&self.target);
        self.engine = Some(
            self.world
                .engine_to(to, &store, |settings| settings.pushes_in_flight = 1),
        );
    }

    fn engine(&self) -> &Engine {
        self.engine.as_ref().expect("started")
    }

    async fn plan(&self) -> Plan {
        let scan = self
            .engine()
            .scan(Depth::Settled, &Ignore, &CancellationToken::new())
            .await
            .expect("a scan");
        self.engine().plan(&scan).await
    }

    async fn run(&self, plan: Plan, control: &RunControl) -> RunReport {
        let (events, mut heard) = mpsc::channel(4);
        let listening = async { while heard.recv().await.is_some() {} };
        let running = self.engine().apply(plan, &Limits::NONE, control, events);
        tokio::join!(running, listening).0.expect("begun")
    }

    /// A full run that somebody stops in the middle.
    async fn stopped_run(&self) -> RunReport {
        let control = RunControl::new();
        let stop = control.clone();
        self.target.on(When::After, "upload", 3, move |_| stop.cancel());
        let report = self.run(self.plan().await, &control).await;
        assert_eq!(report.stopped, Some(StopReason::Cancelled));
        assert!(report.summary.updated > 0, "{:?}", report.summary);
        report
    }

    async fn outstanding(&self) -> Outstanding {
        self.engine()
            .outstanding()
            .await
            .expect("read")
            .expect("something")
            .0
    }

    async fn resumption(&self, outstanding: &Outstanding) -> Resumption {
        self.engine()
            .resumption(outstanding, &Ignore, &CancellationToken::new())
            .await
            .expect("planned")
    }

    async fn resume(&self) -> (RunReport, Plan) {
        self.engine().recover().await.expect("settled");
        let outstanding = self.outstanding().await;
        let Resumption::Push(plan) = self.resumption(&outstanding).await else {
            panic!("a push");
        };
        let control = RunControl::new()
            .of_kind(outstanding.run.start.kind)
            .continuing(outstanding.run.id.clone());
        (self.run(plan.clone(), &control).await, plan)
    }

    async fn nothing_is_outstanding(&self) {
        assert!(self.engine().outstanding().await.expect("read").is_none());
    }

    fn everybody_is_right(&self) {
        for number in 0..self.people {
            assert_eq!(self.world.shown(&name(number)), Some(new(number)), "{number}");
        }
    }

    /// The program dies while it carries out a plan of everybody; what is on the disk then is `journal`'s.
    async fn dies_at(&mut self, call: usize, when: When, journal: Journal) {
        let plan = self.plan().await;
        let (events, mut heard) = mpsc::channel(4);
        self.target.die_at(call, when);
        let control = RunControl::new();
        let listening = async { while heard.recv().await.is_some() {} };
        let kept = {
            let running = self.engine().apply(plan, &Limits::NONE, &control, events);
            tokio::select! {
                _ = async { tokio::join!(running, listening) } => {}
                () = self.target.death() => {}
            }
            let file = self.paths.journal();
            let log = file.with_file_name("journal.sqlite-wal");
            (file.clone(), std::fs::read(file), log.clone(), std::fs::read(log))
        };
        self.target.live();
        self.end().await;
        let (file, database, log, entries) = kept;
        match journal {
            Journal::Whole => {}
            Journal::Lost => std::fs::write(file, b"nothing of a database").expect("writable"),
            Journal::CutBack(part) => {
                // Closing has tidied up, which a program that dies does not.
                let entries = entries.expect("there was one");
                let length = (entries.len() as f64 * part) as usize;
                std::fs::write(file, database.expect("there was one")).expect("writable");
                std::fs::write(log, &entries[..length]).expect("writable");
            }
        }
        self.start().await;
    }

    /// Nobody is without a picture on the way; after what the journal still knows was settled, a full run brings
    /// everybody into order.
    async fn comes_right(&self, what: &str) {
        self.engine().recover().await.expect("settled");
        let report = self.run(self.plan().await, &RunControl::new()).await;
        assert_eq!((report.stopped, report.summary.failed), (None, 0), "{what}");
        self.everybody_is_right();
        assert_eq!(self.target.broken_promises(), Vec::<String>::new(), "{what}");
        let plan = self.plan().await;
        assert_eq!(plan.steps, vec![], "{what}: nothing is left over");
        for number in 0..self.people {
            for record in self.world.chain(&name(number)).records {
                assert!(record.pictures.len() <= 1, "{what}: {record:?}");
            }
        }
    }

    fn promise_everybody(&self) {
        for number in 0..self.people {
            self.target.promise(name(number).leak(), &[new(number)]);
        }
    }
}

/// What a program finds on the disk that starts after another one has died.
#[derive(Clone, Copy, Debug)]
enum Journal {
    Whole,
    /// Damaged beyond use.
    Lost,
    /// As it was at an earlier moment: this part of its log.
    CutBack(f64),
}

fn reached(summary: &Summary) -> u64 {
    summary.selected - summary.skipped
}

#[tokio::test]
async fn a_stopped_run_goes_on_where_it_was_and_the_numbers_add_up() {
    let scene = Scene::of(12).await;
    let first = scene.stopped_run().await;
    let outstanding = scene.outstanding().await;
    assert_eq!(outstanding.run.id, first.run);
    assert_eq!(outstanding.count(Rest::Start), first.summary.skipped);
    assert_eq!(outstanding.people.len() as u64, first.summary.skipped);

    let (second, plan) = scene.resume().await;
    assert_eq!(plan.steps.len() as u64, first.summary.skipped);
    assert_eq!(reached(&first.summary) + second.summary.selected, 12);
    assert_eq!(
        second.summary.updated, first.summary.skipped,
        "{:?}",
        second.summary
    );
    scene.everybody_is_right();
    scene.nothing_is_outstanding().await;

    let journal = scene.engine().store.journal();
    let told = journal.past_run(&first.run).await.expect("read").expect("known");
    assert_eq!(told.continued_by, Some(second.run.clone()));
    let told = journal.past_run(&second.run).await.expect("read").expect("known");
    assert_eq!(told.record.start.continues, Some(first.run));
}

#[tokio::test]
async fn a_killed_run_goes_on_wherever_it_died() {
    // A call of one push after the other, before its effect and after it.
    let mut tried = 0;
    for call in (1..60).step_by(4) {
        for when in [When::Before, When::After] {
            let mut scene = Scene::of(4).await;
            scene.promise_everybody();
            scene.dies_at(call, when, Journal::Whole).await;
            scene.engine().recover().await.expect("settled");
            if scene.engine().outstanding().await.expect("read").is_some() {
                scene.resume().await;
                tried += 1;
            }
            scene.nothing_is_outstanding().await;
            assert_eq!(
                scene.target.broken_promises(),
                Vec::<String>::new(),
                "{call} {when:?}"
            );
            scene.everybody_is_right();
            let plan = scene.plan().await;
            assert_eq!(plan.steps, vec![], "{call} {when:?}: nothing is left over");
        }
    }
    assert!(tried >= 10, "{tried} were outstanding");
}

#[tokio::test]
async fn whoever_was_changed_since_is_left_alone_and_whoever_is_gone_is_told_of() {
    let scene = Scene::of(12).await;
    scene.stopped_run().await;
    let outstanding = scene.outstanding().await;
    let (changed, gone) = (&outstanding.people[0].0.person, &outstanding.people[1].0.person);
    scene.world.store_at(
        changed.name.raw(),
        crate::domain::photo::Place::SYS_USER,
        picture(77),
    );
    let shown = scene.world.shown(changed.name.raw());
    scene.world.leaves_source(gone.name.raw());

    let (second, plan) = scene.resume().await;
    let outcome = |person: &str| {
        plan.skips
            .iter()
            .find(|skip| skip.person.name.raw() == person)
            .map(|skip| skip.outcome)
    };
    assert_eq!(outcome(changed.name.raw()), Some(Outcome::ChangedMeanwhile));
    assert_eq!(outcome(gone.name.raw()), Some(Outcome::Skipped));
    assert_eq!(scene.world.shown(changed.name.raw()), shown);
    assert_eq!(second.summary.selected as usize, outstanding.people.len());
    assert!(second.summary.adds_up());
}

#[tokio::test]
async fn who_failed_in_a_stopped_run_is_tried_again_and_who_was_right_is_not() {
    let scene = Scene::of(6).await;
    let control = RunControl::new();
    let stop = control.clone();
    let plan = scene.plan().await;
    // The first picture cannot be stored.
    scene
        .world
        .fail("target.upload", 1, crate::connector::ErrorKind::Unavailable);
    scene.target.on(When::After, "upload", 3, move |_| stop.cancel());
    let first = scene.run(plan, &control).await;
    scene.world.heal();
    let outstanding = scene.outstanding().await;
    assert_eq!((first.summary.failed, outstanding.count(Rest::Again)), (1, 1));
    scene.resume().await;
    scene.everybody_is_right();
    scene.nothing_is_outstanding().await;
}

#[tokio::test]
async fn a_full_run_since_leaves_nothing_to_go_on_with() {
    let scene = Scene::of(6).await;
    let first = scene.stopped_run().await;
    let rest = scene.run(scene.plan().await, &RunControl::new()).await;
    assert_eq!(rest.stopped, None);
    scene.nothing_is_outstanding().await;
    let left = scene
        .engine()
        .outstanding_of(first.run.as_str())
        .await
        .expect("known");
    assert_eq!(left.people, vec![]);
}

#[tokio::test]
async fn an_undo_that_was_stopped_goes_on() {
    let scene = Scene::of(6).await;
    let first = scene.run(scene.plan().await, &RunControl::new()).await;
    assert_eq!(first.summary.updated, 6);
    let control = RunControl::new();
    let stop = control.clone();
    scene
        .target
        .on(When::After, "store_as", 2, move |_| stop.cancel());
    let plan = scene
        .engine()
        .undo_plan(first.run.as_str())
        .await
        .expect("planned");
    let (events, mut heard) = mpsc::channel(4);
    let listening = async { while heard.recv().await.is_some() {} };
    let undoing = scene.engine().tidy(plan, &Limits::NONE, &control, events);
    let undone = tokio::join!(undoing, listening).0.expect("begun");
    assert!(undone.summary.skipped > 0, "{:?}", undone.summary);

    let outstanding = scene.outstanding().await;
    assert_eq!(outstanding.run.id, undone.run);
    let Resumption::Tidy(plan) = scene.resumption(&outstanding).await else {
        panic!("an undo");
    };
    assert_eq!(plan.selected(), undone.summary.skipped);
    let control = RunControl::new().continuing(undone.run);
    let (events, mut heard) = mpsc::channel(4);
    let listening = async { while heard.recv().await.is_some() {} };
    let undoing = scene.engine().tidy(plan, &Limits::NONE, &control, events);
    tokio::join!(undoing, listening).0.expect("begun");
    for number in 0..6 {
        assert_eq!(scene.world.shown(&name(number)), Some(old(number)));
    }
    scene.nothing_is_outstanding().await;
    crate::tried("N4", 1);
}

#[tokio::test]
async fn what_cannot_be_gone_on_with_says_why() {
    let scene = Scene::of(1).await;
    let unknown = scene.engine().outstanding_of("no-such-run").await;
    assert!(matches!(unknown, Err(ResumeError::Unknown(_))), "{unknown:?}");
}

#[tokio::test]
async fn a_journal_that_is_lost_with_pushes_in_flight_is_made_up_for_by_looking() {
    let mut tried = 0;
    for call in (1..40).step_by(4) {
        for when in [When::Before, When::After] {
            let mut scene = Scene::of(3).await;
            scene.promise_everybody();
            scene.dies_at(call, when, Journal::Lost).await;
            assert!(
                scene
                    .engine()
                    .store
                    .notes()
                    .iter()
                    .any(|note| note.contains("damaged")),
                "{call} {when:?}: {:?}",
                scene.engine().store.notes()
            );
            scene.nothing_is_outstanding().await;
            // What the dead program has stored is found as a second picture, and goes.
            scene.comes_right(&format!("{call} {when:?}")).await;
            tried += 1;
        }
    }
    crate::tried("J4", tried);
}

#[tokio::test]
async fn a_journal_that_went_back_in_time_costs_a_repeated_step_at_worst() {
    const TIMES: usize = 40;
    for number in 0..TIMES {
        let mut scene = Scene::of(3).await;
        scene.promise_everybody();
        // Spread evenly over calls and lengths, without a common beat.
        let call = 1 + number * 7 % 40;
        let part = (number as f64 * 0.618_034).fract();
        let when = if number % 2 == 0 {
            When::Before
        } else {
            When::After
        };
        scene.dies_at(call, when, Journal::CutBack(part)).await;
        scene
            .comes_right(&format!("call {call} {when:?}, {part:.2} of the log"))
            .await;
    }
    crate::tried("I2", TIMES);
}
