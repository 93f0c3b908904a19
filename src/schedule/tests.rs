use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use proptest::prelude::*;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::tried;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn minutes(number: u64) -> Duration {
    Duration::from_mins(number)
}

fn every(interval: Duration) -> Schedule {
    Schedule::every(interval).expect("within bounds")
}

fn cron(pattern: &str, zone: &str) -> Schedule {
    let zone = time_zone(Some(zone)).expect("a known zone");
    Schedule::cron(pattern, zone, at("2026-01-01T00:00:00Z")).expect("a pattern")
}

const NO_JITTER: Duration = Duration::ZERO;

fn exact() -> Jitter {
    Jitter::new(Some(NO_JITTER), &[])
}

/// The next starts after a moment, in the zone's own words.
fn starts(schedule: &Schedule, zone: &str, from: &str, count: usize) -> Vec<String> {
    let zone = time_zone(Some(zone)).expect("a known zone");
    let mut now = at(from);
    (0..count)
        .map(|_| {
            now = schedule.next(now, now).at;
            now.to_zoned(zone.clone()).strftime("%m-%d %H:%M %Z").to_string()
        })
        .collect()
}

#[test]
fn intervals_are_read_as_people_write_them() {
    for (text, seconds) in [
        ("40m", 2_400),
        ("1h 30m", 5_400),
        ("90 min", 5_400),
        ("2d", 172_800),
        ("1w", 604_800),
        ("PT40M", 2_400),
        ("1 hour", 3_600),
        ("0", 0),
        (" 5m ", 300),
    ] {
        assert_eq!(parse_duration(text), Ok(Duration::from_secs(seconds)), "{text}");
    }
    for text in [
        "",
        "soon",
        "40",
        "-5m",
        "1 month",
        "5m\u{1b}[2J",
        "99999999999999999999d",
    ] {
        let error = parse_duration(text).expect_err(text).to_string();
        assert!(!error.contains('\u{1b}'), "{error:?}");
    }
    for interval in [
        Duration::ZERO,
        Duration::from_millis(999),
        LONGEST + Duration::from_secs(1),
    ] {
        assert_eq!(Schedule::every(interval).err(), Some(ScheduleError::Interval));
    }
}

#[test]
fn a_pattern_says_what_is_wrong_with_it() {
    let zone = TimeZone::UTC;
    let now = at("2026-01-01T00:00:00Z");
    for pattern in [
        "",
        "* * * *",
        "0 3 * * * *",
        "61 * * * *",
        "0 3 1 * * 2026 1",
        "a b c d e",
    ] {
        let error = Schedule::cron(pattern, zone.clone(), now).expect_err(pattern);
        assert!(
            matches!(error, ScheduleError::Pattern { .. }),
            "{pattern}: {error}"
        );
        assert!(error.to_string().contains("five fields"), "{error}");
    }
    assert_eq!(
        Schedule::cron("0 3 30 2 *", zone, now).err(),
        Some(ScheduleError::Never("0 3 30 2 *".into()))
    );
    assert_eq!(
        time_zone(Some("Europe/Berlyn")).err(),
        Some(ScheduleError::TimeZone("Europe/Berlyn".into()))
    );
}

#[test]
fn patterns_mean_what_they_mean_in_a_crontab() {
    for (pattern, expected) in [
        ("0 3 1 * *", ["01-01 03:00 UTC", "02-01 03:00 UTC"]),
        ("*/20 * * * *", ["01-01 00:20 UTC", "01-01 00:40 UTC"]),
        ("30 6 * * MON-FRI", ["01-01 06:30 UTC", "01-02 06:30 UTC"]),
        ("0 0 29 2 *", ["02-29 00:00 UTC", "02-29 00:00 UTC"]),
        // Day of the month or of the week, whichever comes first.
        ("0 0 13 * FRI", ["01-02 00:00 UTC", "01-09 00:00 UTC"]),
        ("0 3 L * *", ["01-31 03:00 UTC", "02-28 03:00 UTC"]),
        ("@monthly", ["02-01 00:00 UTC", "03-01 00:00 UTC"]),
    ] {
        let starts = starts(&cron(pattern, "UTC"), "UTC", "2026-01-01T00:00:00Z", 2);
        assert_eq!(starts, expected, "{pattern}");
    }
}

