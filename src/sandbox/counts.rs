//! What has been asked of the sandbox: counts by route, and a log of the latest requests.
//!
//! Everything on the path of a request is an atomic, or a lock held for a few instructions; a route's name is kept once
//! and shared.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use http::header::{COOKIE, RETRY_AFTER};
use http::{HeaderMap, StatusCode};
use parking_lot::{Mutex, RwLock};
use serde::Serialize;

use super::exchange::Request;

/// The most different routes that are told apart; what comes later is counted as "other".
const MOST_ROUTES: usize = 4_096;
/// The most requests the log keeps; older ones fall out.
const MOST_ENTRIES: usize = 65_536;
/// The most failed requests and session cookies that are remembered.
const MOST_REMEMBERED: usize = 65_536;
/// How long after a refusal a request may still arrive without being early: it was on its way already.
const ON_ITS_WAY_MS: i64 = 200;
/// How many bytes of a body decide whether two requests are the same.
const BODY_SAMPLE: usize = 8_192;

/// The groups of requests that a client throttles together (`reliability.md` 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Lane {
    /// Tokens and discovery.
    Login,
    /// Users and groups.
    Directory,
    /// Photos, their metadata, and batches of them.
    Photos,
    /// Everything on the instance.
    Servicenow,
}

impl Lane {
    /// All lanes.
    pub const ALL: [Self; 4] = [Self::Login, Self::Directory, Self::Photos, Self::Servicenow];

    /// The lane of a request to a service.
    pub fn of(service: &str, path: &str) -> Self {
        if service != "entra" {
            return Self::Servicenow;
        }
        let is_login = ["/oauth2/", "/.well-known/", "/discovery/"]
            .iter()
            .any(|part| path.contains(part));
        if is_login {
            Self::Login
        } else if path.contains("/photo") || path.ends_with("/$batch") {
            Self::Photos
        } else {
            Self::Directory
        }
    }
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// With this status, as the client saw it.
    Answered(StatusCode),
    /// The connection was dropped on purpose, with or without a part of an answer.
    Dropped,
    /// The client went away before there was an answer.
    Abandoned,
}

/// A request of the log.
#[derive(Clone, Debug, Serialize)]
pub struct Entry {
    /// Arrival in sandbox time, milliseconds since 1970.
    pub arrived_ms: i64,
    /// How long it took, in milliseconds.
    pub took_ms: i64,
    /// Its lane.
    pub lane: Lane,
    /// `entra GET /v1.0/users/{id}/photo`.
    pub route: Arc<str>,
    /// Status; 0 if the connection was dropped or the client went away.
    pub status: u16,
    /// Requests of the lane in flight, this one included, when it arrived.
    pub in_flight: u64,
    /// The same request had failed before.
    pub retry: bool,
    /// It came while its lane had been asked to wait.
    pub early: bool,
}

/// What a lane has seen since the last reset.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LaneTraffic {
    /// Requests.
    pub requests: u64,
    /// In flight now.
    pub in_flight: u64,
    /// In flight at most.
    pub most_in_flight: u64,
    /// Repeats of a request that had failed.
    pub retries: u64,
    /// Refused with 429, or with 503 and `Retry-After`.
    pub throttled: u64,
    /// Sent inside a pause that such a refusal had asked for.
    pub early: u64,
    /// Dropped on purpose.
    pub dropped: u64,
    /// Given up by the client.
    pub abandoned: u64,
    /// Requests that carried a `Cookie` header.
    pub with_cookie: u64,
}

/// ServiceNow sessions as the client used them (`servicenow.md` 5.5).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SessionTraffic {
    /// Requests without a session cookie: each opens a session of its own.
    pub opened: u64,
    /// Different session cookies that came back.
    pub resumed: u64,
    /// The most requests at once in one session.
    pub most_at_once: u32,
}

/// Everything counted, as of one moment.
#[derive(Clone, Debug, Serialize)]
pub struct Traffic {
    /// By lane.
    pub lanes: BTreeMap<Lane, LaneTraffic>,
    /// ServiceNow sessions.
    pub sessions: SessionTraffic,
    /// The latest requests in the order in which they ended.
    pub log: Vec<Entry>,
}

/// Requests by route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RequestCounts {
    /// All of them.
    pub total: u64,
    /// `{"entra GET /v1.0/users/{id}/photo/$value": 12}`.
    pub by_route: BTreeMap<Arc<str>, u64>,
}

