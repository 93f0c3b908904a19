//! The checker itself: each invariant is broken on purpose, and it has to say so, naming whom, which request and when.

use base64::Engine as _;
use reqwest::Method;
use serde_json::{Value, json};

use crate::common::Stage;
use crate::common::checker::{Checker, Violation};
use crate::common::people::{company, name, old_picture};

/// Somebody with the program's own account who has no manners.
struct Rogue<'a>(&'a Stage);

impl Rogue<'_> {
    fn request(&self, method: Method, path: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Value {
        let credentials = self.0.sandbox.world().credentials.clone();
        let account = format!(
            "{}:{}",
            credentials.servicenow_username, credentials.servicenow_password
        );
        let basic = format!(
            "Basic {}",
            base64::engine::general_purpose::STANDARD.encode(account)
        );
        let mut all = vec![("authorization", basic.as_str()), ("accept", "application/json")];
        all.extend(headers);
        let url = format!("{}{path}", self.0.sandbox.servicenow_url());
        let (status, text) = self.0.send(method, &url, &all, body);
        assert!(status < 300, "{status} {text}");
        serde_json::from_str(&text).unwrap_or(Value::Null)
    }

    fn upload(&self, table: &str, record: &str, bytes: Vec<u8>) -> String {
        let path =
            format!("/api/now/attachment/file?table_name={table}&table_sys_id={record}&file_name=photo");
        let answer = self.request(Method::POST, &path, &[("content-type", "image/jpeg")], bytes);
        answer["result"]["sys_id"].as_str().expect("a key").to_owned()
    }

    fn delete(&self, picture: &str) {
        self.request(
            Method::DELETE,
            &format!("/api/now/attachment/{picture}"),
            &[],
            Vec::new(),
        );
    }

    fn set_photo(&self, table: &str, record: &str, picture: &str) {
        let body = json!({"photo": picture}).to_string().into_bytes();
        let path = format!("/api/now/table/{table}/{record}");
        self.request(
            Method::PATCH,
            &path,
            &[("content-type", "application/json")],
            body,
        );
    }

    fn create_profile(&self, user: &str) {
        let body = json!({"type": "user", "table": "sys_user", "document": user, "name": "again"});
        self.request(
            Method::POST,
            "/api/now/table/live_profile",
            &[("content-type", "application/json")],
            body.to_string().into_bytes(),
        );
    }
}

/// A row of the snapshot.
fn row(stage: &Stage, wanted: impl Fn(&Value) -> bool) -> Value {
    let rows = stage.lines("/snapshot");
    rows.into_iter().find(wanted).expect("there is such a row")
}

fn id(row: &Value) -> String {
    row["sys_id"].as_str().expect("a key").to_owned()
}

fn user(stage: &Stage, number: usize) -> String {
    id(&row(stage, |row| row["user_name"] == name(number)))
}

fn profile(stage: &Stage, number: usize) -> String {
    let user = user(stage, number);
    id(&row(stage, |row| row["document"] == *user))
}

fn pictures_of(stage: &Stage, record: &str) -> Vec<String> {
    let rows = stage.lines("/snapshot");
    rows.iter()
        .filter(|row| row["table_sys_id"] == *record)
        .map(id)
        .collect()
}

#[track_caller]
fn complaint<'a>(violations: &'a [Violation], invariant: u8, words: &str) -> &'a Violation {
    violations
        .iter()
        .find(|violation| violation.invariant == invariant && violation.what.contains(words))
        .unwrap_or_else(|| panic!("no complaint about {invariant}, {words:?}: {violations:#?}"))
}

#[test]
fn a_run_without_any_fault_has_nothing_to_complain_about() {
    let stage = company(8);
    let checker = Checker::begin(&stage);
    stage.run(&["sync", "--yes", "--json"]).expect_code(0);
    checker.assert();
}

