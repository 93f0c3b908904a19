//! S9 and after: what makes way, what may not, and how a push ends.

use super::*;
use crate::domain::run::StopReason;

#[tokio::test]
async fn if_the_end_cannot_be_written_down_the_run_stops() {
    let scene = Scene::of(ada_with_old_picture());
    let full = "CREATE TRIGGER full BEFORE INSERT ON steps BEGIN SELECT RAISE(FAIL, 'disk is full'); END";
    let other = rusqlite::Connection::open(scene.paths.journal()).expect("opens");
    other.execute_batch(full).expect("from now on nothing fits in");
    let told = scene.push().await;
    assert!(
        matches!(told.report.stopped, Some(StopReason::Storage(_))),
        "{:?}",
        told.report.stopped
    );
    assert_eq!(scene.world.shown("ada"), Some(new()));
}

#[tokio::test]
async fn a_row_that_is_gone_already_counts_as_deleted() {
    let scene = Scene::of(ada_with_old_picture());
    scene.target.on(When::Before, "remove", 0, |world| {
        for place in [PROFILE, USER] {
            for row in world.rows("ada", place) {
                if row.sha256 == Some(Sha256::of(&old())) {
                    world.delete_row(&row.id);
                }
            }
        }
    });
    scene.world.fail("target.remove", 0, ErrorKind::NotFound);
    let told = scene.push().await;
    assert_eq!(told.outcome, Outcome::Updated, "{}", told.detail);
    assert!(!told.detail.contains("duplicate"), "{}", told.detail);
    scene.assert_in_order(&new());
    scene.nobody_is_unfinished().await;
}

#[tokio::test]
async fn a_sign_in_that_is_refused_while_old_pictures_go_stops_the_run() {
    let scene = Scene::of(ada_with_old_picture());
    scene.target.promise("ada", &[new()]);
    scene.world.fail("target.remove", 1, ErrorKind::SignInRejected);
    let told = scene.push().await;
    assert_eq!(told.outcome, Outcome::Failed);
    assert!(
        told.detail.ends_with("what was replaced is in the vault"),
        "{}",
        told.detail
    );
    assert!(matches!(
        told.report.stopped,
        Some(StopReason::Refused { is_access: true, .. })
    ));
    assert!(!scene.last_step(&told).await.settled);
    scene.world.heal();
    scene.engine().recover().await.expect("settled");
    scene.assert_in_order(&new());
}

#[tokio::test]
async fn what_a_rule_undid_and_cannot_be_brought_again_is_said() {
    let scene = Scene::of(ada_with_old_picture());
    scene.target.on(When::After, "remove", 2, |world| {
        world.clear("ada", PROFILE);
        world.store_at("ada", PROFILE, old());
    });
    scene.world.fail("source.photo", 2, ErrorKind::Unavailable);
    let told = scene.push().await;
    assert_eq!(told.outcome, Outcome::Failed, "{}", told.detail);
    assert_eq!(scene.world.shown("ada"), Some(old()));
}

#[tokio::test]
async fn ours_beside_a_newer_picture_that_cannot_be_deleted_is_settled_at_the_next_start() {
    let scene = Scene::of(ada_with_old_picture());
    scene.target.on(When::After, "remove", 2, |world| {
        world.choose("ada", PROFILE, picture(3));
    });
    scene.world.fail("target.remove", 3, ErrorKind::Unavailable);
    let told = scene.push().await;
    assert_eq!(told.outcome, Outcome::ChangedMeanwhile);
    assert!(told.detail.contains("ours is left beside it"), "{}", told.detail);
    assert!(!scene.last_step(&told).await.settled);
    assert_eq!(scene.world.shown("ada"), Some(picture(3)));
}

#[tokio::test]
async fn ours_that_its_column_names_does_not_make_room() {
    let scene = Scene::of(ada_with_old_picture());
    let target = Watched::new(&scene.world).naming_columns();
    let scene = scene.with_target(target);
    scene.target.promise("ada", &[new()]);
    scene.target.on(When::After, "remove", 2, |world| {
        world.store_at("ada", USER, picture(3));
    });
    let told = scene.push().await;
    assert_eq!(told.outcome, Outcome::ChangedMeanwhile, "{}", told.detail);
    assert_eq!(
        scene.hashes(USER),
        [Some(Sha256::of(&new())), Some(Sha256::of(&picture(3)))]
    );
}

#[tokio::test]
async fn how_many_old_pictures_were_replaced_is_said() {
    let one = Scene::of(ada_with_photo().stored(PROFILE, old()));
    assert_eq!(
        one.push().await.detail,
        "stored at live_profile and sys_user; 1 old picture replaced, a copy of it kept"
    );
    let two = Scene::of(ada_with_old_picture());
    assert_eq!(
        two.push().await.detail,
        "stored at live_profile and sys_user; 2 old pictures replaced, a copy of them kept"
    );
    let order = Scene::of(
        ada_with_photo()
            .stored(PROFILE, new())
            .stored(PROFILE, new())
            .stored(USER, new()),
    );
    assert_eq!(
        order.push().await.detail,
        "the picture was there; the records were put in order; 1 old picture replaced, a copy of it kept"
    );
}

#[tokio::test]
async fn a_row_that_a_record_outside_the_write_mode_names_stays_and_is_no_reason_to_push_again_and_again() {
    let scene = ada_as_in_the_article();
    let target = Watched::new(&scene.world).writing(&[PROFILE]);
    let scene = scene.with_target(target);
    scene.target.promise("ada", &[new()]);
    let told = scene.push().await;
    assert!(scene.target.writes() <= 4, "{:?}", scene.target.calls());
    assert_eq!(scene.world.shown("ada"), Some(new()), "{}", told.detail);
    assert!(
        scene.hashes(PROFILE).contains(&Some(Sha256::of(&old()))),
        "the column of sys_user names it"
    );
}

#[tokio::test]
async fn where_a_younger_old_picture_cannot_be_deleted_the_older_ones_that_hide_it_stay() {
    let several = || {
        ada_with_photo()
            .stored(PROFILE, old())
            .stored(PROFILE, picture(3))
            .stored(PROFILE, picture(4))
            .stored(USER, old())
    };
    for nth in [1, 2, 3] {
        let scene = Scene::of(several());
        scene.target.promise("ada", &[new()]);
        scene.world.fail("target.remove", nth, not_allowed());
        let told = scene.push().await;
        assert_eq!(told.outcome, Outcome::Updated, "{}", told.detail);
        assert!(told.detail.contains("duplicate image rows"), "{}", told.detail);
        assert_eq!(scene.world.shown("ada"), Some(new()));
        // Of three old ones the youngest goes first.
        assert_eq!(scene.hashes(PROFILE).len(), 5 - nth as usize, "{nth}");
    }
    // A column that names ours hides them all.
    let scene = Scene::of(several());
    let target = Watched::new(&scene.world).naming_columns();
    let scene = scene.with_target(target);
    scene.target.promise("ada", &[new()]);
    scene.world.fail("target.remove", 1, not_allowed());
    let told = scene.push().await;
    assert_eq!(told.outcome, Outcome::Updated, "{}", told.detail);
    assert_eq!(scene.hashes(PROFILE).len(), 2);
}
