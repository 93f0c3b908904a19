//! Turns that a push seldom takes.

use super::*;
use crate::domain::run::StopReason;
use crate::store::journal::StepRecord;

impl Scene {
    /// The same target with another manner.
    pub(super) fn with_target(mut self, target: Watched) -> Self {
        self.target = Arc::new(target);
        self
    }

    pub(super) async fn last_step(&self, told: &Told) -> StepRecord {
        let steps = self.store().journal().steps(&told.report.run).await;
        steps.expect("readable").pop().expect("Ada's")
    }
}

pub(super) fn not_allowed() -> ErrorKind {
    ErrorKind::NotAllowed {
        needs: "a role that may delete".into(),
    }
}

fn without_a_profile() -> Scene {
    Scene::of(ada_with_photo().stored(USER, old()).profiles(0))
}

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
async fn somebody_who_is_gone_from_the_target_is_skipped() {
    let scene = Scene::of(ada_with_old_picture());
    let plan = scene.plan(Change::Replace);
    scene.world.leaves_target("ada");
    let told = scene.carry_out(plan).await;
    assert_eq!(told.outcome, Outcome::Skipped);
    assert!(told.detail.contains("gone from ServiceNow"), "{}", told.detail);
    assert_eq!(scene.target.writes(), 0);
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
async fn a_write_mode_without_a_place_skips_everybody() {
    let scene = Scene::writing(ada_with_old_picture(), &[]);
    let told = scene.push().await;
    assert_eq!(told.outcome, Outcome::Skipped);
    assert!(told.detail.contains("no place to write to"), "{}", told.detail);
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
async fn a_write_that_is_never_answered_is_tried_three_times() {
    for (scene, call, words) in [
        (
            without_a_profile(),
            "create_record",
            "request for a new live_profile record",
        ),
        (
            Scene::of(ada_with_old_picture()),
            "upload",
            "picture sent to live_profile",
        ),
        (
            Scene::of(ada_with_photo().stored(USER, old()).column(PROFILE, "gone")),
            "set_column",
            "setting the photo column of live_profile",
        ),
    ] {
        scene.target.promise("ada", &[new()]);
        let name: &'static str = format!("target.{call}").leak();
        scene.world.fail(name, 0, ErrorKind::OutcomeUnknown);
        let told = scene.push().await;
        assert_eq!(told.outcome, Outcome::Failed, "{call}");
        assert!(told.detail.contains(words), "{}", told.detail);
        assert!(told.detail.contains("3 times"), "{}", told.detail);
        let tried = scene.target.calls().iter().filter(|made| **made == call).count();
        assert_eq!(tried, 3, "{call}");
        assert_eq!(scene.world.shown("ada"), Some(old()), "{call}");
    }
}

#[tokio::test]
async fn a_deletion_that_is_never_answered_is_tried_in_every_turn_and_settled_at_the_next_start() {
    let scene = Scene::of(ada_with_old_picture());
    scene.target.promise("ada", &[new()]);
    scene.world.fail("target.remove", 0, ErrorKind::OutcomeUnknown);
    let told = scene.push().await;
    assert_eq!(told.outcome, Outcome::Updated, "{}", told.detail);
    assert!(told.detail.contains("duplicate image rows"), "{}", told.detail);
    let removals = scene
        .target
        .calls()
        .iter()
        .filter(|call| **call == "remove")
        .count();
    assert_eq!(removals, 18, "three for each row, in each of three turns");
    assert!(!scene.last_step(&told).await.settled);
    let unfinished = scene.store().journal().unfinished().await.expect("readable");
    assert_eq!(unfinished.len(), 1);
    scene.world.heal();
    scene.engine().recover().await.expect("settled");
    scene.assert_in_order(&new());
    scene.nobody_is_unfinished().await;
}

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
    let columns = scene
        .target
        .calls()
        .into_iter()
        .filter(|call| *call == "set_column");
    assert_eq!(columns.count(), 1, "nothing is built on it");
    assert_eq!(scene.world.chain("ada").stamp(), before.stamp());

    // Somebody sets it at the same moment: theirs stays.
    let scene = ada_as_in_the_article();
    scene.target.on(When::After, "set_column", 1, |world| {
        let theirs = world.store_at("ada", PROFILE, picture(9));
        world.point_column("ada", PROFILE, Some(&theirs));
    });
    let told = scene.push().await;
    assert_eq!(told.outcome, Outcome::ChangedMeanwhile, "{}", told.detail);
    assert_eq!(scene.world.shown("ada"), Some(picture(9)));
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
        let theirs = world.store_at("ada", PROFILE, picture(3));
        world.point_column("ada", PROFILE, Some(&theirs));
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
        let theirs = world.store_at("ada", PROFILE, picture(3));
        world.point_column("ada", PROFILE, Some(&theirs));
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
        let theirs = world.store_at("ada", PROFILE, new());
        world.point_column("ada", PROFILE, Some(&theirs));
    });
    let told = scene.push().await;
    assert_eq!(told.outcome, Outcome::Updated, "{}", told.detail);
    scene.assert_in_order(&new());
}

