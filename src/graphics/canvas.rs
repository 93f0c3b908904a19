//! Turns pictures into what the terminal takes.

use std::sync::atomic::{AtomicU32, Ordering};

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use image::{DynamicImage, Rgb, RgbImage};
use ratatui::layout::Size;
use ratatui_image::protocol::sixel::Sixel;

use super::blocks::{BlockPicture, Colours};
use super::{Protocol, compact, kitty};

/// Pixels of a cell where nobody tells: right in shape for nearly every font.
const USUAL_CELL: (u16, u16) = (10, 20);
/// The most cells a picture covers in either direction; nobody has a larger screen (`reliability.md` K1).
const CELL_LIMIT: Size = Size::new(500, 200);
/// Sixel draws in bands of so many pixels.
const BAND: u32 = 6;
/// The longest side of a Sixel picture in pixels: xterm draws nothing beyond 1000, counted in whole bands of 6.
const SIXEL_SIDE: u32 = 996;
/// The longest side that is encoded where the terminal scales by itself, in pixels.
const SCALED_SIDE: u32 = 720;
/// Quality of the JPEG that iTerm2 gets, of 100.
const JPEG_QUALITY: u8 = 88;
/// Squares along the longer side of the checker behind a transparent picture, and its two greys, which are told from
/// black and from white alike.
const CHECKER: (u32, [u8; 2]) = (24, [118, 138]);

/// How pictures are drawn, in detail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    /// kitty's protocol with placements at the cursor.
    Kitty,
    /// kitty's protocol through tmux, which keeps the place by characters that stand for the picture.
    KittyThroughTmux,
    Iterm2,
    Sixel,
    Blocks(Colours),
}

/// What the terminal can draw on. Cheap to clone; goes to the workers that encode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Canvas {
    method: Option<Method>,
    cell: (u16, u16),
    /// What the operating system knew of the cell when `cell` was found; tells a zoom from other resizes.
    window_cell: Option<(u16, u16)>,
}

/// Why there is nothing to draw.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// The terminal has no pictures.
    #[error("this terminal shows no pictures")]
    WordsAlone,
    /// The area has no cells or the picture has no pixels.
    #[error("there is no room for the picture")]
    NoRoom,
    /// An encoder failed.
    #[error("the picture could not be encoded: {0}")]
    Failed(String),
}

impl Canvas {
    /// No pictures at all.
    pub fn words_alone() -> Self {
        Self::new(None, None, None)
    }

    /// `cell` and `window_cell` in pixels, width first.
    pub(super) fn new(
        method: Option<Method>,
        cell: Option<(u16, u16)>,
        window_cell: Option<(u16, u16)>,
    ) -> Self {
        Self {
            method,
            cell: cell.unwrap_or(USUAL_CELL),
            window_cell,
        }
    }

    /// How pictures are drawn; `None`: not at all.
    pub fn protocol(&self) -> Option<Protocol> {
        self.method.map(|method| match method {
            Method::Kitty | Method::KittyThroughTmux => Protocol::Kitty,
            Method::Iterm2 => Protocol::Iterm2,
            Method::Sixel => Protocol::Sixel,
            Method::Blocks(_) => Protocol::Blocks,
        })
    }

    pub(super) fn method(&self) -> Option<Method> {
        self.method
    }

    /// Width and height of a cell in pixels.
    pub fn cell(&self) -> (u16, u16) {
        self.cell
    }

    /// The same terminal with cells of another size in pixels; zeros are ignored.
    #[must_use]
    pub fn with_cell(&self, width: u16, height: u16) -> Self {
        let cell = if width == 0 || height == 0 {
            self.cell
        } else {
            (width, height)
        };
        Self { cell, ..self.clone() }
    }

    /// The canvas after a resize of the window; `None` where the cells have kept their size, so that everything encoded
    /// before stays right. Asks the operating system, not the terminal.
    pub fn after_resize(&self) -> Option<Self> {
        let now = super::detect::window_cell()?;
        (self.window_cell != Some(now)).then(|| Self {
            window_cell: Some(now),
            ..self.with_cell(now.0, now.1)
        })
    }

