//! The pictures that were replaced, kept so that nothing is ever lost (`reliability.md` P1, S3).
//!
//! Each file holds one picture and is never overwritten. A sealed one (`vault/sealing.rs`) is named by a keyed hash of its
//! SHA-256: whoever finds the folder and not the key can neither see a face nor confirm one. Without a key, or where the
//! administrator wants no sealing, the file is the picture and its name the SHA-256. Both can stand side by side: what is
//! plain is sealed when it is touched, and little by little whenever somebody opens the vault for writing. Whose picture
//! it was and when is in the journal.

mod retention;
mod sealing;
mod shelves;

use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

pub(super) use retention::{MIGRATION as RETENTION_MIGRATION, NAMELESS, NO_NAME, record, remove_copies};
pub use retention::{Retention, Why};
use shelves::{Shelved, Shelves};

use super::keys::{Encryption, FoundKey, KeyError, KeyId, KeyPlace, Keys, NoPlace, VaultKey};
use super::lock::Lock;
use super::{StoreError, StoreOptions, StorePaths, files, in_background};
use crate::domain::photo::Sha256;

/// How long a writer may be kept waiting while plain pictures are sealed and old ones leave.
const TENDING: Duration = Duration::from_secs(1);

/// A folder of pictures.
#[derive(Clone)]
pub struct Vault {
    shelves: Shelves,
    keys: Arc<Keys>,
    /// Held while anybody may write; `None` if nobody here may.
    lock: Option<Arc<Lock>>,
    /// What new pictures are sealed with; `None` if they are kept as they are, and for whoever only reads.
    seal: Option<Arc<VaultKey>>,
}

/// How much the vault holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VaultSize {
    /// Pictures.
    pub pictures: u64,
    /// Bytes.
    pub bytes: u64,
    /// How many of the pictures are sealed.
    pub sealed: u64,
    /// When the oldest was kept.
    pub oldest: Option<SystemTime>,
}

/// Whether the vault's pictures are sealed, and whether the key is at hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Protection {
    /// New pictures are kept as they are, by choice.
    Off,
    /// Nothing is sealed yet; the next run that writes begins with a key of this place, or finds none.
    NotBegun {
        /// Where the key will be, or why there will be none.
        place: Result<KeyPlace, NoPlace>,
        /// True if nothing is written without one.
        is_required: bool,
    },
    /// Pictures are sealed with this key.
    Sealed {
        /// Which.
        key: KeyId,
        /// Where it was found, or why it was not.
        place: Result<KeyPlace, KeyError>,
    },
}

impl Protection {
    /// What is wrong or weak about it, and what to do; `None` if pictures are sealed, will be, or are plain by choice.
    pub fn concern(&self) -> Option<(String, &'static str)> {
        const GIVE: &str = "give a key by AVATAR_SYNC_VAULT_KEY or vault.key_file (openssl rand -base64 32)";
        match self {
            Self::NotBegun {
                place: Err(why),
                is_required: true,
            } => Some((
                format!("sealing is required and there is no key, so nothing will be written: {why}"),
                GIVE,
            )),
            Self::NotBegun { place: Err(why), .. } => {
                Some((format!("replaced pictures are kept unencrypted: {why}"), GIVE))
            }
            Self::Sealed {
                place: Err(error), ..
            } => Some((error.to_string(), error.hint())),
            Self::Off | Self::NotBegun { .. } | Self::Sealed { .. } => None,
        }
    }
}

/// The file in the vault that says which key it is sealed with. There is no secret in it.
#[derive(Serialize, Deserialize)]
struct Marker {
    key: String,
    /// For people who look for the key.
    kept_in: String,
}

const MARKER: &str = "sealed-with";

impl Vault {
    /// For reading; the key is looked for when a sealed picture is asked for.
    pub(super) fn open_for_reading(folder: PathBuf, keys: Arc<Keys>) -> Self {
        Self {
            shelves: Shelves::at(folder),
            keys,
            lock: None,
            seal: None,
        }
    }

    /// For a look at it alone; nothing is created, and the key is looked for when it is needed.
    pub fn look(paths: &StorePaths, options: &StoreOptions) -> Self {
        Self::open_for_reading(paths.vault(), options.keys())
    }

    /// For writing. Blocks for as long as the secret store does, which is a moment.
    ///
    /// # Errors
    ///
    /// [`StoreError::Key`] if there is no key and must be one, or if it is not the one that sealed what is there.
    pub(super) fn open_for_writing(
        folder: PathBuf,
        lock: Arc<Lock>,
        keys: Arc<Keys>,
        notes: &mut Vec<String>,
    ) -> Result<Self, StoreError> {
        files::create_folder(&folder)?;
        let mut vault = Self::open_for_reading(folder, keys);
        vault.lock = Some(lock);
        vault.seal = match vault.begin()? {
            Ok(key) => key,
            Err(why) => {
                notes.push(format!("replaced pictures are kept unencrypted: {why}"));
                None
            }
        };
        Ok(vault)
    }

