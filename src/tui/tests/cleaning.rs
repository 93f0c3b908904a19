//! Somebody wants what lies around cleared away. Nothing is removed before the plan has been shown and accepted.

use super::kit::*;
use crate::domain::comparison::Verdict;
use crate::domain::plan::Limits;
use crate::domain::run::Outcome;
use crate::tui::keymap::Keymap;
use crate::tui::message::{Message, ScanNews};
use crate::tui::screens::run::Phase;
use crate::tui::screens::tidy::TidyScreen;
use crate::tui::state::{Screen, Setting, State};
use crate::tui::update::update;

fn asked() -> State {
    let mut state = screen_of(&CAST);
    assert_eq!(told(&press(&mut state, "C")), ["plan a cleaning"]);
    state
}

#[test]
fn a_cleaning_asks_before_it_removes_anything() {
    let mut state = asked();
    assert_eq!(state.screen, Screen::Tidy);
    assert!(told(&tidying_planned(&mut state, littered(2))).is_empty());
    assert!(!state.run.is_under_way(), "the plan waits for an answer");
    assert_eq!(
        told(&press(&mut state, "enter")),
        ["clean up at ?sys-p0001, ?sys-p0002"]
    );
    assert_eq!(state.screen, Screen::Run);
    assert_eq!(state.run.phase, Phase::Starting);
}

#[test]
fn what_goes_and_what_is_left_can_be_seen_with_the_bytes_to_be_won() {
    let mut state = asked();
    tidying_planned(&mut state, littered(3));
    let text = frame(&mut state, 120, 40);
    for words in [
        "36.0 KB to be won",
        "3 duplicate pictures, 36.0 KB",
        "P0002 Person",
        "1 is left alone",
        "stored errors and pixels: somebody has to",
    ] {
        assert!(text.contains(words), "{words}:\n{text}");
    }
}

#[test]
fn escape_stops_the_looking_and_its_answer_is_dropped() {
    let mut state = asked();
    assert!(
        told(&press(&mut state, "enter y")).is_empty(),
        "too fast decides nothing"
    );
    assert_eq!(told(&press(&mut state, "esc")), ["drop the plan"]);
    tidying_planned(&mut state, littered(2));
    assert_eq!(state.screen, Screen::People);
    assert!(matches!(state.tidy, TidyScreen::Nothing));
}

#[test]
fn how_far_the_looking_is_can_be_seen() {
    let mut state = asked();
    let question = state.questions;
    let news = ScanNews {
        what: "comparing pictures",
        done: 40,
        total: Some(310),
    };
    update(&mut state, Message::Planning { question, news });
    assert!(frame(&mut state, 120, 40).contains("comparing pictures 40 of 310"));
}

#[test]
fn a_large_cleaning_wants_its_number() {
    let mut state = asked();
    tidying_planned(&mut state, littered(300));
    assert!(told(&press(&mut state, "enter")).is_empty());
    assert!(matches!(state.tidy, TidyScreen::Ready(_)));
    press(&mut state, "3 0 1 backspace 0");
    assert_eq!(press(&mut state, "enter").len(), 1);
    assert_eq!(state.run.steps, 300);
}

#[test]
fn a_read_only_profile_shows_the_cleaning_and_does_not_do_it() {
    let setting = Setting {
        is_readonly: true,
        ..setting()
    };
    let mut state = screen_with(setting, Keymap::default());
    scanned(&mut state, listing(&CAST));
    press(&mut state, "C");
    tidying_planned(&mut state, littered(2));
    let text = frame(&mut state, 120, 40);
    assert!(
        text.contains("Read-only: this is what a cleaning would do"),
        "{text}"
    );
    assert!(told(&press(&mut state, "enter")).is_empty());
    assert_eq!(state.screen, Screen::People);
}

#[test]
fn the_limit_on_removals_is_about_people_and_does_not_stop_a_cleaning_but_that_on_changes_does() {
    let limited = |limits| {
        let mut state = screen_with(Setting { limits, ..setting() }, Keymap::default());
        scanned(&mut state, listing(&CAST));
        press(&mut state, "C");
        tidying_planned(&mut state, littered(2));
        press(&mut state, "enter").len()
    };
    let none = Limits {
        max_removals: Some(0),
        ..Limits::NONE
    };
    assert_eq!(limited(none), 1);
    let one = Limits {
        max_changes: Some(1),
        ..Limits::NONE
    };
    assert_eq!(limited(one), 0);
}

#[test]
fn a_cleaning_changes_nobodys_verdict() {
    let mut state = asked();
    tidying_planned(&mut state, littered(2));
    press(&mut state, "enter");
    started(&mut state, 2);
    let before: Vec<Verdict> = verdicts(&state);
    step(&mut state, CAST[0].0, Outcome::Updated);
    assert_eq!(verdicts(&state), before);
    assert_eq!(state.run.done, 1);
}

fn verdicts(state: &State) -> Vec<Verdict> {
    let listing = &state.people.listing;
    listing.rows().map(|row| listing.verdict(row)).collect()
}

#[test]
fn no_cleaning_is_planned_beside_a_run() {
    let mut state = running(&CAST, large_plan(40));
    started(&mut state, 40);
    press(&mut state, "esc");
    assert!(told(&press(&mut state, "C")).is_empty());
    assert_eq!(state.screen, Screen::People);
}
