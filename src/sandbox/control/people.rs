//! Photos and avatars at the control address: what people and other administrators do, and what both sides hold.

use bytes::Bytes;
use serde::Serialize;
use tokio::sync::mpsc;

use super::Refusal;
use crate::sandbox::exchange::Response;
use crate::sandbox::faults::Kept;
use crate::sandbox::world::World;
use crate::sandbox::world::instance::{
    Actor, AttachmentRow, AvatarRules, ImageRecord, ScanState, SysId, UserPictures,
};
use crate::sandbox::world::picture::Picture;

/// How many users or writes are looked up under one lock.
const PAGE: usize = 250;
/// How many pages may wait for a slow reader.
const PAGES_AHEAD: usize = 2;
/// The thumbnail the platform makes of a new picture, in pixels.
const THUMBNAIL_PIXELS: u32 = 64;

/// The person changes or, without bytes, removes the photo in Entra ID.
pub(super) fn set_photo(world: &World, key: &str, photo: Option<Bytes>) -> Result<(), Refusal> {
    let picture = photo.map(non_empty).transpose()?.map(Picture::from_bytes);
    if world.directory.write().set_photo(key, picture) {
        Ok(())
    } else {
        Err(Refusal::NotFound(format!("Entra ID has no user `{key}`.")))
    }
}

/// Someone changes or, without bytes, removes an avatar in ServiceNow.
pub(super) fn set_avatar(
    world: &World,
    user_name: &str,
    on: ImageRecord,
    avatar: Option<Bytes>,
) -> Result<(), Refusal> {
    let picture = avatar.map(non_empty).transpose()?.map(Picture::from_bytes);
    // Decoded before the lock is taken.
    let thumbnail = picture
        .as_ref()
        .and_then(|picture| picture.resized(THUMBNAIL_PIXELS));
    let mut instance = world.instance.write();
    let Some(user) = instance.user_named(user_name) else {
        return Err(Refusal::NotFound(format!(
            "ServiceNow has no user `{user_name}`."
        )));
    };
    let actor = Actor {
        name: user_name,
        now: world.clock.now(),
    };
    match picture {
        Some(picture) => {
            let content_type = picture.content_type();
            instance.put_avatar(user, on, picture, content_type, thumbnail, actor);
        }
        None => {
            instance.remove_avatar(user, on, actor);
        }
    }
    Ok(())
}

fn non_empty(bytes: Bytes) -> Result<Bytes, Refusal> {
    if bytes.is_empty() {
        Err(Refusal::bad_request(
            "The body must be the picture's bytes, but it is empty; to remove a picture use DELETE.",
        ))
    } else {
        Ok(bytes)
    }
}

/// `live_profile` or `sys_user`.
pub(super) fn record(on: Option<&str>) -> Result<ImageRecord, Refusal> {
    match on {
        None | Some("live_profile") => Ok(ImageRecord::LiveProfile),
        Some("sys_user") => Ok(ImageRecord::SysUser),
        Some(other) => Err(Refusal::bad_request(format!(
            "`on` is `{other}`, but it must be one of `live_profile`, `sys_user`."
        ))),
    }
}

/// Every write after `seq`, oldest first, as JSON lines.
pub(super) fn log(world: World, mut seq: u64) -> mpsc::Receiver<Bytes> {
    produce(move |send| {
        loop {
            let entries = world.instance.read().log_after(seq, PAGE);
            let Some(last) = entries.last() else {
                return;
            };
            seq = last.seq;
            let mut piece = Vec::with_capacity(entries.len() * 200);
            for entry in &entries {
                write_json(&mut piece, entry);
                piece.push(b'\n');
            }
            if !send(piece.into()) {
                return;
            }
        }
    })
}

