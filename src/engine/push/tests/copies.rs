//! Copies of the vault that a tidying stores beside what is there.

use super::tidying::{ada_of_the_article, ada_with_duplicates};
use super::*;
use crate::domain::ids::{PictureId, RecordId};
use crate::domain::photo::{AvatarChain, Scan};
use crate::domain::tidying::{Names, TidyKind, TidyPlan, Write};
use crate::engine::push::Turn;

async fn article() -> (Scene, TidyPlan) {
    let scene = Scene::of(ada_of_the_article());
    let plan = scene.cleaning().await;
    (scene, plan)
}

/// Ada's profile holds the same picture three times, and another one.
fn ada_with_identical_pictures() -> PersonBuilder {
    person("ada")
        .stored(PROFILE, old())
        .stored(PROFILE, old())
        .stored(PROFILE, old())
        .stored(PROFILE, picture(5))
}

fn assert_as_before(scene: &Scene, before: &AvatarChain) {
    assert_eq!(scene.world.chain("ada").stamp(), before.stamp());
    scene.assert_promises();
}

#[tokio::test]
async fn where_an_identical_picture_is_dropped_the_attachment_that_people_see_stays() {
    let scene = Scene::of(ada_of_the_article());
    let target = Watched::new(&scene.world).dropping_identical();
    let scene = scene.with_target(target);
    let before = scene.world.chain("ada");
    scene.target.promise("ada", &[]);
    let told = scene.clean().await;
    assert_eq!(told.outcome, Outcome::Failed);
    assert!(
        told.detail.contains("does not store the same picture twice"),
        "{}",
        told.detail
    );
    assert_as_before(&scene, &before);
    scene.nobody_is_unfinished().await;
    crate::tried("G5", 1);
}

#[tokio::test]
async fn another_picture_of_the_same_moment_is_not_taken_for_a_copy_without_an_answer() {
    for is_of_same_size in [true, false] {
        let (scene, plan) = article().await;
        scene.world.fail("target.store_as", 1, ErrorKind::OutcomeUnknown);
        scene.target.on(When::After, "store_as", 1, move |world| {
            world.store_at("ada", PROFILE, picture(9));
            world.alter_newest(|row| {
                if is_of_same_size {
                    row.bytes = old().len() as u64;
                } else {
                    row.sha256 = Some(Sha256::of(&old()));
                    row.bytes = 1;
                }
            });
        });
        let told = scene.tidy(plan).await;
        assert_eq!(told.outcome, Outcome::ChangedMeanwhile, "{}", told.detail);
        assert_eq!(scene.count("store_as"), 3, "sent again");
        assert_eq!(
            scene.world.rows("ada", PROFILE).len(),
            2,
            "the attachment, and theirs"
        );
        assert!(scene.hashes(USER).is_empty(), "the copies went");
    }
}

#[tokio::test]
async fn what_a_row_that_stays_holds_is_not_stored_a_second_time() {
    let scene = Scene::of(ada_with_identical_pictures());
    scene.target.promise("ada", &[]);
    let cleaned = scene.clean().await;
    assert_eq!(scene.hashes(PROFILE), [Some(Sha256::of(&old()))]);
    let undone = scene.undo(cleaned.report.run.as_str()).await;
    assert_eq!(undone.outcome, Outcome::Updated, "{}", undone.detail);
    assert_eq!(
        scene.hashes(PROFILE),
        [&old(), &picture(5)].map(|bytes| Some(Sha256::of(bytes)))
    );
    assert_eq!(scene.count("store_as"), 1);
    scene.assert_promises();
}

#[tokio::test]
async fn an_attachment_that_somebody_keeps_with_the_same_bytes_is_no_copy_in_the_platforms_form() {
    let scene = Scene::of(ada_of_the_article().stored(USER, old()).plain());
    scene
        .world
        .alter_newest(|row| row.file_name = "badge application.png".into());
    scene.target.promise("ada", &[old()]);
    let told = scene.clean().await;
    assert_eq!(told.outcome, Outcome::Updated, "{}", told.detail);
    assert_eq!(scene.count("store_as"), 2);
    let rows = scene.world.rows("ada", USER);
    assert_eq!(rows.len(), 2, "theirs stays beside ours");
    assert_eq!(scene.column(USER), Column::Names(rows[1].id.clone()));
}

#[tokio::test]
async fn a_row_of_the_same_size_is_not_taken_for_the_same_picture() {
    let scene = Scene::of(person("ada").stored(PROFILE, old()).stored(PROFILE, picture(5)));
    let (stays, size) = (Some(Sha256::of(&old())), picture(5).len() as u64);
    scene.world.alter_all(|row| {
        if row.sha256 == stays {
            row.bytes = size;
        }
    });
    let cleaned = scene.clean().await;
    let undone = scene.undo(cleaned.report.run.as_str()).await;
    assert_eq!(undone.outcome, Outcome::Updated, "{}", undone.detail);
    assert_eq!(scene.hashes(PROFILE), [stays, Some(Sha256::of(&picture(5)))]);
}

