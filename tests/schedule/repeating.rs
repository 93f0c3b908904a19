//! Runs follow one another in the foreground.

use serde_json::{Value, json};

use crate::common::Stage;
use crate::{Running, health_file, picture, small_stage, tried, wait_for_health};

fn text(path: &std::path::Path) -> String {
    path.to_str().expect("text").to_owned()
}

#[test]
fn runs_follow_one_another_and_each_brings_what_has_changed() {
    let stage = small_stage();
    let health = health_file(&stage);
    let mut program = Running::start(
        &stage,
        &[],
        &[
            "sync",
            "--every",
            "1s",
            "--jitter",
            "0",
            "--json",
            "--health",
            &text(&health),
        ],
    );
    let first = program.wait_for("\"finished\"");
    assert!(
        first.contains("\"updated\":2"),
        "the first run is at once: {first}"
    );
    let second = program.wait_for("\"finished\"");
    assert!(second.contains("\"updated\":0"), "{second}");
    stage.request(
        reqwest::Method::PUT,
        "/entra/users/ada@contoso.example/photo",
        picture(90, 90),
    );
    // A run may have been under way while the photo changed.
    loop {
        let later = program.wait_for("\"finished\"");
        if later.contains("\"updated\":1") {
            break;
        }
        assert!(later.contains("\"updated\":0"), "{later}");
    }
    let good = wait_for_health(&health, "it sleeps", |health| health["state"] == "sleeping");
    assert_eq!(good["schema"], "avatar-sync/health/1");
    assert_eq!(good["exit_code"], 0);
    assert_eq!(good["pid"], program.child.id());
    for key in ["last_run", "last_success", "next_run", "updated", "started"] {
        let shown = good[key].as_str().unwrap_or_else(|| panic!("{key} in {good}"));
        shown
            .parse::<jiff::Timestamp>()
            .unwrap_or_else(|error| panic!("{key}: {error}"));
    }
    let probe = stage.run(&["health", &text(&health)]).expect_code(0);
    assert!(probe.stdout.starts_with("healthy: "), "{}", probe.stdout);
    // Between runs the profile is free: others can write, and read what was done.
    let history = stage.run(&["history", "--json"]).expect_code(0).events();
    assert!(history.len() >= 3, "{history:?}");
}

#[test]
fn a_failed_run_does_not_end_the_loop_and_the_next_good_one_is_seen() {
    let stage = small_stage();
    let health = health_file(&stage);
    stage.post(
        "/faults",
        &json!({"service": "entra", "method": "POST", "path": "token",
                "do": {"status": 401, "body": "{\"error\":\"invalid_client\",\"error_description\":\"AADSTS7000215: Invalid client secret provided.\"}",
                       "headers": {"Content-Type": "application/json"}}}),
    );
    let program = Running::start(
        &stage,
        &[],
        &[
            "sync",
            "--every",
            "1s",
            "--jitter",
            "0",
            "--health",
            &text(&health),
        ],
    );
    let failing = wait_for_health(&health, "two failures", |health| {
        health["state"] == "failing" && health["failures_in_a_row"].as_u64() >= Some(2)
    });
    assert_eq!(failing["exit_code"], 5, "{failing}");
    assert_eq!(failing["last_success"], Value::Null);
    // A liveness probe does not restart what a restart cannot mend; a stricter one says so.
    stage.run(&["health", &text(&health)]).expect_code(0);
    let strict = stage
        .run(&["health", &text(&health), "--max-without-success", "0"])
        .expect_code(1);
    assert!(
        strict.stdout.contains("no run has gone well"),
        "{}",
        strict.stdout
    );

    stage.request(reqwest::Method::DELETE, "/faults", Vec::new());
    let good = wait_for_health(&health, "it recovers", |health| health["exit_code"] == 0);
    assert_eq!(good["failures_in_a_row"], 0);
    drop(program);
}

