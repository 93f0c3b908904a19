//! A step of a tidying: litter cleared away, or a run taken back, with the safety of a push. The order is the safety:
//!
//! ```text
//! read again             differs from the plan, or the target shows what its rows do not say ─► nothing is written
//! keep what goes         no copy, no removal: error messages too
//! store copies           ┐
//! wait for the scan      │ a failure up to here takes back what is ours
//! set columns            │
//! ask what is displayed  ┘
//! remove                 what is displayed last of all
//! look again             not the bytes that were promised ─► put back, and say so
//! ```

use std::collections::HashSet;

use tokio::time::Instant;

use super::aim::{Learned, Wanted, is_named};
use super::removal::no_photo;
use super::writes::{Subject as Announced, column_of, set_known_column};
use super::{ATTEMPTS, Ended, Halt, Pushing, Turn, Work, changed, failed, target_of};
use crate::connector::{ErrorKind, Priority};
use crate::domain::ids::{PictureId, RecordId, TargetId};
use crate::domain::litter::Fate;
use crate::domain::photo::{AvatarChain, Column, Place, Scan, Sha256, StoredPicture};
use crate::domain::run::Outcome;
use crate::domain::tidying::{Names, StoredForm, Subject, Task, TidyKind, TidyStep, Write};
use crate::store::journal::WriteKind;

/// A tidying under way.
struct Tidying<'a> {
    step: &'a TidyStep,
    kind: TidyKind,
    work: Work,
    /// The copies that the step wants, and the rows that hold them.
    copies: Vec<Copy>,
    /// Columns that were set, with what they held before and hold now.
    columns: Vec<(Place, RecordId, Column, Column)>,
    /// What has been removed.
    removed: Vec<(Place, RecordId, StoredPicture)>,
    learned: Learned,
}

/// A stored copy.
struct Copy {
    of: PictureId,
    place: Place,
    record: RecordId,
    row: PictureId,
    /// False if a row with these bytes was there already.
    is_ours: bool,
}

impl Tidying<'_> {
    fn doomed(&self) -> HashSet<&PictureId> {
        self.step.removes().collect()
    }

    fn copy_of(&self, picture: &PictureId, record: &RecordId) -> Option<&PictureId> {
        let copies = || self.copies.iter().filter(|copy| &copy.of == picture);
        copies()
            .find(|copy| &copy.record == record)
            .or_else(|| copies().next())
            .map(|copy| &copy.row)
    }

    fn is_ours(&self, picture: &PictureId) -> bool {
        self.copies.iter().any(|copy| &copy.row == picture)
    }
}

impl Pushing {
    /// Takes one person, or one record that is gone, through a step and writes down how it ended.
    pub(in crate::engine) async fn tidy_step(
        &self,
        step: &TidyStep,
        kind: TidyKind,
        mut turn: Turn,
    ) -> Ended {
        let ended = match self.prepare_tidying(step, kind).await {
            Ok(mut tidying) => self.bring_to_an_end(&mut tidying, &mut turn).await,
            Err(halt) => Ended::before_any_write(halt),
        };
        self.write_down(&step.person, Task::Tidy(kind), ended).await
    }

