//! A plan is a value: what would be done, what would not and why, and on which state of the target it was decided.
//!
//! A dry run is a plan that nobody applied; nothing below the command line knows a "dry run".

use std::collections::HashMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use super::brake::limits::{Breach, Extent, Limits};
use super::comparison::{Judgement, Verdict};
use super::ids::SourceId;
use super::photo::{ChainStamp, PhotoStamp, Sha256};
use super::run::{Outcome, PersonRef};
use super::suspicion::held_back;

/// What a run may do with a person's avatar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OverwritePolicy {
    /// The source's photo replaces whatever avatar is there.
    Overwrite,
    /// Only people without an avatar get one.
    OnlyIfEmpty,
}

/// The policies of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Whether an existing avatar may be replaced.
    pub overwrite: OverwritePolicy,
    /// Whether an avatar is removed when the source has no photo. Off unless asked for.
    pub mirror_removals: bool,
    /// Whether the same picture in other bytes is pushed too.
    pub push_same_picture: bool,
    /// Whether photos are pushed that are probably not the person's own ([`suspicion`](super::suspicion)): somebody
    /// has looked at them.
    pub push_suspicious: bool,
    /// Whether people who see the right picture get what lies behind it put in order too: a missing profile, another
    /// picture at the second record, an attachment that two columns share, a stale thumbnail.
    pub repair: bool,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            overwrite: OverwritePolicy::Overwrite,
            mirror_removals: false,
            push_same_picture: false,
            push_suspicious: false,
            repair: false,
        }
    }
}

/// What a step does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// The person has no avatar and gets one.
    Add,
    /// Another avatar is replaced.
    Replace,
    /// A damaged chain is mended, with the source's photo as the result.
    Repair,
    /// The avatar is removed, because the source has none and the policy says so.
    Remove,
}

impl Change {
    /// The words people read.
    pub fn words(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Replace => "replace",
            Self::Repair => "repair",
            Self::Remove => "remove",
        }
    }
}

/// One change we intend, and the state it was decided on. If that state has moved when its turn comes, the step is
/// stale: nothing is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Who; `target` is always known here.
    pub person: PersonRef,
    /// What.
    pub change: Change,
    /// The target's state when this was decided.
    pub expected: ChainStamp,
    /// The source's photo when this was decided, for showing.
    pub photo: Option<PhotoStamp>,
    /// SHA-256 of what would be uploaded, where its bytes have been seen.
    pub upload: Option<Sha256>,
    /// SHA-256 of the avatar that would be replaced, where the target states it.
    pub replaces: Option<Sha256>,
    /// Why, in one sentence.
    pub reason: String,
}

/// Somebody for whom nothing is done, and why. "Why was Ada not updated?" is asked more often than "what changes?".
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skip {
    /// Who.
    pub person: PersonRef,
    /// The state they are in.
    pub verdict: Verdict,
    /// How the run counts them.
    pub outcome: Outcome,
    /// Why, in one sentence.
    pub reason: String,
    /// True for somebody who would be pushed if it were confirmed that the photo is their own
    /// ([`Policy::push_suspicious`]).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_held_back: bool,
}

/// What a run would do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Version of this format: `avatar-sync/plan/1`.
    pub schema: String,
    /// The profile it was made for; applying it under another one is refused.
    pub profile: String,
    /// When it was made.
    pub made_at: Timestamp,
    /// False if a listing was cut short: then nothing is ever removed (`reliability.md` E6).
    pub complete: bool,
    /// How many people are in scope, if the plan was made after a look at everybody: what shares are of
    /// ([`Limits`]). `None` for people who were named one by one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_scope: Option<u64>,
    /// True if somebody has confirmed photos that are probably not the person's own ([`Policy::push_suspicious`]);
    /// otherwise a push looks at each photo itself, too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub push_suspicious: bool,
    /// The changes, in the order in which they are made.
    pub steps: Vec<Step>,
    /// Everybody else.
    pub skips: Vec<Skip>,
}

