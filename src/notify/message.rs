//! A notice in words, the same for every channel.

use jiff::Timestamp;
use unicode_width::UnicodeWidthStr as _;

use super::{NAMED, Notice, Occasion};
use crate::domain::run::{Outcome, Summary};
use crate::domain::text::clean;

/// The longest sentence that is told, in characters.
const SENTENCE: usize = 600;

/// The same notice, as it may leave this machine: clean text of bounded length, and no people unless they are wanted.
pub(super) fn within_bounds(notice: &Notice, names: bool) -> Notice {
    let people = if names { notice.people.as_slice() } else { &[] };
    let sentence = if names {
        notice.sentence.clone()
    } else {
        without_addresses(&notice.sentence)
    };
    Notice {
        profile: clean(&notice.profile).into_owned(),
        host: clean(&notice.host).into_owned(),
        sentence: match clean_lines(&sentence) {
            empty if empty.is_empty() => "no words".into(),
            sentence => sentence,
        },
        next_command: clean(&notice.next_command).into_owned(),
        people: people
            .iter()
            .map(|person| clean(person).into_owned())
            .filter(|person| !person.is_empty())
            .take(NAMED)
            .collect(),
        ..notice.clone()
    }
}

/// Cleans text that may be longer than one shown line: word by word, so that its length is bounded here.
fn clean_lines(text: &str) -> String {
    let mut short = String::new();
    for word in text.split_whitespace() {
        if !short.is_empty() {
            short.push(' ');
        }
        short.push_str(&clean(word));
        if short.chars().count() > SENTENCE {
            short = short.chars().take(SENTENCE).collect();
            short.push('…');
            break;
        }
    }
    short
}

/// Hides whatever looks like the address of a person: a service may have put one into its words.
pub(super) fn without_addresses(text: &str) -> String {
    let words: Vec<&str> = text
        .split_whitespace()
        .map(|word| if word.contains('@') { "[address]" } else { word })
        .collect();
    words.join(" ")
}

/// One line that says what happened: a subject, a heading.
pub(super) fn title(notice: &Notice) -> String {
    let what = match notice.occasion {
        Occasion::Failure if notice.in_a_row > 1 => format!("{} runs in a row had trouble", notice.in_a_row),
        Occasion::Failure => "a run had trouble".into(),
        Occasion::Brake => "a brake stopped a run".into(),
        Occasion::Quarantine => "runs are held back until somebody has looked".into(),
        Occasion::Recovery => "runs go well again".into(),
        Occasion::ApprovalWanted => "removals wait for an approval".into(),
        Occasion::Test => "a test; nothing happened".into(),
    };
    format!("avatar-sync: {what} (profile {})", notice.profile)
}

/// What is known, in the order in which it is read.
pub(super) fn facts(notice: &Notice) -> Vec<(&'static str, String)> {
    let mut facts = vec![
        ("Profile", notice.profile.clone()),
        ("Machine", notice.host.clone()),
        ("When", shown(notice.at)),
    ];
    if let Some(run) = &notice.run {
        facts.push(("Run", clean(run.as_str()).into_owned()));
    }
    if notice.occasion != Occasion::Test {
        facts.push(("Exit code", notice.exit_code.to_string()));
    }
    if let Some(summary) = &notice.summary {
        facts.push(("People", counts(summary)));
    }
    if notice.in_a_row > 1 {
        facts.push(("In a row", format!("{} runs", notice.in_a_row)));
    }
    if let Some(next) = notice.next_run {
        facts.push(("Next run", shown(next)));
    }
    facts
}

/// The notice as plain text.
pub(super) fn body(notice: &Notice) -> String {
    use std::fmt::Write as _;
    let mut text = format!("{}\n\n", notice.sentence);
    for (label, value) in facts(notice) {
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "{label}{:pad$}{value}",
            "",
            pad = 12_usize.saturating_sub(label.width())
        );
    }
    let _ = write!(text, "\nWhat to type next:\n\n    {}\n", notice.next_command);
    if !notice.people.is_empty() {
        text.push_str("\nPeople:\n\n");
        for person in &notice.people {
            let _ = writeln!(text, "    {person}");
        }
    }
    text
}

fn shown(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

fn counts(summary: &Summary) -> String {
    let mut parts = vec![format!("{} selected", summary.selected)];
    parts.extend(
        Outcome::ALL
            .into_iter()
            .filter(|outcome| summary.of(*outcome) > 0)
            .map(|outcome| format!("{} {}", summary.of(outcome), outcome.words())),
    );
    parts.join(", ")
}
