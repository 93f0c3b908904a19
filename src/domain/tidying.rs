//! Putting people's records in the target in order without a photo of the source: litter removed, or what a run did
//! taken back. Like a push it is a plan first, a value, and each step carries the state it was decided on.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::ids::{PictureId, RecordId, RunId};
use super::litter::Litter;
use super::photo::{
    AvatarChain, AvatarRecord, ChainStamp, Column, PictureForm, Place, Served, Sha256, StoredPicture,
};
use super::plan::{Breach, Change, Limits, number_to_type};
use super::run::{Outcome, PersonRef};
use super::text::RemoteText;

/// The format written and read.
pub const TIDY_SCHEMA: &str = "avatar-sync/tidy/1";

/// What a tidying is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// What nobody sees goes; what people see stays.
    Clean,
    /// What a run did is taken back.
    Undo(
        /// Which one.
        RunId,
    ),
    /// The last change to each of some people is taken back, whichever run it was.
    UndoLast,
}

/// The two kinds of tidying.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TidyKind {
    /// See [`Purpose::Clean`].
    Clean,
    /// See [`Purpose::Undo`].
    Undo,
}

impl Purpose {
    /// Which kind it is.
    pub fn kind(&self) -> TidyKind {
        match self {
            Self::Clean => TidyKind::Clean,
            Self::Undo(_) | Self::UndoLast => TidyKind::Undo,
        }
    }
}

/// What a run undertakes for a person: a step of a plan, or one of a tidying. Written as one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Task {
    /// A step of a [`Plan`](super::plan::Plan).
    Push(Change),
    /// A step of a [`TidyPlan`].
    Tidy(TidyKind),
}

impl From<Change> for Task {
    fn from(change: Change) -> Self {
        Self::Push(change)
    }
}

/// What a tidying would do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TidyPlan {
    /// Version of this format: `avatar-sync/tidy/1`.
    pub schema: String,
    /// The profile it was made for; carrying it out under another one is refused.
    pub profile: String,
    /// When it was made.
    pub made_at: Timestamp,
    /// What it is for.
    pub purpose: Purpose,
    /// People who were looked at, with and without anything to do.
    pub people: u64,
    /// The changes, in the order in which they are made.
    pub steps: Vec<TidyStep>,
    /// What was found and is left, and why.
    pub left: Vec<Left>,
    /// What could not be looked at, in words; nothing is removed on such evidence.
    pub problems: Vec<String>,
}

/// One person's part of it, or that of a record which is gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TidyStep {
    /// Whose; for a record that is gone, its name and id.
    pub person: PersonRef,
    /// Whether there is somebody to whom a picture is displayed.
    pub subject: Subject,
    /// The target's state when this was decided.
    pub expected: ChainStamp,
    /// SHA-256 of the picture that is displayed when it is done; `None` for no picture.
    pub shows: Option<Sha256>,
    /// What is cleared away; empty for an undo.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub litter: Vec<Litter>,
    /// The writes, in their order: pictures are stored, columns set, pictures removed.
    pub writes: Vec<Write>,
    /// Why, in one sentence.
    pub reason: String,
}

/// What a step is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// A person of the target.
    Person,
    /// Pictures whose record is gone.
    Stray {
        /// The place of the record.
        place: Place,
        /// The record that is gone.
        record: RecordId,
    },
}

/// Something that was found and is left alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Left {
    /// Whose.
    pub person: PersonRef,
    /// How the run counts it.
    pub outcome: Outcome,
    /// What was found.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub litter: Vec<Litter>,
    /// Why it is left, in one sentence.
    pub reason: String,
}

/// One write of a tidying.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Write {
    /// Bytes of which a copy is kept are stored beside what is there.
    Store {
        /// At which place.
        place: Place,
        /// At which record.
        record: RecordId,
        /// The picture that has or had these bytes.
        copy_of: PictureId,
        /// Under which name they are kept.
        sha256: Sha256,
        /// How many.
        bytes: u64,
        /// How they are to be stored.
        form: StoredForm,
    },
    /// A picture column is set or cleared.
    SetColumn {
        /// At which place.
        place: Place,
        /// At which record.
        record: RecordId,
        /// What it names afterwards.
        names: Names,
    },
    /// A picture is removed; a copy is kept first.
    Remove {
        /// At which place.
        place: Place,
        /// At which record.
        record: RecordId,
        /// Which.
        picture: PictureId,
        /// Its size in bytes.
        bytes: u64,
    },
}

/// How a picture is stored: what a row says of itself beside its bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredForm {
    /// Image-field or plain.
    pub form: PictureForm,
    /// File name.
    pub file_name: RemoteText,
    /// Media type as stored.
    pub content_type: RemoteText,
}

impl StoredForm {
    /// The form of a stored picture.
    pub fn of(picture: &StoredPicture) -> Self {
        Self {
            form: picture.form,
            file_name: picture.file_name.clone(),
            content_type: picture.content_type.clone(),
        }
    }

    /// The platform's form of image fields.
    pub fn image_field(content_type: RemoteText) -> Self {
        Self {
            form: PictureForm::ImageField,
            file_name: "photo".into(),
            content_type,
        }
    }

    /// True if a stored picture has this form, whatever its bytes.
    pub fn is_of(&self, picture: &StoredPicture) -> bool {
        picture.form == self.form
            && (self.form == PictureForm::ImageField || picture.file_name == self.file_name)
    }
}

/// What a column is to name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Names {
    /// Nothing.
    Nothing,
    /// A picture that is there.
    Picture(PictureId),
    /// The copy of this picture that the same step stores: at the column's own record, or else wherever it does.
    CopyOf(PictureId),
}

