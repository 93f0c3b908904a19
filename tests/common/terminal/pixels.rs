//! Compares what is shown with what should be.

use image::imageops::FilterType;
use image::{DynamicImage, RgbaImage};

/// Both pictures are compared at this many pixels a side: small enough that scaling, quantizing and anti-aliasing do
/// not count, large enough that two faces differ.
const SIDE: u32 = 24;

/// The mean difference of a channel, 0 to 255, between two pictures whatever their sizes, without their transparent
/// padding. The right photo is below 1 in kitty and iTerm2 and below 3 in sixel; a wrong one is far above 10.
pub fn difference(shown: &RgbaImage, expected: &DynamicImage) -> f64 {
    let shown = small(trimmed(shown));
    let expected = small(trimmed(&expected.to_rgba8()));
    let sum: u64 = shown
        .pixels()
        .zip(expected.pixels())
        .flat_map(|(left, right)| left.0.into_iter().zip(right.0).take(3))
        .map(|(left, right)| u64::from(left.abs_diff(right)))
        .sum();
    sum as f64 / f64::from(SIDE * SIDE * 3)
}

fn small(picture: DynamicImage) -> RgbaImage {
    picture.resize_exact(SIDE, SIDE, FilterType::Triangle).to_rgba8()
}

/// The part of a picture that is not transparent; the whole where all of it is.
pub fn trimmed(picture: &RgbaImage) -> DynamicImage {
    let (mut left, mut top, mut right, mut bottom) = (u32::MAX, u32::MAX, 0, 0);
    for (x, y, pixel) in picture.enumerate_pixels() {
        if pixel.0[3] >= 128 {
            (left, top) = (left.min(x), top.min(y));
            (right, bottom) = (right.max(x + 1), bottom.max(y + 1));
        }
    }
    let whole = DynamicImage::ImageRgba8(picture.clone());
    if right == 0 {
        return whole;
    }
    whole.crop_imm(left, top, right - left, bottom - top)
}

/// A part of a picture, in fractions of its width: two pictures printed side by side are taken apart with it.
pub fn part(picture: &RgbaImage, from: f64, to: f64) -> RgbaImage {
    let at = |fraction: f64| (f64::from(picture.width()) * fraction).round() as u32;
    DynamicImage::ImageRgba8(picture.clone())
        .crop_imm(at(from), 0, at(to) - at(from), picture.height())
        .to_rgba8()
}

#[cfg(test)]
mod tests {
    use image::Rgba;

    use super::*;

    fn gradient(side: u32, shift: u8) -> RgbaImage {
        RgbaImage::from_fn(side, side, |x, y| {
            let scaled = |value: u32| (value * 255 / side) as u8;
            Rgba([scaled(x).wrapping_add(shift), scaled(y), 90, 255])
        })
    }

    #[test]
    fn size_and_padding_do_not_count_and_another_picture_does() {
        let mut padded = RgbaImage::new(300, 260);
        image::imageops::overlay(&mut padded, &gradient(200, 0), 30, 20);
        let same = DynamicImage::ImageRgba8(gradient(96, 0));
        let other = DynamicImage::ImageRgba8(gradient(96, 100));
        assert!(difference(&padded, &same) < 2.0, "{}", difference(&padded, &same));
        assert!(difference(&padded, &other) > 20.0);
    }
}
