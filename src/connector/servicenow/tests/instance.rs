//! A scripted instance: real HTTP on loopback, answers from a function, a log of what was asked.

use std::convert::Infallible;
use std::sync::Arc;

use ::http::{HeaderMap, Response};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::connector::http::{Origin, Secret, Transport, TransportSettings};
use crate::connector::servicenow::{ServiceNowAuth, ServiceNowSettings, ServiceNowTarget};

/// One request as it arrived.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) query: Vec<(String, String)>,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Request {
    /// A decoded query parameter; empty if it was not sent.
    pub(super) fn parameter(&self, name: &str) -> &str {
        self.query
            .iter()
            .find(|(key, _)| key == name)
            .map_or("", |(_, value)| value)
    }

    /// `sysparm_query`.
    pub(super) fn encoded_query(&self) -> &str {
        self.parameter("sysparm_query")
    }

    /// The table of a Table API request.
    pub(super) fn table(&self) -> &str {
        let rest = self.path.strip_prefix("/api/now/table/").unwrap_or_default();
        rest.split('/').next().unwrap_or_default()
    }

    /// The values of a condition `columnINa,b,c`, if there is one.
    pub(super) fn values_in(&self, column: &str) -> Option<Vec<String>> {
        self.encoded_query().split('^').find_map(|condition| {
            let condition = condition.strip_prefix("NQ").unwrap_or(condition);
            let list = condition.strip_prefix(column)?.strip_prefix("IN")?;
            Some(list.split(',').map(str::to_owned).collect())
        })
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("a JSON body")
    }
}

/// One answer.
#[derive(Clone, Debug)]
pub(super) struct Reply {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Bytes,
}

impl Reply {
    pub(super) fn new(status: u16, content_type: &str, body: impl Into<Bytes>) -> Self {
        Self {
            status,
            headers: vec![("content-type", content_type.to_owned())],
            body: body.into(),
        }
    }

    pub(super) fn empty(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Bytes::new(),
        }
    }

    pub(super) fn json(status: u16, body: Value) -> Self {
        Self::new(status, "application/json;charset=UTF-8", body.to_string())
    }

    /// `{"result": …}`.
    pub(super) fn result(value: Value) -> Self {
        Self::json(200, json!({ "result": value }))
    }

    /// All these rows, with their number in `X-Total-Count`.
    pub(super) fn rows(rows: Vec<Value>) -> Self {
        let total = rows.len().to_string();
        let mut reply = Self::result(Value::Array(rows));
        reply.headers.push(("x-total-count", total));
        reply
    }

    /// One page of a table, as the request asks: rows behind the key, from the offset, up to the limit, `hidden` ones
    /// left out after that. Conditions other than the key's are the script's matter.
    pub(super) fn page(request: &Request, table: &[Value], hidden: impl Fn(&str) -> bool) -> Self {
        let key = |row: &Value| row["sys_id"].as_str().unwrap_or_default().to_owned();
        let after = request
            .encoded_query()
            .split('^')
            .find_map(|condition| condition.strip_prefix("sys_id>"))
            .unwrap_or_default();
        let mut rows: Vec<&Value> = table.iter().filter(|row| key(row).as_str() > after).collect();
        rows.sort_by_key(|row| key(row));
        let number = |name: &str| request.parameter(name).parse::<usize>().ok();
        let total = rows.len();
        let window: Vec<Value> = rows
            .into_iter()
            .skip(number("sysparm_offset").unwrap_or(0))
            .take(number("sysparm_limit").expect("every listing has a limit"))
            .filter(|row| !hidden(&key(row)))
            .cloned()
            .collect();
        let counted = request.parameter("sysparm_no_count") != "true";
        let total = if counted { total } else { window.len() };
        let mut reply = Self::result(Value::Array(window));
        reply.headers.push(("x-total-count", total.to_string()));
        reply
    }
}

/// A running instance. It ends with the test.
pub(super) struct Instance {
    origin: Origin,
    log: Arc<Mutex<Vec<Request>>>,
}

impl Instance {
    /// Answers every request with `script`.
    pub(super) async fn start(script: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let log = Arc::new(Mutex::new(Vec::new()));
        let script = Arc::new(script);
        let requests = Arc::clone(&log);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (script, requests) = (Arc::clone(&script), Arc::clone(&requests));
                let service = service_fn(move |request: ::http::Request<Incoming>| {
                    let (script, requests) = (Arc::clone(&script), Arc::clone(&requests));
                    async move {
                        let request = read(request).await;
                        let reply = script(&request);
                        requests.lock().push(request);
                        let mut response = Response::builder().status(reply.status);
                        for (name, value) in reply.headers {
                            response = response.header(name, value);
                        }
                        Ok::<_, Infallible>(response.body(Full::new(reply.body)).expect("a response"))
                    }
                });
                let connection = http1::Builder::new()
                    .timer(TokioTimer::new())
                    .serve_connection(TokioIo::new(stream), service);
                // A client that hangs up is the client's matter.
                tokio::spawn(async move { _ = connection.await });
            }
        });
        Self {
            origin: Origin::parse(&format!("http://{address}")).expect("loopback"),
            log,
        }
    }

    /// Settings with Basic authentication and nobody left out.
    pub(super) fn settings(&self) -> ServiceNowSettings {
        let auth = ServiceNowAuth::Basic {
            username: "svc.avatar.sync".to_owned(),
            password: Secret::new("canary-password"),
        };
        let mut settings = ServiceNowSettings::new(self.origin.clone(), auth);
        settings.scope = String::new();
        settings
    }

    pub(super) fn target(&self) -> ServiceNowTarget {
        self.target_with(|_| ())
    }

    /// A target with other settings.
    pub(super) fn target_with(&self, change: impl FnOnce(&mut ServiceNowSettings)) -> ServiceNowTarget {
        let mut settings = self.settings();
        change(&mut settings);
        let transport = Transport::new(TransportSettings {
            connections: 8,
            ..TransportSettings::default()
        });
        ServiceNowTarget::new(settings, &transport).expect("good settings")
    }

    /// What was asked so far.
    pub(super) fn requests(&self) -> Vec<Request> {
        self.log.lock().clone()
    }

    /// What was asked of a table so far.
    pub(super) fn requests_of(&self, table: &str) -> Vec<Request> {
        let mut requests = self.requests();
        requests.retain(|request| request.table() == table);
        requests
    }
}

async fn read(request: ::http::Request<Incoming>) -> Request {
    let (parts, body) = request.into_parts();
    let query = parts.uri.query().unwrap_or_default();
    Request {
        method: parts.method.to_string(),
        path: parts.uri.path().to_owned(),
        query: url::form_urlencoded::parse(query.as_bytes())
            .into_owned()
            .collect(),
        headers: parts.headers,
        body: body
            .collect()
            .await
            .map(http_body_util::Collected::to_bytes)
            .unwrap_or_default(),
    }
}
