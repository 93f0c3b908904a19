//! What an interrupted run has left, settled before anything new is sent (`reliability.md` 2, last paragraph).
//!
//! Whoever has announced writes and no settled ending is looked at afresh. A push is safe to begin again from any
//! state of the target: what is there already is kept, what is superseded is deleted. So the answer to nearly
//! everything is to push once more; only if somebody else has written meanwhile, or there is no photo to push, is our
//! part taken back.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use futures::stream::{FuturesUnordered, StreamExt as _};

use super::push::{Ended, Pushing, Turn};
use super::{Engine, RunControl};
use crate::connector::{ConnectorError, Priority};
use crate::domain::ids::{PictureId, RunId, TargetId};
use crate::domain::photo::{AvatarChain, PictureForm, Place, Sha256, StoredPicture};
use crate::domain::plan::Change;
use crate::domain::run::{Outcome, StopReason};
use crate::domain::tidying::Task;
use crate::store::journal::{KeptPicture, StepRecord, Unfinished, WriteKind, WriteRecord};
use crate::store::{Access, StoreError};

/// Why what was left could not be settled; nothing new may be sent.
#[derive(Debug, thiserror::Error)]
pub enum RecoverError {
    /// The journal cannot be read or written.
    #[error("what an interrupted run has left cannot be settled without the journal")]
    Storage(#[from] StoreError),
    /// A service that is needed for it does not answer or refuses.
    #[error("what an interrupted run has left cannot be settled now")]
    Connector(#[from] ConnectorError),
    /// It did not work out for somebody.
    #[error("what an interrupted run has left cannot be settled now: {0}")]
    Stopped(String),
}

/// What to do about somebody whose push was interrupted.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Decision {
    /// Nothing of ours is there.
    Nothing,
    /// Push once more.
    Finish,
    /// Somebody else has stored another picture: take ours back.
    StepBack,
}

/// What is left of each person together: whom two runs have left is settled for one after the other.
fn by_person(left: Vec<Unfinished>) -> Vec<Vec<Unfinished>> {
    let mut people: Vec<Vec<Unfinished>> = Vec::new();
    let mut positions: HashMap<TargetId, usize> = HashMap::new();
    for person in left {
        let position = match &person.person.target {
            Some(target) => *positions.entry(target.clone()).or_insert(people.len()),
            None => people.len(),
        };
        if position == people.len() {
            people.push(Vec::new());
        }
        people[position].push(person);
    }
    people
}

/// Decides from what was announced and what is there now, at the places that the write mode writes. Pure.
fn decide(person: &Unfinished, chain: &AvatarChain, places: &[Place]) -> Decision {
    if person.change == Task::Push(Change::Remove) {
        // Columns go before rows, so every state on the way is sound; the next plan decides afresh.
        return Decision::Nothing;
    }
    let ours = rows_of_ours(person, chain);
    let kept: HashSet<&PictureId> = person.kept.iter().map(|kept| &kept.stored.id).collect();
    let wanted: HashSet<Sha256> = person
        .writes
        .iter()
        .filter(|write| write.intent.kind == WriteKind::Upload)
        .filter_map(|write| write.intent.sha256)
        .collect();
    // At a place that held the wanted bytes already nothing was stored and nothing kept.
    let is_foreign = |row: &StoredPicture| {
        row.form == PictureForm::ImageField
            && !ours.contains(&row.id)
            && !kept.contains(&row.id)
            && row.sha256.is_none_or(|sha256| !wanted.contains(&sha256))
    };
    if ours.is_empty() {
        Decision::Nothing
    } else if places
        .iter()
        .filter_map(|place| chain.record(*place))
        .flat_map(|record| &record.pictures)
        .any(is_foreign)
    {
        // Chosen by somebody since, even if in the one record our row went with it.
        Decision::StepBack
    } else {
        Decision::Finish
    }
}

/// Rows that the interrupted push stored: those it was told of, and those with the bytes of an announced upload at
/// the announced record.
pub(super) fn rows_of_ours(person: &Unfinished, chain: &AvatarChain) -> HashSet<PictureId> {
    let uploads = || {
        person
            .writes
            .iter()
            .filter(|write| write.intent.kind == WriteKind::Upload)
    };
    let told: HashSet<PictureId> = uploads().filter_map(WriteRecord::uploaded).collect();
    let mut ours = HashSet::new();
    for record in &chain.records {
        for row in &record.pictures {
            // What an answer has told of by its id need not be looked for by its bytes: somebody may have chosen the same
            // picture since.
            let has_bytes_of = |write: &WriteRecord| {
                write.uploaded().is_none()
                    && write.intent.record.as_ref() == Some(&record.id)
                    && write.intent.bytes == Some(row.bytes)
                    && write.intent.sha256 == row.sha256
                    && row.sha256.is_some()
            };
            if told.contains(&row.id) || uploads().any(has_bytes_of) {
                ours.insert(row.id.clone());
            }
        }
    }
    ours
}

impl Engine {
    /// True if an interrupted run has left something that [`Engine::recover`] would settle.
    pub async fn has_left_over(&self) -> Result<bool, StoreError> {
        Ok(!self.store.journal().unfinished().await?.is_empty())
    }

