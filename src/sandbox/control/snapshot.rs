//! Everything that has to do with pictures on both sides, row by row: what a test compares before and after, and begins
//! to replay the log of writes from.

use std::collections::HashSet;

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::people::{PAGE, produce, write_json};
use crate::sandbox::world::World;
use crate::sandbox::world::instance::{AttachmentRow, Audit};
use crate::sandbox::world::picture::Picture;

/// Every row of the three tables as JSON lines: users, then profiles from the oldest, then attachments; those of one
/// record in the order in which they arrived.
pub(super) fn rows(world: World) -> mpsc::Receiver<Bytes> {
    produce(move |send| {
        world.instance.write().run_due(world.clock.now());
        // A copy: rows are drawn and written without the lock, and all are of one moment.
        let instance = world.instance.read().clone();
        let users = instance.users().map(|row| {
            json!({
                "table": "sys_user", "sys_id": row.sys_id.to_string(), "user_name": row.user_name, "email": row.email,
                "name": row.name, "active": row.active, "photo": row.photo.map(|id| id.to_string()),
                "audit": audit(&row.audit),
            })
        });
        let mut profiles: Vec<_> = instance.profiles().collect();
        profiles.sort_by_key(|row| (row.audit.created_on, row.sys_id));
        let profiles = profiles.into_iter().map(|row| {
            json!({
                "table": "live_profile", "sys_id": row.sys_id.to_string(), "document": row.document.to_string(),
                "name": row.name, "photo": row.photo.map(|id| id.to_string()), "audit": audit(&row.audit),
            })
        });
        let mut seen = HashSet::new();
        let attachments = instance
            .attachments()
            .filter(|row| seen.insert(row.table_sys_id))
            .flat_map(|row| instance.attachments_of(row.table_sys_id))
            .map(|row| attachment(&row));

        let mut piece = Vec::new();
        for (position, line) in users.chain(profiles).chain(attachments).enumerate() {
            write_json(&mut piece, &line);
            piece.push(b'\n');
            if position % PAGE == PAGE - 1 && !send(std::mem::take(&mut piece).into()) {
                return;
            }
        }
        send(piece.into());
    })
}

fn attachment(row: &AttachmentRow) -> Value {
    json!({
        "table": "sys_attachment", "sys_id": row.sys_id.to_string(), "table_name": row.table_name,
        "table_sys_id": row.table_sys_id.to_string(), "file_name": row.file_name, "content_type": row.content_type,
        "sha256": sha256(&row.content), "size_bytes": row.content.len(), "audit": audit(&row.audit),
    })
}

fn audit(audit: &Audit) -> Value {
    let moment = |at: Timestamp| at.to_string();
    json!({
        "created_on": moment(audit.created_on), "created_by": audit.created_by,
        "updated_on": moment(audit.updated_on), "updated_by": audit.updated_by, "mod_count": audit.mod_count,
    })
}

/// What Entra serves of everybody who has a photo: by object id, at a size or else in full.
pub(super) fn photos(world: World, size: Option<u32>) -> mpsc::Receiver<Bytes> {
    produce(move |send| {
        let photos: Vec<_> = {
            let directory = world.directory.read();
            let with_photo = directory
                .users()
                .iter()
                .filter_map(|user| Some((user.id, user.photo.as_ref()?.picture.clone())));
            with_photo.collect()
        };
        let mut piece = Vec::from(*b"{");
        for (position, (id, picture)) in photos.into_iter().enumerate() {
            let served = size.and_then(|size| picture.resized(size)).unwrap_or(picture);
            piece.extend_from_slice(if position == 0 { b"\n" } else { b",\n" });
            piece.extend_from_slice(format!("\"{id}\":").as_bytes());
            let what = json!({"sha256": sha256(&served), "content_type": served.content_type()});
            write_json(&mut piece, &what);
            if position % PAGE == PAGE - 1 && !send(std::mem::take(&mut piece).into()) {
                return;
            }
        }
        piece.extend_from_slice(b"\n}\n");
        send(piece.into());
    })
}

fn sha256(picture: &Picture) -> String {
    picture
        .sha256()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
