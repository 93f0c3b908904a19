//! A run's events: one line each for people, one JSON object each for machines, and the summary both end in.

use std::io::{self, Write};
use std::time::Duration;

use serde::Serialize;

use super::json;
use super::status::whole_seconds;
use super::text::{Look, number, outcome_style, people};
use crate::domain::ids::RunId;
use crate::domain::run::{Outcome, PersonRef, RunEvent, StopReason, Summary};

/// Writes one event as one line of JSON (`cli.md`, JSON).
pub fn write_json(out: &mut dyn Write, event: &RunEvent) -> io::Result<()> {
    json::line(out, &JsonEvent::of(event))
}

#[derive(Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum JsonEvent<'a> {
    Settling {
        total: u64,
    },
    Settled {
        run: &'a str,
        person: &'a PersonRef,
        outcome: Outcome,
        detail: &'a str,
        done: u64,
        total: u64,
    },
    Started {
        run: &'a str,
        at: String,
        selected: u64,
        steps: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        continues: Option<&'a str>,
    },
    Step {
        person: &'a PersonRef,
        outcome: Outcome,
        detail: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        hint: Option<&'a str>,
    },
    Waiting {
        lane: &'a str,
        seconds: f64,
    },
    Finished {
        run: &'a str,
        at: String,
        summary: &'a Summary,
        #[serde(skip_serializing_if = "Option::is_none")]
        stopped: Option<String>,
    },
}

impl<'a> JsonEvent<'a> {
    fn of(event: &'a RunEvent) -> Self {
        match event {
            RunEvent::Settling { total } => Self::Settling { total: *total },
            RunEvent::Settled { settled, done, total } => Self::Settled {
                run: settled.run.as_str(),
                person: &settled.person,
                outcome: settled.outcome,
                detail: &settled.detail,
                done: *done,
                total: *total,
            },
            RunEvent::Started {
                run,
                at,
                selected,
                steps,
                continues,
            } => Self::Started {
                continues: continues.as_ref().map(RunId::as_str),
                run: run.as_str(),
                at: whole_seconds(*at),
                selected: *selected,
                steps: *steps,
            },
            RunEvent::Step {
                person,
                outcome,
                detail,
                hint,
            } => Self::Step {
                person,
                outcome: *outcome,
                detail,
                hint: hint.as_deref(),
            },
            RunEvent::Waiting { lane, remaining } => Self::Waiting {
                lane,
                seconds: remaining.as_secs_f64(),
            },
            RunEvent::Finished {
                run,
                at,
                summary,
                stopped,
            } => Self::Finished {
                run: run.as_str(),
                at: whole_seconds(*at),
                summary,
                stopped: stopped.as_ref().map(stop_sentence),
            },
        }
    }
}

/// Why a run ended early, in one sentence.
pub fn stop_sentence(reason: &StopReason) -> String {
    match reason {
        StopReason::Cancelled => "cancelled; what was under way has been finished".into(),
        StopReason::Brake(figures) => format!("a brake stopped the run: {figures}"),
        StopReason::Refused { message, .. } => format!("the run stopped: {message}"),
        StopReason::Storage(message) => format!("the run stopped, nothing more was sent: {message}"),
    }
}

/// The stable code of why a run ended early.
pub fn stop_code(reason: &StopReason) -> &'static str {
    match reason {
        StopReason::Cancelled => "cancelled",
        StopReason::Brake(_) => "brake",
        StopReason::Refused { is_access: true, .. } => "access",
        StopReason::Refused { .. } => "refused",
        StopReason::Storage(_) => "storage",
    }
}

/// One line for somebody whose turn is over; quiet about those for whom nothing had to be done.
pub fn write_step(
    out: &mut dyn Write,
    look: Look,
    person: &PersonRef,
    outcome: Outcome,
    detail: &str,
    hint: Option<&str>,
) -> io::Result<()> {
    let style = outcome_style(outcome);
    writeln!(
        out,
        "{style}{}{style:#} {} {}  {detail}",
        look.cell(outcome.words(), 17),
        look.cell(&person.name.shown(), 26),
        look.cell(&person.upn.shown(), 34),
    )?;
    if let Some(hint) = hint {
        writeln!(out, "{:18}hint: {hint}", "")?;
    }
    Ok(())
}

