//! Everything that both sides can tell about one person's picture: what an explanation is made from.
//!
//! A scan needs a stamp and a chain a person; this is for the one person somebody asks about.

use jiff::Timestamp;

use super::ids::{PictureId, RecordId, SourceId};
use super::photo::{AvatarChain, Sha256, StoredPicture};
use super::text::RemoteText;

/// Everything that the target holds for one person (`servicenow.md` 1.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anatomy {
    /// The chain as a push sees it.
    pub chain: AvatarChain,
    /// Who touched the records of the chain and when; in no particular order, unreadable ones missing.
    pub traces: Vec<RecordTrace>,
    /// Small renditions of the stored pictures, oldest first.
    pub thumbnails: Vec<Thumbnail>,
    /// Pictures that columns of this person name and that are stored at other records.
    pub elsewhere: Vec<StoredPicture>,
    /// What the target says it displays: `None` if it does not say, `Some(None)` for nothing.
    pub displayed: Option<Option<PictureId>>,
}

/// Who touched a record, and when; as far as readable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordTrace {
    /// The record.
    pub record: RecordId,
    /// When it was created.
    pub created_at: Option<Timestamp>,
    /// When it was changed last.
    pub updated_at: Option<Timestamp>,
    /// By whom it was changed last.
    pub updated_by: Option<RemoteText>,
}

/// A small rendition of a stored picture: a row of its own that belongs to the picture (`servicenow.md` 1.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thumbnail {
    /// The row.
    pub id: PictureId,
    /// The picture it was made from.
    pub of: PictureId,
    /// File name as stored.
    pub file_name: RemoteText,
    /// Size in bytes.
    pub bytes: u64,
    /// SHA-256 as the target states it.
    pub sha256: Option<Sha256>,
    /// When it was made.
    pub created_at: Option<Timestamp>,
    /// Who made it.
    pub created_by: Option<RemoteText>,
}

impl Anatomy {
    /// An anatomy of which nothing but the chain is known: for targets that keep no more.
    pub fn of_chain(chain: AvatarChain, displayed: Option<Option<PictureId>>) -> Self {
        Self {
            chain,
            traces: Vec::new(),
            thumbnails: Vec::new(),
            elsewhere: Vec::new(),
            displayed,
        }
    }

    /// Who touched a record.
    pub fn trace(&self, record: &RecordId) -> Option<&RecordTrace> {
        self.traces.iter().find(|trace| &trace.record == record)
    }

    /// Every stored picture and thumbnail, the person's own pictures first.
    pub fn ids(&self) -> impl Iterator<Item = &PictureId> {
        let own = self.chain.records.iter().flat_map(|record| &record.pictures);
        own.chain(&self.elsewhere)
            .map(|picture| &picture.id)
            .chain(self.thumbnails.iter().map(|thumbnail| &thumbnail.id))
    }

    /// The small renditions of a picture, oldest first.
    pub fn thumbnails_of<'a>(&'a self, picture: &'a PictureId) -> impl Iterator<Item = &'a Thumbnail> {
        self.thumbnails
            .iter()
            .filter(move |thumbnail| &thumbnail.of == picture)
    }
}

/// What the source tells about one photo beyond its stamp (`entra.md` 1.2, 1.3, 1.5).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PhotoDetails {
    /// The sizes that exist, smallest first, in pixels; empty if the source did not say.
    pub sizes: Vec<(u32, u32)>,
    /// Where the photo seems to be kept.
    pub store: Option<PhotoStore>,
    /// The answer in words: its code where there is no photo, else which generation of the service gave it.
    pub answer: Option<String>,
    /// True if the answer is the picture of one pixel that stands for "no photo" (`entra.md` 1.6, P6).
    pub is_placeholder: bool,
}

/// Where a source keeps photos (`entra.md` 1.5). It does not say; this is told from the sizes it serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PhotoStore {
    /// Microsoft 365: it serves the well-known squares.
    Mailbox,
    /// The directory: one picture of any size.
    Directory,
}

/// Who works with somebody (`entra.md` 2.5).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Colleagues {
    /// The manager; nobody is normal.
    pub manager: Option<Colleague>,
    /// The first direct reports, by name; nobody is normal.
    pub reports: Vec<Colleague>,
    /// True if there are more reports than are listed.
    pub has_more_reports: bool,
}

/// Somebody's manager or report, as the source knows them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Colleague {
    /// Id in the source: their photo is asked for by it.
    pub id: SourceId,
    /// Display name.
    pub name: RemoteText,
    /// Sign-in name.
    pub principal: Option<RemoteText>,
    /// E-mail address.
    pub mail: Option<RemoteText>,
    /// Job title.
    pub job_title: Option<RemoteText>,
}
