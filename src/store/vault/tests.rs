use super::*;
use crate::store::keys::KeySettings;
use crate::store::keys::SecretStoreError;
use crate::store::keys::tests::{Drawer, given, kept_in};

const FACE: &[u8] = b"\xff\xd8\xff\xe0 a face";

/// Opens a vault for writing in a folder, again and again if need be.
fn try_open(folder: &tempfile::TempDir, settings: KeySettings) -> Result<(Vault, Vec<String>), StoreError> {
    let (lock, _) = Lock::take(folder.path(), false).expect("free");
    let mut notes = Vec::new();
    let keys = Arc::new(Keys::new(settings, "prod"));
    let vault = Vault::open_for_writing(folder.path().join("vault"), Arc::new(lock), keys, &mut notes)?;
    Ok((vault, notes))
}

fn open(folder: &tempfile::TempDir, settings: KeySettings) -> Vault {
    try_open(folder, settings).expect("opens").0
}

fn for_reading(folder: &tempfile::TempDir, settings: KeySettings) -> Vault {
    Vault::open_for_reading(folder.path().join("vault"), Arc::new(Keys::new(settings, "prod")))
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

fn plain() -> KeySettings {
    KeySettings::default()
}

async fn keep(vault: &Vault, picture: &'static [u8]) -> Sha256 {
    vault.keep(Bytes::from_static(picture)).await.expect("kept")
}

/// Every file of the vault: its path below it, and its bytes.
fn files_of(vault: &Vault) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    let mut folders = vec![vault.folder().to_owned()];
    while let Some(folder) = folders.pop() {
        for path in files::list(&folder).expect("readable") {
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(vault.folder()).expect("below");
                let bytes = std::fs::read(&path).expect("readable");
                files.push((name.display().to_string(), bytes));
            }
        }
    }
    files
}

#[tokio::test]
async fn what_is_kept_can_be_read_again_and_is_kept_once() {
    for settings in [plain(), given(&VaultKey::generate())] {
        let folder = folder();
        let vault = open(&folder, settings);
        let name = keep(&vault, FACE).await;
        assert_eq!(name, Sha256::of(FACE));
        assert_eq!(keep(&vault, FACE).await, name);
        assert!(vault.holds(&name).await.expect("readable"));
        let read = vault.get(&name).await.expect("readable");
        assert_eq!(read.as_deref(), Some(FACE));
        assert_eq!(vault.size().await.expect("readable").pictures, 1);
        assert_eq!(vault.get(&Sha256::of(b"other")).await.expect("readable"), None);
    }
}

#[tokio::test]
async fn a_sealed_vault_shows_neither_a_face_nor_whose_face_it_is() {
    let folder = folder();
    let vault = open(&folder, given(&VaultKey::generate()));
    let name = keep(&vault, FACE).await.to_string();
    let files = files_of(&vault);
    assert_eq!(files.len(), 2, "the picture and what says which key");
    for (path, bytes) in files {
        assert!(!path.contains(&name) && !path.contains(&name[..16]), "{path}");
        assert!(!bytes.windows(4).any(|window| window == &FACE[..4]), "{path}");
    }
    assert_eq!(vault.size().await.expect("readable").sealed, 1);
}

#[tokio::test]
async fn a_damaged_copy_is_never_handed_out_and_keeping_it_again_mends_it() {
    let key = VaultKey::generate();
    for settings in [plain(), given(&key)] {
        let folder = folder();
        let vault = open(&folder, settings);
        let name = keep(&vault, FACE).await;
        let path = vault.path_of(&name);
        let mut bytes = std::fs::read(&path).expect("there");
        *bytes.last_mut().expect("not empty") ^= 1;
        std::fs::write(&path, bytes).expect("writable");
        assert!(matches!(vault.get(&name).await, Err(StoreError::DamagedCopy(_))));
        assert!(!vault.holds(&name).await.expect("readable"));
        keep(&vault, FACE).await;
        assert!(vault.holds(&name).await.expect("readable"));
    }
}

