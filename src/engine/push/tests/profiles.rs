//! A profile that is missing, that somebody else creates too, or that is one too many.

use super::*;
use crate::domain::run::StopReason;

/// Of two profiles of the same second the other one turns out to count, after ours was filled.
fn with_a_profile_too_many() -> Scene {
    let scene = without_a_profile();
    scene.target.on(When::Before, "remove", 1, |world| {
        world.create_profile_before("ada");
        world.store_at("ada", PROFILE, new());
    });
    scene
}

#[tokio::test]
async fn somebody_who_leaves_the_target_while_a_profile_is_to_be_created_gets_none() {
    let scene = without_a_profile();
    scene
        .target
        .on(When::Before, "lookup", 1, |world| world.leaves_target("ada"));
    let told = scene.push().await;
    assert_eq!(told.outcome, Outcome::Failed);
    assert!(told.detail.contains("gone from ServiceNow"), "{}", told.detail);
    assert_eq!(scene.target.writes(), 0);
}

#[tokio::test]
async fn a_profile_that_may_not_be_created_fails_with_the_right_that_is_missing() {
    let scene = without_a_profile();
    scene.world.fail("target.create_record", 1, not_allowed());
    let told = scene.push().await;
    assert_eq!(told.outcome, Outcome::Failed);
    assert_eq!(scene.target.writes(), 1);
    scene.nobody_is_unfinished().await;
}

#[tokio::test]
async fn a_profile_that_vanishes_while_old_pictures_go_is_created_anew() {
    let scene = Scene::of(ada_with_old_picture());
    scene.target.promise("ada", &[new()]);
    scene.target.on(When::Before, "displayed", 1, |world| {
        world.delete_last_record("ada", PROFILE);
        world.choose("ada", USER, new());
    });
    let told = scene.push().await;
    assert_eq!(told.outcome, Outcome::Updated, "{}", told.detail);
    scene.assert_in_order(&new());
}

#[tokio::test]
async fn a_profile_too_many_that_may_not_be_deleted_is_reported_and_the_picture_is_right() {
    let scene = with_a_profile_too_many();
    scene.target.promise("ada", &[new()]);
    scene.world.fail("target.withdraw_record", 1, not_allowed());
    let told = scene.push().await;
    assert_eq!(told.outcome, Outcome::Updated, "{}", told.detail);
    assert!(told.detail.contains("a second record is left"), "{}", told.detail);
    assert_eq!(scene.world.shown("ada"), Some(new()));
    assert_eq!(
        scene.last_step(&told).await.after,
        None,
        "nobody can tell later what is whose"
    );
}

#[tokio::test]
async fn a_profile_too_many_whose_picture_cannot_be_deleted_is_reported() {
    let scene = with_a_profile_too_many();
    scene.world.fail("target.remove", 2, ErrorKind::Unavailable);
    let told = scene.push().await;
    assert_eq!(told.outcome, Outcome::Updated, "{}", told.detail);
    assert!(told.detail.contains("a second record is left"), "{}", told.detail);
    assert_eq!(scene.world.shown("ada"), Some(new()));
    assert_eq!(scene.world.chain("ada").records.len(), 3);
}

#[tokio::test]
async fn a_profile_too_many_that_stops_the_run_stops_it_and_stays_unsettled_if_nobody_knows() {
    let rejected = with_a_profile_too_many();
    rejected.world.fail("target.remove", 2, ErrorKind::SignInRejected);
    let told = rejected.push().await;
    assert!(matches!(told.report.stopped, Some(StopReason::Refused { .. })));
    assert!(rejected.last_step(&told).await.settled);
    let unknown = with_a_profile_too_many();
    for nth in 2..=4 {
        unknown
            .world
            .fail("target.remove", nth, ErrorKind::OutcomeUnknown);
    }
    let told = unknown.push().await;
    assert!(told.detail.contains("a second record is left"), "{}", told.detail);
    assert!(!unknown.last_step(&told).await.settled);
}

