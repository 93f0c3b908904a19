//! The gate for picture bytes: nothing remote is trusted until it has passed here.
//!
//! Limits come before decoding (`reliability.md` F3): bytes, type from the bytes, dimensions, memory. What passes has
//! [`PictureFacts`]; what does not has a [`PictureProblem`] in words. Decoding is slow (milliseconds) and a decoder may
//! panic, so callers run this off the screen's thread; [`examine`] itself turns a decoder's panic into a problem.

use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};

use fast_image_resize::images::Image;
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits, RgbImage};
use image_hasher::{HashAlg, HasherConfig};
use serde::{Deserialize, Serialize};

use super::photo::Sha256;

/// The most bytes a picture may have.
pub const BYTE_LIMIT: usize = 20 * 1024 * 1024;
/// The most pixels a picture may have on either side.
pub const SIDE_LIMIT: u32 = 4096;
/// The most memory a decoder may take, in bytes.
const MEMORY_LIMIT: u64 = 64 * 1024 * 1024 + 16 * 1024 * 1024;
/// Anything shorter is no picture of a person (`entra.md` 1.4), apart from the 1×1 placeholder.
const SHORTEST: usize = 64;
/// How many of 64 bits may differ in two renditions of one picture (`reliability.md` F6, which says 5).
///
/// Told from drawn portraits; their tests show it again with fewer (`sandbox/portraits/tests/perception.rs`). Of 1,440 renditions
/// (JPEG from quality 40 on, PNG, 48 to 648 pixels, four colours, turned by EXIF, half a percent cut off, enlarged from
/// 96 pixels) the farthest is 7 bits and 12 of 255 in colour away from its picture. Of the 8,386,560 pairs of 4,096
/// different faces those within 12 bits are at least 27 apart in colour. Bits alone tell nothing: plain walls leave many
/// of them to chance, and two of these pairs have none between them.
pub const SAME_PICTURE_BITS: u32 = 10;
/// How far apart in colour two renditions of one picture may be, of 255; see [`Fingerprint::colour_distance`].
pub const SAME_PICTURE_COLOUR: u32 = 20;

/// As many different colours as are counted.
pub const MANY_SHADES: u8 = 16;
/// The share of a picture, in percent, that its counted colours have to cover: edges are of colours in between.
const SHADES_COVER: u32 = 95;
/// How far apart two shades are taken for one, of 32 steps a part: wider than what compressing does to a flat colour.
const SHADE_STEPS: usize = 2;

/// The picture formats that are understood, told from the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PictureFormat {
    /// JPEG.
    Jpeg,
    /// PNG.
    Png,
    /// GIF; the first frame counts.
    Gif,
    /// WebP.
    Webp,
    /// BMP.
    Bmp,
}

impl PictureFormat {
    /// Tells the format from the first bytes (`entra.md` 1.4).
    pub fn sniff(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [0xff, 0xd8, 0xff, ..] => Some(Self::Jpeg),
            [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some(Self::Png),
            [b'G', b'I', b'F', b'8', ..] => Some(Self::Gif),
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some(Self::Webp),
            [b'B', b'M', ..] => Some(Self::Bmp),
            _ => None,
        }
    }

    /// The media type.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Jpeg => "image/jpeg",
            Self::Png => "image/png",
            Self::Gif => "image/gif",
            Self::Webp => "image/webp",
            Self::Bmp => "image/bmp",
        }
    }

    /// The name for captions.
    pub fn name(self) -> &'static str {
        match self {
            Self::Jpeg => "JPEG",
            Self::Png => "PNG",
            Self::Gif => "GIF",
            Self::Webp => "WebP",
            Self::Bmp => "BMP",
        }
    }

    fn decoder_format(self) -> ImageFormat {
        match self {
            Self::Jpeg => ImageFormat::Jpeg,
            Self::Png => ImageFormat::Png,
            Self::Gif => ImageFormat::Gif,
            Self::Webp => ImageFormat::WebP,
            Self::Bmp => ImageFormat::Bmp,
        }
    }
}

