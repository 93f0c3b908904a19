//! A plan, for people: how many, what, who, and why not the others.

use std::collections::BTreeMap;
use std::io::{self, Write};

use super::text::{Look, number, people};
use crate::domain::plan::{Change, Plan, Step};
use crate::domain::run::Outcome;

/// How many people are named before the rest is only counted.
const NAMED: usize = 20;

/// Writes a plan.
pub fn write_human(out: &mut dyn Write, look: Look, plan: &Plan, list_all: bool) -> io::Result<()> {
    let steps = plan.steps.len() as u64;
    if steps == 0 {
        writeln!(out, "Nothing to do for {}.", people(plan.selected()))?;
    } else {
        writeln!(
            out,
            "{} of {} would change:",
            number(steps),
            people(plan.selected())
        )?;
        for change in [Change::Add, Change::Replace, Change::Repair, Change::Remove] {
            let count = plan.count(change);
            if count > 0 {
                writeln!(
                    out,
                    "  {:<8} {:>9}   {}",
                    change.words(),
                    number(count),
                    explain(change)
                )?;
            }
        }
    }
    if !plan.complete {
        writeln!(out, "The listing was incomplete, so nothing is removed.")?;
    }
    write_skips(out, plan)?;
    if steps > 0 {
        writeln!(out)?;
        let shown = if list_all { plan.steps.len() } else { NAMED };
        for step in plan.steps.iter().take(shown) {
            write_step(out, look, step)?;
        }
        if plan.steps.len() > shown {
            let rest = (plan.steps.len() - shown) as u64;
            writeln!(
                out,
                "  {} and {} more (--all lists everybody)",
                look.ellipsis(),
                number(rest)
            )?;
        }
    }
    Ok(())
}

fn write_step(out: &mut dyn Write, look: Look, step: &Step) -> io::Result<()> {
    writeln!(
        out,
        "  {} {} {}  {}",
        look.cell(step.change.words(), 7),
        look.cell(&step.person.name.shown(), 26),
        look.cell(&step.person.upn.shown(), 34),
        step.reason
    )
}

fn explain(change: Change) -> &'static str {
    match change {
        Change::Add => "no avatar in ServiceNow yet",
        Change::Replace => "another avatar is shown there; the old one goes to the vault first",
        Change::Repair => "the avatar's chain is damaged and is mended",
        Change::Remove => "no photo in Entra ID any more; the avatar goes to the vault first",
    }
}

fn write_skips(out: &mut dyn Write, plan: &Plan) -> io::Result<()> {
    let mut groups: BTreeMap<(usize, &str), u64> = BTreeMap::new();
    for skip in &plan.skips {
        let order = Outcome::ALL
            .iter()
            .position(|outcome| *outcome == skip.outcome)
            .unwrap_or_default();
        *groups.entry((order, skip.verdict.words())).or_default() += 1;
    }
    if groups.is_empty() {
        return Ok(());
    }
    writeln!(out, "Left alone:")?;
    for ((order, words), count) in groups {
        writeln!(
            out,
            "  {:<18} {:>9}   {}",
            words,
            number(count),
            Outcome::ALL[order].words()
        )?;
    }
    Ok(())
}
