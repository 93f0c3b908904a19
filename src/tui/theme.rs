//! Colours and signs. Nothing is told by colour alone; every sign has an ASCII twin.

use ratatui::style::{Color, Modifier, Style};
use ratatui::symbols::border;

use crate::domain::comparison::Verdict;
use crate::domain::run::Outcome;

/// A set of colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Palette {
    /// For dark backgrounds.
    Dark,
    /// For light backgrounds.
    Light,
    /// The terminal's own sixteen colours, on whatever background.
    Sixteen,
    /// No colour at all: bold, reversed and underlined.
    Plain,
}

impl Palette {
    /// All, in the order in which the key goes through them.
    pub const ALL: [Self; 4] = [Self::Dark, Self::Light, Self::Sixteen, Self::Plain];

    /// The name in the configuration.
    pub fn code(self) -> &'static str {
        match self {
            Self::Dark => "dark",
            Self::Light => "light",
            Self::Sixteen => "sixteen",
            Self::Plain => "plain",
        }
    }

    /// Reads a name.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|palette| palette.code() == code)
    }

    /// The next one.
    #[must_use]
    pub fn next(self) -> Self {
        let position = Self::ALL.iter().position(|palette| *palette == self).unwrap_or(0);
        Self::ALL[(position + 1) % Self::ALL.len()]
    }
}

/// How everything looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Theme {
    /// Which colours.
    pub palette: Palette,
    /// Signs and lines in ASCII alone.
    pub is_ascii: bool,
}

impl Theme {
    fn pick(self, dark: Color, light: Color, sixteen: Color) -> Style {
        match self.palette {
            Palette::Dark => Style::new().fg(dark),
            Palette::Light => Style::new().fg(light),
            Palette::Sixteen => Style::new().fg(sixteen),
            Palette::Plain => Style::new(),
        }
    }

    /// Ordinary text.
    pub fn text(self) -> Style {
        Style::new()
    }

    /// Text of less weight.
    pub fn quiet(self) -> Style {
        match self.palette {
            Palette::Dark => Style::new().fg(Color::Indexed(246)),
            Palette::Light => Style::new().fg(Color::Indexed(242)),
            Palette::Sixteen | Palette::Plain => Style::new().add_modifier(Modifier::DIM),
        }
    }

    /// Headlines and what is chosen.
    pub fn strong(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    /// Names of keys, the program's own name.
    pub fn accent(self) -> Style {
        // The blue of sixteen cannot be read on black.
        self.pick(Color::Indexed(75), Color::Indexed(25), Color::Cyan)
            .add_modifier(Modifier::BOLD)
    }

    /// The row under the cursor.
    pub fn cursor(self) -> Style {
        match self.palette {
            Palette::Dark => Style::new().bg(Color::Indexed(237)).add_modifier(Modifier::BOLD),
            Palette::Light => Style::new().bg(Color::Indexed(253)).add_modifier(Modifier::BOLD),
            // One piece, whatever colours stand in it.
            Palette::Sixteen | Palette::Plain => Style::new()
                .fg(Color::Reset)
                .bg(Color::Reset)
                .add_modifier(Modifier::REVERSED)
                .remove_modifier(Modifier::DIM),
        }
    }

    /// A marked row's sign, and how many are marked.
    pub fn marked(self) -> Style {
        self.pick(Color::Indexed(215), Color::Indexed(130), Color::Yellow)
            .add_modifier(Modifier::BOLD)
    }

    /// Letters that the filter has found.
    pub fn found(self) -> Style {
        self.pick(Color::Indexed(215), Color::Indexed(130), Color::Yellow)
            .add_modifier(Modifier::BOLD | Modifier::UNDERLINED)
    }

    /// All is well.
    pub fn good(self) -> Style {
        self.pick(Color::Indexed(114), Color::Indexed(28), Color::Green)
    }

    /// Deserves a look.
    pub fn warning(self) -> Style {
        self.pick(Color::Indexed(221), Color::Indexed(130), Color::Yellow)
    }

    /// Went wrong.
    pub fn bad(self) -> Style {
        self.pick(Color::Indexed(203), Color::Indexed(160), Color::Red)
            .add_modifier(Modifier::BOLD)
    }

    /// The name of a profile that writes to production.
    pub fn production(self) -> Style {
        match self.palette {
            Palette::Plain => Style::new().add_modifier(Modifier::REVERSED | Modifier::BOLD),
            _ => Style::new()
                .fg(Color::White)
                .bg(Color::Red)
                .add_modifier(Modifier::BOLD),
        }
    }

    /// Frames.
    pub fn frame(self) -> Style {
        match self.palette {
            Palette::Dark => Style::new().fg(Color::Indexed(240)),
            Palette::Light => Style::new().fg(Color::Indexed(248)),
            Palette::Sixteen | Palette::Plain => Style::new(),
        }
    }

    /// A verdict's sign and word.
    pub fn verdict(self, verdict: Verdict) -> Style {
        match verdict {
            Verdict::InSync | Verdict::SamePicture => self.good(),
            Verdict::Differs | Verdict::Missing => self.warning(),
            Verdict::OnlyInTarget => self.pick(Color::Indexed(80), Color::Indexed(30), Color::Cyan),
            Verdict::Broken | Verdict::Error => self.bad(),
            Verdict::Unmatched | Verdict::Ambiguous => {
                self.pick(Color::Indexed(176), Color::Indexed(90), Color::Magenta)
            }
            Verdict::Neither | Verdict::Excluded | Verdict::Undecided => self.quiet(),
        }
    }

    /// An outcome's word.
    pub fn outcome(self, outcome: Outcome) -> Style {
        match outcome {
            Outcome::Updated | Outcome::Removed => self.good(),
            Outcome::Failed => self.bad(),
            Outcome::ChangedMeanwhile => self.warning(),
            Outcome::Unchanged | Outcome::NoPhoto | Outcome::Skipped => self.quiet(),
        }
    }

    /// A sign, or its ASCII twin.
    pub fn sign<T>(self, sign: T, ascii: T) -> T {
        if self.is_ascii { ascii } else { sign }
    }

    /// The sign of a verdict.
    pub fn symbol(self, verdict: Verdict) -> char {
        let (symbol, ascii) = verdict.symbol();
        self.sign(symbol, ascii)
    }

    /// Lines of frames.
    pub fn border(self) -> border::Set<'static> {
        if self.is_ascii {
            border::Set {
                top_left: "+",
                top_right: "+",
                bottom_left: "+",
                bottom_right: "+",
                vertical_left: "|",
                vertical_right: "|",
                horizontal_top: "-",
                horizontal_bottom: "-",
            }
        } else {
            border::PLAIN
        }
    }
}
