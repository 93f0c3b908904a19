//! Photos and avatars at the control address: what people and other administrators do, and what both sides hold.

use std::sync::Arc;

use bytes::Bytes;
use serde::Serialize;
use serde_json::json;
use tokio::sync::mpsc;

use super::Refusal;
use crate::sandbox::exchange::Response;
use crate::sandbox::faults::Kept;
use crate::sandbox::servicenow::{AvatarReport, ServiceNowService};
use crate::sandbox::world::World;
use crate::sandbox::world::instance::{AttachmentRow, AvatarRules, ImageRecord, ScanState, SysId};
use crate::sandbox::world::kinds::KINDS;
use crate::sandbox::world::picture::Picture;

/// How many users or writes are looked up under one lock.
pub(super) const PAGE: usize = 250;
/// How many pages may wait for a slow reader.
const PAGES_AHEAD: usize = 2;

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
    instance: &ServiceNowService,
    user_name: &str,
    on: ImageRecord,
    avatar: Option<Bytes>,
) -> Result<(), Refusal> {
    let is_known = match avatar.map(non_empty).transpose()? {
        Some(bytes) => {
            let content_type = Picture::from_bytes(bytes.clone()).content_type();
            instance.put_avatar(user_name, on, bytes, content_type).is_some()
        }
        None => instance.remove_avatar(user_name, on).is_some(),
    };
    if is_known {
        Ok(())
    } else {
        Err(Refusal::NotFound(format!(
            "ServiceNow has no user `{user_name}`."
        )))
    }
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
pub(super) fn log(instance: Arc<ServiceNowService>, mut seq: u64) -> mpsc::Receiver<Bytes> {
    produce(move |send| {
        loop {
            let entries = instance.log_after(seq, PAGE);
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
        world.instance.write().run_due(world.clock.now());
        let mut piece = Vec::from(*b"[");
        let mut is_first = true;
        let mut after = only.and_then(|user| user.0.checked_sub(1)).map(SysId);
        loop {
            let limit = if only.is_some() { 1 } else { PAGE };
            let page = world.instance.read().pictures_after(after, limit, rules);
            after = page.last().map(|user| user.sys_id);
            // Pictures are drawn here, without the lock.
            for report in page.into_iter().map(AvatarReport::from) {
                piece.extend_from_slice(if is_first { b"\n" } else { b",\n" });
                is_first = false;
                write_json(&mut piece, &report);
            }
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

/// The kinds of people that were invented and who is which: `{"kinds":[…],"people":[…]}`, one to a line.
pub(super) fn planted(world: World) -> mpsc::Receiver<Bytes> {
    produce(move |send| {
        let mut piece = Vec::from(*b"{\"kinds\":[");
        for (position, kind) in KINDS.iter().enumerate() {
            piece.extend_from_slice(if position == 0 { b"\n" } else { b",\n" });
            write_json(
                &mut piece,
                &json!({
                    "name": kind.name,
                    "what": kind.what,
                    "verdict": kind.verdict,
                    "suspicious": kind.is_suspicious,
                }),
            );
        }
        piece.extend_from_slice(b"\n],\"people\":[");
        for (position, person) in world.planted().enumerate() {
            piece.extend_from_slice(if position == 0 { b"\n" } else { b",\n" });
            let line = json!({
                "kind": person.kind.name,
                "userPrincipalName": person.principal,
                "user_name": person.user_name,
            });
            write_json(&mut piece, &line);
            if position % PAGE == PAGE - 1 && !send(std::mem::take(&mut piece).into()) {
                return;
            }
        }
        piece.extend_from_slice(b"\n]}\n");
        send(piece.into());
    })
}

/// Runs what makes an answer piece by piece on a thread that may block; `send` says whether anybody still reads.
pub(super) fn produce(make: impl FnOnce(&dyn Fn(Bytes) -> bool) + Send + 'static) -> mpsc::Receiver<Bytes> {
    let (sender, receiver) = mpsc::channel(PAGES_AHEAD);
    tokio::task::spawn_blocking(move || make(&|piece| sender.blocking_send(piece).is_ok()));
    receiver
}

pub(super) fn write_json(target: &mut Vec<u8>, value: &impl Serialize) {
    serde_json::to_writer(target, value).expect("plain data is written to memory");
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
    instance.replace_attachment(row, world.clock.now());
    true
}
