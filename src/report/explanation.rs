//! Why somebody's picture is what it is: for people, with the chain as a drawing, and as JSON.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use serde_json::{Value as Json, json};
use unicode_width::UnicodeWidthStr;

use super::json;
use super::status::whole_seconds;
use super::text::{Look, moment, size, verdict_style};
use crate::domain::explanation::{
    Action, ExplainedStep, Explanation, Link, LinkPicture, LinkThumbnail, Served, Staleness, StepState, Xray,
};
use crate::domain::photo::{Column, PictureForm, Sha256};
use crate::domain::text::RemoteText;

/// The format of [`write_json`].
pub const SCHEMA: &str = "avatar-sync/explain/1";

/// Lines are broken here where nobody knows the terminal's width.
const USUAL_WIDTH: usize = 80;
/// Longer lines are not read.
const WIDEST: usize = 110;
/// Narrower ones could not hold an id.
const NARROWEST: usize = 48;
/// Where the values of a step begin.
const LABEL: usize = 21;

/// Writes the one JSON object.
pub fn write_json(out: &mut dyn Write, profile: &str, explanation: &Explanation) -> io::Result<()> {
    json::line(out, &document(profile, explanation))
}

/// The JSON object: keys are only ever added.
pub fn document(profile: &str, explanation: &Explanation) -> Json {
    let judgement = explanation.judgement.as_ref();
    json!({
        "schema": SCHEMA,
        "profile": profile,
        "looked_at": whole_seconds(explanation.looked_at),
        "person": explanation.person,
        "verdict": judgement.map(|judgement| judgement.verdict.code()),
        "reason": judgement.map(|judgement| judgement.reason.as_str()),
        "cause": explanation.cause.code(),
        "cause_step": explanation.cause.step().code(),
        "also": explanation.also.iter().map(|cause| cause.code()).collect::<Vec<_>>(),
        "summary": explanation.summary,
        "next": explanation.next,
        "steps": explanation.steps.iter().map(step_json).collect::<Vec<_>>(),
        "push": {
            "change": explanation.push.change,
            "takes_repair": explanation.push.takes_repair,
            "reason": explanation.push.reason,
            "actions": explanation.push.actions.iter().map(action_json).collect::<Vec<_>>(),
        },
        "xray": explanation.xray.as_ref().map(xray_json),
    })
}

fn step_json(step: &ExplainedStep) -> Json {
    let values: Vec<Json> = step
        .values
        .iter()
        .map(|value| {
            json!({
                "label": value.label.trim_start(),
                "value": value.text,
                "state": value.state.code(),
            })
        })
        .collect();
    json!({
        "step": step.kind.code(),
        "state": step.state.code(),
        "verdict": step.verdict,
        "next": step.next,
        "values": values,
    })
}

fn action_json(action: &Action) -> Json {
    let (picture, bytes) = match action {
        Action::Keep { picture, .. } => (Some(picture), None),
        Action::Delete { picture, bytes, .. } => (Some(picture), Some(*bytes)),
        Action::DeleteThumbnail { thumbnail, .. } => (Some(thumbnail), None),
        Action::Store { bytes, .. } => (None, *bytes),
        Action::Create(_) | Action::SetColumn(_) | Action::ClearColumn(_) => (None, None),
    };
    json!({"action": action.code(), "place": action.place(), "attachment": picture, "bytes": bytes})
}

fn xray_json(xray: &Xray) -> Json {
    let (displayed, problem) = match &xray.served {
        Served::Picture(picture) => (Some(picture), None),
        Served::Nothing => (None, None),
        Served::Unknown(why) => (None, Some(why)),
    };
    json!({
        "displayed": displayed,
        "displayed_unknown": problem,
        "predicted": xray.predicted,
        "links": xray.links.iter().map(link_json).collect::<Vec<_>>(),
    })
}

fn link_json(link: &Link) -> Json {
    let (state, names) = match &link.column.value {
        Column::Unreadable => ("unreadable", None),
        Column::Empty => ("empty", None),
        Column::Names(picture) if link.column.is_dangling => ("dangling", Some(picture)),
        Column::Names(picture) if link.column.is_foreign => ("foreign", Some(picture)),
        Column::Names(picture) if link.column.is_shared => ("shared", Some(picture)),
        Column::Names(picture) => ("names", Some(picture)),
    };
    json!({
        "place": link.place,
        "record": link.record,
        "created_at": link.created_at.map(whole_seconds),
        "updated_at": link.updated_at.map(whole_seconds),
        "updated_by": link.updated_by,
        "column": {"state": state, "attachment": names},
        "wins": link.wins,
        "is_extra": link.is_extra,
        "broken": link.broken,
        "pictures": link.pictures.iter().map(picture_json).collect::<Vec<_>>(),
    })
}

