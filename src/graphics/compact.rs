//! Pictures for terminals that take PNG alone, small enough to be sent while somebody walks down a list over SSH.
//!
//! A photo is no picture for PNG: 360 × 360 true-colour pixels are 110 to 270 KB, a palette of 255 colours chosen for
//! the picture brings the same pixels down to 25 to 80 KB, and looks better than a true-colour picture of that size
//! with fewer pixels (38 KB: 34 dB against 33). What is too large still gets fewer pixels, which the terminal scales up
//! again; a face keeps about 300 × 300 of them.

use image::{DynamicImage, RgbImage};
use quantette::deps::palette::Srgb;
use quantette::dither::FloydSteinberg;
use quantette::{ImageRef, PaletteSize, Pipeline, QuantizeMethod};

use super::canvas::{EncodeError, Fit, at_most, render};

/// The most bytes of one PNG. In Base64 and chunks that makes less than 40 KB, and 80 KB for a pair.
const BYTE_LIMIT: usize = 29_500;
/// The longest side that is tried first, in pixels.
const FIRST_SIDE: u32 = 480;
/// A small picture is enlarged by this much by us, and the rest of the way by the terminal, for fewer bytes.
const ENLARGED: u32 = 2;
/// Colours of a palette next to the transparent one.
const COLOURS: u8 = 255;
/// How much of a colour's error is passed on to its neighbours.
const DITHERING: f32 = 0.4;
/// Bytes grow with the side of a picture to the power of 1.5 (soft ones) to 1.8 (busy ones), or more with much grain.
const GROWTH: f64 = 1.65;
/// What a further attempt aims at, in bytes.
const AIM: f64 = 28_000.0;
/// What is close enough to the limit.
const CLOSE: usize = 21_000;
/// Attempts. The second nearly always is the last.
const ATTEMPTS: usize = 4;

/// Encodes the picture for this fit, in the room of whole cells, transparent where it leaves some of them.
///
/// Tries the full size first and then comes close to the limit from both sides: pixels that fit are pixels to be shown.
pub(super) fn png(picture: &DynamicImage, fit: &Fit) -> Result<Vec<u8>, EncodeError> {
    let enlarged = picture.width().max(picture.height()).saturating_mul(ENLARGED);
    let first = at_most(fit.pixels, FIRST_SIDE.min(enlarged));
    let mut side = f64::from(first.0.max(first.1));
    let mut too_large: Option<(f64, usize)> = None;
    let mut best: Option<(f64, Vec<u8>)> = None;
    for _ in 0..ATTEMPTS {
        let png = png_with(picture, fit, at_most(fit.pixels, (side as u32).max(1)))?;
        if png.len() > BYTE_LIMIT {
            too_large = Some((side, png.len()));
        } else {
            let is_close = png.len() >= CLOSE;
            best = Some((side, png));
            if is_close || too_large.is_none() {
                break;
            }
        }
        side = match (&best, too_large) {
            (Some((fits, png)), Some((fails, bytes))) => {
                let growth = (bytes as f64 / png.len() as f64).ln() / (fails / fits).ln();
                fits * (AIM / png.len() as f64).powf(1.0 / growth.max(1.0))
            }
            (_, Some((fails, bytes))) => fails * (AIM / bytes as f64).powf(1.0 / GROWTH),
            (_, None) => break,
        };
    }
    if let Some((_, png)) = best {
        return Ok(png);
    }
    // A byte a pixel is the most that a palette can take.
    let certain = f64::from(BYTE_LIMIT as u32 - 2_000).sqrt() as u32;
    png_with(picture, fit, at_most(fit.pixels, certain))
}

/// Encodes with this many pixels for the picture itself.
fn png_with(picture: &DynamicImage, fit: &Fit, (width, height): (u32, u32)) -> Result<Vec<u8>, EncodeError> {
    let pixels = render(picture, width, height)?;
    let (palette, indices) = quantised(&pixels)?;
    // The room in the scale of the picture.
    let in_scale = |room: u32, covered: u32, side: u32| {
        let exact = f64::from(room) * f64::from(side) / f64::from(covered);
        (exact.round() as u32).max(side)
    };
    let room_width = in_scale(fit.room.0, fit.pixels.0, width);
    let room_height = in_scale(fit.room.1, fit.pixels.1, height);
    let mut canvas = vec![0; room_width as usize * room_height as usize];
    let rows = canvas.chunks_exact_mut(room_width as usize);
    for (row, pixels) in rows.zip(indices.chunks_exact(width as usize)) {
        row[..pixels.len()].copy_from_slice(pixels);
    }
    encode(room_width, room_height, palette, &canvas).map_err(|error| EncodeError::Failed(error.to_string()))
}

/// A palette, whose first colour is the transparent one, and an index into it for each pixel.
///
/// With little dithering: it keeps soft backgrounds from breaking into bands, for a fifth more bytes; in full it would be
/// noise where people compare faces.
fn quantised(pixels: &RgbImage) -> Result<(Vec<u8>, Vec<u8>), EncodeError> {
    let colours: Vec<Srgb<u8>> = pixels
        .pixels()
        .map(|pixel| Srgb::new(pixel.0[0], pixel.0[1], pixel.0[2]))
        .collect();
    let source = ImageRef::new(pixels.width(), pixels.height(), &colours)
        .map_err(|error| EncodeError::Failed(error.to_string()))?;
    let most = PaletteSize::try_from(COLOURS).map_err(|error| EncodeError::Failed(error.to_string()))?;
    let quantised = Pipeline::new()
        .palette_size(most)
        .quantize_method(QuantizeMethod::Wu)
        .ditherer(FloydSteinberg::with_error_diffusion(DITHERING))
        .input_image(source)
        .output_srgb8_indexed_image();
    let mut palette = vec![0; 3];
    palette.extend(
        quantised
            .palette()
            .iter()
            .flat_map(|colour| [colour.red, colour.green, colour.blue]),
    );
    let indices = quantised.indices().iter().map(|index: &u8| index + 1).collect();
    Ok((palette, indices))
}

fn encode(width: u32, height: u32, palette: Vec<u8>, indices: &[u8]) -> Result<Vec<u8>, png::EncodingError> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_palette(palette);
    encoder.set_trns(vec![0]);
    // Neighbours in a palette are no neighbours in colour: filters only make it worse.
    encoder.set_filter(png::Filter::NoFilter);
    encoder.set_deflate_compression(png::DeflateCompression::Level(6));
    let mut writer = encoder.write_header()?;
    writer.write_image_data(indices)?;
    writer.finish()?;
    Ok(bytes)
}

#[cfg(test)]
mod tests;
