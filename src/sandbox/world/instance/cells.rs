//! Rows read column by column, without copying.

use std::borrow::Cow;
use std::ops::Bound;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};

use super::schema::{Column, Kind, Source, TableName};
use super::table::{Slot, digest_of_id, digest_of_text};
use super::{
    AvatarRules, Instance, Picture, ScanState, StoredAttachment, StoredAudit, StoredScan, SysId, moment,
};

/// How the tables are looked at: when, and with which avatar rule.
#[derive(Clone, Copy, Debug)]
pub struct View {
    /// Sandbox time.
    pub now: Timestamp,
    /// Switches of the avatar rule.
    pub avatar: AvatarRules,
}

/// The value of one column of one row.
#[derive(Clone, Debug)]
pub enum Cell<'a> {
    /// Text, also of choices and of numbers the platform keeps as text.
    Text(Cow<'a, str>),
    /// A key, a reference or an image.
    Key(Option<SysId>),
    /// A boolean.
    Flag(bool),
    /// A number.
    Number(u64),
    /// Seconds since 1970.
    Time(u32),
    /// The SHA-256 of a picture, which may have to be drawn first.
    Digest(&'a Picture),
    /// The size of a picture in bytes, likewise.
    Size(&'a Picture),
    /// The size of a picture on the instance's disk, likewise.
    CompressedSize(&'a Picture),
}

impl Cell<'_> {
    /// The value as the platform writes it into JSON when no display value is asked for. Draws for the last three.
    pub fn text(&self) -> Cow<'_, str> {
        match self {
            Self::Text(text) => Cow::Borrowed(text),
            Self::Key(None) => Cow::Borrowed(""),
            Self::Key(Some(id)) => id.to_string().into(),
            Self::Flag(flag) => Cow::Borrowed(if *flag { "true" } else { "false" }),
            Self::Number(number) => number.to_string().into(),
            Self::Time(seconds) => format_time(*seconds).into(),
            Self::Digest(picture) => hex(&picture.sha256()).into(),
            Self::Size(picture) => picture.len().to_string().into(),
            Self::CompressedSize(picture) => compressed_size(picture.len()).to_string().into(),
        }
    }

    /// Empty as `ISEMPTY` means it. Never draws.
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Text(text) => text.is_empty(),
            Self::Key(key) => key.is_none(),
            _ => false,
        }
    }
}

