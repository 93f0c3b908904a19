//! The sandbox's HTTP server and control address, over real sockets, with services so small that only the server can
//! be at fault.

use std::io::{BufRead, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use avatar_sync::sandbox::counts::Lane;
use avatar_sync::sandbox::entra::EntraSettings;
use avatar_sync::sandbox::exchange::{Admission, Request, Response, Service};
use avatar_sync::sandbox::server::LARGEST_BODY;
use avatar_sync::sandbox::servicenow::ServiceNowSettings;
use avatar_sync::sandbox::world::directory::{Directory, DirectoryUser, Mailbox};
use avatar_sync::sandbox::world::instance::{
    Actor, Audit, Instance, NewAttachment, ScanState, SysId, UserRow,
};
use avatar_sync::sandbox::world::picture::Picture;
use avatar_sync::sandbox::world::{Credentials, World};
use avatar_sync::sandbox::{self, Latency, Parts, Sandbox, SandboxError, SandboxOptions};
use serde_json::{Value, json};

const BODY: &str = r#"{"value":"0123456789012345678901234567890123456789"}"#;

/// Answers everything with [`BODY`] and counts what it has carried out.
struct Small {
    name: &'static str,
    carried_out: AtomicU32,
    admitted: Arc<AtomicUsize>,
    rounds: u32,
}

impl Small {
    fn new(name: &'static str) -> Arc<Self> {
        Arc::new(Self {
            name,
            carried_out: AtomicU32::new(0),
            admitted: Arc::default(),
            rounds: 1,
        })
    }

    fn carried_out(&self) -> u32 {
        self.carried_out.load(Ordering::SeqCst)
    }
}

/// Counts requests between admission and answer.
struct Permit(Arc<AtomicUsize>);

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Service for Small {
    fn name(&self) -> &'static str {
        self.name
    }

    fn route(&self, request: &Request) -> String {
        format!("{} {}", request.method, request.path)
    }

    fn admit(&self, request: &Request) -> Result<Admission, Response> {
        if request.path == "/full" {
            return Err(Response::empty(429).with_header("retry-after", "5"));
        }
        self.admitted.fetch_add(1, Ordering::SeqCst);
        Ok(Admission {
            permit: Box::new(Permit(Arc::clone(&self.admitted))),
            rounds: self.rounds,
            ..Admission::free()
        })
    }

    fn answer(&self, request: &Request) -> Response {
        self.carried_out.fetch_add(1, Ordering::SeqCst);
        match request.path.as_str() {
            "/base" => Response::new(200, "text/plain", request.base.clone()),
            "/length" => Response::new(200, "text/plain", request.body.len().to_string()),
            "/chunked" => Response::new(200, "text/plain", BODY).with_header("transfer-encoding", "chunked"),
            "/none" => Response::empty(204),
            "/v1.0/$batch" => echo_batch(request),
            path if path.starts_with("/uploaded/") => Response::json(
                201,
                "application/json",
                &json!({"result": {"sys_id": &path["/uploaded/".len()..]}}),
            ),
            _ => Response::new(200, "application/json", BODY),
        }
    }

    fn is_heavy(&self, request: &Request) -> bool {
        request.path == "/heavy"
    }
}

/// Answers 200 to every item.
fn echo_batch(request: &Request) -> Response {
    let batch: Value = serde_json::from_slice(&request.body).expect("a batch");
    let items = batch["requests"].as_array().expect("a list").iter();
    let answers: Vec<Value> = items
        .map(|item| json!({"id": item["id"], "status": 200}))
        .collect();
    Response::json(200, "application/json", &json!({"responses": answers}))
}

struct Stand {
    sandbox: Sandbox,
    servicenow: Arc<Small>,
    client: reqwest::Client,
}

impl Stand {
    fn new() -> Self {
        Self::with(Small::new("servicenow"), SandboxOptions::default())
    }

