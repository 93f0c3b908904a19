//! A practice tenant and a practice instance, over real HTTP on loopback.
//!
//! [`world`] is plain state with rules and knows no HTTP; [`entra`] and [`servicenow`] translate between HTTP and the
//! world; [`server`] listens, injects [`control`]led faults, models latency and counts. The sandbox shares no request
//! or response type with the connectors: a shared typo would agree with itself.

pub mod clock;
pub mod control;
pub mod entra;
pub mod exchange;
pub mod portraits;
pub mod random;
pub mod server;
pub mod servicenow;
pub mod world;