/// `size_compressed` of a file: what the recorded rows show, a little less than the file and for tiny ones more
/// (`servicenow.md` 3.2).
pub(super) fn compressed_size(size: u64) -> u64 {
    if size < 2_000 {
        size + 20
    } else {
        size - size / 124
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .map(|digit| char::from(DIGITS[usize::from(digit)]))
        .collect()
}

/// `YYYY-MM-DD HH:MM:SS` in UTC.
pub fn format_time(seconds: u32) -> String {
    written(Offset::UTC.to_datetime(moment(seconds)))
}

/// The same in a time zone, as a person there sees it.
pub fn format_time_in(seconds: u32, zone: &TimeZone) -> String {
    written(zone.to_datetime(moment(seconds)))
}

fn written(time: DateTime) -> String {
    let mut text = String::with_capacity(19);
    let mut number = |value: i16, width: u32, after: &str| {
        for place in (0..width).rev() {
            let digit = value.unsigned_abs() / 10_u16.pow(place) % 10;
            text.push(char::from(b'0' + digit as u8));
        }
        text.push_str(after);
    };
    number(time.year(), 4, "-");
    number(time.month().into(), 2, "-");
    number(time.day().into(), 2, " ");
    number(time.hour().into(), 2, ":");
    number(time.minute().into(), 2, ":");
    number(time.second().into(), 2, "");
    text
}

impl Instance {
    /// The row with this key.
    pub fn find(&self, table: TableName, sys_id: SysId) -> Option<Slot> {
        match table {
            TableName::User => self.users.find(sys_id),
            TableName::Profile => self.profiles.find(sys_id),
            TableName::Attachment => self.attachments.find(sys_id),
            _ => self.plain.get(&table).and_then(|rows| rows.find(sys_id)),
        }
    }

    /// The key of a row.
    pub fn key(&self, table: TableName, slot: Slot) -> SysId {
        match table {
            TableName::User => self.users.row(slot).sys_id,
            TableName::Profile => self.profiles.row(slot).sys_id,
            TableName::Attachment => self.attachments.row(slot).sys_id,
            _ => self.plain[&table].row(slot).sys_id,
        }
    }

    /// The rows with keys in a range, in order of key.
    pub fn slots(
        &self,
        table: TableName,
        bounds: (Bound<SysId>, Bound<SysId>),
    ) -> Box<dyn DoubleEndedIterator<Item = Slot> + '_> {
        match table {
            TableName::User => Box::new(self.users.range(bounds)),
            TableName::Profile => Box::new(self.profiles.range(bounds)),
            TableName::Attachment => Box::new(self.attachments.range(bounds)),
            _ => match self.plain.get(&table) {
                Some(rows) => Box::new(rows.range(bounds)),
                None => Box::new(std::iter::empty()),
            },
        }
    }

    /// Rows whose column may equal this text, from an index; `None` if the column has none. A few rows too many may
    /// come back: compare again.
    pub fn candidates(&self, table: TableName, column: &Column, text: &str) -> Option<Vec<Slot>> {
        let by_id = |index: &super::Index| {
            SysId::parse(text).map_or_else(Vec::new, |id| index.slots(digest_of_id(id)).collect())
        };
        match (table, column.source) {
            (_, Source::SysId) => Some(
                SysId::parse(text)
                    .and_then(|id| self.find(table, id))
                    .into_iter()
                    .collect(),
            ),
            (TableName::User, Source::UserName) => {
                Some(self.users_by_name.slots(digest_of_text(text)).collect())
            }
            (TableName::User, Source::Email) => {
                Some(self.users_by_email.slots(digest_of_text(text)).collect())
            }
            (TableName::User, Source::Photo) if !text.is_empty() => Some(by_id(&self.users_by_photo)),
            (TableName::Profile, Source::Document) => Some(by_id(&self.profiles_by_document)),
            (TableName::Profile, Source::Photo) if !text.is_empty() => Some(by_id(&self.profiles_by_photo)),
            (TableName::Attachment, Source::TableSysId) => Some(by_id(&self.attachments_by_record)),
            _ => None,
        }
    }

    /// One column of a row.
    pub fn cell<'a>(&'a self, table: TableName, slot: Slot, column: &Column, view: &View) -> Cell<'a> {
        match (table, column.source) {
            (_, Source::Fixed(text)) => Cell::Text(text.into()),
            (_, Source::Other(default)) => self.other_cell(table, slot, column, default),
            (TableName::User, source) => self.user_cell(slot, source, view),
            (TableName::Profile, source) => self.profile_cell(slot, source),
            (TableName::Attachment, source) => self.attachment_cell(slot, source, view),
            (_, source) => {
                let row = self.plain[&table].row(slot);
                self.audit_cell(row.sys_id, &row.audit, source)
            }
        }
    }

    fn other_cell<'a>(&'a self, table: TableName, slot: Slot, column: &Column, default: &'a str) -> Cell<'a> {
        let text = self.other(table, slot, column.name).unwrap_or(default);
        match column.kind {
            Kind::Reference(_) => Cell::Key(SysId::parse(text)),
            Kind::Boolean => Cell::Flag(text == "true"),
            _ => Cell::Text(text.into()),
        }
    }

    pub(super) fn other(&self, table: TableName, slot: Slot, column: &str) -> Option<&str> {
        let values = self.others.get(&(table, slot))?;
        values.get(column).map(|text| &**text)
    }

    fn user_cell<'a>(&'a self, slot: Slot, source: Source, view: &View) -> Cell<'a> {
        let row = self.users.row(slot);
        let name_part = |column, part: fn(&str) -> &str| {
            let text = self.other(TableName::User, slot, column);
            Cell::Text(text.unwrap_or_else(|| part(row.name())).into())
        };
        match source {
            Source::UserName => Cell::Text(row.user_name().into()),
            Source::Email => Cell::Text(row.email().into()),
            Source::Name => Cell::Text(row.name().into()),
            Source::FirstName => name_part("first_name", first_name),
            Source::LastName => name_part("last_name", last_name),
            Source::EmployeeNumber => Cell::Text(row.employee_number().into()),
            Source::Active => Cell::Flag(row.active),
            Source::LockedOut => Cell::Flag(row.locked_out),
            Source::Title => Cell::Text((&**self.shared.text(row.title)).into()),
            Source::SsoSource => Cell::Text((&**self.shared.text(row.sso_source)).into()),
            Source::CorrelationId => Cell::Text(row.correlation_id().into()),
            Source::Photo => Cell::Key(row.photo()),
            Source::Avatar => Cell::Key(self.avatar(row.sys_id, view.avatar).map(|found| found.attachment)),
            source => self.audit_cell(row.sys_id, &row.audit, source),
        }
    }

    fn profile_cell(&self, slot: Slot, source: Source) -> Cell<'_> {
        let row = self.profiles.row(slot);
        match source {
            Source::Name => Cell::Text(self.profile_name(row).into()),
            Source::Document => Cell::Key((row.document != SysId(0)).then_some(row.document)),
            Source::Photo => Cell::Key(row.photo()),
            source => self.audit_cell(row.sys_id, &row.audit, source),
        }
    }

    fn attachment_cell<'a>(&'a self, slot: Slot, source: Source, view: &View) -> Cell<'a> {
        let row = self.attachments.row(slot);
        let scanned = row.scan.ends().filter(|end| *end <= view.now.as_millisecond());
        match source {
            Source::TableName => Cell::Text((&**self.shared.text(row.table_name)).into()),
            Source::TableSysId => Cell::Key(Some(row.table_sys_id)),
            Source::FileName => Cell::Text(self.file_name(row)),
            Source::ContentType => Cell::Text((&**self.shared.text(row.content_type)).into()),
            Source::SizeBytes => Cell::Size(&row.content),
            Source::SizeCompressed => Cell::CompressedSize(&row.content),
            Source::Hash if row.has_hash => Cell::Digest(&row.content),
            Source::Hash => Cell::Text("".into()),
            Source::State => Cell::Text(state_text(row.scan, scanned.is_some()).into()),
            Source::ChunkSize if row.scan.state() == ScanState::Never => Cell::Text("".into()),
            Source::ChunkSize => Cell::Text("700000".into()),
            // The end of the scan is itself an update by the system (`servicenow.md` 3.2, N10).
            Source::ModCount => Cell::Number(u64::from(row.audit.mod_count) + u64::from(scanned.is_some())),
            Source::UpdatedBy if scanned.is_some() => Cell::Text("system".into()),
            Source::UpdatedOn => Cell::Time(updated_on(row, scanned)),
            source => self.audit_cell(row.sys_id, &row.audit, source),
        }
    }

    fn audit_cell(&self, sys_id: SysId, audit: &StoredAudit, source: Source) -> Cell<'_> {
        match source {
            Source::SysId => Cell::Key(Some(sys_id)),
            Source::CreatedOn => Cell::Time(audit.created_on),
            Source::CreatedBy => Cell::Text((&**self.shared.text(audit.created_by)).into()),
            Source::UpdatedOn => Cell::Time(audit.updated_on),
            Source::UpdatedBy => Cell::Text((&**self.shared.text(audit.updated_by)).into()),
            Source::ModCount => Cell::Number(audit.mod_count.into()),
            _ => Cell::Text("".into()),
        }
    }

    /// What a reference column shows for a record: its name (`servicenow.md` 2.6).
    pub fn display_name(&self, table: TableName, sys_id: SysId) -> String {
        match table {
            TableName::User => self.users.get(sys_id).map_or("", |user| user.name()).to_owned(),
            TableName::Profile => self
                .profiles
                .get(sys_id)
                .map_or("", |profile| self.profile_name(profile))
                .to_owned(),
            _ => self
                .find(table, sys_id)
                .and_then(|slot| self.other(table, slot, "name"))
                .unwrap_or_default()
                .to_owned(),
        }
    }

    /// The content and stored media type of an attachment, and whether its scan quarantined it.
    pub fn content(&self, sys_id: SysId, view: &View) -> Option<(Picture, String, bool)> {
        let row = self.attachments.get(sys_id)?;
        let scanned = row
            .scan
            .ends()
            .is_some_and(|end| end <= view.now.as_millisecond());
        let is_quarantined = state_text(row.scan, scanned) == "not_available";
        let content_type = self.shared.text(row.content_type).to_string();
        Some((row.content.clone(), content_type, is_quarantined))
    }
}

fn updated_on(row: &StoredAttachment, scan_ended: Option<i64>) -> u32 {
    match scan_ended {
        Some(milliseconds) => u32::try_from(milliseconds / 1000).unwrap_or(u32::MAX),
        None => row.audit.updated_on,
    }
}

fn state_text(scan: StoredScan, has_ended: bool) -> &'static str {
    match (scan.state(), has_ended) {
        (ScanState::Never, _) => "",
        (ScanState::AvailableFrom(_) | ScanState::QuarantinedFrom(_), false) => "pending",
        (ScanState::Available | ScanState::AvailableFrom(_), _) => "available",
        (ScanState::NotAvailable | ScanState::QuarantinedFrom(_), _) => "not_available",
    }
}

fn first_name(name: &str) -> &str {
    name.split_once(' ').map_or(name, |(first, _)| first)
}

fn last_name(name: &str) -> &str {
    name.split_once(' ').map_or("", |(_, rest)| rest)
}
