//! What a sweep of the tables has brought, in few bytes: eighty a picture and fifty a profile instead of a thousand.
//!
//! Nearly every row fits a fixed form; one that does not is kept as it is, so nothing is lost or rounded.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;

use jiff::Timestamp;

use super::chain::{Attachments, assemble};
use super::rows::{Attachment, Home, Profile};
use crate::connector::SweptChains;
use crate::domain::ids::{PictureId, RecordId, TargetId};
use crate::domain::packing::{IdForm, Pool, pack_id, unpack_id};
use crate::domain::person::TargetPerson;
use crate::domain::photo::{AvatarChain, Column, PictureForm, Place, Scan, Sha256, StoredPicture};

/// Chains of people who were few enough to be read by their keys.
pub(super) struct Few(pub(super) HashMap<TargetId, AvatarChain>);

impl SweptChains for Few {
    fn chain(&self, person: &TargetPerson) -> Option<AvatarChain> {
        self.0.get(&person.id).cloned()
    }
}

/// What is gathered while the tables are listed.
pub(super) struct Gathered {
    people: Keys,
    /// Pictures that the columns of those people name.
    named: Vec<PictureId>,
    /// Pictures stored at the records of people nobody asked for: a column may name one all the same.
    strangers: Keys,
    profiles: Vec<PackedProfile>,
    odd_profiles: Vec<Profile>,
    rows: Vec<PackedRow>,
    odd_rows: Vec<Attachment>,
    texts: Pool,
}

impl Gathered {
    /// For these people, whose own columns were read before.
    pub(super) fn new(people: impl Iterator<Item = (TargetId, Column)>) -> Self {
        let mut ids = Keys::default();
        let mut named = Vec::new();
        for (id, column) in people {
            ids.add(id.as_str());
            named.extend(names(column));
        }
        ids.sort();
        Self {
            people: ids,
            named,
            strangers: Keys::default(),
            profiles: Vec::new(),
            odd_profiles: Vec::new(),
            rows: Vec::new(),
            odd_rows: Vec::new(),
            texts: Pool::default(),
        }
    }

    fn wants(&self, person: &str) -> bool {
        self.people.contains(person)
    }

    /// Adds a profile, unless it belongs to somebody nobody asked for.
    pub(super) fn add_profile(&mut self, profile: Profile) {
        if !self.wants(profile.user.as_str()) {
            return;
        }
        match PackedProfile::of(&profile) {
            Some(packed) => push(&mut self.profiles, packed),
            None => self.odd_profiles.push(profile),
        }
    }

    /// Adds a picture, whoever it belongs to.
    pub(super) fn add(&mut self, attachment: Attachment) {
        let is_strangers =
            attachment.stored_at == Some(Place::SYS_USER) && !self.wants(attachment.record.as_str());
        if is_strangers || attachment.stored_at.is_none() {
            self.strangers.add(attachment.picture.id.as_str());
            return;
        }
        match PackedRow::of(&attachment, &mut self.texts) {
            Some(packed) => push(&mut self.rows, packed),
            None => self.odd_rows.push(attachment),
        }
    }

    /// Pictures that columns name and that have not come: whether they exist decides what is displayed.
    pub(super) fn unknown(&self) -> HashSet<PictureId> {
        let mut named = Keys::default();
        for id in &self.named {
            named.add(id.as_str());
        }
        for profile in &self.profiles {
            if profile.column_state == NAMES {
                named.values.push(profile.column);
            }
        }
        for profile in &self.odd_profiles {
            if let Column::Names(id) = &profile.column {
                named.add(id.as_str());
            }
        }
        named.sort();
        let mut is_there = vec![false; named.values.len()];
        let ids = self.rows.iter().map(|row| &row.id).chain(&self.strangers.values);
        for id in ids {
            if let Ok(position) = named.values.binary_search(id) {
                is_there[position] = true;
            }
        }
        for row in &self.odd_rows {
            match key(row.picture.id.as_str()) {
                Some(id) => {
                    if let Ok(position) = named.values.binary_search(&id) {
                        is_there[position] = true;
                    }
                }
                None => _ = named.odd.remove(row.picture.id.as_str()),
            }
        }
        for id in &self.strangers.odd {
            named.odd.remove(id);
        }
        let missing = named
            .values
            .iter()
            .zip(is_there)
            .filter(|(_, is_there)| !is_there);
        missing
            .map(|(id, _)| PictureId::new(unpack_id(IdForm::Hexadecimal, id)))
            .chain(named.odd.iter().map(|id| PictureId::new(&**id)))
            .collect()
    }

