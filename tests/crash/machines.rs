//! Two administrators on two machines push the same people at the same time (`reliability.md` H1).

use std::collections::HashMap;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use avatar_sync::sandbox::Latency;
use avatar_sync::sandbox::random::Random;
use serde_json::Value;

use crate::common::checker::Checker;
use crate::common::faults::tried;
use crate::common::people::{company, hash, name, photo};
use crate::common::side_by_side;
use crate::common::{Ended, Stage, bare_command};
use crate::number;

/// Rounds of the long form side by side.
const ROUNDS_AT_ONCE: usize = 3;

/// Another machine: a home of its own, and the same two services.
struct Machine<'a> {
    stage: &'a Stage,
    home: tempfile::TempDir,
}

impl<'a> Machine<'a> {
    fn beside(stage: &'a Stage) -> Self {
        let home = tempfile::tempdir().expect("a folder");
        Self { stage, home }
    }

    fn start(&self, arguments: &[&str]) -> Child {
        let mut command = bare_command(self.home.path(), arguments);
        command
            .envs(self.stage.environment())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command.spawn().expect("the program starts")
    }

    fn end(&self, program: Child) -> Ended {
        let output = program.wait_with_output().expect("our own process");
        let ended = Ended {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).expect("output is UTF-8"),
            stderr: String::from_utf8(output.stderr).expect("output is UTF-8"),
        };
        self.stage.heard(ended.clone());
        ended
    }
}

/// Twice as much may be on its way when two programs work.
fn checked<'a>(stage: &'a Stage, machines: &[&Machine<'_>]) -> Checker<'a> {
    let checker = machines.iter().fold(Checker::begin(stage), |checker, machine| {
        checker.and_home(machine.home.path())
    });
    checker
        .cap("login", 2)
        .cap("directory", 4)
        .cap("photos", 32)
        .cap("servicenow", 8)
}

/// How each person's steps ended, on all machines.
fn outcomes(runs: &[&Ended]) -> HashMap<String, Vec<String>> {
    let mut outcomes: HashMap<String, Vec<String>> = HashMap::new();
    for event in runs.iter().flat_map(|run| run.events()) {
        if event["event"] == "step" {
            let text = |value: &Value| value.as_str().expect("text").to_owned();
            outcomes
                .entry(text(&event["person"]["upn"]))
                .or_default()
                .push(text(&event["outcome"]));
        }
    }
    outcomes
}

/// Everybody shows their photo, once at each record.
fn assert_everybody_has_one_valid_picture(stage: &Stage, people: usize) {
    let avatars = stage.control("/avatars");
    let avatars: HashMap<&str, &Value> = avatars
        .as_array()
        .expect("a list")
        .iter()
        .map(|user| (user["user_name"].as_str().expect("text"), user))
        .collect();
    for number in 0..people {
        let user = avatars[name(number).as_str()];
        let wanted = hash(&photo(number));
        assert_eq!(user["effective"]["sha256"], wanted, "{user:#}");
        for table in ["ZZ_YYlive_profile", "ZZ_YYsys_user"] {
            let rows: Vec<&Value> = user["attachments"]
                .as_array()
                .expect("a list")
                .iter()
                .filter(|row| row["table_name"] == *table)
                .collect();
            assert!(rows.len() == 1 && rows[0]["sha256"] == wanted, "{user:#}");
        }
    }
}

/// Two programs at once; answers how many people each of them found changed meanwhile.
fn at_once(people: usize) -> [usize; 2] {
    let stage = company(people);
    stage
        .sandbox
        .set_latency(Latency::fixed(Duration::from_millis(1)));
    let machines = [Machine::beside(&stage), Machine::beside(&stage)];
    let checker = checked(&stage, &[&machines[0], &machines[1]]);
    let programs = [0, 1].map(|machine| machines[machine].start(&["sync", "--yes", "--json"]));
    let [first, second] = programs;
    // Both outputs are read to the end; neither may wait for the other's reader.
    let (first, second) = std::thread::scope(|scope| {
        let waiting = scope.spawn(move || second.wait_with_output().expect("our own process"));
        let first = machines[0].end(first);
        let output = waiting.join().expect("no panic");
        let second = Ended {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).expect("output is UTF-8"),
            stderr: String::from_utf8(output.stderr).expect("output is UTF-8"),
        };
        (first, second)
    });
    stage.heard(second.clone());
    let (first, second) = (first.expect_code(0), second.expect_code(0));
    for (person, outcomes) in outcomes(&[&first, &second]) {
        let is_fine =
            |outcome: &String| ["updated", "unchanged", "changed_meanwhile"].contains(&outcome.as_str());
        assert!(outcomes.iter().all(is_fine), "{person}: {outcomes:?}");
        let changed = outcomes.iter().filter(|outcome| *outcome == "changed_meanwhile");
        assert!(changed.count() <= 1, "{person}: {outcomes:?}");
    }
    checker.assert();
    assert_everybody_has_one_valid_picture(&stage, people);
    let changed = |run: &Ended| run.summary()["changed_meanwhile"].as_u64().expect("a number") as usize;
    let counts = [changed(&first), changed(&second)];
    // Nothing is left to do, from either machine.
    for machine in &machines {
        let again = machine
            .end(machine.start(&["sync", "--yes", "--json"]))
            .expect_code(0);
        assert_eq!(again.summary()["updated"], 0, "{again:?}");
    }
    counts
}

