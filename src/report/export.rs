//! What a scan found, as a file to hand on: a page with the pictures, a table for a spreadsheet, one JSON object.
//!
//! A report leaves the program that made it, and is opened by others that trust what they open: a browser, a
//! spreadsheet. Names and sign-in names in it are remote text, so each format makes them harmless in its own way.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde::Serialize;

use super::json;
use super::status::{Listing, Status, StatusPerson, whole_seconds};
use crate::domain::text::{SHOWN_LIMIT, clean};

pub mod csv;
pub mod html;

/// The format of [`write_json`].
pub const SCHEMA: &str = "avatar-sync/report/1";

/// A status, and what it is the status of.
#[derive(Debug)]
pub struct Report {
    /// Profile of the configuration.
    pub profile: String,
    /// The tenant whose people were listed.
    pub tenant: String,
    /// The instance whose avatars were looked at.
    pub instance: String,
    /// The filter as it was typed; empty for everybody.
    pub filter: String,
    /// Which of those who pass the filter are listed.
    pub listing: Listing,
    /// What the scan found.
    pub status: Status,
}

impl Report {
    /// Everybody who passes the filter, listed or not.
    fn total(&self) -> u64 {
        self.status.counts.values().sum()
    }

    /// Users of the target whom nobody matches; a filter is about the source's people and says nothing of them.
    fn target_only(&self) -> Option<u64> {
        (!self.status.is_filtered).then_some(self.status.target_only)
    }

    /// People whose photo is probably not their own, listed or not; unknown where a filter lets only some through.
    fn suspicious(&self) -> Option<u64> {
        (!self.status.is_filtered).then_some(self.status.suspicious)
    }
}

#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    profile: &'a str,
    scanned_at: String,
    complete: bool,
    problems: &'a [String],
    counts: BTreeMap<&'static str, u64>,
    from: Source<'a>,
    to: Target<'a>,
    filter: &'a str,
    listed: &'static str,
    servicenow_only: Option<u64>,
    suspicious: Option<u64>,
    people: &'a [StatusPerson],
}

#[derive(Serialize)]
struct Source<'a> {
    tenant: &'a str,
}

#[derive(Serialize)]
struct Target<'a> {
    instance: &'a str,
}

/// Writes one JSON object: what `status --json` says, with where it comes from and whom it lists.
pub fn write_json(out: &mut dyn Write, report: &Report) -> io::Result<()> {
    let status = &report.status;
    let document = Document {
        schema: SCHEMA,
        profile: &report.profile,
        scanned_at: whole_seconds(status.scanned_at),
        complete: status.complete,
        problems: &status.problems,
        counts: status
            .counts
            .iter()
            .map(|(verdict, count)| (verdict.code(), *count))
            .collect(),
        from: Source {
            tenant: &report.tenant,
        },
        to: Target {
            instance: &report.instance,
        },
        filter: &report.filter,
        listed: match report.listing {
            Listing::NeedsALook => "needs_a_look",
            Listing::Everybody => "everybody",
        },
        servicenow_only: report.target_only(),
        suspicious: report.suspicious(),
        people: &status.people,
    };
    json::line(out, &document)
}

/// Text that may be longer than [`clean`] shows: a report has room, and a reason that is cut off explains nothing.
fn clean_long(text: &str) -> String {
    /// More than any sentence of ours; what is longer came from outside.
    const PORTIONS: usize = 16;
    let mut cleaned = String::with_capacity(text.len());
    let mut rest = text;
    for _ in 0..PORTIONS {
        let end = rest
            .char_indices()
            .nth(SHOWN_LIMIT)
            .map_or(rest.len(), |(end, _)| end);
        let (portion, remaining) = rest.split_at(end);
        cleaned.push_str(&clean(portion));
        rest = remaining;
        if rest.is_empty() {
            return cleaned;
        }
    }
    cleaned.push('…');
    cleaned
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_text_is_cleaned_to_its_end_and_endless_text_is_cut() {
        let sentence = format!("{}\u{202e}end", "é".repeat(700));
        assert_eq!(clean_long(&sentence), format!("{}·end", "é".repeat(700)));
        let endless = clean_long(&"x".repeat(1_000_000));
        assert_eq!(endless.chars().count(), 16 * SHOWN_LIMIT + 1);
        assert_eq!(clean_long(""), "");
    }
}
