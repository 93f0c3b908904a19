//! The plan: counts, faces old → new, who is left out and why, limits.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::{PlanScreen, Proposal};
use crate::domain::plan::{Change, Step};
use crate::domain::text::clean;
use crate::report::text::{number, people as people_words};
use crate::tui::intent::Intent;
use crate::tui::message::Who;
use crate::tui::pen::{Pen, wrap};
use crate::tui::state::State;
use crate::tui::view::{centred, framed};

/// Draws the screen.
pub fn draw(state: &State, buffer: &mut Buffer, area: Rect) {
    match &state.plan {
        PlanScreen::Nothing => {}
        PlanScreen::Making { who, news, .. } => {
            let inner = framed(state, buffer, area, "Plan");
            let whom = match who {
                Who::Everybody => "everybody".to_owned(),
                Who::People(people) => people_words(people.len() as u64),
            };
            let progress = match news {
                Some(news) => match news.total {
                    Some(total) => format!("; {} {} of {}", news.what, number(news.done), number(total)),
                    None => format!("; {} {}", news.what, number(news.done)),
                },
                None => String::new(),
            };
            let text = format!("Looking at {whom} on both sides{progress}. Nothing is written. Esc stops.");
            centred(state, buffer, inner, &text);
        }
        PlanScreen::Refused(trouble) => {
            let inner = framed(state, buffer, area, "Plan");
            let text = match &trouble.hint {
                Some(hint) => format!("{}. {hint}", trouble.what),
                None => trouble.what.clone(),
            };
            centred(state, buffer, inner, &text);
        }
        PlanScreen::Ready(proposal) => ready(state, buffer, area, proposal),
    }
}

fn ready(state: &State, buffer: &mut Buffer, area: Rect, proposal: &Proposal) {
    let theme = state.theme;
    let steps = proposal.plan.steps.len() as u64;
    let title = if steps == 0 {
        "Plan: nothing to change".to_owned()
    } else {
        format!(
            "Plan: change {} in {}",
            people_words(steps),
            state.setting.instance
        )
    };
    let inner = framed(state, buffer, area, &title);
    let left = Rect {
        x: inner.x + 1,
        width: (inner.width * 2 / 5).max(28) - 1,
        ..inner
    };
    let right = Rect {
        x: left.right() + 2,
        width: inner.right().saturating_sub(left.right() + 2),
        ..inner
    };
    let mut line = 0;
    for (change, count) in proposal.changes() {
        let mut pen = Pen::new(buffer, theme, left, line);
        let style = if change == Change::Remove {
            theme.bad()
        } else {
            theme.strong()
        };
        pen.write(&format!("{:>7} ", number(count)), style)
            .write(change_words(change), theme.text());
        line += 1;
    }
    let left_out = proposal.plan.skips.len() as u64;
    if left_out > 0 {
        line += u16::from(line > 0);
        Pen::new(buffer, theme, left, line)
            .write(&format!("{:>7} ", number(left_out)), theme.strong())
            .write("left as they are", theme.text());
        line += 1;
        let question = question_lines(state, proposal, usize::from(left.width)).len() as u16 + 1;
        for (reason, count) in &proposal.skips {
            if line + question + 1 >= left.height {
                Pen::new(buffer, theme, left, line)
                    .skip(8)
                    .write("and other reasons", theme.quiet());
                break;
            }
            let width = usize::from(left.width).saturating_sub(8);
            let text = wrap(reason, width);
            let mut pen = Pen::new(buffer, theme, left, line);
            pen.write(&format!("{:>7} ", number(*count)), theme.quiet());
            pen.write(text.first().map_or("", String::as_str), theme.quiet());
            line += 1;
            if let Some(second) = text.get(1) {
                Pen::new(buffer, theme, left, line)
                    .skip(8)
                    .write(second, theme.quiet());
                line += 1;
            }
        }
    }
    let question = question_lines(state, proposal, usize::from(left.width));
    let top = left.height.saturating_sub(question.len() as u16);
    for (position, (text, style)) in question.into_iter().enumerate() {
        Pen::new(buffer, theme, left, top + position as u16).write(&text, style);
    }
    who(state, buffer, right, proposal);
}

