//! The target with a clerk beside it, who writes down everything that happens in the order in which it can be seen from
//! outside: requests and their answers, and, before each request, what the journal and the vault hold on the disk.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use parking_lot::Mutex;

use super::rules::{Effect, Reply, Write};
use crate::connector::{
    AvatarTarget, ConnectorError, ErrorKind, LaneState, Naming, Priority, Probe, SweptChains, SweptPeople,
    TargetLookup,
};
use crate::domain::ids::{PictureId, RecordId, TargetId};
use crate::domain::person::TargetPerson;
use crate::domain::photo::{AvatarChain, Column, Place, Sha256, StoredPicture};
use crate::engine::fakes::{Watched, World};
use crate::store::Store;
use crate::store::journal::{Answer, Intent, RunRecord, WriteKind};

/// See the module.
pub(super) struct Recorder {
    world: World,
    target: Arc<Watched>,
    /// Another handle to the same files: it sees what is on the disk, and nothing that only waits for it.
    disk: Store,
    /// The program's own: what was passed on reaches the disk before it answers.
    store: Arc<Store>,
    /// Hashes of what may come into the vault.
    pictures: Vec<Sha256>,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    effects: Vec<Effect>,
    fetches: u64,
    /// How many announced writes have been seen.
    intents: usize,
}

impl Recorder {
    pub(super) fn beside(
        world: &World,
        target: &Arc<Watched>,
        disk: Store,
        store: &Arc<Store>,
        pictures: Vec<Sha256>,
    ) -> Self {
        Self {
            world: world.clone(),
            target: Arc::clone(target),
            disk,
            store: Arc::clone(store),
            pictures,
            seen: Mutex::default(),
        }
    }

    /// Everything that has happened.
    pub(super) async fn trace(&self) -> Vec<Effect> {
        self.look_at_the_disk(&self.store).await;
        self.seen.lock().effects.clone()
    }

    fn add(&self, effect: Effect) {
        self.seen.lock().effects.push(effect);
    }

    /// What has come to the journal and the vault since the last look.
    async fn look_at_the_disk(&self, store: &Store) {
        let journal = store.journal();
        let fetches = self.world.calls("source.photo");
        let begun = journal.unfinished().await.expect("readable");
        let mut copied = Vec::new();
        for picture in &self.pictures {
            if store.vault().holds(picture).await.expect("readable") {
                copied.push(*picture);
            }
        }
        let run = journal.runs(1).await.expect("readable").pop();
        let (kept, writes, steps) = match &run {
            Some(RunRecord { id, .. }) => (
                journal.kept_in_run(id).await.expect("readable"),
                journal.writes(id).await.expect("readable"),
                journal.steps(id).await.expect("readable"),
            ),
            None => (Vec::new(), Vec::new(), Vec::new()),
        };
        let mut seen = self.seen.lock();
        for _ in seen.fetches..fetches {
            seen.effects.push(Effect::Fetched);
        }
        seen.fetches = fetches;
        let mut found = Vec::new();
        if !begun.is_empty() && !seen.effects.contains(&Effect::Begun) {
            found.push(Effect::Begun);
        }
        found.extend(copied.into_iter().map(Effect::Copied));
        found.extend(
            kept.into_iter()
                .map(|kept| Effect::Kept(kept.stored.id, kept.sha256)),
        );
        found.retain(|effect| !seen.effects.contains(effect));
        for write in &writes {
            if let Some((answer, _)) = &write.answer {
                let noted = Effect::Noted(write.id.number(), matches!(answer, Answer::Done(_)));
                if !seen.effects.contains(&noted) {
                    found.push(noted);
                }
            }
        }
        let announced = writes.iter().skip(seen.intents);
        found.extend(announced.map(|write| Effect::Announced(write.id.number(), write_of(&write.intent))));
        seen.intents = writes.len();
        let ended = steps.into_iter().map(|step| Effect::Ended {
            outcome: step.outcome,
            is_settled: step.settled,
            is_seen: step.after.is_some(),
        });
        let ended: Vec<Effect> = ended.filter(|effect| !seen.effects.contains(effect)).collect();
        seen.effects.extend(found);
        seen.effects.extend(ended);
    }

    async fn reading<T>(
        &self,
        work: impl Future<Output = Result<T, ConnectorError>>,
        seen: impl FnOnce(&T) -> Option<Effect>,
    ) -> Result<T, ConnectorError> {
        self.look_at_the_disk(&self.store).await;
        let answer = work.await?;
        if let Some(effect) = seen(&answer) {
            self.add(effect);
        }
        Ok(answer)
    }

    async fn writing<T>(
        &self,
        write: Write,
        work: impl Future<Output = Result<T, ConnectorError>>,
        reply: impl FnOnce(&T) -> Reply,
    ) -> Result<T, ConnectorError> {
        // What must be on the disk now has not to wait for somebody who asks.
        self.look_at_the_disk(&self.disk).await;
        self.add(Effect::Sent(write.clone()));
        // What is noted before the answer must not pass for something noted after it.
        self.look_at_the_disk(&self.store).await;
        let answer = work.await;
        self.add(Effect::Answered(match &answer {
            Ok(answer) => reply(answer),
            Err(error) if error.kind == ErrorKind::OutcomeUnknown => Reply::Unknown,
            Err(error) if error.kind == ErrorKind::NotFound && matches!(write, Write::Remove(_)) => {
                Reply::Gone
            }
            Err(_) => Reply::Refused,
        }));
        answer
    }
}

