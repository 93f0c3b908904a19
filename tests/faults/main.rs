//! The faults of `reliability.md` 4 by number, against the real binary and the sandbox.
//!
//! Long forms are marked `#[ignore]`; `cargo test --test faults -- --include-ignored` runs them too.

#[path = "../common/mod.rs"]
mod common;

mod checking;
