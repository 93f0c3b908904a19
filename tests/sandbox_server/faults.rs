//! Every fault as a client sees it.

use std::time::{Duration, Instant};

use avatar_sync::sandbox::counts::Lane;
use avatar_sync::sandbox::world::instance::{Actor, NewAttachment, ScanState};
use avatar_sync::sandbox::world::picture::Picture;
use serde_json::{Value, json};

use super::support::{BODY, GET_A, Stand, ada};

#[tokio::test]
async fn fault_status_is_answered_instead_of_the_service() {
    let stand = Stand::new();
    stand
        .fault(json!({"status": 429, "headers": {"Retry-After": "2"}, "body": "slow down"}))
        .await;
    let response = stand.get("/a").await.expect("answered");

    assert_eq!(response.status(), 429);
    assert_eq!(response.headers()["retry-after"], "2");
    assert_eq!(response.text().await.expect("text"), "slow down");
    assert_eq!(stand.servicenow.carried_out(), 0);
}

#[tokio::test]
async fn fault_carried_out_does_the_work_and_answers_something_else() {
    let stand = Stand::new();
    stand.fault(json!({"status": 504, "carried_out": true})).await;
    assert_eq!(stand.read("/a").await.expect("answered").0, 504);
    assert_eq!(stand.servicenow.carried_out(), 1);
}

#[tokio::test]
async fn fault_html_serves_the_page_that_stands_in_the_way() {
    let pages = [
        ("login", "Log in"),
        ("hibernating", "Your instance is hibernating"),
        ("maintenance", "Your instance is currently offline"),
    ];
    for (page, text) in pages {
        let stand = Stand::new();
        stand.fault(json!({"html": page})).await;
        let response = stand.get("/a").await.expect("answered");
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/html;charset=UTF-8");
        let body = response.text().await.expect("text");
        assert!(body.contains(text), "{page}: {body}");
    }
}

#[tokio::test]
async fn fault_delay_holds_the_request_back_and_then_lets_it_through() {
    let stand = Stand::new();
    stand.fault(json!({"delay_ms": 60})).await;
    let start = Instant::now();
    assert_eq!(stand.read("/a").await.expect("answered").1, BODY);
    assert!(start.elapsed() >= Duration::from_millis(60));
}

#[tokio::test]
async fn fault_drop_before_and_after_differ_only_in_what_was_done() {
    for (point, carried_out) in [("before", 0), ("after", 1)] {
        let stand = Stand::new();
        stand.fault(json!({"drop": point})).await;
        let (answer, _) = stand.raw(GET_A);
        assert_eq!(answer, "", "{point}");
        assert_eq!(stand.servicenow.carried_out(), carried_out, "{point}");
        assert_eq!(stand.sandbox.traffic(0).lanes[&Lane::Servicenow].dropped, 1);
    }
}

#[tokio::test]
async fn fault_drop_mid_body_ends_the_connection_after_half_of_the_body() {
    let stand = Stand::new();
    stand.fault(json!({"drop": "mid_body"})).await;
    let (answer, _) = stand.raw(GET_A);
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");

    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"));
    assert!(head.contains(&format!("content-length: {}", BODY.len())));
    assert_eq!(body, &BODY[..BODY.len() / 2]);
    assert!(
        stand.read("/a").await.is_err(),
        "no client takes it for an answer"
    );
}

#[tokio::test]
async fn fault_reset_breaks_the_connection_after_that_many_bytes() {
    let stand = Stand::new();
    stand.fault(json!({"reset_after_bytes": 20})).await;
    let (answer, ending) = stand.raw(GET_A);

    // A reset may overtake what was sent before it.
    assert!(
        "HTTP/1.1 200 OK\r\ncon".starts_with(&answer) && answer.len() <= 20,
        "{answer}"
    );
    assert_eq!(
        ending.expect_err("not an orderly end").kind(),
        std::io::ErrorKind::ConnectionReset
    );
}

