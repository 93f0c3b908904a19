//! C: the network.

use std::time::Duration;

use serde_json::json;

use crate::common::faults::{Scenario, rule, tried};

const TABLES: &str = "^/api/now/table/";
const PHOTO: &str = "/photos?/?.*\\$value$";

#[test]
fn c2_half_a_photo_is_never_used() {
    let told = Scenario::of(8)
        .fault(rule("entra", "GET", PHOTO, 2, json!({"drop": "mid_body"})))
        .fault(rule("entra", "GET", PHOTO, 2, json!({"reset_after_bytes": 600})))
        .sync();
    told.code(0).after_the_faults().everybody_right();
    tried("C2", 4);
}

#[test]
fn c3_bodies_of_a_wrong_length_and_without_end_are_given_up() {
    // A length that is too large is a body cut short. One that is too small looks like a whole answer whose JSON breaks
    // off: never half a list, and asked again.
    let told = Scenario::of(8)
        .fault(rule("entra", "GET", PHOTO, 1, json!({"wrong_length": 500})))
        .fault(rule("servicenow", "GET", TABLES, 1, json!({"wrong_length": 500})))
        .fault(rule(
            "entra",
            "GET",
            "^/v1.0/users$",
            1,
            json!({"wrong_length": -20}),
        ))
        .fault(rule("servicenow", "GET", TABLES, 1, json!({"wrong_length": -20})))
        .sync();
    told.code(0).after_the_faults().everybody_right();
    // One that stays is named, and nobody is taken for missing because of it. The listing alone: five failures in a row
    // would open the circuit, and the run would wait for its probe.
    let told = Scenario::of(4)
        .fault(
            json!({"service": "servicenow", "method": "GET", "path": "^/api/now/table/sys_user$", "query": "ORDERBY",
            "do": {"wrong_length": -20}}),
        )
        .sync();
    told.code(1).after_the_faults().says("could not be understood");
    // One that never ends costs that one person's photo, not the run.
    let told = Scenario::of(4)
        .fault(rule("entra", "GET", PHOTO, 1, json!({"endless": true})))
        .sync();
    let told = told.after_the_faults();
    assert!(told.count("updated") >= 3, "{:?}", told.ended);
    tried("C3", 4);
}

#[test]
#[ignore = "takes most of a minute: the limits are 20 s and 60 s"]
fn c4_c5_answers_that_drip_or_never_come_are_given_up_and_asked_for_again() {
    let told = Scenario::of(4)
        .fault(rule("entra", "GET", PHOTO, 1, json!({"trickle": 1})))
        .fault(rule("servicenow", "GET", TABLES, 1, json!({"trickle": 1})))
        .fault(rule("entra", "GET", PHOTO, 1, json!({"delay_ms": 600_000})))
        .fault(rule("servicenow", "GET", TABLES, 1, json!({"delay_ms": 600_000})))
        .sync();
    told.code(0).after_the_faults().everybody_right();
    tried("C4", 2);
    tried("C5", 2);
}

#[test]
fn c8_hours_that_pass_in_the_middle_of_a_run_cost_nothing_but_new_tokens() {
    let asleep = || json!({"meanwhile": {"method": "POST", "path": "/clock", "body": {"advance_s": 7_200}}});
    let told = Scenario::of(8)
        .fault(rule("entra", "GET", PHOTO, 1, asleep()))
        .fault(rule("servicenow", "POST", "attachment", 1, asleep()))
        .sync();
    told.code(0).after_the_faults().everybody_right();
    tried("C8", 2);
}

#[test]
fn c9_a_proxy_that_answers_instead_is_named() {
    let page = "<html><title>Blocked</title>Blocked by the web filter of this proxy</html>";
    let cases = [(407, "entra"), (407, "servicenow"), (403, "servicenow")];
    for (status, service) in cases {
        let told = Scenario::of(3)
            .fault(json!({"service": service, "path": "^/(v1.0|api)/", "do":
                {"status": status, "headers": {"Content-Type": "text/html"}, "body": page}}))
            .sync();
        assert_ne!(told.ended.code, 0);
        told.after_the_faults().says("proxy");
    }
    tried("C9", cases.len());
}

/// An address at which nobody listens.
fn nobody_at() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    format!("http://{}", listener.local_addr().expect("bound"))
}

#[test]
fn c1_a_host_that_cannot_be_reached_is_named_with_the_reason() {
    let cases = [
        ("AVATAR_SYNC_ENTRA_GRAPH_URL", nobody_at(), "refused"),
        ("AVATAR_SYNC_SERVICENOW_INSTANCE", nobody_at(), "refused"),
        (
            "AVATAR_SYNC_SERVICENOW_INSTANCE",
            "https://nobody.invalid".to_owned(),
            "nobody.invalid",
        ),
    ];
    let count = cases.len();
    for (setting, address, reason) in cases {
        let begun = std::time::Instant::now();
        let told = Scenario::of(3).setting(setting, &address).sync().code(1);
        let host = address.split("//").nth(1).expect("a host");
        told.says(host).says(reason);
        assert!(begun.elapsed() < Duration::from_mins(1), "{:?}", begun.elapsed());
    }
    tried("C1", count);
}
