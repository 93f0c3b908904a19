//! Rules for items of a batch: hit items are taken out before the service sees the batch, and their answers are put
//! into its answer afterwards. That works for both services' batches, and the service needs not know.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::Method;
use serde_json::{Map, Value, json};

use super::FaultRules;
use crate::sandbox::exchange::{Request, Response};

/// A batch of which rules have taken items.
#[derive(Debug)]
pub(crate) struct HitBatch {
    /// What is left for the service; `None` if no item is.
    pub(crate) rest: Option<Request>,
    /// Answers of the items taken, as they stand in the batch's answer.
    answers: Vec<Value>,
    dialect: Dialect,
}

/// The two ways to write a batch.
#[derive(Clone, Copy, Debug)]
enum Dialect {
    /// `entra.md` 3.
    Graph,
    /// `servicenow.md` 4.
    ServiceNow,
}

impl Dialect {
    fn of(service: &str, request: &Request) -> Option<Self> {
        let path = request.path.as_str();
        if request.method != Method::POST {
            None
        } else if service == "entra" && (path.ends_with("/$batch") || path.ends_with("/%24batch")) {
            Some(Self::Graph)
        } else if service == "servicenow" && path.starts_with("/api/now/") && path.ends_with("/batch") {
            Some(Self::ServiceNow)
        } else {
            None
        }
    }

    fn service(self) -> &'static str {
        match self {
            Self::Graph => "entra",
            Self::ServiceNow => "servicenow",
        }
    }

    fn items_key(self) -> &'static str {
        match self {
            Self::Graph => "requests",
            Self::ServiceNow => "rest_requests",
        }
    }

    fn answers_key(self) -> &'static str {
        match self {
            Self::Graph => "responses",
            Self::ServiceNow => "serviced_requests",
        }
    }

    /// The path of an item as if it had been sent by itself.
    fn item_path(self, batch: &Request, item: &Value) -> Option<String> {
        let url = item["url"].as_str()?;
        let path = url
            .split(['?', '#'])
            .next()
            .unwrap_or(url)
            .trim_start_matches('/');
        match self {
            Self::Graph => {
                let version = batch
                    .path
                    .trim_start_matches('/')
                    .split('/')
                    .next()
                    .unwrap_or_default();
                Some(format!("/{version}/{path}"))
            }
            Self::ServiceNow => Some(format!("/{path}")),
        }
    }

    fn item_answer(self, id: &Value, response: &Response) -> Value {
        let headers = response
            .headers
            .iter()
            .filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
        match self {
            Self::Graph => {
                let headers: Map<String, Value> = headers
                    .map(|(name, value)| (name.to_owned(), json!(value)))
                    .collect();
                let body = serde_json::from_slice(&response.body).unwrap_or_else(|_| {
                    if response.body.is_empty() {
                        Value::Null
                    } else {
                        json!(BASE64.encode(&response.body))
                    }
                });
                json!({"id": id, "status": response.status.as_u16(), "headers": headers, "body": body})
            }
            Self::ServiceNow => {
                let headers: Vec<Value> = headers
                    .map(|(name, value)| json!({"name": name, "value": value}))
                    .collect();
                json!({
                    "id": id,
                    "status_code": response.status.as_u16(),
                    "status_text": response.status.canonical_reason().unwrap_or_default(),
                    "headers": headers,
                    "body": BASE64.encode(&response.body),
                    "execution_time": 0,
                })
            }
        }
    }
}

impl FaultRules {
    /// Takes the items that rules hit out of a batch. `None` if the request is no batch or nothing is hit: it then goes
    /// on as it is.
    pub(crate) fn hit_batch(&self, service: &str, request: &Request) -> Option<HitBatch> {
        if !self.is_armed() {
            return None;
        }
        let dialect = Dialect::of(service, request)?;
        let mut envelope: Value = serde_json::from_slice(&request.body).ok()?;
        let items = envelope.get_mut(dialect.items_key())?.as_array_mut()?;
        let mut failed: Vec<String> = Vec::new();
        let mut answers = Vec::new();
        items.retain(|item| {
            let Some(response) = self.hit_item(dialect, request, item, &failed) else {
                return true;
            };
            if !response.status.is_success() {
                failed.extend(item["id"].as_str().map(str::to_lowercase));
            }
            answers.push(dialect.item_answer(&item["id"], &response));
            false
        });
        if answers.is_empty() {
            return None;
        }
        let rest = (!items.is_empty()).then(|| Request {
            body: envelope.to_string().into(),
            ..request.clone()
        });
        Some(HitBatch {
            rest,
            answers,
            dialect,
        })
    }

    fn hit_item(
        &self,
        dialect: Dialect,
        batch: &Request,
        item: &Value,
        failed: &[String],
    ) -> Option<Response> {
        let needs_failed = item["dependsOn"]
            .as_array()
            .into_iter()
            .flatten()
            .any(|id| id.as_str().is_some_and(|id| failed.contains(&id.to_lowercase())));
        if needs_failed {
            return Some(Response::empty(424));
        }
        let method = Method::from_bytes(item["method"].as_str()?.to_uppercase().as_bytes()).ok()?;
        let path = dialect.item_path(batch, item)?;
        self.for_batch_item(dialect.service(), &method, &path)
    }
}

