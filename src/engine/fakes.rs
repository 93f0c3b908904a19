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
mod watched;

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;

use super::{Engine, EngineSettings};
pub(crate) use dice::Dice;
pub(crate) use gate::Gate;
pub(crate) use watched::{Watched, When, dangling};

use crate::connector::{
    AvatarTarget, ConnectorError, ErrorKind, FetchedPhoto, LaneState, Naming, PeopleToAsk, PhotoSource,
    Priority, Probe, ProbeResult, SourceLookup, SweptChains, SweptPeople, TargetLookup,
};
use crate::domain::ids::{PictureId, RecordId, SourceId, TargetId};
use crate::domain::pairing::{MatchRule, fold};
use crate::domain::person::{AccountKind, SourcePerson, TargetPerson};
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

/// A small JPEG that looks unlike that of any other seed.
pub(crate) fn picture(seed: u8) -> Bytes {
    static ENCODED: [OnceLock<Bytes>; 256] = [const { OnceLock::new() }; 256];
    ENCODED[usize::from(seed)]
        .get_or_init(|| encoded(seed, 90))
        .clone()
}

/// The same picture as [`picture`] in other bytes.
pub(crate) fn picture_again(seed: u8) -> Bytes {
    encoded(seed, 70)
}

/// The same picture as [`picture`] in more bytes than it takes.
pub(crate) fn heavy_picture(seed: u8) -> Bytes {
    encoded(seed, 100)
}

