//! Two ways to the same result, side by side in one run against the same practice world.
//!
//! *script* does what the well-known ServiceNow script does once a month: one person after the other, every picture
//! downloaded, the old attachment deleted, the new one stored, both columns set; nothing is remembered. *avatar-sync*
//! is the real binary with its default settings, and once more with 16 requests in flight per service.
//!
//! ```sh
//! cargo bench --bench first_run                 # 400 people, 30 ms a request
//! cargo bench --bench first_run -- 1000 30      # people, milliseconds
//! ```

use std::collections::HashMap;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use avatar_sync::sandbox::{Latency, Sandbox, SandboxOptions};
use serde_json::{Value, json};

/// One measured run.
struct Figure {
    took: Duration,
    entra: u64,
    servicenow: u64,
    pushed: u64,
}

impl Figure {
    fn requests(&self) -> u64 {
        self.entra + self.servicenow
    }
}

fn main() {
    let numbers: Vec<u64> = std::env::args()
        .filter_map(|argument| argument.parse().ok())
        .collect();
    let users = numbers.first().copied().unwrap_or(400) as usize;
    let latency = numbers.get(1).copied().unwrap_or(30);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let _inside = runtime.enter();
    let _ = rustls::crypto::ring::default_provider().install_default();

    println!(
        "{users} people who all have a photo, and another one in ServiceNow on both records; {latency} ms a request\n"
    );
    println!(
        "{:<34} {:>9} {:>9} {:>9} {:>9} {:>9}",
        "", "seconds", "requests", "Entra", "ServNow", "pushed"
    );

    let script = Stage::new(users, latency);
    let script_first = script.measure("script, first run", || runtime.block_on(script.script()));
    let script_again = script.measure("script, nothing changed", || runtime.block_on(script.script()));

    let careful = Stage::new(users, latency);
    let first = careful.measure("avatar-sync, first run", || careful.sync(&[]));
    let again = careful.measure("avatar-sync, nothing changed", || careful.sync(&[]));
    careful.change(users.div_ceil(100));
    let changed = careful.measure("avatar-sync, 1 % changed", || careful.sync(&[]));

    let fast = Stage::new(users, latency);
    let wide = fast.measure("avatar-sync, first run, 16 at once", || {
        fast.sync(&["--concurrency", "16"])
    });

    let times = |slow: &Figure, quick: &Figure| slow.took.as_secs_f64() / quick.took.as_secs_f64();
    println!();
    println!(
        "first run, default limits      {:>6.1} times the script's speed",
        times(&script_first, &first)
    );
    println!(
        "first run, 16 in flight        {:>6.1} times the script's speed",
        times(&script_first, &wide)
    );
    println!(
        "ServiceNow requests per push   {:>6.2} (two records, each with an old picture)",
        first.servicenow as f64 / first.pushed.max(1) as f64
    );
    println!(
        "nothing changed                {:>6.1} % of the script's requests",
        100.0 * again.requests() as f64 / script_again.requests() as f64
    );
    println!(
        "1 % changed                    {:>6} requests, {} pushed",
        changed.requests(),
        changed.pushed
    );
}

/// A practice world of its own, and a home for the binary.
struct Stage {
    sandbox: Sandbox,
    home: tempfile::TempDir,
    users: usize,
}

