//! Gives configured values their meaning: typed and complete, or an error that says what is missing and how to give it.

use std::path::PathBuf;

use super::settings::{SETTINGS, Setting};
use super::{Configuration, Origin, Value};
use crate::connector::http::Secret;
use crate::domain::pairing::MatchRule;
use crate::domain::plan::{Limits, OverwritePolicy, Policy};
use crate::engine::EngineSettings;

/// Everything a run needs, typed.
#[derive(Clone, Debug)]
pub struct Values {
    /// The source.
    pub entra: EntraValues,
    /// The target.
    pub servicenow: ServiceNowValues,
    /// The engine.
    pub engine: EngineSettings,
    /// The administrator's limits.
    pub limits: Limits,
    /// The screen.
    pub screen: ScreenValues,
}

/// How replaced pictures are kept. Complete by itself: local data is looked at without any service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VaultValues {
    /// Whether pictures are sealed: a word of `vault.encryption`.
    pub encryption: String,
    /// The key, as text.
    pub key: Option<Secret>,
    /// A file that holds it.
    pub key_file: Option<PathBuf>,
    /// Days; 0 for ever.
    pub retention_days: u32,
}

impl VaultValues {
    /// Gives a configuration its meaning.
    pub fn of(configuration: &Configuration) -> Self {
        let read = Reader { configuration };
        Self {
            encryption: read.text("vault.encryption").unwrap_or_default(),
            key: read.secret("vault.key"),
            key_file: read.text("vault.key_file").map(PathBuf::from),
            retention_days: read.number_or("vault.retention_days", 30) as u32,
        }
    }
}

/// How the screen looks and which keys it takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScreenValues {
    /// The profile writes to production.
    pub is_production: bool,
    /// How pictures are drawn: `auto`, or the name of a protocol.
    pub graphics: String,
    /// Colours: `auto`, or the name of a palette.
    pub theme: String,
    /// Take the mouse.
    pub has_mouse: bool,
    /// Actions with other keys, in the order in which they are configured.
    pub keys: Vec<(String, Vec<String>)>,
}

/// When and how `sync` repeats itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScheduleValues {
    /// Name of the zone that patterns are read in; `None` for this machine's.
    pub time_zone: Option<String>,
    /// The most a run begins later than due, as it was written.
    pub jitter: Option<String>,
    /// Wait for another run that holds the profile, instead of leaving this one out.
    pub waits_for_lock: bool,
    /// Where to write how it is doing.
    pub health_file: Option<PathBuf>,
}

impl ScheduleValues {
    /// Gives the section its meaning.
    pub fn of(configuration: &Configuration) -> Self {
        let read = Reader { configuration };
        Self {
            time_zone: read.text("schedule.time_zone"),
            jitter: read.text("schedule.jitter"),
            waits_for_lock: read.text("schedule.if_locked").as_deref() == Some("wait"),
            health_file: read.text("schedule.health_file").map(PathBuf::from),
        }
    }
}

/// Who is told of what.
#[derive(Clone, Debug)]
pub struct NotifyValues {
    /// Words of `notify.on`.
    pub on: Vec<String>,
    /// Name people.
    pub names: bool,
    /// Recipients.
    pub email_to: Vec<String>,
    /// Sender.
    pub email_from: Option<String>,
    /// Mail server.
    pub smtp_host: Option<String>,
    /// Its port.
    pub smtp_port: Option<u16>,
    /// A word of `notify.smtp_tls`.
    pub smtp_tls: String,
    /// Account.
    pub smtp_username: Option<String>,
    /// Its password.
    pub smtp_password: Option<Secret>,
    /// Where to post.
    pub webhook_url: Option<Secret>,
    /// A word of `notify.webhook_kind`.
    pub webhook_kind: String,
    /// A further certificate authority.
    pub ca_file: Option<PathBuf>,
}

impl NotifyValues {
    /// Gives the section its meaning; it needs no other one to be complete.
    pub fn of(configuration: &Configuration) -> Self {
        let read = Reader { configuration };
        Self {
            on: read.list("notify.on"),
            names: read.flag("notify.names"),
            email_to: read.list("notify.email_to"),
            email_from: read.text("notify.email_from"),
            smtp_host: read.text("notify.smtp_host"),
            smtp_port: read
                .number("notify.smtp_port")
                .and_then(|port| u16::try_from(port).ok()),
            smtp_tls: read.text("notify.smtp_tls").unwrap_or_default(),
            smtp_username: read.text("notify.smtp_username"),
            smtp_password: read.secret("notify.smtp_password"),
            webhook_url: read.secret("notify.webhook_url"),
            webhook_kind: read.text("notify.webhook_kind").unwrap_or_default(),
            ca_file: read.text("notify.ca_file").map(PathBuf::from),
        }
    }
}

