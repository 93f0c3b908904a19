//! What a stranger's bytes reach first, one function a place, for the fuzzer (`fuzz/`) and for the suite, which tries
//! the kept corpus and what lies near it (`reliability.md` 6).
//!
//! Each takes any bytes and panics if a promise does not hold: a parser may refuse, but what it lets through is sound.

use crate::connector::{entra, http, servicenow};
use crate::domain::filter::Filter;
use crate::domain::picture::{self, PictureFormat, SIDE_LIMIT};
use crate::domain::text::{SHOWN_LIMIT, clean};

/// A place where bytes from outside come in.
#[derive(Clone, Copy)]
pub struct Target {
    /// Its name: the fuzzer's target and the corpus' folder.
    pub name: &'static str,
    /// Takes the bytes.
    pub run: fn(&[u8]),
}

/// Every place.
pub const TARGETS: [Target; 6] = [
    Target {
        name: "graph_user_page",
        run: entra::fuzzing::user_page,
    },
    Target {
        name: "graph_batch",
        run: entra::fuzzing::batch,
    },
    Target {
        name: "servicenow_table_page",
        run: servicenow::fuzzing::table_page,
    },
    Target {
        name: "picture_gate",
        run: picture_gate,
    },
    Target {
        name: "waiting_times",
        run: http::fuzzing::waiting_times,
    },
    Target {
        name: "shown_text",
        run: shown_text,
    },
];

/// Runs the target of this name.
///
/// # Panics
///
/// If a promise does not hold, or if there is no such target.
pub fn run(name: &str, bytes: &[u8]) {
    let target = TARGETS.iter().find(|target| target.name == name);
    (target.expect("a target of this name").run)(bytes);
}

/// Bytes that say they are a picture (`reliability.md` F1 to F4).
fn picture_gate(bytes: &[u8]) {
    const SIDE: u32 = 96;
    const LIMIT: u64 = 1024 * 1024;
    let facts = picture::examine(bytes);
    let drawn = picture::decode(bytes);
    let Ok(facts) = facts else {
        // What is not let through is drawn by nobody, unless it is only the fingerprint that cannot be taken.
        return;
    };
    let drawn = drawn.expect("what has been examined can be drawn");
    assert_eq!((drawn.width(), drawn.height()), (facts.width, facts.height));
    assert!(facts.width <= SIDE_LIMIT && facts.height <= SIDE_LIMIT);
    assert_eq!(facts.bytes, bytes.len() as u64);
    let uploaded = picture::prepare(&bytes::Bytes::copy_from_slice(bytes), facts.format, LIMIT, SIDE);
    if let Ok(uploaded) = uploaded {
        let format = PictureFormat::sniff(&uploaded.bytes).expect("a picture is uploaded as one");
        assert_eq!(format.media_type(), uploaded.content_type);
        assert!(uploaded.bytes.len() as u64 <= LIMIT);
        assert!(
            picture::examine(&uploaded.bytes).is_ok(),
            "what is uploaded passes the gate"
        );
    }
    if let Ok(small) = picture::thumbnail(bytes, SIDE) {
        assert!(small.width <= SIDE && small.height <= SIDE);
    }
}

