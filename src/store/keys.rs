//! The key that seals replaced pictures, and where it is kept.
//!
//! A profile has one key of 32 random bytes. It is the administrator's own (environment, file or file descriptor), or it
//! is made once and kept by the operating system's secret store. It is never written to a file by this program. The
//! vault knows a key by its [`KeyId`], so that another key is noticed before anything is sealed with it.

mod native;

use std::fmt;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use chacha20poly1305::aead::Generate as _;
use chacha20poly1305::{Key, KeyInit as _, XChaCha20Poly1305};
use hmac::{Hmac, Mac as _};
use parking_lot::Mutex;
use zeroize::Zeroizing;

pub use native::native;

use crate::domain::photo::Sha256;

/// Bytes of a key.
const LENGTH: usize = 32;

/// The most that is read of a key file: a key is 44 or 64 characters.
const LONGEST_FILE: u64 = 1_024;

/// Says which key it is without saying anything about it: eight bytes derived from it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyId([u8; 8]);

impl KeyId {
    /// Its bytes.
    pub(super) fn as_bytes(&self) -> &[u8; 8] {
        &self.0
    }

    pub(super) fn from_bytes(bytes: [u8; 8]) -> Self {
        Self(bytes)
    }

    /// Reads what [`fmt::Display`] writes.
    pub(super) fn from_hex(text: &str) -> Option<Self> {
        (text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit()))
            .then(|| u64::from_str_radix(text, 16).ok())
            .flatten()
            .map(|number| Self(number.to_be_bytes()))
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", u64::from_be_bytes(self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

/// A key. It has nothing to print and is wiped when it is dropped.
pub struct VaultKey {
    bytes: Zeroizing<[u8; LENGTH]>,
    id: KeyId,
    cipher: XChaCha20Poly1305,
    naming: Zeroizing<[u8; LENGTH]>,
}

impl VaultKey {
    /// A new one, from the operating system's source of randomness.
    pub fn generate() -> Self {
        let mut key = Key::generate();
        let made = Self::of(key.into());
        zeroize::Zeroize::zeroize(key.as_mut_slice());
        made
    }

    /// Reads a key as people write it: 32 bytes in base64 or as 64 hexadecimal digits; `None` for anything else. A
    /// passphrase is none: it can be guessed.
    pub fn from_text(text: &str) -> Option<Self> {
        let text = text.trim();
        let bytes: [u8; LENGTH] = if let Some(digits) = Sha256::from_hex(text) {
            *digits.as_bytes()
        } else {
            let decoded = STANDARD.decode(text).or_else(|_| STANDARD_NO_PAD.decode(text));
            Zeroizing::new(decoded.ok()?).as_slice().try_into().ok()?
        };
        Some(Self::of(bytes))
    }

    /// The key as [`VaultKey::from_text`] reads it, for whoever keeps it.
    pub fn to_text(&self) -> Zeroizing<String> {
        Zeroizing::new(STANDARD.encode(self.bytes.as_slice()))
    }

    fn of(bytes: [u8; LENGTH]) -> Self {
        let bytes = Zeroizing::new(bytes);
        // A purpose of its own for each derived key, so that none of them tells anything about another.
        let sealing = derived(&bytes, b"avatar-sync vault 1: sealing");
        let identity = derived(&bytes, b"avatar-sync vault 1: identity");
        Self {
            id: KeyId(*identity.first_chunk().expect("a digest is longer")),
            cipher: XChaCha20Poly1305::new((&*sealing).into()),
            naming: derived(&bytes, b"avatar-sync vault 1: naming"),
            bytes,
        }
    }

    /// Which key it is.
    pub fn id(&self) -> KeyId {
        self.id
    }

    pub(super) fn cipher(&self) -> &XChaCha20Poly1305 {
        &self.cipher
    }

    /// What a picture is called in the vault: whoever has its bytes and not the key cannot tell that it is there.
    pub(super) fn name_of(&self, sha256: &Sha256) -> Sha256 {
        Sha256::from_bytes(*derived(&self.naming, sha256.as_bytes()))
    }
}

impl fmt::Debug for VaultKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VaultKey({})", self.id)
    }
}

fn derived(key: &[u8; LENGTH], purpose: &[u8]) -> Zeroizing<[u8; LENGTH]> {
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(key).expect("a key of any length will do");
    mac.update(purpose);
    Zeroizing::new(mac.finalize().into_bytes().into())
}

