//! The connector against a scripted log-in service and Graph.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};

use futures::{StreamExt, TryStreamExt};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::*;
use crate::connector::ProbeResult;
use crate::connector::http::testing::{Reply, Seen, Service, network};

const TENANT: &str = "6b2f0000-0000-4000-8000-000000000001";
const CLIENT: &str = "1f0c0000-0000-4000-8000-000000000002";
const SECRET: &str = "s3cr~t+/=canary";

fn settings(origin: &Origin) -> EntraSettings {
    EntraSettings::new(origin.clone(), origin.clone(), TENANT, CLIENT, SECRET.into())
}

fn origin() -> Origin {
    Origin::parse("https://graph.example").expect("an origin")
}

fn person(number: usize) -> SourceId {
    SourceId::new(format!("00000000-0000-4000-8000-{number:012}"))
}

fn is_token_request(seen: &Seen) -> bool {
    seen.path().ends_with("/oauth2/v2.0/token")
}

fn token(roles: &[&str]) -> Reply {
    use base64::Engine;
    let claims = json!({ "roles": roles }).to_string();
    let payload = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(claims);
    Reply::json(json!({
        "token_type": "Bearer",
        "expires_in": 3599,
        "ext_expires_in": 3599,
        "access_token": format!("e30.{payload}.c2ln"),
    }))
}

/// Graph behind a log-in service that lets us in.
fn graph(mut script: impl FnMut(&Seen) -> Reply + Send + 'static) -> Arc<Service> {
    Service::new(move |seen| {
        if is_token_request(seen) {
            token(&["User.Read.All", "ProfilePhoto.Read.All"])
        } else {
            script(seen)
        }
    })
}

fn source(service: &Arc<Service>) -> EntraSource {
    source_with(service, |_| {})
}

fn source_with(service: &Arc<Service>, change: impl FnOnce(&mut EntraSettings)) -> EntraSource {
    let mut settings = settings(&origin());
    change(&mut settings);
    EntraSource::new(settings, &service.transport()).expect("good settings")
}

/// What went to Graph, without the sign-in.
fn requests(service: &Service) -> Vec<Seen> {
    let mut seen = service.seen();
    seen.retain(|seen| !is_token_request(seen));
    seen
}

fn user(number: usize) -> Value {
    json!({
        "id": person(number).as_str(),
        "displayName": format!("Person {number}"),
        "userPrincipalName": format!("p{number}@x.org"),
        "mail": null,
        "userType": "Member",
        "accountEnabled": true,
    })
}

fn page(users: &[Value], next: Option<&str>) -> Reply {
    let mut page = json!({"@odata.context": "…", "value": users});
    if let Some(next) = next {
        page["@odata.nextLink"] = json!(next);
    }
    Reply::json(page)
}

async fn everybody(source: &EntraSource) -> Result<Vec<SourcePerson>, ConnectorError> {
    let pages: Vec<_> = source.people().try_collect().await?;
    Ok(pages.into_iter().flatten().collect())
}

/// The answer to a batch: every item as `answer` says, in reverse order.
fn batch(seen: &Seen, mut answer: impl FnMut(&str) -> Option<Value>) -> Reply {
    let body = seen.json();
    let mut responses: Vec<Value> = Vec::new();
    for request in body["requests"].as_array().expect("requests") {
        let url = request["url"].as_str().expect("a url");
        if let Some(mut item) = answer(url) {
            item["id"] = request["id"].clone();
            responses.push(item);
        }
    }
    responses.reverse();
    Reply::json(json!({ "responses": responses }))
}

fn photo_item(etag: &str, side: u32) -> Value {
    json!({"status": 200, "headers": {"Content-Type": "application/json"}, "body": {
        "@odata.mediaContentType": "image/jpeg", "@odata.mediaEtag": etag, "id": "default",
        "height": side, "width": side,
    }})
}

fn no_photo_item() -> Value {
    json!({"status": 404, "body": {"error": {"code": "ImageNotFound", "message": "…"}}})
}

fn throttled_item(seconds: &str) -> Value {
    json!({"status": 429, "headers": {"Retry-After": seconds}, "body": {"error": {"code": "ApplicationThrottled"}}})
}

