//! Somebody takes changes back. Nothing is written before the plan has been shown and accepted.

use super::kit::*;
use crate::domain::comparison::Verdict;
use crate::domain::plan::Limits;
use crate::domain::run::Outcome;
use crate::tui::keymap::Keymap;
use crate::tui::screens::tidy::TidyScreen;
use crate::tui::state::{Comparing, Screen, Setting, State};

const RUN: &str = "20260302-130500-1f2e";

/// Somebody is asked about, and the plan is there.
fn proposed() -> State {
    let mut state = screen_of(&CAST);
    press(&mut state, "u");
    let plan = undo_of(RUN, &["Adele Vance"], &["Alex Wilber"]);
    let effects = tidying_planned(&mut state, plan);
    serve(&mut state, effects);
    state
}

#[test]
fn the_last_change_to_the_person_under_the_cursor_is_planned_to_be_taken_back() {
    let mut state = screen_of(&CAST);
    assert_eq!(
        told(&press(&mut state, "u")),
        ["plan to undo the last change to sys-adele"]
    );
    assert_eq!(state.screen, Screen::Tidy);
    let text = frame(&mut state, 80, 24);
    assert!(
        text.contains("Looking whether the last change to 1 person can be taken back"),
        "{text}"
    );
}

#[test]
fn or_those_to_the_people_who_are_marked() {
    let mut state = screen_of(&CAST);
    assert_eq!(
        told(&press(&mut state, "space space j u"))
            .last()
            .map(String::as_str),
        Some("plan to undo the last change to sys-adele, sys-alex")
    );
}

#[test]
fn whoever_is_nobody_in_the_target_has_nothing_to_take_back() {
    let mut state = screen_of(&CAST);
    let effects = press(&mut state, "j j j j j u");
    assert!(!told(&effects).iter().any(|effect| effect.contains("undo")));
    assert!(notice(&state).contains("nobody in ServiceNow"));
}

#[test]
fn a_whole_run_and_one_person_of_it_are_taken_back_from_the_history() {
    let mut state = screen_of(&CAST);
    press(&mut state, "H");
    runs_read(&mut state, week());
    assert_eq!(told(&press(&mut state, "u")), [format!("plan to undo run {RUN}")]);
    press(&mut state, "esc");
    assert_eq!(state.screen, Screen::History, "back to where it was asked for");
    press(&mut state, "enter");
    let run = week().remove(0);
    people_read(&mut state, vec![past_step(&run, "Adele Vance", Outcome::Updated)]);
    assert_eq!(
        told(&press(&mut state, "u")),
        [format!("plan to undo run {RUN} for adele")]
    );
    press(&mut state, "esc");
    assert_eq!(state.screen, Screen::Past);
}

#[test]
fn the_plan_shows_who_sees_what_again_and_who_is_left_and_why() {
    let mut state = proposed();
    let text = frame(&mut state, 120, 40);
    for words in [
        "Undo: take run 20260302-130500-1f2e back for 1 person",
        "1 sees the picture of before",
        "1 is left alone",
        "changed meanwhile: the records in",
        "Adele Vance",
        "does it",
    ] {
        assert!(text.contains(words), "{words}:\n{text}");
    }
}

#[test]
fn the_faces_of_now_and_of_before_are_asked_for_as_far_as_they_are_in_sight() {
    let mut state = screen_of(&CAST);
    draws(&mut state);
    press(&mut state, "u");
    let names: Vec<String> = (1..=40).map(|number| format!("P{number:04} Person")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let effects = told(&tidying_planned(&mut state, undo_of(RUN, &names, &[])));
    let [asked] = &effects[..] else {
        panic!("{effects:?}")
    };
    assert!(asked.starts_with("fetch p0001 now, p0001 again"), "{asked}");
    assert!(!asked.contains("p0009"), "{asked}");
}

#[test]
fn an_undo_begins_once_it_is_accepted_and_its_rows_are_compared_again_at_the_end() {
    let mut state = proposed();
    assert_eq!(told(&press(&mut state, "enter")), ["take back for adele"]);
    assert_eq!(state.screen, Screen::Run);
    started(&mut state, 1);
    step(&mut state, "Adele Vance", Outcome::Updated);
    assert_eq!(verdict(&state, "Adele Vance"), Verdict::Undecided);
    state.comparing = Comparing::Idle;
    let effects = told(&ended(&mut state, None));
    assert!(
        effects.iter().any(|effect| effect.starts_with("compare adele")),
        "{effects:?}"
    );
}

#[test]
fn a_large_undo_wants_its_number() {
    let mut state = screen_of(&CAST);
    press(&mut state, "H");
    runs_read(&mut state, week());
    press(&mut state, "j u");
    let names: Vec<String> = (1..=310).map(|number| format!("P{number:04} Person")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    tidying_planned(&mut state, undo_of(RUN, &names, &[]));
    assert!(told(&press(&mut state, "enter")).is_empty());
    assert!(matches!(state.tidy, TidyScreen::Ready(_)));
    press(&mut state, "3 1 0");
    assert_eq!(press(&mut state, "enter").len(), 1);
    assert_eq!(state.run.steps, 310);
    crate::tried("N1", 1);
}

#[test]
fn an_undo_that_leaves_people_without_a_picture_says_so_and_keeps_to_the_limit() {
    let limits = Limits {
        max_removals: Some(0),
        ..setting().limits
    };
    let mut state = screen_with(Setting { limits, ..setting() }, Keymap::default());
    scanned(&mut state, listing(&CAST));
    press(&mut state, "u");
    let mut plan = undo_of(RUN, &["Adele Vance"], &[]);
    plan.steps[0].shows = None;
    tidying_planned(&mut state, plan);
    let text = frame(&mut state, 120, 40);
    assert!(text.contains("1 LOSES the picture, as before"), "{text}");
    assert!(
        text.contains("This cannot be done: the plan removes 1 avatars"),
        "{text}"
    );
    assert!(told(&press(&mut state, "enter")).is_empty());
}

#[test]
fn what_cannot_be_taken_back_is_refused_with_the_reason() {
    let mut state = screen_of(&CAST);
    press(&mut state, "u");
    let question = state.questions;
    let result = Err(trouble(
        "run 20260302-130500-1f2e is under way; wait for its end, or settle it first",
        Some("the next start settles what was in hand"),
    ));
    crate::tui::update::update(
        &mut state,
        crate::tui::message::Message::TidyingPlanned { question, result },
    );
    let text = frame(&mut state, 80, 24);
    assert!(
        text.contains("Undo: not possible, and nothing was changed"),
        "{text}"
    );
    assert!(text.contains("The next start settles"), "{text}");
}

#[test]
fn no_undo_is_planned_beside_a_run() {
    let mut state = running(&CAST, large_plan(4));
    started(&mut state, 4);
    press(&mut state, "esc");
    assert!(told(&press(&mut state, "u")).is_empty());
    assert!(notice(&state).contains("a run is under way"));
}
