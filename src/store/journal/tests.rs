mod damage;
mod past;
mod room;
mod trail;

use std::path::Path;

use super::*;
use crate::domain::ids::{PictureId, RecordId, SourceId};
use crate::domain::outstanding::Rest;
use crate::domain::photo::{AvatarChain, PictureForm, Place, Scan, Sha256, StoredPicture};
use crate::domain::plan::Change;
use crate::domain::run::{Outcome, PersonRef};
use crate::domain::tidying::Task;
use crate::store::{Access, Store, StorePaths, quick_folder};

fn paths(folder: &Path) -> StorePaths {
    StorePaths {
        state_dir: folder.join("state"),
        cache_dir: folder.join("cache"),
        profile: "Contoso/../prod".into(),
    }
}

fn open(folder: &Path) -> Store {
    Store::open(&paths(folder), Access::Write).expect("opens")
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_772_442_000 + second).expect("in range")
}

fn start() -> RunStart {
    RunStart {
        profile: "prod".into(),
        kind: RunKind::Sync,
        started: at(0),
        actor: Actor {
            os_user: "ada".into(),
            host: "laptop".into(),
            account: "avatar.sync".into(),
        },
        planned: Planned {
            selected: 2,
            add: 1,
            replace: 1,
            ..Planned::default()
        },
        continues: None,
        undoes: None,
    }
}

fn upload(run: &RunId, name: &str) -> Intent {
    Intent {
        run: run.clone(),
        source: SourceId::new(name),
        target: TargetId::new(format!("{name}-sys")),
        kind: WriteKind::Upload,
        place: Place::LIVE_PROFILE,
        record: Some(RecordId::new("p1")),
        picture: None,
        old_picture: Some(PictureId::new("old")),
        sha256: Some(Sha256::of(b"face")),
        bytes: Some(4),
        expected: AvatarChain {
            records: vec![],
            served: None,
            findings: vec![],
        }
        .stamp(),
        at: at(1),
    }
}

fn person(name: &str) -> PersonRef {
    PersonRef {
        name: name.into(),
        upn: name.into(),
        mail: None,
        source: SourceId::new(name),
        target: Some(TargetId::new(format!("{name}-sys"))),
        user_name: None,
    }
}

/// Somebody's turn comes.
async fn begin(journal: &Journal, run: &RunId, name: &str) {
    journal
        .begin_step(run, &person(name), Task::Push(Change::Add))
        .await
        .expect("passed on");
}

fn step(run: &RunId, name: &str) -> StepRecord {
    StepRecord {
        run: run.clone(),
        person: person(name),
        change: Task::Push(Change::Add),
        outcome: Outcome::Updated,
        detail: "done".into(),
        hint: None,
        settled: true,
        after: None,
        at: at(5),
    }
}

/// The picture that somebody had before.
fn kept(run: &RunId, name: &str) -> KeptPicture {
    KeptPicture {
        run: run.clone(),
        source: SourceId::new(name),
        target: TargetId::new(format!("{name}-sys")),
        place: Place::LIVE_PROFILE,
        record: RecordId::new("p1"),
        sha256: Sha256::of(b"old"),
        stored: StoredPicture {
            id: PictureId::new("old"),
            form: PictureForm::ImageField,
            file_name: "photo".into(),
            sha256: None,
            bytes: 3,
            content_type: "image/jpeg".into(),
            scan: Scan::NotScanned,
            created_at: Some(at(-5)),
            created_by: None,
        },
        was_displayed: true,
        at: at(1),
    }
}

