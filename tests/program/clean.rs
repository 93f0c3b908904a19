//! Clearing litter away and taking runs back with the real binary, on a world that the well-known article's script has
//! run over for months. What people see is proved by replaying every write that ServiceNow has carried out.

use crate::common;

use std::collections::{BTreeMap, HashMap, HashSet};

use avatar_sync::sandbox::world::article;
use avatar_sync::sandbox::world::instance::Instance;
use common::Stage;
use serde_json::{Value, json};

/// A company in which the script has run for half a year, and how many writes that took.
fn littered() -> (Stage, usize) {
    let stage = Stage::invented(120);
    let harm = article::run(stage.sandbox.world(), 90, 6);
    assert!(
        harm.cancelled > 10 && harm.errors > 10 && harm.portal > 10 && harm.orphans > 5,
        "{harm:?}"
    );
    let writes = stage.writes().len();
    (stage, writes)
}

fn avatars(stage: &Stage) -> BTreeMap<String, Value> {
    stage
        .control("/avatars")
        .as_array()
        .expect("a list")
        .iter()
        .map(|user| (user["user_name"].as_str().expect("text").to_owned(), user.clone()))
        .collect()
}

/// What everybody sees: SHA-256 of the displayed picture by user name.
fn seen(stage: &Stage) -> BTreeMap<String, Value> {
    avatars(stage)
        .into_iter()
        .map(|(name, user)| (name, user["effective"]["sha256"].clone()))
        .collect()
}

/// The tables as far as pictures go, replayed write by write.
struct Replay {
    /// Table, record, file name, hash, order.
    attachments: HashMap<String, (String, String, String, String, usize)>,
    /// The columns, by record.
    columns: HashMap<String, String>,
    /// The records of each user in the order in which they are asked, and what the user sees.
    users: HashMap<String, Vec<String>>,
    owner: HashMap<String, String>,
}

impl Replay {
    fn of(instance: &Instance) -> Self {
        let mut replay = Self {
            attachments: HashMap::new(),
            columns: HashMap::new(),
            users: HashMap::new(),
            owner: HashMap::new(),
        };
        let mut profiles: Vec<_> = instance.profiles().collect();
        profiles.sort_by_key(|profile| (profile.audit.created_on, profile.sys_id));
        for profile in profiles {
            let records = replay.users.entry(profile.document.to_string()).or_default();
            records.push(profile.sys_id.to_string());
            if let Some(photo) = profile.photo {
                replay
                    .columns
                    .insert(profile.sys_id.to_string(), photo.to_string());
            }
        }
        for user in instance.users() {
            let id = user.sys_id.to_string();
            replay.users.entry(id.clone()).or_default().push(id.clone());
            if let Some(photo) = user.photo {
                replay.columns.insert(id, photo.to_string());
            }
        }
        for (user, records) in &replay.users {
            for record in records {
                replay.owner.insert(record.clone(), user.clone());
            }
        }
        let mut rows: Vec<_> = instance.attachments().collect();
        rows.sort_by_key(|row| row.audit.created_on);
        // Rows of one second keep the order in which they came.
        let mut order: HashMap<String, usize> = HashMap::new();
        for record in replay.owner.keys() {
            let record = avatar_sync::sandbox::world::instance::SysId::parse(record).expect("a key");
            for (position, row) in instance.attachments_of(record).into_iter().enumerate() {
                order.insert(row.sys_id.to_string(), position);
            }
        }
        rows.sort_by_key(|row| (row.audit.created_on, order.get(&row.sys_id.to_string()).copied()));
        for (position, row) in rows.into_iter().enumerate() {
            let hash: String = row
                .content
                .sha256()
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect();
            replay.attachments.insert(
                row.sys_id.to_string(),
                (
                    row.table_name.to_string(),
                    row.table_sys_id.to_string(),
                    row.file_name.to_string(),
                    hash,
                    position,
                ),
            );
        }
        replay
    }

    /// The hash of what a user sees (`servicenow.md` 9.3).
    fn seen_by(&self, user: &str) -> Option<&str> {
        self.users[user].iter().find_map(|record| {
            let named = self.columns.get(record).and_then(|id| self.attachments.get(id));
            let image = || {
                self.attachments
                    .values()
                    .filter(|(table, at, file, ..)| {
                        table.starts_with("ZZ_YY") && at == record && file.eq_ignore_ascii_case("photo")
                    })
                    .min_by_key(|row| row.4)
            };
            named.or_else(image).map(|row| row.3.as_str())
        })
    }

