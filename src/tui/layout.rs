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
/// Lines below a picture, where there is room for them.
const CAPTION_LINES: u16 = 3;
/// Panes with fewer lines inside have one line below the picture.
const LOW_PANE: u16 = 8;
/// A picture beside others in a plan.
pub const THUMBNAIL: Size = Size { width: 12, height: 6 };
/// The photo of somebody who only stands beside the matter.
pub const SMALL_FACE: Size = Size { width: 8, height: 4 };
/// Pairs of pictures in a plan.
const PAIRS: usize = 4;

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

/// Lines below the picture of a pane with this inside.
pub fn caption_lines(inner: Rect) -> u16 {
    if inner.height < LOW_PANE { 1 } else { CAPTION_LINES }
}

/// Where a picture goes in a pane: above the caption, with one column free at the right and one row below
/// (`terminal-images.md` 4).
pub fn picture(pane: Rect) -> Rect {
    let inner = inside(pane);
    Rect {
        width: inner.width.saturating_sub(1).min(PICTURE_COLUMNS),
        height: inner.height.saturating_sub(caption_lines(inner) + 1),
        ..inner
    }
}

/// The contact sheet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SheetAreas {
    /// The frame around all pairs.
    pub frame: Rect,
    /// Pairs beside each other.
    pub columns: u16,
    /// Lines of pairs.
    pub lines: u16,
    /// What one pair takes, with its captions.
    pub cell: Size,
    /// The cells that one picture may take; one line where pictures are words.
    pub picture: Size,
}

/// The parts of one pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PairParts {
    /// The source's picture.
    pub source: Rect,
    /// The target's picture, below it.
    pub target: Rect,
    /// The name; the sign of a mark stands in the column left of it.
    pub name: Rect,
    /// The verdict.
    pub verdict: Rect,
}

/// The least columns of a pair: a name that can be told, and a verdict with its sign.
const PAIR_WIDTH: u16 = 11;
/// The same where pictures are words.
const WORDS_WIDTH: u16 = 32;

/// The contact sheet in a window of this size: as many pairs as fit. `picture`: lines that one picture takes at least;
/// `None` where pictures are words. `pixels`: width and height of a cell.
pub fn sheet(size: Size, picture: Option<u16>, pixels: (u16, u16)) -> SheetAreas {
    let (_, body, _) = frame(size);
    let frame = Rect {
        y: body.y + 1,
        height: body.height.saturating_sub(1),
        ..body
    };
    let inner = inside(frame);
    let (lines, high, least) = match picture {
        None => ((inner.height / 5).max(1), 1, WORDS_WIDTH),
        Some(picture) => {
            let lines = (inner.height / (2 * picture + 2)).max(1);
            let high = ((inner.height / lines).saturating_sub(2) / 2).max(1);
            (lines, high, PAIR_WIDTH)
        }
    };
    // Faces are about as wide as high.
    let wide = u32::from(high) * u32::from(pixels.1) / u32::from(pixels.0.max(1));
    let wide = (wide as u16).clamp(high, 4 * high);
    let wide = if picture.is_some() { wide } else { 0 };
    let columns = (inner.width / (wide + 2).max(least)).max(1);
    let cell = Size {
        width: inner.width / columns,
        height: if picture.is_some() {
            inner.height / lines
        } else {
            (inner.height / lines).min(5)
        },
    };
    SheetAreas {
        frame,
        columns,
        lines,
        cell,
        picture: Size {
            width: wide.max(1).min(cell.width.saturating_sub(1)),
            height: high,
        },
    }
}

impl SheetAreas {
    /// The pair at this position of the screen, line by line.
    pub fn cell(&self, position: u16) -> Rect {
        let inner = inside(self.frame);
        Rect {
            x: inner.x + position % self.columns * self.cell.width,
            y: inner.y + position / self.columns * self.cell.height,
            width: self.cell.width,
            height: self.cell.height,
        }
        .intersection(inner)
    }

