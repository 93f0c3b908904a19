//! Pauses, probes and whose turn it is.

use super::*;

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
async fn probes_of_an_open_circuit_are_no_attempts_unless_the_request_itself_may_be_the_reason() {
    // The circuit opens after five failures in a row; a request that waits for it is its probe.
    for (probed, is_ours) in [(502, false), (503, false), (504, false), (500, true), (429, true)] {
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
