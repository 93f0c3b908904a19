//! Signals (`reliability.md` I5): what is under way is finished, within a limit; a second signal ends at once.

#![cfg(unix)]

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use avatar_sync::sandbox::{Latency, SandboxOptions};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::common::people::company;
use crate::common::{SMALL, Stage, side_by_side};
use crate::{PATIENCE, Running, tried};

const SIGNALS: [Signal; 3] = [Signal::TERM, Signal::INT, Signal::HUP];
/// Ten seconds for what is under way, and a moment to end.
const LIMIT: Duration = Duration::from_secs(12);

fn busy_stage() -> Stage {
    Stage::with(&SandboxOptions {
        users: 250,
        drawn: SMALL,
        is_throttled: false,
        latency: Latency::fixed(Duration::from_millis(5)),
        ..SandboxOptions::default()
    })
}

fn avatars(stage: &Stage) -> HashMap<String, Value> {
    stage
        .control("/avatars")
        .as_array()
        .expect("a list")
        .iter()
        .map(|user| (user["user_name"].as_str().expect("text").to_owned(), user.clone()))
        .collect()
}

#[track_caller]
fn nobody_has_lost_a_picture(before: &HashMap<String, Value>, stage: &Stage) {
    let now = avatars(stage);
    for (user_name, user) in before {
        let has_lost = !user["effective"].is_null() && now[user_name]["effective"].is_null();
        assert!(!has_lost, "{user_name} has lost the picture");
    }
}