/// What every ServiceNow user shows and everything stored for them: a JSON array, one user a line. With `only`, just
/// that user.
pub(super) fn avatars(world: World, rules: AvatarRules, only: Option<SysId>) -> mpsc::Receiver<Bytes> {
    produce(move |send| {
        let mut piece = Vec::from(*b"[");
        let mut is_first = true;
        let mut after = only.and_then(|user| user.0.checked_sub(1)).map(SysId);
        loop {
            let limit = if only.is_some() { 1 } else { PAGE };
            let page = world.instance.read().pictures_after(after, limit, &rules);
            for user in &page {
                piece.extend_from_slice(if is_first { b"\n" } else { b",\n" });
                is_first = false;
                write_json(&mut piece, &Avatar::of(user));
            }
            after = page.last().map(|user| user.sys_id);
            if after.is_none() || only.is_some() {
                piece.extend_from_slice(b"\n]\n");
                send(piece.into());
                return;
            }
            if !send(std::mem::take(&mut piece).into()) {
                return;
            }
        }
    })
}

/// Runs what makes an answer piece by piece on a thread that may block; `send` says whether anybody still reads.
fn produce(make: impl FnOnce(&dyn Fn(Bytes) -> bool) + Send + 'static) -> mpsc::Receiver<Bytes> {
    let (sender, receiver) = mpsc::channel(PAGES_AHEAD);
    tokio::task::spawn_blocking(move || make(&|piece| sender.blocking_send(piece).is_ok()));
    receiver
}

fn write_json(target: &mut Vec<u8>, value: &impl Serialize) {
    serde_json::to_writer(target, value).expect("plain data is written to memory");
}

/// A user in `GET /avatars`.
#[derive(Serialize)]
struct Avatar<'a> {
    sys_id: String,
    user_name: &'a str,
    email: &'a str,
    effective: Option<Shown>,
    attachments: Vec<Stored<'a>>,
}

#[derive(Serialize)]
struct Shown {
    from: ImageRecord,
    attachment: String,
    sha256: Option<String>,
}

#[derive(Serialize)]
struct Stored<'a> {
    sys_id: String,
    table_name: &'a str,
    table_sys_id: String,
    file_name: &'a str,
    sha256: String,
    size_bytes: u64,
    referenced: bool,
}

impl<'a> Avatar<'a> {
    fn of(user: &'a UserPictures) -> Self {
        let stored = user.attachments.iter().map(|row| Stored {
            sys_id: row.sys_id.to_string(),
            table_name: &row.table_name,
            table_sys_id: row.table_sys_id.to_string(),
            file_name: &row.file_name,
            sha256: hex(row.content.sha256()),
            size_bytes: row.content.len(),
            referenced: row.referenced,
        });
        Self {
            sys_id: user.sys_id.to_string(),
            user_name: &user.user_name,
            email: &user.email,
            effective: user.effective.map(|effective| Shown {
                from: effective.from,
                attachment: effective.attachment.to_string(),
                sha256: user.displayed.as_ref().map(|picture| hex(picture.sha256())),
            }),
            attachments: stored.collect(),
        }
    }
}

fn hex(digest: [u8; 32]) -> String {
    use std::fmt::Write;
    digest.iter().fold(String::with_capacity(64), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Puts an attachment that an answer speaks of into quarantine. False if the answer is not that of an upload.
pub(super) fn quarantine(world: &World, answer: &Response) -> bool {
    change_upload(world, answer, |row| row.scan = ScanState::NotAvailable)
}

/// Keeps something else in the place of an upload. False if the answer is not that of an upload.
pub(super) fn keep_instead(world: &World, answer: &Response, kept: Kept) -> bool {
    change_upload(world, answer, |row| {
        row.content = match kept {
            Kept::Half => {
                let bytes = row.content.bytes();
                Picture::from_bytes(bytes.slice(..bytes.len() / 2))
            }
            Kept::Pixel => Picture::single_pixel(),
        };
    })
}

fn change_upload(world: &World, answer: &Response, change: impl FnOnce(&mut AttachmentRow)) -> bool {
    let parsed: Option<serde_json::Value> = serde_json::from_slice(&answer.body).ok();
    let uploaded = parsed
        .as_ref()
        .filter(|_| answer.status.is_success())
        .and_then(|answer| SysId::parse(answer["result"]["sys_id"].as_str()?));
    let mut instance = world.instance.write();
    let Some(mut row) = uploaded.and_then(|id| instance.attachment(id)) else {
        return false;
    };
    change(&mut row);
    instance.put_attachment(row);
    true
}
