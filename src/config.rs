//! The configuration: flags beat environment beats profile beats built-in default (`cli.md`, Configuration).
//!
//! Read once, at the start; everything else receives values. [`settings::SETTINGS`] is the one list of what can be
//! set: parsing, unknown-key errors, `config show --origin` and the documentation all come from it.

pub mod file;
pub mod paths;
pub mod settings;
pub mod values;

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::domain::scope::OptOut;
use file::ConfigurationFile;
use paths::Paths;
use settings::{Kind, SETTINGS, Setting};
pub use values::{Values, ValuesError};

/// A value before it has a meaning.
#[derive(Clone, PartialEq, Eq)]
pub enum Value {
    /// Text.
    Text(String),
    /// A whole number.
    Number(i64),
    /// Yes or no.
    Flag(bool),
    /// Several texts.
    List(Vec<String>),
}

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Built in.
    Default,
    /// The configuration file.
    File {
        /// Which.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
    },
    /// An environment variable.
    Environment(String),
    /// A flag on the command line.
    Flag(&'static str),
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Environment(name) => write!(f, "environment {name}"),
            Self::Flag(name) => write!(f, "flag {name}"),
        }
    }
}

/// A configuration that cannot be used. Displays as a whole sentence with the place and what to do.
#[derive(Debug, thiserror::Error)]
pub enum ConfigurationError {
    /// The file is not what it should be.
    #[error("{}:{line}: {message}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// What is wrong there, and what to do.
        message: String,
    },
    /// The file cannot be read.
    #[error("the configuration file {} cannot be read", path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A secret lies open (`reliability.md` M1).
    #[error("{} holds a secret and can be read by other accounts of this machine; run: chmod 600 {0}", path.display())]
    OpenSecret {
        /// Which file.
        path: PathBuf,
    },
    /// A value cannot be used.
    #[error("{setting} from {origin}: {message}")]
    Value {
        /// Which setting.
        setting: &'static str,
        /// Where it came from.
        origin: Origin,
        /// What is wrong, and what to do.
        message: String,
    },
    /// There is no such profile.
    #[error("there is no profile {wanted:?}; {known}")]
    NoSuchProfile {
        /// The one asked for.
        wanted: String,
        /// The ones there are, as half a sentence.
        known: String,
    },
    /// No folder to look in.
    #[error(
        "no home folder is known; set AVATAR_SYNC_CONFIG_DIR, AVATAR_SYNC_STATE_DIR and AVATAR_SYNC_CACHE_DIR"
    )]
    NoHome,
}

/// One setting as it is in force.
#[derive(Clone)]
pub struct Effective {
    /// The value.
    pub value: Value,
    /// Where it came from.
    pub origin: Origin,
}

/// Everything that was configured, before it is given meaning by [`Values`].
pub struct Configuration {
    /// Name of the profile in force.
    pub profile: String,
    /// True if the profile stands in the file, or the environment names at least one service.
    pub is_configured: bool,
    /// Folders.
    pub paths: Paths,
    /// Every setting that has a value, by key.
    pub values: BTreeMap<&'static str, Effective>,
    /// The opt-out list of the profile.
    pub opt_outs: Vec<OptOut>,
}

/// Values given on the command line: setting key, flag name, value.
pub type FlagValues = Vec<(&'static str, &'static str, Value)>;

