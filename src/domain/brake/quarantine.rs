//! A profile whose runs keep failing slows down: what fails every time is not mended by trying it more often, and it
//! costs the services and the people who read the reports.
//!
//! ```text
//! failing runs in a row   1   2   3    4    5    6    7     8 …
//! waits afterwards        -   -   1 h  2 h  4 h  8 h  16 h  24 h
//! ```
//!
//! The provisioning service of Entra ID widens to once a day and gives up after four weeks (`provisioning.md` 11.2). This
//! one goes on once a day: nothing that was once mended stays off because nobody looked for a month. One run that
//! succeeds ends it.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::moment;
use crate::domain::run::{StopReason, Summary};

/// So many failing runs in a row begin a quarantine.
pub const FAILING_RUNS: u32 = 3;
/// The first wait.
const FIRST_WAIT: SignedDuration = SignedDuration::from_hours(1);
/// The longest wait.
pub const LONGEST_WAIT: SignedDuration = SignedDuration::from_hours(24);
/// A run in which so many people fail and nobody succeeds has failed as a whole; fewer are their own failures
/// (`provisioning.md` 11.2).
const ALL_OF_AT_LEAST: u64 = 20;

/// How a full run ended, as a quarantine sees it. Whatever says nothing about the next run has no word here: somebody
/// cancelled, the disk was full, another process was writing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunEnd {
    /// It was carried out, though people may have failed.
    Succeeded,
    /// A brake, a refused sign-in, a service out of reach, or nobody who succeeded; in one sentence.
    Failed(String),
}

impl RunEnd {
    /// How a run that began has ended; `None` if that says nothing.
    pub fn of(summary: &Summary, stopped: Option<&StopReason>) -> Option<Self> {
        match stopped {
            Some(StopReason::Cancelled | StopReason::Storage(_)) => None,
            Some(StopReason::Brake(why) | StopReason::Refused { message: why, .. }) => {
                Some(Self::Failed(why.clone()))
            }
            None if summary.failed >= ALL_OF_AT_LEAST && summary.updated + summary.removed == 0 => {
                Some(Self::Failed(format!("all {} people failed", summary.failed)))
            }
            None => Some(Self::Succeeded),
        }
    }
}

/// What is known of a profile's runs: events in, state out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conduct {
    /// Runs that failed since the last one that succeeded.
    failures: u32,
    /// When the quarantine began.
    since: Option<Timestamp>,
    /// When the last of them failed.
    last: Option<Timestamp>,
    /// Why.
    why: String,
}

impl Conduct {
    /// The state after a full run has ended.
    #[must_use]
    pub fn after(self, end: &RunEnd, at: Timestamp) -> Self {
        match end {
            RunEnd::Succeeded => Self::default(),
            RunEnd::Failed(why) => {
                let failures = self.failures.saturating_add(1);
                Self {
                    failures,
                    since: self.since.or((failures >= FAILING_RUNS).then_some(at)),
                    last: Some(at),
                    why: why.clone(),
                }
            }
        }
    }

    /// The quarantine, if the profile is in one.
    pub fn quarantine(&self) -> Option<Quarantine> {
        let (since, last) = self.since.zip(self.last)?;
        Some(Quarantine {
            since,
            failures: self.failures,
            last,
            why: self.why.clone(),
            next: last.checked_add(wait(self.failures)).unwrap_or(Timestamp::MAX),
        })
    }
}

/// How long nobody tries after so many failures in a row.
fn wait(failures: u32) -> SignedDuration {
    let doublings = failures.saturating_sub(FAILING_RUNS).min(16);
    (FIRST_WAIT * (1 << doublings)).min(LONGEST_WAIT)
}

/// A profile that has slowed down: scheduled runs wait until `next`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Quarantine {
    /// When it began.
    pub since: Timestamp,
    /// How many runs have failed in a row.
    pub failures: u32,
    /// When the last one failed.
    pub last: Timestamp,
    /// Why it failed, in one sentence.
    pub why: String,
    /// When the next scheduled run may try.
    pub next: Timestamp,
}

impl Quarantine {
    /// True if a scheduled run may try now. A clock that stands before the last failure has been put back, and what it
    /// would have us wait for says nothing.
    pub fn allows(&self, now: Timestamp) -> bool {
        now >= self.next || now < self.last
    }

