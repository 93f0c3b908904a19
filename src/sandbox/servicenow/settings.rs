//! Everything about the practice instance that an administrator could have set otherwise, or that can go wrong
//! (`servicenow.md` 9.2, 9.3). All of it can be changed while the sandbox runs.

use std::collections::{BTreeMap, BTreeSet};

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::query::EncodedQuery;
use super::search::{Dialect, Search};
use crate::sandbox::world::instance::AvatarRules;
use crate::sandbox::world::instance::schema::TableName;

/// The settings of the practice instance. Serialised with every key; when read, a missing key has its default and an
/// unknown one is an error.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ServiceNowSettings {
    /// What the whole instance answers.
    pub mode: Mode,
    /// Signing in.
    pub sign_in: SignIn,
    /// Limits that protect the instance, and whether they act.
    pub throttle: Throttle,
    /// What the account may see and do.
    pub access: Access,
    /// Attachments: scan, limits, what is kept.
    pub attachments: Attachments,
    /// Requests that are cancelled for taking too long.
    pub quota: Quota,
    /// Switches of the avatar rule.
    pub avatar: AvatarRules,
    /// Custom rules that copy pictures between the two records of a user (E52).
    pub mirror: Mirror,
    /// Business rules that abort a write (E21).
    pub business_rules: Vec<AbortRule>,
    /// Columns whose written value is silently reverted, as `table.column`.
    pub reverted_columns: BTreeSet<String>,
    /// `glide.invalid_query.returns_no_rows`: an unknown column in a query gives no rows instead of being dropped (E14).
    pub invalid_query_returns_no_rows: bool,
    /// Values in queries are compared in their capitalisation, as the documentation says. By default they are not, which
    /// is what a default database collation does (`servicenow.md` 2.3 advises to rely on neither).
    pub case_sensitive_values: bool,
    /// Address in generated links if it differs from the one the client used (E53), without a slash at the end.
    pub link_base: Option<String>,
    /// The longest request line with headers, in bytes (E29).
    pub header_limit_bytes: usize,
    /// A longer one is answered 414 instead of Tomcat's 400.
    pub long_request_is_414: bool,
    /// `glide.rest.max_content_length` of JSON bodies in bytes (E28).
    pub json_body_limit_bytes: usize,
    /// Requests without `Accept`, and writes without `Content-Type`, are refused, as the documentation says
    /// (`servicenow.md` 2.1). Real clients leave them out and are served, which is the default.
    pub strict_headers: bool,
    /// The newer wording of the 401 (E1).
    pub new_unauthenticated_wording: bool,
    /// Tables that this instance does not have.
    pub missing_tables: BTreeSet<String>,
    /// Time zone of the account, an IANA name: display values of times are in it, stored values are UTC always
    /// (`servicenow.md` 2.6).
    #[serde(with = "jiff::fmt::serde::tz::required")]
    pub time_zone: TimeZone,
    /// How long one request takes in milliseconds, as far as waiting in queues is concerned.
    pub latency_ms: u32,
    /// What one row of a page adds to that, in microseconds.
    pub row_cost_us: u32,
    /// One Batch API request may take this long in milliseconds of `latency_ms` (E55).
    pub batch_limit_ms: u32,
    /// Bytes of one request item of a batch, encoded (E55).
    pub batch_item_limit_bytes: usize,
    /// Bytes of one response item of a batch.
    pub batch_output_limit_bytes: usize,
}

impl Default for ServiceNowSettings {
    fn default() -> Self {
        Self {
            mode: Mode::Normal,
            sign_in: SignIn::default(),
            throttle: Throttle::default(),
            access: Access::default(),
            attachments: Attachments::default(),
            quota: Quota::default(),
            avatar: AvatarRules::default(),
            mirror: Mirror::default(),
            business_rules: Vec::new(),
            reverted_columns: BTreeSet::new(),
            invalid_query_returns_no_rows: false,
            case_sensitive_values: false,
            link_base: None,
            header_limit_bytes: 8_192,
            long_request_is_414: false,
            json_body_limit_bytes: 10 * 1024 * 1024,
            strict_headers: false,
            new_unauthenticated_wording: false,
            missing_tables: BTreeSet::new(),
            time_zone: TimeZone::UTC,
            latency_ms: 0,
            row_cost_us: 0,
            batch_limit_ms: 30_000,
            batch_item_limit_bytes: 5 * 1024 * 1024,
            batch_output_limit_bytes: 10 * 1024 * 1024,
        }
    }
}

/// What the whole instance answers (`servicenow.md` 6.4, 6.5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// It works.
    #[default]
    Normal,
    /// A developer instance asleep: 200 with a page (E37).
    Hibernating,
    /// A developer instance asleep: 302 to the developer site (E37).
    HibernatingRedirect,
    /// Waking or being patched: 200 with a page (E38).
    Offline,
    /// Waking or being patched: 503 with a page (E38).
    OfflineUnavailable,
    /// A log-in page with 200 (E39).
    LoginPage,
    /// A redirect to the log-in page (E39).
    LoginRedirect,
    /// An edge in front answers with this status and a page (E40).
    EdgeError(u16),
}

