//! A small world behind both seams, for stories: plain state with the services' rules and no network.
//!
//! ```ignore
//! let world = World::with([
//!     person("ada").photo(picture(1)).avatar(picture(2)),
//!     person("bob").photo(picture(3)),
//! ]);
//! world.fail("source.people", 1, ErrorKind::Unavailable);
//! let engine = world.engine(); // with a store in a temporary folder
//! ```
//!
//! Everybody is on both sides unless told otherwise: `ada` is source id `ada-id`, signs in as `ada@x.example` and is
//! the target's user `ada-sys` with the same sign-in name and address.

mod dice;
mod gate;
mod hands;
mod people;
mod pictures;
mod source;
mod state;
mod target;
mod watched;

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;

use self::people::{Photo, Row};
use self::state::{Fault, Record, State};
use super::{Engine, EngineSettings};
pub(crate) use dice::Dice;
pub(crate) use gate::Gate;
pub(crate) use people::{PersonBuilder, person};
pub(crate) use pictures::{blank, cut_off, heavy_picture, picture, picture_again, placeholder};
pub(crate) use watched::{Watched, When, dangling};

use crate::connector::{
    AvatarTarget, ConnectorError, ErrorKind, FetchedPhoto, LaneState, Naming, PeopleToAsk, PhotoSource,
    Priority, Probe, ProbeResult, SourceLookup, Stray, SweptChains, SweptPeople, TargetLookup,
};
use crate::domain::anatomy::{Anatomy, Thumbnail};
use crate::domain::ids::{PictureId, RecordId, SourceId, TargetId};
use crate::domain::pairing::{MatchRule, fold};
use crate::domain::person::{SourcePerson, TargetPerson};
use crate::domain::photo::{
    AvatarChain, AvatarRecord, Column, Finding, PhotoStamp, PictureForm, Place, Scan, Served, Sha256,
    SourcePhoto, StoredPicture,
};
use crate::domain::plan::Policy;
use crate::domain::text::RemoteText;
use crate::domain::tidying::StoredForm;
use crate::store::{Access, Store, StorePaths};

/// When the stories take place; [`World::later`] moves on.
pub(crate) const START: Timestamp = Timestamp::constant(1_772_442_000, 0);

/// An engine whose store lasts as long as it does.
pub(crate) struct Bench {
    engine: Engine,
    _folder: tempfile::TempDir,
}

impl std::ops::Deref for Bench {
    type Target = Engine;

    fn deref(&self) -> &Engine {
        &self.engine
    }
}

/// Both services. Clones share the state.
#[derive(Clone)]
pub(crate) struct World(Arc<Mutex<State>>);

impl World {
    /// A world with these people in it.
    pub(crate) fn with(people: impl IntoIterator<Item = PersonBuilder>) -> Self {
        let world = Self(Arc::new(Mutex::new(State {
            now: START,
            page: 2,
            sources: Vec::new(),
            groups: HashMap::new(),
            targets: Vec::new(),
            hidden: 0,
            records: Vec::new(),
            attachments: Vec::new(),
            graves: Vec::new(),
            next_id: 0,
            upload_limit: 1 << 20,
            calls: HashMap::new(),
            faults: Vec::new(),
            in_flight: 0,
            most_in_flight: 0,
        })));
        for person in people {
            world.add(person);
        }
        world
    }

    /// One more person.
    pub(crate) fn add(&self, person: PersonBuilder) {
        let mut state = self.0.lock();
        if let Some(source) = person.source {
            state.sources.push((source, person.photo));
        }
        let Some(mut target) = person.target else { return };
        let mut columns: HashMap<Place, Column> = person.columns.into_iter().collect();
        for number in 0..person.profiles {
            let suffix = if number == 0 {
                String::new()
            } else {
                format!("-{}", number + 1)
            };
            state.records.push(Record {
                place: Place::LIVE_PROFILE,
                id: RecordId::new(format!("{}-profile{suffix}", target.id)),
                owner: target.id.clone(),
                column: columns.remove(&Place::LIVE_PROFILE).unwrap_or(Column::Empty),
            });
        }
        if let Some(column) = columns.remove(&Place::SYS_USER) {
            target.column = column;
        }
        state.records.push(Record {
            place: Place::SYS_USER,
            id: RecordId::new(target.id.as_str()),
            owner: target.id.clone(),
            column: target.column.clone(),
        });
        for (place, row) in person.rows {
            let record = state
                .records
                .iter()
                .find(|record| record.owner == target.id && record.place == place)
                .expect("a picture needs its record")
                .id
                .clone();
            state.store(record, row);
        }
        state.targets.push(target);
    }

