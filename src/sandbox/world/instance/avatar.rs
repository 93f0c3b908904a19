//! Which picture is a user's avatar, and how people change it in the user interface (`servicenow.md` 1.2, 9.3).

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::schema::TableName;
use super::table::digest_of_id;
use super::{
    Actor, Audit, Instance, NewAttachment, Picture, ProfileRow, ScanState, StoredAttachment, StoredProfile,
    SysId, equal_folded, moment,
};

/// What `GlideAvatarFinder` does in the cases nobody has documented (`servicenow.md` 9.3, 10).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AvatarRules {
    /// Image rows win over the `photo` column; by default the column wins.
    pub attachment_before_column: bool,
    /// Of several image rows of a record the newest wins; by default the oldest.
    pub newest_image_first: bool,
    /// A column that names a missing attachment means no picture at all; by default it is passed over.
    pub dangling_column_blocks: bool,
    /// Of several profiles the newest is asked first; by default the oldest.
    pub newest_profile_first: bool,
}

/// A record that can carry a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImageRecord {
    /// The user's `live_profile`.
    LiveProfile,
    /// The `sys_user` record.
    SysUser,
}

impl ImageRecord {
    /// The virtual table that image-field pictures of this record belong to (`servicenow.md` 1.1).
    pub fn image_table(self) -> &'static str {
        match self {
            Self::LiveProfile => "ZZ_YYlive_profile",
            Self::SysUser => "ZZ_YYsys_user",
        }
    }
}

/// The picture that is displayed for a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effective {
    /// The record it comes from.
    pub from: ImageRecord,
    /// Its attachment.
    pub attachment: SysId,
}

/// An attachment that concerns a user.
#[derive(Clone, Debug)]
pub struct PictureRow {
    /// Key.
    pub sys_id: SysId,
    /// `table_name`.
    pub table_name: Arc<str>,
    /// `table_sys_id`.
    pub table_sys_id: SysId,
    /// `file_name`.
    pub file_name: String,
    /// Content.
    pub content: Picture,
    /// A `photo` column names it, or its record displays it, or it is the thumbnail of one that is.
    pub referenced: bool,
}

/// A user with all attachments stored at the user record, at the user's profiles, and their thumbnails.
#[derive(Clone, Debug)]
pub struct UserPictures {
    /// The user.
    pub sys_id: SysId,
    /// `user_name`.
    pub user_name: String,
    /// `email`.
    pub email: String,
    /// What is displayed.
    pub effective: Option<Effective>,
    /// Content of what is displayed.
    pub displayed: Option<Picture>,
    /// All attachments.
    pub attachments: Vec<PictureRow>,
}

/// What one record offers as a picture.
enum Offer {
    Picture(SysId),
    Nothing,
    /// A dangling column that ends the search.
    Blocked,
}

impl Instance {
    /// The avatar of a user (`servicenow.md` 9.3).
    pub fn avatar(&self, user: SysId, rules: AvatarRules) -> Option<Effective> {
        for profile in self.profiles_of(user, rules.newest_profile_first) {
            match self.offer(profile.sys_id, ImageRecord::LiveProfile, profile.photo(), rules) {
                Offer::Picture(attachment) => {
                    return Some(Effective {
                        from: ImageRecord::LiveProfile,
                        attachment,
                    });
                }
                Offer::Blocked => return None,
                Offer::Nothing => {}
            }
        }
        match self.offer(user, ImageRecord::SysUser, self.users.get(user)?.photo(), rules) {
            Offer::Picture(attachment) => Some(Effective {
                from: ImageRecord::SysUser,
                attachment,
            }),
            Offer::Blocked | Offer::Nothing => None,
        }
    }

    /// The picture an image field displays, which the raw column needs not name (`servicenow.md` 1.3, N7).
    pub fn displayed_image(&self, on: ImageRecord, record: SysId, rules: AvatarRules) -> Option<SysId> {
        let column = match on {
            ImageRecord::LiveProfile => self.profiles.get(record)?.photo(),
            ImageRecord::SysUser => self.users.get(record)?.photo(),
        };
        match self.offer(record, on, column, rules) {
            Offer::Picture(attachment) => Some(attachment),
            Offer::Blocked | Offer::Nothing => None,
        }
    }

