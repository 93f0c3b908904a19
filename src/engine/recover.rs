//! What an interrupted run has left, settled before anything new is sent (`reliability.md` 2, last paragraph).
//!
//! Whoever has announced writes and no settled ending is looked at afresh. A push is safe to begin again from any
//! state of the target: what is there already is kept, what is superseded is deleted. So the answer to nearly
//! everything is to push once more; only if somebody else has written meanwhile, or there is no photo to push, is our
//! part taken back.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use futures::stream::{FuturesUnordered, StreamExt as _};
use tokio::sync::mpsc;

use super::apply::{Pauses, next_turn_of};
use super::push::{Ended, Pushing, Turn};
use super::{Engine, RunControl};
use crate::connector::{ConnectorError, Priority};
use crate::domain::ids::{PictureId, RunId, TargetId};
use crate::domain::photo::{AvatarChain, PictureForm, Place, Sha256, StoredPicture};
use crate::domain::plan::Change;
use crate::domain::run::{Outcome, RunEvent, Settled, StopReason};
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
    #[error("what an interrupted run has left cannot be settled now: {message}")]
    Stopped {
        /// True if sign-in failed or a right is missing.
        is_access: bool,
        /// Cause and hint in words.
        message: String,
    },
    /// Somebody asked to stop. Whoever was under way has been finished; the journal keeps the others for the next start.
    #[error("cancelled; {}", so_far(*.settled, *.left))]
    Cancelled {
        /// People who are settled.
        settled: u64,
        /// People who are not.
        left: u64,
    },
}

/// What a settling that was cancelled has come to.
fn so_far(settled: u64, left: u64) -> String {
    let people = |count: u64| match count {
        1 => "1 person".to_owned(),
        count => format!("{count} people"),
    };
    match (settled, left) {
        (settled, 0) => format!(
            "what an interrupted run had left is settled ({})",
            people(settled)
        ),
        (0, left) => format!(
            "nothing of what an interrupted run has left was settled ({})",
            people(left)
        ),
        (settled, left) => format!(
            "of what an interrupted run has left {} settled, {}",
            if settled == 1 {
                "1 person is".to_owned()
            } else {
                format!("{} are", people(settled))
            },
            if left == 1 {
                "1 is not".to_owned()
            } else {
                format!("{left} are not")
            },
        ),
    }
}

/// How it went for one person.
enum End {
    /// It was looked after everything; false if something of it stays open for the next start all the same.
    Over { is_settled: bool },
    /// Somebody asked to stop before it was their turn, or between two of their runs.
    NotReached,
    /// It did not work out.
    Trouble(RecoverError),
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

    /// Settles what interrupted runs have left, with nobody who watches or stops it: see [`Engine::recover_watched`].
    /// Answers one sentence per person; none if there was nothing to do.
    ///
    /// # Errors
    ///
    /// Those of [`Engine::recover_watched`], without the cancelling.
    pub async fn recover(&self) -> Result<Vec<String>, RecoverError> {
        let (events, mut told) = mpsc::unbounded_channel();
        self.settle_left_over(&RunControl::new(), |event| {
            // The other end is in this very function.
            drop(events.send(event));
            std::future::ready(())
        })
        .await?;
        drop(events);
        let mut sentences = Vec::new();
        while let Some(event) = told.recv().await {
            if let RunEvent::Settled { settled, .. } = event {
                sentences.push(settled.sentence());
            }
        }
        Ok(sentences)
    }

    /// Settles what interrupted runs have left: finishes it, or takes it back. Answers for how many people. Call it
    /// before a scan and before anything new is sent. Nobody needs to listen to the events; a full channel slows the
    /// settling down.
    ///
    /// A run may have left as many people as it may have under way, so they are settled side by side as in a run:
    /// most of it is waiting for virus scans and rules. Like a run it can be paused and cancelled.
    ///
    /// # Errors
    ///
    /// If a service does not answer, or if it was cancelled before or while there was something to settle. The journal
    /// keeps whoever is not settled for the next attempt; who is being settled then is brought to an end first.
    pub async fn recover_watched(
        &self,
        control: &RunControl,
        events: &mpsc::Sender<RunEvent>,
    ) -> Result<u64, RecoverError> {
        self.settle_left_over(control, async |event| {
            // Nobody may be listening.
            drop(events.send(event).await);
        })
        .await
    }