/// Counts requests. Shared by the listeners and the control address.
#[derive(Debug, Default)]
pub struct Counts {
    routes: RwLock<HashMap<Arc<str>, Arc<AtomicU64>>>,
    lanes: [LaneCounters; 4],
    sessions: Mutex<Sessions>,
    sessions_opened: AtomicU64,
    log: Mutex<VecDeque<Entry>>,
    /// Hashes of requests that failed and were not repeated successfully yet.
    failed: Mutex<HashSet<u64>>,
    any_failed: AtomicBool,
}

#[derive(Debug, Default)]
struct LaneCounters {
    requests: AtomicU64,
    in_flight: AtomicU64,
    most_in_flight: AtomicU64,
    retries: AtomicU64,
    throttled: AtomicU64,
    early: AtomicU64,
    dropped: AtomicU64,
    abandoned: AtomicU64,
    with_cookie: AtomicU64,
    /// The pause the lane was asked for, in sandbox milliseconds; empty if the end is not behind the beginning.
    pause_from: AtomicI64,
    pause_until: AtomicI64,
}

#[derive(Debug, Default)]
struct Sessions {
    seen: HashSet<u64>,
    in_flight: HashMap<u64, u32>,
    most_at_once: u32,
}

impl Counts {
    /// Takes note of a request that arrives at sandbox time `now_ms`. What is returned stands for it being in flight:
    /// dropping it without [`Passage::end`] means that the client went away.
    pub fn arrive(self: &Arc<Self>, service: &str, route: &str, request: &Request, now_ms: i64) -> Passage {
        let lane = Lane::of(service, &request.path);
        let counters = &self.lanes[lane as usize];
        let route = self.count_route(service, route);

        counters.requests.fetch_add(1, Ordering::Relaxed);
        let in_flight = counters.in_flight.fetch_add(1, Ordering::Relaxed) + 1;
        counters.most_in_flight.fetch_max(in_flight, Ordering::Relaxed);

        let pause = counters.pause_from.load(Ordering::Relaxed)..counters.pause_until.load(Ordering::Relaxed);
        let early = pause.contains(&now_ms);
        let key = request_key(service, request);
        let retry = self.any_failed.load(Ordering::Relaxed) && self.failed.lock().contains(&key);
        counters.early.fetch_add(u64::from(early), Ordering::Relaxed);
        counters.retries.fetch_add(u64::from(retry), Ordering::Relaxed);

        let session = self.enter_session(lane, counters, &request.headers);
        Passage {
            counts: Arc::clone(self),
            entry: Some(Entry {
                arrived_ms: now_ms,
                took_ms: 0,
                lane,
                route,
                status: 0,
                in_flight,
                retry,
                early,
            }),
            key,
            session,
        }
    }

    /// Requests since the last reset, by route.
    pub fn requests(&self) -> RequestCounts {
        let routes = self.routes.read();
        let by_route: BTreeMap<_, _> = routes
            .iter()
            .map(|(route, count)| (Arc::clone(route), count.load(Ordering::Relaxed)))
            .filter(|(_, count)| *count > 0)
            .collect();
        RequestCounts {
            total: by_route.values().sum(),
            by_route,
        }
    }

    /// Everything counted since the last reset, with at most `most` entries of the log.
    pub fn traffic(&self, most: usize) -> Traffic {
        let lanes = Lane::ALL
            .iter()
            .map(|lane| (*lane, self.lanes[*lane as usize].read()));
        let log = self.log.lock();
        let sessions = self.sessions.lock();
        Traffic {
            lanes: lanes.collect(),
            sessions: SessionTraffic {
                opened: self.sessions_opened.load(Ordering::Relaxed),
                resumed: sessions.seen.len() as u64,
                most_at_once: sessions.most_at_once,
            },
            log: log.iter().skip(log.len().saturating_sub(most)).cloned().collect(),
        }
    }

    /// Forgets all requests; what is in flight stays in flight, and pauses go on.
    pub fn reset(&self) {
        for count in self.routes.read().values() {
            count.store(0, Ordering::Relaxed);
        }
        for lane in &self.lanes {
            lane.reset();
        }
        self.log.lock().clear();
        self.failed.lock().clear();
        self.any_failed.store(false, Ordering::Relaxed);
        self.sessions_opened.store(0, Ordering::Relaxed);
        let mut sessions = self.sessions.lock();
        sessions.seen.clear();
        sessions.most_at_once = 0;
    }

