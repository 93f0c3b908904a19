//! L: hostile content, as far as lines are concerned; what the screen makes of it is in `tests/screen`.

use serde_json::{Value, json};

use crate::common::Ended;
use crate::common::faults::{Scenario, tried};
use crate::common::people::{company_with, name};

/// What ends a line somewhere: in a terminal, a log viewer, a spreadsheet or JavaScript.
const BREAKS: [&str; 7] = ["\n", "\r\n", "\r", "\u{85}", "\u{2028}", "\u{b}", "\u{1b}E"];

#[test]
fn l10_line_breaks_in_names_begin_no_line_of_their_own() {
    // Each name goes on, after a line break, with what would be a report of success for somebody else.
    let stage = company_with(BREAKS.len(), |number, source, target| {
        let name = format!("Eve{number}{}updated  Mallory{number}", BREAKS[number]);
        source["displayName"] = json!(name);
        target["name"] = json!(name);
    });
    let mut lines = 0;
    let scenario = Scenario::on(stage);
    let one = name(0);
    let commands: [&[&str]; 12] = [
        &["status"],
        &["status", "--json"],
        &["plan", "-o", "plan.json"],
        &["explain", &one],
        &["sync", "--yes"],
        &["push", &one, "--yes", "--json"],
        &["history"],
        &["history", "--json"],
        &["audit"],
        &["audit", "--format", "csv"],
        &["report", "--format", "csv", "-o", "report.csv"],
        &["clean", "--dry-run"],
    ];
    for command in commands {
        let ended = scenario.run(command);
        assert!(ended.code == 0 || ended.code == 3, "{command:?}: {ended:?}");
        lines += one_event_a_line(command, &ended);
    }
    let runs = scenario.run(&["history", "--json"]).events();
    let run = runs[0]["run"].as_str().map(str::to_owned);
    let run = run.expect("there was a run");
    lines += one_event_a_line(&["history", "RUN"], &scenario.run(&["history", &run]));
    let csv = std::fs::read_to_string(scenario.stage.home().join("report.csv")).expect("written");
    lines += csv.lines().count();
    for (number, found) in csv.lines().enumerate() {
        assert!(
            !found.contains("Mallory") || found.contains("Eve"),
            "report, line {number}: {found:?}"
        );
    }
    assert!(lines > 50, "{lines} lines are no test");
    tried("L10", BREAKS.len());
}

/// Whoever is named in a line is named in it whole; what is for machines has one object a line. Gives how many lines there
/// were.
fn one_event_a_line(command: &[&str], ended: &Ended) -> usize {
    let breaks: &[char] = &[
        '\n', '\r', '\u{85}', '\u{2028}', '\u{2029}', '\u{b}', '\u{c}', '\u{1b}',
    ];
    let mut lines = 0;
    for text in [&ended.stdout, &ended.stderr] {
        for line in text.split(breaks) {
            lines += 1;
            assert!(
                !line.contains("Mallory") || line.contains("Eve"),
                "{command:?}: {line:?}"
            );
        }
    }
    let is_lines_of_json = matches!(command, ["audit"] | ["history" | "push" | "sync", .., "--json"]);
    if is_lines_of_json {
        assert!(!ended.stdout.is_empty(), "{command:?} says nothing");
        for line in ended.stdout.lines() {
            assert!(serde_json::from_str::<Value>(line).is_ok(), "{command:?}: {line}");
        }
    }
    lines
}
