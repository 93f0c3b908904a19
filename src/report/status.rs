//! What a scan found: for people and as the JSON of `cli.md`.

use std::collections::BTreeMap;
use std::io::{self, Write};

use jiff::Timestamp;
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};

use super::json;
use super::text::{Look, moment, number, people, verdict_style};
use crate::domain::comparison::{Content, Verdict};
use crate::domain::filter::Filter;
use crate::domain::photo::{Place, Sha256, SourcePhoto};
use crate::domain::run::PersonRef;
use crate::domain::suspicion::Suspicions;
use crate::engine::{PersonState, Scan, ScanSink, Scanned, Standing};

/// What a status says: numbers of everybody who passes the filter, and those who are listed.
#[derive(Debug)]
pub struct Status {
    pub(super) scanned_at: Timestamp,
    pub(super) complete: bool,
    pub(super) problems: Vec<String>,
    pub(super) target_only: u64,
    /// Of everybody, whatever the filter.
    pub(super) suspicious: u64,
    pub(super) is_filtered: bool,
    pub(super) counts: BTreeMap<Verdict, u64>,
    pub(super) people: Vec<StatusPerson>,
}

/// Chooses what a status says while a scan goes on, and keeps nothing else.
#[derive(Debug)]
pub struct Selection {
    filter: Filter,
    listing: Listing,
    counts: BTreeMap<Verdict, u64>,
    people: Vec<Selected>,
}

/// Somebody who is listed, or may be.
#[derive(Debug)]
struct Selected {
    position: u32,
    person: StatusPerson,
    /// The filter wants this to be so; what is suspicious is known only when everybody has been seen.
    wanted_suspicious: Option<bool>,
    is_listed: bool,
}

impl Selection {
    /// People who pass `filter`, as far as `listing` wants them.
    pub fn new(filter: Filter, listing: Listing) -> Self {
        Self {
            filter,
            listing,
            counts: BTreeMap::new(),
            people: Vec::new(),
        }
    }

    fn consider(&mut self, position: u32, person: &PersonState) {
        let verdict = person.judgement.verdict;
        let passes = |is_suspicious| self.filter.matches(&person.source, verdict, is_suspicious);
        // Nothing is suspected of a photo that nobody has seen.
        let may_be_suspicious = person.faces().source.is_some();
        let wanted_suspicious = match (passes(false), may_be_suspicious && passes(true)) {
            (true, true) => None,
            (true, false) if !may_be_suspicious => None,
            (true, false) => Some(false),
            (false, true) => Some(true),
            (false, false) => return,
        };
        let is_listed = self.listing == Listing::Everybody || needs_a_look(verdict);
        if wanted_suspicious.is_none() {
            *self.counts.entry(verdict).or_default() += 1;
        }
        if is_listed || wanted_suspicious.is_some() {
            self.people.push(Selected {
                position,
                person: StatusPerson::of(person),
                wanted_suspicious,
                is_listed,
            });
        }
    }

    /// Numbers and people, now that it is known whose photos are suspicious.
    fn decide(mut self, suspicions: &Suspicions) -> (BTreeMap<Verdict, u64>, Vec<StatusPerson>) {
        self.people.sort_by_key(|selected| selected.position);
        let mut people = Vec::with_capacity(self.people.len());
        for mut selected in self.people {
            let suspicion = suspicions.of(&selected.person.person.source);
            if let Some(wanted) = selected.wanted_suspicious {
                if wanted != suspicion.is_some() {
                    continue;
                }
                *self.counts.entry(selected.person.verdict).or_default() += 1;
            }
            if selected.is_listed {
                selected.person.suspicion = suspicion.map(str::to_owned);
                people.push(selected.person);
            }
        }
        (self.counts, people)
    }

    /// The status, once the scan is over.
    pub fn finish(self, scanned: Scanned) -> Status {
        let is_filtered = !self.filter.is_empty();
        let suspicions = scanned.listed.listing.suspicions();
        let (counts, people) = self.decide(&suspicions);
        Status {
            scanned_at: scanned.listed.scanned_at,
            complete: scanned.listed.complete,
            problems: scanned.problems,
            target_only: scanned.target_only,
            suspicious: suspicions.len() as u64,
            is_filtered,
            counts,
            people,
        }
    }
}

impl ScanSink for Selection {
    fn take(&mut self, position: u32, person: PersonState) {
        self.consider(position, &person);
    }
}

