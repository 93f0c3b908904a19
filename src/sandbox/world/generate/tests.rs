use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt::Write;

use sha2::Digest;

use super::*;
use crate::sandbox::portraits::Encoding;
use crate::sandbox::world::directory::{DirectoryUser, Mailbox};
use crate::sandbox::world::instance::{AttachmentRow, Audit, ProfileRow, ScanState, UserRow};
use crate::sandbox::world::picture::Picture;

/// A world with its rows in plain collections.
struct Census {
    people: Vec<DirectoryUser>,
    users: Vec<UserRow>,
    profiles: Vec<ProfileRow>,
    attachments: Vec<AttachmentRow>,
    planted: Vec<Planted>,
}

impl Census {
    fn of(world: &World) -> Self {
        let (directory, instance) = (world.directory.read(), world.instance.read());
        let mut attachments: Vec<_> = instance.attachments().collect();
        attachments.sort_by_key(|row| row.audit.created_on);
        let mut profiles: Vec<_> = instance.profiles().collect();
        profiles.sort_by_key(|row| row.audit.created_on);
        Self {
            people: directory.users().to_vec(),
            users: instance.users().collect(),
            profiles,
            attachments,
            planted: world.planted().collect(),
        }
    }

    fn invent(people: usize, seed: u64) -> Self {
        Self::of(&World::invent(people, seed))
    }

    fn user_named(&self, name: &str) -> Option<&UserRow> {
        self.users.iter().find(|row| &*row.user_name == name)
    }

    /// The picture of a record by the rule of `servicenow.md` 9.3, and whether the record is damaged.
    fn candidate(&self, record: SysId, column: Option<SysId>, table: &str) -> (Option<&AttachmentRow>, bool) {
        let named = column.map(|column| self.attachments.iter().find(|row| row.sys_id == column));
        let mut stored = self.attachments.iter().filter(|row| {
            row.table_sys_id == record && &*row.table_name == table && &*row.file_name == "photo"
        });
        let (first, second) = (stored.next(), stored.next());
        (
            named.flatten().or(first),
            matches!(named, Some(None)) || second.is_some(),
        )
    }

    /// What a deep status with default settings comes to, worked out from the raw rows.
    fn verdict(&self, person: &DirectoryUser) -> &'static str {
        if person.guest || !person.enabled {
            return "excluded";
        }
        let in_scope = |row: &&UserRow| row.active && !row.email.is_empty();
        let rules: [&dyn Fn(&UserRow) -> bool; 4] = [
            &|row| *row.correlation_id == *person.id.to_string(),
            &|row| {
                person
                    .employee_id
                    .as_ref()
                    .is_some_and(|id| *id == row.employee_number)
            },
            &|row| row.user_name == person.principal,
            &|row| person.mail.as_ref().is_some_and(|mail| *mail == row.email),
        ];
        let found = rules
            .iter()
            .map(|rule| {
                self.users
                    .iter()
                    .filter(in_scope)
                    .filter(|row| rule(row))
                    .collect::<Vec<_>>()
            })
            .find(|found| !found.is_empty())
            .unwrap_or_default();
        let user = match found[..] {
            [] => return "unmatched",
            [user] => user,
            _ => return "ambiguous",
        };
        if person.mailbox == Mailbox::OnPremises {
            return "error";
        }

        let profiles: Vec<_> = self
            .profiles
            .iter()
            .filter(|row| row.document == user.sys_id)
            .collect();
        let mut broken = profiles.len() > 1;
        let mut served = None;
        for profile in profiles {
            let (picture, damaged) = self.candidate(profile.sys_id, profile.photo, "ZZ_YYlive_profile");
            broken |= damaged;
            served = served.or(picture);
        }
        let (picture, damaged) = self.candidate(user.sys_id, user.photo, "ZZ_YYsys_user");
        broken |= damaged;
        let served = served.or(picture).map(|row| &row.content);
        broken |= served.is_some_and(|picture| !is_whole(picture));

        let photo = person
            .photo
            .as_ref()
            .map(|photo| {
                photo
                    .picture
                    .resized(360)
                    .unwrap_or_else(|| photo.picture.clone())
            })
            .filter(|picture| picture.dimensions() != Some((1, 1)));
        broken |= photo.as_ref().is_some_and(|picture| !is_whole(picture));
        match (photo, served) {
            _ if broken => "broken",
            (None, None) => "neither",
            (None, Some(_)) => "only_in_servicenow",
            (Some(_), None) => "missing",
            // The same recipe is the same bytes.
            (Some(photo), Some(served)) if photo == *served => "in_sync",
            (Some(Picture::Drawn(photo)), Some(Picture::Drawn(served)))
                if photo.shows_the_same_as(served) =>
            {
                "same_picture"
            }
            _ => "differs",
        }
    }
}

