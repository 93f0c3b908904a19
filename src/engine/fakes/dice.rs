//! Dice for random stories: the same seed gives the same story on every platform and with every version of every crate,
//! so that the seed of a story that once failed stays worth keeping.
//!
//! The generator is SplitMix64 (Steele, Lea and Flood, 2014).

/// A stream of numbers that depends on nothing but its seed.
#[derive(Clone, Debug)]
pub(crate) struct Dice(u64);

const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

fn scramble(value: u64) -> u64 {
    let mut mixed = value;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

impl Dice {
    /// Dice of their own for a purpose and a position: what is drawn for one purpose never shifts what another one gets.
    pub(crate) fn of(seed: u64, purpose: &str, position: u64) -> Self {
        let named = purpose
            .bytes()
            .fold(scramble(seed.wrapping_add(STEP)), |mixed, byte| {
                scramble(mixed ^ u64::from(byte)).wrapping_add(STEP)
            });
        Self(scramble(named ^ scramble(position.wrapping_add(STEP))))
    }

    /// A number from 0 to `bound - 1`; 0 if `bound` is 0.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(STEP);
        ((u128::from(scramble(self.0)) * u128::from(bound)) >> 64) as u64
    }
}
