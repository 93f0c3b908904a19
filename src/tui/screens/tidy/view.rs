//! The cleaning: what goes by kind, the bytes to be won, who, what is left and why, limits. The undo: who sees which
//! picture again, with faces.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::{Proposal, TidyScreen, faces, with_faces};
use crate::domain::run::Outcome;
use crate::domain::text::clean;
use crate::domain::tidying::{Left, Purpose, TidyStep};
use crate::graphics::Placements;
use crate::report::text::{number, people as people_words};
use crate::report::tidying::{by_kind, left_words, size, undone};
use crate::tui::intent::Intent;
use crate::tui::layout::{self, PairAreas, PlanAreas};
use crate::tui::message::{Tidying, Undo};
use crate::tui::pen::{Pen, wrap, wrap_within};
use crate::tui::screens::people::view::picture;
use crate::tui::screens::plan::view::between;
use crate::tui::state::State;
use crate::tui::view::{centred, framed};

/// Draws the screen.
pub fn draw(state: &State, buffer: &mut Buffer, placements: &mut Placements, area: Rect) {
    match &state.tidy {
        TidyScreen::Nothing => {}
        TidyScreen::Making {
            tidying: Tidying::Undo(undo),
            ..
        } => {
            let inner = framed(state, buffer, area, "Undo");
            let what = match undo {
                Undo::Run(run) => format!("what run {} has changed", clean(run.as_str())),
                Undo::OfRun(run, _) => {
                    format!("what run {} has changed for this person", clean(run.as_str()))
                }
                Undo::Rest(run) => format!("what run {} has not reached", clean(run.as_str())),
                Undo::Last(people) => {
                    format!("the last change to {}", people_words(people.len() as u64))
                }
            };
            let text = format!("Looking whether {what} can be taken back. Nothing is written.");
            centred(state, buffer, inner, &text);
        }
        TidyScreen::Making { news, .. } => {
            let inner = framed(state, buffer, area, "Clean");
            let progress = match news {
                Some(news) => format!(": {} {}", news.what, news.figures()),
                None => String::new(),
            };
            let text = format!("Looking for what lies around in ServiceNow{progress}. Nothing is written.");
            centred(state, buffer, inner, &text);
        }
        TidyScreen::Refused(tidying, trouble) => {
            let name = match tidying {
                Tidying::Clean => "Clean",
                Tidying::Undo(_) => "Undo",
            };
            let title = format!("{name}: not possible, and nothing was changed");
            let inner = framed(state, buffer, area, &title);
            centred(state, buffer, inner, &trouble.sentences());
        }
        TidyScreen::Ready(proposal) => {
            framed(state, buffer, area, &title(state, proposal));
            let areas = areas(state, proposal);
            counts(state, buffer, areas.counts, proposal);
            for (area, step) in areas.pairs.iter().zip(with_faces(state, proposal)) {
                undo_pair(state, buffer, placements, area, step);
            }
            list(state, buffer, areas.who, proposal, areas.pairs.len());
            for (line, (text, style)) in question_lines(state, proposal).into_iter().enumerate() {
                Pen::new(buffer, state.theme, areas.question, line as u16).write(&text, style);
            }
        }
    }
}

fn title(state: &State, proposal: &Proposal) -> String {
    let plan = &proposal.plan;
    let instance = &state.setting.instance;
    let steps = plan.steps.len() as u64;
    match (&plan.purpose, steps) {
        (Purpose::Clean, 0) => "Clean: nothing to clear away".to_owned(),
        (Purpose::Clean, _) => format!("Clean: {} to be won in {instance}", size(plan.bytes())),
        (_, 0) => "Undo: nothing can be taken back".to_owned(),
        (purpose, _) => format!(
            "Undo: take {} back for {} in {instance}",
            clean(&undone(purpose)),
            people_words(steps)
        ),
    }
}

/// Where everything stands in a plan that waits for an answer.
pub fn areas(state: &State, proposal: &Proposal) -> PlanAreas {
    let (_, body, _) = layout::frame(state.size);
    let inner = layout::inside(body);
    let question = question_lines(state, proposal).len() as u16;
    let has_faces =
        proposal.is_undo() && state.canvas.protocol().is_some() && !proposal.plan.steps.is_empty();
    layout::plan(inner, question, has_faces)
}

