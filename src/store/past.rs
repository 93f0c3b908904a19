//! Looking back with both halves of the safety: the journal tells what was done, the vault what can still be shown.

use std::collections::HashMap;

use super::journal::{PastPicture, PastStep, PeopleCursor, PeopleFilter};
use super::{Store, StoreError};
use crate::domain::ids::{RunId, SourceId};
use crate::domain::photo::Sha256;
use crate::domain::run::Outcome;

/// Some people of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PastPeople {
    /// The people, in the order in which their turns ended.
    pub people: Vec<PastPerson>,
    /// Where the next page begins; `None` if this is the last one.
    pub next: Option<PeopleCursor>,
}

/// One person's step in a run, and which of its two pictures are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastPerson {
    /// The step with both pictures' names.
    pub past: PastStep,
    /// True if a sound copy of the old picture is in the vault, so that the step can be taken back.
    pub old_is_kept: bool,
    /// True if a sound copy of the new picture is in the vault, because it was replaced later.
    pub new_is_kept: bool,
}

impl PastPerson {
    /// True if the journal and the vault have what it takes to take the step back; whether somebody has changed the
    /// picture since, only the target can tell.
    pub fn can_undo(&self) -> bool {
        let did_something = self.past.old.is_some() || self.past.new.is_some();
        let step = &self.past.step;
        // How it was left may not have been seen; then the writes account for it.
        let was_done = step.after.is_some() || matches!(step.outcome, Outcome::Updated | Outcome::Removed);
        did_something && was_done && (self.past.old.is_none() || self.old_is_kept)
    }
}

impl Store {
    /// A page of a run's people. Reads of the vault whatever the page names: some hundred people a page are enough.
    pub async fn past_people(
        &self,
        run: &RunId,
        filter: &PeopleFilter,
        after: Option<PeopleCursor>,
        limit: usize,
    ) -> Result<PastPeople, StoreError> {
        let page = self.journal().past_people(run, filter, after, limit).await?;
        Ok(PastPeople {
            people: self.with_vault(page.people).await?,
            next: page.next,
        })
    }

    /// One person's step in a run, if they had one.
    pub async fn past_person(
        &self,
        run: &RunId,
        person: &SourceId,
    ) -> Result<Option<PastPerson>, StoreError> {
        let step = self.journal().past_person(run, person).await?;
        Ok(self.with_vault(step.into_iter().collect()).await?.pop())
    }

    /// Everything that was done to whoever is called this, the newest first: an id of either side, a sign-in name of
    /// either side or an e-mail address, in any capitalisation. Looks through all steps.
    pub async fn past_of_person(&self, person: &str) -> Result<Vec<PastPerson>, StoreError> {
        let steps = self.journal().past_of_person(person).await?;
        self.with_vault(steps).await
    }

    async fn with_vault(&self, steps: Vec<PastStep>) -> Result<Vec<PastPerson>, StoreError> {
        let mut known: HashMap<Sha256, bool> = HashMap::new();
        let mut people = Vec::with_capacity(steps.len());
        for past in steps {
            let old_is_kept = self.keeps(past.old.as_ref(), &mut known).await?;
            let new_is_kept = self.keeps(past.new.as_ref(), &mut known).await?;
            people.push(PastPerson {
                past,
                old_is_kept,
                new_is_kept,
            });
        }
        Ok(people)
    }

    /// The same picture is often many people's: each is looked at once.
    async fn keeps(
        &self,
        picture: Option<&PastPicture>,
        known: &mut HashMap<Sha256, bool>,
    ) -> Result<bool, StoreError> {
        let Some(sha256) = picture.and_then(|picture| picture.sha256) else {
            return Ok(false);
        };
        if let Some(is_kept) = known.get(&sha256) {
            return Ok(*is_kept);
        }
        let is_kept = match self.vault().holds(&sha256).await {
            // Without the key nobody can look at it or put it back. The rest can be looked at all the same.
            Err(StoreError::Key(_)) => false,
            other => other?,
        };
        known.insert(sha256, is_kept);
        Ok(is_kept)
    }
}
