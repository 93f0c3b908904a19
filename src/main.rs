//! Parses the command line, runs the command, ends with its code; nothing else.

#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(avatar_sync::cli::run(std::env::args_os()))
}
