//! What this terminal can draw, pictures in the full-screen interface, and printing them into the scrollback.
//!
//! Nothing else in the program knows about graphics protocols. What is drawn is always decoded and encoded again by
//! us: no remote byte reaches the terminal (`reliability.md` 8, rule 7).
//!
//! In the full-screen interface a picture takes three steps. [`detect()`] asks the terminal once, at the start, and
//! gives a [`Canvas`]. [`Canvas::encode`] turns a picture into a [`Drawable`], on a worker. The view of a frame
//! collects what it wants to see where in [`Placements`], and after the cells of that frame have been written the
//! [`Painter`] sends the difference to what the terminal shows already.

mod blocks;
mod canvas;
mod compact;
mod contrast;
mod detect;
mod inline;
mod kitty;
mod late;
mod painter;
mod probe;

pub use canvas::{Canvas, Drawable, EncodeError};
pub use contrast::{CIRCLES, circles, circles_size, difference};
pub use detect::{Detected, Surroundings, Wish, detect};
pub use inline::{Drawn, compose, compose_row, print_inline};
pub use late::LateAnswers;
pub use painter::{Painter, Placements};
pub use probe::{Ground, Terminal, probe};

/// How pictures are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// The kitty graphics protocol.
    Kitty,
    /// iTerm2 inline images.
    Iterm2,
    /// Sixel.
    Sixel,
    /// Coloured half blocks, which every terminal with colours can show.
    Blocks,
}

impl Protocol {
    /// The name in `info` and in explanations.
    pub fn name(self) -> &'static str {
        match self {
            Self::Kitty => "kitty",
            Self::Iterm2 => "iterm2",
            Self::Sixel => "sixel",
            Self::Blocks => "blocks",
        }
    }
}
