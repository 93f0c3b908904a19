use std::collections::HashSet;

use futures::TryStreamExt;
use serde_json::{Value, json};

use super::*;

/// `count` people with ids in order.
fn people(count: usize) -> Vec<Value> {
    (1..=count)
        .map(|number| {
            json!({
                "sys_id": id('a', number), "user_name": format!("user.{number}"), "name": format!("User {number}"),
                "email": format!("user.{number}@example.com"), "employee_number": "", "active": "true",
                "locked_out": "false", "photo": "", "correlation_id": "",
            })
        })
        .collect()
}

async fn list(target: &ServiceNowTarget) -> Result<Vec<TargetPerson>, ConnectorError> {
    target.people().try_concat().await
}

fn ids(people: &[TargetPerson]) -> Vec<&str> {
    people.iter().map(|person| person.id.as_str()).collect()
}

fn pages_of(rows: usize) -> impl FnOnce(&mut ServiceNowSettings) {
    move |settings| settings.page_size = rows
}

#[tokio::test]
async fn everybody_is_listed_by_key_with_the_flags_that_keep_it_cheap() {
    let table = people(250);
    let instance = Instance::start(move |request| Reply::page(request, &table, |_| false)).await;
    let target = instance.target_with(|settings| {
        settings.page_size = 100;
        settings.scope = "active=true".to_owned();
    });
    let listed = list(&target).await.unwrap();
    assert_eq!(listed.len(), 250);
    assert_eq!(listed[0].user_name.raw(), "user.1");
    assert_eq!(listed[0].column, Column::Empty);

    let requests = instance.requests();
    assert_eq!(
        requests.len(),
        4,
        "three pages with rows and the empty one that ends it"
    );
    assert_eq!(requests[0].encoded_query(), "active=true^ORDERBYsys_id");
    assert_eq!(
        requests[1].encoded_query(),
        format!("active=true^sys_id>{}^ORDERBYsys_id", id('a', 100))
    );
    for request in &requests {
        assert_eq!(
            request.parameter("sysparm_fields"),
            "sys_id,user_name,email,name,employee_number,active,locked_out,photo,correlation_id"
        );
        assert_eq!(request.parameter("sysparm_exclude_reference_link"), "true");
        assert_eq!(request.parameter("sysparm_suppress_pagination_header"), "true");
    }
    assert_eq!(requests[0].parameter("sysparm_no_count"), "true");
}

#[tokio::test]
async fn short_and_empty_pages_in_the_middle_are_not_the_end() {
    let table = people(450);
    // A few rows of the first page are hidden by access rules, and all of the second and third.
    let hidden: HashSet<String> = (90..=95).chain(101..=300).map(|number| id('a', number)).collect();
    let visible = 450 - hidden.len();
    let instance =
        Instance::start(move |request| Reply::page(request, &table, |key| hidden.contains(key))).await;
    let target = instance.target_with(pages_of(100));
    let listed = list(&target).await.unwrap();
    assert_eq!(listed.len(), visible);
    let unique: HashSet<_> = ids(&listed).into_iter().collect();
    assert_eq!(unique.len(), visible);
    assert!(unique.contains(id('a', 450).as_str()));
    crate::tried("E3", 1);
    crate::tried("E4", 1);
}

#[tokio::test]
async fn a_full_last_page_is_followed_by_a_question_whether_that_was_all() {
    let table = people(200);
    let instance = Instance::start(move |request| Reply::page(request, &table, |_| false)).await;
    assert_eq!(
        list(&instance.target_with(pages_of(100))).await.unwrap().len(),
        200
    );
    let last = instance.requests().pop().unwrap();
    assert_eq!(last.parameter("sysparm_no_count"), "");
}

#[tokio::test]
async fn rows_that_come_twice_end_the_listing_with_an_error() {
    let table = people(3);
    let instance = Instance::start(move |_| Reply::rows(table.clone())).await;
    let error = list(&instance.target()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::UnexpectedAnswer);
    let told = told(&error);
    assert!(told.contains("listed twice"), "{told}");
    crate::tried("E2", 1);
}

