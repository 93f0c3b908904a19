//! The pictures of what was done in the past, for showing.

use super::{Engine, in_words};
use crate::connector::Priority;
use crate::domain::photo::Sha256;
use crate::store::StoreError;
use crate::store::journal::{PastPicture, PastStep};
use bytes::Bytes;

/// A picture of the past.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PastFace {
    /// There was none.
    None,
    /// Its bytes, unchecked: decode them with [`crate::domain::picture::decode`].
    Bytes(Bytes),
    /// There was one, which is neither in the vault nor in the target any more.
    NotKept,
    /// It could not be had; why, in words.
    Failed(String),
}

/// The picture of before a step, and the one that it brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastFaces {
    /// What was displayed before.
    pub old: PastFace,
    /// What was stored.
    pub new: PastFace,
}

impl Engine {
    /// Both pictures of a step: out of the vault where they are kept, else as the target still has them.
    pub async fn past_faces(&self, past: &PastStep, priority: Priority) -> PastFaces {
        let (old, new) = futures::join!(
            self.past_face(past.old.as_ref(), priority),
            self.past_face(past.new.as_ref(), priority)
        );
        PastFaces { old, new }
    }

    async fn past_face(&self, picture: Option<&PastPicture>, priority: Priority) -> PastFace {
        let Some(picture) = picture else {
            return PastFace::None;
        };
        let mut damaged = None;
        if let Some(sha256) = &picture.sha256 {
            match self.store.vault().get(sha256).await {
                Ok(Some(bytes)) => return PastFace::Bytes(bytes),
                Ok(None) => {}
                Err(error @ StoreError::DamagedCopy(_)) => damaged = Some(error.sentence()),
                Err(error) => return PastFace::Failed(error.sentence()),
            }
        }
        let gone = || damaged.clone().map_or(PastFace::NotKept, PastFace::Failed);
        let Some(id) = &picture.id else {
            return gone();
        };
        match self.target.download(id, priority).await {
            // Another picture under the same id is not the one that was stored.
            Ok(Some(bytes)) if picture.sha256.is_none_or(|sha256| sha256 == Sha256::of(&bytes)) => {
                PastFace::Bytes(bytes)
            }
            Ok(_) => gone(),
            Err(error) => PastFace::Failed(in_words(&error)),
        }
    }
}
