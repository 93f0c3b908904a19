//! Delta queries: `entra.md` 2.4.

use avatar_sync::sandbox::entra::DeltaExpired;
use avatar_sync::sandbox::world::directory::UserChange;
use avatar_sync::sandbox::world::picture::Picture;
use http::Method;
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::support::{Answered, BASE, Tenant, ask, id_of, jpeg, people, person};

/// Follows next links from a URL: everything told, and the delta link at the end.
fn round(tenant: &Tenant, url: &str) -> (Vec<Value>, String) {
    let mut told = Vec::new();
    let mut url = url.to_owned();
    loop {
        let page = tenant.get(&url);
        told.extend(page.values());
        let (next, delta) = (page.link("@odata.nextLink"), page.link("@odata.deltaLink"));
        assert!(next.is_some() != delta.is_some(), "either link, and only one");
        if let Some(delta) = delta {
            return (told, delta);
        }
        url = next.expect("the other link");
    }
}

#[test]
fn e31_the_first_round_tells_everybody_in_pages() {
    let tenant = Tenant::with(people(450));
    let first = tenant.get("/v1.0/users/delta?$select=displayName");
    assert_eq!(first.values().len(), 200);
    assert_eq!(
        first.json()["@odata.context"],
        format!("{BASE}/v1.0/$metadata#users(displayName)")
    );
    let next = first.link("@odata.nextLink").expect("more");
    assert!(next.starts_with("/v1.0/users/delta?$skiptoken="), "{next}");
    let (told, delta) = round(&tenant, "/v1.0/users/delta?$select=displayName");
    assert_eq!(told.len(), 450);
    assert_eq!(
        told[0],
        json!({"displayName": "person0", "id": id_of("person0").to_string()})
    );
    assert!(delta.starts_with("/v1.0/users/delta?$deltatoken="), "{delta}");
}

#[test]
fn e32_without_changes_there_is_nothing_but_a_new_link() {
    let tenant = Tenant::with(people(3));
    let (_, delta) = round(&tenant, "/v1.0/users/delta");
    let (told, again) = round(&tenant, &delta);
    assert_eq!(told, Vec::<Value>::new());
    assert!(again.contains("$deltatoken="));
}

#[test]
fn e33_a_new_photo_is_not_told_officially() {
    let tenant = Tenant::with(people(3));
    let (_, delta) = round(&tenant, "/v1.0/users/delta");
    let picture = Picture::from_bytes(jpeg(96, 96));
    tenant
        .world
        .directory
        .write()
        .set_photo("person1@northwind.example", Some(picture));
    assert_eq!(round(&tenant, &delta).0, Vec::<Value>::new());

    tenant.switch(|settings| settings.photo_in_delta = true);
    let told = round(&tenant, &delta).0;
    assert_eq!(told.len(), 1);
    assert_eq!(told[0]["displayName"], "person1");
}

#[test]
fn e34_a_deleted_user_is_told_as_removed() {
    let tenant = Tenant::with(people(3));
    let (_, delta) = round(&tenant, "/v1.0/users/delta");
    let id = tenant
        .world
        .directory
        .write()
        .delete("person1@northwind.example")
        .expect("there");
    let (told, delta) = round(&tenant, &delta);
    assert_eq!(
        told,
        [json!({"id": id.to_string(), "@removed": {"reason": "changed"}})]
    );

    tenant.world.directory.write().purge(id).expect("deleted softly");
    assert_eq!(round(&tenant, &delta).0[0]["@removed"]["reason"], "deleted");
}

#[test]
fn e35_after_seven_days_a_token_is_gone() {
    let tenant = Tenant::with(people(3));
    let (_, delta) = round(&tenant, "/v1.0/users/delta");
    tenant.advance(SignedDuration::from_hours(7 * 24 + 1));
    let token = tenant.new_token("https://graph.microsoft.com/.default");
    let tenant = Tenant { token, ..tenant };
    let gone = tenant.get(&delta);
    assert_eq!(gone.failure(), (410, "SyncStateNotFound".to_owned()));
    let location = gone.header("location").to_owned();
    assert_eq!(location, format!("{BASE}/v1.0/users/delta?$deltatoken="));
    assert_eq!(
        round(&tenant, location.strip_prefix(BASE).expect("our host"))
            .0
            .len(),
        3
    );

    tenant.switch(|settings| settings.delta_expired = DeltaExpired::BadRequest);
    assert_eq!(
        tenant.get(&delta).failure(),
        (400, "SyncStateNotFound".to_owned())
    );
}