    /// Ready for chains. `dangling` are the pictures that columns name and that do not exist.
    pub(super) fn finish(self, dangling: HashSet<PictureId>) -> Swept {
        let Self {
            mut profiles,
            mut rows,
            odd_profiles,
            odd_rows,
            texts,
            ..
        } = self;
        // A row that came with two pages counts once.
        profiles.sort_unstable();
        profiles.dedup_by_key(|profile| (profile.user, profile.id));
        profiles.shrink_to_fit();
        let mut owners = Keys::default();
        for profile in &profiles {
            owners.values.push(profile.id);
        }
        for profile in &odd_profiles {
            owners.add(profile.id.as_str());
        }
        owners.sort();
        // What is stored at a profile of nobody who is wanted is no part of any chain.
        rows.retain(|row| row.place() == Place::SYS_USER || owners.values.binary_search(&row.record).is_ok());
        rows.sort_unstable();
        rows.dedup_by_key(|row| (row.is_profiles, row.record, row.id));
        rows.shrink_to_fit();
        Swept {
            profiles,
            odd_profiles: grouped(once(odd_profiles, |profile| profile.id.clone()), |profile| {
                profile.user.clone()
            }),
            rows,
            odd_rows: grouped(odd_rows, |row| (row.stored_at, row.record.clone())),
            texts,
            dangling,
        }
    }
}

/// A finished sweep.
pub(super) struct Swept {
    /// By user.
    profiles: Vec<PackedProfile>,
    odd_profiles: HashMap<TargetId, Vec<Profile>>,
    /// By place and record.
    rows: Vec<PackedRow>,
    odd_rows: HashMap<(Option<Place>, RecordId), Vec<Attachment>>,
    texts: Pool,
    /// Pictures that columns name and that do not exist.
    dangling: HashSet<PictureId>,
}

impl SweptChains for Swept {
    fn chain(&self, person: &TargetPerson) -> Option<AvatarChain> {
        let profiles = self.profiles_of(&person.id);
        let mut attachments = Attachments::default();
        let own = (Place::SYS_USER, RecordId::new(person.id.as_str()));
        let records = profiles
            .iter()
            .map(|profile| (Place::LIVE_PROFILE, profile.id.clone()));
        for (place, record) in records.chain([own]) {
            self.rows_at(place, &record, &mut attachments);
        }
        let columns = profiles.iter().map(|profile| &profile.column);
        for id in columns.chain([&person.column]).cloned().filter_map(names) {
            if !self.dangling.contains(&id) {
                attachments.add_existing(id);
            }
        }
        Some(assemble(
            &person.id,
            person.column.clone(),
            profiles,
            &mut attachments,
        ))
    }
}

impl Swept {
    fn profiles_of(&self, user: &TargetId) -> Vec<Profile> {
        let mut found = self.odd_profiles.get(user).cloned().unwrap_or_default();
        if let Some(key) = key(user.as_str()) {
            let start = self.profiles.partition_point(|profile| profile.user < key);
            let own = self.profiles[start..]
                .iter()
                .take_while(|profile| profile.user == key);
            found.extend(own.map(PackedProfile::unpack));
        }
        found
    }

    fn rows_at(&self, place: Place, record: &RecordId, attachments: &mut Attachments) {
        if let Some(key) = key(record.as_str()) {
            let wanted = (place == Place::LIVE_PROFILE, key);
            let start = self
                .rows
                .partition_point(|row| (row.is_profiles, row.record) < wanted);
            self.rows[start..]
                .iter()
                .take_while(|row| (row.is_profiles, row.record) == wanted)
                .for_each(|row| attachments.add(row.unpack(&self.texts)));
        }
        for row in self
            .odd_rows
            .get(&(Some(place), record.clone()))
            .into_iter()
            .flatten()
        {
            attachments.add(row.clone());
        }
    }
}

/// Each value once, by its key.
fn once<K: Eq + Hash, V>(values: Vec<V>, key_of: impl Fn(&V) -> K) -> Vec<V> {
    let mut seen = HashSet::new();
    let mut values = values;
    values.retain(|value| seen.insert(key_of(value)));
    values
}

