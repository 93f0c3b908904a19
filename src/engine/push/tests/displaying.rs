//! S7 and S8: columns that follow, and what is displayed then.

use super::*;

#[tokio::test]
async fn a_column_is_believed_to_hold_what_is_read_back_and_nothing_else() {
    // A rule of the instance puts the old value back: what was stored goes, the old picture is still displayed.
    let scene = ada_as_in_the_article();
    let before = scene.world.chain("ada");
    let article = before.record(PROFILE).expect("there").pictures[0].id.clone();
    scene.target.promise("ada", &[]);
    scene.target.on(When::After, "set_column", 1, move |world| {
        world.point_column("ada", PROFILE, Some(&article));
    });
    let told = scene.push().await;
    assert_eq!(told.outcome, Outcome::Failed, "{}", told.detail);
    assert!(told.detail.contains("put its old value back"), "{}", told.detail);
    assert_eq!(scene.count("set_column"), 1, "nothing is built on it");
    assert_eq!(scene.world.chain("ada").stamp(), before.stamp());

    // Somebody sets it at the same moment: theirs stays.
    let scene = ada_as_in_the_article();
    scene.target.on(When::After, "set_column", 1, |world| {
        world.choose("ada", PROFILE, picture(9));
    });
    let told = scene.push().await;
    assert_eq!(told.outcome, Outcome::ChangedMeanwhile, "{}", told.detail);
    assert_eq!(scene.world.shown("ada"), Some(picture(9)));
}

#[tokio::test]
async fn a_target_that_does_not_say_what_it_displays_keeps_the_old_picture() {
    let scene = Scene::of(ada_with_old_picture());
    scene
        .target
        .on(When::Before, "displayed", 1, |world| world.leaves_target("ada"));
    let told = scene.push().await;
    assert_eq!(told.outcome, Outcome::Failed, "{}", told.detail);
    assert!(
        told.detail.contains("ServiceNow does not say what it displays"),
        "{}",
        told.detail
    );
    assert_eq!(scene.count("remove"), 0);
}

#[tokio::test]
async fn a_failing_question_after_the_first_deletion_is_brought_to_an_end_at_the_next_start() {
    let scene = Scene::of(ada_with_old_picture());
    scene.target.promise("ada", &[new()]);
    scene.world.fail("target.displayed", 2, ErrorKind::Unavailable);
    let told = scene.push().await;
    assert_eq!(told.outcome, Outcome::Failed, "{}", told.detail);
    assert!(told.detail.contains("is in the vault"), "{}", told.detail);
    assert!(!scene.last_step(&told).await.settled);
    assert_eq!(
        scene.hashes(USER).len(),
        2,
        "forward only: nothing of ours was taken back"
    );
    scene.engine().recover().await.expect("settled");
    scene.assert_in_order(&new());
}

#[tokio::test]
async fn a_picture_chosen_between_the_first_deletion_and_the_question_stays_and_ours_makes_room() {
    let scene = Scene::of(ada_with_old_picture());
    scene.target.promise("ada", &[new(), picture(3)]);
    scene.target.on(When::Before, "displayed", 2, |world| {
        world.choose("ada", PROFILE, picture(3));
    });
    let told = scene.push().await;
    assert_eq!(told.outcome, Outcome::ChangedMeanwhile, "{}", told.detail);
    assert_eq!(scene.world.shown("ada"), Some(picture(3)));
    assert_eq!(scene.hashes(PROFILE), [Some(Sha256::of(&picture(3)))]);
    assert_eq!(scene.hashes(USER), [Some(Sha256::of(&old()))]);
    assert!(scene.last_step(&told).await.settled, "nothing of ours is left");
}

#[tokio::test]
async fn where_ours_cannot_make_room_it_is_settled_at_the_next_start() {
    let scene = Scene::of(ada_with_old_picture());
    scene.target.on(When::Before, "displayed", 2, |world| {
        world.choose("ada", PROFILE, picture(3));
    });
    scene.world.fail("target.remove", 2, ErrorKind::Unavailable);
    let told = scene.push().await;
    assert_eq!(told.outcome, Outcome::ChangedMeanwhile, "{}", told.detail);
    assert!(!scene.last_step(&told).await.settled);
    assert_eq!(scene.world.shown("ada"), Some(picture(3)));
}

#[tokio::test]
async fn the_same_picture_stored_and_named_by_somebody_else_is_as_good_as_ours() {
    let scene = Scene::of(ada_with_old_picture());
    scene.target.promise("ada", &[new()]);
    scene.target.on(When::Before, "displayed", 1, |world| {
        world.choose("ada", PROFILE, new());
    });
    let told = scene.push().await;
    assert_eq!(told.outcome, Outcome::Updated, "{}", told.detail);
    scene.assert_in_order(&new());
}

