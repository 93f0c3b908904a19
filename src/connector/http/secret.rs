//! Values that must never be printed.

use std::fmt;

use ::http::HeaderValue;
use base64::Engine;
use zeroize::Zeroizing;

/// A password, client secret or token. It prints as `[hidden]` and is wiped from memory when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes over a secret text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// The text itself, for the request that needs it and nothing else.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// True if there is nothing in it, or white space alone.
    pub fn is_blank(&self) -> bool {
        self.0.trim().is_empty()
    }

    /// `Authorization: Bearer …`, marked sensitive; `None` if the token cannot be part of a header.
    pub fn bearer(&self) -> Option<HeaderValue> {
        sensitive(&Zeroizing::new(format!("Bearer {}", self.expose())))
    }

    /// `Authorization: Basic …` for this password, marked sensitive.
    pub fn basic(&self, user: &str) -> Option<HeaderValue> {
        let pair = Zeroizing::new(format!("{user}:{}", self.expose()));
        let encoded = Zeroizing::new(base64::engine::general_purpose::STANDARD.encode(pair.as_bytes()));
        sensitive(&Zeroizing::new(format!("Basic {}", *encoded)))
    }
}

fn sensitive(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[hidden]")
    }
}

impl<'de> serde::Deserialize<'de> for Secret {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_shows_itself_nowhere() {
        let secret = Secret::new("canary-7c1f");
        assert_eq!(format!("{secret:?}"), "[hidden]");
        let bearer = secret.bearer().expect("printable");
        assert_eq!(bearer, "Bearer canary-7c1f");
        assert!(!format!("{bearer:?}").contains("canary"));
        let basic = secret.basic("integration").expect("printable");
        assert_eq!(basic, "Basic aW50ZWdyYXRpb246Y2FuYXJ5LTdjMWY=");
        assert!(!format!("{basic:?}").contains("Y2Fu"));
        crate::tried("M4", 1);
    }

    #[test]
    fn a_token_with_a_line_break_never_becomes_a_header() {
        assert_eq!(Secret::new("abc\r\nX-Evil: 1").bearer(), None);
    }
}
