//! Somebody who fails in run after run is tried more and more rarely, so that one broken record does not cost every run
//! its requests and every report its attention.
//!
//! ```text
//! failing runs   1   2   3      4       5       6       7        8 …
//! parked for     -   -   1 day  2 days  4 days  8 days  16 days  30 days
//! ```
//!
//! Only failures that are the person's own count, in runs that were not stopped: a service that throttles, a network
//! that is down and a right that everybody misses say nothing about one person. Another photo or another state of the
//! target is a new situation, and what is parked is tried at once.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::moment;
use crate::domain::ids::RunId;
use crate::domain::photo::{ChainStamp, PhotoStamp};
use crate::domain::run::PersonRef;

/// So many failing runs park somebody.
pub const FAILING_RUNS: u32 = 3;
/// The longest time somebody is parked for, in days.
const MOST_DAYS: i64 = 30;

/// What a step was decided on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Situation {
    /// The source's photo.
    pub photo: Option<PhotoStamp>,
    /// The target's state.
    pub expected: ChainStamp,
}

/// One failure of one person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Who.
    pub person: PersonRef,
    /// In which run.
    pub run: RunId,
    /// When.
    pub at: Timestamp,
    /// Why, in words.
    pub why: String,
    /// What was tried on what.
    pub situation: Situation,
}

/// How often somebody has failed in the same situation; what the store keeps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailureSeries {
    person: PersonRef,
    failures: u32,
    first: Timestamp,
    last: Timestamp,
    run: RunId,
    why: String,
    situation: Situation,
}

impl FailureSeries {
    /// The series after a failure: it goes on if nothing has changed since, and begins anew otherwise.
    pub fn after(before: Option<Self>, failure: Failure) -> Self {
        let before = before.filter(|before| before.situation == failure.situation);
        let (failures, first) = match &before {
            // A run counts once.
            Some(before) if before.run == failure.run => (before.failures, before.first),
            Some(before) => (before.failures.saturating_add(1), before.first),
            None => (1, failure.at),
        };
        Self {
            person: failure.person,
            failures,
            first,
            last: failure.at,
            run: failure.run,
            why: failure.why,
            situation: failure.situation,
        }
    }

    /// Who.
    pub fn person(&self) -> &PersonRef {
        &self.person
    }

    /// When it went wrong last.
    pub fn last(&self) -> Timestamp {
        self.last
    }

    /// How the person is parked, if they have failed often enough.
    pub fn parked(&self) -> Option<Parked> {
        let doublings = self.failures.checked_sub(FAILING_RUNS)?.min(16);
        let wait = SignedDuration::from_hours(24 * (1_i64 << doublings).min(MOST_DAYS));
        Some(Parked {
            person: self.person.clone(),
            failures: self.failures,
            since: self.first,
            last: self.last,
            until: self.last.checked_add(wait).unwrap_or(Timestamp::MAX),
            why: self.why.clone(),
        })
    }

    /// The same, if nothing has changed since and the time is not over.
    pub fn parked_in(&self, situation: &Situation, now: Timestamp) -> Option<Parked> {
        self.parked()
            .filter(|parked| self.situation == *situation && parked.is_in_force(now))
    }
}

/// Somebody whom runs pass over for a while.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Parked {
    /// Who.
    pub person: PersonRef,
    /// In how many runs they have failed.
    pub failures: u32,
    /// When they failed first.
    pub since: Timestamp,
    /// When they failed last.
    pub last: Timestamp,
    /// When they are tried again.
    pub until: Timestamp,
    /// Why they failed last, in words.
    pub why: String,
}

impl Parked {
    /// True while runs pass them over. A clock that stands before the last failure has been put back.
    pub fn is_in_force(&self, now: Timestamp) -> bool {
        (self.last..self.until).contains(&now)
    }