    /// Columns that name a picture which is gone.
    fn dangling(&self) -> HashSet<(String, String)> {
        self.columns
            .iter()
            .filter(|(_, picture)| !self.attachments.contains_key(*picture))
            .map(|(record, picture)| (record.clone(), picture.clone()))
            .collect()
    }

    /// Carries out one write and answers whose picture it may have changed.
    fn carry_out(&mut self, entry: &Value, number: usize) -> Option<String> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (table, id) = (text(&entry["table"]), text(&entry["sys_id"]));
        let fields = &entry["fields"];
        match (table.as_str(), text(&entry["op"]).as_str()) {
            ("sys_attachment", "insert") => {
                let record = text(&fields["table_sys_id"]);
                let row = (
                    text(&fields["table_name"]),
                    record.clone(),
                    text(&fields["file_name"]),
                    text(&fields["hash"]),
                    1_000_000 + number,
                );
                self.attachments.insert(id, row);
                self.owner.get(&record).cloned()
            }
            ("sys_attachment", "delete") => {
                let (_, record, ..) = self.attachments.remove(&id)?;
                self.owner.get(&record).cloned()
            }
            ("live_profile" | "sys_user", "update") => {
                let photo = fields.get("photo")?;
                match text(photo).as_str() {
                    "" => _ = self.columns.remove(&id),
                    photo => _ = self.columns.insert(id.clone(), photo.to_owned()),
                }
                self.owner.get(&id).cloned()
            }
            other => panic!("an unexpected write: {other:?} {entry}"),
        }
    }
}

/// Replays the writes after the first `from`: at no moment does anybody see another picture, or does a column begin to
/// name nothing.
fn assert_nobody_saw_a_difference(stage: &Stage, before: &Instance, from: usize) {
    let mut replay = Replay::of(before);
    let seen: HashMap<String, Option<String>> = replay
        .users
        .keys()
        .map(|user| (user.clone(), replay.seen_by(user).map(str::to_owned)))
        .collect();
    let dangling = replay.dangling();
    assert!(
        seen.values().flatten().count() > 50,
        "somebody has something to lose"
    );
    for (number, entry) in stage.writes().iter().skip(from).enumerate() {
        if let Some(user) = replay.carry_out(entry, number) {
            let now = replay.seen_by(&user).map(str::to_owned);
            assert_eq!(now, seen[&user], "{user} after {entry}");
        }
        let lost: Vec<_> = replay.dangling().difference(&dangling).cloned().collect();
        assert_eq!(lost, Vec::new(), "after {entry}");
    }
    for user in avatars(stage).values() {
        let id = user["sys_id"].as_str().expect("text");
        let by_the_instance = user["effective"]["sha256"].as_str();
        assert_eq!(
            replay.seen_by(id),
            by_the_instance,
            "the replay agrees with the instance"
        );
    }
}

/// Every stored picture of everybody by table, record, name and content, with the columns that name it. Thumbnails are
/// the platform's own affair.
fn inventory(stage: &Stage) -> BTreeMap<String, Vec<String>> {
    let instance = stage.sandbox.world().instance.read();
    let mut columns: HashMap<String, Vec<String>> = HashMap::new();
    let profiles = instance
        .profiles()
        .map(|row| ("live_profile", row.sys_id, row.photo));
    let users = instance.users().map(|row| ("sys_user", row.sys_id, row.photo));
    for (table, record, photo) in profiles.chain(users) {
        if let Some(photo) = photo {
            columns
                .entry(photo.to_string())
                .or_default()
                .push(format!("{table} {record}"));
        }
    }
    let known: HashSet<String> = instance
        .profiles()
        .map(|row| row.sys_id.to_string())
        .chain(instance.users().map(|row| row.sys_id.to_string()))
        .collect();
    let mut inventory: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in instance.attachments() {
        let record = row.table_sys_id.to_string();
        if !known.contains(&record) {
            continue;
        }
        let hash: String = row
            .content
            .sha256()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let mut named_by = columns.get(&row.sys_id.to_string()).cloned().unwrap_or_default();
        named_by.sort();
        inventory
            .entry(format!("{} {record}", row.table_name))
            .or_default()
            .push(format!(
                "{} {} {hash} {named_by:?}",
                row.file_name, row.content_type
            ));
    }
    for rows in inventory.values_mut() {
        rows.sort();
    }
    inventory
}

/// People whom a cleaning looks at: the others are outside the configured scope.
fn in_scope(stage: &Stage) -> HashSet<String> {
    let instance = stage.sandbox.world().instance.read();
    instance
        .users()
        .filter(|user| user.active && !user.email.is_empty())
        .map(|user| user.user_name.to_string())
        .collect()
}

