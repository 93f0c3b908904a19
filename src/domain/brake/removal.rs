//! Removing an avatar because the source has no photo any more: the one thing a run does that cannot be seen afterwards.
//!
//! It takes evidence over time (`entra.md` 8.2), and then somebody's approval. A run whose plan nobody has confirmed
//! stages what it would remove; whoever approves a staged removal approves it for the state it was decided on.

use std::collections::HashMap;
use std::hash::BuildHasher;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::moment;
use crate::domain::comparison::Verdict;
use crate::domain::ids::SourceId;
use crate::domain::photo::{ChainStamp, Sha256};
use crate::domain::plan::{Absence, Change, Plan, Skip, Step};
use crate::domain::run::{Outcome, PersonRef};

/// What has been seen of somebody without a photo, in complete scans of everybody and with no photo in between.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sightings {
    /// The first time.
    pub first: Timestamp,
    /// The last time.
    pub last: Timestamp,
    /// How often.
    pub scans: u32,
}

/// How much has to be seen before an absence is acted on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EvidenceRule {
    /// In how many complete scans, at least two.
    pub scans: u32,
    /// Between the first and the last of them.
    pub apart: SignedDuration,
}

impl EvidenceRule {
    /// Whether these sightings are enough at `now`; `None` is nobody who was seen without a photo. Sightings that are
    /// still to come are of a clock that was put back since, and say nothing.
    pub fn judge(&self, sightings: Option<Sightings>, now: Timestamp) -> Absence {
        let Some(seen) = sightings.filter(|seen| seen.last <= now) else {
            return Absence::Unconfirmed(format!(
                "the absence of the photo has not been seen in a complete scan yet; the avatar is removed after {} of them, {} hours apart",
                self.least_scans(),
                self.apart.as_hours()
            ));
        };
        let is_long_enough = seen.last > seen.first && seen.last.duration_since(seen.first) >= self.apart;
        if is_long_enough && seen.scans >= self.least_scans() {
            return Absence::Confirmed;
        }
        let times = if seen.scans == 1 {
            "one complete scan".to_owned()
        } else {
            format!("{} complete scans", seen.scans)
        };
        Absence::Unconfirmed(format!(
            "the photo is absent since {} ({times}); the avatar is removed after {} scans over {} hours",
            moment(seen.first),
            self.least_scans(),
            self.apart.as_hours()
        ))
    }

    /// One sighting is none, whatever is configured.
    fn least_scans(&self) -> u32 {
        self.scans.max(2)
    }
}

/// What somebody has said about a staged removal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "decision", rename_all = "snake_case")]
pub enum Decision {
    /// Nothing yet.
    Waiting,
    /// It may be carried out, if nothing changes until then.
    Approved {
        /// When.
        at: Timestamp,
        /// The operating-system user.
        by: String,
    },
    /// The avatar stays as long as nothing changes.
    Rejected {
        /// When.
        at: Timestamp,
        /// The operating-system user.
        by: String,
    },
}

/// What somebody says about staged removals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Word {
    /// The next run may carry them out.
    Approve,
    /// The avatars stay.
    Keep,
    /// Whatever was said does not hold any more; they wait again.
    TakeBack,
}

impl Word {
    /// The decision that comes of it when this user says it at this moment.
    pub fn decision(self, at: Timestamp, by: String) -> Decision {
        match self {
            Self::Approve => Decision::Approved { at, by },
            Self::Keep => Decision::Rejected { at, by },
            Self::TakeBack => Decision::Waiting,
        }
    }

    /// True if it says something new of a removal about which this was said last.
    pub fn changes(self, decision: &Decision) -> bool {
        !matches!(
            (self, decision),
            (Self::Approve, Decision::Approved { .. })
                | (Self::Keep, Decision::Rejected { .. })
                | (Self::TakeBack, Decision::Waiting)
        )
    }

