use std::path::PathBuf;
use std::sync::Arc;

use super::*;
use crate::domain::comparison::{Content, SourceContent, Verdict};
use crate::domain::ids::{SourceId, TargetId};
use crate::domain::listing::{Listed, Listing, Particulars};
use crate::domain::photo::Sha256;
use crate::domain::picture::PictureProblem;
use crate::store::keys::tests::{Drawer, given, kept_in};
use crate::store::keys::{KeyError, VaultKey};
use crate::store::memory::RememberedPhoto;
use crate::store::testing::Past;
use crate::store::vault::Why;

const FACE: &[u8] = b"\xff\xd8\xff\xe0 the old face of ada";

/// Ada and Bob, each with a replaced picture, a scan and a memory.
async fn ada_and_bob() -> Past {
    let past = Past::sealed_with(given(&VaultKey::generate()));
    past.replaced("ada", FACE, 2, true).await;
    past.replaced("bob", b"the old face of bob", 1, true).await;
    let store = past.open(0);
    let remembered = |etag: &str| RememberedPhoto {
        etag: Some(etag.into()),
        content: SourceContent {
            original: Content::Unsound(PictureProblem::Truncated),
            prepared: None,
        },
    };
    let photos = vec![
        (SourceId::new("ada"), remembered("etag-of-ada")),
        (SourceId::new("bob"), remembered("etag-of-bob")),
    ];
    store
        .memory()
        .remember_photos("360x360", photos)
        .await
        .expect("written");
    snapshot::save(&past.paths(), &listed(&["ada", "bob"])).expect("saved");
    past
}

fn listed(names: &[&str]) -> Listed {
    let mut builder = Listing::builder(names.len());
    for name in names {
        builder.push(&Particulars {
            source: &SourceId::new(*name),
            name: &format!("{name} Vance").into(),
            principal: &format!("{name}@x.example").into(),
            mail: None,
            department: None,
            target: Some((
                &TargetId::new(format!("{name}-sys")),
                &format!("{name}.vance").into(),
            )),
            verdict: Verdict::InSync,
            reason: "the same picture as bob Vance",
        });
    }
    Listed {
        scanned_at: "2026-03-02T10:00:00Z".parse().expect("a time"),
        complete: true,
        listing: builder.finish(),
    }
}

fn begin(past: &Past) -> Forgetting {
    Forgetting::begin(&past.paths(), &past.options(0)).expect("nobody writes")
}

fn one(sought: Sought) -> Known {
    match sought {
        Sought::One(known) => *known,
        other => panic!("{other:?}"),
    }
}

/// Every file below the profile's folders in which these bytes stand.
fn files_with(past: &Past, needle: &[u8]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![past.paths().state_dir, past.paths().cache_dir];
    while let Some(folder) = folders.pop() {
        for path in files::list(&folder).expect("readable") {
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            // The cache's thread may be closing its file this very moment, which takes SQLite's companions away.
            let Ok(bytes) = std::fs::read(&path) else { continue };
            if bytes.windows(needle.len()).any(|window| window == needle) {
                found.push(path);
            }
        }
    }
    found
}

