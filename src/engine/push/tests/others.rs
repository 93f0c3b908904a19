//! Other administrators and rules of the instance, acting at the worst moments.

use super::*;

#[tokio::test]
async fn a_target_that_changed_after_the_plan_is_not_written() {
    let scene = Scene::of(ada_with_old_picture());
    let plan = scene.plan(Change::Replace);
    scene.world.store_at("ada", PROFILE, picture(3));
    let told = scene.carry_out(plan).await;
    assert_eq!(told.outcome, Outcome::ChangedMeanwhile);
    assert_eq!(scene.target.writes(), 0);
}

#[tokio::test]
async fn a_picture_stored_while_ours_is_on_its_way_stays_and_ours_is_taken_back() {
    for call in [1, 2] {
        let scene = Scene::of(ada_with_old_picture());
        scene.target.promise("ada", &[new(), picture(3)]);
        scene.target.on(When::After, "upload", call, |world| {
            world.store_at("ada", PROFILE, picture(3));
        });
        let told = scene.push().await;
        assert_eq!(told.outcome, Outcome::ChangedMeanwhile, "{}", told.detail);
        let (old, theirs) = (Some(Sha256::of(&old())), Some(Sha256::of(&picture(3))));
        assert_eq!(scene.hashes(PROFILE), [old, theirs]);
        assert_eq!(scene.hashes(USER), [old]);
        scene.nobody_is_unfinished().await;
    }
}

#[tokio::test]
async fn a_column_set_between_our_read_and_our_write_is_reported_and_what_was_there_stays() {
    let scene = ada_as_in_the_article();
    scene.target.promise("ada", &[new(), picture(3)]);
    scene.target.on(When::After, "set_column", 1, |world| {
        world.choose("ada", PROFILE, picture(3));
    });
    let told = scene.push().await;
    assert_eq!(told.outcome, Outcome::ChangedMeanwhile, "{}", told.detail);
    assert_eq!(scene.world.shown("ada"), Some(picture(3)));
    assert_eq!(
        scene.hashes(PROFILE),
        [Some(Sha256::of(&old())), Some(Sha256::of(&picture(3)))]
    );
    assert!(scene.hashes(USER).is_empty());
}

#[tokio::test]
async fn a_column_set_while_ours_was_stored_is_left_alone() {
    let scene = ada_as_in_the_article();
    scene.target.promise("ada", &[new(), picture(3)]);
    scene.target.on(When::After, "upload", 2, |world| {
        world.choose("ada", USER, picture(3));
    });
    let told = scene.push().await;
    assert_eq!(told.outcome, Outcome::ChangedMeanwhile, "{}", told.detail);
    assert_eq!(scene.world.shown("ada"), Some(old()));
    assert!(!scene.target.calls().contains(&"set_column"));
}

#[tokio::test]
async fn two_administrators_who_push_the_same_photo_at_once_leave_one_row_each_place() {
    for call in [1, 2] {
        for when in [When::Before, When::After] {
            let scene = Scene::of(ada_with_old_picture());
            scene.target.promise("ada", &[new()]);
            scene.target.on(when, "upload", call, |world| {
                world.store_at("ada", PROFILE, new());
                world.store_at("ada", USER, new());
            });
            let told = scene.push().await;
            assert_eq!(told.outcome, Outcome::Updated, "{}", told.detail);
            scene.assert_in_order(&new());
        }
    }
}

#[tokio::test]
async fn a_rule_that_copies_the_picture_to_the_other_record_ends_in_order() {
    let scene = Scene::of(ada_with_old_picture());
    scene.target.promise("ada", &[new()]);
    scene.target.on(When::After, "upload", 1, |world| {
        world.clear("ada", USER);
        world.store_at("ada", USER, new());
    });
    let told = scene.push().await;
    assert_eq!(told.outcome, Outcome::Updated, "{}", told.detail);
    scene.assert_in_order(&new());
}

#[tokio::test]
async fn a_rule_that_undoes_the_push_once_is_answered_once() {
    let scene = Scene::of(ada_with_old_picture());
    scene.target.on(When::After, "remove", 2, |world| {
        world.clear("ada", PROFILE);
        world.store_at("ada", PROFILE, old());
    });
    let told = scene.push().await;
    assert_eq!(told.outcome, Outcome::Updated, "{}", told.detail);
    scene.assert_in_order(&new());
}

