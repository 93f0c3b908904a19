//! The ServiceNow side of the world: three tables and the rules that tie them together (`servicenow.md` 1, 3, 9.3).

//!
//! Rows go in as the public structs and are kept in a compact form; whoever reads gets columns ([`Instance::cell`]) or
//! rebuilt rows. Nothing here draws or hashes a picture, so that a lock around it is never held for long.

mod avatar;
mod cells;
mod log;
pub mod schema;
mod table;
mod writes;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;

use super::picture::Picture;
use log::WriteLog;
use schema::TableName;
use table::{Index, Interner, Keyed, Packed, Table, digest_of_id, digest_of_text};

pub use avatar::{AvatarRules, Effective, ImageRecord, PictureRow, UserPictures};
pub use cells::{Cell, View, format_time, format_time_in};
pub use log::{LogEntry, Operation};
pub use table::Slot;
pub use writes::{Actor, NewAttachment, WriteRefused};

/// A `sys_id`: 32 hexadecimal digits. Orders like its text.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SysId(pub u128);

impl SysId {
    /// Reads exactly 32 hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        let is_hex = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if is_hex {
            u128::from_str_radix(text, 16).ok().map(Self)
        } else {
            None
        }
    }
}

impl fmt::Display for SysId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for SysId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// The `sys_*` columns every row has. Times have whole seconds.
#[derive(Clone, Debug)]
pub struct Audit {
    /// `sys_created_on`.
    pub created_on: Timestamp,
    /// `sys_created_by`.
    pub created_by: Arc<str>,
    /// `sys_updated_on`.
    pub updated_on: Timestamp,
    /// `sys_updated_by`.
    pub updated_by: Arc<str>,
    /// `sys_mod_count`.
    pub mod_count: u32,
}

/// A row of `sys_user`.
#[derive(Clone, Debug)]
pub struct UserRow {
    /// Key.
    pub sys_id: SysId,
    /// `user_name`.
    pub user_name: Box<str>,
    /// `email`, may be empty.
    pub email: Box<str>,
    /// `name`.
    pub name: Box<str>,
    /// `employee_number`, may be empty.
    pub employee_number: Box<str>,
    /// `active`.
    pub active: bool,
    /// `locked_out`.
    pub locked_out: bool,
    /// `title`.
    pub title: Arc<str>,
    /// `sso_source`, may be empty.
    pub sso_source: Arc<str>,
    /// `correlation_id`, may be empty.
    pub correlation_id: Box<str>,
    /// `photo`: the column, which may be empty although there is a picture, or name one that is gone.
    pub photo: Option<SysId>,
    /// `sys_*`.
    pub audit: Audit,
}

/// A row of `live_profile` with `type=user` and `table=sys_user`.
#[derive(Clone, Debug)]
pub struct ProfileRow {
    /// Key.
    pub sys_id: SysId,
    /// `document`: the user.
    pub document: SysId,
    /// `name`.
    pub name: Box<str>,
    /// `photo`: the column.
    pub photo: Option<SysId>,
    /// `sys_*`.
    pub audit: Audit,
}

/// A row of `sys_attachment`.
#[derive(Clone, Debug)]
pub struct AttachmentRow {
    /// Key.
    pub sys_id: SysId,
    /// `table_name`: `ZZ_YYsys_user`, `ZZ_YYlive_profile`, `live_profile`, `sys_attachment` for thumbnails, …
    pub table_name: Arc<str>,
    /// `table_sys_id`: the record, which may be gone.
    pub table_sys_id: SysId,
    /// `file_name`.
    pub file_name: Box<str>,
    /// `content_type` as stored.
    pub content_type: Arc<str>,
    /// The content.
    pub content: Picture,
    /// The virus scan.
    pub scan: ScanState,
    /// False for rows from before the platform stored hashes: `hash` is empty.
    pub has_hash: bool,
    /// `sys_*`.
    pub audit: Audit,
}

/// The life of an attachment's `state` (`servicenow.md` 3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScanState {
    /// An old row that was never scanned: `state` and `chunk_size_bytes` are empty (E49).
    Never,
    /// `pending` until this moment of sandbox time, then `available`.
    AvailableFrom(Timestamp),
    /// `pending` until this moment of sandbox time, then `not_available`.
    QuarantinedFrom(Timestamp),
    /// `available`.
    Available,
    /// `not_available`: quarantined.
    NotAvailable,
}

