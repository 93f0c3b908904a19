//! Runs that are cut short, looked back at and gone on with; who may write; a journal in trouble. The real binary against
//! the sandbox, with real processes that are really killed.

#[path = "../common/mod.rs"]
mod common;

mod locks;
mod looking_back;
#[cfg(target_os = "linux")]
mod room;

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Stdio};

use common::people::{hash, name, photo};
use common::{Ended, Stage};
use serde_json::{Value, json};

/// A run of the program that is looked at while it goes on.
struct Running {
    child: Child,
    lines: BufReader<ChildStdout>,
    said: String,
}

impl Running {
    fn start(stage: &Stage, arguments: &[&str]) -> Self {
        Self::of(stage.command(arguments))
    }

    fn of(mut command: std::process::Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let lines = BufReader::new(child.stdout.take().expect("piped"));
        Self {
            child,
            lines,
            said: String::new(),
        }
    }

    /// Reads events until one is as wanted.
    #[track_caller]
    fn until(&mut self, is_wanted: impl Fn(&Value) -> bool) -> Value {
        loop {
            let mut line = String::new();
            let read = self.lines.read_line(&mut line).expect("readable");
            if read == 0 {
                let errors = self.errors();
                panic!("it ended before: {}\n{errors}", self.said);
            }
            self.said.push_str(&line);
            let event: Value = serde_json::from_str(&line).expect("JSON lines");
            if is_wanted(&event) {
                return event;
            }
        }
    }

    fn errors(&mut self) -> String {
        let mut text = String::new();
        if let Some(mut errors) = self.child.stderr.take() {
            errors.read_to_string(&mut text).expect("UTF-8");
        }
        text
    }

    fn kill(mut self) {
        self.child.kill().expect("it lives");
        self.child.wait().expect("it is dead");
    }

    fn ended(mut self) -> Ended {
        self.lines.read_to_string(&mut self.said).expect("UTF-8");
        let stderr = self.errors();
        let status = self.child.wait().expect("it ends");
        Ended {
            code: status.code().unwrap_or(-1),
            stdout: self.said,
            stderr,
        }
    }
}

/// Uploads take a while.
fn slow(stage: &Stage, milliseconds: u64) {
    stage.post(
        "/faults",
        &json!({"service": "servicenow", "method": "POST", "path": "^/api/now/attachment/file", "times": 10_000,
                "do": {"delay_ms": milliseconds}}),
    );
}

fn at_full_speed(stage: &Stage) {
    stage.request(reqwest::Method::DELETE, "/faults", Vec::new());
}

fn is_event(name: &'static str) -> impl Fn(&Value) -> bool {
    move |event| event["event"] == name
}

fn is_update(event: &Value) -> bool {
    event["event"] == "step" && event["outcome"] == "updated"
}

/// Everybody of a company sees their own photo, and there is one picture a record.
#[track_caller]
fn assert_everybody_right(stage: &Stage, people: usize) {
    let users = stage.control("/avatars");
    let users = users.as_array().expect("a list");
    for number in 0..people {
        let user = users
            .iter()
            .find(|user| user["user_name"] == name(number))
            .expect("known");
        assert_eq!(
            user["effective"]["sha256"],
            hash(&photo(number)),
            "{}",
            name(number)
        );
        let mut records: Vec<&str> = user["attachments"]
            .as_array()
            .expect("a list")
            .iter()
            .filter(|row| {
                row["table_name"]
                    .as_str()
                    .is_some_and(|table| table.starts_with("ZZ_YY"))
            })
            .map(|row| row["table_sys_id"].as_str().expect("text"))
            .collect();
        let rows = records.len();
        records.sort_unstable();
        records.dedup();
        assert_eq!(rows, records.len(), "{}: one picture a record", name(number));
    }
}
