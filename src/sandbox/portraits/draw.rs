//! Draws a [`Face`]: flat shapes, anti-aliased, back to front.
//!
//! Coordinates are hundredths of the square's side, so one drawing serves every size. Flat colours keep the rasteriser
//! on its integer path and the background gradient is computed in integers: the same pixels on every platform.

use tiny_skia::{
    FillRule, LineCap, LineJoin, Paint, Path, PathBuilder, Pixmap, PremultipliedColorU8, Rect, Stroke,
    Transform,
};

use super::face::{Backdrop, Beard, Clothes, Colour, Covering, Face, Glasses, Hair, Mouth};

/// Draws the face into a picture of this many pixels; the face fills the square at the bottom of a tall picture.
pub(super) fn draw(face: &Face, width: u16, height: u16) -> Pixmap {
    let pixmap = Pixmap::new(u32::from(width.max(1)), u32::from(height.max(1)))
        .expect("a picture has at least one pixel");
    let unit = f32::from(width.max(1)) / 100.0;
    let rise = f32::from(height.max(1)) - f32::from(width.max(1));
    let mut canvas = Canvas {
        pixmap,
        backdrop: Transform::from_row(unit, 0.0, 0.0, unit, 0.0, rise / 2.0),
        person: Transform::from_row(
            unit * face.zoom * if face.mirrored { -1.0 } else { 1.0 },
            0.0,
            0.0,
            unit * face.zoom,
            unit * (50.0 + face.shift - 50.0 * face.zoom * if face.mirrored { -1.0 } else { 1.0 }),
            unit * (100.0 - 100.0 * face.zoom) + rise,
        ),
        on_backdrop: true,
    };
    backdrop(&mut canvas, face);
    canvas.on_backdrop = false;
    let head = Head::of(face);
    behind(&mut canvas, face, &head);
    torso(&mut canvas, face, &head);
    skull(&mut canvas, face, &head);
    features(&mut canvas, face, &head);
    in_front(&mut canvas, face, &head);
    canvas.pixmap
}

struct Canvas {
    pixmap: Pixmap,
    backdrop: Transform,
    person: Transform,
    on_backdrop: bool,
}

impl Canvas {
    fn view(&self) -> Transform {
        if self.on_backdrop {
            self.backdrop
        } else {
            self.person
        }
    }

    fn paint(colour: Colour, alpha: u8) -> Paint<'static> {
        let mut paint = Paint::default();
        paint.set_color_rgba8(colour.0, colour.1, colour.2, alpha);
        paint.anti_alias = true;
        paint
    }

    fn fill(&mut self, path: Option<Path>, colour: Colour, alpha: u8) {
        if let Some(path) = path {
            let view = self.view();
            self.pixmap
                .fill_path(&path, &Self::paint(colour, alpha), FillRule::Winding, view, None);
        }
    }

    fn shape(&mut self, colour: Colour, outline: impl FnOnce(&mut PathBuilder)) {
        self.glaze(colour, 255, outline);
    }

    fn glaze(&mut self, colour: Colour, alpha: u8, outline: impl FnOnce(&mut PathBuilder)) {
        let mut builder = PathBuilder::new();
        outline(&mut builder);
        builder.close();
        self.fill(builder.finish(), colour, alpha);
    }

    fn circle(&mut self, x: f32, y: f32, radius: f32, colour: Colour) {
        self.fill(PathBuilder::from_circle(x, y, radius), colour, 255);
    }

    fn oval(&mut self, x: f32, y: f32, across: f32, down: f32, colour: Colour, alpha: u8) {
        let bounds = Rect::from_xywh(x - across, y - down, across * 2.0, down * 2.0);
        self.fill(bounds.and_then(PathBuilder::from_oval), colour, alpha);
    }

    fn line(&mut self, colour: Colour, width: f32, outline: impl FnOnce(&mut PathBuilder)) {
        let mut builder = PathBuilder::new();
        outline(&mut builder);
        let stroke = Stroke {
            width,
            line_cap: LineCap::Round,
            line_join: LineJoin::Round,
            ..Stroke::default()
        };
        if let Some(path) = builder.finish() {
            let view = self.view();
            self.pixmap
                .stroke_path(&path, &Self::paint(colour, 255), &stroke, view, None);
        }
    }
}

fn polygon(builder: &mut PathBuilder, points: &[(f32, f32)]) {
    for (position, (x, y)) in points.iter().enumerate() {
        if position == 0 {
            builder.move_to(*x, *y);
        } else {
            builder.line_to(*x, *y);
        }
    }
    builder.close();
}

// ---------------------------------------------------------------------------------------------------- background

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