#[test]
fn a_mistake_in_the_configuration_ends_it_because_no_later_run_could_mend_it() {
    let stage = small_stage();
    for (arguments, words) in [
        (vec!["sync", "--every", "soon"], "length of time"),
        (vec!["sync", "--every", "100ms"], "between 1 s and 366 days"),
        (vec!["sync", "--cron", "0 3 1 *"], "cron pattern of five fields"),
        (vec!["sync", "--cron", "0 3 30 2 *"], "never due"),
        (
            vec!["sync", "--every", "1h", "--jitter", "much"],
            "schedule.jitter",
        ),
        (
            vec!["sync", "--every", "1h", "--cron", "0 3 * * *"],
            "cannot be used with",
        ),
        (vec!["sync", "--every", "1h", "--readonly"], "--readonly refuses"),
    ] {
        let ended = stage.run(&arguments).expect_code(2);
        assert!(ended.stderr.contains(words), "{words} in {}", ended.stderr);
    }
    let zone = [("AVATAR_SYNC_SCHEDULE_TIME_ZONE", "Europe/Berlyn")];
    let ended = stage
        .run_with(&zone, &["sync", "--cron", "0 3 * * *"])
        .expect_code(2);
    assert!(ended.stderr.contains("Europe/Berlyn"), "{}", ended.stderr);
    // What only shows when the services are asked.
    let secret = [("AVATAR_SYNC_SERVICENOW_INSTANCE", "http://elsewhere.example")];
    let ended = stage.run_with(&secret, &["sync", "--every", "1s"]).expect_code(2);
    assert!(ended.stderr.contains("servicenow.instance"), "{}", ended.stderr);
    assert_eq!(stage.writes(), Vec::<Value>::new());
}

#[test]
fn a_dry_run_can_be_repeated_and_writes_nothing() {
    let stage = small_stage();
    let mut program = Running::start(
        &stage,
        &[],
        &["sync", "--every", "1s", "--jitter", "0", "--dry-run"],
    );
    for _ in 0..2 {
        program.wait_for("nothing was written");
    }
    assert_eq!(stage.writes(), Vec::<Value>::new());
}

/// Holds ServiceNow's first upload for a while, so that a run is under way as long as a test needs it.
fn slow_upload(stage: &Stage, milliseconds: u64) {
    stage.post(
        "/faults",
        &json!({"service": "servicenow", "method": "POST", "path": "^/api/now/attachment/file", "times": 1,
                "do": {"delay_ms": milliseconds}}),
    );
}

