//! Taking an avatar away because the source has no photo any more: copies first, then columns, then rows.

use super::again::Trace;
use super::aim::{self, Learned, Wanted};
use super::ending::is_passing;
use super::writes::{column_of, forget_row, set_known_column};
use super::{Ended, Halt, Photo, PlaceWork, Pushing, Turn, Work, changed, failed, target_of};
use crate::connector::Priority;
use crate::domain::comparison::SourceContent;
use crate::domain::ids::PictureId;
use crate::domain::photo::{AvatarChain, ChainStamp, Column, Sha256};
use crate::domain::plan::Step;
use crate::domain::run::{Outcome, PersonRef};
use crate::domain::tidying::Task;

impl Pushing {
    /// Takes somebody's avatar away. `expected` is the state of the target it was decided on.
    pub(super) async fn remove_avatar(&self, step: &Step, expected: &ChainStamp, turn: &mut Turn) -> Ended {
        let mut work = match self.prepare_removal(step, expected).await {
            Ok(work) => work,
            Err(halt) => return Ended::before_any_write(halt),
        };
        let mut ended = match self.try_remove(&mut work, turn).await {
            Ok(ended) => ended,
            Err(halt) => Ended::of(halt),
        };
        ended.settled = work.open == 0;
        // Columns come before rows and everything is in the vault, so whatever is left is a smaller removal.
        if ended.may_go_on() {
            ended.again = Some(Trace::of_removal(&work).into());
        }
        ended
    }

    async fn try_remove(&self, work: &mut Work, turn: &mut Turn) -> Result<Ended, Halt> {
        let mut chain = work.before.clone();
        self.take_away(work, &mut chain).await?;
        self.rest(turn, self.pace.settling).await;
        let mut ended = Ended::new(Outcome::Removed, "the avatar was removed; a copy is kept");
        let (chain, displayed) =
            futures::future::join(self.chain(&work.target), self.displayed(&work.target)).await;
        ended.after = Some(chain?.stamp());
        if displayed?.is_some() {
            ended = Ended::new(
                Outcome::Failed,
                if work.spared.is_empty() {
                    format!(
                        "the records are empty now, but {} goes on displaying a picture",
                        self.target.name()
                    )
                } else {
                    "the picture stays, because another person's record names it".to_owned()
                },
            );
        }
        if let Some(error) = &work.why_left {
            ended = Ended {
                hint: error.hint.clone(),
                is_passing: is_passing(&error.kind),
                ..Ended::new(
                    Outcome::Failed,
                    format!("the avatar could not be removed: {}", super::in_words(error)),
                )
            };
        }
        Ok(ended)
    }

    /// Looks at both sides once more and keeps copies.
    async fn prepare_removal(&self, step: &Step, expected: &ChainStamp) -> Result<Work, Halt> {
        let person = &step.person;
        let target = target_of(person)?;
        let before = self.chain(&target).await?;
        if before.stamp() != *expected {
            return Err(changed(format!(
                "the avatar in {} changed after the plan was made",
                self.target.name()
            )));
        }
        let has_photo = self
            .source
            .photo(&person.source, Priority::Background)
            .await?
            .is_some();
        if has_photo {
            return Err(Halt::Ended(
                Outcome::Skipped,
                format!("{} has a photo again", self.source.name()),
            ));
        }
        let elsewhere = self.named_elsewhere(&before).await?;
        let places = self.target.places_to_write(&before);
        let mut removed = Vec::new();
        for place in places {
            let Some(record) = before.record(place) else {
                continue;
            };
            let rows: Vec<_> = aim::avatars_of(&before, record)
                .filter(|row| !elsewhere.contains(&row.id))
                .cloned()
                .collect();
            for row in &rows {
                self.keep(person, &before, place, &record.id, row, &Learned::new())
                    .await?;
            }
            removed.push(PlaceWork {
                place,
                record: Some(record.id.clone()),
                is_created: false,
                picture: None,
                uploaded: Vec::new(),
                superseded: rows,
                column_before: None,
                is_scanned_later: false,
            });
        }
        let mut work = Work::new(person, step.change, target, before, no_photo());
        work.places = removed;
        work.spared = elsewhere.into_iter().collect();
        Ok(work)
    }

    /// Deletes rows that an interrupted push has left over; `None` if that went well.
    pub(in crate::engine) async fn remove_rows(
        &self,
        person: &PersonRef,
        change: impl Into<Task>,
        chain: &AvatarChain,
        doomed: &[PictureId],
    ) -> Option<Ended> {
        let removed = self.try_to_remove_rows(person, change.into(), chain, doomed);
        let halt = removed.await.err()?;
        Some(Ended {
            settled: false,
            ..Ended::of(halt)
        })
    }

    async fn try_to_remove_rows(
        &self,
        person: &PersonRef,
        change: Task,
        chain: &AvatarChain,
        doomed: &[PictureId],
    ) -> Result<(), Halt> {
        let target = target_of(person)?;
        let mut work = Work::new(person, change, target, chain.clone(), no_photo());
        for record in &chain.records {
            for row in record.pictures.iter().filter(|row| doomed.contains(&row.id)) {
                self.remove(&mut work, record.place, &record.id, &row.id, row.sha256)
                    .await?;
            }
        }
        Ok(())
    }

    async fn take_away(&self, work: &mut Work, chain: &mut AvatarChain) -> Result<(), Halt> {
        self.store
            .journal()
            .begin_step(&self.run, &work.person, work.change)
            .await?;
        for position in 0..work.places.len() {
            let place = work.places[position].place;
            let record = work.places[position].record.clone();
            let record = record.expect("only records that exist are emptied");
            let before = column_of(chain, &record);
            if !matches!(before, Column::Names(_)) {
                continue;
            }
            let after = self
                .write_column(work, place, &record, &before, None, None)
                .await?;
            set_known_column(chain, &record, after.clone());
            if after == before {
                return Err(failed(format!(
                    "the photo column of {place} was cleared, but a rule of the instance put its value back"
                )));
            }
            if after != Column::Empty {
                return Err(changed(format!(
                    "the photo column of {place} was set meanwhile; it stays"
                )));
            }
        }
        for position in 0..work.places.len() {
            let place = work.places[position].place;
            let record = work.places[position].record.clone();
            let record = record.expect("only records that exist are emptied");
            for row in work.places[position].superseded.clone() {
                if aim::is_named(chain, &row.id) {
                    // A record that the write mode does not touch displays it too.
                    continue;
                }
                match self.remove(work, place, &record, &row.id, row.sha256).await {
                    Ok(()) => forget_row(chain, &row.id),
                    Err(Halt::Connector(error)) if !error.kind.stops_run() => {
                        work.left.push(row.id);
                        work.why_left.get_or_insert(error);
                    }
                    Err(halt) => return Err(halt),
                }
            }
        }
        Ok(())
    }
}

/// A removal wants no bytes.
pub(super) fn no_photo() -> Photo {
    Photo {
        bytes: bytes::Bytes::new(),
        content_type: "",
        wanted: Wanted {
            sha256: Sha256::of(b""),
            bytes: 0,
        },
        etag: None,
        content: SourceContent::UNSEEN,
    }
}
