//! What a push has done is looked back on and taken back, on the screen from beginning to end.

use crate::cleaning::seen;
use crate::common::faults::tried;
use crate::support::{four, open, setup, stage_of, wait_for_person};
use crate::terminal::{Kind, Screen};

#[test]
fn three_people_are_pushed_looked_back_on_and_have_their_old_faces_again() {
    let people = four();
    let stage = stage_of(&people);
    let before = seen(&stage);
    let terminal = open(setup(&stage, Kind::Kitty));
    wait_for_person(&terminal, &people[0]);
    terminal.type_keys("   p");
    terminal.wait_for("the plan of three", |screen| {
        screen.shows("change 3 people") && screen.shows("does it")
    });
    terminal.type_keys("<enter>");
    terminal.wait_for("the end of the push", |screen| screen.shows("Run: over"));
    let pushed = seen(&stage);
    assert_eq!(
        before
            .iter()
            .filter(|(name, face)| pushed[*name] != **face)
            .count(),
        3
    );

    terminal.type_keys("H");
    terminal.wait_for("the run in the history", |screen| screen.shows("History: 1 run"));
    terminal.type_keys("<enter>");
    terminal.wait_for("both faces of the first one", |screen| {
        screen.shows("before this run") && screen.shows("set by this run") && screen.pictures().len() == 2
    });
    terminal.type_keys("<esc>");
    terminal.wait_for("the runs again", |screen| screen.shows("History: 1 run"));
    terminal.type_keys("u");
    terminal.wait_for("the plan of the undo", |screen| {
        screen.shows("Undo: take run")
            && screen.shows("3 see the picture of before")
            && screen.shows("does it")
    });
    assert_eq!(seen(&stage), pushed, "a plan changes nothing");
    terminal.type_keys("<enter>");
    terminal.wait_for("the end of the undo", |screen| {
        screen.shows("Run: over") && screen.shows("3 updated")
    });
    assert_eq!(seen(&stage), before, "everybody sees what they saw");

    terminal.type_keys("H");
    terminal.wait_for("both runs", |screen| {
        screen.shows("History: 2 runs") && screen.shows("taken back: 3 updated")
    });
    terminal.type_keys("<esc>q");
    assert_eq!(terminal.wait_for_end().code, 0);
    assert!(terminal.look(Screen::boxes) == 0);
    tried("N4", 3);
}