    /// Settles what interrupted runs have left: finishes it, or takes it back. Answers one sentence per person; none
    /// if there was nothing to do. Call it before a scan and before anything new is sent.
    ///
    /// A run may have left as many people as it may have under way, so they are settled side by side as in a run:
    /// most of it is waiting for virus scans and rules.
    ///
    /// # Errors
    ///
    /// If a service does not answer. The journal keeps whoever is not settled for the next attempt; who is being
    /// settled then is brought to an end first.
    pub async fn recover(&self) -> Result<Vec<String>, RecoverError> {
        if self.store.access() == Access::Read {
            return Ok(Vec::new());
        }
        let control = RunControl::new();
        let leader = self.pushing(RunId::new(""), &control);
        let most = self.under_way_at_most();
        let mut waiting = by_person(self.store.journal().unfinished().await?).into_iter();
        let mut at_work = FuturesUnordered::new();
        let mut sentences = Vec::new();
        let mut trouble = None;
        loop {
            while trouble.is_none() && at_work.len() < most {
                let Some(left) = waiting.next() else { break };
                at_work.push(self.settle_all_of(left, &leader, &control));
            }
            match at_work.next().await {
                None => break,
                Some(Ok(settled)) => sentences.extend(settled),
                Some(Err(error)) => _ = trouble.get_or_insert(error),
            }
        }
        match trouble {
            Some(error) => Err(error),
            None => Ok(sentences),
        }
    }

    /// Everything that is left of one person, oldest run first.
    async fn settle_all_of(
        &self,
        left: Vec<Unfinished>,
        leader: &Pushing,
        control: &RunControl,
    ) -> Result<Vec<String>, RecoverError> {
        let mut sentences = Vec::new();
        for person in left {
            // All of them take turns with each other and look again at common moments.
            let pushing = Pushing {
                slots: Arc::clone(&leader.slots),
                began: leader.began,
                ..self.pushing(person.run.clone(), control)
            };
            let mut turn = Turn::take(&pushing.slots).await;
            let mut ended = self.settle_person(&pushing, &person, &mut turn).await?;
            if ended.settled && ended.stop.is_none() {
                ended = pushing.without_doubled(&person, ended).await;
            }
            // After any other ending what is there may be somebody else's in part, and an undo works it out from the writes.
            let after = if ended.settled && ended.outcome.is_as_planned() {
                pushing.state_of(&person).await?.map(|chain| chain.stamp())
            } else {
                None
            };
            let sentence = format!(
                "{}: interrupted in run {}; {}",
                person.person.upn.shown(),
                person.run,
                ended.detail
            );
            let record = StepRecord {
                run: person.run.clone(),
                person: person.person.clone(),
                change: person.change,
                outcome: ended.outcome,
                detail: format!("interrupted; {}", ended.detail),
                hint: ended.hint,
                settled: ended.settled,
                after,
                at: self.now(),
            };
            self.store.journal().step(record).await?;
            if let Some(stop) = ended.stop {
                return Err(RecoverError::Stopped(match stop {
                    StopReason::Refused { message, .. }
                    | StopReason::Storage(message)
                    | StopReason::Brake(message) => message,
                    StopReason::Cancelled => sentence,
                }));
            }
            sentences.push(sentence);
        }
        Ok(sentences)
    }