fn backdrop(canvas: &mut Canvas, face: &Face) {
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

// ---------------------------------------------------------------------------------------------------------- head

/// Where the head is. `at` maps a position relative to it: (0, 0) its middle, (±1, 0) the temples, (0, 1) the chin.
struct Head {
    width: f32,
    height: f32,
}

const MIDDLE: f32 = 50.0;
const LEVEL: f32 = 45.0;

impl Head {
    fn of(face: &Face) -> Self {
        Self {
            width: face.head_width,
            height: face.head_height,
        }
    }

    fn x(&self, across: f32) -> f32 {
        MIDDLE + across * self.width
    }

    fn y(&self, down: f32) -> f32 {
        LEVEL + down * self.height
    }

    fn move_to(&self, b: &mut PathBuilder, to: (f32, f32)) {
        b.move_to(self.x(to.0), self.y(to.1));
    }

    fn line_to(&self, b: &mut PathBuilder, to: (f32, f32)) {
        b.line_to(self.x(to.0), self.y(to.1));
    }

    fn quad(&self, b: &mut PathBuilder, over: (f32, f32), to: (f32, f32)) {
        b.quad_to(self.x(over.0), self.y(over.1), self.x(to.0), self.y(to.1));
    }

    fn cubic(&self, b: &mut PathBuilder, first: (f32, f32), second: (f32, f32), to: (f32, f32)) {
        b.cubic_to(
            self.x(first.0),
            self.y(first.1),
            self.x(second.0),
            self.y(second.1),
            self.x(to.0),
            self.y(to.1),
        );
    }

    /// The outer line of a head of hair: from the left side at `side` over the top to the right side.
    fn crown(&self, b: &mut PathBuilder, reach: f32, top: f32, side: f32) {
        self.move_to(b, (-reach, side));
        self.cubic(b, (-reach - 0.06, -0.75), (-0.68, -top), (0.0, -top));
        self.cubic(b, (0.68, -top), (reach + 0.06, -0.75), (reach, side));
    }
}

/// What lies behind the person's shoulders: long hair, hoods.
fn behind(canvas: &mut Canvas, face: &Face, head: &Head) {
    let hair = face.hair_colour.darker(40);
    if matches!(face.covering, Covering::Hijab | Covering::Turban) {
        return;
    }
    match face.hair {
        Hair::Bob | Hair::BobFringe => canvas.shape(hair, |b| {
            head.move_to(b, (-1.28, 0.72));
            head.cubic(b, (-1.42, -0.2), (-1.25, -1.22), (0.0, -1.2));
            head.cubic(b, (1.25, -1.22), (1.42, -0.2), (1.28, 0.72));
            head.cubic(b, (1.0, 0.86), (-1.0, 0.86), (-1.28, 0.72));
        }),
        Hair::Long | Hair::LongSide => canvas.shape(hair, |b| {
            head.move_to(b, (-1.36, 1.75));
            head.cubic(b, (-1.5, 0.2), (-1.35, -1.22), (0.0, -1.2));
            head.cubic(b, (1.35, -1.22), (1.5, 0.2), (1.36, 1.75));
            head.cubic(b, (0.6, 1.9), (-0.6, 1.9), (-1.36, 1.75));
        }),
        Hair::Waves => {
            for (x, y, radius) in [
                (-1.05, -0.45, 9.5),
                (1.05, -0.45, 9.5),
                (-1.2, 0.1, 9.5),
                (1.2, 0.1, 9.5),
                (-1.28, 0.62, 9.5),
                (1.28, 0.62, 9.5),
                (-1.2, 1.12, 9.0),
                (1.2, 1.12, 9.0),
            ] {
                canvas.circle(head.x(x), head.y(y), radius, hair);
            }
            canvas.shape(hair, |b| {
                head.move_to(b, (-1.1, 1.2));
                head.crown(b, 1.2, 1.18, -0.2);
                head.line_to(b, (1.1, 1.2));
                head.line_to(b, (-1.1, 1.2));
            });
        }
        Hair::Afro => {
            for (x, y, radius) in [
                (0.0, -0.55, 22.0),
                (-0.75, -0.45, 17.0),
                (0.75, -0.45, 17.0),
                (-0.98, 0.0, 13.0),
                (0.98, 0.0, 13.0),
            ] {
                canvas.circle(head.x(x), head.y(y), radius, hair);
            }
        }
        Hair::Locs => {
            for (x, end) in [
                (-1.22, 1.1),
                (-1.0, 1.35),
                (-0.78, 1.2),
                (0.78, 1.2),
                (1.0, 1.35),
                (1.22, 1.1),
            ] {
                canvas.line(hair, 5.4, |b| {
                    head.move_to(b, (x * 0.72, -0.6));
                    head.quad(b, (x * 1.08, -0.2), (x, end));
                });
            }
        }
        Hair::TopKnot => {
            canvas.circle(head.x(0.0), head.y(-1.24), 9.6, face.hair_colour.darker(26));
        }
        Hair::Ponytail => {
            canvas.shape(hair, |b| {
                head.move_to(b, (0.62, -0.85));
                head.cubic(b, (1.75, -1.2), (2.05, 0.1), (1.45, 0.95));
                head.cubic(b, (1.62, 0.3), (1.4, -0.3), (0.85, -0.3));
            });
        }
        Hair::Braids => {
            for side in [-1.0, 1.0] {
                for bead in 0..6_u8 {
                    let down = f32::from(bead);
                    canvas.circle(
                        head.x(side * (1.08 + 0.03 * down)),
                        head.y(0.1 + 0.24 * down),
                        5.4 - 0.3 * down,
                        if bead % 2 == 0 { hair } else { face.hair_colour },
                    );
                }
                canvas.circle(head.x(side * 1.25), head.y(1.52), 3.2, face.accent);
            }
        }
        Hair::Curls => {
            for (x, y, radius) in [
                (-1.0, -0.5, 8.5),
                (1.0, -0.5, 8.5),
                (-1.08, -0.1, 7.5),
                (1.08, -0.1, 7.5),
            ] {
                canvas.circle(head.x(x), head.y(y), radius, hair);
            }
        }
        Hair::Bald
        | Hair::Receding
        | Hair::Buzz
        | Hair::SidePart
        | Hair::Quiff
        | Hair::Spikes
        | Hair::Bowl
        | Hair::Pixie => {}
    }
}

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

fn torso(canvas: &mut Canvas, face: &Face, head: &Head) {
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
                polygon(b, &[(38.0, 73.0), (62.0, 73.0), (50.0, 104.0)])
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
                polygon(b, &[(37.0, 73.0), (63.0, 73.0), (50.0, 106.0)])
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

fn skull(canvas: &mut Canvas, face: &Face, head: &Head) {
    let hides_ears = face.covering == Covering::Hijab;
    if !hides_ears {
        for side in [-1.0, 1.0] {
            canvas.circle(head.x(side * 1.0), head.y(0.1), 4.3, face.skin.darker(16));
            canvas.circle(head.x(side * 1.01), head.y(0.1), 2.1, face.skin.darker(48));
        }
    }
    canvas.shape(face.skin, |b| {
        head.move_to(b, (-1.0, -0.1));
        head.cubic(b, (-1.0, -0.72), (-0.62, -1.0), (0.0, -1.0));
        head.cubic(b, (0.62, -1.0), (1.0, -0.72), (1.0, -0.1));
        head.cubic(b, (1.0, 0.55), (face.jaw, 1.0), (0.0, 1.0));
        head.cubic(b, (-face.jaw, 1.0), (-1.0, 0.55), (-1.0, -0.1));
    });
    if face.blush {
        for side in [-1.0, 1.0] {
            canvas.oval(
                head.x(side * 0.6),
                head.y(0.34),
                3.9,
                2.7,
                Colour(232, 88, 88),
                62,
            );
        }
    }
    if face.freckles {
        for (x, y) in [
            (-0.62, 0.24),
            (-0.46, 0.32),
            (-0.55, 0.4),
            (0.62, 0.24),
            (0.46, 0.32),
            (0.55, 0.4),
        ] {
            canvas.oval(head.x(x), head.y(y), 0.8, 0.8, Colour(160, 84, 48), 170);
        }
    }
}

// ------------------------------------------------------------------------------------------------------ features

fn features(canvas: &mut Canvas, face: &Face, head: &Head) {
    beard(canvas, face, head);
    nose_and_mouth(canvas, face, head);
    eyes(canvas, face, head);
    glasses(canvas, face, head);
}

fn beard(canvas: &mut Canvas, face: &Face, head: &Head) {
    let colour = face.brow_colour.darker(18);
    let outline = |b: &mut PathBuilder, low: f32| {
        head.move_to(b, (-1.0, 0.02));
        head.cubic(b, (-1.03, 0.6), (-face.jaw - 0.06, low), (0.0, low));
        head.cubic(b, (face.jaw + 0.06, low), (1.03, 0.6), (1.0, 0.02));
        head.cubic(b, (0.86, 0.5), (0.62, 0.4), (0.36, 0.36));
        head.quad(b, (0.0, 0.28), (-0.36, 0.36));
        head.cubic(b, (-0.62, 0.4), (-0.86, 0.5), (-1.0, 0.02));
    };
    match face.beard {
        Beard::None => {}
        Beard::Stubble => canvas.glaze(colour, 62, |b| outline(b, 1.0)),
        Beard::Full => canvas.shape(colour, |b| outline(b, 1.1)),
        Beard::Long => canvas.shape(colour, |b| outline(b, 1.46)),
        Beard::Goatee => {
            canvas.shape(colour, |b| {
                head.move_to(b, (-0.4, 0.4));
                head.quad(b, (0.0, 0.26), (0.4, 0.4));
                head.cubic(b, (0.5, 0.8), (0.4, 1.14), (0.0, 1.14));
                head.cubic(b, (-0.4, 1.14), (-0.5, 0.8), (-0.4, 0.4));
            });
            canvas.oval(head.x(0.0), head.y(0.57), 5.4, 3.3, face.skin, 255);
        }
        Beard::Moustache => canvas.shape(colour, |b| {
            head.move_to(b, (0.0, 0.32));
            head.cubic(b, (0.2, 0.25), (0.4, 0.34), (0.54, 0.56));
            head.cubic(b, (0.34, 0.56), (0.16, 0.56), (0.0, 0.48));
            head.cubic(b, (-0.16, 0.56), (-0.34, 0.56), (-0.54, 0.56));
            head.cubic(b, (-0.4, 0.34), (-0.2, 0.25), (0.0, 0.32));
        }),
    }
}

fn nose_and_mouth(canvas: &mut Canvas, face: &Face, head: &Head) {
    canvas.line(face.skin.darker(70), 1.5, |b| {
        head.move_to(b, (0.02, 0.02));
        head.quad(b, (0.2, 0.28), (0.0, 0.29));
    });
    let hairy = matches!(face.beard, Beard::Full | Beard::Long);
    let lips = match face.lipstick {
        Some(colour) => colour,
        None if hairy => Colour(196, 92, 92),
        None => face.skin.darker(96).towards(Colour(170, 40, 60), 90),
    };
    let level = 0.56;
    match face.mouth {
        Mouth::Grin => {
            canvas.shape(
                if face.lipstick.is_some() {
                    lips
                } else {
                    Colour(110, 30, 44)
                },
                |b| {
                    head.move_to(b, (-0.37, level - 0.06));
                    head.quad(b, (0.0, level + 0.02), (0.37, level - 0.06));
                    head.cubic(
                        b,
                        (0.32, level + 0.26),
                        (-0.32, level + 0.26),
                        (-0.37, level - 0.06),
                    );
                },
            );
            canvas.shape(Colour::WHITE, |b| {
                head.move_to(b, (-0.3, level - 0.025));
                head.quad(b, (0.0, level + 0.04), (0.3, level - 0.025));
                head.cubic(b, (0.2, level + 0.1), (-0.2, level + 0.1), (-0.3, level - 0.025));
            });
        }
        Mouth::Smile => canvas.line(lips, 2.0, |b| {
            head.move_to(b, (-0.34, level - 0.04));
            head.quad(b, (0.0, level + 0.2), (0.34, level - 0.04));
        }),
        Mouth::Soft => canvas.line(lips, 2.2, |b| {
            head.move_to(b, (-0.22, level + 0.02));
            head.quad(b, (0.0, level + 0.1), (0.22, level + 0.02));
        }),
        Mouth::Smirk => canvas.line(lips, 2.0, |b| {
            head.move_to(b, (-0.26, level + 0.06));
            head.quad(b, (0.14, level + 0.14), (0.34, level - 0.06));
        }),
    }
}

fn eyes(canvas: &mut Canvas, face: &Face, head: &Head) {
    let brow = match face.hair {
        Hair::Bald => face.skin.darker(130),
        _ => face.brow_colour.darker(60).towards(face.skin.darker(120), 60),
    };
    for side in [-1.0_f32, 1.0] {
        let x = head.x(side * 0.42);
        let y = head.y(-0.02);
        if face.glasses != Glasses::Dark {
            if face.wide_eyes {
                canvas.oval(x, y, 3.7, 3.1, Colour::WHITE, 255);
                canvas.circle(x + 0.3, y, 2.3, face.eye_colour);
                canvas.circle(x + 0.3, y, 1.2, Colour::INK);
            } else {
                canvas.oval(x, y, 2.2, 2.7, Colour::INK, 255);
            }
            canvas.circle(x + 0.9, y - 0.9, 0.75, Colour::WHITE);
        }
        canvas.line(brow, 1.9, |b| {
            b.move_to(x - side * 3.4, y - 6.2 - face.brow_tilt);
            b.quad_to(x + side * 0.6, y - 8.6, x + side * 4.4, y - 6.0);
        });
    }
}

fn glasses(canvas: &mut Canvas, face: &Face, head: &Head) {
    let frame = face.glasses_colour;
    let (left, right, y) = (head.x(-0.43), head.x(0.43), head.y(0.0));
    if face.glasses == Glasses::None {
        return;
    }
    for side in [-1.0, 1.0] {
        canvas.line(frame, 1.3, |b| {
            b.move_to(head.x(side * 0.8), y - 0.8);
            b.line_to(head.x(side * 1.0), y - 1.4);
        });
    }
    canvas.line(frame, 1.5, |b| {
        b.move_to(left + 6.0, y - 0.6);
        b.quad_to(MIDDLE, y - 2.6, right - 6.0, y - 0.6);
    });
    for x in [left, right] {
        let lens = |b: &mut PathBuilder| {
            let corner = 2.2;
            let (across, up, down) = (6.9, 4.6, 5.0);
            b.move_to(x - across + corner, y - up);
            b.line_to(x + across - corner, y - up);
            b.quad_to(x + across, y - up, x + across, y - up + corner);
            b.line_to(x + across - 0.6, y + down - corner);
            b.quad_to(x + across - 0.8, y + down, x + across - corner, y + down);
            b.line_to(x - across + corner, y + down);
            b.quad_to(x - across + 0.8, y + down, x - across + 0.6, y + down - corner);
            b.line_to(x - across, y - up + corner);
            b.quad_to(x - across, y - up, x - across + corner, y - up);
            b.close();
        };
        match face.glasses {
            Glasses::None => {}
            Glasses::Round => {
                canvas.oval(x, y, 6.6, 6.6, Colour::WHITE, 40);
                canvas.line(frame, 1.6, |b| b.push_circle(x, y, 6.6));
            }
            Glasses::Square => {
                canvas.glaze(Colour::WHITE, 40, lens);
                canvas.line(frame, 1.9, lens);
            }
            Glasses::Browline => {
                canvas.line(Colour(208, 208, 214), 1.0, lens);
                canvas.line(frame, 2.2, |b| {
                    b.move_to(x - 5.9, y - 4.2);
                    b.line_to(x + 5.9, y - 4.2);
                });
            }
            Glasses::Dark => canvas.shape(Colour::INK, lens),
        }
    }
}

// ------------------------------------------------------------------------------------------- hair and what covers it

fn in_front(canvas: &mut Canvas, face: &Face, head: &Head) {
    let earrings = |canvas: &mut Canvas| {
        if let Some(metal) = face.earrings {
            for side in [-1.0, 1.0] {
                canvas.circle(head.x(side * 1.04), head.y(0.33), 2.3, metal);
            }
        }
    };
    match face.covering {
        Covering::Hijab => hijab(canvas, face, head),
        Covering::Turban => turban(canvas, face, head),
        Covering::Beanie => {
            hair(canvas, face, head);
            beanie(canvas, face, head);
            earrings(canvas);
        }
        Covering::Cap => {
            hair(canvas, face, head);
            cap(canvas, face, head);
            earrings(canvas);
        }
        Covering::Headband => {
            hair(canvas, face, head);
            canvas.shape(face.covering_colour, |b| {
                head.move_to(b, (-1.1, -0.36));
                head.cubic(b, (-0.9, -1.12), (0.9, -1.12), (1.1, -0.36));
                head.line_to(b, (1.12, -0.6));
                head.cubic(b, (0.9, -1.36), (-0.9, -1.36), (-1.12, -0.6));
            });
            earrings(canvas);
        }
        Covering::Flower => {
            hair(canvas, face, head);
            for (x, y) in [(0.0, -4.2), (4.0, -1.3), (2.5, 3.4), (-2.5, 3.4), (-4.0, -1.3)] {
                canvas.circle(head.x(0.8) + x, head.y(-0.66) + y, 3.5, face.covering_colour);
            }
            canvas.circle(head.x(0.8), head.y(-0.66), 2.7, Colour(250, 208, 90));
            earrings(canvas);
        }
        Covering::None => {
            hair(canvas, face, head);
            earrings(canvas);
        }
    }
}

fn hair(canvas: &mut Canvas, face: &Face, head: &Head) {
    let colour = face.hair_colour;
    let gloss = if colour.brightness() > 200 {
        colour.darker(26)
    } else {
        colour.lighter(34)
    };
    match face.hair {
        Hair::Bald => canvas.oval(head.x(-0.3), head.y(-0.74), 5.2, 2.6, Colour::WHITE, 90),
        Hair::Receding => {
            for side in [-1.0, 1.0] {
                canvas.shape(colour, |b| {
                    head.move_to(b, (side * 1.06, 0.12));
                    head.cubic(b, (side * 1.22, -0.5), (side * 0.95, -0.85), (side * 0.66, -0.92));
                    head.cubic(b, (side * 0.8, -0.6), (side * 0.86, -0.4), (side * 0.9, 0.0));
                });
            }
        }
        Hair::Buzz => canvas.shape(colour, |b| {
            head.crown(b, 1.04, 1.09, -0.05);
            head.cubic(b, (0.92, -0.4), (0.86, -0.56), (0.62, -0.6));
            head.quad(b, (0.0, -0.7), (-0.62, -0.6));
            head.cubic(b, (-0.86, -0.56), (-0.92, -0.4), (-1.04, -0.05));
        }),
        Hair::SidePart => {
            canvas.shape(colour, |b| {
                head.move_to(b, (-1.06, 0.06));
                head.cubic(b, (-1.26, -0.8), (-0.8, -1.3), (0.1, -1.28));
                head.cubic(b, (0.85, -1.26), (1.24, -0.8), (1.06, 0.06));
                head.cubic(b, (0.96, -0.2), (0.94, -0.42), (0.84, -0.52));
                head.cubic(b, (0.3, -0.5), (-0.3, -0.62), (-0.62, -0.82));
                head.cubic(b, (-0.74, -0.6), (-0.92, -0.44), (-1.06, 0.06));
            });
            canvas.line(gloss, 1.3, |b| {
                head.move_to(b, (-0.5, -0.98));
                head.quad(b, (0.2, -0.78), (0.78, -0.76));
            });
        }
        Hair::Quiff => {
            canvas.shape(colour, |b| {
                head.move_to(b, (-1.05, 0.02));
                head.cubic(b, (-1.2, -0.6), (-1.1, -1.0), (-0.8, -1.14));
                head.cubic(b, (-0.6, -1.62), (0.5, -1.66), (0.98, -1.12));
                head.cubic(b, (1.18, -0.9), (1.16, -0.4), (1.05, 0.02));
                head.cubic(b, (0.94, -0.3), (0.92, -0.5), (0.78, -0.62));
                head.cubic(b, (0.3, -0.86), (-0.4, -0.86), (-0.78, -0.62));
                head.cubic(b, (-0.92, -0.5), (-0.94, -0.3), (-1.05, 0.02));
            });
            canvas.line(gloss, 1.5, |b| {
                head.move_to(b, (-0.55, -1.0));
                head.quad(b, (-0.1, -1.36), (0.62, -1.22));
            });
        }
        Hair::Spikes => canvas.shape(colour, |b| {
            head.move_to(b, (-1.05, 0.0));
            for (x, y) in [
                (-1.16, -0.62),
                (-1.3, -0.98),
                (-0.92, -1.0),
                (-0.86, -1.4),
                (-0.48, -1.16),
                (-0.2, -1.52),
                (0.1, -1.2),
                (0.46, -1.5),
                (0.58, -1.12),
                (1.0, -1.3),
                (0.98, -0.92),
                (1.34, -0.86),
                (1.14, -0.5),
                (1.05, 0.0),
                (0.88, -0.42),
                (0.6, -0.6),
                (0.36, -0.5),
                (0.1, -0.68),
                (-0.16, -0.5),
                (-0.4, -0.68),
                (-0.66, -0.52),
                (-0.88, -0.42),
            ] {
                head.line_to(b, (x, y));
            }
        }),
        Hair::Bowl => canvas.shape(colour, |b| {
            head.crown(b, 1.14, 1.24, 0.02);
            head.line_to(b, (0.92, 0.04));
            head.cubic(b, (0.92, -0.2), (0.88, -0.3), (0.84, -0.36));
            head.quad(b, (0.0, -0.28), (-0.84, -0.36));
            head.cubic(b, (-0.88, -0.3), (-0.92, -0.2), (-0.92, 0.04));
        }),
        Hair::Curls => {
            for (x, y, radius) in [
                (-0.92, -0.52, 6.6),
                (-0.7, -0.9, 7.2),
                (-0.25, -1.1, 7.6),
                (0.25, -1.1, 7.6),
                (0.7, -0.9, 7.2),
                (0.92, -0.52, 6.6),
                (-0.42, -0.72, 6.0),
                (0.0, -0.8, 6.2),
                (0.42, -0.72, 6.0),
            ] {
                canvas.circle(head.x(x), head.y(y), radius, colour);
            }
            for (x, y) in [(-0.7, -0.96), (-0.22, -1.16), (0.28, -1.16), (0.72, -0.96)] {
                canvas.line(gloss, 1.1, |b| {
                    b.move_to(head.x(x) - 2.8, head.y(y));
                    b.quad_to(head.x(x), head.y(y) - 3.6, head.x(x) + 2.8, head.y(y));
                });
            }
        }
        Hair::Afro => {
            let crown = face.hair_colour.darker(40);
            canvas.shape(crown, |b| {
                head.crown(b, 1.02, 1.1, -0.1);
                head.cubic(b, (0.86, -0.5), (0.5, -0.6), (0.0, -0.6));
                head.cubic(b, (-0.5, -0.6), (-0.86, -0.5), (-1.02, -0.1));
            });
        }
        Hair::Locs => {
            canvas.shape(colour, |b| {
                head.crown(b, 1.08, 1.18, -0.1);
                head.cubic(b, (0.8, -0.62), (0.4, -0.7), (0.0, -0.7));
                head.cubic(b, (-0.4, -0.7), (-0.8, -0.62), (-1.08, -0.1));
            });
            for x in [-0.66, -0.33, 0.0, 0.33, 0.66] {
                canvas.line(colour.darker(64), 1.2, |b| {
                    head.move_to(b, (x * 0.6, -1.12));
                    head.line_to(b, (x * 1.1, -0.72));
                });
            }
        }
        Hair::Pixie => {
            canvas.shape(colour, |b| {
                head.move_to(b, (-1.08, 0.26));
                head.cubic(b, (-1.3, -0.8), (-0.8, -1.26), (0.0, -1.24));
                head.cubic(b, (0.8, -1.26), (1.3, -0.8), (1.08, 0.26));
                head.cubic(b, (0.96, 0.1), (0.94, -0.2), (0.9, -0.34));
                head.cubic(b, (0.66, -0.4), (0.54, -0.56), (0.46, -0.74));
                head.cubic(b, (0.1, -0.44), (-0.5, -0.34), (-0.9, -0.26));
                head.cubic(b, (-0.94, -0.1), (-0.96, 0.1), (-1.08, 0.26));
            });
            canvas.line(gloss, 1.3, |b| {
                head.move_to(b, (0.36, -0.96));
                head.quad(b, (-0.2, -0.66), (-0.8, -0.56));
            });
        }
        Hair::Bob | Hair::Long => {
            canvas.shape(colour, |b| {
                head.move_to(b, (-1.1, 0.55));
                head.cubic(b, (-1.34, -0.7), (-0.9, -1.24), (0.0, -1.22));
                head.cubic(b, (0.9, -1.24), (1.34, -0.7), (1.1, 0.55));
                head.cubic(b, (1.0, 0.2), (0.98, -0.2), (0.84, -0.36));
                head.cubic(b, (0.5, -0.5), (0.16, -0.74), (0.0, -0.98));
                head.cubic(b, (-0.16, -0.74), (-0.5, -0.5), (-0.84, -0.36));
                head.cubic(b, (-0.98, -0.2), (-1.0, 0.2), (-1.1, 0.55));
            });
            canvas.line(gloss, 1.2, |b| {
                head.move_to(b, (-0.2, -1.0));
                head.quad(b, (-0.72, -0.8), (-0.98, -0.34));
            });
        }
        Hair::BobFringe => {
            canvas.shape(colour, |b| {
                head.move_to(b, (-1.12, 0.6));
                head.cubic(b, (-1.34, -0.7), (-0.9, -1.24), (0.0, -1.22));
                head.cubic(b, (0.9, -1.24), (1.34, -0.7), (1.12, 0.6));
                head.cubic(b, (0.98, 0.2), (0.96, -0.1), (0.9, -0.3));
                head.quad(b, (0.0, -0.42), (-0.9, -0.3));
                head.cubic(b, (-0.96, -0.1), (-0.98, 0.2), (-1.12, 0.6));
            });
            canvas.line(gloss, 1.3, |b| {
                head.move_to(b, (-0.6, -0.84));
                head.quad(b, (0.0, -1.0), (0.6, -0.84));
            });
        }
        Hair::LongSide | Hair::Waves => {
            canvas.shape(colour, |b| {
                head.move_to(b, (-1.12, 0.7));
                head.cubic(b, (-1.36, -0.6), (-0.98, -1.24), (0.0, -1.22));
                head.cubic(b, (0.98, -1.24), (1.36, -0.6), (1.12, 0.7));
                head.cubic(b, (1.0, 0.2), (0.98, -0.3), (0.74, -0.6));
                head.cubic(b, (0.6, -0.76), (0.5, -0.84), (0.44, -0.98));
                head.cubic(b, (0.2, -0.5), (-0.5, -0.32), (-0.86, -0.16));
                head.cubic(b, (-0.98, 0.1), (-1.0, 0.4), (-1.12, 0.7));
            });
            canvas.line(gloss, 1.3, |b| {
                head.move_to(b, (0.34, -1.0));
                head.quad(b, (-0.3, -0.68), (-0.92, -0.44));
            });
        }
        Hair::TopKnot | Hair::Ponytail | Hair::Braids => {
            canvas.shape(colour, |b| {
                head.crown(b, 1.07, 1.16, 0.02);
                head.cubic(b, (0.96, -0.4), (0.62, -0.72), (0.0, -0.74));
                head.cubic(b, (-0.62, -0.72), (-0.96, -0.4), (-1.07, 0.02));
            });
            canvas.line(gloss, 1.2, |b| {
                head.move_to(b, (-0.62, -0.86));
                head.quad(b, (0.0, -1.1), (0.62, -0.86));
            });
            if face.hair == Hair::Braids {
                canvas.line(colour.darker(70), 1.0, |b| {
                    head.move_to(b, (0.0, -1.14));
                    head.line_to(b, (0.0, -0.76));
                });
            }
        }
    }
}

fn hijab(canvas: &mut Canvas, face: &Face, head: &Head) {
    let colour = face.covering_colour;
    let mut ring = PathBuilder::new();
    // Outer line clockwise, the opening for the face the other way round, so that it stays open.
    head.move_to(&mut ring, (-1.42, 1.86));
    head.cubic(&mut ring, (-1.28, 1.2), (-1.36, 0.7), (-1.26, 0.0));
    head.cubic(&mut ring, (-1.22, -0.9), (-0.8, -1.26), (0.0, -1.26));
    head.cubic(&mut ring, (0.8, -1.26), (1.22, -0.9), (1.26, 0.0));
    head.cubic(&mut ring, (1.36, 0.7), (1.28, 1.2), (1.42, 1.86));
    head.cubic(&mut ring, (0.7, 2.12), (-0.7, 2.12), (-1.42, 1.86));
    ring.close();
    head.move_to(&mut ring, (0.0, 0.98));
    head.cubic(&mut ring, (face.jaw, 0.98), (0.94, 0.5), (0.92, -0.1));
    head.cubic(&mut ring, (0.9, -0.54), (0.52, -0.74), (0.0, -0.74));
    head.cubic(&mut ring, (-0.52, -0.74), (-0.9, -0.54), (-0.92, -0.1));
    head.cubic(&mut ring, (-0.94, 0.5), (-face.jaw, 0.98), (0.0, 0.98));
    ring.close();
    if let Some(path) = ring.finish() {
        let view = canvas.view();
        canvas
            .pixmap
            .fill_path(&path, &Canvas::paint(colour, 255), FillRule::EvenOdd, view, None);
    }
    canvas.line(colour.darker(60), 1.5, |b| {
        head.move_to(b, (-0.96, 0.4));
        head.cubic(b, (-0.6, 1.2), (0.3, 1.34), (1.16, 1.12));
    });
    canvas.line(colour.darker(60), 1.5, |b| {
        head.move_to(b, (1.0, 0.4));
        head.cubic(b, (0.8, 1.1), (0.2, 1.5), (-0.7, 1.74));
    });
    canvas.line(colour.lighter(60), 1.4, |b| {
        head.move_to(b, (-0.7, -0.86));
        head.quad(b, (0.0, -1.12), (0.7, -0.86));
    });
}

fn turban(canvas: &mut Canvas, face: &Face, head: &Head) {
    let colour = face.covering_colour;
    canvas.shape(colour, |b| {
        head.move_to(b, (-1.12, -0.12));
        head.cubic(b, (-1.56, -0.9), (-0.95, -1.62), (0.0, -1.6));
        head.cubic(b, (0.95, -1.62), (1.56, -0.9), (1.12, -0.12));
        head.cubic(b, (0.8, -0.52), (0.3, -0.66), (0.0, -0.86));
        head.cubic(b, (-0.3, -0.66), (-0.8, -0.52), (-1.12, -0.12));
    });
    for (from, over, to) in [
        ((-1.2, -0.56), (-0.4, -0.72), (0.3, -1.5)),
        ((1.2, -0.56), (0.4, -0.72), (-0.2, -1.1)),
        ((-1.1, -0.9), (-0.6, -1.0), (-0.1, -1.5)),
    ] {
        canvas.line(colour.darker(66), 1.4, |b| {
            head.move_to(b, from);
            head.quad(b, over, to);
        });
    }
}

fn beanie(canvas: &mut Canvas, face: &Face, head: &Head) {
    let colour = face.covering_colour;
    canvas.shape(colour, |b| {
        head.move_to(b, (-1.12, -0.5));
        head.cubic(b, (-1.14, -1.5), (-0.6, -1.62), (0.0, -1.62));
        head.cubic(b, (0.6, -1.62), (1.14, -1.5), (1.12, -0.5));
    });
    canvas.shape(colour.darker(60), |b| {
        head.move_to(b, (-1.18, -0.34));
        head.quad(b, (0.0, -0.62), (1.18, -0.34));
        head.line_to(b, (1.14, -0.72));
        head.quad(b, (0.0, -1.0), (-1.14, -0.72));
    });
    canvas.circle(head.x(0.0), head.y(-1.62), 4.4, colour.lighter(120));
}

fn cap(canvas: &mut Canvas, face: &Face, head: &Head) {
    let colour = face.covering_colour;
    canvas.shape(colour, |b| {
        head.move_to(b, (-1.12, -0.42));
        head.cubic(b, (-1.16, -1.36), (-0.6, -1.46), (0.0, -1.46));
        head.cubic(b, (0.6, -1.46), (1.16, -1.36), (1.12, -0.42));
        head.quad(b, (0.0, -0.72), (-1.12, -0.42));
    });
    canvas.shape(colour.darker(76), |b| {
        head.move_to(b, (-0.5, -0.62));
        head.cubic(b, (0.2, -0.86), (1.5, -0.72), (1.66, -0.3));
        head.cubic(b, (1.2, -0.44), (0.3, -0.46), (-0.5, -0.42));
    });
    canvas.circle(head.x(0.1), head.y(-1.06), 4.2, face.accent);
}