fn grouped<K: Eq + Hash, V>(values: Vec<V>, key_of: impl Fn(&V) -> K) -> HashMap<K, Vec<V>> {
    let mut groups: HashMap<K, Vec<V>> = HashMap::new();
    for value in values {
        groups.entry(key_of(&value)).or_default().push(value);
    }
    groups
}

/// Adds to a long list without ever setting aside as much again.
fn push<T>(list: &mut Vec<T>, value: T) {
    if list.len() == list.capacity() {
        list.reserve_exact((list.len() / 4).max(64));
    }
    list.push(value);
}

fn names(column: Column) -> Option<PictureId> {
    match column {
        Column::Names(id) => Some(id),
        Column::Unreadable | Column::Empty => None,
    }
}

/// The sixteen bytes of an ordinary `sys_id`.
fn key(id: &str) -> Option<[u8; 16]> {
    match pack_id(id)? {
        (IdForm::Hexadecimal, value) => Some(value),
        (IdForm::Guid, _) => None,
    }
}

fn text_of(key: &[u8; 16]) -> String {
    unpack_id(IdForm::Hexadecimal, key)
}

/// A set of `sys_id`s that is sorted once.
#[derive(Default)]
struct Keys {
    values: Vec<[u8; 16]>,
    odd: HashSet<Box<str>>,
}

impl Keys {
    fn add(&mut self, id: &str) {
        match key(id) {
            Some(key) => push(&mut self.values, key),
            None => _ = self.odd.insert(id.into()),
        }
    }

    fn sort(&mut self) {
        self.values.sort_unstable();
        self.values.dedup();
    }

    fn contains(&self, id: &str) -> bool {
        match key(id) {
            Some(key) => self.values.binary_search(&key).is_ok(),
            None => self.odd.contains(id),
        }
    }
}

/// Whole seconds since 1970 until 2106; the last one stands for "not readable".
fn seconds(at: Option<Timestamp>) -> Option<[u8; 4]> {
    let seconds = match at {
        None => u32::MAX,
        Some(at) if at.subsec_nanosecond() == 0 => u32::try_from(at.as_second())
            .ok()
            .filter(|seconds| *seconds != u32::MAX)?,
        Some(_) => return None,
    };
    Some(seconds.to_le_bytes())
}

fn moment(seconds: [u8; 4]) -> Option<Timestamp> {
    match u32::from_le_bytes(seconds) {
        u32::MAX => None,
        seconds => Timestamp::from_second(i64::from(seconds)).ok(),
    }
}

/// A column that names a picture, in [`PackedProfile::column_state`].
const NAMES: u8 = 2;

/// A [`Profile`] of the usual form. The fields are bytes, so that nothing is lost between them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct PackedProfile {
    user: [u8; 16],
    id: [u8; 16],
    column: [u8; 16],
    column_state: u8,
    created_at: [u8; 4],
}

impl PackedProfile {
    fn of(profile: &Profile) -> Option<Self> {
        let (column_state, column) = match &profile.column {
            Column::Unreadable => (0, [0; 16]),
            Column::Empty => (1, [0; 16]),
            Column::Names(id) => (NAMES, key(id.as_str())?),
        };
        Some(Self {
            user: key(profile.user.as_str())?,
            id: key(profile.id.as_str())?,
            column,
            column_state,
            created_at: seconds(profile.created_at)?,
        })
    }

    fn unpack(&self) -> Profile {
        Profile {
            id: RecordId::new(text_of(&self.id)),
            user: TargetId::new(text_of(&self.user)),
            column: match self.column_state {
                0 => Column::Unreadable,
                1 => Column::Empty,
                _ => Column::Names(PictureId::new(text_of(&self.column))),
            },
            created_at: moment(self.created_at),
        }
    }
}

/// An [`Attachment`] of the usual form; see [`PackedProfile`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct PackedRow {
    is_profiles: bool,
    record: [u8; 16],
    id: [u8; 16],
    sha256: [u8; 32],
    has_sha256: bool,
    bytes: [u8; 4],
    created_at: [u8; 4],
    /// Home, form and scan state.
    kind: u8,
    file_name: [u8; 2],
    content_type: [u8; 2],
    /// Numbers from 1; 0 is "not readable".
    created_by: [u8; 4],
}

