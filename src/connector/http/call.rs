//! One operation against a service, and what came of it.

use std::error::Error;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Duration;

use ::http::header::{CONTENT_TYPE, DATE};
use ::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use bytes::Bytes;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use super::classify::{Class, Expect, is_html, without_mark};
use super::origin::Address;
use crate::connector::{ConnectorError, ErrorKind, Priority};
use crate::domain::text::clean;

/// Without a byte for this long, a request is abandoned (`reliability.md` C4).
const NO_PROGRESS: Duration = Duration::from_secs(20);
/// A request that takes longer than this in all is abandoned.
const TOTAL: Duration = Duration::from_mins(1);
/// Bytes of an answer, expanded, unless the call says otherwise.
const BODY_CAP: u64 = 32 * 1024 * 1024;

/// Whether a request may be sent again when nobody knows what became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeat {
    /// Sending it twice is the same as sending it once.
    Safe,
    /// It creates something each time. An unknown outcome is reported as [`ErrorKind::OutcomeUnknown`].
    NotSafe,
}

/// What a connector found inside a good answer, for the lane: a batch may hold refusals of single items.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Inside {
    /// Items that were answered.
    pub clean: u32,
    /// Items that were refused with "slow down".
    pub throttled: u32,
    /// The longest wait that any of them named.
    pub wait: Option<Duration>,
}

/// One operation: a request, and how it is to be treated. It may take several attempts.
#[derive(Clone)]
pub struct Call {
    pub(super) method: Method,
    pub(super) address: Address,
    pub(super) operation: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    pub(super) expect: Expect,
    pub(super) repeat: Repeat,
    pub(super) priority: Priority,
    pub(super) needs: Option<String>,
    pub(super) body_cap: u64,
    pub(super) no_progress: Duration,
    pub(super) total: Duration,
    pub(super) at_once: usize,
    pub(super) inspect: Option<fn(&Answer) -> Inside>,
    pub(super) is_retry: bool,
}

impl Call {
    /// A request. `operation` completes "could not …": "read the photo of 3f9a…".
    pub fn new(method: Method, address: Address, operation: impl Into<String>) -> Self {
        let repeat = if method == Method::POST || method == Method::PATCH {
            Repeat::NotSafe
        } else {
            Repeat::Safe
        };
        Self {
            method,
            address,
            operation: operation.into(),
            headers: HeaderMap::new(),
            body: Bytes::new(),
            expect: Expect::Json,
            repeat,
            priority: Priority::Background,
            needs: None,
            body_cap: BODY_CAP,
            no_progress: NO_PROGRESS,
            total: TOTAL,
            at_once: 1,
            inspect: None,
            is_retry: false,
        }
    }

    /// Reads something.
    pub fn get(address: Address, operation: impl Into<String>) -> Self {
        Self::new(Method::GET, address, operation)
    }

    /// Sends something; not safe to repeat unless [`Call::repeat`] says so.
    pub fn post(address: Address, operation: impl Into<String>) -> Self {
        Self::new(Method::POST, address, operation)
    }

    /// Whether the request may be repeated; by default everything but POST and PATCH may.
    #[must_use]
    pub fn repeat(mut self, repeat: Repeat) -> Self {
        self.repeat = repeat;
        self
    }

    /// Whose turn it is; by default background.
    #[must_use]
    pub fn priority(mut self, priority: Priority) -> Self {
        self.priority = priority;
        self
    }

    /// What a good answer looks like; by default JSON.
    #[must_use]
    pub fn expect(mut self, expect: Expect) -> Self {
        self.expect = expect;
        self
    }

    /// The right that is missing if the service answers 403, by its name and with where to grant it.
    #[must_use]
    pub fn needs(mut self, right: impl Into<String>) -> Self {
        self.needs = Some(right.into());
        self
    }

    /// The longest answer that is accepted, in bytes after expansion.
    #[must_use]
    pub fn at_most(mut self, bytes: u64) -> Self {
        self.body_cap = bytes;
        self
    }

    /// How long one attempt may stand still, and how long it may take in all. A body to send is given more time,
    /// by its size.
    #[must_use]
    pub fn within(mut self, no_progress: Duration, total: Duration) -> Self {
        self.no_progress = no_progress;
        self.total = total;
        self
    }

    /// A header. `Authorization` and cookies are the caller's matter.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// A body, with its media type.
    #[must_use]
    pub fn body(mut self, content_type: HeaderValue, body: impl Into<Bytes>) -> Self {
        self.headers.insert(CONTENT_TYPE, content_type);
        self.body = body.into();
        self
    }

