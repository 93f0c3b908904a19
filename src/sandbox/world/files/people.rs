//! The people of a world from files: `entra` and `servicenow` of `world.json`.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::object::{Object, Place};
use super::{Folder, WorldError};
use crate::sandbox::world::directory::{Directory, DirectoryGroup, DirectoryPhoto, DirectoryUser, Mailbox};
use crate::sandbox::world::generate::EPOCH;
use crate::sandbox::world::instance::{
    AttachmentRow, Audit, Instance, ProfileRow, ScanState, SysId, UserRow,
};
use crate::sandbox::world::picture::Picture;

/// 128 bits made from a name, for an id that the file does not give.
fn digest(purpose: &str, name: &str) -> u128 {
    let hash = Sha256::new()
        .chain_update(purpose)
        .chain_update([0])
        .chain_update(name)
        .finalize();
    hash.iter()
        .take(16)
        .fold(0, |bits, byte| (bits << 8) | u128::from(*byte))
}

fn guid(object: &mut Object, key: &'static str, purpose: &str, name: &str) -> Result<Uuid, WorldError> {
    match object.text(key)? {
        None => Ok(uuid::Builder::from_random_bytes(digest(purpose, name).to_be_bytes()).into_uuid()),
        Some(text) => Uuid::try_parse(&text).map_err(|_| {
            let problem = format!("{text:?} is not a GUID; write one like 3f0c1a52-0d6b-4b8e-9a3c-5d9f27e46b0a, or leave the key out");
            object.place.key(key).problem(problem)
        }),
    }
}

// --------------------------------------------------------------------------------------------------------- Entra

/// Reads `entra`.
pub(super) fn read_entra(
    entra: &mut Object,
    folder: &Folder,
    directory: &mut Directory,
) -> Result<(), WorldError> {
    let objects = entra.objects("users")?;
    let mut people: Vec<(Place, DirectoryUser, Option<String>)> = Vec::with_capacity(objects.len());
    let mut by_principal = HashMap::new();
    for object in objects {
        let (place, user, manager) = read_person(object, folder)?;
        by_principal
            .entry(user.principal.to_lowercase())
            .or_insert(user.id);
        people.push((place, user, manager));
    }
    let find = |place: &Place, principal: &str| {
        let found = by_principal.get(&principal.to_lowercase());
        found.copied().ok_or_else(|| {
            let nearest = by_principal
                .keys()
                .map(|candidate| {
                    (
                        strsim::damerau_levenshtein(candidate, &principal.to_lowercase()),
                        candidate,
                    )
                })
                .min();
            let hint = match nearest {
                Some((distance, candidate)) if distance <= 6 => format!("did you mean {candidate:?}?"),
                _ => "add that person, or correct the name".to_owned(),
            };
            place.problem(format!(
                "nobody in entra.users has the userPrincipalName {principal:?}; {hint}"
            ))
        })
    };
    for (place, mut user, manager) in people {
        if let Some(principal) = manager {
            user.manager = Some(find(&place.key("manager"), &principal)?);
        }
        if let Err(user) = directory.add(user) {
            let problem = format!(
                "another person before this one has the userPrincipalName {:?} or the id {}; both must be unique",
                user.principal, user.id
            );
            return Err(place.problem(problem));
        }
    }
    read_groups(entra.objects("groups")?, directory, find)
}

fn read_person(
    mut object: Object,
    folder: &Folder,
) -> Result<(Place, DirectoryUser, Option<String>), WorldError> {
    let principal = object.required("userPrincipalName")?;
    let manager = object.text("manager")?;
    let photo = match object.text("photo")? {
        Some(path) => Some(folder.picture(&object.place.key("photo"), &path)?),
        None => None,
    };
    let user = DirectoryUser {
        id: guid(&mut object, "id", "entra user", &principal.to_lowercase())?,
        display_name: object.required("displayName")?.into(),
        mail: object.text("mail")?.map(Into::into),
        enabled: object.flag("accountEnabled", true)?,
        guest: object.word("userType", &[("Member", false), ("Guest", true)], Some(false))?,
        job_title: object.text("jobTitle")?.map(Into::into),
        department: object.text("department")?.map(Into::into),
        employee_id: object.text("employeeId")?.map(Into::into),
        manager: None,
        mailbox: object.word(
            "mailbox",
            &[
                ("exchange_online", Mailbox::ExchangeOnline),
                ("none", Mailbox::None),
                ("on_premises", Mailbox::OnPremises),
            ],
            Some(Mailbox::ExchangeOnline),
        )?,
        photo: photo.map(|picture| DirectoryPhoto { picture, version: 1 }),
        principal: principal.into(),
    };
    let place = object.place.clone();
    object.finish()?;
    Ok((place, user, manager))
}

