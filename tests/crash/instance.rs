//! An instance that refuses, reverts, mixes up, scans and copies, and people who act at the worst moment
//! (`reliability.md` 4, G1 to G10, H4, H5).

use std::collections::HashMap;

use base64::Engine as _;
use reqwest::Method;
use serde_json::{Value, json};

use crate::common::Stage;
use crate::common::checker::Checker;
use crate::common::faults::{Scenario, tried};
use crate::common::people::{company, hash, name, old_picture, photo};
use crate::common::side_by_side;

/// So many people have an old picture at both records, at the profile alone, or a column that names nothing; see
/// [`company`].
const PEOPLE: usize = 8;

fn avatars(stage: &Stage) -> HashMap<String, Value> {
    let avatars = stage.control("/avatars");
    let avatars = avatars.as_array().expect("a list").iter();
    avatars
        .map(|user| (user["user_name"].as_str().expect("text").to_owned(), user.clone()))
        .collect()
}

/// SHA-256 of what somebody sees.
fn shown(stage: &Stage, number: usize) -> Option<String> {
    avatars(stage)[&name(number)]["effective"]["sha256"]
        .as_str()
        .map(str::to_owned)
}

/// The detail of a person's step.
fn detail(events: &[Value], number: usize) -> (String, String) {
    let step = events
        .iter()
        .find(|event| event["event"] == "step" && event["person"]["upn"] == name(number))
        .expect("everybody is told of");
    let text = |key: &str| step[key].as_str().unwrap_or_default().to_owned();
    (text("outcome"), text("detail"))
}

#[test]
fn g1_people_whom_an_access_rule_protects_fail_by_name_and_the_others_get_their_pictures() {
    let protected = format!("user_nameIN{},{}", name(0), name(1));
    let told = Scenario::of(PEOPLE)
        .switch(
            "servicenow",
            json!({"access": {"refused_updates": {"sys_user": protected}}}),
        )
        .sync()
        .code(4);
    assert_eq!(
        (told.count("failed"), told.count("updated")),
        (2, PEOPLE as u64 - 2)
    );
    assert_eq!(shown(&told.stage, 0), Some(hash(&old_picture(0))));
    assert_eq!(shown(&told.stage, 1), None);
    for number in [0, 1] {
        assert_eq!(detail(&told.ended.events(), number).0, "failed");
    }
    tried("G1", 2);
}

#[test]
fn g1_twenty_refusals_in_a_row_stop_the_run_and_name_the_right() {
    let told = Scenario::of(40)
        .switch(
            "servicenow",
            json!({"access": {"refused_inserts": ["sys_attachment"]}}),
        )
        .sync()
        .code(5);
    assert!(told.count("failed") >= 20 && told.count("updated") == 0);
    let told = told.says("20 people in a row were refused");
    told.says("sys_attachment");
    tried("G1", 1);
}

#[test]
fn g2_a_rule_that_reverts_the_column_in_silence_makes_those_fail_who_need_it() {
    let told = Scenario::of(PEOPLE)
        .switch("servicenow", json!({"reverted_columns": ["live_profile.photo"]}))
        .sync()
        .code(4);
    // The columns of persons 3 and 7 name nothing, and those of 2 and 6 have to name the new picture before the old one
    // may go.
    assert_eq!(
        (told.count("failed"), told.count("updated")),
        (4, PEOPLE as u64 - 4)
    );
    let (_, why) = detail(&told.ended.events(), 3);
    assert!(
        why.contains("a rule of the instance put its old value back"),
        "{why}"
    );
    tried("G2", 4);
}

#[test]
fn g2_a_rule_that_aborts_the_update_is_named() {
    let rule = json!({"table": "live_profile", "operation": "update", "name": "Freeze the profiles",
                      "sys_id": "0123456789abcdef0123456789abcdef"});
    let told = Scenario::of(PEOPLE)
        .switch("servicenow", json!({"business_rules": [rule]}))
        .sync()
        .code(4);
    let (outcome, why) = detail(&told.ended.events(), 3);
    assert_eq!(outcome, "failed", "{why}");
    assert_eq!(shown(&told.stage, 0), Some(hash(&photo(0))));
    tried("G2", 1);
}

#[test]
fn g3_an_upload_that_is_kept_as_something_else_is_taken_back_and_sent_once_more() {
    let told = Scenario::of(PEOPLE)
        .switch("servicenow", json!({"attachments": {"corrupt_next": 1}}))
        .sync()
        .code(0);
    assert_eq!(told.count("updated"), PEOPLE as u64);
    let always = Scenario::of(PEOPLE)
        .switch("servicenow", json!({"attachments": {"corrupt_next": 1000}}))
        .sync()
        .code(4);
    assert_eq!(always.count("failed"), PEOPLE as u64);
    assert_eq!(shown(&always.stage, 0), Some(hash(&old_picture(0))));
    assert!(detail(&always.ended.events(), 0).1.contains("something else"));
    tried("G3", 1 + PEOPLE);
}

