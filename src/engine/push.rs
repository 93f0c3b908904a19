//! One person's picture, brought into the target so that at every instant the old picture or the new one is displayed
//! (`reliability.md` 2). The order is the safety:
//!
//! ```text
//! S1 read the target again       differs from the plan ─► changed meanwhile
//! S2 fetch and check the photo   all places hold it    ─► unchanged; probably not theirs ─► skipped
//! S3 keep what is replaced       no copy, no push
//! S4 create missing records      ┐
//! S5 store the picture           │ every place, before any picture is touched;
//! S6 verify: answer, virus scan  │ a failure up to S8 takes back what is ours
//! S7 set columns                 │
//! S8 ask what is displayed       ┘
//! S9 delete what is superseded   from here on there is only forward; in a repair stale thumbnails too
//!    some time later look again  a rule of the instance has undone it ─► once more, then say so
//! ```
//!
//! Every write is announced in the journal before it is sent. A person's push is one task that waits for its answers
//! one after the other; reads of people who are pushed together share requests inside the connector. While it waits
//! for the virus scan or for rules to settle it gives its turn to somebody else.

mod again;
pub(super) mod aim;
mod ending;
mod guard;
mod observation;
mod preparation;
mod records;
mod removal;
mod settling;
mod tidying;
mod turn;
mod writes;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use self::again::{Again, Trace};
pub(super) use self::aim::is_named;
use self::aim::{Learned, PlaceAim, Wanted};
pub(super) use self::ending::Ended;
use self::ending::{Halt, changed, failed, somebody_elses};
pub(super) use self::guard::Guard;
use self::observation::{Look, Settled, Shown};
use self::preparation::Prepared;
pub(super) use self::settling::stored_by;
pub(super) use self::turn::{Pace, Turn};
use super::decoding::{Decoding, UploadForm};
use super::memory::Lesson;
use super::thumbnails::StaleThumbnail;
use super::{Clock, RunControl, in_words};
use crate::connector::{AvatarTarget, ConnectorError, PhotoSource, Priority};
use crate::domain::comparison::SourceContent;
use crate::domain::ids::{PictureId, RecordId, RunId, TargetId};
use crate::domain::photo::{AvatarChain, ChainStamp, Column, Place, StoredPicture};
use crate::domain::plan::{Change, Step};
use crate::domain::run::{Outcome, PersonRef, StopReason};
use crate::domain::tidying::Task;
use crate::store::Store;
use crate::store::journal::StepRecord;

/// How often a write whose outcome nobody knew is tried in all.
const ATTEMPTS: usize = 3;

/// How often the picture is found twice at a record before a rule of the instance is to blame: two programs more, which
/// write two records each.
const MOST_TIMES_TWICE: usize = 4;

/// What pushes need; one per run.
pub(super) struct Pushing {
    pub(super) source: Arc<dyn PhotoSource>,
    pub(super) target: Arc<dyn AvatarTarget>,
    pub(super) store: Arc<Store>,
    pub(super) decoding: Decoding,
    pub(super) form: UploadForm,
    pub(super) clock: Clock,
    pub(super) control: RunControl,
    pub(super) run: RunId,
    pub(super) slots: Arc<Semaphore>,
    pub(super) began: Instant,
    pub(super) pace: Pace,
    /// `None` where somebody has confirmed the photos, or they were pushed in part already.
    pub(super) guard: Option<Guard>,
}

/// The photo on its way. The bytes are let go as soon as they are stored.
struct Photo {
    bytes: Bytes,
    content_type: &'static str,
    wanted: Wanted,
    etag: Option<String>,
    content: SourceContent,
}

/// A push that has looked at both sides.
struct Work {
    person: PersonRef,
    change: Task,
    target: TargetId,
    /// The target at S1.
    before: AvatarChain,
    expected: ChainStamp,
    photo: Photo,
    learned: Learned,
    places: Vec<PlaceWork>,
    /// Thumbnails of pictures that stay, which show other ones; the platform makes them anew.
    stale_thumbnails: Vec<StaleThumbnail>,
    /// True once something that was there before has been deleted.
    is_committed: bool,
    /// Announced writes of which nobody knows how they went.
    open: usize,
    /// Rows that stay because columns of other people's records name them.
    spared: Vec<PictureId>,
    /// Rows whose deletion failed.
    left: Vec<PictureId>,
    /// Why, for the first of them.
    why_left: Option<ConnectorError>,
}

