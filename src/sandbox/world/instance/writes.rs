//! Inserts, updates and deletes with what follows from them: audit columns, cascades, the write log.

use std::sync::Arc;

use jiff::Timestamp;

use super::log::Operation;
use super::schema::{Column, Kind, Source, TableName};
use super::{
    AttachmentRow, Audit, Instance, Picture, PlainRow, ProfileRow, ScanState, StoredScan, SysId, UserRow,
    digest_of_id, equal_folded, moment, seconds,
};

/// Who writes, and when.
#[derive(Clone, Copy, Debug)]
pub struct Actor<'a> {
    /// `user_name` for `sys_created_by` and `sys_updated_by`.
    pub name: &'a str,
    /// Sandbox time.
    pub now: Timestamp,
}

/// An attachment to be stored.
#[derive(Debug)]
pub struct NewAttachment<'a> {
    /// `table_name`, with the prefix of image fields if it is one.
    pub table_name: &'a str,
    /// The record.
    pub table_sys_id: SysId,
    /// `file_name`.
    pub file_name: &'a str,
    /// `content_type`.
    pub content_type: &'a str,
    /// Content.
    pub content: Picture,
    /// Virus scan.
    pub scan: ScanState,
    /// Whether `hash` is filled.
    pub has_hash: bool,
}

/// Why a row was not written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WriteRefused {
    /// The caller chose a `sys_id` that a row of this table already has.
    #[error("a row with this sys_id exists")]
    KeyTaken,
}

impl SysId {
    /// A new key.
    pub fn random() -> Self {
        Self(uuid::Uuid::new_v4().as_u128())
    }
}

impl Instance {
    /// Stores an attachment and gives its key.
    pub fn attach(&mut self, new: NewAttachment<'_>, actor: Actor<'_>) -> SysId {
        let sys_id = SysId::random();
        let mut fields: Vec<(&'static str, Box<str>)> = vec![
            ("table_name", new.table_name.into()),
            ("table_sys_id", new.table_sys_id.to_string().into()),
            ("file_name", new.file_name.into()),
        ];
        // A drawn picture is not drawn for the log.
        if let Picture::Bytes(stored) = &new.content {
            fields.push(("size_bytes", stored.bytes.len().to_string().into()));
            fields.push(("hash", super::cells::hex(&stored.sha256).into()));
        }
        let by: Arc<str> = Arc::from(actor.name);
        self.put_attachment(AttachmentRow {
            sys_id,
            table_name: new.table_name.into(),
            table_sys_id: new.table_sys_id,
            file_name: new.file_name.into(),
            content_type: new.content_type.into(),
            content: new.content,
            scan: new.scan,
            has_hash: new.has_hash,
            audit: Audit::new(&by, actor.now),
        });
        self.record_insert(TableName::Attachment, sys_id, fields, actor);
        sys_id
    }

