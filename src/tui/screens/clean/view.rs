//! The cleaning: what goes by kind, the bytes to be won, who, what is left and why, limits.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::{CleanScreen, Proposal};
use crate::domain::text::clean;
use crate::domain::tidying::{Left, TidyStep};
use crate::report::text::{number, people as people_words};
use crate::report::tidying::{by_kind, left_words, size};
use crate::tui::intent::Intent;
use crate::tui::layout;
use crate::tui::pen::{Pen, wrap, wrap_within};
use crate::tui::state::State;
use crate::tui::view::{centred, framed};

/// Draws the screen.
pub fn draw(state: &State, buffer: &mut Buffer, area: Rect) {
    match &state.clean {
        CleanScreen::Nothing => {}
        CleanScreen::Making { news, .. } => {
            let inner = framed(state, buffer, area, "Clean");
            let progress = match news {
                Some(news) => format!(": {} {}", news.what, news.figures()),
                None => String::new(),
            };
            let text = format!("Looking for what lies around in ServiceNow{progress}. Nothing is written.");
            centred(state, buffer, inner, &text);
        }
        CleanScreen::Refused(trouble) => {
            let inner = framed(
                state,
                buffer,
                area,
                "Clean: not possible, and nothing was changed",
            );
            centred(state, buffer, inner, &trouble.sentences());
        }
        CleanScreen::Ready(proposal) => {
            let title = if proposal.plan.steps.is_empty() {
                "Clean: nothing to clear away".to_owned()
            } else {
                format!(
                    "Clean: {} to be won in {}",
                    size(proposal.plan.bytes()),
                    state.setting.instance
                )
            };
            let inner = framed(state, buffer, area, &title);
            let question = question_lines(state, proposal);
            let areas = layout::plan(inner, question.len() as u16, false);
            counts(state, buffer, areas.counts, proposal);
            list(state, buffer, areas.who, proposal);
            for (line, (text, style)) in question.into_iter().enumerate() {
                Pen::new(buffer, state.theme, areas.question, line as u16).write(&text, style);
            }
        }
    }
}

/// How much of what, and why the rest is left.
fn counts(state: &State, buffer: &mut Buffer, area: Rect, proposal: &Proposal) {
    let theme = state.theme;
    let plan = &proposal.plan;
    let kinds = by_kind(plan);
    let left = plan.left.len() as u64;
    let most = kinds.iter().map(|(_, count, _)| *count).chain([left]).max();
    let digits = number(most.unwrap_or_default()).len().max(3);
    let figure = |count: u64| format!("{:>digits$} ", number(count));
    let mut line = 0;
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
fn list(state: &State, buffer: &mut Buffer, area: Rect, proposal: &Proposal) {
    let theme = state.theme;
    let below = proposal.lines().saturating_sub(proposal.offset);
    if area.width < 10 || area.height == 0 || below == 0 {
        return;
    }
    let room = usize::from(area.height);
    // One line less where there are more than that.
    let shown = if below > room { room - 1 } else { below };
    let steps = proposal.plan.steps.len();
    for line in 0..shown {
        let position = proposal.offset + line;
        let pen = Pen::new(buffer, theme, area, line as u16);
        match proposal.plan.steps.get(position) {
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

fn left_line(state: &State, mut pen: Pen<'_>, area: Rect, left: &Left) {
    let theme = state.theme;
    pen.write(theme.sign("·", "."), theme.quiet())
        .skip(1)
        .cell(&left.person.name.shown(), name_width(area), theme.quiet())
        .skip(1)
        .write("left: ", theme.quiet())
        .write(&clean(&left_words(left)), theme.quiet());
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
    notes.push(match (&proposal.obstacle, proposal.wanted) {
        (_, _) if proposal.plan.steps.is_empty() => {
            (format!("Nothing has to be done. {back} goes back."), theme.good())
        }
        (Some(_), _) if state.setting.is_readonly => (
            format!("Read-only: this is what a cleaning would do. {back} goes back."),
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
            format!("{accept} does it, {back} goes back. Everybody goes on seeing what they see; copies are kept on this computer."),
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
    match &state.clean {
        CleanScreen::Ready(proposal) if proposal.obstacle.is_none() && !proposal.plan.steps.is_empty() => {
            vec![
                (Intent::Accept, "do it"),
                (Intent::Back, "back, change nothing"),
                (Intent::Down, "further down"),
                (Intent::Help, "help"),
            ]
        }
        CleanScreen::Making { .. } => vec![(Intent::Back, "stop, and go back")],
        _ => vec![(Intent::Back, "back")],
    }
}