    fn count_route(&self, service: &str, route: &str) -> Arc<str> {
        let name = RouteName::new(service, route);
        if let Some((name, count)) = self.routes.read().get_key_value(name.as_str()) {
            count.fetch_add(1, Ordering::Relaxed);
            return Arc::clone(name);
        }
        let mut routes = self.routes.write();
        let name: Arc<str> = if routes.len() < MOST_ROUTES {
            Arc::from(name.as_str())
        } else {
            Arc::from(format!("{service} other"))
        };
        let count = routes.entry(Arc::clone(&name)).or_default();
        count.fetch_add(1, Ordering::Relaxed);
        name
    }

    fn enter_session(&self, lane: Lane, counters: &LaneCounters, headers: &HeaderMap) -> Option<u64> {
        let has_cookie = headers.contains_key(COOKIE);
        counters
            .with_cookie
            .fetch_add(u64::from(has_cookie), Ordering::Relaxed);
        if lane != Lane::Servicenow {
            return None;
        }
        let Some(session) = session_key(headers) else {
            self.sessions_opened.fetch_add(1, Ordering::Relaxed);
            return None;
        };
        let mut sessions = self.sessions.lock();
        if sessions.seen.len() < MOST_REMEMBERED {
            sessions.seen.insert(session);
        }
        let at_once = sessions.in_flight.entry(session).or_default();
        *at_once += 1;
        let at_once = *at_once;
        sessions.most_at_once = sessions.most_at_once.max(at_once);
        Some(session)
    }

    fn leave_session(&self, session: u64) {
        let mut sessions = self.sessions.lock();
        if let Some(at_once) = sessions.in_flight.get_mut(&session) {
            *at_once -= 1;
            if *at_once == 0 {
                sessions.in_flight.remove(&session);
            }
        }
    }

    fn remember_outcome(&self, key: u64, failed: bool) {
        if failed {
            let mut keys = self.failed.lock();
            if keys.len() < MOST_REMEMBERED {
                keys.insert(key);
                self.any_failed.store(true, Ordering::Relaxed);
            }
        } else if self.any_failed.load(Ordering::Relaxed) {
            self.failed.lock().remove(&key);
        }
    }
}

impl LaneCounters {
    fn read(&self) -> LaneTraffic {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        LaneTraffic {
            requests: read(&self.requests),
            in_flight: read(&self.in_flight),
            most_in_flight: read(&self.most_in_flight),
            retries: read(&self.retries),
            throttled: read(&self.throttled),
            early: read(&self.early),
            dropped: read(&self.dropped),
            abandoned: read(&self.abandoned),
            with_cookie: read(&self.with_cookie),
        }
    }

    fn reset(&self) {
        let counters = [
            &self.requests,
            &self.retries,
            &self.throttled,
            &self.early,
            &self.dropped,
            &self.abandoned,
            &self.with_cookie,
        ];
        for counter in counters {
            counter.store(0, Ordering::Relaxed);
        }
        let in_flight = self.in_flight.load(Ordering::Relaxed);
        self.most_in_flight.store(in_flight, Ordering::Relaxed);
    }

    /// The lane has been asked to wait: what comes before the end is early, unless it was on its way already.
    fn pause(&self, now_ms: i64, wait_ms: i64) {
        if self.pause_until.load(Ordering::Relaxed) <= now_ms {
            self.pause_from.store(now_ms + ON_ITS_WAY_MS, Ordering::Relaxed);
        }
        self.pause_until.fetch_max(now_ms + wait_ms, Ordering::Relaxed);
    }
}

/// A request in flight.
#[derive(Debug)]
pub struct Passage {
    counts: Arc<Counts>,
    /// `None` once it has ended.
    entry: Option<Entry>,
    key: u64,
    session: Option<u64>,
}

impl Passage {
    /// The request has ended at sandbox time `now_ms`; `headers` are those of its answer.
    pub fn end(mut self, ending: Ending, headers: &HeaderMap, now_ms: i64) {
        self.close(ending, headers, now_ms);
    }

