//! Stops a run in which too much goes wrong (`reliability.md` 3): twenty people in a row who are refused for want of a
//! right, or fifty failures among the last hundred people who had their turn.

use std::collections::{HashMap, VecDeque};

use crate::domain::run::{Outcome, StopReason};

/// Missing rights in a row that stop a run.
pub const DENIED_IN_A_ROW: usize = 20;
/// Of so many people in a row …
pub const WINDOW: usize = 100;
/// … so many failures stop a run.
pub const FAILED_IN_WINDOW: usize = 50;

/// Counts how the people of a run end.
#[derive(Debug, Default)]
pub struct FailureBrake {
    denied_in_a_row: usize,
    /// The last people: how each failed, or `None` for whoever did not.
    last: VecDeque<Option<Failed>>,
}

#[derive(Debug)]
struct Failed {
    cause: String,
    is_denied: bool,
}

impl FailureBrake {
    /// Counts somebody and answers a reason to stop. `detail` says in words how they ended, `denied` names the right
    /// that was missing.
    pub fn count(&mut self, outcome: Outcome, detail: &str, denied: Option<&str>) -> Option<StopReason> {
        // Whoever was left alone had no turn.
        if matches!(outcome, Outcome::Skipped | Outcome::NoPhoto) {
            return None;
        }
        self.denied_in_a_row = if denied.is_some() {
            self.denied_in_a_row + 1
        } else {
            0
        };
        self.last.push_back((outcome == Outcome::Failed).then(|| Failed {
            cause: cause(detail),
            is_denied: denied.is_some(),
        }));
        if self.last.len() > WINDOW {
            self.last.pop_front();
        }
        let failures = self.last.iter().flatten().count();
        let denials = self
            .last
            .iter()
            .flatten()
            .filter(|failed| failed.is_denied)
            .count();
        if let Some(needs) = denied {
            let figures = if self.denied_in_a_row >= DENIED_IN_A_ROW {
                format!("{DENIED_IN_A_ROW} people in a row were refused")
            } else if denials >= FAILED_IN_WINDOW {
                format!("{denials} of the last {} people were refused", self.last.len())
            } else {
                return self.brake(failures);
            };
            return Some(StopReason::Refused {
                is_access: true,
                message: format!("{figures}; the account needs {needs}"),
            });
        }
        self.brake(failures)
    }

    fn brake(&self, failures: usize) -> Option<StopReason> {
        if failures < FAILED_IN_WINDOW {
            return None;
        }
        let mut sentence = format!("{failures} of the last {} people failed", self.last.len());
        if let Some((cause, count)) = self.most_frequent() {
            sentence = if count == failures {
                format!("{sentence}: {cause}")
            } else {
                format!("{sentence}, most often ({count} times): {cause}")
            };
        }
        Some(StopReason::Brake(sentence))
    }

    /// The most frequent cause; of equally frequent ones the latest, which is what somebody would meet next.
    fn most_frequent(&self) -> Option<(&str, usize)> {
        let mut counts: HashMap<&str, (usize, usize)> = HashMap::new();
        for (position, failed) in self.last.iter().enumerate() {
            if let Some(failed) = failed {
                let (count, last) = counts.entry(&failed.cause).or_default();
                *count += 1;
                *last = position;
            }
        }
        counts
            .into_iter()
            .max_by_key(|(_, count_and_last)| *count_and_last)
            .map(|(cause, (count, _))| (cause, count))
    }
}

/// A failure's words without what is one person's or one request's own, so that the same cause reads the same: words
/// with two digits or more (ids, sizes, times) but for a status such as 403.
fn cause(detail: &str) -> String {
    let words = detail.split_whitespace().map(|word| {
        let core = word.trim_matches(|character: char| !character.is_alphanumeric());
        let digits = core.bytes().filter(u8::is_ascii_digit).count();
        let is_status = core.len() == 3 && digits == 3 && core.starts_with(['4', '5']);
        if digits >= 2 && !is_status { "…" } else { word }
    });
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fail(brake: &mut FailureBrake, detail: &str) -> Option<StopReason> {
        brake.count(Outcome::Failed, detail, None)
    }

    fn deny(brake: &mut FailureBrake) -> Option<StopReason> {
        brake.count(Outcome::Failed, "refused", Some("the role avatar_writer"))
    }

    fn fine(brake: &mut FailureBrake) -> Option<StopReason> {
        brake.count(Outcome::Updated, "stored", None)
    }

    #[test]
    fn fifty_failures_among_the_last_hundred_people_pull_the_brake() {
        let mut brake = FailureBrake::default();
        for number in 0..49 {
            assert_eq!(fail(&mut brake, "too large"), None, "{number}");
            assert_eq!(fine(&mut brake), None, "{number}");
        }
        let reason = fail(&mut brake, "too large");
        assert_eq!(
            reason,
            Some(StopReason::Brake(
                "50 of the last 99 people failed: too large".into()
            ))
        );
    }

    #[test]
    fn a_run_that_fails_from_the_start_is_stopped_without_waiting_for_a_hundred() {
        let mut brake = FailureBrake::default();
        for _ in 0..49 {
            assert_eq!(fail(&mut brake, "too large"), None);
        }
        assert!(fail(&mut brake, "too large").is_some());
    }

    #[test]
    fn forty_nine_of_every_hundred_go_on_for_ever() {
        let mut brake = FailureBrake::default();
        for number in 0..2_000 {
            let reason = if number % 100 < 49 {
                fail(&mut brake, "too large")
            } else {
                fine(&mut brake)
            };
            assert_eq!(reason, None, "{number}");
        }
    }

    #[test]
    fn the_most_frequent_cause_is_named_whatever_ids_are_in_it() {
        let mut brake = FailureBrake::default();
        let mut reason = None;
        for number in 0..50 {
            reason = if number % 3 == 0 {
                fail(&mut brake, "ServiceNow answered 403 to a delete")
            } else {
                fail(
                    &mut brake,
                    &format!("row 6f2a{number:04} of 12{number:03} bytes is gone"),
                )
            };
        }
        let Some(StopReason::Brake(sentence)) = reason else {
            panic!("{reason:?}")
        };
        assert_eq!(
            sentence,
            "50 of the last 50 people failed, most often (33 times): row … of … bytes is gone"
        );
    }

    #[test]
    fn twenty_refusals_in_a_row_name_the_missing_right() {
        let mut brake = FailureBrake::default();
        for _ in 0..19 {
            assert_eq!(deny(&mut brake), None);
            assert_eq!(
                brake.count(Outcome::Skipped, "opted out", None),
                None,
                "whoever had no turn counts for nothing"
            );
        }
        assert_eq!(fine(&mut brake), None, "it was not for want of a right");
        for _ in 0..19 {
            assert_eq!(deny(&mut brake), None);
        }
        let Some(StopReason::Refused {
            is_access: true,
            message,
        }) = deny(&mut brake)
        else {
            panic!("twenty in a row stop the run")
        };
        assert!(
            message.contains("20 people") && message.contains("avatar_writer"),
            "{message}"
        );
    }

    #[test]
    fn refusals_for_half_of_the_people_name_the_right_too() {
        let mut brake = FailureBrake::default();
        let mut reason = None;
        for _ in 0..50 {
            assert_eq!(reason, None);
            assert_eq!(fine(&mut brake), None);
            reason = deny(&mut brake);
        }
        assert!(
            matches!(&reason, Some(StopReason::Refused { is_access: true, message }) if message.contains("50 of the last 100")),
            "{reason:?}"
        );
    }
}