/// How to reach the tenant.
#[derive(Clone, Debug)]
pub struct EntraValues {
    /// Directory id or domain.
    pub tenant: String,
    /// Application id.
    pub client_id: String,
    /// Application secret.
    pub client_secret: Secret,
    /// Sign-in address.
    pub login_url: String,
    /// Graph address.
    pub graph_url: String,
    /// Pixels of the photo that is pushed; `None`: the largest there is.
    pub photo_size: Option<u16>,
    /// OData filter for the listing.
    pub filter: Option<String>,
    /// Photo requests at a time.
    pub concurrency: Concurrency,
    /// A further certificate authority.
    pub ca_file: Option<PathBuf>,
}

/// How to reach the instance.
#[derive(Clone, Debug)]
pub struct ServiceNowValues {
    /// Name, host or address.
    pub instance: String,
    /// How to sign in.
    pub sign_in: SignIn,
    /// Encoded query that says who is considered.
    pub scope: String,
    /// Column that holds the source's id.
    pub object_id_column: Option<String>,
    /// Which records get the picture: a word of `servicenow.write_target`.
    pub write_target: String,
    /// Create missing profiles.
    pub create_live_profile: bool,
    /// One session per request slot.
    pub session_cookies: bool,
    /// Requests at a time.
    pub concurrency: Concurrency,
    /// Rows a page.
    pub page_size: usize,
    /// Bytes of an upload.
    pub upload_limit: u64,
    /// A further certificate authority.
    pub ca_file: Option<PathBuf>,
}

/// How to sign in to the instance (`cli.md`, Configuration).
#[derive(Clone, Debug)]
pub enum SignIn {
    /// OAuth client credentials.
    Client {
        /// Client id.
        id: String,
        /// Client secret.
        secret: Secret,
    },
    /// OAuth password grant.
    PasswordGrant {
        /// Client id.
        id: String,
        /// Client secret.
        secret: Secret,
        /// Account.
        username: String,
        /// Its password.
        password: Secret,
    },
    /// Basic.
    Basic {
        /// Account.
        username: String,
        /// Its password.
        password: Secret,
    },
}

/// Requests at a time to one service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Concurrency {
    /// At first.
    pub start: usize,
    /// At most.
    pub cap: usize,
}

impl Concurrency {
    /// Starts carefully unless somebody chose a figure, which is then taken at its word.
    fn new(cap: usize, careful_start: usize, is_chosen: bool) -> Self {
        Self {
            start: if is_chosen { cap } else { careful_start.min(cap) },
            cap,
        }
    }
}

/// Values that do not make a whole.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ValuesError {
    /// Settings that are needed have no value.
    #[error("profile {profile:?} is not complete: {} not set", keys.join(", "))]
    Missing {
        /// The profile.
        profile: String,
        /// Which settings.
        keys: Vec<&'static str>,
    },
    /// No way to sign in to ServiceNow.
    #[error("profile {profile:?} has no way to sign in to ServiceNow")]
    NoSignIn {
        /// The profile.
        profile: String,
    },
}

impl ValuesError {
    /// What to do next.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Missing { profile, keys } => {
                let variables: Vec<String> = keys
                    .iter()
                    .filter_map(|key| SETTINGS.iter().find(|setting| setting.key == *key))
                    .map(Setting::environment_name)
                    .collect();
                Some(format!(
                    "set {} in the environment, or the keys in the configuration file under [profiles.{profile}.…]; \
                     `avatar-sync demo` needs neither",
                    variables.join(", ")
                ))
            }
            Self::NoSignIn { .. } => Some(
                "give AVATAR_SYNC_SERVICENOW_CLIENT_ID and AVATAR_SYNC_SERVICENOW_CLIENT_SECRET (OAuth, recommended), \
                 or AVATAR_SYNC_SERVICENOW_USERNAME and AVATAR_SYNC_SERVICENOW_PASSWORD"
                    .into(),
            ),
        }
    }
}

