//! From a scan to a plan.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};

use super::push::aim::{self, Learned, Wanted};
use super::{Engine, PersonState, Scan};
use crate::connector::AvatarTarget;
use crate::domain::comparison::{Content, Verdict};
use crate::domain::ids::SourceId;
use crate::domain::photo::{AvatarChain, Finding, Sha256, SourcePhoto, StoredPicture};
use crate::domain::picture::PictureProblem;
use crate::domain::plan::{Absence, Candidate, Plan, Policy, plan};

impl Engine {
    /// What a run would do with these people. Asks no service and writes nothing.
    ///
    /// Whoever is still *undecided* is skipped, so make plans from scans of [`Depth::Settled`](super::Depth::Settled)
    /// or deeper.
    pub async fn plan(&self, scan: &Scan) -> Plan {
        self.plan_by(scan, self.settings.policy).await
    }

    /// The same under another policy.
    pub(super) async fn plan_by(&self, scan: &Scan, policy: Policy) -> Plan {
        let absences = self.absences(scan).await;
        let candidates = scan
            .people
            .iter()
            .map(|state| self.candidate(state, absences.of(state, scan.scanned_at), policy))
            .collect();
        plan(
            candidates,
            policy,
            &self.settings.profile,
            self.now(),
            scan.complete,
        )
    }

    fn candidate(&self, state: &PersonState, absence: Absence, policy: Policy) -> Candidate {
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
            .is_some_and(|chain| push_would_change(self.target.as_ref(), chain, upload, &state.displayed));
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
            absence,
        }
    }

    /// Since when the people who would lose their avatar have been seen without a photo.
    async fn absences(&self, scan: &Scan) -> Absences {
        if !self.settings.policy.mirror_removals {
            return Absences::NotAsked;
        }
        let people: Vec<SourceId> = scan
            .people
            .iter()
            .filter(|state| state.judgement.verdict == Verdict::OnlyInTarget)
            .map(|state| state.source.id.clone())
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
    fn of(&self, state: &PersonState, now: Timestamp) -> Absence {
        match self {
            Self::NotAsked => Absence::Unconfirmed("removing avatars is not switched on".into()),
            Self::Unknown(why) => Absence::Unconfirmed(format!(
                "whether the photo was absent before cannot be read, so the avatar stays: {why}"
            )),
            Self::Known { since, apart } => {
                let Some(first) = since.get(&state.source.id) else {
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
