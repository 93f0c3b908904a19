//! The columns of a listing: numbers, ids and repeated texts, each in the form in which it is also stored.
//!
//! Numbers are little-endian bytes in memory too, so that a column is read and written as it is on every machine,
//! without unsafe code and without a pass over it.

use std::hash::{BuildHasher, RandomState};
use std::sync::OnceLock;

pub(super) use crate::domain::packing::Positions;
use crate::domain::packing::{IdForm, pack_id, unpack_id};

/// Stands for "nothing" where a number names a text.
pub(super) const NONE: u32 = u32::MAX;

/// The longest text that is kept, in bytes. No name or address of either service comes near it.
const TEXT_LIMIT: usize = 4096;

/// The beginning of a text that is kept: at most [`TEXT_LIMIT`] and `room` bytes, whole characters.
pub(super) fn kept(text: &str, room: usize) -> &str {
    &text[..text.floor_char_boundary(TEXT_LIMIT.min(room))]
}

/// How many more bytes a text whose positions are four-byte numbers can take.
pub(super) fn room(text: &str) -> usize {
    (NONE as usize).saturating_sub(text.len())
}

/// The part of `text` from `start` to `end`; `None` if that is no part of it.
pub(super) fn part(text: &str, start: u32, end: u32) -> Option<&str> {
    text.get(start as usize..end as usize)
}

/// A column of numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Numbers(pub(super) Vec<[u8; 4]>);

impl Numbers {
    pub(super) fn get(&self, position: usize) -> u32 {
        u32::from_le_bytes(self.0[position])
    }

    pub(super) fn set(&mut self, position: usize, number: u32) {
        self.0[position] = number.to_le_bytes();
    }

    pub(super) fn push(&mut self, number: u32) {
        self.0.push(number.to_le_bytes());
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = u32> {
        self.0.iter().map(|bytes| u32::from_le_bytes(*bytes))
    }
}

/// Texts that repeat, each kept once.
#[derive(Clone, Debug, Default)]
pub(super) struct Interned {
    pub(super) text: String,
    /// Where each text ends; it begins where the one before ends.
    pub(super) ends: Numbers,
    positions: OnceLock<Positions>,
}

impl Interned {
    /// Puts together what was stored; `None` if the ends do not fit the text.
    pub(super) fn stored(text: String, ends: Numbers) -> Option<Self> {
        let mut start = 0;
        for end in ends.iter() {
            part(&text, start, end)?;
            start = end;
        }
        (start as usize == text.len()).then(|| Self {
            text,
            ends,
            positions: OnceLock::new(),
        })
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The text with this number; `None` for [`NONE`].
    pub(super) fn get(&self, number: u32) -> Option<&str> {
        let position = number as usize;
        if position >= self.ends.len() {
            return None;
        }
        let start = match position {
            0 => 0,
            _ => self.ends.get(position - 1),
        };
        part(&self.text, start, self.ends.get(position))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
        (0..self.len() as u32).filter_map(|number| self.get(number))
    }

    /// The number of a text, which is kept from now on; [`NONE`] if there is no room for it.
    pub(super) fn put(&mut self, text: &str) -> u32 {
        let text = kept(text, usize::MAX);
        self.positions.get_or_init(|| {
            Positions::of(self.ends.len(), |hasher, number| {
                hasher.hash_one(self.get(number))
            })
        });
        let positions = self.positions.get().expect("made just now");
        let hash = positions.hasher().hash_one(Some(text));
        if let Some(known) = positions.find(hash, |number| self.get(number) == Some(text)) {
            return known;
        }
        if text.len() > room(&self.text) || self.len() >= NONE as usize - 1 {
            return NONE;
        }
        let number = self.len() as u32;
        self.text.push_str(text);
        self.ends.push(self.text.len() as u32);
        let mut positions = self.positions.take().expect("made just now");
        positions.insert(number, &|hasher: &RandomState, number| {
            hasher.hash_one(self.get(number))
        });
        drop(self.positions.set(positions));
        number
    }

    pub(super) fn shrink(&mut self) {
        self.text.shrink_to_fit();
        self.ends.0.shrink_to_fit();
    }

    pub(super) fn size(&self) -> usize {
        self.text.capacity() + self.ends.0.capacity() * 4 + self.positions.get().map_or(0, Positions::size)
    }
}

/// How an id is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
enum Form {
    /// There is none.
    None = 0,
    /// A GUID in lower case with its hyphens: sixteen bytes.
    Guid = 1,
    /// 32 hexadecimal digits in lower case: sixteen bytes.
    Hexadecimal = 2,
    /// Anything else: start and end in the text of the column.
    Text = 3,
}

impl Form {
    fn of(code: u8) -> Option<Self> {
        [Self::None, Self::Guid, Self::Hexadecimal, Self::Text]
            .into_iter()
            .find(|form| *form as u8 == code)
    }
}

/// A column of ids.
#[derive(Clone, Debug, Default)]
pub(super) struct Ids {
    pub(super) values: Vec<[u8; 16]>,
    pub(super) forms: Vec<u8>,
    pub(super) text: String,
}

impl Ids {
    /// Puts together what was stored; `None` if something in it does not fit.
    pub(super) fn stored(
        values: Vec<[u8; 16]>,
        forms: Vec<u8>,
        text: String,
        may_lack: bool,
    ) -> Option<Self> {
        let ids = Self { values, forms, text };
        for (value, form) in ids.values.iter().zip(&ids.forms) {
            match Form::of(*form)? {
                Form::None if !may_lack => return None,
                Form::Text => drop(ids.text(value)?),
                Form::None | Form::Guid | Form::Hexadecimal => {}
            }
        }
        Some(ids)
    }

