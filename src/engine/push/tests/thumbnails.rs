//! Thumbnails that show another picture than the one they belong to: a repair deletes them, and the platform makes
//! them anew.

use super::*;

/// Ada's picture is right, the thumbnail of her profile's shows the old one.
fn with_a_stale_thumbnail() -> Scene {
    let scene = Scene::of(ada_with_photo().stored(PROFILE, new()).stored(USER, new()));
    scene.world.make_thumbnail("ada", PROFILE, old());
    scene.world.make_thumbnail("ada", USER, new());
    scene
}

impl Scene {
    async fn repair(&self) -> Told {
        self.carry_out(self.plan(Change::Repair)).await
    }
}

#[tokio::test]
async fn a_thumbnail_of_another_picture_is_kept_and_deleted_and_everything_else_stays() {
    let scene = with_a_stale_thumbnail();
    scene.target.promise("ada", &[]);
    let told = scene.repair().await;
    assert_eq!(told.outcome, Outcome::Updated, "{}", told.detail);
    assert_eq!(scene.target.writes(), 1);
    assert!(scene.kept(&old()).await);
    scene.assert_in_order(&new());
    assert_eq!(
        scene.repair().await.outcome,
        Outcome::Unchanged,
        "the other one shows its picture"
    );
}

#[tokio::test]
async fn without_a_repair_thumbnails_are_not_looked_at() {
    let scene = with_a_stale_thumbnail();
    assert_eq!(scene.push().await.outcome, Outcome::Unchanged);
    assert_eq!(scene.count("download"), 0);
}

#[tokio::test]
async fn a_thumbnail_that_may_not_be_deleted_is_told_of_and_the_picture_is_right() {
    let scene = with_a_stale_thumbnail();
    scene.world.fail("target.remove", 1, not_allowed());
    let told = scene.repair().await;
    assert_eq!(told.outcome, Outcome::Updated);
    assert!(
        told.detail.contains("thumbnails of another picture are left"),
        "{}",
        told.detail
    );
    assert!(
        scene.last_step(&told).await.settled,
        "the right is missing at the next start too"
    );
    assert_eq!(scene.world.shown("ada"), Some(new()));
}

#[tokio::test]
async fn a_sign_in_that_is_refused_while_a_thumbnail_goes_stops_the_run() {
    let scene = with_a_stale_thumbnail();
    scene.world.fail("target.remove", 1, ErrorKind::SignInRejected);
    let told = scene.repair().await;
    assert_eq!(told.outcome, Outcome::Failed);
    assert!(told.report.stopped.is_some());
    scene.assert_in_order(&new());
}

#[tokio::test]
async fn somebody_who_leaves_while_thumbnails_are_looked_at_has_none() {
    let scene = with_a_stale_thumbnail();
    scene
        .target
        .on(When::Before, "chains", 2, |world| world.leaves_target("ada"));
    let told = scene.repair().await;
    assert_eq!(told.outcome, Outcome::Unchanged, "{}", told.detail);
    assert_eq!(scene.target.writes(), 0);
}

#[tokio::test]
async fn a_repair_goes_on_where_thumbnails_cannot_be_looked_at() {
    let scene = Scene::of(ada_with_photo().stored(PROFILE, new()).stored(USER, old()));
    scene.target.promise("ada", &[new()]);
    scene.world.fail("target.chains", 2, ErrorKind::Unavailable);
    let told = scene.carry_out(scene.plan(Change::Repair)).await;
    assert_eq!(told.outcome, Outcome::Updated, "{}", told.detail);
    scene.assert_in_order(&new());
}

#[tokio::test]
async fn a_repair_stops_where_the_sign_in_is_refused_while_thumbnails_are_looked_at() {
    let scene = Scene::of(ada_with_photo().stored(PROFILE, new()).stored(USER, old()));
    scene.world.fail("target.chains", 2, ErrorKind::SignInRejected);
    let told = scene.carry_out(scene.plan(Change::Repair)).await;
    assert_eq!(told.outcome, Outcome::Failed);
    assert!(told.report.stopped.is_some());
    assert_eq!(scene.target.writes(), 0);
}

#[tokio::test]
async fn the_thumbnail_at_the_only_record_that_is_written_is_mended() {
    let scene = Scene::writing(ada_with_photo().stored(USER, new()), &[USER]);
    scene.world.make_thumbnail("ada", USER, old());
    let told = scene.repair().await;
    assert_eq!(told.outcome, Outcome::Updated, "{}", told.detail);
    assert_eq!(scene.world.copies_of(&old()), 0);
    assert_eq!(scene.world.shown("ada"), Some(new()));
}