impl Stage {
    fn new(users: usize, latency: u64) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        write_world(folder.path(), users);
        let options = SandboxOptions {
            world: Some(folder.path().to_owned()),
            latency: Latency::fixed(Duration::from_millis(latency)),
            is_throttled: false,
            ..SandboxOptions::default()
        };
        let sandbox = avatar_sync::sandbox::start(&options).expect("a sandbox on loopback");
        Self {
            sandbox,
            home: tempfile::tempdir().expect("a temporary folder"),
            users,
        }
    }

    fn measure(&self, what: &str, work: impl FnOnce() -> u64) -> Figure {
        self.sandbox.reset_requests();
        let started = Instant::now();
        let pushed = work();
        let took = started.elapsed();
        let counted = serde_json::to_value(self.sandbox.requests()).expect("plain data");
        let of = |service: &str| {
            counted["by_route"]
                .as_object()
                .expect("an object")
                .iter()
                .filter(|(route, _)| route.starts_with(service))
                .filter_map(|(_, count)| count.as_u64())
                .sum::<u64>()
        };
        let figure = Figure {
            took,
            entra: of("entra"),
            servicenow: of("servicenow"),
            pushed,
        };
        println!(
            "{what:<34} {:>9.2} {:>9} {:>9} {:>9} {:>9}",
            took.as_secs_f64(),
            figure.requests(),
            figure.entra,
            figure.servicenow,
            pushed
        );
        figure
    }

    fn text(&self, key: &str) -> String {
        self.sandbox.ready_line()[key]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }

    /// Runs the real binary and says how many people it updated.
    fn sync(&self, extra: &[&str]) -> u64 {
        let folder = |name: &str| self.home.path().join(name);
        let output = Command::new(env!("CARGO_BIN_EXE_avatar-sync"))
            // Drawn faces are not all different: nobody is to be held back for looking like somebody else.
            .args(["sync", "--yes", "--json", "--push-suspicious"])
            .args(extra)
            .stdin(Stdio::null())
            .env("AVATAR_SYNC_CONFIG_DIR", folder("config"))
            .env("AVATAR_SYNC_STATE_DIR", folder("state"))
            .env("AVATAR_SYNC_CACHE_DIR", folder("cache"))
            // The machine's secret store is not asked.
            .env("AVATAR_SYNC_VAULT_KEY", "5ea1ed0f".repeat(8))
            .env("AVATAR_SYNC_ENTRA_TENANT", self.text("tenant_id"))
            .env("AVATAR_SYNC_ENTRA_CLIENT_ID", self.text("client_id"))
            .env("AVATAR_SYNC_ENTRA_CLIENT_SECRET", self.text("client_secret"))
            .env("AVATAR_SYNC_ENTRA_LOGIN_URL", self.text("entra_url"))
            .env("AVATAR_SYNC_ENTRA_GRAPH_URL", self.text("entra_url"))
            .env("AVATAR_SYNC_SERVICENOW_INSTANCE", self.text("servicenow_url"))
            .env(
                "AVATAR_SYNC_SERVICENOW_CLIENT_ID",
                self.text("servicenow_client_id"),
            )
            .env(
                "AVATAR_SYNC_SERVICENOW_CLIENT_SECRET",
                self.text("servicenow_client_secret"),
            )
            .output()
            .expect("the binary runs");
        let last = String::from_utf8_lossy(&output.stdout);
        let last = last.lines().next_back().unwrap_or_default();
        let event: Value = serde_json::from_str(last)
            .unwrap_or_else(|_| panic!("{last}\n{}", String::from_utf8_lossy(&output.stderr)));
        assert_eq!(event["summary"]["failed"], 0, "{last}");
        event["summary"]["updated"].as_u64().unwrap_or_default()
    }

    /// Some people get a new photo in Entra ID.
    fn change(&self, count: usize) {
        for person in 0..count {
            let mut directory = self.sandbox.world().directory.write();
            let picture = avatar_sync::sandbox::world::picture::Picture::from_bytes(portrait(person, 3));
            assert!(
                directory.set_photo(&upn(person), Some(picture)),
                "{} exists",
                upn(person)
            );
        }
    }

    /// The script's way, with a client that keeps its connections.
    async fn script(&self) -> u64 {
        let client = reqwest::Client::new();
        let entra = self.text("entra_url");
        let instance = self.text("servicenow_url");
        let form = HashMap::from([
            ("grant_type", "client_credentials".to_owned()),
            ("client_id", self.text("client_id")),
            ("client_secret", self.text("client_secret")),
            ("scope", "https://graph.microsoft.com/.default".to_owned()),
        ]);
        let token_url = format!("{entra}/{}/oauth2/v2.0/token", self.text("tenant_id"));
        let token = post_form(&client, &token_url, &form).await;
        let (user, password) = (self.text("servicenow_username"), self.text("servicenow_password"));
        let now = |method: reqwest::Method, path: String| {
            client
                .request(method, format!("{instance}{path}"))
                .basic_auth(&user, Some(&password))
                .header("accept", "application/json")
        };
        let mut pushed = 0;
        let mut offset = 0;
        loop {
            let path = format!(
                "/api/now/table/sys_user?sysparm_query=active%3Dtrue%5EORDERBYsys_id&sysparm_limit=1000\
                 &sysparm_offset={offset}&sysparm_fields=sys_id%2Cemail%2Cname"
            );
            let page = json_of(now(reqwest::Method::GET, path)).await;
            let rows = page["result"].as_array().cloned().unwrap_or_default();
            if rows.is_empty() {
                return pushed;
            }
            offset += rows.len();
            for row in rows {
                let sys_id = row["sys_id"].as_str().expect("text");
                let email = row["email"].as_str().expect("text");
                let path = format!(
                    "/api/now/table/live_profile?sysparm_query=document%3D{sys_id}&sysparm_fields=sys_id%2Cphoto"
                );
                let profiles = json_of(now(reqwest::Method::GET, path)).await;
                let Some(profile) = profiles["result"][0]["sys_id"].as_str() else {
                    continue;
                };
                let old = profiles["result"][0]["photo"].as_str().unwrap_or_default();
                if !old.is_empty() {
                    now(reqwest::Method::DELETE, format!("/api/now/attachment/{old}"))
                        .send()
                        .await
                        .expect("answers");
                }
                let photo = client
                    .get(format!(
                        "{entra}/v1.0/users/{}/photo/$value",
                        email.replace('@', "%40")
                    ))
                    .bearer_auth(&token)
                    .send()
                    .await
                    .expect("answers");
                if !photo.status().is_success() {
                    continue;
                }
                let bytes = photo.bytes().await.expect("a body");
                let path = format!(
                    "/api/now/attachment/file?table_name=live_profile&table_sys_id={profile}&file_name={sys_id}_photo.jpg"
                );
                let stored = json_of(
                    now(reqwest::Method::POST, path)
                        .header("content-type", "image/jpeg")
                        .body(bytes),
                )
                .await;
                let attachment = stored["result"]["sys_id"].as_str().expect("text").to_owned();
                let set = json!({"photo": attachment}).to_string();
                for record in [format!("live_profile/{profile}"), format!("sys_user/{sys_id}")] {
                    now(reqwest::Method::PATCH, format!("/api/now/table/{record}"))
                        .header("content-type", "application/json")
                        .body(set.clone())
                        .send()
                        .await
                        .expect("answers");
                }
                pushed += 1;
            }
            assert!(offset <= self.users, "the listing ends");
        }
    }
}