/// The call before which the second record is looked at once more.
async fn look_at_the_second_record() -> usize {
    let scene = with_a_profile_too_many();
    scene.push().await;
    let calls = scene.target.calls();
    let withdrawn = calls.iter().position(|call| *call == "withdraw_record");
    let before = &calls[..withdrawn.expect("taken back")];
    1 + before
        .iter()
        .rposition(|call| *call == "chains")
        .expect("looked at")
}

#[tokio::test]
async fn a_profile_too_many_that_somebody_uses_meanwhile_stays() {
    let call = look_at_the_second_record().await;
    let scene = with_a_profile_too_many();
    scene.target.at_call(call, |world| {
        world.store_in_last_profile("ada", picture(3));
    });
    let told = scene.push().await;
    assert!(
        told.detail.contains("somebody else has used it"),
        "{}",
        told.detail
    );
    assert_eq!(scene.world.chain("ada").records.len(), 3);
}

#[tokio::test]
async fn a_profile_too_many_that_is_gone_by_itself_is_none() {
    let call = look_at_the_second_record().await;
    let scene = with_a_profile_too_many();
    scene
        .target
        .at_call(call, |world| world.delete_last_record("ada", PROFILE));
    let told = scene.push().await;
    assert_eq!(told.outcome, Outcome::Updated, "{}", told.detail);
    assert!(told.detail.contains("taken back"), "{}", told.detail);
    scene.assert_in_order(&new());
}

#[tokio::test]
async fn after_a_profile_too_many_was_taken_back_the_other_one_is_put_in_order() {
    let scene = without_a_profile();
    scene.target.promise("ada", &[new()]);
    scene.target.on(When::Before, "remove", 1, |world| {
        world.create_profile_before("ada");
        world.store_at("ada", PROFILE, new());
        world.store_at("ada", PROFILE, new());
    });
    let told = scene.push().await;
    assert_eq!(told.outcome, Outcome::Updated, "{}", told.detail);
    scene.assert_in_order(&new());
    scene.nobody_is_unfinished().await;
}

#[tokio::test]
async fn after_a_profile_too_many_was_taken_back_a_failing_source_is_said() {
    let scene = with_a_profile_too_many();
    scene.world.fail("source.photo", 2, ErrorKind::Unavailable);
    let told = scene.push().await;
    assert_eq!(told.outcome, Outcome::Failed, "{}", told.detail);
    assert_eq!(scene.world.shown("ada"), Some(new()));
}

#[tokio::test]
async fn of_two_profiles_created_at_the_same_moment_one_that_is_used_already_stays() {
    let scene = without_a_profile();
    scene.target.on(When::Before, "create_record", 1, |world| {
        world.create_profile("ada");
    });
    scene.target.on(When::After, "create_record", 1, |world| {
        world.store_in_last_profile("ada", picture(3));
    });
    let told = scene.push().await;
    assert_eq!(told.outcome, Outcome::ChangedMeanwhile, "{}", told.detail);
    assert_eq!(scene.world.chain("ada").records.len(), 3);
    assert!(!scene.target.calls().contains(&"withdraw_record"));
}

#[tokio::test]
async fn a_profile_that_was_created_without_an_answer_and_could_not_be_looked_for_is_used_next_time() {
    let scene = without_a_profile();
    scene.world.lose_answer("target.create_record", 1);
    scene.world.fail("target.chains", 3, ErrorKind::Unavailable);
    let told = scene.push().await;
    assert_eq!(told.outcome, Outcome::Failed, "{}", told.detail);
    scene.nobody_is_unfinished().await;
    assert_eq!(scene.push().await.outcome, Outcome::Updated);
    assert_eq!(scene.world.chain("ada").records.len(), 2);
    scene.assert_in_order(&new());
}

