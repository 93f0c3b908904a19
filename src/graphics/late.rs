//! Answers that come after the time limit, in the clothes of keys (`reliability.md` K6).
//!
//! Over a slow line a terminal's name may arrive when the keyboard is being read for commands already. crossterm knows
//! most answers and drops them; those that are strings it takes for Alt+P, Alt+_ or Alt+] and a row of letters, of which one
//! might be the command to quit.

use std::time::{Duration, Instant};

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// For how long after the start a late answer is expected.
const EXPECTED: Duration = Duration::from_secs(10);
/// An answer arrives in one piece, and nobody types this fast.
const LONGEST_PAUSE: Duration = Duration::from_millis(100);
/// No answer is longer, in characters.
const LONGEST: usize = 256;

/// Tells late answers from keys, for a terminal that was asked and did not answer in time.
#[derive(Debug)]
pub struct LateAnswers {
    until: Instant,
    /// Inside of an answer: since when, and how many characters it has had.
    inside: Option<(Instant, usize)>,
}

impl LateAnswers {
    /// Expects them from `now` on.
    pub fn expected_from(now: Instant) -> Self {
        Self {
            until: now + EXPECTED,
            inside: None,
        }
    }

    /// Whether this key is part of a late answer and is to be ignored.
    pub fn swallow(&mut self, key: &KeyEvent, now: Instant) -> bool {
        let is_escaped = key.modifiers.contains(KeyModifiers::ALT);
        let starts = is_escaped && matches!(key.code, KeyCode::Char('P' | '_' | ']')) && now < self.until;
        let is_bell =
            key.modifiers.contains(KeyModifiers::CONTROL) && matches!(key.code, KeyCode::Char('g' | 'G'));
        let ends = is_bell || is_escaped && key.code == KeyCode::Char('\\');
        match self.inside {
            Some((last, length)) if now.duration_since(last) <= LONGEST_PAUSE && length < LONGEST => {
                self.inside = (!ends).then_some((now, length + 1));
                true
            }
            _ => {
                self.inside = starts.then_some((now, 0));
                starts
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(text: &str) -> Vec<KeyEvent> {
        let mut modifiers = KeyModifiers::NONE;
        let mut keys = Vec::new();
        for character in text.chars() {
            if character == '\x1b' {
                modifiers = KeyModifiers::ALT;
            } else if character == '\x07' {
                keys.push(KeyEvent::new(KeyCode::Char('g'), KeyModifiers::CONTROL));
            } else {
                keys.push(KeyEvent::new(KeyCode::Char(character), modifiers));
                modifiers = KeyModifiers::NONE;
            }
        }
        keys
    }

    fn kept(text: &str, late: &mut LateAnswers, now: Instant) -> String {
        let codes = keys(text)
            .into_iter()
            .filter(|key| !late.swallow(key, now))
            .map(|key| key.code);
        codes.filter_map(|code| code.as_char()).collect()
    }

    #[test]
    fn a_late_name_and_a_late_reply_type_nothing() {
        let now = Instant::now();
        let mut late = LateAnswers::expected_from(now);
        let heard = "j\x1bP>|kitty(0.41.1) quit\x1b\\k\x1b_Gi=31;OK\x1b\\\x1b]11;rgb:ff/ff/ff\x07q";
        assert_eq!(kept(heard, &mut late, now), "jkq");
    }

    #[test]
    fn an_answer_that_breaks_off_costs_no_later_key() {
        let now = Instant::now();
        let mut late = LateAnswers::expected_from(now);
        assert_eq!(kept("\x1bP>|ki", &mut late, now), "");
        let later = now + LONGEST_PAUSE + Duration::from_millis(1);
        assert_eq!(kept("q", &mut late, later), "q");
        assert_eq!(kept("\x1bP", &mut late, later), "");
        assert_eq!(kept(&"x".repeat(LONGEST + 3), &mut late, later), "xxx");
    }

    #[test]
    fn nothing_is_swallowed_when_none_can_come_any_more() {
        let now = Instant::now();
        let mut late = LateAnswers::expected_from(now);
        let later = now + EXPECTED;
        assert_eq!(kept("\x1bPx", &mut late, later), "Px");
    }
}