fn read_groups(
    objects: Vec<Object>,
    directory: &mut Directory,
    find: impl Fn(&Place, &str) -> Result<Uuid, WorldError>,
) -> Result<(), WorldError> {
    let mut by_name = HashMap::new();
    let mut nested = Vec::new();
    for mut object in objects {
        let name = object.required("displayName")?;
        let id = guid(&mut object, "id", "entra group", &name)?;
        let members = object.texts("members")?;
        let users = members
            .iter()
            .map(|(place, principal)| find(place, principal))
            .collect::<Result<_, _>>()?;
        nested.push((id, object.texts("groups")?));
        let place = object.place.clone();
        object.finish()?;
        let group = DirectoryGroup {
            id,
            name: name.as_str().into(),
            users,
            groups: Vec::new(),
        };
        if by_name.insert(name.clone(), id).is_some() || directory.groups.insert(id, group).is_some() {
            return Err(place.problem(format!(
                "another group has the name {name:?} or its id; both must be unique"
            )));
        }
    }
    for (id, names) in nested {
        for (place, name) in names {
            let Some(member) = by_name.get(&name) else {
                return Err(place.problem(format!(
                    "no group is called {name:?}; add it to entra.groups, or correct the name"
                )));
            };
            if let Some(group) = directory.groups.get_mut(&id) {
                group.groups.push(*member);
            }
        }
    }
    Ok(())
}

// ---------------------------------------------------------------------------------------------------- ServiceNow

#[derive(Clone, Copy, PartialEq, Eq)]
enum On {
    LiveProfile,
    SysUser,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    ImageField,
    Article,
    Dangling,
    Orphan,
}

/// Reads `servicenow`.
pub(super) fn read_servicenow(
    servicenow: &mut Object,
    folder: &Folder,
    instance: &mut Instance,
) -> Result<(), WorldError> {
    let mut names: HashMap<String, Place> = HashMap::new();
    let mut keys: HashMap<SysId, Place> = HashMap::new();
    for object in servicenow.objects("users")? {
        let place = object.place.clone();
        let rows = read_user(object, folder)?;
        let name = rows.user.user_name.to_lowercase();
        if let Some(first) = names.insert(name, place.clone()) {
            let problem = format!(
                "{first} has the user_name {:?} too; it must be unique",
                rows.user.user_name
            );
            return Err(place.problem(problem));
        }
        if let Some(first) = keys.insert(rows.user.sys_id, place.clone()) {
            let problem = format!(
                "{first} has the sys_id {} too; it must be unique",
                rows.user.sys_id
            );
            return Err(place.problem(problem));
        }
        instance.put_user(rows.user);
        rows.profiles
            .into_iter()
            .for_each(|row| instance.put_profile(row));
        rows.attachments
            .into_iter()
            .for_each(|row| instance.put_attachment(row));
    }
    Ok(())
}

/// The rows of one user.
struct Rows {
    user: UserRow,
    profiles: Vec<ProfileRow>,
    attachments: Vec<AttachmentRow>,
    /// Seconds since 1970 of the next row.
    now: i64,
}

fn read_user(mut object: Object, folder: &Folder) -> Result<Rows, WorldError> {
    let user_name = object.required("user_name")?;
    let folded = user_name.to_lowercase();
    let sys_id = match object.text("sys_id")? {
        None => SysId(digest("sys_user", &folded)),
        Some(text) => SysId::parse(&text).ok_or_else(|| {
            let problem =
                format!("{text:?} is not a sys_id; write 32 hexadecimal digits, or leave the key out");
            object.place.key("sys_id").problem(problem)
        })?,
    };
    let mut empty_or = |key| object.text(key).map(Option::unwrap_or_default);
    let (email, name, title) = (empty_or("email")?, empty_or("name")?, empty_or("title")?);
    let (employee_number, correlation_id) = (empty_or("employee_number")?, empty_or("correlation_id")?);
    let sso_source = empty_or("sso_source")?;
    let name = if name.is_empty() { user_name.clone() } else { name };
    let mut rows = Rows {
        user: UserRow {
            sys_id,
            user_name: user_name.into(),
            email: email.into(),
            name: name.into(),
            employee_number: employee_number.into(),
            active: object.flag("active", true)?,
            locked_out: object.flag("locked_out", false)?,
            title: title.into(),
            sso_source: sso_source.into(),
            correlation_id: correlation_id.into(),
            photo: None,
            audit: audit(EPOCH - 30 * 86_400),
        },
        profiles: Vec::new(),
        attachments: Vec::new(),
        now: EPOCH - 29 * 86_400,
    };
    for number in 0..object.number("live_profiles", 1, 0, 100)? {
        let audit = rows.next_audit();
        rows.profiles.push(ProfileRow {
            sys_id: SysId(digest("live_profile", &format!("{folded}#{number}"))),
            document: sys_id,
            name: rows.user.name.clone(),
            photo: None,
            audit,
        });
    }
    for avatar in object.objects("avatars")? {
        read_avatar(avatar, folder, &mut rows)?;
    }
    object.finish()?;
    Ok(rows)
}

