//! Prints two pictures side by side into the scrollback (`terminal-images.md` 5).

use std::io::{self, IsTerminal, Write};

use crossterm::terminal::{disable_raw_mode, enable_raw_mode, window_size};
use image::imageops::{self, FilterType};
use image::{DynamicImage, Rgba, RgbaImage};

use super::{Protocol, probe};

/// Height of both pictures in pixels before they are scaled to cells.
const HEIGHT: u32 = 360;
/// Gap between them, in pixels.
const GAP: u32 = 24;
/// Columns one picture takes at most.
const COLUMNS: u32 = 30;
/// A sixel cell as viuer assumes it, in pixels; real ones differ.
const ASSUMED_SIXEL_CELL: u32 = 6;

/// Whether anything was drawn, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drawn {
    /// With this protocol.
    With(Protocol),
    /// Nothing: standard input or output is not a terminal.
    NotATerminal,
}

/// Puts two pictures side by side on one transparent canvas, both at the same height, so that they can be compared.
/// A missing one leaves an empty frame.
pub fn compose(left: Option<&DynamicImage>, right: Option<&DynamicImage>) -> RgbaImage {
    let left = left.map_or_else(empty_frame, scaled);
    let right = right.map_or_else(empty_frame, scaled);
    let mut canvas = RgbaImage::from_pixel(left.width() + GAP + right.width(), HEIGHT, Rgba([0, 0, 0, 0]));
    imageops::overlay(&mut canvas, &left, 0, 0);
    imageops::overlay(&mut canvas, &right, i64::from(left.width() + GAP), 0);
    canvas
}

/// Puts any number of pictures in a row on one transparent canvas, all at the same height. A missing one leaves an empty
/// frame.
pub fn compose_row(pictures: &[Option<DynamicImage>]) -> RgbaImage {
    let each: Vec<RgbaImage> = pictures
        .iter()
        .map(|picture| picture.as_ref().map_or_else(empty_frame, scaled))
        .collect();
    let gaps = GAP * (each.len().saturating_sub(1) as u32);
    let width = each.iter().map(RgbaImage::width).sum::<u32>() + gaps;
    let mut canvas = RgbaImage::from_pixel(width.max(1), HEIGHT, Rgba([0, 0, 0, 0]));
    let mut x = 0;
    for picture in &each {
        imageops::overlay(&mut canvas, picture, i64::from(x), 0);
        x += picture.width() + GAP;
    }
    canvas
}

fn scaled(picture: &DynamicImage) -> RgbaImage {
    let width = u64::from(picture.width()) * u64::from(HEIGHT) / u64::from(picture.height().max(1));
    let width = (width as u32).clamp(HEIGHT / 3, HEIGHT * 2);
    picture
        .resize_exact(width, HEIGHT, FilterType::CatmullRom)
        .to_rgba8()
}

fn empty_frame() -> RgbaImage {
    let grey = Rgba([128, 128, 128, 255]);
    RgbaImage::from_fn(HEIGHT, HEIGHT, |x, y| {
        let is_border = x < 4 || y < 4 || x >= HEIGHT - 4 || y >= HEIGHT - 4;
        if is_border { grey } else { Rgba([0, 0, 0, 0]) }
    })
}

/// Prints a picture where the cursor is and leaves the cursor on the line below.
///
/// Asks the terminal first, in raw mode and with a deadline; one that does not answer gets half blocks and no further
/// question. An error is worth a warning, never a failed command.
pub fn print_inline(canvas: &RgbaImage) -> Result<Drawn, viuer::ViuError> {
    if !io::stdin().is_terminal() || !io::stdout().is_terminal() {
        return Ok(Drawn::NotATerminal);
    }
    enable_raw_mode()?;
    let drawn = print_raw(canvas);
    disable_raw_mode()?;
    drawn
}

fn print_raw(canvas: &RgbaImage) -> Result<Drawn, viuer::ViuError> {
    let in_tmux = ["TMUX", "STY"]
        .iter()
        .any(|name| std::env::var_os(name).is_some());
    let protocol = probe().map_or(Protocol::Blocks, |terminal| terminal.inline_protocol(in_tmux));
    let columns = columns_of(canvas);
    let width = match protocol {
        Protocol::Sixel => (columns * cell_width() / ASSUMED_SIXEL_CELL).min(166),
        _ => columns,
    };
    let config = viuer::Config {
        absolute_offset: false,
        transparent: true,
        width: Some(width.max(1)),
        use_kitty: protocol == Protocol::Kitty,
        use_iterm: protocol == Protocol::Iterm2 && viuer::is_iterm_supported(),
        use_sixel: protocol == Protocol::Sixel,
        ..viuer::Config::default()
    };
    viuer::print(&DynamicImage::ImageRgba8(canvas.clone()), &config)?;
    let mut out = io::stdout().lock();
    // After a sixel the cursor is still beside the last row of the picture.
    out.write_all(if protocol == Protocol::Sixel {
        b"\r\n"
    } else {
        b"\r"
    })?;
    out.flush()?;
    Ok(Drawn::With(protocol))
}

/// How many columns the canvas takes: two square pictures get [`COLUMNS`] each, and never more than the terminal has.
fn columns_of(canvas: &RgbaImage) -> u32 {
    let wanted = canvas.width() * COLUMNS / HEIGHT;
    let available = crossterm::terminal::size().map_or(80, |(columns, _)| u32::from(columns));
    let available = if available == 0 { 80 } else { available };
    wanted.min(available.saturating_sub(1)).max(1)
}

/// Pixels a cell is wide; 8 where the terminal does not tell.
fn cell_width() -> u32 {
    match window_size() {
        Ok(size) if size.width > 0 && size.columns > 0 => u32::from(size.width / size.columns).max(1),
        _ => 8,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_pictures_have_the_same_height_and_keep_their_proportions() {
        let wide = DynamicImage::new_rgb8(200, 100);
        let small = DynamicImage::new_rgb8(48, 48);
        let canvas = compose(Some(&wide), Some(&small));
        assert_eq!(canvas.dimensions(), (720 + GAP + 360, HEIGHT));
    }

    #[test]
    fn faces_stand_in_a_row_with_a_frame_for_one_that_is_missing() {
        let face = DynamicImage::new_rgb8(48, 48);
        let canvas = compose_row(&[Some(face.clone()), None, Some(face)]);
        assert_eq!(canvas.dimensions(), (3 * HEIGHT + 2 * GAP, HEIGHT));
        assert_eq!(canvas.get_pixel(HEIGHT + GAP, 0).0, [128, 128, 128, 255]);
        assert_eq!(compose_row(&[]).dimensions(), (1, HEIGHT));
    }

    #[test]
    fn a_missing_picture_leaves_an_empty_frame() {
        let canvas = compose(None, Some(&DynamicImage::new_rgb8(10, 10)));
        assert_eq!(canvas.get_pixel(0, 0).0, [128, 128, 128, 255]);
        assert_eq!(canvas.get_pixel(HEIGHT / 2, HEIGHT / 2).0, [0, 0, 0, 0]);
    }
}
