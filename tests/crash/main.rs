//! Deaths, rivals and an instance with a will of its own (`reliability.md` 4, G to I), against the real binary and the
//! sandbox over real HTTP. After each of them the checker looks at every instant and at the end.
//!
//! Long forms are marked `#[ignore]`; docs/testing.md has the commands.

#[path = "../common/mod.rs"]
mod common;

mod instance;
mod kills;
mod limits;
mod machines;
mod memory;

/// What a variable says about a long form.
fn number(variable: &str, usual: u64) -> u64 {
    std::env::var(variable).map_or(usual, |value| value.parse().expect("a number"))
}