/// True for a picture that can be shown to its end.
fn is_whole(picture: &Picture) -> bool {
    match picture {
        Picture::Drawn(portrait) => portrait.encoding() != Encoding::JpegTruncated,
        Picture::Bytes(_) => picture.dimensions().is_some(),
    }
}

/// Everything of a world but the pictures' bytes, one line a thing, in a fixed order.
fn digest(world: &World) -> String {
    let census = Census::of(world);
    let mut lines: Vec<String> = Vec::new();
    for user in &census.people {
        let DirectoryUser {
            id,
            display_name,
            principal,
            mail,
            enabled,
            guest,
            job_title,
            department,
            employee_id,
            manager,
            mailbox,
            photo,
        } = user;
        let photo = photo.as_ref().map(|photo| (&photo.picture, photo.version));
        lines.push(format!(
            "{id} {display_name:?} {principal} {mail:?} {enabled} {guest} {job_title:?} {department:?} {employee_id:?} \
             {manager:?} {mailbox:?} {photo:?}"
        ));
    }
    let audit = |audit: &Audit| {
        format!(
            "{} {} {} {} {}",
            audit.created_on, audit.created_by, audit.updated_on, audit.updated_by, audit.mod_count
        )
    };
    let mut rows: Vec<String> = Vec::new();
    rows.extend(census.users.iter().map(|row| {
        format!(
            "{} {} {} {:?} {} {} {} {} {} {} {:?} {}",
            row.sys_id,
            row.user_name,
            row.email,
            row.name,
            row.employee_number,
            row.active,
            row.locked_out,
            row.title,
            row.sso_source,
            row.correlation_id,
            row.photo,
            audit(&row.audit)
        )
    }));
    rows.extend(census.profiles.iter().map(|row| {
        let (photo, audit) = (row.photo, audit(&row.audit));
        format!("{} {} {:?} {photo:?} {audit}", row.sys_id, row.document, row.name)
    }));
    rows.extend(census.attachments.iter().map(|row| {
        format!(
            "{} {} {} {} {} {:?} {:?} {} {}",
            row.sys_id,
            row.table_name,
            row.table_sys_id,
            row.file_name,
            row.content_type,
            row.content,
            row.scan,
            row.has_hash,
            audit(&row.audit)
        )
    }));
    rows.sort();
    lines.extend(rows);
    for group in world.directory.read().groups.values() {
        lines.push(format!(
            "{} {} {:?} {:?}",
            group.id, group.name, group.users, group.groups
        ));
    }
    lines.push(world.credentials.tenant_id.clone());
    lines.push(world.credentials.client_secret.clone());

    let hash = sha2::Sha256::digest(lines.join("\n"));
    hash.iter().take(8).fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").expect("a string takes everything");
        hex
    })
}

#[test]
fn the_same_seed_gives_the_same_world_and_another_seed_another() {
    assert_eq!(digest(&World::invent(200, 7)), digest(&World::invent(200, 7)));
    assert_ne!(digest(&World::invent(200, 7)), digest(&World::invent(200, 8)));
}

#[test]
fn the_world_of_the_demo_never_changes() {
    // A change here is a change of everybody's practice tenant.
    assert_eq!(digest(&World::invent(200, 1)), "7f2aa36f3840145b");
}

#[test]
fn every_kind_is_planted_and_comes_to_its_verdict() {
    for people in [50, 200, 1_000] {
        let census = Census::invent(people, 1);
        assert_eq!(census.planted.len(), people);
        let kinds: HashSet<_> = census.planted.iter().map(|planted| planted.kind.name).collect();
        assert_eq!(kinds.len(), KINDS.len(), "{people} people");
        for (planted, person) in census.planted.iter().zip(&census.people) {
            assert_eq!(planted.principal, *person.principal);
            assert_eq!(census.verdict(person), planted.kind.verdict, "{planted:?}");
            let has_user = planted
                .user_name
                .as_ref()
                .is_none_or(|name| census.user_named(name).is_some());
            assert!(has_user, "{planted:?} names a user that exists");
        }
    }
}

