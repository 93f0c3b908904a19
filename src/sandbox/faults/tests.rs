use http::Method;

use super::{Action, FaultRules, Rule, unit};
use std::sync::Arc;

const UPLOAD: &str = "/api/now/attachment/file";

fn rules(rules: &[&str]) -> FaultRules {
    let all = FaultRules::new(1);
    for rule in rules {
        all.add(rule.as_bytes()).expect("a valid rule");
    }
    all
}

fn upload(rules: &FaultRules) -> Option<Arc<Rule>> {
    rules.decide("servicenow", &Method::POST, UPLOAD, "file_name=photo")
}

fn status(rule: Option<Arc<Rule>>) -> Option<u16> {
    match &rule?.effect.action {
        Action::Answer { response, .. } => Some(response.status.as_u16()),
        _ => None,
    }
}

fn complaint(rule: &str) -> String {
    FaultRules::new(1)
        .add(rule.as_bytes())
        .expect_err("an invalid rule")
        .to_string()
}

#[test]
fn a_rule_matches_by_service_method_path_and_query() {
    let rules = rules(&[
        r#"{"service":"servicenow","method":"POST","path":"^/api/now/attachment/file$","query":"photo",
            "do":{"status":503}}"#,
    ]);

    assert!(
        rules
            .decide("entra", &Method::POST, UPLOAD, "file_name=photo")
            .is_none()
    );
    assert!(
        rules
            .decide("servicenow", &Method::GET, UPLOAD, "file_name=photo")
            .is_none()
    );
    assert!(
        rules
            .decide("servicenow", &Method::POST, "/api/now/table/x", "file_name=photo")
            .is_none()
    );
    assert!(
        rules
            .decide("servicenow", &Method::POST, UPLOAD, "file_name=logo")
            .is_none()
    );
    assert_eq!(status(upload(&rules)), Some(503));
}