#[tokio::test]
async fn without_the_lock_nothing_is_kept() {
    let folder = folder();
    let vault = for_reading(&folder, given(&VaultKey::generate()));
    let kept = vault.keep(Bytes::from_static(FACE)).await;
    assert!(matches!(kept, Err(StoreError::ReadOnly)));
    assert_eq!(vault.size().await.expect("empty"), VaultSize::default());
    assert!(!vault.folder().exists());
}

#[tokio::test]
async fn a_plain_picture_of_before_is_read_and_sealed_when_it_is_touched() {
    let folder = folder();
    let name = keep(&open(&folder, plain()), FACE).await;
    let key = VaultKey::generate();
    // Who only reads changes nothing.
    let reader = for_reading(&folder, given(&key));
    assert!(reader.holds(&name).await.expect("readable"));
    assert_eq!(reader.size().await.expect("readable").sealed, 0);

    let vault = open(&folder, given(&key));
    assert_eq!(vault.get(&name).await.expect("readable").as_deref(), Some(FACE));
    let size = vault.size().await.expect("readable");
    assert_eq!((size.pictures, size.sealed), (1, 1));
    let reader = for_reading(&folder, given(&key));
    assert_eq!(reader.get(&name).await.expect("readable").as_deref(), Some(FACE));
}

#[tokio::test]
async fn what_nobody_touches_is_sealed_little_by_little() {
    let folder = folder();
    let vault = open(&folder, plain());
    for picture in [&b"one"[..], b"two", b"three"] {
        keep(&vault, picture).await;
    }
    drop(vault);
    let vault = open(&folder, given(&VaultKey::generate()));
    let sealed = async || vault.size().await.expect("readable").sealed;
    vault.seal_some(Instant::now()).expect("a moment that is over");
    assert_eq!(sealed().await, 1, "somebody gets on even in no time");
    vault.seal_some(Instant::now() + TENDING).expect("enough time");
    assert_eq!(sealed().await, 3);
    assert_eq!(vault.size().await.expect("readable").pictures, 3);
}

#[tokio::test]
async fn switched_off_what_is_sealed_can_still_be_read_and_new_pictures_are_plain() {
    let folder = folder();
    let key = VaultKey::generate();
    let old = keep(&open(&folder, given(&key)), FACE).await;
    let off = KeySettings {
        encryption: Encryption::Off,
        ..given(&key)
    };
    let vault = open(&folder, off);
    keep(&vault, b"another face").await;
    assert!(vault.holds(&old).await.expect("readable"));
    let size = vault.size().await.expect("readable");
    assert_eq!((size.pictures, size.sealed), (2, 1));
    assert_eq!(vault.protection_now().expect("readable"), Protection::Off);
}

#[tokio::test]
async fn a_key_that_nobody_gave_is_kept_by_the_secret_store() {
    let (folder, drawer) = (folder(), Arc::new(Drawer::default()));
    let name = keep(&open(&folder, kept_in(&drawer)), FACE).await;
    assert_eq!(drawer.entries().len(), 1);
    let vault = open(&folder, kept_in(&drawer));
    assert!(vault.holds(&name).await.expect("readable"));
    assert_eq!(drawer.entries().len(), 1, "the same key");
    let Protection::Sealed { place, .. } = vault.protection_now().expect("readable") else {
        panic!("it is sealed");
    };
    assert_eq!(place, Ok(KeyPlace::SecretStore("the drawer")));
}

#[tokio::test]
async fn without_a_place_for_a_key_pictures_are_kept_plain_and_that_is_said() {
    let (folder, drawer) = (folder(), Arc::new(Drawer::default()));
    drawer.fail(SecretStoreError::Missing);
    let (vault, notes) = try_open(&folder, kept_in(&drawer)).expect("opens");
    assert_eq!(
        notes,
        [
            "replaced pictures are kept unencrypted: the drawer cannot be used: there is no secret store in this session"
        ]
    );
    let name = keep(&vault, FACE).await;
    assert_eq!(vault.size().await.expect("readable").sealed, 0);
    // As soon as there is one, it is used.
    drawer.fail(None);
    drop(vault);
    let (vault, notes) = try_open(&folder, kept_in(&drawer)).expect("opens");
    assert_eq!(notes, Vec::<String>::new());
    assert!(vault.holds(&name).await.expect("readable"));
    assert_eq!(vault.size().await.expect("readable").sealed, 1);
}

