//! The program in a terminal: keys in, screen out.

#![cfg(unix)]

#[path = "../common/mod.rs"]
mod common;
#[path = "../common/terminal/mod.rs"]
mod terminal;

mod cleaning;
mod endings;
mod faults;
mod hostile;
mod past;
mod pictures;
mod pretending;
mod removing;
mod show;
mod starting;
mod support;
