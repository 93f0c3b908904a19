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

use quarantine::Quarantine;

/// What slows a profile down or waits for somebody, in figures.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Brakes {
    /// The quarantine, if the profile is in one.
    pub quarantine: Option<Quarantine>,
    /// How many people runs pass over.
    pub parked: u64,
    /// How many removals wait for somebody's word.
    pub waiting: u64,
}

impl Brakes {
    /// One line for each, with what to do about it; none if nothing slows the profile down.
    pub fn lines(&self) -> Vec<String> {
        let people = |count: u64, one: &str, many: &str| match count {
            1 => format!("1 {one}"),
            count => format!("{count} {many}"),
        };
        let quarantine = self.quarantine.as_ref().map(|quarantine| {
            format!(
                "This profile is {}; `avatar-sync release quarantine` ends it.",
                quarantine.sentence()
            )
        });
        let parked = (self.parked > 0).then(|| {
            format!(
                "{} parked after failing in run after run: `avatar-sync parked`.",
                people(self.parked, "person is", "people are")
            )
        });
        let waiting = (self.waiting > 0).then(|| {
            format!(
                "{} for approval: `avatar-sync removals`.",
                people(self.waiting, "removal waits", "removals wait")
            )
        });
        [quarantine, parked, waiting].into_iter().flatten().collect()
    }
}

/// A moment in sentences.
fn moment(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
}
