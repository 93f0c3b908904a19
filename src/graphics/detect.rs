//! Finds out how pictures can be drawn here (`terminal-images.md` 3).
//!
//! Terminals are believed by what they answer, not by environment variables, which are missing or wrong over SSH and in
//! multiplexers; and by name where their answers are known to promise more than they keep.

use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use super::blocks::Colours;
use super::canvas::{Canvas, Method};
use super::probe::{Ground, Terminal, ask_terminal, plausible, starts_with};

/// All the questions of one start together (`reliability.md` K6).
const TIME_LIMIT: Duration = Duration::from_millis(200);
/// The same for a terminal that is known to answer once it has started; the screen is drawn before it is asked.
const STARTING_LIMIT: Duration = Duration::from_millis(1_000);
/// What tmux is given to let pictures through, at least, however long its first answer took.
const PASSTHROUGH_LIMIT: Duration = Duration::from_millis(50);
/// Name and version, size of a cell in pixels.
const NAME_AND_CELL: &str = "\x1b[>q\x1b[16t";
/// A question of the kitty protocol that stores nothing.
const KITTY: &str = "\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\";
/// The colour of the background.
const GROUND: &str = "\x1b]11;?\x1b\\";
/// Device attributes: every terminal answers this, so it comes last.
const ATTRIBUTES: &str = "\x1b[c";

/// What the setting, the flag or the environment variable asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wish {
    /// The best the terminal is known to keep its word on.
    #[default]
    Auto,
    /// The kitty graphics protocol, whatever the terminal says.
    Kitty,
    /// Sixel, whatever the terminal says.
    Sixel,
    /// iTerm2 inline images, whatever the terminal says.
    Iterm2,
    /// Half blocks; the terminal is asked nothing.
    Blocks,
    /// No pictures; the terminal is asked nothing.
    Off,
}

impl Wish {
    /// Every wish, in the order of the documentation.
    pub const ALL: [Self; 6] = [
        Self::Auto,
        Self::Kitty,
        Self::Sixel,
        Self::Iterm2,
        Self::Blocks,
        Self::Off,
    ];

    /// The word in the configuration file.
    pub fn code(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Kitty => "kitty",
            Self::Sixel => "sixel",
            Self::Iterm2 => "iterm2",
            Self::Blocks => "blocks",
            Self::Off => "off",
        }
    }

    /// The wish with this code.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|wish| wish.code() == code)
    }
}

/// What the environment tells about the terminal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// tmux stands between (`TMUX`).
    pub tmux: bool,
    /// GNU screen stands between (`STY`), or some multiplexer on the machine this session was started from (`TERM`).
    pub multiplexer: bool,
    /// The session came over SSH (`SSH_CONNECTION`, `SSH_TTY`).
    pub ssh: bool,
    /// 16 million colours are promised (`COLORTERM`).
    pub truecolor: bool,
    /// `NO_COLOR` is set and not empty.
    pub no_color: bool,
    /// The locale is explicitly one without UTF-8, and so without block characters.
    pub no_utf8: bool,
    /// Windows Terminal (`WT_SESSION`).
    pub windows_terminal: bool,
    /// `TERM`; empty if not set.
    pub term: String,
    /// `TERM_PROGRAM`.
    pub term_program: Option<String>,
}

impl Surroundings {
    /// Reads them through `variable`, which gives an environment variable's value.
    pub fn of(variable: &dyn Fn(&str) -> Option<String>) -> Self {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        let term = set("TERM").unwrap_or_default();
        let tmux = set("TMUX").is_some();
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(set);
        Self {
            tmux,
            multiplexer: set("STY").is_some()
                || !tmux && ["screen", "tmux"].iter().any(|name| term.starts_with(name)),
            ssh: set("SSH_CONNECTION").or_else(|| set("SSH_TTY")).is_some(),
            truecolor: set("COLORTERM").is_some_and(|value| matches!(&*value, "truecolor" | "24bit")),
            no_color: set("NO_COLOR").is_some(),
            no_utf8: !cfg!(windows)
                && locale.is_some_and(|locale| {
                    let locale = locale.to_ascii_lowercase();
                    !locale.contains("utf-8") && !locale.contains("utf8")
                }),
            windows_terminal: set("WT_SESSION").is_some(),
            term,
            term_program: set("TERM_PROGRAM"),
        }
    }

