//! Brings the terminal's pictures to what a frame wants to see, with as few bytes as possible.
//!
//! The cells under a picture are blanks in ratatui's buffer, marked in a way that makes them differ from ordinary
//! blanks. So ratatui writes them once when the picture comes, never while it stays, and all of them again when it goes:
//! Sixel and iTerm2 pictures, which live in the cells, are erased by exactly what takes their place, be it a dialog or
//! an empty pane. kitty's pictures lie above the cells and are hidden by their number.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::{self, Write};
use std::num::NonZeroU16;
use std::sync::{Arc, Weak};

use crossterm::Command;
use crossterm::style::SetBackgroundColor;
use ratatui::backend::IntoCrossterm;
use ratatui::buffer::{Buffer, Cell, CellDiffOption};
use ratatui::layout::{Position, Rect};
use ratatui::style::Color;

use super::canvas::{Canvas, Drawable, Form, Method};
use super::kitty;

/// The mark of a blank under a picture.
const UNDER_A_PICTURE: CellDiffOption = CellDiffOption::ForcedWidth(NonZeroU16::MIN);

/// What the frame being drawn wants to see: collected by the view, given to the [`Painter`].
#[derive(Debug, Default)]
pub struct Placements {
    wanted: Vec<Placement>,
}

/// One picture in one place.
#[derive(Clone, Debug)]
struct Placement {
    drawable: Arc<Drawable>,
    area: Rect,
    /// Of the cells under it; where it changes, ratatui writes over the picture.
    background: Color,
}

impl Placement {
    fn is_same_as(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.drawable, &other.drawable)
            && self.area == other.area
            && self.background == other.background
    }
}

impl Placements {
    /// A frame without pictures.
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts a picture in the middle of `area`, in whole cells; see [`Placements::put`].
    pub fn put_in_the_middle(&mut self, drawable: &Arc<Drawable>, area: Rect, buffer: &mut Buffer) -> bool {
        let size = drawable.size();
        let place = Rect {
            x: area.x + area.width.saturating_sub(size.width) / 2,
            y: area.y + area.height.saturating_sub(size.height) / 2,
            width: size.width,
            height: size.height,
        };
        self.put(drawable, place.intersection(area), buffer)
    }

    /// Puts a picture at the upper left of `area` and takes the cells it covers. Draw nothing there afterwards.
    ///
    /// Nothing is drawn, and the answer is `false`, where the area is smaller than the picture, is not wholly in the
    /// buffer, or would bring the picture to the buffer's last row, where a terminal may scroll.
    pub fn put(&mut self, drawable: &Arc<Drawable>, area: Rect, buffer: &mut Buffer) -> bool {
        let size = drawable.size();
        let covered = Rect::new(area.x, area.y, size.width, size.height);
        let fits = size.width <= area.width && size.height <= area.height;
        let is_inside = buffer.area.union(covered) == buffer.area && covered.bottom() < buffer.area.bottom();
        if !fits || !is_inside || covered.is_empty() {
            return false;
        }
        if let Form::Blocks(blocks) = drawable.form() {
            blocks.write(Position::from(covered), buffer);
            return true;
        }
        let background = buffer[Position::from(covered)].bg;
        for position in covered.positions() {
            let cell = &mut buffer[position];
            *cell = Cell::EMPTY;
            cell.set_bg(background).set_diff_option(UNDER_A_PICTURE);
        }
        self.wanted.push(Placement {
            drawable: Arc::clone(drawable),
            area: covered,
            background,
        });
        true
    }
}

/// A placement and the number the terminal has for it.
#[derive(Debug)]
struct Shown {
    placement: Placement,
    number: u32,
}

/// Keeps what the terminal shows now.
#[derive(Debug)]
pub struct Painter {
    through_tmux: bool,
    shown: Vec<Shown>,
    /// Pictures in the memory of a terminal with the kitty protocol. Once nobody holds one any more, it is deleted there.
    stored: HashMap<u32, Weak<Drawable>>,
    /// Pictures that were stored before the screen was cleared. Terminals differ in what they keep then.
    stale: Vec<u32>,
    next_number: u32,
}

impl Painter {
    /// For a terminal that shows nothing of ours yet.
    pub fn new(canvas: &Canvas) -> Self {
        Self {
            through_tmux: canvas.method() == Some(Method::KittyThroughTmux),
            shown: Vec::new(),
            stored: HashMap::new(),
            stale: Vec::new(),
            next_number: 1,
        }
    }