    /// The thumbnail row of a picture, if there is one.
    pub fn thumbnail_of(&self, picture: SysId) -> Option<SysId> {
        self.stored_attachments_of(picture)
            .find(|row| &**self.shared.text(row.table_name) == "sys_attachment")
            .map(|row| row.sys_id)
    }

    /// Stores a thumbnail the way the platform does at first display (`servicenow.md` 1.2); nothing if the picture is
    /// gone or has one already.
    pub fn add_thumbnail(&mut self, picture: SysId, content: Picture, now: jiff::Timestamp) -> Option<SysId> {
        if self.attachments.find(picture).is_none() || self.thumbnail_of(picture).is_some() {
            return None;
        }
        let thumbnail = NewAttachment {
            table_name: "sys_attachment",
            table_sys_id: picture,
            file_name: &format!("thumb_{picture}"),
            content_type: content.content_type(),
            content: content.clone(),
            scan: ScanState::Available,
            has_hash: true,
        };
        Some(self.attach(thumbnail, Actor { name: "system", now }))
    }

    /// Someone changes a user's picture in the user interface: the new one takes the place of the old one, gets a
    /// thumbnail at once, and a missing profile is created. `None` if there is no such user.
    pub fn put_avatar(
        &mut self,
        user: SysId,
        on: ImageRecord,
        content: Picture,
        content_type: &str,
        thumbnail: Option<Picture>,
        actor: Actor<'_>,
    ) -> Option<SysId> {
        self.users.find(user)?;
        let record = match on {
            ImageRecord::SysUser => user,
            ImageRecord::LiveProfile => match self.profiles_of(user, false).first() {
                Some(profile) => profile.sys_id,
                None => self.create_profile(user, actor),
            },
        };
        let old = self.image_rows(on, record);
        let picture = NewAttachment {
            table_name: on.image_table(),
            table_sys_id: record,
            file_name: "photo",
            content_type,
            content,
            scan: ScanState::Available,
            has_hash: true,
        };
        let attachment = self.attach(picture, actor);
        if let Some(thumbnail) = thumbnail {
            self.add_thumbnail(attachment, thumbnail, actor.now);
        }
        // A profile's column names what was uploaded; that of a user often stays empty (`servicenow.md` 1.3).
        if on == ImageRecord::LiveProfile || self.column(on, record).is_some() {
            self.set_photo(on, record, Some(attachment), actor);
        }
        for row in old {
            self.delete(TableName::Attachment, row, actor);
        }
        Some(attachment)
    }

    /// Someone removes a user's picture in the user interface. False if there was none.
    pub fn remove_avatar(&mut self, user: SysId, on: ImageRecord, actor: Actor<'_>) -> bool {
        let records: Vec<SysId> = match on {
            ImageRecord::SysUser => vec![user],
            ImageRecord::LiveProfile => self
                .profiles_of(user, false)
                .iter()
                .map(|row| row.sys_id)
                .collect(),
        };
        let mut has_removed = false;
        for record in records {
            let rows = self.image_rows(on, record);
            has_removed |= !rows.is_empty() || self.column(on, record).is_some();
            self.set_photo(on, record, None, actor);
            for row in rows {
                self.delete(TableName::Attachment, row, actor);
            }
        }
        has_removed
    }

    /// All users with their pictures, from the first after `after` in order of `sys_id`, at most `limit`.
    pub fn pictures_after(
        &self,
        after: Option<SysId>,
        limit: usize,
        rules: AvatarRules,
    ) -> Vec<UserPictures> {
        let start = after.map_or(std::ops::Bound::Unbounded, std::ops::Bound::Excluded);
        self.users
            .range((start, std::ops::Bound::Unbounded))
            .take(limit)
            .map(|slot| self.pictures_of(self.users.row(slot).sys_id, rules))
            .collect()
    }

