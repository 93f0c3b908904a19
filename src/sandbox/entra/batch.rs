//! `$batch` (`entra.md` 3).

use std::collections::{BTreeMap, HashMap, HashSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};

use super::Call;
use super::answer::{Failure, PLAIN_JSON, ok, spread, to_json};
use super::limits::Throttled;
use super::path::Resource;
use crate::sandbox::exchange::{Request, Response};

/// Requests in one batch.
const MOST_ITEMS: usize = 20;

#[derive(Deserialize)]
struct Envelope {
    requests: Vec<RawItem>,
}

#[derive(Deserialize)]
struct RawItem {
    id: String,
    method: String,
    url: String,
    #[serde(default)]
    headers: Option<HashMap<String, String>>,
    #[serde(default)]
    body: Option<Box<RawValue>>,
    #[serde(default, rename = "dependsOn")]
    depends_on: Option<Vec<String>>,
}

/// One request of a batch.
pub(super) struct Item {
    id: String,
    /// As if it had been sent by itself.
    pub(super) request: Request,
    /// Path below the version.
    pub(super) rest: String,
    /// Places of the items that have to succeed first.
    depends_on: Vec<usize>,
}

/// Reads a batch; what is wrong with it as a whole is a 400.
pub(super) fn read(outer: &Request, version: &str) -> Result<Vec<Item>, Failure> {
    let envelope: Envelope = serde_json::from_slice(&outer.body)
        .map_err(|_| Failure::bad_request("Invalid batch payload format."))?;
    let requests = envelope.requests;
    if requests.is_empty() {
        return Err(Failure::bad_request("Invalid batch payload format."));
    }
    if requests.len() > MOST_ITEMS {
        return Err(Failure::bad_request(format!(
            "Number of requests inside the batch exceeds the limit of {MOST_ITEMS}."
        )));
    }
    let mut places: HashMap<String, usize> = HashMap::new();
    for (place, item) in requests.iter().enumerate() {
        if item.id.is_empty() || places.insert(item.id.to_lowercase(), place).is_some() {
            return Err(Failure::bad_request(format!(
                "Request ids in a batch have to be unique and not empty; '{}' is not.",
                item.id
            )));
        }
    }
    requests
        .into_iter()
        .map(|item| item.into_item(outer, version, &places))
        .collect()
}

impl RawItem {
    fn into_item(
        self,
        outer: &Request,
        version: &str,
        places: &HashMap<String, usize>,
    ) -> Result<Item, Failure> {
        let invalid = |what: &str| {
            Failure::bad_request(format!(
                "Invalid batch payload format: {what} of request '{}'.",
                self.id
            ))
        };
        let method = Method::from_bytes(self.method.to_ascii_uppercase().as_bytes())
            .map_err(|_| invalid("the method"))?;
        // A fragment never reaches a server.
        let url = self.url.split('#').next().unwrap_or_default();
        let (path, query) = url.split_once('?').unwrap_or((url, ""));
        if path.contains("://") {
            return Err(invalid("the URL, which has to be relative,"));
        }
        let rest = path.strip_prefix('/').unwrap_or(path).to_owned();
        let mut headers = HeaderMap::new();
        for (name, value) in self.headers.iter().flatten() {
            let (Ok(name), Ok(value)) = (
                HeaderName::from_bytes(name.as_bytes()),
                HeaderValue::from_str(value),
            ) else {
                return Err(invalid("a header"));
            };
            headers.insert(name, value);
        }
        let body = match &self.body {
            None => Bytes::new(),
            Some(_) if !headers.contains_key("content-type") => {
                return Err(invalid("the missing Content-Type"));
            }
            // Anything but JSON is a string in base64.
            Some(body) => match serde_json::from_str::<String>(body.get()) {
                Ok(text) => STANDARD.decode(text).map_err(|_| invalid("the body"))?.into(),
                Err(_) => body.get().to_owned().into(),
            },
        };
        let depends_on = self
            .depends_on
            .iter()
            .flatten()
            .map(|id| places.get(&id.to_lowercase()).copied())
            .collect::<Option<Vec<_>>>()
            .ok_or_else(|| invalid("dependsOn"))?;
        Ok(Item {
            request: Request {
                method,
                path: format!("/{version}/{rest}"),
                query: query.to_owned(),
                headers,
                body,
                base: outer.base.clone(),
            },
            id: self.id,
            rest,
            depends_on,
        })
    }
}

/// The items in an order in which each comes after those it depends on, with how many have to run one after the
/// other at least; `None` if they wait for each other in a circle.
pub(super) fn order(items: &[Item]) -> Option<(Vec<usize>, u32)> {
    let mut levels: Vec<Option<u32>> = vec![None; items.len()];
    let mut order = Vec::with_capacity(items.len());
    let mut waiting: Vec<usize> = (0..items.len()).collect();
    while !waiting.is_empty() {
        let before = order.len();
        waiting.retain(|place| {
            let level = items[*place]
                .depends_on
                .iter()
                .map(|needed| levels[*needed])
                .try_fold(0, |deepest, level| Some(deepest.max(level? + 1)));
            if level.is_some() {
                levels[*place] = level;
                order.push(*place);
            }
            level.is_none()
        });
        if order.len() == before {
            return None;
        }
    }
    let deepest = levels.into_iter().flatten().max().unwrap_or_default();
    Some((order, deepest + 1))
}

