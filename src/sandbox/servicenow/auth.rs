//! Who calls: OAuth tokens and basic authentication (`servicenow.md` 5).

use std::collections::HashMap;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use jiff::{SignedDuration, Timestamp};
use parking_lot::RwLock;
use serde_json::json;
use uuid::Uuid;

use super::errors::{JSON, envelope};
use super::settings::{Challenge, ServiceNowSettings, SignIn};
use crate::sandbox::exchange::{Request, Response};
use crate::sandbox::world::Credentials;

/// The client id that ServiceNow's own Python client uses when it is given none; its secret is asked for with basic
/// authentication.
const MOBILE_CLIENT: &str = "3e57bb02663102004d010ee8f561307a";

/// Tokens that are remembered; the oldest ones go first.
const CAPACITY: usize = 10_000;

/// Signs callers in and issues tokens. One account and one OAuth client exist, those of the credentials, besides the
/// platform's own mobile client.
pub struct Gate {
    credentials: Arc<Credentials>,
    mobile_secret: String,
    tokens: RwLock<Tokens>,
}

#[derive(Default)]
struct Tokens {
    access: HashMap<String, Timestamp>,
    refresh: HashMap<String, Timestamp>,
    /// The running token of the password grant, which asking again gives again (E8).
    password: Option<(String, String)>,
}

/// Why a request is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denied {
    /// Anything at all (E1, E2, E3, E5, E60).
    Unauthenticated,
    /// The password is right and the one-time password missing (E4).
    OneTimePassword,
}

impl Gate {
    /// A gate for these credentials.
    pub fn new(credentials: Arc<Credentials>) -> Self {
        Self {
            credentials,
            mobile_secret: Uuid::new_v4().simple().to_string(),
            tokens: RwLock::default(),
        }
    }

    /// The account everybody signs in as.
    pub fn account(&self) -> &str {
        &self.credentials.servicenow_username
    }

    /// Lets a request in, or says why not.
    pub fn check(&self, request: &Request, settings: &SignIn, now: Timestamp) -> Result<(), Denied> {
        let header = request.header("authorization").ok_or(Denied::Unauthenticated)?;
        let (scheme, value) = header.split_once(' ').ok_or(Denied::Unauthenticated)?;
        let value = value.trim();
        if settings.locked {
            return Err(Denied::Unauthenticated);
        }
        if scheme.eq_ignore_ascii_case("bearer") {
            let tokens = self.tokens.read();
            let is_valid = tokens.access.get(value).is_some_and(|expires| *expires > now);
            return if is_valid {
                Ok(())
            } else {
                Err(Denied::Unauthenticated)
            };
        }
        if !scheme.eq_ignore_ascii_case("basic") || !settings.basic {
            return Err(Denied::Unauthenticated);
        }
        let (user, password) = decode_basic(value).ok_or(Denied::Unauthenticated)?;
        self.check_password(&user, &password, settings)
    }

    fn check_password(&self, user: &str, password: &str, settings: &SignIn) -> Result<(), Denied> {
        let is_account = user.eq_ignore_ascii_case(&self.credentials.servicenow_username);
        let rest = password
            .strip_prefix(&*self.credentials.servicenow_password)
            .filter(|_| is_account)
            .ok_or(Denied::Unauthenticated)?;
        let sent_one_time_password = match &settings.one_time_password {
            Some(expected) if rest == expected => true,
            Some(_) if rest.is_empty() => return Err(Denied::OneTimePassword),
            None if rest.is_empty() => false,
            _ => return Err(Denied::Unauthenticated),
        };
        let is_spared = settings.web_service_access_only
            || sent_one_time_password
            || settings.roles.contains("snc_basic_auth_api_access");
        if settings.basic_restricted && !is_spared {
            return Err(Denied::Unauthenticated);
        }
        Ok(())
    }

    /// `POST /oauth_token.do` (`servicenow.md` 5.2).
    pub fn token(&self, request: &Request, settings: &SignIn, now: Timestamp) -> Response {
        self.grant(request, settings, now).unwrap_or_else(|| {
            let body = json!({"error_description": "access_denied", "error": "server_error"});
            Response::json(401, JSON, &body)
        })
    }

