//! Kitty's graphics protocol: images by id, placements, placeholders (`terminal-images.md` 8).
//!
//! Follows the protocol's published description and, where that is silent, kitty: `d=a` spares the images that are
//! shown by placeholders, and so does clearing the screen.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;

use base64::Engine as _;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use image::{DynamicImage, RgbaImage};

use super::picture::{Area, CellSize, How, Picture};

/// The character that stands where a piece of a picture is.
pub const PLACEHOLDER: char = '\u{10EEEE}';

/// The combining characters that count rows and columns, as runs of code points.
#[rustfmt::skip]
const COUNTERS: [(u32, u32); 86] = [
    (0x305, 1), (0x30D, 2), (0x310, 1), (0x312, 1), (0x33D, 3), (0x346, 1), (0x34A, 3), (0x350, 3), (0x357, 1),
    (0x35B, 1), (0x363, 13), (0x483, 5), (0x592, 4), (0x597, 3), (0x59C, 6), (0x5A8, 2), (0x5AB, 2), (0x5AF, 1),
    (0x5C4, 1), (0x610, 8), (0x657, 5), (0x65D, 2), (0x6D6, 7), (0x6DF, 4), (0x6E4, 1), (0x6E7, 2), (0x6EB, 2),
    (0x730, 1), (0x732, 2), (0x735, 2), (0x73A, 1), (0x73D, 1), (0x73F, 3), (0x743, 1), (0x745, 1), (0x747, 1),
    (0x749, 2), (0x7EB, 7), (0x7F3, 1), (0x816, 4), (0x81B, 9), (0x825, 3), (0x829, 5), (0x951, 1), (0x953, 2),
    (0xF82, 2), (0xF86, 2), (0x135D, 3), (0x17DD, 1), (0x193A, 1), (0x1A17, 1), (0x1A75, 8), (0x1B6B, 1),
    (0x1B6D, 7), (0x1CD0, 3), (0x1CDA, 2), (0x1CE0, 1), (0x1DC0, 2), (0x1DC3, 7), (0x1DCB, 2), (0x1DD1, 22),
    (0x1DFE, 1), (0x20D0, 2), (0x20D4, 4), (0x20DB, 2), (0x20E1, 1), (0x20E7, 1), (0x20E9, 1), (0x20F0, 1),
    (0x2CEF, 3), (0x2DE0, 32), (0xA66F, 1), (0xA67C, 2), (0xA6F0, 2), (0xA8E0, 18), (0xAAB0, 1), (0xAAB2, 2),
    (0xAAB7, 2), (0xAABE, 2), (0xAAC1, 1), (0xFE20, 7), (0x10A0F, 1), (0x10A38, 1), (0x1D185, 5), (0x1D1AA, 4),
    (0x1D242, 3),
];

/// What a combining character counts.
fn counted(character: char) -> Option<u32> {
    let wanted = u32::from(character);
    let mut before = 0;
    for (first, length) in COUNTERS {
        if (first..first + length).contains(&wanted) {
            return Some(before + wanted - first);
        }
        before += length;
    }
    None
}

/// The `key=value` pairs before the payload.
#[derive(Clone, Debug, Default)]
struct Keys(BTreeMap<char, String>);

impl Keys {
    fn parse(text: &str) -> Self {
        let pairs = text.split(',').filter_map(|pair| pair.split_once('='));
        Self(
            pairs
                .filter_map(|(key, value)| Some((key.chars().next()?, value.to_owned())))
                .collect(),
        )
    }

    fn number(&self, key: char) -> u32 {
        let value = self.0.get(&key).and_then(|value| value.parse::<i64>().ok());
        value.unwrap_or(0) as u32
    }

    fn letter(&self, key: char, default: char) -> char {
        let value = self.0.get(&key).and_then(|value| value.chars().next());
        value.unwrap_or(default)
    }
}

struct Placement {
    image: u32,
    id: u32,
    row: i32,
    column: u16,
    columns: u16,
    rows: u16,
    /// Shown wherever its placeholders are.
    is_virtual: bool,
}

/// What a command led to.
#[derive(Debug, Default)]
pub struct Outcome {
    /// What the terminal says to it.
    pub answer: Option<Vec<u8>>,
    /// The cursor goes right and down by this many cells.
    pub moved: Option<(u16, u16)>,
    /// What is wrong with the command.
    pub complaint: Option<String>,
}

