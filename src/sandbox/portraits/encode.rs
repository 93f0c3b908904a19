//! Pixels into files, in every form a person's photo comes in.
//!
//! A file is made in two pieces: everything up to the place of a comment near its end, and the tail with that
//! comment, which is cheap to make for each person.

use bytes::Bytes;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder};
use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
use tiny_skia::Pixmap;

use super::Encoding;

/// The quality of ordinary JPEG files; about 12 KB for a drawn face of 360 pixels.
pub(crate) const QUALITY: u8 = 88;
const LOW_QUALITY: u8 = 58;

const END_OF_IMAGE: [u8; 2] = [0xff, 0xd9];
/// An `IEND` chunk: no data, and its fixed checksum.
const IMAGE_END: [u8; 12] = [0, 0, 0, 0, b'I', b'E', b'N', b'D', 0xae, 0x42, 0x60, 0x82];

/// The file without its tail.
pub(super) fn encode(pixels: &Pixmap, encoding: Encoding) -> Bytes {
    let (width, height) = (pixels.width() as u16, pixels.height() as u16);
    let rgba = pixels.data();
    let ended = match encoding {
        Encoding::Jpeg => jpeg(rgba, width, height, ColorType::Rgba, |_| {}),
        Encoding::JpegLow => jpeg(rgba, width, height, ColorType::Rgba, |encoder| {
            encoder.set_quality(LOW_QUALITY);
        }),
        Encoding::JpegProgressive => jpeg(rgba, width, height, ColorType::Rgba, |encoder| {
            encoder.set_progressive(true);
        }),
        // Colour at full size: decoders disagree about four colours of which one is larger than the others.
        Encoding::JpegCmyk => jpeg(&cmyk(rgba), width, height, ColorType::Cmyk, |encoder| {
            encoder.set_sampling_factor(SamplingFactor::F_1_1);
        }),
        Encoding::JpegTurned => {
            let turned = turned_left(rgba, usize::from(width), usize::from(height));
            jpeg(&turned, height, width, ColorType::Rgba, |encoder| {
                encoder
                    .add_exif_metadata(&ORIENTATION_6)
                    .expect("26 bytes fit into a segment");
            })
        }
        Encoding::JpegTruncated => {
            let mut cut = jpeg(rgba, width, height, ColorType::Rgba, |_| {});
            cut.truncate(cut.len() * 11 / 20);
            return exact(cut);
        }
        Encoding::Png => png(&rgb(rgba), width, height, ExtendedColorType::Rgb8),
        Encoding::Png16 => {
            let deep: Vec<u8> = rgb(rgba)
                .iter()
                .flat_map(|channel| (u16::from(*channel) * 257).to_ne_bytes())
                .collect();
            png(&deep, width, height, ExtendedColorType::Rgb16)
        }
    };
    let end = match encoding {
        Encoding::Png | Encoding::Png16 => IMAGE_END.len(),
        _ => END_OF_IMAGE.len(),
    };
    let mut prefix = ended;
    prefix.truncate(prefix.len() - end);
    exact(prefix)
}

/// Without room for more: the cache keeps these by the thousand.
fn exact(file: Vec<u8>) -> Bytes {
    file.into_boxed_slice().into()
}

/// The end of a file: the comment, and the mark that the file is over. Nothing for a truncated file.
pub(super) fn tail(encoding: Encoding, comment: &str) -> Vec<u8> {
    match encoding {
        Encoding::JpegTruncated => Vec::new(),
        Encoding::Png | Encoding::Png16 => {
            let mut chunk = b"tEXtComment\0".to_vec();
            chunk.extend_from_slice(comment.as_bytes());
            let mut tail = ((chunk.len() - 4) as u32).to_be_bytes().to_vec();
            tail.extend_from_slice(&chunk);
            tail.extend_from_slice(&checksum(&chunk).to_be_bytes());
            tail.extend_from_slice(&IMAGE_END);
            tail
        }
        Encoding::Jpeg
        | Encoding::JpegLow
        | Encoding::JpegProgressive
        | Encoding::JpegCmyk
        | Encoding::JpegTurned => {
            let mut tail = vec![0xff, 0xfe];
            tail.extend_from_slice(&(comment.len() as u16 + 2).to_be_bytes());
            tail.extend_from_slice(comment.as_bytes());
            tail.extend_from_slice(&END_OF_IMAGE);
            tail
        }
    }
}

/// A JPEG of the usual quality, with what `adjust` changes about it.
pub(crate) fn jpeg(
    pixels: &[u8],
    width: u16,
    height: u16,
    colours: ColorType,
    adjust: impl FnOnce(&mut Encoder<&mut Vec<u8>>),
) -> Vec<u8> {
    let mut file = Vec::with_capacity(16 * 1024);
    let mut encoder = Encoder::new(&mut file, QUALITY);
    adjust(&mut encoder);
    encoder
        .encode(pixels, width, height, colours)
        .expect("the pixels have the size that is stated, and memory does not refuse to be written");
    file
}

fn png(pixels: &[u8], width: u16, height: u16, colours: ExtendedColorType) -> Vec<u8> {
    let mut file = Vec::new();
    PngEncoder::new_with_quality(&mut file, CompressionType::Default, FilterType::Adaptive)
        .write_image(pixels, u32::from(width), u32::from(height), colours)
        .expect("the pixels have the size that is stated, and memory does not refuse to be written");
    file
}

fn rgb(rgba: &[u8]) -> Vec<u8> {
    rgba.chunks_exact(4)
        .flat_map(|pixel| [pixel[0], pixel[1], pixel[2]])
        .collect()
}

/// Four inks, the black taken out of the three colours as far as it goes.
fn cmyk(rgba: &[u8]) -> Vec<u8> {
    rgba.chunks_exact(4)
        .flat_map(|pixel| {
            let light = pixel[0].max(pixel[1]).max(pixel[2]);
            let ink = |channel: u8| {
                let covered = u32::from(light - channel) * 255;
                covered.checked_div(u32::from(light)).unwrap_or(0) as u8
            };
            [ink(pixel[0]), ink(pixel[1]), ink(pixel[2]), 255 - light]
        })
        .collect()
}

/// The picture lying on its left side: shown upright again by a quarter turn to the right.
fn turned_left(rgba: &[u8], width: usize, height: usize) -> Vec<u8> {
    let mut turned = Vec::with_capacity(rgba.len());
    for x in (0..width).rev() {
        for y in 0..height {
            let place = (y * width + x) * 4;
            turned.extend_from_slice(&rgba[place..place + 4]);
        }
    }
    turned
}

/// EXIF with one entry: orientation 6, "turn a quarter to the right to see it upright".
const ORIENTATION_6: [u8; 26] = [
    b'I', b'I', 42, 0, 8, 0, 0, 0, // little-endian TIFF, first directory at 8
    1, 0, // one entry:
    0x12, 0x01, 3, 0, 1, 0, 0, 0, 6, 0, 0, 0, // tag 0x112, one SHORT, 6
    0, 0, 0, 0, // no further directory
];

/// CRC-32 as PNG chunks carry it.
fn checksum(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| {
            if sum & 1 == 1 {
                (sum >> 1) ^ 0xedb8_8320
            } else {
                sum >> 1
            }
        })
    })
}
