//! Whole calls against a scripted service, under a paused clock.

use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use futures::future::join_all;
use serde_json::json;

use super::super::lane::LaneSettings;
use super::super::secret::Secret;
use super::super::testing::{Reply, Seen, Service, origin};
use super::super::token::{Token, TokenSource};
use super::*;
use crate::connector::{ConnectorError, PauseReason, Priority, Speaker};

fn caller(service: &Arc<Service>) -> Caller {
    caller_with(service, 4, 4)
}

fn caller_with(service: &Arc<Service>, start: usize, cap: usize) -> Caller {
    let settings = LaneSettings {
        name: "test",
        start,
        cap,
    };
    Caller::new("the service", &service.transport(), origin(), Lane::new(settings))
}

fn read(caller: &Caller) -> Call {
    Call::get(caller.address(&["thing"], &[]), "read the thing")
}

fn write(caller: &Caller) -> Call {
    Call::post(caller.address(&["thing"], &[]), "make the thing").json(&json!({"a": 1}))
}

fn ok() -> Reply {
    Reply::json(json!({"result": []}))
}

fn throttled(seconds: &str) -> Reply {
    Reply::status(429).header("retry-after", seconds)
}

/// A source that issues `t1`, `t2` … and counts.
#[derive(Clone, Default)]
struct Issuer {
    issued: Arc<AtomicU32>,
}

#[async_trait]
impl TokenSource for Issuer {
    async fn fetch(&self) -> Result<Token, Failure> {
        sleep(Duration::from_millis(50)).await;
        let number = self.issued.fetch_add(1, Ordering::SeqCst) + 1;
        Ok(Token {
            value: Secret::new(format!("t{number}")),
            lifetime: Duration::from_hours(1),
        })
    }
}

#[tokio::test(start_paused = true)]
async fn one_refusal_pauses_everybody_and_nobody_fails() {
    let service = Service::in_order([throttled("7"), ok()]);
    let caller = caller_with(&service, 1, 4);
    let start = Instant::now();
    let all = join_all((0..20).map(|_| caller.send(read(&caller)))).await;
    assert!(all.iter().all(Result::is_ok));
    let seen = service.seen();
    assert_eq!(seen.len(), 21);
    let inside = seen[1..]
        .iter()
        .filter(|seen| seen.at - start < Duration::from_secs(7))
        .count();
    assert_eq!(inside, 0, "requests inside the pause");
    crate::tried("A1", 1);
}

#[tokio::test(start_paused = true)]
async fn no_request_leaves_inside_a_pause_however_many_are_waiting() {
    // Every seventh request is refused for a while of its own; whoever comes back early is counted.
    let early = Arc::new(AtomicU32::new(0));
    let service = {
        let early = Arc::clone(&early);
        let mut count = 0;
        let mut until: Option<Instant> = None;
        Service::new(move |seen: &Seen| {
            if until.is_some_and(|until| seen.at < until) {
                early.fetch_add(1, Ordering::SeqCst);
            }
            count += 1;
            if count % 17 == 0 {
                let wait = 1 + count % 5;
                until = Some(seen.at + Duration::from_secs(wait));
                return throttled(&wait.to_string());
            }
            ok()
        })
    };
    let caller = caller_with(&service, 4, 4);
    let all = join_all((0..300).map(|_| caller.send(read(&caller)))).await;
    assert!(all.iter().all(Result::is_ok));
    assert_eq!(early.load(Ordering::SeqCst), 0);
    assert!(service.most_in_flight() <= 4);
    crate::tried("A1", 17);
}

#[tokio::test(start_paused = true)]
async fn a_bare_refusal_backs_off_and_gives_up_after_six_attempts() {
    let service = Service::in_order([Reply::status(429)]);
    let caller = caller(&service);
    let failure = caller.send(read(&caller)).await.expect_err("refused");
    assert_eq!(failure.kind, ErrorKind::Throttled);
    assert_eq!(service.seen().len(), 6);
    assert_eq!(caller.lane_state().limit, 1);
    crate::tried("A2", 1);
}