#[tokio::test]
async fn where_the_key_may_not_be_compared_pages_go_by_offset() {
    // What is refused: comparing only, or sorting as well.
    for refused in ["sys_id>", "ORDERBY"] {
        let table = people(250);
        let instance = Instance::start(move |request| {
            if request.encoded_query().contains(refused) {
                query_refused()
            } else {
                Reply::page(request, &table, |key| key == id('a', 120))
            }
        })
        .await;
        let listed = list(&instance.target_with(pages_of(100))).await.unwrap();
        let unique: HashSet<_> = ids(&listed).into_iter().collect();
        assert_eq!((listed.len(), unique.len()), (249, 249), "{refused}");
    }
}

#[tokio::test]
async fn where_no_query_is_allowed_the_missing_rule_is_named() {
    let instance = Instance::start(|_| query_refused()).await;
    let error = list(&instance.target()).await.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::NotAllowed { .. }));
    let told = told(&error);
    assert!(told.contains("query_match"), "{told}");
}

#[tokio::test]
async fn a_page_that_is_too_much_is_asked_for_again_in_smaller_ones() {
    let table = people(300);
    let cancelled = "Transaction cancelled: maximum execution time exceeded";
    let cases = [false, true];
    let count = cases.len();
    for cut_short in cases {
        let table = table.clone();
        let instance = Instance::start(move |request| {
            let limit: usize = request.parameter("sysparm_limit").parse().unwrap();
            match (limit > 130, cut_short) {
                (false, _) => Reply::page(request, &table, |_| false),
                (true, false) => envelope(500, cancelled, ""),
                (true, true) => Reply::new(
                    200,
                    "application/json",
                    format!(r#"{{"result":[{{"sys_id":"x","error":{{"message":"{cancelled}"}}"#),
                ),
            }
        })
        .await;
        let listed = list(&instance.target_with(pages_of(1_000))).await.unwrap();
        assert_eq!(listed.len(), 300);
        let limits: Vec<_> = instance
            .requests()
            .iter()
            .map(|request| request.parameter("sysparm_limit").to_owned())
            .collect();
        assert_eq!(limits[..4], ["1000", "500", "250", "125"]);
    }
    crate::tried("B9", count);
}

#[tokio::test]
async fn a_condition_on_a_column_that_no_row_shows_stops_the_listing() {
    // The instance drops the condition in silence and answers with everybody.
    let table = people(5);
    let instance = Instance::start(move |request| Reply::page(request, &table, |_| false)).await;
    let target = instance.target_with(|settings| settings.scope = "active=true^u_tpyo=yes".to_owned());
    let error = list(&target).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Configuration);
    let told = told(&error);
    assert!(told.contains("u_tpyo"), "{told}");
}

#[tokio::test]
async fn the_instance_counts_the_scope_itself() {
    let table = people(42);
    let instance = Instance::start(move |request| Reply::page(request, &table, |_| true)).await;
    let target = instance.target_with(|settings| settings.scope = "active=true".to_owned());
    assert_eq!(target.count().await.unwrap(), 42);
    let request = &instance.requests()[0];
    assert_eq!(request.encoded_query(), "active=true");
    assert_eq!(request.parameter("sysparm_limit"), "1");
}

