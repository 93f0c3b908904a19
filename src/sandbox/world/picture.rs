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

    /// The content.
    pub fn bytes(&self) -> Bytes {
        match self {
            Self::Drawn(portrait) => Bytes::from(format!("portrait {}", portrait.seed)),
            Self::Bytes(stored) => stored.bytes.clone(),
        }
    }

    /// SHA-256 of the content.
    pub fn sha256(&self) -> [u8; 32] {
        use sha2::Digest;
        match self {
            Self::Drawn(_) => sha2::Sha256::digest(self.bytes()).into(),
            Self::Bytes(stored) => stored.sha256,
        }
    }

    /// Size of the content in bytes.
    #[expect(
        clippy::len_without_is_empty,
        reason = "a size in bytes, not a count of items"
    )]
    pub fn len(&self) -> u64 {
        self.bytes().len() as u64
    }

    /// Media type its bytes say.
    pub fn content_type(&self) -> &'static str {
        match self.bytes().get(..3) {
            Some([0xff, 0xd8, _]) => "image/jpeg",
            Some([0x89, b'P', b'N']) => "image/png",
            Some([b'G', b'I', b'F']) => "image/gif",
            _ => "application/octet-stream",
        }
    }
}
