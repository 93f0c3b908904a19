//! From the terminal's events to messages: keys, pastes, the mouse; and what a terminal answers too late.

use std::time::Instant;

use crossterm::event::{Event, KeyCode, KeyEventKind, KeyModifiers, MouseEventKind};
use ratatui::layout::Size;
use tokio::sync::mpsc;

use super::keymap::Key;
use super::message::Message;
use crate::graphics::LateAnswers;

/// Events that may wait; when more come, the terminal's own buffer holds them.
const WAITING: usize = 1_024;
/// Reads the terminal on a thread of its own. The receiver ends when the terminal is gone.
pub fn listen(is_answer_due: bool) -> std::io::Result<mpsc::Receiver<Message>> {
    let (sender, receiver) = mpsc::channel(WAITING);
    std::thread::Builder::new()
        .name("keyboard".into())
        .spawn(move || {
            let mut sieve = Sieve::new(is_answer_due.then(|| LateAnswers::expected_from(Instant::now())));
            while let Ok(event) = crossterm::event::read() {
                if let Some(message) = sieve.message(event, Instant::now())
                    && sender.blocking_send(message).is_err()
                {
                    return;
                }
            }
        })?;
    Ok(receiver)
}

/// Tells what somebody did from what the terminal answers late.
#[derive(Debug)]
pub struct Sieve {
    late: Option<LateAnswers>,
}

impl Sieve {
    /// `late`: answers that may still come.
    pub fn new(late: Option<LateAnswers>) -> Self {
        Self { late }
    }

    /// What an event means; `None` for nothing.
    pub fn message(&mut self, event: Event, now: Instant) -> Option<Message> {
        match event {
            Event::Key(key) if key.kind == KeyEventKind::Release => None,
            Event::Key(key) if self.late.as_mut().is_some_and(|late| late.swallow(&key, now)) => None,
            Event::Key(key) => Some(Message::Key(Key::of(&key))),
            Event::Paste(text) => Some(Message::Paste(text)),
            Event::Mouse(event) => match event.kind {
                MouseEventKind::Down(_) | MouseEventKind::ScrollUp | MouseEventKind::ScrollDown => {
                    Some(Message::Mouse(event))
                }
                _ => None,
            },
            Event::Resize(width, height) => Some(Message::Resized(Size { width, height })),
            Event::FocusGained | Event::FocusLost => None,
        }
    }
}

/// Keys out of bytes that were typed before anybody read events: what people type blindly, no more.
pub fn keys_in(bytes: &[u8]) -> Vec<Key> {
    let text = String::from_utf8_lossy(bytes);
    let mut keys = Vec::new();
    let mut rest = text.as_ref();
    const SEQUENCES: &[(&str, KeyCode)] = &[
        ("\u{1b}[A", KeyCode::Up),
        ("\u{1b}[B", KeyCode::Down),
        ("\u{1b}[C", KeyCode::Right),
        ("\u{1b}[D", KeyCode::Left),
        ("\u{1b}OA", KeyCode::Up),
        ("\u{1b}OB", KeyCode::Down),
        ("\u{1b}OC", KeyCode::Right),
        ("\u{1b}OD", KeyCode::Left),
        ("\u{1b}[5~", KeyCode::PageUp),
        ("\u{1b}[6~", KeyCode::PageDown),
        ("\u{1b}[H", KeyCode::Home),
        ("\u{1b}[F", KeyCode::End),
    ];
    while let Some(letter) = rest.chars().next() {
        if let Some((sequence, code)) = SEQUENCES.iter().find(|(sequence, _)| rest.starts_with(sequence)) {
            keys.push(Key::plain(*code));
            rest = &rest[sequence.len()..];
            continue;
        }
        rest = &rest[letter.len_utf8()..];
        let code = match letter {
            '\r' | '\n' => KeyCode::Enter,
            '\t' => KeyCode::Tab,
            '\u{7f}' | '\u{8}' => KeyCode::Backspace,
            '\u{1b}' if rest.is_empty() => KeyCode::Esc,
            '\u{1b}' => continue,
            control @ '\u{1}'..='\u{1a}' => {
                keys.push(Key {
                    code: KeyCode::Char((control as u8 - 1 + b'a') as char),
                    modifiers: KeyModifiers::CONTROL,
                });
                continue;
            }
            other if other.is_control() => continue,
            other => KeyCode::Char(other),
        };
        keys.push(Key::plain(code));
    }
    keys
}

#[cfg(test)]
mod tests {
    use crossterm::event::KeyEvent;

    use super::*;

    fn press(code: KeyCode, modifiers: KeyModifiers) -> Event {
        Event::Key(KeyEvent::new(code, modifiers))
    }

    #[test]
    fn a_late_answer_is_no_key_and_keys_after_it_count() {
        let now = Instant::now();
        let mut sieve = Sieve::new(Some(LateAnswers::expected_from(now)));
        let answer = [
            ('P', KeyModifiers::ALT),
            ('q', KeyModifiers::NONE),
            ('\\', KeyModifiers::ALT),
        ];
        for (letter, modifiers) in answer {
            assert!(
                sieve
                    .message(press(KeyCode::Char(letter), modifiers), now)
                    .is_none()
            );
        }
        assert!(
            sieve
                .message(press(KeyCode::Char('q'), KeyModifiers::NONE), now)
                .is_some()
        );
    }

    #[test]
    fn keys_typed_blindly_are_understood() {
        let keys = keys_in(b"j\x1b[Bq\r\x0c\x1b");
        let letters = [
            Key::letter('j'),
            Key::plain(KeyCode::Down),
            Key::letter('q'),
            Key::plain(KeyCode::Enter),
            Key {
                code: KeyCode::Char('l'),
                modifiers: KeyModifiers::CONTROL,
            },
            Key::plain(KeyCode::Esc),
        ];
        assert_eq!(keys, letters);
    }
}