    fn grant(&self, request: &Request, settings: &SignIn, now: Timestamp) -> Option<Response> {
        let is_form = request
            .header("content-type")
            .is_some_and(|value| value.starts_with("application/x-www-form-urlencoded"));
        if request.method != Method::POST || !is_form || settings.locked {
            return None;
        }
        let mut parameters: HashMap<String, String> = request.form().into_iter().collect();
        if !settings.parameters_in_body_only {
            parameters.extend(request.query_pairs());
        }
        let parameter = |name: &str| parameters.get(name).map(String::as_str);
        let basic = request
            .header("authorization")
            .and_then(|value| value.strip_prefix("Basic "))
            .and_then(decode_basic);
        let (client, secret) = match (parameter("client_id"), parameter("client_secret"), &basic) {
            (Some(client), Some(secret), _) => (client, secret),
            (_, _, Some((client, secret))) => (client.as_str(), secret.as_str()),
            _ => return None,
        };
        let is_client = (client == self.credentials.servicenow_client_id
            && secret == self.credentials.servicenow_client_secret)
            || (client == MOBILE_CLIENT && secret == self.mobile_secret);
        if !is_client {
            return None;
        }
        match parameter("grant_type")? {
            "client_credentials" if settings.client_credentials => {
                let token = self.issue(settings, now);
                Some(answer(&token, None, self.expires(&token)?, now))
            }
            "password" if settings.password_grant => {
                let is_account = parameter("username")?
                    .eq_ignore_ascii_case(&self.credentials.servicenow_username)
                    && parameter("password")? == self.credentials.servicenow_password;
                if !is_account {
                    return None;
                }
                let running = self.tokens.read().password.clone();
                let running = running.filter(|(token, _)| self.expires(token).is_some_and(|at| at > now));
                let (token, refresh) = running.unwrap_or_else(|| self.issue_with_refresh(settings, now));
                Some(answer(&token, Some(&refresh), self.expires(&token)?, now))
            }
            "refresh_token" => {
                let refresh = parameter("refresh_token")?;
                let is_valid = self
                    .tokens
                    .read()
                    .refresh
                    .get(refresh)
                    .is_some_and(|expires| *expires > now);
                if !is_valid {
                    return None;
                }
                let token = self.issue(settings, now);
                self.tokens.write().password = Some((token.clone(), refresh.to_owned()));
                Some(answer(&token, Some(refresh), self.expires(&token)?, now))
            }
            // No key is known that an assertion of the JWT bearer grant could be checked with (E6).
            _ => None,
        }
    }

    fn expires(&self, token: &str) -> Option<Timestamp> {
        self.tokens.read().access.get(token).copied()
    }

    fn issue(&self, settings: &SignIn, now: Timestamp) -> String {
        let token = random_token();
        let expires = later(now, settings.access_token_s);
        let mut tokens = self.tokens.write();
        forget(&mut tokens.access, now);
        tokens.access.insert(token.clone(), expires);
        token
    }

    fn issue_with_refresh(&self, settings: &SignIn, now: Timestamp) -> (String, String) {
        let token = self.issue(settings, now);
        let refresh = random_token();
        let mut tokens = self.tokens.write();
        forget(&mut tokens.refresh, now);
        tokens
            .refresh
            .insert(refresh.clone(), later(now, settings.refresh_token_s));
        tokens.password = Some((token.clone(), refresh.clone()));
        (token, refresh)
    }

    /// `GET /oauth_revoke_token.do?token=…`, which needs no authentication (`servicenow.md` 5.2).
    pub fn revoke(&self, request: &Request) -> Response {
        if let Some(token) = request.query_value("token") {
            let mut tokens = self.tokens.write();
            tokens.access.remove(&token);
            tokens.refresh.remove(&token);
        }
        Response::new(200, JSON, "")
    }

    /// `GET /api/now/mobileapp/plugin/secret`: the secret of the mobile client, for who has signed in.
    pub fn mobile_secret(&self) -> Response {
        Response::json(200, JSON, &json!({"result": {"secret": self.mobile_secret}}))
    }
}

/// The 401 of `servicenow.md` 5.3.
pub fn unauthenticated(denied: Denied, settings: &ServiceNowSettings) -> Response {
    let message = if settings.new_unauthenticated_wording {
        "User is not authenticated"
    } else {
        "User Not Authenticated"
    };
    let mut response = envelope(401, message, Some("Required to provide Auth information"));
    if settings.sign_in.challenge != Challenge::Bearer {
        response = response.with_header("www-authenticate", "BASIC realm=\"Service-now\"");
    }
    if settings.sign_in.challenge != Challenge::Basic {
        response = response.with_header("www-authenticate", "BEARER realm=\"Service-now\"");
    }
    match denied {
        Denied::Unauthenticated => response,
        Denied::OneTimePassword => response.with_header("x-mfa_token", "invalid"),
    }
}

fn answer(token: &str, refresh: Option<&str>, expires: Timestamp, now: Timestamp) -> Response {
    // One less than the life, as recorded answers have it.
    let left = (expires.duration_since(now).as_secs() - 1).max(0);
    let mut body = json!({
        "access_token": token,
        "scope": "useraccount",
        "token_type": "Bearer",
        "expires_in": left,
    });
    if let Some(refresh) = refresh {
        body["refresh_token"] = refresh.into();
    }
    Response::json(200, JSON, &body)
}

fn forget(tokens: &mut HashMap<String, Timestamp>, now: Timestamp) {
    if tokens.len() < CAPACITY {
        return;
    }
    tokens.retain(|_, expires| *expires > now);
    if tokens.len() >= CAPACITY {
        tokens.clear();
    }
}

fn random_token() -> String {
    format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple())
}

fn later(now: Timestamp, seconds: u32) -> Timestamp {
    now.checked_add(SignedDuration::from_secs(seconds.into()))
        .unwrap_or(Timestamp::MAX)
}

fn decode_basic(value: &str) -> Option<(String, String)> {
    let decoded = String::from_utf8(STANDARD.decode(value.trim()).ok()?).ok()?;
    let (user, password) = decoded.split_once(':')?;
    Some((user.to_owned(), password.to_owned()))
}