    /// Since when, why, and when they are tried again.
    pub fn sentence(&self) -> String {
        format!(
            "parked: has failed in {} runs since {} ({}); tried again after {}, or as soon as the photo or the avatar changes",
            self.failures,
            moment(self.since),
            self.why,
            moment(self.until)
        )
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::ids::{SourceId, TargetId};
    use crate::domain::photo::AvatarChain;

    fn day(day: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_hours(24 * day)
    }

    fn situation(etag: &str) -> Situation {
        Situation {
            photo: Some(PhotoStamp {
                etag: Some(etag.into()),
                width: 360,
                height: 360,
                content_type: "image/jpeg".into(),
            }),
            expected: AvatarChain {
                records: vec![],
                served: None,
                findings: vec![],
            }
            .stamp(),
        }
    }

    fn failure(run: i64, etag: &str) -> Failure {
        Failure {
            person: PersonRef {
                name: "Ada".into(),
                upn: "ada@x.example".into(),
                mail: None,
                source: SourceId::new("1"),
                target: Some(TargetId::new("a")),
                user_name: None,
            },
            run: RunId::new(format!("run-{run}")),
            at: day(run),
            why: "the photo did not pass the virus scan".into(),
            situation: situation(etag),
        }
    }

    fn series(runs: std::ops::Range<i64>) -> FailureSeries {
        runs.fold(None, |series, run| {
            Some(FailureSeries::after(series, failure(run, "a")))
        })
        .expect("at least one")
    }

    #[test]
    fn the_third_failing_run_parks_for_a_day_and_each_further_one_for_twice_as_long() {
        assert_eq!(series(0..2).parked(), None);
        for (runs, days) in [
            (3, 1),
            (4, 2),
            (5, 4),
            (6, 8),
            (7, 16),
            (8, 30),
            (9, 30),
            (200, 30),
        ] {
            let parked = series(0..runs).parked().expect("parked");
            assert_eq!(
                parked.until.duration_since(parked.last),
                SignedDuration::from_hours(24 * days),
                "{runs}"
            );
            assert_eq!((parked.since, parked.failures), (day(0), runs as u32));
        }
    }

    #[test]
    fn a_run_counts_once_however_often_somebody_fails_in_it() {
        let mut series = series(0..2);
        for _ in 0..5 {
            series = FailureSeries::after(Some(series), failure(1, "a"));
        }
        assert_eq!(series.parked(), None);
    }

    #[test]
    fn another_photo_or_another_state_of_the_target_is_a_new_situation() {
        let parked = series(0..3);
        let soon = day(2) + SignedDuration::from_hours(1);
        assert!(parked.parked_in(&situation("a"), soon).is_some());
        assert_eq!(parked.parked_in(&situation("b"), soon), None);
        let no_photo = Situation {
            photo: None,
            ..situation("a")
        };
        assert_eq!(parked.parked_in(&no_photo, soon), None);
        let anew = FailureSeries::after(Some(parked), failure(3, "b"));
        assert_eq!(anew.parked(), None, "it counts anew");
    }

    #[test]
    fn the_sentence_says_since_when_why_and_when_it_is_tried_again() {
        let sentence = series(0..3).parked().expect("parked").sentence();
        for part in ["3 runs", "since 1970-01-01", "virus scan", "after 1970-01-04"] {
            assert!(sentence.contains(part), "{part} in {sentence}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn nobody_is_passed_over_for_longer_than_thirty_days_whatever_the_clock_says(
            runs in 1_i64..80, hours in -20_000_i64..20_000,
        ) {
            if let Some(parked) = series(0..runs).parked() {
                let now = parked.last + SignedDuration::from_hours(hours);
                let later = now + SignedDuration::from_hours(24 * MOST_DAYS);
                prop_assert!(!parked.is_in_force(now) || !parked.is_in_force(later));
            }
        }

        #[test]
        fn what_is_kept_means_the_same_when_it_is_read_again(runs in 1_i64..9) {
            let series = series(0..runs);
            let written = serde_json::to_string(&series).expect("plain");
            prop_assert_eq!(serde_json::from_str::<FailureSeries>(&written).expect("plain"), series);
        }
    }
}