fn picture_json(picture: &LinkPicture) -> Json {
    json!({
        "attachment": picture.id,
        "form": picture.form,
        "file_name": picture.file_name,
        "bytes": picture.bytes,
        "sha256": picture.sha256,
        "content_type": picture.content_type,
        "seen": picture.seen,
        "scan": picture.scan,
        "created_at": picture.created_at.map(whole_seconds),
        "author": picture.author.code(),
        "author_words": picture.author.words(),
        "is_displayed": picture.is_served,
        "is_named": picture.is_named,
        "is_superseded": picture.is_superseded,
        "is_elsewhere": picture.is_elsewhere,
        "is_the_photo": picture.is_the_photo,
        "looks_like_the_photo": picture.looks_like_the_photo,
        "broken": picture.broken,
        "thumbnails": picture.thumbnails.iter().map(thumbnail_json).collect::<Vec<_>>(),
    })
}

fn thumbnail_json(thumbnail: &LinkThumbnail) -> Json {
    let (staleness, why) = match &thumbnail.staleness {
        Staleness::Fresh => ("fresh", None),
        Staleness::Stale(why) => ("stale", Some(why)),
        Staleness::Unknown(why) => ("unknown", Some(why)),
    };
    json!({
        "attachment": thumbnail.id,
        "file_name": thumbnail.file_name,
        "bytes": thumbnail.bytes,
        "created_at": thumbnail.created_at.map(whole_seconds),
        "author": thumbnail.author.code(),
        "staleness": staleness,
        "why": why,
    })
}

/// Writes the explanation for people: what decides, the five steps, and the chain as a drawing.
pub fn write_human(out: &mut dyn Write, look: Look, explanation: &Explanation) -> io::Result<()> {
    let page = Page {
        look,
        width: look.width.unwrap_or(USUAL_WIDTH).clamp(NARROWEST, WIDEST),
    };
    page.head(out, explanation)?;
    for (number, step) in explanation.steps.iter().enumerate() {
        writeln!(out)?;
        page.step(out, number + 1, step)?;
    }
    if let Some(xray) = &explanation.xray {
        writeln!(out)?;
        page.xray(out, explanation, xray)?;
    }
    Ok(())
}

/// What the output can show, and how wide it is.
#[derive(Clone, Copy)]
struct Page {
    look: Look,
    width: usize,
}

impl Page {
    fn head(self, out: &mut dyn Write, explanation: &Explanation) -> io::Result<()> {
        let person = &explanation.person;
        let name = person.name.shown();
        let login = person
            .upn
            .as_ref()
            .or(person.user_name.as_ref())
            .map(RemoteText::shown)
            .unwrap_or_default();
        self.wrapped(out, "", "", &format!("{name}{}{login}", self.look.dot()))?;
        if let Some(judgement) = &explanation.judgement {
            let style = verdict_style(judgement.verdict);
            let words = format!("{}: {}", self.look.verdict(judgement.verdict), judgement.reason);
            write!(out, "{style}")?;
            self.wrapped(out, "", "  ", &words)?;
            write!(out, "{style:#}")?;
        }
        writeln!(out)?;
        let cause = explanation.cause;
        self.labelled(
            out,
            "Cause",
            &format!("{} ({})", explanation.summary, cause.code()),
        )?;
        if !explanation.also.is_empty() {
            let also: Vec<String> = explanation
                .also
                .iter()
                .map(|cause| format!("{} ({})", cause.words(), cause.code()))
                .collect();
            self.labelled(out, "Also", &also.join("; "))?;
        }
        if let Some(next) = &explanation.next {
            self.labelled(out, "Try next", next)?;
        }
        Ok(())
    }

