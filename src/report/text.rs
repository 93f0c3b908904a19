//! Lines and columns for people.

use anstyle::{AnsiColor, Style};
use jiff::Timestamp;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::domain::comparison::Verdict;
use crate::domain::run::Outcome;

/// What the output can show, decided once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// Symbols and lines in ASCII alone.
    pub is_ascii: bool,
    /// Columns of the terminal; `None` for output that is not one, which nothing is cut for.
    pub width: Option<usize>,
}

impl Look {
    /// Symbol and word of a verdict: never colour alone.
    pub fn verdict(self, verdict: Verdict) -> String {
        format!("{} {}", self.symbol(verdict), verdict.words())
    }

    /// The one-cell symbol of a verdict.
    pub fn symbol(self, verdict: Verdict) -> char {
        let (symbol, ascii) = verdict.symbol();
        if self.is_ascii { ascii } else { symbol }
    }

    /// `…` or its twin.
    pub fn ellipsis(self) -> &'static str {
        if self.is_ascii { "..." } else { "…" }
    }

    /// `→` or its twin.
    pub fn arrow(self) -> &'static str {
        if self.is_ascii { "->" } else { "→" }
    }

    /// ` · ` or its twin.
    pub fn dot(self) -> &'static str {
        if self.is_ascii { " - " } else { " · " }
    }

    /// Cuts text to a width in cells and fills it up with spaces.
    pub fn cell(self, text: &str, width: usize) -> String {
        let own = text.width();
        if own <= width {
            return format!("{text}{}", " ".repeat(width - own));
        }
        let mark = self.ellipsis();
        let room = width.saturating_sub(mark.width());
        let mut cut = String::new();
        let mut used = 0;
        for character in text.chars() {
            let cells = character.width().unwrap_or(0);
            if used + cells > room {
                break;
            }
            used += cells;
            cut.push(character);
        }
        format!(
            "{cut}{mark}{}",
            " ".repeat(width.saturating_sub(used + mark.width()))
        )
    }
}

/// The colour of a verdict, of the 16 that every terminal's theme defines.
pub fn verdict_style(verdict: Verdict) -> Style {
    let colour = match verdict {
        Verdict::InSync | Verdict::SamePicture => AnsiColor::Green,
        Verdict::Differs | Verdict::Missing => AnsiColor::Yellow,
        Verdict::OnlyInTarget => AnsiColor::Cyan,
        Verdict::Broken | Verdict::Error => AnsiColor::Red,
        Verdict::Unmatched | Verdict::Ambiguous | Verdict::Undecided => AnsiColor::Magenta,
        Verdict::Neither | Verdict::Excluded => return Style::new().dimmed(),
    };
    colour.on_default()
}

/// The colour of an outcome.
pub fn outcome_style(outcome: Outcome) -> Style {
    match outcome {
        Outcome::Updated | Outcome::Removed => AnsiColor::Green.on_default(),
        Outcome::Failed => AnsiColor::Red.on_default(),
        Outcome::ChangedMeanwhile => AnsiColor::Yellow.on_default(),
        Outcome::Unchanged | Outcome::NoPhoto | Outcome::Skipped => Style::new().dimmed(),
    }
}

/// A number with a comma every three digits.
pub fn number(value: u64) -> String {
    let digits = value.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// "1 avatar", "3 avatars".
pub fn avatars(count: u64) -> String {
    if count == 1 {
        "1 avatar".into()
    } else {
        format!("{} avatars", number(count))
    }
}

/// "1 person", "2 people".
pub fn people(count: u64) -> String {
    if count == 1 {
        "1 person".into()
    } else {
        format!("{} people", number(count))
    }
}

/// A size in bytes as people read it.
pub fn size(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{} KB", bytes.div_ceil(1_000)),
        1_000_000..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}

/// A moment, in UTC, to the minute.
pub fn moment(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        assert_eq!(
            [0, 999, 1_000, 12_431, 1_000_000].map(number),
            ["0", "999", "1,000", "12,431", "1,000,000"]
        );
    }

    #[test]
    fn cells_have_their_width_whatever_is_in_them() {
        let look = Look {
            is_ascii: false,
            width: Some(80),
        };
        for text in ["", "Ada", "Adele Vance-Wilber", "山田太郎さん", "José\u{301}"] {
            assert_eq!(look.cell(text, 8).width(), 8, "{text}");
        }
        assert_eq!(look.cell("山田太郎さん", 8), "山田太… ");
    }
}