fn encoded(seed: u8, quality: u8) -> Bytes {
    const SIDE: u16 = 48;
    // Brightness steps between fields come from the bits of a scrambled seed, colours from the seed itself.
    let bits = (u64::from(seed) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let pixels: Vec<u8> = (0..SIDE)
        .flat_map(|y| (0..SIDE).map(move |x| (x, y)))
        .flat_map(|(x, y)| {
            let field = (y / 6) * 8 + x / 6;
            let bright = if bits >> (field % 64) & 1 == 1 { 200 } else { 40 };
            // Not so few colours that it could be a logo.
            let blue = 32 * (field % 8) as u8;
            [bright, bright / 2 + seed.wrapping_mul(37) / 4, blue]
        })
        .collect();
    let mut jpeg = Vec::new();
    jpeg_encoder::Encoder::new(&mut jpeg, quality)
        .encode(&pixels, SIDE, SIDE, jpeg_encoder::ColorType::Rgb)
        .expect("a small picture can always be encoded");
    jpeg.into()
}

/// A JPEG that ends in the middle.
pub(crate) fn cut_off(seed: u8) -> Bytes {
    let whole = picture(seed);
    whole.slice(..whole.len() / 2)
}

/// The single pixel that the source serves for "no photo".
pub(crate) fn placeholder() -> Bytes {
    Bytes::from_static(
        b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff!\xf9\x04\x01\x00\x00\x00\x00,\x00\x00\x00\x00\
          \x01\x00\x01\x00\x00\x02\x02D\x01\x00;",
    )
}

/// Somebody, described by what matters; see [`person`].
#[derive(Clone)]
pub(crate) struct PersonBuilder {
    source: Option<SourcePerson>,
    target: Option<TargetPerson>,
    photo: Photo,
    rows: Vec<(Place, Row)>,
    profiles: usize,
    columns: Vec<(Place, Column)>,
}

#[derive(Clone)]
struct Row {
    bytes: Bytes,
    form: PictureForm,
    stated_hash: bool,
    scan: Scan,
}

#[derive(Clone, Default)]
struct Photo {
    bytes: Option<Bytes>,
    etag: Option<String>,
    unreadable: Option<String>,
}

/// Somebody on both sides, without a picture on either.
pub(crate) fn person(name: &str) -> PersonBuilder {
    let address = format!("{name}@x.example");
    PersonBuilder {
        source: Some(SourcePerson {
            id: SourceId::new(format!("{name}-id")),
            name: name.into(),
            principal: address.as_str().into(),
            mail: Some(address.as_str().into()),
            employee_id: None,
            department: None,
            job_title: None,
            kind: AccountKind::Member,
            enabled: Some(true),
        }),
        target: Some(TargetPerson {
            id: TargetId::new(format!("{name}-sys")),
            name: name.into(),
            user_name: address.as_str().into(),
            mail: Some(address.as_str().into()),
            employee_number: None,
            source_key: None,
            active: Some(true),
            locked_out: Some(false),
            column: Column::Empty,
        }),
        photo: Photo::default(),
        rows: Vec::new(),
        profiles: 1,
        columns: Vec::new(),
    }
}

impl PersonBuilder {
    /// A photo in the source; its etag follows the bytes.
    pub(crate) fn photo(mut self, bytes: Bytes) -> Self {
        self.photo = Photo {
            etag: Some(etag_of(&bytes)),
            bytes: Some(bytes),
            unreadable: None,
        };
        self
    }

    /// The source names no version of the photo.
    pub(crate) fn without_etag(mut self) -> Self {
        self.photo.etag = None;
        self
    }

    /// The source cannot tell.
    pub(crate) fn unreadable_photo(mut self, why: &str) -> Self {
        self.photo.unreadable = Some(why.into());
        self
    }

    /// An image row at `live_profile`, which is displayed.
    pub(crate) fn avatar(self, bytes: Bytes) -> Self {
        self.stored(Place::LIVE_PROFILE, bytes)
    }

    /// An image row at a place; a second one makes a duplicate.
    pub(crate) fn stored(mut self, place: Place, bytes: Bytes) -> Self {
        self.rows.push((
            place,
            Row {
                bytes,
                form: PictureForm::ImageField,
                stated_hash: true,
                scan: Scan::Available,
            },
        ));
        self
    }

    /// The last row added is an ordinary attachment.
    pub(crate) fn plain(mut self) -> Self {
        self.last_row().form = PictureForm::Plain;
        self
    }

    /// The target states no hash of the last row added.
    pub(crate) fn without_hash(mut self) -> Self {
        self.last_row().stated_hash = false;
        self
    }

    /// The last row added did not pass the virus scan.
    pub(crate) fn quarantined(mut self) -> Self {
        self.last_row().scan = Scan::Quarantined;
        self
    }

    fn last_row(&mut self) -> &mut Row {
        &mut self.rows.last_mut().expect("add a picture first").1
    }

    /// The column of a place names this picture, whether it exists or not.
    pub(crate) fn column(mut self, place: Place, picture: &str) -> Self {
        self.columns.push((place, Column::Names(PictureId::new(picture))));
        self
    }

    /// How many `live_profile` records there are; one unless told otherwise.
    pub(crate) fn profiles(mut self, profiles: usize) -> Self {
        self.profiles = profiles;
        self
    }

    /// Not in the target.
    pub(crate) fn only_in_source(mut self) -> Self {
        self.target = None;
        self
    }

    /// Not in the source.
    pub(crate) fn only_in_target(mut self) -> Self {
        self.source = None;
        self
    }

    /// An invited account.
    pub(crate) fn guest(self) -> Self {
        self.source_with(|source| source.kind = AccountKind::Guest)
    }

    /// Outside the target's scope.
    pub(crate) fn inactive_in_target(self) -> Self {
        self.target_with(|target| target.active = Some(false))
    }

    /// Anything else about the source person.
    pub(crate) fn source_with(mut self, change: impl FnOnce(&mut SourcePerson)) -> Self {
        change(self.source.as_mut().expect("a person of the source"));
        self
    }

    /// Anything else about the target person.
    pub(crate) fn target_with(mut self, change: impl FnOnce(&mut TargetPerson)) -> Self {
        change(self.target.as_mut().expect("a person of the target"));
        self
    }
}

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

fn etag_of(bytes: &Bytes) -> String {
    format!("\"{}\"", &Sha256::of(bytes).to_string()[..12])
}

/// Both services. Clones share the state.
#[derive(Clone)]
pub(crate) struct World(Arc<Mutex<State>>);

struct State {
    now: Timestamp,
    page: usize,
    sources: Vec<(SourcePerson, Photo)>,
    groups: HashMap<String, Vec<SourceId>>,
    targets: Vec<TargetPerson>,
    hidden: u64,
    records: Vec<Record>,
    attachments: Vec<Attachment>,
    next_id: u64,
    upload_limit: u64,
    calls: HashMap<&'static str, u64>,
    faults: Vec<Fault>,
    in_flight: usize,
    most_in_flight: usize,
}

struct Record {
    place: Place,
    id: RecordId,
    owner: TargetId,
    column: Column,
}

struct Attachment {
    row: StoredPicture,
    bytes: Bytes,
    record: RecordId,
}

struct Fault {
    call: &'static str,
    /// Which call of this name fails, counted from 1; 0 is every call.
    nth: u64,
    kind: ErrorKind,
    /// The call has its effect, only the answer is lost.
    after_effect: bool,
}

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
    #[allow(dead_code, reason = "for stories about pushes")]
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
        *photo = Photo {
            etag: bytes.as_ref().map(etag_of),
            bytes,
            unreadable: None,
        };
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
    #[allow(dead_code, reason = "for stories about pushes")]
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
        state.store(
            record,
            Row {
                bytes,
                form: PictureForm::ImageField,
                stated_hash: true,
                scan: Scan::Available,
            },
        )
    }

    /// The bytes that the target displays for somebody.
    #[allow(dead_code, reason = "for stories about pushes")]
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
    #[allow(dead_code, reason = "for stories about pushes")]
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

