//! Signing in with a client secret, and what the log-in service's refusals mean (`entra.md` 5).

use std::time::Duration;

use async_trait::async_trait;
use base64::Engine;
use serde::Deserialize;

use super::SYSTEM;
use crate::connector::ErrorKind;
use crate::connector::http::{Call, Caller, Failure, Repeat, Secret, Token, TokenSource};

/// An hour and a half more than any life time seen; longer ones are not believed.
const LONGEST_LIFE: u64 = 24 * 3600;

/// Client credentials with a secret (`entra.md` 5.2).
pub(super) struct ClientSecret {
    pub caller: Caller,
    pub tenant: String,
    pub client_id: String,
    pub secret: Secret,
    pub scope: String,
}

/// The part of a token answer that matters; everything else is ignored.
#[derive(Deserialize)]
struct Issued {
    access_token: Secret,
    expires_in: Number,
}

/// Managed identities send numbers as text (`entra.md` 5.5), so both are read.
#[derive(Deserialize)]
#[serde(untagged)]
enum Number {
    Number(u64),
    Text(String),
}

#[async_trait]
impl TokenSource for ClientSecret {
    async fn fetch(&self) -> Result<Token, Failure> {
        let address = self
            .caller
            .address(&[&self.tenant, "oauth2", "v2.0", "token"], &[]);
        let call = Call::post(address, "sign in")
            .repeat(Repeat::Safe)
            .at_most(256 * 1024)
            .form(&[
                ("client_id", &self.client_id),
                ("scope", &self.scope),
                ("client_secret", self.secret.expose()),
                ("grant_type", "client_credentials"),
            ]);
        let answer = self.caller.send(call).await.map_err(explained)?;
        let issued: Issued = answer
            .json()
            .map_err(|error| Failure::unreadable(SYSTEM, "sign in", &error))?;
        let seconds = match issued.expires_in {
            Number::Number(seconds) => seconds,
            Number::Text(text) => text.trim().parse().unwrap_or(0),
        };
        Ok(Token {
            value: issued.access_token,
            lifetime: Duration::from_secs(seconds.min(LONGEST_LIFE)),
        })
    }
}

/// Gives a refusal of the log-in service its meaning and a hint, by its numbers alone.
pub(super) fn explained(mut failure: Failure) -> Failure {
    let Some(answer) = &failure.answer else {
        return failure;
    };
    let Ok(body) = answer.json::<serde_json::Value>() else {
        return failure;
    };
    let codes = body["error_codes"].as_array();
    let known = codes
        .into_iter()
        .flatten()
        .filter_map(serde_json::Value::as_u64)
        .find_map(meaning);
    match known {
        Some(Meaning { kind, hint }) => {
            failure.kind = kind;
            failure.hint = Some(hint.to_owned());
        }
        None if matches!(failure.kind, ErrorKind::Refused | ErrorKind::SignInRejected) => {
            if body["error"] == "temporarily_unavailable" {
                failure.kind = ErrorKind::Unavailable;
            } else {
                failure.kind = ErrorKind::SignInRejected;
                failure.hint =
                    Some("look the AADSTS number up at https://login.microsoftonline.com/error".to_owned());
            }
        }
        None => {}
    }
    failure
}

/// What a number of the log-in service means.
struct Meaning {
    kind: ErrorKind,
    hint: &'static str,
}

