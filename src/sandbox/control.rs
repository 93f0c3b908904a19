//! The control address: what tests and the demo's "what if" menu change and look at (`sandbox.md`, Control).
//!
//! | Request | What |
//! |---|---|
//! | `GET /requests`, `DELETE /requests` | requests by route since the start or the last reset |
//! | `GET /traffic?log=N` | by lane: requests, in flight, most in flight, retries, throttled, early (inside a pause), dropped, abandoned, with a cookie; ServiceNow sessions; the latest N requests |
//! | `GET /faults`, `POST /faults`, `DELETE /faults`, `DELETE /faults/{id}` | fault rules ([`super::faults`]) |
//! | `GET /clock`, `POST /clock` | `{"advance_s":3600}` |
//! | `GET /settings/server`, `PATCH …` | `{"latency_ms":90,"latency_p99_ms":400}` |
//!
//! An answer to a mistake is `400 {"error":"<a sentence>"}`.

pub(crate) mod fields;

use std::sync::Arc;

use bytes::Bytes;
use http::Method;
use jiff::SignedDuration;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::clock::Clock;
use super::exchange::{Request, Response};
use super::faults::{Kept, Meanwhile};
use super::server::{Latency, Shared};
use super::world::World;
use fields::{FieldError, Fields};

const JSON: &str = "application/json";

/// What the control address answers.
pub(crate) enum Reply {
    /// An answer made at once.
    Whole(Response),
    /// An answer that is made while it is sent.
    Stream {
        /// Its media type.
        content_type: &'static str,
        /// Its pieces.
        pieces: mpsc::Receiver<Bytes>,
    },
}

/// The switches of a service, as JSON.
pub trait Switches: Send + Sync {
    /// All of them: an object.
    fn read(&self) -> Value;

    /// Changes some of them: an object with the same keys. All or nothing.
    fn change(&self, change: Value) -> Result<(), FieldError>;
}

/// The control address.
pub(crate) struct Control {
    world: World,
    shared: Arc<Shared>,
    switches: Vec<(&'static str, Box<dyn Switches>)>,
}

/// Why a control request is not carried out.
enum Refusal {
    BadRequest(FieldError),
    NotFound(String),
}

impl From<FieldError> for Refusal {
    fn from(error: FieldError) -> Self {
        Self::BadRequest(error)
    }
}

impl Control {
    pub(crate) fn new(
        world: World,
        shared: Arc<Shared>,
        switches: Vec<(&'static str, Box<dyn Switches>)>,
    ) -> Self {
        Self {
            world,
            shared,
            switches,
        }
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.shared.clock
    }

    /// Carries a request out. May take long: it runs off the event loop.
    pub(crate) fn answer(self: &Arc<Self>, request: &Request) -> Reply {
        self.dispatch(request).unwrap_or_else(|refusal| {
            let (status, sentence) = match refusal {
                Refusal::BadRequest(error) => (400, error.to_string()),
                Refusal::NotFound(sentence) => (404, sentence),
            };
            Reply::Whole(Response::json(status, JSON, &json!({"error": sentence})))
        })
    }

    /// Carries out what a fault rule has asked for in the meantime.
    pub(crate) fn carry_out(self: &Arc<Self>, meanwhile: Meanwhile) {
        let _ = meanwhile;
    }

    pub(crate) fn quarantine(&self, _answer: &Response) {}
    pub(crate) fn keep_instead(&self, _answer: &Response, _kept: Kept) {}

    fn dispatch(self: &Arc<Self>, request: &Request) -> Result<Reply, Refusal> {
        let segments = request.segments();
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        let response = match (&request.method, segments.as_slice()) {
            (&Method::GET, ["requests"]) => ok(&self.shared.counts.requests()),
            (&Method::DELETE, ["requests"]) => {
                self.shared.counts.reset();
                Response::empty(204)
            }
            (&Method::GET, ["traffic"]) => {
                let most = request
                    .query_value("log")
                    .and_then(|most| most.parse().ok())
                    .unwrap_or(0);
                ok(&self.shared.counts.traffic(most))
            }
            (&Method::GET, ["faults"]) => ok(&self.shared.faults.list()),
            (&Method::POST, ["faults"]) => {
                let id = self.shared.faults.add(&request.body)?;
                Response::json(201, JSON, &json!({"id": id}))
            }
            (&Method::DELETE, ["faults"]) => {
                self.shared.faults.clear();
                Response::empty(204)
            }
            (&Method::DELETE, ["faults", id]) => {
                let removed = id.parse().is_ok_and(|id| self.shared.faults.remove(id));
                if !removed {
                    return Err(Refusal::NotFound(format!("There is no fault rule `{id}`.")));
                }
                Response::empty(204)
            }
            (&Method::GET, ["clock"]) => self.time(),
            (&Method::POST, ["clock"]) => {
                let mut fields = Fields::parse("a clock change", &request.body)?;
                let seconds = fields.whole("advance_s", 0, Clock::FURTHEST.as_secs())?;
                fields.finish()?;
                let seconds = seconds
                    .ok_or_else(|| FieldError::new("A clock change needs `advance_s`: whole seconds."))?;
                self.shared.clock.advance(SignedDuration::from_secs(seconds));
                self.time()
            }
            (&Method::GET, ["settings", "server"]) => ok(&latency_json(self.shared.latency.current())),
            (&Method::PATCH, ["settings", "server"]) => {
                let latency = parse_latency(&request.body)?;
                self.shared.latency.set(latency);
                ok(&latency_json(latency))
            }
            _ => {
                return Err(Refusal::NotFound(format!(
                    "The control address does not know {} {}.",
                    request.method, request.path
                )));
            }
        };
        Ok(Reply::Whole(response))
    }

    fn time(&self) -> Response {
        ok(&json!({
            "now": self.shared.clock.now().to_string(),
            "advanced_s": self.shared.clock.advanced().as_secs(),
        }))
    }
}

fn ok(body: &impl serde::Serialize) -> Response {
    Response::json(200, JSON, body)
}

fn latency_json(latency: Latency) -> Value {
    match latency {
        Latency::None => json!({"latency_ms": 0, "latency_p99_ms": null}),
        Latency::Fixed(fixed) => json!({"latency_ms": fixed.as_millis(), "latency_p99_ms": null}),
        Latency::LogNormal { median, p99 } => {
            json!({"latency_ms": median.as_millis(), "latency_p99_ms": p99.as_millis()})
        }
    }
}

fn parse_latency(body: &[u8]) -> Result<Latency, FieldError> {
    let mut fields = Fields::parse("the server's settings", body)?;
    let median = fields.whole("latency_ms", 0, 600_000)?.unwrap_or(0);
    let p99 = fields.whole("latency_p99_ms", 0, 600_000)?;
    fields.finish()?;
    Ok(Latency::from_millis(
        median.unsigned_abs(),
        p99.map(i64::unsigned_abs),
    ))
}