/// Something that keeps secrets for the user: the operating system's secret store, or a test's own.
pub trait SecretStore: Send + Sync {
    /// What it is called in sentences: "the keychain".
    fn name(&self) -> &'static str;

    /// The secret under this name; `None` if there is none.
    ///
    /// # Errors
    ///
    /// If it cannot be asked. It answers within seconds and opens no dialogue that a scheduled run would wait for.
    fn read(&self, entry: &str) -> Result<Option<Zeroizing<Vec<u8>>>, SecretStoreError>;

    /// Keeps a secret under this name, replacing the one that is there.
    fn write(&self, entry: &str, secret: &[u8]) -> Result<(), SecretStoreError>;

    /// Forgets a secret; false if there was none.
    fn remove(&self, entry: &str) -> Result<bool, SecretStoreError>;
}

/// A secret store that does not do what it is asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretStoreError {
    /// There is none: no desktop session, a container, a service account.
    #[error("there is no secret store in this session")]
    Missing,
    /// It has to be unlocked first, and nobody may be there to do it.
    #[error("it is locked")]
    Locked,
    /// It did not answer.
    #[error("it did not answer within {} seconds", .0.as_secs())]
    Silent(Duration),
    /// Anything else, in its own words.
    #[error("it failed: {0}")]
    Failed(String),
}

/// Whether pictures are sealed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encryption {
    /// Wherever there is a key or a place to keep one; else they are kept as they are, which is said.
    Auto,
    /// Always: without a key nothing is written.
    Required,
    /// Never; what is sealed already can still be read.
    #[default]
    Off,
}

/// Where a key is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyPlace {
    /// Given with the configuration, usually by `AVATAR_SYNC_VAULT_KEY`.
    Given,
    /// In a file, or behind a file descriptor.
    File(PathBuf),
    /// In the secret store of that name.
    SecretStore(&'static str),
}

impl fmt::Display for KeyPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Given => f.write_str("vault.key (AVATAR_SYNC_VAULT_KEY)"),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::SecretStore(name) => f.write_str(name),
        }
    }
}

/// Where to look for the key. The default keeps pictures as they are.
#[derive(Clone, Default)]
pub struct KeySettings {
    /// Whether pictures are sealed.
    pub encryption: Encryption,
    /// The key itself, as text.
    pub key: Option<Zeroizing<String>>,
    /// A file that holds it, as text; `/dev/fd/N` for a file descriptor on Unix.
    pub key_file: Option<PathBuf>,
    /// Who keeps a key that nobody gave.
    pub secret_store: Option<Arc<dyn SecretStore>>,
}

/// No key, or not the right one. The sentences name no secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// What was given is no key.
    #[error("{place} holds no vault key")]
    NoKey {
        /// Where.
        place: KeyPlace,
    },
    /// The file cannot be read.
    #[error("the vault key cannot be read from {}: {why}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why not.
        why: String,
    },
    /// The file lies open (`reliability.md` M1).
    #[error("{} holds the vault key and can be read by every account of this machine", path.display())]
    Open {
        /// Which.
        path: PathBuf,
    },
    /// Another key than the one that sealed what is there.
    #[error("the pictures in the vault are sealed with key {wanted}, and the one in {place} is {found}")]
    Another {
        /// The one that is needed.
        wanted: KeyId,
        /// The one that was found.
        found: KeyId,
        /// Where.
        place: KeyPlace,
    },
    /// The key is lost.
    #[error("the pictures in the vault are sealed with key {wanted}, which is not in {store} any more")]
    Gone {
        /// The one that is needed.
        wanted: KeyId,
        /// Where it was looked for.
        store: &'static str,
    },
    /// The key may be there, and nobody can tell.
    #[error("the pictures in the vault are sealed with key {wanted}; {store} cannot be asked for it: {why}")]
    Unreachable {
        /// The one that is needed.
        wanted: KeyId,
        /// Where it is looked for.
        store: &'static str,
        /// Why not.
        why: SecretStoreError,
    },
    /// Sealing is required, and there is no key yet and nowhere to keep one.
    #[error("vault.encryption is \"required\", and there is no key: {why}")]
    Required {
        /// Why no key could be made.
        why: NoPlace,
    },
}

