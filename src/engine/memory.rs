//! What earlier scans saw and this one need not download again; the only part of a scan that knows the store.
//!
//! Losing the memory costs requests and nothing else, so its failures are problems in words, never the end of a scan.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;

use super::decoding::UploadForm;
use super::load::Sightings;
use super::scan::Looking;
use super::{Engine, PersonState};
use crate::connector::{Probe, ProbeResult};
use crate::domain::comparison::{Content, SourceContent, judge};
use crate::domain::ids::{PictureId, SourceId};
use crate::domain::listing::Listed;
use crate::domain::photo::{Sha256, SourcePhoto};
use crate::store::memory::{RememberedPhoto, UnhashedPicture};
use crate::store::{Access, StoreError};

/// How many people are recalled at once.
const RECALLED_AT_ONCE: usize = 1000;
/// How many lessons are kept before they are written down.
const LESSONS_AT_ONCE: usize = 256;

/// Recalling people, some at a time.
#[derive(Debug, Default)]
pub(super) struct Recalling {
    /// Once it cannot be read it is not asked again, and told once.
    has_failed: bool,
}

/// Something learnt from bytes.
#[derive(Clone, Debug)]
pub(super) enum Lesson {
    /// What a photo of the source is.
    Source {
        person: SourceId,
        etag: Option<String>,
        content: SourceContent,
    },
    /// What a picture of the target is.
    Target {
        picture: PictureId,
        /// The hash that the target states.
        stated: Option<Sha256>,
        /// The hash that its bytes have.
        hash: Sha256,
        content: Content,
    },
}

/// Lessons on their way to the store.
pub(super) struct Learning<'a> {
    engine: &'a Engine,
    photos: Vec<(SourceId, RememberedPhoto)>,
    contents: Vec<(Sha256, Content)>,
    unhashed: Vec<(PictureId, UnhashedPicture)>,
    failure: Option<StoreError>,
}

impl<'a> Learning<'a> {
    pub(super) fn new(engine: &'a Engine) -> Self {
        Self {
            engine,
            photos: Vec::new(),
            contents: Vec::new(),
            unhashed: Vec::new(),
            failure: None,
        }
    }

    /// Takes a lesson, and writes many of them down now and then.
    pub(super) async fn add(&mut self, lesson: Lesson) {
        match lesson {
            Lesson::Source {
                person,
                etag,
                content,
            } => {
                // Without a version nobody could tell later whether the bytes are still these.
                if etag.is_some() {
                    self.photos.push((person, RememberedPhoto { etag, content }));
                }
            }
            Lesson::Target {
                picture,
                stated: None,
                hash,
                content,
            } => self.unhashed.push((
                picture,
                UnhashedPicture {
                    sha256: hash,
                    content,
                },
            )),
            Lesson::Target {
                stated: Some(stated),
                hash,
                content,
                ..
            } => {
                // A hash that lies stands for nothing: those bytes are looked at each time.
                if stated == hash {
                    self.contents.push((hash, content));
                }
            }
        }
        if self.photos.len() + self.contents.len() + self.unhashed.len() >= LESSONS_AT_ONCE {
            self.write_down().await;
        }
    }

    /// Writes down what is left. The error says in words that something was not.
    pub(super) async fn finish(mut self) -> Result<(), String> {
        self.write_down().await;
        match self.failure {
            None => Ok(()),
            Some(error) => Err(format!(
                "what was learnt about pictures could not be remembered, so the next scan downloads them again: {}",
                error.sentence()
            )),
        }
    }

    async fn write_down(&mut self) {
        let photos = std::mem::take(&mut self.photos);
        let contents = std::mem::take(&mut self.contents);
        let unhashed = std::mem::take(&mut self.unhashed);
        let memory = self.engine.store.memory();
        let written = async {
            if !photos.is_empty() {
                memory.remember_photos(&self.engine.photo_key(), photos).await?;
            }
            if !contents.is_empty() {
                memory.remember_contents(contents).await?;
            }
            if !unhashed.is_empty() {
                memory.remember_unhashed_pictures(unhashed).await?;
            }
            Ok(())
        };
        if let Err(error) = written.await {
            self.failure.get_or_insert(error);
        }
    }
}