#[test]
fn a_time_that_does_not_exist_is_due_right_after_the_gap_and_once() {
    // Berlin puts clocks from 02:00 to 03:00 on the 29th of March 2026.
    let schedule = cron("30 2 * * *", "Europe/Berlin");
    assert_eq!(
        starts(&schedule, "Europe/Berlin", "2026-03-27T12:00:00Z", 3),
        ["03-28 02:30 CET", "03-29 03:00 CEST", "03-30 02:30 CEST"]
    );
    // Of several times, those that do not exist are left out.
    let schedule = cron("*/30 * * * *", "Europe/Berlin");
    assert_eq!(
        starts(&schedule, "Europe/Berlin", "2026-03-29T00:15:00Z", 3),
        ["03-29 01:30 CET", "03-29 03:00 CEST", "03-29 03:30 CEST"]
    );
    // The other hemisphere: Sydney, the 4th of October 2026.
    let schedule = cron("15 2 * * *", "Australia/Sydney");
    assert_eq!(
        starts(&schedule, "Australia/Sydney", "2026-10-02T20:00:00Z", 2),
        ["10-04 03:00 AEDT", "10-05 02:15 AEDT"]
    );
}

#[test]
fn a_time_that_exists_twice_is_due_once_and_several_times_each_time() {
    // Berlin puts clocks from 03:00 back to 02:00 on the 25th of October 2026.
    let schedule = cron("30 2 * * *", "Europe/Berlin");
    assert_eq!(
        starts(&schedule, "Europe/Berlin", "2026-10-24T12:00:00Z", 2),
        ["10-25 02:30 CEST", "10-26 02:30 CET"]
    );
    let schedule = cron("*/30 * * * *", "Europe/Berlin");
    assert_eq!(
        starts(&schedule, "Europe/Berlin", "2026-10-24T23:45:00Z", 5),
        [
            "10-25 02:00 CEST",
            "10-25 02:30 CEST",
            "10-25 02:00 CET",
            "10-25 02:30 CET",
            "10-25 03:00 CET"
        ]
    );
}

#[test]
fn an_interval_knows_no_daylight_saving() {
    let schedule = every(Duration::from_hours(24));
    assert_eq!(
        starts(&schedule, "Europe/Berlin", "2026-03-28T01:30:00Z", 2),
        ["03-29 03:30 CEST", "03-30 03:30 CEST"]
    );
}

#[test]
fn slots_that_went_by_are_counted_and_not_caught_up_with() {
    let last = at("2026-01-01T10:00:00Z");
    for (now, next, missed) in [
        ("2026-01-01T10:00:00Z", "2026-01-01T10:40:00Z", 0),
        ("2026-01-01T10:39:59Z", "2026-01-01T10:40:00Z", 0),
        ("2026-01-01T10:40:00Z", "2026-01-01T11:20:00Z", 1),
        ("2026-01-01T12:05:00Z", "2026-01-01T12:40:00Z", 3),
        // A clock that was put back while nobody looked.
        ("2025-12-31T10:00:00Z", "2025-12-31T10:40:00Z", 0),
    ] {
        let slot = every(minutes(40)).next(last, at(now));
        assert_eq!((slot.at, slot.missed), (at(next), missed), "{now}");
    }
    let hourly = cron("0 * * * *", "UTC");
    for (now, next, missed) in [
        ("2026-01-01T10:20:00Z", "2026-01-01T11:00:00Z", 0),
        ("2026-01-01T13:30:00Z", "2026-01-01T14:00:00Z", 3),
        ("2036-01-01T13:30:00Z", "2036-01-01T14:00:00Z", COUNTED),
    ] {
        let slot = hourly.next(last, at(now));
        assert_eq!((slot.at, slot.missed), (at(next), missed), "{now}");
    }
}

