//! One screen, one file: its part of the state, its update, its view.

pub mod clean;
pub mod log;
pub mod people;
pub mod person;
pub mod plan;
pub mod run;
pub mod sheet;
pub mod zoom;