/// Names, and whatever else a service lets people write (`reliability.md` L1, L2).
fn shown_text(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let shown = clean(&text);
    assert!(shown.chars().count() <= SHOWN_LIMIT + 1);
    assert!(!shown.contains(char::is_control), "{shown:?}");
    assert_eq!(
        clean(&shown).chars().next(),
        shown.chars().next(),
        "what is clean stays"
    );
    // People type and paste the filter; it is parsed as they type.
    let _ = Filter::parse(&text);
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use proptest::prelude::*;
    use proptest::test_runner::TestRunner;

    use super::*;

    /// The longest input that is tried, in bytes.
    const LONGEST: usize = 64 * 1024;

    fn corpus(target: &Target) -> Vec<Vec<u8>> {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
            .join("fuzz/corpus")
            .join(target.name);
        let mut files: Vec<PathBuf> = std::fs::read_dir(&folder)
            .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
            .map(|entry| entry.expect("readable").path())
            .collect();
        files.sort();
        let read = |file: PathBuf| std::fs::read(file).expect("readable");
        files.into_iter().map(read).collect()
    }

    /// One thing that goes wrong with bytes on their way.
    #[derive(Clone, Debug)]
    enum Damage {
        Flip {
            place: usize,
            bit: u8,
        },
        Set {
            place: usize,
            value: u8,
        },
        Cut {
            place: usize,
        },
        Drop {
            place: usize,
            length: usize,
        },
        Repeat {
            place: usize,
            length: usize,
            times: usize,
        },
        Insert {
            place: usize,
            word: &'static str,
        },
    }

    /// Pieces that parsers stumble over.
    const WORDS: [&str; 22] = [
        "null",
        "true",
        "-1",
        "1e999",
        "18446744073709551616",
        "\"\"",
        "{}",
        "[]",
        "[[[[[[[[",
        "\\ud800",
        "\\u0000",
        "\u{feff}",
        "\u{202e}",
        "\u{1b}[2J",
        ",",
        ":",
        "\"",
        "}",
        "@odata.nextLink",
        "\u{0}\u{0}\u{0}\u{0}",
        "\u{7f}\u{7f}",
        "Retry-After",
    ];

    fn damage() -> impl Strategy<Value = Damage> {
        let place = any::<u16>().prop_map(usize::from);
        let length = 1_usize..200;
        prop_oneof![
            (place.clone(), 0_u8..8).prop_map(|(place, bit)| Damage::Flip { place, bit }),
            (place.clone(), any::<u8>()).prop_map(|(place, value)| Damage::Set { place, value }),
            place.clone().prop_map(|place| Damage::Cut { place }),
            (place.clone(), length.clone()).prop_map(|(place, length)| Damage::Drop { place, length }),
            (place.clone(), length, 1_usize..50).prop_map(|(place, length, times)| Damage::Repeat {
                place,
                length,
                times
            }),
            (place, prop::sample::select(&WORDS[..]))
                .prop_map(|(place, word)| Damage::Insert { place, word }),
        ]
    }

    fn damaged(mut bytes: Vec<u8>, damages: &[Damage]) -> Vec<u8> {
        for damage in damages {
            // Places are spread over whatever length there is.
            let at = |place: usize, bytes: &[u8]| place % (bytes.len() + 1);
            match *damage {
                Damage::Flip { place, bit } => {
                    let place = at(place, &bytes);
                    if let Some(byte) = bytes.get_mut(place) {
                        *byte ^= 1 << bit;
                    }
                }
                Damage::Set { place, value } => {
                    let place = at(place, &bytes);
                    if let Some(byte) = bytes.get_mut(place) {
                        *byte = value;
                    }
                }
                Damage::Cut { place } => bytes.truncate(at(place, &bytes)),
                Damage::Drop { place, length } => {
                    let start = at(place, &bytes);
                    let end = (start + length).min(bytes.len());
                    bytes.drain(start..end);
                }
                Damage::Repeat { place, length, times } => {
                    let start = at(place, &bytes);
                    let end = (start + length).min(bytes.len());
                    let again = bytes[start..end].repeat(times);
                    bytes.splice(start..start, again);
                }
                Damage::Insert { place, word } => {
                    let place = at(place, &bytes);
                    bytes.splice(place..place, word.bytes());
                }
            }
        }
        bytes.truncate(LONGEST);
        bytes
    }

    /// The kept corpus as it is, and `cases` inputs near it.
    fn near_the_corpus(target: &Target, cases: u32) {
        let corpus = corpus(target);
        assert!(!corpus.is_empty(), "{} has a corpus", target.name);
        for bytes in &corpus {
            (target.run)(bytes);
        }
        let mut runner = TestRunner::new(ProptestConfig {
            failure_persistence: None,
            ..ProptestConfig::with_cases(cases)
        });
        let inputs = (0..corpus.len(), prop::collection::vec(damage(), 1..6));
        runner
            .run(&inputs, |(number, damages)| {
                (target.run)(&damaged(corpus[number].clone(), &damages));
                Ok(())
            })
            .unwrap_or_else(|error| panic!("{}: {error}", target.name));
    }

    fn target(name: &str) -> Target {
        *TARGETS
            .iter()
            .find(|target| target.name == name)
            .expect("a target of this name")
    }

    #[test]
    fn whatever_graph_calls_a_page_of_users_breaks_nothing() {
        near_the_corpus(&target("graph_user_page"), 3_000);
    }

    #[test]
    fn whatever_graph_calls_a_batch_breaks_nothing() {
        near_the_corpus(&target("graph_batch"), 3_000);
    }

    #[test]
    fn whatever_servicenow_calls_a_page_of_a_table_breaks_nothing() {
        near_the_corpus(&target("servicenow_table_page"), 3_000);
    }

    #[test]
    fn whatever_calls_itself_a_picture_breaks_nothing() {
        near_the_corpus(&target("picture_gate"), 600);
    }

    #[test]
    fn whatever_a_service_says_about_waiting_breaks_nothing() {
        near_the_corpus(&target("waiting_times"), 10_000);
    }

    #[test]
    fn whatever_people_call_themselves_can_be_shown() {
        near_the_corpus(&target("shown_text"), 10_000);
    }

    #[test]
    fn every_target_of_the_fuzzer_is_one_of_these() {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz/fuzz_targets");
        let mut found: Vec<String> = std::fs::read_dir(folder)
            .expect("a folder")
            .map(|entry| {
                entry
                    .expect("readable")
                    .path()
                    .file_stem()
                    .expect("a name")
                    .to_string_lossy()
                    .into_owned()
            })
            .collect();
        found.sort();
        let mut known = TARGETS.map(|target| target.name.to_owned());
        known.sort();
        assert_eq!(found, known);
    }
}
