//! The invariants that hold whatever happens (`reliability.md` 5), checked after every scenario.
//!
//! A [`Checker`] takes note of everything before the scenario and compares afterwards: what the sandbox holds and has
//! logged, read over its control address as a stranger would; the journal's file and the vault of every home; and what
//! the program has said. The log of writes is replayed one by one, so that "never" means at no moment.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use avatar_sync::domain::photo::Sha256;
use avatar_sync::store::{Access, Store, StorePaths};
use rusqlite::config::DbConfig;
use serde_json::Value;

use super::replay::{Replay, Write};
use super::{Ended, Stage};

/// The lanes of `GET /traffic` with the most requests that may ever be in flight in them (`reliability.md` 3).
const CAPS: [(&str, u64); 4] = [("login", 1), ("directory", 2), ("photos", 16), ("servicenow", 4)];
/// The tables in which the program writes.
const TABLES: [&str; 3] = ["sys_user", "live_profile", "sys_attachment"];
/// Requests of the log that are looked at; the sandbox keeps no more.
const LOG: usize = 65_536;

/// Something that must never be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Its number in `reliability.md` 5.
    pub invariant: u8,
    /// Whose picture it is about.
    pub person: Option<String>,
    /// The request, or the write in the sandbox's log.
    pub request: Option<u64>,
    /// Sandbox time.
    pub at: Option<String>,
    /// What is wrong.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "invariant {}", self.invariant)?;
        if let Some(person) = &self.person {
            write!(f, ", {person}")?;
        }
        if let Some(request) = self.request {
            write!(f, ", number {request}")?;
        }
        if let Some(at) = &self.at {
            write!(f, ", {at}")?;
        }
        write!(f, ": {}", self.what)
    }
}

fn violation(invariant: u8, what: impl Into<String>) -> Violation {
    Violation {
        invariant,
        person: None,
        request: None,
        at: None,
        what: what.into(),
    }
}

impl Violation {
    fn of(mut self, person: &str) -> Self {
        self.person = Some(person.to_owned());
        self
    }

    fn at_write(mut self, write: &Write) -> Self {
        self.request = Some(write.number);
        self.at = Some(write.time.clone());
        self
    }

    fn at_request(mut self, entry: &Value) -> Self {
        self.request = entry["number"].as_u64();
        let moment = entry["arrived_ms"]
            .as_i64()
            .and_then(|at| jiff::Timestamp::from_millisecond(at).ok());
        self.at = moment.map(|at| at.to_string());
        self
    }
}

/// Takes note before a scenario and checks after it.
pub struct Checker<'a> {
    stage: &'a Stage,
    before: Vec<Value>,
    first_write: u64,
    first_said: usize,
    begun: Instant,
    minutes: Option<f64>,
    caps: BTreeMap<&'static str, u64>,
    only: Option<BTreeSet<String>>,
    may_lose: BTreeSet<String>,
    homes: Vec<PathBuf>,
    is_dry: bool,
    is_interrupted: bool,
    photos_move: bool,
    may_convert: bool,
    with_cookies: bool,
}

impl<'a> Checker<'a> {
    /// Takes note of everything as it is, and forgets the requests so far.
    pub fn begin(stage: &'a Stage) -> Self {
        stage.request(reqwest::Method::DELETE, "/requests", Vec::new());
        let before = stage.lines("/snapshot");
        let first_write = stage.writes().last().map_or(0, |entry| Write::of(entry).number);
        Self {
            stage,
            before,
            first_write,
            first_said: stage.said().len(),
            begun: Instant::now(),
            minutes: None,
            caps: CAPS.into(),
            only: None,
            may_lose: BTreeSet::new(),
            homes: vec![stage.home().to_owned()],
            is_dry: false,
            is_interrupted: false,
            photos_move: false,
            may_convert: false,
            with_cookies: true,
        }
    }

    /// Only these people, by ServiceNow user name, are selected: everybody else stays as they are, byte for byte.
    pub fn only<T: Into<String>>(mut self, user_names: impl IntoIterator<Item = T>) -> Self {
        self.only = Some(user_names.into_iter().map(Into::into).collect());
        self
    }

