//! Reads the keys of a JSON object one by one and complains in a sentence that names the key.
//!
//! The control address and the fault rules are written by hand, in tests and by people trying the program out. An
//! unknown key is therefore an error that says which known one it resembles.

use std::fmt::Display;

use serde_json::{Map, Value};

/// What is wrong with a JSON object somebody sent: a sentence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct FieldError(String);

impl FieldError {
    pub(crate) fn new(sentence: impl Display) -> Self {
        Self(sentence.to_string())
    }
}

/// A JSON object that is being read.
pub(crate) struct Fields {
    what: &'static str,
    values: Map<String, Value>,
    known: Vec<&'static str>,
}

impl Fields {
    /// Starts reading a JSON text; `what` names it in sentences: "a fault rule".
    pub(crate) fn parse(what: &'static str, text: &[u8]) -> Result<Self, FieldError> {
        let value = serde_json::from_slice(text).map_err(|error| {
            FieldError::new(format_args!(
                "This is not JSON, but {what} was expected: {error}."
            ))
        })?;
        Self::from_value(what, value)
    }

    /// Starts reading a JSON value, which must be an object.
    pub(crate) fn from_value(what: &'static str, value: Value) -> Result<Self, FieldError> {
        match value {
            Value::Object(values) => Ok(Self {
                what,
                values,
                known: Vec::new(),
            }),
            other => Err(FieldError::new(format_args!(
                "Expected {what} as a JSON object, found {}.",
                kind(&other)
            ))),
        }
    }

    /// The value as it is; `None` if the key is absent. `null` counts as absent.
    pub(crate) fn any(&mut self, key: &'static str) -> Option<Value> {
        self.known.push(key);
        self.values.remove(key).filter(|value| !value.is_null())
    }

    /// A text.
    pub(crate) fn text(&mut self, key: &'static str) -> Result<Option<String>, FieldError> {
        match self.any(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(self.wrong(key, "a text", &other)),
        }
    }

    /// One of the given words.
    pub(crate) fn word<T: Copy>(
        &mut self,
        key: &'static str,
        words: &[(&str, T)],
    ) -> Result<Option<T>, FieldError> {
        let Some(text) = self.text(key)? else {
            return Ok(None);
        };
        if let Some((_, value)) = words.iter().find(|(word, _)| *word == text) {
            return Ok(Some(*value));
        }
        let quoted: Vec<_> = words.iter().map(|(word, _)| format!("`{word}`")).collect();
        Err(FieldError::new(format_args!(
            "`{key}` of {} is `{text}`, but it must be one of {}.",
            self.what,
            quoted.join(", ")
        )))
    }

    /// `true` or `false`; absent is `false`.
    pub(crate) fn flag(&mut self, key: &'static str) -> Result<bool, FieldError> {
        match self.any(key) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(flag),
            Some(other) => Err(self.wrong(key, "true or false", &other)),
        }
    }

    /// A whole number within limits, both included.
    pub(crate) fn whole(
        &mut self,
        key: &'static str,
        least: i64,
        most: i64,
    ) -> Result<Option<i64>, FieldError> {
        match self.any(key) {
            None => Ok(None),
            Some(value) => match value.as_i64().filter(|number| (least..=most).contains(number)) {
                Some(number) => Ok(Some(number)),
                None => Err(self.wrong(key, format_args!("a whole number from {least} to {most}"), &value)),
            },
        }
    }

    /// A number within limits, both included.
    pub(crate) fn number(
        &mut self,
        key: &'static str,
        least: f64,
        most: f64,
    ) -> Result<Option<f64>, FieldError> {
        match self.any(key) {
            None => Ok(None),
            Some(value) => match value.as_f64().filter(|number| (least..=most).contains(number)) {
                Some(number) => Ok(Some(number)),
                None => Err(self.wrong(key, format_args!("a number from {least} to {most}"), &value)),
            },
        }
    }

    /// Ends the reading: a key that was never asked for is unknown.
    pub(crate) fn finish(self) -> Result<(), FieldError> {
        match self.values.keys().next() {
            None => Ok(()),
            Some(key) => Err(unknown_key(self.what, key, &self.known)),
        }
    }

    fn wrong(&self, key: &str, expected: impl Display, found: &Value) -> FieldError {
        FieldError::new(format_args!(
            "`{key}` of {} must be {expected}, not {}.",
            self.what,
            kind(found)
        ))
    }
}

