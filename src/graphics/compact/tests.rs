use ratatui::layout::Size;

use super::*;

fn fit(columns: u16, rows: u16, pixels: (u32, u32)) -> Fit {
    Fit {
        cells: Size::new(columns, rows),
        pixels,
        room: (u32::from(columns) * 10, u32::from(rows) * 20),
    }
}

fn decoded(png: &[u8]) -> image::RgbaImage {
    image::load_from_memory(png).expect("a PNG").to_rgba8()
}

/// Deterministic noise; the worst there is for compression.
fn noise(side: u32) -> DynamicImage {
    let mut state = 0x9e37_79b9_u32;
    DynamicImage::ImageRgb8(RgbImage::from_fn(side, side, |_, _| {
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            (state >> 24) as u8
        };
        image::Rgb([next(), next(), next()])
    }))
}

/// Large soft shapes with the grain of a camera.
fn photo(side: u32) -> DynamicImage {
    let grain = noise(side).to_rgb8();
    DynamicImage::ImageRgb8(RgbImage::from_fn(side, side, |x, y| {
        let (fx, fy) = (f64::from(x) / f64::from(side), f64::from(y) / f64::from(side));
        let waves = (fx * 9.0).sin() + (fy * 7.0 + fx * 3.0).cos() + (fx * fy * 40.0).sin() * 0.4;
        let [red, green, blue] = grain.get_pixel(x, y).0;
        let with = |base: f64, depth: f64, grain: u8| {
            (base + depth * waves + f64::from(grain) / 5.0 - 25.0).clamp(0.0, 255.0) as u8
        };
        image::Rgb([
            with(170.0, 35.0, red),
            with(130.0, 30.0, green),
            with(110.0, 25.0, blue),
        ])
    }))
}

#[test]
fn few_colours_come_through_untouched() {
    let logo = DynamicImage::ImageRgb8(RgbImage::from_fn(360, 360, |x, y| {
        image::Rgb(if (x / 40 + y / 40) % 2 == 0 {
            [200, 30, 60]
        } else {
            [250, 250, 240]
        })
    }));
    let png = png(&logo, &fit(36, 18, (360, 360))).expect("encodes");
    let shown = decoded(&png);
    assert_eq!(shown.dimensions(), (360, 360));
    assert_eq!(DynamicImage::ImageRgba8(shown).to_rgb8(), logo.to_rgb8());
    assert!(png.len() < 3_000, "{}", png.len());
}

#[test]
fn no_picture_is_larger_than_the_limit_and_it_still_is_that_picture() {
    for (name, picture, least) in [("photo", photo(360), 190), ("noise", noise(360), 150)] {
        let png = png(&picture, &fit(36, 18, (360, 360))).expect("encodes");
        assert!(png.len() <= BYTE_LIMIT, "{name}: {}", png.len());
        assert!(png.len() > CLOSE, "{name} wastes room: {}", png.len());
        let shown = decoded(&png);
        assert!(shown.width() >= least, "{name}: {:?}", shown.dimensions());
        assert_eq!(shown.width(), shown.height());
        let small = |picture: &DynamicImage| picture.thumbnail_exact(12, 12).to_rgb8();
        let expected = small(&picture);
        let found = small(&DynamicImage::ImageRgba8(shown));
        for (expected, found) in expected.pixels().zip(found.pixels()) {
            for channel in 0..3 {
                let difference = expected.0[channel].abs_diff(found.0[channel]);
                assert!(difference < 16, "{name}: {expected:?} became {found:?}");
            }
        }
    }
}

#[test]
fn a_small_picture_is_enlarged_by_the_terminal() {
    let png = png(&photo(48), &fit(36, 18, (360, 360))).expect("encodes");
    assert_eq!(decoded(&png).dimensions(), (96, 96));
}

#[test]
fn what_is_left_of_the_last_cells_is_transparent() {
    // 355 × 350 of 360 × 360 pixels are the picture, in whatever scale it is sent.
    let png = png(&photo(400), &fit(36, 18, (355, 350))).expect("encodes");
    let shown = decoded(&png);
    let (width, height) = shown.dimensions();
    assert!(width.abs_diff(height) <= 1, "{width} × {height}");
    assert_eq!(shown.get_pixel(0, 0).0[3], 255);
    assert_eq!(shown.get_pixel(width / 2, height * 349 / 360).0[3], 255);
    assert_eq!(shown.get_pixel(width - 1, 0).0[3], 0);
    assert_eq!(shown.get_pixel(0, height - 1).0[3], 0);
}
