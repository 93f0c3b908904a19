//! The few places requests may go to (`reliability.md` 8.1).
//!
//! An [`Address`] can only be made by an [`Origin`], from path segments and query pairs that it encodes or from a
//! link that it has checked. Nothing takes a whole address from outside.

use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use url::{Host, Url};

/// What stays readable in a path segment: the unreserved characters, and `$`, which OData puts before its own words.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'$');

/// What stays readable in a query: the above and what every server takes literally there.
const QUERY: &AsciiSet = &SEGMENT
    .remove(b',')
    .remove(b':')
    .remove(b'@')
    .remove(b'/')
    .remove(b'(')
    .remove(b')')
    .remove(b'*');

/// Scheme, host and port of one service; everything else of a configured address is dropped.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Origin {
    base: Url,
}

/// Where one request goes: always within the [`Origin`] that made it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Address {
    url: Url,
}

/// Why a configured address cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OriginError {
    /// Not an address at all.
    #[error("\"{0}\" is not an address; write it like https://example.com")]
    Unreadable(String),
    /// Plain HTTP to another machine, or a scheme nobody speaks here.
    #[error("\"{0}\" is not encrypted; only https:// is accepted, and http:// for this machine alone")]
    NotEncrypted(String),
    /// A user name or password inside the address.
    #[error("the address of {0} holds a user name or password; configure credentials apart from it")]
    Credentials(String),
}

/// A link in an answer that leads away from the service that sent it. Nothing was sent there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the answer links to {to}, which is not {expected}; nothing was sent there")]
pub struct ForeignLink {
    /// Scheme, host and port of the link, cleaned.
    pub to: String,
    /// The origin it should have had.
    pub expected: String,
}

impl Origin {
    /// Reads a configured address: `https://…`, or `http://…` for this machine alone. Path and query are dropped.
    pub fn parse(text: &str) -> Result<Self, OriginError> {
        let shown = || crate::domain::text::clean(text.trim()).into_owned();
        let mut base = Url::parse(text.trim()).map_err(|_| OriginError::Unreadable(shown()))?;
        if base.host().is_none() {
            return Err(OriginError::Unreadable(shown()));
        }
        if !base.username().is_empty() || base.password().is_some() {
            return Err(OriginError::Credentials(
                base.host_str().unwrap_or_default().to_owned(),
            ));
        }
        let encrypted = base.scheme() == "https";
        if !(encrypted || base.scheme() == "http" && is_loopback(&base)) {
            return Err(OriginError::NotEncrypted(shown()));
        }
        base.set_path("/");
        base.set_query(None);
        base.set_fragment(None);
        Ok(Self { base })
    }

    /// The host's name or address.
    pub fn host(&self) -> &str {
        self.base.host_str().unwrap_or_default()
    }

    /// True if the service is on this machine.
    pub fn is_loopback(&self) -> bool {
        is_loopback(&self.base)
    }

    /// The address of a path, given as plain segments, and a query, given as plain pairs; both are encoded here.
    ///
    /// `.` and `..` cannot be path segments of an address; they are encoded twice, so that they name nothing.
    pub fn address(&self, segments: &[&str], query: &[(&str, &str)]) -> Address {
        let mut text = self.base.as_str().trim_end_matches('/').to_owned();
        for segment in segments {
            text.push('/');
            match *segment {
                "." => text.push_str("%252E"),
                ".." => text.push_str("%252E%252E"),
                other => text.extend(utf8_percent_encode(other, SEGMENT)),
            }
        }
        if segments.is_empty() {
            text.push('/');
        }
        for (position, (name, value)) in query.iter().enumerate() {
            text.push(if position == 0 { '?' } else { '&' });
            text.extend(utf8_percent_encode(name, QUERY));
            text.push('=');
            text.extend(utf8_percent_encode(value, QUERY));
        }
        let url = Url::parse(&text).expect("an origin followed by encoded segments is an address");
        Address { url }
    }

    /// Takes a link out of an answer, as it is, if it stays within this origin.
    pub fn accept_link(&self, link: &str) -> Result<Address, ForeignLink> {
        let refuse = |to: String| ForeignLink {
            to: crate::domain::text::clean(&to).into_owned(),
            expected: self.to_string(),
        };
        let url = Url::parse(link).map_err(|_| refuse("something that is not an address".into()))?;
        if url.origin() != self.base.origin() {
            return Err(refuse(url.origin().ascii_serialization()));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(refuse(format!(
                "{} with a user name",
                url.origin().ascii_serialization()
            )));
        }
        Ok(Address { url })
    }

