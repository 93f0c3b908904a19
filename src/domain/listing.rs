//! Everybody in one compact block, for a screen of hundreds of thousands of rows.
//!
//! A [`Listing`] holds of each person what a list shows, filters and sorts by, in columns of bytes: about a hundred of
//! them a person. The same bytes are the last scan on disk ([`Listing::write`]), so that a screen is there at once.
//! Texts are kept as the service sent them and cleaned when they are shown; ids are packed, what repeats is kept once.

mod block;
mod columns;
mod entry;
mod keys;
mod marks;
mod order;
mod query;
mod search;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::OnceLock;

use jiff::Timestamp;

pub use block::BlockError;
pub use entry::Entry;
pub use marks::Marks;
pub use order::Column;
pub use query::Query;
pub use search::Hit;

use super::comparison::Verdict;
use super::filter::folded;
use super::ids::{SourceId, TargetId};
use super::person::SourcePerson;
use super::suspicion::{Faces, Gallery, Suspicions};
use super::text::RemoteText;
use columns::{Ids, Interned, NONE, Numbers, Positions, kept, room};
use entry::{Address, split_address};
use keys::SearchKeys;

/// The longest sentence of a suspicion, in bytes.
const SUSPICION_LIMIT: usize = 400;

/// A position in a listing. It names nobody in another one; [`Listing::find`] and [`Marks::remap`] lead there.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Row(pub u32);

impl Row {
    fn position(self) -> usize {
        self.0 as usize
    }
}

/// A listing with the scan it comes from.
#[derive(Clone, Debug)]
pub struct Listed {
    /// When the scan was finished.
    pub scanned_at: Timestamp,
    /// False if the scan was cut short, so that people may be lacking.
    pub complete: bool,
    /// Everybody, in the order of their names.
    pub listing: Listing,
}

/// Puts a column into this order.
fn arrange<T: Copy>(column: &mut Vec<T>, order: &[Row]) {
    *column = order.iter().map(|row| column[row.position()]).collect();
}

/// Everybody, with verdict and reason. Empty by default.
#[derive(Clone, Default)]
pub struct Listing {
    /// Names and addresses, one person after the other.
    text: String,
    /// Bytes of `text` that nobody names any more.
    unused: usize,
    spans: Vec<[u8; Span::SIZE]>,
    sources: Ids,
    targets: Ids,
    /// How each person's mail address and sign-in name in the target are kept; see [`Likeness`].
    likenesses: Vec<u8>,
    principal_domains: Numbers,
    mail_domains: Numbers,
    domains: Interned,
    person_departments: Numbers,
    departments: Interned,
    verdicts: Vec<u8>,
    person_reasons: Numbers,
    reasons: Interned,
    /// Why some people's photos are probably not their own, by position: few have such a sentence.
    suspicions: BTreeMap<u32, Box<str>>,
    counts: Counts,
    is_by_name: bool,
    /// Where each id of the source stands; made when somebody is looked for.
    positions: OnceLock<Positions>,
    keys: OnceLock<SearchKeys>,
}

/// What a listing is told about a person.
#[derive(Clone, Copy, Debug)]
pub struct Particulars<'a> {
    /// Id in the source.
    pub source: &'a SourceId,
    /// Display name in the source.
    pub name: &'a RemoteText,
    /// Sign-in name in the source.
    pub principal: &'a RemoteText,
    /// E-mail address in the source.
    pub mail: Option<&'a RemoteText>,
    /// Department in the source.
    pub department: Option<&'a RemoteText>,
    /// Id and sign-in name in the target, once paired.
    pub target: Option<(&'a TargetId, &'a RemoteText)>,
    /// The verdict.
    pub verdict: Verdict,
    /// Why.
    pub reason: &'a str,
}

impl<'a> Particulars<'a> {
    /// Of somebody who has been listed and not yet looked at.
    pub fn of(person: &'a SourcePerson) -> Self {
        Self {
            source: &person.id,
            name: &person.name,
            principal: &person.principal,
            mail: person.mail.as_ref(),
            department: person.department.as_ref(),
            target: None,
            verdict: Verdict::Undecided,
            reason: "",
        }
    }
}

/// Where a person's texts stand: they follow one another from `start`, each to its own end.
#[derive(Clone, Copy, Debug, Default)]
struct Span {
    start: u32,
    /// Lengths from `start` on: to the end of name, sign-in name, mail address, sign-in name in the target. Of an
    /// address only the part before the `@` stands here.
    ends: [u16; 4],
}

impl Span {
    const SIZE: usize = 12;

