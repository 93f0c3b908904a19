//! The one list of what can be set.

use super::Value;

/// What a setting's value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Any text.
    Text,
    /// Text that is never shown.
    Secret,
    /// A whole number within bounds.
    Number {
        /// The least.
        min: i64,
        /// The most.
        max: i64,
    },
    /// Yes or no.
    Flag,
    /// One of a few words.
    Choice(&'static [&'static str]),
    /// Several texts; in the environment separated by commas.
    List,
    /// Several of a few words, in an order that matters.
    Choices(&'static [&'static str]),
}

/// Something that can be set.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// Section and name: `entra.tenant`. The environment variable is derived from it.
    pub key: &'static str,
    /// What its value is.
    pub kind: Kind,
    /// Built-in default, as it would be written in the environment; empty for none.
    pub default: &'static str,
    /// What it is for.
    pub help: &'static str,
}

const fn setting(key: &'static str, kind: Kind, default: &'static str, help: &'static str) -> Setting {
    Setting {
        key,
        kind,
        default,
        help,
    }
}

const RULES: &[&str] = &["object_id", "employee_number", "user_name", "mail"];
const PHOTO_SIZES: &[&str] = &[
    "48", "64", "96", "120", "240", "360", "432", "504", "648", "largest",
];
const CLOUDS: &[&str] = &["global", "us_government_l4", "us_government_l5", "china"];
const GRAPHICS: &[&str] = &["auto", "kitty", "sixel", "iterm2", "blocks", "off"];
const THEMES: &[&str] = &["auto", "dark", "light", "sixteen", "plain"];
const OCCASIONS: &[&str] = &["failure", "brake", "quarantine", "recovery", "approval"];
const SMTP_TLS: &[&str] = &["starttls", "implicit", "none"];
const WEBHOOKS: &[&str] = &["generic", "teams", "slack"];
const WRITE_TARGETS: &[&str] = &["both", "live-profile", "sys-user", "effective", "seed-article"];

