//! What terminals and people do to a screen (`reliability.md` K1, K2, K5, K8). The long forms are behind `--ignored`.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::common::Stage;
use crate::support::{
    assert_shows, four, is_at, open, open_on_four, setup, stage_of, stretched, wait_for_person,
};
use crate::terminal::{Kind, LIMIT, Mouse, QUIET, Screen, Terminal};

/// Numbers that look random and are the same every time.
struct Dice(u64);

impl Dice {
    fn between(&mut self, low: u16, high: u16) -> u16 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        low + ((self.0 >> 33) % u64::from(high - low + 1)) as u16
    }
}

fn storm(resizes: u32) {
    let (_stage, people, terminal) = open_on_four(Kind::Kitty);
    let mut dice = Dice(7);
    let begun = Instant::now();
    for number in 0..resizes {
        // A hundred a second, as a hand that drags the corner makes them.
        let due = begun + Duration::from_millis(10) * number;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        terminal.resize(dice.between(1, 500), dice.between(1, 200));
    }
    terminal.resize(1, 1);
    let last = terminal.resize(120, 40);
    // By the time the bytes were read: what this terminal needs to understand them does not count.
    let right = terminal.when(LIMIT, |screen| {
        screen.shows("Dora Small") && screen.pictures().len() == 2
    });
    let took = right.unwrap_or_else(|| panic!("nobody came back: {terminal:?}")) - last;
    assert!(
        took < stretched(Duration::from_millis(200)),
        "{took:?} after the last resize"
    );
    terminal.wait_quiet();
    assert_shows(&terminal, &people[0], &people);
    terminal.type_keys("q");
    assert_eq!(terminal.wait_for_end().code, 0);
    terminal.assert_restored();
    crate::common::faults::tried("K1", resizes as usize);
}

#[test]
fn a_storm_of_resizes_ends_with_the_right_screen() {
    storm(100);
}

#[test]
#[ignore = "takes long: 500 resizes"]
fn a_long_storm_of_resizes_ends_with_the_right_screen() {
    storm(500);
}

#[test]
fn a_window_that_is_too_small_says_so_and_comes_back() {
    let (_stage, people, terminal) = open_on_four(Kind::Kitty);
    for (columns, rows) in [(20, 5), (1, 1), (59, 40), (120, 6), (2, 50)] {
        let resized = terminal.resize(columns, rows);
        terminal.reaction(resized, QUIET, LIMIT, LIMIT);
        if columns >= 20 && rows >= 5 {
            terminal.wait_for_text("enlarge");
        }
        assert!(terminal.runs(), "{columns}x{rows}");
        assert!(terminal.pictures().is_empty(), "{columns}x{rows}: {terminal:?}");
        // Keys still mean something: it can be left.
        terminal.type_keys("jk");
        terminal.resize(120, 40);
        wait_for_person(&terminal, &people[0]);
        assert_shows(&terminal, &people[0], &people);
    }
    crate::common::faults::tried("K2", 5);
}

#[test]
fn a_run_goes_on_in_a_window_that_is_too_small() {
    let people = four();
    let stage = stage_of(&people);
    let terminal = open(setup(&stage, Kind::Plain));
    start_a_run(&terminal, &stage);
    terminal.resize(20, 5);
    terminal.wait_for_text("enlarge");
    wait_for_pushes(&stage, 4);
    terminal.resize(120, 40);
    terminal.wait_for_text("Run: over");
    crate::common::faults::tried("K2", 1);
}

/// Marks everybody and says yes to the plan; uploads take a little.
fn start_a_run(terminal: &Terminal, stage: &Stage) {
    terminal.wait_for_text("Dora Small");
    terminal.type_keys("ap");
    terminal.wait_for_text("Plan: change 4 people");
    let slow = json!({"service": "servicenow", "method": "POST", "path": "attachment", "times": null,
        "do": {"delay_ms": 300}});
    stage.post("/faults", &slow);
    terminal.type_keys("<enter>");
    terminal.wait_for_text("Run:");
}