impl State {
    fn called(&self, call: &str) -> u64 {
        self.calls.get(call).copied().unwrap_or_default()
    }

    fn fault(&self, call: &'static str, after_effect: bool) -> Result<(), ConnectorError> {
        let number = self.called(call);
        match self.faults.iter().find(|fault| {
            fault.call == call
                && fault.after_effect == after_effect
                && (fault.nth == 0 || fault.nth == number)
        }) {
            Some(fault) => Err(ConnectorError {
                system: if call.starts_with("source") {
                    "Entra ID"
                } else {
                    "ServiceNow"
                },
                operation: format!("do {call}"),
                kind: fault.kind.clone(),
                hint: Some("see the manual".into()),
                source: None,
            }),
            None => Ok(()),
        }
    }

    fn store(&mut self, record: RecordId, row: Row) -> PictureId {
        self.next_id += 1;
        let id = PictureId::new(format!("picture-{}", self.next_id));
        self.attachments.push(Attachment {
            row: StoredPicture {
                id: id.clone(),
                form: row.form,
                file_name: "photo".into(),
                sha256: row.stated_hash.then(|| Sha256::of(&row.bytes)),
                bytes: row.bytes.len() as u64,
                content_type: "image/jpeg".into(),
                scan: row.scan,
                // No two at the same moment: which of them is older would be anybody's guess.
                created_at: Some(self.now + SignedDuration::from_millis(self.next_id as i64)),
                created_by: Some("admin".into()),
            },
            bytes: row.bytes,
            record,
        });
        id
    }

    /// Profiles come before the person's own record, the oldest first.
    fn create_record(&mut self, owner: &TargetId, place: Place) -> RecordId {
        self.next_id += 1;
        let id = RecordId::new(format!("{owner}-profile-{}", self.next_id));
        let own = self
            .records
            .iter()
            .position(|record| &record.owner == owner && record.place == Place::SYS_USER);
        self.records.insert(
            own.unwrap_or(0),
            Record {
                place,
                id: id.clone(),
                owner: owner.clone(),
                column: Column::Empty,
            },
        );
        id
    }

    fn point(&mut self, record: &RecordId, place: Place, picture: Option<&PictureId>) {
        for found in &mut self.records {
            if &found.id == record && found.place == place {
                found.column = picture.cloned().map_or(Column::Empty, Column::Names);
            }
        }
    }

