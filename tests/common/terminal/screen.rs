//! What is on the pretend terminal: text, modes, pictures, and what was asked and copied.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::num::NonZeroU16;

use base64::Engine as _;
use icy_sixel::SixelImage;
use image::RgbaImage;

use super::answers::{Geometry, Kind, Manner, Question};
use super::kitty::{Place, Store};
use super::picture::{Area, CellSize, How, InCells, Picture, half_blocks};
use super::stream::{self, Csi, Piece, Splitter};

/// The modes whose other state would be felt by whoever uses the terminal next.
const MODES: [(u16, bool, &str); 14] = [
    (1, false, "application cursor keys"),
    (7, true, "no line wrapping"),
    (25, true, "the cursor is hidden"),
    (9, false, "mouse"),
    (1000, false, "mouse"),
    (1002, false, "mouse"),
    (1003, false, "mouse"),
    (1004, false, "focus events"),
    (1006, false, "mouse reports in the SGR form"),
    (1015, false, "mouse reports in the urxvt form"),
    (1049, false, "the alternate screen"),
    (47, false, "the alternate screen"),
    (2004, false, "bracketed paste"),
    (2026, false, "synchronized update"),
];

/// A sequence that the terminal's model is not sure about is said here once.
pub type Complaints = BTreeSet<String>;

/// Counts the rows that leave the screen at its top.
#[derive(Default)]
struct Scrolled {
    rows: i32,
}

impl vt100::Callbacks for Scrolled {
    fn on_scroll(&mut self, _: vt100::capture::RowContents<'_>, _: bool) {
        self.rows += 1;
    }
}

/// The pictures of the main or of the alternate screen.
#[derive(Default)]
struct Layer {
    kitty: Store,
    in_cells: Vec<InCells>,
}

/// The state of the terminal after everything that has been read so far.
pub struct Screen {
    text: vt100::Parser<Scrolled>,
    window: Geometry,
    manner: Manner,
    modes: BTreeMap<u16, bool>,
    keyboard_stack: u16,
    cursor_style: u16,
    layers: [Layer; 2],
    /// What was copied with OSC 52, decoded, oldest first.
    pub copied: Vec<String>,
    /// Titles that were set.
    pub titles: Vec<String>,
    /// What was asked, oldest first.
    pub questions: Vec<Question>,
    /// What a terminal would not understand.
    pub complaints: Complaints,
    /// The end of the program was seen in the output.
    pub is_over: bool,
    /// Bytes of the pictures' sequences.
    pub picture_bytes: u64,
    decodes: bool,
}

/// What follows the program's last byte in the output, written by the terminal itself.
pub const END_MARK: &str = "the program has ended";

impl Screen {
    /// An empty screen. `decodes`: pictures are decoded; without it they are only counted.
    pub fn new(manner: Manner, window: Geometry, decodes: bool) -> Self {
        let mut layers: [Layer; 2] = Default::default();
        for layer in &mut layers {
            layer.kitty.is_counting_only = !decodes;
        }
        Self {
            text: vt100::Parser::new_with_callbacks(
                at_least_one(window.rows),
                at_least_one(window.columns),
                0,
                Scrolled::default(),
            ),
            window,
            manner,
            modes: BTreeMap::new(),
            keyboard_stack: 0,
            cursor_style: 0,
            layers,
            copied: Vec::new(),
            titles: Vec::new(),
            questions: Vec::new(),
            complaints: Complaints::new(),
            is_over: false,
            picture_bytes: 0,
            decodes,
        }
    }

    /// Takes a part of the output and returns what the terminal answers to it.
    pub fn feed(&mut self, splitter: &mut Splitter, bytes: &[u8]) -> Vec<Vec<u8>> {
        let before = self.questions.len();
        splitter.feed(bytes, &mut |piece| self.piece(piece));
        self.questions[before..]
            .iter()
            .filter_map(|question| self.manner.answer(question, self.window))
            .collect()
    }

