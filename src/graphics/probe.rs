//! Asks the terminal who it is, with a deadline, in raw mode (`terminal-images.md` 3, 5).
//!
//! A terminal that does not answer is never asked again: the questions that drawing libraries put have no time limit.

use std::time::Duration;

use super::Protocol;

/// How long a terminal may take to answer.
#[cfg(unix)]
const DEADLINE: Duration = Duration::from_millis(1_000);

/// What a terminal said about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Terminal {
    /// Name and version, as `kitty(0.41.1)` or `foot(1.21.0)`; empty if it did not say.
    pub name: String,
    /// Primary device attributes; 4 among them means Sixel.
    pub attributes: Vec<u16>,
}

impl Terminal {
    /// Reads the answers out of what the terminal sent; `None` until the attributes are complete.
    pub fn from_answer(answer: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(answer);
        let attributes = text
            .split("\u{1b}[?")
            .skip(1)
            .find_map(|rest| rest.split_once('c'))
            .and_then(|(list, _)| {
                let numbers = list.split(';').filter(|number| !number.is_empty());
                numbers
                    .map(|number| number.parse().ok())
                    .collect::<Option<Vec<u16>>>()
            })?;
        let name = text
            .split_once("\u{1b}P>|")
            .and_then(|(_, rest)| rest.split_once("\u{1b}\\"))
            .map_or_else(String::new, |(name, _)| {
                crate::domain::text::clean(name).into_owned()
            });
        Some(Self { name, attributes })
    }

    /// The one protocol that printing into the scrollback may use here.
    ///
    /// `in_tmux`: a multiplexer stands between; a question through it would end up in its pane title.
    pub fn inline_protocol(&self, in_tmux: bool) -> Protocol {
        let is = |prefix: &str| self.name.to_ascii_lowercase().starts_with(prefix);
        if in_tmux {
            Protocol::Blocks
        } else if !cfg!(windows) && (is("kitty") || is("ghostty")) {
            Protocol::Kitty
        } else if is("iterm2") || is("wezterm") {
            Protocol::Iterm2
        } else if self.attributes.contains(&4) {
            Protocol::Sixel
        } else {
            Protocol::Blocks
        }
    }
}

/// Asks the terminal. Raw mode must be on. `None`: it did not answer in time, or there is no way to ask.
#[cfg(unix)]
pub fn probe() -> Option<Terminal> {
    use std::io::Write;
    use std::time::Instant;

    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    const ANSWER_LIMIT: usize = 4_096;

    let mut out = std::io::stdout().lock();
    out.write_all(b"\x1b[>q\x1b[c").and_then(|()| out.flush()).ok()?;
    let stdin = rustix::stdio::stdin();
    let started = Instant::now();
    let mut answer = Vec::new();
    while answer.len() < ANSWER_LIMIT {
        let left = DEADLINE.checked_sub(started.elapsed())?;
        let timeout = Timespec {
            tv_sec: 0,
            tv_nsec: left.subsec_nanos().into(),
        };
        let timeout = if left.as_secs() > 0 {
            Timespec {
                tv_sec: 1,
                tv_nsec: 0,
            }
        } else {
            timeout
        };
        let mut wanted = [PollFd::new(&stdin, PollFlags::IN)];
        if poll(&mut wanted, Some(&timeout)).ok()? == 0 {
            return None;
        }
        let mut buffer = [0; 256];
        let read = rustix::io::read(stdin, &mut buffer).ok()?;
        if read == 0 {
            return None;
        }
        answer.extend_from_slice(&buffer[..read]);
        if let Some(terminal) = Terminal::from_answer(&answer) {
            return Some(terminal);
        }
    }
    None
}

/// There is no descriptor to read with a deadline on Windows; Windows Terminal of 2025 and later shows Sixel, which the
/// environment tells.
#[cfg(not(unix))]
pub fn probe() -> Option<Terminal> {
    let _ = Duration::ZERO;
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(bytes: &[u8]) -> Terminal {
        Terminal::from_answer(bytes).expect("a complete answer")
    }

    #[test]
    fn real_answers_lead_to_the_protocol_that_was_seen_to_work() {
        for (answer, expected) in [
            (&b"\x1bP>|kitty(0.41.1)\x1b\\\x1b[?62;c"[..], Protocol::Kitty),
            (b"\x1bP>|kitty(0.41.1)\x1b\\\x1b[?62;52c", Protocol::Kitty),
            (b"\x1bP>|ghostty 1.1.0\x1b\\\x1b[?62;22c", Protocol::Kitty),
            (b"\x1bP>|iTerm2 3.5.0\x1b\\\x1b[?64;1;2;4c", Protocol::Iterm2),
            (b"\x1bP>|foot(1.21.0)\x1b\\\x1b[?62;4;22c", Protocol::Sixel),
            (b"\x1b[?63;1;2;4;6c", Protocol::Sixel),
            (b"\x1b[?1;2c", Protocol::Blocks),
        ] {
            let terminal = answered(answer);
            assert_eq!(terminal.inline_protocol(false), expected, "{terminal:?}");
            assert_eq!(terminal.inline_protocol(true), Protocol::Blocks);
        }
    }

    #[test]
    fn an_answer_counts_once_the_attributes_are_complete() {
        assert_eq!(
            Terminal::from_answer(b"\x1bP>|foot(1.21.0)\x1b\\\x1b[?62;4"),
            None
        );
        assert_eq!(answered(b"x\x1b[?62;4c").attributes, [62, 4]);
    }
}
