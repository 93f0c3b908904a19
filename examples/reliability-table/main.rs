//! Makes `docs/reliability.md` from what the test suite says about itself.
//!
//! ```sh
//! cargo test --no-fail-fast -- --show-output | cargo run --example reliability-table
//! ```
//!
//! With `--include-ignored` behind `--show-output` the long forms are tried as well. The tests of a fault print
//! `fault A1: tried 20 times` when they have passed; which tests those are is read from the source, so that one that
//! failed or was not run is listed too. A number that nobody tried is called *not tried*.

use std::collections::{BTreeMap, BTreeSet};
use std::io::BufRead;
use std::path::{Path, PathBuf};
use std::{fmt::Write as _, fs, io};

/// The faults by number, with what is promised.
const FAULTS: &str = include_str!("faults.txt");

/// How a test ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    Passed,
    Failed,
    NotRun,
}

/// What the suite said.
#[derive(Debug, Default)]
struct Said {
    /// By the function's name.
    endings: BTreeMap<String, Ending>,
    /// The same for tests of the fault suite, whose modules are called after the letters: `a_throttling`. Tests elsewhere
    /// may be numbered after something else.
    numbered: BTreeMap<String, Ending>,
    /// How often each fault was tried, by the function's name.
    tried: BTreeMap<String, BTreeMap<String, u64>>,
}

impl Said {
    fn read(lines: impl Iterator<Item = io::Result<String>>) -> io::Result<Self> {
        let mut said = Self::default();
        let mut speaker: Option<String> = None;
        for line in lines {
            let line = line?;
            let line = line.trim_end();
            if let Some(name) = line
                .strip_prefix("---- ")
                .and_then(|rest| rest.strip_suffix(" stdout ----"))
            {
                speaker = Some(function(name));
            } else if let Some((name, ending)) = line
                .strip_prefix("test ")
                .and_then(|rest| rest.split_once(" ... "))
            {
                let ending = match ending {
                    "ok" => Ending::Passed,
                    ending if ending.starts_with("ignored") => Ending::NotRun,
                    _ => Ending::Failed,
                };
                let is_numbered = name.split_once("::").is_some_and(|(module, test)| {
                    module.as_bytes().get(1) == Some(&b'_')
                        && module.as_bytes().first() == test.as_bytes().first()
                });
                if is_numbered {
                    said.numbered.insert(function(name), ending);
                }
                let entry = said.endings.entry(function(name)).or_insert(ending);
                // Two tests of one name: the worse one counts.
                if ending == Ending::Failed {
                    *entry = ending;
                }
            } else if let (Some((fault, times)), Some(speaker)) = (fault_line(line), &speaker) {
                let by_test = said.tried.entry(fault.to_owned()).or_default();
                *by_test.entry(speaker.clone()).or_default() += times;
            }
        }
        Ok(said)
    }
}

/// `fault A1: tried 20 times`.
fn fault_line(line: &str) -> Option<(&str, u64)> {
    let (fault, times) = line.strip_prefix("fault ")?.split_once(": tried ")?;
    Some((fault, times.strip_suffix(" times")?.parse().ok()?))
}

/// The last segment of a test's path; what follows it ("- should panic") is dropped.
fn function(path: &str) -> String {
    let path = path.split(" - ").next().unwrap_or(path);
    path.rsplit("::").next().unwrap_or(path).to_owned()
}

