//! `avatar-sync forget PERSON` and `forget --all`: removes what is personal from this machine.

use clap::Args;
use serde::Serialize;

use super::failure::Failure;
use super::output::Output;
use super::{GlobalArguments, connect, exit};
use crate::config::Configuration;
use crate::domain::run::PersonRef;
use crate::domain::text::clean;
use crate::report::json;
use crate::report::text::{number, people};
use crate::store::StoreOptions;
use crate::store::StorePaths;
use crate::store::forget::{self, Everything, Forgetting, Gone, KeyGone, Known, Sought};

/// Who or what to forget.
#[derive(Debug, Args)]
pub struct ForgetArguments {
    /// An id of either side, a sign-in name of either side, or an e-mail address.
    #[arg(value_name = "PERSON", required_unless_present = "all")]
    person: Option<String>,
    /// Everything of this profile: pictures, their key, journal, cache and last scan. The configuration stays.
    #[arg(long, conflicts_with = "person")]
    all: bool,
    /// With --all: even if changes were begun and not finished; nobody will finish them.
    #[arg(long, requires = "all")]
    abandon: bool,
    /// Show what would go and remove nothing.
    #[arg(long)]
    dry_run: bool,
    /// Do not ask.
    #[arg(long, short)]
    yes: bool,
    /// One JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct JsonForgotten<'a> {
    wanted: &'a str,
    known: bool,
    dry_run: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    entra_id: Option<&'a str>,
    pictures: u64,
    shared_pictures: u64,
    steps: u64,
    in_last_scan: bool,
    unfinished: bool,
    named_in_configuration: bool,
}

#[derive(Serialize)]
struct JsonEverything {
    all: bool,
    dry_run: bool,
    pictures: u64,
    runs: u64,
    unfinished: u64,
    key: &'static str,
}

/// Forgets a person or everything, from what is on this machine alone.
pub fn run(output: &Output, global: &GlobalArguments, arguments: &ForgetArguments) -> Result<u8, Failure> {
    if global.readonly && !arguments.dry_run {
        return Err(Failure::usage("--readonly refuses commands that write")
            .with_hint("add --dry-run to see what would go, or leave --readonly away"));
    }
    let configuration = connect::configuration(global, Vec::new())?;
    let command = Forget {
        output,
        arguments,
        paths: connect::store_paths(&configuration),
        options: connect::store_options(&configuration),
        configuration: &configuration,
    };
    match &arguments.person {
        Some(person) => command.person(person),
        None => command.everything(),
    }
}

struct Forget<'a> {
    output: &'a Output,
    arguments: &'a ForgetArguments,
    configuration: &'a Configuration,
    paths: StorePaths,
    options: StoreOptions,
}