    /// True if `address` was made by this origin or an equal one.
    pub fn holds(&self, address: &Address) -> bool {
        self.base.origin() == address.url.origin()
    }
}

impl Address {
    /// The whole address, for the wire.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// The path as sent, for the log: ids, never personal values.
    pub fn path(&self) -> &str {
        self.url.path()
    }

    /// The length of path and query in bytes, which some servers limit (`servicenow.md` 2.9).
    pub fn target_len(&self) -> usize {
        self.url.path().len() + self.url.query().map_or(0, |query| query.len() + 1)
    }

    /// A short value that is the same for the same address, to notice links that go round in circles.
    pub fn fingerprint(&self) -> [u8; 32] {
        use sha2::Digest;
        sha2::Sha256::digest(self.url.as_str()).into()
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.base.as_str().trim_end_matches('/'))
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Origin({self})")
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The query may hold names and addresses of people.
        write!(f, "Address({})", self.path())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(text: &str) -> Origin {
        Origin::parse(text).expect("a good origin")
    }

    #[test]
    fn only_encrypted_addresses_are_accepted_except_on_this_machine() {
        for good in [
            "https://graph.microsoft.com",
            "https://graph.microsoft.com/v1.0/ignored?x=1#y",
            "http://127.0.0.1:4000/",
            "http://localhost:4000",
            "http://[::1]:4000",
        ] {
            assert!(Origin::parse(good).is_ok(), "{good}");
        }
        for (bad, reason) in [
            ("http://graph.microsoft.com", "not encrypted"),
            ("http://localhost.evil.example", "not encrypted"),
            ("ftp://127.0.0.1", "not encrypted"),
            ("graph.microsoft.com", "not an address"),
            ("mailto:ada@example.com", "not an address"),
            ("https://ada:pw@example.com", "user name or password"),
            ("", "not an address"),
        ] {
            let error = Origin::parse(bad).expect_err(bad).to_string();
            assert!(error.contains(reason), "{bad}: {error}");
            assert!(!error.contains("pw@"), "{error}");
        }
        crate::tried("M5", 12);
    }

    #[test]
    fn segments_and_values_cannot_leave_their_place() {
        let graph = origin("https://graph.microsoft.com/");
        let address = graph.address(
            &["v1.0", "users", "a/b?c%2f#d+e f'..", "$value"],
            &[
                ("$select", "id,mail"),
                ("$filter", "mail eq 'o''hara+1@x.org' & a=b#"),
            ],
        );
        assert_eq!(
            address.url().as_str(),
            "https://graph.microsoft.com/v1.0/users/a%2Fb%3Fc%252f%23d%2Be%20f%27../$value\
             ?$select=id,mail&$filter=mail%20eq%20%27o%27%27hara%2B1@x.org%27%20%26%20a%3Db%23"
        );
        assert_eq!(
            graph.address(&["v1.0", "..", ".", "users"], &[]).path(),
            "/v1.0/%252E%252E/%252E/users",
        );
        assert_eq!(graph.address(&[], &[]).path(), "/");
        crate::tried("L9", 3);
    }

    #[test]
    fn a_link_to_anywhere_else_is_refused() {
        let graph = origin("https://graph.microsoft.com");
        let cases = [
            "https://evil.example/v1.0/users",
            "https://graph.microsoft.com.evil.example/v1.0/users",
            "http://graph.microsoft.com/v1.0/users",
            "https://graph.microsoft.com:8443/v1.0/users",
            "https://user@graph.microsoft.com/v1.0/users",
            "https://graph.microsoft.com@evil.example/",
            "//evil.example/v1.0/users",
            "/v1.0/users",
            "javascript:alert(1)",
            "",
        ];
        let count = cases.len();
        for foreign in cases {
            graph.accept_link(foreign).expect_err(foreign);
        }
        let link = "https://graph.microsoft.com/v1.0/users?$top=999&$skiptoken=RFNwdAIAAQ%2B.._~";
        assert_eq!(graph.accept_link(link).expect("ours").url().as_str(), link);
        let default_port = "https://graph.microsoft.com:443/v1.0/users";
        assert!(graph.accept_link(default_port).is_ok());
        crate::tried("E1", count);
    }

    #[test]
    fn debugging_an_address_shows_no_personal_query() {
        let address = origin("https://x.example").address(&["users"], &[("q", "ada@x.example")]);
        assert_eq!(format!("{address:?}"), "Address(/users)");
        assert_eq!(address.target_len(), "/users?q=ada@x.example".len());
    }
}
