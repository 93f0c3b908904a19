use super::*;
use crate::sandbox::portraits::Portrait;
use crate::sandbox::world::directory::Mailbox;
use crate::sandbox::world::instance::{AttachmentRow, ScanState};

/// A folder with a `world.json` and two pictures.
fn folder(world: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a temporary folder");
    fs::create_dir(dir.path().join("photos")).expect("a folder inside it");
    fs::write(dir.path().join("world.json"), world).expect("a file inside it");
    for (name, face) in [("ada", 0), ("old", 2)] {
        let path = dir.path().join(format!("photos/{name}.jpg"));
        fs::write(path, Portrait::new(1, face).with_width(24).bytes()).expect("a file inside it");
    }
    dir
}

fn load(world: &str) -> Result<World, WorldError> {
    World::load(folder(world).path())
}

fn attachments(world: &World) -> Vec<AttachmentRow> {
    let mut rows: Vec<_> = world.instance.read().attachments().collect();
    rows.sort_by_key(|row| row.audit.created_on);
    rows
}

const DOCUMENTED: &str = r#"
{"entra": {"users": [
   {"displayName":"Grace","userPrincipalName":"grace@contoso.example"},
   {"displayName":"Ada Byron","userPrincipalName":"ada@contoso.example","mail":"ada@contoso.example",
    "id":"3f0c1a52-0d6b-4b8e-9a3c-5d9f27e46b0a","accountEnabled":false,"userType":"Guest","jobTitle":"Engineer",
    "department":"R&D","employeeId":"17","manager":"Grace@contoso.example","photo":"photos/ada.jpg"}]},
 "servicenow": {"users": [
   {"user_name":"ada@contoso.example","email":"ada@contoso.example","name":"Ada Byron",
    "sys_id":"1f0c1a520d6b4b8e9a3c5d9f27e46b0a","active":false,"sso_source":"sso:1","live_profiles":2,
    "avatars":[{"file":"photos/old.jpg","on":"live_profile","form":"image_field"}]}]}}
"#;

#[test]
fn the_documented_example_is_read_whole() {
    let world = load(DOCUMENTED).expect("a good world");
    let directory = world.directory.read();
    let ada = directory.find("ada@contoso.example").expect("Ada is there");
    assert_eq!(ada.id.to_string(), "3f0c1a52-0d6b-4b8e-9a3c-5d9f27e46b0a");
    assert!(!ada.enabled && ada.guest);
    assert_eq!(ada.job_title.as_deref(), Some("Engineer"));
    assert_eq!(ada.department.as_deref(), Some("R&D"));
    assert_eq!(ada.employee_id.as_deref(), Some("17"));
    assert_eq!(
        ada.manager,
        directory.find("grace@contoso.example").map(|grace| grace.id)
    );
    let photo = &ada.photo.as_ref().expect("a photo").picture;
    assert_eq!(photo.sha256(), Portrait::new(1, 0).with_width(24).sha256());

    let instance = world.instance.read();
    let user = instance.users().next().expect("a user");
    assert_eq!(user.sys_id.to_string(), "1f0c1a520d6b4b8e9a3c5d9f27e46b0a");
    assert!(!user.active && user.photo.is_none());
    assert_eq!((&*user.name, &*user.sso_source), ("Ada Byron", "sso:1"));
    let profiles: Vec<_> = instance.profiles().collect();
    assert_eq!(profiles.len(), 2);
    let stored = instance.attachments().next().expect("a picture");
    assert_eq!(
        (&*stored.table_name, &*stored.file_name),
        ("ZZ_YYlive_profile", "photo")
    );
    assert_eq!(&*stored.content_type, "image/jpeg");
    assert!(
        profiles
            .iter()
            .any(|profile| profile.sys_id == stored.table_sys_id)
    );
}

#[test]
fn what_is_not_said_is_an_active_member_with_one_profile_and_no_picture() {
    let world = load(
        r#"{"entra":{"users":[{"displayName":"Bo","userPrincipalName":"bo@contoso.example"}]},
            "servicenow":{"users":[{"user_name":"bo"}]}}"#,
    )
    .expect("a good world");
    let directory = world.directory.read();
    let bo = directory.find("bo@contoso.example").expect("Bo is there");
    assert!(bo.enabled && !bo.guest && bo.photo.is_none() && bo.mail.is_none());
    assert_eq!(bo.mailbox, Mailbox::ExchangeOnline);
    let instance = world.instance.read();
    let user = instance.users().next().expect("a user");
    assert!(user.active && user.email.is_empty() && user.employee_number.is_empty());
    assert_eq!(instance.profiles().count(), 1);
    assert_eq!(instance.attachments().count(), 0);
}