#[test]
fn names_and_keys_are_unique() {
    let census = Census::invent(3_000, 5);
    let unique = |values: Vec<String>| {
        let count = values.len();
        assert_eq!(values.into_iter().collect::<BTreeSet<_>>().len(), count);
    };
    unique(
        census
            .people
            .iter()
            .map(|person| person.principal.to_lowercase())
            .collect(),
    );
    unique(
        census
            .people
            .iter()
            .filter_map(|person| Some(person.mail.as_ref()?.to_lowercase()))
            .collect(),
    );
    unique(
        census
            .users
            .iter()
            .map(|row| row.user_name.to_lowercase())
            .collect(),
    );
    let keys = census.users.iter().map(|row| row.sys_id);
    let keys = keys.chain(census.profiles.iter().map(|row| row.sys_id));
    let keys = keys.chain(census.attachments.iter().map(|row| row.sys_id));
    unique(keys.map(|key| key.to_string()).collect());
}

#[test]
fn everyone_has_a_face_of_their_own_up_to_the_number_of_faces() {
    let faces: HashSet<_> = (0..usize::from(FACES))
        .map(|position| portrait(3, Drawn::default(), position, Case::Missing).face())
        .collect();
    assert_eq!(faces.len(), usize::from(FACES));
    let bytes: HashSet<_> = [0, 4_096, 8_192]
        .map(|position| {
            portrait(3, Drawn::default(), position, Case::Ordinary)
                .with_width(24)
                .sha256()
        })
        .into();
    assert_eq!(bytes.len(), 3, "people who share a face do not share bytes");
}

#[test]
fn people_who_share_a_few_faces_share_no_file() {
    let world = World::invent_drawn(200, 1, Drawn { faces: 8, shrink: 6 });
    let directory = world.directory.read();
    let photos = || directory.users().iter().filter_map(|user| user.photo.as_ref());
    let drawn = || {
        photos().filter_map(|photo| match &photo.picture {
            Picture::Drawn(portrait) => Some(*portrait),
            Picture::Bytes(_) => None,
        })
    };
    let faces: HashSet<_> = drawn().map(|portrait| portrait.face()).collect();
    assert_eq!(faces.len(), 8);
    let widest = drawn().map(|portrait| portrait.dimensions()).max();
    assert_eq!(widest, Some((108, 108)), "a sixth of 648");
    let files: HashSet<_> = photos().map(|photo| photo.picture.sha256()).collect();
    assert!(files.len() > 150, "{} different files", files.len());
}

#[test]
fn managers_form_a_tree_and_departments_are_groups() {
    let world = World::invent(400, 1);
    let directory = world.directory.read();
    let places: HashMap<_, _> = directory
        .users()
        .iter()
        .zip(0..)
        .map(|(user, place)| (user.id, place))
        .collect();
    let mut managed = 0;
    for (place, user) in directory.users().iter().enumerate() {
        if let Some(manager) = user.manager {
            managed += 1;
            assert!(
                places[&manager] < place,
                "{} has a manager who came later",
                user.principal
            );
        }
    }
    assert!((330..380).contains(&managed), "{managed} of 400 have a manager");

    let names: BTreeMap<_, _> = directory
        .groups
        .values()
        .map(|group| (&*group.name, group))
        .collect();
    for group in names.values() {
        assert!(
            group.users.iter().all(|user| places.contains_key(user)),
            "{}",
            group.name
        );
        assert!(
            group
                .groups
                .iter()
                .all(|nested| directory.groups.contains_key(nested)),
            "{}",
            group.name
        );
    }
    assert_eq!(names["All Technology"].groups.len(), 3);
    assert!(!names["Avatar opt-out"].users.is_empty());
    assert!(names["Engineering"].users.len() > 40);
}

#[test]
fn hostile_names_are_all_there() {
    let census = Census::invent(20_000, 1);
    let has = |wanted: fn(char) -> bool| {
        census
            .people
            .iter()
            .any(|person| person.display_name.contains(wanted))
    };
    assert!(has(|character| character == '\u{1b}'), "an escape sequence");
    assert!(has(|character| character == '\u{202e}'), "a direction override");
    assert!(has(|character| character == '\u{302}'), "a combining mark");
    assert!(has(|character| character == '\n'), "a line break");
    assert!(has(|character| character == '山'), "double width");
    assert!(has(|character| character == '👩'), "emoji");
    assert!(
        census
            .people
            .iter()
            .any(|person| person.display_name.starts_with('=')),
        "a formula"
    );
    for sign in ["+", "'", "#EXT#", "#lab"] {
        assert!(
            census.people.iter().any(|person| person.principal.contains(sign)),
            "{sign} in a UPN"
        );
    }
    let plain = |text: &str| text.is_ascii() && !text.contains(|c: char| c.is_ascii_control() || c == ' ');
    assert!(census.people.iter().all(|person| plain(&person.principal)));
}