/// Waits until so many avatars are shown that are the photos of Entra ID.
#[track_caller]
fn wait_for_pushes(stage: &Stage, people: usize) {
    let until = Instant::now() + Duration::from_secs(30);
    loop {
        let uploads = stage
            .writes()
            .iter()
            .filter(|write| write["table"] == "sys_attachment" && write["op"] == "insert")
            .count();
        if uploads >= people {
            return;
        }
        assert!(
            Instant::now() < until,
            "the run does not go on: {uploads} uploads"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Bytes in memory now; `None` where the system does not tell.
fn resident(terminal: &Terminal) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", terminal.pid())).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace()
        .next()?
        .parse::<u64>()
        .ok()
        .map(|kib| kib * 1_024)
}

fn blocked(time: Duration) {
    let people = four();
    let stage = stage_of(&people);
    let terminal = open(setup(&stage, Kind::Plain));
    start_a_run(&terminal, &stage);
    terminal.stop_reading();
    // Enough to fill what the system keeps for a terminal many times over.
    let until = Instant::now() + time;
    let before = resident(&terminal);
    while Instant::now() < until {
        terminal.type_keys("<c-l>");
        std::thread::sleep(Duration::from_millis(5));
    }
    wait_for_pushes(&stage, 4);
    if let (Some(before), Some(after)) = (before, resident(&terminal)) {
        let grown = after.saturating_sub(before) >> 20;
        assert!(
            grown < 16,
            "{grown} MiB of frames wait for a terminal that does not read"
        );
    }
    terminal.read_on();
    terminal.wait_for_text("Run: over");
    terminal.type_keys("<esc>");
    terminal.wait_for_text("┌ People");
    terminal.type_keys("q");
    assert_eq!(terminal.wait_for_end().code, 0);
    terminal.assert_restored();
    crate::common::faults::tried("K5", 1);
}

#[test]
fn a_terminal_that_does_not_read_holds_nothing_up() {
    blocked(Duration::from_secs(3));
}

#[test]
#[ignore = "takes long: a minute"]
fn a_terminal_that_does_not_read_for_a_minute_holds_nothing_up() {
    blocked(Duration::from_secs(60));
}

#[test]
fn a_huge_paste_is_cut_and_typing_goes_on() {
    let (_stage, people, terminal) = open_on_four(Kind::Plain);
    terminal.type_keys("/");
    terminal.wait_quiet();
    terminal.paste(&"a".repeat(1 << 20));
    terminal.wait_for("nobody", |screen| {
        screen.shows("0 found") || screen.shows("nobody")
    });
    terminal.type_keys("<c-u>cleo");
    terminal.wait_for("Cleo alone", |screen| {
        screen.shows("Cleo Wide") && !screen.shows("Ada Byron")
    });
    // Whoever was found stays under the cursor.
    terminal.type_keys("<esc>");
    wait_for_person(&terminal, &people[2]);
    assert!(terminal.look(|screen| screen.shows("Ada Byron")), "{terminal:?}");
    terminal.type_keys("q");
    assert_eq!(terminal.wait_for_end().code, 0);
    crate::common::faults::tried("K8", 1);
}

#[test]
fn a_paste_outside_of_the_filter_does_nothing() {
    let (stage, people, terminal) = open_on_four(Kind::Plain);
    // Every letter of it would be a key: mark all, push, yes, quit.
    terminal.paste("ap\ry\rq");
    terminal.wait_quiet();
    assert!(terminal.runs());
    assert!(
        terminal.look(|screen| is_at(screen, people[0].name) && !screen.shows("marked")),
        "{terminal:?}"
    );
    assert!(stage.writes().is_empty());
}

#[test]
fn a_thousand_keys_at_once_all_count_and_none_is_late() {
    let (_stage, people, terminal) = open_on_four(Kind::Kitty);
    terminal.type_keys(&"jk".repeat(500));
    let sent = terminal.type_keys("jj");
    terminal.wait_for("Cleo", |screen| is_at(screen, people[2].name));
    let took = sent.elapsed();
    assert!(took < stretched(Duration::from_millis(500)), "{took:?}");
    wait_for_person(&terminal, &people[2]);
    assert_shows(&terminal, &people[2], &people);
    crate::common::faults::tried("K8", 1);
}

#[test]
fn a_flood_from_the_mouse_does_not_hide_the_key_that_quits() {
    let stage = Stage::crowd(300);
    let terminal = open(setup(&stage, Kind::Plain));
    terminal.wait_for_text("All 300 ");
    assert!(terminal.look(Screen::wants_mouse));
    for _ in 0..2_000 {
        terminal.mouse(Mouse::Move, 10, 10);
        terminal.mouse(Mouse::WheelDown, 10, 10);
    }
    let asked = terminal.type_keys("q");
    let ending = terminal.wait_for_end();
    let took = ending.at.saturating_duration_since(asked);
    assert!(took < stretched(Duration::from_millis(500)), "{took:?}");
    terminal.assert_restored();
    crate::common::faults::tried("K8", 1);
}

#[test]
fn the_mouse_chooses_marks_and_turns_pages() {
    let (_stage, people, terminal) = open_on_four(Kind::Plain);
    let (row, column) = terminal
        .look(|screen| screen.find(people[2].name))
        .expect("Cleo is there");
    terminal.mouse(Mouse::Press, column, row);
    terminal.mouse(Mouse::Release, column, row);
    terminal.wait_for("Cleo", |screen| is_at(screen, people[2].name));
    terminal.mouse(Mouse::WheelUp, column, row);
    terminal.wait_quiet();
    assert!(terminal.runs());
}
