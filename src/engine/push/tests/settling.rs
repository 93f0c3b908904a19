//! What the next start makes of a tidying that was interrupted, and of a service that does not answer then either.

use super::profiles::dead_with_a_profile_too_many;
use super::tidying::{ada_of_the_article, ada_with_duplicates};
use super::whatever_fails::CALLS;
use super::*;
use crate::engine::RecoverError;

/// A cleaning that died right after the call of this name that is the `nth`.
async fn killed_after(ada: fn() -> PersonBuilder, call: &str, nth: usize) -> Scene {
    let calls = {
        let scene = Scene::of(ada());
        let plan = scene.cleaning().await;
        scene.target.die_at(0, When::Before);
        scene.tidy(plan).await;
        scene.target.calls()
    };
    let mut of_name = calls.iter().enumerate().filter(|(_, made)| **made == call);
    let (position, _) = of_name.nth(nth - 1).expect("so many calls of this name");
    let mut scene = Scene::of(ada());
    let plan = scene.cleaning().await;
    scene.target.die_at(position + 1, When::After);
    let engine = scene.engine();
    scene.dies_while(&engine, plan).await;
    drop(engine);
    scene.restart().await;
    scene.target.live();
    scene
}

/// Two attachments of the article that nothing names, and nothing else.
fn ada_with_old_attachments() -> PersonBuilder {
    person("ada")
        .stored(PROFILE, picture(5))
        .plain()
        .stored(PROFILE, picture(6))
        .plain()
}

impl Scene {
    async fn settle(&self) {
        self.engine().recover().await.expect("settled");
        self.nobody_is_unfinished().await;
    }

    async fn one_is_unfinished(&self) {
        let unfinished = self.store().journal().unfinished().await.expect("readable");
        assert_eq!(unfinished.len(), 1);
    }
}

#[tokio::test]
async fn what_was_to_go_goes_at_the_next_start() {
    let scene = killed_after(ada_with_duplicates, "remove", 1).await;
    scene.target.promise("ada", &[]);
    scene.settle().await;
    assert_eq!(scene.hashes(USER), [Some(Sha256::of(&picture(6)))]);
    scene.assert_promises();

    let scene = killed_after(ada_with_old_attachments, "remove", 1).await;
    assert_eq!(scene.hashes(PROFILE).len(), 1);
    scene.settle().await;
    assert!(scene.hashes(PROFILE).is_empty(), "nobody sees it");
}

#[tokio::test]
async fn what_a_column_names_since_does_not_go_at_the_next_start() {
    let scene = killed_after(ada_with_duplicates, "remove", 1).await;
    let chosen = scene.world.rows("ada", USER).remove(1);
    assert_eq!(chosen.sha256, Some(Sha256::of(&picture(7))));
    scene.world.point_column("ada", USER, Some(&chosen.id));
    scene.settle().await;
    assert!(scene.world.rows("ada", USER).contains(&chosen));
}

#[tokio::test]
async fn the_last_picture_that_somebody_has_does_not_go_at_the_next_start() {
    let scene = killed_after(ada_with_duplicates, "remove", 1).await;
    scene.world.clear("ada", PROFILE);
    scene.world.point_column("ada", USER, None);
    scene.world.delete_row(&scene.world.rows("ada", USER)[0].id);
    assert_eq!(scene.world.shown("ada"), Some(picture(7)));
    scene.target.promise("ada", &[]);
    scene.settle().await;
    assert_eq!(scene.world.shown("ada"), Some(picture(7)));
    scene.assert_promises();
}

#[tokio::test]
async fn a_full_disk_leaves_an_interrupted_cleaning_for_the_next_start() {
    let scene = killed_after(ada_of_the_article, "set_column", 2).await;
    let other = rusqlite::Connection::open(scene.paths.journal()).expect("opens");
    let full = "CREATE TRIGGER full BEFORE INSERT ON writes BEGIN SELECT RAISE(FAIL, 'disk is full'); END";
    other.execute_batch(full).expect("from now on nothing fits in");
    let writes = scene.target.writes();
    let refused = scene.engine().recover().await;
    assert!(matches!(refused, Err(RecoverError::Storage(_))), "{refused:?}");
    assert_eq!(scene.target.writes(), writes);
    scene.one_is_unfinished().await;
    other.execute_batch("DROP TRIGGER full").expect("room again");
    scene.settle().await;
    assert_eq!(scene.world.shown("ada"), Some(old()));
    assert!(scene.hashes(USER).is_empty());
}

#[tokio::test]
async fn the_trail_tells_the_hash_of_what_a_column_is_set_back_to() {
    let scene = killed_after(ada_of_the_article, "set_column", 2).await;
    let run = scene.store().journal().unfinished().await.expect("readable")[0]
        .run
        .clone();
    scene.settle().await;
    let writes = scene.store().journal().writes(&run).await.expect("readable");
    let columns = writes
        .iter()
        .filter(|write| write.intent.kind == WriteKind::SetColumn);
    let hashes: Vec<_> = columns.map(|write| write.intent.sha256).collect();
    assert_eq!(hashes, [Some(Sha256::of(&old())); 4]);
}

