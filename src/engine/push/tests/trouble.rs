//! Services that fail, lie or are slow; a disk that is full.

use super::*;
use crate::domain::photo::Scan;
use crate::domain::run::StopReason;

#[tokio::test]
async fn a_write_whose_answer_was_lost_is_found_and_never_done_twice() {
    for (ada, call) in [
        (ada_with_old_picture(), "target.upload"),
        (ada_with_old_picture(), "target.remove"),
        (
            ada_with_photo().stored(USER, old()).profiles(0),
            "target.create_record",
        ),
        (ada_with_photo().column(PROFILE, "gone"), "target.set_column"),
    ] {
        let scene = Scene::of(ada);
        scene.target.promise("ada", &[new()]);
        scene.world.lose_answer(call, 1);
        let told = scene.push().await;
        assert_eq!(told.outcome, Outcome::Updated, "{call}: {}", told.detail);
        scene.assert_in_order(&new());
        scene.nobody_is_unfinished().await;
        let profiles = scene.world.chain("ada").records.len();
        assert_eq!(profiles, 2, "{call}");
    }
}

#[tokio::test]
async fn a_write_that_never_arrived_is_repeated() {
    for (ada, call) in [
        (ada_with_old_picture(), "target.upload"),
        (ada_with_old_picture(), "target.remove"),
        (
            ada_with_photo().stored(USER, old()).profiles(0),
            "target.create_record",
        ),
        (ada_with_photo().column(PROFILE, "gone"), "target.set_column"),
    ] {
        let scene = Scene::of(ada);
        scene.target.promise("ada", &[new()]);
        scene.world.fail(call, 1, ErrorKind::OutcomeUnknown);
        let told = scene.push().await;
        assert_eq!(told.outcome, Outcome::Updated, "{call}: {}", told.detail);
        scene.assert_in_order(&new());
    }
}

#[tokio::test]
async fn a_target_that_never_answers_a_write_is_given_up_and_nothing_is_left() {
    let scene = Scene::of(ada_with_old_picture());
    scene.target.promise("ada", &[new()]);
    scene.world.fail("target.upload", 0, ErrorKind::OutcomeUnknown);
    let told = scene.push().await;
    assert_eq!(told.outcome, Outcome::Failed);
    assert_eq!(scene.hashes(PROFILE), [Some(Sha256::of(&old()))]);
    scene.nobody_is_unfinished().await;
}

#[tokio::test]
async fn any_failing_call_leaves_the_old_picture_or_the_new_one_and_nothing_beside() {
    let calls = {
        let scene = ada_as_in_the_article();
        scene.push().await;
        scene.target.calls()
    };
    for (position, call) in calls.iter().enumerate() {
        let nth = calls[..=position].iter().filter(|made| *made == call).count();
        let name = format!("target.{call}");
        let scene = ada_as_in_the_article();
        scene.target.promise("ada", &[new()]);
        scene.world.fail(name.leak(), nth as u64, ErrorKind::Unavailable);
        let told = scene.push().await;
        scene.world.heal();
        let ours: Vec<_> = [PROFILE, USER]
            .into_iter()
            .flat_map(|place| scene.hashes(place))
            .collect();
        match told.outcome {
            Outcome::Updated => assert_eq!(scene.world.shown("ada"), Some(new()), "{position} {call}"),
            Outcome::Failed if ours.contains(&Some(Sha256::of(&new()))) => {
                let unfinished = scene.store().journal().unfinished().await.expect("readable");
                assert_eq!(unfinished.len(), 1, "{position} {call}: {}", told.detail);
            }
            outcome => assert_eq!(outcome, Outcome::Failed, "{position} {call}"),
        }
        // Whatever is left, the next start and the next run bring it in order.
        scene.engine().recover().await.expect("settled");
        scene.push().await;
        scene.assert_in_order(&new());
        scene.nobody_is_unfinished().await;
        assert_eq!(
            scene.target.broken_promises(),
            Vec::<String>::new(),
            "{position} {call}"
        );
    }
}

#[tokio::test]
async fn something_else_than_what_was_sent_is_taken_back_and_sent_once_more() {
    let scene = Scene::of(ada_with_old_picture());
    scene.target.promise("ada", &[new()]);
    scene.target.on(When::After, "upload", 1, |world| {
        world.alter_newest(|row| row.sha256 = Some(Sha256::of(b"something else")));
    });
    let told = scene.push().await;
    assert_eq!(told.outcome, Outcome::Updated, "{}", told.detail);
    scene.assert_in_order(&new());
}

#[tokio::test]
async fn a_target_that_always_stores_something_else_keeps_the_old_picture() {
    let scene = Scene::of(ada_with_old_picture());
    scene.target.promise("ada", &[new()]);
    scene.target.on(When::After, "upload", 0, |world| {
        world.alter_newest(|row| row.bytes += 1);
    });
    let told = scene.push().await;
    assert_eq!(told.outcome, Outcome::Failed);
    assert!(told.detail.contains("something else"), "{}", told.detail);
    assert_eq!(scene.hashes(PROFILE), [Some(Sha256::of(&old()))]);
    assert_eq!(scene.hashes(USER), [Some(Sha256::of(&old()))]);
}

#[tokio::test]
async fn where_no_hash_is_stated_the_bytes_are_read_back() {
    let scene = Scene::of(ada_with_photo());
    scene.target.on(When::After, "upload", 0, |world| {
        world.alter_newest(|row| row.sha256 = None);
    });
    let told = scene.push().await;
    assert_eq!(told.outcome, Outcome::Updated, "{}", told.detail);
    assert_eq!(scene.world.shown("ada"), Some(new()));
    assert_eq!(scene.count("download"), 2);
    assert_eq!(scene.push().await.outcome, Outcome::Unchanged);
}