impl Work {
    fn new(
        person: &PersonRef,
        change: impl Into<Task>,
        target: TargetId,
        before: AvatarChain,
        photo: Photo,
    ) -> Self {
        Self {
            person: person.clone(),
            change: change.into(),
            target,
            expected: before.stamp(),
            before,
            photo,
            learned: Learned::new(),
            places: Vec::new(),
            stale_thumbnails: Vec::new(),
            is_committed: false,
            open: 0,
            spared: Vec::new(),
            left: Vec::new(),
            why_left: None,
        }
    }
}

/// One place of a push.
struct PlaceWork {
    place: Place,
    record: Option<RecordId>,
    /// True if this push has created the record.
    is_created: bool,
    /// The row that counts: kept, stored, or somebody else's with the same bytes.
    picture: Option<PictureId>,
    /// Rows that this push has stored.
    uploaded: Vec<PictureId>,
    /// Rows that were there before and make way.
    superseded: Vec<StoredPicture>,
    /// What the column held before this push set it, if it did.
    column_before: Option<Column>,
    /// True while the target says that the virus scan of the stored row is not through.
    is_scanned_later: bool,
}

impl PlaceWork {
    fn new(aim: PlaceAim) -> Self {
        Self {
            place: aim.place,
            record: aim.record,
            is_created: false,
            picture: aim.picture,
            uploaded: Vec::new(),
            superseded: aim.superseded,
            column_before: None,
            is_scanned_later: false,
        }
    }
}

/// What came of bringing the photo over.
enum Brought {
    /// It was there.
    AlreadyThere(Box<Photo>),
    /// It is displayed now.
    Done(Box<Work>),
}

impl Pushing {
    /// Takes one person through a step and writes down how it ended. `earlier` is how this person's turn before this one
    /// ended, if there was one.
    pub(super) async fn step(&self, step: &Step, earlier: Option<Ended>, mut turn: Turn) -> Ended {
        let ended = match self.expected_by(step, earlier.as_ref()).await {
            Err(halt) => Ended::before_any_write(halt),
            Ok(expected) => match step.change {
                Change::Remove => self.remove_avatar(step, &expected, &mut turn).await,
                Change::Add | Change::Replace | Change::Repair => {
                    self.push(&step.person, step.change, Some(&expected), &mut turn)
                        .await
                }
            },
        };
        let ended = ended.after(earlier);
        self.write_down(&step.person, step.change.into(), ended).await
    }

    /// Writes down how one person ended.
    async fn write_down(&self, person: &PersonRef, task: Task, mut ended: Ended) -> Ended {
        let record = StepRecord {
            run: self.run.clone(),
            person: person.clone(),
            change: task,
            outcome: ended.outcome,
            detail: ended.detail.clone(),
            hint: ended.hint.clone(),
            settled: ended.settled,
            after: ended.after.clone(),
            at: (self.clock)(),
        };
        if let Err(error) = self.store.journal().step(record).await {
            ended.stop.get_or_insert(StopReason::Storage(error.sentence()));
        }
        ended
    }