#[test]
fn invariant_1_a_picture_that_is_lost_for_a_moment_is_noticed() {
    let stage = company(4);
    let rogue = Rogue(&stage);
    let record = profile(&stage, 2);
    let [old] = pictures_of(&stage, &record).try_into().expect("one picture");
    rogue.set_photo("live_profile", &record, &old);
    let checker = Checker::begin(&stage);
    // Deleted first and stored afterwards: at the end all is well again.
    rogue.delete(&old);
    let new = rogue.upload("ZZ_YYlive_profile", &record, old_picture(2));
    rogue.set_photo("live_profile", &record, &new);

    let violations = checker.violations();
    let lost = complaint(&violations, 1, "the picture is lost");
    assert_eq!(lost.person.as_deref(), Some(name(2).as_str()));
    assert!(lost.request.is_some() && lost.at.is_some(), "{lost:?}");
    complaint(&violations, 1, "names a picture that is gone");
}

#[test]
fn invariant_1_a_picture_of_somebody_else_is_noticed() {
    let stage = company(4);
    let checker = Checker::begin(&stage);
    let rogue = Rogue(&stage);
    let record = profile(&stage, 2);
    let strange = rogue.upload("ZZ_YYlive_profile", &record, old_picture(0));
    rogue.set_photo("live_profile", &record, &strange);
    let violations = checker.violations();
    let wrong = complaint(&violations, 1, "neither the old picture nor an announced one");
    assert_eq!(wrong.person.as_deref(), Some(name(2).as_str()));
}

#[test]
fn invariant_2_a_write_to_somebody_who_was_not_selected_is_noticed() {
    let stage = company(4);
    let checker = Checker::begin(&stage).only([name(1)]);
    let record = user(&stage, 0);
    let [picture] = pictures_of(&stage, &record).try_into().expect("one picture");
    Rogue(&stage).set_photo("sys_user", &record, &picture);
    let violations = checker.violations();
    let touched = complaint(&violations, 2, "nobody had selected them");
    assert_eq!(touched.person.as_deref(), Some(name(0).as_str()));
    assert!(touched.request.is_some() && touched.at.is_some(), "{touched:?}");
}

#[test]
fn invariant_2_a_row_that_changes_without_any_write_is_noticed() {
    let stage = company(4);
    let checker = Checker::begin(&stage);
    let mut instance = stage.sandbox.world().instance.write();
    let mut somebody = instance
        .users()
        .find(|row| *row.user_name == *name(3))
        .expect("there");
    somebody.name = "Somebody else".into();
    instance.put_user(somebody);
    drop(instance);
    let violations = checker.violations();
    let changed = complaint(&violations, 2, "not what they were");
    assert_eq!(changed.person.as_deref(), Some(name(3).as_str()));
}

#[test]
fn invariant_3_a_second_picture_at_a_record_is_noticed() {
    let stage = company(4);
    let checker = Checker::begin(&stage);
    let record = profile(&stage, 2);
    Rogue(&stage).upload("ZZ_YYlive_profile", &record, old_picture(3));
    let violations = checker.violations();
    let doubled = complaint(&violations, 3, "2 pictures");
    assert_eq!(doubled.person.as_deref(), Some(name(2).as_str()));
    complaint(&violations, 3, "nobody sees it");
}

#[test]
fn invariant_4_a_second_profile_is_noticed() {
    let stage = company(4);
    let checker = Checker::begin(&stage);
    Rogue(&stage).create_profile(&user(&stage, 2));
    let violations = checker.violations();
    let second = complaint(&violations, 4, "got another");
    assert_eq!(second.person.as_deref(), Some(name(2).as_str()));
    assert!(second.request.is_some() && second.at.is_some(), "{second:?}");
}

/// Any request to the instance, whatever it answers.
fn knock(stage: &Stage, url: &str, path: &str, headers: &[(&str, &str)]) -> u16 {
    stage
        .send(Method::GET, &format!("{url}{path}"), headers, Vec::new())
        .0
}

