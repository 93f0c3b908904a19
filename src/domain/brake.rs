//! What stops, slows down or holds back a run before it does harm (`reliability.md` P12). Pure rules; each is released
//! by somebody who has looked.
//!
//! ```text
//! limits      a plan that changes or removes unusually much is not carried out at all
//! failures    a run in which too much goes wrong begins nobody new
//! quarantine  a profile whose runs keep failing waits longer and longer between them
//! parking     a person who fails in run after run is tried more and more rarely
//! removal     an avatar goes only once somebody has approved it
//! ```

pub mod failures;
pub mod limits;
pub mod parking;
pub mod quarantine;
pub mod removal;

use jiff::Timestamp;

/// A moment in sentences.
fn moment(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
}