impl Status {
    /// Of a scan that has kept everybody.
    pub fn of(scan: &Scan, filter: Filter, listing: Listing) -> Self {
        let mut selection = Selection::new(filter, listing);
        for (position, person) in (0..).zip(&scan.people) {
            selection.consider(position, person);
        }
        let is_filtered = !selection.filter.is_empty();
        let (counts, people) = selection.decide(&scan.suspicions);
        Self {
            scanned_at: scan.scanned_at,
            complete: scan.complete,
            problems: scan.problems.clone(),
            target_only: scan.target_only,
            suspicious: scan.suspicions.len() as u64,
            is_filtered,
            counts,
            people,
        }
    }

    /// True if anybody who passes the filter differs.
    pub fn has_differences(&self) -> bool {
        self.counts.keys().any(|verdict| verdict.is_difference())
    }
}

fn needs_a_look(verdict: Verdict) -> bool {
    !matches!(
        verdict,
        Verdict::InSync | Verdict::SamePicture | Verdict::Neither | Verdict::Excluded
    )
}

/// Writes the one JSON object.
pub fn write_json(out: &mut dyn Write, profile: &str, status: &Status) -> io::Result<()> {
    json::line(out, &StatusDocument { profile, status })
}

struct StatusDocument<'a> {
    profile: &'a str,
    status: &'a Status,
}

impl Serialize for StatusDocument<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("schema", "avatar-sync/status/1")?;
        map.serialize_entry("profile", self.profile)?;
        map.serialize_entry("scanned_at", &whole_seconds(self.status.scanned_at))?;
        map.serialize_entry("complete", &self.status.complete)?;
        map.serialize_entry("problems", &self.status.problems)?;
        let counts: BTreeMap<&str, u64> = self
            .status
            .counts
            .iter()
            .map(|(verdict, count)| (verdict.code(), *count))
            .collect();
        map.serialize_entry("counts", &counts)?;
        map.serialize_entry("people", &self.status.people)?;
        map.end()
    }
}

/// RFC 3339 without fractions, as in the documented example.
pub fn whole_seconds(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// One person in the JSON.
#[derive(Debug, Serialize, Deserialize)]
pub struct StatusPerson {
    /// Who.
    #[serde(flatten)]
    pub person: PersonRef,
    /// The code.
    pub verdict: Verdict,
    /// Why.
    pub reason: String,
    /// Why the photo is probably not the person's own, if so; known once everybody has been seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspicion: Option<String>,
    /// By which rule they were matched.
    pub matched_by: Option<String>,
    /// Everybody in ServiceNow who might be meant, when that cannot be told.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub candidates: Vec<String>,
    /// The photo, if there is one.
    pub entra: Option<StatusPhoto>,
    /// The displayed avatar, if there is one.
    pub servicenow: Option<StatusAvatar>,
}

/// The photo in Entra ID.
#[derive(Debug, Serialize, Deserialize)]
pub struct StatusPhoto {
    /// The service's opaque version.
    pub etag: Option<String>,
    /// Of the bytes that are compared, where they have been seen.
    pub sha256: Option<Sha256>,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Size of the bytes that are compared, where they have been seen.
    pub bytes: Option<u64>,
    /// Media type.
    pub content_type: String,
}

/// The avatar that ServiceNow displays.
#[derive(Debug, Serialize, Deserialize)]
pub struct StatusAvatar {
    /// Which record wins.
    pub from: Place,
    /// `sys_id` of the attachment.
    pub attachment: String,
    /// As the instance states it, or as seen.
    pub sha256: Option<Sha256>,
    /// Size in bytes.
    pub bytes: u64,
}

impl StatusPerson {
    /// What the JSON says about a person.
    pub fn of(state: &PersonState) -> Self {
        let seen = match &state.content.original {
            Content::Sound(facts) => Some(facts),
            _ => None,
        };
        let entra = match &state.photo {
            SourcePhoto::Present(stamp) => Some(StatusPhoto {
                etag: stamp.etag.clone(),
                sha256: seen.map(|facts| facts.sha256),
                width: seen.map_or(stamp.width, |facts| facts.width),
                height: seen.map_or(stamp.height, |facts| facts.height),
                bytes: seen.map(|facts| facts.bytes),
                content_type: seen.map_or_else(
                    || crate::domain::text::clean(&stamp.content_type).into_owned(),
                    |facts| facts.format.media_type().to_owned(),
                ),
            }),
            SourcePhoto::Unknown
            | SourcePhoto::Absent
            | SourcePhoto::OutOfReach(_)
            | SourcePhoto::Unreadable(_) => None,
        };
        let servicenow = state.chain.as_ref().and_then(|chain| {
            let served = chain.served.as_ref()?;
            let picture = chain.served_picture()?;
            let seen = match &state.displayed {
                Content::Sound(facts) => Some(facts.sha256),
                _ => None,
            };
            Some(StatusAvatar {
                from: served.place,
                attachment: served.picture.to_string(),
                sha256: seen.or(picture.sha256),
                bytes: picture.bytes,
            })
        });
        let (matched_by, candidates) = match &state.standing {
            Standing::Paired { rule, .. } => (Some(rule.code().to_owned()), Vec::new()),
            Standing::Ambiguous { ambiguity, .. } => (
                None,
                ambiguity.candidates().iter().map(ToString::to_string).collect(),
            ),
            Standing::Unmatched | Standing::Excluded(_) => (None, Vec::new()),
        };
        Self {
            person: state.reference(),
            verdict: state.judgement.verdict,
            reason: state.judgement.reason.clone(),
            suspicion: None,
            matched_by,
            candidates,
            entra,
            servicenow,
        }
    }
}

/// Which people the human report lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listing {
    /// Those somebody should look at.
    NeedsALook,
    /// Everybody who passes the filter.
    Everybody,
}

