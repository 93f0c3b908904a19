//! What an answer means: the table of `reliability.md` 3, in one place, as pure functions.
//!
//! How often a request is tried depends on what went wrong, and each kind of trouble is counted by itself: two refusals
//! that were waited out say nothing about a connection that breaks afterwards.
//!
//! ```text
//! asked to wait, and waited as long        12   429 or 503 with Retry-After, or with the reset of a rule
//! asked to wait, nobody knows how long      6   429
//! not carried out: the session is busy      6   ServiceNow's 202
//! overloaded                                6   503, 504
//! failing                                   3   500, 502 and any other 5xx, 408
//! lost                                      3   no connection, no answer in time, an answer that breaks off
//! somebody else answered                    3   a web page
//! everything together                      16
//! ```
//!
//! The first line is twice what `reliability.md` 3 says: of requests of which three in ten are refused (its A6) one in
//! fourteen hundred is refused six times in a row, and a run of a thousand people sends ten thousand.

use std::time::Duration;

use ::http::header::{CONTENT_TYPE, LOCATION};
use ::http::{HeaderMap, StatusCode};

use super::wait;
use crate::connector::{ErrorKind, Speaker};

/// What a good answer to a request looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// A JSON object or array.
    Json,
    /// Any bytes but a web page.
    Bytes,
    /// Nothing at all matters but the status.
    Nothing,
}

/// What an answer means, whatever service sent it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Done.
    Success,
    /// Nothing was done; the whole lane waits. The wait is what the service named, if it did.
    Throttled(Option<Duration>),
    /// 408 or 5xx: it may or may not have been done.
    ServerError,
    /// ServiceNow's 202: the session was busy and the request was dropped (`servicenow.md` 5.5).
    NotDone,
    /// The transaction was cancelled; what came is not whole. Ask for less (`servicenow.md` 6.3).
    CutOff,
    /// JSON that breaks off, as when the length it was sent with is too small (`reliability.md` C3).
    BrokenOff,
    /// Something other than the API answered.
    WrongSpeaker(Speaker),
    /// 401.
    Unauthorized,
    /// 403.
    Forbidden,
    /// 404 or 410; what it means is the connector's to say.
    NotFound,
    /// 3xx, which is never followed.
    Redirected,
    /// Any other 4xx: this request will never work.
    Refused,
    /// A success without the JSON it should have held.
    Unreadable,
}

/// What kept a request from being done, as far as it is worth another attempt; each kind is counted by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// Refused for a time that the service named.
    Paused,
    /// Refused, for nobody knows how long.
    Refused,
    /// The session was busy and the request dropped.
    Busy,
    /// Too much to do, or nobody there to do it.
    Overloaded,
    /// An error of the service's own.
    Failing,
    /// No answer, or not all of it.
    Lost,
    /// A web page came.
    Page,
}

impl Trouble {
    /// How often a request may be tried in all before this kind of trouble ends it.
    pub(super) fn attempts(self) -> u32 {
        match self {
            Self::Paused => 12,
            Self::Refused | Self::Busy | Self::Overloaded => 6,
            // Two quick repeats tell a page that flashed by from one that stays.
            Self::Failing | Self::Lost | Self::Page => 3,
        }
    }
}

/// How often a request has met which trouble.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Troubles {
    met: [u32; 7],
}

impl Troubles {
    /// How often a request is tried in all, whatever keeps it from being done.
    pub(super) const MOST: u32 = 16;

    /// Takes note of one more.
    pub(super) fn meet(&mut self, trouble: Trouble) {
        self.met[trouble as usize] += 1;
    }

    /// Every attempt so far.
    pub(super) fn all(&self) -> u32 {
        self.met.iter().sum()
    }

    /// True if a request that has just met this may be tried once more.
    pub(super) fn leave_a_try(&self, trouble: Trouble) -> bool {
        self.met[trouble as usize] < trouble.attempts() && self.all() < Self::MOST
    }
}

