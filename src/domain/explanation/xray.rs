//! The chain as a drawable value: every record of a person, every picture stored at it, and which link wins.

use jiff::Timestamp;

use crate::domain::ids::{PictureId, RecordId, RunId};
use crate::domain::photo::{Column, PictureForm, Place, Scan, Sha256};

/// What the target holds for one person, link by link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Xray {
    /// The person's records, in the order in which the target looks at them: profiles, oldest first, then the user.
    pub links: Vec<Link>,
    /// What precedence says is displayed (`servicenow.md` 1.2, 9.3); `None`: nothing.
    pub predicted: Option<PictureId>,
    /// What the target itself says it displays.
    pub served: Served,
}

impl Xray {
    /// The link whose picture wins, if any does.
    pub fn winner(&self) -> Option<&Link> {
        self.links.iter().find(|link| link.wins)
    }

    /// The picture that is displayed, wherever it is stored.
    pub fn served_picture(&self) -> Option<&LinkPicture> {
        self.pictures().find(|picture| picture.is_served)
    }

    /// Every picture, in the order of the links.
    pub fn pictures(&self) -> impl Iterator<Item = &LinkPicture> {
        self.links.iter().flat_map(|link| &link.pictures)
    }
}

/// What the target says it displays (`sys_user.avatar`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Served {
    /// This picture.
    Picture(PictureId),
    /// Nothing: people see initials.
    Nothing,
    /// It did not say; why, in words.
    Unknown(String),
}

/// One record that can hold a picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Which kind of record.
    pub place: Place,
    /// The record; `None` for a place at which the person has none, like a missing profile.
    pub record: Option<RecordId>,
    /// When it was created.
    pub created_at: Option<Timestamp>,
    /// When it was changed last.
    pub updated_at: Option<Timestamp>,
    /// By whom it was changed last.
    pub updated_by: Option<String>,
    /// Its picture column.
    pub column: LinkColumn,
    /// The pictures stored at it, oldest first. One that the column names and that is stored at somebody else's record
    /// comes last and says so.
    pub pictures: Vec<LinkPicture>,
    /// True if what people see comes from here.
    pub wins: bool,
    /// Why the link is broken, in words; `None`: it is not.
    pub broken: Option<String>,
    /// True for a second or third profile: it counts only if those before it hold nothing.
    pub is_extra: bool,
}

/// A picture column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkColumn {
    /// What it holds.
    pub value: Column,
    /// True if it names a picture that is gone.
    pub is_dangling: bool,
    /// True if it names a picture that is stored at another record.
    pub is_foreign: bool,
    /// True if the column of another record of this person names the same picture.
    pub is_shared: bool,
}

/// One stored picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkPicture {
    /// The row; ask for its bytes by it.
    pub id: PictureId,
    /// How it is stored.
    pub form: PictureForm,
    /// File name, ready to be shown.
    pub file_name: String,
    /// Size in bytes.
    pub bytes: u64,
    /// SHA-256, as the target states it or computed from the bytes.
    pub sha256: Option<Sha256>,
    /// Media type as stored, ready to be shown.
    pub content_type: String,
    /// Format and pixels, told from the bytes: "JPEG 360 x 360"; `None` if they have not been looked at.
    pub seen: Option<String>,
    /// The virus scan.
    pub scan: Scan,
    /// When it was stored.
    pub created_at: Option<Timestamp>,
    /// Who stored it.
    pub author: Author,
    /// True for the one that people see.
    pub is_served: bool,
    /// True for the one that its record would show: the best of this link.
    pub is_best: bool,
    /// True if a column of this person names it.
    pub is_named: bool,
    /// True for an image row that another one hides at the same record.
    pub is_superseded: bool,
    /// True if it is the source's photo, byte for byte or as it would be uploaded.
    pub is_the_photo: bool,
    /// True if it is the source's photo in other bytes.
    pub looks_like_the_photo: bool,
    /// True if it is stored at a record that is not this person's.
    pub is_elsewhere: bool,
    /// Why it cannot be displayed, in words; `None`: it can.
    pub broken: Option<String>,
    /// Its small renditions, oldest first.
    pub thumbnails: Vec<LinkThumbnail>,
}

/// A small rendition of a stored picture (`servicenow.md` 1.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkThumbnail {
    /// The row.
    pub id: PictureId,
    /// File name, ready to be shown.
    pub file_name: String,
    /// Size in bytes.
    pub bytes: u64,
    /// When it was made.
    pub created_at: Option<Timestamp>,
    /// Who made it.
    pub author: Author,
    /// Whether it shows its picture.
    pub staleness: Staleness,
}

/// Whether a thumbnail shows the picture that it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Staleness {
    /// It does.
    Fresh,
    /// It does not; how that was told, in words.
    Stale(String),
    /// It could not be told; why, in words.
    Unknown(String),
}

impl Staleness {
    /// True if it is known to be stale.
    pub fn is_stale(&self) -> bool {
        matches!(self, Self::Stale(_))
    }
}

/// Who stored or changed something. Names may be shown as they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Author {
    /// This program, as its journal says.
    Us {
        /// The run that did it.
        run: RunId,
    },
    /// The account that this program uses, but not in a run that the journal knows.
    OurAccount(String),
    /// The person themselves.
    Person(String),
    /// Somebody else: an administrator or another integration.
    Other(String),
    /// The target does not say.
    Unknown,
}

impl Author {
    /// The stable code in JSON.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Us { .. } => "us",
            Self::OurAccount(_) => "our_account",
            Self::Person(_) => "person",
            Self::Other(_) => "other",
            Self::Unknown => "unknown",
        }
    }

    /// For sentences: "stored by …".
    pub fn words(&self) -> String {
        match self {
            Self::Us { run } => format!("avatar-sync (run {run})"),
            Self::OurAccount(name) => format!("our account {name}"),
            Self::Person(name) => format!("the person ({name})"),
            Self::Other(name) => name.clone(),
            Self::Unknown => "somebody unknown".into(),
        }
    }
}
