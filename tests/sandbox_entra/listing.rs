//! Listing users: `entra.md` 2.1 to 2.3, 2.5, and who may: 1.10, 5.9.

use std::collections::BTreeSet;

use avatar_sync::sandbox::world::directory::UserChange;
use http::Method;
use jiff::SignedDuration;
use serde_json::json;

use crate::support::{Answered, BASE, Tenant, ask, id_of, people, person};

fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// The names that a filter finds, with and without the marks of an advanced query.
fn filtered(tenant: &Tenant, filter: &str) -> Result<Vec<String>, String> {
    let answer = tenant.get(&format!("/v1.0/users?$filter={}", encoded(filter)));
    if answer.status == 200 {
        Ok(answer.column("displayName"))
    } else {
        Err(answer.code())
    }
}

fn filtered_advanced(tenant: &Tenant, filter: &str) -> Result<Vec<String>, String> {
    let answer = tenant.get_eventual(&format!("/v1.0/users?$count=true&$filter={}", encoded(filter)));
    if answer.status == 200 {
        Ok(answer.column("displayName"))
    } else {
        Err(answer.code())
    }
}

/// Follows next links to the end.
fn all_pages(tenant: &Tenant, first: &str) -> Vec<Vec<String>> {
    let mut pages = Vec::new();
    let mut next = Some(first.to_owned());
    while let Some(url) = next {
        let page = tenant.get_eventual(&url);
        pages.push(page.column("displayName"));
        next = page.link("@odata.nextLink");
    }
    pages
}

