//! What is looked at once a tidying has removed something, and what it does when that is not what it promised.

use super::tidying::{ada_of_the_article, ada_with_duplicates, error_body};
use super::*;
use crate::domain::litter::CleaningOptions;
use crate::domain::photo::PictureForm;
use crate::domain::tidying::TidyPlan;

/// Ada's first picture is displayed; both records hold one too many, and her user record's column names nothing.
async fn duplicates() -> (Scene, TidyPlan) {
    let scene = Scene::of(ada_with_duplicates());
    let plan = scene.cleaning().await;
    (scene, plan)
}

/// Before the look of this number (the first one comes after the removals) the rule acts.
pub(super) fn before_look(scene: &Scene, look: usize, rule: impl FnMut(&World) + Send + 'static) {
    // The plan has asked what is displayed, and the tidying asks twice before it removes anything.
    let asked = scene.count("displayed") + 2;
    scene.target.on(When::Before, "displayed", asked + look, rule);
}

/// A rule of the instance has Ada's profile show the picture of her user record.
pub(super) fn hide(world: &World) {
    let other = world.rows("ada", USER).remove(0).id;
    world.point_column("ada", PROFILE, Some(&other));
}

#[tokio::test]
async fn a_picture_that_a_rule_hides_is_named_by_its_column_and_displayed_again() {
    let (scene, plan) = duplicates().await;
    before_look(&scene, 1, hide);
    let told = scene.tidy(plan).await;
    assert_eq!(told.outcome, Outcome::Updated, "{}", told.detail);
    assert_eq!(scene.world.shown("ada"), Some(old()));
    let shown = scene.world.rows("ada", PROFILE).remove(0).id;
    assert_eq!(scene.column(PROFILE), Column::Names(shown));
    assert_eq!(scene.hashes(PROFILE).len(), 1);
    crate::tried("G10", 1);
}

#[tokio::test]
async fn a_rule_that_hides_it_once_more_gets_everything_back() {
    let (scene, plan) = duplicates().await;
    before_look(&scene, 1, hide);
    let third_read = scene.count("chains") + 3;
    scene.target.on(When::Before, "chains", third_read, hide);
    let told = scene.tidy(plan).await;
    assert_eq!(told.outcome, Outcome::Failed, "{}", told.detail);
    assert!(
        told.detail.ends_with("what was removed has been stored again"),
        "{}",
        told.detail
    );
    assert_eq!(
        scene.last_step(&told).await.hint.as_deref(),
        Some("look for a business rule that copies or deletes pictures")
    );
    let hashes = |seeds: [u8; 2]| seeds.map(|seed| Some(Sha256::of(&picture(seed))));
    assert_eq!(scene.hashes(PROFILE), hashes([2, 5]));
    assert_eq!(scene.hashes(USER), hashes([6, 7]));
    assert_eq!(scene.count("set_column"), 2, "no column names nothing again");
    crate::tried("G10", 1);
}

#[tokio::test]
async fn a_column_that_names_the_promised_picture_already_is_not_set_again() {
    let scene = Scene::of(ada_with_duplicates().column(PROFILE, "picture-1"));
    let plan = scene.cleaning().await;
    // Another profile comes first and shows a picture of before.
    for look in [1, 2] {
        before_look(&scene, look, |world| {
            world.create_profile_before("ada");
            hide(world);
        });
    }
    let told = scene.tidy(plan).await;
    assert_eq!(told.outcome, Outcome::Failed, "{}", told.detail);
    assert_eq!(scene.count("set_column"), 1, "that of the user record");
    assert_eq!(scene.hashes(USER).len(), 2, "what was removed is there again");
}

#[tokio::test]
async fn columns_that_named_what_is_stored_again_name_it_again_unless_somebody_has_set_them() {
    for is_cleared_by_somebody in [false, true] {
        let scene = Scene::of(ada_of_the_article());
        let plan = scene.cleaning().await;
        before_look(&scene, 1, move |world| {
            for place in [PROFILE, USER] {
                world.clear("ada", place);
            }
            if is_cleared_by_somebody {
                world.point_column("ada", USER, None);
            }
        });
        let told = scene.tidy(plan).await;
        assert_eq!(told.outcome, Outcome::Failed, "{}", told.detail);
        assert_eq!(scene.world.shown("ada"), Some(old()));
        let attachment = scene.world.rows("ada", PROFILE).remove(0);
        assert_eq!(attachment.form, PictureForm::Plain);
        let named = Column::Names(attachment.id);
        assert_eq!(scene.column(PROFILE), named);
        let expected = if is_cleared_by_somebody {
            Column::Empty
        } else {
            named
        };
        assert_eq!(scene.column(USER), expected);
    }
}

