//! Shoulders, neck and what covers them.

use tiny_skia::PathBuilder;

use super::super::face::{Clothes, Colour, Face};
use super::{Canvas, Head, polygon};

fn shoulders(b: &mut PathBuilder, wide: f32, top: f32) {
    b.move_to(50.0 - wide, 102.0);
    b.cubic_to(50.0 - wide + 1.0, 86.0, 50.0 - wide * 0.74, 81.5, 38.0, top);
    b.line_to(62.0, top);
    b.cubic_to(
        50.0 + wide * 0.74,
        81.5,
        50.0 + wide - 1.0,
        86.0,
        50.0 + wide,
        102.0,
    );
}

pub(super) fn torso(canvas: &mut Canvas, face: &Face, head: &Head) {
    let main = face.clothes_colour;
    let shade = main.darker(52);
    let light = if main.brightness() > 205 {
        main.darker(34)
    } else {
        main.lighter(70)
    };
    let neck = face.skin.darker(42);
    let throat = |canvas: &mut Canvas, depth: f32| {
        canvas.shape(neck, |b| {
            polygon(b, &[(42.0, 58.0), (58.0, 58.0), (58.5, 78.0), (41.5, 78.0)]);
        });
        canvas.oval(50.0, 77.0, 9.6, depth, neck, 255);
    };
    if face.clothes == Clothes::Hoodie {
        canvas.shape(shade, |b| {
            b.move_to(24.0, 92.0);
            b.cubic_to(22.0, 66.0, 36.0, 62.0, 50.0, 62.0);
            b.cubic_to(64.0, 62.0, 78.0, 66.0, 76.0, 92.0);
        });
    }
    canvas.shape(main, |b| shoulders(b, 43.0, 74.0));
    match face.clothes {
        Clothes::Tee | Clothes::Stripes => {
            if face.clothes == Clothes::Stripes {
                for (row, wide) in [(83.0, 35.5), (90.5, 41.5), (98.0, 43.0)] {
                    canvas.shape(face.accent, |b| {
                        polygon(
                            b,
                            &[
                                (50.0 - wide, row),
                                (50.0 + wide, row),
                                (50.0 + wide, row + 3.8),
                                (50.0 - wide, row + 3.8),
                            ],
                        );
                    });
                }
            }
            canvas.oval(50.0, 77.0, 12.4, 8.4, shade, 255);
            throat(canvas, 6.0);
        }
        Clothes::VNeck => {
            canvas.shape(light, |b| polygon(b, &[(37.5, 73.5), (62.5, 73.5), (50.0, 96.5)]));
            canvas.shape(neck, |b| polygon(b, &[(41.0, 73.0), (59.0, 73.0), (50.0, 90.5)]));
            throat(canvas, 4.0);
        }
        Clothes::Shirt => {
            throat(canvas, 4.6);
            canvas.line(shade, 1.2, |b| {
                b.move_to(50.0, 84.0);
                b.line_to(50.0, 102.0);
            });
            canvas.circle(50.0, 91.0, 1.1, shade);
            canvas.circle(50.0, 97.5, 1.1, shade);
            for side in [-1.0, 1.0] {
                canvas.shape(light, |b| {
                    polygon(
                        b,
                        &[
                            (50.0 + side * 7.6, 70.5),
                            (50.0 + side * 14.0, 75.0),
                            (50.0 + side * 10.0, 87.5),
                            (50.0, 81.5),
                        ],
                    );
                });
            }
        }
        Clothes::Suit => {
            let linen = Colour(244, 246, 250);
            canvas.shape(linen, |b| {
                polygon(b, &[(38.0, 73.0), (62.0, 73.0), (50.0, 104.0)]);
            });
            throat(canvas, 4.2);
            canvas.shape(face.accent, |b| {
                polygon(
                    b,
                    &[
                        (47.0, 81.0),
                        (53.0, 81.0),
                        (52.0, 85.5),
                        (54.6, 102.0),
                        (45.4, 102.0),
                        (48.0, 85.5),
                    ],
                );
            });
            for side in [-1.0, 1.0] {
                canvas.shape(linen.darker(14), |b| {
                    polygon(
                        b,
                        &[
                            (50.0 + side * 8.0, 71.5),
                            (50.0 + side * 12.5, 75.0),
                            (50.0 + side * 6.0, 86.0),
                            (50.0, 81.0),
                        ],
                    );
                });
                canvas.shape(shade, |b| {
                    polygon(
                        b,
                        &[
                            (50.0 + side * 12.5, 73.5),
                            (50.0 + side * 18.0, 76.5),
                            (50.0 + side * 19.5, 87.0),
                            (50.0 + side * 15.5, 88.0),
                            (50.0 + side * 4.5, 102.0),
                            (50.0 + side * 1.5, 102.0),
                        ],
                    );
                });
            }
        }
        Clothes::Blazer => {
            canvas.shape(face.accent, |b| {
                polygon(b, &[(37.0, 73.0), (63.0, 73.0), (50.0, 106.0)]);
            });
            canvas.oval(50.0, 77.5, 11.4, 8.6, neck, 255);
            throat(canvas, 5.0);
            for side in [-1.0, 1.0] {
                canvas.shape(light, |b| {
                    polygon(
                        b,
                        &[
                            (50.0 + side * 12.5, 73.0),
                            (50.0 + side * 21.0, 78.5),
                            (50.0 + side * 3.0, 103.0),
                            (50.0 + side * 0.5, 103.0),
                        ],
                    );
                });
            }
        }
        Clothes::Hoodie => {
            canvas.oval(50.0, 78.0, 15.0, 9.0, shade, 255);
            throat(canvas, 6.5);
            for side in [-1.0, 1.0] {
                canvas.line(light, 1.7, |b| {
                    b.move_to(50.0 + side * 7.5, 85.5);
                    b.line_to(50.0 + side * 8.0, 97.0);
                });
            }
        }
        Clothes::Turtleneck => {
            throat(canvas, 3.0);
            canvas.shape(light, |b| {
                b.move_to(40.0, 69.5);
                b.quad_to(50.0, 73.5, 60.0, 69.5);
                b.line_to(62.0, 80.0);
                b.quad_to(50.0, 85.0, 38.0, 80.0);
            });
        }
        Clothes::Dungarees => {
            canvas.oval(50.0, 77.0, 12.0, 8.0, light, 255);
            throat(canvas, 6.0);
            canvas.shape(face.accent, |b| {
                polygon(b, &[(34.0, 94.0), (66.0, 94.0), (68.0, 104.0), (32.0, 104.0)]);
            });
            for side in [-1.0, 1.0] {
                canvas.line(face.accent, 5.0, |b| {
                    b.move_to(50.0 + side * 21.0, 78.0);
                    b.line_to(50.0 + side * 14.5, 97.0);
                });
                canvas.circle(50.0 + side * 14.5, 96.0, 1.6, Colour(242, 193, 78));
            }
        }
        Clothes::Lanyard => {
            canvas.oval(50.0, 77.0, 12.0, 7.8, shade, 255);
            throat(canvas, 5.6);
            canvas.line(face.accent, 2.6, |b| {
                b.move_to(39.0, 76.0);
                b.line_to(50.0, 95.0);
                b.line_to(61.0, 76.0);
            });
            canvas.shape(Colour::WHITE, |b| {
                polygon(b, &[(43.0, 94.0), (57.0, 94.0), (57.0, 104.0), (43.0, 104.0)]);
            });
            canvas.circle(47.0, 98.5, 2.2, face.accent);
        }
        Clothes::Scarf => {
            throat(canvas, 4.0);
            canvas.shape(face.accent.darker(40), |b| {
                polygon(b, &[(55.0, 80.0), (66.0, 78.0), (67.0, 104.0), (56.0, 104.0)]);
            });
            canvas.shape(face.accent, |b| {
                b.move_to(33.0, 73.0);
                b.quad_to(50.0, 80.0, 67.0, 73.0);
                b.cubic_to(72.0, 78.0, 70.0, 85.0, 64.0, 86.5);
                b.quad_to(50.0, 91.0, 36.0, 86.5);
                b.cubic_to(30.0, 85.0, 28.0, 78.0, 33.0, 73.0);
            });
        }
    }
    // The head's shadow on the neck.
    if !matches!(face.clothes, Clothes::Turtleneck | Clothes::Scarf) {
        canvas.glaze(face.skin.darker(110), 90, |b| {
            b.move_to(42.0, 60.0);
            b.line_to(58.0, 60.0);
            b.line_to(58.1, 68.0);
            b.quad_to(50.0, 72.0 + (head.height - 24.0), 41.9, 68.0);
        });
    }
}
