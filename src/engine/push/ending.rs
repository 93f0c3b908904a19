//! How a push ends, and why it goes no further.

use super::Work;
use super::again::{Again, Trace};
use crate::connector::{ConnectorError, ErrorKind};
use crate::domain::photo::ChainStamp;
use crate::domain::run::{Outcome, StopReason};
use crate::engine::memory::Lesson;
use crate::engine::{in_words, is_access};
use crate::store::StoreError;

/// How one person's turn ended.
#[derive(Debug)]
pub(in crate::engine) struct Ended {
    pub(in crate::engine) outcome: Outcome,
    /// What was done, or why not.
    pub(in crate::engine) detail: String,
    /// What to do about it.
    pub(in crate::engine) hint: Option<String>,
    /// False if something of ours may be left in the target.
    pub(in crate::engine) settled: bool,
    /// Set if nobody else's turn can end better.
    pub(in crate::engine) stop: Option<StopReason>,
    /// Set if a service kept refusing: a run in which nobody gets through any more stops with it.
    pub(in crate::engine) stalls: Option<StopReason>,
    /// Set if a further turn may end better.
    pub(in crate::engine) again: Option<Again>,
    /// True if the failure says nothing about the person: the network, a throttle, the sign-in, the disk.
    pub(in crate::engine) is_passing: bool,
    /// The right that was missing, if that was the cause.
    pub(in crate::engine) denied: Option<String>,
    /// What was learnt about the photo.
    pub(in crate::engine) lesson: Option<Lesson>,
    /// How the target was left, where that was seen.
    pub(in crate::engine) after: Option<ChainStamp>,
}

impl Ended {
    pub(in crate::engine) fn new(outcome: Outcome, detail: impl Into<String>) -> Self {
        Self {
            outcome,
            detail: detail.into(),
            hint: None,
            settled: true,
            stop: None,
            stalls: None,
            again: None,
            is_passing: false,
            denied: None,
            lesson: None,
            after: None,
        }
    }

    /// True if it did not work, and that is to do with this person.
    pub(in crate::engine) fn is_own_failure(&self) -> bool {
        self.outcome == Outcome::Failed && !self.is_passing
    }

    /// How a push that reached its end went.
    pub(super) fn of_work(work: &Work) -> Self {
        let stored: Vec<&str> = work
            .places
            .iter()
            .filter(|place| !place.uploaded.is_empty())
            .map(|place| place.place.0)
            .collect();
        let mut detail = if stored.is_empty() {
            "the picture was there; the records were put in order".to_owned()
        } else {
            format!("stored at {}", stored.join(" and "))
        };
        let kept: usize = work.places.iter().map(|place| place.superseded.len()).sum();
        if kept > 0 {
            let (pictures, them) = if kept == 1 {
                ("picture", "it")
            } else {
                ("pictures", "them")
            };
            detail = format!("{detail}; {kept} old {pictures} replaced, a copy of {them} kept");
        }
        if !work.spared.is_empty() {
            detail.push_str("; an old picture stays, because another person's record names it");
        }
        let mut ended = Self::new(Outcome::Updated, detail);
        ended.settled = work.open == 0;
        if let Some(error) = &work.why_left {
            let why = in_words(error);
            let is_thumbnail = |id| {
                work.stale_thumbnails
                    .iter()
                    .any(|stale| &stale.thumbnail.id == id)
            };
            let what = if work.left.iter().all(is_thumbnail) {
                "thumbnails of another picture"
            } else {
                "duplicate image rows"
            };
            ended.detail = format!("{}; {what} are left: {why}", ended.detail);
            ended.hint.clone_from(&error.hint);
            // A right that is missing now is missing at the next start; anything else may have passed.
            ended.settled &= matches!(error.kind, ErrorKind::NotAllowed { .. } | ErrorKind::Refused);
            if is_passing(&error.kind) {
                ended.again = Trace::of_push(work, ended.settled).map(Again::from);
            }
        }
        ended
    }

    /// True if a further turn in the same run may end better.
    pub(super) fn may_go_on(&self) -> bool {
        self.is_passing && self.stop.is_none()
    }

