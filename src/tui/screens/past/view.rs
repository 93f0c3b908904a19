//! A run of the past: tabs of outcomes, people, both faces, and what was done.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Modifier;
use unicode_width::UnicodeWidthStr;

use crate::domain::plan::Change;
use crate::domain::run::Outcome;
use crate::domain::text::clean;
use crate::domain::tidying::{Task, TidyKind};
use crate::graphics::Placements;
use crate::report::text::number;
use crate::store::journal::StepRecord;
use crate::tui::intent::Intent;
use crate::tui::layout;
use crate::tui::pen::{Pen, wrap_within};
use crate::tui::screens::history::{Standing, standing, view::kind_words};
use crate::tui::screens::past;
use crate::tui::screens::people::view::pane;
use crate::tui::state::State;
use crate::tui::theme::Palette;
use crate::tui::view::{centred, framed, moment, scroll_bar};

/// Draws the screen.
pub fn draw(state: &State, buffer: &mut Buffer, placements: &mut Placements) {
    let areas = layout::people(state.size);
    tabs(state, buffer, areas.tabs);
    table(state, buffer, areas.table);
    let titles = if state.past.is_cleaning() {
        ["Cleared away", "Displayed"]
    } else {
        ["Before", "After"]
    };
    let keys = past::keys(state);
    for (position, (area, title)) in [areas.source, areas.target].into_iter().zip(titles).enumerate() {
        let inner = framed(state, buffer, area, title);
        let Some(key) = keys.get(position) else { continue };
        match state.faces.get(key) {
            Some(side) => pane(state, buffer, placements, layout::picture(area), inner, side),
            None => centred(state, buffer, inner, "loading"),
        }
    }
    let why = framed(state, buffer, areas.why, "What was done");
    if let Some(past) = state.past.people.current() {
        done(state, buffer, why, &past.step);
    }
}

fn tab_words(state: &State, tab: Option<Outcome>) -> String {
    let name = tab.map_or("all", Outcome::words);
    let mut letters = name.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    let name: String = first.into_iter().chain(letters).collect();
    format!("{name} {}", number(state.past.count(tab)))
}

fn tabs(state: &State, buffer: &mut Buffer, area: Rect) {
    let theme = state.theme;
    let mut pen = Pen::new(buffer, theme, area, 0);
    pen.skip(1);
    for tab in state.past.tabs() {
        let style = if tab == state.past.only {
            theme.accent().add_modifier(Modifier::UNDERLINED)
        } else {
            theme.text()
        };
        let words = tab_words(state, tab);
        if pen.room() < words.width() {
            pen.write(theme.sign("…", "~"), theme.quiet());
            break;
        }
        pen.write(&words, style).skip(2);
    }
}

/// What was to be done, in a word.
pub fn task_words(task: Task) -> &'static str {
    match task {
        Task::Push(Change::Add) => "first picture",
        Task::Push(Change::Replace) => "other picture",
        Task::Push(Change::Repair) => "mended",
        Task::Push(Change::Remove) => "removal",
        Task::Tidy(TidyKind::Clean) => "cleaning",
        Task::Tidy(TidyKind::Undo) => "undo",
    }
}

/// An outcome's sign.
pub fn outcome_sign(state: &State, outcome: Outcome) -> &'static str {
    let theme = state.theme;
    match outcome {
        Outcome::Updated => theme.sign("✓", "="),
        Outcome::Removed => theme.sign("−", "-"),
        Outcome::Failed => theme.sign("✗", "x"),
        Outcome::ChangedMeanwhile => theme.sign("≠", "#"),
        Outcome::Unchanged | Outcome::NoPhoto | Outcome::Skipped => theme.sign("·", "."),
    }
}

fn title(state: &State) -> String {
    let past = &state.past;
    let Some(run) = &past.run else {
        return "Run".into();
    };
    let name = format!(
        "{} of {}",
        kind_words(run.record.start.kind),
        moment(state, run.record.start.started)
    );
    let end = match standing(state, run) {
        Standing::Ended => "",
        Standing::Stopped => ", ended early",
        Standing::UnderWay => ", under way",
        Standing::Unfinished => ", unfinished",
    };
    let filter = if past.text.is_empty() || past.is_typing {
        String::new()
    } else {
        format!(" /{}", clean(&past.text))
    };
    let title = format!("{name}{end}{filter}");
    let mut letters = title.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}

