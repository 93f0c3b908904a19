//! What a scan found: for people and as the JSON of `cli.md`.

use std::collections::BTreeMap;
use std::io::{self, Write};

use jiff::Timestamp;
use serde::ser::{SerializeSeq, Serializer};
use serde::{Deserialize, Serialize};

use super::json;
use super::text::{Look, moment, number, people, verdict_style};
use crate::domain::comparison::{Content, Verdict};
use crate::domain::filter::Filter;
use crate::domain::photo::{Place, Sha256, SourcePhoto};
use crate::domain::run::PersonRef;
use crate::engine::{PersonState, Scan, Standing};

/// How many people have each verdict.
pub fn counts(scan: &Scan, filter: &Filter) -> BTreeMap<Verdict, u64> {
    let mut counts = BTreeMap::new();
    for person in scan.people.iter().filter(|person| passes(scan, person, filter)) {
        *counts.entry(person.judgement.verdict).or_default() += 1;
    }
    counts
}

/// True if the filter lets this person of the scan through.
pub fn passes(scan: &Scan, person: &PersonState, filter: &Filter) -> bool {
    let is_suspicious = scan.suspicions.of(&person.source.id).is_some();
    filter.matches(&person.source, person.judgement.verdict, is_suspicious)
}

/// Writes the one JSON object.
pub fn write_json(out: &mut dyn Write, profile: &str, scan: &Scan, filter: &Filter) -> io::Result<()> {
    json::line(
        out,
        &StatusDocument {
            profile,
            scan,
            filter,
        },
    )
}

struct StatusDocument<'a> {
    profile: &'a str,
    scan: &'a Scan,
    filter: &'a Filter,
}

impl Serialize for StatusDocument<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("schema", "avatar-sync/status/1")?;
        map.serialize_entry("profile", self.profile)?;
        map.serialize_entry("scanned_at", &whole_seconds(self.scan.scanned_at))?;
        map.serialize_entry("complete", &self.scan.complete)?;
        map.serialize_entry("problems", &self.scan.problems)?;
        let counts: BTreeMap<&str, u64> = counts(self.scan, self.filter)
            .into_iter()
            .map(|(verdict, count)| (verdict.code(), count))
            .collect();
        map.serialize_entry("counts", &counts)?;
        map.serialize_entry("people", &PeopleOf(self))?;
        map.end()
    }
}

/// The people one by one, so that 300,000 are never a second copy in memory.
struct PeopleOf<'a>(&'a StatusDocument<'a>);

impl Serialize for PeopleOf<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut sequence = serializer.serialize_seq(None)?;
        for person in self
            .0
            .scan
            .people
            .iter()
            .filter(|person| passes(self.0.scan, person, self.0.filter))
        {
            let suspicion = self.0.scan.suspicions.of(&person.source.id);
            sequence.serialize_element(&StatusPerson::of(person, suspicion))?;
        }
        sequence.end()
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
    /// Why the photo is probably not the person's own, if so.
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
    ///
    /// `suspicion`: why the photo is probably not the person's own, if so.
    pub fn of(state: &PersonState, suspicion: Option<&str>) -> Self {
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
            suspicion: suspicion.map(str::to_owned),
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
pub fn write_human(
    out: &mut dyn Write,
    look: Look,
    headline: &str,
    scan: &Scan,
    filter: &Filter,
    listing: Listing,
) -> io::Result<()> {
    let counts = counts(scan, filter);
    let total: u64 = counts.values().sum();
    let dot = look.dot();
    writeln!(
        out,
        "{headline}{dot}{}{dot}scanned {}",
        people(total),
        moment(scan.scanned_at)
    )?;
    if !scan.complete {
        writeln!(out, "The listing is incomplete:")?;
    }
    for problem in &scan.problems {
        writeln!(out, "  {problem}")?;
    }
    writeln!(out)?;
    write_counts(out, look, &counts)?;
    if filter.is_empty() && scan.target_only > 0 {
        let only = number(scan.target_only);
        writeln!(
            out,
            "\n{only} users in ServiceNow's scope are nobody's match in Entra ID."
        )?;
    }
    write_people(out, look, scan, filter, listing, total)
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

fn write_people(
    out: &mut dyn Write,
    look: Look,
    scan: &Scan,
    filter: &Filter,
    listing: Listing,
    total: u64,
) -> io::Result<()> {
    let needs_a_look = |verdict| {
        !matches!(
            verdict,
            Verdict::InSync | Verdict::SamePicture | Verdict::Neither | Verdict::Excluded
        )
    };
    let people: Vec<&PersonState> = scan
        .people
        .iter()
        .filter(|person| {
            listing == Listing::Everybody
                || needs_a_look(person.judgement.verdict)
                || scan.suspicions.of(&person.source.id).is_some()
        })
        .filter(|person| passes(scan, person, filter))
        .collect();
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
    let longest = |value: &dyn Fn(&PersonState) -> usize, title: usize, most: usize| {
        people
            .iter()
            .map(|person| value(person))
            .max()
            .unwrap_or(0)
            .clamp(title, most)
    };
    use unicode_width::UnicodeWidthStr;
    let name_width = longest(&|person| person.source.name.shown().width(), 4, 28);
    let upn_width = longest(&|person| person.source.principal.shown().width(), 7, 36);
    let (title_name, title_upn) = (look.cell("NAME", name_width), look.cell("SIGN-IN", upn_width));
    writeln!(out, "{title_name}  {title_upn}  {}  WHY", look.cell("STATUS", 20))?;
    for person in people {
        let style = verdict_style(person.judgement.verdict);
        // Never cut: the reason is what the line is for.
        let mut why = person.judgement.reason.clone();
        if let Some(suspicion) = scan.suspicions.of(&person.source.id) {
            why = format!("{why}; suspicious: {suspicion}");
        }
        writeln!(
            out,
            "{}  {}  {style}{}{style:#}  {why}",
            look.cell(&person.source.name.shown(), name_width),
            look.cell(&person.source.principal.shown(), upn_width),
            look.cell(&look.verdict(person.judgement.verdict), 20),
        )?;
    }
    Ok(())
}
