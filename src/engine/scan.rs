//! One look at everybody: discover, pair, load, settle, judge.
//!
//! ```text
//! pages ─► packed ─► roster, in portions of some hundred
//! stamps of portion n+1, n+2 … under way ┐
//! portion n with its stamps ──► chains, recall, judge ─► sink
//!                                      └► needs bytes: packed again ─► settle ─► sink
//! ```
//!
//! Only the people of a portion, and those whose pictures are on their way, are ever there in full.

use std::collections::HashSet;
use std::sync::Arc;

use futures::StreamExt;
use futures::stream::BoxStream;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::load::Seen;
use super::packed::{Considered, PackedSources, PackedTargets};
use super::roster::{Exclusions, Roster, Scope};
use super::{Depth, Engine, EngineError, PersonState, Scan, ScanSink, Scanned, in_words, is_access};
use crate::connector::{ConnectorError, Priority};
use crate::domain::ids::SourceId;
use crate::domain::listing::{self, Listed, Listing};
use crate::domain::packing::SeenIds;
use crate::domain::pairing::{MatchRule, pair};
use crate::domain::person::{SourcePerson, TargetPerson};
use crate::domain::scope::SourceScope;
use crate::domain::suspicion::{Gallery, Suspicions};

/// Something a scan has got done. Plain values; a page's people are lent.
#[derive(Debug)]
pub enum ScanEvent<'a> {
    /// A page of source people arrived.
    SourcePage {
        /// The people of this page, each seen for the first time.
        people: &'a [SourcePerson],
        /// How many have arrived so far.
        listed: u64,
    },
    /// A page of target people arrived.
    TargetPage {
        /// The people of this page, each seen for the first time.
        people: &'a [TargetPerson],
        /// How many have arrived so far.
        listed: u64,
    },
    /// Both listings are over.
    Paired {
        /// People who were paired: those whose pictures are looked at.
        paired: u64,
        /// Everybody in the source.
        people: u64,
    },
    /// Stamps of source photos arrived.
    Stamps {
        /// So far.
        done: u64,
        /// Of how many.
        total: u64,
    },
    /// The avatar chains of everybody are in.
    Chains {
        /// How many people have been read.
        people: u64,
    },
    /// Bytes are being compared.
    Settling {
        /// People settled so far.
        done: u64,
        /// Of how many.
        total: u64,
    },
    /// Something went wrong without ending the scan, in words; it is in [`Scan::problems`] too.
    Problem(&'a str),
}

/// Follows a scan. Called from the scan's task, so it must not block.
pub trait ScanObserver: Send + Sync {
    /// Something happened.
    fn on(&self, event: ScanEvent<'_>);
}

impl<F: Fn(ScanEvent<'_>) + Send + Sync> ScanObserver for F {
    fn on(&self, event: ScanEvent<'_>) {
        self(event);
    }
}

/// Nobody follows.
#[derive(Clone, Copy, Debug)]
pub struct Ignore;

impl ScanObserver for Ignore {
    fn on(&self, _: ScanEvent<'_>) {}
}

impl Engine {
    /// Looks at everybody on both sides, and keeps everything that is seen of each: for a few thousand people. See
    /// [`Engine::scan_into`] for hundreds of thousands.
    pub async fn scan(
        &self,
        depth: Depth,
        progress: &dyn ScanObserver,
        cancel: &CancellationToken,
    ) -> Result<Scan, EngineError> {
        let (scanned, everybody) = self
            .scan_into(depth, Everybody::default(), progress, cancel)
            .await?;
        let seen = Seen {
            scanned_at: scanned.listed.scanned_at,
            complete: scanned.listed.complete,
            target_only: scanned.target_only,
        };
        let suspicions = scanned.listed.listing.suspicions();
        Ok(everybody.into_scan(seen, scanned.problems, suspicions))
    }

    /// Looks at everybody on both sides, and hands one after the other to `sink`, which decides what is kept.
    ///
    /// What goes wrong for one person is that person's verdict; what cuts a listing short makes the scan incomplete.
    /// An error means that there is nothing to show, whatever the sink was given: a refused sign-in, a missing right,
    /// a side of which nobody could be listed, or `cancel`.
    pub async fn scan_into<S: ScanSink>(
        &self,
        depth: Depth,
        sink: S,
        progress: &dyn ScanObserver,
        cancel: &CancellationToken,
    ) -> Result<(Scanned, S), EngineError> {
        let (scanned, _, sink) = self.scan_all(depth, sink, progress, cancel).await?;
        Ok((scanned, sink))
    }

