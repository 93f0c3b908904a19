//! E: listing and matching.

use std::collections::{BTreeMap, BTreeSet};

use avatar_sync::sandbox::world::directory::UserChange;
use avatar_sync::sandbox::world::instance::schema::TableName;
use avatar_sync::sandbox::world::instance::{Actor, SysId};
use serde_json::{Value, json};

use super::catcher::Catcher;
use crate::common::Stage;
use crate::common::faults::{Scenario, tried};
use crate::common::people::{company_with, hash, name, photo};

#[test]
fn e1_a_link_that_leads_elsewhere_is_refused_and_nothing_is_sent_there() {
    let catcher = Catcher::listen();
    let told = Scenario::on(Stage::crowd(1_050))
        .fault(json!({"service": "entra", "path": "^/v1.0/users$", "do": {"foreign_link": catcher.origin()}}))
        .checked(&["status", "--json"]);
    let told = told.after_the_faults();
    let complete = told.ended.stdout.contains("\"complete\":true");
    assert!(!complete && catcher.visitors() == 0, "{:?}", told.ended.stderr);
    tried("E1", 1);
}

/// A company that changes while it is listed: with every page that is asked for, some join and some leave, on either
/// side. Gives how many changes there were.
fn listed_while_people_come_and_go(people: usize, page: usize, changes_a_page: usize) -> usize {
    let stage = Stage::crowd(people);
    let calm = stage.run(&["status", "--json"]).expect_code(0).json();
    let key = |side: &str, person: &Value| person[side].as_str().map(str::to_owned);
    let both: Vec<(String, String)> = calm["people"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|person| Some((key("entra_id", person)?, key("servicenow_sys_id", person)?)))
        .collect();
    // An answer takes a while, so that nobody is through before the first change.
    for (service, path) in [
        ("entra", "^/v1.0/users$"),
        ("servicenow", "^/api/now/table/sys_user$"),
    ] {
        stage.post(
            "/faults",
            &json!({"service": service, "path": path, "do": {"delay_ms": 20}}),
        );
    }
    let asked = |stage: &Stage| {
        stage.requests(&["entra GET /v1.0/users"]).1
            + stage.requests(&["servicenow GET /api/now/table/sys_user"]).1
    };
    let output = std::fs::File::create(stage.home().join("status.json")).expect("writable");
    let mut gone = BTreeSet::new();
    let (mut pages, mut changes, mut next) = (asked(&stage), 0, 0);
    let mut child = stage
        .command(&["status", "--json"])
        .env("AVATAR_SYNC_SERVICENOW_PAGE_SIZE", page.to_string())
        .stdout(output)
        .spawn()
        .expect("the program starts");
    let ended = loop {
        if let Some(ended) = child.try_wait().expect("a child of ours") {
            break ended;
        }
        let now = asked(&stage);
        for _ in 0..(now - pages) as usize * changes_a_page {
            // From anywhere in the listing: already listed, just being listed, and still to come.
            next = (next + 7_919) % both.len();
            let (entra, servicenow) = &both[next];
            if gone.insert(next) {
                changes += somebody_leaves_and_another_joins(&stage, entra, servicenow, changes % 4 == 0);
            }
        }
        pages = now;
    };
    assert!(ended.success(), "{ended}");
    let text = std::fs::read_to_string(stage.home().join("status.json")).expect("written");
    let status: Value = serde_json::from_str(&text).expect("JSON");
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for person in status["people"].as_array().expect("a list") {
        for side in ["entra_id", "servicenow_sys_id"] {
            *seen.entry(key(side, person).unwrap_or_default()).or_default() += 1;
        }
    }
    seen.remove("");
    let twice: Vec<_> = seen.iter().filter(|(_, times)| **times > 1).collect();
    assert!(twice.is_empty(), "listed twice: {twice:?}");
    let lost: Vec<_> = (both.iter().enumerate())
        .filter(|(number, (entra, servicenow))| {
            !(gone.contains(number) || seen.contains_key(entra) && seen.contains_key(servicenow))
        })
        .collect();
    assert!(lost.is_empty(), "there throughout and not listed: {lost:?}");
    changes
}

/// Two leave and two join, in Entra or in ServiceNow; gives how many changes that were.
fn somebody_leaves_and_another_joins(stage: &Stage, entra: &str, servicenow: &str, in_entra: bool) -> usize {
    let world = stage.sandbox.world();
    if in_entra {
        let mut directory = world.directory.write();
        let mut joins = directory.find(entra).expect("there").clone();
        directory.delete(entra).expect("there");
        joins.id = uuid::Uuid::new_v4();
        joins.principal = format!("joined-{}@contoso.example", joins.id).into();
        joins.mail = Some(joins.principal.clone());
        directory.add(joins).expect("nobody has this id");
    } else {
        let mut instance = world.instance.write();
        let user = SysId::parse(servicenow).expect("a key");
        let mut joins = instance.user(user).expect("there");
        let actor = Actor {
            name: "admin",
            now: world.clock.now(),
        };
        assert!(instance.delete(TableName::User, user, actor));
        joins.sys_id = SysId::random();
        joins.user_name = format!("joined-{}", joins.sys_id).into();
        joins.email = format!("{}@contoso.example", joins.user_name).into();
        joins.photo = None;
        instance.put_user(joins);
    }
    2
}

