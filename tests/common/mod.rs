//! A stage for whole stories: a sandbox in this process, and the real binary against it with nothing but environment
//! variables and an empty home.

#![allow(dead_code, reason = "each test binary uses its own part of the stage")]

pub mod checker;
pub mod faults;
pub mod moment;
pub mod people;
pub mod replay;

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::ScopedJoinHandle;

use avatar_sync::domain::photo::Sha256;
use avatar_sync::sandbox::portraits::FACES;
use avatar_sync::sandbox::world::generate::Drawn;
use avatar_sync::sandbox::{Sandbox, SandboxOptions};
use avatar_sync::store::keys::{Encryption, KeySettings, Keys};
use avatar_sync::store::{Access, Store, StoreOptions, StorePaths};
use serde_json::Value;

/// The key of every stage's vault: no test asks the secret store of the machine it runs on.
pub const VAULT_KEY: &str = "5ea1ed0f5ea1ed0f5ea1ed0f5ea1ed0f5ea1ed0f5ea1ed0f5ea1ed0f5ea1ed0f";

/// Everybody has a face of their own, in a small picture.
pub const SMALL: Drawn = Drawn {
    faces: FACES,
    shrink: 4,
};

/// How a crowd is drawn that is listed but not pushed: whoever shares a face is suspected of having somebody else's photo.
const SKETCHED: Drawn = Drawn { faces: 24, shrink: 6 };

/// How the program of a stage keeps pictures.
pub fn store_options() -> StoreOptions {
    let settings = KeySettings {
        encryption: Encryption::Auto,
        key: Some(VAULT_KEY.to_owned().into()),
        ..KeySettings::default()
    };
    StoreOptions {
        keys: Some(Arc::new(Keys::new(settings, "default"))),
        ..StoreOptions::default()
    }
}

/// A sandbox and an empty home.
pub struct Stage {
    pub sandbox: Arc<Sandbox>,
    home: tempfile::TempDir,
    runtime: tokio::runtime::Runtime,
    client: reqwest::Client,
    /// What every run so far has said.
    said: RefCell<Vec<Ended>>,
}

/// What the program said and how it ended.
#[derive(Clone, Debug)]
pub struct Ended {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Ended {
    /// The one JSON object on standard output.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// One JSON object a line.
    pub fn events(&self) -> Vec<Value> {
        self.stdout
            .lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
            .collect()
    }

    /// The summary in the last line.
    pub fn summary(&self) -> Value {
        let last = self.events().pop().expect("a run has events");
        assert_eq!(last["event"], "finished", "{self:?}");
        last["summary"].clone()
    }

    /// Fails with everything that was said unless it ended with this code.
    #[track_caller]
    pub fn expect_code(self, code: i32) -> Self {
        assert_eq!(
            self.code, code,
            "stdout:\n{}\nstderr:\n{}",
            self.stdout, self.stderr
        );
        self
    }
}

impl Stage {
    /// A tenant of invented people, without throttling and latency. Everybody has a face of their own, in a small picture.
    pub fn invented(users: usize) -> Self {
        Self::with(&SandboxOptions {
            users,
            drawn: SMALL,
            is_throttled: false,
            ..SandboxOptions::default()
        })
    }

    /// As many people as are wanted, who share a few faces: their pictures are drawn in a moment. For listings.
    pub fn crowd(users: usize) -> Self {
        Self::with(&SandboxOptions {
            users,
            drawn: SKETCHED,
            is_throttled: false,
            ..SandboxOptions::default()
        })
    }

    /// A world from files: `world.json` and pictures by name.
    pub fn of_files(world: &Value, pictures: &[(&str, &[u8])]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(folder.path().join("world.json"), world.to_string()).expect("writable");
        for (name, bytes) in pictures {
            std::fs::write(folder.path().join(name), bytes).expect("writable");
        }
        Self::with(&SandboxOptions {
            world: Some(folder.path().to_owned()),
            is_throttled: false,
            ..SandboxOptions::default()
        })
    }

    pub fn with(options: &SandboxOptions) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime");
        let sandbox = {
            let _inside = runtime.enter();
            avatar_sync::sandbox::start(options).expect("a sandbox on loopback")
        };
        let _ = rustls::crypto::ring::default_provider().install_default();
        Self {
            sandbox: Arc::new(sandbox),
            home: tempfile::tempdir().expect("a temporary folder"),
            runtime,
            client: reqwest::Client::new(),
            said: RefCell::default(),
        }
    }

