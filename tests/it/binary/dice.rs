//! Chance that can be had again.

use std::hash::{BuildHasher, RandomState};

/// SplitMix64 from a seed that is printed; `CASEWIRE_SEED` plays the same game again.
pub struct Dice(u64);

impl Dice {
    pub fn thrown() -> Self {
        Self::of(RandomState::new().hash_one("casewire") >> 32)
    }

    /// The same game in every run, unless `CASEWIRE_SEED` asks for another.
    pub fn of(seed: u64) -> Self {
        let given = std::env::var("CASEWIRE_SEED").ok().map(|text| text.parse().expect("a number"));
        let seed = given.unwrap_or(seed);
        println!("CASEWIRE_SEED={seed}");
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// From 0 up to, not including, `end`.
    pub fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).unwrap()
    }
}
