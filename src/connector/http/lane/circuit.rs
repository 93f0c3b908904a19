//! The circuit breaker: a service in trouble is left alone and probed now and then (`reliability.md` 3).

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// Failures in a row that open the circuit.
const IN_A_ROW: u32 = 5;
/// Requests within [`WINDOW`] of which half must have failed to open it.
const AT_LEAST: usize = 20;
/// How far back failures count.
const WINDOW: Duration = Duration::from_secs(30);
/// Outcomes remembered at most.
const REMEMBERED: usize = 1024;
/// The first wait for a probe, and the longest.
const WAIT: (Duration, Duration) = (Duration::from_secs(30), Duration::from_mins(5));

/// Whether requests may go out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gate {
    /// Yes.
    Open,
    /// One may, to see whether the service is back.
    OneProbe,
    /// None before this time.
    ShutUntil(Instant),
    /// None before the probe that is out has come back.
    ProbeOut,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Closed,
    /// Shut until the time given.
    Open(Instant),
    /// A probe is out.
    Probing,
}

/// The breaker of one lane. "Open" is the electrician's word: nothing flows.
#[derive(Debug)]
pub(super) struct Circuit {
    state: State,
    /// How long a probe is waited for, each time longer.
    wait: Duration,
    in_a_row: u32,
    recent: VecDeque<(Instant, bool)>,
    /// When it opened, if it is not closed, and how long it was open before that in all.
    opened: Option<Instant>,
    open_before: Duration,
}

impl Circuit {
    pub fn new() -> Self {
        Self {
            state: State::Closed,
            wait: WAIT.0,
            in_a_row: 0,
            recent: VecDeque::new(),
            opened: None,
            open_before: Duration::ZERO,
        }
    }

    pub fn gate(&self, now: Instant) -> Gate {
        match self.state {
            State::Closed => Gate::Open,
            State::Open(until) if now >= until => Gate::OneProbe,
            State::Open(until) => Gate::ShutUntil(until),
            State::Probing => Gate::ProbeOut,
        }
    }

    /// The probe that [`Gate::OneProbe`] allowed goes out.
    pub fn probe(&mut self) {
        self.state = State::Probing;
    }

    /// How the probe went; `None` if it never came back.
    pub fn probed(&mut self, ok: Option<bool>, now: Instant) {
        match ok {
            Some(true) => {
                self.state = State::Closed;
                self.in_a_row = 0;
                self.recent.clear();
                self.open_before = self.open_time(now);
                self.opened = None;
            }
            Some(false) => {
                self.wait = (self.wait * 2).min(WAIT.1);
                self.state = State::Open(now + self.wait);
            }
            None => self.state = State::Open(now),
        }
    }

    /// How an ordinary request went. True if that opened the circuit.
    pub fn went(&mut self, ok: bool, now: Instant) -> bool {
        if !matches!(self.state, State::Closed) {
            // Sent before it opened; the probe decides.
            return false;
        }
        while self
            .recent
            .front()
            .is_some_and(|(when, _)| now.saturating_duration_since(*when) > WINDOW)
            || self.recent.len() >= REMEMBERED
        {
            self.recent.pop_front();
        }
        self.recent.push_back((now, ok));
        self.in_a_row = if ok { 0 } else { self.in_a_row + 1 };
        if ok {
            return false;
        }
        let failed = self.recent.iter().filter(|(_, ok)| !ok).count();
        if self.in_a_row >= IN_A_ROW || self.recent.len() >= AT_LEAST && failed * 2 >= self.recent.len() {
            self.wait = WAIT.0;
            self.state = State::Open(now + self.wait);
            self.opened = Some(now);
            return true;
        }
        false
    }

    /// How long the circuit has been open in all, up to `now`.
    pub fn open_time(&self, now: Instant) -> Duration {
        self.open_before
            + self
                .opened
                .map_or(Duration::ZERO, |opened| now.saturating_duration_since(opened))
    }

    /// True unless requests flow freely.
    pub fn is_open(&self) -> bool {
        self.opened.is_some()
    }

