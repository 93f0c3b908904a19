//! Asks the terminal who it is and what it can do, with a deadline, in raw mode (`terminal-images.md` 3, 5).
//!
//! Asking and reading go past every event reader: whatever else would read the keyboard meanwhile would swallow the
//! answers, and the other way round. A terminal that does not answer is never asked again: the questions that drawing
//! libraries put have no time limit, or leave a thread behind that takes the next key.

use std::time::Duration;

use super::Protocol;

/// How long a terminal may take to answer before a picture is printed inline.
const INLINE_DEADLINE: Duration = Duration::from_secs(1);
/// Name and version; then the attributes, which every terminal answers, so that its answer ends the waiting.
const WHO: &[u8] = b"\x1b[>q\x1b[c";
/// Everything read while waiting, keys typed ahead included; a flood is no reason to wait longer.
#[cfg(unix)]
const ANSWER_LIMIT: usize = 64 * 1024;

/// What a terminal said about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Terminal {
    /// Name and version, as `kitty(0.41.1)` or `foot(1.21.0)`, cleaned; empty if it did not say.
    pub name: String,
    /// Primary device attributes; 4 among them means Sixel.
    pub attributes: Vec<u16>,
    /// Whether it accepted the question for the kitty graphics protocol.
    pub knows_kitty: bool,
    /// Width and height of a cell in pixels.
    pub cell: Option<(u16, u16)>,
    /// What it draws on.
    pub ground: Option<Ground>,
}

/// What the terminal draws on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ground {
    /// Dark: letters are light.
    Dark,
    /// Light: letters are dark.
    Light,
}

#[cfg(any(unix, test))]
impl Ground {
    /// Reads a colour as xterm writes it: `rgb:` or `rgba:`, and one to four hexadecimal digits for each part.
    fn of_colour(colour: &[u8]) -> Option<Self> {
        let colour = std::str::from_utf8(colour).ok()?;
        let parts = colour
            .strip_prefix("rgb:")
            .or_else(|| colour.strip_prefix("rgba:"))?;
        let mut parts = parts.split('/').map(|part| {
            let digits = u32::try_from(part.len()).ok()?;
            let value = u16::from_str_radix(part, 16).ok()?;
            (1..=4)
                .contains(&digits)
                .then(|| f32::from(value) / (16_u32.pow(digits) - 1) as f32)
        });
        let (red, green, blue) = (parts.next()??, parts.next()??, parts.next()??);
        // How bright the parts look (ITU-R BT.709); good enough to tell paper from ink without undoing the gamma.
        let brightness = 0.2126 * red + 0.7152 * green + 0.0722 * blue;
        Some(if brightness > 0.5 { Self::Light } else { Self::Dark })
    }
}

/// What was read while waiting for the answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Heard {
    /// Complete answers; `None` as long as the attributes are missing, which come last.
    pub terminal: Option<Terminal>,
    /// Everything that is no answer: keys typed ahead, in their order.
    pub typed: Vec<u8>,
}

#[cfg(any(unix, test))]
impl Heard {
    /// Tells answers from keys in what was read. The beginning of an answer that breaks off is dropped.
    pub(super) fn of(bytes: &[u8]) -> Self {
        let mut terminal = Terminal::default();
        let mut has_attributes = false;
        let mut typed = Vec::new();
        let mut rest = bytes;
        while let Some(first) = rest.first() {
            let Some((piece, length)) = Piece::at_start_of(rest) else {
                typed.push(*first);
                rest = &rest[1..];
                continue;
            };
            match piece {
                Piece::Name(name) => terminal.name = name,
                Piece::Kitty(accepted) => terminal.knows_kitty = accepted,
                Piece::Cell(cell) => terminal.cell = cell,
                Piece::Ground(ground) => terminal.ground = ground,
                Piece::Attributes(attributes) => {
                    terminal.attributes = attributes;
                    has_attributes = true;
                }
                Piece::Broken => {}
            }
            rest = &rest[length..];
        }
        Self {
            terminal: has_attributes.then_some(terminal),
            typed,
        }
    }
}

/// One answer in the stream.
#[cfg(any(unix, test))]
enum Piece {
    Name(String),
    Kitty(bool),
    Attributes(Vec<u16>),
    Cell(Option<(u16, u16)>),
    Ground(Option<Ground>),
    /// The beginning of an answer whose end is missing.
    Broken,
}

