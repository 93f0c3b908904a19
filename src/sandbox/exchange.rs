//! What a sandbox service sees of HTTP: one request in, one response out, no sockets.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use percent_encoding::percent_decode_str;

/// One request, read whole.
#[derive(Clone, Debug)]
pub struct Request {
    /// Method.
    pub method: Method,
    /// Path as sent, percent-encoding intact, without the query.
    pub path: String,
    /// Query as sent, without the `?`; empty if there was none.
    pub query: String,
    /// Headers.
    pub headers: HeaderMap,
    /// Body, at most the server's limit.
    pub body: Bytes,
    /// Scheme and authority the client used, for links in answers: `http://127.0.0.1:40001`. Follows the `Host`
    /// header, and `X-Forwarded-Proto` and `X-Forwarded-Host` where a TLS proxy stands in front.
    pub base: String,
}

impl Request {
    /// The query as decoded pairs, in order; `+` and `%20` are both a space.
    pub fn query_pairs(&self) -> Vec<(String, String)> {
        url::form_urlencoded::parse(self.query.as_bytes())
            .into_owned()
            .collect()
    }

    /// The first value of a query parameter, decoded.
    pub fn query_value(&self, name: &str) -> Option<String> {
        url::form_urlencoded::parse(self.query.as_bytes())
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.into_owned())
    }

    /// The path's segments between slashes, each percent-decoded once (broken UTF-8 becomes U+FFFD).
    pub fn segments(&self) -> Vec<String> {
        self.path
            .split('/')
            .skip(1)
            .map(|segment| percent_decode_str(segment).decode_utf8_lossy().into_owned())
            .collect()
    }

    /// A header as text; `None` if absent or not text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The pairs of an `application/x-www-form-urlencoded` body.
    pub fn form(&self) -> Vec<(String, String)> {
        url::form_urlencoded::parse(&self.body).into_owned().collect()
    }
}

/// One response, whole.
#[derive(Clone, Debug)]
pub struct Response {
    /// Status.
    pub status: StatusCode,
    /// Headers; the server adds `Date` and the framing.
    pub headers: HeaderMap,
    /// Body.
    pub body: Bytes,
}

impl Response {
    /// An answer without a body.
    pub fn empty(status: u16) -> Self {
        Self {
            status: status_code(status),
            headers: HeaderMap::new(),
            body: Bytes::new(),
        }
    }

    /// An answer with a body of the given media type.
    pub fn new(status: u16, content_type: &str, body: impl Into<Bytes>) -> Self {
        Self {
            status: status_code(status),
            headers: HeaderMap::new(),
            body: body.into(),
        }
        .with_header("content-type", content_type)
    }

    /// An answer with a JSON body of the given media type.
    pub fn json(status: u16, content_type: &str, body: &impl serde::Serialize) -> Self {
        let body = serde_json::to_vec(body).expect("plain data serialises");
        Self::new(status, content_type, body)
    }

    /// Adds a header; a value that cannot be a header is left out.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::from_str(value)) {
            self.headers.append(name, value);
        }
        self
    }
}

fn status_code(status: u16) -> StatusCode {
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// A service of the sandbox: the server calls it for every request that no fault rule has taken.
pub trait Service: Send + Sync {
    /// "entra" or "servicenow", as in fault rules and request counts.
    fn name(&self) -> &'static str;

    /// The route a request belongs to, for the request counts: `"GET /v1.0/users/{id}/photo/$value"`. Ids and keys
    /// are replaced by `{id}`, `{table}` stays as it is, and the query is left out.
    fn route(&self, request: &Request) -> String;

    /// Called when a request arrives, before any latency: refuses it at once (rate window, semaphore, concurrency)
    /// or lets it in. The admission is held until the answer is ready to be written.
    #[expect(
        clippy::result_large_err,
        reason = "a refusal is an answer like any other, moved once"
    )]
    fn admit(&self, request: &Request) -> Result<Admission, Response>;

    /// Carries the request out.
    fn answer(&self, request: &Request) -> Response;

    /// Carries out a request that was let in with this admission, which is still held. A service that decided about
    /// parts of the request when it let it in (items of a batch) finds its decision in the permit.
    fn answer_admitted(&self, request: &Request, _admission: &Admission) -> Response {
        self.answer(request)
    }

    /// True if [`Service::answer`] may take longer than a millisecond (it draws pictures): the server then runs it
    /// off its event loop.
    fn is_heavy(&self, request: &Request) -> bool;
}

/// A request that was let in.
pub struct Admission {
    /// Released when the answer is ready.
    pub permit: Box<dyn std::any::Any + Send>,
    /// How many service times it takes one after the other: 1, or 5 for a batch of 20 of which 4 run at a time.
    pub rounds: u32,
    /// How long it has to queue before it is served, in milliseconds of sandbox latency (a semaphore's queue).
    pub queue: std::time::Duration,
}

impl Admission {
    /// Let in with nothing to hold and nothing to wait for.
    pub fn free() -> Self {
        Self {
            permit: Box::new(()),
            rounds: 1,
            queue: std::time::Duration::ZERO,
        }
    }
}