impl TidyPlan {
    /// Everybody the plan speaks of.
    pub fn selected(&self) -> u64 {
        (self.steps.len() + self.left.len()) as u64
    }

    /// The number that whoever confirms this plan has to type, if it changes many (`reliability.md` N1).
    pub fn number_to_type(&self) -> Option<u64> {
        number_to_type(self.steps.len() as u64, self.people.max(self.selected()))
    }

    /// What a limit on removals counts: pictures that are cleared away, or people who end without a picture.
    pub fn removals(&self) -> u64 {
        match self.purpose {
            Purpose::Clean => self.steps.iter().map(|step| step.removes().count() as u64).sum(),
            Purpose::Undo(_) | Purpose::UndoLast => {
                self.steps.iter().filter(|step| step.shows.is_none()).count() as u64
            }
        }
    }

    /// The bytes that the target stores less afterwards.
    pub fn bytes(&self) -> u64 {
        self.steps.iter().map(TidyStep::bytes).sum()
    }

    /// Refuses a plan outside its limits; run again just before it is carried out.
    pub fn check(&self, limits: &Limits) -> Result<(), Breach> {
        let (changes, removals) = (self.steps.len() as u64, self.removals());
        match (limits.max_changes, limits.max_removals) {
            (Some(limit), _) if changes > limit => Err(Breach::Changes {
                planned: changes,
                limit,
            }),
            (_, Some(limit)) if removals > limit => Err(match self.purpose {
                Purpose::Clean => Breach::Clearing {
                    planned: removals,
                    limit,
                },
                Purpose::Undo(_) | Purpose::UndoLast => Breach::Removals {
                    planned: removals,
                    limit,
                },
            }),
            _ => Ok(()),
        }
    }
}

impl TidyStep {
    /// The pictures that go.
    pub fn removes(&self) -> impl Iterator<Item = &PictureId> {
        self.writes.iter().filter_map(|write| match write {
            Write::Remove { picture, .. } => Some(picture),
            Write::Store { .. } | Write::SetColumn { .. } => None,
        })
    }

    /// The bytes that the target stores less afterwards.
    pub fn bytes(&self) -> u64 {
        let (mut gone, mut come) = (0_u64, 0_u64);
        for write in &self.writes {
            match write {
                Write::Remove { bytes, .. } => gone = gone.saturating_add(*bytes),
                Write::Store { bytes, .. } => come = come.saturating_add(*bytes),
                Write::SetColumn { .. } => {}
            }
        }
        gone.saturating_sub(come)
    }
}

/// The chain as it will be once these writes are done, with the picture that is displayed then (`servicenow.md` 9.3).
/// Stored copies get ids of their own, which no target has. Findings are not worked out.
pub fn chain_after(chain: &AvatarChain, writes: &[Write]) -> AvatarChain {
    let mut after = chain.clone();
    after.findings.clear();
    for write in writes {
        match write {
            Write::Store {
                record,
                copy_of,
                sha256,
                bytes,
                form,
                ..
            } => {
                let copy = StoredPicture {
                    id: copy_id(copy_of, record),
                    form: form.form,
                    file_name: form.file_name.clone(),
                    sha256: Some(*sha256),
                    bytes: *bytes,
                    content_type: form.content_type.clone(),
                    scan: super::photo::Scan::Available,
                    created_at: None,
                    created_by: None,
                };
                with_record(&mut after, record, |known| known.pictures.push(copy));
            }
            Write::SetColumn { record, names, .. } => {
                let column = match names {
                    Names::Nothing => Column::Empty,
                    Names::Picture(id) => Column::Names(id.clone()),
                    Names::CopyOf(id) => {
                        let own = copy_id(id, record);
                        let stored = writes.iter().find_map(|write| match write {
                            Write::Store { record, copy_of, .. } if copy_of == id => {
                                Some(copy_id(copy_of, record))
                            }
                            _ => None,
                        });
                        let is_own = after.picture(&own).is_some();
                        Column::Names(if is_own { own } else { stored.unwrap_or(own) })
                    }
                };
                with_record(&mut after, record, |known| known.column = column);
            }
            Write::Remove { picture, .. } => {
                for known in &mut after.records {
                    known.pictures.retain(|row| &row.id != picture);
                }
            }
        }
    }
    after.served = served_by_rule(&after, chain.served.as_ref());
    after
}

fn copy_id(of: &PictureId, record: &RecordId) -> PictureId {
    PictureId::new(format!("copy of {of} at {record}"))
}

fn with_record(chain: &mut AvatarChain, record: &RecordId, change: impl FnOnce(&mut AvatarRecord)) {
    if let Some(known) = chain.records.iter_mut().find(|known| &known.id == record) {
        change(known);
    }
}

/// What is displayed: of the first record that has one, the picture its column names, or else its oldest image row.
/// A column may name a picture that is stored elsewhere; that it exists is known only if it was displayed.
fn served_by_rule(chain: &AvatarChain, before: Option<&Served>) -> Option<Served> {
    let is_elsewhere = |id: &PictureId| before.is_some_and(|served| &served.picture == id);
    chain.records.iter().find_map(|record| {
        let named = match &record.column {
            Column::Names(id) => Some(id)
                .filter(|id| chain.picture(id).is_some() || is_elsewhere(id))
                .cloned(),
            Column::Empty | Column::Unreadable => None,
        };
        let oldest = || record.image_rows().next().map(|row| row.id.clone());
        Some(Served {
            place: record.place,
            record: record.id.clone(),
            picture: named.or_else(oldest)?,
        })
    })
}