    /// Inserts a row; columns that are not named are empty or have their default.
    pub fn insert(
        &mut self,
        table: TableName,
        sys_id: Option<SysId>,
        values: &[(&'static Column, String)],
        actor: Actor<'_>,
    ) -> Result<SysId, WriteRefused> {
        let sys_id = sys_id.unwrap_or_else(SysId::random);
        if self.find(table, sys_id).is_some() {
            return Err(WriteRefused::KeyTaken);
        }
        let by: Arc<str> = Arc::from(actor.name);
        let audit = Audit::new(&by, actor.now);
        match table {
            TableName::User => {
                let mut row = UserRow::empty(sys_id, audit);
                row.apply(values);
                self.put_user(row);
            }
            TableName::Profile => {
                let mut row = ProfileRow {
                    sys_id,
                    document: SysId(0),
                    name: "".into(),
                    photo: None,
                    audit,
                };
                row.apply(values);
                self.put_profile(row);
            }
            TableName::Attachment => {
                let mut row = AttachmentRow {
                    sys_id,
                    table_name: "".into(),
                    table_sys_id: SysId(0),
                    file_name: "".into(),
                    content_type: "".into(),
                    content: Picture::from_bytes(Vec::new()),
                    scan: ScanState::Never,
                    has_hash: false,
                    audit,
                };
                row.apply(values);
                self.put_attachment(row);
            }
            _ => {
                let audit = self.store_audit(&audit);
                self.plain
                    .entry(table)
                    .or_default()
                    .insert(PlainRow { sys_id, audit });
            }
        }
        self.set_others(table, sys_id, values);
        self.complete_name(table, sys_id, values);
        let fields = values.iter().map(logged).collect();
        self.record_insert(table, sys_id, fields, actor);
        Ok(sys_id)
    }

    /// Changes columns of a row. `None`: no such row. `Some(false)`: it already had these values, so nothing was
    /// written and `sys_mod_count` stays.
    pub fn update(
        &mut self,
        table: TableName,
        sys_id: SysId,
        values: &[(&'static Column, String)],
        actor: Actor<'_>,
    ) -> Option<bool> {
        let slot = self.find(table, sys_id)?;
        let view = super::View {
            now: actor.now,
            avatar: super::AvatarRules::default(),
        };
        let changed: Vec<(&'static Column, String)> = values
            .iter()
            .filter(|(column, _)| column.writable)
            .filter(|(column, value)| normal(column, value) != self.cell(table, slot, column, &view).text())
            .cloned()
            .collect();
        if changed.is_empty() {
            return Some(false);
        }
        let by: Arc<str> = Arc::from(actor.name);
        let touch = |audit: &mut Audit| {
            audit.updated_on = moment(seconds(actor.now));
            audit.updated_by = Arc::clone(&by);
            audit.mod_count += 1;
        };
        match table {
            TableName::User => {
                let mut row = self.user(sys_id)?;
                row.apply(&changed);
                touch(&mut row.audit);
                self.put_user(row);
            }
            TableName::Profile => {
                let mut row = self.profile(sys_id)?;
                row.apply(&changed);
                touch(&mut row.audit);
                self.put_profile(row);
            }
            TableName::Attachment => {
                let mut row = self.attachment(sys_id)?;
                row.end_scan(actor.now);
                row.apply(&changed);
                touch(&mut row.audit);
                self.put_attachment(row);
            }
            _ => {
                let mut audit = self.audit(&self.plain.get(&table)?.row(slot).audit);
                touch(&mut audit);
                let audit = self.store_audit(&audit);
                self.plain.get_mut(&table)?.row_mut(slot).audit = audit;
            }
        }
        self.set_others(table, sys_id, &changed);
        self.complete_name(table, sys_id, &changed);
        let fields = changed.iter().map(logged).collect();
        self.log.record(
            actor.now,
            Operation::Update,
            table.name(),
            sys_id,
            fields,
            actor.name,
        );
        Some(true)
    }

    /// Puts another content or scan state into an attachment's place behind everybody's back: the platform's own doing, or
    /// a mishap. The log has its new hash.
    pub fn replace_attachment(&mut self, row: AttachmentRow, now: Timestamp) {
        let hash: String = row
            .content
            .sha256()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let sys_id = row.sys_id;
        self.put_attachment(row);
        self.log.record(
            now,
            Operation::Update,
            TableName::Attachment.name(),
            sys_id,
            vec![("hash", hash.into())],
            "system",
        );
    }

    /// Deletes a row with its attachments and their thumbnails (`servicenow.md` 3.4, E51). False: no such row.
    /// Columns that named it keep their value.
    pub fn delete(&mut self, table: TableName, sys_id: SysId, actor: Actor<'_>) -> bool {
        let Some(slot) = self.find(table, sys_id) else {
            return false;
        };
        let mut fields = Vec::new();
        match table {
            TableName::User => {
                self.keep_profile_names(sys_id);
                self.unindex_user(slot);
                let row = self.users.remove(slot);
                fields.push(("user_name", row.user_name().into()));
            }
            TableName::Profile => {
                self.unindex_profile(slot);
                let row = self.profiles.remove(slot);
                fields.push(("document", row.document.to_string().into()));
            }
            TableName::Attachment => {
                self.unindex_attachment(slot);
                let row = self.attachments.remove(slot);
                fields.push(("table_name", (&**self.shared.text(row.table_name)).into()));
                fields.push(("table_sys_id", row.table_sys_id.to_string().into()));
                fields.push(("file_name", self.file_name(&row).into()));
            }
            _ => {
                if let Some(rows) = self.plain.get_mut(&table) {
                    rows.remove(slot);
                }
            }
        }
        self.others.remove(&(table, slot));
        self.log.record(
            actor.now,
            Operation::Delete,
            table.name(),
            sys_id,
            fields,
            actor.name,
        );

        let belongs =
            |table_name: &str| table_name.strip_prefix("ZZ_YY").unwrap_or(table_name) == table.name();
        let attachments: Vec<SysId> = self
            .stored_attachments_of(sys_id)
            .filter(|row| belongs(self.shared.text(row.table_name)))
            .map(|row| row.sys_id)
            .collect();
        for attachment in attachments {
            self.delete(TableName::Attachment, attachment, actor);
        }
        true
    }

    pub(super) fn record_insert(
        &mut self,
        table: TableName,
        sys_id: SysId,
        fields: Vec<(&'static str, Box<str>)>,
        actor: Actor<'_>,
    ) {
        self.log.record(
            actor.now,
            Operation::Insert,
            table.name(),
            sys_id,
            fields,
            actor.name,
        );
    }

    fn set_others(&mut self, table: TableName, sys_id: SysId, values: &[(&'static Column, String)]) {
        let Some(slot) = self.find(table, sys_id) else {
            return;
        };
        for (column, value) in values {
            let default = match column.source {
                Source::Other(default) => Some(default),
                Source::FirstName | Source::LastName => None,
                _ => continue,
            };
            let value = normal(column, value);
            if default == Some(value.as_str()) {
                if let Some(others) = self.others.get_mut(&(table, slot)) {
                    others.remove(column.name);
                }
            } else {
                let others = self.others.entry((table, slot)).or_default();
                others.insert(column.name, value.into());
            }
        }
    }

    /// `name` of a user follows the first and last name (`servicenow.md` 1.4: and the profile's follows that).
    fn complete_name(&mut self, table: TableName, sys_id: SysId, values: &[(&'static Column, String)]) {
        let is_part = |source| matches!(source, Source::FirstName | Source::LastName);
        if table != TableName::User || !values.iter().any(|(column, _)| is_part(column.source)) {
            return;
        }
        let view = super::View {
            now: Timestamp::UNIX_EPOCH,
            avatar: super::AvatarRules::default(),
        };
        let Some(slot) = self.find(table, sys_id) else {
            return;
        };
        let part = |name| {
            let column = table.column(name).expect("the table has the column");
            self.cell(table, slot, column, &view).text().into_owned()
        };
        let name = format!("{} {}", part("first_name"), part("last_name"));
        let parts = [
            ("first_name", part("first_name")),
            ("last_name", part("last_name")),
        ];
        if let Some(mut row) = self.user(sys_id) {
            row.name = name.trim().into();
            self.put_user(row);
        }
        let others = self.others.entry((table, slot)).or_default();
        for (column, value) in parts {
            others.insert(column, value.into());
        }
    }

    /// Profiles that borrow their user's name get one of their own before the user goes.
    fn keep_profile_names(&mut self, user: SysId) {
        let Some(name) = self.users.get(user).map(|row| row.name().to_owned()) else {
            return;
        };
        let slots: Vec<_> = self.profiles_by_document.slots(digest_of_id(user)).collect();
        for slot in slots {
            let profile = self.profiles.row_mut(slot);
            if profile.document == user && profile.name.is_none() {
                profile.name = Some(name.as_str().into());
            }
        }
    }

    /// Whether a record exists that an attachment with this `table_name` could be stored at; `None` if the instance
    /// has no such table.
    pub fn has_record(&self, table_name: &str, record: SysId) -> Option<bool> {
        let table = TableName::parse(table_name.strip_prefix("ZZ_YY").unwrap_or(table_name))?;
        Some(self.find(table, record).is_some())
    }

    /// An attachment of a record with this content and file name, for instances that drop a second identical upload.
    pub fn identical(&self, new: &NewAttachment<'_>) -> Option<SysId> {
        self.stored_attachments_of(new.table_sys_id)
            .filter(|row| &**self.shared.text(row.table_name) == new.table_name)
            .filter(|row| equal_folded(&self.file_name(row), new.file_name))
            .find(|row| row.content == new.content)
            .map(|row| row.sys_id)
    }
}

fn logged((column, value): &(&'static Column, String)) -> (&'static str, Box<str>) {
    (column.name, value.as_str().into())
}

/// A written value as it will be read back.
fn normal(column: &Column, value: &str) -> String {
    match column.kind {
        Kind::Boolean => is_true(value).to_string(),
        Kind::Key | Kind::Reference(_) | Kind::Image => {
            key(value).map_or_else(String::new, |id| id.to_string())
        }
        _ => value.to_owned(),
    }
}

fn is_true(value: &str) -> bool {
    value.eq_ignore_ascii_case("true") || value == "1"
}

/// A key as clients write it: 32 digits, for images also with `.iix` behind it (`servicenow.md` 1.3).
fn key(value: &str) -> Option<SysId> {
    SysId::parse(value.split_once(".iix").map_or(value, |(id, _)| id))
}

impl UserRow {
    fn empty(sys_id: SysId, audit: Audit) -> Self {
        Self {
            sys_id,
            user_name: "".into(),
            email: "".into(),
            name: "".into(),
            employee_number: "".into(),
            active: true,
            locked_out: false,
            title: "".into(),
            sso_source: "".into(),
            correlation_id: "".into(),
            photo: None,
            audit,
        }
    }

    fn apply(&mut self, values: &[(&'static Column, String)]) {
        for (column, value) in values {
            let text = value.as_str();
            match column.source {
                Source::UserName => self.user_name = text.into(),
                Source::Email => self.email = text.into(),
                Source::Name => self.name = text.into(),
                Source::EmployeeNumber => self.employee_number = text.into(),
                Source::Active => self.active = is_true(text),
                Source::LockedOut => self.locked_out = is_true(text),
                Source::Title => self.title = text.into(),
                Source::SsoSource => self.sso_source = text.into(),
                Source::CorrelationId => self.correlation_id = text.into(),
                Source::Photo => self.photo = key(text),
                _ => {}
            }
        }
    }
}

impl ProfileRow {
    fn apply(&mut self, values: &[(&'static Column, String)]) {
        for (column, value) in values {
            match column.source {
                Source::Name => self.name = value.as_str().into(),
                Source::Document => self.document = key(value).unwrap_or(SysId(0)),
                Source::Photo => self.photo = key(value),
                _ => {}
            }
        }
    }
}

impl AttachmentRow {
    fn apply(&mut self, values: &[(&'static Column, String)]) {
        for (column, value) in values {
            match column.source {
                Source::TableName => self.table_name = value.as_str().into(),
                Source::TableSysId => self.table_sys_id = key(value).unwrap_or(SysId(0)),
                Source::FileName => self.file_name = value.as_str().into(),
                Source::ContentType => self.content_type = value.as_str().into(),
                _ => {}
            }
        }
    }

    /// Writes down what the end of the scan has changed, before something else changes.
    fn end_scan(&mut self, now: Timestamp) {
        let Some(end) = StoredScan::new(self.scan)
            .ends()
            .filter(|end| *end <= now.as_millisecond())
        else {
            return;
        };
        self.audit.mod_count += 1;
        self.audit.updated_by = "system".into();
        self.audit.updated_on = moment(u32::try_from(end / 1000).unwrap_or(u32::MAX));
        self.scan = match self.scan {
            ScanState::QuarantinedFrom(_) => ScanState::NotAvailable,
            _ => ScanState::Available,
        };
    }
}
