//! Batches: `entra.md` 3.

use std::collections::BTreeMap;

use avatar_sync::sandbox::entra::PhotoStyle;
use avatar_sync::sandbox::exchange::Service;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use serde_json::{Value, json};

use crate::support::{Answered, Tenant, ask, dimensions, id_of, people, person};

/// The answers by id.
fn by_id(answer: &Value) -> BTreeMap<String, Value> {
    let responses = answer["responses"].as_array().expect("responses").clone();
    responses
        .into_iter()
        .map(|response| (response["id"].as_str().expect("an id").to_owned(), response))
        .collect()
}

fn photo_item(id: &str, name: &str) -> Value {
    json!({"id": id, "method": "GET", "url": format!("/users/{}/photo", id_of(name))})
}

#[test]
fn e39_e40_a_batch_that_is_none() {
    let tenant = Tenant::with(people(1));
    let items = |count: usize| {
        (0..count)
            .map(|id| photo_item(&id.to_string(), "person0"))
            .collect::<Vec<_>>()
    };
    assert_eq!(tenant.batch(&json!(items(20))).status, 200);
    let many = tenant.batch(&json!(items(21)));
    assert_eq!(many.failure(), (400, "BadRequest".to_owned()));
    assert!(
        many.message().contains("Number of requests inside the batch"),
        "{}",
        many.message()
    );
    for items in [
        json!([photo_item("a", "person0"), photo_item("A", "person0")]),
        json!([photo_item("", "person0")]),
        json!([{"method": "GET", "url": "/users"}]),
        json!([{"id": 1, "method": "GET", "url": "/users"}]),
        json!([{"id": "1", "method": "GET", "url": "https://elsewhere.example/v1.0/users"}]),
        json!([{"id": "1", "method": "GET", "url": "/users", "dependsOn": ["2"]}]),
        json!([
            {"id": "1", "method": "GET", "url": "/users", "dependsOn": ["2"]},
            {"id": "2", "method": "GET", "url": "/users", "dependsOn": ["1"]}
        ]),
        json!([]),
        json!("x"),
    ] {
        assert_eq!(
            tenant.batch(&items).failure(),
            (400, "BadRequest".to_owned()),
            "{items}"
        );
    }
}

#[test]
fn e41_present_absent_and_throttled_in_any_order() {
    let tenant = Tenant::with([person("dana").photo(96), person("kai"), person("busy").photo(96)]);
    // Four requests hold the third mailbox.
    let token = format!("Bearer {}", tenant.token);
    let request =
        ask(Method::GET, &format!("/v1.0/users/{}/photo", id_of("busy"))).header("authorization", &token);
    let held: Vec<_> = (0..4)
        .filter_map(|_| tenant.service.admit(&request.request).ok())
        .collect();
    assert_eq!(held.len(), 4);

    let answer = tenant.batch(&json!([
        {"id": "a", "method": "GET", "url": format!("/users/{}/photo/$value", id_of("dana"))},
        photo_item("b", "kai"),
        photo_item("c", "busy"),
    ]));
    assert_eq!(answer.status, 200);
    assert!(answer.header("content-type").starts_with("application/json"));
    let order: Vec<Value> = answer.json()["responses"]
        .as_array()
        .expect("responses")
        .iter()
        .map(|response| response["id"].clone())
        .collect();
    assert_ne!(order, ["a", "b", "c"], "never in the order of the request");

    let answers = by_id(&answer.json());
    let present = &answers["a"];
    assert_eq!(present["status"], 200);
    assert_eq!(present["headers"]["Content-Type"], "image/jpeg");
    assert_eq!(present["headers"]["X-Content-Type-Options"], "nosniff");
    assert!(
        present["headers"]["ETag"]
            .as_str()
            .is_some_and(|etag| etag.starts_with("W/\""))
    );
    let bytes = STANDARD
        .decode(present["body"].as_str().expect("base64"))
        .expect("standard alphabet");
    assert_eq!(dimensions(&bytes), (96, 96));

    assert_eq!(answers["b"]["status"], 404);
    assert_eq!(answers["b"]["headers"]["Content-Type"], "application/json");
    assert_eq!(answers["b"]["body"]["error"]["code"], "ImageNotFound");

    assert_eq!(answers["c"]["status"], 429);
    assert_eq!(answers["c"]["headers"]["Retry-After"], "1");
    assert_eq!(answers["c"]["body"]["error"]["code"], "ApplicationThrottled");
}

