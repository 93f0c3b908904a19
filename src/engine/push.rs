//! One person's picture, brought into the target so that at every instant the old picture or the new one is displayed
//! (`reliability.md` 2). The order is the safety:
//!
//! ```text
//! S1 read the target again       differs from the plan ─► changed meanwhile
//! S2 fetch and check the photo   all places hold it    ─► unchanged
//! S3 keep what is replaced       no copy, no push
//! S4 create missing records      ┐
//! S5 store the picture           │ every place, before any picture is touched;
//! S6 verify: answer, virus scan  │ a failure up to S8 takes back what is ours
//! S7 set columns                 │
//! S8 ask what is displayed       ┘
//! S9 delete what is superseded   from here on there is only forward
//!    some time later look again  a rule of the instance has undone it ─► once more, then say so
//! ```
//!
//! Every write is announced in the journal before it is sent. A person's push is one task that waits for its answers
//! one after the other; reads of people who are pushed together share requests inside the connector. While it waits
//! for the virus scan or for rules to settle it gives its turn to somebody else.

pub(super) mod aim;
mod observation;
mod removal;
mod writes;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

pub(super) use self::aim::is_named;
use self::aim::{Learned, PlaceAim, Wanted};
use self::observation::{Look, Settled, Shown};
use super::decoding::{Decoding, UploadForm};
use super::memory::Lesson;
use super::{Clock, RunControl, in_words, is_access};
use crate::connector::{AvatarTarget, ConnectorError, ErrorKind, FetchedPhoto, PhotoSource, Priority};
use crate::domain::comparison::{Content, SourceContent};
use crate::domain::ids::{PictureId, RecordId, RunId, TargetId};
use crate::domain::photo::{AvatarChain, ChainStamp, Column, Place, Scan, Sha256, StoredPicture};
use crate::domain::picture::PictureProblem;
use crate::domain::plan::{Change, Step};
use crate::domain::run::{Outcome, PersonRef, StopReason};
use crate::store::journal::{KeptPicture, StepRecord};
use crate::store::{Store, StoreError};

/// How long a push waits for others.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// Between two looks at a virus scan that is not through. It takes about a second (`servicenow.md` 3.2).
    scan_interval: Duration,
    /// For a virus scan, in all.
    scan_limit: Duration,
    /// For a virus scan once somebody has asked to stop (`reliability.md` I5).
    scan_limit_when_stopping: Duration,
    /// Before the last look: rules that copy pictures act a second or two after a write (`servicenow.md` E52).
    settling: Duration,
}

impl Pace {
    pub(super) const USUAL: Self = Self {
        scan_interval: Duration::from_secs(1),
        scan_limit: Duration::from_secs(60),
        scan_limit_when_stopping: Duration::from_secs(5),
        settling: Duration::from_secs(2),
    };
}

/// Pushes that wait look again at common moments, so that their reads share requests.
const GRID: Duration = Duration::from_millis(250);

/// How often a write whose outcome nobody knew is tried in all.
const ATTEMPTS: usize = 3;

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
}

/// The right to work; given up while waiting.
pub(super) struct Turn {
    slots: Arc<Semaphore>,
    permit: Option<OwnedSemaphorePermit>,
}

impl Turn {
    /// Waits for a turn; first come, first served.
    pub(super) async fn take(slots: &Arc<Semaphore>) -> Self {
        let mut turn = Self {
            slots: Arc::clone(slots),
            permit: None,
        };
        turn.resume().await;
        turn
    }

    async fn resume(&mut self) {
        let permit = Arc::clone(&self.slots).acquire_owned().await;
        self.permit = Some(permit.expect("the semaphore is never closed"));
    }
}