    /// A JSON body.
    #[must_use]
    pub fn json(self, value: &serde_json::Value) -> Self {
        self.body(HeaderValue::from_static("application/json"), value.to_string())
    }

    /// A form, which may hold secrets: it is wiped from memory afterwards.
    #[must_use]
    pub fn form(self, pairs: &[(&str, &str)]) -> Self {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.extend_pairs(pairs);
        let body = Zeroizing::new(form.finish().into_bytes());
        self.body(
            HeaderValue::from_static("application/x-www-form-urlencoded"),
            Bytes::from_owner(Wiped(body)),
        )
    }

    /// For a request that makes the service work on several things at once: how many, and how to find out what came
    /// of them. It takes as many places in its lane.
    #[must_use]
    pub fn carrying(mut self, at_once: usize, inspect: fn(&Answer) -> Inside) -> Self {
        self.at_once = at_once;
        self.inspect = Some(inspect);
        self
    }

    /// Says that this repeats something, for the retry budget: items of a batch that were refused before.
    #[must_use]
    pub fn as_retry(mut self) -> Self {
        self.is_retry = true;
        self
    }
}

struct Wiped(Zeroizing<Vec<u8>>);

impl AsRef<[u8]> for Wiped {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// An answer, read whole.
#[derive(Clone)]
pub struct Answer {
    /// Status.
    pub status: StatusCode,
    /// Headers, without cookies.
    pub headers: HeaderMap,
    /// Body, expanded.
    pub body: Bytes,
}

impl Answer {
    /// A header as text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body read as JSON; a byte-order mark is skipped.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_slice(without_mark(&self.body))
    }

    /// The body without a byte-order mark and leading white space.
    pub fn text(&self) -> &[u8] {
        without_mark(&self.body)
    }

    /// The id by which the service's support finds the request, cleaned.
    pub(super) fn request_id(&self) -> Option<String> {
        ["request-id", "x-transaction-id", "x-ms-request-id"]
            .iter()
            .find_map(|name| self.header(name))
            .map(|id| clean(id).into_owned())
    }

    /// The service's own words about what went wrong.
    pub fn words(&self) -> ServiceWords {
        ServiceWords::of(self)
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Answer({}, {} bytes)", self.status, self.body.len())
    }
}

/// What a service says about a failure, cleaned and short enough to show, with what its support asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceWords {
    /// Status.
    pub status: StatusCode,
    /// The service's code: `ImageNotFound`, `invalid_client`.
    pub code: Option<String>,
    /// The service's sentence, or the title of a page.
    pub message: Option<String>,
    /// The id by which support finds the request.
    pub request_id: Option<String>,
    /// When the service answered, by its own clock.
    pub date: Option<String>,
}

impl ServiceWords {
    fn of(answer: &Answer) -> Self {
        let mut words = Self {
            status: answer.status,
            code: None,
            message: None,
            request_id: answer.request_id(),
            date: answer.header(DATE.as_str()).map(|date| clean(date).into_owned()),
        };
        if is_html(&answer.headers, &answer.body) {
            words.message = title(&answer.body).map(|title| format!("a web page, \"{title}\""));
        } else if let Ok(json) = answer.json::<serde_json::Value>() {
            words.read(&json);
        }
        words
    }

    /// Reads the error shapes of Graph, the log-in service and ServiceNow.
    fn read(&mut self, json: &serde_json::Value) {
        let text = |value: &serde_json::Value| {
            let text = value.as_str()?.split_whitespace().collect::<Vec<_>>().join(" ");
            (!text.is_empty()).then(|| clean(&text).into_owned())
        };
        match &json["error"] {
            error @ serde_json::Value::Object(_) => {
                self.code = text(&error["code"]);
                let detail = text(&error["detail"]);
                self.message = match (text(&error["message"]), detail) {
                    (Some(message), Some(detail)) => Some(format!("{message}: {detail}")),
                    (message, detail) => message.or(detail),
                };
                if self.request_id.is_none() {
                    self.request_id = text(&error["innerError"]["request-id"]);
                }
            }
            error => {
                self.code = text(error);
                self.message = text(&json["error_description"]);
                if let Some(trace) = text(&json["trace_id"]) {
                    self.request_id = Some(trace);
                }
            }
        }
    }
}

impl ServiceWords {
    /// With what is wrong with the answer, if anything is, unless it says so itself.
    pub(super) fn saying(mut self, complaint: Option<&str>) -> Self {
        self.message = self.message.or(complaint.map(str::to_owned));
        self
    }
}