/// Signing in (`servicenow.md` 5).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SignIn {
    /// `glide.oauth.inbound.client.credential.grant_type.enabled` and an application user.
    pub client_credentials: bool,
    /// The password grant is allowed.
    pub password_grant: bool,
    /// Basic authentication is accepted at all.
    pub basic: bool,
    /// The restriction of basic authentication is enforced (E3).
    pub basic_restricted: bool,
    /// The account is "Web service access only", which the restriction spares.
    pub web_service_access_only: bool,
    /// Roles of the account; `snc_basic_auth_api_access` is spared by the restriction too.
    pub roles: BTreeSet<String>,
    /// Basic authentication needs this one-time password behind the password (E4).
    pub one_time_password: Option<String>,
    /// The account is locked out or inactive (E60).
    pub locked: bool,
    /// Life of an access token in seconds.
    pub access_token_s: u32,
    /// Life of a refresh token in seconds.
    pub refresh_token_s: u32,
    /// `glide.oauth.allow.parameters.in.post.body.only`.
    pub parameters_in_body_only: bool,
    /// Schemes named in `WWW-Authenticate`.
    pub challenge: Challenge,
    /// Life of an idle session in seconds.
    pub session_s: u32,
    /// `glide.image_provider.security_enabled`: images need a signed-in session or credentials (N16).
    pub image_security: bool,
}

impl Default for SignIn {
    fn default() -> Self {
        Self {
            client_credentials: true,
            password_grant: true,
            basic: true,
            basic_restricted: false,
            web_service_access_only: true,
            roles: BTreeSet::new(),
            one_time_password: None,
            locked: false,
            access_token_s: 1_800,
            refresh_token_s: 8_640_000,
            parameters_in_body_only: true,
            challenge: Challenge::Basic,
            session_s: 300,
            image_security: true,
        }
    }
}

/// Schemes named in `WWW-Authenticate` (`servicenow.md` 5.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Challenge {
    /// `BASIC`.
    #[default]
    Basic,
    /// `BEARER`.
    Bearer,
    /// Both lines.
    Both,
}

/// Limits that protect the instance (`servicenow.md` 6.1, 6.2, 5.5).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Throttle {
    /// All of them act.
    pub enabled: bool,
    /// Integration threads of the node.
    pub threads: u32,
    /// Requests that may wait for a thread; one more is refused (E32).
    pub queue: u32,
    /// Requests that may wait in one session; one more is answered 202 (E33).
    pub session_waiters: u32,
    /// Rate-limit rules (E30, E31).
    pub rate_rules: Vec<RateRule>,
    /// A request inside a `Retry-After` makes the wait start anew.
    pub early_request_restarts_wait: bool,
}

impl Default for Throttle {
    fn default() -> Self {
        Self {
            enabled: true,
            threads: 4,
            queue: 50,
            session_waiters: 10,
            rate_rules: Vec::new(),
            early_request_restarts_wait: true,
        }
    }
}

/// Requests of a user in an hour (`servicenow.md` 6.1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RateRule {
    /// `sys_id` of the rule, as `X-RateLimit-Rule` shows it.
    pub id: String,
    /// Requests an hour.
    pub limit: u32,
    /// Whom it concerns.
    #[serde(default)]
    pub applies_to: RuleSubject,
    /// The API: `table`, `attachment`, `batch` or `stats`; all if absent.
    #[serde(default)]
    pub api: Option<String>,
    /// The method; all if absent.
    #[serde(default)]
    pub method: Option<String>,
}

/// Whom a rate rule concerns; the most particular rule wins.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RuleSubject {
    /// Everybody.
    #[default]
    All,
    /// Accounts with a role.
    Role(String),
    /// One account.
    User(String),
}

/// What the account may see and do (`servicenow.md` 2.5, 2.8, 2.10).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Access {
    /// APIs closed to the account: `table`, `attachment`, `batch`, `stats` (E19).
    pub closed_apis: BTreeSet<String>,
    /// Columns that cannot be read, as `table.column`: missing in rows (E16), refused in queries (E17).
    pub hidden_columns: BTreeSet<String>,
    /// Columns that can be read and not be queried or sorted by, as `table.column` (E17).
    pub unqueryable_columns: BTreeSet<String>,
    /// Rows hidden by access rules after the limit was applied (E11, E18): encoded query by table.
    pub hidden_rows: BTreeMap<String, String>,
    /// Rows of other domains, which are not even counted (E54): encoded query by table.
    pub foreign_rows: BTreeMap<String, String>,
    /// Tables whose inserts access rules refuse (E20).
    pub refused_inserts: BTreeSet<String>,
    /// Updates refused (E20, E24): encoded query by table; an empty one is all rows.
    pub refused_updates: BTreeMap<String, String>,
    /// Deletes refused (E20): encoded query by table; an empty one is all rows.
    pub refused_deletes: BTreeMap<String, String>,
}

