//! The writes of a push: announced, sent, answered; and when nobody knows how one went, looked up
//! (`reliability.md` 2, last column). Records are created in `records`.

use bytes::Bytes;

use super::aim::{hash_of, is_named};
use super::{ATTEMPTS, Ended, Halt, Pushing, Work, changed, failed, in_words};
use crate::connector::{ConnectorError, ErrorKind, Priority};
use crate::domain::ids::{PictureId, RecordId};
use crate::domain::photo::{AvatarChain, AvatarRecord, Column, Place, Scan, Sha256, StoredPicture};
use crate::domain::run::Outcome;
use crate::store::journal::{Answer, Intent, IntentId, WriteKind};

/// What a write is about; the rest of an intent is the same for all writes of a push.
pub(super) struct Subject<'a> {
    pub(super) kind: WriteKind,
    pub(super) place: Place,
    pub(super) record: Option<&'a RecordId>,
    pub(super) picture: Option<&'a PictureId>,
    pub(super) old_picture: Option<&'a PictureId>,
    pub(super) sha256: Option<Sha256>,
    pub(super) bytes: Option<u64>,
}

impl Pushing {
    /// Somebody has stored another picture right after ours, and it is displayed: ours beside it is seen by nobody.
    pub(super) async fn make_room(&self, work: &mut Work) -> Ended {
        let ended = Ended::new(
            Outcome::ChangedMeanwhile,
            "another picture was stored right after ours; it stays",
        );
        match self.try_to_make_room(work).await {
            Ok(()) => ended,
            Err(halt) => ended.leaving("ours is left beside it", halt, false),
        }
    }

    /// Takes ours back from records that hold something else too; never what is displayed or named.
    pub(super) async fn try_to_make_room(&self, work: &mut Work) -> Result<(), Halt> {
        let (chain, displayed) =
            futures::future::join(self.chain(&work.target), self.displayed(&work.target)).await;
        let (chain, displayed) = (chain?, displayed?);
        let ours: Vec<PictureId> = work
            .places
            .iter()
            .flat_map(|place| place.uploaded.iter().cloned())
            .collect();
        for record in &chain.records {
            let is_alone = record.image_rows().all(|row| ours.contains(&row.id));
            for row in &record.pictures {
                let is_seen = displayed.as_ref() == Some(&row.id) || is_named(&chain, &row.id);
                if ours.contains(&row.id) && !is_alone && !is_seen {
                    self.remove(work, record.place, &record.id, &row.id, row.sha256)
                        .await?;
                }
            }
        }
        Ok(())
    }

    /// S5 and the part of S6 that the answer tells.
    pub(super) async fn store_picture(&self, work: &mut Work, position: usize) -> Result<(), Halt> {
        let place = work.places[position].place;
        let record = work.places[position].record.clone();
        let record = record.expect("created before pictures are stored");
        let mut mismatches = 0;
        for _ in 0..ATTEMPTS {
            let superseded = work.places[position].superseded.first().map(|row| row.id.clone());
            let subject = Subject {
                kind: WriteKind::Upload,
                place,
                record: Some(&record),
                picture: None,
                old_picture: superseded.as_ref(),
                sha256: Some(work.photo.wanted.sha256),
                bytes: Some(work.photo.wanted.bytes),
            };
            let intent = self.announce(work, subject).await?;
            let photo = work.photo.bytes.clone();
            let uploaded = self
                .target
                .upload(&record, place, photo, work.photo.content_type)
                .await;
            let row = match uploaded {
                Ok(row) => row,
                Err(error) if error.kind == ErrorKind::OutcomeUnknown => {
                    let Some(row) = self.find_uploaded(work, &record).await? else {
                        self.not_done(work, intent, "it was not there afterwards").await?;
                        continue;
                    };
                    row
                }
                Err(error) => return Err(self.refused(work, intent, error).await?),
            };
            self.done(work, intent, Some(row.id.as_str())).await?;
            // A target that drops an identical picture answers with the one it has, which is not ours to take back.
            if work.before.picture(&row.id).is_none() {
                work.places[position].uploaded.push(row.id.clone());
            }
            if self.is_as_sent(work, &row).await? {
                work.places[position]
                    .superseded
                    .retain(|superseded| superseded.id != row.id);
                work.places[position].is_scanned_later = row.scan == Scan::Pending;
                work.places[position].picture = Some(row.id);
                return Ok(());
            }
            mismatches += 1;
            if mismatches == 2 {
                break;
            }
            if work.places[position].uploaded.last() == Some(&row.id) {
                self.remove(work, place, &record, &row.id, None).await?;
                work.places[position].uploaded.pop();
            }
        }
        Err(if mismatches > 0 {
            failed(format!(
                "{} stored something else than what was sent to {place}",
                self.target.name()
            ))
        } else {
            Halt::Unanswered(format!(
                "no answer came to the picture sent to {place}, {ATTEMPTS} times"
            ))
        })
    }

