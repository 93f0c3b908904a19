//! Who is there and what they have: listings, lookups and avatar chains (`servicenow.md` 8).

mod anatomy;
mod loaders;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use futures::stream::{self, BoxStream};
use futures::{FutureExt, StreamExt, try_join};
use parking_lot::Mutex;

use self::loaders::{Loaders, Spot, fetch_displayed, fetch_naming, fetch_people};
use super::SYSTEM;
use super::chain::{Attachments, assemble};
use super::client::{Client, Subject};
use super::failure::{is_query_refused, is_table_missing};
use super::query::{CHUNK_START, Filter, UnsafeValue, any_of, check_value, equals, fits_a_list, is_sys_id};
use super::rows::{BadRow, Profile, Row};
use super::settings::ServiceNowSettings;
use super::shared::SharedReads;
use super::sweep::Sweep;
use super::swept::{Few, Gathered};
use crate::connector::http::Failure;
use crate::connector::{ConnectorError, ErrorKind, Naming, Priority, SweptChains, SweptPeople, TargetLookup};
use crate::domain::ids::{PictureId, RecordId, TargetId};
use crate::domain::person::TargetPerson;
use crate::domain::photo::{AvatarChain, Column, Place};
use crate::domain::text::clean;

const PEOPLE_NEEDS: &str = "a role with read access to sys_user (sys_id, user_name, email, name, employee_number, \
                            active, locked_out, photo, avatar)";
const PROFILE_NEEDS: &str = "a role with read access to live_profile (sys_id, type, table, document, photo, \
                             sys_created_on)";
const ATTACHMENT_NEEDS: &str = "a role with read access to sys_attachment where table_name is ZZ_YYsys_user, \
                                ZZ_YYlive_profile, sys_user or live_profile, and to the records themselves";

const ATTACHMENT_FIELDS: &str = "sys_id,table_name,table_sys_id,file_name,content_type,size_bytes,hash,state,sys_created_on,sys_created_by";

/// Image types that are asked for by name where the instance does not let us ask by how the type begins.
const IMAGE_TYPES: &str = "image/jpeg,image/jpg,image/pjpeg,image/png,image/x-png,image/gif,image/bmp,image/webp,\
                           image/tiff,image/heic,image/svg+xml,image/x-icon";

/// `sys_user` as this program reads it.
pub(super) fn people_subject(settings: &ServiceNowSettings, more: &[String]) -> Subject {
    let mut columns = vec![
        "sys_id",
        "user_name",
        "email",
        "name",
        "employee_number",
        "active",
        "locked_out",
        "photo",
    ];
    let configured = settings.source_key_column.iter().chain(more);
    for column in configured {
        if !columns.contains(&column.as_str()) {
            columns.push(column);
        }
    }
    Subject {
        table: "sys_user",
        fields: columns.join(","),
        operation: "list the people",
        needs: PEOPLE_NEEDS,
    }
}

pub(super) fn profile_subject() -> Subject {
    Subject {
        table: "live_profile",
        fields: "sys_id,document,photo,sys_created_on".to_owned(),
        operation: "read the live profiles",
        needs: PROFILE_NEEDS,
    }
}

pub(super) fn attachment_subject() -> Subject {
    Subject {
        table: "sys_attachment",
        fields: ATTACHMENT_FIELDS.to_owned(),
        operation: "read the stored pictures",
        needs: ATTACHMENT_NEEDS,
    }
}

/// Profiles of users.
pub(super) fn profile_filter() -> Filter {
    Filter::fixed("type=user^table=sys_user", &[])
}

/// Rows of the image fields.
pub(super) fn image_filter() -> Filter {
    Filter::fixed(
        "table_nameINZZ_YYsys_user,ZZ_YYlive_profile^file_nameINphoto,Photo",
        &[],
    )
}

