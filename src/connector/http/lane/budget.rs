//! The retry budget: repeats stay a tenth of all requests and ten a minute, so that help never becomes load
//! (`reliability.md` 3, 5).
//!
//! The ten are for everything together. Two lanes are busy at the same time, photos and ServiceNow, so each has five of
//! them beside its share; a lane with little to do may repeat ten times a minute anyway.

use std::time::Duration;

use tokio::time::Instant;

/// Seconds that are looked back.
const WINDOW: usize = 60;
/// Retries that are always allowed within the window.
const LEAST: u64 = 10;
/// One retry for this many requests …
const SHARE: u64 = 10;
/// … and so many beside within the window.
const BESIDE: u64 = 5;

/// Requests and retries of the last minute, second by second.
#[derive(Debug)]
pub(super) struct Budget {
    start: Instant,
    /// The second, counted from `start`, that was written last.
    second: u64,
    requests: [u32; WINDOW],
    retries: [u32; WINDOW],
}

impl Budget {
    pub fn new(now: Instant) -> Self {
        Self {
            start: now,
            second: 0,
            requests: [0; WINDOW],
            retries: [0; WINDOW],
        }
    }

    /// A request goes out.
    pub fn spend(&mut self, is_retry: bool, now: Instant) {
        let place = self.advance(now);
        self.requests[place] = self.requests[place].saturating_add(1);
        if is_retry {
            self.retries[place] = self.retries[place].saturating_add(1);
        }
    }

    /// True if a retry may go out now.
    pub fn allows_retry(&mut self, now: Instant) -> bool {
        self.advance(now);
        let requests: u64 = self.requests.iter().map(|&count| u64::from(count)).sum();
        let retries: u64 = self.retries.iter().map(|&count| u64::from(count)).sum();
        retries < LEAST.max(BESIDE + requests / SHARE)
    }

    /// When the oldest retries fall out of the window: the next time at which the answer may differ by itself.
    pub fn next_change(&mut self, now: Instant) -> Instant {
        self.advance(now);
        let oldest = (self.second.saturating_sub(WINDOW as u64 - 1)..=self.second)
            .find(|second| self.retries[place(*second)] > 0)
            .unwrap_or(self.second);
        self.start + Duration::from_secs(oldest + WINDOW as u64)
    }

    /// Empties the seconds that have passed since the last call and returns the place of the current one.
    fn advance(&mut self, now: Instant) -> usize {
        let second = now.saturating_duration_since(self.start).as_secs();
        let passed = second.saturating_sub(self.second).min(WINDOW as u64);
        for step in 0..passed {
            let emptied = place(second - step);
            self.requests[emptied] = 0;
            self.retries[emptied] = 0;
        }
        self.second = self.second.max(second);
        place(self.second)
    }
}

fn place(second: u64) -> usize {
    (second % WINDOW as u64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    #[test]
    fn ten_retries_a_minute_are_always_allowed() {
        let start = Instant::now();
        let mut budget = Budget::new(start);
        for _ in 0..10 {
            assert!(budget.allows_retry(start));
            budget.spend(true, start);
        }
        assert!(!budget.allows_retry(at(start, 59)));
        assert_eq!(budget.next_change(at(start, 59)), at(start, 60));
        assert!(budget.allows_retry(at(start, 60)));
    }

    #[test]
    fn a_tenth_of_many_requests_and_five_may_be_retries() {
        let start = Instant::now();
        let mut budget = Budget::new(start);
        for _ in 0..500 {
            budget.spend(false, at(start, 5));
        }
        let mut retries = 0;
        while budget.allows_retry(at(start, 6)) {
            budget.spend(true, at(start, 6));
            retries += 1;
        }
        // Five, and a tenth of five hundred and of the retries themselves.
        assert_eq!(retries, 61);
        assert_eq!(budget.next_change(at(start, 30)), at(start, 66));
    }

    #[test]
    fn a_long_silence_empties_the_window() {
        let start = Instant::now();
        let mut budget = Budget::new(start);
        for _ in 0..10 {
            budget.spend(true, start);
        }
        assert!(budget.allows_retry(at(start, 100_000)));
        assert!(
            budget.allows_retry(start),
            "a clock that seems to go back does not confuse it"
        );
    }
}
