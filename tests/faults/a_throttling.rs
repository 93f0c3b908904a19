//! A: throttling.

use std::time::Duration;

use serde_json::json;

#[cfg(target_os = "linux")]
use crate::common::Ended;
use crate::common::faults::{Scenario, rule, tried};
use crate::common::moment::Moment;
use crate::common::people::company;
use crate::everybody_shows_their_photo;

const TABLES: &str = "^/api/now/table/";
const UPLOADS: &str = "^/api/now/attachment/file";
const PHOTOS: &str = "photo";

#[test]
fn a1_a_pause_is_waited_out_and_nothing_fails() {
    let wait = || json!({"status": 429, "headers": {"Retry-After": "1"}, "body": ""});
    let refusals = [
        rule("entra", "GET", "^/v1.0/users$", 1, wait()),
        rule("entra", "GET", PHOTOS, 1, wait()),
        rule("servicenow", "GET", TABLES, 1, wait()),
        rule("servicenow", "POST", UPLOADS, 1, wait()),
    ];
    let count = refusals.len();
    let told = refusals.into_iter().fold(Scenario::of(8), Scenario::fault).sync();
    let told = told.code(0).after_the_faults().everybody_right();
    assert_eq!((told.count("updated"), told.count("failed")), (8, 0));
    tried("A1", count);
}

#[test]
fn a2_a_refusal_that_names_no_wait_is_backed_off_from() {
    let bare = || json!({"status": 429, "body": ""});
    let told = Scenario::of(8)
        .fault(rule("entra", "GET", PHOTOS, 2, bare()))
        .fault(rule("servicenow", "POST", UPLOADS, 2, bare()))
        .sync();
    told.code(0).after_the_faults().everybody_right();
    tried("A2", 4);
}

#[test]
fn a4_of_a_batch_only_the_refused_items_are_asked_for_again() {
    let scenario = Scenario::of(20).fault(
        json!({"service": "entra", "batch_item": true, "path": "photo", "times": 7,
        "do": {"status": 429, "headers": {"Retry-After": "1"}, "body": ""}}),
    );
    let told = scenario.sync().code(0).after_the_faults().everybody_right();
    let (_, batches) = told.stage.requests(&["$batch"]);
    assert_eq!(batches, 2, "twenty, and then seven");
    tried("A4", 7);
}

#[test]
fn a8_an_exhausted_pool_that_refuses_without_a_word_is_not_exceeded_again() {
    // Two threads and nobody may wait: the third request in flight is refused with a bare 429.
    let told = Scenario::of(16)
        .switch(
            "servicenow",
            json!({"throttle": {"enabled": true, "threads": 2, "queue": 0}}),
        )
        .switch("server", json!({"latency_ms": 20}))
        .sync()
        .code(0)
        .everybody_right();
    let traffic = told.stage.control("/traffic");
    let lane = &traffic["lanes"]["servicenow"];
    let (requests, refused) = (lane["requests"].as_u64(), lane["throttled"].as_u64());
    assert!(refused <= Some(3), "{refused:?} of {requests:?} were refused");
    tried("A8", 1);
}

#[test]
fn a10_both_services_throttle_in_turn_and_neither_starves() {
    let wait = || json!({"status": 429, "headers": {"Retry-After": "1"}, "body": ""});
    let mut scenario = Scenario::of(8);
    for skip in [0, 3, 6] {
        for (service, path) in [("entra", PHOTOS), ("servicenow", UPLOADS)] {
            let mut refusal = rule(service, "GET", path, 1, wait());
            refusal["skip"] = json!(skip);
            if service == "servicenow" {
                refusal["method"] = json!("POST");
            }
            scenario = scenario.fault(refusal);
        }
    }
    scenario.sync().code(0).after_the_faults().everybody_right();
    tried("A10", 6);
}

/// Processor time that a process has used so far (`proc_pid_stat(5)`: fields 14 and 15, in hundredths of a second).
#[cfg(target_os = "linux")]
fn processor_time(process: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).expect("it runs");
    let (_, after_name) = stat.rsplit_once(')').expect("its name is in brackets");
    let ticks = after_name.split_whitespace().skip(11).take(2);
    let ticks: u64 = ticks.map(|field| field.parse::<u64>().expect("a number")).sum();
    Duration::from_millis(ticks * 10)
}

