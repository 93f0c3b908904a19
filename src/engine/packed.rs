//! People in few bytes: what is listed of hundreds of thousands, until their turn comes.
//!
//! A [`SourcePerson`] takes four hundred bytes, here it is sixty: ids are sixteen bytes, departments, titles and domains
//! are numbers, and an address that is like another one is not repeated. Nothing is lost; [`PersonView`] reads the
//! values in place.

use std::borrow::Cow;

use crate::domain::ids::{PictureId, SourceId, TargetId};
use crate::domain::packing::{PackedId, Pool, Reader, Writer};
use crate::domain::pairing::{MatchRule, Side};
use crate::domain::person::{AccountKind, SourcePerson, TargetPerson};
use crate::domain::photo::{Column, PhotoStamp, SourcePhoto};
use crate::domain::text::RemoteText;

/// How many people stand together and are given back together. In full they take two megabytes; larger portions hold
/// more memory, smaller ones ask the store more often.
pub(super) const PORTION: usize = 512;

/// Records of any length, one after the other.
#[derive(Clone, Debug, Default)]
pub(super) struct Records {
    bytes: Vec<u8>,
    starts: Vec<u32>,
}

impl Records {
    pub(super) fn len(&self) -> usize {
        self.starts.len()
    }

    /// Adds a record that `write` writes.
    pub(super) fn add(&mut self, write: impl FnOnce(&mut Writer<'_>)) {
        self.starts.push(self.bytes.len() as u32);
        write(&mut Writer(&mut self.bytes));
    }

    pub(super) fn get(&self, position: usize) -> &[u8] {
        let start = self.starts[position] as usize;
        match self.starts.get(position + 1) {
            Some(end) => &self.bytes[start..*end as usize],
            None => &self.bytes[start..],
        }
    }

    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        (0..self.len()).map(|position| self.get(position))
    }

    /// Gives back what was set aside for more.
    pub(super) fn shrink(&mut self) {
        self.bytes.shrink_to_fit();
        self.starts.shrink_to_fit();
    }
}

/// Records in portions: none of them is moved when more come, and each can go when it is done with.
#[derive(Debug, Default)]
struct Portions(Vec<Records>);

impl Portions {
    fn len(&self) -> usize {
        match self.0.split_last() {
            None => 0,
            Some((last, full)) => full.len() * PORTION + last.len(),
        }
    }

    fn add(&mut self, write: impl FnOnce(&mut Writer<'_>)) {
        match self.0.last_mut() {
            Some(last) if last.len() < PORTION => {
                last.add(write);
                if last.len() == PORTION {
                    last.shrink();
                }
            }
            _ => {
                let mut records = Records::default();
                records.add(write);
                self.0.push(records);
            }
        }
    }

    fn get(&self, position: usize) -> &[u8] {
        self.0[position / PORTION].get(position % PORTION)
    }
}

/// The people of the source.
#[derive(Debug, Default)]
pub(super) struct PackedSources {
    portions: Portions,
    texts: Pool,
}

impl PackedSources {
    pub(super) fn len(&self) -> usize {
        self.portions.len()
    }

    pub(super) fn add(&mut self, person: &SourcePerson) {
        let texts = &mut self.texts;
        self.portions.add(|writer| write_source(writer, person, texts));
    }

    pub(super) fn view(&self, position: usize) -> PersonView<'_> {
        PersonView::read(&mut Reader(self.portions.get(position)), &self.texts)
    }

    /// The portions and the texts that they refer to.
    pub(super) fn into_parts(self) -> (Vec<Records>, Pool) {
        (self.portions.0, self.texts)
    }
}

/// Some people of the source, by their positions.
pub(super) struct Considered<'a> {
    pub(super) sources: &'a PackedSources,
    pub(super) positions: &'a [u32],
}

impl Side for Considered<'_> {
    type Id = SourceId;

    fn count(&self) -> usize {
        self.positions.len()
    }

    fn id(&self, position: usize) -> SourceId {
        self.sources.view(self.positions[position] as usize).id()
    }

    fn value(&self, position: usize, rule: MatchRule) -> Option<Cow<'_, str>> {
        self.sources.view(self.positions[position] as usize).value(rule)
    }
}

