//! How many spans took how long: durations in buckets, of which each stands for all of its durations within 1 %, and
//! from which histograms of any parts can be added up to that of the whole.
//!
//! The idea is `DDSketch` (C. Masson, J. E. Rim, H. K. Lee: `DDSketch`: A Fast and Fully-Mergeable Quantile Sketch with
//! Relative-Error Guarantees, PVLDB 12(12), 2019): the bounds of buckets grow by a factor, which here is 1.01 / 0.99. Its
//! crates find the bucket by a logarithm in floating point and show nobody their buckets. Ours are counted out in whole
//! nanoseconds instead, since SQL has to find the very same bucket for a span that is not in a rollup yet, in
//! PostgreSQL and in SQLite; see `migrations/postgres/0005_derived.sql`. The numbering is stored and never changes.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use super::DURATION_NANOS_MAX;

/// The shortest duration of each bucket, from bucket 1 on.
static FIRSTS: LazyLock<Vec<u64>> = LazyLock::new(|| {
    let following = |first: &u64| {
        let value = first.checked_add(first / 100)?;
        value.checked_add(value / 99)?.checked_add(1).filter(|next| *next <= DURATION_NANOS_MAX)
    };
    std::iter::successors(Some(1), following).collect()
});

/// The bucket of a duration in nanoseconds.
#[must_use]
pub fn bucket(duration_nanos: u64) -> i16 {
    let bucket = FIRSTS.partition_point(|first| *first <= duration_nanos);
    i16::try_from(bucket).unwrap_or(i16::MAX)
}

/// The duration in nanoseconds that a bucket stands for: of all its durations the one within 1 % of each.
#[must_use]
pub fn duration_nanos(bucket: i16) -> u64 {
    let index = usize::try_from(bucket).ok().and_then(|bucket| bucket.checked_sub(1));
    let first = index.and_then(|index| FIRSTS.get(index)).copied().unwrap_or_default();
    first.saturating_add(first / 100).min(DURATION_NANOS_MAX)
}

/// Of things that were counted, given in order, the one that so many of all do not exceed, as `percentile_disc` of SQL
/// has it: 0.95 is for 95 %. `None` when there is nothing.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the databases compute it in doubles too; no count is so large, and none is negative"
)]
pub fn quantile<T>(counted: impl Iterator<Item = (T, u64)> + Clone, quantile: f64) -> Option<T> {
    let total = counted.clone().fold(0_u64, |sum, (_, count)| sum.saturating_add(count));
    let rank = (quantile.clamp(0.0, 1.0) * total as f64).ceil() as u64;
    let mut passed = 0_u64;
    let mut reaches = |count: u64| {
        passed = passed.saturating_add(count);
        passed >= rank.max(1)
    };
    counted.into_iter().find(|(_, count)| reaches(*count)).map(|(counted, _)| counted)
}

/// Durations by bucket.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Histogram(BTreeMap<i16, u64>);

impl Histogram {
    /// Adds so many durations of a bucket.
    pub fn add(&mut self, bucket: i16, count: u64) {
        let counted = self.0.entry(bucket).or_default();
        *counted = counted.saturating_add(count);
    }

    /// Adds all durations of another one.
    pub fn merge(&mut self, other: &Self) {
        for (bucket, count) in other.iter() {
            self.add(bucket, count);
        }
    }

    /// The buckets that have a duration, ascending, and how many.
    pub fn iter(&self) -> impl Iterator<Item = (i16, u64)> + Clone {
        self.0.iter().map(|(bucket, count)| (*bucket, *count))
    }

    /// How many buckets have a duration.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no duration.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A duration in nanoseconds that is within 1 % of the one that so many of the durations do not exceed. `None` when
    /// there is no duration.
    #[must_use]
    pub fn quantile(&self, of: f64) -> Option<u64> {
        quantile(self.iter(), of).map(duration_nanos)
    }
}

impl FromIterator<(i16, u64)> for Histogram {
    fn from_iter<I: IntoIterator<Item = (i16, u64)>>(counts: I) -> Self {
        let mut histogram = Self::default();
        for (bucket, count) in counts {
            histogram.add(bucket, count);
        }
        histogram
    }
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, clippy::cast_precision_loss, reason = "small numbers; a panic says where")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Whether a duration and the one that its bucket stands for are within 1 % of it.
    fn is_close(exact: u64) -> bool {
        u128::from(duration_nanos(bucket(exact)).abs_diff(exact)) * 100 <= u128::from(exact)
    }

    #[test]
    fn every_bound_is_within_one_percent() {
        assert_eq!((bucket(0), duration_nanos(0)), (0, 0));
        for first in FIRSTS.iter().copied() {
            assert!(first <= DURATION_NANOS_MAX && is_close(first - 1) && is_close(first), "{first}");
            assert_eq!(bucket(first - 1) + 1, bucket(first));
        }
        assert!(is_close(DURATION_NANOS_MAX) && FIRSTS.len() == 2_050);
        // The numbers are stored.
        assert_eq!([1, 99, 100, 101, 1_000_000, 1 << 40].map(bucket), [1, 99, 99, 100, 557, 1253]);
    }

    proptest! {
        #[test]
        fn every_quantile_is_within_one_percent(
            exponents in prop::collection::vec((0_u32..63, any::<u64>()), 1..50), quantile in 0.0..=1.0
        ) {
            let mut durations: Vec<_> = exponents.iter().map(|(exponent, low)| low >> (63 - exponent) >> 1).collect();
            let histogram: Histogram = durations.iter().map(|duration| (bucket(*duration), 1)).collect();
            durations.sort_unstable();
            let rank = (1..durations.len()).find(|rank| *rank as f64 / durations.len() as f64 >= quantile);
            let exact = durations[rank.unwrap_or(durations.len()) - 1];
            let found = histogram.quantile(quantile).unwrap();
            prop_assert!(u128::from(found.abs_diff(exact)) * 100 <= u128::from(exact), "{} for {}", found, exact);
        }
    }
}
