//! Stories about runs of several people that are taken back (`reliability.md` N4).

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::domain::plan::Limits;
use crate::engine::fakes::{Bench, World, person, picture};
use crate::engine::scan::Ignore;
use crate::engine::{Depth, RunControl, RunReport};
use crate::store::journal::RunKind;

const NAMES: [&str; 3] = ["ada", "bob", "cleo"];

/// Three people whose pictures differ, and a run that has brought them the right ones.
struct Scene {
    world: World,
    engine: Bench,
    run: RunId,
}

fn old(number: u8) -> bytes::Bytes {
    picture(100 + number)
}

impl Scene {
    async fn pushed() -> Self {
        let people = (0..)
            .zip(NAMES)
            .map(|(number, name)| person(name).photo(picture(number)).avatar(old(number)));
        let world = World::with(people);
        let engine = world.engine();
        let scan = engine
            .scan(Depth::Settled, &Ignore, &CancellationToken::new())
            .await
            .expect("a scan");
        let plan = engine.plan(&scan).await;
        let (events, mut heard) = mpsc::channel(16);
        let listening = async { while heard.recv().await.is_some() {} };
        let control = RunControl::new();
        let running = engine.apply(plan, &Limits::NONE, &control, events);
        let report = tokio::join!(running, listening).0.expect("begun");
        assert_eq!(report.summary.updated, 3, "{:?}", report.summary);
        Self {
            world,
            engine,
            run: report.run,
        }
    }

    async fn plan(&self, what: &str) -> TidyPlan {
        self.engine.undo_plan(what).await.expect("something to take back")
    }

    async fn undo(&self, what: &str) -> RunReport {
        let plan = self.plan(what).await;
        let (events, mut heard) = mpsc::channel(16);
        let listening = async { while heard.recv().await.is_some() {} };
        let control = RunControl::new();
        let running = self.engine.tidy(plan, &Limits::NONE, &control, events);
        let report = tokio::join!(running, listening).0.expect("begun");
        assert!(report.summary.adds_up());
        report
    }

    fn copy(&self, number: u8) -> std::path::PathBuf {
        let name = Sha256::of(&old(number)).to_string();
        self.engine.store.vault().folder().join(&name[..2]).join(name)
    }

    fn shown(&self) -> Vec<Option<bytes::Bytes>> {
        NAMES.iter().map(|name| self.world.shown(name)).collect()
    }
}

#[tokio::test]
async fn a_run_is_taken_back_for_everybody_and_the_history_says_so() {
    let scene = Scene::pushed().await;
    let report = scene.undo(scene.run.as_str()).await;
    assert_eq!(report.summary.updated, 3, "{:?}", report.summary);
    assert_eq!(scene.shown(), [Some(old(0)), Some(old(1)), Some(old(2))]);
    let journal = scene.engine.store.journal();
    let told = journal.past_run(&scene.run).await.expect("read").expect("known");
    assert_eq!(told.undone_by, Some(report.run.clone()));
    let told = journal.past_run(&report.run).await.expect("read").expect("known");
    assert_eq!(told.record.start.undoes, Some(scene.run.clone()));
    assert_eq!(told.record.start.kind, RunKind::Undo);
    crate::tried("N4", 3);
}

#[tokio::test]
async fn of_a_run_that_is_half_taken_back_the_other_half_is() {
    let scene = Scene::pushed().await;
    assert_eq!(scene.undo("bob@x.example").await.summary.updated, 1);
    assert_eq!(scene.shown(), [Some(picture(0)), Some(old(1)), Some(picture(2))]);
    let report = scene.undo(scene.run.as_str()).await;
    assert_eq!((report.summary.updated, report.summary.changed_meanwhile), (2, 1));
    assert_eq!(scene.shown(), [Some(old(0)), Some(old(1)), Some(old(2))]);
    crate::tried("N4", 3);
}

#[tokio::test]
async fn whose_copy_is_missing_or_damaged_fails_with_the_reason_and_the_others_go_on() {
    let scene = Scene::pushed().await;
    std::fs::remove_file(scene.copy(0)).expect("there was one");
    std::fs::write(scene.copy(1), b"not what it was").expect("writable");
    let plan = scene.plan(scene.run.as_str()).await;
    assert_eq!(plan.steps.len(), 1);
    let left = |name: &str| {
        let left = plan.left.iter().find(|left| left.person.name.raw() == name);
        let left = left.expect("told of");
        assert_eq!(left.outcome, Outcome::Failed);
        left.reason.clone()
    };
    assert!(left("ada").contains("not in the vault"), "{}", left("ada"));
    assert!(left("bob").contains("damaged"), "{}", left("bob"));
    let report = scene.undo(scene.run.as_str()).await;
    assert_eq!((report.summary.updated, report.summary.failed), (1, 2));
    assert_eq!(scene.shown(), [Some(picture(0)), Some(picture(1)), Some(old(2))]);
    crate::tried("N4", 3);
}