/// The people of the target.
#[derive(Debug, Default)]
pub(super) struct PackedTargets {
    portions: Portions,
    texts: Pool,
}

impl PackedTargets {
    pub(super) fn len(&self) -> usize {
        self.portions.len()
    }

    pub(super) fn add(&mut self, person: &TargetPerson) {
        let texts = &mut self.texts;
        self.portions
            .add(|writer| write_target(writer, person, None, texts));
    }

    pub(super) fn get(&self, position: usize) -> TargetPerson {
        read_target(Reader(self.portions.get(position)), None, &self.texts)
    }
}

impl Side for PackedTargets {
    type Id = TargetId;

    fn count(&self) -> usize {
        self.len()
    }

    fn id(&self, position: usize) -> TargetId {
        self.get(position).id
    }

    fn value(&self, position: usize, rule: MatchRule) -> Option<Cow<'_, str>> {
        TargetValues::read(&mut Reader(self.portions.get(position)), &self.texts).value(rule)
    }
}

/// An address in its two parts; one without an `@` has the first alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Address<'a> {
    local: &'a str,
    domain: Option<&'a str>,
}

impl<'a> Address<'a> {
    fn of(address: &'a str) -> Self {
        match address.rsplit_once('@') {
            Some((local, domain)) => Self {
                local,
                domain: Some(domain),
            },
            None => Self {
                local: address,
                domain: None,
            },
        }
    }

    fn write(self, writer: &mut Writer<'_>, texts: &mut Pool) {
        writer.text(self.local);
        writer.pooled(self.domain, texts);
    }

    fn read(reader: &mut Reader<'a>, texts: &'a Pool) -> Self {
        Self {
            local: reader.text(),
            domain: reader.pooled(texts),
        }
    }

    fn text(self) -> Cow<'a, str> {
        match self.domain {
            None => Cow::Borrowed(self.local),
            Some(domain) => Cow::Owned([self.local, "@", domain].concat()),
        }
    }

    fn remote(self) -> RemoteText {
        RemoteText::new(self.text())
    }
}

fn truth_code(truth: Option<bool>) -> u8 {
    match truth {
        None => 0,
        Some(false) => 1,
        Some(true) => 2,
    }
}

fn truth_of(code: u8) -> Option<bool> {
    match code & 3 {
        0 => None,
        1 => Some(false),
        _ => Some(true),
    }
}

/// How a mail address of the source is written.
const MAIL_NONE: u8 = 0;
/// It is the sign-in name.
const MAIL_SAME: u8 = 1;
/// It begins like the sign-in name up to the `@`.
const MAIL_LOCAL: u8 = 2;
const MAIL_OWN: u8 = 3;

/// Writes a person of the source so that [`PersonView::read`] reads it.
fn write_source(writer: &mut Writer<'_>, person: &SourcePerson, texts: &mut Pool) {
    let principal = Address::of(person.principal.raw());
    let mail = person.mail.as_ref().map(|mail| Address::of(mail.raw()));
    let mail_code = match mail {
        None => MAIL_NONE,
        Some(mail) if mail == principal => MAIL_SAME,
        Some(mail) if mail.local == principal.local => MAIL_LOCAL,
        Some(_) => MAIL_OWN,
    };
    let kind = match person.kind {
        AccountKind::Member => 0,
        AccountKind::Guest => 1,
        AccountKind::Unspecified => 2,
    };
    writer.byte(kind | truth_code(person.enabled) << 2 | mail_code << 4);
    writer.id(person.id.as_str());
    principal.write(writer, texts);
    match (mail_code, mail) {
        (MAIL_LOCAL, Some(mail)) => writer.pooled(mail.domain, texts),
        (MAIL_OWN, Some(mail)) => mail.write(writer, texts),
        _ => {}
    }
    writer.maybe_text(person.employee_id.as_ref().map(RemoteText::raw));
    writer.text(person.name.raw());
    writer.pooled(person.department.as_ref().map(RemoteText::raw), texts);
    writer.pooled(person.job_title.as_ref().map(RemoteText::raw), texts);
}

/// A person of the source, read in place.
#[derive(Clone, Copy, Debug)]
pub(super) struct PersonView<'a> {
    flags: u8,
    id: PackedId<'a>,
    principal: Address<'a>,
    mail: Option<Address<'a>>,
    employee_id: Option<&'a str>,
    name: &'a str,
    department: Option<&'a str>,
    job_title: Option<&'a str>,
}