/// The summary that every run ends in.
pub fn write_summary(
    out: &mut dyn Write,
    summary: &Summary,
    took: Duration,
    run: &str,
    stopped: Option<&StopReason>,
) -> io::Result<()> {
    writeln!(out)?;
    if let Some(reason) = stopped {
        writeln!(out, "{}", stop_sentence(reason))?;
    }
    let seconds = took.as_secs_f64();
    writeln!(
        out,
        "Run {run}: {} in {}.",
        people(summary.selected),
        duration(took)
    )?;
    for outcome in Outcome::ALL {
        let count = summary.of(outcome);
        if count == 0 && !matches!(outcome, Outcome::Updated | Outcome::NoPhoto | Outcome::Failed) {
            continue;
        }
        let style = outcome_style(outcome);
        let rate = if outcome == Outcome::Updated && count > 0 && seconds > 0.0 {
            format!("   {:.1} a second", count as f64 / seconds)
        } else {
            String::new()
        };
        writeln!(
            out,
            "  {style}{:<18}{style:#} {:>9}{rate}",
            outcome.words(),
            number(count)
        )?;
    }
    Ok(())
}

/// A span of time as people read it.
pub fn duration(span: Duration) -> String {
    let seconds = span.as_secs();
    match seconds {
        0..60 => format!("{:.1} s", span.as_secs_f64()),
        60..3_600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        _ => format!("{} h {:02} min", seconds / 3_600, seconds % 3_600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::RunId;
    use crate::domain::run::Settled;

    #[test]
    fn what_an_interrupted_run_had_left_is_told_in_events_of_its_own() {
        let person = PersonRef {
            name: "Ada Byron".into(),
            upn: "ada@x.example".into(),
            mail: None,
            source: crate::domain::ids::SourceId::new("1"),
            target: Some(crate::domain::ids::TargetId::new("a")),
            user_name: None,
        };
        let settled = Settled {
            run: RunId::new("r0"),
            person,
            outcome: Outcome::Updated,
            detail: "pushed again".into(),
        };
        let mut out = Vec::new();
        let (done, total) = (1, 20_000);
        write_json(&mut out, &RunEvent::Settling { total }).expect("memory");
        let event = RunEvent::Settled { settled, done, total };
        write_json(&mut out, &event).expect("memory");
        assert_eq!(
            String::from_utf8(out).expect("UTF-8"),
            concat!(
                r#"{"event":"settling","total":20000}"#,
                "\n",
                r#"{"event":"settled","run":"r0","person":{"name":"Ada Byron","upn":"ada@x.example","mail":null,"#,
                r#""entra_id":"1","servicenow_sys_id":"a","user_name":null},"outcome":"updated","#,
                r#""detail":"pushed again","done":1,"total":20000}"#,
                "\n"
            )
        );
    }

    #[test]
    fn the_last_line_of_a_run_has_the_documented_shape() {
        let mut summary = Summary::default();
        for outcome in [Outcome::Updated, Outcome::Updated, Outcome::Failed] {
            summary.count(outcome);
        }
        let event = RunEvent::Finished {
            run: RunId::new("r1"),
            at: jiff::Timestamp::UNIX_EPOCH,
            summary,
            stopped: None,
        };
        let mut out = Vec::new();
        write_json(&mut out, &event).expect("memory");
        assert_eq!(
            String::from_utf8(out).expect("UTF-8"),
            concat!(
                r#"{"event":"finished","run":"r1","at":"1970-01-01T00:00:00Z","summary":{"selected":3,"updated":2,"#,
                r#""unchanged":0,"no_photo":0,"skipped":0,"changed_meanwhile":0,"failed":1,"removed":0}}"#,
                "\n"
            )
        );
    }
}
