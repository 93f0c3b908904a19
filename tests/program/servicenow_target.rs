//! The ServiceNow connector against the practice instance: what it reads agrees with what the instance itself says.

use std::collections::HashMap;
use std::sync::Arc;

use avatar_sync::connector::http::{Secret, Transport, TransportSettings};
use avatar_sync::connector::servicenow::{
    ServiceNowAuth, ServiceNowSettings, ServiceNowTarget, WriteMode, instance_origin,
};
use avatar_sync::connector::{AvatarTarget, Priority, ProbeResult};
use avatar_sync::domain::ids::{PictureId, TargetId};
use avatar_sync::domain::person::TargetPerson;
use avatar_sync::domain::photo::{AvatarChain, Column, Place};
use avatar_sync::sandbox::{self, Sandbox, SandboxOptions};
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};

fn practice(users: usize) -> Sandbox {
    sandbox::start(&SandboxOptions {
        users,
        is_throttled: false,
        ..SandboxOptions::default()
    })
    .expect("a sandbox on loopback")
}

/// OAuth client credentials, the password grant and Basic.
fn sign_ins(sandbox: &Sandbox) -> [ServiceNowAuth; 3] {
    let credentials = &sandbox.world().credentials;
    let client_id = credentials.servicenow_client_id.clone();
    let client_secret = Secret::new(credentials.servicenow_client_secret.clone());
    let username = credentials.servicenow_username.clone();
    let password = Secret::new(credentials.servicenow_password.clone());
    [
        ServiceNowAuth::ClientCredentials {
            client_id: client_id.clone(),
            client_secret: client_secret.clone(),
        },
        ServiceNowAuth::Password {
            client_id,
            client_secret,
            username: username.clone(),
            password: password.clone(),
        },
        ServiceNowAuth::Basic { username, password },
    ]
}

fn target(
    sandbox: &Sandbox,
    auth: ServiceNowAuth,
    change: impl FnOnce(&mut ServiceNowSettings),
) -> ServiceNowTarget {
    let origin = instance_origin(sandbox.servicenow_url()).expect("loopback");
    let mut settings = ServiceNowSettings::new(origin, auth);
    change(&mut settings);
    let transport = Transport::new(TransportSettings {
        connections: 16,
        ..TransportSettings::default()
    });
    ServiceNowTarget::new(settings, &transport).expect("good settings")
}

fn usual(sandbox: &Sandbox) -> ServiceNowTarget {
    let [auth, ..] = sign_ins(sandbox);
    target(sandbox, auth, |_| ())
}

async fn people(target: &ServiceNowTarget) -> Vec<TargetPerson> {
    target.people().try_concat().await.expect("a whole listing")
}

fn ids(people: &[TargetPerson]) -> Vec<TargetId> {
    people.iter().map(|person| person.id.clone()).collect()
}

/// What a sweep for these people knows of each.
async fn swept(target: &ServiceNowTarget, people: &[TargetPerson]) -> Vec<(TargetId, AvatarChain)> {
    let wanted = people
        .iter()
        .map(|person| (person.id.clone(), person.column.clone()));
    let swept = target.sweep_chains(Box::new(wanted)).await.expect("chains");
    let chain = |person: &TargetPerson| (person.id.clone(), swept.chain(person).expect("everybody has one"));
    people.iter().map(chain).collect()
}

#[tokio::test]
async fn every_sign_in_lists_as_many_people_as_the_instance_counts() {
    let sandbox = practice(300);
    for auth in sign_ins(&sandbox) {
        let target = target(&sandbox, auth, |settings| settings.page_size = 100);
        let listed = people(&target).await;
        assert!(listed.len() > 100);
        assert_eq!(listed.len() as u64, target.count().await.expect("a count"));
    }
}

#[tokio::test]
async fn the_chains_predict_what_the_instance_displays_for_everybody() {
    let sandbox = practice(400);
    let target = usual(&sandbox);
    let people = people(&target).await;
    target.count().await.expect("a count");
    let swept = swept(&target, &people).await;
    let requests = sandbox.requests().total;
    let allowed = 5 * people.len().div_ceil(1_000) as u64 + 10;
    assert!(
        requests <= allowed,
        "a scan took {requests} requests, {allowed} are allowed"
    );

    let displayed: HashMap<TargetId, Option<PictureId>> = target
        .displayed(&ids(&people))
        .await
        .expect("avatars")
        .into_iter()
        .collect();
    assert_eq!(displayed.len(), people.len());
    for (id, chain) in &swept {
        let predicted = chain.served.as_ref().map(|served| served.picture.clone());
        assert_eq!(&predicted, &displayed[id], "{id}: {chain:?}");
    }
    let one_by_one = target
        .chains(&ids(&people), Priority::Background)
        .await
        .expect("chains");
    assert_eq!(one_by_one, swept, "both ways of reading agree");
}

