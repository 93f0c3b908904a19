//! Somebody's second turn: what the first one has left, and whether anybody else has been there since.
//!
//! A push is safe to begin again from any state of the target. What must not happen is that it overwrites what somebody
//! has chosen between the two turns, so a further turn goes on only from a state that the earlier one explains.

use std::collections::HashSet;

use super::aim::{Learned, Wanted};
use super::{Ended, Halt, Pushing, Work, target_of};
use crate::domain::ids::{PictureId, RecordId};
use crate::domain::photo::{AvatarChain, AvatarRecord, ChainStamp, Column, PictureForm, StoredPicture};
use crate::domain::plan::Step;
use crate::domain::run::Outcome;

/// From where a further turn would go on.
#[derive(Debug)]
pub(in crate::engine) enum Again {
    /// Nothing was written.
    AsFound,
    /// From what was found, and what was done to it.
    From(Box<Trace>),
}

/// What a turn has found, and what it may have left.
#[derive(Debug)]
pub(in crate::engine) struct Trace {
    before: AvatarChain,
    /// Records that it has created.
    created: HashSet<RecordId>,
    /// Rows that it has stored.
    uploaded: HashSet<PictureId>,
    /// The bytes that it wanted to be displayed; `None` if it was a removal. An upload without an answer may have
    /// stored a row that nobody was told of.
    wanted: Option<Wanted>,
    learned: Learned,
    /// Rows that it may have deleted.
    superseded: HashSet<PictureId>,
}

impl From<Trace> for Again {
    fn from(trace: Trace) -> Self {
        Self::From(Box::new(trace))
    }
}

impl Trace {
    /// What a push that goes no further leaves. `None` if only the journal could tell the next start what is to be
    /// done: an ordinary attachment that was the avatar looks like any other once no column names it.
    pub(super) fn of_push(work: &Work, is_settled: bool) -> Option<Self> {
        let mut superseded = work.places.iter().flat_map(|place| &place.superseded);
        let is_untold = !is_settled && superseded.any(|row| row.form == PictureForm::Plain);
        (!is_untold).then(|| Self::of(work, Some(work.photo.wanted)))
    }

    /// What a removal that goes no further leaves.
    pub(super) fn of_removal(work: &Work) -> Self {
        Self::of(work, None)
    }

    fn of(work: &Work, wanted: Option<Wanted>) -> Self {
        // Also those of which no answer came and that were found afterwards.
        let records = work.places.iter().filter_map(|place| place.record.clone());
        let is_known = |id: &RecordId| work.before.records.iter().any(|record| record.id == *id);
        let uploaded = work.places.iter().flat_map(|place| &place.uploaded);
        // Nothing goes before the new picture is displayed, unless that is all there is to do.
        let deletes = work.is_committed || wanted.is_none();
        let superseded = work
            .places
            .iter()
            .filter(|_| deletes)
            .flat_map(|place| &place.superseded);
        Self {
            before: work.before.clone(),
            created: records.filter(|record| !is_known(record)).collect(),
            uploaded: uploaded.cloned().collect(),
            wanted,
            learned: work.learned.clone(),
            superseded: superseded.map(|row| row.id.clone()).collect(),
        }
    }

    /// The stamp of what is there now, if nobody else has changed anything since the turn began.
    pub(super) fn explains(&self, now: &AvatarChain) -> Option<ChainStamp> {
        let is_explained = |record: &AvatarRecord| {
            let before = self.before.records.iter().find(|known| known.id == record.id);
            match before {
                Some(before) => self.explains_record(before, record),
                None => {
                    self.created.contains(&record.id)
                        && record.pictures.iter().all(|row| self.is_ours(row))
                        && self.explains_column(&Column::Empty, record)
                }
            }
        };
        let is_whole = self
            .before
            .records
            .iter()
            .all(|before| now.records.iter().any(|record| record.id == before.id));
        (is_whole && now.records.iter().all(is_explained)).then(|| now.stamp())
    }

    fn explains_record(&self, before: &AvatarRecord, now: &AvatarRecord) -> bool {
        let has_nothing_new = now.pictures.iter().all(|row| match before.picture(&row.id) {
            Some(known) => (known.bytes, known.sha256) == (row.bytes, row.sha256),
            None => self.is_ours(row),
        });
        let misses_nothing = before
            .pictures
            .iter()
            .all(|row| now.picture(&row.id).is_some() || self.superseded.contains(&row.id));
        has_nothing_new && misses_nothing && self.explains_column(&before.column, now)
    }

    fn explains_column(&self, before: &Column, now: &AvatarRecord) -> bool {
        match (before, &now.column) {
            (before, now) if before == now => true,
            (_, Column::Names(named)) => now.picture(named).is_some_and(|row| self.is_ours(row)),
            // A removal clears columns; a push that gives a column back clears it if what it named was gone.
            (Column::Names(named), Column::Empty) => {
                self.wanted.is_none() || self.before.picture(named).is_none()
            }
            (Column::Empty | Column::Unreadable, _) | (_, Column::Unreadable) => false,
        }
    }

    fn is_ours(&self, row: &StoredPicture) -> bool {
        self.uploaded.contains(&row.id)
            || self.before.picture(&row.id).is_none()
                && self.wanted.is_some_and(|wanted| wanted.is(row, &self.learned))
    }
}

impl Pushing {
    /// The state of the target that a further turn relies on: what the plan saw, or what the earlier turn has made of it.
    pub(super) async fn expected_by(&self, step: &Step, earlier: Option<&Ended>) -> Result<ChainStamp, Halt> {
        let Some(Again::From(trace)) = earlier.and_then(|earlier| earlier.again.as_ref()) else {
            return Ok(step.expected.clone());
        };
        let now = self.chain(&target_of(&step.person)?).await?;
        Ok(trace.explains(&now).unwrap_or_else(|| step.expected.clone()))
    }
}

impl Ended {
    /// How two turns of one person ended together: as the later one did, but what the earlier one has done is not
    /// forgotten.
    pub(super) fn after(self, earlier: Option<Ended>) -> Self {
        let Some(earlier) = earlier else { return self };
        if self.outcome.is_as_planned() {
            let has_written = matches!(earlier.again, Some(Again::From(_))) && !earlier.settled;
            if self.outcome == Outcome::Unchanged && has_written {
                return Self {
                    outcome: Outcome::Updated,
                    detail: "stored by an earlier turn of this run".into(),
                    ..self
                };
            }
            return self;
        }
        if earlier.outcome == Outcome::Updated {
            // The picture is displayed; what could not be put in order is for the next start.
            return Self {
                stop: self.stop,
                stalls: self.stalls,
                again: self.again.or(earlier.again),
                ..earlier
            };
        }
        Self {
            settled: self.settled && earlier.settled,
            again: match (self.again, earlier.again) {
                // A turn that wrote nothing leaves what the one before it has left.
                (Some(Again::AsFound), earlier) => earlier,
                (later, _) => later,
            },
            ..self
        }
    }
}

#[cfg(test)]
mod tests;