#[tokio::test]
async fn whoever_has_an_intent_and_no_outcome_is_unfinished_after_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let (run, intent) = {
        let store = open(folder.path());
        let journal = store.journal();
        let run = journal.begin_run(start()).await.expect("begun");
        begin(journal, &run, "bob").await;
        let done = journal.intend(upload(&run, "bob")).await.expect("announced");
        let made = Answer::Done(Some("new".into()));
        journal.answer(done, at(2), made).await.expect("passed on");
        journal.step(step(&run, "bob")).await.expect("ended");
        let intent = upload(&run, "ada");
        begin(journal, &run, "ada").await;
        journal.intend(intent.clone()).await.expect("announced");
        (run, intent)
    };
    let store = open(folder.path());
    let unfinished = store.journal().unfinished().await.expect("read");
    assert_eq!(unfinished.len(), 1);
    assert_eq!(
        (&unfinished[0].person, unfinished[0].change),
        (&person("ada"), Task::Push(Change::Add))
    );
    assert_eq!(unfinished[0].writes.len(), 1);
    assert_eq!(unfinished[0].writes[0].intent, intent);
    let outstanding = store.journal().outstanding().await.expect("read");
    assert_eq!(outstanding, unfinished[0].writes);
    let unsettled = StepRecord {
        outcome: Outcome::Failed,
        settled: false,
        ..step(&run, "ada")
    };
    store.journal().step(unsettled).await.expect("written");
    assert_eq!(store.journal().unfinished().await.expect("read").len(), 1);
    store.journal().step(step(&run, "ada")).await.expect("settled");
    assert_eq!(store.journal().unfinished().await.expect("read"), vec![]);
}

#[tokio::test]
async fn an_answered_write_still_belongs_to_somebody_unfinished() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    let journal = store.journal();
    let run = journal.begin_run(start()).await.expect("begun");
    begin(journal, &run, "ada").await;
    let intent = journal.intend(upload(&run, "ada")).await.expect("announced");
    let kept = kept(&run, "ada");
    journal.kept(kept.clone()).await.expect("passed on");
    journal
        .answer(intent, at(2), Answer::Done(Some("new".into())))
        .await
        .expect("passed on");
    assert_eq!(journal.outstanding().await.expect("read"), vec![]);
    let unfinished = journal.unfinished().await.expect("read");
    assert_eq!(unfinished[0].writes[0].uploaded(), Some(PictureId::new("new")));
    assert_eq!(unfinished[0].kept, vec![kept.clone()]);
    let person = TargetId::new("ada-sys");
    assert_eq!(
        journal.kept_pictures(&person).await.expect("read"),
        vec![kept.clone()]
    );
    assert_eq!(journal.kept_in_run(&run).await.expect("read"), vec![kept]);
    let another = RunId::new("another");
    assert_eq!(journal.kept_in_run(&another).await.expect("read"), vec![]);
}

#[tokio::test]
async fn history_tells_who_did_what_and_how_it_ended() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    let journal = store.journal();
    let run = journal.begin_run(start()).await.expect("begun");
    journal.step(step(&run, "ada")).await.expect("ended");
    let mut summary = Summary::default();
    summary.count(Outcome::Updated);
    let stopped = Some(StopReason::Storage("disk full".into()));
    journal
        .finish_run(&run, at(9), summary, stopped.clone())
        .await
        .expect("finished");
    let later = RunStart {
        started: at(100),
        ..start()
    };
    let second = journal.begin_run(later).await.expect("begun");
    let runs = journal.runs(10).await.expect("read");
    assert_eq!(
        runs.iter().map(|run| &run.id).collect::<Vec<_>>(),
        [&second, &run]
    );
    assert_eq!(
        runs[1],
        RunRecord {
            id: run.clone(),
            start: start(),
            finished: Some(at(9)),
            summary: Some(summary),
            stopped,
        }
    );
    assert_eq!(journal.run(&run).await.expect("read"), Some(runs[1].clone()));
    assert_eq!(journal.runs(1).await.expect("read").len(), 1);
    assert_eq!(journal.steps(&run).await.expect("read"), vec![step(&run, "ada")]);
}

#[tokio::test]
async fn many_intents_at_once_share_commits() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    let journal = store.journal().clone();
    let run = journal.begin_run(start()).await.expect("begun");
    let intents = (0..200).map(|number| journal.intend(upload(&run, &format!("person-{number}"))));
    let ids = futures::future::try_join_all(intents)
        .await
        .expect("all announced");
    assert_eq!(ids.iter().collect::<std::collections::HashSet<_>>().len(), 200);
    // A commit of its own for each of 200 would have added a frame for every page each time.
    let log = paths(folder.path()).state().join("journal.sqlite-wal");
    let bytes = std::fs::metadata(log).expect("a write-ahead log").len();
    assert!(bytes < 200 * 4096, "{bytes} bytes in the log");
}

