//! Measures one program from outside, through a terminal.
//!
//! Every time is that of a read of the terminal by a thread that does nothing else. A change of the screen is over
//! when nothing has come for a while; a program that draws in two steps with a longer pause between them is measured
//! by the first, which is why typing into a filter is watched for longer than a step down the list.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use regex::Regex;

use crate::figures::{Figures, Presses};
use crate::processes;
use crate::terminal::{Reaction, Screen, Setup, Terminal};

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    pub starts: usize,
    pub presses: usize,
    pub words: usize,
    pub idle: Duration,
}

/// Which keys do what in a program.
#[derive(Clone, Debug)]
pub struct Keys {
    pub down: &'static str,
    pub page: &'static str,
    pub end: &'static str,
    pub home: &'static str,
    /// What opens the filter, if it is not open anyway.
    pub open_filter: &'static str,
    /// What empties and closes it.
    pub close_filter: &'static str,
    pub quit: &'static str,
}

/// A program to measure.
pub struct Subject {
    pub name: String,
    pub people: usize,
    pub setup: Setup,
    pub program: PathBuf,
    pub arguments: Vec<String>,
    /// Is on the screen when everybody is.
    pub ready: Regex,
    /// Keys are pressed once the program has had nothing to say for so long, at most after so long.
    pub rest: Option<(Duration, Duration)>,
    pub keys: Keys,
}

/// No output for so long: the change after a key is over.
const QUIET: Duration = Duration::from_millis(40);
/// The same for a filter, whose matches come later than the letter.
const QUIET_FILTER: Duration = Duration::from_millis(250);
/// The same for pictures, which are made after the row has moved.
const QUIET_PICTURES: Duration = Duration::from_millis(300);
const PATIENCE: Duration = Duration::from_secs(1);
const MOST: Duration = Duration::from_secs(5);
const START_LIMIT: Duration = Duration::from_secs(60);
const WORDS: [&str; 8] = ["ann", "mar", "sales", "jan", "peter", "eng", "smith", "li"];

impl Subject {
    fn start(&self) -> Terminal {
        let arguments: Vec<&str> = self.arguments.iter().map(String::as_str).collect();
        self.setup.clone().measuring().start(&self.program, &arguments)
    }

    /// Milliseconds from the start to the first byte, the first thing to be seen, and everybody.
    fn starting(&self, terminal: &Terminal) -> [Option<f64>; 3] {
        let since = |at: Option<Instant>| at.map(|at| (at - terminal.started()).as_secs_f64() * 1e3);
        let seen = terminal.when(START_LIMIT, |screen| !screen.is_blank());
        let ready = terminal.when(START_LIMIT, |screen| self.ready.is_match(&screen.contents()));
        let first = terminal.arrivals().first().map(|arrival| arrival.at);
        [since(first), since(seen), since(ready)]
    }

    /// Measures starts, keys, idling, memory and the end.
    pub fn measure(&self, effort: Effort) -> Figures {
        let mut figures = Figures {
            name: self.name.clone(),
            people: self.people,
            ..Figures::default()
        };
        for _ in 1..effort.starts {
            let terminal = self.start();
            figures.starts.push(self.starting(&terminal));
            self.quit(&terminal);
        }
        let terminal = self.start();
        let last = self.starting(&terminal);
        if last[2].is_none() {
            return Figures::absent(&self.name, self.people, never_ready(&terminal));
        }
        figures.starts.push(last);
        figures.early_peak_bytes = processes::usage(terminal.pid()).map(|usage| usage.peak);
        self.wait_for_rest(&terminal);
        self.press_all(&terminal, effort, &mut figures);
        self.idle(&terminal, effort.idle, &mut figures);
        figures.peak_bytes = processes::usage(terminal.pid()).map(|usage| usage.peak);
        figures.quit = self.quit(&terminal);
        figures.left_behind = terminal.left_behind();
        figures
    }

