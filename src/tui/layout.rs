//! Where everything stands, for every size of window. Pure, so that pictures are asked for in the size in which they
//! will be drawn.

use ratatui::layout::{Rect, Size};

/// The least that something useful fits on.
pub const LEAST: Size = Size {
    width: 60,
    height: 14,
};

/// Widest picture, in columns: more costs bytes and shows nothing new (`terminal-images.md` 4).
const PICTURE_COLUMNS: u16 = 36;
/// Lines below a picture.
pub const CAPTION_LINES: u16 = 3;

/// True if the window is too small for anything but a sentence.
pub fn is_too_small(size: Size) -> bool {
    size.width < LEAST.width || size.height < LEAST.height
}

/// The parts of the people screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeopleAreas {
    /// Name, systems, scan.
    pub header: Rect,
    /// Tabs.
    pub tabs: Rect,
    /// The table with its frame.
    pub table: Rect,
    /// The source's pane with its frame.
    pub source: Rect,
    /// The target's pane with its frame.
    pub target: Rect,
    /// Why, with its frame.
    pub why: Rect,
    /// Keys and notices.
    pub footer: Rect,
}

/// The people screen in a window of this size.
pub fn people(size: Size) -> PeopleAreas {
    let (header, body, footer) = frame(size);
    let tabs = Rect { height: 1, ..body };
    let body = Rect {
        y: body.y + 1,
        height: body.height - 1,
        ..body
    };
    // Two panes as wide as their pictures, the rest for the table.
    let pane = (body.width * 27 / 100).clamp(18, PICTURE_COLUMNS + 3);
    let table = Rect {
        width: body.width - 2 * pane,
        ..body
    };
    let why_height = (body.height / 3).clamp(5, 10).min(body.height - 6);
    let top = body.height - why_height;
    let pane_at = |x: u16| Rect {
        x,
        y: body.y,
        width: pane,
        height: top,
    };
    PeopleAreas {
        header,
        tabs,
        table,
        source: pane_at(table.right()),
        target: pane_at(table.right() + pane),
        why: Rect {
            x: table.right(),
            y: body.y + top,
            width: 2 * pane,
            height: why_height,
        },
        footer,
    }
}

/// Header line, body and footer line of every screen.
pub fn frame(size: Size) -> (Rect, Rect, Rect) {
    let line = |y: u16| Rect {
        x: 0,
        y,
        width: size.width,
        height: 1.min(size.height),
    };
    let body = Rect {
        x: 0,
        y: 1,
        width: size.width,
        height: size.height.saturating_sub(2),
    };
    (line(0), body, line(size.height.saturating_sub(1)))
}

/// The inside of a framed area.
pub fn inside(area: Rect) -> Rect {
    Rect {
        x: area.x + 1.min(area.width),
        y: area.y + 1.min(area.height),
        width: area.width.saturating_sub(2),
        height: area.height.saturating_sub(2),
    }
}

/// Where a picture goes in a pane: above the caption, with one column free at the right and one row below
/// (`terminal-images.md` 4).
pub fn picture(pane: Rect) -> Rect {
    let inner = inside(pane);
    Rect {
        width: inner.width.saturating_sub(1).min(PICTURE_COLUMNS),
        height: inner.height.saturating_sub(CAPTION_LINES + 1),
        ..inner
    }
}

/// Both panes of the zoomed pair.
pub fn zoom(size: Size) -> (Rect, Rect) {
    let (_, body, _) = frame(size);
    let half = body.width / 2;
    let left = Rect { width: half, ..body };
    let right = Rect {
        x: half,
        width: body.width - half,
        ..body
    };
    (left, right)
}

/// Where a zoomed picture goes: larger than in a pane, but bounded.
pub fn zoomed_picture(pane: Rect) -> Rect {
    let inner = inside(pane);
    Rect {
        width: inner.width.saturating_sub(1),
        height: inner.height.saturating_sub(CAPTION_LINES + 1),
        ..inner
    }
}

/// A dialog in the middle of the window, as large as asked for and as fits.
pub fn dialog(size: Size, width: u16, height: u16) -> Rect {
    let width = width.min(size.width.saturating_sub(2));
    let height = height.min(size.height.saturating_sub(2));
    Rect {
        x: (size.width - width) / 2,
        y: (size.height - height) / 2,
        width,
        height,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_every_window_the_parts_are_inside_and_do_not_overlap() {
        for width in LEAST.width..=240 {
            for height in LEAST.height..=80 {
                let areas = people(Size { width, height });
                let whole = Rect {
                    x: 0,
                    y: 0,
                    width,
                    height,
                };
                let parts = [
                    areas.header,
                    areas.tabs,
                    areas.table,
                    areas.source,
                    areas.target,
                    areas.why,
                    areas.footer,
                ];
                for (position, part) in parts.iter().enumerate() {
                    assert!(
                        whole.union(*part) == whole && part.area() > 0,
                        "{width}x{height} {part:?}"
                    );
                    for other in &parts[position + 1..] {
                        assert!(!part.intersects(*other), "{width}x{height} {part:?} {other:?}");
                    }
                }
                for pane in [areas.source, areas.target] {
                    let picture = picture(pane);
                    assert!(picture.right() < pane.right(), "a column stays free");
                    assert!(picture.bottom() < pane.bottom(), "a row stays free");
                }
            }
        }
    }
}
