//! A tidying, for people: what was found by kind, what becomes of it, the bytes to be won, who, and what is left.

use std::io::{self, Write};

use super::text::{Look, number, people};
use crate::domain::litter::{Fate, Litter, LitterKind};
use crate::domain::tidying::{Left, Purpose, TidyPlan, TidyStep};

/// How many people are named before the rest is only counted.
const NAMED: usize = 20;

/// Writes a plan.
pub fn write_human(out: &mut dyn Write, look: Look, plan: &TidyPlan) -> io::Result<()> {
    match &plan.purpose {
        Purpose::Clean => write_cleaning(out, plan)?,
        purpose @ (Purpose::Undo(_) | Purpose::UndoLast) => {
            let steps = plan.steps.len() as u64;
            let what = undone(purpose);
            if steps == 0 {
                writeln!(out, "Nothing of {what} can be taken back.")?;
            } else {
                writeln!(
                    out,
                    "{} would be taken back for {}:",
                    capitalised(&what),
                    people(steps)
                )?;
                let emptied = plan.removals();
                if steps > emptied {
                    writeln!(
                        out,
                        "  {:<44} {:>9}",
                        "show the picture of before again",
                        number(steps - emptied)
                    )?;
                }
                if emptied > 0 {
                    writeln!(
                        out,
                        "  {:<44} {:>9}",
                        "have no picture, as before",
                        number(emptied)
                    )?;
                }
            }
        }
    }
    if !plan.steps.is_empty() {
        writeln!(out)?;
    }
    for step in plan.steps.iter().take(NAMED) {
        write_step(out, look, step)?;
    }
    if plan.steps.len() > NAMED {
        let rest = (plan.steps.len() - NAMED) as u64;
        writeln!(
            out,
            "  {} and {} more (--json lists everybody)",
            look.ellipsis(),
            number(rest)
        )?;
    }
    write_left(out, look, plan)
}

/// Writes what is left alone, and why.
pub fn write_left(out: &mut dyn Write, look: Look, plan: &TidyPlan) -> io::Result<()> {
    for problem in &plan.problems {
        writeln!(out, "warning: {}", crate::domain::text::clean(problem))?;
    }
    let partly = plan
        .steps
        .iter()
        .flat_map(|step| &step.litter)
        .filter(|litter| litter.fate == Fate::Left)
        .count();
    if plan.left.is_empty() && partly == 0 {
        return Ok(());
    }
    writeln!(out, "Left alone:")?;
    for left in plan.left.iter().take(NAMED) {
        writeln!(
            out,
            "  {} {}  {}",
            look.cell(&left.person.name.shown(), 26),
            look.cell(&left.person.upn.shown(), 34),
            left_words(left),
        )?;
    }
    if plan.left.len() > NAMED {
        let rest = (plan.left.len() - NAMED) as u64;
        writeln!(out, "  {} and {} more", look.ellipsis(), number(rest))?;
    }
    if partly > 0 {
        writeln!(
            out,
            "  {} more at people of whom the rest is cleared away",
            number(partly as u64)
        )?;
    }
    Ok(())
}

/// The question before it is carried out.
pub fn question(plan: &TidyPlan, instance: &str) -> String {
    match &plan.purpose {
        Purpose::Clean => format!(
            "\nRemove {} stored pictures in {instance}? Copies are kept.",
            number(plan.removals())
        ),
        purpose @ (Purpose::Undo(_) | Purpose::UndoLast) => format!(
            "\nTake {} back for {} in {instance}?",
            undone(purpose),
            people(plan.steps.len() as u64)
        ),
    }
}

/// What an undo takes back: "run 20260302-140500-1", "the last change".
pub fn undone(purpose: &Purpose) -> String {
    match purpose {
        Purpose::Undo(run) => format!("run {run}"),
        Purpose::UndoLast => "the last change".into(),
        Purpose::Clean => "a cleaning".into(),
    }
}

fn write_cleaning(out: &mut dyn Write, plan: &TidyPlan) -> io::Result<()> {
    if plan.steps.is_empty() {
        return writeln!(out, "Nothing to clear away; {} looked at.", people(plan.people));
    }
    writeln!(
        out,
        "{} of stored pictures would be won back; everybody goes on seeing what they see:",
        size(plan.bytes())
    )?;
    for (kind, count, bytes) in by_kind(plan) {
        writeln!(
            out,
            "  {:<32} {:>9} {:>11}",
            kind.words(),
            number(count),
            size(bytes)
        )?;
    }
    Ok(())
}

/// How much of each kind goes, and the bytes that are won by it; kinds of which there are none are left out.
pub fn by_kind(plan: &TidyPlan) -> Vec<(LitterKind, u64, u64)> {
    let all = || plan.steps.iter().flat_map(|step| &step.litter);
    let of_kind = |kind| all().filter(move |litter| litter.kind == kind && litter.fate != Fate::Left);
    LitterKind::ALL
        .into_iter()
        .map(|kind| {
            let bytes = of_kind(kind).map(won).sum();
            (kind, of_kind(kind).count() as u64, bytes)
        })
        .filter(|(_, count, _)| *count > 0)
        .collect()
}

/// What was found at somebody who is left alone, and why it is left.
pub fn left_words(left: &Left) -> String {
    match left.litter.as_slice() {
        [] => left.reason.clone(),
        [litter] => format!("{}: {}", litter.kind.words(), litter.why),
        [litter, ..] => format!("{}: {}", litter.kind.words(), left.reason),
    }
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|letter| letter.to_uppercase().to_string());
    first.unwrap_or_default() + letters.as_str()
}

fn won(litter: &Litter) -> u64 {
    match litter.fate {
        Fate::Removed => litter.bytes,
        Fate::Replaced | Fate::Cleared | Fate::SetRight | Fate::Left => 0,
    }
}

fn write_step(out: &mut dyn Write, look: Look, step: &TidyStep) -> io::Result<()> {
    let bytes = step.bytes();
    let bytes = if bytes > 0 { size(bytes) } else { String::new() };
    writeln!(
        out,
        "  {} {} {bytes:>9}  {}",
        look.cell(&step.person.name.shown(), 26),
        look.cell(&step.person.upn.shown(), 34),
        step.reason
    )
}

/// Bytes as people read them.
pub fn size(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{:.1} KB", bytes as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}