    fn piece(&mut self, piece: Piece<'_>) {
        match piece {
            Piece::Text(bytes) => self.print(bytes),
            Piece::Escape(raw) => {
                if raw == b"\x1bc" {
                    self.layer().in_cells.clear();
                    self.layer().kitty.clear();
                    self.modes.clear();
                }
                self.process(raw);
            }
            Piece::Csi(csi) => self.csi(csi),
            Piece::String(kind, body) => self.string(kind, body),
            Piece::Broken(raw) => {
                self.complaints.insert(format!("broken: {}", raw.escape_ascii()));
            }
        }
    }

    // Text.

    fn process(&mut self, bytes: &[u8]) {
        self.text.process(bytes);
        let rows = std::mem::take(&mut self.text.callbacks_mut().rows);
        if rows > 0 {
            let layer = self.layer();
            layer.kitty.scroll(rows);
            for picture in &mut layer.in_cells {
                picture.scroll(rows);
            }
        }
    }

    /// Prints text, and takes the cells it covers from the pictures below it.
    fn print(&mut self, bytes: &[u8]) {
        if self.layer().in_cells.is_empty() {
            return self.process(bytes);
        }
        let is_control = |byte: &u8| *byte < 0x20;
        for run in bytes.chunk_by(|left, right| is_control(left) == is_control(right)) {
            let (_, column) = self.cursor();
            if is_control(&run[0]) {
                self.process(run);
            } else if usize::from(column) + run.len() <= usize::from(self.window.columns) {
                self.print_in_row(run);
            } else {
                // Each character by itself, as one of them may go to the next row.
                let starts = |byte: &u8| byte & 0xc0 != 0x80;
                for character in run.chunk_by(|_, next| !starts(next)) {
                    self.print_in_row(character);
                }
            }
        }
    }

    fn print_in_row(&mut self, bytes: &[u8]) {
        let before = self.cursor();
        self.process(bytes);
        let after = self.cursor();
        let from = if after.0 == before.0 { before.1 } else { 0 };
        self.overwrite(after.0, from, after.1);
    }

    fn overwrite(&mut self, row: u16, from: u16, to: u16) {
        let pictures = &mut self.layer().in_cells;
        for picture in pictures.iter_mut() {
            picture.overwrite(row, from, to);
        }
        pictures.retain(|picture| !picture.is_gone());
    }

    /// What an erasing sequence takes from the pictures.
    fn erase(&mut self, csi: Csi<'_>) {
        let (row, column) = self.cursor();
        let (rows, columns) = (self.window.rows, self.window.columns);
        let which = csi.numbers()[0];
        let end_of_row = columns;
        match (csi.last, which) {
            (b'J', 2 | 3) => {
                self.overwrite_rows(0, rows);
                self.layer().kitty.clear();
            }
            (b'J', 1) => {
                self.overwrite_rows(0, row);
                self.overwrite(row, 0, column + 1);
            }
            (b'J', _) => {
                self.overwrite(row, column, end_of_row);
                self.overwrite_rows(row + 1, rows);
            }
            (b'K', 2) => self.overwrite(row, 0, end_of_row),
            (b'K', 1) => self.overwrite(row, 0, column + 1),
            (b'K' | b'P' | b'@', _) => self.overwrite(row, column, end_of_row),
            (b'X', _) => self.overwrite(row, column, column.saturating_add(csi.count())),
            (b'L' | b'M', _) => self.overwrite_rows(row, rows),
            (b'T', _) => self.overwrite_rows(0, rows),
            _ => {}
        }
    }

    fn overwrite_rows(&mut self, from: u16, to: u16) {
        for row in from..to {
            self.overwrite(row, 0, self.window.columns);
        }
    }

    // Control sequences.

