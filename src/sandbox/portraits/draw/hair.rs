//! Hair, behind the shoulders and in front of the forehead, and who wears something over it.

use super::super::face::{Colour, Covering, Face, Hair};
use super::coverings::{beanie, cap, hijab, turban};
use super::{Canvas, Head};

/// What lies behind the person's shoulders: long hair, hoods.
pub(super) fn behind(canvas: &mut Canvas, face: &Face, head: &Head) {
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

pub(super) fn in_front(canvas: &mut Canvas, face: &Face, head: &Head) {
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
