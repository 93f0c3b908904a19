//! Long random stories, told twice: to the engine and to a small model that knows nothing of rows, columns and
//! journals, only which picture people see. After every event both must agree; at every call nobody may be without a
//! picture; and in the end everything is in order, whatever happened on the way (`reliability.md` 6).
//!
//! `story.rs` draws the events and lets them happen, `turns.rs` says what has to be true after each, `small.rs` is the
//! model, and `admins.rs` the machines of two administrators. A story that fails prints its seed; put it into
//! [`ONCE_FAILED`].

mod admins;
mod small;
mod story;
mod turns;

use self::story::Story;
use crate::engine::fakes::Dice;

/// The most events of a story in the fast suite, and of a long one.
const SHORT: u64 = 12;
const LONG: u64 = 40;

/// Long stories that once did not end well.
const ONCE_FAILED: [u64; 7] = [
    1_000_023, 1_000_031, 1_000_048, 1_000_056, 1_000_095, 1_000_273, 1_000_877,
];

/// Tells these stories; a story that fails does not keep the next one from being told.
async fn told(seeds: impl IntoIterator<Item = u64>, longest: u64) {
    let mut failed = Vec::new();
    for (number, seed) in (1..).zip(seeds) {
        let events = 1 + Dice::of(seed, "length", 0).below(longest);
        let story = tokio::spawn(Box::pin(async move { Story::of(seed).tell(events).await }));
        if story.await.is_err() {
            failed.push(seed);
        }
        if number % 100 == 0 {
            println!("{number} stories; those that did not end well: {failed:?}");
        }
    }
    assert!(failed.is_empty(), "stories that did not end well: {failed:?}");
}

#[tokio::test]
async fn the_model_and_the_world_agree_after_every_event() {
    told(0..40, SHORT).await;
}

#[tokio::test]
async fn stories_that_once_failed_end_well() {
    told(ONCE_FAILED, LONG).await;
}

#[tokio::test]
#[ignore = "ten thousand stories of up to forty events: an hour; see docs/testing.md"]
async fn the_model_and_the_world_agree_in_ten_thousand_long_stories() {
    let number = |name: &str, usual: u64| {
        std::env::var(name)
            .ok()
            .and_then(|value| value.parse().ok())
            .unwrap_or(usual)
    };
    let first = number("AVATAR_SYNC_TEST_SEED", 1_000_000);
    let stories = number("AVATAR_SYNC_TEST_STORIES", 10_000);
    told(first..first + stories, LONG).await;
    println!("{stories} stories from seed {first}");
}
