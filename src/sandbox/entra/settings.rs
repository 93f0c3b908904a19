//! The switches of the Microsoft side (`entra.md` 9.1).

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How the tenant behaves. Every field has the default of `entra.md` 9.1, so a change names only what it changes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EntraSettings {
    /// Application permissions that an administrator has granted: the `roles` of new tokens. May be empty (E56).
    pub roles: Vec<String>,
    /// Delegated permissions that have consent: the most that the `scp` of new tokens can hold.
    pub scopes: Vec<String>,
    /// The client secret has expired (E51).
    pub secret_expired: bool,
    /// The application allows public client flows; otherwise device code asks for a credential (`AADSTS7000218`).
    pub public_client: bool,
    /// Every sign-in that would succeed is refused with this AADSTS code (`entra.md` 5.10).
    pub sign_in_error: Option<u32>,
    /// Thumbprints of registered certificates: base64url of SHA-256 (`x5t#S256`) or SHA-1 (`x5t`) of the DER.
    /// Signatures are not verified.
    pub certificates: Vec<String>,
    /// Workload identities that the application trusts (`entra.md` 5.4). Signatures are not verified.
    pub federated_credentials: Vec<FederatedCredential>,
    /// What happens when somebody signs in with a device code (E55).
    pub device_code: DeviceCodeScript,

    /// Which era's photo answers are given.
    pub photo_style: PhotoStyle,
    /// What photo ETags look like.
    pub etag_style: EtagStyle,
    /// Percentage of photos whose ETag differs on any one day of sandbox time although the picture is the same;
    /// 0 is off.
    pub etag_churn: f64,
    /// `If-None-Match` on a photo is honoured (it is not, in the real service).
    pub photo_304: bool,
    /// The answer for a size that does not exist.
    pub no_size: NoSize,
    /// The answer for a user without a photo, instead of the one of `photo_style`.
    pub no_photo: Option<PhotoFailure>,
    /// Users, by object id or sign-in name, whose every photo request is answered with a failure.
    pub photo_failures: BTreeMap<String, PhotoFailure>,
    /// A changed photo shows in `/users/delta` (officially it never does).
    pub photo_in_delta: bool,

    /// Users on a page of `/users/delta`.
    pub delta_page: u32,
    /// The answer to a delta token older than seven days.
    pub delta_expired: DeltaExpired,
    /// Objects on a page of a list without `$top`.
    pub list_default_page: u32,

    /// Limits are enforced.
    pub throttling: bool,
    /// How Outlook's limit of 4 concurrent requests is applied to photos.
    pub outlook_concurrency: OutlookConcurrency,
    /// Mailbox requests of one batch that run at a time.
    pub batch_parallel: u32,
    /// Directory resource units per 10 s; `None`: by the size of the tenant (`entra.md` 7.1).
    pub directory_units: Option<u32>,
    /// Photo requests per mailbox and 10 minutes.
    pub mailbox_requests: u32,
    /// Requests of any kind per 10 s.
    pub global_requests: u32,
    /// Requests that arrive this soon after a refusal, in milliseconds of sandbox time, were under way when it was
    /// given: they are refused as well, but do not start the wait anew and do not count as early.
    pub early_grace_ms: u32,
    /// Service time of a request, on top of the server's own latency.
    pub latency: Latency,
}

impl Default for EntraSettings {
    fn default() -> Self {
        let names = |names: &[&str]| names.iter().map(ToString::to_string).collect();
        Self {
            roles: names(&[
                "ProfilePhoto.Read.All",
                "User.Read.All",
                "GroupMember.Read.All",
                "Application.Read.All",
            ]),
            scopes: names(&["User.Read", "User.Read.All", "ProfilePhoto.Read.All"]),
            secret_expired: false,
            public_client: true,
            sign_in_error: None,
            certificates: Vec::new(),
            federated_credentials: Vec::new(),
            device_code: DeviceCodeScript::default(),
            photo_style: PhotoStyle::Current,
            etag_style: EtagStyle::Weak64,
            etag_churn: 0.0,
            photo_304: false,
            no_size: NoSize::Json404,
            no_photo: None,
            photo_failures: BTreeMap::new(),
            photo_in_delta: false,
            delta_page: 200,
            delta_expired: DeltaExpired::Gone,
            list_default_page: 100,
            throttling: true,
            outlook_concurrency: OutlookConcurrency::PerMailbox4,
            batch_parallel: 4,
            directory_units: None,
            mailbox_requests: 10_000,
            global_requests: 130_000,
            early_grace_ms: 250,
            latency: Latency::Off,
        }
    }
}

/// An issuer of foreign tokens that the application trusts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FederatedCredential {
    /// `iss` of the assertion.
    pub issuer: String,
    /// `sub` of the assertion.
    pub subject: String,
}

/// What happens after a device code was handed out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DeviceCodeScript {
    /// Polls answered `authorization_pending` before the outcome.
    pub pending: u32,
    /// The outcome.
    pub outcome: DeviceCodeOutcome,
    /// Who signs in, by object id or sign-in name; `None`: the first enabled member.
    pub user: Option<String>,
}

impl Default for DeviceCodeScript {
    fn default() -> Self {
        Self {
            pending: 2,
            outcome: DeviceCodeOutcome::Approved,
            user: None,
        }
    }
}

/// How a device-code sign-in ends (`entra.md` 5.6).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeviceCodeOutcome {
    /// The user signed in.
    #[default]
    Approved,
    /// `slow_down` once, then approved.
    SlowDown,
    /// `authorization_declined`.
    AuthorizationDeclined,
    /// `expired_token`.
    ExpiredToken,
    /// `bad_verification_code`.
    BadVerificationCode,
}

