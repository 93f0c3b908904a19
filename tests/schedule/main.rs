//! `sync --every` and `--cron`: the real binary, told to stop by real signals; its health file; what it tells whom.

#[path = "../common/mod.rs"]
mod common;

mod notifications;
mod receivers;
mod repeating;
mod stopping;

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdout, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use common::Stage;
use common::faults::tried;
use serde_json::{Value, json};

/// What a test waits for at most; far more than it takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// A few people: Ada has another photo in Entra ID than in ServiceNow, Bob has none in ServiceNow.
fn small_stage() -> Stage {
    let world = json!({
        "entra": {"users": [
            {"displayName": "Ada Byron", "userPrincipalName": "ada@contoso.example", "mail": "ada@contoso.example",
             "photo": "ada.jpg"},
            {"displayName": "Bob Hale", "userPrincipalName": "bob@contoso.example", "mail": "bob@contoso.example",
             "photo": "bob.jpg"}]},
        "servicenow": {"users": [
            {"user_name": "ada@contoso.example", "email": "ada@contoso.example", "name": "Ada Byron", "live_profiles": 1},
            {"user_name": "bob@contoso.example", "email": "bob@contoso.example", "name": "Bob Hale", "live_profiles": 0}]}
    });
    Stage::of_files(
        &world,
        &[("ada.jpg", &picture(200, 30)), ("bob.jpg", &picture(20, 160))],
    )
}

/// A picture of enough colours not to be taken for a logo.
fn picture(red: u8, green: u8) -> Vec<u8> {
    let image = image::RgbImage::from_fn(64, 64, |x, y| {
        image::Rgb([
            red.wrapping_add((x * 3) as u8),
            green.wrapping_add((y * 2) as u8),
            (x ^ y) as u8,
        ])
    });
    let mut bytes = Vec::new();
    image
        .write_to(&mut std::io::Cursor::new(&mut bytes), image::ImageFormat::Jpeg)
        .expect("encodes");
    bytes
}

/// The program while it runs. Ends it if the test does not.
struct Running {
    child: Child,
    lines: mpsc::Receiver<String>,
    said: Vec<String>,
}

impl Running {
    fn start(stage: &Stage, extra: &[(&str, &str)], arguments: &[&str]) -> Self {
        let mut command = stage.command(arguments);
        command
            .envs(extra.iter().copied())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        let (send, lines) = mpsc::channel();
        let stdout = child.stdout.take().expect("piped");
        let stderr = child.stderr.take().expect("piped");
        listen(stdout, stderr, send);
        Self {
            child,
            lines,
            said: Vec::new(),
        }
    }

    /// Waits until it has said a line with these words, on either stream.
    #[track_caller]
    fn wait_for(&mut self, words: &str) -> String {
        let until = Instant::now() + PATIENCE;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) => {
                    self.said.push(line.clone());
                    if line.contains(words) {
                        return line;
                    }
                }
                Err(error) => panic!("{words:?} was not said ({error}):\n{}", self.said.join("\n")),
            }
        }
    }

    #[cfg(unix)]
    fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).expect("our own process");
    }

    /// Waits for its end: the exit code, and all that it said.
    #[track_caller]
    fn end(mut self) -> (i32, String) {
        let until = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("our own process") {
                break status;
            }
            assert!(
                Instant::now() < until,
                "it does not end:\n{}",
                self.said.join("\n")
            );
            std::thread::sleep(Duration::from_millis(5));
        };
        while let Ok(line) = self.lines.recv_timeout(PATIENCE) {
            self.said.push(line);
        }
        (status.code().unwrap_or(-1), self.said.join("\n"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Already ended in most tests.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn listen(stdout: ChildStdout, stderr: ChildStderr, send: mpsc::Sender<String>) {
    fn forward(stream: impl std::io::Read + Send + 'static, send: mpsc::Sender<String>) {
        std::thread::spawn(move || {
            for line in BufReader::new(stream).lines() {
                let Ok(line) = line else { return };
                if send.send(line).is_err() {
                    return;
                }
            }
        });
    }
    forward(stdout, send.clone());
    forward(stderr.take(u64::MAX), send);
}

fn health_file(stage: &Stage) -> PathBuf {
    stage.home().join("health.json")
}

/// Waits until the health file says so.
#[track_caller]
fn wait_for_health(path: &Path, what: &str, condition: impl Fn(&Value) -> bool) -> Value {
    let until = Instant::now() + PATIENCE;
    let mut last = Value::Null;
    while Instant::now() < until {
        if let Ok(text) = std::fs::read_to_string(path) {
            // Replaced as a whole: it can always be read.
            last = serde_json::from_str(&text).expect("JSON, whenever it is read");
            if condition(&last) {
                return last;
            }
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("{what}: {last:#}");
}
