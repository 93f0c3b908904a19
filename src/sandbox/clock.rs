//! The sandbox's clock: real time plus what a test has advanced it by.

use std::sync::atomic::{AtomicI64, Ordering};

use jiff::{SignedDuration, Timestamp};

/// A clock that can be moved forwards (`POST /clock`): tokens age and rate windows turn.
#[derive(Debug, Default)]
pub struct Clock {
    advanced_ms: AtomicI64,
}

impl Clock {
    /// Sandbox time.
    pub fn now(&self) -> Timestamp {
        let advanced = SignedDuration::from_millis(self.advanced_ms.load(Ordering::Relaxed));
        Timestamp::now().checked_add(advanced).unwrap_or(Timestamp::MAX)
    }

    /// Moves the clock forwards.
    pub fn advance(&self, by: SignedDuration) {
        let milliseconds = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        self.advanced_ms.fetch_add(milliseconds, Ordering::Relaxed);
    }
}
