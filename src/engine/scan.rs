//! One look at everybody: discover, pair, load, settle, judge.

use tokio_util::sync::CancellationToken;

use super::{Depth, Engine, EngineError, Scan};
use crate::domain::person::{SourcePerson, TargetPerson};

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
    /// An error means that there is nothing to show: a refused sign-in, a missing right, a side of which nobody could be listed,
    /// or `cancel`.
    pub async fn scan(
        &self,
        depth: Depth,
        progress: &dyn ScanObserver,
        cancel: &CancellationToken,
    ) -> Result<Scan, EngineError> {
        let _ = (depth, progress, cancel);
        Err(EngineError::Cancelled)
    }

    /// Looks at the people named by PERSON arguments, without listing everybody: see [`Engine::find`] for how they are
    /// found. Ambiguities are seen as a full scan would see them.
    pub async fn scan_people(&self, people: &[String], depth: Depth) -> Result<Scan, EngineError> {
        let _ = (people, depth);
        Err(EngineError::Cancelled)
    }
}
