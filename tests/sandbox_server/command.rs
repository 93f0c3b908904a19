//! `avatar-sync sandbox` as other programs start it.

use std::io::{BufRead, Read};
use std::net::TcpStream;
use std::process::{Command, Stdio};

use serde_json::Value;

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