/// How one person's turn ended.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) outcome: Outcome,
    /// What was done, or why not.
    pub(super) detail: String,
    /// What to do about it.
    pub(super) hint: Option<String>,
    /// False if something of ours may be left in the target.
    pub(super) settled: bool,
    /// Set if nobody else's turn can end better.
    pub(super) stop: Option<StopReason>,
    /// The right that was missing, if that was the cause.
    pub(super) denied: Option<String>,
    /// What was learnt about the photo.
    pub(super) lesson: Option<Lesson>,
}

impl Ended {
    pub(super) fn new(outcome: Outcome, detail: impl Into<String>) -> Self {
        Self {
            outcome,
            detail: detail.into(),
            hint: None,
            settled: true,
            stop: None,
            denied: None,
            lesson: None,
        }
    }

    fn of(halt: Halt) -> Self {
        match halt {
            Halt::Ended(outcome, detail) => Self::new(outcome, detail),
            Halt::TooLarge { limit } => Self::new(
                Outcome::Failed,
                format!("the photo is too large to be stored; the limit is {limit} bytes"),
            ),
            Halt::Connector(error) => {
                let stops = error.kind.stops_run() || error.kind == ErrorKind::Throttled;
                let detail = in_words(&error);
                Self {
                    stop: stops.then(|| StopReason::Refused {
                        is_access: is_access(&error.kind),
                        message: match &error.hint {
                            Some(hint) => format!("{detail}; {hint}"),
                            None => detail.clone(),
                        },
                    }),
                    denied: match error.kind {
                        ErrorKind::NotAllowed { needs } => Some(needs),
                        _ => None,
                    },
                    hint: error.hint,
                    ..Self::new(Outcome::Failed, detail)
                }
            }
            Halt::Storage(error) => Self {
                stop: Some(StopReason::Storage(error.sentence())),
                ..Self::new(
                    Outcome::Failed,
                    format!(
                        "nothing is written without a journal and a vault: {}",
                        error.sentence()
                    ),
                )
            },
        }
    }
}

/// Why a push goes no further.
#[derive(Debug)]
enum Halt {
    /// That is how it ends.
    Ended(Outcome, String),
    /// The target takes smaller pictures only.
    TooLarge {
        /// In bytes.
        limit: u64,
    },
    /// A request failed.
    Connector(ConnectorError),
    /// The journal or the vault failed.
    Storage(StoreError),
}

impl From<ConnectorError> for Halt {
    fn from(error: ConnectorError) -> Self {
        Self::Connector(error)
    }
}

impl From<StoreError> for Halt {
    fn from(error: StoreError) -> Self {
        Self::Storage(error)
    }
}

fn failed(detail: impl Into<String>) -> Halt {
    Halt::Ended(Outcome::Failed, detail.into())
}

fn changed(detail: impl Into<String>) -> Halt {
    Halt::Ended(Outcome::ChangedMeanwhile, detail.into())
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
    change: Change,
    target: TargetId,
    /// The target at S1.
    before: AvatarChain,
    expected: ChainStamp,
    photo: Photo,
    learned: Learned,
    places: Vec<PlaceWork>,
    /// True once something that was there before has been deleted.
    is_committed: bool,
    /// Announced writes of which nobody knows how they went.
    open: usize,
    /// Rows whose deletion failed.
    left: Vec<PictureId>,
    /// Why, for the first of them.
    why_left: Option<ConnectorError>,
}

impl Work {
    fn new(person: &PersonRef, change: Change, target: TargetId, before: AvatarChain, photo: Photo) -> Self {
        Self {
            person: person.clone(),
            change,
            target,
            expected: before.stamp(),
            before,
            photo,
            learned: Learned::new(),
            places: Vec::new(),
            is_committed: false,
            open: 0,
            left: Vec::new(),
            why_left: None,
        }
    }
}

/// One place of a push.
struct PlaceWork {
    place: Place,
    record: Option<RecordId>,
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
    AlreadyThere(Photo),
    /// It is displayed now.
    Done(Box<Work>),
}

