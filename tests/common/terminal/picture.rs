//! Pictures as a terminal shows them: where they are, and what is left of them.

use std::collections::HashSet;

use image::{Rgba, RgbaImage};

/// Cells of the screen, counted from 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Area {
    pub row: u16,
    pub column: u16,
    pub rows: u16,
    pub columns: u16,
}

impl Area {
    /// Whether every cell of the other is one of this.
    pub fn contains(self, other: Self) -> bool {
        other.row >= self.row
            && other.column >= self.column
            && other.row + other.rows <= self.row + self.rows
            && other.column + other.columns <= self.column + self.columns
    }

    /// Whether they have a cell in common.
    pub fn meets(self, other: Self) -> bool {
        self.row < other.row + other.rows
            && other.row < self.row + self.rows
            && self.column < other.column + other.columns
            && other.column < self.column + self.columns
    }
}

/// Pixels of one cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CellSize {
    pub width: u16,
    pub height: u16,
}

impl CellSize {
    /// Cells that this many pixels need.
    pub fn cells(self, width: u32, height: u32) -> (u16, u16) {
        let cells = |pixels: u32, of: u16| pixels.div_ceil(u32::from(of.max(1))).max(1) as u16;
        (cells(width, self.width), cells(height, self.height))
    }
}

/// How a picture came to the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum How {
    /// The kitty graphics protocol.
    Kitty,
    /// Sixel.
    Sixel,
    /// iTerm2's inline images.
    Iterm2,
    /// Half blocks: text in two colours.
    Blocks,
}

/// A picture that is on the screen now.
#[derive(Clone)]
pub struct Picture {
    pub how: How,
    /// The cells it takes.
    pub area: Area,
    /// How many of them show something else: text was written over them, or its placeholders are not all there.
    pub missing: usize,
    /// The pixels the program sent.
    pub pixels: RgbaImage,
    /// Pixels of the screen it is scaled to.
    pub shown: (u32, u32),
}

impl Picture {
    /// By what the shape on the screen differs from the shape that was sent: 1 is undistorted. Half blocks count two
    /// pixels a cell, which are square where a cell is twice as high as wide.
    pub fn distortion(&self) -> f64 {
        let ratio = |(width, height): (u32, u32)| f64::from(width) / f64::from(height.max(1));
        ratio(self.shown) / ratio(self.pixels.dimensions())
    }
}

impl std::fmt::Debug for Picture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Area {
            row,
            column,
            rows,
            columns,
        } = self.area;
        let (width, height) = self.pixels.dimensions();
        write!(
            f,
            "{:?} {width}x{height} px at {column},{row}, {columns}x{rows} cells, {} missing",
            self.how, self.missing
        )
    }
}

/// A picture that lies in cells and loses those that are written over: sixel and iTerm2.
pub struct InCells {
    pub how: How,
    pub row: i32,
    pub column: u16,
    pub rows: u16,
    pub columns: u16,
    pub pixels: RgbaImage,
    pub shown: (u32, u32),
    gone: HashSet<(u16, u16)>,
}

impl InCells {
    pub fn new(how: How, area: Area, pixels: RgbaImage, shown: (u32, u32)) -> Self {
        Self {
            how,
            row: i32::from(area.row),
            column: area.column,
            rows: area.rows,
            columns: area.columns,
            pixels,
            shown,
            gone: HashSet::new(),
        }
    }

    /// These cells are written: a row, and columns up to but without `to`.
    pub fn overwrite(&mut self, row: u16, from: u16, to: u16) {
        let inside = i32::from(row) - self.row;
        if !(0..i32::from(self.rows)).contains(&inside) {
            return;
        }
        let last = to.min(self.column + self.columns);
        for column in from.max(self.column)..last {
            self.gone.insert((inside as u16, column - self.column));
        }
    }

    /// The window has only so many rows and columns: what lies beyond them is gone for good.
    pub fn clip(&mut self, rows: u16, columns: u16) {
        for row in 0..self.rows {
            for column in 0..self.columns {
                if self.row + i32::from(row) >= i32::from(rows) || self.column + column >= columns {
                    self.gone.insert((row, column));
                }
            }
        }
    }

    /// The screen has moved up by this many rows.
    pub fn scroll(&mut self, rows: i32) {
        self.row -= rows;
    }

    /// Whether nothing of it is left.
    pub fn is_gone(&self) -> bool {
        self.missing().len() == usize::from(self.rows) * usize::from(self.columns)
    }

    /// The cells of it that are not to be seen: written over, or above the screen.
    fn missing(&self) -> HashSet<(u16, u16)> {
        let cut_off = (0..self.above()).flat_map(|row| (0..self.columns).map(move |column| (row, column)));
        cut_off.chain(self.gone.iter().copied()).collect()
    }

    /// How many of its rows have left the screen.
    fn above(&self) -> u16 {
        (self.row.min(0).unsigned_abs() as u16).min(self.rows)
    }