    /// Reads the target again and keeps copies; nothing is written to it.
    async fn prepare_tidying<'a>(&self, step: &'a TidyStep, kind: TidyKind) -> Result<Tidying<'a>, Halt> {
        let target = target_of(&step.person)?;
        let before = self.state(&step.subject, &target).await?;
        if before.stamp() != step.expected {
            return Err(changed(format!(
                "the records in {} changed after the plan was made",
                self.target.name()
            )));
        }
        match &step.subject {
            Subject::Person => self.understands(&target, &before).await?,
            Subject::Stray { .. } => {
                let pictures: Vec<PictureId> = step.removes().cloned().collect();
                if !self.target.named(&pictures).await?.is_empty() {
                    return Err(changed("a record names one of the pictures meanwhile"));
                }
            }
        }
        let nothing_learned = Learned::new();
        for write in &step.writes {
            match write {
                Write::Remove {
                    place,
                    record,
                    picture,
                    ..
                } => {
                    let row = before
                        .picture(picture)
                        .ok_or_else(|| changed("a picture is gone meanwhile"))?;
                    self.keep(&step.person, &before, *place, record, row, &nothing_learned)
                        .await?;
                }
                Write::SetColumn { record, .. } => {
                    // A column is taken for dangling only if the target says so of the picture itself.
                    if let Column::Names(named) = column_of(&before, record)
                        && before.picture(&named).is_none()
                        && self
                            .target
                            .download(&named, Priority::Background)
                            .await?
                            .is_some()
                    {
                        return Err(Halt::Ended(
                            Outcome::Skipped,
                            "a column names a picture that is stored elsewhere; it stays".into(),
                        ));
                    }
                }
                Write::Store { .. } => {}
            }
        }
        let task = Task::Tidy(kind);
        Ok(Tidying {
            step,
            kind,
            work: Work::new(&step.person, task, target, before, no_photo()),
            copies: Vec::new(),
            columns: Vec::new(),
            removed: Vec::new(),
            learned: Learned::new(),
        })
    }

    /// Where the instance displays something else than its rows say, we do not know its rules well enough.
    async fn understands(&self, target: &TargetId, chain: &AvatarChain) -> Result<(), Halt> {
        let displayed = self.displayed(target).await?;
        if displayed.as_ref() == chain.served.as_ref().map(|served| &served.picture) {
            return Ok(());
        }
        Err(Halt::Ended(
            Outcome::Skipped,
            format!(
                "{} displays another picture than its records say; nothing is removed without knowing why",
                self.target.name()
            ),
        ))
    }

    async fn state(&self, subject: &Subject, target: &TargetId) -> Result<AvatarChain, Halt> {
        match subject {
            Subject::Person => self.chain(target).await,
            Subject::Stray { place, record } => match self.target.stray(*place, record).await? {
                Some(stray) => Ok(stray.chain()),
                None => Err(changed("the record is there, or its pictures are gone")),
            },
        }
    }

    async fn bring_to_an_end(&self, tidying: &mut Tidying<'_>, turn: &mut Turn) -> Ended {
        let mut ended = match self.carry_out_tidying(tidying, turn).await {
            Ok(ended) => ended,
            Err(halt) => {
                let mut ended = Ended::of(halt);
                if tidying.work.is_committed {
                    // Columns come before removals, so everything is sound; the next start brings it to an end.
                    ended.settled = false;
                    ended.detail.push_str("; what was removed is in the vault");
                } else if let Err(left_over) = self.take_tidying_back(tidying).await {
                    let left_over = Ended::of(left_over);
                    ended.settled = false;
                    ended.stop = ended.stop.or(left_over.stop);
                    ended
                        .detail
                        .push_str("; what was begun is settled when the program starts again");
                }
                ended
            }
        };
        ended.settled &= tidying.work.open == 0;
        ended
    }

    async fn carry_out_tidying(&self, tidying: &mut Tidying<'_>, turn: &mut Turn) -> Result<Ended, Halt> {
        self.store
            .journal()
            .begin_step(&self.run, &tidying.work.person, tidying.work.change)
            .await?;
        let step = tidying.step;
        for write in &step.writes {
            if let Write::Store {
                place,
                record,
                copy_of,
                sha256,
                bytes,
                form,
            } = write
            {
                let wanted = Wanted {
                    sha256: *sha256,
                    bytes: *bytes,
                };
                self.store_copy(tidying, *place, record, copy_of, wanted, form)
                    .await?;
            }
        }
        let mut chain = if tidying.copies.iter().any(|copy| copy.is_ours) {
            self.wait_for_copies(tidying, turn).await?
        } else {
            tidying.work.before.clone()
        };
        for write in &step.writes {
            if let Write::SetColumn { place, record, names } = write {
                self.let_column_name(tidying, &mut chain, *place, record, names)
                    .await?;
            }
        }
        if step.subject == Subject::Person {
            self.check_before_removals(tidying, &chain).await?;
        }
        self.remove_doomed(tidying, &chain).await?;
        if step.subject == Subject::Person {
            self.look_again_and_mend(tidying, turn).await
        } else {
            Ok(told(tidying))
        }
    }

    /// Stores bytes from the vault, unless a row that stays holds them already.
    async fn store_copy(
        &self,
        tidying: &mut Tidying<'_>,
        place: Place,
        record: &RecordId,
        copy_of: &PictureId,
        wanted: Wanted,
        form: &StoredForm,
    ) -> Result<(), Halt> {
        let doomed = tidying.doomed();
        let known = tidying
            .work
            .before
            .records
            .iter()
            .find(|known| &known.id == record)
            .ok_or_else(|| changed(format!("the record of {place} is gone meanwhile")))?;
        let there = known.pictures.iter().find(|row| {
            form.is_of(row)
                && row.bytes == wanted.bytes
                && row.sha256 == Some(wanted.sha256)
                && !doomed.contains(&row.id)
                && !tidying.is_ours(&row.id)
        });
        if let Some(row) = there {
            let copy = Copy {
                of: copy_of.clone(),
                place,
                record: record.clone(),
                row: row.id.clone(),
                is_ours: false,
            };
            tidying.copies.push(copy);
            return Ok(());
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
                    let Some(row) = self.find_copy(tidying, record, wanted).await? else {
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
            if tidying.doomed().contains(&row.id) {
                return Err(failed(format!(
                    "{} does not store the same picture twice at one record",
                    self.target.name()
                )));
            }
            return if self.is_as_sent(&mut tidying.work, &row).await? {
                Ok(())
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
        wanted: Wanted,
    ) -> Result<Option<StoredPicture>, Halt> {
        let chain = self.chain(&tidying.work.target).await?;
        let rows = chain.records.iter().filter(|known| &known.id == record);
        for row in rows.flat_map(|known| &known.pictures) {
            let is_new = tidying.work.before.picture(&row.id).is_none() && !tidying.is_ours(&row.id);
            if is_new && row.bytes == wanted.bytes && self.is_as_sent(&mut tidying.work, row).await? {
                return Ok(Some(row.clone()));
            }
        }
        Ok(None)
    }

    /// Looks until the virus scan is through. Anything else that has changed since the step began ends it.
    async fn wait_for_copies(&self, tidying: &Tidying<'_>, turn: &mut Turn) -> Result<AvatarChain, Halt> {
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

    /// Sets a column and believes only what is read back.
    async fn let_column_name(
        &self,
        tidying: &mut Tidying<'_>,
        chain: &mut AvatarChain,
        place: Place,
        record: &RecordId,
        names: &Names,
    ) -> Result<(), Halt> {
        let wanted = match names {
            Names::Nothing => None,
            Names::Picture(id) => Some(id.clone()),
            Names::CopyOf(id) => {
                let copy = tidying.copy_of(id, record);
                Some(
                    copy.ok_or_else(|| failed("the plan names a copy that it does not store"))?
                        .clone(),
                )
            }
        };
        if let Some(wanted) = &wanted
            && chain.picture(wanted).is_none()
        {
            return Err(changed("the picture that a column was to name is gone meanwhile"));
        }
        let before = column_of(chain, record);
        let aim = wanted.clone().map_or(Column::Empty, Column::Names);
        if before == aim {
            return Ok(());
        }
        if let Some(row) = wanted.as_ref().and_then(|id| chain.picture(id)) {
            tidying.work.photo.wanted = Wanted {
                sha256: row.sha256.unwrap_or_else(|| Sha256::of(b"")),
                bytes: row.bytes,
            };
        }
        // From here on the column may be ours, whatever the answer is.
        tidying
            .columns
            .push((place, record.clone(), before.clone(), aim.clone()));
        let after = self
            .write_column(&mut tidying.work, place, record, &before, wanted.as_ref())
            .await?;
        set_known_column(chain, record, after.clone());
        if after == aim {
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

    /// What is displayed now must be what is promised, or something that is about to go.
    async fn check_before_removals(
        &self,
        tidying: &mut Tidying<'_>,
        chain: &AvatarChain,
    ) -> Result<(), Halt> {
        let displayed = self.displayed(&tidying.work.target).await?;
        let is_fine = match &displayed {
            None => tidying.step.shows.is_none() || tidying.work.before.served.is_none(),
            Some(id) => {
                tidying.doomed().contains(id)
                    || self.hash_of_shown(tidying, chain, id).await? == tidying.step.shows
            }
        };
        if is_fine {
            return Ok(());
        }
        Err(failed(format!(
            "{} displays another picture once the columns are set; they were set back",
            self.target.name()
        )))
    }

    async fn hash_of_shown(
        &self,
        tidying: &mut Tidying<'_>,
        chain: &AvatarChain,
        picture: &PictureId,
    ) -> Result<Option<Sha256>, Halt> {
        if let Some(sha256) = chain.picture(picture).and_then(|row| row.sha256) {
            return Ok(Some(sha256));
        }
        if let Some(sha256) = tidying.learned.get(picture) {
            return Ok(Some(*sha256));
        }
        let bytes = self.target.download(picture, Priority::Background).await?;
        let sha256 = bytes.map(|bytes| Sha256::of(&bytes));
        if let Some(sha256) = sha256 {
            tidying.learned.insert(picture.clone(), sha256);
        }
        Ok(sha256)
    }

    /// Removes what was kept; what is displayed goes last, when everything else has gone well.
    async fn remove_doomed(&self, tidying: &mut Tidying<'_>, chain: &AvatarChain) -> Result<(), Halt> {
        let displayed = chain.served.as_ref().map(|served| served.picture.clone());
        let mut doomed: Vec<(Place, RecordId, PictureId)> = tidying
            .step
            .writes
            .iter()
            .filter_map(|write| match write {
                Write::Remove {
                    place,
                    record,
                    picture,
                    ..
                } => Some((*place, record.clone(), picture.clone())),
                Write::Store { .. } | Write::SetColumn { .. } => None,
            })
            .collect();
        doomed.sort_by_key(|(_, _, picture)| displayed.as_ref() == Some(picture));
        for (place, record, picture) in doomed {
            let row = chain.picture(&picture).cloned();
            let Some(row) = row.filter(|row| !is_named(chain, &row.id)) else {
                continue;
            };
            tidying.work.is_committed = true;
            match self
                .remove(&mut tidying.work, place, &record, &picture, row.sha256)
                .await
            {
                Ok(()) => tidying.removed.push((place, record, row)),
                Err(Halt::Connector(error)) if !error.kind.stops_run() => {
                    tidying.work.left.push(picture);
                    tidying.work.why_left.get_or_insert(error);
                }
                Err(halt) => return Err(halt),
            }
        }
        Ok(())
    }

    /// Gives rules of the instance time to act, then looks. If the promised picture is not displayed, its column is
    /// set; if that does not help, everything that was removed is stored again.
    async fn look_again_and_mend(&self, tidying: &mut Tidying<'_>, turn: &mut Turn) -> Result<Ended, Halt> {
        self.rest(turn, self.pace.settling).await;
        for is_second_look in [false, true] {
            let target = tidying.work.target.clone();
            let (chain, displayed) =
                futures::future::join(self.chain(&target), self.displayed(&target)).await;
            let (mut chain, displayed) = (chain?, displayed?);
            let hash = match &displayed {
                Some(id) => self.hash_of_shown(tidying, &chain, id).await?,
                None => None,
            };
            if hash == tidying.step.shows && displayed.is_some() == hash.is_some() {
                let mut ended = told(tidying);
                ended.after = Some(chain.stamp());
                return Ok(ended);
            }
            let is_somebody_elses = displayed
                .as_ref()
                .is_some_and(|id| tidying.work.before.picture(id).is_none() && !tidying.is_ours(id));
            if is_somebody_elses {
                return Ok(Ended::new(
                    Outcome::ChangedMeanwhile,
                    "another picture was stored meanwhile; it stays",
                ));
            }
            let promised = chain.records.iter().find_map(|record| {
                let row = record.image_rows().find(|row| {
                    tidying.step.shows.is_some()
                        && row.sha256.or_else(|| tidying.learned.get(&row.id).copied()) == tidying.step.shows
                })?;
                Some((record.place, record.id.clone(), row.id.clone()))
            });
            match promised {
                Some((place, record, row)) if !is_second_look => {
                    self.let_column_name(tidying, &mut chain, place, &record, &Names::Picture(row))
                        .await?;
                }
                _ => break,
            }
        }
        self.put_back(tidying).await?;
        Ok(Ended {
            hint: Some("look for a business rule that copies or deletes pictures".into()),
            ..Ended::new(
                Outcome::Failed,
                format!(
                    "{} displayed another picture afterwards; what was removed has been stored again",
                    self.target.name()
                ),
            )
        })
    }

    /// Stores again what was removed and lets the columns that named it do so again.
    async fn put_back(&self, tidying: &mut Tidying<'_>) -> Result<(), Halt> {
        let mut again = Vec::new();
        for (place, record, row) in std::mem::take(&mut tidying.removed) {
            let sha256 = match row.sha256 {
                Some(sha256) => sha256,
                None => self.kept_hash(tidying, &row.id).await?,
            };
            let wanted = Wanted {
                sha256,
                bytes: row.bytes,
            };
            self.store_copy(tidying, place, &record, &row.id, wanted, &StoredForm::of(&row))
                .await?;
            let stored = tidying.copies.last().expect("just stored").row.clone();
            again.push((row.id, stored));
        }
        let mut chain = self.chain(&tidying.work.target).await?;
        for (place, record, before, after) in std::mem::take(&mut tidying.columns).into_iter().rev() {
            let Column::Names(old) = &before else { continue };
            let old = again
                .iter()
                .find(|(was, _)| was == old)
                .map_or(old, |(_, now)| now)
                .clone();
            if column_of(&chain, &record) == after && chain.picture(&old).is_some() {
                self.let_column_name(tidying, &mut chain, place, &record, &Names::Picture(old))
                    .await?;
            }
        }
        Ok(())
    }

    /// Under which name a picture whose hash the target does not state was kept.
    async fn kept_hash(&self, tidying: &Tidying<'_>, picture: &PictureId) -> Result<Sha256, Halt> {
        let kept = self.store.journal().kept_pictures(&tidying.work.target).await?;
        kept.into_iter()
            .find(|kept| kept.run == self.run && &kept.stored.id == picture)
            .map(|kept| kept.sha256)
            .ok_or_else(|| failed("the copy in the vault cannot be found"))
    }

    /// Undoes what was begun while nothing has been removed: columns first, then copies.
    async fn take_tidying_back(&self, tidying: &mut Tidying<'_>) -> Result<(), Halt> {
        let has_begun = !tidying.columns.is_empty() || tidying.copies.iter().any(|copy| copy.is_ours);
        if !has_begun && tidying.work.open == 0 {
            return Ok(());
        }
        let mut chain = self.chain(&tidying.work.target).await?;
        for (place, record, before, after) in std::mem::take(&mut tidying.columns).into_iter().rev() {
            if column_of(&chain, &record) != after {
                continue;
            }
            let old = match &before {
                // A column that named nothing before does not name nothing again.
                Column::Names(old) => chain.picture(old).map(|row| row.id.clone()),
                Column::Empty | Column::Unreadable => None,
            };
            let held = self
                .write_column(&mut tidying.work, place, &record, &after, old.as_ref())
                .await?;
            set_known_column(&mut chain, &record, held);
        }
        for copy in std::mem::take(&mut tidying.copies) {
            if copy.is_ours && chain.picture(&copy.row).is_some() && !is_named(&chain, &copy.row) {
                self.remove(&mut tidying.work, copy.place, &copy.record, &copy.row, None)
                    .await?;
            }
        }
        // A copy of which no answer came is looked for when the program starts again.
        Ok(())
    }
}

/// How a step that reached its end went.
fn told(tidying: &Tidying<'_>) -> Ended {
    let step = tidying.step;
    let removed = tidying.removed.len();
    let pictures = if removed == 1 { "picture" } else { "pictures" };
    let mut ended = match tidying.kind {
        TidyKind::Clean => {
            let mut parts = Vec::new();
            if removed > 0 {
                parts.push(format!("{removed} stored {pictures} removed"));
            }
            let columns = tidying.columns.len();
            if columns > 0 {
                let what = if columns == 1 { "column" } else { "columns" };
                parts.push(format!("{columns} {what} put right"));
            }
            let is_seen = step.subject == Subject::Person;
            let shown = if !is_seen {
                "a copy is kept"
            } else if step.litter.iter().any(|litter| litter.fate == Fate::Replaced) {
                "what is displayed has the same bytes in the platform's own form"
            } else {
                "what is displayed stays"
            };
            Ended::new(Outcome::Updated, format!("{}; {shown}", parts.join(", ")))
        }
        TidyKind::Undo => match step.shows {
            Some(_) => Ended::new(
                Outcome::Updated,
                "shows the picture of before again; the later one is kept",
            ),
            None => Ended::new(
                Outcome::Removed,
                "has no picture, as before; a copy of the later one is kept",
            ),
        },
    };
    if let Some(error) = &tidying.work.why_left {
        let why = super::in_words(error);
        ended.outcome = Outcome::Failed;
        ended.detail = format!("{}; {} left: {why}", ended.detail, tidying.work.left.len());
        ended.hint.clone_from(&error.hint);
    }
    ended
}