#[test]
fn every_answer_has_the_headers_of_the_service() {
    let tenant = Tenant::with(people(1));
    let answer = tenant.get("/v1.0/users");
    assert_eq!(answer.header("request-id").len(), 36);
    assert_eq!(answer.header("client-request-id"), answer.header("request-id"));
    assert!(
        answer
            .header("x-ms-ags-diagnostic")
            .starts_with(r#"{"ServerInfo":{"DataCenter":"Sandbox""#)
    );
    assert_eq!(answer.header("strict-transport-security"), "max-age=31536000");
    assert_eq!(answer.header("cache-control"), "no-cache");
    assert_eq!(answer.header("odata-version"), "4.0");
    assert_eq!(answer.header("x-ms-resource-unit"), "2");
    assert!(
        answer
            .header("content-type")
            .starts_with("application/json;odata.metadata=minimal")
    );
    let other = tenant.get("/v1.0/users");
    assert_ne!(answer.header("request-id"), other.header("request-id"));
}

#[test]
fn a_user_has_the_default_properties_and_others_when_selected() {
    let ada = person("ada").named("Ada Byron").with(|user| {
        user.job_title = Some("Engineer".into());
        user.department = Some("R&D".into());
        user.employee_id = Some("17".into());
        user.mail = Some("ada.byron@northwind.example".into());
    });
    let tenant = Tenant::with([ada]);
    let url = format!("/v1.0/users/{}", id_of("ada"));
    assert_eq!(
        tenant.get(&url).json(),
        json!({
            "@odata.context": format!("{BASE}/v1.0/$metadata#users/$entity"),
            "businessPhones": [],
            "displayName": "Ada Byron",
            "givenName": "Ada",
            "jobTitle": "Engineer",
            "mail": "ada.byron@northwind.example",
            "mobilePhone": null,
            "officeLocation": null,
            "preferredLanguage": null,
            "surname": "Byron",
            "userPrincipalName": "ada@northwind.example",
            "id": id_of("ada").to_string(),
        })
    );
    let selected = tenant.get(&format!(
        "{url}?$select=id,accountEnabled,userType,department,employeeId,proxyAddresses,createdDateTime"
    ));
    let user = selected.json();
    assert_eq!(user["accountEnabled"], true);
    assert_eq!(user["userType"], "Member");
    assert_eq!(user["department"], "R&D");
    assert_eq!(user["employeeId"], "17");
    assert_eq!(
        user["proxyAddresses"],
        json!(["SMTP:ada.byron@northwind.example", "smtp:ada@northwind.example"])
    );
    let created = user["createdDateTime"].as_str().expect("a date");
    assert!(created.ends_with('Z') && created.len() == 20, "{created}");
    assert_eq!(user.get("displayName"), None);
}

#[test]
fn e20_to_e22_tokens_that_do_not_count() {
    let tenant = Tenant::with(people(1));
    let get = |authorization: Option<&str>| {
        let mut request = ask(Method::GET, "/v1.0/users");
        if let Some(authorization) = authorization {
            request = request.header("authorization", authorization);
        }
        use avatar_sync::sandbox::exchange::Service;
        tenant.service.answer(&request.request)
    };
    let refused = |authorization: Option<&str>, message: &str| {
        let answer = get(authorization);
        assert_eq!(answer.failure(), (401, "InvalidAuthenticationToken".to_owned()));
        assert_eq!(answer.message(), message);
        assert!(answer.header("www-authenticate").starts_with("Bearer"));
    };
    refused(None, "Access token is empty.");
    refused(Some("Bearer "), "Access token is empty.");
    refused(
        Some("Bearer x.y"),
        "CompactToken parsing failed with error code: 80049217",
    );
    let elsewhere = tenant.new_token("https://management.azure.com/.default");
    refused(
        Some(&format!("Bearer {elsewhere}")),
        "Access token validation failure. Invalid audience.",
    );
    let token = format!("Bearer {}", tenant.token);
    assert_eq!(get(Some(&token)).status, 200);
    tenant.advance(SignedDuration::from_secs(3_598));
    assert_eq!(get(Some(&token)).status, 200);
    tenant.advance(SignedDuration::from_secs(2));
    refused(Some(&token), "Lifetime validation failed, the token is expired.");
}

#[test]
fn a_forged_token_does_not_count() {
    let tenant = Tenant::with(people(1));
    let mut token = tenant.token.clone();
    let last = token.pop().expect("a signature");
    token.push(if last == 'A' { 'Q' } else { 'A' });
    let tenant = Tenant { token, ..tenant };
    assert_eq!(tenant.get("/v1.0/users").status, 401);
}

#[test]
fn e23_e24_permissions_that_are_missing() {
    let mut tenant = Tenant::with([person("dana").photo(96)]);
    let photo = format!("/v1.0/users/{}/photo", id_of("dana"));
    tenant.with_roles(&["Directory.Read.All"]);
    let answer = tenant.get(&photo);
    assert_eq!(answer.failure(), (403, "ErrorAccessDenied".to_owned()));
    assert_eq!(
        answer.message(),
        "Access is denied. Check credentials and try again."
    );
    assert_eq!(tenant.get("/v1.0/users").status, 200);

    tenant.with_roles(&["ProfilePhoto.Read.All"]);
    let answer = tenant.get("/v1.0/users");
    assert_eq!(answer.failure(), (403, "Authorization_RequestDenied".to_owned()));
    assert_eq!(
        answer.message(),
        "Insufficient privileges to complete the operation."
    );
    assert_eq!(tenant.get(&photo).status, 200);
}

#[test]
fn basic_permission_shows_names_and_hides_the_rest() {
    let mut tenant = Tenant::with([person("dana").with(|user| user.department = Some("R&D".into()))]);
    tenant.with_roles(&["User.ReadBasic.All"]);
    let user = tenant
        .get("/v1.0/users?$select=id,displayName,department,accountEnabled")
        .values()[0]
        .clone();
    assert_eq!(user["displayName"], "dana");
    assert_eq!(user["department"], json!(null));
    assert_eq!(user["accountEnabled"], json!(null));
    assert_eq!(
        filtered(&tenant, "displayName eq 'dana'"),
        Ok(vec!["dana".to_owned()])
    );
    assert_eq!(
        filtered(&tenant, "accountEnabled eq true"),
        Err("Authorization_RequestDenied".to_owned())
    );
    assert_eq!(tenant.get("/v1.0/users/delta").status, 403);
    assert_eq!(
        tenant
            .get(&format!("/v1.0/users/{}/manager", id_of("dana")))
            .status,
        403
    );
}

#[test]
fn e25_a_page_has_at_most_999() {
    let tenant = Tenant::with(people(1));
    for size in ["1000", "0", "-1", "many"] {
        let answer = tenant.get(&format!("/v1.0/users?$top={size}"));
        assert_eq!(
            answer.failure(),
            (400, "Request_UnsupportedQuery".to_owned()),
            "{size}"
        );
        assert_eq!(
            answer.message(),
            format!("Invalid page size specified: '{size}'. Must be between 1 and 999 inclusive.")
        );
    }
}

#[test]
fn e26_searching_needs_the_header() {
    let tenant = Tenant::with([
        person("dana").named("Dana Reyes"),
        person("adam").named("Adam Daniels"),
        person("kai").named("Kai Lund"),
    ]);
    let url = format!("/v1.0/users?$search={}", encoded("\"displayName:da\""));
    let answer = tenant.get(&url);
    assert_eq!(answer.failure(), (400, "Request_UnsupportedQuery".to_owned()));
    assert_eq!(
        answer.message(),
        "Request with $search query parameter only works through MSGraph with a special request header: \
         'ConsistencyLevel: eventual'"
    );
    // Any word of the name begins with it.
    assert_eq!(
        tenant.get_eventual(&url).column("displayName"),
        ["Dana Reyes", "Adam Daniels"]
    );
    let either = format!(
        "/v1.0/users?$search={}",
        encoded("\"displayName:reyes\" OR \"mail:kai\"")
    );
    assert_eq!(
        tenant.get_eventual(&either).column("displayName"),
        ["Dana Reyes", "Kai Lund"]
    );
    let unquoted = tenant.get_eventual("/v1.0/users?$search=displayName:da");
    assert_eq!(unquoted.failure(), (400, "BadRequest".to_owned()));
}

#[test]
fn e27_the_number_of_users_is_plain_text() {
    let tenant = Tenant::with(people(12));
    let answer = tenant.get_eventual("/v1.0/users/$count");
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), "text/plain");
    assert_eq!(answer.body, "12");
    let without = tenant.get("/v1.0/users/$count");
    assert_eq!(without.failure(), (400, "Request_BadRequest".to_owned()));
    let some = format!(
        "/v1.0/users/$count?$filter={}",
        encoded("startswith(displayName,'person1')")
    );
    assert_eq!(tenant.get_eventual(&some).body, "3");
}

