//! Values in few bytes, for lists of hundreds of thousands of people and pictures.
//!
//! What is packed comes back exactly as it was. The bytes never leave memory, so a reader trusts what a writer wrote.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};

/// How an id is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IdForm {
    /// A GUID in lower case with its hyphens.
    Guid,
    /// 32 hexadecimal digits in lower case.
    Hexadecimal,
}

/// Where the hyphens of a GUID stand.
const HYPHENS: [usize; 4] = [8, 13, 18, 23];

/// The sixteen bytes of a GUID or of 32 digits; `None` for any other id, and for one in upper case.
pub fn pack_id(id: &str) -> Option<(IdForm, [u8; 16])> {
    let id = id.as_bytes();
    let (form, hyphens) = match id.len() {
        36 => (IdForm::Guid, &HYPHENS[..]),
        32 => (IdForm::Hexadecimal, &[][..]),
        _ => return None,
    };
    let mut value = [0; 16];
    let mut count = 0;
    for (at, byte) in id.iter().enumerate() {
        let digit = match byte {
            b'-' if hyphens.contains(&at) => continue,
            _ if hyphens.contains(&at) => return None,
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            _ => return None,
        };
        value[count / 2] |= if count % 2 == 0 { digit << 4 } else { digit };
        count += 1;
    }
    Some((form, value))
}

/// The id that [`pack_id`] made these bytes of.
pub fn unpack_id(form: IdForm, value: &[u8; 16]) -> String {
    let hyphens = match form {
        IdForm::Guid => &HYPHENS[..],
        IdForm::Hexadecimal => &[],
    };
    let mut text = String::with_capacity(36);
    for digit in value.iter().flat_map(|byte| [byte >> 4, byte & 15]) {
        if hyphens.contains(&text.len()) {
            text.push('-');
        }
        text.push(char::from(b"0123456789abcdef"[usize::from(digit)]));
    }
    text
}

/// Which ids have been seen; nearly all take sixteen bytes each.
///
/// Services often list in the order of their ids: such a run is kept as it comes, without a table around it.
#[derive(Clone, Debug, Default)]
pub struct SeenIds {
    /// Ascending from piece to piece and within each.
    ascending: Vec<Vec<[u8; 16]>>,
    /// The form of the ascending ones.
    form: Option<IdForm>,
    others: HashSet<(IdForm, [u8; 16])>,
    odd: HashSet<Box<str>>,
}

/// How many ids of a run stand together.
const PIECE: usize = 4096;

impl SeenIds {
    /// False if the id was there already.
    pub fn insert(&mut self, id: &str) -> bool {
        let Some((form, value)) = pack_id(id) else {
            return self.odd.insert(id.into());
        };
        if self.form.is_none_or(|run| run == form) {
            let last = self.ascending.last().and_then(|piece| piece.last());
            if last.is_none_or(|last| value > *last) {
                self.form = Some(form);
                self.append(value);
                return true;
            }
            if self.is_in_run(&value) {
                return false;
            }
        }
        self.others.insert((form, value))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        let run = self.ascending.len().saturating_sub(1) * PIECE + self.ascending.last().map_or(0, Vec::len);
        run + self.others.len() + self.odd.len()
    }

    /// True if there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn append(&mut self, value: [u8; 16]) {
        match self.ascending.last_mut() {
            Some(piece) if piece.len() < PIECE => piece.push(value),
            last => {
                // The first piece grows with what comes, so that a short listing stays small.
                let room = if last.is_some() { PIECE } else { 0 };
                let mut piece = Vec::with_capacity(room);
                piece.push(value);
                self.ascending.push(piece);
            }
        }
    }

    fn is_in_run(&self, value: &[u8; 16]) -> bool {
        let piece = self.ascending.partition_point(|piece| piece[0] <= *value);
        piece
            .checked_sub(1)
            .is_some_and(|piece| self.ascending[piece].binary_search(value).is_ok())
    }
}

/// Texts that repeat, by number.
#[derive(Clone, Debug, Default)]
pub struct Pool {
    text: String,
    /// Where each text ends; it begins where the one before ends.
    ends: Vec<u32>,
    positions: Positions,
}

impl Pool {
    /// The number of a text; `None` when four thousand million bytes are full.
    pub fn put(&mut self, text: &str) -> Option<u32> {
        let hash = self.positions.hasher().hash_one(text);
        if let Some(known) = self.positions.find(hash, |number| self.get(number) == text) {
            return Some(known);
        }
        let number = u32::try_from(self.ends.len())
            .ok()
            .filter(|number| *number < FREE)?;
        let end = u32::try_from(self.text.len() + text.len()).ok()?;
        self.text.push_str(text);
        self.ends.push(end);
        let (texts, ends) = (&self.text, &self.ends);
        self.positions.insert(number, &|hasher: &RandomState, number| {
            hasher.hash_one(text_at(texts, ends, number))
        });
        Some(number)
    }

