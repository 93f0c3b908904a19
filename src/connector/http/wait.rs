//! How long to wait: `Retry-After` in all its forms, rate-limit headers, back-off and jitter.

use std::time::{Duration, SystemTime};

use ::http::HeaderMap;
use ::http::header::{DATE, RETRY_AFTER};

/// What a wait that cannot be read, or is not positive, becomes (`reliability.md` 3).
const UNREADABLE: Duration = Duration::from_secs(1);

/// Longer waits are cut to this, so that adding them to a clock cannot overflow.
const LONGEST: Duration = Duration::from_hours(8784);

/// The first back-off, and the longest.
const BACK_OFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(1));

/// How long the service asks to wait: `Retry-After` as an integer, a decimal or an HTTP date, read against the
/// answer's own `Date`. `None` if it does not say.
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?;
    let Ok(text) = value.to_str() else {
        return Some(UNREADABLE);
    };
    let text = text.trim();
    let wait = seconds(text).or_else(|| Some(until(httpdate::parse_http_date(text).ok()?, headers)));
    Some(
        wait.filter(|wait| !wait.is_zero())
            .unwrap_or(UNREADABLE)
            .min(LONGEST),
    )
}

/// Plain or decimal seconds: digits with at most one point. What `f64` would also read (`inf`, `1e9`) is refused.
fn seconds(text: &str) -> Option<Duration> {
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let value: f64 = plain.then(|| text.parse().ok()).flatten()?;
    Some(Duration::try_from_secs_f64(value).unwrap_or(LONGEST))
}

/// The time from the answer's `Date` (our clock if there is none) until `when`; zero if it is over.
fn until(when: SystemTime, headers: &HeaderMap) -> Duration {
    when.duration_since(answered_at(headers))
        .unwrap_or(Duration::ZERO)
}

/// When the service says that it answered.
fn answered_at(headers: &HeaderMap) -> SystemTime {
    headers
        .get(DATE)
        .and_then(|value| value.to_str().ok())
        .and_then(|text| httpdate::parse_http_date(text).ok())
        .unwrap_or_else(SystemTime::now)
}

/// An hourly rule that the service named (`servicenow.md` 6.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RateRule {
    /// Which rule, so that two rules are not counted as one.
    pub rule: String,
    /// Requests allowed until the reset.
    pub limit: u64,
    /// When counting starts anew, as the service writes it.
    pub reset: u64,
    /// How long that still is.
    pub left: Duration,
}

/// Reads `X-RateLimit-Limit`, `-Reset` and `-Rule`; `None` unless all that is needed makes sense.
pub(super) fn rate_rule(headers: &HeaderMap) -> Option<RateRule> {
    let text = |name: &str| Some(headers.get(name)?.to_str().ok()?.trim());
    let reset: u64 = text("x-ratelimit-reset")?.parse().ok()?;
    let left = until(
        SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(reset))?,
        headers,
    );
    // Rules count by the hour; a reset far away or in the past is something else.
    let plausible = !left.is_zero() && left <= Duration::from_hours(2);
    plausible.then_some(RateRule {
        rule: text("x-ratelimit-rule")
            .unwrap_or_default()
            .chars()
            .take(64)
            .collect(),
        limit: text("x-ratelimit-limit").and_then(|limit| limit.parse().ok())?,
        reset,
        left,
    })
}

/// How much of the limit is used, if the service says so: 1.0 is all of it (`entra.md` 7.2).
pub(super) fn used_share(headers: &HeaderMap) -> Option<f64> {
    let text = headers.get("x-ms-throttle-limit-percentage")?.to_str().ok()?;
    text.trim()
        .parse()
        .ok()
        .filter(|share: &f64| share.is_finite() && *share >= 0.0)
}

/// Back-off before attempt `attempt` + 1 when the service named no wait: full jitter below 1 s, 2 s, 4 s … 60 s.
pub(in crate::connector) fn back_off(attempt: u32) -> Duration {
    let (first, longest) = BACK_OFF;
    let factor = 1_u32.checked_shl(attempt.saturating_sub(1)).unwrap_or(u32::MAX);
    first.saturating_mul(factor).min(longest).mul_f64(unit())
}

/// `wait` and up to a tenth more, so that clients told to wait alike do not come back at once.
pub(super) fn with_jitter(wait: Duration) -> Duration {
    wait + wait.mul_f64(0.1 * unit())
}

