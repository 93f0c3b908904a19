use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use super::*;
use crate::domain::photo::{Finding, PictureForm, Scan, Sha256};
use crate::domain::text::RemoteText;

fn attachment(number: usize, table: &str, record: &str) -> Value {
    json!({
        "sys_id": id('c', number), "table_name": table, "table_sys_id": record, "file_name": "photo",
        "content_type": "image/jpeg", "size_bytes": "4", "hash": Sha256::of(b"face").to_string(),
        "state": "available", "sys_created_on": "2026-01-01 00:00:00", "sys_created_by": "admin",
    })
}

/// An organisation in which everybody has a profile with a picture, answering by key and by page.
struct Organisation {
    users: Vec<Value>,
    profiles: Vec<Value>,
    attachments: Vec<Value>,
}

impl Organisation {
    fn of(people: usize) -> Self {
        let numbers = 1..=people;
        Self {
            users: numbers
                .clone()
                .map(|number| json!({"sys_id": id('a', number), "photo": "", "avatar": id('c', number)}))
                .collect(),
            profiles: numbers
                .clone()
                .map(|number| {
                    json!({"sys_id": id('b', number), "document": {"value": id('a', number)}, "photo": "",
                        "sys_created_on": "2026-01-01 00:00:00"})
                })
                .collect(),
            attachments: numbers
                .map(|number| attachment(number, "ZZ_YYlive_profile", &id('b', number)))
                .collect(),
        }
    }

    fn answer(&self, request: &Request) -> Reply {
        let by_key = |rows: &[Value], columns: &[&str]| -> Option<Vec<Value>> {
            let lists: Vec<_> = columns
                .iter()
                .filter_map(|column| Some((*column, request.values_in(column)?)))
                .collect();
            if lists.is_empty() {
                return None;
            }
            let value = |row: &Value, column: &str| {
                let cell = &row[column];
                cell["value"]
                    .as_str()
                    .or(cell.as_str())
                    .unwrap_or_default()
                    .to_owned()
            };
            let wanted = |row: &&Value| {
                lists
                    .iter()
                    .any(|(column, list)| list.contains(&value(row, column)))
            };
            Some(rows.iter().filter(wanted).cloned().collect())
        };
        let (rows, keys): (&[Value], &[&str]) = match request.table() {
            "sys_user" => (&self.users, &["sys_id"]),
            "live_profile" => (&self.profiles, &["sys_id", "document"]),
            "sys_attachment" => (&self.attachments, &["sys_id", "table_sys_id"]),
            _ => return envelope(400, "Requested URI does not represent any resource", ""),
        };
        if let Some(found) = by_key(rows, keys) {
            return Reply::rows(found);
        }
        let tables = request.values_in("table_name");
        let listed: Vec<Value> = rows
            .iter()
            .filter(|row| {
                tables
                    .as_ref()
                    .is_none_or(|tables| tables.iter().any(|table| row["table_name"] == table.as_str()))
            })
            .cloned()
            .collect();
        Reply::page(request, &listed, |_| false)
    }
}

fn user(number: usize) -> TargetId {
    TargetId::new(id('a', number))
}

fn person(number: usize) -> TargetPerson {
    TargetPerson {
        id: user(number),
        name: RemoteText::new("Ada Okafor"),
        user_name: RemoteText::new("ada.okafor"),
        mail: None,
        employee_number: None,
        source_key: None,
        active: Some(true),
        locked_out: Some(false),
        column: Column::Empty,
    }
}

/// What a sweep for these people knows of each.
async fn swept(
    target: &ServiceNowTarget,
    people: &[TargetPerson],
) -> Result<Vec<(TargetId, AvatarChain)>, ConnectorError> {
    let wanted = people
        .iter()
        .map(|person| (person.id.clone(), person.column.clone()));
    let swept = target.sweep_chains(Box::new(wanted)).await?;
    let chain = |person: &TargetPerson| Some((person.id.clone(), swept.chain(person)?));
    Ok(people.iter().filter_map(chain).collect())
}

fn record(kind: char, number: usize) -> RecordId {
    RecordId::new(id(kind, number))
}

