//! When the next run is due, and the loop that starts it.
//!
//! Everything but the loop and the health file's writing is plain functions of the readings of two clocks: the one on
//! the wall, which people set, and a steady one, which stands still while a laptop sleeps.
//!
//! ```text
//! Schedule ─ every so often, or a cron pattern in a time zone → the next slot
//! Jitter   ─ how much later than its slot a run begins, the same each time it is asked
//! Pacer    ─ one look at both clocks → start now, or sleep so long
//! repeat   ─ the loop, with a clock of its caller's
//! Health   ─ what a probe may know of it
//! ```

mod health;
mod pacer;
mod repeat;

use std::fmt;
use std::time::Duration;

use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, SpanRelativeTo, Timestamp};
use sha2::{Digest, Sha256};

pub use health::{HEALTH_SCHEMA, Health, HealthError, Judgement, Patience, State};
pub use pacer::{First, Jump, Look, Moment, Pacer, Turn};
pub use repeat::{After, Clock, News, SystemClock, Work, repeat};

/// The shortest interval.
pub const SHORTEST: Duration = Duration::from_secs(1);
/// The longest interval.
pub const LONGEST: Duration = Duration::from_hours(366 * 24);
/// The most that a run begins later than its slot, unless somebody chose a figure.
const USUAL_JITTER: Duration = Duration::from_mins(5);
/// The part of the distance to the next slot that a run begins later at most, unless somebody chose a figure.
const USUAL_SHARE: u32 = 10;
/// Slots that were missed are counted up to here.
const COUNTED: u64 = 10_000;

/// When runs are due.
#[derive(Clone, Debug)]
pub enum Schedule {
    /// So long after one another, counted from start to start.
    Every(Duration),
    /// As a cron pattern says.
    Cron(Box<CronSchedule>),
}

/// A cron pattern of five fields, read in a time zone.
///
/// Where clocks are put forward, a fixed time that does not exist that day (`30 2 * * *`) is due right after the gap;
/// patterns of several times (`*/10`, `0 2,3`) leave out those that do not exist. Where clocks are put back, a fixed
/// time that exists twice is due once, the first time; patterns of several times are due each time.
#[derive(Clone, Debug)]
pub struct CronSchedule {
    pattern: Cron,
    zone: TimeZone,
}

/// A slot: when a run is due, jitter aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// When.
    pub at: Timestamp,
    /// How many slots have gone by since the last one without a run.
    pub missed: u64,
}

/// A schedule that cannot be kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// Not a length of time.
    #[error("{0:?} is not a length of time; write it like 40m, 1h 30m or 2d")]
    Duration(String),
    /// Too short or too long an interval.
    #[error("an interval must be between 1 s and 366 days")]
    Interval,
    /// Not a cron pattern.
    #[error("{pattern:?} is not a cron pattern of five fields (minute hour day month weekday): {why}")]
    Pattern {
        /// What was given.
        pattern: String,
        /// What is wrong with it.
        why: String,
    },
    /// A pattern of a day that does not exist.
    #[error("the cron pattern {0:?} is never due")]
    Never(String),
    /// No such zone.
    #[error("{0:?} is not a time zone; write it like Europe/Berlin or UTC")]
    TimeZone(String),
}

impl Schedule {
    /// Runs so long after one another.
    ///
    /// # Errors
    ///
    /// [`ScheduleError::Interval`] outside [`SHORTEST`] and [`LONGEST`].
    pub fn every(interval: Duration) -> Result<Self, ScheduleError> {
        if (SHORTEST..=LONGEST).contains(&interval) {
            Ok(Self::Every(interval))
        } else {
            Err(ScheduleError::Interval)
        }
    }

    /// Runs as a cron pattern of five fields says, or one of `@hourly`, `@daily`, `@weekly`, `@monthly`, `@yearly`.
    ///
    /// # Errors
    ///
    /// If it is none, or names only days that do not exist.
    pub fn cron(pattern: &str, zone: TimeZone, now: Timestamp) -> Result<Self, ScheduleError> {
        let shown = || crate::domain::text::clean(pattern).into_owned();
        let parser = CronParser::builder()
            .seconds(Seconds::Disallowed)
            .year(Year::Disallowed)
            .build();
        let parsed = parser.parse(pattern).map_err(|error| ScheduleError::Pattern {
            pattern: shown(),
            why: crate::domain::text::clean(&error.to_string()).into_owned(),
        })?;
        let schedule = CronSchedule {
            pattern: parsed,
            zone,
        };
        match schedule.after(now) {
            Some(_) => Ok(Self::Cron(Box::new(schedule))),
            None => Err(ScheduleError::Never(shown())),
        }
    }