/// What a picture looks like, in 64 bits and a small grid of colours: survives re-encoding and resizing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Fingerprint {
    /// Gradient hash of the brightness.
    pub bits: u64,
    /// Mean red, green and blue of 4 × 4 fields, row by row.
    pub colours: [[u8; 3]; 16],
    /// How many different colours make up nearly all of it, counting up to [`MANY_SHADES`]: 1 is a blank picture, a
    /// handful a drawing such as a logo, a photograph has many.
    pub shades: u8,
}

impl Fingerprint {
    /// How many of the 64 bits differ.
    pub fn distance(&self, other: &Self) -> u32 {
        (self.bits ^ other.bits).count_ones()
    }

    /// True if both are renditions of one picture.
    ///
    /// Bits alone would call two people before the same wall, in different clothes, one picture; so the colours have
    /// to agree as well.
    pub fn is_same_picture(&self, other: &Self) -> bool {
        self.distance(other) <= SAME_PICTURE_BITS && self.colour_distance(other) <= SAME_PICTURE_COLOUR
    }

    /// How alike two pictures look, in percent: 100 for renditions without any difference, 0 for what has nothing in
    /// common. Two renditions of one picture reach at least 69.
    ///
    /// The worse of two figures: bits, of which half differ by chance between any two pictures, and colours.
    pub fn likeness(&self, other: &Self) -> u32 {
        /// So many bits differ between any two pictures.
        const CHANCE: u32 = 32;
        /// Colours this far apart have nothing in common.
        const OTHER_COLOURS: u32 = 64;
        let share = |distance: u32, most: u32| 100 - 100 * distance.min(most) / most;
        share(self.distance(other), CHANCE).min(share(self.colour_distance(other), OTHER_COLOURS))
    }

    /// How far apart the colours are, of 255: the channel of a field that is farthest apart, or five times the mean of
    /// all where that is more.
    ///
    /// Another tie before the same wall is another picture, and a tie is one field of sixteen; another wall of nearly the
    /// same colour is another picture too, and differs a little everywhere.
    pub fn colour_distance(&self, other: &Self) -> u32 {
        let fields = self.colours.iter().flatten().zip(other.colours.iter().flatten());
        let (mut most, mut sum) = (0, 0);
        for (one, other) in fields {
            let apart = u32::from(one.abs_diff(*other));
            most = most.max(apart);
            sum += apart;
        }
        most.max(5 * sum / 48)
    }
}

/// What is known about a picture whose bytes have passed the gate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PictureFacts {
    /// SHA-256 of the bytes.
    pub sha256: Sha256,
    /// Size in bytes.
    pub bytes: u64,
    /// Format, told from the bytes.
    pub format: PictureFormat,
    /// Pixels, after turning by EXIF orientation.
    pub width: u32,
    /// Pixels, after turning by EXIF orientation.
    pub height: u32,
    /// What it looks like.
    pub fingerprint: Fingerprint,
}

/// Why bytes are not a usable picture. Displays as the end of a sentence: "the photo …".
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum PictureProblem {
    /// Nothing there.
    #[error("is empty")]
    Empty,
    /// Not a picture format that is understood.
    #[error("is not a picture but {looks_like}")]
    NotAPicture {
        /// What it looks like: "an HTML page", "JSON", "text", "unknown data".
        looks_like: String,
    },
    /// More bytes than we take.
    #[error("has {bytes} bytes; the limit is {BYTE_LIMIT}")]
    TooManyBytes {
        /// Its size.
        bytes: u64,
    },
    /// Sound, but more bytes than the target takes, in the smallest form that we make.
    #[error("has {bytes} bytes when scaled down; no more than {limit} can be stored")]
    AboveTargetLimit {
        /// Its size in that form.
        bytes: u64,
        /// What the target takes.
        limit: u64,
    },
    /// Wider or higher than we decode.
    #[error("is {width}×{height} pixels; the limit is {SIDE_LIMIT}×{SIDE_LIMIT}")]
    TooManyPixels {
        /// Pixels.
        width: u32,
        /// Pixels.
        height: u32,
    },
    /// A single pixel: what the source serves for "no photo" (`entra.md` 1.6 P6).
    #[error("is a 1×1 placeholder")]
    Placeholder,
    /// Cut off.
    #[error("is cut off before its end")]
    Truncated,
    /// Cannot be decoded.
    #[error("cannot be decoded ({0})")]
    Broken(String),
}

