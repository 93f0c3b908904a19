//! Which key means what: one table, made once from the defaults and the configuration.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::intent::{Context, ENTRIES, Intent};

/// A key with what is held down beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// The key; letters carry their case.
    pub code: KeyCode,
    /// Control and Alt alone; Shift is in the letter.
    pub modifiers: KeyModifiers,
}

impl Key {
    /// A key by itself.
    pub const fn plain(code: KeyCode) -> Self {
        Self {
            code,
            modifiers: KeyModifiers::NONE,
        }
    }

    /// A letter, digit or sign.
    pub const fn letter(letter: char) -> Self {
        Self::plain(KeyCode::Char(letter))
    }

    /// From the terminal's event.
    pub fn of(event: &KeyEvent) -> Self {
        let kept = KeyModifiers::CONTROL | KeyModifiers::ALT;
        Self {
            code: event.code,
            modifiers: event.modifiers & kept,
        }
    }

    /// The letter typed, if it is one and nothing is held down beside it.
    pub fn typed(self) -> Option<char> {
        match self.code {
            KeyCode::Char(letter) if self.modifiers.is_empty() => Some(letter),
            _ => None,
        }
    }

    /// Reads a key as the configuration writes it: `x`, `X`, `ctrl-x`, `alt-x`, `space`, `enter`, `pageup`, `f1`.
    pub fn parse(text: &str) -> Option<Self> {
        let mut rest = text;
        let mut modifiers = KeyModifiers::NONE;
        loop {
            // "-" alone is a key, "ctrl--" is one with it.
            if let Some(after) = rest.strip_prefix("ctrl-").filter(|after| !after.is_empty()) {
                modifiers |= KeyModifiers::CONTROL;
                rest = after;
            } else if let Some(after) = rest.strip_prefix("alt-").filter(|after| !after.is_empty()) {
                modifiers |= KeyModifiers::ALT;
                rest = after;
            } else {
                break;
            }
        }
        let mut letters = rest.chars();
        let code = match (letters.next(), letters.next()) {
            (Some(letter), None) => KeyCode::Char(letter),
            _ => match NAMED.iter().find(|(name, _)| *name == rest) {
                Some((_, code)) => *code,
                None => KeyCode::F(
                    rest.strip_prefix('f')?
                        .parse()
                        .ok()
                        .filter(|number| (1..=24).contains(number))?,
                ),
            },
        };
        Some(Self { code, modifiers })
    }

    /// As help and footer show it.
    pub fn shown(self, is_ascii: bool) -> String {
        let name = match self.code {
            KeyCode::Up if !is_ascii => "↑".into(),
            KeyCode::Down if !is_ascii => "↓".into(),
            KeyCode::Left if !is_ascii => "←".into(),
            KeyCode::Right if !is_ascii => "→".into(),
            KeyCode::Enter if !is_ascii => "↵".into(),
            KeyCode::BackTab => "shift-tab".into(),
            KeyCode::Char(' ') => "space".into(),
            KeyCode::Char(letter) => letter.to_string(),
            KeyCode::F(number) => format!("F{number}"),
            code => NAMED
                .iter()
                .find(|(_, named)| *named == code)
                .map_or_else(String::new, |(name, _)| (*name).to_owned()),
        };
        let alt = if self.modifiers.contains(KeyModifiers::ALT) {
            "alt-"
        } else {
            ""
        };
        let ctrl = if self.modifiers.contains(KeyModifiers::CONTROL) {
            "ctrl-"
        } else {
            ""
        };
        format!("{ctrl}{alt}{name}")
    }
}

/// Keys with names.
const NAMED: &[(&str, KeyCode)] = &[
    ("up", KeyCode::Up),
    ("down", KeyCode::Down),
    ("left", KeyCode::Left),
    ("right", KeyCode::Right),
    ("pageup", KeyCode::PageUp),
    ("pagedown", KeyCode::PageDown),
    ("home", KeyCode::Home),
    ("end", KeyCode::End),
    ("tab", KeyCode::Tab),
    ("backtab", KeyCode::BackTab),
    ("space", KeyCode::Char(' ')),
    ("enter", KeyCode::Enter),
    ("esc", KeyCode::Esc),
    ("backspace", KeyCode::Backspace),
    ("delete", KeyCode::Delete),
    ("insert", KeyCode::Insert),
];

/// A configured key that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeymapError {
    /// No such action.
    #[error("keys.{code}: there is no such action; there are {}", all_codes())]
    UnknownIntent {
        /// What was written.
        code: String,
    },
    /// Not a key.
    #[error("keys.{code}: {key:?} is no key; write it as x, X, ctrl-x, alt-x, space, enter, pageup or f1")]
    UnknownKey {
        /// The action.
        code: String,
        /// What was written.
        key: String,
    },
    /// Two actions of one place want the same key.
    #[error("keys.{code}: {key:?} is the key of {other:?} already; give that one another key too")]
    Taken {
        /// The action.
        code: String,
        /// The key.
        key: String,
        /// Who has it.
        other: &'static str,
    },
    /// There would be no way out.
    #[error("keys.quit: the program needs a key that ends it")]
    NoWayOut,
}

fn all_codes() -> String {
    let codes: Vec<&str> = ENTRIES.iter().map(|entry| entry.code).collect();
    codes.join(", ")
}

/// Which key means what.
#[derive(Clone, Debug)]
pub struct Keymap {
    bindings: Vec<(Key, Context, Intent)>,
}