#[tokio::test]
async fn what_was_there_already_is_not_taken_back() {
    let scene = Scene::of(ada_with_identical_pictures());
    let cleaned = scene.clean().await;
    scene.target.promise("ada", &[]);
    let plan = scene.engine().undo_plan(cleaned.report.run.as_str()).await;
    let before = scene.world.chain("ada");
    let asked = scene.world.calls("target.displayed");
    assert!(asked > 0);
    scene.world.fail("target.displayed", 2, ErrorKind::Unavailable);
    let told = scene.tidy(plan.expect("something to undo")).await;
    assert_eq!(told.outcome, Outcome::Failed, "{}", told.detail);
    assert_eq!(scene.count("store_as"), 1);
    assert_as_before(&scene, &before);
    scene.nobody_is_unfinished().await;
}

#[tokio::test]
async fn a_row_with_the_bytes_that_cannot_be_shown_is_no_copy() {
    // One that is quarantined stays; one of a type that is not shown goes as a duplicate.
    let quarantined: fn(&mut StoredPicture) = |row| row.scan = Scan::Quarantined;
    let of_odd_type: fn(&mut StoredPicture) = |row| row.content_type = "text/html".into();
    for (change, left) in [(quarantined, 2), (of_odd_type, 1)] {
        let scene = Scene::of(ada_of_the_article().stored(PROFILE, old()));
        scene.world.alter_newest(change);
        scene.target.promise("ada", &[]);
        let told = scene.clean().await;
        assert_eq!(told.outcome, Outcome::Updated, "{}", told.detail);
        scene.assert_promises();
        let rows = scene.world.rows("ada", PROFILE);
        assert_eq!(rows.len(), left, "{rows:?}");
        let shown = rows.iter().find(|row| row.can_be_served()).expect("the copy");
        assert_eq!(scene.column(PROFILE), Column::Names(shown.id.clone()));
    }
}

#[tokio::test]
async fn a_row_with_the_bytes_that_is_about_to_go_is_no_copy() {
    // The same bytes were stored as a type that is not shown; a push has replaced them.
    let scene = Scene::of(ada_with_photo().stored(PROFILE, new()));
    scene.world.alter_all(|row| row.content_type = "text/html".into());
    let before = scene.inventory();
    let pushed = scene.push().await;
    assert_eq!(pushed.outcome, Outcome::Updated, "{}", pushed.detail);
    assert_eq!(
        scene.world.rows("ada", PROFILE)[0].content_type.raw(),
        "image/jpeg"
    );
    let undone = scene.undo(pushed.report.run.as_str()).await;
    assert_eq!(undone.outcome, Outcome::Updated, "{}", undone.detail);
    assert_eq!(scene.inventory(), before);
    assert_eq!(
        scene.world.rows("ada", PROFILE)[0].content_type.raw(),
        "text/html"
    );
}

#[tokio::test]
async fn a_copy_that_somebodys_column_names_meanwhile_is_not_taken_back() {
    let (scene, plan) = article().await;
    scene.target.promise("ada", &[]);
    scene.target.on(When::After, "store_as", 2, |world| {
        let copy = world.rows("ada", USER).remove(0).id;
        world.point_column("ada", USER, Some(&copy));
    });
    let told = scene.tidy(plan).await;
    assert_eq!(told.outcome, Outcome::ChangedMeanwhile, "{}", told.detail);
    assert_eq!(scene.hashes(USER), [Some(Sha256::of(&old()))]);
    assert_eq!(scene.world.rows("ada", PROFILE).len(), 1, "the other copy went");
    scene.assert_promises();
}

#[tokio::test]
async fn what_the_vault_has_lost_since_the_plan_cannot_be_put_back_and_nothing_is_written() {
    let scene = Scene::of(ada_with_old_picture());
    let pushed = scene.push().await;
    let plan = scene.engine().undo_plan(pushed.report.run.as_str()).await;
    std::fs::remove_dir_all(scene.paths.vault()).expect("removable");
    let writes = scene.target.writes();
    let mut plan = plan.expect("something to undo");
    // Nothing is removed before it is kept, and there is no vault to keep it in.
    for step in &mut plan.steps {
        step.writes.retain(|write| !matches!(write, Write::Remove { .. }));
    }
    let told = scene.tidy(plan).await;
    assert_eq!(told.outcome, Outcome::Failed);
    assert!(told.detail.contains("the vault is gone"), "{}", told.detail);
    assert_eq!(scene.target.writes(), writes);
    assert_eq!(scene.world.shown("ada"), Some(new()));
}

async fn looks_at_a_scan(is_cancelled: bool) -> usize {
    let (scene, plan) = article().await;
    scene.target.on(When::After, "store_as", 0, |world| {
        world.alter_newest(|row| row.scan = Scan::Pending);
    });
    let control = RunControl::new();
    if is_cancelled {
        control.cancel();
    }
    let looks = scene.count("chains");
    let pushing = scene.pushing(&control);
    let turn = Turn::take(&pushing.slots).await;
    let ended = pushing.tidy_step(&plan.steps[0], TidyKind::Clean, turn).await;
    assert!(
        ended.detail.contains("the virus scan was not through"),
        "{}",
        ended.detail
    );
    assert!(scene.hashes(USER).is_empty(), "taken back");
    scene.count("chains") - looks
}