    fn to_bytes(self) -> [u8; Self::SIZE] {
        let mut bytes = [0; Self::SIZE];
        bytes[..4].copy_from_slice(&self.start.to_le_bytes());
        for (place, end) in bytes[4..].chunks_exact_mut(2).zip(self.ends) {
            place.copy_from_slice(&end.to_le_bytes());
        }
        bytes
    }

    fn from_bytes(bytes: [u8; Self::SIZE]) -> Self {
        let [a, b, c, d, ends @ ..] = bytes;
        let end = |at: usize| u16::from_le_bytes([ends[2 * at], ends[2 * at + 1]]);
        Self {
            start: u32::from_le_bytes([a, b, c, d]),
            ends: [end(0), end(1), end(2), end(3)],
        }
    }
}

/// The texts of a span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Text {
    Name,
    Principal,
    Mail,
    UserName,
}

/// How a text is kept that is often like the sign-in name in the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Likeness {
    /// There is none.
    None = 0,
    /// It is the sign-in name.
    Same = 1,
    /// It begins like the sign-in name up to the `@`; a mail address goes on with a domain of its own.
    Local = 2,
    /// It stands in the person's span.
    Own = 3,
}

impl Likeness {
    fn of(bits: u8) -> Self {
        match bits & 3 {
            0 => Self::None,
            1 => Self::Same,
            2 => Self::Local,
            _ => Self::Own,
        }
    }

    fn pair(mail: Self, user_name: Self) -> u8 {
        mail as u8 | (user_name as u8) << 2
    }

    fn unpair(both: u8) -> (Self, Self) {
        (Self::of(both), Self::of(both >> 2))
    }
}

/// How many people have each verdict.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts([u32; Verdict::ALL.len()]);

impl Counts {
    /// People with this verdict.
    pub fn of(&self, verdict: Verdict) -> u32 {
        self.0[verdict as usize]
    }

    /// Everybody.
    pub fn total(&self) -> u32 {
        self.0.iter().sum()
    }
}

/// Takes people in any order and gives a listing in the order of their names.
#[derive(Debug, Default)]
pub struct Builder {
    listing: Listing,
    gallery: Gallery,
}

impl Builder {
    /// Adds a person. Somebody who is there already, by the id of the source, is not added again.
    pub fn push(&mut self, person: &Particulars<'_>) {
        self.push_with(person, Faces::default());
    }

    /// Adds a person with what is known of their pictures.
    pub fn push_with(&mut self, person: &Particulars<'_>, faces: Faces) {
        let before = self.listing.len();
        self.listing.push(person);
        if self.listing.len() > before {
            self.gallery.push(faces);
        }
    }

    /// The listing, with what is suspicious about people's photos.
    pub fn finish(self) -> Listing {
        self.finish_with_faces().0
    }

    /// The same, with everybody's pictures in the order of its rows: for judging again when more has been seen.
    pub fn finish_with_faces(self) -> (Listing, Gallery) {
        let (mut listing, mut gallery) = (self.listing, self.gallery);
        let suspicions = listing.judged(&gallery);
        listing.set_suspicions(suspicions);
        let order = listing.order(Column::Name);
        if order.is_sorted() {
            listing.shrink();
        } else {
            listing.arrange(&order);
            gallery = gallery.arranged(order.iter().map(|row| row.position()));
        }
        listing.is_by_name = true;
        (listing, gallery)
    }
}

impl Listing {
    /// Begins a listing of about so many people.
    pub fn builder(people: usize) -> Builder {
        let mut listing = Self::default();
        // A guess that no answer of a service has a say in beyond some megabytes.
        let people = people.min(1_000_000);
        listing.text.reserve(people * 32);
        listing.spans.reserve(people);
        for ids in [&mut listing.sources, &mut listing.targets] {
            ids.values.reserve(people);
            ids.forms.reserve(people);
        }
        for numbers in [
            &mut listing.principal_domains,
            &mut listing.mail_domains,
            &mut listing.person_departments,
            &mut listing.person_reasons,
        ] {
            numbers.0.reserve(people);
        }
        listing.likenesses.reserve(people);
        listing.verdicts.reserve(people);
        Builder {
            listing,
            gallery: Gallery::default(),
        }
    }

