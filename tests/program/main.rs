//! Whole stories of the program: the real binary against the sandbox, a command or a promise a file. They are one test
//! binary because most of their time is waiting, which goes on side by side.

#[path = "../common/mod.rs"]
mod common;

mod brakes;
mod clean;
mod cli;
mod explain;
mod guard;
mod local_data;
mod report;
mod servicenow_target;
mod sync;