/// Checks bytes and says what they show.
pub fn examine(bytes: &[u8]) -> Result<PictureFacts, PictureProblem> {
    let format = check_outside(bytes)?;
    let picture = decode_checked(bytes, format)?;
    Ok(PictureFacts {
        sha256: Sha256::of(bytes),
        bytes: bytes.len() as u64,
        format,
        width: picture.width(),
        height: picture.height(),
        fingerprint: guarded(|| fingerprint(&picture))??,
    })
}

/// Decodes a picture for drawing: turned upright, first frame, transparency kept.
pub fn decode(bytes: &[u8]) -> Result<DynamicImage, PictureProblem> {
    let format = check_outside(bytes)?;
    decode_checked(bytes, format)
}

/// A picture in the form in which it is uploaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prepared {
    /// The bytes.
    pub bytes: bytes::Bytes,
    /// The true media type.
    pub content_type: &'static str,
    /// True if the bytes are the source's own.
    pub is_original: bool,
}

/// Names the rules of [`prepare`]; remembered hashes of prepared pictures are only good for the same version.
pub const PREPARE_VERSION: u32 = 1;

/// Puts a picture that has passed [`examine`] into the form that the target takes: JPEG and PNG as they are, anything
/// else, and what is larger than `limit` bytes, as a JPEG of at most `side` pixels without any metadata
/// (`reliability.md` F4, F8; `servicenow.md` 3.4).
pub fn prepare(
    bytes: &bytes::Bytes,
    format: PictureFormat,
    limit: u64,
    side: u32,
) -> Result<Prepared, PictureProblem> {
    let is_fit = matches!(format, PictureFormat::Jpeg | PictureFormat::Png) && bytes.len() as u64 <= limit;
    if is_fit {
        return Ok(Prepared {
            bytes: bytes.clone(),
            content_type: format.media_type(),
            is_original: true,
        });
    }
    let picture = decode_checked(bytes, format)?;
    let encoded = guarded(|| rendition(&picture, side, 90))??.bytes;
    if encoded.len() as u64 > limit {
        return Err(PictureProblem::AboveTargetLimit {
            bytes: encoded.len() as u64,
            limit,
        });
    }
    Ok(Prepared {
        bytes: encoded,
        content_type: "image/jpeg",
        is_original: false,
    })
}

/// A picture drawn anew: a JPEG of our own making, without anything that its source may have hidden in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendition {
    /// The JPEG.
    pub bytes: bytes::Bytes,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
}

/// Draws a picture anew, with at most `side` pixels on either side; a smaller one keeps its size.
pub fn thumbnail(bytes: &[u8], side: u32) -> Result<Rendition, PictureProblem> {
    let picture = decode(bytes)?;
    guarded(|| rendition(&picture, side, 85))?
}

fn rendition(picture: &DynamicImage, side: u32, quality: u8) -> Result<Rendition, PictureProblem> {
    let flat = flatten(picture);
    let flat = if flat.width().max(flat.height()) > side {
        scale_to_fit(&flat, side)?
    } else {
        flat
    };
    let (width, height) = (flat.width(), flat.height());
    let mut encoded = Vec::new();
    jpeg_encoder::Encoder::new(&mut encoded, quality)
        .encode(
            flat.as_raw(),
            side_u16(width)?,
            side_u16(height)?,
            jpeg_encoder::ColorType::Rgb,
        )
        .map_err(|error| PictureProblem::Broken(error.to_string()))?;
    Ok(Rendition {
        bytes: encoded.into(),
        width,
        height,
    })
}