#[tokio::test]
async fn a_photo_too_large_for_a_new_profile_is_stored_there_smaller() {
    let photo = crate::engine::fakes::heavy_picture(1);
    let limit = photo.len() as u64 / 2;
    let scene = Scene::of(person("ada").photo(photo.clone()).profiles(0));
    scene
        .world
        .fail("target.upload", 1, ErrorKind::TooLarge { limit });
    let told = scene.push().await;
    assert_eq!(told.outcome, Outcome::Updated, "{}", told.detail);
    assert_eq!(scene.world.chain("ada").records.len(), 2, "one profile");
    assert!(scene.world.shown("ada").is_some());

    // Somebody else's profile of the same moment is no reason to go on with a plan of before.
    for used in [false, true] {
        let scene = Scene::of(person("ada").photo(photo.clone()).profiles(0));
        scene
            .world
            .fail("target.upload", 1, ErrorKind::TooLarge { limit });
        scene.target.on(When::After, "upload", 1, move |world| {
            if used {
                world.store_in_last_profile("ada", picture(3));
            } else {
                world.create_profile("ada");
            }
        });
        scene.target.on(When::Before, "upload", 1, move |world| {
            if used {
                world.store_in_last_profile("ada", picture(3));
            } else {
                world.create_profile("ada");
            }
        });
        let told = scene.push().await;
        assert_eq!(told.outcome, Outcome::ChangedMeanwhile, "{}", told.detail);
    }
}

#[tokio::test]
async fn a_profile_too_many_whose_column_somebody_sets_meanwhile_stays() {
    let call = look_at_the_second_record().await;
    let scene = with_a_profile_too_many();
    scene.target.at_call(call, |world| {
        let named = world.rows("ada", USER).remove(0).id;
        world.point_last_profile("ada", &named);
    });
    let told = scene.push().await;
    assert!(
        told.detail.contains("somebody else has used it"),
        "{}",
        told.detail
    );
    assert_eq!(scene.world.chain("ada").records.len(), 3);
}

#[tokio::test]
async fn a_profile_that_vanishes_and_then_is_one_too_many_is_not_fought_over_a_third_time() {
    let scene = without_a_profile();
    scene.target.promise("ada", &[new()]);
    // A rule deletes the profile once the old picture is gone; then another program opens one at the same moment, and
    // stores the picture there twice.
    scene.target.on(When::After, "remove", 1, |world| {
        world.delete_last_record("ada", PROFILE);
    });
    scene.target.on(When::After, "upload", 3, |world| {
        world.create_profile_before("ada");
        for _ in 0..2 {
            world.store_at("ada", PROFILE, new());
        }
    });
    let told = scene.push().await;
    assert_eq!(told.outcome, Outcome::Updated, "{}", told.detail);
    assert!(told.detail.contains("taken back"), "{}", told.detail);
    assert_eq!((scene.count("create_record"), scene.count("upload")), (2, 3));
    assert_eq!(scene.world.shown("ada"), Some(new()));
    assert_eq!(
        scene.hashes(PROFILE).len(),
        2,
        "put in order by the next run, when whoever does that is through"
    );
    assert_eq!(scene.push().await.outcome, Outcome::Updated);
    scene.assert_in_order(&new());
}

/// The program died when its profile and the picture in it were stored; another one of the same moment counts, and this
/// is the picture that its owner has chosen.
pub(super) async fn dead_with_a_profile_too_many(chosen: Bytes) -> Scene {
    let calls = {
        let scene = without_a_profile();
        scene.push().await;
        scene.target.calls()
    };
    let upload = calls.iter().position(|call| *call == "upload").expect("two") + 1;
    let mut scene = without_a_profile();
    scene.target.die_at(upload, When::After);
    let engine = scene.engine();
    scene.die(&engine, scene.plan(Change::Replace)).await;
    drop(engine);
    scene.restart().await;
    scene.target.live();
    scene.world.create_profile_before("ada");
    scene.world.choose("ada", PROFILE, chosen);
    assert_eq!(scene.world.chain("ada").records.len(), 3);
    scene
}