/// Which era's photo answers are given (`entra.md` 1.3, 1.6).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PhotoStyle {
    /// 2022 to today.
    #[default]
    Current,
    /// Answers of the mailbox workload.
    Exchange2018,
    /// A 1×1 GIF stands for *no photo*, as in the documentation's sample.
    Doc1x1,
    /// No photo is a 404 without a body.
    Batch2017,
}

/// What photo ETags look like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EtagStyle {
    /// `W/"<64 hex>"`.
    #[default]
    Weak64,
    /// `"<8 hex>"`.
    Strong8,
    /// Neither header nor `@odata.mediaEtag`.
    None,
}

/// The answer for a size that does not exist (E08).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NoSize {
    /// 404 `ImageNotFound`.
    #[default]
    Json404,
    /// 404 `text/plain` without a body.
    Empty404,
}

/// A way in which a photo request has been seen to fail: the rows of `entra.md` 1.6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PhotoFailure {
    /// P1 `ImageNotFound`.
    ImageNotFound,
    /// P2 `ErrorItemNotFound`.
    ErrorItemNotFound,
    /// P3 `GetUserPhoto`.
    GetUserPhoto,
    /// P4 `ErrorEntityNotFound`.
    ErrorEntityNotFound,
    /// P5 `ConsumerPhotoIsNotSupported`.
    ConsumerPhotoIsNotSupported,
    /// P6: 200 and a 1×1 GIF.
    OnePixel,
    /// P7: 404 without a body.
    EmptyBody,
    /// P8: a profile that is not provisioned yet.
    ProfileNotFound,
    /// P9 `UnknownError` without a message.
    UnknownError,
    /// P10 `Request_ResourceNotFound`.
    RequestResourceNotFound,
    /// P11 `ErrorInvalidUser`.
    ErrorInvalidUser,
    /// P12 `ResourceNotFound`.
    ResourceNotFound,
    /// P13 `AuthenticationError`, 400.
    AuthenticationError,
    /// P14 `MailboxNotHostedInExchangeOnline`.
    MailboxNotHostedInExchangeOnline,
    /// P15 `MailboxNotEnabledForRESTAPI`.
    #[serde(rename = "mailbox_not_enabled_for_rest_api")]
    MailboxNotEnabledForRestApi,
    /// P16 `InvalidAuthenticationToken`, 401.
    InvalidAuthenticationToken,
    /// P17 `ErrorAccessDenied`, 403.
    ErrorAccessDenied,
    /// P18 `Authorization_RequestDenied`, 403.
    AuthorizationRequestDenied,
    /// P19 `UnknownError` whose message is itself an error in JSON, 403 (E58).
    WrappedMessage,
}

/// The answer to a delta token older than seven days (E35).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeltaExpired {
    /// 410 with a `Location`.
    #[default]
    Gone,
    /// 400.
    BadRequest,
}

/// How Outlook's limit of 4 concurrent requests is applied (`entra.md` 7.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum OutlookConcurrency {
    /// 4 requests of the application in each mailbox.
    #[default]
    #[serde(rename = "per_mailbox_4")]
    PerMailbox4,
    /// 4 requests of the application, whatever the mailbox.
    #[serde(rename = "per_app_4")]
    PerApp4,
    /// As many as come.
    #[serde(rename = "off")]
    Off,
}

/// Service time of one request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Latency {
    /// None.
    #[default]
    Off,
    /// Always the same, in milliseconds.
    Fixed(f64),
    /// Spread log-normally.
    Lognormal {
        /// Half of all requests are faster, in milliseconds.
        median: f64,
        /// One of a hundred is slower, in milliseconds.
        p99: f64,
    },
}

impl Latency {
    /// The service time at a standard normal deviate (0 is the median, 2.326 the slowest hundredth).
    pub fn at(self, deviate: f64) -> Duration {
        /// The standard normal deviate below which 99 of 100 values lie.
        const P99_DEVIATE: f64 = 2.326_347_874;
        /// Nobody waits longer than this for the sandbox.
        const SLOWEST_MS: f64 = 600_000.0;
        let milliseconds = match self {
            Self::Off => 0.0,
            Self::Fixed(milliseconds) => milliseconds,
            Self::Lognormal { median, p99 } => {
                let spread = (p99 / median).ln() / P99_DEVIATE;
                median * (spread * deviate).exp()
            }
        };
        if milliseconds.is_nan() {
            return Duration::ZERO;
        }
        Duration::from_secs_f64(milliseconds.clamp(0.0, SLOWEST_MS) / 1000.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_of_settings_names_only_what_it_changes_in_the_manuals_words() {
        let settings: EntraSettings = serde_json::from_str(
            r#"{"photo_style":"doc1x1","etag_style":"strong8","outlook_concurrency":"per_app_4",
                "no_size":"empty404","latency":{"lognormal":{"median":90,"p99":400}}}"#,
        )
        .expect("settings");
        assert_eq!(settings.photo_style, PhotoStyle::Doc1x1);
        assert_eq!(settings.outlook_concurrency, OutlookConcurrency::PerApp4);
        assert_eq!(settings.delta_page, 200);
    }

    #[test]
    fn an_unknown_switch_is_named() {
        let error =
            serde_json::from_str::<EntraSettings>(r#"{"photo_stile":"current"}"#).expect_err("unknown");
        assert!(error.to_string().contains("photo_stile"), "{error}");
    }

    #[test]
    fn lognormal_latency_has_the_median_and_the_slowest_hundredth_it_was_given() {
        let latency = Latency::Lognormal {
            median: 90.0,
            p99: 400.0,
        };
        assert_eq!(latency.at(0.0).as_millis(), 90);
        assert_eq!(latency.at(2.326_347_874).as_micros().div_ceil(1_000), 400);
    }
}