// Only Linux tells the processor time of a running process without further ado.
#[cfg(target_os = "linux")]
#[test]
fn a10_while_both_services_pause_the_program_does_next_to_nothing() {
    use std::process::Stdio;
    use std::time::Instant;

    use crate::common::checker::Checker;

    const WATCHED: Duration = Duration::from_secs(3);
    let stage = company(8);
    // The first request of either listing.
    for (service, path) in [("entra", "^/v1.0/users$"), ("servicenow", TABLES)] {
        let wait = json!({"status": 429, "headers": {"Retry-After": "6"}, "body": ""});
        stage.post("/faults", &rule(service, "GET", path, 1, wait));
    }
    let checker = Checker::begin(&stage);
    let mut command = stage.command(&["sync", "--yes", "--json"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let child = child.expect("the program starts");
    let figures = |key: &str| {
        let traffic = stage.control("/traffic");
        ["directory", "servicenow"].map(|lane| traffic["lanes"][lane][key].as_u64().expect("a number"))
    };
    let begun = Instant::now();
    while figures("throttled") != [1, 1] {
        assert!(
            begun.elapsed() < Duration::from_mins(1),
            "both were to be refused"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    // What was in hand is put away.
    std::thread::sleep(Duration::from_millis(500));
    let (requests, used, since) = (figures("requests"), processor_time(child.id()), Instant::now());
    std::thread::sleep(WATCHED);
    let used = processor_time(child.id()).saturating_sub(used);
    let share = used.as_secs_f64() / since.elapsed().as_secs_f64();
    let is_paused = figures("requests") == requests;
    let output = child.wait_with_output().expect("it ends");
    stage.heard(Ended {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).expect("output is UTF-8"),
        stderr: String::from_utf8(output.stderr).expect("output is UTF-8"),
    });
    checker.assert();
    assert!(output.status.success());
    assert!(is_paused, "both lanes waited while the program was watched");
    assert!(
        share < 0.05,
        "{:.1} % of a processor while waiting",
        share * 100.0
    );
    tried("A10", 1);
}

/// Refuses three of ten requests, each time for a second, until everybody is right after one run; counts the refusals.
fn refused_for_a_while(people: usize) -> (u64, Duration) {
    let stage = company(people);
    for service in ["entra", "servicenow"] {
        stage.post(
            "/faults",
            &json!({"service": service, "path": "^/(v1.0|api)/", "probability": 0.3,
                "do": {"status": 429, "headers": {"Retry-After": "1"}, "body": ""}}),
        );
    }
    let moment = Moment::of(stage);
    let run = moment.sync();
    let summary = run.ended.summary();
    assert_eq!(summary["updated"], people, "{summary}");
    everybody_shows_their_photo(&moment, people);
    let refused = ["directory", "photos", "servicenow"]
        .map(|lane| moment.lane(lane, "throttled"))
        .iter()
        .sum::<u64>();
    (refused, run.took)
}

#[test]
fn a6_refusals_of_a_third_of_everything_keep_to_the_retry_budget_and_everybody_is_brought() {
    let (refused, _) = refused_for_a_while(12);
    assert!(refused > 20, "{refused}");
    tried("A6", refused as usize);
}

#[test]
#[ignore = "takes long: two hundred people"]
fn a6_ten_minutes_of_refusals_and_more() {
    let (refused, took) = refused_for_a_while(200);
    assert!(took > Duration::from_mins(10), "{took:?}");
    println!(
        "{refused} refusals waited out in {:.0} min by the run's own clock",
        took.as_secs_f64() / 60.0
    );
    tried("A6", refused as usize);
}

#[test]
fn a7_an_hourly_rule_is_waited_for_until_the_hour_turns_and_nobody_fails() {
    let stage = company(12);
    let rule = json!({"throttle": {"enabled": true, "rate_rules": [{"id": "0123456789abcdef0123456789abcdef", "limit": 60}]}});
    stage.request(
        reqwest::Method::PATCH,
        "/settings/servicenow",
        rule.to_string().into_bytes(),
    );
    let moment = Moment::of(stage);
    let run = moment.sync();
    let summary = run.ended.summary();
    assert_eq!(
        (&summary["updated"], &summary["failed"]),
        (&json!(12), &json!(0)),
        "{summary}"
    );
    assert!(
        run.took > Duration::from_secs(10),
        "it waited for the hour: {:?}",
        run.took
    );
    let (requests, refused) = (
        moment.lane("servicenow", "requests"),
        moment.lane("servicenow", "throttled"),
    );
    assert!(requests > 60 && refused <= 2, "{refused} of {requests} refused");
    tried("A7", 1);
}

#[test]
fn a9_the_directory_is_asked_more_slowly_before_it_refuses() {
    // Hardly any resource units: the header that tells how much is used is all that helps.
    let stage = company(20);
    let few = json!({"throttling": true, "directory_units": 40});
    stage.request(
        reqwest::Method::PATCH,
        "/settings/entra",
        few.to_string().into_bytes(),
    );
    let moment = Moment::of(stage);
    let run = moment.sync();
    assert_eq!(run.ended.summary()["failed"], 0);
    tried("A9", 1);
}