/// Decides what an answer means.
pub fn classify(status: StatusCode, headers: &HeaderMap, body: &[u8], expect: Expect) -> Class {
    let code = status.as_u16();
    match code {
        429 => Class::Throttled(throttle_wait(headers)),
        503 if wait::retry_after(headers).is_some() => Class::Throttled(wait::retry_after(headers)),
        407 => Class::WrongSpeaker(Speaker::Proxy),
        401 => Class::Unauthorized,
        500.. if contains(body, CANCELLED) => Class::CutOff,
        408 | 500.. => Class::ServerError,
        300..400 => redirected(headers),
        _ if is_html(headers, body) => Class::WrongSpeaker(speaker_of_page(headers, body)),
        403 => Class::Forbidden,
        404 | 410 => Class::NotFound,
        400..500 => Class::Refused,
        202 if expect == Expect::Json => Class::NotDone,
        200..300 => delivered(body, expect),
        // 1xx never arrive as an answer.
        _ => Class::Unreadable,
    }
}

/// A success status: is what was expected there, and whole?
fn delivered(body: &[u8], expect: Expect) -> Class {
    if expect != Expect::Json {
        return Class::Success;
    }
    let text = without_mark(body);
    if !matches!(text.first(), Some(b'{' | b'[')) {
        return Class::Unreadable;
    }
    match serde_json::from_slice::<serde::de::IgnoredAny>(text) {
        Ok(_) => Class::Success,
        // Names of people can hold the words too, so only in broken JSON do they count.
        Err(_) if contains(body, CANCELLED) => Class::CutOff,
        Err(error) if error.is_eof() => Class::BrokenOff,
        // Who reads it says what is wrong with it.
        Err(_) => Class::Success,
    }
}

/// How long a 429 asks to wait: `Retry-After`, or else the reset of the rule that was hit.
fn throttle_wait(headers: &HeaderMap) -> Option<Duration> {
    wait::retry_after(headers).or_else(|| Some(wait::rate_rule(headers)?.left))
}

/// ServiceNow's words in an answer whose transaction hit a quota (`servicenow.md` 2.8, 6.3).
const CANCELLED: &[u8] = b"Transaction cancelled";

impl Class {
    /// What kind of trouble this is; `None` if another attempt would end the same.
    pub(super) fn trouble(self, status: StatusCode) -> Option<Trouble> {
        match self {
            Self::Throttled(Some(_)) => Some(Trouble::Paused),
            Self::Throttled(None) => Some(Trouble::Refused),
            Self::NotDone => Some(Trouble::Busy),
            Self::ServerError if matches!(status.as_u16(), 503 | 504) => Some(Trouble::Overloaded),
            Self::ServerError => Some(Trouble::Failing),
            Self::BrokenOff => Some(Trouble::Lost),
            Self::WrongSpeaker(_) => Some(Trouble::Page),
            Self::Success
            | Self::CutOff
            | Self::Unauthorized
            | Self::Forbidden
            | Self::NotFound
            | Self::Redirected
            | Self::Refused
            | Self::Unreadable => None,
        }
    }

    /// True if the service surely did nothing, so that even a write may be repeated.
    pub fn nothing_done(self) -> bool {
        matches!(self, Self::Throttled(_) | Self::Unauthorized)
    }

    /// True if it cannot be told whether a write was carried out.
    pub fn outcome_unknown(self) -> bool {
        matches!(
            self,
            Self::ServerError | Self::NotDone | Self::CutOff | Self::BrokenOff | Self::Unreadable
        )
    }

    /// True if the service itself is in trouble, for the circuit breaker.
    pub fn is_failure(self) -> bool {
        matches!(self, Self::ServerError | Self::BrokenOff)
    }

    /// What is wrong with an answer whose status says that all is well.
    pub fn complaint(self) -> Option<&'static str> {
        match self {
            Self::BrokenOff => Some("the answer could not be understood: its JSON breaks off"),
            Self::Unreadable => Some("the answer could not be understood: it is no JSON"),
            Self::NotDone => Some("the session was busy and the request was dropped"),
            _ => None,
        }
    }

    /// What a request that ends so means. `needs` is the right that a 403 asks for.
    pub fn kind(self, headers: &HeaderMap, body: &[u8], needs: Option<&str>) -> ErrorKind {
        match self {
            Self::Throttled(_) => ErrorKind::Throttled,
            // A 5xx page that names the state of the instance says more than the number.
            Self::ServerError if is_html(headers, body) => match speaker_of_page(headers, body) {
                speaker @ (Speaker::Hibernating | Speaker::Maintenance) => ErrorKind::WrongSpeaker(speaker),
                Speaker::LogInPage | Speaker::Proxy | Speaker::OtherHtml => ErrorKind::Unavailable,
            },
            Self::ServerError | Self::NotDone | Self::CutOff => ErrorKind::Unavailable,
            Self::WrongSpeaker(speaker) => ErrorKind::WrongSpeaker(speaker),
            Self::Unauthorized => ErrorKind::SignInRejected,
            Self::Forbidden => ErrorKind::NotAllowed {
                needs: needs
                    .unwrap_or("a right that the service does not name")
                    .to_owned(),
            },
            Self::NotFound => ErrorKind::NotFound,
            Self::Redirected | Self::Refused => ErrorKind::Refused,
            Self::Success | Self::BrokenOff | Self::Unreadable => ErrorKind::UnexpectedAnswer,
        }
    }
}