    /// Measures the pictures beside the list: the next pair after a rest, and the same pair again.
    pub fn measure_pictures(&self, effort: Effort, are_there: impl Fn(&Screen) -> bool) -> Figures {
        let mut figures = Figures {
            name: self.name.clone(),
            people: self.people,
            ..Figures::default()
        };
        let terminal = self.start();
        let start = self.starting(&terminal);
        if start[2].is_none() || terminal.when(START_LIMIT, &are_there).is_none() {
            return Figures::absent(&self.name, self.people, never_ready(&terminal));
        }
        figures.starts.push(start);
        self.wait_for_rest(&terminal);
        let mut next = Presses {
            name: "next pair",
            ..Presses::default()
        };
        let mut again = Presses {
            name: "pair again",
            ..Presses::default()
        };
        for _ in 0..effort.presses.min(40) {
            // The neighbours are made ready while the selection rests.
            wait_for_quiet(&terminal, Duration::from_millis(600), MOST);
            press(&terminal, self.keys.down, QUIET_PICTURES, &mut next);
            wait_for_quiet(&terminal, Duration::from_millis(600), MOST);
            press(&terminal, "<up>", QUIET_PICTURES, &mut again);
            press(&terminal, self.keys.down, QUIET_PICTURES, &mut again);
        }
        figures.presses = vec![next, again];
        figures.peak_bytes = processes::usage(terminal.pid()).map(|usage| usage.peak);
        figures.quit = self.quit(&terminal);
        figures.left_behind = terminal.left_behind();
        figures
    }

    /// Measures the contact sheet: a screenful of pairs that were made ready while the one before was looked at, and the
    /// same screenful again. `are_there`: all pictures of the first screenful are drawn.
    pub fn measure_sheet(&self, effort: Effort, open: &str, are_there: impl Fn(&Screen) -> bool) -> Figures {
        let mut figures = Figures {
            name: self.name.clone(),
            people: self.people,
            ..Figures::default()
        };
        let terminal = self.start();
        let start = self.starting(&terminal);
        self.wait_for_rest(&terminal);
        terminal.type_keys(open);
        if start[2].is_none() || terminal.when(START_LIMIT, &are_there).is_none() {
            return Figures::absent(&self.name, self.people, never_ready(&terminal));
        }
        figures.starts.push(start);
        let mut next = Presses {
            name: "next sheet",
            ..Presses::default()
        };
        let mut again = Presses {
            name: "sheet again",
            ..Presses::default()
        };
        for _ in 0..effort.presses.min(15) {
            // The next screenful is fetched and made ready while the cursor rests.
            wait_for_quiet(&terminal, Duration::from_secs(2), Duration::from_secs(20));
            press(&terminal, self.keys.page, QUIET_PICTURES, &mut next);
            wait_for_quiet(&terminal, Duration::from_secs(2), Duration::from_secs(20));
            press(&terminal, "<pgup>", QUIET_PICTURES, &mut again);
            press(&terminal, self.keys.page, QUIET_PICTURES, &mut again);
        }
        figures.presses = vec![next, again];
        figures.peak_bytes = processes::usage(terminal.pid()).map(|usage| usage.peak);
        figures.quit = self.quit(&terminal);
        figures.left_behind = terminal.left_behind();
        figures
    }

    fn wait_for_rest(&self, terminal: &Terminal) {
        match self.rest {
            Some((quiet, most)) => wait_for_quiet(terminal, quiet, most),
            None => wait_for_quiet(terminal, QUIET, Duration::from_secs(1)),
        }
    }

