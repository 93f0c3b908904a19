//! Turns events and verdicts into human lines, JSON lines and one JSON object.
//!
//! Standard output carries data, standard error carries talk; what is shown of remote text has passed
//! [`crate::domain::text::clean`].

pub mod audit;
pub mod explanation;
pub mod export;
pub mod failure;
pub mod json;
pub mod plan;
pub mod progress;
pub mod run;
pub mod status;
pub mod text;
pub mod tidying;
