//! One writer per profile on a machine (`reliability.md` H2, H6).
//!
//! The operating system holds the lock, so that it is gone with its process however that ended. Who holds it is
//! written beside it, because a locked file cannot be read everywhere.

use std::fmt;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{StoreError, files};

/// Who holds a profile's lock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The machine.
    pub host: String,
    /// The process.
    pub pid: u32,
    /// The operating-system user.
    pub user: String,
    /// Since when.
    pub since: Timestamp,
}

impl Holder {
    fn this_process() -> Self {
        Self {
            host: host_name(),
            pid: std::process::id(),
            user: os_user(),
            since: Timestamp::now(),
        }
    }

    fn unknown() -> Self {
        Self {
            host: "unknown".into(),
            pid: 0,
            user: "unknown".into(),
            since: Timestamp::UNIX_EPOCH,
        }
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.pid == 0 {
            return f.write_str("a process that has not said who it is yet");
        }
        let host = crate::domain::text::clean(&self.host);
        let user = crate::domain::text::clean(&self.user);
        write!(
            f,
            "process {} of {user} on {host}, since {:.0}",
            self.pid, self.since
        )
    }
}

/// The lock, for as long as it lives.
pub(super) struct Lock {
    _file: File,
    holder_path: PathBuf,
}

impl Lock {
    /// Takes the lock of the profile whose state folder this is, and says if a dead process left it behind.
    pub(super) fn take(folder: &Path) -> Result<(Self, Option<String>), StoreError> {
        let path = folder.join("lock");
        let holder_path = folder.join("lock.json");
        let file = files::open_private(&path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(StoreError::Locked {
                    holder: read_holder(&holder_path).unwrap_or_else(Holder::unknown),
                });
            }
            Err(TryLockError::Error(error)) => return Err(StoreError::files("lock", &path)(error)),
        }
        let left_over = read_holder(&holder_path).map(|dead| {
            format!("the last run did not end properly ({dead}); what it left open is settled first")
        });
        let holder = serde_json::to_vec(&Holder::this_process()).expect("plain strings and numbers");
        files::write_whole(&holder_path, &holder)?;
        let lock = Self {
            _file: file,
            holder_path,
        };
        Ok((lock, left_over))
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // If it stays, the next start only says that this run did not end properly.
        let _ = std::fs::remove_file(&self.holder_path);
    }
}

fn read_holder(path: &Path) -> Option<Holder> {
    const LONGEST: u64 = 64 * 1024;
    let is_sane = std::fs::metadata(path).is_ok_and(|metadata| metadata.len() <= LONGEST);
    if !is_sane {
        return None;
    }
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}

/// The name of the operating-system user, for the audit trail.
pub fn os_user() -> String {
    ["USER", "LOGNAME", "USERNAME"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok().filter(|user| !user.is_empty()))
        .unwrap_or_else(nameless_user)
}

/// Services and containers often run without a name in the environment; the number is known all the same.
#[cfg(unix)]
fn nameless_user() -> String {
    format!("uid {}", rustix::process::getuid().as_raw())
}

#[cfg(not(unix))]
fn nameless_user() -> String {
    "unknown".into()
}

/// The name of this machine, for the audit trail.
pub fn host_name() -> String {
    #[cfg(unix)]
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    #[cfg(not(unix))]
    let name = std::env::var("COMPUTERNAME").unwrap_or_default();
    if name.is_empty() { "unknown".into() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_writer_is_told_who_the_first_one_is() {
        let folder = tempfile::tempdir().expect("a folder");
        let (first, note) = Lock::take(folder.path()).expect("free");
        assert_eq!(note, None);
        match Lock::take(folder.path()) {
            Err(StoreError::Locked { holder }) => assert_eq!(holder.pid, std::process::id()),
            other => panic!("expected a lock, got {:?}", other.map(|_| ())),
        }
        drop(first);
        assert!(Lock::take(folder.path()).expect("free again").1.is_none());
    }

    #[test]
    fn a_lock_left_by_a_dead_process_is_taken_over_with_a_note() {
        let folder = tempfile::tempdir().expect("a folder");
        let dead = Holder {
            host: "laptop\u{1b}[2J".into(),
            pid: 4242,
            user: "ada".into(),
            since: Timestamp::UNIX_EPOCH,
        };
        let json = serde_json::to_vec(&dead).expect("plain");
        std::fs::write(folder.path().join("lock.json"), json).expect("written");
        let (_lock, note) = Lock::take(folder.path()).expect("nobody holds it");
        let note = note.expect("a note");
        assert!(note.contains("process 4242 of ada"), "{note}");
        assert!(!note.contains('\u{1b}'), "{note}");
    }
}
