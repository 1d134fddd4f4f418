//! Numbers that nobody foresees, and for how long a test goes on with them; for values of the model see `arbitrary`.

use std::hash::{BuildHasher, Hasher, RandomState};

/// A generator that gives the same numbers for the same seed (`SplitMix64`).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn from_seed(seed: u64) -> Self {
        Self(seed)
    }

    /// For what need not be repeated.
    pub(crate) fn from_chance() -> Self {
        Self(RandomState::new().build_hasher().finish())
    }

    pub(crate) fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 to less than `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.number() % end
    }

    /// An index into a list of this length; 0 when it is empty.
    pub(crate) fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(u64::try_from(length).unwrap().max(1))).unwrap()
    }

    pub(crate) fn byte(&mut self) -> u8 {
        self.number().to_be_bytes()[0]
    }

    /// One of a list, which must not be empty.
    pub(crate) fn one_of<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[self.index(list.len())]
    }

    /// How deep to nest something: sometimes too deep for anybody.
    pub(crate) fn depth(&mut self) -> usize {
        let [few, many] = [1 + self.index(10), 1 + self.index(140)];
        *self.one_of(&[few, few, many, 3_000])
    }
}

/// How many rounds a test goes, unless `TRACEWELL_TEST_ROUNDS` says it.
pub(crate) fn rounds(default: u64) -> u64 {
    number_given("TRACEWELL_TEST_ROUNDS").unwrap_or(default)
}

/// Chance, by a seed that is printed, or was given as `TRACEWELL_TEST_SEED`.
pub(crate) fn random() -> Random {
    let seed = number_given("TRACEWELL_TEST_SEED").unwrap_or_else(|| Random::from_chance().number());
    eprintln!("TRACEWELL_TEST_SEED={seed}");
    Random::from_seed(seed)
}

fn number_given(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} must be a whole number")))
}
