//! S1 to S3: both sides are looked at and copies kept; nothing is written to the target.

use std::collections::{HashMap, HashSet};

use super::aim::{self, Learned, PlaceAim, Wanted};
use super::ending::{Ended, Halt, changed, failed};
use super::{Photo, PlaceWork, Pushing, Work, lesson, target_of};
use crate::connector::{FetchedPhoto, Priority};
use crate::domain::comparison::{Content, SourceContent};
use crate::domain::ids::{PictureId, RecordId, TargetId};
use crate::domain::photo::{AvatarChain, ChainStamp, Place, Scan, Sha256, StoredPicture};
use crate::domain::picture::PictureProblem;
use crate::domain::plan::Change;
use crate::domain::run::{Outcome, PersonRef};
use crate::domain::suspicion::held_back;
use crate::engine::decoding::UploadForm;
use crate::engine::in_words;
use crate::engine::memory::Lesson;
use crate::engine::thumbnails::{self, StaleThumbnail};
use crate::store::journal::KeptPicture;

/// What came of S1 to S3.
pub(super) enum Prepared {
    AlreadyThere(Box<Photo>),
    ToDo(Box<Work>),
}

impl Pushing {
    /// Looks at both sides and finds out what there is to do.
    pub(super) async fn prepare(
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
        let (photo, elsewhere) =
            futures::future::join(self.photo(person, form), self.named_elsewhere(&before)).await;
        let (photo, elsewhere) = (photo?, elsewhere?);
        let learned = self.learn_hashes(&before, photo.wanted).await?;
        let places = self.target.places_to_write(&before);
        if places.is_empty() {
            return Err(Halt::Ended(
                Outcome::Skipped,
                "the write mode has no place to write to for this person".into(),
            ));
        }
        let mut aims = aim::aims(&before, &places, photo.wanted, &learned);
        // What another person's record names stays (`reliability.md` G7).
        let mut spared = Vec::new();
        for aim in &mut aims {
            let named = aim.superseded.extract_if(.., |row| elsewhere.contains(&row.id));
            spared.extend(named.map(|row| row.id));
        }
        let stale_thumbnails = if change == Change::Repair {
            self.stale_thumbnails(&target, &aims).await?
        } else {
            Vec::new()
        };
        let is_reached = aim::is_reached(&before, &aims, |place, column, picture| {
            self.target.column_to_set(place, column, picture)
        });
        if is_reached && stale_thumbnails.is_empty() {
            return Ok(Prepared::AlreadyThere(Box::new(photo)));
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
        self.look_at(person, &photo)?;
        let mut work = Work::new(person, change, target, before, photo);
        work.learned = learned;
        work.spared = spared;
        work.places = aims.into_iter().map(PlaceWork::new).collect();
        for stale in &stale_thumbnails {
            // A thumbnail is nobody's avatar: its copy is found by the hash in the journal, and never brought back.
            self.store.keep(stale.bytes.clone()).await?;
        }
        work.stale_thumbnails = stale_thumbnails;
        for place in &work.places {
            let Some(record) = &place.record else { continue };
            for row in &place.superseded {
                self.keep(person, &work.before, place.place, record, row, &work.learned)
                    .await?;
            }
        }
        Ok(Prepared::ToDo(Box::new(work)))
    }

    /// The person's pictures that columns of other people's records name.
    pub(super) async fn named_elsewhere(&self, chain: &AvatarChain) -> Result<HashSet<PictureId>, Halt> {
        let pictures: Vec<PictureId> = chain
            .records
            .iter()
            .flat_map(|record| aim::avatars_of(chain, record))
            .map(|row| row.id.clone())
            .collect();
        if pictures.is_empty() {
            return Ok(HashSet::new());
        }
        let naming = self.target.named(&pictures).await?;
        let is_own = |record: &RecordId| chain.records.iter().any(|known| &known.id == record);
        let others = naming.into_iter().filter(|naming| !is_own(&naming.record));
        Ok(others.map(|naming| naming.picture).collect())
    }

    /// Thumbnails of the pictures that stay, which show other ones. That they cannot be looked at is no reason to leave
    /// the picture itself unmended.
    async fn stale_thumbnails(
        &self,
        target: &TargetId,
        aims: &[PlaceAim],
    ) -> Result<Vec<StaleThumbnail>, Halt> {
        if aims.iter().all(|aim| aim.picture.is_none()) {
            return Ok(Vec::new());
        }
        let stays = |picture: &PictureId| aims.iter().any(|aim| aim.picture.as_ref() == Some(picture));
        let looked = async {
            let Some(anatomy) = self.target.anatomy(target, Priority::Background).await? else {
                return Ok(Vec::new());
            };
            thumbnails::stale_thumbnails(
                self.target.as_ref(),
                &self.decoding,
                &anatomy,
                &stays,
                Priority::Background,
            )
            .await
        };
        match looked.await {
            Err(error) if !error.kind.stops_run() => {
                tracing::warn!(%target, problem = in_words(&error), "thumbnails could not be looked at");
                Ok(Vec::new())
            }
            looked => Ok(looked?),
        }
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
            Ok(Ok(prepared)) => prepared,
            // That is the target's affair: nothing is wrong with the photo, and nothing is remembered about it.
            Ok(Err(problem @ PictureProblem::AboveTargetLimit { .. })) => {
                return Err(failed(format!("the photo in {} {problem}", self.source.name())));
            }
            Ok(Err(problem)) => return Err(self.unusable(person, etag, problem)),
            Err(gave_up) => {
                let problem = PictureProblem::from(gave_up);
                return Err(failed(format!("the photo in {} {problem}", self.source.name())));
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

    /// A photo that is probably not the person's own waits for a confirmation. What was seen is remembered, so that the
    /// next plan knows.
    fn look_at(&self, person: &PersonRef, photo: &Photo) -> Result<(), Halt> {
        let (Some(guard), Content::Sound(facts)) = (&self.guard, &photo.content.original) else {
            return Ok(());
        };
        match guard.suspicion(person, facts) {
            None => Ok(()),
            Some(suspicion) => Err(Halt::Over(Box::new(Ended {
                lesson: Some(lesson(person, photo)),
                ..Ended::new(Outcome::Skipped, held_back(&suspicion))
            }))),
        }
    }

    /// A photo that cannot be pushed. That is a state of the tenant, not a failure of the run: it would fail every
    /// night; and it is remembered, so that it is not fetched again until it changes.
    fn unusable(&self, person: &PersonRef, etag: Option<String>, problem: PictureProblem) -> Halt {
        let source = self.source.name();
        let ended = match problem {
            PictureProblem::Placeholder => Ended::new(Outcome::NoPhoto, format!("{source} has no photo")),
            _ => Ended::new(Outcome::Skipped, format!("the photo in {source} {problem}")),
        };
        Halt::Over(Box::new(Ended {
            lesson: Some(Lesson::Source {
                person: person.source.clone(),
                etag,
                content: SourceContent {
                    original: Content::Unsound(problem),
                    prepared: None,
                },
            }),
            ..ended
        }))
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

    /// S3: a copy on this side, on the disk. No copy, no push. Answers the hash under which it is kept.
    pub(super) async fn keep(
        &self,
        person: &PersonRef,
        chain: &AvatarChain,
        place: Place,
        record: &RecordId,
        row: &StoredPicture,
        learned: &Learned,
    ) -> Result<Sha256, Halt> {
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
                    Ok(None) if self.is_gone(person, &row.id).await? => {
                        return Err(changed(format!(
                            "the old picture at {place} was deleted meanwhile"
                        )));
                    }
                    Ok(None) => return Err(no_copy("cannot be read")),
                    Err(_) if row.scan == Scan::Quarantined => {
                        return Err(no_copy("is quarantined by the virus scan"));
                    }
                    Err(error) => return Err(error.into()),
                };
                if known.is_some_and(|known| known != Sha256::of(&bytes)) {
                    return Err(no_copy("was not served as it was stored"));
                }
                self.store.keep(bytes).await?
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
        self.store.journal().kept(kept).await?;
        Ok(sha256)
    }

    /// True if a row that was listed a moment ago is listed no more: somebody else has deleted it.
    async fn is_gone(&self, person: &PersonRef, picture: &PictureId) -> Result<bool, Halt> {
        match self.chain(&target_of(person)?).await {
            Ok(chain) => Ok(chain.picture(picture).is_none()),
            // Not a person's: what is stored at a record that is gone.
            Err(Halt::Ended(..)) => Ok(false),
            Err(halt) => Err(halt),
        }
    }
}
