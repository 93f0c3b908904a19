//! Thumbnails that show another picture than the one they belong to (`servicenow.md` 1.2).
//!
//! The platform makes a thumbnail when a picture is first shown and never looks at it again. One that is stale is
//! deleted, and the platform makes it anew. Telling takes the bytes of both, so it is done for people somebody named.

use std::collections::HashMap;

use bytes::Bytes;
use futures::stream::{self, StreamExt};

use super::decoding::Decoding;
use super::{Engine, Scan, in_words};
use crate::connector::{AvatarTarget, ConnectorError, Priority};
use crate::domain::anatomy::{Anatomy, Thumbnail};
use crate::domain::comparison::{Content, Verdict};
use crate::domain::explanation::staleness;
use crate::domain::ids::{PictureId, RecordId, TargetId};
use crate::domain::photo::{Finding, Place};

/// How many people are looked at at once.
const PEOPLE_AT_ONCE: usize = 4;
/// Thumbnails of one person that are looked at; a picture has one or two.
const THUMBNAILS: usize = 16;

/// A thumbnail that is to be deleted.
#[derive(Clone, Debug)]
pub(super) struct StaleThumbnail {
    /// Where its picture is stored.
    pub(super) place: Place,
    /// At which record.
    pub(super) record: RecordId,
    /// The row.
    pub(super) thumbnail: Thumbnail,
    /// Its bytes, for the vault.
    pub(super) bytes: Bytes,
}

/// The stale thumbnails of the pictures that `is_wanted` names. One whose bytes cannot be had or decoded is left alone.
pub(super) async fn stale_thumbnails(
    target: &dyn AvatarTarget,
    decoding: &Decoding,
    anatomy: &Anatomy,
    is_wanted: &(dyn Fn(&PictureId) -> bool + Sync),
    priority: Priority,
) -> Result<Vec<StaleThumbnail>, ConnectorError> {
    let mut large: HashMap<PictureId, Option<Content>> = HashMap::new();
    let mut stale = Vec::new();
    let thumbnails = anatomy.thumbnails.iter();
    for thumbnail in thumbnails
        .filter(|thumbnail| is_wanted(&thumbnail.of))
        .take(THUMBNAILS)
    {
        let stored = anatomy
            .chain
            .records
            .iter()
            .find_map(|record| Some((record, record.picture(&thumbnail.of)?)));
        let Some((record, picture)) = stored else { continue };
        if !large.contains_key(&picture.id) {
            let bytes = target.download(&picture.id, priority).await?;
            large.insert(picture.id.clone(), seen(decoding, bytes).await);
        }
        let Some(bytes) = target.download(&thumbnail.id, priority).await? else {
            continue;
        };
        let small = seen(decoding, Some(bytes.clone())).await;
        let content = large.get(&picture.id).and_then(Option::as_ref);
        if staleness(thumbnail, picture, content, small.as_ref()).is_stale() {
            stale.push(StaleThumbnail {
                place: record.place,
                record: record.id.clone(),
                thumbnail: thumbnail.clone(),
                bytes,
            });
        }
    }
    Ok(stale)
}

async fn seen(decoding: &Decoding, bytes: Option<Bytes>) -> Option<Content> {
    match decoding.examine(bytes?).await {
        Ok(content) => Some(content),
        Err(gave_up) => Some(Content::Unsound(gave_up.into())),
    }
}

impl Engine {
    /// Looks at the thumbnails of everybody in `scan` who sees the right picture, and notes who has a stale one: a plan
    /// with [`repair`](crate::domain::plan::Policy::repair) then mends it. Takes some requests a person, so it is for
    /// people somebody named. Who could not be looked at is in the scan's problems.
    pub async fn find_stale_thumbnails(&self, scan: &mut Scan) {
        let people: Vec<(usize, TargetId, PictureId)> = scan
            .people
            .iter()
            .enumerate()
            .filter(|(_, state)| state.judgement.verdict == Verdict::InSync)
            .filter_map(|(position, state)| {
                let served = state.chain.as_ref()?.served.as_ref()?;
                Some((position, state.target()?.id.clone(), served.picture.clone()))
            })
            .collect();
        let looked: Vec<(usize, Result<bool, ConnectorError>)> = stream::iter(people)
            .map(|(position, person, served)| async move {
                (position, self.has_stale_thumbnail(&person, &served).await)
            })
            .buffer_unordered(PEOPLE_AT_ONCE)
            .collect()
            .await;
        for (position, is_stale) in looked {
            let state = &mut scan.people[position];
            match is_stale {
                Ok(false) => {}
                Ok(true) => {
                    if let Some(chain) = &mut state.chain {
                        chain.findings.push(Finding::StaleThumbnail);
                    }
                }
                Err(error) => scan.problems.push(format!(
                    "the thumbnails of {} could not be looked at: {}",
                    state.source.principal.shown(),
                    in_words(&error)
                )),
            }
        }
    }

    async fn has_stale_thumbnail(
        &self,
        person: &TargetId,
        served: &PictureId,
    ) -> Result<bool, ConnectorError> {
        let priority = Priority::Foreground;
        let Some(anatomy) = self.target.anatomy(person, priority).await? else {
            return Ok(false);
        };
        let is_served = |picture: &PictureId| picture == served;
        let stale = stale_thumbnails(
            self.target.as_ref(),
            &self.decoding,
            &anatomy,
            &is_served,
            priority,
        );
        Ok(!stale.await?.is_empty())
    }
}
