use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use image::{Rgba, RgbaImage};

use super::*;

fn on(method: Method) -> Canvas {
    Canvas::new(Some(method), Some((10, 20)), None)
}

/// Red at the upper left, blue at the lower right, and soft between.
fn gradient(width: u32, height: u32) -> DynamicImage {
    DynamicImage::ImageRgb8(RgbImage::from_fn(width, height, |x, y| {
        let along = |at: u32, side: u32| (at * 255 / side.max(1)) as u8;
        Rgb([255 - along(x, width), 90, along(y, height)])
    }))
}

fn encoded(canvas: &Canvas, picture: &DynamicImage, columns: u16, rows: u16) -> Drawable {
    let within = Size::new(columns, rows);
    canvas.encode(picture, within).expect("there is room")
}

fn pixels(drawable: &Drawable) -> DynamicImage {
    match drawable.form() {
        Form::Sixel(sequence) => {
            let sixel = &sequence[sequence.find("\x1bP").expect("a Sixel picture")..];
            let decoded = icy_sixel::SixelImage::decode(sixel.as_bytes()).expect("decodes");
            let (width, height) = (decoded.width as u32, decoded.height as u32);
            let pixels = RgbaImage::from_raw(width, height, decoded.pixels);
            let pixels = pixels.expect("as large as it says");
            // Sixel comes in bands of 6 rows; what a picture leaves of the last one is transparent.
            let rows = pixels
                .rows()
                .take_while(|row| row.clone().any(|pixel| pixel.0[3] > 0));
            let rows = rows.count() as u32;
            DynamicImage::ImageRgba8(pixels).crop_imm(0, 0, width, rows)
        }
        Form::Iterm2(sequence) => {
            let (_, payload) = sequence.split_once(':').expect("a payload");
            let payload = payload.strip_suffix('\x07').expect("an end");
            let bytes = STANDARD.decode(payload).expect("base 64");
            image::load_from_memory(&bytes).expect("decodes")
        }
        form => panic!("no picture of its own: {form:?}"),
    }
}

/// Mean distance of the channels after both are brought to 24 × 24 pixels.
fn distance(one: &DynamicImage, other: &DynamicImage) -> f64 {
    let small = |picture: &DynamicImage| {
        picture
            .resize_exact(24, 24, image::imageops::FilterType::Triangle)
            .to_rgb8()
            .into_raw()
    };
    let (one, other) = (small(one), small(other));
    let sum: f64 = one
        .iter()
        .zip(&other)
        .map(|(a, b)| f64::from(a.abs_diff(*b)))
        .sum();
    sum / one.len() as f64
}

#[test]
fn a_picture_is_as_large_as_the_room_and_keeps_its_shape() {
    let canvas = on(Method::Sixel);
    for (width, height, columns, rows) in [
        (360, 360, 36, 18),
        // Small ones are enlarged: they could not be compared otherwise.
        (48, 48, 36, 18),
        (200, 100, 36, 9),
        (100, 200, 18, 18),
        (1, 5_000, 1, 18),
        (5_000, 1, 36, 1),
        (1, 1, 36, 18),
    ] {
        let drawable = encoded(&canvas, &gradient(width, height), 36, 18);
        assert_eq!(drawable.size(), Size::new(columns, rows), "{width} × {height}");
    }
}

#[test]
fn where_there_is_no_room_there_is_no_picture() {
    for method in [
        Method::Kitty,
        Method::KittyThroughTmux,
        Method::Iterm2,
        Method::Sixel,
        Method::Blocks(Colours::All),
    ] {
        for within in [Size::new(0, 18), Size::new(36, 0), Size::ZERO] {
            let result = on(method).encode(&gradient(9, 9), within);
            assert_eq!(result.err(), Some(EncodeError::NoRoom));
        }
        let nothing = on(method).encode(&DynamicImage::new_rgb8(0, 7), Size::new(9, 9));
        assert_eq!(nothing.err(), Some(EncodeError::NoRoom));
        for (width, height) in [(1, 1), (1, 5_000), (5_000, 1)] {
            for within in [Size::new(1, 1), Size::new(2, 300), Size::new(600, 2)] {
                let drawable = on(method).encode(&gradient(width, height), within);
                let size = drawable.expect("there is room").size();
                assert!(
                    size.width <= within.width && size.height <= within.height,
                    "{size:?}"
                );
            }
        }
    }
    let result = Canvas::words_alone().encode(&gradient(9, 9), Size::new(9, 9));
    assert_eq!(result.err(), Some(EncodeError::WordsAlone));
}

