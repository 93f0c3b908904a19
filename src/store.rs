//! What stays on this machine: the journal (what was done), the vault (what was replaced), the memory (what need not
//! be asked again), the standing (what brakes know and what somebody has decided) and the last scan.
//!
//! The journal and the vault are the safety of a push and live in the state folder; a push without them is refused.
//! The memory and the snapshot live in the cache folder; losing them costs requests and nothing else. Everything holds
//! personal data: folders are 0700 and files 0600 on Unix, and under the user's own profile on Windows.

mod database;
mod files;
pub mod forget;
pub mod journal;
pub mod keys;
mod lock;
pub mod memory;
mod past;
mod patience;
mod place;
pub mod snapshot;
pub mod standing;
#[cfg(test)]
mod testing;
pub mod vault;

use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use files::{PartialFile, create_folder};
pub use journal::Journal;
pub use lock::{Holder, host_name, os_user};
pub use memory::Memory;
pub use past::{PastPeople, PastPerson};
use patience::Patience;
pub use standing::Standing;
pub use vault::Vault;

use keys::{KeyError, KeySettings, Keys};
pub use vault::Retention;

use crate::domain::listing::Listed;
use crate::domain::photo::Sha256;

/// Where a profile's local data lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorePaths {
    /// The folder for what must not be lost.
    pub state_dir: PathBuf,
    /// The folder for what may be lost.
    pub cache_dir: PathBuf,
    /// Name of the profile; each has a folder of its own in both.
    pub profile: String,
}

impl StorePaths {
    /// The profile's folder for what must not be lost.
    pub fn state(&self) -> PathBuf {
        self.state_dir.join(folder_name(&self.profile))
    }

    /// The profile's folder for what may be lost.
    pub fn cache(&self) -> PathBuf {
        self.cache_dir.join(folder_name(&self.profile))
    }

    /// The journal's file.
    pub fn journal(&self) -> PathBuf {
        self.state().join("journal.sqlite")
    }

    /// The vault's folder.
    pub fn vault(&self) -> PathBuf {
        self.state().join("vault")
    }

    /// The file of what brakes know.
    pub fn standing(&self) -> PathBuf {
        self.state().join("standing.sqlite")
    }

    /// The plan that limits have stopped last; it names people.
    pub fn stopped_plan(&self) -> PathBuf {
        self.state().join("stopped-plan.json")
    }

    /// The last scan's file.
    pub fn snapshot(&self) -> PathBuf {
        self.cache().join("last-scan")
    }
}

/// A folder name for any profile name, distinct on file systems that ignore case and harmless on all.
fn folder_name(profile: &str) -> String {
    use std::fmt::Write as _;
    let mut name = String::from("profile-");
    for byte in profile.bytes() {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' => name.push(byte as char),
            // Writing to a String cannot fail.
            other => drop(write!(name, "={other:02x}")),
        }
    }
    name
}

/// What a store is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// To change the target: takes the profile's lock, which one process on a machine can hold.
    Write,
    /// To look: works beside a writer, and on a read-only disk.
    Read,
}

/// How the vault keeps pictures, and for how long. The default keeps them as they are and for ever.
#[derive(Clone, Default)]
pub struct StoreOptions {
    /// Who knows the key; `None` keeps pictures as they are.
    pub keys: Option<Arc<Keys>>,
    /// How long personal data is kept.
    pub retention: Retention,
}

impl StoreOptions {
    fn keys(&self) -> Arc<Keys> {
        let plain = || Arc::new(Keys::new(KeySettings::default(), ""));
        self.keys.clone().unwrap_or_else(plain)
    }
}

/// A profile's local data.
#[derive(Clone)]
pub struct Store {
    journal: Journal,
    vault: Vault,
    memory: Memory,
    standing: Standing,
    snapshot: PathBuf,
    access: Access,
    notes: Arc<[String]>,
    patience: Arc<Patience>,
    state: PathBuf,
}

impl Store {
    /// Opens a profile's local data and creates what is missing. Blocks for milliseconds; seconds on a damaged file.
    ///
    /// # Errors
    ///
    /// [`StoreError::Locked`] if another process writes under this profile; [`StoreError::Newer`] if a newer version
    /// has been here; [`StoreError::Files`] or [`StoreError::Database`] if the state folder cannot be used. A damaged
    /// file is no error: it is moved aside and a fresh one begun, which [`Store::notes`] says.
    pub fn open(paths: &StorePaths, access: Access) -> Result<Self, StoreError> {
        Self::open_with(paths, access, &StoreOptions::default())
    }

    /// The same with keys for the vault and an age limit. Blocks for seconds where a secret store does.
    ///
    /// # Errors
    ///
    /// Beside those of [`Store::open`]: [`StoreError::Key`] if a writer must seal and has no key, or another one than
    /// the pictures are sealed with. A reader needs none before it asks for a sealed picture.
    pub fn open_with(paths: &StorePaths, access: Access, options: &StoreOptions) -> Result<Self, StoreError> {
        let keys = options.keys();
        let mut notes = Vec::new();
        let patience = Arc::new(Patience::default());
        let (journal, vault) = match access {
            Access::Write => {
                create_folder(&paths.state())?;
                let shared = place::of(&paths.state());
                let (lock, left_over) = lock::Lock::take(&paths.state(), shared.is_some())?;
                notes.extend(left_over);
                notes.extend(shared.map(|shared| {
                    format!(
                        "{} is {shared}: two machines must not write there at once, and a power cut there can cost \
                         more than on a disk of this machine; move it with AVATAR_SYNC_STATE_DIR",
                        paths.state().display()
                    )
                }));
                let lock = Arc::new(lock);
                // Before the journal is touched: without a key nothing is.
                let vault = Vault::open_for_writing(paths.vault(), Arc::clone(&lock), keys, &mut notes)?;
                let journal =
                    Journal::open_for_writing(&paths.journal(), lock, Arc::clone(&patience), &mut notes)?;
                if let Err(error) = vault.tend(paths, options.retention) {
                    notes.push(format!("what is old could not be removed: {}", error.sentence()));
                }
                (journal, vault)
            }
            Access::Read => {
                let journal = Journal::open_for_reading(&paths.journal())?;
                (journal, Vault::open_for_reading(paths.vault(), keys))
            }
        };
        let memory = Memory::open(&paths.cache(), &mut notes);
        let standing = Standing::open(&paths.standing(), access, &mut notes)?;
        Ok(Self {
            journal,
            vault,
            memory,
            standing,
            snapshot: paths.snapshot(),
            access,
            notes: notes.into(),
            patience,
            state: paths.state(),
        })
    }