    /// The same end, but something is left that could not be put in order; `settled` if no write is open.
    pub(super) fn leaving(self, what: &str, halt: Halt, settled: bool) -> Self {
        let halted = Self::of(halt);
        Self {
            detail: format!("{}; {what}: {}", self.detail, halted.detail),
            settled,
            stop: halted.stop,
            ..self
        }
    }

    /// How a turn ended that has written nothing.
    pub(super) fn before_any_write(halt: Halt) -> Self {
        let ended = Self::of(halt);
        Self {
            again: ended.may_go_on().then_some(Again::AsFound),
            ..ended
        }
    }

    /// How a push that went no further ended.
    pub(super) fn of(halt: Halt) -> Self {
        match halt {
            Halt::Ended(outcome, detail) => Self::new(outcome, detail),
            Halt::Over(ended) => *ended,
            Halt::TooLarge { limit } => Self::new(
                Outcome::Failed,
                format!("the photo is too large to be stored; the limit is {limit} bytes"),
            ),
            Halt::Unanswered(detail) => Self {
                is_passing: true,
                ..Self::new(Outcome::Failed, detail)
            },
            Halt::Connector(error) => {
                let is_passing = is_passing(&error.kind);
                let detail = in_words(&error);
                let reason = || StopReason::Refused {
                    is_access: is_access(&error.kind),
                    message: match &error.hint {
                        Some(hint) => format!("{detail}; {hint}"),
                        None => detail.clone(),
                    },
                };
                Self {
                    stop: error.kind.stops_run().then(reason),
                    stalls: (error.kind == ErrorKind::Throttled).then(reason),
                    denied: match error.kind {
                        ErrorKind::NotAllowed { needs } => Some(needs),
                        _ => None,
                    },
                    hint: error.hint,
                    is_passing,
                    ..Self::new(Outcome::Failed, detail)
                }
            }
            Halt::Storage(error) => Self {
                stop: Some(StopReason::Storage(error.sentence())),
                is_passing: true,
                ..Self::new(
                    Outcome::Failed,
                    format!(
                        "nothing is written without a journal and a vault: {}",
                        error.sentence()
                    ),
                )
            },
        }
    }
}

/// True for what may be over by the next run, or concerns everybody.
pub(super) fn is_passing(kind: &ErrorKind) -> bool {
    match kind {
        ErrorKind::SignInRejected
        | ErrorKind::Throttled
        | ErrorKind::PauseTooLong
        | ErrorKind::Unavailable
        | ErrorKind::OutcomeUnknown
        | ErrorKind::WrongSpeaker(_)
        | ErrorKind::Configuration => true,
        ErrorKind::NotAllowed { .. }
        | ErrorKind::NotFound
        | ErrorKind::TooLarge { .. }
        | ErrorKind::Refused
        | ErrorKind::UnexpectedAnswer => false,
    }
}

/// Why a push goes no further.
#[derive(Debug)]
pub(super) enum Halt {
    /// That is how it ends.
    Ended(Outcome, String),
    /// That is how it ends, with something learnt.
    Over(Box<Ended>),
    /// The target takes smaller pictures only.
    TooLarge {
        /// In bytes.
        limit: u64,
    },
    /// No answer came to a write, and it was not there afterwards, as often as it is tried.
    Unanswered(String),
    /// A request failed.
    Connector(ConnectorError),
    /// The journal or the vault failed.
    Storage(StoreError),
}

impl From<ConnectorError> for Halt {
    fn from(error: ConnectorError) -> Self {
        Self::Connector(error)
    }
}

impl From<StoreError> for Halt {
    fn from(error: StoreError) -> Self {
        Self::Storage(error)
    }
}

pub(super) fn failed(detail: impl Into<String>) -> Halt {
    Halt::Ended(Outcome::Failed, detail.into())
}

pub(super) fn changed(detail: impl Into<String>) -> Halt {
    Halt::Ended(Outcome::ChangedMeanwhile, detail.into())
}

pub(super) fn somebody_elses() -> Halt {
    changed("another picture is displayed meanwhile; it stays")
}
