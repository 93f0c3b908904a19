//! From a scan to a plan.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;

use super::push::aim::{self, Learned, Wanted};
use super::{Engine, PersonState, Scan, ScanSink};
use crate::connector::AvatarTarget;
use crate::domain::brake::parking::Situation;
use crate::domain::brake::removal::{EvidenceRule, Sightings, StagedRemoval, rejection};
use crate::domain::comparison::{Content, Verdict};
use crate::domain::ids::SourceId;
use crate::domain::photo::{AvatarChain, Finding, Sha256, SourcePhoto, StoredPicture};
use crate::domain::picture::PictureProblem;
use crate::domain::plan::{Absence, Candidate, Plan, Policy, plan};
use crate::domain::suspicion::Suspicions;

impl Engine {
    /// What a run would do with these people. Asks no service and writes nothing. Whoever is named is tried, even if
    /// runs pass them over for a while.
    ///
    /// Whoever is still *undecided* is skipped, so make plans from scans of [`Depth::Settled`](super::Depth::Settled)
    /// or deeper.
    pub async fn plan(&self, scan: &Scan) -> Plan {
        self.plan_by(scan, self.settings.policy).await
    }

    /// The same, and photos that are probably not the person's own are pushed too: somebody has confirmed them.
    pub async fn plan_confirmed(&self, scan: &Scan) -> Plan {
        self.plan_by(
            scan,
            Policy {
                push_suspicious: true,
                ..self.settings.policy
            },
        )
        .await
    }

    /// The same under another policy.
    pub(super) async fn plan_by(&self, scan: &Scan, policy: Policy) -> Plan {
        let mut candidates = Candidates {
            policy,
            ..self.candidates().even_parked()
        };
        for (position, state) in (0..).zip(&scan.people) {
            candidates.consider(position, state);
        }
        self.plan_for(candidates, scan.scanned_at, scan.complete, &scan.suspicions)
            .await
    }

    /// For [`Engine::scan_into`]: keeps of everybody what a plan needs, which is a fraction.
    pub fn candidates(&self) -> Candidates {
        Candidates {
            target: Arc::clone(&self.target),
            policy: self.settings.policy,
            only: None,
            passes_over_parked: true,
            in_scope: None,
            people: Vec::new(),
        }
    }

    /// What a run would do with these people; see [`Engine::plan`].
    pub async fn plan_for(
        &self,
        candidates: Candidates,
        scanned_at: Timestamp,
        complete: bool,
        suspicions: &Suspicions,
    ) -> Plan {
        let Candidates {
            policy,
            passes_over_parked,
            in_scope,
            mut people,
            ..
        } = candidates;
        people.sort_by_key(|(position, _)| *position);
        let mut people: Vec<Candidate> = people.into_iter().map(|(_, candidate)| candidate).collect();
        let absences = self.absences(policy).await;
        for candidate in people.iter_mut().filter(|candidate| may_be_removed(candidate)) {
            absences.judge(candidate, scanned_at);
        }
        for candidate in &mut people {
            candidate.suspicion = suspicions.of(&candidate.person.source).map(str::to_owned);
        }
        if passes_over_parked {
            self.pass_over_parked(&mut people).await;
        }
        Plan {
            in_scope,
            ..plan(people, policy, &self.settings.profile, self.now(), complete)
        }
    }

    /// Notes who has failed in run after run and is not to be tried today.
    async fn pass_over_parked(&self, people: &mut [Candidate]) {
        let failing = match self.store.standing().failing().await {
            Ok(failing) => failing,
            Err(error) => {
                // Whoever is tried once more than need be costs requests and nothing else.
                tracing::warn!(error = error.sentence(), "who keeps failing cannot be read");
                return;
            }
        };
        let now = self.now();
        if failing.is_empty() {
            return;
        }
        for candidate in people {
            if let Some(series) = failing.get(&candidate.person.source)
                && let Some(expected) = &candidate.expected
            {
                let situation = Situation {
                    photo: candidate.photo.clone(),
                    expected: expected.clone(),
                };
                candidate.parked = series.parked_in(&situation, now).map(|parked| parked.sentence());
            }
        }
    }