    /// Brings somebody's photo over. `expected` is the state of the target it was decided on; `None` takes the target
    /// as it is.
    pub(super) async fn push(
        &self,
        person: &PersonRef,
        change: Change,
        expected: Option<&ChainStamp>,
        turn: &mut Turn,
    ) -> Ended {
        let mut work = match self.bring_in_any_size(person, change, expected, turn).await {
            Ok(Brought::AlreadyThere(photo)) => {
                return Ended {
                    lesson: Some(lesson(person, &photo)),
                    ..Ended::new(Outcome::Unchanged, "the picture is there already")
                };
            }
            Ok(Brought::Done(work)) => work,
            Err(ended) => return *ended,
        };
        let mut ended = Ended::of_work(&work);
        ended.lesson = Some(lesson(person, &work.photo));
        // Rules of the instance may act on what was written; a look some time later decides, not the first one.
        let (mut was_undone, mut times_twice) = (false, 0);
        loop {
            let (settled, stamp) = match self.look_again(&work, turn).await {
                Ok(looked) => looked,
                Err(halt) => {
                    let unseen = Ended::of(halt);
                    ended.detail = format!(
                        "{}; it could not be looked at again: {}",
                        ended.detail, unseen.detail
                    );
                    ended.stop = unseen.stop;
                    return ended;
                }
            };
            let stamp = match settled {
                Settled::Good => {
                    ended.after = Some(stamp);
                    return ended;
                }
                Settled::Foreign => return self.make_room(&mut work).await,
                Settled::Doubled(position) => {
                    ended = self.give_up_record(&mut work, position, ended).await;
                    // The other program's rows at the records that both write are settled as any others.
                    match ended.after.clone() {
                        Some(stamp) if !was_undone => {
                            was_undone = true;
                            stamp
                        }
                        _ => return ended,
                    }
                }
                // Another program stores a person's pictures one after the other, however slowly: each may be found at
                // a look of its own.
                Settled::Twice(_) if times_twice < MOST_TIMES_TWICE => {
                    times_twice += 1;
                    stamp
                }
                Settled::Undone(_) if !was_undone => {
                    was_undone = true;
                    stamp
                }
                Settled::Twice(what) | Settled::Undone(what) => {
                    return Ended {
                        hint: Some("look for a business rule that copies or deletes pictures".into()),
                        ..Ended::new(
                            Outcome::Failed,
                            format!("a rule of the instance keeps changing the picture: {what}"),
                        )
                    };
                }
            };
            match self.bring_in_any_size(person, change, Some(&stamp), turn).await {
                Ok(Brought::AlreadyThere(_)) => return ended,
                Ok(Brought::Done(again)) => work = again,
                Err(ended) => return *ended,
            }
        }
    }

    /// A second attempt with a smaller picture if the first one is too large (`reliability.md` F8).
    async fn bring_in_any_size(
        &self,
        person: &PersonRef,
        change: Change,
        expected: Option<&ChainStamp>,
        turn: &mut Turn,
    ) -> Result<Brought, Box<Ended>> {
        let first = self.bring(person, change, expected, self.form, turn).await;
        let too_large = first.as_ref().err().and_then(|ended| ended.too_large);
        let brought = match (first, too_large.filter(|limit| *limit < self.form.limit)) {
            (Err(ended), Some(limit)) => {
                let form = UploadForm { limit, ..self.form };
                let left = ended.left.as_ref().or(expected);
                self.bring(person, change, left, form, turn).await
            }
            (first, _) => first,
        };
        brought.map_err(|ended| Box::new(ended.ended))
    }

    /// S1 to S9.
    async fn bring(
        &self,
        person: &PersonRef,
        change: Change,
        expected: Option<&ChainStamp>,
        form: UploadForm,
        turn: &mut Turn,
    ) -> Result<Brought, NotBrought> {
        let mut work = match self.prepare(person, change, expected, form).await {
            Ok(Prepared::AlreadyThere(photo)) => return Ok(Brought::AlreadyThere(photo)),
            Ok(Prepared::ToDo(work)) => work,
            Err(halt) => return Err(NotBrought::before_any_write(halt)),
        };
        let Err(halt) = self.carry_out(&mut work, turn).await else {
            return Ok(Brought::Done(work));
        };
        let mut not_brought = NotBrought::from(halt);
        if work.is_committed {
            // The new picture is displayed, or the old ones are in the vault; the next start brings it to an end.
            let is_theirs = not_brought.ended.outcome == Outcome::ChangedMeanwhile;
            not_brought.ended.settled = is_theirs && self.try_to_make_room(&mut work).await.is_ok();
            not_brought
                .ended
                .detail
                .push_str("; what was replaced is in the vault");
        } else if let Err(left_over) = self.take_back(&mut work).await {
            let left_over = Ended::of(left_over);
            not_brought.ended.settled = false;
            not_brought.ended.stop = not_brought.ended.stop.or(left_over.stop);
            not_brought
                .ended
                .detail
                .push_str("; what was begun is settled when the program starts again");
        }
        let ended = &mut not_brought.ended;
        ended.settled &= work.open == 0;
        if ended.may_go_on() {
            ended.again = Trace::of_push(&work, ended.settled).map(Again::from);
        }
        if not_brought.too_large.is_some() {
            not_brought.left = self.left_but_for_ours(&work).await;
        }
        Err(not_brought)
    }

