//! Pictures: sound ones that differ, and what a service may serve instead of one.

use std::sync::OnceLock;

use bytes::Bytes;

/// A small JPEG that looks unlike that of any other seed.
pub(crate) fn picture(seed: u8) -> Bytes {
    static ENCODED: [OnceLock<Bytes>; 256] = [const { OnceLock::new() }; 256];
    ENCODED[usize::from(seed)]
        .get_or_init(|| encoded(seed, 90))
        .clone()
}

/// The same picture as [`picture`] in other bytes.
pub(crate) fn picture_again(seed: u8) -> Bytes {
    encoded(seed, 70)
}

/// The same picture as [`picture`] in more bytes than it takes.
pub(crate) fn heavy_picture(seed: u8) -> Bytes {
    encoded(seed, 100)
}

fn encoded(seed: u8, quality: u8) -> Bytes {
    const SIDE: u16 = 48;
    // Brightness steps between fields come from the bits of a scrambled seed, colours from the seed itself.
    let bits = (u64::from(seed) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let pixels: Vec<u8> = (0..SIDE)
        .flat_map(|y| (0..SIDE).map(move |x| (x, y)))
        .flat_map(|(x, y)| {
            let field = (y / 6) * 8 + x / 6;
            let bright = if bits >> (field % 64) & 1 == 1 { 200 } else { 40 };
            // Not so few colours that it could be a logo.
            let blue = 32 * (field % 8) as u8;
            [bright, bright / 2 + seed.wrapping_mul(37) / 4, blue]
        })
        .collect();
    let mut jpeg = Vec::new();
    jpeg_encoder::Encoder::new(&mut jpeg, quality)
        .encode(&pixels, SIDE, SIDE, jpeg_encoder::ColorType::Rgb)
        .expect("a small picture can always be encoded");
    jpeg.into()
}

/// A JPEG that ends in the middle.
pub(crate) fn cut_off(seed: u8) -> Bytes {
    let whole = picture(seed);
    whole.slice(..whole.len() / 2)
}

/// The single pixel that the source serves for "no photo".
pub(crate) fn placeholder() -> Bytes {
    Bytes::from_static(
        b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff!\xf9\x04\x01\x00\x00\x00\x00,\x00\x00\x00\x00\
          \x01\x00\x01\x00\x00\x02\x02D\x01\x00;",
    )
}

/// A JPEG of one colour.
pub(crate) fn blank() -> Bytes {
    const SIDE: u16 = 48;
    let pixels = vec![90; usize::from(SIDE) * usize::from(SIDE) * 3];
    jpeg(&pixels, SIDE)
}

fn jpeg(pixels: &[u8], side: u16) -> Bytes {
    let mut jpeg = Vec::new();
    jpeg_encoder::Encoder::new(&mut jpeg, 90)
        .encode(pixels, side, side, jpeg_encoder::ColorType::Rgb)
        .expect("a small picture can always be encoded");
    jpeg.into()
}
