//! How the program ends (`cli.md`, Exit codes).

/// Done; nothing failed.
pub const OK: u8 = 0;
/// Something that should not have happened.
pub const UNEXPECTED: u8 = 1;
/// The command line or the configuration.
pub const USAGE: u8 = 2;
/// Differences were found, and `--exit-code` asked to be told.
pub const DIFFERENCES: u8 = 3;
/// Finished, but some people failed.
pub const SOME_FAILED: u8 = 4;
/// Could not sign in, or a right is missing.
pub const NO_ACCESS: u8 = 5;
/// A brake stopped the run.
pub const BRAKE: u8 = 6;
/// Another run holds the lock.
pub const LOCKED: u8 = 7;
/// Interrupted.
pub const INTERRUPTED: u8 = 130;
