//! What Graph answers are made of: the error envelope and the headers of every answer (`entra.md` 1.6, 9.1).

use std::borrow::Cow;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, STRICT_TRANSPORT_SECURITY};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use crate::sandbox::exchange::{Request, Response};

/// Media type of directory answers.
pub(super) const DIRECTORY_JSON: &str =
    "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8";
/// Media type of photo metadata and of errors.
pub(super) const PLAIN_JSON: &str = "application/json";

const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");
const CLIENT_REQUEST_ID: HeaderName = HeaderName::from_static("client-request-id");
const DIAGNOSTIC: HeaderName = HeaderName::from_static("x-ms-ags-diagnostic");
const ODATA_VERSION: HeaderName = HeaderName::from_static("odata-version");
const RESOURCE_UNIT: HeaderName = HeaderName::from_static("x-ms-resource-unit");

/// A request that Graph refuses.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    pub(super) status: u16,
    /// `None`: no body at all.
    pub(super) error: Option<(Cow<'static, str>, Cow<'static, str>)>,
    pub(super) headers: Vec<(&'static str, String)>,
    /// The inner error repeats status and advice, as those of throttled requests do (`entra.md` 7.2).
    is_throttled: bool,
}

impl Failure {
    /// The usual error envelope.
    pub(super) fn new(
        status: u16,
        code: impl Into<Cow<'static, str>>,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            status,
            error: Some((code.into(), message.into())),
            headers: Vec::new(),
            is_throttled: false,
        }
    }

    /// 404 as `text/plain` without a body.
    pub(super) fn empty404() -> Self {
        Self {
            status: 404,
            error: None,
            headers: Vec::new(),
            is_throttled: false,
        }
    }

    /// 429 `TooManyRequests`.
    pub(super) fn too_many_requests() -> Self {
        Self {
            is_throttled: true,
            ..Self::new(429, "TooManyRequests", "Please retry again later.")
        }
    }

    /// 400 `BadRequest`.
    pub(super) fn bad_request(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    /// 400 `Request_UnsupportedQuery`.
    pub(super) fn unsupported_query(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(400, "Request_UnsupportedQuery", message)
    }

    /// 404 `Request_ResourceNotFound` (P10).
    pub(super) fn not_found(key: &str) -> Self {
        Self::new(
            404,
            "Request_ResourceNotFound",
            format!(
                "Resource '{key}' does not exist or one of its queried reference-property objects are not present."
            ),
        )
    }

    /// 403 `Authorization_RequestDenied` (P18).
    pub(super) fn denied() -> Self {
        Self::new(
            403,
            "Authorization_RequestDenied",
            "Insufficient privileges to complete the operation.",
        )
    }

    pub(super) fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// The answer, without the headers that every answer has.
    pub(super) fn into_response(self, ids: &Ids, now: Timestamp) -> Response {
        let mut response = match &self.error {
            None => Response::new(self.status, "text/plain", Bytes::new()),
            Some((code, message)) => {
                let date = utc_date(now);
                let body = Envelope {
                    error: ErrorBody {
                        code,
                        message,
                        inner_error: InnerError {
                            code: self.is_throttled.then_some("429"),
                            message: self.is_throttled.then_some("Please retry after"),
                            status: self.is_throttled.then_some("429"),
                            date: &date,
                            request_id: &ids.request,
                            client_request_id: &ids.client,
                        },
                    },
                };
                Response::json(self.status, PLAIN_JSON, &body)
            }
        };
        for (name, value) in &self.headers {
            response = response.with_header(name, value);
        }
        response
    }
}

#[derive(Serialize)]
struct Envelope<'a> {
    error: ErrorBody<'a>,
}

#[derive(Serialize)]
struct ErrorBody<'a> {
    code: &'a str,
    message: &'a str,
    #[serde(rename = "innerError")]
    inner_error: InnerError<'a>,
}

#[derive(Serialize)]
struct InnerError<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'a str>,
    date: &'a str,
    #[serde(rename = "request-id")]
    request_id: &'a str,
    #[serde(rename = "client-request-id")]
    client_request_id: &'a str,
}

/// `2026-03-02T08:15:30`: in UTC, with no zone letter.
fn utc_date(now: Timestamp) -> String {
    now.strftime("%Y-%m-%dT%H:%M:%S").to_string()
}

/// The ids of one exchange.
pub(super) struct Ids {
    pub(super) request: Box<str>,
    /// The client's own id, or the request id.
    pub(super) client: Box<str>,
}

/// Makes request ids: different ones for every request, without asking the system for randomness each time.
#[derive(Debug)]
pub(super) struct IdSource {
    seed: u64,
    next: AtomicU64,
}

impl IdSource {
    pub(super) fn new() -> Self {
        Self {
            seed: Uuid::new_v4().as_u64_pair().0,
            next: AtomicU64::new(0),
        }
    }

    /// A new GUID.
    pub(super) fn guid(&self) -> Uuid {
        let count = self.next.fetch_add(1, Ordering::Relaxed);
        let high = spread(self.seed ^ count);
        let low = spread(high.wrapping_add(count));
        uuid::Builder::from_random_bytes(Uuid::from_u64_pair(high, low).into_bytes()).into_uuid()
    }

    /// The ids of an exchange.
    pub(super) fn ids(&self, request: &Request) -> Ids {
        let id: Box<str> = self.guid().to_string().into();
        let client = request
            .header("client-request-id")
            .map_or_else(|| id.clone(), Into::into);
        Ids { request: id, client }
    }
}

/// Spreads the bits of a counter.
pub(super) fn spread(count: u64) -> u64 {
    let mut bits = count.wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

/// Adds the headers that every Graph answer has.
pub(super) fn add_common_headers(response: &mut Response, ids: &Ids) {
    let headers = &mut response.headers;
    headers.reserve(8);
    for (name, id) in [(REQUEST_ID, &ids.request), (CLIENT_REQUEST_ID, &ids.client)] {
        if let Ok(id) = HeaderValue::from_str(id) {
            headers.insert(name, id);
        }
    }
    headers.insert(
        DIAGNOSTIC,
        HeaderValue::from_static(
            r#"{"ServerInfo":{"DataCenter":"Sandbox","Slice":"E","Ring":"1","ScaleUnit":"000","RoleInstance":"SIM"}}"#,
        ),
    );
    headers.insert(
        STRICT_TRANSPORT_SECURITY,
        HeaderValue::from_static("max-age=31536000"),
    );
    headers
        .entry(CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-cache"));
}

/// A 200 with a JSON body of the directory that cost so many resource units.
pub(super) fn directory_json(body: impl Into<Bytes>, units: u32) -> Response {
    let mut response = directory_answer(DIRECTORY_JSON, body, units);
    response
        .headers
        .insert(ODATA_VERSION, HeaderValue::from_static("4.0"));
    response
}

/// A 200 of the directory with a body of another type.
pub(super) fn directory_answer(content_type: &'static str, body: impl Into<Bytes>, units: u32) -> Response {
    let mut response = ok(content_type, body);
    response.headers.insert(RESOURCE_UNIT, HeaderValue::from(units));
    response
        .headers
        .insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

/// A 200 with a body of a known type.
pub(super) fn ok(content_type: &'static str, body: impl Into<Bytes>) -> Response {
    let mut headers = HeaderMap::with_capacity(12);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    Response {
        status: StatusCode::OK,
        headers,
        body: body.into(),
    }
}

/// Serialises plain data.
pub(super) fn to_json(value: &impl Serialize) -> Vec<u8> {
    let mut body = Vec::with_capacity(512);
    serde_json::to_writer(&mut body, value).expect("plain data serialises into memory");
    body
}
