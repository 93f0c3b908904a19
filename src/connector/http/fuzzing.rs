//! What services say about waiting, as any bytes: one header a line (`reliability.md` A3).

use std::time::Duration;

use ::http::{HeaderMap, HeaderName, HeaderValue};

use super::wait::{rate_rule, retry_after, used_share};

/// `Retry-After`, `Date` and the headers of rate rules. A wait is at least a moment and never overflows a clock.
pub(crate) fn waiting_times(bytes: &[u8]) {
    let mut headers = HeaderMap::new();
    for line in bytes.split(|byte| *byte == b'\n') {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else {
            continue;
        };
        let (name, value) = (&line[..colon], &line[colon + 1..]);
        if let (Ok(name), Ok(value)) = (
            HeaderName::from_bytes(name),
            HeaderValue::from_bytes(value.trim_ascii()),
        ) {
            headers.append(name, value);
        }
    }
    if let Some(wait) = retry_after(&headers) {
        assert!(!wait.is_zero() && wait <= Duration::from_hours(8784), "{wait:?}");
    }
    if let Some(rule) = rate_rule(&headers) {
        assert!(
            !rule.left.is_zero() && rule.left <= Duration::from_hours(2),
            "{rule:?}"
        );
    }
    if let Some(share) = used_share(&headers) {
        assert!(share >= 0.0 && share.is_finite(), "{share}");
    }
}
