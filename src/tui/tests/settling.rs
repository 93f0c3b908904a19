//! What an interrupted run has left is settled: when the program starts, or before a run. It is shown where a run is
//! shown, and stopped as a run is stopped.

use super::kit::*;
use crate::domain::comparison::Verdict;
use crate::tui::dialogs::Dialog;
use crate::tui::message::Message;
use crate::tui::screens::run::Phase;
use crate::tui::state::{Screen, State};
use crate::tui::update::update;

/// A start that finds twelve people left.
fn starting() -> State {
    let mut state = screen_of(&CAST);
    state.notice = None;
    settling(&mut state, 0, 12, None);
    state
}

fn over(state: &mut State) {
    update(state, Message::SettlingEnded(Ok(())));
}

#[test]
fn at_the_start_it_says_so_counts_in_the_header_and_shows_it_where_a_run_is_shown() {
    let mut state = starting();
    assert_eq!(
        notice(&state),
        "settling what an interrupted run has left: 12 people; ctrl-r shows it"
    );
    settling(&mut state, 3, 12, Some("Adele Vance"));
    assert!(frame(&mut state, 120, 40).contains("settling 3 of 12"));
    press(&mut state, "ctrl-r");
    assert_eq!(state.screen, Screen::Run);
    insta::assert_snapshot!(frame(&mut state, 80, 24));
}

#[test]
fn when_it_is_over_the_people_are_there_again_and_a_run_may_begin() {
    let mut state = starting();
    press(&mut state, "ctrl-r");
    over(&mut state);
    assert_eq!(
        (state.screen, &state.run.phase),
        (Screen::People, &Phase::Nothing)
    );
    assert_eq!(
        told(&press(&mut state, "p")).first().map(String::as_str),
        Some("plan adele")
    );
}

#[test]
fn no_run_is_planned_beside_it() {
    let mut state = starting();
    assert!(told(&press(&mut state, "p")).is_empty());
    assert!(
        notice(&state).starts_with("what an interrupted run has left is being settled"),
        "{}",
        notice(&state)
    );
}

#[test]
fn it_is_stopped_like_a_run_and_the_reason_stays_at_the_bottom() {
    let mut state = starting();
    settling(&mut state, 1, 12, Some("Adele Vance"));
    press(&mut state, "ctrl-r");
    assert!(footer(&mut state).contains("c stop"), "{}", footer(&mut state));
    assert_eq!(told(&press(&mut state, "c")), ["cancel the run"]);
    assert!(told(&press(&mut state, "c")).is_empty(), "once is enough");
    let text = frame(&mut state, 80, 24);
    assert!(
        text.contains("Settling: stopping after the people under way"),
        "{text}"
    );
    let why = trouble(
        "cancelled; of what an interrupted run has left 1 person is settled, 11 are not",
        Some("the next run settles the rest first"),
    );
    update(&mut state, Message::SettlingEnded(Err(why)));
    assert_eq!(state.screen, Screen::People);
    assert_eq!(
        notice(&state),
        "cancelled; of what an interrupted run has left 1 person is settled, 11 are not \
         (the next run settles the rest first)"
    );
}

#[test]
fn leaving_meanwhile_is_asked_and_a_signal_stops_it() {
    let mut state = starting();
    settling(&mut state, 3, 12, None);
    press(&mut state, "q");
    assert!(matches!(state.dialog, Some(Dialog::Quit)));
    let text = frame(&mut state, 80, 24);
    assert!(
        text.contains("What an interrupted run has left is being settled") && text.contains("3 of 12 people"),
        "{text}"
    );
    assert_eq!(told(&press(&mut state, "s")), ["cancel the run", "quit"]);
    let mut state = starting();
    assert_eq!(
        told(&update(&mut state, Message::Terminate)),
        ["cancel the run", "quit"]
    );
}

#[test]
fn a_run_that_settles_first_shows_how_far_it_is_and_begins_then() {
    let plan = plan_of(&[("Adele Vance", Verdict::Differs)]);
    let mut state = running(&CAST, plan);
    settling(&mut state, 5, 20, Some("Alex Wilber"));
    let text = frame(&mut state, 120, 40);
    assert!(
        text.contains("Run: not begun yet; what an interrupted run has left is settled first")
            && text.contains("5 of 20")
            && text.contains("Alex Wilber"),
        "{text}"
    );
    assert!(!text.contains("nothing is written"), "{text}");
    started(&mut state, 1);
    let text = frame(&mut state, 120, 40);
    assert!(
        text.contains("0 of 1") && text.contains("Run: under way"),
        "{text}"
    );
}

#[test]
fn a_run_that_is_stopped_while_it_settles_has_not_begun_and_says_what_was_settled() {
    let mut state = running(&CAST, plan_of(&[("Adele Vance", Verdict::Differs)]));
    settling(&mut state, 5, 20, Some("Alex Wilber"));
    assert_eq!(told(&press(&mut state, "c")), ["cancel the run"]);
    let why = trouble(
        "cancelled; of what an interrupted run has left 5 people are settled, 15 are not",
        Some("the next run settles the rest first"),
    );
    update(&mut state, Message::RunEnded(Err(why)));
    let text = frame(&mut state, 120, 40);
    assert!(
        text.contains("Run: could not begin")
            && text
                .contains("The run has not begun: cancelled; of what an interrupted run has left 5 people")
            && !text.contains("Nothing was changed"),
        "{text}"
    );
    assert!(!state.run.is_under_way());
}
