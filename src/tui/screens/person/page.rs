//! An explanation as lines, with pictures between them: made from values alone, whatever the window.

use jiff::Timestamp;
use ratatui::style::Style;
use unicode_width::UnicodeWidthStr;

use super::{Known, PersonScreen, PictureKey, REPORTS};
use crate::domain::anatomy::Colleague;
use crate::domain::explanation::{
    ExplainedStep, Explanation, Link, LinkPicture, Served, Staleness, StepState, Xray,
};
use crate::domain::photo::{Column, PictureForm};
use crate::domain::text::clean;
use crate::report::text::size;
use crate::tui::intent::Intent;
use crate::tui::layout::{SMALL_FACE, THUMBNAIL};
use crate::tui::pen::wrap;
use crate::tui::state::State;

/// Columns of what a value is called.
const LABEL: usize = 20;

/// One line, in pieces of one style.
pub type Line = Vec<(String, Style)>;

/// A line, or a picture with lines beside it.
#[derive(Clone, Debug)]
pub enum Item {
    /// A line.
    Line(Line),
    /// A picture, so far from the left, and lines beside it.
    Picture {
        /// Columns left of it, with the lines of the drawing in them.
        before: Line,
        /// Which picture.
        which: Which,
        /// Beside it.
        beside: Vec<Line>,
    },
}

/// Which picture.
#[derive(Clone, Debug)]
pub enum Which {
    /// The source's photo of the person.
    Photo,
    /// Of a link or a colleague.
    Other(PictureKey),
}

impl Item {
    /// Lines it takes. `draws`: pictures are drawn and not told in words alone.
    pub fn height(&self, draws: bool) -> usize {
        match self {
            Self::Line(_) => 1,
            Self::Picture { which, beside, .. } if draws => usize::from(which.cells().1).max(beside.len()),
            Self::Picture { beside, .. } => beside.len(),
        }
    }
}

impl Which {
    /// Cells that it takes.
    pub fn cells(&self) -> (u16, u16) {
        let size = match self {
            Self::Other(PictureKey::Face(_)) => SMALL_FACE,
            Self::Photo | Self::Other(PictureKey::Stored(_)) => THUMBNAIL,
        };
        (size.width, size.height)
    }
}

/// Writes items in a width.
pub struct Writer<'a> {
    state: &'a State,
    width: usize,
    items: Vec<Item>,
}

impl<'a> Writer<'a> {
    /// Nothing yet.
    pub fn new(state: &'a State, width: u16) -> Self {
        Self {
            state,
            width: usize::from(width).max(20),
            items: Vec::new(),
        }
    }

    /// What was written.
    pub fn finish(self) -> Vec<Item> {
        self.items
    }

    fn line(&mut self, line: Line) {
        self.items.push(Item::Line(line));
    }

    fn blank(&mut self) {
        self.line(Line::new());
    }

    /// A heading.
    fn title(&mut self, text: &str) {
        self.line(vec![(text.to_owned(), self.state.theme.strong())]);
    }

    /// Text after `first` on its first line and after blanks of the same width on the others.
    fn wrapped(&mut self, first: Line, text: &str, style: Style) {
        let lines = wrapped(first, text, style, self.width);
        self.items.extend(lines.into_iter().map(Item::Line));
    }

    /// What decides, and the five steps; while they are not known, what the list knows.
    pub fn steps(&mut self, person: &PersonScreen) {
        let theme = self.state.theme;
        self.verdict();
        match &person.explanation {
            Known::Ready(explanation) => {
                self.head(explanation);
                for (number, step) in explanation.steps.iter().enumerate() {
                    self.blank();
                    self.step(number + 1, step);
                }
            }
            Known::Failed(why) => {
                self.blank();
                self.wrapped(Line::new(), why, theme.bad());
            }
            Known::Wanted | Known::Loading => {
                self.blank();
                self.wrapped(
                    Line::new(),
                    "asking both sides why the picture is what it is",
                    theme.quiet(),
                );
            }
        }
    }