/// Everything that is read.
pub(super) struct Reads {
    client: Arc<Client>,
    scope: Filter,
    people: Subject,
    person: Subject,
    source_key: Option<String>,
    profiles_optional: bool,
    background: Loaders,
    foreground: Loaders,
    displayed: SharedReads<TargetId, Column>,
    by_id: SharedReads<TargetId, TargetPerson>,
    naming: SharedReads<PictureId, Vec<Naming>>,
}

impl Reads {
    /// `profiles_optional`: an instance without profiles is fine, because they are not written.
    pub(super) fn new(
        client: &Arc<Client>,
        settings: &ServiceNowSettings,
        scope: Filter,
        profiles_optional: bool,
    ) -> Self {
        let displayed = {
            let client = Arc::clone(client);
            move |keys| {
                let client = Arc::clone(&client);
                async move { fetch_displayed(&client, keys).await }.boxed()
            }
        };
        let naming = {
            let client = Arc::clone(client);
            move |keys| {
                let client = Arc::clone(&client);
                async move { fetch_naming(&client, keys, profiles_optional).await }.boxed()
            }
        };
        let person = Subject {
            operation: "look people up",
            ..people_subject(settings, &[])
        };
        let by_id = {
            let (client, subject) = (Arc::clone(client), person.clone());
            let source_key = settings.source_key_column.clone();
            move |keys| {
                let (client, subject, source_key) =
                    (Arc::clone(&client), subject.clone(), source_key.clone());
                async move { fetch_people(&client, &subject, source_key.as_deref(), keys).await }.boxed()
            }
        };
        Self {
            people: people_subject(settings, scope.columns()),
            person,
            by_id: SharedReads::new(CHUNK_START, by_id),
            source_key: settings.source_key_column.clone(),
            profiles_optional,
            background: Loaders::new(client, Priority::Background, profiles_optional),
            foreground: Loaders::new(client, Priority::Foreground, profiles_optional),
            displayed: SharedReads::new(CHUNK_START, displayed),
            naming: SharedReads::new(CHUNK_START, naming),
            client: Arc::clone(client),
            scope,
        }
    }

    fn loaders(&self, priority: Priority) -> &Loaders {
        match priority {
            Priority::Background => &self.background,
            Priority::Foreground => &self.foreground,
        }
    }

    /// The columns of any records that name any of these pictures.
    pub(super) async fn named(&self, pictures: &[PictureId]) -> Result<Vec<Naming>, Failure> {
        let keys = pictures.iter().filter(|id| is_sys_id(id.as_str())).cloned();
        let found = self.naming.load(keys.collect()).await?;
        Ok(found.into_values().flatten().collect())
    }

    /// Everybody in scope.
    pub(super) fn people(&self) -> BoxStream<'_, Result<Vec<TargetPerson>, ConnectorError>> {
        let sweep = Sweep::new(
            &self.client,
            self.people.clone(),
            self.scope.clone(),
            Priority::Background,
        );
        stream::try_unfold(sweep, |mut sweep| async {
            let source_key = self.source_key.as_deref();
            let page = sweep
                .next_page(&|row: &Row<'_>| row.person(source_key).map(Some))
                .await?;
            warn_if_unstable(&sweep, page.is_none());
            Ok(page.map(|people| (people, sweep)))
        })
        .boxed()
    }

    /// How many people are in scope.
    pub(super) async fn count(&self) -> Result<u64, Failure> {
        let subject = Subject {
            operation: "count the people",
            ..self.people.clone()
        };
        self.client.count(&subject, self.scope.plain()).await
    }

    /// The people for whom any of `wanted` holds.
    pub(super) async fn lookup(&self, wanted: &[TargetLookup]) -> Result<Vec<TargetPerson>, Failure> {
        let mut ids = Vec::new();
        let mut others = Vec::new();
        for lookup in wanted {
            match lookup {
                TargetLookup::Id(id) if is_sys_id(id.trim()) => ids.push(TargetId::new(id.trim())),
                // Nobody has an id that is none.
                TargetLookup::Id(_) => {}
                other => others.push(other.clone()),
            }
        }
        let mut people = self.by_id.load(ids).await?;
        for person in self
            .lookup_among(&Filter::fixed("", &[]), &self.person, &others)
            .await?
        {
            people.insert(person.id.clone(), person);
        }
        Ok(people.into_values().collect())
    }

