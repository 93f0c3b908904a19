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

mod copies;
mod mending;

use self::copies::ToStore;
use super::aim::{Learned, Wanted, hash_of, is_named};
use super::removal::no_photo;
use super::writes::{column_of, set_known_column};
use super::{Ended, Halt, Pushing, Turn, Work, changed, failed, target_of};
use crate::connector::Priority;
use crate::domain::ids::{PictureId, RecordId, TargetId};
use crate::domain::litter::Fate;
use crate::domain::photo::{AvatarChain, Column, Place, Sha256, StoredPicture};
use crate::domain::run::Outcome;
use crate::domain::tidying::{Names, Subject, Task, TidyKind, TidyStep, Write};

/// A tidying under way.
struct Tidying<'a> {
    step: &'a TidyStep,
    kind: TidyKind,
    work: Work,
    /// What is to be removed.
    doomed: Vec<Doomed>,
    /// The copies that the step wants, and the rows that hold them.
    copies: Vec<Copy>,
    /// Columns that were set, with what they held before and hold now.
    columns: Vec<(Place, RecordId, Column, Column)>,
    /// What has been removed.
    removed: Vec<Doomed>,
    learned: Learned,
}

/// A picture that is to be removed.
#[derive(Clone)]
struct Doomed {
    place: Place,
    record: RecordId,
    row: StoredPicture,
    /// Under which name a copy is kept.
    sha256: Sha256,
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
    fn is_doomed(&self, picture: &PictureId) -> bool {
        self.doomed.iter().any(|doomed| &doomed.row.id == picture)
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
        let mut doomed = Vec::new();
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
                    let sha256 = self
                        .keep(&step.person, &before, *place, record, row, &nothing_learned)
                        .await?;
                    doomed.push(Doomed {
                        place: *place,
                        record: record.clone(),
                        row: row.clone(),
                        sha256,
                    });
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
            doomed,
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
        let before = tidying.work.before.clone();
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
                let to_store = ToStore {
                    place: *place,
                    record,
                    copy_of,
                    wanted: Wanted {
                        sha256: *sha256,
                        bytes: *bytes,
                    },
                    form,
                };
                self.store_copy(tidying, &before, &to_store).await?;
            }
        }
        let mut chain = if tidying.copies.iter().any(|copy| copy.is_ours) {
            self.wait_for_copies(tidying, turn).await?
        } else {
            before
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
        let before = column_of(chain, record);
        let aim = wanted.clone().map_or(Column::Empty, Column::Names);
        if before == aim {
            return Ok(());
        }
        let sha256 = match &wanted {
            Some(wanted) => {
                let row = chain
                    .picture(wanted)
                    .ok_or_else(|| changed("the picture that a column was to name is gone meanwhile"))?;
                hash_of(row, &tidying.learned)
            }
            None => None,
        };
        // From here on the column may be ours, whatever the answer is.
        tidying
            .columns
            .push((place, record.clone(), before.clone(), aim.clone()));
        let after = self
            .write_column(&mut tidying.work, place, record, &before, wanted.as_ref(), sha256)
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
                tidying.is_doomed(id) || self.hash_of_shown(tidying, chain, id).await? == tidying.step.shows
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
        let stated = chain.picture(picture).and_then(|row| row.sha256);
        if let Some(sha256) = stated.or_else(|| tidying.learned.get(picture).copied()) {
            return Ok(Some(sha256));
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
        let displayed = chain.served.as_ref().map(|served| &served.picture);
        let mut doomed = tidying.doomed.clone();
        doomed.sort_by_key(|doomed| displayed == Some(&doomed.row.id));
        for doomed in doomed {
            if is_named(chain, &doomed.row.id) {
                // A rule of the instance has set a column that the plan knows nothing of.
                tidying.work.spared.push(doomed.row.id);
                continue;
            }
            tidying.work.is_committed = true;
            let Doomed {
                place, record, row, ..
            } = &doomed;
            match self
                .remove(&mut tidying.work, *place, record, &row.id, row.sha256)
                .await
            {
                Ok(()) => tidying.removed.push(doomed),
                Err(Halt::Connector(error)) if !error.kind.stops_run() => {
                    tidying.work.left.push(doomed.row.id);
                    tidying.work.why_left.get_or_insert(error);
                }
                Err(halt) => return Err(halt),
            }
        }
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
    let spared = tidying.work.spared.len();
    if spared > 0 {
        ended.detail = format!("{}; {spared} left, because a column names it", ended.detail);
    }
    if let Some(error) = &tidying.work.why_left {
        let why = super::in_words(error);
        ended.outcome = Outcome::Failed;
        ended.detail = format!("{}; {} left: {why}", ended.detail, tidying.work.left.len());
        ended.hint.clone_from(&error.hint);
    }
    ended
}