impl<'a> PersonView<'a> {
    pub(super) fn read(reader: &mut Reader<'a>, texts: &'a Pool) -> Self {
        let flags = reader.byte();
        let id = reader.id();
        let principal = Address::read(reader, texts);
        let mail = match flags >> 4 & 3 {
            MAIL_NONE => None,
            MAIL_SAME => Some(principal),
            MAIL_LOCAL => Some(Address {
                local: principal.local,
                domain: reader.pooled(texts),
            }),
            _ => Some(Address::read(reader, texts)),
        };
        Self {
            flags,
            id,
            principal,
            mail,
            employee_id: reader.maybe_text(),
            name: reader.text(),
            department: reader.pooled(texts),
            job_title: reader.pooled(texts),
        }
    }

    pub(super) fn id(&self) -> SourceId {
        SourceId::new(self.id.unpack())
    }

    /// What [`MatchRule::source_value`] says of the person.
    fn value(&self, rule: MatchRule) -> Option<Cow<'a, str>> {
        match rule {
            MatchRule::ObjectId => Some(Cow::Owned(self.id.unpack())),
            MatchRule::EmployeeNumber => self.employee_id.map(Cow::Borrowed),
            MatchRule::UserName => Some(self.principal.text()),
            MatchRule::Mail => self.mail.map(Address::text),
        }
    }

    pub(super) fn unpack(&self) -> SourcePerson {
        SourcePerson {
            id: self.id(),
            name: self.name.into(),
            principal: self.principal.remote(),
            mail: self.mail.map(Address::remote),
            employee_id: self.employee_id.map(RemoteText::from),
            department: self.department.map(RemoteText::from),
            job_title: self.job_title.map(RemoteText::from),
            kind: match self.flags & 3 {
                0 => AccountKind::Member,
                1 => AccountKind::Guest,
                _ => AccountKind::Unspecified,
            },
            enabled: truth_of(self.flags >> 2),
        }
    }
}

/// What is not written of a person of the target, because it is as it is elsewhere.
mod same {
    pub(super) const NAME: u8 = 1;
    pub(super) const USER_NAME: u8 = 2;
    pub(super) const MAIL: u8 = 4;
    pub(super) const EMPLOYEE_NUMBER: u8 = 8;
    pub(super) const SOURCE_KEY: u8 = 16;
    /// Not the source's mail address but the person's own sign-in name.
    pub(super) const MAIL_AS_USER_NAME: u8 = 32;
}

/// Writes a person of the target, beside the person of the source whom they were matched with if there is one.
pub(super) fn write_target(
    writer: &mut Writer<'_>,
    person: &TargetPerson,
    beside: Option<&SourcePerson>,
    texts: &mut Pool,
) {
    let mut omitted = 0;
    if let Some(source) = beside {
        for (bit, is_same) in [
            (same::NAME, source.name == person.name),
            (same::USER_NAME, source.principal == person.user_name),
            (same::MAIL, source.mail == person.mail),
            (
                same::EMPLOYEE_NUMBER,
                source.employee_id == person.employee_number,
            ),
            (
                same::SOURCE_KEY,
                person.source_key.as_ref().map(RemoteText::raw) == Some(source.id.as_str()),
            ),
        ] {
            omitted |= if is_same { bit } else { 0 };
        }
    }
    if omitted & same::MAIL == 0 && person.mail.as_ref() == Some(&person.user_name) {
        omitted |= same::MAIL_AS_USER_NAME;
    }
    let column = match &person.column {
        Column::Unreadable => 0,
        Column::Empty => 1,
        Column::Names(_) => 2,
    };
    writer.byte(truth_code(person.active) | truth_code(person.locked_out) << 2 | column << 4);
    writer.byte(omitted);
    writer.id(person.id.as_str());
    if let Column::Names(picture) = &person.column {
        writer.id(picture.as_str());
    }
    if omitted & same::USER_NAME == 0 {
        Address::of(person.user_name.raw()).write(writer, texts);
    }
    if omitted & (same::MAIL | same::MAIL_AS_USER_NAME) == 0 {
        writer.byte(u8::from(person.mail.is_some()));
        if let Some(mail) = &person.mail {
            Address::of(mail.raw()).write(writer, texts);
        }
    }
    if omitted & same::EMPLOYEE_NUMBER == 0 {
        writer.maybe_text(person.employee_number.as_ref().map(RemoteText::raw));
    }
    if omitted & same::SOURCE_KEY == 0 {
        writer.byte(u8::from(person.source_key.is_some()));
        if let Some(key) = &person.source_key {
            writer.id(key.raw());
        }
    }
    if omitted & same::NAME == 0 {
        writer.text(person.name.raw());
    }
}