#[test]
fn ids_that_are_not_given_are_the_same_every_time() {
    let world = r#"{"entra":{"users":[{"displayName":"Bo","userPrincipalName":"bo@contoso.example"}]},
                    "servicenow":{"users":[{"user_name":"bo","avatars":[{"file":"photos/old.jpg","on":"sys_user"}]}]}}"#;
    let ids = || {
        let world = load(world).expect("a good world");
        let id = world.directory.read().users()[0].id;
        (
            id,
            attachments(&world)[0].sys_id,
            attachments(&world)[0].table_sys_id,
        )
    };
    assert_eq!(ids(), ids());
}

#[test]
fn forms_store_pictures_where_they_say() {
    let with = |avatar: &str| {
        let world = format!(r#"{{"servicenow":{{"users":[{{"user_name":"bo","avatars":[{avatar}]}}]}}}}"#);
        let world = load(&world).expect("a good world");
        let user = world.instance.read().users().next().expect("a user");
        let profile = world.instance.read().profiles().next().expect("a profile");
        (user, profile, attachments(&world))
    };

    let (user, profile, rows) = with(r#"{"file":"photos/old.jpg","on":"live_profile","form":"article"}"#);
    assert_eq!(&*rows[0].table_name, "live_profile");
    assert_eq!(*rows[0].file_name, format!("{}_photo.jpg", user.sys_id));
    assert_eq!(
        (profile.photo, user.photo),
        (Some(rows[0].sys_id), Some(rows[0].sys_id))
    );

    let (user, profile, rows) = with(r#"{"on":"live_profile","form":"dangling"}"#);
    assert!(profile.photo.is_some() && user.photo.is_none() && rows.is_empty());

    let (user, profile, rows) = with(r#"{"file":"photos/old.jpg","on":"sys_user","form":"orphan"}"#);
    assert_eq!(
        (&*rows[0].table_name, &*rows[0].file_name),
        ("sys_user", "old.jpg")
    );
    assert!(profile.photo.is_none() && user.photo.is_none());

    let (user, _, rows) = with(
        r#"{"file":"photos/old.jpg","on":"sys_user","column":true,"hash":false,"state":"","content_type":"image/x"}"#,
    );
    assert_eq!(
        (&*rows[0].table_name, rows[0].table_sys_id),
        ("ZZ_YYsys_user", user.sys_id)
    );
    assert_eq!(user.photo, Some(rows[0].sys_id));
    assert!(!rows[0].has_hash && rows[0].scan == ScanState::Never);
    assert_eq!(&*rows[0].content_type, "image/x");
}

#[test]
fn groups_have_members_and_groups() {
    let world = load(
        r#"{"entra":{"users":[{"displayName":"Bo","userPrincipalName":"bo@contoso.example"}],
            "groups":[{"displayName":"Everyone","groups":["Sales"]},
                      {"displayName":"Sales","members":["BO@contoso.example"]}]}}"#,
    )
    .expect("a good world");
    let directory = world.directory.read();
    let group = |name: &str| {
        directory
            .groups
            .values()
            .find(|group| &*group.name == name)
            .expect("a group")
    };
    assert_eq!(group("Everyone").groups, [group("Sales").id]);
    assert_eq!(group("Sales").users, [directory.users()[0].id]);
}

#[test]
fn a_mistake_is_named_with_its_place_and_what_to_do() {
    let person = |more: &str| {
        format!(r#"{{"entra":{{"users":[{{"displayName":"A","userPrincipalName":"a@x.example"{more}}}]}}}}"#)
    };
    let user = |more: &str| format!(r#"{{"servicenow":{{"users":[{{"user_name":"a"{more}}}]}}}}"#);
    let avatar = |avatar: &str| user(&format!(r#","avatars":[{avatar}]"#));
    let cases: Vec<(String, &[&str])> = vec![
        ("{".to_owned(), &["world.json", "not JSON", "line 1"]),
        ("[]".to_owned(), &["world.json", "expected an object", "a list"]),
        (
            r#"{"entra":{},"servicnow":{}}"#.to_owned(),
            &["world.json", "\"servicnow\"", "\"servicenow\""],
        ),
        (
            person(r#","jobtitle":"x""#),
            &["entra.users[0]", "\"jobtitle\"", "did you mean \"jobTitle\"?"],
        ),
        (
            person(r#","shoeSizeInInches":9"#),
            &["entra.users[0]", "\"shoeSizeInInches\"", "known here are"],
        ),
        (
            person(r#","accountEnabled":"yes""#),
            &["entra.users[0].accountEnabled", "true or false", "a text"],
        ),
        (
            person(r#","userType":"Robot""#),
            &["entra.users[0].userType", "\"Robot\"", "\"Member\", \"Guest\""],
        ),
        (person(r#","id":"17""#), &["entra.users[0].id", "\"17\"", "GUID"]),
        (
            person(r#","manager":"b@x.example""#),
            &[
                "entra.users[0].manager",
                "b@x.example",
                "did you mean \"a@x.example\"?",
            ],
        ),
        (
            person(r#","photo":"photos/none.jpg""#),
            &["entra.users[0].photo", "photos/none.jpg", "relative to"],
        ),
        (
            person(r#","photo":"../ada.jpg""#),
            &["entra.users[0].photo", "../ada.jpg", "leads out", "inside it"],
        ),
        (
            person(r#","photo":"/etc/hostname""#),
            &["entra.users[0].photo", "leads out"],
        ),
        (
            r#"{"entra":{"users":[{"userPrincipalName":"a@x.example"}]}}"#.to_owned(),
            &["entra.users[0]", "\"displayName\"", "missing", "add it"],
        ),
        (
            r#"{"entra":{"users":[{"displayName":"A","userPrincipalName":"a@x.example"},
                                  {"displayName":"B","userPrincipalName":"A@x.example"}]}}"#
                .to_owned(),
            &["entra.users[1]", "A@x.example", "unique"],
        ),
        (
            user(r#","sys_id":"xyz""#),
            &["servicenow.users[0].sys_id", "\"xyz\"", "32 hexadecimal digits"],
        ),
        (
            user(r#","live_profiles":-1"#),
            &["servicenow.users[0].live_profiles", "from 0 to 100", "-1"],
        ),
        (
            r#"{"servicenow":{"users":[{"user_name":"a"},{"user_name":"A"}]}}"#.to_owned(),
            &[
                "servicenow.users[1]",
                "servicenow.users[0] has the user_name",
                "unique",
            ],
        ),
        (
            avatar(r#"{"file":"photos/old.jpg","on":"desk"}"#),
            &[
                "servicenow.users[0].avatars[0].on",
                "\"desk\"",
                "\"live_profile\", \"sys_user\"",
            ],
        ),
        (
            avatar(r#"{"file":"photos/old.jpg","on":"sys_user","form":"fax"}"#),
            &["servicenow.users[0].avatars[0].form", "\"fax\"", "\"orphan\""],
        ),
        (
            avatar(r#"{"file":"photos/old.jpg","on":"sys_user","forms":"orphan"}"#),
            &[
                "servicenow.users[0].avatars[0]",
                "\"forms\"",
                "did you mean \"form\"?",
            ],
        ),
        (
            avatar(r#"{"file":"photos/old.jpg"}"#),
            &["avatars[0]", "\"on\" is missing"],
        ),
        (
            avatar(r#"{"on":"sys_user"}"#),
            &["avatars[0]", "\"file\" is missing"],
        ),
        (
            avatar(r#"{"file":"photos/old.jpg","on":"live_profile","profile":2}"#),
            &["avatars[0]", "no live profile number 2", "\"live_profiles\""],
        ),
        (
            avatar(r#"{"file":"photos/old.jpg","on":"sys_user","form":"article"}"#),
            &["avatars[0]", "\"on\": \"live_profile\""],
        ),
    ];
    for (world, expected) in cases {
        let message = load(&world)
            .err()
            .unwrap_or_else(|| panic!("was accepted: {world}"))
            .to_string();
        for part in expected {
            assert!(
                message.contains(part),
                "{message:?} does not say {part:?} about {world}"
            );
        }
    }
}

#[test]
fn a_folder_without_a_world_is_named() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let message = World::load(dir.path())
        .err()
        .expect("there is no world")
        .to_string();
    assert!(message.contains("world.json"), "{message}");
    let message = World::load(&dir.path().join("none"))
        .err()
        .expect("there is no folder")
        .to_string();
    assert!(message.contains("none"), "{message}");
}

#[cfg(unix)]
#[test]
fn a_link_that_leads_out_is_refused() {
    let outside = tempfile::NamedTempFile::new().expect("a temporary file");
    let dir = folder(
        r#"{"entra":{"users":[{"displayName":"A","userPrincipalName":"a@x.example","photo":"link.jpg"}]}}"#,
    );
    std::os::unix::fs::symlink(outside.path(), dir.path().join("link.jpg")).expect("a link");
    let error = World::load(dir.path()).err().expect("it leads out");
    assert!(matches!(error, WorldError::Outside { .. }), "{error}");
}

#[test]
fn the_example_world_that_comes_with_the_program_loads() {
    let world =
        World::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/worlds/example")).expect("it loads");
    assert!(world.directory.read().users().len() >= 8);
    assert!(world.instance.read().attachments().count() >= 6);
}
