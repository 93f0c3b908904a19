//! A run is under way, over, or to be left.

use super::kit::*;
use crate::domain::comparison::Verdict;
use crate::domain::plan::Plan;
use crate::domain::run::{Outcome, StopReason};
use crate::tui::dialogs::Dialog;
use crate::tui::message::Message;
use crate::tui::screens::run::Phase;
use crate::tui::state::{Screen, State};
use crate::tui::update::update;

fn three() -> Plan {
    plan_of(&[
        ("Adele Vance", Verdict::Differs),
        ("Alex Wilber", Verdict::Missing),
        ("Isaiah Langer", Verdict::Broken),
    ])
}

fn begun() -> State {
    let mut state = running(&CAST, three());
    started(&mut state, 3);
    state
}

#[test]
fn a_row_changes_when_its_step_is_verified() {
    let mut state = begun();
    step(&mut state, "Adele Vance", Outcome::Updated);
    assert_eq!(verdict(&state, "Adele Vance"), Verdict::InSync);
    assert_eq!(verdict(&state, "Alex Wilber"), Verdict::Missing);
    step(&mut state, "Alex Wilber", Outcome::Failed);
    assert_eq!(
        verdict(&state, "Alex Wilber"),
        Verdict::Missing,
        "nothing has changed for the failed"
    );
    assert_eq!(state.run.done, 2);
}

#[test]
fn people_who_were_left_alone_are_counted_and_not_taken_for_successes() {
    let mut state = begun();
    left_alone(&mut state, Outcome::Unchanged, 1_200);
    let text = frame(&mut state, 120, 40);
    assert!(text.contains("1,200 unchanged"), "{text}");
    assert!(text.contains("0 of 3"), "{text}");
    crate::tried("N5", 1);
}

#[test]
fn rate_and_time_left_are_told_once_there_is_something_to_go_by() {
    let mut state = begun();
    assert!(frame(&mut state, 120, 40).contains("time left not known yet"));
    pass(&mut state, 10);
    step(&mut state, "Adele Vance", Outcome::Updated);
    assert!(
        frame(&mut state, 120, 40).contains("6 people a minute"),
        "{}",
        frame(&mut state, 120, 40)
    );
    assert!(frame(&mut state, 120, 40).contains("about 20 s left"));
}

#[test]
fn a_run_is_paused_and_goes_on() {
    let mut state = begun();
    assert_eq!(told(&press(&mut state, "space")), ["pause the run"]);
    assert_eq!(state.run.phase, Phase::Paused);
    assert_eq!(told(&press(&mut state, "p")), ["go on with the run"]);
    assert_eq!(state.run.phase, Phase::Running);
}

#[test]
fn a_pause_is_not_taken_for_slowness() {
    let mut state = begun();
    pass(&mut state, 10);
    step(&mut state, "Adele Vance", Outcome::Updated);
    press(&mut state, "space");
    pass(&mut state, 3_600);
    press(&mut state, "space");
    pass(&mut state, 10);
    step(&mut state, "Alex Wilber", Outcome::Updated);
    assert!(frame(&mut state, 120, 40).contains("6 people a minute"));
}

#[test]
fn a_run_is_stopped_after_the_writes_in_hand() {
    let mut state = begun();
    assert_eq!(told(&press(&mut state, "c")), ["cancel the run"]);
    assert_eq!(state.run.phase, Phase::Stopping);
    assert!(told(&press(&mut state, "space c")).is_empty(), "once is enough");
    step(&mut state, "Adele Vance", Outcome::Updated);
    ended(&mut state, Some(StopReason::Cancelled));
    let text = frame(&mut state, 120, 40);
    assert!(
        text.contains("Run: ended early") && text.contains("Stopped as you asked"),
        "{text}"
    );
}

#[test]
fn news_that_were_on_their_way_do_not_undo_a_pause_or_a_stop() {
    let mut state = begun();
    press(&mut state, "space");
    started(&mut state, 3);
    assert_eq!(state.run.phase, Phase::Paused);
    press(&mut state, "c");
    step(&mut state, "Adele Vance", Outcome::Updated);
    assert_eq!(state.run.phase, Phase::Stopping);
}

