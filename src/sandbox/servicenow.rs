//! The ServiceNow instance of the sandbox: HTTP requests in, what `servicenow.md` says out, over the tables of
//! [`Instance`](super::world::instance::Instance).

#![expect(
    clippy::result_large_err,
    reason = "a refusal is an answer like any other, moved once; boxing it would cost more than it saves"
)]

mod attachment_api;
mod auth;
mod batch;
mod call;
mod control;
mod errors;
mod images;
mod multipart;
pub mod query;
mod render;
pub mod search;
mod sessions;
pub mod settings;
mod table_api;
mod throttle;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use jiff::{SignedDuration, Timestamp};
use parking_lot::{Mutex, RwLock};
use serde_json::json;

use super::exchange::{Admission, Request, Response, Service};
use super::world::World;
use super::world::instance::{SysId, View};
use call::{Call, Version};
use sessions::{Entry, Sessions};
use settings::Compiled;
use throttle::{RateWindows, Subject};

pub use control::{AttachmentReport, AvatarReport, Counts, EffectiveReport};
pub use settings::ServiceNowSettings;

/// The instance.
pub struct ServiceNowService {
    world: World,
    gate: auth::Gate,
    settings: RwLock<Arc<Compiled>>,
    sessions: Arc<Mutex<Sessions>>,
    rates: Mutex<RateWindows>,
    semaphore: Arc<AtomicU32>,
    semaphore_refused: AtomicU64,
    tiny: Mutex<TinyUrls>,
    transactions: AtomicU64,
    counters: Counters,
}

/// What happens to the next few requests, counted down from the settings.
#[derive(Debug, Default)]
struct Counters {
    cancel: AtomicU32,
    cancel_after_commit: AtomicU32,
    corrupt: AtomicU32,
}

impl Counters {
    fn take(counter: &AtomicU32) -> bool {
        counter
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1))
            .is_ok()
    }

    fn will_corrupt(&self) -> bool {
        self.corrupt.load(Ordering::Relaxed) > 0
    }

    fn take_corrupt(&self) -> bool {
        Self::take(&self.corrupt)
    }

    fn set(&self, settings: &ServiceNowSettings) {
        self.cancel.store(settings.quota.cancel_next, Ordering::Relaxed);
        self.cancel_after_commit
            .store(settings.quota.cancel_after_commit_next, Ordering::Relaxed);
        self.corrupt
            .store(settings.attachments.corrupt_next, Ordering::Relaxed);
    }
}

/// Queries behind short tokens (`servicenow.md` 2.9), the oldest forgotten first.
#[derive(Debug, Default)]
struct TinyUrls {
    queries: HashMap<String, String>,
    order: VecDeque<String>,
}

impl TinyUrls {
    const CAPACITY: usize = 10_000;

    fn add(&mut self, query: String) -> String {
        let token = uuid::Uuid::new_v4().simple().to_string();
        if self.order.len() == Self::CAPACITY
            && let Some(oldest) = self.order.pop_front()
        {
            self.queries.remove(&oldest);
        }
        self.order.push_back(token.clone());
        self.queries.insert(token.clone(), query);
        token
    }
}

/// Held from admission until the answer is ready.
struct Permit {
    semaphore: Option<Arc<AtomicU32>>,
    session: Option<(Arc<Mutex<Sessions>>, u128)>,
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(semaphore) = &self.semaphore {
            semaphore.fetch_sub(1, Ordering::AcqRel);
        }
        if let Some((sessions, id)) = &self.session {
            sessions.lock().leave(*id);
        }
    }
}

impl ServiceNowService {
    /// An instance over a world.
    pub fn new(world: World, settings: ServiceNowSettings) -> Self {
        let gate = auth::Gate::new(Arc::clone(&world.credentials));
        let counters = Counters::default();
        counters.set(&settings);
        Self {
            world,
            gate,
            settings: RwLock::new(Arc::new(Compiled::new(settings))),
            sessions: Arc::default(),
            rates: Mutex::default(),
            semaphore: Arc::default(),
            semaphore_refused: AtomicU64::new(0),
            tiny: Mutex::default(),
            transactions: AtomicU64::new(0),
            counters,
        }
    }

