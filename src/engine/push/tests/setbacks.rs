//! Clearing away and taking back when something comes in between.

use super::tidying::{ada_of_the_article, ada_with_duplicates};
use super::*;
use crate::domain::photo::Scan;
use crate::domain::tidying::{Subject, TidyPlan};

/// The article's attachment is stored as both fields want it, both columns set, then it goes.
async fn article() -> (Scene, TidyPlan) {
    let scene = Scene::of(ada_of_the_article());
    let plan = scene.cleaning().await;
    (scene, plan)
}

async fn duplicates() -> (Scene, TidyPlan) {
    let scene = Scene::of(ada_with_duplicates());
    let plan = scene.cleaning().await;
    (scene, plan)
}

impl Scene {
    /// Everything is as it was.
    fn assert_untouched(&self, before: &crate::domain::photo::AvatarChain) {
        assert_eq!(self.world.chain("ada").stamp(), before.stamp());
        assert_eq!(self.target.broken_promises(), Vec::<String>::new());
    }
}

#[tokio::test]
async fn whichever_call_of_a_cleaning_fails_what_was_begun_is_taken_back_or_finished_later() {
    for ada in [ada_of_the_article, ada_with_duplicates] {
        let calls = {
            let scene = Scene::of(ada());
            let plan = scene.cleaning().await;
            scene.target.die_at(0, When::Before);
            scene.tidy(plan).await;
            scene.target.calls()
        };
        for (position, call) in calls.iter().enumerate() {
            let scene = Scene::of(ada());
            let plan = scene.cleaning().await;
            scene.target.promise("ada", &[old()]);
            let name: &'static str = format!("target.{call}").leak();
            let nth = calls[..=position].iter().filter(|made| *made == call).count() as u64;
            scene.world.fail(name, nth, ErrorKind::Unavailable);
            let told = scene.tidy(plan).await;
            let at = format!("{position} {call}: {:?} {}", told.outcome, told.detail);
            scene.world.heal();
            scene.engine().recover().await.expect("settled");
            scene.nobody_is_unfinished().await;
            let again = scene.cleaning().await;
            if !again.steps.is_empty() {
                assert_eq!(scene.tidy(again).await.outcome, Outcome::Updated, "{at}");
            }
            assert_eq!(scene.cleaning().await.selected(), 0, "{at}");
            assert_eq!(scene.world.shown("ada"), Some(old()), "{at}");
            assert_eq!(scene.target.broken_promises(), Vec::<String>::new(), "{at}");
        }
    }
}

#[tokio::test]
async fn a_copy_that_never_arrives_is_sent_three_times_and_nothing_goes() {
    let (scene, plan) = article().await;
    let before = scene.world.chain("ada");
    scene.target.promise("ada", &[old()]);
    scene.world.fail("target.store_as", 0, ErrorKind::OutcomeUnknown);
    let told = scene.tidy(plan).await;
    assert_eq!(told.outcome, Outcome::Failed);
    assert!(told.detail.contains("3 times"), "{}", told.detail);
    assert_eq!(scene.count("store_as"), 3);
    scene.assert_untouched(&before);
}

#[tokio::test]
async fn a_copy_that_may_not_be_stored_is_tried_once_and_nothing_goes() {
    let (scene, plan) = article().await;
    let before = scene.world.chain("ada");
    scene.world.fail("target.store_as", 1, not_allowed());
    let told = scene.tidy(plan).await;
    assert_eq!(told.outcome, Outcome::Failed);
    assert_eq!(scene.count("store_as"), 1);
    scene.assert_untouched(&before);
    scene.nobody_is_unfinished().await;
}

#[tokio::test]
async fn a_copy_that_is_stored_as_something_else_is_taken_back() {
    let (scene, plan) = article().await;
    let before = scene.world.chain("ada");
    scene.target.on(When::After, "store_as", 2, |world| {
        world.alter_newest(|row| row.sha256 = Some(Sha256::of(b"something else")));
    });
    let told = scene.tidy(plan).await;
    assert_eq!(told.outcome, Outcome::Failed);
    assert!(told.detail.contains("something else"), "{}", told.detail);
    scene.assert_untouched(&before);
    scene.nobody_is_unfinished().await;
}