/// Where a command finds the screen.
#[derive(Clone, Copy)]
pub struct Place {
    pub row: u16,
    pub column: u16,
    pub cell: CellSize,
}

/// The images and placements of one screen.
#[derive(Default)]
pub struct Store {
    images: BTreeMap<u32, RgbaImage>,
    placements: Vec<Placement>,
    /// A transmission of which more chunks are to come.
    begun: Option<(Keys, Vec<u8>)>,
    anonymous: u32,
    /// Pictures are counted and not decoded.
    pub is_counting_only: bool,
}

impl Store {
    /// Carries out a command: what comes between `ESC _ G` and `ESC \`.
    pub fn command(&mut self, body: &str, place: Place) -> Outcome {
        let (keys, payload) = body.split_once(';').unwrap_or((body, ""));
        let mut keys = Keys::parse(keys);
        let mut bytes = match forgiving().decode(payload) {
            Ok(bytes) => bytes,
            Err(error) => return complain(&keys, &format!("the payload is no base64: {error}")),
        };
        let has_more = keys.number('m') == 1;
        if let Some((first, mut before)) = self.begun.take() {
            before.append(&mut bytes);
            (keys, bytes) = (first, before);
        }
        if has_more {
            self.begun = Some((keys, bytes));
            return Outcome::default();
        }
        let done = match keys.letter('a', 't') {
            'q' => self.decoded(&keys, &bytes).map(|_| Outcome::default()),
            't' => self.transmit(&keys, &bytes).map(|_| Outcome::default()),
            'T' => self
                .transmit(&keys, &bytes)
                .and_then(|id| self.show(id, &keys, place)),
            'p' => self.show(keys.number('i'), &keys, place),
            'd' => self.delete(&keys, place),
            other => Err(format!("a={other} is not known here")),
        };
        match done {
            Ok(mut outcome) => {
                outcome.answer = answer(&keys, "OK", 1);
                outcome
            }
            Err(problem) => complain(&keys, &problem),
        }
    }

    fn decoded(&self, keys: &Keys, payload: &[u8]) -> Result<RgbaImage, String> {
        let mut bytes = match keys.letter('t', 'd') {
            'd' => payload.to_vec(),
            medium @ ('f' | 't') => {
                let path = std::str::from_utf8(payload).map_err(|_| "the path is no text")?;
                let bytes = std::fs::read(path).map_err(|error| format!("{path}: {error}"))?;
                if medium == 't' && path.contains("tty-graphics-protocol") {
                    // The program may have been quicker: it is the one that must not leave it behind.
                    let _ = std::fs::remove_file(path);
                }
                bytes
            }
            other => return Err(format!("t={other} is not known here")),
        };
        let (width, height) = (keys.number('s'), keys.number('v'));
        if self.is_counting_only {
            return Ok(RgbaImage::new(width.max(1), height.max(1)));
        }
        if keys.letter('o', '-') == 'z' {
            let mut inflated = Vec::new();
            flate2::read::ZlibDecoder::new(&bytes[..])
                .read_to_end(&mut inflated)
                .map_err(|error| format!("the payload does not inflate: {error}"))?;
            bytes = inflated;
        }
        let length = bytes.len();
        let wrong = move || format!("{width} x {height} pixels do not take {length} bytes");
        Ok(match keys.number('f') {
            0 | 32 => RgbaImage::from_raw(width, height, bytes).ok_or_else(wrong)?,
            24 => {
                let picture = image::RgbImage::from_raw(width, height, bytes).ok_or_else(wrong)?;
                DynamicImage::ImageRgb8(picture).to_rgba8()
            }
            100 => image::load_from_memory(&bytes)
                .map_err(|error| error.to_string())?
                .to_rgba8(),
            other => return Err(format!("f={other} is not known here")),
        })
    }

    fn transmit(&mut self, keys: &Keys, payload: &[u8]) -> Result<u32, String> {
        let picture = self.decoded(keys, payload)?;
        let id = match keys.number('i') {
            0 => {
                self.anonymous += 1;
                u32::MAX - self.anonymous
            }
            id => id,
        };
        // Another image under the same id takes its placements away.
        self.placements.retain(|placement| placement.image != id);
        self.images.insert(id, picture);
        Ok(id)
    }