    /// What was done, and what is under way.
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// The pictures that were replaced.
    pub fn vault(&self) -> &Vault {
        &self.vault
    }

    /// What need not be asked again.
    pub fn memory(&self) -> &Memory {
        &self.memory
    }

    /// What brakes know: failing runs, parked people, absences seen, removals that wait for somebody's word.
    pub fn standing(&self) -> &Standing {
        &self.standing
    }

    /// What it was opened for.
    pub fn access(&self) -> Access {
        self.access
    }

    /// Which other process writes under this profile, as far as can be told by looking.
    pub fn other_writer(&self) -> Option<Holder> {
        lock::writer_beside(&self.state)
    }

    /// What was found odd while opening, in sentences: a file moved aside, a lock left over by a crash, a cache that
    /// cannot be written.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Keeps a picture in the vault and answers its name. Waits for room while the disk is full, like everything that is
    /// written before a request is sent; see [`Store::without_room`].
    ///
    /// # Errors
    ///
    /// As [`Vault::keep`]; for want of room only after somebody gave up waiting.
    pub async fn keep(&self, picture: bytes::Bytes) -> Result<Sha256, StoreError> {
        loop {
            match self.vault.keep(picture.clone()).await {
                Err(error) if patience::has_no_room(&error) => {
                    if !self.patience.rest().await {
                        return Err(error);
                    }
                }
                kept => {
                    self.patience.relax();
                    return kept;
                }
            }
        }
    }

    /// How long until the disk is tried again that has no room for the journal or the vault; `None` while all is well.
    /// Nothing is sent meanwhile.
    pub fn without_room(&self) -> Option<std::time::Duration> {
        self.patience.remaining()
    }

    /// Whoever waits for room on the disk is told at once that there is none; so until the next run begins.
    pub fn stop_waiting_for_room(&self) {
        self.patience.give_up();
    }

    /// Remembers a scan for an instant first screen, replacing the one before.
    pub async fn save_snapshot(&self, listed: Arc<Listed>) -> Result<(), StoreError> {
        let path = self.snapshot.clone();
        in_background(move || snapshot::save_to(&path, &listed)).await
    }

    /// The last scan, if there is one that can be read.
    pub async fn load_snapshot(&self) -> Result<Option<Listed>, StoreError> {
        let path = self.snapshot.clone();
        in_background(move || snapshot::load_from(&path)).await
    }
}

/// Local data that cannot be used.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process writes under this profile.
    #[error("another avatar-sync is writing under this profile: {holder}")]
    Locked {
        /// Who.
        holder: Holder,
    },
    /// Written by a newer version, which may mean something by it that this one does not know.
    #[error("{} was written by a newer version of avatar-sync (format {found}; this one knows {known})", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: i64,
        /// The newest format known here.
        known: i64,
    },
    /// Written by an older version and opened for reading only; the next writer brings it up to date.
    #[error("{} was written by an older version of avatar-sync; run once without --readonly", path.display())]
    Older {
        /// The file.
        path: PathBuf,
    },
    /// A file or folder cannot be used.
    #[error("cannot {operation} {}", path.display())]
    Files {
        /// What was tried.
        operation: &'static str,
        /// With what.
        path: PathBuf,
        /// Why not.
        #[source]
        source: Arc<std::io::Error>,
    },
    /// The database refused: disk full, damaged, no rights.
    #[error("cannot {operation}")]
    Database {
        /// What was tried.
        operation: &'static str,
        /// Why not.
        #[source]
        source: Arc<rusqlite::Error>,
    },
    /// A copy in the vault is not what it was when it was kept.
    #[error("the copy of picture {0} in the vault is damaged")]
    DamagedCopy(
        /// Which.
        Sha256,
    ),
    /// The vault cannot be sealed or read without its key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// Opened with [`Access::Read`].
    #[error("the local data was opened for reading only")]
    ReadOnly,
    /// The thread that writes has ended, which only a panic can bring about.
    #[error("the thread that writes the local data has ended")]
    Closed,
}

impl StoreError {
    pub(crate) fn files(operation: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Files {
            operation,
            path,
            source: Arc::new(source),
        }
    }

    fn database(operation: &'static str) -> impl Fn(rusqlite::Error) -> Self {
        move |source| Self::Database {
            operation,
            source: Arc::new(source),
        }
    }

    /// The whole chain in one sentence.
    pub fn sentence(&self) -> String {
        let mut sentence = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            sentence.push_str(": ");
            sentence.push_str(&error.to_string());
            cause = error.source();
        }
        sentence
    }
}

/// Runs blocking work on the blocking pool.
async fn in_background<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(StoreError::Closed),
        },
    }
}