#[tokio::test]
async fn a_rule_that_takes_the_identical_picture_along_gets_it_back() {
    for states_hashes in [true, false] {
        let scene = Scene::of(person("ada").stored(PROFILE, old()).stored(PROFILE, old()));
        if !states_hashes {
            scene.world.alter_all(|row| row.sha256 = None);
        }
        let plan = scene.cleaning().await;
        before_look(&scene, 1, |world| world.clear("ada", PROFILE));
        let told = scene.tidy(plan).await;
        assert_eq!(told.outcome, Outcome::Failed, "{}", told.detail);
        assert_eq!(scene.world.shown("ada"), Some(old()));
    }
}

#[tokio::test]
async fn a_picture_without_a_hash_is_read_once_to_know_that_it_is_still_displayed() {
    let (scene, _) = duplicates().await;
    scene.world.alter_all(|row| row.sha256 = None);
    let plan = scene.cleaning().await;
    let read = scene.count("download");
    let told = scene.tidy(plan).await;
    assert_eq!(told.outcome, Outcome::Updated, "{}", told.detail);
    assert_eq!(scene.world.shown("ada"), Some(old()));
    assert_eq!(
        scene.count("download") - read,
        4,
        "two copies, the dangling column, and once what is displayed"
    );
}

#[tokio::test]
async fn a_copy_that_a_rule_brings_up_gives_way_to_what_was_promised() {
    let (scene, plan) = duplicates().await;
    let cleaned = scene.tidy(plan).await;
    let undo = scene.engine().undo_plan(cleaned.report.run.as_str()).await;
    before_look(&scene, 1, |world| {
        let copy = world.rows("ada", PROFILE).remove(1).id;
        world.point_column("ada", PROFILE, Some(&copy));
    });
    let told = scene.tidy(undo.expect("something to undo")).await;
    assert_eq!(told.outcome, Outcome::Updated, "{}", told.detail);
    assert_eq!(scene.world.shown("ada"), Some(old()));
    assert_eq!(scene.hashes(PROFILE).len(), 2);
}

#[tokio::test]
async fn a_first_picture_that_may_not_be_removed_is_said_to_be_displayed_still() {
    let scene = Scene::of(ada_with_photo());
    let pushed = scene.carry_out(scene.plan(Change::Add)).await;
    scene.world.fail("target.remove", 1, not_allowed());
    let told = scene.undo(pushed.report.run.as_str()).await;
    assert_eq!(told.outcome, Outcome::Failed);
    assert!(
        told.detail
            .starts_with("the picture that is displayed could not be removed"),
        "{}",
        told.detail
    );
    assert_eq!(
        scene.last_step(&told).await.hint.as_deref(),
        Some("see the manual")
    );
    assert_eq!(scene.world.shown("ada"), Some(new()));
    assert_eq!(scene.count("store_as"), 0, "nothing is put back that was to go");
    let left = scene.world.chain("ada").stamp();
    assert_eq!(scene.last_step(&told).await.after, Some(left));
}

#[tokio::test]
async fn a_picture_that_a_rule_brings_back_to_somebody_who_had_none_is_told_of() {
    let scene = Scene::of(ada_with_photo());
    let pushed = scene.carry_out(scene.plan(Change::Add)).await;
    let plan = scene.engine().undo_plan(pushed.report.run.as_str()).await;
    let row = scene.world.rows("ada", USER).remove(0).id;
    // The rule keeps the row from going.
    scene.target.on(When::After, "remove", 2, move |world| {
        world.store_at("ada", USER, new());
        world.alter_newest(|stored| stored.id = row.clone());
    });
    let told = scene.tidy(plan.expect("something to undo")).await;
    assert_eq!(told.outcome, Outcome::Failed);
    assert!(
        told.detail.contains("displayed another picture afterwards"),
        "{}",
        told.detail
    );
    assert_eq!(scene.world.shown("ada"), Some(new()));
}

#[tokio::test]
async fn where_nothing_is_displayed_any_more_nothing_is_removed() {
    let (scene, plan) = duplicates().await;
    before_look(&scene, 0, |world| {
        for place in [PROFILE, USER] {
            world.clear("ada", place);
        }
    });
    let told = scene.tidy(plan).await;
    assert_eq!(told.outcome, Outcome::Failed, "{}", told.detail);
    assert!(told.detail.contains("they were set back"), "{}", told.detail);
    assert_eq!(scene.count("remove"), 0);
    assert_eq!(scene.column(USER), Column::Empty, "no column names nothing");
}