    /// Of this process.
    pub fn of_process() -> Self {
        Self::of(&|name| std::env::var(name).ok())
    }

    /// How long to wait for an answer. A terminal that is known to answer may have been started a moment ago, with this
    /// program in it, and still be busy with its window.
    fn patience(&self) -> Duration {
        let answers = ["xterm-kitty", "xterm-ghostty"].contains(&self.term.as_str());
        if answers && !self.tmux {
            STARTING_LIMIT
        } else {
            TIME_LIMIT
        }
    }

    /// A terminal that understands no escape sequence.
    fn is_dumb(&self) -> bool {
        self.term == "dumb" || self.term.is_empty() && !cfg!(windows)
    }

    /// What half blocks can be coloured with; `None` below 256 colours.
    fn colours(&self, terminal: Option<&Terminal>) -> Option<Colours> {
        let term = self.term.as_str();
        // tmux takes every colour and gives the terminal around it what that one has.
        if self.truecolor || self.tmux || self.windows_terminal || term.ends_with("-direct") {
            return Some(Colours::All);
        }
        // Whoever tells its name is young enough for 256 colours, whatever `TERM` says.
        let is_young = terminal.is_some_and(|terminal| !terminal.name.is_empty());
        let is_apples = self.term_program.as_deref() == Some("Apple_Terminal");
        (term.contains("256color") || term == "xterm-kitty" || is_young || is_apples)
            .then_some(Colours::Palette)
    }
}

/// What was found.
#[derive(Clone, Debug)]
pub struct Detected {
    /// What to draw on.
    pub canvas: Canvas,
    /// The terminal's name and version, cleaned; in tmux that of the terminal around it. Empty if unknown.
    pub terminal: String,
    /// What the terminal draws on, if it said so.
    pub ground: Option<Ground>,
    /// One sentence for the about screen: why pictures are drawn this way.
    pub why: String,
    /// What was read and is no answer: keys typed meanwhile, in their order.
    pub typed: Vec<u8>,
    /// Whether the terminal answered in time. If it was asked and did not, its answers may still come and look like
    /// keys: [`LateAnswers`](super::LateAnswers) tells them apart.
    pub answered: bool,
}

/// Asks the terminal, for 200 ms at most, and decides.
///
/// Raw mode must be on, and nothing else may be reading the keyboard yet. On Windows nothing is asked.
pub fn detect(wish: Wish, surroundings: &Surroundings) -> Detected {
    let started = Instant::now();
    let mut outer = None;
    let mut heard = super::probe::Heard::default();
    if let Some(questions) = questions(wish, surroundings) {
        let receiver = surroundings
            .tmux
            .then(|| answer_of(Command::new("tmux").args(["display-message", "-p", "#{client_termtype}"])));
        let limit = surroundings.patience();
        heard = ask_terminal(&questions, limit);
        outer = receiver.and_then(|answer| answer.within(limit.saturating_sub(started.elapsed())));
    }
    let terminal = heard.terminal.as_ref();
    let (mut method, mut why) = choose(wish, surroundings, terminal, outer.as_deref());
    if method == Some(Method::KittyThroughTmux) && !lets_pictures_through(started) {
        (method, why) = blocks(
            surroundings,
            terminal,
            "tmux does not let pictures through (its option allow-passthrough)".into(),
        );
    }
    let window = window_cell();
    let cell = terminal.and_then(|terminal| terminal.cell).or(window);
    Detected {
        canvas: Canvas::new(method, cell, window),
        ground: terminal.and_then(|terminal| terminal.ground),
        terminal: outer
            .or_else(|| terminal.map(|terminal| terminal.name.clone()))
            .unwrap_or_default(),
        why,
        answered: terminal.is_some(),
        typed: heard.typed,
    }
}

