//! Pictures whose record is gone. Nobody sees them, so nothing is stored beside them and nothing is asked; a copy is
//! kept all the same.

use super::*;
use crate::domain::ids::RecordId;
use crate::domain::tidying::TidyPlan;

const STRAY: u8 = 5;

/// Bob's profile is gone and has left these pictures behind; Ada's are in order.
async fn left_behind(pictures: &[u8]) -> (Scene, TidyPlan) {
    let scene = Scene::of(person("ada").stored(PROFILE, old()));
    let mut bob = person("bob");
    for seed in pictures {
        bob = bob.stored(PROFILE, picture(*seed));
    }
    scene.world.add(bob);
    scene.world.bury("bob", PROFILE);
    let plan = scene.cleaning().await;
    assert_eq!(plan.steps.len(), 1);
    (scene, plan)
}

fn bobs_profile() -> RecordId {
    RecordId::new("bob-sys-profile")
}

#[tokio::test]
async fn pictures_whose_record_is_gone_are_kept_and_removed() {
    for (pictures, told_of) in [
        (vec![STRAY], "1 stored picture removed; a copy is kept"),
        (vec![STRAY, 6], "2 stored pictures removed; a copy is kept"),
    ] {
        let (scene, plan) = left_behind(&pictures).await;
        let asked = scene.count("displayed");
        let told = scene.tidy(plan).await;
        assert_eq!(told.outcome, Outcome::Updated, "{}", told.detail);
        assert_eq!(told.detail, told_of);
        for seed in pictures {
            assert!(scene.kept(&picture(seed)).await);
        }
        assert_eq!(scene.count("displayed"), asked, "to nobody");
        assert_eq!(scene.cleaning().await.selected(), 0);
        scene.nobody_is_unfinished().await;
    }
}

#[tokio::test]
async fn a_picture_that_a_column_names_meanwhile_stays_although_its_record_is_gone() {
    let (scene, plan) = left_behind(&[STRAY]).await;
    let stray = plan.steps[0].removes().next().expect("one").clone();
    scene.world.point_column("ada", USER, Some(&stray));
    let told = scene.tidy(plan).await;
    assert_eq!(told.outcome, Outcome::ChangedMeanwhile);
    assert_eq!(told.detail, "a record names one of the pictures meanwhile");
    assert_eq!(scene.target.writes(), 0);
}

#[tokio::test]
async fn what_else_was_stored_at_a_vanished_record_meanwhile_is_for_the_next_plan() {
    let (scene, plan) = left_behind(&[STRAY]).await;
    scene.world.store_at_grave(&bobs_profile(), picture(6));
    let told = scene.tidy(plan).await;
    assert_eq!(told.outcome, Outcome::ChangedMeanwhile);
    assert!(
        told.detail.contains("changed after the plan was made"),
        "{}",
        told.detail
    );
    assert_eq!(scene.target.writes(), 0);
}

#[tokio::test]
async fn a_picture_of_a_vanished_record_that_cannot_be_read_stays() {
    let (scene, plan) = left_behind(&[STRAY]).await;
    let stray = plan.steps[0].removes().next().expect("one").clone();
    scene
        .target
        .on(When::Before, "download", 0, move |world| world.delete_row(&stray));
    let told = scene.tidy(plan).await;
    assert_eq!(told.outcome, Outcome::Failed);
    assert!(told.detail.contains("cannot be read"), "{}", told.detail);
    assert_eq!(scene.target.writes(), 0);
}

#[tokio::test]
async fn after_a_crash_between_two_of_them_the_next_plan_goes_on() {
    let (mut scene, plan) = left_behind(&[STRAY, 6]).await;
    let calls = {
        let (scene, plan) = left_behind(&[STRAY, 6]).await;
        scene.target.die_at(0, When::Before);
        scene.tidy(plan).await;
        scene.target.calls()
    };
    let first = calls.iter().position(|call| *call == "remove").expect("two") + 1;
    scene.target.die_at(first, When::After);
    let engine = scene.engine();
    scene.dies_while(&engine, plan).await;
    drop(engine);
    scene.restart().await;
    scene.target.live();
    scene.engine().recover().await.expect("nothing is left to settle");
    scene.nobody_is_unfinished().await;
    let told = scene.clean().await;
    assert_eq!(told.detail, "1 stored picture removed; a copy is kept");
    assert_eq!(scene.cleaning().await.selected(), 0);
}