#[cfg(any(unix, test))]
impl Piece {
    /// The answer at the start of these bytes and its length; `None` where no answer starts.
    fn at_start_of(bytes: &[u8]) -> Option<(Self, usize)> {
        if let Some(name) = bytes.strip_prefix(b"\x1bP>|") {
            let (name, length) = until_string_end(name);
            let piece = name.map_or(Self::Broken, |name| {
                Self::Name(crate::domain::text::clean(&String::from_utf8_lossy(name)).into_owned())
            });
            return Some((piece, 4 + length));
        }
        if let Some(reply) = bytes.strip_prefix(b"\x1b_G") {
            let (reply, length) = until_string_end(reply);
            let piece = reply.map_or(Self::Broken, |reply| Self::Kitty(reply.ends_with(b";OK")));
            return Some((piece, 3 + length));
        }
        if let Some(colour) = bytes.strip_prefix(b"\x1b]11;") {
            let (colour, length) = until_string_end(colour);
            let piece = colour.map_or(Self::Broken, |colour| Self::Ground(Ground::of_colour(colour)));
            return Some((piece, 5 + length));
        }
        if matches!(bytes, b"\x1bP>" | b"\x1b[?" | b"\x1b]1" | b"\x1b]11") {
            return Some((Self::Broken, bytes.len()));
        }
        let sequence = bytes.strip_prefix(b"\x1b[")?;
        let is_private = sequence.first() == Some(&b'?');
        let sequence = &sequence[usize::from(is_private)..];
        let digits = sequence
            .iter()
            .take_while(|byte| byte.is_ascii_digit() || **byte == b';')
            .count();
        let numbers = || {
            let text = std::str::from_utf8(&sequence[..digits]).unwrap_or_default();
            let numbers = text.split(';').filter(|number| !number.is_empty());
            numbers
                .filter_map(|number| number.parse().ok())
                .collect::<Vec<u16>>()
        };
        let length = 2 + usize::from(is_private) + digits + 1;
        match (is_private, sequence.get(digits)) {
            (true, Some(b'c')) => Some((Self::Attributes(numbers()), length)),
            (true, None) => Some((Self::Broken, bytes.len())),
            (false, Some(b't')) => match numbers()[..] {
                [6, height, width] => Some((Self::Cell(plausible(width, height)), length)),
                _ => None,
            },
            _ => None,
        }
    }
}

/// The body of a string sequence and how many bytes it takes with its end; no body if it breaks off.
#[cfg(any(unix, test))]
fn until_string_end(bytes: &[u8]) -> (Option<&[u8]>, usize) {
    match bytes.iter().position(|byte| matches!(byte, 0x1b | 0x07)) {
        // What xterm ends its answer with if the question ended so, and some others always.
        Some(end) if bytes[end] == 0x07 => (Some(&bytes[..end]), end + 1),
        Some(end) if bytes.get(end + 1) == Some(&b'\\') => (Some(&bytes[..end]), end + 2),
        Some(end) => (None, end),
        None => (None, bytes.len()),
    }
}

/// A cell size in pixels that can be true; some terminals answer with zeros.
pub(super) fn plausible(width: u16, height: u16) -> Option<(u16, u16)> {
    ((2..=256).contains(&width) && (4..=512).contains(&height)).then_some((width, height))
}

impl Terminal {
    /// True if the name starts with this, whatever the case.
    pub(super) fn is(&self, prefix: &str) -> bool {
        starts_with(&self.name, prefix)
    }

    /// The one protocol that printing into the scrollback may use here.
    ///
    /// `in_tmux`: a multiplexer stands between; a question through it would end up in its pane title.
    pub fn inline_protocol(&self, in_tmux: bool) -> Protocol {
        if in_tmux {
            Protocol::Blocks
        } else if !cfg!(windows) && (self.is("kitty") || self.is("ghostty")) {
            Protocol::Kitty
        } else if self.is("iterm2") || self.is("wezterm") {
            Protocol::Iterm2
        } else if self.attributes.contains(&4) {
            Protocol::Sixel
        } else {
            Protocol::Blocks
        }
    }
}