impl HitBatch {
    /// The whole batch's answer: what the service says of the rest, and the answers of the items taken. If the service
    /// refuses the batch, that stands.
    pub(crate) fn join(self, of_rest: Option<Response>) -> Response {
        let key = self.dialect.answers_key();
        let Some(mut response) = of_rest else {
            let mut envelope = json!({key: self.answers});
            if matches!(self.dialect, Dialect::ServiceNow) {
                envelope["unserviced_requests"] = json!([]);
            }
            return Response::json(200, "application/json", &envelope);
        };
        let Ok(mut envelope) = serde_json::from_slice::<Value>(&response.body) else {
            return response;
        };
        if let Some(answers) = envelope.get_mut(key).and_then(Value::as_array_mut) {
            answers.extend(self.answers);
            response.body = envelope.to_string().into();
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::HeaderMap;

    use super::*;

    fn batch(path: &str, body: &Value) -> Request {
        Request {
            method: Method::POST,
            path: path.to_owned(),
            query: String::new(),
            headers: HeaderMap::new(),
            body: Bytes::from(body.to_string()),
            base: String::new(),
        }
    }

    fn rules(rule: &Value) -> FaultRules {
        let rules = FaultRules::new(1);
        rules.add(rule.to_string().as_bytes()).expect("a valid rule");
        rules
    }

    fn sent(request: &Request) -> Value {
        serde_json::from_slice(&request.body).expect("JSON")
    }

    #[test]
    fn a_hit_graph_item_is_answered_by_the_rule_and_the_rest_by_the_service() {
        let rules = rules(&json!({
            "path": "^/v1.0/users/ben/photo$", "batch_item": true,
            "do": {"status": 429, "headers": {"Retry-After": "2"}, "body": {"error": {"code": "TooManyRequests"}}},
        }));
        let item = |id: &str, name: &str| json!({"id": id, "method": "GET", "url": format!("users/{name}/photo?x=1")});
        let request = batch(
            "/v1.0/$batch",
            &json!({"requests": [item("1", "ada"), item("2", "ben")]}),
        );

        let hit = rules.hit_batch("entra", &request).expect("hit");
        let rest = hit.rest.clone().expect("one item is left");
        assert_eq!(sent(&rest), json!({"requests": [item("1", "ada")]}));

        let of_rest = Response::json(
            200,
            "application/json",
            &json!({"responses": [{"id": "1", "status": 200}]}),
        );
        let answer: Value = serde_json::from_slice(&hit.join(Some(of_rest)).body).expect("JSON");
        assert_eq!(answer["responses"][0], json!({"id": "1", "status": 200}));
        assert_eq!(answer["responses"][1]["id"], "2");
        assert_eq!(answer["responses"][1]["status"], 429);
        assert_eq!(answer["responses"][1]["headers"]["retry-after"], "2");
        assert_eq!(answer["responses"][1]["body"]["error"]["code"], "TooManyRequests");
    }

    #[test]
    fn an_item_that_depends_on_a_failed_one_fails_with_424() {
        let rules = rules(&json!({"path": "/a$", "batch_item": true, "do": {"status": 503}}));
        let items = json!([
            {"id": "A", "method": "GET", "url": "/a"},
            {"id": "B", "method": "GET", "url": "/b", "dependsOn": ["a"]},
        ]);
        let hit = rules
            .hit_batch("entra", &batch("/v1.0/$batch", &json!({"requests": items})))
            .expect("hit");
        assert!(hit.rest.is_none());
        let answer: Value = serde_json::from_slice(&hit.join(None).body).expect("JSON");
        let status: Vec<_> = answer["responses"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|item| &item["status"])
            .collect();
        assert_eq!(status, [503, 424]);
    }

    #[test]
    fn a_servicenow_item_is_answered_in_that_dialect() {
        let rules =
            rules(&json!({"method": "DELETE", "batch_item": true, "do": {"status": 500, "body": "broken"}}));
        let items = json!([{"id": "1", "method": "DELETE", "url": "/api/now/attachment/x"}]);
        let request = batch(
            "/api/now/v1/batch",
            &json!({"batch_request_id": "7", "rest_requests": items}),
        );

        let hit = rules.hit_batch("servicenow", &request).expect("hit");
        let answer: Value = serde_json::from_slice(&hit.join(None).body).expect("JSON");
        let item = &answer["serviced_requests"][0];
        assert_eq!((&item["id"], &item["status_code"]), (&json!("1"), &json!(500)));
        assert_eq!(item["body"], BASE64.encode("broken"));
        assert_eq!(answer["unserviced_requests"], json!([]));
    }

    #[test]
    fn what_is_no_batch_or_not_hit_goes_on_as_it_is() {
        let rules = rules(&json!({"path": "/photo$", "batch_item": true, "do": {"status": 429}}));
        let items = json!({"requests": [{"id": "1", "method": "GET", "url": "/users/ada"}]});
        assert!(rules.hit_batch("entra", &batch("/v1.0/$batch", &items)).is_none());
        assert!(rules.hit_batch("entra", &batch("/v1.0/users", &items)).is_none());
        assert!(
            rules
                .hit_batch("entra", &batch("/v1.0/$batch", &json!("no envelope")))
                .is_none()
        );
        let refused = Response::empty(400);
        let hit = HitBatch {
            rest: None,
            answers: vec![json!(1)],
            dialect: Dialect::Graph,
        };
        assert_eq!(
            hit.join(Some(refused)).status.as_u16(),
            400,
            "the service's refusal stands"
        );
    }
}
