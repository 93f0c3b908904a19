//! `avatar-sync history [RUN]`.

use std::io::Write;
use std::time::Duration;

use clap::{Args, builder::PossibleValuesParser};
use image::DynamicImage;
use serde::Serialize;

use super::connect::{self, Session};
use super::failure::Failure;
use super::output::Output;
use super::{GlobalArguments, exit};
use crate::connector::Priority;
use crate::domain::ids::{PictureId, RunId, SourceId};
use crate::domain::outstanding::PlannedStep;
use crate::domain::picture;
use crate::domain::run::{Outcome, PersonRef, Summary};
use crate::domain::text::clean;
use crate::domain::tidying::Task;
use crate::engine::PastFace;
use crate::graphics::{compose, print_inline};
use crate::report::json;
use crate::report::run::{duration, stop_code, stop_sentence, write_step};
use crate::report::status::whole_seconds;
use crate::report::text::{moment, number, people};
use crate::store::journal::{PastPicture, PastRun, PeopleFilter, Planned};
use crate::store::{Access, PastPerson, Store, StoreError};

/// The format of `--json`.
const SCHEMA: &str = "avatar-sync/history/1";

/// People that are read at once.
const PAGE: usize = 500;

/// Pairs of pictures that are drawn, unless a filter narrows them down.
const FACES: usize = 50;

/// Which run, and how to print.
#[derive(Debug, Args)]
pub struct HistoryArguments {
    /// One run, person by person; all runs if left away.
    #[arg(value_name = "RUN")]
    run: Option<String>,
    /// Only what was done to this person: a sign-in name, e-mail address or id of either side.
    #[arg(long, value_name = "PERSON")]
    person: Option<String>,
    /// Only people of the run whose step ended like this.
    #[arg(long, value_name = "OUTCOME", requires = "run", value_parser = PossibleValuesParser::new(Outcome::ALL.map(Outcome::code)))]
    outcome: Option<String>,
    /// Draw the old picture and the new one of each person side by side, where the terminal can.
    #[arg(long, conflicts_with = "json")]
    faces: bool,
    /// One JSON object a line.
    #[arg(long)]
    json: bool,
    /// The newest so many runs.
    #[arg(long, default_value_t = 50, value_name = "N")]
    limit: usize,
}

#[derive(Serialize)]
struct JsonRun<'a> {
    schema: &'static str,
    run: &'a str,
    kind: &'static str,
    started: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    finished: Option<String>,
    os_user: &'a str,
    host: &'a str,
    account: &'a str,
    profile: &'a str,
    planned: &'a Planned,
    #[serde(skip_serializing_if = "Option::is_none")]
    summary: Option<&'a Summary>,
    not_reached: u64,
    unsettled: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    stopped: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stopped_by: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    continues: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    continued_by: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    undoes: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    undone_by: Option<&'a str>,
}

#[derive(Serialize)]
struct JsonStep<'a> {
    schema: &'static str,
    run: &'a str,
    person: &'a PersonRef,
    change: Task,
    outcome: Outcome,
    detail: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<String>,
    settled: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    old: Option<JsonPicture<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    new: Option<JsonPicture<'a>>,
    can_undo: bool,
}

#[derive(Serialize)]
struct JsonPicture<'a> {
    attachment: Option<&'a str>,
    from: &'static str,
    sha256: Option<String>,
    kept: bool,
}

impl<'a> JsonPicture<'a> {
    fn of(picture: Option<&'a PastPicture>, kept: bool) -> Option<Self> {
        picture.map(|picture| Self {
            attachment: picture.id.as_ref().map(PictureId::as_str),
            from: picture.place.0,
            sha256: picture.sha256.map(|sha256| sha256.to_string()),
            kept,
        })
    }
}

/// How a person's part is shown who was never reached.
const NOT_REACHED: &str = "not reached before the run stopped";

