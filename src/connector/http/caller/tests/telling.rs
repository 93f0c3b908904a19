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
