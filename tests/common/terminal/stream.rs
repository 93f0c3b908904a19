//! Cuts a program's output at its escape sequences, wherever the reads happened to cut it.

use std::io::BufRead as _;

/// One part of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// Text and the control characters in it, but for ESC. A character may be cut in two between pieces.
    Text(&'a [u8]),
    /// A short sequence, whole: `ESC 7`, `ESC ( B`.
    Escape(&'a [u8]),
    /// A control sequence.
    Csi(Csi<'a>),
    /// A control string, without its introducer and terminator.
    String(Kind, &'a [u8]),
    /// What begins like a sequence and is none.
    Broken(&'a [u8]),
}

/// `CSI private parameters intermediates last`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Csi<'a> {
    /// The whole sequence with its introducer.
    pub raw: &'a [u8],
    /// One of `<=>?`.
    pub private: Option<u8>,
    /// Digits, semicolons and colons.
    pub parameters: &'a str,
    /// Bytes from space to `/`.
    pub intermediates: &'a [u8],
    /// What the sequence does.
    pub last: u8,
}

impl Csi<'_> {
    /// The parameters as numbers; an empty one is 0.
    pub fn numbers(&self) -> Vec<u16> {
        let numbers = self.parameters.split([';', ':']);
        numbers.map(|number| number.parse().unwrap_or(0)).collect()
    }

    /// The first parameter; 0 or absent means 1.
    pub fn count(&self) -> u16 {
        self.numbers().first().copied().unwrap_or(1).max(1)
    }

    /// Whether the sequence is `CSI private … intermediates last`.
    pub fn is(&self, private: &str, intermediates: &str, last: char) -> bool {
        self.private.as_slice() == private.as_bytes()
            && self.intermediates == intermediates.as_bytes()
            && char::from(self.last) == last
    }
}

/// Which control string it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Device control: sixel, requests, tmux's passthrough.
    Dcs,
    /// Operating system command: titles, colours, clipboard, iTerm2's pictures.
    Osc,
    /// Application program command: kitty's pictures.
    Apc,
    /// Privacy message.
    Pm,
    /// Start of string.
    Sos,
}

impl Kind {
    fn introduced_by(byte: u8) -> Option<Self> {
        Some(match byte {
            b'P' => Self::Dcs,
            b']' => Self::Osc,
            b'_' => Self::Apc,
            b'^' => Self::Pm,
            b'X' => Self::Sos,
            _ => return None,
        })
    }
}

const ESC: u8 = 0x1b;
const BEL: u8 = 0x07;
/// No sequence but a string is longer.
const LONGEST_SEQUENCE: usize = 128;

/// The state between two reads.
#[derive(Debug, Default)]
pub struct Splitter {
    /// The beginning of a sequence that is not complete yet.
    begun: Vec<u8>,
    /// The string that is being read.
    string: Option<Begun>,
    /// Tmux's passthrough is opened, and what is in it is cut too.
    opens_passthrough: bool,
    inner: Option<Box<Self>>,
}

#[derive(Debug)]
struct Begun {
    kind: Kind,
    body: Vec<u8>,
    /// The last byte was an ESC, which may begin the terminator.
    escaped: bool,
}

impl Splitter {
    /// A splitter that opens tmux's passthrough, as tmux does.
    pub fn in_tmux() -> Self {
        Self {
            opens_passthrough: true,
            ..Self::default()
        }
    }

    /// Takes what was read and hands out every piece that is complete.
    pub fn feed(&mut self, mut bytes: &[u8], out: &mut dyn FnMut(Piece<'_>)) {
        while !bytes.is_empty() {
            if self.string.is_some() {
                bytes = self.continue_string(bytes, out);
            } else if !self.begun.is_empty() {
                bytes = self.continue_sequence(bytes, out);
            } else {
                let text = before(bytes, ESC);
                if text > 0 {
                    out(Piece::Text(&bytes[..text]));
                }
                bytes = &bytes[text..];
                if let Some(rest) = bytes.get(1..) {
                    self.begun.push(ESC);
                    bytes = rest;
                }
            }
        }
    }

    fn continue_sequence<'a>(&mut self, bytes: &'a [u8], out: &mut dyn FnMut(Piece<'_>)) -> &'a [u8] {
        let byte = bytes[0];
        let rest = &bytes[1..];
        if self.begun.len() == 1
            && let Some(kind) = Kind::introduced_by(byte)
        {
            self.begun.clear();
            self.string = Some(Begun {
                kind,
                body: Vec::new(),
                escaped: false,
            });
            return rest;
        }
        let is_csi = self.begun.get(1) == Some(&b'[');
        let is_over = match byte {
            b'[' if self.begun.len() == 1 => false,
            0x20..=0x2f => false,
            0x30..=0x3f => !is_csi,
            0x40..=0x7e => true,
            _ => {
                // A control character or a new sequence in the middle of one.
                out(Piece::Broken(&self.begun));
                self.begun.clear();
                return bytes;
            }
        };
        self.begun.push(byte);
        if is_over {
            let raw = std::mem::take(&mut self.begun);
            out(if is_csi {
                csi(&raw).map_or(Piece::Broken(&raw), Piece::Csi)
            } else {
                Piece::Escape(&raw)
            });
        } else if self.begun.len() > LONGEST_SEQUENCE {
            out(Piece::Broken(&self.begun));
            self.begun.clear();
        }
        rest
    }

    fn continue_string<'a>(&mut self, bytes: &'a [u8], out: &mut dyn FnMut(Piece<'_>)) -> &'a [u8] {
        let Some(mut string) = self.string.take() else {
            return bytes;
        };
        if string.escaped {
            string.escaped = false;
            let is_passed_through = string.kind == Kind::Dcs && string.body.starts_with(b"tmux;");
            return match bytes[0] {
                b'\\' => {
                    self.finish_string(&string, out);
                    &bytes[1..]
                }
                ESC if is_passed_through => {
                    string.body.push(ESC);
                    self.string = Some(string);
                    &bytes[1..]
                }
                _ => {
                    // Another sequence begins: the string was never ended.
                    out(Piece::Broken(&string.body));
                    self.begun.push(ESC);
                    bytes
                }
            };
        }
        let mut end = before(bytes, ESC);
        if string.kind == Kind::Osc {
            end = before(&bytes[..end], BEL);
        }
        string.body.extend_from_slice(&bytes[..end]);
        match bytes.get(end) {
            None => {
                self.string = Some(string);
                &[]
            }
            Some(&ESC) => {
                string.escaped = true;
                self.string = Some(string);
                &bytes[end + 1..]
            }
            Some(_) => {
                self.finish_string(&string, out);
                &bytes[end + 1..]
            }
        }
    }

    fn finish_string(&mut self, string: &Begun, out: &mut dyn FnMut(Piece<'_>)) {
        let inside = string.body.strip_prefix(b"tmux;");
        match inside {
            Some(inside) if self.opens_passthrough && string.kind == Kind::Dcs => {
                self.inner.get_or_insert_default().feed(inside, out);
            }
            _ => out(Piece::String(string.kind, &string.body)),
        }
    }
}

/// How many bytes come before this one.
fn before(mut bytes: &[u8], wanted: u8) -> usize {
    let all = bytes.len();
    let is_in = |at: usize, of: &[u8]| at > 0 && of[at - 1] == wanted;
    let whole = bytes;
    let skipped = bytes.skip_until(wanted).expect("reading from memory");
    if is_in(skipped, whole) { skipped - 1 } else { all }
}

fn csi(raw: &[u8]) -> Option<Csi<'_>> {
    let (&last, inside) = raw.get(2..)?.split_last()?;
    let private = inside
        .first()
        .copied()
        .filter(|byte| (b'<'..=b'?').contains(byte));
    let inside = &inside[usize::from(private.is_some())..];
    let parameters = inside
        .iter()
        .take_while(|byte| matches!(byte, b'0'..=b';'))
        .count();
    let (parameters, intermediates) = inside.split_at(parameters);
    let are_intermediates = intermediates.iter().all(|byte| matches!(byte, 0x20..=0x2f));
    are_intermediates.then_some(Csi {
        raw,
        private,
        parameters: std::str::from_utf8(parameters).ok()?,
        intermediates,
        last,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(splitter: &mut Splitter, bytes: &[u8]) -> Vec<String> {
        let mut all = Vec::new();
        splitter.feed(bytes, &mut |piece| {
            all.push(match piece {
                Piece::Text(text) => format!("text {}", text.escape_ascii()),
                Piece::Escape(raw) => format!("escape {}", raw.escape_ascii()),
                Piece::Csi(csi) => format!("csi {}", csi.raw[2..].escape_ascii()),
                Piece::String(kind, body) => format!("{kind:?} {}", body.escape_ascii()),
                Piece::Broken(raw) => format!("broken {}", raw.escape_ascii()),
            });
        });
        all
    }

    const EVERYTHING: &[u8] =
        b"ab\x1b[?1049h\x1b[38;2;1;2;3mc\x1b7\x1b(B\x1b]0;title\x07\x1b_Ga=q;AA\x1b\\\x1bPq#0~\x1b\\d";
    const ITS_PIECES: [&str; 9] = [
        "text ab",
        "csi ?1049h",
        "csi 38;2;1;2;3m",
        "text c",
        "escape \\x1b7",
        "escape \\x1b(B",
        "Osc 0;title",
        "Apc Ga=q;AA",
        "Dcs q#0~",
    ];

    #[test]
    fn output_is_cut_at_its_sequences() {
        let found = pieces(&mut Splitter::default(), EVERYTHING);
        assert_eq!(found[..9], ITS_PIECES);
        assert_eq!(found[9..], ["text d"]);
    }

    #[test]
    fn where_the_reads_cut_makes_no_difference() {
        for cut in 1..EVERYTHING.len() {
            let mut splitter = Splitter::default();
            let mut found = pieces(&mut splitter, &EVERYTHING[..cut]);
            found.extend(pieces(&mut splitter, &EVERYTHING[cut..]));
            let joined: String = found.concat().replace("text ", "");
            let expected: String = ITS_PIECES.concat().replace("text ", "") + "d";
            assert_eq!(joined, expected, "cut at {cut}");
        }
    }

    #[test]
    fn tmux_passes_the_sequences_inside_on_and_others_do_not() {
        let wrapped = b"\x1bPtmux;\x1b\x1b_Ga=T;AA\x1b\x1b\\\x1b\\";
        assert_eq!(pieces(&mut Splitter::in_tmux(), wrapped), ["Apc Ga=T;AA"]);
        assert_eq!(
            pieces(&mut Splitter::default(), wrapped),
            ["Dcs tmux;\\x1b_Ga=T;AA\\x1b\\\\"]
        );
    }

    #[test]
    fn a_sequence_that_is_broken_off_is_told() {
        let found = pieces(&mut Splitter::default(), b"\x1b[12\x1b[Hx\x1b_Gabc\x1b[Jy");
        assert_eq!(
            found,
            [
                "broken \\x1b[12",
                "csi H",
                "text x",
                "broken Gabc",
                "csi J",
                "text y"
            ]
        );
    }
}