#[tokio::test]
async fn a_first_picture_that_is_gone_by_itself_is_no_reason_to_stop_an_undo() {
    let scene = Scene::of(ada_with_photo());
    let pushed = scene.carry_out(scene.plan(Change::Add)).await;
    let plan = scene.engine().undo_plan(pushed.report.run.as_str()).await;
    before_look(&scene, 0, |world| {
        for place in [PROFILE, USER] {
            world.clear("ada", place);
        }
    });
    let told = scene.tidy(plan.expect("something to undo")).await;
    assert_eq!(told.outcome, Outcome::Removed, "{}", told.detail);
    scene.nobody_is_unfinished().await;
}

#[tokio::test]
async fn a_column_that_names_nothing_is_cleared_where_there_is_no_picture_at_all() {
    let scene = Scene::of(person("ada").column(USER, "gone"));
    let told = scene.clean().await;
    assert_eq!(told.outcome, Outcome::Updated, "{}", told.detail);
    assert_eq!(told.detail, "1 column put right; what is displayed stays");
    assert_eq!(scene.column(USER), Column::Empty);
    assert_eq!(scene.cleaning().await.selected(), 0);
}

#[tokio::test]
async fn copies_that_are_not_displayed_yet_are_no_reason_to_stop_for_somebody_without_a_picture() {
    let scene = Scene::of(person("ada").stored(PROFILE, old()));
    let removed = scene.carry_out(scene.plan(Change::Remove)).await;
    assert_eq!(removed.outcome, Outcome::Removed, "{}", removed.detail);
    let plan = scene.engine().undo_plan(removed.report.run.as_str()).await;
    // The instance shows it a moment late.
    before_look(&scene, 0, |world| {
        world.alter_all(|row| row.form = PictureForm::Plain);
    });
    let asked = scene.count("displayed") + 2;
    scene.target.on(When::After, "displayed", asked, |world| {
        world.alter_all(|row| row.form = PictureForm::ImageField);
    });
    let told = scene.tidy(plan.expect("something to undo")).await;
    assert_eq!(told.outcome, Outcome::Updated, "{}", told.detail);
    assert_eq!(scene.world.shown("ada"), Some(old()));
}

#[tokio::test]
async fn a_column_that_was_empty_is_empty_again_when_an_undo_is_taken_back() {
    // The error message was the oldest picture and is stored again as the youngest: its column brings it to the front.
    let scene = Scene::of(
        person("ada")
            .stored(PROFILE, error_body())
            .stored(PROFILE, picture(5)),
    );
    let unreadable = CleaningOptions { unreadable: true };
    let cleaned = scene.tidy(scene.litter(unreadable).await).await;
    assert_eq!(cleaned.outcome, Outcome::Updated, "{}", cleaned.detail);
    let before = scene.world.chain("ada");
    let plan = scene.engine().undo_plan(cleaned.report.run.as_str()).await;
    scene.world.fail("target.displayed", 2, ErrorKind::Unavailable);
    let told = scene.tidy(plan.expect("something to undo")).await;
    assert_eq!(told.outcome, Outcome::Failed, "{}", told.detail);
    assert_eq!(scene.count("set_column"), 2, "set, and set back");
    assert_eq!(scene.column(PROFILE), Column::Empty);
    assert_eq!(scene.world.chain("ada").stamp(), before.stamp());
    scene.nobody_is_unfinished().await;
}

#[tokio::test]
async fn a_picture_that_a_rule_has_a_column_name_stays_and_is_told_of() {
    let scene = Scene::of(ada_with_old_picture());
    scene.target.on(When::After, "upload", 2, |world| {
        let ours = world.rows("ada", USER).remove(1).id;
        world.point_column("ada", USER, Some(&ours));
    });
    let pushed = scene.push().await;
    assert_eq!(pushed.outcome, Outcome::Updated, "{}", pushed.detail);
    scene.target.promise("ada", &[old()]);
    let told = scene.undo(pushed.report.run.as_str()).await;
    assert_eq!(told.outcome, Outcome::Updated, "{}", told.detail);
    assert!(
        told.detail.ends_with("; 1 left, because a column names it"),
        "{}",
        told.detail
    );
    assert_eq!(scene.world.shown("ada"), Some(old()));
    assert_eq!(scene.hashes(PROFILE), [Some(Sha256::of(&old()))]);
    assert_eq!(scene.hashes(USER).len(), 2);
    scene.assert_promises();
}
