//! A picture of the world: drawn when asked for, or bytes as they are.

use std::sync::Arc;

use bytes::Bytes;

use crate::sandbox::portraits::Portrait;

/// A picture stored on either side. Cheap to clone and small to keep: drawn ones are only a recipe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Picture {
    /// Drawn from a recipe whenever somebody asks; the same recipe always gives the same bytes.
    Drawn(Portrait),
    /// Bytes from a file, an upload, or a deliberately broken one.
    Bytes(Arc<StoredBytes>),
}

/// Bytes with their SHA-256.
#[derive(Debug, PartialEq, Eq)]
pub struct StoredBytes {
    /// The content.
    pub bytes: Bytes,
    /// SHA-256 of the content.
    pub sha256: [u8; 32],
}

impl Picture {
    /// Wraps bytes.
    pub fn from_bytes(bytes: impl Into<Bytes>) -> Self {
        use sha2::Digest;
        let bytes = bytes.into();
        let sha256 = sha2::Sha256::digest(&bytes).into();
        Self::Bytes(Arc::new(StoredBytes { bytes, sha256 }))
    }
}