    fn compiled(&self) -> Arc<Compiled> {
        Arc::clone(&self.settings.read())
    }

    /// Carries out what custom rules have scheduled.
    fn run_due(&self, now: Timestamp) {
        let is_due = self
            .world
            .instance
            .read()
            .next_due()
            .is_some_and(|due| due <= now);
        if is_due {
            self.world.instance.write().run_due(now);
        }
    }

    fn respond(&self, request: &Request, compiled: &Arc<Compiled>, now: Timestamp) -> Response {
        let settings = &compiled.settings;
        if header_bytes(request) > settings.header_limit_bytes {
            return errors::header_too_large(if settings.long_request_is_414 { 414 } else { 400 });
        }
        if let Some(answer) = errors::of_mode(settings.mode) {
            return answer;
        }
        let path = request.path.as_str();
        match path {
            "/oauth_token.do" => self.gate.token(request, &settings.sign_in, now),
            "/oauth_revoke_token.do" => self.gate.revoke(request),
            _ if path.starts_with("/api/") => self.answer_api(request),
            _ => match image_of(path) {
                Some(sys_id) => self.image(request, compiled, sys_id, now),
                None => errors::login_page(),
            },
        }
    }

    fn image(&self, request: &Request, compiled: &Arc<Compiled>, sys_id: SysId, now: Timestamp) -> Response {
        let sign_in = &compiled.settings.sign_in;
        let life = SignedDuration::from_secs(sign_in.session_s.into());
        let may_see = !sign_in.image_security
            || self.gate.check(request, sign_in, now).is_ok()
            || sessions::cookie(request).is_some_and(|id| self.sessions.lock().is_signed_in(id, now, life));
        if !may_see {
            return auth::unauthenticated(auth::Denied::Unauthenticated, &compiled.settings);
        }
        let call = self.call(request, compiled, Version::Latest, now);
        call.image(sys_id)
    }

