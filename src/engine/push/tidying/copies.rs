//! Pictures of the vault that a tidying stores beside what is there, and the wait until they can be shown.

use tokio::time::Instant;

use super::{Copy, Tidying};
use crate::connector::ErrorKind;
use crate::domain::ids::{PictureId, RecordId};
use crate::domain::photo::{AvatarChain, Place, Scan, StoredPicture};
use crate::domain::tidying::StoredForm;
use crate::engine::push::aim::Wanted;
use crate::engine::push::writes::Subject as Announced;
use crate::engine::push::{ATTEMPTS, Halt, Pushing, Turn, changed, failed};
use crate::store::journal::WriteKind;

/// A copy that is to be there.
pub(super) struct ToStore<'a> {
    pub(super) place: Place,
    pub(super) record: &'a RecordId,
    pub(super) copy_of: &'a PictureId,
    pub(super) wanted: Wanted,
    pub(super) form: &'a StoredForm,
}

impl Pushing {
    /// Stores bytes from the vault, unless a row that stays holds them already; answers the row that holds them.
    /// `chain` is what is there now.
    pub(super) async fn store_copy(
        &self,
        tidying: &mut Tidying<'_>,
        chain: &AvatarChain,
        to_store: &ToStore<'_>,
    ) -> Result<PictureId, Halt> {
        let ToStore {
            place,
            record,
            copy_of,
            wanted,
            form,
        } = *to_store;
        let known = chain.records.iter().find(|known| &known.id == record);
        let known = known.ok_or_else(|| changed(format!("the record of {place} is gone meanwhile")))?;
        let there = known.pictures.iter().find(|row| {
            form.is_of(row)
                && row.bytes == wanted.bytes
                && row.sha256 == Some(wanted.sha256)
                && !tidying.is_doomed(&row.id)
                && row.can_be_served()
        });
        if let Some(row) = there {
            tidying.copies.push(Copy {
                of: copy_of.clone(),
                place,
                record: record.clone(),
                row: row.id.clone(),
                is_ours: false,
            });
            return Ok(row.id.clone());
        }
        let bytes = self
            .store
            .vault()
            .get(&wanted.sha256)
            .await?
            .ok_or_else(|| failed("the copy in the vault is gone, so nothing can be put back"))?;
        tidying.work.photo.wanted = wanted;
        for _ in 0..ATTEMPTS {
            let announced = Announced {
                kind: WriteKind::Upload,
                place,
                record: Some(record),
                picture: None,
                old_picture: Some(copy_of),
                sha256: Some(wanted.sha256),
                bytes: Some(wanted.bytes),
            };
            let intent = self.announce(&mut tidying.work, announced).await?;
            let row = match self.target.store_as(record, place, bytes.clone(), form).await {
                Ok(row) => row,
                Err(error) if error.kind == ErrorKind::OutcomeUnknown => {
                    let Some(row) = self.find_copy(tidying, record).await? else {
                        self.not_done(&mut tidying.work, intent, "it was not there afterwards")
                            .await?;
                        continue;
                    };
                    row
                }
                Err(error) => return Err(self.refused(&mut tidying.work, intent, error).await?),
            };
            self.done(&mut tidying.work, intent, Some(row.id.as_str()))
                .await?;
            tidying.copies.push(Copy {
                of: copy_of.clone(),
                place,
                record: record.clone(),
                // A target that drops an identical picture answers with the one it has, which is not ours.
                is_ours: tidying.work.before.picture(&row.id).is_none(),
                row: row.id.clone(),
            });
            if tidying.is_doomed(&row.id) {
                return Err(failed(format!(
                    "{} does not store the same picture twice at one record",
                    self.target.name()
                )));
            }
            return if self.is_as_sent(&mut tidying.work, &row).await? {
                Ok(row.id)
            } else {
                Err(failed(format!(
                    "{} stored something else than what was sent to {place}",
                    self.target.name()
                )))
            };
        }
        Err(failed(format!(
            "no answer came to the picture sent to {place}, {ATTEMPTS} times"
        )))
    }

    /// A row with these bytes at this record that is new since the step began.
    async fn find_copy(
        &self,
        tidying: &mut Tidying<'_>,
        record: &RecordId,
    ) -> Result<Option<StoredPicture>, Halt> {
        let chain = self.chain(&tidying.work.target).await?;
        let rows = chain.records.iter().filter(|known| &known.id == record);
        for row in rows.flat_map(|known| &known.pictures) {
            let is_new = tidying.work.before.picture(&row.id).is_none() && !tidying.is_ours(&row.id);
            if is_new && self.is_as_sent(&mut tidying.work, row).await? {
                return Ok(Some(row.clone()));
            }
        }
        Ok(None)
    }

    /// Looks until the virus scan is through. Anything else that has changed since the step began ends it.
    pub(super) async fn wait_for_copies(
        &self,
        tidying: &Tidying<'_>,
        turn: &mut Turn,
    ) -> Result<AvatarChain, Halt> {
        let started = Instant::now();
        loop {
            let chain = self.chain(&tidying.work.target).await?;
            let mut others = chain.clone();
            for record in &mut others.records {
                record.pictures.retain(|row| {
                    !tidying
                        .copies
                        .iter()
                        .any(|copy| copy.is_ours && copy.row == row.id)
                });
            }
            if others.stamp() != tidying.work.expected {
                return Err(changed(
                    "the records were changed meanwhile; they stay as they are",
                ));
            }
            let mut is_waiting = false;
            for copy in &tidying.copies {
                match chain.picture(&copy.row).map(|row| row.scan) {
                    None => return Err(failed("a picture that was stored was gone a moment later")),
                    Some(Scan::Quarantined) => {
                        return Err(failed("a picture did not pass the virus scan and was taken back"));
                    }
                    Some(Scan::Pending) => is_waiting = true,
                    Some(Scan::Available | Scan::NotScanned) => {}
                }
            }
            if !is_waiting {
                return Ok(chain);
            }
            let limit = if self.control.is_cancelled() {
                self.pace.scan_limit_when_stopping
            } else {
                self.pace.scan_limit
            };
            if started.elapsed() >= limit {
                return Err(failed(format!(
                    "the virus scan was not through after {} seconds; what was stored was taken back",
                    started.elapsed().as_secs()
                )));
            }
            self.rest(turn, self.pace.scan_interval).await;
        }
    }
}