#[tokio::test(start_paused = true)]
async fn once_somebody_has_asked_to_stop_the_virus_scan_of_copies_gets_a_tenth_of_its_time() {
    let (patient, hurried) = (looks_at_a_scan(false).await, looks_at_a_scan(true).await);
    assert!(patient > 40, "{patient} looks");
    assert!((5..15).contains(&hurried), "{hurried} looks");
}

/// What a plan of the article's kind says, changed by hand.
type Edit = fn(&mut Vec<Write>);

#[tokio::test]
async fn a_plan_that_does_not_fit_the_records_is_not_carried_out() {
    let edits: [(Edit, Outcome, &str); 4] = [
        (
            |writes| {
                for write in writes {
                    if let Write::Remove { picture, .. } = write {
                        *picture = PictureId::new("nowhere");
                    }
                }
            },
            Outcome::ChangedMeanwhile,
            "a picture is gone meanwhile",
        ),
        (
            |writes| {
                for write in writes {
                    if let Write::Store { record, .. } = write {
                        *record = RecordId::new("nobody's");
                    }
                }
            },
            Outcome::ChangedMeanwhile,
            "the record of live_profile is gone meanwhile",
        ),
        (
            |writes| writes.retain(|write| !matches!(write, Write::Store { .. })),
            Outcome::Failed,
            "the plan names a copy that it does not store",
        ),
        (
            |writes| {
                for write in writes {
                    if let Write::SetColumn { names, .. } = write {
                        *names = Names::Picture(PictureId::new("nowhere"));
                    }
                }
            },
            Outcome::ChangedMeanwhile,
            "the picture that a column was to name is gone meanwhile",
        ),
    ];
    for (edit, outcome, detail) in edits {
        let (scene, mut plan) = article().await;
        let before = scene.world.chain("ada");
        scene.target.promise("ada", &[]);
        edit(&mut plan.steps[0].writes);
        let told = scene.tidy(plan).await;
        assert_eq!((told.outcome, told.detail.as_str()), (outcome, detail));
        assert_as_before(&scene, &before);
        scene.nobody_is_unfinished().await;
    }
}

#[tokio::test]
async fn a_column_may_name_the_copy_at_another_record() {
    let (scene, mut plan) = article().await;
    scene.target.promise("ada", &[]);
    // Stored at the profile alone, named by both.
    plan.steps[0]
        .writes
        .retain(|write| !matches!(write, Write::Store { place, .. } if *place == USER));
    let told = scene.tidy(plan).await;
    assert_eq!(told.outcome, Outcome::Updated, "{}", told.detail);
    let copy = scene.world.rows("ada", PROFILE).remove(0).id;
    assert_eq!(scene.column(PROFILE), Column::Names(copy.clone()));
    assert_eq!(scene.column(USER), Column::Names(copy));
    assert!(scene.hashes(USER).is_empty());
    scene.assert_promises();
}

#[tokio::test]
async fn the_trail_tells_the_hash_of_whatever_a_column_is_set_to() {
    // Set to copies of the old picture, and given back to the attachment with the same bytes.
    let (scene, plan) = article().await;
    scene.world.fail("target.set_column", 2, not_allowed());
    let told = scene.tidy(plan).await;
    assert_eq!(told.outcome, Outcome::Failed);
    let writes = scene.store().journal().writes(&told.report.run).await;
    let hashes: Vec<_> = writes
        .expect("readable")
        .into_iter()
        .filter(|write| write.intent.kind == WriteKind::SetColumn)
        .map(|write| write.intent.sha256)
        .collect();
    assert_eq!(hashes, [Some(Sha256::of(&old())); 3]);

    // A push that gives a column back names the old picture again.
    let scene = ada_as_in_the_article();
    scene.world.fail("target.set_column", 2, not_allowed());
    let told = scene.push().await;
    let writes = scene.store().journal().writes(&told.report.run).await;
    let hashes: Vec<_> = writes
        .expect("readable")
        .into_iter()
        .filter(|write| write.intent.kind == WriteKind::SetColumn)
        .map(|write| write.intent.sha256)
        .collect();
    let (new, old) = (Some(Sha256::of(&new())), Some(Sha256::of(&old())));
    assert_eq!(hashes, [new, new, old]);

    // What is not known is not told: pictures without a hash, and columns that are cleared.
    let scene = Scene::of(ada_with_duplicates().stored(USER, picture(8)).without_hash());
    scene.world.alter_all(|row| row.sha256 = None);
    let told = scene.clean().await;
    assert_eq!(told.outcome, Outcome::Updated, "{}", told.detail);
    let writes = scene.store().journal().writes(&told.report.run).await;
    let column = writes
        .expect("readable")
        .into_iter()
        .find(|write| write.intent.kind == WriteKind::SetColumn);
    assert_eq!(column.expect("set right").intent.sha256, None);
}