/// Stored error messages.
fn error_messages(instance: &Instance) -> HashSet<String> {
    instance
        .attachments()
        .filter(|row| row.content.len() < 1_000 && row.content.bytes().starts_with(b"{\"error\""))
        .map(|row| row.sys_id.to_string())
        .collect()
}

/// Nothing is stored that nobody sees: every row is displayed, named, or the small rendition of one that is; and every
/// row has its record. Only where an error message is shown the pictures of the same image field are left, because
/// one of them is the better picture.
fn assert_no_litter(stage: &Stage) {
    let scope = in_scope(stage);
    let shown_errors: HashSet<String> = {
        let instance = stage.sandbox.world().instance.read();
        let errors = error_messages(&instance);
        let profiles = instance.profiles().map(|row| (row.sys_id, row.photo));
        let users = instance.users().map(|row| (row.sys_id, row.photo));
        profiles
            .chain(users)
            .filter(|(_, photo)| photo.is_some_and(|photo| errors.contains(&photo.to_string())))
            .map(|(record, _)| record.to_string())
            .collect()
    };
    let mut checked = 0;
    for (name, user) in avatars(stage) {
        if !scope.contains(&name) {
            continue;
        }
        for row in user["attachments"].as_array().expect("a list") {
            let is_image = row["table_name"].as_str().expect("text").starts_with("ZZ_YY");
            if is_image && shown_errors.contains(row["table_sys_id"].as_str().expect("text")) {
                continue;
            }
            assert_eq!(row["referenced"], true, "{name}: {row}");
            checked += 1;
        }
    }
    assert!(checked > 100, "{checked}");
    let instance = stage.sandbox.world().instance.read();
    for row in instance.attachments() {
        let has_record = match &*row.table_name {
            "sys_attachment" => instance.attachment(row.table_sys_id).is_some(),
            table => instance.has_record(table, row.table_sys_id) == Some(true),
        };
        assert!(
            has_record,
            "{} {} has no record",
            row.table_name, row.table_sys_id
        );
    }
}

fn adds_up(summary: &Value) {
    let total: u64 = summary
        .as_object()
        .expect("an object")
        .iter()
        .filter(|(key, _)| *key != "selected")
        .map(|(_, count)| count.as_u64().expect("a number"))
        .sum();
    assert_eq!(summary["selected"], total, "{summary}");
}

#[test]
fn a_cleaning_leaves_exactly_what_people_see_and_can_be_taken_back() {
    let (stage, begin) = littered();
    let before = stage.sandbox.world().instance.read().clone();
    let (seen_before, stored_before) = (seen(&stage), inventory(&stage));

    let dry = stage.run(&["clean", "--dry-run", "--json"]).expect_code(0).json();
    assert_eq!(dry["schema"], "avatar-sync/tidy/1");
    assert_eq!(stage.writes().len(), begin, "a dry run writes nothing");
    let kinds: HashSet<&str> = dry["steps"]
        .as_array()
        .expect("a list")
        .iter()
        .flat_map(|step| step["litter"].as_array().expect("a list"))
        .filter_map(|litter| litter["kind"].as_str())
        .collect();
    for kind in [
        "duplicate_image",
        "orphan_image",
        "dangling_column",
        "wrong_form",
        "named_wrong_form",
        "orphan_thumbnail",
    ] {
        assert!(kinds.contains(kind), "{kind} is not among {kinds:?}");
    }

    let ended = stage.run(&["clean", "--yes", "--json"]).expect_code(0);
    let summary = ended.summary();
    adds_up(&summary);
    assert_eq!(summary["failed"], 0, "{ended:?}");
    assert_eq!(summary["changed_meanwhile"], 0, "{summary}");
    assert!(summary["updated"].as_u64() > Some(50), "{summary}");
    assert_eq!(seen(&stage), seen_before, "everybody sees what they saw");
    assert_nobody_saw_a_difference(&stage, &before, begin);
    assert_no_litter(&stage);

    let again = stage.run(&["clean", "--dry-run", "--json"]).expect_code(0).json();
    assert_eq!(again["steps"], json!([]), "nothing is left to clear away");

    let run = ended.events().pop().expect("events")["run"]
        .as_str()
        .expect("a run")
        .to_owned();
    let (cleaned, writes) = (
        stage.sandbox.world().instance.read().clone(),
        stage.writes().len(),
    );
    let undone = stage.run(&["undo", &run, "--yes", "--json"]).expect_code(0);
    let summary = undone.summary();
    adds_up(&summary);
    assert_eq!(summary["failed"], 0, "{undone:?}");
    assert_eq!(seen(&stage), seen_before);
    assert_nobody_saw_a_difference(&stage, &cleaned, writes);
    assert_eq!(
        inventory(&stage),
        stored_before,
        "the same bytes at the same records, named by the same columns"
    );
    let history = stage.run(&["history"]).expect_code(0).stdout;
    assert!(
        history.contains(" clean ") && history.contains(" undo "),
        "{history}"
    );
}