    fn csi(&mut self, csi: Csi<'_>) {
        let numbers = csi.numbers();
        let first = numbers[0];
        if let Some(question) = self.question(csi, first) {
            self.questions.push(question);
        } else if csi.is("?", "", 'h') || csi.is("?", "", 'l') {
            self.set_modes(&numbers, csi.last == b'h');
        } else if csi.is(">", "", 'u') {
            self.keyboard_stack += 1;
        } else if csi.is("<", "", 'u') {
            self.keyboard_stack = self.keyboard_stack.saturating_sub(csi.count());
        } else if csi.is("", " ", 'q') {
            self.cursor_style = first;
        } else if csi.private.is_none() && csi.intermediates.is_empty() {
            self.erase(csi);
        }
        self.process(csi.raw);
    }

    fn question(&self, csi: Csi<'_>, first: u16) -> Option<Question> {
        let (row, column) = self.cursor();
        let is_plain = csi.private.is_none() && csi.intermediates.is_empty();
        Some(match (csi.last, first) {
            (b'c', 0) if is_plain => Question::Attributes,
            (b'c', _) if csi.is(">", "", 'c') => Question::SecondAttributes,
            (b'n', 5) if is_plain => Question::Status,
            (b'n', 6) if is_plain => Question::Cursor(row, column),
            (b't', 14) if is_plain => Question::WindowPixels,
            (b't', 16) if is_plain => Question::CellPixels,
            (b't', 18) if is_plain => Question::WindowCells,
            (b'q', _) if csi.is(">", "", 'q') => Question::Name,
            (b'n', 996) if csi.is("?", "", 'n') => Question::ColourScheme,
            (b'u', _) if csi.is("?", "", 'u') => Question::KeyboardProtocol,
            (b'p', mode) if csi.is("?", "$", 'p') => Question::Mode(mode, self.is_set(mode)),
            _ => return None,
        })
    }

    fn set_modes(&mut self, numbers: &[u16], is_on: bool) {
        for &number in numbers {
            self.modes.insert(number, is_on);
            if matches!(number, 47 | 1047 | 1049) && is_on {
                let alternate = &mut self.layers[1];
                alternate.in_cells.clear();
                alternate.kitty.clear();
            }
        }
    }

    fn string(&mut self, kind: stream::Kind, body: &[u8]) {
        match kind {
            stream::Kind::Apc if body == END_MARK.as_bytes() => self.is_over = true,
            stream::Kind::Apc if body.starts_with(b"G") => {
                self.picture_bytes += body.len() as u64;
                self.kitty(&body[1..]);
            }
            stream::Kind::Dcs if body.starts_with(b"+q") => self.questions.push(Question::Capability('+')),
            stream::Kind::Dcs if body.starts_with(b"$q") => self.questions.push(Question::Capability('$')),
            stream::Kind::Dcs if is_sixel(body) => {
                self.picture_bytes += body.len() as u64;
                self.sixel(body);
            }
            stream::Kind::Osc => self.operating_system_command(body),
            _ => {
                let start = &body[..body.len().min(40)];
                self.complaints
                    .insert(format!("{kind:?} {}", start.escape_ascii()));
            }
        }
    }

    fn operating_system_command(&mut self, body: &[u8]) {
        let text = String::from_utf8_lossy(body);
        let (number, rest) = text.split_once(';').unwrap_or((&text, ""));
        match number {
            "0" | "1" | "2" => self.titles.push(rest.to_owned()),
            "10" | "11" | "12" if rest == "?" => {
                let number = number.parse().expect("one of these");
                self.questions.push(Question::Colour(number));
            }
            "4" if rest.ends_with(";?") => {
                let number = rest.trim_end_matches(";?").parse().unwrap_or(0);
                self.questions.push(Question::PaletteColour(number));
            }
            "52" => {
                let payload = rest.split_once(';').map_or("", |(_, payload)| payload);
                match base64::engine::general_purpose::STANDARD.decode(payload) {
                    Ok(bytes) => self.copied.push(String::from_utf8_lossy(&bytes).into_owned()),
                    Err(error) => {
                        self.complaints.insert(format!("OSC 52: {error}"));
                    }
                }
            }
            "1337" => {
                self.picture_bytes += body.len() as u64;
                self.iterm2(rest);
            }
            // Hyperlinks, the working directory, notifications: without a trace on the screen.
            "7" | "8" | "9" | "22" | "66" | "99" | "133" | "777" => {}
            "104" | "110" | "111" | "112" => {}
            _ => {
                self.complaints.insert(format!("OSC {}", number.escape_debug()));
            }
        }
    }

