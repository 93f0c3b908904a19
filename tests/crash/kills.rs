//! The real binary is killed for good (SIGKILL; TerminateProcess on Windows) at random instants of a run under
//! throttling (`reliability.md` I1, P1, P2).

use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use avatar_sync::sandbox::Latency;
use avatar_sync::sandbox::portraits::Portrait;
use avatar_sync::sandbox::random::Random;
use serde_json::json;

use crate::common::Stage;
use crate::common::checker::Checker;
use crate::common::faults::tried;
use crate::common::people::{company, name};

/// Sets of photos that everybody changes through, so that there is always work to do.
const SETS: usize = 5;

/// A photo of a person; no two of any person or set look alike.
fn photo(number: usize, set: usize) -> Vec<u8> {
    Portrait::new(
        (number + 10_000 * (set + 1)) as u32,
        (number * 2 + 1 + set * 1_000) as u16,
    )
    .with_width(96)
    .bytes()
    .to_vec()
}

/// A company under throttling, and a program that is killed again and again.
struct Battlefield {
    stage: Stage,
    people: usize,
    photos: Vec<Vec<Vec<u8>>>,
    random: Random,
}

/// What came of the kills.
#[derive(Debug, Default)]
struct Figures {
    kills: usize,
    /// Kills that came before the program had announced anything, or after its end.
    idle: usize,
    /// People with begun and unsettled pushes at a kill, summed up.
    under_way: usize,
    /// Most of them at one kill.
    most_under_way: usize,
    /// Writes that ServiceNow carried out.
    writes: u64,
}

impl Battlefield {
    fn of(people: usize, seed: u64) -> Self {
        let stage = company(people);
        stage
            .sandbox
            .set_latency(Latency::fixed(Duration::from_millis(2)));
        let photos = (0..SETS)
            .map(|set| (0..people).map(|number| photo(number, set)).collect())
            .collect();
        let switches = json!({"attachments": {"scan_ms": 100}, "throttle": {"enabled": true}});
        stage.request(
            reqwest::Method::PATCH,
            "/settings/servicenow",
            switches.to_string().into_bytes(),
        );
        for service in ["entra", "servicenow"] {
            stage.post(
                "/faults",
                &json!({"service": service, "path": "^/(v1.0|api)/", "probability": 0.03, "times": null,
                        "do": {"status": 429, "headers": {"Retry-After": "0.1"}, "body": ""}}),
            );
        }
        Self {
            stage,
            people,
            photos,
            random: Random::new(seed),
        }
    }

    fn everybody_takes_another_photo(&self, set: usize) {
        for number in 0..self.people {
            let path = format!("/entra/users/{}/photo", name(number).replace('@', "%40"));
            let bytes = self.photos[set % SETS][number].clone();
            self.stage.request(reqwest::Method::PUT, &path, bytes);
        }
    }

    /// One kill and what must be true after it.
    fn kill(&mut self, round: usize, longest: Duration, figures: &mut Figures) {
        self.everybody_takes_another_photo(round);
        let killed = Checker::begin(&self.stage).just_killed();
        let writes = self.stage.writes().len() as u64;
        let after = Duration::from_micros(self.random.below(longest.as_micros() as u64));
        let mut command = self.stage.command(&["sync", "--yes", "--json"]);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let mut program = command.spawn().expect("the program starts");
        std::thread::sleep(after);
        program.kill().expect("our own process");
        program.wait().expect("our own process");
        let under_way = self.under_way();
        figures.kills += 1;
        figures.under_way += under_way;
        figures.most_under_way = figures.most_under_way.max(under_way);
        figures.idle += usize::from(under_way == 0);
        killed.assert();
        drop(killed);
        // The next start settles what was begun before it does anything else.
        let settled = Checker::begin(&self.stage);
        let next = name(self.random.below(self.people as u64) as usize);
        self.stage.run(&["push", &next, "--yes", "--json"]).expect_code(0);
        settled.assert();
        assert_eq!(self.under_way(), 0, "nothing is left over");
        assert_eq!(self.doubled(), 0, "nobody has two pictures at a record");
        figures.writes += self.stage.writes().len() as u64 - writes;
    }

    /// Records with more than one picture.
    fn doubled(&self) -> usize {
        let mut records: Vec<String> = self
            .stage
            .lines("/snapshot")
            .iter()
            .filter(|row| {
                row["table_name"]
                    .as_str()
                    .is_some_and(|table| table.starts_with("ZZ_YY") && table != "ZZ_YYsys_attachment")
            })
            .map(|row| row["table_sys_id"].to_string())
            .collect();
        let all = records.len();
        records.sort();
        records.dedup();
        all - records.len()
    }

    fn journal(&self) -> PathBuf {
        self.stage
            .home()
            .join("avatar_sync_state_dir/profile-default/journal.sqlite")
    }

    /// People with begun and unsettled pushes, as the journal's file says.
    fn under_way(&self) -> usize {
        let path = self.journal();
        if !path.exists() {
            return 0;
        }
        let journal = rusqlite::Connection::open(path).expect("opens");
        let count = journal.query_row("SELECT count(*) FROM under_way", [], |row| row.get(0));
        // Killed before the tables were there.
        count.unwrap_or(0_i64) as usize
    }
}

fn killed_again_and_again(people: usize, kills: usize, seed: u64) -> Figures {
    println!("seed {seed}");
    let mut field = Battlefield::of(people, seed);
    // How long a run takes here decides what a random instant is.
    let began = Instant::now();
    field.stage.run(&["sync", "--yes", "--json"]).expect_code(0);
    let longest = began.elapsed();
    let mut figures = Figures::default();
    for round in 0..kills {
        field.kill(round, longest, &mut figures);
    }
    field.everybody_takes_another_photo(kills);
    let checker = Checker::begin(&field.stage);
    field.stage.run(&["sync", "--yes", "--json"]).expect_code(0);
    checker.assert();
    println!("{people} people, a run of {longest:?}: {figures:?}");
    figures
}

fn number(variable: &str, usual: u64) -> u64 {
    std::env::var(variable).map_or(usual, |value| value.parse().expect("a number"))
}

#[test]
fn killed_five_times_in_a_run_nobody_loses_a_picture_and_the_next_start_leaves_nothing_behind() {
    let figures = killed_again_and_again(12, 5, number("AVATAR_SYNC_TEST_SEED", 1));
    tried("I1", figures.kills);
}

#[test]
#[ignore = "200 kills of 500-person runs: the better part of an hour; see docs/testing.md"]
fn killed_two_hundred_times_in_runs_of_five_hundred_people() {
    let kills = number("AVATAR_SYNC_TEST_KILLS", 200) as usize;
    let figures = killed_again_and_again(500, kills, number("AVATAR_SYNC_TEST_SEED", 2));
    // Most instants are in the middle of the writes.
    assert!(figures.idle * 2 < figures.kills, "{figures:?}");
    tried("I1", figures.kills);
}
