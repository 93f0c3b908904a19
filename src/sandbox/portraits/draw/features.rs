//! The head itself and what is in its face.

use tiny_skia::PathBuilder;

use super::super::face::{Beard, Colour, Covering, Face, Glasses, Hair, Mouth};
use super::{Canvas, Head, MIDDLE};

pub(super) fn skull(canvas: &mut Canvas, face: &Face, head: &Head) {
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

pub(super) fn features(canvas: &mut Canvas, face: &Face, head: &Head) {
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
