use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{Notify, mpsc};

use super::*;
use crate::domain::ids::{RecordId, RunId, SourceId, TargetId};
use crate::domain::photo::{AvatarRecord, Column, Scan, Served};
use crate::domain::plan::{Limits, PLAN_SCHEMA, Plan, Step};
use crate::domain::run::PersonRef;
use crate::engine::fakes::{Watched, When, World, person, picture};
use crate::store::journal::{Answer, Intent, KeptPicture};
use crate::store::{Store, StorePaths};

fn row(id: &str, content: &str) -> StoredPicture {
    StoredPicture {
        id: PictureId::new(id),
        form: PictureForm::ImageField,
        file_name: "photo".into(),
        sha256: Some(Sha256::of(content.as_bytes())),
        bytes: content.len() as u64,
        content_type: "image/jpeg".into(),
        scan: Scan::Available,
        created_at: None,
        created_by: None,
    }
}

fn chain(rows: Vec<StoredPicture>) -> AvatarChain {
    AvatarChain {
        served: rows.first().map(|row| Served {
            place: Place::LIVE_PROFILE,
            record: RecordId::new("p"),
            picture: row.id.clone(),
        }),
        records: vec![AvatarRecord {
            place: Place::LIVE_PROFILE,
            id: RecordId::new("p"),
            column: Column::Empty,
            pictures: rows,
        }],
        findings: vec![],
    }
}

/// Somebody whose old picture `old` was to be replaced by `new`; `answer` is what is known of the upload.
fn interrupted(answer: Option<Answer>) -> Unfinished {
    let run = RunId::new("run");
    let intent = Intent {
        run: run.clone(),
        source: SourceId::new("s"),
        target: TargetId::new("t"),
        kind: WriteKind::Upload,
        place: Place::LIVE_PROFILE,
        record: Some(RecordId::new("p")),
        picture: None,
        old_picture: None,
        sha256: Some(Sha256::of(b"new")),
        bytes: Some(3),
        expected: chain(vec![]).stamp(),
        at: Timestamp::UNIX_EPOCH,
    };
    Unfinished {
        run: run.clone(),
        person: PersonRef {
            name: "ada".into(),
            upn: "ada".into(),
            mail: None,
            source: SourceId::new("s"),
            target: Some(TargetId::new("t")),
            user_name: None,
        },
        change: Task::Push(Change::Replace),
        writes: vec![WriteRecord::known(
            1,
            intent,
            answer.map(|answer| (answer, Timestamp::UNIX_EPOCH)),
        )],
        kept: vec![KeptPicture {
            run,
            source: SourceId::new("s"),
            target: TargetId::new("t"),
            place: Place::LIVE_PROFILE,
            record: RecordId::new("p"),
            sha256: Sha256::of(b"old"),
            stored: row("old", "old"),
            was_displayed: true,
            at: Timestamp::UNIX_EPOCH,
        }],
    }
}

#[test]
fn what_to_do_follows_from_what_is_there_now() {
    let unknown = || interrupted(None);
    let told = || interrupted(Some(Answer::Done(Some("new".into()))));
    let refused = || interrupted(Some(Answer::NotDone("refused".into())));
    for (what, person, rows, expected) in [
        (
            "never arrived",
            unknown(),
            vec![row("old", "old")],
            Decision::Nothing,
        ),
        ("refused", refused(), vec![row("old", "old")], Decision::Nothing),
        (
            "arrived unheard",
            unknown(),
            vec![row("old", "old"), row("x", "new")],
            Decision::Finish,
        ),
        (
            "arrived",
            told(),
            vec![row("old", "old"), row("new", "new")],
            Decision::Finish,
        ),
        ("nearly done", told(), vec![row("new", "new")], Decision::Finish),
        (
            "somebody else's",
            told(),
            vec![row("old", "old"), row("new", "new"), row("theirs", "other")],
            Decision::StepBack,
        ),
    ] {
        let places = [Place::LIVE_PROFILE];
        assert_eq!(decide(&person, &chain(rows), &places), expected, "{what}");
    }
    let removal = Unfinished {
        change: Task::Push(Change::Remove),
        ..told()
    };
    assert_eq!(
        decide(&removal, &chain(vec![row("new", "new")]), &[Place::LIVE_PROFILE]),
        Decision::Nothing
    );
}