impl Values {
    /// Gives a configuration its meaning.
    pub fn of(configuration: &Configuration) -> Result<Self, ValuesError> {
        let read = Reader { configuration };
        let needed = [
            "entra.tenant",
            "entra.client_id",
            "entra.client_secret",
            "servicenow.instance",
        ];
        let missing: Vec<&'static str> = needed
            .into_iter()
            .filter(|key| read.text(key).is_none())
            .collect();
        if !missing.is_empty() {
            return Err(ValuesError::Missing {
                profile: configuration.profile.clone(),
                keys: missing,
            });
        }
        Ok(Self {
            entra: read.entra(),
            servicenow: read.servicenow()?,
            engine: read.engine(),
            limits: Limits {
                max_changes: read.number("limits.max_changes"),
                max_change_share: read.percent("limits.max_change_share"),
                max_removals: read.number("limits.max_removals"),
                max_removal_share: read.percent("limits.max_removal_share"),
            },
            screen: read.screen(),
        })
    }
}

/// Sign-in and Graph addresses of Microsoft's clouds (`entra.md` 6).
fn cloud_addresses(cloud: &str) -> (&'static str, &'static str) {
    match cloud {
        "us_government_l4" => ("https://login.microsoftonline.us", "https://graph.microsoft.us"),
        "us_government_l5" => (
            "https://login.microsoftonline.us",
            "https://dod-graph.microsoft.us",
        ),
        "china" => (
            "https://login.partner.microsoftonline.cn",
            "https://microsoftgraph.chinacloudapi.cn",
        ),
        _ => ("https://login.microsoftonline.com", "https://graph.microsoft.com"),
    }
}

/// Reads values that have passed their checks; a value of another type than its setting's cannot be in there.
struct Reader<'a> {
    configuration: &'a Configuration,
}