    fn show(&mut self, image: u32, keys: &Keys, place: Place) -> Result<Outcome, String> {
        let picture = self
            .images
            .get(&image)
            .ok_or_else(|| format!("there is no image {image}"))?;
        let (width, height) = picture.dimensions();
        let native = place.cell.cells(width, height);
        let (columns, rows) = match (keys.number('c') as u16, keys.number('r') as u16) {
            (0, 0) => native,
            (columns, 0) => (columns, (native.1 * columns).div_ceil(native.0)),
            (0, rows) => ((native.0 * rows).div_ceil(native.1), rows),
            both => both,
        };
        let id = keys.number('p');
        let is_virtual = keys.number('U') == 1;
        self.placements
            .retain(|placement| id == 0 || (placement.image, placement.id) != (image, id));
        self.placements.push(Placement {
            image,
            id,
            row: i32::from(place.row),
            column: place.column,
            columns,
            rows,
            is_virtual,
        });
        let stays = is_virtual || keys.number('C') == 1;
        Ok(Outcome {
            moved: (!stays).then_some((columns, rows - 1)),
            ..Outcome::default()
        })
    }

    fn delete(&mut self, keys: &Keys, place: Place) -> Result<Outcome, String> {
        let what = keys.letter('d', 'a');
        let (id, placement_id) = (keys.number('i'), keys.number('p'));
        let (first, last) = (keys.number('x'), keys.number('y'));
        let mut touched = BTreeSet::new();
        let matches: &dyn Fn(&Placement) -> bool = match what.to_ascii_lowercase() {
            'a' => &|placement| !placement.is_virtual,
            'i' => &|placement| placement.image == id && (placement_id == 0 || placement.id == placement_id),
            'r' => &|placement| (first..=last).contains(&placement.image),
            'c' => &|placement| {
                !placement.is_virtual
                    && (placement.row..placement.row + i32::from(placement.rows))
                        .contains(&i32::from(place.row))
                    && (placement.column..placement.column + placement.columns).contains(&place.column)
            },
            _ => return Err(format!("d={what} is not known here")),
        };
        self.placements.retain(|placement| {
            let is_hit = matches(placement);
            if is_hit {
                touched.insert(placement.image);
            }
            !is_hit
        });
        if what.is_ascii_uppercase() {
            let is_asked_for = |image: u32| match what {
                'I' => image == id && placement_id == 0,
                'R' => (first..=last).contains(&image),
                _ => touched.contains(&image),
            };
            let in_use: BTreeSet<u32> = self.placements.iter().map(|placement| placement.image).collect();
            self.images
                .retain(|image, _| in_use.contains(image) || !is_asked_for(*image));
        }
        Ok(Outcome::default())
    }

    /// The screen is cleared. Placeholders are text and go with it; images that nothing shows any more are forgotten.
    pub fn clear(&mut self) {
        self.placements.retain(|placement| placement.is_virtual);
        let in_use: BTreeSet<u32> = self.placements.iter().map(|placement| placement.image).collect();
        self.images.retain(|image, _| in_use.contains(image));
    }

    /// The screen has moved up.
    pub fn scroll(&mut self, rows: i32) {
        for placement in &mut self.placements {
            if !placement.is_virtual {
                placement.row -= rows;
            }
        }
        self.placements
            .retain(|placement| placement.is_virtual || placement.row + i32::from(placement.rows) > 0);
    }

    /// How many images the terminal keeps.
    pub fn kept(&self) -> usize {
        self.images.len()
    }

    /// What is shown on this screen, and how many placeholders stand for nothing.
    pub fn pictures(
        &self,
        screen: &vt100::Screen,
        cell: CellSize,
        knows_placeholders: bool,
    ) -> (Vec<Picture>, usize) {
        let mut pictures: Vec<Picture> = self
            .placements
            .iter()
            .filter(|placement| !placement.is_virtual)
            .filter_map(|placement| {
                Some(Picture {
                    how: How::Kitty,
                    area: Area {
                        row: u16::try_from(placement.row).ok()?,
                        column: placement.column,
                        rows: placement.rows,
                        columns: placement.columns,
                    },
                    missing: 0,
                    pixels: self.images.get(&placement.image)?.clone(),
                    shown: (
                        u32::from(placement.columns) * u32::from(cell.width),
                        u32::from(placement.rows) * u32::from(cell.height),
                    ),
                })
            })
            .collect();
        let mut boxes = 0;
        for (position, cells) in placeholders(screen) {
            let shown = self
                .by_placeholders(&position, &cells, cell)
                .filter(|_| knows_placeholders);
            match shown {
                Some(picture) => pictures.push(picture),
                None => boxes += cells.len(),
            }
        }
        (pictures, boxes)
    }