proptest! {
    #[test]
    fn jitter_stays_within_its_bounds_and_gives_the_same_answer_twice(
        seconds in 1_u64..200_000,
        chosen in proptest::option::of(0_u64..400_000),
        slot in 0_i64..4_000_000_000,
        host in "[a-z]{1,8}",
    ) {
        let schedule = every(Duration::from_secs(seconds));
        let jitter = Jitter::new(chosen.map(Duration::from_secs), &[&host, "default"]);
        let slot = Timestamp::from_second(slot).expect("in range");
        let by = jitter.of(&schedule, slot);
        let most = match chosen {
            Some(chosen) => Duration::from_secs(chosen.min(seconds)),
            None => (Duration::from_secs(seconds) / 10).min(minutes(5)),
        };
        prop_assert!(by <= most, "{by:?} of {most:?}");
        prop_assert!(most.is_zero() || by < Duration::from_secs(seconds), "before the next slot");
        prop_assert_eq!(by, Jitter::new(chosen.map(Duration::from_secs), &[&host, "default"]).of(&schedule, slot));
    }

    #[test]
    fn the_next_slot_is_always_ahead_whatever_the_clocks_say(
        seconds in 1_u64..10_000_000,
        last in -2_000_000_000_i64..4_000_000_000,
        now in -2_000_000_000_i64..4_000_000_000,
    ) {
        let (last, now) = (Timestamp::from_second(last).expect("in range"), Timestamp::from_second(now).expect("in range"));
        for schedule in [every(Duration::from_secs(seconds)), cron("0 3 1 * *", "Europe/Berlin")] {
            let slot = schedule.next(last, now);
            prop_assert!(slot.at > now, "{}", slot.at);
        }
    }
}

#[test]
fn a_fleet_spreads_over_the_whole_of_its_jitter() {
    let schedule = cron("0 3 * * *", "UTC");
    let slot = at("2026-01-01T03:00:00Z");
    let tenths: std::collections::BTreeSet<u64> = (0..200)
        .map(|machine| Jitter::new(None, &[&format!("host{machine}"), "default"]).of(&schedule, slot))
        .map(|by| by.as_millis() as u64 / 30_000)
        .collect();
    assert_eq!(tenths.len(), 10, "a tenth of 5 minutes each is used: {tenths:?}");
}

/// Two clocks that a test moves.
#[derive(Clone, Copy)]
struct Clocks(Moment);

impl Clocks {
    fn begin(wall: &str) -> Self {
        Self(Moment {
            wall: at(wall),
            steady: Duration::ZERO,
        })
    }

    /// Time goes by for both.
    fn pass(&mut self, time: Duration) -> Moment {
        self.0.steady += time;
        self.jump(SignedDuration::try_from(time).expect("short"))
    }

    /// The wall clock alone moves: it was set, or the machine slept.
    fn jump(&mut self, by: SignedDuration) -> Moment {
        self.0.wall = later(self.0.wall, by);
        self.0
    }

    /// Follows a pacer to its next start; the time that goes by until then.
    fn until_start(&mut self, pacer: &mut Pacer) -> Duration {
        let begun = self.0.steady;
        for _ in 0..100_000 {
            match pacer.look(self.0).turn {
                Turn::Start => return self.0.steady.checked_sub(begun).unwrap(),
                Turn::Sleep(time) => {
                    assert!(time <= minutes(1), "awake at least once a minute: {time:?}");
                    assert!(!time.is_zero(), "no busy loop");
                    self.pass(time);
                }
            }
        }
        panic!("sleeps for ever");
    }
}

const DAY: SignedDuration = SignedDuration::from_hours(24);

#[test]
fn the_first_run_of_an_interval_is_at_once_or_waits() {
    let mut clocks = Clocks::begin("2026-01-01T10:00:00Z");
    let mut pacer = Pacer::new(every(minutes(40)), exact(), First::AtOnce, clocks.0);
    assert_eq!(clocks.until_start(&mut pacer), Duration::ZERO);
    clocks.pass(minutes(3));
    assert_eq!(pacer.done(clocks.0), 0);
    assert_eq!(clocks.until_start(&mut pacer), minutes(37), "from start to start");

    let mut clocks = Clocks::begin("2026-01-01T10:00:00Z");
    let mut pacer = Pacer::new(every(minutes(40)), exact(), First::Waits, clocks.0);
    assert_eq!(clocks.until_start(&mut pacer), minutes(40));
}