/// The question, and what may be in its way.
fn question_lines(state: &State, proposal: &Proposal, width: usize) -> Vec<(String, ratatui::style::Style)> {
    let theme = state.theme;
    let mut lines = Vec::new();
    let limits = &state.setting.limits;
    if let Some(most) = limits.max_changes {
        lines.push((format!("limit: {} changes", number(most)), theme.quiet()));
    }
    if !proposal.plan.complete {
        let text = "A listing was incomplete: nobody is removed.";
        lines.extend(wrap(text, width).into_iter().map(|line| (line, theme.warning())));
    }
    let key = |intent: Intent| state.keymap.key(intent, theme.is_ascii);
    let (text, style) = match (&proposal.obstacle, proposal.wanted) {
        (Some(obstacle), _) => (obstacle.clone(), theme.bad()),
        (None, _) if proposal.plan.steps.is_empty() => (
            format!("Nothing has to be done. {} goes back.", key(Intent::Back)),
            theme.good(),
        ),
        (None, Some(wanted)) => {
            let typed = format!(
                "This is a large change. Type {wanted} and press {}: {}{}",
                key(Intent::Accept),
                proposal.typed,
                theme.sign("▏", "_")
            );
            (
                typed,
                if proposal.may_be_accepted() {
                    theme.good()
                } else {
                    theme.warning()
                },
            )
        }
        (None, None) => (
            format!(
                "{} does it, {} goes back. Old pictures are kept on this side.",
                key(Intent::Accept),
                key(Intent::Back)
            ),
            theme.strong(),
        ),
    };
    lines.extend(wrap(&text, width).into_iter().map(|line| (line, style)));
    lines
}

fn change_words(change: Change) -> &'static str {
    match change {
        Change::Add => "get their first picture",
        Change::Replace => "get another picture",
        Change::Repair => "are mended",
        Change::Remove => "LOSE their picture",
    }
}

fn who(state: &State, buffer: &mut Buffer, area: Rect, proposal: &Proposal) {
    let theme = state.theme;
    let steps = &proposal.plan.steps;
    if area.width < 10 || steps.is_empty() {
        return;
    }
    Pen::new(buffer, theme, area, 0).write("In this order", theme.quiet());
    let lines = usize::from(area.height.saturating_sub(2));
    for (line, step) in steps.iter().skip(proposal.offset).take(lines).enumerate() {
        step_line(state, buffer, area, line as u16 + 1, step);
    }
    let below = steps.len().saturating_sub(proposal.offset + lines);
    if below > 0 {
        Pen::new(buffer, theme, area, area.height - 1)
            .write(&format!("and {} more below", number(below as u64)), theme.quiet());
    }
}

fn step_line(state: &State, buffer: &mut Buffer, area: Rect, line: u16, step: &Step) {
    let theme = state.theme;
    let mut pen = Pen::new(buffer, theme, area, line);
    let (sign, style) = match step.change {
        Change::Add => ("+", theme.good()),
        Change::Replace => (theme.sign("≠", "#"), theme.warning()),
        Change::Repair => (theme.sign("✗", "x"), theme.warning()),
        Change::Remove => (theme.sign("−", "-"), theme.bad()),
    };
    let name = usize::from(area.width) * 2 / 5;
    pen.write(sign, style)
        .skip(1)
        .cell(&step.person.name.shown(), name, theme.text())
        .skip(1)
        .write(&clean(&step.reason), theme.quiet());
}

/// Keys worth a hint.
pub fn hints(state: &State) -> Vec<(Intent, &'static str)> {
    match &state.plan {
        PlanScreen::Ready(proposal) if proposal.obstacle.is_none() && !proposal.plan.steps.is_empty() => {
            vec![
                (Intent::Accept, "do it"),
                (Intent::Back, "back, change nothing"),
                (Intent::Down, "further down"),
            ]
        }
        _ => vec![(Intent::Back, "back")],
    }
}