#[test]
fn from_a_run_one_goes_to_the_people_and_back_while_it_goes_on() {
    let mut state = begun();
    press(&mut state, "esc");
    assert_eq!(state.screen, Screen::People);
    assert!(frame(&mut state, 120, 40).contains("run 0 of 3"));
    press(&mut state, "ctrl-r");
    assert_eq!(state.screen, Screen::Run);
}

#[test]
fn before_any_run_there_is_none_to_show() {
    let mut state = screen_of(&CAST);
    press(&mut state, "ctrl-r");
    assert_eq!(state.screen, Screen::People);
    assert_eq!(notice(&state), "no run yet in this session");
}

#[test]
fn failures_lead_to_the_failed_people_who_are_marked() {
    let mut state = begun();
    step(&mut state, "Adele Vance", Outcome::Updated);
    step(&mut state, "Alex Wilber", Outcome::Failed);
    step(&mut state, "Isaiah Langer", Outcome::Failed);
    ended(&mut state, None);
    assert!(frame(&mut state, 120, 40).contains("some people failed"));
    press(&mut state, "f");
    assert_eq!(state.screen, Screen::People);
    assert_eq!(shown(&state), ["Alex Wilber", "Isaiah Langer"]);
    assert_eq!(marked(&state), ["Alex Wilber", "Isaiah Langer"]);
    assert_eq!(
        told(&press(&mut state, "p")),
        ["plan alex, isaiah"],
        "one key away"
    );
}

#[test]
fn escape_leads_from_the_failed_people_back_to_everybody() {
    let mut state = begun();
    step(&mut state, "Alex Wilber", Outcome::Failed);
    ended(&mut state, None);
    press(&mut state, "f esc");
    assert_eq!(shown(&state).len(), CAST.len());
    assert_eq!(current(&state), "Alex Wilber");
    assert_eq!(marked(&state), ["Alex Wilber"]);
}

#[test]
fn without_failures_there_is_nobody_to_go_to() {
    let mut state = begun();
    ended(&mut state, None);
    press(&mut state, "f");
    assert_eq!(state.screen, Screen::Run);
    assert_eq!(notice(&state), "nobody failed");
}

#[test]
fn after_a_run_the_marks_of_its_people_are_gone_and_the_others_stay() {
    let mut state = screen_of(&CAST);
    press(&mut state, "space space p");
    planned(
        &mut state,
        plan_of(&[
            ("Adele Vance", Verdict::Differs),
            ("Alex Wilber", Verdict::InSync),
        ]),
    );
    press(&mut state, "enter esc G space");
    started(&mut state, 1);
    step(&mut state, "Adele Vance", Outcome::Updated);
    ended(&mut state, None);
    assert_eq!(
        marked(&state),
        ["Pradeep Gupta"],
        "marked while the run was under way"
    );
}

#[test]
fn after_a_run_that_ended_early_whoever_is_left_is_still_marked() {
    let mut state = screen_of(&CAST);
    press(&mut state, "space space p");
    planned(
        &mut state,
        plan_of(&[
            ("Adele Vance", Verdict::Differs),
            ("Alex Wilber", Verdict::Missing),
        ]),
    );
    press(&mut state, "enter");
    started(&mut state, 2);
    step(&mut state, "Adele Vance", Outcome::Updated);
    press(&mut state, "c");
    ended(&mut state, Some(StopReason::Cancelled));
    assert_eq!(marked(&state), ["Alex Wilber"]);
}

#[test]
fn a_run_that_cannot_begin_says_so_and_keeps_the_marks() {
    let mut state = screen_of(&CAST);
    press(&mut state, "space p");
    planned(&mut state, plan_of(&[("Adele Vance", Verdict::Differs)]));
    press(&mut state, "enter");
    let locked = trouble(
        "another run of this profile is under way",
        Some("wait until it is done"),
    );
    update(&mut state, Message::RunEnded(Err(locked)));
    let text = frame(&mut state, 120, 40);
    assert!(
        text.contains("could not begin") && text.contains("Nothing was changed"),
        "{text}"
    );
    assert!(text.contains("Wait until it is done."), "{text}");
    press(&mut state, "esc");
    assert_eq!(marked(&state), ["Adele Vance"]);
    assert_eq!(
        told(&press(&mut state, "p")),
        ["plan adele"],
        "it can be tried again"
    );
}

#[test]
fn what_a_run_has_changed_is_kept_for_the_next_start() {
    let mut state = begun();
    assert_eq!(
        told(&ended(&mut state, None)),
        ["keep 10 people", "look for unfinished runs"]
    );
}

