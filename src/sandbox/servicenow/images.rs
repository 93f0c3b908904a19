//! What the platform does with pictures itself: thumbnails and a look at the first bytes.

use jiff::{SignedDuration, Timestamp};

use crate::sandbox::world::picture::Picture;

/// Side of a thumbnail in pixels.
const THUMBNAIL: u32 = 80;

/// A small version of a picture, or the picture itself if it is small already; `None` if it is none. Draws and decodes:
/// hold no lock.
pub fn thumbnail(picture: &Picture) -> Option<Picture> {
    let (width, height) = picture.dimensions()?;
    if width.min(height) < THUMBNAIL {
        return Some(picture.clone());
    }
    picture.resized(THUMBNAIL)
}

/// Whether a declared media type fits extension and content (E26).
pub fn fits(content_type: &str, extension: &str, content: &[u8]) -> bool {
    let declared = content_type
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    let is_jpeg = |name: &str| matches!(name, "image/jpeg" | "image/jpg" | "image/pjpeg");
    let by_bytes = match content {
        [0xff, 0xd8, 0xff, ..] => Some("image/jpeg"),
        [0x89, b'P', b'N', b'G', ..] => Some("image/png"),
        [b'G', b'I', b'F', b'8', ..] => Some("image/gif"),
        _ => None,
    };
    let by_extension = match extension.to_ascii_lowercase().as_str() {
        "jpg" | "jpeg" => Some("image/jpeg"),
        "png" => Some("image/png"),
        "gif" => Some("image/gif"),
        _ => None,
    };
    let agrees = |found: Option<&str>| {
        found.is_none_or(|found| declared == found || (is_jpeg(&declared) && is_jpeg(found)))
    };
    let claims_a_picture = declared.starts_with("image/");
    agrees(by_bytes) && agrees(by_extension) && !(claims_a_picture && by_bytes.is_none())
}

/// A moment some milliseconds later.
pub fn after(moment: Timestamp, milliseconds: u32) -> Timestamp {
    moment
        .checked_add(SignedDuration::from_millis(milliseconds.into()))
        .unwrap_or(Timestamp::MAX)
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}