impl Engine {
    /// What remembered photos are good for: the rendition that is fetched and the form in which it is uploaded.
    fn photo_key(&self) -> String {
        let UploadForm { limit, side } = self.upload_form();
        format!("{} to {limit} bytes, {side} pixels", self.source.photo_size())
    }

    /// Fills in what is remembered, and judges again.
    pub(super) async fn recall(
        &self,
        people: &mut [PersonState],
        recalling: &mut Recalling,
        looking: &Looking<'_>,
    ) {
        if !recalling.has_failed {
            let recalled = async {
                for some in people.chunks_mut(RECALLED_AT_ONCE) {
                    self.recall_photos(some).await?;
                    self.recall_displayed(some).await?;
                }
                Ok::<_, StoreError>(())
            };
            if let Err(error) = recalled.await {
                recalling.has_failed = true;
                looking.problems.note(format!(
                    "what earlier scans learnt about pictures cannot be read, so they are downloaded again: {}",
                    error.sentence()
                ));
            }
        }
        for state in people {
            if state.chain.is_some() {
                state.judgement = judge(
                    &state.photo,
                    &state.content,
                    state.chain.as_ref(),
                    &state.displayed,
                );
            }
        }
    }

    async fn recall_photos(&self, people: &mut [PersonState]) -> Result<(), StoreError> {
        let wanted = people.iter().filter(|state| state.etag().is_some());
        let wanted: Vec<SourceId> = wanted.map(|state| state.source.id.clone()).collect();
        if wanted.is_empty() {
            return Ok(());
        }
        let remembered = self.store.memory().photos(&self.photo_key(), wanted).await?;
        for state in people {
            if let Some(etag) = state.etag()
                && let Some(photo) = remembered.get(&state.source.id)
                && let Some(known) = &photo.etag
                && is_same_version(known, etag)
            {
                state.content = photo.content.clone();
            }
        }
        Ok(())
    }

    async fn recall_displayed(&self, people: &mut [PersonState]) -> Result<(), StoreError> {
        let memory = self.store.memory();
        let mut hashes = HashSet::new();
        let mut unhashed = Vec::new();
        for state in &*people {
            match (state.displayed_row(), state.content.upload_hash()) {
                (Some((_, Some(hash))), upload) if upload != Some(hash) => {
                    hashes.insert(hash);
                }
                (Some((picture, None)), _) => unhashed.push(picture.clone()),
                _ => {}
            }
        }
        let contents = match hashes.len() {
            0 => HashMap::new(),
            _ => memory.contents(hashes.into_iter().collect()).await?,
        };
        let unhashed = match unhashed.len() {
            0 => HashMap::new(),
            _ => memory.unhashed_pictures(unhashed).await?,
        };
        for state in people {
            let known = match state.displayed_row() {
                Some((_, Some(hash))) => contents.get(&hash),
                Some((picture, None)) => unhashed.get(picture).map(|known| &known.content),
                None => None,
            };
            if let Some(known) = known {
                state.displayed = known.clone();
            }
        }
        Ok(())
    }

    /// Remembers who was seen without a photo, for those whose avatar might be removed for it one day, and forgets it
    /// of those who have one again. Only a complete look at everybody is evidence of an absence (`reliability.md` E6);
    /// a photo that was seen is one in any case.
    pub(super) async fn record_sightings(
        &self,
        sightings: Sightings,
        is_evidence: bool,
        at: Timestamp,
        looking: &Looking<'_>,
    ) {
        let recorded = async {
            let (mut without, with) = sightings.into_lists()?;
            if !is_evidence {
                without.clear();
            }
            let standing = self.store.standing();
            if without.is_empty() && with.is_empty() || !standing.is_begun() {
                return Ok(());
            }
            standing.see_absences(at, without, with).await
        };
        if let Err(error) = recorded.await {
            let error: StoreError = error;
            looking.problems.note(format!(
                "who has no photo could not be remembered, so no avatar is removed for it: {}",
                error.sentence()
            ));
        }
    }

