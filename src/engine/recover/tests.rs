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

#[tokio::test]
async fn whom_a_run_has_left_is_settled_side_by_side() {
    let world = World::with((0..40).map(|number| person(&format!("person{number}")).photo(picture(number))));
    let folder = tempfile::tempdir().expect("a folder");
    let paths = StorePaths {
        state_dir: folder.path().join("state"),
        cache_dir: folder.path().join("cache"),
        profile: "default".into(),
    };
    let store = Arc::new(Store::open(&paths, Access::Write).expect("opens"));
    let target = Arc::new(Watched::new(&world));
    let to = Arc::clone(&target);
    let mut engine = world.engine_to(to, &store, |settings| settings.pushes_in_flight = 4);
    // Nobody comes to an end before the interruption.
    let usual = std::mem::replace(&mut engine.pace.settling, Duration::from_hours(1));
    interrupted_run(40, &engine, &world, &target).await;
    engine.pace.settling = usual;
    tokio::time::pause();
    let left = store.journal().unfinished().await.expect("readable").len();
    assert!(left >= 12, "{left} people are left");
    let began = tokio::time::Instant::now();
    assert_eq!(engine.recover().await.expect("settled").len(), left);
    // One alone waits two seconds for rules to act.
    let took = began.elapsed();
    assert!(
        took.as_secs_f64() < 1.5 * left as f64,
        "{left} people in {took:?}"
    );
    assert_eq!(store.journal().unfinished().await.expect("readable"), []);
    for number in 0..40 {
        assert_eq!(
            world.shown(&format!("person{number}")),
            Some(picture(number)),
            "{number}"
        );
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
