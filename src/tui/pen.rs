//! Writing into cells: cut to width, aligned, cleaned. Every text from outside has passed `domain::text::clean`.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::theme::Theme;

/// Writes along one line, from left to right.
pub struct Pen<'a> {
    buffer: &'a mut Buffer,
    theme: Theme,
    x: u16,
    y: u16,
    end: u16,
}

impl<'a> Pen<'a> {
    /// At the beginning of a line of this area.
    pub fn new(buffer: &'a mut Buffer, theme: Theme, area: Rect, line: u16) -> Self {
        let y = area.y.saturating_add(line);
        let is_inside = line < area.height && y < buffer.area.bottom();
        Self {
            theme,
            x: area.x,
            y,
            end: if is_inside {
                area.right().min(buffer.area.right())
            } else {
                area.x
            },
            buffer,
        }
    }

    /// Columns left on the line.
    pub fn room(&self) -> usize {
        usize::from(self.end.saturating_sub(self.x))
    }

    /// Where the next cell is.
    pub fn column(&self) -> u16 {
        self.x
    }

    /// Writes text, cut with an ellipsis where the line ends.
    pub fn write(&mut self, text: &str, style: Style) -> &mut Self {
        let room = self.room();
        self.write_within(text, room, style)
    }

    /// Writes text, cut with an ellipsis to this many columns.
    pub fn write_within(&mut self, text: &str, width: usize, style: Style) -> &mut Self {
        let width = width.min(self.room());
        if width == 0 || text.is_empty() {
            return self;
        }
        let cut = cut(text, width, self.theme.is_ascii);
        let (x, _) = self
            .buffer
            .set_stringn(self.x, self.y, cut.as_ref(), width, style);
        self.x = x;
        self
    }

    /// Writes text into a column of this width, blanks behind it.
    pub fn cell(&mut self, text: &str, width: usize, style: Style) -> &mut Self {
        let start = self.x;
        self.write_within(text, width, style);
        self.x = start.saturating_add(width as u16).min(self.end);
        self
    }

    /// Leaves columns blank.
    pub fn skip(&mut self, columns: usize) -> &mut Self {
        self.x = self.x.saturating_add(columns as u16).min(self.end);
        self
    }

    /// Writes text at the end of the line, if it fits behind what stands there.
    pub fn right(&mut self, text: &str, style: Style) -> &mut Self {
        let width = text.width();
        if width < self.room() {
            self.x = self.end - width as u16;
            self.write(text, style);
        }
        self
    }
}

/// Cuts text to a width in columns, with an ellipsis where something is missing.
pub fn cut(text: &str, width: usize, is_ascii: bool) -> std::borrow::Cow<'_, str> {
    // Bytes are never fewer than columns.
    if text.len() <= width || text.width() <= width {
        return text.into();
    }
    let mark = if is_ascii { "~" } else { "…" };
    let room = width.saturating_sub(1);
    let mut used = 0;
    let mut end = 0;
    for (position, letter) in text.char_indices() {
        let columns = letter.width().unwrap_or(0);
        if used + columns > room {
            break;
        }
        used += columns;
        end = position + letter.len_utf8();
    }
    format!("{}{mark}", &text[..end]).into()
}

/// The end of a text that is being typed, with an ellipsis where its beginning is missing.
pub fn tail(text: &str, width: usize, is_ascii: bool) -> std::borrow::Cow<'_, str> {
    if text.width() <= width {
        return text.into();
    }
    let room = width.saturating_sub(1);
    let mut used = 0;
    let mut from = text.len();
    for (position, letter) in text.char_indices().rev() {
        used += letter.width().unwrap_or(0);
        if used > room {
            break;
        }
        from = position;
    }
    let mark = if is_ascii { "~" } else { "…" };
    format!("{mark}{}", &text[from..]).into()
}

/// Breaks text into so many lines at most; an ellipsis where something is missing.
pub fn wrap_within(text: &str, width: usize, most: usize, is_ascii: bool) -> Vec<String> {
    let mut lines = wrap(text, width);
    if lines.len() > most && most > 0 {
        let rest = lines.split_off(most - 1).join(" ");
        lines.push(cut(&rest, width, is_ascii).into_owned());
    }
    lines.truncate(most);
    lines
}

/// Breaks text into lines of at most this many columns, at blanks where there are any.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let width = width.max(1);
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut used = 0;
    for word in text.split_whitespace() {
        let columns = word.width();
        if used > 0 && used + 1 + columns > width {
            lines.push(std::mem::take(&mut line));
            used = 0;
        }
        if used > 0 {
            line.push(' ');
            used += 1;
        }
        for letter in word.chars() {
            let columns = letter.width().unwrap_or(0);
            if used + columns > width {
                lines.push(std::mem::take(&mut line));
                used = 0;
            }
            line.push(letter);
            used += columns;
        }
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_cut_says_so_and_keeps_to_its_columns() {
        assert_eq!(cut("Adele", 5, false), "Adele");
        assert_eq!(cut("Adele Vance", 6, false), "Adele…");
        assert_eq!(cut("Adele Vance", 6, true), "Adele~");
        // A wide letter that does not fit is left out whole.
        assert_eq!(cut("山田太郎", 4, false), "山…");
        assert_eq!(cut("Zoë", 3, false), "Zoë");
    }

    #[test]
    fn of_what_is_typed_the_end_is_seen() {
        assert_eq!(tail("status:missing", 20, false), "status:missing");
        assert_eq!(tail("status:missing", 8, false), "…missing");
        assert_eq!(tail("山田太郎", 4, true), "~郎");
    }

    #[test]
    fn lines_that_find_no_room_are_not_dropped_in_silence() {
        assert_eq!(
            wrap_within("shows the same picture", 10, 2, false),
            ["shows the", "same pict…"]
        );
        assert_eq!(wrap_within("shows", 10, 2, false), ["shows"]);
        assert_eq!(wrap_within("shows", 10, 0, false), Vec::<String>::new());
    }

    #[test]
    fn long_text_breaks_at_blanks_and_very_long_words_anywhere() {
        assert_eq!(
            wrap("shows the same picture", 10),
            ["shows the", "same", "picture"]
        );
        assert_eq!(wrap("abcdefghij", 4), ["abcd", "efgh", "ij"]);
        assert_eq!(wrap("", 4), Vec::<String>::new());
    }
}