    fn by_placeholders(&self, at: &Anchor, cells: &BTreeSet<(u32, u32)>, cell: CellSize) -> Option<Picture> {
        let placement = self
            .placements
            .iter()
            .rfind(|placement| placement.is_virtual && placement.image == at.image)?;
        let pixels = self.images.get(&at.image)?;
        let all = u32::from(placement.rows) * u32::from(placement.columns);
        let inside = cells
            .iter()
            .filter(|(row, column)| *row < placement.rows.into() && *column < placement.columns.into());
        let (width, height) = pixels.dimensions();
        let box_width = f64::from(placement.columns) * f64::from(cell.width);
        let box_height = f64::from(placement.rows) * f64::from(cell.height);
        // Kitty fits the image into the box and keeps its shape.
        let scale = (box_width / f64::from(width)).min(box_height / f64::from(height));
        let scaled = |pixels: u32| (f64::from(pixels) * scale).round() as u32;
        Some(Picture {
            how: How::Kitty,
            area: Area {
                row: u16::try_from(at.row).ok()?,
                column: u16::try_from(at.column).ok()?,
                rows: placement.rows,
                columns: placement.columns,
            },
            missing: (all as usize).saturating_sub(inside.count()),
            pixels: pixels.clone(),
            shown: (scaled(width), scaled(height)),
        })
    }
}

/// An image and the cell where its top left corner is or would be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Anchor {
    image: u32,
    row: i32,
    column: i32,
}

/// Every placeholder on the screen: which row and column of which image at which place.
fn placeholders(screen: &vt100::Screen) -> BTreeMap<Anchor, BTreeSet<(u32, u32)>> {
    let mut found: BTreeMap<Anchor, BTreeSet<(u32, u32)>> = BTreeMap::new();
    let (rows, columns) = screen.size();
    for row in 0..rows.get() {
        // Colour, row, column and high byte of the cell to the left, which the next one goes on from.
        let mut left: Option<(u32, u32, u32, u32)> = None;
        for column in 0..columns.get() {
            let Some(cell) = screen.cell(row, column) else {
                continue;
            };
            let mut characters = cell.contents().chars();
            if characters.next() != Some(PLACEHOLDER) {
                left = None;
                continue;
            }
            let low = match cell.fgcolor() {
                vt100::Color::Default => 0,
                vt100::Color::Idx(index) => u32::from(index),
                vt100::Color::Rgb(red, green, blue) => u32::from_be_bytes([0, red, green, blue]),
            };
            let counts: Vec<u32> = characters.map_while(counted).collect();
            let goes_on = left.filter(|(colour, at, _, _)| {
                *colour == low && counts.first().is_none_or(|first| first == at) && counts.len() < 2
            });
            let (image_row, image_column, high) = match (goes_on, counts.as_slice()) {
                (Some((_, row, column, high)), _) => (row, column + 1, high),
                (None, []) => (0, 0, 0),
                (None, [row]) => (*row, 0, 0),
                (None, [row, column]) => {
                    let inherited = left.filter(|(colour, at, before, _)| {
                        (*colour, *at, *before + 1) == (low, *row, *column)
                    });
                    (*row, *column, inherited.map_or(0, |(_, _, _, high)| high))
                }
                (None, [row, column, high, ..]) => (*row, *column, *high),
            };
            left = Some((low, image_row, image_column, high));
            let anchor = Anchor {
                image: high << 24 | low,
                row: i32::from(row) - image_row as i32,
                column: i32::from(column) - image_column as i32,
            };
            found.entry(anchor).or_default().insert((image_row, image_column));
        }
    }
    found
}

fn forgiving() -> GeneralPurpose {
    GeneralPurpose::new(
        &base64::alphabet::STANDARD,
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
    )
}

/// What is said to a command about an image with an id, unless the command asks for silence from this level on.
fn answer(keys: &Keys, words: &str, silent_from: u32) -> Option<Vec<u8>> {
    let id = keys.number('i');
    (id != 0 && keys.number('q') < silent_from).then(|| format!("\x1b_Gi={id};{words}\x1b\\").into_bytes())
}

fn complain(keys: &Keys, problem: &str) -> Outcome {
    Outcome {
        answer: answer(keys, &format!("EINVAL:{problem}"), 2),
        moved: None,
        complaint: Some(problem.to_owned()),
    }
}
