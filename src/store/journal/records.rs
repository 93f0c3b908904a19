//! The words of the journal.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::ids::{PictureId, RecordId, RunId, SourceId, TargetId};
use crate::domain::photo::{ChainStamp, Place, Sha256, StoredPicture};
use crate::domain::run::{Outcome, PersonRef, StopReason, Summary};
use crate::domain::tidying::Task;
use crate::store::vault::Why;

/// What kind of run it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RunKind {
    /// Chosen people.
    Push,
    /// Everybody in scope.
    Sync,
    /// A plan from a file.
    Apply,
    /// Replaced pictures brought back.
    Undo,
    /// Litter cleared away.
    Clean,
}

impl RunKind {
    /// Every kind.
    pub const ALL: [Self; 5] = [Self::Push, Self::Sync, Self::Apply, Self::Undo, Self::Clean];

    /// The stable code in JSON and in the journal.
    pub fn code(self) -> &'static str {
        match self {
            Self::Push => "push",
            Self::Sync => "sync",
            Self::Apply => "apply",
            Self::Undo => "undo",
            Self::Clean => "clean",
        }
    }

    pub(super) fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }
}

/// Who does it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// The operating-system user.
    pub os_user: String,
    /// The machine.
    pub host: String,
    /// The account in the target, as the configuration names it; empty if it does not.
    pub account: String,
}

/// What a run was going to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Planned {
    /// People it was asked to look at.
    pub selected: u64,
    /// Steps that add.
    pub add: u64,
    /// Steps that replace.
    pub replace: u64,
    /// Steps that repair.
    pub repair: u64,
    /// Steps that remove.
    pub remove: u64,
}

impl Planned {
    /// People for whom something was planned.
    pub fn steps(&self) -> u64 {
        self.add + self.replace + self.repair + self.remove
    }
}

/// The beginning of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunStart {
    /// Name of the profile.
    pub profile: String,
    /// What kind of run.
    pub kind: RunKind,
    /// When.
    pub started: Timestamp,
    /// Who.
    pub actor: Actor,
    /// What it was going to do.
    pub planned: Planned,
    /// The run that was cut short and that this one goes on with.
    pub continues: Option<RunId>,
    /// The run that this one takes back.
    pub undoes: Option<RunId>,
}

/// A run, as the journal knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunRecord {
    /// Its id.
    pub id: RunId,
    /// How it began.
    pub start: RunStart,
    /// When it ended; `None` while it is under way and after a crash.
    pub finished: Option<Timestamp>,
    /// The numbers, once it ended.
    pub summary: Option<Summary>,
    /// Why it ended early, if it did.
    pub stopped: Option<StopReason>,
}

/// How one person ended in a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepRecord {
    /// The run.
    pub run: RunId,
    /// Who.
    pub person: PersonRef,
    /// What was intended.
    pub change: Task,
    /// How it ended.
    pub outcome: Outcome,
    /// In words.
    pub detail: String,
    /// What to do about a failure, where we know.
    pub hint: Option<String>,
    /// False if it is not known what is left behind in the target, so that the next start has to look.
    pub settled: bool,
    /// How the step has left the target, where that was seen: what an undo must find.
    pub after: Option<ChainStamp>,
    /// When.
    pub at: Timestamp,
}

/// The writes a push consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WriteKind {
    /// S4: a record is created.
    CreateRecord,
    /// S5: a picture is stored.
    Upload,
    /// S7: a column is set or cleared.
    SetColumn,
    /// S9: a picture is deleted, or one of ours is taken back.
    Remove,
}

impl WriteKind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::CreateRecord, Self::Upload, Self::SetColumn, Self::Remove];

    /// The stable code in the journal.
    pub fn code(self) -> &'static str {
        match self {
            Self::CreateRecord => "create_record",
            Self::Upload => "upload",
            Self::SetColumn => "set_column",
            Self::Remove => "remove",
        }
    }

    pub(super) fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }
}

/// Names an intent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IntentId(pub(super) i64);

impl IntentId {
    /// The number; later writes have higher ones.
    pub fn number(self) -> i64 {
        self.0
    }
}

