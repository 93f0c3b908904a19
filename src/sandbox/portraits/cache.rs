//! What was drawn before: hashes and lengths of all drawings, and the bytes of the latest ones.
//!
//! Nothing is locked while a picture is drawn. Two threads that want the same new picture may both draw it; they get
//! the same bytes.

use std::collections::HashMap;
use std::sync::LazyLock;

use bytes::Bytes;
use parking_lot::Mutex;
use sha2::{Digest, Sha256};

const SHARDS: usize = 16;
/// Bytes of drawings that are kept, over all shards.
const KEPT_BYTES: usize = 48 * 1024 * 1024;
/// Seals that are kept in one shard: over all shards four times what 300,000 people need, in about 8 MB.
const KEPT_SEALS: usize = 4096;

/// A drawing without its bytes.
#[derive(Clone)]
pub(super) struct Seal {
    /// SHA-256 that has read the drawing and can go on.
    pub(super) midstate: Sha256,
    /// Bytes.
    pub(super) length: u32,
}

/// A cache in shards, each with a lock that is held for a look-up only.
pub(super) struct Cache {
    shards: [Mutex<Shard>; SHARDS],
    kept_bytes: usize,
}

/// Drawings live in two generations: when the young one is full, the old one is dropped and the young one grows old.
/// A drawing that is asked for moves to the young one. That is nearly "least recently used", without a list.
#[derive(Default)]
struct Shard {
    seals: HashMap<u64, Seal>,
    young: HashMap<u64, Bytes>,
    young_bytes: usize,
    old: HashMap<u64, Bytes>,
}

/// The cache of this process: recipes are the same in every sandbox.
pub(super) fn shared() -> &'static Cache {
    static SHARED: LazyLock<Cache> = LazyLock::new(|| Cache::new(KEPT_BYTES));
    &SHARED
}

impl Cache {
    fn new(kept_bytes: usize) -> Self {
        Self {
            shards: Default::default(),
            kept_bytes,
        }
    }

    /// The bytes of a drawing.
    pub(super) fn prefix(&self, drawing: u64, draw: impl FnOnce() -> Bytes) -> Bytes {
        if let Some(bytes) = self.shard(drawing).lock().find(drawing) {
            return bytes;
        }
        self.drawn(drawing, draw).0
    }

    /// Hash state and length of a drawing.
    pub(super) fn seal(&self, drawing: u64, draw: impl FnOnce() -> Bytes) -> Seal {
        if let Some(seal) = self.shard(drawing).lock().seals.get(&drawing) {
            return seal.clone();
        }
        self.drawn(drawing, draw).1
    }

    fn drawn(&self, drawing: u64, draw: impl FnOnce() -> Bytes) -> (Bytes, Seal) {
        let bytes = draw();
        let seal = Seal {
            midstate: Sha256::new().chain_update(&bytes),
            length: u32::try_from(bytes.len()).expect("a portrait is smaller than four gigabytes"),
        };
        let mut shard = self.shard(drawing).lock();
        if shard.seals.len() >= KEPT_SEALS {
            shard.seals.clear();
        }
        shard.seals.insert(drawing, seal.clone());
        shard.keep(drawing, bytes.clone(), self.kept_bytes / SHARDS / 2);
        (bytes, seal)
    }

    fn shard(&self, drawing: u64) -> &Mutex<Shard> {
        let spread = crate::sandbox::random::scramble(drawing);
        &self.shards[spread as usize % SHARDS]
    }
}

impl Shard {
    fn find(&mut self, drawing: u64) -> Option<Bytes> {
        if let Some(bytes) = self.young.get(&drawing) {
            return Some(bytes.clone());
        }
        let bytes = self.old.remove(&drawing)?;
        self.young_bytes += bytes.len();
        self.young.insert(drawing, bytes.clone());
        Some(bytes)
    }

    fn keep(&mut self, drawing: u64, bytes: Bytes, generation_bytes: usize) {
        if self.young_bytes + bytes.len() > generation_bytes {
            self.old = std::mem::take(&mut self.young);
            self.young_bytes = 0;
        }
        self.young_bytes += bytes.len();
        if let Some(twin) = self.young.insert(drawing, bytes) {
            self.young_bytes -= twin.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(cache: &Cache) -> usize {
        cache
            .shards
            .iter()
            .map(|shard| {
                let shard = shard.lock();
                shard
                    .young
                    .values()
                    .chain(shard.old.values())
                    .map(Bytes::len)
                    .sum::<usize>()
            })
            .sum()
    }

    #[test]
    fn a_drawing_is_made_once_and_found_again() {
        let cache = Cache::new(KEPT_BYTES);
        let first = cache.prefix(7, || Bytes::from_static(b"face"));
        let again = cache.prefix(7, || panic!("it was drawn already"));
        assert_eq!(first, again);
        assert_eq!(cache.seal(7, || panic!("it was drawn already")).length, 4);
    }

    #[test]
    fn bytes_are_bounded_while_hashes_stay() {
        let cache = Cache::new(16 * 1024);
        for drawing in 0..1_000 {
            cache.prefix(drawing, || vec![0; 100].into());
        }
        assert!(kept(&cache) <= 16 * 1024, "{} bytes are kept", kept(&cache));
        cache.seal(0, || panic!("its hash is remembered although its bytes are gone"));
    }
}
