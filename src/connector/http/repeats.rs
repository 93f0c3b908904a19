//! Which requests went wrong and were not sent successfully since.
//!
//! The retry budget is about load, so it matters that a request is sent again and not who sends it again: a caller that
//! repeats it, a push that looks how a write has gone and then sends it once more, or somebody's second turn.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};

use parking_lot::Mutex;

use super::call::Call;

/// Requests remembered at most; the oldest are forgotten first. So few are looked through one by one.
const MOST: usize = 4096;

/// Requests that went wrong, the oldest first, by a hash of everything but their headers.
#[derive(Debug, Default)]
pub(super) struct Repeats {
    failed: Mutex<VecDeque<u64>>,
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
        let failed = self.failed.lock();
        // As long as nothing is wrong, no picture that is sent has to be hashed.
        !failed.is_empty() && failed.contains(&Self::key(call))
    }

    /// Takes note of how a request went.
    pub fn note(&self, call: &Call, has_failed: bool) {
        let is_worth_knowing = has_failed || !self.failed.lock().is_empty();
        if is_worth_knowing {
            self.note_key(Self::key(call), has_failed);
        }
    }

    fn note_key(&self, key: u64, has_failed: bool) {
        let mut failed = self.failed.lock();
        failed.retain(|known| *known != key);
        if has_failed {
            if failed.len() == MOST {
                failed.pop_front();
            }
            failed.push_back(key);
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
    fn no_more_are_remembered_than_there_is_room_for_and_what_failed_last_is_among_them() {
        let repeats = Repeats::default();
        let most = MOST as u64;
        // The first one goes well once, and wrong again later.
        for (key, has_failed) in [(0, true), (1, true), (0, false), (0, true)] {
            repeats.note_key(key, has_failed);
        }
        for key in 2..most {
            repeats.note_key(key, true);
        }
        assert_eq!(repeats.failed.lock().len(), MOST, "everyone has a place");
        repeats.note_key(most, true);
        let failed = repeats.failed.lock();
        assert_eq!(failed.len(), MOST);
        for (key, is_known) in [(1, false), (0, true), (2, true), (most, true)] {
            assert_eq!(failed.contains(&key), is_known, "{key}");
        }
    }

    #[test]
    fn a_request_that_went_well_is_no_repeat_even_if_it_never_failed() {
        let repeats = Repeats::default();
        repeats.note(&call("a", b"1"), true);
        repeats.note(&call("b", b"1"), false);
        assert!(!repeats.holds(&call("b", b"1")));
        assert!(repeats.holds(&call("a", b"1")));
    }
}
