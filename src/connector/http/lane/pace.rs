//! How many requests may be in flight: slowly up, quickly down.

use tokio::time::Instant;

/// Clean answers, at full use, that allow one more in flight (`reliability.md` 3).
const CLIMB: u32 = 50;

/// Clean answers right below a refusal's mark until the mark is tried again. Each time that it is refused again,
/// twice as many: a limit that stays costs ever less, one that was lifted is found.
const PROBE: (u32, u32) = (1_000, 64_000);

/// The number of requests that may be in flight, as it adapts.
#[derive(Debug)]
pub(super) struct Pace {
    limit: usize,
    /// The configured maximum.
    cap: usize,
    /// One below the number that was last refused: climbing ends there.
    ceiling: usize,
    clean: u32,
    /// Clean answers until the mark is tried again.
    patience: u32,
    /// Whether the last step up tried a mark again.
    probing: bool,
    /// When the limit was last lowered. Requests sent before that tell nothing new.
    lowered: Option<Instant>,
}

impl Pace {
    pub fn new(start: usize, cap: usize) -> Self {
        let cap = cap.max(1);
        Self {
            limit: start.clamp(1, cap),
            cap,
            ceiling: cap,
            clean: 0,
            patience: PROBE.0,
            probing: false,
            lowered: None,
        }
    }

    pub fn limit(&self) -> usize {
        self.limit
    }

    /// `count` clean answers arrived while the limit was fully used.
    pub fn clean(&mut self, count: u32) {
        self.clean = self.clean.saturating_add(count);
        if self.limit < self.ceiling {
            let steps = (self.clean / CLIMB) as usize;
            self.clean %= CLIMB;
            self.limit = (self.limit + steps).min(self.ceiling);
        } else if self.ceiling < self.cap && self.clean >= self.patience {
            if self.probing {
                // The last mark held for as long as this: it has been lifted.
                self.patience = PROBE.0;
            }
            self.probing = true;
            self.clean = 0;
            self.ceiling += 1;
            self.limit = self.ceiling;
        }
    }

    /// The service refused a request sent at `sent` while `in_flight` were out: halve, and stay below that number.
    pub fn refused(&mut self, sent: Instant, in_flight: usize, now: Instant) {
        if self.is_news(sent) {
            if std::mem::take(&mut self.probing) {
                self.patience = (self.patience * 2).min(PROBE.1);
            }
            self.ceiling = self.ceiling.min(in_flight.saturating_sub(1)).max(1);
            self.lower(self.limit / 2, now);
        }
    }

    /// A request sent at `sent` failed or timed out: halve, but that says nothing about a mark to stay below.
    pub fn failed(&mut self, sent: Instant, now: Instant) {
        if self.is_news(sent) {
            self.lower(self.limit / 2, now);
        }
    }

    /// The service says how much of its limit is used, 0.8 and more: ease off before it refuses.
    pub fn nearly_used_up(&mut self, share: f64, sent: Instant, now: Instant) {
        self.clean = 0;
        if self.is_news(sent) {
            let limit = if share >= 1.0 {
                self.limit / 2
            } else {
                self.limit - 1
            };
            self.lower(limit, now);
        }
    }

    fn is_news(&self, sent: Instant) -> bool {
        self.lowered.is_none_or(|lowered| sent >= lowered)
    }

    fn lower(&mut self, limit: usize, now: Instant) {
        self.limit = limit.min(self.ceiling).max(1);
        self.clean = 0;
        self.lowered = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn fifty_clean_answers_allow_one_more_up_to_the_cap() {
        let mut pace = Pace::new(2, 4);
        let limits: Vec<usize> = (0..200)
            .map(|_| {
                pace.clean(1);
                pace.limit()
            })
            .collect();
        assert_eq!(
            (limits[48], limits[49], limits[98], limits[99], limits[199]),
            (2, 3, 3, 4, 4)
        );
    }

    #[test]
    fn refusals_of_one_round_trip_halve_once() {
        let mut pace = Pace::new(16, 16);
        let sent = Instant::now();
        let later = sent + Duration::from_millis(100);
        for in_flight in (1..=16).rev() {
            pace.refused(sent, in_flight, later);
        }
        assert_eq!(pace.limit(), 8);
        pace.refused(later, 8, later + Duration::from_millis(100));
        assert_eq!(pace.limit(), 4);
    }

    #[test]
    fn climbing_ends_below_the_refused_number_and_tries_it_again_much_later() {
        let mut pace = Pace::new(5, 16);
        let sent = Instant::now();
        pace.refused(sent, 5, sent);
        assert_eq!(pace.limit(), 2);
        pace.clean(100);
        assert_eq!(pace.limit(), 4);
        pace.clean(999);
        assert_eq!(pace.limit(), 4);
        pace.clean(1);
        assert_eq!(pace.limit(), 5);
    }

    #[test]
    fn a_mark_that_is_refused_again_is_tried_half_as_often() {
        let mut pace = Pace::new(4, 16);
        let mut now = Instant::now();
        pace.refused(now, 5, now);
        let mut answers = Vec::new();
        for _ in 0..4 {
            let mut count = 0;
            while pace.limit() < 5 {
                pace.clean(1);
                count += 1;
            }
            answers.push(count);
            now += Duration::from_mins(1);
            pace.refused(now, 5, now);
        }
        // Climbing back from 2 to 4 takes a hundred.
        assert_eq!(answers, [1_100, 2_100, 4_100, 8_100]);
    }

    #[test]
    fn a_mark_that_was_lifted_is_left_behind() {
        let mut pace = Pace::new(4, 16);
        let now = Instant::now();
        pace.refused(now, 5, now);
        for _ in 0..20_000 {
            pace.clean(1);
        }
        assert_eq!(pace.limit(), 16);
    }

    #[test]
    fn failures_halve_without_setting_a_mark() {
        let mut pace = Pace::new(8, 8);
        let sent = Instant::now();
        pace.failed(sent, sent + Duration::from_secs(1));
        assert_eq!(pace.limit(), 4);
        pace.failed(sent, sent + Duration::from_secs(2));
        assert_eq!(pace.limit(), 4, "once for those that were out together");
        pace.clean(200);
        assert_eq!(pace.limit(), 8);
    }

    #[test]
    fn one_stays_possible_however_bad_it_gets() {
        let mut pace = Pace::new(4, 4);
        let start = Instant::now();
        for second in 0..20 {
            let now = start + Duration::from_secs(second);
            pace.refused(now, 1, now);
            pace.failed(now, now);
            pace.nearly_used_up(1.5, now, now);
        }
        assert_eq!(pace.limit(), 1);
    }

    #[test]
    fn a_limit_nearly_used_up_eases_off_before_the_refusal() {
        let mut pace = Pace::new(8, 16);
        let sent = Instant::now();
        pace.nearly_used_up(0.85, sent, sent + Duration::from_secs(1));
        assert_eq!(pace.limit(), 7);
        pace.nearly_used_up(0.9, sent, sent + Duration::from_secs(1));
        assert_eq!(pace.limit(), 7, "that answer was already on its way");
        let next = sent + Duration::from_secs(2);
        pace.nearly_used_up(1.2, next, next);
        assert_eq!(pace.limit(), 3);
        crate::tried("A9", 3);
    }
}
