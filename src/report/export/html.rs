//! One page that opens from disk, with the pictures in it, and that nothing can be smuggled into.
//!
//! Three walls: every text is cleaned and escaped; pictures are JPEGs that were drawn anew here, never the bytes that
//! came from outside; and the page's own policy forbids whatever it does not need: scripts, requests, forms, other styles.
//!
//! A page is written from its beginning to its end while pictures come in, so that nobody holds them all.

use std::fmt;
use std::io::{self, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use sha2::{Digest, Sha256};

use super::{Report, clean_long};
use crate::domain::comparison::{Judgement, Verdict};
use crate::domain::picture::Rendition;
use crate::domain::text::RemoteText;
use crate::report::status::{Listing, StatusAvatar, StatusPerson, StatusPhoto, whole_seconds};
use crate::report::text::{moment, number, people, size};

/// The longest side of a picture, in pixels.
pub const PICTURE_SIDE: u32 = 128;

const STYLE_SOURCE: &str = include_str!("style.css");

/// What somebody has to act on comes first.
const ORDER: [Verdict; Verdict::ALL.len()] = [
    Verdict::Broken,
    Verdict::Differs,
    Verdict::Missing,
    Verdict::OnlyInTarget,
    Verdict::Error,
    Verdict::Undecided,
    Verdict::Ambiguous,
    Verdict::Unmatched,
    Verdict::SamePicture,
    Verdict::InSync,
    Verdict::Neither,
    Verdict::Excluded,
];

/// One side of a pair.
#[derive(Clone, Debug)]
pub enum Shown {
    /// A small rendition.
    Picture(Rendition),
    /// There is no picture.
    Nothing,
    /// There is one that cannot be shown; why.
    Failed(String),
}

/// What was found when somebody's pictures were fetched.
#[derive(Clone, Debug)]
pub struct Pair {
    /// The photo in Entra ID.
    pub source: Shown,
    /// The avatar that ServiceNow displays.
    pub target: Shown,
    /// The verdict at that moment, where both sides could be read; the scan's may be older or less sure.
    pub now: Option<Judgement>,
}

/// Somebody on the page.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// Who, and how they compare.
    pub person: &'a StatusPerson,
    /// True if their pictures are shown.
    pub is_pictured: bool,
}

/// Everybody in the order of the page, and who has pictures there.
#[derive(Debug)]
pub struct Arrangement<'a> {
    /// Everybody who is listed.
    pub entries: Vec<Entry<'a>>,
    /// How many pairs are shown.
    pub pictured: usize,
    /// How many pairs are not, because there are more than were asked for.
    pub left_out: usize,
}

/// Groups people by verdict and gives the first `pictures` of them their pictures. Who is out of scope is not shown:
/// some of them asked for that.
pub fn arrange(report: &Report, pictures: usize) -> Arrangement<'_> {
    let rank = |verdict: Verdict| ORDER.iter().position(|one| *one == verdict);
    let mut everybody: Vec<&StatusPerson> = report.status.people.iter().collect();
    everybody.sort_by_key(|person| rank(person.verdict));
    let (mut pictured, mut left_out) = (0, 0);
    let entries = everybody
        .into_iter()
        .map(|person| {
            let has_pictures = !matches!(person.verdict, Verdict::Neither | Verdict::Excluded);
            let is_pictured = has_pictures && pictured < pictures;
            pictured += usize::from(is_pictured);
            left_out += usize::from(has_pictures && !is_pictured);
            Entry { person, is_pictured }
        })
        .collect();
    Arrangement {
        entries,
        pictured,
        left_out,
    }
}

/// A page in the making: begun, then somebody after the other as [`arrange`] has put them, then finished.
pub struct Page<'a> {
    out: &'a mut dyn Write,
    group: Option<Verdict>,
    /// How many people each group has, for its heading.
    sizes: Vec<(Verdict, u64)>,
}

impl<'a> Page<'a> {
    /// Writes everything before the first person.
    pub fn begin(out: &'a mut dyn Write, report: &Report, arrangement: &Arrangement<'_>) -> io::Result<Self> {
        let mut sizes: Vec<(Verdict, u64)> = Vec::new();
        for entry in &arrangement.entries {
            match sizes.last_mut() {
                Some((verdict, count)) if *verdict == entry.person.verdict => *count += 1,
                _ => sizes.push((entry.person.verdict, 1)),
            }
        }
        let mut page = Self {
            out,
            group: None,
            sizes,
        };
        page.head(report)?;
        page.summary(report, arrangement)?;
        page.counts(report)?;
        Ok(page)
    }