async fn stamps(
    source: &EntraSource,
    people: impl IntoIterator<Item = usize>,
) -> Result<HashMap<SourceId, SourcePhoto>, ConnectorError> {
    let people: Vec<SourceId> = people.into_iter().map(person).collect();
    let expected = people.len();
    let stamps: Vec<_> = source
        .stamps(Box::new(people.into_iter()), Priority::Background)
        .try_collect()
        .await?;
    assert_eq!(stamps.len(), expected, "each person once");
    Ok(stamps.into_iter().collect())
}

fn is_present(photo: &SourcePhoto) -> bool {
    matches!(photo, SourcePhoto::Present(_))
}

// People

#[tokio::test(start_paused = true)]
async fn everybody_is_listed_by_pages_of_999_with_exactly_the_columns_needed() {
    let service = graph(|seen| {
        if seen.query("$skiptoken").is_some() {
            page(&[user(3)], None)
        } else {
            let next = "https://graph.example/v1.0/users?$top=999&$skiptoken=RFNwdAIAAQ%2B.x_~&$select=a,b";
            page(&[user(1), user(2)], Some(next))
        }
    });
    let source = source(&service);
    let people = everybody(&source).await.expect("listed");
    let names: Vec<&str> = people.iter().map(|person| person.name.raw()).collect();
    assert_eq!(names, ["Person 1", "Person 2", "Person 3"]);
    let requests = requests(&service);
    assert_eq!(requests[0].query("$top").as_deref(), Some("999"));
    assert_eq!(
        requests[0].query("$select").as_deref(),
        Some("id,userPrincipalName,displayName,mail,employeeId,department,jobTitle,userType,accountEnabled")
    );
    assert_eq!(
        requests[1].target, "/v1.0/users?$top=999&$skiptoken=RFNwdAIAAQ%2B.x_~&$select=a,b",
        "the link is followed as it is"
    );
    assert!(requests.iter().all(|seen| seen.header("cookie").is_none()));
    let ids: HashSet<Option<&str>> = requests
        .iter()
        .map(|seen| seen.header("client-request-id"))
        .collect();
    assert_eq!(ids.len(), 2, "every attempt has an id of its own");
}

#[tokio::test(start_paused = true)]
async fn an_empty_page_is_not_the_end() {
    let service = graph(|seen| match seen.query("$skiptoken").as_deref() {
        None => page(&[user(1)], Some("https://graph.example/v1.0/users?$skiptoken=a")),
        Some("a") => page(&[], Some("https://graph.example/v1.0/users?$skiptoken=b")),
        Some(_) => page(&[user(2)], None),
    });
    assert_eq!(everybody(&source(&service)).await.expect("listed").len(), 2);
    crate::tried("E4", 1);
}

#[tokio::test(start_paused = true)]
async fn a_link_to_another_host_ends_the_listing_and_gets_no_token() {
    let cases = [
        "https://evil.example/v1.0/users?$skiptoken=a",
        "http://graph.example/v1.0/users?$skiptoken=a",
        "https://graph.example:8443/v1.0/users?$skiptoken=a",
        "https://me@graph.example/v1.0/users?$skiptoken=a",
    ];
    let count = cases.len();
    for foreign in cases {
        let service = graph(move |_| page(&[user(1)], Some(foreign)));
        let error = everybody(&source(&service)).await.expect_err("refused");
        assert_eq!(error.kind, ErrorKind::UnexpectedAnswer);
        assert_eq!(requests(&service).len(), 1, "{foreign}");
    }
    crate::tried("E1", count);
}

#[tokio::test(start_paused = true)]
async fn links_that_go_round_in_circles_are_noticed() {
    let service = graph(|seen| match seen.query("$skiptoken").as_deref() {
        Some("a") => page(&[user(2)], Some("https://graph.example/v1.0/users?$skiptoken=b")),
        _ => page(&[user(1)], Some("https://graph.example/v1.0/users?$skiptoken=a")),
    });
    let error = everybody(&source(&service)).await.expect_err("a circle");
    assert_eq!(error.kind, ErrorKind::UnexpectedAnswer);
    assert_eq!(requests(&service).len(), 3);
    crate::tried("E2", 1);
}

