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
            Self::Drawn(_) => Bytes::new(),
            Self::Bytes(stored) => stored.bytes.clone(),
        }
    }

    /// Width and height in pixels; `None` if it is no picture.
    pub fn dimensions(&self) -> Option<(u32, u32)> {
        let bytes = self.bytes();
        let reader = image::ImageReader::new(std::io::Cursor::new(&bytes[..]))
            .with_guessed_format()
            .ok()?;
        reader.into_dimensions().ok()
    }

    /// The media type that the bytes say.
    pub fn content_type(&self) -> &'static str {
        match image::guess_format(&self.bytes()) {
            Ok(format) => format.to_mime_type(),
            Err(_) => "application/octet-stream",
        }
    }

    /// The picture scaled to a square; `None` if it cannot be decoded.
    pub fn resized(&self, px: u32) -> Option<Self> {
        let picture = image::load_from_memory(&self.bytes()).ok()?;
        let picture = picture
            .resize_exact(px, px, image::imageops::FilterType::Triangle)
            .to_rgb8();
        let mut bytes = Vec::new();
        let encoder = image::codecs::jpeg::JpegEncoder::new(&mut bytes);
        picture.write_with_encoder(encoder).ok()?;
        Some(Self::from_bytes(bytes))
    }
}
