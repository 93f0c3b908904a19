//! The target of a [`World`] under the eyes of a checker: after every single call it is asked whether somebody has
//! lost a picture. Scripts act between calls as other administrators and rules of the instance would, and the program
//! can be made to die before or after any call.

use std::collections::HashSet;
use std::future::pending;

use tokio::sync::Notify;

use super::gate::Gate;
use super::*;

/// On which side of a call something happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    /// Before it has any effect.
    Before,
    /// After its effect, before its answer.
    After,
}

type Act = Box<dyn FnMut(&World) + Send>;

struct Cue {
    call: &'static str,
    /// Counted from 1; 0 is every time.
    nth: usize,
    when: When,
    act: Act,
}

/// What must hold for somebody at every instant.
struct Promise {
    name: &'static str,
    had_picture: bool,
    /// What may be displayed.
    allowed: Vec<Bytes>,
    /// Columns that named nothing from the start; `None` if no column is looked at.
    dangling: Option<HashSet<PictureId>>,
}

#[derive(Default)]
struct Eyes {
    cues: Vec<Cue>,
    /// What happens before the call of a number, whatever it is.
    before: Vec<(usize, Request)>,
    /// What happens after the next call of a name.
    once: Vec<(&'static str, Request)>,
    promises: Vec<Promise>,
    broken: Vec<String>,
    calls: Vec<&'static str>,
    /// The program dies at this call, counted from 1.
    death: Option<(usize, When)>,
    /// What the last write asks for, for when it is carried out after its sender has died.
    on_the_wire: Option<Request>,
}

type Request = Box<dyn FnOnce(&World) + Send>;

/// See the module.
pub(crate) struct Watched {
    world: World,
    eyes: Mutex<Eyes>,
    died: Notify,
    places: Vec<Place>,
    names_columns: bool,
    drops_identical: bool,
    gate: Option<(Gate, usize)>,
}

impl Watched {
    /// Watches this world's target.
    pub(crate) fn new(world: &World) -> Self {
        Self {
            world: world.clone(),
            eyes: Mutex::default(),
            died: Notify::new(),
            places: vec![Place::LIVE_PROFILE, Place::SYS_USER],
            names_columns: false,
            drops_identical: false,
            gate: None,
        }
    }

    /// Its calls wait at a gate, as those of this program.
    pub(crate) fn behind(mut self, gate: Gate, program: usize) -> Self {
        self.gate = Some((gate, program));
        self
    }

    /// A write mode that has every column name its picture, as the article's does.
    pub(crate) fn naming_columns(mut self) -> Self {
        self.names_columns = true;
        self
    }

    /// A target that answers a picture which a record holds already with the row that holds it.
    pub(crate) fn dropping_identical(mut self) -> Self {
        self.drops_identical = true;
        self
    }

    /// The same with another write mode.
    pub(crate) fn writing(mut self, places: &[Place]) -> Self {
        self.places = places.to_vec();
        self
    }

    /// From now on this person must never be without a picture if there is one now, and must see nothing but the
    /// picture of now or one of `new`.
    pub(crate) fn promise(&self, name: &'static str, new: &[Bytes]) {
        let shown = self.world.shown(name);
        let chain = self.world.chain(name);
        self.eyes.lock().promises.push(Promise {
            name,
            had_picture: shown.is_some(),
            allowed: shown.into_iter().chain(new.iter().cloned()).collect(),
            dangling: Some(dangling(&chain)),
        });
    }

    /// The same where somebody else acts between our read and our write: a column may name nothing until our next look.
    pub(crate) fn promise_a_picture(&self, name: &'static str, new: &[Bytes]) {
        self.promise(name, new);
        if let Some(promise) = self.eyes.lock().promises.last_mut() {
            promise.dangling = None;
        }
    }

    /// Promises that were broken, in words.
    pub(crate) fn broken_promises(&self) -> Vec<String> {
        self.eyes.lock().broken.clone()
    }

    /// Something happens around the `nth` call of this name from the beginning; 0 is every call.
    pub(crate) fn on(
        &self,
        when: When,
        call: &'static str,
        nth: usize,
        act: impl FnMut(&World) + Send + 'static,
    ) {
        self.eyes.lock().cues.push(Cue {
            call,
            nth,
            when,
            act: Box::new(act),
        });
    }

    /// Something happens before the `nth` call from the beginning, whatever it is.
    pub(crate) fn at_call(&self, nth: usize, act: impl FnOnce(&World) + Send + 'static) {
        self.eyes.lock().before.push((nth, Box::new(act)));
    }

    /// The program dies at the `nth` call from now on.
    pub(crate) fn die_at(&self, nth: usize, when: When) {
        let mut eyes = self.eyes.lock();
        eyes.calls.clear();
        eyes.death = Some((nth, when));
    }

    /// The service carries out the write at which the program died, although nobody waits for the answer any more.
    pub(crate) fn deliver(&self) {
        (self.undelivered())(&self.world);
    }

