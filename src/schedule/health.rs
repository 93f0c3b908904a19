//! The health file: what a probe, a dashboard or an administrator may know of a program that repeats runs.

use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::store::{PartialFile, StoreError};

/// The format's name.
pub const HEALTH_SCHEMA: &str = "avatar-sync/health/1";
/// The most bytes of a health file that are read.
const LONGEST: u64 = 64 * 1024;

/// What the program is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// The last run went well, or there was none yet; the next one is waited for.
    Sleeping,
    /// A run is under way.
    Running,
    /// The last run did not go well; the next one is waited for.
    Failing,
    /// Too many runs did not go well: the profile waits for somebody to look at it.
    Quarantined,
}

/// The health file's content. Nothing in it names a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// [`HEALTH_SCHEMA`].
    pub schema: String,
    /// What the program is doing.
    pub state: State,
    /// The profile.
    pub profile: String,
    /// The process.
    pub pid: u32,
    /// Since when it runs.
    pub started: Timestamp,
    /// When this was written: at least once a minute, whatever happens.
    pub updated: Timestamp,
    /// When the last run began.
    pub last_run: Option<Timestamp>,
    /// When the last run that went well ended.
    pub last_success: Option<Timestamp>,
    /// When the next run begins, if there will be one.
    pub next_run: Option<Timestamp>,
    /// The id of the last run that was carried out.
    pub run: Option<String>,
    /// How the last run ended (`cli.md`, Exit codes).
    pub exit_code: Option<u8>,
    /// Runs in a row that did not go well.
    pub failures_in_a_row: u32,
    /// The above in words.
    pub sentence: String,
    /// Why the last notification did not get through, if so.
    pub notification: Option<String>,
}

/// A health file that says nothing.
#[derive(Debug, thiserror::Error)]
pub enum HealthError {
    /// There is none, or it cannot be read.
    #[error("the health file cannot be read: {0}")]
    Unreadable(#[from] std::io::Error),
    /// It is no health file.
    #[error("this is not a health file of avatar-sync: {0}")]
    Foreign(String),
}

impl Health {
    /// Before the first run.
    pub fn new(profile: &str, now: Timestamp) -> Self {
        Self {
            schema: HEALTH_SCHEMA.into(),
            state: State::Sleeping,
            profile: profile.to_owned(),
            pid: std::process::id(),
            started: now,
            updated: now,
            last_run: None,
            last_success: None,
            next_run: None,
            run: None,
            exit_code: None,
            failures_in_a_row: 0,
            sentence: "no run yet".into(),
            notification: None,
        }
    }

    /// Replaces the file as a whole: a reader sees the old content or the new one.
    ///
    /// # Errors
    ///
    /// If the folder cannot be written to.
    pub fn write(&self, path: &Path) -> Result<(), StoreError> {
        let mut text = serde_json::to_vec(self).expect("plain texts, numbers and times");
        text.push(b'\n');
        let mut file = PartialFile::create(path)?;
        file.write_all(&text).map_err(StoreError::files("write", path))?;
        file.finish()
    }

    /// Reads a file.
    ///
    /// # Errors
    ///
    /// If there is none, or it is something else.
    pub fn read(path: &Path) -> Result<Self, HealthError> {
        if std::fs::metadata(path)?.len() > LONGEST {
            return Err(HealthError::Foreign("it is too large".into()));
        }
        let health: Self = serde_json::from_slice(&std::fs::read(path)?)
            .map_err(|error| HealthError::Foreign(error.to_string()))?;
        if health.schema != HEALTH_SCHEMA {
            let found = crate::domain::text::clean(&health.schema).into_owned();
            return Err(HealthError::Foreign(format!("its format is {found:?}")));
        }
        Ok(health)
    }
}

/// How long a probe puts up with what.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// A file older than this belongs to a program that stands still or is gone.
    pub age: Duration,
    /// Without a good run for this long, something is wrong that does not heal by itself.
    pub without_success: Option<Duration>,
}

/// What a probe says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// True if all is well.
    pub is_healthy: bool,
    /// Why, in words.
    pub sentence: String,
}

impl Health {
    /// Says if all is well. A file from the future, after a clock was put back, counts as fresh: it is written anew
    /// within a minute.
    pub fn judge(&self, patience: Patience, now: Timestamp) -> Judgement {
        let shown = |duration: SignedDuration| format!("{:#}", SignedDuration::from_secs(duration.as_secs()));
        let is_over = |since: SignedDuration, limit: Duration| {
            Duration::try_from(since).is_ok_and(|since| since > limit)
        };
        let age = now.duration_since(self.updated);
        if is_over(age, patience.age) {
            return Judgement {
                is_healthy: false,
                sentence: format!(
                    "process {} has not been heard of for {}: it stands still or is gone",
                    self.pid,
                    shown(age)
                ),
            };
        }
        let good = now.duration_since(self.last_success.unwrap_or(self.started));
        if let Some(limit) = patience.without_success
            && is_over(good, limit)
        {
            return Judgement {
                is_healthy: false,
                sentence: format!(
                    "no run has gone well for {}: {}",
                    shown(good),
                    crate::domain::text::clean(&self.sentence)
                ),
            };
        }
        let state = match self.state {
            State::Sleeping => "waiting for the next run",
            State::Running => "a run is under way",
            State::Failing => "the last run did not go well",
            State::Quarantined => "the profile is quarantined",
        };
        Judgement {
            is_healthy: true,
            sentence: format!("{state}: {}", crate::domain::text::clean(&self.sentence)),
        }
    }
}