/// Pixels a cell has by what the terminal told the operating system: width, height.
pub(super) fn window_cell() -> Option<(u16, u16)> {
    let size = crossterm::terminal::window_size().ok()?;
    plausible(
        size.width.checked_div(size.columns)?,
        size.height.checked_div(size.rows)?,
    )
}

/// What to ask; `None` where asking cannot change anything or cannot be understood.
fn questions(wish: Wish, surroundings: &Surroundings) -> Option<Vec<u8>> {
    let is_pointless = matches!(wish, Wish::Off | Wish::Blocks);
    if is_pointless || surroundings.is_dumb() || surroundings.term == "linux" || cfg!(windows) {
        return None;
    }
    // A multiplexer would take the kitty question for its pane's title; tmux answers for the ground itself.
    let strings = match (surroundings.tmux, surroundings.multiplexer) {
        (true, _) => GROUND.to_owned(),
        (false, true) => String::new(),
        (false, false) => format!("{GROUND}{KITTY}"),
    };
    Some(format!("{NAME_AND_CELL}{strings}{ATTRIBUTES}").into_bytes())
}

type Choice = (Option<Method>, String);

/// Decides. `outer`: what tmux calls the terminal around it.
fn choose(
    wish: Wish,
    surroundings: &Surroundings,
    terminal: Option<&Terminal>,
    outer: Option<&str>,
) -> Choice {
    let chosen = |method, why: &str| (Some(method), why.to_owned());
    let as_wished = |method| (Some(method), format!("\"{}\" is set", wish.code()));
    if wish == Wish::Off {
        return (None, "pictures are switched off".into());
    }
    if surroundings.is_dumb() {
        return (None, "TERM says that this terminal is a plain one".into());
    }
    match wish {
        Wish::Off | Wish::Auto => {}
        Wish::Kitty if surroundings.tmux => return as_wished(Method::KittyThroughTmux),
        Wish::Kitty => return as_wished(Method::Kitty),
        Wish::Sixel => return as_wished(Method::Sixel),
        Wish::Iterm2 if surroundings.tmux => {
            let why = "\"iterm2\" is set, but tmux does not keep such pictures in their place";
            return blocks(surroundings, terminal, why.into());
        }
        Wish::Iterm2 => return as_wished(Method::Iterm2),
        Wish::Blocks => {
            let colours = surroundings.colours(terminal).unwrap_or(Colours::Palette);
            return as_wished(Method::Blocks(colours));
        }
    }
    if surroundings.tmux {
        let outer = outer.unwrap_or_default();
        return if starts_with(outer, "ghostty") || knows_placeholders(outer) {
            (
                Some(Method::KittyThroughTmux),
                format!("tmux passes pictures on to {outer}"),
            )
        } else {
            let why = "inside tmux, pictures reach only kitty from 0.28 on and Ghostty".into();
            blocks(surroundings, terminal, why)
        };
    }
    if surroundings.multiplexer {
        let why = "a terminal multiplexer stands between, which knows no pictures".into();
        return blocks(surroundings, terminal, why);
    }
    if cfg!(windows) && surroundings.windows_terminal {
        return chosen(Method::Sixel, "Windows Terminal shows Sixel pictures");
    }
    let Some(terminal) = terminal else {
        let why = if cfg!(windows) || surroundings.term == "linux" {
            "this console knows no pictures".to_owned()
        } else {
            format!(
                "the terminal did not answer within {} milliseconds",
                surroundings.patience().as_millis()
            )
        };
        return blocks(surroundings, None, why);
    };
    let by_term = ["xterm-kitty", "xterm-ghostty"].contains(&surroundings.term.as_str());
    let is_kitty = terminal.is("kitty") || terminal.is("ghostty") || terminal.name.is_empty() && by_term;
    if is_kitty && terminal.knows_kitty {
        chosen(
            Method::Kitty,
            "the terminal draws pictures by the kitty graphics protocol",
        )
    } else if terminal.is("iterm2") || terminal.is("wezterm") {
        chosen(
            Method::Iterm2,
            "the terminal draws pictures by the iTerm2 protocol",
        )
    } else if terminal.is("konsole") || terminal.is("contour") {
        let why = "this terminal leaves remains of pictures behind".into();
        blocks(surroundings, Some(terminal), why)
    } else if terminal.attributes.contains(&4) {
        chosen(Method::Sixel, "the terminal says that it draws Sixel pictures")
    } else {
        let why = "the terminal does not say that it can draw pictures".into();
        blocks(surroundings, Some(terminal), why)
    }
}