    /// `servicenow.md` 9.3: profiles first, in each record the column before the rows, the oldest row first.
    fn chain(&self, person: &TargetId) -> AvatarChain {
        let records: Vec<AvatarRecord> = self
            .records
            .iter()
            .filter(|record| &record.owner == person)
            .map(|record| AvatarRecord {
                place: record.place,
                id: record.id.clone(),
                column: record.column.clone(),
                pictures: self
                    .attachments
                    .iter()
                    .filter(|attachment| attachment.record == record.id)
                    .map(|attachment| attachment.row.clone())
                    .collect(),
            })
            .collect();
        let served_of = |record: &AvatarRecord| {
            let named = match &record.column {
                Column::Names(id) => self.attachments.iter().find(|found| &found.row.id == id),
                Column::Unreadable | Column::Empty => None,
            };
            let picture = match named {
                Some(found) => found.row.id.clone(),
                None => record.image_rows().next()?.id.clone(),
            };
            Some(Served {
                place: record.place,
                record: record.id.clone(),
                picture,
            })
        };
        let mut chain = AvatarChain {
            served: records.iter().find_map(served_of),
            findings: Vec::new(),
            records,
        };
        chain.findings = findings(&chain);
        chain
    }

    fn source_page(&self, page: usize) -> Vec<SourcePerson> {
        let people = self.sources.iter().map(|(person, _)| person.clone());
        people.skip(page * self.page).take(self.page).collect()
    }

    fn target_page(&self, page: usize) -> Vec<TargetPerson> {
        let people = self.targets.iter().filter(|target| is_in_scope(target)).cloned();
        people.skip(page * self.page).take(self.page).collect()
    }
}

fn is_in_scope(person: &TargetPerson) -> bool {
    person.active != Some(false)
}

fn findings(chain: &AvatarChain) -> Vec<Finding> {
    let all = || chain.records.iter().flat_map(|record| &record.pictures);
    let profiles = chain
        .records
        .iter()
        .filter(|record| record.place == Place::LIVE_PROFILE)
        .count();
    let first_hash = |place| {
        chain
            .record(place)
            .and_then(|record| record.image_rows().next())
            .map(|row| row.sha256)
    };
    let split = match (first_hash(Place::LIVE_PROFILE), first_hash(Place::SYS_USER)) {
        (Some(profile), Some(user)) => profile != user,
        _ => false,
    };
    let dangling = chain
        .records
        .iter()
        .any(|record| matches!(&record.column, Column::Names(id) if chain.picture(id).is_none()));
    let duplicate = chain.records.iter().any(|record| record.image_rows().count() > 1);
    [
        (Finding::DanglingColumn, dangling),
        (Finding::DuplicateImage, duplicate),
        (Finding::DuplicateProfile, profiles > 1),
        (Finding::NoProfile, profiles == 0),
        (Finding::Split, split),
        (
            Finding::Unprefixed,
            all().any(|row| row.form == PictureForm::Plain),
        ),
        (
            Finding::Quarantined,
            all().any(|row| row.scan == Scan::Quarantined),
        ),
        (Finding::NoHash, all().any(|row| row.sha256.is_none())),
    ]
    .into_iter()
    .filter_map(|(finding, holds)| holds.then_some(finding))
    .collect()
}

fn holds(value: Option<&RemoteText>, wanted: &str) -> bool {
    value.is_some_and(|value| fold(value.raw()) == fold(wanted))
}

