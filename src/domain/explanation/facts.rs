//! What an explanation is made from: everything that was seen on both sides, and what this program remembers.

use std::collections::HashMap;

use jiff::Timestamp;

use super::Explained;
use crate::domain::anatomy::{Anatomy, PhotoDetails};
use crate::domain::comparison::{Content, Judgement, SourceContent};
use crate::domain::ids::{PictureId, RecordId, RunId};
use crate::domain::pairing::{Ambiguity, MatchRule};
use crate::domain::person::{SourcePerson, TargetPerson};
use crate::domain::photo::{Place, Sha256, SourcePhoto};
use crate::domain::plan::Change;
use crate::domain::scope::Exclusion;

/// Everything that was seen about one person. What could not be had is an error in words, never an absence.
#[derive(Clone, Debug)]
pub struct Facts {
    /// What was asked for.
    pub typed: String,
    /// As the source knows them; `None` for somebody who exists in the target alone.
    pub source: Option<SourcePerson>,
    /// Who they are in the target.
    pub whereabouts: Whereabouts,
    /// The match rules, in the order in which they are tried.
    pub rules: Vec<MatchRule>,
    /// Their photo.
    pub photo: SourcePhoto,
    /// What its bytes are.
    pub content: SourceContent,
    /// What else the source tells about it.
    pub details: Result<PhotoDetails, String>,
    /// Whether this very photo was seen before.
    pub seen_before: SeenBefore,
    /// Which photo is fetched: "360x360".
    pub photo_size: String,
    /// What is stored in the target. `Ok(None)`: nobody to look at, or gone.
    pub anatomy: Result<Option<Anatomy>, String>,
    /// What the bytes of stored pictures and thumbnails are, as far as they were looked at.
    pub contents: HashMap<PictureId, Content>,
    /// Why bytes could not be had: of stored pictures, in words.
    pub unread: HashMap<PictureId, String>,
    /// Why the photo's bytes could not be had, in words; `None` if they could or there are none.
    pub photo_unread: Option<String>,
    /// What this program has done in the target for this person, newest first.
    pub writes: Vec<OurWrite>,
    /// The account that this program uses in the target; empty if the configuration does not name it.
    pub account: String,
    /// The verdict of a status.
    pub judgement: Option<Judgement>,
    /// What a push would do now.
    pub preview: Preview,
    /// When all this was looked at.
    pub now: Timestamp,
}

/// Who somebody is in the target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whereabouts {
    /// One person.
    Paired {
        /// Who.
        target: TargetPerson,
        /// By which rule.
        rule: MatchRule,
    },
    /// Nobody in scope.
    Unmatched {
        /// People outside the scope who share a key.
        outsiders: Vec<TargetPerson>,
    },
    /// Several might be meant.
    Ambiguous {
        /// Why.
        ambiguity: Ambiguity,
        /// The candidates, as far as they were read.
        candidates: Vec<TargetPerson>,
    },
    /// Left out, so nobody was looked for.
    Excluded(Exclusion),
    /// They exist in the target alone.
    TargetAlone(TargetPerson),
}

/// Whether the photo that is there now was seen before (`entra.md` 8.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SeenBefore {
    /// Never, or it cannot be told.
    Never,
    /// The last look found the same version.
    Same,
    /// The last look found another version.
    Changed,
}

/// Something that this program did in the target and that is known to have worked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OurWrite {
    /// In which run.
    pub run: RunId,
    /// When.
    pub at: Timestamp,
    /// Where.
    pub place: Place,
    /// At which record.
    pub record: Option<RecordId>,
    /// What.
    pub deed: OurDeed,
}

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OurDeed {
    /// A record was created.
    Created,
    /// A picture was stored.
    Stored {
        /// The row.
        picture: PictureId,
        /// Its content.
        sha256: Option<Sha256>,
    },
    /// A column was set, or cleared.
    SetColumn(
        /// What it names since.
        Option<PictureId>,
    ),
    /// A picture was deleted.
    Removed(
        /// The row.
        PictureId,
    ),
}

/// What a push would do, decided like a plan and then not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preview {
    /// What a plan would contain; `None`: nothing.
    pub change: Option<Change>,
    /// True if that takes the policy `repair`, which is not on.
    pub takes_repair: bool,
    /// Why, or why nothing.
    pub reason: String,
    /// What would be written, in the order of writing.
    pub actions: Vec<Action>,
}