#[test]
fn a_sixel_picture_is_the_picture() {
    let picture = gradient(100, 50);
    let drawable = encoded(&on(Method::Sixel), &picture, 20, 18);
    let shown = pixels(&drawable);
    // 100 pixels would reach into a 17th band.
    assert_eq!((shown.width(), shown.height()), (192, 96));
    assert!(distance(&shown, &picture) < 4.0, "{}", distance(&shown, &picture));
    let other = picture.rotate180();
    assert!(distance(&shown, &other) > 20.0, "a wrong picture is told apart");
}

#[test]
fn an_iterm2_picture_is_the_picture_and_says_how_many_cells_it_takes() {
    let picture = gradient(360, 360);
    let drawable = encoded(&on(Method::Iterm2), &picture, 36, 18);
    let Form::Iterm2(sequence) = drawable.form() else {
        panic!("the wrong protocol")
    };
    assert!(sequence.contains(";width=36;height=18;preserveAspectRatio=1;"));
    let shown = pixels(&drawable);
    assert_eq!((shown.width(), shown.height()), (360, 360));
    assert!(distance(&shown, &picture) < 2.0, "{}", distance(&shown, &picture));
    assert!(distance(&shown, &picture.rotate180()) > 20.0);
}

#[test]
fn a_sixel_picture_is_never_larger_than_what_xterm_draws() {
    let shown = pixels(&encoded(&on(Method::Sixel), &gradient(64, 64), 200, 100));
    assert_eq!((shown.width(), shown.height()), (996, 996));
}

#[test]
fn half_blocks_keep_the_shape_and_cover_less_where_the_picture_is_flat() {
    let square = encoded(&on(Method::Blocks(Colours::All)), &gradient(360, 360), 30, 18);
    assert_eq!(square.size(), Size::new(30, 15));
    let flat = encoded(&on(Method::Blocks(Colours::Palette)), &gradient(300, 10), 30, 18);
    assert_eq!(flat.size(), Size::new(30, 1));
}

#[test]
fn what_is_transparent_is_seen_on_light_and_on_dark() {
    let clear = DynamicImage::ImageRgba8(RgbaImage::from_pixel(48, 48, Rgba([0, 0, 0, 0])));
    let shown = render(&clear, 48, 48).expect("renders");
    let mut greys: Vec<u8> = shown.pixels().map(|pixel| pixel.0[0]).collect();
    greys.sort_unstable();
    greys.dedup();
    assert_eq!(greys, CHECKER.1);
    let half = DynamicImage::ImageRgba8(RgbaImage::from_pixel(8, 8, Rgba([255, 0, 0, 128])));
    let mixed = render(&half, 8, 8).expect("renders").get_pixel(0, 0).0;
    assert_eq!(mixed, [187, 59, 59]);
    let solid = DynamicImage::ImageRgba8(RgbaImage::from_pixel(8, 8, Rgba([9, 8, 7, 255])));
    assert_eq!(
        render(&solid, 30, 30).expect("renders").get_pixel(15, 15).0,
        [9, 8, 7]
    );
}

#[test]
fn another_cell_size_gives_another_size_and_zeros_are_ignored() {
    let canvas = on(Method::Sixel);
    let zoomed = canvas.with_cell(20, 40);
    assert_eq!(zoomed.cell(), (20, 40));
    let shown = pixels(&encoded(&zoomed, &gradient(9, 9), 10, 5));
    assert_eq!((shown.width(), shown.height()), (198, 198));
    assert_eq!(canvas.with_cell(0, 40), canvas);
}

#[test]
fn numbers_of_pictures_differ_and_are_colours() {
    let numbers: Vec<u32> = (0..100).map(|_| next_id()).collect();
    assert!(
        numbers
            .iter()
            .all(|number| (0x1_0000..0x100_0000).contains(number))
    );
    let mut sorted = numbers.clone();
    sorted.sort_unstable();
    sorted.dedup();
    assert_eq!(sorted.len(), numbers.len());
}