    /// The people in scope for whom any of `wanted` holds.
    pub(super) async fn lookup_in_scope(
        &self,
        wanted: &[TargetLookup],
    ) -> Result<Vec<TargetPerson>, Failure> {
        let subject = Subject {
            operation: self.person.operation,
            ..self.people.clone()
        };
        self.lookup_among(&self.scope, &subject, wanted).await
    }

    async fn lookup_among(
        &self,
        everybody: &Filter,
        subject: &Subject,
        wanted: &[TargetLookup],
    ) -> Result<Vec<TargetPerson>, Failure> {
        let mut by_column: HashMap<&str, Vec<String>> = HashMap::new();
        for lookup in wanted {
            let (column, value) = match lookup {
                TargetLookup::Id(value) => ("sys_id", value),
                TargetLookup::UserName(value) => ("user_name", value),
                TargetLookup::Mail(value) => ("email", value),
                TargetLookup::EmployeeNumber(value) => ("employee_number", value),
                TargetLookup::SourceKey(value) => match &self.source_key {
                    Some(column) => (column.as_str(), value),
                    // The target keeps no such key, so nobody has this one.
                    None => continue,
                },
            };
            let value = value.trim();
            if column == "sys_id" && !is_sys_id(value) {
                continue;
            }
            check_value(value).map_err(|reason| refuse_value(column, value, reason))?;
            let values = by_column.entry(column).or_default();
            values.push(value.to_owned());
            // Whether the instance folds case is its own matter: the usual spelling is asked for, too.
            let folded = value.to_lowercase();
            if folded != value {
                values.push(folded);
            }
        }
        let mut found = Vec::new();
        let mut seen = HashSet::new();
        for (column, values) in by_column {
            let wanted: HashSet<String> = values.iter().map(|value| value.to_lowercase()).collect();
            let (listable, odd): (Vec<_>, Vec<_>) = values.into_iter().partition(|value| fits_a_list(value));
            let parse = |row: &Row<'_>| {
                // A condition on a column that no row shows may have been dropped by the instance.
                for used in everybody.columns() {
                    row.required(used)?;
                }
                let value = row.required(column)?.trim().to_lowercase();
                if wanted.contains(&value) {
                    row.person(self.source_key.as_deref()).map(Some)
                } else {
                    Ok(None)
                }
            };
            let listed = |values: &[String]| {
                everybody
                    .clone()
                    .and(&any_of(column, values.iter().map(String::as_str)))
            };
            let single = |values: &[String]| everybody.clone().and(&equals(column, &values[0]));
            let mut pieces = self
                .client
                .by_keys(subject, listable, Priority::Foreground, &listed, &parse)
                .await;
            for value in odd {
                let keys = vec![value];
                pieces.extend(
                    self.client
                        .by_keys(subject, keys, Priority::Foreground, &single, &parse)
                        .await,
                );
            }
            for (_, people) in pieces {
                found.extend(
                    people?
                        .into_iter()
                        .filter(|person: &TargetPerson| seen.insert(person.id.clone())),
                );
            }
        }
        Ok(found)
    }

    /// Fresh chains of a few people.
    pub(super) async fn chains(
        &self,
        people: &[TargetId],
        priority: Priority,
    ) -> Result<Vec<(TargetId, AvatarChain)>, Failure> {
        check_ids(people.iter().map(TargetId::as_str))?;
        let loaders = self.loaders(priority);
        let records = people
            .iter()
            .map(|id| (Place::SYS_USER, RecordId::new(id.as_str())));
        let (columns, profiles) = try_join!(
            loaders.columns.load(records.collect()),
            loaders.profiles.load(people.to_vec())
        )?;
        let present = people.iter().filter_map(|id| {
            let column = columns.get(&(Place::SYS_USER, RecordId::new(id.as_str())))?;
            Some((id.clone(), column.clone()))
        });
        assemble_few(loaders, present.collect(), profiles).await
    }

    /// The chains of everybody in `people`.
    pub(super) async fn sweep_chains(
        &self,
        people: SweptPeople<'_>,
    ) -> Result<Box<dyn SweptChains>, Failure> {
        let mut people = people;
        let first: Vec<(TargetId, Column)> = people.by_ref().take(CHUNK_START + 1).collect();
        if first.len() <= CHUNK_START {
            let ids = first.iter().map(|(id, _)| id.clone()).collect();
            let profiles = self.background.profiles.load(ids).await?;
            let chains = assemble_few(&self.background, first, profiles).await?;
            return Ok(Box::new(Few(chains.into_iter().collect())));
        }
        // Rows are packed while their page is read; one that comes again, because its page did, counts once.
        let gathered = Mutex::new(Gathered::new(first.into_iter().chain(people)));
        try_join!(
            self.sweep_profiles(&gathered),
            self.sweep_attachments(image_filter(), &gathered),
            self.sweep_plain(&gathered),
        )?;
        let mut gathered = gathered.into_inner();

        // Columns may name rows that no sweep looks for; whether those exist decides what is displayed.
        let mut unknown = gathered.unknown();
        let spots = unknown.iter().cloned().map(Spot::Picture).collect();
        let elsewhere = self.background.attachments.load(spots).await?;
        for attachment in elsewhere.into_values().flatten() {
            unknown.remove(&attachment.picture.id);
            gathered.add(attachment);
        }
        Ok(Box::new(gathered.finish(unknown)))
    }

    async fn sweep_profiles(&self, gathered: &Mutex<Gathered>) -> Result<(), Failure> {
        let mut sweep = Sweep::new(
            &self.client,
            profile_subject(),
            profile_filter(),
            Priority::Background,
        );
        let parse = |row: &Row<'_>| {
            if let Some(profile) = row.profile()? {
                gathered.lock().add_profile(profile);
            }
            Ok(Some(()))
        };
        loop {
            let page = match sweep.next_page(&parse).await {
                Err(failure) if self.profiles_optional && is_table_missing(&failure) => None,
                page => page?,
            };
            warn_if_unstable(&sweep, page.is_none());
            if page.is_none() {
                return Ok(());
            }
        }
    }

    /// Images under the paperclip of users and profiles: what the well-known article stores.
    async fn sweep_plain(&self, gathered: &Mutex<Gathered>) -> Result<(), Failure> {
        let by_start = Filter::fixed(
            "table_nameINsys_user,live_profile^content_typeSTARTSWITHimage/^ORfile_nameLIKE_photo.",
            &[],
        );
        match self.sweep_attachments(by_start, gathered).await {
            Err(failure) if is_query_refused(&failure) => {
                let by_name = format!(
                    "table_nameINsys_user,live_profile^content_typeIN{IMAGE_TYPES}^ORfile_nameLIKE_photo."
                );
                self.sweep_attachments(Filter::fixed(&by_name, &[]), gathered)
                    .await
            }
            swept => swept,
        }
    }

    async fn sweep_attachments(&self, filter: Filter, gathered: &Mutex<Gathered>) -> Result<(), Failure> {
        let mut sweep = Sweep::new(&self.client, attachment_subject(), filter, Priority::Background);
        let parse = |row: &Row<'_>| {
            let attachment = row.attachment()?;
            if attachment.stored_at.is_none() {
                // The instance has dropped our condition: everything that follows would be somebody else's.
                return Err(BadRow::NotAsked(clean(row.required("table_name")?).into_owned()));
            }
            gathered.lock().add(attachment);
            Ok(Some(()))
        };
        while sweep.next_page(&parse).await?.is_some() {}
        warn_if_unstable(&sweep, true);
        Ok(())
    }

    /// Which picture the instance says it displays.
    pub(super) async fn displayed(
        &self,
        people: &[TargetId],
    ) -> Result<Vec<(TargetId, Option<PictureId>)>, Failure> {
        check_ids(people.iter().map(TargetId::as_str))?;
        let mut answers = self.displayed.load(people.to_vec()).await?;
        let mut displayed = Vec::with_capacity(people.len());
        for id in people {
            let picture = match answers.remove(id) {
                Some(Column::Names(picture)) => Some(picture),
                Some(Column::Empty) => None,
                Some(Column::Unreadable) => {
                    let needs = "read access to column avatar of sys_user".to_owned();
                    let row = BadRow::Missing {
                        column: "avatar".to_owned(),
                    };
                    return Err(Failure::because(
                        SYSTEM,
                        format!("ask which picture is displayed for {id}"),
                        ErrorKind::NotAllowed { needs },
                        row,
                    ));
                }
                None => continue,
            };
            displayed.push((id.clone(), picture));
        }
        Ok(displayed)
    }

    /// The picture column of one record, shared like the chains. `None`: no such record.
    pub(super) async fn column(&self, place: Place, record: &RecordId) -> Result<Option<Column>, Failure> {
        check_ids([record.as_str()])?;
        let key = (place, record.clone());
        let mut answers = self.background.columns.load(vec![key.clone()]).await?;
        Ok(answers.remove(&key))
    }
}

