//! One writer at a time (`reliability.md` H2, H6, J6).

use serde_json::json;

use crate::common::faults::tried;
use crate::common::people::company;
use crate::{Running, assert_everybody_right, at_full_speed, is_event, slow};

#[test]
fn h2_a_second_writer_is_told_who_writes_and_whoever_only_looks_works_beside_it() {
    let stage = company(8);
    slow(&stage, 1_000);
    let mut first = Running::start(&stage, &["sync", "--yes", "--json"]);
    first.until(is_event("started"));
    let pid = first.child.id().to_string();
    for arguments in [
        &["sync", "--yes"][..],
        &["push", "person1@contoso.example", "--yes"],
        &["clean", "--yes"],
        &["resume", "--yes"],
        &["undo", "person1@contoso.example", "--yes"],
    ] {
        let second = stage.run(arguments).expect_code(7);
        let says = |words: &str| assert!(second.stderr.contains(words), "{words}: {}", second.stderr);
        says(&format!("process {pid}"));
        says("since 20");
        says(" on ");
    }
    for arguments in [
        &["history", "--json"][..],
        &["status", "--json"],
        &["audit"],
        &["info"],
    ] {
        stage.run(arguments).expect_code(0);
    }
    let looking = stage.run(&["sync", "--dry-run"]).expect_code(0);
    let note = format!("process {pid}");
    assert!(looking.stderr.contains(&note), "{}", looking.stderr);
    at_full_speed(&stage);
    let ended = first.ended().expect_code(0);
    assert_eq!(ended.summary()["failed"], 0, "{ended:?}");
    assert_everybody_right(&stage, 8);
    tried("H2", 5);
}

#[test]
fn h6_the_lock_of_a_process_that_was_killed_is_taken_over_with_a_note() {
    let stage = company(8);
    slow(&stage, 400);
    let mut first = Running::start(&stage, &["sync", "--yes", "--json"]);
    first.until(is_event("started"));
    let pid = first.child.id();
    first.kill();
    at_full_speed(&stage);
    let second = stage.run(&["sync", "--yes", "--json"]).expect_code(0);
    assert!(
        second.stderr.contains("did not end properly") && second.stderr.contains(&format!("process {pid}")),
        "{}",
        second.stderr
    );
    assert_everybody_right(&stage, 8);

    // Another process that lives has the dead one's number now: it is told apart by its start.
    let lock = stage
        .home()
        .join("avatar_sync_state_dir/profile-default/lock.json");
    let host = std::process::Command::new("uname").arg("-n").output();
    if let Ok(host) = host {
        let holder = json!({"host": String::from_utf8_lossy(&host.stdout).trim(), "pid": std::process::id(),
            "user": "ada", "since": "2026-01-01T00:00:00Z", "started": "an-earlier-boot 17"});
        std::fs::write(&lock, holder.to_string()).expect("writable");
        let third = stage.run(&["sync", "--yes", "--json"]).expect_code(0);
        assert!(third.stderr.contains("did not end properly"), "{}", third.stderr);
    }
    let fourth = stage.run(&["sync", "--yes", "--json"]).expect_code(0);
    assert!(
        !fourth.stderr.contains("did not end properly"),
        "{}",
        fourth.stderr
    );
    tried("H6", 2);
}

#[test]
fn j6_in_a_folder_that_is_synchronised_there_is_a_warning_and_no_shared_memory() {
    let stage = company(4);
    let state = stage.home().join("OneDrive - Contoso").join("state");
    let state_text = state.to_str().expect("UTF-8");
    let environment = [("AVATAR_SYNC_STATE_DIR", state_text)];
    let ended = stage
        .run_with(&environment, &["sync", "--yes", "--json"])
        .expect_code(0);
    assert!(ended.stderr.contains("OneDrive"), "{}", ended.stderr);
    assert_everybody_right(&stage, 4);
    let journal = state.join("profile-default/journal.sqlite");
    // Bytes 18 and 19 of a database are 2 with a write-ahead log and 1 without (SQLite's file format, 1.3).
    let bytes = std::fs::read(&journal).expect("readable");
    assert_eq!(bytes[18..20], [1, 1], "the rollback journal");
    let history = stage
        .run_with(&environment, &["history", "--json"])
        .expect_code(0)
        .events();
    assert_eq!(history.len(), 1);
    tried("J6", 1);
}