    /// The same, right after the next call of this name.
    pub(crate) fn deliver_after(&self, call: &'static str) {
        let request = self.undelivered();
        self.eyes.lock().once.push((call, request));
    }

    /// The row that a target which drops identical pictures answers with.
    fn known(&self, record: &RecordId, bytes: &Bytes) -> Option<StoredPicture> {
        let known = self.world.row_with(record, bytes);
        known.filter(|_| self.drops_identical)
    }

    fn undelivered(&self) -> Request {
        let request = self.eyes.lock().on_the_wire.take();
        request.expect("the program died at a write")
    }

    fn send(&self, request: impl FnOnce(&World) + Send + 'static) {
        self.eyes.lock().on_the_wire = Some(Box::new(request));
    }

    /// The next start lives.
    pub(crate) fn live(&self) {
        self.eyes.lock().death = None;
    }

    /// Returns when the program has died.
    pub(crate) async fn death(&self) {
        self.died.notified().await;
    }

    /// The calls so far, in order.
    pub(crate) fn calls(&self) -> Vec<&'static str> {
        self.eyes.lock().calls.clone()
    }

    /// How often one of the writing calls was made.
    pub(crate) fn writes(&self) -> usize {
        let writing = [
            "create_record",
            "withdraw_record",
            "upload",
            "store_as",
            "set_column",
            "remove",
        ];
        self.calls().iter().filter(|call| writing.contains(call)).count()
    }

    async fn around<T>(
        &self,
        call: &'static str,
        work: impl Future<Output = Result<T, ConnectorError>>,
    ) -> Result<T, ConnectorError> {
        let (number, nth) = {
            let mut eyes = self.eyes.lock();
            eyes.calls.push(call);
            let nth = eyes.calls.iter().filter(|made| **made == call).count();
            (eyes.calls.len(), nth)
        };
        if let Some((gate, program)) = &self.gate {
            gate.pass(*program).await;
        }
        self.pass(call, (number, nth), When::Before).await;
        let result = work.await;
        self.pass(call, (number, nth), When::After).await;
        if let Some((gate, program)) = &self.gate {
            gate.next(format!("program {program}: {call}; {}", self.world.inventory()));
        }
        result
    }

    /// `number` among all calls and `nth` among those of its name.
    async fn pass(&self, call: &'static str, (number, nth): (usize, usize), when: When) {
        let is_dead = {
            let mut eyes = self.eyes.lock();
            for cue in &mut eyes.cues {
                if cue.call == call && cue.when == when && (cue.nth == 0 || cue.nth == nth) {
                    (cue.act)(&self.world);
                }
            }
            if when == When::Before {
                for (_, act) in eyes.before.extract_if(.., |(awaited, _)| *awaited == number) {
                    act(&self.world);
                }
            }
            if when == When::After {
                for (_, act) in eyes.once.extract_if(.., |(awaited, _)| *awaited == call) {
                    act(&self.world);
                }
            }
            let broken: Vec<String> = eyes
                .promises
                .iter()
                .filter_map(|promise| promise.broken(&self.world))
                .map(|what| format!("{when:?} call {number} ({call}): {what}"))
                .collect();
            eyes.broken.extend(broken);
            eyes.death == Some((number, when))
        };
        if is_dead {
            self.died.notify_one();
            pending::<()>().await;
        }
    }
}

impl Promise {
    fn broken(&self, world: &World) -> Option<String> {
        let name = self.name;
        match world.shown(name) {
            None if self.had_picture => return Some(format!("{name} has no picture")),
            Some(shown) if !self.allowed.contains(&shown) => {
                return Some(format!("{name} has a picture nobody chose"));
            }
            _ => {}
        }
        let known = self.dangling.as_ref()?;
        let lost: Vec<_> = dangling(&world.chain(name)).difference(known).cloned().collect();
        (!lost.is_empty()).then(|| format!("a column of {name} names {lost:?}, which is gone"))
    }
}

/// What columns name although it is gone.
pub(crate) fn dangling(chain: &AvatarChain) -> HashSet<PictureId> {
    let named = chain.records.iter().filter_map(|record| match &record.column {
        Column::Names(id) => Some(id),
        Column::Empty | Column::Unreadable => None,
    });
    named.filter(|id| chain.picture(id).is_none()).cloned().collect()
}

