//! What stays on this machine: sealed, for so long, and gone when somebody asks (`reliability.md` 8.10).

use crate::common;

use std::path::{Path, PathBuf};

use common::faults::tried;
use common::people::{company, hash, name, old_picture, photo};
use common::{Ended, Stage, VAULT_KEY};
use serde_json::Value;

/// Every file of the state and cache folders: its path below them, and its bytes.
fn files(stage: &Stage) -> Vec<(String, Vec<u8>)> {
    let paths = stage.store_paths();
    let mut files = Vec::new();
    let mut folders = vec![paths.state_dir, paths.cache_dir];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let below = path.strip_prefix(stage.home()).expect("below the home");
                let bytes = std::fs::read(&path).expect("readable");
                files.push((below.display().to_string(), bytes));
            }
        }
    }
    files
}

/// The files in which these bytes stand.
fn files_with(stage: &Stage, needle: &[u8]) -> Vec<String> {
    let mut with = files(stage);
    with.retain(|(_, bytes)| bytes.windows(needle.len()).any(|window| window == needle));
    with.into_iter().map(|(path, _)| path).collect()
}

/// Hash of what a user sees.
fn seen(stage: &Stage, user: &str) -> Option<String> {
    let user = stage.control(&format!("/avatars?user_name={user}"));
    user[0]["effective"]["sha256"].as_str().map(str::to_owned)
}

fn push(stage: &Stage, number: usize) -> Ended {
    stage.run(&["push", &name(number), "--yes"]).expect_code(0)
}

/// The newest run.
fn newest_run(stage: &Stage) -> String {
    let runs = stage.run(&["history", "--json", "--limit", "1"]).expect_code(0);
    let run: Value = serde_json::from_str(runs.stdout.lines().next().expect("a run")).expect("JSON");
    run["run"].as_str().expect("text").to_owned()
}

#[test]
fn a_replaced_picture_is_sealed_comes_back_byte_for_byte_and_can_be_forgotten() {
    let stage = company(3);
    stage.run(&["status", "--deep"]).expect_code(0);
    push(&stage, 0);
    push(&stage, 2);
    assert_eq!(seen(&stage, &name(0)), Some(hash(&photo(0))));

    // Neither a face nor a hint whose face it is.
    let old = hash(&old_picture(0));
    assert_eq!(files_with(&stage, &old_picture(0)[..64]), Vec::<String>::new());
    for (path, bytes) in files(&stage).iter().filter(|(path, _)| path.contains("vault")) {
        assert!(!bytes.starts_with(b"\xff\xd8"), "{path} is a JPEG");
        assert!(
            !path.contains(&old[..12]),
            "{path} is named by the picture's hash"
        );
    }
    let info = stage.run(&["info", "--json"]).expect_code(0).json();
    assert_eq!(
        (info["vault_encryption"].as_str(), &info["vault_pictures"]),
        (Some("sealed"), &info["vault_sealed"])
    );

    stage.run(&["undo", &name(0), "--yes"]).expect_code(0);
    assert_eq!(seen(&stage, &name(0)), Some(old), "byte for byte");

    let needles = [name(0), "Person 0".to_owned()];
    for needle in &needles {
        assert!(
            !files_with(&stage, needle.as_bytes()).is_empty(),
            "{needle} is known before"
        );
    }
    // SQLite's companions come and go with whoever reads.
    let lasting = || {
        let mut files = files(&stage);
        files.retain(|(path, _)| !path.ends_with("-shm") && !path.ends_with("-wal"));
        files.sort();
        files
    };
    let before = lasting();
    let dry = stage.run(&["forget", &name(0), "--dry-run"]).expect_code(0);
    assert!(
        dry.stdout.contains("Person 0") && dry.stdout.contains("nothing was removed"),
        "{dry:?}"
    );
    assert!(lasting() == before, "a dry run changes nothing");
    // Nobody to ask.
    stage.run(&["forget", &name(0)]).expect_code(2);
    let forgotten = stage.run(&["forget", &name(0), "--yes"]).expect_code(0);
    assert!(forgotten.stdout.contains("Forgotten"), "{forgotten:?}");
    for needle in &needles {
        assert_eq!(
            files_with(&stage, needle.as_bytes()),
            Vec::<String>::new(),
            "{needle}"
        );
    }
    assert_eq!(stage.kept(&hash(&old_picture(0))), None);
    // The others are as they were, and what was done can still be proved.
    assert!(!files_with(&stage, name(2).as_bytes()).is_empty());
    assert_eq!(stage.kept(&hash(&old_picture(2))), Some(old_picture(2)));
    stage.run(&["audit", "--verify"]).expect_code(0);
    let known = stage.run(&["forget", &name(0), "--json"]).expect_code(0).json();
    assert_eq!(known["known"], false);
    assert_eq!(
        seen(&stage, &name(0)),
        Some(hash(&old_picture(0))),
        "ServiceNow was not touched"
    );
}

