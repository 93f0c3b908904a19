//! Pictures for terminals that take PNG alone, small enough to be sent while somebody walks down a list over SSH.
//!
//! A photo is no picture for PNG: 360 × 360 true-colour pixels are 110 to 270 KB, a palette of 255 colours chosen for
//! the picture brings the same pixels down to 25 to 80 KB, and looks better than a true-colour picture of that size
//! with fewer pixels (38 KB: 34 dB against 33). What is too large still gets fewer pixels, which the terminal scales up
//! again; a face keeps about 300 × 300 of them.

use image::{DynamicImage, RgbImage};
use quantette::deps::palette::Srgb;
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
/// Bytes grow with the side of a picture to the power of 1.5 (soft ones) to 1.8 (busy ones).
const GROWTH: f64 = 1.65;
/// Attempts before the size is set by what certainly fits. The second nearly always does.
const ATTEMPTS: usize = 4;

/// Encodes the picture for this fit, in the room of whole cells, transparent where it leaves some of them.
pub(super) fn png(picture: &DynamicImage, fit: &Fit) -> Result<Vec<u8>, EncodeError> {
    let enlarged = picture.width().max(picture.height()).saturating_mul(ENLARGED);
    let mut side = at_most(fit.pixels, FIRST_SIDE.min(enlarged));
    let mut longest = side.0.max(side.1);
    for _ in 0..ATTEMPTS {
        let png = png_with(picture, fit, side)?;
        if png.len() <= BYTE_LIMIT {
            return Ok(png);
        }
        let too_large = BYTE_LIMIT as f64 / png.len() as f64;
        longest = (f64::from(longest) * too_large.powf(1.0 / GROWTH) * 0.98) as u32;
        side = at_most(fit.pixels, longest.max(1));
    }
    // A byte a pixel is the most that a palette can take.
    let certain = f64::from(BYTE_LIMIT as u32 - 2_000).sqrt() as u32;
    png_with(picture, fit, at_most(side, certain))
}

/// Encodes with this many pixels for the picture itself.
fn png_with(picture: &DynamicImage, fit: &Fit, (width, height): (u32, u32)) -> Result<Vec<u8>, EncodeError> {
    let pixels = render(picture, width, height)?;
    let (palette, indices) = quantised(&pixels)?;
    // The room in the scale of the picture.
    let in_scale = |room: u32, covered: u32, side: u32| {
        (u64::from(room) * u64::from(side))
            .div_ceil(u64::from(covered))
            .max(u64::from(side)) as u32
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
/// Without dithering: the noise would double the bytes and hide what people compare.
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
        .ditherer(None)
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