fn write_of(intent: &Intent) -> Write {
    let record = || intent.record.clone().expect("announced with its record");
    match (intent.kind, &intent.picture) {
        (WriteKind::CreateRecord, _) => Write::Create(intent.place),
        (WriteKind::Upload, _) => Write::Store(record()),
        (WriteKind::SetColumn, picture) => Write::Point(record(), picture.clone()),
        (WriteKind::Remove, Some(picture)) => Write::Remove(picture.clone()),
        (WriteKind::Remove, None) => Write::Withdraw(record()),
    }
}

#[async_trait]
impl AvatarTarget for Recorder {
    fn name(&self) -> &'static str {
        AvatarTarget::name(&*self.target)
    }

    fn people(&self) -> BoxStream<'_, Result<Vec<TargetPerson>, ConnectorError>> {
        AvatarTarget::people(&*self.target)
    }

    async fn count(&self) -> Result<u64, ConnectorError> {
        self.target.count().await
    }

    async fn lookup(&self, wanted: &[TargetLookup]) -> Result<Vec<TargetPerson>, ConnectorError> {
        self.reading(self.target.lookup(wanted), |_| None).await
    }

    async fn sweep_chains(&self, people: SweptPeople<'_>) -> Result<Box<dyn SweptChains>, ConnectorError> {
        self.target.sweep_chains(people).await
    }

    async fn chains(
        &self,
        people: &[TargetId],
        priority: Priority,
    ) -> Result<Vec<(TargetId, AvatarChain)>, ConnectorError> {
        self.reading(self.target.chains(people, priority), |chains| {
            chains.first().map(|(_, chain)| Effect::Looked(chain.clone()))
        })
        .await
    }

    async fn displayed(
        &self,
        people: &[TargetId],
    ) -> Result<Vec<(TargetId, Option<PictureId>)>, ConnectorError> {
        self.reading(self.target.displayed(people), |displayed| {
            displayed
                .first()
                .map(|(_, shown)| Effect::Displayed(shown.clone()))
        })
        .await
    }

    async fn download(
        &self,
        picture: &PictureId,
        priority: Priority,
    ) -> Result<Option<Bytes>, ConnectorError> {
        self.reading(self.target.download(picture, priority), |bytes| {
            Some(Effect::BytesRead(
                picture.clone(),
                bytes.as_ref().map(|bytes| Sha256::of(bytes)),
            ))
        })
        .await
    }

    async fn named(&self, pictures: &[PictureId]) -> Result<Vec<Naming>, ConnectorError> {
        self.reading(self.target.named(pictures), |naming| {
            Some(Effect::Named(pictures.to_vec(), naming.clone()))
        })
        .await
    }

    async fn column(&self, record: &RecordId, place: Place) -> Result<Column, ConnectorError> {
        self.reading(self.target.column(record, place), |column| {
            Some(Effect::ColumnRead(record.clone(), column.clone()))
        })
        .await
    }

    fn places_to_write(&self, chain: &AvatarChain) -> Vec<Place> {
        self.target.places_to_write(chain)
    }

    fn column_to_set(&self, place: Place, column: &Column, new: &PictureId) -> Option<PictureId> {
        self.target.column_to_set(place, column, new)
    }

    async fn create_record(&self, person: &TargetPerson, place: Place) -> Result<RecordId, ConnectorError> {
        let work = self.target.create_record(person, place);
        self.writing(Write::Create(place), work, |record| {
            Reply::Created(record.clone())
        })
        .await
    }

    async fn upload(
        &self,
        record: &RecordId,
        place: Place,
        photo: Bytes,
        content_type: &str,
    ) -> Result<StoredPicture, ConnectorError> {
        let work = self.target.upload(record, place, photo, content_type);
        self.writing(Write::Store(record.clone()), work, |row| {
            Reply::Stored(row.clone())
        })
        .await
    }

    async fn set_column(
        &self,
        record: &RecordId,
        place: Place,
        picture: Option<&PictureId>,
    ) -> Result<Column, ConnectorError> {
        let work = self.target.set_column(record, place, picture);
        self.writing(Write::Point(record.clone(), picture.cloned()), work, |column| {
            Reply::Holds(column.clone())
        })
        .await
    }

    async fn withdraw_record(&self, record: &RecordId, place: Place) -> Result<(), ConnectorError> {
        let work = self.target.withdraw_record(record, place);
        self.writing(Write::Withdraw(record.clone()), work, |()| Reply::Gone)
            .await
    }

    async fn remove(&self, picture: &PictureId) -> Result<(), ConnectorError> {
        let work = self.target.remove(picture);
        self.writing(Write::Remove(picture.clone()), work, |()| Reply::Gone)
            .await
    }

    fn upload_limit(&self) -> u64 {
        AvatarTarget::upload_limit(&*self.target)
    }

    async fn check(&self) -> Vec<Probe> {
        AvatarTarget::check(&*self.target).await
    }

    fn lanes(&self) -> Vec<LaneState> {
        Vec::new()
    }
}
