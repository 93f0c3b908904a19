//! Writes of which nobody knows how they went, and what the next start makes of them.

use super::*;
use crate::domain::ids::{PictureId, RecordId};
use crate::engine::push::stored_by;

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
        let tried = scene.count(call);
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
    let removals = scene.count("remove");
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
        let uploads = scene.count("upload");
        assert_eq!(uploads, 3, "sent again");
        assert_eq!(scene.hashes(PROFILE).len(), 2, "theirs stays");
    }
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
async fn an_upload_whose_answer_was_lost_is_adopted_and_not_sent_again() {
    for nth in [1, 2] {
        let scene = Scene::of(ada_with_old_picture());
        scene.world.lose_answer("target.upload", nth);
        let told = scene.push().await;
        assert_eq!(told.outcome, Outcome::Updated, "{}", told.detail);
        let uploads = scene.count("upload");
        assert_eq!(uploads, 2);
        scene.assert_in_order(&new());
    }
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

#[tokio::test]
async fn what_a_step_stored_is_told_by_its_answer_or_by_bytes_that_were_sent_without_one() {
    let scene = Scene::of(ada_with_old_picture());
    let told = scene.push().await;
    let journal = scene.store().journal();
    let mut writes = journal.writes(&told.report.run).await.expect("readable");
    let ours = |writes: &[crate::store::journal::WriteRecord]| {
        let mut ids: Vec<PictureId> = stored_by(writes, &[], &scene.world.chain("ada"))
            .into_iter()
            .collect();
        ids.sort_by_key(|id| id.as_str().to_owned());
        ids
    };
    let rows: Vec<PictureId> = [PROFILE, USER]
        .map(|place| scene.world.rows("ada", place).remove(0).id)
        .into();
    assert_eq!(ours(&writes), rows);
    for write in &mut writes {
        write.answer = None;
    }
    assert_eq!(ours(&writes), rows, "by record, size and hash");
    writes[0].intent.record = Some(RecordId::new("another"));
    assert_eq!(ours(&writes), [rows[1].clone()]);
    writes[1].intent.bytes = Some(1);
    assert_eq!(ours(&writes), Vec::<PictureId>::new());
    writes[1].intent.bytes = Some(new().len() as u64);
    writes[1].intent.sha256 = None;
    scene.world.alter_all(|row| row.sha256 = None);
    assert_eq!(ours(&writes), Vec::<PictureId>::new(), "no hash says nothing");
}

#[tokio::test]
async fn a_straggler_at_the_only_record_that_is_written_is_taken_back() {
    let scene = Scene::writing(ada_with_photo().stored(USER, old()), &[USER]);
    scene.world.lose_answer("target.upload", 1);
    scene.world.fail("target.chains", 2, ErrorKind::Unavailable);
    let told = scene.push().await;
    assert_eq!(told.outcome, Outcome::Failed, "{}", told.detail);
    assert_eq!(scene.hashes(USER), [Some(Sha256::of(&old()))]);
    scene.nobody_is_unfinished().await;
}