#[test]
fn changes_of_selected_properties_are_told_once_with_the_last_state() {
    let tenant = Tenant::with(people(3));
    let (_, delta) = round(&tenant, "/v1.0/users/delta?$select=displayName");
    let change = |change| {
        let mut directory = tenant.world.directory.write();
        directory
            .change("person2@northwind.example", change)
            .expect("there");
    };
    change(UserChange::JobTitle(Some("Engineer".into())));
    let (told, delta) = round(&tenant, &delta);
    assert_eq!(told, Vec::<Value>::new(), "the title was not selected");
    change(UserChange::DisplayName("First".into()));
    change(UserChange::DisplayName("Second".into()));
    let (told, delta) = round(&tenant, &delta);
    assert_eq!(
        told,
        [json!({"displayName": "Second", "id": id_of("person2").to_string()})]
    );
    tenant
        .world
        .directory
        .write()
        .add(person("new").user)
        .expect("new");
    let (told, _) = round(&tenant, &delta);
    assert_eq!(
        told,
        [json!({"displayName": "new", "id": id_of("new").to_string()})]
    );
}

#[test]
fn many_changes_come_in_pages() {
    let tenant = Tenant::with_settings(people(50), |settings| settings.delta_page = 20);
    let (_, delta) = round(&tenant, "/v1.0/users/delta");
    for number in 0..45 {
        let name = format!("person{number}@northwind.example");
        tenant
            .world
            .directory
            .write()
            .change(&name, UserChange::Enabled(false))
            .expect("there");
        let renamed = UserChange::DisplayName(format!("renamed {number}").into());
        tenant
            .world
            .directory
            .write()
            .change(&name, renamed)
            .expect("there");
    }
    let first = tenant.get(&delta);
    assert_eq!(first.values().len(), 20);
    assert!(first.link("@odata.nextLink").is_some());
    assert_eq!(round(&tenant, &delta).0.len(), 45);
}

#[test]
fn what_happens_during_the_first_round_is_told_in_the_next() {
    let tenant = Tenant::with_settings(people(50), |settings| settings.delta_page = 20);
    let first = tenant.get("/v1.0/users/delta?$select=displayName");
    tenant
        .world
        .directory
        .write()
        .delete("person3@northwind.example")
        .expect("there");
    tenant
        .world
        .directory
        .write()
        .add(person("new").user)
        .expect("new");
    let (_, delta) = round(&tenant, &first.link("@odata.nextLink").expect("more"));
    let (told, _) = round(&tenant, &delta);
    assert_eq!(told.len(), 2);
    assert!(told.iter().any(|item| item["@removed"]["reason"] == "changed"));
    assert!(told.iter().any(|item| item["displayName"] == "new"));
}

#[test]
fn minimal_answers_hold_what_changed() {
    let tenant = Tenant::with(people(1));
    let (_, delta) = round(&tenant, "/v1.0/users/delta?$select=displayName,department,mail");
    let department = UserChange::Department(Some("R&D".into()));
    tenant
        .world
        .directory
        .write()
        .change("person0@northwind.example", department)
        .expect("there");
    let told = tenant
        .send(ask(Method::GET, &delta).header("prefer", "return=minimal"))
        .values();
    assert_eq!(
        told,
        [json!({"department": "R&D", "id": id_of("person0").to_string()})]
    );
}

#[test]
fn one_can_start_from_now() {
    let tenant = Tenant::with(people(3));
    let (told, delta) = round(
        &tenant,
        "/v1.0/users/delta?$deltatoken=latest&$select=displayName",
    );
    assert_eq!(told, Vec::<Value>::new());
    tenant
        .world
        .directory
        .write()
        .add(person("new").user)
        .expect("new");
    assert_eq!(round(&tenant, &delta).0.len(), 1);
}

#[test]
fn managers_are_told_as_references() {
    let tenant = Tenant::with([person("boss"), person("dana").reporting_to("boss")]);
    let (told, delta) = round(&tenant, "/v1.0/users/delta?$select=displayName,manager");
    assert_eq!(told[0].get("manager@delta"), None);
    assert_eq!(
        told[1]["manager@delta"],
        json!([{"@odata.type": "#microsoft.graph.user", "id": id_of("boss").to_string()}])
    );
    let left = UserChange::Manager(None);
    tenant
        .world
        .directory
        .write()
        .change("dana@northwind.example", left)
        .expect("there");
    assert_eq!(round(&tenant, &delta).0.len(), 1);
}

#[test]
fn options_that_change_tracking_does_not_know() {
    let tenant = Tenant::with(people(3));
    for option in [
        "$top=5",
        "$orderby=displayName",
        "$filter=accountEnabled%20eq%20true",
    ] {
        let answer = tenant.get(&format!("/v1.0/users/delta?{option}"));
        assert_eq!(
            answer.failure(),
            (400, "Request_UnsupportedQuery".to_owned()),
            "{option}"
        );
    }
    let one = format!("/v1.0/users/delta?$filter=id%20eq%20'{}'", id_of("person1"));
    assert_eq!(round(&tenant, &one).0.len(), 1);
}
