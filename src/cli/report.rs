//! `avatar-sync report`.

use std::fs;
use std::io::{self, BufWriter, IsTerminal, Stdout, Write};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use futures::future;
use futures::stream::{self, StreamExt, TryStreamExt};
use tokio_util::sync::CancellationToken;

use super::connect::{self, Session, engine_failure};
use super::failure::Failure;
use super::interrupt::on_interrupt;
use super::output::Output;
use super::{GlobalArguments, exit};
use crate::connector::Priority;
use crate::domain::filter::Filter;
use crate::domain::run::PersonRef;
use crate::domain::text::clean;
use crate::engine::{Depth, Engine, EngineError, Look, SidePicture};
use crate::report::export::html::{Entry, PICTURE_SIDE, Page, Pair, Shown, arrange};
use crate::report::export::{self, Report, csv};
use crate::report::progress::Progress;
use crate::report::status::{Listing, Selection};
use crate::store::{Access, PartialFile};

/// How many pairs a page shows unless it is told.
const PICTURES: u32 = 500;
/// People whose pictures are fetched together: Entra ID answers for so many in one request.
const BATCH: usize = 20;
/// Batches under way: while one is downloaded, the next one's stamps and chains are read. No more pictures than those of
/// so many batches are ever held.
const BATCHES: usize = 2;

/// What to report, and where to.
#[derive(Debug, Args)]
pub struct ReportArguments {
    /// Words that must occur; status:missing, status:suspicious, dept:sales; ! negates.
    #[arg(value_name = "FILTER")]
    filter: Vec<String>,
    /// What to write; told from the ending of FILE if it is not said.
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Where to, readable by you alone; - is standard output, as is nothing.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// How many pairs of pictures an HTML page shows at most [default: 500].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=100_000))]
    pictures: Option<u32>,
    /// Download whatever is needed to settle what stamps and hashes leave undecided.
    #[arg(long)]
    deep: bool,
    /// List everybody, not only those who need a look.
    #[arg(long)]
    all: bool,
    /// End with code 3 if anything differs.
    #[arg(long)]
    exit_code: bool,
}

/// What a report can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// One page with the pictures in it; opens without a network.
    Html,
    /// A row a person, for a spreadsheet.
    Csv,
    /// One object (avatar-sync/report/1), for a program.
    Json,
}

/// Scans and writes.
pub async fn run(
    output: &Output,
    global: &GlobalArguments,
    arguments: &ReportArguments,
) -> Result<u8, Failure> {
    let filter_text = arguments.filter.join(" ");
    let filter = Filter::parse(&filter_text)?;
    let format = wanted_format(arguments)?;
    let path = wanted_path(arguments, format)?;
    let configuration = connect::configuration(global, Vec::new())?;
    let session = Session::open(&configuration, Access::Read)?;
    if let Some(path) = &path {
        // A folder that takes no file is better found out before the scan than after it.
        drop(PartialFile::create(path).map_err(|error| Failure::new(exit::UNEXPECTED, error))?);
    }

    let depth = if arguments.deep {
        Depth::Deep
    } else {
        Depth::Stamps
    };
    let listing = if arguments.all || !filter.is_empty() {
        Listing::Everybody
    } else {
        Listing::NeedsALook
    };
    let selection = Selection::new(filter, listing);
    let (scanned, selection) = session.scan_into(output, depth, selection).await?;
    let report = Report {
        profile: configuration.profile.clone(),
        tenant: session.tenant.clone(),
        instance: session.instance.clone(),
        filter: filter_text,
        listing,
        status: selection.finish(scanned),
    };

    let mut out = BufWriter::new(Destination::open(path.as_deref())?);
    let written = match format {
        Format::Json => export::write_json(&mut out, &report).map_err(Stopped::from),
        Format::Csv => csv::write(&mut out, &report).map_err(Stopped::from),
        Format::Html => {
            let pictures = if global.no_images {
                0
            } else {
                arguments.pictures.unwrap_or(PICTURES)
            };
            write_page(output, &session, &report, pictures as usize, &mut out).await
        }
    };
    let finished = written.and_then(|()| out.flush().map_err(Stopped::from));
    match (finished, path) {
        (Ok(()), Some(path)) => {
            out.into_inner()
                .map_err(io::IntoInnerError::into_error)?
                .finish()?;
            // As it was typed, not as the system spells it.
            let path = arguments.output.as_deref().unwrap_or(&path);
            output.talk(&format!("Report written to {}.", path.display()));
        }
        (Ok(()), None) => {}
        // A reader who has gone away (`| head`) has got enough.
        (Err(Stopped::Writing(error)), None) if error.kind() == io::ErrorKind::BrokenPipe => {}
        (Err(Stopped::Writing(error)), Some(path)) => {
            let cannot = format!("the report cannot be written to {}: {error}", path.display());
            return Err(Failure::new(exit::UNEXPECTED, cannot));
        }
        (Err(Stopped::Writing(error)), None) => return Err(error.into()),
        (Err(Stopped::Fetching(failure)), _) => return Err(failure),
    }
    Ok(if arguments.exit_code && report.status.has_differences() {
        exit::DIFFERENCES
    } else {
        exit::OK
    })
}

fn wanted_format(arguments: &ReportArguments) -> Result<Format, Failure> {
    let ending = arguments.output.as_deref().and_then(Path::extension);
    let of_file = ending.and_then(|ending| Format::from_str(&ending.to_string_lossy(), true).ok());
    let format = arguments.format.or(of_file).ok_or_else(|| {
        Failure::usage("it is not said what to write")
            .with_hint("--format html, csv or json; or -o FILE with one of these endings")
    })?;
    if arguments.pictures.is_some() && format != Format::Html {
        return Err(Failure::usage("--pictures is for --format html alone"));
    }
    Ok(format)
}

