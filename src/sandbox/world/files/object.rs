//! A JSON object that is read key by key and knows where it stands, so that every error can say so.

use std::cell::RefCell;
use std::fmt;

use serde_json::{Map, Value};

use super::WorldError;

/// A place in `world.json`: `servicenow.users[3].avatars[0]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place(String);

impl Place {
    pub(super) fn root() -> Self {
        Self(String::new())
    }

    pub(super) fn key(&self, key: &str) -> Self {
        if self.0.is_empty() {
            Self(key.to_owned())
        } else {
            Self(format!("{self}.{key}"))
        }
    }

    fn item(&self, position: usize) -> Self {
        Self(format!("{self}[{position}]"))
    }

    /// An error about the value at this place.
    pub(super) fn problem(&self, problem: impl Into<String>) -> WorldError {
        WorldError::Value {
            place: self.to_string(),
            problem: problem.into(),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "world.json" } else { &self.0 })
    }
}

/// An object whose keys are taken out one by one. [`Object::finish`] complains about what is left over; the keys that
/// were asked for are the known ones.
pub(super) struct Object {
    pub(super) place: Place,
    values: Map<String, Value>,
    known: RefCell<Vec<&'static str>>,
}

impl Object {
    pub(super) fn new(place: Place, value: Value) -> Result<Self, WorldError> {
        match value {
            Value::Object(values) => Ok(Self {
                place,
                values,
                known: RefCell::default(),
            }),
            other => Err(place.problem(format!("expected an object, found {}", kind(&other)))),
        }
    }

    /// The value of a key; null is the same as no key.
    fn take(&mut self, key: &'static str) -> Option<Value> {
        self.known.borrow_mut().push(key);
        self.values.remove(key).filter(|value| !value.is_null())
    }

    fn wrong(&self, key: &str, expected: &str, found: &Value) -> WorldError {
        self.place
            .key(key)
            .problem(format!("expected {expected}, found {}", kind(found)))
    }

    /// A text.
    pub(super) fn text(&mut self, key: &'static str) -> Result<Option<String>, WorldError> {
        match self.take(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(self.wrong(key, "a text", &other)),
        }
    }

    /// A text that must be there and not be empty.
    pub(super) fn required(&mut self, key: &'static str) -> Result<String, WorldError> {
        match self.text(key)? {
            Some(text) if !text.is_empty() => Ok(text),
            Some(_) => Err(self.place.key(key).problem("must not be empty")),
            // A misspelt key is the likelier mistake than a forgotten one.
            None => match self
                .values
                .keys()
                .find(|written| strsim::damerau_levenshtein(written, key) <= 3)
            {
                Some(written) => Err(self.place.problem(format!(
                    "the key {key:?} is missing; {:?} is not known, is that what was meant?",
                    crate::domain::text::clean(written)
                ))),
                None => Err(self.place.problem(format!("the key {key:?} is missing; add it"))),
            },
        }
    }

    /// True or false.
    pub(super) fn flag(&mut self, key: &'static str, default: bool) -> Result<bool, WorldError> {
        match self.take(key) {
            None => Ok(default),
            Some(Value::Bool(flag)) => Ok(flag),
            Some(other) => Err(self.wrong(key, "true or false", &other)),
        }
    }

    /// A whole number in a range.
    pub(super) fn number(
        &mut self,
        key: &'static str,
        default: u64,
        low: u64,
        high: u64,
    ) -> Result<u64, WorldError> {
        let Some(value) = self.take(key) else {
            return Ok(default);
        };
        value
            .as_u64()
            .filter(|number| (low..=high).contains(number))
            .ok_or_else(|| {
                self.place.key(key).problem(format!(
                    "expected a whole number from {low} to {high}, found {value}"
                ))
            })
    }

    /// One of a few words.
    pub(super) fn word<T: Copy>(
        &mut self,
        key: &'static str,
        words: &[(&str, T)],
        default: Option<T>,
    ) -> Result<T, WorldError> {
        let choices = || {
            words
                .iter()
                .map(|(word, _)| format!("{word:?}"))
                .collect::<Vec<_>>()
                .join(", ")
        };
        match (self.text(key)?, default) {
            (None, Some(default)) => Ok(default),
            (None, None) => {
                let problem = format!("the key {key:?} is missing; it is one of {}", choices());
                Err(self.place.problem(problem))
            }
            (Some(text), _) => {
                let found = words.iter().find(|(word, _)| *word == text);
                found.map(|(_, value)| *value).ok_or_else(|| {
                    let problem = format!("{text:?} is not known here; it is one of {}", choices());
                    self.place.key(key).problem(problem)
                })
            }
        }
    }

    /// An object.
    pub(super) fn object(&mut self, key: &'static str) -> Result<Option<Self>, WorldError> {
        let place = self.place.key(key);
        self.take(key).map(|value| Self::new(place, value)).transpose()
    }

    /// A list of objects; empty if the key is not there.
    pub(super) fn objects(&mut self, key: &'static str) -> Result<Vec<Self>, WorldError> {
        let place = self.place.key(key);
        self.list(key)?
            .into_iter()
            .enumerate()
            .map(|(position, value)| Self::new(place.item(position), value))
            .collect()
    }

    /// A list of texts with their places; empty if the key is not there.
    pub(super) fn texts(&mut self, key: &'static str) -> Result<Vec<(Place, String)>, WorldError> {
        let place = self.place.key(key);
        self.list(key)?
            .into_iter()
            .enumerate()
            .map(|(position, value)| match value {
                Value::String(text) => Ok((place.item(position), text)),
                other => {
                    let problem = format!("expected a text, found {}", kind(&other));
                    Err(place.item(position).problem(problem))
                }
            })
            .collect()
    }

    fn list(&mut self, key: &'static str) -> Result<Vec<Value>, WorldError> {
        match self.take(key) {
            None => Ok(Vec::new()),
            Some(Value::Array(values)) => Ok(values),
            Some(other) => Err(self.wrong(key, "a list", &other)),
        }
    }

    /// Complains about a key that nobody asked for.
    pub(super) fn finish(self) -> Result<(), WorldError> {
        let Some(key) = self.values.keys().next() else {
            return Ok(());
        };
        let known = self.known.into_inner();
        let nearest = known
            .iter()
            .map(|candidate| {
                (
                    strsim::damerau_levenshtein(&key.to_lowercase(), &candidate.to_lowercase()),
                    candidate,
                )
            })
            .min()
            .filter(|(distance, candidate)| *distance <= 1 + candidate.len() / 3);
        let hint = match nearest {
            Some((_, candidate)) => format!("did you mean {candidate:?}?"),
            None => format!("known here are {}", known.join(", ")),
        };
        Err(WorldError::UnknownKey {
            place: self.place.to_string(),
            key: key.clone(),
            hint,
        })
    }
}

/// What a value is, in words.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
