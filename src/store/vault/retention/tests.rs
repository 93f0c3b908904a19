use std::time::Duration;

use bytes::Bytes;

use super::*;
use crate::domain::ids::{RunId, SourceId};
use crate::domain::run::Outcome;
use crate::store::Store;
use crate::store::testing::Past;

async fn is_kept(store: &Store, picture: &[u8]) -> bool {
    store.vault().holds(&Sha256::of(picture)).await.expect("readable")
}

async fn deeds(store: &Store, run: &RunId, name: &str) -> crate::store::journal::Deeds {
    let people = vec![SourceId::new(name)];
    store
        .journal()
        .deeds(run, people)
        .await
        .expect("readable")
        .remove(0)
}

#[tokio::test]
async fn after_the_age_limit_a_picture_its_row_and_the_names_leave_and_the_trail_says_so() {
    let past = Past::new();
    let old = past.replaced("ada", b"old face", 31, true).await;
    let young = past.replaced("bob", b"young face", 29, true).await;
    let store = past.open(30);
    assert!(!is_kept(&store, b"old face").await);
    assert!(is_kept(&store, b"young face").await);

    let gone = deeds(&store, &old, "ada").await;
    assert_eq!(gone.kept, vec![]);
    assert_eq!(gone.released.expect("told").why, Why::Age);
    let there = deeds(&store, &young, "bob").await;
    assert_eq!((there.kept.len(), there.released), (1, None));

    let step = store.journal().steps(&old).await.expect("readable").remove(0);
    assert_eq!(step.person.name.shown(), "(name not kept)");
    assert_eq!(step.person.source, SourceId::new("ada"));
    assert_eq!((step.outcome, step.detail.as_str()), (Outcome::Updated, ""));
    let step = store.journal().steps(&young).await.expect("readable").remove(0);
    assert_eq!(step.person.name.shown(), "bob Vance");
}

#[tokio::test]
async fn no_limit_keeps_everything() {
    let past = Past::new();
    past.replaced("ada", b"old face", 4_000, true).await;
    assert!(is_kept(&past.open(0), b"old face").await);
}

#[tokio::test]
async fn what_an_unfinished_step_needs_stays_however_old_it_is() {
    let past = Past::new();
    let run = past.replaced("ada", b"old face", 400, false).await;
    let store = past.open(30);
    assert!(is_kept(&store, b"old face").await);
    assert_eq!(deeds(&store, &run, "ada").await.kept.len(), 1);
    let unfinished = store.journal().unfinished().await.expect("readable");
    assert_eq!(unfinished[0].person.name.shown(), "ada Vance");
}

#[tokio::test]
async fn a_picture_that_a_younger_row_names_stays() {
    let past = Past::new();
    past.replaced("ada", b"shared face", 400, true).await;
    let young = past.replaced("bob", b"shared face", 1, true).await;
    Past::age(past.open(0).vault(), &Sha256::of(b"shared face"), 400);
    let store = past.open(30);
    assert!(is_kept(&store, b"shared face").await);
    assert_eq!(deeds(&store, &young, "bob").await.kept.len(), 1);
}

#[tokio::test]
async fn a_file_that_no_row_names_leaves_once_it_is_old() {
    let past = Past::new();
    {
        let store = past.open(30);
        for (picture, days) in [(&b"ahead of a push"[..], 1), (b"forgotten long ago", 31)] {
            let sha256 = store
                .vault()
                .keep(Bytes::copy_from_slice(picture))
                .await
                .expect("kept");
            Past::age(store.vault(), &sha256, days);
        }
    }
    let store = past.open(30);
    assert!(is_kept(&store, b"ahead of a push").await);
    assert!(!is_kept(&store, b"forgotten long ago").await);
}

#[tokio::test]
async fn copies_of_the_journal_and_a_scan_leave_once_they_are_old() {
    let past = Past::new();
    let paths = past.paths();
    drop(past.open(30));
    let old = [
        paths.state().join("journal.format-1.sqlite"),
        paths.state().join("journal.damaged-20260301T000000Z.sqlite"),
        paths.cache().join("memory.damaged-20260301T000000Z.sqlite"),
        paths.snapshot(),
    ];
    let young = paths.state().join("journal.format-2.sqlite");
    for path in old.iter().chain([&young]) {
        std::fs::write(path, "names").expect("writable");
    }
    for path in &old {
        let file = std::fs::File::options().write(true).open(path).expect("there");
        let month = Duration::from_hours(24 * 31);
        file.set_modified(SystemTime::now() - month).expect("own file");
    }
    drop(past.open(30));
    for path in &old {
        assert!(!path.exists(), "{}", path.display());
    }
    assert!(young.exists() && paths.journal().exists());
}