/// True if `name` starts with this, whatever the case.
pub(super) fn starts_with(name: &str, prefix: &str) -> bool {
    name.get(..prefix.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

/// Asks the terminal for its name. Raw mode must be on. `None`: it did not answer in time, or there is no way to ask.
pub fn probe() -> Option<Terminal> {
    ask_terminal(WHO, INLINE_DEADLINE).terminal
}

/// Puts these questions to the terminal on standard output and reads standard input until the attributes have come or
/// the time is over.
#[cfg(unix)]
pub(super) fn ask_terminal(questions: &[u8], limit: Duration) -> Heard {
    // Not through `std::io::stdin`, whose buffer would keep keys from everybody who reads later.
    let input = rustix::stdio::stdin();
    ask(input, &mut std::io::stdout().lock(), questions, limit)
}

/// There is no descriptor to read with a deadline on Windows: nothing is asked.
#[cfg(not(unix))]
pub(super) fn ask_terminal(_questions: &[u8], _limit: Duration) -> Heard {
    Heard::default()
}

#[cfg(unix)]
fn ask(
    input: impl std::os::fd::AsFd,
    out: &mut impl std::io::Write,
    questions: &[u8],
    limit: Duration,
) -> Heard {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use rustix::io::Errno;

    let started = std::time::Instant::now();
    if out.write_all(questions).and_then(|()| out.flush()).is_err() {
        return Heard::default();
    }
    let mut bytes = Vec::new();
    let mut heard = Heard::default();
    while heard.terminal.is_none() && bytes.len() < ANSWER_LIMIT {
        let Some(left) = limit.checked_sub(started.elapsed()) else {
            break;
        };
        let Ok(left) = Timespec::try_from(left) else { break };
        let mut wanted = [PollFd::new(&input, PollFlags::IN)];
        match poll(&mut wanted, Some(&left)) {
            Ok(0) => break,
            Ok(_) => {}
            // A resize or another signal is no answer.
            Err(Errno::INTR) => continue,
            Err(_) => break,
        }
        let mut buffer = [0; 1024];
        match rustix::io::read(&input, &mut buffer) {
            Ok(0) => break,
            Ok(read) => bytes.extend_from_slice(&buffer[..read]),
            Err(Errno::INTR | Errno::AGAIN) => continue,
            Err(_) => break,
        }
        heard = Heard::of(&bytes);
    }
    heard
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(bytes: &[u8]) -> Terminal {
        Heard::of(bytes).terminal.expect("a complete answer")
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
            let expected = if cfg!(windows) && expected == Protocol::Kitty {
                Protocol::Blocks
            } else {
                expected
            };
            assert_eq!(terminal.inline_protocol(false), expected, "{terminal:?}");
            assert_eq!(terminal.inline_protocol(true), Protocol::Blocks);
        }
    }

    #[test]
    fn an_answer_counts_once_the_attributes_are_complete() {
        assert_eq!(Heard::of(b"\x1bP>|foot(1.21.0)\x1b\\\x1b[?62;4").terminal, None);
        assert_eq!(answered(b"x\x1b[?62;4c").attributes, [62, 4]);
    }

    #[test]
    fn name_graphics_cell_size_and_attributes_are_read_in_any_order() {
        let expected = Terminal {
            name: "kitty(0.41.1)".into(),
            attributes: vec![62, 52],
            knows_kitty: true,
            cell: Some((9, 19)),
            ground: Some(Ground::Light),
        };
        let pieces = [
            "\x1bP>|kitty(0.41.1)\x1b\\",
            "\x1b]11;rgb:ffff/ffff/dddd\x1b\\",
            "\x1b[6;19;9t",
            "\x1b_Gi=31;OK\x1b\\",
            "\x1b[?62;52c",
        ];
        let in_order: String = pieces.concat();
        let backwards: String = pieces.iter().rev().copied().collect();
        assert_eq!(answered(in_order.as_bytes()), expected);
        assert_eq!(answered(backwards.as_bytes()), expected);
    }

    #[test]
    fn a_refusal_and_an_impossible_cell_size_are_not_taken_at_face_value() {
        let terminal = answered(b"\x1b[6;0;0t\x1b_Gi=31;ENOTSUPPORTED:no\x1b\\\x1b[?62c");
        assert_eq!((terminal.knows_kitty, terminal.cell), (false, None));
    }

    #[test]
    fn the_ground_is_told_from_its_colour_however_many_digits_it_has() {
        for (answer, ground) in [
            ("rgb:0000/0000/0000\x1b\\", Some(Ground::Dark)),
            ("rgb:ffff/ffff/ffff\x07", Some(Ground::Light)),
            ("rgb:f/f/f\x1b\\", Some(Ground::Light)),
            ("rgb:28/2a/36\x07", Some(Ground::Dark)),
            ("rgba:fdfd/f6f6/e3e3/ffff\x07", Some(Ground::Light)),
            ("rgb:00000/0/0\x07", None),
            ("rgb:ff/ff\x07", None),
            ("white\x07", None),
        ] {
            let terminal = answered(format!("\x1b]11;{answer}\x1b[?62c").as_bytes());
            assert_eq!(terminal.ground, ground, "{answer:?}");
        }
    }

    #[test]
    fn a_name_cannot_smuggle_control_characters_in() {
        let terminal = answered(b"\x1bP>|kit\x07ty\x08\x1b\\\x1b[?62c");
        assert!(
            !terminal.name.chars().any(char::is_control),
            "{:?}",
            terminal.name
        );
    }

    #[test]
    fn keys_typed_ahead_survive_in_their_order() {
        let heard =
            Heard::of(b"j\x1b[B\x1bP>|foot(1.21.0)\x1b\\/\xc3\xa9\x1b[6;20;10t\x1b[6~\x1b[?62;4c\x1bq\x1b");
        assert_eq!(heard.typed, b"j\x1b[B/\xc3\xa9\x1b[6~\x1bq\x1b");
        assert_eq!(heard.terminal.expect("answered").cell, Some((10, 20)));
    }

    #[test]
    fn keys_that_look_like_the_beginning_of_an_answer_are_keys() {
        // Alt+Shift+P, Alt+_, Alt+[, Alt+] and a shifted F5.
        for keys in [
            &b"\x1bP"[..],
            b"\x1bPx",
            b"\x1b_",
            b"\x1b[",
            b"\x1b]",
            b"\x1b[15;2~",
        ] {
            assert_eq!(Heard::of(keys).typed, keys, "{keys:?}");
        }
    }

    #[test]
    fn a_torn_answer_is_never_taken_for_keys() {
        let whole = b"\x1bP>|kitty(0.41.1)\x1b\\\x1b[6;19;9t\x1b_Gi=31;OK\x1b\\\x1b[?62;52c";
        for end in 3..whole.len() {
            let typed = Heard::of(&whole[..end]).typed;
            // The shortest beginnings are what a person can type as well.
            let is_beginning = typed.is_empty() || whole[..end].ends_with(&typed);
            assert!(is_beginning && typed.len() < 9, "{typed:?} of {end}");
        }
        assert_eq!(Heard::of(b"k\x1bP>|kitt\x1b[?62;4c").typed, b"k");
    }

    #[cfg(unix)]
    mod on_a_line {
        use std::io::{Read, Write};
        use std::os::unix::net::UnixStream;
        use std::time::{Duration, Instant};

        use super::super::ask;

        #[test]
        fn a_silent_terminal_costs_no_more_than_the_limit_and_no_key() {
            let (mut person, input) = UnixStream::pair().expect("a pair of sockets");
            person.write_all(b"jj").expect("writes");
            let started = Instant::now();
            let heard = ask(&input, &mut Vec::new(), b"?", Duration::from_millis(50));
            assert_eq!((heard.terminal, &heard.typed[..]), (None, &b"jj"[..]));
            assert!(started.elapsed() >= Duration::from_millis(50));
            assert!(started.elapsed() < Duration::from_secs(2));
        }

        #[test]
        fn the_questions_are_put_and_the_last_answer_ends_the_waiting() {
            let (mut terminal, input) = UnixStream::pair().expect("a pair of sockets");
            let mut questions = input.try_clone().expect("a second handle");
            terminal
                .write_all(b"\x1bP>|foot(1.21.0)\x1b\\\x1b[?62;4cq")
                .expect("writes");
            let started = Instant::now();
            let heard = ask(&input, &mut questions, b"\x1b[>q\x1b[c", Duration::from_secs(60));
            assert_eq!(heard.terminal.expect("answered").name, "foot(1.21.0)");
            assert_eq!(heard.typed, b"q");
            assert!(started.elapsed() < Duration::from_secs(30));
            let mut asked = [0; 7];
            terminal.read_exact(&mut asked).expect("reads");
            assert_eq!(&asked, b"\x1b[>q\x1b[c");
        }

        #[test]
        fn a_line_that_ends_ends_the_waiting() {
            let (terminal, input) = UnixStream::pair().expect("a pair of sockets");
            drop(terminal);
            let started = Instant::now();
            let heard = ask(&input, &mut Vec::new(), b"", Duration::from_secs(60));
            assert_eq!(heard.terminal, None);
            assert!(started.elapsed() < Duration::from_secs(30));
        }
    }
}
