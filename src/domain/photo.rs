//! What is known about a person's picture on either side.
//!
//! The most important pair is *unknown* and *absent*: we only act on an absence we have seen.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::ids::{PictureId, RecordId};
use super::text::RemoteText;

/// SHA-256 of a picture's bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Sha256([u8; 32]);

impl Sha256 {
    /// Hashes `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        use sha2::Digest;
        Self(sha2::Sha256::digest(bytes).into())
    }

    /// Wraps a digest.
    pub fn from_bytes(digest: [u8; 32]) -> Self {
        Self(digest)
    }

    /// The digest, big end first.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Reads 64 hexadecimal digits of either case; `None` for anything else.
    pub fn from_hex(text: &str) -> Option<Self> {
        let text = text.as_bytes();
        if text.len() != 64 {
            return None;
        }
        let mut digest = [0; 32];
        for (byte, pair) in digest.iter_mut().zip(text.chunks_exact(2)) {
            let high = (pair[0] as char).to_digit(16)?;
            let low = (pair[1] as char).to_digit(16)?;
            *byte = (high * 16 + low) as u8;
        }
        Some(Self(digest))
    }
}

impl fmt::Display for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sha256({self})")
    }
}

impl Serialize for Sha256 {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Sha256 {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::from_hex(&text).ok_or_else(|| serde::de::Error::custom("expected 64 hexadecimal digits"))
    }
}

/// The cheap stamp of a source photo: enough to tell that it changed, without its bytes (`entra.md` 8).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PhotoStamp {
    /// The service's opaque version, byte for byte (`@odata.mediaEtag`); `None` when it sent none, which means
    /// that only the bytes can tell.
    pub etag: Option<String>,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Media type as the service claims it; never trusted.
    pub content_type: String,
}

/// What is known of a person's photo in the source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SourcePhoto {
    /// Not asked yet.
    Unknown,
    /// The source said, in a shape we recognise, that there is none (`entra.md` 1.6, P1 to P7).
    Absent,
    /// There is one.
    Present(PhotoStamp),
    /// It cannot be told, and that is a state of the tenant rather than a failure: the mailbox is not in Exchange
    /// Online (`entra.md` 1.6, P12 to P15).
    OutOfReach(
        /// Why, in words for an administrator.
        String,
    ),
    /// It could not be found out: the person is gone, the request failed for good.
    Unreadable(
        /// Why, in words for an administrator.
        String,
    ),
}

/// The picture column of a target record (`photo` in ServiceNow, `servicenow.md` 1.3).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Column {
    /// An access rule hides it, or it was not asked for.
    Unreadable,
    /// Empty. That does **not** mean that the record has no picture.
    Empty,
    /// It names a stored picture, which may be gone.
    Names(PictureId),
}

/// Whether the target's virus scan lets a stored picture be served (`servicenow.md` 3.2 `state`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scan {
    /// Never scanned, or the target does not scan.
    NotScanned,
    /// Queued.
    Pending,
    /// Clean.
    Available,
    /// Infected, quarantined.
    Quarantined,
}

/// How a picture is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PictureForm {
    /// The platform's image-field form (`ZZ_YY…`, file name `photo`).
    ImageField,
    /// An ordinary attachment of the record, as the well-known article stores it; an avatar only while a column names it.
    Plain,
}

/// One picture stored in the target: a row of metadata, without its bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredPicture {
    /// The row.
    pub id: PictureId,
    /// Image-field or plain.
    pub form: PictureForm,
    /// File name as stored.
    pub file_name: RemoteText,
    /// SHA-256 of the content as the target states it; `None` for old or encrypted rows.
    pub sha256: Option<Sha256>,
    /// Size of the content in bytes.
    pub bytes: u64,
    /// Media type as stored; never trusted.
    pub content_type: RemoteText,
    /// Scan state.
    pub scan: Scan,
    /// When it was stored, if readable.
    pub created_at: Option<Timestamp>,
    /// Who stored it, if readable.
    pub created_by: Option<RemoteText>,
}

impl StoredPicture {
    /// True if the target can show this picture: not quarantined, and stored as a type that it shows
    /// (`servicenow.md` 1.7, `bad_type`).
    pub fn can_be_served(&self) -> bool {
        let content_type = self.content_type.raw().trim();
        let is_shown = ["image/gif", "image/jpeg", "image/jpg", "image/pjpeg", "image/png"]
            .iter()
            .any(|known| content_type.eq_ignore_ascii_case(known));
        is_shown && self.scan != Scan::Quarantined
    }
}

/// A place in the target where an avatar can live: `live_profile` or `sys_user` for ServiceNow.
///
/// The name is the service's own, for JSON, journal and explanations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Place(pub &'static str);

impl<'de> Deserialize<'de> for Place {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Places are a handful of fixed names of the connectors built in; a plan or journal may only use those.
        let name = String::deserialize(deserializer)?;
        [Self::LIVE_PROFILE, Self::SYS_USER, Self::THUMBNAIL]
            .into_iter()
            .find(|place| place.0 == name)
            .ok_or_else(|| serde::de::Error::custom(format!("unknown place {name:?}")))
    }
}