#[test]
fn only_what_nobody_sees_goes() {
    let person = interrupted(Some(Answer::Done(Some("new".into()))));
    let rows = chain(vec![row("old", "old"), row("new", "new"), row("theirs", "other")]);
    let ours = rows_of_ours(&person, &rows);
    let gone = |displayed: &str| surplus(&person, &rows, &ours, Some(&PictureId::new(displayed)));
    assert_eq!(gone("old"), [PictureId::new("new")]);
    assert_eq!(gone("theirs"), [PictureId::new("new")]);
    assert_eq!(gone("new"), [PictureId::new("old")]);
    let mut named = rows.clone();
    named.records[0].column = Column::Names(PictureId::new("new"));
    assert_eq!(
        surplus(&person, &named, &ours, Some(&PictureId::new("theirs"))),
        []
    );
}

/// A run over so many people, interrupted when the last picture has been stored.
async fn interrupted_run(people: usize, engine: &Engine, world: &World, target: &Watched) {
    let name = |number: usize| format!("person{number}");
    let step = |number: usize| Step {
        person: PersonRef {
            name: name(number).as_str().into(),
            upn: format!("{}@x.example", name(number)).into(),
            mail: None,
            source: SourceId::new(format!("{}-id", name(number))),
            target: Some(TargetId::new(format!("{}-sys", name(number)))),
            user_name: None,
        },
        change: Change::Add,
        expected: world.chain(&name(number)).stamp(),
        photo: None,
        upload: None,
        replaces: None,
        reason: "because".into(),
    };
    let plan = Plan {
        schema: PLAN_SCHEMA.into(),
        profile: "default".into(),
        made_at: world.now(),
        complete: true,
        in_scope: None,
        push_suspicious: false,
        steps: (0..people).map(step).collect(),
        skips: vec![],
    };
    let death = Arc::new(Notify::new());
    let dies = Arc::clone(&death);
    target.on(When::After, "upload", 2 * people, move |_| dies.notify_one());
    let (events, mut heard) = mpsc::channel(64);
    let control = RunControl::new();
    tokio::select! {
        report = engine.apply(plan, &Limits::NONE, &control, events) => panic!("lived: {report:?}"),
        () = async { while heard.recv().await.is_some() {} } => panic!("ended"),
        () = death.notified() => {}
    }
}

/// Forty people whose push was under way when the program died, and a store that knows it.
struct Crash {
    world: World,
    target: Arc<Watched>,
    store: Arc<Store>,
    left: u64,
    _folder: tempfile::TempDir,
}

impl Crash {
    async fn of_forty() -> Self {
        let world =
            World::with((0..40).map(|number| person(&format!("person{number}")).photo(picture(number))));
        let folder = crate::store::quick_folder();
        let paths = StorePaths {
            state_dir: folder.path().join("state"),
            cache_dir: folder.path().join("cache"),
            profile: "default".into(),
        };
        let store = Arc::new(Store::open(&paths, Access::Write).expect("opens"));
        let mut crash = Self {
            target: Arc::new(Watched::new(&world)),
            world,
            store,
            left: 0,
            _folder: folder,
        };
        let mut engine = crash.engine(4);
        // Nobody comes to an end before the interruption.
        engine.pace.settling = Duration::from_hours(1);
        interrupted_run(40, &engine, &crash.world, &crash.target).await;
        crash.left = crash.open().await;
        crash
    }