#[tokio::test]
async fn a_chain_takes_three_requests_however_many_people_ask() {
    let organisation = Organisation::of(40);
    let instance = Instance::start(move |request| organisation.answer(request)).await;
    let target = Arc::new(instance.target());
    let callers = (1..=32).map(|number| {
        let target = Arc::clone(&target);
        tokio::spawn(async move { target.chains(&[user(number)], Priority::Background).await })
    });
    let answers = futures::future::join_all(callers.collect::<Vec<_>>()).await;
    for (position, answer) in answers.into_iter().enumerate() {
        let number = position + 1;
        let chains = answer.unwrap().unwrap();
        let [(who, chain)] = chains.as_slice() else {
            panic!("{chains:?}");
        };
        assert_eq!(who, &user(number));
        let served = chain.served.as_ref().unwrap();
        assert_eq!(served.place, Place::LIVE_PROFILE);
        assert_eq!(served.picture.as_str(), id('c', number));
        assert_eq!(chain.findings, []);
    }
    let requests = instance.requests();
    assert!(requests.len() <= 6, "{} requests for 32 people", requests.len());
    for request in &requests {
        assert!(!request.parameter("sysparm_fields").is_empty());
        assert!(
            !request.parameter("sysparm_fields").contains("avatar"),
            "computed for every row"
        );
    }
}

#[tokio::test]
async fn a_person_who_is_gone_is_missing_from_the_answer() {
    let organisation = Organisation::of(1);
    let instance = Instance::start(move |request| organisation.answer(request)).await;
    let chains = instance
        .target()
        .chains(&[user(1), user(9)], Priority::Foreground)
        .await
        .unwrap();
    let people: Vec<_> = chains.iter().map(|(id, _)| id.clone()).collect();
    assert_eq!(people, [user(1)]);
}

#[tokio::test]
async fn many_ids_are_cut_into_requests_that_fit() {
    let organisation = Organisation::of(400);
    let instance = Instance::start(move |request| organisation.answer(request)).await;
    let people: Vec<_> = (1..=400).map(user).collect();
    let chains = instance
        .target()
        .chains(&people, Priority::Background)
        .await
        .unwrap();
    assert_eq!(chains.len(), 400);
    let users = instance.requests_of("sys_user");
    assert_eq!(users.len(), 3, "150, 150 and 100");
    for request in instance.requests() {
        let longest = request.values_in("sys_id").or(request.values_in("table_sys_id"));
        assert!(longest.is_none_or(|ids| ids.len() <= 150));
    }
}

#[tokio::test]
async fn a_target_that_is_too_long_for_an_edge_is_halved_and_that_is_remembered() {
    let organisation = Organisation::of(150);
    let instance = Instance::start(move |request| {
        let count = request.values_in("sys_id").or(request.values_in("table_sys_id"));
        if count.is_some_and(|ids| ids.len() > 40) {
            Reply::empty(414)
        } else {
            organisation.answer(request)
        }
    })
    .await;
    let target = instance.target();
    let people: Vec<_> = (1..=150).map(user).collect();
    assert_eq!(target.displayed(&people).await.unwrap().len(), 150);
    let before = instance.requests().len();
    assert_eq!(target.displayed(&people).await.unwrap().len(), 150);
    assert_eq!(instance.requests().len() - before, 5, "37 a request from now on");
}

#[tokio::test]
async fn one_bad_row_takes_nobody_else_along() {
    let organisation = Organisation::of(20);
    let instance = Instance::start(move |request| {
        let mut reply = organisation.answer(request);
        if request
            .values_in("sys_id")
            .is_some_and(|ids| ids.contains(&id('a', 13)))
        {
            reply = Reply::result(json!([{"sys_id": id('a', 13), "avatar": ["what is this?"]}]));
        }
        reply
    })
    .await;
    let target = Arc::new(instance.target());
    let callers = (1..=20).map(|number| {
        let target = Arc::clone(&target);
        tokio::spawn(async move { target.displayed(&[user(number)]).await })
    });
    let answers = futures::future::join_all(callers.collect::<Vec<_>>()).await;
    for (position, answer) in answers.into_iter().enumerate() {
        let number = position + 1;
        let answer = answer.unwrap();
        assert_eq!(answer.is_err(), number == 13, "{number}: {answer:?}");
    }
}

