//! A table for a spreadsheet: one row a person (RFC 4180).
//!
//! Written here rather than by a crate: what takes thought is not the quoting, which is one doubled character, but that a
//! spreadsheet *runs* what looks like a formula, and that is nobody's business but ours.

use std::io::{self, Write};

use super::{Report, clean_long};
use crate::domain::text::RemoteText;
use crate::report::status::{StatusPerson, whole_seconds};

/// Without it Excel takes UTF-8 for the code page of the machine, and every name with an accent is spoilt. Other readers
/// of UTF-8 skip it.
const BYTE_ORDER_MARK: &str = "\u{feff}";

/// The columns; their names stay.
pub const COLUMNS: [&str; 22] = [
    "name",
    "upn",
    "mail",
    "entra_id",
    "servicenow_sys_id",
    "user_name",
    "verdict",
    "reason",
    "suspicion",
    "matched_by",
    "candidates",
    "entra_etag",
    "entra_sha256",
    "entra_width",
    "entra_height",
    "entra_bytes",
    "entra_content_type",
    "servicenow_from",
    "servicenow_attachment",
    "servicenow_sha256",
    "servicenow_bytes",
    "scanned_at",
];

/// Writes the heading and everybody who is listed, in the order of the directory.
pub fn write(out: &mut dyn Write, report: &Report) -> io::Result<()> {
    write_heading(out, &COLUMNS.map(str::to_owned))?;
    let scanned_at = whole_seconds(report.status.scanned_at);
    for person in &report.status.people {
        write_row(out, &row(person, &scanned_at))?;
    }
    Ok(())
}

/// What a person has, as text as it came; cells are made safe when they are written.
fn row(person: &StatusPerson, scanned_at: &str) -> [String; COLUMNS.len()] {
    let who = &person.person;
    let optional = |text: Option<&RemoteText>| text.map(|text| text.raw().to_owned()).unwrap_or_default();
    let written = |value: Option<String>| value.unwrap_or_default();
    let (entra, servicenow) = (person.entra.as_ref(), person.servicenow.as_ref());
    [
        who.name.raw().to_owned(),
        who.upn.raw().to_owned(),
        optional(who.mail.as_ref()),
        who.source.as_str().to_owned(),
        written(who.target.as_ref().map(|id| id.as_str().to_owned())),
        optional(who.user_name.as_ref()),
        person.verdict.code().to_owned(),
        person.reason.clone(),
        written(person.suspicion.clone()),
        written(person.matched_by.clone()),
        person.candidates.join(" "),
        written(entra.and_then(|photo| photo.etag.clone())),
        written(entra.and_then(|photo| Some(photo.sha256?.to_string()))),
        written(entra.map(|photo| photo.width.to_string())),
        written(entra.map(|photo| photo.height.to_string())),
        written(entra.and_then(|photo| Some(photo.bytes?.to_string()))),
        written(entra.map(|photo| photo.content_type.clone())),
        written(servicenow.map(|avatar| avatar.from.to_string())),
        written(servicenow.map(|avatar| avatar.attachment.clone())),
        written(servicenow.and_then(|avatar| Some(avatar.sha256?.to_string()))),
        written(servicenow.map(|avatar| avatar.bytes.to_string())),
        scanned_at.to_owned(),
    ]
}

/// Writes what a table begins with.
pub(in crate::report) fn write_heading(out: &mut dyn Write, columns: &[String]) -> io::Result<()> {
    out.write_all(BYTE_ORDER_MARK.as_bytes())?;
    write_row(out, columns)
}

/// Writes a row; cells are made safe.
pub(in crate::report) fn write_row(out: &mut dyn Write, cells: &[String]) -> io::Result<()> {
    for (position, cell) in cells.iter().enumerate() {
        let comma = if position == 0 { "" } else { "," };
        write!(out, "{comma}\"{}\"", safe(cell).replace('"', "\"\""))?;
    }
    out.write_all(b"\r\n")
}

/// A cell's text that no spreadsheet runs: one line, without characters that steer or hide, and with an apostrophe before
/// whatever would begin a formula (`reliability.md` L4).
///
/// Where a comma separates decimals, Excel takes the semicolon for the separator and does not see our quotes as we mean
/// them; then a formula can begin behind any semicolon, too.
fn safe(text: &str) -> String {
    let mut safe = String::with_capacity(text.len() + 1);
    if begins_a_formula(text) {
        safe.push('\'');
    }
    let cleaned = clean_long(text);
    let mut parts = cleaned.split(';');
    safe.push_str(parts.next().unwrap_or_default());
    for part in parts {
        safe.push(';');
        if begins_a_formula(part) {
            safe.push('\'');
        }
        safe.push_str(part);
    }
    safe
}

/// True if a spreadsheet would take the text for a formula, or might after dropping what is before it.
fn begins_a_formula(text: &str) -> bool {
    let is_dropped = |character: char| {
        character.is_whitespace() || character.is_control() || matches!(character, '"' | '\'' | '\u{feff}')
    };
    text.starts_with(['\t', '\r', '\n', '\0'])
        || text.trim_start_matches(is_dropped).starts_with([
            '=', '+', '-', '@', // and their full-width and small forms, which some spreadsheets fold
            '＝', '＋', '－', '＠', '﹦', '﹢', '﹣', '﹫',
        ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_would_begin_a_formula_gets_an_apostrophe() {
        let cases = [
            ("=1+1", "'=1+1"),
            ("+1", "'+1"),
            ("-1", "'-1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\t=1", "'␉=1"),
            ("\rx", "'␍x"),
            ("\nx", "'␊x"),
            ("\0x", "'␀x"),
            ("  =1", "'  =1"),
            ("\u{a0}=1", "'\u{a0}=1"),
            ("\"=1", "'\"=1"),
            ("' \"=1", "'' \"=1"),
            ("＝1", "'＝1"),
            ("﹫x", "'﹫x"),
            ("Ann;=1", "Ann;'=1"),
            ("Ann; \"+1;b;@c", "Ann;' \"+1;b;'@c"),
        ];
        let count = cases.len();
        for (text, expected) in cases {
            assert_eq!(safe(text), expected, "{text:?}");
        }
        crate::tried("L4", count);
    }

    #[test]
    fn ordinary_text_stays_as_it_is() {
        for text in [
            "",
            "Ann-Marie O'Neill",
            "a@b.example",
            "1+1=2",
            "山田 花子",
            "W/\"1f\"",
            "a; b",
        ] {
            assert_eq!(safe(text), text);
        }
    }

    #[test]
    fn a_row_is_one_line_with_every_cell_in_quotes() {
        let mut out = Vec::new();
        let cells = ["say \"hi\"", "a,b", "x\r\ny\u{1b}[31m\u{202e}"].map(str::to_owned);
        write_row(&mut out, &cells).expect("memory");
        assert_eq!(
            String::from_utf8(out).expect("text"),
            "\"say \"\"hi\"\"\",\"a,b\",\"x␍␊y␛[31m·\"\r\n"
        );
        crate::tried("L4", 1);
    }
}
