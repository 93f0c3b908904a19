//! The control address: what tests and the demo's "what if" menu change and look at (`sandbox.md`, Control).
//!
//! | Request | What |
//! |---|---|
//! | `GET /requests`, `DELETE /requests` | requests by route since the start or the last reset |
//! | `GET /traffic?log=N` | by lane: requests, in flight, most in flight, retries, throttled, early (inside a pause), dropped, abandoned, with a cookie; ServiceNow sessions; what each service counts by itself; the latest N requests |
//! | `GET /faults`, `POST /faults`, `DELETE /faults`, `DELETE /faults/{id}` | fault rules ([`super::faults`]) |
//! | `GET /clock`, `POST /clock` | `{"advance_s":3600}` |
//! | `GET /settings/server`, `PATCH …` | `{"latency_ms":90,"latency_p99_ms":400}` |
//! | `GET /settings/entra`, `PATCH …`, also `servicenow` | the switches of that service; a change is a JSON merge patch |
//! | `GET /people` | the kinds of people that were invented, and who is which; empty for a world from files |
//! | `GET /log?after=SEQ` | JSON lines: every write that ServiceNow carried out |
//! | `GET /snapshot` | JSON lines: every row of `sys_user`, `live_profile` and `sys_attachment`, the pictures of a record in the order in which they arrived |
//! | `GET /photos?size=360` | `{"<object id>":{"sha256":"…","content_type":"image/jpeg"}}`: what Entra serves of everybody with a photo at that size |
//! | `GET /avatars?user_name=NAME` | what every ServiceNow user (or that one) shows and has stored |
//! | `PUT`, `DELETE /entra/users/{id or UPN}/photo` | the person changes or removes the photo |
//! | `PUT`, `DELETE /servicenow/users/{user_name}/avatar?on=sys_user` | someone changes or removes the avatar; `on` is `live_profile` by default |
//!
//! An answer to a mistake is `400 {"error":"<a sentence>"}`.

pub(crate) mod fields;
mod people;
mod settings;
mod snapshot;

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method};
use jiff::SignedDuration;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::clock::Clock;
use super::entra::EntraService;
use super::exchange::{Request, Response};
use super::faults::{Kept, Meanwhile};
use super::server::{Latency, Shared};
use super::servicenow::ServiceNowService;
use super::world::World;
use fields::Fields;
use settings::{Panel, Switches};

pub use fields::FieldError;

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

/// The control address.
pub(crate) struct Control {
    world: World,
    shared: Arc<Shared>,
    tenant: Arc<EntraService>,
    instance: Arc<ServiceNowService>,
    entra_switches: Box<dyn Switches>,
    servicenow_switches: Box<dyn Switches>,
}

/// Why a control request is not carried out.
enum Refusal {
    BadRequest(FieldError),
    NotFound(String),
}

