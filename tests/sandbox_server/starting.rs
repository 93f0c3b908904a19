//! Starting, stopping, and what the ready line says.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use avatar_sync::sandbox::{Sandbox, SandboxError, SandboxOptions};
use serde_json::Value;

use super::support::{Small, Stand, parts, whole};

#[test]
fn the_ready_line_names_every_address_and_credential() {
    let stand = Stand::new();
    let line = stand.sandbox.ready_line();

    let keys: Vec<&str> = line
        .as_object()
        .expect("an object")
        .keys()
        .map(String::as_str)
        .collect();
    let mut expected = [
        "entra_url",
        "servicenow_url",
        "control_url",
        "tenant_id",
        "client_id",
        "client_secret",
        "servicenow_username",
        "servicenow_password",
        "servicenow_client_id",
        "servicenow_client_secret",
    ];
    expected.sort_unstable();
    assert_eq!(keys, expected);
    assert_eq!(line["client_secret"], "entra secret");
    let url = url::Url::parse(line["entra_url"].as_str().expect("text")).expect("a URL");
    assert_eq!(url.host_str(), Some("127.0.0.1"));
    assert_ne!(url.port(), Some(0), "the port that was really taken");
}

#[test]
fn an_address_other_machines_can_reach_is_refused_with_a_sentence() {
    for address in ["0.0.0.0:0", "192.168.1.5:8080", "[::]:0", "8.8.8.8:53"] {
        let options = SandboxOptions {
            servicenow: address.parse().expect("an address"),
            ..SandboxOptions::default()
        };
        let error = Sandbox::serve(parts(Small::new("servicenow")), &options)
            .err()
            .expect("refused");
        assert!(matches!(error, SandboxError::NotLoopback { .. }));
        assert_eq!(
            error.to_string(),
            format!(
                "the sandbox cannot listen on {address} for servicenow: it serves this machine only, so use a loopback \
                 address such as 127.0.0.1:0 or [::1]:0"
            )
        );
    }
}

#[test]
fn an_address_in_use_is_named() {
    let first = Stand::new();
    let taken: SocketAddr = first
        .sandbox
        .entra_url()
        .trim_start_matches("http://")
        .parse()
        .expect("an address");
    let options = SandboxOptions {
        control: taken,
        ..SandboxOptions::default()
    };
    let error = Sandbox::serve(parts(Small::new("servicenow")), &options)
        .err()
        .expect("refused");
    assert_eq!(
        error.to_string(),
        format!("the sandbox cannot listen on {taken} for control; is another program using it?")
    );
}

#[tokio::test]
async fn shutdown_lets_an_open_request_finish_and_then_nothing_listens() {
    let stand = Stand::new();
    let url = format!("{}/held", stand.sandbox.servicenow_url());
    let open = tokio::spawn(stand.client.get(&url).send());
    while stand.servicenow.carried_out() == 0 {
        tokio::task::yield_now().await;
    }

    let mut ending = pin!(stand.sandbox.shutdown());
    assert!(futures::poll!(&mut ending).is_pending());
    let gate = Arc::clone(&stand.servicenow.gate);
    let (opened, (), answer) = tokio::join!(tokio::task::spawn_blocking(move || gate.wait()), ending, open);
    opened.expect("no panic");
    assert_eq!(answer.expect("no panic").expect("answered").status(), 200);
    assert!(reqwest::get(&url).await.expect_err("closed").is_connect());
}

#[tokio::test]
async fn a_dropped_sandbox_listens_no_more() {
    let stand = Stand::new();
    let url = format!("{}/a", stand.sandbox.servicenow_url());
    drop(stand.sandbox);
    let deadline = Instant::now() + Duration::from_secs(10);
    while reqwest::get(&url).await.is_ok() {
        assert!(Instant::now() < deadline, "still listening");
    }
}

#[tokio::test]
async fn a_started_sandbox_serves_both_services_with_the_credentials_of_its_ready_line() {
    let sandbox = whole(20);
    let ready = sandbox.ready_line();
    let text = |key: &str| ready[key].as_str().expect("text").to_owned();
    let client = reqwest::Client::new();
    let form = [
        ("grant_type", "client_credentials".to_owned()),
        ("client_id", text("client_id")),
        ("client_secret", text("client_secret")),
        ("scope", "https://graph.microsoft.com/.default".to_owned()),
    ];
    let form = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(form)
        .finish();
    let token = client
        .post(format!(
            "{}/{}/oauth2/v2.0/token",
            text("entra_url"),
            text("tenant_id")
        ))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(form)
        .send()
        .await
        .expect("answered");
    let token: Value = serde_json::from_str(&token.text().await.expect("text")).expect("JSON");
    let users = client
        .get(format!("{}/v1.0/users?$top=999", text("entra_url")))
        .bearer_auth(token["access_token"].as_str().expect("a token"))
        .send()
        .await
        .expect("answered");
    let users: Value = serde_json::from_str(&users.text().await.expect("text")).expect("JSON");
    assert_eq!(users["value"].as_array().expect("a list").len(), 20);

    let rows = client
        .get(format!(
            "{}/api/now/table/sys_user?sysparm_limit=1",
            text("servicenow_url")
        ))
        .basic_auth(text("servicenow_username"), Some(text("servicenow_password")))
        .send()
        .await
        .expect("answered");
    assert_eq!(rows.status(), 200);
    assert_eq!(sandbox.requests().total, 3);
}