/// Writes the report for people.
pub fn write_human(out: &mut dyn Write, look: Look, headline: &str, status: &Status) -> io::Result<()> {
    let total: u64 = status.counts.values().sum();
    let dot = look.dot();
    writeln!(
        out,
        "{headline}{dot}{}{dot}scanned {}",
        people(total),
        moment(status.scanned_at)
    )?;
    if !status.complete {
        writeln!(out, "The listing is incomplete:")?;
    }
    for problem in &status.problems {
        writeln!(out, "  {problem}")?;
    }
    writeln!(out)?;
    write_counts(out, look, &status.counts)?;
    if !status.is_filtered && status.target_only > 0 {
        let only = number(status.target_only);
        writeln!(
            out,
            "\n{only} users in ServiceNow's scope are nobody's match in Entra ID."
        )?;
    }
    write_people(out, look, &status.people, total)
}

fn write_counts(out: &mut dyn Write, look: Look, counts: &BTreeMap<Verdict, u64>) -> io::Result<()> {
    for verdict in Verdict::ALL {
        let Some(count) = counts.get(&verdict) else {
            continue;
        };
        let style = verdict_style(verdict);
        let words = look.cell(&look.verdict(verdict), 20);
        writeln!(out, "  {style}{words}{style:#} {:>9}", number(*count))?;
    }
    Ok(())
}

fn write_people(out: &mut dyn Write, look: Look, people: &[StatusPerson], total: u64) -> io::Result<()> {
    let listed = people.len() as u64;
    if listed == 0 {
        return Ok(());
    }
    writeln!(out)?;
    if listed < total {
        writeln!(
            out,
            "{} of {} need a look (--all lists everybody):",
            number(listed),
            number(total)
        )?;
    }
    let longest = |value: &dyn Fn(&StatusPerson) -> usize, title: usize, most: usize| {
        people.iter().map(value).max().unwrap_or(0).clamp(title, most)
    };
    use unicode_width::UnicodeWidthStr;
    let name_width = longest(&|person| person.person.name.shown().width(), 4, 28);
    let upn_width = longest(&|person| person.person.upn.shown().width(), 7, 36);
    let (title_name, title_upn) = (look.cell("NAME", name_width), look.cell("SIGN-IN", upn_width));
    writeln!(out, "{title_name}  {title_upn}  {}  WHY", look.cell("STATUS", 20))?;
    for person in people {
        let style = verdict_style(person.verdict);
        // Never cut: the reason is what the line is for.
        let why = match &person.suspicion {
            Some(suspicion) => format!("{}; suspicious: {suspicion}", person.reason),
            None => person.reason.clone(),
        };
        writeln!(
            out,
            "{}  {}  {style}{}{style:#}  {why}",
            look.cell(&person.person.name.shown(), name_width),
            look.cell(&person.person.upn.shown(), upn_width),
            look.cell(&look.verdict(person.verdict), 20),
        )?;
    }
    Ok(())
}
