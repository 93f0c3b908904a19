//! What a script has littered is cleared away from the screen, and a suspicious photo is confirmed there.

use std::collections::BTreeMap;

use avatar_sync::sandbox::world::article;
use serde_json::Value;

use crate::common::Stage;
use crate::support::{open, setup};
use crate::terminal::{Kind, Screen, Terminal};

/// What everybody sees, by user name.
pub fn seen(stage: &Stage) -> BTreeMap<String, Value> {
    let avatars = stage.control("/avatars");
    let users = avatars.as_array().expect("a list").iter();
    users
        .map(|user| {
            let name = user["user_name"].as_str().expect("text").to_owned();
            (name, user["effective"]["sha256"].clone())
        })
        .collect()
}

/// Types the number that a large change asks for, and accepts.
fn accept(terminal: &Terminal) {
    // A frame may come in pieces: the question is its last line.
    terminal.wait_for("the question", |screen| {
        screen.shows("to do it:") || screen.shows("does it,")
    });
    let contents = terminal.look(Screen::contents);
    if let Some((_, after)) = contents.split_once("Type ") {
        let number: String = after.chars().take_while(char::is_ascii_digit).collect();
        terminal.type_keys(&number);
    }
    terminal.type_keys("<enter>");
}

#[test]
fn what_a_script_has_littered_goes_and_everybody_goes_on_seeing_the_same() {
    let stage = Stage::invented(60);
    article::run(stage.sandbox.world(), 90, 6);
    let before = seen(&stage);
    let terminal = open(setup(&stage, Kind::Plain));
    terminal.wait_for("the people", |screen| screen.shows("scanned"));
    terminal.type_keys("C");
    terminal.wait_for("a cleaning", |screen| screen.shows("to be won"));
    assert_eq!(seen(&stage), before, "a plan removes nothing");
    accept(&terminal);
    terminal.wait_for("the end of the run", |screen| screen.shows("Run: over"));
    assert_eq!(seen(&stage), before);
    terminal.type_keys("<esc>q");
    assert_eq!(terminal.wait_for_end().code, 0);
    let left = stage.run(&["clean", "--dry-run", "--json"]).expect_code(0).json();
    assert_eq!(left["steps"], Value::Array(Vec::new()), "{left}");
}

#[test]
fn a_suspicious_photo_waits_in_the_plan_until_a_key_confirms_it() {
    let stage = Stage::invented(60);
    // Nobody has downloaded the photos of those who are missing; a deep look has.
    stage.run(&["status", "--deep"]).expect_code(0);
    let terminal = open(setup(&stage, Kind::Plain));
    terminal.wait_for("the people", |screen| screen.shows("scanned"));
    terminal.type_keys("!");
    terminal.wait_for("the sentence", |screen| screen.shows("! suspicious:"));
    terminal.type_keys("S");
    terminal.wait_for("who waits", |screen| screen.shows("are held back"));
    terminal.type_keys("w");
    terminal.wait_for("the confirmation", |screen| {
        screen.shows("Suspicious photos are in this plan")
    });
    terminal.type_keys("<esc>q");
    assert_eq!(terminal.wait_for_end().code, 0);
    assert!(stage.writes().is_empty());
}
