//! The one door for both faces: discover, pair, load, compare, plan, apply, verify, record.
//!
//! The engine knows `domain`, the traits of `connector` and `store`. It never names a service, prints, or sees a key.
//!
//! ```text
//! scan      listings of both sides ─► scope, pairing ─► stamps ┐
//!                                                   └► chains ─┴► what is remembered ─► settle ─► judge
//! find      PERSON argument ─► one person of the source, looked up on both sides
//! planning  a scan ─► a plan; pure but for the sightings of absences
//! look      a few people anew, with both pictures, for the screen
//! explain   one person ─► why their picture is what it is
//! pictures  both sides' bytes of one person
//! brakes    what is remembered between runs: quarantine, parked people, staged removals
//! apply     a plan ─► push by push, with brakes; the order of a push is in `push`
//! clean     litter ─► a plan of what can go without anybody seeing a difference
//! undo      a run of the journal ─► a plan that takes it back
//! tidy      such a plan, carried out
//! recover   what an interrupted run has left ─► finished or taken back
//! resume    what is left of a run that was cut short ─► a plan made anew
//! past      the pictures of what was done before
//! check     harmless probes
//! ```

mod apply;
mod brakes;
mod check;
mod clean;
mod decoding;
mod explain;
mod find;
mod history;
mod load;
mod look;
mod memory;
mod packed;
mod past;
mod pictures;
mod planning;
mod push;
mod recover;
mod resume;
mod roster;
mod scan;
mod settle;
mod thumbnails;
mod tidy;
mod undo;

#[cfg(test)]
pub(crate) mod fakes;
#[cfg(test)]
mod stories;

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::connector::{AvatarTarget, ConnectorError, ErrorKind, LaneState, PauseReason, PhotoSource};
use crate::domain::comparison::{Content, Judgement, SourceContent};
use crate::domain::listing::{Listed, Particulars};
use crate::domain::pairing::{Ambiguity, MatchRule};
use crate::domain::person::{SourcePerson, TargetPerson};
use crate::domain::photo::{AvatarChain, SourcePhoto};
use crate::domain::plan::Policy;
use crate::domain::run::PersonRef;
use crate::domain::scope::{Exclusion, OptOut};
use crate::domain::suspicion::{Face, Faces, Suspicions};
use crate::store::Store;

pub use apply::{ApplyError, RunControl, RunReport};
pub use brakes::{Removals, Staging};
pub use find::{FindError, Found, FoundCandidate};
pub use look::Look;
pub use past::{PastFace, PastFaces};
pub use pictures::{SidePicture, SidePictures};
pub use planning::Candidates;
pub use recover::RecoverError;
pub use resume::{Outstanding, ResumeError, Resumption};
pub use scan::{Ignore, ScanEvent, ScanObserver};
pub use undo::UndoError;

/// The lane that everything waits in while there is no room on the disk.
pub const DISK: &str = "disk";

/// Tells the time; a test brings its own.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Everything that can be done, for one source, one target and one store.
///
/// Share it behind an `Arc`; every method takes `&self`, and any of their futures may be dropped.
pub struct Engine {
    source: Arc<dyn PhotoSource>,
    target: Arc<dyn AvatarTarget>,
    store: Arc<Store>,
    settings: EngineSettings,
    clock: Clock,
    decoding: decoding::Decoding,
    account: String,
    pace: push::Pace,
}

impl Engine {
    /// Puts the parts together; nothing is asked yet.
    pub fn new(
        source: Arc<dyn PhotoSource>,
        target: Arc<dyn AvatarTarget>,
        store: Arc<Store>,
        settings: EngineSettings,
    ) -> Self {
        Self {
            source,
            target,
            store,
            settings,
            clock: Arc::new(Timestamp::now),
            decoding: decoding::Decoding::new(),
            account: String::new(),
            pace: push::Pace::USUAL,
        }
    }

    /// The same engine, naming the account in the target for the audit trail.
    #[must_use]
    pub fn with_account(mut self, account: impl Into<String>) -> Self {
        self.account = account.into();
        self
    }

    /// The same engine with another clock.
    #[must_use]
    pub fn with_clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// The same engine, which hardly waits for rules and scans of the target.
    #[cfg(test)]
    fn impatient(mut self) -> Self {
        self.pace = push::Pace::IMPATIENT;
        self
    }

    /// What the engine was told.
    pub fn settings(&self) -> &EngineSettings {
        &self.settings
    }

    /// How the traffic to both services is doing right now, the source's lanes first; and the disk, while it keeps
    /// everything waiting.
    pub fn lanes(&self) -> Vec<LaneState> {
        let mut lanes = self.source.lanes();
        lanes.extend(self.target.lanes());
        lanes.extend(self.store.without_room().map(|remaining| LaneState {
            name: DISK,
            in_flight: 0,
            limit: 0,
            waiting: 0,
            paused: Some((remaining, PauseReason::DiskFull)),
            requests: 0,
            retries: 0,
            throttled: 0,
        }));
        lanes
    }

    /// What was found odd while the store was opened, and who else writes under this profile; in sentences.
    pub fn notes(&self) -> Vec<String> {
        let mut notes = self.store.notes().to_vec();
        notes.extend(self.store.other_writer().map(|holder| {
            format!("{holder} is writing under this profile; what it has under way is seen as it is now")
        }));
        notes
    }

    fn now(&self) -> Timestamp {
        (self.clock)()
    }

