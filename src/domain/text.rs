//! Text that came from outside.
//!
//! [`RemoteText`] keeps what the service sent and cannot be printed by accident: it has no `Display`. What a person
//! may see goes through [`RemoteText::shown`], the one cleaning function at the border (`reliability.md` L1, L2, E10).

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

/// The longest text that is shown, in characters (`reliability.md` E10). Longer ones end in `…`.
pub const SHOWN_LIMIT: usize = 256;

/// How many combining marks in a row are shown (`reliability.md` L2).
const COMBINING_LIMIT: usize = 4;

/// Text exactly as a service sent it. Compare and serialise it raw; show it only through [`RemoteText::shown`].
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RemoteText(Box<str>);

impl RemoteText {
    /// Wraps text from outside.
    pub fn new(text: impl Into<Box<str>>) -> Self {
        Self(text.into())
    }

    /// Wraps text unless it is empty or white space alone, which the services use for "nothing here".
    pub fn non_empty(text: impl Into<Box<str>>) -> Option<Self> {
        let text = text.into();
        if text.trim().is_empty() {
            None
        } else {
            Some(Self(text))
        }
    }

    /// What the service sent: for comparing, for requests and for machine-readable output. Never for a terminal.
    pub fn raw(&self) -> &str {
        &self.0
    }

    /// What may be shown: no control or direction characters, a bounded length.
    pub fn shown(&self) -> Cow<'_, str> {
        clean(&self.0)
    }

    /// True if the service sent an empty text.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for RemoteText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RemoteText({:?})", &*self.shown())
    }
}

impl From<&str> for RemoteText {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl From<String> for RemoteText {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

/// Makes any text safe to show on a terminal, in a log line or in an error message.
///
/// C0 and C1 controls, DEL, line and paragraph separators become `␀`-style pictures or `·`; direction overrides,
/// zero-width and other invisible format characters, tags and private-use characters become `·`; at most four
/// combining marks in a row are kept; the whole is cut to [`SHOWN_LIMIT`] characters.
pub fn clean(text: &str) -> Cow<'_, str> {
    let is_plain = text.len() <= SHOWN_LIMIT && text.bytes().all(|byte| (0x20..0x7f).contains(&byte));
    if is_plain {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len().min(4 * SHOWN_LIMIT));
    let mut combining = 0;
    for (position, character) in text.chars().enumerate() {
        if position >= SHOWN_LIMIT {
            shown.push('…');
            break;
        }
        // Some of those that hide are combining marks as well.
        if unicode_normalization::char::is_combining_mark(character) && !is_invisible(character) {
            combining += 1;
            if combining <= COMBINING_LIMIT {
                shown.push(character);
            }
            continue;
        }
        combining = 0;
        match character {
            '\u{0}'..='\u{1f}' => shown.push(char::from_u32(0x2400 + character as u32).unwrap_or('·')),
            '\u{7f}' => shown.push('␡'),
            _ if is_invisible(character) => shown.push('·'),
            _ => shown.push(character),
        }
    }
    Cow::Owned(shown)
}

/// Characters that would steer the terminal or hide from the reader.
fn is_invisible(character: char) -> bool {
    matches!(character,
        '\u{80}'..='\u{9f}'            // C1 controls
        | '\u{ad}'                     // soft hyphen
        | '\u{61c}'                    // Arabic letter mark
        | '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}' // Hangul fillers
        | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}'      // zero width, direction marks
        | '\u{2028}'..='\u{202e}'      // separators, direction overrides
        | '\u{2060}'..='\u{206f}'
        | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
        | '\u{e000}'..='\u{f8ff}'      // private use
        | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{10ffff}') // tags, variation selectors supplement, private planes
}