    fn step(self, out: &mut dyn Write, number: usize, step: &ExplainedStep) -> io::Result<()> {
        let style = state_style(step.state);
        let title = format!("{number} {}", step.kind.title());
        writeln!(
            out,
            "{} {style}{} {}{style:#}",
            self.look.cell(&title, LABEL + 7),
            self.symbol(step.state),
            step.state.words()
        )?;
        self.wrapped(out, "  ", "  ", &step.verdict)?;
        for value in &step.values {
            let indent = value.label.len() - value.label.trim_start().len();
            let label = self.look.cell(
                &format!("{}{}", " ".repeat(indent), value.label.trim_start()),
                LABEL,
            );
            let mark = match value.state {
                StepState::Ok | StepState::NotApplicable => ' ',
                state => self.symbol(state),
            };
            let style = state_style(value.state);
            write!(out, "{style}")?;
            self.wrapped(
                out,
                &format!("  {mark} {label}"),
                &" ".repeat(LABEL + 4),
                &value.text,
            )?;
            write!(out, "{style:#}")?;
        }
        if let Some(next) = &step.next {
            self.wrapped(out, "  try next: ", "    ", next)?;
        }
        Ok(())
    }

    fn xray(self, out: &mut dyn Write, explanation: &Explanation, xray: &Xray) -> io::Result<()> {
        let (branch, last, down, none) = if self.look.is_ascii {
            ("+-", "`-", "| ", "  ")
        } else {
            ("├─", "└─", "│ ", "  ")
        };
        writeln!(out, "The chain, in the order in which ServiceNow looks")?;
        let owner = explanation
            .person
            .user_name
            .as_ref()
            .map(RemoteText::shown)
            .unwrap_or_default();
        self.wrapped(out, "  ", "  ", &owner)?;
        let links = xray.links.len();
        for (position, link) in xray.links.iter().enumerate() {
            let is_last = position + 1 == links;
            let (head, side) = if is_last { (last, none) } else { (branch, down) };
            let rows = link.pictures.len();
            let side = format!("  {side}  ");
            let pipe = if rows == 0 { none } else { down };
            self.wrapped(
                out,
                &format!("  {head} "),
                &format!("{side}{pipe}"),
                &self.link_words(link),
            )?;
            self.wrapped(
                out,
                &format!("{side}{pipe}"),
                &format!("{side}{pipe}  "),
                &column_words(link),
            )?;
            for (row, picture) in link.pictures.iter().enumerate() {
                let (head, pipe) = if row + 1 == rows {
                    (last, none)
                } else {
                    (branch, down)
                };
                self.wrapped(
                    out,
                    &format!("{side}{head} "),
                    &format!("{side}{pipe} "),
                    &self.picture_words(picture),
                )?;
                let small = picture.thumbnails.len();
                for (number, thumbnail) in picture.thumbnails.iter().enumerate() {
                    let (head, end) = if number + 1 == small {
                        (last, none)
                    } else {
                        (branch, down)
                    };
                    self.wrapped(
                        out,
                        &format!("{side}{pipe}{head} "),
                        &format!("{side}{pipe}{end} "),
                        &self.thumbnail_words(thumbnail),
                    )?;
                }
            }
        }
        let seen = match &xray.served {
            Served::Picture(picture) if xray.predicted.as_ref() == Some(picture) => {
                format!("ServiceNow displays {picture}, as it should by its own rules")
            }
            Served::Picture(picture) => {
                format!("ServiceNow displays {picture}, which is not what its own rules predict")
            }
            Served::Nothing if xray.predicted.is_some() => {
                "ServiceNow displays nothing, although a picture is stored".to_owned()
            }
            Served::Nothing => "ServiceNow displays nothing: people see initials".to_owned(),
            Served::Unknown(why) => format!("What ServiceNow displays is not known: {why}"),
        };
        self.wrapped(out, "  ", "  ", &seen)
    }

    fn link_words(self, link: &Link) -> String {
        let mut words = vec![match &link.record {
            Some(record) => format!("{} {record}", link.place),
            None => format!("{}: no record", link.place),
        }];
        if link.wins {
            words.push("WINS".to_owned());
        }
        if link.is_extra {
            words.push("one too many".to_owned());
        }
        if let Some(why) = &link.broken {
            words.push(format!("{} BROKEN: {why}", self.symbol(StepState::Broken)));
        }
        words.join(self.look.dot())
    }