    /// A row with our bytes at this record that was neither there before nor is known to be ours already.
    async fn find_uploaded(&self, work: &mut Work, record: &RecordId) -> Result<Option<StoredPicture>, Halt> {
        let chain = self.chain(&work.target).await?;
        let Some(record) = chain.records.iter().find(|candidate| &candidate.id == record) else {
            return Ok(None);
        };
        let new: Vec<StoredPicture> = new_rows(work, record).cloned().collect();
        for row in new {
            if self.is_as_sent(work, &row).await? {
                return Ok(Some(row));
            }
        }
        Ok(None)
    }

    /// S6: size and hash; the bytes themselves where the target states no hash.
    pub(super) async fn is_as_sent(&self, work: &mut Work, row: &StoredPicture) -> Result<bool, Halt> {
        let wanted = work.photo.wanted;
        match row.sha256 {
            Some(sha256) => Ok(sha256 == wanted.sha256 && row.bytes == wanted.bytes),
            None if row.bytes != wanted.bytes => Ok(false),
            None => {
                let bytes = self.target.download(&row.id, Priority::Background).await?;
                let hash = Sha256::of(&bytes.unwrap_or_else(Bytes::new));
                work.learned.insert(row.id.clone(), hash);
                Ok(hash == wanted.sha256)
            }
        }
    }

    /// S7: the column follows if it names another picture or the write mode wants it.
    pub(super) async fn follow_column(
        &self,
        work: &mut Work,
        chain: &mut AvatarChain,
        position: usize,
    ) -> Result<(), Halt> {
        let (place, record, picture) = parts(work, position);
        let column = column_of(chain, &record);
        match self.target.column_to_set(place, &column, &picture) {
            Some(_) => self.set_column(work, chain, position).await,
            None => Ok(()),
        }
    }

    /// Sets a column to the row that counts and believes only what is read back.
    pub(super) async fn set_column(
        &self,
        work: &mut Work,
        chain: &mut AvatarChain,
        position: usize,
    ) -> Result<(), Halt> {
        let (place, record, picture) = parts(work, position);
        let before = column_of(chain, &record);
        if before == Column::Names(picture.clone()) {
            return Ok(());
        }
        let sha256 = work.photo.wanted.sha256;
        // From here on the column may be ours, whatever the answer is.
        work.places[position]
            .column_before
            .get_or_insert_with(|| before.clone());
        let after = self
            .write_column(work, place, &record, &before, Some(&picture), Some(sha256))
            .await?;
        set_known_column(chain, &record, after.clone());
        if after == Column::Names(picture) {
            Ok(())
        } else if after == before {
            Err(failed(format!(
                "the photo column of {place} was set, but a rule of the instance put its old value back"
            )))
        } else {
            Err(changed(format!(
                "the photo column of {place} was set meanwhile; it stays"
            )))
        }
    }

    /// Writes a column; answers what it holds then. `sha256` is that of the picture, where known, for the journal. An
    /// unknown outcome is read, and the write repeated as long as nothing has happened.
    pub(super) async fn write_column(
        &self,
        work: &mut Work,
        place: Place,
        record: &RecordId,
        before: &Column,
        picture: Option<&PictureId>,
        sha256: Option<Sha256>,
    ) -> Result<Column, Halt> {
        let old_picture = match before {
            Column::Names(old) => Some(old),
            Column::Empty | Column::Unreadable => None,
        };
        for _ in 0..ATTEMPTS {
            let subject = Subject {
                kind: WriteKind::SetColumn,
                place,
                record: Some(record),
                picture,
                old_picture,
                sha256,
                bytes: None,
            };
            let intent = self.announce(work, subject).await?;
            match self.target.set_column(record, place, picture).await {
                Ok(column) => {
                    self.done(work, intent, None).await?;
                    return Ok(column);
                }
                Err(error) if error.kind == ErrorKind::OutcomeUnknown => {
                    let column = self.target.column(record, place).await?;
                    if column != *before {
                        self.done(work, intent, None).await?;
                        return Ok(column);
                    }
                    self.not_done(work, intent, "the column was unchanged afterwards")
                        .await?;
                }
                Err(error) => return Err(self.refused(work, intent, error).await?),
            }
        }
        Err(Halt::Unanswered(format!(
            "no answer came to setting the photo column of {place}, {ATTEMPTS} times"
        )))
    }