#[tokio::test]
async fn a_target_that_does_not_display_what_its_record_names_keeps_the_old_picture() {
    for names_columns in [false, true] {
        let ada = ada_with_photo()
            .stored(PROFILE, picture(3))
            .plain()
            .stored(USER, old());
        let scene = Scene::writing(ada, &[USER]);
        let target = Watched::new(&scene.world).writing(&[USER]);
        let scene = if names_columns {
            scene.with_target(target.naming_columns())
        } else {
            scene.with_target(target)
        };
        scene.target.promise("ada", &[new(), picture(3)]);
        scene.target.on(When::After, "set_column", 1, |world| {
            let attachment = world.rows("ada", PROFILE).remove(0).id;
            world.point_column("ada", PROFILE, Some(&attachment));
        });
        let told = scene.push().await;
        assert_eq!(told.outcome, Outcome::Failed, "{}", told.detail);
        assert!(
            told.detail
                .contains("does not display the picture although its record names it"),
            "{}",
            told.detail
        );
        assert_eq!(scene.hashes(USER), [Some(Sha256::of(&old()))]);
        let set = scene.count("set_column");
        assert_eq!(set, 2, "set once, and given back");
    }
}

#[tokio::test]
async fn what_is_displayed_wrongly_for_a_moment_is_looked_at_again_and_left() {
    let ada = ada_with_photo()
        .stored(PROFILE, picture(3))
        .plain()
        .stored(PROFILE, old())
        .stored(USER, old());
    let scene = Scene::of(ada);
    let attachment = scene.world.rows("ada", PROFILE).remove(0).id;
    scene.target.on(When::Before, "displayed", 3, move |world| {
        world.point_column("ada", PROFILE, Some(&attachment));
    });
    scene.target.on(When::After, "displayed", 3, |world| {
        world.point_column("ada", PROFILE, None);
    });
    let told = scene.push().await;
    assert_eq!(told.outcome, Outcome::Updated, "{}", told.detail);
    assert_eq!(
        told.detail,
        "stored at live_profile and sys_user; 2 old pictures replaced, a copy of them kept"
    );
    assert_eq!(scene.target.writes(), 4, "{:?}", scene.target.calls());
}

#[tokio::test]
async fn everything_deleted_meanwhile_is_no_success_and_nothing_is_fought() {
    let scene = Scene::of(ada_with_old_picture());
    scene.target.on(When::Before, "displayed", 1, |world| {
        for place in [PROFILE, USER] {
            world.clear("ada", place);
        }
    });
    let told = scene.push().await;
    assert_eq!(told.outcome, Outcome::Failed, "{}", told.detail);
    assert_eq!(scene.world.shown("ada"), None);
    assert_eq!(
        scene.column(PROFILE),
        Column::Empty,
        "no column is left naming nothing"
    );
}

#[tokio::test]
async fn a_column_that_may_not_be_set_is_tried_once() {
    let scene = ada_as_in_the_article();
    scene.target.promise("ada", &[new()]);
    scene.world.fail("target.set_column", 1, not_allowed());
    let told = scene.push().await;
    assert_eq!(told.outcome, Outcome::Failed, "{}", told.detail);
    let set = scene.count("set_column");
    assert_eq!(set, 1);
    assert_eq!(scene.hashes(PROFILE), [Some(Sha256::of(&old()))]);
    scene.nobody_is_unfinished().await;
}

#[tokio::test]
async fn a_picture_that_somebody_chose_before_the_first_question_stays_and_ours_is_taken_back() {
    let scene = Scene::of(ada_with_old_picture());
    scene.target.promise("ada", &[new(), picture(3)]);
    scene.target.on(When::Before, "displayed", 1, |world| {
        world.choose("ada", PROFILE, picture(3));
    });
    let told = scene.push().await;
    assert_eq!(told.outcome, Outcome::ChangedMeanwhile, "{}", told.detail);
    assert_eq!(scene.world.shown("ada"), Some(picture(3)));
    assert_eq!(scene.hashes(USER), [Some(Sha256::of(&old()))]);
    assert!(!scene.hashes(PROFILE).contains(&Some(Sha256::of(&new()))));
}

#[tokio::test]
async fn a_picture_that_somebody_chose_right_after_our_column_was_set_stays() {
    let scene = Scene::writing(ada_with_photo().stored(USER, old()), &[USER]);
    scene.target.promise("ada", &[new(), picture(3)]);
    scene.target.on(When::Before, "displayed", 2, |world| {
        world.choose("ada", USER, picture(3));
    });
    let told = scene.push().await;
    assert_eq!(told.outcome, Outcome::ChangedMeanwhile, "{}", told.detail);
    assert_eq!(scene.world.shown("ada"), Some(picture(3)));
    assert!(!scene.hashes(USER).contains(&Some(Sha256::of(&new()))));
}