    /// The same for whoever goes on comparing: with the pictures that were seen, in the order of the listing. See
    /// [`Listing::judged`].
    pub async fn scan_with_faces(
        &self,
        depth: Depth,
        progress: &dyn ScanObserver,
        cancel: &CancellationToken,
    ) -> Result<(Scanned, Gallery), EngineError> {
        let (scanned, gallery, ()) = self.scan_all(depth, (), progress, cancel).await?;
        Ok((scanned, gallery))
    }

    async fn scan_all<S: ScanSink>(
        &self,
        depth: Depth,
        sink: S,
        progress: &dyn ScanObserver,
        cancel: &CancellationToken,
    ) -> Result<(Scanned, Gallery, S), EngineError> {
        let problems = Problems::new(progress);
        let looking = Looking {
            depth,
            is_everybody: true,
            priority: Priority::Background,
            progress,
            problems: &problems,
            cancel,
        };
        let listed = cancel
            .run_until_cancelled(Box::pin(self.discover(&looking)))
            .await
            .ok_or(EngineError::Cancelled)??;
        let complete = listed.sources_cut_short.is_none() && listed.targets_cut_short.is_none();
        let roster = in_background(move || listed.into_roster()).await;
        progress.on(ScanEvent::Paired {
            paired: roster.paired(),
            people: roster.people,
        });
        let listing = Listing::builder(roster.people as usize);
        let (seen, AndListing { sink, listing }) = self
            .look_at(roster, complete, &looking, AndListing { sink, listing })
            .await?;
        let (listing, gallery) = in_background(move || listing.finish_with_faces()).await;
        let listed = Arc::new(Listed {
            scanned_at: seen.scanned_at,
            complete: seen.complete,
            listing,
        });
        if let Err(problem) = self.remember_scan(Arc::clone(&listed)).await {
            problems.note(problem);
        }
        let scanned = Scanned {
            listed: Arc::unwrap_or_clone(listed),
            problems: problems.into_list(),
            target_only: seen.target_only,
        };
        Ok((scanned, gallery, sink))
    }

    /// Everybody on both sides, and who is in scope: all listings side by side.
    async fn discover(&self, looking: &Looking<'_>) -> Result<BothSides, EngineError> {
        let progress = looking.progress;
        let sources = list(
            self.source.people(),
            PackedSources::default(),
            |person: &SourcePerson| person.id.as_str(),
            PackedSources::add,
            |people, listed| progress.on(ScanEvent::SourcePage { people, listed }),
        );
        let targets = list(
            self.target.people(),
            PackedTargets::default(),
            |person: &TargetPerson| person.id.as_str(),
            PackedTargets::add,
            |people, listed| progress.on(ScanEvent::TargetPage { people, listed }),
        );
        let count = async { Ok::<_, EngineError>(self.target.count().await) };
        let (scope, sources, targets, count) = tokio::try_join!(self.scope(), sources, targets, count)?;

        for (system, cut_short, listed) in [
            (self.source.name(), &sources.cut_short, sources.people.len()),
            (self.target.name(), &targets.cut_short, targets.people.len()),
        ] {
            if let Some(why) = cut_short {
                looking.problems.note(format!(
                    "the listing of {system} was cut short after {listed} people: {why}"
                ));
            }
        }
        match count {
            Ok(count) if targets.cut_short.is_none() && count > targets.people.len() as u64 => {
                looking.problems.note(format!(
                    "{} counts {count} people in scope but lists {}: {} rows are hidden from this account by access rules",
                    self.target.name(),
                    targets.people.len(),
                    count - targets.people.len() as u64
                ));
            }
            Ok(_) => {}
            Err(error) => looking.problems.note(format!(
                "whether {} lists everybody could not be checked: {}",
                self.target.name(),
                in_words(&error)
            )),
        }
        Ok(BothSides {
            sources: sources.people,
            sources_cut_short: sources.cut_short,
            targets: targets.people,
            targets_cut_short: targets.cut_short,
            scope,
            rules: self.settings.rules.clone(),
        })
    }

    /// Who is in scope, groups resolved. A group that cannot be read is an error: leaving it out would include people
    /// who are to be left alone.
    pub(super) async fn scope(&self) -> Result<Scope, EngineError> {
        let include = self.members(&self.settings.include_groups);
        let exclude = self.members(&self.settings.exclude_groups);
        let (include, exclude) = tokio::try_join!(include, exclude)?;
        Ok(Scope::new(
            SourceScope {
                guests: self.settings.guests,
                disabled: self.settings.disabled,
                include: (!self.settings.include_groups.is_empty()).then_some(include),
                exclude,
                opt_outs: self.settings.opt_outs.clone(),
            },
            self.today(),
        ))
    }

