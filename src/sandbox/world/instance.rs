//! The ServiceNow side of the world: three tables and the rules that tie them together (`servicenow.md` 1, 3, 9.3).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;

use super::picture::Picture;

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
    /// When the scan state changes from `pending` to `available`; `None`: an old row that was never scanned
    /// (empty `state`, `hash` and `chunk_size_bytes`, E49).
    pub scan: ScanState,
    /// False for rows from before the platform stored hashes: `hash` is empty.
    pub has_hash: bool,
    /// `sys_*`.
    pub audit: Audit,
}

/// The life of an attachment's `state` (`servicenow.md` 3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScanState {
    /// `""`.
    Never,
    /// `pending` until this moment of sandbox time, then `available`.
    AvailableFrom(Timestamp),
    /// `available`.
    Available,
    /// `not_available`: quarantined.
    NotAvailable,
}

/// The three tables.
#[derive(Clone, Debug, Default)]
pub struct Instance {
    /// `sys_user` by `sys_id`.
    pub users: BTreeMap<SysId, UserRow>,
    /// `live_profile` by `sys_id`.
    pub profiles: BTreeMap<SysId, ProfileRow>,
    /// `sys_attachment` by `sys_id`.
    pub attachments: BTreeMap<SysId, AttachmentRow>,
    /// Attachments by the record they are stored at: (`table_sys_id`, attachment).
    pub attachments_by_record: BTreeSet<(SysId, SysId)>,
    /// Profiles by user: (`document`, profile).
    pub profiles_by_user: BTreeSet<(SysId, SysId)>,
}

impl Instance {
    /// Inserts or replaces a user row.
    pub fn put_user(&mut self, row: UserRow) {
        self.users.insert(row.sys_id, row);
    }

    /// Inserts or replaces a profile row.
    pub fn put_profile(&mut self, row: ProfileRow) {
        self.profiles_by_user.insert((row.document, row.sys_id));
        self.profiles.insert(row.sys_id, row);
    }

    /// Inserts or replaces an attachment row.
    pub fn put_attachment(&mut self, row: AttachmentRow) {
        self.attachments_by_record.insert((row.table_sys_id, row.sys_id));
        self.attachments.insert(row.sys_id, row);
    }

    /// A user.
    pub fn user(&self, sys_id: SysId) -> Option<UserRow> {
        self.users.get(&sys_id).cloned()
    }

    /// All users in order of `sys_id`.
    pub fn users(&self) -> impl Iterator<Item = UserRow> {
        self.users.values().cloned()
    }

    /// All profiles in order of `sys_id`.
    pub fn profiles(&self) -> impl Iterator<Item = ProfileRow> {
        self.profiles.values().cloned()
    }

    /// An attachment.
    pub fn attachment(&self, sys_id: SysId) -> Option<AttachmentRow> {
        self.attachments.get(&sys_id).cloned()
    }

    /// All attachments in order of `sys_id`.
    pub fn attachments(&self) -> impl Iterator<Item = AttachmentRow> {
        self.attachments.values().cloned()
    }
}