/// The format written and read.
pub const PLAN_SCHEMA: &str = "avatar-sync/plan/1";

/// One person as planning sees them.
pub struct Candidate {
    /// Who.
    pub person: PersonRef,
    /// How the two sides compare.
    pub judgement: Judgement,
    /// The target's state, if there is one to write to.
    pub expected: Option<ChainStamp>,
    /// The source's photo, if there is one.
    pub photo: Option<PhotoStamp>,
    /// True if the photo's bytes have been seen and are unusable, or cannot be had from this tenant at all: there is
    /// nothing to push, tonight and every night.
    pub photo_is_unusable: bool,
    /// True if a push would change anything in the target; false for damage that a push does not mend.
    pub push_would_change: bool,
    /// Why the photo is probably not the person's own, if so.
    pub suspicion: Option<String>,
    /// Why a run passes this person over for a while ([`parking`](super::brake::parking)), if it does.
    pub parked: Option<String>,
    /// SHA-256 of what would be uploaded.
    pub upload: Option<Sha256>,
    /// SHA-256 of what would be replaced.
    pub replaces: Option<Sha256>,
    /// Whether the source's lack of a photo has been seen often enough, and long enough apart, to act on it; the
    /// text says since when or why not.
    pub absence: Absence,
}

/// The evidence that a photo is really gone (`entra.md` 8.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Absence {
    /// Seen at least twice, far enough apart.
    Confirmed,
    /// Not yet; the sentence says what is missing.
    Unconfirmed(String),
}

/// Makes the plan. Pure: the same candidates and policy always give the same plan.
pub fn plan(
    candidates: Vec<Candidate>,
    policy: Policy,
    profile: &str,
    made_at: Timestamp,
    complete: bool,
) -> Plan {
    let mut steps = Vec::new();
    let mut skips = Vec::new();
    for candidate in candidates {
        let decision = decide(&candidate, policy, complete);
        let is_held_back = is_held_back(&candidate, policy, &decision);
        match decision {
            Decision::Do(..) if is_held_back => skips.push(Skip {
                person: candidate.person,
                verdict: candidate.judgement.verdict,
                outcome: Outcome::Skipped,
                reason: held_back(&candidate.suspicion.unwrap_or_default()),
                is_held_back,
            }),
            Decision::Do(..) if candidate.parked.is_some() => skips.push(Skip {
                person: candidate.person,
                verdict: candidate.judgement.verdict,
                outcome: Outcome::Skipped,
                reason: candidate.parked.unwrap_or_default(),
                is_held_back: false,
            }),
            Decision::Do(change, expected) => steps.push(Step {
                person: candidate.person,
                change,
                expected,
                photo: candidate.photo,
                upload: candidate.upload,
                replaces: candidate.replaces,
                reason: candidate.judgement.reason,
            }),
            Decision::Skip(outcome, reason) => skips.push(Skip {
                person: candidate.person,
                verdict: candidate.judgement.verdict,
                outcome,
                reason: reason.unwrap_or(candidate.judgement.reason),
                is_held_back: false,
            }),
        }
    }
    Plan {
        schema: PLAN_SCHEMA.into(),
        profile: profile.into(),
        made_at,
        complete,
        in_scope: None,
        push_suspicious: policy.push_suspicious,
        steps,
        skips,
    }
}

enum Decision {
    Do(Change, ChainStamp),
    /// With a reason of its own, or the judgement's.
    Skip(Outcome, Option<String>),
}

/// A photo that is probably not the person's own waits until somebody has said that it is.
fn is_held_back(candidate: &Candidate, policy: Policy, decision: &Decision) -> bool {
    let is_push = matches!(
        decision,
        Decision::Do(Change::Add | Change::Replace | Change::Repair, _)
    );
    is_push && candidate.suspicion.is_some() && !policy.push_suspicious
}