    async fn members(&self, groups: &[String]) -> Result<HashSet<SourceId>, EngineError> {
        let each = groups.iter().map(|group| async move {
            let members = self.source.group_members(group).await;
            members.map_err(|source| EngineError::Group {
                group: group.clone(),
                source,
            })
        });
        let members = futures::future::try_join_all(each).await?;
        Ok(members.into_iter().flatten().collect())
    }
}

/// How a scan is done, for all its parts.
#[derive(Clone, Copy)]
pub(super) struct Looking<'a> {
    pub depth: Depth,
    /// True for a look at everybody, which alone is evidence of an absence.
    pub is_everybody: bool,
    pub priority: Priority,
    pub progress: &'a dyn ScanObserver,
    pub problems: &'a Problems<'a>,
    pub cancel: &'a CancellationToken,
}

/// What went wrong without ending the scan: told at once, and kept.
pub(super) struct Problems<'a> {
    progress: &'a dyn ScanObserver,
    list: Mutex<Vec<String>>,
}

impl<'a> Problems<'a> {
    pub(super) fn new(progress: &'a dyn ScanObserver) -> Self {
        Self {
            progress,
            list: Mutex::default(),
        }
    }

    pub(super) fn note(&self, problem: String) {
        self.progress.on(ScanEvent::Problem(&problem));
        self.list.lock().push(problem);
    }

    pub(super) fn into_list(self) -> Vec<String> {
        self.list.into_inner()
    }
}

/// One side's listing, packed.
struct OneSide<L> {
    people: L,
    /// Why it ended before its end.
    cut_short: Option<String>,
}

/// Reads all pages. Somebody who is listed twice, because the listing moved meanwhile, counts once.
async fn list<P, L>(
    mut pages: BoxStream<'_, Result<Vec<P>, ConnectorError>>,
    mut people: L,
    id: impl Fn(&P) -> &str,
    add: impl Fn(&mut L, &P),
    arrived: impl Fn(&[P], u64),
) -> Result<OneSide<L>, EngineError> {
    let mut seen = SeenIds::default();
    while let Some(page) = pages.next().await {
        match page {
            Ok(mut page) => {
                page.retain(|person| seen.insert(id(person)));
                arrived(&page, seen.len() as u64);
                for person in &page {
                    add(&mut people, person);
                }
            }
            Err(error) if seen.is_empty() || error.kind.stops_run() || is_access(&error.kind) => {
                return Err(error.into());
            }
            Err(error) => {
                return Ok(OneSide {
                    people,
                    cut_short: Some(in_words(&error)),
                });
            }
        }
    }
    Ok(OneSide {
        people,
        cut_short: None,
    })
}

/// Both listings.
struct BothSides {
    sources: PackedSources,
    sources_cut_short: Option<String>,
    targets: PackedTargets,
    targets_cut_short: Option<String>,
    scope: Scope,
    rules: Vec<MatchRule>,
}

impl BothSides {
    fn into_roster(self) -> Roster {
        let mut exclusions = Exclusions::default();
        for position in 0..self.sources.len() {
            exclusions.push(self.scope.exclusion(&self.sources.view(position).unpack()));
        }
        let considered = Considered {
            sources: &self.sources,
            positions: &exclusions.considered(),
        };
        let matches = pair(&considered, &self.targets, &self.rules);
        Roster::new(
            self.sources,
            exclusions,
            matches.iter(),
            self.targets,
            self.rules,
            self.targets_cut_short.is_some(),
        )
    }
}

/// Keeps everybody.
#[derive(Default)]
pub(super) struct Everybody(Vec<(u32, PersonState)>);

impl ScanSink for Everybody {
    fn take(&mut self, position: u32, person: PersonState) {
        self.0.push((position, person));
    }
}

impl Everybody {
    pub(super) fn into_scan(mut self, seen: Seen, problems: Vec<String>, suspicions: Suspicions) -> Scan {
        self.0.sort_by_key(|(position, _)| *position);
        Scan {
            scanned_at: seen.scanned_at,
            complete: seen.complete,
            problems,
            people: self.0.into_iter().map(|(_, person)| person).collect(),
            target_only: seen.target_only,
            suspicions,
        }
    }
}

/// Puts everybody into a listing on their way.
struct AndListing<S> {
    sink: S,
    listing: listing::Builder,
}

impl<S: ScanSink> ScanSink for AndListing<S> {
    fn take(&mut self, position: u32, person: PersonState) {
        self.listing.push_with(&person.particulars(), person.faces());
        self.sink.take(position, person);
    }
}

/// Runs work that takes a processor for a while on a blocking thread.
pub(super) async fn in_background<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        // The runtime is shutting down, and this future with it.
        Err(_) => std::future::pending().await,
    }
}