    // Pictures.

    fn layer(&mut self) -> &mut Layer {
        &mut self.layers[usize::from(self.text.screen().alternate_screen())]
    }

    fn kitty(&mut self, body: &[u8]) {
        if !self.manner.kind.draws_kitty() {
            // A nonsensical terminal answers even so; every other one is silent.
            if self.manner.kind == Kind::Nonsense {
                self.questions.push(Question::Graphics(Vec::new()));
            }
            return;
        }
        let (row, column) = self.cursor();
        let place = Place {
            row,
            column,
            cell: self.window.cell,
        };
        let outcome = self.layer().kitty.command(&String::from_utf8_lossy(body), place);
        if let Some(answer) = outcome.answer {
            self.questions.push(Question::Graphics(answer));
        }
        if let Some(complaint) = outcome.complaint {
            self.complaints.insert(format!("kitty: {complaint}"));
        }
        if let Some((columns, rows)) = outcome.moved {
            self.move_down(rows);
            self.process(format!("\x1b[{columns}C").as_bytes());
        }
    }

    fn sixel(&mut self, body: &[u8]) {
        if !self.manner.kind.draws_sixel() || !self.decodes {
            return;
        }
        let whole = [b"\x1bP", body, b"\x1b\\"].concat();
        let decoded = SixelImage::decode(&whole)
            .map_err(|error| error.to_string())
            .and_then(|sixel| {
                RgbaImage::from_raw(sixel.width as u32, sixel.height as u32, sixel.pixels)
                    .ok_or_else(|| "its pixels do not fit its size".to_owned())
            });
        match decoded {
            Ok(pixels) => {
                let (columns, rows) = self.window.cell.cells(pixels.width(), pixels.height());
                let shown = pixels.dimensions();
                self.place(How::Sixel, columns, rows, pixels, shown);
                self.move_down(rows - 1);
            }
            Err(problem) => {
                self.complaints.insert(format!("sixel: {problem}"));
            }
        }
    }

    fn iterm2(&mut self, rest: &str) {
        let Some(rest) = rest.strip_prefix("File=") else {
            return;
        };
        if !self.manner.kind.draws_iterm2() || !self.decodes {
            return;
        }
        let (arguments, payload) = rest.split_once(':').unwrap_or((rest, ""));
        let argument = |name: &str| {
            let mut pairs = arguments.split(';').filter_map(|pair| pair.split_once('='));
            pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
        };
        let decoded = base64::engine::general_purpose::STANDARD
            .decode(payload)
            .map_err(|error| error.to_string())
            .and_then(|bytes| image::load_from_memory(&bytes).map_err(|error| error.to_string()));
        let pixels = match decoded {
            Ok(picture) => picture.to_rgba8(),
            Err(problem) => {
                self.complaints.insert(format!("iTerm2: {problem}"));
                return;
            }
        };
        let cell = self.window.cell;
        let asked = (
            length(argument("width"), cell.width, self.window.columns),
            length(argument("height"), cell.height, self.window.rows),
        );
        let (width, height) = (f64::from(pixels.width()), f64::from(pixels.height()));
        let keeps_shape = argument("preserveAspectRatio") != Some("0");
        let scale = match asked {
            (None, None) => (1.0, 1.0),
            (Some(wide), None) => (wide / width, wide / width),
            (None, Some(high)) => (high / height, high / height),
            (Some(wide), Some(high)) if keeps_shape => {
                let least = (wide / width).min(high / height);
                (least, least)
            }
            (Some(wide), Some(high)) => (wide / width, high / height),
        };
        let shown = (
            (width * scale.0).round() as u32,
            (height * scale.1).round() as u32,
        );
        let (columns, rows) = cell.cells(shown.0, shown.1);
        self.place(How::Iterm2, columns, rows, pixels, shown);
        if argument("doNotMoveCursor") != Some("1") {
            self.move_down(rows - 1);
            self.process(format!("\x1b[{columns}C").as_bytes());
        }
    }

