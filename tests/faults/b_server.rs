//! B: server errors.

use std::time::Duration;

use avatar_sync::sandbox::SandboxOptions;
use serde_json::json;

use crate::common::faults::{Scenario, rule, tried};
use crate::common::moment::Moment;
use crate::common::people::{company, name};
use crate::common::replay::Replay;
use crate::common::{SMALL, Stage, side_by_side};
use crate::everybody_shows_their_photo;

const TABLES: &str = "^/api/now/table/";
const UPLOADS: &str = "^/api/now/attachment/file";

#[test]
fn b3_an_upload_that_was_carried_out_and_answered_504_is_found_and_there_is_one_picture() {
    let lost = json!({"status": 504, "carried_out": true, "body": ""});
    let told = Scenario::of(8)
        .fault(rule("servicenow", "POST", UPLOADS, 4, lost))
        .sync();
    let told = told.code(0).after_the_faults().everybody_right();
    let uploads = told.stage.requests(&["POST /api/now/attachment/file"]).1;
    assert_eq!(uploads, 16, "two records each, and none was sent twice");
    tried("B3", 4);
}

#[test]
fn b4_whoever_the_service_fails_for_fails_alone() {
    let scenario = Scenario::of(6);
    let id = {
        let directory = scenario.stage.sandbox.world().directory.read();
        directory.find(&name(2)).expect("there").id.to_string()
    };
    let broken =
        || json!({"status": 500, "body": {"error": {"code": "generalException", "message": "Something"}}});
    let told = scenario
        .fault(json!({"service": "entra", "path": format!("/users/{id}/photo"), "do": broken()}))
        .fault(json!({"service": "entra", "batch_item": true, "path": format!("/users/{id}/photo"), "do": broken()}))
        .sync();
    let told = told.everybody_right_but(&[2]);
    assert_eq!(told.count("updated"), 5, "{:?}", told.ended);
    let asked = told.stage.requests(&["photo"]).1;
    assert!(asked < 20, "{asked} requests for photos");
    tried("B4", 1);
}

#[test]
fn b5_a_page_in_the_middle_of_a_run_stops_it_and_is_named() {
    let pages = [
        ("login", "log-in page"),
        ("hibernating", "hibernat"),
        ("maintenance", "maintenance"),
    ];
    for (page, words) in pages {
        let told = Scenario::of(6)
            .fault(json!({"service": "servicenow", "path": UPLOADS, "skip": 3, "do": {"html": page}}))
            .sync()
            .after_the_faults();
        let said = format!("{}{}", told.ended.stdout, told.ended.stderr).to_lowercase();
        assert!(told.ended.code == 1 || told.ended.code == 5, "{:?}", told.ended);
        assert!(said.contains(words), "{page}: {said}");
    }
    tried("B5", pages.len());
}

#[test]
fn b6_a_request_that_was_dropped_with_202_is_not_taken_for_done() {
    let dropped = || json!({"status": 202, "body": ""});
    let told = Scenario::of(8)
        .fault(rule("servicenow", "POST", UPLOADS, 2, dropped()))
        .fault(rule("servicenow", "PATCH", TABLES, 1, dropped()))
        .fault(rule(
            "servicenow",
            "DELETE",
            "^/api/now/attachment/",
            1,
            dropped(),
        ))
        .fault(rule("servicenow", "GET", TABLES, 2, dropped()))
        .sync();
    told.code(0).after_the_faults().everybody_right();
    tried("B6", 6);
}

#[test]
fn b7_an_error_behind_success_and_an_empty_answer_fail_one_person_with_the_services_words() {
    let words = json!({"error": {"message": "The moon is full", "detail": ""}, "status": "failure"});
    for (answer, said) in [(words, Some("The moon is full")), (json!(""), None)] {
        let told = Scenario::of(5)
            .fault(
                json!({"service": "servicenow", "method": "POST", "path": UPLOADS, "times": 3,
                "do": {"status": 200, "headers": {"Content-Type": "application/json"}, "body": answer}}),
            )
            .sync()
            .after_the_faults();
        if let Some(said) = said {
            assert!(told.count("failed") >= 1, "{:?}", told.ended);
            told.code(4).says(said);
        } else {
            // Nobody knows what became of it: looked up, not there, sent again.
            assert_eq!(told.count("updated") + told.count("failed"), 5);
        }
    }
    tried("B7", 6);
}

#[test]
fn b8_every_write_is_a_request_of_its_own_so_that_no_batch_can_leave_one_unserved() {
    // An instance that cuts every batch off at once.
    let told = Scenario::of(8)
        .switch("servicenow", json!({"batch_limit_ms": 0}))
        .sync();
    let told = told.code(0).everybody_right();
    assert_eq!(told.stage.requests(&["servicenow", "/batch"]).1, 0);
    tried("B8", 8);
}

#[test]
fn b9_pages_whose_transaction_is_cancelled_are_asked_for_in_smaller_ones() {
    let words = "Transaction cancelled: maximum execution time exceeded";
    let whole = json!({"error": {"message": words, "detail": ""}, "status": "failure"}).to_string();
    let broken_off = format!("{{\"result\":[{{\"sys_id\":\"x\",\"error\":{{\"message\":\"{words}\"}}");
    for (status, body) in [(500, whole), (200, broken_off)] {
        let told = Scenario::of(8)
            .fault(
                json!({"service": "servicenow", "path": "^/api/now/table/sys_user$",
                "query": "ORDERBY.*sysparm_limit=(1000|500|250)(&|$)",
                "do": {"status": status, "headers": {"Content-Type": "application/json"}, "body": body}}),
            )
            .sync();
        told.code(0).after_the_faults().everybody_right();
    }
    tried("B9", 2);
}