/// A push that died before its first deletion.
async fn died_before_a_deletion() -> Scene {
    let calls = {
        let scene = Scene::of(ada_with_old_picture());
        scene.push().await;
        scene.target.calls()
    };
    let first = calls.iter().position(|call| *call == "remove").expect("two") + 1;
    let mut scene = Scene::of(ada_with_old_picture());
    scene.target.die_at(first, When::Before);
    let engine = scene.engine();
    scene.die(&engine, scene.plan(Change::Replace)).await;
    drop(engine);
    scene.restart().await;
    scene.target.live();
    scene
}

/// How often the next start looks at the records then.
async fn last_look_of_a_start() -> u64 {
    let scene = died_before_a_deletion().await;
    let looks = scene.world.calls("target.chains");
    scene.settle().await;
    scene.world.calls("target.chains") - looks
}

#[tokio::test]
async fn a_last_look_that_fails_leaves_the_settling_for_the_next_start() {
    let last = last_look_of_a_start().await;
    let scene = died_before_a_deletion().await;
    scene.world.fail("target.chains", last, ErrorKind::Unavailable);
    assert!(scene.engine().recover().await.is_err());
    scene.one_is_unfinished().await;
    scene.world.heal();
    scene.settle().await;
    scene.assert_in_order(&new());
}

#[tokio::test]
async fn whoever_is_gone_at_the_last_look_is_settled() {
    let last = last_look_of_a_start().await;
    let scene = died_before_a_deletion().await;
    let run = scene.store().journal().unfinished().await.expect("readable")[0]
        .run
        .clone();
    let looks = scene.count("chains") + usize::try_from(last).expect("a few");
    scene
        .target
        .on(When::Before, "chains", looks, |world| world.leaves_target("ada"));
    scene.settle().await;
    let steps = scene.store().journal().steps(&run).await.expect("readable");
    assert_eq!(steps[0].after, None, "nobody saw how it was left");
}

/// Whichever call of a start fails, the start after it leaves nothing over.
async fn whichever_call_of_a_start_fails(dead: impl AsyncFn() -> Scene) {
    let scene = dead().await;
    let calls = || CALLS.map(|call| scene.world.calls(call));
    let before = calls();
    scene.settle().await;
    for (call, (before, made)) in CALLS.into_iter().zip(before.into_iter().zip(calls())) {
        for nth in 1..=made - before {
            let scene = dead().await;
            scene.target.promise_a_picture("ada", &[new()]);
            scene.world.fail(call, nth, ErrorKind::Unavailable);
            let started = scene.engine().recover().await;
            scene.world.heal();
            let at = format!("{call} {nth}: {started:?}");
            scene.is_settled_by_the_next_start(&at).await;
        }
    }
}

#[tokio::test]
async fn whichever_call_fails_while_a_cleaning_is_taken_back_it_is_taken_back_later() {
    whichever_call_of_a_start_fails(async || killed_after(ada_of_the_article, "set_column", 2).await).await;
}

#[tokio::test]
async fn whichever_call_fails_while_a_cleaning_is_finished_it_is_finished_later() {
    whichever_call_of_a_start_fails(async || killed_after(ada_with_duplicates, "remove", 1).await).await;
}

#[tokio::test]
async fn whichever_call_fails_while_a_push_is_finished_it_is_finished_later() {
    whichever_call_of_a_start_fails(died_before_a_deletion).await;
}

#[tokio::test]
async fn whichever_call_fails_while_a_second_profile_is_taken_back_nothing_is_lost() {
    whichever_call_of_a_start_fails(async || dead_with_a_profile_too_many(new()).await).await;
    whichever_call_of_a_start_fails(async || dead_with_a_profile_too_many(picture(3)).await).await;
}

#[tokio::test]
async fn of_a_cleaning_that_had_stored_nothing_yet_it_is_said_that_nothing_is_left() {
    let mut scene = Scene::of(ada_of_the_article());
    let plan = scene.cleaning().await;
    let first = {
        let whole = Scene::of(ada_of_the_article());
        let plan = whole.cleaning().await;
        whole.target.die_at(0, When::Before);
        whole.tidy(plan).await;
        let calls = whole.target.calls();
        calls.iter().position(|call| *call == "store_as").expect("two") + 1
    };
    scene.target.die_at(first, When::Before);
    let engine = scene.engine();
    scene.dies_while(&engine, plan).await;
    drop(engine);
    scene.restart().await;
    scene.target.live();
    let writes = scene.target.writes();
    let sentences = scene.engine().recover().await.expect("settled");
    assert!(
        sentences[0].ends_with("nothing of it was left behind"),
        "{sentences:?}"
    );
    assert_eq!(scene.target.writes(), writes);
    scene.nobody_is_unfinished().await;
}

#[tokio::test]
async fn a_column_that_is_not_set_back_because_no_answer_comes_is_set_back_by_the_start_after() {
    let scene = killed_after(ada_of_the_article, "set_column", 2).await;
    scene.target.promise("ada", &[]);
    scene
        .world
        .fail("target.set_column", 0, ErrorKind::OutcomeUnknown);
    drop(scene.engine().recover().await);
    scene.one_is_unfinished().await;
    scene.world.heal();
    scene.settle().await;
    assert!(scene.hashes(USER).is_empty(), "the copies are taken back");
    assert_eq!(scene.world.shown("ada"), Some(old()));
}
