//! A run of the journal, taken back as a plan of its own: what it removed is stored again from the vault, columns name
//! what they named, and what it stored goes. Whoever was changed since is left alone.
//!
//! Nothing here knows whether the run was a push, a cleaning or itself an undo: the journal tells what was written, and
//! that is what is reversed. Whether somebody else has been there since tells the state that the run has left; where
//! nobody saw that, the writes have to account for everything that is there (`before.rs`).

mod before;
mod people;

use std::collections::HashSet;

use super::push::stored_by;
use super::{Engine, in_words};
use crate::connector::{ConnectorError, Priority};
use crate::domain::ids::{PictureId, RecordId, RunId, SourceId, TargetId};
use crate::domain::photo::{AvatarChain, AvatarRecord, ChainStamp, Column, Place, Sha256};
use crate::domain::run::{Outcome, PersonRef};
use crate::domain::text::clean;
use crate::domain::tidying::{
    Left, Names, Purpose, StoredForm, Subject, TIDY_SCHEMA, TidyPlan, TidyStep, Write, chain_after,
};
use crate::store::StoreError;
use crate::store::journal::{Deeds, KeptPicture, Released, RunRecord, StepRecord, WriteKind, WriteRecord};
use crate::store::vault::Why;

/// People whose part of the journal is read at once.
const CHUNK: usize = 150;

/// Empty records of a person that may have come since; there is hardly ever more than one.
const MOST_EMPTY: usize = 4;

