use std::collections::BTreeMap;

use super::*;

/// A secret store of a test's own.
#[derive(Default)]
pub(in crate::store) struct Drawer {
    entries: Mutex<BTreeMap<String, Vec<u8>>>,
    trouble: Mutex<Option<SecretStoreError>>,
    asked: Mutex<usize>,
}

impl Drawer {
    /// From now on it answers nothing else.
    pub(in crate::store) fn fail(&self, trouble: impl Into<Option<SecretStoreError>>) {
        *self.trouble.lock() = trouble.into();
    }

    /// Names of what is in it.
    pub(in crate::store) fn entries(&self) -> Vec<String> {
        self.entries.lock().keys().cloned().collect()
    }

    /// Loses everything.
    pub(in crate::store) fn lose(&self) {
        self.entries.lock().clear();
    }

    fn ask(&self) -> Result<(), SecretStoreError> {
        *self.asked.lock() += 1;
        self.trouble.lock().clone().map_or(Ok(()), Err)
    }
}

impl SecretStore for Drawer {
    fn name(&self) -> &'static str {
        "the drawer"
    }

    fn read(&self, entry: &str) -> Result<Option<Zeroizing<Vec<u8>>>, SecretStoreError> {
        self.ask()?;
        Ok(self.entries.lock().get(entry).cloned().map(Zeroizing::new))
    }

    fn write(&self, entry: &str, secret: &[u8]) -> Result<(), SecretStoreError> {
        self.ask()?;
        self.entries.lock().insert(entry.to_owned(), secret.to_vec());
        Ok(())
    }

    fn remove(&self, entry: &str) -> Result<bool, SecretStoreError> {
        self.ask()?;
        Ok(self.entries.lock().remove(entry).is_some())
    }
}

/// Settings with a key of their own.
pub(in crate::store) fn given(key: &VaultKey) -> KeySettings {
    KeySettings {
        encryption: Encryption::Auto,
        key: Some(key.to_text()),
        ..KeySettings::default()
    }
}

/// Settings with a secret store.
pub(in crate::store) fn kept_in(drawer: &Arc<Drawer>) -> KeySettings {
    KeySettings {
        encryption: Encryption::Auto,
        secret_store: Some(Arc::clone(drawer) as Arc<dyn SecretStore>),
        ..KeySettings::default()
    }
}

fn keys(settings: KeySettings) -> Keys {
    Keys::new(settings, "prod")
}

#[test]
fn a_key_is_read_in_base64_and_hexadecimal_and_a_passphrase_is_none() {
    let key = VaultKey::generate();
    let text = key.to_text();
    let digits = Sha256::from_bytes(*key.bytes).to_string();
    for written in [
        text.to_string(),
        format!(" {}\n", *text),
        text.trim_end_matches('=').to_owned(),
        digits.clone(),
        digits.to_uppercase(),
    ] {
        assert_eq!(
            VaultKey::from_text(&written).map(|key| key.id()),
            Some(key.id()),
            "{written}"
        );
    }
    for written in ["", "correct horse battery staple", &digits[1..], &text[4..]] {
        assert!(VaultKey::from_text(written).is_none(), "{written}");
    }
}

#[test]
fn a_key_shows_its_id_and_nothing_of_itself() {
    let key = VaultKey::generate();
    let shown = format!("{key:?}");
    assert_eq!(shown, format!("VaultKey({})", key.id()));
    assert_eq!(KeyId::from_hex(&key.id().to_string()), Some(key.id()));
    assert!(!key.to_text().contains(&key.id().to_string()));
    for text in ["", "12", "+123456789abcdef", "123456789abcdefg"] {
        assert_eq!(KeyId::from_hex(text), None, "{text}");
    }
}

#[test]
fn without_a_key_of_ones_own_one_is_made_and_found_again() {
    let drawer = Arc::new(Drawer::default());
    let made = keys(kept_in(&drawer))
        .begin()
        .expect("sound")
        .expect("there is a place");
    assert_eq!(made.place, KeyPlace::SecretStore("the drawer"));
    assert_eq!(drawer.entries().len(), 1);
    let found = keys(kept_in(&drawer)).find(made.key.id()).expect("found");
    assert_eq!(found.key.id(), made.key.id());
}