#[tokio::test(start_paused = true)]
async fn after_an_error_the_stream_is_over() {
    let service = graph(|seen| {
        if seen.query("$skiptoken").is_some() {
            Reply::status(400)
        } else {
            page(&[user(1)], Some("https://graph.example/v1.0/users?$skiptoken=a"))
        }
    });
    let source = source(&service);
    let pages: Vec<_> = source.people().collect().await;
    assert!(matches!(&pages[..], [Ok(_), Err(_)]), "{pages:?}");
}

#[tokio::test(start_paused = true)]
async fn with_basic_rights_the_basic_columns_are_listed() {
    let service = graph(|seen| {
        if seen
            .query("$select")
            .is_some_and(|columns| columns.contains("employeeId"))
        {
            Reply::graph_error(
                403,
                "Authorization_RequestDenied",
                "Insufficient privileges to complete the operation.",
            )
        } else {
            page(&[json!({"id": person(1).as_str(), "displayName": "Ada"})], None)
        }
    });
    let source = source(&service);
    let people = everybody(&source).await.expect("listed");
    assert_eq!((people[0].enabled, people.len()), (None, 1));
    everybody(&source).await.expect("listed");
    assert_eq!(requests(&service).len(), 3, "the second time it is known");
}

#[tokio::test(start_paused = true)]
async fn without_rights_the_missing_permission_is_named() {
    let service =
        graph(|_| Reply::graph_error(403, "Authorization_RequestDenied", "Insufficient privileges."));
    let error = everybody(&source(&service)).await.expect_err("not allowed");
    let ErrorKind::NotAllowed { needs } = &error.kind else {
        panic!("{error:?}");
    };
    assert!(needs.contains("User.Read.All"), "{needs}");
    let cause = std::error::Error::source(&error).expect("a cause").to_string();
    assert!(
        cause.contains("Authorization_RequestDenied") && cause.contains("9d2e6b1c"),
        "{cause}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_filter_that_needs_it_becomes_an_advanced_query() {
    let service = graph(|seen| {
        if seen.header("consistencylevel").is_some() {
            page(&[user(1)], None)
        } else {
            Reply::graph_error(400, "Request_UnsupportedQuery", "Unsupported Query.")
        }
    });
    let source = source_with(&service, |settings| {
        settings.filter = Some("startswith(surname,'x')".into());
    });
    everybody(&source).await.expect("listed");
    let requests = requests(&service);
    assert_eq!(requests.len(), 2);
    assert_eq!(requests[1].query("$count").as_deref(), Some("true"));
    assert_eq!(
        requests[1].query("$filter").as_deref(),
        Some("startswith(surname,'x')")
    );
}

#[tokio::test(start_paused = true)]
async fn people_are_looked_up_fifteen_at_a_time_and_found_once() {
    let service = graph(|_| page(&[user(1), user(2)], None));
    let source = source(&service);
    let wanted: Vec<SourceLookup> = (0..31)
        .map(|number| SourceLookup::Id(person(number).as_str().to_owned()))
        .collect();
    let found = source.lookup(&wanted).await.expect("found");
    assert_eq!(found.len(), 2);
    assert_eq!(requests(&service).len(), 3);
    assert!(source.lookup(&[]).await.expect("nobody").is_empty());
    assert_eq!(
        requests(&service).len(),
        3,
        "nobody is looked up without a request"
    );
}

#[tokio::test(start_paused = true)]
async fn a_group_is_found_by_its_name_and_flattened() {
    let group = person(900);
    let service = graph(move |seen| {
        if seen.path() == "/v1.0/groups" {
            assert_eq!(seen.query("$filter").as_deref(), Some("displayName eq 'R&D''s'"));
            return page(
                &[json!({"id": person(900).as_str(), "displayName": "R&D's"})],
                None,
            );
        }
        assert_eq!(seen.header("consistencylevel"), Some("eventual"));
        page(&[json!({"id": person(1).as_str()})], None)
    });
    let source = source(&service);
    assert_eq!(source.group_members("R&D's").await.expect("found"), [person(1)]);
    assert_eq!(
        source.group_members(group.as_str()).await.expect("found"),
        [person(1)]
    );
    let paths: Vec<String> = requests(&service)
        .iter()
        .map(|seen| seen.path().to_owned())
        .collect();
    let members = format!("/v1.0/groups/{group}/transitiveMembers/microsoft.graph.user");
    assert_eq!(paths, ["/v1.0/groups", &members, &members]);
}

#[tokio::test(start_paused = true)]
async fn a_group_name_that_is_shared_or_unknown_is_an_error_that_helps() {
    for (groups, kind, words) in [
        (vec![], ErrorKind::NotFound, "no group is called \"Staff\""),
        (
            vec![
                json!({"id": person(1).as_str()}),
                json!({"id": person(2).as_str()}),
            ],
            ErrorKind::Configuration,
            "2 groups are called \"Staff\"",
        ),
    ] {
        let service = graph(move |_| page(&groups, None));
        let error = source(&service)
            .group_members("Staff")
            .await
            .expect_err("unclear");
        assert_eq!(error.kind, kind);
        let cause = std::error::Error::source(&error).expect("a cause").to_string();
        assert!(cause.starts_with(words), "{cause}");
        assert!(error.hint.is_some_and(|hint| hint.contains("object id")));
    }
}

// Stamps

#[tokio::test(start_paused = true)]
async fn stamps_cost_one_request_for_twenty_people() {
    let service = graph(|seen| {
        batch(seen, |url| {
            Some(if url.ends_with("1/photo") {
                no_photo_item()
            } else {
                photo_item("W/\"x\"", 648)
            })
        })
    });
    let source = source(&service);
    let stamps = stamps(&source, 0..205).await.expect("read");
    assert_eq!(stamps.values().filter(|photo| is_present(photo)).count(), 184);
    assert_eq!(stamps[&person(1)], SourcePhoto::Absent);
    let requests = requests(&service);
    assert_eq!(requests.len(), 11);
    assert!(requests.iter().all(|seen| seen.path() == "/v1.0/$batch"));
    assert_eq!(requests[0].header("x-ms-throttle-priority"), Some("Low"));
    assert!(requests.iter().all(|seen| seen.in_flight <= 4));
}

#[tokio::test(start_paused = true)]
async fn only_the_refused_items_are_repeated_after_the_longest_wait_among_them() {
    let mut round = 0;
    let service = graph(move |seen| {
        round += 1;
        let first = round == 1;
        batch(seen, |url| {
            let number: usize = url[url.len() - 8..url.len() - 6].parse().expect("a number");
            Some(match number {
                0..7 if first => throttled_item(if number == 3 { "9" } else { "2" }),
                _ => photo_item("\"x\"", 648),
            })
        })
    });
    let source = source(&service);
    let start = Instant::now();
    let stamps = stamps(&source, 0..20).await.expect("read");
    assert!(stamps.values().all(is_present));
    assert!(start.elapsed() >= Duration::from_secs(9));
    let sizes: Vec<usize> = requests(&service)
        .iter()
        .map(|seen| seen.json()["requests"].as_array().map_or(0, Vec::len))
        .collect();
    assert_eq!(sizes, [20, 7]);
    let lanes = source.lanes();
    let photos = lanes.iter().find(|lane| lane.name == "photos").expect("a lane");
    assert_eq!((photos.throttled, photos.retries), (1, 1));
    crate::tried("A4", 7);
}

#[tokio::test(start_paused = true)]
async fn missing_answers_are_asked_for_again_and_then_given_up() {
    let service = graph(|seen| batch(seen, |url| (!url.ends_with("05/photo")).then(no_photo_item)));
    let source = source(&service);
    let stamps = stamps(&source, 0..20).await.expect("read");
    assert!(
        matches!(&stamps[&person(5)], SourcePhoto::Unreadable(reason) if reason.contains("kept failing"))
    );
    assert_eq!(requests(&service).len(), 3);
    crate::tried("A5", 1);
}

#[tokio::test(start_paused = true)]
async fn one_poisoned_item_fails_alone() {
    let service = graph(|seen| {
        if String::from_utf8_lossy(&seen.body).contains("000013/photo") {
            return Reply::graph_error(400, "BadRequest", "cannot process");
        }
        batch(seen, |_| Some(no_photo_item()))
    });
    let source = source(&service);
    let stamps = stamps(&source, 0..20).await.expect("read");
    for number in 0..20 {
        let expected_absent = number != 13;
        assert_eq!(
            stamps[&person(number)] == SourcePhoto::Absent,
            expected_absent,
            "{number}"
        );
    }
    let count = requests(&service).len();
    assert!(count <= 11, "{count} requests to find it");
}

#[tokio::test(start_paused = true)]
async fn an_ambiguous_404_asks_the_directory_and_never_counts_as_absent() {
    let service = graph(|seen| {
        if seen.path() == "/v1.0/$batch" {
            return batch(seen, |_| {
                Some(json!({"status": 404, "body": {"error": {"code": "UnknownError", "message": ""}}}))
            });
        }
        if seen.path().ends_with("01") {
            Reply::json(json!({"id": person(1).as_str()}))
        } else {
            Reply::graph_error(404, "Request_ResourceNotFound", "…")
        }
    });
    let source = source(&service);
    let stamps = stamps(&source, [1, 2]).await.expect("read");
    assert!(
        matches!(&stamps[&person(1)], SourcePhoto::Unreadable(reason) if reason.contains("does not prove"))
    );
    assert!(
        matches!(&stamps[&person(2)], SourcePhoto::Unreadable(reason) if reason.contains("no longer knows"))
    );
}

#[tokio::test(start_paused = true)]
async fn if_the_first_twenty_photos_are_all_forbidden_the_right_is_missing() {
    let denied = || json!({"status": 403, "body": {"error": {"code": "ErrorAccessDenied", "message": "…"}}});
    let service = graph(move |seen| batch(seen, |_| Some(denied())));
    let source = source(&service);
    let error = stamps(&source, 0..400).await.expect_err("not allowed");
    assert!(
        matches!(&error.kind, ErrorKind::NotAllowed { needs } if needs.contains("ProfilePhoto.Read.All"))
    );
    let asked = requests(&service).len();
    assert!(asked <= 9, "{asked} batches before it was noticed");

    let some = graph(move |seen| {
        batch(seen, |url| {
            Some(if url.ends_with("7/photo") {
                no_photo_item()
            } else {
                denied()
            })
        })
    });
    let source = source_with(&some, |_| {});
    let stamps = stamps(&source, 0..400).await.expect("some may be read");
    assert_eq!(
        stamps
            .values()
            .filter(|photo| **photo == SourcePhoto::Absent)
            .count(),
        40
    );
    crate::tried("D4", 1);
}

#[tokio::test(start_paused = true)]
async fn a_service_that_stays_away_ends_the_sweep_instead_of_failing_everybody() {
    let service = graph(|_| Reply::status(503));
    let source = source(&service);
    let start = Instant::now();
    let error = stamps(&source, 0..2_000).await.expect_err("gone");
    assert_eq!(error.kind, ErrorKind::Unavailable);
    assert!(start.elapsed() < Duration::from_mins(25));
    assert!(requests(&service).len() < 30);
}

#[tokio::test(start_paused = true)]
async fn a_concurrency_limit_for_the_whole_application_is_met_efficiently() {
    // Four photo operations at a time for the application: a batch works on four, and a second batch is refused
    // what does not fit. Each operation takes 100 ms.
    let refused = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&refused);
    let mut busy_until = Instant::now();
    let service = graph(move |seen| {
        let busy = busy_until > seen.at;
        if !busy {
            busy_until = seen.at + Duration::from_millis(500);
        }
        let counted = Arc::clone(&counter);
        let reply = batch(seen, move |_| {
            Some(if busy {
                counted.fetch_add(1, Ordering::SeqCst);
                throttled_item("1")
            } else {
                no_photo_item()
            })
        });
        reply.after(Duration::from_millis(if busy { 5 } else { 500 }))
    });
    let source = source(&service);
    let start = Instant::now();
    stamps(&source, 0..20_000).await.expect("read");
    let refused = refused.load(Ordering::SeqCst);
    assert!(refused < 200, "{refused} of 20,000 refused");
    let efficiency = 500.0 / start.elapsed().as_secs_f64();
    assert!(efficiency > 0.9, "{efficiency}");
}