    /// The text with this number.
    ///
    /// # Panics
    ///
    /// If no text has it.
    pub fn get(&self, number: u32) -> &str {
        text_at(&self.text, &self.ends, number)
    }
}

fn text_at<'a>(text: &'a str, ends: &[u32], number: u32) -> &'a str {
    let number = number as usize;
    let start = number.checked_sub(1).map_or(0, |before| ends[before]);
    &text[start as usize..ends[number] as usize]
}

/// A slot of [`Positions`] that nothing stands in.
const FREE: u32 = u32::MAX;

/// Finds positions by what stands there: a hash table of positions alone, the values stay where they are.
///
/// The hash is keyed at random, because what is looked up comes from outside.
#[derive(Clone, Debug, Default)]
pub(in crate::domain) struct Positions {
    slots: Box<[u32]>,
    used: usize,
    hasher: RandomState,
}

impl Positions {
    /// A table of `count` values; the hash of each is asked for by its position.
    pub(in crate::domain) fn of(count: usize, hash_of: impl Fn(&RandomState, u32) -> u64) -> Self {
        let mut table = Self::default();
        table.grow_for(count, &hash_of);
        for position in 0..count as u32 {
            table.insert(position, &hash_of);
        }
        table
    }

    /// Bytes in memory.
    pub(in crate::domain) fn size(&self) -> usize {
        self.slots.len() * size_of::<u32>()
    }

    pub(in crate::domain) fn hasher(&self) -> &RandomState {
        &self.hasher
    }

    /// The position whose value has this hash and passes.
    pub(in crate::domain) fn find(&self, hash: u64, is_it: impl Fn(u32) -> bool) -> Option<u32> {
        let mask = self.slots.len().checked_sub(1)?;
        let mut slot = hash as usize & mask;
        loop {
            match self.slots[slot] {
                FREE => return None,
                position if is_it(position) => return Some(position),
                _ => slot = (slot + 1) & mask,
            }
        }
    }

    /// Adds a position that is not there.
    pub(in crate::domain) fn insert(&mut self, position: u32, hash_of: &impl Fn(&RandomState, u32) -> u64) {
        self.grow_for(self.used + 1, hash_of);
        let hash = hash_of(&self.hasher, position);
        self.put(position, hash);
        self.used += 1;
    }

    fn put(&mut self, position: u32, hash: u64) {
        let mask = self.slots.len() - 1;
        let mut slot = hash as usize & mask;
        while self.slots[slot] != FREE {
            slot = (slot + 1) & mask;
        }
        self.slots[slot] = position;
    }

    /// Keeps at least a quarter of the slots free.
    fn grow_for(&mut self, count: usize, hash_of: &impl Fn(&RandomState, u32) -> u64) {
        if count * 4 <= self.slots.len() * 3 {
            return;
        }
        let size = (count * 4 / 3 + 1).next_power_of_two().max(16);
        let old = std::mem::replace(&mut self.slots, vec![FREE; size].into());
        for position in old {
            if position != FREE {
                let hash = hash_of(&self.hasher, position);
                self.put(position, hash);
            }
        }
    }
}

/// Appends values to bytes.
#[derive(Debug)]
pub struct Writer<'a>(pub &'a mut Vec<u8>);

impl Writer<'_> {
    /// One byte.
    pub fn byte(&mut self, byte: u8) {
        self.0.push(byte);
    }

    /// What another writer wrote.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// A number; small ones take a byte.
    pub fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }

    /// A text.
    pub fn text(&mut self, text: &str) {
        self.number(text.len() as u64);
        self.0.extend_from_slice(text.as_bytes());
    }

    /// A text, or none.
    pub fn maybe_text(&mut self, text: Option<&str>) {
        match text {
            None => self.number(0),
            Some(text) => {
                self.number(text.len() as u64 + 1);
                self.0.extend_from_slice(text.as_bytes());
            }
        }
    }

    /// A text of which a pool may know the number, or none.
    pub fn pooled(&mut self, text: Option<&str>, pool: &mut Pool) {
        match text.map(|text| (text, pool.put(text))) {
            None => self.number(0),
            Some((text, None)) => {
                self.number(1);
                self.text(text);
            }
            Some((_, Some(number))) => self.number(u64::from(number) + 2),
        }
    }

    /// An id: sixteen bytes if it is a GUID or 32 digits.
    pub fn id(&mut self, id: &str) {
        match pack_id(id) {
            None => {
                self.byte(0);
                self.text(id);
            }
            Some((form, value)) => {
                self.byte(match form {
                    IdForm::Guid => 1,
                    IdForm::Hexadecimal => 2,
                });
                self.0.extend_from_slice(&value);
            }
        }
    }
}