#[test]
fn a_key_that_is_given_needs_no_secret_store() {
    let drawer = Arc::new(Drawer::default());
    let key = VaultKey::generate();
    let settings = KeySettings {
        key: Some(key.to_text()),
        ..kept_in(&drawer)
    };
    let keys = keys(settings);
    let found = keys.begin().expect("sound").expect("given");
    assert_eq!((found.key.id(), found.place), (key.id(), KeyPlace::Given));
    assert_eq!(keys.forget(key.id()), Ok(false));
    assert_eq!(*drawer.asked.lock(), 0);
}

#[test]
fn a_secret_store_that_cannot_be_used_is_no_place_for_a_key() {
    for why in [
        SecretStoreError::Missing,
        SecretStoreError::Locked,
        SecretStoreError::Silent(Duration::from_secs(2)),
    ] {
        let drawer = Arc::new(Drawer::default());
        drawer.fail(why.clone());
        let refused = NoPlace::Refused {
            store: "the drawer",
            why,
        };
        let begun = keys(kept_in(&drawer)).begin().expect("sound");
        assert_eq!(begun.err(), Some(refused));
    }
}

#[test]
fn a_lost_key_and_a_key_out_of_reach_are_told_apart() {
    let drawer = Arc::new(Drawer::default());
    let made = keys(kept_in(&drawer)).begin().expect("sound").expect("made");
    let wanted = made.key.id();
    drawer.fail(SecretStoreError::Locked);
    let error = keys(kept_in(&drawer)).find(wanted).expect_err("locked");
    assert!(matches!(error, KeyError::Unreachable { .. }), "{error}");
    drawer.fail(None);
    drawer.lose();
    let error = keys(kept_in(&drawer)).find(wanted).expect_err("lost");
    assert!(matches!(error, KeyError::Gone { .. }), "{error}");
    assert!(error.hint().contains("backup"));
}

#[test]
fn another_key_is_not_taken_for_the_right_one() {
    let (right, wrong) = (VaultKey::generate(), VaultKey::generate());
    let error = keys(given(&wrong)).find(right.id()).expect_err("another");
    assert_eq!(
        error,
        KeyError::Another {
            wanted: right.id(),
            found: wrong.id(),
            place: KeyPlace::Given
        }
    );
}

#[test]
fn a_key_file_is_read_once_and_must_not_lie_open() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("vault.key");
    let key = VaultKey::generate();
    std::fs::write(&path, key.to_text().as_bytes()).expect("writable");
    let settings = KeySettings {
        encryption: Encryption::Auto,
        key_file: Some(path.clone()),
        ..KeySettings::default()
    };
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode =
            |mode| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("own");
        mode(0o644);
        let error = keys(settings.clone()).find(key.id()).expect_err("open");
        assert!(matches!(error, KeyError::Open { .. }), "{error}");
        assert!(error.hint().contains("chmod 600"));
        mode(0o440);
    }
    let keys = keys(settings);
    assert_eq!(keys.find(key.id()).expect("read").key.id(), key.id());
    std::fs::remove_file(&path).expect("removable");
    assert_eq!(keys.find(key.id()).expect("known").key.id(), key.id());
}

#[test]
fn what_is_no_key_is_refused_without_being_shown() {
    let settings = KeySettings {
        encryption: Encryption::Auto,
        key: Some(Zeroizing::new("canary passphrase".into())),
        ..KeySettings::default()
    };
    let error = keys(settings).begin().expect_err("no key");
    assert!(error.hint().contains("openssl rand"));
    assert!(!format!("{error:?} {error}").contains("canary"), "{error}");
}

#[test]
fn a_key_is_forgotten_in_the_secret_store() {
    let drawer = Arc::new(Drawer::default());
    let keys = keys(kept_in(&drawer));
    let made = keys.begin().expect("sound").expect("made");
    assert_eq!(keys.forget(made.key.id()), Ok(true));
    assert_eq!(drawer.entries(), Vec::<String>::new());
    assert_eq!(keys.forget(made.key.id()), Ok(false));
}
