//! What has been asked of the sandbox: counts by route, and a log of the latest requests.
//!
//! Everything on the path of a request is an atomic, or a lock held for a few instructions; a route's name is kept once
//! and shared.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use http::header::{AUTHORIZATION, COOKIE, RETRY_AFTER};
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
    /// Counts every request from 1, across resets; never repeats.
    pub number: u64,
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
    /// It carried a `Cookie` header.
    pub cookie: bool,
    /// Requests in its ServiceNow session, this one included, when it arrived; 0 outside of sessions.
    pub in_session: u32,
    /// Its `Authorization` is one that the other service has seen: a secret has gone to the wrong place.
    pub foreign_authorization: bool,
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
    /// Requests whose `Authorization` the other service has seen.
    pub foreign_authorization: u64,
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
    last: AtomicU64,
    /// Hashes of the `Authorization` values that Microsoft's side and the instance have seen.
    authorizations: [Mutex<HashSet<u64>>; 2],
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
    foreign_authorization: AtomicU64,
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

        let (session, in_session) = self.enter_session(lane, counters, &request.headers);
        let foreign_authorization = self.note_authorization(lane, &request.headers);
        counters
            .foreign_authorization
            .fetch_add(u64::from(foreign_authorization), Ordering::Relaxed);
        Passage {
            counts: Arc::clone(self),
            entry: Some(Entry {
                number: self.last.fetch_add(1, Ordering::Relaxed) + 1,
                arrived_ms: now_ms,
                took_ms: 0,
                lane,
                route,
                status: 0,
                in_flight,
                retry,
                early,
                cookie: request.headers.contains_key(COOKIE),
                in_session,
                foreign_authorization,
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

    /// The session, and the requests in it.
    fn enter_session(&self, lane: Lane, counters: &LaneCounters, headers: &HeaderMap) -> (Option<u64>, u32) {
        let has_cookie = headers.contains_key(COOKIE);
        counters
            .with_cookie
            .fetch_add(u64::from(has_cookie), Ordering::Relaxed);
        if lane != Lane::Servicenow {
            return (None, 0);
        }
        let Some(session) = session_key(headers) else {
            self.sessions_opened.fetch_add(1, Ordering::Relaxed);
            return (None, 0);
        };
        let mut sessions = self.sessions.lock();
        if sessions.seen.len() < MOST_REMEMBERED {
            sessions.seen.insert(session);
        }
        let at_once = sessions.in_flight.entry(session).or_default();
        *at_once += 1;
        let at_once = *at_once;
        sessions.most_at_once = sessions.most_at_once.max(at_once);
        (Some(session), at_once)
    }

    /// Remembers which side has seen an `Authorization`, and says whether the other side has.
    fn note_authorization(&self, lane: Lane, headers: &HeaderMap) -> bool {
        let Some(value) = headers.get(AUTHORIZATION) else {
            return false;
        };
        let mut hasher = DefaultHasher::new();
        value.as_bytes().hash(&mut hasher);
        let key = hasher.finish();
        let side = usize::from(lane == Lane::Servicenow);
        let mut own = self.authorizations[side].lock();
        if own.len() < MOST_REMEMBERED {
            own.insert(key);
        }
        drop(own);
        self.authorizations[1 - side].lock().contains(&key)
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
            foreign_authorization: read(&self.foreign_authorization),
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
            &self.foreign_authorization,
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
mod tests;
