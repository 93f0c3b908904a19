//! Draws a [`Face`]: flat shapes, anti-aliased, back to front.
//!
//! Coordinates are hundredths of the square's side, so one drawing serves every size. Flat colours keep the rasteriser
//! on its integer path and the background gradient is computed in integers: the same pixels on every platform.

mod backdrop;
mod clothes;
mod coverings;
mod features;
mod hair;

use tiny_skia::{FillRule, LineCap, LineJoin, Paint, Path, PathBuilder, Pixmap, Rect, Stroke, Transform};

use super::face::{Colour, Face};

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
    backdrop::backdrop(&mut canvas, face);
    canvas.on_backdrop = false;
    let head = Head::of(face);
    hair::behind(&mut canvas, face, &head);
    clothes::torso(&mut canvas, face, &head);
    features::skull(&mut canvas, face, &head);
    features::features(&mut canvas, face, &head);
    hair::in_front(&mut canvas, face, &head);
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