/// Which functions of the source say that they try which fault.
fn claims(folders: &[&str]) -> io::Result<BTreeMap<String, BTreeSet<String>>> {
    let mut claims: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut left: Vec<PathBuf> = folders.iter().map(PathBuf::from).collect();
    while let Some(path) = left.pop() {
        if path.is_dir() {
            for entry in fs::read_dir(&path)? {
                left.push(entry?.path());
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let mut current = String::new();
            for line in fs::read_to_string(&path)?.lines() {
                if let Some(name) = function_of(line) {
                    name.clone_into(&mut current);
                }
                if let Some((_, rest)) = line.split_once("tried(\"")
                    && let Some((fault, _)) = rest.split_once('"')
                {
                    claims
                        .entry(fault.to_owned())
                        .or_default()
                        .insert(current.clone());
                }
            }
        }
    }
    Ok(claims)
}

/// The name in a line that begins a function.
fn function_of(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let rest = ["pub ", "pub(crate) ", "async "]
        .iter()
        .fold(line, |line, word| line.strip_prefix(word).unwrap_or(line));
    let name = rest.strip_prefix("fn ")?;
    name.split(|character: char| !character.is_alphanumeric() && character != '_')
        .next()
}

/// The document.
fn document(said: &Said, claims: &BTreeMap<String, BTreeSet<String>>) -> String {
    let mut text = String::from(
        "# What can go wrong, and what was tried\n\n\
         Every line is a fault with the behaviour that avatar-sync promises, the kinds of test that prove it, and how \
         often it was tried when this page was made. After every scenario against the sandbox a checker reads what the \
         sandbox has stored and logged, the journal and the vault, write by write: nobody without a picture at any \
         moment, nobody changed who was not selected, nothing left over, no request inside a pause, no secret at the \
         wrong door (`tests/common/checker.rs`; each of its rules is proved to fail in `tests/faults/checking.rs`).\n\n\
         This page is made by\n\n```sh\n\
         cargo test --no-fail-fast -- --show-output | cargo run --example reliability-table\n```\n\n\
         with `-- --show-output --include-ignored` for the long forms. Kinds: S against the sandbox, U unit or property \
         test, P real binary in a pseudo-terminal, K real binary killed, F fuzzing, T moved clock.\n",
    );
    let (mut faults, mut untried, mut times_in_all) = (0, Vec::new(), 0);
    let mut tables = String::new();
    for line in FAULTS
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
    {
        if let Some(heading) = line.strip_prefix("= ") {
            let _ = write!(
                tables,
                "\n## {heading}\n\n| # | Fault | Promise | Kind | Result | Tried | Tests |\n|---|---|---|---|---|---|---|\n"
            );
            continue;
        }
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [number, fault, promise, kind] = cells[..] else {
            panic!("not a fault: {line}");
        };
        faults += 1;
        let tried = said.tried.get(number);
        let times: u64 = tried.into_iter().flat_map(BTreeMap::values).sum();
        times_in_all += times;
        let mut tests: BTreeMap<&str, Ending> = BTreeMap::new();
        for name in tried.into_iter().flat_map(BTreeMap::keys) {
            tests.insert(name, Ending::Passed);
        }
        for name in claims.get(number).into_iter().flatten() {
            // Helpers that several tests share claim under their own name; the tests themselves have spoken above.
            if let Some(ending) = said.endings.get(name) {
                tests.insert(name, *ending);
            }
        }
        let prefix = format!("{}_", number.to_lowercase());
        for (name, ending) in &said.numbered {
            if name.starts_with(&prefix) {
                tests.insert(name, *ending);
            }
        }
        let has_failed = tests.values().any(|ending| *ending == Ending::Failed);
        let result = match (has_failed, times) {
            (true, _) => "**fails**",
            (false, 0) => {
                untried.push(number);
                "not tried"
            }
            (false, _) => "holds",
        };
        let names: Vec<String> = tests
            .iter()
            .map(|(name, ending)| match ending {
                Ending::Passed => format!("`{name}`"),
                Ending::Failed => format!("`{name}` (failed)"),
                Ending::NotRun => format!("`{name}` (long, not run)"),
            })
            .collect();
        let _ = writeln!(
            tables,
            "| {number} | {fault} | {promise} | {kind} | {result} | {times} | {} |",
            names.join("<br>")
        );
    }
    let _ = write!(
        text,
        "\n{} of {faults} faults were tried, {times_in_all} times in all.",
        faults - untried.len()
    );
    if !untried.is_empty() {
        let _ = write!(text, " Not tried: {}.", untried.join(", "));
    }
    text.push('\n');
    text + &tables
}

fn main() -> io::Result<()> {
    let said = Said::read(io::stdin().lock().lines())?;
    if said.endings.is_empty() {
        return Err(io::Error::other(
            "nothing was tested; see the head of this example for the command",
        ));
    }
    let target = Path::new("docs/reliability.md");
    fs::write(target, document(&said, &claims(&["src", "tests"])?))?;
    eprintln!("{} tests read, {} written", said.endings.len(), target.display());
    Ok(())
}