#[tokio::test]
async fn the_old_picture_stays_until_the_virus_scan_is_through() {
    let scene = Scene::of(ada_with_old_picture());
    scene.target.promise("ada", &[new()]);
    scene.target.on(When::After, "upload", 0, |world| {
        world.alter_newest(|row| row.scan = Scan::Pending);
    });
    scene.target.on(When::Before, "chains", 4, |world| {
        world.alter_all(|row| row.scan = Scan::Available);
    });
    scene.target.on(When::Before, "remove", 0, |world| {
        for row in world.rows("ada", PROFILE) {
            assert_eq!(row.scan, Scan::Available);
        }
    });
    let told = scene.push().await;
    assert_eq!(told.outcome, Outcome::Updated, "{}", told.detail);
    scene.assert_in_order(&new());
}

#[tokio::test]
async fn a_photo_that_is_quarantined_or_never_scanned_is_taken_back() {
    for (scan, word) in [
        (Scan::Quarantined, "did not pass"),
        (Scan::Pending, "not through"),
    ] {
        let scene = Scene::of(ada_with_old_picture());
        scene.target.promise("ada", &[new()]);
        scene.target.on(When::After, "upload", 0, move |world| {
            world.alter_newest(|row| row.scan = scan);
        });
        let told = scene.push().await;
        assert_eq!(told.outcome, Outcome::Failed);
        assert!(told.detail.contains(word), "{}", told.detail);
        assert_eq!(scene.hashes(PROFILE), [Some(Sha256::of(&old()))]);
        assert_eq!(scene.hashes(USER), [Some(Sha256::of(&old()))]);
        scene.nobody_is_unfinished().await;
    }
}

#[tokio::test]
async fn an_old_picture_that_cannot_be_copied_stays() {
    let unreadable = Scene::of(ada_with_old_picture());
    unreadable
        .world
        .fail("target.download", 1, ErrorKind::Unavailable);
    let quarantined = Scene::of(ada_with_photo().stored(PROFILE, old()).quarantined());
    let refused = ErrorKind::NotAllowed {
        needs: "read access".into(),
    };
    quarantined.world.fail("target.download", 1, refused);
    let lying = Scene::of(ada_with_old_picture());
    lying
        .world
        .alter_all(|row| row.sha256 = Some(Sha256::of(b"another")));
    for (scene, why) in [
        (unreadable, "could not do target.download"),
        (quarantined, "is quarantined by the virus scan"),
        (lying, "was not served as it was stored"),
    ] {
        let told = scene.push().await;
        assert_eq!(told.outcome, Outcome::Failed, "{}", told.detail);
        assert!(told.detail.contains(why), "{}", told.detail);
        assert_eq!(scene.target.writes(), 0);
    }
}

#[tokio::test]
async fn an_old_row_that_may_not_be_deleted_is_reported_and_the_new_picture_shown() {
    let scene = Scene::of(ada_with_old_picture());
    let refused = ErrorKind::NotAllowed {
        needs: "delete access".into(),
    };
    scene.world.fail("target.remove", 0, refused);
    scene.target.promise("ada", &[new()]);
    let told = scene.push().await;
    assert_eq!(told.outcome, Outcome::Updated, "{}", told.detail);
    assert!(told.detail.contains("duplicate image rows"), "{}", told.detail);
    assert_eq!(scene.world.shown("ada"), Some(new()));
    assert_eq!(scene.hashes(USER).len(), 2);
    scene.nobody_is_unfinished().await;
}

#[tokio::test]
async fn without_a_vault_there_is_no_push_and_the_run_stops() {
    let scene = Scene::of(ada_with_old_picture());
    let vault = scene.paths.vault();
    std::fs::remove_dir_all(&vault).expect("removable");
    std::fs::write(&vault, "in the way").expect("writable");
    let told = scene.push().await;
    assert_eq!(told.outcome, Outcome::Failed);
    assert!(
        matches!(told.report.stopped, Some(StopReason::Storage(_))),
        "{:?}",
        told.report.stopped
    );
    assert_eq!(scene.target.writes(), 0);
}

#[tokio::test]
async fn without_a_journal_nothing_is_sent() {
    let scene = Scene::of(ada_with_old_picture());
    let full = "CREATE TRIGGER full BEFORE INSERT ON writes BEGIN SELECT RAISE(FAIL, 'disk is full'); END";
    let other = rusqlite::Connection::open(scene.paths.journal()).expect("opens");
    other.execute_batch(full).expect("from now on nothing fits in");
    let told = scene.push().await;
    assert_eq!(told.outcome, Outcome::Failed);
    assert!(
        matches!(told.report.stopped, Some(StopReason::Storage(_))),
        "{:?}",
        told.report.stopped
    );
    assert_eq!(scene.target.writes(), 0);
}

#[tokio::test]
async fn a_sign_in_that_is_refused_stops_the_run() {
    let scene = Scene::of(ada_with_old_picture());
    scene.world.fail("target.upload", 1, ErrorKind::SignInRejected);
    let told = scene.push().await;
    assert_eq!(told.outcome, Outcome::Failed);
    assert!(matches!(
        told.report.stopped,
        Some(StopReason::Refused { is_access: true, .. })
    ));
}