impl KeyError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NoKey { .. } => {
                "a key is 32 random bytes in base64 or hexadecimal: openssl rand -base64 32"
            }
            Self::Unreadable { .. } => {
                "look at vault.key_file; the key can also be given as AVATAR_SYNC_VAULT_KEY"
            }
            Self::Open { .. } => "run chmod 600 on it, or mount it with mode 0400",
            Self::Another { .. } | Self::Gone { .. } => {
                "bring the key back from a backup (AVATAR_SYNC_VAULT_KEY or vault.key_file). If it is lost for good, so \
                 are these pictures: `avatar-sync forget --all` begins a new vault"
            }
            Self::Unreachable { .. } => {
                "unlock it or log in to the desktop, and try again; where there is no desktop, give a key by \
                 AVATAR_SYNC_VAULT_KEY or vault.key_file from the beginning"
            }
            Self::Required { .. } => {
                "give one by AVATAR_SYNC_VAULT_KEY or vault.key_file (openssl rand -base64 32), and keep a copy of it"
            }
        }
    }
}

/// Why a new key could not be kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoPlace {
    /// Nobody was named who keeps secrets.
    #[error("no secret store is used")]
    NoStore,
    /// The secret store did not take it.
    #[error("{store} cannot be used: {why}")]
    Refused {
        /// Which.
        store: &'static str,
        /// Why.
        why: SecretStoreError,
    },
}

/// A key and where it came from.
#[derive(Clone, Debug)]
pub(super) struct FoundKey {
    pub(super) key: Arc<VaultKey>,
    pub(super) place: KeyPlace,
}

/// Finds a profile's key, once.
pub struct Keys {
    settings: KeySettings,
    profile: String,
    /// Found before. Behind a file descriptor it can be read once only, and a secret store takes its time.
    found: Mutex<Option<FoundKey>>,
    /// Not found a moment ago: whoever asks for a thousand pictures does not ask a silent store a thousand times.
    missed: Mutex<Option<(Instant, KeyError)>>,
}

/// How long a key that was not found is not looked for again.
const MISSED: Duration = Duration::from_secs(5);

impl Keys {
    /// For the vault of this profile.
    pub fn new(settings: KeySettings, profile: impl Into<String>) -> Self {
        Self {
            settings,
            profile: profile.into(),
            found: Mutex::new(None),
            missed: Mutex::new(None),
        }
    }

    /// Whether pictures are sealed.
    pub fn encryption(&self) -> Encryption {
        self.settings.encryption
    }

    /// The key that sealed what is there. Blocks for seconds if the secret store does.
    pub(super) fn find(&self, wanted: KeyId) -> Result<FoundKey, KeyError> {
        let mut found = self.found.lock();
        let known = match found.as_ref() {
            Some(known) => known.clone(),
            None => match self.given()? {
                Some(given) => given,
                None => self.stored_unless_missed(wanted)?,
            },
        };
        // Even one that does not fit is remembered if it was given: it may come from a pipe.
        *found = Some(known.clone());
        if known.key.id() == wanted {
            return Ok(known);
        }
        Err(KeyError::Another {
            wanted,
            found: known.key.id(),
            place: known.place,
        })
    }

    /// A key for a vault that has none: the given one, or a new one that the secret store keeps from now on.
    pub(super) fn begin(&self) -> Result<Result<FoundKey, NoPlace>, KeyError> {
        let mut found = self.found.lock();
        if let Some(known) = found.as_ref() {
            return Ok(Ok(known.clone()));
        }
        let begun = match self.given()? {
            Some(given) => given,
            None => match self.made() {
                Ok(made) => made,
                Err(why) => return Ok(Err(why)),
            },
        };
        *found = Some(begun.clone());
        Ok(Ok(begun))
    }

    /// Where [`Keys::begin`] would begin. Makes nothing.
    pub(super) fn prospect(&self) -> Result<Result<KeyPlace, NoPlace>, KeyError> {
        if let Some(known) = self.found.lock().as_ref() {
            return Ok(Ok(known.place.clone()));
        }
        if let Some(given) = self.given()? {
            let place = given.place.clone();
            *self.found.lock() = Some(given);
            return Ok(Ok(place));
        }
        let Some(store) = &self.settings.secret_store else {
            return Ok(Err(NoPlace::NoStore));
        };
        Ok(match store.read("whether it answers") {
            Ok(_) => Ok(KeyPlace::SecretStore(store.name())),
            Err(why) => Err(NoPlace::Refused {
                store: store.name(),
                why,
            }),
        })
    }

    /// Takes the key out of the secret store; false if it was not there or the administrator keeps it: then the store
    /// is not even asked.
    pub(super) fn forget(&self, id: KeyId) -> Result<bool, SecretStoreError> {
        *self.found.lock() = None;
        let is_given = self.settings.key.is_some() || self.settings.key_file.is_some();
        match &self.settings.secret_store {
            Some(store) if !is_given => store.remove(&self.entry(id)),
            _ => Ok(false),
        }
    }