/// Says that a listing without any order may have missed something.
fn warn_if_unstable(sweep: &Sweep<'_>, is_over: bool) {
    if is_over && sweep.is_unstable() {
        tracing::warn!("{SYSTEM} lists without order here: rows that came or went meanwhile may be missing");
    }
}

/// Chains of people whose columns and profiles are known: one more shared read.
async fn assemble_few(
    loaders: &Loaders,
    people: Vec<(TargetId, Column)>,
    mut profiles: HashMap<TargetId, Vec<Profile>>,
) -> Result<Vec<(TargetId, AvatarChain)>, Failure> {
    let mut spots = HashSet::new();
    for (id, column) in &people {
        let own = profiles.get(id).into_iter().flatten();
        spots.insert(Spot::Record(RecordId::new(id.as_str())));
        spots.extend(own.clone().map(|profile| Spot::Record(profile.id.clone())));
        let columns = own.map(|profile| &profile.column).chain([column]);
        spots.extend(columns.filter_map(|column| match column {
            Column::Names(picture) => Some(Spot::Picture(picture.clone())),
            Column::Unreadable | Column::Empty => None,
        }));
    }
    let rows = loaders.attachments.load(spots.into_iter().collect()).await?;
    let mut attachments = Attachments::default();
    rows.into_values()
        .flatten()
        .for_each(|attachment| attachments.add(attachment));
    let mut done = HashSet::with_capacity(people.len());
    Ok(people
        .into_iter()
        .filter(|(id, _)| done.insert(id.clone()))
        .map(|(id, column)| {
            let own = profiles.remove(&id).unwrap_or_default();
            let chain = assemble(&id, column, own, &mut attachments);
            (id, chain)
        })
        .collect())
}

/// Ids come from plans and journals, too; one that could mean something in a query is not sent.
fn check_ids<'a>(ids: impl IntoIterator<Item = &'a str>) -> Result<(), Failure> {
    match ids.into_iter().find(|id| !is_sys_id(id)) {
        None => Ok(()),
        Some(id) => {
            let row = BadRow::NotAnId {
                value: clean(id).into_owned(),
            };
            Err(Failure::because(SYSTEM, "read a record", ErrorKind::Refused, row))
        }
    }
}

/// A value that must not be looked up.
fn refuse_value(column: &str, value: &str, reason: UnsafeValue) -> Failure {
    let operation = format!("look up \"{}\" in {column}", clean(value));
    Failure::because(SYSTEM, operation, ErrorKind::Refused, reason)
        .hint("look the person up by sys_id instead")
}
