//! Rate rules, semaphores and sessions (`servicenow.md` 5.5, 6.1, 6.2).

use std::time::Duration;

use avatar_sync::sandbox::exchange::Service;
use avatar_sync::sandbox::servicenow::settings::{RateRule, RuleSubject};
use http::Method;

use crate::instance::{ACCOUNT, Answer, Call, Practice};

const LIST: &str = "/api/now/table/sys_user?sysparm_limit=1";

fn rule(id: &str, limit: u32) -> RateRule {
    RateRule {
        id: id.to_owned(),
        limit,
        applies_to: RuleSubject::All,
        api: None,
        method: None,
    }
}

fn seconds(answer: &Answer, header: &str) -> i64 {
    answer.header(header).parse().expect("a number of seconds")
}

#[test]
fn e30_a_rate_rule_refuses_what_is_over_its_limit_until_the_hour_turns() {
    let practice = Practice::new();
    practice.set(|settings| {
        settings.throttle.rate_rules.push(RateRule {
            api: Some("table".to_owned()),
            ..rule("0123456789abcdef0123456789abcdef", 2)
        });
    });
    assert_eq!(practice.get(LIST).status(), 200);
    assert_eq!(practice.get(LIST).status(), 200);
    let refused = practice.get(LIST);
    refused.assert_refused(
        429,
        "Rate limit exceeded",
        "Rate limit of 2 requests per hour for Table API exceeded",
    );
    assert_eq!(refused.header("x-ratelimit-limit"), "2");
    assert_eq!(
        refused.header("x-ratelimit-rule"),
        "0123456789abcdef0123456789abcdef"
    );
    assert_eq!(seconds(&refused, "x-ratelimit-reset") % 3_600, 0);
    let wait = seconds(&refused, "retry-after");
    assert!((1..=3_600).contains(&wait), "{wait}");
    assert_eq!(practice.get("/api/now/attachment").status(), 200, "another API");

    practice.advance(wait + 1);
    assert_eq!(practice.get(LIST).status(), 200);
    assert_eq!(practice.service.counts().early, 0);
}

#[test]
fn e31_a_rule_that_is_not_exceeded_shows_in_the_headers() {
    let practice = Practice::new();
    practice.set(|settings| settings.throttle.rate_rules.push(rule("r1", 100)));
    let answer = practice.get(LIST);
    assert_eq!(
        (answer.status(), answer.header("x-ratelimit-limit")),
        (200, "100")
    );
    assert_eq!(answer.header("x-ratelimit-rule"), "r1");
    assert!(!answer.has_header("retry-after"));
    practice.set(|settings| settings.throttle.rate_rules.clear());
    assert!(!practice.get(LIST).has_header("x-ratelimit-limit"));
}

#[test]
fn a_client_that_comes_back_early_waits_anew_and_is_counted() {
    let practice = Practice::new();
    practice.set(|settings| settings.throttle.rate_rules.push(rule("r1", 1)));
    practice.get(LIST);
    let wait = seconds(&practice.get(LIST), "retry-after");
    practice.advance(wait / 2);
    let early = practice.get(LIST);
    assert_eq!(early.status(), 429);
    assert_eq!(seconds(&early, "retry-after"), wait, "the wait starts anew");
    assert_eq!(practice.service.counts().early, 1);

    practice.advance(wait - 2);
    assert_eq!(practice.get(LIST).status(), 429);
    assert_eq!(practice.service.counts().early, 2);
    practice.advance(wait + 1);
    assert_eq!(practice.get(LIST).status(), 200);
    let counts = practice.service.counts();
    assert_eq!((counts.rate_refused, counts.early), (3, 2));
}

#[test]
fn a_rule_for_the_user_wins_over_one_for_a_role_over_one_for_all() {
    let practice = Practice::new();
    let with = |subject: RuleSubject, id: &str, limit: u32| RateRule {
        applies_to: subject,
        ..rule(id, limit)
    };
    let shown = || practice.get(LIST).header("x-ratelimit-rule").to_owned();
    practice.set(|settings| {
        settings.sign_in.roles = ["itil", "admin"].map(str::to_owned).into();
        settings.throttle.rate_rules = vec![
            rule("all", 10),
            with(RuleSubject::Role("itil".to_owned()), "itil", 500),
            with(RuleSubject::Role("admin".to_owned()), "admin", 400),
            with(RuleSubject::Role("other".to_owned()), "other", 1),
        ];
    });
    assert_eq!(shown(), "admin", "with several roles the lowest");
    practice.set(|settings| {
        let mine = with(RuleSubject::User(ACCOUNT.to_owned()), "mine", 1_000);
        settings.throttle.rate_rules.push(mine);
    });
    assert_eq!(shown(), "mine");
}

