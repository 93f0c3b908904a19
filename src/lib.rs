//! avatar-sync brings people's Microsoft Entra ID photos into ServiceNow.
//!
//! The map of the tree; the arrows between the parts are in `ARCHITECTURE.md`.

#![forbid(unsafe_code)]

pub mod cli;
pub mod config;
pub mod connector;
pub mod domain;
pub mod engine;
pub mod graphics;
pub mod notify;
pub mod report;
pub mod sandbox;
pub mod schedule;
pub mod store;
pub mod tui;