impl Pushing {
    /// Takes one person through a step and writes down how it ended.
    pub(super) async fn step(&self, step: &Step, mut turn: Turn) -> Ended {
        let mut ended = match step.change {
            Change::Remove => self.remove_avatar(step, &mut turn).await,
            Change::Add | Change::Replace | Change::Repair => {
                self.push(&step.person, step.change, Some(&step.expected), &mut turn)
                    .await
            }
        };
        let record = StepRecord {
            run: self.run.clone(),
            person: step.person.clone(),
            change: step.change,
            outcome: ended.outcome,
            detail: ended.detail.clone(),
            hint: ended.hint.clone(),
            settled: ended.settled,
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
        let mut ended = self.report(&work);
        ended.lesson = Some(lesson(person, &work.photo));
        // Rules of the instance may act on what was written; a look some time later decides, not the first one.
        for is_last in [false, true] {
            match self.look_again(&work, turn).await {
                Err(halt) => {
                    let unseen = Ended::of(halt);
                    ended.detail = format!(
                        "{}; it could not be looked at again: {}",
                        ended.detail, unseen.detail
                    );
                    ended.stop = unseen.stop;
                    return ended;
                }
                Ok((Settled::Good, _)) => return ended,
                Ok((Settled::Foreign, _)) => {
                    return Ended::new(
                        Outcome::ChangedMeanwhile,
                        "another picture was stored right after ours; it stays",
                    );
                }
                Ok((Settled::Undone(what), _)) if is_last => {
                    return Ended {
                        hint: Some("look for a business rule that copies or deletes pictures".into()),
                        ..Ended::new(
                            Outcome::Failed,
                            format!("a rule of the instance keeps changing the picture: {what}"),
                        )
                    };
                }
                Ok((Settled::Undone(_), stamp)) => {
                    match self.bring_in_any_size(person, change, Some(&stamp), turn).await {
                        Ok(Brought::AlreadyThere(_)) => return ended,
                        Ok(Brought::Done(again)) => work = again,
                        Err(ended) => return *ended,
                    }
                }
            }
        }
        ended
    }

    /// A second attempt with a smaller picture if the first one is too large (`reliability.md` F8).
    async fn bring_in_any_size(
        &self,
        person: &PersonRef,
        change: Change,
        expected: Option<&ChainStamp>,
        turn: &mut Turn,
    ) -> Result<Brought, Box<Ended>> {
        match self.bring(person, change, expected, self.form, turn).await {
            Err(ended) if ended.too_large.is_some_and(|limit| limit < self.form.limit) => {
                let form = UploadForm {
                    limit: ended.too_large.unwrap_or(self.form.limit),
                    ..self.form
                };
                self.bring(person, change, expected, form, turn).await
            }
            other => other,
        }
        .map_err(|ended| Box::new(ended.ended))
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
        let mut work = match self.prepare(person, change, expected, form).await? {
            Prepared::AlreadyThere(photo) => return Ok(Brought::AlreadyThere(photo)),
            Prepared::ToDo(work) => work,
        };
        let Err(halt) = self.carry_out(&mut work, turn).await else {
            return Ok(Brought::Done(work));
        };
        let mut not_brought = NotBrought::from(halt);
        if work.is_committed {
            // The new picture is displayed, or the old ones are in the vault; the next start brings it to an end.
            not_brought.ended.settled = false;
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
        not_brought.ended.settled &= work.open == 0;
        Err(not_brought)
    }

    /// S1 to S3: nothing is written to the target.
    async fn prepare(
        &self,
        person: &PersonRef,
        change: Change,
        expected: Option<&ChainStamp>,
        form: UploadForm,
    ) -> Result<Prepared, Halt> {
        let target = target_of(person)?;
        let before = self.chain(&target).await?;
        let stamp = before.stamp();
        if expected.is_some_and(|expected| *expected != stamp) {
            return Err(changed(format!(
                "the avatar in {} changed after the plan was made",
                self.target.name()
            )));
        }
        let photo = self.photo(person, form).await?;
        let learned = self.learn_hashes(&before, photo.wanted).await?;
        let places = self.target.places_to_write(&before);
        if places.is_empty() {
            return Err(Halt::Ended(
                Outcome::Skipped,
                "the write mode has no place to write to for this person".into(),
            ));
        }
        let aims = aim::aims(&before, &places, photo.wanted, &learned);
        if aim::is_reached(&before, &aims, |place, column, picture| {
            self.target.column_to_set(place, column, picture)
        }) {
            return Ok(Prepared::AlreadyThere(photo));
        }
        if let Some(place) = aim::overshadowing(&before, &aims) {
            return Err(Halt::Ended(
                Outcome::Skipped,
                format!(
                    "{} displays the picture of {place}, where this write mode does not write",
                    self.target.name()
                ),
            ));
        }
        let mut work = Work::new(person, change, target, before, photo);
        work.learned = learned;
        work.places = aims.into_iter().map(PlaceWork::new).collect();
        for place in &work.places {
            let Some(record) = &place.record else { continue };
            for row in &place.superseded {
                self.keep(person, &work.before, place.place, record, row, &work.learned)
                    .await?;
            }
        }
        Ok(Prepared::ToDo(Box::new(work)))
    }

    /// S2: what the source serves, checked and in the form that is stored.
    async fn photo(&self, person: &PersonRef, form: UploadForm) -> Result<Photo, Halt> {
        let no_photo = || {
            Halt::Ended(
                Outcome::NoPhoto,
                format!("{} has no photo any more", self.source.name()),
            )
        };
        let fetched = self.source.photo(&person.source, Priority::Background).await?;
        let FetchedPhoto { bytes, etag, .. } = fetched.ok_or_else(no_photo)?;
        let (facts, prepared) = match self.decoding.prepare(bytes, form).await {
            Ok(prepared) => prepared,
            Err(PictureProblem::Placeholder) => return Err(no_photo()),
            // A state of the tenant, not a failure of the run: it would fail every night.
            Err(problem) => {
                let why = format!("the photo in {} {problem}", self.source.name());
                return Err(Halt::Ended(Outcome::Skipped, why));
            }
        };
        let sha256 = if prepared.is_original {
            facts.sha256
        } else {
            Sha256::of(&prepared.bytes)
        };
        Ok(Photo {
            wanted: Wanted {
                sha256,
                bytes: prepared.bytes.len() as u64,
            },
            content_type: prepared.content_type,
            etag,
            content: SourceContent {
                original: Content::Sound(facts),
                prepared: (!prepared.is_original).then_some(sha256),
            },
            bytes: prepared.bytes,
        })
    }

    /// Old and encrypted rows state no hash: those of the right size are read, so that a picture that is there is not
    /// stored again and again (`reliability.md` G4).
    async fn learn_hashes(&self, chain: &AvatarChain, wanted: Wanted) -> Result<Learned, Halt> {
        let mut learned = HashMap::new();
        for record in &chain.records {
            for row in aim::avatars_of(chain, record) {
                if row.sha256.is_none()
                    && row.bytes == wanted.bytes
                    && let Some(bytes) = self.target.download(&row.id, Priority::Background).await?
                {
                    learned.insert(row.id.clone(), Sha256::of(&bytes));
                }
            }
        }
        Ok(learned)
    }

    /// S3: a copy on this side, on the disk. No copy, no push.
    async fn keep(
        &self,
        person: &PersonRef,
        chain: &AvatarChain,
        place: Place,
        record: &RecordId,
        row: &StoredPicture,
        learned: &Learned,
    ) -> Result<(), Halt> {
        let vault = self.store.vault();
        let known = aim::hash_of(row, learned);
        let is_kept = match &known {
            Some(sha256) => vault.holds(sha256).await?,
            None => false,
        };
        let sha256 = match known {
            Some(sha256) if is_kept => sha256,
            _ => {
                let no_copy = |why: &str| {
                    failed(format!(
                        "the old picture at {place} {why}, so no copy could be kept and nothing was changed"
                    ))
                };
                let bytes = match self.target.download(&row.id, Priority::Background).await {
                    Ok(Some(bytes)) => bytes,
                    Ok(None) => return Err(no_copy("cannot be read")),
                    Err(_) if row.scan == Scan::Quarantined => {
                        return Err(no_copy("is quarantined by the virus scan"));
                    }
                    Err(error) => return Err(error.into()),
                };
                if known.is_some_and(|known| known != Sha256::of(&bytes)) {
                    return Err(no_copy("was not served as it was stored"));
                }
                vault.keep(bytes).await?
            }
        };
        let displayed = chain.served.as_ref().map(|served| &served.picture);
        let kept = KeptPicture {
            run: self.run.clone(),
            source: person.source.clone(),
            target: target_of(person)?,
            place,
            record: record.clone(),
            sha256,
            stored: row.clone(),
            was_displayed: displayed == Some(&row.id),
            at: (self.clock)(),
        };
        Ok(self.store.journal().kept(kept).await?)
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
        Ok(())
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
                if self.shown(work, chain).await? == Shown::Wanted {
                    return Ok(());
                }
                position
            }
            Shown::Older { position, .. } => position,
            Shown::Other => 0,
            Shown::Unknown => return Err(changed("another picture is displayed meanwhile; it stays")),
        };
        self.set_column(work, chain, position).await?;
        match self.shown(work, chain).await? {
            Shown::Wanted => Ok(()),
            Shown::Unknown => Err(changed("another picture is displayed meanwhile; it stays")),
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
        let settled = observation::settled(work, &chain, displayed.as_ref(), &work.left);
        Ok((settled, chain.stamp()))
    }

    fn report(&self, work: &Work) -> Ended {
        let stored: Vec<&str> = work
            .places
            .iter()
            .filter(|place| !place.uploaded.is_empty())
            .map(|place| place.place.0)
            .collect();
        let mut detail = if stored.is_empty() {
            "the picture was there; the records were put in order".to_owned()
        } else {
            format!("stored at {}", stored.join(" and "))
        };
        let kept: usize = work.places.iter().map(|place| place.superseded.len()).sum();
        if kept > 0 {
            let (pictures, them) = if kept == 1 {
                ("picture", "it")
            } else {
                ("pictures", "them")
            };
            detail.push_str(&format!(
                "; {kept} old {pictures} replaced, a copy of {them} kept"
            ));
        }
        let mut ended = Ended::new(Outcome::Updated, detail);
        ended.settled = work.open == 0;
        if let Some(error) = &work.why_left {
            ended
                .detail
                .push_str(&format!("; duplicate image rows are left: {}", in_words(error)));
            ended.hint.clone_from(&error.hint);
            // A right that is missing now is missing at the next start; anything else may have passed.
            ended.settled &= matches!(error.kind, ErrorKind::NotAllowed { .. } | ErrorKind::Refused);
        }
        ended
    }

    /// Lets others work for a while.
    async fn rest(&self, turn: &mut Turn, duration: Duration) {
        turn.permit = None;
        let until = self.began.elapsed() + duration;
        let steps = until.as_millis().div_ceil(GRID.as_millis()) as u32;
        tokio::time::sleep_until(self.began + GRID * steps).await;
        turn.resume().await;
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

/// What came of S1 to S3.
enum Prepared {
    AlreadyThere(Photo),
    ToDo(Box<Work>),
}

/// A push that ended before it was done.
struct NotBrought {
    ended: Ended,
    /// The limit, if the picture was too large.
    too_large: Option<u64>,
}

impl From<Halt> for NotBrought {
    fn from(halt: Halt) -> Self {
        Self {
            too_large: match halt {
                Halt::TooLarge { limit } => Some(limit),
                _ => None,
            },
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