    /// These people may end without a picture, because a plan says so.
    pub fn may_lose<T: Into<String>>(mut self, user_names: impl IntoIterator<Item = T>) -> Self {
        self.may_lose.extend(user_names.into_iter().map(Into::into));
        self
    }

    /// Another machine with a home of its own, which writes as well.
    pub fn and_home(mut self, home: &Path) -> Self {
        self.homes.push(home.to_owned());
        self
    }

    /// The scenario is a dry run.
    pub fn dry(mut self) -> Self {
        self.is_dry = true;
        self
    }

    /// Somebody changes photos in Entra or pictures in ServiceNow while the program is at work, so that what was brought
    /// may be the photo of a moment ago.
    pub fn photos_move(mut self) -> Self {
        self.photos_move = true;
        self
    }

    /// Photos may be stored in another form than Entra's, for instance because the target takes no larger ones.
    pub fn may_convert(mut self) -> Self {
        self.may_convert = true;
        self
    }

    /// A lane has another limit in this scenario.
    pub fn cap(mut self, lane: &'static str, most: u64) -> Self {
        self.caps.insert(lane, most);
        self
    }

    /// How long the scenario took by the clock that the program went by, if that is not the wall's.
    pub fn took_minutes(mut self, minutes: f64) -> Self {
        self.minutes = Some(minutes);
        self
    }

    /// Cookies are switched off: there must be none at all.
    pub fn without_cookies(mut self) -> Self {
        self.with_cookies = false;
        self
    }

    /// The program was killed a moment ago: a record may have two pictures, and nothing has been reported yet. What
    /// holds at every moment is checked; call [`Checker::assert`] on a second one after the next start.
    pub fn just_killed(mut self) -> Self {
        self.is_interrupted = true;
        self
    }

    /// Fails with every violation.
    #[track_caller]
    pub fn assert(&self) {
        let violations = self.violations();
        let lines: Vec<String> = violations.iter().take(40).map(ToString::to_string).collect();
        assert!(
            violations.is_empty(),
            "{} violations:\n{}",
            violations.len(),
            lines.join("\n")
        );
    }

    /// Everything that is wrong.
    pub fn violations(&self) -> Vec<Violation> {
        let after = self.stage.lines("/snapshot");
        let writes: Vec<Write> = self
            .stage
            .lines(&format!("/log?after={}", self.first_write))
            .iter()
            .map(Write::of)
            .collect();
        let account = self.stage.account();
        let journals: Vec<Journal> = self.homes.iter().filter_map(|home| Journal::read(home)).collect();
        let mut found = Vec::new();
        let story = Story {
            checker: self,
            account: &account,
            after: &after,
            writes: &writes,
            journals: &journals,
        };
        story.pictures(&mut found);
        story.others(&mut found);
        story.rows_at_the_end(&mut found);
        story.profiles(&mut found);
        self.traffic(&mut found);
        story.announced(&mut found);
        self.said(&mut found);
        if !self.is_interrupted {
            story.reports(&mut found);
            self.left_over(&mut found);
        }
        story.copies(&mut found);
        found
    }