#[test]
fn a_run_that_takes_longer_than_its_interval_leaves_out_the_next_one() {
    let mut clocks = Clocks::begin("2026-01-01T10:00:00Z");
    let mut pacer = Pacer::new(every(minutes(40)), exact(), First::AtOnce, clocks.0);
    clocks.until_start(&mut pacer);
    clocks.pass(minutes(50));
    assert_eq!(pacer.done(clocks.0), 1);
    assert_eq!(
        clocks.until_start(&mut pacer),
        minutes(30),
        "in step with the first"
    );
    clocks.pass(minutes(1));
    assert_eq!(pacer.done(clocks.0), 0);
}

#[test]
fn a_laptop_that_slept_for_two_hours_runs_once_and_not_in_a_burst() {
    for schedule in [every(minutes(40)), cron("*/40 * * * *", "UTC")] {
        let mut clocks = Clocks::begin("2026-01-01T10:00:00Z");
        let mut pacer = Pacer::new(schedule, exact(), First::Waits, clocks.0);
        clocks.pass(minutes(10));
        pacer.look(clocks.0);
        let look = {
            clocks.jump(SignedDuration::from_hours(2));
            pacer.look(clocks.0)
        };
        assert_eq!(look.turn, Turn::Start);
        assert_eq!(look.jump, Some(Jump(SignedDuration::from_hours(2))));
        clocks.pass(minutes(1));
        assert!(pacer.done(clocks.0) >= 2, "the others are left out and said");
        let waited = clocks.until_start(&mut pacer);
        assert!(waited > Duration::ZERO && waited <= minutes(40), "{waited:?}");
    }
    tried("C8", 2);
}

#[test]
fn a_clock_that_is_put_a_day_back_neither_repeats_nor_sleeps_for_ever() {
    // An interval is a length of time: the clock on the wall has no say in it.
    let mut clocks = Clocks::begin("2026-01-02T10:00:00Z");
    let mut pacer = Pacer::new(every(minutes(40)), exact(), First::AtOnce, clocks.0);
    clocks.until_start(&mut pacer);
    pacer.done(clocks.pass(minutes(1)));
    clocks.pass(minutes(9));
    let look = pacer.look(clocks.jump(-DAY));
    assert_eq!(look.jump, Some(Jump(-DAY)));
    assert_eq!(clocks.until_start(&mut pacer), minutes(30));
    // The same if it happens while a run is under way.
    clocks.pass(minutes(5));
    assert_eq!(pacer.done(clocks.jump(-DAY)), 0);
    assert_eq!(clocks.until_start(&mut pacer), minutes(35));

    // A pattern follows the clock: a day back, the time comes again.
    let mut clocks = Clocks::begin("2026-01-02T02:59:00Z");
    let mut pacer = Pacer::new(cron("0 3 * * *", "UTC"), exact(), First::Waits, clocks.0);
    assert_eq!(clocks.until_start(&mut pacer), minutes(1));
    assert_eq!(pacer.done(clocks.pass(minutes(1))), 0);
    pacer.look(clocks.jump(-DAY));
    assert_eq!(
        clocks.until_start(&mut pacer),
        Duration::from_hours(24).checked_sub(minutes(1)).unwrap()
    );
    // An hour back, it is the same night: what has run does not run again.
    assert_eq!(pacer.done(clocks.pass(minutes(1))), 0);
    pacer.look(clocks.jump(-SignedDuration::from_hours(1)));
    assert_eq!(
        clocks.until_start(&mut pacer),
        Duration::from_hours(25).checked_sub(minutes(1)).unwrap()
    );
    tried("D6", 4);
}