#[test]
fn e28_a_selected_photo_is_silently_left_out() {
    let tenant = Tenant::with([person("dana").photo(96)]);
    let answer = tenant.get("/v1.0/users?$select=id,photo");
    assert_eq!(answer.values(), [json!({"id": id_of("dana").to_string()})]);
}

#[test]
fn e29_skills_are_not_for_collections() {
    let tenant = Tenant::with(people(1));
    let answer = tenant.get("/v1.0/users?$select=skills");
    assert_eq!(answer.failure(), (501, "NotImplemented".to_owned()));
    assert_eq!(answer.message(), "This operation target is not yet supported.");
    let unknown = tenant.get("/v1.0/users?$select=nickname");
    assert_eq!(unknown.failure(), (400, "BadRequest".to_owned()));
    assert!(unknown.message().contains("'nickname'"));
}

#[test]
fn e30_a_full_page_and_the_link_to_the_next() {
    let tenant = Tenant::with(people(1_200));
    let answer = tenant.get("/v1.0/users?$select=id,mail&$top=999");
    assert_eq!(answer.values().len(), 999);
    assert_eq!(
        answer.json()["@odata.context"],
        format!("{BASE}/v1.0/$metadata#users(id,mail)")
    );
    let next = answer.link("@odata.nextLink").expect("a next link");
    assert!(
        next.starts_with("/v1.0/users?$select=id,mail&$top=999&$skiptoken=RFNwdAIAAQ"),
        "{next}"
    );
    let rest = tenant.get(&next);
    assert_eq!(rest.values().len(), 201);
    assert_eq!(rest.link("@odata.nextLink"), None);
    let ids: BTreeSet<String> = answer.column("id").into_iter().chain(rest.column("id")).collect();
    assert_eq!(ids.len(), 1_200);
}

