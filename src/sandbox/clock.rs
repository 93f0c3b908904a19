//! The sandbox's clock: real time plus what a test has advanced it by; or a hand that a test moves.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

use jiff::{SignedDuration, Timestamp};

/// A clock that can be moved forwards (`POST /clock`): tokens age and rate windows turn.
#[derive(Debug, Default)]
pub struct Clock {
    /// Milliseconds that a test has advanced it by.
    advanced: AtomicI64,
    /// Milliseconds since 1970 at which real time was stopped; 0 while it runs.
    stopped_at: AtomicI64,
    /// Milliseconds that the hand has been moved by since.
    hand: AtomicI64,
}

impl Clock {
    /// How far the clock can be ahead of real time: a hundred years. Every date stays one that HTTP can write.
    pub const FURTHEST: SignedDuration = SignedDuration::from_hours(100 * 366 * 24);

    /// Stops real time: from now on sandbox time moves only as [`Clock::set_hand`] and [`Clock::advance`] say. For tests
    /// whose own clock does not run either.
    pub fn stop(&self) {
        let now = Timestamp::now().as_millisecond();
        self.stopped_at.store(now, Ordering::Relaxed);
    }

    /// How much time has passed since the clock was stopped, by the clock of whoever stopped it. It never goes back.
    pub fn set_hand(&self, elapsed: Duration) {
        let elapsed = i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX);
        self.hand.fetch_max(elapsed, Ordering::Relaxed);
    }

    /// Sandbox time.
    pub fn now(&self) -> Timestamp {
        let unmoved = match self.stopped_at.load(Ordering::Relaxed) {
            0 => Timestamp::now(),
            stopped => {
                let moved = stopped.saturating_add(self.hand.load(Ordering::Relaxed));
                Timestamp::from_millisecond(moved).unwrap_or(Timestamp::MAX)
            }
        };
        unmoved.checked_add(self.advanced()).unwrap_or(Timestamp::MAX)
    }

    /// Sandbox time in the form that HTTP dates are made of.
    pub fn system_time(&self) -> SystemTime {
        SystemTime::from(self.now())
    }

    /// Sandbox time in milliseconds since 1970.
    pub fn unix_millis(&self) -> i64 {
        let since_1970 = self.system_time().duration_since(SystemTime::UNIX_EPOCH);
        since_1970.map_or(0, |elapsed| {
            i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX)
        })
    }

    /// How far the clock is ahead of real time.
    pub fn advanced(&self) -> SignedDuration {
        SignedDuration::from_millis(self.advanced.load(Ordering::Relaxed))
    }

    /// Moves the clock forwards, at most to [`Clock::FURTHEST`]; it never goes backwards.
    pub fn advance(&self, by: SignedDuration) {
        let furthest = i64::try_from(Self::FURTHEST.as_millis()).unwrap_or(i64::MAX);
        let by = i64::try_from(by.as_millis()).unwrap_or(i64::MAX).max(0);
        let step = |advanced: i64| Some(advanced.saturating_add(by).min(furthest));
        // The closure always gives a value, so this cannot fail.
        let _ = self
            .advanced
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, step);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advancing_moves_every_reading_and_never_backwards() {
        let clock = Clock::default();
        clock.advance(SignedDuration::from_hours(1));
        clock.advance(SignedDuration::from_hours(-5));

        assert_eq!(clock.advanced(), SignedDuration::from_hours(1));
        assert!(clock.now() > Timestamp::now() + SignedDuration::from_mins(59));
        assert!(clock.system_time() > SystemTime::now() + Duration::from_mins(59));
        assert!(clock.unix_millis() > Timestamp::now().as_millisecond() + 59 * 60 * 1000);
    }

    #[test]
    fn a_stopped_clock_moves_with_its_hand_alone() {
        let clock = Clock::default();
        clock.stop();
        let stopped = clock.now();
        std::thread::sleep(Duration::from_millis(3));
        assert_eq!(clock.now(), stopped);
        clock.set_hand(Duration::from_secs(7));
        clock.set_hand(Duration::from_secs(5));
        assert_eq!(clock.now(), stopped + Duration::from_secs(7));
        clock.advance(SignedDuration::from_hours(1));
        assert_eq!(clock.now(), stopped + Duration::from_secs(3_607));
    }

    #[test]
    fn the_clock_stops_at_its_furthest_point() {
        let clock = Clock::default();
        clock.advance(SignedDuration::MAX);
        clock.advance(SignedDuration::MAX);

        assert_eq!(clock.advanced(), Clock::FURTHEST);
        assert!(
            httpdate::fmt_http_date(clock.system_time()).ends_with("GMT"),
            "HTTP can write the date"
        );
    }
}