#[tokio::test]
async fn every_probe_passes_on_a_healthy_instance() {
    let sandbox = practice(50);
    for probe in usual(&sandbox).check().await {
        assert!(!matches!(probe.result, ProbeResult::Failed { .. }), "{probe:?}");
    }
}

/// A push as the engine does it: read, upload, set columns, ask what is displayed, delete what was there.
async fn push(target: &ServiceNowTarget, person: &TargetPerson, photo: Bytes) {
    let one = [person.id.clone()];
    let (_, chain) = target
        .chains(&one, Priority::Background)
        .await
        .expect("a chain")
        .pop()
        .expect("the person");
    let mut stored = Vec::new();
    for place in target.places_to_write(&chain) {
        let record = match chain.record(place) {
            Some(record) => record.id.clone(),
            None => target.create_record(person, place).await.expect("a record"),
        };
        let column = chain
            .record(place)
            .map_or(Column::Empty, |record| record.column.clone());
        let picture = target
            .upload(&record, place, photo.clone(), "image/jpeg")
            .await
            .expect("an upload");
        if let Some(wanted) = target.column_to_set(place, &column, &picture.id) {
            let set = target
                .set_column(&record, place, Some(&wanted))
                .await
                .expect("a column");
            assert_eq!(set, Column::Names(wanted));
        }
        stored.push(picture.id);
    }
    for record in &chain.records {
        for row in record.image_rows() {
            target.remove(&row.id).await.expect("a removal");
        }
    }
    let (_, displayed) = target
        .displayed(&one)
        .await
        .expect("an avatar")
        .pop()
        .expect("the person");
    assert!(
        displayed.is_some_and(|picture| stored.contains(&picture)),
        "{}",
        person.id
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_who_are_pushed_together_share_their_reads() {
    let sandbox = practice(200);
    let target = Arc::new(usual(&sandbox));
    let everybody = people(&target).await;
    let chains = swept(&target, &everybody).await;
    let photo = Bytes::from(vec![0xff; 2_000]);
    sandbox.reset_requests();
    let mut expected_writes = 0;
    let pushes = everybody.iter().take(100).map(|person| {
        let target = Arc::clone(&target);
        let (person, photo) = (person.clone(), photo.clone());
        async move { push(&target, &person, photo).await }
    });
    for (_, chain) in chains.iter().take(100) {
        expected_writes += 2 + u64::from(chain.record(Place::LIVE_PROFILE).is_none());
        expected_writes += chain
            .records
            .iter()
            .map(|record| record.image_rows().count() as u64)
            .sum::<u64>();
        expected_writes += chain
            .records
            .iter()
            .filter(|record| matches!(record.column, Column::Names(_)))
            .count() as u64;
    }
    futures::stream::iter(pushes)
        .map(tokio::spawn)
        .buffer_unordered(32)
        .for_each(|push| async { push.expect("a push") })
        .await;
    let requests = sandbox.requests().total;
    assert!(requests >= expected_writes, "{requests} {expected_writes}");
    let reads = requests - expected_writes;
    assert!(reads < 100, "{reads} shared reads for 100 pushes");
}

#[tokio::test]
async fn every_write_mode_leaves_a_picture_that_is_displayed() {
    for mode in WriteMode::ALL {
        let sandbox = practice(30);
        let [auth, ..] = sign_ins(&sandbox);
        let target = target(&sandbox, auth, |settings| settings.write_mode = mode);
        let everybody = people(&target).await;
        for person in everybody.iter().take(10) {
            let one = [person.id.clone()];
            let chains = target.chains(&one, Priority::Background).await.expect("a chain");
            let (_, chain) = &chains[0];
            for place in target.places_to_write(chain) {
                let record = match chain.record(place) {
                    Some(record) => record.id.clone(),
                    None => target.create_record(person, place).await.expect("a record"),
                };
                let column = chain
                    .record(place)
                    .map_or(Column::Empty, |record| record.column.clone());
                let photo = Bytes::from(vec![0xfe; 1_000]);
                let picture = target
                    .upload(&record, place, photo.clone(), "image/jpeg")
                    .await
                    .expect("an upload");
                if let Some(wanted) = target.column_to_set(place, &column, &picture.id) {
                    target
                        .set_column(&record, place, Some(&wanted))
                        .await
                        .expect("a column");
                }
                let bytes = target
                    .download(&picture.id, Priority::Foreground)
                    .await
                    .expect("a download");
                assert_eq!(bytes, Some(photo), "{mode:?}");
            }
            let chains = target.chains(&one, Priority::Background).await.expect("a chain");
            let displayed = target.displayed(&one).await.expect("an avatar");
            let served = chains[0].1.served.as_ref().map(|served| served.picture.clone());
            assert_eq!(served, displayed[0].1, "{mode:?} {:?}", chains[0].1);
        }
    }
}

#[tokio::test]
async fn one_persons_anatomy_agrees_with_their_chain_and_costs_four_requests() {
    let sandbox = practice(150);
    let target = usual(&sandbox);
    let people = people(&target).await;
    let chains: HashMap<TargetId, _> = target
        .chains(&ids(&people), Priority::Background)
        .await
        .expect("chains")
        .into_iter()
        .collect();
    for person in people.iter().take(60) {
        sandbox.reset_requests();
        let anatomy = target.anatomy(&person.id, Priority::Foreground).await;
        let anatomy = anatomy.expect("readable").expect("there");
        let requests = sandbox.requests().total;
        assert!(requests <= 4, "{requests} requests for {}", person.id);
        assert_eq!(anatomy.chain, chains[&person.id]);
        let predicted = anatomy.chain.served.as_ref().map(|served| served.picture.clone());
        assert_eq!(anatomy.displayed, Some(predicted));
        assert_eq!(anatomy.traces.len(), anatomy.chain.records.len());
        for thumbnail in &anatomy.thumbnails {
            assert!(anatomy.chain.picture(&thumbnail.of).is_some());
        }
    }
    let nobody = TargetId::new("0".repeat(32));
    let nobody = target.anatomy(&nobody, Priority::Foreground).await;
    assert_eq!(nobody.expect("readable"), None);
    let script = TargetId::new("javascript:gs.sleep(1)");
    target
        .anatomy(&script, Priority::Foreground)
        .await
        .expect_err("what is no id is not sent");
}

#[tokio::test]
async fn a_thumbnail_is_part_of_the_anatomy_of_the_picture_it_was_made_from() {
    let sandbox = practice(150);
    let target = usual(&sandbox);
    let planted = sandbox
        .world()
        .planted()
        .find(|planted| planted.kind.name == "stale_thumbnail")
        .expect("every kind is planted");
    let user = sandbox
        .world()
        .instance
        .read()
        .user_named(&planted.user_name.expect("a user"))
        .expect("the user");
    let user = TargetId::new(user.to_string());
    let anatomy = target.anatomy(&user, Priority::Foreground).await;
    let anatomy = anatomy.expect("readable").expect("there");
    let served = anatomy.chain.served.clone().expect("a picture").picture;
    let small: Vec<_> = anatomy.thumbnails_of(&served).collect();
    assert_eq!(small.len(), 1);
    let bytes = target.download(&small[0].id, Priority::Foreground).await;
    assert_eq!(
        bytes.expect("readable").expect("there").len() as u64,
        small[0].bytes
    );
}

#[tokio::test]
async fn a_record_that_is_only_hidden_is_not_taken_for_gone() {
    let sandbox = practice(300);
    let target = usual(&sandbox);
    let strays = |target: ServiceNowTarget| async move {
        let strays: Vec<_> = target.strays().try_concat().await.expect("a whole listing");
        strays.into_iter().map(|stray| stray.record).collect::<Vec<_>>()
    };
    let gone: Vec<_> = {
        let instance = sandbox.world().instance.read();
        instance
            .attachments()
            .filter(|row| row.table_name.starts_with("ZZ_YY"))
            .filter(|row| instance.has_record(&row.table_name, row.table_sys_id) == Some(false))
            .map(|row| row.table_sys_id.to_string())
            .collect()
    };
    assert!(!gone.is_empty(), "the practice world has orphans");
    let mut found = strays(target).await;
    found.sort();
    let mut expected: Vec<_> = gone
        .iter()
        .map(|id| avatar_sync::domain::ids::RecordId::new(id.as_str()))
        .collect();
    expected.sort();
    assert_eq!(found, expected);

    // Every third profile is hidden from the account: their pictures are nobody's litter.
    let mut settings = sandbox.instance().settings();
    let hidden: Vec<String> = {
        let instance = sandbox.world().instance.read();
        instance
            .profiles()
            .step_by(3)
            .map(|row| row.sys_id.to_string())
            .collect()
    };
    assert!(hidden.len() > 20);
    let rows = format!("sys_idIN{}", hidden.join(","));
    settings
        .access
        .hidden_rows
        .insert("live_profile".to_owned(), rows);
    sandbox.instance().set_settings(settings);
    let mut found = strays(usual(&sandbox)).await;
    found.sort();
    assert_eq!(found, expected);
}
