//! Progress on standard error while something long goes on: rate and time left; nothing without a terminal.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::connector::{LaneState, PauseReason};

/// A progress display; silent without a terminal.
pub struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// Shows progress on standard error if `is_shown`.
    pub fn new(is_shown: bool, is_ascii: bool) -> Self {
        let target = if is_shown {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        let bar = ProgressBar::with_draw_target(None, target);
        bar.set_style(counting(is_ascii));
        if is_shown {
            bar.enable_steady_tick(Duration::from_millis(120));
        }
        Self { bar }
    }

    /// What goes on, with a count and no known end.
    pub fn counting(&self, what: &str, count: u64, is_ascii: bool) {
        if self.bar.length().is_some() {
            self.bar.unset_length();
            self.bar.set_style(counting(is_ascii));
        }
        self.bar.set_position(count);
        self.bar.set_message(what.to_owned());
    }

    /// What goes on, with a known end: shows rate and time left.
    pub fn measured(&self, what: &str, done: u64, total: u64, is_ascii: bool) {
        if self.bar.length() != Some(total) {
            if self.bar.length().is_none() {
                self.bar.reset();
            }
            self.bar.set_length(total);
        }
        // Before the first one is done nobody can say how long the rest takes.
        self.bar.set_style(if done == 0 {
            unmeasured(is_ascii)
        } else {
            measured(is_ascii)
        });
        self.bar.set_position(done);
        self.bar.set_message(what.to_owned());
    }

    /// What a service makes us wait for.
    pub fn waiting(&self, what: &str, is_ascii: bool) {
        let mark = if is_ascii { "..." } else { "…" };
        self.bar.set_message(format!("{what}{mark}"));
    }

    /// Prints a line of talk above the progress.
    pub fn line(&self, text: &str) {
        if self.bar.is_hidden() {
            anstream::eprintln!("{text}");
        } else {
            self.bar.suspend(|| anstream::eprintln!("{text}"));
        }
    }

    /// Runs something that prints to standard output without the progress getting in between.
    pub fn suspended<T>(&self, work: impl FnOnce() -> T) -> T {
        self.bar.suspend(work)
    }

    /// Takes the display away.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.finish();
    }
}

fn counting(is_ascii: bool) -> ProgressStyle {
    spinner(
        ProgressStyle::with_template("{spinner} {msg} {human_pos} ({elapsed})"),
        is_ascii,
    )
}

fn measured(is_ascii: bool) -> ProgressStyle {
    let template = "{spinner} {msg} {bar:24} {human_pos}/{human_len}  {per_sec}  {eta} left";
    bar(
        spinner(ProgressStyle::with_template(template), is_ascii),
        is_ascii,
    )
}

fn unmeasured(is_ascii: bool) -> ProgressStyle {
    let style = spinner(
        ProgressStyle::with_template("{spinner} {msg} {bar:24} {human_pos}/{human_len}"),
        is_ascii,
    );
    bar(style, is_ascii)
}

fn bar(style: ProgressStyle, is_ascii: bool) -> ProgressStyle {
    if is_ascii {
        style.progress_chars("##-")
    } else {
        style.progress_chars("━╸─")
    }
}

fn spinner(style: Result<ProgressStyle, indicatif::style::TemplateError>, is_ascii: bool) -> ProgressStyle {
    let style = style.expect("built-in templates are valid");
    if is_ascii {
        style.tick_chars("|/-\\ ")
    } else {
        style
    }
}

/// What the services make us wait for, in words; `None` if nothing pauses.
pub fn waiting(lanes: &[LaneState]) -> Option<String> {
    let (lane, (remaining, reason)) = lanes
        .iter()
        .filter_map(|lane| Some((lane, lane.paused?)))
        .max_by_key(|(_, (remaining, _))| *remaining)?;
    let why = match reason {
        PauseReason::Throttled => "asked us to slow down",
        PauseReason::CircuitOpen => "does not answer; trying again",
        PauseReason::DiskFull => "is full; nothing is sent until there is room",
    };
    Some(format!("{} {why}, {} s left", lane.name, remaining.as_secs() + 1))
}
