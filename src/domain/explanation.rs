//! Why somebody's picture is what it is: five steps from one side to the other, each with what was seen, a verdict in
//! one sentence and the next command to try, and one deciding [`Cause`] for all of them.
//!
//! Everything in here is ready to be shown: texts from outside have passed [`clean`](super::text::clean). The chain is a
//! value of its own, the [`Xray`], from which both a drawing in characters and a screen with pictures are made.

mod cause;
mod derive;
mod exposure;
mod facts;
mod steps;
mod xray;

pub use cause::Cause;
pub use exposure::staleness;
pub use facts::{Action, Facts, OurDeed, OurWrite, Preview, SeenBefore, Whereabouts};
pub use xray::{Author, Link, LinkColumn, LinkPicture, LinkThumbnail, Served, Staleness, Xray};

use jiff::Timestamp;
use serde::Serialize;

use super::comparison::Judgement;
use super::ids::{SourceId, TargetId};
use super::text::RemoteText;

/// The answer to "why is this person's picture what it is?".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// Who.
    pub person: Explained,
    /// When both sides were looked at.
    pub looked_at: Timestamp,
    /// The verdict, as a status would give it; `None` for somebody whom a status does not list, because the source
    /// does not have them.
    pub judgement: Option<Judgement>,
    /// What decides.
    pub cause: Cause,
    /// What else was seen, the weightiest first, without `cause`.
    pub also: Vec<Cause>,
    /// What decides, as a sentence about this person, without a full stop.
    pub summary: String,
    /// The command to try next, if one helps.
    pub next: Option<String>,
    /// The five steps, in the order of [`StepKind::ALL`].
    pub steps: Vec<ExplainedStep>,
    /// What a push would do now.
    pub push: Preview,
    /// The chain in the target; `None` if nobody was matched or it could not be read.
    pub xray: Option<Xray>,
}

impl Explanation {
    /// Makes the explanation. Pure: the same facts always give the same one.
    pub fn of(facts: &Facts) -> Self {
        let xray = facts.anatomy().map(|anatomy| exposure::expose(facts, anatomy));
        let causes = derive::causes(facts, xray.as_ref());
        let cause = causes
            .iter()
            .copied()
            .find(|cause| cause.can_decide())
            .unwrap_or(Cause::NothingWrong);
        let also = causes.into_iter().filter(|other| *other != cause).collect();
        let steps = steps::steps(facts, xray.as_ref(), cause);
        Self {
            person: facts.explained(),
            looked_at: facts.now,
            judgement: facts.judgement.clone(),
            cause,
            also,
            summary: derive::summary(facts, xray.as_ref(), cause),
            next: derive::next(facts, cause),
            steps,
            push: facts.preview.clone(),
            xray,
        }
    }

    /// One of the five steps.
    pub fn step(&self, kind: StepKind) -> Option<&ExplainedStep> {
        self.steps.iter().find(|step| step.kind == kind)
    }

    /// The first step that is not all right: where a reader starts.
    pub fn first_trouble(&self) -> Option<&ExplainedStep> {
        [StepState::Broken, StepState::Unknown, StepState::Attention]
            .into_iter()
            .find_map(|state| self.steps.iter().find(|step| step.state == state))
    }
}

/// Who is explained, on both sides, as far as they exist.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Explained {
    /// Display name, of the source where it has one.
    pub name: RemoteText,
    /// Sign-in name in the source.
    pub upn: Option<RemoteText>,
    /// E-mail address in the source.
    pub mail: Option<RemoteText>,
    /// Id in the source.
    #[serde(rename = "entra_id")]
    pub source: Option<SourceId>,
    /// Id in the target, once paired, or if they exist there alone.
    #[serde(rename = "servicenow_sys_id")]
    pub target: Option<TargetId>,
    /// Sign-in name in the target.
    pub user_name: Option<RemoteText>,
}

/// One step on the way of a photo.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExplainedStep {
    /// Which one.
    pub kind: StepKind,
    /// How it stands.
    pub state: StepState,
    /// What was seen, in the order of reading.
    pub values: Vec<Value>,
    /// What it means, in one sentence without a full stop.
    pub verdict: String,
    /// The command to try next, if one helps with this step.
    pub next: Option<String>,
}

/// The five steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StepKind {
    /// Is there such a person in the source, and are they in scope?
    FoundInSource,
    /// Is there a photo, and can it be used?
    PhotoInSource,
    /// Who are they in the target?
    MatchedInTarget,
    /// What is stored there, what is displayed, and who stored it?
    Chain,
    /// What would a push do?
    Push,
}

impl StepKind {
    /// All of them, in order.
    pub const ALL: [Self; 5] = [
        Self::FoundInSource,
        Self::PhotoInSource,
        Self::MatchedInTarget,
        Self::Chain,
        Self::Push,
    ];

    /// The stable code in JSON.
    pub fn code(self) -> &'static str {
        match self {
            Self::FoundInSource => "found_in_entra",
            Self::PhotoInSource => "photo_in_entra",
            Self::MatchedInTarget => "matched_in_servicenow",
            Self::Chain => "chain",
            Self::Push => "push",
        }
    }

    /// The heading people read.
    pub fn title(self) -> &'static str {
        match self {
            Self::FoundInSource => "Found in Entra ID",
            Self::PhotoInSource => "Photo in Entra ID",
            Self::MatchedInTarget => "Matched in ServiceNow",
            Self::Chain => "The chain in ServiceNow",
            Self::Push => "What a push would do",
        }
    }
}

/// How a step, or one of its values, stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StepState {
    /// As it should be.
    Ok,
    /// It works, but somebody should look.
    Attention,
    /// Here it breaks.
    Broken,
    /// It could not be found out.
    Unknown,
    /// An earlier step leaves nothing to look at.
    NotApplicable,
}

impl StepState {
    /// The stable code in JSON.
    pub fn code(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Attention => "attention",
            Self::Broken => "broken",
            Self::Unknown => "unknown",
            Self::NotApplicable => "not_applicable",
        }
    }

    /// The words people read.
    pub fn words(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Attention => "look",
            Self::Broken => "broken",
            Self::Unknown => "unknown",
            Self::NotApplicable => "not reached",
        }
    }

    /// A one-cell symbol beside the word; the second one is for terminals that know ASCII alone.
    pub fn symbol(self) -> (char, char) {
        match self {
            Self::Ok => ('✓', '='),
            Self::Attention => ('▲', '!'),
            Self::Broken => ('✗', 'x'),
            Self::Unknown => ('?', '?'),
            Self::NotApplicable => ('·', '.'),
        }
    }
}

/// Something that was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    /// What it is: "sign-in name".
    pub label: &'static str,
    /// What was seen; may be shown as it is.
    pub text: String,
    /// How it stands: what is not [`StepState::Ok`] deserves to stand out.
    pub state: StepState,
}

impl Value {
    /// A value as it should be. The text may come from outside: it is cleaned here.
    pub fn new(label: &'static str, text: impl AsRef<str>) -> Self {
        Self::marked(label, text, StepState::Ok)
    }

    /// A value that stands out. The text may come from outside: it is cleaned here.
    pub fn marked(label: &'static str, text: impl AsRef<str>, state: StepState) -> Self {
        Self {
            label,
            text: super::text::clean(text.as_ref()).into_owned(),
            state,
        }
    }
}