// Photos

fn picture() -> Vec<u8> {
    let mut bytes = vec![0xff, 0xd8, 0xff, 0xe0];
    bytes.resize(500, 7);
    bytes
}

fn delivered() -> Reply {
    Reply::status(200)
        .header("content-type", "image/Jpeg")
        .header("etag", "W/\"7c1f\"")
        .body(picture())
}

fn no_photo() -> Reply {
    Reply::graph_error(404, "ImageNotFound", "…")
}

fn paths(service: &Service) -> Vec<String> {
    requests(service)
        .iter()
        .map(|seen| seen.path().replace(person(1).as_str(), "ID"))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn a_photo_comes_in_the_configured_size() {
    let service = graph(|_| delivered());
    let source = source(&service);
    let photo = source
        .photo(&person(1), Priority::Foreground)
        .await
        .expect("fetched")
        .expect("there is one");
    assert_eq!(photo.bytes[..], picture()[..]);
    assert_eq!(photo.etag.as_deref(), Some("W/\"7c1f\""));
    assert_eq!(photo.content_type, "image/Jpeg");
    assert_eq!(paths(&service), ["/v1.0/users/ID/photos/360x360/$value"]);
    assert_eq!(
        requests(&service)[0].header("x-ms-throttle-priority"),
        Some("High")
    );
    assert_eq!(source.photo_size(), "360x360");
}

#[tokio::test(start_paused = true)]
async fn a_missing_size_falls_back_to_the_largest_and_is_remembered() {
    for missing in [
        no_photo(),
        Reply::status(404).header("content-type", "text/plain"),
    ] {
        let service = graph(move |seen| {
            if seen.path().contains("360x360") {
                missing.clone()
            } else {
                delivered()
            }
        });
        let source = source(&service);
        for _ in 0..2 {
            let photo = source.photo(&person(1), Priority::Background).await;
            assert!(photo.expect("fetched").is_some());
        }
        assert_eq!(
            paths(&service),
            [
                "/v1.0/users/ID/photos/360x360/$value",
                "/v1.0/users/ID/photo/$value",
                "/v1.0/users/ID/photo/$value",
            ]
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_stamp_that_says_small_saves_the_useless_request() {
    let service = graph(|seen| {
        if seen.path() == "/v1.0/$batch" {
            batch(seen, |_| Some(photo_item("\"x\"", 256)))
        } else {
            delivered()
        }
    });
    let source = source(&service);
    stamps(&source, [1]).await.expect("read");
    source
        .photo(&person(1), Priority::Background)
        .await
        .expect("fetched");
    assert_eq!(paths(&service), ["/v1.0/$batch", "/v1.0/users/ID/photo/$value"]);
}

#[tokio::test(start_paused = true)]
async fn no_photo_in_any_size_is_none() {
    let service = graph(|_| no_photo());
    let source = source(&service);
    let photo = source.photo(&person(1), Priority::Background).await;
    assert!(photo.expect("understood").is_none());
    assert_eq!(requests(&service).len(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_told_is_an_error_and_never_none() {
    for (status, code, kind) in [
        (404, "Request_ResourceNotFound", ErrorKind::NotFound),
        (404, "ErrorInvalidUser", ErrorKind::NotFound),
        (404, "MailboxNotEnabledForRESTAPI", ErrorKind::Refused),
        (400, "AuthenticationError", ErrorKind::Refused),
        (404, "UnknownError", ErrorKind::UnexpectedAnswer),
        (
            403,
            "ErrorAccessDenied",
            ErrorKind::NotAllowed {
                needs: photos::PHOTO_RIGHT.into(),
            },
        ),
    ] {
        let service = graph(move |seen| {
            if seen.query("$select").is_some() {
                Reply::json(json!({"id": person(1).as_str()}))
            } else {
                Reply::graph_error(status, code, "…")
            }
        });
        let error = source(&service)
            .photo(&person(1), Priority::Background)
            .await
            .expect_err(code);
        assert_eq!(error.kind, kind, "{code}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_id_that_is_no_guid_is_never_part_of_an_address() {
    let service = graph(|_| delivered());
    let source = source(&service);
    let evil = SourceId::new("x/../../me");
    source
        .photo(&evil, Priority::Background)
        .await
        .expect_err("refused");
    let stamps: Vec<_> = source
        .stamps(Box::new([evil].into_iter()), Priority::Background)
        .try_collect()
        .await
        .expect("understood");
    assert!(matches!(stamps[0].1, SourcePhoto::Unreadable(_)));
    assert!(service.seen().is_empty());
    crate::tried("L9", 2);
}

// Signing in

#[tokio::test(start_paused = true)]
async fn the_token_is_asked_for_in_the_documented_form() {
    let service = graph(|_| page(&[user(1)], None));
    let source = source(&service);
    everybody(&source).await.expect("listed");
    everybody(&source).await.expect("listed");
    let seen = service.seen();
    let tokens: Vec<&Seen> = seen.iter().filter(|seen| is_token_request(seen)).collect();
    assert_eq!(tokens.len(), 1);
    assert_eq!(tokens[0].path(), format!("/{TENANT}/oauth2/v2.0/token"));
    assert_eq!(
        String::from_utf8_lossy(&tokens[0].body),
        format!(
            "client_id={CLIENT}&scope=https%3A%2F%2Fgraph.microsoft.com%2F.default\
             &client_secret=s3cr%7Et%2B%2F%3Dcanary&grant_type=client_credentials"
        )
    );
    assert!(tokens[0].header("authorization").is_none());
}

#[tokio::test(start_paused = true)]
async fn refused_sign_ins_say_what_is_wrong_and_never_the_secret() {
    let cases = [
        (
            401,
            "invalid_client",
            7_000_215,
            ErrorKind::SignInRejected,
            "secret's ID",
        ),
        (
            401,
            "invalid_client",
            7_000_222,
            ErrorKind::SignInRejected,
            "expired",
        ),
        (
            400,
            "invalid_request",
            90_002,
            ErrorKind::SignInRejected,
            "no such tenant",
        ),
        (
            400,
            "unauthorized_client",
            700_016,
            ErrorKind::SignInRejected,
            "client id",
        ),
        (
            401,
            "invalid_client",
            700_027,
            ErrorKind::SignInRejected,
            "certificate",
        ),
        (400, "invalid_grant", 999_999, ErrorKind::SignInRejected, "AADSTS"),
    ];
    let count = cases.len();
    for (status, error, code, kind, words) in cases {
        let service = Service::new(move |_| {
            Reply::status(status).with_json(json!({
                "error": error,
                "error_description": format!("AADSTS{code}: No.\r\nTrace ID: 5a1d\r\nCorrelation ID: 77ce"),
                "error_codes": [code],
                "trace_id": "5a1d",
                "correlation_id": "77ce",
            }))
        });
        let source = source(&service);
        let failure = everybody(&source).await.expect_err("refused");
        assert_eq!(failure.kind, kind, "{code}");
        assert!(failure.kind.stops_run());
        let hint = failure.hint.clone().expect("a hint");
        assert!(hint.contains(words), "{hint}");
        let mut chain = vec![failure.to_string()];
        let mut cause = std::error::Error::source(&failure);
        while let Some(deeper) = cause {
            chain.push(deeper.to_string());
            cause = deeper.source();
        }
        let chain = chain.join(" / ");
        assert!(
            chain.contains(&format!("AADSTS{code}")) && chain.contains("5a1d") && chain.contains("77ce"),
            "{chain}"
        );
        assert!(!format!("{chain}{hint}{failure:?}").contains("canary"));
        everybody(&source).await.expect_err("still refused");
        assert_eq!(service.seen().len(), 1, "it is not asked again at once");
    }
    crate::tried("D3", count);
}

#[test]
fn the_scope_follows_the_cloud() {
    for (graph, scope) in [
        (
            "https://graph.microsoft.com",
            "https://graph.microsoft.com/.default",
        ),
        (
            "https://graph.microsoft.us",
            "https://graph.microsoft.us/.default",
        ),
        (
            "https://dod-graph.microsoft.us",
            "https://dod-graph.microsoft.us/.default",
        ),
        (
            "https://microsoftgraph.chinacloudapi.cn",
            "https://microsoftgraph.chinacloudapi.cn/.default",
        ),
        ("http://127.0.0.1:4000", "https://graph.microsoft.com/.default"),
    ] {
        let graph = Origin::parse(graph).expect("an origin");
        assert_eq!(settings(&graph).scope(), scope);
    }
}

#[test]
fn settings_that_cannot_work_are_refused_before_anything_is_sent() {
    let try_with = |change: fn(&mut EntraSettings)| {
        let mut settings = settings(&origin());
        change(&mut settings);
        EntraSource::new(settings, &network()).map(|_| ())
    };
    try_with(|_| {}).expect("good settings");
    for (change, words) in [
        (
            (|settings| settings.tenant = "a/../b".into()) as fn(&mut EntraSettings),
            "tenant",
        ),
        (|settings| settings.tenant = String::new(), "tenant"),
        (|settings| settings.client_id = "my app".into(), "client id"),
        (|settings| settings.secret = " ".into(), "secret"),
        (
            |settings| settings.photo_size = PhotoSize::Pixels(100),
            "100 pixels",
        ),
    ] {
        let error = try_with(change).expect_err(words);
        assert_eq!(error.kind, ErrorKind::Configuration);
        let cause = std::error::Error::source(&error).expect("a cause").to_string();
        assert!(cause.contains(words), "{cause}");
    }
}

// Checking

fn check_service(
    roles: &'static [&'static str],
    mut rest: impl FnMut(&Seen) -> Reply + Send + 'static,
) -> Arc<Service> {
    Service::new(move |seen| {
        if is_token_request(seen) {
            token(roles)
        } else if seen.path().ends_with("/openid-configuration") {
            Reply::json(json!({"issuer": "https://login.example/tenant/v2.0"}))
        } else {
            rest(seen)
        }
    })
}

#[tokio::test(start_paused = true)]
async fn a_check_of_a_good_set_up_passes_line_by_line() {
    let service = check_service(&["User.Read.All", "ProfilePhoto.Read.All"], |seen| {
        if seen.path() == "/v1.0/users" {
            page(&[user(1), user(2)], None)
        } else {
            batch(seen, |url| {
                Some(if url.contains("000001/") {
                    photo_item("\"x\"", 648)
                } else {
                    no_photo_item()
                })
            })
        }
    });
    let probes = source(&service).check().await;
    assert_eq!(probes.len(), 4);
    for probe in &probes {
        assert!(matches!(probe.result, ProbeResult::Passed(_)), "{probe:?}");
    }
    assert_eq!(service.seen().len(), 4, "discovery, token, people, photos");
    assert!(service.seen().iter().all(|seen| {
        seen.method == ::http::Method::GET || is_token_request(seen) || seen.path() == "/v1.0/$batch"
    }));
}

#[tokio::test(start_paused = true)]
async fn a_check_without_rights_names_them_and_stops_there() {
    let service = check_service(&[], |_| Reply::status(500));
    let probes = source(&service).check().await;
    assert_eq!(probes.len(), 3);
    let ProbeResult::Failed { kind, hint, .. } = &probes[2].result else {
        panic!("{probes:?}");
    };
    assert!(matches!(kind, ErrorKind::NotAllowed { .. }));
    assert!(
        hint.contains("ProfilePhoto.Read.All") && hint.contains("Grant admin consent"),
        "{hint}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_check_of_an_unknown_tenant_says_so_without_credentials() {
    let service = Service::new(|_| {
        Reply::status(400).with_json(json!({
            "error": "invalid_tenant", "error_description": "AADSTS90002: Tenant not found.", "error_codes": [90002],
        }))
    });
    let probes = source(&service).check().await;
    assert_eq!(probes.len(), 1);
    let ProbeResult::Failed { kind, hint, seen } = &probes[0].result else {
        panic!("{probes:?}");
    };
    assert_eq!(*kind, ErrorKind::SignInRejected);
    assert!(
        hint.contains("no such tenant") && seen.contains("AADSTS90002"),
        "{hint} {seen}"
    );
    assert_eq!(service.seen().len(), 1);
}

// Over real sockets

#[tokio::test]
async fn it_all_works_over_sockets() {
    let service = graph(|seen| match seen.path() {
        "/v1.0/users" => page(&(0..45).map(user).collect::<Vec<_>>(), None),
        "/v1.0/$batch" => batch(seen, |_| Some(photo_item("W/\"x\"", 648))),
        _ => delivered(),
    });
    let origin = service.listen().await;
    let source = EntraSource::new(settings(&origin), &network()).expect("good settings");
    let people = everybody(&source).await.expect("listed");
    let ids: Vec<SourceId> = people.iter().map(|person| person.id.clone()).collect();
    let stamps: Vec<_> = source
        .stamps(Box::new(ids.clone().into_iter()), Priority::Background)
        .try_collect()
        .await
        .expect("read");
    assert_eq!(stamps.len(), 45);
    let photo = source
        .photo(&ids[7], Priority::Foreground)
        .await
        .expect("fetched");
    assert_eq!(photo.expect("there is one").bytes[..], picture()[..]);
    // One token, one page, three batches, one photo: no request more than needed.
    assert_eq!(service.seen().len(), 6);
}
