//! Everything about one person: what the chain is made of, who touched it, and what hangs on its pictures
//! (`servicenow.md` 1.1 to 1.4).
//!
//! Four requests: the user with the calculated `avatar`, the profiles, what is stored at all of them, and the
//! thumbnails of that. A long listing takes more, a chunk each.

use std::collections::HashSet;

use futures::try_join;

use super::loaders::Spot;
use super::{PEOPLE_NEEDS, PROFILE_NEEDS, Reads, attachment_subject, check_ids};
use crate::connector::Priority;
use crate::connector::http::Failure;
use crate::connector::servicenow::chain::{Attachments, assemble};
use crate::connector::servicenow::client::Subject;
use crate::connector::servicenow::failure::is_table_missing;
use crate::connector::servicenow::query::{Filter, any_of};
use crate::connector::servicenow::rows::{Attachment, BadRow, Profile, Row};
use crate::domain::anatomy::{Anatomy, RecordTrace, Thumbnail};
use crate::domain::ids::{PictureId, RecordId, TargetId};
use crate::domain::photo::Column;

/// Thumbnails are rows of the attachment table at rows of the attachment table (`servicenow.md` 1.2).
const THUMBNAIL_TABLE: &str = "sys_attachment";

impl Reads {
    /// Everything that is stored for one person; `None`: no such person.
    pub(in crate::connector::servicenow) async fn anatomy(
        &self,
        person: &TargetId,
        priority: Priority,
    ) -> Result<Option<Anatomy>, Failure> {
        check_ids([person.as_str()])?;
        let (user, profiles) = try_join!(
            self.traced_user(person, priority),
            self.traced_profiles(person, priority)
        )?;
        let Some(user) = user else { return Ok(None) };
        let mut traces = vec![user.trace];
        let mut own_profiles = Vec::with_capacity(profiles.len());
        for (profile, trace) in profiles {
            traces.push(trace);
            own_profiles.push(profile);
        }

        let columns = || {
            own_profiles
                .iter()
                .map(|profile| &profile.column)
                .chain([&user.photo])
        };
        let named: HashSet<&PictureId> = columns()
            .filter_map(|column| match column {
                Column::Names(picture) => Some(picture),
                Column::Unreadable | Column::Empty => None,
            })
            .collect();
        let spots: HashSet<Spot> = traces
            .iter()
            .map(|trace| Spot::Record(trace.record.clone()))
            .chain(named.iter().map(|picture| Spot::Picture((*picture).clone())))
            .collect();
        let loaded = self
            .loaders(priority)
            .attachments
            .load(spots.into_iter().collect())
            .await?;
        let mut attachments = Attachments::default();
        let mut elsewhere = Vec::new();
        let mut seen = HashSet::new();
        for attachment in loaded.into_values().flatten() {
            let is_own = attachment.stored_at.is_some()
                && traces.iter().any(|trace| trace.record == attachment.record);
            if !is_own && seen.insert(attachment.picture.id.clone()) {
                elsewhere.push(attachment.picture.clone());
            }
            attachments.add(attachment);
        }
        drop(named);
        elsewhere.sort_by(|a, b| a.id.cmp(&b.id));
        let chain = assemble(person, user.photo, own_profiles, &mut attachments);
        let stored = chain
            .records
            .iter()
            .flat_map(|record| &record.pictures)
            .map(|picture| picture.id.clone());
        let thumbnails = self.thumbnails(stored.collect(), priority).await?;
        Ok(Some(Anatomy {
            chain,
            traces,
            thumbnails,
            elsewhere,
            displayed: match user.avatar {
                Column::Names(picture) => Some(Some(picture)),
                Column::Empty => Some(None),
                Column::Unreadable => None,
            },
        }))
    }