#[async_trait]
impl AvatarTarget for Watched {
    fn name(&self) -> &'static str {
        AvatarTarget::name(&self.world)
    }

    fn people(&self) -> BoxStream<'_, Result<Vec<TargetPerson>, ConnectorError>> {
        AvatarTarget::people(&self.world)
    }

    async fn count(&self) -> Result<u64, ConnectorError> {
        self.world.count().await
    }

    async fn lookup(&self, wanted: &[TargetLookup]) -> Result<Vec<TargetPerson>, ConnectorError> {
        self.around("lookup", AvatarTarget::lookup(&self.world, wanted))
            .await
    }

    async fn sweep_chains(&self, people: SweptPeople<'_>) -> Result<Box<dyn SweptChains>, ConnectorError> {
        self.world.sweep_chains(people).await
    }

    async fn chains(
        &self,
        people: &[TargetId],
        priority: Priority,
    ) -> Result<Vec<(TargetId, AvatarChain)>, ConnectorError> {
        self.around("chains", self.world.chains(people, priority)).await
    }

    async fn displayed(
        &self,
        people: &[TargetId],
    ) -> Result<Vec<(TargetId, Option<PictureId>)>, ConnectorError> {
        self.around("displayed", self.world.displayed(people)).await
    }

    /// What the world knows of thumbnails beside the chain, which is asked for like any other.
    async fn anatomy(
        &self,
        person: &TargetId,
        priority: Priority,
    ) -> Result<Option<Anatomy>, ConnectorError> {
        let people = std::slice::from_ref(person);
        let (chains, _) = futures::try_join!(self.chains(people, priority), self.displayed(people))?;
        let chain = chains.into_iter().next().map(|(_, chain)| chain);
        Ok(chain.map(|chain| self.world.anatomy_of(chain)))
    }

    async fn download(
        &self,
        picture: &PictureId,
        priority: Priority,
    ) -> Result<Option<Bytes>, ConnectorError> {
        self.around("download", self.world.download(picture, priority))
            .await
    }

    fn places_to_write(&self, _: &AvatarChain) -> Vec<Place> {
        self.places.clone()
    }

    async fn create_record(&self, person: &TargetPerson, place: Place) -> Result<RecordId, ConnectorError> {
        let owner = person.id.clone();
        self.send(move |world| drop(world.0.lock().create_record(&owner, place)));
        self.around("create_record", self.world.create_record(person, place))
            .await
    }

    async fn upload(
        &self,
        record: &RecordId,
        place: Place,
        photo: Bytes,
        content_type: &str,
    ) -> Result<StoredPicture, ConnectorError> {
        let (holder, bytes) = (record.clone(), photo.clone());
        self.send(move |world| {
            world.0.lock().store(holder, Row::image(bytes));
        });
        let known = self.known(record, &photo);
        let uploading = async {
            match known {
                Some(known) => Ok(known),
                None => self.world.upload(record, place, photo, content_type).await,
            }
        };
        let row = self.around("upload", uploading).await?;
        // What a script has made of it.
        Ok(self.world.row(&row.id).unwrap_or(row))
    }

    async fn store_as(
        &self,
        record: &RecordId,
        place: Place,
        picture: Bytes,
        form: &StoredForm,
    ) -> Result<StoredPicture, ConnectorError> {
        let known = self.known(record, &picture);
        let storing = async {
            match known {
                Some(known) => Ok(known),
                None => self.world.store_as(record, place, picture, form).await,
            }
        };
        let row = self.around("store_as", storing).await?;
        Ok(self.world.row(&row.id).unwrap_or(row))
    }

    fn strays(&self) -> BoxStream<'_, Result<Vec<Stray>, ConnectorError>> {
        self.world.strays()
    }

    async fn stray(&self, place: Place, record: &RecordId) -> Result<Option<Stray>, ConnectorError> {
        self.around("stray", self.world.stray(place, record)).await
    }

    async fn named(&self, pictures: &[PictureId]) -> Result<Vec<Naming>, ConnectorError> {
        self.world.named(pictures).await
    }

    fn column_to_set(&self, place: Place, column: &Column, new: &PictureId) -> Option<PictureId> {
        let is_named = matches!(column, Column::Names(old) if old == new);
        if self.names_columns {
            return (!is_named).then(|| new.clone());
        }
        self.world.column_to_set(place, column, new)
    }

    async fn column(&self, record: &RecordId, place: Place) -> Result<Column, ConnectorError> {
        self.around("column", self.world.column(record, place)).await
    }

    async fn set_column(
        &self,
        record: &RecordId,
        place: Place,
        picture: Option<&PictureId>,
    ) -> Result<Column, ConnectorError> {
        let (holder, wanted) = (record.clone(), picture.cloned());
        self.send(move |world| world.0.lock().point(&holder, place, wanted.as_ref()));
        self.around("set_column", self.world.set_column(record, place, picture))
            .await?;
        // What a rule has made of it.
        self.world.column(record, place).await
    }

    async fn withdraw_record(&self, record: &RecordId, place: Place) -> Result<(), ConnectorError> {
        let gone = record.clone();
        self.send(move |world| {
            let mut state = world.0.lock();
            state.records.retain(|known| known.id != gone);
        });
        self.around("withdraw_record", self.world.withdraw_record(record, place))
            .await
    }

    async fn remove(&self, picture: &PictureId) -> Result<(), ConnectorError> {
        let doomed = picture.clone();
        self.send(move |world| world.delete_row(&doomed));
        self.around("remove", self.world.remove(picture)).await
    }

    fn upload_limit(&self) -> u64 {
        AvatarTarget::upload_limit(&self.world)
    }

    async fn check(&self) -> Vec<Probe> {
        AvatarTarget::check(&self.world).await
    }

    fn lanes(&self) -> Vec<LaneState> {
        Vec::new()
    }
}