    /// As it is shown.
    pub fn picture(&self) -> Picture {
        Picture {
            how: self.how,
            area: Area {
                row: self.row.max(0) as u16,
                column: self.column,
                rows: self.rows - self.above(),
                columns: self.columns,
            },
            missing: self.missing().len(),
            pixels: self.pixels.clone(),
            shown: self.shown,
        }
    }
}

/// Pictures made of half blocks: every connected patch of coloured cells that has half blocks in it.
pub fn half_blocks(screen: &vt100::Screen, cell: CellSize) -> Vec<Picture> {
    let (rows, columns) = screen.size();
    let (rows, columns) = (rows.get(), columns.get());
    let mut seen = HashSet::new();
    let mut pictures = Vec::new();
    for row in 0..rows {
        for column in 0..columns {
            if half_block(screen, row, column).is_none() || seen.contains(&(row, column)) {
                continue;
            }
            let patch = patch_around(screen, row, column, &mut seen);
            pictures.extend(picture_of(screen, cell, &patch));
        }
    }
    pictures
}

/// The connected coloured cells around this one.
fn patch_around(
    screen: &vt100::Screen,
    row: u16,
    column: u16,
    seen: &mut HashSet<(u16, u16)>,
) -> Vec<(u16, u16)> {
    let mut patch = Vec::new();
    let mut open = vec![(row, column)];
    while let Some((row, column)) = open.pop() {
        if !seen.insert((row, column)) {
            continue;
        }
        patch.push((row, column));
        let neighbours = [
            (row.checked_sub(1), Some(column)),
            (Some(row + 1), Some(column)),
            (Some(row), column.checked_sub(1)),
            (Some(row), Some(column + 1)),
        ];
        for neighbour in neighbours {
            if let (Some(row), Some(column)) = neighbour
                && half_block(screen, row, column).is_some()
            {
                open.push((row, column));
            }
        }
    }
    patch
}

fn picture_of(screen: &vt100::Screen, cell: CellSize, patch: &[(u16, u16)]) -> Option<Picture> {
    let row = patch.iter().map(|(row, _)| *row).min()?;
    let column = patch.iter().map(|(_, column)| *column).min()?;
    let rows = patch.iter().map(|(row, _)| *row).max()? - row + 1;
    let columns = patch.iter().map(|(_, column)| *column).max()? - column + 1;
    let halves = patch
        .iter()
        .filter(|(row, column)| {
            screen
                .cell(*row, *column)
                .is_some_and(|cell| matches!(cell.contents(), "▀" | "▄"))
        })
        .count();
    // A highlighted row and a lone symbol are no pictures.
    if rows < 2 || columns < 4 || halves < 4 {
        return None;
    }
    let mut pixels = RgbaImage::new(u32::from(columns), u32::from(rows) * 2);
    for &(at_row, at_column) in patch {
        let (upper, lower) = half_block(screen, at_row, at_column)?;
        let (x, y) = (u32::from(at_column - column), u32::from(at_row - row) * 2);
        pixels.put_pixel(x, y, upper);
        pixels.put_pixel(x, y + 1, lower);
    }
    Some(Picture {
        how: How::Blocks,
        area: Area {
            row,
            column,
            rows,
            columns,
        },
        missing: usize::from(rows) * usize::from(columns) - patch.len(),
        pixels,
        shown: (
            u32::from(columns) * u32::from(cell.width),
            u32::from(rows) * u32::from(cell.height),
        ),
    })
}

/// The colours of a cell's upper and lower half, if it is one that a picture is made of.
fn half_block(screen: &vt100::Screen, row: u16, column: u16) -> Option<(Rgba<u8>, Rgba<u8>)> {
    const CLEAR: Rgba<u8> = Rgba([0, 0, 0, 0]);
    let cell = screen.cell(row, column)?;
    let (front, back) = (colour(cell.fgcolor()), colour(cell.bgcolor()));
    match cell.contents() {
        "▀" => Some((front?, back.unwrap_or(CLEAR))),
        "▄" => Some((back.unwrap_or(CLEAR), front?)),
        "" | " " => back.map(|back| (back, back)),
        _ => None,
    }
}

/// The colour as xterm's palette has it; `None` for the terminal's own.
fn colour(colour: vt100::Color) -> Option<Rgba<u8>> {
    const STEPS: [u8; 6] = [0, 95, 135, 175, 215, 255];
    Some(match colour {
        vt100::Color::Default => return None,
        vt100::Color::Rgb(red, green, blue) => Rgba([red, green, blue, 255]),
        vt100::Color::Idx(index @ 16..=231) => {
            let step = |divisor: u8| STEPS[usize::from((index - 16) / divisor % 6)];
            Rgba([step(36), step(6), step(1), 255])
        }
        vt100::Color::Idx(index @ 232..) => {
            let grey = 8 + 10 * (index - 232);
            Rgba([grey, grey, grey, 255])
        }
        // The first sixteen are the user's own; near enough.
        vt100::Color::Idx(index) => {
            let level = if index > 7 { 255 } else { 205 };
            let on = |bit: u8| if index & bit == 0 { 0 } else { level };
            Rgba([on(1), on(2), on(4), 255])
        }
    })
}
