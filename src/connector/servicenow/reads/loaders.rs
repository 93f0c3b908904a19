//! Reads by key, as they are shared: which rows answer which keys.

use std::collections::HashSet;
use std::hash::Hash;
use std::sync::Arc;

use futures::FutureExt;

use super::super::client::{Client, Piece, Subject};
use super::super::failure::is_table_missing;
use super::super::query::{CHUNK_START, Filter, any_of};
use super::super::rows::{Attachment, IMAGE_LIVE_PROFILE, IMAGE_SYS_USER, Profile, Row};
use super::super::shared::{Answers, SharedReads};
use super::{PEOPLE_NEEDS, PROFILE_NEEDS, attachment_subject, profile_subject};
use crate::connector::{Naming, Priority};
use crate::domain::ids::{PictureId, RecordId, TargetId};
use crate::domain::person::TargetPerson;
use crate::domain::photo::{Column, Place};

/// A key of `sys_attachment`: everything at a record, or one row wherever it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Spot {
    Record(RecordId),
    Picture(PictureId),
}

/// The reads of one priority that callers share.
pub(super) struct Loaders {
    pub(super) columns: SharedReads<(Place, RecordId), Column>,
    pub(super) profiles: SharedReads<TargetId, Vec<Profile>>,
    pub(super) attachments: SharedReads<Spot, Vec<Attachment>>,
}

impl Loaders {
    pub(super) fn new(client: &Arc<Client>, priority: Priority, profiles_optional: bool) -> Self {
        let columns = {
            let client = Arc::clone(client);
            move |keys| {
                let client = Arc::clone(&client);
                async move { fetch_columns(&client, keys, priority).await }.boxed()
            }
        };
        let profiles = {
            let client = Arc::clone(client);
            move |keys| {
                let client = Arc::clone(&client);
                async move { fetch_profiles(&client, keys, priority, profiles_optional).await }.boxed()
            }
        };
        let attachments = {
            let client = Arc::clone(client);
            move |keys| {
                let client = Arc::clone(&client);
                async move { fetch_attachments(&client, keys, priority).await }.boxed()
            }
        };
        Self {
            columns: SharedReads::new(CHUNK_START, columns),
            profiles: SharedReads::new(CHUNK_START, profiles),
            attachments: SharedReads::new(CHUNK_START, attachments),
        }
    }
}

/// Gives every key its rows. `keys_of` names the keys a row belongs to; a row of none was not asked for and is left
/// out.
fn distribute<K, T, V>(
    pieces: Vec<Piece<K, T>>,
    start: impl Fn() -> Option<V>,
    keys_of: impl Fn(&T) -> Vec<K>,
    mut put: impl FnMut(&mut Answers<K, V>, K, &T),
) -> Answers<K, V>
where
    K: Clone + Eq + Hash,
{
    let mut answers = Answers::new();
    for (keys, rows) in pieces {
        match rows {
            Err(failure) => answers.extend(keys.into_iter().map(|key| (key, Err(failure.clone())))),
            Ok(rows) => {
                let asked: HashSet<&K> = keys.iter().collect();
                for key in &keys {
                    if let Some(value) = start() {
                        answers.insert(key.clone(), Ok(value));
                    }
                }
                for row in &rows {
                    for key in keys_of(row).into_iter().filter(|key| asked.contains(key)) {
                        put(&mut answers, key, row);
                    }
                }
            }
        }
    }
    answers
}

async fn fetch_columns(
    client: &Client,
    keys: Vec<(Place, RecordId)>,
    priority: Priority,
) -> Answers<(Place, RecordId), Column> {
    let (profiles, users): (Vec<_>, Vec<_>) = keys
        .into_iter()
        .partition(|(place, _)| *place == Place::LIVE_PROFILE);
    let (profiles, users) = futures::join!(
        fetch_columns_of(client, Place::LIVE_PROFILE, profiles, priority, "photo"),
        fetch_columns_of(client, Place::SYS_USER, users, priority, "photo"),
    );
    profiles.into_iter().chain(users).collect()
}

async fn fetch_columns_of(
    client: &Client,
    place: Place,
    keys: Vec<(Place, RecordId)>,
    priority: Priority,
    column: &str,
) -> Answers<(Place, RecordId), Column> {
    let subject = Subject {
        table: place.0,
        fields: format!("sys_id,{column}"),
        operation: "read the picture columns",
        needs: if place == Place::LIVE_PROFILE {
            PROFILE_NEEDS
        } else {
            PEOPLE_NEEDS
        },
    };
    let query = |keys: &[(Place, RecordId)]| {
        Filter::fixed(&any_of("sys_id", keys.iter().map(|(_, id)| id.as_str())), &[])
    };
    let parse = |row: &Row<'_>| Ok(Some((RecordId::new(row.sys_id()?), row.column(column))));
    let pieces = client.by_keys(&subject, keys, priority, &query, &parse).await;
    distribute(
        pieces,
        || None,
        |(id, _)| vec![(place, id.clone())],
        |answers, key, (_, column)| _ = answers.insert(key, Ok(column.clone())),
    )
}

/// People by id.
pub(super) async fn fetch_people(
    client: &Client,
    subject: &Subject,
    source_key: Option<&str>,
    keys: Vec<TargetId>,
) -> Answers<TargetId, TargetPerson> {
    let query = |keys: &[TargetId]| Filter::fixed(&any_of("sys_id", keys.iter().map(TargetId::as_str)), &[]);
    let parse = |row: &Row<'_>| row.person(source_key).map(Some);
    let pieces = client
        .by_keys(subject, keys, Priority::Foreground, &query, &parse)
        .await;
    distribute(
        pieces,
        || None,
        |person| vec![person.id.clone()],
        |answers, key, person| _ = answers.insert(key, Ok(person.clone())),
    )
}

