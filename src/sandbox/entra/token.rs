//! Tokens: making them, and telling what one allows (`entra.md` 5.9, 9.2).

use std::collections::HashMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use parking_lot::RwLock;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::answer::{Failure, to_json};

/// The audience of Graph tokens.
pub(super) const GRAPH: &str = "https://graph.microsoft.com";
/// Graph's own application id, which is as good a name.
pub(super) const GRAPH_APP_ID: &str = "00000003-0000-0000-c000-000000000000";

/// Known tokens, so that a busy client's token is read once.
const MOST_KNOWN: usize = 256;

/// Makes and reads tokens. They are signed with HMAC-SHA-256: nobody else can make one, and no client of Graph ever
/// verifies them (`entra.md` 5.9).
pub(super) struct TokenDesk {
    key: [u8; 32],
    known: RwLock<HashMap<Box<str>, Arc<Grant>>>,
}

/// What a token allows.
#[derive(Debug)]
pub(super) struct Grant {
    /// Seconds since 1970.
    expires: i64,
    /// Application permissions or delegated scopes.
    permissions: Vec<Box<str>>,
    /// Object id of the signed-in user; `None` for a token of the application alone.
    pub(super) user: Option<Box<str>>,
}

impl Grant {
    /// True if any of the permissions was granted.
    pub(super) fn has_any(&self, permissions: &[&str]) -> bool {
        self.permissions
            .iter()
            .any(|granted| permissions.contains(&granted.as_ref()))
    }
}

/// What is written in an access token.
#[derive(Serialize, Deserialize)]
pub(super) struct Claims {
    pub(super) aud: String,
    pub(super) iss: String,
    pub(super) iat: i64,
    pub(super) nbf: i64,
    pub(super) exp: i64,
    pub(super) appid: String,
    pub(super) app_displayname: String,
    pub(super) appidacr: String,
    pub(super) idtyp: String,
    pub(super) oid: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) roles: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) scp: Option<String>,
    pub(super) sub: String,
    pub(super) tid: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) upn: Option<String>,
    pub(super) uti: String,
    pub(super) ver: String,
}

#[derive(Serialize)]
struct Header<'a> {
    typ: &'a str,
    alg: &'a str,
    kid: &'a str,
}

impl TokenDesk {
    /// A desk whose key follows from a secret: tokens outlive a restart of the same sandbox.
    pub(super) fn new(secret: &str) -> Self {
        let mut hasher = Sha256::new();
        hasher.update(b"access token key\0");
        hasher.update(secret);
        Self {
            key: hasher.finalize().into(),
            known: RwLock::default(),
        }
    }

    /// A signed token with these claims.
    pub(super) fn sign(&self, claims: &impl Serialize) -> String {
        let header = Header {
            typ: "JWT",
            alg: "HS256",
            kid: "sandbox",
        };
        let mut token = URL_SAFE_NO_PAD.encode(to_json(&header));
        token.push('.');
        token.push_str(&URL_SAFE_NO_PAD.encode(to_json(claims)));
        let signature = URL_SAFE_NO_PAD.encode(hmac_sha256(&self.key, token.as_bytes()));
        token.push('.');
        token.push_str(&signature);
        token
    }

    /// The claims of a token that this desk signed.
    pub(super) fn open<T: DeserializeOwned>(&self, token: &str) -> Option<T> {
        let (signed, signature) = token.rsplit_once('.')?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        if signature != hmac_sha256(&self.key, signed.as_bytes()) {
            return None;
        }
        claims_of(token)
    }

    /// What an `Authorization` header allows at Graph, or the 401 (E20 to E22).
    pub(super) fn read(&self, authorization: Option<&str>, now: Timestamp) -> Result<Arc<Grant>, Failure> {
        let token = authorization
            .and_then(|value| value.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, token)| token.trim())
            .filter(|token| !token.is_empty())
            .ok_or_else(|| unauthorized("Access token is empty."))?;
        let known = self.known.read().get(token).cloned();
        let grant = match known {
            Some(grant) => grant,
            None => self.learn(token)?,
        };
        if grant.expires <= now.as_second() {
            return Err(unauthorized("Lifetime validation failed, the token is expired."));
        }
        Ok(grant)
    }

    fn learn(&self, token: &str) -> Result<Arc<Grant>, Failure> {
        #[derive(Deserialize)]
        struct Audience {
            aud: String,
        }
        let Some(Audience { aud }) = claims_of(token) else {
            return Err(unauthorized(
                "CompactToken parsing failed with error code: 80049217",
            ));
        };
        if aud.trim_end_matches('/') != GRAPH && aud != GRAPH_APP_ID {
            return Err(unauthorized("Access token validation failure. Invalid audience."));
        }
        let Some(claims) = self.open::<Claims>(token) else {
            return Err(unauthorized(
                "Access token validation failure. Invalid signature.",
            ));
        };
        let is_user = claims.scp.is_some();
        let permissions = match &claims.scp {
            Some(scopes) => scopes.split(' ').map(Into::into).collect(),
            None => claims.roles.iter().map(|role| role.as_str().into()).collect(),
        };
        let grant = Arc::new(Grant {
            expires: claims.exp,
            permissions,
            user: is_user.then(|| claims.oid.into()),
        });
        let mut known = self.known.write();
        if known.len() >= MOST_KNOWN {
            known.clear();
        }
        known.insert(token.into(), Arc::clone(&grant));
        Ok(grant)
    }
}

/// The claims of any token, its signature unread.
pub(super) fn claims_of<T: DeserializeOwned>(token: &str) -> Option<T> {
    part(token, 1)
}

/// The header of any token.
pub(super) fn header_of<T: DeserializeOwned>(token: &str) -> Option<T> {
    part(token, 0)
}

fn part<T: DeserializeOwned>(token: &str, index: usize) -> Option<T> {
    let mut parts = token.split('.');
    let part = parts.clone().nth(index)?;
    if parts.by_ref().count() != 3 {
        return None;
    }
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

/// 401 `InvalidAuthenticationToken`.
pub(super) fn unauthorized(message: &'static str) -> Failure {
    Failure::new(401, "InvalidAuthenticationToken", message)
}

fn hmac_sha256(key: &[u8; 32], message: &[u8]) -> [u8; 32] {
    let pad = |byte: u8| {
        let mut block = [byte; 64];
        for (padded, key) in block.iter_mut().zip(key) {
            *padded ^= key;
        }
        block
    };
    let inner = Sha256::new()
        .chain_update(pad(0x36))
        .chain_update(message)
        .finalize();
    Sha256::new()
        .chain_update(pad(0x5c))
        .chain_update(inner)
        .finalize()
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_signed_as_rfc_2104_says() {
        // RFC 4231, test case 2, with the key "Jefe" padded by zeroes, which HMAC does anyway.
        let mut key = [0; 32];
        key[..4].copy_from_slice(b"Jefe");
        let mac = hmac_sha256(&key, b"what do ya want for nothing?");
        let hex = crate::domain::photo::Sha256::from_bytes(mac).to_string();
        assert_eq!(
            hex,
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }

    #[test]
    fn a_token_changed_in_one_byte_is_not_ours() {
        let desk = TokenDesk::new("secret");
        let token = desk.sign(&serde_json::json!({"aud": GRAPH}));
        assert!(desk.open::<serde_json::Value>(&token).is_some());
        assert!(
            TokenDesk::new("other")
                .open::<serde_json::Value>(&token)
                .is_none()
        );
    }
}
