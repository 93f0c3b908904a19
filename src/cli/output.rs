//! Where output goes and how it looks, decided once.

use std::io::{self, BufWriter, IsTerminal, Write};

use super::failure::Failure;
use super::{Colour, GlobalArguments};
use crate::report::progress::Progress;
use crate::report::text::Look;

/// Data on standard output, talk on standard error.
pub struct Output {
    /// Symbols and width.
    pub look: Look,
    /// True if somebody can be asked: standard input and standard error are terminals.
    pub can_ask: bool,
    /// True if progress may be drawn.
    pub shows_progress: bool,
}

#[expect(
    clippy::unused_self,
    reason = "whoever prints holds the decision how; some of it is global to the streams"
)]
impl Output {
    /// Decides once, from flags, environment and what the streams are.
    pub fn new(global: &GlobalArguments) -> Self {
        let choice = match global.color {
            Colour::Always => anstream::ColorChoice::Always,
            Colour::Never => anstream::ColorChoice::Never,
            // Honours NO_COLOR, CLICOLOR and TERM=dumb by itself.
            Colour::Auto => anstream::ColorChoice::Auto,
        };
        choice.write_global();
        let is_dumb = std::env::var("TERM").is_ok_and(|term| term == "dumb");
        let is_ascii = global.ascii || is_dumb || !speaks_utf8();
        let width = io::stdout()
            .is_terminal()
            .then(|| crossterm::terminal::size().map_or(100, |(columns, _)| usize::from(columns).max(40)));
        let err_is_terminal = io::stderr().is_terminal();
        Self {
            look: Look { is_ascii, width },
            can_ask: io::stdin().is_terminal() && err_is_terminal,
            shows_progress: err_is_terminal && !is_dumb,
        }
    }

    /// Standard output, buffered, with colours where they are wanted. A reader who has gone away (`| head`) ends the
    /// writing quietly.
    pub fn data<T>(&self, write: impl FnOnce(&mut dyn Write) -> io::Result<T>) -> Result<Option<T>, Failure> {
        let mut out = BufWriter::new(anstream::stdout().lock());
        match write(&mut out).and_then(|value| out.flush().map(|()| value)) {
            Ok(value) => Ok(Some(value)),
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// One line of talk.
    pub fn talk(&self, line: &str) {
        anstream::eprintln!("{line}");
    }

    /// A progress display.
    pub fn progress(&self, is_wanted: bool) -> Progress {
        Progress::new(is_wanted && self.shows_progress, self.look.is_ascii)
    }

    /// Prints a failure.
    pub fn failure(&self, failure: &Failure) {
        let mut err = anstream::stderr().lock();
        // Standard error is the last resort; if it is gone, the exit code still speaks.
        let _ = crate::report::failure::print(&mut err, failure.error.as_ref(), failure.hint.as_deref());
    }

    /// Asks a yes/no question, or for a number when much is at stake (`reliability.md` N1). Only called where
    /// somebody can answer.
    pub fn confirm(&self, question: &str, number: Option<u64>) -> Result<bool, Failure> {
        let prompt = match number {
            Some(number) => format!("{question} Type {number} to go on: "),
            None => format!("{question} [y/N] "),
        };
        anstream::eprint!("{prompt}");
        io::stderr().flush()?;
        let mut answer = String::new();
        io::stdin().read_line(&mut answer)?;
        let answer = answer.trim();
        Ok(match number {
            Some(number) => answer.replace(',', "") == number.to_string(),
            None => matches!(answer, "y" | "Y" | "yes" | "Yes"),
        })
    }
}

/// True where text is UTF-8: everywhere but in an explicit other locale on Unix.
fn speaks_utf8() -> bool {
    if cfg!(windows) {
        return true;
    }
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
        .iter()
        .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()));
    match locale {
        Some(locale) => {
            let locale = locale.to_ascii_lowercase();
            locale.contains("utf-8") || locale.contains("utf8")
        }
        // Containers and services often have no locale at all; what they write is read as UTF-8.
        None => true,
    }
}