impl Place {
    /// ServiceNow's Live Feed profile of a person.
    pub const LIVE_PROFILE: Self = Self("live_profile");
    /// ServiceNow's user record.
    pub const SYS_USER: Self = Self("sys_user");
    /// Where small renditions of stored pictures are: their records are the pictures (`servicenow.md` 1.2). Nobody's
    /// avatar is there.
    pub const THUMBNAIL: Self = Self("sys_attachment");
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// One record of a person that can hold an avatar, with everything stored at it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AvatarRecord {
    /// Which place this is.
    pub place: Place,
    /// The record.
    pub id: RecordId,
    /// Its picture column.
    pub column: Column,
    /// Every picture stored at it, oldest first: image-field and plain ones.
    pub pictures: Vec<StoredPicture>,
}

impl AvatarRecord {
    /// The rows in the platform's image-field form, oldest first.
    pub fn image_rows(&self) -> impl Iterator<Item = &StoredPicture> {
        self.pictures
            .iter()
            .filter(|picture| picture.form == PictureForm::ImageField)
    }

    /// A row of this record by its id.
    pub fn picture(&self, id: &PictureId) -> Option<&StoredPicture> {
        self.pictures.iter().find(|picture| &picture.id == id)
    }
}

/// Something noteworthy about a person's avatar chain (`servicenow.md` 1.7, health findings).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Finding {
    /// A column names a picture that is gone.
    DanglingColumn,
    /// More than one image-field row at one record.
    DuplicateImage,
    /// More than one profile record for the person.
    DuplicateProfile,
    /// No profile record.
    NoProfile,
    /// Both records have a picture, and they differ.
    Split,
    /// An image stored as an ordinary attachment.
    Unprefixed,
    /// The stored media type is not one the target can show.
    BadType,
    /// A picture waits for the virus scan.
    NotScanned,
    /// A picture did not pass the virus scan.
    Quarantined,
    /// The target states no hash, so only the bytes can tell.
    NoHash,
    /// Columns of two records name one picture; deleting it would break both.
    SharedPicture,
    /// A thumbnail of the displayed picture shows another one. No scan looks for it: only whoever asks about a person.
    StaleThumbnail,
}

/// What the target holds for one person, and which picture it serves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AvatarChain {
    /// The person's records in the order in which the target looks at them; of several profiles the one that
    /// counts first.
    pub records: Vec<AvatarRecord>,
    /// The picture that is displayed, by the target's own precedence (`servicenow.md` 9.3).
    pub served: Option<Served>,
    /// What is odd about it, in a fixed order, each at most once.
    pub findings: Vec<Finding>,
}

/// Which picture is displayed, and from where.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Served {
    /// The place that wins.
    pub place: Place,
    /// The record of that place.
    pub record: RecordId,
    /// The picture.
    pub picture: PictureId,
}

impl AvatarChain {
    /// The metadata of the displayed picture.
    pub fn served_picture(&self) -> Option<&StoredPicture> {
        let served = self.served.as_ref()?;
        self.picture(&served.picture)
    }

    /// A picture by id, wherever in the chain it is stored.
    pub fn picture(&self, id: &PictureId) -> Option<&StoredPicture> {
        self.records.iter().find_map(|record| record.picture(id))
    }

    /// The first record of a place: the one that counts when there are several.
    pub fn record(&self, place: Place) -> Option<&AvatarRecord> {
        self.records.iter().find(|record| record.place == place)
    }

    /// True if the finding was made.
    pub fn has(&self, finding: Finding) -> bool {
        self.findings.contains(&finding)
    }

    /// A short value that changes whenever anything a push relies on changes: records, columns, rows, contents.
    pub fn stamp(&self) -> ChainStamp {
        use sha2::Digest;
        let mut hasher = sha2::Sha256::new();
        for record in &self.records {
            hasher.update(record.place.0.as_bytes());
            hasher.update([0]);
            hasher.update(record.id.as_str().as_bytes());
            match &record.column {
                Column::Unreadable => hasher.update([1]),
                Column::Empty => hasher.update([2]),
                Column::Names(id) => {
                    hasher.update([3]);
                    hasher.update(id.as_str().as_bytes());
                }
            }
            for picture in &record.pictures {
                hasher.update([4]);
                hasher.update(picture.id.as_str().as_bytes());
                hasher.update(picture.bytes.to_le_bytes());
                match picture.sha256 {
                    Some(sha256) => hasher.update(sha256.as_bytes()),
                    None => hasher.update([5]),
                }
            }
        }
        let digest: [u8; 32] = hasher.finalize().into();
        let short = Sha256::from_bytes(digest).to_string();
        ChainStamp(short[..16].into())
    }
}

/// The state of a person's avatar chain when something was decided on it; see [`AvatarChain::stamp`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ChainStamp(Box<str>);

impl ChainStamp {
    /// As it is written down.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A stamp that was written down.
    pub fn from_text(text: &str) -> Self {
        Self(text.into())
    }
}