/// Every setting, section by section.
pub const SETTINGS: &[Setting] = &[
    setting(
        "entra.cloud",
        Kind::Choice(CLOUDS),
        "global",
        "Microsoft cloud the tenant lives in",
    ),
    setting(
        "entra.tenant",
        Kind::Text,
        "",
        "directory (tenant) id or a verified domain",
    ),
    setting(
        "entra.client_id",
        Kind::Text,
        "",
        "application (client) id of the app registration",
    ),
    setting(
        "entra.client_secret",
        Kind::Secret,
        "",
        "the secret's Value, not its id",
    ),
    setting(
        "entra.login_url",
        Kind::Text,
        "",
        "sign-in address, instead of the cloud's",
    ),
    setting(
        "entra.graph_url",
        Kind::Text,
        "",
        "Microsoft Graph address, instead of the cloud's",
    ),
    setting(
        "entra.photo_size",
        Kind::Choice(PHOTO_SIZES),
        "360",
        "pixels of the photo that is pushed; the largest there is where this size does not exist",
    ),
    setting(
        "entra.filter",
        Kind::Text,
        "",
        "OData $filter for the listing; empty is everybody",
    ),
    setting(
        "entra.photo_concurrency",
        Kind::Number { min: 1, max: 128 },
        "16",
        "the most photo requests at a time; it starts at 4 and climbs while the service keeps up",
    ),
    setting(
        "entra.ca_file",
        Kind::Text,
        "",
        "PEM file with a certificate authority to trust besides the system's",
    ),
    setting(
        "servicenow.instance",
        Kind::Text,
        "",
        "instance name (dev12345), host or address",
    ),
    setting("servicenow.client_id", Kind::Text, "", "OAuth client id"),
    setting(
        "servicenow.client_secret",
        Kind::Secret,
        "",
        "OAuth client secret",
    ),
    setting(
        "servicenow.username",
        Kind::Text,
        "",
        "account for basic sign-in, or with a client for the password grant",
    ),
    setting("servicenow.password", Kind::Secret, "", "its password"),
    setting(
        "servicenow.scope",
        Kind::Text,
        "active=true^emailISNOTEMPTY",
        "encoded query that says which users are considered",
    ),
    setting(
        "servicenow.object_id_column",
        Kind::Text,
        "correlation_id",
        "sys_user column that holds the Entra object id; \"none\" if there is none",
    ),
    setting(
        "servicenow.write_target",
        Kind::Choice(WRITE_TARGETS),
        "both",
        "which records get the picture",
    ),
    setting(
        "servicenow.create_live_profile",
        Kind::Flag,
        "true",
        "create the live_profile record of people without one",
    ),
    setting(
        "servicenow.session_cookies",
        Kind::Flag,
        "true",
        "one session per request slot, instead of one per request",
    ),
    setting(
        "servicenow.concurrency",
        Kind::Number { min: 1, max: 64 },
        "4",
        "the most requests at a time; it starts at 2 and climbs while the instance keeps up",
    ),
    setting(
        "servicenow.page_size",
        Kind::Number {
            min: 100,
            max: 10_000,
        },
        "1000",
        "rows a page of a listing, at first",
    ),
    setting(
        "servicenow.upload_limit",
        Kind::Number {
            min: 10_000,
            max: 20_971_520,
        },
        "5242880",
        "bytes; a larger photo is scaled down first",
    ),
    setting(
        "servicenow.ca_file",
        Kind::Text,
        "",
        "PEM file with a certificate authority to trust besides the system's",
    ),
    setting(
        "match.rules",
        Kind::Choices(RULES),
        "object_id,employee_number,user_name,mail",
        "how people are recognised, in this order",
    ),
    setting("scope.guests", Kind::Flag, "false", "consider guest accounts"),
    setting(
        "scope.disabled",
        Kind::Flag,
        "false",
        "consider accounts that are disabled in Entra ID",
    ),
    setting(
        "scope.include_groups",
        Kind::List,
        "",
        "only members of these Entra groups (names or ids)",
    ),
    setting(
        "scope.exclude_groups",
        Kind::List,
        "",
        "never members of these Entra groups (names or ids)",
    ),
    setting(
        "policy.overwrite",
        Kind::Choice(&["always", "only_if_empty"]),
        "always",
        "whether an avatar that is there may be replaced",
    ),
    setting(
        "policy.push_same_picture",
        Kind::Flag,
        "false",
        "push a photo that differs in its bytes alone",
    ),
    setting(
        "policy.push_suspicious",
        Kind::Flag,
        "false",
        "push photos that are probably not the person's own: shared, swapped, blank, a logo",
    ),
    setting(
        "policy.repair",
        Kind::Flag,
        "false",
        "put in order what lies behind a picture that is right already: missing profile, second record",
    ),
    setting(
        "policy.mirror_removals",
        Kind::Flag,
        "false",
        "remove the avatar of people without a photo in Entra ID",
    ),
    setting(
        "policy.absence_hours",
        Kind::Number { min: 0, max: 8_760 },
        "24",
        "how far apart the first and the last sighting of a missing photo must be before its avatar is removed",
    ),
    setting(
        "policy.absence_scans",
        Kind::Number { min: 2, max: 100 },
        "2",
        "in how many complete scans a photo must be missing before its avatar is removed",
    ),
    setting(
        "policy.removal_approval",
        Kind::Choice(&["required", "automatic"]),
        "required",
        "whether runs that nobody confirms remove an avatar only after `avatar-sync removals approve`",
    ),
    setting(
        "limits.max_changes",
        Kind::Number {
            min: 0,
            max: 10_000_000,
        },
        "",
        "a run that would change more people stops; empty is no limit",
    ),
    setting(
        "limits.max_change_share",
        Kind::Number { min: 0, max: 100 },
        "50",
        "a run that would change more than this percentage of the people in scope stops; not asked of a first run",
    ),
    setting(
        "limits.max_removals",
        Kind::Number {
            min: 0,
            max: 10_000_000,
        },
        "10",
        "a run that would remove more avatars stops",
    ),
    setting(
        "limits.max_removal_share",
        Kind::Number { min: 0, max: 100 },
        "5",
        "a run that would remove the avatars of more than this percentage of the people in scope stops",
    ),
    setting(
        "limits.pushes_in_flight",
        Kind::Number { min: 1, max: 512 },
        "128",
        "people pushed side by side; their reads share requests",
    ),
    setting(
        "vault.encryption",
        Kind::Choice(&["auto", "required", "off"]),
        "auto",
        "seal replaced pictures: wherever there is a key, only with one, or never",
    ),
    setting(
        "vault.key",
        Kind::Secret,
        "",
        "key of the vault (32 bytes in base64), instead of one in the system's secret store",
    ),
    setting(
        "vault.key_file",
        Kind::Text,
        "",
        "file with that key; /dev/fd/3 reads it from file descriptor 3",
    ),
    setting(
        "vault.retention_days",
        Kind::Number { min: 0, max: 3_650 },
        "30",
        "days after which replaced pictures and the names in the history leave this machine; 0 keeps them",
    ),
    setting(
        "schedule.time_zone",
        Kind::Text,
        "",
        "time zone of `sync --cron` (Europe/Berlin); empty is this machine's",
    ),
    setting(
        "schedule.jitter",
        Kind::Text,
        "",
        "how much later than due a run begins at most (0, 5m); empty is a tenth of the interval, at most 5m",
    ),
    setting(
        "schedule.if_locked",
        Kind::Choice(&["skip", "wait"]),
        "skip",
        "what a sync does while another run holds the profile",
    ),
    setting(
        "schedule.health_file",
        Kind::Text,
        "",
        "JSON file that says how `sync` is doing, for probes",
    ),
    setting(
        "notify.on",
        Kind::Choices(OCCASIONS),
        "failure,brake,quarantine,recovery,approval",
        "what is told after a sync",
    ),
    setting(
        "notify.names",
        Kind::Flag,
        "false",
        "name the people concerned; without it a notification holds numbers alone",
    ),
    setting(
        "notify.email_to",
        Kind::List,
        "",
        "addresses that are told by e-mail",
    ),
    setting("notify.email_from", Kind::Text, "", "the sender's address"),
    setting("notify.smtp_host", Kind::Text, "", "mail server"),
    setting(
        "notify.smtp_port",
        Kind::Number { min: 1, max: 65_535 },
        "",
        "its port; empty is 587, with implicit TLS 465, without any 25",
    ),
    setting(
        "notify.smtp_tls",
        Kind::Choice(SMTP_TLS),
        "starttls",
        "how the connection to it is encrypted; none is for a server on this machine alone",
    ),
    setting(
        "notify.smtp_username",
        Kind::Text,
        "",
        "account at the mail server; empty signs in nowhere",
    ),
    setting("notify.smtp_password", Kind::Secret, "", "its password"),
    setting(
        "notify.webhook_url",
        Kind::Secret,
        "",
        "address that is told by HTTPS POST; whoever knows it can post, so it is kept like a password",
    ),
    setting(
        "notify.webhook_kind",
        Kind::Choice(WEBHOOKS),
        "generic",
        "what the address understands: plain JSON, a Teams workflow, a Slack app",
    ),
    setting(
        "notify.ca_file",
        Kind::Text,
        "",
        "PEM file with a certificate authority to trust besides the system's",
    ),
    setting(
        "screen.production",
        Kind::Flag,
        "false",
        "this profile writes to production: the screen says so in red",
    ),
    setting(
        "screen.graphics",
        Kind::Choice(GRAPHICS),
        "auto",
        "how the screen draws pictures; auto asks the terminal",
    ),
    setting(
        "screen.theme",
        Kind::Choice(THEMES),
        "auto",
        "colours of the screen; auto asks the terminal for its background",
    ),
    setting(
        "screen.mouse",
        Kind::Flag,
        "true",
        "take the mouse while the screen is open",
    ),
    setting(
        "screen.keys",
        Kind::List,
        "",
        "other keys for actions of the screen: push=f5, quit=ctrl-q",
    ),
];