/// The complaint about a key that nobody knows, with the nearest known one.
pub(crate) fn unknown_key(what: &str, key: &str, known: &[&str]) -> FieldError {
    let distance = |candidate: &str| {
        // Who writes one key inside another means it.
        if candidate.contains(key) || key.contains(candidate) {
            0
        } else {
            strsim::damerau_levenshtein(key, candidate)
        }
    };
    let nearest = known.iter().min_by_key(|candidate| distance(candidate));
    match nearest {
        Some(nearest) if distance(nearest) <= nearest.len().div_ceil(2) => FieldError::new(format_args!(
            "`{key}` is not a key of {what}. Did you mean `{nearest}`?"
        )),
        _ => FieldError::new(format_args!(
            "`{key}` is not a key of {what}, which knows {}.",
            known
                .iter()
                .map(|key| format!("`{key}`"))
                .collect::<Vec<_>>()
                .join(", ")
        )),
    }
}

fn kind(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => {
            let shown: String = text.chars().take(40).collect();
            format!("the text \"{shown}\"")
        }
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(text: &str) -> Fields {
        Fields::parse("a fault rule", text.as_bytes()).expect("an object")
    }

    #[test]
    fn an_unknown_key_is_named_together_with_the_nearest_known_one() {
        let mut fields = fields(r#"{"servce":"entra"}"#);
        assert_eq!(fields.text("service"), Ok(None));
        assert_eq!(fields.text("method"), Ok(None));

        let complaint = fields.finish().expect_err("unknown key").to_string();
        assert_eq!(
            complaint,
            "`servce` is not a key of a fault rule. Did you mean `service`?"
        );
    }

    #[test]
    fn a_key_unlike_any_other_is_answered_with_the_list_of_known_ones() {
        let mut fields = fields(r#"{"zzzzzz":1}"#);
        assert_eq!(fields.text("service"), Ok(None));

        let complaint = fields.finish().expect_err("unknown key").to_string();
        assert_eq!(
            complaint,
            "`zzzzzz` is not a key of a fault rule, which knows `service`."
        );
    }

    #[test]
    fn a_value_of_the_wrong_kind_is_named_with_what_was_expected() {
        let complaints = [
            fields(r#"{"skip":"three"}"#).whole("skip", 0, 9).unwrap_err(),
            fields(r#"{"skip":10}"#).whole("skip", 0, 9).unwrap_err(),
            fields(r#"{"probability":1.5}"#)
                .number("probability", 0.0, 1.0)
                .unwrap_err(),
            fields(r#"{"batch_item":"yes"}"#).flag("batch_item").unwrap_err(),
            fields(r#"{"drop":"later"}"#)
                .word("drop", &[("before", 1), ("after", 2)])
                .unwrap_err(),
        ];
        assert_eq!(
            complaints.map(|complaint| complaint.to_string()),
            [
                "`skip` of a fault rule must be a whole number from 0 to 9, not the text \"three\".",
                "`skip` of a fault rule must be a whole number from 0 to 9, not 10.",
                "`probability` of a fault rule must be a number from 0 to 1, not 1.5.",
                "`batch_item` of a fault rule must be true or false, not the text \"yes\".",
                "`drop` of a fault rule is `later`, but it must be one of `before`, `after`.",
            ]
        );
    }

    #[test]
    fn something_else_than_an_object_is_refused() {
        let complaint = Fields::parse("a fault rule", b"[1]").err().expect("refused");
        assert_eq!(
            complaint.to_string(),
            "Expected a fault rule as a JSON object, found a list."
        );
        assert!(Fields::parse("a fault rule", b"{").is_err());
    }
}
