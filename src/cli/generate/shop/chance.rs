//! Seeded chance: numbers that depend on a seed, a subject and a number only, the same in every version.
//!
//! The generator is PCG, whose output is promised never to change, and everything made of it is made here: no
//! distribution of another crate may change under a seed. (Logarithms are the platform's; their last bit may differ
//! between platforms, and a size or a duration with it.)

use std::f64::consts::TAU;

use rand_pcg::Pcg64Mcg;
use rand_pcg::rand_core::Rng;
use xxhash_rust::xxh3::xxh3_128;

/// Something that is decided by chance. Every subject has its own numbers, so that one can be asked for alone.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Subject {
    /// Which instances the shop's services have.
    Fleet,
    /// A trace's ids.
    Ids,
    /// How a trace begins, and how many spans it has.
    Size,
    /// Everything else of a trace.
    Trace,
    /// In which request a span is sent.
    Lot,
    /// How long to wait before sending again.
    Backoff,
}

/// 128 bits that depend on these three and nothing else.
pub(crate) fn bits(seed: u64, subject: Subject, number: u64) -> u128 {
    let name: &[u8] = match subject {
        Subject::Fleet => b"fleet",
        Subject::Ids => b"ids",
        Subject::Size => b"size",
        Subject::Trace => b"trace",
        Subject::Lot => b"lot",
        Subject::Backoff => b"backoff",
    };
    // Not xxh3's own seed: of 16 bytes, it is added to what they are mixed with, so that the numbers of one seed are
    // those of its neighbour in another order.
    let mut form = [0; 24];
    form[..name.len()].copy_from_slice(name);
    form[8..16].copy_from_slice(&number.to_le_bytes());
    form[16..].copy_from_slice(&seed.to_le_bytes());
    xxh3_128(&form)
}

/// A sequence of chances.
#[derive(Debug)]
pub(crate) struct Chance(Pcg64Mcg);

impl Chance {
    /// The sequence of this subject and number.
    pub(crate) fn new(seed: u64, subject: Subject, number: u64) -> Self {
        Self(Pcg64Mcg::new(bits(seed, subject, number)))
    }

    /// 64 random bits.
    pub(crate) fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A number below `end`; 0 when `end` is 0.
    pub(crate) fn below(&mut self, end: u32) -> u32 {
        let product = (self.bits() >> 32).saturating_mul(u64::from(end));
        u32::try_from(product >> 32).unwrap_or(0)
    }

    /// True so many times in a thousand.
    pub(crate) fn hits(&mut self, per_mille: u32) -> bool {
        self.below(1_000) < per_mille
    }

    /// One of these; the list must not be empty.
    pub(crate) fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        let end = u32::try_from(items.len()).unwrap_or(u32::MAX);
        &items[usize::try_from(self.below(end)).unwrap_or(0)]
    }

    /// A number from 0 to 1, without 1.
    pub(crate) fn unit(&mut self) -> f64 {
        f64::from(self.below(u32::MAX)) / f64::from(u32::MAX)
    }

    /// A log-normal number: half of them are below `median`; `sigma` is the spread of their logarithm.
    pub(crate) fn log_normal(&mut self, median: f64, sigma: f64) -> f64 {
        let (radius, turn) = (self.unit(), self.unit());
        let normal = (-2.0 * (1.0 - radius).ln()).sqrt() * (TAU * turn).cos();
        median * (sigma * normal).exp()
    }
}

/// The whole number below; 0 for a negative one.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "`as` saturates at both ends")]
pub(crate) fn whole(number: f64) -> u64 {
    number as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A seed means the same in every version.
    #[test]
    fn the_numbers_do_not_change() {
        let mut chance = Chance::new(1, Subject::Trace, 7);
        assert_eq!([chance.bits(), chance.bits()], [11_596_520_751_794_548_871, 16_623_458_264_575_761_807]);
        assert_ne!(bits(1, Subject::Trace, 7), bits(1, Subject::Trace, 8));
        assert_ne!(bits(1, Subject::Trace, 7), bits(2, Subject::Trace, 7));
        assert_ne!(bits(1, Subject::Trace, 7), bits(1, Subject::Size, 7));
    }

    /// Neighbouring seeds and numbers have nothing in common.
    #[test]
    fn no_two_seeds_share_a_number() {
        let seeds = (0..64).chain(1_000..1_064);
        let all = seeds.flat_map(|seed| (0..256).map(move |number| bits(seed, Subject::Ids, number)));
        assert_eq!(all.collect::<std::collections::HashSet<_>>().len(), 128 * 256);
    }

    #[test]
    fn the_distributions_are_what_they_say() {
        let mut chance = Chance::new(1, Subject::Size, 0);
        let mut numbers: Vec<f64> = (0..10_000).map(|_| chance.log_normal(16.0, 1.5)).collect();
        numbers.sort_by(f64::total_cmp);
        assert!((15.0..17.0).contains(&numbers[5_000]), "median {}", numbers[5_000]);
        // One standard deviation up: 16 * e^1.5.
        assert!((66.0..78.0).contains(&numbers[8_413]), "84th percentile {}", numbers[8_413]);
        let hits = (0..10_000).filter(|_| chance.hits(130)).count();
        assert!((1_200..1_400).contains(&hits), "{hits}");
        assert!((0..10_000).all(|_| chance.below(3) < 3));
        assert_eq!(chance.below(0), 0);
    }

    #[test]
    fn numbers_become_whole_at_every_size() {
        assert_eq!([whole(-1.0), whole(f64::NAN), whole(2.9), whole(1e300)], [0, 0, 2, u64::MAX]);
    }
}
