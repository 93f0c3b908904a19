//! `avatar-sync audit`.

use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::failure::Failure;
use super::output::Output;
use super::{GlobalArguments, connect, exit};
use crate::domain::ids::RunId;
use crate::domain::photo::Sha256;
use crate::domain::text::clean;
use crate::report::audit;
use crate::report::text::number;
use crate::store::journal::{Journal, TrailError, TrailFilter};
use crate::store::{Access, PartialFile, StoreError};

/// Which part of the trail, and where to.
#[derive(Debug, Args)]
pub struct AuditArguments {
    /// How to write it: JSON lines, or a table for a spreadsheet.
    #[arg(long, value_enum, default_value_t = Format::Json)]
    format: Format,
    /// Writes of this day and later: 2026-01-31 (UTC), or a moment, 2026-01-31T09:00:00Z.
    #[arg(long, value_name = "DATE", value_parser = moment)]
    since: Option<Timestamp>,
    /// Writes before this day.
    #[arg(long, value_name = "DATE", value_parser = moment)]
    until: Option<Timestamp>,
    /// Writes of one run.
    #[arg(long, value_name = "RUN")]
    run: Option<String>,
    /// Where to, readable by you alone; standard output if left away.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Prove that nothing in the trail was changed since it was written, and print the digest it ends with.
    #[arg(long, conflicts_with_all = ["since", "until", "run", "output"])]
    verify: bool,
    /// With --verify: a digest that an earlier one has printed must still be there.
    #[arg(long, value_name = "DIGEST", requires = "verify", value_parser = digest)]
    head: Option<Sha256>,
}

/// How to write the trail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// One JSON object a line.
    Json,
    /// A table (RFC 4180).
    Csv,
}

fn moment(text: &str) -> Result<Timestamp, String> {
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Ok(moment);
    }
    let day: Date = text
        .parse()
        .map_err(|_| "a day (2026-01-31) or a moment (2026-01-31T09:00:00Z)".to_owned())?;
    day.to_zoned(TimeZone::UTC)
        .map(|start| start.timestamp())
        .map_err(|error| error.to_string())
}

fn digest(text: &str) -> Result<Sha256, String> {
    Sha256::from_hex(text).ok_or_else(|| "64 hexadecimal digits".to_owned())
}

/// Writes the audit trail out, or verifies it; asks no service.
pub fn run(output: &Output, global: &GlobalArguments, arguments: &AuditArguments) -> Result<u8, Failure> {
    let configuration = connect::configuration(global, Vec::new())?;
    let store = connect::open_store(&configuration, Access::Read)?;
    if arguments.verify {
        return verify(output, store.journal(), arguments);
    }
    let filter = TrailFilter {
        since: arguments.since,
        until: arguments.until,
        run: arguments.run.as_deref().map(RunId::new),
    };
    let failed = |error: io::Error| Failure::new(exit::UNEXPECTED, error);
    let Some(path) = &arguments.output else {
        let mut out = BufWriter::new(io::stdout().lock());
        write(&mut out, store.journal(), &filter, arguments.format)?;
        return match out.flush() {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(failed(error)),
            _ => Ok(exit::OK),
        };
    };
    let unwritten = |error: StoreError| Failure::new(exit::UNEXPECTED, error);
    let mut out = BufWriter::new(PartialFile::create(path).map_err(unwritten)?);
    let count = write(&mut out, store.journal(), &filter, arguments.format)?;
    let file = out.into_inner().map_err(|error| failed(error.into_error()))?;
    file.finish().map_err(unwritten)?;
    let writes = if count == 1 { "write" } else { "writes" };
    output.talk(&format!("{} {writes} in {}", number(count), path.display()));
    Ok(exit::OK)
}

fn write(
    out: &mut dyn Write,
    journal: &Journal,
    filter: &TrailFilter,
    format: Format,
) -> Result<u64, Failure> {
    let mut count = 0;
    let is_csv = format == Format::Csv;
    let written = (|| {
        if is_csv {
            audit::write_csv_heading(out)?;
        }
        journal.trail(filter, |line| {
            count += 1;
            if is_csv {
                audit::write_csv(out, &line)
            } else {
                audit::write_json(out, &line)
            }
        })
    })();
    match written {
        Ok(()) => Ok(count),
        // Whoever read has gone away (`| head`).
        Err(TrailError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(count),
        Err(TrailError::Output(error)) => Err(Failure::new(exit::UNEXPECTED, error)),
        Err(TrailError::Storage(error)) => Err(Failure::new(exit::UNEXPECTED, error)),
    }
}

fn verify(output: &Output, journal: &Journal, arguments: &AuditArguments) -> Result<u8, Failure> {
    let unreadable = |error| Failure::new(exit::UNEXPECTED, error);
    let Some(verified) = journal.verify(arguments.head.as_ref()).map_err(unreadable)? else {
        output.talk("Nothing has been written yet.");
        return Ok(exit::OK);
    };
    if let Some(broken) = &verified.broken {
        return Err(Failure::new(
            exit::UNEXPECTED,
            format!(
                "the audit trail was changed after it was written: {}",
                clean(broken)
            ),
        ));
    }
    if !verified.has_asked {
        return Err(Failure::new(
            exit::UNEXPECTED,
            "the audit trail does not contain the digest that was given",
        )
        .with_hint("it was cut off or written anew since that digest was noted"));
    }
    output.talk(&format!(
        "{} writes verified; nothing was changed.",
        number(verified.writes)
    ));
    if verified.before > 0 {
        output.talk(&format!(
            "{} writes of an older version are in no chain.",
            number(verified.before)
        ));
    }
    output.data(|out| writeln!(out, "{}", verified.head))?;
    Ok(exit::OK)
}