#[test]
fn g4_without_hashes_a_second_run_reads_instead_of_writing() {
    let told = Scenario::of(PEOPLE)
        .switch("servicenow", json!({"attachments": {"store_hash": false}}))
        .sync()
        .code(0);
    assert_eq!(told.count("updated"), PEOPLE as u64);
    let writes = told.stage.writes().len();
    let again = told.stage.run(&["sync", "--yes", "--json"]).expect_code(0);
    assert_eq!(again.summary()["updated"], 0, "{again:?}");
    let pushed = told
        .stage
        .run(&["push", &name(0), "--yes", "--json"])
        .expect_code(0);
    assert_eq!(pushed.summary()["updated"], 0, "{pushed:?}");
    assert_eq!(told.stage.writes().len(), writes);
    tried("G4", PEOPLE);
}

#[test]
fn g5_where_the_platform_drops_an_identical_picture_nothing_is_left_twice() {
    let told = Scenario::of(PEOPLE)
        .switch("servicenow", json!({"attachments": {"drop_identical": true}}))
        .fault(
            json!({"service": "servicenow", "method": "POST", "path": "^/api/now/attachment/file", "skip": 2, "times": 3,
                   "do": {"drop": "after"}}),
        )
        .sync()
        .code(0);
    assert_eq!(told.count("updated"), PEOPLE as u64);
    let again = told.stage.run(&["sync", "--yes", "--json"]).expect_code(0);
    assert_eq!(again.summary()["updated"], 0, "{again:?}");
    tried("G5", 3);
}

#[test]
fn g6_columns_that_name_nothing_are_shown_as_broken_and_repaired() {
    let stage = company(PEOPLE);
    let status = stage.run(&["status", "--json"]).expect_code(0).json();
    assert_eq!(status["counts"]["broken"], 2, "{}", status["counts"]);
    let told = Scenario::on(stage).sync().code(0);
    assert_eq!(told.count("updated"), PEOPLE as u64);
    let status = told.stage.run(&["status", "--json"]).expect_code(0).json();
    assert_eq!(status["counts"]["broken"].as_u64().unwrap_or(0), 0);
    assert_eq!(shown(&told.stage, 3), Some(hash(&photo(3))));
    tried("G6", 2);
}

/// Somebody of the instance's own staff.
fn as_an_administrator(stage: &Stage, method: Method, path: &str, body: &Value) {
    let credentials = stage.sandbox.world().credentials.clone();
    let account = format!(
        "{}:{}",
        credentials.servicenow_username, credentials.servicenow_password
    );
    let basic = format!(
        "Basic {}",
        base64::engine::general_purpose::STANDARD.encode(account)
    );
    let headers = [
        ("authorization", basic.as_str()),
        ("accept", "application/json"),
        ("content-type", "application/json"),
    ];
    let url = format!("{}{path}", stage.sandbox.servicenow_url());
    let (status, text) = stage.send(method, &url, &headers, body.to_string().into_bytes());
    assert!(status < 300, "{status} {text}");
}

#[test]
fn g7_an_old_picture_that_another_persons_record_names_is_not_deleted() {
    let stage = company(PEOPLE);
    // Person 5 has no picture; somebody has given them the one of person 2.
    let avatars = avatars(&stage);
    let theirs = avatars[&name(2)]["effective"]["attachment"]
        .as_str()
        .expect("a picture");
    let borrower = avatars[&name(5)]["sys_id"].as_str().expect("a key");
    let path = format!("/api/now/table/sys_user/{borrower}");
    as_an_administrator(&stage, Method::PATCH, &path, &json!({"photo": theirs}));
    assert_eq!(shown(&stage, 5), Some(hash(&old_picture(2))));

    let checker = Checker::begin(&stage).only([name(2)]);
    let ended = stage.run(&["push", &name(2), "--yes", "--json"]).expect_code(0);
    let (outcome, detail) = detail(&ended.events(), 2);
    assert_eq!(outcome, "updated", "{detail}");
    assert!(detail.contains("another person's record names it"), "{detail}");
    assert_eq!(shown(&stage, 2), Some(hash(&photo(2))));
    assert_eq!(shown(&stage, 5), Some(hash(&old_picture(2))), "still there");
    // The row that stays is the only thing to be said against it.
    let violations = checker.violations();
    assert!(
        violations
            .iter()
            .all(|violation| violation.invariant == 3 && violation.person.as_deref() == Some(&name(2))),
        "{violations:#?}"
    );
    let writes = stage.writes().len();
    stage.run(&["push", &name(2), "--yes", "--json"]).expect_code(0);
    assert_eq!(stage.writes().len(), writes, "a second push writes nothing");
    tried("G7", 1);
}

