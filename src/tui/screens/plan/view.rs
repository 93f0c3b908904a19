//! The plan: counts, faces old → new, who is left out and why, limits.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::{PlanScreen, Proposal};
use crate::domain::plan::{Change, Step};
use crate::domain::text::clean;
use crate::graphics::Placements;
use crate::report::text::{number, people as people_words};
use crate::tui::intent::Intent;
use crate::tui::layout::{self, PairAreas, PlanAreas};
use crate::tui::looked::Side;
use crate::tui::message::{CutShort, Who};
use crate::tui::pen::{Pen, wrap, wrap_within};
use crate::tui::pictures::Looked;
use crate::tui::screens::people::view::picture;
use crate::tui::state::State;
use crate::tui::view::{centred, framed};

/// Draws the screen.
pub fn draw(state: &State, buffer: &mut Buffer, placements: &mut Placements, area: Rect) {
    match &state.plan {
        PlanScreen::Nothing => {}
        PlanScreen::Making { who, news, .. } => {
            let inner = framed(state, buffer, area, "Plan");
            let whom = match who {
                Who::Everybody => "everybody".to_owned(),
                Who::Rest(run) => format!("whomever run {} has not reached", clean(run.id.as_str())),
                Who::People(people) => people_words(people.len() as u64),
            };
            let progress = match news {
                Some(news) => format!("; {} {}", news.what, news.figures()),
                None => String::new(),
            };
            let text = format!("Looking at {whom} on both sides{progress}. Nothing is written.");
            centred(state, buffer, inner, &text);
        }
        PlanScreen::Refused(trouble) => {
            let inner = framed(state, buffer, area, "Plan: not possible, and nothing was changed");
            centred(state, buffer, inner, &trouble.sentences());
        }
        PlanScreen::Ready(proposal) => {
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
            framed(state, buffer, area, &title);
            let areas = areas(state, proposal);
            counts(state, buffer, areas.counts, proposal);
            pairs(state, buffer, placements, &areas.pairs, proposal);
            who(state, buffer, areas.who, proposal, areas.pairs.len());
            for (line, (text, style)) in question_lines(state, proposal).into_iter().enumerate() {
                Pen::new(buffer, state.theme, areas.question, line as u16).write(&text, style);
            }
        }
    }
}

/// Where everything stands in a plan that waits for an answer.
pub fn areas(state: &State, proposal: &Proposal) -> PlanAreas {
    let (_, body, _) = layout::frame(state.size);
    let inner = layout::inside(body);
    let question = question_lines(state, proposal).len() as u16;
    let has_pictures = state.canvas.protocol().is_some() && !proposal.plan.steps.is_empty();
    let mut areas = layout::plan(inner, question, has_pictures);
    if proposal.plan.steps.is_empty() {
        // Nobody stands beside it.
        areas.counts.width = areas.question.width;
        areas.who = Rect::default();
    }
    areas
}