fn wait_for_upload(stage: &Stage) {
    let until = std::time::Instant::now() + crate::PATIENCE;
    while stage.requests(&["POST /api/now/attachment/file"]).1 == 0 {
        assert!(std::time::Instant::now() < until, "no upload began");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

#[test]
fn a_scheduled_run_leaves_itself_out_while_a_manual_one_is_active() {
    let stage = small_stage();
    slow_upload(&stage, 4_000);
    let mut manual = Running::start(&stage, &[], &["sync", "--yes", "--json"]);
    wait_for_upload(&stage);
    let health = health_file(&stage);
    let mut scheduled = Running::start(
        &stage,
        &[],
        &[
            "sync",
            "--every",
            "1s",
            "--jitter",
            "0",
            "--json",
            "--if-locked",
            "skip",
            "--health",
            &text(&health),
        ],
    );
    let line = scheduled.wait_for("this run is left out");
    let holder = manual.child.id().to_string();
    assert!(line.contains(&holder), "it says who holds the profile: {line}");
    let left_out = wait_for_health(&health, "left out", |health| health["exit_code"] == 7);
    assert_eq!(left_out["failures_in_a_row"], 0, "nothing is wrong: {left_out}");
    assert!(manual.wait_for("\"finished\"").contains("\"updated\":2"));
    // In its own time it runs again, and finds nothing left to do.
    let line = scheduled.wait_for("\"finished\"");
    assert!(line.contains("\"updated\":0"), "{line}");
    tried("H3", 1);
}

#[test]
fn a_scheduled_run_waits_for_a_manual_one_if_it_is_told_to() {
    let stage = small_stage();
    for (position, arguments) in [
        vec!["sync", "--every", "1h", "--json", "--if-locked", "wait"],
        vec!["sync", "--yes", "--json", "--if-locked", "wait"],
    ]
    .into_iter()
    .enumerate()
    {
        stage.request(
            reqwest::Method::PUT,
            "/entra/users/ada@contoso.example/photo",
            picture(10 + position as u8 * 90, 7),
        );
        stage.request(reqwest::Method::DELETE, "/requests", Vec::new());
        slow_upload(&stage, 2_000);
        let mut manual = Running::start(&stage, &[], &["sync", "--yes", "--json"]);
        wait_for_upload(&stage);
        let mut waiting = Running::start(&stage, &[], &arguments);
        waiting.wait_for("waiting for it");
        let done = manual.wait_for("\"finished\"");
        assert!(!done.contains("\"updated\":0"), "{done}");
        let line = waiting.wait_for("\"finished\"");
        assert!(line.contains("\"updated\":0"), "one after the other: {line}");
    }
    tried("H3", 2);
}

#[test]
fn a_run_without_a_schedule_says_who_holds_the_profile_and_ends_with_seven() {
    let stage = small_stage();
    slow_upload(&stage, 2_000);
    let mut manual = Running::start(&stage, &[], &["sync", "--yes", "--json"]);
    wait_for_upload(&stage);
    let ended = stage.run(&["sync", "--yes"]).expect_code(7);
    assert!(
        ended.stderr.contains(&manual.child.id().to_string()),
        "{}",
        ended.stderr
    );
    manual.wait_for("\"finished\"");
}

#[test]
fn a_run_that_takes_longer_than_its_interval_leaves_out_the_next_ones_and_says_so() {
    let stage = small_stage();
    slow_upload(&stage, 3_500);
    let mut program = Running::start(&stage, &[], &["sync", "--every", "1s", "--jitter", "0", "--json"]);
    assert!(program.wait_for("\"finished\"").contains("\"updated\":2"));
    let line = program.wait_for("left out, not caught up with");
    assert!(line.contains("runs were due meanwhile"), "{line}");
    program.wait_for("\"finished\"");
}

#[test]
fn a_pattern_waits_for_its_time_and_the_zone_is_the_one_that_is_set() {
    let stage = small_stage();
    let health = health_file(&stage);
    let program = Running::start(
        &stage,
        &[("AVATAR_SYNC_SCHEDULE_TIME_ZONE", "Asia/Kathmandu")],
        &[
            "sync",
            "--cron",
            "0 3 1 1 *",
            "--jitter",
            "0",
            "--health",
            &text(&health),
        ],
    );
    let waiting = wait_for_health(&health, "it waits", |health| health["next_run"].is_string());
    let next = waiting["next_run"].as_str().expect("text");
    // Kathmandu is 5:45 ahead, and knows no daylight saving.
    assert!(next.ends_with("-12-31T21:15:00Z"), "{next}");
    assert_eq!(waiting["last_run"], Value::Null);
    assert_eq!(stage.requests(&[]).0, 0, "nobody was asked anything");
    drop(program);
}

#[test]
fn a_health_file_that_cannot_be_written_is_said_once_and_runs_go_on() {
    let stage = small_stage();
    let nowhere = stage.home().join("missing").join("health.json");
    let mut program = Running::start(
        &stage,
        &[],
        &[
            "sync",
            "--every",
            "1s",
            "--jitter",
            "0",
            "--json",
            "--health",
            &text(&nowhere),
        ],
    );
    for _ in 0..3 {
        program.wait_for("\"finished\"");
    }
    let said = program
        .said
        .iter()
        .filter(|line| line.contains("health file"))
        .count();
    assert_eq!(said, 1, "{:#?}", program.said);
    stage.run(&["health", &text(&nowhere)]).expect_code(1);
}

#[cfg(target_os = "linux")]
#[test]
fn run_after_run_nothing_is_kept_open() {
    let stage = small_stage();
    let mut program = Running::start(&stage, &[], &["sync", "--every", "1s", "--jitter", "0", "--json"]);
    let open = |program: &Running| {
        std::fs::read_dir(format!("/proc/{}/fd", program.child.id()))
            .expect("our own process")
            .count()
    };
    let mut counts = Vec::new();
    for _ in 0..6 {
        program.wait_for("\"finished\"");
        counts.push(open(&program));
    }
    // Connections to both services may be open or not.
    let (first, last) = (counts[1], counts[5]);
    assert!(last <= first + 4, "{counts:?}");
}
