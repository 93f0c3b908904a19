//! What an interrupted tidying has left.
//!
//! Every state on its way is sound. Before the first removal everything is taken back; after it, what was decided to go
//! goes.

use std::collections::HashSet;

use super::aim::is_named;
use super::removal::no_photo;
use super::writes::{column_of, set_known_column};
use super::{Ended, Halt, Pushing, Work, target_of};
use crate::domain::ids::{PictureId, RecordId};
use crate::domain::photo::{AvatarChain, Column, Place, StoredPicture};
use crate::domain::run::Outcome;
use crate::domain::tidying::{Task, TidyKind, Write, chain_after};
use crate::engine::recover::RecoverError;
use crate::store::journal::{KeptPicture, Unfinished, WriteKind, WriteRecord};

impl Pushing {
    /// Finishes it or takes it back; see the module.
    pub(in crate::engine) async fn settle_tidying(&self, person: &Unfinished) -> Result<Ended, RecoverError> {
        match self.try_to_settle(person).await {
            Ok(ended) => Ok(ended),
            Err(halt) => or_later(halt),
        }
    }

    /// The person's chain as it is now; `None` if the person, or the record, is gone.
    pub(in crate::engine) async fn state_of(
        &self,
        person: &Unfinished,
    ) -> Result<Option<AvatarChain>, RecoverError> {
        let read = async { self.chain(&target_of(&person.person)?).await };
        match read.await {
            Ok(chain) => Ok(Some(chain)),
            Err(halt) => or_later(halt).map(|_| None),
        }
    }

    async fn try_to_settle(&self, person: &Unfinished) -> Result<Ended, Halt> {
        let target = target_of(&person.person)?;
        let chain = self.chain(&target).await?;
        let mut work = Work::new(&person.person, person.change, target, chain.clone(), no_photo());
        let has_removed = person.writes.iter().any(|write| {
            write.intent.kind == WriteKind::Remove
                && person
                    .kept
                    .iter()
                    .any(|kept| Some(&kept.stored.id) == write.intent.picture.as_ref())
        });
        if has_removed {
            self.roll_forward(&mut work, person, chain).await
        } else {
            self.roll_back(&mut work, person, chain).await
        }
    }

    async fn roll_forward(
        &self,
        work: &mut Work,
        person: &Unfinished,
        mut chain: AvatarChain,
    ) -> Result<Ended, Halt> {
        let is_stored = |write: &WriteRecord| write.intent.kind == WriteKind::Upload;
        // Who had no picture before the run that is undone gets none back: nothing was stored for them.
        let may_empty = person.change == Task::Tidy(TidyKind::Undo) && !person.writes.iter().any(is_stored);
        for kept in &person.kept {
            let id = &kept.stored.id;
            if chain.picture(id).is_none() || is_named(&chain, id) {
                continue;
            }
            let removal = [Write::Remove {
                place: kept.place,
                record: kept.record.clone(),
                picture: id.clone(),
                bytes: kept.stored.bytes,
            }];
            let after = chain_after(&chain, &removal);
            if chain.served.is_some() && after.served.is_none() && !may_empty {
                continue;
            }
            self.remove(work, kept.place, &kept.record, id, Some(kept.sha256))
                .await?;
            chain = after;
        }
        Ok(Ended::new(Outcome::Updated, "what was begun is finished"))
    }

    async fn roll_back(
        &self,
        work: &mut Work,
        person: &Unfinished,
        mut chain: AvatarChain,
    ) -> Result<Ended, Halt> {
        let ours = stored_by(&person.writes, &person.kept, &chain);
        for write in person.writes.iter().rev() {
            let (WriteKind::SetColumn, Some(record)) = (write.intent.kind, &write.intent.record) else {
                continue;
            };
            let now = column_of(&chain, record);
            let is_ours = match &now {
                Column::Names(named) => ours.contains(named),
                Column::Empty | Column::Unreadable => false,
            };
            if !is_ours {
                continue;
            }
            let old = write
                .intent
                .old_picture
                .as_ref()
                .and_then(|old| chain.picture(old));
            let (old, hash) = (old.map(|old| &old.id), old.and_then(|old| old.sha256));
            let held = self
                .write_column(work, write.intent.place, record, &now, old, hash)
                .await?;
            set_known_column(&mut chain, record, held);
        }
        let doomed: Vec<(Place, RecordId, StoredPicture)> = chain
            .records
            .iter()
            .flat_map(|record| {
                record
                    .pictures
                    .iter()
                    .filter(|row| ours.contains(&row.id))
                    .map(|row| (record.place, record.id.clone(), row.clone()))
            })
            .filter(|(_, _, row)| !is_named(&chain, &row.id))
            .collect();
        let count = doomed.len();
        for (place, record, row) in doomed {
            self.remove(work, place, &record, &row.id, row.sha256).await?;
        }
        Ok(Ended::new(
            Outcome::Skipped,
            match count {
                0 => "nothing of it was left behind".to_owned(),
                _ => "what was begun was taken back".to_owned(),
            },
        ))
    }
}

/// How a settling ended that goes no further; what a service or the disk has refused is left for the next start.
fn or_later(halt: Halt) -> Result<Ended, RecoverError> {
    match halt {
        Halt::Connector(error) => Err(error.into()),
        Halt::Storage(error) => Err(error.into()),
        // What was to be set back is as it was.
        unanswered @ Halt::Unanswered(_) => Ok(Ended {
            settled: false,
            ..Ended::of(unanswered)
        }),
        halt => Ok(Ended::of(halt)),
    }
}

/// Rows that a step stored and that are still there: those it was told of, and those with the bytes of an upload of
/// which no answer came.
pub(in crate::engine) fn stored_by(
    writes: &[WriteRecord],
    kept: &[KeptPicture],
    chain: &AvatarChain,
) -> HashSet<PictureId> {
    let uploads = || {
        writes
            .iter()
            .filter(|write| write.intent.kind == WriteKind::Upload)
    };
    let told: HashSet<PictureId> = uploads().filter_map(WriteRecord::uploaded).collect();
    let rows = chain
        .records
        .iter()
        .flat_map(|record| record.pictures.iter().map(move |row| (&record.id, row)));
    rows.filter(|(record, row)| {
        let has_bytes_of = |write: &WriteRecord| {
            write.answer.is_none()
                && write.intent.record.as_ref() == Some(record)
                && write.intent.bytes == Some(row.bytes)
                && row.sha256.is_some()
                && write.intent.sha256 == row.sha256
        };
        let was_there = kept.iter().any(|kept| kept.stored.id == row.id);
        !was_there && (told.contains(&row.id) || uploads().any(has_bytes_of))
    })
    .map(|(_, row)| row.id.clone())
    .collect()
}