#[test]
fn g8_without_profiles_nothing_is_begun() {
    let scenario = Scenario::of(PEOPLE).switch("servicenow", json!({"missing_tables": ["live_profile"]}));
    let check = scenario.run(&["check"]);
    assert_ne!(check.code, 0);
    assert!(check.stdout.contains("live_profile"), "{check:?}");
    let told = scenario.sync();
    assert_ne!(told.ended.code, 0);
    assert_eq!(told.stage.writes(), Vec::<Value>::new());
    told.says("live_profile");
    tried("G8", 1);
}

#[test]
fn g9_the_old_picture_stays_until_the_scan_is_through_and_for_good_if_it_fails() {
    let told = Scenario::of(PEOPLE)
        .switch(
            "servicenow",
            json!({"attachments": {"scan_ms": 1500, "quarantined_sha256": [hash(&photo(0))]}}),
        )
        .sync()
        .code(4);
    assert_eq!(
        (told.count("failed"), told.count("updated")),
        (1, PEOPLE as u64 - 1)
    );
    assert_eq!(shown(&told.stage, 0), Some(hash(&old_picture(0))));
    assert!(detail(&told.ended.events(), 0).1.contains("virus scan"));
    tried("G9", PEOPLE);
}

#[test]
fn g10_a_rule_that_copies_the_picture_to_the_other_record_ends_in_order() {
    let rules = [("profile_to_user", 300), ("user_to_profile", 1000)];
    side_by_side(rules.len(), rules.len(), |rule| {
        let (direction, delay) = rules[rule];
        let told = Scenario::of(PEOPLE)
            .switch(
                "servicenow",
                json!({"mirror": {direction: true, "delay_ms": delay}}),
            )
            .sync()
            .code(0);
        assert_eq!(told.count("updated"), PEOPLE as u64, "{direction}");
        let again = told.stage.run(&["sync", "--yes", "--json"]).expect_code(0);
        assert_eq!(again.summary()["updated"], 0, "{direction}: {again:?}");
    });
    tried("G10", 2 * PEOPLE);
}

#[test]
fn h4_a_picture_chosen_between_plan_and_apply_stays() {
    let stage = company(PEOPLE);
    stage.run(&["plan", "-o", "plan.json"]).expect_code(0);
    let theirs = old_picture(77);
    for number in [0, 1, 2, 3] {
        let path = format!("/servicenow/users/{}/avatar", name(number).replace('@', "%40"));
        stage.request(Method::PUT, &path, theirs.clone());
    }
    let told = Scenario::on(stage)
        .checked(&["apply", "plan.json", "--yes", "--json"])
        .code(0);
    assert_eq!(
        (told.count("changed_meanwhile"), told.count("updated")),
        (4, PEOPLE as u64 - 4)
    );
    for number in [0, 1, 2, 3] {
        assert_eq!(shown(&told.stage, number), Some(hash(&theirs)));
    }
    tried("H4", 4);
}

#[test]
fn h5_a_picture_chosen_between_our_read_and_our_write_is_there_or_kept() {
    let windows = [
        ("POST", "^/api/now/attachment/file"),
        ("PATCH", "^/api/now/table/live_profile"),
        ("DELETE", "^/api/now/attachment/"),
    ];
    let people = [0, 2, 3];
    let times = windows.len() * people.len();
    side_by_side(times, times, |time| {
        chosen_in_the_window(windows[time / people.len()], people[time % people.len()]);
    });
    tried("H5", times);
}

/// Somebody chooses another picture right before the first such request is carried out.
fn chosen_in_the_window((method, path): (&str, &str), number: usize) {
    let theirs = old_picture(77);
    let stage = company(4);
    let target = format!("/servicenow/users/{}/avatar", name(number).replace('@', "%40"));
    let meanwhile = json!({"method": "PUT", "path": target,
        "body_base64": base64::engine::general_purpose::STANDARD.encode(&theirs)});
    stage.post(
        "/faults",
        &json!({"service": "servicenow", "method": method, "path": path, "times": 1,
                "do": {"meanwhile": meanwhile}}),
    );
    let checker = Checker::begin(&stage);
    let ended = stage.run(&["push", &name(number), "--yes", "--json"]);
    // The window is one round trip: a column that we set may name a row that went in it, until our next look.
    let is_the_window = |what: &str| {
        method == "PATCH" && what.starts_with("a column names a picture that is gone, after update")
    };
    let violations = checker.violations();
    assert!(
        violations.iter().all(|violation| is_the_window(&violation.what)),
        "{method} {number}: {violations:#?}\n{ended:?}"
    );
    drop(checker);
    let wanted = [Some(hash(&theirs)), Some(hash(&photo(number)))];
    let seen = shown(&stage, number);
    assert!(wanted.contains(&seen), "{method} {number}: {seen:?}");
    let (outcome, detail) = detail(&ended.events(), number);
    let is_theirs = seen == wanted[0];
    assert!(
        !is_theirs || ["changed_meanwhile", "failed"].contains(&outcome.as_str()),
        "{method} {number}: {outcome} {detail}"
    );
}