/// One write of a push.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// A record is created.
    Create(Place),
    /// The photo is stored.
    Store {
        /// Where.
        place: Place,
        /// How many bytes, where they have been seen.
        bytes: Option<u64>,
    },
    /// A row that is there already stays.
    Keep {
        /// Where.
        place: Place,
        /// The row.
        picture: PictureId,
    },
    /// The column is pointed at the row that counts.
    SetColumn(Place),
    /// The column is cleared.
    ClearColumn(Place),
    /// A row is deleted; its copy is in the vault before.
    Delete {
        /// Where.
        place: Place,
        /// The row.
        picture: PictureId,
        /// Its size.
        bytes: u64,
    },
    /// A thumbnail that shows another picture is deleted, so that the target makes it anew.
    DeleteThumbnail {
        /// Where its picture is stored.
        place: Place,
        /// The thumbnail's row.
        thumbnail: PictureId,
    },
}

impl Action {
    /// The stable code in JSON.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Create(_) => "create_record",
            Self::Store { .. } => "upload",
            Self::Keep { .. } => "keep",
            Self::SetColumn(_) => "set_column",
            Self::ClearColumn(_) => "clear_column",
            Self::Delete { .. } => "delete",
            Self::DeleteThumbnail { .. } => "delete_thumbnail",
        }
    }

    /// What is done, in words: "store the photo (20480 bytes)".
    pub fn words(&self) -> String {
        match self {
            Self::Create(_) => "create the record".into(),
            Self::Store {
                bytes: Some(bytes), ..
            } => format!("store the photo ({bytes} bytes)"),
            Self::Store { bytes: None, .. } => "store the photo".into(),
            Self::Keep { picture, .. } => format!("keep picture {picture}"),
            Self::SetColumn(_) => "point the photo column at it".into(),
            Self::ClearColumn(_) => "clear the photo column".into(),
            Self::Delete { picture, bytes, .. } => format!("delete picture {picture} ({bytes} bytes)"),
            Self::DeleteThumbnail { thumbnail, .. } => format!("delete the stale thumbnail {thumbnail}"),
        }
    }

    /// Where.
    pub fn place(&self) -> Place {
        match self {
            Self::Create(place)
            | Self::SetColumn(place)
            | Self::ClearColumn(place)
            | Self::Store { place, .. }
            | Self::Keep { place, .. }
            | Self::Delete { place, .. }
            | Self::DeleteThumbnail { place, .. } => *place,
        }
    }
}

impl Facts {
    /// The target person, if it is known who that is.
    pub fn target(&self) -> Option<&TargetPerson> {
        match &self.whereabouts {
            Whereabouts::Paired { target, .. } | Whereabouts::TargetAlone(target) => Some(target),
            _ => None,
        }
    }

    /// What is stored in the target, if it was read.
    pub(super) fn anatomy(&self) -> Option<&Anatomy> {
        self.anatomy.as_ref().ok()?.as_ref()
    }

    /// The details of the photo, if they were read.
    pub(super) fn details(&self) -> Option<&PhotoDetails> {
        self.details.as_ref().ok()
    }

    pub(super) fn explained(&self) -> Explained {
        let source = self.source.as_ref();
        let target = self.target();
        let name = source
            .map(|source| &source.name)
            .or(target.map(|target| &target.name));
        Explained {
            name: name.cloned().unwrap_or_default(),
            upn: source.map(|source| source.principal.clone()),
            mail: source.and_then(|source| source.mail.clone()),
            source: source.map(|source| source.id.clone()),
            target: target.map(|target| target.id.clone()),
            user_name: target.map(|target| target.user_name.clone()),
        }
    }

    /// How to name this person on a command line without any quoting: the sign-in name where it is plain, else an id.
    pub(super) fn argument(&self) -> String {
        let is_plain = |text: &&str| {
            !text.is_empty()
                && text
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || "@._-+".contains(c))
        };
        let source = self.source.as_ref();
        let principal = source.map(|source| source.principal.raw()).filter(is_plain);
        principal
            .or(source.map(|source| source.id.as_str()))
            .or(self.target().map(|target| target.id.as_str()))
            .unwrap_or_default()
            .to_owned()
    }

    /// The command that pushes this person.
    pub(super) fn push_command(&self) -> String {
        let flag = if self.preview.takes_repair {
            " --repair"
        } else {
            ""
        };
        format!("avatar-sync push {}{flag}", self.argument())
    }

    /// True for bytes that are the source's photo as it is or as it would be uploaded.
    pub(super) fn is_the_photo(&self, hash: Sha256) -> bool {
        self.content.prepared == Some(hash)
            || matches!(&self.content.original, Content::Sound(facts) if facts.sha256 == hash)
    }
}
