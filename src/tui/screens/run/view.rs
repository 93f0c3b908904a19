//! The run: how far, how fast, how long still, what the services say, and everybody as they come.

use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::{Phase, RunScreen};
use crate::connector::{LaneState, PauseReason};
use crate::domain::run::{Outcome, StopReason};
use crate::domain::text::clean;
use crate::report::text::number;
use crate::tui::intent::Intent;
use crate::tui::message::StepDone;
use crate::tui::pen::{Pen, wrap};
use crate::tui::state::State;
use crate::tui::view::framed;

/// Draws the screen.
pub fn draw(state: &State, buffer: &mut Buffer, area: Rect) {
    let theme = state.theme;
    let run = &state.run;
    let inner = framed(state, buffer, area, title(run));
    let inner = Rect {
        x: inner.x + 1,
        width: inner.width.saturating_sub(2),
        ..inner
    };
    let mut line = 0;
    if let Phase::Refused(trouble) = &run.phase {
        let what = match run.settling {
            Some(settling) if settling.done > 0 => "The run has not begun",
            _ => "Nothing was changed",
        };
        let text = format!("{what}: {}", trouble.sentences());
        for part in wrap(&text, usize::from(inner.width)) {
            Pen::new(buffer, theme, inner, line).write(&part, theme.bad());
            line += 1;
        }
        outcomes(state, buffer, inner, line + 1);
        return;
    }
    bar(state, buffer, inner, line);
    line += 1;
    Pen::new(buffer, theme, inner, line).write(&pace(state), theme.quiet());
    line += 1;
    counts(state, buffer, inner, line);
    line += 1;
    // How the services do is of interest as long as something is asked of them.
    if run.is_under_way() {
        for lane in state.lanes.iter().filter(|lane| lane.requests > 0) {
            lane_line(state, Pen::new(buffer, theme, inner, line), lane);
            line += 1;
        }
    }
    if let Phase::Over(end) = &run.phase {
        if let Some(stopped) = &end.stopped {
            for part in wrap(&stop_words(stopped), usize::from(inner.width)) {
                Pen::new(buffer, theme, inner, line).write(&part, theme.bad());
                line += 1;
            }
        }
        for problem in &end.problems {
            Pen::new(buffer, theme, inner, line).write(&clean(problem), theme.warning());
            line += 1;
        }
    }
    line += 1;
    outcomes(state, buffer, inner, line);
}

/// How a service does: what keeps us waiting comes first.
fn lane_line(state: &State, mut pen: Pen<'_>, lane: &LaneState) {
    let theme = state.theme;
    pen.cell(lane.name, 12, theme.strong());
    if let Some((left, reason)) = lane.paused {
        let why = match reason {
            PauseReason::Throttled => "it asked for a pause",
            PauseReason::CircuitOpen => "too many failures in a row",
            PauseReason::DiskFull => "it is full; nothing is sent until there is room",
        };
        let waits = format!("waits {}, {why}; ", roughly(left));
        pen.write(&waits, theme.warning());
    }
    let mut facts = vec![format!("{} of {} in flight", lane.in_flight, lane.limit)];
    let figures = [
        (lane.waiting as u64, "waiting"),
        (lane.throttled, "throttled"),
        (lane.retries, "repeated"),
        (lane.requests, "requests"),
    ];
    facts.extend(
        figures
            .into_iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, words)| format!("{} {words}", number(count))),
    );
    pen.write(&facts.join(", "), theme.quiet());
}

/// A span as far as anybody wants to know it.
fn roughly(span: Duration) -> String {
    let seconds = span.as_secs_f64().ceil() as u64;
    match seconds {
        0..=1 => "1 s".into(),
        2..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds.div_ceil(60)),
        _ => format!("{} h {:02} min", seconds / 3_600, seconds % 3_600 / 60),
    }
}

/// What is left, as honestly as it can be said: a forecast has no decimals.
fn forecast(left: Duration) -> String {
    let seconds = left.as_secs();
    match seconds {
        0..10 => "a few seconds left".into(),
        10..120 => format!("about {} s left", seconds.div_ceil(10) * 10),
        _ => format!("about {} left", roughly(left)),
    }
}

fn title(run: &RunScreen) -> &'static str {
    match &run.phase {
        Phase::Nothing => "Run",
        Phase::Settling => "Settling what an interrupted run has left",
        Phase::Starting if run.settling.is_some() => {
            "Run: not begun yet; what an interrupted run has left is settled first"
        }
        Phase::Starting => "Run: starting; what an earlier run may have left is looked at first",
        Phase::Running => "Run: under way",
        Phase::Paused => "Run: paused; the writes in hand are finished",
        Phase::Stopping if run.is_settling_alone() => "Settling: stopping after the people under way",
        Phase::Stopping => "Run: stopping after the writes in hand",
        Phase::Over(end) if end.stopped.is_some() => "Run: ended early",
        Phase::Over(end) if end.summary.failed > 0 => "Run: over, and some people failed",
        Phase::Over(_) => "Run: over",
        Phase::Refused(_) => "Run: could not begin",
    }
}

