//! Machine-readable output that is also safe to look at.
//!
//! Values are raw, so that scripts can compare them; but every character that could steer a terminal or hide from a
//! reader is written as a `\u` escape, which parses back to the same value.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::Serializer;
use serde_json::ser::Formatter;

/// Writes one value on one line.
pub fn line(out: &mut dyn Write, value: &impl Serialize) -> io::Result<()> {
    value.serialize(&mut Serializer::with_formatter(&mut *out, SafeFormatter))?;
    out.write_all(b"\n")
}

struct SafeFormatter;

impl Formatter for SafeFormatter {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut plain_from = 0;
        for (position, character) in fragment.char_indices() {
            if !needs_escape(character) {
                continue;
            }
            writer.write_all(&fragment.as_bytes()[plain_from..position])?;
            let mut units = [0; 2];
            for unit in character.encode_utf16(&mut units) {
                write!(writer, "\\u{unit:04x}")?;
            }
            plain_from = position + character.len_utf8();
        }
        writer.write_all(&fragment.as_bytes()[plain_from..])
    }
}

/// True for what [`crate::domain::text::clean`] would not show as it is.
fn needs_escape(character: char) -> bool {
    if (' '..'\u{7f}').contains(&character) {
        return false;
    }
    let mut buffer = [0; 4];
    let text: &str = character.encode_utf8(&mut buffer);
    crate::domain::text::clean(text) != text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steering_characters_are_escaped_and_parse_back_to_the_same_value() {
        let name = "a\u{1b}]8;;\u{7}b\u{9b}31m\u{202e}c\u{7f}\u{e0041}é山";
        let mut out = Vec::new();
        line(&mut out, &name).expect("memory");
        let text = String::from_utf8(out).expect("JSON is UTF-8");
        assert!(
            text.trim_end()
                .chars()
                .all(|character| !needs_escape(character) && !character.is_control()),
            "{text}"
        );
        assert!(text.contains("é山"));
        assert_eq!(serde_json::from_str::<String>(&text).expect("valid"), name);
    }
}
