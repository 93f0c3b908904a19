//! HTTP on loopback: reads requests, lets fault rules act, models latency, and writes answers.
//!
//! A request to a service goes through: count → fault rules → [`Service::admit`] → half of the latency →
//! [`Service::answer`] → the other half → write. The halves are the way there and the way back, so that a client which
//! dies in between may or may not have been heard, as in life. What the sandbox measures must never be the sandbox:
//! a connection is one task, a request none, and nothing on its path waits for another request.

mod body;
mod latency;
mod wire;

use std::cell::RefCell;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{CONNECTION, CONTENT_LENGTH, DATE, HOST, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub(crate) use body::Body;
pub use latency::{Latency, LatencyModel};
use wire::{Script, Stage, Wire};

use super::clock::Clock;
use super::control::{Control, Reply};
use super::counts::{self, Counts};
use super::exchange::{Request, Response, Service};
use super::faults::{Action, FaultRules, Rule, expired_token};

/// The largest body that is read, in bytes.
pub const LARGEST_BODY: usize = 32 * 1024 * 1024;
/// The largest request line with headers that is read, in bytes.
const LARGEST_HEAD: usize = 64 * 1024;
/// How long a body may take to arrive.
const BODY_PATIENCE: Duration = Duration::from_mins(2);
/// Connections to one address at a time; more wait to be accepted.
const MOST_CONNECTIONS: usize = 4_096;
/// How long open requests may go on when the sandbox stops.
const STOP_PATIENCE: Duration = Duration::from_secs(2);

/// What a rule says that was to change an upload.
const NO_UPLOAD: &str = "The request was no upload that succeeded, so there was nothing to change.";

/// What both services and the control address share.
#[derive(Debug)]
pub struct Shared {
    /// Sandbox time.
    pub clock: Arc<Clock>,
    /// Fault rules.
    pub faults: Arc<FaultRules>,
    /// Requests.
    pub counts: Arc<Counts>,
    /// Latency of both services.
    pub latency: LatencyModel,
}

/// Something that answers at an address.
pub(super) enum Front {
    /// A service with everything in front of it.
    Service(ServiceFront),
    /// The control address: no counts, faults or latency.
    Control(Arc<Control>),
}

/// A service with everything in front of it.
pub(super) struct ServiceFront {
    /// Who answers.
    pub(super) service: Arc<dyn Service>,
    /// Clock, faults, counts, latency.
    pub(super) shared: Arc<Shared>,
    /// Who changes the world for faults that need it.
    pub(super) control: Arc<Control>,
}

/// How a request to a service ends.
enum Outcome {
    Answer(Response),
    Script(Script),
}

/// Serves one address until `stop`; then open requests may finish for [`STOP_PATIENCE`].
pub(super) async fn serve(
    listener: TcpListener,
    address: SocketAddr,
    front: Arc<Front>,
    stop: CancellationToken,
    tasks: TaskTracker,
) {
    let connections = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    loop {
        let accepted = tokio::select! {
            accepted = async {
                let place = Arc::clone(&connections).acquire_owned().await;
                (place, listener.accept().await)
            } => accepted,
            () = stop.cancelled() => return,
        };
        match accepted {
            (Ok(place), Ok((stream, _))) => {
                let connection = connection(stream, address, Arc::clone(&front), stop.child_token());
                tasks.spawn(async move {
                    connection.await;
                    drop(place);
                });
            }
            // Out of descriptors, or a client that was gone before it was accepted: the next one may do better.
            (_, Err(_)) => tokio::time::sleep(Duration::from_millis(10)).await,
            (Err(_), _) => return,
        }
    }
}

async fn connection(stream: TcpStream, address: SocketAddr, front: Arc<Front>, stop: CancellationToken) {
    // Only ever slows a small answer down; a connection without it works all the same.
    let _ = stream.set_nodelay(true);
    let stage = Arc::new(Stage::default());
    let io = TokioIo::new(Wire::new(stream, Arc::clone(&stage)));
    let service = service_fn(move |incoming| {
        let (front, stage) = (Arc::clone(&front), Arc::clone(&stage));
        async move { Ok::<_, Infallible>(front.handle(incoming, address, &stage).await) }
    });
    let connection = http1::Builder::new()
        .auto_date_header(false)
        .max_header_size(LARGEST_HEAD)
        .serve_connection(io, service);
    tokio::pin!(connection);
    // How a connection ended is the client's concern: it sees it, and a script may have asked for it.
    tokio::select! {
        biased;
        _ = connection.as_mut() => {}
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            let _ = tokio::time::timeout(STOP_PATIENCE, connection).await;
        }
    }
}