/// A redirect is never followed, but where it leads can tell who answered.
fn redirected(headers: &HeaderMap) -> Class {
    let target = headers
        .get(LOCATION)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
        .to_ascii_lowercase();
    let path = target.split(['?', '#']).next().unwrap_or_default();
    if target.contains("developer.servicenow") || target.contains("hibernat") {
        Class::WrongSpeaker(Speaker::Hibernating)
    } else if ["login", "logon", "signin", "saml", "/sso", "oauth2", "adfs"]
        .iter()
        .any(|word| path.contains(word))
    {
        Class::WrongSpeaker(Speaker::LogInPage)
    } else {
        Class::Redirected
    }
}

/// True if the body is a web page, whatever its media type claims; an empty body never is.
pub(super) fn is_html(headers: &HeaderMap, body: &[u8]) -> bool {
    let text = without_mark(body);
    if text.is_empty() {
        return false;
    }
    let claims_html = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|kind| {
            let kind = kind.trim().to_ascii_lowercase();
            kind.starts_with("text/html") || kind.starts_with("application/xhtml")
        });
    let starts = |prefix: &[u8]| {
        text.get(..prefix.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
    };
    // A body that is JSON all the same keeps its meaning when a proxy mislabels it.
    starts(b"<!doctype html") || starts(b"<html") || claims_html && !matches!(text[0], b'{' | b'[')
}

/// Words by which a page can be recognised, the most telling first (`servicenow.md` 6.4, 6.5).
const SPEAKERS: [(Speaker, &[&str]); 4] = [
    (Speaker::Hibernating, &["hibernat"]),
    (
        Speaker::Maintenance,
        &[
            "currently offline",
            "maintenance",
            "being upgraded",
            "upgrade in progress",
            "patching",
            "temporarily unavailable",
        ],
    ),
    (
        Speaker::Proxy,
        &[
            "proxy",
            "captive",
            "zscaler",
            "squid",
            "fortigate",
            "forcepoint",
            "web filter",
            "blocked by",
            "acceptable use",
        ],
    ),
    (
        Speaker::LogInPage,
        &[
            "type=\"password\"",
            "type='password'",
            "log in",
            "login",
            "sign in",
            "signin",
            "samlrequest",
            "single sign-on",
        ],
    ),
];

/// Which page this is.
fn speaker_of_page(headers: &HeaderMap, body: &[u8]) -> Speaker {
    let start = &body[..body.len().min(64 * 1024)];
    let text = String::from_utf8_lossy(start).to_lowercase();
    if let Some((speaker, _)) = SPEAKERS
        .iter()
        .find(|(_, words)| words.iter().any(|word| text.contains(word)))
    {
        return *speaker;
    }
    let proxied = ["proxy-authenticate", "proxy-connection", "x-squid-error"]
        .iter()
        .any(|name| headers.contains_key(*name));
    if proxied {
        Speaker::Proxy
    } else {
        Speaker::OtherHtml
    }
}

/// The body without a byte-order mark and white space in front.
pub(super) fn without_mark(body: &[u8]) -> &[u8] {
    body.strip_prefix(b"\xef\xbb\xbf")
        .unwrap_or(body)
        .trim_ascii_start()
}

