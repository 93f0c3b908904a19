//! Brakes, as an administrator meets them: limits, failing runs, people who keep failing, removals that wait.

use crate::common;

use std::collections::HashMap;

use avatar_sync::sandbox::portraits::Portrait;
use common::{Ended, Stage};
use reqwest::Method;
use serde_json::{Value, json};

/// Says that a fault (`reliability.md` 4) was tried this many times, and every time ended as promised.
fn tried(fault: &str, times: usize) {
    println!("fault {fault}: tried {times} times");
}

fn face(number: usize) -> Vec<u8> {
    Portrait::new(number as u32, number as u16 * 2 + 1)
        .with_width(96)
        .bytes()
        .to_vec()
}

fn name(number: usize) -> String {
    format!("person{number}@contoso.example")
}

/// So many people with a photo and no avatar, and after them so many with an avatar and no photo.
fn company(with_photo: usize, with_avatar: usize) -> Stage {
    company_of(with_photo, with_avatar, 0)
}

/// The same, and after them so many with neither.
fn company_of(with_photo: usize, with_avatar: usize, with_neither: usize) -> Stage {
    let (mut entra, mut servicenow) = (Vec::new(), Vec::new());
    let mut files: Vec<(String, Vec<u8>)> = Vec::new();
    for number in 0..with_photo + with_avatar + with_neither {
        let file = format!("face{number}.jpg");
        let name = name(number);
        if number < with_photo + with_avatar {
            files.push((file.clone(), face(number)));
        }
        let mut source =
            json!({"displayName": format!("Person {number}"), "userPrincipalName": name, "mail": name});
        let mut target =
            json!({"user_name": name, "email": name, "name": format!("Person {number}"), "live_profiles": 1});
        if number < with_photo {
            source["photo"] = file.into();
        } else if number < with_photo + with_avatar {
            target["avatars"] = json!([{"file": file, "on": "live_profile", "form": "image_field"}]);
        }
        entra.push(source);
        servicenow.push(target);
    }
    let files: Vec<(&str, &[u8])> = files
        .iter()
        .map(|(name, bytes)| (name.as_str(), bytes.as_slice()))
        .collect();
    Stage::of_files(
        &json!({"entra": {"users": entra}, "servicenow": {"users": servicenow}}),
        &files,
    )
}

/// Who shows an avatar.
fn shown(stage: &Stage) -> HashMap<String, bool> {
    stage
        .control("/avatars")
        .as_array()
        .expect("a list")
        .iter()
        .map(|user| {
            let name = user["user_name"].as_str().expect("text").to_owned();
            (name, !user["effective"].is_null())
        })
        .collect()
}

fn avatars(stage: &Stage) -> usize {
    shown(stage).values().filter(|is_shown| **is_shown).count()
}

/// Removals switched on; two scans within a second are as good as two on two days.
const AT_ONCE: [(&str, &str); 2] = [
    ("AVATAR_SYNC_POLICY_MIRROR_REMOVALS", "true"),
    ("AVATAR_SYNC_POLICY_ABSENCE_HOURS", "0"),
];

fn mirroring(stage: &Stage, arguments: &[&str]) -> Ended {
    stage.run_with(&AT_ONCE, arguments)
}

fn lines(ended: &Ended) -> Vec<Value> {
    ended.events()
}

#[test]
fn a_dry_run_writes_nothing_whatever_is_tried() {
    let stage = company(4, 2);
    let plan = stage.home().join("plan.json");
    let file = plan.to_str().expect("text");
    mirroring(&stage, &["plan", "-o", file]).expect_code(0);
    let all: &[&[&str]] = &[
        &["sync", "--dry-run"],
        &["sync", "--dry-run", "--yes", "--json"],
        &["push", "person0@contoso.example", "--dry-run"],
        &["apply", file, "--dry-run"],
        &["apply", file, "--dry-run", "--yes"],
        &["clean", "--dry-run"],
        &["plan"],
        &["plan", "--json"],
    ];
    for arguments in all {
        mirroring(&stage, arguments).expect_code(0);
    }
    // A limit does not make a dry run shy: it shows the plan and says that it goes too far.
    let ended = mirroring(&stage, &["sync", "--dry-run", "--max-changes", "1"]).expect_code(6);
    assert!(ended.stdout.contains("4 of 6 people would change"), "{ended:?}");
    assert!(ended.stderr.contains("--max-changes 4"), "{ended:?}");
    assert_eq!(stage.writes(), Vec::<Value>::new());
    for words in [
        "servicenow POST /api",
        "servicenow DELETE",
        "servicenow PATCH",
        "servicenow PUT",
    ] {
        assert_eq!(stage.requests(&[words]).1, 0, "{words}");
    }
    tried("P12", all.len() + 1);
}