impl Front {
    async fn handle(
        &self,
        incoming: hyper::Request<Incoming>,
        address: SocketAddr,
        stage: &Stage,
    ) -> hyper::Response<Body> {
        let (request, is_head) = match read(incoming, address).await {
            Ok(read) => read,
            Err(refusal) => return write(refusal, false, self.clock()).map(Body::Whole),
        };
        match self {
            Self::Service(front) => front.handle(request, is_head, stage).await,
            Self::Control(control) => {
                let control = Arc::clone(control);
                let reply = blocking(move || control.answer(&request)).await;
                match reply {
                    Reply::Whole(response) => write(response, is_head, self.clock()).map(Body::Whole),
                    Reply::Stream { content_type, pieces } => {
                        let head = Response::new(200, content_type, Bytes::new());
                        write(head, true, self.clock()).map(|_| Body::Stream(pieces))
                    }
                }
            }
        }
    }

    fn clock(&self) -> &Clock {
        match self {
            Self::Service(front) => &front.shared.clock,
            Self::Control(control) => control.clock(),
        }
    }
}

/// What a client has of a request that was made without sockets.
#[derive(Debug)]
pub enum Exchanged {
    /// The whole answer.
    Answered(Response),
    /// The connection ended before the answer was whole.
    Broken,
    /// The answer came so slowly that nobody waits for its end.
    Stalled,
    /// The answer had no end.
    Endless,
}

impl ServiceFront {
    async fn handle(&self, request: Request, is_head: bool, stage: &Stage) -> hyper::Response<Body> {
        match self.pass(request, is_head, &|| {}).await {
            Outcome::Answer(response) => {
                let is_chunked = response.headers.contains_key(TRANSFER_ENCODING);
                write(response, is_head, &self.shared.clock).map(|body| {
                    if is_chunked {
                        Body::Chunked(body)
                    } else {
                        Body::Whole(body)
                    }
                })
            }
            Outcome::Script(script) => {
                stage.play(script);
                // Never seen: the stage holds back whatever is written now.
                hyper::Response::new(Body::empty())
            }
        }
    }

    /// A request without sockets. `elapsed` is the time since the sandbox's clock was stopped, by the clock of whoever
    /// asks: latency and delays are waited by that clock.
    pub(super) async fn exchange(
        &self,
        request: Request,
        elapsed: &(dyn Fn() -> Duration + Sync),
    ) -> Exchanged {
        let clock = &self.shared.clock;
        match self.pass(request, false, &|| clock.set_hand(elapsed())).await {
            Outcome::Answer(mut response) => {
                response.headers.entry(DATE).or_insert_with(|| date(clock));
                Exchanged::Answered(response)
            }
            Outcome::Script(script) if script.repeat_from.is_some() => Exchanged::Endless,
            Outcome::Script(script) if script.rate.is_some() => Exchanged::Stalled,
            Outcome::Script(_) => Exchanged::Broken,
        }
    }

    /// A request from its arrival to its ending; `tick` is called before the clock is read.
    async fn pass(&self, request: Request, is_head: bool, tick: &(dyn Fn() + Sync)) -> Outcome {
        let Shared {
            clock,
            faults,
            counts,
            ..
        } = &*self.shared;
        let name = self.service.name();
        let mut route = self.service.route(&request);
        if is_head && route.starts_with("GET ") {
            route.replace_range(..3, "HEAD");
        }
        tick();
        let passage = counts.arrive(name, &route, &request, clock.unix_millis());
        let method = if is_head { &Method::HEAD } else { &request.method };
        let outcome = match faults.decide(name, method, &request.path, &request.query) {
            None => Outcome::Answer(self.serve_batch(request).await),
            Some(rule) => self.misbehave(&rule, request, is_head).await,
        };
        tick();
        match &outcome {
            Outcome::Answer(response) => {
                let ending = counts::Ending::Answered(response.status);
                passage.end(ending, &response.headers, clock.unix_millis());
            }
            Outcome::Script(_) => {
                passage.end(counts::Ending::Dropped, &HeaderMap::new(), clock.unix_millis());
            }
        }
        outcome
    }

    /// The request as the service answers it, but for items of a batch that rules have hit.
    async fn serve_batch(&self, request: Request) -> Response {
        match self.shared.faults.hit_batch(self.service.name(), &request) {
            None => self.serve(request).await,
            Some(mut hit) => {
                let of_rest = match hit.rest.take() {
                    Some(rest) => Some(self.serve(rest).await),
                    None => None,
                };
                hit.join(of_rest)
            }
        }
    }

