//! E: listing and matching.

use std::collections::BTreeSet;

use avatar_sync::sandbox::world::directory::UserChange;
use avatar_sync::sandbox::world::instance::Actor;
use avatar_sync::sandbox::world::instance::schema::TableName;
use serde_json::{Value, json};

use crate::common::Stage;
use crate::common::faults::{Scenario, tried};
use crate::common::people::{company_with, hash, name, photo};

/// Somebody who listens at an address of their own and counts who comes.
struct Catcher(std::net::TcpListener);

impl Catcher {
    fn listen() -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.set_nonblocking(true).expect("a socket of ours");
        Self(listener)
    }

    fn origin(&self) -> String {
        format!("http://{}", self.0.local_addr().expect("bound"))
    }

    fn visitors(&self) -> usize {
        std::iter::from_fn(|| self.0.accept().ok()).count()
    }
}

#[test]
fn e1_a_link_that_leads_elsewhere_is_refused_and_nothing_is_sent_there() {
    let catcher = Catcher::listen();
    let told = Scenario::on(Stage::invented(1_050))
        .fault(json!({"service": "entra", "path": "^/v1.0/users$", "do": {"foreign_link": catcher.origin()}}))
        .checked(&["status", "--json"]);
    let told = told.after_the_faults();
    let complete = told.ended.stdout.contains("\"complete\":true");
    assert!(!complete && catcher.visitors() == 0, "{:?}", told.ended.stderr);
    tried("E1", 1);
}

#[test]
fn m6_the_proxy_variables_of_the_environment_are_not_used() {
    let catcher = Catcher::listen();
    let names = [
        "HTTP_PROXY",
        "http_proxy",
        "HTTPS_PROXY",
        "https_proxy",
        "ALL_PROXY",
        "all_proxy",
    ];
    let scenario = names.iter().fold(Scenario::of(3), |scenario, name| {
        scenario.setting(name, &catcher.origin())
    });
    scenario.sync().code(0).everybody_right();
    assert_eq!(catcher.visitors(), 0);
    tried("M6", names.len());
}

#[test]
fn e6_after_a_listing_that_broke_off_nothing_is_removed() {
    // Everybody has an avatar; nobody a photo any more, as far as can be seen.
    let mirror = [
        ("AVATAR_SYNC_POLICY_MIRROR_REMOVALS", "true"),
        ("AVATAR_SYNC_POLICY_ABSENCE_HOURS", "0"),
    ];
    for service in ["entra", "servicenow"] {
        let stage = Stage::invented(1_050);
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
    let stage = Stage::invented(600);
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
