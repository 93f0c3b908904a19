//! What is behind the person.

use tiny_skia::{Pixmap, PremultipliedColorU8};

use super::super::face::{Backdrop, Colour, Face};
use super::{Canvas, polygon};

/// Eight directions of the gradient, as steps across and down.
const DIRECTIONS: [(i64, i64); 8] = [
    (1, 0),
    (1, 1),
    (0, 1),
    (-1, 1),
    (-1, 0),
    (-1, -1),
    (0, -1),
    (1, -1),
];

/// Sixteen points of the unit circle: no call of a trigonometric function, whose last digit is the platform's.
const COMPASS: [(f32, f32); 16] = [
    (1.0, 0.0),
    (0.924, 0.383),
    (0.707, 0.707),
    (0.383, 0.924),
    (0.0, 1.0),
    (-0.383, 0.924),
    (-0.707, 0.707),
    (-0.924, 0.383),
    (-1.0, 0.0),
    (-0.924, -0.383),
    (-0.707, -0.707),
    (-0.383, -0.924),
    (0.0, -1.0),
    (0.383, -0.924),
    (0.707, -0.707),
    (0.924, -0.383),
];

fn gradient(pixmap: &mut Pixmap, from: Colour, to: Colour, direction: u8) {
    let (across, down) = DIRECTIONS[usize::from(direction % 8)];
    let (width, height) = (i64::from(pixmap.width()), i64::from(pixmap.height()));
    // The projection of a pixel on the direction, moved so that it starts at 0.
    let span = (across.abs() * (width - 1) + down.abs() * (height - 1)).max(1);
    let start = (across.min(0) * (width - 1)) + (down.min(0) * (height - 1));
    let tones: Vec<PremultipliedColorU8> = (0..=span)
        .map(|step| {
            let colour = from.towards(to, (step * 256 / span) as u32);
            PremultipliedColorU8::from_rgba(colour.0, colour.1, colour.2, 255)
                .expect("an opaque colour is premultiplied")
        })
        .collect();
    for (y, row) in (0..).zip(pixmap.pixels_mut().chunks_exact_mut(width as usize)) {
        for (x, pixel) in (0..).zip(row) {
            *pixel = tones[(across * x + down * y - start) as usize];
        }
    }
}

pub(super) fn backdrop(canvas: &mut Canvas, face: &Face) {
    gradient(
        &mut canvas.pixmap,
        face.back_from,
        face.back_to,
        face.back_direction,
    );
    let colour = face.back_shape;
    match face.backdrop {
        Backdrop::Plain => {}
        Backdrop::Disc => canvas.circle(50.0, 48.0, 42.0, colour),
        Backdrop::Ring => {
            canvas.circle(50.0, 46.0, 47.0, colour);
            canvas.circle(50.0, 46.0, 35.0, face.back_to);
        }
        Backdrop::Diagonal => canvas.shape(colour, |b| {
            polygon(b, &[(-10.0, -60.0), (115.0, -60.0), (-10.0, 90.0)]);
        }),
        Backdrop::Hill => canvas.shape(colour, |b| {
            b.move_to(-5.0, 70.0);
            b.cubic_to(25.0, 38.0, 60.0, 52.0, 105.0, 60.0);
            b.line_to(105.0, 160.0);
            b.line_to(-5.0, 160.0);
        }),
        Backdrop::Bars => {
            for bar in 0..4_u8 {
                let x = 4.0 + f32::from(bar) * 26.0;
                canvas.shape(colour, |b| {
                    polygon(b, &[(x, -60.0), (x + 13.0, -60.0), (x + 13.0, 160.0), (x, 160.0)]);
                });
            }
        }
        Backdrop::Rays => canvas.shape(colour, |b| {
            for ray in 0..8_usize {
                let (x1, y1) = COMPASS[ray * 2];
                let (x2, y2) = COMPASS[ray * 2 + 1];
                polygon(
                    b,
                    &[
                        (50.0, 58.0),
                        (50.0 + x1 * 150.0, 58.0 + y1 * 150.0),
                        (50.0 + x2 * 150.0, 58.0 + y2 * 150.0),
                    ],
                );
            }
        }),
        Backdrop::Dots => {
            for row in 0..6_u8 {
                for column in 0..5_u8 {
                    let x = f32::from(column) * 24.0 + if row % 2 == 0 { 0.0 } else { 12.0 };
                    canvas.circle(x, f32::from(row) * 16.0 - 2.0, 5.6, colour);
                }
            }
        }
        Backdrop::Corners => {
            canvas.circle(2.0, 6.0, 34.0, colour);
            canvas.circle(100.0, 60.0, 26.0, colour);
        }
        Backdrop::Arch => canvas.shape(colour, |b| {
            b.move_to(14.0, 160.0);
            b.line_to(14.0, 44.0);
            b.cubic_to(14.0, -8.0, 86.0, -8.0, 86.0, 44.0);
            b.line_to(86.0, 160.0);
        }),
        Backdrop::Halves => canvas.shape(colour, |b| {
            polygon(b, &[(50.0, -60.0), (110.0, -60.0), (110.0, 160.0), (50.0, 160.0)]);
        }),
        Backdrop::Steps => canvas.shape(colour, |b| {
            polygon(
                b,
                &[
                    (-5.0, 22.0),
                    (26.0, 22.0),
                    (26.0, 46.0),
                    (74.0, 46.0),
                    (74.0, 70.0),
                    (105.0, 70.0),
                    (105.0, 160.0),
                    (-5.0, 160.0),
                ],
            );
        }),
    }
}
