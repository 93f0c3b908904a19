//! The configuration file: TOML, every mistake with its line.

use std::collections::BTreeMap;
use std::fs;
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::settings::{Kind, SETTINGS, Setting};
use super::{ConfigurationError, Effective, Origin, Value, nearest};
use crate::domain::scope::OptOut;

/// The file, checked.
pub struct ConfigurationFile {
    /// `default_profile`.
    pub default_profile: Option<String>,
    /// `[profiles.NAME.…]`.
    pub profiles: BTreeMap<String, FileProfile>,
}

/// One profile of the file.
#[derive(Default)]
pub struct FileProfile {
    /// Values by setting key.
    pub values: BTreeMap<&'static str, Effective>,
    /// `[[profiles.NAME.scope.opt_out]]`.
    pub opt_outs: Vec<OptOut>,
}

impl ConfigurationFile {
    /// Reads the file; `None` if there is none.
    pub fn read(path: &Path) -> Result<Option<Self>, ConfigurationError> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(source) => {
                return Err(ConfigurationError::Unreadable {
                    path: path.to_owned(),
                    source,
                });
            }
        };
        let file = Reader { path, text: &text }.file()?;
        let holds_secret = file.profiles.values().any(FileProfile::holds_secret);
        if holds_secret && is_readable_by_others(path) {
            return Err(ConfigurationError::OpenSecret {
                path: path.to_owned(),
            });
        }
        Ok(Some(file))
    }
}

impl FileProfile {
    fn holds_secret(&self) -> bool {
        SETTINGS
            .iter()
            .filter(|setting| setting.kind == Kind::Secret)
            .any(|setting| self.values.contains_key(setting.key))
    }
}

/// The most that is read of a secret's file.
const LONGEST_SECRET: u64 = 64 * 1024;

/// Reads a secret; the error is a sentence without it. A file that every account can read is refused
/// (`reliability.md` M1); containers mount secrets for a group, which is not everybody.
pub(super) fn read_secret(path: &Path) -> Result<String, String> {
    let unreadable = |error: std::io::Error| format!("{} cannot be read: {error}", path.display());
    let file = fs::File::open(path).map_err(unreadable)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let metadata = file.metadata().map_err(unreadable)?;
        if metadata.is_file() && metadata.permissions().mode() & 0o007 != 0 {
            return Err(format!(
                "{} can be read by every account of this machine; run: chmod 600 {0}",
                path.display()
            ));
        }
    }
    let mut text = String::new();
    file.take(LONGEST_SECRET)
        .read_to_string(&mut text)
        .map_err(unreadable)?;
    Ok(text)
}

#[cfg(unix)]
fn is_readable_by_others(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o077 != 0)
}

/// On Windows the user profile's access control list keeps others out; there is no mode to look at.
#[cfg(not(unix))]
fn is_readable_by_others(_path: &Path) -> bool {
    false
}

struct Reader<'a> {
    path: &'a Path,
    text: &'a str,
}