#[tokio::test]
async fn a_scan_of_everybody_sweeps_the_tables_side_by_side() {
    let mut organisation = Organisation::of(1_000);
    // Somebody follows the well-known article, somebody's column names a row no sweep looks for, somebody's dangles.
    organisation.profiles[0]["photo"] = json!(id('d', 1));
    organisation.attachments[0] = attachment(1, "live_profile", &id('b', 1));
    organisation.attachments[0]["sys_id"] = json!(id('d', 1));
    organisation.profiles[1]["photo"] = json!(id('d', 2));
    organisation.attachments.push(attachment(1, "incident", "x"));
    organisation.attachments[1_000]["sys_id"] = json!(id('d', 2));
    organisation.profiles[2]["photo"] = json!(id('d', 3));
    let instance = Instance::start(move |request| organisation.answer(request)).await;
    let people: Vec<_> = (1..=1_000).map(person).collect();
    let chains = swept(&instance.target(), &people).await.unwrap();

    assert_eq!(chains.len(), 1_000);
    let served = |number: usize| {
        let chain: &AvatarChain = &chains[number - 1].1;
        chain
            .served
            .as_ref()
            .map(|served| served.picture.as_str().to_owned())
    };
    assert_eq!(served(1), Some(id('d', 1)));
    assert_eq!(chains[0].1.findings, [Finding::Unprefixed]);
    assert_eq!(chains[0].1.served_picture().unwrap().form, PictureForm::Plain);
    assert_eq!(served(2), Some(id('d', 2)));
    assert_eq!(served(3), Some(id('c', 3)), "the column dangles, the row counts");
    assert_eq!(chains[2].1.findings, [Finding::DanglingColumn]);
    assert_eq!(served(1_000), Some(id('c', 1_000)));

    let requests = instance.requests().len();
    assert!(requests <= 10, "{requests} requests for 1,000 people");
}

#[tokio::test]
async fn without_the_right_to_search_by_how_a_type_begins_the_types_are_named() {
    let organisation = Organisation::of(200);
    let instance = Instance::start(move |request| {
        if request.encoded_query().contains("STARTSWITH") {
            query_refused()
        } else {
            organisation.answer(request)
        }
    })
    .await;
    let people: Vec<_> = (1..=200).map(person).collect();
    assert_eq!(swept(&instance.target(), &people).await.unwrap().len(), 200);
}

#[tokio::test]
async fn an_instance_without_profiles_is_fine_when_only_user_records_are_written() {
    let organisation = Arc::new(Organisation::of(200));
    let without_profiles = |organisation: &Arc<Organisation>| {
        let organisation = Arc::clone(organisation);
        move |request: &Request| match request.table() {
            "live_profile" => envelope(400, "Invalid table live_profile", ""),
            _ => organisation.answer(request),
        }
    };
    for people in [1, 200] {
        let people: Vec<_> = (1..=people).map(person).collect();
        let instance = Instance::start(without_profiles(&organisation)).await;
        let target = instance.target_with(|settings| settings.write_mode = WriteMode::SysUser);
        let chains = swept(&target, &people).await.unwrap();
        assert!(
            chains
                .iter()
                .all(|(_, chain)| chain.findings == [Finding::NoProfile])
        );

        let instance = Instance::start(without_profiles(&organisation)).await;
        let error = swept(&instance.target(), &people).await.unwrap_err();
        let told = told(&error);
        assert!(told.contains("sys-user"), "{told}");
    }
}

#[tokio::test]
async fn what_is_displayed_is_asked_of_the_instance_itself() {
    let mut organisation = Organisation::of(3);
    organisation.users[1]["avatar"] = json!("");
    let instance = Instance::start(move |request| organisation.answer(request)).await;
    let displayed = instance
        .target()
        .displayed(&[user(1), user(2), user(9)])
        .await
        .unwrap();
    assert_eq!(
        displayed,
        [(user(1), Some(PictureId::new(id('c', 1)))), (user(2), None)]
    );

    let instance = Instance::start(|_| Reply::rows(vec![json!({"sys_id": id('a', 1)})])).await;
    let error = instance.target().displayed(&[user(1)]).await.unwrap_err();
    assert!(
        matches!(&error.kind, ErrorKind::NotAllowed { needs } if needs.contains("avatar")),
        "hidden is not absent"
    );
}

#[tokio::test]
async fn ids_that_are_none_never_reach_a_query() {
    let instance = Instance::start(|_| Reply::rows(Vec::new())).await;
    let target = instance.target();
    let bad = "x^ORactive=true";
    let people = [TargetId::new(bad)];
    assert!(target.chains(&people, Priority::Background).await.is_err());
    assert!(target.displayed(&people).await.is_err());
    assert!(target.column(&RecordId::new(bad), Place::SYS_USER).await.is_err());
    assert_eq!(instance.requests().len(), 0);
}

/// Answers an upload as recorded (`servicenow.md` N9).
fn stored(request: &Request) -> Reply {
    Reply::json(
        201,
        json!({"result": {
            "sys_id": id('c', 7), "table_name": request.parameter("table_name"),
            "table_sys_id": request.parameter("table_sys_id"), "file_name": request.parameter("file_name"),
            "content_type": request.headers["content-type"].to_str().unwrap(),
            "size_bytes": request.body.len().to_string(), "hash": Sha256::of(&request.body).to_string(),
            "state": "pending", "sys_created_on": "2026-03-18 13:41:48", "sys_created_by": "svc",
        }}),
    )
}

