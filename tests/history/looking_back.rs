//! A run that is killed, listed, gone on with, handed on as an audit, and taken back.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::common::checker::Checker;
use crate::common::people::{company, hash, name, old_picture};
use crate::{Running, assert_everybody_right, at_full_speed, is_event, slow};

const PEOPLE: usize = 24;
/// More than are under way at a time.
const MANY: usize = 80;

#[test]
fn a_killed_run_is_gone_on_with_and_every_number_adds_up() {
    let stage = company(MANY);
    slow(&stage, 700);
    // Of whom at most thirty-two are under way.
    let mut command = stage.command(&["sync", "--yes", "--json"]);
    command.env("AVATAR_SYNC_LIMITS_PUSHES_IN_FLIGHT", "1");
    let mut first = Running::of(command);
    first.until(is_event("started"));
    let patience = Instant::now();
    while stage.writes().len() < 5 {
        assert!(patience.elapsed().as_secs() < 60, "nothing is written");
        std::thread::sleep(Duration::from_millis(20));
    }
    first.kill();
    at_full_speed(&stage);

    let runs = stage.run(&["history", "--json"]).expect_code(0).events();
    assert_eq!(runs.len(), 1);
    let run = &runs[0];
    assert_eq!(run["schema"], "avatar-sync/history/1");
    assert!(run["finished"].is_null(), "{run}");
    assert!(run["not_reached"].as_u64().expect("a number") > 0, "{run}");
    let id = run["run"].as_str().expect("text").to_owned();
    let people = stage.run(&["history", &id, "--json"]).expect_code(0).events();
    let unreached = people
        .iter()
        .filter(|line| {
            line["detail"]
                .as_str()
                .is_some_and(|detail| detail.contains("not reached"))
        })
        .count() as u64;
    assert_eq!(Some(unreached), run["not_reached"].as_u64());

    let dry = stage.run(&["resume", "--dry-run"]).expect_code(0);
    assert!(dry.stderr.contains("was cut short"), "{}", dry.stderr);
    let checker = Checker::begin(&stage);
    let second = stage.run(&["resume", "--yes", "--json"]).expect_code(0);
    checker.assert();
    drop(checker);
    // What the first run had begun is settled before the second one begins.
    let events = second.events();
    let started = events.iter().find(|event| event["event"] == "started");
    assert_eq!(started.expect("it begins")["continues"], id);
    let summary = second.summary();
    assert_eq!(summary["failed"], 0, "{summary}");
    assert_everybody_right(&stage, MANY);

    let third = stage.run(&["resume", "--yes", "--json"]).expect_code(0);
    assert!(
        third.summary()["selected"] == 0 && third.events().len() == 1,
        "{third:?}"
    );
    let said = stage.run(&["resume", "--yes"]).expect_code(0).stderr;
    assert!(said.contains("Nothing is outstanding"), "{said}");

    let runs = stage.run(&["history", "--json"]).expect_code(0).events();
    assert_eq!(runs[0]["continues"], id);
    assert_eq!(runs[1]["continued_by"], runs[0]["run"]);
    // Whoever the first run reached (the picture of one may have been there before its answer was) and whoever the second one was asked for are everybody.
    let told = stage.run(&["history", &id, "--json"]).expect_code(0).events();
    // The picture of one may have been there before its answer was.
    let is_reached = |line: &&Value| line["outcome"] == "updated" || line["outcome"] == "unchanged";
    let reached = told.iter().filter(is_reached).count() as u64;
    assert_eq!(
        reached + summary["selected"].as_u64().expect("a number"),
        MANY as u64,
        "{told:?}\n{second:?}"
    );
    stage.run(&["resume", "no-such-run"]).expect_code(2);
}

#[test]
fn history_names_both_pictures_and_the_audit_every_write() {
    let stage = company(PEOPLE);
    stage.run(&["sync", "--yes"]).expect_code(0);
    let run = stage.run(&["history", "--json"]).expect_code(0).events()[0]["run"].clone();
    let run = run.as_str().expect("text");
    let lines = stage.run(&["history", run, "--json"]).expect_code(0).events();
    assert_eq!(lines[0]["run"], run);
    let of = |number: usize| -> &Value {
        lines
            .iter()
            .find(|line| line["person"]["upn"] == name(number))
            .expect("had a step")
    };
    let replaced = of(0);
    assert_eq!(replaced["old"]["sha256"], hash(&old_picture(0)), "{replaced}");
    assert_eq!(replaced["old"]["kept"], true, "{replaced}");
    assert_eq!(replaced["can_undo"], true, "{replaced}");
    assert!(replaced["new"]["attachment"].is_string(), "{replaced}");
    assert!(of(1)["old"].is_null(), "there was none: {}", of(1));
    let failed = stage
        .run(&["history", run, "--json", "--outcome", "failed"])
        .expect_code(0)
        .events();
    assert_eq!(failed.len(), 1, "the run alone: {failed:?}");
    let ada = stage
        .run(&["history", "--person", &name(0), "--json"])
        .expect_code(0)
        .events();
    assert_eq!(ada.len(), 1, "{ada:?}");
    stage.run(&["history", "--person", "nobody"]).expect_code(2);
    // Without a terminal the words alone are printed.
    let faces = stage.run(&["history", run, "--faces"]).expect_code(0).stdout;
    assert!(faces.contains("Person 0"), "{faces}");

    let audit = stage.run(&["audit"]).expect_code(0).events();
    assert_eq!(
        audit.len(),
        stage.writes().len(),
        "a line for every write that ServiceNow carried out"
    );
    assert!(
        audit
            .iter()
            .all(|line| line["outcome"] == "done" && line["account"].is_string())
    );
    let stored: Vec<&Value> = audit.iter().filter(|line| line["kind"] == "upload").collect();
    assert!(
        stored
            .iter()
            .all(|line| line["sha256"].is_string() && line["new_attachment"].is_string())
    );
    let csv = stage.run(&["audit", "--format", "csv"]).expect_code(0).stdout;
    assert_eq!(csv.lines().count(), audit.len() + 1);
    let file = stage.home().join("audit.jsonl");
    stage
        .run(&["audit", "-o", file.to_str().expect("UTF-8"), "--run", run])
        .expect_code(0);
    assert_eq!(
        std::fs::read_to_string(&file).expect("written").lines().count(),
        audit.len()
    );
    let nothing = stage
        .run(&["audit", "--until", "2020-01-01"])
        .expect_code(0)
        .stdout;
    assert_eq!(nothing, "");
    stage.run(&["audit", "--since", "yesterday"]).expect_code(2);

    let head = stage.run(&["audit", "--verify"]).expect_code(0).stdout;
    assert_eq!(head.trim().len(), 64, "{head}");
    stage
        .run(&["undo", run, "--yes", "--max-removals", "100"])
        .expect_code(0);
    stage
        .run(&["audit", "--verify", "--head", head.trim()])
        .expect_code(0);
    stage
        .run(&["audit", "--verify", "--head", &"0".repeat(64)])
        .expect_code(1);
    let runs = stage.run(&["history", "--json"]).expect_code(0).events();
    assert_eq!(runs[0]["undoes"], run);
    assert_eq!(runs[1]["undone_by"], runs[0]["run"]);
}