    /// The folder that stands for the user's home.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// A file in the home.
    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.home().join(name);
        std::fs::write(&path, content).expect("writable");
        path
    }

    /// Where the program of this stage keeps its data.
    pub fn store_paths(&self) -> StorePaths {
        StorePaths {
            state_dir: self.home().join("avatar_sync_state_dir"),
            cache_dir: self.home().join("avatar_sync_cache_dir"),
            profile: "default".into(),
        }
    }

    /// The picture with this SHA-256 in hexadecimal, out of the vault.
    pub fn kept(&self, sha256: &str) -> Option<Vec<u8>> {
        let store = Store::open_with(&self.store_paths(), Access::Read, &store_options());
        let sha256 = Sha256::from_hex(sha256).expect("a hash");
        let kept = self
            .runtime
            .block_on(store.expect("the store opens").vault().get(&sha256));
        kept.expect("the vault is readable").map(|bytes| bytes.to_vec())
    }

    /// The environment that `cli.md` says is enough.
    pub fn environment(&self) -> Vec<(String, String)> {
        let ready = self.sandbox.ready_line();
        let text = |key: &str| {
            ready[key]
                .as_str()
                .unwrap_or_else(|| panic!("{key} in {ready}"))
                .to_owned()
        };
        [
            ("AVATAR_SYNC_ENTRA_TENANT", text("tenant_id")),
            ("AVATAR_SYNC_ENTRA_CLIENT_ID", text("client_id")),
            ("AVATAR_SYNC_ENTRA_CLIENT_SECRET", text("client_secret")),
            ("AVATAR_SYNC_ENTRA_LOGIN_URL", text("entra_url")),
            ("AVATAR_SYNC_ENTRA_GRAPH_URL", text("entra_url")),
            ("AVATAR_SYNC_SERVICENOW_INSTANCE", text("servicenow_url")),
            ("AVATAR_SYNC_SERVICENOW_CLIENT_ID", text("servicenow_client_id")),
            (
                "AVATAR_SYNC_SERVICENOW_CLIENT_SECRET",
                text("servicenow_client_secret"),
            ),
            ("AVATAR_SYNC_VAULT_KEY", VAULT_KEY.to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .to_vec()
    }

    /// The command with this stage's environment and nothing else.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = bare_command(self.home(), arguments);
        let temporary = self.home().join("tmp");
        std::fs::create_dir_all(&temporary).expect("a folder in the home");
        for name in ["TMPDIR", "TEMP", "TMP"] {
            command.env(name, &temporary);
        }
        command.envs(self.environment());
        command
    }

    /// Runs the program to its end. Whatever it says, no secret may be in it.
    pub fn run(&self, arguments: &[&str]) -> Ended {
        self.checked(finish(&mut self.command(arguments)))
    }

    fn checked(&self, ended: Ended) -> Ended {
        for (what, form) in self.secret_forms() {
            for output in [&ended.stdout, &ended.stderr] {
                assert!(!output.contains(&form), "{what} is in the output:\n{output}");
            }
        }
        self.heard(ended.clone());
        ended
    }

    /// The account under which the program signs in to ServiceNow, as the log of writes names it.
    pub fn account(&self) -> String {
        self.sandbox.world().credentials.servicenow_username.clone()
    }

    /// A request to any address, with these headers: status and body.
    pub fn send(
        &self,
        method: reqwest::Method,
        url: &str,
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> (u16, String) {
        let request = headers
            .iter()
            .fold(self.client.request(method, url), |request, (name, value)| {
                request.header(*name, *value)
            });
        self.runtime.block_on(async {
            let answer = request.body(body).send().await.expect("an answer");
            let status = answer.status().as_u16();
            (status, answer.text().await.expect("a body"))
        })
    }

    /// The same `GET` twice at the same time, whatever is answered.
    pub fn send_twice_at_once(&self, url: &str, headers: &[(&str, &str)]) {
        let get = || {
            let request = headers
                .iter()
                .fold(self.client.get(url), |request, (name, value)| {
                    request.header(*name, *value)
                });
            request.send()
        };
        let (one, other) = self.runtime.block_on(futures::future::join(get(), get()));
        one.expect("an answer");
        other.expect("an answer");
    }

    /// Takes note of what a program has said that was not started by [`Stage::run`], for the checker.
    pub fn heard(&self, ended: Ended) {
        self.said.borrow_mut().push(ended);
    }

    /// What every run so far has said.
    pub fn said(&self) -> Vec<Ended> {
        self.said.borrow().clone()
    }

    /// Every secret of this stage as it is, in base64 and percent-encoded (`reliability.md` M4).
    pub fn secret_forms(&self) -> Vec<(String, String)> {
        use base64::Engine as _;
        let ready = self.sandbox.ready_line();
        let secrets = ready
            .as_object()
            .expect("an object")
            .iter()
            .filter(|(key, _)| key.ends_with("secret") || key.ends_with("password"));
        let mut forms = Vec::new();
        for (key, value) in secrets {
            let secret = value.as_str().expect("text");
            forms.push((key.clone(), secret.to_owned()));
            forms.push((
                format!("{key} in base64"),
                base64::engine::general_purpose::STANDARD.encode(secret),
            ));
            let encoded: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
            forms.push((format!("{key} percent-encoded"), encoded));
        }
        forms.push(("the vault's key".into(), VAULT_KEY.into()));
        // Entra's tokens are JWTs; all begin like this.
        forms.push(("an access token".into(), "eyJ0eXAiOiJKV1Qi".into()));
        forms.push(("an access token".into(), "eyJhbGciOi".into()));
        forms
    }

    /// Runs the program with some variables set differently.
    pub fn run_with(&self, extra: &[(&str, &str)], arguments: &[&str]) -> Ended {
        let mut command = self.command(arguments);
        command.envs(extra.iter().copied());
        self.checked(finish(&mut command))
    }

    /// `GET` on the control address.
    pub fn control(&self, path: &str) -> Value {
        let text = self.request(reqwest::Method::GET, path, Vec::new());
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    /// `GET /log`: every write that ServiceNow has carried out.
    pub fn writes(&self) -> Vec<Value> {
        self.lines("/log")
    }

    /// `GET` on the control address, for what comes as JSON lines.
    pub fn lines(&self, path: &str) -> Vec<Value> {
        let text = self.request(reqwest::Method::GET, path, Vec::new());
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
            .collect()
    }

    /// `POST` on the control address.
    pub fn post(&self, path: &str, body: &Value) {
        self.request(reqwest::Method::POST, path, body.to_string().into_bytes());
    }

    /// Any other request on the control address.
    pub fn request(&self, method: reqwest::Method, path: &str, body: Vec<u8>) -> String {
        let url = format!("{}{path}", self.sandbox.control_url());
        self.runtime.block_on(async {
            let answer = self
                .client
                .request(method, &url)
                .body(body)
                .send()
                .await
                .expect("the control address answers");
            let status = answer.status();
            let text = answer.text().await.expect("a body");
            assert!(status.is_success(), "{url}: {status} {text}");
            text
        })
    }

    /// Requests since the last reset: total, and the number of those whose route contains all these words.
    pub fn requests(&self, words: &[&str]) -> (u64, u64) {
        let counted = self.control("/requests");
        let matching = counted["by_route"]
            .as_object()
            .expect("an object")
            .iter()
            .filter(|(route, _)| words.iter().all(|word| route.contains(word)))
            .filter_map(|(_, count)| count.as_u64())
            .sum();
        (counted["total"].as_u64().expect("a number"), matching)
    }
}

/// No secret may be in any file that the program has left: journal, memory, vault, plans.
impl Drop for Stage {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        let forms = self.secret_forms();
        let mut folders = vec![self.home().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
                if entry.path().is_dir() {
                    folders.push(entry.path());
                } else if let Ok(bytes) = std::fs::read(entry.path()) {
                    for (what, form) in &forms {
                        let is_in = bytes.windows(form.len()).any(|window| window == form.as_bytes());
                        assert!(!is_in, "{what} is in {}", entry.path().display());
                    }
                }
            }
        }
    }
}

