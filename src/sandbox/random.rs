//! The sandbox's own dice: the same on every platform, in every build, for ever.
//!
//! "Same seed, same tenant, byte for byte" (`sandbox.md`) must survive an update of a random-number crate, so the
//! generator is spelt out here. It is SplitMix64 (Steele, Lea and Flood, 2014): one addition and three xor-shift-multiply
//! steps a number. It is not for secrets of real systems.

/// A stream of numbers that depends on nothing but its seed.
#[derive(Clone, Debug)]
pub struct Random(u64);

const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// Scrambles 64 bits: near-by values become unrelated ones. A bijection, so that distinct values stay distinct.
pub fn scramble(value: u64) -> u64 {
    let mut mixed = value;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

impl Random {
    /// Starts a stream.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Starts a stream of its own for a purpose, a position and a seed: what is drawn from one stream never shifts
    /// what another one gives.
    pub fn stream(seed: u64, purpose: &str, position: u64) -> Self {
        let named = purpose
            .bytes()
            .fold(scramble(seed.wrapping_add(STEP)), |mixed, byte| {
                scramble(mixed ^ u64::from(byte)).wrapping_add(STEP)
            });
        Self(scramble(named ^ scramble(position.wrapping_add(STEP))))
    }

    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(STEP);
        scramble(self.0)
    }

    /// The next 128 bits.
    pub fn next_u128(&mut self) -> u128 {
        (u128::from(self.next_u64()) << 64) | u128::from(self.next_u64())
    }

    /// A number from 0 to `bound - 1`; 0 if `bound` is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next_u64()) * u128::from(bound)) >> 64) as u64
    }

    /// A number from `low` to `high`, both included.
    pub fn between(&mut self, low: i32, high: i32) -> i32 {
        let span = i64::from(high) - i64::from(low) + 1;
        (i64::from(low) + self.below(span.unsigned_abs()) as i64) as i32
    }

    /// True so many times in a hundred.
    pub fn percent(&mut self, times: u64) -> bool {
        self.below(100) < times
    }

    /// One of the choices, which must not be empty.
    pub fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u64) as usize]
    }

    /// One of the choices, each as often as its weight says. The list must not be empty.
    pub fn weighted<T: Copy>(&mut self, choices: &[(T, u32)]) -> T {
        let total: u64 = choices.iter().map(|(_, weight)| u64::from(*weight)).sum();
        let mut ticket = self.below(total);
        for (choice, weight) in choices {
            if ticket < u64::from(*weight) {
                return *choice;
            }
            ticket -= u64::from(*weight);
        }
        choices[choices.len() - 1].0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stream_is_the_published_splitmix64() {
        // Reference output of the authors' C code for seed 1234567.
        let mut random = Random::new(1_234_567);
        assert_eq!(random.next_u64(), 6_457_827_717_110_365_317);
        assert_eq!(random.next_u64(), 3_203_168_211_198_807_973);
        assert_eq!(random.next_u64(), 9_817_491_932_198_370_423);
    }

    #[test]
    fn streams_of_other_purposes_and_positions_are_unrelated() {
        let first = Random::stream(1, "names", 0).next_u64();
        assert_ne!(first, Random::stream(1, "faces", 0).next_u64());
        assert_ne!(first, Random::stream(1, "names", 1).next_u64());
        assert_ne!(first, Random::stream(2, "names", 0).next_u64());
    }

    #[test]
    fn weights_are_kept() {
        let mut random = Random::new(7);
        let mut counts = [0; 3];
        for _ in 0..10_000 {
            counts[random.weighted(&[(0, 70), (1, 30), (2, 0)])] += 1;
        }
        assert!((6_800..7_200).contains(&counts[0]), "{counts:?}");
        assert_eq!(counts[2], 0);
    }
}