    /// Invariants 5, 6, 7 and 9: what was asked of the services, and how.
    fn traffic(&self, found: &mut Vec<Violation>) {
        let traffic = self.stage.control(&format!("/traffic?log={LOG}"));
        let log = traffic["log"].as_array().expect("a list");
        let number = |lane: &Value, key: &str| lane[key].as_u64().expect("a number");
        let minutes = self.minutes.unwrap_or(self.begun.elapsed().as_secs_f64() / 60.0);
        for (lane, cap) in &self.caps {
            let counts = &traffic["lanes"][*lane];
            let of_lane = || log.iter().filter(|entry| entry["lane"] == *lane);
            // The log tells which request it was, as long as it goes back; the counters do not forget.
            let mut complain = |invariant, is_wrong: &dyn Fn(&Value) -> bool, what: String| {
                let entry = of_lane().find(|entry| is_wrong(entry));
                let complaint = violation(invariant, what);
                found.push(match entry {
                    Some(entry) => complaint.at_request(entry),
                    None => complaint,
                });
            };
            let early = number(counts, "early");
            if early > 0 {
                let what = format!("{early} requests of lane {lane} inside a pause");
                complain(5, &|entry| entry["early"] == true, what);
            }
            let most = number(counts, "most_in_flight");
            if most > *cap {
                let what = format!("{most} requests of lane {lane} in flight at once, {cap} allowed");
                complain(5, &|entry| entry["in_flight"].as_u64() > Some(*cap), what);
            }
            let (requests, retries) = (number(counts, "requests"), number(counts, "retries"));
            let allowed = requests as f64 * 0.1 + 10.0 * minutes.ceil().max(1.0);
            if retries as f64 > allowed {
                let what =
                    format!("{retries} retries among {requests} requests of lane {lane} in {minutes:.1} min");
                complain(6, &|entry| entry["retry"] == true, what);
            }
            let foreign = number(counts, "foreign_authorization");
            if foreign > 0 {
                let what =
                    format!("{foreign} requests of lane {lane} with the other service's authorization");
                complain(7, &|entry| entry["foreign_authorization"] == true, what);
            }
            let with_cookie = number(counts, "with_cookie");
            if with_cookie > 0 && (*lane != "servicenow" || !self.with_cookies) {
                let what = format!("{with_cookie} requests of lane {lane} with a cookie");
                complain(7, &|entry| entry["cookie"] == true, what);
            }
        }
        let at_once = number(&traffic["sessions"], "most_at_once");
        if at_once > 1 {
            let entry = log.iter().find(|entry| entry["in_session"].as_u64() > Some(1));
            let complaint = violation(7, format!("{at_once} requests at once with one session cookie"));
            found.push(entry.map_or(complaint.clone(), |entry| complaint.at_request(entry)));
        }
        if self.is_dry {
            let routes = self.stage.control("/requests");
            for (route, count) in routes["by_route"].as_object().expect("an object") {
                let is_write = ["POST", "PUT", "PATCH", "DELETE"]
                    .iter()
                    .any(|method| route.contains(&format!(" {method} ")));
                let is_read = ["/oauth2/", "oauth_token.do", "$batch"]
                    .iter()
                    .any(|part| route.contains(part));
                if is_write && !is_read {
                    let entry = log.iter().find(|entry| entry["route"] == **route);
                    let complaint = violation(9, format!("a dry run sent {count} × {route}"));
                    found.push(entry.map_or(complaint.clone(), |entry| complaint.at_request(entry)));
                }
            }
        }
    }

    /// Invariant 10: no secret and no steering character in anything that was said.
    fn said(&self, found: &mut Vec<Violation>) {
        let forms = self.stage.secret_forms();
        for ended in self.stage.said().iter().skip(self.first_said) {
            for (channel, text) in [("output", &ended.stdout), ("messages", &ended.stderr)] {
                for (what, form) in &forms {
                    if text.contains(form.as_str()) {
                        found.push(violation(10, format!("{what} is in the {channel}")));
                    }
                }
                let steering = text
                    .chars()
                    .find(|character| character.is_control() && !matches!(character, '\n' | '\t'));
                if let Some(steering) = steering {
                    found.push(violation(10, format!("{steering:?} is in the {channel}")));
                }
            }
        }
    }

    /// Invariant 11: no temporary file.
    fn left_over(&self, found: &mut Vec<Violation>) {
        for home in &self.homes {
            for file in files(home) {
                let name = file.file_name().unwrap_or_default().to_string_lossy();
                let is_temporary = name.starts_with(".partial-")
                    || name.starts_with(".tmp")
                    || name.ends_with(".tmp")
                    || file.starts_with(home.join("tmp"));
                if is_temporary {
                    found.push(violation(11, format!("{} is left", file.display())));
                }
            }
        }
    }

    fn summaries(&self) -> Vec<(String, Value)> {
        let said = self.stage.said();
        said.iter().skip(self.first_said).flat_map(finished).collect()
    }
}

/// The runs that somebody was told the end of, with their summaries.
fn finished(ended: &Ended) -> Vec<(String, Value)> {
    let events = ended.stdout.lines();
    events
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|event| event["event"] == "finished")
        .map(|event| {
            let run = event["run"].as_str().unwrap_or_default().to_owned();
            (run, event["summary"].clone())
        })
        .collect()
}

/// Every file below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            if entry.path().is_dir() {
                folders.push(entry.path());
            } else {
                found.push(entry.path());
            }
        }
    }
    found
}