fn decide(candidate: &Candidate, policy: Policy, complete: bool) -> Decision {
    let Some(expected) = candidate.expected.clone() else {
        let outcome = match candidate.judgement.verdict {
            Verdict::Error => Outcome::Failed,
            _ => Outcome::Skipped,
        };
        return Decision::Skip(outcome, None);
    };
    let only_if_empty = policy.overwrite == OverwritePolicy::OnlyIfEmpty;
    let keep = || Some("has an avatar already, and the policy is to fill empty ones only".to_owned());
    match candidate.judgement.verdict {
        Verdict::InSync if policy.repair && candidate.push_would_change && !only_if_empty => {
            Decision::Do(Change::Repair, expected)
        }
        Verdict::InSync => Decision::Skip(Outcome::Unchanged, None),
        Verdict::SamePicture if policy.push_same_picture && !only_if_empty => {
            Decision::Do(Change::Replace, expected)
        }
        Verdict::SamePicture => Decision::Skip(Outcome::Unchanged, None),
        Verdict::Missing => Decision::Do(Change::Add, expected),
        Verdict::Differs if only_if_empty => Decision::Skip(Outcome::Skipped, keep()),
        Verdict::Differs => Decision::Do(Change::Replace, expected),
        Verdict::Broken if candidate.photo.is_none() => Decision::Skip(
            Outcome::NoPhoto,
            Some(format!("{}; no photo in Entra ID", candidate.judgement.reason)),
        ),
        // A state of the tenant, not a failure of the run: it would fail every night.
        Verdict::Broken if candidate.photo_is_unusable => Decision::Skip(Outcome::Skipped, None),
        Verdict::Broken if !candidate.push_would_change => Decision::Skip(
            Outcome::Unchanged,
            Some(format!("shows the right picture; {}", candidate.judgement.reason)),
        ),
        Verdict::Broken if only_if_empty && candidate.replaces.is_some() => {
            Decision::Skip(Outcome::Skipped, keep())
        }
        Verdict::Broken => Decision::Do(Change::Repair, expected),
        Verdict::OnlyInTarget if policy.mirror_removals => match &candidate.absence {
            _ if !complete => Decision::Skip(
                Outcome::NoPhoto,
                Some("nothing is removed after an incomplete listing".into()),
            ),
            Absence::Confirmed => Decision::Do(Change::Remove, expected),
            Absence::Unconfirmed(why) => Decision::Skip(Outcome::NoPhoto, Some(why.clone())),
        },
        Verdict::OnlyInTarget | Verdict::Neither => Decision::Skip(Outcome::NoPhoto, None),
        Verdict::Error if candidate.photo_is_unusable => Decision::Skip(Outcome::Skipped, None),
        Verdict::Error => Decision::Skip(Outcome::Failed, None),
        Verdict::Unmatched | Verdict::Ambiguous | Verdict::Excluded | Verdict::Undecided => {
            Decision::Skip(Outcome::Skipped, None)
        }
    }
}

/// A plan that changes more people than this wants its number typed (`reliability.md` N1).
const TYPED_COUNT: u64 = 1_000;
/// So does one that changes a larger share of everybody, in percent.
const TYPED_SHARE: u64 = 20;
/// Plans of a few people are confirmed with a plain yes whatever their share.
const TYPED_LEAST: u64 = 50;

/// The number that whoever confirms so many steps has to type, if they concern many of `everybody`.
pub(super) fn number_to_type(steps: u64, everybody: u64) -> Option<u64> {
    let is_large = steps > TYPED_COUNT || (steps > TYPED_LEAST && steps * 100 > everybody * TYPED_SHARE);
    is_large.then_some(steps)
}

impl Plan {
    /// The number that whoever confirms this plan has to type, if it changes many of `everybody` (`reliability.md` N1).
    pub fn number_to_type(&self, everybody: u64) -> Option<u64> {
        number_to_type(self.steps.len() as u64, everybody)
    }