#[test]
fn a_run_that_ends_behind_another_screen_is_told() {
    let mut state = begun();
    press(&mut state, "esc");
    step(&mut state, "Alex Wilber", Outcome::Failed);
    ended(&mut state, None);
    assert!(notice(&state).contains("the run is over"), "{}", notice(&state));
    assert!(notice(&state).contains("1 failed"), "{}", notice(&state));
}

#[test]
fn quitting_without_a_run_asks_nothing() {
    let mut state = screen_of(&CAST);
    assert_eq!(told(&press(&mut state, "q")), ["quit"]);
    assert_eq!(told(&press(&mut state, "ctrl-c")), ["quit"]);
}

#[test]
fn quitting_during_a_run_asks_and_waiting_goes_on() {
    for answer in ["w", "esc"] {
        let mut state = begun();
        assert!(told(&press(&mut state, "q")).is_empty());
        assert!(matches!(state.dialog, Some(Dialog::Quit)));
        assert!(
            told(&press(&mut state, "j x enter")).is_empty(),
            "nothing else is an answer"
        );
        assert!(matches!(state.dialog, Some(Dialog::Quit)));
        assert!(told(&press(&mut state, answer)).is_empty());
        assert!(state.dialog.is_none());
        assert_eq!(state.run.phase, Phase::Running);
    }
    crate::tried("N2", 1);
}

#[test]
fn quitting_during_a_run_can_stop_after_the_writes_in_hand() {
    let mut state = begun();
    press(&mut state, "q");
    assert_eq!(told(&press(&mut state, "s")), ["cancel the run", "quit"]);
    assert!(state.stops_run_at_end, "the ending waits for them");
    crate::tried("N2", 1);
}

#[test]
fn quitting_during_a_run_can_end_at_once() {
    let mut state = begun();
    press(&mut state, "q");
    assert_eq!(told(&press(&mut state, "n")), ["quit"]);
    assert!(!state.stops_run_at_end);
    crate::tried("N2", 1);
}

#[test]
fn control_c_a_second_time_is_an_answer() {
    let mut state = begun();
    press(&mut state, "ctrl-c");
    assert!(matches!(state.dialog, Some(Dialog::Quit)));
    assert_eq!(told(&press(&mut state, "ctrl-c")), ["cancel the run", "quit"]);
}

#[test]
fn a_run_that_ends_meanwhile_takes_the_question_with_it() {
    let mut state = begun();
    press(&mut state, "q");
    ended(&mut state, None);
    assert!(state.dialog.is_none());
    assert_eq!(told(&press(&mut state, "q")), ["quit"]);
}

#[test]
fn the_question_can_be_read_and_answered_in_a_window_that_is_too_small() {
    let mut state = begun();
    resize(&mut state, 40, 8);
    assert!(frame(&mut state, 40, 8).contains("The run goes on"));
    press(&mut state, "q");
    let text = frame(&mut state, 40, 8).replace('\n', " ");
    assert!(text.contains("s stops"), "{text}");
    assert_eq!(told(&press(&mut state, "s")), ["cancel the run", "quit"]);
}

#[test]
fn a_signal_ends_the_program_and_stops_the_run_after_the_writes_in_hand() {
    let mut state = begun();
    assert_eq!(
        told(&update(&mut state, Message::Terminate)),
        ["cancel the run", "quit"]
    );
    let mut idle = screen_of(&CAST);
    assert_eq!(told(&update(&mut idle, Message::Terminate)), ["quit"]);
}

#[test]
fn outcomes_scroll_back_and_keep_to_their_bounds() {
    let mut state = running(&CAST, three());
    started(&mut state, 5_000);
    for number in 0..2_500 {
        step(&mut state, &format!("P{number:04} Person"), Outcome::Updated);
    }
    assert_eq!(state.run.outcomes.len(), 2_000);
    assert_eq!(state.run.done, 2_500);
    assert!(frame(&mut state, 80, 24).contains("P2499"));
    press(&mut state, "up");
    assert!(!frame(&mut state, 80, 24).contains("P2499"));
    press(&mut state, "home");
    assert!(frame(&mut state, 80, 24).contains("P0500"));
    press(&mut state, "end");
    assert!(frame(&mut state, 80, 24).contains("P2499"));
}
