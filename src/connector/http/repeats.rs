//! Which requests went wrong and were not sent successfully since.
//!
//! The retry budget is about load, so it matters that a request is sent again and not who sends it again: a caller that
//! repeats it, a push that looks how a write has gone and then sends it once more, or somebody's second turn.

use std::collections::{HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};

use parking_lot::Mutex;

use super::call::Call;

/// Requests remembered at most; the oldest are forgotten first.
const MOST: usize = 4096;

/// Requests that went wrong, by a hash of everything but their headers.
#[derive(Debug, Default)]
pub(super) struct Repeats {
    failed: Mutex<Failed>,
}

#[derive(Debug, Default)]
struct Failed {
    keys: HashSet<u64>,
    /// The same in the order in which they failed first, and some that have succeeded since.
    order: VecDeque<u64>,
}

impl Repeats {
    /// What tells whether two calls ask the same.
    fn key(call: &Call) -> u64 {
        let mut hasher = DefaultHasher::new();
        call.method.hash(&mut hasher);
        call.address.url().as_str().hash(&mut hasher);
        call.body.hash(&mut hasher);
        hasher.finish()
    }

    /// True if the same request went wrong the last time.
    pub fn holds(&self, call: &Call) -> bool {
        !self.are_none() && self.failed.lock().keys.contains(&Self::key(call))
    }

    /// Takes note of how a request went.
    pub fn note(&self, call: &Call, has_failed: bool) {
        if has_failed || !self.are_none() {
            self.note_key(Self::key(call), has_failed);
        }
    }

    /// True as long as nothing is wrong: no picture that is sent has to be hashed then.
    fn are_none(&self) -> bool {
        self.failed.lock().keys.is_empty()
    }

    fn note_key(&self, key: u64, has_failed: bool) {
        let mut failed = self.failed.lock();
        if !has_failed {
            failed.keys.remove(&key);
        } else if failed.keys.insert(key) {
            failed.order.push_back(key);
            if failed.order.len() > MOST
                && let Some(oldest) = failed.order.pop_front()
            {
                failed.keys.remove(&oldest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::origin;
    use super::*;

    fn call(path: &str, body: &'static [u8]) -> Call {
        let address = origin().address(&[path], &[]);
        Call::post(address, "send it").body(::http::HeaderValue::from_static("text/plain"), body)
    }

    #[test]
    fn what_went_wrong_is_known_until_it_goes_well() {
        let repeats = Repeats::default();
        let one = call("a", b"1");
        assert!(!repeats.holds(&one));
        repeats.note(&one, true);
        assert!(repeats.holds(&call("a", b"1")));
        for other in [call("b", b"1"), call("a", b"2")] {
            assert!(!repeats.holds(&other));
        }
        repeats.note(&one, false);
        assert!(!repeats.holds(&one));
    }

    #[test]
    fn no_more_are_remembered_than_there_is_room_for() {
        let repeats = Repeats::default();
        for key in 0..3 * MOST as u64 {
            repeats.note_key(key, true);
        }
        let failed = repeats.failed.lock();
        assert_eq!((failed.keys.len(), failed.order.len()), (MOST, MOST));
        assert!(failed.keys.contains(&(3 * MOST as u64 - 1)));
    }
}
