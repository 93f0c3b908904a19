#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| avatar_sync::fuzzing::run("graph_user_page", bytes));