    /// What has been seen of people without a photo, and what somebody has said about removing their avatars.
    async fn absences(&self, policy: Policy) -> Absences {
        if !policy.mirror_removals {
            return Absences::NotAsked;
        }
        let standing = self.store.standing();
        match tokio::try_join!(standing.absences(), standing.staged_removals()) {
            Ok((seen, staged)) => Absences::Known {
                seen,
                staged,
                rule: self.evidence_rule(),
            },
            Err(error) => Absences::Unknown(error.sentence()),
        }
    }
}

/// What a plan needs of everybody who was handed on.
pub struct Candidates {
    target: Arc<dyn AvatarTarget>,
    policy: Policy,
    /// Nobody else, if set.
    only: Option<HashSet<SourceId>>,
    passes_over_parked: bool,
    /// How many of everybody are in scope, once anybody has been handed on.
    in_scope: Option<u64>,
    people: Vec<(u32, Candidate)>,
}

impl Candidates {
    /// Of these people and nobody else.
    #[must_use]
    pub fn only(mut self, people: impl IntoIterator<Item = SourceId>) -> Self {
        self.only = Some(people.into_iter().collect());
        self
    }

    /// Photos that are probably not the person's own are pushed too: somebody has confirmed them.
    #[must_use]
    pub fn confirmed(mut self) -> Self {
        self.policy.push_suspicious = true;
        self
    }

    /// Whoever keeps failing is tried, too.
    #[must_use]
    pub fn even_parked(mut self) -> Self {
        self.passes_over_parked = false;
        self
    }

    /// What lies behind a right picture is put in order too ([`Policy::repair`]).
    pub(super) fn repairing(mut self) -> Self {
        self.policy.repair = true;
        self
    }

    fn consider(&mut self, position: u32, state: &PersonState) {
        if self
            .only
            .as_ref()
            .is_none_or(|only| only.contains(&state.source.id))
        {
            let candidate = candidate(self.target.as_ref(), state, self.policy);
            self.people.push((position, candidate));
        }
    }
}

impl ScanSink for Candidates {
    fn take(&mut self, position: u32, person: PersonState) {
        let is_in_scope = person.judgement.verdict != Verdict::Excluded;
        *self.in_scope.get_or_insert(0) += u64::from(is_in_scope);
        self.consider(position, &person);
    }
}

impl fmt::Debug for Candidates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Candidates")
            .field("people", &self.people.len())
            .finish_non_exhaustive()
    }
}

fn may_be_removed(candidate: &Candidate) -> bool {
    candidate.judgement.verdict == Verdict::OnlyInTarget
}

fn candidate(target: &dyn AvatarTarget, state: &PersonState, policy: Policy) -> Candidate {
    let photo = match (&state.photo, &state.content.original) {
        // One pixel is the source's way to say "no photo".
        (_, Content::Unsound(PictureProblem::Placeholder)) => None,
        (SourcePhoto::Present(stamp), _) => Some(stamp.clone()),
        _ => None,
    };
    let upload = state.content.upload_hash();
    let push_would_change = state
        .chain
        .as_ref()
        .is_some_and(|chain| push_would_change(target, chain, upload, &state.displayed));
    let mut judgement = state.judgement.clone();
    if let Some(chain) = &state.chain
        && policy.repair
        && push_would_change
        && judgement.verdict == Verdict::InSync
    {
        judgement.reason = format!("the right picture is shown; to mend: {}", to_mend(chain));
    }
    Candidate {
        person: state.reference(),
        judgement,
        expected: state.chain.as_ref().map(AvatarChain::stamp),
        photo_is_unusable: matches!(state.photo, SourcePhoto::OutOfReach(_))
            || photo.is_some() && matches!(state.content.original, Content::Unsound(_)),
        photo,
        push_would_change,
        upload,
        replaces: state.chain.as_ref().and_then(|chain| {
            let hash = chain.served_picture()?.sha256;
            hash.or_else(|| hash_of(&state.displayed))
        }),
        // Known once everybody has been seen, both.
        suspicion: None,
        parked: None,
        absence: Absence::Unconfirmed(String::new()),
    }
}