/// Where the file will be; `None` for standard output.
fn wanted_path(arguments: &ReportArguments, format: Format) -> Result<Option<PathBuf>, Failure> {
    let path = arguments.output.as_deref().filter(|path| path.as_os_str() != "-");
    let Some(path) = path else {
        if format == Format::Html && io::stdout().is_terminal() {
            return Err(Failure::usage("a page with pictures is not for a terminal")
                .with_hint("-o report.html writes it to a file, which a browser opens"));
        }
        return Ok(None);
    };
    // What a link leads to is replaced, not the link; and nothing is put into the place of a device or a folder.
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let is_other = fs::metadata(&path).is_ok_and(|metadata| !metadata.is_file());
    if is_other || path.file_name().is_none() {
        let what = format!("{} is not a file", path.display());
        return Err(Failure::usage(what).with_hint("name a file, or - for standard output"));
    }
    Ok(Some(path))
}

/// Where a report goes. A file is there as a whole or not at all.
enum Destination {
    Stdout(Stdout),
    File(PartialFile),
}

impl Destination {
    fn open(path: Option<&Path>) -> Result<Self, Failure> {
        match path {
            // Not through `Output::data`, which looks for colours: a report has none, and may have megabytes.
            None => Ok(Self::Stdout(io::stdout())),
            Some(path) => PartialFile::create(path)
                .map(Self::File)
                .map_err(|error| Failure::new(exit::UNEXPECTED, error)),
        }
    }

    fn finish(self) -> Result<(), Failure> {
        match self {
            Self::Stdout(_) => Ok(()),
            Self::File(file) => file
                .finish()
                .map_err(|error| Failure::new(exit::UNEXPECTED, error)),
        }
    }
}

impl Write for Destination {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Stdout(stdout) => stdout.write(bytes),
            Self::File(file) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Stdout(stdout) => stdout.flush(),
            Self::File(file) => file.flush(),
        }
    }
}

/// Why a report is not written to its end.
enum Stopped {
    Writing(io::Error),
    Fetching(Failure),
}

impl From<io::Error> for Stopped {
    fn from(error: io::Error) -> Self {
        Self::Writing(error)
    }
}

impl From<EngineError> for Stopped {
    fn from(error: EngineError) -> Self {
        Self::Fetching(engine_failure(error))
    }
}

/// Writes the page while its pictures are fetched; Ctrl-C ends it.
async fn write_page(
    output: &Output,
    session: &Session,
    report: &Report,
    pictures: usize,
    out: &mut dyn Write,
) -> Result<(), Stopped> {
    let progress = output.progress(true);
    let cancel = CancellationToken::new();
    let interrupt = on_interrupt({
        let cancel = cancel.clone();
        move || cancel.cancel()
    });
    let is_ascii = output.look.is_ascii;
    let writing = fetch_and_write(&session.engine, report, pictures, out, &progress, is_ascii);
    let written = tokio::select! {
        written = session.watching_waits(&progress, is_ascii, writing) => written,
        () = cancel.cancelled() => Err(EngineError::Cancelled.into()),
    };
    interrupt.abort();
    written
}

async fn fetch_and_write(
    engine: &Engine,
    report: &Report,
    pictures: usize,
    out: &mut dyn Write,
    progress: &Progress,
    is_ascii: bool,
) -> Result<(), Stopped> {
    let arrangement = arrange(report, pictures);
    let total = arrangement.pictured as u64;
    let mut page = Page::begin(out, report, &arrangement)?;
    let batches = stream::iter(arrangement.entries.chunks(BATCH));
    let mut batches = batches.map(|batch| pairs(engine, batch)).buffered(BATCHES);
    let mut done = 0;
    while let Some(batch) = batches.try_next().await? {
        for (entry, pair) in batch {
            done += u64::from(pair.is_some());
            page.person(entry.person, pair.as_ref())?;
        }
        if total > 0 {
            progress.measured("fetching pictures", done, total, is_ascii);
        }
    }
    Ok(page.finish()?)
}

/// A few people with the pictures of those who are pictured; the bytes they were made from are let go.
async fn pairs<'a>(
    engine: &Engine,
    batch: &'a [Entry<'a>],
) -> Result<Vec<(&'a Entry<'a>, Option<Pair>)>, EngineError> {
    let pictured = batch.iter().filter(|entry| entry.is_pictured);
    let wanted: Vec<PersonRef> = pictured.map(|entry| entry.person.person.clone()).collect();
    let looks = if wanted.is_empty() {
        Vec::new()
    } else {
        engine.look(&wanted, Priority::Background).await?
    };
    let mut pairs = future::join_all(looks.into_iter().map(|look| pair(engine, look)))
        .await
        .into_iter();
    let with_pair = |entry: &'a Entry<'a>| {
        let pair = if entry.is_pictured { pairs.next() } else { None };
        (entry, pair)
    };
    Ok(batch.iter().map(with_pair).collect())
}

async fn pair(engine: &Engine, look: Look) -> Pair {
    let is_whole = look.is_whole();
    let (source, target) = future::join(shown(engine, look.source), shown(engine, look.target)).await;
    Pair {
        source,
        target,
        now: look.judgement.filter(|_| is_whole),
    }
}

async fn shown(engine: &Engine, picture: SidePicture) -> Shown {
    match picture {
        SidePicture::Absent => Shown::Nothing,
        SidePicture::Failed(why) => Shown::Failed(why),
        SidePicture::Bytes(bytes) => match engine.thumbnail(bytes, PICTURE_SIDE).await {
            Ok(picture) => Shown::Picture(picture),
            Err(problem) => Shown::Failed(format!("it {}", clean(&problem.to_string()))),
        },
    }
}