fn bar(state: &State, buffer: &mut Buffer, area: Rect, line: u16) {
    let theme = state.theme;
    let run = &state.run;
    let (done, steps) = run.figures();
    let figures = format!(" {} of {}", number(done), number(steps));
    let width = usize::from(area.width).saturating_sub(figures.len()).min(60);
    let filled = if steps == 0 {
        width
    } else {
        width * done.min(steps) as usize / steps as usize
    };
    let mut pen = Pen::new(buffer, theme, area, line);
    pen.write(&theme.sign("█", "#").repeat(filled), theme.good())
        .write(&theme.sign("░", ".").repeat(width - filled), theme.quiet())
        .write(&figures, theme.strong());
}

fn pace(state: &State) -> String {
    let run = &state.run;
    let since = |end: jiff::Timestamp| {
        run.began
            .and_then(|began| end.duration_since(began).try_into().ok())
            .map(roughly)
            .unwrap_or_default()
    };
    match &run.phase {
        Phase::Over(end) => match &run.id {
            Some(id) => format!("took {}; run {id}", since(end.at)),
            None => format!("took {}", since(end.at)),
        },
        Phase::Starting if run.settling.is_none() => "nothing is written yet".into(),
        Phase::Settling | Phase::Starting => {
            format!(
                "{} so far; what was begun is finished or taken back",
                since(state.now)
            )
        }
        Phase::Paused => format!("{} so far, paused", since(state.now)),
        Phase::Stopping => format!("{} so far", since(state.now)),
        _ => {
            let rate = match run.rate(state.now) {
                Some(rate) if rate >= 1.0 => format!("{rate:.1} people a second"),
                Some(rate) => format!("{:.0} people a minute", rate * 60.0),
                None => "no rate yet".into(),
            };
            let left = match run.time_left(state.now) {
                Some(left) => forecast(left),
                None => "time left not known yet".into(),
            };
            format!("{} so far, {rate}, {left}", since(state.now))
        }
    }
}

fn counts(state: &State, buffer: &mut Buffer, area: Rect, line: u16) {
    let theme = state.theme;
    let mut pen = Pen::new(buffer, theme, area, line);
    let mut is_first = true;
    for outcome in Outcome::ALL {
        let count = state.run.counted.of(outcome);
        if count == 0 {
            continue;
        }
        if !is_first {
            pen.write(", ", theme.quiet());
        }
        is_first = false;
        pen.write(&number(count), theme.strong())
            .write(" ", theme.text())
            .write(outcome.words(), theme.outcome(outcome));
    }
}

/// Why a run ended early, and what to do.
fn stop_words(stopped: &StopReason) -> String {
    match stopped {
        StopReason::Cancelled => {
            "Stopped as you asked. Whoever is left keeps what they have; push again to go on.".into()
        }
        StopReason::Brake(why) => format!("A brake stopped the run: {}", clean(why)),
        StopReason::Refused { message, .. } => clean(message).into_owned(),
        StopReason::Storage(why) => format!(
            "The journal cannot be written, so nothing more is changed: {}",
            clean(why)
        ),
    }
}

fn outcomes(state: &State, buffer: &mut Buffer, area: Rect, top: u16) {
    let theme = state.theme;
    let room = usize::from(area.height.saturating_sub(top));
    let end = state.run.outcomes.len().saturating_sub(state.run.back);
    // Failures take a second line for their hint.
    let mut chosen: Vec<(&StepDone, usize)> = Vec::new();
    let mut used = 0;
    for step in state.run.outcomes.iter().take(end).rev() {
        let lines = 1 + usize::from(step.hint.is_some());
        if used + lines > room {
            break;
        }
        used += lines;
        chosen.push((step, lines));
    }
    let mut line = top;
    for (step, lines) in chosen.into_iter().rev() {
        let time = step
            .at
            .to_zoned(state.zone.clone())
            .strftime("%H:%M:%S")
            .to_string();
        let name = (usize::from(area.width) / 4).clamp(14, 30);
        Pen::new(buffer, theme, area, line)
            .write(&time, theme.quiet())
            .skip(2)
            .cell(step.outcome.words(), 18, theme.outcome(step.outcome))
            .cell(&step.person.name.shown(), name, theme.text())
            .skip(1)
            .write(&clean(&step.detail), theme.quiet());
        line += 1;
        if lines == 2
            && let Some(hint) = &step.hint
        {
            Pen::new(buffer, theme, area, line)
                .skip(28)
                .write(&clean(hint), theme.warning());
            line += 1;
        }
    }
}

/// Keys worth a hint.
pub fn hints(state: &State) -> Vec<(Intent, &'static str)> {
    match &state.run.phase {
        Phase::Settling => vec![
            (Intent::CancelRun, "stop"),
            (Intent::Back, "to the people; it goes on"),
        ],
        Phase::Starting if state.run.settling.is_some() => vec![
            (Intent::CancelRun, "stop"),
            (Intent::Back, "to the people; the run goes on"),
        ],
        Phase::Starting | Phase::Stopping => vec![(Intent::Back, "to the people; the run goes on")],
        Phase::Running => vec![
            (Intent::Pause, "pause"),
            (Intent::CancelRun, "stop"),
            (Intent::Back, "to the people; the run goes on"),
        ],
        Phase::Paused => vec![
            (Intent::Pause, "go on"),
            (Intent::CancelRun, "stop"),
            (Intent::Back, "to the people"),
        ],
        Phase::Over(end) if end.summary.failed > 0 => {
            vec![
                (Intent::ShowFailed, "to those who failed"),
                (Intent::Back, "to the people"),
            ]
        }
        _ => vec![(Intent::Back, "to the people")],
    }
}