/// What the journal's file says, read without the program.
#[derive(Debug)]
struct Journal {
    /// Run, target, kind, SHA-256.
    writes: Vec<(String, String, String, Option<String>)>,
    /// Run, source, target, outcome.
    steps: Vec<(String, String, Option<String>, String)>,
    runs: Vec<Run>,
    /// Run and person, begun and not settled.
    under_way: Vec<(String, String)>,
}

/// A run of the journal; without a summary it has not ended.
#[derive(Debug)]
struct Run {
    id: String,
    kind: String,
    summary: Option<Value>,
}

/// The journal's file, opened so that it stays as the program left it: what a dead process had not put in its place yet
/// is for the next start to find.
pub fn journal_at(path: &Path) -> rusqlite::Connection {
    let connection = rusqlite::Connection::open(path).expect("the journal opens");
    connection
        .set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)
        .expect("an option of every SQLite");
    connection
}

impl Journal {
    /// The journal of a home; `None` if there is none.
    fn read(home: &Path) -> Option<Self> {
        let path = files(home)
            .into_iter()
            .find(|file| file.file_name().is_some_and(|name| name == "journal.sqlite"))?;
        let connection = journal_at(&path);
        let rows = |sql: &str| -> Vec<Vec<Option<String>>> {
            let mut statement = connection.prepare(sql).expect("the journal's tables");
            let columns = statement.column_count();
            let rows = statement.query_map([], |row| (0..columns).map(|at| row.get(at)).collect());
            rows.expect("readable")
                .collect::<Result<_, _>>()
                .expect("the journal's rows")
        };
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        Some(Self {
            writes: rows("SELECT run, target, kind, sha256 FROM writes ORDER BY id")
                .iter()
                .map(|row| (text(&row[0]), text(&row[1]), text(&row[2]), row[3].clone()))
                .collect(),
            steps: rows("SELECT run, source, target, outcome FROM steps ORDER BY at")
                .iter()
                .map(|row| (text(&row[0]), text(&row[1]), row[2].clone(), text(&row[3])))
                .collect(),
            runs: rows("SELECT id, kind, summary FROM runs ORDER BY started")
                .iter()
                .map(|row| Run {
                    id: text(&row[0]),
                    kind: text(&row[1]),
                    summary: row[2]
                        .as_ref()
                        .map(|text| serde_json::from_str(text).expect("a summary is JSON")),
                })
                .collect(),
            under_way: rows("SELECT run, source FROM under_way")
                .iter()
                .map(|row| (text(&row[0]), text(&row[1])))
                .collect(),
        })
    }
}

/// Everything that has happened, for the invariants that look at several sides of it.
struct Story<'a> {
    checker: &'a Checker<'a>,
    account: &'a str,
    after: &'a [Value],
    writes: &'a [Write],
    journals: &'a [Journal],
}

