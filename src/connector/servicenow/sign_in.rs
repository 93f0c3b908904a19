//! Signing in to an instance (`servicenow.md` 5).

use std::sync::Arc;
use std::time::Duration;

use ::http::StatusCode;
use ::http::header::{ACCEPT, HeaderValue};
use async_trait::async_trait;
use serde::Deserialize;

use super::SYSTEM;
use super::failure::{SignIn, unreadable};
use super::settings::ServiceNowAuth;
use crate::connector::ErrorKind;
use crate::connector::http::{
    BasicLogin, Call, Caller, Failure, Repeat, Secret, Token, TokenCache, TokenSource,
};

/// Tokens are renewed this long before their end (`servicenow.md` 5.2).
const RENEW_BEFORE: Duration = Duration::from_mins(1);

/// The life of a token whose answer names none (`servicenow.md` 5.2: the platform's default).
const USUAL_LIFETIME: u64 = 1_800;

/// Makes `caller` sign its requests. `None` if the user name or password cannot be part of a header.
pub(super) fn signed(caller: Caller, auth: &ServiceNowAuth) -> Option<Caller> {
    let endpoint = |grant| TokenEndpoint {
        caller: caller.clone(),
        sign_in: SignIn::from(auth),
        grant,
    };
    match auth {
        ServiceNowAuth::ClientCredentials {
            client_id,
            client_secret,
        } => {
            let source = endpoint(Grant {
                client_id: client_id.clone(),
                client_secret: client_secret.clone(),
                account: None,
            });
            Some(caller.with_token(TokenCache::new(source, RENEW_BEFORE)))
        }
        ServiceNowAuth::Password {
            client_id,
            client_secret,
            username,
            password,
        } => {
            let source = endpoint(Grant {
                client_id: client_id.clone(),
                client_secret: client_secret.clone(),
                account: Some((username.clone(), password.clone())),
            });
            Some(caller.with_token(TokenCache::for_password(source, RENEW_BEFORE)))
        }
        ServiceNowAuth::Basic { username, password } => {
            let login: Arc<BasicLogin> = BasicLogin::new(username, password)?;
            Some(caller.with_basic(login))
        }
    }
}

/// `POST /oauth_token.do`.
struct TokenEndpoint {
    caller: Caller,
    sign_in: SignIn,
    grant: Grant,
}

struct Grant {
    client_id: String,
    client_secret: Secret,
    account: Option<(String, Secret)>,
}

#[derive(Deserialize)]
struct Issued {
    access_token: String,
    expires_in: Option<Seconds>,
}

/// A number, or a number as text.
#[derive(Deserialize)]
#[serde(untagged)]
enum Seconds {
    Number(u64),
    Text(String),
}

#[async_trait]
impl TokenSource for TokenEndpoint {
    async fn fetch(&self) -> Result<Token, Failure> {
        const OPERATION: &str = "sign in";
        let mut form = vec![
            ("grant_type", "client_credentials"),
            ("client_id", self.grant.client_id.as_str()),
            ("client_secret", self.grant.client_secret.expose()),
        ];
        if let Some((username, password)) = &self.grant.account {
            form[0].1 = "password";
            form.push(("username", username));
            form.push(("password", password.expose()));
        }
        let call = Call::post(self.caller.address(&["oauth_token.do"], &[]), OPERATION)
            .header(ACCEPT, HeaderValue::from_static("application/json"))
            .form(&form)
            .repeat(Repeat::Safe)
            .at_most(64 * 1024);
        let answer = self.caller.send(call).await.map_err(|failure| {
            let is_refusal = matches!(
                failure.status(),
                Some(StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)
            ) && !matches!(failure.kind, ErrorKind::WrongSpeaker(_));
            if is_refusal {
                let mut refusal = failure.hint(self.sign_in.token_hint());
                refusal.kind = ErrorKind::SignInRejected;
                refusal
            } else {
                failure
            }
        })?;
        let issued: Issued = match answer.json() {
            Ok(issued) => issued,
            Err(error) => return Err(unreadable(OPERATION, answer, &error)),
        };
        let lifetime = match issued.expires_in {
            Some(Seconds::Number(seconds)) => seconds,
            Some(Seconds::Text(text)) => text.trim().parse().unwrap_or(USUAL_LIFETIME),
            None => USUAL_LIFETIME,
        };
        tracing::debug!(seconds = lifetime, "signed in to {SYSTEM}");
        Ok(Token {
            value: Secret::new(issued.access_token),
            lifetime: Duration::from_secs(lifetime),
        })
    }
}