    fn head(&mut self, report: &Report) -> io::Result<()> {
        let style = style();
        let hash = BASE64.encode(Sha256::digest(style.as_bytes()));
        let (tenant, instance) = (Text(&report.tenant), Text(&report.instance));
        write!(
            self.out,
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; \
             style-src 'sha256-{hash}'; form-action 'none'; base-uri 'none'\">\n\
             <meta name=\"referrer\" content=\"no-referrer\">\n<meta name=\"robots\" content=\"noindex\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n\
             <title>Photos of {tenant} in {instance}</title>\n<style>{style}</style>\n</head>\n<body>\n\
             <h1>Photos of <bdi>{tenant}</bdi> in <bdi>{instance}</bdi></h1>\n<main>\n"
        )
    }

    fn summary(&mut self, report: &Report, arrangement: &Arrangement<'_>) -> io::Result<()> {
        let status = &report.status;
        writeln!(self.out, "<h2 id=\"summary\">Summary</h2>")?;
        if !status.complete {
            writeln!(
                self.out,
                "<p class=\"warning\"><strong>The listing is incomplete:</strong> people may be missing from this page.</p>"
            )?;
        }
        if !status.problems.is_empty() {
            writeln!(self.out, "<p>What went wrong:</p>\n<ul>")?;
            for problem in &status.problems {
                writeln!(self.out, "<li><bdi>{}</bdi></li>", Text(problem))?;
            }
            writeln!(self.out, "</ul>")?;
        }
        let moment_words = moment(status.scanned_at);
        let moment_code = whole_seconds(status.scanned_at);
        write!(
            self.out,
            "<dl>\n<dt>From</dt><dd>Entra ID, tenant <bdi>{}</bdi></dd>\n\
             <dt>To</dt><dd>ServiceNow, <bdi>{}</bdi></dd>\n<dt>Profile</dt><dd><bdi>{}</bdi></dd>\n\
             <dt>Scanned</dt><dd><time datetime=\"{moment_code}\">{moment_words}</time></dd>\n",
            Text(&report.tenant),
            Text(&report.instance),
            Text(&report.profile),
        )?;
        if !report.filter.is_empty() {
            writeln!(
                self.out,
                "<dt>Filter</dt><dd><code><bdi>{}</bdi></code></dd>",
                Text(&report.filter)
            )?;
        }
        let (listed, total) = (arrangement.entries.len() as u64, report.total());
        let whom = match report.listing {
            Listing::NeedsALook => format!("{} of {} need a look", number(listed), people(total)),
            Listing::Everybody => people(listed),
        };
        writeln!(self.out, "<dt>Listed</dt><dd>{whom}</dd>")?;
        let suspected = status.people.iter().filter(|person| person.suspicion.is_some());
        let suspected = suspected.count() as u64;
        let suspicious = report.suspicious().unwrap_or(suspected);
        if suspicious > 0 {
            let hint = if suspected < suspicious {
                format!(
                    ", {} of them listed here (<code>status:suspicious</code> lists them all)",
                    number(suspected)
                )
            } else {
                String::new()
            };
            writeln!(
                self.out,
                "<dt>Suspicious</dt><dd>{} with a photo that is probably not their own{hint}</dd>",
                people(suspicious)
            )?;
        }
        let pictured = number(arrangement.pictured as u64);
        let pictures = match arrangement.left_out as u64 {
            0 => format!("{pictured} pairs"),
            left_out => format!(
                "the first {pictured} pairs; {} are left out (<code>--pictures</code> sets how many)",
                number(left_out)
            ),
        };
        writeln!(self.out, "<dt>Pictures</dt><dd>{pictures}</dd>\n</dl>")?;
        if let Some(only @ 1..) = report.target_only() {
            let only = number(only);
            writeln!(
                self.out,
                "<p>{only} users in ServiceNow’s scope are nobody’s match in Entra ID.</p>"
            )?;
        }
        if status.counts.contains_key(&Verdict::Undecided) {
            writeln!(
                self.out,
                "<p>Nobody has compared the pictures of those who are undecided; <code>--deep</code> does.</p>"
            )?;
        }
        Ok(())
    }

    fn counts(&mut self, report: &Report) -> io::Result<()> {
        write!(
            self.out,
            "<table class=\"counts\">\n<caption>Everybody who passes the filter, by status</caption>\n\
             <thead><tr><th scope=\"col\">Status</th><th scope=\"col\">Code</th><th scope=\"col\">People</th></tr></thead>\n\
             <tbody>\n"
        )?;
        for verdict in ORDER {
            let Some(count) = report.status.counts.get(&verdict) else {
                continue;
            };
            let (code, label) = (verdict.code(), label(verdict));
            let is_listed = self.sizes.iter().any(|(listed, _)| *listed == verdict);
            let label = if is_listed {
                format!("<a href=\"#{code}\">{label}</a>")
            } else {
                label
            };
            writeln!(
                self.out,
                "<tr><th scope=\"row\">{label}</th><td><code>{code}</code></td><td>{}</td></tr>",
                number(*count)
            )?;
        }
        write!(self.out, "</tbody>\n</table>\n")
    }