#[tokio::test]
async fn copies_that_are_quarantined_never_scanned_or_gone_are_taken_back() {
    for (scan, words) in [
        (Scan::Quarantined, "did not pass the virus scan"),
        (Scan::Pending, "the virus scan was not through"),
    ] {
        let (scene, plan) = article().await;
        let before = scene.world.chain("ada");
        scene.target.on(When::After, "store_as", 2, move |world| {
            world.alter_newest(|row| row.scan = scan);
        });
        let told = scene.tidy(plan).await;
        assert_eq!(told.outcome, Outcome::Failed);
        assert!(told.detail.contains(words), "{}", told.detail);
        scene.assert_untouched(&before);
    }
    let (scene, plan) = article().await;
    let before = scene.world.chain("ada");
    scene.target.on(When::After, "store_as", 2, |world| {
        let rows = world.rows("ada", USER);
        world.delete_row(&rows.last().expect("just stored").id);
    });
    let told = scene.tidy(plan).await;
    assert_eq!(told.outcome, Outcome::Failed);
    assert_eq!(scene.count("remove"), 1, "the one that is there");
    assert!(told.detail.contains("gone a moment later"), "{}", told.detail);
    scene.assert_untouched(&before);
}

#[tokio::test]
async fn a_scan_that_takes_its_time_is_waited_for() {
    let (scene, plan) = article().await;
    scene.target.promise("ada", &[old()]);
    scene.target.on(When::After, "store_as", 0, |world| {
        world.alter_newest(|row| row.scan = Scan::Pending);
    });
    let looks = scene.count("chains");
    scene.target.on(When::Before, "chains", looks + 4, |world| {
        world.alter_all(|row| row.scan = Scan::Available);
    });
    let told = scene.tidy(plan).await;
    assert_eq!(told.outcome, Outcome::Updated, "{}", told.detail);
    scene.assert_in_order(&old());
}

#[tokio::test]
async fn what_somebody_changes_while_copies_are_stored_stays_and_the_copies_go() {
    let (scene, plan) = article().await;
    scene.target.on(When::After, "store_as", 2, |world| {
        world.store_at("ada", USER, picture(9));
    });
    let told = scene.tidy(plan).await;
    assert_eq!(told.outcome, Outcome::ChangedMeanwhile, "{}", told.detail);
    assert_eq!(scene.hashes(USER), [Some(Sha256::of(&picture(9)))]);
    assert_eq!(scene.hashes(PROFILE), [Some(Sha256::of(&old()))]);
    scene.nobody_is_unfinished().await;
}

#[tokio::test]
async fn a_column_that_a_rule_puts_back_or_somebody_sets_ends_a_cleaning_before_anything_goes() {
    let (scene, plan) = article().await;
    let before = scene.world.chain("ada");
    let attachment = before.record(PROFILE).expect("there").pictures[0].id.clone();
    scene.target.on(When::After, "set_column", 1, move |world| {
        world.point_column("ada", PROFILE, Some(&attachment));
    });
    let told = scene.tidy(plan).await;
    assert_eq!(told.outcome, Outcome::Failed, "{}", told.detail);
    assert!(told.detail.contains("put its old value back"), "{}", told.detail);
    scene.assert_untouched(&before);

    let (scene, plan) = article().await;
    scene.target.on(When::After, "set_column", 1, |world| {
        world.choose("ada", PROFILE, picture(9));
    });
    let told = scene.tidy(plan).await;
    assert_eq!(told.outcome, Outcome::ChangedMeanwhile, "{}", told.detail);
    assert_eq!(scene.world.shown("ada"), Some(picture(9)));
    assert_eq!(scene.count("remove"), 2, "the copies alone");
}

#[tokio::test]
async fn a_second_column_that_cannot_be_set_sets_the_first_one_back() {
    let (scene, plan) = article().await;
    let before = scene.world.chain("ada");
    scene.target.promise("ada", &[old()]);
    scene.world.fail("target.set_column", 2, not_allowed());
    let told = scene.tidy(plan).await;
    assert_eq!(told.outcome, Outcome::Failed);
    scene.assert_untouched(&before);
    scene.nobody_is_unfinished().await;
}

