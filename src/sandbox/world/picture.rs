//! A picture of the world: drawn when asked for, or bytes as they are.

use std::io::Cursor;
use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use image::imageops::FilterType;
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits, RgbImage};

use crate::sandbox::portraits::{self, Portrait};

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

/// The most pixels of a side, and the most memory, that decoding for [`Picture::resized`] may take.
const MOST_PIXELS: u32 = 4096;
const MOST_MEMORY: u64 = 128 * 1024 * 1024;

/// The transparent GIF of one pixel that stands for "no photo" (`entra.md` 1.6, P6).
const SINGLE_PIXEL: &[u8] = b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff\x21\xf9\x04\x01\x00\x00\x00\x00\x2c\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02\x44\x01\x00\x3b";

impl Picture {
    /// Wraps bytes.
    pub fn from_bytes(bytes: impl Into<Bytes>) -> Self {
        use sha2::Digest;
        let bytes = bytes.into();
        let sha256 = sha2::Sha256::digest(&bytes).into();
        Self::Bytes(Arc::new(StoredBytes { bytes, sha256 }))
    }

    /// A GIF of one pixel, 43 bytes: what a service sends instead of no picture. Shared by all who have it.
    pub fn single_pixel() -> Self {
        static SHARED: LazyLock<Picture> = LazyLock::new(|| Picture::from_bytes(SINGLE_PIXEL));
        SHARED.clone()
    }

    /// A company's logo, drawn flat in two colours: what some people take for a photo. Shared by all who have it.
    pub fn logo() -> Self {
        static SHARED: LazyLock<Picture> = LazyLock::new(|| {
            flat(|x, y| {
                let (x, y) = (x.abs_diff(FLAT_SIDE / 2), y.abs_diff(FLAT_SIDE / 2));
                let is_ring = (70 * 70..130 * 130).contains(&(x * x + y * y));
                if is_ring || (x < 20 && y < 130) {
                    [0, 90, 158]
                } else {
                    [240, 240, 240]
                }
            })
        });
        SHARED.clone()
    }

    /// A picture of one colour. Shared by all who have it.
    pub fn blank() -> Self {
        static SHARED: LazyLock<Picture> = LazyLock::new(|| flat(|_, _| [200, 204, 208]));
        SHARED.clone()
    }

    /// The file. Drawing one takes about a millisecond and a half; the latest 48 MiB of drawings are kept.
    pub fn bytes(&self) -> Bytes {
        match self {
            Self::Drawn(portrait) => portrait.bytes(),
            Self::Bytes(stored) => stored.bytes.clone(),
        }
    }

    /// SHA-256 of [`Picture::bytes`], without drawing if such a face was drawn before.
    pub fn sha256(&self) -> [u8; 32] {
        match self {
            Self::Drawn(portrait) => portrait.sha256(),
            Self::Bytes(stored) => stored.sha256,
        }
    }

    /// Length of [`Picture::bytes`] in bytes, without drawing if such a face was drawn before.
    pub fn len(&self) -> u64 {
        match self {
            Self::Drawn(portrait) => portrait.len(),
            Self::Bytes(stored) => stored.bytes.len() as u64,
        }
    }