fn table(state: &State, buffer: &mut Buffer, area: Rect) {
    let theme = state.theme;
    let people = &state.past.people;
    let inner = framed(state, buffer, area, &title(state));
    if let Some(why) = &people.failure {
        centred(
            state,
            buffer,
            inner,
            &format!("The journal cannot be read: {why}"),
        );
        return;
    }
    if people.known() == 0 {
        let words = match (people.is_whole(), state.past.text.is_empty()) {
            (false, _) => "reading the journal",
            (true, true) => "Nobody had a turn in this run.",
            (true, false) => "nobody is called so; esc shows everybody",
        };
        centred(state, buffer, inner, words);
    }
    for (line, (position, past)) in people.on_screen().enumerate() {
        let place = Rect {
            y: inner.y + line as u16,
            height: 1,
            ..inner
        };
        let is_here = position == people.cursor;
        if is_here {
            buffer.set_style(place, theme.cursor());
        }
        let mut pen = Pen::new(buffer, theme, place, 0);
        pen.write(if is_here { theme.sign("▌", ">") } else { " " }, theme.accent())
            .skip(1);
        match past {
            Some(past) => row(state, pen, place, &past.step),
            None => {
                pen.skip(2).write(theme.sign("…", "..."), theme.quiet());
            }
        }
        if is_here && matches!(theme.palette, Palette::Sixteen | Palette::Plain) {
            buffer.set_style(place, theme.cursor());
        }
    }
    // Everybody of the tab, as long as no name is looked for.
    let total = match (people.is_whole(), state.past.text.is_empty()) {
        (false, true) => people.known().max(state.past.count(state.past.only) as usize),
        _ => people.known(),
    };
    scroll_bar(state, buffer, area, (people.offset, people.height, total));
}

fn row(state: &State, mut pen: Pen<'_>, place: Rect, step: &StepRecord) {
    const OUTCOME: usize = 17;
    const TASK: usize = 13;
    let theme = state.theme;
    let style = theme.outcome(step.outcome);
    pen.write(outcome_sign(state, step.outcome), style).skip(1);
    let room = usize::from(place.width).saturating_sub(4);
    let name = step.person.name.shown();
    if room < OUTCOME + 14 {
        pen.write(&name, theme.text());
        return;
    }
    let with_task = room >= OUTCOME + TASK + 20;
    let taken = OUTCOME + 2 + if with_task { TASK + 2 } else { 0 };
    pen.cell(&name, room - taken, theme.text()).skip(2);
    if with_task {
        pen.cell(task_words(step.change), TASK, theme.quiet()).skip(2);
    }
    pen.cell(step.outcome.words(), OUTCOME, style);
}

/// What was done for one person, and what to do about it.
fn done(state: &State, buffer: &mut Buffer, area: Rect, step: &StepRecord) {
    let theme = state.theme;
    let width = usize::from(area.width);
    let mut line = 0;
    let mut pen = Pen::new(buffer, theme, area, line);
    pen.write(&step.person.name.shown(), theme.strong());
    let upn = step.person.upn.shown();
    if upn.width() + 2 < pen.room() {
        pen.skip(2).write(&upn, theme.quiet());
    }
    line += 1;
    Pen::new(buffer, theme, area, line)
        .write(step.outcome.words(), theme.outcome(step.outcome))
        .write(", ", theme.quiet())
        .write(task_words(step.change), theme.text())
        .write(" at ", theme.quiet())
        .write(&moment(state, step.at), theme.text());
    line += 1;
    let mut parts = vec![(clean(&step.detail).into_owned(), theme.text())];
    if !step.settled {
        let words = "it is not known what is left of it; the next start looks";
        parts.push((words.to_owned(), theme.warning()));
    }
    parts.extend(
        step.hint
            .as_ref()
            .map(|hint| (clean(hint).into_owned(), theme.warning())),
    );
    for (text, style) in parts {
        let room = usize::from(area.height.saturating_sub(line));
        for part in wrap_within(&text, width, room, theme.is_ascii) {
            Pen::new(buffer, theme, area, line).write(&part, style);
            line += 1;
        }
    }
}

/// Keys worth a hint.
pub fn hints(state: &State) -> Vec<(Intent, &'static str)> {
    let mut hints = Vec::new();
    if state.past.people.current().is_some() {
        hints.extend([
            (Intent::Undo, "undo this person"),
            (Intent::Follow, "in the table"),
        ]);
    }
    hints.extend([
        (Intent::NextTab, "outcome"),
        (Intent::Filter, "filter"),
        (Intent::Back, "all runs"),
        (Intent::Help, "help"),
    ]);
    hints
}