#[tokio::test]
async fn where_something_else_is_displayed_once_columns_are_set_they_are_set_back() {
    let (scene, plan) = article().await;
    let before = scene.world.chain("ada");
    let asked = scene.count("displayed");
    scene.target.on(When::Before, "displayed", asked + 2, |world| {
        world.create_profile_before("ada");
        world.store_at("ada", PROFILE, picture(9));
    });
    scene.target.on(When::After, "displayed", asked + 2, |world| {
        let gone = world.rows("ada", PROFILE).remove(0).id;
        world.delete_row(&gone);
    });
    let told = scene.tidy(plan).await;
    assert_eq!(told.outcome, Outcome::Failed, "{}", told.detail);
    assert!(
        told.detail.contains("displays another picture"),
        "{}",
        told.detail
    );
    assert!(scene.hashes(USER).is_empty());
    let profile = scene.world.chain("ada").records[1].clone();
    assert_eq!(profile.pictures, before.record(PROFILE).expect("there").pictures);
    assert_eq!(profile.column, before.record(PROFILE).expect("there").column);
}

#[tokio::test]
async fn an_instance_that_displays_something_else_than_its_rows_say_is_left_alone() {
    let (scene, plan) = duplicates().await;
    let asked = scene.count("displayed");
    scene.target.on(When::Before, "displayed", asked + 1, |world| {
        world.create_profile_before("ada");
        world.store_at("ada", PROFILE, picture(9));
    });
    let told = scene.tidy(plan).await;
    assert_eq!(told.outcome, Outcome::Skipped, "{}", told.detail);
    assert!(told.detail.contains("without knowing why"), "{}", told.detail);
    assert_eq!(scene.target.writes(), 0);
}

#[tokio::test]
async fn a_row_that_may_not_be_removed_is_counted_and_said_with_what_to_do() {
    let (scene, plan) = duplicates().await;
    scene.target.promise("ada", &[]);
    scene.world.fail("target.remove", 0, not_allowed());
    let told = scene.tidy(plan).await;
    assert_eq!(told.outcome, Outcome::Failed);
    assert!(told.detail.contains("; 2 left: "), "{}", told.detail);
    assert_eq!(
        scene.last_step(&told).await.hint.as_deref(),
        Some("see the manual")
    );
    assert_eq!(scene.world.shown("ada"), Some(old()));
}

#[tokio::test]
async fn a_sign_in_that_is_refused_after_a_removal_leaves_the_rest_for_the_next_start() {
    let (scene, plan) = duplicates().await;
    scene.target.promise("ada", &[]);
    scene.world.fail("target.remove", 2, ErrorKind::SignInRejected);
    let told = scene.tidy(plan).await;
    assert_eq!(told.outcome, Outcome::Failed);
    assert!(
        told.detail.ends_with("what was removed is in the vault"),
        "{}",
        told.detail
    );
    assert!(!scene.last_step(&told).await.settled);
    scene.world.heal();
    scene.engine().recover().await.expect("settled");
    scene.nobody_is_unfinished().await;
    assert_eq!(scene.cleaning().await.selected(), 0);
}

#[tokio::test]
async fn what_cannot_be_taken_back_now_is_taken_back_at_the_next_start() {
    let (scene, plan) = article().await;
    let before = scene.world.chain("ada");
    scene.target.promise("ada", &[old()]);
    let looks = scene.world.calls("target.chains");
    scene.world.fail("target.set_column", 2, not_allowed());
    scene.world.fail("target.set_column", 3, ErrorKind::Unavailable);
    let told = scene.tidy(plan).await;
    assert_eq!(told.outcome, Outcome::Failed);
    assert!(
        told.detail
            .ends_with("what was begun is settled when the program starts again"),
        "{} {looks}",
        told.detail
    );
    scene.world.heal();
    let sentences = scene.engine().recover().await.expect("settled");
    assert!(
        sentences[0].ends_with("what was begun was taken back"),
        "{sentences:?}"
    );
    scene.assert_untouched(&before);
    scene.nobody_is_unfinished().await;
}