    /// Leaves out whoever has been changed in the target since an earlier plan was made: what that plan has not seen is
    /// not overwritten (`reliability.md` N3). Whoever was not in it stays, and whoever was and is as before.
    pub fn drop_changed_since(&mut self, earlier: &Self) {
        let seen: HashMap<&SourceId, &ChainStamp> = earlier
            .steps
            .iter()
            .map(|step| (&step.person.source, &step.expected))
            .collect();
        let has_changed = |step: &Step| {
            seen.get(&step.person.source)
                .is_some_and(|expected| **expected != step.expected)
        };
        let (changed, steps) = std::mem::take(&mut self.steps)
            .into_iter()
            .partition::<Vec<Step>, _>(has_changed);
        self.steps = steps;
        self.skips.extend(changed.into_iter().map(|step| Skip {
            person: step.person,
            verdict: match step.change {
                Change::Add => Verdict::Missing,
                Change::Replace => Verdict::Differs,
                Change::Repair => Verdict::Broken,
                Change::Remove => Verdict::OnlyInTarget,
            },
            outcome: Outcome::ChangedMeanwhile,
            reason: "in ServiceNow, after the plan was made; it stays".into(),
            is_held_back: false,
        }));
    }

    /// Everybody the plan speaks of.
    pub fn selected(&self) -> u64 {
        (self.steps.len() + self.skips.len()) as u64
    }

    /// How many steps make this change.
    pub fn count(&self, change: Change) -> u64 {
        self.steps.iter().filter(|step| step.change == change).count() as u64
    }

