//! D: authentication and time.

use serde_json::json;

use crate::common::faults::{Scenario, rule, tried};

const PHOTO: &str = "photo";
const TABLES: &str = "^/api/now/table/";

#[test]
fn d1_a_token_refused_in_the_middle_of_a_run_costs_one_renewal() {
    let told = Scenario::of(8)
        .fault(rule("entra", "GET", PHOTO, 1, json!({"expired_token": true})))
        .fault(rule(
            "servicenow",
            "POST",
            "attachment",
            1,
            json!({"expired_token": true}),
        ))
        .sync();
    let told = told.code(0).after_the_faults().everybody_right();
    assert_eq!(told.stage.requests(&["entra", "/oauth2/"]).1, 2, "one renewal");
    assert_eq!(
        told.stage.requests(&["servicenow", "oauth_token"]).1,
        2,
        "one renewal"
    );
    tried("D1", 2);
}

#[test]
fn d3_a_sign_in_that_cannot_work_is_named_by_its_cause_and_nothing_is_written() {
    let codes = [7_000_215, 7_000_222, 700_016, 90_002, 7_000_112];
    for code in codes {
        let told = Scenario::of(3)
            .switch("entra", json!({"sign_in_error": code}))
            .sync()
            .code(5);
        let told = told.says(&format!("AADSTS{code}"));
        assert!(told.stage.writes().is_empty());
    }
    let told = Scenario::of(3)
        .switch("entra", json!({"secret_expired": true}))
        .sync()
        .code(5);
    told.says("expired");
    tried("D3", codes.len() + 1);
}

#[test]
fn d4_without_consent_for_photos_people_are_listed_and_the_run_does_not_start() {
    let roles = json!({"roles": ["Directory.Read.All"]});
    let told = Scenario::of(20).switch("entra", roles).sync().code(5);
    assert!(told.stage.writes().is_empty());
    told.says("ProfilePhoto.Read.All");
    tried("D4", 1);
}

#[test]
fn d5_a_wrong_password_is_sent_twice_at_most() {
    for client in [true, false] {
        let scenario = Scenario::of(3)
            .setting("AVATAR_SYNC_SERVICENOW_USERNAME", "integration")
            .setting("AVATAR_SYNC_SERVICENOW_PASSWORD", "not-the-password");
        let scenario = if client {
            scenario
        } else {
            scenario
                .setting("AVATAR_SYNC_SERVICENOW_CLIENT_ID", "")
                .setting("AVATAR_SYNC_SERVICENOW_CLIENT_SECRET", "")
        };
        let told = scenario.sync().code(5);
        let (_, asked) = told.stage.requests(&["servicenow "]);
        assert!((1..=2).contains(&asked), "{asked} requests");
        assert!(!format!("{:?}", told.ended).contains("not-the-password"));
    }
    tried("D5", 2);
}

#[test]
fn d6_a_service_whose_clock_is_a_day_ahead_makes_nothing_end_early_or_late() {
    let scenario = Scenario::of(8);
    scenario.stage.post("/clock", &json!({"advance_s": 86_400}));
    // A wait that ends at a moment of the service's own clock.
    let soon = scenario.stage.sandbox.world().clock.system_time() + std::time::Duration::from_secs(2);
    let wait = json!({"status": 429, "headers": {"Retry-After": httpdate::fmt_http_date(soon)}, "body": ""});
    let begun = std::time::Instant::now();
    let told = scenario.fault(rule("servicenow", "GET", TABLES, 1, wait)).sync();
    let told = told.code(0).after_the_faults().everybody_right();
    assert!(
        begun.elapsed() < std::time::Duration::from_secs(60),
        "it waited a day too long"
    );
    assert_eq!(
        told.stage.requests(&["entra", "/oauth2/"]).1,
        1,
        "the token did not end early"
    );
    tried("D6", 1);
}

#[test]
fn d7_an_instance_in_another_zone_and_the_change_to_summer_time_make_nobody_changed_meanwhile() {
    // The nights in which the clocks of the instance go forward and back, planned before and carried out after.
    let nights = [
        ("America/New_York", "2030-03-10T06:30:00Z"),
        ("Europe/Berlin", "2030-10-27T00:30:00Z"),
        ("Australia/Lord_Howe", "2030-10-05T15:00:00Z"),
        ("Pacific/Apia", "2030-07-01T00:00:00Z"),
    ];
    for (zone, night) in nights {
        let scenario = Scenario::of(8).switch("servicenow", json!({"time_zone": zone}));
        let clock = &scenario.stage.sandbox.world().clock;
        let night: jiff::Timestamp = night.parse().expect("a moment");
        let ahead = night.as_second() - clock.now().as_second();
        scenario.stage.post("/clock", &json!({"advance_s": ahead}));
        scenario.stage.run(&["plan", "-o", "plan.json"]).expect_code(0);
        scenario.stage.post("/clock", &json!({"advance_s": 7_200}));
        let told = scenario
            // This machine has its own idea of the hour.
            .setting("TZ", "Asia/Kathmandu")
            .checked(&["apply", "plan.json", "--yes", "--json"])
            .code(0)
            .everybody_right();
        assert_eq!(
            (told.count("updated"), told.count("changed_meanwhile")),
            (8, 0),
            "{zone}"
        );
    }
    tried("D7", nights.len());
}

#[test]
fn d8_a_log_in_service_in_trouble_is_asked_by_one_and_backed_off_from() {
    let told = Scenario::of(6)
        .fault(rule(
            "entra",
            "POST",
            "/oauth2/",
            1,
            json!({"status": 429, "headers": {"Retry-After": "1"}, "body": ""}),
        ))
        .fault(rule(
            "entra",
            "POST",
            "/oauth2/",
            1,
            json!({"status": 503, "body": ""}),
        ))
        .fault(rule(
            "servicenow",
            "POST",
            "oauth_token",
            1,
            json!({"status": 503, "body": ""}),
        ))
        .sync();
    let told = told.code(0).after_the_faults().everybody_right();
    let traffic = told.stage.control("/traffic");
    assert_eq!(traffic["lanes"]["login"]["most_in_flight"], 1);
    assert_eq!(traffic["lanes"]["login"]["requests"], 3);
    tried("D8", 3);
}