    fn picture_words(self, picture: &LinkPicture) -> String {
        let form = match (picture.form, picture.is_elsewhere) {
            (_, true) => "somebody else's picture",
            (PictureForm::ImageField, false) => "picture",
            (PictureForm::Plain, false) => "attachment",
        };
        let mut words = vec![
            format!("{form} {}", picture.id),
            picture
                .seen
                .clone()
                .unwrap_or_else(|| picture.content_type.clone()),
            size(picture.bytes),
        ];
        words.push(match picture.sha256 {
            Some(hash) => format!("SHA-256 {}", short(hash)),
            None => "no hash".to_owned(),
        });
        if let Some(at) = picture.created_at {
            words.push(format!("{} by {}", moment(at), picture.author.words()));
        }
        if picture.is_the_photo {
            words.push("the photo from Entra ID".to_owned());
        } else if picture.looks_like_the_photo {
            words.push("the photo from Entra ID in other bytes".to_owned());
        }
        if let Some(why) = &picture.broken {
            words.push(format!("{} BROKEN: {why}", self.symbol(StepState::Broken)));
        }
        if picture.is_served {
            words.push("SHOWN".to_owned());
        } else if picture.is_superseded {
            words.push("hidden".to_owned());
        }
        words.join(self.look.dot())
    }

    fn thumbnail_words(self, thumbnail: &LinkThumbnail) -> String {
        let state = match &thumbnail.staleness {
            Staleness::Fresh => "shows its picture".to_owned(),
            Staleness::Stale(why) => format!("{} STALE: {why}", self.symbol(StepState::Broken)),
            Staleness::Unknown(why) => why.clone(),
        };
        [
            format!("thumbnail {}", thumbnail.id),
            size(thumbnail.bytes),
            state,
        ]
        .join(self.look.dot())
    }

    fn symbol(self, state: StepState) -> char {
        let (symbol, ascii) = state.symbol();
        if self.look.is_ascii { ascii } else { symbol }
    }

    fn labelled(self, out: &mut dyn Write, label: &str, text: &str) -> io::Result<()> {
        self.wrapped(out, &self.look.cell(label, 10), &" ".repeat(10), text)
    }

    /// Writes text between words; `first` begins the first line and `rest` all others. A word that fits no line is
    /// broken.
    fn wrapped(self, out: &mut dyn Write, first: &str, rest: &str, text: &str) -> io::Result<()> {
        let mut line = first.to_owned();
        let mut is_bare = true;
        let mut words = text.split(' ').collect::<std::collections::VecDeque<_>>();
        while let Some(word) = words.pop_front() {
            let gap = usize::from(!is_bare);
            if line.width() + gap + word.width() <= self.width {
                if !is_bare {
                    line.push(' ');
                }
                line.push_str(word);
                is_bare = false;
                continue;
            }
            if !is_bare {
                writeln!(out, "{}", line.trim_end())?;
                rest.clone_into(&mut line);
                is_bare = true;
                words.push_front(word);
                continue;
            }
            let room = self.width.saturating_sub(line.width()).max(8);
            let cut = cut_at(word, room);
            writeln!(out, "{line}{}", &word[..cut])?;
            rest.clone_into(&mut line);
            if cut < word.len() {
                words.push_front(&word[cut..]);
            }
        }
        if !is_bare || text.is_empty() {
            writeln!(out, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

/// How many bytes of a word fit into so many cells; at least one character.
fn cut_at(word: &str, room: usize) -> usize {
    let mut used = 0;
    for (position, character) in word.char_indices() {
        used += unicode_width::UnicodeWidthChar::width(character).unwrap_or(0);
        if used > room && position > 0 {
            return position;
        }
    }
    word.len()
}

fn column_words(link: &Link) -> String {
    match &link.column.value {
        _ if link.record.is_none() => "nothing to look at".to_owned(),
        Column::Empty => "photo column: empty, which is usual".to_owned(),
        Column::Unreadable => "photo column: not readable".to_owned(),
        Column::Names(picture) if link.column.is_dangling => {
            format!("photo column: {picture}, which is gone")
        }
        Column::Names(picture) => format!("photo column: {picture}"),
    }
}

fn short(hash: Sha256) -> String {
    hash.to_string()[..12].to_owned()
}

fn state_style(state: StepState) -> Style {
    let colour = match state {
        StepState::Ok => return Style::new(),
        StepState::Attention => AnsiColor::Yellow,
        StepState::Broken => AnsiColor::Red,
        StepState::Unknown => AnsiColor::Magenta,
        StepState::NotApplicable => return Style::new().dimmed(),
    };
    colour.on_default()
}
