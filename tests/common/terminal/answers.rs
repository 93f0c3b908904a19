//! What the pretend terminal says when it is asked.

use std::time::Duration;

use super::picture::CellSize;

/// Which terminal it pretends to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Kitty since 0.28: graphics with placeholders, keyboard protocol, synchronized update.
    Kitty,
    /// Kitty before that: it answers the graphics query and shows placeholders as boxes.
    OldKitty,
    /// foot, mlterm, xterm as a VT340.
    Sixel,
    /// iTerm2.
    Iterm2,
    /// No pictures; it answers what every terminal answers and does not know its name.
    Plain,
    /// Answers nothing at all.
    Silent,
    /// Kitty at the other end of a bad line: every answer comes this much later.
    Late(Duration),
    /// Answers everything with something else.
    Nonsense,
}

impl Kind {
    /// Whether it draws kitty's graphics.
    pub fn draws_kitty(self) -> bool {
        matches!(self, Self::Kitty | Self::OldKitty | Self::Late(_))
    }

    /// Whether it draws pictures at placeholders.
    pub fn knows_placeholders(self) -> bool {
        matches!(self, Self::Kitty | Self::Late(_))
    }

    /// Whether it draws sixels.
    pub fn draws_sixel(self) -> bool {
        matches!(self, Self::Sixel)
    }

    /// Whether it draws iTerm2's inline images.
    pub fn draws_iterm2(self) -> bool {
        matches!(self, Self::Iterm2)
    }

    /// What it calls itself.
    pub fn name(self) -> Option<&'static str> {
        match self {
            Self::Kitty | Self::Late(_) => Some("kitty(0.41.1)"),
            Self::OldKitty => Some("kitty(0.26.5)"),
            Self::Sixel => Some("foot(1.21.0)"),
            Self::Iterm2 => Some("iTerm2 3.5.10"),
            Self::Plain | Self::Silent | Self::Nonsense => None,
        }
    }

    /// The variables it sets for programs in it.
    pub fn environment(self) -> Vec<(&'static str, &'static str)> {
        let mut variables = vec![("COLORTERM", "truecolor"), ("LANG", "C.UTF-8")];
        variables.push(match self {
            Self::Kitty | Self::OldKitty | Self::Late(_) => ("TERM", "xterm-kitty"),
            Self::Sixel => ("TERM", "foot"),
            _ => ("TERM", "xterm-256color"),
        });
        if self == Self::Iterm2 {
            variables.extend([
                ("TERM_PROGRAM", "iTerm.app"),
                ("TERM_PROGRAM_VERSION", "3.5.10"),
                ("LC_TERMINAL", "iTerm2"),
            ]);
        }
        variables
    }

    fn attributes(self) -> &'static str {
        match self {
            Self::Sixel => "62;4;22",
            Self::Iterm2 => "64;1;2;17;18;21;22",
            Self::Kitty | Self::OldKitty | Self::Late(_) => "62;",
            Self::Plain | Self::Silent | Self::Nonsense => "1;2",
        }
    }
}

/// What a program can ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// `CSI c`.
    Attributes,
    /// `CSI > c`.
    SecondAttributes,
    /// `CSI 5 n`.
    Status,
    /// `CSI 6 n`: row and column from 0.
    Cursor(u16, u16),
    /// `CSI 14 t`.
    WindowPixels,
    /// `CSI 16 t`.
    CellPixels,
    /// `CSI 18 t`.
    WindowCells,
    /// `CSI > q`.
    Name,
    /// `OSC 10 ; ?` and the like: the number.
    Colour(u16),
    /// `OSC 4 ; n ; ?`: the number.
    PaletteColour(u16),
    /// `CSI ? 996 n`.
    ColourScheme,
    /// `CSI ? u`.
    KeyboardProtocol,
    /// `CSI ? mode $ p`: the mode and whether it is set.
    Mode(u16, bool),
    /// `DCS + q` and `DCS $ q`: which of both.
    Capability(char),
    /// A kitty graphics command that wants an answer, which is this.
    Graphics(Vec<u8>),
}