fn read_avatar(mut object: Object, folder: &Folder, rows: &mut Rows) -> Result<(), WorldError> {
    const PLACES: [(&str, On); 2] = [("live_profile", On::LiveProfile), ("sys_user", On::SysUser)];
    const FORMS: [(&str, Form); 4] = [
        ("image_field", Form::ImageField),
        ("article", Form::Article),
        ("dangling", Form::Dangling),
        ("orphan", Form::Orphan),
    ];
    let file = object.text("file")?;
    let on = object.word("on", &PLACES, None)?;
    let form = object.word("form", &FORMS, Some(Form::ImageField))?;
    let profile = object.number("profile", 1, 1, 100)? as usize - 1;
    let column = object.flag("column", false)?;
    let content_type = object.text("content_type")?;
    let has_hash = object.flag("hash", true)?;
    let scan = object.word(
        "state",
        &[
            ("available", ScanState::Available),
            ("pending", ScanState::AvailableFrom(Timestamp::MAX)),
            ("not_available", ScanState::NotAvailable),
            ("", ScanState::Never),
        ],
        Some(ScanState::Available),
    )?;
    let place = object.place.clone();
    object.finish()?;

    if on == On::LiveProfile && profile >= rows.profiles.len() {
        let problem = format!(
            "there is no live profile number {}; raise \"live_profiles\" of this user, which is {}",
            profile + 1,
            rows.profiles.len()
        );
        return Err(place.problem(problem));
    }
    if form == Form::Article && on == On::SysUser {
        return Err(place.problem("the article stores at the live profile; write \"on\": \"live_profile\""));
    }
    if column && form != Form::ImageField {
        return Err(place.problem("\"column\" goes with the form \"image_field\" only; the other forms decide about the columns themselves"));
    }
    let picture = match &file {
        Some(path) => Some((folder.picture(&place.key("file"), path)?, path.as_str())),
        None => None,
    };
    let record = match on {
        On::LiveProfile => rows.profiles[profile].sys_id,
        On::SysUser => rows.user.sys_id,
    };
    let key = SysId(digest(
        "sys_attachment",
        &format!("{}#{place}", rows.user.user_name.to_lowercase()),
    ));
    let (table_name, file_name) = match (form, on, &picture) {
        (Form::Dangling, ..) => {
            rows.name_in_column(on, profile, key);
            return Ok(());
        }
        (_, _, None) => return Err(place.problem("the key \"file\" is missing; name the picture")),
        (Form::ImageField, On::LiveProfile, _) => ("ZZ_YYlive_profile", "photo".to_owned()),
        (Form::ImageField, On::SysUser, _) => ("ZZ_YYsys_user", "photo".to_owned()),
        (Form::Article, ..) => ("live_profile", format!("{}_photo.jpg", rows.user.sys_id)),
        (Form::Orphan, _, Some((_, path))) => {
            let name = Path::new(path).file_name().unwrap_or_default().to_string_lossy();
            (
                if on == On::SysUser {
                    "sys_user"
                } else {
                    "live_profile"
                },
                name.into_owned(),
            )
        }
    };
    if form == Form::Article {
        rows.name_in_column(On::LiveProfile, profile, key);
        rows.name_in_column(On::SysUser, profile, key);
    } else if column {
        rows.name_in_column(on, profile, key);
    }
    let content = picture.map_or_else(|| Picture::from_bytes(Vec::new()), |(picture, _)| picture);
    let audit = rows.next_audit();
    rows.attachments.push(AttachmentRow {
        sys_id: key,
        table_name: table_name.into(),
        table_sys_id: record,
        file_name: file_name.into(),
        content_type: content_type.as_deref().unwrap_or(content.content_type()).into(),
        content,
        scan,
        has_hash,
        audit,
    });
    Ok(())
}

impl Rows {
    fn name_in_column(&mut self, on: On, profile: usize, picture: SysId) {
        match on {
            On::LiveProfile => self.profiles[profile].photo = Some(picture),
            On::SysUser => self.user.photo = Some(picture),
        }
    }

    fn next_audit(&mut self) -> Audit {
        self.now += 60;
        audit(self.now)
    }
}

fn audit(seconds: i64) -> Audit {
    let when = Timestamp::from_second(seconds).expect("dates of this century");
    let who: Arc<str> = "admin".into();
    Audit {
        created_on: when,
        created_by: who.clone(),
        updated_on: when,
        updated_by: who,
        mod_count: 0,
    }
}