#[test]
fn an_undo_says_that_the_picture_was_forgotten_or_had_become_too_old() {
    let stage = company(3);
    push(&stage, 0);
    let of_zero = newest_run(&stage);
    push(&stage, 2);
    let of_two = newest_run(&stage);
    stage.run(&["forget", &name(0), "--yes"]).expect_code(0);
    let undone = stage.run(&["undo", &of_zero, "--dry-run"]).expect_code(0);
    assert!(undone.stdout.contains("was forgotten on"), "{undone:?}");

    let journal = rusqlite::Connection::open(stage.store_paths().journal()).expect("opens");
    journal
        .execute(
            "UPDATE kept SET at = '2020-01-01T00:00:00Z' WHERE run = ?1",
            [&of_two],
        )
        .expect("as if it were long ago");
    drop(journal);
    push(&stage, 1);
    let undone = stage.run(&["undo", &of_two, "--dry-run"]).expect_code(0);
    assert!(undone.stdout.contains("age limit"), "{undone:?}");
    assert_eq!(stage.kept(&hash(&old_picture(2))), None);
    assert_eq!(
        seen(&stage, &name(2)),
        Some(hash(&photo(2))),
        "the new picture stays"
    );
}

#[test]
fn forgetting_everything_leaves_the_configuration_alone() {
    let stage = company(3);
    push(&stage, 0);
    let folder = stage.home().join("avatar_sync_config_dir");
    std::fs::create_dir_all(&folder).expect("a folder");
    std::fs::write(folder.join("config.toml"), "").expect("writable");
    stage.run(&["forget", "--all", "--dry-run"]).expect_code(0);
    stage.run(&["forget", "--all"]).expect_code(2);
    let gone = stage.run(&["forget", "--all", "--yes"]).expect_code(0);
    assert!(gone.stdout.contains("The configuration stays"), "{gone:?}");
    assert_eq!(files(&stage), vec![]);
    assert!(folder.join("config.toml").exists());
    // The next run begins anew.
    push(&stage, 2);
}

#[test]
fn another_key_than_the_pictures_are_sealed_with_is_refused_before_anything_is_sent() {
    let stage = company(3);
    push(&stage, 0);
    let writes = stage.writes().len();
    let other = "5".repeat(64);
    let other = [("AVATAR_SYNC_VAULT_KEY", other.as_str())];
    for command in [
        &["push", &name(2), "--yes"][..],
        &["undo", &name(0), "--yes"],
        &["sync", "--yes"],
    ] {
        let refused = stage.run_with(&other, command).expect_code(2);
        assert!(refused.stderr.contains("are sealed with key"), "{refused:?}");
        assert!(
            refused.stderr.contains("backup"),
            "it says what to do: {refused:?}"
        );
    }
    assert_eq!(stage.writes().len(), writes);
    // Looking needs no key.
    stage.run_with(&other, &["status"]).expect_code(0);
    stage.run_with(&other, &["history"]).expect_code(0);
    let info = stage.run_with(&other, &["info"]).expect_code(0);
    assert!(info.stdout.contains("are sealed with key"), "{info:?}");
}