    /// Adds an id; false if there is no room for it.
    pub(super) fn push(&mut self, id: Option<&str>) -> bool {
        let Some((form, value)) = self.packed(id) else {
            return false;
        };
        self.forms.push(form as u8);
        self.values.push(value);
        true
    }

    pub(super) fn set(&mut self, position: usize, id: Option<&str>) {
        if self.is(position, id) {
            return;
        }
        if let Some((form, value)) = self.packed(id) {
            self.forms[position] = form as u8;
            self.values[position] = value;
        }
    }

    pub(super) fn get(&self, position: usize) -> Option<String> {
        let value = &self.values[position];
        match Form::of(self.forms[position])? {
            Form::None => None,
            Form::Guid => Some(unpack_id(IdForm::Guid, value)),
            Form::Hexadecimal => Some(unpack_id(IdForm::Hexadecimal, value)),
            Form::Text => self.text(value).map(str::to_owned),
        }
    }

    pub(super) fn is(&self, position: usize, id: Option<&str>) -> bool {
        let value = &self.values[position];
        match (id.map(packed), Form::of(self.forms[position])) {
            (None, Some(Form::None)) => true,
            (Some(None), Some(Form::Text)) => self.text(value) == id,
            (Some(Some((form, packed))), Some(other)) => form == other && packed == *value,
            _ => false,
        }
    }

    /// The hash of what stands at a position.
    pub(super) fn hash(&self, hasher: &RandomState, position: u32) -> u64 {
        let value = &self.values[position as usize];
        match self.text(value) {
            Some(text) if self.forms[position as usize] == Form::Text as u8 => hash_of(hasher, text),
            _ => hasher.hash_one(value),
        }
    }

    /// The positions of these ids.
    pub(super) fn positions(&self) -> Positions {
        Positions::of(self.values.len(), |hasher, position| self.hash(hasher, position))
    }

    /// The position of the id that stands at a position of another column.
    pub(super) fn find_same(&self, positions: &Positions, other: &Self, place: usize) -> Option<u32> {
        let hash = other.hash(positions.hasher(), place as u32);
        positions.find(hash, |position| {
            let position = position as usize;
            self.forms[position] == other.forms[place]
                && match Form::of(self.forms[position]) {
                    Some(Form::Text) => self.text(&self.values[position]) == other.text(&other.values[place]),
                    _ => self.values[position] == other.values[place],
                }
        })
    }