fn side_u16(side: u32) -> Result<u16, PictureProblem> {
    u16::try_from(side).map_err(|_| PictureProblem::TooManyPixels {
        width: side,
        height: side,
    })
}

/// Everything that can be told without decoding.
fn check_outside(bytes: &[u8]) -> Result<PictureFormat, PictureProblem> {
    if bytes.is_empty() {
        return Err(PictureProblem::Empty);
    }
    if bytes.len() > BYTE_LIMIT {
        return Err(PictureProblem::TooManyBytes {
            bytes: bytes.len() as u64,
        });
    }
    let Some(format) = PictureFormat::sniff(bytes) else {
        return Err(PictureProblem::NotAPicture {
            looks_like: looks_like(bytes).into(),
        });
    };
    if format == PictureFormat::Jpeg && !ends_like_a_jpeg(bytes) {
        return Err(PictureProblem::Truncated);
    }
    Ok(format)
}

/// Decoders fill up what is missing with grey; the end marker tells. Trailing padding is tolerated.
fn ends_like_a_jpeg(bytes: &[u8]) -> bool {
    let tail = &bytes[bytes.len().saturating_sub(1024)..];
    tail.windows(2).any(|pair| pair == [0xff, 0xd9])
}

fn looks_like(bytes: &[u8]) -> &'static str {
    let start = bytes[..bytes.len().min(512)].trim_ascii_start();
    if start.starts_with(b"{") || start.starts_with(b"[") {
        "JSON"
    } else if start.starts_with(b"<") {
        "an HTML or XML page"
    } else if start.starts_with(b"PK\x03\x04") {
        "a ZIP archive"
    } else if start.starts_with(b"%PDF") {
        "a PDF document"
    } else if std::str::from_utf8(start).is_ok_and(|text| !text.contains('\0')) {
        "text"
    } else {
        "unknown data"
    }
}

fn decode_checked(bytes: &[u8], format: PictureFormat) -> Result<DynamicImage, PictureProblem> {
    guarded(|| {
        let mut reader = ImageReader::with_format(Cursor::new(bytes), format.decoder_format());
        reader.limits(Limits::no_limits());
        let mut decoder = reader.into_decoder().map_err(|error| problem_of(&error))?;
        let (width, height) = decoder.dimensions();
        if (width, height) == (1, 1) {
            return Err(PictureProblem::Placeholder);
        }
        if bytes.len() < SHORTEST || width == 0 || height == 0 {
            return Err(PictureProblem::Broken("too small to be a picture".into()));
        }
        if width > SIDE_LIMIT || height > SIDE_LIMIT {
            return Err(PictureProblem::TooManyPixels { width, height });
        }
        let mut limits = Limits::default();
        limits.max_image_width = Some(SIDE_LIMIT);
        limits.max_image_height = Some(SIDE_LIMIT);
        limits.max_alloc = Some(MEMORY_LIMIT);
        decoder.set_limits(limits).map_err(|error| problem_of(&error))?;
        let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
        let mut picture = DynamicImage::from_decoder(decoder).map_err(|error| problem_of(&error))?;
        picture.apply_orientation(orientation);
        Ok(picture)
    })?
}

fn problem_of(error: &image::ImageError) -> PictureProblem {
    match error {
        image::ImageError::IoError(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            PictureProblem::Truncated
        }
        error => PictureProblem::Broken(super::text::clean(&error.to_string()).into_owned()),
    }
}

/// A decoder's panic is a broken picture, not the end of a run (`reliability.md` F9).
fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, PictureProblem> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|_| PictureProblem::Broken("the decoder gave up".into()))
}