/// The key comes through a file descriptor, and is nowhere on the disk but where its owner has put it.
#[cfg(unix)]
#[test]
fn a_key_can_come_through_a_file_descriptor() {
    let stage = company(1);
    let outside = tempfile::tempdir().expect("a folder");
    let path = outside.path().join("key");
    std::fs::write(&path, VAULT_KEY).expect("writable");
    let mut command = stage.command(&["push", &name(0), "--yes"]);
    command
        .env_remove("AVATAR_SYNC_VAULT_KEY")
        .env("AVATAR_SYNC_VAULT_KEY_FILE", "/dev/fd/0")
        .stdin(open_for_owner(&path));
    common::finish(&mut command).expect_code(0);
    assert_eq!(stage.kept(&hash(&old_picture(0))), Some(old_picture(0)));
    tried("M2", 1);
}

#[cfg(unix)]
fn open_for_owner(path: &Path) -> std::fs::File {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).expect("own file");
    std::fs::File::open(path).expect("there")
}

/// Where the secret store is found by its address, it can be one that is not there, or one that hangs. Elsewhere it
/// would be the one of the machine that runs the tests.
#[cfg(all(unix, not(target_os = "macos")))]
mod without_a_secret_store {
    use std::os::unix::net::UnixListener;
    use std::time::{Duration, Instant};

    use super::*;

    fn no_bus<'a>(address: &'a str, encryption: &'a str) -> [(&'a str, &'a str); 3] {
        [
            ("AVATAR_SYNC_VAULT_KEY", ""),
            ("AVATAR_SYNC_VAULT_ENCRYPTION", encryption),
            ("DBUS_SESSION_BUS_ADDRESS", address),
        ]
    }

    const NOWHERE: &str = "unix:path=/nonexistent/bus";

    #[test]
    fn pictures_are_kept_as_they_are_and_that_is_said() {
        let stage = company(1);
        let pushed = stage
            .run_with(&no_bus(NOWHERE, "auto"), &["push", &name(0), "--yes"])
            .expect_code(0);
        assert!(
            pushed.stderr.contains("replaced pictures are kept unencrypted"),
            "{pushed:?}"
        );
        let info = stage.run_with(&no_bus(NOWHERE, "auto"), &["info"]).expect_code(0);
        assert!(info.stdout.contains("AVATAR_SYNC_VAULT_KEY"), "{info:?}");
        assert_eq!(stage.kept(&hash(&old_picture(0))), Some(old_picture(0)));
        // With a key from now on, the next writer seals it.
        stage.run(&["push", &name(0), "--yes"]).expect_code(0);
        let info = stage.run(&["info", "--json"]).expect_code(0).json();
        assert_eq!(info["vault_sealed"], info["vault_pictures"]);
        tried("M2", 1);
    }

    #[test]
    fn nothing_is_written_where_sealing_is_required() {
        let stage = company(1);
        for command in [&["push", &name(0), "--yes"][..], &["sync", "--yes"]] {
            let refused = stage
                .run_with(&no_bus(NOWHERE, "required"), command)
                .expect_code(2);
            assert!(refused.stderr.contains("there is no key"), "{refused:?}");
            assert!(refused.stderr.contains("AVATAR_SYNC_VAULT_KEY"), "{refused:?}");
        }
        assert_eq!(stage.writes(), Vec::<Value>::new());
        assert_eq!(seen(&stage, &name(0)), Some(hash(&old_picture(0))));
        stage
            .run_with(&no_bus(NOWHERE, "required"), &["push", &name(0), "--dry-run"])
            .expect_code(0);
        tried("G11", 2);
    }

    #[test]
    fn one_that_hangs_is_not_waited_for() {
        let stage = company(1);
        let socket = stage.home().join("bus");
        // Takes the call and never says a word.
        let _silent = UnixListener::bind(&socket).expect("a socket");
        let address = format!("unix:path={}", socket.display());
        let began = Instant::now();
        let refused = stage
            .run_with(&no_bus(&address, "required"), &["push", &name(0), "--yes"])
            .expect_code(2);
        assert!(
            refused.stderr.contains("did not answer within 2 seconds"),
            "{refused:?}"
        );
        assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
        tried("M2", 1);
    }
}