    /// Writes the next person; `pair` for those who are pictured.
    pub fn person(&mut self, person: &StatusPerson, pair: Option<&Pair>) -> io::Result<()> {
        if self.group != Some(person.verdict) {
            self.end_group()?;
            self.begin_group(person.verdict)?;
        }
        write!(self.out, "<tr><th scope=\"row\">")?;
        self.who(person)?;
        write!(self.out, "</th>\n<td>")?;
        let name = &person.person.name;
        let entra = person.entra.as_ref().map(photo_facts);
        let alt = format!("{}: photo in Entra ID", name.raw());
        self.side(pair.map(|pair| &pair.source), &alt, entra, person.verdict)?;
        write!(self.out, "</td>\n<td>")?;
        let servicenow = person.servicenow.as_ref().map(avatar_facts);
        let alt = format!("{}: avatar in ServiceNow", name.raw());
        self.side(pair.map(|pair| &pair.target), &alt, servicenow, person.verdict)?;
        write!(self.out, "</td>\n<td>")?;
        self.why(person, pair)?;
        writeln!(self.out, "</td></tr>")
    }

    fn begin_group(&mut self, verdict: Verdict) -> io::Result<()> {
        self.group = Some(verdict);
        let of_this = self.sizes.iter().find(|(one, _)| *one == verdict);
        let count = people(of_this.map_or(0, |(_, count)| *count));
        let (code, label) = (verdict.code(), label(verdict));
        write!(
            self.out,
            "<section aria-labelledby=\"{code}\">\n<h2 id=\"{code}\">{label}: {count}</h2>\n\
             <table class=\"people\">\n<caption>{}</caption>\n\
             <thead><tr><th scope=\"col\" class=\"who\">Person</th><th scope=\"col\" class=\"side\">Entra ID</th>\
             <th scope=\"col\" class=\"side\">ServiceNow</th><th scope=\"col\">Why</th></tr></thead>\n<tbody>\n",
            meaning(verdict)
        )
    }

    fn end_group(&mut self) -> io::Result<()> {
        match self.group {
            Some(_) => write!(self.out, "</tbody>\n</table>\n</section>\n"),
            None => Ok(()),
        }
    }

    fn who(&mut self, person: &StatusPerson) -> io::Result<()> {
        let who = &person.person;
        write!(self.out, "<bdi>{}</bdi>", Text(who.name.raw()))?;
        let mut seen: Vec<&str> = Vec::new();
        let others = [Some(&who.upn), who.mail.as_ref(), who.user_name.as_ref()];
        for other in others.into_iter().flatten().map(RemoteText::raw) {
            if !seen.contains(&other) {
                seen.push(other);
                write!(
                    self.out,
                    "<span class=\"quiet\"><bdi>{}</bdi></span>",
                    Text(other)
                )?;
            }
        }
        Ok(())
    }

    fn side(
        &mut self,
        shown: Option<&Shown>,
        alt: &str,
        facts: Option<String>,
        verdict: Verdict,
    ) -> io::Result<()> {
        match shown {
            Some(Shown::Picture(picture)) => write!(
                self.out,
                "<img src=\"data:image/jpeg;base64,{}\" width=\"{}\" height=\"{}\" alt=\"{}\">",
                BASE64.encode(&picture.bytes),
                picture.width,
                picture.height,
                Text(alt)
            )?,
            Some(Shown::Nothing) => return write!(self.out, "no picture"),
            Some(Shown::Failed(why)) => write!(self.out, "cannot be shown: <bdi>{}</bdi>", Text(why))?,
            None if verdict == Verdict::Excluded => return write!(self.out, "not looked at"),
            None if facts.is_none() => return write!(self.out, "none seen"),
            None => write!(self.out, "picture left out")?,
        }
        match facts {
            Some(facts) => write!(
                self.out,
                "<span class=\"quiet\"><bdi>{}</bdi></span>",
                Text(&facts)
            ),
            None => Ok(()),
        }
    }

    fn why(&mut self, person: &StatusPerson, pair: Option<&Pair>) -> io::Result<()> {
        write!(self.out, "<bdi>{}</bdi>", Text(&person.reason))?;
        if let Some(suspicion) = &person.suspicion {
            write!(
                self.out,
                "<br><span class=\"suspicious\">suspicious: <bdi>{}</bdi></span>",
                Text(suspicion)
            )?;
        }
        if !person.candidates.is_empty() {
            let candidates = person.candidates.join(", ");
            write!(
                self.out,
                "<span class=\"quiet\">might be <bdi>{}</bdi></span>",
                Text(&candidates)
            )?;
        }
        let now = pair.and_then(|pair| pair.now.as_ref());
        if let Some(now) = now.filter(|now| now.verdict != person.verdict) {
            write!(
                self.out,
                "<br>as the pictures were fetched: {}, <bdi>{}</bdi>",
                label(now.verdict),
                Text(&now.reason)
            )?;
        }
        Ok(())
    }