impl Reader<'_> {
    fn value(&self, key: &str) -> Option<&Value> {
        self.configuration
            .values
            .get(key)
            .map(|effective| &effective.value)
    }

    fn text(&self, key: &str) -> Option<String> {
        match self.value(key) {
            Some(Value::Text(text)) if !text.is_empty() => Some(text.clone()),
            _ => None,
        }
    }

    fn secret(&self, key: &str) -> Option<Secret> {
        self.text(key).map(Secret::new)
    }

    fn number(&self, key: &str) -> Option<u64> {
        match self.value(key) {
            Some(Value::Number(number)) => u64::try_from(*number).ok(),
            _ => None,
        }
    }

    fn number_or(&self, key: &str, otherwise: u64) -> u64 {
        self.number(key).unwrap_or(otherwise)
    }

    /// A share; all of everybody is no limit.
    fn percent(&self, key: &str) -> Option<u8> {
        let number = self.number(key)?;
        u8::try_from(number).ok().filter(|percent| *percent < 100)
    }

    fn flag(&self, key: &str) -> bool {
        matches!(self.value(key), Some(Value::Flag(true)))
    }

    fn list(&self, key: &str) -> Vec<String> {
        match self.value(key) {
            Some(Value::List(items)) => items.clone(),
            _ => Vec::new(),
        }
    }

    fn is_chosen(&self, key: &str) -> bool {
        self.configuration
            .values
            .get(key)
            .is_some_and(|effective| effective.origin != Origin::Default)
    }

    fn concurrency(&self, key: &str, careful_start: usize) -> Concurrency {
        Concurrency::new(
            self.number_or(key, 4) as usize,
            careful_start,
            self.is_chosen(key),
        )
    }

    fn photo_size(&self) -> Option<u16> {
        self.text("entra.photo_size").and_then(|size| size.parse().ok())
    }

    fn entra(&self) -> EntraValues {
        let (login, graph) = cloud_addresses(&self.text("entra.cloud").unwrap_or_default());
        EntraValues {
            tenant: self.text("entra.tenant").unwrap_or_default(),
            client_id: self.text("entra.client_id").unwrap_or_default(),
            client_secret: self
                .secret("entra.client_secret")
                .unwrap_or_else(|| Secret::new("")),
            login_url: self.text("entra.login_url").unwrap_or_else(|| login.to_owned()),
            graph_url: self.text("entra.graph_url").unwrap_or_else(|| graph.to_owned()),
            photo_size: self.photo_size(),
            filter: self.text("entra.filter"),
            concurrency: self.concurrency("entra.photo_concurrency", 4),
            ca_file: self.text("entra.ca_file").map(PathBuf::from),
        }
    }

    fn servicenow(&self) -> Result<ServiceNowValues, ValuesError> {
        Ok(ServiceNowValues {
            instance: self.text("servicenow.instance").unwrap_or_default(),
            sign_in: self.sign_in()?,
            scope: self.text("servicenow.scope").unwrap_or_default(),
            object_id_column: self
                .text("servicenow.object_id_column")
                .filter(|column| column != "none"),
            write_target: self.text("servicenow.write_target").unwrap_or_default(),
            create_live_profile: self.flag("servicenow.create_live_profile"),
            session_cookies: self.flag("servicenow.session_cookies"),
            concurrency: self.concurrency("servicenow.concurrency", 2),
            page_size: self.number_or("servicenow.page_size", 1_000) as usize,
            upload_limit: self.number_or("servicenow.upload_limit", 5_242_880),
            ca_file: self.text("servicenow.ca_file").map(PathBuf::from),
        })
    }

    /// A client with an account is the password grant, a client alone client credentials, an account alone basic.
    fn sign_in(&self) -> Result<SignIn, ValuesError> {
        let client = self
            .text("servicenow.client_id")
            .zip(self.secret("servicenow.client_secret"));
        let account = self
            .text("servicenow.username")
            .zip(self.secret("servicenow.password"));
        match (client, account) {
            (Some((id, secret)), None) => Ok(SignIn::Client { id, secret }),
            (Some((id, secret)), Some((username, password))) => Ok(SignIn::PasswordGrant {
                id,
                secret,
                username,
                password,
            }),
            (None, Some((username, password))) => Ok(SignIn::Basic { username, password }),
            (None, None) => Err(ValuesError::NoSignIn {
                profile: self.configuration.profile.clone(),
            }),
        }
    }

    fn screen(&self) -> ScreenValues {
        let mut keys: Vec<(String, Vec<String>)> = Vec::new();
        for binding in self.list("screen.keys") {
            // "push=" takes the key away, "push" alone does too.
            let (action, key) = binding.split_once('=').unwrap_or((&binding, ""));
            let key = Some(key.trim().to_owned()).filter(|key| !key.is_empty());
            match keys.iter_mut().find(|(known, _)| known == action.trim()) {
                Some((_, keys)) => keys.extend(key),
                None => keys.push((action.trim().to_owned(), key.into_iter().collect())),
            }
        }
        ScreenValues {
            is_production: self.flag("screen.production"),
            graphics: self.text("screen.graphics").unwrap_or_else(|| "auto".into()),
            theme: self.text("screen.theme").unwrap_or_else(|| "auto".into()),
            has_mouse: self.flag("screen.mouse"),
            keys,
        }
    }

    fn engine(&self) -> EngineSettings {
        let rules = self
            .list("match.rules")
            .iter()
            .filter_map(|code| rule(code))
            .collect();
        let overwrite = match self.text("policy.overwrite").as_deref() {
            Some("only_if_empty") => OverwritePolicy::OnlyIfEmpty,
            _ => OverwritePolicy::Overwrite,
        };
        EngineSettings {
            profile: self.configuration.profile.clone(),
            rules,
            guests: self.flag("scope.guests"),
            disabled: self.flag("scope.disabled"),
            include_groups: self.list("scope.include_groups"),
            exclude_groups: self.list("scope.exclude_groups"),
            opt_outs: self.configuration.opt_outs.clone(),
            policy: Policy {
                overwrite,
                mirror_removals: self.flag("policy.mirror_removals"),
                push_same_picture: self.flag("policy.push_same_picture"),
                push_suspicious: self.flag("policy.push_suspicious"),
                repair: self.flag("policy.repair"),
            },
            absence_hours: self.number_or("policy.absence_hours", 24) as u32,
            absence_scans: self.number_or("policy.absence_scans", 2) as u32,
            removals_need_approval: self.text("policy.removal_approval").as_deref() != Some("automatic"),
            pushes_in_flight: self.number_or("limits.pushes_in_flight", 64) as usize,
            picture_side: self.photo_size().map_or(648, u32::from),
        }
    }
}

