//! One look at everybody: discover, pair, load, settle, judge.

use std::collections::HashSet;
use std::hash::Hash;

use futures::StreamExt;
use futures::stream::BoxStream;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::roster::{Roster, Scope};
use super::{Depth, Engine, EngineError, Scan, in_words, is_access};
use crate::connector::{ConnectorError, Priority};
use crate::domain::ids::SourceId;
use crate::domain::pairing::{MatchRule, pair};
use crate::domain::person::{SourcePerson, TargetPerson};
use crate::domain::scope::{Exclusion, SourceScope};

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
    /// Looks at everybody on both sides.
    ///
    /// What goes wrong for one person is that person's verdict; what cuts a listing short makes the scan incomplete.
    /// An error means that there is nothing to show: a refused sign-in, a missing right, a side of which nobody could
    /// be listed, or `cancel`.
    pub async fn scan(
        &self,
        depth: Depth,
        progress: &dyn ScanObserver,
        cancel: &CancellationToken,
    ) -> Result<Scan, EngineError> {
        let problems = Problems::new(progress);
        let looking = Looking {
            depth,
            priority: Priority::Background,
            progress,
            problems: &problems,
            cancel,
        };
        let listed = cancel
            .run_until_cancelled(self.discover(&looking))
            .await
            .ok_or(EngineError::Cancelled)??;
        let complete = listed.sources_cut_short.is_none() && listed.targets_cut_short.is_none();
        let roster = in_background(move || listed.into_roster()).await;
        progress.on(ScanEvent::Paired {
            paired: roster.targets.len() as u64,
            people: roster.sources.len() as u64,
        });
        let scan = self.look_at(roster, complete, &looking).await?;
        let (scan, remembered) = self.remember_scan(scan).await;
        if let Err(error) = remembered {
            problems.note(error);
        }
        Ok(Scan {
            problems: problems.into_list(),
            ..scan
        })
    }

    /// Everybody on both sides, and who is in scope: all listings side by side.
    async fn discover(&self, looking: &Looking<'_>) -> Result<Listed, EngineError> {
        let progress = looking.progress;
        let sources = list(
            self.source.people(),
            |person: &SourcePerson| person.id.clone(),
            |people, listed| progress.on(ScanEvent::SourcePage { people, listed }),
        );
        let targets = list(
            self.target.people(),
            |person: &TargetPerson| person.id.clone(),
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
        Ok(Listed {
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

/// One side's listing.
struct Listing<P> {
    people: Vec<P>,
    /// Why it ended before its end.
    cut_short: Option<String>,
}

/// Reads all pages. Somebody who is listed twice, because the listing moved meanwhile, counts once.
async fn list<P, K: Eq + Hash>(
    mut pages: BoxStream<'_, Result<Vec<P>, ConnectorError>>,
    key: impl Fn(&P) -> K,
    arrived: impl Fn(&[P], u64),
) -> Result<Listing<P>, EngineError> {
    let mut people = Vec::new();
    let mut seen = HashSet::new();
    while let Some(page) = pages.next().await {
        match page {
            Ok(mut page) => {
                page.retain(|person| seen.insert(key(person)));
                arrived(&page, (people.len() + page.len()) as u64);
                people.append(&mut page);
            }
            Err(error) if people.is_empty() || error.kind.stops_run() || is_access(&error.kind) => {
                return Err(error.into());
            }
            Err(error) => {
                return Ok(Listing {
                    people,
                    cut_short: Some(in_words(&error)),
                });
            }
        }
    }
    Ok(Listing {
        people,
        cut_short: None,
    })
}

/// Both listings.
struct Listed {
    sources: Vec<SourcePerson>,
    sources_cut_short: Option<String>,
    targets: Vec<TargetPerson>,
    targets_cut_short: Option<String>,
    scope: Scope,
    rules: Vec<MatchRule>,
}

impl Listed {
    fn into_roster(self) -> Roster {
        let exclusions: Vec<Option<Exclusion>> = self
            .sources
            .iter()
            .map(|person| self.scope.exclusion(person))
            .collect();
        let considered: Vec<&SourcePerson> = self
            .sources
            .iter()
            .zip(&exclusions)
            .filter_map(|(person, exclusion)| exclusion.is_none().then_some(person))
            .collect();
        let matches = pair(&considered, &self.targets, &self.rules);
        Roster::new(
            self.sources,
            exclusions,
            matches,
            self.targets,
            self.rules,
            self.targets_cut_short.is_some(),
        )
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