#[test]
fn a_page_has_100_unless_asked_otherwise() {
    let tenant = Tenant::with(people(250));
    let sizes = |url: &str| all_pages(&tenant, url).iter().map(Vec::len).collect::<Vec<_>>();
    assert_eq!(sizes("/v1.0/users"), [100, 100, 50]);
    assert_eq!(sizes("/v1.0/users?$top=125"), [125, 125]);
}

#[test]
fn nobody_who_stays_is_lost_or_repeated_while_others_come_and_go() {
    let tenant = Tenant::with(people(300));
    let first = tenant.get("/v1.0/users");
    {
        let mut directory = tenant.world.directory.write();
        for number in (0..300).step_by(7) {
            directory
                .delete(&format!("person{number}@northwind.example"))
                .expect("there");
        }
        for number in 0..40 {
            directory.add(person(&format!("new{number}")).user).expect("new");
        }
    }
    let mut names = first.column("displayName");
    let next = first.link("@odata.nextLink").expect("more");
    names.extend(all_pages(&tenant, &next).concat());
    let unique: BTreeSet<&String> = names.iter().collect();
    assert_eq!(unique.len(), names.len(), "nobody twice");
    for number in (0..300).filter(|number| number % 7 != 0) {
        assert!(
            unique.contains(&format!("person{number}")),
            "person{number} is lost"
        );
    }
}

#[test]
fn a_deleted_user_is_gone_a_renamed_one_has_the_new_key_only() {
    let tenant = Tenant::with([person("dana"), person("kai")]);
    {
        let mut directory = tenant.world.directory.write();
        directory.delete("kai@northwind.example").expect("there");
        let renamed = UserChange::Principal("dana.lund@northwind.example".into());
        directory
            .change("dana@northwind.example", renamed)
            .expect("there");
    }
    assert_eq!(tenant.get("/v1.0/users/kai@northwind.example").status, 404);
    assert_eq!(tenant.get("/v1.0/users/dana@northwind.example").status, 404);
    let user = tenant.get("/v1.0/users/dana.lund@northwind.example");
    assert_eq!(user.json()["id"], id_of("dana").to_string());
    tenant
        .world
        .directory
        .write()
        .restore(id_of("kai"))
        .expect("restorable");
    assert_eq!(tenant.get("/v1.0/users/kai@northwind.example").status, 200);
}

#[test]
fn the_count_comes_with_the_first_page_only() {
    let tenant = Tenant::with(people(150));
    let first = tenant.get_eventual("/v1.0/users?$count=true");
    assert_eq!(first.json()["@odata.count"], 150);
    let next = tenant.get_eventual(&first.link("@odata.nextLink").expect("more"));
    assert_eq!(next.json().get("@odata.count"), None);
    let without_header = tenant.get("/v1.0/users?$count=true");
    assert_eq!(without_header.json().get("@odata.count"), None);
}