/// Whether this is a kitty that knows characters for pictures, as all from 0.28 on; others show boxes.
fn knows_placeholders(name: &str) -> bool {
    let version = name.strip_prefix("kitty(").unwrap_or_default();
    let mut numbers = version.split('.').map(|number| number.parse::<u32>().ok());
    match (numbers.next().flatten(), numbers.next().flatten()) {
        (Some(major), Some(minor)) => (major, minor) >= (0, 28),
        _ => false,
    }
}

/// Half blocks, or words alone where they cannot be coloured.
fn blocks(surroundings: &Surroundings, terminal: Option<&Terminal>, why: String) -> Choice {
    if surroundings.no_color {
        (None, format!("{why}, and NO_COLOR rules half blocks out"))
    } else if surroundings.no_utf8 {
        (None, format!("{why}, and the locale has no half blocks"))
    } else if let Some(colours) = surroundings.colours(terminal) {
        (Some(Method::Blocks(colours)), why)
    } else {
        (None, format!("{why}, and has 16 colours at most"))
    }
}

/// Allows pictures through tmux, for this pane alone. It stays allowed until the pane closes: what is still on its way
/// at the end, the deletion of our pictures, would be lost otherwise.
fn lets_pictures_through(started: Instant) -> bool {
    let left = TIME_LIMIT
        .saturating_sub(started.elapsed())
        .max(PASSTHROUGH_LIMIT);
    answer_of(Command::new("tmux").args(["set-option", "-p", "allow-passthrough", "on"]))
        .within(left)
        .is_some()
}

/// A program that is being run for the one line it prints.
struct Running {
    child: Option<std::process::Child>,
    line: mpsc::Receiver<Option<String>>,
}

/// Starts it. A program that cannot be started gives no answer.
fn answer_of(command: &mut Command) -> Running {
    use std::io::Read;

    let (sender, line) = mpsc::channel();
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let mut child = match child {
        Ok(child) => child,
        Err(error) => {
            tracing::debug!(%error, "tmux could not be asked");
            return Running { child: None, line };
        }
    };
    if let Some(output) = child.stdout.take() {
        // Reading has no time limit of its own; the thread ends with the program, which is killed in time.
        std::thread::spawn(move || {
            let mut text = Vec::new();
            let read = output.take(1024).read_to_end(&mut text);
            let text = String::from_utf8_lossy(&text);
            let line = text.lines().next().unwrap_or_default();
            let line = read
                .is_ok()
                .then(|| crate::domain::text::clean(line).into_owned());
            // Nobody waits any more: then nobody needs it.
            drop(sender.send(line));
        });
    }
    Running {
        child: Some(child),
        line,
    }
}

impl Running {
    /// The line, if the program has printed it and ended well in this time; it is killed otherwise.
    fn within(mut self, limit: Duration) -> Option<String> {
        let started = Instant::now();
        let line = self.line.recv_timeout(limit).ok().flatten()?;
        let child = self.child.as_mut()?;
        // It has closed its output and is about to end.
        loop {
            match child.try_wait().ok()? {
                Some(status) => return status.success().then_some(line),
                None if started.elapsed() >= limit => return None,
                None => std::thread::sleep(Duration::from_millis(1)),
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // Fails where it has ended by itself, which is just as well.
            drop(child.kill());
            drop(child.wait());
        }
    }
}

#[cfg(test)]
mod tests;
