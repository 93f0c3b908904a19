//! The Batch API (`servicenow.md` 4, N17, E55, E56).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde::Deserialize;
use serde_json::{Value, json};

use super::call::Call;
use super::errors::{self, JSON};
use crate::sandbox::exchange::{Request, Response};

#[derive(Deserialize)]
struct Batch {
    #[serde(default)]
    batch_request_id: Value,
    #[serde(default)]
    rest_requests: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    #[serde(default)]
    id: Value,
    method: String,
    url: String,
    #[serde(default)]
    headers: Vec<Header>,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    exclude_response_headers: bool,
}

#[derive(Deserialize)]
struct Header {
    name: String,
    value: String,
}

/// How many items a batch has, as far as can be told before it is carried out.
pub fn count_items(body: &[u8]) -> u32 {
    #[derive(Deserialize)]
    struct Counted {
        rest_requests: Vec<serde::de::IgnoredAny>,
    }
    let counted: Option<Counted> = serde_json::from_slice(body).ok();
    counted.map_or(1, |batch| {
        u32::try_from(batch.rest_requests.len().max(1)).unwrap_or(u32::MAX)
    })
}

impl Call<'_> {
    /// `POST /v1/batch`: items one after another, each with the rights of the caller.
    pub(super) fn batch(&self) -> Response {
        if self.method != Method::POST {
            return errors::envelope(405, "Method not supported", None);
        }
        let batch: Batch = match serde_json::from_slice(&self.request.body) {
            Ok(batch) => batch,
            Err(error) => {
                return errors::envelope(400, "Exception while reading request", Some(&error.to_string()));
            }
        };
        let settings = self.settings();
        let mut serviced = Vec::new();
        let mut unserviced = Vec::new();
        let mut spent_ms = 0;
        for item in &batch.rest_requests {
            spent_ms += u64::from(settings.latency_ms);
            let is_too_large = item
                .body
                .as_ref()
                .is_some_and(|body| body.len() > settings.batch_item_limit_bytes);
            let is_late = spent_ms > u64::from(settings.batch_limit_ms);
            // Once a limit is met, nothing further is served (E55).
            if !unserviced.is_empty() || is_too_large || is_late {
                unserviced.push(item.id.clone());
                continue;
            }
            let response = self.serve(item);
            if response.body.len() > self.output_limit() {
                unserviced.push(item.id.clone());
                continue;
            }
            serviced.push(serviced_item(item, &response, settings.latency_ms));
        }
        let id = match &batch.batch_request_id {
            Value::String(id) => id.clone(),
            Value::Null => String::new(),
            other => other.to_string(),
        };
        let body = json!({
            "batch_request_id": id,
            "serviced_requests": serviced,
            "unserviced_requests": unserviced,
        });
        Response::json(200, JSON, &body)
    }

    /// A header can only lower the limit.
    fn output_limit(&self) -> usize {
        let limit = self.settings().batch_output_limit_bytes;
        let asked = self.request.header("x-batchrequest-max-output-size");
        asked
            .and_then(|value| value.parse().ok())
            .map_or(limit, |asked: usize| asked.min(limit))
    }

    fn serve(&self, item: &Item) -> Response {
        let decoded = item
            .body
            .as_deref()
            .map_or(Ok(Vec::new()), |body| STANDARD.decode(body));
        let (Ok(method), Ok(body)) = (
            Method::try_from(item.method.to_ascii_uppercase().as_str()),
            decoded,
        ) else {
            return errors::envelope(400, "Exception while reading request", None);
        };
        let (path, query) = item.url.split_once('?').unwrap_or((&item.url, ""));
        let path = if path.starts_with('/') {
            path.to_owned()
        } else {
            format!("/{path}")
        };
        if path.ends_with("/batch") {
            return errors::no_such_resource();
        }
        let mut headers = HeaderMap::new();
        for header in &item.headers {
            if let (Ok(name), Ok(value)) = (
                HeaderName::try_from(header.name.as_str()),
                HeaderValue::from_str(&header.value),
            ) {
                headers.append(name, value);
            }
        }
        // An item acts with the rights of the batch.
        if let Some(authorization) = self.request.headers.get("authorization") {
            headers.insert("authorization", authorization.clone());
        }
        let request = Request {
            method,
            path,
            query: query.to_owned(),
            headers,
            body: Bytes::from(body),
            base: self.request.base.clone(),
        };
        self.service.answer_api(&request)
    }
}

fn serviced_item(item: &Item, response: &Response, took_ms: u32) -> Value {
    let headers: Vec<Value> = if item.exclude_response_headers {
        Vec::new()
    } else {
        response
            .headers
            .iter()
            .filter_map(|(name, value)| {
                Some(json!({"name": canonical(name.as_str()), "value": value.to_str().ok()?}))
            })
            .collect()
    };
    json!({
        "id": item.id,
        "body": STANDARD.encode(&response.body),
        "status_code": response.status.as_u16(),
        "status_text": response.status.canonical_reason().unwrap_or_default(),
        "headers": headers,
        "execution_time": took_ms,
    })
}

/// `x-total-count` as `X-Total-Count`: inside a body, names keep the capitals they are documented with.
fn canonical(name: &str) -> String {
    let word = |word: &str| {
        let mut characters = word.chars();
        let first = characters.next().map(|first| first.to_ascii_uppercase());
        first.into_iter().chain(characters).collect::<String>()
    };
    name.split('-').map(word).collect::<Vec<_>>().join("-")
}
