//! What happens in a run: one stream of events that the screen, the lines, JSON and the journal all read, so that they
//! cannot disagree.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::ids::{RunId, SourceId, TargetId};
use super::person::TargetPerson;
use super::text::RemoteText;

/// A person as reports name them: enough to recognise them on both sides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "WrittenPerson")]
pub struct PersonRef {
    /// Display name in the source.
    pub name: RemoteText,
    /// Sign-in name in the source.
    pub upn: RemoteText,
    /// E-mail in the source.
    pub mail: Option<RemoteText>,
    /// Id in the source; written as null if the source was not asked ([`SourceId::not_asked`]).
    #[serde(rename = "entra_id", serialize_with = "unless_not_asked")]
    pub source: SourceId,
    /// Id in the target, once paired.
    #[serde(rename = "servicenow_sys_id")]
    pub target: Option<TargetId>,
    /// Sign-in name in the target, once paired.
    pub user_name: Option<RemoteText>,
}

/// A [`PersonRef`] as it is written.
#[derive(Deserialize)]
struct WrittenPerson {
    name: RemoteText,
    upn: RemoteText,
    mail: Option<RemoteText>,
    #[serde(rename = "entra_id")]
    source: Option<SourceId>,
    #[serde(rename = "servicenow_sys_id")]
    target: Option<TargetId>,
    user_name: Option<RemoteText>,
}

impl TryFrom<WrittenPerson> for PersonRef {
    type Error = &'static str;

    fn try_from(written: WrittenPerson) -> Result<Self, Self::Error> {
        let not_asked = || {
            written
                .target
                .as_ref()
                .map(|target| SourceId::not_asked(target.as_str()))
        };
        Ok(Self {
            source: written
                .source
                .clone()
                .or_else(not_asked)
                .ok_or("a person has neither an id in the source nor in the target")?,
            name: written.name,
            upn: written.upn,
            mail: written.mail,
            target: written.target,
            user_name: written.user_name,
        })
    }
}

fn unless_not_asked<S: serde::Serializer>(source: &SourceId, serializer: S) -> Result<S::Ok, S::Error> {
    (!source.is_not_asked()).then_some(source).serialize(serializer)
}

impl PersonRef {
    /// Somebody of the target, named as the target does; the source was not asked.
    pub fn of_target(person: &TargetPerson) -> Self {
        Self {
            name: person.name.clone(),
            upn: person.user_name.clone(),
            mail: person.mail.clone(),
            source: SourceId::not_asked(person.id.as_str()),
            target: Some(person.id.clone()),
            user_name: Some(person.user_name.clone()),
        }
    }
}

/// How one person ended in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The target now displays the source's photo, verified.
    Updated,
    /// It already did, or shows the same picture.
    Unchanged,
    /// The source has none; the target was left alone.
    NoPhoto,
    /// Left out, with a reason; or not reached before the run stopped.
    Skipped,
    /// Somebody changed the target after the plan was made; nothing was overwritten.
    ChangedMeanwhile,
    /// It did not work; the old picture is still there.
    Failed,
    /// The avatar was removed, as the policy asked for.
    Removed,
}

impl Outcome {
    /// Every outcome, in the order in which summaries list them.
    pub const ALL: [Self; 7] = [
        Self::Updated,
        Self::Unchanged,
        Self::NoPhoto,
        Self::Skipped,
        Self::ChangedMeanwhile,
        Self::Failed,
        Self::Removed,
    ];

    /// True if the person is as the plan wanted it.
    pub fn is_as_planned(self) -> bool {
        matches!(self, Self::Updated | Self::Unchanged | Self::Removed)
    }

    /// The stable code in JSON.
    pub fn code(self) -> &'static str {
        match self {
            Self::Updated => "updated",
            Self::Unchanged => "unchanged",
            Self::NoPhoto => "no_photo",
            Self::Skipped => "skipped",
            Self::ChangedMeanwhile => "changed_meanwhile",
            Self::Failed => "failed",
            Self::Removed => "removed",
        }
    }

    /// The words people read.
    pub fn words(self) -> &'static str {
        match self {
            Self::Updated => "updated",
            Self::Unchanged => "unchanged",
            Self::NoPhoto => "without photo",
            Self::Skipped => "skipped",
            Self::ChangedMeanwhile => "changed meanwhile",
            Self::Failed => "failed",
            Self::Removed => "removed",
        }
    }

    /// True for how a step ends; people who are left alone have the others.
    pub fn is_of_a_step(self) -> bool {
        matches!(
            self,
            Self::Updated | Self::Removed | Self::ChangedMeanwhile | Self::Failed
        )
    }

    /// Reads a code.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.code() == code)
    }
}

/// The numbers of a run. They add up: everything but `selected` sums to `selected` (`reliability.md` P11).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// People the run was asked to look at.
    pub selected: u64,
    /// See [`Outcome::Updated`].
    pub updated: u64,
    /// See [`Outcome::Unchanged`].
    pub unchanged: u64,
    /// See [`Outcome::NoPhoto`].
    pub no_photo: u64,
    /// See [`Outcome::Skipped`].
    pub skipped: u64,
    /// See [`Outcome::ChangedMeanwhile`].
    pub changed_meanwhile: u64,
    /// See [`Outcome::Failed`].
    pub failed: u64,
    /// See [`Outcome::Removed`].
    pub removed: u64,
}

