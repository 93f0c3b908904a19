//! What covers the head.

use tiny_skia::{FillRule, PathBuilder};

use super::super::face::Face;
use super::{Canvas, Head};

pub(super) fn hijab(canvas: &mut Canvas, face: &Face, head: &Head) {
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

pub(super) fn turban(canvas: &mut Canvas, face: &Face, head: &Head) {
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

pub(super) fn beanie(canvas: &mut Canvas, face: &Face, head: &Head) {
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

pub(super) fn cap(canvas: &mut Canvas, face: &Face, head: &Head) {
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