/// The face of now, and the one that comes back.
fn undo_pair(
    state: &State,
    buffer: &mut Buffer,
    placements: &mut Placements,
    area: &PairAreas,
    step: &TidyStep,
) {
    let theme = state.theme;
    Pen::new(buffer, theme, area.name, 0)
        .write(theme.sign("↶", "<"), theme.warning())
        .skip(1)
        .write(&step.person.name.shown(), theme.text());
    between(state, buffer, area);
    let [now, again] = faces(step).map(|question| question.keys().remove(0));
    for (key, place) in [(now, area.old), (again, area.new)] {
        match state.faces.get(&key) {
            Some(side) => picture(state, buffer, placements, place, place, side),
            None => centred(state, buffer, place, "loading"),
        }
    }
}

/// How much of what, and why the rest is left.
fn counts(state: &State, buffer: &mut Buffer, area: Rect, proposal: &Proposal) {
    let theme = state.theme;
    let plan = &proposal.plan;
    let kinds = by_kind(plan);
    let left = plan.left.len() as u64;
    let emptied = plan.steps.iter().filter(|step| step.shows.is_none()).count() as u64;
    let again = plan.steps.len() as u64 - emptied;
    let shown = if proposal.is_undo() {
        vec![
            (again, ["sees", "see"], "the picture of before", theme.strong()),
            (emptied, ["LOSES", "LOSE"], "the picture, as before", theme.bad()),
        ]
    } else {
        Vec::new()
    };
    let most = kinds
        .iter()
        .map(|(_, count, _)| *count)
        .chain([left, again, emptied])
        .max();
    let digits = number(most.unwrap_or_default()).len().max(3);
    let figure = |count: u64| format!("{:>digits$} ", number(count));
    let mut line = 0;
    for (count, [one, many], what, style) in shown.into_iter().filter(|(count, ..)| *count > 0) {
        let verb = if count == 1 { one } else { many };
        Pen::new(buffer, theme, area, line)
            .write(&figure(count), style)
            .write(&format!("{verb} {what}"), theme.text());
        line += 1;
    }
    for (kind, count, bytes) in kinds {
        let mut pen = Pen::new(buffer, theme, area, line);
        pen.write(&figure(count), theme.strong())
            .write(kind.words(), theme.text());
        // Half a number says nothing; the sum is in the title.
        let won = format!(", {}", size(bytes));
        if bytes > 0 && pen.room() >= won.len() {
            pen.write(&won, theme.quiet());
        }
        line += 1;
    }
    if line == 0 {
        let text = format!("{} looked at", people_words(plan.people));
        Pen::new(buffer, theme, area, line).write(&text, theme.text());
        line += 1;
    }
    if left == 0 {
        return;
    }
    line += 1;
    let are_left = if left == 1 {
        "is left alone:"
    } else {
        "are left alone:"
    };
    Pen::new(buffer, theme, area, line)
        .write(&figure(left), theme.strong())
        .write(are_left, theme.text());
    line += 1;
    let room = usize::from(area.width).saturating_sub(digits + 1);
    for (position, (reason, count)) in proposal.left.iter().enumerate() {
        let text = wrap_within(reason, room, 3, theme.is_ascii);
        let is_last = position + 1 == proposal.left.len();
        if line + text.len() as u16 + u16::from(!is_last) > area.height {
            let others: u64 = proposal.left[position..].iter().map(|(_, count)| count).sum();
            Pen::new(buffer, theme, area, line)
                .write(&figure(others), theme.quiet())
                .write("for other reasons", theme.quiet());
            return;
        }
        for (part, words) in text.iter().enumerate() {
            let figure = if part == 0 {
                figure(*count)
            } else {
                " ".repeat(digits + 1)
            };
            Pen::new(buffer, theme, area, line)
                .write(&figure, theme.quiet())
                .write(words, theme.quiet());
            line += 1;
        }
    }
}

/// Where something goes, and then who is left alone.
fn list(state: &State, buffer: &mut Buffer, area: Rect, proposal: &Proposal, with_faces: usize) {
    let theme = state.theme;
    let steps = proposal.plan.steps.len();
    // Whoever is shown with faces is not listed again.
    let from = proposal.offset + with_faces.min(steps.saturating_sub(proposal.offset));
    let below = proposal.lines().saturating_sub(from);
    if area.width < 10 || area.height == 0 || below == 0 {
        return;
    }
    let room = usize::from(area.height);
    // One line less where there are more than that.
    let shown = if below > room { room - 1 } else { below };
    for line in 0..shown {
        let position = from + line;
        let pen = Pen::new(buffer, theme, area, line as u16);
        match proposal.plan.steps.get(position) {
            Some(step) if proposal.is_undo() => undo_line(state, pen, area, step),
            Some(step) => step_line(state, pen, area, step),
            None => left_line(state, pen, area, &proposal.plan.left[position - steps]),
        }
    }
    if below > shown {
        let more = format!("and {} more", number((below - shown) as u64));
        Pen::new(buffer, theme, area, area.height - 1)
            .skip(2)
            .write(&more, theme.quiet());
    }
}