    /// The parts of a pair: a column at the left is left to the cursor.
    pub fn parts(&self, cell: Rect) -> PairParts {
        let at = |line: u16, height: u16| {
            Rect {
                x: cell.x + 1,
                y: cell.y + line,
                width: cell.width.saturating_sub(1),
                height,
            }
            .intersection(cell)
        };
        let high = self.picture.height;
        PairParts {
            source: at(0, high),
            target: at(high, high),
            name: at(2 * high, 1),
            verdict: at(2 * high + 1, 1),
        }
    }
}

/// The zoomed pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ZoomAreas {
    /// The source's pane with its frame.
    pub source: Rect,
    /// The target's pane with its frame.
    pub target: Rect,
    /// Facts, without a frame.
    pub facts: Rect,
}

/// Both panes of the zoomed pair, and the facts below them.
pub fn zoom(size: Size) -> ZoomAreas {
    let (_, body, _) = frame(size);
    let facts = if body.height < 16 { 1 } else { 4 };
    let height = body.height.saturating_sub(facts);
    let half = body.width / 2;
    let source = Rect {
        width: half,
        height,
        ..body
    };
    ZoomAreas {
        source,
        target: Rect {
            x: half,
            width: body.width - half,
            ..source
        },
        facts: Rect {
            x: body.x + 1,
            y: body.y + height,
            width: body.width.saturating_sub(2),
            height: facts.min(body.height),
        },
    }
}

/// A pair of pictures in a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PairAreas {
    /// Whose they are.
    pub name: Rect,
    /// What is shown now.
    pub old: Rect,
    /// What will be shown.
    pub new: Rect,
}

/// The parts of the plan screen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanAreas {
    /// How many, and who is left out.
    pub counts: Rect,
    /// Who, one a line.
    pub who: Rect,
    /// The first of them with pictures; none where there is no room.
    pub pairs: Vec<PairAreas>,
    /// The question, over the whole width.
    pub question: Rect,
}

/// The plan screen inside its frame: `inner`. `question`: lines that the question takes; `has_pictures`: the terminal
/// can draw.
pub fn plan(inner: Rect, question: u16, has_pictures: bool) -> PlanAreas {
    let question = question.min(inner.height);
    let above = inner.height - question;
    let counts = Rect {
        x: inner.x + 1,
        width: (inner.width * 2 / 5).max(30) - 1,
        height: above.saturating_sub(1),
        ..inner
    };
    let mut who = Rect {
        x: counts.right() + 2,
        width: inner.right().saturating_sub(counts.right() + 2),
        ..counts
    };
    // A name, two pictures with an arrow between them, and a blank at the right and below.
    let (width, height) = (2 * THUMBNAIL.width + 5, THUMBNAIL.height + 2);
    let columns = who.width / width;
    // Some lines are left for names alone.
    let rows = who.height.saturating_sub(6) / height;
    let mut pairs = Vec::new();
    if has_pictures && columns > 0 && rows > 0 {
        let rows = rows.min((PAIRS as u16).div_ceil(columns));
        let top = who.y;
        for position in 0..PAIRS.min(usize::from(columns * rows)) as u16 {
            let name = Rect {
                x: who.x + position % columns * width,
                y: top + position / columns * height,
                width: width - 2,
                height: 1,
            };
            let old = Rect {
                x: name.x,
                y: name.y + 1,
                width: THUMBNAIL.width,
                height: THUMBNAIL.height,
            };
            let new = Rect {
                x: old.right() + 3,
                ..old
            };
            pairs.push(PairAreas { name, old, new });
        }
        who.y += rows * height;
        who.height -= rows * height;
    }
    PlanAreas {
        counts,
        who,
        pairs,
        question: Rect {
            x: inner.x + 1,
            y: inner.y + above,
            width: inner.width.saturating_sub(2),
            height: question,
        },
    }
}