    /// What new pictures are sealed with; in the inner error why with nothing, though something was wanted.
    fn begin(&self) -> Result<Result<Option<Arc<VaultKey>>, NoPlace>, StoreError> {
        let encryption = self.keys.encryption();
        if encryption == Encryption::Off {
            return Ok(Ok(None));
        }
        let (found, is_known) = match self.sealed_with()? {
            Some(id) => (self.keys.find(id)?, self.marker()?.is_some()),
            None => match (self.keys.begin()?, encryption) {
                (Ok(found), _) => (found, false),
                (Err(why), Encryption::Required) => return Err(KeyError::Required { why }.into()),
                (Err(why), _) => return Ok(Err(why)),
            },
        };
        if !is_known {
            // Before anything is sealed: whoever comes after knows that there is a key to look for.
            self.mark(&found)?;
        }
        Ok(Ok(Some(found.key)))
    }

    fn mark(&self, found: &FoundKey) -> Result<(), StoreError> {
        let marker = Marker {
            key: found.key.id().to_string(),
            kept_in: found.place.to_string(),
        };
        let text = serde_json::to_vec(&marker).expect("two texts");
        files::write_whole(&self.folder().join(MARKER), &text)
    }

    /// The key that the vault says it is sealed with.
    fn marker(&self) -> Result<Option<KeyId>, StoreError> {
        const LONGEST: u64 = 64 * 1024;
        let path = self.folder().join(MARKER);
        let mut text = Vec::new();
        match std::fs::File::open(&path).and_then(|file| file.take(LONGEST).read_to_end(&mut text)) {
            // One that cannot be understood is as good as none: the pictures say it too.
            Ok(_) => Ok(serde_json::from_slice::<Marker>(&text)
                .ok()
                .and_then(|marker| KeyId::from_hex(&marker.key))),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StoreError::files("read", &path)(error)),
        }
    }

    /// The key that sealed what is there: as the vault says, or as any sealed picture does.
    pub(super) fn sealed_with(&self) -> Result<Option<KeyId>, StoreError> {
        if let Some(id) = self.marker()? {
            return Ok(Some(id));
        }
        self.shelves.find(|path, shelved| match shelved {
            Shelved::Sealed(_) => {
                let mut beginning = [0; sealing::HEADER];
                let read = std::fs::File::open(path).and_then(|mut file| file.read_exact(&mut beginning));
                Ok(read.ok().and_then(|()| sealing::key_of(&beginning)))
            }
            _ => Ok(None),
        })
    }

    /// The key for what is sealed, if anything is.
    fn key(&self) -> Result<Option<Arc<VaultKey>>, StoreError> {
        if let Some(key) = &self.seal {
            return Ok(Some(Arc::clone(key)));
        }
        match self.sealed_with()? {
            Some(id) => Ok(Some(self.keys.find(id)?.key)),
            None => Ok(None),
        }
    }

    /// Whether pictures are sealed.
    pub async fn protection(&self) -> Result<Protection, StoreError> {
        let vault = self.clone();
        in_background(move || vault.protection_now()).await
    }

    /// The same as [`Vault::protection`] for those who may block, for seconds if the secret store does.
    pub fn protection_now(&self) -> Result<Protection, StoreError> {
        let sealed_with = self.sealed_with()?;
        Ok(match (self.keys.encryption(), sealed_with) {
            (Encryption::Off, _) => Protection::Off,
            (_, Some(key)) => Protection::Sealed {
                key,
                place: self.keys.find(key).map(|found| found.place),
            },
            (encryption, None) => Protection::NotBegun {
                place: self.keys.prospect()?,
                is_required: encryption == Encryption::Required,
            },
        })
    }

    /// Keeps a picture and answers its hash. It is on the disk when this returns.
    pub async fn keep(&self, picture: Bytes) -> Result<Sha256, StoreError> {
        if self.lock.is_none() {
            return Err(StoreError::ReadOnly);
        }
        let vault = self.clone();
        in_background(move || vault.keep_now(&picture)).await
    }

    fn keep_now(&self, picture: &[u8]) -> Result<Sha256, StoreError> {
        let sha256 = Sha256::of(picture);
        let plain = self.shelves.plain(&sha256);
        let Some(key) = &self.seal else {
            let is_kept = sound_or_moved_aside(&plain, read_plain(&plain, &sha256))?;
            if !is_kept {
                self.shelves.put(&plain, picture)?;
            }
            return Ok(sha256);
        };
        let sealed = self.shelves.sealed(key, &sha256);
        let is_kept = sound_or_moved_aside(&sealed, read_sealed(&sealed, key, &sha256))?;
        if !is_kept {
            self.shelves.put(&sealed, &sealing::seal(key, picture, &sha256))?;
        }
        files::remove(&plain)?;
        Ok(sha256)
    }

    /// True if a sound copy of this picture is kept.
    pub async fn holds(&self, sha256: &Sha256) -> Result<bool, StoreError> {
        match self.get(sha256).await {
            Ok(found) => Ok(found.is_some()),
            Err(StoreError::DamagedCopy(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// A picture's bytes, checked against its hash; `None` if it is not kept.
    ///
    /// # Errors
    ///
    /// [`StoreError::DamagedCopy`] if the file is not what it was; [`StoreError::Key`] if pictures are sealed and the
    /// key is not at hand, so that nobody can tell.
    pub async fn get(&self, sha256: &Sha256) -> Result<Option<Bytes>, StoreError> {
        let (vault, sha256) = (self.clone(), *sha256);
        in_background(move || vault.get_now(&sha256)).await
    }

    fn get_now(&self, sha256: &Sha256) -> Result<Option<Bytes>, StoreError> {
        let path = self.shelves.plain(sha256);
        let plain = read_plain(&path, sha256);
        if let Ok(Some(picture)) = plain {
            if self.seal.is_some() {
                // Touched: from now on it is sealed. If that cannot be, it is still the picture.
                if let Err(error) = self.keep_now(&picture) {
                    tracing::warn!(error = error.sentence(), "a picture could not be sealed");
                }
            }
            return Ok(Some(picture));
        }
        if let Some(key) = self.key()?
            && let Some(picture) = read_sealed(&self.shelves.sealed(&key, sha256), &key, sha256)?
        {
            return Ok(Some(picture));
        }
        plain
    }

    /// Removes a picture and whatever is left of damaged copies of it. The key must be at hand if pictures are sealed.
    pub(super) fn remove_now(&self, sha256: &Sha256) -> Result<(), StoreError> {
        let sealed = self.key()?.map(|key| self.shelves.sealed(&key, sha256));
        for path in sealed.into_iter().chain([self.shelves.plain(sha256)]) {
            files::remove(&path)?;
            files::remove(&shelves::aside(&path))?;
        }
        Ok(())
    }

    /// Seals what is plain, for a moment at most; the next writer goes on. What cannot be sealed stays as it is.
    fn seal_some(&self, until: Instant) -> Result<(), StoreError> {
        if self.seal.is_none() {
            return Ok(());
        }
        self.shelves.find(|path, shelved| {
            if let Shelved::Plain(sha256) = shelved
                && let Some(picture) = read_plain(path, &sha256).unwrap_or(None)
            {
                self.keep_now(&picture)?;
            }
            Ok((Instant::now() >= until).then_some(()))
        })?;
        Ok(())
    }

    /// How much it holds.
    pub async fn size(&self) -> Result<VaultSize, StoreError> {
        let vault = self.clone();
        in_background(move || vault.size_now()).await
    }

    /// The same as [`Vault::size`] for those who may block.
    pub fn size_now(&self) -> Result<VaultSize, StoreError> {
        let mut size = VaultSize::default();
        self.shelves.find(|path, shelved| {
            if matches!(shelved, Shelved::Plain(_) | Shelved::Sealed(_)) {
                let metadata = path.metadata().map_err(StoreError::files("read", path))?;
                size.pictures += 1;
                size.bytes += metadata.len();
                size.sealed += u64::from(matches!(shelved, Shelved::Sealed(_)));
                let kept = metadata.modified().map_err(StoreError::files("read", path))?;
                size.oldest = Some(size.oldest.map_or(kept, |oldest| oldest.min(kept)));
            }
            Ok(None::<()>)
        })?;
        Ok(size)
    }

    /// The file that a picture is in.
    #[cfg(test)]
    pub(super) fn path_of(&self, sha256: &Sha256) -> PathBuf {
        match &self.seal {
            Some(key) => self.shelves.sealed(key, sha256),
            None => self.shelves.plain(sha256),
        }
    }

    /// Where it is.
    pub fn folder(&self) -> &Path {
        self.shelves.folder()
    }
}

/// True if a sound copy is there; a damaged one is moved aside, so that a sound one can take its place.
fn sound_or_moved_aside(path: &Path, copy: Result<Option<Bytes>, StoreError>) -> Result<bool, StoreError> {
    match copy {
        Ok(copy) => Ok(copy.is_some()),
        Err(StoreError::DamagedCopy(_)) => {
            let aside = shelves::aside(path);
            std::fs::rename(path, aside).map_err(StoreError::files("move aside", path))?;
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

fn read_plain(path: &Path, sha256: &Sha256) -> Result<Option<Bytes>, StoreError> {
    read(path, sha256, |bytes| {
        (Sha256::of(&bytes) == *sha256).then(|| bytes.into())
    })
}

fn read_sealed(path: &Path, key: &VaultKey, sha256: &Sha256) -> Result<Option<Bytes>, StoreError> {
    read(path, sha256, |bytes| sealing::open(key, &bytes, sha256))
}

fn read(
    path: &Path,
    sha256: &Sha256,
    understood: impl FnOnce(Vec<u8>) -> Option<Bytes>,
) -> Result<Option<Bytes>, StoreError> {
    match std::fs::read(path) {
        Ok(bytes) => understood(bytes)
            .map(Some)
            .ok_or(StoreError::DamagedCopy(*sha256)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(StoreError::files("read", path)(error)),
    }
}

#[cfg(test)]
mod tests;
