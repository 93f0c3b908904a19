//! The audit trail as it is handed on (`reliability.md` 8.14): one line a write, for machines as JSON lines
//! (`avatar-sync/audit/1`), for spreadsheets as CSV.

use std::io::{self, Write};

use serde::Serialize;

use super::export::csv;
use super::json;
use crate::domain::ids::{PictureId, RecordId};
use crate::store::journal::{Answer, TrailLine, WriteKind};

/// The format of [`write_json`].
pub const SCHEMA: &str = "avatar-sync/audit/1";

/// The columns of the table; their names stay, and are the keys in JSON.
pub const COLUMNS: [&str; 20] = [
    "write",
    "at",
    "os_user",
    "host",
    "account",
    "profile",
    "run",
    "run_kind",
    "entra_id",
    "servicenow_sys_id",
    "kind",
    "table",
    "record",
    "old_attachment",
    "new_attachment",
    "sha256",
    "bytes",
    "outcome",
    "detail",
    "answered_at",
];

#[derive(Serialize)]
struct Line<'a> {
    schema: &'static str,
    write: i64,
    at: String,
    os_user: &'a str,
    host: &'a str,
    account: &'a str,
    profile: &'a str,
    run: &'a str,
    run_kind: &'static str,
    entra_id: Option<&'a str>,
    servicenow_sys_id: &'a str,
    kind: &'static str,
    table: &'static str,
    record: Option<&'a str>,
    old_attachment: Option<&'a str>,
    new_attachment: Option<&'a str>,
    sha256: Option<String>,
    bytes: Option<u64>,
    outcome: &'static str,
    detail: Option<&'a str>,
    answered_at: Option<String>,
}

impl<'a> Line<'a> {
    fn of(line: &'a TrailLine) -> Self {
        let (intent, start) = (&line.write.intent, &line.run.start);
        let made = match &line.write.answer {
            Some((Answer::Done(made), _)) => made.as_deref(),
            _ => None,
        };
        let named = intent.picture.as_ref().map(PictureId::as_str);
        let before = intent.old_picture.as_ref().map(PictureId::as_str);
        let record = intent.record.as_ref().map(RecordId::as_str);
        let (outcome, detail) = match &line.write.answer {
            None => ("unknown", None),
            Some((Answer::Done(_), _)) => ("done", None),
            Some((Answer::NotDone(why), _)) => ("not_done", Some(why.as_str())),
        };
        Self {
            schema: SCHEMA,
            write: line.write.id.number(),
            at: intent.at.to_string(),
            os_user: &start.actor.os_user,
            host: &start.actor.host,
            account: &start.actor.account,
            profile: &start.profile,
            run: line.run.id.as_str(),
            run_kind: start.kind.code(),
            entra_id: (!intent.source.is_not_asked()).then(|| intent.source.as_str()),
            servicenow_sys_id: intent.target.as_str(),
            kind: intent.kind.code(),
            table: intent.place.0,
            record: match intent.kind {
                WriteKind::CreateRecord => made,
                _ => record,
            },
            old_attachment: before,
            new_attachment: match intent.kind {
                WriteKind::CreateRecord | WriteKind::Remove => None,
                WriteKind::Upload => made,
                WriteKind::SetColumn => named,
            },
            sha256: intent.sha256.map(|sha256| sha256.to_string()),
            bytes: intent.bytes,
            outcome,
            detail,
            answered_at: line.write.answer.as_ref().map(|(_, at)| at.to_string()),
        }
    }
}

/// Writes one line as one line of JSON. Values are raw.
pub fn write_json(out: &mut dyn Write, line: &TrailLine) -> io::Result<()> {
    json::line(out, &Line::of(line))
}

/// Writes the heading of the table.
pub fn write_csv_heading(out: &mut dyn Write) -> io::Result<()> {
    csv::write_heading(out, &COLUMNS.map(str::to_owned))
}

/// Writes one line of the table; what a spreadsheet would run is made harmless.
pub fn write_csv(out: &mut dyn Write, line: &TrailLine) -> io::Result<()> {
    let line = Line::of(line);
    let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
    let cells: [String; COLUMNS.len()] = [
        line.write.to_string(),
        line.at,
        line.os_user.to_owned(),
        line.host.to_owned(),
        line.account.to_owned(),
        line.profile.to_owned(),
        line.run.to_owned(),
        line.run_kind.to_owned(),
        text(line.entra_id),
        line.servicenow_sys_id.to_owned(),
        line.kind.to_owned(),
        line.table.to_owned(),
        text(line.record),
        text(line.old_attachment),
        text(line.new_attachment),
        line.sha256.unwrap_or_default(),
        line.bytes.map(|bytes| bytes.to_string()).unwrap_or_default(),
        line.outcome.to_owned(),
        text(line.detail),
        line.answered_at.unwrap_or_default(),
    ];
    csv::write_row(out, &cells)
}