#[test]
fn e5_while_people_come_and_go_nobody_is_listed_twice_or_lost_who_was_there_throughout() {
    let changes = listed_while_people_come_and_go(3_000, 100, 20);
    assert!(changes > 300, "{changes} changes are no test");
    tried("E5", changes);
}

#[test]
#[ignore = "takes long: 50,000 people"]
fn e5_five_thousand_changes_while_fifty_thousand_people_are_listed() {
    let changes = listed_while_people_come_and_go(50_000, 1_000, 50);
    assert!(changes > 5_000, "{changes} changes are no test");
    tried("E5", changes);
}

#[test]
fn e6_after_a_listing_that_broke_off_nothing_is_removed() {
    // Everybody has an avatar; nobody a photo any more, as far as can be seen.
    let mirror = [
        ("AVATAR_SYNC_POLICY_MIRROR_REMOVALS", "true"),
        ("AVATAR_SYNC_POLICY_ABSENCE_HOURS", "0"),
    ];
    for service in ["entra", "servicenow"] {
        let stage = Stage::crowd(1_050);
        let (path, query) = if service == "entra" {
            ("^/v1.0/users$", "skiptoken")
        } else {
            ("^/api/now/table/sys_user$", "sys_id(%3E|>)")
        };
        let mut scenario = Scenario::on(stage)
            .fault(json!({"service": service, "path": path, "query": query,
            "do": {"status": 400, "body": {"error": {"code": "BadRequest", "message": "No more"}}}}));
        for (name, value) in mirror {
            scenario = scenario.setting(name, value);
        }
        let told = scenario
            .checked(&["sync", "--dry-run", "--json"])
            .after_the_faults();
        if told.ended.code == 0 {
            assert_eq!(told.ended.json()["complete"], false, "{}", told.ended.stderr);
        }
        assert!(
            !told.ended.stdout.contains("\"remove\":"),
            "{}",
            told.ended.stdout
        );
        assert!(told.stage.writes().is_empty());
    }
    tried("E6", 2);
}

#[test]
fn e7_two_people_with_one_address_are_left_alone_on_either_side() {
    let stage = company_with(6, |number, source, target| {
        // 0 and 1 share an address in ServiceNow; 2 and 3 in Entra.
        match number {
            0 | 1 => {
                target["user_name"] = json!(format!("u{number}"));
                target["email"] = json!(name(0));
            }
            2 | 3 => {
                source["mail"] = json!("shared@contoso.example");
                source["userPrincipalName"] = json!(format!("upn{number}@contoso.example"));
                target["user_name"] = json!(format!("u{number}"));
                target["email"] = json!("shared@contoso.example");
            }
            _ => {}
        }
    });
    let told = Scenario::on(stage).checked_with(&["sync", "--yes", "--json"], |checker| {
        checker.only([name(4), name(5)])
    });
    let told = told.code(0).everybody_right_but(&[0, 1, 2, 3]);
    assert_eq!(told.count("updated"), 2, "{:?}", told.ended);
    tried("E7", 4);
}

#[test]
fn e9_people_renamed_disabled_or_gone_between_plan_and_push_end_as_their_id_says() {
    let stage = company_with(6, |_, _, _| {});
    let plan = stage.home().join("plan.json");
    let plan = plan.to_str().expect("text").to_owned();
    stage.run(&["plan", "-o", &plan]).expect_code(0);
    {
        let world = stage.sandbox.world();
        let mut directory = world.directory.write();
        directory.delete(&name(0)).expect("there");
        directory
            .change(&name(1), UserChange::Mail(Some("renamed@contoso.example".into())))
            .expect("there");
        directory
            .change(&name(1), UserChange::Principal("renamed@contoso.example".into()))
            .expect("there");
        directory
            .change(&name(4), UserChange::Enabled(false))
            .expect("there");
    }
    remove_user(&stage, 2);
    let told = Scenario::on(stage).checked(&["apply", &plan, "--yes", "--json"]);
    assert_eq!(
        told.seen(&name(1)),
        Some(hash(&photo(1))),
        "the id is the key, not the name"
    );
    assert_eq!(told.count("updated"), 4, "{:?}", told.ended);
    assert_eq!(told.count("selected"), 6);
    tried("E9", 3);
}

/// Somebody deletes a user in ServiceNow.
fn remove_user(stage: &Stage, number: usize) {
    let world = stage.sandbox.world();
    let mut instance = world.instance.write();
    let user = instance.user_named(&name(number)).expect("there");
    let actor = Actor {
        name: "admin",
        now: world.clock.now(),
    };
    assert!(instance.delete(TableName::User, user, actor));
}

