//! Whole runs of the real binary against the sandbox, proved by what the sandbox says it holds.

use crate::common;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::process::Stdio;
use std::time::Duration;

use avatar_sync::sandbox::world::picture::Picture;
use avatar_sync::sandbox::{Latency, SandboxOptions};
use common::{SMALL, Stage};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// What `GET /avatars` says, by user name.
fn avatars(stage: &Stage) -> HashMap<String, Value> {
    stage
        .control("/avatars")
        .as_array()
        .expect("a list")
        .iter()
        .map(|user| (user["user_name"].as_str().expect("text").to_owned(), user.clone()))
        .collect()
}

/// SHA-256 of what Entra serves for a person at the size that is pushed, straight from the world.
fn photo_hash(stage: &Stage, upn: &str) -> Option<String> {
    let directory = stage.sandbox.world().directory.read();
    let picture = directory.find(upn)?.photo.as_ref()?.picture.clone();
    drop(directory);
    let served: Picture = picture.resized(360).unwrap_or(picture);
    Some(served.sha256().iter().map(|byte| format!("{byte:02x}")).collect())
}

fn statuses(stage: &Stage, arguments: &[&str]) -> BTreeMap<String, Value> {
    let status = stage.run(arguments).expect_code(0).json();
    assert_eq!(status["schema"], "avatar-sync/status/1");
    status["people"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|person| (person["upn"].as_str().expect("text").to_owned(), person.clone()))
        .collect()
}

