//! Rows in slots, found by `sys_id` and by a few indexed columns, kept small: 300,000 users fit in tens of megabytes.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use super::SysId;

/// A row that knows its key.
pub(super) trait Keyed {
    fn sys_id(&self) -> SysId;
}

/// Where a row is kept; valid until the row is deleted.
pub type Slot = u32;

const CHUNK: usize = 4096;

/// Rows of one table. They sit in chunks, so growing never doubles the memory, and are listed in order of `sys_id`.
#[derive(Clone, Debug)]
pub(super) struct Table<R> {
    chunks: Vec<Vec<Option<R>>>,
    free: Vec<Slot>,
    by_id: BTreeMap<SysId, Slot>,
}

impl<R> Default for Table<R> {
    fn default() -> Self {
        Self {
            chunks: Vec::new(),
            free: Vec::new(),
            by_id: BTreeMap::new(),
        }
    }
}

impl<R: Keyed> Table<R> {
    /// Adds a row whose key is new.
    pub(super) fn insert(&mut self, row: R) -> Slot {
        let sys_id = row.sys_id();
        let slot = if let Some(slot) = self.free.pop() {
            self.chunks[slot as usize / CHUNK][slot as usize % CHUNK] = Some(row);
            slot
        } else {
            if self.chunks.last().is_none_or(|chunk| chunk.len() == CHUNK) {
                self.chunks.push(Vec::with_capacity(CHUNK));
            }
            let full_chunks = self.chunks.len() - 1;
            let chunk = self
                .chunks
                .last_mut()
                .expect("a chunk was just added if none had room");
            chunk.push(Some(row));
            Slot::try_from(full_chunks * CHUNK + chunk.len() - 1)
                .expect("fewer rows than four thousand million")
        };
        self.by_id.insert(sys_id, slot);
        slot
    }

    pub(super) fn find(&self, sys_id: SysId) -> Option<Slot> {
        self.by_id.get(&sys_id).copied()
    }

    pub(super) fn row(&self, slot: Slot) -> &R {
        self.chunks[slot as usize / CHUNK][slot as usize % CHUNK]
            .as_ref()
            .expect("indexes and slots go together with their row")
    }

    pub(super) fn row_mut(&mut self, slot: Slot) -> &mut R {
        self.chunks[slot as usize / CHUNK][slot as usize % CHUNK]
            .as_mut()
            .expect("indexes and slots go together with their row")
    }

    pub(super) fn get(&self, sys_id: SysId) -> Option<&R> {
        self.find(sys_id).map(|slot| self.row(slot))
    }

    pub(super) fn remove(&mut self, slot: Slot) -> R {
        let row = self.chunks[slot as usize / CHUNK][slot as usize % CHUNK]
            .take()
            .expect("indexes and slots go together with their row");
        self.by_id.remove(&row.sys_id());
        self.free.push(slot);
        row
    }

    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Slots in order of `sys_id`.
    pub(super) fn range(
        &self,
        bounds: (Bound<SysId>, Bound<SysId>),
    ) -> impl DoubleEndedIterator<Item = Slot> {
        let is_empty = match bounds {
            (Bound::Included(low), Bound::Included(high)) => low > high,
            (Bound::Included(low) | Bound::Excluded(low), Bound::Included(high) | Bound::Excluded(high)) => {
                low >= high
            }
            _ => false,
        };
        let range = if is_empty {
            self.by_id.range(SysId(0)..SysId(0))
        } else {
            self.by_id.range(bounds)
        };
        range.map(|(_, slot)| *slot)
    }

    pub(super) fn rows(&self) -> impl Iterator<Item = &R> {
        self.by_id.values().map(|slot| self.row(*slot))
    }
}

/// Slots by a 32-bit digest of a column. Different values may share a digest: whoever asks compares again.
#[derive(Clone, Debug, Default)]
pub(super) struct Index(BTreeSet<u64>);

impl Index {
    pub(super) fn add(&mut self, digest: u32, slot: Slot) {
        self.0.insert(entry(digest, slot));
    }

    pub(super) fn remove(&mut self, digest: u32, slot: Slot) {
        self.0.remove(&entry(digest, slot));
    }

    pub(super) fn slots(&self, digest: u32) -> impl Iterator<Item = Slot> {
        self.0
            .range(entry(digest, 0)..=entry(digest, Slot::MAX))
            .map(|entry| (*entry & u64::from(u32::MAX)) as Slot)
    }
}

