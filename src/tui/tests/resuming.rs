//! A run was cut short: the screen says so when it opens, and goes on with it after showing what that means.

use super::kit::*;
use crate::domain::comparison::Verdict;
use crate::domain::ids::RunId;
use crate::domain::run::Outcome;
use crate::store::journal::RunKind;
use crate::tui::message::{CutShort, Message, Unfinished};
use crate::tui::state::{Screen, State};
use crate::tui::update::update;

/// A full run of this morning that has not reached 45 people.
fn cut_short() -> Unfinished {
    Unfinished {
        run: CutShort {
            id: RunId::new("20260302-091200-77aa"),
            kind: RunKind::Sync,
            brake: None,
        },
        started: "2026-03-02T09:12:00Z".parse().expect("a moment"),
        unsettled: 0,
        left: 45,
        others: 0,
    }
}

fn told_of(unfinished: Unfinished) -> State {
    let mut state = screen_of(&CAST);
    state.notice = None;
    let left = Some(Box::new(unfinished));
    update(&mut state, Message::Unfinished { settled: 2, left });
    state
}

#[test]
fn at_the_start_a_sentence_says_what_was_settled_what_is_left_and_which_key_goes_on() {
    let mut state = told_of(cut_short());
    assert_eq!(
        notice(&state),
        "settled what an interrupted run had left: 2 people; the run of 09:12 was cut short, 45 not reached; \
         f goes on with it"
    );
    press(&mut state, "j");
    assert!(footer(&mut state).contains("f resume"), "{}", footer(&mut state));
}

#[test]
fn where_nothing_was_cut_short_nothing_is_said() {
    let mut state = screen_of(&CAST);
    state.notice = None;
    let message = Message::Unfinished {
        settled: 0,
        left: None,
    };
    update(&mut state, message);
    assert_eq!(notice(&state), "");
    press(&mut state, "f");
    assert_eq!(notice(&state), "no run was cut short");
}

#[test]
fn going_on_shows_a_plan_of_those_who_are_left_before_anything_is_written() {
    let mut state = told_of(cut_short());
    let run = "20260302-091200-77aa";
    assert_eq!(
        told(&press(&mut state, "f")),
        [format!("plan what run {run} has left")]
    );
    assert_eq!(state.screen, Screen::Plan);
    planned(&mut state, plan_of(&[("Adele Vance", Verdict::Differs)]));
    assert_eq!(told(&press(&mut state, "enter")), ["apply to adele"]);
    started(&mut state, 1);
    step(&mut state, "Adele Vance", Outcome::Updated);
    let effects = told(&ended(&mut state, None));
    assert!(
        effects.contains(&"look for unfinished runs".to_owned()),
        "{effects:?}"
    );
    let message = Message::Unfinished {
        settled: 0,
        left: None,
    };
    update(&mut state, message);
    press(&mut state, "esc");
    assert!(!footer(&mut state).contains("resume"));
}

#[test]
fn a_run_that_a_brake_has_stopped_wants_its_number_and_says_why() {
    let mut unfinished = cut_short();
    unfinished.run.brake = Some("50 of the last 100 people failed".into());
    let mut state = told_of(unfinished);
    press(&mut state, "f");
    planned(&mut state, plan_of(&[("Adele Vance", Verdict::Differs)]));
    let text = frame(&mut state, 120, 40);
    assert!(
        text.contains("A brake stopped this run: 50 of the last 100 people failed."),
        "{text}"
    );
    assert!(told(&press(&mut state, "enter")).is_empty());
    assert_eq!(told(&press(&mut state, "1 enter")), ["apply to adele"]);
}

#[test]
fn an_undo_that_was_cut_short_goes_on_as_an_undo() {
    let mut unfinished = cut_short();
    unfinished.run.kind = RunKind::Undo;
    let mut state = told_of(unfinished);
    let run = "20260302-091200-77aa";
    assert_eq!(
        told(&press(&mut state, "f")),
        [format!("plan to go on with the undo {run}")]
    );
    tidying_planned(&mut state, undo_of("20260301-080000-1111", &["Adele Vance"], &[]));
    assert_eq!(
        told(&press(&mut state, "enter")),
        [format!("take back for adele, going on with {run}")]
    );
}

#[test]
fn in_the_history_any_run_that_was_cut_short_can_be_gone_on_with() {
    let mut state = screen_of(&CAST);
    press(&mut state, "H");
    runs_read(&mut state, week());
    press(&mut state, "f");
    assert_eq!(notice(&state), "this run came to its end");
    press(&mut state, "j j");
    assert!(
        footer(&mut state).contains("f go on with it"),
        "{}",
        footer(&mut state)
    );
    assert_eq!(
        told(&press(&mut state, "f")),
        ["plan what run 20260228-120500-1f2e has left"]
    );
}