    /// An engine on this world, with a store of its own in a fresh folder.
    pub(crate) fn engine(&self) -> Bench {
        self.engine_with(|_| {})
    }

    /// The same, told other things.
    pub(crate) fn engine_with(&self, change: impl FnOnce(&mut EngineSettings)) -> Bench {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let paths = StorePaths {
            state_dir: folder.path().join("state"),
            cache_dir: folder.path().join("cache"),
            profile: "default".into(),
        };
        let store = Store::open(&paths, Access::Write).expect("a fresh store opens");
        Bench {
            engine: self.engine_on(&Arc::new(store), change),
            _folder: folder,
        }
    }

    /// An engine on this world and a store that is there already.
    pub(crate) fn engine_on(&self, store: &Arc<Store>, change: impl FnOnce(&mut EngineSettings)) -> Engine {
        self.engine_to(Arc::new(self.clone()), store, change)
    }

    /// An engine on this world's source, another target, and a store that is there already.
    pub(crate) fn engine_to(
        &self,
        target: Arc<dyn AvatarTarget>,
        store: &Arc<Store>,
        change: impl FnOnce(&mut EngineSettings),
    ) -> Engine {
        let mut settings = EngineSettings {
            profile: "default".into(),
            rules: MatchRule::DEFAULT_ORDER.to_vec(),
            guests: false,
            disabled: false,
            include_groups: Vec::new(),
            exclude_groups: Vec::new(),
            opt_outs: Vec::new(),
            policy: Policy::default(),
            absence_hours: 24,
            absence_scans: 2,
            removals_need_approval: true,
            pushes_in_flight: 8,
            picture_side: 360,
        };
        change(&mut settings);
        Engine::new(Arc::new(self.clone()), target, Arc::clone(store), settings).with_clock(self.clock())
    }

    /// How many people a page of either listing has.
    pub(crate) fn page_size(&self, page: usize) {
        self.0.lock().page = page;
    }

    /// Members of a group of the source.
    pub(crate) fn group(&self, name: &str, members: &[&str]) {
        let members = members
            .iter()
            .map(|name| SourceId::new(format!("{name}-id")))
            .collect();
        self.0.lock().groups.insert(name.into(), members);
    }

    /// So many users of the target are counted, but access rules hide them from the listing.
    pub(crate) fn hide(&self, hidden: u64) {
        self.0.lock().hidden = hidden;
    }

    /// The largest picture the target takes.
    pub(crate) fn upload_limit(&self, limit: u64) {
        self.0.lock().upload_limit = limit;
    }

    /// The `nth` call of this name from now on fails without effect; 0 is every call. Pages of a listing are calls.
    pub(crate) fn fail(&self, call: &'static str, nth: u64, kind: ErrorKind) {
        self.fault(call, nth, kind, false);
    }

    /// The `nth` call of this name from now on has its effect, but its answer is lost.
    pub(crate) fn lose_answer(&self, call: &'static str, nth: u64) {
        self.fault(call, nth, ErrorKind::OutcomeUnknown, true);
    }

    fn fault(&self, call: &'static str, nth: u64, kind: ErrorKind, after_effect: bool) {
        let mut state = self.0.lock();
        let nth = if nth == 0 { 0 } else { nth + state.called(call) };
        state.faults.push(Fault {
            call,
            nth,
            kind,
            after_effect,
        });
    }

    /// Both services work again.
    pub(crate) fn heal(&self) {
        self.0.lock().faults.clear();
    }

    /// Time passes.
    pub(crate) fn later(&self, hours: i64) {
        self.0.lock().now += SignedDuration::from_hours(hours);
    }

    /// A little time passes.
    pub(crate) fn a_minute_later(&self) {
        self.0.lock().now += SignedDuration::from_mins(1);
    }

    /// What time it is there.
    pub(crate) fn now(&self) -> Timestamp {
        self.0.lock().now
    }

    /// A clock for the engine.
    pub(crate) fn clock(&self) -> super::Clock {
        let world = self.clone();
        Arc::new(move || world.now())
    }