impl Default for Keymap {
    fn default() -> Self {
        Self::with(std::iter::empty::<(&str, &[&str])>())
            .expect("the defaults fit together, which a test sees to")
    }
}

impl Keymap {
    /// The defaults, with other keys for some actions. An action that is given no key has none.
    pub fn with<'a, Keys>(configured: impl IntoIterator<Item = (&'a str, Keys)>) -> Result<Self, KeymapError>
    where
        Keys: IntoIterator,
        Keys::Item: AsRef<str>,
    {
        let mut chosen: Vec<(Intent, Vec<Key>)> = Vec::new();
        for (code, keys) in configured {
            let entry = ENTRIES
                .iter()
                .find(|entry| entry.code == code)
                .ok_or_else(|| KeymapError::UnknownIntent { code: code.into() })?;
            let keys = keys
                .into_iter()
                .map(|key| {
                    Key::parse(key.as_ref()).ok_or_else(|| KeymapError::UnknownKey {
                        code: code.into(),
                        key: key.as_ref().into(),
                    })
                })
                .collect::<Result<_, _>>()?;
            chosen.push((entry.intent, keys));
        }
        let mut bindings: Vec<(Key, Context, Intent)> = Vec::new();
        for entry in ENTRIES {
            let configured = chosen.iter().find(|(intent, _)| *intent == entry.intent);
            let keys = match configured {
                Some((_, keys)) => keys.clone(),
                None => entry.keys.iter().filter_map(|key| Key::parse(key)).collect(),
            };
            for key in keys {
                let clash = bindings
                    .iter()
                    .find(|(taken, context, _)| *taken == key && context.meets(entry.context));
                if let Some((_, _, other)) = clash {
                    return Err(KeymapError::Taken {
                        code: entry.code.into(),
                        key: key.shown(true),
                        other: other.entry().code,
                    });
                }
                bindings.push((key, entry.context, entry.intent));
            }
        }
        if !bindings.iter().any(|(_, _, intent)| *intent == Intent::Quit) {
            return Err(KeymapError::NoWayOut);
        }
        Ok(Self { bindings })
    }

    /// What a key means here.
    pub fn intent(&self, key: Key, here: Context) -> Option<Intent> {
        self.bindings
            .iter()
            .find(|(bound, context, _)| *bound == key && context.holds(here))
            .map(|(_, _, intent)| *intent)
    }

    /// The keys of an intent, as help shows them.
    pub fn keys(&self, intent: Intent, is_ascii: bool) -> Vec<String> {
        self.bindings
            .iter()
            .filter(|(_, _, bound)| *bound == intent)
            .map(|(key, _, _)| key.shown(is_ascii))
            .collect()
    }

    /// The first key of an intent, for the footer; empty if it has none.
    pub fn key(&self, intent: Intent, is_ascii: bool) -> String {
        self.keys(intent, is_ascii).into_iter().next().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_key_can_be_read_and_none_is_given_twice() {
        let keymap = Keymap::default();
        for entry in ENTRIES {
            for key in entry.keys {
                let key = Key::parse(key).unwrap_or_else(|| panic!("{key} is a key"));
                let here = if entry.context == Context::Everywhere {
                    Context::Run
                } else {
                    entry.context
                };
                assert_eq!(keymap.intent(key, here), Some(entry.intent), "{}", entry.code);
            }
        }
    }

    #[test]
    fn a_key_means_different_things_in_different_places() {
        let keymap = Keymap::default();
        assert_eq!(
            keymap.intent(Key::letter('p'), Context::People),
            Some(Intent::Push)
        );
        assert_eq!(keymap.intent(Key::letter('p'), Context::Run), Some(Intent::Pause));
        assert_eq!(keymap.intent(Key::letter('p'), Context::Plan), None);
    }

    #[test]
    fn configured_keys_replace_the_defaults() {
        let keymap = Keymap::with([("push", vec!["ctrl-p", "f5"])]).expect("fits");
        assert_eq!(keymap.intent(Key::letter('p'), Context::People), None);
        assert_eq!(keymap.keys(Intent::Push, true), ["ctrl-p", "F5"]);
    }

    #[test]
    fn what_cannot_work_is_refused_with_what_to_do() {
        let refused = |configured: &[(&str, &str)]| {
            let configured = configured.iter().map(|(code, key)| (*code, vec![*key]));
            Keymap::with(configured).expect_err("refused").to_string()
        };
        assert!(refused(&[("psuh", "x")]).contains("there is no such action"));
        assert!(refused(&[("push", "ctrl-")]).contains("is no key"));
        assert!(refused(&[("push", "j")]).contains("is the key of \"down\""));
        assert_eq!(
            Keymap::with([("quit", Vec::<&str>::new())]).expect_err("refused"),
            KeymapError::NoWayOut
        );
    }

    #[test]
    fn keys_read_as_they_are_written() {
        for text in [
            "x",
            "X",
            "ctrl-x",
            "ctrl-alt-x",
            "space",
            "pageup",
            "F12",
            "-",
            "ctrl--",
        ] {
            let key = Key::parse(&text.replace('F', "f")).unwrap_or_else(|| panic!("{text} is a key"));
            assert_eq!(key.shown(true), text);
        }
        for text in ["", "ctrl-", "f0", "f25", "hello"] {
            assert_eq!(Key::parse(text), None, "{text:?}");
        }
    }
}
