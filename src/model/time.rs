//! Points in time, as OTLP sends them: unsigned nanoseconds since the Unix epoch.

/// The longest duration there is, in nanoseconds (292 years). Longer ones, which only broken clocks make, saturate
/// here, so that a duration fits the signed 64 bits of every database and compares alike on all of them.
pub const DURATION_NANOS_MAX: u64 = i64::MAX.unsigned_abs();

/// Nanoseconds since the Unix epoch, 1970 to 2554. Any value is legal: clocks are wrong by years.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct UnixNanos(pub u64);

impl UnixNanos {
    /// Nanoseconds from `earlier` to here: 0 when `earlier` is the later one, [`DURATION_NANOS_MAX`] at the most.
    /// (OTLP allows an end before its start; it is stored as sent and clamped when read.)
    #[must_use]
    pub fn nanos_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0).min(DURATION_NANOS_MAX)
    }

    /// Whole microseconds since the epoch, and the nanoseconds beyond (0 to 999). Both engines store a time as
    /// these two: microseconds are what a timestamp column holds, and every `u64` fits.
    #[must_use]
    pub fn to_micros_and_nanos(self) -> (i64, i16) {
        let micros = i64::try_from(self.0 / 1_000).unwrap_or(i64::MAX);
        let nanos = i16::try_from(self.0 % 1_000).unwrap_or(0);
        (micros, nanos)
    }

    /// The reverse of [`Self::to_micros_and_nanos`]; `None` for a pair that it never makes.
    #[must_use]
    pub fn from_micros_and_nanos(micros: i64, nanos: i16) -> Option<Self> {
        let nanos = u64::try_from(nanos).ok().filter(|nanos| *nanos < 1_000)?;
        u64::try_from(micros).ok()?.checked_mul(1_000)?.checked_add(nanos).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations_clamp_at_both_ends() {
        assert_eq!(UnixNanos(5).nanos_since(UnixNanos(2)), 3);
        assert_eq!(UnixNanos(2).nanos_since(UnixNanos(5)), 0);
        assert_eq!(UnixNanos(u64::MAX).nanos_since(UnixNanos(0)), DURATION_NANOS_MAX);
    }

    #[test]
    fn impossible_pairs_are_refused() {
        for (micros, nanos) in [(-1, 0), (0, -1), (0, 1_000), (i64::MAX, 0)] {
            assert_eq!(UnixNanos::from_micros_and_nanos(micros, nanos), None);
        }
    }

    proptest! {
        #[test]
        fn every_time_survives_the_split_and_keeps_its_order(a: u64, b: u64) {
            for time in [a, b, u64::MAX, 0] {
                let (micros, nanos) = UnixNanos(time).to_micros_and_nanos();
                prop_assert_eq!(UnixNanos::from_micros_and_nanos(micros, nanos), Some(UnixNanos(time)));
            }
            prop_assert_eq!(UnixNanos(a).to_micros_and_nanos().cmp(&UnixNanos(b).to_micros_and_nanos()), a.cmp(&b));
        }
    }
}