#[tokio::test]
async fn readers_see_what_is_committed_beside_a_writer_and_cannot_write() {
    let folder = tempfile::tempdir().expect("a folder");
    let reader_before = Store::open(&paths(folder.path()), Access::Read).expect("nothing there is no error");
    assert_eq!(reader_before.journal().runs(5).await.expect("empty"), vec![]);
    let writer = open(folder.path());
    assert!(matches!(
        Store::open(&paths(folder.path()), Access::Write),
        Err(StoreError::Locked { .. })
    ));
    writer.journal().begin_run(start()).await.expect("begun");
    let reader = Store::open(&paths(folder.path()), Access::Read).expect("opens");
    assert_eq!(reader.journal().runs(5).await.expect("read").len(), 1);
    assert!(matches!(
        reader.journal().begin_run(start()).await,
        Err(StoreError::ReadOnly)
    ));
    drop(writer);
    assert!(Store::open(&paths(folder.path()), Access::Write).is_ok());
}

#[tokio::test]
async fn a_damaged_journal_is_moved_aside_and_said_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    store.journal().begin_run(start()).await.expect("begun");
    drop(store);
    std::fs::write(paths(folder.path()).journal(), vec![0x42; 20_000]).expect("writable");
    let store = open(folder.path());
    assert_eq!(store.journal().runs(5).await.expect("read"), vec![]);
    assert!(
        store.notes().iter().any(|note| note.contains("damaged")),
        "{:?}",
        store.notes()
    );
}

#[tokio::test]
async fn values_nobody_can_understand_count_as_damage() {
    for (change, named) in [
        ("UPDATE writes SET kind = 'dance'", "dance"),
        ("UPDATE writes SET place = 'the moon'", "the moon"),
        ("UPDATE writes SET answer = 'perhaps'", "perhaps"),
        ("UPDATE writes SET answer = 'done', answered = 'soon'", "soon"),
        ("UPDATE writes SET answer = 'not_done', answered = 'late'", "late"),
        ("UPDATE writes SET sha256 = 'xyz'", "xyz"),
        ("UPDATE writes SET expected = '{'", "invalid type"),
        ("UPDATE writes SET at = 'today'", "today"),
        ("UPDATE under_way SET person = '7'", "invalid type"),
        ("UPDATE under_way SET change = '\"sing\"'", "any variant"),
        ("UPDATE kept SET place = 'mars'", "mars"),
        ("UPDATE kept SET sha256 = 'abc'", "abc"),
        ("UPDATE kept SET stored = 'null'", "invalid type"),
        ("UPDATE kept SET at = 'once'", "once"),
        ("UPDATE runs SET kind = 'stroll'", "stroll"),
        ("UPDATE runs SET started = 'never'", "never"),
        ("UPDATE runs SET finished = 'always'", "always"),
        ("UPDATE runs SET planned = '[]'", "invalid"),
        ("UPDATE runs SET stopped = '\"tired\"'", "tired"),
    ] {
        let folder = quick_folder();
        let store = open(folder.path());
        let run = store.journal().begin_run(start()).await.expect("begun");
        begin(store.journal(), &run, "ada").await;
        store.journal().kept(kept(&run, "ada")).await.expect("passed on");
        let announced = store.journal().intend(upload(&run, "ada")).await;
        announced.expect("announced");
        drop(store);
        let connection = Connection::open(paths(folder.path()).journal()).expect("opens");
        // What the guards of the audit trail would refuse.
        for guard in [
            "writes_are_as_announced",
            "writes_are_answered_once",
            "runs_are_as_begun",
        ] {
            connection
                .execute_batch(&format!("DROP TRIGGER {guard}"))
                .expect("whoever can write the file can do that");
        }
        assert_eq!(connection.execute(change, []).expect(change), 1);
        drop(connection);
        let store = open(folder.path());
        assert_eq!(
            store.journal().unfinished().await.expect("read"),
            vec![],
            "{change}"
        );
        assert!(
            store.notes().iter().any(|note| note.contains(named)),
            "{change}: {:?}",
            store.notes()
        );
    }
}

#[test]
fn a_profile_cannot_leave_its_folder_and_has_one_of_its_own() {
    let of = |profile: &str| {
        let paths = StorePaths {
            profile: profile.into(),
            ..paths(Path::new("/x"))
        };
        paths.state()
    };
    assert_eq!(of("default"), Path::new("/x/state/profile-default"));
    assert_eq!(of("../a"), Path::new("/x/state/profile-=2e=2e=2fa"));
    assert_ne!(of("Prod"), of("prod"));
}