/// Something stands where every shelf of the vault would be: it opens, and takes nothing.
#[test]
fn without_a_copy_there_is_no_push() {
    let stage = company(1);
    let vault = stage.store_paths().vault();
    std::fs::create_dir_all(&vault).expect("a folder");
    for shelf in 0..256 {
        std::fs::write(vault.join(format!("{shelf:02x}")), "in the way").expect("writable");
    }
    let stopped = stage.run(&["push", &name(0), "--yes"]).expect_code(1);
    assert!(
        stopped.stdout.contains("stopped") || stopped.stderr.contains("cannot"),
        "{stopped:?}"
    );
    assert_eq!(stage.writes(), Vec::<Value>::new());
    assert_eq!(seen(&stage, &name(0)), Some(hash(&old_picture(0))));
    // The cause removed, the same command does it.
    std::fs::remove_dir_all(&vault).expect("removable");
    push(&stage, 0);
    tried("G11", 1);
}

/// A folder that nobody can write to, not even an administrator where there is one.
fn read_only_folder(stage: &Stage) -> PathBuf {
    let folder = stage.home().join("read-only");
    std::fs::create_dir(&folder).expect("a folder");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o500)).expect("own folder");
    }
    let is_read_only = std::fs::write(folder.join("try"), "").is_err();
    if is_read_only {
        return folder;
    }
    // Nobody makes a folder there.
    PathBuf::from("/proc/sys")
}

#[test]
fn a_state_folder_that_cannot_be_written_refuses_writing_and_browsing_works() {
    let stage = company(1);
    let folder = read_only_folder(&stage);
    let state = [("AVATAR_SYNC_STATE_DIR", folder.to_str().expect("text"))];
    let refused = stage
        .run_with(&state, &["push", &name(0), "--yes"])
        .expect_code(1);
    assert!(refused.stderr.contains("cannot create the folder"), "{refused:?}");
    assert_eq!(stage.writes(), Vec::<Value>::new());
    for looking in [
        &["status"][..],
        &["show", &name(0), "--no-images"],
        &["push", &name(0), "--dry-run"],
        &["history"],
        &["info"],
    ] {
        stage.run_with(&state, looking).expect_code(0);
    }
    assert_eq!(stage.writes(), Vec::<Value>::new());
    tried("J3", 1);
}

#[test]
fn a_damaged_cache_is_dropped_and_costs_requests_alone() {
    let stage = company(4);
    let told = |ended: &Ended| {
        let mut people: Vec<(String, String)> = ended.json()["people"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|person| (person["upn"].to_string(), person["verdict"].to_string()))
            .collect();
        people.sort();
        people
    };
    let whole = told(&stage.run(&["status", "--deep", "--json"]).expect_code(0));
    let cache = stage.store_paths().cache();
    let noise = vec![0xff; 70_000];
    let damages: [&[u8]; 4] = [b"", b"no database at all", &[0; 5_000], &noise];
    for damage in damages {
        for file in ["memory.sqlite", "last-scan"] {
            let _ = std::fs::remove_file(cache.join("memory.sqlite-wal"));
            std::fs::write(cache.join(file), damage).expect("writable");
        }
        let again = stage.run(&["status", "--deep", "--json"]).expect_code(0);
        assert_eq!(told(&again), whole);
    }
    tried("J8", 4);
}