#[tokio::test]
async fn people_are_looked_up_by_every_key_in_any_spelling() {
    let mut table = people(3);
    table[1]["user_name"] = json!("Ada.Okafor");
    table[2]["correlation_id"] = json!("0a1b");
    // An instance that ignores case, and one that has a row for a different user under a look-alike.
    let instance = Instance::start(move |request| {
        let query = request.encoded_query();
        let rows = table.iter().filter(|row| {
            ["sys_id", "user_name", "email", "correlation_id"]
                .iter()
                .any(|column| {
                    let value = row[column].as_str().unwrap_or_default().to_lowercase();
                    let listed = request.values_in(column).unwrap_or_default();
                    !value.is_empty()
                        && (listed.iter().any(|wanted| wanted.to_lowercase() == value)
                            || query == format!("{column}={value}"))
                })
        });
        Reply::rows(rows.cloned().collect())
    })
    .await;
    let target = instance.target();
    let wanted = [
        TargetLookup::Id(id('a', 1)),
        TargetLookup::Mail("USER.1@example.com".to_owned()),
        TargetLookup::UserName("ada.okafor".to_owned()),
        TargetLookup::SourceKey("0A1B".to_owned()),
        TargetLookup::Mail("nobody@example.com".to_owned()),
        TargetLookup::Id("not an id, at all".to_owned()),
    ];
    let found = target.lookup(&wanted).await.unwrap();
    let unique: HashSet<_> = ids(&found).into_iter().map(str::to_owned).collect();
    assert_eq!(found.len(), 3);
    assert_eq!(unique, (1..=3).map(|number| id('a', number)).collect());
    assert_eq!(instance.requests().len(), 4, "one request a column");
}

#[tokio::test]
async fn a_lookup_in_scope_asks_for_the_scope_as_well() {
    let instance = Instance::start(|_| Reply::rows(Vec::new())).await;
    let target = instance.target_with(|settings| settings.scope = "active=true^NQvip=true".to_owned());
    let wanted = [TargetLookup::Id(id('a', 1))];
    assert_eq!(target.lookup_in_scope(&wanted).await.unwrap(), []);
    assert_eq!(target.lookup(&wanted).await.unwrap(), []);
    let requests = instance.requests();
    let one = id('a', 1);
    assert_eq!(
        requests[0].encoded_query(),
        format!("active=true^sys_idIN{one}^NQvip=true^sys_idIN{one}")
    );
    assert_eq!(requests[1].encoded_query(), format!("sys_idIN{one}"));
}

#[tokio::test]
async fn values_that_could_change_the_query_are_escaped_or_refused() {
    let instance = Instance::start(|_| Reply::rows(Vec::new())).await;
    let target = instance.target();
    let odd = TargetLookup::UserName("okafor, ada^ORactive=true".to_owned());
    assert_eq!(target.lookup(&[odd]).await.unwrap(), []);
    assert_eq!(
        instance.requests()[0].encoded_query(),
        "user_name=okafor, ada^^ORactive=true"
    );
    for value in ["javascript:gs.getUserID()", "a\nb", "a\u{0}b"] {
        let error = target
            .lookup(&[TargetLookup::Mail(value.to_owned())])
            .await
            .unwrap_err();
        assert_eq!(error.kind, ErrorKind::Refused, "{value:?}");
    }
    assert!(instance.requests().len() <= 2, "nothing unsafe was sent");
    crate::tried("L8", 4);
}

#[tokio::test]
async fn a_lookup_in_a_column_the_instance_does_not_show_fails_instead_of_finding_everybody() {
    let mut table = people(3);
    for row in &mut table {
        row.as_object_mut().unwrap().remove("correlation_id");
    }
    let instance = Instance::start(move |_| Reply::rows(table.clone())).await;
    let wanted = [TargetLookup::SourceKey("0a1b".to_owned())];
    let error = instance.target().lookup(&wanted).await.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::NotAllowed { .. }), "{error:?}");
}

#[tokio::test]
async fn a_page_in_place_of_json_names_who_answered() {
    let page = "<html><head><title>Instance Hibernating page</title></head></html>";
    let instance = Instance::start(move |_| Reply::new(200, "text/html;charset=UTF-8", page)).await;
    let error = instance.target().count().await.unwrap_err();
    assert_eq!(
        error.kind,
        ErrorKind::WrongSpeaker(crate::connector::Speaker::Hibernating)
    );
    assert!(error.kind.stops_run());
}

#[tokio::test]
async fn an_error_behind_a_success_status_is_told_in_the_services_words() {
    let instance = Instance::start(|_| envelope(200, "Something is off", "quite")).await;
    let error = list(&instance.target()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Refused);
    let told = told(&error);
    assert!(told.contains("Something is off"), "{told}");
    crate::tried("B7", 1);
}
