//! Half blocks: two pixels in a cell, the upper one in the text colour, the lower one in the background.

use image::RgbImage;
use ratatui::buffer::{Buffer, Cell};
use ratatui::layout::{Position, Size};
use ratatui::style::Color;

/// Which colours the terminal can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Colours {
    /// 16 million.
    All,
    /// The 256 of xterm's palette.
    Palette,
}

/// A picture in cells.
#[derive(Debug)]
pub(super) struct BlockPicture {
    pub(super) size: Size,
    cells: Vec<Cell>,
}

impl BlockPicture {
    /// Two rows of pixels become one row of cells; an odd last one leaves the lower half of its cells alone.
    pub(super) fn of(pixels: &RgbImage, colours: Colours) -> Self {
        let colour = |x, y| {
            let [red, green, blue] = pixels.get_pixel_checked(x, y)?.0;
            Some(match colours {
                Colours::All => Color::Rgb(red, green, blue),
                Colours::Palette => Color::Indexed(nearest_of_palette([red, green, blue])),
            })
        };
        let size = Size::new(pixels.width() as u16, pixels.height().div_ceil(2) as u16);
        let positions = (0..u32::from(size.height))
            .flat_map(|row| (0..u32::from(size.width)).map(move |column| (column, row)));
        let cells = positions.map(|(x, row)| {
            let mut cell = Cell::new("▀");
            cell.fg = colour(x, row * 2).unwrap_or_default();
            cell.bg = colour(x, row * 2 + 1).unwrap_or_default();
            cell
        });
        Self {
            size,
            cells: cells.collect(),
        }
    }

    /// Writes the cells from this corner on. What would lie outside of the buffer is left out.
    pub(super) fn write(&self, corner: Position, buffer: &mut Buffer) {
        let rows = self.cells.chunks_exact(usize::from(self.size.width.max(1)));
        for (y, row) in (corner.y..).zip(rows) {
            for (x, cell) in (corner.x..).zip(row) {
                if let Some(target) = buffer.cell_mut((x, y)) {
                    target.clone_from(cell);
                }
            }
        }
    }

    /// Bytes held.
    pub(super) fn cost(&self) -> usize {
        self.cells.len() * size_of::<Cell>()
    }
}

/// The levels of a channel in the 6 × 6 × 6 cube of xterm's palette (colours 16 to 231).
const CUBE: [u8; 6] = [0, 95, 135, 175, 215, 255];

/// The nearest colour of xterm's palette: of the cube or of the 24 greys (232 to 255, from 8 in steps of 10). The first
/// 16 colours are what the person has made of them and are no use here.
fn nearest_of_palette(colour: [u8; 3]) -> u8 {
    let steps = colour.map(|channel| {
        let distances = CUBE.map(|level| level.abs_diff(channel));
        let nearest = distances.iter().min();
        distances
            .iter()
            .position(|distance| Some(distance) == nearest)
            .unwrap_or_default()
    });
    let mean = colour.iter().map(|channel| u32::from(*channel)).sum::<u32>() / 3;
    let grey_step = (mean.saturating_sub(3) / 10).min(23) as u8;
    let of_cube = steps.map(|step| CUBE[step]);
    let grey = [8 + 10 * grey_step; 3];
    if distance(colour, grey) < distance(colour, of_cube) {
        232 + grey_step
    } else {
        (16 + 36 * steps[0] + 6 * steps[1] + steps[2]) as u8
    }
}

/// How different two colours look, squared; green weighs most.
fn distance(one: [u8; 3], other: [u8; 3]) -> u32 {
    let square = |channel: usize| u32::from(one[channel].abs_diff(other[channel])).pow(2);
    2 * square(0) + 4 * square(1) + 3 * square(2)
}

#[cfg(test)]
mod tests {
    use image::Rgb;
    use ratatui::layout::Rect;

    use super::*;

    #[test]
    fn the_upper_pixel_is_the_text_and_the_lower_one_the_background() {
        let mut pixels = RgbImage::new(2, 3);
        pixels.put_pixel(1, 0, Rgb([255, 0, 0]));
        pixels.put_pixel(1, 1, Rgb([0, 0, 255]));
        pixels.put_pixel(1, 2, Rgb([0, 255, 0]));
        let picture = BlockPicture::of(&pixels, Colours::All);
        assert_eq!(picture.size, Size::new(2, 2));
        let mut buffer = Buffer::empty(Rect::new(0, 0, 4, 4));
        picture.write(Position::new(1, 1), &mut buffer);
        let at = |x, y| (buffer[(x, y)].symbol(), buffer[(x, y)].fg, buffer[(x, y)].bg);
        assert_eq!(at(2, 1), ("▀", Color::Rgb(255, 0, 0), Color::Rgb(0, 0, 255)));
        assert_eq!(at(2, 2), ("▀", Color::Rgb(0, 255, 0), Color::Reset));
        assert_eq!(at(0, 0), (" ", Color::Reset, Color::Reset));
    }

    #[test]
    fn a_picture_that_reaches_over_the_edge_is_cut() {
        let picture = BlockPicture::of(&RgbImage::new(5, 10), Colours::All);
        let mut buffer = Buffer::empty(Rect::new(0, 0, 3, 3));
        picture.write(Position::new(1, 1), &mut buffer);
        assert_eq!(buffer[(2, 2)].symbol(), "▀");
    }

    #[test]
    fn the_palette_is_met_exactly_where_it_has_the_colour() {
        for (colour, expected) in [
            ([0, 0, 0], 16),
            ([255, 255, 255], 231),
            ([255, 0, 0], 196),
            ([95, 135, 175], 67),
            ([8, 8, 8], 232),
            ([128, 128, 128], 244),
            ([238, 238, 238], 255),
            // Skin is a colour and no grey.
            ([224, 172, 140], 180),
        ] {
            assert_eq!(nearest_of_palette(colour), expected, "{colour:?}");
        }
    }
}