fn wait_for_uploads(stage: &Stage, count: u64) {
    let until = Instant::now() + PATIENCE;
    while stage.requests(&["POST /api/now/attachment/file"]).1 < count {
        assert!(Instant::now() < until, "no upload began");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Records that show more than one picture of the platform's form: some of the practice world do from the beginning,
/// others because a push was not brought to its end.
fn doubled(avatars: &HashMap<String, Value>) -> BTreeSet<(String, String)> {
    let mut rows: HashMap<(String, String), usize> = HashMap::new();
    for user in avatars.values() {
        for row in user["attachments"].as_array().expect("a list") {
            let table = row["table_name"].as_str().expect("text");
            if table.starts_with("ZZ_YY") {
                let record = row["table_sys_id"].as_str().expect("text");
                *rows.entry((table.to_owned(), record.to_owned())).or_default() += 1;
            }
        }
    }
    rows.into_iter()
        .filter_map(|(record, count)| (count > 1).then_some(record))
        .collect()
}

#[track_caller]
fn nothing_is_half_done(before: &HashMap<String, Value>, stage: &Stage) {
    let known = doubled(before);
    let now = doubled(&avatars(stage));
    let new: Vec<_> = now.difference(&known).collect();
    assert!(new.is_empty(), "not brought to its end: {new:?}");
}

#[test]
fn a_signal_in_a_run_finishes_what_is_under_way_and_begins_nothing_new() {
    let once = &["sync", "--yes", "--json"][..];
    let repeated = &["sync", "--every", "1h", "--json"][..];
    let cases = [
        (Signal::TERM, once),
        (Signal::INT, repeated),
        (Signal::HUP, once),
        (Signal::TERM, repeated),
    ];
    side_by_side(cases.len(), cases.len(), |case| {
        let (signal, arguments) = cases[case];
        let stage = busy_stage();
        let before = avatars(&stage);
        // Few at a time, so that there is a rest.
        let few = [("AVATAR_SYNC_LIMITS_PUSHES_IN_FLIGHT", "1")];
        let program = Running::start(&stage, &few, arguments);
        wait_for_uploads(&stage, 2);
        program.signal(signal);
        let asked = Instant::now();
        let (code, said) = program.end();
        assert!(asked.elapsed() < LIMIT, "{:?}", asked.elapsed());
        assert_eq!(code, 130, "{signal:?} {arguments:?}:\n{said}");
        let last = said
            .lines()
            .find(|line| line.contains("\"finished\""))
            .unwrap_or_else(|| panic!("it ends in order:\n{said}"));
        let last: Value = serde_json::from_str(last).expect("JSON");
        let sum: u64 = last["summary"]
            .as_object()
            .expect("numbers")
            .iter()
            .filter(|(key, _)| *key != "selected")
            .filter_map(|(_, number)| number.as_u64())
            .sum();
        assert_eq!(last["summary"]["selected"], sum, "{last}");
        assert_eq!(last["summary"]["failed"], 0, "{last}");
        assert!(last["summary"]["updated"].as_u64() >= Some(1), "{last}");
        nobody_has_lost_a_picture(&before, &stage);
        nothing_is_half_done(&before, &stage);
        // The next run has nothing to settle, and finishes the rest.
        let next = stage.run(&["sync", "--yes", "--json"]).expect_code(0);
        assert!(!next.stderr.contains("did not end properly"), "{}", next.stderr);
        assert!(
            next.summary()["updated"].as_u64() >= Some(1),
            "the rest was not reached before"
        );
    });
    tried("I5", cases.len());
}

/// ServiceNow takes a minute for every upload.
fn hanging_stage() -> Stage {
    let stage = busy_stage();
    stage.post(
        "/faults",
        &json!({"service": "servicenow", "method": "POST", "path": "^/api/now/attachment/file",
                "do": {"delay_ms": 60_000}}),
    );
    stage
}

#[test]
fn a_service_that_hangs_does_not_hold_the_program_longer_than_ten_seconds() {
    let stage = hanging_stage();
    let before = avatars(&stage);
    let program = Running::start(&stage, &[], &["sync", "--every", "1h"]);
    wait_for_uploads(&stage, 1);
    program.signal(Signal::TERM);
    let asked = Instant::now();
    let (code, said) = program.end();
    let took = asked.elapsed();
    assert_eq!(code, 130, "{said}");
    assert!(took > Duration::from_secs(8) && took < LIMIT, "{took:?}");
    nobody_has_lost_a_picture(&before, &stage);
    stage.request(reqwest::Method::DELETE, "/faults", Vec::new());
    stage.run(&["sync", "--yes"]).expect_code(0);
    nobody_has_lost_a_picture(&before, &stage);
    nothing_is_half_done(&before, &stage);
    tried("I5", 1);
}

#[test]
fn a_second_signal_ends_the_program_at_once() {
    for (first, second) in [
        (Signal::TERM, Signal::TERM),
        (Signal::INT, Signal::TERM),
        (Signal::HUP, Signal::INT),
    ] {
        let stage = hanging_stage();
        let mut program = Running::start(&stage, &[], &["sync", "--yes"]);
        wait_for_uploads(&stage, 1);
        program.signal(first);
        program.wait_for("once more to stop at once");
        program.signal(second);
        let asked = Instant::now();
        let (code, said) = program.end();
        assert_eq!(code, 130, "{said}");
        assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
    }
    tried("I5", 3);
}

#[test]
fn a_signal_while_it_sleeps_or_waits_for_another_run_ends_it_at_once() {
    for signal in SIGNALS {
        let stage = crate::small_stage();
        let health = crate::health_file(&stage);
        let path = health.to_str().expect("text").to_owned();
        let mut program = Running::start(&stage, &[], &["sync", "--every", "1h", "--health", &path]);
        program.wait_for("the next run begins");
        program.signal(signal);
        let asked = Instant::now();
        let (code, said) = program.end();
        assert_eq!(code, 130, "{said}");
        assert!(asked.elapsed() < Duration::from_secs(3), "{:?}", asked.elapsed());
        let over = crate::wait_for_health(&health, "it says so", |health| health["next_run"].is_null());
        assert!(
            over["sentence"].as_str().expect("text").starts_with("ended"),
            "{over}"
        );
    }
    let stage = hanging_stage();
    let _manual = Running::start(&stage, &[], &["sync", "--yes"]);
    wait_for_uploads(&stage, 1);
    let mut waiting = Running::start(&stage, &[], &["sync", "--every", "1h", "--if-locked", "wait"]);
    waiting.wait_for("waiting for it");
    waiting.signal(Signal::TERM);
    let asked = Instant::now();
    let (code, said) = waiting.end();
    assert_eq!(code, 130, "{said}");
    assert!(asked.elapsed() < Duration::from_secs(3), "{:?}", asked.elapsed());
    tried("I5", 4);
}

/// A run over this many people, killed when many of them were under way.
fn crashed(stage: &Stage) {
    let program = Running::start(stage, &[], &["sync", "--yes", "--json"]);
    wait_for_uploads(stage, 100);
    drop(program);
}

#[test]
fn a_signal_while_a_crash_is_settled_leaves_the_rest_for_the_next_start_and_begins_no_run() {
    let stage = company(80);
    let before = avatars(&stage);
    crashed(&stage);
    let runs = stage.run(&["history", "--json"]).events().len();

    // One at work, and at most thirty-two under way: some have not had their turn when the first one is done.
    let few = [("AVATAR_SYNC_LIMITS_PUSHES_IN_FLIGHT", "1")];
    let mut program = Running::start(&stage, &few, &["sync", "--yes", "--json"]);
    let total = program.wait_for(r#""event":"settling""#);
    let total: Value = serde_json::from_str(&total).expect("JSON");
    let total = total["total"].as_u64().expect("a number");
    assert!(total > 33, "{total} people were under way");
    program.wait_for(r#""event":"settled""#);
    program.signal(Signal::INT);
    let asked = Instant::now();
    let (code, said) = program.end();
    assert!(asked.elapsed() < LIMIT, "{:?}", asked.elapsed());
    assert_eq!(code, 130, "{said}");
    assert!(said.contains("stopping after what is under way"), "{said}");
    let settled: Vec<Value> = said
        .lines()
        .filter(|line| line.contains(r#""event":"settled""#))
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    for (position, event) in settled.iter().enumerate() {
        assert_eq!(event["done"], position as u64 + 1, "{event}");
        assert_eq!(event["total"], total, "{event}");
        assert_ne!(event["outcome"], "failed", "{event}");
    }
    let left = total - settled.len() as u64;
    assert!(left > 0, "{said}");
    assert!(
        said.contains("cancelled; of what an interrupted run has left"),
        "{said}"
    );
    assert!(
        said.contains(&format!("settled, {left} ")),
        "{left} are left:\n{said}"
    );
    assert!(said.contains("the run itself has not begun"), "{said}");
    assert!(!said.contains(r#""event":"started""#), "{said}");
    assert_eq!(
        stage.run(&["history", "--json"]).events().len(),
        runs,
        "no run begins"
    );
    nobody_has_lost_a_picture(&before, &stage);

    // The next start settles exactly the others, says so in words, and goes on.
    let next = stage.run(&["sync", "--yes"]).expect_code(0);
    let words = format!(
        "settling what an interrupted run has left: {}",
        if left == 1 {
            "1 person".to_owned()
        } else {
            format!("{left} people")
        }
    );
    assert!(next.stderr.contains(&words), "{words}:\n{}", next.stderr);
    assert_eq!(
        next.stderr.matches("interrupted in run").count() as u64,
        left,
        "{}",
        next.stderr
    );
    nothing_is_half_done(&before, &stage);
    let status = stage.run(&["status", "--json"]).expect_code(0).json();
    assert_eq!(status["counts"], json!({"in_sync": 80}), "{}", status["counts"]);
    tried("I5", 1);
}
