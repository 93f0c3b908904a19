//! How to reach an instance, and how avatars are written there.

use serde::{Deserialize, Serialize};

use crate::connector::http::{Origin, Secret};

/// Everything a [`ServiceNowTarget`](super::ServiceNowTarget) is told; nothing is read from elsewhere.
#[derive(Clone, Debug)]
pub struct ServiceNowSettings {
    /// The instance; see [`instance_origin`](super::instance_origin).
    pub origin: Origin,
    /// How to sign in.
    pub auth: ServiceNowAuth,
    /// Who is in scope: an encoded query on `sys_user`. Empty is everybody.
    pub scope: String,
    /// The column of `sys_user` that keeps the source's object id, if any does.
    pub source_key_column: Option<String>,
    /// Rows asked for at first, between [`Self::PAGE_FLOOR`] and [`Self::PAGE_CAP`]; it adapts.
    pub page_size: usize,
    /// Where avatars are written.
    pub write_mode: WriteMode,
    /// Create the `live_profile` record of a person who has none, where the write mode writes it.
    pub create_live_profile: bool,
    /// Keep session cookies, one session for each request in flight (`servicenow.md` 5.5).
    pub session_cookies: bool,
    /// Requests in flight at first.
    pub lane_start: usize,
    /// Requests in flight at most.
    pub lane_cap: usize,
    /// The largest picture in bytes that is uploaded.
    pub upload_limit: u64,
}

impl ServiceNowSettings {
    /// Pages are never asked for smaller than this, in rows.
    pub const PAGE_FLOOR: usize = 100;
    /// Pages are never asked for larger than this, in rows.
    pub const PAGE_CAP: usize = 2_000;

    /// The defaults for an instance (`servicenow.md` 0).
    pub fn new(origin: Origin, auth: ServiceNowAuth) -> Self {
        Self {
            origin,
            auth,
            scope: "active=true^emailISNOTEMPTY".to_owned(),
            source_key_column: Some("correlation_id".to_owned()),
            page_size: 1_000,
            write_mode: WriteMode::Both,
            create_live_profile: true,
            session_cookies: true,
            lane_start: 2,
            lane_cap: 4,
            upload_limit: 5 * 1024 * 1024,
        }
    }
}

/// How to sign in to an instance (`servicenow.md` 5).
#[derive(Clone, Debug)]
pub enum ServiceNowAuth {
    /// OAuth client credentials: recommended.
    ClientCredentials {
        /// The client.
        client_id: String,
        /// Its secret.
        client_secret: Secret,
    },
    /// OAuth resource owner password grant.
    Password {
        /// The client.
        client_id: String,
        /// Its secret.
        client_secret: Secret,
        /// The account.
        username: String,
        /// Its password.
        password: Secret,
    },
    /// HTTP Basic authentication; blocked on many instances.
    Basic {
        /// The account.
        username: String,
        /// Its password.
        password: Secret,
    },
}

/// Where avatars are written (`servicenow.md` 1.7).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WriteMode {
    /// The profile and the user record, each in the image-field form.
    #[default]
    Both,
    /// The profile alone.
    LiveProfile,
    /// The user record alone.
    SysUser,
    /// Whichever record is displayed now; the user record if there is no picture. Profiles are never created.
    Effective,
    /// As the well-known article does it: ordinary attachments, named by the columns of the profile and of the user
    /// record; each record has its own.
    SeedArticle,
}

impl WriteMode {
    /// All modes, the default first.
    pub const ALL: [Self; 5] = [
        Self::Both,
        Self::LiveProfile,
        Self::SysUser,
        Self::Effective,
        Self::SeedArticle,
    ];

    /// The name in configuration files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Both => "both",
            Self::LiveProfile => "live-profile",
            Self::SysUser => "sys-user",
            Self::Effective => "effective",
            Self::SeedArticle => "seed-article",
        }
    }
}
