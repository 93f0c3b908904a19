//! What earlier scans saw and this one need not download again; the only part of a scan that knows the store.
//!
//! Losing the memory costs requests and nothing else, so its failures are problems in words, never the end of a scan.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;

use super::decoding::UploadForm;
use super::scan::{Looking, in_background};
use super::{Engine, PersonState, Scan};
use crate::connector::{Priority, Probe, ProbeResult};
use crate::domain::comparison::{Content, SourceContent, Verdict, judge};
use crate::domain::ids::{PictureId, SourceId};
use crate::domain::listing::Listed;
use crate::domain::photo::{Sha256, SourcePhoto};
use crate::domain::picture::PictureProblem;
use crate::store::memory::{RememberedPhoto, UnhashedPicture};
use crate::store::{Access, StoreError};

/// How many displayed pictures are recalled at once.
const RECALLED_AT_ONCE: usize = 1000;
/// How many lessons are kept before they are written down.
const LESSONS_AT_ONCE: usize = 256;

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
    pub(super) async fn recall(&self, people: &mut [PersonState], looking: &Looking<'_>) {
        let recalled = async {
            self.recall_photos(people, looking.priority).await?;
            for some in people.chunks_mut(RECALLED_AT_ONCE) {
                self.recall_displayed(some).await?;
            }
            Ok::<_, StoreError>(())
        };
        if let Err(error) = recalled.await {
            looking.problems.note(format!(
                "what earlier scans learnt about pictures cannot be read, so they are downloaded again: {}",
                error.sentence()
            ));
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

    async fn recall_photos(&self, people: &mut [PersonState], priority: Priority) -> Result<(), StoreError> {
        let memory = self.store.memory();
        let key = self.photo_key();
        // Everybody's at once for everybody, one by one for a few.
        let mut everybody = match priority {
            Priority::Background => Some(memory.photos(&key).await?),
            Priority::Foreground => None,
        };
        for state in people {
            let SourcePhoto::Present(stamp) = &state.photo else {
                continue;
            };
            let Some(etag) = &stamp.etag else { continue };
            let remembered = match &mut everybody {
                Some(everybody) => everybody.remove(&state.source.id),
                None => memory.photo(&key, &state.source.id).await?,
            };
            if let Some(RememberedPhoto {
                etag: Some(known),
                content,
            }) = remembered
                && is_same_version(&known, etag)
            {
                state.content = content;
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
    /// of those who have one again.
    pub(super) async fn record_sightings(
        &self,
        people: &[PersonState],
        at: Timestamp,
        looking: &Looking<'_>,
    ) {
        let memory = self.store.memory();
        let recorded = async {
            let known = memory.absences().await?;
            let mut without = Vec::new();
            let mut with = Vec::new();
            for state in people {
                match (state.judgement.verdict, &state.photo, &state.content.original) {
                    (Verdict::OnlyInTarget, _, _) => without.push(state.source.id.clone()),
                    (_, SourcePhoto::Present(_), content)
                        if *content != Content::Unsound(PictureProblem::Placeholder)
                            && known.contains_key(&state.source.id) =>
                    {
                        with.push(state.source.id.clone());
                    }
                    _ => {}
                }
            }
            if without.is_empty() && with.is_empty() {
                return Ok(());
            }
            memory.see_absences(at, without, with).await
        };
        if let Err(error) = recorded.await {
            let error: StoreError = error;
            looking.problems.note(format!(
                "who has no photo could not be remembered, so no avatar is removed for it: {}",
                error.sentence()
            ));
        }
    }

    /// Since when these people have been seen without a photo, each sighting since then agreeing.
    pub(super) async fn first_sightings(
        &self,
        people: &[SourceId],
    ) -> Result<HashMap<SourceId, Timestamp>, String> {
        if people.is_empty() {
            return Ok(HashMap::new());
        }
        let mut known = self
            .store
            .memory()
            .absences()
            .await
            .map_err(|error| error.sentence())?;
        Ok(people
            .iter()
            .filter_map(|person| known.remove_entry(person))
            .map(|(person, sighting)| (person, sighting.first))
            .collect())
    }

    /// Keeps a scan of everybody for the next first screen, and gives it back. The error says in words that it could
    /// not be kept.
    pub(super) async fn remember_scan(&self, scan: Scan) -> (Scan, Result<(), String>) {
        let (scan, listed) = in_background(move || {
            let listed = Listed {
                scanned_at: scan.scanned_at,
                complete: scan.complete,
                listing: scan.listing(),
            };
            (scan, listed)
        })
        .await;
        let saved = self.store.save_snapshot(Arc::new(listed)).await;
        let remembered = saved.map_err(|error| {
            format!(
                "the scan could not be kept for the next first screen: {}",
                error.sentence()
            )
        });
        (scan, remembered)
    }

    /// A picture that is kept on this side; `None` if it is not, or its copy is damaged.
    pub(super) async fn kept(&self, hash: Sha256) -> Option<Bytes> {
        self.store.vault().get(&hash).await.ok().flatten()
    }

    /// Whether what a run must keep can be kept.
    pub(super) async fn check_store(&self) -> Probe {
        let vault = self.store.vault();
        let result = match (vault.size().await, self.store.notes()) {
            (Err(error), _) => ProbeResult::Failed {
                kind: crate::connector::ErrorKind::Configuration,
                seen: error.sentence(),
                hint: "make the folder writable, or choose another one with AVATAR_SYNC_STATE_DIR".into(),
            },
            (Ok(_), [note, ..]) => ProbeResult::Warning {
                seen: note.clone(),
                hint: "nothing is lost; see the folders with `avatar-sync info`".into(),
            },
            (Ok(size), []) => {
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
        Probe {
            what: "keep journal and replaced pictures on this machine".into(),
            result,
        }
    }
}

impl PersonState {
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