#[test]
fn without_a_terminal_nothing_is_written_unless_that_was_said() {
    let stage = company(2, 0);
    let ended = stage.run(&["sync"]).expect_code(2);
    assert!(ended.stderr.contains("nobody to ask"), "{ended:?}");
    assert_eq!(stage.writes(), Vec::<Value>::new());
    stage.run(&["sync", "--yes"]).expect_code(0);
    assert_eq!(avatars(&stage), 2);
    // Nothing to do is nothing to ask.
    stage.run(&["sync"]).expect_code(0);
}

#[test]
fn a_plan_that_goes_too_far_is_kept_and_can_be_applied_on_purpose() {
    let stage = company(4, 0);
    let ended = stage.run(&["sync", "--yes", "--max-changes", "3"]).expect_code(6);
    assert!(
        ended.stderr.contains("changes 4 people; the limit is 3"),
        "{ended:?}"
    );
    assert!(ended.stderr.contains("--max-changes 4"), "{ended:?}");
    assert_eq!(stage.writes(), Vec::<Value>::new());
    let kept = stage
        .home()
        .join("avatar_sync_state_dir/profile-default/stopped-plan.json");
    let file = kept.to_str().expect("text");
    assert!(ended.stderr.contains(file), "{ended:?}");
    let shown = stage.run(&["apply", file, "--dry-run"]).expect_code(0);
    assert!(shown.stdout.contains("4 of 4 people would change"), "{shown:?}");
    stage
        .run(&["apply", file, "--yes", "--max-changes", "4"])
        .expect_code(0);
    assert_eq!(avatars(&stage), 4);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(&kept).expect("kept").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "it names people");
    }
}

#[test]
fn a_first_run_may_change_everybody_and_a_later_one_may_not() {
    let stage = company(60, 0);
    stage.run(&["sync", "--yes"]).expect_code(0);
    for number in 0..60 {
        stage.request(
            Method::DELETE,
            &format!("/servicenow/users/{}/avatar", name(number)),
            Vec::new(),
        );
        stage.request(
            Method::DELETE,
            &format!("/servicenow/users/{}/avatar?on=sys_user", name(number)),
            Vec::new(),
        );
    }
    let before = stage.writes().len();
    let ended = stage.run(&["sync", "--yes"]).expect_code(6);
    assert!(ended.stderr.contains("60 of 60 people in scope"), "{ended:?}");
    assert!(ended.stderr.contains("--max-change-share 100"), "{ended:?}");
    assert_eq!(stage.writes().len(), before);
    stage
        .run(&["sync", "--yes", "--max-change-share", "100"])
        .expect_code(0);
    assert_eq!(avatars(&stage), 60);
}

#[test]
fn a_run_in_which_half_of_the_people_fail_is_stopped_and_says_what_fails_most() {
    let stage = company(120, 0);
    stage.post(
        "/faults",
        &json!({"service": "servicenow", "method": "POST", "path": "/api/now/attachment",
            "do": {"status": 400, "body": "{\"error\":{\"message\":\"no room left\",\"detail\":\"\"},\"status\":\"failure\"}"}}),
    );
    // So that not everybody is under way at once.
    let few = [("AVATAR_SYNC_LIMITS_PUSHES_IN_FLIGHT", "4")];
    let ended = stage.run_with(&few, &["sync", "--yes", "--json"]).expect_code(6);
    let last = ended.events().pop().expect("events");
    let stopped = last["stopped"].to_string();
    assert!(stopped.contains("people failed"), "{last}");
    assert!(stopped.contains("no room left"), "the cause is named: {last}");
    let summary = ended.summary();
    assert!(summary["skipped"].as_u64().expect("a number") > 0, "{summary}");
    assert_eq!(avatars(&stage), 0);
}

