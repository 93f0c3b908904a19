//! Starting: whatever the terminal answers, and whatever it can show (`reliability.md` K4, K6, K9).

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::json;

use crate::common::finish;
use crate::support::{four, is_at, open, setup, stage_of, stretched};
use crate::terminal::stream::{Piece, Splitter};
use crate::terminal::{Kind, Screen, Setup, Terminal};

#[test]
fn a_terminal_that_does_not_answer_costs_little_time_and_no_key() {
    for kind in [
        Kind::Silent,
        Kind::Nonsense,
        Kind::Late(Duration::from_millis(700)),
    ] {
        let people = four();
        let stage = stage_of(&people);
        let terminal = open(setup(&stage, kind));
        // Typed while the program waits for an answer, and right after the first frame.
        terminal.type_keys("/cl");
        terminal.wait_for("a first frame", |screen| !screen.is_blank());
        let first = terminal.started().elapsed();
        terminal.type_keys("eo");
        assert!(
            first < stretched(Duration::from_millis(1_500)),
            "{kind:?}: {first:?}"
        );
        terminal.wait_for("Cleo alone", |screen| {
            screen.shows("/cleo") && is_at(screen, "Cleo Wide") && !screen.shows("Ada Byron")
        });
        terminal.type_keys("<esc>k");
        terminal.wait_for("Ben, one up", |screen| is_at(screen, "Ben Tall"));
    }
    crate::common::faults::tried("K6", 3);
}

#[test]
fn a_late_answer_is_not_taken_for_keys() {
    let cases = [300, 700, 1_500];
    let count = cases.len();
    for late in cases {
        let people = four();
        let stage = stage_of(&people);
        let terminal = open(setup(&stage, Kind::Late(Duration::from_millis(late))));
        terminal.wait_for("Ada", |screen| is_at(screen, "Ada Byron"));
        // Until everything that was asked has been answered.
        std::thread::sleep(Duration::from_millis(late + 300));
        terminal.wait_quiet();
        assert!(terminal.runs(), "late by {late} ms: {terminal:?}");
        let is_calm = terminal.look(|screen| {
            is_at(screen, "Ada Byron")
                && screen.shows("quit")
                && !screen.shows("┌ Keys")
                && !screen.shows("marked")
        });
        assert!(is_calm, "late by {late} ms: {terminal:?}");
    }
    crate::common::faults::tried("K6", count);
}

#[test]
fn the_last_scan_is_on_the_screen_at_once_while_the_services_hang() {
    let people = four();
    let stage = stage_of(&people);
    stage.run(&["status"]).expect_code(0);
    for service in ["entra", "servicenow"] {
        let rule = json!({"service": service, "path": ".", "times": null, "do": {"delay_ms": 600_000}});
        stage.post("/faults", &rule);
    }
    let terminal = open(setup(&stage, Kind::Plain));
    terminal.wait_for("everybody", |screen| {
        people.iter().all(|person| screen.shows(person.name))
    });
    let there = terminal.started().elapsed();
    assert!(there < stretched(Duration::from_millis(300)), "{there:?}");
    terminal.type_keys("jq");
    assert_eq!(terminal.wait_for_end().code, 0);
}

#[test]
fn without_a_terminal_there_is_a_plain_refusal() {
    let stage = stage_of(&four());
    // Neither side is a terminal.
    let ended = finish(&mut stage.command(&[])).expect_code(2);
    assert!(ended.stderr.contains("terminal"), "{}", ended.stderr);
    // One side is.
    for redirected in ["< /dev/null", "> screen.txt"] {
        let script = format!("\"$0\" {redirected}; echo code $?");
        let terminal = setup(&stage, Kind::Plain).start("/bin/sh", &["-c", &script, crate::support::PROGRAM]);
        terminal.wait_for_text("code 2");
        terminal.wait_for_end();
        terminal.assert_restored();
    }
    crate::common::faults::tried("K4", 3);
}

/// Every sequence that sets colours, by its parameters.
fn colours(terminal: &Terminal) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    Splitter::default().feed(&terminal.output(), &mut |piece| {
        if let Piece::Csi(csi) = piece
            && csi.is("", "", 'm')
        {
            found.insert(csi.parameters.to_owned());
        }
    });
    found
}

fn opened_with(change: impl Fn(Setup) -> Setup, arguments: &[&str]) -> Terminal {
    let people = four();
    let stage = stage_of(&people);
    let terminal = change(setup(&stage, Kind::Plain)).start(crate::support::PROGRAM, arguments);
    terminal.wait_for_text("Dora Small");
    terminal.wait_for_text("180x180");
    terminal.wait_quiet();
    terminal.type_keys("j ?");
    terminal.wait_for_text("Keys");
    terminal.type_keys("<esc>q");
    terminal.wait_for_end();
    terminal.assert_restored();
    terminal
}

