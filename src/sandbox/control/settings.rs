//! The switches of the services over JSON: looked at, and changed a few at a time.

use parking_lot::Mutex;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::fields::{FieldError, unknown_key};

/// The switches of a service, as JSON.
pub(super) trait Switches: Send + Sync {
    /// All of them: an object.
    fn read(&self) -> Value;

    /// Changes some of them (a JSON merge patch: objects are merged, `null` restores the default). All or nothing.
    fn change(&self, change: Value) -> Result<(), FieldError>;
}

/// Switches kept as a plain struct, whose missing keys have defaults and whose unknown keys are errors.
pub(super) struct Panel<R, W> {
    /// `the ServiceNow settings`, in sentences.
    what: &'static str,
    read: R,
    write: W,
    /// Held while a change is read, merged and written.
    changing: Mutex<()>,
}

impl<T, R, W> Panel<R, W>
where
    T: Serialize + DeserializeOwned,
    R: Fn() -> T + Send + Sync,
    W: Fn(T) + Send + Sync,
{
    /// Switches that are read and written with these functions.
    pub(super) fn new(what: &'static str, read: R, write: W) -> Self {
        Self {
            what,
            read,
            write,
            changing: Mutex::new(()),
        }
    }

    fn current(&self) -> Value {
        serde_json::to_value((self.read)()).expect("settings are plain data")
    }
}

impl<T, R, W> Switches for Panel<R, W>
where
    T: Serialize + DeserializeOwned,
    R: Fn() -> T + Send + Sync,
    W: Fn(T) + Send + Sync,
{
    fn read(&self) -> Value {
        self.current()
    }

    fn change(&self, change: Value) -> Result<(), FieldError> {
        if !change.is_object() {
            return Err(FieldError::new(format_args!(
                "Expected {} as a JSON object.",
                self.what
            )));
        }
        let _changing = self.changing.lock();
        let current = self.current();
        let mut wanted = current.clone();
        merge(&mut wanted, &change);
        match serde_json::from_value::<T>(wanted) {
            Ok(settings) => {
                (self.write)(settings);
                Ok(())
            }
            Err(error) => Err(explain::<T>(self.what, &current, &change, &error)),
        }
    }
}

/// A JSON merge patch (RFC 7396).
fn merge(target: &mut Value, change: &Value) {
    let Value::Object(change) = change else {
        *target = change.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Value::Object(target) = target else {
        return;
    };
    for (key, value) in change {
        if value.is_null() {
            target.remove(key);
        } else {
            merge(target.entry(key).or_insert(Value::Null), value);
        }
    }
}

/// A sentence about the part of a change that cannot be read.
fn explain<T: DeserializeOwned>(
    what: &str,
    current: &Value,
    change: &Value,
    error: &serde_json::Error,
) -> FieldError {
    let (path, error) =
        first_mistake::<T>(current, change).unwrap_or_else(|| (String::new(), error.to_string()));
    // serde names the unknown field first and then all it knows, each between backticks.
    if error.starts_with("unknown field") {
        let mut names = error.split('`').skip(1).step_by(2);
        if let Some(key) = names.next() {
            return unknown_key(what, key, &names.collect::<Vec<_>>());
        }
    }
    FieldError::new(format_args!("`{path}` of {what} cannot be changed: {error}."))
}

/// The path of the first leaf that is a mistake on its own, and what serde says of it.
fn first_mistake<T: DeserializeOwned>(current: &Value, change: &Value) -> Option<(String, String)> {
    let mut leaves = Vec::new();
    collect_leaves(change, &mut Vec::new(), &mut leaves);
    leaves.into_iter().find_map(|(path, leaf)| {
        let alone = path.iter().rev().fold(leaf, |inner, key| {
            Value::Object(Map::from_iter([(key.clone(), inner)]))
        });
        let mut wanted = current.clone();
        merge(&mut wanted, &alone);
        let error = serde_json::from_value::<T>(wanted).err()?;
        Some((path.join("."), error.to_string()))
    })
}

fn collect_leaves(value: &Value, path: &mut Vec<String>, leaves: &mut Vec<(Vec<String>, Value)>) {
    match value {
        Value::Object(entries) if !entries.is_empty() => {
            for (key, value) in entries {
                path.push(key.clone());
                collect_leaves(value, path, leaves);
                path.pop();
            }
        }
        leaf => leaves.push((path.clone(), leaf.clone())),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Settings {
        throttling: bool,
        page: u32,
        avatar: Avatar,
    }

    #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Avatar {
        newest_first: bool,
        note: String,
    }

    impl Default for Settings {
        fn default() -> Self {
            Self {
                throttling: true,
                page: 200,
                avatar: Avatar::default(),
            }
        }
    }

    fn panel() -> impl Switches {
        let settings = Arc::new(Mutex::new(Settings::default()));
        let reader = Arc::clone(&settings);
        Panel::new(
            "the settings",
            move || reader.lock().clone(),
            move |changed| *settings.lock() = changed,
        )
    }

    #[test]
    fn a_change_touches_only_what_it_names_and_null_restores_the_default() {
        let panel = panel();
        panel
            .change(json!({"page": 5, "avatar": {"newest_first": true}}))
            .expect("accepted");
        let expected = json!({"throttling": true, "page": 5, "avatar": {"newest_first": true, "note": ""}});
        assert_eq!(panel.read(), expected);

        panel.change(json!({"page": null})).expect("accepted");
        assert_eq!(panel.read()["page"], 200);
    }

    #[test]
    fn a_mistake_is_named_and_nothing_is_changed() {
        let panel = panel();
        let complain = |change| panel.change(change).expect_err("refused").to_string();
        assert_eq!(
            complain(json!({"page": 5, "throtling": false})),
            "`throtling` is not a key of the settings. Did you mean `throttling`?"
        );
        assert_eq!(
            complain(json!({"avatar": {"newest": true}})),
            "`newest` is not a key of the settings. Did you mean `newest_first`?"
        );
        assert_eq!(
            complain(json!({"throttling": false, "page": "many"})),
            "`page` of the settings cannot be changed: invalid type: string \"many\", expected u32."
        );
        assert_eq!(
            complain(json!({"avatar": {"note": 5}})),
            "`avatar.note` of the settings cannot be changed: invalid type: integer `5`, expected a string."
        );
        assert_eq!(complain(json!([])), "Expected the settings as a JSON object.");
        assert_eq!(
            panel.read(),
            serde_json::to_value(Settings::default()).expect("plain")
        );
    }
}