fn rule(code: &str) -> Option<MatchRule> {
    MatchRule::DEFAULT_ORDER
        .into_iter()
        .find(|rule| rule.code() == code)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(pairs: &[(&str, &str)]) -> Result<Values, ValuesError> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let folder = folder.path().to_string_lossy().into_owned();
        let pairs: Vec<(String, String)> = pairs
            .iter()
            .map(|(name, value)| (format!("AVATAR_SYNC_{name}"), (*value).to_owned()))
            .collect();
        let environment = move |name: &str| {
            if name.ends_with("_DIR") {
                return Some(folder.clone());
            }
            pairs
                .iter()
                .find(|(known, _)| known == name)
                .map(|(_, value)| value.clone())
        };
        Values::of(&super::super::load(None, Vec::new(), &environment).expect("loads"))
    }

    const ENTRA: [(&str, &str); 3] = [
        ("ENTRA_TENANT", "t"),
        ("ENTRA_CLIENT_ID", "c"),
        ("ENTRA_CLIENT_SECRET", "canary-entra"),
    ];

    fn with(extra: &[(&str, &str)]) -> Result<Values, ValuesError> {
        values(&[&ENTRA[..], extra].concat())
    }

    #[test]
    fn what_is_missing_is_named_with_its_environment_variable() {
        let error = values(&[("ENTRA_TENANT", "t")]).expect_err("incomplete");
        assert!(
            error
                .to_string()
                .contains("entra.client_id, entra.client_secret, servicenow.instance"),
            "{error}"
        );
        assert!(
            error
                .hint()
                .expect("a hint")
                .contains("AVATAR_SYNC_SERVICENOW_INSTANCE")
        );
    }

    #[test]
    fn the_way_to_sign_in_follows_from_what_is_given() {
        let instance = ("SERVICENOW_INSTANCE", "dev1");
        let client = [("SERVICENOW_CLIENT_ID", "i"), ("SERVICENOW_CLIENT_SECRET", "s")];
        let account = [("SERVICENOW_USERNAME", "u"), ("SERVICENOW_PASSWORD", "p")];
        let sign_in =
            |pairs: &[(&'static str, &'static str)]| with(pairs).map(|values| values.servicenow.sign_in);
        assert!(matches!(
            sign_in(&[&[instance], &client[..]].concat()),
            Ok(SignIn::Client { .. })
        ));
        assert!(matches!(
            sign_in(&[&[instance], &account[..]].concat()),
            Ok(SignIn::Basic { .. })
        ));
        let both = [&[instance], &client[..], &account[..]].concat();
        assert!(matches!(sign_in(&both), Ok(SignIn::PasswordGrant { .. })));
        assert!(matches!(sign_in(&[instance]), Err(ValuesError::NoSignIn { .. })));
    }

    #[test]
    fn addresses_follow_the_cloud_unless_given() {
        let common = [
            ("SERVICENOW_INSTANCE", "dev1"),
            ("SERVICENOW_USERNAME", "u"),
            ("SERVICENOW_PASSWORD", "p"),
        ];
        let china = with(&[&common[..], &[("ENTRA_CLOUD", "china")]].concat()).expect("complete");
        assert_eq!(china.entra.graph_url, "https://microsoftgraph.chinacloudapi.cn");
        let own =
            with(&[&common[..], &[("ENTRA_GRAPH_URL", "http://127.0.0.1:1")]].concat()).expect("complete");
        assert_eq!(own.entra.graph_url, "http://127.0.0.1:1");
        assert_eq!(own.entra.login_url, "https://login.microsoftonline.com");
    }

    #[test]
    fn a_chosen_concurrency_is_taken_at_its_word_and_the_default_starts_carefully() {
        let common = [
            ("SERVICENOW_INSTANCE", "dev1"),
            ("SERVICENOW_USERNAME", "u"),
            ("SERVICENOW_PASSWORD", "p"),
        ];
        assert_eq!(
            with(&common).expect("complete").servicenow.concurrency,
            Concurrency { start: 2, cap: 4 }
        );
        let chosen = with(&[&common[..], &[("SERVICENOW_CONCURRENCY", "16")]].concat()).expect("complete");
        assert_eq!(chosen.servicenow.concurrency, Concurrency { start: 16, cap: 16 });
    }

    #[test]
    fn no_debug_output_shows_a_secret() {
        let common = [
            ("SERVICENOW_INSTANCE", "dev1"),
            ("SERVICENOW_USERNAME", "u"),
            ("SERVICENOW_PASSWORD", "canary-servicenow"),
        ];
        let shown = format!("{:?}", with(&common).expect("complete"));
        assert!(!shown.contains("canary"), "{shown}");
        crate::tried("M4", 1);
    }
}
