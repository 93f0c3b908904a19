//! No room on the disk (`reliability.md` J1, J2). The kernel refuses to let any file of the program grow beyond a limit,
//! as a full disk or a used-up quota would; the limit is set and lifted from outside, so no rights are needed.

use std::process::Command;
use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, prlimit};

use crate::common::faults::tried;
use crate::common::people::company;
use crate::common::{Stage, side_by_side};
use crate::{Running, assert_everybody_right, at_full_speed, is_update, slow};

const PEOPLE: usize = 24;

/// A run whose process is not ended by the signal that goes with the limit.
fn start(stage: &Stage) -> Running {
    let binary = stage.command(&[]);
    let mut command = Command::new("/bin/sh");
    command
        .args(["-c", "trap '' XFSZ; exec \"$0\" sync --yes --json"])
        .arg(binary.get_program())
        .current_dir(stage.home())
        .env_clear();
    command.envs(binary.get_envs().filter_map(|(name, value)| Some((name, value?))));
    Running::of(command)
}

fn limit(running: &Running, bytes: Option<u64>) {
    let pid = Pid::from_child(&running.child);
    let wanted = Rlimit {
        current: bytes,
        maximum: None,
    };
    prlimit(Some(pid), Resource::Fsize, wanted).expect("the process is ours");
}

/// Lets the journal's log grow by `more` bytes and no further, and waits until the run has paused.
fn fill_up(stage: &Stage, running: &mut Running, more: u64) {
    let log = stage
        .home()
        .join("avatar_sync_state_dir/profile-default/journal.sqlite-wal");
    let length = std::fs::metadata(log).expect("a log").len();
    limit(running, Some(length + more));
    running.until(|event| event["event"] == "waiting" && event["lane"] == "disk");
}

/// What the instance carried out was announced in the journal before.
fn assert_all_announced(stage: &Stage) -> usize {
    let writes = stage.writes().len();
    let announced = stage.run(&["audit"]).expect_code(0).events().len();
    assert!(announced >= writes, "{announced} announced, {writes} carried out");
    writes
}

#[test]
fn j1_without_room_nothing_is_sent_and_with_room_the_run_goes_on() {
    const TIMES: usize = 3;
    side_by_side(TIMES, TIMES, |time| {
        let stage = company(PEOPLE);
        slow(&stage, 200);
        let mut running = start(&stage);
        running.until(is_update);
        fill_up(&stage, &mut running, time as u64 * 5_000);
        // What was on its way arrives; then all is quiet.
        std::thread::sleep(Duration::from_millis(1_500));
        let writes = assert_all_announced(&stage);
        std::thread::sleep(Duration::from_millis(1_500));
        assert_eq!(assert_all_announced(&stage), writes, "nothing is sent meanwhile");
        limit(&running, None);
        at_full_speed(&stage);
        let ended = running.ended().expect_code(0);
        assert_eq!(ended.summary()["updated"], PEOPLE as u64, "{ended:?}");
        assert!(ended.stderr.contains("no room on the disk"), "{}", ended.stderr);
        assert_everybody_right(&stage, PEOPLE);
        let audit = stage.run(&["audit"]).expect_code(0).events();
        assert!(
            audit.iter().all(|line| line["outcome"] != "unknown"),
            "every result was written in the end"
        );
        stage.run(&["audit", "--verify"]).expect_code(0);
    });
    tried("J1", TIMES);
}

#[test]
fn j2_killed_without_room_for_its_results_the_next_start_looks_at_the_service() {
    const TIMES: usize = 3;
    side_by_side(TIMES, TIMES, |time| {
        let stage = company(PEOPLE);
        slow(&stage, 200);
        let mut running = start(&stage);
        running.until(is_update);
        fill_up(&stage, &mut running, time as u64 * 3_000);
        std::thread::sleep(Duration::from_millis(1_000));
        assert_all_announced(&stage);
        running.kill();
        at_full_speed(&stage);
        let resumed = stage.run(&["resume", "--yes", "--json"]).expect_code(0);
        assert_eq!(resumed.summary()["failed"], 0, "{resumed:?}");
        assert_everybody_right(&stage, PEOPLE);
        stage.run(&["audit", "--verify"]).expect_code(0);
    });
    tried("J2", TIMES);
}