#[async_trait]
impl PhotoSource for World {
    fn name(&self) -> &'static str {
        "Entra ID"
    }

    fn people(&self) -> BoxStream<'_, Result<Vec<SourcePerson>, ConnectorError>> {
        stream::unfold(Some(0), move |page| async move {
            let page = page?;
            if let Err(error) = self.begin("source.people") {
                return Some((Err(error), None));
            }
            let people = self.0.lock().source_page(page);
            let next = (!people.is_empty()).then_some(page + 1);
            Some((Ok(people), next))
        })
        .boxed()
    }

    async fn lookup(&self, wanted: &[SourceLookup]) -> Result<Vec<SourcePerson>, ConnectorError> {
        self.begin("source.lookup")?;
        let state = self.0.lock();
        let people = state.sources.iter().map(|(person, _)| person);
        Ok(people
            .filter(|person| {
                wanted.iter().any(|wanted| match wanted {
                    SourceLookup::Id(id) => fold(id) == person.id.as_str(),
                    SourceLookup::Principal(name) => holds(Some(&person.principal), name),
                    SourceLookup::Mail(mail) => holds(person.mail.as_ref(), mail),
                    SourceLookup::EmployeeId(id) => holds(person.employee_id.as_ref(), id),
                })
            })
            .cloned()
            .collect())
    }

    async fn group_members(&self, group: &str) -> Result<Vec<SourceId>, ConnectorError> {
        self.begin("source.group_members")?;
        let members = self.0.lock().groups.get(group).cloned();
        members.ok_or_else(|| ConnectorError {
            system: "Entra ID",
            operation: format!("find the group {group}"),
            kind: ErrorKind::NotFound,
            hint: None,
            source: None,
        })
    }

    fn stamps<'a>(
        &'a self,
        people: PeopleToAsk<'a>,
        _: Priority,
    ) -> BoxStream<'a, Result<(SourceId, SourcePhoto), ConnectorError>> {
        stream::iter(people)
            .map(move |person| {
                self.begin("source.stamps")?;
                let state = self.0.lock();
                let photo = state.sources.iter().find(|(found, _)| found.id == person);
                let stamp = match photo.map(|(_, photo)| photo) {
                    None => SourcePhoto::Unreadable("no such person".into()),
                    Some(Photo {
                        unreadable: Some(why),
                        ..
                    }) => SourcePhoto::Unreadable(why.clone()),
                    Some(Photo { bytes: None, .. }) => SourcePhoto::Absent,
                    Some(Photo { etag, .. }) => SourcePhoto::Present(PhotoStamp {
                        etag: etag.clone(),
                        width: 48,
                        height: 48,
                        content_type: "image/jpeg".into(),
                    }),
                };
                Ok((person, stamp))
            })
            .boxed()
    }

    async fn photo(&self, person: &SourceId, _: Priority) -> Result<Option<FetchedPhoto>, ConnectorError> {
        self.begin("source.photo")?;
        self.carry().await;
        let state = self.0.lock();
        let photo = state.sources.iter().find(|(found, _)| &found.id == person);
        Ok(photo.and_then(|(_, photo)| {
            Some(FetchedPhoto {
                bytes: photo.bytes.clone()?,
                etag: photo.etag.clone(),
                content_type: "image/jpeg".into(),
            })
        }))
    }

    fn photo_size(&self) -> String {
        "360x360".into()
    }

    async fn check(&self) -> Vec<Probe> {
        vec![probe("sign in to Entra ID", self.begin("source.check"))]
    }

    fn lanes(&self) -> Vec<LaneState> {
        Vec::new()
    }
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

fn refusal(operation: &str, kind: ErrorKind) -> ConnectorError {
    ConnectorError {
        system: "ServiceNow",
        operation: operation.into(),
        kind,
        hint: None,
        source: None,
    }
}

struct Swept {
    chains: HashMap<TargetId, AvatarChain>,
    world: World,
}

impl SweptChains for Swept {
    fn chain(&self, person: &TargetPerson) -> Option<AvatarChain> {
        *self.world.0.lock().calls.entry("target.chain").or_default() += 1;
        self.chains.get(&person.id).cloned()
    }
}