/// A random number from 0 up to, not including, 1.
fn unit() -> f64 {
    // The last 53 bits of a version 4 UUID are all random.
    let bits = uuid::Uuid::new_v4().as_u128() as u64 & ((1 << 53) - 1);
    bits as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| {
                (
                    ::http::HeaderName::from_static(name),
                    ::http::HeaderValue::from_bytes(value.as_bytes()).expect("a header value"),
                )
            })
            .collect()
    }

    #[test]
    fn retry_after_is_read_in_every_form_a_service_sends() {
        let date = "Mon, 02 Mar 2026 08:15:30 GMT";
        let cases = [
            ("7", 7.0),
            (" 7 ", 7.0),
            ("120", 120.0),
            ("2.128", 2.128),
            ("0.5", 0.5),
            (".5", 0.5),
            ("999999", 999_999.0),
            ("99999999999999999999999", 31_622_400.0),
            ("0", 1.0),
            ("0.0", 1.0),
            ("-5", 1.0),
            ("-0.1", 1.0),
            ("abc", 1.0),
            ("", 1.0),
            ("1e3", 1.0),
            ("inf", 1.0),
            ("NaN", 1.0),
            ("1.2.3", 1.0),
            ("5 s", 1.0),
            ("\u{fc}", 1.0),
            ("Mon, 02 Mar 2026 08:15:40 GMT", 10.0),
            ("Monday, 02-Mar-26 08:15:40 GMT", 10.0),
            ("Mon, 02 Mar 2026 08:15:30 GMT", 1.0),
            ("Mon, 02 Mar 2026 08:00:00 GMT", 1.0),
        ];
        let count = cases.len();
        for (value, seconds) in cases {
            let wait = retry_after(&headers(&[("retry-after", value), ("date", date)]));
            assert_eq!(wait, Some(Duration::from_secs_f64(seconds)), "{value:?}");
        }
        assert_eq!(retry_after(&headers(&[("date", date)])), None);
        crate::tried("A3", count);
    }

    #[test]
    fn a_date_without_the_services_own_clock_is_read_against_ours() {
        let soon = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(100));
        let wait = retry_after(&headers(&[("retry-after", &soon)])).expect("a wait");
        assert!(wait > Duration::from_secs(90) && wait <= Duration::from_secs(100));
    }

    #[test]
    fn an_hourly_rule_is_understood_and_nonsense_is_not() {
        let date = ("date", "Mon, 02 Mar 2026 08:15:30 GMT"); // 1772439330
        let rule = rate_rule(&headers(&[
            date,
            ("x-ratelimit-limit", "100"),
            ("x-ratelimit-reset", "1772439930"),
            ("x-ratelimit-rule", "a1b2"),
        ]));
        assert_eq!(
            rule,
            Some(RateRule {
                rule: "a1b2".into(),
                limit: 100,
                reset: 1_772_439_930,
                left: Duration::from_mins(10),
            })
        );
        // In 0, -9330, 7201 s, and nonsense.
        let resets = [
            "1772439330",
            "1772430000",
            "1772446531",
            "9999999999999",
            "soon",
            "-1",
            "",
        ];
        for reset in resets {
            let odd = [date, ("x-ratelimit-limit", "100"), ("x-ratelimit-reset", reset)];
            assert_eq!(rate_rule(&headers(&odd)), None, "{reset}");
        }
        for limit in ["many", "-1", ""] {
            let odd = [
                date,
                ("x-ratelimit-limit", limit),
                ("x-ratelimit-reset", "1772439930"),
            ];
            assert_eq!(rate_rule(&headers(&odd)), None, "{limit}");
        }
        assert_eq!(
            rate_rule(&headers(&[date, ("x-ratelimit-reset", "1772439930")])),
            None
        );
        // Two hours to the second, no name, and one that is too long.
        let latest = [
            date,
            ("x-ratelimit-limit", "1"),
            ("x-ratelimit-reset", "1772446530"),
        ];
        let rule = rate_rule(&headers(&latest)).expect("a rule");
        assert_eq!((rule.rule.as_str(), rule.left), ("", Duration::from_hours(2)));
        let long = "n".repeat(65);
        let named = [
            latest[0],
            latest[1],
            latest[2],
            ("x-ratelimit-rule", long.as_str()),
        ];
        assert_eq!(rate_rule(&headers(&named)).expect("a rule").rule.len(), 64);
    }

    #[test]
    fn the_used_share_must_be_a_sensible_number() {
        for (value, share) in [
            ("0.85", Some(0.85)),
            ("1.8", Some(1.8)),
            ("-1", None),
            ("inf", None),
            ("0", Some(0.0)),
            ("x", None),
            ("\u{fc}", None),
        ] {
            let headers = headers(&[("x-ms-throttle-limit-percentage", value)]);
            assert_eq!(used_share(&headers), share, "{value}");
        }
    }

    #[test]
    fn back_off_grows_to_a_minute_and_never_beyond() {
        for (attempt, most) in [(1, 1), (2, 2), (3, 4), (6, 32), (7, 60), (40, 60), (u32::MAX, 60)] {
            for _ in 0..50 {
                assert!(back_off(attempt) <= Duration::from_secs(most), "{attempt}");
            }
        }
        assert_ne!(back_off(7), back_off(7));
    }

    #[test]
    fn chance_spreads_waits_evenly() {
        let mut tenths = [0; 10];
        for _ in 0..1_000 {
            tenths[(unit() * 10.0) as usize] += 1;
        }
        // A hundred each; less than one try in a hundred million is further off.
        assert!(
            tenths.iter().all(|count| (40..=160).contains(count)),
            "{tenths:?}"
        );
    }

    #[test]
    fn jitter_adds_a_tenth_at_most() {
        let wait = Duration::from_secs(100);
        for _ in 0..100 {
            let jittered = with_jitter(wait);
            assert!(jittered >= wait && jittered <= Duration::from_secs(110));
        }
        assert_ne!(with_jitter(wait), with_jitter(wait));
    }
}