impl Refusal {
    fn bad_request(sentence: impl std::fmt::Display) -> Self {
        Self::BadRequest(FieldError::new(sentence))
    }
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
        tenant: Arc<EntraService>,
        instance: Arc<ServiceNowService>,
    ) -> Self {
        let (reader, writer) = (Arc::clone(&tenant), Arc::clone(&tenant));
        let entra_switches = Box::new(Panel::new(
            "the Entra settings",
            move || (*reader.settings()).clone(),
            move |settings| writer.set_settings(settings),
        ));
        let (reader, writer) = (Arc::clone(&instance), Arc::clone(&instance));
        let servicenow_switches = Box::new(Panel::new(
            "the ServiceNow settings",
            move || reader.settings(),
            move |settings| writer.set_settings(settings),
        ));
        Self {
            world,
            shared,
            tenant,
            instance,
            entra_switches,
            servicenow_switches,
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

    /// Carries out what a fault rule has asked for in the meantime; a sentence if that fails.
    pub(crate) fn carry_out(self: &Arc<Self>, meanwhile: Meanwhile) -> Result<(), String> {
        let (path, query) = meanwhile
            .target
            .split_once('?')
            .unwrap_or((&meanwhile.target, ""));
        let request = Request {
            method: meanwhile.method,
            path: path.to_owned(),
            query: query.to_owned(),
            headers: HeaderMap::new(),
            body: meanwhile.body,
            base: String::new(),
        };
        match self.dispatch(&request) {
            Ok(_) => Ok(()),
            Err(Refusal::BadRequest(error)) => Err(error.to_string()),
            Err(Refusal::NotFound(sentence)) => Err(sentence),
        }
    }

    /// Puts an upload into quarantine after it was answered. False if the answer is not that of an upload.
    pub(crate) fn quarantine(&self, answer: &Response) -> bool {
        people::quarantine(&self.world, answer)
    }

    /// Keeps something else instead of an upload. False if the answer is not that of an upload.
    pub(crate) fn keep_instead(&self, answer: &Response, kept: Kept) -> bool {
        people::keep_instead(&self.world, answer, kept)
    }

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
                let most = whole_parameter(request, "log")?.unwrap_or(0);
                ok(&self.traffic(most))
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
            (&Method::PUT, ["entra", "users", key, "photo"]) => {
                people::set_photo(&self.world, key, Some(request.body.clone()))?;
                Response::empty(204)
            }
            (&Method::DELETE, ["entra", "users", key, "photo"]) => {
                people::set_photo(&self.world, key, None)?;
                Response::empty(204)
            }
            (&Method::PUT | &Method::DELETE, ["servicenow", "users", user_name, "avatar"]) => {
                let on = people::record(request.query_value("on").as_deref())?;
                let avatar = (request.method == Method::PUT).then(|| request.body.clone());
                people::set_avatar(&self.instance, user_name, on, avatar)?;
                Response::empty(204)
            }
            (&Method::GET, ["people"]) => {
                return Ok(Reply::Stream {
                    content_type: JSON,
                    pieces: people::planted(self.world.clone()),
                });
            }
            (&Method::GET, ["log"]) => {
                let after = whole_parameter(request, "after")?.unwrap_or(0);
                return Ok(Reply::Stream {
                    content_type: "application/x-ndjson",
                    pieces: people::log(Arc::clone(&self.instance), after),
                });
            }
            (&Method::GET, ["snapshot"]) => {
                return Ok(Reply::Stream {
                    content_type: "application/x-ndjson",
                    pieces: snapshot::rows(self.world.clone()),
                });
            }
            (&Method::GET, ["photos"]) => {
                let size = whole_parameter(request, "size")?;
                return Ok(Reply::Stream {
                    content_type: JSON,
                    pieces: snapshot::photos(self.world.clone(), size),
                });
            }
            (&Method::GET, ["avatars"]) => {
                let only =
                    match request.query_value("user_name") {
                        None => None,
                        Some(name) => {
                            Some(self.world.instance.read().user_named(&name).ok_or_else(|| {
                                Refusal::NotFound(format!("ServiceNow has no user `{name}`."))
                            })?)
                        }
                    };
                return Ok(Reply::Stream {
                    content_type: JSON,
                    pieces: people::avatars(self.world.clone(), self.instance.settings().avatar, only),
                });
            }
            (&Method::GET, ["settings", "server"]) => ok(&latency_json(self.shared.latency.current())),
            (&Method::PATCH, ["settings", "server"]) => {
                let latency = parse_latency(&request.body)?;
                self.shared.latency.set(latency);
                ok(&latency_json(latency))
            }
            (&Method::GET, ["settings", service]) => ok(&self.switches(service)?.read()),
            (&Method::PATCH, ["settings", service]) => {
                let switches = self.switches(service)?;
                let change = serde_json::from_slice(&request.body)
                    .map_err(|error| Refusal::bad_request(format_args!("The body is not JSON: {error}.")))?;
                switches.change(change)?;
                ok(&switches.read())
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

    fn switches(&self, service: &str) -> Result<&dyn Switches, Refusal> {
        match service {
            "entra" => Ok(&*self.entra_switches),
            "servicenow" => Ok(&*self.servicenow_switches),
            other => Err(Refusal::NotFound(format!(
                "There are no settings of `{other}`, only of entra, servicenow and server."
            ))),
        }
    }

    /// What the server has counted, and what each service counts by itself.
    fn traffic(&self, log: usize) -> Value {
        let mut traffic =
            serde_json::to_value(self.shared.counts.traffic(log)).expect("counts are plain data");
        traffic["entra"] = json!(self.tenant.throttle_counters());
        traffic["servicenow"] = json!(self.instance.counts());
        traffic
    }

    fn time(&self) -> Response {
        ok(&json!({
            "now": self.shared.clock.now().to_string(),
            "advanced_s": self.shared.clock.advanced().as_secs(),
        }))
    }
}

/// A query parameter that is a whole number.
fn whole_parameter<T: std::str::FromStr>(request: &Request, name: &str) -> Result<Option<T>, Refusal> {
    let Some(text) = request.query_value(name) else {
        return Ok(None);
    };
    text.parse().map(Some).map_err(|_| {
        Refusal::bad_request(format_args!(
            "`{name}` is `{text}`, but it must be a whole number."
        ))
    })
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
