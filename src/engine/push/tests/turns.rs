//! How long a push waits, who works meanwhile, and what it hands back.

use std::time::Duration;

use tokio::time::Instant;

use super::*;
use crate::connector::ConnectorError;
use crate::domain::ids::RunId;
use crate::domain::photo::Scan;
use crate::domain::run::StopReason;
use crate::engine::fakes::{blank, cut_off, heavy_picture, placeholder};
use crate::engine::memory::Lesson;
use crate::engine::push::ending::Halt;
use crate::engine::push::{Ended, Guard, Pace, Pushing, Turn};

impl Scene {
    pub(super) fn pushing(&self, control: &RunControl) -> Pushing {
        self.engine().pushing(RunId::new("run"), control)
    }

    pub(super) async fn ended(&self) -> Ended {
        let pushing = self.pushing(&RunControl::new());
        let mut turn = Turn::take(&pushing.slots).await;
        pushing.push(&ada(), Change::Replace, None, &mut turn).await
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_lets_others_work_and_looks_again_at_common_moments() {
    let scene = Scene::of(ada_with_photo());
    let mut pushing = scene.pushing(&RunControl::new());
    pushing.pace = Pace::USUAL;
    pushing.slots = Arc::new(tokio::sync::Semaphore::new(1));
    let began = Instant::now();
    pushing.began = began;
    let mut turn = Turn::take(&pushing.slots).await;
    assert_eq!(pushing.slots.available_permits(), 0);
    for (wait, end) in [(100, 250), (250, 500), (251, 1_000), (2_000, 3_000), (1, 3_250)] {
        let slots = Arc::clone(&pushing.slots);
        let (waited, others) = tokio::join!(
            async {
                pushing.rest(&mut turn, Duration::from_millis(wait)).await;
                began.elapsed()
            },
            async {
                tokio::task::yield_now().await;
                slots.available_permits()
            }
        );
        assert_eq!(waited, Duration::from_millis(end), "after {wait} ms more");
        assert_eq!(others, 1, "somebody else may work");
        assert_eq!(pushing.slots.available_permits(), 0, "its turn again");
    }
}

#[tokio::test(start_paused = true)]
async fn a_push_gives_rules_two_seconds_and_looks_at_a_scan_every_second() {
    let settled = Scene::of(ada_with_photo());
    let mut pushing = settled.pushing(&RunControl::new());
    pushing.pace = Pace::USUAL;
    let mut turn = Turn::take(&pushing.slots).await;
    let ended = pushing.push(&ada(), Change::Add, None, &mut turn).await;
    assert_eq!(ended.outcome, Outcome::Updated);
    assert_eq!(pushing.began.elapsed(), Duration::from_secs(2));

    let scanned = Scene::of(ada_with_photo());
    scanned.target.on(When::After, "upload", 0, |world| {
        world.alter_newest(|row| row.scan = Scan::Pending);
    });
    let mut pushing = scanned.pushing(&RunControl::new());
    pushing.pace = Pace::USUAL;
    let mut turn = Turn::take(&pushing.slots).await;
    let ended = pushing.push(&ada(), Change::Add, None, &mut turn).await;
    assert_eq!(
        ended.detail,
        "the virus scan was not through after 60 seconds; the photo was taken back"
    );
    assert_eq!(pushing.began.elapsed(), Duration::from_mins(1));
}

async fn looks_at_a_scan(is_cancelled: bool) -> usize {
    let scene = Scene::of(ada_with_photo());
    scene.target.on(When::After, "upload", 0, |world| {
        world.alter_newest(|row| row.scan = Scan::Pending);
    });
    let control = RunControl::new();
    if is_cancelled {
        control.cancel();
    }
    let pushing = scene.pushing(&control);
    let mut turn = Turn::take(&pushing.slots).await;
    let ended = pushing.push(&ada(), Change::Add, None, &mut turn).await;
    assert_eq!(ended.outcome, Outcome::Failed);
    assert_eq!(scene.hashes(PROFILE), []);
    scene.count("chains")
}

#[tokio::test(start_paused = true)]
async fn once_somebody_has_asked_to_stop_the_virus_scan_gets_a_tenth_of_its_time() {
    let (patient, hurried) = (looks_at_a_scan(false).await, looks_at_a_scan(true).await);
    assert!(patient > 40, "{patient} looks");
    assert!(hurried < 15, "{hurried} looks");
    assert!(hurried > 4, "{hurried} looks");
}

#[tokio::test]
async fn what_was_seen_of_the_photo_is_handed_back_whether_or_not_anything_was_written() {
    let scene = Scene::of(ada_with_old_picture());
    for outcome in [Outcome::Updated, Outcome::Unchanged] {
        let ended = scene.ended().await;
        assert_eq!(ended.outcome, outcome);
        let Some(Lesson::Source { person, etag, .. }) = ended.lesson else {
            panic!("{:?}", ended.lesson)
        };
        assert_eq!(person, ada().source);
        assert!(etag.is_some());
    }
}

#[tokio::test]
async fn the_smaller_picture_that_is_stored_instead_of_the_photo_is_handed_back_too() {
    let heavy = heavy_picture(1);
    let limit = heavy.len() as u64 / 2;
    for (photo, is_too_large) in [(new(), false), (heavy, true)] {
        let scene = Scene::of(person("ada").photo(photo.clone()));
        if is_too_large {
            scene
                .world
                .fail("target.upload", 1, ErrorKind::TooLarge { limit });
        }
        let Some(Lesson::Source { content, .. }) = scene.ended().await.lesson else {
            panic!("something was learnt");
        };
        let shown = Sha256::of(&scene.world.shown("ada").expect("a picture"));
        assert_eq!(content.prepared, is_too_large.then_some(shown));
        assert_eq!(shown == Sha256::of(&photo), !is_too_large);
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_photo_is_handed_back_so_that_it_is_not_fetched_every_night() {
    for (photo, outcome) in [
        (placeholder(), Outcome::NoPhoto),
        (cut_off(1), Outcome::Skipped),
        (blank(), Outcome::Skipped),
    ] {
        let scene = Scene::of(person("ada").photo(photo));
        let mut pushing = scene.pushing(&RunControl::new());
        pushing.guard = Some(Guard::default());
        let mut turn = Turn::take(&pushing.slots).await;
        let ended = pushing.push(&ada(), Change::Add, None, &mut turn).await;
        assert_eq!(ended.outcome, outcome, "{}", ended.detail);
        let Some(Lesson::Source { person, etag, .. }) = ended.lesson else {
            panic!("nothing was learnt: {}", ended.detail);
        };
        assert_eq!(person, ada().source);
        assert!(etag.is_some());
    }
}

#[tokio::test]
async fn a_rule_that_undoes_every_push_is_told_with_what_to_look_for() {
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
    let ended = scene.ended().await;
    assert_eq!(ended.outcome, Outcome::Failed);
    assert_eq!(
        ended.hint.as_deref(),
        Some("look for a business rule that copies or deletes pictures")
    );
}

#[tokio::test]
async fn a_last_look_that_fails_is_said_and_stops_the_run_only_if_nobody_elses_can_end_better() {
    for (kind, stops) in [(ErrorKind::Unavailable, false), (ErrorKind::SignInRejected, true)] {
        let scene = Scene::of(ada_with_photo());
        scene.world.fail("target.displayed", 2, kind);
        let ended = scene.ended().await;
        assert_eq!(ended.outcome, Outcome::Updated);
        assert!(
            ended.detail.contains("it could not be looked at again"),
            "{}",
            ended.detail
        );
        assert_eq!(ended.stop.is_some(), stops);
        assert_eq!(ended.after, None);
    }
}

#[tokio::test]
async fn what_is_to_do_with_the_person_is_told_from_what_is_passing() {
    for (kind, is_own, stops, denied) in [
        (
            ErrorKind::NotAllowed {
                needs: "attachment.write".into(),
            },
            true,
            false,
            Some("attachment.write"),
        ),
        (ErrorKind::NotFound, true, false, None),
        (ErrorKind::Refused, true, false, None),
        (ErrorKind::UnexpectedAnswer, true, false, None),
        (ErrorKind::Unavailable, false, false, None),
        // One request that is refused for long stops nobody else.
        (ErrorKind::Throttled, false, false, None),
        (ErrorKind::PauseTooLong, false, true, None),
        (ErrorKind::SignInRejected, false, true, None),
        (ErrorKind::Configuration, false, true, None),
    ] {
        let scene = Scene::of(ada_with_photo());
        scene.world.fail("target.upload", 0, kind.clone());
        let ended = scene.ended().await;
        assert_eq!(ended.outcome, Outcome::Failed, "{kind:?}");
        assert_eq!(ended.is_own_failure(), is_own, "{kind:?}");
        assert_eq!(ended.stop.is_some(), stops, "{kind:?}");
        assert_eq!(ended.denied.as_deref(), denied, "{kind:?}");
        assert_eq!(ended.stalls.is_some(), kind == ErrorKind::Throttled, "{kind:?}");
        assert_eq!(ended.hint.as_deref(), Some("see the manual"), "{kind:?}");
    }
}

#[tokio::test]
async fn that_no_answer_comes_or_that_the_disk_is_full_says_nothing_about_the_person() {
    let unanswered = Scene::of(ada_with_photo());
    unanswered
        .world
        .fail("target.upload", 0, ErrorKind::OutcomeUnknown);
    let full = Scene::of(ada_with_old_picture());
    let vault = full.paths.vault();
    std::fs::remove_dir_all(&vault).expect("removable");
    std::fs::write(&vault, "in the way").expect("writable");
    for (scene, stops) in [(unanswered, false), (full, true)] {
        let ended = scene.ended().await;
        assert_eq!(ended.outcome, Outcome::Failed, "{}", ended.detail);
        assert!(!ended.is_own_failure(), "{}", ended.detail);
        assert_eq!(ended.stop.is_some(), stops, "{}", ended.detail);
    }
}

#[tokio::test]
async fn room_that_cannot_be_made_because_of_the_sign_in_stops_the_run() {
    let scene = Scene::of(ada_with_old_picture());
    scene.target.on(When::After, "remove", 2, |world| {
        world.choose("ada", PROFILE, picture(3));
    });
    scene.world.fail("target.remove", 3, ErrorKind::SignInRejected);
    let ended = scene.ended().await;
    assert_eq!(ended.outcome, Outcome::ChangedMeanwhile);
    assert!(ended.stop.is_some() && !ended.settled);
}

#[tokio::test]
async fn a_further_turn_that_cannot_even_look_leaves_the_one_after_it_where_it_was() {
    let scene = Scene::of(ada_with_old_picture());
    scene.target.promise("ada", &[new()]);
    let step = scene.plan(Change::Replace).steps.remove(0);
    let pushing = scene.pushing(&RunControl::new());
    let turn = || Turn::take(&pushing.slots);
    scene.world.fail("target.upload", 2, ErrorKind::Unavailable);
    scene.world.fail("target.remove", 1, ErrorKind::Unavailable);
    let first = pushing.step(&step, None, turn().await).await;
    assert_eq!(
        (first.outcome, first.settled),
        (Outcome::Failed, false),
        "{}",
        first.detail
    );
    scene.world.fail("target.chains", 1, ErrorKind::Unavailable);
    let second = pushing.step(&step, Some(first), turn().await).await;
    assert_eq!((second.outcome, second.settled), (Outcome::Failed, false));
    assert!(
        !second.detail.contains("settled when the program starts"),
        "{}",
        second.detail
    );
    let third = pushing.step(&step, Some(second), turn().await).await;
    assert_eq!(third.outcome, Outcome::Updated, "{}", third.detail);
    scene.assert_in_order(&new());
}

#[tokio::test]
async fn a_further_turn_goes_on_with_the_profile_that_the_one_before_it_has_created() {
    let scene = without_a_profile();
    scene.target.promise("ada", &[new()]);
    let step = scene.plan(Change::Replace).steps.remove(0);
    let pushing = scene.pushing(&RunControl::new());
    scene.world.fail("target.upload", 1, ErrorKind::Unavailable);
    let first = pushing.step(&step, None, Turn::take(&pushing.slots).await).await;
    assert_eq!(first.outcome, Outcome::Failed, "{}", first.detail);
    let turn = Turn::take(&pushing.slots).await;
    let second = pushing.step(&step, Some(first), turn).await;
    assert_eq!(second.outcome, Outcome::Updated, "{}", second.detail);
    assert_eq!(scene.count("create_record"), 1);
    scene.assert_in_order(&new());
}

#[test]
fn what_stops_a_run_is_told_with_what_to_do_where_that_is_known() {
    let stop = |hint: Option<&str>| {
        let error = ConnectorError {
            system: "ServiceNow",
            operation: "store a picture".into(),
            kind: ErrorKind::SignInRejected,
            hint: hint.map(str::to_owned),
            source: None,
        };
        match Ended::of(Halt::Connector(error)).stop {
            Some(StopReason::Refused { message, is_access }) => (message, is_access),
            other => panic!("{other:?}"),
        }
    };
    let (alone, is_access) = stop(None);
    assert!(is_access);
    assert_eq!(
        stop(Some("renew the secret")).0,
        format!("{alone}; renew the secret")
    );
}