    /// The calendar day where this program runs: what an administrator means by "until 1 March".
    fn today(&self) -> Date {
        self.now().to_zoned(TimeZone::system()).date()
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine")
            .field("source", &self.source.name())
            .field("target", &self.target.name())
            .field("profile", &self.settings.profile)
            .finish_non_exhaustive()
    }
}

/// Why the engine could not do what was asked. What concerns one person is never here but in that person's verdict.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// A service refused or could not be reached, in a way that leaves nothing to go on with.
    #[error(transparent)]
    Connector(#[from] ConnectorError),
    /// A group of the scope could not be read. Going on would include people who are to be left out.
    #[error("the members of group \"{group}\" could not be read, so it is not known who is in scope")]
    Group {
        /// The group as configured.
        group: String,
        /// Why.
        #[source]
        source: ConnectorError,
    },
    /// A PERSON argument does not name exactly one person.
    #[error(transparent)]
    Find(#[from] FindError),
    /// Somebody asked to stop.
    #[error("stopped before the scan was finished")]
    Cancelled,
}

impl EngineError {
    /// What the service's failure means, where a service failed.
    pub fn kind(&self) -> Option<&ErrorKind> {
        match self {
            Self::Connector(error)
            | Self::Group { source: error, .. }
            | Self::Find(FindError::Connector(error)) => Some(&error.kind),
            Self::Find(_) | Self::Cancelled => None,
        }
    }

    /// True if sign-in failed or a right is missing (exit code 5).
    pub fn is_access(&self) -> bool {
        self.kind().is_some_and(is_access)
    }

    /// What to do next, where we know.
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Connector(error)
            | Self::Group { source: error, .. }
            | Self::Find(FindError::Connector(error)) => error.hint.as_deref(),
            Self::Find(_) | Self::Cancelled => None,
        }
    }
}

/// True if the failure is about credentials or rights.
fn is_access(kind: &ErrorKind) -> bool {
    matches!(kind, ErrorKind::SignInRejected | ErrorKind::NotAllowed { .. })
}

/// An error with its whole chain of causes, on one line.
pub(crate) fn in_words(error: &(dyn std::error::Error + 'static)) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let text = inner.to_string();
        // Wrappers often repeat their cause.
        if !words.ends_with(&text) {
            words.push_str(": ");
            words.push_str(&text);
        }
        cause = inner.source();
    }
    words
}

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
    /// How far apart the first and the last sighting of an absence must be before an avatar is removed.
    pub absence_hours: u32,
    /// In how many complete scans an absence must have been seen; two at least, whatever is set.
    pub absence_scans: u32,
    /// Whether a run that nobody confirms removes only what somebody has approved.
    pub removals_need_approval: bool,
    /// How many pushes are under way at once; the gates decide how many requests that means.
    pub pushes_in_flight: usize,
    /// The longest side of a converted picture, in pixels.
    pub picture_side: u32,
}

impl EngineSettings {
    /// The settings of a profile that says nothing: everybody but guests and disabled accounts, the usual rules.
    pub fn usual(profile: impl Into<String>) -> Self {
        Self {
            profile: profile.into(),
            rules: MatchRule::DEFAULT_ORDER.to_vec(),
            guests: false,
            disabled: false,
            include_groups: Vec::new(),
            exclude_groups: Vec::new(),
            opt_outs: Vec::new(),
            policy: Policy::default(),
            absence_hours: 24,
            absence_scans: 2,
            removals_need_approval: true,
            pushes_in_flight: 8,
            picture_side: 360,
        }
    }
}

/// How deep a scan looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Stamps and hashes alone, with what is remembered of bytes seen before; what they cannot settle is *undecided*.
    Stamps,
    /// Downloads whatever is needed to settle *undecided*: all that a run has to know. A photo that is *missing* in
    /// the target is not looked at, because its push downloads it anyway.
    Settled,
    /// Looks at the missing photos too, so that *missing* is told from *broken* and from *no photo*.
    Deep,
}

/// People as one scan saw them, with everything that is known of each.
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
    /// Whose photo is probably not their own, and why.
    pub suspicions: Suspicions,
}

/// Takes the people of a scan and decides what is kept of them.
///
/// They come one after the other, so that a scan of hundreds of thousands never holds them all.
pub trait ScanSink: Send + 'static {
    /// Takes somebody who has been judged. `position` is their place in the source's order: people come in that order,
    /// but those whose pictures have to be downloaded come last, in whatever order they are settled.
    fn take(&mut self, position: u32, person: PersonState);
}

/// Nothing is kept beyond what every scan keeps: [`Scanned`].
impl ScanSink for () {
    fn take(&mut self, _: u32, _: PersonState) {}
}

/// What every scan of everybody brings, whatever else is kept.
#[derive(Clone, Debug)]
pub struct Scanned {
    /// Everybody in one compact block, with when it was and whether a listing was cut short.
    pub listed: Listed,
    /// What went wrong without ending the scan, in words.
    pub problems: Vec<String>,
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
    /// What a listing is told about this person.
    pub fn particulars(&self) -> Particulars<'_> {
        Particulars {
            target: self.target().map(|target| (&target.id, &target.user_name)),
            verdict: self.judgement.verdict,
            reason: &self.judgement.reason,
            ..Particulars::of(&self.source)
        }
    }

    /// What the wrong-face guard is told about this person: the pictures whose bytes have been seen.
    pub fn faces(&self) -> Faces {
        let face = |content: &Content| match content {
            Content::Sound(facts) => Some(Face::of(&facts.fingerprint)),
            Content::Unseen | Content::Unsound(_) => None,
        };
        Faces {
            source: face(&self.content.original),
            target: face(&self.displayed),
        }
    }

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