#[test]
fn runs_that_keep_failing_slow_down_until_one_succeeds_or_somebody_releases_them() {
    let stage = company(2, 0);
    let wrong = [("AVATAR_SYNC_ENTRA_CLIENT_SECRET", "not the secret")];
    for _ in 0..3 {
        stage.run_with(&wrong, &["sync", "--yes"]).expect_code(5);
    }
    // Mended, but nobody has said so, and it is not an hour later.
    let ended = stage.run(&["sync", "--yes"]).expect_code(6);
    assert!(ended.stderr.contains("in quarantine since"), "{ended:?}");
    assert!(ended.stderr.contains("release quarantine"), "{ended:?}");
    assert_eq!(stage.writes(), Vec::<Value>::new());
    for command in [&["status"][..], &["info"]] {
        let ended = stage.run(command).expect_code(0);
        let said = format!("{}{}", ended.stdout, ended.stderr);
        assert!(said.contains("in quarantine since"), "{command:?}: {said}");
    }
    // What is asked for by name is not held up.
    stage.run(&["push", &name(0), "--yes"]).expect_code(0);
    stage.run(&["sync", "--yes"]).expect_code(6);
    stage.run(&["release", "quarantine"]).expect_code(0);
    stage.run(&["sync", "--yes"]).expect_code(0);
    assert_eq!(avatars(&stage), 2);
    let info = stage.run(&["info", "--json"]).expect_code(0).json();
    assert_eq!(info["brakes"], Value::Null);
}

#[test]
fn somebody_who_keeps_failing_is_parked_listed_and_released() {
    let stage = company(3, 0);
    stage.run(&["push", &name(0), &name(1), "--yes"]).expect_code(0);
    let fault = json!({"service": "servicenow", "method": "POST", "path": "/api/now/attachment",
        "do": {"status": 400, "body": "{\"error\":{\"message\":\"refused by a rule\"}}"}});
    stage.post("/faults", &fault);
    for _ in 0..3 {
        stage.run(&["sync", "--yes"]).expect_code(4);
    }
    // She is passed over, and so the run is a good one.
    let ended = stage.run(&["sync", "--yes", "--json"]).expect_code(0);
    assert_eq!(ended.summary()["skipped"], 1);
    let parked = lines(&stage.run(&["parked", "--json"]).expect_code(0));
    assert_eq!(parked.len(), 1);
    assert_eq!(parked[0]["person"]["upn"], name(2).as_str());
    assert_eq!(parked[0]["failures"], 3);
    assert!(
        parked[0]["why"]
            .as_str()
            .expect("text")
            .contains("refused by a rule"),
        "{parked:?}"
    );
    let said = stage.run(&["parked"]).expect_code(0);
    assert!(said.stdout.contains("tried again after"), "{said:?}");
    // By name she is tried anyway.
    stage.run(&["push", &name(2), "--yes"]).expect_code(4);
    stage.request(Method::DELETE, "/faults", Vec::new());
    stage.run(&["sync", "--yes"]).expect_code(0);
    assert_eq!(avatars(&stage), 2);
    stage.run(&["release", "nobody@contoso.example"]).expect_code(2);
    stage.run(&["release", &name(2)]).expect_code(0);
    stage.run(&["sync", "--yes"]).expect_code(0);
    assert_eq!(avatars(&stage), 3);
    assert_eq!(lines(&stage.run(&["parked", "--json"])), Vec::<Value>::new());
}

#[test]
fn removals_are_off_unless_switched_on() {
    let stage = company(1, 3);
    for _ in 0..3 {
        stage.run(&["sync", "--yes"]).expect_code(0);
    }
    assert_eq!(avatars(&stage), 4);
    assert_eq!(lines(&stage.run(&["removals", "--json"])), Vec::<Value>::new());
    tried("F10", 3);
}