#[test]
fn the_codes_of_runs_and_writes_never_change() {
    for (kind, code) in RunKind::ALL
        .into_iter()
        .zip(["push", "sync", "apply", "undo", "clean"])
    {
        assert_eq!((kind.code(), RunKind::from_code(code)), (code, Some(kind)));
    }
    let codes = ["create_record", "upload", "set_column", "remove"];
    for (kind, code) in WriteKind::ALL.into_iter().zip(codes) {
        assert_eq!((kind.code(), WriteKind::from_code(code)), (code, Some(kind)));
    }
    assert_eq!((RunKind::from_code("x"), WriteKind::from_code("x")), (None, None));
    let planned = Planned {
        selected: 100,
        add: 2,
        replace: 3,
        repair: 5,
        remove: 7,
    };
    assert_eq!(planned.steps(), 17);
}

#[test]
fn what_is_known_of_a_write_goes_by_its_answer() {
    let run = RunId::new("run");
    let record = RecordId::new("new");
    let done = |made: Option<&str>| Some((Answer::Done(made.map(str::to_owned)), at(2)));
    let not_done = Some((Answer::NotDone("refused".into()), at(2)));
    // Whether it may be done, whether it is, whether it made the record `new`, and which picture it uploaded.
    for (kind, answer, may_be_done, is_done, has_made, uploaded) in [
        (WriteKind::CreateRecord, None, true, false, true, None),
        (WriteKind::CreateRecord, done(Some("new")), true, true, true, None),
        (
            WriteKind::CreateRecord,
            done(Some("other")),
            true,
            true,
            false,
            None,
        ),
        (WriteKind::CreateRecord, done(None), true, true, false, None),
        (
            WriteKind::CreateRecord,
            not_done.clone(),
            false,
            false,
            false,
            None,
        ),
        (WriteKind::Upload, None, true, false, false, None),
        (
            WriteKind::Upload,
            done(Some("new")),
            true,
            true,
            false,
            Some("new"),
        ),
        (WriteKind::Upload, done(None), true, true, false, None),
        (WriteKind::Upload, not_done.clone(), false, false, false, None),
        (WriteKind::SetColumn, done(Some("new")), true, true, false, None),
        (WriteKind::Remove, not_done, false, false, false, None),
    ] {
        let shown = format!("{kind:?} {answer:?}");
        let intent = Intent {
            kind,
            ..upload(&run, "ada")
        };
        let write = WriteRecord::known(7, intent, answer);
        assert_eq!(write.may_be_done(), may_be_done, "{shown}");
        assert_eq!(write.is_done(), is_done, "{shown}");
        assert_eq!(write.has_made(&record), has_made, "{shown}");
        assert_eq!(write.uploaded(), uploaded.map(PictureId::new), "{shown}");
        assert_eq!(write.id.number(), 7);
    }
}

#[tokio::test]
async fn a_run_that_was_cut_short_tells_for_whom_something_is_left() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    let journal = store.journal();
    let people = ["ada", "bob", "cleo"].map(person);
    let stamp = upload(&RunId::new("x"), "x").expected;
    let plan = people.iter().map(|person| StepToPlan {
        person,
        task: Task::Push(Change::Add),
        expected: &stamp,
    });
    let run = journal.begin_planned_run(start(), plan).await.expect("begun");
    begin(journal, &run, "ada").await;
    journal.step(step(&run, "ada")).await.expect("ended");
    begin(journal, &run, "bob").await;
    let left = journal.left_of(&run).await.expect("read").expect("known");
    let whom: Vec<(&PersonRef, Rest)> = left
        .people
        .iter()
        .map(|(step, rest)| (&step.person, *rest))
        .collect();
    assert_eq!(whom, [(&people[1], Rest::Settle), (&people[2], Rest::Start)]);
    assert_eq!(journal.cut_short().await.expect("read"), vec![left]);
    let not_reached = journal.not_reached(&run).await.expect("read");
    assert_eq!(
        not_reached.iter().map(|step| &step.person).collect::<Vec<_>>(),
        [&people[2]]
    );
    let nobody = journal.left_of(&RunId::new("none")).await.expect("read");
    assert_eq!(nobody, None);
}