impl PackedRow {
    fn of(attachment: &Attachment, texts: &mut Pool) -> Option<Self> {
        let Attachment {
            home,
            stored_at,
            record,
            picture,
        } = attachment;
        let is_profiles = match *stored_at {
            Some(Place::LIVE_PROFILE) => true,
            Some(Place::SYS_USER) => false,
            _ => return None,
        };
        let home = match home {
            Home::Elsewhere => 0,
            Home::Image(place) if Some(*place) == *stored_at => 1,
            Home::Plain(place) if Some(*place) == *stored_at => 2,
            Home::Image(_) | Home::Plain(_) => return None,
        };
        let form = match picture.form {
            PictureForm::ImageField => 0,
            PictureForm::Plain => 1,
        };
        let scan = match picture.scan {
            Scan::NotScanned => 0,
            Scan::Pending => 1,
            Scan::Available => 2,
            Scan::Quarantined => 3,
        };
        let (record, id) = (key(record.as_str())?, key(picture.id.as_str())?);
        let bytes = u32::try_from(picture.bytes).ok()?;
        let created_at = seconds(picture.created_at)?;
        // Few texts repeat a thousand times; whoever has one that comes late is kept as they are.
        let mut small = |text: &str| Some(u16::try_from(texts.put(text)?).ok()?.to_le_bytes());
        let file_name = small(picture.file_name.raw())?;
        let content_type = small(picture.content_type.raw())?;
        let created_by = match &picture.created_by {
            None => 0,
            Some(name) => texts.put(name.raw())?.checked_add(1)?,
        };
        Some(Self {
            is_profiles,
            record,
            id,
            sha256: picture.sha256.map_or([0; 32], |hash| *hash.as_bytes()),
            has_sha256: picture.sha256.is_some(),
            bytes: bytes.to_le_bytes(),
            created_at,
            kind: home | form << 2 | scan << 3,
            file_name,
            content_type,
            created_by: created_by.to_le_bytes(),
        })
    }

    fn place(&self) -> Place {
        if self.is_profiles {
            Place::LIVE_PROFILE
        } else {
            Place::SYS_USER
        }
    }

