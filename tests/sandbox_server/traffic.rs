//! Latency, admission, the clock, and what is counted.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use avatar_sync::sandbox::counts::Lane;
use avatar_sync::sandbox::{Latency, SandboxOptions};
use serde_json::{Value, json};

use super::support::{Small, Stand};

#[tokio::test]
async fn latency_is_waited_once_for_every_round() {
    let mut small = Small::new("servicenow");
    Arc::get_mut(&mut small).expect("not shared yet").rounds = 5;
    let options = SandboxOptions {
        latency: Latency::fixed(Duration::from_millis(20)),
        ..SandboxOptions::default()
    };
    let stand = Stand::with(small, options);

    let start = Instant::now();
    stand.read("/a").await.expect("answered");
    assert!(start.elapsed() >= Duration::from_millis(100));
}

#[tokio::test]
async fn a_client_that_goes_away_gives_its_place_back_and_counts_as_abandoned() {
    let stand = Stand::new();
    stand.sandbox.set_latency(Latency::fixed(Duration::from_mins(1)));
    let gone = stand.get("/a");
    assert!(
        tokio::time::timeout(Duration::from_millis(100), gone)
            .await
            .is_err()
    );

    let deadline = Instant::now() + Duration::from_secs(10);
    while stand.sandbox.traffic(0).lanes[&Lane::Servicenow].abandoned == 0 {
        assert!(Instant::now() < deadline, "the server has not noticed");
        tokio::task::yield_now().await;
    }
    assert_eq!(stand.servicenow.admitted.load(Ordering::SeqCst), 0);
    assert_eq!(stand.servicenow.carried_out(), 0);
}

#[tokio::test]
async fn requests_are_counted_by_route_until_the_counts_are_reset() {
    let stand = Stand::new();
    for path in ["/a", "/a", "/b?x=1"] {
        stand.read(path).await.expect("answered");
    }
    let entra = format!("{}/v1.0/users", stand.sandbox.entra_url());
    stand.client.get(entra).send().await.expect("answered");

    let counts = json!({
        "total": 4,
        "by_route": {"entra GET /v1.0/users": 1, "servicenow GET /a": 2, "servicenow GET /b": 1},
    });
    assert_eq!(
        stand.control("GET", "/requests", &Value::Null).await,
        (200, counts)
    );
    assert_eq!(stand.control("DELETE", "/requests", &Value::Null).await.0, 204);
    let none = json!({"total": 0, "by_route": {}});
    assert_eq!(stand.control("GET", "/requests", &Value::Null).await, (200, none));
}

#[tokio::test]
async fn traffic_tells_early_requests_retries_and_the_latest_requests() {
    let stand = Stand::new();
    stand.read("/full").await.expect("refused");
    let (_, clock) = stand.control("POST", "/clock", &json!({"advance_s": 1})).await;
    assert_eq!(clock["advanced_s"], 1);
    stand.read("/full").await.expect("refused");
    stand.control("POST", "/clock", &json!({"advance_s": 6})).await;
    stand.read("/a").await.expect("answered");

    let (_, traffic) = stand.control("GET", "/traffic?log=2", &Value::Null).await;
    let lane = &traffic["lanes"]["servicenow"];
    assert_eq!((&lane["requests"], &lane["throttled"]), (&json!(3), &json!(2)));
    assert_eq!((&lane["early"], &lane["retries"]), (&json!(1), &json!(1)));
    assert_eq!(lane["in_flight"], 0);
    assert_eq!(traffic["sessions"]["opened"], 3);
    let log = traffic["log"].as_array().expect("a list");
    assert_eq!(log.len(), 2);
    assert_eq!((&log[0]["status"], &log[0]["early"]), (&json!(429), &json!(true)));
    assert_eq!(
        (&log[1]["route"], &log[1]["early"]),
        (&json!("servicenow GET /a"), &json!(false))
    );
}

#[tokio::test]
async fn advancing_the_clock_moves_the_date_of_answers() {
    let stand = Stand::new();
    let date = async || {
        let response = stand.get("/a").await.expect("answered");
        httpdate::parse_http_date(response.headers()["date"].to_str().expect("text")).expect("a date")
    };
    let before = date().await;
    stand
        .control("POST", "/clock", &json!({"advance_s": 7_200}))
        .await;
    let passed = date().await.duration_since(before).expect("later");
    assert!(
        passed >= Duration::from_hours(2) && passed < Duration::from_mins(121),
        "{passed:?}"
    );
}

#[tokio::test]
async fn latency_can_be_changed_while_the_sandbox_runs() {
    let stand = Stand::new();
    let fast = json!({"latency_ms": 0, "latency_p99_ms": null});
    assert_eq!(
        stand.control("GET", "/settings/server", &Value::Null).await,
        (200, fast)
    );
    let slow = json!({"latency_ms": 90, "latency_p99_ms": 400});
    assert_eq!(
        stand.control("PATCH", "/settings/server", &slow).await,
        (200, slow.clone())
    );
    assert_eq!(
        stand.control("GET", "/settings/server", &Value::Null).await,
        (200, slow)
    );
}