#[test]
fn pictures_of_special_kinds_are_stored_as_the_kind_says() {
    let census = Census::invent(1_000, 1);
    let stored = |kind: &str| -> Vec<&AttachmentRow> {
        let planted = census
            .planted
            .iter()
            .find(|planted| planted.kind.name == kind)
            .expect("planted");
        let user = census
            .user_named(planted.user_name.as_ref().expect("a user"))
            .expect("a row");
        let profiles: Vec<_> = census
            .profiles
            .iter()
            .filter(|row| row.document == user.sys_id)
            .collect();
        let mut records: Vec<_> = profiles.iter().map(|row| row.sys_id).collect();
        records.push(user.sys_id);
        let mut rows: Vec<_> = census
            .attachments
            .iter()
            .filter(|row| records.contains(&row.table_sys_id))
            .collect();
        let thumbnails: Vec<_> = census
            .attachments
            .iter()
            .filter(|row| rows.iter().any(|picture| picture.sys_id == row.table_sys_id))
            .collect();
        rows.extend(thumbnails);
        rows
    };
    let article = stored("seed_article");
    assert_eq!(&*article[0].table_name, "live_profile");
    assert!(article[0].file_name.ends_with("_photo.jpg"));

    let error = stored("error_body");
    assert_eq!(
        (&*error[0].content_type, error[0].content.content_type()),
        ("image/jpeg", "application/json")
    );

    let old = stored("old_attachment");
    assert!(!old[0].has_hash && old[0].scan == ScanState::Never);

    let thumbnail = stored("stale_thumbnail")
        .into_iter()
        .find(|row| &*row.table_name == "sys_attachment");
    assert!(thumbnail.expect("a thumbnail").file_name.starts_with("thumb_"));

    assert_eq!(stored("duplicate_images").len(), 2);
    assert_eq!(stored("dangling_column").len(), 0);
}

#[test]
fn secrets_do_not_show_in_debug_output() {
    let world = World::invent(1, 1);
    let shown = format!("{:?}", world.credentials);
    for secret in [
        &world.credentials.client_secret,
        &world.credentials.servicenow_password,
        &world.credentials.servicenow_client_secret,
    ] {
        assert!(secret.len() >= 20 && !shown.contains(secret.as_str()), "{shown}");
    }
}

#[test]
fn an_empty_tenant_is_a_world_too() {
    let world = World::invent(0, 1);
    assert_eq!(world.planted().count(), 0);
    assert!(world.directory.read().users().is_empty());
}

#[test]
fn pictures_that_have_to_do_with_somebody_else_are_where_the_kind_says() {
    let census = Census::invent(200, 1);
    let of_kind = |name: &str| -> Vec<usize> {
        let is_of = |position: &usize| census.planted[*position].kind.name == name;
        (0..200).filter(is_of).collect()
    };
    let photo = |position: usize| {
        let photo = census.people[position].photo.as_ref().expect("a photo");
        pushed_form(&photo.picture)
    };
    let shown = |position: usize| {
        let user_name = census.planted[position].user_name.as_ref().expect("a user");
        let user = census.user_named(user_name).expect("a row");
        let profile = census.profiles.iter().find(|row| row.document == user.sys_id);
        let of_profile =
            profile.and_then(|row| census.candidate(row.sys_id, row.photo, "ZZ_YYlive_profile").0);
        let of_user = || census.candidate(user.sys_id, user.photo, "ZZ_YYsys_user").0;
        of_profile.or_else(of_user).map(|row| row.content.clone())
    };
    let swapped = of_kind("swapped_photos");
    assert_eq!(shown(swapped[0]), Some(photo(swapped[1])));
    assert_eq!(shown(swapped[1]), Some(photo(swapped[0])));
    let shared = of_kind("shared_photo");
    assert_eq!(photo(shared[0]), photo(shared[1]));
    let (owner, other) = (of_kind("shown_for_another")[0], of_kind("shows_another")[0]);
    assert_eq!((shown(owner), shown(other)), (None, Some(photo(owner))));
    assert_ne!(photo(owner), photo(other));
}

fn pushed_form(photo: &Picture) -> Picture {
    photo.resized(360).unwrap_or_else(|| photo.clone())
}