#[tokio::test]
async fn where_sealing_is_required_and_there_is_no_key_nothing_is_opened_for_writing() {
    let (folder, drawer) = (folder(), Arc::new(Drawer::default()));
    drawer.fail(SecretStoreError::Locked);
    let required = KeySettings {
        encryption: Encryption::Required,
        ..kept_in(&drawer)
    };
    let error = try_open(&folder, required).err().expect("refused");
    assert!(
        matches!(error, StoreError::Key(KeyError::Required { .. })),
        "{error}"
    );
}

#[tokio::test]
async fn a_lost_wrong_or_unreachable_key_is_never_replaced_by_a_new_one() {
    let (folder, drawer) = (folder(), Arc::new(Drawer::default()));
    let name = keep(&open(&folder, kept_in(&drawer)), FACE).await;
    let before = drawer.entries();
    let refused = |settings| match try_open(&folder, settings) {
        Err(StoreError::Key(error)) => error,
        other => panic!("{:?}", other.map(|(_, notes)| notes)),
    };
    drawer.fail(SecretStoreError::Silent(Duration::from_secs(2)));
    let error = refused(kept_in(&drawer));
    assert!(matches!(error, KeyError::Unreachable { .. }), "{error}");
    drawer.fail(None);
    let error = refused(given(&VaultKey::generate()));
    assert!(matches!(error, KeyError::Another { .. }), "{error}");
    assert_eq!(drawer.entries(), before);
    drawer.lose();
    // Even if the file that says which key it was is lost too: the pictures know.
    std::fs::remove_file(folder.path().join("vault").join(MARKER)).expect("there");
    let error = refused(kept_in(&drawer));
    assert!(matches!(error, KeyError::Gone { .. }), "{error}");
    assert_eq!(drawer.entries(), Vec::<String>::new());
    // Who asks for a picture is told why there is none.
    let answer = for_reading(&folder, kept_in(&drawer)).get(&name).await;
    assert!(
        matches!(answer, Err(StoreError::Key(KeyError::Gone { .. }))),
        "{answer:?}"
    );
}

#[tokio::test]
async fn a_hundred_and_twenty_eight_pictures_at_once_are_all_kept() {
    let folder = folder();
    let vault = open(&folder, given(&VaultKey::generate()));
    let pictures: Vec<Bytes> = (0..128u8).map(|number| vec![number; 20_000].into()).collect();
    let kept = pictures.iter().map(|picture| vault.keep(picture.clone()));
    let names = futures::future::try_join_all(kept).await.expect("kept");
    for (name, picture) in names.iter().zip(&pictures) {
        assert_eq!(vault.get(name).await.expect("readable").as_ref(), Some(picture));
    }
    assert_eq!(vault.size().await.expect("readable").sealed, 128);
}

#[tokio::test]
async fn a_removed_picture_leaves_nothing_behind() {
    let folder = folder();
    let name = keep(&open(&folder, plain()), FACE).await;
    let vault = open(&folder, given(&VaultKey::generate()));
    let key = vault.seal.clone().expect("sealing");
    keep(&vault, FACE).await;
    for path in [vault.shelves.plain(&name), vault.shelves.sealed(&key, &name)] {
        std::fs::write(shelves::aside(&path), "damaged")
            .or_else(|_| {
                files::create_folder(path.parent().expect("a shelf")).expect("created");
                std::fs::write(shelves::aside(&path), "damaged")
            })
            .expect("writable");
    }
    vault.remove_now(&name).expect("removed");
    let left: Vec<String> = files_of(&vault).into_iter().map(|(path, _)| path).collect();
    assert_eq!(left, [MARKER]);
}
