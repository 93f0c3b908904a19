//! What every connector needs of HTTP, and nothing of what a service means by it.
//!
//! A [`Caller`] sends [`Call`]s to one [`Origin`] through one [`Lane`]: it signs them (a [`TokenCache`] or a
//! [`BasicLogin`]), waits for their turn, repeats what may be repeated, and returns an [`Answer`] or a [`Failure`]
//! that says what happened in the service's own, cleaned words. What an answer means is decided in one place,
//! [`classify()`]; the rules are those of `reliability.md` 3.
//!
//! ```text
//! Transport ─ one a program          TLS, connections, the log of recent requests
//! Lane      ─ one a kind of traffic  how many at once, pauses, retry budget, circuit breaker
//! Caller    ─ transport + origin + lane + sign-in
//! Call      ─ one operation → Answer | Failure
//! ```

mod call;
mod caller;
mod classify;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod lane;
mod log;
mod origin;
mod repeats;
mod secret;
mod session;
#[cfg(test)]
pub(crate) mod testing;
mod token;
mod wait;
mod wire;

pub use self::call::{Answer, Call, Failure, FailureParts, Inside, Reason, Repeat, ServiceWords};
pub use self::caller::Caller;
pub use self::classify::{Class, Expect, classify};
pub use self::lane::{Lane, LaneSettings};
pub use self::log::{Ending, RequestLog, RequestRecord};
pub use self::origin::{Address, ForeignLink, Origin, OriginError};
pub use self::secret::Secret;
pub use self::token::{BasicLogin, Token, TokenCache, TokenSource};
pub(in crate::connector) use self::wait::back_off;
pub use self::wait::retry_after;
pub use self::wire::{Fault, FaultKind, NoAnswer, Outgoing, Transport, TransportSettings, Wire};