    /// Puts a picture where the cursor is. It takes its cells from those that were there.
    fn place(&mut self, how: How, columns: u16, rows: u16, pixels: RgbaImage, shown: (u32, u32)) {
        let (row, column) = self.cursor();
        for below in row..row.saturating_add(rows) {
            self.overwrite(below, column, column.saturating_add(columns));
        }
        let area = Area {
            row,
            column,
            rows,
            columns,
        };
        let picture = InCells::new(how, area, pixels, shown);
        self.layer().in_cells.push(picture);
    }

    /// The cursor goes down, and the screen up if there is no more room.
    fn move_down(&mut self, rows: u16) {
        self.process("\n".repeat(rows.into()).as_bytes());
    }

    // What can be seen.

    /// Another size of the window.
    pub fn resize(&mut self, window: Geometry) {
        self.text
            .set_size(at_least_one(window.rows), at_least_one(window.columns));
        self.text.callbacks_mut().rows = 0;
        self.window = window;
        for layer in &mut self.layers {
            for picture in &mut layer.in_cells {
                picture.clip(window.rows, window.columns);
            }
            layer.in_cells.retain(|picture| !picture.is_gone());
        }
    }

    /// The size of the window.
    pub fn window(&self) -> Geometry {
        self.window
    }

    /// The cursor's row and column, from 0.
    pub fn cursor(&self) -> (u16, u16) {
        self.text.screen().cursor_position()
    }

    /// The text of the screen with its colours.
    pub fn cells(&self) -> &vt100::Screen {
        self.text.screen()
    }

    /// The rows of the screen as text.
    pub fn rows(&self) -> Vec<String> {
        let rows = self.text.screen().rows(0, self.window.columns);
        rows.map(|row| row.trim_end().to_owned()).collect()
    }

    /// The screen as text.
    pub fn contents(&self) -> String {
        self.rows().join("\n")
    }

    /// Whether this text is somewhere in a row.
    pub fn shows(&self, text: &str) -> bool {
        self.rows().iter().any(|row| row.contains(text))
    }

    /// Whether nothing is to be seen.
    pub fn is_blank(&self) -> bool {
        self.rows().iter().all(String::is_empty)
    }

    /// The first cell of this text: row and column.
    pub fn find(&self, text: &str) -> Option<(u16, u16)> {
        let wanted: Vec<char> = text.chars().collect();
        let cells = |row: u16| -> Vec<(char, u16)> {
            let columns = 0..self.window.columns;
            columns
                .flat_map(|column| {
                    let cell = self.text.screen().cell(row, column);
                    let contents = cell.filter(|cell| !cell.is_wide_continuation());
                    let text = contents.map_or("", vt100::Cell::contents);
                    let text = if text.is_empty() && contents.is_some() {
                        " "
                    } else {
                        text
                    };
                    text.chars()
                        .map(move |character| (character, column))
                        .collect::<Vec<_>>()
                })
                .collect()
        };
        (0..self.window.rows).find_map(|row| {
            let cells = cells(row);
            let at = cells
                .windows(wanted.len())
                .position(|window| window.iter().map(|(character, _)| character).eq(wanted.iter()))?;
            Some((row, cells[at].1))
        })
    }

    /// The pictures that are on the screen now, from top to bottom and from left to right.
    pub fn pictures(&self) -> Vec<Picture> {
        let screen = self.text.screen();
        let layer = &self.layers[usize::from(screen.alternate_screen())];
        let mut pictures: Vec<Picture> = layer.in_cells.iter().map(InCells::picture).collect();
        let knows = self.manner.kind.knows_placeholders();
        pictures.extend(layer.kitty.pictures(screen, self.window.cell, knows).0);
        pictures.extend(half_blocks(screen, self.window.cell));
        pictures.sort_by_key(|picture| picture.area);
        pictures
    }

