//! Throttling: `entra.md` 7.

use avatar_sync::sandbox::entra::{Latency, OutlookConcurrency, ThrottleCounters};
use avatar_sync::sandbox::exchange::{Admission, Response, Service};
use http::Method;
use jiff::SignedDuration;
use serde_json::json;

use crate::support::{Answered, CLIENT, TENANT, Tenant, ask, id_of, people, person};

fn admit(tenant: &Tenant, url: &str) -> Result<Admission, Box<Response>> {
    let request = ask(Method::GET, url).header("authorization", &format!("Bearer {}", tenant.token));
    tenant.service.admit(&request.request).map_err(Box::new)
}

#[test]
fn e43_a_fifth_request_to_a_mailbox_is_refused() {
    let tenant = Tenant::with([person("dana").photo(96), person("kai")]);
    let photo = format!("/v1.0/users/{}/photo", id_of("dana"));
    let held: Vec<_> = (0..4).map(|_| admit(&tenant, &photo)).collect();
    assert!(held.iter().all(Result::is_ok));
    let refused = admit(&tenant, &photo).err().expect("the fifth");
    assert_eq!(refused.failure(), (429, "ApplicationThrottled".to_owned()));
    assert_eq!(
        refused.message(),
        "Application is over its MailboxConcurrency limit."
    );
    assert_eq!(refused.header("retry-after"), "1");
    assert!(!refused.header("request-id").is_empty());
    // Another mailbox and the directory are not concerned.
    assert!(admit(&tenant, &format!("/v1.0/users/{}/photo", id_of("kai"))).is_ok());
    assert!(admit(&tenant, "/v1.0/users").is_ok());
    drop(held);
    tenant.advance(SignedDuration::from_secs(1));
    assert!(admit(&tenant, &photo).is_ok());
}

#[test]
fn four_can_also_mean_four_of_the_application() {
    let tenant = Tenant::with_settings(people(5), |settings| {
        settings.outlook_concurrency = OutlookConcurrency::PerApp4;
    });
    let held: Vec<_> = (0..4)
        .map(|number| {
            admit(
                &tenant,
                &format!("/v1.0/users/{}/photo", id_of(&format!("person{number}"))),
            )
        })
        .collect();
    assert!(held.iter().all(Result::is_ok));
    let fifth = format!("/v1.0/users/{}/photo", id_of("person4"));
    assert!(admit(&tenant, &fifth).is_err());
    tenant.switch(|settings| settings.throttling = false);
    assert!(admit(&tenant, &fifth).is_ok());
}

#[test]
fn e44_exhausted_units_pause_the_directory() {
    let tenant = Tenant::with_settings(people(3), |settings| settings.directory_units = Some(4));
    assert_eq!(tenant.get("/v1.0/users").status, 200);
    assert_eq!(tenant.get("/v1.0/users").status, 200);
    let refused = tenant.get("/v1.0/users");
    assert_eq!(refused.failure(), (429, "TooManyRequests".to_owned()));
    assert_eq!(refused.message(), "Please retry again later.");
    let inner = refused.json()["error"]["innerError"].clone();
    assert_eq!((&inner["code"], &inner["status"]), (&json!("429"), &json!("429")));
    assert_eq!(inner["message"], "Please retry after");
    assert_eq!(
        refused.header("x-ms-throttle-scope"),
        format!("Tenant_Application/ReadWrite/{CLIENT}/{TENANT}")
    );
    assert_eq!(
        refused.header("x-ms-throttle-information"),
        "ResourceUnitLimitExceeded"
    );
    let wait: i64 = refused.header("retry-after").parse().expect("whole seconds");
    assert!((1..=10).contains(&wait), "{wait}");
    tenant.advance(SignedDuration::from_secs(wait));
    assert_eq!(tenant.get("/v1.0/users").status, 200);
}

#[test]
fn whoever_comes_back_early_waits_anew_and_is_counted() {
    let tenant = Tenant::with_settings(people(3), |settings| settings.directory_units = Some(2));
    assert_eq!(tenant.get("/v1.0/users").status, 200);
    let wait: i64 = tenant
        .get("/v1.0/users")
        .header("retry-after")
        .parse()
        .expect("whole seconds");
    tenant.advance(SignedDuration::from_secs(wait - 2));
    let again: i64 = tenant
        .get("/v1.0/users")
        .header("retry-after")
        .parse()
        .expect("whole seconds");
    assert_eq!(again, wait);
    assert_eq!(
        tenant.service.throttle_counters(),
        ThrottleCounters { refused: 2, early: 1 }
    );
    tenant.advance(SignedDuration::from_secs(wait));
    assert_eq!(tenant.get("/v1.0/users").status, 200);
    tenant.service.reset_throttling();
    assert_eq!(tenant.service.throttle_counters(), ThrottleCounters::default());
}

#[test]
fn e45_high_use_is_announced() {
    let tenant = Tenant::with_settings(people(3), |settings| settings.directory_units = Some(20));
    for _ in 0..8 {
        let answer = tenant.get("/v1.0/users");
        let is_high = answer.headers.contains_key("x-ms-throttle-limit-percentage");
        assert_eq!(is_high, answer.header("x-ms-throttle-limit-percentage") == "0.80");
    }
    let url = format!("/v1.0/users/{}", id_of("person0"));
    assert_eq!(tenant.get(&url).header("x-ms-throttle-limit-percentage"), "0.85");
}

#[test]
fn items_of_a_batch_count_one_by_one() {
    let tenant = Tenant::with_settings(people(20), |settings| settings.directory_units = Some(7));
    let items: Vec<_> = (0..20)
        .map(|id| json!({"id": id.to_string(), "method": "GET", "url": format!("/users/person{id}@northwind.example")}))
        .collect();
    let answer = tenant.batch(&json!(items));
    assert_eq!(answer.status, 200);
    let statuses: Vec<u64> = answer.json()["responses"]
        .as_array()
        .expect("responses")
        .iter()
        .filter_map(|response| response["status"].as_u64())
        .collect();
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 7);
    assert_eq!(statuses.iter().filter(|status| **status == 429).count(), 13);
}

#[test]
fn refused_tokens_cost_nothing() {
    let tenant = Tenant::with_settings(people(3), |settings| settings.directory_units = Some(2));
    let request = ask(Method::GET, "/v1.0/users");
    for _ in 0..10 {
        assert!(tenant.service.admit(&request.request).is_ok());
        assert_eq!(tenant.service.answer(&request.request).status, 401);
    }
    assert_eq!(tenant.get("/v1.0/users").status, 200);
}

#[test]
fn service_times_are_in_the_queue_of_the_admission() {
    let tenant = Tenant::with_settings(people(3), |settings| {
        settings.throttling = false;
        settings.latency = Latency::Fixed(90.0);
    });
    let queue = |url: &str| match admit(&tenant, url) {
        Ok(admission) => admission.queue.as_millis(),
        Err(refused) => panic!("refused: {}", refused.code()),
    };
    assert_eq!(queue("/v1.0/users"), 90);
    tenant.switch(|settings| {
        settings.latency = Latency::Lognormal {
            median: 90.0,
            p99: 400.0,
        };
    });
    let mut times: Vec<u128> = (0..2_001).map(|_| queue("/v1.0/users")).collect();
    times.sort_unstable();
    assert!((80..=100).contains(&times[1_000]), "median {}", times[1_000]);
    assert!(
        (300..=550).contains(&times[1_980]),
        "slowest hundredth {}",
        times[1_980]
    );
}