#[test]
fn a_clock_that_is_put_a_day_ahead_brings_one_run_and_then_the_usual_pace() {
    let mut clocks = Clocks::begin("2026-01-02T10:00:00Z");
    let mut pacer = Pacer::new(every(minutes(40)), exact(), First::AtOnce, clocks.0);
    clocks.until_start(&mut pacer);
    pacer.done(clocks.pass(minutes(1)));
    clocks.jump(DAY);
    assert_eq!(clocks.until_start(&mut pacer), Duration::ZERO);
    assert_eq!(pacer.done(clocks.pass(minutes(1))), 35, "left out, not queued");
    let mut starts = 0;
    let day = clocks.0.steady + Duration::from_hours(24);
    loop {
        clocks.until_start(&mut pacer);
        if clocks.0.steady >= day {
            break;
        }
        starts += 1;
        pacer.done(clocks.pass(minutes(1)));
    }
    assert_eq!(starts, 36, "a day has 36 times 40 minutes");
    tried("D6", 1);
}

/// A clock whose sleeps are over at once; the first ones bring surprises.
struct QuickClock {
    now: Mutex<Clocks>,
    surprises: Mutex<VecDeque<SignedDuration>>,
    sleeps: AtomicU64,
}

impl QuickClock {
    fn new(surprises: &[SignedDuration]) -> Self {
        Self {
            now: Mutex::new(Clocks::begin("2026-01-01T10:00:00Z")),
            surprises: Mutex::new(surprises.iter().copied().collect()),
            sleeps: AtomicU64::new(0),
        }
    }
}

#[async_trait::async_trait]
impl Clock for QuickClock {
    fn now(&self) -> Moment {
        self.now.lock().0
    }

    async fn sleep(&self, time: Duration) {
        self.sleeps.fetch_add(1, Ordering::Relaxed);
        let mut now = self.now.lock();
        now.pass(time);
        if let Some(by) = self.surprises.lock().pop_front() {
            now.jump(by);
        }
    }
}

/// Runs that take as long as a script says.
struct Script<'a> {
    clock: &'a QuickClock,
    lasts: VecDeque<Duration>,
    stop: CancellationToken,
    news: Vec<News>,
    begun: Vec<Timestamp>,
    ends_with: After,
}

#[async_trait::async_trait(?Send)]
impl Work for Script<'_> {
    async fn run(&mut self, before: Timestamp) -> After {
        let now = self.clock.now().wall;
        assert!(before > now, "there is always a slot to give way to");
        self.begun.push(now);
        match self.lasts.pop_front() {
            Some(time) => {
                self.clock.now.lock().pass(time);
                After::GoOn
            }
            None => self.ends_with,
        }
    }

    fn tell(&mut self, news: News) {
        self.news.push(news);
        if self.news.len() > 10_000 {
            self.stop.cancel();
        }
    }
}

fn script<'a>(clock: &'a QuickClock, lasts: &[u64], ends_with: After) -> Script<'a> {
    Script {
        clock,
        lasts: lasts.iter().copied().map(minutes).collect(),
        stop: CancellationToken::new(),
        news: Vec::new(),
        begun: Vec::new(),
        ends_with,
    }
}

#[tokio::test]
async fn the_loop_runs_says_what_it_left_out_and_ends_when_a_run_says_so() {
    let clock = QuickClock::new(&[]);
    let mut work = script(&clock, &[1, 50, 1], After::End(2));
    let stop = work.stop.clone();
    let pacer = Pacer::new(every(minutes(40)), exact(), First::AtOnce, clock.now());
    assert_eq!(repeat(pacer, &clock, &stop, &mut work).await, Some(2));
    let begun: Vec<String> = work
        .begun
        .iter()
        .map(|at| at.strftime("%H:%M").to_string())
        .collect();
    assert_eq!(begun, ["10:00", "10:40", "12:00", "12:40"]);
    let missed: Vec<&News> = work
        .news
        .iter()
        .filter(|news| matches!(news, News::Missed(_)))
        .collect();
    assert_eq!(missed, [&News::Missed(1)]);
    let planned = work
        .news
        .iter()
        .filter(|news| matches!(news, News::Planned(_)))
        .count();
    assert_eq!(planned, 3, "each wait is announced once");
    let slept = clock.sleeps.load(Ordering::Relaxed);
    assert_eq!(
        work.news
            .iter()
            .filter(|news| matches!(news, News::Awake))
            .count() as u64,
        slept - 3,
        "and every wake-up touches the health file"
    );
    assert_eq!(slept, 39 + 30 + 39, "once a minute");
}