#[test]
fn invariant_5_a_request_inside_a_pause_is_noticed() {
    let stage = company(4);
    stage.post(
        "/faults",
        &json!({"service": "servicenow", "times": 1, "do": {"status": 429, "headers": {"Retry-After": "60"}}}),
    );
    let checker = Checker::begin(&stage);
    let url = stage.sandbox.servicenow_url().to_owned();
    assert_eq!(knock(&stage, &url, "/api/now/table/sys_user", &[]), 429);
    // What was on its way when the pause was asked for is no fault.
    std::thread::sleep(std::time::Duration::from_millis(250));
    knock(&stage, &url, "/api/now/table/sys_user", &[]);
    let violations = checker.violations();
    let early = complaint(&violations, 5, "inside a pause");
    assert!(early.request.is_some() && early.at.is_some(), "{early:?}");
}

#[test]
fn invariant_5_more_in_flight_than_allowed_is_noticed() {
    let stage = company(4);
    let checker = Checker::begin(&stage).cap("servicenow", 0);
    knock(
        &stage,
        stage.sandbox.servicenow_url(),
        "/api/now/table/sys_user",
        &[],
    );
    let violations = checker.violations();
    assert!(complaint(&violations, 5, "in flight at once").request.is_some());
}

#[test]
fn invariant_6_too_many_retries_are_noticed() {
    let stage = company(4);
    stage.post(
        "/faults",
        &json!({"service": "entra", "path": "/v1.0/users", "do": {"status": 500}}),
    );
    let checker = Checker::begin(&stage);
    for _ in 0..14 {
        knock(&stage, stage.sandbox.entra_url(), "/v1.0/users", &[]);
    }
    let violations = checker.violations();
    assert!(
        complaint(&violations, 6, "13 retries among 14 requests")
            .request
            .is_some()
    );
}

#[test]
fn invariant_7_a_cookie_for_graph_and_a_token_at_the_wrong_door_are_noticed() {
    let stage = company(4);
    let checker = Checker::begin(&stage);
    let (graph, instance) = (stage.sandbox.entra_url(), stage.sandbox.servicenow_url());
    knock(
        &stage,
        graph,
        "/v1.0/users",
        &[("cookie", "a=b"), ("authorization", "Bearer one")],
    );
    knock(
        &stage,
        instance,
        "/api/now/table/sys_user",
        &[("authorization", "Bearer one")],
    );
    let violations = checker.violations();
    assert!(complaint(&violations, 7, "with a cookie").request.is_some());
    assert!(
        complaint(&violations, 7, "the other service's authorization")
            .request
            .is_some()
    );
}

#[test]
fn invariant_7_two_requests_at_once_in_one_session_are_noticed() {
    let stage = company(4);
    stage.post(
        "/faults",
        &json!({"service": "servicenow", "do": {"delay_ms": 300}}),
    );
    let checker = Checker::begin(&stage);
    let url = format!("{}/api/now/table/sys_user", stage.sandbox.servicenow_url());
    stage.send_twice_at_once(&url, &[("cookie", "JSESSIONID=one")]);
    let violations = checker.violations();
    assert!(
        complaint(&violations, 7, "with one session cookie")
            .request
            .is_some()
    );
}

/// The journal of a stage, for somebody who tampers with it.
fn journal(stage: &Stage) -> rusqlite::Connection {
    let path = stage
        .home()
        .join("avatar_sync_state_dir/profile-default/journal.sqlite");
    rusqlite::Connection::open(path).expect("the journal opens")
}

#[test]
fn invariant_8_a_report_that_does_not_agree_with_the_journal_is_noticed() {
    let stage = company(4);
    let checker = Checker::begin(&stage);
    stage.run(&["sync", "--yes", "--json"]).expect_code(0);
    journal(&stage)
        .execute(
            "UPDATE steps SET outcome = 'failed' WHERE rowid IN (SELECT min(rowid) FROM steps)",
            [],
        )
        .or_else(|_| journal(&stage).execute("UPDATE steps SET outcome = 'changed_meanwhile'", []))
        .expect("writable");
    complaint(&checker.violations(), 8, "in the journal");
}