    fn call<'a>(
        &'a self,
        request: &'a Request,
        compiled: &Arc<Compiled>,
        version: Version,
        now: Timestamp,
    ) -> Call<'a> {
        let mut parameters = request.query_pairs();
        if let Some(token) = request.query_value("sysparm_tiny") {
            let stored = self.tiny.lock().queries.get(&token).cloned().unwrap_or_default();
            parameters.retain(|(name, _)| name != "sysparm_tiny");
            parameters.extend(url::form_urlencoded::parse(stored.as_bytes()).into_owned());
        }
        Call {
            service: self,
            request,
            compiled: Arc::clone(compiled),
            version,
            method: effective_method(request),
            parameters,
            view: View {
                now,
                avatar: compiled.settings.avatar,
            },
        }
    }

    /// Everything below `/api/`; also the items of a batch.
    fn answer_api(&self, request: &Request) -> Response {
        let now = self.world.clock.now();
        let compiled = self.compiled();
        let settings = &compiled.settings;
        if let Err(denied) = self.gate.check(request, &settings.sign_in, now) {
            return auth::unauthenticated(denied, settings);
        }
        let response = self.dispatch(request, &compiled, now);
        if settings.throttle.rate_rules.is_empty() || !settings.throttle.enabled {
            return response;
        }
        // E31: the rule shows in every answer it concerns.
        let subject = self.subject(request, &compiled);
        match throttle::rule_for(&settings.throttle, &subject) {
            Some(rule) => RateWindows::shown(rule, now).mark(response),
            None => response,
        }
    }

    fn dispatch(&self, request: &Request, compiled: &Arc<Compiled>, now: Timestamp) -> Response {
        let settings = &compiled.settings;
        let segments = request.segments();
        let segments: Vec<&str> = segments
            .iter()
            .map(String::as_str)
            .filter(|part| !part.is_empty())
            .collect();
        let (version, rest) = match segments.as_slice() {
            ["api", "now", "v1", rest @ ..] => (Version::One, rest),
            ["api", "now", "v2", rest @ ..] => (Version::Two, rest),
            ["api", "now", rest @ ..] => (Version::Latest, rest),
            _ => return errors::no_such_resource(),
        };
        let Some((api, rest)) = rest.split_first() else {
            return errors::no_such_resource();
        };
        if settings.access.closed_apis.contains(*api) {
            return errors::api_closed();
        }
        if let Some(refusal) = refuse_headers(request, api, settings) {
            return refusal;
        }
        if Counters::take(&self.counters.cancel) {
            return errors::cancelled();
        }
        let call = self.call(request, compiled, version, now);
        let response = match (*api, rest) {
            ("table", [table]) => call.table(table, None),
            ("table", [table, id]) => call.table(table, Some(id)),
            ("attachment", rest) => call.attachment(rest),
            ("stats", [table]) => call.stats(table),
            ("batch", []) => call.batch(),
            ("tinyurl", []) => self.tiny_url(&call),
            ("mobileapp", ["plugin", "secret"]) => self.gate.mobile_secret(),
            _ => errors::no_such_resource(),
        };
        let is_write = !matches!(call.method, Method::GET) && matches!(*api, "table" | "attachment");
        if is_write && response.status.is_success() && Counters::take(&self.counters.cancel_after_commit) {
            return errors::cancelled();
        }
        response
    }

    /// `POST /api/now/tinyurl` (N20).
    fn tiny_url(&self, call: &Call<'_>) -> Response {
        let body: serde_json::Value = serde_json::from_slice(&call.request.body).unwrap_or_default();
        let Some(url) = body.get("url").and_then(serde_json::Value::as_str) else {
            return errors::envelope(400, "Missing required parameter: url", None);
        };
        let (path, query) = url.split_once('?').unwrap_or((url, ""));
        let table = path.rsplit_once("/table/").map_or(path, |(_, rest)| rest);
        let table = table.split('/').next().unwrap_or(table);
        let token = self.tiny.lock().add(query.to_owned());
        let result = format!("{table}_list.do?sysparm_tiny={token}");
        Response::json(200, errors::JSON, &json!({"result": result}))
    }

    fn subject<'a>(&'a self, request: &'a Request, compiled: &'a Arc<Compiled>) -> Subject<'a> {
        Subject {
            user: self.gate.account(),
            roles: &compiled.settings.sign_in.roles,
            api: api_of(&request.path),
            method: request.method.as_str(),
        }
    }

    /// Adds what every answer of the instance has (`servicenow.md` 9), and cookies for a request without a session.
    fn decorate(
        &self,
        request: &Request,
        response: Response,
        compiled: &Compiled,
        now: Timestamp,
    ) -> Response {
        let mut response = response;
        let is_signed_in = response.status != 401 && request.headers.contains_key("authorization");
        let transaction = self.transactions.fetch_add(1, Ordering::Relaxed);
        add_common_headers(&mut response.headers, is_signed_in, transaction);
        let life = SignedDuration::from_secs(compiled.settings.sign_in.session_s.into());
        let mut sessions = self.sessions.lock();
        let known = sessions::cookie(request).filter(|id| sessions.is_alive(*id, now, life));
        if let Some(id) = known {
            if is_signed_in {
                sessions.sign_in(id);
            }
            return response;
        }
        let id = sessions.open(now, is_signed_in);
        drop(sessions);
        sessions::with_cookies(response, id, compiled.settings.sign_in.session_s)
    }

    /// Lets the request into its session, or answers it with 202 (E33).
    fn enter_session(
        &self,
        request: &Request,
        compiled: &Compiled,
        now: Timestamp,
    ) -> Result<Option<(u128, u32)>, Response> {
        let Some(id) = sessions::cookie(request) else {
            return Ok(None);
        };
        let throttle = &compiled.settings.throttle;
        let life = SignedDuration::from_secs(compiled.settings.sign_in.session_s.into());
        let waiters = throttle.enabled.then_some(throttle.session_waiters);
        match self.sessions.lock().enter(id, now, life, waiters) {
            Entry::None => Ok(None),
            Entry::Behind(ahead) => Ok(Some((id, ahead))),
            Entry::Full => Err(Response::empty(202)),
        }
    }

    /// Counts the request against the rate rule that concerns it.
    fn count_rate(
        &self,
        request: &Request,
        compiled: &Arc<Compiled>,
        now: Timestamp,
    ) -> Result<(), Response> {
        let throttle = &compiled.settings.throttle;
        if throttle.rate_rules.is_empty()
            || self.gate.check(request, &compiled.settings.sign_in, now).is_err()
        {
            return Ok(());
        }
        let subject = self.subject(request, compiled);
        let Some(rule) = throttle::rule_for(throttle, &subject) else {
            return Ok(());
        };
        let restarts = throttle.early_request_restarts_wait;
        let verdict = self.rates.lock().count(rule, subject.user, now, restarts);
        verdict.refusal(subject.api).map_or(Ok(()), Err)
    }
}