    fn pictures_of(&self, user: SysId, rules: AvatarRules) -> UserPictures {
        let row = self.users.get(user).expect("called for users of the table");
        let profiles = self.profiles_of(user, false);
        let effective = self.avatar(user, rules);

        // Depth first: a picture, its thumbnail, the thumbnail's …; a row at its own record would loop without `seen`.
        let mut records: Vec<SysId> = std::iter::once(user)
            .chain(profiles.iter().map(|profile| profile.sys_id))
            .collect();
        let mut seen: Vec<SysId> = Vec::new();
        let mut attachments = Vec::new();
        let named =
            |id: SysId| row.photo() == Some(id) || profiles.iter().any(|profile| profile.photo() == Some(id));
        let displayed: Vec<SysId> = profiles
            .iter()
            .map(|profile| (ImageRecord::LiveProfile, profile.sys_id))
            .chain([(ImageRecord::SysUser, user)])
            .filter_map(|(on, record)| self.displayed_image(on, record, rules))
            .collect();
        while let Some(record) = records.pop() {
            if seen.contains(&record) {
                continue;
            }
            seen.push(record);
            let is_thumbnail_of_referenced = attachments
                .iter()
                .any(|parent: &PictureRow| parent.sys_id == record && parent.referenced);
            for attachment in self.stored_attachments_of(record) {
                records.push(attachment.sys_id);
                let id = attachment.sys_id;
                attachments.push(PictureRow {
                    sys_id: id,
                    table_name: Arc::clone(self.shared.text(attachment.table_name)),
                    table_sys_id: attachment.table_sys_id,
                    file_name: self.file_name(attachment).into_owned(),
                    content: attachment.content.clone(),
                    referenced: is_thumbnail_of_referenced || named(id) || displayed.contains(&id),
                });
            }
        }
        UserPictures {
            sys_id: user,
            user_name: row.user_name().to_owned(),
            email: row.email().to_owned(),
            effective,
            displayed: effective
                .and_then(|found| self.attachments.get(found.attachment))
                .map(|row| row.content.clone()),
            attachments,
        }
    }

    /// The profiles of a user (`type=user`, `table=sys_user`), oldest first or newest first.
    pub(super) fn profiles_of(&self, user: SysId, newest_first: bool) -> Vec<&StoredProfile> {
        let is_of_user = |slot: &u32| {
            let other = |column, default| self.other(TableName::Profile, *slot, column).unwrap_or(default);
            other("type", "user") == "user" && other("table", "sys_user") == "sys_user"
        };
        let mut profiles: Vec<&StoredProfile> = self
            .profiles_by_document
            .slots(digest_of_id(user))
            .filter(is_of_user)
            .map(|slot| self.profiles.row(slot))
            .filter(|profile| profile.document == user)
            .collect();
        profiles.sort_unstable_by_key(|profile| (profile.audit.created_on, profile.sys_id));
        if newest_first {
            profiles.reverse();
        }
        profiles
    }

    fn offer(&self, record: SysId, on: ImageRecord, column: Option<SysId>, rules: AvatarRules) -> Offer {
        let named = column.filter(|id| self.attachments.find(*id).is_some());
        if column.is_some() && named.is_none() && rules.dangling_column_blocks {
            return Offer::Blocked;
        }
        let mut images = self.stored_images(on, record);
        let stored = if rules.newest_image_first {
            images.last()
        } else {
            images.next()
        };
        let stored = stored.map(|row| row.sys_id);
        let found = if rules.attachment_before_column {
            stored.or(named)
        } else {
            named.or(stored)
        };
        found.map_or(Offer::Nothing, Offer::Picture)
    }

    /// Image rows of a record, oldest first.
    fn stored_images(&self, on: ImageRecord, record: SysId) -> impl Iterator<Item = &StoredAttachment> {
        let mut rows: Vec<&StoredAttachment> = self
            .stored_attachments_of(record)
            .filter(|row| &**self.shared.text(row.table_name) == on.image_table())
            .filter(|row| equal_folded(&self.file_name(row), "photo"))
            .collect();
        rows.sort_by_key(|row| row.audit.created_on);
        rows.into_iter()
    }