/// The program with an empty environment but for a home that is this folder.
pub fn bare_command(home: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_avatar-sync"));
    command
        .args(arguments)
        .env_clear()
        .stdin(Stdio::null())
        .current_dir(home);
    for name in [
        "AVATAR_SYNC_CONFIG_DIR",
        "AVATAR_SYNC_STATE_DIR",
        "AVATAR_SYNC_CACHE_DIR",
    ] {
        command.env(name, home.join(name.to_lowercase()));
    }
    // What programs on Windows cannot start without.
    for name in ["SystemRoot", "TEMP", "TMP"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command
}

/// Runs a command to its end.
pub fn finish(command: &mut Command) -> Ended {
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().expect("the program starts");
    Ended {
        code: status.code().unwrap_or(-1),
        stdout: String::from_utf8(stdout).expect("output is UTF-8"),
        stderr: String::from_utf8(stderr).expect("output is UTF-8"),
    }
}

/// Does a job so many times, some of them side by side: programs wait most of their time. Answers what came of each.
pub fn side_by_side<T: Send>(at_once: usize, times: usize, job: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut done = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= times {
                return done;
            }
            done.push(job(number));
        }
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..at_once).map(|_| scope.spawn(work)).collect();
        let done = workers.into_iter().map(ScopedJoinHandle::join);
        // A worker's own panic has been printed; it goes on here.
        done.flat_map(|done| done.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    })
}