    /// Encodes a picture so that it fits into `within` cells, as large as possible, in its own proportions.
    ///
    /// Blocking, 5 to 60 ms: call it on a worker.
    pub fn encode(&self, picture: &DynamicImage, within: Size) -> Result<Drawable, EncodeError> {
        let method = self.method.ok_or(EncodeError::WordsAlone)?;
        let fit = Fit::of(picture, within, self.cell, method)?;
        let form = match method {
            Method::Kitty => {
                let png = compact::png(picture, &fit)?;
                Form::Kitty(kitty::upload(next_id(), &png))
            }
            Method::KittyThroughTmux => {
                let png = compact::png(picture, &fit)?;
                Form::KittyThroughTmux(kitty::upload(next_id(), &png))
            }
            Method::Iterm2 => {
                let (width, height) = at_most(fit.pixels, SCALED_SIDE);
                Form::Iterm2(iterm2(&render(picture, width, height)?, fit.cells)?)
            }
            Method::Sixel => {
                let pixels = render(picture, fit.pixels.0, fit.pixels.1)?;
                let sixel = Sixel::new(DynamicImage::ImageRgb8(pixels), fit.cells, false)
                    .map_err(|error| EncodeError::Failed(error.to_string()))?;
                Form::Sixel(sixel.data)
            }
            Method::Blocks(colours) => {
                let (width, height) = fit.half_blocks(self.cell);
                Form::Blocks(BlockPicture::of(&render(picture, width, height)?, colours))
            }
        };
        let size = match &form {
            Form::Blocks(blocks) => blocks.size,
            _ => fit.cells,
        };
        Ok(Drawable { size, form })
    }
}

/// A number for the terminal to remember a picture by: no two in one process, and hardly two in one terminal. 24 bits,
/// because in tmux it travels as a colour.
fn next_id() -> u32 {
    use std::hash::{BuildHasher, Hasher, RandomState};
    use std::sync::LazyLock;

    static NEXT: LazyLock<AtomicU32> =
        LazyLock::new(|| AtomicU32::new(RandomState::new().build_hasher().finish() as u32));
    // Above 16 bits, so that as a colour it is never taken for one of a palette.
    NEXT.fetch_add(1, Ordering::Relaxed) % 0xfe_0000 + 0x1_0000
}

/// A picture as this terminal takes it, in one size. Held in an `Arc`: its bytes are sent when it is first shown.
#[derive(Debug)]
pub struct Drawable {
    size: Size,
    form: Form,
}

#[derive(Debug)]
pub(super) enum Form {
    Kitty(kitty::Upload),
    KittyThroughTmux(kitty::Upload),
    /// The whole sequence, for the cursor at its upper left corner.
    Iterm2(String),
    /// The same; it begins by clearing its cells.
    Sixel(String),
    Blocks(BlockPicture),
}

impl Drawable {
    /// The cells it covers.
    pub fn size(&self) -> Size {
        self.size
    }

    /// Bytes held, for a cache to count.
    pub fn cost(&self) -> usize {
        size_of::<Self>()
            + match &self.form {
                Form::Kitty(upload) | Form::KittyThroughTmux(upload) => upload.cost(),
                Form::Iterm2(sequence) | Form::Sixel(sequence) => sequence.len(),
                Form::Blocks(blocks) => blocks.cost(),
            }
    }

    pub(super) fn form(&self) -> &Form {
        &self.form
    }
}

/// Where a picture ends up: as large as the room allows, in its own proportions, at the upper left of whole cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fit {
    /// Cells it covers.
    pub(super) cells: Size,
    /// Pixels it covers of them.
    pub(super) pixels: (u32, u32),
    /// Pixels of these cells.
    pub(super) room: (u32, u32),
}

impl Fit {
    fn of(
        picture: &DynamicImage,
        within: Size,
        (cell_width, cell_height): (u16, u16),
        method: Method,
    ) -> Result<Self, EncodeError> {
        let most_rows = if method == Method::KittyThroughTmux {
            kitty::MOST_ROWS
        } else {
            CELL_LIMIT.height
        };
        let (cell_width, cell_height) = (u32::from(cell_width), u32::from(cell_height));
        let mut width = u32::from(within.width.min(CELL_LIMIT.width)) * cell_width;
        let mut height = u32::from(within.height.min(most_rows)) * cell_height;
        if method == Method::Sixel {
            (width, height) = (width.min(SIXEL_SIDE), height.min(SIXEL_SIDE));
        }
        if width == 0 || height == 0 || picture.width() == 0 || picture.height() == 0 {
            return Err(EncodeError::NoRoom);
        }
        // In 64 bits: a side has up to 32 bits, and so has the room.
        let (from_width, from_height) = (u64::from(picture.width()), u64::from(picture.height()));
        let (width, height) = (u64::from(width), u64::from(height));
        let pixels = if from_width * height > width * from_height {
            (width, from_height * width / from_width)
        } else {
            (from_width * height / from_height, height)
        };
        let mut pixels = (pixels.0.max(1) as u32, pixels.1.max(1) as u32);
        if method == Method::Sixel {
            // Whole bands: a last one that is not filled would reach into a row that the picture does not own.
            let height = (pixels.1 / BAND * BAND).max(BAND);
            let width = from_width * u64::from(height) / from_height;
            pixels = (pixels.0.min(width.max(1) as u32), height);
        }
        let columns = pixels.0.div_ceil(cell_width);
        let rows = pixels.1.div_ceil(cell_height);
        Ok(Self {
            cells: Size::new(columns as u16, rows as u16),
            pixels,
            room: (columns * cell_width, rows * cell_height),
        })
    }

