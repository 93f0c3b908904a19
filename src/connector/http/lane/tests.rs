//! What a lane promises: never more in flight than allowed, nothing inside a pause, retries within their budget.

use super::*;
use futures::future::join_all;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::time::{advance, sleep, timeout};

fn lane(start: usize, cap: usize) -> Arc<Lane> {
    Lane::new(LaneSettings {
        name: "test",
        start,
        cap,
    })
}

fn background() -> Admission {
    Admission {
        priority: Priority::Background,
        weight: 1,
        is_retry: false,
        patience: Duration::from_mins(10),
    }
}

fn foreground() -> Admission {
    Admission {
        priority: Priority::Foreground,
        ..background()
    }
}

fn retry() -> Admission {
    Admission {
        is_retry: true,
        ..background()
    }
}

const CLEAN: Settlement = Settlement {
    clean: 1,
    throttled: false,
    wait: None,
    failed: false,
};

const FAILED: Settlement = Settlement {
    clean: 0,
    throttled: false,
    wait: None,
    failed: true,
};

fn throttled(seconds: u64) -> Settlement {
    Settlement {
        clean: 0,
        throttled: true,
        wait: Some(Duration::from_secs(seconds)),
        failed: false,
    }
}

fn headers<const N: usize>(pairs: [(&'static str, &'static str); N]) -> HeaderMap {
    let pairs = pairs.into_iter().map(|(name, value)| {
        (
            ::http::HeaderName::from_static(name),
            ::http::HeaderValue::from_static(value),
        )
    });
    pairs.collect()
}

/// The reset of a rule ten minutes after [`rule`]'s answer, and one that is eleven minutes after it.
const TEN_MINUTES: &str = "1772439930";
const ELEVEN_MINUTES: &str = "1772439990";

/// An answer under an hourly rule.
fn rule(name: &'static str, limit: &'static str, reset: &'static str) -> HeaderMap {
    headers([
        ("date", "Mon, 02 Mar 2026 08:15:30 GMT"),
        ("x-ratelimit-limit", limit),
        ("x-ratelimit-reset", reset),
        ("x-ratelimit-rule", name),
    ])
}

/// Five failures in a row: nothing goes out for half a minute.
async fn broken(lane: &Arc<Lane>) {
    for _ in 0..5 {
        permit(lane, background()).await.settle(FAILED, None);
    }
}

/// Whether a request is admitted without any time passing.
async fn goes_at_once(lane: &Arc<Lane>, admission: Admission) -> bool {
    timeout(Duration::ZERO, lane.admit(admission)).await.is_ok()
}

async fn permit(lane: &Arc<Lane>, admission: Admission) -> Permit {
    lane.admit(admission).await.expect("admitted")
}

#[tokio::test(start_paused = true)]
async fn never_more_in_flight_than_the_limit_allows() {
    let lane = lane(3, 6);
    let in_flight = AtomicUsize::new(0);
    let requests = (0..400).map(|_| async {
        let permit = permit(&lane, background()).await;
        let now = in_flight.fetch_add(1, Ordering::SeqCst) + 1;
        assert!(now <= lane.state().limit, "{now} in flight");
        sleep(Duration::from_millis(20)).await;
        in_flight.fetch_sub(1, Ordering::SeqCst);
        permit.settle(CLEAN, None);
    });
    join_all(requests).await;
    let state = lane.state();
    assert_eq!(
        (state.in_flight, state.waiting, state.limit, state.requests),
        (0, 0, 6, 400)
    );
}

#[tokio::test(start_paused = true)]
async fn heavy_requests_take_as_many_places_and_are_not_overtaken() {
    let lane = lane(4, 4);
    let light = permit(&lane, background()).await;
    let heavy = Admission {
        weight: 4,
        ..background()
    };
    let mut waiting = std::pin::pin!(lane.admit(heavy));
    assert!(timeout(Duration::ZERO, &mut waiting).await.is_err());
    assert!(
        !goes_at_once(&lane, background()).await,
        "it would keep the heavy one waiting"
    );
    light.settle(CLEAN, None);
    let heavy = waiting.await.expect("admitted");
    assert!(!goes_at_once(&lane, background()).await);
    heavy.settle(CLEAN, None);
    assert!(goes_at_once(&lane, background()).await);
}

