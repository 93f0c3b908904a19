//! The runs: one a line, and below them what there is to say of the one under the cursor.

use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::{Standing, counts, standing};
use crate::domain::run::Outcome;
use crate::domain::text::clean;
use crate::report::run::{duration, stop_sentence};
use crate::report::text::number;
use crate::store::journal::{PastRun, RunKind};
use crate::tui::intent::Intent;
use crate::tui::layout;
use crate::tui::pen::{Pen, wrap_within};
use crate::tui::state::State;
use crate::tui::theme::Palette;
use crate::tui::view::{centred, framed, scroll_bar};

/// Lines below the list, with their frame.
const FACTS: u16 = 6;

/// The list and the facts below it, each with its frame.
pub fn areas(body: Rect) -> (Rect, Rect) {
    let facts = FACTS.min(body.height / 2);
    let list = Rect {
        height: body.height - facts,
        ..body
    };
    let below = Rect {
        y: list.bottom(),
        height: facts,
        ..body
    };
    (list, below)
}

/// Draws the screen.
pub fn draw(state: &State, buffer: &mut Buffer, body: Rect) {
    let (list, facts) = areas(body);
    let runs = &state.history.runs;
    let title = match (runs.known(), runs.is_whole()) {
        (0, _) => "History".to_owned(),
        (1, true) => "History: 1 run".to_owned(),
        (known, true) => format!("History: {} runs", number(known as u64)),
        (known, false) => format!("History: {} runs and more", number(known as u64)),
    };
    let inner = framed(state, buffer, list, &title);
    let below = framed(state, buffer, facts, "Run");
    if let Some(why) = &runs.failure {
        centred(
            state,
            buffer,
            inner,
            &format!("The journal cannot be read: {why}"),
        );
        return;
    }
    if runs.known() == 0 {
        let words = if runs.is_whole() {
            "No run has written anything yet."
        } else {
            "reading the journal"
        };
        centred(state, buffer, inner, words);
        return;
    }
    for (line, (position, run)) in runs.on_screen().enumerate() {
        let place = Rect {
            y: inner.y + line as u16,
            height: 1,
            ..inner
        };
        let is_here = position == runs.cursor;
        if is_here {
            buffer.set_style(place, state.theme.cursor());
        }
        row(state, buffer, place, run, is_here);
        if is_here && matches!(state.theme.palette, Palette::Sixteen | Palette::Plain) {
            buffer.set_style(place, state.theme.cursor());
        }
    }
    scroll_bar(state, buffer, list, (runs.offset, runs.height, runs.known()));
    if let Some(run) = runs.current() {
        self::facts(state, buffer, below, run);
    }
}

/// What a kind of run is called.
pub fn kind_words(kind: RunKind) -> &'static str {
    match kind {
        RunKind::Push => "push",
        RunKind::Sync => "full run",
        RunKind::Apply => "apply",
        RunKind::Undo => "undo",
        RunKind::Clean => "clean",
    }
}

fn sign(state: &State, standing: Standing, run: &PastRun) -> (&'static str, Style) {
    let theme = state.theme;
    let has_failed = run.endings.of(Outcome::Failed) > 0;
    match standing {
        Standing::Ended if has_failed => ("!", theme.warning()),
        Standing::Ended => (theme.sign("✓", "="), theme.good()),
        Standing::Stopped => (theme.sign("✗", "x"), theme.bad()),
        Standing::UnderWay => (theme.sign("▸", ">"), theme.accent()),
        Standing::Unfinished => ("?", theme.bad()),
    }
}

