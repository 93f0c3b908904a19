//! One screen, one file: its part of the state, its update, its view.

pub mod history;
pub mod log;
pub mod past;
pub mod people;
pub mod person;
pub mod plan;
pub mod removals;
pub mod run;
pub mod sheet;
pub mod tidy;
pub mod zoom;