impl Service for ServiceNowService {
    fn name(&self) -> &'static str {
        "servicenow"
    }

    fn route(&self, request: &Request) -> String {
        let path: Vec<&str> = request
            .path
            .split('/')
            .map(|part| match part.strip_suffix(".iix") {
                Some(id) if SysId::parse(id).is_some() => "{id}.iix",
                _ if SysId::parse(part).is_some() => "{id}",
                _ => part,
            })
            .collect();
        // A key of another form stands where a key has to be.
        let path = match path.as_slice() {
            ["", "api", "now", version @ ("v1" | "v2"), "table", table, _] => {
                format!("/api/now/{version}/table/{table}/{{id}}")
            }
            ["", "api", "now", "table", table, _] => format!("/api/now/table/{table}/{{id}}"),
            ["", "api", "now", "attachment", id] if !matches!(*id, "file" | "upload") => {
                "/api/now/attachment/{id}".to_owned()
            }
            ["", "api", "now", "attachment", _, "file"] => "/api/now/attachment/{id}/file".to_owned(),
            path => path.join("/"),
        };
        format!("{} {path}", request.method)
    }

    fn admit(&self, request: &Request) -> Result<Admission, Response> {
        let now = self.world.clock.now();
        let compiled = self.compiled();
        let settings = &compiled.settings;
        let decorated = |refusal| self.decorate(request, refusal, &compiled, now);
        let session = self.enter_session(request, &compiled, now).map_err(decorated)?;
        let mut permit = Permit {
            semaphore: None,
            session: session.map(|(id, _)| (Arc::clone(&self.sessions), id)),
        };
        let latency = Duration::from_millis(settings.latency_ms.into());
        let mut queue = latency * session.map_or(0, |(_, ahead)| ahead);
        let is_api = request.path.starts_with("/api/");
        if settings.throttle.enabled && is_api && settings.mode == settings::Mode::Normal {
            self.count_rate(request, &compiled, now).map_err(decorated)?;
            let threads = settings.throttle.threads.max(1);
            let under_way = self.semaphore.fetch_add(1, Ordering::AcqRel);
            permit.semaphore = Some(Arc::clone(&self.semaphore));
            if under_way >= threads.saturating_add(settings.throttle.queue) {
                self.semaphore_refused.fetch_add(1, Ordering::Relaxed);
                return Err(decorated(Response::empty(429)));
            }
            queue = queue.max(latency * (under_way / threads));
        }
        let rounds = if is_api && request.path.ends_with("/batch") {
            batch::count_items(&request.body)
        } else {
            1
        };
        let rows = if settings.row_cost_us > 0 && is_list(request) {
            request
                .query_value("sysparm_limit")
                .and_then(|limit| limit.parse().ok())
                .unwrap_or(10_000)
        } else {
            0
        };
        queue += Duration::from_micros(settings.row_cost_us.into()) * rows;
        Ok(Admission {
            permit: Box::new(permit),
            rounds,
            queue,
        })
    }

    fn answer(&self, request: &Request) -> Response {
        let now = self.world.clock.now();
        self.run_due(now);
        let compiled = self.compiled();
        let response = self.respond(request, &compiled, now);
        let mut response = self.decorate(request, response, &compiled, now);
        if request.method == Method::HEAD {
            response.body = bytes::Bytes::new();
        }
        response
    }

    fn is_heavy(&self, request: &Request) -> bool {
        const LARGE_UPLOAD: usize = 256 * 1024;
        is_list(request)
            || request.path.ends_with("/batch")
            || image_of(&request.path).is_some()
            || request.path.contains("/stats/")
            || (request.path.contains("/attachment") && request.method != Method::POST)
            || (request.path.contains("/table/sys_attachment") && request.method != Method::DELETE)
            || request.body.len() > LARGE_UPLOAD
    }
}