    /// What has been done about so many avatars, in one sentence.
    pub fn sentence(self, avatars: &str) -> String {
        match self {
            Self::Approve => {
                format!("{avatars} approved; the next run removes what has not changed until then")
            }
            Self::Keep => format!("{avatars} kept, as long as nothing changes"),
            Self::TakeBack => {
                format!("what was said about {avatars} is taken back; waiting for approval again")
            }
        }
    }
}

/// A removal that waits for somebody's word, or has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StagedRemoval {
    /// Whose avatar.
    pub person: PersonRef,
    /// The target's state it was decided on; an approval is for this state alone.
    pub expected: ChainStamp,
    /// SHA-256 of the avatar, where the target states it.
    pub picture: Option<Sha256>,
    /// The evidence, where it was recorded.
    pub evidence: Option<Sightings>,
    /// When it was staged.
    pub staged: Timestamp,
    /// What was said about it.
    #[serde(flatten)]
    pub decision: Decision,
}

impl StagedRemoval {
    /// True if it is about this person in this very state.
    fn is_about(&self, person: &SourceId, expected: &ChainStamp) -> bool {
        self.person.source == *person && self.expected == *expected
    }

    /// The evidence and what was said, in one sentence.
    pub fn sentence(&self) -> String {
        let evidence = match self.evidence {
            Some(seen) => format!(
                "no photo in Entra ID since {} (seen in {} complete scans)",
                moment(seen.first),
                seen.scans
            ),
            None => "no photo in Entra ID".to_owned(),
        };
        match &self.decision {
            Decision::Waiting => format!("{evidence}; waiting for approval since {}", moment(self.staged)),
            Decision::Approved { at, by } => {
                format!("{evidence}; approved by {by} on {}", moment(*at))
            }
            Decision::Rejected { at, by } => {
                format!(
                    "{evidence}; rejected by {by} on {}: the avatar stays",
                    moment(*at)
                )
            }
        }
    }
}

/// The oldest first; of one run by name.
pub fn in_order(staged: impl IntoIterator<Item = StagedRemoval>) -> Vec<StagedRemoval> {
    let mut staged: Vec<StagedRemoval> = staged.into_iter().collect();
    staged.sort_by(|one, other| {
        let key = |removal: &StagedRemoval| (removal.staged, removal.person.name.raw().to_owned());
        key(one).cmp(&key(other))
    });
    staged
}

/// Why an avatar stays although the evidence is there: somebody has said so, about this very state.
pub fn rejection<S: BuildHasher>(
    staged: &HashMap<SourceId, StagedRemoval, S>,
    person: &SourceId,
    expected: &ChainStamp,
) -> Option<String> {
    let staged = staged
        .get(person)
        .filter(|staged| staged.is_about(person, expected))?;
    match &staged.decision {
        Decision::Rejected { at, by } => Some(format!(
            "{by} has rejected the removal on {}; the avatar stays until it or the photo changes",
            moment(*at)
        )),
        Decision::Waiting | Decision::Approved { .. } => None,
    }
}

/// Takes the removals that nobody has approved out of a plan. The second part is what waits now, to be kept.
pub fn hold_back<S: BuildHasher, E: BuildHasher>(
    mut plan: Plan,
    staged: &HashMap<SourceId, StagedRemoval, S>,
    evidence: &HashMap<SourceId, Sightings, E>,
    now: Timestamp,
) -> (Plan, Vec<StagedRemoval>) {
    let mut waiting = Vec::new();
    let steps = std::mem::take(&mut plan.steps);
    for step in steps {
        let known = staged
            .get(&step.person.source)
            .filter(|known| known.is_about(&step.person.source, &step.expected));
        let is_approved = known.is_some_and(|known| matches!(known.decision, Decision::Approved { .. }));
        if step.change != Change::Remove || is_approved {
            plan.steps.push(step);
            continue;
        }
        let lapsed = staged
            .get(&step.person.source)
            .is_some_and(|known| matches!(known.decision, Decision::Approved { .. }));
        let removal = match known {
            // A rejection has been heard when the plan was made; a plan from before it still asks.
            Some(known) => known.clone(),
            None => stage(&step, evidence.get(&step.person.source).copied(), now),
        };
        plan.skips.push(Skip {
            reason: if lapsed {
                format!(
                    "the avatar has changed since its removal was approved, so it waits for another approval; {}",
                    removal.sentence()
                )
            } else {
                removal.sentence()
            },
            person: step.person,
            verdict: Verdict::OnlyInTarget,
            outcome: Outcome::Skipped,
            is_held_back: false,
        });
        waiting.push(removal);
    }
    (plan, waiting)
}

