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
async fn what_an_older_version_did_not_write_down_is_refused_with_the_reason() {
    let scene = Scene::pushed().await;
    // An older version did not write down how it left the records.
    let steps = scene
        .engine
        .store
        .journal()
        .steps(&scene.run)
        .await
        .expect("read");
    for step in steps {
        let older = StepRecord { after: None, ..step };
        scene.engine.store.journal().step(older).await.expect("written");
    }
    let plan = scene.plan(scene.run.as_str()).await;
    assert_eq!(plan.steps, vec![]);
    assert_eq!(plan.left.len(), 3);
    assert!(
        plan.left.iter().all(|left| left.reason.contains("not known how")),
        "{:?}",
        plan.left
    );
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