#[tokio::test(start_paused = true)]
async fn trouble_is_tried_three_or_six_times() {
    let cases = [(500, 3), (502, 3), (408, 3), (509, 3), (503, 6), (504, 6)];
    let count = cases.len();
    for (status, attempts) in cases {
        let service = Service::new(move |seen: &Seen| {
            if seen.path() == "/broken" {
                Reply::status(status)
            } else {
                ok()
            }
        });
        let caller = caller(&service);
        let broken = caller.send(Call::get(caller.address(&["broken"], &[]), "read it"));
        // Others succeed meanwhile, so that the circuit stays whole.
        let neighbours = async {
            loop {
                caller.send(read(&caller)).await.expect("fine");
                sleep(Duration::from_millis(200)).await;
            }
        };
        let failure = tokio::select! {
            result = broken => result.expect_err("trouble"),
            () = neighbours => unreachable!("they never end"),
        };
        assert_eq!(failure.kind, ErrorKind::Unavailable);
        let tried = service
            .seen()
            .iter()
            .filter(|seen| seen.path() == "/broken")
            .count();
        assert_eq!(tried, attempts, "{status}");
    }
    crate::tried("B1", count);
}

/// How often a request is sent that the service answers like this, one after the other and the last for ever, while
/// others succeed.
async fn tries_of(replies: Vec<Reply>) -> (usize, Result<Answer, Failure>) {
    let mut next = 0;
    let service = Service::new(move |seen: &Seen| {
        if seen.path() != "/unlucky" {
            return ok();
        }
        next += 1;
        replies[next.min(replies.len()) - 1].clone()
    });
    let caller = caller(&service);
    let unlucky = caller.send(Call::get(caller.address(&["unlucky"], &[]), "read it"));
    let neighbours = async {
        loop {
            caller.send(read(&caller)).await.expect("fine");
            sleep(Duration::from_millis(200)).await;
        }
    };
    let result = tokio::select! {
        result = unlucky => result,
        () = neighbours => unreachable!("they never end"),
    };
    let seen = service.seen();
    (
        seen.iter().filter(|seen| seen.path() == "/unlucky").count(),
        result,
    )
}