impl fmt::Display for ServiceWords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.status)?;
        for part in [&self.code, &self.message].into_iter().flatten() {
            write!(f, ": {part}")?;
        }
        match (&self.request_id, &self.date) {
            (Some(id), Some(date)) => write!(f, " (request {id}, {date})"),
            (Some(id), None) => write!(f, " (request {id})"),
            (None, Some(date)) => write!(f, " ({date})"),
            (None, None) => Ok(()),
        }
    }
}

impl Error for ServiceWords {}

/// The title of a page, cleaned.
fn title(page: &[u8]) -> Option<String> {
    let start = String::from_utf8_lossy(&page[..page.len().min(16 * 1024)]).into_owned();
    let lower = start.to_ascii_lowercase();
    let open = lower.find("<title")?;
    let from = open + lower[open..].find('>')? + 1;
    let to = from + lower[from..].find("</title")?;
    let text = start[from..to].split_whitespace().collect::<Vec<_>>().join(" ");
    (!text.is_empty()).then(|| clean(&text).into_owned())
}

/// An operation that did not bring what was asked for, after all attempts.
///
/// Connectors look at its `kind`, `class` and `answer`, and turn it into a
/// [`ConnectorError`] with `into()` or `?`.
///
/// It is a pointer to its [`FailureParts`], so that the results of good answers stay small.
#[derive(Clone, Debug)]
pub struct Failure(Box<FailureParts>);

/// What a [`Failure`] says.
#[derive(Clone, Debug)]
pub struct FailureParts {
    /// The service.
    pub system: &'static str,
    /// What was tried: completes "could not …".
    pub operation: String,
    /// What it means.
    pub kind: ErrorKind,
    /// What the last answer meant; `None` if none came.
    pub class: Option<Class>,
    /// The last answer; `None` if none came.
    pub answer: Option<Answer>,
    /// True if the service stayed away for as long as one operation may take: another one would wait as long.
    pub gave_up: bool,
    /// What to do next.
    pub hint: Option<String>,
    /// The service's words, the transport's error or the failed sign-in.
    pub cause: Arc<dyn Error + Send + Sync>,
}

impl Failure {
    /// A failure that an answer caused.
    pub fn answered(
        system: &'static str,
        operation: impl Into<String>,
        kind: ErrorKind,
        answer: Answer,
    ) -> Self {
        let mut failure = Self::because(system, operation, kind, answer.words());
        failure.answer = Some(answer);
        failure
    }

    /// A failure without an answer.
    pub fn because(
        system: &'static str,
        operation: impl Into<String>,
        kind: ErrorKind,
        cause: impl Error + Send + Sync + 'static,
    ) -> Self {
        Self(Box::new(FailureParts {
            system,
            operation: operation.into(),
            hint: usual_hint(&kind),
            kind,
            class: None,
            gave_up: false,
            answer: None,
            cause: Arc::new(cause),
        }))
    }

    /// A good answer that could not be understood.
    pub fn unreadable(system: &'static str, operation: impl Into<String>, error: &serde_json::Error) -> Self {
        // The error's words may quote what the service sent.
        let reason = Reason(format!(
            "the answer could not be understood: {}",
            clean(&error.to_string())
        ));
        Self::because(system, operation, ErrorKind::UnexpectedAnswer, reason)
    }

    /// Says what to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The status of the last answer, if there was one.
    pub fn status(&self) -> Option<StatusCode> {
        Some(self.answer.as_ref()?.status)
    }
}

/// A cause that is known only in words.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct Reason(pub String);

/// What to do about a kind of failure, where that is the same for every service.
fn usual_hint(kind: &ErrorKind) -> Option<String> {
    use crate::connector::Speaker;
    let hint = match kind {
        ErrorKind::WrongSpeaker(Speaker::Hibernating) => {
            "the developer instance sleeps: wake it on developer.servicenow.com and try again in a few minutes"
        }
        ErrorKind::WrongSpeaker(Speaker::Maintenance) => {
            "the instance is offline or in maintenance: try again when it is back"
        }
        ErrorKind::WrongSpeaker(Speaker::LogInPage) => {
            "a log-in page answered instead of the API: check the address and that no single sign-on stands in front of it"
        }
        ErrorKind::WrongSpeaker(Speaker::Proxy) => {
            "a proxy or captive portal answered: check the network, or configure the proxy"
        }
        ErrorKind::WrongSpeaker(Speaker::OtherHtml) => {
            "a web page answered instead of the API: check the configured address"
        }
        ErrorKind::NotAllowed { needs } => {
            return Some(format!("grant {needs}, then run `avatar-sync check`"));
        }
        ErrorKind::Throttled => "try again later, or lower the concurrency",
        ErrorKind::PauseTooLong => "resume the run when the pause is over",
        ErrorKind::Unavailable => "check the network and the service's status page, then try again",
        ErrorKind::OutcomeUnknown => "look at what is stored before trying again",
        ErrorKind::SignInRejected
        | ErrorKind::NotFound
        | ErrorKind::TooLarge { .. }
        | ErrorKind::Refused
        | ErrorKind::UnexpectedAnswer
        | ErrorKind::Configuration => return None,
    };
    Some(hint.to_owned())
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: could not {}", self.system, self.operation)
    }
}

impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.cause)
    }
}

impl Deref for Failure {
    type Target = FailureParts;

    fn deref(&self) -> &FailureParts {
        &self.0
    }
}

impl DerefMut for Failure {
    fn deref_mut(&mut self) -> &mut FailureParts {
        &mut self.0
    }
}

impl From<Failure> for ConnectorError {
    fn from(failure: Failure) -> Self {
        let failure = *failure.0;
        Self {
            system: failure.system,
            operation: failure.operation,
            kind: failure.kind,
            hint: failure.hint,
            source: Some(Box::new(SharedCause(failure.cause))),
        }
    }
}

/// A cause that several failures share: those who waited for the same sign-in.
#[derive(Debug)]
struct SharedCause(Arc<dyn Error + Send + Sync>);

impl fmt::Display for SharedCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Error for SharedCause {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, content_type: &'static str, body: &'static str) -> Answer {
        Answer {
            status: StatusCode::from_u16(status).expect("a status"),
            headers: HeaderMap::from_iter([
                (CONTENT_TYPE, HeaderValue::from_static(content_type)),
                (DATE, HeaderValue::from_static("Mon, 02 Mar 2026 08:15:30 GMT")),
            ]),
            body: Bytes::from_static(body.as_bytes()),
        }
    }

    #[test]
    fn the_words_of_every_service_are_kept_with_what_support_asks_for() {
        for (answer, expected) in [
            (
                answer(
                    403,
                    "application/json",
                    r#"{"error":{"code":"ErrorAccessDenied","message":"Access is denied.","innerError":{"request-id":"9d2e"}}}"#,
                ),
                "403 Forbidden: ErrorAccessDenied: Access is denied. (request 9d2e, Mon, 02 Mar 2026 08:15:30 GMT)",
            ),
            (
                answer(
                    401,
                    "application/json",
                    r#"{"error":"invalid_client","error_description":"AADSTS7000215: Invalid.\r\nTrace ID: 5a1d","trace_id":"5a1d"}"#,
                ),
                "401 Unauthorized: invalid_client: AADSTS7000215: Invalid. Trace ID: 5a1d (request 5a1d, Mon, 02 Mar 2026 08:15:30 GMT)",
            ),
            (
                answer(
                    403,
                    "application/json",
                    r#"{"error":{"message":"Operation Failed","detail":"ACL"},"status":"failure"}"#,
                ),
                "403 Forbidden: Operation Failed: ACL (Mon, 02 Mar 2026 08:15:30 GMT)",
            ),
            (
                answer(
                    200,
                    "text/html",
                    "<html><title>\n Instance\u{202e} Hibernating </title>",
                ),
                "200 OK: a web page, \"Instance· Hibernating\" (Mon, 02 Mar 2026 08:15:30 GMT)",
            ),
            (
                answer(502, "text/plain", ""),
                "502 Bad Gateway (Mon, 02 Mar 2026 08:15:30 GMT)",
            ),
        ] {
            assert_eq!(answer.words().to_string(), expected);
        }
    }

    #[test]
    fn a_failure_reads_as_a_sentence_with_causes_and_a_hint() {
        let forbidden = answer(
            403,
            "application/json",
            r#"{"error":{"code":"ErrorAccessDenied"}}"#,
        );
        let kind = ErrorKind::NotAllowed {
            needs: "ProfilePhoto.Read.All".into(),
        };
        let error: ConnectorError =
            Failure::answered("Entra ID", "read the photo of 3f9a", kind, forbidden).into();
        assert_eq!(error.to_string(), "Entra ID: could not read the photo of 3f9a");
        let cause = error.source().expect("a cause").to_string();
        assert!(cause.starts_with("403 Forbidden: ErrorAccessDenied"), "{cause}");
        let hint = error.hint.expect("a hint");
        assert!(hint.contains("ProfilePhoto.Read.All"), "{hint}");
    }

    /// What is shown of an answer with these headers and this body.
    fn shown(headers: &[(&'static str, &'static str)], body: &str) -> String {
        let headers = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        let answer = Answer {
            status: StatusCode::BAD_REQUEST,
            headers: headers.collect(),
            body: Bytes::copy_from_slice(body.as_bytes()),
        };
        answer.words().to_string()
    }

    #[test]
    fn what_support_asks_for_is_found_wherever_a_service_puts_it() {
        let date = ("date", "Mon, 02 Mar 2026 08:15:30 GMT");
        let inner = r#"{"error":{"innerError":{"request-id":"inside"}}}"#;
        for (headers, body, expected) in [
            (&[][..], "", "400 Bad Request"),
            (&[date], "", "400 Bad Request (Mon, 02 Mar 2026 08:15:30 GMT)"),
            (&[("request-id", "a")], "", "400 Bad Request (request a)"),
            (&[("x-transaction-id", "b")], "", "400 Bad Request (request b)"),
            (&[("x-ms-request-id", "c")], "", "400 Bad Request (request c)"),
            (&[], inner, "400 Bad Request (request inside)"),
            (&[("request-id", "a")], inner, "400 Bad Request (request a)"),
            (
                &[("request-id", "a")],
                r#"{"error":"e","trace_id":"t"}"#,
                "400 Bad Request: e (request t)",
            ),
        ] {
            assert_eq!(shown(headers, body), expected, "{headers:?} {body}");
        }
    }

    #[test]
    fn a_service_that_says_little_is_quoted_with_that() {
        for (body, expected) in [
            (r#"{"error":{"message":"m"}}"#, "400 Bad Request: m"),
            (r#"{"error":{"detail":"d"}}"#, "400 Bad Request: d"),
            (r#"{"error":{"message":" ","detail":"d"}}"#, "400 Bad Request: d"),
            (r#"{"error":{"message":"m","detail":""}}"#, "400 Bad Request: m"),
            (r#"{"error":{"code":7,"message":null}}"#, "400 Bad Request"),
            (r#"{"error":"e","error_description":""}"#, "400 Bad Request: e"),
            (r#"{"result":[]}"#, "400 Bad Request"),
            ("\u{feff} {\"error\":\"marked\"}", "400 Bad Request: marked"),
            ("no JSON", "400 Bad Request"),
        ] {
            assert_eq!(shown(&[], body), expected, "{body}");
        }
    }

    #[test]
    fn a_page_is_named_by_its_title_if_it_has_one_near_its_beginning() {
        let far = |bytes: usize| format!("<html>{}<title>Far</title>", " ".repeat(bytes));
        for (page, title) in [
            ("<html><TITLE lang=\"en\">A  B</TITLE>".to_owned(), Some("A B")),
            ("<html><p>><title>C</title>".to_owned(), Some("C")),
            (far(2_000), Some("Far")),
            (far(16_000), Some("Far")),
            (far(16_384), None),
            ("<html><title> </title>".to_owned(), None),
            ("<html><title>no end".to_owned(), None),
            ("<html><title".to_owned(), None),
            ("<html><p>text</p>".to_owned(), None),
        ] {
            let expected = match title {
                Some(title) => format!("400 Bad Request: a web page, \"{title}\""),
                None => "400 Bad Request".to_owned(),
            };
            let start: String = page.chars().take(40).collect();
            assert_eq!(shown(&[], &page), expected, "{start}");
        }
    }

    #[test]
    fn what_may_be_sent_twice_goes_by_the_method() {
        let address = || super::super::testing::origin().address(&["thing"], &[]);
        for (method, repeat) in [
            (Method::GET, Repeat::Safe),
            (Method::PUT, Repeat::Safe),
            (Method::DELETE, Repeat::Safe),
            (Method::POST, Repeat::NotSafe),
            (Method::PATCH, Repeat::NotSafe),
        ] {
            assert_eq!(
                Call::new(method.clone(), address(), "do it").repeat,
                repeat,
                "{method}"
            );
        }
        let form = Call::post(address(), "sign in").form(&[("user", "a b"), ("secret", "x&y=z")]);
        assert_eq!(form.body, "user=a+b&secret=x%26y%3Dz");
        assert_eq!(form.headers[CONTENT_TYPE], "application/x-www-form-urlencoded");
    }

    #[test]
    fn an_answer_is_read_past_its_byte_order_mark() {
        let marked = answer(200, "application/json", "\u{feff}\n {\"a\":1}");
        assert_eq!(marked.text(), br#"{"a":1}"#);
        assert_eq!(
            marked.json::<serde_json::Value>().expect("JSON"),
            serde_json::json!({"a": 1})
        );
        assert_eq!(marked.header("content-type"), Some("application/json"));
        assert_eq!(marked.header("etag"), None);
        let mut odd = marked;
        let bytes = HeaderValue::from_bytes(b"\xff").expect("a header");
        odd.headers.insert("etag", bytes);
        assert_eq!(odd.header("etag"), None, "no text");
    }

    #[test]
    fn every_kind_of_failure_has_its_advice_or_none() {
        use crate::connector::Speaker;
        for (kind, advice) in [
            (ErrorKind::WrongSpeaker(Speaker::Hibernating), Some("wake it")),
            (
                ErrorKind::WrongSpeaker(Speaker::Maintenance),
                Some("when it is back"),
            ),
            (
                ErrorKind::WrongSpeaker(Speaker::LogInPage),
                Some("single sign-on"),
            ),
            (ErrorKind::WrongSpeaker(Speaker::Proxy), Some("captive portal")),
            (
                ErrorKind::WrongSpeaker(Speaker::OtherHtml),
                Some("configured address"),
            ),
            (
                ErrorKind::NotAllowed {
                    needs: "the role".into(),
                },
                Some("grant the role"),
            ),
            (ErrorKind::Throttled, Some("concurrency")),
            (ErrorKind::PauseTooLong, Some("resume")),
            (ErrorKind::Unavailable, Some("status page")),
            (ErrorKind::OutcomeUnknown, Some("look at what is stored")),
            (ErrorKind::SignInRejected, None),
            (ErrorKind::NotFound, None),
            (ErrorKind::TooLarge { limit: 1 }, None),
            (ErrorKind::Refused, None),
            (ErrorKind::UnexpectedAnswer, None),
            (ErrorKind::Configuration, None),
        ] {
            let failure = Failure::because("it", "do it", kind.clone(), Reason("so".into()));
            let given = failure.hint.as_deref();
            assert_eq!(given.is_some(), advice.is_some(), "{kind:?}");
            assert!(
                given.unwrap_or_default().contains(advice.unwrap_or_default()),
                "{kind:?}: {given:?}"
            );
            assert_eq!(failure.status(), None);
        }
    }

    #[test]
    fn a_failure_keeps_its_status_and_the_whole_chain_of_its_causes() {
        let failure = Failure::answered("it", "do it", ErrorKind::Refused, answer(409, "text/plain", ""));
        assert_eq!(failure.status(), Some(StatusCode::CONFLICT));
        assert_eq!(failure.to_string(), "it: could not do it");
        // A failed sign-in is the cause of a failed request, and has a cause itself.
        let outer = Failure::because("it", "ask", ErrorKind::SignInRejected, failure);
        let chain = |error: &(dyn Error + 'static)| {
            let mut words = vec![error.to_string()];
            let mut next = error.source();
            while let Some(cause) = next {
                words.push(cause.to_string());
                next = cause.source();
            }
            words
        };
        let expected = [
            "it: could not ask",
            "it: could not do it",
            "409 Conflict (Mon, 02 Mar 2026 08:15:30 GMT)",
        ];
        assert_eq!(chain(&outer), expected);
        assert_eq!(chain(&ConnectorError::from(outer)), expected);
    }

    #[test]
    fn an_answer_that_cannot_be_understood_is_quoted_cleaned() {
        let error = serde_json::from_str::<u8>("\"\u{202e}gnp\"").expect_err("no number");
        let failure = Failure::unreadable("it", "read it", &error).hint("ask for less");
        assert_eq!(failure.kind, ErrorKind::UnexpectedAnswer);
        assert_eq!(failure.hint.as_deref(), Some("ask for less"));
        let cause = failure.cause.to_string();
        assert!(
            cause.starts_with("the answer could not be understood: "),
            "{cause}"
        );
        assert!(cause.contains("gnp") && !cause.contains('\u{202e}'), "{cause}");
    }

    #[test]
    fn debugging_an_answer_shows_no_body() {
        let shown = format!("{:?}", answer(200, "application/json", r#"{"mail":"ada@x.org"}"#));
        assert_eq!(shown, "Answer(200 OK, 20 bytes)");
    }
}
