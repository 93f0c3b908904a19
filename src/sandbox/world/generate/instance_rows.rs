//! The ServiceNow rows of one invented person (`servicenow.md` 1).

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;

use super::{EPOCH, stream, sys_id};
use crate::sandbox::random::Random;
use crate::sandbox::world::instance::{
    AttachmentRow, Audit, Instance, ProfileRow, ScanState, SysId, UserRow,
};
use crate::sandbox::world::picture::Picture;

/// How ServiceNow knows a person.
#[derive(Clone, Default)]
pub(super) struct Login {
    pub(super) user_name: String,
    pub(super) email: String,
    pub(super) employee_number: String,
    pub(super) correlation_id: String,
}

/// A record that holds a picture.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Profile,
    User,
}

/// Texts that all rows share.
pub(super) struct Shared {
    image_of_profile: Arc<str>,
    image_of_user: Arc<str>,
    plain_of_profile: Arc<str>,
    thumbnail: Arc<str>,
    jpeg: Arc<str>,
    sso: Arc<str>,
    nothing: Arc<str>,
    admin: Arc<str>,
    provisioning: Arc<str>,
    import: Arc<str>,
    system: Arc<str>,
    seed: u64,
}

impl Shared {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            image_of_profile: "ZZ_YYlive_profile".into(),
            image_of_user: "ZZ_YYsys_user".into(),
            plain_of_profile: "live_profile".into(),
            thumbnail: "sys_attachment".into(),
            jpeg: "image/jpeg".into(),
            sso: format!("sso:{}", sys_id(seed, "sso", 0)).into(),
            nothing: "".into(),
            admin: "admin".into(),
            provisioning: "svc.provisioning".into(),
            import: "svc.photo.import".into(),
            system: "system".into(),
            seed,
        }
    }

    /// The accounts every instance has, which are nobody of the directory.
    pub(super) fn put_service_accounts(&self, instance: &mut Instance) {
        // The first two keys are those of every ServiceNow instance.
        for (key, user_name, name, email, active) in [
            (
                SysId(0x6816_f79c_c0a8_0164_01c5_a33b_e04b_e441),
                "admin",
                "System Administrator",
                "admin@example.com",
                true,
            ),
            (
                SysId(0x5136_503c_c611_227c_0183_e965_98c4_f706),
                "guest",
                "Guest",
                "",
                true,
            ),
            (
                sys_id(self.seed, "service account", 0),
                "svc.avatar.sync",
                "Avatar Sync (integration)",
                "",
                true,
            ),
            (
                sys_id(self.seed, "service account", 1),
                "svc.provisioning",
                "Entra ID Provisioning (integration)",
                "",
                true,
            ),
        ] {
            let long_ago = second(EPOCH - 3_000 * DAY);
            instance.put_user(UserRow {
                sys_id: key,
                user_name: user_name.into(),
                email: email.into(),
                name: name.into(),
                employee_number: "".into(),
                active,
                locked_out: false,
                title: self.nothing.clone(),
                sso_source: self.nothing.clone(),
                correlation_id: "".into(),
                photo: None,
                audit: Audit {
                    created_on: long_ago,
                    created_by: self.admin.clone(),
                    updated_on: long_ago,
                    updated_by: self.admin.clone(),
                    mod_count: 0,
                },
            });
        }
    }
}

/// The rows of one person while they are put together; [`Rows::put`] inserts them.
pub(super) struct Rows<'a> {
    shared: &'a Shared,
    seed: u64,
    position: usize,
    user: UserRow,
    twin: Option<UserRow>,
    profiles: Vec<ProfileRow>,
    attachments: Vec<AttachmentRow>,
    /// Seconds since 1970 of the next row.
    now: i64,
}

const DAY: i64 = 86_400;

fn second(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).expect("dates of this century")
}

impl<'a> Rows<'a> {
    /// A user row and nothing else yet.
    pub(super) fn new(
        shared: &'a Shared,
        seed: u64,
        position: usize,
        name: &str,
        login: Login,
        title: Arc<str>,
        active: bool,
    ) -> Self {
        let random = &mut stream(seed, "sys_user row", position);
        let joined = EPOCH - i64::from(random.between(200, 2_500)) * DAY - random.below(DAY as u64) as i64;
        let single_sign_on = random.percent(85);
        let user = UserRow {
            sys_id: sys_id(seed, "sys_user", position),
            user_name: login.user_name.into(),
            email: login.email.into(),
            name: name.into(),
            employee_number: login.employee_number.into(),
            active,
            locked_out: !active,
            title,
            sso_source: if single_sign_on {
                shared.sso.clone()
            } else {
                shared.nothing.clone()
            },
            correlation_id: login.correlation_id.into(),
            photo: None,
            audit: Audit {
                created_on: second(joined),
                created_by: shared.provisioning.clone(),
                updated_on: second(joined + random.below(30 * DAY as u64) as i64),
                updated_by: shared.provisioning.clone(),
                mod_count: random.below(12) as u32,
            },
        };
        Self {
            shared,
            seed,
            position,
            user,
            twin: None,
            profiles: Vec::new(),
            attachments: Vec::new(),
            now: joined + i64::from(random.between(1, 150)) * DAY,
        }
    }

    /// Inserts the rows: the user first, then what belongs to it, the oldest first.
    pub(super) fn put(self, instance: &mut Instance) {
        instance.put_user(self.user);
        self.twin.into_iter().for_each(|twin| instance.put_user(twin));
        for profile in self.profiles {
            instance.put_profile(profile);
        }
        for attachment in self.attachments {
            instance.put_attachment(attachment);
        }
    }