#[tokio::test]
async fn pictures_are_stored_in_the_platforms_form_or_as_the_article_does() {
    for (mode, place, kind, table, file_name) in [
        (
            WriteMode::Both,
            Place::LIVE_PROFILE,
            'b',
            "ZZ_YYlive_profile",
            "photo".to_owned(),
        ),
        (
            WriteMode::Both,
            Place::SYS_USER,
            'a',
            "ZZ_YYsys_user",
            "photo".to_owned(),
        ),
        (
            WriteMode::SeedArticle,
            Place::LIVE_PROFILE,
            'b',
            "live_profile",
            format!("{}_photo.jpg", id('a', 1)),
        ),
    ] {
        let instance = Instance::start(|request| match request.method.as_str() {
            "POST" => stored(request),
            _ => Reply::result(json!({"sys_id": id('b', 1), "document": id('a', 1)})),
        })
        .await;
        let target = instance.target_with(|settings| settings.write_mode = mode);
        let photo = Bytes::from_static(b"\xff\xd8\xffface");
        let picture = target
            .upload(&record(kind, 1), place, photo.clone(), "image/jpeg")
            .await
            .unwrap();
        assert_eq!(picture.id.as_str(), id('c', 7));
        assert_eq!(picture.sha256, Some(Sha256::of(&photo)));
        assert_eq!(picture.scan, Scan::Pending);
        let request = instance.requests().pop().unwrap();
        assert_eq!(request.path, "/api/now/attachment/file");
        assert_eq!(request.parameter("table_name"), table);
        assert_eq!(request.parameter("table_sys_id"), id(kind, 1));
        assert_eq!(request.parameter("file_name"), file_name);
        assert_eq!(request.headers["content-type"], "image/jpeg");
        assert_eq!(request.body, photo);
    }
}

#[tokio::test]
async fn what_may_not_be_stored_is_not_sent() {
    let instance = Instance::start(stored).await;
    let target = instance.target_with(|settings| settings.upload_limit = 10);
    let upload = |photo: &'static [u8], content_type: &'static str| {
        let target = &target;
        async move {
            let photo = Bytes::from_static(photo);
            target
                .upload(&record('a', 1), Place::SYS_USER, photo, content_type)
                .await
                .unwrap_err()
                .kind
        }
    };
    assert_eq!(
        upload(b"01234567890", "image/jpeg").await,
        ErrorKind::TooLarge { limit: 10 }
    );
    assert_eq!(upload(b"<svg/>", "image/svg+xml").await, ErrorKind::Refused);
    assert_eq!(upload(b"<html>", "text/html").await, ErrorKind::Refused);
    assert_eq!(instance.requests().len(), 0);
}

#[tokio::test]
async fn a_write_whose_answer_makes_no_sense_has_an_unknown_outcome() {
    for reply in [
        Reply::result(json!({})),
        Reply::result(
            json!({"sys_id": id('c', 7), "table_name": "incident", "table_sys_id": "x", "file_name": "photo"}),
        ),
        Reply::json(200, json!({})),
        Reply::empty(504),
    ] {
        let instance = Instance::start(move |_| reply.clone()).await;
        let photo = Bytes::from_static(b"face");
        let error = instance
            .target()
            .upload(&record('a', 1), Place::SYS_USER, photo, "image/png")
            .await
            .unwrap_err();
        assert_eq!(error.kind, ErrorKind::OutcomeUnknown);
        assert_eq!(instance.requests().len(), 1, "never repeated by itself");
    }
}

#[tokio::test]
async fn refused_writes_name_the_right_or_the_property() {
    for (reply, words) in [
        (
            envelope(
                403,
                "Operation Failed",
                "ACL Exception Insert Failed due to security constraints",
            ),
            "create sys_attachment",
        ),
        (
            envelope(400, "Invalid file type: photo", ""),
            "glide.attachment.extensions",
        ),
        (envelope(413, "Too large", ""), "com.glide.attachment.max_size"),
    ] {
        let instance = Instance::start(move |_| reply.clone()).await;
        let photo = Bytes::from_static(b"face");
        let error = instance
            .target()
            .upload(&record('a', 1), Place::SYS_USER, photo, "image/png")
            .await
            .unwrap_err();
        let told = told(&error);
        assert!(told.contains(words), "{told}");
    }
}