    /// What the list knows.
    fn verdict(&mut self) {
        let theme = self.state.theme;
        let Some(row) = self.state.people.current() else {
            return;
        };
        let entry = self.state.people.listing.entry(row);
        let mut line = vec![(entry.name().into_owned(), theme.strong())];
        if let Some(department) = entry.department() {
            line.push((format!(", {department}"), theme.text()));
        }
        line.push((format!("  {}", entry.principal()), theme.quiet()));
        self.line(line);
        let verdict = entry.verdict();
        let words = format!("{} {}: ", theme.symbol(verdict), verdict.words());
        let reason = if entry.reason().is_empty() {
            "not looked at yet".into()
        } else {
            clean(entry.reason())
        };
        self.wrapped(vec![(words, theme.verdict(verdict))], &reason, theme.text());
        if let Some(suspicion) = entry.suspicion() {
            self.wrapped(
                vec![("! suspicious: ".into(), theme.warning())],
                &clean(suspicion),
                theme.text(),
            );
        }
    }

    fn head(&mut self, explanation: &Explanation) {
        let theme = self.state.theme;
        self.blank();
        let cause = format!("{} ({})", explanation.summary, explanation.cause.code());
        self.wrapped(vec![("why   ".into(), theme.quiet())], &cause, theme.strong());
        if !explanation.also.is_empty() {
            let also: Vec<String> = explanation
                .also
                .iter()
                .map(|cause| cause.words().to_owned())
                .collect();
            self.wrapped(
                vec![("also  ".into(), theme.quiet())],
                &also.join("; "),
                theme.text(),
            );
        }
        if let Some(next) = &explanation.next {
            self.wrapped(vec![("next  ".into(), theme.quiet())], next, theme.accent());
        }
    }

    fn state_style(&self, state: StepState) -> Style {
        let theme = self.state.theme;
        match state {
            StepState::Ok => theme.good(),
            StepState::Attention | StepState::Unknown => theme.warning(),
            StepState::Broken => theme.bad(),
            StepState::NotApplicable => theme.quiet(),
        }
    }

    fn symbol(&self, state: StepState) -> char {
        let (symbol, ascii) = state.symbol();
        self.state.theme.sign(symbol, ascii)
    }

    fn step(&mut self, number: usize, step: &ExplainedStep) {
        let theme = self.state.theme;
        let style = self.state_style(step.state);
        let title = format!("{number} {}", step.kind.title());
        let gap = " ".repeat(30_usize.saturating_sub(title.width()).max(2));
        let words = format!("{} {}", self.symbol(step.state), step.state.words());
        self.line(vec![(title, theme.strong()), (gap, theme.text()), (words, style)]);
        self.wrapped(vec![("  ".into(), theme.text())], &step.verdict, theme.text());
        for value in &step.values {
            let mark = match value.state {
                StepState::Ok | StepState::NotApplicable => ' ',
                state => self.symbol(state),
            };
            let style = match value.state {
                StepState::Ok => theme.text(),
                state => self.state_style(state),
            };
            let label = value.label;
            let gap = " ".repeat(LABEL.saturating_sub(label.width()).max(1));
            self.wrapped(
                vec![
                    (format!("  {mark} "), style),
                    (format!("{label}{gap}"), theme.quiet()),
                ],
                &value.text,
                style,
            );
        }
        if let Some(next) = &step.next {
            self.wrapped(vec![("    next: ".into(), theme.quiet())], next, theme.accent());
        }
    }