    /// Image rows of a record and whatever its column names, each once.
    fn image_rows(&self, on: ImageRecord, record: SysId) -> Vec<SysId> {
        let mut rows: Vec<SysId> = self.stored_images(on, record).map(|row| row.sys_id).collect();
        let named = self
            .column(on, record)
            .and_then(|id| self.attachments.get(id))
            .filter(|row| row.table_sys_id == record)
            .map(|row| row.sys_id);
        rows.extend(named.filter(|id| !rows.contains(id)));
        rows
    }

    fn column(&self, on: ImageRecord, record: SysId) -> Option<SysId> {
        match on {
            ImageRecord::LiveProfile => self.profiles.get(record)?.photo(),
            ImageRecord::SysUser => self.users.get(record)?.photo(),
        }
    }

    fn set_photo(&mut self, on: ImageRecord, record: SysId, photo: Option<SysId>, actor: Actor<'_>) {
        let table = match on {
            ImageRecord::LiveProfile => TableName::Profile,
            ImageRecord::SysUser => TableName::User,
        };
        let column = table.column("photo").expect("both tables have the column");
        let value = photo.map_or_else(String::new, |id| id.to_string());
        self.update(table, record, &[(column, value)], actor);
    }

    fn create_profile(&mut self, user: SysId, actor: Actor<'_>) -> SysId {
        let sys_id = SysId::random();
        let name = self.users.get(user).map_or("", |row| row.name()).into();
        let by: Arc<str> = Arc::from(actor.name);
        self.put_profile(ProfileRow {
            sys_id,
            document: user,
            name,
            photo: None,
            audit: Audit::new(&by, actor.now),
        });
        self.record_insert(
            TableName::Profile,
            sys_id,
            vec![("document", user.to_string().into())],
            actor,
        );
        sys_id
    }

    /// Says that a custom business rule will copy this picture to the other record of the same user, from a moment on
    /// (`servicenow.md` 1.4, E52).
    pub fn schedule_mirror(&mut self, at: jiff::Timestamp, attachment: SysId) {
        self.mirrors.push_back((at, attachment));
    }

    /// When [`Instance::run_due`] has something to do next.
    pub fn next_due(&self) -> Option<jiff::Timestamp> {
        self.mirrors.iter().map(|(at, _)| *at).min()
    }

    /// Carries out what is due: the copies of mirror rules.
    pub fn run_due(&mut self, now: jiff::Timestamp) {
        let (due, later) = std::mem::take(&mut self.mirrors)
            .into_iter()
            .partition::<Vec<_>, _>(|(at, _)| *at <= now);
        self.mirrors = later.into();
        for (at, attachment) in due {
            self.mirror(
                attachment,
                Actor {
                    name: "system",
                    now: at,
                },
            );
        }
    }

    fn mirror(&mut self, attachment: SysId, actor: Actor<'_>) {
        let Some(row) = self.attachment(attachment) else {
            return;
        };
        let target = match &*row.table_name {
            "ZZ_YYlive_profile" => self
                .profiles
                .get(row.table_sys_id)
                .map(|profile| (ImageRecord::SysUser, profile.document)),
            "ZZ_YYsys_user" => self
                .profiles_of(row.table_sys_id, false)
                .first()
                .map(|profile| (ImageRecord::LiveProfile, profile.sys_id)),
            _ => None,
        };
        let Some((on, record)) = target else {
            return;
        };
        let old = self.image_rows(on, record);
        let has_column = self.column(on, record).is_some();
        let copy = self.attach(
            NewAttachment {
                table_name: on.image_table(),
                table_sys_id: record,
                file_name: &row.file_name,
                content_type: &row.content_type,
                content: row.content,
                scan: ScanState::Available,
                has_hash: row.has_hash,
            },
            actor,
        );
        if has_column {
            self.set_photo(on, record, Some(copy), actor);
        }
        for row in old {
            self.delete(TableName::Attachment, row, actor);
        }
    }
}

impl Audit {
    /// Of a row that was just created.
    pub fn new(by: &Arc<str>, now: jiff::Timestamp) -> Self {
        let now = moment(super::seconds(now));
        Self {
            created_on: now,
            created_by: Arc::clone(by),
            updated_on: now,
            updated_by: Arc::clone(by),
            mod_count: 0,
        }
    }
}