    fn press_all(&self, terminal: &Terminal, effort: Effort, figures: &mut Figures) {
        let keys = &self.keys;
        let mut repeated = |name: &'static str, times: usize, each: &[&str]| {
            let mut presses = Presses {
                name,
                ..Presses::default()
            };
            for _ in 0..times {
                for key in each {
                    press(terminal, key, QUIET, &mut presses);
                }
            }
            figures.presses.push(presses);
        };
        repeated("down", effort.presses, &[keys.down]);
        repeated("page", effort.presses / 2, &[keys.page]);
        repeated("end and home", effort.presses / 10, &[keys.end, keys.home]);
        let mut filter = Presses {
            name: "filter",
            ..Presses::default()
        };
        let mut around = Presses {
            name: "filter opened and closed",
            ..Presses::default()
        };
        for word in WORDS.iter().take(effort.words) {
            if !keys.open_filter.is_empty() {
                press(terminal, keys.open_filter, QUIET_FILTER, &mut around);
            }
            for letter in word.chars() {
                press(terminal, &letter.to_string(), QUIET_FILTER, &mut filter);
            }
            press(terminal, keys.close_filter, QUIET_FILTER, &mut around);
        }
        figures.presses.extend([filter, around]);
        figures.lag = self.hold(terminal);
    }

    /// Holds the down key for five seconds and says how far behind the screen is at the end.
    fn hold(&self, terminal: &Terminal) -> Option<f64> {
        const RATE: u32 = 30;
        let step = Duration::from_secs(1) / RATE;
        let begun = Instant::now();
        let mut last = begun;
        for index in 0..5 * RATE {
            // A key repeats by the clock, whatever the program does meanwhile.
            std::thread::sleep((begun + step * index).saturating_duration_since(Instant::now()));
            last = terminal.type_keys(self.keys.down);
        }
        let reaction = terminal.reaction(last, QUIET * 2, PATIENCE, MOST * 2);
        let right = reaction.settled.or(reaction.last);
        right.map(|after| after.as_secs_f64() * 1e3)
    }

    fn idle(&self, terminal: &Terminal, time: Duration, figures: &mut Figures) {
        self.wait_for_rest(terminal);
        let (bytes, before) = (terminal.written(), processes::usage(terminal.pid()));
        let begun = Instant::now();
        std::thread::sleep(time);
        let took = begun.elapsed().as_secs_f64();
        figures.idle_bytes = Some((terminal.written() - bytes) as f64 / took);
        if let (Some(before), Some(after)) = (before, processes::usage(terminal.pid())) {
            figures.idle_wakes = Some(after.sleeps.saturating_sub(before.sleeps) as f64 / took);
            figures.idle_cpu = Some(100.0 * after.cpu.saturating_sub(before.cpu).as_secs_f64() / took);
        }
    }

    /// Quits with a key; milliseconds until the end.
    fn quit(&self, terminal: &Terminal) -> Option<f64> {
        let asked = terminal.type_keys(self.keys.quit);
        let ending = terminal.end_within(MOST)?;
        Some(ending.at.saturating_duration_since(asked).as_secs_f64() * 1e3)
    }
}

fn press(terminal: &Terminal, key: &str, quiet: Duration, presses: &mut Presses) {
    let pictures = || terminal.look(|screen| screen.picture_bytes);
    let before = pictures();
    let sent = terminal.type_keys(key);
    let reaction: Reaction = terminal.reaction(sent, quiet, PATIENCE, MOST);
    presses.reactions.push(reaction);
    presses.picture_bytes += pictures() - before;
}

fn wait_for_quiet(terminal: &Terminal, quiet: Duration, most: Duration) {
    terminal.reaction(Instant::now(), quiet, quiet, most);
}

fn never_ready(terminal: &Terminal) -> String {
    let rows = terminal.look(Screen::rows);
    let words: Vec<&str> = rows
        .iter()
        .map(|row| row.trim())
        .filter(|row| !row.is_empty())
        .collect();
    let said = words.join(" / ");
    let said: String = said.chars().take(160).collect();
    match terminal.end_within(Duration::from_millis(10)) {
        Some(ending) => format!("ended with code {}: {said}", ending.code),
        None => format!("was not ready in time: {said}"),
    }
}