#[tokio::test]
async fn who_was_changed_since_is_left_and_the_others_go_on() {
    let scene = Scene::pushed().await;
    scene.world.store_at("bob", Place::LIVE_PROFILE, picture(55));
    let shown = scene.world.shown("bob");
    let report = scene.undo(scene.run.as_str()).await;
    assert_eq!((report.summary.updated, report.summary.changed_meanwhile), (2, 1));
    assert_eq!(scene.shown(), [Some(old(0)), shown, Some(old(2))]);
    crate::tried("N4", 3);
}

#[tokio::test]
async fn of_a_run_whose_end_nobody_saw_the_writes_tell_whether_it_can_be_taken_back() {
    let scene = Scene::pushed().await;
    let journal = scene.engine.store.journal();
    for step in journal.steps(&scene.run).await.expect("read") {
        let unseen = StepRecord { after: None, ..step };
        journal.step(unseen).await.expect("written");
    }
    scene.world.store_at("bob", Place::LIVE_PROFILE, picture(55));
    scene
        .world
        .delete_row(&scene.world.rows("cleo", Place::LIVE_PROFILE)[0].id);
    let shown = scene.shown();
    let plan = scene.plan(scene.run.as_str()).await;
    assert_eq!(plan.steps.len(), 1);
    assert_eq!(plan.left.len(), 2);
    for left in &plan.left {
        assert_eq!(left.outcome, Outcome::ChangedMeanwhile);
        assert!(left.reason.contains("not known how"), "{}", left.reason);
    }
    let report = scene.undo(scene.run.as_str()).await;
    assert_eq!((report.summary.updated, report.summary.changed_meanwhile), (1, 2));
    assert_eq!(scene.shown(), [Some(old(0)), shown[1].clone(), shown[2].clone()]);
    crate::tried("N4", 3);
}

#[tokio::test]
async fn a_profile_that_was_opened_since_and_holds_nothing_is_no_change() {
    let scene = Scene::pushed().await;
    scene.world.create_profile("ada");
    assert_eq!(scene.undo("ada@x.example").await.summary.updated, 1);
    assert_eq!(scene.shown()[0], Some(old(0)));
    crate::tried("N4", 1);
}

/// One person, and a store that outlives its engines.
struct One {
    world: World,
    store: Arc<crate::store::Store>,
    _folder: tempfile::TempDir,
}

impl One {
    fn of(ada: crate::engine::fakes::PersonBuilder) -> Self {
        let folder = crate::store::quick_folder();
        let paths = crate::store::StorePaths {
            state_dir: folder.path().join("state"),
            cache_dir: folder.path().join("cache"),
            profile: "default".into(),
        };
        let store = crate::store::Store::open(&paths, crate::store::Access::Write).expect("opens");
        Self {
            world: World::with([ada]),
            store: Arc::new(store),
            _folder: folder,
        }
    }

    fn engine(&self) -> Engine {
        self.world.engine_on(&self.store, |_| {})
    }

    async fn push(&self, engine: &Engine) {
        let cancel = CancellationToken::new();
        let scan = engine
            .scan(Depth::Settled, &Ignore, &cancel)
            .await
            .expect("a scan");
        let plan = engine.plan(&scan).await;
        assert_eq!(plan.steps.len(), 1);
        let (events, _heard) = mpsc::channel(16);
        engine
            .apply(plan, &Limits::NONE, &RunControl::new(), events)
            .await
            .expect("begun");
    }

    async fn undo(&self) -> TidyPlan {
        let engine = self.engine();
        let plan = engine
            .undo_plan("ada@x.example")
            .await
            .expect("something to take back");
        let (events, _heard) = mpsc::channel(16);
        let control = RunControl::new();
        engine
            .tidy(plan.clone(), &Limits::NONE, &control, events)
            .await
            .expect("begun");
        plan
    }
}

#[tokio::test]
async fn what_is_stored_again_is_displayed_although_what_stayed_is_older() {
    // The photo is there already, hidden behind an older picture: the push deletes that one and stores nothing.
    let ada = person("ada").photo(picture(1)).avatar(old(1)).avatar(picture(1));
    let one = One::of(ada);
    one.push(&one.engine()).await;
    assert_eq!(one.world.shown("ada"), Some(picture(1)));
    let plan = one.undo().await;
    assert_eq!(plan.left, vec![]);
    assert_eq!(one.world.shown("ada"), Some(old(1)));
    // And forward again.
    one.undo().await;
    assert_eq!(one.world.shown("ada"), Some(picture(1)));
    crate::tried("N4", 2);
}