    /// S9 for one place: rows seen at S1, kept at S3, of this record, and named by nobody; and rows of ours that are
    /// not needed. What cannot be deleted is reported, not an error: the new picture is displayed.
    pub(super) async fn delete_superseded(
        &self,
        work: &mut Work,
        chain: &mut AvatarChain,
        position: usize,
    ) -> Result<(), Halt> {
        let (place, record, picture) = parts(work, position);
        let Some(known) = chain.records.iter().find(|known| known.id == record) else {
            return Ok(());
        };
        let is_doomed = |row: &&StoredPicture| {
            let superseded = work.places[position]
                .superseded
                .iter()
                .any(|old| old.id == row.id);
            let ours = work.places[position].uploaded.contains(&row.id);
            (superseded || ours)
                && row.id != picture
                && !is_named(chain, &row.id)
                && !work.left.contains(&row.id)
        };
        // The youngest first: of several old ones the oldest is displayed, and none of the others may come up when it goes.
        let doomed: Vec<StoredPicture> = known.pictures.iter().rev().filter(is_doomed).cloned().collect();
        let hides_the_others = known.column == Column::Names(picture);
        let mut doomed = doomed.into_iter();
        while let Some(row) = doomed.next() {
            work.is_committed = true;
            match self.remove(work, place, &record, &row.id, row.sha256).await {
                Ok(()) => forget_row(chain, &row.id),
                Err(Halt::Connector(error)) if !error.kind.stops_run() => {
                    work.left.push(row.id);
                    work.why_left.get_or_insert(error);
                    if !hides_the_others {
                        // Without the older ones this one would come up.
                        work.left.extend(doomed.map(|row| row.id));
                        break;
                    }
                }
                Err(halt) => return Err(halt),
            }
        }
        Ok(())
    }

    /// What cannot be deleted stays as it was: the picture itself is right.
    pub(super) async fn delete_stale_thumbnails(&self, work: &mut Work) -> Result<(), Halt> {
        for stale in work.stale_thumbnails.clone() {
            let (id, hash) = (&stale.thumbnail.id, Some(Sha256::of(&stale.bytes)));
            work.is_committed = true;
            match self.remove(work, stale.place, &stale.record, id, hash).await {
                Err(Halt::Connector(error)) if !error.kind.stops_run() => {
                    work.left.push(id.clone());
                    work.why_left.get_or_insert(error);
                }
                other => other?,
            }
        }
        Ok(())
    }

    /// Deletes a row. Already gone is success, so an unknown outcome is repeated.
    pub(super) async fn remove(
        &self,
        work: &mut Work,
        place: Place,
        record: &RecordId,
        picture: &PictureId,
        sha256: Option<Sha256>,
    ) -> Result<(), Halt> {
        let mut attempt = 1;
        loop {
            let subject = Subject {
                kind: WriteKind::Remove,
                place,
                record: Some(record),
                picture: Some(picture),
                old_picture: Some(picture),
                sha256,
                bytes: None,
            };
            let intent = self.announce(work, subject).await?;
            match self.target.remove(picture).await {
                Ok(()) => return self.done(work, intent, None).await,
                Err(error) if error.kind == ErrorKind::NotFound => {
                    return self.done(work, intent, None).await;
                }
                Err(error) if error.kind == ErrorKind::OutcomeUnknown && attempt < ATTEMPTS => {
                    self.not_done(work, intent, "no answer came; repeated").await?;
                    attempt += 1;
                }
                Err(error) => return Err(self.refused(work, intent, error).await?),
            }
        }
    }

    /// Undoes what a push has begun, as long as nothing that was there before is gone: columns first, then rows. A row
    /// that is all somebody has stays.
    pub(super) async fn take_back(&self, work: &mut Work) -> Result<(), Halt> {
        let has_begun = work
            .places
            .iter()
            .any(|place| !place.uploaded.is_empty() || place.column_before.is_some());
        if !has_begun && work.open == 0 {
            return Ok(());
        }
        let chain = self.chain(&work.target).await?;
        self.give_back_columns(work, &chain).await?;
        adopt_stragglers(work, &chain);
        let mut chain = self.chain(&work.target).await?;
        let had_one = work.before.served.is_some();
        for position in 0..work.places.len() {
            let place = work.places[position].place;
            for id in work.places[position].uploaded.clone() {
                let Some(record) = holder(&chain, &id) else {
                    continue;
                };
                let is_last = !chain
                    .records
                    .iter()
                    .flat_map(|record| super::aim::avatars_of(&chain, record))
                    .any(|row| row.id != id);
                if is_named(&chain, &id) || (had_one && is_last) {
                    continue;
                }
                let sha256 = Some(work.photo.wanted.sha256);
                self.remove(work, place, &record, &id, sha256).await?;
                forget_row(&mut chain, &id);
            }
        }
        // Uploads of which no answer came have been looked for and taken back as well.
        work.open = 0;
        Ok(())
    }