/// The calculated `avatar` of people: dear, so only of those whom somebody asks about.
pub(super) async fn fetch_displayed(client: &Client, keys: Vec<TargetId>) -> Answers<TargetId, Column> {
    let keys = keys
        .into_iter()
        .map(|id| (Place::SYS_USER, RecordId::new(id.as_str())))
        .collect();
    let answers = fetch_columns_of(client, Place::SYS_USER, keys, Priority::Background, "avatar").await;
    answers
        .into_iter()
        .map(|((_, id), answer)| (TargetId::new(id.as_str()), answer))
        .collect()
}

async fn fetch_profiles(
    client: &Client,
    keys: Vec<TargetId>,
    priority: Priority,
    optional: bool,
) -> Answers<TargetId, Vec<Profile>> {
    let query = |keys: &[TargetId]| {
        let documents = any_of("document", keys.iter().map(TargetId::as_str));
        Filter::fixed(&format!("type=user^table=sys_user^{documents}"), &[])
    };
    let parse = |row: &Row<'_>| row.profile();
    let mut pieces = client
        .by_keys(&profile_subject(), keys, priority, &query, &parse)
        .await;
    for (_, rows) in &mut pieces {
        if optional && rows.as_ref().is_err_and(is_table_missing) {
            *rows = Ok(Vec::new());
        }
    }
    distribute(
        pieces,
        || Some(Vec::new()),
        |profile| vec![profile.user.clone()],
        |answers, key, profile| {
            if let Some(Ok(profiles)) = answers.get_mut(&key) {
                profiles.push(profile.clone());
            }
        },
    )
}

async fn fetch_attachments(
    client: &Client,
    keys: Vec<Spot>,
    priority: Priority,
) -> Answers<Spot, Vec<Attachment>> {
    let query = |keys: &[Spot]| {
        let records: Vec<_> = keys
            .iter()
            .filter_map(|key| match key {
                Spot::Record(id) => Some(id.as_str()),
                Spot::Picture(_) => None,
            })
            .collect();
        let pictures: Vec<_> = keys
            .iter()
            .filter_map(|key| match key {
                Spot::Picture(id) => Some(id.as_str()),
                Spot::Record(_) => None,
            })
            .collect();
        let at_records = format!(
            "{}^table_nameIN{IMAGE_SYS_USER},{IMAGE_LIVE_PROFILE},sys_user,live_profile",
            any_of("table_sys_id", records.iter().copied())
        );
        let at_records = Filter::fixed(&at_records, &[]);
        let by_id = Filter::fixed(&any_of("sys_id", pictures.iter().copied()), &[]);
        match (records.is_empty(), pictures.is_empty()) {
            (_, true) => at_records,
            (true, false) => by_id,
            (false, false) => at_records.or(by_id),
        }
    };
    let parse = |row: &Row<'_>| row.attachment().map(Some);
    let pieces = client
        .by_keys(&attachment_subject(), keys, priority, &query, &parse)
        .await;
    distribute(
        pieces,
        || Some(Vec::new()),
        |attachment| {
            let at_record = attachment
                .stored_at
                .map(|_| Spot::Record(attachment.record.clone()));
            at_record
                .into_iter()
                .chain([Spot::Picture(attachment.picture.id.clone())])
                .collect()
        },
        |answers, key, attachment| {
            if let Some(Ok(attachments)) = answers.get_mut(&key) {
                attachments.push(attachment.clone());
            }
        },
    )
}

/// The columns that name pictures, whoever's they are.
pub(super) async fn fetch_naming(
    client: &Client,
    keys: Vec<PictureId>,
    profiles_optional: bool,
) -> Answers<PictureId, Vec<Naming>> {
    let (profiles, users) = futures::join!(
        fetch_naming_at(client, Place::LIVE_PROFILE, keys.clone(), profiles_optional),
        fetch_naming_at(client, Place::SYS_USER, keys, false),
    );
    let mut answers = users;
    for (key, found) in profiles {
        match (answers.get_mut(&key), found) {
            (Some(Ok(naming)), Ok(found)) => naming.extend(found),
            (_, found) => _ = answers.insert(key, found),
        }
    }
    answers
}

async fn fetch_naming_at(
    client: &Client,
    place: Place,
    keys: Vec<PictureId>,
    optional: bool,
) -> Answers<PictureId, Vec<Naming>> {
    let subject = Subject {
        table: place.0,
        fields: "sys_id,photo".to_owned(),
        operation: "look for columns that name a picture",
        needs: if place == Place::LIVE_PROFILE {
            PROFILE_NEEDS
        } else {
            PEOPLE_NEEDS
        },
    };
    let query = |keys: &[PictureId]| Filter::fixed(&any_of("photo", keys.iter().map(PictureId::as_str)), &[]);
    let parse = |row: &Row<'_>| {
        row.required("photo")?;
        let record = RecordId::new(row.sys_id()?);
        Ok(match row.column("photo") {
            Column::Names(picture) => Some(Naming {
                picture,
                place,
                record,
            }),
            Column::Empty | Column::Unreadable => None,
        })
    };
    let mut pieces = client
        .by_keys(&subject, keys, Priority::Background, &query, &parse)
        .await;
    for (_, rows) in &mut pieces {
        if optional && rows.as_ref().is_err_and(is_table_missing) {
            *rows = Ok(Vec::new());
        }
    }
    distribute(
        pieces,
        || Some(Vec::new()),
        |naming| vec![naming.picture.clone()],
        |answers, key, naming| {
            if let Some(Ok(found)) = answers.get_mut(&key) {
                found.push(naming.clone());
            }
        },
    )
}