#[test]
fn colours_fit_the_ground_the_terminal_says_it_has() {
    let row_under_the_cursor = |setup: Setup| {
        let terminal = open(setup);
        terminal.wait_for("Ada", |screen| is_at(screen, "Ada Byron"));
        terminal.wait_quiet();
        terminal.look(|screen| {
            let (row, column) = screen.find("Ada Byron").expect("Ada is there");
            screen.cells().cell(row, column).expect("a cell").bgcolor()
        })
    };
    let people = four();
    let stage = stage_of(&people);
    for kind in [Kind::Kitty, Kind::Plain, Kind::Sixel] {
        let dark = row_under_the_cursor(setup(&stage, kind));
        let light = row_under_the_cursor(setup(&stage, kind).light());
        assert_eq!(
            (dark, light),
            (vt100::Color::Idx(237), vt100::Color::Idx(253)),
            "{kind:?}"
        );
    }
    // What the terminal says beats what the environment says, and who asks for a palette gets it.
    let says_otherwise = setup(&stage, Kind::Plain).light().env("COLORFGBG", "15;0");
    assert_eq!(row_under_the_cursor(says_otherwise), vt100::Color::Idx(253));
    let asked_for = setup(&stage, Kind::Plain)
        .light()
        .env("AVATAR_SYNC_SCREEN_THEME", "dark");
    assert_eq!(row_under_the_cursor(asked_for), vt100::Color::Idx(237));
}

#[test]
fn no_color_means_none() {
    let terminal = opened_with(|setup| setup.env("NO_COLOR", "1"), &["--no-images"]);
    for parameters in colours(&terminal) {
        let is_coloured = parameters.split(';').any(|number| {
            let number: u16 = number.parse().unwrap_or(0);
            matches!(number, 30..=38 | 40..=48 | 90..=97 | 100..=107)
        });
        assert!(!is_coloured, "{parameters}");
    }
    crate::common::faults::tried("K9", 1);
}

#[test]
fn sixteen_colours_are_enough() {
    let terminal = opened_with(
        |setup| setup.env("TERM", "xterm").env("COLORTERM", ""),
        &["--no-images"],
    );
    for parameters in colours(&terminal) {
        let numbers: Vec<&str> = parameters.split(';').collect();
        for window in numbers.windows(3) {
            let index: u16 = window[2].parse().unwrap_or(0);
            assert!(
                !(matches!(window[0], "38" | "48") && window[1] == "2"),
                "{parameters}"
            );
            assert!(
                !(matches!(window[0], "38" | "48") && window[1] == "5" && index > 15),
                "{parameters}"
            );
        }
    }
    crate::common::faults::tried("K9", 1);
}

#[test]
fn half_blocks_take_the_colours_the_terminal_has() {
    let people = four();
    let stage = stage_of(&people);
    let terminal = open(setup(&stage, Kind::Plain).env("COLORTERM", ""));
    crate::support::wait_for_person(&terminal, &people[0]);
    for parameters in colours(&terminal) {
        assert!(
            !parameters.contains("38;2;") && !parameters.contains("48;2;"),
            "true colour in a terminal of 256: {parameters}"
        );
    }
}

#[test]
fn a_dumb_terminal_and_ascii_are_usable() {
    let terminal = opened_with(
        |setup| setup.env("TERM", "dumb").env("COLORTERM", ""),
        &["--no-images"],
    );
    assert!(!terminal.output().is_empty());
    for arguments in [&["--ascii", "--no-images"][..], &["--no-images"]] {
        let is_asked_for = arguments.contains(&"--ascii");
        let terminal = opened_with(
            |setup| {
                if is_asked_for {
                    setup
                } else {
                    setup.env("LANG", "C").env("LC_ALL", "C")
                }
            },
            arguments,
        );
        let output = terminal.output();
        let output = String::from_utf8_lossy(&output);
        let found: String = output.chars().filter(|sign| !sign.is_ascii()).collect();
        let first = output.find(|sign: char| !sign.is_ascii()).unwrap_or(0);
        let around = &output[output.floor_char_boundary(first.saturating_sub(80))
            ..output.ceil_char_boundary((first + 20).min(output.len()))];
        assert_eq!(found, "", "{arguments:?}: {around:?}");
    }
    crate::common::faults::tried("K9", 3);
}

#[test]
fn nothing_is_asked_of_a_terminal_when_pictures_are_not_wanted() {
    let people = four();
    let stage = stage_of(&people);
    for graphics in ["off", "blocks"] {
        let terminal = setup(&stage, Kind::Silent).start(crate::support::PROGRAM, &["--graphics", graphics]);
        terminal.wait_for("Ada", |screen| is_at(screen, "Ada Byron"));
        terminal.wait_quiet();
        let asked = terminal.look(|screen| screen.questions.clone());
        assert!(asked.is_empty(), "{graphics}: {asked:?}");
    }
}

#[test]
fn an_idle_screen_writes_nothing() {
    let people = four();
    let stage = stage_of(&people);
    let terminal = open(setup(&stage, Kind::Kitty));
    crate::support::wait_for_person(&terminal, &people[0]);
    terminal.wait_quiet_for(Duration::from_secs(1));
    let before = terminal.written();
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(terminal.written(), before, "{terminal:?}");
    assert!(
        terminal.look(|screen: &Screen| !screen.is_set(25)),
        "no cursor blinks"
    );
}