impl Setting {
    /// The section of the file it stands in.
    pub fn section(&self) -> &'static str {
        self.key.split_once('.').map_or(self.key, |(section, _)| section)
    }

    /// Its name within the section.
    pub fn name(&self) -> &'static str {
        self.key.split_once('.').map_or(self.key, |(_, name)| name)
    }

    /// Its environment variable: `AVATAR_SYNC_ENTRA_TENANT`.
    pub fn environment_name(&self) -> String {
        format!("AVATAR_SYNC_{}", self.key.to_uppercase().replace('.', "_"))
    }

    /// True for the settings that make a configuration out of nothing.
    pub fn names_a_service(&self) -> bool {
        matches!(
            self.key,
            "entra.tenant" | "entra.client_id" | "entra.graph_url" | "servicenow.instance"
        )
    }

    /// The built-in default.
    pub fn default_value(&self) -> Option<Value> {
        if self.default.is_empty() {
            return None;
        }
        Some(self.parse(self.default).expect("built-in defaults are valid"))
    }

    /// Reads a value from text, as from the environment.
    pub fn parse(&self, text: &str) -> Result<Value, String> {
        let text = text.trim();
        match self.kind {
            Kind::Text | Kind::Secret | Kind::Choice(_) => self.check(Value::Text(text.to_owned())),
            Kind::Number { .. } => text.parse().map_or_else(
                |_| Err(self.expectation()),
                |number| self.check(Value::Number(number)),
            ),
            Kind::Flag => match text.to_ascii_lowercase().as_str() {
                "true" | "yes" | "on" | "1" => Ok(Value::Flag(true)),
                "false" | "no" | "off" | "0" => Ok(Value::Flag(false)),
                _ => Err(self.expectation()),
            },
            Kind::List | Kind::Choices(_) => {
                let items = text.split(',').map(|item| item.trim().to_owned());
                self.check(Value::List(items.filter(|item| !item.is_empty()).collect()))
            }
        }
    }

    /// Checks a value's type and bounds.
    pub fn check(&self, value: Value) -> Result<Value, String> {
        let value = match (value, self.kind) {
            // Some words look like numbers, and TOML lets them be written so.
            (Value::Number(number), Kind::Choice(_)) => Value::Text(number.to_string()),
            (value, _) => value,
        };
        let is_fit = match (&value, self.kind) {
            (Value::Text(_), Kind::Text | Kind::Secret)
            | (Value::Flag(_), Kind::Flag)
            | (Value::List(_), Kind::List) => true,
            (Value::Text(text), Kind::Choice(words)) => words.contains(&text.as_str()),
            (Value::Number(number), Kind::Number { min, max }) => (min..=max).contains(number),
            (Value::List(items), Kind::Choices(words)) => {
                !items.is_empty() && items.iter().all(|item| words.contains(&item.as_str()))
            }
            _ => false,
        };
        if is_fit {
            Ok(value)
        } else {
            Err(self.expectation())
        }
    }

    /// What is expected, as a sentence that begins with the key.
    pub fn expectation(&self) -> String {
        let expected = match self.kind {
            Kind::Text | Kind::Secret => "text".to_owned(),
            Kind::Number { min, max } => format!("a whole number between {min} and {max}"),
            Kind::Flag => "true or false".to_owned(),
            Kind::Choice(words) => format!("one of {}", words.join(", ")),
            Kind::List => "a list of texts".to_owned(),
            Kind::Choices(words) => format!("a list of {}", words.join(", ")),
        };
        format!("{} must be {expected}", self.key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_is_valid_and_every_key_is_unique() {
        for (position, setting) in SETTINGS.iter().enumerate() {
            let _ = setting.default_value();
            assert!(
                SETTINGS[..position].iter().all(|other| other.key != setting.key),
                "{}",
                setting.key
            );
        }
    }

    #[test]
    fn environment_names_are_those_that_are_documented() {
        let names: Vec<String> = SETTINGS.iter().map(Setting::environment_name).collect();
        for documented in [
            "AVATAR_SYNC_ENTRA_TENANT",
            "AVATAR_SYNC_ENTRA_CLIENT_ID",
            "AVATAR_SYNC_ENTRA_CLIENT_SECRET",
            "AVATAR_SYNC_ENTRA_LOGIN_URL",
            "AVATAR_SYNC_ENTRA_GRAPH_URL",
            "AVATAR_SYNC_SERVICENOW_INSTANCE",
            "AVATAR_SYNC_SERVICENOW_CLIENT_ID",
            "AVATAR_SYNC_SERVICENOW_CLIENT_SECRET",
            "AVATAR_SYNC_SERVICENOW_USERNAME",
            "AVATAR_SYNC_SERVICENOW_PASSWORD",
        ] {
            assert!(names.iter().any(|name| name == documented), "{documented}");
        }
    }
}