#[tokio::test]
async fn a_rule_that_undoes_every_push_is_reported_and_not_fought() {
    let scene = Scene::of(ada_with_old_picture());
    let mut deletions = 0;
    scene.target.on(When::After, "remove", 0, move |world| {
        deletions += 1;
        let rows = world.rows("ada", PROFILE);
        if deletions > 1 && rows.len() == 1 && rows[0].sha256 == Some(Sha256::of(&new())) {
            world.delete_row(&rows[0].id);
            world.store_at("ada", PROFILE, old());
        }
    });
    let told = scene.push().await;
    assert_eq!(told.outcome, Outcome::Failed);
    assert!(told.detail.contains("rule"), "{}", told.detail);
    assert!(scene.target.writes() <= 8, "{:?}", scene.target.calls());
}

#[tokio::test]
async fn a_program_that_stores_the_same_picture_slowly_is_tidied_up_after_and_not_taken_for_a_rule() {
    let scene = Scene::of(ada_with_old_picture());
    scene.target.promise("ada", &[new()]);
    // Its first picture comes when ours are in order, its second one when the first has been cleared away.
    for (removal, place) in [(2, PROFILE), (3, USER)] {
        scene.target.on(When::After, "remove", removal, move |world| {
            world.store_at("ada", place, new());
        });
    }
    let told = scene.push().await;
    assert_eq!(told.outcome, Outcome::Updated, "{}", told.detail);
    scene.assert_in_order(&new());
    scene.nobody_is_unfinished().await;
}

#[tokio::test]
async fn a_rule_that_doubles_the_picture_again_and_again_is_reported_and_not_fought() {
    let scene = Scene::of(ada_with_old_picture());
    scene.target.promise("ada", &[new()]);
    let mut removals = 0;
    scene.target.on(When::After, "remove", 0, move |world| {
        removals += 1;
        if removals > 1 {
            world.store_at("ada", PROFILE, new());
        }
    });
    let told = scene.push().await;
    assert_eq!(told.outcome, Outcome::Failed, "{}", told.detail);
    assert!(told.detail.contains("twice"), "{}", told.detail);
    assert!(scene.target.writes() <= 8, "{:?}", scene.target.calls());
}

#[tokio::test]
async fn a_rule_that_deletes_ours_at_once_never_leads_to_a_column_that_names_nothing() {
    let scene = Scene::of(ada_with_old_picture());
    scene.target.promise("ada", &[new()]);
    scene.target.on(When::After, "remove", 1, |world| {
        let rows = world.rows("ada", PROFILE);
        world.delete_row(&rows[0].id);
        world.store_at("ada", PROFILE, old());
    });
    let told = scene.push().await;
    assert_eq!(told.outcome, Outcome::ChangedMeanwhile, "{}", told.detail);
    assert_eq!(scene.column(PROFILE), Column::Empty);
}

#[tokio::test]
async fn a_rule_that_puts_the_column_back_makes_the_push_fail_and_leaves_nothing() {
    let scene = ada_as_in_the_article();
    let article = scene.world.rows("ada", PROFILE).remove(0).id;
    scene.target.promise("ada", &[new()]);
    scene.target.on(When::After, "set_column", 0, move |world| {
        world.point_column("ada", PROFILE, Some(&article));
    });
    let told = scene.push().await;
    assert_eq!(told.outcome, Outcome::Failed, "{}", told.detail);
    assert_eq!(scene.hashes(PROFILE), [Some(Sha256::of(&old()))]);
    assert!(scene.hashes(USER).is_empty());
    scene.nobody_is_unfinished().await;
}

#[tokio::test]
async fn a_picture_chosen_after_a_crash_is_not_overwritten_by_what_goes_on() {
    for place in [PROFILE, USER] {
        let mut scene = Scene::of(ada_with_old_picture());
        scene.target.promise("ada", &[new(), picture(3)]);
        // Both are stored, and one old one is gone.
        let calls = {
            let whole = Scene::of(ada_with_old_picture());
            whole.push().await;
            whole.target.calls()
        };
        let second = calls.iter().rposition(|call| *call == "remove").expect("two") + 1;
        scene.target.die_at(second, When::Before);
        let engine = scene.engine();
        scene.die(&engine, scene.plan(Change::Replace)).await;
        drop(engine);
        for row in scene.world.rows("ada", place) {
            scene.world.delete_row(&row.id);
        }
        let theirs = scene.world.store_at("ada", place, picture(3));
        scene.restart().await;
        scene.target.live();
        scene.engine().recover().await.expect("settled");
        scene.nobody_is_unfinished().await;
        let rows = scene.world.rows("ada", place);
        assert!(rows.iter().any(|row| row.id == theirs), "{place}: {rows:?}");
        assert_eq!(scene.target.broken_promises(), Vec::<String>::new());
    }
}