    /// Writes everything after the last person.
    pub fn finish(mut self) -> io::Result<()> {
        self.end_group()?;
        write!(
            self.out,
            "</main>\n<footer><p>Made by avatar-sync {}. This page holds names and faces of people: keep it as you \
             would keep them.</p></footer>\n</body>\n</html>\n",
            env!("CARGO_PKG_VERSION")
        )
    }
}

/// The style as it stands in the page; its hash is in the policy. Browsers read every line end as one character, and so
/// must we, wherever this was built.
fn style() -> String {
    STYLE_SOURCE.replace("\r\n", "\n")
}

/// Symbol and word, coloured; the symbol is not read out.
fn label(verdict: Verdict) -> String {
    let class = match verdict {
        Verdict::InSync | Verdict::SamePicture => "good",
        Verdict::Differs | Verdict::Missing => "change",
        Verdict::OnlyInTarget => "only",
        Verdict::Broken | Verdict::Error => "bad",
        Verdict::Unmatched | Verdict::Ambiguous | Verdict::Undecided => "open",
        Verdict::Neither | Verdict::Excluded => "none",
    };
    let (symbol, _) = verdict.symbol();
    format!(
        "<span class=\"{class}\"><span aria-hidden=\"true\">{symbol}</span> {}</span>",
        verdict.words()
    )
}

fn meaning(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::InSync => "ServiceNow displays the Entra photo, byte for byte.",
        Verdict::SamePicture => "ServiceNow displays other bytes of the same image.",
        Verdict::Differs => "ServiceNow displays another image.",
        Verdict::Missing => "Entra ID has a photo, ServiceNow displays none.",
        Verdict::OnlyInTarget => "ServiceNow displays a picture, Entra ID has none.",
        Verdict::Neither => "Neither side has a picture.",
        Verdict::Broken => "What ServiceNow stores is damaged.",
        Verdict::Unmatched => "Nobody in ServiceNow’s scope is this person.",
        Verdict::Ambiguous => "Several people might be meant.",
        Verdict::Excluded => "Out of scope, by policy or by their own wish.",
        Verdict::Undecided => "Both sides have a picture that nobody has compared.",
        Verdict::Error => "It could not be found out.",
    }
}

fn photo_facts(photo: &StatusPhoto) -> String {
    let bytes = photo.bytes.map(|bytes| format!(" · {}", size(bytes)));
    format!(
        "{} × {} · {}{}",
        photo.width,
        photo.height,
        photo.content_type,
        bytes.unwrap_or_default()
    )
}

fn avatar_facts(avatar: &StatusAvatar) -> String {
    format!("from {} · {}", avatar.from, size(avatar.bytes))
}

/// Text between tags or in a quoted attribute: cleaned, then with every character that means something in HTML escaped.
struct Text<'a>(&'a str);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cleaned = clean_long(self.0);
        let mut plain = cleaned.as_str();
        while let Some(position) = plain.find(['&', '<', '>', '"', '\'', '`']) {
            let (before, after) = plain.split_at(position);
            f.write_str(before)?;
            let mut rest = after.chars();
            f.write_str(match rest.next() {
                Some('&') => "&amp;",
                Some('<') => "&lt;",
                Some('>') => "&gt;",
                Some('"') => "&quot;",
                Some('\'') => "&#39;",
                _ => "&#96;",
            })?;
            plain = rest.as_str();
        }
        f.write_str(plain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_can_end_its_tag_or_attribute() {
        let cases = [
            ("Ann-Marie", "Ann-Marie"),
            (
                "<script>alert(1)</script>",
                "&lt;script&gt;alert(1)&lt;/script&gt;",
            ),
            ("\" onerror=\"x", "&quot; onerror=&quot;x"),
            ("' onload='x", "&#39; onload=&#39;x"),
            ("`&amp;", "&#96;&amp;amp;"),
            ("a\u{202e}b\u{0}c\r\n", "a·b␀c␍␊"),
            ("山田 <b>", "山田 &lt;b&gt;"),
        ];
        let count = cases.len();
        for (text, expected) in cases {
            assert_eq!(Text(text).to_string(), expected);
        }
        crate::tried("L6", count);
    }

    #[test]
    fn every_verdict_has_its_place_and_the_style_cannot_end_early() {
        for verdict in Verdict::ALL {
            assert!(ORDER.contains(&verdict), "{verdict:?}");
        }
        assert!(!style().contains("</") && !style().contains('\r'));
        assert!(!style().contains("url(") && !style().contains("@import"));
    }
}