#[test]
fn filters_that_every_query_may_use() {
    let tenant = Tenant::with([
        person("ada").with(|user| user.department = Some("R&D".into())),
        person("bob").with(|user| user.enabled = false),
        person("kim#EXT#@northwind.example").named("kim").with(|user| {
            user.guest = true;
            user.mail = None;
        }),
    ]);
    let expected: [(&str, &[&str]); 14] = [
        ("userPrincipalName eq 'ADA@northwind.example'", &["ada"]),
        ("accountEnabled eq true and userType eq 'Member'", &["ada"]),
        ("accountEnabled eq false or userType eq 'Guest'", &["bob", "kim"]),
        (
            "(accountEnabled eq false or userType eq 'Guest') and startswith(displayName,'k')",
            &["kim"],
        ),
        ("mail eq null", &["kim"]),
        ("department eq 'r&d'", &["ada"]),
        ("displayName in ('ada', 'kim', 'nobody')", &["ada", "kim"]),
        ("startsWith(displayName,'B')", &["bob"]),
        ("displayName ge 'b'", &["bob", "kim"]),
        ("displayName le 'b'", &["ada"]),
        ("createdDateTime ge 2015-01-01T00:00:00Z", &["ada", "bob", "kim"]),
        ("createdDateTime le 2015-01-01T00:00:00Z", &[]),
        (
            "proxyAddresses/any(p:p eq 'smtp:bob@northwind.example')",
            &["bob"],
        ),
        ("proxyAddresses/any(p: startswith(p,'smtp:ada'))", &["ada"]),
    ];
    for (filter, names) in expected {
        let names = names.iter().map(ToString::to_string).collect();
        assert_eq!(filtered(&tenant, filter), Ok(names), "{filter}");
    }
    let by_id = format!("id eq '{}'", id_of("bob"));
    assert_eq!(filtered(&tenant, &by_id), Ok(vec!["bob".to_owned()]));
}

#[test]
fn an_apostrophe_in_a_literal_is_doubled() {
    let tenant = Tenant::with([person("p.o'hara")]);
    assert_eq!(
        filtered(&tenant, "displayName eq 'p.o''hara'"),
        Ok(vec!["p.o'hara".to_owned()])
    );
    assert_eq!(
        filtered(&tenant, "displayName eq 'p.o'hara'"),
        Err("BadRequest".to_owned())
    );
}

#[test]
fn filters_that_only_advanced_queries_may_use() {
    let tenant = Tenant::with([
        person("ada").named("Ada Byron"),
        person("bob").named("Bob Stone").with(|user| user.enabled = false),
    ]);
    for (filter, name) in [
        ("accountEnabled ne true", "Bob Stone"),
        ("not(startswith(displayName,'A'))", "Bob Stone"),
        ("endsWith(mail,'da@northwind.example')", "Ada Byron"),
        ("startswith(surname,'st')", "Bob Stone"),
    ] {
        assert_eq!(
            filtered(&tenant, filter),
            Err("Request_UnsupportedQuery".to_owned()),
            "{filter}"
        );
        assert_eq!(
            filtered_advanced(&tenant, filter),
            Ok(vec![name.to_owned()]),
            "{filter}"
        );
    }
    let surname = tenant.get(&format!(
        "/v1.0/users?$filter={}",
        encoded("startswith(surname,'x')")
    ));
    assert_eq!(surname.message(), "Unsupported Query.");
}

#[test]
fn filters_that_nobody_may_use_and_filters_that_are_none() {
    let tenant = Tenant::with(people(1));
    for filter in [
        "contains(displayName,'da')",
        "displayName gt 'a'",
        "endswith(displayName,'a')",
        "securityIdentifier eq 'a'",
        "displayName eq true",
    ] {
        assert_eq!(
            filtered_advanced(&tenant, filter),
            Err("Request_UnsupportedQuery".to_owned()),
            "{filter}"
        );
    }
    for filter in [
        "displayName",
        "displayName eq",
        "displayName eq 'a",
        "displayName eq 'a' and",
        "(displayName eq 'a'",
        "nickname eq 'a'",
        "length(displayName,'a')",
        "displayName eq 'a' 'b'",
    ] {
        assert_eq!(
            filtered_advanced(&tenant, filter),
            Err("BadRequest".to_owned()),
            "{filter}"
        );
    }
    let deep = format!("{}displayName eq 'a'{}", "(".repeat(5_000), ")".repeat(5_000));
    assert_eq!(filtered_advanced(&tenant, &deep), Err("BadRequest".to_owned()));
}