#[test]
fn the_same_batch_is_shuffled_in_the_same_way() {
    let tenant = Tenant::with(people(20));
    let items: Vec<Value> = (0..20)
        .map(|id| photo_item(&id.to_string(), &format!("person{id}")))
        .collect();
    let order = || {
        let answer = tenant.batch(&json!(items)).json();
        let responses = answer["responses"].as_array().expect("responses").clone();
        responses
            .iter()
            .map(|response| response["id"].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(order(), order());
}

#[test]
fn e42_an_item_whose_condition_failed_is_not_carried_out() {
    let tenant = Tenant::with([person("dana").photo(96), person("kai")]);
    let mut second = photo_item("2", "dana");
    second["dependsOn"] = json!(["1"]);
    let mut third = photo_item("3", "dana");
    third["dependsOn"] = json!(["2"]);
    let answers = by_id(
        &tenant
            .batch(&json!([third, second, photo_item("1", "kai")]))
            .json(),
    );
    assert_eq!(answers["1"]["status"], 404);
    assert_eq!(answers["2"]["status"], 424);
    assert_eq!(answers["3"]["status"], 424);
    let mut second = photo_item("2", "dana");
    second["dependsOn"] = json!(["1"]);
    let answers = by_id(&tenant.batch(&json!([second, photo_item("1", "dana")])).json());
    assert_eq!(answers["2"]["status"], 200);
}

#[test]
fn items_are_requests_with_their_own_headers_query_and_body() {
    let mut tenant = Tenant::with(people(30));
    tenant.with_roles(&["User.Read.All", "ProfilePhoto.ReadWrite.All"]);
    let picture = STANDARD.encode(crate::support::jpeg(64, 64));
    let answers = by_id(
        &tenant
            .batch(&json!([
                {"id": "list", "method": "GET", "url": "users?$select=id&$top=5"},
                {"id": "count", "method": "GET", "url": "/users/$count", "headers": {"ConsistencyLevel": "eventual"}},
                {"id": "put", "method": "PUT", "url": format!("/users/{}/photo/$value", id_of("person0")),
                 "headers": {"Content-Type": "image/jpeg"}, "body": picture},
                {"id": "nested", "method": "POST", "url": "/$batch",
                 "headers": {"Content-Type": "application/json"}, "body": {"requests": []}},
                {"id": "nothing", "method": "GET", "url": "/nothing"},
            ]))
            .json(),
    );
    assert_eq!(answers["list"]["body"]["value"].as_array().map(Vec::len), Some(5));
    assert_eq!(answers["list"]["headers"]["x-ms-resource-unit"], "1");
    let next = answers["list"]["body"]["@odata.nextLink"].as_str().expect("more");
    assert!(
        next.contains("/v1.0/users?$select=id&$top=5&$skiptoken="),
        "{next}"
    );
    assert_eq!(answers["count"]["body"], 30);
    assert_eq!(answers["put"]["status"], 200);
    assert_eq!(
        tenant
            .get(&format!("/v1.0/users/{}/photo", id_of("person0")))
            .json()["width"],
        64
    );
    assert_eq!(answers["nested"]["status"], 400);
    assert_eq!(answers["nothing"]["status"], 400);
}

#[test]
fn in_2017_an_item_without_a_photo_had_no_body() {
    let tenant = Tenant::with_settings([person("kai")], |settings| {
        settings.photo_style = PhotoStyle::Batch2017;
    });
    let answers = by_id(&tenant.batch(&json!([photo_item("1", "kai")])).json());
    assert_eq!(answers["1"]["status"], 404);
    assert_eq!(answers["1"]["body"], Value::Null);
}

#[test]
fn a_batch_of_twenty_photos_takes_five_service_times() {
    let tenant = Tenant::with(people(20));
    let items: Vec<Value> = (0..20)
        .map(|id| photo_item(&id.to_string(), &format!("person{id}")))
        .collect();
    let rounds = |items: &Value| {
        let request = ask(Method::POST, "/v1.0/$batch")
            .header("authorization", &format!("Bearer {}", tenant.token))
            .body(json!({ "requests": items }).to_string());
        tenant
            .service
            .admit(&request.request)
            .unwrap_or_else(|_| panic!("let in"))
            .rounds
    };
    assert_eq!(rounds(&json!(items)), 5);
    assert_eq!(rounds(&json!(items[..4])), 1);
    let directory = json!([{"id": "1", "method": "GET", "url": "/users"}, {"id": "2", "method": "GET", "url": "/groups"}]);
    assert_eq!(rounds(&directory), 1);
    tenant.switch(|settings| settings.batch_parallel = 10);
    assert_eq!(rounds(&json!(items)), 2);
}

#[test]
fn a_batch_without_a_token_is_refused_as_a_whole() {
    let tenant = Tenant::with(people(1));
    let tenant = Tenant {
        token: String::new(),
        ..tenant
    };
    assert_eq!(tenant.batch(&json!([photo_item("1", "person0")])).status, 401);
}