    /// Sends what has changed since the last frame. To be called when ratatui has written the frame's cells.
    ///
    /// Nothing is written if nothing has changed. The cursor stays where it is. After an error the screen is unknown,
    /// and everything is sent anew the next time.
    pub fn paint(&mut self, out: &mut impl Write, wanted: Placements) -> io::Result<()> {
        let mut commands = String::new();
        self.change_to(wanted, &mut commands);
        if commands.is_empty() {
            return Ok(());
        }
        let written = send(out, &commands);
        if written.is_err() {
            self.forget_shown();
        }
        written
    }

    /// The screen was cleared or resized: what is wanted next has to be shown anew.
    pub fn forget_shown(&mut self) {
        self.shown.clear();
        // A terminal may have thrown away what it did not show any more, so all of it is sent again when it is wanted.
        self.stale.extend(self.stored.drain().map(|(id, _)| id));
    }

    /// Removes our pictures from the terminal's memory, at the end. The Painter can be used again.
    pub fn leave(&mut self, out: &mut impl Write) -> io::Result<()> {
        self.forget_shown();
        let mut commands = String::new();
        self.delete_stale(&mut commands);
        if commands.is_empty() {
            return Ok(());
        }
        send(out, &commands)
    }

    fn change_to(&mut self, Placements { wanted }: Placements, out: &mut String) {
        self.delete_stale(out);
        let mut shown_before = std::mem::take(&mut self.shown);
        for placement in wanted {
            let known = shown_before
                .iter()
                .position(|shown| shown.placement.is_same_as(&placement));
            let shown = match known {
                Some(position) => shown_before.swap_remove(position),
                None => self.show(placement, out),
            };
            self.shown.push(shown);
        }
        // Only now: where one picture takes another's place, there is no moment without one.
        for Shown { placement, number } in shown_before {
            if let Form::Kitty(upload) = placement.drawable.form() {
                kitty::hide(upload.id, number, out);
            }
        }
        self.delete_dropped(out);
    }

    fn show(&mut self, placement: Placement, out: &mut String) -> Shown {
        let number = self.next_number;
        self.next_number = self.next_number.checked_add(1).unwrap_or(1);
        let Placement {
            drawable,
            area,
            background,
        } = &placement;
        match drawable.form() {
            Form::Kitty(upload) => {
                self.store(drawable, upload, out);
                kitty::move_to(area.x, area.y, out);
                kitty::place(upload.id, number, area.as_size(), out);
            }
            Form::KittyThroughTmux(upload) => {
                if self.store(drawable, upload, out) {
                    kitty::place_virtually(upload.id, area.as_size(), out);
                }
                set_background(*background, out);
                kitty::write_placeholders(upload.id, *area, out);
            }
            Form::Iterm2(sequence) => {
                set_background(*background, out);
                for row in area.rows() {
                    kitty::move_to(row.x, row.y, out);
                    write!(out, "\x1b[{}X", row.width).expect("a string takes everything");
                }
                kitty::move_to(area.x, area.y, out);
                out.push_str(sequence);
            }
            Form::Sixel(sequence) => {
                set_background(*background, out);
                kitty::move_to(area.x, area.y, out);
                out.push_str(sequence);
            }
            // Written into the buffer by `put`, and never wanted here.
            Form::Blocks(_) => {}
        }
        Shown { placement, number }
    }

    /// Sends the picture unless the terminal has it; true if it was sent.
    fn store(&mut self, drawable: &Arc<Drawable>, upload: &kitty::Upload, out: &mut String) -> bool {
        let is_new = !self.stored.contains_key(&upload.id);
        if is_new {
            upload.write(self.through_tmux, out);
            self.stored.insert(upload.id, Arc::downgrade(drawable));
        }
        is_new
    }

    fn delete_dropped(&mut self, out: &mut String) {
        let through_tmux = self.through_tmux;
        self.stored.retain(|id, drawable| {
            let is_held = drawable.strong_count() > 0;
            if !is_held {
                kitty::delete(*id, through_tmux, out);
            }
            is_held
        });
    }

    fn delete_stale(&mut self, out: &mut String) {
        for id in self.stale.drain(..) {
            kitty::delete(id, self.through_tmux, out);
        }
    }
}

fn set_background(background: Color, out: &mut String) {
    SetBackgroundColor(background.into_crossterm())
        .write_ansi(out)
        .expect("a string takes everything");
}

/// Between saving and restoring the cursor, in default colours.
fn send(out: &mut impl Write, commands: &str) -> io::Result<()> {
    out.write_all(b"\x1b7\x1b[0m")?;
    out.write_all(commands.as_bytes())?;
    out.write_all(b"\x1b[0m\x1b8")?;
    out.flush()
}

#[cfg(test)]
mod tests;