impl Story<'_> {
    fn begin(&self) -> Replay {
        Replay::of(&self.checker.before).knowing(self.after)
    }

    fn is_ours(&self, write: &Write) -> bool {
        write.by == self.account
    }

    /// What was announced to be stored for a user.
    fn announced_pictures(&self) -> HashMap<&str, HashSet<&str>> {
        let mut announced: HashMap<&str, HashSet<&str>> = HashMap::new();
        for (_, target, kind, sha256) in self.journals.iter().flat_map(|journal| &journal.writes) {
            if let ("upload", Some(sha256)) = (kind.as_str(), sha256) {
                announced.entry(target).or_default().insert(sha256);
            }
        }
        announced
    }

    /// Invariant 1, at every instant: who had a picture has the old one, the announced new one, or what somebody else
    /// has put there; and no column begins to name nothing.
    fn pictures(&self, found: &mut Vec<Violation>) {
        let mut replay = self.begin();
        let at_first = replay.everybody();
        let announced = self.announced_pictures();
        let mut by_others: HashMap<String, BTreeSet<Option<String>>> = HashMap::new();
        for write in self.writes {
            let user = replay.concerns(write);
            let names_nothing = |replay: &Replay| match (write.table.as_str(), write.op.as_str()) {
                ("sys_attachment", "delete") => replay.columns.values().any(|named| *named == write.id),
                ("sys_attachment", _) => false,
                _ => replay
                    .columns
                    .get(&write.id)
                    .is_some_and(|named| !replay.pictures.contains_key(named)),
            };
            let was_dangling = names_nothing(&replay);
            replay.carry_out(write);
            let Some(user) = user else {
                continue;
            };
            let name = replay.name(&user).to_owned();
            let now = replay.seen_by(&user).map(str::to_owned);
            if !self.is_ours(write) {
                by_others.entry(user).or_default().insert(now);
                continue;
            }
            let is_dangling = names_nothing(&replay);
            if is_dangling && (!was_dangling || write.op == "delete") {
                let what = format!(
                    "a column names a picture that is gone, after {} of {}",
                    write.op, write.id
                );
                found.push(violation(1, what).of(&name).at_write(write));
            }
            let Some(Some(old)) = at_first.get(&user) else {
                continue;
            };
            let others = by_others.get(&user);
            match now {
                None => {
                    let is_allowed = self.checker.may_lose.contains(&name)
                        || others.is_some_and(|seen| seen.contains(&None));
                    if !is_allowed {
                        let what = format!(
                            "the picture is lost by {} of {} {}",
                            write.op, write.table, write.id
                        );
                        found.push(violation(1, what).of(&name).at_write(write));
                    }
                }
                Some(now) => {
                    let is_known = now == *old
                        || announced
                            .get(user.as_str())
                            .is_some_and(|hashes| hashes.contains(now.as_str()))
                        || self.was_stored_there(&user, &now)
                        || others.is_some_and(|seen| seen.contains(&Some(now.clone())));
                    if !is_known {
                        let what = format!(
                            "{now} is displayed, which is neither the old picture nor an announced one"
                        );
                        found.push(violation(1, what).of(&name).at_write(write));
                    }
                }
            }
        }
        // The replay is worth nothing if it does not end where the instance has.
        let end = Replay::of(self.after);
        for (user, seen) in end.everybody() {
            if replay.seen_by(&user) != seen.as_deref() {
                let what = format!(
                    "the log ends with {:?}, the instance shows {seen:?}",
                    replay.seen_by(&user)
                );
                found.push(violation(1, what).of(end.name(&user)));
            }
        }
        let dangling_before = self.begin().dangling();
        for (record, picture) in end.dangling() {
            let is_new = !dangling_before.contains(&(record.clone(), picture.clone()));
            let by_us = self
                .writes
                .iter()
                .any(|write| self.is_ours(write) && (write.id == record || write.id == picture));
            if is_new && by_us {
                let owner = end.owners.get(&record).cloned().unwrap_or_default();
                let what = format!("the column of {record} names {picture}, which is gone");
                found.push(violation(1, what).of(end.name(&owner)));
            }
        }
    }

    /// True if this picture lay at one of the user's records from the beginning, displayed or not.
    fn was_stored_there(&self, user: &str, sha256: &str) -> bool {
        let records: HashSet<&str> = self
            .checker
            .before
            .iter()
            .filter(|row| row["document"] == *user || row["sys_id"] == *user)
            .filter_map(|row| row["sys_id"].as_str())
            .collect();
        self.checker.before.iter().any(|row| {
            row["sha256"] == *sha256
                && row["table_sys_id"]
                    .as_str()
                    .is_some_and(|record| records.contains(record))
        })
    }

    /// Invariant 2: whoever was not selected is as before, byte for byte.
    fn others(&self, found: &mut Vec<Violation>) {
        let mut replay = self.begin();
        let announced: HashSet<&str> = self
            .journals
            .iter()
            .flat_map(|journal| &journal.writes)
            .map(|(_, target, ..)| target.as_str())
            .collect();
        let is_selected = |user: &str, name: &str| match &self.checker.only {
            Some(only) => only.contains(name),
            None => announced.contains(user),
        };
        let mut touched_by_others = HashSet::new();
        for write in self.writes {
            let user = replay.concerns(write);
            replay.carry_out(write);
            let Some(user) = user else {
                if self.is_ours(write) && TABLES.contains(&write.table.as_str()) && !write.is_thumbnail() {
                    let what = format!("{} of {} {}, which is nobody's", write.op, write.table, write.id);
                    found.push(violation(2, what).at_write(write));
                }
                continue;
            };
            let name = replay.name(&user).to_owned();
            if !self.is_ours(write) {
                touched_by_others.insert(user);
            } else if !is_selected(&user, &name) {
                let what = format!(
                    "{} of {} {}, and nobody had selected them",
                    write.op, write.table, write.id
                );
                found.push(violation(2, what).of(&name).at_write(write));
            }
        }
        let (before, after) = (by_user(&self.checker.before), by_user(self.after));
        for (user, rows) in &before {
            let name = replay.name(user);
            let is_changed = after.get(user) != Some(rows);
            if is_changed && !is_selected(user, name) && !touched_by_others.contains(*user) {
                found.push(violation(2, "their rows are not what they were").of(name));
            }
        }
    }

    /// Invariant 3: one picture a record, and none of ours that its record does not show.
    fn rows_at_the_end(&self, found: &mut Vec<Violation>) {
        let (begin, end) = (self.begin(), Replay::of(self.after));
        let mut ours: HashMap<&str, &Write> = HashMap::new();
        let mut written = HashSet::new();
        for write in self.writes {
            if self.is_ours(write) && write.table == "sys_attachment" {
                if write.op == "insert" {
                    ours.insert(&write.id, write);
                }
                written.extend(write.field("table_sys_id"));
            }
        }
        let failed: HashSet<&str> = self
            .journals
            .iter()
            .flat_map(|journal| &journal.steps)
            .filter(|(.., outcome)| outcome == "failed")
            .filter_map(|(_, _, target, _)| target.as_deref())
            .collect();
        for record in &written {
            let Some(owner) = end.owners.get(*record) else {
                continue;
            };
            let images: Vec<&str> = end.images_of(record).map(|(id, _)| id).collect();
            let of_ours = images.iter().filter(|id| ours.contains_key(**id)).count();
            let before = begin.images_of(record).count().max(1);
            // Right after a kill, and where the old one may not be deleted, both are there.
            let allowed = if self.checker.is_interrupted || failed.contains(owner.as_str()) {
                before + 1
            } else if of_ours > 0 {
                1
            } else {
                before
            };
            // Of two machines the dead one has left its picture beside the other's.
            let by_us = if self.checker.is_interrupted {
                self.checker.homes.len()
            } else {
                1
            };
            if of_ours > by_us || images.len() > allowed {
                let what = format!("{} pictures at {record}, {of_ours} of them ours", images.len());
                found.push(violation(3, what).of(end.name(owner)));
            }
            if self.checker.is_interrupted {
                continue;
            }
            let shown = end.shown_at(record);
            for id in images {
                if let Some(write) = ours.get(id)
                    && shown != Some(id)
                {
                    let what = format!("{id} is ours and nobody sees it");
                    found.push(violation(3, what).of(end.name(owner)).at_write(write));
                }
            }
        }
    }

    /// Invariant 4: nobody gets two profiles from us, or a second one.
    fn profiles(&self, found: &mut Vec<Violation>) {
        let mut replay = self.begin();
        for write in self.writes {
            if self.is_ours(write) && write.table == "live_profile" && write.op == "insert" {
                let user = write.field("document").unwrap_or_default().to_owned();
                let profiles = replay
                    .records
                    .get(&user)
                    .map_or(0, |records| records.len().saturating_sub(1));
                // Of two that two programs create at the same moment one is taken back.
                let left = self
                    .after
                    .iter()
                    .filter(|row| row["table"] == "live_profile" && row["document"] == *user)
                    .count();
                // The dead one of two machines takes its own back when it starts again.
                if profiles > 0 && left > 1 && !self.checker.is_interrupted {
                    let what = format!("has {profiles} profiles already and got another");
                    found.push(violation(4, what).of(replay.name(&user)).at_write(write));
                }
            }
            replay.carry_out(write);
        }
    }

    /// Invariant 8: every write of ours was announced in a journal.
    fn announced(&self, found: &mut Vec<Violation>) {
        let mut intents: HashMap<(&str, &str), u64> = HashMap::new();
        for (_, target, kind, _) in self.journals.iter().flat_map(|journal| &journal.writes) {
            *intents.entry((target, kind)).or_default() += 1;
        }
        let mut replay = self.begin();
        let mut carried_out: HashMap<(String, &str), u64> = HashMap::new();
        for write in self.writes {
            let user = replay.concerns(write);
            replay.carry_out(write);
            let kind = match (write.table.as_str(), write.op.as_str()) {
                ("sys_attachment", "insert") => "upload",
                ("sys_attachment", "delete") => "remove",
                ("live_profile", "insert") => "create_record",
                // Of two that two programs created at the same moment one is taken back.
                ("live_profile", "delete") => "remove",
                ("live_profile" | "sys_user", "update") => "set_column",
                _ => "another write",
            };
            let Some(user) = user.filter(|_| self.is_ours(write) && !write.is_thumbnail()) else {
                continue;
            };
            let count = carried_out.entry((user.clone(), kind)).or_default();
            *count += 1;
            let intended = intents.get(&(user.as_str(), kind)).copied().unwrap_or(0);
            if *count > intended {
                let what = format!("{kind} was carried out {count} times and announced {intended} times");
                found.push(violation(8, what).of(replay.name(&user)).at_write(write));
            }
        }
    }

    /// Invariant 8: the numbers add up, agree with the journal, and are true.
    fn reports(&self, found: &mut Vec<Violation>) {
        let summaries = self.checker.summaries();
        for (run, summary) in &summaries {
            let sum: u64 = summary
                .as_object()
                .into_iter()
                .flatten()
                .filter(|(key, _)| *key != "selected")
                .filter_map(|(_, count)| count.as_u64())
                .sum();
            if summary["selected"].as_u64() != Some(sum) {
                found.push(violation(8, format!("run {run} does not add up: {summary}")));
            }
            let of_run = self
                .journals
                .iter()
                .find_map(|journal| Some((journal, journal.runs.iter().find(|known| known.id == *run)?)));
            let Some((journal, Run { summary: kept, .. })) = of_run else {
                found.push(violation(8, format!("run {run} is not in the journal")));
                continue;
            };
            if kept.as_ref() != Some(summary) {
                let kept = kept.as_ref().map_or("nothing".into(), ToString::to_string);
                found.push(violation(
                    8,
                    format!("run {run} was reported as {summary} and kept as {kept}"),
                ));
            }
            for outcome in ["updated", "removed", "changed_meanwhile", "failed"] {
                let steps = journal
                    .steps
                    .iter()
                    .filter(|(of, _, _, ended)| of == run && ended == outcome)
                    .count() as u64;
                let said = summary[outcome].as_u64().unwrap_or(0);
                // People who failed before a step was planned for them are in the summary alone.
                let is_wrong = if outcome == "failed" {
                    steps > said
                } else {
                    steps != said
                };
                if is_wrong {
                    found.push(violation(
                        8,
                        format!("run {run}: {said} {outcome}, and {steps} in the journal"),
                    ));
                }
            }
        }
        for journal in self.journals {
            for (run, source) in &journal.under_way {
                let is_told = summaries.iter().any(|(told, _)| told == run);
                let has_failed = journal
                    .steps
                    .iter()
                    .any(|(of, who, _, ended)| of == run && who == source && ended == "failed");
                if is_told && !has_failed {
                    found.push(violation(
                        8,
                        format!("run {run} has ended and {source} is still under way"),
                    ));
                }
            }
        }
        self.truth(&summaries, found);
    }

    /// Whoever was reported as updated in the last run that dealt with them shows their own photo.
    fn truth(&self, summaries: &[(String, Value)], found: &mut Vec<Violation>) {
        let told: HashSet<&str> = summaries.iter().map(|(run, _)| run.as_str()).collect();
        let mut last: HashMap<&str, (&str, &str, &str)> = HashMap::new();
        for (run, source, target, outcome) in self.journals.iter().flat_map(|journal| &journal.steps) {
            if let Some(target) = target
                && told.contains(run.as_str())
            {
                last.insert(target, (run, source, outcome));
            }
        }
        if last.is_empty() || self.checker.photos_move {
            return;
        }
        let photos = self.checker.stage.control("/photos?size=360");
        let announced = self.announced_pictures();
        let end = Replay::of(self.after);
        for (target, (run, source, outcome)) in last {
            let seen = end.seen_by(target);
            let name = end.name(target);
            match outcome {
                "updated" => {
                    let photo = &photos[source];
                    let is_kept_as_is = !self.checker.may_convert
                        && matches!(photo["content_type"].as_str(), Some("image/jpeg" | "image/png"));
                    let is_right = match seen {
                        None => false,
                        Some(seen) if photo["sha256"] == *seen => true,
                        // Converted on the way, or taken back: what was announced.
                        Some(seen) => {
                            (!is_kept_as_is || self.is_taking_back(run))
                                && (announced.get(target).is_some_and(|hashes| hashes.contains(seen))
                                    || self.was_stored_there(target, seen))
                        }
                    };
                    let is_right = is_right || (self.is_taking_back(run) && seen.is_none());
                    if !is_right {
                        let what =
                            format!("run {run} says updated; {seen:?} is displayed and {photo} is the photo");
                        found.push(violation(8, what).of(name));
                    }
                }
                "removed" if seen.is_some() => {
                    found.push(
                        violation(8, format!("run {run} says removed, and there is a picture")).of(name),
                    );
                }
                _ => {}
            }
        }
    }

    /// True for runs that do not bring photos: undo and clean.
    fn is_taking_back(&self, run: &str) -> bool {
        let runs = self.journals.iter().flat_map(|journal| &journal.runs);
        runs.filter(|known| known.id == run)
            .any(|known| known.kind == "undo" || known.kind == "clean")
    }

    /// Invariant 8: every picture of others that we have deleted is in a vault, unchanged.
    fn copies(&self, found: &mut Vec<Violation>) {
        let mut replay = self.begin();
        let vaults: Vec<Vault> = self.checker.homes.iter().map(|home| Vault::open(home)).collect();
        for write in self.writes {
            let is_loss = write.table == "sys_attachment" && write.op == "delete" && !write.is_thumbnail();
            if is_loss
                && self.is_ours(write)
                && let Some(picture) = replay.pictures.get(&write.id)
                && picture.by != self.account
            {
                let is_kept = vaults.iter().any(|vault| vault.holds(&picture.sha256));
                if !is_kept {
                    let owner = replay.owners.get(&picture.record).cloned().unwrap_or_default();
                    let what = format!("{} was deleted and is in no vault", picture.sha256);
                    found.push(violation(8, what).of(replay.name(&owner)).at_write(write));
                }
            }
            replay.carry_out(write);
        }
    }
}

