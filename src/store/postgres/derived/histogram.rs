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

use crate::model::DURATION_NANOS_MAX;

/// The shortest duration of each bucket, from bucket 1 on.
static FIRSTS: LazyLock<Vec<u64>> = LazyLock::new(|| {
    let following = |first: &u64| {
        let value = first.checked_add(first / 100)?;
        value.checked_add(value / 99)?.checked_add(1).filter(|next| *next <= DURATION_NANOS_MAX)
    };
    std::iter::successors(Some(1), following).collect()
});

/// The bucket of a duration.
pub(super) fn bucket(duration_nanos: u64) -> i16 {
    let bucket = FIRSTS.partition_point(|first| *first <= duration_nanos);
    i16::try_from(bucket).unwrap_or(i16::MAX)
}

/// The duration that a bucket stands for: of all its durations the one within 1 % of each.
fn duration(bucket: i16) -> u64 {
    let index = usize::try_from(bucket).ok().and_then(|bucket| bucket.checked_sub(1));
    let first = index.and_then(|index| FIRSTS.get(index)).copied().unwrap_or_default();
    first.saturating_add(first / 100).min(DURATION_NANOS_MAX)
}

/// Durations by bucket.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(in crate::store::postgres) struct Histogram(BTreeMap<i16, u64>);

impl Histogram {
    pub(super) fn add(&mut self, bucket: i16, count: u64) {
        let counted = self.0.entry(bucket).or_default();
        *counted = counted.saturating_add(count);
    }

    fn merge(&mut self, other: &Self) {
        for (bucket, count) in &other.0 {
            self.add(*bucket, *count);
        }
    }

    /// Buckets and counts as the tables have them: a count beyond an int in parts.
    pub(super) fn parts(&self) -> impl Iterator<Item = (i16, i32)> {
        self.0.iter().flat_map(|(bucket, count)| {
            let mut rest = *count;
            std::iter::from_fn(move || {
                let part = i32::try_from(rest).unwrap_or(i32::MAX);
                rest = rest.saturating_sub(u64::from(part.unsigned_abs()));
                (part > 0).then_some((*bucket, part))
            })
        })
    }

    /// A duration that is within 1 % of the one that so many of the durations do not exceed, as `percentile_disc` of SQL
    /// has it: 0.95 is for 95 %. `None` when there is no duration.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the databases compute it in doubles too; no count is so large, and none is negative"
    )]
    fn quantile(&self, quantile: f64) -> Option<u64> {
        let total = self.0.values().fold(0_u64, |sum, count| sum.saturating_add(*count));
        let rank = (quantile.clamp(0.0, 1.0) * total as f64).ceil() as u64;
        let mut passed = 0_u64;
        let found = self.0.iter().find(|(_, count)| {
            passed = passed.saturating_add(**count);
            passed >= rank.max(1)
        });
        found.map(|(bucket, _)| duration(*bucket))
    }
}

/// Rate, errors and durations of some spans.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(in crate::store::postgres) struct Red {
    /// How many there are.
    pub(in crate::store::postgres) span_count: u64,
    /// How many of them failed.
    pub(in crate::store::postgres) error_count: u64,
    /// All their durations together, in nanoseconds.
    pub(in crate::store::postgres) duration_sum: u128,
    /// Each of their durations, within 1 %.
    pub(in crate::store::postgres) histogram: Histogram,
}

impl Red {
    /// Adds a span of a row, whose key says whether it failed. Says whether its bucket was empty.
    pub(super) fn add(&mut self, duration_nanos: u64) -> bool {
        let duration = duration_nanos.min(DURATION_NANOS_MAX);
        let filled = self.histogram.0.len();
        self.span_count = self.span_count.saturating_add(1);
        self.duration_sum = self.duration_sum.saturating_add(u128::from(duration));
        self.histogram.add(bucket(duration), 1);
        self.histogram.0.len() > filled
    }

    /// Adds other spans.
    pub(in crate::store::postgres) fn merge(&mut self, other: &Self) {
        self.span_count = self.span_count.saturating_add(other.span_count);
        self.error_count = self.error_count.saturating_add(other.error_count);
        self.duration_sum = self.duration_sum.saturating_add(other.duration_sum);
        self.histogram.merge(&other.histogram);
    }

    /// The duration that so many of the spans do not exceed, in nanoseconds and within 1 %: 0.95 is for 95 % of them.
    /// `None` when there is no span.
    pub(in crate::store::postgres) fn quantile(&self, quantile: f64) -> Option<u64> {
        self.histogram.quantile(quantile)
    }
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, clippy::cast_precision_loss, reason = "small numbers; a panic says where")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Whether a duration and the one that its bucket stands for are within 1 % of it.
    fn is_close(exact: u64) -> bool {
        u128::from(duration(bucket(exact)).abs_diff(exact)) * 100 <= u128::from(exact)
    }

    #[test]
    fn every_bound_is_within_one_percent() {
        assert_eq!((bucket(0), duration(0)), (0, 0));
        for first in FIRSTS.iter().copied() {
            assert!(first <= DURATION_NANOS_MAX && is_close(first - 1) && is_close(first), "{first}");
            assert_eq!(bucket(first - 1) + 1, bucket(first));
        }
        assert!(is_close(DURATION_NANOS_MAX) && FIRSTS.len() == 2_050);
        // The numbers are stored.
        assert_eq!([1, 99, 100, 101, 1_000_000, 1 << 40].map(bucket), [1, 99, 99, 100, 557, 1253]);
    }

    #[test]
    fn a_count_beyond_an_int_is_in_parts() {
        let parts = |count| Histogram([(7, count)].into()).parts().collect::<Vec<_>>();
        let max = i32::MAX;
        assert_eq!(parts(u64::from(max.unsigned_abs()) * 2 + 5), [(7, max), (7, max), (7, 5)]);
        assert_eq!(parts(u64::from(max.unsigned_abs())), [(7, max)]);
        assert_eq!(parts(0), []);
    }

    proptest! {
        #[test]
        fn every_quantile_is_within_one_percent(
            exponents in prop::collection::vec((0_u32..63, any::<u64>()), 1..50), quantile in 0.0..=1.0
        ) {
            let mut durations: Vec<_> = exponents.iter().map(|(exponent, low)| low >> (63 - exponent) >> 1).collect();
            let mut histogram = Histogram::default();
            for duration in &durations {
                histogram.add(bucket(*duration), 1);
            }
            durations.sort_unstable();
            let rank = (1..durations.len()).find(|rank| *rank as f64 / durations.len() as f64 >= quantile);
            let exact = durations[rank.unwrap_or(durations.len()) - 1];
            let found = histogram.quantile(quantile).unwrap();
            prop_assert!(u128::from(found.abs_diff(exact)) * 100 <= u128::from(exact), "{} for {}", found, exact);
        }
    }
}
