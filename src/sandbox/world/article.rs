//! The well-known article's script, run as it runs in companies: once a month, over everybody, with what goes wrong on
//! the way (`servicenow.md` 1.6).
//!
//! For each user it deletes the attachment that the profile's `photo` names, stores whatever answer it got as an
//! ordinary attachment of the profile, and lets the `photo` of both records name that. It deletes before it has the new
//! picture, never looks at what it stores, and does not know of pictures stored in the platform's own form.

use jiff::SignedDuration;

use super::World;
use super::directory::Directory;
use super::instance::schema::TableName;
use super::instance::{Actor, AttachmentRow, Audit, ImageRecord, Instance, NewAttachment, ScanState, SysId};
use super::picture::Picture;

/// The name the script's account has in `sys_created_by`.
const SCRIPT: &str = "import.photos";

/// What a number of months did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Harm {
    /// Runs of the script for one user.
    pub runs: usize,
    /// Runs that the instance cancelled in the middle: the old picture is gone, the new one never came.
    pub cancelled: usize,
    /// Error messages stored as pictures.
    pub errors: usize,
    /// Pictures that people had put up themselves in the portal, in between.
    pub portal: usize,
    /// Pictures and thumbnails that outlived their records.
    pub orphans: usize,
}

/// Runs the script for so many months over the first `people` users who have an e-mail address. Sandbox time moves on
/// a month before each run. Which users meet which mishap follows from their position alone.
pub fn run(world: &World, people: usize, months: u32) -> Harm {
    let mut harm = Harm::default();
    for month in 1..=months as usize {
        world.clock.advance(SignedDuration::from_hours(24 * 30));
        let directory = world.directory.read();
        let mut instance = world.instance.write();
        let users: Vec<(SysId, String)> = instance
            .users()
            .filter(|user| !user.email.is_empty() && user.active)
            .map(|user| (user.sys_id, user.email.to_string()))
            .take(people)
            .collect();
        for (position, (user, email)) in users.iter().enumerate() {
            let now = world.clock.now();
            if (position + month).is_multiple_of(7) {
                upload_in_portal(&mut instance, *user, position + month, now);
                harm.portal += 1;
            }
            let actor = Actor { name: SCRIPT, now };
            run_for(
                &directory,
                &mut instance,
                *user,
                email,
                position + month,
                actor,
                &mut harm,
            );
        }
        if month == months as usize {
            for (position, (user, _)) in users.iter().enumerate() {
                outlive(&mut instance, *user, position, world.clock.now(), &mut harm);
            }
        }
    }
    harm
}

/// Somebody takes another picture in the portal, which makes a thumbnail too.
fn upload_in_portal(instance: &mut Instance, user: SysId, seed: usize, now: jiff::Timestamp) {
    let picture = Picture::from_bytes(png(seed as u8, 120, seed));
    let small = Picture::from_bytes(png(seed as u8, 120, 8));
    let actor = Actor { name: "portal", now };
    instance.put_avatar(
        user,
        ImageRecord::LiveProfile,
        picture,
        "image/png",
        Some(small),
        actor,
    );
}

fn run_for(
    directory: &Directory,
    instance: &mut Instance,
    user: SysId,
    email: &str,
    turn: usize,
    actor: Actor<'_>,
    harm: &mut Harm,
) {
    harm.runs += 1;
    let column = |table: TableName, name| table.column(name).expect("the table has the column");
    // It takes whichever profile comes last, and makes one if there is none.
    let profile = instance
        .profiles()
        .filter(|profile| profile.document == user)
        .last()
        .map(|profile| profile.sys_id);
    let profile = profile.unwrap_or_else(|| {
        let values = [
            ("document", user.to_string()),
            ("table", "sys_user".to_owned()),
            ("type", "user".to_owned()),
        ]
        .map(|(name, value)| (column(TableName::Profile, name), value));
        instance
            .insert(TableName::Profile, None, &values, actor)
            .expect("a new key")
    });
    let old = instance.profile(profile).and_then(|row| row.photo);
    if let Some(old) = old {
        instance.delete(TableName::Attachment, old, actor);
    }
    if turn.is_multiple_of(11) {
        harm.cancelled += 1;
        return;
    }
    let photo = directory.find(email).and_then(|person| person.photo.as_ref());
    let is_throttled = turn.is_multiple_of(13);
    let content = match photo {
        Some(photo) if !is_throttled => photo.picture.clone(),
        _ => {
            harm.errors += 1;
            error_message(turn, is_throttled)
        }
    };
    let stored = instance.attach(
        NewAttachment {
            table_name: "live_profile",
            table_sys_id: profile,
            file_name: &format!("{user}_photo.jpg"),
            content_type: "image/jpeg",
            content,
            scan: ScanState::Available,
            has_hash: true,
        },
        actor,
    );
    for (table, record) in [(TableName::Profile, profile), (TableName::User, user)] {
        let value = [(column(table, "photo"), stored.to_string())];
        instance.update(table, record, &value, actor);
    }
}

/// What is left behind where records were deleted by other means than the platform's own.
fn outlive(instance: &mut Instance, user: SysId, position: usize, now: jiff::Timestamp, harm: &mut Harm) {
    let (table, record, file_name) = match position % 20 {
        3 => ("ZZ_YYlive_profile", derived(user, 1), "photo".to_owned()),
        4 => ("ZZ_YYsys_user", derived(user, 2), "photo".to_owned()),
        5 => {
            let picture = derived(user, 3);
            ("sys_attachment", picture, format!("thumb_{picture}"))
        }
        _ => return,
    };
    harm.orphans += 1;
    instance.put_attachment(AttachmentRow {
        sys_id: derived(user, 4),
        table_name: table.into(),
        table_sys_id: record,
        file_name: file_name.into(),
        content_type: "image/png".into(),
        content: Picture::from_bytes(png(position as u8, 90, position)),
        scan: ScanState::Available,
        has_hash: true,
        audit: Audit::new(&SCRIPT.into(), now),
    });
}

fn derived(id: SysId, step: u128) -> SysId {
    SysId(id.0.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(step))
}

/// What Graph says instead of a picture.
fn error_message(turn: usize, is_throttled: bool) -> Picture {
    let code = if is_throttled {
        "TooManyRequests"
    } else {
        "ImageNotFound"
    };
    let text = format!(
        r#"{{"error":{{"code":"{code}","message":"The photo could not be served.","innerError":{{"request-id":"{turn:032x}"}}}}}}"#
    );
    Picture::from_bytes(text.into_bytes())
}

/// A small picture of one colour and a bar.
fn png(hue: u8, level: u8, bar: usize) -> Vec<u8> {
    const SIDE: u32 = 48;
    let picture = image::RgbImage::from_fn(SIDE, SIDE, |x, y| {
        let is_bar = (x as usize + y as usize * 3) % SIDE as usize <= bar % SIDE as usize;
        image::Rgb(if is_bar {
            [hue, level, 255 - hue]
        } else {
            [level, 255 - level, hue]
        })
    });
    let mut bytes = std::io::Cursor::new(Vec::new());
    picture
        .write_to(&mut bytes, image::ImageFormat::Png)
        .expect("a small picture can always be encoded");
    bytes.into_inner()
}
