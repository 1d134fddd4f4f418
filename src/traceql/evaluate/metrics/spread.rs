//! Where numbers lie, within 1 %: what quantiles are read from. However the numbers come and are put together, the same
//! spread comes of them.
//!
//! Durations are in the buckets of [`histogram`], which rollups have too; those below zero in the same ones, mirrored. Any
//! other number is cut to its first eight binary digits, towards zero: less than 1 % of it is lost, and nothing of a whole
//! number up to 256. (Of numbers nearer to zero than 2.3e-308, which have fewer digits, at most as much is lost as they are.)

use std::collections::BTreeMap;

use super::super::number::{Number, float};
use crate::model::histogram;

/// How many binary digits of a double are cut off: of 52 all but seven, before which the eighth goes without saying.
const DIGITS_CUT: u32 = 45;

/// A place: the bucket of a number without its sign, and the sign.
type Place = i32;

/// How many numbers lie where.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Spread(BTreeMap<Place, u64>);

impl Spread {
    /// Adds a number, which is not a NaN. Says whether there was none at its place.
    pub(super) fn add(&mut self, number: Number) -> bool {
        self.add_at(place(number), 1)
    }

    /// Adds so many durations of a bucket of [`histogram`].
    pub(super) fn add_durations(&mut self, bucket: i16, count: u64) -> bool {
        self.add_at(bucket.into(), count)
    }

    fn add_at(&mut self, place: Place, count: u64) -> bool {
        let counted = self.0.entry(place).or_default();
        let is_new = *counted == 0;
        *counted = counted.saturating_add(count);
        is_new
    }

    /// The number that so many of all do not exceed; of durations, in nanoseconds.
    pub(super) fn quantile(&self, quantile: f64, of_durations: bool) -> Option<f64> {
        let counted = self.0.iter().map(|(place, count)| (*place, *count));
        let place = histogram::quantile(counted, quantile)?;
        let bucket = place.unsigned_abs();
        let number = if of_durations {
            float(histogram::duration_nanos(i16::try_from(bucket).unwrap_or(i16::MAX)).into())
        } else {
            f64::from_bits(u64::from(bucket) << DIGITS_CUT)
        };
        Some(if place < 0 { -number } else { number })
    }
}

fn place(number: Number) -> Place {
    let (bucket, is_negative) = match number {
        Number::Duration(nanos) => (histogram::bucket(nanos.unsigned_abs()).into(), nanos < 0),
        Number::Int(_) | Number::Float(_) => {
            let value = number.to_float();
            (Place::try_from(value.abs().to_bits() >> DIGITS_CUT).unwrap_or(Place::MAX), value < 0.0)
        }
    };
    if is_negative { bucket.saturating_neg() } else { bucket }
}

#[cfg(test)]
#[expect(clippy::cast_precision_loss, clippy::float_cmp, reason = "small numbers, and exact ones")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn spread(numbers: impl IntoIterator<Item = Number>) -> Spread {
        let mut spread = Spread::default();
        for number in numbers {
            spread.add(number);
        }
        spread
    }

    #[test]
    fn small_whole_numbers_are_exact() {
        for number in -256..=256 {
            assert_eq!(spread([Number::Int(number)]).quantile(0.5, false), Some(number as f64));
        }
        for nanos in -99..=99 {
            assert_eq!(spread([Number::Duration(nanos)]).quantile(0.5, true), Some(nanos as f64));
        }
        assert_eq!(spread([]).quantile(0.5, false), None);
        assert_eq!(spread([Number::Float(f64::NEG_INFINITY)]).quantile(0.5, false), Some(f64::NEG_INFINITY));
    }

    /// Whether a number is within 1 % of the exact one.
    fn is_close(found: f64, exact: f64) -> bool {
        found == exact || ((found - exact) / exact).abs() <= 0.01
    }

    proptest! {
        #[test]
        fn every_quantile_is_within_one_percent(
            numbers in prop::collection::vec(prop_oneof![
                prop::num::f64::NORMAL | prop::num::f64::ZERO, -1e6..1e6_f64, (-1_000..1_000_i32).prop_map(f64::from),
            ], 1..40),
            quantile in prop_oneof![Just(0.0), Just(0.5), Just(0.95), Just(1.0)],
        ) {
            let found = spread(numbers.iter().map(|number| Number::Float(*number))).quantile(quantile, false).unwrap();
            let mut sorted = numbers.clone();
            sorted.sort_by(f64::total_cmp);
            let rank = (1..sorted.len()).find(|rank| *rank as f64 >= quantile * sorted.len() as f64);
            let exact = sorted[rank.unwrap_or(sorted.len()).saturating_sub(1)];
            prop_assert!(is_close(found, exact), "{found} for {exact}");
        }

        #[test]
        fn durations_are_within_one_percent_on_both_sides_of_zero(nanos: i64) {
            let found = spread([Number::Duration(nanos)]).quantile(0.5, true).unwrap();
            prop_assert!(is_close(found, nanos as f64), "{found} for {nanos}");
        }
    }
}