fn entry(digest: u32, slot: Slot) -> u64 {
    u64::from(digest) << 32 | u64::from(slot)
}

/// Digest of a key for an [`Index`].
pub(super) fn digest_of_id(id: SysId) -> u32 {
    let folded = (id.0 >> 64) as u64 ^ id.0 as u64;
    (folded >> 32) as u32 ^ folded as u32
}

/// Digest of a text for an [`Index`]; the same for all capitalisations.
pub(super) fn digest_of_text(text: &str) -> u32 {
    const OFFSET: u32 = 0x811c_9dc5;
    const PRIME: u32 = 0x0100_0193;
    text.chars()
        .flat_map(char::to_lowercase)
        .fold(OFFSET, |digest, character| {
            (digest ^ u32::from(character)).wrapping_mul(PRIME)
        })
}

/// Texts that repeat (account names, table names, titles), each kept once.
#[derive(Clone, Debug, Default)]
pub(super) struct Interner {
    texts: Vec<Arc<str>>,
    numbers: std::collections::HashMap<Arc<str>, u32>,
}

impl Interner {
    pub(super) fn number(&mut self, text: &str) -> u32 {
        if let Some(number) = self.numbers.get(text) {
            return *number;
        }
        let number = u32::try_from(self.texts.len()).expect("fewer texts than four thousand million");
        let text: Arc<str> = Arc::from(text);
        self.texts.push(Arc::clone(&text));
        self.numbers.insert(text, number);
        number
    }

    pub(super) fn text(&self, number: u32) -> &Arc<str> {
        &self.texts[number as usize]
    }
}

/// A few short texts in one allocation.
#[derive(Clone, Debug)]
pub(super) struct Packed<const N: usize> {
    text: Box<str>,
    ends: [u16; N],
}

/// Longest text of a packed column in bytes; the platform's own columns are shorter still.
const LONGEST: usize = 8_000;

impl<const N: usize> Packed<N> {
    pub(super) fn new(texts: [&str; N]) -> Self {
        let mut text = String::with_capacity(texts.iter().map(|text| text.len().min(LONGEST)).sum());
        let mut ends = [0; N];
        for (part, end) in texts.iter().zip(&mut ends) {
            text.push_str(&part[..part.floor_char_boundary(LONGEST)]);
            *end = u16::try_from(text.len()).expect("a handful of columns of 8,000 bytes is below 65,536");
        }
        Self {
            text: text.into_boxed_str(),
            ends,
        }
    }

    pub(super) fn get(&self, index: usize) -> &str {
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.text[start as usize..self.ends[index] as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Row(u128);

    impl Keyed for Row {
        fn sys_id(&self) -> SysId {
            SysId(self.0)
        }
    }

    #[test]
    fn rows_are_listed_by_key_whatever_the_order_they_came_in() {
        let mut table = Table::default();
        for key in [5, 1, 9, 3] {
            table.insert(Row(key));
        }
        let slot = table.find(SysId(9)).expect("just inserted");
        table.remove(slot);
        table.insert(Row(7));
        let keys: Vec<u128> = table.rows().map(|row| row.0).collect();
        assert_eq!(keys, [1, 3, 5, 7]);
    }

    #[test]
    fn an_empty_range_is_no_panic() {
        let mut table = Table::default();
        table.insert(Row(5));
        let bounds = (Bound::Excluded(SysId(9)), Bound::Excluded(SysId(2)));
        assert_eq!(table.range(bounds).count(), 0);
        let bounds = (Bound::Excluded(SysId(5)), Bound::Included(SysId(5)));
        assert_eq!(table.range(bounds).count(), 0);
    }

    #[test]
    fn an_index_finds_a_text_in_any_capitalisation() {
        let mut index = Index::default();
        index.add(digest_of_text("Ada.Okafor@Example.com"), 4);
        let found: Vec<Slot> = index.slots(digest_of_text("ada.okafor@example.COM")).collect();
        assert_eq!(found, [4]);
    }

    #[test]
    fn packed_texts_come_back_one_by_one() {
        let packed = Packed::new(["ada", "", "Ædä"]);
        assert_eq!([packed.get(0), packed.get(1), packed.get(2)], ["ada", "", "Ædä"]);
    }
}