    /// True for a file of no bytes.
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Drawn(_) => false,
            Self::Bytes(stored) => stored.bytes.is_empty(),
        }
    }

    /// Width and height in pixels as the header states them; nothing is drawn or decoded. `None` if it is no picture.
    pub fn dimensions(&self) -> Option<(u32, u32)> {
        match self {
            Self::Drawn(portrait) => Some(portrait.dimensions()),
            Self::Bytes(stored) => reader(&stored.bytes)?.into_dimensions().ok(),
        }
    }

    /// The media type that the first bytes tell, whatever a file name or a header may claim.
    pub fn content_type(&self) -> &'static str {
        match self {
            Self::Drawn(portrait) => portrait.content_type(),
            Self::Bytes(stored) => media_type(&stored.bytes),
        }
    }

    /// A square rendition of so many pixels, as Graph serves them (`entra.md` 1.2): an upright JPEG, cut from the middle
    /// if the original is not square. The original itself if it has that size; `None` if the original is smaller or
    /// cannot be decoded. Deterministic.
    pub fn resized(&self, size_px: u32) -> Option<Self> {
        match self {
            Self::Drawn(portrait) => portrait.resized(size_px).map(Self::Drawn),
            Self::Bytes(stored) => {
                let (width, height) = self.dimensions()?;
                if size_px == 0 || width.min(height) < size_px || width.max(height) > MOST_PIXELS {
                    return None;
                }
                if (width, height) == (size_px, size_px) {
                    return Some(self.clone());
                }
                let upright = decode(&stored.bytes)?;
                let side = upright.width().min(upright.height());
                let (left, top) = ((upright.width() - side) / 2, (upright.height() - side) / 2);
                let scaled = upright.crop_imm(left, top, side, side).resize_exact(
                    size_px,
                    size_px,
                    FilterType::CatmullRom,
                );
                let side = u16::try_from(size_px).ok()?;
                Some(Self::from_bytes(portraits::jpeg_on_white(
                    &scaled.to_rgba8(),
                    side,
                )))
            }
        }
    }
}

/// Width and height of pictures that are no portraits, in pixels.
const FLAT_SIDE: u32 = 360;

/// A PNG of these colours.
fn flat(colour: impl Fn(u32, u32) -> [u8; 3]) -> Picture {
    let pixels = RgbImage::from_fn(FLAT_SIDE, FLAT_SIDE, |x, y| image::Rgb(colour(x, y)));
    let mut file = Cursor::new(Vec::new());
    pixels
        .write_to(&mut file, ImageFormat::Png)
        .expect("memory does not refuse to be written");
    Picture::from_bytes(file.into_inner())
}

fn reader(bytes: &Bytes) -> Option<ImageReader<Cursor<&[u8]>>> {
    let reader = ImageReader::new(Cursor::new(bytes.as_ref()))
        .with_guessed_format()
        .ok()?;
    reader.format().is_some().then_some(reader)
}

/// The pixels, turned as the EXIF orientation says.
fn decode(bytes: &Bytes) -> Option<DynamicImage> {
    let mut limits = Limits::default();
    limits.max_image_width = Some(MOST_PIXELS);
    limits.max_image_height = Some(MOST_PIXELS);
    limits.max_alloc = Some(MOST_MEMORY);
    let mut reader = reader(bytes)?;
    reader.limits(limits);
    let mut decoder = reader.into_decoder().ok()?;
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let mut image = DynamicImage::from_decoder(decoder).ok()?;
    image.apply_orientation(orientation);
    Some(image)
}