#[tokio::test]
async fn of_two_profiles_created_at_the_same_moment_a_dead_programs_is_taken_back_by_its_next_start() {
    let setting = || Scene::of(ada_with_photo().stored(USER, old()).profiles(0));
    let calls = {
        let whole = setting();
        whole.push().await;
        whole.target.calls()
    };
    let creation = calls
        .iter()
        .position(|call| *call == "create_record")
        .expect("one")
        + 1;
    // Before it hears of its own, and after.
    for (call, when) in [(creation, When::After), (creation + 1, When::Before)] {
        let mut scene = setting();
        scene.target.promise("ada", &[new()]);
        scene.target.on(When::Before, "create_record", 1, |world| {
            world.create_profile("ada");
        });
        scene.target.die_at(call, when);
        let engine = scene.engine();
        scene.die(&engine, scene.plan(Change::Replace)).await;
        drop(engine);
        assert_eq!(scene.world.chain("ada").records.len(), 3, "two profiles");
        scene.restart().await;
        scene.target.live();
        scene.engine().recover().await.expect("settled");
        assert_eq!(scene.world.chain("ada").records.len(), 2, "one profile");
        scene.nobody_is_unfinished().await;
        assert_eq!(scene.push().await.outcome, Outcome::Updated);
        scene.assert_in_order(&new());
    }
}

#[tokio::test]
async fn of_two_profiles_created_at_the_same_moment_the_later_one_is_taken_back() {
    let scene = Scene::of(ada_with_photo().stored(USER, old()).profiles(0));
    scene.target.promise("ada", &[new()]);
    scene.target.on(When::Before, "create_record", 1, |world| {
        world.create_profile("ada");
    });
    let told = scene.push().await;
    assert_eq!(told.outcome, Outcome::ChangedMeanwhile, "{}", told.detail);
    let profiles = scene.world.chain("ada").records.len() - 1;
    assert_eq!(profiles, 1);
    scene.nobody_is_unfinished().await;
    assert_eq!(scene.push().await.outcome, Outcome::Updated);
    scene.assert_in_order(&new());
}

#[tokio::test]
async fn of_two_profiles_the_later_one_goes_even_if_that_shows_after_its_picture_was_stored() {
    let scene = Scene::of(ada_with_photo().stored(USER, old()).profiles(0));
    scene.target.promise("ada", &[new()]);
    // Of two records of the same second the other one happens to count.
    scene.target.on(When::Before, "remove", 1, |world| {
        world.create_profile_before("ada");
        world.store_at("ada", PROFILE, new());
    });
    let told = scene.push().await;
    assert_eq!(told.outcome, Outcome::Updated, "{}", told.detail);
    assert!(told.detail.contains("taken back"), "{}", told.detail);
    assert_eq!(scene.world.chain("ada").records.len(), 2);
    scene.assert_in_order(&new());
    scene.nobody_is_unfinished().await;
}

#[tokio::test]
async fn a_profile_that_may_not_be_taken_back_is_reported() {
    let scene = Scene::of(ada_with_photo().stored(USER, old()).profiles(0));
    scene.target.on(When::Before, "create_record", 1, |world| {
        world.create_profile("ada");
    });
    let needs = "a role that may delete".to_owned();
    scene
        .world
        .fail("target.withdraw_record", 1, ErrorKind::NotAllowed { needs });
    let told = scene.push().await;
    assert_eq!(told.outcome, Outcome::ChangedMeanwhile);
    assert!(told.detail.contains("could not be deleted"), "{}", told.detail);
    assert_eq!(scene.push().await.outcome, Outcome::Updated);
    assert_eq!(scene.world.shown("ada"), Some(new()));
}

#[tokio::test]
async fn a_profile_that_appears_before_ours_is_created_is_somebody_elses() {
    let scene = Scene::of(ada_with_photo().stored(USER, old()).profiles(0));
    scene.target.on(When::After, "chains", 1, |world| {
        world.create_profile("ada");
    });
    let told = scene.push().await;
    assert_eq!(told.outcome, Outcome::ChangedMeanwhile, "{}", told.detail);
    assert_eq!(scene.target.writes(), 0);
}

