//! Whether the limits of [`Fingerprint::is_same_picture`] are right, on drawn faces: every way of saving a picture again
//! keeps it the same, and no two different pictures are ever taken for one.

use image::imageops::FilterType;
use image::{DynamicImage, ImageFormat, RgbImage};

use super::super::{Encoding, FACES, Portrait, encode};
use super::upright;
use crate::domain::picture::{Fingerprint, SAME_PICTURE_BITS, SAME_PICTURE_COLOUR, examine};

/// Faces whose renditions are compared.
const ORIGINALS: u16 = 40;
/// Faces that are compared with each other.
const CROWD: u16 = 512;

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
    let mut nearest = (u32::MAX, u32::MAX, 0, 0);
    for (position, one) in prints.iter().enumerate() {
        for (after, other) in prints[position + 1..].iter().enumerate() {
            pairs += 1;
            let (bits, colour) = (one.distance(other), one.colour_distance(other));
            by_bits_alone += u32::from(bits <= SAME_PICTURE_BITS);
            // How far it is from being called the same, by the figure that is farther off.
            let far = (bits * SAME_PICTURE_COLOUR).max(colour * SAME_PICTURE_BITS);
            if far < nearest.0.max(nearest.1) || nearest.0 == u32::MAX {
                nearest = (
                    bits * SAME_PICTURE_COLOUR,
                    colour * SAME_PICTURE_BITS,
                    position,
                    position + 1 + after,
                );
            }
            assert!(
                !one.is_same_picture(other),
                "{:?} and {:?}: {bits} bits, colours {colour} apart",
                portraits[position],
                portraits[position + 1 + after]
            );
        }
    }
    let (one, other) = (&prints[nearest.2], &prints[nearest.3]);
    println!(
        "{pairs} pairs; the nearest: {} of 64 bits and colours {} of 255 apart; {by_bits_alone} pairs would be the \
         same by their bits alone",
        one.distance(other),
        one.colour_distance(other)
    );
}

#[test]
fn probe_tmp() {
    let mean = |a: &Fingerprint, b: &Fingerprint| -> u32 {
        a.colours
            .iter()
            .flatten()
            .zip(b.colours.iter().flatten())
            .map(|(x, y)| u32::from(x.abs_diff(*y)))
            .sum::<u32>()
            * 10
            / 48
    };
    let faces: Vec<u16> = (0..FACES).collect();
    let prints: Vec<Fingerprint> = std::thread::scope(|scope| {
        let parts: Vec<_> = faces
            .chunks(2048)
            .map(|part| {
                scope.spawn(move || {
                    part.iter()
                        .map(|face| fingerprint(&Portrait::new(1, *face).with_width(96).bytes()))
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        parts.into_iter().flat_map(|part| part.join().unwrap()).collect()
    });
    for (i, a) in prints.iter().enumerate() {
        for b in &prints[i + 1..] {
            let bits = a.distance(b);
            if bits > 12 {
                continue;
            }
            let (c, m) = (a.colour_distance(b), mean(a, b));
            if c <= 26 || m <= 60 {
                println!("PAIR bits {bits} max {c} mean10 {m}");
            }
        }
    }
    let mut worst = std::collections::BTreeMap::<(u32, u32, u32), String>::new();
    for number in 0..60 {
        let portrait = Portrait::new(1, number * (FACES / 60) + 7);
        let original = fingerprint(&portrait.bytes());
        for (name, bytes) in renditions(portrait) {
            let o = fingerprint(&bytes);
            worst.insert(
                (
                    original.distance(&o),
                    original.colour_distance(&o),
                    mean(&original, &o),
                ),
                name,
            );
        }
    }
    for (k, v) in worst.iter().filter(|(k, _)| k.0 >= 5 || k.1 >= 8 || k.2 > 12) {
        println!("REN bits {} max {} mean10 {} {v}", k.0, k.1, k.2);
    }
}