#[test]
fn every_planted_case_gets_its_verdict() {
    let stage = Stage::invented(400);
    let people = statuses(&stage, &["status", "--deep", "--json"]);
    let mut seen = HashSet::new();
    let mut wrong = Vec::new();
    for planted in stage.sandbox.world().planted() {
        let (kind, upn) = (planted.kind, planted.principal);
        let expected = kind.verdict;
        let person = people
            .get(upn.as_str())
            .unwrap_or_else(|| panic!("{upn} is listed"));
        seen.insert(kind.name);
        if person["verdict"] != expected {
            wrong.push(format!(
                "{}: {upn} is {} ({}), not {expected}",
                kind.name, person["verdict"], person["reason"]
            ));
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert!(seen.len() >= 20, "only {seen:?} were planted");
}

#[test]
fn without_deep_nothing_is_claimed_that_was_not_seen() {
    let stage = Stage::invented(200);
    let shallow = statuses(&stage, &["status", "--json"]);
    let (_, downloads) = stage.requests(&["$value"]);
    assert_eq!(downloads, 0, "stamps alone");
    let deep = statuses(&stage, &["status", "--deep", "--json"]);
    for (upn, person) in &shallow {
        if person["verdict"] != "undecided" && person["verdict"] != deep[upn]["verdict"] {
            // A photo that is there may still turn out to be no picture.
            assert!(
                person["verdict"] == "missing"
                    && ["broken", "neither"].contains(&deep[upn]["verdict"].as_str().expect("text")),
                "{upn}: {} became {}",
                person["verdict"],
                deep[upn]["verdict"]
            );
        }
    }
}

#[test]
fn a_full_run_brings_everybody_into_sync_and_a_second_one_writes_nothing() {
    let stage = Stage::invented(400);
    let before = avatars(&stage);
    let first = stage.run(&["sync", "--yes", "--json"]).expect_code(0);
    let summary = first.summary();
    let total: u64 = [
        "updated",
        "unchanged",
        "no_photo",
        "skipped",
        "changed_meanwhile",
        "failed",
        "removed",
    ]
    .iter()
    .map(|key| summary[key].as_u64().expect("a number"))
    .sum();
    assert_eq!(summary["selected"], total, "the numbers add up: {summary}");
    assert_eq!(summary["failed"], 0, "{summary}");
    let steps = first
        .events()
        .iter()
        .filter(|event| event["event"] == "step")
        .count() as u64;
    assert_eq!(steps, total, "every person gets one event");

    // Proved by what ServiceNow holds, not by what we said.
    let after = avatars(&stage);
    let people = statuses(&stage, &["status", "--deep", "--json"]);
    let mut in_sync = 0;
    for (upn, person) in &people {
        let (Some(user_name), verdict) = (
            person["user_name"].as_str(),
            person["verdict"].as_str().expect("text"),
        ) else {
            continue;
        };
        let user = &after[user_name];
        match verdict {
            "in_sync" => {
                assert_eq!(
                    user["effective"]["sha256"].as_str(),
                    photo_hash(&stage, upn).as_deref(),
                    "{upn}"
                );
                in_sync += 1;
            }
            "same_picture" | "only_in_servicenow" | "neither" => {
                assert_eq!(
                    user["effective"], before[user_name]["effective"],
                    "{upn} was left alone"
                );
            }
            // Photos that are probably not their own wait for a confirmation.
            "missing" | "differs" if person["suspicion"].is_string() => {
                assert_eq!(user["effective"], before[user_name]["effective"], "{upn} waits");
            }
            // Damage that only the janitor mends, and mailboxes that are not in Exchange Online.
            "broken" | "error" => assert_eq!(
                user["effective"].is_null(),
                before[user_name]["effective"].is_null()
            ),
            other => panic!("{upn} is still {other}: {}", person["reason"]),
        }
    }
    assert!(in_sync > 200, "{in_sync} in sync");
    assert_no_litter(&stage, &before);
    for (user_name, user) in &before {
        assert!(
            user["effective"].is_null() || !after[user_name]["effective"].is_null(),
            "{user_name} has lost the picture"
        );
    }

    let writes = stage.writes().len();
    stage.request(reqwest::Method::DELETE, "/requests", Vec::new());
    let second = stage.run(&["sync", "--yes", "--json"]).expect_code(0).summary();
    assert_eq!(second["updated"], 0, "{second}");
    assert_eq!(stage.writes().len(), writes, "the second run writes nothing");
    let (requests, _) = stage.requests(&[]);
    let people = 400;
    let budget = people / 999 + people / 20 + 5 * people / 1_000 + 20;
    assert!(
        requests <= budget,
        "{requests} requests, {budget} allowed: {}",
        stage.control("/requests")
    );
}

/// Nothing of ours that nobody shows, at most one image row a record that we wrote, and no column that names a picture
/// which is gone unless it did so before and nobody had a photo to mend it with.
fn assert_no_litter(stage: &Stage, before: &HashMap<String, Value>) {
    let instance = stage.sandbox.world().instance.read();
    let known: HashSet<String> = before
        .values()
        .flat_map(|user| user["attachments"].as_array().cloned().unwrap_or_default())
        .filter_map(|row| row["sys_id"].as_str().map(str::to_owned))
        .collect();
    let mut ours: HashMap<(String, String), u32> = HashMap::new();
    for row in instance.attachments() {
        if !known.contains(&row.sys_id.to_string()) && row.table_name.starts_with("ZZ_YY") {
            *ours
                .entry((row.table_name.to_string(), row.table_sys_id.to_string()))
                .or_default() += 1;
        }
    }
    assert!(!ours.is_empty());
    for (record, count) in ours {
        assert_eq!(count, 1, "{record:?} has one picture of ours");
    }
}

#[test]
fn a_dry_run_writes_nothing() {
    let stage = Stage::invented(200);
    for arguments in [
        &["sync", "--dry-run"][..],
        &["sync", "--dry-run", "--json"],
        &["plan"],
        &["plan", "--json"],
        &["status", "--deep"],
        &["check"],
    ] {
        stage.run(arguments).expect_code(0);
    }
    assert_eq!(stage.writes(), Vec::<Value>::new());
    let (_, posts) = stage.requests(&["servicenow POST /api"]);
    let (_, deletes) = stage.requests(&["servicenow DELETE"]);
    let (_, patches) = stage.requests(&["servicenow PATCH"]);
    assert_eq!((posts, deletes, patches), (0, 0, 0));
}

/// A small picture of its own for every colour.
fn picture(red: u8, green: u8, blue: u8) -> Vec<u8> {
    let pixels = image::RgbImage::from_fn(96, 96, |x, y| {
        // Of more colours than a logo has.
        let shade = (x / 12 * 9 + y / 12 * 21) as u8;
        if (x / 24 + y / 24) % 2 == 0 {
            image::Rgb([red ^ shade, green, blue])
        } else {
            image::Rgb([blue, red, green ^ shade])
        }
    });
    let mut bytes = Vec::new();
    jpeg_encoder::Encoder::new(&mut bytes, 90)
        .encode(pixels.as_raw(), 96, 96, jpeg_encoder::ColorType::Rgb)
        .expect("encodes into memory");
    bytes
}

fn hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Ada has a new photo and an old avatar, Bob no avatar, Cy no photo.
fn small_world() -> Stage {
    let world = json!({
        "entra": {"users": [
            {"displayName": "Ada Byron", "userPrincipalName": "ada@contoso.example", "mail": "ada@contoso.example",
             "photo": "ada.jpg"},
            {"displayName": "Bob Hale", "userPrincipalName": "bob@contoso.example", "mail": "bob.hale@contoso.example",
             "photo": "bob.jpg"},
            {"displayName": "Cy Young", "userPrincipalName": "cy@contoso.example", "mail": "cy@contoso.example"}]},
        "servicenow": {"users": [
            {"user_name": "ada@contoso.example", "email": "ada@contoso.example", "name": "Ada Byron", "live_profiles": 1,
             "avatars": [{"file": "old.jpg", "on": "live_profile", "form": "image_field"},
                         {"file": "old.jpg", "on": "sys_user", "form": "image_field"}]},
            {"user_name": "bhale", "email": "bob.hale@contoso.example", "name": "Bob Hale", "live_profiles": 0},
            {"user_name": "cy@contoso.example", "email": "cy@contoso.example", "name": "Cy Young", "live_profiles": 1,
             "avatars": [{"file": "cy.jpg", "on": "sys_user", "form": "image_field"}]}]}
    });
    Stage::of_files(
        &world,
        &[
            ("ada.jpg", &picture(200, 30, 60)),
            ("bob.jpg", &picture(20, 160, 60)),
            ("old.jpg", &picture(10, 10, 180)),
            ("cy.jpg", &picture(90, 90, 10)),
        ],
    )
}

#[test]
fn a_push_replaces_both_pictures_and_leaves_nothing_behind() {
    let stage = small_world();
    let summary = stage
        .run(&["push", "ada@contoso.example", "--json", "--yes"])
        .expect_code(0)
        .summary();
    assert_eq!(
        (&summary["selected"], &summary["updated"]),
        (&json!(1), &json!(1))
    );
    let ada = &avatars(&stage)["ada@contoso.example"];
    assert_eq!(ada["effective"]["sha256"], hash(&picture(200, 30, 60)));
    assert_eq!(ada["effective"]["from"], "live_profile");
    let rows = ada["attachments"].as_array().expect("a list");
    assert_eq!(
        rows.len(),
        2,
        "one picture for each record, the old ones are gone: {rows:?}"
    );
    // Nobody else was touched.
    assert!(avatars(&stage)["bhale"]["effective"].is_null());
}

#[test]
fn the_replaced_picture_is_kept_on_this_side() {
    let stage = small_world();
    stage
        .run(&["push", "ada@contoso.example", "--yes"])
        .expect_code(0);
    let old = picture(10, 10, 180);
    assert_eq!(
        stage.kept(&hash(&old)),
        Some(old),
        "the vault holds the old picture"
    );
}

#[test]
fn people_are_found_by_every_key() {
    let stage = small_world();
    let bob = statuses(&stage, &["status", "--json"])["bob@contoso.example"].clone();
    for key in [
        "bob@contoso.example",
        "BOB@contoso.example",
        "bob.hale@contoso.example",
        "bhale",
        bob["entra_id"].as_str().expect("text"),
        bob["servicenow_sys_id"].as_str().expect("text"),
    ] {
        let shown = stage.run(&["show", key, "--json"]).expect_code(0).json();
        assert_eq!(shown["upn"], "bob@contoso.example", "{key}");
        assert_eq!(shown["verdict"], "missing");
    }
}

#[test]
fn somebody_without_a_profile_gets_one_with_the_picture() {
    let stage = small_world();
    stage.run(&["push", "bhale", "--yes"]).expect_code(0);
    let bob = &avatars(&stage)["bhale"];
    assert_eq!(bob["effective"]["from"], "live_profile");
    assert_eq!(bob["effective"]["sha256"], hash(&picture(20, 160, 60)));
    assert_eq!(stage.sandbox.world().instance.read().profiles().count(), 3);
}

#[test]
fn an_avatar_without_a_photo_stays_unless_removal_is_asked_for() {
    let stage = small_world();
    stage.run(&["sync", "--yes"]).expect_code(0);
    assert!(!avatars(&stage)["cy@contoso.example"]["effective"].is_null());
    // Asked for, but seen only just now: the evidence is not old enough.
    let mirror = [("AVATAR_SYNC_POLICY_MIRROR_REMOVALS", "true")];
    stage.run_with(&mirror, &["sync", "--yes"]).expect_code(0);
    assert!(!avatars(&stage)["cy@contoso.example"]["effective"].is_null());
    let now = [
        ("AVATAR_SYNC_POLICY_MIRROR_REMOVALS", "true"),
        ("AVATAR_SYNC_POLICY_ABSENCE_HOURS", "0"),
        ("AVATAR_SYNC_POLICY_REMOVAL_APPROVAL", "automatic"),
    ];
    let brake = stage
        .run_with(&now, &["sync", "--yes", "--max-removals", "0"])
        .expect_code(6);
    assert!(brake.stderr.contains("--max-removals"), "{}", brake.stderr);
    let summary = stage
        .run_with(&now, &["sync", "--yes", "--json"])
        .expect_code(0)
        .summary();
    assert_eq!(summary["removed"], 1, "{summary}");
    assert!(avatars(&stage)["cy@contoso.example"]["effective"].is_null());
}

#[test]
fn a_plan_is_applied_exactly_or_called_stale() {
    let stage = small_world();
    let plan = stage.home().join("plan.json");
    let plan = plan.to_str().expect("text");
    stage.run(&["plan", "-o", plan]).expect_code(0);
    assert_eq!(stage.writes(), Vec::<Value>::new());
    // Meanwhile somebody gives Ada another avatar in ServiceNow.
    let theirs = picture(1, 2, 3);
    stage.request(
        reqwest::Method::PUT,
        "/servicenow/users/ada@contoso.example/avatar",
        theirs.clone(),
    );
    let summary = stage
        .run(&["apply", plan, "--yes", "--json"])
        .expect_code(0)
        .summary();
    assert_eq!(
        (&summary["changed_meanwhile"], &summary["updated"]),
        (&json!(1), &json!(1)),
        "{summary}"
    );
    let after = avatars(&stage);
    assert_eq!(
        after["ada@contoso.example"]["effective"]["sha256"],
        hash(&theirs),
        "theirs stays"
    );
    assert!(
        !after["bhale"]["effective"].is_null(),
        "the rest of the plan was done"
    );
}

#[test]
fn only_empty_avatars_are_filled_when_the_policy_says_so() {
    let stage = small_world();
    let policy = [("AVATAR_SYNC_POLICY_OVERWRITE", "only_if_empty")];
    let summary = stage
        .run_with(&policy, &["sync", "--yes", "--json"])
        .expect_code(0)
        .summary();
    assert_eq!(
        (&summary["updated"], &summary["skipped"]),
        (&json!(1), &json!(1)),
        "{summary}"
    );
    assert_eq!(
        avatars(&stage)["ada@contoso.example"]["effective"]["sha256"],
        hash(&picture(10, 10, 180))
    );
}

#[test]
fn a_photo_that_changes_later_is_pushed_by_the_next_run() {
    let stage = small_world();
    stage.run(&["sync", "--yes"]).expect_code(0);
    let newer = picture(250, 250, 0);
    stage.request(
        reqwest::Method::PUT,
        "/entra/users/ada@contoso.example/photo",
        newer.clone(),
    );
    let summary = stage.run(&["sync", "--yes", "--json"]).expect_code(0).summary();
    assert_eq!(summary["updated"], 1, "{summary}");
    assert_eq!(
        avatars(&stage)["ada@contoso.example"]["effective"]["sha256"],
        hash(&newer)
    );
}

#[test]
fn too_many_changes_stop_before_the_first_one() {
    let stage = small_world();
    let ended = stage.run(&["sync", "--yes", "--max-changes", "1"]).expect_code(6);
    assert!(
        ended.stderr.contains("changes 2 people; the limit is 1"),
        "{}",
        ended.stderr
    );
    assert_eq!(stage.writes(), Vec::<Value>::new());
}

#[test]
fn runs_are_listed_afterwards() {
    let stage = small_world();
    stage.run(&["sync", "--yes"]).expect_code(0);
    let history = stage.run(&["history", "--json"]).expect_code(0).events();
    assert_eq!(history.len(), 1);
    assert_eq!(history[0]["summary"]["updated"], 2, "{history:?}");
    let run = history[0]["run"].as_str().expect("text");
    let steps = stage.run(&["history", run, "--json"]).expect_code(0).events();
    assert!(
        steps
            .iter()
            .any(|step| step["person"]["upn"] == "ada@contoso.example" && step["outcome"] == "updated")
    );
}

#[test]
fn throttled_and_failing_services_do_not_lose_anybody() {
    let stage = small_world();
    for fault in [
        json!({"service": "entra", "method": "GET", "path": "photo", "times": 2,
               "do": {"status": 429, "headers": {"Retry-After": "0.2"}, "body": ""}}),
        json!({"service": "servicenow", "method": "POST", "path": "^/api/now/attachment/file", "times": 1,
               "do": {"drop": "after"}}),
        json!({"service": "servicenow", "method": "GET", "path": "^/api/now/table/", "skip": 2, "times": 2,
               "do": {"status": 503, "headers": {"Retry-After": "0.2"}, "body": "busy"}}),
    ] {
        stage.post("/faults", &fault);
    }
    let summary = stage.run(&["sync", "--yes", "--json"]).expect_code(0).summary();
    assert_eq!(
        (&summary["updated"], &summary["failed"]),
        (&json!(2), &json!(0)),
        "{summary}"
    );
    let after = avatars(&stage);
    for (user_name, expected) in [
        ("ada@contoso.example", picture(200, 30, 60)),
        ("bhale", picture(20, 160, 60)),
    ] {
        assert_eq!(after[user_name]["effective"]["sha256"], hash(&expected));
        let rows = after[user_name]["attachments"].as_array().expect("a list").len();
        assert_eq!(
            rows, 2,
            "an upload whose answer was lost is adopted, not repeated"
        );
    }
}

/// Records with more than one image row, by `GET /avatars`.
fn doubled_records(stage: &Stage) -> usize {
    let mut rows: HashMap<(String, String), usize> = HashMap::new();
    for user in avatars(stage).values() {
        for row in user["attachments"].as_array().expect("a list") {
            let table = row["table_name"].as_str().expect("text");
            if table.starts_with("ZZ_YY") {
                let record = row["table_sys_id"].as_str().expect("text");
                *rows.entry((table.to_owned(), record.to_owned())).or_default() += 1;
            }
        }
    }
    rows.values().filter(|count| **count > 1).count()
}

#[test]
fn killing_the_program_in_the_middle_loses_no_picture_and_the_next_run_leaves_nothing_behind() {
    let stage = Stage::with(&SandboxOptions {
        users: 100,
        drawn: SMALL,
        is_throttled: false,
        latency: Latency::fixed(Duration::from_millis(20)),
        ..SandboxOptions::default()
    });
    let before = avatars(&stage);
    let loses_nobody = || {
        let now = avatars(&stage);
        for (user_name, user) in &before {
            let has_lost = !user["effective"].is_null() && now[user_name]["effective"].is_null();
            assert!(!has_lost, "{user_name} has lost the picture");
        }
    };
    for uploads in [1, 8] {
        stage.request(reqwest::Method::DELETE, "/requests", Vec::new());
        let mut command = stage.command(&["sync", "--yes", "--json"]);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let mut program = command.spawn().expect("the program starts");
        // Until it has sent so many pictures, or has come to its end.
        while stage.requests(&["POST /api/now/attachment/file"]).1 < uploads
            && program.try_wait().expect("our own process").is_none()
        {
            std::thread::sleep(Duration::from_millis(10));
        }
        program.kill().expect("our own process");
        program.wait().expect("our own process");
        loses_nobody();
    }
    stage.run(&["sync", "--yes"]).expect_code(0);
    loses_nobody();
    assert_eq!(doubled_records(&stage), 0, "nothing is left over");
    let again = stage.run(&["sync", "--yes", "--json"]).expect_code(0).summary();
    assert_eq!(again["updated"], 0, "{again}");
}