#[test]
fn ordered_lists_page_through_equal_names() {
    let names = ["delta", "Alpha", "charlie", "bravo", "charlie"];
    let tenant = Tenant::with(
        names
            .iter()
            .enumerate()
            .map(|(number, name)| person(&format!("person{number}")).named(name)),
    );
    let pages = all_pages(&tenant, "/v1.0/users?$orderby=displayName&$top=2");
    assert_eq!(
        pages,
        [vec!["Alpha", "bravo"], vec!["charlie", "charlie"], vec!["delta"]]
    );
    let pages = all_pages(&tenant, "/v1.0/users?$orderby=displayName%20desc&$top=3");
    assert_eq!(pages.concat(), ["delta", "charlie", "charlie", "bravo", "Alpha"]);
    let with_filter = "/v1.0/users?$orderby=displayName&$filter=startswith(displayName,'c')";
    assert_eq!(
        tenant.get(with_filter).failure(),
        (400, "Request_UnsupportedQuery".to_owned())
    );
    let both = tenant.get_eventual(&format!("{with_filter}&$count=true"));
    assert_eq!(both.column("displayName"), ["charlie", "charlie"]);
}

#[test]
fn options_that_do_not_exist_are_named() {
    let tenant = Tenant::with(people(1));
    for (query, name) in [
        ("$skip=5", "$skip"),
        ("$offset=5", "$offset"),
        ("$top=1&$top=2", "$top"),
    ] {
        let answer = tenant.get(&format!("/v1.0/users?{query}"));
        assert_eq!(answer.status, 400, "{query}");
        assert!(answer.message().contains(name), "{}", answer.message());
    }
    assert_eq!(tenant.get("/v1.0/users?traceid=5").status, 200);
    assert_eq!(tenant.get("/v1.0/users?$skiptoken=nonsense").status, 400);
    assert_eq!(
        tenant.get("/v1.0/nothing").failure(),
        (400, "BadRequest".to_owned())
    );
    assert_eq!(tenant.send(ask(Method::DELETE, "/v1.0/users")).status, 405);
}

#[test]
fn e36_e37_nobody_above_and_nobody_below() {
    let tenant = Tenant::with([person("boss"), person("dana").reporting_to("boss")]);
    let user = |name: &str, below: &str| format!("/v1.0/users/{}/{below}", id_of(name));
    let none = tenant.get(&user("boss", "manager"));
    assert_eq!(none.failure(), (404, "Request_ResourceNotFound".to_owned()));
    assert_eq!(
        none.message(),
        "Resource 'manager' does not exist or one of its queried reference-property objects are not present."
    );
    let nobody = tenant.get(&user("dana", "directReports"));
    assert_eq!((nobody.status.as_u16(), nobody.values()), (200, Vec::new()));

    let manager = tenant.get(&user("dana", "manager")).json();
    assert_eq!(manager["@odata.type"], "#microsoft.graph.user");
    assert_eq!(manager["displayName"], "boss");
    let reports = tenant.get(&user("boss", "directReports?$select=id,displayName"));
    assert_eq!(
        reports.values(),
        [
            json!({"@odata.type": "#microsoft.graph.user", "id": id_of("dana").to_string(), "displayName": "dana"})
        ]
    );
}