#[tokio::test]
async fn whatever_the_clock_does_in_a_thousand_sleeps_runs_keep_their_distance() {
    for by in [
        DAY,
        -DAY,
        SignedDuration::from_mins(7),
        -SignedDuration::from_mins(7),
    ] {
        let clock = QuickClock::new(&[by; 5]);
        let mut work = script(&clock, &[0; 20], After::End(0));
        let stop = work.stop.clone();
        let pacer = Pacer::new(every(minutes(40)), exact(), First::AtOnce, clock.now());
        assert_eq!(repeat(pacer, &clock, &stop, &mut work).await, Some(0), "{by}");
        let steady = clock.now().steady;
        assert!(
            steady >= minutes(40 * 14) && steady <= minutes(40 * 20),
            "20 runs after {by}: {steady:?}"
        );
    }
    tried("D6", 4);
}

#[tokio::test]
async fn somebody_who_sleeps_can_be_stopped_at_once() {
    let stop = CancellationToken::new();
    stop.cancel();
    let clock = SystemClock::new();
    let quick = QuickClock::new(&[]);
    let mut work = script(&quick, &[], After::End(1));
    let pacer = Pacer::new(every(minutes(40)), exact(), First::Waits, clock.now());
    assert_eq!(repeat(pacer, &clock, &stop, &mut work).await, None);
    assert!(work.begun.is_empty());
}

fn health(change: impl FnOnce(&mut Health)) -> Health {
    let mut health = Health::new("default", at("2026-01-01T10:00:00Z"));
    change(&mut health);
    health
}

#[test]
fn a_probe_goes_by_the_files_age_and_if_asked_by_the_last_good_run() {
    let liveness = Patience {
        age: minutes(5),
        without_success: None,
    };
    let strict = Patience {
        without_success: Some(minutes(120)),
        ..liveness
    };
    let now = at("2026-01-01T14:00:00Z");
    let fresh = at("2026-01-01T13:59:30Z");
    for (what, health, alive, well) in [
        ("touched long ago", health(|_| {}), false, false),
        (
            "awake, never a good run for four hours",
            health(|health| health.updated = fresh),
            true,
            false,
        ),
        (
            "awake, failing since a short while",
            health(|health| {
                health.updated = fresh;
                health.state = State::Failing;
                health.last_success = Some(at("2026-01-01T13:00:00Z"));
            }),
            true,
            true,
        ),
        (
            "written by a clock that was ahead",
            health(|health| {
                health.updated = at("2026-01-02T14:00:00Z");
                health.last_success = Some(at("2026-01-02T14:00:00Z"));
            }),
            true,
            true,
        ),
    ] {
        assert_eq!(health.judge(liveness, now).is_healthy, alive, "{what}");
        assert_eq!(health.judge(strict, now).is_healthy, well, "{what}");
    }
}

#[test]
fn a_health_file_is_replaced_as_a_whole_and_a_foreign_one_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("health.json");
    assert!(matches!(Health::read(&path), Err(HealthError::Unreadable(_))));
    let mut written = health(|health| health.exit_code = Some(4));
    written.write(&path).expect("writable");
    written.sentence = "again".into();
    written.write(&path).expect("writable");
    assert_eq!(Health::read(&path).expect("ours"), written);
    let left: Vec<_> = std::fs::read_dir(folder.path())
        .expect("readable")
        .flatten()
        .collect();
    assert_eq!(left.len(), 1, "nothing is left beside it: {left:?}");
    for content in ["", "{}", "{\"schema\":\"other\"}", &"x".repeat(100_000)] {
        std::fs::write(&path, content).expect("writable");
        assert!(
            matches!(Health::read(&path), Err(HealthError::Foreign(_))),
            "{content:.20}"
        );
    }
}