/// Who answers, and what it knows about itself.
#[derive(Clone, Debug)]
pub struct Manner {
    pub kind: Kind,
    /// Its name, if it is not the usual one of its kind.
    pub name: Option<String>,
    /// Dark text on a light ground.
    pub is_light: bool,
}

/// The size of the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    pub columns: u16,
    pub rows: u16,
    pub cell: CellSize,
}

impl Manner {
    /// The answer, if there is one.
    pub fn answer(&self, question: &Question, window: Geometry) -> Option<Vec<u8>> {
        match self.kind {
            Kind::Silent => None,
            Kind::Nonsense => Some(nonsense(question)),
            _ => self.sensible(question, window).map(String::into_bytes),
        }
    }

    /// How long an answer takes.
    pub fn delay(&self) -> Duration {
        match self.kind {
            Kind::Late(delay) => delay,
            _ => Duration::ZERO,
        }
    }

    fn sensible(&self, question: &Question, window: Geometry) -> Option<String> {
        let is_modern = matches!(
            self.kind,
            Kind::Kitty | Kind::OldKitty | Kind::Late(_) | Kind::Sixel
        );
        let CellSize { width, height } = window.cell;
        let (columns, rows) = (window.columns, window.rows);
        Some(match question {
            Question::Attributes => format!("\x1b[?{}c", self.kind.attributes()),
            Question::SecondAttributes => "\x1b[>0;276;0c".into(),
            Question::Status => "\x1b[0n".into(),
            Question::Cursor(row, column) => format!("\x1b[{};{}R", row + 1, column + 1),
            Question::WindowPixels => format!("\x1b[4;{};{}t", height * rows, width * columns),
            Question::CellPixels => format!("\x1b[6;{height};{width}t"),
            Question::WindowCells => format!("\x1b[8;{rows};{columns}t"),
            Question::Name => {
                let name = self.name.as_deref().or(self.kind.name())?;
                format!("\x1bP>|{name}\x1b\\")
            }
            Question::Colour(number) => {
                let is_bright = (*number == 11) == self.is_light;
                let level = if is_bright { "f0f0" } else { "1212" };
                format!("\x1b]{number};rgb:{level}/{level}/{level}\x1b\\")
            }
            Question::PaletteColour(number) => format!("\x1b]4;{number};rgb:8080/8080/8080\x1b\\"),
            Question::ColourScheme if is_modern => {
                format!("\x1b[?997;{}n", if self.is_light { 2 } else { 1 })
            }
            Question::KeyboardProtocol if is_modern => "\x1b[?0u".into(),
            Question::Mode(2026, is_set) if is_modern => mode(2026, *is_set),
            Question::Mode(number @ (1 | 7 | 25 | 1000..=1006 | 1049 | 2004), is_set) => {
                mode(*number, *is_set)
            }
            Question::Mode(number, _) => format!("\x1b[?{number};0$y"),
            Question::Capability(which) => format!("\x1bP0{which}r\x1b\\"),
            Question::Graphics(answer) if self.kind.draws_kitty() => {
                String::from_utf8(answer.clone()).ok()?
            }
            Question::Graphics(_) | Question::ColourScheme | Question::KeyboardProtocol => return None,
        })
    }
}

fn mode(number: u16, is_set: bool) -> String {
    format!("\x1b[?{number};{}$y", if is_set { 1 } else { 2 })
}

/// Sequences a careless reader trips over. None of them is a key in any reading that knows where sequences end.
fn nonsense(question: &Question) -> Vec<u8> {
    let bytes: &[u8] = match question {
        Question::Attributes | Question::SecondAttributes => b"\x1b[?;;99999999999;c",
        Question::Name => b"\x1bP>|\xff\xfe(q)kitty\x1b\\",
        Question::Colour(_) | Question::PaletteColour(_) => b"\x1b]11;pink\x07",
        Question::Graphics(_) => b"\x1b_Gi=999;ENODATA:q\x1b\\",
        Question::WindowPixels | Question::CellPixels | Question::WindowCells => b"\x1b[6;0;0t",
        Question::Cursor(..) => b"\x1b[0;0R",
        _ => b"\x1b[?1;2;3;4$y",
    };
    bytes.to_vec()
}