#[test]
fn reports_come_in_pages_and_follow_a_change_of_manager() {
    let tenant = Tenant::with(
        [person("boss"), person("other")]
            .into_iter()
            .chain(people(25).map(|person| person.reporting_to("boss"))),
    );
    let url = format!("/v1.0/users/{}/directReports?$top=10", id_of("boss"));
    let sizes: Vec<usize> = all_pages(&tenant, &url).iter().map(Vec::len).collect();
    assert_eq!(sizes, [10, 10, 5]);
    let moved = UserChange::Manager(Some(id_of("other")));
    tenant
        .world
        .directory
        .write()
        .change("person3@northwind.example", moved)
        .expect("there");
    assert!(!all_pages(&tenant, &url).concat().contains(&"person3".to_owned()));
    let reports = tenant.get(&format!("/v1.0/users/{}/directReports", id_of("other")));
    assert_eq!(reports.column("displayName"), ["person3"]);
}

#[test]
fn e38_a_chain_of_managers_is_for_one_user_only() {
    let tenant = Tenant::with([
        person("boss"),
        person("lead").reporting_to("boss"),
        person("dana").reporting_to("lead"),
    ]);
    let answer = tenant.get("/v1.0/users?$expand=manager($levels=max)");
    assert_eq!(answer.failure(), (400, "Request_UnsupportedQuery".to_owned()));
    assert_eq!(
        answer.message(),
        "Transitive manager's list is only supported on a single user, send the $expand request on /users/{id} \
         endpoint"
    );
    let chain = "?$count=true&$select=id&$expand=manager($levels=max;$select=displayName)";
    let user = tenant
        .get_eventual(&format!("/v1.0/users/{}{chain}", id_of("dana")))
        .json();
    assert_eq!(user["manager"]["displayName"], "lead");
    assert_eq!(user["manager"]["manager"]["displayName"], "boss");
    assert_eq!(user["manager"]["manager"].get("manager"), None);
}

#[test]
fn managers_come_with_the_list_when_expanded() {
    let tenant = Tenant::with([person("boss"), person("dana").reporting_to("boss")]);
    let answer = tenant.get("/v1.0/users?$select=id&$expand=manager($select=id,displayName)");
    assert_eq!(answer.header("x-ms-resource-unit"), "2");
    let users = answer.values();
    assert_eq!(users[0].get("manager"), None);
    assert_eq!(users[1]["manager"]["displayName"], "boss");
}

#[test]
fn units_are_those_of_the_manual() {
    let tenant = Tenant::with(people(1));
    for (url, units) in [
        ("/v1.0/users", "2"),
        ("/v1.0/users?$select=id", "1"),
        ("/v1.0/users?$top=5", "1"),
        ("/v1.0/users?$top=999", "2"),
        ("/v1.0/users?$expand=manager", "3"),
        ("/v1.0/users/person0@northwind.example", "1"),
        ("/v1.0/users/delta", "1"),
    ] {
        assert_eq!(tenant.get(url).header("x-ms-resource-unit"), units, "{url}");
    }
}

#[test]
fn routes_for_request_counts_leave_keys_out() {
    use avatar_sync::sandbox::exchange::Service;
    let tenant = Tenant::with(people(0));
    for (url, route) in [
        (
            "/v1.0/users/3f9a/photo/$value?x=1",
            "GET /v1.0/users/{id}/photo/$value",
        ),
        ("/v1.0/users('3f9a')/photo", "GET /v1.0/users/{id}/photo"),
        (
            "/v1.0/users/3f9a/photos/240x240/%24value",
            "GET /v1.0/users/{id}/photos/{size}/$value",
        ),
        ("/v1.0/users/delta", "GET /v1.0/users/delta"),
        (
            "/v1.0/groups/3f9a/transitiveMembers/microsoft.graph.user",
            "GET /v1.0/groups/{id}/transitiveMembers/microsoft.graph.user",
        ),
        ("/v1.0/secrets/3f9a", "GET /v1.0/{unknown}"),
        (
            "/contoso.example/oauth2/v2.0/token",
            "GET /{tenant}/oauth2/v2.0/token",
        ),
        ("/favicon.ico", "GET /{unknown}"),
    ] {
        assert_eq!(
            tenant.service.route(&ask(Method::GET, url).request),
            route,
            "{url}"
        );
    }
}