/// Why nothing can be taken back.
#[derive(Debug, thiserror::Error)]
pub enum UndoError {
    /// Neither a run nor a person.
    #[error("no run and nobody whose picture was changed here is called {0:?}")]
    Unknown(
        /// What was asked for, cleaned.
        String,
    ),
    /// Several people.
    #[error("{wanted:?} names several people: {}", candidates.join(", "))]
    Ambiguous {
        /// What was asked for, cleaned.
        wanted: String,
        /// Who might be meant, cleaned.
        candidates: Vec<String>,
    },
    /// The run belongs to another profile's journal, or is still going on.
    #[error("run {0} is under way; wait for its end, or settle it first")]
    UnderWay(
        /// Which.
        RunId,
    ),
    /// The journal cannot be read.
    #[error("the journal cannot be read")]
    Storage(#[from] StoreError),
    /// The target does not answer.
    #[error(transparent)]
    Connector(#[from] ConnectorError),
}

impl Engine {
    /// What would take back a run, named by its id, or the last change to a person, named as a PERSON argument is.
    /// Nothing is written.
    pub async fn undo_plan(&self, run_or_person: &str) -> Result<TidyPlan, UndoError> {
        let journal = self.store.journal();
        if let Some(run) = journal.run(&RunId::new(run_or_person.trim())).await? {
            let unfinished = journal.unfinished().await?;
            if unfinished.iter().any(|person| person.run == run.id) {
                return Err(UndoError::UnderWay(run.id));
            }
            let steps = journal.steps(&run.id).await?;
            return self.plan_undo(&run, steps).await;
        }
        let step = self.last_change(run_or_person).await?;
        let run = journal
            .run(&step.run)
            .await?
            .ok_or_else(|| UndoError::Unknown(clean(step.run.as_str()).into_owned()))?;
        self.plan_undo(&run, vec![step]).await
    }

    /// The newest step that changed something for this person.
    async fn last_change(&self, person: &str) -> Result<StepRecord, UndoError> {
        let journal = self.store.journal();
        let steps = journal.steps_of(person).await?;
        let mut people: Vec<&PersonRef> = Vec::new();
        for step in &steps {
            if !people.iter().any(|known| known.target == step.person.target) {
                people.push(&step.person);
            }
        }
        if people.len() > 1 {
            return Err(UndoError::Ambiguous {
                wanted: clean(person).into_owned(),
                candidates: people
                    .iter()
                    .filter_map(|person| {
                        let id = person.target.as_ref()?;
                        Some(format!("{} (sys_id {})", person.upn.shown(), clean(id.as_str())))
                    })
                    .collect(),
            });
        }
        for step in steps {
            let deeds = self.deeds(&step.run, vec![step.person.source.clone()]).await?;
            for deeds in &deeds {
                if self.has_changed_something(&step, deeds).await? {
                    return Ok(step);
                }
            }
        }
        Err(UndoError::Unknown(clean(person).into_owned()))
    }

    /// True if a step has left something that can be taken back, or of which nobody knows.
    async fn has_changed_something(&self, step: &StepRecord, deeds: &Deeds) -> Result<bool, UndoError> {
        match effect(deeds) {
            Effect::Nothing => return Ok(false),
            Effect::Something => return Ok(true),
            Effect::Perhaps => {}
        }
        let targets: Vec<TargetId> = step.person.target.iter().cloned().collect();
        let chains = self.target.chains(&targets, Priority::Background).await?;
        Ok(chains
            .first()
            .is_none_or(|(_, chain)| !is_not_there(deeds, chain)))
    }

    /// What a run did for each of these people. What it stored and replaced itself, because it was interrupted and went
    /// on with a newer photo, is none of what was there before.
    async fn deeds(&self, run: &RunId, people: Vec<SourceId>) -> Result<Vec<Deeds>, UndoError> {
        let mut all = self.store.journal().deeds(run, people).await?;
        for deeds in &mut all {
            let writes = &deeds.writes;
            deeds.kept.retain(|kept| !is_of_its_own(writes, kept));
        }
        Ok(all)
    }

    async fn plan_undo(&self, run: &RunRecord, mut steps: Vec<StepRecord>) -> Result<TidyPlan, UndoError> {
        let mut plan = TidyPlan {
            schema: TIDY_SCHEMA.into(),
            profile: self.settings.profile.clone(),
            made_at: self.now(),
            purpose: Purpose::Undo(run.id.clone()),
            people: steps.len() as u64,
            steps: Vec::new(),
            left: Vec::new(),
            problems: Vec::new(),
        };
        steps.sort_by(|a, b| (a.at, &a.person.source).cmp(&(b.at, &b.person.source)));
        for chunk in steps.chunks(CHUNK) {
            let sources: Vec<SourceId> = chunk.iter().map(|step| step.person.source.clone()).collect();
            let targets: Vec<TargetId> = chunk
                .iter()
                .filter_map(|step| step.person.target.clone())
                .collect();
            let deeds = self.deeds(&run.id, sources).await?;
            let chains = self.target.chains(&targets, Priority::Background).await?;
            for (step, deeds) in chunk.iter().zip(deeds) {
                let chain = chains
                    .iter()
                    .find(|(id, _)| Some(id) == step.person.target.as_ref())
                    .map(|(_, chain)| chain);
                let is_nothing = match effect(&deeds) {
                    Effect::Nothing => true,
                    Effect::Perhaps => chain.is_some_and(|chain| is_not_there(&deeds, chain)),
                    Effect::Something => false,
                };
                if is_nothing {
                    continue;
                }
                match self.undo_step(step, &deeds, chain).await? {
                    Ok(step) => plan.steps.push(step),
                    Err((outcome, reason)) => plan.left.push(Left {
                        person: step.person.clone(),
                        outcome,
                        litter: Vec::new(),
                        reason,
                    }),
                }
            }
        }
        Ok(plan)
    }

    /// One person's part; or how that person is counted, and why nothing is done.
    async fn undo_step(
        &self,
        step: &StepRecord,
        deeds: &Deeds,
        chain: Option<&AvatarChain>,
    ) -> Result<Result<TidyStep, (Outcome, String)>, UndoError> {
        let target = self.target.name();
        let Some(chain) = chain else {
            let why = format!(
                "the record is gone, so {target} takes no picture for it; the copy stays in the vault"
            );
            return Ok(Err((Outcome::Skipped, why)));
        };
        let before = before::as_it_was(deeds, chain);
        let is_as_left = match &step.after {
            Some(after) => is_but_for_empty_records(chain, after),
            // Nobody saw how it was left: the writes have to account for everything that is there.
            None => before.is_some(),
        };
        if !is_as_left {
            let why = match (&step.after, step.outcome) {
                (Some(_), _) => format!("the records in {target} were changed since; they stay as they are"),
                (None, Outcome::ChangedMeanwhile) => format!(
                    "somebody else changed the records in {target} in the middle of it; they stay as they are"
                ),
                (None, _) => format!(
                    "it is not known how the run has left the records in {target}, or they were changed since; \
                     nothing is overwritten"
                ),
            };
            return Ok(Err((Outcome::ChangedMeanwhile, why)));
        }
        if let Some(Released { why, at }) = deeds.released {
            let at = at.strftime("%Y-%m-%d");
            let why = match why {
                Why::Age => {
                    format!("the picture of before left the vault on {at}, when it had reached the age limit")
                }
                Why::Forgotten => format!("the picture of before was forgotten on {at}, as somebody asked"),
            };
            return Ok(Err((Outcome::Skipped, format!("{why}; nothing can be put back"))));
        }
        let mut writes = match reversed(deeds, chain) {
            Ok(writes) => writes,
            Err(why) => return Ok(Err((Outcome::Skipped, why))),
        };
        if writes.is_empty() {
            let why = "nothing of what the run changed can be changed back";
            return Ok(Err((Outcome::Skipped, why.to_owned())));
        }
        let shown_before = before.as_ref().map(shown_in).or_else(|| {
            let mut kept = deeds.kept.iter();
            Some(Some(kept.find(|kept| kept.was_displayed)?.sha256))
        });
        if let Some(Some(sha256)) = shown_before {
            bring_to_the_front(&mut writes, chain, sha256);
        }
        for write in &writes {
            let Write::Store { sha256, .. } = write else {
                continue;
            };
            // One copy that cannot be read is no reason to leave the others.
            let why = match self.store.vault().get(sha256).await {
                Ok(Some(_)) => continue,
                Ok(None) => "the copy of the picture of before is not in the vault any more".to_owned(),
                Err(error) => error.sentence(),
            };
            return Ok(Err((Outcome::Failed, why)));
        }
        let shows = match self.shown_after(chain, &writes).await {
            Ok(shows) => shows,
            Err(why) => return Ok(Err((Outcome::Skipped, why))),
        };
        let created = deeds
            .writes
            .iter()
            .any(|write| write.intent.kind == WriteKind::CreateRecord && write.may_be_done());
        let mut reason = match (shows, shown_before) {
            (Some(shown), Some(Some(before))) if shown != before => {
                "what was stored before is stored again; another picture of it is displayed".to_owned()
            }
            (Some(_), _) => "the picture of before is displayed again".to_owned(),
            (None, _) => "there was no picture before".to_owned(),
        };
        if created {
            reason.push_str("; the profile that was created stays, empty");
        }
        Ok(Ok(TidyStep {
            person: step.person.clone(),
            subject: Subject::Person,
            expected: chain.stamp(),
            shows,
            litter: Vec::new(),
            writes,
            reason,
        }))
    }

    /// The hash of what is displayed once these writes are done; why it cannot be told.
    async fn shown_after(&self, chain: &AvatarChain, writes: &[Write]) -> Result<Option<Sha256>, String> {
        let after = chain_after(chain, writes);
        let Some(served) = &after.served else {
            return Ok(None);
        };
        if let Some(sha256) = after.served_picture().and_then(|row| row.sha256) {
            return Ok(Some(sha256));
        }
        match self.target.download(&served.picture, Priority::Background).await {
            Ok(Some(bytes)) => Ok(Some(Sha256::of(&bytes))),
            Ok(None) => Err("the picture that would be displayed cannot be read".into()),
            Err(error) => Err(in_words(&error)),
        }
    }
}

/// True for a picture that the same step stored: an answer told of it, or none came and it has the bytes that were sent.
fn is_of_its_own(writes: &[WriteRecord], kept: &KeptPicture) -> bool {
    let mut uploads = writes
        .iter()
        .filter(|write| write.intent.kind == WriteKind::Upload);
    uploads.any(|write| match write.uploaded() {
        Some(picture) => picture == kept.stored.id,
        None => {
            write.answer.is_none()
                && write.intent.record.as_ref() == Some(&kept.record)
                && write.intent.sha256 == Some(kept.sha256)
        }
    })
}

/// True if a chain has this stamp, or has it without some records that hold nothing. A profile that somebody has opened
/// since, or a push that went no further has created, changes nobody's picture.
fn is_but_for_empty_records(chain: &AvatarChain, stamp: &ChainStamp) -> bool {
    let is_empty = |record: &AvatarRecord| record.pictures.is_empty() && record.column == Column::Empty;
    let empty: Vec<&RecordId> = chain
        .records
        .iter()
        .filter(|record| is_empty(record))
        .map(|record| &record.id)
        .collect();
    let empty = &empty[..empty.len().min(MOST_EMPTY)];
    (0..1_usize << empty.len()).any(|chosen| {
        let mut without = chain.clone();
        without.records.retain(|record| {
            let position = empty.iter().position(|id| **id == record.id);
            position.is_none_or(|position| chosen >> position & 1 == 0)
        });
        without.stamp() == *stamp
    })
}

/// The hash of what is displayed, as far as it is stated.
fn shown_in(chain: &AvatarChain) -> Option<Sha256> {
    chain.served_picture().and_then(|row| row.sha256)
}

/// What is stored again is younger than what stayed, and of several pictures of a record the oldest is displayed. If
/// that would be another one than before, the column of its record names the right one.
fn bring_to_the_front(writes: &mut Vec<Write>, chain: &AvatarChain, sha256: Sha256) {
    let after = chain_after(chain, writes);
    if shown_in(&after).is_none_or(|shown| shown == sha256) {
        return;
    }
    let Some(record) = after.records.iter().find(|record| {
        let mut rows = record.image_rows();
        rows.any(|row| row.sha256 == Some(sha256))
    }) else {
        return;
    };
    let stored_again = writes.iter().find_map(|write| match write {
        Write::Store {
            record: at,
            copy_of,
            sha256: known,
            ..
        } if at == &record.id && *known == sha256 => Some(Names::CopyOf(copy_of.clone())),
        _ => None,
    });
    let there = || {
        let row = record.image_rows().find(|row| row.sha256 == Some(sha256))?;
        Some(Names::Picture(row.id.clone()))
    };
    let Some(names) = stored_again.or_else(there) else {
        return;
    };
    writes.retain(|write| !matches!(write, Write::SetColumn { record: at, .. } if at == &record.id));
    let position = writes
        .iter()
        .position(|write| matches!(write, Write::Remove { .. }));
    let column = Write::SetColumn {
        place: record.place,
        record: record.id.clone(),
        names,
    };
    writes.insert(position.unwrap_or(writes.len()), column);
}

/// What a step has changed, as far as the journal can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Effect {
    Nothing,
    Something,
    /// Only writes of which no answer came speak for it; the target has to be asked.
    Perhaps,
}

fn effect(deeds: &Deeds) -> Effect {
    if has_effect(deeds, WriteRecord::is_done) {
        Effect::Something
    } else if has_effect(deeds, WriteRecord::may_be_done) {
        Effect::Perhaps
    } else {
        Effect::Nothing
    }
}

/// True if the journal tells of something that was written and not taken back in the same run.
fn has_effect(deeds: &Deeds, counts: fn(&WriteRecord) -> bool) -> bool {
    let done = || deeds.writes.iter().filter(|write| counts(write));
    let removed: HashSet<&PictureId> = done()
        .filter(|write| write.intent.kind == WriteKind::Remove)
        .filter_map(|write| write.intent.picture.as_ref())
        .collect();
    let has_removed = deeds.kept.iter().any(|kept| removed.contains(&kept.stored.id));
    let has_stored = done()
        .filter(|write| write.intent.kind == WriteKind::Upload)
        .any(|write| write.uploaded().is_none_or(|picture| !removed.contains(&picture)));
    let has_set = columns_before(deeds, counts)
        .into_iter()
        .any(|(_, record, before)| {
            let last = done()
                .filter(|write| write.intent.kind == WriteKind::SetColumn)
                .rfind(|write| write.intent.record.as_ref() == Some(&record));
            last.is_some_and(|write| write.intent.picture != before)
        });
    // What has left the vault since was removed from the target before.
    has_removed || has_stored || has_set || deeds.released.is_some()
}

/// True if nothing that was announced is there: nothing of it was carried out.
fn is_not_there(deeds: &Deeds, chain: &AvatarChain) -> bool {
    reversed(deeds, chain).is_ok_and(|writes| writes.is_empty())
}

/// The columns that were set, with what they named before.
fn columns_before(
    deeds: &Deeds,
    counts: fn(&WriteRecord) -> bool,
) -> Vec<(Place, RecordId, Option<PictureId>)> {
    let mut columns: Vec<(Place, RecordId, Option<PictureId>)> = Vec::new();
    for write in &deeds.writes {
        let intent = &write.intent;
        let (WriteKind::SetColumn, Some(record)) = (intent.kind, &intent.record) else {
            continue;
        };
        if counts(write) && !columns.iter().any(|(_, known, _)| known == record) {
            columns.push((intent.place, record.clone(), intent.old_picture.clone()));
        }
    }
    columns
}

/// The writes that take back what the journal tells of, given how things stand now; none if nothing of it can be changed
/// back; or why that is impossible. Pure.
fn reversed(deeds: &Deeds, chain: &AvatarChain) -> Result<Vec<Write>, String> {
    let mut removed: Vec<&KeptPicture> = deeds
        .kept
        .iter()
        .filter(|kept| chain.picture(&kept.stored.id).is_none())
        .collect();
    // The oldest first, so that the oldest of several is the oldest again.
    removed.sort_by(|a, b| {
        let key = |kept: &&KeptPicture| (kept.stored.created_at, kept.stored.id.clone());
        key(a).cmp(&key(b))
    });
    let has_record = |id: &RecordId| chain.records.iter().any(|record| &record.id == id);
    let mut writes = Vec::new();
    for kept in &removed {
        if !has_record(&kept.record) {
            return Err(format!(
                "the {} record that held the picture of before is gone; the copy stays in the vault",
                kept.place
            ));
        }
        writes.push(Write::Store {
            place: kept.place,
            record: kept.record.clone(),
            copy_of: kept.stored.id.clone(),
            sha256: kept.sha256,
            bytes: kept.stored.bytes,
            form: StoredForm::of(&kept.stored),
        });
    }
    for (place, record, before) in columns_before(deeds, WriteRecord::may_be_done) {
        let Some(known) = chain.records.iter().find(|known| known.id == record) else {
            continue;
        };
        let names = match before {
            // A column that named nothing before does not name nothing again.
            None => Names::Nothing,
            Some(old) if removed.iter().any(|kept| kept.stored.id == old) => Names::CopyOf(old),
            Some(old) if chain.picture(&old).is_some() => Names::Picture(old),
            Some(_) => Names::Nothing,
        };
        let is_so = match (&names, &known.column) {
            (Names::Nothing, Column::Empty) => true,
            (Names::Picture(wanted), Column::Names(now)) => wanted == now,
            _ => false,
        };
        if !is_so {
            writes.push(Write::SetColumn { place, record, names });
        }
    }
    let stored = stored_by(&deeds.writes, &deeds.kept, chain);
    for record in &chain.records {
        for row in record.pictures.iter().filter(|row| stored.contains(&row.id)) {
            writes.push(Write::Remove {
                place: record.place,
                record: record.id.clone(),
                picture: row.id.clone(),
                bytes: row.bytes,
            });
        }
    }
    Ok(writes)
}

#[cfg(test)]
mod tests;