/// A person of the target, read in place; `None` in a field stands for the source's value where one was omitted.
struct TargetValues<'a> {
    flags: u8,
    omitted: u8,
    id: PackedId<'a>,
    column: Option<PackedId<'a>>,
    user_name: Option<Address<'a>>,
    mail: Option<Address<'a>>,
    employee_number: Option<&'a str>,
    source_key: Option<PackedId<'a>>,
    name: Option<&'a str>,
}

impl<'a> TargetValues<'a> {
    fn read(reader: &mut Reader<'a>, texts: &'a Pool) -> Self {
        let flags = reader.byte();
        let omitted = reader.byte();
        let is_written = |bits: u8| omitted & bits == 0;
        let id = reader.id();
        let column = (flags >> 4 == 2).then(|| reader.id());
        let user_name = is_written(same::USER_NAME).then(|| Address::read(reader, texts));
        let mail = if omitted & same::MAIL_AS_USER_NAME != 0 {
            user_name
        } else if is_written(same::MAIL) && reader.byte() == 1 {
            Some(Address::read(reader, texts))
        } else {
            None
        };
        Self {
            flags,
            omitted,
            id,
            column,
            user_name,
            mail,
            employee_number: is_written(same::EMPLOYEE_NUMBER)
                .then(|| reader.maybe_text())
                .flatten(),
            source_key: (is_written(same::SOURCE_KEY) && reader.byte() == 1).then(|| reader.id()),
            name: is_written(same::NAME).then(|| reader.text()),
        }
    }

    /// What [`MatchRule::target_value`] says of a person from whom nothing was omitted.
    fn value(&self, rule: MatchRule) -> Option<Cow<'a, str>> {
        match rule {
            MatchRule::ObjectId => self.source_key.map(|key| Cow::Owned(key.unpack())),
            MatchRule::EmployeeNumber => self.employee_number.map(Cow::Borrowed),
            MatchRule::UserName => self.user_name.map(Address::text),
            MatchRule::Mail => self.mail.map(Address::text),
        }
    }
}

/// The id and the picture column of a person of the target.
pub(super) fn read_target_column<'a>(mut reader: Reader<'a>, texts: &'a Pool) -> (TargetId, Column) {
    let values = TargetValues::read(&mut reader, texts);
    (TargetId::new(values.id.unpack()), column_of(&values))
}

fn column_of(values: &TargetValues<'_>) -> Column {
    match (values.column, values.flags >> 4) {
        (Some(picture), _) => Column::Names(PictureId::new(picture.unpack())),
        (None, 0) => Column::Unreadable,
        (None, _) => Column::Empty,
    }
}

/// Reads what [`write_target`] wrote, beside the same person of the source.
pub(super) fn read_target<'a>(
    mut reader: Reader<'a>,
    beside: Option<&SourcePerson>,
    texts: &'a Pool,
) -> TargetPerson {
    let values = TargetValues::read(&mut reader, texts);
    let omitted = |bit: u8| beside.filter(|_| values.omitted & bit != 0);
    let user_name = match omitted(same::USER_NAME) {
        Some(source) => source.principal.clone(),
        None => values.user_name.map(Address::remote).unwrap_or_default(),
    };
    TargetPerson {
        id: TargetId::new(values.id.unpack()),
        name: match omitted(same::NAME) {
            Some(source) => source.name.clone(),
            None => values.name.map(RemoteText::from).unwrap_or_default(),
        },
        mail: match omitted(same::MAIL) {
            Some(source) => source.mail.clone(),
            None if values.omitted & same::MAIL_AS_USER_NAME != 0 => Some(user_name.clone()),
            None => values.mail.map(Address::remote),
        },
        user_name,
        employee_number: match omitted(same::EMPLOYEE_NUMBER) {
            Some(source) => source.employee_id.clone(),
            None => values.employee_number.map(RemoteText::from),
        },
        source_key: match omitted(same::SOURCE_KEY) {
            Some(source) => Some(source.id.as_str().into()),
            None => values.source_key.map(|key| key.unpack().into()),
        },
        active: truth_of(values.flags),
        locked_out: truth_of(values.flags >> 2),
        column: column_of(&values),
    }
}

