//! The program is killed before and after every single call to the target, from every starting state. At that instant
//! nobody has lost a picture; after the next start nothing is left over.

use super::*;

type Setting = fn() -> Scene;

/// Kills at every call, starts again, and looks.
async fn survives(setting: Setting, change: Change) {
    let calls = {
        let scene = setting();
        let told = scene.carry_out(scene.plan(change)).await;
        assert_eq!(told.outcome, Outcome::Updated, "{}", told.detail);
        scene.target.calls().len()
    };
    for call in 1..=calls {
        for when in [When::Before, When::After] {
            let mut scene = setting();
            let at = format!("{when:?} call {call}");
            scene.target.promise("ada", &[new()]);
            scene.target.die_at(call, when);
            let plan = scene.plan(change);
            let engine = scene.engine();
            scene.die(&engine, plan).await;
            drop(engine);
            scene.restart().await;
            let rows = [PROFILE, USER].map(|place| {
                scene.world.chain("ada").record(place).map_or(0, |record| {
                    record
                        .image_rows()
                        .filter(|row| row.sha256 == Some(Sha256::of(&new())))
                        .count()
                })
            });
            assert!(rows.into_iter().all(|rows| rows <= 1), "{at}: {rows:?}");
            scene.target.live();
            scene
                .engine()
                .recover()
                .await
                .unwrap_or_else(|error| panic!("{at}: {error:?}"));
            scene.nobody_is_unfinished().await;
            let told = scene.push().await;
            assert!(
                matches!(told.outcome, Outcome::Updated | Outcome::Unchanged),
                "{at}: {:?} {}",
                told.outcome,
                told.detail
            );
            scene.assert_in_order(&new());
            assert_eq!(scene.target.broken_promises(), Vec::<String>::new(), "{at}");
        }
    }
}

impl Scene {
    /// Runs until the program dies.
    pub(super) async fn die(&self, engine: &Engine, plan: Plan) {
        let (events, _received) = mpsc::channel(64);
        let control = RunControl::new();
        tokio::select! {
            report = engine.apply(plan, &NO_LIMITS, &control, events) => panic!("lived: {report:?}"),
            () = self.target.death() => {}
        }
    }

    /// The process is gone: its tasks, its lock, its memory.
    pub(super) async fn restart(&mut self) {
        let mut store = self.store.take().expect("started");
        store = loop {
            match Arc::try_unwrap(store) {
                Ok(last) => {
                    drop(last);
                    break self.reopened();
                }
                Err(shared) => {
                    store = shared;
                    tokio::task::yield_now().await;
                }
            }
        };
        self.store = Some(store);
    }

    fn reopened(&self) -> Arc<Store> {
        Arc::new(Store::open(&self.paths, Access::Write).expect("the lock is free again"))
    }
}

#[tokio::test]
async fn killed_while_somebody_without_a_profile_gets_a_picture() {
    survives(|| Scene::of(ada_with_photo().profiles(0)), Change::Add).await;
}

#[tokio::test]
async fn killed_while_somebody_without_a_picture_gets_one() {
    survives(|| Scene::of(ada_with_photo()), Change::Add).await;
}

#[tokio::test]
async fn killed_while_an_old_picture_is_replaced() {
    survives(|| Scene::of(ada_with_old_picture()), Change::Replace).await;
}

#[tokio::test]
async fn killed_while_different_old_pictures_are_replaced() {
    survives(
        || Scene::of(ada_with_photo().stored(PROFILE, old()).stored(USER, picture(3))),
        Change::Replace,
    )
    .await;
}

#[tokio::test]
async fn killed_while_a_column_that_names_nothing_is_repaired() {
    survives(
        || Scene::of(ada_with_photo().stored(USER, old()).column(PROFILE, "gone")),
        Change::Repair,
    )
    .await;
}

#[tokio::test]
async fn killed_while_duplicate_rows_are_put_in_order() {
    survives(
        || {
            Scene::of(
                ada_with_photo()
                    .stored(PROFILE, old())
                    .stored(PROFILE, old())
                    .stored(USER, new()),
            )
        },
        Change::Repair,
    )
    .await;
}

#[tokio::test]
async fn killed_while_a_picture_stored_as_in_the_article_is_replaced() {
    survives(ada_as_in_the_article, Change::Replace).await;
}

#[tokio::test]
async fn after_a_crash_another_administrators_run_converges_too() {
    let scene = Scene::of(ada_with_old_picture());
    scene.target.promise("ada", &[new()]);
    // Somewhere between the uploads and the deletions.
    scene.target.die_at(8, When::Before);
    let engine = scene.engine();
    let plan = scene.plan(Change::Replace);
    scene.die(&engine, plan).await;
    scene.target.live();
    let elsewhere = crate::store::quick_folder();
    let paths = StorePaths {
        state_dir: elsewhere.path().join("state"),
        cache_dir: elsewhere.path().join("cache"),
        profile: "default".into(),
    };
    let store = Arc::new(Store::open(&paths, Access::Write).expect("another machine"));
    let target = Arc::clone(&scene.target);
    let other = scene.world.engine_to(target, &store, |_| {});
    let (events, _received) = mpsc::channel(64);
    let plan = scene.plan(Change::Repair);
    let report = other
        .apply(plan, &NO_LIMITS, &RunControl::new(), events)
        .await
        .expect("begun");
    assert_eq!(report.summary.updated, 1);
    scene.assert_in_order(&new());
    assert_eq!(scene.target.broken_promises(), Vec::<String>::new());
}