fn stage(step: &Step, evidence: Option<Sightings>, now: Timestamp) -> StagedRemoval {
    StagedRemoval {
        person: step.person.clone(),
        expected: step.expected.clone(),
        picture: step.replaces,
        evidence,
        staged: now,
        decision: Decision::Waiting,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::TargetId;
    use crate::domain::plan::PLAN_SCHEMA;

    fn hour(hour: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_hours(hour)
    }

    const A_DAY: EvidenceRule = EvidenceRule {
        scans: 2,
        apart: SignedDuration::from_hours(24),
    };

    #[test]
    fn an_absence_counts_after_enough_complete_scans_far_enough_apart() {
        let seen = |first, last, scans| {
            Some(Sightings {
                first: hour(first),
                last: hour(last),
                scans,
            })
        };
        for (sightings, is_enough) in [
            (None, false),
            (seen(0, 0, 1), false),
            (seen(0, 23, 2), false),
            (seen(0, 24, 2), true),
            (seen(0, 23, 400), false),
            (seen(0, 400, 1), false),
            (seen(24, 0, 2), false),
            (seen(0, 401, 2), false),
        ] {
            let absence = A_DAY.judge(sightings, hour(400));
            assert_eq!(
                absence == Absence::Confirmed,
                is_enough,
                "{sightings:?}: {absence:?}"
            );
        }
        let four = EvidenceRule { scans: 4, ..A_DAY };
        assert_ne!(four.judge(seen(0, 72, 3), hour(72)), Absence::Confirmed);
        assert_eq!(four.judge(seen(0, 72, 4), hour(72)), Absence::Confirmed);
    }

    #[test]
    fn one_sighting_is_never_enough_whatever_is_configured() {
        let careless = EvidenceRule {
            scans: 0,
            apart: SignedDuration::ZERO,
        };
        let once = Sightings {
            first: hour(1),
            last: hour(1),
            scans: 1,
        };
        assert_ne!(careless.judge(Some(once), hour(9)), Absence::Confirmed);
        assert_eq!(
            careless.judge(
                Some(Sightings {
                    last: hour(2),
                    scans: 2,
                    ..once
                }),
                hour(2)
            ),
            Absence::Confirmed
        );
    }

    fn state(moved: bool) -> ChainStamp {
        let stamp = if moved { "another avatar" } else { "the avatar" };
        serde_json::from_value(stamp.into()).expect("a stamp is a text")
    }

    fn person() -> PersonRef {
        PersonRef {
            name: "Ada".into(),
            upn: "ada@x.example".into(),
            mail: None,
            source: SourceId::new("1"),
            target: Some(TargetId::new("a")),
            user_name: None,
        }
    }

    fn removing() -> Plan {
        Plan {
            schema: PLAN_SCHEMA.into(),
            profile: "default".into(),
            made_at: hour(0),
            complete: true,
            in_scope: None,
            push_suspicious: false,
            steps: vec![Step {
                person: person(),
                change: Change::Remove,
                expected: state(false),
                photo: None,
                upload: None,
                replaces: None,
                reason: "no photo".into(),
            }],
            skips: vec![],
        }
    }

    fn staged(decision: Decision, moved: bool) -> HashMap<SourceId, StagedRemoval> {
        let removal = StagedRemoval {
            person: person(),
            expected: state(moved),
            picture: None,
            evidence: None,
            staged: hour(0),
            decision,
        };
        HashMap::from([(SourceId::new("1"), removal)])
    }

    fn approved() -> Decision {
        Decision::Approved {
            at: hour(3),
            by: "eve".into(),
        }
    }

    fn rejected() -> Decision {
        Decision::Rejected {
            at: hour(3),
            by: "eve".into(),
        }
    }

    fn held(staged: &HashMap<SourceId, StagedRemoval>) -> (usize, Vec<StagedRemoval>, String) {
        let (plan, waiting) = hold_back(removing(), staged, &HashMap::new(), hour(9));
        assert_eq!(plan.steps.len() + plan.skips.len(), 1, "nobody is lost");
        let reason = plan.skips.first().map(|skip| skip.reason.clone());
        (plan.steps.len(), waiting, reason.unwrap_or_default())
    }

    #[test]
    fn what_nobody_has_approved_is_staged_and_stays() {
        let (steps, waiting, reason) = held(&HashMap::new());
        assert_eq!((steps, waiting.len()), (0, 1));
        assert_eq!(waiting[0].decision, Decision::Waiting);
        assert!(reason.contains("waiting for approval"), "{reason}");
    }

    #[test]
    fn staging_again_keeps_since_when_it_waits() {
        let (_, waiting, _) = held(&staged(Decision::Waiting, false));
        assert_eq!(waiting[0].staged, hour(0));
    }

    #[test]
    fn what_is_approved_is_carried_out_in_the_state_it_was_approved_for_and_in_no_other() {
        assert_eq!(held(&staged(approved(), false)).0, 1);
        let (steps, waiting, reason) = held(&staged(approved(), true));
        assert_eq!((steps, waiting.len()), (0, 1));
        assert_eq!(waiting[0].decision, Decision::Waiting, "the approval has lapsed");
        assert_eq!(waiting[0].expected, state(false));
        assert!(reason.contains("another approval"), "{reason}");
    }

    #[test]
    fn a_rejection_holds_while_nothing_changes() {
        let rejected_here = staged(rejected(), false);
        let why = rejection(&rejected_here, &SourceId::new("1"), &state(false));
        assert!(why.is_some_and(|why| why.contains("eve")));
        assert_eq!(rejection(&rejected_here, &SourceId::new("1"), &state(true)), None);
        assert_eq!(
            rejection(&staged(approved(), false), &SourceId::new("1"), &state(false)),
            None
        );
        let (steps, waiting, _) = held(&rejected_here);
        assert_eq!((steps, &waiting[0].decision), (0, &rejected()));
    }

    #[test]
    fn a_word_says_something_new_only_where_it_was_not_said_before() {
        let decisions = [Decision::Waiting, approved(), rejected()];
        let words = [Word::TakeBack, Word::Approve, Word::Keep];
        for (spoken, word) in words.into_iter().enumerate() {
            for (known, decision) in decisions.iter().enumerate() {
                assert_eq!(word.changes(decision), spoken != known, "{word:?} {decision:?}");
            }
            assert_eq!(word.decision(hour(3), "eve".into()), decisions[spoken]);
        }
    }

    #[test]
    fn other_changes_pass() {
        let mut plan = removing();
        plan.steps[0].change = Change::Replace;
        let (plan, waiting) = hold_back(plan, &HashMap::new(), &HashMap::new(), hour(0));
        assert_eq!((plan.steps.len(), waiting.len()), (1, 0));
    }

    #[test]
    fn what_is_kept_means_the_same_when_it_is_read_again() {
        for decision in [Decision::Waiting, approved(), rejected()] {
            for removal in staged(decision, false).values() {
                let written = serde_json::to_string(removal).expect("plain");
                assert_eq!(
                    serde_json::from_str::<StagedRemoval>(&written).expect("plain"),
                    *removal
                );
            }
        }
    }
}