    async fn settle_person(
        &self,
        pushing: &Pushing,
        person: &Unfinished,
        turn: &mut Turn,
    ) -> Result<Ended, RecoverError> {
        let change = match person.change {
            Task::Push(change) => change,
            Task::Tidy(_) => return pushing.settle_tidying(person).await,
        };
        let Some(chain) = self.chain_of(person).await? else {
            return Ok(Ended::new(
                Outcome::Skipped,
                "this person is gone from the target",
            ));
        };
        match decide(person, &chain, &self.target.places_to_write(&chain)) {
            Decision::Nothing => Ok(Ended::new(Outcome::Skipped, "nothing of it was left behind")),
            Decision::StepBack => self.step_back(pushing, person, &chain).await,
            Decision::Finish => {
                let ended = pushing
                    .push(&person.person, change, Some(&chain.stamp()), turn)
                    .await;
                if ended.stop.is_some() {
                    return Ok(ended);
                }
                if matches!(ended.outcome, Outcome::Updated | Outcome::Unchanged) {
                    return self.clear_away(pushing, person, ended).await;
                }
                match self.chain_of(person).await? {
                    Some(chain) => {
                        let back = self.step_back(pushing, person, &chain).await?;
                        Ok(Ended {
                            detail: format!("{}; {}", ended.detail, back.detail),
                            ..back
                        })
                    }
                    None => Ok(ended),
                }
            }
        }
    }

    /// After a push: an ordinary attachment that was the avatar, was kept, and is named by no column any more looks
    /// like any other attachment; only the journal knows that it was to be deleted.
    async fn clear_away(
        &self,
        pushing: &Pushing,
        person: &Unfinished,
        ended: Ended,
    ) -> Result<Ended, RecoverError> {
        let is_plain = |kept: &KeptPicture| kept.stored.form == PictureForm::Plain;
        if !person.kept.iter().any(is_plain) {
            return Ok(ended);
        }
        let Some(chain) = self.chain_of(person).await? else {
            return Ok(ended);
        };
        let displayed = chain.served.as_ref().map(|served| &served.picture);
        let doomed: Vec<PictureId> = person
            .kept
            .iter()
            .filter(|kept| is_plain(kept))
            .map(|kept| kept.stored.id.clone())
            .filter(|id| displayed != Some(id) && !super::push::is_named(&chain, id))
            .collect();
        let trouble = pushing
            .remove_rows(&person.person, person.change, &chain, &doomed)
            .await;
        Ok(trouble.unwrap_or(ended))
    }

    async fn chain_of(&self, person: &Unfinished) -> Result<Option<AvatarChain>, RecoverError> {
        let Some(target) = &person.person.target else {
            return Ok(None);
        };
        let chains = self
            .target
            .chains(std::slice::from_ref(target), Priority::Background)
            .await?;
        Ok(chains
            .into_iter()
            .find(|(id, _)| id == target)
            .map(|(_, chain)| chain))
    }

    /// Removes what is ours and not displayed; if ours is displayed, removes what it has superseded.
    async fn step_back(
        &self,
        pushing: &Pushing,
        person: &Unfinished,
        chain: &AvatarChain,
    ) -> Result<Ended, RecoverError> {
        let target = person.person.target.as_ref().expect("a chain was read for it");
        let displayed = self.target.displayed(std::slice::from_ref(target)).await?;
        let displayed = displayed.into_iter().find_map(|(_, picture)| picture);
        let ours = rows_of_ours(person, chain);
        let doomed = surplus(person, chain, &ours, displayed.as_ref());
        let count = doomed.len();
        let ended = pushing
            .remove_rows(&person.person, person.change, chain, &doomed)
            .await;
        Ok(ended.unwrap_or_else(|| {
            Ended::new(
                Outcome::ChangedMeanwhile,
                match count {
                    0 => "what is displayed stays".to_owned(),
                    1 => "one picture that nobody sees was removed".to_owned(),
                    count => format!("{count} pictures that nobody sees were removed"),
                },
            )
        }))
    }
}

/// Rows that may go: ours that are neither displayed nor named; and, at records where ours is displayed, those that
/// it superseded and that were kept.
fn surplus(
    person: &Unfinished,
    chain: &AvatarChain,
    ours: &HashSet<PictureId>,
    displayed: Option<&PictureId>,
) -> Vec<PictureId> {
    let is_ours_displayed = displayed.is_some_and(|displayed| ours.contains(displayed));
    let mut doomed = Vec::new();
    for record in &chain.records {
        let holds_ours = record.pictures.iter().any(|row| ours.contains(&row.id));
        for row in &record.pictures {
            let is_kept = person.kept.iter().any(|kept| kept.stored.id == row.id);
            let may_go = if is_ours_displayed {
                is_kept && holds_ours
            } else {
                ours.contains(&row.id)
            };
            let is_named = super::push::is_named(chain, &row.id);
            if may_go && !is_named && displayed != Some(&row.id) {
                doomed.push(row.id.clone());
            }
        }
    }
    doomed
}

#[cfg(test)]
mod tests;