#[tokio::test]
async fn a_dead_programs_second_profile_is_taken_back_with_the_picture_in_it() {
    // Chosen by somebody else; or by another administrator's run of the same photos.
    for chosen in [picture(3), new()] {
        let scene = dead_with_a_profile_too_many(chosen.clone()).await;
        scene.target.promise("ada", &[]);
        let sentences = scene.engine().recover().await.expect("settled");
        assert!(
            sentences[0].ends_with("a second record of the same moment was taken back"),
            "{sentences:?}"
        );
        assert_eq!(scene.world.chain("ada").records.len(), 2);
        let same = usize::from(chosen == new());
        assert_eq!(
            scene.world.copies_of(&new()),
            2 * same,
            "none at a record that is gone"
        );
        assert_eq!(scene.world.shown("ada"), Some(chosen));
        scene.nobody_is_unfinished().await;
        scene.assert_promises();
    }
}

#[tokio::test]
async fn a_dead_programs_second_profile_that_may_not_be_deleted_is_named() {
    let scene = dead_with_a_profile_too_many(picture(3)).await;
    scene.world.fail("target.withdraw_record", 1, not_allowed());
    let sentences = scene.engine().recover().await.expect("settled");
    assert!(
        sentences[0].contains("a second record is left: a second live_profile record, ada-sys-profile-"),
        "{sentences:?}"
    );
    assert_eq!(scene.world.chain("ada").records.len(), 3);
    assert_eq!(scene.world.shown("ada"), Some(picture(3)));
}

#[tokio::test]
async fn who_is_gone_when_a_second_profile_is_looked_for_has_none() {
    let looks = {
        let scene = dead_with_a_profile_too_many(picture(3)).await;
        let looks = scene.count("chains");
        scene.world.fail("target.withdraw_record", 0, not_allowed());
        scene.engine().recover().await.expect("settled");
        scene.count("chains") - looks
    };
    let scene = dead_with_a_profile_too_many(picture(3)).await;
    let last = scene.count("chains") + looks;
    scene
        .target
        .on(When::Before, "chains", last, |world| world.leaves_target("ada"));
    let sentences = scene.engine().recover().await.expect("settled");
    assert!(!sentences[0].contains("a second record"), "{sentences:?}");
    scene.nobody_is_unfinished().await;
}

/// A program that died right after it had created a profile; another one has created one at the same moment.
async fn dead_with_two_profiles(other: When) -> Scene {
    let calls = {
        let scene = without_a_profile();
        scene.push().await;
        scene.target.calls()
    };
    let creation = calls.iter().position(|call| *call == "create_record");
    let mut scene = without_a_profile();
    scene
        .target
        .on(other, "create_record", 1, |world| world.create_profile("ada"));
    scene.target.die_at(creation.expect("one") + 2, When::Before);
    let engine = scene.engine();
    scene.die(&engine, scene.plan(Change::Replace)).await;
    drop(engine);
    scene.restart().await;
    scene.target.live();
    assert_eq!(scene.world.chain("ada").records.len(), 3);
    scene
}

#[tokio::test]
async fn a_dead_programs_second_profile_that_somebody_has_used_since_stays() {
    let stores = |world: &World| {
        world.store_in_last_profile("ada", picture(3));
    };
    let names = |world: &World| {
        let named = world.rows("ada", USER).remove(0).id;
        world.point_last_profile("ada", &named);
    };
    let hands: [&dyn Fn(&World); 2] = [&stores, &names];
    for uses in hands {
        let scene = dead_with_two_profiles(When::Before).await;
        uses(&scene.world);
        let used = scene.world.chain("ada");
        scene.engine().recover().await.expect("settled");
        let left = scene.world.chain("ada");
        assert_eq!(left.records.len(), 3);
        for record in used.records.iter().filter(|record| record.place == PROFILE) {
            let after = left.records.iter().find(|after| after.id == record.id);
            let column = after.map(|after| &after.column);
            assert_eq!(column, Some(&record.column));
        }
        assert!(!scene.target.calls().contains(&"withdraw_record"));
    }
}

#[tokio::test]
async fn a_second_profile_that_another_program_has_created_is_not_a_dead_programs_to_take_back() {
    let scene = dead_with_two_profiles(When::After).await;
    scene.engine().recover().await.expect("settled");
    scene.nobody_is_unfinished().await;
    assert_eq!(scene.world.chain("ada").records.len(), 3);
    assert!(!scene.target.calls().contains(&"withdraw_record"));
}