#[tokio::test]
async fn a_picture_that_somebody_stores_right_after_a_cleaning_stays() {
    let (scene, plan) = duplicates().await;
    let asked = scene.count("displayed");
    scene.target.on(When::Before, "displayed", asked + 3, |world| {
        world.choose("ada", PROFILE, picture(9));
    });
    let told = scene.tidy(plan).await;
    assert_eq!(told.outcome, Outcome::ChangedMeanwhile, "{}", told.detail);
    assert_eq!(scene.world.shown("ada"), Some(picture(9)));
}

#[tokio::test]
async fn what_is_gone_after_the_plan_is_no_step_any_more() {
    let (scene, mut plan) = duplicates().await;
    scene.world.leaves_target("ada");
    let told = scene.tidy(plan.clone()).await;
    assert_eq!(told.outcome, Outcome::Skipped, "{}", told.detail);
    plan.steps[0].subject = Subject::Stray {
        place: PROFILE,
        record: crate::domain::ids::RecordId::new("gone"),
    };
    let told = scene.tidy(plan).await;
    assert_eq!(told.outcome, Outcome::ChangedMeanwhile, "{}", told.detail);
    assert_eq!(scene.target.writes(), 0);
}

#[tokio::test]
async fn a_column_taken_for_dangling_stays_if_its_picture_is_stored_elsewhere() {
    let scene = Scene::of(person("ada").stored(PROFILE, old()));
    scene.world.add(person("bob").stored(PROFILE, picture(9)));
    let theirs = scene.world.rows("bob", PROFILE).remove(0).id;
    scene.world.point_column("ada", USER, Some(&theirs));
    let told = scene.tidy(scene.cleaning().await).await;
    assert_eq!(told.outcome, Outcome::Skipped, "{}", told.detail);
    assert!(told.detail.contains("stored elsewhere"), "{}", told.detail);
    assert_eq!(scene.target.writes(), 0);
}

/// A cleaning that died before its first removal.
async fn interrupted() -> Scene {
    let calls = {
        let (scene, plan) = article().await;
        scene.target.die_at(0, When::Before);
        scene.tidy(plan).await;
        scene.target.calls()
    };
    let (mut scene, plan) = article().await;
    let last_column = calls.iter().rposition(|call| *call == "set_column").expect("two") + 1;
    scene.target.die_at(last_column, When::After);
    let engine = scene.engine();
    scene.dies_while(&engine, plan).await;
    drop(engine);
    scene.restart().await;
    scene.target.live();
    scene
}

#[tokio::test]
async fn a_target_that_does_not_answer_leaves_an_interrupted_cleaning_for_the_next_start() {
    let scene = interrupted().await;
    for call in ["target.chains", "target.set_column"] {
        scene.world.fail(call, 1, ErrorKind::Unavailable);
        assert!(scene.engine().recover().await.is_err(), "{call}");
        let unfinished = scene.store().journal().unfinished().await.expect("readable");
        assert_eq!(unfinished.len(), 1, "{call}");
    }
    scene.world.heal();
    scene.engine().recover().await.expect("settled");
    scene.nobody_is_unfinished().await;
    assert_eq!(scene.world.shown("ada"), Some(old()));
    assert!(scene.hashes(USER).is_empty());
}

#[tokio::test]
async fn nothing_is_settled_for_somebody_who_has_left_the_target() {
    let scene = interrupted().await;
    scene.world.leaves_target("ada");
    let sentences = scene.engine().recover().await.expect("settled");
    assert!(sentences[0].contains("gone from ServiceNow"), "{sentences:?}");
    scene.nobody_is_unfinished().await;
}

#[tokio::test]
async fn a_column_that_somebody_set_since_is_not_set_back_by_the_next_start() {
    let scene = interrupted().await;
    scene.target.promise("ada", &[picture(9)]);
    let theirs = scene.world.store_at("ada", PROFILE, picture(9));
    scene.world.point_column("ada", PROFILE, Some(&theirs));
    scene.world.point_column("ada", USER, None);
    scene.engine().recover().await.expect("settled");
    scene.nobody_is_unfinished().await;
    assert_eq!(scene.world.shown("ada"), Some(picture(9)));
    assert_eq!(scene.column(PROFILE), Column::Names(theirs));
    assert_eq!(scene.column(USER), Column::Empty);
    assert!(scene.hashes(USER).is_empty(), "the copy goes");
}
