#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| avatar_sync::fuzzing::run("waiting_times", bytes));