    /// The drawing of the chain, from the photo to what is displayed.
    pub fn xray(&mut self, person: &PersonScreen) {
        let theme = self.state.theme;
        let Known::Ready(explanation) = &person.explanation else {
            return;
        };
        self.title("X-ray: from the photo to what people see");
        self.items.push(Item::Picture {
            before: Line::new(),
            which: Which::Photo,
            beside: vec![vec![("the photo in Entra ID".into(), theme.text())]],
        });
        let Some(xray) = &explanation.xray else {
            self.wrapped(
                Line::new(),
                "there is no chain to look at in ServiceNow",
                theme.quiet(),
            );
            return;
        };
        let down = theme.sign("│", "|");
        for link in &xray.links {
            self.line(vec![(down.into(), theme.quiet())]);
            self.link(link);
        }
        self.line(vec![(down.into(), theme.quiet())]);
        let arrow = theme.sign("▼ ", "v ");
        let (words, style) = match &xray.served {
            Served::Picture(picture) if xray.predicted.as_ref() == Some(picture) => (
                format!("people see the picture of {}", winner(xray)),
                theme.good(),
            ),
            Served::Picture(_) => (
                "people see another picture than ServiceNow's own rules predict".to_owned(),
                theme.warning(),
            ),
            Served::Nothing if xray.predicted.is_some() => (
                "people see initials, although a picture is stored".to_owned(),
                theme.bad(),
            ),
            Served::Nothing => ("people see initials".to_owned(), theme.text()),
            Served::Unknown(why) => (
                format!("what people see is not known: {}", clean(why)),
                theme.warning(),
            ),
        };
        self.wrapped(vec![(arrow.into(), theme.quiet())], &words, style);
    }

    fn link(&mut self, link: &Link) {
        let theme = self.state.theme;
        let (sign, style) = match (link.wins, &link.broken) {
            (_, Some(_)) => (theme.sign("✗ ", "x "), theme.bad()),
            (true, None) => (theme.sign("✓ ", "= "), theme.good()),
            (false, None) => (theme.sign("○ ", "o "), theme.quiet()),
        };
        let mut words = match &link.record {
            Some(_) => link.place.to_string(),
            None => format!("{}: no record", link.place),
        };
        if link.wins {
            words.push_str(", wins");
        }
        if link.is_extra {
            words.push_str(", one too many");
        }
        if let Some(why) = &link.broken {
            words.push_str(": ");
            words.push_str(why);
        }
        self.wrapped(vec![(sign.into(), style)], &words, style);
        let bar = || (theme.sign("│ ", "| ").to_owned(), theme.quiet());
        if link.record.is_none() {
            return;
        }
        if let Some(at) = link.updated_at {
            let by = link
                .updated_by
                .as_deref()
                .map_or_else(String::new, |by| format!(" by {by}"));
            let words = format!("changed {}{by}", self.moment(at));
            self.wrapped(vec![bar()], &words, theme.quiet());
        }
        let (column, style) = match &link.column.value {
            Column::Empty => ("photo column empty, as usual", theme.quiet()),
            Column::Unreadable => ("photo column not readable", theme.warning()),
            Column::Names(_) if link.column.is_dangling => {
                ("photo column names a picture that is gone", theme.bad())
            }
            Column::Names(_) if link.column.is_foreign => {
                ("photo column names a picture of another record", theme.warning())
            }
            Column::Names(_) => ("photo column names its picture", theme.quiet()),
        };
        self.wrapped(vec![bar()], column, style);
        for picture in &link.pictures {
            self.picture(picture);
        }
    }

    fn picture(&mut self, picture: &LinkPicture) {
        let theme = self.state.theme;
        let draws = self.state.canvas.protocol().is_some();
        let before: Line = vec![(theme.sign("├─ ", "+- ").into(), theme.quiet())];
        let room = self.width
            - 4
            - if draws {
                usize::from(THUMBNAIL.width) + 1
            } else {
                0
            };
        let mut beside: Vec<Line> = Vec::new();
        let mut say = |text: &str, style: Style| beside.extend(wrapped(Line::new(), text, style, room));
        let form = match (picture.form, picture.is_elsewhere) {
            (_, true) => "somebody else's picture",
            (PictureForm::ImageField, false) => "picture",
            (PictureForm::Plain, false) => "plain attachment",
        };
        let seen = picture.seen.as_ref().unwrap_or(&picture.content_type);
        if picture.is_served {
            say(theme.sign("✓ people see this", "= people see this"), theme.good());
        }
        if let Some(why) = &picture.broken {
            say(&format!("{} {why}", theme.sign("✗", "x")), theme.bad());
        }
        say(&format!("{form}, {seen}, {}", size(picture.bytes)), theme.text());
        if let Some(at) = picture.created_at {
            let words = format!("{} by {}", self.moment(at), picture.author.words());
            say(&clean(&words), theme.quiet());
        }
        if picture.is_the_photo {
            say("the photo from Entra ID", theme.good());
        } else if picture.looks_like_the_photo {
            say("the photo from Entra ID in other bytes", theme.good());
        } else if picture.broken.is_none() && picture.seen.is_some() {
            say("not the photo from Entra ID", theme.warning());
        }
        if picture.is_superseded {
            say("hidden by another one", theme.warning());
        }
        for thumbnail in &picture.thumbnails {
            let (words, style) = match &thumbnail.staleness {
                Staleness::Fresh => ("its thumbnail is right".to_owned(), theme.quiet()),
                Staleness::Stale(why) => (format!("its thumbnail is stale: {why}"), theme.bad()),
                Staleness::Unknown(why) => (format!("its thumbnail: {why}"), theme.quiet()),
            };
            say(&clean(&words), style);
        }
        self.items.push(Item::Picture {
            before,
            which: Which::Other(PictureKey::Stored(picture.id.clone())),
            beside,
        });
    }