/// `sys_*` in 20 bytes: seconds since 1970 and numbers of shared texts.
#[derive(Clone, Copy, Debug)]
struct StoredAudit {
    created_on: u32,
    updated_on: u32,
    created_by: u32,
    updated_by: u32,
    mod_count: u32,
}

#[derive(Clone, Debug)]
struct StoredUser {
    sys_id: SysId,
    photo: SysId,
    /// User name, e-mail (empty if it repeats the user name), name, employee number, correlation id.
    texts: Packed<5>,
    title: u32,
    sso_source: u32,
    audit: StoredAudit,
    has_photo: bool,
    active: bool,
    locked_out: bool,
    email_is_user_name: bool,
}

#[derive(Clone, Debug)]
struct StoredProfile {
    sys_id: SysId,
    document: SysId,
    photo: SysId,
    /// `None` if it is the user's name.
    name: Option<Box<str>>,
    audit: StoredAudit,
    has_photo: bool,
}

#[derive(Clone, Debug)]
struct StoredAttachment {
    sys_id: SysId,
    table_sys_id: SysId,
    content: Picture,
    file_name: FileName,
    table_name: u32,
    content_type: u32,
    /// Order of arrival, which tells rows of one second apart.
    sequence: u32,
    audit: StoredAudit,
    scan: StoredScan,
    has_hash: bool,
}

/// File names are nearly always `photo` or that of a thumbnail.
#[derive(Clone, Debug)]
enum FileName {
    Shared(u32),
    Own(Box<str>),
}

/// Stands for `thumb_<table_sys_id>`.
const THUMBNAIL: FileName = FileName::Shared(u32::MAX);

/// A [`ScanState`] in eight bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct StoredScan(u64);

/// A row of a table without columns of its own; all its values are kept beside it.
#[derive(Clone, Debug)]
struct PlainRow {
    sys_id: SysId,
    audit: StoredAudit,
}

macro_rules! keyed {
    ($($row:ty),*) => {
        $(impl Keyed for $row {
            fn sys_id(&self) -> SysId {
                self.sys_id
            }
        })*
    };
}
keyed!(StoredUser, StoredProfile, StoredAttachment, PlainRow);

/// The tables of the practice instance.
#[derive(Clone, Debug, Default)]
pub struct Instance {
    users: Table<StoredUser>,
    profiles: Table<StoredProfile>,
    attachments: Table<StoredAttachment>,
    /// `sys_user_group`, `sys_user_grmember`, `sys_properties`.
    plain: BTreeMap<TableName, Table<PlainRow>>,
    /// Values of [`schema::Source::Other`] columns that differ from the default.
    others: HashMap<(TableName, Slot), BTreeMap<&'static str, Box<str>>>,
    users_by_name: Index,
    users_by_email: Index,
    users_by_photo: Index,
    profiles_by_document: Index,
    profiles_by_photo: Index,
    attachments_by_record: Index,
    shared: Interner,
    last_sequence: u32,
    log: WriteLog,
    /// Attachments that a mirror rule will copy, and from when (`servicenow.md` E52).
    mirrors: VecDeque<(Timestamp, SysId)>,
}

impl Instance {
    /// Inserts or replaces a user row.
    pub fn put_user(&mut self, row: UserRow) {
        let email_is_user_name = row.email == row.user_name;
        let stored = StoredUser {
            sys_id: row.sys_id,
            photo: row.photo.unwrap_or(SysId(0)),
            texts: Packed::new([
                &row.user_name,
                if email_is_user_name { "" } else { &row.email },
                &row.name,
                &row.employee_number,
                &row.correlation_id,
            ]),
            title: self.shared.number(&row.title),
            sso_source: self.shared.number(&row.sso_source),
            audit: self.store_audit(&row.audit),
            has_photo: row.photo.is_some(),
            active: row.active,
            locked_out: row.locked_out,
            email_is_user_name,
        };
        let slot = if let Some(slot) = self.users.find(row.sys_id) {
            self.unindex_user(slot);
            *self.users.row_mut(slot) = stored;
            slot
        } else {
            self.users.insert(stored)
        };
        let user = self.users.row(slot);
        self.users_by_name.add(digest_of_text(user.user_name()), slot);
        self.users_by_email.add(digest_of_text(user.email()), slot);
        if let Some(photo) = user.photo() {
            self.users_by_photo.add(digest_of_id(photo), slot);
        }
    }