/// The evidence for everybody.
enum Absences {
    /// Nothing is removed, so it does not matter.
    NotAsked,
    /// What has been seen, and what was said about it.
    Known {
        seen: HashMap<SourceId, Sightings>,
        staged: HashMap<SourceId, StagedRemoval>,
        rule: EvidenceRule,
    },
    /// It cannot be read, in words.
    Unknown(String),
}

impl Absences {
    /// Whether somebody's avatar may go, with the evidence in the reason.
    fn judge(&self, candidate: &mut Candidate, now: Timestamp) {
        let Candidate {
            person,
            judgement,
            expected,
            absence,
            ..
        } = candidate;
        *absence = match self {
            Self::NotAsked => Absence::Unconfirmed("removing avatars is not switched on".into()),
            Self::Unknown(why) => Absence::Unconfirmed(format!(
                "whether the photo was absent before cannot be read, so the avatar stays: {why}"
            )),
            Self::Known { seen, staged, rule } => {
                let seen = seen.get(&person.source).copied();
                let rejected = expected
                    .as_ref()
                    .and_then(|expected| rejection(staged, &person.source, expected));
                match (rule.judge(seen, now), rejected) {
                    (Absence::Confirmed, Some(why)) => Absence::Unconfirmed(why),
                    (absence, _) => {
                        if let (Absence::Confirmed, Some(seen)) = (&absence, seen) {
                            judgement.reason = format!(
                                "{}; absent since {} in {} complete scans",
                                judgement.reason,
                                seen.first.strftime("%Y-%m-%d %H:%M UTC"),
                                seen.scans
                            );
                        }
                        absence
                    }
                }
            }
        };
    }
}

fn hash_of(content: &Content) -> Option<Sha256> {
    match content {
        Content::Sound(facts) => Some(facts.sha256),
        Content::Unseen | Content::Unsound(_) => None,
    }
}

/// What lies behind the right picture and is not as it should be, in words.
fn to_mend(chain: &AvatarChain) -> String {
    let words: Vec<&str> = [
        (Finding::NoProfile, "no live_profile record"),
        (Finding::Split, "the other record holds another picture"),
        (Finding::SharedPicture, "two columns name one attachment"),
        (Finding::StaleThumbnail, "a stale thumbnail"),
    ]
    .into_iter()
    .filter_map(|(finding, words)| chain.has(finding).then_some(words))
    .collect();
    if words.is_empty() {
        "not every record holds the picture".to_owned()
    } else {
        words.join(", ")
    }
}

/// True if a push of `upload` would create, upload, delete or set anything: the push itself says so.
///
/// `displayed` tells the hash of the served row where the target states none.
fn push_would_change(
    target: &dyn AvatarTarget,
    chain: &AvatarChain,
    upload: Option<Sha256>,
    displayed: &Content,
) -> bool {
    let Some(sha256) = upload else { return true };
    if chain.has(Finding::StaleThumbnail) {
        return true;
    }
    let learned: Learned = chain
        .served
        .as_ref()
        .zip(hash_of(displayed))
        .map(|(served, hash)| (served.picture.clone(), hash))
        .into_iter()
        .collect();
    let rows = || chain.records.iter().flat_map(|record| &record.pictures);
    let holds_it =
        |row: &&StoredPicture| row.sha256.or_else(|| learned.get(&row.id).copied()) == Some(sha256);
    // What is nowhere in the chain has to be uploaded.
    let Some(bytes) = rows().find(holds_it).map(|row| row.bytes) else {
        return true;
    };
    let places = target.places_to_write(chain);
    let aims = aim::aims(chain, &places, Wanted { sha256, bytes }, &learned);
    !aim::is_reached(chain, &aims, |place, column, picture| {
        target.column_to_set(place, column, picture)
    })
}