impl Reader<'_> {
    fn file(&self) -> Result<ConfigurationFile, ConfigurationError> {
        let table = DeTable::parse(self.text).map_err(|error| {
            let offset = error.span().map_or(0, |span| span.start);
            self.error(offset, error.message().to_owned())
        })?;
        let mut file = ConfigurationFile {
            default_profile: None,
            profiles: BTreeMap::new(),
        };
        for (key, value) in table.get_ref() {
            match (key.get_ref().as_ref(), value.get_ref()) {
                ("default_profile", DeValue::String(name)) => file.default_profile = Some(name.to_string()),
                ("default_profile", _) => {
                    return Err(self.error(value.span().start, "default_profile must be text"));
                }
                ("profiles", DeValue::Table(profiles)) => {
                    for (name, profile) in profiles {
                        let DeValue::Table(sections) = profile.get_ref() else {
                            return Err(self.error(name.span().start, "a profile must be a table"));
                        };
                        file.profiles
                            .insert(name.get_ref().to_string(), self.profile(sections)?);
                    }
                }
                ("profiles", _) => return Err(self.error(value.span().start, "profiles must be a table")),
                (unknown, _) => {
                    let known = ["default_profile", "profiles"];
                    return Err(self.unknown(key.span().start, "key", unknown, "", known.into_iter()));
                }
            }
        }
        Ok(file)
    }

    fn profile(&self, sections: &DeTable<'_>) -> Result<FileProfile, ConfigurationError> {
        let mut profile = FileProfile::default();
        for (section, content) in sections {
            let name = section.get_ref().as_ref();
            if !SETTINGS.iter().any(|setting| setting.section() == name) {
                let known = SETTINGS.iter().map(Setting::section);
                return Err(self.unknown(section.span().start, "section", name, "", known));
            }
            let DeValue::Table(content) = content.get_ref() else {
                return Err(self.error(section.span().start, format!("{name} must be a table")));
            };
            for (key, value) in content {
                if (name, key.get_ref().as_ref()) == ("scope", "opt_out") {
                    profile.opt_outs = self.opt_outs(value)?;
                } else {
                    let (setting, effective) = self.setting(name, key, value)?;
                    profile.values.insert(setting, effective);
                }
            }
        }
        Ok(profile)
    }

    fn setting(
        &self,
        section: &str,
        key: &Spanned<std::borrow::Cow<'_, str>>,
        value: &Spanned<DeValue<'_>>,
    ) -> Result<(&'static str, Effective), ConfigurationError> {
        let here = || SETTINGS.iter().filter(|setting| setting.section() == section);
        let Some(setting) = here().find(|setting| setting.name() == key.get_ref()) else {
            let place = format!(" in {section}");
            let known = here().map(Setting::name);
            return Err(self.unknown(key.span().start, "key", key.get_ref(), &place, known));
        };
        let start = value.span().start;
        let checked = plain(value.get_ref())
            .ok_or_else(|| setting.expectation())
            .and_then(|value| setting.check(value))
            .map_err(|message| self.error(start, message))?;
        let origin = Origin::File {
            path: self.path.to_owned(),
            line: self.line(start),
        };
        Ok((
            setting.key,
            Effective {
                value: checked,
                origin,
            },
        ))
    }

    fn opt_outs(&self, value: &Spanned<DeValue<'_>>) -> Result<Vec<OptOut>, ConfigurationError> {
        let DeValue::Array(entries) = value.get_ref() else {
            return Err(self.error(
                value.span().start,
                "scope.opt_out must be a list of tables ([[…scope.opt_out]])",
            ));
        };
        entries.iter().map(|entry| self.opt_out(entry)).collect()
    }

    fn opt_out(&self, entry: &Spanned<DeValue<'_>>) -> Result<OptOut, ConfigurationError> {
        /// With every key optional, so that a missing one gets a sentence of its own.
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Written {
            person: Option<String>,
            reason: Option<String>,
            until: Option<toml::value::Datetime>,
        }
        let start = entry.span().start;
        let written = Written::deserialize(toml::de::ValueDeserializer::from(entry.clone()))
            .map_err(|error| self.error(start, format!("opt-out: {}", error.message())))?;
        let need = |value: Option<String>, what: &str| {
            value
                .filter(|text| !text.trim().is_empty())
                .ok_or_else(|| self.error(start, format!("an opt-out needs a {what}")))
        };
        let until = match written.until {
            None => None,
            Some(until) => Some(
                until
                    .date
                    .and_then(|date| {
                        jiff::civil::Date::new(
                            i16::try_from(date.year).ok()?,
                            i8::try_from(date.month).ok()?,
                            i8::try_from(date.day).ok()?,
                        )
                        .ok()
                    })
                    .ok_or_else(|| self.error(start, "until must be a day such as 2026-12-31"))?,
            ),
        };
        Ok(OptOut {
            person: need(written.person, "person")?,
            reason: need(written.reason, "reason")?,
            until,
        })
    }

    fn unknown<'k>(
        &self,
        offset: usize,
        what: &str,
        word: &str,
        place: &str,
        known: impl Iterator<Item = &'k str>,
    ) -> ConfigurationError {
        let word = crate::domain::text::clean(word);
        let hint = nearest(&word, known).map_or_else(String::new, |near| format!("; did you mean {near:?}?"));
        self.error(offset, format!("unknown {what} {word:?}{place}{hint}"))
    }

    fn error(&self, offset: usize, message: impl Into<String>) -> ConfigurationError {
        ConfigurationError::File {
            path: PathBuf::from(self.path),
            line: self.line(offset),
            message: message.into(),
        }
    }

    fn line(&self, offset: usize) -> usize {
        let offset = offset.min(self.text.len());
        self.text.as_bytes()[..offset]
            .split(|byte| *byte == b'\n')
            .count()
    }
}

fn plain(value: &DeValue<'_>) -> Option<Value> {
    Some(match value {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Integer(number) => Value::Number(i64::from_str_radix(number.as_str(), number.radix()).ok()?),
        DeValue::Boolean(flag) => Value::Flag(*flag),
        DeValue::Array(items) => Value::List(
            items
                .iter()
                .map(|item| item.get_ref().as_str().map(str::to_owned))
                .collect::<Option<Vec<String>>>()?,
        ),
        DeValue::Float(_) | DeValue::Datetime(_) | DeValue::Table(_) => return None,
    })
}