    /// Manager and direct reports.
    pub fn card(&mut self, person: &PersonScreen) {
        let theme = self.state.theme;
        let keymap = &self.state.keymap;
        self.blank();
        self.title("Works with");
        let colleagues = match &person.colleagues {
            Known::Ready(colleagues) => colleagues,
            Known::Failed(why) => {
                self.wrapped(Line::new(), why, theme.bad());
                return;
            }
            Known::Wanted | Known::Loading => {
                self.wrapped(Line::new(), "asking Entra ID", theme.quiet());
                return;
            }
        };
        match &colleagues.manager {
            Some(manager) => {
                let key = keymap.key(Intent::Manager, theme.is_ascii);
                self.colleague(&key, "manager", manager);
            }
            None => self.wrapped(Line::new(), "no manager", theme.quiet()),
        }
        if colleagues.reports.is_empty() {
            self.wrapped(Line::new(), "no direct reports", theme.quiet());
        }
        for (position, report) in colleagues.reports.iter().enumerate() {
            let number = u8::try_from(position + 1).unwrap_or(u8::MAX);
            if number <= REPORTS {
                let key = keymap.key(Intent::Report(number), theme.is_ascii);
                self.colleague(&key, "report", report);
            } else {
                let name = report.name.shown().into_owned();
                self.wrapped(vec![("    ".into(), theme.text())], &name, theme.quiet());
            }
        }
        if colleagues.has_more_reports {
            self.wrapped(vec![("    ".into(), theme.text())], "and more", theme.quiet());
        }
    }

    fn colleague(&mut self, key: &str, role: &str, colleague: &Colleague) {
        let theme = self.state.theme;
        let mut beside = vec![vec![(colleague.name.shown().into_owned(), theme.text())]];
        let title = colleague
            .job_title
            .as_ref()
            .map(|title| title.shown().into_owned());
        let words = match title {
            Some(title) => format!("{role}, {title}"),
            None => role.to_owned(),
        };
        beside.push(vec![(words, theme.quiet())]);
        self.items.push(Item::Picture {
            before: vec![(format!("{key:<3} "), theme.accent())],
            which: Which::Other(PictureKey::Face(colleague.id.clone())),
            beside,
        });
    }

    fn moment(&self, at: Timestamp) -> String {
        let at = at.to_zoned(self.state.zone.clone());
        at.strftime("%Y-%m-%d %H:%M").to_string()
    }
}

fn winner(xray: &Xray) -> String {
    xray.winner()
        .map_or_else(|| "another record".to_owned(), |link| link.place.to_string())
}

/// Text broken into lines, after `first` on the first one and after blanks of the same width on the others.
fn wrapped(first: Line, text: &str, style: Style, width: usize) -> Vec<Line> {
    let used: usize = first.iter().map(|(text, _)| text.width()).sum();
    let parts = wrap(text, width.saturating_sub(used).max(8));
    let mut lines = Vec::new();
    let mut first = Some(first);
    for part in parts {
        let mut line = first
            .take()
            .unwrap_or_else(|| vec![(" ".repeat(used), Style::default())]);
        line.push((part, style));
        lines.push(line);
    }
    lines.extend(first);
    lines
}