#[tokio::test(start_paused = true)]
async fn a_request_heavier_than_the_limit_goes_alone() {
    let lane = lane(1, 1);
    let heavy = Admission {
        weight: 4,
        ..background()
    };
    let alone = permit(&lane, heavy).await;
    assert!(!goes_at_once(&lane, background()).await);
    alone.settle(CLEAN, None);
    assert!(goes_at_once(&lane, heavy).await);
}

#[tokio::test(start_paused = true)]
async fn nothing_goes_out_inside_a_pause_and_everything_goes_after_it() {
    let lane = lane(4, 4);
    permit(&lane, background()).await.settle(throttled(7), None);
    let start = Instant::now();
    let waits = (0..20).map(|number| {
        let lane = &lane;
        async move {
            let admission = if number % 2 == 0 {
                foreground()
            } else {
                background()
            };
            let permit = permit(lane, admission).await;
            let waited = start.elapsed();
            permit.settle(CLEAN, None);
            waited
        }
    });
    for waited in join_all(waits).await {
        assert!(waited >= Duration::from_secs(7), "{waited:?}");
        assert!(
            waited <= Duration::from_millis(7_701),
            "a tenth of jitter at most: {waited:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_pause_is_shown_with_what_is_left_of_it() {
    let lane = lane(4, 4);
    permit(&lane, background()).await.settle(throttled(100), None);
    advance(Duration::from_secs(40)).await;
    let (left, reason) = lane.state().paused.expect("paused");
    assert_eq!(reason, PauseReason::Throttled);
    assert!((60..=70).contains(&left.as_secs()), "{left:?}");
    assert_eq!(lane.state().throttled, 1);
    advance(Duration::from_secs(71)).await;
    assert_eq!(lane.state().paused, None);
}

#[tokio::test(start_paused = true)]
async fn a_pause_asked_for_while_another_runs_lengthens_it_but_never_shortens_it() {
    let lane = lane(4, 4);
    let (one, two, three) = (
        permit(&lane, background()).await,
        permit(&lane, background()).await,
        permit(&lane, background()).await,
    );
    one.settle(throttled(10), None);
    let start = Instant::now();
    let waiting = tokio::spawn({
        let lane = Arc::clone(&lane);
        async move { permit(&lane, background()).await.settle(CLEAN, None) }
    });
    sleep(Duration::from_secs(5)).await;
    two.settle(throttled(30), None);
    three.settle(throttled(1), None);
    waiting.await.expect("no panic");
    assert!(start.elapsed() >= Duration::from_secs(35));
}

#[tokio::test(start_paused = true)]
async fn a_pause_of_more_than_a_day_is_not_waited_for() {
    let lane = lane(1, 1);
    permit(&lane, background()).await.settle(throttled(999_999), None);
    let shut = lane.admit(background()).await.err().expect("shut");
    assert!(matches!(shut, Shut::PauseTooLong(_)), "{shut:?}");
}

#[tokio::test(start_paused = true)]
async fn people_who_wait_go_before_background_work() {
    let lane = lane(1, 1);
    let first = permit(&lane, background()).await;
    let order = Arc::new(Mutex::new(Vec::new()));
    let mut tasks = Vec::new();
    for (name, admission) in [
        ("sweep 1", background()),
        ("sweep 2", background()),
        ("preview", foreground()),
    ] {
        let (lane, order) = (Arc::clone(&lane), Arc::clone(&order));
        tasks.push(tokio::spawn(async move {
            let permit = permit(&lane, admission).await;
            order.lock().push(name);
            permit.settle(CLEAN, None);
        }));
        tokio::task::yield_now().await;
    }
    first.settle(CLEAN, None);
    join_all(tasks).await;
    assert_eq!(*order.lock(), ["preview", "sweep 1", "sweep 2"]);
}

#[tokio::test(start_paused = true)]
async fn retries_beyond_the_budget_wait_while_fresh_requests_pass() {
    let lane = lane(4, 4);
    for _ in 0..10 {
        permit(&lane, retry()).await.settle(CLEAN, None);
    }
    let start = Instant::now();
    let late = tokio::spawn({
        let lane = Arc::clone(&lane);
        async move { permit(&lane, retry()).await.settle(CLEAN, None) }
    });
    tokio::task::yield_now().await;
    assert!(
        goes_at_once(&lane, background()).await,
        "fresh work is not held up"
    );
    late.await.expect("no panic");
    assert_eq!(start.elapsed().as_secs(), 60);
    assert_eq!(lane.state().retries, 11);
}

#[tokio::test(start_paused = true)]
async fn an_open_circuit_lets_one_probe_through_at_a_time() {
    let lane = lane(4, 4);
    broken(&lane).await;
    let (_, reason) = lane.state().paused.expect("shut");
    assert_eq!(reason, PauseReason::CircuitOpen);
    let start = Instant::now();
    let probe = permit(&lane, background()).await;
    assert!(probe.is_probe());
    assert_eq!(start.elapsed().as_secs(), 30);
    assert!(!goes_at_once(&lane, background()).await, "one probe at a time");
    probe.settle(FAILED, None);
    let probe = permit(&lane, background()).await;
    assert_eq!(start.elapsed().as_secs(), 90);
    assert_eq!(probe.waited_for_circuit().as_secs(), 60);
    probe.settle(CLEAN, None);
    let after = permit(&lane, background()).await;
    assert!(!after.is_probe());
    assert_eq!(start.elapsed().as_secs(), 90);
}

#[tokio::test(start_paused = true)]
async fn a_service_that_stays_away_ends_the_wait() {
    let lane = lane(2, 2);
    broken(&lane).await;
    let start = Instant::now();
    let impatient = Admission {
        patience: Duration::from_secs(20),
        ..background()
    };
    let shut = lane.admit(impatient).await.err();
    assert_eq!(shut, Some(Shut::CircuitOpen(Duration::from_secs(20))));
    assert_eq!(start.elapsed().as_secs(), 20);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_wait_or_permit_leaves_no_trace() {
    let lane = lane(1, 1);
    let held = permit(&lane, background()).await;
    for _ in 0..3 {
        assert!(!goes_at_once(&lane, background()).await);
    }
    assert_eq!(lane.state().waiting, 0);
    drop(held);
    assert_eq!(lane.state().in_flight, 0);
    assert!(goes_at_once(&lane, background()).await);
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_is_dropped_makes_room_for_the_next() {
    let lane = lane(1, 1);
    broken(&lane).await;
    drop(permit(&lane, background()).await);
    assert!(permit(&lane, background()).await.is_probe());
}

#[tokio::test(start_paused = true)]
async fn an_hourly_rule_is_used_up_and_never_exceeded() {
    let lane = lane(1, 1);
    let headers = rule("", "10", TEN_MINUTES);
    let start = Instant::now();
    for _ in 0..10 {
        assert_eq!(start.elapsed().as_secs(), 0);
        permit(&lane, background()).await.settle(CLEAN, Some(&headers));
    }
    permit(&lane, background()).await.settle(CLEAN, None);
    assert!(start.elapsed() >= Duration::from_mins(10));
    crate::tried("A7", 1);
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_for_a_place_goes_on_after_the_hour_when_the_last_answer_used_up_the_rule() {
    let lane = lane(1, 1);
    let headers = rule("", "1", TEN_MINUTES);
    let start = Instant::now();
    let first = permit(&lane, background()).await;
    let second = tokio::spawn({
        let lane = Arc::clone(&lane);
        async move { permit(&lane, background()).await.settle(CLEAN, None) }
    });
    tokio::task::yield_now().await;
    first.settle(CLEAN, Some(&headers));
    let went = timeout(Duration::from_hours(2), second).await;
    went.expect("it is not forgotten").expect("no panic");
    assert!(start.elapsed() >= Duration::from_mins(10));
    crate::tried("A7", 1);
}

#[tokio::test(start_paused = true)]
async fn it_settles_below_what_the_service_can_take_at_once() {
    // A service that refuses the fifth request in flight, without saying how long to wait (ServiceNow's pool).
    let lane = lane(2, 16);
    let in_flight = Arc::new(AtomicUsize::new(0));
    let refused = Arc::new(AtomicUsize::new(0));
    let requests = (0..5_000).map(|_| {
        let (lane, in_flight, refused) = (&lane, Arc::clone(&in_flight), Arc::clone(&refused));
        async move {
            let permit = permit(lane, background()).await;
            let too_many = in_flight.fetch_add(1, Ordering::SeqCst) >= 4;
            sleep(Duration::from_millis(if too_many { 1 } else { 30 })).await;
            in_flight.fetch_sub(1, Ordering::SeqCst);
            if too_many {
                refused.fetch_add(1, Ordering::SeqCst);
                permit.settle(
                    Settlement {
                        throttled: true,
                        ..Settlement::default()
                    },
                    None,
                );
            } else {
                permit.settle(CLEAN, None);
            }
        }
    });
    let start = Instant::now();
    join_all(requests).await;
    let refused = refused.load(Ordering::SeqCst);
    assert!(refused < 50, "{refused} of 5,000 refused");
    let best = Duration::from_millis(5_000 / 4 * 30);
    let efficiency = best.as_secs_f64() / start.elapsed().as_secs_f64();
    assert!(efficiency > 0.9, "{efficiency}");
    crate::tried("A8", 1);
}

#[tokio::test(start_paused = true)]
async fn each_rule_and_each_hour_is_counted_by_itself() {
    let lane = lane(1, 1);
    let start = Instant::now();
    for headers in [
        rule("a", "3", TEN_MINUTES),
        rule("a", "3", TEN_MINUTES),
        rule("b", "3", TEN_MINUTES),
        rule("b", "3", TEN_MINUTES),
        rule("b", "3", ELEVEN_MINUTES),
        rule("b", "3", ELEVEN_MINUTES),
    ] {
        permit(&lane, background()).await.settle(CLEAN, Some(&headers));
        assert_eq!(start.elapsed(), Duration::ZERO);
        assert_eq!(lane.state().paused, None);
    }
    let third = rule("b", "3", ELEVEN_MINUTES);
    permit(&lane, background()).await.settle(CLEAN, Some(&third));
    let (left, _) = lane.state().paused.expect("the third of the same rule");
    assert!(left >= Duration::from_mins(11), "{left:?}");
    crate::tried("A7", 1);
}

#[tokio::test(start_paused = true)]
async fn requests_that_are_out_count_as_used_under_a_rule() {
    let lane = lane(4, 4);
    let headers = rule("a", "4", TEN_MINUTES);
    let mut out = Vec::new();
    for _ in 0..4 {
        out.push(permit(&lane, background()).await);
    }
    out.remove(0).settle(CLEAN, Some(&headers));
    assert!(lane.state().paused.is_some(), "one is used and three are out");
    let other = self::lane(4, 4);
    let one = permit(&other, background()).await;
    let _two = permit(&other, background()).await;
    one.settle(CLEAN, Some(&headers));
    assert_eq!(other.state().paused, None, "one is used and one is out");
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_is_nearly_used_up_is_approached_more_slowly() {
    for (share, limit) in [("0.79", 8), ("0.8", 7), ("0.99", 7), ("1.0", 4), ("1.8", 4)] {
        let lane = lane(8, 8);
        let headers = headers([("x-ms-throttle-limit-percentage", share)]);
        permit(&lane, background()).await.settle(CLEAN, Some(&headers));
        assert_eq!(lane.state().limit, limit, "{share}");
    }
    crate::tried("A9", 5);
}

#[tokio::test(start_paused = true)]
async fn an_impatient_request_waits_for_a_place_but_not_for_a_service_that_is_away() {
    let impatient = Admission {
        patience: Duration::ZERO,
        ..background()
    };
    let lane = lane(1, 1);
    let held = permit(&lane, background()).await;
    let mut waiting = std::pin::pin!(lane.admit(impatient));
    assert!(timeout(Duration::from_mins(5), &mut waiting).await.is_err());
    held.settle(CLEAN, None);
    waiting.await.expect("admitted").settle(CLEAN, None);
    broken(&lane).await;
    let shut = lane.admit(impatient).await.err();
    assert_eq!(shut, Some(Shut::CircuitOpen(Duration::ZERO)));
}

#[tokio::test(start_paused = true)]
async fn a_place_that_was_given_to_somebody_who_has_gone_is_free_again() {
    let lane = lane(1, 1);
    let held = permit(&lane, background()).await;
    let mut gone = Box::pin(lane.admit(retry()));
    assert!(timeout(Duration::ZERO, &mut gone).await.is_err());
    held.settle(CLEAN, None);
    let state = lane.state();
    assert_eq!(
        (state.in_flight, state.waiting, state.requests, state.retries),
        (1, 0, 2, 1)
    );
    drop(gone);
    let state = lane.state();
    assert_eq!(
        (state.in_flight, state.requests, state.retries),
        (0, 1, 0),
        "it was never sent"
    );
    assert!(goes_at_once(&lane, background()).await);
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_is_taken_back_makes_room_for_the_next() {
    let lane = lane(1, 1);
    broken(&lane).await;
    let start = Instant::now();
    permit(&lane, background()).await.unsent();
    let next = permit(&lane, background()).await;
    assert!(next.is_probe());
    assert_eq!(start.elapsed().as_secs(), 30);
    next.settle(CLEAN, None);
    let taken_back = permit(&lane, background()).await;
    assert!(!taken_back.is_probe());
    taken_back.unsent();
    assert_eq!(
        lane.state().paused,
        None,
        "an ordinary one says nothing of the circuit"
    );
}

#[tokio::test(start_paused = true)]
async fn of_a_pause_and_an_open_circuit_the_one_that_lasts_longer_is_shown() {
    for (seconds, expected) in [(10, PauseReason::CircuitOpen), (100, PauseReason::Throttled)] {
        let lane = lane(64, 64);
        let late = permit(&lane, background()).await;
        broken(&lane).await;
        late.settle(throttled(seconds), None);
        let (left, reason) = lane.state().paused.expect("paused");
        assert_eq!(reason, expected);
        assert!(left >= Duration::from_secs(30), "{left:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn while_a_probe_is_out_the_lane_says_that_it_waits() {
    let lane = lane(2, 2);
    broken(&lane).await;
    let probe = permit(&lane, background()).await;
    let state = lane.state();
    assert_eq!(state.paused, Some((Duration::ZERO, PauseReason::CircuitOpen)));
    assert_eq!(format!("{lane:?}"), format!("{state:?}"));
    probe.settle(CLEAN, None);
    assert_eq!(lane.state().paused, None);
}

#[tokio::test(start_paused = true)]
async fn everybody_who_waits_behind_a_probe_goes_when_it_comes_back_well() {
    let lane = lane(4, 4);
    broken(&lane).await;
    let start = Instant::now();
    let waiting = (0..4).map(|_| async {
        let permit = permit(&lane, background()).await;
        let waited = start.elapsed().as_secs();
        sleep(Duration::from_secs(1)).await;
        permit.settle(CLEAN, None);
        waited
    });
    // One at a time, because so many failures have lowered the limit.
    assert_eq!(join_all(waiting).await, [30, 31, 32, 33]);
}

#[tokio::test(start_paused = true)]
async fn more_than_is_allowed_at_once_is_let_out_again_only_at_full_use() {
    for (at_once, limit) in [(1, 2), (2, 3)] {
        let lane = lane(2, 4);
        for _ in 0..50 {
            let mut out = Vec::new();
            for _ in 0..at_once {
                out.push(permit(&lane, background()).await);
            }
            // The last one settles while the others are still out.
            out.pop().expect("one").settle(CLEAN, None);
        }
        assert_eq!(lane.state().limit, limit, "{at_once} at once");
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_behind_a_probe_that_fails_is_the_next_one() {
    let lane = lane(4, 4);
    broken(&lane).await;
    let start = Instant::now();
    let probes = (0..3).map(|_| async {
        let probe = permit(&lane, background()).await;
        let waited = start.elapsed().as_secs();
        sleep(Duration::from_secs(1)).await;
        assert!(probe.is_probe());
        probe.settle(FAILED, None);
        waited
    });
    assert_eq!(join_all(probes).await, [30, 91, 212]);
}
