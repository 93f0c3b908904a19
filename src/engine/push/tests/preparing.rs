//! S1 to S3: what a push looks at, and keeps, before it writes anything.

use super::*;
use crate::domain::picture::{PictureFacts, examine};
use crate::engine::push::guard::{Guard, REMEMBERED};

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
async fn a_write_mode_without_a_place_skips_everybody() {
    let scene = Scene::writing(ada_with_old_picture(), &[]);
    let told = scene.push().await;
    assert_eq!(told.outcome, Outcome::Skipped);
    assert!(told.detail.contains("no place to write to"), "{}", told.detail);
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
async fn a_photo_that_no_form_makes_small_enough_is_not_sent_again_and_again() {
    let scene = Scene::of(ada_with_old_picture());
    scene
        .world
        .fail("target.upload", 0, ErrorKind::TooLarge { limit: 1 });
    let told = scene.push().await;
    assert_eq!(told.outcome, Outcome::Failed, "{}", told.detail);
    let uploads = scene.count("upload");
    assert_eq!(uploads, 1);
    assert_eq!(scene.hashes(PROFILE), [Some(Sha256::of(&old()))]);
    let limit = 1 << 20;
    let scene = Scene::of(ada_with_old_picture());
    scene
        .world
        .fail("target.upload", 0, ErrorKind::TooLarge { limit });
    let told = scene.push().await;
    assert!(told.detail.contains("too large"), "{}", told.detail);
    let uploads = scene.count("upload");
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

#[test]
fn a_photo_that_was_pushed_for_somebody_else_is_held_back_and_ones_own_is_not() {
    let bob = PersonRef {
        name: "bob".into(),
        source: SourceId::new("bob-id"),
        ..ada()
    };
    let facts = examine(&new()).expect("a picture");
    let guard = Guard::default();
    assert_eq!(guard.suspicion(&ada(), &facts), None);
    assert_eq!(guard.suspicion(&ada(), &facts), None, "her own");
    let why = guard.suspicion(&bob, &facts).expect("it is Ada's");
    assert!(why.contains("ada"), "{why}");
    let named = |person: PersonRef| PersonRef {
        name: "Ada Lovelace".into(),
        ..person
    };
    let (first_account, second_account) = (named(ada()), named(bob));
    let guard = Guard::default();
    assert_eq!(guard.suspicion(&first_account, &facts), None);
    assert_eq!(
        guard.suspicion(&second_account, &facts),
        None,
        "her other account"
    );
}

#[test]
fn a_guard_that_is_full_still_compares_with_what_it_remembers() {
    let facts = |number: u64| PictureFacts {
        sha256: Sha256::of(&number.to_le_bytes()),
        ..examine(&new()).expect("a picture")
    };
    let of = |number: u64| PersonRef {
        source: SourceId::new(number.to_string()),
        name: number.to_string().as_str().into(),
        ..ada()
    };
    let guard = Guard::default();
    let photo = facts(0);
    for number in 1..=REMEMBERED as u64 {
        let sha256 = Sha256::of(&number.to_le_bytes());
        let photo = PictureFacts {
            sha256,
            ..photo.clone()
        };
        assert_eq!(guard.suspicion(&of(number), &photo), None);
    }
    assert!(guard.suspicion(&ada(), &facts(1)).is_some(), "remembered");
    for person in [of(0), ada()] {
        assert_eq!(
            guard.suspicion(&person, &facts(0)),
            None,
            "not remembered any more"
        );
    }
}

#[tokio::test]
async fn a_photo_of_one_colour_is_held_back_until_somebody_confirms_it() {
    let blank = crate::engine::fakes::blank();
    let scene = Scene::of(person("ada").photo(blank.clone()));
    let told = scene.carry_out(scene.plan(Change::Add)).await;
    assert_eq!(told.outcome, Outcome::Skipped, "{}", told.detail);
    assert_eq!(scene.target.writes(), 0);
    let confirmed = Plan {
        push_suspicious: true,
        ..scene.plan(Change::Add)
    };
    assert_eq!(scene.carry_out(confirmed).await.outcome, Outcome::Updated);
    assert_eq!(scene.world.shown("ada"), Some(blank));
}

#[test]
fn a_photo_that_takes_too_long_to_decode_fails_today_and_nothing_is_remembered_of_it() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .max_blocking_threads(1)
        .build()
        .expect("a runtime");
    let scene = Scene::of(ada_with_old_picture());
    let (release, released) = std::sync::mpsc::channel::<()>();
    let ended = runtime.block_on(async {
        // Decoders wait for this one.
        tokio::task::spawn_blocking(move || released.recv());
        let (ended, ()) = tokio::join!(scene.ended(), async {
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
            tokio::time::advance(std::time::Duration::from_secs(10)).await;
        });
        release.send(()).expect("still waiting");
        ended
    });
    assert_eq!(ended.outcome, Outcome::Failed);
    assert!(
        ended.detail.contains("not decoded within 10 seconds"),
        "{}",
        ended.detail
    );
    assert!(ended.lesson.is_none());
    assert_eq!(scene.target.writes(), 0);
}
