//! What the platform does with pictures itself: thumbnails and a look at the first bytes.

use std::io::Cursor;

use image::imageops::FilterType;
use image::{ImageReader, Limits};
use jiff::{SignedDuration, Timestamp};

use crate::sandbox::world::picture::Picture;

/// Longest side of a thumbnail in pixels.
const THUMBNAIL: u32 = 80;

/// A small JPEG of a picture; `None` if it is none or too large to be decoded. Draws and decodes: hold no lock.
pub fn thumbnail(picture: &Picture) -> Option<Picture> {
    let mut reader = ImageReader::new(Cursor::new(picture.bytes()))
        .with_guessed_format()
        .ok()?;
    let mut limits = Limits::default();
    limits.max_image_width = Some(8_192);
    limits.max_image_height = Some(8_192);
    limits.max_alloc = Some(128 * 1024 * 1024);
    reader.limits(limits);
    let small = reader
        .decode()
        .ok()?
        .resize(THUMBNAIL, THUMBNAIL, FilterType::Triangle)
        .to_rgb8();
    let mut bytes = Vec::new();
    let (width, height) = (
        u16::try_from(small.width()).ok()?,
        u16::try_from(small.height()).ok()?,
    );
    jpeg_encoder::Encoder::new(&mut bytes, 80)
        .encode(&small, width, height, jpeg_encoder::ColorType::Rgb)
        .ok()?;
    Some(Picture::from_bytes(bytes))
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
