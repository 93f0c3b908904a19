//! What was done, page by page, and the faces of an undo: the one of now, and the one that comes back.

use super::{Engine, PastFace, SidePicture, in_words};
use crate::connector::Priority;
use crate::domain::ids::RunId;
use crate::domain::photo::{AvatarChain, Sha256};
use crate::domain::run::PersonRef;
use crate::domain::tidying::{Names, TidyStep, Write};
use crate::store::StoreError;
use crate::store::journal::{PeopleCursor, PeopleFilter, PeoplePage, RunCursor, RunsPage};

impl Engine {
    /// A page of runs, the newest first; `after` is the end of the page before.
    pub async fn past_runs(&self, after: Option<RunCursor>, limit: usize) -> Result<RunsPage, StoreError> {
        self.store.journal().past_runs(after, limit).await
    }

    /// A page of a run's people, in the order in which their turns ended; `after` is the end of the page before.
    pub async fn past_people(
        &self,
        run: &RunId,
        filter: &PeopleFilter,
        after: Option<PeopleCursor>,
        limit: usize,
    ) -> Result<PeoplePage, StoreError> {
        self.store.journal().past_people(run, filter, after, limit).await
    }

    /// What a person is shown now.
    pub async fn face_now(&self, person: &PersonRef, priority: Priority) -> PastFace {
        match self.chain_now(person, priority).await {
            Ok(Some(chain)) => self.displayed(&chain, priority).await,
            Ok(None) => PastFace::None,
            Err(why) => PastFace::Failed(why),
        }
    }

    /// What a person will be shown once this step of an undo is done.
    pub async fn face_again(&self, step: &TidyStep, priority: Priority) -> PastFace {
        let Some(shows) = step.shows else {
            return PastFace::None;
        };
        match self.store.vault().get(&shows).await {
            Ok(Some(bytes)) => return PastFace::Bytes(bytes),
            Ok(None) => {}
            Err(error) => return PastFace::Failed(error.sentence()),
        }
        // It may never have gone: then it is named again, or is displayed all along.
        let named = step.writes.iter().filter_map(|write| match write {
            Write::SetColumn {
                names: Names::Picture(picture),
                ..
            } => Some(picture.clone()),
            Write::SetColumn { .. } | Write::Store { .. } | Write::Remove { .. } => None,
        });
        let chain = match self.chain_now(&step.person, priority).await {
            Ok(chain) => chain,
            Err(why) => return PastFace::Failed(why),
        };
        let displayed = chain.and_then(|chain| chain.served).map(|served| served.picture);
        for picture in named.chain(displayed) {
            if let SidePicture::Bytes(bytes) = self.target_bytes(&picture, None, priority).await
                && Sha256::of(&bytes) == shows
            {
                return PastFace::Bytes(bytes);
            }
        }
        PastFace::NotKept
    }

    /// The person's records now; `None` for a person who is gone. An error in words.
    async fn chain_now(&self, person: &PersonRef, priority: Priority) -> Result<Option<AvatarChain>, String> {
        let Some(target) = &person.target else {
            return Ok(None);
        };
        let chains = self
            .target
            .chains(std::slice::from_ref(target), priority)
            .await
            .map_err(|error| in_words(&error))?;
        let found = chains.into_iter().find(|(id, _)| id == target);
        Ok(found.map(|(_, chain)| chain))
    }

    async fn displayed(&self, chain: &AvatarChain, priority: Priority) -> PastFace {
        let Some(served) = &chain.served else {
            return PastFace::None;
        };
        let stated = chain.served_picture().and_then(|row| row.sha256);
        match self.target_bytes(&served.picture, stated, priority).await {
            SidePicture::Absent => PastFace::None,
            SidePicture::Bytes(bytes) => PastFace::Bytes(bytes),
            SidePicture::Failed(why) => PastFace::Failed(why),
        }
    }
}
