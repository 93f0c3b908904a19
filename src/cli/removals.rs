//! `avatar-sync removals`, and the faces that would vanish.

use std::io::IsTerminal;

use clap::{Args, Subcommand};
use image::DynamicImage;
use jiff::Timestamp;
use serde::Serialize;

use super::connect::{self, Session, store_failure};
use super::failure::Failure;
use super::output::Output;
use super::{GlobalArguments, brakes, exit};
use crate::connector::Priority;
use crate::domain::brake::removal::{Decision, StagedRemoval, Word, in_order};
use crate::domain::picture;
use crate::domain::run::PersonRef;
use crate::domain::text::clean;
use crate::engine::{Engine, SidePicture};
use crate::graphics::{Drawn, compose_row, print_inline};
use crate::report::json;
use crate::report::status::whole_seconds;
use crate::report::text::{avatars, number};
use crate::store::{Access, os_user};

/// How many faces are drawn before the rest is only counted.
const FACES: usize = 6;

/// What to do, and how to print.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct RemovalsArguments {
    #[command(subcommand)]
    command: Option<RemovalsCommand>,
    /// One JSON object a line.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum RemovalsCommand {
    /// Let the next run remove these avatars, if nothing has changed until then.
    Approve(Whom),
    /// Keep these avatars as long as nothing changes.
    Reject(Whom),
    /// Take back what was said about these avatars: they wait for approval again.
    Withdraw(Whom),
}

/// Whose avatars.
#[derive(Debug, Args)]
#[command(arg_required_else_help = true)]
struct Whom {
    /// Sign-in names, e-mails or ids, as the list shows them.
    #[arg(value_name = "PERSON", conflicts_with = "all")]
    people: Vec<String>,
    /// All that are listed.
    #[arg(long)]
    all: bool,
    /// Do not ask.
    #[arg(long, short)]
    yes: bool,
}

#[derive(Serialize)]
struct JsonRemoval<'a> {
    person: &'a PersonRef,
    staged: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    absent_since: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scans: Option<u32>,
    #[serde(flatten)]
    decision: &'a Decision,
}

/// Lists what waits, or decides about it. Deciding needs no lock, so it works beside a run.
pub async fn run(
    output: &Output,
    global: &GlobalArguments,
    arguments: &RemovalsArguments,
) -> Result<u8, Failure> {
    let configuration = connect::configuration(global, Vec::new())?;
    let store = connect::open_store(&configuration, Access::Read)?;
    let staged = store.standing().staged_removals().await.map_err(store_failure)?;
    let staged = in_order(staged.into_values());
    let (whom, word) = match &arguments.command {
        None => {
            output.data(|out| {
                staged
                    .iter()
                    .try_for_each(|removal| write(out, removal, arguments.json))
            })?;
            if staged.is_empty() {
                output.talk("No removal waits for approval.");
            } else if !arguments.json {
                if can_draw(global) {
                    let session = Session::open(&configuration, Access::Read)?;
                    let people: Vec<&PersonRef> = staged.iter().map(|removal| &removal.person).collect();
                    draw_faces(output, global, &session.engine, &people).await?;
                }
                output.talk("`avatar-sync removals approve PERSON` lets the next run remove one, `reject` keeps it, `withdraw` takes back what was said; --all means all.");
            }
            return Ok(exit::OK);
        }
        Some(RemovalsCommand::Approve(whom)) => (whom, Word::Approve),
        Some(RemovalsCommand::Reject(whom)) => (whom, Word::Keep),
        Some(RemovalsCommand::Withdraw(whom)) => (whom, Word::TakeBack),
    };
    let chosen = choose(whom, staged)?;
    if chosen.is_empty() {
        output.talk("No removal waits for approval.");
        return Ok(exit::OK);
    }
    let count = chosen.len() as u64;
    if word == Word::Approve && whom.all && !whom.yes && output.can_ask {
        for removal in &chosen {
            output.talk(&line(removal));
        }
        let question = format!("\nRemove {} with the next run?", avatars(count));
        if !output.confirm(&question, (count > 1).then_some(count))? {
            output.talk("Nothing was approved.");
            return Ok(exit::OK);
        }
    }
    let decided = store
        .standing()
        .decide(chosen, word.decision(Timestamp::now(), os_user()))
        .await
        .map_err(store_failure)? as u64;
    output.talk(&format!("{}.", word.sentence(&avatars(decided))));
    if decided < count {
        return Err(Failure::new(
            exit::SOME_FAILED,
            format!(
                "{} changed while you decided and wait anew",
                avatars(count - decided)
            ),
        )
        .with_hint("look at `avatar-sync removals` again"));
    }
    Ok(exit::OK)
}

fn choose(whom: &Whom, staged: Vec<StagedRemoval>) -> Result<Vec<StagedRemoval>, Failure> {
    if whom.all {
        return Ok(staged);
    }
    whom.people
        .iter()
        .map(|wanted| {
            brakes::named(&staged, |removal| &removal.person, wanted, "waiting for approval")
                .cloned()
                .map_err(|failure| failure.with_hint("`avatar-sync removals` lists them"))
        })
        .collect()
}

fn line(removal: &StagedRemoval) -> String {
    let person = &removal.person;
    format!(
        "{}  {}\n    {}",
        person.name.shown(),
        person.upn.shown(),
        clean(&removal.sentence())
    )
}

fn write(out: &mut dyn std::io::Write, removal: &StagedRemoval, is_json: bool) -> std::io::Result<()> {
    if !is_json {
        return writeln!(out, "{}", line(removal));
    }
    json::line(
        out,
        &JsonRemoval {
            person: &removal.person,
            staged: whole_seconds(removal.staged),
            absent_since: removal.evidence.map(|seen| whole_seconds(seen.first)),
            scans: removal.evidence.map(|seen| seen.scans),
            decision: &removal.decision,
        },
    )
}

/// True if somebody sits at a terminal and wants pictures.
fn can_draw(global: &GlobalArguments) -> bool {
    !global.no_images && std::io::stdin().is_terminal() && std::io::stdout().is_terminal()
}

/// Names whose avatars would go, and draws the first of them where the terminal can.
pub async fn draw_faces(
    output: &Output,
    global: &GlobalArguments,
    engine: &Engine,
    people: &[&PersonRef],
) -> Result<(), Failure> {
    let first: Vec<PersonRef> = people
        .iter()
        .take(FACES)
        .map(|person| (*person).clone())
        .collect();
    let names: Vec<_> = first.iter().map(|person| person.name.shown()).collect();
    let rest = people.len() - first.len();
    let rest = if rest == 0 {
        String::new()
    } else {
        format!(" and {} more", number(rest as u64))
    };
    output.data(|out| writeln!(out, "{}{rest}", names.join(", ")))?;
    if !can_draw(global) {
        return Ok(());
    }
    let looks = match engine.look(&first, Priority::Foreground).await {
        Ok(looks) => looks,
        Err(error) => {
            output.talk(&format!(
                "the avatars could not be fetched: {}",
                clean(&error.to_string())
            ));
            return Ok(());
        }
    };
    let faces: Vec<Option<DynamicImage>> = looks
        .iter()
        .map(|look| match &look.target {
            SidePicture::Bytes(bytes) => picture::decode(bytes).ok(),
            SidePicture::Absent | SidePicture::Failed(_) => None,
        })
        .collect();
    match print_inline(&compose_row(&faces)) {
        Ok(Drawn::With(_) | Drawn::NotATerminal) => {}
        Err(error) => output.talk(&format!(
            "the avatars could not be drawn: {}",
            clean(&error.to_string())
        )),
    }
    Ok(())
}