#[tokio::test]
async fn a_profile_is_created_for_the_person_and_nothing_else_is() {
    let instance = Instance::start(|_| Reply::json(201, json!({"result": {"sys_id": id('b', 1)}}))).await;
    let target = instance.target();
    let created = target
        .create_record(&person(1), Place::LIVE_PROFILE)
        .await
        .unwrap();
    assert_eq!(created, record('b', 1));
    let request = &instance.requests()[0];
    assert_eq!(
        (request.method.as_str(), request.table()),
        ("POST", "live_profile")
    );
    assert_eq!(
        request.json(),
        json!({"table": "sys_user", "type": "user", "document": id('a', 1), "name": "Ada Okafor"})
    );
    let error = target
        .create_record(&person(1), Place::SYS_USER)
        .await
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Refused);
    assert_eq!(instance.requests().len(), 1);
}

#[tokio::test]
async fn a_column_is_set_cleared_and_read_back() {
    let instance = Instance::start(|request| match request.method.as_str() {
        "PATCH" => Reply::result(json!({"sys_id": id('a', 1), "photo": request.json()["photo"]})),
        _ => Reply::rows(vec![
            json!({"sys_id": id('a', 1), "photo": format!("{}.iix", id('c', 1))}),
        ]),
    })
    .await;
    let target = instance.target();
    let picture = PictureId::new(id('c', 1));
    let named = Column::Names(picture.clone());
    let user = record('a', 1);
    assert_eq!(target.column(&user, Place::SYS_USER).await.unwrap(), named);
    assert_eq!(
        target
            .set_column(&user, Place::SYS_USER, Some(&picture))
            .await
            .unwrap(),
        named
    );
    assert_eq!(
        target.set_column(&user, Place::SYS_USER, None).await.unwrap(),
        Column::Empty
    );
    let request = &instance.requests()[1];
    assert_eq!(request.path, format!("/api/now/table/sys_user/{}", id('a', 1)));
    assert_eq!(request.parameter("sysparm_fields"), "sys_id,photo");
    assert_eq!(request.json(), json!({"photo": id('c', 1)}));
}

#[tokio::test]
async fn removing_what_is_gone_is_success_and_what_was_dropped_is_sent_again() {
    let missing = envelope(
        404,
        "No Record found",
        "Record doesn't exist or ACL restricts the record retrieval",
    );
    let instance = Instance::start(move |_| missing.clone()).await;
    instance
        .target()
        .remove(&PictureId::new(id('c', 1)))
        .await
        .unwrap();

    let dropped = AtomicUsize::new(2);
    let instance = Instance::start(move |_| {
        let is_busy = dropped.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        Reply::empty(if is_busy.is_ok() { 202 } else { 204 })
    })
    .await;
    instance
        .target()
        .remove(&PictureId::new(id('c', 1)))
        .await
        .unwrap();
    let requests = instance.requests();
    assert_eq!(requests.len(), 3);
    assert_eq!(requests[2].method, "DELETE");
    assert_eq!(requests[2].path, format!("/api/now/attachment/{}", id('c', 1)));
}

#[tokio::test]
async fn downloads_bring_the_bytes_nothing_or_an_error_but_never_json() {
    let picture = PictureId::new(id('c', 1));
    let face = b"\xff\xd8\xffface".as_slice();
    let instance = Instance::start(move |_| Reply::new(200, "image/jpeg", face)).await;
    let bytes = instance
        .target()
        .download(&picture, Priority::Foreground)
        .await
        .unwrap();
    assert_eq!(bytes.as_deref(), Some(face));
    let request = &instance.requests()[0];
    assert_eq!(request.path, format!("/api/now/attachment/{}/file", id('c', 1)));
    assert_eq!(request.headers["accept"], "*/*");

    let missing = envelope(404, "No Record found", "");
    let instance = Instance::start(move |_| missing.clone()).await;
    let bytes = instance
        .target()
        .download(&picture, Priority::Foreground)
        .await
        .unwrap();
    assert_eq!(bytes, None);

    for (reply, kind) in [
        (envelope(200, "Something is off", ""), ErrorKind::UnexpectedAnswer),
        (
            envelope(403, "Operation Failed", "not available"),
            ErrorKind::NotAllowed { needs: String::new() },
        ),
    ] {
        let instance = Instance::start(move |_| reply.clone()).await;
        let error = instance
            .target()
            .download(&picture, Priority::Foreground)
            .await
            .unwrap_err();
        assert_eq!(
            std::mem::discriminant(&error.kind),
            std::mem::discriminant(&kind),
            "{error:?}"
        );
    }
}
