//! Numbers for values, so that a value stands once in a block.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hash, Hasher};

use xxhash_rust::xxh3::xxh3_64_with_seed;

/// A map by a quick hash. Values that were made to collide cost a block some milliseconds, no more.
pub(super) type QuickMap<K, V> = HashMap<K, V, BuildHasherDefault<Quick>>;

#[derive(Debug, Default)]
pub(super) struct Quick(u64);

impl Hasher for Quick {
    fn write(&mut self, bytes: &[u8]) {
        self.0 = xxh3_64_with_seed(bytes, self.0);
    }

    fn write_u64(&mut self, number: u64) {
        let mixed = (self.0.rotate_left(29) ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = mixed ^ (mixed >> 32);
    }

    fn write_i64(&mut self, number: i64) {
        self.write_u64(number.cast_unsigned());
    }

    fn write_u32(&mut self, number: u32) {
        self.write_u64(number.into());
    }

    fn write_i32(&mut self, number: i32) {
        self.write_u64(number.cast_unsigned().into());
    }

    fn write_usize(&mut self, number: usize) {
        self.write_u64(u64::try_from(number).unwrap_or_default());
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// Values in the order in which they were first seen, each with its number.
#[derive(Debug)]
pub(super) struct Numbered<K> {
    numbers: QuickMap<K, i16>,
    pub(super) values: Vec<K>,
    last: Option<(K, i16)>,
}

impl<K> Default for Numbered<K> {
    fn default() -> Self {
        Self { numbers: QuickMap::default(), values: Vec::new(), last: None }
    }
}

impl<K: Copy + Eq + Hash> Numbered<K> {
    /// The number of a value, from 1. Neighbours often have the same one.
    pub(super) fn number(&mut self, value: K) -> i16 {
        if let Some((last, number)) = self.last
            && last == value
        {
            return number;
        }
        let number = *self.numbers.entry(value).or_insert_with(|| {
            self.values.push(value);
            small(self.values.len())
        });
        self.last = Some((value, number));
        number
    }

    /// Its number, or 0 for none.
    pub(super) fn number_or_zero(&mut self, value: Option<K>) -> i16 {
        value.map_or(0, |value| self.number(value))
    }
}

/// A count of spans in a block, which are never too many for this.
pub(super) fn small(count: usize) -> i16 {
    i16::try_from(count).unwrap_or(i16::MAX)
}