    fn close(&mut self, ending: Ending, headers: &HeaderMap, now_ms: i64) {
        let Some(mut entry) = self.entry.take() else {
            return;
        };
        let counters = &self.counts.lanes[entry.lane as usize];
        counters.in_flight.fetch_sub(1, Ordering::Relaxed);
        match ending {
            Ending::Answered(status) => {
                entry.status = status.as_u16();
                let wait = wait_ms(headers, now_ms);
                let throttled = status == StatusCode::TOO_MANY_REQUESTS
                    || (status == StatusCode::SERVICE_UNAVAILABLE && wait.is_some());
                if throttled {
                    counters.throttled.fetch_add(1, Ordering::Relaxed);
                    counters.pause(now_ms, wait.unwrap_or(0));
                }
                let failed = status.is_server_error()
                    || throttled
                    || status == StatusCode::REQUEST_TIMEOUT
                    || status == StatusCode::UNAUTHORIZED;
                self.counts.remember_outcome(self.key, failed);
            }
            Ending::Dropped => {
                counters.dropped.fetch_add(1, Ordering::Relaxed);
                self.counts.remember_outcome(self.key, true);
            }
            Ending::Abandoned => {
                counters.abandoned.fetch_add(1, Ordering::Relaxed);
                self.counts.remember_outcome(self.key, true);
            }
        }
        if let Some(session) = self.session {
            self.counts.leave_session(session);
        }
        if now_ms > 0 {
            entry.took_ms = now_ms.saturating_sub(entry.arrived_ms).max(0);
        }
        let mut log = self.counts.log.lock();
        if log.len() >= MOST_ENTRIES {
            log.pop_front();
        }
        log.push_back(entry);
    }
}

impl Drop for Passage {
    fn drop(&mut self) {
        self.close(Ending::Abandoned, &HeaderMap::new(), 0);
    }
}

/// A route's full name, put together without an allocation where it fits.
struct RouteName {
    short: [u8; 120],
    length: usize,
    long: Option<String>,
}

impl RouteName {
    fn new(service: &str, route: &str) -> Self {
        let mut name = Self {
            short: [0; 120],
            length: service.len() + 1 + route.len(),
            long: None,
        };
        if name.length > name.short.len() {
            name.long = Some(format!("{service} {route}"));
        } else {
            let (head, tail) = name.short.split_at_mut(service.len());
            head.copy_from_slice(service.as_bytes());
            tail[0] = b' ';
            tail[1..=route.len()].copy_from_slice(route.as_bytes());
        }
        name
    }

    fn as_str(&self) -> &str {
        match &self.long {
            Some(long) => long,
            None => std::str::from_utf8(&self.short[..self.length]).expect("put together from whole texts"),
        }
    }
}

/// What tells whether two requests are the same: everything but the headers.
fn request_key(service: &str, request: &Request) -> u64 {
    let mut hasher = DefaultHasher::new();
    service.hash(&mut hasher);
    request.method.hash(&mut hasher);
    request.path.hash(&mut hasher);
    request.query.hash(&mut hasher);
    if !request.body.is_empty() {
        request.body.len().hash(&mut hasher);
        request.body[..request.body.len().min(BODY_SAMPLE)].hash(&mut hasher);
    }
    hasher.finish()
}

/// The session a request belongs to: its `JSESSIONID`, or else its `glide_session_store`.
fn session_key(headers: &HeaderMap) -> Option<u64> {
    let cookies = || {
        headers
            .get_all(COOKIE)
            .into_iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
    };
    let value = |wanted: &str| {
        cookies()
            .find(|(name, _)| *name == wanted)
            .map(|(_, value)| value)
    };
    let session = value("JSESSIONID").or_else(|| value("glide_session_store"))?;
    let mut hasher = DefaultHasher::new();
    session.hash(&mut hasher);
    Some(hasher.finish())
}

