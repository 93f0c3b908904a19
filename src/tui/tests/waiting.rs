//! A plan or a run waits for somebody who has gone away for a while (`reliability.md` N3).

use super::kit::*;
use crate::domain::comparison::Verdict;
use crate::domain::photo::AvatarChain;
use crate::domain::plan::Plan;
use crate::tui::screens::plan::PlanScreen;
use crate::tui::screens::tidy::TidyScreen;
use crate::tui::state::{Screen, State};

const THREE: [(&str, Verdict); 3] = [
    ("Adele Vance", Verdict::Differs),
    ("Alex Wilber", Verdict::Missing),
    ("Isaiah Langer", Verdict::Broken),
];

/// A plan of three people that has waited for so many minutes.
fn waited(minutes: i64) -> State {
    let mut state = screen_of(&CAST);
    press(&mut state, "S");
    planned(&mut state, plan_of(&THREE));
    pass(&mut state, minutes * 60);
    state
}

/// A plan that is made now.
fn plan_now(state: &State, people: &[(&str, Verdict)]) -> Plan {
    Plan {
        made_at: state.now,
        ..plan_of(people)
    }
}

fn steps(state: &State) -> Vec<String> {
    let PlanScreen::Ready(proposal) = &state.plan else {
        panic!("a plan")
    };
    let steps = proposal.plan.steps.iter();
    steps.map(|step| step.person.name.shown().into_owned()).collect()
}

#[test]
fn a_plan_of_a_moment_ago_is_carried_out_as_it_stands() {
    let mut state = waited(15);
    assert_eq!(
        told(&press(&mut state, "enter")),
        ["apply to adele, alex, isaiah"]
    );
}

#[test]
fn a_plan_that_waited_too_long_is_made_again_before_anything_is_written() {
    let mut state = waited(17);
    assert_eq!(told(&press(&mut state, "enter")), ["plan everybody"]);
    assert_eq!(state.screen, Screen::Plan);
    assert!(!state.run.is_under_way());
    let plan = plan_now(&state, &[THREE[0], ("Joni Sherman", Verdict::Differs)]);
    planned(&mut state, plan);
    let text = frame(&mut state, 120, 40);
    assert!(
        text.contains("Planned 17 minutes ago: looked again; 2 people dropped out, 1 came in."),
        "{text}"
    );
    // What is shown now is what somebody says yes to.
    assert_eq!(told(&press(&mut state, "enter")), ["apply to adele, joni"]);
    crate::tried("N3", 1);
}

#[test]
fn whoever_was_changed_meanwhile_drops_out_and_is_not_overwritten() {
    let mut state = waited(30);
    press(&mut state, "enter");
    let mut plan = plan_now(&state, &THREE);
    // Somebody else has set another picture, which differs from the photo, too.
    plan.steps[0].expected = AvatarChain {
        records: Vec::new(),
        served: None,
        findings: Vec::new(),
    }
    .stamp();
    planned(&mut state, plan);
    assert_eq!(steps(&state), ["Alex Wilber", "Isaiah Langer"]);
    let text = frame(&mut state, 120, 40);
    assert!(text.contains("looked again; 1 person dropped out."), "{text}");
    assert!(text.contains("changed meanwhile: in ServiceNow, after"), "{text}");
    crate::tried("N3", 1);
}

#[test]
fn the_new_plan_has_waited_for_nobody_yet() {
    let mut state = waited(200);
    press(&mut state, "enter");
    let plan = plan_now(&state, &THREE);
    planned(&mut state, plan);
    assert!(frame(&mut state, 120, 40).contains("Planned 3 hours ago: looked again; nobody dropped out."));
    pass(&mut state, 60);
    assert_eq!(
        told(&press(&mut state, "enter")),
        ["apply to adele, alex, isaiah"]
    );
}

#[test]
fn a_confirmation_of_suspicious_photos_survives_the_second_look() {
    let mut state = screen_of(&CAST);
    press(&mut state, "S");
    planned(&mut state, suspicious_plan(&THREE, &["Alex Wilber"], false));
    press(&mut state, "w");
    planned(&mut state, suspicious_plan(&THREE, &["Alex Wilber"], true));
    pass(&mut state, 20 * 60);
    assert_eq!(
        told(&press(&mut state, "enter")),
        ["plan everybody with suspicious photos"]
    );
}

#[test]
fn an_undo_that_waited_too_long_is_looked_at_again_too() {
    let mut state = screen_of(&CAST);
    press(&mut state, "u");
    let run = "20260302-130500-1f2e";
    tidying_planned(&mut state, undo_of(run, &["Adele Vance", "Alex Wilber"], &[]));
    pass(&mut state, 16 * 60);
    assert_eq!(
        told(&press(&mut state, "enter")),
        ["plan to undo the last change to sys-adele"]
    );
    let mut plan = undo_of(run, &["Adele Vance"], &["Alex Wilber"]);
    plan.made_at = state.now;
    tidying_planned(&mut state, plan);
    assert!(matches!(state.tidy, TidyScreen::Ready(_)));
    assert!(
        frame(&mut state, 120, 40).contains("Planned 16 minutes ago: looked again; 1 person dropped out.")
    );
    assert_eq!(told(&press(&mut state, "enter")), ["take back for adele"]);
    crate::tried("N3", 1);
}

#[test]
fn a_run_that_was_paused_for_long_says_what_that_means() {
    let mut state = running(&CAST, large_plan(4));
    started(&mut state, 4);
    press(&mut state, "space");
    pass(&mut state, 62 * 60);
    assert_eq!(told(&press(&mut state, "space")), ["go on with the run"]);
    assert!(notice(&state).starts_with("paused for 62 minutes: everybody is looked at again"));
    press(&mut state, "space");
    pass(&mut state, 60);
    press(&mut state, "space");
    assert_eq!(notice(&state), "", "nothing to say after a minute");
}