    /// The next start, which has so many pushes in flight.
    fn engine(&self, pushes_in_flight: usize) -> Engine {
        let to: Arc<Watched> = Arc::clone(&self.target);
        self.world.engine_to(to, &self.store, |settings| {
            settings.pushes_in_flight = pushes_in_flight;
        })
    }

    /// How many people the journal says are not settled.
    async fn open(&self) -> u64 {
        self.store.journal().unfinished().await.expect("readable").len() as u64
    }

    fn everybody_has_their_photo(&self) {
        for number in 0..40 {
            let shown = self.world.shown(&format!("person{number}"));
            assert_eq!(shown, Some(picture(number)), "{number}");
        }
    }
}

/// Everything that is told until the end.
async fn heard(mut events: mpsc::Receiver<RunEvent>, mut each: impl FnMut(&RunEvent)) -> Vec<RunEvent> {
    let mut all = Vec::new();
    while let Some(event) = events.recv().await {
        each(&event);
        all.push(event);
    }
    all
}

/// Settles, with somebody who hears every event.
async fn settled(
    engine: &Engine,
    control: &RunControl,
    each: impl FnMut(&RunEvent),
) -> (Result<u64, RecoverError>, Vec<RunEvent>) {
    let (events, received) = mpsc::channel(1);
    tokio::join!(
        async move { engine.recover_watched(control, &events).await },
        heard(received, each)
    )
}

fn whom(event: &RunEvent) -> Option<String> {
    match event {
        RunEvent::Settled { settled, .. } => Some(settled.person.name.raw().to_owned()),
        _ => None,
    }
}

#[tokio::test]
async fn whom_a_run_has_left_is_settled_side_by_side() {
    let crash = Crash::of_forty().await;
    let mut engine = crash.engine(4);
    // Far more than the stopped clock gains while the journal is waited for.
    engine.pace.settling = Duration::from_mins(10);
    tokio::time::pause();
    let left = crash.left;
    assert!(left >= 12, "{left} people are left");
    let began = tokio::time::Instant::now();
    assert_eq!(engine.recover().await.expect("settled").len() as u64, left);
    // One alone waits ten minutes for rules to act.
    let took = began.elapsed();
    assert!(
        took.as_secs_f64() < 300.0 * left as f64,
        "{left} people in {took:?}"
    );
    assert_eq!(crash.open().await, 0);
    crash.everybody_has_their_photo();
}

#[tokio::test]
async fn whoever_watches_hears_how_many_there_are_and_of_each_when_they_are_done() {
    let crash = Crash::of_forty().await;
    tokio::time::pause();
    let (ended, events) = settled(&crash.engine(4), &RunControl::new(), |_| {}).await;
    assert_eq!(ended.expect("settled"), crash.left);
    assert_eq!(events[0], RunEvent::Settling { total: crash.left });
    let figures: Vec<(u64, u64)> = events[1..]
        .iter()
        .map(|event| match event {
            RunEvent::Settled { done, total, .. } => (*done, *total),
            other => panic!("{other:?}"),
        })
        .collect();
    let expected: Vec<(u64, u64)> = (1..=crash.left).map(|done| (done, crash.left)).collect();
    assert_eq!(figures, expected);
    let people: HashSet<String> = events.iter().filter_map(whom).collect();
    assert_eq!(people.len() as u64, crash.left, "each of them once");
}

#[tokio::test]
async fn where_nothing_is_left_nothing_is_told_and_a_cancelled_run_is_none_of_its_business() {
    let crash = Crash::of_forty().await;
    tokio::time::pause();
    crash.engine(4).recover().await.expect("settled");
    let control = RunControl::new();
    control.cancel();
    let (ended, events) = settled(&crash.engine(4), &control, |_| {}).await;
    assert_eq!((ended.expect("nothing to do"), events), (0, vec![]));
}