    /// Keeps a scan of everybody for the next first screen. The error says in words that it could not be kept.
    ///
    /// # Errors
    ///
    /// Why the next first screen will not show it, in words.
    pub async fn remember_scan(&self, listed: Arc<Listed>) -> Result<(), String> {
        let suspicions = listed.listing.suspicions();
        let saved = match self.store.save_snapshot(listed).await {
            Ok(()) => self.store.memory().remember_suspicions(suspicions).await,
            Err(error) => Err(error),
        };
        saved.map_err(|error| {
            format!(
                "the scan could not be kept for the next first screen: {}",
                error.sentence()
            )
        })
    }

    /// A picture that is kept on this side; `None` if it is not, or its copy is damaged.
    pub(super) async fn kept(&self, hash: Sha256) -> Option<Bytes> {
        self.store.vault().get(&hash).await.ok().flatten()
    }

    /// Whether what a run must keep can be kept.
    pub(super) async fn check_store(&self) -> Probe {
        let vault = self.store.vault();
        let seen = match vault.size().await {
            Ok(size) => vault.protection().await.map(|protection| (size, protection)),
            Err(error) => Err(error),
        };
        let result = match (seen, self.store.notes()) {
            (Err(StoreError::Key(error)), _) => ProbeResult::Failed {
                kind: crate::connector::ErrorKind::Configuration,
                seen: error.to_string(),
                hint: error.hint().into(),
            },
            (Err(error), _) => ProbeResult::Failed {
                kind: crate::connector::ErrorKind::Configuration,
                seen: error.sentence(),
                hint: "make the folder writable, or choose another one with AVATAR_SYNC_STATE_DIR".into(),
            },
            (Ok(_), [note, ..]) => ProbeResult::Warning {
                seen: note.clone(),
                hint: "nothing is lost; see the folders with `avatar-sync info`".into(),
            },
            (Ok((size, protection)), []) => {
                if let Some((seen, hint)) = protection.concern() {
                    let hint = hint.into();
                    return keeping(ProbeResult::Warning { seen, hint });
                }
                let access = match self.store.access() {
                    Access::Write => "journal and vault can be written",
                    Access::Read => "opened for reading only",
                };
                ProbeResult::Passed(format!(
                    "{access}; {} replaced pictures kept in {}",
                    size.pictures,
                    vault.folder().display()
                ))
            }
        };
        keeping(result)
    }
}

fn keeping(result: ProbeResult) -> Probe {
    Probe {
        what: "keep journal and replaced pictures on this machine".into(),
        result,
    }
}

impl PersonState {
    /// The version of the photo, where it names one.
    fn etag(&self) -> Option<&String> {
        match &self.photo {
            SourcePhoto::Present(stamp) => stamp.etag.as_ref(),
            _ => None,
        }
    }

    /// The row that is displayed, with the hash that the target states.
    fn displayed_row(&self) -> Option<(&PictureId, Option<Sha256>)> {
        let picture = self.chain.as_ref()?.served_picture()?;
        Some((&picture.id, picture.sha256))
    }
}

/// True if two versions are the same: byte for byte, or weakly, when one side is marked weak and the other is not
/// (`entra.md` 8.2).
pub(super) fn is_same_version(one: &str, other: &str) -> bool {
    match (one.strip_prefix("W/"), other.strip_prefix("W/")) {
        (Some(weak), None) => weak == other,
        (None, Some(weak)) => weak == one,
        (Some(_), Some(_)) | (None, None) => one == other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_opaque_but_for_the_weak_mark_of_one_side() {
        for (one, other, same) in [
            ("\"a1\"", "\"a1\"", true),
            ("W/\"a1\"", "W/\"a1\"", true),
            ("W/\"a1\"", "\"a1\"", true),
            ("\"a1\"", "W/\"a1\"", true),
            ("\"a1\"", "\"A1\"", false),
            ("\"a1\"", "a1", false),
            ("W/\"a1\"", "W/\"a2\"", false),
            ("W/W/\"a1\"", "\"a1\"", false),
        ] {
            assert_eq!(is_same_version(one, other), same, "{one} and {other}");
        }
    }
}