impl Forget<'_> {
    fn person(&self, wanted: &str) -> Result<u8, Failure> {
        // Nothing is created and no lock is taken for a look.
        if self.arguments.dry_run || !self.paths.state().exists() {
            let sought = forget::look(&self.paths, wanted).map_err(connect::store_failure)?;
            return match Self::only_one(wanted, sought)? {
                None => self.nobody(wanted),
                Some(known) if self.arguments.dry_run => {
                    self.tell(wanted, &known, None)?;
                    Ok(exit::OK)
                }
                // Known from the cache alone.
                Some(known) => self.forget(wanted, &known, None),
            };
        }
        let forgetting = Forgetting::begin(&self.paths, &self.options).map_err(connect::store_failure)?;
        let sought = forgetting.look(wanted).map_err(connect::store_failure)?;
        match Self::only_one(wanted, sought)? {
            None => self.nobody(wanted),
            Some(known) => self.forget(wanted, &known, Some(forgetting)),
        }
    }

    fn forget(&self, wanted: &str, known: &Known, begun: Option<Forgetting>) -> Result<u8, Failure> {
        if known.is_unfinished {
            let who = known
                .person
                .as_ref()
                .map_or_else(|| clean(wanted), |person| person.name.shown());
            return Err(
                Failure::usage(format!("a change to {who} was begun and is not finished"))
                    .with_hint("finish it with `avatar-sync resume`, then forget"),
            );
        }
        let question = || {
            let mut err = anstream::stderr().lock();
            write_known(&mut err, known, true)
        };
        if !self.is_agreed(question, "\nForget this?", None)? {
            return Ok(exit::OK);
        }
        let mut forgetting = match begun {
            Some(begun) => begun,
            None => Forgetting::begin(&self.paths, &self.options).map_err(connect::store_failure)?,
        };
        let gone = forgetting.forget(known).map_err(connect::store_failure)?;
        self.tell(wanted, known, Some(&gone))?;
        Ok(exit::OK)
    }

    fn only_one(wanted: &str, sought: Sought) -> Result<Option<Box<Known>>, Failure> {
        match sought {
            Sought::Nobody => Ok(None),
            Sought::One(known) => Ok(Some(known)),
            Sought::Several(candidates) => {
                let lines: Vec<String> = candidates.iter().map(named).collect();
                Err(
                    Failure::usage(format!("{:?} names several people", clean(wanted))).with_hint(format!(
                        "say which one, by the Entra object id:\n{}",
                        lines.join("\n")
                    )),
                )
            }
        }
    }

    fn nobody(&self, wanted: &str) -> Result<u8, Failure> {
        if self.arguments.json {
            self.output
                .data(|out| json::line(out, &self.json(wanted, None, None)))?;
        } else {
            let profile = clean(&self.configuration.profile);
            self.output.data(|out| {
                writeln!(
                    out,
                    "Nothing is known of {:?} on this machine under profile {profile}.",
                    clean(wanted)
                )
            })?;
            self.say_configured(self.is_configured(wanted, None));
        }
        Ok(exit::OK)
    }

    fn tell(&self, wanted: &str, known: &Known, gone: Option<&Gone>) -> Result<(), Failure> {
        if self.arguments.json {
            self.output
                .data(|out| json::line(out, &self.json(wanted, Some(known), gone)))?;
            return Ok(());
        }
        self.output.data(|out| match gone {
            None => {
                write_known(out, known, true)?;
                writeln!(out, "\nDry run: nothing was removed.")
            }
            Some(gone) => write_gone(out, known, gone),
        })?;
        self.say_configured(self.is_configured(wanted, Some(known)));
        if known.is_in_scan && gone.is_some() {
            self.output.talk(
                "The next scan lists them again while they are in scope: opt them out, or take them out of scope.",
            );
        }
        Ok(())
    }

    fn json<'a>(&self, wanted: &'a str, known: Option<&'a Known>, gone: Option<&Gone>) -> JsonForgotten<'a> {
        let planned = known.map_or(0, |known| known.pictures.len() as u64);
        JsonForgotten {
            wanted,
            known: known.is_some(),
            dry_run: self.arguments.dry_run,
            entra_id: known
                .and_then(|known| known.sources.first())
                .filter(|source| !source.is_not_asked())
                .map(crate::domain::ids::SourceId::as_str),
            pictures: gone.map_or(planned, |gone| gone.pictures),
            shared_pictures: known.map_or(0, |known| known.shared),
            steps: known.map_or(0, |known| known.steps),
            in_last_scan: known.is_some_and(|known| known.is_in_scan),
            unfinished: known.is_some_and(|known| known.is_unfinished),
            named_in_configuration: self.is_configured(wanted, known),
        }
    }

    /// The configuration is the administrator's own; it is not changed.
    fn is_configured(&self, wanted: &str, known: Option<&Known>) -> bool {
        let mut words: Vec<String> = vec![wanted.trim().to_lowercase()];
        if let Some(known) = known {
            words.extend(known.names.iter().map(|name| name.to_lowercase()));
            words.extend(known.sources.iter().map(|source| source.as_str().to_lowercase()));
        }
        let is_named = |person: &str| words.contains(&person.trim().to_lowercase());
        self.configuration
            .opt_outs
            .iter()
            .any(|opt_out| is_named(&opt_out.person))
    }

    fn say_configured(&self, is_named: bool) {
        if is_named {
            let file = self.configuration.paths.configuration_file();
            self.output.talk(&format!(
                "{} names them among the opt-outs; that stays.",
                clean(&file.display().to_string())
            ));
        }
    }

    fn everything(&self) -> Result<u8, Failure> {
        let found = forget::survey(&self.paths, &self.options).map_err(connect::store_failure)?;
        if self.arguments.dry_run {
            self.tell_everything(&found, None)?;
            return Ok(exit::OK);
        }
        if found.unfinished > 0 && !self.arguments.abandon {
            return Err(Failure::usage(format!(
                "changes to {} were begun and are not finished",
                people(found.unfinished)
            ))
            .with_hint(
                "finish them with `avatar-sync resume`; if that is impossible for good, add --abandon",
            ));
        }
        let show = || {
            let mut err = anstream::stderr().lock();
            self.write_everything(&mut err, &found)
        };
        // There is no way back from this: the number is typed, as for a large change.
        let typed = Some(found.pictures).filter(|pictures| *pictures > 0);
        if !self.is_agreed(show, "\nForget all of this?", typed)? {
            return Ok(exit::OK);
        }
        let key = forget::everything(&self.paths, &self.options).map_err(connect::store_failure)?;
        self.tell_everything(&found, Some(&key))?;
        match key {
            KeyGone::Left(why) => {
                self.output.talk(&format!(
                    "The key of the pictures is still in the secret store: {why}. The pictures themselves are gone."
                ));
                Ok(exit::UNEXPECTED)
            }
            _ => Ok(exit::OK),
        }
    }

    fn tell_everything(&self, found: &Everything, key: Option<&KeyGone>) -> Result<(), Failure> {
        self.output.data(|out| {
            if self.arguments.json {
                return json::line(
                    out,
                    &JsonEverything {
                        all: true,
                        dry_run: key.is_none(),
                        pictures: found.pictures,
                        runs: found.runs,
                        unfinished: found.unfinished,
                        key: match key {
                            None if found.key.is_some() => "there",
                            Some(KeyGone::Removed) => "removed",
                            Some(KeyGone::Left(_)) => "left",
                            None | Some(KeyGone::NotKeptHere) => "none",
                        },
                    },
                );
            }
            if key.is_none() {
                self.write_everything(out, found)?;
                return writeln!(out, "\nDry run: nothing was removed.");
            }
            writeln!(
                out,
                "Forgotten: {} and {}, the cache and the last scan of profile {}.",
                counted(found.pictures, "picture", "pictures"),
                counted(found.runs, "run", "runs"),
                clean(&self.configuration.profile)
            )?;
            match key {
                Some(KeyGone::Removed) => writeln!(out, "The key was taken out of the secret store.")?,
                Some(KeyGone::NotKeptHere) if found.key.is_some() => {
                    writeln!(
                        out,
                        "The key of the pictures is not in the secret store; you keep it."
                    )?;
                }
                _ => {}
            }
            self.write_stays(out)
        })?;
        Ok(())
    }

    fn write_everything(&self, out: &mut dyn std::io::Write, found: &Everything) -> std::io::Result<()> {
        writeln!(
            out,
            "Everything of profile {}:",
            clean(&self.configuration.profile)
        )?;
        writeln!(
            out,
            "  {} in the vault",
            counted(found.pictures, "picture", "pictures")
        )?;
        if let Some(key) = found.key {
            writeln!(out, "  their key {key}, if the secret store keeps it")?;
        }
        writeln!(
            out,
            "  the journal with {}: the audit trail too",
            counted(found.runs, "run", "runs")
        )?;
        writeln!(out, "  the cache and the last scan")?;
        for folder in [self.paths.state(), self.paths.cache()] {
            writeln!(out, "  {}", clean(&folder.display().to_string()))?;
        }
        writeln!(out, "No run can be undone afterwards.")?;
        self.write_stays(out)
    }

    fn write_stays(&self, out: &mut dyn std::io::Write) -> std::io::Result<()> {
        let file = self.configuration.paths.configuration_file();
        writeln!(
            out,
            "The configuration stays: {}",
            clean(&file.display().to_string())
        )
    }

    /// True if it may be done: somebody says so, or --yes did.
    fn is_agreed(
        &self,
        show: impl FnOnce() -> std::io::Result<()>,
        question: &str,
        typed: Option<u64>,
    ) -> Result<bool, Failure> {
        if self.arguments.yes {
            return Ok(true);
        }
        if !self.output.can_ask {
            return Err(Failure::usage("there is nobody to ask")
                .with_hint("see what would go with --dry-run, then do it with --yes"));
        }
        show()?;
        let is_agreed = self.output.confirm(question, typed)?;
        if !is_agreed {
            self.output.talk("Nothing was removed.");
        }
        Ok(is_agreed)
    }
}