async fn post_form(client: &reqwest::Client, url: &str, form: &HashMap<&str, String>) -> String {
    let body = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(form.iter())
        .finish();
    let request = client
        .post(url)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(body);
    json_of(request).await["access_token"]
        .as_str()
        .expect("a token")
        .to_owned()
}

async fn json_of(request: reqwest::RequestBuilder) -> Value {
    let text = request
        .send()
        .await
        .expect("answers")
        .text()
        .await
        .expect("a body");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn upn(person: usize) -> String {
    format!("person{person}@contoso.example")
}

/// A small JPEG of its own for every person and version.
fn portrait(person: usize, version: usize) -> Vec<u8> {
    let picture = image::RgbImage::from_fn(360, 360, |x, y| {
        let seed = (person * 37 + version * 101) as u32;
        image::Rgb([
            ((x / 40 + seed) * 40 % 256) as u8,
            ((y / 40 + seed / 3) * 50 % 256) as u8,
            (seed % 256) as u8,
        ])
    });
    let mut bytes = Vec::new();
    jpeg_encoder::Encoder::new(&mut bytes, 85)
        .encode(picture.as_raw(), 360, 360, jpeg_encoder::ColorType::Rgb)
        .expect("encodes into memory");
    bytes
}

/// Everybody has a photo, and an older one on both records in ServiceNow.
fn write_world(folder: &std::path::Path, users: usize) {
    let mut entra = Vec::new();
    let mut servicenow = Vec::new();
    for person in 0..users {
        std::fs::write(folder.join(format!("new{person}.jpg")), portrait(person, 1)).expect("writable");
        std::fs::write(folder.join(format!("old{person}.jpg")), portrait(person, 2)).expect("writable");
        let (upn, name) = (upn(person), format!("Person {person}"));
        entra.push(json!({"displayName": name, "userPrincipalName": upn, "mail": upn, "photo": format!("new{person}.jpg")}));
        let old = |on: &str| json!({"file": format!("old{person}.jpg"), "on": on, "form": "image_field"});
        servicenow.push(
            json!({"user_name": upn, "email": upn, "name": name, "live_profiles": 1,
            "avatars": [old("live_profile"), old("sys_user")]}),
        );
    }
    let world = json!({"entra": {"users": entra}, "servicenow": {"users": servicenow}});
    std::fs::write(folder.join("world.json"), world.to_string()).expect("writable");
}
