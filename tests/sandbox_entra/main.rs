//! The practice tenant answers as `entra.md` says. Tests named `eNN_…` are the examples of its section 9.2.
//!
//! E46 to E48 (a busy service, a body that stalls, a wrong length) are fault rules of the server, which stands in
//! front of every service.

mod batch;
mod delta;
mod groups;
mod listing;
mod photos;
mod signing_in;
mod speed;
mod support;
mod throttling;
