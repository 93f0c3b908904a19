//! From a key to a user's sequence number, in four bytes an entry: the keys themselves are the users' own.

use uuid::Uuid;

/// Marks a slot that was never used.
const FREE: u32 = u32::MAX;

/// An open-addressing table of sequence numbers.
///
/// Nothing is ever taken out: an entry whose user is gone or renamed no longer matches, and is dropped when the
/// table grows.
#[derive(Clone, Debug, Default)]
pub(super) struct Index {
    slots: Vec<u32>,
    used: usize,
}

impl Index {
    /// The entry under a hash for which `is_match` holds.
    pub(super) fn find(&self, hash: u64, is_match: impl Fn(u32) -> bool) -> Option<u32> {
        let mask = self.slots.len().checked_sub(1)?;
        let mut slot = hash as usize & mask;
        loop {
            match self.slots[slot] {
                FREE => return None,
                sequence if is_match(sequence) => return Some(sequence),
                _ => slot = (slot + 1) & mask,
            }
        }
    }

    /// Adds an entry; `hash_of` gives the present hash of an entry, or `None` if its user is gone.
    pub(super) fn insert(&mut self, hash: u64, sequence: u32, hash_of: impl Fn(u32) -> Option<u64>) {
        if (self.used + 1) * 4 > self.slots.len() * 3 {
            let size = (self.slots.len() * 2).max(16);
            let old = std::mem::replace(&mut self.slots, vec![FREE; size]);
            self.used = 0;
            for entry in old
                .into_iter()
                .filter(|entry| *entry != FREE && *entry != sequence)
            {
                if let Some(hash) = hash_of(entry) {
                    self.place(hash, entry);
                }
            }
        }
        self.place(hash, sequence);
    }

    fn place(&mut self, hash: u64, sequence: u32) {
        let mask = self.slots.len() - 1;
        let mut slot = hash as usize & mask;
        while self.slots[slot] != FREE {
            slot = (slot + 1) & mask;
        }
        self.slots[slot] = sequence;
        self.used += 1;
    }
}

/// Spreads all bits of a number over all others.
fn mix(mut bits: u64) -> u64 {
    bits ^= bits >> 30;
    bits = bits.wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits ^= bits >> 27;
    bits = bits.wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

/// Hash of an object id.
pub(super) fn hash_id(id: Uuid) -> u64 {
    let (high, low) = id.as_u64_pair();
    mix(high ^ mix(low))
}

/// Hash of a name, the same whatever its case.
pub(super) fn hash_name(name: &str) -> u64 {
    const BASIS: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    let step = |hash: u64, unit: u32| (hash ^ u64::from(unit)).wrapping_mul(PRIME);
    let hash = if name.is_ascii() {
        name.bytes().fold(BASIS, |hash, byte| {
            step(hash, u32::from(byte.to_ascii_lowercase()))
        })
    } else {
        folded(name).fold(BASIS, |hash, char| step(hash, u32::from(char)))
    };
    mix(hash)
}

/// True if two names differ in case at most.
pub(super) fn same_name(left: &str, right: &str) -> bool {
    if left.is_ascii() && right.is_ascii() {
        left.eq_ignore_ascii_case(right)
    } else {
        folded(left).eq(folded(right))
    }
}

fn folded(text: &str) -> impl Iterator<Item = char> + '_ {
    text.chars().flat_map(char::to_lowercase)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_differ_in_case_are_one_name_in_any_script() {
        for (left, right) in [
            ("Ada@Contoso.Example", "ada@contoso.example"),
            ("ÉLODIE@x", "élodie@X"),
            ("Ω@x", "ω@x"),
        ] {
            assert!(same_name(left, right), "{left} and {right}");
            assert_eq!(hash_name(left), hash_name(right), "{left} and {right}");
        }
        assert!(!same_name("élodie@x", "elodie@x"));
    }

    #[test]
    fn an_index_finds_every_entry_after_it_has_grown_and_none_that_was_dropped() {
        let mut index = Index::default();
        let is_live = |entry: u32| !entry.is_multiple_of(3);
        let hash_of = |entry: u32| is_live(entry).then(|| mix(u64::from(entry)));
        for entry in 0..10_000 {
            index.insert(mix(u64::from(entry)), entry, hash_of);
        }
        for entry in 0..10_000 {
            let found = index.find(mix(u64::from(entry)), |found| found == entry && is_live(found));
            assert_eq!(found, is_live(entry).then_some(entry));
        }
    }
}