fn fingerprint(picture: &DynamicImage) -> Result<Fingerprint, PictureProblem> {
    const THUMBNAIL: u32 = 96;
    let thumbnail = scale(&flatten(picture), THUMBNAIL, THUMBNAIL)?;
    let hasher = HasherConfig::new()
        .hash_alg(HashAlg::Gradient)
        .hash_size(8, 8)
        .to_hasher();
    let hash = hasher.hash_image(&DynamicImage::ImageRgb8(thumbnail.clone()));
    let mut bits = [0; 8];
    for (bit, byte) in bits.iter_mut().zip(hash.as_bytes()) {
        *bit = *byte;
    }
    let grid = scale(&thumbnail, 4, 4)?;
    let mut colours = [[0; 3]; 16];
    for (colour, pixel) in colours.iter_mut().zip(grid.pixels()) {
        *colour = pixel.0;
    }
    Ok(Fingerprint {
        bits: u64::from_be_bytes(bits),
        colours,
        shades: shades(&thumbnail),
    })
}

/// How many colours cover nearly all of a picture: the commonest first, each with its like.
fn shades(picture: &RgbImage) -> u8 {
    const BITS: u32 = 5;
    let mut counts = vec![0_u32; 1 << (3 * BITS)];
    for pixel in picture.pixels() {
        let place = pixel.0.iter().fold(0, |place, channel| {
            place << BITS | usize::from(channel >> (8 - BITS))
        });
        counts[place] += 1;
    }
    let channels = |place: usize| [2, 1, 0].map(|channel| place >> (channel * BITS) & ((1 << BITS) - 1));
    let mut colours: Vec<([usize; 3], u32)> = counts
        .into_iter()
        .enumerate()
        .filter(|(_, count)| *count > 0)
        .map(|(place, count)| (channels(place), count))
        .collect();
    let all: u32 = colours.iter().map(|(_, count)| count).sum();
    let mut left = all;
    let mut shades = 0;
    while left * 100 > all * (100 - SHADES_COVER) && shades < MANY_SHADES {
        let Some((commonest, _)) = colours.iter().max_by_key(|(_, count)| *count).copied() else {
            break;
        };
        colours.retain(|(colour, count)| {
            let is_like = colour
                .iter()
                .zip(commonest)
                .all(|(one, other)| one.abs_diff(other) <= SHADE_STEPS);
            if is_like {
                left -= count;
            }
            !is_like
        });
        shades += 1;
    }
    shades
}

/// Onto white, eight bits a channel.
fn flatten(picture: &DynamicImage) -> RgbImage {
    if !picture.color().has_alpha() {
        return picture.to_rgb8();
    }
    let source = picture.to_rgba8();
    RgbImage::from_fn(source.width(), source.height(), |x, y| {
        let [red, green, blue, alpha] = source.get_pixel(x, y).0;
        let over_white = |channel: u8| {
            let alpha = u32::from(alpha);
            ((u32::from(channel) * alpha + 255 * (255 - alpha)) / 255) as u8
        };
        image::Rgb([over_white(red), over_white(green), over_white(blue)])
    })
}

fn scale_to_fit(picture: &RgbImage, side: u32) -> Result<RgbImage, PictureProblem> {
    let longest = picture.width().max(picture.height());
    let fit = |length: u32| (u64::from(length) * u64::from(side) / u64::from(longest)).max(1) as u32;
    scale(picture, fit(picture.width()), fit(picture.height()))
}