    /// Columns and half rows that come nearest to the picture's shape.
    fn half_blocks(&self, (cell_width, cell_height): (u16, u16)) -> (u32, u32) {
        let nearest = |pixels: u32, step: f64, most: u16| {
            ((f64::from(pixels) / step).round() as u32).clamp(1, u32::from(most))
        };
        (
            nearest(self.pixels.0, f64::from(cell_width), self.cells.width),
            nearest(self.pixels.1, f64::from(cell_height) / 2.0, self.cells.height * 2),
        )
    }
}

/// Scales down so that no side is longer than this.
pub(super) fn at_most((width, height): (u32, u32), side: u32) -> (u32, u32) {
    let longest = width.max(height);
    if longest <= side {
        return (width, height);
    }
    let scaled = |length: u32| (u64::from(length) * u64::from(side) / u64::from(longest)).max(1) as u32;
    (scaled(width), scaled(height))
}

/// The picture at exactly this size in pixels, opaque.
pub(super) fn render(picture: &DynamicImage, width: u32, height: u32) -> Result<RgbImage, EncodeError> {
    if picture.color().has_alpha() {
        let source = picture.to_rgba8();
        let scaled = scale(
            source.as_raw(),
            source.dimensions(),
            (width, height),
            PixelType::U8x4,
        )?;
        Ok(over_checker(&scaled, width, height))
    } else {
        // Nearly every photo is in this form already and need not be copied.
        let converted;
        let source = if let DynamicImage::ImageRgb8(source) = picture {
            source
        } else {
            converted = picture.to_rgb8();
            &converted
        };
        let scaled = scale(
            source.as_raw(),
            source.dimensions(),
            (width, height),
            PixelType::U8x3,
        )?;
        RgbImage::from_raw(width, height, scaled)
            .ok_or_else(|| EncodeError::Failed("scaling went wrong".into()))
    }
}

fn scale(source: &[u8], from: (u32, u32), to: (u32, u32), pixels: PixelType) -> Result<Vec<u8>, EncodeError> {
    let failed = |error: &dyn std::fmt::Display| EncodeError::Failed(error.to_string());
    if from == to {
        return Ok(source.to_vec());
    }
    let source = ImageRef::new(from.0, from.1, source, pixels).map_err(|error| failed(&error))?;
    let mut scaled = Image::new(to.0, to.1, pixels);
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::CatmullRom));
    Resizer::new()
        .resize(&source, &mut scaled, &options)
        .map_err(|error| failed(&error))?;
    Ok(scaled.into_vec())
}

/// Red, green, blue and opacity over a checker that is seen on light and dark, so that "transparent" and "black" are
/// not the same.
fn over_checker(pixels: &[u8], width: u32, height: u32) -> RgbImage {
    let (squares, greys) = CHECKER;
    let square = (width.max(height) / squares).max(1);
    let mut pixels = pixels.chunks_exact(4);
    RgbImage::from_fn(width, height, |x, y| {
        let grey = greys[((x / square + y / square) % 2) as usize];
        let Some(&[red, green, blue, opacity]) = pixels.next() else {
            return Rgb([grey; 3]);
        };
        let opacity = u32::from(opacity);
        let over = |channel: u8| {
            ((u32::from(channel) * opacity + u32::from(grey) * (255 - opacity) + 127) / 255) as u8
        };
        Rgb([over(red), over(green), over(blue)])
    })
}

/// iTerm2's sequence. The terminal scales into the cells and keeps the proportions, whatever a pixel is to it.
fn iterm2(pixels: &RgbImage, cells: Size) -> Result<String, EncodeError> {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    let mut jpeg = Vec::new();
    jpeg_encoder::Encoder::new(&mut jpeg, JPEG_QUALITY)
        .encode(
            pixels.as_raw(),
            pixels.width() as u16,
            pixels.height() as u16,
            jpeg_encoder::ColorType::Rgb,
        )
        .map_err(|error| EncodeError::Failed(error.to_string()))?;
    let mut sequence = format!(
        "\x1b]1337;File=inline=1;size={};width={};height={};preserveAspectRatio=1;doNotMoveCursor=1:",
        jpeg.len(),
        cells.width,
        cells.height
    );
    STANDARD.encode_string(&jpeg, &mut sequence);
    sequence.push('\x07');
    Ok(sequence)
}

#[cfg(test)]
mod tests;