/// Attachments (`servicenow.md` 3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Attachments {
    /// Milliseconds until an uploaded file leaves `pending` (N10).
    pub scan_ms: u32,
    /// The scan quarantines uploads with this SHA-256 (E48).
    pub quarantined_sha256: BTreeSet<String>,
    /// The scan quarantines all uploads.
    pub quarantine_all: bool,
    /// `hash` of new rows is filled; false for encrypted attachments.
    pub store_hash: bool,
    /// `com.glide.attachment.max_size` in bytes (E27).
    pub max_bytes: u64,
    /// Status of the refusal of a larger one: 413 or 400.
    pub too_large_status: u16,
    /// `glide.attachment.extensions`: allowed ones, empty = all (E25).
    pub extensions: BTreeSet<String>,
    /// `glide.security.file.mime_type.validation` (E26).
    pub mime_validation: bool,
    /// `glide.security.strict.user_image_upload`: an upload needs the right to change the record (E24).
    pub strict_image_upload: bool,
    /// Pictures get a thumbnail row at their first display (`servicenow.md` 1.2).
    pub create_thumbnails: bool,
    /// The next uploads that are answered 201 but keep something else.
    pub corrupt_next: u32,
    /// An upload that equals a row of the same record is not stored again; the answer shows the old row.
    pub drop_identical: bool,
}

impl Default for Attachments {
    fn default() -> Self {
        Self {
            scan_ms: 1_000,
            quarantined_sha256: BTreeSet::new(),
            quarantine_all: false,
            store_hash: true,
            max_bytes: 1024 * 1024 * 1024,
            too_large_status: 413,
            extensions: BTreeSet::new(),
            mime_validation: false,
            strict_image_upload: true,
            create_thumbnails: true,
            corrupt_next: 0,
            drop_identical: false,
        }
    }
}

/// The transaction quota (`servicenow.md` 6.3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Quota {
    /// A list that costs more milliseconds than this (`row_cost_us`) is cancelled.
    pub limit_ms: u32,
    /// A list with more rows than this is cancelled.
    pub max_rows: Option<u32>,
    /// Cancelled lists are cut in the middle of a row with status 200 (E35) instead of a 500 (E34).
    pub cut_off: bool,
    /// The next requests that are cancelled before anything is done (E34).
    pub cancel_next: u32,
    /// The next writes that are carried out and still answered 500 (E36).
    pub cancel_after_commit_next: u32,
}

impl Default for Quota {
    fn default() -> Self {
        Self {
            limit_ms: 300_000,
            max_rows: None,
            cut_off: false,
            cancel_next: 0,
            cancel_after_commit_next: 0,
        }
    }
}

/// Custom rules that copy pictures (`servicenow.md` 1.4, E52).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Mirror {
    /// Uploads to `live_profile` are copied to `sys_user`.
    pub profile_to_user: bool,
    /// Uploads to `sys_user` are copied to `live_profile`.
    pub user_to_profile: bool,
    /// Milliseconds until the copy is made.
    pub delay_ms: u32,
}

impl Default for Mirror {
    fn default() -> Self {
        Self {
            profile_to_user: false,
            user_to_profile: false,
            delay_ms: 1_000,
        }
    }
}

/// A business rule that aborts writes to a table (E21).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AbortRule {
    /// Table.
    pub table: String,
    /// Which write: `insert`, `update` or `delete`; all if absent.
    #[serde(default)]
    pub operation: Option<String>,
    /// Name of the rule, as the refusal shows it.
    pub name: String,
    /// `sys_id` of the rule.
    pub sys_id: String,
}

/// Settings with their queries bound to tables; made anew when settings change.
#[derive(Debug)]
pub struct Compiled {
    /// The settings.
    pub settings: ServiceNowSettings,
    pub(super) hidden_rows: BTreeMap<TableName, Search>,
    pub(super) foreign_rows: BTreeMap<TableName, Search>,
    pub(super) refused_updates: BTreeMap<TableName, Search>,
    pub(super) refused_deletes: BTreeMap<TableName, Search>,
}

impl Compiled {
    pub(super) fn new(settings: ServiceNowSettings) -> Self {
        let dialect = Dialect {
            case_sensitive: settings.case_sensitive_values,
            user_name: "",
            user_id: None,
        };
        let compile = |queries: &BTreeMap<String, String>| {
            queries
                .iter()
                .filter_map(|(table, query)| Some((TableName::parse(table)?, query)))
                .map(|(table, query)| (table, Search::new(table, &EncodedQuery::parse(query), dialect)))
                .collect()
        };
        Self {
            hidden_rows: compile(&settings.access.hidden_rows),
            foreign_rows: compile(&settings.access.foreign_rows),
            refused_updates: compile(&settings.access.refused_updates),
            refused_deletes: compile(&settings.access.refused_deletes),
            settings,
        }
    }

    /// A column named in one of the sets of `table.column`.
    pub(super) fn names(set: &BTreeSet<String>, table: TableName, column: &str) -> bool {
        !set.is_empty() && set.contains(&format!("{}.{column}", table.name()))
    }
}