    async fn settle_left_over<T: Future<Output = ()>>(
        &self,
        control: &RunControl,
        tell: impl Fn(RunEvent) -> T,
    ) -> Result<u64, RecoverError> {
        if self.store.access() == Access::Read {
            return Ok(0);
        }
        let people = by_person(self.store.journal().unfinished().await?);
        let total = people.len() as u64;
        if total == 0 {
            return Ok(0);
        }
        tell(RunEvent::Settling { total }).await;
        let leader = self.pushing(RunId::new(""), control);
        let most = self.under_way_at_most();
        let mut waiting = people.into_iter();
        let mut at_work = FuturesUnordered::new();
        let mut pauses = Pauses::default();
        let mut tick = tokio::time::interval(Duration::from_secs(1));
        let mut trouble = None;
        let mut has_stopped_waiting = false;
        let (mut done, mut open) = (0, 0);
        loop {
            while trouble.is_none() && !control.is_cancelled() && at_work.len() < most {
                let Some(left) = waiting.next() else { break };
                at_work.push(self.settle_all_of(left, &leader, control));
            }
            let (settled, end) = tokio::select! {
                biased;
                next = at_work.next() => match next {
                    Some(next) => next,
                    None => break,
                },
                () = control.cancelled(), if !has_stopped_waiting => {
                    // Whoever is under way waits for room on the disk no longer than in a run that is cancelled.
                    self.store.stop_waiting_for_room();
                    has_stopped_waiting = true;
                    continue;
                }
                _ = tick.tick() => {
                    for pause in pauses.new_of(&self.lanes()) {
                        tell(pause).await;
                    }
                    continue;
                }
            };
            if let End::Over { is_settled } = end {
                done += 1;
                open += u64::from(!is_settled);
            }
            for settled in settled {
                tell(RunEvent::Settled { settled, done, total }).await;
            }
            if let End::Trouble(error) = end {
                trouble.get_or_insert(error);
            }
        }
        match trouble {
            Some(error) => Err(error),
            None if control.is_cancelled() => Err(RecoverError::Cancelled {
                settled: done - open,
                left: total - done + open,
            }),
            None => Ok(done),
        }
    }

    /// Everything that is left of one person, oldest run first, until somebody asks to stop; what was settled, and
    /// whether that is all.
    async fn settle_all_of(
        &self,
        left: Vec<Unfinished>,
        leader: &Pushing,
        control: &RunControl,
    ) -> (Vec<Settled>, End) {
        let mut settled = Vec::new();
        let mut is_settled = true;
        for person in left {
            // All of them take turns with each other and look again at common moments.
            let pushing = Pushing {
                slots: Arc::clone(&leader.slots),
                began: leader.began,
                ..self.pushing(person.run.clone(), control)
            };
            // Whoever waits for a turn is not under way yet.
            let turn = tokio::select! {
                biased;
                () = control.cancelled() => return (settled, End::NotReached),
                turn = next_turn_of(&pushing, control) => turn,
            };
            match self.look_after(&pushing, person, turn).await {
                Ok((one, is_over)) => {
                    settled.push(one);
                    is_settled &= is_over;
                }
                Err(error) => return (settled, End::Trouble(error)),
            }
        }
        (settled, End::Over { is_settled })
    }

    /// What one run has left of one person; true if nothing of it is left any more.
    async fn look_after(
        &self,
        pushing: &Pushing,
        person: Unfinished,
        mut turn: Turn,
    ) -> Result<(Settled, bool), RecoverError> {
        let mut ended = self.settle_person(pushing, &person, &mut turn).await?;
        if ended.settled && ended.stop.is_none() {
            ended = pushing.without_doubled(&person, ended).await;
        }
        // After any other ending what is there may be somebody else's in part, and an undo works it out from the writes.
        let after = if ended.settled && ended.outcome.is_as_planned() {
            pushing.state_of(&person).await?.map(|chain| chain.stamp())
        } else {
            None
        };
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
        let settled = Settled {
            run: person.run,
            person: person.person,
            outcome: ended.outcome,
            detail: ended.detail,
        };
        match ended.stop {
            None => Ok((settled, ended.settled)),
            Some(StopReason::Refused { is_access, message }) => {
                Err(RecoverError::Stopped { is_access, message })
            }
            Some(StopReason::Storage(message) | StopReason::Brake(message)) => Err(RecoverError::Stopped {
                is_access: false,
                message,
            }),
            Some(StopReason::Cancelled) => Err(RecoverError::Stopped {
                is_access: false,
                message: settled.sentence(),
            }),
        }
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
