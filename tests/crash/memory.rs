//! A program without memory (`reliability.md` 4, I4): Linux takes it away from one that is running.
#![cfg(target_os = "linux")]

use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use avatar_sync::sandbox::Latency;
use avatar_sync::sandbox::portraits::Portrait;

use crate::common::checker::Checker;
use crate::common::faults::tried;
use crate::common::people::{company, name};
use crate::limits::limited;

/// Access to memory that is not there.
const SIGSEGV: i32 = 11;

/// Ends a program that has not ended by itself after this time.
fn end_within(limit: Duration, program: &mut Child) -> Option<ExitStatus> {
    let began = Instant::now();
    while began.elapsed() < limit {
        if let Some(status) = program.try_wait().expect("our own process") {
            return Some(status);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    program.kill().expect("our own process");
    program.wait().expect("our own process");
    None
}

/// No more memory for a running program from now on; false where there is no `prlimit`.
fn starve(program: &Child) -> bool {
    let pid = program.id().to_string();
    let starved = Command::new("prlimit")
        .args(["--pid", &pid, "--data=4096", "--as=4096"])
        .status();
    starved.is_ok_and(|status| status.success())
}

/// Out of memory in the middle of a run, the process dies wherever it is; the journal is whole, and the next start
/// finishes.
#[test]
#[ignore = "what a run has let go may be enough for the rest of it; see docs/testing.md"]
fn i4_a_run_that_dies_for_want_of_memory_is_finished_by_the_next_start() {
    const PEOPLE: usize = 24;
    // Each next photo takes more memory than all before it, so that what they have let go is not enough.
    let stage = company(PEOPLE);
    for number in 0..PEOPLE {
        let path = format!("/entra/users/{}/photo", name(number).replace('@', "%40"));
        let pixels = if number < 4 { 96 } else { 200 + 40 * number as u16 };
        let photo = Portrait::new(number as u32, number as u16 * 2 + 1).with_width(pixels);
        stage.request(reqwest::Method::PUT, &path, photo.bytes().to_vec());
    }
    stage
        .sandbox
        .set_latency(Latency::fixed(Duration::from_millis(5)));
    let killed = Checker::begin(&stage).just_killed();
    let mut command = stage.command(&["sync", "--yes", "--json"]);
    // One after the other, so that most of them are still to come.
    command.env("AVATAR_SYNC_LIMITS_PUSHES_IN_FLIGHT", "1");
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut program = command.spawn().expect("the program starts");
    while stage.writes().len() < 4 && program.try_wait().expect("our own process").is_none() {
        std::thread::sleep(Duration::from_millis(2));
    }
    if !starve(&program) {
        end_within(Duration::ZERO, &mut program);
        println!("skipped: there is no prlimit");
        return;
    }
    let ended = end_within(Duration::from_mins(1), &mut program);
    let ended = ended.expect("without memory it ends by itself");
    assert!(!ended.success(), "there was memory enough: {ended}");
    let writes = stage.writes().len();
    println!("{ended} after {writes} writes");
    killed.assert();
    drop(killed);
    let checker = Checker::begin(&stage);
    let again = stage.run(&["sync", "--yes", "--json"]).expect_code(0);
    assert!(again.summary()["updated"].as_u64() > Some(0), "{again:?}");
    checker.assert();
    assert!(!again.stderr.contains("damaged"), "{again:?}");
    tried("I4", 1);
}

/// However little memory there is, a start ends by itself and leaves nothing that the next one cannot go on from.
#[test]
fn i4_with_too_little_memory_to_begin_with_the_program_ends_by_itself() {
    let stage = company(4);
    let mut deaths = 0;
    for megabytes in (30..300).step_by(5) {
        let killed = Checker::begin(&stage).just_killed();
        let limit = format!("-v {}", megabytes * 1024);
        let mut command = limited(&stage, &limit, &["sync", "--yes", "--json"]);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let mut program = command.spawn().expect("a shell");
        let ended = end_within(Duration::from_mins(1), &mut program).expect("it ends by itself");
        println!("{megabytes} MiB: {ended}, {} writes", stage.writes().len());
        killed.assert();
        if ended.success() {
            break;
        }
        // With the very least it is the system's loader that dies.
        deaths += usize::from(ended.signal() != Some(SIGSEGV) && ended.code() != Some(127));
    }
    assert!(deaths > 0, "no limit was too low");
    let checker = Checker::begin(&stage);
    stage.run(&["sync", "--yes", "--json"]).expect_code(0);
    checker.assert();
    tried("I4", deaths);
}
