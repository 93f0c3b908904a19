//! Whether the limits of [`Fingerprint::is_same_picture`] are right, on drawn faces: every way of saving a picture again
//! keeps it the same, and no two different pictures are ever taken for one.

use image::imageops::FilterType;
use image::{DynamicImage, ImageFormat, RgbImage};

use super::super::{Encoding, FACES, Portrait, encode};
use super::upright;
use crate::domain::picture::{Fingerprint, SAME_PICTURE_BITS, SAME_PICTURE_COLOUR, examine};

/// Faces whose renditions are compared.
const ORIGINALS: u16 = 6;
/// Faces that are compared with each other.
const CROWD: u16 = 256;

fn fingerprint(bytes: &[u8]) -> Fingerprint {
    examine(bytes).expect("a sound picture").fingerprint
}

fn jpeg(pixels: &RgbImage, quality: u8) -> Vec<u8> {
    let (width, height) = (pixels.width() as u16, pixels.height() as u16);
    encode::jpeg(
        pixels.as_raw(),
        width,
        height,
        jpeg_encoder::ColorType::Rgb,
        |encoder| {
            encoder.set_quality(quality);
        },
    )
}

fn png(picture: &DynamicImage) -> Vec<u8> {
    let mut bytes = Vec::new();
    picture
        .write_to(&mut std::io::Cursor::new(&mut bytes), ImageFormat::Png)
        .expect("encodes into memory");
    bytes
}

/// A frame of so many thousandths of the side cut off all around.
fn cropped(picture: &DynamicImage, thousandths: u32) -> DynamicImage {
    let edge = picture.width() * thousandths / 1_000;
    picture.crop_imm(
        edge,
        edge,
        picture.width() - 2 * edge,
        picture.height() - 2 * edge,
    )
}

/// One picture in every form in which another program may hand it back, each with a name.
fn renditions(portrait: Portrait) -> Vec<(String, Vec<u8>)> {
    let picture = upright(&portrait.bytes());
    let pixels = picture.to_rgb8();
    let mut all = vec![("PNG".to_owned(), png(&picture))];
    for quality in (40..=95).step_by(5) {
        all.push((format!("JPEG, quality {quality}"), jpeg(&pixels, quality)));
    }
    for side in [48, 64, 96, 120, 240, 432, 504, 648] {
        for (filter, name) in [(FilterType::Triangle, "soft"), (FilterType::Lanczos3, "sharp")] {
            let resized = picture.resize_exact(side, side, filter).to_rgb8();
            all.push((format!("{side} pixels, {name}"), jpeg(&resized, 80)));
        }
    }
    for encoding in [
        Encoding::JpegLow,
        Encoding::JpegProgressive,
        Encoding::JpegCmyk,
        Encoding::JpegTurned,
        Encoding::Png16,
    ] {
        let bytes = portrait.with_encoding(encoding).bytes();
        all.push((format!("{encoding:?}"), bytes.to_vec()));
    }
    // Somebody's avatar is often what Entra ID made small, saved again by a browser.
    let small = picture.resize_exact(96, 96, FilterType::Triangle).to_rgb8();
    let again = image::load_from_memory(&jpeg(&small, 60)).expect("a picture");
    let large = again.resize_exact(240, 240, FilterType::CatmullRom).to_rgb8();
    all.push(("96 pixels, enlarged again".into(), jpeg(&large, 60)));
    all.push((
        "half a percent cut off".into(),
        jpeg(&cropped(&picture, 5).to_rgb8(), 85),
    ));
    all
}

#[test]
fn a_picture_that_is_saved_again_stays_the_same_picture() {
    let mut most = (0, String::new());
    let mut most_colour = (0, String::new());
    let mut compared = 0;
    for number in 0..ORIGINALS {
        let portrait = Portrait::new(1, number * (FACES / ORIGINALS));
        let original = fingerprint(&portrait.bytes());
        for (name, bytes) in renditions(portrait) {
            let other = fingerprint(&bytes);
            compared += 1;
            let (bits, colour) = (original.distance(&other), original.colour_distance(&other));
            if bits >= most.0 {
                most = (bits, format!("{name}, face {}", portrait.face()));
            }
            if colour >= most_colour.0 {
                most_colour = (colour, format!("{name}, face {}", portrait.face()));
            }
        }
    }
    println!(
        "{compared} renditions: at most {} of 64 bits apart ({}), colours at most {} of 255 apart ({})",
        most.0, most.1, most_colour.0, most_colour.1
    );
    assert!(most.0 <= SAME_PICTURE_BITS, "{most:?}");
    assert!(most_colour.0 <= SAME_PICTURE_COLOUR, "{most_colour:?}");
}

#[test]
fn two_different_pictures_are_never_taken_for_one() {
    let portraits: Vec<Portrait> = (0..CROWD)
        .map(|number| Portrait::new(1, number * (FACES / CROWD)).with_width(96))
        // The same people in other clothes and surroundings: a new photo is another picture.
        .chain((0..CROWD / 4).map(|number| {
            Portrait::new(1, number * (FACES / CROWD))
                .with_width(96)
                .with_look(1)
        }))
        .collect();
    let prints: Vec<Fingerprint> = portraits
        .iter()
        .map(|portrait| fingerprint(&portrait.bytes()))
        .collect();
    let mut pairs = 0_u32;
    let mut by_bits_alone = 0_u32;
    let mut nearest = u32::MAX;
    for (position, one) in prints.iter().enumerate() {
        for (other, portrait) in prints[position + 1..].iter().zip(&portraits[position + 1..]) {
            pairs += 1;
            let (bits, colour) = (one.distance(other), one.colour_distance(other));
            if bits <= SAME_PICTURE_BITS {
                by_bits_alone += 1;
                nearest = nearest.min(colour);
            }
            assert!(
                !one.is_same_picture(other),
                "{:?} and {portrait:?}: {bits} bits, colours {colour} apart",
                portraits[position],
            );
        }
    }
    println!(
        "{pairs} pairs; {by_bits_alone} within {SAME_PICTURE_BITS} bits, their colours at least {nearest} apart"
    );
    // Room for what these faces do not show.
    assert!(nearest > SAME_PICTURE_COLOUR + 5, "{nearest}");
}