    /// Refuses a plan outside its limits; run again just before it is applied.
    pub fn check(&self, limits: &Limits) -> Result<(), Breach> {
        limits.check(Extent {
            changes: self.steps.len() as u64,
            removals: self.count(Change::Remove),
            in_scope: self.in_scope,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::TargetId;

    fn candidate(verdict: Verdict) -> Candidate {
        let paired = !matches!(
            verdict,
            Verdict::Unmatched | Verdict::Ambiguous | Verdict::Excluded
        );
        let has_photo = matches!(
            verdict,
            Verdict::InSync | Verdict::SamePicture | Verdict::Differs | Verdict::Missing | Verdict::Broken
        );
        Candidate {
            person: PersonRef {
                name: "Ada".into(),
                upn: "ada@x.example".into(),
                mail: None,
                source: SourceId::new("1"),
                target: paired.then(|| TargetId::new("a")),
                user_name: None,
            },
            judgement: Judgement {
                verdict,
                reason: "because".into(),
            },
            expected: paired.then(stamp),
            photo: has_photo.then(|| PhotoStamp {
                etag: None,
                width: 1,
                height: 1,
                content_type: "image/jpeg".into(),
            }),
            photo_is_unusable: false,
            push_would_change: true,
            suspicion: None,
            parked: None,
            upload: None,
            replaces: matches!(verdict, Verdict::Differs | Verdict::SamePicture).then(|| Sha256::of(b"old")),
            absence: Absence::Confirmed,
        }
    }

    fn stamp() -> ChainStamp {
        crate::domain::photo::AvatarChain {
            records: vec![],
            served: None,
            findings: vec![],
        }
        .stamp()
    }

    fn planned(candidate: Candidate, policy: Policy, complete: bool) -> Result<Change, Outcome> {
        let made = plan(
            vec![candidate],
            policy,
            "default",
            Timestamp::UNIX_EPOCH,
            complete,
        );
        match made.steps.first() {
            Some(step) => Ok(step.change),
            None => Err(made.skips[0].outcome),
        }
    }

    #[test]
    fn by_default_what_is_missing_wrong_or_damaged_is_pushed_and_the_rest_has_a_reason() {
        for (verdict, expected) in [
            (Verdict::Missing, Ok(Change::Add)),
            (Verdict::Differs, Ok(Change::Replace)),
            (Verdict::Broken, Ok(Change::Repair)),
            (Verdict::InSync, Err(Outcome::Unchanged)),
            (Verdict::SamePicture, Err(Outcome::Unchanged)),
            (Verdict::OnlyInTarget, Err(Outcome::NoPhoto)),
            (Verdict::Neither, Err(Outcome::NoPhoto)),
            (Verdict::Unmatched, Err(Outcome::Skipped)),
            (Verdict::Ambiguous, Err(Outcome::Skipped)),
            (Verdict::Excluded, Err(Outcome::Skipped)),
            (Verdict::Undecided, Err(Outcome::Skipped)),
            (Verdict::Error, Err(Outcome::Failed)),
        ] {
            assert_eq!(
                planned(candidate(verdict), Policy::default(), true),
                expected,
                "{verdict:?}"
            );
        }
    }

    #[test]
    fn only_if_empty_never_replaces() {
        let policy = Policy {
            overwrite: OverwritePolicy::OnlyIfEmpty,
            push_same_picture: true,
            ..Policy::default()
        };
        assert_eq!(
            planned(candidate(Verdict::Missing), policy, true),
            Ok(Change::Add)
        );
        for verdict in [Verdict::Differs, Verdict::SamePicture] {
            assert!(planned(candidate(verdict), policy, true).is_err(), "{verdict:?}");
        }
    }

    #[test]
    fn nothing_is_removed_unless_asked_for_complete_and_confirmed() {
        let mirror = Policy {
            mirror_removals: true,
            ..Policy::default()
        };
        let unconfirmed = || Candidate {
            absence: Absence::Unconfirmed("seen once".into()),
            ..candidate(Verdict::OnlyInTarget)
        };
        assert_eq!(
            planned(candidate(Verdict::OnlyInTarget), mirror, true),
            Ok(Change::Remove)
        );
        assert_eq!(
            planned(candidate(Verdict::OnlyInTarget), mirror, false),
            Err(Outcome::NoPhoto)
        );
        assert_eq!(planned(unconfirmed(), mirror, true), Err(Outcome::NoPhoto));
        assert_eq!(
            planned(candidate(Verdict::OnlyInTarget), Policy::default(), true),
            Err(Outcome::NoPhoto)
        );
    }

    #[test]
    fn a_suspicious_photo_waits_until_somebody_has_confirmed_it() {
        let confirmed = Policy {
            push_suspicious: true,
            mirror_removals: true,
            ..Policy::default()
        };
        let unconfirmed = Policy {
            push_suspicious: false,
            ..confirmed
        };
        let suspicious = |verdict| Candidate {
            suspicion: Some("the photo is blank".into()),
            ..candidate(verdict)
        };
        for verdict in [Verdict::Missing, Verdict::Differs, Verdict::Broken] {
            let made = plan(
                vec![suspicious(verdict)],
                unconfirmed,
                "default",
                Timestamp::UNIX_EPOCH,
                true,
            );
            let [skip] = &made.skips[..] else {
                panic!("{verdict:?}")
            };
            assert!(skip.is_held_back && skip.outcome == Outcome::Skipped);
            assert!(skip.reason.contains("the photo is blank"), "{}", skip.reason);
            assert!(
                planned(suspicious(verdict), confirmed, true).is_ok(),
                "{verdict:?}"
            );
        }
        // Nothing is pushed, so nothing waits.
        assert_eq!(
            planned(suspicious(Verdict::InSync), unconfirmed, true),
            Err(Outcome::Unchanged)
        );
        assert_eq!(
            planned(suspicious(Verdict::OnlyInTarget), unconfirmed, true),
            Ok(Change::Remove)
        );
    }

    #[test]
    fn somebody_parked_is_skipped_with_the_reason_and_only_if_there_was_something_to_do() {
        let parked = |verdict| Candidate {
            parked: Some("parked: has failed in 3 runs".into()),
            ..candidate(verdict)
        };
        let mirror = Policy {
            mirror_removals: true,
            ..Policy::default()
        };
        for verdict in [
            Verdict::Missing,
            Verdict::Differs,
            Verdict::Broken,
            Verdict::OnlyInTarget,
        ] {
            let made = plan(
                vec![parked(verdict)],
                mirror,
                "default",
                Timestamp::UNIX_EPOCH,
                true,
            );
            let [skip] = &made.skips[..] else {
                panic!("{verdict:?}")
            };
            assert_eq!((skip.outcome, skip.verdict), (Outcome::Skipped, verdict));
            assert!(skip.reason.contains("3 runs"), "{}", skip.reason);
        }
        assert_eq!(
            planned(parked(Verdict::InSync), mirror, true),
            Err(Outcome::Unchanged)
        );
    }

    #[test]
    fn damage_without_a_usable_photo_is_left_alone() {
        let no_photo = Candidate {
            photo: None,
            ..candidate(Verdict::Broken)
        };
        assert_eq!(planned(no_photo, Policy::default(), true), Err(Outcome::NoPhoto));
        let cut = Candidate {
            photo_is_unusable: true,
            ..candidate(Verdict::Broken)
        };
        assert_eq!(planned(cut, Policy::default(), true), Err(Outcome::Skipped));
        let beyond_us = Candidate {
            push_would_change: false,
            ..candidate(Verdict::Broken)
        };
        assert_eq!(
            planned(beyond_us, Policy::default(), true),
            Err(Outcome::Unchanged)
        );
    }

    #[test]
    fn the_number_of_a_large_plan_has_to_be_typed() {
        let cases = [
            // Steps, everybody, whether a plain yes is enough.
            (1, 1, true),
            (50, 50, true),
            (51, 100, false),
            (51, 255, true),
            (51, 254, false),
            (200, 1_000, true),
            (201, 1_000, false),
            (1_000, 100_000, true),
            (1_001, 100_000, false),
            (300_000, 300_000, false),
        ];
        for (steps, everybody, is_plain) in cases {
            let wanted = (!is_plain).then_some(steps);
            assert_eq!(number_to_type(steps, everybody), wanted, "{steps} of {everybody}");
        }
        crate::tried("N1", cases.len());
    }

    #[test]
    fn a_plan_outside_its_limits_is_refused_with_the_figures() {
        let all = vec![candidate(Verdict::Missing), candidate(Verdict::OnlyInTarget)];
        let mirror = Policy {
            mirror_removals: true,
            ..Policy::default()
        };
        let made = plan(all, mirror, "default", Timestamp::UNIX_EPOCH, true);
        let check = |max_changes, max_removals| {
            made.check(&Limits {
                max_changes,
                max_removals,
                ..Limits::NONE
            })
        };
        assert_eq!(check(None, None), Ok(()));
        assert_eq!(check(Some(2), Some(1)), Ok(()));
        assert_eq!(
            check(Some(1), None),
            Err(Breach::Changes { planned: 2, limit: 1 })
        );
        assert_eq!(
            check(None, Some(0)),
            Err(Breach::Removals { planned: 1, limit: 0 })
        );
    }

    #[test]
    fn a_plan_made_again_leaves_out_whoever_was_changed_since_the_one_before() {
        let of =
            |people: Vec<Candidate>| plan(people, Policy::default(), "default", Timestamp::UNIX_EPOCH, true);
        let named = |name: &str, state: ChainStamp| {
            let mut somebody = candidate(Verdict::Differs);
            somebody.person.source = SourceId::new(name);
            somebody.expected = Some(state);
            somebody
        };
        let moved = || {
            crate::domain::photo::AvatarChain {
                records: vec![crate::domain::photo::AvatarRecord {
                    place: crate::domain::photo::Place::LIVE_PROFILE,
                    id: crate::domain::ids::RecordId::new("r"),
                    column: crate::domain::photo::Column::Empty,
                    pictures: vec![],
                }],
                served: None,
                findings: vec![],
            }
            .stamp()
        };
        let before = of(vec![named("as before", stamp()), named("changed", stamp())]);
        let mut now = of(vec![
            named("as before", stamp()),
            named("changed", moved()),
            named("new", moved()),
        ]);
        now.drop_changed_since(&before);
        let steps: Vec<&str> = now.steps.iter().map(|step| step.person.source.as_str()).collect();
        assert_eq!(steps, ["as before", "new"]);
        assert_eq!(now.skips[0].outcome, Outcome::ChangedMeanwhile);
        assert_eq!(now.selected(), 3, "nobody is lost");
    }
}