#[test]
fn two_machines_that_push_the_same_people_at_once_leave_everybody_one_valid_picture() {
    side_by_side(2, 2, |_| at_once(20));
    tried("H1", 2);
}

#[test]
#[ignore = "fifty times two hundred people: some minutes; see docs/testing.md"]
fn two_machines_push_the_same_two_hundred_people_at_once_fifty_times() {
    let rounds = number("AVATAR_SYNC_TEST_ROUNDS", 50) as usize;
    let began = Instant::now();
    let changed = side_by_side(ROUNDS_AT_ONCE, rounds, |round| {
        let began = Instant::now();
        let changed = at_once(200);
        println!(
            "round {round}: everybody has one valid picture; {changed:?} people changed meanwhile, {:.1?}",
            began.elapsed()
        );
        changed.iter().sum::<usize>()
    });
    println!(
        "{rounds} rounds of 2 machines and 200 people, {:.0?}; {} times somebody was changed meanwhile",
        began.elapsed(),
        changed.iter().sum::<usize>()
    );
    tried("H1", rounds);
}

/// The second machine is killed in the middle while the first goes on; then it starts again.
fn one_dies(people: usize, seed: u64) {
    println!("seed {seed}");
    let mut random = Random::new(seed);
    let stage = company(people);
    stage
        .sandbox
        .set_latency(Latency::fixed(Duration::from_millis(1)));
    let machines = [Machine::beside(&stage), Machine::beside(&stage)];
    let checker = checked(&stage, &[&machines[0], &machines[1]]).just_killed();
    let lives = machines[0].start(&["sync", "--yes", "--json"]);
    let mut dies = machines[1].start(&["sync", "--yes", "--json"]);
    // Until pictures are on their way, and then a little longer.
    while stage.writes().is_empty() && dies.try_wait().expect("our own process").is_none() {
        std::thread::sleep(Duration::from_millis(5));
    }
    std::thread::sleep(Duration::from_millis(random.below(1_500)));
    dies.kill().expect("our own process");
    dies.wait().expect("our own process");
    machines[0].end(lives).expect_code(0);
    checker.assert();
    drop(checker);
    for machine in [&machines[1], &machines[0]] {
        machine
            .end(machine.start(&["sync", "--yes", "--json"]))
            .expect_code(0);
    }
    assert_everybody_has_one_valid_picture(&stage, people);
}

#[test]
fn a_machine_that_dies_while_another_pushes_the_same_people_leaves_nothing_behind() {
    one_dies(20, 1);
    tried("H1", 1);
}

#[test]
#[ignore = "twenty times a hundred people; see docs/testing.md"]
fn a_machine_dies_at_twenty_instants_while_another_pushes_the_same_people() {
    side_by_side(ROUNDS_AT_ONCE, 20, |seed| one_dies(100, seed as u64));
    tried("H1", 20);
}