fn scale(picture: &RgbImage, width: u32, height: u32) -> Result<RgbImage, PictureProblem> {
    let broken = |error: &dyn std::fmt::Display| PictureProblem::Broken(error.to_string());
    let source = fast_image_resize::images::ImageRef::new(
        picture.width(),
        picture.height(),
        picture.as_raw(),
        PixelType::U8x3,
    )
    .map_err(|error| broken(&error))?;
    let mut scaled = Image::new(width, height, PixelType::U8x3);
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Box));
    Resizer::new()
        .resize(&source, &mut scaled, &options)
        .map_err(|error| broken(&error))?;
    RgbImage::from_raw(width, height, scaled.into_vec())
        .ok_or_else(|| PictureProblem::Broken("scaling went wrong".into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gradient(width: u32, height: u32, tint: u8) -> DynamicImage {
        DynamicImage::ImageRgb8(RgbImage::from_fn(width, height, |x, y| {
            image::Rgb([(x * 255 / width) as u8, ((x * y) % 251) as u8, tint])
        }))
    }

    fn encoded(picture: &DynamicImage, format: ImageFormat) -> Vec<u8> {
        let mut bytes = Vec::new();
        picture
            .write_to(&mut Cursor::new(&mut bytes), format)
            .expect("encodes into memory");
        bytes
    }

    #[test]
    fn every_understood_format_is_told_from_its_bytes() {
        let picture = gradient(64, 48, 80);
        let cases = [
            (ImageFormat::Jpeg, PictureFormat::Jpeg),
            (ImageFormat::Png, PictureFormat::Png),
            (ImageFormat::Gif, PictureFormat::Gif),
            (ImageFormat::WebP, PictureFormat::Webp),
            (ImageFormat::Bmp, PictureFormat::Bmp),
        ];
        let count = cases.len();
        for (format, expected) in cases {
            let facts = examine(&encoded(&picture, format)).expect("a sound picture");
            assert_eq!((facts.format, facts.width, facts.height), (expected, 64, 48));
        }
        crate::tried("F4", count);
    }

    #[test]
    fn things_that_are_no_pictures_are_named() {
        let cases = [
            (&b"{\"error\":{}}"[..], "is not a picture but JSON"),
            (b"  <html>", "is not a picture but an HTML or XML page"),
            (b"PK\x03\x04....", "is not a picture but a ZIP archive"),
            (b"hello", "is not a picture but text"),
            (b"", "is empty"),
        ];
        let count = cases.len();
        for (bytes, expected) in cases {
            assert_eq!(examine(bytes).expect_err("no picture").to_string(), expected);
        }
        crate::tried("F2", count);
    }

    #[test]
    fn a_cut_picture_is_never_taken_for_a_whole_one() {
        let picture = gradient(200, 200, 7);
        for format in [
            ImageFormat::Jpeg,
            ImageFormat::Png,
            ImageFormat::Gif,
            ImageFormat::WebP,
        ] {
            let bytes = encoded(&picture, format);
            for cut in [bytes.len() / 2, bytes.len() * 9 / 10] {
                let found = examine(&bytes[..cut]);
                assert!(found.is_err(), "{format:?} cut at {cut}: {found:?}");
            }
        }
        crate::tried("F1", 8);
    }

    #[test]
    fn a_single_pixel_is_a_placeholder() {
        let bytes = encoded(&gradient(1, 1, 0), ImageFormat::Gif);
        assert_eq!(examine(&bytes), Err(PictureProblem::Placeholder));
        crate::tried("F5", 1);
    }

    #[test]
    fn a_picture_that_would_not_fit_is_refused_before_it_is_decoded() {
        // A PNG header that claims 20,000 × 20,000 pixels, with nothing behind it.
        let mut bytes = encoded(&gradient(64, 64, 1), ImageFormat::Bmp);
        bytes[18..22].copy_from_slice(&20_000_u32.to_le_bytes());
        bytes[22..26].copy_from_slice(&20_000_u32.to_le_bytes());
        let found = examine(&bytes);
        assert!(
            matches!(
                found,
                Err(PictureProblem::TooManyPixels { .. } | PictureProblem::Broken(_))
            ),
            "{found:?}"
        );
    }

    #[test]
    fn re_encoding_and_resizing_keep_a_picture_the_same() {
        let original = gradient(360, 360, 90);
        let first = examine(&encoded(&original, ImageFormat::Png))
            .expect("sound")
            .fingerprint;
        let smaller = original.resize(120, 120, image::imageops::FilterType::Lanczos3);
        let cases = [
            encoded(&original, ImageFormat::Jpeg),
            encoded(&smaller, ImageFormat::Jpeg),
        ];
        let count = cases.len();
        for again in cases {
            let second = examine(&again).expect("sound").fingerprint;
            assert!(first.is_same_picture(&second), "{} bits", first.distance(&second));
        }
        crate::tried("F6", count);
    }

    #[test]
    fn the_same_shapes_in_other_colours_are_another_picture() {
        let one = examine(&encoded(&gradient(200, 200, 10), ImageFormat::Png))
            .expect("sound")
            .fingerprint;
        let other = examine(&encoded(&gradient(200, 200, 200), ImageFormat::Png))
            .expect("sound")
            .fingerprint;
        assert!(!one.is_same_picture(&other));
    }

    #[test]
    fn blank_pictures_and_drawings_have_few_shades_whatever_the_encoder_did_to_them() {
        let drawn = |colour: fn(u32, u32) -> [u8; 3]| {
            DynamicImage::ImageRgb8(RgbImage::from_fn(300, 300, |x, y| image::Rgb(colour(x, y))))
        };
        let blank = drawn(|_, _| [127, 128, 63]);
        let silhouette = drawn(|x, y| {
            let (x, y) = (x.abs_diff(150), y.abs_diff(150));
            if x * x + y * y < 100 * 100 {
                [90, 90, 200]
            } else {
                [240, 240, 240]
            }
        });
        for (picture, shades) in [
            (&blank, 1),
            (&silhouette, 2),
            (&gradient(300, 300, 8), MANY_SHADES),
        ] {
            for format in [ImageFormat::Jpeg, ImageFormat::Png] {
                let facts = examine(&encoded(picture, format)).expect("sound");
                assert_eq!(facts.fingerprint.shades, shades, "{format:?}");
            }
        }
    }

    #[test]
    fn jpeg_and_png_are_uploaded_as_they_are_and_others_converted() {
        let picture = gradient(300, 200, 4);
        let jpeg = bytes::Bytes::from(encoded(&picture, ImageFormat::Jpeg));
        let kept = prepare(&jpeg, PictureFormat::Jpeg, 1 << 20, 360).expect("fits");
        assert_eq!((kept.bytes, kept.is_original), (jpeg, true));
        let bmp = bytes::Bytes::from(encoded(&picture, ImageFormat::Bmp));
        let converted = prepare(&bmp, PictureFormat::Bmp, 1 << 20, 360).expect("fits");
        assert_eq!(
            (converted.content_type, converted.is_original),
            ("image/jpeg", false)
        );
        assert_eq!(examine(&converted.bytes).expect("sound").width, 300);
        crate::tried("F4", 2);
    }

    #[test]
    fn a_thumbnail_is_a_small_jpeg_of_the_same_picture_and_nothing_is_enlarged() {
        let large = encoded(&gradient(600, 300, 9), ImageFormat::Png);
        let small = thumbnail(&large, 128).expect("sound");
        assert_eq!((small.width, small.height), (128, 64));
        let (before, after) = (
            examine(&large).expect("sound"),
            examine(&small.bytes).expect("sound"),
        );
        assert_eq!((after.format, after.width), (PictureFormat::Jpeg, 128));
        assert!(before.fingerprint.is_same_picture(&after.fingerprint));
        let tiny = thumbnail(&encoded(&gradient(40, 30, 9), ImageFormat::Png), 128).expect("sound");
        assert_eq!((tiny.width, tiny.height), (40, 30));
        assert!(thumbnail(b"<svg onload='alert(1)'/>", 128).is_err());
    }

    #[test]
    fn a_picture_over_the_targets_limit_is_scaled_down() {
        let png = bytes::Bytes::from(encoded(&gradient(2000, 1000, 9), ImageFormat::Png));
        let prepared =
            prepare(&png, PictureFormat::Png, png.len() as u64 - 1, 360).expect("fits after scaling");
        let facts = examine(&prepared.bytes).expect("sound");
        assert_eq!((facts.width, facts.height), (360, 180));
        crate::tried("F8", 1);
    }
}
