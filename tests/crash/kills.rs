//! The real binary is killed for good (SIGKILL; TerminateProcess on Windows) at random instants of a run under
//! throttling, started again, and killed again (`reliability.md` I1, P1, P2).
//!
//! Everybody has a new photo, and a run begins to bring them over. It is killed after a random number of its writes and
//! some moments more, so that it dies under way whatever the machine is busy with. The next start settles what was
//! begun and goes on, until it is killed as well. When a start lives to its end everybody takes another photo.

use std::fs::File;
use std::io::{Read as _, Seek as _};
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use avatar_sync::sandbox::Latency;
use avatar_sync::sandbox::portraits::Portrait;
use avatar_sync::sandbox::random::Random;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::common::checker::{Checker, Violation, journal_at};
use crate::common::faults::tried;
use crate::common::people::{company, hash, name};
use crate::common::replay::{Replay, Write};
use crate::common::side_by_side;
use crate::common::{Ended, Stage};
use crate::number;

/// Sets of photos that everybody changes through, so that there is always work to do.
const SETS: usize = 5;
/// Worlds side by side in the long form: a start waits most of its time.
const WORLDS: usize = 4;
/// A start that has neither ended nor come to its instant by then hangs.
const PATIENCE: Duration = Duration::from_mins(10);

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
    label: String,
    stage: Stage,
    people: usize,
    photos: Vec<Vec<Vec<u8>>>,
    random: Random,
    figures: Figures,
}

/// What came of the kills.
#[derive(Clone, Debug, Default)]
struct Figures {
    kills: usize,
    /// Kills at which pushes were begun and not settled.
    hits: usize,
    /// Such pushes, summed up.
    under_way: usize,
    /// Most of them at one kill.
    most_under_way: usize,
    /// Kills while a start was settling what an earlier one had left.
    while_settling: usize,
    /// Kills before anything was announced.
    before_the_run: usize,
    /// Records with two pictures at a kill, summed up.
    doubled_at_kills: usize,
    /// Writes that the instance carried out: instants at which everybody was looked at.
    instants: usize,
    /// People who lost their picture at any of them.
    without_picture: usize,
    /// Starts that settled what was left and went on, each looked at in between.
    resumed: usize,
    /// What was still left then: pushes unsettled, records with two pictures, pictures of ours that nobody sees.
    left_over: usize,
    /// Starts that lived to the end, with everybody right.
    finished: usize,
}

impl Figures {
    fn and(mut self, other: &Self) -> Self {
        self.kills += other.kills;
        self.hits += other.hits;
        self.under_way += other.under_way;
        self.most_under_way = self.most_under_way.max(other.most_under_way);
        self.while_settling += other.while_settling;
        self.before_the_run += other.before_the_run;
        self.doubled_at_kills += other.doubled_at_kills;
        self.instants += other.instants;
        self.without_picture += other.without_picture;
        self.resumed += other.resumed;
        self.left_over += other.left_over;
        self.finished += other.finished;
        self
    }
}

/// What a start was doing when it died.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    BeforeItsRun,
    WhileSettling,
    InItsRun,
}

/// When a start is to die.
#[derive(Clone, Copy, Debug)]
struct Death {
    /// After so many writes that the instance carried out for it.
    writes: u64,
    /// And so much later, for everything in between.
    later: Duration,
}

/// What the journal's file says of runs.
#[derive(Debug, Default)]
struct Progress {
    /// Id and beginning, oldest first.
    runs: Vec<(String, Timestamp)>,
    /// The run and person of every push that was begun and not settled.
    under_way: Vec<(String, String)>,
}