impl Summary {
    /// Counts one person.
    pub fn count(&mut self, outcome: Outcome) {
        self.selected += 1;
        *self.slot(outcome) += 1;
    }

    /// Counts some people who ended alike.
    pub fn count_many(&mut self, outcome: Outcome, people: u64) {
        self.selected += people;
        *self.slot(outcome) += people;
    }

    /// Counts everybody whom another summary counts.
    pub fn add(&mut self, other: &Self) {
        self.selected += other.selected;
        for outcome in Outcome::ALL {
            *self.slot(outcome) += other.of(outcome);
        }
    }

    /// How many ended this way.
    pub fn of(&self, outcome: Outcome) -> u64 {
        let mut copy = *self;
        *copy.slot(outcome)
    }

    /// True if the numbers add up.
    pub fn adds_up(&self) -> bool {
        Outcome::ALL
            .into_iter()
            .map(|outcome| self.of(outcome))
            .sum::<u64>()
            == self.selected
    }

    fn slot(&mut self, outcome: Outcome) -> &mut u64 {
        match outcome {
            Outcome::Updated => &mut self.updated,
            Outcome::Unchanged => &mut self.unchanged,
            Outcome::NoPhoto => &mut self.no_photo,
            Outcome::Skipped => &mut self.skipped,
            Outcome::ChangedMeanwhile => &mut self.changed_meanwhile,
            Outcome::Failed => &mut self.failed,
            Outcome::Removed => &mut self.removed,
        }
    }
}

/// Why a run ended before everybody had their turn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    /// Somebody asked for it.
    Cancelled,
    /// A brake: too many failures. The text names figures.
    Brake(String),
    /// A service refuses everything: sign-in, rights, a log-in page. The text says which, and what to do.
    Refused {
        /// True if sign-in failed or a right is missing (exit code 5).
        is_access: bool,
        /// Cause and hint in words.
        message: String,
    },
    /// The journal or the vault cannot be written; no push without them (`reliability.md` G11, J1).
    Storage(String),
}

/// Somebody whom an interrupted run had left, looked after by the next start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    /// The run that was interrupted.
    pub run: RunId,
    /// Who.
    pub person: PersonRef,
    /// How it ended.
    pub outcome: Outcome,
    /// In words: what was finished or taken back.
    pub detail: String,
}

impl Settled {
    /// Who, and what has become of it, in one sentence.
    pub fn sentence(&self) -> String {
        format!(
            "{}: interrupted in run {}; {}",
            self.person.upn.shown(),
            self.run,
            self.detail
        )
    }
}

/// Something that happened in a run, or before it while it was looked after what an interrupted one had left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunEvent {
    /// What interrupted runs have left is looked after before anything else; not told if they have left nothing.
    Settling {
        /// People whom they have left.
        total: u64,
    },
    /// Somebody of them has been looked after. Whom several runs have left is told of once for each.
    Settled {
        /// Who, and how.
        settled: Settled,
        /// People looked after so far, this one among them.
        done: u64,
        /// Of how many.
        total: u64,
    },
    /// The run begins.
    Started {
        /// Its id.
        run: RunId,
        /// When.
        at: Timestamp,
        /// People it was asked to look at.
        selected: u64,
        /// Pushes and removals among them.
        steps: u64,
        /// The run that was cut short and that this one goes on with.
        continues: Option<RunId>,
    },
    /// One person is done.
    Step {
        /// Who.
        person: PersonRef,
        /// How it ended.
        outcome: Outcome,
        /// In words: what was done, or why not.
        detail: String,
        /// What to do about a failure, where we know.
        hint: Option<String>,
    },
    /// A service asked us to wait, or there is no room on the disk; nothing is lost.
    Waiting {
        /// Which lane; "disk" for the disk.
        lane: &'static str,
        /// For how long at least.
        remaining: Duration,
    },
    /// The run is over.
    Finished {
        /// Its id.
        run: RunId,
        /// When.
        at: Timestamp,
        /// The numbers.
        summary: Summary,
        /// Why it ended early, if it did.
        stopped: Option<StopReason>,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_adds_up_whatever_is_counted() {
        let mut summary = Summary::default();
        for (position, outcome) in Outcome::ALL.into_iter().enumerate() {
            for _ in 0..=position {
                summary.count(outcome);
            }
        }
        assert!(summary.adds_up());
        assert_eq!(summary.selected, 28);
        assert_eq!(summary.of(Outcome::Removed), 7);
    }

    #[test]
    fn codes_are_those_of_the_command_line() {
        let codes: Vec<&str> = Outcome::ALL.map(Outcome::code).to_vec();
        let summary = serde_json::to_value(Summary::default()).expect("plain");
        for code in codes {
            assert!(summary.get(code).is_some(), "{code} is a key of the summary");
            assert!(Outcome::from_code(code).is_some());
        }
    }
}
