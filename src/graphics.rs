//! What this terminal can draw, and printing pictures into the scrollback.
//!
//! Nothing else in the program knows about graphics protocols. What is drawn is always decoded and encoded again by
//! us: no remote byte reaches the terminal (`reliability.md` 8, rule 7).

mod inline;
mod probe;
mod screen_shim;
pub use screen_shim::*;

pub use inline::{Drawn, compose, print_inline};
pub use probe::{Terminal, probe};

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