#[test]
fn invariant_8_numbers_that_do_not_add_up_are_noticed() {
    let stage = company(4);
    let checker = Checker::begin(&stage);
    let mut ended = stage.run(&["sync", "--yes", "--json"]).expect_code(0);
    ended.stdout = ended.stdout.replace("\"updated\":4", "\"updated\":5");
    stage.heard(ended);
    complaint(&checker.violations(), 8, "does not add up");
}

#[test]
fn invariant_8_a_picture_that_is_not_the_reported_one_is_noticed() {
    let stage = company(4);
    let checker = Checker::begin(&stage);
    stage.run(&["sync", "--yes", "--json"]).expect_code(0);
    stage.request(
        Method::PUT,
        &format!("/servicenow/users/{}/avatar", name(2)),
        old_picture(3),
    );
    let violations = checker.violations();
    let wrong = complaint(&violations, 8, "says updated");
    assert_eq!(wrong.person.as_deref(), Some(name(2).as_str()));
}

#[test]
fn invariant_8_a_write_that_nobody_announced_is_noticed() {
    let stage = company(4);
    let checker = Checker::begin(&stage);
    Rogue(&stage).upload("ZZ_YYsys_user", &user(&stage, 1), old_picture(1));
    let violations = checker.violations();
    let sudden = complaint(&violations, 8, "announced 0 times");
    assert_eq!(sudden.person.as_deref(), Some(name(1).as_str()));
    assert!(sudden.request.is_some() && sudden.at.is_some(), "{sudden:?}");
}

#[test]
fn invariant_8_a_copy_that_is_missing_from_the_vault_is_noticed() {
    let stage = company(4);
    let checker = Checker::begin(&stage);
    stage.run(&["sync", "--yes", "--json"]).expect_code(0);
    let vault = stage.home().join("avatar_sync_state_dir/profile-default/vault");
    std::fs::remove_dir_all(&vault).expect("there is a vault");
    std::fs::create_dir(&vault).expect("writable");
    let violations = checker.violations();
    let lost = complaint(&violations, 8, "in no vault");
    assert!(lost.person.is_some() && lost.request.is_some(), "{lost:?}");
}

#[test]
fn invariant_9_a_write_in_a_dry_run_is_noticed() {
    let stage = company(4);
    let checker = Checker::begin(&stage).dry();
    let record = user(&stage, 1);
    let body = json!({"photo": ""}).to_string().into_bytes();
    let url = format!(
        "{}/api/now/table/sys_user/{record}",
        stage.sandbox.servicenow_url()
    );
    stage.send(Method::PATCH, &url, &[("content-type", "application/json")], body);
    let violations = checker.violations();
    assert!(complaint(&violations, 9, "a dry run sent").request.is_some());
}

#[test]
fn invariant_10_a_secret_and_a_steering_character_in_the_output_are_noticed() {
    let stage = company(4);
    let checker = Checker::begin(&stage);
    let mut ended = stage.run(&["status", "--json"]).expect_code(0);
    ended.stdout = format!("it is {}", stage.sandbox.world().credentials.client_secret);
    ended.stderr = "\u{1b}[31mred".into();
    stage.heard(ended);
    let violations = checker.violations();
    complaint(&violations, 10, "client_secret is in the output");
    complaint(&violations, 10, "is in the messages");
}

#[test]
fn invariant_11_a_temporary_file_is_noticed() {
    let stage = company(4);
    let checker = Checker::begin(&stage);
    stage.run(&["sync", "--yes", "--json"]).expect_code(0);
    checker.assert();
    let state = stage.home().join("avatar_sync_state_dir/profile-default");
    std::fs::write(state.join(".partial-7-1"), "half").expect("writable");
    complaint(&checker.violations(), 11, "is left");
}