/// The pictures kept in a home, opened as the program does for reading.
struct Vault {
    store: Option<Store>,
    runtime: tokio::runtime::Runtime,
}

impl Vault {
    fn open(home: &Path) -> Self {
        let paths = StorePaths {
            state_dir: home.join("avatar_sync_state_dir"),
            cache_dir: home.join("avatar_sync_cache_dir"),
            profile: "default".into(),
        };
        let is_there = paths.vault().is_dir();
        let open = || Store::open_with(&paths, Access::Read, &super::store_options());
        Self {
            store: is_there.then(|| open().expect("the store opens for reading")),
            runtime: tokio::runtime::Builder::new_current_thread()
                .build()
                .expect("a runtime"),
        }
    }

    fn holds(&self, sha256: &str) -> bool {
        let (Some(store), Some(sha256)) = (&self.store, Sha256::from_hex(sha256)) else {
            return false;
        };
        self.runtime
            .block_on(store.vault().holds(&sha256))
            .expect("the vault is readable")
    }
}

/// The rows of each user and of the records that are theirs.
fn by_user(rows: &[Value]) -> BTreeMap<&str, Vec<&Value>> {
    let owners: HashMap<&str, &str> = rows
        .iter()
        .filter_map(|row| match row["table"].as_str()? {
            "sys_user" => Some((row["sys_id"].as_str()?, row["sys_id"].as_str()?)),
            "live_profile" => Some((row["sys_id"].as_str()?, row["document"].as_str()?)),
            _ => None,
        })
        .collect();
    let mut by_user: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
    for row in rows {
        let record = row["table_sys_id"]
            .as_str()
            .or(row["sys_id"].as_str())
            .unwrap_or_default();
        if let Some(user) = owners.get(record) {
            by_user.entry(user).or_default().push(row);
        }
    }
    by_user
}