/// The table of `entra.md` 5.10, as far as an application signing in by itself can meet it.
fn meaning(code: u64) -> Option<Meaning> {
    use ErrorKind::{Configuration, SignInRejected, Unavailable};
    let (kind, hint) = match code {
        7_000_215 => (
            SignInRejected,
            "the client secret is wrong: most often the secret's ID was pasted instead of its Value; create a new \
             secret and use the Value",
        ),
        7_000_222 => (
            SignInRejected,
            "the client secret has expired: create a new one and update the configuration",
        ),
        7_000_218 | 7_000_216 => (
            SignInRejected,
            "no credential arrived: configure a client secret for this application",
        ),
        700_025 => (
            SignInRejected,
            "the application is registered as a public client, which takes no secret",
        ),
        700_016 => (
            SignInRejected,
            "this tenant has no application with that client id: check that tenant and client id come from the \
             same directory",
        ),
        7_000_112 | 70_001 => (
            SignInRejected,
            "the application is disabled: enable it under Enterprise applications",
        ),
        90_002 => (
            SignInRejected,
            "there is no such tenant: check its id for typing mistakes, and that the log-in address is the one of \
             its cloud",
        ),
        900_023 => (
            SignInRejected,
            "the tenant must be a directory id (a GUID) or a domain name",
        ),
        90_038 => (
            SignInRejected,
            "the tenant belongs to another national cloud: use that cloud's log-in and Graph addresses",
        ),
        700_027 => (
            SignInRejected,
            "the certificate's signature was not accepted: upload the certificate's public part to this application",
        ),
        700_024 => (
            SignInRejected,
            "the assertion is not valid now: check this machine's clock",
        ),
        50_012 => (
            SignInRejected,
            "the certificate is not trusted: check its chain, subject and thumbprint",
        ),
        700_213 | 70_021 => (
            SignInRejected,
            "no federated credential matches: compare issuer, subject and audience letter by letter",
        ),
        700_229 => (
            SignInRejected,
            "a person's token was used where an application's is needed",
        ),
        70_011 | 28_002 => (
            Configuration,
            "the scope is wrong: it must be the Graph host followed by /.default",
        ),
        1_002_012 => (Configuration, "the scope must end in /.default"),
        500_011 | 50_001 => (
            Configuration,
            "the tenant does not know this resource: usually the Graph address of another cloud",
        ),
        65_001 => (
            SignInRejected,
            "nobody has consented: an administrator must press \"Grant admin consent\"",
        ),
        90_094 | 90_095 => (SignInRejected, "an administrator must consent first"),
        650_056 | 650_057 | 65_005 => (
            SignInRejected,
            "the application's registration lists no Graph permissions: add User.Read.All and \
             ProfilePhoto.Read.All as application permissions",
        ),
        50_034 => (SignInRejected, "that user does not exist in this tenant"),
        50_020 => (SignInRejected, "the account belongs to another directory"),
        50_126 => (SignInRejected, "user name or password is wrong"),
        50_053 => (
            SignInRejected,
            "the account is locked, or the address is considered risky",
        ),
        50_055 | 50_057 => (
            SignInRejected,
            "the password has expired, or the account is disabled",
        ),
        50_072 | 50_074 | 50_076 | 50_079 => (
            SignInRejected,
            "a second factor is required: use an application's own sign-in",
        ),
        50_105 => (
            SignInRejected,
            "assignment is required and missing: assign the account to the application",
        ),
        53_003 => (
            SignInRejected,
            "Conditional Access blocked it: check the policies for workload identities (locations), and look the \
             correlation id up in the sign-in log",
        ),
        53_000 | 53_001 | 530_032 | 530_035 => (
            SignInRejected,
            "a security policy blocked it: the device must be compliant, or security defaults apply",
        ),
        70_008 | 700_082 | 70_043 | 50_173 => {
            (SignInRejected, "the saved sign-in has expired or was revoked")
        }
        50_194 | 9_001_023 => (
            SignInRejected,
            "the application belongs to one tenant: configure that tenant's id instead of \"common\"",
        ),
        90_024 | 90_033 | 50_033 | 90_006 => (
            Unavailable,
            "the log-in service is in trouble for the moment: try again later",
        ),
        50_196 => (
            Unavailable,
            "too many identical sign-ins: wait a few minutes, and run one instance at a time",
        ),
        _ => return None,
    };
    Some(Meaning { kind, hint })
}

/// The application permissions a token carries (`entra.md` 5.9), for diagnostics only. `None` if it cannot be read,
/// which is no error: its form is nobody's promise.
pub(super) fn roles(token: &Secret) -> Option<Vec<String>> {
    #[derive(Deserialize)]
    struct Claims {
        #[serde(default)]
        roles: Vec<String>,
    }
    let payload = token.expose().split('.').nth(1)?;
    let payload = base64::engine::general_purpose::URL_SAFE_NO_PAD
        .decode(payload.trim_end_matches('='))
        .ok()?;
    let claims: Claims = serde_json::from_slice(&payload).ok()?;
    Some(claims.roles)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(claims: &str) -> Secret {
        let payload = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(claims);
        Secret::new(format!("e30.{payload}.c2ln"))
    }

    #[test]
    fn the_rights_a_token_carries_can_be_read() {
        let granted = roles(&token(
            r#"{"roles":["User.Read.All","ProfilePhoto.Read.All"],"ver":"1.0"}"#,
        ));
        assert_eq!(
            granted,
            Some(vec!["User.Read.All".into(), "ProfilePhoto.Read.All".into()])
        );
    }

    #[test]
    fn a_token_without_rights_and_an_opaque_token_are_told_apart() {
        assert_eq!(roles(&token(r#"{"aud":"x"}"#)), Some(vec![]));
        for opaque in ["", "opaque", "a.b.c", "e30.!!!.x", "e30.bm90IGpzb24.x"] {
            assert_eq!(roles(&Secret::new(opaque)), None, "{opaque}");
        }
    }

    #[test]
    fn every_number_of_the_table_has_words() {
        for code in [
            7_000_215, 7_000_222, 7_000_218, 7_000_216, 700_025, 700_016, 7_000_112, 70_001, 90_002, 900_023,
            90_038, 700_027, 700_024, 50_012, 700_213, 70_021, 700_229, 70_011, 28_002, 1_002_012, 500_011,
            50_001, 65_001, 90_094, 90_095, 650_056, 650_057, 65_005, 50_034, 50_020, 50_126, 50_053, 50_055,
            50_057, 50_076, 50_079, 50_072, 50_074, 50_105, 53_003, 53_000, 53_001, 530_032, 530_035, 70_008,
            700_082, 70_043, 50_173, 50_194, 9_001_023, 90_024, 90_033, 50_033, 90_006, 50_196,
        ] {
            assert!(
                meaning(code).is_some_and(|meaning| meaning.hint.len() > 20),
                "{code}"
            );
        }
        assert!(meaning(1).is_none());
    }
}