#[tokio::test]
async fn fault_truncate_body_cuts_the_body_but_not_the_message() {
    let stand = Stand::new();
    stand.fault(json!({"truncate_body": 7})).await;
    assert_eq!(
        stand.read("/a").await.expect("well framed"),
        (200, BODY[..7].to_owned())
    );

    let stand = Stand::new();
    stand.fault(json!({"empty": true})).await;
    assert_eq!(stand.read("/a").await.expect("well framed"), (200, String::new()));
}

#[tokio::test]
async fn fault_wrong_length_is_too_large_or_too_small() {
    let stand = Stand::new();
    stand.fault(json!({"wrong_length": 5})).await;
    let (answer, _) = stand.raw(GET_A);
    assert!(answer.contains(&format!("content-length: {}\r\n", BODY.len() + 5)));
    assert!(answer.ends_with(BODY));

    let stand = Stand::new();
    stand.fault(json!({"wrong_length": -5})).await;
    assert_eq!(
        stand.read("/a").await.expect("looks well framed").1,
        BODY[..BODY.len() - 5]
    );
}

#[tokio::test]
async fn fault_trickle_sends_the_answer_at_its_rate() {
    let stand = Stand::new();
    stand.fault(json!({"trickle": 1_000})).await;
    let start = Instant::now();
    let (answer, _) = stand.raw(GET_A);

    let least = Duration::from_millis(answer.len() as u64 * 9 / 10);
    assert!(answer.ends_with(BODY));
    assert!(
        start.elapsed() >= least,
        "{} bytes in {:?}",
        answer.len(),
        start.elapsed()
    );
}

#[tokio::test]
async fn fault_endless_never_stops() {
    let stand = Stand::new();
    stand.fault(json!({"endless": true})).await;
    let mut response = stand.get("/a").await.expect("a head");
    let mut received = 0;
    while received < 2_000_000 {
        received += response.chunk().await.expect("well framed").expect("more").len();
    }
}

#[tokio::test]
async fn fault_duplicate_carries_out_twice_and_answers_once() {
    let stand = Stand::new();
    stand.fault(json!({"duplicate": true})).await;
    assert_eq!(stand.read("/a").await.expect("answered").0, 200);
    assert_eq!(stand.servicenow.carried_out(), 2);
}

#[tokio::test]
async fn fault_redirect_and_foreign_link_lead_elsewhere() {
    let stand = Stand::new();
    stand
        .fault(json!({"redirect": "https://elsewhere.example/login.do"}))
        .await;
    let (answer, _) = stand.raw("GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 302 Found\r\n"));
    assert!(answer.contains("location: https://elsewhere.example/login.do\r\n"));
    assert_eq!(stand.servicenow.carried_out(), 0);

    let stand = Stand::new();
    stand
        .fault(json!({"foreign_link": "https://elsewhere.example"}))
        .await;
    assert_eq!(
        stand.read("/base").await.expect("answered").1,
        "https://elsewhere.example"
    );
}

#[tokio::test]
async fn fault_expired_token_speaks_the_words_of_the_service() {
    let stand = Stand::new();
    let (status, _) = stand
        .control("POST", "/faults", &json!({"do": {"expired_token": true}}))
        .await;
    assert_eq!(status, 201);

    let instance = stand.get("/a").await.expect("answered");
    assert_eq!(instance.status(), 401);
    assert_eq!(
        instance.headers()["www-authenticate"],
        "BASIC realm=\"Service-now\""
    );
    let graph = stand
        .client
        .get(format!("{}/v1.0/users", stand.sandbox.entra_url()))
        .send()
        .await
        .expect("answered");
    assert_eq!(graph.status(), 401);
    assert!(graph.text().await.expect("text").contains("the token is expired"));
}