#[tokio::test]
async fn an_old_picture_that_another_persons_record_names_stays() {
    let scene = Scene::of(ada_with_old_picture());
    scene.world.add(person("bob"));
    let shared = scene.world.rows("ada", PROFILE).remove(0).id;
    scene.world.point_column("bob", USER, Some(&shared));
    scene.target.promise("ada", &[new()]);
    scene.target.promise("bob", &[]);
    let told = scene.push().await;
    assert_eq!(told.outcome, Outcome::Updated, "{}", told.detail);
    assert!(told.detail.contains("another person's record"), "{}", told.detail);
    assert_eq!(scene.world.shown("ada"), Some(new()));
    assert_eq!(scene.world.shown("bob"), Some(old()));
    let writes = scene.target.writes();
    let again = scene.push().await;
    assert_eq!(again.outcome, Outcome::Unchanged, "{}", again.detail);
    assert_eq!(scene.target.writes(), writes);
    scene.world.set_photo("ada", None);
    let removal = scene.carry_out(scene.plan(Change::Remove)).await;
    assert_eq!(removal.outcome, Outcome::Failed, "{}", removal.detail);
    assert_eq!(scene.world.shown("bob"), Some(old()));
}

#[tokio::test]
async fn an_old_picture_deleted_before_it_was_copied_is_changed_meanwhile() {
    let scene = Scene::of(ada_with_old_picture());
    scene.target.on(When::Before, "download", 1, |world| {
        world.clear("ada", PROFILE);
    });
    let told = scene.push().await;
    assert_eq!(told.outcome, Outcome::ChangedMeanwhile, "{}", told.detail);
    assert_eq!(scene.target.writes(), 0);
}

#[tokio::test]
async fn a_newer_picture_found_at_the_last_look_stays() {
    let scene = Scene::of(ada_with_old_picture());
    scene.target.on(When::After, "remove", 2, |world| {
        world.clear("ada", PROFILE);
        world.store_at("ada", PROFILE, picture(3));
    });
    let told = scene.push().await;
    assert_eq!(told.outcome, Outcome::ChangedMeanwhile, "{}", told.detail);
    assert_eq!(scene.world.shown("ada"), Some(picture(3)));
}

#[tokio::test]
async fn of_several_old_pictures_none_comes_up_while_they_go() {
    let ada = ada_with_photo()
        .stored(PROFILE, old())
        .stored(PROFILE, picture(3))
        .stored(PROFILE, picture(4))
        .stored(USER, old());
    let scene = Scene::of(ada);
    scene.target.promise("ada", &[new()]);
    let told = scene.push().await;
    assert_eq!(told.outcome, Outcome::Updated, "{}", told.detail);
    scene.assert_in_order(&new());
}

#[tokio::test]
async fn beside_a_newer_picture_found_at_the_last_look_nothing_of_ours_is_left() {
    let scene = Scene::of(ada_with_old_picture());
    scene.target.promise("ada", &[new(), picture(3)]);
    scene.target.on(When::After, "remove", 2, |world| {
        world.choose("ada", PROFILE, picture(3));
    });
    let told = scene.push().await;
    assert_eq!(told.outcome, Outcome::ChangedMeanwhile, "{}", told.detail);
    assert_eq!(scene.world.shown("ada"), Some(picture(3)));
    assert_eq!(scene.hashes(PROFILE), [Some(Sha256::of(&picture(3)))]);
    scene.nobody_is_unfinished().await;
}

#[tokio::test]
async fn if_the_old_pictures_vanish_meanwhile_ours_is_not_taken_back_from_somebody_who_has_no_other() {
    let scene = Scene::of(ada_with_old_picture());
    scene.target.on(When::Before, "displayed", 1, |world| {
        for place in [PROFILE, USER] {
            for row in world.rows("ada", place) {
                if row.sha256 == Some(Sha256::of(&old())) {
                    world.delete_row(&row.id);
                }
            }
        }
    });
    scene.world.fail("target.displayed", 1, ErrorKind::Unavailable);
    let told = scene.push().await;
    assert_eq!(told.outcome, Outcome::Failed, "{}", told.detail);
    assert_eq!(scene.world.shown("ada"), Some(new()));
}