/// A write that is about to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intent {
    /// The run.
    pub run: RunId,
    /// Who, in the source.
    pub source: SourceId,
    /// Who, in the target.
    pub target: TargetId,
    /// What.
    pub kind: WriteKind,
    /// At which place.
    pub place: Place,
    /// At which record; `None` while it is being created.
    pub record: Option<RecordId>,
    /// The picture that is deleted, or that a column shall name; `None` for an upload and for clearing a column.
    pub picture: Option<PictureId>,
    /// What the column named before.
    pub old_picture: Option<PictureId>,
    /// SHA-256 of what is uploaded or deleted, or of what a column shall name, where known.
    pub sha256: Option<Sha256>,
    /// Size of what is uploaded.
    pub bytes: Option<u64>,
    /// The state of the target that this write was decided on.
    pub expected: ChainStamp,
    /// When.
    pub at: Timestamp,
}

/// How a write went, once that is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It was carried out; the id is that of the new record or picture.
    Done(Option<String>),
    /// It was not carried out; in words.
    NotDone(String),
}

/// A write in the audit trail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriteRecord {
    /// Its id.
    pub id: IntentId,
    /// What was announced.
    pub intent: Intent,
    /// How it went and when that was known; `None` is an outcome nobody knows yet.
    pub answer: Option<(Answer, Timestamp)>,
}

impl WriteRecord {
    /// A write as the journal would tell of it.
    #[cfg(test)]
    pub(crate) fn known(id: i64, intent: Intent, answer: Option<(Answer, Timestamp)>) -> Self {
        Self {
            id: IntentId(id),
            intent,
            answer,
        }
    }

    /// True unless it is known that the write was not carried out.
    pub fn may_be_done(&self) -> bool {
        !matches!(self.answer, Some((Answer::NotDone(_), _)))
    }

    /// True if it is known that the write was carried out.
    pub fn is_done(&self) -> bool {
        matches!(self.answer, Some((Answer::Done(_), _)))
    }

    /// True if creating a record has made this one, or may have: no answer came.
    pub fn has_made(&self, record: &RecordId) -> bool {
        match (&self.intent.kind, &self.answer) {
            (WriteKind::CreateRecord, None) => true,
            (WriteKind::CreateRecord, Some((Answer::Done(made), _))) => {
                made.as_deref() == Some(record.as_str())
            }
            _ => false,
        }
    }

    /// The picture that an upload is known to have made.
    pub fn uploaded(&self) -> Option<PictureId> {
        match (&self.intent.kind, &self.answer) {
            (WriteKind::Upload, Some((Answer::Done(Some(id)), _))) => Some(PictureId::new(id.as_str())),
            _ => None,
        }
    }
}

/// A picture in the vault, and whose it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptPicture {
    /// The run that replaced it.
    pub run: RunId,
    /// Who, in the source.
    pub source: SourceId,
    /// Who, in the target.
    pub target: TargetId,
    /// Where it was stored.
    pub place: Place,
    /// At which record.
    pub record: RecordId,
    /// Name of its bytes in the vault.
    pub sha256: Sha256,
    /// The row as it was.
    pub stored: StoredPicture,
    /// True if it was the one that was displayed.
    pub was_displayed: bool,
    /// When it was kept.
    pub at: Timestamp,
}

/// What a run wrote for one person.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Deeds {
    /// The writes, in the order in which they were announced.
    pub writes: Vec<WriteRecord>,
    /// What was kept before.
    pub kept: Vec<KeptPicture>,
    /// That something of what was kept has left the vault since.
    pub released: Option<Released>,
}

/// Pictures of a step that have left the vault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Released {
    /// Why.
    pub why: Why,
    /// When.
    pub at: Timestamp,
}

/// Somebody whose push was begun and not settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfinished {
    /// The run.
    pub run: RunId,
    /// Who.
    pub person: PersonRef,
    /// What was intended.
    pub change: Task,
    /// What was announced, in order; empty if nothing was.
    pub writes: Vec<WriteRecord>,
    /// What was kept before, and so what may be deleted.
    pub kept: Vec<KeptPicture>,
}