    fn unpack(&self, texts: &Pool) -> Attachment {
        let place = self.place();
        let small = |number: [u8; 2]| texts.get(u32::from(u16::from_le_bytes(number)));
        Attachment {
            home: match self.kind & 3 {
                0 => Home::Elsewhere,
                1 => Home::Image(place),
                _ => Home::Plain(place),
            },
            stored_at: Some(place),
            record: RecordId::new(text_of(&self.record)),
            picture: StoredPicture {
                id: PictureId::new(text_of(&self.id)),
                form: match self.kind >> 2 & 1 {
                    0 => PictureForm::ImageField,
                    _ => PictureForm::Plain,
                },
                file_name: small(self.file_name).into(),
                sha256: self.has_sha256.then(|| Sha256::from_bytes(self.sha256)),
                bytes: u64::from(u32::from_le_bytes(self.bytes)),
                content_type: small(self.content_type).into(),
                scan: match self.kind >> 3 & 3 {
                    0 => Scan::NotScanned,
                    1 => Scan::Pending,
                    2 => Scan::Available,
                    _ => Scan::Quarantined,
                },
                created_at: moment(self.created_at),
                created_by: u32::from_le_bytes(self.created_by)
                    .checked_sub(1)
                    .map(|number| texts.get(number).into()),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u32) -> String {
        format!("{number:032x}")
    }

    fn row(number: u32) -> Attachment {
        Attachment {
            home: Home::Image(Place::SYS_USER),
            stored_at: Some(Place::SYS_USER),
            record: RecordId::new(id(1)),
            picture: StoredPicture {
                id: PictureId::new(id(number)),
                form: PictureForm::ImageField,
                file_name: "photo".into(),
                sha256: Some(Sha256::of(&number.to_le_bytes())),
                bytes: 20_000,
                content_type: "image/jpeg".into(),
                scan: Scan::Available,
                created_at: "2026-03-02T10:00:00Z".parse().ok(),
                created_by: Some("svc.avatar.sync".into()),
            },
        }
    }

    #[test]
    fn a_row_comes_back_as_it_was_or_is_kept_as_it_is() {
        let with = |change: &dyn Fn(&mut Attachment)| {
            let mut row = row(7);
            change(&mut row);
            row
        };
        let usual = [
            row(7),
            with(&|row| row.picture.sha256 = None),
            with(&|row| row.picture.created_at = None),
            with(&|row| row.picture.created_by = None),
            with(&|row| row.picture.form = PictureForm::Plain),
            with(&|row| row.home = Home::Elsewhere),
            with(&|row| row.home = Home::Plain(Place::SYS_USER)),
            with(&|row| row.picture.scan = Scan::NotScanned),
            with(&|row| row.picture.scan = Scan::Pending),
            with(&|row| row.picture.scan = Scan::Quarantined),
            with(&|row| {
                row.stored_at = Some(Place::LIVE_PROFILE);
                row.home = Home::Image(Place::LIVE_PROFILE);
            }),
        ];
        let mut texts = Pool::default();
        for row in usual {
            let packed = PackedRow::of(&row, &mut texts).expect("an ordinary row");
            assert_eq!(packed.unpack(&texts), row);
        }
        let odd = [
            with(&|row| row.picture.id = PictureId::new("install.photo")),
            with(&|row| row.record = RecordId::new(id(1).to_uppercase().replace('0', "A"))),
            with(&|row| row.picture.bytes = 1 << 40),
            with(&|row| row.picture.created_at = "1969-01-01T00:00:00Z".parse().ok()),
            with(&|row| row.picture.created_at = "2200-01-01T00:00:00Z".parse().ok()),
            with(&|row| row.picture.created_at = "2026-03-02T10:00:00.5Z".parse().ok()),
        ];
        for row in odd {
            assert!(PackedRow::of(&row, &mut texts).is_none(), "{row:?}");
            let person = TargetId::new(row.record.as_str());
            let mut gathered = Gathered::new([(person.clone(), Column::Empty)].into_iter());
            gathered.add(row.clone());
            let chain = chain_of(&gathered.finish(HashSet::new()), &person, Column::Empty);
            assert_eq!(chain.records[0].pictures, [row.picture]);
        }
    }

    #[test]
    fn a_profile_comes_back_as_it_was_or_is_kept_as_it_is() {
        let usual = Profile {
            id: RecordId::new(id(2)),
            user: TargetId::new(id(1)),
            column: Column::Names(PictureId::new(id(3))),
            created_at: "2026-03-02T10:00:00Z".parse().ok(),
        };
        for column in [Column::Empty, Column::Unreadable, usual.column.clone()] {
            let profile = Profile {
                column,
                ..usual.clone()
            };
            assert_eq!(PackedProfile::of(&profile).expect("ordinary").unpack(), profile);
        }
        let odd = Profile {
            id: RecordId::new("guest"),
            ..usual
        };
        assert!(PackedProfile::of(&odd).is_none());
        let mut gathered = Gathered::new([(odd.user.clone(), Column::Empty)].into_iter());
        gathered.add_profile(odd.clone());
        let chain = chain_of(&gathered.finish(HashSet::new()), &odd.user, Column::Empty);
        assert_eq!(chain.records[0].id, odd.id);
    }

    #[test]
    fn a_column_may_name_a_picture_at_somebody_elses_record_but_strangers_are_not_kept() {
        let (ada, picture) = (TargetId::new(id(10)), PictureId::new(id(7)));
        let named = Column::Names(picture.clone());
        let mut gathered = Gathered::new([(ada.clone(), named.clone())].into_iter());
        assert_eq!(gathered.unknown(), HashSet::from([picture.clone()]));
        gathered.add(row(7));
        assert!(gathered.unknown().is_empty());
        let swept = gathered.finish(HashSet::new());
        assert!(swept.rows.is_empty());
        let chain = chain_of(&swept, &ada, named);
        assert_eq!(chain.served.expect("a picture").picture, picture);
    }

    #[test]
    fn a_person_with_a_profile_and_a_picture_takes_a_hundred_and_fifty_bytes() {
        assert!(size_of::<PackedRow>() + size_of::<PackedProfile>() + size_of::<[u8; 16]>() <= 155);
        assert_eq!(align_of::<PackedRow>(), 1);
    }

    fn chain_of(swept: &Swept, person: &TargetId, column: Column) -> AvatarChain {
        let person = TargetPerson {
            id: person.clone(),
            name: "".into(),
            user_name: "".into(),
            mail: None,
            employee_number: None,
            source_key: None,
            active: None,
            locked_out: None,
            column,
        };
        swept.chain(&person).expect("everybody has one")
    }
}