#[test]
fn an_avatar_goes_only_after_evidence_and_somebodys_approval() {
    let stage = company(1, 3);
    let sync = |code| mirroring(&stage, &["sync", "--yes", "--json"]).expect_code(code);
    assert_eq!(sync(0).summary()["removed"], 0);
    let staged = sync(0);
    assert_eq!(staged.summary()["removed"], 0);
    assert!(
        staged.stderr.contains("3 avatars are to be removed and wait"),
        "{staged:?}"
    );
    assert_eq!(avatars(&stage), 4);

    let waiting = lines(&mirroring(&stage, &["removals", "--json"]).expect_code(0));
    assert_eq!(waiting.len(), 3);
    assert!(
        waiting.iter().all(|removal| removal["decision"] == "waiting"),
        "{waiting:?}"
    );
    assert!(waiting[0]["scans"].as_u64().expect("a number") >= 2);
    let shown_plan = mirroring(&stage, &["plan"]).expect_code(0);
    assert!(
        shown_plan.stdout.contains("Faces that would vanish"),
        "{shown_plan:?}"
    );

    mirroring(&stage, &["removals", "reject", &name(1)]).expect_code(0);
    mirroring(&stage, &["removals", "approve", "--all", "--yes"]).expect_code(0);
    let withdrawn = mirroring(&stage, &["removals", "withdraw", &name(1)]).expect_code(0);
    assert!(
        withdrawn.stderr.contains("waiting for approval again"),
        "{withdrawn:?}"
    );
    mirroring(&stage, &["removals", "reject", &name(1)]).expect_code(0);
    mirroring(&stage, &["removals", "approve", "nobody@contoso.example"]).expect_code(2);
    // Somebody else changes an avatar before the next run: what was approved was another one.
    stage.request(
        Method::PUT,
        &format!("/servicenow/users/{}/avatar", name(3)),
        face(77),
    );
    let ended = sync(0);
    assert_eq!(ended.summary()["removed"], 1, "{ended:?}");
    let shows = shown(&stage);
    assert!(
        shows[&name(1)] && !shows[&name(2)] && shows[&name(3)],
        "{shows:?}"
    );
    let waiting = lines(&mirroring(&stage, &["removals", "--json"]).expect_code(0));
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let decisions: HashMap<String, String> = waiting
        .iter()
        .map(|removal| (text(&removal["person"]["upn"]), text(&removal["decision"])))
        .collect();
    assert_eq!(
        decisions,
        HashMap::from([(name(1), "rejected".into()), (name(3), "waiting".into())])
    );
    // Taken back like any other change.
    mirroring(&stage, &["undo", &name(2), "--yes"]).expect_code(0);
    assert!(shown(&stage)[&name(2)]);
    tried("F10", 4);
}

#[test]
fn approved_removals_stay_within_their_limits() {
    let stage = company(0, 12);
    mirroring(&stage, &["sync", "--yes"]).expect_code(0);
    mirroring(&stage, &["sync", "--yes"]).expect_code(0);
    mirroring(&stage, &["removals", "approve", "--all"]).expect_code(0);
    let ended = mirroring(&stage, &["sync", "--yes"]).expect_code(6);
    assert!(
        ended.stderr.contains("removes 12 avatars; the limit is 10"),
        "{ended:?}"
    );
    let ended = mirroring(&stage, &["sync", "--yes", "--max-removals", "12"]).expect_code(6);
    assert!(ended.stderr.contains("--max-removal-share 100"), "{ended:?}");
    assert_eq!(avatars(&stage), 12);
    let all = [
        "sync",
        "--yes",
        "--max-removals",
        "12",
        "--max-removal-share",
        "100",
    ];
    mirroring(&stage, &all).expect_code(0);
    assert_eq!(avatars(&stage), 0);
}

#[test]
fn an_incomplete_listing_removes_nothing_and_is_no_evidence() {
    let stage = company_of(5, 3, 120);
    let mirroring = |stage: &Stage, arguments: &[&str]| {
        let all = [
            AT_ONCE[0],
            AT_ONCE[1],
            ("AVATAR_SYNC_SERVICENOW_PAGE_SIZE", "100"),
        ];
        stage.run_with(&all, arguments)
    };
    mirroring(&stage, &["sync", "--yes"]).expect_code(0);
    mirroring(&stage, &["sync", "--yes"]).expect_code(0);
    mirroring(&stage, &["removals", "approve", "--all"]).expect_code(0);
    let scans = |stage: &Stage| -> Vec<u64> {
        let listed = lines(&mirroring(stage, &["removals", "--json"]));
        listed
            .iter()
            .map(|removal| removal["scans"].as_u64().expect("a number"))
            .collect()
    };
    let before = scans(&stage);
    // The first page of people comes, the second one does not.
    stage.post(
        "/faults",
        &json!({"service": "servicenow", "method": "GET", "path": "/api/now/table/sys_user$", "skip": 1, "do": {"status": 400}}),
    );
    let ended = mirroring(&stage, &["sync", "--yes", "--json"]);
    assert!(ended.stderr.contains("cut short"), "{ended:?}");
    assert_eq!(ended.summary()["removed"], 0, "{ended:?}");
    assert_eq!(avatars(&stage), 8, "{ended:?}");
    assert_eq!(scans(&stage), before);
    stage.request(Method::DELETE, "/faults", Vec::new());
    mirroring(&stage, &["sync", "--yes"]).expect_code(0);
    assert_eq!(avatars(&stage), 5);
    tried("E6", 1);
}