    /// How the target is left, if nothing but the records that this push has created is different from what it found.
    async fn left_but_for_ours(&self, work: &Work) -> Option<ChainStamp> {
        let left = self.chain(&work.target).await.ok()?;
        let mut others = left.clone();
        others.records.retain(|record| {
            let was_there = work.before.records.iter().any(|before| before.id == record.id);
            let is_ours = work
                .places
                .iter()
                .any(|place| place.record.as_ref() == Some(&record.id));
            was_there || !is_ours || !record.pictures.is_empty()
        });
        (others.stamp() == work.before.stamp()).then(|| left.stamp())
    }

    /// S4 to S9.
    async fn carry_out(&self, work: &mut Work, turn: &mut Turn) -> Result<(), Halt> {
        self.store
            .journal()
            .begin_step(&self.run, &work.person, work.change)
            .await?;
        for position in 0..work.places.len() {
            if work.places[position].record.is_none() {
                self.create_record(work, position).await?;
            }
        }
        for position in 0..work.places.len() {
            if work.places[position].picture.is_none() {
                self.store_picture(work, position).await?;
            }
        }
        // Waiting pushes are many; their pictures are on the other side now.
        work.photo.bytes = Bytes::new();
        let mut chain = self.observe(work, turn).await?;
        for position in 0..work.places.len() {
            self.follow_column(work, &mut chain, position).await?;
        }
        self.make_displayed(work, &mut chain).await?;
        for position in 0..work.places.len() {
            self.delete_superseded(work, &mut chain, position).await?;
        }
        self.delete_stale_thumbnails(work).await
    }

    /// Looks until the virus scan is through and settles which rows count.
    async fn observe(&self, work: &mut Work, turn: &mut Turn) -> Result<AvatarChain, Halt> {
        let started = Instant::now();
        if work.places.iter().any(|place| place.is_scanned_later) {
            self.rest(turn, self.pace.scan_interval).await;
        }
        loop {
            let chain = self.chain(&work.target).await?;
            match observation::look(work, &chain) {
                Look::Ready => return Ok(chain),
                Look::Quarantined => {
                    return Err(failed("the photo did not pass the virus scan and was taken back"));
                }
                Look::Foreign(what) => return Err(changed(format!("{what}; it stays"))),
                Look::Lost(place) => {
                    return Err(failed(format!(
                        "the picture stored at {place} was gone a moment later"
                    )));
                }
                Look::Wait => {
                    let limit = if self.control.is_cancelled() {
                        self.pace.scan_limit_when_stopping
                    } else {
                        self.pace.scan_limit
                    };
                    if started.elapsed() >= limit {
                        return Err(failed(format!(
                            "the virus scan was not through after {} seconds; the photo was taken back",
                            started.elapsed().as_secs()
                        )));
                    }
                    self.rest(turn, self.pace.scan_interval).await;
                }
            }
        }
    }