#[test]
fn a_cleaning_that_is_interrupted_ends_well() {
    let fault = |method: &str, skip: u64, drop: &str| {
        json!({"service": "servicenow", "method": method, "path": "^/api/now/", "skip": skip, "times": 4,
               "do": {"drop": drop}})
    };
    for (method, path, drops) in [
        ("POST", "attachment/file", ["before", "after"].as_slice()),
        ("PATCH", "table", ["after"].as_slice()),
        ("DELETE", "attachment", ["after"].as_slice()),
    ] {
        for drop in drops {
            let (stage, begin) = littered();
            let before = stage.sandbox.world().instance.read().clone();
            let seen_before = seen(&stage);
            let mut rule = fault(method, 9, drop);
            rule["path"] = json!(format!("^/api/now/{path}"));
            stage.post("/faults", &rule);
            stage.run(&["clean", "--yes", "--json"]);
            stage.request(reqwest::Method::DELETE, "/faults", Vec::new());
            stage.run(&["clean", "--yes", "--json"]).expect_code(0);
            assert_eq!(seen(&stage), seen_before, "{method} {drop}");
            assert_nobody_saw_a_difference(&stage, &before, begin);
            assert_no_litter(&stage);
        }
    }
}

#[test]
fn killed_in_the_middle_the_next_start_settles_it() {
    let (stage, begin) = littered();
    let before = stage.sandbox.world().instance.read().clone();
    let seen_before = seen(&stage);
    for writes in [5, 40, 120] {
        let mut command = stage.command(&["clean", "--yes", "--json"]);
        command
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null());
        let mut program = command.spawn().expect("the program starts");
        while stage.writes().len() < begin + writes && program.try_wait().expect("our own process").is_none()
        {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        program.kill().expect("our own process");
        program.wait().expect("our own process");
    }
    stage.run(&["clean", "--yes", "--json"]).expect_code(0);
    assert_eq!(seen(&stage), seen_before);
    assert_nobody_saw_a_difference(&stage, &before, begin);
    assert_no_litter(&stage);
}

#[test]
fn brakes_and_refusals_end_as_documented() {
    let (stage, begin) = littered();
    stage.run(&["clean"]).expect_code(2).stderr.contains("--yes");
    stage.run(&["clean", "--yes", "--readonly"]).expect_code(2);
    let ended = stage
        .run(&["clean", "--yes", "--max-removals", "3"])
        .expect_code(6);
    assert!(ended.stderr.contains("--max-removals"), "{}", ended.stderr);
    stage.run(&["undo", "nobody-and-no-run", "--yes"]).expect_code(2);
    assert_eq!(stage.writes().len(), begin);
}

#[test]
fn what_is_shown_and_is_no_picture_goes_when_asked_for() {
    let (stage, _) = littered();
    stage.run(&["clean", "--yes", "--unreadable"]).expect_code(0);
    let errors = error_messages(&stage.sandbox.world().instance.read());
    let scope = in_scope(&stage);
    for (name, user) in avatars(&stage).iter().filter(|(name, _)| scope.contains(*name)) {
        for row in user["attachments"].as_array().expect("a list") {
            let id = row["sys_id"].as_str().expect("text");
            assert!(!errors.contains(id), "{name}: {row}");
        }
    }
}

#[test]
fn a_push_is_taken_back_for_one_person_by_name() {
    let stage = Stage::invented(60);
    let people = stage.sandbox.world().planted();
    let person = people
        .filter(|planted| planted.kind.name == "differs")
        .map(|planted| planted.principal)
        .next()
        .expect("somebody differs");
    let before = seen(&stage);
    stage.run(&["push", &person, "--yes"]).expect_code(0);
    assert_ne!(seen(&stage), before);
    let dry = stage.run(&["undo", &person, "--dry-run"]).expect_code(0).stdout;
    assert!(dry.contains("picture of before"), "{dry}");
    stage.run(&["undo", &person, "--yes"]).expect_code(0);
    assert_eq!(seen(&stage), before);
    common::faults::tried("N4", 1);
}