    /// Why, since when, and what now.
    pub fn sentence(&self) -> String {
        format!(
            "in quarantine since {}: {} runs in a row have failed, the last at {} ({}); scheduled runs wait until {}",
            moment(self.since),
            self.failures,
            moment(self.last),
            self.why,
            moment(self.next)
        )
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(hour: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_hours(hour)
    }

    fn failed() -> RunEnd {
        RunEnd::Failed("sign-in was refused".into())
    }

    fn after_failures(count: u32) -> Conduct {
        (0..count).fold(Conduct::default(), |conduct, hour| {
            conduct.after(&failed(), at(i64::from(hour)))
        })
    }

    #[test]
    fn three_failing_runs_in_a_row_begin_it_and_each_further_one_doubles_the_wait_up_to_a_day() {
        assert_eq!(after_failures(2).quarantine(), None);
        for (failures, hours) in [
            (3, 1),
            (4, 2),
            (5, 4),
            (6, 8),
            (7, 16),
            (8, 24),
            (9, 24),
            (400, 24),
        ] {
            let quarantine = after_failures(failures).quarantine().expect("a quarantine");
            assert_eq!(
                quarantine.next.duration_since(quarantine.last),
                SignedDuration::from_hours(hours),
                "{failures}"
            );
            assert_eq!(quarantine.since, at(2), "it began with the third");
        }
    }

    #[test]
    fn one_run_that_succeeds_ends_it() {
        let conduct = after_failures(9).after(&RunEnd::Succeeded, at(99));
        assert_eq!(conduct, Conduct::default());
        assert_eq!(
            conduct.after(&failed(), at(100)).quarantine(),
            None,
            "it counts anew"
        );
    }

    #[test]
    fn its_sentence_says_why_since_when_and_until_when() {
        let sentence = after_failures(4).quarantine().expect("a quarantine").sentence();
        for part in [
            "since 1970-01-01 02:00 UTC",
            "4 runs",
            "sign-in was refused",
            "until 1970-01-01 05:00 UTC",
        ] {
            assert!(sentence.contains(part), "{part} in {sentence}");
        }
    }

    #[test]
    fn only_what_says_something_about_the_next_run_counts() {
        let of = |failed, updated, stopped: Option<StopReason>| {
            let summary = Summary {
                selected: failed + updated,
                failed,
                updated,
                ..Summary::default()
            };
            RunEnd::of(&summary, stopped.as_ref())
        };
        assert_eq!(of(0, 0, None), Some(RunEnd::Succeeded));
        assert_eq!(of(19, 0, None), Some(RunEnd::Succeeded), "people of their own");
        assert_eq!(of(20, 1, None), Some(RunEnd::Succeeded));
        assert!(matches!(of(20, 0, None), Some(RunEnd::Failed(_))));
        assert_eq!(of(30, 0, Some(StopReason::Cancelled)), None);
        assert_eq!(of(0, 0, Some(StopReason::Storage("full".into()))), None);
        assert_eq!(
            of(
                0,
                9,
                Some(StopReason::Brake("50 of the last 100 people failed".into()))
            ),
            Some(RunEnd::Failed("50 of the last 100 people failed".into()))
        );
        let refused = StopReason::Refused {
            is_access: true,
            message: "expired".into(),
        };
        assert_eq!(of(1, 0, Some(refused)), Some(RunEnd::Failed("expired".into())));
    }

    /// Runs that end somehow after some minutes, with a clock that may be put back.
    fn histories() -> impl Strategy<Value = Vec<(bool, i64)>> {
        prop::collection::vec((prop::bool::weighted(0.8), -3_000_i64..6_000), 0..60)
    }

    fn replay(history: &[(bool, i64)]) -> (Conduct, Timestamp) {
        history.iter().fold(
            (Conduct::default(), at(1_000_000)),
            |(conduct, now), (fails, minutes)| {
                let now = now + SignedDuration::from_mins(*minutes);
                let end = if *fails { failed() } else { RunEnd::Succeeded };
                (conduct.after(&end, now), now)
            },
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn it_is_never_stuck(history in histories(), look in -100_000_i64..100_000) {
            let (conduct, now) = replay(&history);
            if let Some(quarantine) = conduct.quarantine() {
                // Whatever the clock says, a day later at the latest somebody tries.
                let some_time = now + SignedDuration::from_mins(look);
                let a_day_later = some_time + LONGEST_WAIT;
                prop_assert!(quarantine.allows(some_time) || quarantine.allows(a_day_later));
            }
        }

        #[test]
        fn one_success_releases_it_whatever_went_before(history in histories()) {
            let (conduct, now) = replay(&history);
            prop_assert_eq!(conduct.after(&RunEnd::Succeeded, now).quarantine(), None);
        }

        #[test]
        fn intervals_never_shrink_while_runs_fail(history in histories(), more in 1_usize..30) {
            let (mut conduct, mut now) = replay(&history);
            let mut before = SignedDuration::ZERO;
            for _ in 0..more {
                conduct = conduct.after(&failed(), now);
                let interval = conduct
                    .quarantine()
                    .map_or(SignedDuration::ZERO, |quarantine| quarantine.next.duration_since(quarantine.last));
                prop_assert!(interval >= before && interval <= LONGEST_WAIT);
                before = interval;
                now += interval;
            }
        }

        #[test]
        fn it_begins_only_with_three_failures_in_a_row(history in histories()) {
            let (conduct, _) = replay(&history);
            let in_a_row = history.iter().rev().take_while(|(fails, _)| *fails).count();
            prop_assert_eq!(conduct.quarantine().is_some(), in_a_row >= FAILING_RUNS as usize);
        }

        #[test]
        fn what_is_kept_means_the_same_when_it_is_read_again(history in histories()) {
            let (conduct, _) = replay(&history);
            let written = serde_json::to_string(&conduct).expect("plain");
            prop_assert_eq!(serde_json::from_str::<Conduct>(&written).expect("plain"), conduct);
        }
    }
}