#[test]
fn skip_and_times_choose_which_matches_are_hit() {
    let rules = rules(&[r#"{"skip":2,"times":3,"do":{"status":500}}"#]);

    let hits: Vec<bool> = (0..7).map(|_| upload(&rules).is_some()).collect();
    assert_eq!(hits, [false, false, true, true, true, false, false]);
}

#[test]
fn a_rule_without_times_acts_for_ever() {
    let rules = rules(&[r#"{"times":null,"do":{"status":500}}"#]);
    assert!((0..1_000).all(|_| upload(&rules).is_some()));
}

#[test]
fn the_first_rule_that_acts_wins_and_one_that_skips_makes_way() {
    let rules = rules(&[
        r#"{"skip":1,"times":1,"do":{"status":500}}"#,
        r#"{"do":{"status":503}}"#,
    ]);

    assert_eq!(status(upload(&rules)), Some(503), "the first rule skips");
    assert_eq!(status(upload(&rules)), Some(500));
    assert_eq!(status(upload(&rules)), Some(503), "the first rule is used up");
}

#[test]
fn probability_is_drawn_from_the_seed_and_hits_its_share() {
    let hits = || {
        let rules = rules(&[r#"{"probability":0.3,"do":{"status":500}}"#]);
        (0..10_000).map(|_| upload(&rules).is_some()).collect::<Vec<_>>()
    };
    let first = hits();
    assert_eq!(first, hits(), "the same seed draws the same");

    let share = first.iter().filter(|hit| **hit).count();
    assert!((2_800..3_200).contains(&share), "{share} of 10000");
}

#[test]
fn random_numbers_fill_the_unit_interval_evenly() {
    let mut tenths = [0_u32; 10];
    for ordinal in 0..10_000 {
        tenths[(unit(7, ordinal) * 10.0) as usize] += 1;
    }
    assert!(
        tenths.iter().all(|count| (850..1_150).contains(count)),
        "{tenths:?}"
    );
}

#[test]
fn a_batch_item_rule_leaves_whole_requests_alone_and_answers_items() {
    let rules = rules(&[
        r#"{"service":"entra","path":"/photo$","batch_item":true,"times":1,
            "do":{"status":429,"headers":{"Retry-After":"2"}}}"#,
    ]);
    let path = "/v1.0/users/ada/photo";

    assert!(rules.decide("entra", &Method::GET, path, "").is_none());
    let answer = rules
        .for_batch_item("entra", &Method::GET, path)
        .expect("throttled");
    assert_eq!(answer.status.as_u16(), 429);
    assert_eq!(answer.headers["retry-after"], "2");
    assert!(
        rules.for_batch_item("entra", &Method::GET, path).is_none(),
        "times is used up"
    );
}

#[test]
fn removing_rules_disarms_them_and_the_list_says_how_often_they_acted() {
    let rules = rules(&[r#"{"times":1,"do":{"delay_ms":5}}"#, r#"{"do":{"drop":"after"}}"#]);
    assert!(upload(&rules).is_some());
    assert!(upload(&rules).is_some());

    let list = rules.list();
    assert_eq!(list[0]["acted"], 1);
    assert_eq!(list[0]["matched"], 2);
    assert_eq!(list[1]["rule"]["do"]["drop"], "after");

    assert!(rules.remove(2));
    assert!(!rules.remove(2));
    assert!(upload(&rules).is_none());
    rules.clear();
    assert!(rules.list().is_empty());
}

#[test]
fn an_answer_keeps_its_headers_and_guesses_its_type() {
    let rules = rules(&[
        r#"{"do":{"status":429,"headers":{"Retry-After":2,"content-type":"application/problem+json"},"body":{"a":1}}}"#,
    ]);
    let rule = upload(&rules).expect("acts");
    let Action::Answer {
        response,
        carried_out,
    } = &rule.effect.action
    else {
        panic!("an answer");
    };
    assert!(!carried_out);
    assert_eq!(response.headers["retry-after"], "2");
    assert_eq!(response.headers["content-type"], "application/problem+json");
    assert_eq!(response.body, r#"{"a":1}"#);
}

#[test]
fn mistakes_in_a_rule_are_explained_in_a_sentence() {
    assert_eq!(
        complaint(r#"{"servce":"entra","do":{"status":500}}"#),
        "`servce` is not a key of a fault rule. Did you mean `service`?"
    );
    assert_eq!(
        complaint(r#"{"do":{"retry_after":2,"status":429}}"#),
        "`retry_after` is not a key of `do` of a fault rule, which knows `delay_ms`, `meanwhile`, `status`, `html`, \
         `redirect`, `headers`, `body`, `body_base64`, `carried_out`, `expired_token`, `drop`, `reset_after_bytes`, \
         `truncate_body`, `empty`, `trickle`, `wrong_length`, `endless`, `duplicate`, `foreign_link`, `quarantine`, \
         `keep`."
    );
    assert_eq!(
        complaint(r#"{"method":"GET"}"#),
        "a fault rule needs `do`: what happens to the request."
    );
    assert_eq!(
        complaint(r#"{"do":{}}"#),
        "`do` of a fault rule is empty: nothing would happen."
    );
    assert_eq!(
        complaint(r#"{"do":{"status":500,"drop":"after"}}"#),
        "`do` of a fault rule asks for 2 things at once; only `delay_ms` and `meanwhile` go together with another."
    );
    assert_eq!(
        complaint(r#"{"batch_item":true,"do":{"drop":"after"}}"#),
        "`do` of a fault rule with `batch_item` can only be an answer (`status`, `html`, `expired_token`), because an \
         item has no connection of its own."
    );
    assert!(
        complaint(r#"{"path":"(","do":{"status":500}}"#).starts_with("`path` is not a regular expression")
    );
    assert_eq!(
        complaint(r#"{"method":"FETCH","do":{"status":500}}"#),
        "`method` is `FETCH`, but it must be one of GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS."
    );
    assert_eq!(
        complaint(r#"{"do":{"body":"x"}}"#),
        "`do` of a fault rule has `headers`, `body` or `carried_out`, but no `status` to answer with."
    );
}
