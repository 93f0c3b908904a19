//! What is sent along, and what is told of a request.

use super::*;

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
async fn a_failure_says_what_it_means_why_and_what_to_do() {
    use ErrorKind::{Configuration, OutcomeUnknown, TooLarge, Unavailable, UnexpectedAnswer, WrongSpeaker};
    let json = |status: u16, body: &'static str| {
        Reply::status(status)
            .header("content-type", "application/json")
            .body(body)
    };
    let look = Some("look at what is stored");
    let safe = Repeat::Safe;
    let once = Repeat::NotSafe;
    for (reply, repeat, kind, why, hint) in [
        (
            Reply::lost(FaultKind::Settings),
            safe,
            Configuration,
            "as the script says",
            Some("proxy address"),
        ),
        (
            Reply::lost(FaultKind::Untrusted),
            once,
            Configuration,
            "as the script says",
            Some("not trusted"),
        ),
        (
            Reply::lost(FaultKind::Proxy),
            once,
            WrongSpeaker(Speaker::Proxy),
            "as the script says",
            Some("captive portal"),
        ),
        (
            Reply::lost(FaultKind::TooLarge(7)),
            safe,
            TooLarge { limit: 7 },
            "as the script says",
            None,
        ),
        (
            Reply::lost(FaultKind::TooLarge(7)),
            once,
            OutcomeUnknown,
            "as the script says",
            look,
        ),
        (
            Reply::lost(FaultKind::TimedOut),
            once,
            OutcomeUnknown,
            "as the script says",
            look,
        ),
        (
            json(201, ""),
            once,
            OutcomeUnknown,
            "201 Created: the answer could not be understood: it is no JSON",
            look,
        ),
        (json(200, "?"), safe, UnexpectedAnswer, "it is no JSON", None),
        (
            json(200, "{\"a\":"),
            safe,
            UnexpectedAnswer,
            "200 OK: the answer could not be understood: its JSON breaks off",
            None,
        ),
        (
            json(202, ""),
            safe,
            Unavailable,
            "the session was busy",
            Some("status page"),
        ),
        (
            json(202, "{\"error\":{\"message\":\"queued\"}}"),
            once,
            OutcomeUnknown,
            "202 Accepted: queued",
            look,
        ),
        (
            json(500, "{\"error\":\"oops\"}"),
            once,
            OutcomeUnknown,
            "500 Internal Server Error: oops",
            look,
        ),
        (
            json(400, "{\"error\":\"no\"}"),
            once,
            ErrorKind::Refused,
            "400 Bad Request: no",
            None,
        ),
    ] {
        let service = Service::in_order([reply.clone()]);
        let caller = caller(&service);
        let failure = caller
            .send(read(&caller).repeat(repeat))
            .await
            .expect_err("it fails");
        assert_eq!(failure.kind, kind, "{reply:?}");
        let cause = failure.cause.to_string();
        assert!(cause.contains(why), "{reply:?}: {cause}");
        let given = failure.hint.as_deref();
        assert_eq!(given.is_some(), hint.is_some(), "{reply:?}: {given:?}");
        assert!(
            given.unwrap_or_default().contains(hint.unwrap_or_default()),
            "{reply:?}: {given:?}"
        );
        assert_eq!(failure.class.is_some(), failure.status().is_some(), "{reply:?}");
        assert!(!failure.gave_up, "{reply:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_pause_of_more_than_a_day_is_told_and_not_waited_for() {
    let service = Service::in_order([throttled("999999"), ok()]);
    let caller = caller(&service);
    let start = Instant::now();
    let failure = caller.send(read(&caller)).await.expect_err("too long");
    assert_eq!(start.elapsed(), Duration::ZERO);
    assert!(
        failure.gave_up && failure.kind == ErrorKind::PauseTooLong,
        "{failure:?}"
    );
    let cause = failure.cause.to_string();
    assert!(cause.starts_with("the service asked for a pause of "), "{cause}");
    assert!(
        failure
            .hint
            .as_deref()
            .is_some_and(|hint| hint.contains("resume"))
    );
}

#[tokio::test(start_paused = true)]
async fn every_attempt_has_an_id_and_a_number_of_its_own() {
    let service = Service::in_order([
        Reply::status(500),
        Reply::lost(FaultKind::Broken),
        ok().header("x-transaction-id", "7"),
    ]);
    let transport = service.transport();
    let settings = LaneSettings {
        name: "test",
        start: 1,
        cap: 1,
    };
    let caller = Caller::new("the service", &transport, origin(), Lane::new(settings))
        .with_attempt_id(HeaderName::from_static("client-request-id"));
    caller.send(read(&caller)).await.expect("the third attempt");
    let ids: std::collections::HashSet<uuid::Uuid> = service
        .seen()
        .iter()
        .map(|seen| {
            let id = seen.header("client-request-id").expect("an id");
            id.parse().expect("a UUID")
        })
        .collect();
    assert_eq!(ids.len(), 3);
    let told: Vec<(u32, &'static str, u64, Option<String>)> = transport
        .log()
        .recent()
        .into_iter()
        .map(|record| (record.attempt, record.lane, record.bytes, record.request_id))
        .collect();
    assert_eq!(
        told,
        [
            (1, "test", 0, None),
            (2, "test", 0, None),
            (3, "test", 13, Some("7".into()))
        ]
    );
}

/// Keeps what goes out.
#[derive(Default)]
struct Keeper(Mutex<Vec<Outgoing>>);

#[async_trait]
impl Wire for Keeper {
    async fn exchange(&self, request: Outgoing) -> Result<Answer, Fault> {
        self.0.lock().push(request);
        Err(Fault::new(FaultKind::Settings, "kept"))
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_call_allows_goes_out_with_it() {
    let keeper = Arc::new(Keeper::default());
    let settings = LaneSettings {
        name: "test",
        start: 1,
        cap: 1,
    };
    let transport = Transport::over(Arc::clone(&keeper) as Arc<dyn Wire>);
    let caller = Caller::new("the service", &transport, origin(), Lane::new(settings));
    assert_eq!(caller.origin().to_string(), "https://service.example");
    assert_eq!(
        format!("{caller:?}"),
        "Caller(the service at https://service.example)"
    );
    let (second, minute) = (Duration::from_secs(1), Duration::from_mins(1));
    let own = read(&caller).at_most(99).within(second, 2 * second);
    for call in [read(&caller), own] {
        caller.send(call).await.expect_err("kept");
    }
    let allowed: Vec<(u64, Duration, Duration)> = keeper
        .0
        .lock()
        .iter()
        .map(|sent| (sent.body_cap, sent.no_progress, sent.total))
        .collect();
    assert_eq!(
        allowed,
        [(32 * 1024 * 1024, 20 * second, minute), (99, second, 2 * second)]
    );
}