    fn with(servicenow: Arc<Small>, options: SandboxOptions) -> Self {
        // Another test may have been first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Self {
            sandbox: Sandbox::serve(parts(Arc::clone(&servicenow)), &options).expect("the sandbox starts"),
            servicenow,
            client: reqwest::Client::new(),
        }
    }

    async fn get(&self, path: &str) -> reqwest::Result<reqwest::Response> {
        self.client
            .get(format!("{}{path}", self.sandbox.servicenow_url()))
            .send()
            .await
    }

    /// The status and the whole body; an error wherever the exchange breaks.
    async fn read(&self, path: &str) -> reqwest::Result<(u16, String)> {
        let response = self.get(path).await?;
        Ok((response.status().as_u16(), response.text().await?))
    }

    async fn control(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let method = reqwest::Method::from_bytes(method.as_bytes()).expect("a method");
        let response = self
            .client
            .request(method, format!("{}{path}", self.sandbox.control_url()))
            .body(if body.is_null() {
                String::new()
            } else {
                body.to_string()
            })
            .send()
            .await
            .expect("the control address answers");
        let status = response.status().as_u16();
        let text = response.text().await.expect("a body");
        (status, serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    async fn fault(&self, effect: Value) {
        let rule = json!({"service": "servicenow", "do": effect});
        let (status, answer) = self.control("POST", "/faults", &rule).await;
        assert_eq!(status, 201, "{answer}");
    }

    /// Everything a client gets over a connection of its own, until the server ends it.
    fn raw(&self, request: &str) -> (String, std::io::Result<usize>) {
        let address = self.sandbox.servicenow_url().trim_start_matches("http://");
        let mut stream = TcpStream::connect(address).expect("connects");
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .expect("a time limit");
        stream.write_all(request.as_bytes()).expect("sends");
        let mut received = Vec::new();
        let ending = stream.read_to_end(&mut received);
        (String::from_utf8_lossy(&received).into_owned(), ending)
    }
}

fn parts(servicenow: Arc<Small>) -> Parts {
    let credentials = Credentials {
        tenant_id: "tenant".to_owned(),
        client_id: "client".to_owned(),
        client_secret: "entra secret".to_owned(),
        servicenow_username: "user".to_owned(),
        servicenow_password: "password".to_owned(),
        servicenow_client_id: "oauth client".to_owned(),
        servicenow_client_secret: "oauth secret".to_owned(),
    };
    let world = World::new(Directory::default(), Instance::default(), credentials);
    Parts {
        entra: Small::new("entra"),
        servicenow,
        ..Parts::new(world, EntraSettings::default(), ServiceNowSettings::default())
    }
}

const GET_A: &str = "GET /a HTTP/1.1\r\nHost: x\r\n\r\n";

// Starting and stopping

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
    let options = SandboxOptions {
        latency: Latency::fixed(Duration::from_millis(200)),
        ..SandboxOptions::default()
    };
    let stand = Stand::with(Small::new("servicenow"), options);
    let url = format!("{}/a", stand.sandbox.servicenow_url());
    let open = tokio::spawn(stand.client.get(&url).send());
    while stand.servicenow.admitted.load(Ordering::SeqCst) == 0 {
        tokio::task::yield_now().await;
    }

    stand.sandbox.shutdown().await;
    assert_eq!(open.await.expect("no panic").expect("answered").status(), 200);
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

// HTTP

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

// Latency, admission, counts

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
    stand.sandbox.set_latency(Latency::fixed(Duration::from_secs(60)));
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
        passed >= Duration::from_secs(7_200) && passed < Duration::from_secs(7_260),
        "{passed:?}"
    );
}

// Faults, as a client sees them

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

// People at the control address

/// A world in which Ada is on both sides, without a picture.
fn ada(stand: &Stand) -> SysId {
    let world = stand.sandbox.world();
    let sys_id = SysId::parse("1f0c0a1be2d34c5f9a7b8c6d5e4f1627").expect("hexadecimal");
    let user = DirectoryUser {
        id: uuid::Uuid::from_u128(1),
        display_name: "Ada Byron".into(),
        principal: "ada@contoso.example".into(),
        mail: None,
        enabled: true,
        guest: false,
        job_title: None,
        department: None,
        employee_id: None,
        manager: None,
        mailbox: Mailbox::ExchangeOnline,
        photo: None,
    };
    world.directory.write().add(user).expect("a new user");
    let by: Arc<str> = Arc::from("admin");
    world.instance.write().put_user(UserRow {
        sys_id,
        user_name: "ada.byron".into(),
        email: "ada@contoso.example".into(),
        name: "Ada Byron".into(),
        employee_number: "".into(),
        active: true,
        locked_out: false,
        title: Arc::from(""),
        sso_source: Arc::from(""),
        correlation_id: "".into(),
        photo: None,
        audit: Audit::new(&by, world.clock.now()),
    });
    sys_id
}

fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest;
    sha2::Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

impl Stand {
    async fn control_bytes(&self, method: &str, path: &str, body: &[u8]) -> (u16, String) {
        let method = reqwest::Method::from_bytes(method.as_bytes()).expect("a method");
        let request = self
            .client
            .request(method, format!("{}{path}", self.sandbox.control_url()));
        let response = request
            .body(body.to_vec())
            .send()
            .await
            .expect("the control address answers");
        (response.status().as_u16(), response.text().await.expect("a body"))
    }
}

#[tokio::test]
async fn a_person_changes_and_removes_the_photo() {
    let stand = Stand::new();
    ada(&stand);
    let photo = || {
        let directory = stand.sandbox.world().directory.read();
        let photo = directory
            .find("ada@contoso.example")
            .expect("a user")
            .photo
            .clone();
        photo.map(|photo| photo.picture.bytes().to_vec())
    };

    let path = "/entra/users/ada@contoso.example/photo";
    assert_eq!(stand.control_bytes("PUT", path, b"new photo").await.0, 204);
    assert_eq!(photo().as_deref(), Some(&b"new photo"[..]));
    let (status, complaint) = stand.control_bytes("PUT", path, b"").await;
    assert_eq!(status, 400);
    assert!(
        complaint.contains("to remove a picture use DELETE"),
        "{complaint}"
    );
    assert_eq!(stand.control_bytes("DELETE", path, b"").await.0, 204);
    assert_eq!(photo(), None);

    let (status, complaint) = stand
        .control_bytes("PUT", "/entra/users/nobody/photo", b"x")
        .await;
    assert_eq!(status, 404);
    assert_eq!(complaint, r#"{"error":"Entra ID has no user `nobody`."}"#);
}

#[tokio::test]
async fn someone_changes_an_avatar_and_avatars_and_log_tell_it() {
    let stand = Stand::new();
    let sys_id = ada(&stand);
    let path = "/servicenow/users/ada.byron/avatar";
    assert_eq!(
        stand
            .control_bytes("PUT", &format!("{path}?on=sys_user"), b"own")
            .await
            .0,
        204
    );
    assert_eq!(stand.control_bytes("PUT", path, b"profile").await.0, 204);

    let (_, avatars) = stand.control("GET", "/avatars", &Value::Null).await;
    let ada = &avatars[0];
    assert_eq!(ada["sys_id"], sys_id.to_string());
    assert_eq!(ada["user_name"], "ada.byron");
    assert_eq!(ada["email"], "ada@contoso.example");
    assert_eq!(ada["effective"]["from"], "live_profile");
    assert_eq!(ada["effective"]["sha256"], sha256(b"profile"));
    let attachments = ada["attachments"].as_array().expect("a list");
    let own = attachments
        .iter()
        .find(|row| row["table_name"] == "ZZ_YYsys_user")
        .expect("the user's own");
    assert_eq!(
        (&own["file_name"], &own["size_bytes"]),
        (&json!("photo"), &json!(3))
    );
    assert_eq!(
        (&own["sha256"], &own["referenced"]),
        (&json!(sha256(b"own")), &json!(true))
    );

    assert_eq!(stand.control_bytes("DELETE", path, b"").await.0, 204);
    let (_, only) = stand
        .control("GET", "/avatars?user_name=ada.byron", &Value::Null)
        .await;
    assert_eq!(only[0]["effective"]["from"], "sys_user");
    assert_eq!(only.as_array().expect("a list").len(), 1);

    let (_, log) = stand.control_bytes("GET", "/log", b"").await;
    let log: Vec<Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON lines"))
        .collect();
    let numbers: Vec<u64> = log.iter().filter_map(|entry| entry["seq"].as_u64()).collect();
    assert_eq!(
        numbers,
        (1..=log.len() as u64).collect::<Vec<_>>(),
        "oldest first"
    );
    let inserted = |table: &str| {
        log.iter()
            .any(|entry| entry["op"] == "insert" && entry["table"] == table)
    };
    assert!(inserted("sys_attachment") && inserted("live_profile"), "{log:?}");
    assert!(log.iter().any(|entry| entry["op"] == "delete"));

    let (_, rest) = stand.control_bytes("GET", "/log?after=1", b"").await;
    assert_eq!(rest.lines().count(), log.len() - 1);
}

#[tokio::test]
async fn avatars_of_many_users_arrive_as_one_array_in_order() {
    let stand = Stand::new();
    ada(&stand);
    for number in 0..1_000_u128 {
        let world = stand.sandbox.world();
        let mut instance = world.instance.write();
        let mut row = instance.users().next().expect("Ada");
        row.sys_id = SysId(number);
        row.user_name = format!("user.{number}").into();
        instance.put_user(row);
    }
    let (_, avatars) = stand.control("GET", "/avatars", &Value::Null).await;
    let ids: Vec<&str> = avatars
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|user| user["sys_id"].as_str())
        .collect();
    assert_eq!(ids.len(), 1_001);
    assert!(ids.is_sorted());
    let (status, empty) = Stand::new().control("GET", "/avatars", &Value::Null).await;
    assert_eq!((status, empty), (200, json!([])));
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

// Mistakes

#[tokio::test]
async fn mistakes_at_the_control_address_are_answered_with_a_sentence() {
    let stand = Stand::new();
    let cases = [
        (
            "POST",
            "/faults",
            json!({"servce": "entra", "do": {"status": 500}}),
            400,
            "`servce` is not a key of a fault rule. Did you mean `service`?",
        ),
        (
            "POST",
            "/clock",
            json!({"advance": 5}),
            400,
            "`advance` is not a key of a clock change. Did you mean `advance_s`?",
        ),
        (
            "POST",
            "/clock",
            json!({"advance_s": -5}),
            400,
            "`advance_s` of a clock change must be a whole number from 0 to 3162240000, not -5.",
        ),
        (
            "PATCH",
            "/settings/server",
            json!({"latncy_ms": 5}),
            400,
            "`latncy_ms` is not a key of the server's settings. Did you mean `latency_ms`?",
        ),
        (
            "GET",
            "/traffic?log=all",
            Value::Null,
            400,
            "`log` is `all`, but it must be a whole number.",
        ),
        (
            "PUT",
            "/servicenow/users/ada/avatar?on=photo",
            Value::Null,
            400,
            "`on` is `photo`, but it must be one of `live_profile`, `sys_user`.",
        ),
        (
            "GET",
            "/settings/google",
            Value::Null,
            404,
            "There are no settings of `google`, only of entra, servicenow and server.",
        ),
        (
            "DELETE",
            "/faults/99",
            Value::Null,
            404,
            "There is no fault rule `99`.",
        ),
        (
            "GET",
            "/nowhere",
            Value::Null,
            404,
            "The control address does not know GET /nowhere.",
        ),
    ];
    for (method, path, body, status, sentence) in cases {
        let expected = (status, json!({"error": sentence}));
        assert_eq!(
            stand.control(method, path, &body).await,
            expected,
            "{method} {path}"
        );
    }
}

// The whole sandbox

fn whole(users: usize) -> Sandbox {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let options = SandboxOptions {
        users,
        is_throttled: false,
        ..SandboxOptions::default()
    };
    sandbox::start(&options).expect("the sandbox starts")
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

#[tokio::test]
async fn the_control_address_tells_who_was_invented_and_changes_switches() {
    let sandbox = whole(50);
    let client = reqwest::Client::new();
    let get = async |path: &str| -> Value {
        let url = format!("{}{path}", sandbox.control_url());
        let response = client.get(url).send().await.expect("answered");
        serde_json::from_str(&response.text().await.expect("text")).expect("JSON")
    };
    let people = get("/people").await;
    assert_eq!(people["people"].as_array().expect("a list").len(), 50);
    let first = &people["people"][0];
    let kinds = people["kinds"].as_array().expect("a list");
    assert!(kinds.iter().any(|kind| kind["name"] == first["kind"]));

    assert_eq!(get("/settings/entra").await["throttling"], false);
    assert_eq!(get("/settings/servicenow").await["throttle"]["enabled"], false);
    let change = async |service: &str, change: Value| -> (u16, Value) {
        let url = format!("{}/settings/{service}", sandbox.control_url());
        let response = client
            .patch(url)
            .body(change.to_string())
            .send()
            .await
            .expect("answered");
        let status = response.status().as_u16();
        (
            status,
            serde_json::from_str(&response.text().await.expect("text")).expect("JSON"),
        )
    };
    let (status, settings) = change("servicenow", json!({"throttle": {"threads": 2}})).await;
    assert_eq!((status, &settings["throttle"]["threads"]), (200, &json!(2)));
    assert_eq!(settings["throttle"]["enabled"], false, "the rest stays");
    let (status, complaint) = change("entra", json!({"photo_stile": "doc1x1"})).await;
    assert_eq!(status, 400);
    assert_eq!(
        complaint["error"],
        "`photo_stile` is not a key of the Entra settings. Did you mean `photo_style`?"
    );
    let avatars = get("/avatars").await;
    assert!(
        avatars
            .as_array()
            .expect("a list")
            .iter()
            .any(|user| user["effective"].is_object())
    );
}

// The command

/// `avatar-sync sandbox` as another program starts it.
struct Running {
    child: std::process::Child,
    ready: Value,
    output: std::io::BufReader<std::process::ChildStdout>,
}

impl Running {
    fn start(stdin: Stdio) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_avatar-sync"))
            .args(["sandbox", "--users", "5"])
            .stdin(stdin)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut output = std::io::BufReader::new(child.stdout.take().expect("a pipe"));
        let mut line = String::new();
        output.read_line(&mut line).expect("a first line");
        let ready = serde_json::from_str(&line).expect("the first line is JSON");
        Self { child, ready, output }
    }

    fn is_listening(&self) -> bool {
        let address = self.ready["control_url"]
            .as_str()
            .expect("text")
            .trim_start_matches("http://");
        TcpStream::connect(address).is_ok()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already, which is what most of these tests are about.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_command_prints_one_line_and_ends_when_its_input_pipe_closes() {
    let mut running = Running::start(Stdio::piped());
    assert!(running.is_listening());
    assert_eq!(running.ready.as_object().expect("an object").len(), 10);

    drop(running.child.stdin.take());
    let status = running.child.wait().expect("it ends");
    assert!(status.success(), "{status}");
    let mut rest = String::new();
    running.output.read_to_string(&mut rest).expect("text");
    assert_eq!(rest, "", "nothing but the ready line on standard output");
}

#[cfg(unix)]
#[test]
fn the_command_goes_on_without_an_input_until_a_signal_ends_it() {
    use rustix::process::{Pid, Signal, kill_process};
    for (signal, reason) in [(Signal::TERM, "asked to stop"), (Signal::INT, "interrupted")] {
        let mut running = Running::start(Stdio::null());
        assert!(running.is_listening());
        kill_process(Pid::from_child(&running.child), signal).expect("the signal is sent");

        let status = running.child.wait().expect("it ends");
        assert!(status.success(), "{signal:?}: {status}");
        let mut talk = String::new();
        let mut errors = running.child.stderr.take().expect("a pipe");
        errors.read_to_string(&mut talk).expect("text");
        // Had the null device counted as a closed pipe, that would be the reason.
        assert!(talk.contains(&format!("sandbox: {reason}; stopping")), "{talk}");
    }
}

#[test]
fn the_command_refuses_addresses_other_machines_can_reach() {
    let output = Command::new(env!("CARGO_BIN_EXE_avatar-sync"))
        .args(["sandbox", "--control", "0.0.0.0:0"])
        .stdin(Stdio::null())
        .output()
        .expect("the program runs");
    assert_eq!(output.status.code(), Some(2));
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(
        complaint.contains("the sandbox serves this machine only"),
        "{complaint}"
    );
}