    /// The request as the service answers it, with the latency of the way there and back.
    async fn serve(&self, request: Request) -> Response {
        let admission = match self.service.admit(&request) {
            Ok(admission) => admission,
            Err(refusal) => return refusal,
        };
        let latency = self.shared.latency.draw() * admission.rounds;
        let arrival = Instant::now() + admission.queue;
        let waits = !latency.is_zero() || !admission.queue.is_zero();
        if waits {
            tokio::time::sleep_until(arrival + latency / 2).await;
        }
        let (response, admission) = if self.service.is_heavy(&request) {
            let service = Arc::clone(&self.service);
            blocking(move || (service.answer_admitted(&request, &admission), admission)).await
        } else {
            (self.service.answer_admitted(&request, &admission), admission)
        };
        if waits {
            tokio::time::sleep_until(arrival + latency).await;
        }
        drop(admission);
        response
    }

    /// The request as a fault rule has it.
    async fn misbehave(&self, rule: &Rule, mut request: Request, is_head: bool) -> Outcome {
        let effect = &rule.effect;
        if !effect.delay.is_zero() {
            tokio::time::sleep(effect.delay).await;
        }
        if let Some(meanwhile) = effect.meanwhile.clone() {
            let control = Arc::clone(&self.control);
            if let Err(sentence) = blocking(move || control.carry_out(meanwhile)).await {
                rule.complain(sentence);
            }
        }
        let message = async |request, framing| {
            let response = self.serve(request).await;
            serialise(response, framing, is_head, &self.shared.clock)
        };
        let script = match &effect.action {
            Action::Pass => return Outcome::Answer(self.serve(request).await),
            Action::Answer {
                response,
                carried_out,
            } => {
                if *carried_out {
                    self.serve(request).await;
                }
                return Outcome::Answer(response.clone());
            }
            Action::ExpiredToken => return Outcome::Answer(expired_token(self.service.name())),
            Action::Truncate(most) => {
                let mut response = self.serve(request).await;
                response.body.truncate(*most);
                return Outcome::Answer(response);
            }
            Action::Duplicate => {
                self.serve(request.clone()).await;
                return Outcome::Answer(self.serve(request).await);
            }
            Action::ForeignLink(origin) => {
                request.base.clone_from(origin);
                return Outcome::Answer(self.serve(request).await);
            }
            Action::Quarantine => {
                let response = self.serve(request).await;
                if !self.control.quarantine(&response) {
                    rule.complain(NO_UPLOAD);
                }
                return Outcome::Answer(response);
            }
            Action::Keep(kept) => {
                let response = self.serve(request).await;
                if !self.control.keep_instead(&response, *kept) {
                    rule.complain(NO_UPLOAD);
                }
                return Outcome::Answer(response);
            }
            Action::DropBefore => Script::silence(wire::Ending::Close),
            Action::DropAfter => {
                self.serve(request).await;
                Script::silence(wire::Ending::Close)
            }
            Action::DropInBody => {
                let (bytes, head) = message(request, Framing::Honest).await;
                let half = head + (bytes.len() - head) / 2;
                Script::all(bytes.slice(..half), wire::Ending::Close)
            }
            Action::ResetAfter(most) => {
                let (bytes, _) = message(request, Framing::Honest).await;
                let end = bytes.len().min(*most);
                Script::all(bytes.slice(..end), wire::Ending::Reset)
            }
            Action::Trickle(rate) => {
                let (bytes, _) = message(request, Framing::Honest).await;
                trickle(bytes, *rate)
            }
            Action::WrongLength(difference) => {
                let (bytes, _) = message(request, Framing::Off(*difference)).await;
                Script::all(bytes, wire::Ending::Close)
            }
            Action::Endless => {
                let (bytes, head) = message(request, Framing::Chunk).await;
                Script {
                    repeat_from: Some(head),
                    ..Script::all(bytes, wire::Ending::Close)
                }
            }
        };
        Outcome::Script(script)
    }
}

fn trickle(bytes: Bytes, rate: NonZeroU32) -> Script {
    Script {
        rate: Some(rate),
        ..Script::all(bytes, wire::Ending::Close)
    }
}

/// Runs what may take long off the event loop. A panic goes on to the connection, which ends.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(value) => value,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The sandbox is being shut down, which ends this task at its next pause.
            Err(_) => std::future::pending().await,
        },
    }
}

/// Reads a request whole. HEAD becomes GET, and the flag says so.
async fn read(incoming: hyper::Request<Incoming>, address: SocketAddr) -> Result<(Request, bool), Response> {
    let (parts, body) = incoming.into_parts();
    let body = if body.is_end_stream() {
        Bytes::new()
    } else {
        read_body(body).await?
    };
    let is_head = parts.method == Method::HEAD;
    let base = base(&parts.headers, parts.uri.authority(), address);
    let request = Request {
        method: if is_head { Method::GET } else { parts.method },
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        headers: parts.headers,
        body,
        base,
    };
    Ok((request, is_head))
}