#[derive(Serialize)]
struct Answers {
    responses: Vec<ItemAnswer>,
}

#[derive(Serialize)]
struct ItemAnswer {
    id: String,
    status: u16,
    headers: BTreeMap<&'static str, String>,
    body: Option<Box<RawValue>>,
}

impl Call<'_> {
    /// `POST /$batch`. `decisions`: what admission said about each item; without any, all are let in.
    pub(super) fn batch(&self, decisions: Option<&[Result<(), Throttled>]>) -> Result<Response, Failure> {
        if self.request.method != Method::POST {
            return Err(self.method_not_allowed());
        }
        let items = read(self.request, self.version)?;
        let (order, _) = order(&items).ok_or_else(|| {
            Failure::bad_request("The requests of the batch depend on each other in a circle.")
        })?;
        let mut failed = HashSet::new();
        let mut answers: Vec<Option<ItemAnswer>> = items.iter().map(|_| None).collect();
        for place in order {
            let item = &items[place];
            let decision = decisions.and_then(|decisions| decisions.get(place)).copied();
            let response = if item.depends_on.iter().any(|needed| failed.contains(needed)) {
                let failure = Failure::new(
                    424,
                    "FailedDependency",
                    "A request on which this request depends has failed.",
                );
                failure.into_response(&self.service.ids.ids(&item.request), self.now)
            } else {
                self.item(item, decision.unwrap_or(Ok(())))
            };
            if !response.status.is_success() {
                failed.insert(place);
            }
            answers[place] = Some(ItemAnswer::new(&item.id, &response));
        }
        let mut responses: Vec<ItemAnswer> = answers.into_iter().flatten().collect();
        shuffle(&mut responses);
        let mut response = ok(PLAIN_JSON, to_json(&Answers { responses }));
        response
            .headers
            .insert("odata-version", HeaderValue::from_static("4.0"));
        Ok(response)
    }

    fn item(&self, item: &Item, decision: Result<(), Throttled>) -> Response {
        let ids = self.service.ids.ids(&item.request);
        let credentials = &self.service.world.credentials;
        let result = decision
            .map_err(|throttled| throttled.into_failure(&credentials.client_id, &credentials.tenant_id))
            .and_then(|()| Resource::parse(&item.rest))
            .and_then(|resource| match resource {
                Resource::Batch => Err(Failure::bad_request("A batch cannot contain a batch.")),
                resource => Call {
                    request: &item.request,
                    base_units: super::base_units(&resource),
                    ..*self
                }
                .carry_out(&resource, None),
            });
        result.unwrap_or_else(|failure| failure.into_response(&ids, self.now))
    }
}

impl ItemAnswer {
    fn new(id: &str, response: &Response) -> Self {
        let header = |name: &'static str| {
            let value = response.headers.get(name)?.to_str().ok()?;
            Some((name, value.to_owned()))
        };
        let mut headers: BTreeMap<&'static str, String> = [
            "Content-Type",
            "ETag",
            "Location",
            "OData-Version",
            "Retry-After",
            "X-Content-Type-Options",
            "x-ms-resource-unit",
            "x-ms-throttle-information",
            "x-ms-throttle-scope",
        ]
        .into_iter()
        .filter_map(header)
        .collect();
        headers.insert("Cache-Control", "no-cache".to_owned());
        let content_type = headers.get("Content-Type").map_or("", String::as_str);
        Self {
            id: id.to_owned(),
            status: response.status.as_u16(),
            body: item_body(content_type, &response.body),
            headers,
        }
    }
}

/// JSON as it is, a count as a number, anything else as a string in base64.
fn item_body(content_type: &str, body: &Bytes) -> Option<Box<RawValue>> {
    if body.is_empty() {
        return None;
    }
    let is_json = content_type.starts_with(PLAIN_JSON) || content_type.starts_with("text/plain");
    let json = std::str::from_utf8(body).ok().filter(|_| is_json);
    let raw = json.and_then(|text| RawValue::from_string(text.to_owned()).ok());
    raw.or_else(|| to_raw_value(&STANDARD.encode(body)).ok())
}

/// Mixes the answers up, in the same way for the same batch.
fn shuffle(responses: &mut [ItemAnswer]) {
    let hash = |id: &str| id.bytes().fold(0, |hash, byte| spread(hash ^ u64::from(byte)));
    let before: Vec<String> = responses.iter().map(|response| response.id.clone()).collect();
    responses.sort_by_key(|response| hash(&response.id));
    let is_unchanged = responses.iter().map(|response| &response.id).eq(&before);
    if is_unchanged && responses.len() > 1 {
        responses.rotate_left(1);
    }
}