    /// How many people there are.
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// True if there is nobody.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// All rows, the first one first.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = Row> + DoubleEndedIterator + use<> {
        (0..self.len() as u32).map(Row)
    }

    /// The person in a row.
    ///
    /// # Panics
    ///
    /// If the row is beyond the end, which only one of another listing can be.
    pub fn entry(&self, row: Row) -> Entry<'_> {
        self.get(row).expect("the row is one of this listing")
    }

    /// The person in a row; `None` beyond the end.
    pub fn get(&self, row: Row) -> Option<Entry<'_>> {
        (row.position() < self.len()).then_some(Entry { listing: self, row })
    }

    /// Where a person is.
    pub fn find(&self, person: &SourceId) -> Option<Row> {
        self.sources.find(self.positions(), person.as_str()).map(Row)
    }

    fn positions(&self) -> &Positions {
        self.positions.get_or_init(|| self.sources.positions())
    }

    /// Where the person in a row of another listing is.
    fn find_same(&self, other: &Self, row: Row) -> Option<Row> {
        (row.position() < other.len())
            .then(|| {
                self.sources
                    .find_same(self.positions(), &other.sources, row.position())
            })
            .flatten()
            .map(Row)
    }

    /// The verdict on the person in a row.
    ///
    /// # Panics
    ///
    /// If the row is beyond the end.
    pub fn verdict(&self, row: Row) -> Verdict {
        Verdict::ALL[usize::from(self.verdicts[row.position()])]
    }

    /// How many people have each verdict.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Notes what is now known about somebody.
    ///
    /// # Panics
    ///
    /// If the row is beyond the end.
    pub fn set(&mut self, row: Row, verdict: Verdict, reason: &str) {
        self.counts.0[self.verdict(row) as usize] -= 1;
        self.counts.0[verdict as usize] += 1;
        self.verdicts[row.position()] = verdict as u8;
        let number = self.reasons.put(reason);
        self.person_reasons.set(row.position(), number);
        if self.reasons.len() > 2 * self.len() + 1000 {
            self.drop_unused_reasons();
        }
    }

    /// Whose photo is probably not their own and why, as these pictures tell; they are in the order of the rows.
    pub fn judged(&self, gallery: &Gallery) -> Vec<(Row, String)> {
        let row = |position: usize| Row(position as u32);
        let name = |position: usize| self.get(row(position));
        gallery
            .suspicions(|position| {
                let entry = name(position);
                entry
                    .map_or_else(String::new, |entry| folded(entry.raw_name()))
                    .into()
            })
            .into_iter()
            .map(|(position, suspicion)| {
                let sentence = suspicion
                    .sentence(|other| name(other).map_or_else(|| "somebody".into(), |entry| entry.name()));
                (row(position), sentence)
            })
            .collect()
    }

    /// Notes whose photo is probably not their own; of everybody else nothing is suspicious any more.
    pub fn set_suspicions(&mut self, suspicions: impl IntoIterator<Item = (Row, String)>) {
        self.suspicions.clear();
        for (row, sentence) in suspicions {
            self.set_suspicion(row, Some(&sentence));
        }
    }

    /// Notes why somebody's photo is probably not their own; `None` for somebody of whom nothing is suspicious.
    pub fn set_suspicion(&mut self, row: Row, sentence: Option<&str>) {
        match sentence {
            Some(sentence) if row.position() < self.len() => {
                self.suspicions
                    .insert(row.0, kept(sentence, SUSPICION_LIMIT).into());
            }
            _ => {
                self.suspicions.remove(&row.0);
            }
        }
    }

    /// Everybody whose photo is probably not their own.
    pub fn suspicions(&self) -> Suspicions {
        let mut suspicions = Suspicions::default();
        for (position, sentence) in &self.suspicions {
            suspicions.add(self.entry(Row(*position)).source(), sentence);
        }
        suspicions
    }

    /// How many people have a photo that is probably not their own.
    pub fn suspicious(&self) -> u32 {
        self.suspicions.len() as u32
    }

    /// Notes who somebody is in the target, by id and sign-in name; `None` for nobody.
    ///
    /// # Panics
    ///
    /// If the row is beyond the end.
    pub fn set_target(&mut self, row: Row, target: Option<(&TargetId, &RemoteText)>) {
        let position = row.position();
        let user_name = target.map(|(_, user_name)| user_name.raw());
        self.targets.set(position, target.map(|(id, _)| id.as_str()));
        if self.entry(row).raw_user_name().as_deref() == user_name {
            return;
        }
        // What is kept of the person is written anew at the end, with the new name in it.
        let [name, principal, mail] =
            [Text::Name, Text::Principal, Text::Mail].map(|text| self.text(row, text).to_owned());
        let address = self.entry(row).raw_principal().into_owned();
        let (likeness, own) = like_principal(user_name, &address, &principal);
        let span = self.write_texts([&name, &principal, &mail, own]);
        let old = std::mem::replace(&mut self.spans[position], span.to_bytes());
        self.unused += usize::from(Span::from_bytes(old).ends[3]);
        let (mail, _) = Likeness::unpair(self.likenesses[position]);
        self.likenesses[position] = Likeness::pair(mail, likeness);
        if self.unused > self.text.len() / 2 + 0x10000 {
            self.drop_unused_text();
        }
    }

    /// Adds a page of a listing under way: nobody of it has been looked at. Who is there already is not added again.
    pub fn append(&mut self, people: &[SourcePerson]) {
        for person in people {
            self.push(&Particulars::of(person));
        }
        if let Some(mut keys) = self.keys.take() {
            keys.extend(self);
            drop(self.keys.set(keys));
        }
    }

    fn push(&mut self, person: &Particulars<'_>) {
        if self.find(person.source).is_some() || self.len() >= NONE as usize - 1 {
            return;
        }
        let row = self.len() as u32;
        // Four thousand million bytes of unusual ids are more than a listing takes.
        if !self.sources.push(Some(person.source.as_str())) {
            return;
        }
        let target = person.target.map(|(id, _)| id.as_str());
        if !self.targets.push(target) {
            self.targets.push(None);
        }

        let (principal, domain) = split_address(person.principal.raw());
        let mail = person.mail.map(RemoteText::raw);
        let (mail_local, mail_domain) = mail.map_or(("", None), split_address);
        let (mail_likeness, mail_local) = match mail {
            None => (Likeness::None, ""),
            Some(mail) if mail == person.principal.raw() => (Likeness::Same, ""),
            Some(_) if mail_local == principal => (Likeness::Local, ""),
            Some(_) => (Likeness::Own, mail_local),
        };
        let user_name = person.target.map(|(_, user_name)| user_name.raw());
        let (user_likeness, user_name) = like_principal(user_name, person.principal.raw(), principal);
        self.likenesses.push(Likeness::pair(mail_likeness, user_likeness));
        let span = self.write_texts([person.name.raw(), principal, mail_local, user_name]);
        self.spans.push(span.to_bytes());

        let mut number = |domain: Option<&str>| domain.map_or(NONE, |domain| self.domains.put(domain));
        self.principal_domains.push(number(domain));
        self.mail_domains.push(number(mail_domain));
        let department = person
            .department
            .map_or(NONE, |department| self.departments.put(department.raw()));
        self.person_departments.push(department);
        self.verdicts.push(person.verdict as u8);
        self.counts.0[person.verdict as usize] += 1;
        let reason = self.reasons.put(person.reason);
        self.person_reasons.push(reason);

        let mut positions = self.positions.take().expect("made by the search above");
        positions.insert(row, &|hasher: &_, position| self.sources.hash(hasher, position));
        drop(self.positions.set(positions));
        self.is_by_name = false;
    }

    /// Writes a person's texts at the end.
    fn write_texts(&mut self, texts: [&str; 4]) -> Span {
        let start = self.text.len() as u32;
        let ends = texts.map(|text| {
            self.text.push_str(kept(text, room(&self.text)));
            // Four texts of 4,096 bytes at most.
            (self.text.len() as u32 - start) as u16
        });
        Span { start, ends }
    }

    /// The text of a span as it is kept.
    fn text(&self, row: Row, text: Text) -> &str {
        let Span { start, ends } = Span::from_bytes(self.spans[row.position()]);
        let (from, to) = match text {
            Text::Name => (0, ends[0]),
            Text::Principal => (ends[0], ends[1]),
            Text::Mail => (ends[1], ends[2]),
            Text::UserName => (ends[2], ends[3]),
        };
        // Checked when it was stored, and written whole.
        columns::part(&self.text, start + u32::from(from), start + u32::from(to)).unwrap_or_default()
    }

    /// The sign-in name in two parts.
    fn principal_parts(&self, row: Row) -> Address<'_> {
        Address {
            local: self.text(row, Text::Principal),
            domain: self.domains.get(self.principal_domains.get(row.position())),
        }
    }

    /// The mail address in two parts.
    fn mail_parts(&self, row: Row) -> Option<Address<'_>> {
        let (mail, _) = Likeness::unpair(self.likenesses[row.position()]);
        let local = match mail {
            Likeness::None => return None,
            Likeness::Same => return Some(self.principal_parts(row)),
            Likeness::Local => self.text(row, Text::Principal),
            Likeness::Own => self.text(row, Text::Mail),
        };
        let domain = self.domains.get(self.mail_domains.get(row.position()));
        Some(Address { local, domain })
    }

    /// Puts the rows into this order, column by column: only one of them is ever there twice.
    fn arrange(&mut self, order: &[Row]) {
        self.positions = OnceLock::new();
        self.keys = OnceLock::new();
        self.suspicions = self.suspicions_in(order);
        let text = {
            let mut arranged = Self::default();
            arranged.text.reserve_exact(self.text.len() - self.unused);
            arranged.spans.reserve_exact(self.len());
            for row in order {
                let texts = [Text::Name, Text::Principal, Text::Mail, Text::UserName];
                let span = arranged.write_texts(texts.map(|text| self.text(*row, text)));
                arranged.spans.push(span.to_bytes());
            }
            self.spans = arranged.spans;
            arranged.text
        };
        self.text = text;
        self.unused = 0;
        for ids in [&mut self.sources, &mut self.targets] {
            arrange(&mut ids.values, order);
            arrange(&mut ids.forms, order);
        }
        for numbers in [
            &mut self.principal_domains,
            &mut self.mail_domains,
            &mut self.person_departments,
            &mut self.person_reasons,
        ] {
            arrange(&mut numbers.0, order);
        }
        arrange(&mut self.likenesses, order);
        arrange(&mut self.verdicts, order);
        self.shrink();
    }

    /// The suspicions by their position in another order.
    fn suspicions_in(&self, order: &[Row]) -> BTreeMap<u32, Box<str>> {
        if self.suspicions.is_empty() {
            return BTreeMap::new();
        }
        let moved = order.iter().zip(0..).filter_map(|(row, position)| {
            let sentence = self.suspicions.get(&row.0)?;
            Some((position, sentence.clone()))
        });
        moved.collect()
    }

    /// Gives back memory that was set aside for more people.
    fn shrink(&mut self) {
        self.text.shrink_to_fit();
        self.spans.shrink_to_fit();
        self.sources.shrink();
        self.targets.shrink();
        self.likenesses.shrink_to_fit();
        for column in [
            &mut self.principal_domains,
            &mut self.mail_domains,
            &mut self.person_departments,
            &mut self.person_reasons,
        ] {
            column.0.shrink_to_fit();
        }
        self.domains.shrink();
        self.departments.shrink();
        self.verdicts.shrink_to_fit();
        self.reasons.shrink();
    }

    fn drop_unused_reasons(&mut self) {
        let old = std::mem::take(&mut self.reasons);
        for position in 0..self.len() {
            let reason = old.get(self.person_reasons.get(position));
            let number = self.reasons.put(reason.unwrap_or_default());
            self.person_reasons.set(position, number);
        }
    }

    fn drop_unused_text(&mut self) {
        let mut packed = Self::default();
        packed.text.reserve_exact(self.text.len() - self.unused);
        for row in self.rows() {
            let texts = [Text::Name, Text::Principal, Text::Mail, Text::UserName];
            let span = packed.write_texts(texts.map(|text| self.text(row, text)));
            packed.spans.push(span.to_bytes());
        }
        self.text = packed.text;
        self.spans = packed.spans;
        self.unused = 0;
    }

    /// Bytes that the listing takes in memory, what was set aside included; the keys of the search are not.
    pub fn size(&self) -> usize {
        let numbers = [
            &self.principal_domains,
            &self.mail_domains,
            &self.person_departments,
            &self.person_reasons,
        ];
        size_of::<Self>()
            + self.text.capacity()
            + self.spans.capacity() * Span::SIZE
            + self.sources.size()
            + self.targets.size()
            + self.likenesses.capacity()
            + numbers
                .map(|column| column.0.capacity() * 4)
                .iter()
                .sum::<usize>()
            + self.domains.size()
            + self.departments.size()
            + self.verdicts.capacity()
            + self.reasons.size()
            + self
                .suspicions
                .values()
                .map(|sentence| sentence.len() + 32)
                .sum::<usize>()
            + self.positions.get().map_or(0, Positions::size)
    }
}

impl fmt::Debug for Listing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listing")
            .field("people", &self.len())
            .finish_non_exhaustive()
    }
}

/// How a sign-in name in the target is kept, and what of it has to be written.
fn like_principal<'a>(user_name: Option<&'a str>, principal: &str, local: &str) -> (Likeness, &'a str) {
    match user_name {
        None => (Likeness::None, ""),
        Some(user_name) if user_name == principal => (Likeness::Same, ""),
        Some(user_name) if user_name == local => (Likeness::Local, ""),
        Some(user_name) => (Likeness::Own, user_name),
    }
}