/// The attachment that a path of the image provider names.
fn image_of(path: &str) -> Option<SysId> {
    path.trim_start_matches('/')
        .strip_suffix(".iix")
        .and_then(SysId::parse)
}

/// A `GET` of a page of rows.
fn is_list(request: &Request) -> bool {
    let last = request
        .path
        .trim_end_matches('/')
        .rsplit('/')
        .next()
        .unwrap_or_default();
    let is_read = matches!(request.method, Method::GET | Method::HEAD);
    is_read && SysId::parse(last).is_none() && (request.path.contains("/table/") || last == "attachment")
}

/// The API a path belongs to, as rate rules name it.
fn api_of(path: &str) -> &str {
    let mut parts = path.split('/').skip(3);
    match parts.next() {
        Some("v1" | "v2") => parts.next().unwrap_or_default(),
        other => other.unwrap_or_default(),
    }
}

/// `X-HTTP-Method-Override` turns a `POST` into something else; `HEAD` is a `GET` whose body is dropped at the end.
fn effective_method(request: &Request) -> Method {
    let overriding = request
        .header("x-http-method-override")
        .filter(|_| request.method == Method::POST)
        .and_then(|method| Method::try_from(method.to_ascii_uppercase().as_str()).ok());
    match overriding.as_ref().unwrap_or(&request.method) {
        &Method::HEAD => Method::GET,
        method => method.clone(),
    }
}

/// The request line and headers, as they went over the wire.
fn header_bytes(request: &Request) -> usize {
    let line =
        request.method.as_str().len() + request.path.len() + request.query.len() + " ? HTTP/1.1\r\n".len();
    let headers: usize = request
        .headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len() + ": \r\n".len())
        .sum();
    line + headers
}

/// Refuses what cannot be read or written for the client (`servicenow.md` 2.1, E28, E59).
fn refuse_headers(request: &Request, api: &str, settings: &ServiceNowSettings) -> Option<Response> {
    let writes = matches!(request.method, Method::POST | Method::PUT | Method::PATCH);
    let accept = request.header("accept");
    if settings.strict_headers {
        let needs_type = writes || request.method == Method::DELETE;
        if accept.is_none() || (needs_type && request.header("content-type").is_none()) {
            return Some(errors::envelope(
                400,
                "Missing Accept or Content-Type header",
                None,
            ));
        }
    }
    if api == "attachment" {
        return None;
    }
    if let Some(accept) = accept {
        let takes_json = accept.split(',').any(|range| {
            let range = range.split(';').next().unwrap_or_default().trim();
            matches!(range, "*/*" | "application/*" | "application/json" | "text/json")
        });
        if !takes_json {
            return Some(errors::envelope(
                406,
                "Not Acceptable",
                Some("Only application/json is produced"),
            ));
        }
    }
    if writes {
        let limit = settings.json_body_limit_bytes;
        if request.body.len() > limit {
            return Some(errors::payload_too_large(request.body.len(), limit));
        }
        if request
            .header("content-type")
            .is_some_and(|kind| !kind.to_ascii_lowercase().contains("json"))
        {
            return Some(errors::envelope(
                415,
                "Unsupported Media Type",
                Some("Only application/json is consumed"),
            ));
        }
    }
    None
}

fn add_common_headers(headers: &mut HeaderMap, is_signed_in: bool, transaction: u64) {
    const COMMON: [(&str, &str); 7] = [
        ("server", "ServiceNow"),
        ("server-timing", "sem_wait;dur=0, sesh_wait;dur=0"),
        ("cache-control", "no-cache,no-store,must-revalidate,max-age=-1"),
        ("pragma", "no-store,no-cache"),
        ("expires", "0"),
        ("x-content-type-options", "nosniff"),
        ("strict-transport-security", "max-age=63072000; includeSubDomains"),
    ];
    headers.reserve(COMMON.len() + 8);
    for (name, value) in COMMON {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    let is_signed_in = if is_signed_in { "true" } else { "false" };
    headers.insert("x-is-logged-in", HeaderValue::from_static(is_signed_in));
    let transaction = format!("{:012x}", transaction & 0xffff_ffff_ffff);
    if let Ok(transaction) = HeaderValue::from_str(&transaction) {
        headers.insert("x-transaction-id", transaction);
    }
}