    fn unindex_user(&mut self, slot: Slot) {
        let user = self.users.row(slot);
        self.users_by_name.remove(digest_of_text(user.user_name()), slot);
        self.users_by_email.remove(digest_of_text(user.email()), slot);
        if let Some(photo) = user.photo() {
            self.users_by_photo.remove(digest_of_id(photo), slot);
        }
    }

    /// Inserts or replaces a profile row.
    pub fn put_profile(&mut self, row: ProfileRow) {
        let is_users_name = self
            .users
            .get(row.document)
            .is_some_and(|user| *user.name() == *row.name);
        let stored = StoredProfile {
            sys_id: row.sys_id,
            document: row.document,
            photo: row.photo.unwrap_or(SysId(0)),
            name: (!is_users_name).then_some(row.name),
            audit: self.store_audit(&row.audit),
            has_photo: row.photo.is_some(),
        };
        let slot = if let Some(slot) = self.profiles.find(row.sys_id) {
            self.unindex_profile(slot);
            *self.profiles.row_mut(slot) = stored;
            slot
        } else {
            self.profiles.insert(stored)
        };
        let profile = self.profiles.row(slot);
        self.profiles_by_document
            .add(digest_of_id(profile.document), slot);
        if let Some(photo) = profile.photo() {
            self.profiles_by_photo.add(digest_of_id(photo), slot);
        }
    }

    fn unindex_profile(&mut self, slot: Slot) {
        let profile = self.profiles.row(slot);
        self.profiles_by_document
            .remove(digest_of_id(profile.document), slot);
        if let Some(photo) = profile.photo() {
            self.profiles_by_photo.remove(digest_of_id(photo), slot);
        }
    }

    /// Inserts or replaces an attachment row. A new row counts as younger than all that were put before it.
    pub fn put_attachment(&mut self, row: AttachmentRow) {
        let file_name = if is_thumbnail_of(&row.file_name, row.table_sys_id) {
            THUMBNAIL
        } else if row.file_name.len() <= "photo.jpeg".len() {
            FileName::Shared(self.shared.number(&row.file_name))
        } else {
            FileName::Own(row.file_name)
        };
        let old = self.attachments.find(row.sys_id);
        let sequence = old.map_or_else(
            || {
                self.last_sequence = self.last_sequence.wrapping_add(1);
                self.last_sequence
            },
            |slot| self.attachments.row(slot).sequence,
        );
        let stored = StoredAttachment {
            sys_id: row.sys_id,
            table_sys_id: row.table_sys_id,
            content: row.content,
            file_name,
            table_name: self.shared.number(&row.table_name),
            content_type: self.shared.number(&row.content_type),
            sequence,
            audit: self.store_audit(&row.audit),
            scan: StoredScan::new(row.scan),
            has_hash: row.has_hash,
        };
        let slot = if let Some(slot) = old {
            self.unindex_attachment(slot);
            *self.attachments.row_mut(slot) = stored;
            slot
        } else {
            self.attachments.insert(stored)
        };
        self.attachments_by_record
            .add(digest_of_id(row.table_sys_id), slot);
    }

    fn unindex_attachment(&mut self, slot: Slot) {
        let record = self.attachments.row(slot).table_sys_id;
        self.attachments_by_record.remove(digest_of_id(record), slot);
    }

    /// A user, rebuilt.
    pub fn user(&self, sys_id: SysId) -> Option<UserRow> {
        self.users.get(sys_id).map(|row| self.user_row(row))
    }

    /// All users in order of `sys_id`, rebuilt one at a time.
    pub fn users(&self) -> impl Iterator<Item = UserRow> {
        self.users.rows().map(|row| self.user_row(row))
    }

