//! What the control address asks of the instance (`sandbox.md`, Control): settings, the write log, everybody's avatars,
//! and changes that people make in the user interface.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use serde::Serialize;

use super::images::{hex, thumbnail};
use super::settings::Compiled;
use super::{ServiceNowService, ServiceNowSettings};
use crate::sandbox::world::instance::{Actor, ImageRecord, LogEntry, SysId, UserPictures};
use crate::sandbox::world::picture::Picture;

/// A user with what is displayed and every attachment that concerns the user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AvatarReport {
    /// The user.
    pub sys_id: String,
    /// `user_name`.
    pub user_name: String,
    /// `email`.
    pub email: String,
    /// What is displayed, or null.
    pub effective: Option<EffectiveReport>,
    /// Rows at the user, at the user's profiles, and thumbnails of them.
    pub attachments: Vec<AttachmentReport>,
}

/// The displayed picture.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EffectiveReport {
    /// `live_profile` or `sys_user`.
    pub from: ImageRecord,
    /// The attachment.
    pub attachment: String,
    /// SHA-256 of its content.
    pub sha256: String,
}

/// An attachment row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "columns of sys_attachment by their names")]
pub struct AttachmentReport {
    pub sys_id: String,
    pub table_name: String,
    pub table_sys_id: String,
    pub file_name: String,
    pub sha256: String,
    pub size_bytes: u64,
    /// A `photo` column names it, or its record displays it, or it is the thumbnail of one that is.
    pub referenced: bool,
}

/// What clients did that they should not have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Requests refused by a rate rule.
    pub rate_refused: u64,
    /// Those of them that came before their `Retry-After` was over.
    pub early: u64,
    /// Requests refused because every thread and every place in the queue was taken.
    pub semaphore_refused: u64,
    /// Sessions opened.
    pub sessions_opened: u64,
    /// Requests that came while another one of their session was under way.
    pub session_overlaps: u64,
}

impl ServiceNowService {
    /// The settings as they are now; counters such as `cancel_next` show what is left of them.
    pub fn settings(&self) -> ServiceNowSettings {
        let mut settings = self.compiled().settings.clone();
        settings.quota.cancel_next = self.counters.cancel.load(Ordering::Relaxed);
        settings.quota.cancel_after_commit_next = self.counters.cancel_after_commit.load(Ordering::Relaxed);
        settings.attachments.corrupt_next = self.counters.corrupt.load(Ordering::Relaxed);
        settings
    }

    /// Changes the settings for all requests from now on. Counts of rate rules begin anew if the rules are others.
    pub fn set_settings(&self, settings: ServiceNowSettings) {
        self.counters.set(&settings);
        let compiled = Arc::new(Compiled::new(settings));
        let old = std::mem::replace(&mut *self.settings.write(), Arc::clone(&compiled));
        if old.settings.throttle.rate_rules != compiled.settings.throttle.rate_rules {
            self.rates.lock().clear();
        }
    }

    /// Counts since the start.
    pub fn counts(&self) -> Counts {
        let (rate_refused, early) = {
            let rates = self.rates.lock();
            (rates.refused, rates.early)
        };
        let sessions = self.sessions.lock();
        Counts {
            rate_refused,
            early,
            semaphore_refused: self.semaphore_refused.load(Ordering::Relaxed),
            sessions_opened: sessions.opened,
            session_overlaps: sessions.overlapping,
        }
    }

    /// Every write that was carried out, oldest first; the newest two million are kept.
    pub fn log(&self) -> Vec<LogEntry> {
        self.log_after(0, usize::MAX)
    }

    /// Up to `limit` writes after the one with this `seq`, for those who read the log in pieces.
    pub fn log_after(&self, seq: u64, limit: usize) -> Vec<LogEntry> {
        self.run_due(self.world.clock.now());
        self.world.instance.read().log_after(seq, limit)
    }

    /// Every user with the displayed picture and all attachments. Draws what is not stored as bytes.
    pub fn avatars(&self) -> Vec<AvatarReport> {
        const USERS_A_LOCK: usize = 500;
        self.run_due(self.world.clock.now());
        let rules = self.compiled().settings.avatar;
        let mut reports = Vec::new();
        let mut last = None;
        loop {
            let users = self
                .world
                .instance
                .read()
                .pictures_after(last, USERS_A_LOCK, rules);
            let Some(user) = users.last() else {
                return reports;
            };
            last = Some(user.sys_id);
            reports.extend(users.into_iter().map(AvatarReport::from));
        }
    }

    /// Someone changes a user's picture in the user interface; gives the new attachment, or nothing if nobody has this
    /// user name.
    pub fn put_avatar(
        &self,
        user_name: &str,
        on: ImageRecord,
        bytes: Bytes,
        content_type: &str,
    ) -> Option<SysId> {
        let picture = Picture::from_bytes(bytes);
        let small = thumbnail(&picture);
        let actor = Actor {
            name: user_name,
            now: self.world.clock.now(),
        };
        let mut instance = self.world.instance.write();
        let user = instance.user_named(user_name)?;
        instance.put_avatar(user, on, picture, content_type, small, actor)
    }

    /// Someone removes a user's picture in the user interface. `None` if nobody has this user name, false if there was
    /// no picture.
    pub fn remove_avatar(&self, user_name: &str, on: ImageRecord) -> Option<bool> {
        let actor = Actor {
            name: "admin",
            now: self.world.clock.now(),
        };
        let mut instance = self.world.instance.write();
        let user = instance.user_named(user_name)?;
        Some(instance.remove_avatar(user, on, actor))
    }
}

impl From<UserPictures> for AvatarReport {
    fn from(user: UserPictures) -> Self {
        let attachments: Vec<AttachmentReport> = user
            .attachments
            .iter()
            .map(|row| AttachmentReport {
                sys_id: row.sys_id.to_string(),
                table_name: row.table_name.to_string(),
                table_sys_id: row.table_sys_id.to_string(),
                file_name: row.file_name.clone(),
                sha256: hex(&row.content.sha256()),
                size_bytes: row.content.len(),
                referenced: row.referenced,
            })
            .collect();
        let effective = user
            .effective
            .zip(user.displayed)
            .map(|(found, picture)| EffectiveReport {
                from: found.from,
                attachment: found.attachment.to_string(),
                sha256: hex(&picture.sha256()),
            });
        Self {
            sys_id: user.sys_id.to_string(),
            user_name: user.user_name,
            email: user.email,
            effective,
            attachments,
        }
    }
}