/// Prints runs from the journal; asks a service for nothing but faces that are not kept.
pub async fn run(
    output: &Output,
    global: &GlobalArguments,
    arguments: &HistoryArguments,
) -> Result<u8, Failure> {
    let configuration = connect::configuration(global, Vec::new())?;
    let store = connect::open_store(&configuration, Access::Read)?;
    let history = History {
        output,
        store,
        faces: if arguments.faces && !global.no_images {
            Some(Session::open(&configuration, Access::Read)?)
        } else {
            None
        },
        is_json: arguments.json,
    };
    match (&arguments.run, &arguments.person) {
        (None, None) => history.runs(arguments.limit).await?,
        (None, Some(person)) => history.person(person).await?,
        (Some(run), person) => {
            let outcome = arguments.outcome.as_deref().and_then(Outcome::from_code);
            history.one_run(run, person.as_deref(), outcome).await?;
        }
    }
    Ok(exit::OK)
}

struct History<'a> {
    output: &'a Output,
    store: Store,
    faces: Option<Session>,
    is_json: bool,
}

fn unreadable(error: StoreError) -> Failure {
    Failure::new(exit::UNEXPECTED, error)
}

impl History<'_> {
    async fn runs(&self, limit: usize) -> Result<(), Failure> {
        let (mut left, mut after, mut is_empty) = (limit, None, true);
        while left > 0 {
            let page = self.store.journal().past_runs(after, left.min(PAGE)).await;
            let page = page.map_err(unreadable)?;
            is_empty &= page.runs.is_empty();
            left -= page.runs.len();
            let is_read = self
                .output
                .data(|out| page.runs.iter().try_for_each(|run| self.write_run(out, run)))?;
            after = page.next;
            if after.is_none() || is_read.is_none() {
                break;
            }
        }
        if is_empty {
            self.output.talk("No run has written anything yet.");
        }
        Ok(())
    }

    async fn one_run(
        &self,
        wanted: &str,
        person: Option<&str>,
        outcome: Option<Outcome>,
    ) -> Result<(), Failure> {
        let id = RunId::new(wanted.trim());
        let journal = self.store.journal();
        let run = journal.past_run(&id).await.map_err(unreadable)?.ok_or_else(|| {
            Failure::usage(format!("there is no run {:?}", clean(wanted)))
                .with_hint("`avatar-sync history` lists them")
        })?;
        self.output.data(|out| self.write_run(out, &run))?;
        if let Some(person) = person {
            let found = self.store.past_of_person(person).await.map_err(unreadable)?;
            let of_run: Vec<PastPerson> = found
                .into_iter()
                .filter(|found| found.past.step.run == id)
                .filter(|found| outcome.is_none_or(|outcome| outcome == found.past.step.outcome))
                .collect();
            if of_run.is_empty() {
                self.output
                    .talk(&format!("That run did nothing to {:?}.", clean(person)));
            }
            return self.steps(&of_run, usize::MAX).await.map(drop);
        }
        let filter = PeopleFilter {
            outcome,
            ..PeopleFilter::default()
        };
        let (mut after, mut drawn) = (None, 0);
        loop {
            let page = self.store.past_people(&id, &filter, after, PAGE).await;
            let page = page.map_err(unreadable)?;
            let Some(faces) = self.steps(&page.people, FACES.saturating_sub(drawn)).await? else {
                return Ok(());
            };
            drawn += faces;
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        if outcome.is_none_or(|outcome| outcome == Outcome::Skipped) {
            self.not_reached(&run).await?;
        }
        Ok(())
    }

    /// People whose turn never came, by name as long as the plan is kept.
    async fn not_reached(&self, run: &PastRun) -> Result<(), Failure> {
        let count = run.not_reached();
        if count == 0 {
            return Ok(());
        }
        let unreached = self
            .store
            .journal()
            .not_reached(&run.record.id)
            .await
            .map_err(unreadable)?;
        if unreached.is_empty() && !self.is_json {
            self.output.talk(&format!(
                "{} were not reached; the plan is not kept any more.",
                people(count)
            ));
        }
        self.output.data(|out| {
            unreached
                .iter()
                .try_for_each(|step| self.write_unreached(out, &run.record.id, step))
        })?;
        Ok(())
    }

    async fn person(&self, person: &str) -> Result<(), Failure> {
        let found = self.store.past_of_person(person).await.map_err(unreadable)?;
        if found.is_empty() {
            return Err(
                Failure::usage(format!("no run did anything to {:?}", clean(person)))
                    .with_hint("a person is named by a sign-in name, e-mail address or id of either side"),
            );
        }
        let mut ids: Vec<&SourceId> = found.iter().map(|found| &found.past.step.person.source).collect();
        ids.sort();
        ids.dedup();
        if ids.len() > 1 {
            self.output.talk(&format!(
                "{:?} was the name of {} people.",
                clean(person),
                ids.len()
            ));
        }
        for found in &found {
            if !self.is_json {
                let step = &found.past.step;
                let line = format!("{}  {}  {}", moment(step.at), step.run, task_words(step.change));
                self.output.data(|out| writeln!(out, "{line}"))?;
            }
            if self
                .steps(std::slice::from_ref(found), usize::MAX)
                .await?
                .is_none()
            {
                break;
            }
        }
        Ok(())
    }

    /// Prints some people's steps; answers how many pairs of faces were drawn, `None` if nobody reads any more.
    async fn steps(&self, people: &[PastPerson], most_faces: usize) -> Result<Option<usize>, Failure> {
        let mut drawn = 0;
        let Some(session) = &self.faces else {
            let written = self
                .output
                .data(|out| people.iter().try_for_each(|person| self.write_step(out, person)))?;
            return Ok(written.map(|()| 0));
        };
        for person in people {
            if self.output.data(|out| self.write_step(out, person))?.is_none() {
                return Ok(None);
            }
            if drawn < most_faces && (person.past.old.is_some() || person.past.new.is_some()) {
                self.draw(session, person).await;
                drawn += 1;
            }
        }
        Ok(Some(drawn))
    }

    async fn draw(&self, session: &Session, person: &PastPerson) {
        let faces = session
            .engine
            .past_faces(&person.past, Priority::Foreground)
            .await;
        let old = self.decoded("old", &faces.old);
        let new = self.decoded("new", &faces.new);
        if (old.is_some() || new.is_some())
            && let Err(error) = print_inline(&compose(old.as_ref(), new.as_ref()))
        {
            self.output.talk(&format!(
                "the pictures could not be drawn: {}",
                clean(&error.to_string())
            ));
        }
    }

    fn decoded(&self, which: &str, face: &PastFace) -> Option<DynamicImage> {
        let why = match face {
            PastFace::None => return None,
            PastFace::Bytes(bytes) => match picture::decode(bytes) {
                Ok(picture) => return Some(picture),
                Err(problem) => problem.to_string(),
            },
            PastFace::NotKept => "is no longer kept".to_owned(),
            PastFace::Failed(why) => format!("could not be read: {}", clean(why)),
        };
        self.output.talk(&format!("    the {which} picture {why}"));
        None
    }

    fn write_run(&self, out: &mut dyn Write, run: &PastRun) -> std::io::Result<()> {
        let record = &run.record;
        let actor = &record.start.actor;
        if self.is_json {
            return json::line(
                out,
                &JsonRun {
                    schema: SCHEMA,
                    run: record.id.as_str(),
                    kind: record.start.kind.code(),
                    started: whole_seconds(record.start.started),
                    finished: record.finished.map(whole_seconds),
                    os_user: &actor.os_user,
                    host: &actor.host,
                    account: &actor.account,
                    profile: &record.start.profile,
                    planned: &record.start.planned,
                    summary: record.summary.as_ref(),
                    not_reached: run.not_reached(),
                    unsettled: run.unsettled,
                    stopped: record.stopped.as_ref().map(stop_sentence),
                    stopped_by: record.stopped.as_ref().map(stop_code),
                    continues: record.start.continues.as_ref().map(RunId::as_str),
                    continued_by: run.continued_by.as_ref().map(RunId::as_str),
                    undoes: record.start.undoes.as_ref().map(RunId::as_str),
                    undone_by: run.undone_by.as_ref().map(RunId::as_str),
                },
            );
        }
        let took = record.finished.map_or_else(
            || "not finished".to_owned(),
            |finished| {
                duration(
                    Duration::try_from(finished.duration_since(record.start.started)).unwrap_or_default(),
                )
            },
        );
        writeln!(
            out,
            "{}  {}  {:<5} by {}@{}  {took}",
            record.id,
            moment(record.start.started),
            record.start.kind.code(),
            clean(&actor.os_user),
            clean(&actor.host),
        )?;
        let summary = record.summary.unwrap_or(run.endings);
        let mut counted: Vec<String> = Outcome::ALL
            .into_iter()
            .filter(|outcome| summary.of(*outcome) > 0)
            .map(|outcome| format!("{} {}", number(summary.of(outcome)), outcome.words()))
            .collect();
        // In a summary they are among the skipped.
        if record.summary.is_none() {
            for (count, words) in [(run.not_reached(), "not reached"), (run.unsettled, "not settled")] {
                if count > 0 {
                    counted.push(format!("{} {words}", number(count)));
                }
            }
        }
        if !counted.is_empty() {
            writeln!(out, "    {}", counted.join(", "))?;
        }
        if let Some(reason) = &record.stopped {
            writeln!(out, "    {}", stop_sentence(reason))?;
        }
        for (words, other) in [
            ("goes on with run", &record.start.continues),
            ("gone on with by run", &run.continued_by),
            ("takes back run", &record.start.undoes),
            ("taken back by run", &run.undone_by),
        ] {
            if let Some(other) = other {
                writeln!(out, "    {words} {other}")?;
            }
        }
        Ok(())
    }

    fn write_step(&self, out: &mut dyn Write, person: &PastPerson) -> std::io::Result<()> {
        let step = &person.past.step;
        if self.is_json {
            return json::line(
                out,
                &JsonStep {
                    schema: SCHEMA,
                    run: step.run.as_str(),
                    person: &step.person,
                    change: step.change,
                    outcome: step.outcome,
                    detail: &step.detail,
                    hint: step.hint.as_deref(),
                    at: Some(whole_seconds(step.at)),
                    settled: step.settled,
                    old: JsonPicture::of(person.past.old.as_ref(), person.old_is_kept),
                    new: JsonPicture::of(person.past.new.as_ref(), person.new_is_kept),
                    can_undo: person.can_undo(),
                },
            );
        }
        write_step(
            out,
            self.output.look,
            &step.person,
            step.outcome,
            &step.detail,
            step.hint.as_deref(),
        )
    }

    fn write_unreached(&self, out: &mut dyn Write, run: &RunId, step: &PlannedStep) -> std::io::Result<()> {
        if self.is_json {
            return json::line(
                out,
                &JsonStep {
                    schema: SCHEMA,
                    run: run.as_str(),
                    person: &step.person,
                    change: step.task,
                    outcome: Outcome::Skipped,
                    detail: NOT_REACHED,
                    hint: None,
                    at: None,
                    settled: true,
                    old: None,
                    new: None,
                    can_undo: false,
                },
            );
        }
        write_step(
            out,
            self.output.look,
            &step.person,
            Outcome::Skipped,
            NOT_REACHED,
            None,
        )
    }
}

fn task_words(task: Task) -> &'static str {
    match task {
        Task::Push(change) => change.words(),
        Task::Tidy(crate::domain::tidying::TidyKind::Clean) => "clear away",
        Task::Tidy(crate::domain::tidying::TidyKind::Undo) => "take back",
    }
}