    /// Placeholders that no picture belongs to: boxes to whoever looks.
    pub fn boxes(&self) -> usize {
        let screen = self.text.screen();
        let layer = &self.layers[usize::from(screen.alternate_screen())];
        let knows = self.manner.kind.knows_placeholders();
        layer.kitty.pictures(screen, self.window.cell, knows).1
    }

    /// A number for how a part of the screen looks: text, colours, what is turned round.
    pub fn look_of(&self, area: Area) -> u64 {
        let mut hasher = DefaultHasher::new();
        for row in area.row..area.row + area.rows {
            for column in area.column..area.column + area.columns {
                if let Some(cell) = self.text.screen().cell(row, column) {
                    cell.contents().hash(&mut hasher);
                    (cell.inverse(), cell.bold(), cell.underline()).hash(&mut hasher);
                    for colour in [cell.fgcolor(), cell.bgcolor()] {
                        match colour {
                            vt100::Color::Default => 0_u32,
                            vt100::Color::Idx(index) => 1 << 24 | u32::from(index),
                            vt100::Color::Rgb(red, green, blue) => u32::from_be_bytes([2, red, green, blue]),
                        }
                        .hash(&mut hasher);
                    }
                }
            }
        }
        hasher.finish()
    }

    /// Whether a private mode is on.
    pub fn is_set(&self, mode: u16) -> bool {
        let usual = MODES.iter().find(|(number, _, _)| *number == mode);
        let is_usually_on = usual.is_some_and(|(_, is_on, _)| *is_on);
        self.modes.get(&mode).copied().unwrap_or(is_usually_on)
    }

    /// Whether the program has asked for mouse reports.
    pub fn wants_mouse(&self) -> bool {
        [1000, 1002, 1003].into_iter().any(|mode| self.is_set(mode))
    }

    /// What the program would leave behind if it ended now.
    pub fn left_behind(&self) -> Vec<String> {
        let mut left: Vec<String> = MODES
            .iter()
            .filter(|(mode, usual, _)| self.is_set(*mode) != *usual)
            .map(|(mode, _, what)| format!("{what} ({mode})"))
            .collect();
        if self.keyboard_stack > 0 {
            left.push("the keyboard protocol".into());
        }
        if self.cursor_style > 0 {
            left.push("the shape of the cursor".into());
        }
        let screen = self.text.screen();
        if (screen.fgcolor(), screen.bgcolor()) != (vt100::Color::Default, vt100::Color::Default) {
            left.push("colours".into());
        }
        let kept: usize = self.layers[1].kitty.kept();
        if kept > 0 {
            left.push(format!("{kept} images in the terminal's memory"));
        }
        left
    }
}

fn at_least_one(number: u16) -> NonZeroU16 {
    NonZeroU16::new(number).unwrap_or(NonZeroU16::MIN)
}

/// `parameters q data`.
fn is_sixel(body: &[u8]) -> bool {
    let parameters = body
        .iter()
        .take_while(|byte| byte.is_ascii_digit() || **byte == b';')
        .count();
    body.get(parameters) == Some(&b'q')
}

/// A length of iTerm2's protocol in pixels; `None` is "as it is".
fn length(argument: Option<&str>, cell: u16, cells: u16) -> Option<f64> {
    let text = argument.filter(|text| *text != "auto")?;
    let cell = f64::from(cell);
    if let Some(pixels) = text.strip_suffix("px") {
        pixels.parse().ok()
    } else if let Some(percent) = text.strip_suffix('%') {
        let percent: f64 = percent.parse().ok()?;
        Some(percent / 100.0 * cell * f64::from(cells))
    } else {
        text.parse::<f64>().ok().map(|count| count * cell)
    }
}

impl Default for CellSize {
    fn default() -> Self {
        Self {
            width: 10,
            height: 20,
        }
    }
}
