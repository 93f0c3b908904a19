//! A photo is gone, and somebody approves on the screen that the avatar goes.

use serde_json::{Value, json};

use crate::common::Stage;
use crate::support::{open, png, portrait, setup, world};
use crate::terminal::{Kind, Setup};

/// So that two scans in a row are evidence enough.
const MIRRORING: [(&str, &str); 2] = [
    ("AVATAR_SYNC_POLICY_MIRROR_REMOVALS", "true"),
    ("AVATAR_SYNC_POLICY_ABSENCE_HOURS", "0"),
];

const NAMES: [&str; 3] = ["Ada Byron", "Ben Tall", "Cleo Wide"];

fn address(number: usize) -> String {
    format!("person{number}@contoso.example")
}

/// Three people with an avatar and no photo.
fn stage() -> Stage {
    let (mut entra, mut servicenow) = (Vec::new(), Vec::new());
    let mut files = Vec::new();
    for (number, name) in NAMES.into_iter().enumerate() {
        let (address, file) = (address(number), format!("face{number}.png"));
        entra.push(json!({"displayName": name, "userPrincipalName": address, "mail": address}));
        servicenow.push(
            json!({"user_name": address, "email": address, "name": name, "live_profiles": 1,
            "avatars": [{"file": file, "on": "live_profile", "form": "image_field"}]}),
        );
        files.push((file, png(&portrait(number as u8 + 1, 240, 240))));
    }
    let files: Vec<(&str, &[u8])> = files
        .iter()
        .map(|(name, bytes)| (name.as_str(), bytes.as_slice()))
        .collect();
    Stage::of_files(&world(&entra, &servicenow), &files)
}

fn mirroring(setup: Setup) -> Setup {
    MIRRORING
        .into_iter()
        .fold(setup, |setup, (name, value)| setup.env(name, value))
}

/// What the command line says of each.
fn decisions(stage: &Stage) -> Vec<(Value, Value)> {
    let listed = stage.run_with(&MIRRORING, &["removals", "--json"]).expect_code(0);
    let mut decisions: Vec<(Value, Value)> = listed
        .events()
        .into_iter()
        .map(|removal| (removal["person"]["upn"].clone(), removal["decision"].clone()))
        .collect();
    decisions.sort_by_key(|(upn, _)| upn.to_string());
    decisions
}

/// Who shows an avatar.
fn shown(stage: &Stage) -> Vec<bool> {
    let avatars = stage.control("/avatars");
    let users = avatars.as_array().expect("a list");
    (0..NAMES.len())
        .map(|number| {
            let user = users
                .iter()
                .find(|user| user["user_name"] == address(number).as_str());
            !user.expect("one of them")["effective"].is_null()
        })
        .collect()
}

#[test]
fn what_a_run_has_staged_is_approved_on_the_screen_and_the_next_run_removes_it() {
    let stage = stage();
    for _ in 0..2 {
        stage
            .run_with(&MIRRORING, &["sync", "--yes", "--max-removal-share", "100"])
            .expect_code(0);
    }
    assert_eq!(shown(&stage), [true, true, true]);
    let terminal = open(mirroring(setup(&stage, Kind::Plain)));
    terminal.wait_for("the people", |screen| screen.shows("scanned"));
    terminal.type_keys("X");
    terminal.wait_for("three who wait", |screen| {
        screen.shows("Waiting 3") && NAMES.into_iter().all(|name| screen.shows(name))
    });
    // Cleo stays; the others are approved, and Ben's approval is taken back.
    terminal.type_keys("<end>n");
    terminal.wait_for("what was kept", |screen| screen.shows("Kept 1"));
    terminal.type_keys("<home>  p");
    terminal.wait_for("the question", |screen| screen.shows("2 avatars would go"));
    assert_eq!(shown(&stage), [true, true, true], "a question removes nothing");
    terminal.type_keys("2<enter>");
    terminal.wait_for("the approval", |screen| screen.shows("Approved 2"));
    terminal.type_keys("<home>ju");
    terminal.wait_for("one approval less", |screen| screen.shows("Approved 1"));
    terminal.type_keys("q");
    assert_eq!(terminal.wait_for_end().code, 0);
    assert_eq!(
        decisions(&stage),
        [
            (address(0).into(), "approved".into()),
            (address(1).into(), "waiting".into()),
            (address(2).into(), "rejected".into()),
        ]
    );
    let run = stage
        .run_with(
            &MIRRORING,
            &["sync", "--yes", "--json", "--max-removal-share", "100"],
        )
        .expect_code(0);
    assert_eq!(run.summary()["removed"], 1, "{run:?}");
    assert_eq!(shown(&stage), [false, true, true]);
}