    /// The first slot after `now`, if the last run had the slot `last`.
    pub fn next(&self, last: Timestamp, now: Timestamp) -> Slot {
        match self {
            Self::Every(interval) => {
                // A slot ahead of the clock is one that a wrong clock has made.
                let gone = now.duration_since(last).max(SignedDuration::ZERO);
                let turns = gone.as_nanos() / interval.as_nanos() as i128 + 1;
                let turns = u64::try_from(turns).unwrap_or(u64::MAX);
                let last = last.min(now);
                let ahead = i64::try_from(interval.as_millis())
                    .unwrap_or(i64::MAX)
                    .saturating_mul(i64::try_from(turns).unwrap_or(i64::MAX));
                Slot {
                    at: later(last, SignedDuration::from_millis(ahead)),
                    missed: (turns - 1).min(COUNTED),
                }
            }
            Self::Cron(cron) => {
                let mut missed = 0;
                let mut at = cron.after_or_never(last);
                while at <= now && missed < COUNTED {
                    missed += 1;
                    at = cron.after_or_never(at);
                }
                if at <= now {
                    at = cron.after_or_never(now);
                }
                Slot { at, missed }
            }
        }
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Every(interval) => {
                let interval = SignedDuration::try_from(*interval).unwrap_or(SignedDuration::MAX);
                write!(f, "every {interval:#}")
            }
            Self::Cron(cron) => {
                let zone = cron.zone.iana_name().unwrap_or("this machine's time zone");
                write!(f, "as \"{}\" says, in {zone}", cron.pattern.as_str())
            }
        }
    }
}

impl CronSchedule {
    fn after(&self, moment: Timestamp) -> Option<Timestamp> {
        let moment = moment.to_zoned(self.zone.clone());
        let next = self.pattern.find_next_occurrence(&moment, false).ok()?;
        Some(next.timestamp())
    }

    /// A pattern that was due once is due again; were it not, in the year 5000, the end of time is as good.
    fn after_or_never(&self, moment: Timestamp) -> Timestamp {
        self.after(moment).unwrap_or(Timestamp::MAX)
    }
}

/// A moment so much later, or the last one there is.
fn later(moment: Timestamp, by: SignedDuration) -> Timestamp {
    moment.checked_add(by).unwrap_or(Timestamp::MAX)
}

/// How much later than its slot a run begins, so that many machines do not begin at once.
///
/// The same seed and slot give the same answer, so that asking twice moves nothing.
#[derive(Clone, Copy, Debug)]
pub struct Jitter {
    most: Option<Duration>,
    seed: u64,
}

impl Jitter {
    /// At most so long, or, if nobody chose, a tenth of the distance to the next slot and 5 minutes; `who` tells the
    /// machines and profiles apart that are to be spread.
    pub fn new(most: Option<Duration>, who: &[&str]) -> Self {
        let mut digest = Sha256::new();
        for part in who {
            digest.update(part.as_bytes());
            digest.update([0]);
        }
        Self {
            most,
            seed: first_eight(&digest.finalize()),
        }
    }

    /// How much later a run of this slot begins: less than it is to the next slot.
    pub fn of(&self, schedule: &Schedule, slot: Timestamp) -> Duration {
        let distance = schedule.next(slot, slot).at.duration_since(slot).unsigned_abs();
        let most = match self.most {
            Some(most) => most.min(distance),
            None => (distance / USUAL_SHARE).min(USUAL_JITTER),
        };
        let mut digest = Sha256::new();
        digest.update(self.seed.to_le_bytes());
        digest.update(slot.as_second().to_le_bytes());
        // 53 bits are what a float holds exactly; the share is less than one.
        let share = (first_eight(&digest.finalize()) >> 11) as f64 / (1_u64 << 53) as f64;
        Duration::from_millis((most.as_millis() as f64 * share) as u64)
    }
}

fn first_eight(digest: &[u8]) -> u64 {
    digest
        .iter()
        .take(8)
        .fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// Reads a length of time as people write it: `40m`, `1h 30m`, `2d`, `PT40M`; a day has 24 hours.
///
/// # Errors
///
/// If it is none, or negative.
pub fn parse_duration(text: &str) -> Result<Duration, ScheduleError> {
    let wrong = || ScheduleError::Duration(crate::domain::text::clean(text).into_owned());
    if text.trim() == "0" {
        return Ok(Duration::ZERO);
    }
    let span: Span = text.trim().parse().map_err(|_| wrong())?;
    let duration = span
        .to_duration(SpanRelativeTo::days_are_24_hours())
        .map_err(|_| wrong())?;
    Duration::try_from(duration).map_err(|_| wrong())
}

/// The time zone of this name; without one, this machine's.
///
/// # Errors
///
/// If there is no such zone.
pub fn time_zone(name: Option<&str>) -> Result<TimeZone, ScheduleError> {
    match name {
        None => Ok(TimeZone::system()),
        Some(name) => TimeZone::get(name)
            .map_err(|_| ScheduleError::TimeZone(crate::domain::text::clean(name).into_owned())),
    }
}

#[cfg(test)]
mod tests;
