//! From a scan to a plan.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::push::aim::{self, Learned, Wanted};
use super::{Engine, PersonState, Scan, ScanSink};
use crate::connector::AvatarTarget;
use crate::domain::comparison::{Content, Verdict};
use crate::domain::ids::SourceId;
use crate::domain::photo::{AvatarChain, Finding, Sha256, SourcePhoto, StoredPicture};
use crate::domain::picture::PictureProblem;
use crate::domain::plan::{Absence, Candidate, Plan, Policy, plan};
use crate::domain::suspicion::Suspicions;

impl Engine {
    /// What a run would do with these people. Asks no service and writes nothing.
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
            ..self.candidates()
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
        let policy = candidates.policy;
        let mut people = candidates.people;
        people.sort_by_key(|(position, _)| *position);
        let mut people: Vec<Candidate> = people.into_iter().map(|(_, candidate)| candidate).collect();
        let absences = self.absences(&people).await;
        for candidate in people.iter_mut().filter(|candidate| may_be_removed(candidate)) {
            candidate.absence = absences.of(&candidate.person.source, scanned_at);
        }
        for candidate in &mut people {
            candidate.suspicion = suspicions.of(&candidate.person.source).map(str::to_owned);
        }
        plan(people, policy, &self.settings.profile, self.now(), complete)
    }

    /// Since when the people who would lose their avatar have been seen without a photo.
    async fn absences(&self, people: &[Candidate]) -> Absences {
        if !self.settings.policy.mirror_removals {
            return Absences::NotAsked;
        }
        let people: Vec<SourceId> = people
            .iter()
            .filter(|candidate| may_be_removed(candidate))
            .map(|candidate| candidate.person.source.clone())
            .collect();
        match self.first_sightings(&people).await {
            Ok(since) => Absences::Known {
                since,
                apart: SignedDuration::from_hours(i64::from(self.settings.absence_hours)),
            },
            Err(why) => Absences::Unknown(why),
        }
    }
}

/// What a plan needs of everybody who was handed on.
pub struct Candidates {
    target: Arc<dyn AvatarTarget>,
    policy: Policy,
    /// Nobody else, if set.
    only: Option<HashSet<SourceId>>,
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
    /// Since when each person's photo has been seen to be absent, without a sighting of a photo in between.
    Known {
        since: HashMap<SourceId, Timestamp>,
        apart: SignedDuration,
    },
    /// It cannot be read, in words.
    Unknown(String),
}

impl Absences {
    fn of(&self, person: &SourceId, now: Timestamp) -> Absence {
        match self {
            Self::NotAsked => Absence::Unconfirmed("removing avatars is not switched on".into()),
            Self::Unknown(why) => Absence::Unconfirmed(format!(
                "whether the photo was absent before cannot be read, so the avatar stays: {why}"
            )),
            Self::Known { since, apart } => {
                let Some(first) = since.get(person) else {
                    return Absence::Unconfirmed(format!(
                        "the photo is seen to be absent for the first time; the avatar is removed if that is so in {} hours",
                        apart.as_hours()
                    ));
                };
                if now.duration_since(*first) >= *apart && now > *first {
                    Absence::Confirmed
                } else {
                    Absence::Unconfirmed(format!(
                        "the photo has been absent since {} only; the avatar is removed after {} hours",
                        first.strftime("%Y-%m-%d %H:%M UTC"),
                        apart.as_hours()
                    ))
                }
            }
        }
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
