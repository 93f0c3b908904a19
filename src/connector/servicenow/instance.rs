//! What an administrator may type as "the instance" (`servicenow.md` 6.6).

use crate::connector::http::{Origin, OriginError};
use crate::domain::text::clean;

/// Turns `dev12345`, a host name or an address into the origin of the instance: scheme, host and port, nothing else.
///
/// A bare name is looked for under `service-now.com`. Path, query and fragment are dropped, so an address copied from
/// a browser works. Plain `http` is accepted for loopback addresses only.
///
/// ```
/// use avatar_sync::connector::servicenow::instance_origin;
///
/// assert_eq!(instance_origin("dev12345").unwrap().host(), "dev12345.service-now.com");
/// assert!(instance_origin("http://acme.service-now.com").is_err());
/// ```
pub fn instance_origin(typed: &str) -> Result<Origin, InstanceNameError> {
    let text = typed.trim();
    if text.is_empty() {
        return Err(InstanceNameError::Empty);
    }
    if text.contains("://") {
        return Ok(Origin::parse(text)?);
    }
    let host = text.split(['/', '?', '#']).next().unwrap_or_default();
    if host.contains(['.', ':', '[']) {
        Ok(Origin::parse(&format!("https://{host}"))?)
    } else if is_host_label(host) {
        Ok(Origin::parse(&format!("https://{host}.service-now.com"))?)
    } else {
        Err(InstanceNameError::Unreadable {
            typed: clean(text).into_owned(),
        })
    }
}

/// One label of a host name.
fn is_host_label(name: &str) -> bool {
    let is_inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    (1..=63).contains(&name.len())
        && name.bytes().all(is_inner)
        && !name.starts_with('-')
        && !name.ends_with('-')
}

/// Why what was typed cannot name an instance.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InstanceNameError {
    /// Nothing was typed.
    #[error("no ServiceNow instance is named; give a name like dev12345, a host or an https address")]
    Empty,
    /// Neither a name nor a host nor an address.
    #[error("{typed:?} is not a ServiceNow instance; give a name like dev12345, a host or an https address")]
    Unreadable {
        /// What was typed, safe to show.
        typed: String,
    },
    /// An address that must not be used.
    #[error(transparent)]
    Address(#[from] OriginError),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_hosts_and_addresses_lead_to_the_instances_origin() {
        let table = [
            ("dev12345", "https://dev12345.service-now.com"),
            (" acme ", "https://acme.service-now.com"),
            ("Acme", "https://acme.service-now.com"),
            ("acme/", "https://acme.service-now.com"),
            ("acme.service-now.com", "https://acme.service-now.com"),
            (
                "acme.service-now.com/nav_to.do?uri=x",
                "https://acme.service-now.com",
            ),
            ("https://acme.service-now.com/", "https://acme.service-now.com"),
            (
                "https://acme.service-now.com/now/nav/ui#top",
                "https://acme.service-now.com",
            ),
            ("https://support.acme.com", "https://support.acme.com"),
            (
                "https://acme.servicenowservices.com",
                "https://acme.servicenowservices.com",
            ),
            ("acme.servicenow.com", "https://acme.servicenow.com"),
            ("https://acme.example:8443/x", "https://acme.example:8443"),
            ("acme.example:8443", "https://acme.example:8443"),
            ("localhost:8443", "https://localhost:8443"),
            ("http://localhost:4000", "http://localhost:4000"),
            ("http://127.0.0.1:4000/", "http://127.0.0.1:4000"),
            ("http://127.9.9.9", "http://127.9.9.9"),
            ("http://[::1]:4000", "http://[::1]:4000"),
        ];
        for (typed, expected) in table {
            let origin = instance_origin(typed).unwrap_or_else(|error| panic!("{typed:?}: {error}"));
            assert_eq!(origin.to_string().trim_end_matches('/'), expected, "{typed:?}");
        }
    }

    #[test]
    fn what_cannot_be_an_instance_is_refused_in_words() {
        let table = [
            ("", "no ServiceNow instance is named"),
            ("   ", "no ServiceNow instance is named"),
            ("my instance", "is not a ServiceNow instance"),
            ("-acme", "is not a ServiceNow instance"),
            ("acme_test", "is not a ServiceNow instance"),
            ("?x", "is not a ServiceNow instance"),
            ("https://", "is not an address"),
            ("http://acme.service-now.com", "not encrypted"),
            ("http://10.0.0.1", "not encrypted"),
            ("http://localhost.evil.example", "not encrypted"),
            ("http://127.0.0.1.evil.example", "not encrypted"),
            ("ftp://acme.service-now.com", "not encrypted"),
            (
                "https://admin:secret@acme.service-now.com",
                "user name or password",
            ),
            ("javascript://acme", "not encrypted"),
        ];
        for (typed, words) in table {
            let refusal = instance_origin(typed).expect_err(typed).to_string();
            assert!(refusal.contains(words), "{typed:?}: {refusal}");
            assert!(!refusal.contains("secret"), "{refusal}");
        }
    }
}