    pub(super) fn find(&self, positions: &Positions, id: &str) -> Option<u32> {
        let hash = hash_of(positions.hasher(), id);
        positions.find(hash, |position| self.is(position as usize, Some(id)))
    }

    fn text(&self, value: &[u8; 16]) -> Option<&str> {
        let number = |at: usize| u32::from_le_bytes(value[at..at + 4].try_into().expect("four bytes"));
        part(&self.text, number(0), number(4))
    }

    fn packed(&mut self, id: Option<&str>) -> Option<(Form, [u8; 16])> {
        let Some(id) = id else {
            return Some((Form::None, [0; 16]));
        };
        if let Some(packed) = packed(id) {
            return Some(packed);
        }
        // An id is whole or not there: a cut one would be somebody else.
        if id.len() > room(&self.text) {
            return None;
        }
        let mut value = [0; 16];
        value[..4].copy_from_slice(&(self.text.len() as u32).to_le_bytes());
        self.text.push_str(id);
        value[4..8].copy_from_slice(&(self.text.len() as u32).to_le_bytes());
        Some((Form::Text, value))
    }

    pub(super) fn shrink(&mut self) {
        self.values.shrink_to_fit();
        self.forms.shrink_to_fit();
        self.text.shrink_to_fit();
    }

    pub(super) fn size(&self) -> usize {
        self.values.capacity() * 16 + self.forms.capacity() + self.text.capacity()
    }
}

fn hash_of(hasher: &RandomState, id: &str) -> u64 {
    match packed(id) {
        Some((_, value)) => hasher.hash_one(value),
        None => hasher.hash_one(id),
    }
}

/// The form and the sixteen bytes of an id that has them.
fn packed(id: &str) -> Option<(Form, [u8; 16])> {
    let (form, value) = pack_id(id)?;
    let form = match form {
        IdForm::Guid => Form::Guid,
        IdForm::Hexadecimal => Form::Hexadecimal,
    };
    Some((form, value))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_id_comes_back_as_it_was_and_is_found(ids in proptest::collection::hash_set(
            prop_oneof![
                "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
                "[0-9a-f]{32}",
                "[0-9A-F-]{32,36}",
                ".{0,40}",
            ],
            0..40,
        )) {
            let mut column = Ids::default();
            for id in &ids {
                prop_assert!(column.push(Some(id)));
            }
            prop_assert!(column.push(None));
            prop_assert_eq!(column.get(ids.len()), None);
            let positions = column.positions();
            for (position, id) in ids.iter().enumerate() {
                let kept = column.get(position);
                prop_assert_eq!(kept.as_deref(), Some(id.as_str()));
                prop_assert_eq!(column.find(&positions, id), Some(position as u32));
            }
            prop_assert_eq!(column.find(&positions, "somebody else, who is not in the column at all"), None);
        }

        #[test]
        fn a_repeated_text_is_kept_once(texts in proptest::collection::vec("[a-c]{0,3}", 0..60)) {
            let mut interned = Interned::default();
            let numbers: Vec<u32> = texts.iter().map(|text| interned.put(text)).collect();
            for (text, number) in texts.iter().zip(numbers) {
                prop_assert_eq!(interned.get(number), Some(text.as_str()));
            }
            let distinct: std::collections::HashSet<&String> = texts.iter().collect();
            prop_assert_eq!(interned.len(), distinct.len());
        }
    }

    #[test]
    fn an_overlong_text_is_cut_at_a_whole_character() {
        let mut interned = Interned::default();
        let number = interned.put(&"ä".repeat(TEXT_LIMIT));
        assert_eq!(interned.get(number), Some("ä".repeat(TEXT_LIMIT / 2).as_str()));
    }
}