/// Three panes beside each other, above the same facts: the source, what lies between both, the target.
pub fn three(size: Size) -> [Rect; 3] {
    let zoomed = zoom(size);
    let third = size.width / 3;
    let pane = |x: u16, width: u16| Rect {
        x,
        width,
        ..zoomed.source
    };
    [
        pane(0, third),
        pane(third, size.width - 2 * third),
        pane(size.width - third, third),
    ]
}

/// One pane above the same facts.
pub fn one(size: Size) -> Rect {
    Rect {
        x: 0,
        width: size.width,
        ..zoom(size).source
    }
}

/// Where a zoomed picture goes: larger than in a pane, but bounded.
pub fn zoomed_picture(pane: Rect) -> Rect {
    let inner = inside(pane);
    Rect {
        width: inner.width.saturating_sub(1),
        height: inner.height.saturating_sub(caption_lines(inner) + 1),
        ..inner
    }
}

/// A dialog in the middle of the window, as large as asked for and as fits. What would show of the screen beside it is
/// either worth looking at or not there.
pub fn dialog(size: Size, width: u16, height: u16) -> Rect {
    let width = if width + 6 > size.width { size.width } else { width };
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
    fn in_every_window_the_parts_of_a_plan_are_inside_and_do_not_overlap() {
        for width in LEAST.width..=240 {
            for height in LEAST.height..=80 {
                let (_, body, _) = frame(Size { width, height });
                let inner = inside(body);
                let areas = plan(inner, 3, true);
                let mut parts = vec![areas.counts, areas.who, areas.question];
                for pair in &areas.pairs {
                    parts.extend([pair.name, pair.old, pair.new]);
                }
                assert!(areas.who.height > 0, "{width}x{height}: names are always listed");
                for (position, part) in parts.iter().enumerate() {
                    assert!(
                        inner.union(*part) == inner && part.area() > 0,
                        "{width}x{height} {part:?}"
                    );
                    for other in &parts[position + 1..] {
                        assert!(!part.intersects(*other), "{width}x{height} {part:?} {other:?}");
                    }
                }
            }
        }
        let (_, body, _) = frame(Size::new(80, 24));
        assert_eq!(plan(inside(body), 3, true).pairs.len(), 1);
        let (_, body, _) = frame(Size::new(120, 40));
        assert_eq!(plan(inside(body), 3, true).pairs.len(), 4);
        assert!(plan(inside(body), 3, false).pairs.is_empty());
    }

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
                for lines in [None, Some(3), Some(6), Some(20)] {
                    let sheet = sheet(Size { width, height }, lines, (10, 20));
                    let cells: Vec<Rect> = (0..sheet.columns * sheet.lines)
                        .map(|at| sheet.cell(at))
                        .collect();
                    for (position, cell) in cells.iter().enumerate() {
                        let parts = sheet.parts(*cell);
                        let parts = [parts.source, parts.target, parts.name, parts.verdict];
                        for (number, part) in parts.iter().enumerate() {
                            assert!(
                                part.area() > 0 && inside(sheet.frame).union(*part) == inside(sheet.frame),
                                "{width}x{height} {sheet:?} {part:?}"
                            );
                            assert!(parts[number + 1..].iter().all(|other| !part.intersects(*other)));
                        }
                        assert!(
                            sheet.picture.width <= parts[0].width && sheet.picture.height <= parts[0].height
                        );
                        let next = cells.get(position + 1);
                        assert!(
                            next.is_none_or(|next| !next.intersects(*cell)),
                            "{width}x{height}"
                        );
                    }
                }
                let zoomed = zoom(Size { width, height });
                for pane in [zoomed.source, zoomed.target] {
                    assert!(picture(pane).height > 0 && !pane.intersects(zoomed.facts));
                    assert_eq!(whole.union(zoomed.facts), whole);
                }
                for pane in [areas.source, areas.target] {
                    assert!(picture(pane).area() > 0, "{width}x{height} {pane:?}");
                    let picture = picture(pane);
                    assert!(picture.right() < pane.right(), "a column stays free");
                    assert!(picture.bottom() < pane.bottom(), "a row stays free");
                }
            }
        }
    }
}