/// How long a `Retry-After` asks to wait: whole or decimal seconds, or a date in sandbox time.
fn wait_ms(headers: &HeaderMap, now_ms: i64) -> Option<i64> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<f64>() {
        return (seconds > 0.0).then_some((seconds * 1_000.0) as i64);
    }
    let date = httpdate::parse_http_date(text).ok()?;
    let since_1970 = date.duration_since(std::time::SystemTime::UNIX_EPOCH).ok()?;
    let at = i64::try_from(since_1970.as_millis()).ok()?;
    (at > now_ms).then_some(at - now_ms)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::{HeaderValue, Method};

    use super::*;

    fn request(path: &str) -> Request {
        Request {
            method: Method::GET,
            path: path.to_owned(),
            query: String::new(),
            headers: HeaderMap::new(),
            body: Bytes::new(),
            base: "http://127.0.0.1:1".to_owned(),
        }
    }

    fn with_cookie(path: &str, cookie: &'static str) -> Request {
        let mut request = request(path);
        request.headers.insert(COOKIE, HeaderValue::from_static(cookie));
        request
    }

    fn retry_after(value: &str) -> HeaderMap {
        let value = HeaderValue::from_str(value).expect("a header value");
        HeaderMap::from_iter([(RETRY_AFTER, value)])
    }

    fn lane(counts: &Counts, lane: Lane) -> LaneTraffic {
        counts.traffic(0).lanes[&lane].clone()
    }

    const OK: Ending = Ending::Answered(StatusCode::OK);
    const THROTTLED: Ending = Ending::Answered(StatusCode::TOO_MANY_REQUESTS);

    #[test]
    fn requests_fall_into_the_lanes_that_clients_throttle_together() {
        let cases = [
            ("entra", "/contoso/oauth2/v2.0/token", Lane::Login),
            (
                "entra",
                "/contoso/v2.0/.well-known/openid-configuration",
                Lane::Login,
            ),
            ("entra", "/common/discovery/instance", Lane::Login),
            ("entra", "/v1.0/users", Lane::Directory),
            ("entra", "/v1.0/users/ada/photos/360x360/$value", Lane::Photos),
            ("entra", "/v1.0/$batch", Lane::Photos),
            ("servicenow", "/oauth_token.do", Lane::Servicenow),
            ("servicenow", "/api/now/table/sys_user", Lane::Servicenow),
        ];
        for (service, path, lane) in cases {
            assert_eq!(Lane::of(service, path), lane, "{service} {path}");
        }
    }

    #[test]
    fn counts_are_kept_by_route_until_they_are_reset() {
        let counts = Arc::new(Counts::default());
        for _ in 0..3 {
            let passage = counts.arrive("entra", "GET /v1.0/users/{id}", &request("/v1.0/users/ada"), 1);
            passage.end(OK, &HeaderMap::new(), 2);
        }
        drop(counts.arrive("servicenow", "GET /a", &request("/a"), 3));

        let requests = counts.requests();
        assert_eq!(requests.total, 4);
        assert_eq!(requests.by_route["entra GET /v1.0/users/{id}"], 3);
        assert_eq!(requests.by_route["servicenow GET /a"], 1);

        counts.reset();
        assert_eq!(counts.requests().total, 0);
        assert!(counts.requests().by_route.is_empty());
    }

    #[test]
    fn a_very_long_route_is_counted_under_its_full_name() {
        let counts = Arc::new(Counts::default());
        let route = format!("GET /{}", "a".repeat(300));
        drop(counts.arrive("servicenow", &route, &request("/a"), 1));
        assert_eq!(
            counts.requests().by_route[format!("servicenow {route}").as_str()],
            1
        );
    }

    #[test]
    fn the_number_of_routes_is_bounded() {
        let counts = Arc::new(Counts::default());
        for number in 0..MOST_ROUTES + 10 {
            drop(counts.arrive("servicenow", &format!("GET /{number}"), &request("/"), 1));
        }
        assert_eq!(counts.requests().by_route["servicenow other"], 10);
    }

    #[test]
    fn most_in_flight_is_the_highest_number_at_once_in_a_lane() {
        let counts = Arc::new(Counts::default());
        let first = counts.arrive("entra", "r", &request("/v1.0/users"), 1);
        let second = counts.arrive("entra", "r", &request("/v1.0/users"), 1);
        let photo = counts.arrive("entra", "r", &request("/v1.0/users/ada/photo"), 1);
        first.end(OK, &HeaderMap::new(), 5);
        second.end(OK, &HeaderMap::new(), 5);
        counts
            .arrive("entra", "r", &request("/v1.0/users"), 6)
            .end(OK, &HeaderMap::new(), 7);

        let directory = lane(&counts, Lane::Directory);
        assert_eq!(
            (directory.requests, directory.most_in_flight, directory.in_flight),
            (3, 2, 0)
        );
        assert_eq!(lane(&counts, Lane::Photos).in_flight, 1);
        drop(photo);
        assert_eq!(lane(&counts, Lane::Photos).abandoned, 1);
    }

    #[test]
    fn a_request_inside_a_pause_is_early_and_one_already_on_its_way_is_not() {
        let counts = Arc::new(Counts::default());
        let arrive = |now| counts.arrive("servicenow", "r", &request("/api"), now);
        arrive(1_000).end(THROTTLED, &retry_after("2"), 1_000);

        arrive(1_050).end(OK, &HeaderMap::new(), 1_060);
        assert_eq!(
            lane(&counts, Lane::Servicenow).early,
            0,
            "sent before the refusal was read"
        );
        arrive(2_000).end(THROTTLED, &retry_after("2"), 2_000);
        assert_eq!(lane(&counts, Lane::Servicenow).early, 1);
        arrive(3_500).end(OK, &HeaderMap::new(), 3_500);
        assert_eq!(lane(&counts, Lane::Servicenow).early, 2, "the wait started anew");
        arrive(4_000).end(OK, &HeaderMap::new(), 4_000);
        assert_eq!(lane(&counts, Lane::Servicenow).early, 2, "the wait is over");
        drop(counts.arrive("entra", "r", &request("/v1.0/users"), 2_000));
        assert_eq!(lane(&counts, Lane::Directory).early, 0, "another lane");
    }

    #[test]
    fn retry_after_is_read_as_seconds_decimals_or_a_date() {
        let now = 784_111_777_000;
        let cases = [
            ("7", Some(7_000)),
            ("2.128", Some(2_128)),
            ("Sun, 06 Nov 1994 08:49:47 GMT", Some(10_000)),
            ("Sun, 06 Nov 1994 08:49:27 GMT", None),
            ("0", None),
            ("-5", None),
            ("soon", None),
        ];
        for (text, wait) in cases {
            assert_eq!(wait_ms(&retry_after(text), now), wait, "{text}");
        }
    }

    #[test]
    fn repeating_a_failed_request_is_a_retry_until_it_succeeds() {
        let counts = Arc::new(Counts::default());
        let ask = |path: &str, ending| {
            counts
                .arrive("servicenow", "r", &request(path), 1)
                .end(ending, &HeaderMap::new(), 1);
        };
        let retries = || lane(&counts, Lane::Servicenow).retries;

        ask("/a", Ending::Answered(StatusCode::BAD_GATEWAY));
        ask("/b", OK);
        assert_eq!(retries(), 0);
        ask("/a", Ending::Dropped);
        ask("/a", OK);
        assert_eq!(retries(), 2);
        ask("/a", OK);
        assert_eq!(retries(), 2, "it succeeded in between");
    }

    #[test]
    fn sessions_are_told_apart_by_their_cookie() {
        let counts = Arc::new(Counts::default());
        let one = counts.arrive("servicenow", "r", &with_cookie("/a", "x=1; JSESSIONID=one"), 1);
        let other = counts.arrive("servicenow", "r", &with_cookie("/a", "JSESSIONID=other"), 1);
        let again = counts.arrive("servicenow", "r", &with_cookie("/a", "JSESSIONID=one; y=2"), 1);
        let without = counts.arrive("servicenow", "r", &request("/a"), 1);
        drop((one, other, again, without));

        let traffic = counts.traffic(10);
        let expected = SessionTraffic {
            opened: 1,
            resumed: 2,
            most_at_once: 2,
        };
        assert_eq!(traffic.sessions, expected);
        assert_eq!(traffic.lanes[&Lane::Servicenow].with_cookie, 3);
        assert_eq!(traffic.log.len(), 4);
    }

    #[test]
    fn the_log_tells_when_what_and_how_it_ended() {
        let counts = Arc::new(Counts::default());
        counts
            .arrive("entra", "GET /a", &request("/a"), 10)
            .end(OK, &HeaderMap::new(), 25);
        counts
            .arrive("entra", "GET /b", &request("/b"), 30)
            .end(Ending::Dropped, &HeaderMap::new(), 31);

        let log = counts.traffic(1).log;
        assert_eq!(log.len(), 1, "only as many as asked for, the latest");
        assert_eq!(
            (&*log[0].route, log[0].status, log[0].took_ms),
            ("entra GET /b", 0, 1)
        );
        assert_eq!(counts.traffic(9).log[0].took_ms, 15);
    }
}