/// Writes what is known of a photo.
pub(super) fn write_photo(writer: &mut Writer<'_>, photo: &SourcePhoto, texts: &mut Pool) {
    match photo {
        SourcePhoto::Unknown => writer.byte(0),
        SourcePhoto::Absent => writer.byte(1),
        SourcePhoto::Present(stamp) => {
            writer.byte(2);
            writer.maybe_text(stamp.etag.as_deref());
            writer.number(stamp.width.into());
            writer.number(stamp.height.into());
            writer.pooled(Some(&stamp.content_type), texts);
        }
        SourcePhoto::OutOfReach(why) => {
            writer.byte(3);
            writer.pooled(Some(why), texts);
        }
        SourcePhoto::Unreadable(why) => {
            writer.byte(4);
            writer.pooled(Some(why), texts);
        }
    }
}

/// Reads what [`write_photo`] wrote.
pub(super) fn read_photo<'a>(mut reader: Reader<'a>, texts: &'a Pool) -> SourcePhoto {
    match reader.byte() {
        0 => SourcePhoto::Unknown,
        1 => SourcePhoto::Absent,
        2 => SourcePhoto::Present(PhotoStamp {
            etag: reader.maybe_text().map(str::to_owned),
            width: reader.number() as u32,
            height: reader.number() as u32,
            content_type: reader.pooled(texts).unwrap_or_default().to_owned(),
        }),
        3 => SourcePhoto::OutOfReach(reader.pooled(texts).unwrap_or_default().to_owned()),
        _ => SourcePhoto::Unreadable(reader.pooled(texts).unwrap_or_default().to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::option::of;
    use proptest::prelude::*;

    use super::*;

    /// Texts that are often alike, as those of one person are.
    fn text() -> impl Strategy<Value = RemoteText> {
        prop_oneof![
            "",
            "ada",
            "ada@x.example",
            "ada@y.example",
            "@",
            "a@b@c",
            "[a-cÄ@ ]{0,6}"
        ]
        .prop_map(RemoteText::from)
    }

    fn id() -> impl Strategy<Value = String> {
        prop_oneof![
            Just("3f9a0000-0000-4000-8000-000000000001".to_owned()),
            Just("0123456789abcdef0123456789abcdef".to_owned()),
            "[A-F0-9-]{32,36}",
            "[a-z]{1,4}"
        ]
    }

    fn source() -> impl Strategy<Value = SourcePerson> {
        let kind = prop_oneof![
            Just(AccountKind::Member),
            Just(AccountKind::Guest),
            Just(AccountKind::Unspecified)
        ];
        (
            (id(), text(), text(), of(text())),
            (of(text()), of(text()), of(text())),
            kind,
            of(any::<bool>()),
        )
            .prop_map(
                |((id, name, principal, mail), (employee_id, department, job_title), kind, enabled)| {
                    SourcePerson {
                        id: SourceId::new(id),
                        name,
                        principal,
                        mail,
                        employee_id,
                        department,
                        job_title,
                        kind,
                        enabled,
                    }
                },
            )
    }

    fn target() -> impl Strategy<Value = TargetPerson> {
        let column = prop_oneof![
            Just(Column::Unreadable),
            Just(Column::Empty),
            id().prop_map(|id| Column::Names(PictureId::new(id)))
        ];
        let key = of(id().prop_map(RemoteText::from));
        (
            (id(), text(), text(), of(text())),
            (of(text()), key, of(any::<bool>()), of(any::<bool>())),
            column,
        )
            .prop_map(
                |((id, name, user_name, mail), (employee_number, source_key, active, locked_out), column)| {
                    TargetPerson {
                        id: TargetId::new(id),
                        name,
                        user_name,
                        mail,
                        employee_number,
                        source_key,
                        active,
                        locked_out,
                        column,
                    }
                },
            )
    }

    proptest! {
        #[test]
        fn people_come_back_as_they_were_with_the_values_that_rules_compare(
            sources in proptest::collection::vec(source(), 1..8),
            targets in proptest::collection::vec(target(), 1..8),
        ) {
            let mut packed = PackedSources::default();
            for person in &sources {
                packed.add(person);
            }
            for (position, person) in sources.iter().enumerate() {
                let view = packed.view(position);
                prop_assert_eq!(&view.unpack(), person);
                for rule in MatchRule::DEFAULT_ORDER {
                    let value = view.value(rule);
                    prop_assert_eq!(value.as_deref(), rule.source_value(person));
                }
            }
            let mut packed = PackedTargets::default();
            for person in &targets {
                packed.add(person);
            }
            for (position, person) in targets.iter().enumerate() {
                prop_assert_eq!(&packed.get(position), person);
                for rule in MatchRule::DEFAULT_ORDER {
                    let value = packed.value(position, rule);
                    prop_assert_eq!(value.as_deref(), rule.target_value(person));
                }
            }
        }

        #[test]
        fn a_target_person_beside_their_source_person_comes_back_as_they_were(source in source(), target in target()) {
            let mut texts = Pool::default();
            let mut bytes = Vec::new();
            write_target(&mut Writer(&mut bytes), &target, Some(&source), &mut texts);
            prop_assert_eq!(&read_target(Reader(&bytes), Some(&source), &texts), &target);
            let column = read_target_column(Reader(&bytes), &texts);
            prop_assert_eq!(column, (target.id, target.column));
        }

        #[test]
        fn a_photo_comes_back_as_it_was(etag in of(".{0,40}"), width: u32, height: u32, text in ".{0,20}") {
            let stamp = PhotoStamp { etag, width, height, content_type: text.clone() };
            for photo in [
                SourcePhoto::Unknown,
                SourcePhoto::Absent,
                SourcePhoto::Present(stamp),
                SourcePhoto::OutOfReach(text.clone()),
                SourcePhoto::Unreadable(text),
            ] {
                let mut texts = Pool::default();
                let mut bytes = Vec::new();
                write_photo(&mut Writer(&mut bytes), &photo, &mut texts);
                prop_assert_eq!(read_photo(Reader(&bytes), &texts), photo);
            }
        }
    }

    #[test]
    fn an_ordinary_person_takes_eighty_bytes_on_each_side_and_twenty_more_once_matched() {
        let mut sources = PackedSources::default();
        let mut targets = PackedTargets::default();
        let mut beside = Records::default();
        let people = 2 * PORTION;
        for number in 0..people {
            let address = format!("given.family{number}@contoso.example");
            let source = SourcePerson {
                id: SourceId::new(format!("3f9a0000-0000-4000-8000-{number:012x}")),
                name: format!("Given Family {number}").into(),
                principal: address.as_str().into(),
                mail: Some(address.as_str().into()),
                employee_id: Some(format!("E{number:06}").into()),
                department: Some(format!("Department {}", number % 40).into()),
                job_title: Some(format!("Title {}", number % 300).into()),
                kind: AccountKind::Member,
                enabled: Some(true),
            };
            let target = TargetPerson {
                id: TargetId::new(format!("{number:032x}")),
                name: source.name.clone(),
                user_name: source.principal.clone(),
                mail: source.mail.clone(),
                employee_number: source.employee_id.clone(),
                source_key: Some(source.id.as_str().into()),
                active: Some(true),
                locked_out: Some(false),
                column: Column::Empty,
            };
            sources.add(&source);
            targets.add(&target);
            beside.add(|writer| write_target(writer, &target, Some(&source), &mut Pool::default()));
        }
        let each = |bytes: usize| bytes.div_ceil(people);
        let size = |portions: &Portions| {
            let size = |records: &Records| records.bytes.capacity() + 4 * records.starts.capacity();
            each(portions.0.iter().map(size).sum())
        };
        assert!(size(&sources.portions) <= 80, "{}", size(&sources.portions));
        assert!(size(&targets.portions) <= 90, "{}", size(&targets.portions));
        assert!(each(beside.bytes.len()) <= 20, "{}", each(beside.bytes.len()));
    }
}
