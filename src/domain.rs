//! Pure rules and the words of the field.
//!
//! Nothing here knows a network, a terminal, a database, a clock or the environment: time and ids come in as
//! arguments, so every rule can be tried with plain values.

pub mod anatomy;
pub mod brake;
pub mod comparison;
pub mod explanation;
pub mod filter;
pub mod ids;
pub mod listing;
pub mod litter;
pub mod outstanding;
pub mod packing;
pub mod pairing;
pub mod person;
pub mod photo;
pub mod picture;
pub mod plan;
pub mod run;
pub mod scope;
pub mod suspicion;
pub mod text;
pub mod tidying;
