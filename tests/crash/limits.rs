//! A machine that is too small, and one that sleeps (`reliability.md` 4, I6, C8).
#![cfg(unix)]

use std::ffi::OsString;
use std::process::{Command, Stdio};
use std::time::Duration;

use avatar_sync::sandbox::Latency;
use serde_json::json;

use crate::common::checker::Checker;
use crate::common::faults::tried;
use crate::common::people::company;
use crate::common::{Ended, Stage, finish};

/// The program under a limit of the shell that starts it.
pub fn limited(stage: &Stage, limit: &str, arguments: &[&str]) -> Command {
    let plain = stage.command(arguments);
    let mut command = Command::new("sh");
    command
        .args(["-c", &format!("ulimit {limit} && exec \"$@\""), "sh"])
        .arg(plain.get_program())
        .args(plain.get_args())
        .env_clear()
        .stdin(Stdio::null())
        .current_dir(stage.home());
    let set: Vec<(OsString, OsString)> = plain
        .get_envs()
        .filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())))
        .collect();
    command.envs(set);
    if let Some(path) = std::env::var_os("PATH") {
        command.env("PATH", path);
    }
    command
}

#[test]
fn i6_with_sixty_four_descriptors_requests_wait_and_everybody_gets_a_picture() {
    let stage = company(32);
    stage
        .sandbox
        .set_latency(Latency::fixed(Duration::from_millis(5)));
    let checker = Checker::begin(&stage);
    let ended = finish(&mut limited(&stage, "-n 64", &["sync", "--yes", "--json"]));
    stage.heard(ended.clone());
    let ended = ended.expect_code(0);
    assert_eq!(ended.summary()["updated"], 32, "{ended:?}");
    checker.assert();
    tried("I6", 1);
}

fn signal(pid: u32, signal: &str) {
    let status = Command::new("kill")
        .args([signal, &pid.to_string()])
        .status()
        .expect("kill is there");
    assert!(status.success());
}

#[test]
fn c8_after_two_hours_of_sleep_the_run_goes_on_with_a_new_token() {
    let stage = company(12);
    stage
        .sandbox
        .set_latency(Latency::fixed(Duration::from_millis(20)));
    let checker = Checker::begin(&stage);
    let mut command = stage.command(&["sync", "--yes", "--json"]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut program = command.spawn().expect("the program starts");
    while stage.writes().len() < 4 && program.try_wait().expect("our own process").is_none() {
        std::thread::sleep(Duration::from_millis(5));
    }
    signal(program.id(), "-STOP");
    stage.post("/clock", &json!({"advance_s": 7200}));
    signal(program.id(), "-CONT");
    let output = program.wait_with_output().expect("our own process");
    let ended = Ended {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).expect("output is UTF-8"),
        stderr: String::from_utf8(output.stderr).expect("output is UTF-8"),
    };
    stage.heard(ended.clone());
    let ended = ended.expect_code(0);
    assert_eq!(ended.summary()["updated"], 12, "{ended:?}");
    checker.assert();
    tried("C8", 1);
}