    async fn give_back_columns(&self, work: &mut Work, chain: &AvatarChain) -> Result<(), Halt> {
        for position in 0..work.places.len() {
            let Some(before) = work.places[position].column_before.clone() else {
                continue;
            };
            let (place, record, picture) = parts(work, position);
            let now = column_of(chain, &record);
            if now != Column::Names(picture) {
                continue;
            }
            let old = still_there(chain, &before);
            let hash = old.and_then(|old| hash_of(old, &work.learned));
            self.write_column(work, place, &record, &now, old.map(|old| &old.id), hash)
                .await?;
        }
        Ok(())
    }

    pub(super) async fn announce(&self, work: &mut Work, subject: Subject<'_>) -> Result<IntentId, Halt> {
        let intent = Intent {
            run: self.run.clone(),
            source: work.person.source.clone(),
            target: work.target.clone(),
            kind: subject.kind,
            place: subject.place,
            record: subject.record.cloned(),
            picture: subject.picture.cloned(),
            old_picture: subject.old_picture.cloned(),
            sha256: subject.sha256,
            bytes: subject.bytes,
            expected: work.expected.clone(),
            at: (self.clock)(),
        };
        let intent = self.store.journal().intend(intent).await?;
        work.open += 1;
        Ok(intent)
    }

    pub(super) async fn done(
        &self,
        work: &mut Work,
        intent: IntentId,
        made: Option<&str>,
    ) -> Result<(), Halt> {
        let answer = Answer::Done(made.map(str::to_owned));
        self.store
            .journal()
            .answer(intent, (self.clock)(), answer)
            .await?;
        work.open -= 1;
        Ok(())
    }

    pub(super) async fn not_done(&self, work: &mut Work, intent: IntentId, why: &str) -> Result<(), Halt> {
        let answer = Answer::NotDone(why.to_owned());
        self.store
            .journal()
            .answer(intent, (self.clock)(), answer)
            .await?;
        work.open -= 1;
        Ok(())
    }

    /// Writes down that a request was refused; answers the reason to stop.
    pub(super) async fn refused(
        &self,
        work: &mut Work,
        intent: IntentId,
        error: ConnectorError,
    ) -> Result<Halt, Halt> {
        if error.kind == ErrorKind::OutcomeUnknown {
            // The intent stays open.
            return Ok(Halt::Connector(error));
        }
        self.not_done(work, intent, &in_words(&error)).await?;
        Ok(match error.kind {
            ErrorKind::TooLarge { limit } => Halt::TooLarge { limit },
            _ => Halt::Connector(error),
        })
    }
}

/// Rows with our bytes that came of uploads without an answer.
fn adopt_stragglers(work: &mut Work, chain: &AvatarChain) {
    if work.open == 0 {
        return;
    }
    for position in 0..work.places.len() {
        let Some(id) = work.places[position].record.clone() else {
            continue;
        };
        let Some(record) = chain.records.iter().find(|record| record.id == id) else {
            continue;
        };
        let stragglers: Vec<PictureId> = new_rows(work, record)
            .filter(|row| work.photo.wanted.is(row, &work.learned))
            .map(|row| row.id.clone())
            .collect();
        work.places[position].uploaded.extend(stragglers);
    }
}

pub(super) fn parts(work: &Work, position: usize) -> (Place, RecordId, PictureId) {
    let place = &work.places[position];
    let record = place.record.clone().expect("created before anything is stored");
    let picture = place
        .picture
        .clone()
        .expect("stored before columns and deletions");
    (place.place, record, picture)
}

fn new_rows<'a>(work: &'a Work, record: &'a AvatarRecord) -> impl Iterator<Item = &'a StoredPicture> {
    record.pictures.iter().filter(|row| {
        work.before.picture(&row.id).is_none()
            && !work.places.iter().any(|place| place.uploaded.contains(&row.id))
    })
}

pub(super) fn column_of(chain: &AvatarChain, record: &RecordId) -> Column {
    chain
        .records
        .iter()
        .find(|known| &known.id == record)
        .map_or(Column::Empty, |known| known.column.clone())
}

fn holder(chain: &AvatarChain, picture: &PictureId) -> Option<RecordId> {
    chain
        .records
        .iter()
        .find(|record| record.picture(picture).is_some())
        .map(|record| record.id.clone())
}

/// What a column that is given back names again: the picture that it named before, or nothing if that is gone.
pub(super) fn still_there<'a>(chain: &'a AvatarChain, before: &Column) -> Option<&'a StoredPicture> {
    match before {
        Column::Names(old) => chain.picture(old),
        Column::Empty | Column::Unreadable => None,
    }
}

pub(super) fn set_known_column(chain: &mut AvatarChain, record: &RecordId, column: Column) {
    for known in &mut chain.records {
        if &known.id == record {
            known.column = column.clone();
        }
    }
}

pub(super) fn forget_row(chain: &mut AvatarChain, picture: &PictureId) {
    for record in &mut chain.records {
        record.pictures.retain(|row| &row.id != picture);
    }
}
