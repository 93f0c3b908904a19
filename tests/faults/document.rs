//! `docs/reliability.md` is kept honest.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Faults of each letter.
const FAULTS: [(char, u32); 14] = [
    ('A', 10),
    ('B', 10),
    ('C', 9),
    ('D', 8),
    ('E', 12),
    ('F', 10),
    ('G', 11),
    ('H', 6),
    ('I', 6),
    ('J', 8),
    ('K', 10),
    ('L', 10),
    ('M', 8),
    ('N', 5),
];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn functions(path: &Path, found: &mut BTreeSet<String>) {
    if path.is_dir() {
        for entry in fs::read_dir(path).expect("readable") {
            functions(&entry.expect("readable").path(), found);
        }
    } else if path.extension().is_some_and(|extension| extension == "rs") {
        let text = fs::read_to_string(path).expect("source is text");
        let names = text.split("fn ").skip(1).filter_map(|rest| {
            rest.split(|character: char| !character.is_alphanumeric() && character != '_')
                .next()
        });
        found.extend(names.map(str::to_owned));
    }
}

#[test]
fn the_table_has_every_number_once_and_in_order() {
    let text = fs::read_to_string(root().join("docs/reliability.md")).expect("the document is there");
    let numbers: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.split(" |").next())
        .filter(|cell| *cell != "#")
        .collect();
    let expected: Vec<String> = FAULTS
        .iter()
        .flat_map(|(letter, last)| (1..=*last).map(move |number| format!("{letter}{number}")))
        .collect();
    assert_eq!(numbers, expected);
}

#[test]
fn every_test_that_the_table_names_exists_and_nothing_fails_in_silence() {
    let text = fs::read_to_string(root().join("docs/reliability.md")).expect("the document is there");
    let mut known = BTreeSet::new();
    for folder in ["src", "tests"] {
        functions(&root().join(folder), &mut known);
    }
    let mut named = 0;
    for row in text
        .lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| #"))
    {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        let [.., result, tried, tests] = cells[..] else {
            panic!("not a row of the table: {row}");
        };
        let tried: u64 = tried.parse().unwrap_or_else(|_| panic!("a number: {row}"));
        assert_eq!(
            result == "not tried",
            tried == 0 && result != "**fails**",
            "{row}"
        );
        for name in tests.split('`').skip(1).step_by(2) {
            assert!(known.contains(name), "there is no test {name}: {row}");
            named += 1;
        }
    }
    assert!(named > 100, "only {named} tests are named");
}
