//! A sandbox with the smallest services there can be, and a client.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::time::Duration;

use avatar_sync::sandbox::entra::EntraSettings;
use avatar_sync::sandbox::exchange::{Admission, Request, Response, Service};
use avatar_sync::sandbox::servicenow::ServiceNowSettings;
use avatar_sync::sandbox::world::directory::{Directory, DirectoryUser, Mailbox};
use avatar_sync::sandbox::world::instance::{Audit, Instance, SysId, UserRow};
use avatar_sync::sandbox::world::{Credentials, World};
use avatar_sync::sandbox::{self, Parts, Sandbox, SandboxOptions};
use serde_json::{Value, json};

pub const BODY: &str = r#"{"value":"0123456789012345678901234567890123456789"}"#;

/// Answers everything with [`BODY`] and counts what it has carried out.
pub struct Small {
    pub name: &'static str,
    pub carried_out: AtomicU32,
    pub admitted: Arc<AtomicUsize>,
    pub rounds: u32,
    /// Who asks for `/held` is answered once somebody else has come here as well.
    pub gate: Arc<Barrier>,
}

impl Small {
    pub fn new(name: &'static str) -> Arc<Self> {
        Arc::new(Self {
            name,
            carried_out: AtomicU32::new(0),
            admitted: Arc::default(),
            rounds: 1,
            gate: Arc::new(Barrier::new(2)),
        })
    }

    pub fn carried_out(&self) -> u32 {
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
            "/held" => {
                self.gate.wait();
                Response::new(200, "application/json", BODY)
            }
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
        ["/heavy", "/held"].contains(&request.path.as_str())
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

pub struct Stand {
    pub sandbox: Sandbox,
    pub servicenow: Arc<Small>,
    pub client: reqwest::Client,
}

impl Stand {
    pub fn new() -> Self {
        Self::with(Small::new("servicenow"), SandboxOptions::default())
    }

    pub fn with(servicenow: Arc<Small>, options: SandboxOptions) -> Self {
        // Another test may have been first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Self {
            sandbox: Sandbox::serve(parts(Arc::clone(&servicenow)), &options).expect("the sandbox starts"),
            servicenow,
            client: reqwest::Client::new(),
        }
    }

    pub async fn get(&self, path: &str) -> reqwest::Result<reqwest::Response> {
        self.client
            .get(format!("{}{path}", self.sandbox.servicenow_url()))
            .send()
            .await
    }

    /// The status and the whole body; an error wherever the exchange breaks.
    pub async fn read(&self, path: &str) -> reqwest::Result<(u16, String)> {
        let response = self.get(path).await?;
        Ok((response.status().as_u16(), response.text().await?))
    }

    pub async fn control(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
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

    pub async fn fault(&self, effect: Value) {
        let rule = json!({"service": "servicenow", "do": effect});
        let (status, answer) = self.control("POST", "/faults", &rule).await;
        assert_eq!(status, 201, "{answer}");
    }

    /// Everything a client gets over a connection of its own, until the server ends it.
    pub fn raw(&self, request: &str) -> (String, std::io::Result<usize>) {
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

pub fn parts(servicenow: Arc<Small>) -> Parts {
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

pub const GET_A: &str = "GET /a HTTP/1.1\r\nHost: x\r\n\r\n";

/// A world in which Ada is on both sides, without a picture.
pub fn ada(stand: &Stand) -> SysId {
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

pub fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest;
    let digest = sha2::Sha256::digest(bytes);
    digest
        .iter()
        .fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

impl Stand {
    pub async fn control_bytes(&self, method: &str, path: &str, body: &[u8]) -> (u16, String) {
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

pub fn whole(users: usize) -> Sandbox {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let options = SandboxOptions {
        users,
        is_throttled: false,
        ..SandboxOptions::default()
    };
    sandbox::start(&options).expect("the sandbox starts")
}