#[async_trait]
impl AvatarTarget for World {
    fn name(&self) -> &'static str {
        "ServiceNow"
    }

    fn people(&self) -> BoxStream<'_, Result<Vec<TargetPerson>, ConnectorError>> {
        stream::unfold(Some(0), move |page| async move {
            let page = page?;
            if let Err(error) = self.begin("target.people") {
                return Some((Err(error), None));
            }
            let people = self.0.lock().target_page(page);
            let next = (!people.is_empty()).then_some(page + 1);
            Some((Ok(people), next))
        })
        .boxed()
    }

    async fn count(&self) -> Result<u64, ConnectorError> {
        self.begin("target.count")?;
        let state = self.0.lock();
        let listed = state.targets.iter().filter(|target| is_in_scope(target)).count();
        Ok(listed as u64 + state.hidden)
    }

    async fn lookup(&self, wanted: &[TargetLookup]) -> Result<Vec<TargetPerson>, ConnectorError> {
        self.begin("target.lookup")?;
        let is_unsafe = |wanted: &TargetLookup| match wanted {
            TargetLookup::Id(value)
            | TargetLookup::UserName(value)
            | TargetLookup::Mail(value)
            | TargetLookup::EmployeeNumber(value)
            | TargetLookup::SourceKey(value) => value.chars().any(char::is_control),
        };
        if wanted.iter().any(is_unsafe) {
            return Err(refusal("look people up", ErrorKind::Refused));
        }
        let state = self.0.lock();
        Ok(state
            .targets
            .iter()
            .filter(|person| {
                wanted.iter().any(|wanted| match wanted {
                    TargetLookup::Id(id) => fold(id) == person.id.as_str(),
                    TargetLookup::UserName(name) => holds(Some(&person.user_name), name),
                    TargetLookup::Mail(mail) => holds(person.mail.as_ref(), mail),
                    TargetLookup::EmployeeNumber(number) => holds(person.employee_number.as_ref(), number),
                    TargetLookup::SourceKey(key) => holds(person.source_key.as_ref(), key),
                })
            })
            .cloned()
            .collect())
    }

    async fn lookup_in_scope(&self, wanted: &[TargetLookup]) -> Result<Vec<TargetPerson>, ConnectorError> {
        let mut people = AvatarTarget::lookup(self, wanted).await?;
        people.retain(is_in_scope);
        Ok(people)
    }

    async fn sweep_chains(&self, people: SweptPeople<'_>) -> Result<Box<dyn SweptChains>, ConnectorError> {
        self.begin("target.sweep_chains")?;
        let people: Vec<TargetId> = people.map(|(person, _)| person).collect();
        let state = self.0.lock();
        let chains = people.into_iter().map(|person| {
            let chain = state.chain(&person);
            (person, chain)
        });
        Ok(Box::new(Swept {
            chains: chains.collect(),
            world: self.clone(),
        }))
    }

    async fn chains(
        &self,
        people: &[TargetId],
        _: Priority,
    ) -> Result<Vec<(TargetId, AvatarChain)>, ConnectorError> {
        self.begin("target.chains")?;
        let state = self.0.lock();
        Ok(people
            .iter()
            .filter(|person| state.targets.iter().any(|target| &target.id == *person))
            .map(|person| (person.clone(), state.chain(person)))
            .collect())
    }

    async fn displayed(
        &self,
        people: &[TargetId],
    ) -> Result<Vec<(TargetId, Option<PictureId>)>, ConnectorError> {
        self.begin("target.displayed")?;
        let state = self.0.lock();
        Ok(people
            .iter()
            .map(|person| {
                let served = state.chain(person).served;
                (person.clone(), served.map(|served| served.picture))
            })
            .collect())
    }

    async fn download(&self, picture: &PictureId, _: Priority) -> Result<Option<Bytes>, ConnectorError> {
        self.begin("target.download")?;
        self.carry().await;
        let state = self.0.lock();
        let attachment = state.attachments.iter().find(|found| &found.row.id == picture);
        Ok(attachment.map(|found| found.bytes.clone()))
    }

    fn places_to_write(&self, _: &AvatarChain) -> Vec<Place> {
        vec![Place::LIVE_PROFILE, Place::SYS_USER]
    }

    async fn create_record(&self, person: &TargetPerson, place: Place) -> Result<RecordId, ConnectorError> {
        self.begin("target.create_record")?;
        let id = self.0.lock().create_record(&person.id, place);
        self.answer("target.create_record", id)
    }

    async fn upload(
        &self,
        record: &RecordId,
        _: Place,
        photo: Bytes,
        _: &str,
    ) -> Result<StoredPicture, ConnectorError> {
        self.begin("target.upload")?;
        self.carry().await;
        let row = {
            let mut state = self.0.lock();
            let id = state.store(
                record.clone(),
                Row {
                    bytes: photo,
                    form: PictureForm::ImageField,
                    stated_hash: true,
                    scan: Scan::Available,
                },
            );
            let stored = state.attachments.iter().find(|found| found.row.id == id);
            stored.expect("just stored").row.clone()
        };
        self.answer("target.upload", row)
    }

    async fn store_as(
        &self,
        record: &RecordId,
        _: Place,
        picture: Bytes,
        form: &StoredForm,
    ) -> Result<StoredPicture, ConnectorError> {
        self.begin("target.store_as")?;
        self.carry().await;
        let row = {
            let mut state = self.0.lock();
            let id = state.store(
                record.clone(),
                Row {
                    bytes: picture,
                    form: form.form,
                    stated_hash: true,
                    scan: Scan::Available,
                },
            );
            let stored = state.attachments.iter_mut().find(|found| found.row.id == id);
            let stored = &mut stored.expect("just stored").row;
            stored.file_name = form.file_name.clone();
            stored.content_type = form.content_type.clone();
            stored.clone()
        };
        self.answer("target.store_as", row)
    }

    async fn named(&self, pictures: &[PictureId]) -> Result<Vec<Naming>, ConnectorError> {
        self.begin("target.named")?;
        let state = self.0.lock();
        Ok(state
            .records
            .iter()
            .filter_map(|record| match &record.column {
                Column::Names(picture) if pictures.contains(picture) => Some(Naming {
                    picture: picture.clone(),
                    place: record.place,
                    record: record.id.clone(),
                }),
                _ => None,
            })
            .collect())
    }

    fn column_to_set(&self, _: Place, column: &Column, new: &PictureId) -> Option<PictureId> {
        matches!(column, Column::Names(old) if old != new).then(|| new.clone())
    }

    async fn column(&self, record: &RecordId, place: Place) -> Result<Column, ConnectorError> {
        self.begin("target.column")?;
        let state = self.0.lock();
        let found = state
            .records
            .iter()
            .find(|found| &found.id == record && found.place == place);
        found
            .map(|found| found.column.clone())
            .ok_or_else(|| refusal(&format!("read {place} {record}"), ErrorKind::NotFound))
    }

    async fn set_column(
        &self,
        record: &RecordId,
        place: Place,
        picture: Option<&PictureId>,
    ) -> Result<Column, ConnectorError> {
        self.begin("target.set_column")?;
        self.0.lock().point(record, place, picture);
        let column = picture.cloned().map_or(Column::Empty, Column::Names);
        self.answer("target.set_column", column)
    }

    async fn withdraw_record(&self, record: &RecordId, place: Place) -> Result<(), ConnectorError> {
        self.begin("target.withdraw_record")?;
        self.0
            .lock()
            .records
            .retain(|known| &known.id != record || known.place != place);
        self.answer("target.withdraw_record", ())
    }

    async fn remove(&self, picture: &PictureId) -> Result<(), ConnectorError> {
        self.begin("target.remove")?;
        self.0
            .lock()
            .attachments
            .retain(|attachment| &attachment.row.id != picture);
        self.answer("target.remove", ())
    }

    fn upload_limit(&self) -> u64 {
        self.0.lock().upload_limit
    }

    async fn check(&self) -> Vec<Probe> {
        vec![probe("sign in to ServiceNow", self.begin("target.check"))]
    }

    fn lanes(&self) -> Vec<LaneState> {
        Vec::new()
    }
}