    fn given(&self) -> Result<Option<FoundKey>, KeyError> {
        let (text, place) = if let Some(text) = &self.settings.key {
            (text.clone(), KeyPlace::Given)
        } else if let Some(path) = &self.settings.key_file {
            (read_key_file(path)?, KeyPlace::File(path.clone()))
        } else {
            return Ok(None);
        };
        match VaultKey::from_text(&text) {
            Some(key) => Ok(Some(FoundKey {
                key: Arc::new(key),
                place,
            })),
            None => Err(KeyError::NoKey { place }),
        }
    }

    fn stored_unless_missed(&self, wanted: KeyId) -> Result<FoundKey, KeyError> {
        let mut missed = self.missed.lock();
        if let Some((at, error)) = &*missed
            && at.elapsed() < MISSED
        {
            return Err(error.clone());
        }
        let found = self.stored(wanted);
        *missed = found.as_ref().err().map(|error| (Instant::now(), error.clone()));
        found
    }

    fn stored(&self, wanted: KeyId) -> Result<FoundKey, KeyError> {
        let Some(store) = &self.settings.secret_store else {
            return Err(KeyError::Unreachable {
                wanted,
                store: "a secret store",
                why: SecretStoreError::Missing,
            });
        };
        let place = KeyPlace::SecretStore(store.name());
        match store.read(&self.entry(wanted)) {
            Ok(Some(text)) => match std::str::from_utf8(&text).ok().and_then(VaultKey::from_text) {
                Some(key) => Ok(FoundKey {
                    key: Arc::new(key),
                    place,
                }),
                None => Err(KeyError::NoKey { place }),
            },
            Ok(None) => Err(KeyError::Gone {
                wanted,
                store: store.name(),
            }),
            Err(why) => Err(KeyError::Unreachable {
                wanted,
                store: store.name(),
                why,
            }),
        }
    }

    fn made(&self) -> Result<FoundKey, NoPlace> {
        let store = self.settings.secret_store.as_ref().ok_or(NoPlace::NoStore)?;
        let refused = |why| NoPlace::Refused {
            store: store.name(),
            why,
        };
        let key = VaultKey::generate();
        let (entry, text) = (self.entry(key.id()), key.to_text());
        store.write(&entry, text.as_bytes()).map_err(refused)?;
        // A store that takes a secret and does not give it back would lose every picture.
        let back = store.read(&entry).map_err(refused)?;
        if back.is_none_or(|back| back.as_slice() != text.as_bytes()) {
            let why = SecretStoreError::Failed("it did not give back what it was given".into());
            return Err(refused(why));
        }
        Ok(FoundKey {
            key: Arc::new(key),
            place: KeyPlace::SecretStore(store.name()),
        })
    }

    /// Its name in the secret store. The id is part of it: two vaults never overwrite each other's key.
    fn entry(&self, id: KeyId) -> String {
        format!("vault key of profile {} ({id})", self.profile)
    }
}

fn read_key_file(path: &Path) -> Result<Zeroizing<String>, KeyError> {
    let unreadable = |why: std::io::Error| KeyError::Unreadable {
        path: path.to_owned(),
        why: why.to_string(),
    };
    let file = std::fs::File::open(path).map_err(unreadable)?;
    if is_open_to_all(&file).map_err(unreadable)? {
        return Err(KeyError::Open {
            path: path.to_owned(),
        });
    }
    let mut text = Zeroizing::new(String::with_capacity(LONGEST_FILE as usize));
    file.take(LONGEST_FILE)
        .read_to_string(&mut text)
        .map_err(unreadable)?;
    Ok(text)
}

/// True for a file that every account can read. Containers mount secrets for a group, which is not everybody.
#[cfg(unix)]
fn is_open_to_all(file: &std::fs::File) -> std::io::Result<bool> {
    use std::os::unix::fs::PermissionsExt as _;
    let metadata = file.metadata()?;
    Ok(metadata.is_file() && metadata.permissions().mode() & 0o007 != 0)
}

/// On Windows the access control list of the folder keeps others out; there is no mode to look at.
#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "the twin for Unix can fail")]
fn is_open_to_all(_file: &std::fs::File) -> std::io::Result<bool> {
    Ok(false)
}

#[cfg(test)]
pub(super) mod tests;
