//! avatar-sync brings people's Microsoft Entra ID photos into ServiceNow.
//!
//! The map of the tree; the arrows between the parts are in `ARCHITECTURE.md`.

#![forbid(unsafe_code)]

pub mod cli;
pub mod config;
pub mod connector;
pub mod domain;
pub mod engine;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
pub mod graphics;
pub mod notify;
pub mod report;
pub mod sandbox;
pub mod schedule;
pub mod store;
pub mod tui;

/// Says that a fault (`reliability.md` 4) was tried this many times, and every time ended as promised. Called last, when
/// everything has been checked: `docs/reliability.md` is made from these lines.
#[cfg(test)]
pub(crate) fn tried(fault: &str, times: usize) {
    assert!(times > 0, "nothing was tried for {fault}");
    println!("fault {fault}: tried {times} times");
}