impl Battlefield {
    fn of(label: String, people: usize, seed: u64) -> Self {
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
            label,
            stage,
            people,
            photos,
            random: Random::new(seed),
            figures: Figures::default(),
        }
    }

    fn everybody_takes_another_photo(&self, set: usize) {
        for number in 0..self.people {
            let path = format!("/entra/users/{}/photo", name(number).replace('@', "%40"));
            let bytes = self.photos[set % SETS][number].clone();
            self.stage.request(reqwest::Method::PUT, &path, bytes);
        }
    }

    /// Kills and starts again until there were enough kills or everybody has their new photo.
    fn until_everybody_is_right(&mut self, set: usize, kills: usize) {
        self.everybody_takes_another_photo(set);
        while !self.start(set, kills) {}
    }

    /// One start, and everything that must be true of it; answers true if it lived to its end.
    fn start(&mut self, set: usize, kills: usize) -> bool {
        let death = (self.figures.kills < kills).then(|| self.random_death());
        let left = self.progress();
        let checker = Checker::begin(&self.stage);
        let rows = self.stage.lines("/snapshot");
        let first = self
            .stage
            .writes()
            .last()
            .map_or(0, |entry| Write::of(entry).number);
        let began = Instant::now();
        let ended = self.run(first, death);
        let took = began.elapsed();
        self.nothing_is_on_the_wire();
        let progress = self.progress();
        let checker = match ended {
            Some(_) => checker,
            None => checker.just_killed(),
        };
        let violations = checker.violations();
        drop(checker);
        let writes = self.writes_after(first);
        let has_begun_anew = progress.runs.len() > left.runs.len();
        if has_begun_anew && !left.under_way.is_empty() {
            self.figures.resumed += 1;
            self.figures.left_over += left_over(&progress, &rows, &writes);
        }
        self.figures.instants += writes.len();
        let lost = |violation: &&Violation| violation.invariant == 1;
        self.figures.without_picture += violations.iter().filter(lost).count();
        let label = format!("{}, photos {set}", self.label);
        if let Some(ended) = &ended {
            self.figures.finished += 1;
            println!("{label}: a start lived; {} writes in {took:.1?}", writes.len());
            let left = &progress.under_way;
            assert!(left.is_empty(), "{left:?} are left\n{}", ended.stderr);
        } else {
            let phase = if has_begun_anew {
                Phase::InItsRun
            } else if left.under_way.is_empty() {
                Phase::BeforeItsRun
            } else {
                Phase::WhileSettling
            };
            let told = self.count_kill(phase, progress.under_way.len());
            println!("{label}: {told}, after {} writes and {took:.1?}", writes.len());
        }
        let complaints: Vec<String> = violations.iter().take(40).map(ToString::to_string).collect();
        assert!(violations.is_empty(), "{label}:\n{}", complaints.join("\n"));
        assert_eq!(self.figures.left_over, 0, "{label}");
        if let Some(ended) = ended {
            ended.expect_code(0);
            self.everybody_shows(set);
            return true;
        }
        false
    }

    /// Adds a kill to the figures; says in words what it hit.
    fn count_kill(&mut self, phase: Phase, under_way: usize) -> String {
        let doubled = self.doubled();
        let figures = &mut self.figures;
        figures.kills += 1;
        figures.hits += usize::from(under_way > 0);
        figures.under_way += under_way;
        figures.most_under_way = figures.most_under_way.max(under_way);
        figures.doubled_at_kills += doubled;
        figures.while_settling += usize::from(phase == Phase::WhileSettling);
        figures.before_the_run += usize::from(phase == Phase::BeforeItsRun);
        format!(
            "kill {} {phase:?}: {under_way} people under way, {doubled} records with two pictures",
            figures.kills
        )
    }

    /// Mostly in the middle of a run, now and then while what was left is being settled.
    fn random_death(&mut self) -> Death {
        let most = if self.random.percent(15) {
            self.people / 12
        } else {
            self.people * 3 / 4
        };
        Death {
            writes: 1 + self.random.below(most as u64),
            later: Duration::from_micros(self.random.below(20_000)),
        }
    }

    /// Starts the program, and kills it when its time has come; `None` if it was killed.
    fn run(&self, first: u64, death: Option<Death>) -> Option<Ended> {
        let mut said = [tempfile::tempfile(), tempfile::tempfile()].map(|file| file.expect("a file"));
        let to = |file: &File| Stdio::from(file.try_clone().expect("our own file"));
        let everybody = ["--max-change-share", "100"];
        let mut command = self.stage.command(&["sync", "--yes", "--json"]);
        command.args(everybody);
        command.stdout(to(&said[0])).stderr(to(&said[1]));
        let mut program = command.spawn().expect("the program starts");
        let code = self.wait(&mut program, first, death);
        let [stdout, stderr] = said.each_mut().map(|file| {
            let mut text = String::new();
            file.rewind().expect("our own file");
            file.read_to_string(&mut text).expect("output is UTF-8");
            text
        });
        let ended = Ended {
            code: code.unwrap_or(-1),
            stdout,
            stderr,
        };
        self.stage.heard(ended.clone());
        code.map(|_| ended)
    }

    /// The code it ended with; `None` if it was killed.
    fn wait(&self, program: &mut Child, first: u64, death: Option<Death>) -> Option<i32> {
        let began = Instant::now();
        loop {
            if let Some(status) = program.try_wait().expect("our own process") {
                return Some(status.code().unwrap_or(-1));
            }
            let is_time = death.is_some_and(|death| self.has_written(first, death.writes));
            let hangs = began.elapsed() > PATIENCE;
            if is_time || hangs {
                std::thread::sleep(death.map_or(Duration::ZERO, |death| death.later));
                program.kill().expect("our own process");
                let status = program.wait().expect("our own process");
                assert!(!hangs, "it neither ended nor wrote as much as {death:?}");
                // It may have come to its end in the last moment.
                return status.success().then_some(0);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn has_written(&self, first: u64, writes: u64) -> bool {
        let instance = self.stage.sandbox.world().instance.read();
        !instance.log_after(first + writes - 1, 1).is_empty()
    }

    fn writes_after(&self, first: u64) -> Vec<Write> {
        let entries = self.stage.lines(&format!("/log?after={first}"));
        entries.iter().map(Write::of).collect()
    }

    /// What a dead process has sent is carried out all the same, a moment later.
    fn nothing_is_on_the_wire(&self) {
        let began = Instant::now();
        loop {
            let traffic = self.stage.control("/traffic");
            let lanes = traffic["lanes"].as_object().expect("an object");
            if lanes.values().all(|lane| lane["in_flight"] == 0) {
                return;
            }
            assert!(began.elapsed() < PATIENCE, "{traffic:#}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Records with more than one picture.
    fn doubled(&self) -> usize {
        doubled(&Replay::of(&self.stage.lines("/snapshot")))
    }

    fn everybody_shows(&self, set: usize) {
        let replay = Replay::of(&self.stage.lines("/snapshot"));
        let shown = replay.everybody();
        let by_name: Vec<(&str, &Option<String>)> = shown
            .iter()
            .map(|(user, shown)| (replay.name(user), shown))
            .collect();
        assert_eq!(by_name.len(), self.people);
        for number in 0..self.people {
            let name = name(number);
            let (_, shown) = by_name.iter().find(|(known, _)| *known == name).expect("listed");
            assert_eq!(**shown, Some(hash(&self.photos[set % SETS][number])), "{name}");
        }
        assert_eq!(doubled(&replay), 0, "nobody has two pictures at a record");
    }

    /// The journal's file as a dead process has left it.
    fn progress(&self) -> Progress {
        let path: PathBuf = self
            .stage
            .home()
            .join("avatar_sync_state_dir/profile-default/journal.sqlite");
        let rows = |sql: &str| -> Option<Vec<(String, String)>> {
            let journal = path.exists().then(|| journal_at(&path))?;
            // Killed before the tables were there.
            let mut statement = journal.prepare(sql).ok()?;
            let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
            Some(rows.expect("readable").collect::<Result<_, _>>().expect("rows"))
        };
        let runs = rows("SELECT id, started FROM runs ORDER BY started, id").unwrap_or_default();
        Progress {
            runs: runs
                .into_iter()
                .map(|(id, started)| (id, started.parse().expect("a time")))
                .collect(),
            under_way: rows("SELECT run, source FROM under_way").unwrap_or_default(),
        }
    }
}

/// How much of what an earlier start had left was there when this one began its own run: records with two pictures,
/// pictures of ours that their record does not show, and pushes that are not settled.
fn left_over(progress: &Progress, rows: &[Value], writes: &[Write]) -> usize {
    let (run, began) = progress.runs.last().expect("it has begun a run");
    let mut replay = Replay::of(rows);
    for write in writes {
        let time: Timestamp = write.time.parse().expect("a time");
        if time >= *began {
            break;
        }
        replay.carry_out(write);
    }
    let hidden = replay.owners.keys().flat_map(|record| {
        let shown = replay.shown_at(record);
        replay.images_of(record).filter(move |(id, _)| shown != Some(*id))
    });
    let unsettled = progress.under_way.iter().filter(|(of, _)| of != run);
    doubled(&replay) + hidden.count() + unsettled.count()
}

fn doubled(replay: &Replay) -> usize {
    let records = replay.owners.keys();
    records
        .filter(|record| replay.images_of(record).count() > 1)
        .count()
}

/// Kills one program after the other in one world.
fn killed_again_and_again(label: String, people: usize, kills: usize, seed: u64) -> Figures {
    println!("{label}: seed {seed}");
    let mut field = Battlefield::of(label, people, seed);
    for set in 0.. {
        field.until_everybody_is_right(set, kills);
        if field.figures.kills >= kills {
            break;
        }
    }
    field.figures
}

#[test]
fn killed_five_times_in_a_run_nobody_loses_a_picture_and_the_next_start_leaves_nothing_behind() {
    let seed = number("AVATAR_SYNC_TEST_SEED", 1);
    let figures = killed_again_and_again("12 people".into(), 12, 5, seed);
    println!("{figures:?}");
    tried("I1", figures.kills);
}

#[test]
#[ignore = "200 kills of 500-person runs: a quarter of an hour; see docs/testing.md"]
fn killed_two_hundred_times_in_runs_of_five_hundred_people() {
    let kills = number("AVATAR_SYNC_TEST_KILLS", 200) as usize;
    let worlds = WORLDS.min(kills);
    let seed = number("AVATAR_SYNC_TEST_SEED", 2);
    let began = Instant::now();
    let figures = side_by_side(worlds, worlds, |world| {
        let kills = kills / worlds + usize::from(world < kills % worlds);
        killed_again_and_again(format!("world {world}"), 500, kills, seed + world as u64)
    });
    let figures = figures.iter().fold(Figures::default(), Figures::and);
    println!(
        "500 people, {worlds} worlds, {:.0?}: {figures:#?}",
        began.elapsed()
    );
    assert_eq!(figures.kills, kills);
    assert!(figures.hits * 10 >= figures.kills * 8, "most kills hit somebody");
    tried("I1", figures.kills);
}