fn contains(text: &[u8], words: &[u8]) -> bool {
    text.windows(words.len()).any(|window| window == words)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::http::{HeaderName, HeaderValue};

    const JSON: (&str, &str) = ("content-type", "application/json;charset=UTF-8");
    const HTML: (&str, &str) = ("content-type", "text/html; charset=utf-8");

    fn of(status: u16, headers: &[(&'static str, &str)], body: &str) -> Class {
        let headers: HeaderMap = headers
            .iter()
            .map(|(name, value)| {
                (
                    HeaderName::from_static(name),
                    HeaderValue::from_str(value).expect("a header"),
                )
            })
            .collect();
        let status = StatusCode::from_u16(status).expect("a status");
        classify(status, &headers, body.as_bytes(), Expect::Json)
    }

    #[test]
    fn every_answer_has_the_meaning_the_table_gives_it() {
        let seven = Some(Duration::from_secs(7));
        for (status, headers, body, expected) in [
            (200, &[JSON][..], r#"{"value":[]}"#, Class::Success),
            (201, &[JSON], r#"{"result":{}}"#, Class::Success),
            (200, &[], "\u{feff} [1]", Class::Success),
            (200, &[HTML], r#"{"value":[]}"#, Class::Success),
            (200, &[JSON], "", Class::Unreadable),
            (200, &[JSON], "plain words", Class::Unreadable),
            (200, &[JSON], "null", Class::Unreadable),
            (200, &[JSON], r#"{"value":[{"id":1},{"id":2}"#, Class::BrokenOff),
            (201, &[JSON], r#"{"result":{"sys_id":"a"#, Class::BrokenOff),
            (202, &[JSON], "", Class::NotDone),
            (202, &[JSON], "{}", Class::NotDone),
            (429, &[("retry-after", "7")], "", Class::Throttled(seven)),
            (429, &[], "", Class::Throttled(None)),
            (
                503,
                &[("retry-after", "7"), HTML],
                "<html>",
                Class::Throttled(seven),
            ),
            (503, &[], "", Class::ServerError),
            (408, &[], "", Class::ServerError),
            (500, &[JSON], r#"{"error":{}}"#, Class::ServerError),
            (502, &[HTML], "<html>bad gateway</html>", Class::ServerError),
            (504, &[HTML], "<html>", Class::ServerError),
            (509, &[], "", Class::ServerError),
            (401, &[JSON], r#"{"error":{}}"#, Class::Unauthorized),
            (401, &[HTML], "<html>Log in</html>", Class::Unauthorized),
            (403, &[JSON], r#"{"error":{}}"#, Class::Forbidden),
            (404, &[JSON], r#"{"error":{}}"#, Class::NotFound),
            (404, &[("content-type", "text/plain")], "", Class::NotFound),
            (410, &[], "", Class::NotFound),
            (400, &[JSON], r#"{"error":{}}"#, Class::Refused),
            (409, &[], "", Class::Refused),
            (413, &[], "", Class::Refused),
            (414, &[], "", Class::Refused),
            (422, &[], "", Class::Refused),
            (
                302,
                &[("location", "https://elsewhere.example/x")],
                "",
                Class::Redirected,
            ),
            (304, &[], "", Class::Redirected),
            (
                302,
                &[("location", "https://x.example/?then=login")],
                "",
                Class::Redirected,
            ),
            (302, &[("location", "/login\u{fc}")], "", Class::Redirected),
            (299, &[JSON], "{}", Class::Success),
            (300, &[], "", Class::Redirected),
            (399, &[], "", Class::Redirected),
            (499, &[], "", Class::Refused),
            (599, &[], "", Class::ServerError),
            (100, &[JSON], "{}", Class::Unreadable),
            (407, &[HTML], "<html>", Class::WrongSpeaker(Speaker::Proxy)),
        ] {
            assert_eq!(of(status, headers, body), expected, "{status} {headers:?} {body}");
        }
    }

    #[test]
    fn a_page_in_place_of_json_is_recognised_whatever_its_status() {
        let cases = [
            (
                200,
                &[HTML][..],
                "<html><head><title>Instance Hibernating page</title></head></html>",
                Speaker::Hibernating,
            ),
            (
                200,
                &[],
                "<!DOCTYPE html><p>Your instance is currently offline</p>",
                Speaker::Maintenance,
            ),
            (
                200,
                &[HTML],
                "<form><input type=\"password\"></form>",
                Speaker::LogInPage,
            ),
            (
                200,
                &[JSON],
                "<html><title>Log in | ServiceNow</title></html>",
                Speaker::LogInPage,
            ),
            (
                403,
                &[HTML],
                "<HTML>Blocked by the web filter</HTML>",
                Speaker::Proxy,
            ),
            (404, &[HTML], "<html>HTTP Status 404</html>", Speaker::OtherHtml),
            (
                200,
                &[HTML],
                "Welcome to the captive portal, please sign in",
                Speaker::Proxy,
            ),
            (
                302,
                &[("location", "https://developer.servicenow.com/dev.do#!/home")],
                "",
                Speaker::Hibernating,
            ),
            (302, &[("location", "/login.do")], "", Speaker::LogInPage),
            (
                302,
                &[("location", "https://login.example.com/saml2?x=1")],
                "",
                Speaker::LogInPage,
            ),
            (302, &[("location", "/hibernating.do")], "", Speaker::Hibernating),
            (
                200,
                &[("content-type", " Application/XHTML+xml")],
                "Sign in",
                Speaker::LogInPage,
            ),
            (
                200,
                &[("content-type", "\u{fc}")],
                "<html>Sign in",
                Speaker::LogInPage,
            ),
            (200, &[HTML, ("x-squid-error", "ERR 0")], "?", Speaker::Proxy),
            (200, &[HTML, ("proxy-authenticate", "Basic")], "?", Speaker::Proxy),
        ];
        let count = cases.len();
        for (status, headers, body, speaker) in cases {
            assert_eq!(of(status, headers, body), Class::WrongSpeaker(speaker), "{body}");
        }
        crate::tried("B5", count);
    }

    #[test]
    fn a_cancelled_transaction_is_cut_off_but_a_name_with_these_words_is_not() {
        let words = "Transaction cancelled: maximum execution time exceeded";
        assert_eq!(
            of(500, &[JSON], &format!(r#"{{"error":{{"message":"{words}"}}}}"#)),
            Class::CutOff
        );
        let broken = format!(r#"{{"result":[{{"a":1}},"error":{{"message":"{words}"}}"#);
        assert_eq!(of(200, &[JSON], &broken), Class::CutOff);
        let whole = format!(r#"{{"result":[{{"name":"{words}"}}]}}"#);
        assert_eq!(of(200, &[JSON], &whole), Class::Success);
        crate::tried("B9", 3);
    }

    #[test]
    fn without_retry_after_the_reset_of_the_rule_says_how_long() {
        let headers = [
            ("date", "Mon, 02 Mar 2026 08:15:30 GMT"),
            ("x-ratelimit-limit", "100"),
            ("x-ratelimit-reset", "1772439930"),
        ];
        assert_eq!(
            of(429, &headers, ""),
            Class::Throttled(Some(Duration::from_mins(10)))
        );
    }

    #[test]
    fn bytes_are_never_a_page_and_a_deletion_needs_no_body() {
        let html = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("text/html"))]);
        let page = classify(StatusCode::OK, &html, b"<html>hibernating</html>", Expect::Bytes);
        assert_eq!(page, Class::WrongSpeaker(Speaker::Hibernating));
        let picture = classify(StatusCode::OK, &HeaderMap::new(), b"\xff\xd8\xff", Expect::Bytes);
        assert_eq!(picture, Class::Success);
        let gone = classify(StatusCode::NO_CONTENT, &HeaderMap::new(), b"", Expect::Nothing);
        assert_eq!(gone, Class::Success);
    }

    #[test]
    fn what_a_class_means_for_the_next_attempt_for_a_write_for_the_circuit_and_for_whoever_asked() {
        use ErrorKind::{
            NotFound, Refused, SignInRejected, Throttled, Unavailable, UnexpectedAnswer, WrongSpeaker,
        };
        let second = Some(Duration::from_secs(1));
        let not_allowed = || ErrorKind::NotAllowed {
            needs: "a right that the service does not name".into(),
        };
        for (class, trouble, write, is_failure, kind) in [
            (Class::Success, None, "done", false, UnexpectedAnswer),
            (
                Class::Throttled(second),
                Some(Trouble::Paused),
                "not done",
                false,
                Throttled,
            ),
            (
                Class::Throttled(None),
                Some(Trouble::Refused),
                "not done",
                false,
                Throttled,
            ),
            (
                Class::ServerError,
                Some(Trouble::Failing),
                "unknown",
                true,
                Unavailable,
            ),
            (Class::NotDone, Some(Trouble::Busy), "unknown", false, Unavailable),
            (Class::CutOff, None, "unknown", false, Unavailable),
            (
                Class::BrokenOff,
                Some(Trouble::Lost),
                "unknown",
                true,
                UnexpectedAnswer,
            ),
            (
                Class::WrongSpeaker(Speaker::Proxy),
                Some(Trouble::Page),
                "refused",
                false,
                WrongSpeaker(Speaker::Proxy),
            ),
            (Class::Unauthorized, None, "not done", false, SignInRejected),
            (Class::Forbidden, None, "refused", false, not_allowed()),
            (Class::NotFound, None, "refused", false, NotFound),
            (Class::Redirected, None, "refused", false, Refused),
            (Class::Refused, None, "refused", false, Refused),
            (Class::Unreadable, None, "unknown", false, UnexpectedAnswer),
        ] {
            assert_eq!(class.trouble(StatusCode::OK), trouble, "{class:?}");
            assert_eq!(class.nothing_done(), write == "not done", "{class:?}");
            assert_eq!(class.outcome_unknown(), write == "unknown", "{class:?}");
            assert_eq!(class.is_failure(), is_failure, "{class:?}");
            assert_eq!(class.kind(&HeaderMap::new(), b"", None), kind, "{class:?}");
        }
        for (status, trouble) in [
            (500, Trouble::Failing),
            (502, Trouble::Failing),
            (503, Trouble::Overloaded),
            (504, Trouble::Overloaded),
            (408, Trouble::Failing),
        ] {
            let status = StatusCode::from_u16(status).expect("a status");
            assert_eq!(Class::ServerError.trouble(status), Some(trouble), "{status}");
        }
        let named = Class::Forbidden.kind(&HeaderMap::new(), b"", Some("the role"));
        assert_eq!(
            named,
            ErrorKind::NotAllowed {
                needs: "the role".into()
            }
        );
    }

    #[test]
    fn a_maintenance_page_behind_a_503_is_named_as_such() {
        let html = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("text/html"))]);
        let kind = |page: &str| Class::ServerError.kind(&html, page.as_bytes(), None);
        assert_eq!(
            kind("<html>scheduled maintenance</html>"),
            ErrorKind::WrongSpeaker(Speaker::Maintenance)
        );
        assert_eq!(kind("<html>502 proxy error</html>"), ErrorKind::Unavailable);
    }

    #[test]
    fn what_only_an_answer_in_json_can_lack_is_not_missed_elsewhere() {
        let nothing = HeaderMap::new();
        let accepted = classify(StatusCode::ACCEPTED, &nothing, b"", Expect::Nothing);
        assert_eq!(accepted, Class::Success);
        // It is whole, and wrong: whoever reads it says what is wrong with it.
        assert_eq!(of(200, &[JSON], r#"{"value":tru}"#), Class::Success);
    }

    #[test]
    fn only_a_success_that_is_none_is_complained_of() {
        for class in [Class::BrokenOff, Class::Unreadable, Class::NotDone] {
            assert!(
                class.complaint().is_some_and(|words| words.len() > 20),
                "{class:?}"
            );
        }
        for (class, word) in [
            (Class::BrokenOff, "breaks off"),
            (Class::Unreadable, "no JSON"),
            (Class::NotDone, "busy"),
        ] {
            assert!(
                class.complaint().is_some_and(|words| words.contains(word)),
                "{class:?}"
            );
        }
        for class in [Class::Success, Class::ServerError, Class::Refused, Class::CutOff] {
            assert_eq!(class.complaint(), None, "{class:?}");
        }
    }

    #[test]
    fn words_of_a_page_count_only_in_a_page_and_in_its_beginning() {
        let nothing = HeaderMap::new();
        let json = Class::ServerError.kind(&nothing, br#"{"error":"scheduled maintenance"}"#, None);
        assert_eq!(json, ErrorKind::Unavailable);
        for (filling, speaker) in [
            (0, Speaker::Maintenance),
            (2_000, Speaker::Maintenance),
            (60_000, Speaker::Maintenance),
            (70_000, Speaker::OtherHtml),
        ] {
            let page = format!("<html>{}scheduled maintenance</html>", " ".repeat(filling));
            assert_eq!(of(200, &[HTML], &page), Class::WrongSpeaker(speaker), "{filling}");
        }
    }
}