fn named(person: &PersonRef) -> String {
    let mut parts = vec![person.name.shown().into_owned(), person.upn.shown().into_owned()];
    parts.extend((!person.source.is_not_asked()).then(|| clean(person.source.as_str()).into_owned()));
    parts.extend(
        person
            .target
            .as_ref()
            .map(|target| format!("sys_id {}", clean(target.as_str()))),
    );
    parts.join(", ")
}

fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{} {}", number(count), if count == 1 { one } else { many })
}

fn write_known(out: &mut dyn std::io::Write, known: &Known, is_asking: bool) -> std::io::Result<()> {
    let who = known.person.as_ref().map_or_else(
        || clean(known.sources.first().map_or("", |source| source.as_str())).into_owned(),
        named,
    );
    writeln!(out, "{who}")?;
    writeln!(
        out,
        "  {} out of the vault{}",
        counted(known.pictures.len() as u64, "picture", "pictures"),
        if known.pictures.is_empty() {
            ""
        } else {
            "; what they replaced cannot be put back"
        }
    )?;
    if known.shared > 0 {
        writeln!(
            out,
            "  {} stay: somebody else had the same",
            counted(known.shared, "picture", "pictures")
        )?;
    }
    writeln!(
        out,
        "  names and addresses out of {} of the history; ids and hashes stay as the audit trail",
        counted(known.steps, "step", "steps")
    )?;
    writeln!(out, "  what the cache remembers of their photo")?;
    if known.is_in_scan {
        writeln!(out, "  the last scan, as a whole; the next one writes a new one")?;
    }
    if is_asking && known.is_unfinished {
        writeln!(
            out,
            "  but a change to them is not finished: `avatar-sync resume` first"
        )?;
    }
    Ok(())
}

fn write_gone(out: &mut dyn std::io::Write, known: &Known, gone: &Gone) -> std::io::Result<()> {
    let who = known
        .sources
        .first()
        .map_or("", |source| source.as_str().trim_start_matches('?'));
    writeln!(
        out,
        "Forgotten: {} and the names in {}; the audit trail keeps the id {}.",
        counted(gone.pictures, "picture", "pictures"),
        counted(gone.steps, "step", "steps"),
        clean(who)
    )?;
    if gone.scan {
        writeln!(out, "The last scan was dropped; the next one writes a new one.")?;
    }
    if gone.copies > 0 {
        writeln!(
            out,
            "{} of databases that were put aside went too.",
            counted(gone.copies, "copy", "copies")
        )?;
    }
    Ok(())
}