    /// How often this was called: "source.people" (pages), "source.stamps" (people), "source.photo", "target.chains",
    /// "target.upload" and so on.
    pub(crate) fn calls(&self, call: &'static str) -> u64 {
        self.0.lock().called(call)
    }

    /// Forgets what was called.
    pub(crate) fn reset_calls(&self) {
        let mut state = self.0.lock();
        state.calls.clear();
        state.most_in_flight = 0;
    }

    /// The most pictures that were on their way at once.
    pub(crate) fn most_in_flight(&self) -> usize {
        self.0.lock().most_in_flight
    }

    /// Changes somebody's photo in the source; its etag follows.
    pub(crate) fn set_photo(&self, name: &str, bytes: Option<Bytes>) {
        let id = format!("{name}-id");
        let mut state = self.0.lock();
        let (_, photo) = state
            .sources
            .iter_mut()
            .find(|(person, _)| person.id.as_str() == id)
            .expect("a person of the source");
        *photo = Photo::of(bytes);
    }

    /// Somebody's photo in the source.
    pub(crate) fn photo_of(&self, name: &str) -> Option<Bytes> {
        let id = format!("{name}-id");
        let state = self.0.lock();
        let found = state.sources.iter().find(|(person, _)| person.id.as_str() == id);
        found.and_then(|(_, photo)| photo.bytes.clone())
    }

    /// Takes somebody out of the source's listing.
    pub(crate) fn leaves_source(&self, name: &str) {
        let id = format!("{name}-id");
        self.0
            .lock()
            .sources
            .retain(|(person, _)| person.id.as_str() != id);
    }

    /// Renames the version of somebody's photo, bytes unchanged.
    pub(crate) fn set_etag(&self, name: &str, etag: Option<&str>) {
        let id = format!("{name}-id");
        let mut state = self.0.lock();
        let (_, photo) = state
            .sources
            .iter_mut()
            .find(|(person, _)| person.id.as_str() == id)
            .expect("a person of the source");
        photo.etag = etag.map(str::to_owned);
    }

    /// Puts an image row beside what is there, as another administrator or rule would.
    pub(crate) fn store_at(&self, name: &str, place: Place, bytes: Bytes) -> PictureId {
        let owner = TargetId::new(format!("{name}-sys"));
        let mut state = self.0.lock();
        let record = state
            .records
            .iter()
            .find(|record| record.owner == owner && record.place == place)
            .expect("a picture needs its record")
            .id
            .clone();
        state.store(record, Row::image(bytes))
    }

    /// The bytes that the target displays for somebody.
    pub(crate) fn shown(&self, name: &str) -> Option<Bytes> {
        let state = self.0.lock();
        let served = state.chain(&TargetId::new(format!("{name}-sys"))).served?;
        state
            .attachments
            .iter()
            .find(|attachment| attachment.row.id == served.picture)
            .map(|attachment| attachment.bytes.clone())
    }

    /// Somebody's chain as it really is.
    pub(crate) fn chain(&self, name: &str) -> AvatarChain {
        self.0.lock().chain(&TargetId::new(format!("{name}-sys")))
    }

    fn begin(&self, call: &'static str) -> Result<(), ConnectorError> {
        let mut state = self.0.lock();
        *state.calls.entry(call).or_default() += 1;
        state.fault(call, false)
    }

    /// After the effect of a call: is its answer lost?
    fn answer<T>(&self, call: &'static str, answer: T) -> Result<T, ConnectorError> {
        self.0.lock().fault(call, true).map(|()| answer)
    }

    /// Lets others run while a picture is on its way.
    async fn carry(&self) {
        {
            let mut state = self.0.lock();
            state.in_flight += 1;
            state.most_in_flight = state.most_in_flight.max(state.in_flight);
        }
        for _ in 0..4 {
            tokio::task::yield_now().await;
        }
        self.0.lock().in_flight -= 1;
    }
}

fn holds(value: Option<&RemoteText>, wanted: &str) -> bool {
    value.is_some_and(|value| fold(value.raw()) == fold(wanted))
}

fn probe(what: &str, result: Result<(), ConnectorError>) -> Probe {
    Probe {
        what: what.into(),
        result: match result {
            Ok(()) => ProbeResult::Passed("works".into()),
            Err(error) => ProbeResult::Failed {
                kind: error.kind,
                seen: "refused".into(),
                hint: error.hint.unwrap_or_default(),
            },
        },
    }
}
