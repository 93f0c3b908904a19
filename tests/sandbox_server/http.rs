//! HTTP as any client sees it.

use avatar_sync::sandbox::server::LARGEST_BODY;

use super::support::{BODY, GET_A, Stand};

#[tokio::test]
async fn head_is_answered_like_get_without_the_body() {
    let stand = Stand::new();
    let url = format!("{}/a", stand.sandbox.servicenow_url());
    let head = stand.client.head(&url).send().await.expect("answered");

    assert_eq!(head.status(), 200);
    assert_eq!(head.headers()["content-length"], BODY.len().to_string().as_str());
    assert_eq!(head.headers()["content-type"], "application/json");
    assert_eq!(head.text().await.expect("no body"), "");
    assert_eq!(stand.sandbox.requests().by_route["servicenow HEAD /a"], 1);
}

#[tokio::test]
async fn links_follow_the_host_that_was_asked_or_the_proxy_in_front() {
    let stand = Stand::new();
    assert_eq!(
        stand.read("/base").await.expect("answered").1,
        stand.sandbox.servicenow_url()
    );

    let proxied = stand
        .client
        .get(format!("{}/base", stand.sandbox.servicenow_url()))
        .header("x-forwarded-proto", "https")
        .header("x-forwarded-host", "dev12345.service-now.com, inner")
        .send()
        .await
        .expect("answered");
    assert_eq!(
        proxied.text().await.expect("text"),
        "https://dev12345.service-now.com"
    );
}

#[tokio::test]
async fn an_answer_can_be_chunked_and_one_without_body_has_no_length() {
    let stand = Stand::new();
    let chunked = stand.get("/chunked").await.expect("answered");
    assert!(chunked.headers().get("content-length").is_none());
    assert_eq!(chunked.headers()["transfer-encoding"], "chunked");
    assert_eq!(chunked.text().await.expect("text"), BODY);

    let none = stand.get("/none").await.expect("answered");
    assert_eq!(none.status(), 204);
    assert!(none.headers().get("content-length").is_none());
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_and_one_within_it_is_read() {
    let stand = Stand::new();
    let upload = async |length| {
        let url = format!("{}/length", stand.sandbox.servicenow_url());
        let response = stand
            .client
            .post(url)
            .body(vec![b'x'; length])
            .send()
            .await
            .expect("answered");
        (response.status().as_u16(), response.text().await.expect("text"))
    };
    assert_eq!(upload(1_000_000).await, (200, "1000000".to_owned()));

    let request = format!(
        "POST /length HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n",
        LARGEST_BODY + 1
    );
    let (answer, _) = stand.raw(&request);
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert_eq!(stand.servicenow.carried_out(), 1);
}

#[tokio::test]
async fn many_requests_share_one_connection() {
    let stand = Stand::new();
    let (answer, _) = stand.raw(&format!(
        "{GET_A}{GET_A}GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    ));
    assert_eq!(answer.matches("HTTP/1.1 200 OK").count(), 3);
}

#[tokio::test]
async fn a_heavy_request_is_answered_like_any_other() {
    let stand = Stand::new();
    assert_eq!(
        stand.read("/heavy").await.expect("answered"),
        (200, BODY.to_owned())
    );
}