    /// How long until the next probe may go; zero while one is out.
    pub fn left(&self, now: Instant) -> Duration {
        match self.state {
            State::Open(until) => until.saturating_duration_since(now),
            State::Closed | State::Probing => Duration::ZERO,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken(now: Instant) -> Circuit {
        let mut circuit = Circuit::new();
        for _ in 0..4 {
            assert!(!circuit.went(false, now));
        }
        assert!(circuit.went(false, now));
        circuit
    }

    #[test]
    fn five_failures_in_a_row_shut_the_lane_for_thirty_seconds() {
        let now = Instant::now();
        let circuit = broken(now);
        let until = now + Duration::from_secs(30);
        assert_eq!(circuit.gate(now), Gate::ShutUntil(until));
        assert_eq!(circuit.gate(until), Gate::OneProbe);
    }

    #[test]
    fn a_success_in_between_starts_the_count_anew() {
        let now = Instant::now();
        let mut circuit = Circuit::new();
        for _ in 0..2 {
            for _ in 0..4 {
                circuit.went(false, now);
            }
            for _ in 0..6 {
                circuit.went(true, now);
            }
        }
        assert_eq!(circuit.gate(now), Gate::Open);
    }

    #[test]
    fn half_of_twenty_within_half_a_minute_is_too_much() {
        let now = Instant::now();
        let mut circuit = Circuit::new();
        for _ in 0..9 {
            circuit.went(true, now);
            circuit.went(false, now);
        }
        circuit.went(true, now);
        assert_eq!(circuit.gate(now), Gate::Open);
        assert!(circuit.went(false, now));

        let mut slow = Circuit::new();
        for second in 0..40 {
            let when = now + Duration::from_secs(second * 4);
            slow.went(second % 2 == 0, when);
        }
        assert!(!slow.is_open(), "spread over minutes it is not");
    }

    #[test]
    fn probes_come_after_30_60_120_240_and_then_every_300_seconds() {
        let mut now = Instant::now();
        let mut circuit = broken(now);
        let opened = now;
        for wait in [30, 60, 120, 240, 300, 300] {
            let before = now + Duration::from_secs(wait) - Duration::from_millis(1);
            assert!(matches!(circuit.gate(before), Gate::ShutUntil(_)), "{wait}");
            now += Duration::from_secs(wait);
            assert_eq!(circuit.gate(now), Gate::OneProbe);
            circuit.probe();
            assert_eq!(circuit.gate(now), Gate::ProbeOut);
            circuit.probed(Some(false), now);
        }
        circuit.probe();
        circuit.probed(Some(true), now);
        assert_eq!(circuit.gate(now), Gate::Open);
        assert_eq!(circuit.open_time(now + Duration::from_secs(9)), now - opened);
    }

    #[test]
    fn a_probe_that_was_abandoned_leaves_room_for_another() {
        let now = Instant::now();
        let mut circuit = broken(now);
        let then = now + Duration::from_secs(30);
        circuit.probe();
        circuit.probed(None, then);
        assert_eq!(circuit.gate(then), Gate::OneProbe);
    }

    #[test]
    fn what_was_sent_before_it_opened_says_nothing_any_more() {
        let now = Instant::now();
        for ok in [true, false] {
            let mut circuit = broken(now);
            assert!(!circuit.went(ok, now + Duration::from_secs(1)));
            assert_eq!(circuit.gate(now), Gate::ShutUntil(now + Duration::from_secs(30)));
            circuit.probe();
            assert!(!circuit.went(ok, now));
            assert_eq!(circuit.gate(now), Gate::ProbeOut);
        }
    }

    #[test]
    fn after_it_has_closed_failures_are_counted_anew_and_waits_begin_with_the_first() {
        let now = Instant::now();
        let mut circuit = broken(now);
        for ok in [false, true] {
            circuit.probe();
            circuit.probed(Some(ok), now);
        }
        for _ in 0..4 {
            assert!(!circuit.went(false, now));
        }
        assert!(circuit.went(false, now));
        assert_eq!(circuit.left(now), Duration::from_secs(30));
        assert_eq!(
            circuit.left(now + Duration::from_secs(29)),
            Duration::from_secs(1)
        );
    }

    #[test]
    fn the_time_it_was_open_adds_up() {
        let now = Instant::now();
        let at = |seconds| now + Duration::from_secs(seconds);
        let mut circuit = broken(now);
        assert_eq!(circuit.open_time(at(7)), Duration::from_secs(7));
        circuit.probe();
        circuit.probed(Some(true), at(30));
        for _ in 0..5 {
            circuit.went(false, at(100));
        }
        assert_eq!(circuit.open_time(at(109)), Duration::from_secs(39));
    }

    #[test]
    fn only_the_last_half_minute_and_a_thousand_outcomes_count() {
        let now = Instant::now();
        for (seconds, opens) in [(30, true), (31, false)] {
            let mut circuit = Circuit::new();
            // Ten that went well and nine that did not, in turn; one more makes it half of twenty.
            for number in 0..19 {
                assert!(!circuit.went(number % 2 == 0, now));
            }
            circuit.went(false, now + Duration::from_secs(seconds));
            assert_eq!(circuit.is_open(), opens, "{seconds}");
        }
        let mut long = Circuit::new();
        for _ in 0..3 * REMEMBERED {
            long.went(true, now);
        }
        assert_eq!(long.recent.len(), REMEMBERED);
    }
}