#[tokio::test]
async fn faults_are_listed_and_removed_and_then_the_service_answers_again() {
    let stand = Stand::new();
    stand.fault(json!({"status": 500})).await;
    assert_eq!(stand.read("/a").await.expect("answered").0, 500);
    let (_, list) = stand.control("GET", "/faults", &Value::Null).await;
    assert_eq!(list[0]["acted"], 1);
    assert_eq!(list[0]["rule"]["do"], json!({"status": 500}));

    assert_eq!(stand.control("DELETE", "/faults", &Value::Null).await.0, 204);
    assert_eq!(stand.read("/a").await.expect("answered").0, 200);
}

#[tokio::test]
async fn fault_meanwhile_lets_somebody_else_change_the_world_first() {
    let stand = Stand::new();
    ada(&stand);
    let meanwhile =
        json!({"method": "PUT", "path": "/entra/users/ada@contoso.example/photo", "body": "theirs"});
    stand.fault(json!({"meanwhile": meanwhile})).await;
    assert_eq!(stand.read("/a").await.expect("answered").1, BODY);

    let directory = stand.sandbox.world().directory.read();
    let photo = directory
        .find("ada@contoso.example")
        .and_then(|user| user.photo.clone())
        .expect("a photo");
    assert_eq!(photo.picture.bytes(), &b"theirs"[..]);
}

#[tokio::test]
async fn a_rule_that_cannot_do_its_work_says_so_in_the_list() {
    let stand = Stand::new();
    stand.fault(json!({"quarantine": true})).await;
    stand.read("/a").await.expect("answered");
    let (_, list) = stand.control("GET", "/faults", &Value::Null).await;
    assert_eq!(
        list[0]["complaint"],
        "The request was no upload that succeeded, so there was nothing to change."
    );
}

#[tokio::test]
async fn faults_quarantine_and_keep_change_an_upload_after_it_was_answered() {
    let stand = Stand::new();
    let user = ada(&stand);
    let upload = async || {
        let id = stand.sandbox.world().instance.write().attach(
            NewAttachment {
                table_name: "ZZ_YYsys_user",
                table_sys_id: user,
                file_name: "photo",
                content_type: "image/jpeg",
                content: Picture::from_bytes(&b"0123456789"[..]),
                scan: ScanState::Available,
                has_hash: true,
            },
            Actor {
                name: "svc",
                now: stand.sandbox.world().clock.now(),
            },
        );
        stand.read(&format!("/uploaded/{id}")).await.expect("answered");
        stand
            .sandbox
            .world()
            .instance
            .read()
            .attachment(id)
            .expect("stored")
    };

    stand.fault(json!({"quarantine": true})).await;
    assert_eq!(upload().await.scan, ScanState::NotAvailable);
    stand.control("DELETE", "/faults", &Value::Null).await;
    stand.fault(json!({"keep": "half"})).await;
    assert_eq!(upload().await.content.bytes(), &b"01234"[..]);
    stand.control("DELETE", "/faults", &Value::Null).await;
    stand.fault(json!({"keep": "pixel"})).await;
    assert_eq!(upload().await.content, Picture::single_pixel());
}

#[tokio::test]
async fn fault_on_a_batch_item_leaves_the_other_items_to_the_service() {
    let stand = Stand::new();
    let rule =
        json!({"service": "entra", "path": "/users/ben/photo$", "batch_item": true, "do": {"status": 429}});
    assert_eq!(stand.control("POST", "/faults", &rule).await.0, 201);
    let item =
        |id: &str, name: &str| json!({"id": id, "method": "GET", "url": format!("/users/{name}/photo")});
    let batch = json!({"requests": [item("1", "ada"), item("2", "ben")]});
    let response = stand
        .client
        .post(format!("{}/v1.0/$batch", stand.sandbox.entra_url()))
        .body(batch.to_string())
        .send()
        .await
        .expect("answered");
    let answer: Value = serde_json::from_str(&response.text().await.expect("text")).expect("JSON");
    assert_eq!(
        answer["responses"],
        json!([
            {"id": "1", "status": 200},
            {"id": "2", "status": 429, "headers": {}, "body": null},
        ])
    );
}