/// The media type of a file by its first bytes (`entra.md` 1.4).
fn media_type(bytes: &[u8]) -> &'static str {
    const PICTURES: [(&[u8], &str); 6] = [
        (b"\xff\xd8\xff", "image/jpeg"),
        (b"\x89PNG\r\n\x1a\n", "image/png"),
        (b"GIF87a", "image/gif"),
        (b"GIF89a", "image/gif"),
        (b"BM", "image/bmp"),
        (b"PK\x03\x04", "application/zip"),
    ];
    if let Some((_, media_type)) = PICTURES.iter().find(|(magic, _)| bytes.starts_with(magic)) {
        return media_type;
    }
    if bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP") {
        return "image/webp";
    }
    match std::str::from_utf8(bytes).map(str::trim_start) {
        Ok(text) if text.starts_with(['{', '[']) => "application/json",
        Ok(text) if text.starts_with("<svg") => "image/svg+xml",
        Ok(text) if text.starts_with('<') => "text/html",
        Ok(text) if !text.is_empty() => "text/plain",
        Ok(_) | Err(_) => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::portraits::Encoding;

    fn stored(portrait: Portrait) -> Picture {
        Picture::from_bytes(portrait.bytes())
    }

    #[test]
    fn a_drawn_picture_answers_like_its_bytes() {
        let drawn = Picture::Drawn(Portrait::new(9, 9).with_width(120));
        let stored = Picture::from_bytes(drawn.bytes());
        assert_eq!(drawn.sha256(), stored.sha256());
        assert_eq!(drawn.len(), stored.len());
        assert_eq!(drawn.dimensions(), stored.dimensions());
        assert_eq!(drawn.content_type(), stored.content_type());
    }

    #[test]
    fn the_media_type_comes_from_the_first_bytes() {
        let cases: [(&[u8], &str); 10] = [
            (b"\xff\xd8\xff\xe0rest", "image/jpeg"),
            (b"\x89PNG\r\n\x1a\nrest", "image/png"),
            (SINGLE_PIXEL, "image/gif"),
            (b"RIFF\0\0\0\0WEBPVP8 ", "image/webp"),
            (b"BM....", "image/bmp"),
            (b"  {\"error\":1}", "application/json"),
            (b"<!DOCTYPE html><html>", "text/html"),
            (b"not found", "text/plain"),
            (b"\x00\x01\xfe", "application/octet-stream"),
            (b"", "application/octet-stream"),
        ];
        for (bytes, expected) in cases {
            assert_eq!(Picture::from_bytes(bytes).content_type(), expected, "{bytes:?}");
        }
    }

    #[test]
    fn sizes_up_to_the_original_exist_and_larger_ones_do_not() {
        for picture in [
            Picture::Drawn(Portrait::new(1, 1).with_width(240)),
            stored(Portrait::new(1, 1).with_width(240)),
        ] {
            assert_eq!(picture.resized(360), None);
            assert_eq!(picture.resized(0), None);
            assert_eq!(
                picture.resized(240).as_ref(),
                Some(&picture),
                "the original is served as it is"
            );
            let small = picture.resized(48).expect("smaller than the original");
            assert_eq!(small.dimensions(), Some((48, 48)));
            assert_eq!(small.content_type(), "image/jpeg");
            assert_eq!(small, picture.resized(48).expect("the same again"));
        }
    }

    #[test]
    fn a_tall_original_is_cut_to_a_square_and_a_turned_one_stood_upright() {
        let tall = stored(Portrait::new(1, 1).with_width(120).tall());
        assert_eq!(tall.dimensions(), Some((120, 160)));
        assert_eq!(
            tall.resized(96).and_then(|small| small.dimensions()),
            Some((96, 96))
        );

        let turned = stored(
            Portrait::new(1, 2)
                .with_width(120)
                .with_encoding(Encoding::JpegTurned),
        );
        let upright = stored(Portrait::new(1, 2).with_width(120));
        let pixels = |picture: &Picture| {
            let small = picture.resized(48).expect("smaller than the original").bytes();
            image::load_from_memory_with_format(&small, ImageFormat::Jpeg)
                .expect("we made it")
                .to_luma8()
                .into_raw()
        };
        let apart: u64 = pixels(&turned)
            .iter()
            .zip(pixels(&upright))
            .map(|(turned, upright)| u64::from(turned.abs_diff(upright)))
            .sum();
        assert!(apart / (48 * 48) < 6, "mean difference {}", apart / (48 * 48));
    }

    #[test]
    fn what_is_no_picture_has_no_dimensions_and_no_sizes() {
        for bytes in [&b"{\"error\":{}}"[..], b"", b"\xff\xd8\xff", b"BM"] {
            let picture = Picture::from_bytes(bytes);
            assert_eq!(picture.dimensions(), None, "{bytes:?}");
            assert_eq!(picture.resized(48), None, "{bytes:?}");
        }
    }

    #[test]
    fn the_single_pixel_is_one() {
        assert_eq!(Picture::single_pixel().dimensions(), Some((1, 1)));
        assert_eq!(Picture::single_pixel().len(), 43);
        image::load_from_memory(SINGLE_PIXEL).expect("a whole GIF");
    }

    #[test]
    fn a_picture_of_the_world_is_two_words() {
        assert_eq!(
            size_of::<Picture>(),
            16,
            "300,000 people have half a million of them"
        );
    }
}