/// How many, by what is done; who is left out, and why.
fn counts(state: &State, buffer: &mut Buffer, area: Rect, proposal: &Proposal) {
    let theme = state.theme;
    let held_back = proposal.held_back.len() as u64;
    let left_out = proposal.plan.skips.len() as u64 - held_back;
    let changes = proposal.changes();
    let most = changes
        .iter()
        .map(|(_, count)| *count)
        .chain([left_out, held_back])
        .max();
    let digits = number(most.unwrap_or_default()).len().max(3);
    let room = usize::from(area.width).saturating_sub(digits + 1);
    let figure = |count: u64| format!("{:>digits$} ", number(count));
    let mut line = 0;
    for (change, count) in changes {
        let style = if change == Change::Remove {
            theme.bad()
        } else {
            theme.strong()
        };
        Pen::new(buffer, theme, area, line)
            .write(&figure(count), style)
            .write(change_words(change, count), theme.text());
        line += 1;
    }
    if held_back > 0 {
        let words = if held_back == 1 {
            "is held back"
        } else {
            "are held back"
        };
        Pen::new(buffer, theme, area, line)
            .write(&figure(held_back), theme.warning())
            .write(words, theme.text());
        line += 1;
    }
    if left_out == 0 {
        return;
    }
    line += u16::from(line > 0);
    let are_left = if left_out == 1 {
        "is left alone:"
    } else {
        "are left alone:"
    };
    Pen::new(buffer, theme, area, line)
        .write(&figure(left_out), theme.strong())
        .write(are_left, theme.text());
    line += 1;
    for (position, (reason, count)) in proposal.skips.iter().enumerate() {
        let text = wrap_within(reason, room, 2, theme.is_ascii);
        let is_last = position + 1 == proposal.skips.len();
        if line + text.len() as u16 + u16::from(!is_last) > area.height {
            let others: u64 = proposal.skips[position..].iter().map(|(_, count)| count).sum();
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

/// The question, and what may be in its way; a blank line before it.
fn question_lines(state: &State, proposal: &Proposal) -> Vec<(String, Style)> {
    let theme = state.theme;
    let width = usize::from(state.size.width).saturating_sub(4);
    let key = |intent: Intent| state.keymap.key(intent, theme.is_ascii);
    let (accept, back) = (key(Intent::Accept), key(Intent::Back));
    let mut notes = Vec::new();
    if let Some(again) = &proposal.again {
        notes.push((again.sentence(), theme.warning()));
    }
    if let Who::Rest(CutShort {
        brake: Some(brake), ..
    }) = &proposal.who
    {
        let text = format!(
            "A brake stopped this run: {}. Look at why before it goes on.",
            clean(brake)
        );
        notes.push((text, theme.warning()));
    }
    if !proposal.plan.complete {
        let text = "A listing was incomplete: nobody is removed.";
        notes.push((text.to_owned(), theme.warning()));
    }
    let confirm = key(Intent::PushSuspicious);
    if !proposal.held_back.is_empty() {
        let who = first_names(&proposal.held_back);
        let text = if matches!(proposal.who, Who::Rest(_)) {
            format!("! Probably not their own photo: {who}. They wait.")
        } else {
            format!("! Probably not their own photo: {who}. {confirm} puts them in.")
        };
        notes.push((text, theme.warning()));
    } else if proposal.is_confirmed {
        let text =
            format!("! Suspicious photos are in this plan, as you confirmed. {confirm} leaves them out.");
        notes.push((text, theme.warning()));
    }
    if let (Some(most), None) = (state.setting.limits.max_changes, &proposal.obstacle) {
        notes.push((
            format!("At most {} changes are allowed in one run.", number(most)),
            theme.quiet(),
        ));
    }
    notes.push(match (&proposal.obstacle, proposal.wanted) {
        (Some(_), _) if state.setting.is_readonly => (
            format!("Read-only: this is what a push would do. {back} goes back."),
            theme.warning(),
        ),
        (Some(obstacle), _) => (
            format!("This cannot be done: {obstacle}. {back} goes back."),
            theme.bad(),
        ),
        (None, _) if proposal.plan.steps.is_empty() => {
            (format!("Nothing has to be done. {back} goes back."), theme.good())
        }
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
            format!("{accept} does it, {back} goes back. Replaced pictures are kept on this computer."),
            theme.strong(),
        ),
    });
    notes
        .into_iter()
        .flat_map(|(text, style)| wrap(&text, width).into_iter().map(move |line| (line, style)))
        .collect()
}

/// The first of these names, and how many more there are.
fn first_names(names: &[String]) -> String {
    const NAMED: usize = 3;
    match names.split_at_checked(NAMED) {
        Some((first, rest)) if !rest.is_empty() => {
            format!("{} and {} more", first.join(", "), number(rest.len() as u64))
        }
        _ => names.join(", "),
    }
}

fn change_words(change: Change, count: u64) -> &'static str {
    match (change, count) {
        (Change::Add, 1) => "gets a first picture",
        (Change::Add, _) => "get a first picture",
        (Change::Replace, 1) => "gets another picture",
        (Change::Replace, _) => "get another picture",
        (Change::Repair, 1) => "is mended",
        (Change::Repair, _) => "are mended",
        (Change::Remove, 1) => "LOSES their picture",
        (Change::Remove, _) => "LOSE their picture",
    }
}

/// The first ones with what is shown now and what will be.
fn pairs(
    state: &State,
    buffer: &mut Buffer,
    placements: &mut Placements,
    areas: &[PairAreas],
    proposal: &Proposal,
) {
    let theme = state.theme;
    let steps = proposal.in_order().skip(proposal.offset);
    for (pair, step) in areas.iter().zip(steps) {
        let (sign, style) = change_sign(state, step.change);
        Pen::new(buffer, theme, pair.name, 0)
            .write(sign, style)
            .skip(1)
            .write(&step.person.name.shown(), theme.text());
        between(state, buffer, pair);
        let look = match state.pictures.look(&step.person.source) {
            Some(Looked::Ready(look)) => look,
            Some(Looked::Failed(_)) => {
                centred(state, buffer, pair.old, "not readable");
                continue;
            }
            Some(Looked::Loading) | None => {
                centred(state, buffer, pair.old, "loading");
                centred(state, buffer, pair.new, "loading");
                continue;
            }
        };
        let mut face = |area: Rect, side: &Side| picture(state, buffer, placements, area, area, side);
        face(pair.old, &look.target);
        match step.change {
            Change::Remove => centred(state, buffer, pair.new, "no picture"),
            Change::Add | Change::Replace | Change::Repair => face(pair.new, &look.source),
        }
    }
}

/// The arrow from a face to the next one.
pub fn between(state: &State, buffer: &mut Buffer, pair: &PairAreas) {
    let theme = state.theme;
    let place = Rect {
        x: pair.old.right(),
        y: pair.old.y + pair.old.height.saturating_sub(1) / 2,
        width: 3,
        height: 1,
    };
    Pen::new(buffer, theme, place, 0)
        .skip(1)
        .write(theme.sign("→", ">"), theme.quiet());
}

fn who(state: &State, buffer: &mut Buffer, area: Rect, proposal: &Proposal, with_faces: usize) {
    let theme = state.theme;
    let from = proposal.offset + with_faces;
    let steps = proposal.plan.steps.len().saturating_sub(from);
    if area.width < 10 || steps == 0 {
        return;
    }
    let lines = usize::from(area.height);
    // One line less where there are more than that.
    let shown = if steps > lines {
        lines.saturating_sub(1)
    } else {
        lines
    };
    for (line, step) in proposal.in_order().skip(from).take(shown).enumerate() {
        step_line(state, buffer, area, line as u16, step);
    }
    let below = steps.saturating_sub(shown);
    if below > 0 {
        let words = if proposal.plan.count(Change::Remove) > 0 {
            format!("and {} more", number(below as u64))
        } else {
            format!("and {} more, in this order", number(below as u64))
        };
        Pen::new(buffer, theme, area, area.height - 1)
            .skip(2)
            .write(&words, theme.quiet());
    }
}

fn change_sign(state: &State, change: Change) -> (&'static str, Style) {
    let theme = state.theme;
    match change {
        Change::Add => ("+", theme.good()),
        Change::Replace => (theme.sign("≠", "#"), theme.warning()),
        Change::Repair => (theme.sign("✗", "x"), theme.warning()),
        Change::Remove => (theme.sign("−", "-"), theme.bad()),
    }
}

fn step_line(state: &State, buffer: &mut Buffer, area: Rect, line: u16, step: &Step) {
    let theme = state.theme;
    let (sign, style) = change_sign(state, step.change);
    let name = usize::from(area.width) * 2 / 5;
    Pen::new(buffer, theme, area, line)
        .write(sign, style)
        .skip(1)
        .cell(&step.person.name.shown(), name, theme.text())
        .skip(1)
        .write(&clean(&step.reason), theme.quiet());
}

/// Keys worth a hint.
pub fn hints(state: &State) -> Vec<(Intent, &'static str)> {
    let confirm = match &state.plan {
        PlanScreen::Ready(proposal) if proposal.is_confirmed => "without suspicious photos",
        _ => "with suspicious photos",
    };
    let has_confirmation = matches!(
        &state.plan,
        PlanScreen::Ready(proposal) if !matches!(proposal.who, Who::Rest(_))
            && (proposal.is_confirmed || !proposal.held_back.is_empty())
    );
    let mut hints = match &state.plan {
        PlanScreen::Ready(proposal) if proposal.obstacle.is_none() && !proposal.plan.steps.is_empty() => {
            vec![
                (Intent::Accept, "do it"),
                (Intent::Back, "back, change nothing"),
                (Intent::PushSuspicious, confirm),
                (Intent::Down, "further down"),
                (Intent::Help, "help"),
            ]
        }
        PlanScreen::Making { .. } => vec![(Intent::Back, "stop, and go back")],
        _ => vec![(Intent::Back, "back")],
    };
    hints.retain(|(intent, _)| *intent != Intent::PushSuspicious || has_confirmation);
    hints
}