#[test]
fn e32_a_full_semaphore_queue_refuses_without_a_word() {
    let practice = Practice::new();
    practice.set(|settings| settings.latency_ms = 30);
    let request = Call::new(Method::GET, LIST).request();
    let mut held: Vec<_> = (0..54)
        .map(|_| {
            practice
                .service
                .admit(&request)
                .unwrap_or_else(|_| panic!("4 threads and 50 places"))
        })
        .collect();
    assert_eq!(held[3].queue, Duration::ZERO);
    assert_eq!(
        held[4].queue,
        Duration::from_millis(30),
        "one round behind the first four"
    );
    assert_eq!(held[53].queue, Duration::from_millis(13 * 30));
    let refused = practice.get(LIST);
    assert_eq!((refused.status(), refused.text()), (429, ""));
    assert!(!refused.has_header("retry-after"));
    assert_eq!(practice.service.counts().semaphore_refused, 1);
    held.pop();
    assert_eq!(practice.get(LIST).status(), 200);

    practice.set(|settings| settings.throttle.enabled = false);
    let _another = practice
        .service
        .admit(&request)
        .unwrap_or_else(|_| panic!("no limits"));
    assert!(practice.service.admit(&request).is_ok());
}

#[test]
fn e33_a_session_takes_one_request_at_a_time_and_drops_the_eleventh_waiter() {
    let practice = Practice::new();
    practice.set(|settings| settings.latency_ms = 30);
    let session = practice.get(LIST).session();
    let request = Call::new(Method::GET, LIST).header("cookie", &session).request();
    let mut held: Vec<_> = (0..11)
        .map(|_| {
            practice
                .service
                .admit(&request)
                .unwrap_or_else(|_| panic!("one runs and ten wait"))
        })
        .collect();
    assert_eq!(
        held[10].queue,
        Duration::from_millis(300),
        "ten are served before"
    );
    let dropped = practice.call(Call::new(Method::GET, LIST).header("cookie", &session));
    assert_eq!((dropped.status(), dropped.text()), (202, ""));
    assert_eq!(practice.get(LIST).status(), 200, "without the cookie");
    held.pop();
    assert_eq!(
        practice
            .call(Call::new(Method::GET, LIST).header("cookie", &session))
            .status(),
        200
    );
    assert_eq!(practice.service.counts().session_overlaps, 12);
}

#[test]
fn every_request_without_a_session_opens_one_and_a_session_ends_after_a_pause() {
    let practice = Practice::new();
    let session = practice.get(LIST).session();
    practice.get(LIST);
    assert_eq!(practice.service.counts().sessions_opened, 2);
    let with_cookie = || practice.call(Call::new(Method::GET, LIST).header("cookie", &session));
    assert!(!with_cookie().has_header("set-cookie"));
    assert_eq!(practice.service.counts().sessions_opened, 2);
    practice.advance(301);
    assert!(with_cookie().session().starts_with("JSESSIONID="));
    assert_eq!(practice.service.counts().sessions_opened, 3);
}

#[test]
fn the_cookies_of_a_new_session_are_those_of_the_platform() {
    let answer = Practice::new().get(LIST);
    let names: Vec<&str> = answer
        .0
        .headers
        .get_all("set-cookie")
        .iter()
        .filter_map(|value| value.to_str().ok()?.split('=').next())
        .collect();
    assert_eq!(
        names,
        [
            "JSESSIONID",
            "glide_user",
            "glide_user_session",
            "glide_user_route",
            "glide_session_store",
            "BIGipServerpool_sandbox",
        ]
    );
}

#[test]
fn a_batch_takes_as_many_service_times_as_it_has_items() {
    let body = r#"{"batch_request_id":"1","rest_requests":[{"id":"1"},{"id":"2"},{"id":"3"}]}"#;
    let request = Call::new(Method::POST, "/api/now/v1/batch").json(body).request();
    let admission = Practice::new()
        .service
        .admit(&request)
        .unwrap_or_else(|_| panic!("free"));
    assert_eq!(admission.rounds, 3);
}

#[test]
fn a_page_takes_longer_the_more_rows_it_asks_for() {
    let practice = Practice::new();
    practice.set(|settings| settings.row_cost_us = 100);
    let queue = |target: &str| {
        let request = Call::new(Method::GET, target).request();
        practice
            .service
            .admit(&request)
            .unwrap_or_else(|_| panic!("free"))
            .queue
    };
    assert_eq!(
        queue("/api/now/table/sys_user?sysparm_limit=500"),
        Duration::from_millis(50)
    );
    let one = format!("/api/now/table/sys_user/{}", crate::instance::U1);
    assert_eq!(queue(&one), Duration::ZERO);
}
