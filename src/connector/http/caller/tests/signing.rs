//! Tokens, passwords and sessions.

use super::*;

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

/// A sign-in that fails as it is told to.
struct NoToken {
    gave_up: bool,
}

#[async_trait]
impl TokenSource for NoToken {
    async fn fetch(&self) -> Result<Token, Failure> {
        let kind = ErrorKind::NotAllowed {
            needs: "a role".into(),
        };
        let cause = super::super::super::call::Reason("no such role".into());
        let mut failure = Failure::because("the sign-in", "get a token", kind, cause).hint("ask somebody");
        failure.gave_up = self.gave_up;
        Err(failure)
    }
}

#[tokio::test(start_paused = true)]
async fn a_sign_in_that_fails_says_so_for_the_request_that_needs_it() {
    for gave_up in [false, true] {
        let service = Service::in_order([ok()]);
        let tokens = TokenCache::new(NoToken { gave_up }, Duration::from_mins(5));
        let caller = caller(&service).with_token(tokens);
        let failure = caller.send(read(&caller)).await.expect_err("no token");
        assert!(
            matches!(failure.kind, ErrorKind::NotAllowed { .. }),
            "{failure:?}"
        );
        assert_eq!(failure.hint.as_deref(), Some("ask somebody"));
        assert_eq!(failure.gave_up, gave_up);
        assert_eq!(failure.to_string(), "the service: could not read the thing");
        assert_eq!(failure.cause.to_string(), "the sign-in: could not get a token");
        assert!(service.seen().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_password_is_proven_by_whatever_only_somebody_signed_in_is_told() {
    for (status, proven) in [
        (200, true),
        (403, true),
        (404, true),
        (400, false),
        (500, false),
        (503, false),
    ] {
        let login = BasicLogin::new("integration", &Secret::new("right")).expect("sendable");
        let mut first = true;
        let service = Service::new(move |_| {
            let reply = if std::mem::take(&mut first) {
                Reply::status(status).with_json(json!({}))
            } else {
                ok()
            };
            reply.after(Duration::from_millis(20))
        });
        let caller = caller(&service).with_basic(login);
        let once = Repeat::NotSafe;
        // What comes of the first is its own matter; the password is.
        let _ = caller.send(read(&caller).repeat(once)).await;
        join_all((0..3).map(|_| caller.send(read(&caller)))).await;
        let in_flight: Vec<usize> = service.seen().iter().map(|seen| seen.in_flight).collect();
        // Until it is proven, one at a time tries it.
        let expected = if proven {
            vec![1, 1, 2, 3]
        } else {
            vec![1, 1, 1, 2]
        };
        assert_eq!(in_flight, expected, "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_password_that_is_refused_in_between_has_two_tries_again() {
    let login = BasicLogin::new("integration", &Secret::new("right")).expect("sendable");
    let service = Service::in_order([
        Reply::status(401),
        ok(),
        Reply::status(401),
        Reply::status(401),
        ok(),
    ]);
    let caller = caller_with(&service, 1, 1).with_basic(login);
    let mut went = Vec::new();
    for _ in 0..6 {
        went.push(caller.send(read(&caller)).await.is_ok());
    }
    assert_eq!(went, [false, true, false, false, false, false]);
    assert_eq!(service.seen().len(), 4, "two refusals in a row are the last");
}

#[tokio::test(start_paused = true)]
async fn a_session_that_was_refused_is_not_used_again() {
    let service = Service::new(|seen: &Seen| match seen.header("cookie") {
        Some("JSESSIONID=s1") => Reply::status(401).header("set-cookie", "JSESSIONID=s2"),
        _ => ok().header("set-cookie", "JSESSIONID=s1"),
    });
    let caller = caller_with(&service, 1, 1).with_sessions();
    caller.send(read(&caller)).await.expect("opens a session");
    caller.send(read(&caller)).await.expect_err("refused");
    caller.send(read(&caller)).await.expect("opens a new one");
    let cookies: Vec<bool> = service
        .seen()
        .iter()
        .map(|seen| seen.header("cookie").is_some())
        .collect();
    assert_eq!(cookies, [false, true, false]);
}

#[tokio::test(start_paused = true)]
async fn a_token_that_has_run_out_on_arrival_or_lives_for_ever_serves_all_the_same() {
    for (lifetime, tokens) in [(Duration::ZERO, 2), (Duration::MAX, 1)] {
        let issuer = Issuer {
            lifetime,
            ..Issuer::default()
        };
        let issued = Arc::clone(&issuer.issued);
        let service = Service::in_order([ok()]);
        let caller = caller(&service).with_token(TokenCache::new(issuer, Duration::from_mins(5)));
        for pause in [1, 20, 0] {
            let sent = tokio::time::timeout(Duration::from_mins(1), caller.send(read(&caller))).await;
            sent.expect("it does not ask for tokens for ever").expect("fine");
            sleep(Duration::from_secs(pause)).await;
        }
        assert_eq!(issued.load(Ordering::SeqCst), tokens, "{lifetime:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn sessions_end_with_a_token_that_is_renewed_ahead_of_time_too() {
    let service = Service::in_order([ok().header("set-cookie", "JSESSIONID=s1")]);
    let tokens = TokenCache::new(Issuer::default(), Duration::from_mins(5));
    let caller = caller_with(&service, 1, 1).with_sessions().with_token(tokens);
    for minutes in [1, 58, 1, 0] {
        caller.send(read(&caller)).await.expect("fine");
        sleep(Duration::from_mins(minutes)).await;
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
