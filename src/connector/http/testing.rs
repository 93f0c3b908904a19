//! A service that follows a script, for tests: in memory under a paused clock, or over real sockets.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use async_trait::async_trait;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep};

use super::call::Answer;
use super::origin::Origin;
use super::wire::{Fault, FaultKind, Outgoing, Transport, TransportSettings, Wire};

/// What a scripted service saw of a request.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub at: Instant,
    /// Requests in flight, this one included.
    pub in_flight: usize,
    pub method: Method,
    /// Path and query, as sent.
    pub target: String,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Seen {
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// A decoded query value.
    pub fn query(&self, name: &str) -> Option<String> {
        let query = self.target.split_once('?')?.1;
        url::form_urlencoded::parse(query.as_bytes())
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.into_owned())
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("a JSON body")
    }
}

/// What a scripted service does with a request.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Bytes,
    delay: Duration,
    fault: Option<FaultKind>,
}

impl Reply {
    pub fn status(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Bytes::new(),
            delay: Duration::ZERO,
            fault: None,
        }
    }

    pub fn json(value: serde_json::Value) -> Self {
        Self::status(200).with_json(value)
    }

    pub fn with_json(self, value: serde_json::Value) -> Self {
        self.header("content-type", "application/json")
            .body(value.to_string())
    }

    /// Graph's error envelope.
    pub fn graph_error(status: u16, code: &str, message: &str) -> Self {
        Self::status(status).with_json(serde_json::json!({"error": {
            "code": code,
            "message": message,
            "innerError": {"date": "2026-03-02T08:15:30", "request-id": "9d2e6b1c"},
        }}))
    }

    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// The answer takes this long.
    pub fn after(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// No answer comes (in memory only).
    pub(in crate::connector::http) fn lost(kind: FaultKind) -> Self {
        Self {
            fault: Some(kind),
            ..Self::status(0)
        }
    }
}

type Script = dyn FnMut(&Seen) -> Reply + Send;

/// A service that answers as its script says and remembers what it saw.
pub(crate) struct Service {
    script: Mutex<Box<Script>>,
    state: Mutex<(usize, Vec<Seen>)>,
}

impl Service {
    pub fn new(script: impl FnMut(&Seen) -> Reply + Send + 'static) -> Arc<Self> {
        Arc::new(Self {
            script: Mutex::new(Box::new(script)),
            state: Mutex::default(),
        })
    }

    /// Answers in this order; the last answer is repeated for ever.
    pub fn in_order(replies: impl IntoIterator<Item = Reply>) -> Arc<Self> {
        let mut replies: VecDeque<Reply> = replies.into_iter().collect();
        Self::new(move |_| {
            if replies.len() > 1 {
                replies.pop_front().expect("more than one")
            } else {
                replies.front().expect("at least one reply").clone()
            }
        })
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.state.lock().1.clone()
    }

    pub fn most_in_flight(&self) -> usize {
        self.seen().iter().map(|seen| seen.in_flight).max().unwrap_or(0)
    }

    /// A transport that ends in this service, without sockets.
    pub fn transport(self: &Arc<Self>) -> Transport {
        Transport::over(Arc::clone(self) as Arc<dyn Wire>)
    }

    fn enter(&self, mut seen: Seen) -> Reply {
        let mut state = self.state.lock();
        state.0 += 1;
        seen.in_flight = state.0;
        state.1.push(seen.clone());
        drop(state);
        (self.script.lock())(&seen)
    }

    fn leave(&self) {
        self.state.lock().0 -= 1;
    }

    /// Serves real sockets on loopback until the test ends.
    pub async fn listen(self: &Arc<Self>) -> Origin {
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0)))
            .await
            .expect("a free port");
        let address = listener.local_addr().expect("bound");
        let service = Arc::clone(self);
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let service = Arc::clone(&service);
                tokio::spawn(async move {
                    let answer = hyper::service::service_fn(move |request| {
                        let service = Arc::clone(&service);
                        async move { Ok::<_, Infallible>(service.serve(request).await) }
                    });
                    // A client that breaks off is part of some tests.
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(socket), answer)
                        .await;
                });
            }
        });
        Origin::parse(&format!("http://{address}")).expect("a loopback origin")
    }

    async fn serve(&self, request: hyper::Request<hyper::body::Incoming>) -> hyper::Response<Full<Bytes>> {
        let (parts, body) = request.into_parts();
        let body = body.collect().await.map(http_body_util::Collected::to_bytes);
        let reply = self.enter(Seen {
            at: Instant::now(),
            in_flight: 0,
            method: parts.method,
            target: parts.uri.to_string(),
            headers: parts.headers,
            body: body.unwrap_or_default(),
        });
        sleep(reply.delay).await;
        self.leave();
        let mut response = hyper::Response::new(Full::new(reply.body.clone()));
        *response.status_mut() = StatusCode::from_u16(reply.status).expect("a status");
        response.headers_mut().extend(header_map(&reply));
        response
    }
}

fn header_map(reply: &Reply) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in &reply.headers {
        headers.append(
            HeaderName::from_static(name),
            HeaderValue::from_str(value).expect("a header value"),
        );
    }
    headers
}

/// Counts a request out, even when its future is dropped.
struct InFlight<'a>(&'a Service);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.leave();
    }
}

#[async_trait]
impl Wire for Service {
    async fn exchange(&self, request: Outgoing) -> Result<Answer, Fault> {
        let url = request.address.url();
        let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
        let reply = self.enter(Seen {
            at: Instant::now(),
            in_flight: 0,
            method: request.method,
            target: format!("{}{query}", url.path()),
            headers: request.headers,
            body: request.body,
        });
        let _in_flight = InFlight(self);
        sleep(reply.delay).await;
        if let Some(kind) = reply.fault {
            return Err(Fault::new(kind, "as the script says"));
        }
        Ok(Answer {
            status: StatusCode::from_u16(reply.status).expect("a status"),
            headers: header_map(&reply),
            body: reply.body,
        })
    }
}

/// An origin for tests without sockets.
pub(crate) fn origin() -> Origin {
    Origin::parse("https://service.example").expect("a good origin")
}

/// The real transport.
pub(crate) fn network() -> Transport {
    Transport::new(TransportSettings::default())
}
