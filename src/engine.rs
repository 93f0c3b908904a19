//! The one door for both faces: discover, pair, load, compare, plan, apply, verify, record.
//!
//! The engine knows `domain`, the traits of `connector` and `store`. It never names a service, prints, or sees a key.

use jiff::Timestamp;

use crate::domain::comparison::{Content, Judgement, SourceContent};

use crate::domain::pairing::{Ambiguity, MatchRule};
use crate::domain::person::{SourcePerson, TargetPerson};
use crate::domain::photo::{AvatarChain, SourcePhoto};
use crate::domain::plan::Policy;
use crate::domain::run::PersonRef;
use crate::domain::scope::{Exclusion, OptOut};

/// What the engine is told once; see the configuration for meanings and defaults.
#[derive(Clone, Debug)]
pub struct EngineSettings {
    /// Name of the profile, for journal and plans.
    pub profile: String,
    /// Match rules in the order in which they are tried.
    pub rules: Vec<MatchRule>,
    /// Consider guests.
    pub guests: bool,
    /// Consider accounts whose sign-in is disabled.
    pub disabled: bool,
    /// Only members of these groups (ids or names); empty is everybody.
    pub include_groups: Vec<String>,
    /// Never members of these groups.
    pub exclude_groups: Vec<String>,
    /// People who do not want to be synchronised.
    pub opt_outs: Vec<OptOut>,
    /// What a run may do.
    pub policy: Policy,
    /// How far apart two sightings of an absence must be before an avatar is removed.
    pub absence_hours: u32,
    /// How many pushes are under way at once; the gates decide how many requests that means.
    pub pushes_in_flight: usize,
    /// The longest side of a converted picture, in pixels.
    pub picture_side: u32,
}

/// How deep a scan looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Stamps and hashes alone; what they cannot settle is *undecided*.
    Stamps,
    /// Downloads whatever is needed to settle *undecided*.
    Deep,
}

/// Everybody, as one scan saw them.
#[derive(Clone, Debug)]
pub struct Scan {
    /// When it was finished.
    pub scanned_at: Timestamp,
    /// False if a listing was cut short; the reasons are in `problems`.
    pub complete: bool,
    /// What went wrong without ending the scan, in words.
    pub problems: Vec<String>,
    /// One entry per source person, in the source's order.
    pub people: Vec<PersonState>,
    /// Target people in scope whom no source person matches.
    pub target_only: u64,
}

/// What is known about one person.
#[derive(Clone, Debug)]
pub struct PersonState {
    /// As the source knows them.
    pub source: SourcePerson,
    /// Who they are in the target.
    pub standing: Standing,
    /// Their photo in the source.
    pub photo: SourcePhoto,
    /// What is known about its bytes.
    pub content: SourceContent,
    /// Their avatar in the target; `None` when not read.
    pub chain: Option<AvatarChain>,
    /// What is known about the bytes of the displayed avatar.
    pub displayed: Content,
    /// The verdict and its reason.
    pub judgement: Judgement,
}

/// Who a source person is in the target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// One person.
    Paired {
        /// Who.
        target: TargetPerson,
        /// By which rule.
        rule: MatchRule,
    },
    /// Nobody.
    Unmatched,
    /// Several might be meant.
    Ambiguous {
        /// Why.
        ambiguity: Ambiguity,
        /// The candidates, as far as they were listed.
        candidates: Vec<TargetPerson>,
    },
    /// Out of scope.
    Excluded(Exclusion),
}

impl PersonState {
    /// The target person, if there is exactly one.
    pub fn target(&self) -> Option<&TargetPerson> {
        match &self.standing {
            Standing::Paired { target, .. } => Some(target),
            _ => None,
        }
    }

    /// How reports name this person.
    pub fn reference(&self) -> PersonRef {
        PersonRef {
            name: self.source.name.clone(),
            upn: self.source.principal.clone(),
            mail: self.source.mail.clone(),
            source: self.source.id.clone(),
            target: self.target().map(|target| target.id.clone()),
            user_name: self.target().map(|target| target.user_name.clone()),
        }
    }
}