    /// A user by `user_name` in any capitalisation; the one with the lowest `sys_id` if there are several.
    pub fn user_named(&self, user_name: &str) -> Option<SysId> {
        self.users_by_name
            .slots(digest_of_text(user_name))
            .map(|slot| self.users.row(slot))
            .filter(|user| equal_folded(user.user_name(), user_name))
            .map(|user| user.sys_id)
            .min()
    }

    /// A profile, rebuilt.
    pub fn profile(&self, sys_id: SysId) -> Option<ProfileRow> {
        self.profiles.get(sys_id).map(|row| self.profile_row(row))
    }

    /// All profiles in order of `sys_id`, rebuilt one at a time.
    pub fn profiles(&self) -> impl Iterator<Item = ProfileRow> {
        self.profiles.rows().map(|row| self.profile_row(row))
    }

    /// An attachment, rebuilt; its `audit` and `scan` as they were written, before the scan's own update.
    pub fn attachment(&self, sys_id: SysId) -> Option<AttachmentRow> {
        self.attachments.get(sys_id).map(|row| self.attachment_row(row))
    }

    /// All attachments in order of `sys_id`, rebuilt one at a time.
    pub fn attachments(&self) -> impl Iterator<Item = AttachmentRow> {
        self.attachments.rows().map(|row| self.attachment_row(row))
    }

    /// The attachments stored at a record of any table, in order of arrival.
    pub fn attachments_of(&self, record: SysId) -> Vec<AttachmentRow> {
        self.stored_attachments_of(record)
            .map(|row| self.attachment_row(row))
            .collect()
    }

    fn stored_attachments_of(&self, record: SysId) -> impl Iterator<Item = &StoredAttachment> {
        let mut found: Vec<&StoredAttachment> = self
            .attachments_by_record
            .slots(digest_of_id(record))
            .map(|slot| self.attachments.row(slot))
            .filter(|row| row.table_sys_id == record)
            .collect();
        found.sort_unstable_by_key(|row| row.sequence);
        found.into_iter()
    }

    /// Rows in a table.
    pub fn count(&self, table: TableName) -> usize {
        match table {
            TableName::User => self.users.len(),
            TableName::Profile => self.profiles.len(),
            TableName::Attachment => self.attachments.len(),
            _ => self.plain.get(&table).map_or(0, Table::len),
        }
    }

    /// Up to `limit` writes after the one with this `seq`, oldest first; 0 is the beginning of what is kept.
    pub fn log_after(&self, seq: u64, limit: usize) -> Vec<LogEntry> {
        self.log.after(seq, limit)
    }

    /// Writes kept in the log.
    pub fn log_len(&self) -> usize {
        self.log.len()
    }

    fn store_audit(&mut self, audit: &Audit) -> StoredAudit {
        StoredAudit {
            created_on: seconds(audit.created_on),
            updated_on: seconds(audit.updated_on),
            created_by: self.shared.number(&audit.created_by),
            updated_by: self.shared.number(&audit.updated_by),
            mod_count: audit.mod_count,
        }
    }

    fn audit(&self, audit: &StoredAudit) -> Audit {
        Audit {
            created_on: moment(audit.created_on),
            created_by: Arc::clone(self.shared.text(audit.created_by)),
            updated_on: moment(audit.updated_on),
            updated_by: Arc::clone(self.shared.text(audit.updated_by)),
            mod_count: audit.mod_count,
        }
    }

    fn user_row(&self, row: &StoredUser) -> UserRow {
        UserRow {
            sys_id: row.sys_id,
            user_name: row.user_name().into(),
            email: row.email().into(),
            name: row.name().into(),
            employee_number: row.employee_number().into(),
            active: row.active,
            locked_out: row.locked_out,
            title: Arc::clone(self.shared.text(row.title)),
            sso_source: Arc::clone(self.shared.text(row.sso_source)),
            correlation_id: row.correlation_id().into(),
            photo: row.photo(),
            audit: self.audit(&row.audit),
        }
    }

    fn profile_row(&self, row: &StoredProfile) -> ProfileRow {
        ProfileRow {
            sys_id: row.sys_id,
            document: row.document,
            name: self.profile_name(row).into(),
            photo: row.photo(),
            audit: self.audit(&row.audit),
        }
    }