/// Reads the configuration.
///
/// `environment` is looked up by name, so that tests need not change the process's own.
pub fn load(
    profile_flag: Option<&str>,
    flags: FlagValues,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<Configuration, ConfigurationError> {
    let paths = Paths::from_environment(environment).ok_or(ConfigurationError::NoHome)?;
    let file = ConfigurationFile::read(&paths.configuration_file())?;

    let named = profile_flag
        .map(str::to_owned)
        .or_else(|| environment("AVATAR_SYNC_PROFILE"));
    let profile = named
        .clone()
        .or_else(|| file.as_ref().and_then(|file| file.default_profile.clone()))
        .unwrap_or_else(|| "default".to_owned());
    check_profile_name(&profile)?;

    let mut values = BTreeMap::new();
    for setting in SETTINGS {
        if let Some(value) = setting.default_value() {
            values.insert(
                setting.key,
                Effective {
                    value,
                    origin: Origin::Default,
                },
            );
        }
    }
    let mut opt_outs = Vec::new();
    let in_file = file.as_ref().and_then(|file| file.profiles.get(&profile));
    if let Some(in_file) = in_file {
        opt_outs.clone_from(&in_file.opt_outs);
        for (key, effective) in &in_file.values {
            values.insert(key, effective.clone());
        }
    }
    let mut from_environment = false;
    for setting in SETTINGS {
        if let Some((text, origin)) = from_environment_or_file(setting, environment)? {
            let value = setting
                .parse(&text)
                .map_err(|message| ConfigurationError::Value {
                    setting: setting.key,
                    origin: origin.clone(),
                    message,
                })?;
            from_environment |= setting.names_a_service();
            values.insert(setting.key, Effective { value, origin });
        }
    }
    for (key, flag, value) in flags {
        values.insert(
            key,
            Effective {
                value,
                origin: Origin::Flag(flag),
            },
        );
    }
    if let (Some(wanted), None, Some(file)) = (&named, in_file, &file)
        && !from_environment
    {
        return Err(no_such_profile(wanted, file));
    }
    Ok(Configuration {
        profile,
        is_configured: in_file.is_some() || from_environment,
        paths,
        values,
        opt_outs,
    })
}

/// A setting's text from its environment variable; a secret's also from the file that `…_FILE` names, which on Unix can
/// be a file descriptor: `/dev/fd/3`.
fn from_environment_or_file(
    setting: &Setting,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<Option<(String, Origin)>, ConfigurationError> {
    let given = |name: &str| environment(name).filter(|text| !text.is_empty());
    let name = setting.environment_name();
    if let Some(text) = given(&name) {
        return Ok(Some((text, Origin::Environment(name))));
    }
    let twin = format!("{name}_FILE");
    let is_taken = SETTINGS.iter().any(|other| other.environment_name() == twin);
    if setting.kind != Kind::Secret || is_taken {
        return Ok(None);
    }
    let Some(path) = given(&twin) else { return Ok(None) };
    let origin = Origin::Environment(twin);
    match file::read_secret(std::path::Path::new(&path)) {
        Ok(text) => Ok(Some((text, origin))),
        Err(message) => Err(ConfigurationError::Value {
            setting: setting.key,
            origin,
            message,
        }),
    }
}

/// A profile's name becomes a folder's name, so it is kept simple (`reliability.md` L5).
fn check_profile_name(name: &str) -> Result<(), ConfigurationError> {
    let is_simple = !name.is_empty()
        && name.len() <= 64
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    if is_simple {
        return Ok(());
    }
    Err(ConfigurationError::NoSuchProfile {
        wanted: crate::domain::text::clean(name).into_owned(),
        known: "a profile's name has up to 64 letters, digits, - and _".into(),
    })
}

fn no_such_profile(wanted: &str, file: &ConfigurationFile) -> ConfigurationError {
    let names: Vec<&str> = file.profiles.keys().map(String::as_str).collect();
    let known = match nearest(wanted, names.iter().copied()) {
        Some(near) => format!("did you mean {near:?}?"),
        None if names.is_empty() => "the configuration file has none".to_owned(),
        None => format!("the configuration file has {}", names.join(", ")),
    };
    ConfigurationError::NoSuchProfile {
        wanted: wanted.to_owned(),
        known,
    }
}

/// The known word nearest to a mistyped one, if any is near enough to be meant.
pub fn nearest<'a>(wanted: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known
        .map(|word| (strsim::damerau_levenshtein(wanted, word), word))
        .filter(|(distance, word)| *distance <= 1 + wanted.len().max(word.len()) / 3)
        .min()
        .map(|(_, word)| word)
}

impl Configuration {
    /// The setting in force, if it has a value.
    pub fn effective(&self, setting: &Setting) -> Option<&Effective> {
        self.values.get(setting.key)
    }

    /// How a value may be shown: secrets are masked.
    pub fn shown(setting: &Setting, value: &Value) -> String {
        match value {
            _ if setting.kind == Kind::Secret => "[hidden]".into(),
            Value::Text(text) => format!("{:?}", crate::domain::text::clean(text)),
            Value::Number(number) => number.to_string(),
            Value::Flag(flag) => flag.to_string(),
            Value::List(items) => {
                let items: Vec<String> = items
                    .iter()
                    .map(|item| format!("{:?}", crate::domain::text::clean(item)))
                    .collect();
                format!("[{}]", items.join(", "))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn environment_of(pairs: &[(&str, &str)]) -> impl Fn(&str) -> Option<String> {
        let pairs: Vec<(String, String)> = pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        move |name| {
            pairs
                .iter()
                .find(|(known, _)| known == name)
                .map(|(_, value)| value.clone())
        }
    }

    fn load_file(text: &str, extra: &[(&str, &str)], profile: Option<&str>) -> Result<Configuration, String> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("config.toml");
        fs::write(&path, text).expect("writable");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("own file");
        }
        let folder_name = folder.path().to_string_lossy().into_owned();
        let mut pairs = vec![
            ("AVATAR_SYNC_CONFIG_DIR", folder_name.as_str()),
            ("AVATAR_SYNC_STATE_DIR", folder_name.as_str()),
            ("AVATAR_SYNC_CACHE_DIR", folder_name.as_str()),
        ];
        pairs.extend_from_slice(extra);
        load(profile, Vec::new(), &environment_of(&pairs))
            .map_err(|error| error.to_string().replace(&folder_name, "…").replace('\\', "/"))
    }

    fn text(configuration: &Configuration, key: &str) -> String {
        let effective = configuration
            .values
            .get(key)
            .unwrap_or_else(|| panic!("{key} has a value"));
        match &effective.value {
            Value::Text(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            Value::Flag(flag) => flag.to_string(),
            Value::List(items) => items.join(","),
        }
    }

    #[test]
    fn flag_beats_environment_beats_profile_beats_default() {
        let file = "[profiles.default.entra]\ntenant = \"from-file\"\nphoto_size = 240\n";
        let configuration =
            load_file(file, &[("AVATAR_SYNC_ENTRA_TENANT", "from-env")], None).expect("loads");
        assert_eq!(text(&configuration, "entra.tenant"), "from-env");
        assert_eq!(text(&configuration, "entra.photo_size"), "240");
        assert_eq!(text(&configuration, "entra.cloud"), "global");
        assert_eq!(
            configuration.values["entra.photo_size"]
                .origin
                .to_string()
                .rsplit('/')
                .next(),
            Some("config.toml:3")
        );
    }

    #[test]
    fn an_unknown_key_names_its_line_and_the_nearest_known_key() {
        let error = load_file("[profiles.default.entra]\n\ntennant = \"x\"\n", &[], None).err();
        assert_eq!(
            error.as_deref(),
            Some("…/config.toml:3: unknown key \"tennant\" in entra; did you mean \"tenant\"?")
        );
        crate::tried("M7", 1);
    }

    #[test]
    fn an_unknown_section_is_named_too() {
        let error = load_file("[profiles.default.servicenwo]\ninstance = \"x\"\n", &[], None).err();
        assert_eq!(
            error.as_deref(),
            Some("…/config.toml:1: unknown section \"servicenwo\"; did you mean \"servicenow\"?")
        );
        crate::tried("M7", 1);
    }

    #[test]
    fn a_wrong_type_or_value_says_what_is_expected() {
        for (line, expected) in [
            (
                "photo_size = \"big\"",
                "entra.photo_size must be one of 48, 64, 96, 120, 240, 360, 432, 504, 648, largest",
            ),
            (
                "photo_size = 5000",
                "entra.photo_size must be one of 48, 64, 96, 120, 240, 360, 432, 504, 648, largest",
            ),
            (
                "cloud = \"mars\"",
                "entra.cloud must be one of global, us_government_l4, us_government_l5, china",
            ),
        ] {
            let error = load_file(&format!("[profiles.default.entra]\n{line}\n"), &[], None).err();
            assert_eq!(error, Some(format!("…/config.toml:2: {expected}")));
        }
        crate::tried("M7", 1);
    }

    #[test]
    fn an_unknown_profile_names_the_nearest_one() {
        let error = load_file(
            "[profiles.production.entra]\ntenant = \"x\"\n",
            &[],
            Some("prodution"),
        )
        .err();
        assert_eq!(
            error.as_deref(),
            Some("there is no profile \"prodution\"; did you mean \"production\"?")
        );
    }

    #[test]
    fn a_profile_name_cannot_leave_its_folder() {
        assert!(load_file("", &[], Some("../../etc")).is_err());
        crate::tried("L5", 1);
    }

    #[test]
    fn without_any_profile_nothing_is_configured_but_the_environment_alone_is_enough() {
        assert!(!load_file("", &[], None).expect("loads").is_configured);
        let configuration =
            load_file("", &[("AVATAR_SYNC_SERVICENOW_INSTANCE", "dev1")], None).expect("loads");
        assert!(configuration.is_configured);
    }

    #[cfg(unix)]
    #[test]
    fn a_secret_in_a_file_that_others_can_read_is_refused_with_the_cure() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("config.toml");
        fs::write(&path, "[profiles.default.entra]\nclient_secret = \"x\"\n").expect("writable");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("own file");
        let error = ConfigurationFile::read(&path).err().expect("refused").to_string();
        assert!(error.contains("chmod 600"), "{error}");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("own file");
        assert!(ConfigurationFile::read(&path).is_ok());
        crate::tried("M1", 1);
    }

    #[test]
    fn a_secret_can_come_from_a_file_that_the_environment_names() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("secret");
        fs::write(&path, "canary-of-a-file\n").expect("writable");
        let named = path.to_string_lossy().into_owned();
        let pairs = [("AVATAR_SYNC_ENTRA_CLIENT_SECRET_FILE", named.as_str())];
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("own file");
            let error = load_file("", &pairs, None).err().expect("refused");
            assert!(
                error.contains("chmod 600") && !error.contains("canary"),
                "{error}"
            );
            fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).expect("own file");
        }
        let configuration = load_file("", &pairs, None).expect("loads");
        assert_eq!(text(&configuration, "entra.client_secret"), "canary-of-a-file");
        // The variable itself comes first, and what is no secret has no such twin.
        let both = [
            pairs[0],
            ("AVATAR_SYNC_ENTRA_CLIENT_SECRET", "canary-of-a-variable"),
        ];
        let configuration = load_file("", &both, None).expect("loads");
        assert_eq!(
            text(&configuration, "entra.client_secret"),
            "canary-of-a-variable"
        );
        let configuration = load_file("", &[("AVATAR_SYNC_ENTRA_TENANT_FILE", "/x")], None).expect("loads");
        assert!(!configuration.values.contains_key("entra.tenant"));
        let missing = [("AVATAR_SYNC_SERVICENOW_PASSWORD_FILE", "/nonexistent/secret")];
        let error = load_file("", &missing, None).err().expect("refused");
        assert!(
            error.starts_with("servicenow.password from environment"),
            "{error}"
        );
        crate::tried("M2", 1);
    }

    #[test]
    fn opt_outs_carry_a_reason_and_a_last_day() {
        let file = "[[profiles.default.scope.opt_out]]\nperson = \"ada@x.example\"\nreason = \"asked\"\nuntil = 2026-12-31\n";
        let configuration = load_file(file, &[], None).expect("loads");
        assert_eq!(
            configuration.opt_outs[0].until,
            Some(jiff::civil::date(2026, 12, 31))
        );
        let error = load_file(
            "[[profiles.default.scope.opt_out]]\nperson = \"ada\"\n",
            &[],
            None,
        )
        .err();
        assert_eq!(
            error.as_deref(),
            Some("…/config.toml:1: an opt-out needs a reason")
        );
    }

    #[test]
    fn secrets_are_masked_when_settings_are_shown() {
        let setting = SETTINGS
            .iter()
            .find(|setting| setting.key == "entra.client_secret")
            .expect("known");
        assert_eq!(
            Configuration::shown(setting, &Value::Text("canary".into())),
            "[hidden]"
        );
    }
}
