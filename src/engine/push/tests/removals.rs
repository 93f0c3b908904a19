//! How the removal of an avatar ends when something comes in between.

use super::*;
use crate::domain::run::StopReason;
use crate::engine::push::Turn;

/// Ada without a photo any more, as the article left her.
fn ada_without_photo(places: &[Place]) -> Scene {
    let scene = ada_as_in_the_article();
    scene.world.set_photo("ada", None);
    let target = Watched::new(&scene.world).writing(places);
    scene.with_target(target)
}

#[tokio::test]
async fn an_avatar_that_changed_after_the_plan_is_not_removed() {
    let scene = ada_without_photo(&[PROFILE, USER]);
    let plan = scene.plan(Change::Remove);
    scene.world.store_at("ada", USER, picture(3));
    let told = scene.carry_out(plan).await;
    assert_eq!(told.outcome, Outcome::ChangedMeanwhile, "{}", told.detail);
    assert_eq!(scene.target.writes(), 0);
}

#[tokio::test]
async fn an_avatar_of_somebody_without_a_profile_is_removed_from_the_record_there_is() {
    let scene = Scene::of(person("ada").stored(USER, old()).profiles(0));
    let told = scene.carry_out(scene.plan(Change::Remove)).await;
    assert_eq!(told.outcome, Outcome::Removed, "{}", told.detail);
    assert_eq!(scene.world.shown("ada"), None);
    assert!(scene.kept(&old()).await);
}

#[tokio::test]
async fn a_rule_that_puts_a_cleared_column_back_keeps_the_avatar() {
    let scene = ada_without_photo(&[PROFILE, USER]);
    let article = scene.world.rows("ada", PROFILE).remove(0).id;
    scene.target.on(When::After, "set_column", 1, move |world| {
        world.point_column("ada", PROFILE, Some(&article));
    });
    let told = scene.carry_out(scene.plan(Change::Remove)).await;
    assert_eq!(told.outcome, Outcome::Failed, "{}", told.detail);
    assert!(told.detail.contains("put its value back"), "{}", told.detail);
    assert_eq!(scene.world.shown("ada"), Some(old()));
    assert!(scene.last_step(&told).await.settled);
}

#[tokio::test]
async fn a_column_that_somebody_sets_while_an_avatar_is_removed_stays() {
    let scene = ada_without_photo(&[PROFILE, USER]);
    scene.target.on(When::After, "set_column", 1, |world| {
        world.choose("ada", PROFILE, picture(3));
    });
    let told = scene.carry_out(scene.plan(Change::Remove)).await;
    assert_eq!(told.outcome, Outcome::ChangedMeanwhile, "{}", told.detail);
    assert_eq!(scene.world.shown("ada"), Some(picture(3)));
}

#[tokio::test]
async fn a_row_that_a_record_outside_the_write_mode_names_is_not_removed() {
    let scene = ada_without_photo(&[PROFILE]);
    let told = scene.carry_out(scene.plan(Change::Remove)).await;
    assert_eq!(told.outcome, Outcome::Failed, "{}", told.detail);
    assert!(told.detail.contains("goes on displaying"), "{}", told.detail);
    assert_eq!(scene.world.shown("ada"), Some(old()));
    assert!(!scene.target.calls().contains(&"remove"));
}

#[tokio::test]
async fn an_avatar_that_may_not_be_deleted_is_reported_with_what_to_do() {
    let scene = ada_without_photo(&[PROFILE, USER]);
    scene.world.fail("target.remove", 0, not_allowed());
    let told = scene.carry_out(scene.plan(Change::Remove)).await;
    assert_eq!(told.outcome, Outcome::Failed);
    assert!(told.detail.contains("could not be removed"), "{}", told.detail);
    let step = scene.last_step(&told).await;
    assert_eq!(step.hint.as_deref(), Some("see the manual"));
    assert!(step.settled);
}

#[tokio::test]
async fn a_removal_of_which_nobody_knows_how_it_went_is_settled_at_the_next_start() {
    let scene = ada_without_photo(&[PROFILE, USER]);
    scene.world.fail("target.remove", 0, ErrorKind::OutcomeUnknown);
    let told = scene.carry_out(scene.plan(Change::Remove)).await;
    assert_eq!(told.outcome, Outcome::Failed);
    assert!(!scene.last_step(&told).await.settled);
    scene.world.heal();
    scene.engine().recover().await.expect("settled");
    scene.nobody_is_unfinished().await;
}

#[tokio::test]
async fn a_sign_in_that_is_refused_while_an_avatar_is_removed_stops_the_run() {
    for call in ["target.set_column", "target.remove"] {
        let scene = ada_without_photo(&[PROFILE, USER]);
        scene.world.fail(call, 1, ErrorKind::SignInRejected);
        let told = scene.carry_out(scene.plan(Change::Remove)).await;
        assert_eq!(told.outcome, Outcome::Failed);
        assert!(matches!(told.report.stopped, Some(StopReason::Refused { .. })));
        assert!(scene.last_step(&told).await.settled, "a smaller removal is left");
    }
}

#[tokio::test]
async fn a_removal_that_the_network_interrupts_goes_on_in_a_further_turn() {
    let scene = Scene::of(person("ada").stored(PROFILE, old()).stored(USER, old()));
    let step = scene.plan(Change::Remove).steps.remove(0);
    let pushing = scene.pushing(&RunControl::new());
    scene.world.fail("target.remove", 2, ErrorKind::Unavailable);
    let first = pushing.step(&step, None, Turn::take(&pushing.slots).await).await;
    assert_eq!(first.outcome, Outcome::Failed, "{}", first.detail);
    assert!(!first.is_own_failure());
    let turn = Turn::take(&pushing.slots).await;
    let second = pushing.step(&step, Some(first), turn).await;
    assert_eq!(second.outcome, Outcome::Removed, "{}", second.detail);
    assert_eq!(scene.world.shown("ada"), None);
}
