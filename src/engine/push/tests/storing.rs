//! S5 and S6: what the target makes of a picture that is stored.

use super::*;

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
    let uploads = scene.count("upload");
    assert_eq!(uploads, 2);
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
    let downloads = scene.count("download");
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