    fn attachment_row(&self, row: &StoredAttachment) -> AttachmentRow {
        AttachmentRow {
            sys_id: row.sys_id,
            table_name: Arc::clone(self.shared.text(row.table_name)),
            table_sys_id: row.table_sys_id,
            file_name: self.file_name(row).into(),
            content_type: Arc::clone(self.shared.text(row.content_type)),
            content: row.content.clone(),
            scan: row.scan.state(),
            has_hash: row.has_hash,
            audit: self.audit(&row.audit),
        }
    }

    fn profile_name<'a>(&'a self, row: &'a StoredProfile) -> &'a str {
        match &row.name {
            Some(name) => name,
            None => self.users.get(row.document).map_or("", |user| user.name()),
        }
    }

    fn file_name<'a>(&'a self, row: &'a StoredAttachment) -> std::borrow::Cow<'a, str> {
        match &row.file_name {
            FileName::Shared(u32::MAX) => format!("thumb_{}", row.table_sys_id).into(),
            FileName::Shared(number) => (&**self.shared.text(*number)).into(),
            FileName::Own(name) => (&**name).into(),
        }
    }
}

impl StoredUser {
    fn user_name(&self) -> &str {
        self.texts.get(0)
    }

    fn email(&self) -> &str {
        self.texts.get(usize::from(!self.email_is_user_name))
    }

    fn name(&self) -> &str {
        self.texts.get(2)
    }

    fn employee_number(&self) -> &str {
        self.texts.get(3)
    }

    fn correlation_id(&self) -> &str {
        self.texts.get(4)
    }

    fn photo(&self) -> Option<SysId> {
        self.has_photo.then_some(self.photo)
    }
}

impl StoredProfile {
    fn photo(&self) -> Option<SysId> {
        self.has_photo.then_some(self.photo)
    }
}

impl StoredScan {
    const NEVER: u64 = 0;
    const AVAILABLE: u64 = 1;
    const NOT_AVAILABLE: u64 = 2;
    /// From here on: milliseconds since 1970, doubled, plus one for a quarantine.
    const FIRST_MOMENT: u64 = 4;

    fn new(state: ScanState) -> Self {
        let pending = |until: Timestamp| (until.as_millisecond().max(2) as u64) << 1;
        Self(match state {
            ScanState::Never => Self::NEVER,
            ScanState::Available => Self::AVAILABLE,
            ScanState::NotAvailable => Self::NOT_AVAILABLE,
            ScanState::AvailableFrom(until) => pending(until),
            ScanState::QuarantinedFrom(until) => pending(until) | 1,
        })
    }

    fn state(self) -> ScanState {
        match self.0 {
            Self::NEVER => ScanState::Never,
            Self::AVAILABLE => ScanState::Available,
            Self::NOT_AVAILABLE => ScanState::NotAvailable,
            pending => {
                let until = Timestamp::from_millisecond((pending >> 1) as i64).unwrap_or(Timestamp::MAX);
                if pending & 1 == 1 {
                    ScanState::QuarantinedFrom(until)
                } else {
                    ScanState::AvailableFrom(until)
                }
            }
        }
    }

    /// Milliseconds since 1970 when the scan ended, if it had or has to run.
    fn ends(self) -> Option<i64> {
        (self.0 >= Self::FIRST_MOMENT).then_some((self.0 >> 1) as i64)
    }
}

fn is_thumbnail_of(file_name: &str, picture: SysId) -> bool {
    file_name.strip_prefix("thumb_").is_some_and(|id| {
        SysId::parse(id) == Some(picture) && !id.bytes().any(|byte| byte.is_ascii_uppercase())
    })
}

fn equal_folded(left: &str, right: &str) -> bool {
    left.eq_ignore_ascii_case(right)
        || (!(left.is_ascii() && right.is_ascii()) && left.to_lowercase() == right.to_lowercase())
}

/// Whole seconds since 1970; moments outside 1970 to 2106 are moved to the nearer end.
fn seconds(moment: Timestamp) -> u32 {
    u32::try_from(moment.as_second().max(0)).unwrap_or(u32::MAX)
}

fn moment(seconds: u32) -> Timestamp {
    Timestamp::from_second(i64::from(seconds)).expect("the range of u32 is inside that of Timestamp")
}
