//! One writer per profile on a machine (`reliability.md` H2, H6).
//!
//! The operating system holds the lock, so that it is gone with its process however that ended. Who holds it is
//! written beside it, because a locked file cannot be read everywhere.
//!
//! There are file systems that lock nothing. Therefore what is written beside the lock counts too: on Linux a process is
//! known by its number, when it was started and since which boot, so that a number that was given out again is not
//! taken for the process of before. On macOS and Windows the operating system's lock alone decides. What another machine
//! has written on a shared file system cannot be checked from here, and counts until somebody removes it.

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
    /// What tells the process from a later one with its number, where the system tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started: Option<String>,
}

impl Holder {
    fn this_process() -> Self {
        Self {
            host: host_name(),
            pid: std::process::id(),
            user: os_user(),
            since: Timestamp::now(),
            started: start_of(std::process::id()),
        }
    }

    fn unknown() -> Self {
        Self {
            host: "unknown".into(),
            pid: 0,
            user: "unknown".into(),
            since: Timestamp::UNIX_EPOCH,
            started: None,
        }
    }

    fn is_this_process(&self) -> bool {
        self.pid == std::process::id() && self.host == host_name()
    }

    /// True if this may be a process that lives, although the operating system has given its lock to us.
    fn may_live(&self, is_shared: bool) -> bool {
        if self.is_this_process() {
            return false;
        }
        if self.host != host_name() {
            return is_shared;
        }
        self.started.is_some() && self.started == start_of(self.pid)
    }
}

/// When a process was started, in ticks since the boot, and which boot that was (`proc_pid_stat(5)`).
#[cfg(target_os = "linux")]
fn start_of(pid: u32) -> Option<String> {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name is in parentheses and may contain anything; the start is the 20th field behind it.
    let ticks = stat.rsplit_once(')')?.1.split_whitespace().nth(19)?;
    Some(format!("{} {ticks}", boot.trim()))
}

#[cfg(not(target_os = "linux"))]
fn start_of(_pid: u32) -> Option<String> {
    None
}

/// Who writes under the profile whose state folder this is, as far as can be told without touching the lock.
pub(super) fn writer_beside(folder: &Path) -> Option<Holder> {
    let holder = read_holder(&folder.join("lock.json"))?;
    let is_dead = holder.host == host_name()
        && cfg!(target_os = "linux")
        && (holder.started.is_none() || holder.started != start_of(holder.pid));
    (!is_dead && !holder.is_this_process()).then_some(holder)
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
    file: File,
    holder_path: PathBuf,
}

impl Lock {
    /// Takes the lock of the profile whose state folder this is, and says if a dead process left it behind.
    ///
    /// On a file system that is shared with other machines, what another machine has written beside the lock counts.
    pub(super) fn take(folder: &Path, is_shared: bool) -> Result<(Self, Option<String>), StoreError> {
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
        let before = read_holder(&holder_path);
        if let Some(holder) = before.as_ref().filter(|holder| holder.may_live(is_shared)) {
            return Err(StoreError::Locked {
                holder: holder.clone(),
            });
        }
        let left_over = before.map(|dead| {
            format!("the last run did not end properly ({dead}); what it left open is settled first")
        });
        let holder = serde_json::to_vec(&Holder::this_process()).expect("plain strings and numbers");
        files::write_whole(&holder_path, &holder)?;
        let lock = Self { file, holder_path };
        Ok((lock, left_over))
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // If it stays, the next start only says that this run did not end properly.
        let _ = std::fs::remove_file(&self.holder_path);
        // Closing alone does not let go while a process that was started this instant still has a copy of the handle.
        let _ = self.file.unlock();
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
    fn a_lock_that_was_let_go_is_free_although_somebody_has_a_copy_of_the_handle() {
        let folder = tempfile::tempdir().expect("a folder");
        let (lock, _) = Lock::take(folder.path(), false).expect("free");
        let copy = lock.file.try_clone().expect("one more handle");
        drop(lock);
        Lock::take(folder.path(), false).expect("free again");
        drop(copy);
    }

    #[test]
    fn a_second_writer_is_told_who_the_first_one_is() {
        let folder = tempfile::tempdir().expect("a folder");
        let (first, note) = Lock::take(folder.path(), false).expect("free");
        assert_eq!(note, None);
        match Lock::take(folder.path(), false) {
            Err(StoreError::Locked { holder }) => assert_eq!(holder.pid, std::process::id()),
            other => panic!("expected a lock, got {:?}", other.map(|_| ())),
        }
        drop(first);
        assert!(Lock::take(folder.path(), false).expect("free again").1.is_none());
    }

    #[test]
    fn a_lock_left_by_a_dead_process_is_taken_over_with_a_note() {
        let folder = tempfile::tempdir().expect("a folder");
        let dead = Holder {
            host: "laptop\u{1b}[2J".into(),
            pid: 4242,
            user: "ada".into(),
            since: Timestamp::UNIX_EPOCH,
            started: None,
        };
        let json = serde_json::to_vec(&dead).expect("plain");
        std::fs::write(folder.path().join("lock.json"), json).expect("written");
        let (_lock, note) = Lock::take(folder.path(), false).expect("nobody holds it");
        let note = note.expect("a note");
        assert!(note.contains("process 4242 of ada"), "{note}");
        assert!(!note.contains('\u{1b}'), "{note}");
    }

    fn written(folder: &Path, holder: &Holder) {
        let json = serde_json::to_vec(holder).expect("plain");
        std::fs::write(folder.join("lock.json"), json).expect("written");
    }

    /// Another process of this machine that lives, and which nobody else would take for a dead one: our parent.
    #[cfg(target_os = "linux")]
    fn parent() -> u32 {
        let stat = std::fs::read_to_string("/proc/self/stat").expect("readable");
        let fields = stat.rsplit_once(')').expect("a name").1;
        let parent = fields.split_whitespace().nth(1).expect("a parent");
        parent.parse().expect("a number")
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn where_nothing_is_locked_a_process_that_lives_is_known_by_its_start() {
        let folder = tempfile::tempdir().expect("a folder");
        let living = Holder {
            host: host_name(),
            pid: parent(),
            user: "ada".into(),
            since: Timestamp::UNIX_EPOCH,
            started: start_of(parent()),
        };
        assert!(living.started.is_some());
        written(folder.path(), &living);
        match Lock::take(folder.path(), false) {
            Err(StoreError::Locked { holder }) => assert_eq!(holder, living),
            other => panic!("it lives, but {:?}", other.map(|_| ())),
        }
        assert_eq!(writer_beside(folder.path()), Some(living.clone()));
        // The number was given out again since: another start, or another boot.
        for started in [None, Some("another-boot 12".to_owned())] {
            written(
                folder.path(),
                &Holder {
                    started,
                    ..living.clone()
                },
            );
            assert_eq!(writer_beside(folder.path()), None);
            let (_lock, note) = Lock::take(folder.path(), false).expect("it is dead");
            assert!(note.is_some());
        }
    }

    #[test]
    fn on_a_shared_file_system_another_machine_counts_until_somebody_says_otherwise() {
        let folder = tempfile::tempdir().expect("a folder");
        let elsewhere = Holder {
            host: "another machine".into(),
            pid: 1,
            user: "ada".into(),
            since: Timestamp::UNIX_EPOCH,
            started: None,
        };
        written(folder.path(), &elsewhere);
        assert!(matches!(
            Lock::take(folder.path(), true),
            Err(StoreError::Locked { .. })
        ));
        assert!(
            Lock::take(folder.path(), false)
                .expect("a disk of our own")
                .1
                .is_some()
        );
    }
}