    /// S8, and whatever makes ours the displayed one without anybody being without a picture on the way.
    async fn make_displayed(&self, work: &mut Work, chain: &mut AvatarChain) -> Result<(), Halt> {
        let position = match self.shown(work, chain).await? {
            Shown::Wanted => return Ok(()),
            Shown::Older {
                position,
                has_net: true,
            } => {
                // The older row alone hides ours. Deleting it costs one request less than setting a column, and
                // should ours not be found then, the other record's old picture is displayed.
                self.delete_superseded(work, chain, position).await?;
                match self.shown(work, chain).await? {
                    Shown::Wanted => return Ok(()),
                    Shown::Unknown => return Err(somebody_elses()),
                    Shown::Older { .. } | Shown::Other => position,
                }
            }
            Shown::Older { position, .. } => position,
            Shown::Other => 0,
            Shown::Unknown => return Err(somebody_elses()),
        };
        self.set_column(work, chain, position).await?;
        match self.shown(work, chain).await? {
            Shown::Wanted => Ok(()),
            Shown::Unknown => Err(somebody_elses()),
            Shown::Older { .. } | Shown::Other => Err(failed(format!(
                "{} does not display the picture although its record names it",
                self.target.name()
            ))),
        }
    }

    /// Asks what is displayed; looks again at the rows if it is one that nobody has seen.
    async fn shown(&self, work: &Work, chain: &mut AvatarChain) -> Result<Shown, Halt> {
        let displayed = self.displayed(&work.target).await?;
        let shown = observation::shown(work, chain, displayed.as_ref());
        if shown != Shown::Unknown {
            return Ok(shown);
        }
        *chain = self.chain(&work.target).await?;
        Ok(match observation::shown(work, chain, displayed.as_ref()) {
            Shown::Wanted => Shown::Wanted,
            _ => Shown::Unknown,
        })
    }

    /// Gives rules of the instance time to act, then looks.
    async fn look_again(&self, work: &Work, turn: &mut Turn) -> Result<(Settled, ChainStamp), Halt> {
        self.rest(turn, self.pace.settling).await;
        let (chain, displayed) =
            futures::future::join(self.chain(&work.target), self.displayed(&work.target)).await;
        let (chain, displayed) = (chain?, displayed?);
        let settled = observation::settled(work, &chain, displayed.as_ref());
        Ok((settled, chain.stamp()))
    }

    async fn chain(&self, target: &TargetId) -> Result<AvatarChain, Halt> {
        let chains = self
            .target
            .chains(std::slice::from_ref(target), Priority::Background)
            .await?;
        let chain = chains.into_iter().find(|(id, _)| id == target);
        chain.map(|(_, chain)| chain).ok_or_else(|| {
            Halt::Ended(
                Outcome::Skipped,
                format!("this person is gone from {}", self.target.name()),
            )
        })
    }

    async fn displayed(&self, target: &TargetId) -> Result<Option<PictureId>, Halt> {
        let displayed = self.target.displayed(std::slice::from_ref(target)).await?;
        let displayed = displayed.into_iter().find(|(id, _)| id == target);
        displayed
            .map(|(_, picture)| picture)
            .ok_or_else(|| failed(format!("{} does not say what it displays", self.target.name())))
    }
}

/// A push that ended before it was done.
struct NotBrought {
    ended: Ended,
    /// The limit, if the picture was too large.
    too_large: Option<u64>,
    /// How the target was left then, if nobody else has changed it.
    left: Option<ChainStamp>,
}

impl NotBrought {
    fn before_any_write(halt: Halt) -> Self {
        Self {
            ended: Ended::before_any_write(halt),
            too_large: None,
            left: None,
        }
    }
}

impl From<Halt> for NotBrought {
    fn from(halt: Halt) -> Self {
        Self {
            too_large: match halt {
                Halt::TooLarge { limit } => Some(limit),
                _ => None,
            },
            left: None,
            ended: Ended::of(halt),
        }
    }
}

fn target_of(person: &PersonRef) -> Result<TargetId, Halt> {
    person
        .target
        .clone()
        .ok_or_else(|| Halt::Ended(Outcome::Skipped, "nobody to write to".into()))
}

fn lesson(person: &PersonRef, photo: &Photo) -> Lesson {
    Lesson::Source {
        person: person.source.clone(),
        etag: photo.etag.clone(),
        content: photo.content.clone(),
    }
}