#[tokio::test]
async fn the_last_change_is_the_one_that_was_written_last_whatever_the_clock_said() {
    let one = One::of(person("ada").photo(picture(1)).avatar(old(1)));
    one.push(&one.engine()).await;
    one.world.set_photo("ada", Some(picture(2)));
    one.world.later(-1);
    one.push(&one.engine()).await;
    assert_eq!(one.world.shown("ada"), Some(picture(2)));
    let plan = one.undo().await;
    assert_eq!(plan.left, vec![]);
    assert_eq!(one.world.shown("ada"), Some(picture(1)));
    crate::tried("N4", 1);
}

/// A push that was killed once the old picture was gone.
async fn killed_in_a_push() -> One {
    use crate::engine::fakes::{Watched, When};
    let ada = || One::of(person("ada").photo(picture(1)).avatar(old(1)));
    let watched = |one: &One| {
        let target = Arc::new(Watched::new(&one.world));
        let seen: Arc<dyn crate::connector::AvatarTarget> = target.clone();
        let engine = one.world.engine_to(seen, &one.store, |_| {});
        (target, engine)
    };
    let twin = ada();
    let (target, engine) = watched(&twin);
    twin.push(&engine).await;
    let removal = target.calls().iter().position(|call| *call == "remove");
    let one = ada();
    let (target, engine) = watched(&one);
    target.die_at(removal.expect("the old picture goes") + 1, When::After);
    tokio::select! {
        () = one.push(&engine) => panic!("it lives"),
        () = target.death() => {}
    }
    one
}

#[tokio::test]
async fn what_somebody_chose_between_a_crash_and_the_next_start_is_not_taken_back() {
    let one = killed_in_a_push().await;
    for place in [Place::LIVE_PROFILE, Place::SYS_USER] {
        for row in one.world.rows("ada", place) {
            one.world.delete_row(&row.id);
        }
    }
    one.world.store_at("ada", Place::LIVE_PROFILE, picture(55));
    one.engine().recover().await.expect("settled");
    assert_eq!(one.world.shown("ada"), Some(picture(55)));
    let plan = one.undo().await;
    assert_eq!(
        plan.left[0].outcome,
        Outcome::ChangedMeanwhile,
        "{}",
        plan.left[0].reason
    );
    assert_eq!(one.world.shown("ada"), Some(picture(55)));
    crate::tried("N4", 1);
}

#[tokio::test]
async fn of_a_push_that_went_on_with_a_newer_photo_after_a_crash_nothing_in_between_comes_back() {
    let one = killed_in_a_push().await;
    one.world.set_photo("ada", Some(picture(2)));
    one.engine().recover().await.expect("settled");
    assert_eq!(one.world.shown("ada"), Some(picture(2)));
    let plan = one.undo().await;
    assert_eq!(plan.left, vec![]);
    let rows = |place| one.world.rows("ada", place).into_iter().map(|row| row.sha256);
    assert_eq!(
        rows(Place::LIVE_PROFILE).collect::<Vec<_>>(),
        [Some(Sha256::of(&old(1)))]
    );
    assert_eq!(rows(Place::SYS_USER).count(), 0);
    crate::tried("N4", 1);
}

#[tokio::test]
async fn the_faces_of_a_step_are_shown_as_long_as_somebody_keeps_them() {
    use crate::connector::Priority;
    use crate::domain::ids::SourceId;
    use crate::engine::PastFace;
    let scene = Scene::pushed().await;
    let store = Arc::clone(&scene.engine.store);
    let past = async |name: &str| {
        let id = SourceId::new(format!("{name}-id"));
        store
            .past_person(&scene.run, &id)
            .await
            .expect("read")
            .expect("had a step")
    };
    let ada = past("ada").await;
    assert!(ada.old_is_kept && ada.can_undo());
    let faces = scene.engine.past_faces(&ada.past, Priority::Foreground).await;
    assert_eq!(faces.old, PastFace::Bytes(old(0)), "out of the vault");
    assert_eq!(faces.new, PastFace::Bytes(picture(0)), "out of the target");
    // Taken back: the new picture went into the vault.
    scene.undo("ada@x.example").await;
    let ada = past("ada").await;
    assert!(ada.new_is_kept);
    let faces = scene.engine.past_faces(&ada.past, Priority::Foreground).await;
    assert_eq!(faces.new, PastFace::Bytes(picture(0)), "out of the vault");
    std::fs::remove_file(scene.copy(1)).expect("there was one");
    let bob = past("bob").await;
    assert!(!bob.old_is_kept && !bob.can_undo());
    let faces = scene.engine.past_faces(&bob.past, Priority::Foreground).await;
    assert_eq!(faces.old, PastFace::NotKept);
}
