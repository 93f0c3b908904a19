//! How often a request is sent, and when nobody sends it again.

use super::*;

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
async fn what_takes_ten_minutes_in_all_is_not_begun_again_and_says_that_it_gave_up() {
    // Waits that were asked for do not count; what is in flight does.
    for (seconds, sent, gave_up) in [(30, 12, false), (299, 3, true), (300, 2, true), (700, 1, true)] {
        let service = Service::in_order([throttled("1").after(Duration::from_secs(seconds))]);
        let caller = caller(&service);
        let failure = caller.send(read(&caller)).await.expect_err("refused");
        assert_eq!(failure.kind, ErrorKind::Throttled);
        assert_eq!(
            (service.seen().len(), failure.gave_up),
            (sent, gave_up),
            "{seconds} s"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn back_off_counts_among_the_ten_minutes() {
    // Five refusals of 119 s leave five seconds; the waits between them are seven and a half on average.
    let mut sent = Vec::new();
    for _ in 0..40 {
        let service = Service::in_order([Reply::status(429).after(Duration::from_secs(119))]);
        let caller = caller(&service);
        let failure = caller.send(read(&caller)).await.expect_err("refused");
        sent.push(service.seen().len());
        assert_eq!(failure.gave_up, sent.last() == Some(&5), "{sent:?}");
    }
    assert!(sent.iter().all(|count| (5..=6).contains(count)), "{sent:?}");
    assert!(sent.contains(&5), "{sent:?}");
}

#[tokio::test(start_paused = true)]
async fn what_a_caller_says_is_a_retry_counts_as_one() {
    let service = Service::in_order([ok()]);
    let caller = caller(&service);
    caller.send(read(&caller)).await.expect("fine");
    assert_eq!(caller.lane_state().retries, 0);
    caller.send(read(&caller).as_retry()).await.expect("fine");
    assert_eq!(
        (caller.lane_state().retries, caller.lane_state().requests),
        (1, 2)
    );
}