    /// The picture in the ways in which ordinary people have it.
    pub(super) fn usual(&mut self, random: &mut Random, picture: &Picture) {
        let way = random.below(100);
        if way < 88 {
            let stored = self.image(Place::Profile, picture);
            if (55..75).contains(&way) {
                self.name_in_column(Place::Profile, stored);
            }
        }
        if !(75..88).contains(&way) {
            let stored = self.image(Place::User, picture);
            if (55..75).contains(&way) {
                self.name_in_column(Place::User, stored);
            }
        }
    }

    /// The key of the person's profile row; made when first asked for.
    pub(super) fn profile(&mut self) -> SysId {
        match self.profiles.last() {
            Some(profile) => profile.sys_id,
            None => self.new_profile(),
        }
    }

    fn new_profile(&mut self) -> SysId {
        let key = sys_id(self.seed, "live_profile", self.position * 4 + self.profiles.len());
        let audit = self.audit(&self.shared.system);
        self.profiles.push(ProfileRow {
            sys_id: key,
            document: self.user.sys_id,
            name: self.user.name.clone(),
            photo: None,
            audit,
        });
        key
    }

    /// Another profile of the same person, with a picture of its own.
    pub(super) fn second_profile(&mut self, picture: &Picture) {
        self.new_profile();
        self.image(Place::Profile, picture);
    }

    /// A second user with the same e-mail address, who cannot be told from the first.
    pub(super) fn twin(&mut self) {
        let mut twin = self.user.clone();
        twin.sys_id = sys_id(self.seed, "sys_user twin", self.position);
        twin.user_name = format!("{}.adm", twin.user_name).into();
        twin.photo = None;
        self.twin = Some(twin);
    }

    /// A picture in the image field of a record, as the platform stores it.
    pub(super) fn image(&mut self, place: Place, picture: &Picture) -> SysId {
        let (table, record) = match place {
            Place::Profile => {
                let profile = self.profile();
                (self.shared.image_of_profile.clone(), profile)
            }
            Place::User => (self.shared.image_of_user.clone(), self.user.sys_id),
        };
        self.attach(table, record, "photo", picture)
    }

    /// An ordinary attachment of the profile, as the well-known article stores it.
    pub(super) fn plain(&mut self, picture: &Picture) -> SysId {
        let profile = self.profile();
        let name = format!("{}_photo.jpg", self.user.sys_id);
        self.attach(self.shared.plain_of_profile.clone(), profile, &name, picture)
    }

    /// A picture that was left behind when its profile was deleted.
    pub(super) fn image_of_deleted_profile(&mut self, picture: &Picture) {
        let gone = sys_id(self.seed, "deleted profile", self.position);
        self.attach(self.shared.image_of_profile.clone(), gone, "photo", picture);
    }

    /// A thumbnail of a stored picture.
    pub(super) fn thumbnail(&mut self, of: SysId, picture: &Picture) {
        self.attach(self.shared.thumbnail.clone(), of, &format!("thumb_{of}"), picture);
    }

    /// Lets the column of a record name a picture.
    pub(super) fn name_in_column(&mut self, place: Place, picture: SysId) {
        match place {
            Place::Profile => {
                self.profile();
                if let Some(profile) = self.profiles.last_mut() {
                    profile.photo = Some(picture);
                }
            }
            Place::User => self.user.photo = Some(picture),
        }
    }

    /// Lets both columns name one picture.
    pub(super) fn name_in_both_columns(&mut self, picture: SysId) {
        self.name_in_column(Place::Profile, picture);
        self.name_in_column(Place::User, picture);
    }

    /// Lets the profile's column name a picture that is gone.
    pub(super) fn dangling(&mut self) {
        let gone = sys_id(self.seed, "deleted picture", self.position);
        self.name_in_column(Place::Profile, gone);
    }

    /// Makes all pictures rows from before hashes were stored and files were scanned.
    pub(super) fn forget_hashes(&mut self) {
        for row in &mut self.attachments {
            row.has_hash = false;
            row.scan = ScanState::Never;
        }
    }

    fn attach(&mut self, table_name: Arc<str>, record: SysId, file_name: &str, picture: &Picture) -> SysId {
        let number = self.position * 4 + self.attachments.len();
        let key = sys_id(self.seed, "sys_attachment", number);
        // The article and broken scripts claim what the file name says.
        let claims_jpeg =
            Path::new(file_name).extension().is_some() || picture.content_type() == "image/jpeg";
        let content_type = if claims_jpeg {
            self.shared.jpeg.clone()
        } else {
            picture.content_type().into()
        };
        let audit = self.audit(&self.shared.import);
        self.attachments.push(AttachmentRow {
            sys_id: key,
            table_name,
            table_sys_id: record,
            file_name: file_name.into(),
            content_type,
            content: picture.clone(),
            scan: ScanState::Available,
            has_hash: true,
            audit,
        });
        key
    }

    /// The next moment: every row of a person is a day or two younger than the one before.
    fn audit(&mut self, by: &Arc<str>) -> Audit {
        self.now += DAY + (self.position as i64 * 7_919) % DAY;
        Audit {
            created_on: second(self.now),
            created_by: by.clone(),
            updated_on: second(self.now + 1),
            updated_by: self.shared.system.clone(),
            mod_count: 1,
        }
    }
}
