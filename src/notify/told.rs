//! What was told when, so that the same trouble does not fill a mailbox.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::store::{PartialFile, StoreError, create_folder};

/// The format's name.
const SCHEMA: &str = "avatar-sync/told/1";
/// The most bytes that are read.
const LONGEST: u64 = 256 * 1024;
/// The shortest time between two tellings of the same trouble; it doubles each time …
const FIRST_PAUSE: SignedDuration = SignedDuration::from_hours(1);
/// … up to this.
const LONGEST_PAUSE: SignedDuration = SignedDuration::from_hours(24);
/// A trouble that was not seen for so long is a new one when it comes again.
const FORGOTTEN: SignedDuration = SignedDuration::from_hours(48);
/// The most kinds of trouble that are remembered.
const KINDS: usize = 64;

/// What was told when, and how many runs went wrong in a row. Kept beside the journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    schema: String,
    bad_in_a_row: u32,
    /// A trouble was told and its end was not.
    owes_recovery: bool,
    troubles: BTreeMap<String, Trouble>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Trouble {
    last_seen: Timestamp,
    last_told: Timestamp,
    times_told: u32,
}

/// What is remembered cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ToldError {
    /// It cannot be read.
    #[error("what was told before cannot be read: {0}")]
    Unreadable(#[from] std::io::Error),
    /// It is something else.
    #[error("what was told before cannot be read: {0}")]
    Foreign(String),
}

impl Default for Told {
    fn default() -> Self {
        Self {
            schema: SCHEMA.into(),
            bad_in_a_row: 0,
            owes_recovery: false,
            troubles: BTreeMap::new(),
        }
    }
}

impl Told {
    /// Bad runs in a row.
    pub fn bad_in_a_row(&self) -> u32 {
        self.bad_in_a_row
    }

    /// A run went wrong.
    pub fn went_wrong(&mut self) {
        self.bad_in_a_row = self.bad_in_a_row.saturating_add(1);
    }

    /// A run went well.
    pub fn went_well(&mut self) {
        self.bad_in_a_row = 0;
    }

    /// True if a trouble was told whose end was not.
    pub fn owes_recovery(&self) -> bool {
        self.owes_recovery
    }

    /// The end of all trouble was told. When which trouble was told stays known: one that comes and goes is no new one.
    pub fn told_recovery(&mut self) {
        self.owes_recovery = false;
    }

    /// True if this trouble is to be told now: the first time, and then after 1, 2, 4, 8, 16, 24, 24 … hours.
    pub fn is_due(&mut self, trouble: &str, now: Timestamp) -> bool {
        self.troubles
            .retain(|_, known| now.duration_since(known.last_seen) < FORGOTTEN);
        let Some(known) = self.troubles.get_mut(trouble) else {
            return true;
        };
        known.last_seen = now;
        let since = now.duration_since(known.last_told);
        // Told in the future: the clock was put back.
        since.is_negative() || since >= pause(known.times_told)
    }

    /// A trouble was told, and so will be its end.
    pub fn owe_recovery(&mut self) {
        self.owes_recovery = true;
    }

    /// This was told now.
    pub fn told(&mut self, trouble: &str, now: Timestamp) {
        if let Some(known) = self.troubles.get_mut(trouble) {
            known.times_told = known.times_told.saturating_add(1);
            known.last_told = now;
            known.last_seen = now;
            return;
        }
        if self.troubles.len() >= KINDS {
            let oldest = self
                .troubles
                .iter()
                .min_by_key(|(_, known)| known.last_seen)
                .map(|(kind, _)| kind.clone());
            if let Some(oldest) = oldest {
                self.troubles.remove(&oldest);
            }
        }
        self.troubles.insert(
            trouble.to_owned(),
            Trouble {
                last_seen: now,
                last_told: now,
                times_told: 1,
            },
        );
    }

    /// Reads what is remembered; nothing is, if there is no file yet.
    ///
    /// # Errors
    ///
    /// If the file is something else; go on with nothing remembered.
    pub fn read(path: &Path) -> Result<Self, ToldError> {
        match std::fs::metadata(path) {
            Ok(metadata) if metadata.len() > LONGEST => {
                return Err(ToldError::Foreign("it is too large".into()));
            }
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(error.into()),
        }
        let told: Self = serde_json::from_slice(&std::fs::read(path)?)
            .map_err(|error| ToldError::Foreign(error.to_string()))?;
        if told.schema != SCHEMA {
            return Err(ToldError::Foreign("another version has written it".into()));
        }
        Ok(told)
    }

    /// Keeps it for the next run, also for one in another process.
    ///
    /// # Errors
    ///
    /// If the folder cannot be written to.
    pub fn write(&self, path: &Path) -> Result<(), StoreError> {
        if let Some(folder) = path.parent() {
            create_folder(folder)?;
        }
        let text = serde_json::to_vec(self).expect("plain texts, numbers and times");
        let mut file = PartialFile::create(path)?;
        file.write_all(&text).map_err(StoreError::files("write", path))?;
        file.finish()
    }
}

fn pause(times_told: u32) -> SignedDuration {
    let doublings = times_told.saturating_sub(1).min(5);
    (FIRST_PAUSE * 2_i32.pow(doublings)).min(LONGEST_PAUSE)
}