    async fn traced_user(
        &self,
        person: &TargetId,
        priority: Priority,
    ) -> Result<Option<TracedUser>, Failure> {
        let subject = Subject {
            table: "sys_user",
            fields: "sys_id,photo,avatar,sys_created_on,sys_updated_on,sys_updated_by".to_owned(),
            operation: "read the user record",
            needs: PEOPLE_NEEDS,
        };
        let query =
            |keys: &[TargetId]| Filter::fixed(&any_of("sys_id", keys.iter().map(TargetId::as_str)), &[]);
        let parse = |row: &Row<'_>| {
            if row.sys_id()? != person.as_str() {
                return Ok(None);
            }
            Ok(Some(TracedUser {
                photo: row.column("photo"),
                avatar: row.column("avatar"),
                trace: trace(row)?,
            }))
        };
        let pieces = self
            .client
            .by_keys(&subject, vec![person.clone()], priority, &query, &parse)
            .await;
        let mut users = Vec::new();
        for (_, rows) in pieces {
            users.extend(rows?);
        }
        Ok(users.into_iter().next())
    }

    async fn traced_profiles(
        &self,
        person: &TargetId,
        priority: Priority,
    ) -> Result<Vec<(Profile, RecordTrace)>, Failure> {
        let subject = Subject {
            table: "live_profile",
            fields: "sys_id,document,photo,sys_created_on,sys_updated_on,sys_updated_by".to_owned(),
            operation: "read the live profiles",
            needs: PROFILE_NEEDS,
        };
        let query = |keys: &[TargetId]| {
            let documents = any_of("document", keys.iter().map(TargetId::as_str));
            Filter::fixed(&format!("type=user^table=sys_user^{documents}"), &[])
        };
        let parse = |row: &Row<'_>| match row.profile()? {
            // The instance may have dropped a condition; what belongs to somebody else is none of ours.
            Some(profile) if profile.user == *person => Ok(Some((profile, trace(row)?))),
            _ => Ok(None),
        };
        let pieces = self
            .client
            .by_keys(&subject, vec![person.clone()], priority, &query, &parse)
            .await;
        let mut profiles = Vec::new();
        for (_, rows) in pieces {
            match rows {
                Err(failure) if self.profiles_optional && is_table_missing(&failure) => {}
                rows => profiles.extend(rows?),
            }
        }
        Ok(profiles)
    }

    /// The thumbnails of these pictures, oldest first.
    async fn thumbnails(
        &self,
        pictures: Vec<PictureId>,
        priority: Priority,
    ) -> Result<Vec<Thumbnail>, Failure> {
        let query = |keys: &[PictureId]| {
            let parents = any_of("table_sys_id", keys.iter().map(PictureId::as_str));
            Filter::fixed(&format!("table_name={THUMBNAIL_TABLE}^{parents}"), &[])
        };
        let wanted: HashSet<PictureId> = pictures.iter().cloned().collect();
        let parse = |row: &Row<'_>| {
            let is_thumbnail = row.required("table_name")? == THUMBNAIL_TABLE;
            let thumbnail = thumbnail(row.attachment()?);
            Ok((is_thumbnail && wanted.contains(&thumbnail.of)).then_some(thumbnail))
        };
        let pieces = self
            .client
            .by_keys(&attachment_subject(), pictures, priority, &query, &parse)
            .await;
        let mut thumbnails = Vec::new();
        for (_, rows) in pieces {
            thumbnails.extend(rows?);
        }
        thumbnails.sort_by(|a: &Thumbnail, b: &Thumbnail| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
        Ok(thumbnails)
    }
}

struct TracedUser {
    photo: Column,
    avatar: Column,
    trace: RecordTrace,
}

fn trace(row: &Row<'_>) -> Result<RecordTrace, BadRow> {
    Ok(RecordTrace {
        record: RecordId::new(row.sys_id()?),
        created_at: row.time("sys_created_on"),
        updated_at: row.time("sys_updated_on"),
        updated_by: row.text("sys_updated_by"),
    })
}

fn thumbnail(row: Attachment) -> Thumbnail {
    Thumbnail {
        id: row.picture.id,
        of: PictureId::new(row.record.as_str()),
        file_name: row.picture.file_name,
        bytes: row.picture.bytes,
        sha256: row.picture.sha256,
        created_at: row.picture.created_at,
        created_by: row.picture.created_by,
    }
}