fn row(state: &State, buffer: &mut Buffer, place: Rect, run: Option<&PastRun>, is_here: bool) {
    let theme = state.theme;
    let mut pen = Pen::new(buffer, theme, place, 0);
    pen.write(if is_here { theme.sign("▌", ">") } else { " " }, theme.accent());
    let Some(run) = run else {
        pen.skip(3).write(theme.sign("…", "..."), theme.quiet());
        return;
    };
    let standing = standing(state, run);
    let (sign, style) = sign(state, standing, run);
    let start = &run.record.start;
    let at = start.started.to_zoned(state.zone.clone());
    pen.write(sign, style)
        .skip(1)
        .cell(&at.strftime("%Y-%m-%d %H:%M").to_string(), 16, theme.text())
        .skip(2)
        .cell(kind_words(start.kind), 8, theme.strong())
        .skip(2);
    if place.width >= 100 {
        let who = format!("{}@{}", start.actor.os_user, start.actor.host);
        let width = usize::from(place.width / 6).clamp(14, 30);
        pen.cell(&clean(&who), width, theme.quiet()).skip(2);
    }
    let word = match standing {
        Standing::Ended => None,
        Standing::Stopped => Some(("ended early", theme.bad())),
        Standing::UnderWay => Some(("under way", theme.accent())),
        Standing::Unfinished => Some(("unfinished", theme.bad())),
    };
    if let Some((word, style)) = word {
        pen.write(word, style).write(": ", theme.quiet());
    } else if run.undone_by.is_some() {
        pen.write("taken back: ", theme.warning());
    }
    pen.write(&counts(run), theme.text());
}

fn facts(state: &State, buffer: &mut Buffer, area: Rect, run: &PastRun) {
    let theme = state.theme;
    let record = &run.record;
    let actor = &record.start.actor;
    let who = format!("{} on {}", clean(&actor.os_user), clean(&actor.host));
    let account = match actor.account.as_str() {
        "" => String::new(),
        account => format!(", as {} in ServiceNow", clean(account)),
    };
    Pen::new(buffer, theme, area, 0)
        .skip(1)
        .write(&clean(record.id.as_str()), theme.strong())
        .skip(2)
        .write("by ", theme.quiet())
        .write(&who, theme.text())
        .write(&account, theme.text());
    let mut pen = Pen::new(buffer, theme, area, 1);
    pen.skip(1).write(&counts(run), theme.text());
    let links = [
        (&record.start.undoes, "takes back run"),
        (&record.start.continues, "goes on with run"),
        (&run.undone_by, "taken back by run"),
        (&run.continued_by, "gone on with by run"),
    ];
    for (other, words) in links {
        if let Some(other) = other {
            pen.write(&format!("; {words} {}", clean(other.as_str())), theme.quiet());
        }
    }
    let key = |intent: Intent| state.keymap.key(intent, theme.is_ascii);
    let took = |end: jiff::Timestamp| {
        let took = Duration::try_from(end.duration_since(record.start.started)).unwrap_or_default();
        format!("took {}", duration(took))
    };
    let (words, style) = match (standing(state, run), &record.stopped) {
        (Standing::UnderWay, _) => (
            format!("It is under way; {} shows it.", key(Intent::ShowRun)),
            theme.accent(),
        ),
        (Standing::Unfinished, _) => (
            "It has no end: it was interrupted, or goes on elsewhere. What is begun is settled before the next change."
                .to_owned(),
            theme.warning(),
        ),
        (_, Some(reason)) => (clean(&stop_sentence(reason)).into_owned(), theme.bad()),
        (_, None) => (record.finished.map(took).unwrap_or_default(), theme.quiet()),
    };
    let width = usize::from(area.width.saturating_sub(2));
    let room = usize::from(area.height.saturating_sub(2));
    for (line, text) in wrap_within(&words, width, room, theme.is_ascii)
        .iter()
        .enumerate()
    {
        Pen::new(buffer, theme, area, 2 + line as u16)
            .skip(1)
            .write(text, style);
    }
}

/// The rows of runs that fit.
pub fn rows(state: &State) -> usize {
    let (_, body, _) = layout::frame(state.size);
    usize::from(layout::inside(areas(body).0).height)
}

/// Keys worth a hint.
pub fn hints(state: &State) -> Vec<(Intent, &'static str)> {
    let mut hints = Vec::new();
    if state.history.runs.current().is_some() {
        hints.extend([(Intent::Follow, "its people"), (Intent::Undo, "undo the run")]);
    }
    let is_cut_short =
        |run: &PastRun| matches!(standing(state, run), Standing::Stopped | Standing::Unfinished);
    if state.history.runs.current().is_some_and(is_cut_short) {
        hints.push((Intent::Resume, "go on with it"));
    }
    hints.extend([
        (Intent::Back, "back"),
        (Intent::Palette, "command"),
        (Intent::Help, "help"),
    ]);
    hints
}
