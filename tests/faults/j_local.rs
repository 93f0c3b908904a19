//! J: local storage, as far as it needs neither a full disk nor a killed program; those are in `tests/history`.

use crate::common::faults::{Scenario, tried};

#[test]
fn j7_without_a_folder_for_the_cache_everything_goes_on_and_it_is_said_once() {
    let scenario = Scenario::of(4);
    // A file stands where the folder should be, which no system lets anybody write into.
    let cache = scenario.stage.home().join("avatar_sync_cache_dir");
    let _ = std::fs::remove_dir_all(&cache);
    std::fs::write(&cache, b"in the way").expect("writable");
    let status = scenario.run(&["status", "--deep"]);
    assert_eq!(status.code, 0, "{status:?}");
    let told = scenario.sync().code(0).everybody_right();
    let said = told.ended.stderr.matches("going on without the cache").count();
    assert_eq!(said, 1, "{}", told.ended.stderr);
    tried("J7", 2);
}