#[tokio::test(start_paused = true)]
async fn each_kind_of_trouble_is_counted_by_itself() {
    let mixed = vec![
        throttled("1"),
        Reply::status(502),
        Reply::lost(FaultKind::Broken),
        Reply::status(429),
        Reply::status(503),
        Reply::status(500),
        Reply::lost(FaultKind::TimedOut),
        Reply::status(202),
        ok(),
    ];
    let (tries, result) = tries_of(mixed).await;
    assert_eq!((tries, result.is_ok()), (9, true));
    // The third error of the service's own is the last, whatever came in between.
    let failing = vec![
        Reply::status(500),
        throttled("1"),
        Reply::status(503),
        Reply::status(502),
        Reply::status(429),
        Reply::status(500),
        ok(),
    ];
    let (tries, result) = tries_of(failing).await;
    assert_eq!((tries, result.is_ok()), (6, false));
    crate::tried("B1", 2);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_that_was_waited_out_twelve_times_is_given_up() {
    let (tries, result) = tries_of(vec![throttled("2")]).await;
    let failure = result.expect_err("refused");
    assert_eq!((tries, &failure.kind), (12, &ErrorKind::Throttled));
    assert!(!failure.kind.stops_run(), "others got through");
}

#[tokio::test(start_paused = true)]
async fn everything_together_is_tried_sixteen_times() {
    let mut replies = Vec::new();
    for _ in 0..5 {
        replies.extend([
            throttled("1"),
            throttled("1"),
            Reply::status(429),
            Reply::status(503),
        ]);
    }
    let (tries, result) = tries_of(replies).await;
    assert_eq!((tries, result.is_ok()), (16, false));
}

#[tokio::test(start_paused = true)]
async fn whoever_sends_a_failed_request_again_it_is_a_retry() {
    let service = Service::in_order([
        Reply::status(504),
        Reply::status(404),
        Reply::status(504),
        Reply::status(201)
            .header("content-type", "application/json")
            .body("{}"),
        ok(),
    ]);
    let caller = caller_with(&service, 1, 1);
    let unknown = caller.send(write(&caller)).await.expect_err("unknown");
    assert_eq!(unknown.kind, ErrorKind::OutcomeUnknown);
    let looked = caller.send(read(&caller)).await.expect_err("not there");
    assert_eq!(looked.kind, ErrorKind::NotFound);
    caller.send(write(&caller)).await.expect_err("unknown again");
    assert_eq!(caller.lane_state().retries, 1, "the second write, not the look");
    caller.send(write(&caller)).await.expect("written");
    caller.send(write(&caller)).await.expect("written once more");
    assert_eq!(caller.lane_state().retries, 2, "the last one repeated nothing");
}

#[tokio::test(start_paused = true)]
async fn a_read_that_is_lost_is_repeated() {
    let cases = [FaultKind::NotSent, FaultKind::TimedOut, FaultKind::Broken];
    let count = cases.len();
    for kind in cases {
        let service = Service::in_order([Reply::lost(kind), Reply::lost(kind), ok()]);
        let caller = caller(&service);
        caller.send(read(&caller)).await.expect("the third attempt");
        assert_eq!(service.seen().len(), 3);
    }
    crate::tried("C1", count);
}

#[tokio::test(start_paused = true)]
async fn a_write_whose_outcome_is_unknown_is_not_repeated() {
    let cases = [
        Reply::lost(FaultKind::TimedOut),
        Reply::lost(FaultKind::Broken),
        Reply::status(500),
        Reply::status(502),
        Reply::status(503),
        Reply::status(504),
        Reply::status(408),
        Reply::status(202),
        Reply::status(201),
        Reply::status(200)
            .header("content-type", "application/json")
            .body("{\"result\":[ Transaction cancelled"),
    ];
    let count = cases.len();
    for reply in cases {
        let service = Service::in_order([reply.clone(), ok()]);
        let caller = caller(&service);
        let failure = caller.send(write(&caller)).await.expect_err("unknown");
        assert_eq!(failure.kind, ErrorKind::OutcomeUnknown, "{reply:?}");
        assert_eq!(service.seen().len(), 1, "{reply:?}");
    }
    crate::tried("B3", count);
    crate::tried("B6", count);
}

#[tokio::test(start_paused = true)]
async fn a_write_that_was_surely_not_carried_out_is_repeated() {
    for reply in [
        Reply::lost(FaultKind::NotSent),
        Reply::status(429),
        throttled("3"),
        Reply::status(503).header("retry-after", "3"),
    ] {
        let service = Service::in_order([reply.clone(), ok()]);
        let caller = caller(&service);
        caller.send(write(&caller)).await.expect("the second attempt");
        assert_eq!(service.seen().len(), 2, "{reply:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_will_never_work_is_tried_once() {
    for (status, kind) in [
        (400, ErrorKind::Refused),
        (409, ErrorKind::Refused),
        (414, ErrorKind::Refused),
        (404, ErrorKind::NotFound),
        (302, ErrorKind::Refused),
        (
            403,
            ErrorKind::NotAllowed {
                needs: "a right".into(),
            },
        ),
    ] {
        let service = Service::in_order([Reply::status(status)]);
        let caller = caller(&service);
        let failure = caller
            .send(read(&caller).needs("a right"))
            .await
            .expect_err("refused");
        assert_eq!((&failure.kind, service.seen().len()), (&kind, 1), "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_page_instead_of_the_api_is_looked_at_three_times_and_then_named() {
    let page = Reply::status(200)
        .header("content-type", "text/html")
        .body("<html><title>Instance Hibernating page</title>");
    let service = Service::in_order([page]);
    let caller = caller(&service);
    let start = Instant::now();
    let failure = caller.send(read(&caller)).await.expect_err("the wrong speaker");
    assert_eq!(failure.kind, ErrorKind::WrongSpeaker(Speaker::Hibernating));
    assert_eq!(service.seen().len(), 3);
    assert!(start.elapsed() <= Duration::from_secs(2), "the repeats are quick");
    let error = ConnectorError::from(failure);
    assert_eq!(error.to_string(), "the service: could not read the thing");
    let cause = std::error::Error::source(&error).expect("a cause").to_string();
    assert!(cause.contains("Instance Hibernating page"), "{cause}");
    assert!(error.hint.expect("a hint").contains("wake it"));
    crate::tried("B5", 1);
}

#[tokio::test(start_paused = true)]
async fn fifty_requests_with_a_token_gone_stale_cause_one_sign_in() {
    let issuer = Issuer::default();
    let service = Service::new(|seen: &Seen| match seen.header("authorization") {
        Some("Bearer t1") => Reply::status(401).after(Duration::from_millis(5)),
        Some(_) => ok().after(Duration::from_millis(5)),
        None => Reply::status(500),
    });
    let caller =
        caller_with(&service, 50, 50).with_token(TokenCache::new(issuer.clone(), Duration::from_mins(5)));
    let all = join_all((0..50).map(|_| caller.send(read(&caller)))).await;
    assert!(all.iter().all(Result::is_ok));
    assert_eq!(
        issuer.issued.load(Ordering::SeqCst),
        2,
        "the first token and one renewal"
    );
    assert_eq!(service.seen().len(), 100, "each was repeated once");
    assert_eq!(caller.lane_state().retries, 0, "which costs no retry budget");
    crate::tried("D1", 50);
}

#[tokio::test(start_paused = true)]
async fn a_fresh_token_that_is_refused_ends_it() {
    let issuer = Issuer::default();
    let service = Service::in_order([Reply::status(401)]);
    let caller = caller(&service).with_token(TokenCache::new(issuer.clone(), Duration::from_mins(5)));
    let failure = caller.send(read(&caller)).await.expect_err("refused");
    assert_eq!(failure.kind, ErrorKind::SignInRejected);
    assert!(failure.kind.stops_run());
    assert_eq!(service.seen().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn no_401_is_ever_seen_in_three_hours_because_tokens_are_renewed_ahead() {
    let issuer = Issuer::default();
    let issued = Arc::clone(&issuer.issued);
    let start = Instant::now();
    let service = Service::new(move |seen: &Seen| {
        // The service's token n was issued in hour n and dies after 3600 s.
        let number: u32 = seen
            .header("authorization")
            .and_then(|header| header.strip_prefix("Bearer t"))
            .and_then(|number| number.parse().ok())
            .unwrap_or(0);
        let age = (seen.at - start)
            .checked_sub(Duration::from_mins(55) * (number - 1))
            .unwrap();
        if age > Duration::from_hours(1) {
            Reply::status(401)
        } else {
            ok()
        }
    });
    let caller = caller(&service).with_token(TokenCache::new(issuer, Duration::from_mins(5)));
    for _ in 0..(3 * 3600 / 10) {
        caller.send(read(&caller)).await.expect("always signed in");
        sleep(Duration::from_secs(10)).await;
    }
    assert_eq!(service.seen().len(), 1080, "none was repeated");
    assert_eq!(issued.load(Ordering::SeqCst), 4);
    crate::tried("D2", 1080);
}

#[tokio::test(start_paused = true)]
async fn a_token_that_ends_during_a_pause_is_replaced_before_sending() {
    let issuer = Issuer::default();
    let service = Service::in_order([ok(), throttled("4000"), ok()]);
    let caller = caller_with(&service, 1, 1).with_token(TokenCache::new(issuer, Duration::from_mins(5)));
    caller.send(read(&caller)).await.expect("before");
    caller.send(read(&caller)).await.expect("after the pause");
    let tokens: Vec<String> = service
        .seen()
        .iter()
        .map(|seen| seen.header("authorization").unwrap_or_default().to_owned())
        .collect();
    assert_eq!(tokens, ["Bearer t1", "Bearer t1", "Bearer t2"]);
    assert_eq!(caller.lane_state().requests, 3);
    crate::tried("C8", 1);
}

#[tokio::test(start_paused = true)]
async fn a_wrong_password_is_sent_twice_at_most() {
    let login = BasicLogin::new("integration", &Secret::new("wrong")).expect("sendable");
    let service = Service::in_order([Reply::status(401).after(Duration::from_millis(20))]);
    let caller = caller(&service).with_basic(login);
    let all = join_all((0..10).map(|_| caller.send(read(&caller)))).await;
    for failure in all.into_iter().map(|result| result.expect_err("refused")) {
        assert_eq!(failure.kind, ErrorKind::SignInRejected);
    }
    assert_eq!(service.seen().len(), 2);
    crate::tried("D5", 10);
}

#[tokio::test(start_paused = true)]
async fn a_right_password_is_tried_alone_first_and_then_used_by_all() {
    let login = BasicLogin::new("integration", &Secret::new("right")).expect("sendable");
    let service = Service::in_order([ok().after(Duration::from_millis(20))]);
    let caller = caller(&service).with_basic(login);
    let all = join_all((0..9).map(|_| caller.send(read(&caller)))).await;
    assert!(all.iter().all(Result::is_ok));
    let in_flight: Vec<usize> = service.seen().iter().map(|seen| seen.in_flight).collect();
    assert_eq!(in_flight, [1, 1, 2, 3, 4, 1, 2, 3, 4]);
}

#[tokio::test(start_paused = true)]
async fn every_request_in_flight_has_a_session_of_its_own() {
    let mut sessions = 0;
    let busy = Arc::new(Mutex::new(std::collections::HashMap::<String, Instant>::new()));
    let service = Service::new(move |seen: &Seen| {
        let reply = ok().after(Duration::from_millis(30));
        let Some(cookie) = seen.header("cookie") else {
            sessions += 1;
            return reply.header("set-cookie", format!("JSESSIONID=s{sessions}; Path=/; HttpOnly"));
        };
        let until = seen.at + Duration::from_millis(30);
        let before = busy.lock().insert(cookie.to_owned(), until);
        assert!(before.is_none_or(|before| before <= seen.at), "{cookie} is busy");
        reply
    });
    let caller = caller_with(&service, 4, 4).with_sessions();
    let all = join_all((0..100).map(|_| caller.send(read(&caller)))).await;
    assert!(all.iter().all(Result::is_ok));
    let opened = service
        .seen()
        .iter()
        .filter(|seen| seen.header("cookie").is_none())
        .count();
    assert_eq!(opened, 4);
    assert!(
        all.into_iter()
            .flatten()
            .all(|answer| answer.header("set-cookie").is_none())
    );
    crate::tried("B10", 100);
}

#[tokio::test(start_paused = true)]
async fn without_sessions_no_cookie_is_ever_sent() {
    let service = Service::in_order([ok().header("set-cookie", "JSESSIONID=s1")]);
    let caller = caller(&service);
    for _ in 0..3 {
        caller.send(read(&caller)).await.expect("fine");
    }
    assert!(service.seen().iter().all(|seen| seen.header("cookie").is_none()));
    crate::tried("B10", 3);
}

#[tokio::test(start_paused = true)]
async fn a_session_that_may_still_be_busy_is_not_used_again() {
    let service = Service::in_order([
        ok().header("set-cookie", "JSESSIONID=s1"),
        Reply::lost(FaultKind::TimedOut),
        ok(),
        Reply::status(202),
        ok(),
    ]);
    let caller = caller_with(&service, 1, 1).with_sessions();
    caller.send(read(&caller)).await.expect("opens a session");
    caller.send(read(&caller)).await.expect("after a timeout");
    let cookies: Vec<Option<String>> = service
        .seen()
        .iter()
        .map(|seen| seen.header("cookie").map(str::to_owned))
        .collect();
    assert_eq!(cookies, [None, Some("JSESSIONID=s1".into()), None]);
}

#[tokio::test(start_paused = true)]
async fn five_minutes_of_outage_are_survived_with_one_probe_at_a_time() {
    let start = Instant::now();
    let service = Service::new(move |seen: &Seen| {
        if seen.at - start < Duration::from_mins(5) {
            Reply::status(503)
        } else {
            ok()
        }
    });
    let caller = caller(&service);
    let all = join_all((0..40).map(|_| caller.send(read(&caller)))).await;
    assert!(all.iter().all(Result::is_ok), "{all:?}");
    let outage: Vec<u64> = service
        .seen()
        .iter()
        .map(|seen| (seen.at - start).as_secs())
        .filter(|second| (20..300).contains(second))
        .collect();
    assert_eq!(outage.len(), 3, "probes only: {outage:?}");
    crate::tried("B2", 1);
}

#[tokio::test(start_paused = true)]
async fn an_outage_without_end_is_given_up_after_ten_minutes_and_says_so() {
    let service = Service::in_order([Reply::lost(FaultKind::NotSent)]);
    let caller = caller(&service);
    let start = Instant::now();
    let all = join_all((0..8).map(|_| caller.send(read(&caller)))).await;
    assert!(all.iter().all(Result::is_err));
    assert!(
        start.elapsed() < Duration::from_secs(1000),
        "{:?}",
        start.elapsed()
    );
    let (_, reason) = caller.lane_state().paused.expect("the circuit is open");
    assert_eq!(reason, PauseReason::CircuitOpen);
    let late = caller.send(read(&caller)).await.expect_err("still away");
    assert!(late.gave_up && late.kind == ErrorKind::Unavailable, "{late:?}");
}

#[tokio::test(start_paused = true)]
async fn retries_stay_within_their_budget() {
    let mut count = 0;
    let service = Service::new(move |_| {
        count += 1;
        // For a while only: chance must not refuse one request for ever.
        if count % 3 == 0 && count <= 300 {
            Reply::status(429).after(Duration::from_millis(10))
        } else {
            ok().after(Duration::from_millis(10))
        }
    });
    let caller = caller(&service);
    let all = join_all((0..300).map(|_| caller.send(read(&caller)))).await;
    assert!(all.iter().all(Result::is_ok), "nobody fails");
    let state = caller.lane_state();
    let seen = service.seen();
    let minutes = (seen[seen.len() - 1].at - seen[0].at).as_secs() / 60 + 1;
    assert!(
        state.retries <= state.requests / 10 + 10 * minutes,
        "{} retries of {} requests in {minutes} minutes",
        state.retries,
        state.requests
    );
    crate::tried("B1", 1);
}

#[tokio::test(start_paused = true)]
async fn refused_items_inside_a_good_answer_pause_the_lane_at_once() {
    let service = Service::in_order([ok()]);
    let caller = caller(&service);
    let refused = |_: &Answer| Inside {
        clean: 13,
        throttled: 7,
        wait: Some(Duration::from_secs(9)),
    };
    let batch = read(&caller).carrying(4, refused);
    caller.send(batch).await.expect("the envelope is fine");
    let start = Instant::now();
    caller.send(read(&caller)).await.expect("later");
    assert!(start.elapsed() >= Duration::from_secs(9));
    assert_eq!(caller.lane_state().throttled, 1);
}

#[tokio::test(start_paused = true)]
async fn an_address_of_another_service_is_never_sent() {
    let service = Service::in_order([ok()]);
    let caller = caller(&service);
    let elsewhere = Origin::parse("https://evil.example").expect("an origin");
    let call = Call::get(elsewhere.address(&["thing"], &[]), "read the thing");
    let failure = caller.send(call).await.expect_err("refused");
    assert_eq!(failure.kind, ErrorKind::Configuration);
    assert!(service.seen().is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_log_of_requests_holds_no_secret_and_no_personal_value() {
    let issuer = Issuer::default();
    let service = Service::in_order([
        ok().header("request-id", "9d2e\u{9}6b1c"),
        Reply::status(404),
        Reply::lost(FaultKind::Settings),
    ]);
    let transport = service.transport();
    let lane = Lane::new(LaneSettings {
        name: "test",
        start: 1,
        cap: 1,
    });
    let caller = Caller::new("the service", &transport, origin(), lane)
        .with_token(TokenCache::new(issuer, Duration::from_mins(5)));
    for _ in 0..3 {
        let address = caller.address(&["users"], &[("$filter", "mail eq 'ada@x.org'")]);
        // The outcomes are in the log.
        let _ = caller.send(Call::get(address, "look Ada up")).await;
    }
    let records = transport.log().recent();
    let endings: Vec<&Ending> = records.iter().map(|record| &record.ending).collect();
    assert_eq!(
        endings,
        [
            &Ending::Status(200),
            &Ending::Status(404),
            &Ending::Lost("as the script says".into())
        ]
    );
    let shown = format!("{records:?}");
    assert!(!shown.contains("t1") && !shown.contains("ada"), "{shown}");
    assert_eq!(records[0].path, "/users");
    assert!(
        records[0]
            .request_id
            .as_deref()
            .is_some_and(|id| !id.contains('\t'))
    );
    crate::tried("M4", 3);
}

#[tokio::test(start_paused = true)]
async fn a_foreground_call_overtakes_the_sweep() {
    let service = Service::in_order([ok().after(Duration::from_millis(100))]);
    let caller = caller_with(&service, 1, 1);
    let sweep = (0..20).map(|_| caller.send(read(&caller)));
    let preview = async {
        sleep(Duration::from_millis(150)).await;
        let start = Instant::now();
        let address = caller.address(&["preview"], &[]);
        let call = Call::get(address, "show it").priority(Priority::Foreground);
        caller.send(call).await.expect("fine");
        start.elapsed()
    };
    let (_, waited) = tokio::join!(join_all(sweep), preview);
    assert!(waited <= Duration::from_millis(200), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn json_is_asked_for_unless_the_call_says_otherwise() {
    let service = Service::in_order([ok()]);
    let caller = caller(&service);
    assert_eq!(caller.system(), "the service");
    caller.send(read(&caller)).await.expect("fine");
    let own = HeaderValue::from_static("text/csv");
    caller
        .send(read(&caller).header(ACCEPT, own))
        .await
        .expect("fine");
    caller
        .send(read(&caller).expect(Expect::Bytes))
        .await
        .expect("fine");
    let asked: Vec<Option<String>> = service
        .seen()
        .iter()
        .map(|seen| seen.header("accept").map(str::to_owned))
        .collect();
    assert_eq!(
        asked,
        [Some("application/json".into()), Some("text/csv".into()), None]
    );
}

#[tokio::test(start_paused = true)]
async fn a_named_wait_is_the_whole_wait() {
    let refusals = (0..5).map(|_| throttled("1"));
    let service = Service::in_order(refusals.chain([ok()]));
    let caller = caller(&service);
    let start = Instant::now();
    caller.send(read(&caller)).await.expect("after five refusals");
    let waited = start.elapsed();
    // A tenth of jitter each.
    assert!(waited >= Duration::from_secs(5), "{waited:?}");
    assert!(waited <= Duration::from_millis(5_600), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn a_page_instead_of_the_api_is_repeated_quickly() {
    for _ in 0..40 {
        let page = || Reply::status(200).body("<html>Welcome</html>");
        let service = Service::in_order([page(), page(), page()]);
        let caller = caller(&service);
        let start = Instant::now();
        caller.send(read(&caller)).await.expect_err("no API");
        assert_eq!(service.seen().len(), 3);
        assert!(start.elapsed() <= Duration::from_secs(2), "{:?}", start.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_request_is_tried_three_times_and_says_what_is_known_of_it() {
    for (repeat, fault, tries, kind) in [
        (Repeat::Safe, FaultKind::Broken, 3, ErrorKind::Unavailable),
        (Repeat::Safe, FaultKind::NotSent, 3, ErrorKind::Unavailable),
        (Repeat::NotSafe, FaultKind::Broken, 1, ErrorKind::OutcomeUnknown),
        (Repeat::NotSafe, FaultKind::TimedOut, 1, ErrorKind::OutcomeUnknown),
        (Repeat::NotSafe, FaultKind::NotSent, 3, ErrorKind::Unavailable),
    ] {
        let service = Service::in_order([Reply::lost(fault)]);
        let caller = caller(&service);
        let failure = caller.send(write(&caller).repeat(repeat)).await;
        assert_eq!(failure.expect_err("lost").kind, kind, "{repeat:?} {fault:?}");
        assert_eq!(service.seen().len(), tries, "{repeat:?} {fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_sign_in_is_no_attempt() {
    let issuer = Issuer::default();
    let service = Service::in_order([Reply::status(401), Reply::status(500), Reply::status(500), ok()]);
    let caller = caller(&service).with_token(TokenCache::new(issuer, Duration::from_mins(5)));
    caller.send(read(&caller)).await.expect("the third attempt");
    assert_eq!(service.seen().len(), 4);
    let service = Service::in_order([
        Reply::status(401),
        Reply::status(500),
        Reply::status(500),
        Reply::status(500),
        ok(),
    ]);
    let caller =
        caller_with(&service, 4, 4).with_token(TokenCache::new(Issuer::default(), Duration::from_mins(5)));
    caller
        .send(read(&caller))
        .await
        .expect_err("three attempts and no more");
    assert_eq!(service.seen().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn fifty_clean_answers_let_one_more_request_out() {
    let service = Service::in_order([ok()]);
    let caller = caller_with(&service, 1, 4);
    for _ in 0..49 {
        caller.send(read(&caller)).await.expect("fine");
    }
    assert_eq!(caller.lane_state().limit, 1);
    caller.send(read(&caller)).await.expect("fine");
    assert_eq!(caller.lane_state().limit, 2);
}

#[tokio::test(start_paused = true)]
async fn probes_of_an_open_circuit_are_no_attempts_unless_the_request_itself_may_be_the_reason() {
    // The circuit opens after five failures in a row; a request that waits for it is its probe.
    for (probed, is_ours) in [(503, false), (504, false), (500, true)] {
        let start = Instant::now();
        let service = Service::new(move |seen: &Seen| {
            if seen.at - start < Duration::from_secs(20) {
                Reply::status(503)
            } else if seen.at - start < Duration::from_mins(7) {
                Reply::status(probed)
            } else {
                ok()
            }
        });
        let caller = caller(&service);
        let ended = caller.send(read(&caller)).await;
        let is_given_up = ended.is_err();
        assert_eq!(
            is_given_up,
            is_ours,
            "{probed}: {} requests",
            service.seen().len()
        );
    }
}

#[tokio::test(start_paused = true)]
async fn sessions_do_not_outlive_the_sign_in_they_were_opened_with() {
    let service = Service::new(|seen: &Seen| match seen.header("authorization") {
        Some("Bearer t1") if seen.header("cookie").is_some() => Reply::status(401),
        Some(_) => ok().header("set-cookie", "JSESSIONID=s1"),
        None => Reply::status(500),
    });
    let tokens = TokenCache::new(Issuer::default(), Duration::from_mins(5));
    let caller = caller_with(&service, 1, 1).with_sessions().with_token(tokens);
    for _ in 0..3 {
        caller.send(read(&caller)).await.expect("fine");
    }
    let sent: Vec<(Option<String>, bool)> = service
        .seen()
        .iter()
        .map(|seen| {
            let token = seen.header("authorization").map(str::to_owned);
            (token, seen.header("cookie").is_some())
        })
        .collect();
    let (first, second) = (Some("Bearer t1".to_owned()), Some("Bearer t2".to_owned()));
    assert_eq!(
        sent,
        [
            (first.clone(), false),
            (first, true),
            (second.clone(), false),
            (second, true)
        ]
    );
}