fn step_line(state: &State, mut pen: Pen<'_>, area: Rect, step: &TidyStep) {
    let theme = state.theme;
    pen.write(theme.sign("−", "-"), theme.warning())
        .skip(1)
        .cell(&step.person.name.shown(), name_width(area), theme.text())
        .skip(1);
    let bytes = step.bytes();
    let bytes = if bytes > 0 { size(bytes) } else { String::new() };
    pen.write(&format!("{bytes:>8}"), theme.text())
        .skip(2)
        .write(&clean(&step.reason), theme.quiet());
}

fn undo_line(state: &State, mut pen: Pen<'_>, area: Rect, step: &TidyStep) {
    let theme = state.theme;
    let (sign, style) = match step.shows {
        Some(_) => (theme.sign("↶", "<"), theme.warning()),
        None => (theme.sign("−", "-"), theme.bad()),
    };
    pen.write(sign, style)
        .skip(1)
        .cell(&step.person.name.shown(), name_width(area), theme.text())
        .skip(1)
        .write(&clean(&step.reason), theme.quiet());
}

fn left_line(state: &State, mut pen: Pen<'_>, area: Rect, left: &Left) {
    let theme = state.theme;
    pen.write(theme.sign("·", "."), theme.quiet())
        .skip(1)
        .cell(&left.person.name.shown(), name_width(area), theme.quiet())
        .skip(1)
        .write(left_sign(left), theme.quiet())
        .write(": ", theme.quiet())
        .write(&clean(&left_words(left)), theme.quiet());
}

/// What becomes of somebody who is left alone.
fn left_sign(left: &Left) -> &'static str {
    match left.outcome {
        Outcome::ChangedMeanwhile | Outcome::Failed => left.outcome.words(),
        _ => "left",
    }
}

fn name_width(area: Rect) -> usize {
    usize::from(area.width) * 2 / 5
}

/// The question, and what may be in its way.
fn question_lines(state: &State, proposal: &Proposal) -> Vec<(String, Style)> {
    let theme = state.theme;
    let width = usize::from(state.size.width).saturating_sub(4);
    let key = |intent: Intent| state.keymap.key(intent, theme.is_ascii);
    let (accept, back) = (key(Intent::Accept), key(Intent::Back));
    let mut notes: Vec<(String, Style)> = proposal
        .plan
        .problems
        .iter()
        .map(|problem| (clean(problem).into_owned(), theme.warning()))
        .collect();
    if let Some(again) = &proposal.again {
        notes.push((again.sentence(), theme.warning()));
    }
    let (what, done) = if proposal.is_undo() {
        ("an undo", "What goes is kept on this computer.")
    } else {
        (
            "a cleaning",
            "Everybody goes on seeing what they see; copies are kept on this computer.",
        )
    };
    notes.push(match (&proposal.obstacle, proposal.wanted) {
        (_, _) if proposal.plan.steps.is_empty() => {
            (format!("Nothing has to be done. {back} goes back."), theme.good())
        }
        (Some(_), _) if state.setting.is_readonly => (
            format!("Read-only: this is what {what} would do. {back} goes back."),
            theme.warning(),
        ),
        (Some(obstacle), _) => (
            format!("This cannot be done: {obstacle}. {back} goes back."),
            theme.bad(),
        ),
        (None, Some(wanted)) => {
            let style = if proposal.may_be_accepted() {
                theme.good()
            } else {
                theme.warning()
            };
            let typed = format!(
                "This is a large change. Type {wanted} and press {accept} to do it: {}{}",
                proposal.typed,
                theme.sign("▏", "_")
            );
            (typed, style)
        }
        (None, None) => (
            format!("{accept} does it, {back} goes back. {done}"),
            theme.strong(),
        ),
    });
    notes
        .into_iter()
        .flat_map(|(text, style)| wrap(&text, width).into_iter().map(move |line| (line, style)))
        .collect()
}

/// Keys worth a hint.
pub fn hints(state: &State) -> Vec<(Intent, &'static str)> {
    match &state.tidy {
        TidyScreen::Ready(proposal) if proposal.obstacle.is_none() && !proposal.plan.steps.is_empty() => {
            vec![
                (Intent::Accept, "do it"),
                (Intent::Back, "back, change nothing"),
                (Intent::Down, "further down"),
                (Intent::Help, "help"),
            ]
        }
        TidyScreen::Making { .. } => vec![(Intent::Back, "stop, and go back")],
        _ => vec![(Intent::Back, "back")],
    }
}