#[tokio::test]
async fn whoever_is_forgotten_leaves_no_trace_but_ids_and_hashes_and_the_others_stay() {
    let past = ada_and_bob().await;
    for word in [
        "ada Vance",
        "ada@x.example",
        "ada.vance@mail.example",
        "ada.vance",
        "etag-of-ada",
    ] {
        assert!(
            !files_with(&past, word.as_bytes()).is_empty(),
            "{word} is there before"
        );
    }
    let mut forgetting = begin(&past);
    let known = one(forgetting.look("ADA@x.example").expect("readable"));
    assert_eq!((known.pictures.len(), known.steps), (1, 1));
    assert!(known.is_in_scan && !known.is_unfinished);
    let gone = forgetting.forget(&known).expect("forgotten");
    assert_eq!((gone.pictures, gone.steps, gone.scan), (1, 1, true));
    drop(forgetting);

    for word in [
        "ada Vance",
        "ada@x.example",
        "ada.vance@mail.example",
        "ada.vance",
        "etag-of-ada",
    ] {
        assert_eq!(
            files_with(&past, word.as_bytes()),
            Vec::<PathBuf>::new(),
            "{word}"
        );
    }
    assert!(!files_with(&past, b"bob@x.example").is_empty());
    assert!(!files_with(&past, b"etag-of-bob").is_empty());

    let store = past.open(0);
    assert!(!store.vault().holds(&Sha256::of(FACE)).await.expect("readable"));
    assert!(
        store
            .vault()
            .holds(&Sha256::of(b"the old face of bob"))
            .await
            .expect("readable")
    );
    let runs = store.journal().runs(10).await.expect("readable");
    let run = &runs.last().expect("two runs").id;
    let writes = store.journal().writes(run).await.expect("readable");
    assert_eq!(
        writes[0].intent.source,
        SourceId::new("ada"),
        "the trail keeps ids"
    );
    assert_eq!(
        writes[0].intent.sha256,
        Some(Sha256::of(b"new face")),
        "and hashes"
    );
    let deeds = store
        .journal()
        .deeds(run, vec![SourceId::new("ada")])
        .await
        .expect("readable");
    assert_eq!(deeds[0].released.expect("told").why, Why::Forgotten);
}

#[tokio::test]
async fn everybody_is_found_by_any_id_or_name_and_nobody_by_half_of_one() {
    let past = ada_and_bob().await;
    for wanted in [
        "ada",
        "ada-sys",
        "ada@x.example",
        " Ada.Vance ",
        "ada.vance@mail.example",
    ] {
        let known = one(look(&past.paths(), wanted).expect("readable"));
        assert_eq!(known.sources, [SourceId::new("ada")], "{wanted}");
    }
    for wanted in ["ad", "x.example", "", "(name not kept)", "carol@x.example"] {
        assert_eq!(
            look(&past.paths(), wanted).expect("readable"),
            Sought::Nobody,
            "{wanted}"
        );
    }
}

#[tokio::test]
async fn asked_again_nobody_is_known_by_name_and_the_id_still_finds_the_trail() {
    let past = ada_and_bob().await;
    let mut forgetting = begin(&past);
    let known = one(forgetting.look("ada@x.example").expect("readable"));
    forgetting.forget(&known).expect("forgotten");
    assert_eq!(
        forgetting.look("ada@x.example").expect("readable"),
        Sought::Nobody
    );
    let known = one(forgetting.look("ada").expect("readable"));
    assert_eq!(
        (
            known.person.map(|person| person.name.raw().to_owned()).as_deref(),
            known.pictures.len()
        ),
        (Some("(name not kept)"), 0)
    );
}

#[tokio::test]
async fn a_picture_that_somebody_else_had_too_stays() {
    let past = Past::new();
    past.replaced("ada", b"shared", 2, true).await;
    past.replaced("bob", b"shared", 1, true).await;
    let mut forgetting = begin(&past);
    let known = one(forgetting.look("ada").expect("readable"));
    assert_eq!((known.pictures.len(), known.shared), (0, 1));
    forgetting.forget(&known).expect("forgotten");
    drop(forgetting);
    assert!(
        past.open(0)
            .vault()
            .holds(&Sha256::of(b"shared"))
            .await
            .expect("readable")
    );
}

#[tokio::test]
async fn a_name_that_several_people_have_is_not_guessed() {
    let past = Past::new();
    past.replaced("ada", b"one", 2, true).await;
    past.replaced("ADA", b"two", 1, true).await;
    let sought = look(&past.paths(), "ada@x.example").expect("readable");
    assert!(
        matches!(&sought, Sought::Several(people) if people.len() == 2),
        "{sought:?}"
    );
}

#[tokio::test]
async fn somebody_whose_change_is_not_finished_is_said_to_be_so() {
    let past = Past::new();
    past.replaced("ada", FACE, 2, false).await;
    assert!(one(look(&past.paths(), "ada").expect("readable")).is_unfinished);
}

#[tokio::test]
async fn while_a_run_is_under_way_nothing_is_forgotten() {
    let past = ada_and_bob().await;
    let _writing = past.open(0);
    let refused = Forgetting::begin(&past.paths(), &past.options(0)).err();
    assert!(matches!(refused, Some(StoreError::Locked { .. })), "{refused:?}");
    let refused = everything(&past.paths(), &past.options(0)).err();
    assert!(matches!(refused, Some(StoreError::Locked { .. })), "{refused:?}");
}