/// Reads values in the order in which a [`Writer`] wrote them.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    /// One byte.
    ///
    /// # Panics
    ///
    /// Like every method here: if something else was written.
    pub fn byte(&mut self) -> u8 {
        self.take(1)[0]
    }

    /// A number.
    pub fn number(&mut self) -> u64 {
        let mut number = 0;
        let mut shift = 0;
        loop {
            let byte = self.byte();
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return number;
            }
            shift += 7;
        }
    }

    /// A text.
    pub fn text(&mut self) -> &'a str {
        let length = self.number() as usize;
        self.text_of(length)
    }

    /// A text, or none.
    pub fn maybe_text(&mut self) -> Option<&'a str> {
        let length = (self.number() as usize).checked_sub(1)?;
        Some(self.text_of(length))
    }

    /// A text of which a pool may know the number, or none.
    pub fn pooled(&mut self, pool: &'a Pool) -> Option<&'a str> {
        match self.number() {
            0 => None,
            1 => Some(self.text()),
            number => Some(pool.get((number - 2) as u32)),
        }
    }

    /// An id.
    pub fn id(&mut self) -> PackedId<'a> {
        let form = match self.byte() {
            0 => return PackedId::Text(self.text()),
            1 => IdForm::Guid,
            _ => IdForm::Hexadecimal,
        };
        let value = self.take(16).try_into().expect("sixteen bytes");
        PackedId::Value(form, value)
    }

    fn text_of(&mut self, length: usize) -> &'a str {
        std::str::from_utf8(self.take(length)).expect("a writer writes texts whole")
    }

    fn take(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(count);
        self.0 = rest;
        taken
    }
}

/// An id as it is packed.
#[derive(Clone, Copy, Debug)]
pub enum PackedId<'a> {
    /// A GUID or 32 digits.
    Value(IdForm, &'a [u8; 16]),
    /// Any other id.
    Text(&'a str),
}

impl PackedId<'_> {
    /// The id as it was.
    pub fn unpack(self) -> String {
        match self {
            Self::Value(form, value) => unpack_id(form, value),
            Self::Text(text) => text.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ids() -> impl Strategy<Value = String> {
        prop_oneof![
            "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
            "[0-9a-f]{32}",
            "[0-1]{32}",
            "[0-9A-F-]{32,36}",
            ".{0,40}",
        ]
    }

    proptest! {
        #[test]
        fn what_is_packed_comes_back_as_it_was(
            id in ids(),
            number: u64,
            text in ".{0,300}",
            maybe in proptest::option::of(".{0,3}"),
            repeated in proptest::collection::vec(proptest::option::of("[a-d]{0,2}"), 0..20),
        ) {
            let mut bytes = Vec::new();
            let mut pool = Pool::default();
            let mut writer = Writer(&mut bytes);
            writer.id(&id);
            writer.number(number);
            writer.text(&text);
            writer.maybe_text(maybe.as_deref());
            for text in &repeated {
                writer.pooled(text.as_deref(), &mut pool);
            }
            let mut reader = Reader(&bytes);
            prop_assert_eq!(reader.id().unpack(), id);
            prop_assert_eq!(reader.number(), number);
            prop_assert_eq!(reader.text(), text);
            prop_assert_eq!(reader.maybe_text(), maybe.as_deref());
            for text in &repeated {
                prop_assert_eq!(reader.pooled(&pool), text.as_deref());
            }
            prop_assert!(reader.0.is_empty());
        }

        #[test]
        fn an_id_is_new_once(ids in proptest::collection::vec(ids(), 0..60), is_sorted: bool) {
            let mut ids = ids;
            if is_sorted {
                ids.sort();
            }
            let mut seen = SeenIds::default();
            let mut exact = HashSet::new();
            for id in ids.iter().chain(ids.iter().rev()) {
                prop_assert_eq!(seen.insert(id), exact.insert(id.clone()), "{}", id);
                prop_assert_eq!(seen.len(), exact.len());
            }
        }
    }

    #[test]
    fn a_run_of_ids_takes_sixteen_bytes_each_however_long() {
        let mut seen = SeenIds::default();
        let id = |number: u32| format!("{number:032x}");
        assert!((0..3 * PIECE as u32).all(|number| seen.insert(&id(2 * number))));
        assert!(seen.others.is_empty());
        assert!((0..3 * PIECE as u32).all(|number| !seen.insert(&id(2 * number))));
        assert!((0..3 * PIECE as u32).all(|number| seen.insert(&id(2 * number + 1))));
        assert_eq!(seen.len(), 6 * PIECE);
    }
}
