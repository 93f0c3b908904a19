//! Both sides' pictures of one person, for showing.

use bytes::Bytes;

use super::{Engine, PersonState, in_words};
use crate::connector::Priority;
use crate::domain::comparison::Content;
use crate::domain::ids::PictureId;
use crate::domain::photo::Sha256;
use crate::domain::picture::{PictureProblem, Rendition};

/// What one side shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SidePicture {
    /// No picture.
    Absent,
    /// Its bytes, unchecked: decode them with [`crate::domain::picture::decode`].
    Bytes(Bytes),
    /// There may be one, but it could not be had; why, in words.
    Failed(String),
}

/// Both sides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SidePictures {
    /// The source's photo.
    pub source: SidePicture,
    /// The avatar that the target displays.
    pub target: SidePicture,
}

impl Engine {
    /// Both sides' pictures of one person, side by side and before background work. A picture that is kept on this
    /// side under the very hash that a service states is not downloaded.
    pub async fn pictures(&self, state: &PersonState) -> SidePictures {
        let (source, target) = futures::join!(
            self.source_side(&state.source.id, &state.photo, Priority::Foreground),
            self.target_picture(state)
        );
        SidePictures { source, target }
    }

    /// A small rendition of a picture, with at most `side` pixels on either side: off this thread, within a time limit.
    ///
    /// # Errors
    ///
    /// Why the bytes are no picture.
    pub async fn thumbnail(&self, bytes: Bytes, side: u32) -> Result<Rendition, PictureProblem> {
        self.decoding.thumbnail(bytes, side).await
    }

    async fn target_picture(&self, state: &PersonState) -> SidePicture {
        let Some(chain) = &state.chain else {
            return match state.target() {
                Some(_) => SidePicture::Failed(state.judgement.reason.clone()),
                None => SidePicture::Absent,
            };
        };
        let Some(served) = &chain.served else {
            return SidePicture::Absent;
        };
        let stated = chain.served_picture().and_then(|picture| picture.sha256);
        let hash = stated.or(match &state.displayed {
            Content::Sound(facts) => Some(facts.sha256),
            Content::Unseen | Content::Unsound(_) => None,
        });
        self.target_bytes(&served.picture, hash, Priority::Foreground)
            .await
    }

    /// The bytes of a stored picture, from this side where they are kept under the hash that it is known by.
    pub(super) async fn target_bytes(
        &self,
        picture: &PictureId,
        hash: Option<Sha256>,
        priority: Priority,
    ) -> SidePicture {
        if let Some(hash) = hash
            && let Some(bytes) = self.kept(hash).await
        {
            return SidePicture::Bytes(bytes);
        }
        match self.target.download(picture, priority).await {
            Ok(Some(bytes)) => SidePicture::Bytes(bytes),
            Ok(None) => SidePicture::Failed(format!("the picture is gone from {}", self.target.name())),
            Err(error) => SidePicture::Failed(in_words(&error)),
        }
    }
}
