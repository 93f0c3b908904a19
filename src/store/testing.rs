//! A past for tests: runs of so many days ago.

use std::sync::Arc;

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};

use super::journal::{Actor, Answer, Intent, KeptPicture, Planned, RunKind, RunStart, StepRecord, WriteKind};
use super::keys::{KeySettings, Keys};
use super::{Access, Retention, Store, StoreOptions, StorePaths, Vault};
use crate::domain::ids::{PictureId, RecordId, RunId, SourceId, TargetId};
use crate::domain::photo::{AvatarChain, PictureForm, Place, Scan, Sha256, StoredPicture};
use crate::domain::plan::Change;
use crate::domain::run::{Outcome, PersonRef};
use crate::domain::tidying::Task;

/// A profile whose past is made up.
pub(super) struct Past {
    folder: tempfile::TempDir,
    keys: KeySettings,
}

pub(super) fn days_ago(days: i64) -> Timestamp {
    Timestamp::now()
        .checked_sub(SignedDuration::from_hours(24 * days))
        .expect("in range")
}

impl Past {
    /// With plain pictures.
    pub(super) fn new() -> Self {
        Self::sealed_with(KeySettings::default())
    }

    /// With pictures that are sealed.
    pub(super) fn sealed_with(keys: KeySettings) -> Self {
        Self {
            folder: tempfile::tempdir().expect("a folder"),
            keys,
        }
    }

    pub(super) fn paths(&self) -> StorePaths {
        StorePaths {
            state_dir: self.folder.path().join("state"),
            cache_dir: self.folder.path().join("cache"),
            profile: "prod".into(),
        }
    }

    /// The same key each time, looked for anew.
    pub(super) fn options(&self, days: u32) -> StoreOptions {
        StoreOptions {
            keys: Some(Arc::new(Keys::new(self.keys.clone(), "prod"))),
            retention: Retention { days },
        }
    }

    /// For writing, with an age limit of so many days; 0 for none.
    pub(super) fn open(&self, days: u32) -> Store {
        let options = self.options(days);
        Store::open_with(&self.paths(), Access::Write, &options).expect("opens")
    }

    /// A run of so many days ago, in which this person's picture was replaced; if it is not settled, the next start
    /// has to look.
    pub(super) async fn replaced(
        &self,
        name: &str,
        picture: &'static [u8],
        days: i64,
        is_settled: bool,
    ) -> RunId {
        let store = self.open(0);
        let (journal, at) = (store.journal(), days_ago(days));
        let run = journal
            .begin_run(RunStart {
                profile: "prod".into(),
                kind: RunKind::Push,
                started: at,
                actor: Actor {
                    os_user: "root".into(),
                    host: "laptop".into(),
                    account: String::new(),
                },
                planned: Planned::default(),
                continues: None,
                undoes: None,
            })
            .await
            .expect("begun");
        let person = PersonRef {
            name: format!("{name} Vance").into(),
            upn: format!("{name}@x.example").into(),
            mail: Some(format!("{name}.vance@mail.example").into()),
            source: SourceId::new(name),
            target: Some(TargetId::new(format!("{name}-sys"))),
            user_name: Some(format!("{name}.vance").into()),
        };
        let task = Task::Push(Change::Replace);
        journal.begin_step(&run, &person, task).await.expect("begun");
        let sha256 = store
            .vault()
            .keep(Bytes::from_static(picture))
            .await
            .expect("kept");
        let stored = StoredPicture {
            id: PictureId::new(format!("{name}-old")),
            form: PictureForm::ImageField,
            file_name: "photo".into(),
            sha256: Some(sha256),
            bytes: picture.len() as u64,
            content_type: "image/jpeg".into(),
            scan: Scan::NotScanned,
            created_at: None,
            created_by: None,
        };
        let kept = KeptPicture {
            run: run.clone(),
            source: person.source.clone(),
            target: person.target.clone().expect("paired"),
            place: Place::LIVE_PROFILE,
            record: RecordId::new("p1"),
            sha256,
            stored: stored.clone(),
            was_displayed: true,
            at,
        };
        let upload = Intent {
            run: run.clone(),
            source: person.source.clone(),
            target: person.target.clone().expect("paired"),
            kind: WriteKind::Upload,
            place: Place::LIVE_PROFILE,
            record: Some(RecordId::new("p1")),
            picture: None,
            old_picture: Some(stored.id.clone()),
            sha256: Some(Sha256::of(b"new face")),
            bytes: Some(8),
            expected: AvatarChain {
                records: vec![],
                served: None,
                findings: vec![],
            }
            .stamp(),
            at,
        };
        journal.kept(kept).await.expect("passed on");
        let intent = journal.intend(upload).await.expect("announced");
        let made = Answer::Done(Some(format!("{name}-new")));
        journal.answer(intent, at, made).await.expect("passed on");
        let step = StepRecord {
            run: run.clone(),
            person,
            change: task,
            outcome: Outcome::Updated,
            detail: format!("{name} Vance is new"),
            hint: None,
            settled: is_settled,
            after: None,
            at,
        };
        journal.step(step).await.expect("written");
        Self::age(store.vault(), &sha256, days);
        run
    }

    /// Makes a file as old as it pretends to be.
    pub(super) fn age(vault: &Vault, sha256: &Sha256, days: i64) {
        let file = std::fs::File::options()
            .write(true)
            .open(vault.path_of(sha256))
            .expect("there");
        file.set_modified(days_ago(days).into()).expect("own file");
    }
}