#[test]
fn e10_names_of_a_megabyte_and_no_names_do_no_harm() {
    let stage = company_with(6, |number, source, target| {
        let long = if number == 0 {
            "W".repeat(1 << 20)
        } else {
            " ".into()
        };
        if number < 3 {
            source["displayName"] = json!(long);
            target["name"] = json!(long);
        }
    });
    let told = Scenario::on(stage).sync().code(0).everybody_right();
    let human = told.stage.run(&["status"]).expect_code(0);
    assert!(
        human.stdout.len() < 100_000,
        "{} bytes for six people",
        human.stdout.len()
    );
    tried("E10", 3);
}

#[test]
fn e11_no_json_however_broken_brings_the_program_down() {
    let deep = format!("{{\"value\":{}{}}}", "[".repeat(200), "]".repeat(200));
    let bodies: Vec<String> = vec![
        String::new(),
        "null".into(),
        "[]".into(),
        "{\"value\":null}".into(),
        "{\"value\":{}}".into(),
        "{\"value\":[null,7,\"x\",[],{}]}".into(),
        "{\"value\":[{\"id\":7,\"displayName\":{}}],\"value\":[]}".into(),
        "\u{feff}{\"value\":[],\"result\":[]}".into(),
        "{\"value\":[{\"id\":".into(),
        "{\"result\":[{\"sys_id\":null,\"user_name\":[]}]}".into(),
        deep,
    ];
    let mut count = 0;
    for service in ["entra", "servicenow"] {
        let stage = company_with(2, |_, _, _| {});
        for body in &bodies {
            stage.request(reqwest::Method::DELETE, "/faults", Vec::new());
            let path = if service == "entra" {
                "^/v1.0/users$"
            } else {
                "^/api/now/table/sys_user$"
            };
            stage.post(
                "/faults",
                &json!({"service": service, "path": path, "do":
                    {"status": 200, "headers": {"Content-Type": "application/json"}, "body": Value::String(body.clone())}}),
            );
            let ended = stage.run(&["status", "--json"]);
            assert!((0..=7).contains(&ended.code), "{body}: {ended:?}");
            assert!(!ended.stderr.contains("panicked"), "{body}: {}", ended.stderr);
            count += 1;
        }
    }
    tried("E11", count);
}

#[test]
fn e12_of_several_profiles_one_is_chosen_and_the_others_stay() {
    let stage = company_with(4, |_, _, target| target["live_profiles"] = json!(3));
    let before: Vec<Value> = profiles(&stage);
    let told = Scenario::on(stage).sync();
    let told = told.everybody_right();
    let after = profiles(&told.stage);
    assert_eq!(before.len(), 12);
    let touched = before.iter().filter(|row| !after.contains(row)).count();
    assert!(touched <= 4, "{touched} profiles changed");
    tried("E12", 4);
}

fn profiles(stage: &Stage) -> Vec<Value> {
    let rows = stage.lines("/snapshot");
    rows.into_iter()
        .filter(|row| row["table"] == "live_profile")
        .collect()
}

#[test]
fn e3_e4_short_and_empty_pages_do_not_end_a_listing() {
    let listed = |stage: &Stage| -> BTreeSet<String> {
        let settings = [("AVATAR_SYNC_SERVICENOW_PAGE_SIZE", "100")];
        let status = stage
            .run_with(&settings, &["status", "--json"])
            .expect_code(0)
            .json();
        let people = status["people"].as_array().expect("a list").clone();
        let ids = people
            .iter()
            .filter_map(|person| person["servicenow_sys_id"].as_str());
        ids.map(str::to_owned).collect()
    };
    let stage = Stage::crowd(600);
    let whole = listed(&stage);
    // Access rules hide rows after the limit was applied: all of a page in the middle, a few of the others.
    let mut ids: Vec<String> = stage
        .lines("/snapshot")
        .iter()
        .filter(|row| row["table"] == "sys_user")
        .map(|row| row["sys_id"].as_str().expect("a key").to_owned())
        .collect();
    ids.sort();
    let hidden: BTreeSet<String> = ids[20..25].iter().chain(&ids[95..310]).cloned().collect();
    let list = hidden.iter().cloned().collect::<Vec<_>>().join(",");
    let told = Scenario::on(stage)
        .switch(
            "servicenow",
            json!({"access": {"hidden_rows": {"sys_user": format!("sys_idIN{list}")}}}),
        )
        .checked(&["status"]);
    let seen = listed(&told.stage);
    // Somebody may find their one user now that a second one of the same address is hidden.
    let lost: Vec<&String> = whole
        .iter()
        .filter(|id| !hidden.contains(*id) && !seen.contains(*id))
        .collect();
    assert_eq!(lost, Vec::<&String>::new());
    assert!(seen.len() > 200 && whole.len() > seen.len() + 100);
    tried("E3", 1);
    tried("E4", 1);
}