#[tokio::test]
async fn cancelling_finishes_whoever_is_under_way_and_leaves_the_others_for_the_next_start() {
    let crash = Crash::of_forty().await;
    tokio::time::pause();
    // One at work, and at most thirty-two under way: some have not had their turn when the first one is done.
    assert!(crash.left > 32, "{} people are left", crash.left);
    let control = RunControl::new();
    let (ended, events) = settled(&crash.engine(1), &control, |event| {
        if whom(event).is_some() {
            control.cancel();
        }
    })
    .await;
    let Err(RecoverError::Cancelled { settled: done, left }) = ended else {
        panic!("{ended:?}")
    };
    assert!(done > 0 && left > 0, "{done} and {left}");
    assert_eq!(done + left, crash.left);
    assert_eq!(
        crash.open().await,
        left,
        "nobody is forgotten, and nobody half done"
    );
    let first: HashSet<String> = events.iter().filter_map(whom).collect();
    assert_eq!(first.len() as u64, done);

    let (ended, events) = settled(&crash.engine(4), &RunControl::new(), |_| {}).await;
    assert_eq!(ended.expect("settled"), left);
    let then: HashSet<String> = events.iter().filter_map(whom).collect();
    assert!(first.is_disjoint(&then), "nobody twice");
    assert_eq!(crash.open().await, 0);
    crash.everybody_has_their_photo();
    crate::tried("I5", 1);
}

#[tokio::test]
async fn a_run_that_is_cancelled_while_it_settles_does_not_begin() {
    let crash = Crash::of_forty().await;
    tokio::time::pause();
    let engine = crash.engine(1);
    let runs = async || crash.store.journal().runs(10).await.expect("readable").len();
    let before = runs().await;
    let plan = Plan {
        schema: PLAN_SCHEMA.into(),
        profile: "default".into(),
        made_at: crash.world.now(),
        complete: true,
        in_scope: None,
        push_suspicious: false,
        steps: vec![],
        skips: vec![],
    };
    let control = RunControl::new();
    control.cancel();
    let (events, received) = mpsc::channel(1);
    let (ended, events) = tokio::join!(
        engine.apply(plan, &Limits::NONE, &control, events),
        heard(received, |_| {})
    );
    let error = ended.expect_err("it does not begin").to_string();
    assert!(error.starts_with("cancelled; nothing of what"), "{error}");
    assert_eq!(events, [RunEvent::Settling { total: crash.left }]);
    assert_eq!((runs().await, crash.open().await), (before, crash.left));
}

#[test]
fn what_a_cancelled_settling_has_come_to_is_said_in_figures() {
    for (settled, left, words) in [
        (
            0,
            1,
            "nothing of what an interrupted run has left was settled (1 person)",
        ),
        (
            0,
            3,
            "nothing of what an interrupted run has left was settled (3 people)",
        ),
        (
            1,
            3,
            "of what an interrupted run has left 1 person is settled, 3 are not",
        ),
        (
            3,
            1,
            "of what an interrupted run has left 3 people are settled, 1 is not",
        ),
        (3, 0, "what an interrupted run had left is settled (3 people)"),
    ] {
        let error = RecoverError::Cancelled { settled, left };
        assert_eq!(error.to_string(), format!("cancelled; {words}"));
    }
}

#[test]
fn whom_two_runs_have_left_is_settled_for_one_after_the_other() {
    let of = |run: &str, target: Option<&str>| Unfinished {
        run: RunId::new(run),
        person: PersonRef {
            target: target.map(TargetId::new),
            ..interrupted(None).person
        },
        ..interrupted(None)
    };
    let people = by_person(vec![
        of("1", Some("ada")),
        of("1", Some("bob")),
        of("1", None),
        of("2", Some("ada")),
        of("2", None),
    ]);
    let runs: Vec<Vec<&str>> = people
        .iter()
        .map(|left| left.iter().map(|one| one.run.as_str()).collect())
        .collect();
    assert_eq!(runs, [vec!["1", "2"], vec!["1"], vec!["1"], vec!["2"]]);
}