#[tokio::test]
async fn a_profile_that_vanishes_while_old_pictures_go_is_created_anew() {
    let scene = Scene::of(ada_with_old_picture());
    scene.target.promise("ada", &[new()]);
    scene.target.on(When::Before, "displayed", 1, |world| {
        world.delete_last_record("ada", PROFILE);
        let theirs = world.store_at("ada", USER, new());
        world.point_column("ada", USER, Some(&theirs));
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
        let set = scene
            .target
            .calls()
            .iter()
            .filter(|call| **call == "set_column")
            .count();
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
async fn what_a_rule_undid_and_cannot_be_brought_again_is_said() {
    let scene = Scene::of(ada_with_old_picture());
    scene.target.on(When::After, "remove", 2, |world| {
        for row in world.rows("ada", PROFILE) {
            world.delete_row(&row.id);
        }
        world.store_at("ada", PROFILE, old());
    });
    scene.world.fail("source.photo", 2, ErrorKind::Unavailable);
    let told = scene.push().await;
    assert_eq!(told.outcome, Outcome::Failed, "{}", told.detail);
    assert_eq!(scene.world.shown("ada"), Some(old()));
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
async fn ours_beside_a_newer_picture_that_cannot_be_deleted_is_settled_at_the_next_start() {
    let scene = Scene::of(ada_with_old_picture());
    scene.target.on(When::After, "remove", 2, |world| {
        let theirs = world.store_at("ada", PROFILE, picture(3));
        world.point_column("ada", PROFILE, Some(&theirs));
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
async fn an_attachment_that_the_target_answers_with_is_named_instead_of_stored_twice() {
    let scene = Scene::writing(ada_with_photo().stored(USER, new()).plain(), &[USER]);
    let target = Watched::new(&scene.world).writing(&[USER]).dropping_identical();
    let scene = scene.with_target(target);
    let told = scene.push().await;
    assert_eq!(told.outcome, Outcome::Updated, "{}", told.detail);
    assert_eq!(scene.world.shown("ada"), Some(new()));
    assert_eq!(scene.hashes(USER).len(), 1);
}

#[tokio::test]
async fn a_row_of_somebody_else_that_the_target_answers_with_is_never_taken_back() {
    let scene = Scene::writing(ada_with_photo().stored(USER, new()).plain(), &[USER]);
    let target = Watched::new(&scene.world).writing(&[USER]).dropping_identical();
    let scene = scene.with_target(target);
    scene.target.on(When::After, "upload", 0, |world| {
        world.alter_newest(|row| row.sha256 = Some(Sha256::of(b"something else")));
    });
    let told = scene.push().await;
    assert_eq!(told.outcome, Outcome::Failed, "{}", told.detail);
    assert!(told.detail.contains("something else"), "{}", told.detail);
    assert_eq!(scene.hashes(USER).len(), 1);
    assert!(!scene.target.calls().contains(&"remove"));
    let uploads = scene
        .target
        .calls()
        .iter()
        .filter(|call| **call == "upload")
        .count();
    assert_eq!(uploads, 2);
}

#[tokio::test]
async fn a_profile_that_vanishes_under_an_upload_without_an_answer_fails_and_leaves_the_other_record() {
    let scene = Scene::of(ada_with_old_picture());
    scene.world.lose_answer("target.upload", 1);
    scene.target.on(When::After, "upload", 1, |world| {
        world.delete_last_record("ada", PROFILE);
    });
    let told = scene.push().await;
    assert_eq!(told.outcome, Outcome::Failed, "{}", told.detail);
    assert_eq!(scene.hashes(USER), [Some(Sha256::of(&old()))]);
    assert_eq!(scene.world.shown("ada"), Some(old()));
}

#[tokio::test]
async fn another_picture_at_the_record_is_not_taken_for_an_upload_without_an_answer() {
    for same_size in [false, true] {
        let scene = Scene::of(ada_with_old_picture());
        scene.world.fail("target.upload", 1, ErrorKind::OutcomeUnknown);
        scene.target.on(When::After, "upload", 1, move |world| {
            world.store_at("ada", PROFILE, picture(3));
            if same_size {
                world.alter_newest(|row| row.bytes = new().len() as u64);
            } else {
                world.alter_newest(|row| row.sha256 = Some(Sha256::of(&new())));
                world.alter_newest(|row| row.bytes = 1);
            }
        });
        let told = scene.push().await;
        assert_eq!(told.outcome, Outcome::ChangedMeanwhile, "{}", told.detail);
        let uploads = scene
            .target
            .calls()
            .iter()
            .filter(|call| **call == "upload")
            .count();
        assert_eq!(uploads, 3, "sent again");
        assert_eq!(scene.hashes(PROFILE).len(), 2, "theirs stays");
    }
}

#[tokio::test]
async fn a_row_without_a_hash_and_of_another_size_is_not_what_was_sent() {
    let scene = Scene::of(ada_with_old_picture());
    scene.target.on(When::After, "upload", 0, |world| {
        world.alter_newest(|row| {
            row.sha256 = None;
            row.bytes += 1;
        });
    });
    let told = scene.push().await;
    assert_eq!(told.outcome, Outcome::Failed);
    assert!(told.detail.contains("something else"), "{}", told.detail);
    let downloads = scene
        .target
        .calls()
        .iter()
        .filter(|call| **call == "download")
        .count();
    assert_eq!(downloads, 1, "the copy; its size says enough of the other one");
    assert_eq!(scene.hashes(PROFILE), [Some(Sha256::of(&old()))]);
}

#[tokio::test]
async fn a_row_whose_bytes_read_back_are_others_is_not_what_was_sent() {
    let scene = Scene::of(ada_with_photo());
    scene.target.on(When::After, "upload", 0, |world| {
        world.alter_newest(|row| row.sha256 = None);
    });
    scene.target.on(When::Before, "download", 0, |world| {
        let rows = world.rows("ada", PROFILE);
        if let Some(row) = rows.last() {
            world.delete_row(&row.id);
        }
    });
    let told = scene.push().await;
    assert_eq!(told.outcome, Outcome::Failed, "{}", told.detail);
    assert!(told.detail.contains("something else"), "{}", told.detail);
}

#[tokio::test]
async fn a_straggler_of_an_upload_without_an_answer_is_taken_back() {
    let scene = Scene::of(ada_with_old_picture());
    scene.target.promise("ada", &[new()]);
    scene.world.lose_answer("target.upload", 1);
    scene.world.fail("target.chains", 2, ErrorKind::Unavailable);
    let told = scene.push().await;
    assert_eq!(told.outcome, Outcome::Failed, "{}", told.detail);
    assert_eq!(scene.hashes(PROFILE), [Some(Sha256::of(&old()))]);
    assert!(scene.last_step(&told).await.settled);
    scene.nobody_is_unfinished().await;
}

#[tokio::test]
async fn a_straggler_at_a_record_that_is_gone_is_gone_too() {
    let scene = Scene::of(ada_with_old_picture());
    scene.world.lose_answer("target.upload", 1);
    scene.world.fail("target.chains", 2, ErrorKind::Unavailable);
    scene.target.on(When::Before, "chains", 3, |world| {
        world.delete_last_record("ada", PROFILE);
    });
    let told = scene.push().await;
    assert_eq!(told.outcome, Outcome::Failed, "{}", told.detail);
    assert_eq!(scene.world.shown("ada"), Some(old()));
    scene.nobody_is_unfinished().await;
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
async fn ours_that_somebodys_column_names_is_not_taken_back() {
    let scene = Scene::of(ada_with_old_picture());
    scene.target.promise("ada", &[new()]);
    scene.target.on(When::After, "upload", 2, |world| {
        let ours = world.rows("ada", USER).remove(1).id;
        world.point_column("ada", USER, Some(&ours));
    });
    scene.world.fail("target.displayed", 1, ErrorKind::Unavailable);
    let told = scene.push().await;
    assert_eq!(told.outcome, Outcome::Failed, "{}", told.detail);
    assert_eq!(scene.hashes(PROFILE), [Some(Sha256::of(&old()))]);
    assert_eq!(scene.hashes(USER).len(), 2, "its column names it");
}

#[tokio::test]
async fn everything_deleted_meanwhile_is_no_success_and_nothing_is_fought() {
    let scene = Scene::of(ada_with_old_picture());
    scene.target.on(When::Before, "displayed", 1, |world| {
        for place in [PROFILE, USER] {
            for row in world.rows("ada", place) {
                world.delete_row(&row.id);
            }
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
async fn an_old_picture_that_is_listed_but_cannot_be_read_stays() {
    let scene = Scene::of(ada_with_old_picture());
    let row = scene.world.rows("ada", PROFILE).remove(0).id;
    let hidden = crate::domain::ids::PictureId::new("hidden");
    let (away, back) = ((row.clone(), hidden.clone()), (hidden, row));
    scene.target.on(When::Before, "download", 0, move |world| {
        world.alter_all(|stored| {
            if stored.id == away.0 {
                stored.id = away.1.clone();
            }
        });
    });
    scene.target.on(When::After, "download", 0, move |world| {
        world.alter_all(|stored| {
            if stored.id == back.0 {
                stored.id = back.1.clone();
            }
        });
    });
    let told = scene.push().await;
    assert_eq!(told.outcome, Outcome::Failed, "{}", told.detail);
    assert!(told.detail.contains("cannot be read"), "{}", told.detail);
    assert_eq!(scene.target.writes(), 0);
}

#[tokio::test]
async fn an_old_picture_that_cannot_be_read_because_its_person_is_gone_is_not_called_deleted() {
    let scene = Scene::of(ada_with_old_picture());
    scene.target.on(When::Before, "download", 1, |world| {
        world.delete_row(&world.rows("ada", PROFILE)[0].id);
        world.leaves_target("ada");
    });
    let told = scene.push().await;
    assert_eq!(told.outcome, Outcome::Failed, "{}", told.detail);
    assert!(told.detail.contains("cannot be read"), "{}", told.detail);
}

#[tokio::test]
async fn an_old_picture_of_which_nobody_can_say_whether_it_is_there_fails_with_the_reason() {
    let scene = Scene::of(ada_with_old_picture());
    scene.target.on(When::Before, "download", 1, |world| {
        world.delete_row(&world.rows("ada", PROFILE)[0].id);
    });
    scene.world.fail("target.chains", 2, ErrorKind::Unavailable);
    let told = scene.push().await;
    assert_eq!(told.outcome, Outcome::Failed, "{}", told.detail);
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
async fn a_photo_that_no_form_makes_small_enough_is_not_sent_again_and_again() {
    let scene = Scene::of(ada_with_old_picture());
    scene
        .world
        .fail("target.upload", 0, ErrorKind::TooLarge { limit: 1 });
    let told = scene.push().await;
    assert_eq!(told.outcome, Outcome::Failed, "{}", told.detail);
    let uploads = scene
        .target
        .calls()
        .iter()
        .filter(|call| **call == "upload")
        .count();
    assert_eq!(uploads, 1);
    assert_eq!(scene.hashes(PROFILE), [Some(Sha256::of(&old()))]);
    let limit = 1 << 20;
    let scene = Scene::of(ada_with_old_picture());
    scene
        .world
        .fail("target.upload", 0, ErrorKind::TooLarge { limit });
    let told = scene.push().await;
    assert!(told.detail.contains("too large"), "{}", told.detail);
    let uploads = scene
        .target
        .calls()
        .iter()
        .filter(|call| **call == "upload")
        .count();
    assert_eq!(uploads, 1, "the limit was known before");
}

#[tokio::test]
async fn somebody_without_a_counterpart_is_skipped() {
    for change in [Change::Replace, Change::Remove] {
        let scene = Scene::of(ada_with_old_picture());
        let mut plan = scene.plan(change);
        plan.steps[0].person.target = None;
        let told = scene.carry_out(plan).await;
        assert_eq!(told.outcome, Outcome::Skipped);
        assert_eq!(told.detail, "nobody to write to");
    }
}

#[tokio::test]
async fn an_upload_whose_answer_was_lost_is_adopted_and_not_sent_again() {
    for nth in [1, 2] {
        let scene = Scene::of(ada_with_old_picture());
        scene.world.lose_answer("target.upload", nth);
        let told = scene.push().await;
        assert_eq!(told.outcome, Outcome::Updated, "{}", told.detail);
        let uploads = scene
            .target
            .calls()
            .iter()
            .filter(|call| **call == "upload")
            .count();
        assert_eq!(uploads, 2);
        scene.assert_in_order(&new());
    }
}

#[tokio::test]
async fn a_column_that_may_not_be_set_is_tried_once() {
    let scene = ada_as_in_the_article();
    scene.target.promise("ada", &[new()]);
    scene.world.fail("target.set_column", 1, not_allowed());
    let told = scene.push().await;
    assert_eq!(told.outcome, Outcome::Failed, "{}", told.detail);
    let set = scene
        .target
        .calls()
        .iter()
        .filter(|call| **call == "set_column")
        .count();
    assert_eq!(set, 1);
    assert_eq!(scene.hashes(PROFILE), [Some(Sha256::of(&old()))]);
    scene.nobody_is_unfinished().await;
}

#[tokio::test]
async fn what_could_not_be_taken_back_is_settled_at_the_next_start() {
    let scene = Scene::of(ada_with_old_picture());
    scene.target.promise("ada", &[new()]);
    scene.world.fail("target.displayed", 1, ErrorKind::Unavailable);
    scene.world.fail("target.chains", 3, ErrorKind::Unavailable);
    let told = scene.push().await;
    assert_eq!(told.outcome, Outcome::Failed, "{}", told.detail);
    assert!(
        told.detail
            .ends_with("what was begun is settled when the program starts again"),
        "{}",
        told.detail
    );
    assert!(!scene.last_step(&told).await.settled);
    scene.world.heal();
    scene.engine().recover().await.expect("settled");
    scene.nobody_is_unfinished().await;
    let steps = scene
        .store()
        .journal()
        .steps(&told.report.run)
        .await
        .expect("readable");
    assert_eq!(
        steps[0].after,
        Some(scene.world.chain("ada").stamp()),
        "how the target was left, for whoever undoes it"
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

#[tokio::test]
async fn a_picture_that_somebody_chose_before_the_first_question_stays_and_ours_is_taken_back() {
    let scene = Scene::of(ada_with_old_picture());
    scene.target.promise("ada", &[new(), picture(3)]);
    scene.target.on(When::Before, "displayed", 1, |world| {
        let theirs = world.store_at("ada", PROFILE, picture(3));
        world.point_column("ada", PROFILE, Some(&theirs));
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
        let theirs = world.store_at("ada", USER, picture(3));
        world.point_column("ada", USER, Some(&theirs));
    });
    let told = scene.push().await;
    assert_eq!(told.outcome, Outcome::ChangedMeanwhile, "{}", told.detail);
    assert_eq!(scene.world.shown("ada"), Some(picture(3)));
    assert!(!scene.hashes(USER).contains(&Some(Sha256::of(&new()))));
}

#[tokio::test]
async fn the_same_photo_for_two_people_is_pushed_for_the_first_and_held_back_for_the_second() {
    let scene = Scene::of(ada_with_photo());
    scene.world.add(person("bob").photo(new()));
    let mut plan = scene.plan(Change::Add);
    let mut step = plan.steps[0].clone();
    step.person = PersonRef {
        name: "bob".into(),
        upn: "bob@x.example".into(),
        mail: Some("bob@x.example".into()),
        source: SourceId::new("bob-id"),
        target: Some(TargetId::new("bob-sys")),
        user_name: Some("bob@x.example".into()),
    };
    step.expected = scene.world.chain("bob").stamp();
    plan.steps.push(step);
    let (events, _received) = mpsc::channel(64);
    let report = scene
        .engine()
        .apply(plan, &NO_LIMITS, &RunControl::new(), events)
        .await
        .expect("begun");
    assert_eq!((report.summary.updated, report.summary.skipped), (1, 1));
    let shown = ["ada", "bob"].map(|name| scene.world.shown(name));
    assert_eq!(
        shown.iter().flatten().count(),
        1,
        "nobody gets a colleague's face"
    );
}

#[tokio::test]
async fn a_row_without_a_hash_that_vanishes_before_it_is_read_is_no_picture_to_keep() {
    let scene = Scene::of(
        ada_with_photo()
            .stored(PROFILE, new())
            .without_hash()
            .stored(USER, old()),
    );
    scene.target.on(When::Before, "download", 1, |world| {
        world.delete_row(&world.rows("ada", PROFILE)[0].id);
    });
    let told = scene.push().await;
    assert_eq!(told.outcome, Outcome::ChangedMeanwhile, "{}", told.detail);
    assert_eq!(scene.target.writes(), 0);
}

#[tokio::test]
async fn what_cannot_be_cleared_away_at_the_next_start_stays_for_the_one_after() {
    let mut scene = Scene::of(ada_with_old_picture());
    let calls = {
        let whole = Scene::of(ada_with_old_picture());
        whole.push().await;
        whole.target.calls()
    };
    let second = calls.iter().rposition(|call| *call == "upload").expect("two") + 1;
    scene.target.die_at(second, When::After);
    let engine = scene.engine();
    scene.die(&engine, scene.plan(Change::Replace)).await;
    drop(engine);
    scene.restart().await;
    scene.target.live();
    let theirs = scene.world.store_at("ada", PROFILE, picture(3));
    scene.world.point_column("ada", PROFILE, Some(&theirs));
    scene.world.fail("target.remove", 1, ErrorKind::Unavailable);
    drop(scene.engine().recover().await);
    let unfinished = scene.store().journal().unfinished().await.expect("readable");
    assert_eq!(unfinished.len(), 1, "ours is still there");
    scene.world.heal();
    scene.engine().recover().await.expect("settled");
    scene.nobody_is_unfinished().await;
    assert_eq!(scene.world.shown("ada"), Some(picture(3)));
    assert_eq!(scene.hashes(USER), [Some(Sha256::of(&old()))]);
}

#[tokio::test]
async fn a_row_with_the_photo_that_was_there_before_is_no_straggler() {
    let scene = Scene::of(ada_with_photo().stored(PROFILE, old()).stored(USER, new()));
    scene.target.promise("ada", &[new()]);
    scene.world.lose_answer("target.upload", 1);
    scene.world.fail("target.chains", 2, ErrorKind::Unavailable);
    let told = scene.push().await;
    assert_eq!(told.outcome, Outcome::Failed, "{}", told.detail);
    assert_eq!(scene.hashes(PROFILE), [Some(Sha256::of(&old()))]);
    assert_eq!(scene.hashes(USER), [Some(Sha256::of(&new()))]);
}
