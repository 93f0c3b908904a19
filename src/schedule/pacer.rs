//! From one look at both clocks to "start" or "sleep so long" (`reliability.md` C8, D6).

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::{Jitter, Schedule, later};

/// Nobody sleeps longer than this without a look at the clocks: a sleep is measured by the steady clock, which does not
/// know that the laptop was closed or the date put right.
pub const LONGEST_SLEEP: Duration = Duration::from_mins(1);
/// A difference between the clocks that is worth a word; clocks are put right by less all the time.
const WORTH_A_WORD: SignedDuration = SignedDuration::from_secs(5);
/// A clock put back by more than this was wrong before: what it said of runs is forgotten. Put back by less, nothing
/// that has run at a time is run at the same time again.
const PUT_RIGHT: SignedDuration = SignedDuration::from_hours(3);

/// One look at both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// The clock on the wall.
    pub wall: Timestamp,
    /// The steady clock: time since any fixed moment, never less than before.
    pub steady: Duration,
}

/// When the first run is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum First {
    /// Now.
    AtOnce,
    /// In the first slot after now.
    Waits,
}

/// By how much the clock on the wall went further than the steady one: after a sleep of the machine, or because it was
/// set. Negative if it was put back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Jump(pub SignedDuration);

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// The run is due.
    Start,
    /// Look again after so long.
    Sleep(Duration),
}

/// What came of a look at the clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// What to do.
    pub turn: Turn,
    /// The clocks have come apart since the last look.
    pub jump: Option<Jump>,
}

/// Knows the next start, and keeps it right whatever the clocks do. Pure: moments come in as arguments.
#[derive(Clone, Debug)]
pub struct Pacer {
    schedule: Schedule,
    jitter: Jitter,
    /// The slot of the next run, or of the one under way.
    slot: Timestamp,
    /// The slot with its jitter.
    start: Timestamp,
    seen: Moment,
}

impl Pacer {
    /// Plans the first run.
    pub fn new(schedule: Schedule, jitter: Jitter, first: First, now: Moment) -> Self {
        let (slot, start) = match first {
            First::AtOnce => (now.wall, now.wall),
            First::Waits => {
                let slot = schedule.next(now.wall, now.wall).at;
                (slot, begin(&schedule, jitter, slot))
            }
        };
        Self {
            schedule,
            jitter,
            slot,
            start,
            seen: now,
        }
    }

    /// When the next run begins, by the clock on the wall.
    pub fn start(&self) -> Timestamp {
        self.start
    }

    /// The slot of the next run, or of the one under way.
    pub fn slot(&self) -> Timestamp {
        self.slot
    }

    /// The next slot after the last look at the clocks, for a run that begins then.
    pub fn following(&self) -> Timestamp {
        self.schedule.next(self.slot, self.seen.wall).at
    }

    /// Is it time?
    pub fn look(&mut self, now: Moment) -> Look {
        let apart = self.compare(now);
        if let Schedule::Cron(_) = self.schedule
            && apart < -PUT_RIGHT
        {
            self.plan(now.wall, now.wall);
        }
        let left = self.start.duration_since(now.wall);
        let turn = match Duration::try_from(left) {
            Ok(left) if !left.is_zero() => Turn::Sleep(left.min(LONGEST_SLEEP)),
            _ => Turn::Start,
        };
        Look {
            turn,
            jump: (apart.abs() > WORTH_A_WORD).then_some(Jump(apart)),
        }
    }

    /// A run has ended, or was left out: plans the next one and says how many slots went by meanwhile. None of them is
    /// caught up with.
    pub fn done(&mut self, now: Moment) -> u64 {
        let apart = self.compare(now);
        let last = match self.schedule {
            Schedule::Cron(_) if apart < -PUT_RIGHT => now.wall,
            _ => self.slot,
        };
        self.plan(last, now.wall)
    }

    fn plan(&mut self, last: Timestamp, now: Timestamp) -> u64 {
        let slot = self.schedule.next(last, now);
        self.slot = slot.at;
        self.start = begin(&self.schedule, self.jitter, slot.at);
        slot.missed
    }

    /// How far the clocks have come apart since the last look. An interval is a length of time: if the clock on the
    /// wall was put back, its slots go back with it.
    fn compare(&mut self, now: Moment) -> SignedDuration {
        let steady = now.steady.saturating_sub(self.seen.steady);
        let steady = SignedDuration::try_from(steady).unwrap_or(SignedDuration::MAX);
        let apart = now.wall.duration_since(self.seen.wall).saturating_sub(steady);
        self.seen = now;
        if let Schedule::Every(_) = self.schedule
            && apart.is_negative()
        {
            self.slot = later(self.slot, apart);
            self.start = later(self.start, apart);
        }
        apart
    }
}

fn begin(schedule: &Schedule, jitter: Jitter, slot: Timestamp) -> Timestamp {
    let by = SignedDuration::try_from(jitter.of(schedule, slot)).unwrap_or(SignedDuration::ZERO);
    later(slot, by)
}