async fn read_body(body: Incoming) -> Result<Bytes, Response> {
    let too_large = || {
        let text = format!("The body is larger than {LARGEST_BODY} bytes.\n");
        Response::new(413, "text/plain", text).with_header("connection", "close")
    };
    if body.size_hint().lower() > LARGEST_BODY as u64 {
        return Err(too_large());
    }
    match tokio::time::timeout(BODY_PATIENCE, Limited::new(body, LARGEST_BODY).collect()).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => Err(too_large()),
        Ok(Err(error)) => {
            let text = format!("The body could not be read: {error}.\n");
            Err(Response::new(400, "text/plain", text).with_header("connection", "close"))
        }
        Err(_) => {
            let text = "The body took too long to arrive.\n";
            Err(Response::new(408, "text/plain", text).with_header("connection", "close"))
        }
    }
}

/// Scheme and authority as the client used them.
fn base(headers: &HeaderMap, authority: Option<&http::uri::Authority>, address: SocketAddr) -> String {
    let first = |name: &str| {
        let value = headers.get(name)?.to_str().ok()?;
        let value = value.split(',').next().unwrap_or(value).trim();
        (!value.is_empty()).then_some(value)
    };
    let scheme = match first("x-forwarded-proto") {
        Some(scheme) if scheme.eq_ignore_ascii_case("https") => "https",
        _ => "http",
    };
    let host = first("x-forwarded-host")
        .or_else(|| headers.get(HOST)?.to_str().ok().filter(|host| !host.is_empty()))
        .or_else(|| authority.map(http::uri::Authority::as_str));
    match host {
        Some(host) => [scheme, "://", host].concat(),
        None => format!("{scheme}://{address}"),
    }
}

/// An answer as hyper wants it: with the sandbox's date, and for HEAD with the length of the body it leaves out.
fn write(response: Response, is_head: bool, clock: &Clock) -> hyper::Response<Bytes> {
    let Response {
        status,
        mut headers,
        mut body,
    } = response;
    headers.entry(DATE).or_insert_with(|| date(clock));
    let is_chunked = headers.remove(TRANSFER_ENCODING).is_some();
    if has_no_body(status) {
        body.clear();
    } else if is_head {
        if !is_chunked && !body.is_empty() {
            headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
        }
        body.clear();
    } else {
        // hyper states the length it really sends.
        headers.remove(CONTENT_LENGTH);
    }
    let mut response = hyper::Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

fn has_no_body(status: StatusCode) -> bool {
    status.is_informational() || status == StatusCode::NO_CONTENT || status == StatusCode::NOT_MODIFIED
}

/// How a hand-made message states where it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    /// With the right `Content-Length`.
    Honest,
    /// With a `Content-Length` that is off by this much, but not below zero.
    Off(i64),
    /// As one HTTP chunk, without the last one that would end the body.
    Chunk,
}

/// A message byte by byte, and the length of its head.
fn serialise(response: Response, framing: Framing, is_head: bool, clock: &Clock) -> (Bytes, usize) {
    let Response {
        status,
        mut headers,
        body,
    } = response;
    headers.entry(DATE).or_insert_with(|| date(clock));
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    headers.remove(TRANSFER_ENCODING);
    headers.remove(CONTENT_LENGTH);
    match framing {
        Framing::Honest => {
            headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
        }
        Framing::Off(difference) => {
            let length = i64::try_from(body.len())
                .unwrap_or(i64::MAX)
                .saturating_add(difference)
                .max(0);
            headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
        }
        Framing::Chunk => {
            headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
    }
    let mut message = BytesMut::with_capacity(1_024 + body.len());
    let reason = status.canonical_reason().unwrap_or("Unknown");
    message.extend_from_slice(format!("HTTP/1.1 {} {reason}\r\n", status.as_u16()).as_bytes());
    for (name, value) in &headers {
        for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
            message.extend_from_slice(part);
        }
    }
    message.extend_from_slice(b"\r\n");
    let head = message.len();
    if !is_head {
        if framing == Framing::Chunk {
            // A chunk of no bytes would end the body.
            let piece: &[u8] = if body.is_empty() { b"\n" } else { &body };
            message.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
            message.extend_from_slice(piece);
            message.extend_from_slice(b"\r\n");
        } else {
            message.extend_from_slice(&body);
        }
    }
    (message.freeze(), head)
}

/// The `Date` header of this moment of sandbox time. It is put together once a second and thread.
fn date(clock: &Clock) -> HeaderValue {
    thread_local! {
        static LATEST: RefCell<(i64, HeaderValue)> = const { RefCell::new((i64::MIN, HeaderValue::from_static(""))) };
    }
    let second = clock.unix_millis().div_euclid(1_000);
    LATEST.with_borrow_mut(|(written, value)| {
        if *written != second {
            let text = httpdate::fmt_http_date(clock.system_time());
            *value = HeaderValue::from_str(&text).expect("a date is printable");
            *written = second;
        }
        value.clone()
    })
}