#[test]
fn b10_a_run_keeps_to_one_session_a_slot_and_to_none_if_told_so() {
    let told = Scenario::of(16).sync().code(0).everybody_right();
    let sessions = told.stage.control("/traffic")["sessions"].clone();
    assert!(sessions["opened"].as_u64() <= Some(6), "{sessions}");
    let told = Scenario::of(8)
        .setting("AVATAR_SYNC_SERVICENOW_SESSION_COOKIES", "false")
        .checked_with(&["sync", "--yes", "--json"], |checker| checker.without_cookies());
    told.code(0).everybody_right();
    tried("B10", 2);
}

/// 5 % of all requests answered with a server error, 5 % refused, 2 % of the connections lost.
fn misery(stage: &Stage) {
    let trouble = [
        (0.02, json!({"status": 503, "body": ""})),
        (0.01, json!({"status": 500, "body": ""})),
        (0.01, json!({"status": 502, "body": ""})),
        (0.01, json!({"status": 504, "carried_out": true, "body": ""})),
        (
            0.03,
            json!({"status": 429, "headers": {"Retry-After": "1"}, "body": ""}),
        ),
        (0.02, json!({"status": 429, "body": ""})),
        (0.007, json!({"drop": "before"})),
        (0.007, json!({"drop": "after"})),
        (0.006, json!({"drop": "mid_body"})),
    ];
    for (probability, act) in trouble {
        stage.post("/faults", &json!({"probability": probability, "do": act}));
    }
}

#[test]
fn b1_trouble_at_random_costs_time_and_nobody_their_picture() {
    let stage = company(16);
    misery(&stage);
    let moment = Moment::of(stage);
    let run = moment.sync();
    let summary = run.ended.summary();
    assert_eq!(
        (&summary["updated"], &summary["failed"]),
        (&json!(16), &json!(0)),
        "{summary}"
    );
    everybody_shows_their_photo(&moment, 16);
    tried("B1", 1);
}

/// A company of so many people invented from a seed.
fn invented(users: usize, seed: u64) -> Stage {
    Stage::with(&SandboxOptions {
        users,
        seed,
        drawn: SMALL,
        is_throttled: false,
        ..SandboxOptions::default()
    })
}

#[test]
#[ignore = "takes long: twenty times a thousand people"]
fn b1_a_thousand_people_end_as_they_would_have_without_trouble_twenty_times() {
    let seeds = 20;
    // They mostly wait for the disk and for one another, so several are tried at once.
    side_by_side(5, seeds, |number| a_thousand_people_in_trouble(number as u64 + 1));
    tried("B1", seeds);
}

/// A run of a thousand invented people in misery ends as one without.
fn a_thousand_people_in_trouble(seed: u64) {
    let people = 1_000;
    let begun = std::time::Instant::now();
    let calm = Moment::of(invented(people, seed));
    let without = calm.sync().ended.summary();
    let stage = invented(people, seed);
    misery(&stage);
    let moment = Moment::of(stage);
    let run = moment.sync();
    let summary = run.ended.summary();
    let lanes = ["login", "directory", "photos", "servicenow"];
    let sum = |key| lanes.iter().map(|lane| moment.lane(lane, key)).sum::<u64>();
    let (requests, retries) = (sum("requests"), sum("retries"));
    let minutes = run.took.as_secs_f64() / 60.0;
    println!(
        "seed {seed}: {} updated, {} failed; {requests} requests, {retries} of them retries ({:.1} %); {minutes:.1} min by \
         its own clock, {:.1} s by ours",
        summary["updated"],
        summary["failed"],
        retries as f64 * 100.0 / requests as f64,
        begun.elapsed().as_secs_f64()
    );
    assert!(
        retries as f64 <= requests as f64 * 0.1 + 10.0 * minutes.ceil(),
        "seed {seed}: {retries} retries of {requests} requests in {minutes} min"
    );
    let others: Vec<_> = (run.ended.events().into_iter())
        .filter(|event| matches!(event["outcome"].as_str(), Some("failed" | "changed_meanwhile")))
        .collect();
    assert_eq!(summary, without, "seed {seed}: after one run; {others:#?}");
    let seen = |moment: &Moment| Replay::of(&moment.stage.lines("/snapshot")).everybody();
    assert_eq!(seen(&moment), seen(&calm), "seed {seed}");
}

#[test]
fn b2_five_minutes_of_nothing_but_503_are_waited_out_with_a_probe_at_a_time() {
    let moment = Moment::of(company(8));
    // Away from the third request on, for five minutes of the service's own time.
    moment.stage.post(
        "/faults",
        &json!({"service": "servicenow", "path": "^/api/", "skip": 6, "times": 7, "do": {"status": 503, "body": ""}}),
    );
    let run = moment.sync();
    assert_eq!(run.ended.summary()["failed"], 0, "{:?}", run.ended);
    assert!(run.took > Duration::from_secs(60), "{:?}", run.took);
    tried("B2", 1);
}