#[tokio::test]
async fn without_the_key_nothing_is_half_forgotten() {
    let drawer = Arc::new(Drawer::default());
    let past = Past::sealed_with(kept_in(&drawer));
    past.replaced("ada", FACE, 2, true).await;
    drawer.lose();
    let mut forgetting = begin(&past);
    let known = one(forgetting.look("ada").expect("readable"));
    let refused = forgetting.forget(&known).err();
    assert!(
        matches!(refused, Some(StoreError::Key(KeyError::Gone { .. }))),
        "{refused:?}"
    );
    assert_eq!(one(forgetting.look("ada").expect("readable")), known);
}

#[tokio::test]
async fn a_cache_that_cannot_be_cleaned_is_dropped() {
    let past = ada_and_bob().await;
    let mut forgetting = begin(&past);
    let known = one(forgetting.look("ada").expect("readable"));
    let cache = past.paths().cache().join("memory.sqlite");
    std::fs::write(&cache, "no database, and etag-of-ada in it").expect("writable");
    forgetting.forget(&known).expect("forgotten");
    assert!(!cache.exists());
}

#[tokio::test]
async fn how_things_stand_with_somebody_goes_whatever_table_it_is_in() {
    let past = ada_and_bob().await;
    let mut forgetting = begin(&past);
    forgetting
        .journal
        .execute_batch(
            "CREATE TABLE standing (source TEXT, why TEXT);
             INSERT INTO standing VALUES ('ada', 'no luck'), ('bob', 'no luck');",
        )
        .expect("created");
    let known = one(forgetting.look("ada").expect("readable"));
    forgetting.forget(&known).expect("forgotten");
    let left: String = forgetting
        .journal
        .query_row("SELECT group_concat(source) FROM standing", [], |row| row.get(0))
        .expect("readable");
    assert_eq!(left, "bob");
}

#[test]
fn a_name_is_taken_out_of_a_sentence_and_not_out_of_a_longer_word() {
    assert_eq!(
        without("the same picture as Ada", "Ada"),
        "the same picture as (forgotten)"
    );
    assert_eq!(
        without("Adapter of Ada, Ada", "Ada"),
        "Adapter of (forgotten), (forgotten)"
    );
    assert_eq!(without("ä Ö", "Ö"), "ä (forgotten)");
    assert_eq!(without("nobody", "Ada"), "nobody");
}

#[tokio::test]
async fn forgetting_everything_takes_the_key_and_leaves_no_file() {
    let drawer = Arc::new(Drawer::default());
    let past = Past::sealed_with(kept_in(&drawer));
    past.replaced("ada", FACE, 2, true).await;
    snapshot::save(&past.paths(), &listed(&["ada"])).expect("saved");
    let found = survey(&past.paths(), &past.options(0)).expect("readable");
    assert_eq!((found.pictures, found.runs, found.unfinished), (1, 1, 0));
    assert!(found.key.is_some());
    assert_eq!(
        everything(&past.paths(), &past.options(0)).expect("forgotten"),
        KeyGone::Removed
    );
    assert_eq!(drawer.entries(), Vec::<String>::new());
    assert!(!past.paths().state().exists() && !past.paths().cache().exists());
    let found = survey(&past.paths(), &past.options(0)).expect("nothing is no error");
    assert_eq!((found.pictures, found.runs, found.key), (0, 0, None));
    assert_eq!(
        everything(&past.paths(), &past.options(0)).expect("again"),
        KeyGone::NotKeptHere
    );
}

#[tokio::test]
async fn a_lost_key_does_not_keep_everything_from_being_forgotten() {
    let drawer = Arc::new(Drawer::default());
    let past = Past::sealed_with(kept_in(&drawer));
    past.replaced("ada", FACE, 2, true).await;
    drawer.fail(SecretStoreError::Locked);
    let gone = everything(&past.paths(), &past.options(0)).expect("forgotten");
    assert_eq!(gone, KeyGone::Left(SecretStoreError::Locked));
    assert!(!past.paths().state().exists());
}
