//! A look at the photo itself before it is pushed. Whoever is missing in the target has not been downloaded before, so
//! the plan could not know that the photo is probably not theirs.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use parking_lot::Mutex;

use crate::domain::filter::folded;
use crate::domain::ids::SourceId;
use crate::domain::photo::Sha256;
use crate::domain::picture::PictureFacts;
use crate::domain::run::PersonRef;
use crate::domain::suspicion::{Face, Suspicion, is_one_person};

/// So many photos of one run are remembered, about ten megabytes of them; what is pushed after that is compared with
/// these alone.
pub(super) const REMEMBERED: usize = 100_000;

/// What one run has pushed for whom.
#[derive(Debug, Default)]
pub(in crate::engine) struct Guard {
    pushed: Mutex<HashMap<Sha256, Owner>>,
}

#[derive(Debug)]
struct Owner {
    source: SourceId,
    name: Box<str>,
}

impl Guard {
    /// Why this photo is probably not the person's own, as a sentence without a full stop; if nothing speaks against
    /// it, it is remembered as theirs.
    pub(super) fn suspicion(&self, person: &PersonRef, photo: &PictureFacts) -> Option<String> {
        if let Some(suspicion) = Face::of(&photo.fingerprint).suspicion() {
            // Only suspicions about other people ask for their names.
            return Some(suspicion.sentence(|_| "".into()));
        }
        let mut pushed = self.pushed.lock();
        let is_full = pushed.len() >= REMEMBERED;
        match pushed.entry(photo.sha256) {
            Entry::Vacant(vacant) => {
                if !is_full {
                    vacant.insert(Owner {
                        source: person.source.clone(),
                        name: person.name.shown().into(),
                    });
                }
                None
            }
            Entry::Occupied(owner) => {
                let owner = owner.get();
                let is_own = owner.source == person.source
                    || is_one_person(&folded(&owner.name), &folded(&person.name.shown()));
                let shared = Suspicion::Shared { others: 1, one: 0 };
                (!is_own).then(|| shared.sentence(|_| (&*owner.name).into()))
            }
        }
    }
}
