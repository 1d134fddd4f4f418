//! The intervals of a metrics query.
//!
//! A range is cut at multiples of its step, widened to whole steps, and has one more interval before its start, so
//! that there is a value at the start itself. An interval has its start and not its end, as minutes and hours have that
//! were counted before; its value stands at its end. (Tempo's have their end and not their start, which is another
//! interval for spans that start at that very nanosecond.) An instant query has one interval from its start to its end;
//! so has a range of exactly one step.

use crate::model::UnixNanos;

/// The most intervals of one query.
pub const INTERVALS_MAX: usize = 11_000;

/// The intervals of a metrics query, at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intervals {
    /// The start of the first one; may lie before all time.
    start: i128,
    /// The length of each, in nanoseconds.
    step: i128,
    count: usize,
}

/// Why there are no such intervals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IntervalsError {
    /// The range ends before it starts, or when it starts.
    #[error("the end must be later than the start")]
    End,
    /// The step is nothing.
    #[error("the step must be longer than 0")]
    Step,
    /// There would be too many.
    #[error("at most {INTERVALS_MAX} intervals are possible: take a longer step")]
    TooMany,
}

impl Intervals {
    /// The intervals of a range.
    ///
    /// # Errors
    /// Of every kind.
    pub fn range(start: UnixNanos, end: UnixNanos, step_nanos: u64) -> Result<Self, IntervalsError> {
        if step_nanos == 0 {
            return Err(IntervalsError::Step);
        }
        if end.0.checked_sub(start.0) == Some(step_nanos) {
            return Self::instant(start, end);
        }
        if end <= start {
            return Err(IntervalsError::End);
        }
        let step = i128::from(step_nanos);
        let (start, end) = (i128::from(start.0), i128::from(end.0));
        let first = start.div_euclid(step).saturating_sub(1);
        let last = end.saturating_add(step).saturating_sub(1).div_euclid(step);
        let count = usize::try_from(last.saturating_sub(first)).ok().filter(|count| *count <= INTERVALS_MAX);
        let count = count.ok_or(IntervalsError::TooMany)?;
        Ok(Self { start: first.saturating_mul(step), step, count })
    }

    /// One interval from start to end.
    ///
    /// # Errors
    /// [`IntervalsError::End`].
    pub fn instant(start: UnixNanos, end: UnixNanos) -> Result<Self, IntervalsError> {
        let step = i128::from(end.0).saturating_sub(i128::from(start.0));
        if step <= 0 {
            return Err(IntervalsError::End);
        }
        Ok(Self { start: i128::from(start.0), step, count: 1 })
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }

    /// When each one ends, in order: the times of the values.
    pub fn ends(&self) -> impl Iterator<Item = UnixNanos> {
        (1..=self.count).map(|number| self.begin(number))
    }

    /// When this one begins, and the one before it ends; what lies before or after all time is at its edge.
    #[must_use]
    pub fn begin(&self, index: usize) -> UnixNanos {
        let index = i128::try_from(index).unwrap_or(i128::MAX);
        let begin = self.start.saturating_add(index.saturating_mul(self.step));
        UnixNanos(u64::try_from(begin).unwrap_or(if begin < 0 { 0 } else { u64::MAX }))
    }

    /// How long each one is, in nanoseconds.
    #[must_use]
    pub fn step_nanos(&self) -> u64 {
        u64::try_from(self.step).unwrap_or(u64::MAX)
    }

    /// Which one this time belongs to.
    #[must_use]
    pub fn index(&self, time: UnixNanos) -> Option<usize> {
        let index = i128::from(time.0).saturating_sub(self.start).div_euclid(self.step);
        usize::try_from(index).ok().filter(|index| *index < self.count)
    }

    /// How long each one is, in seconds.
    pub(super) fn step_seconds(&self) -> f64 {
        super::super::number::float(self.step) / 1e9
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends(intervals: &Intervals) -> Vec<u64> {
        intervals.ends().map(|end| end.0).collect()
    }

    #[test]
    fn ranges_are_cut_at_multiples_of_the_step_with_one_more_before() {
        let intervals = Intervals::range(UnixNanos(105), UnixNanos(131), 10).unwrap();
        assert_eq!(ends(&intervals), [100, 110, 120, 130, 140]);
        let times = [89, 90, 99, 100, 139, 140];
        let places = times.map(|time| intervals.index(UnixNanos(time)));
        assert_eq!(places, [None, Some(0), Some(0), Some(1), Some(4), None]);
        assert_eq!([0, 1, 5].map(|index| intervals.begin(index).0), [90, 100, 140]);
        let aligned = Intervals::range(UnixNanos(100), UnixNanos(120), 10).unwrap();
        assert_eq!(ends(&aligned), [100, 110, 120]);
        let first = Intervals::range(UnixNanos(0), UnixNanos(20), 10).unwrap();
        assert_eq!((ends(&first), first.index(UnixNanos(0))), (vec![0, 10, 20], Some(1)));
        let last = Intervals::range(UnixNanos(u64::MAX - 15), UnixNanos(u64::MAX), 10).unwrap();
        assert_eq!(last.index(UnixNanos(u64::MAX)), Some(last.count() - 1));
        assert_eq!((first.begin(0), last.begin(last.count())), (UnixNanos(0), UnixNanos(u64::MAX)));
    }

    #[test]
    fn an_instant_has_its_start_and_not_its_end() {
        for intervals in
            [Intervals::instant(UnixNanos(105), UnixNanos(131)), Intervals::range(UnixNanos(105), UnixNanos(131), 26)]
        {
            let intervals = intervals.unwrap();
            assert_eq!(ends(&intervals), [131]);
            let places = [104, 105, 130, 131].map(|time| intervals.index(UnixNanos(time)));
            assert_eq!(places, [None, Some(0), Some(0), None]);
        }
    }

    #[test]
    fn impossible_intervals_are_refused() {
        let range = |start, end, step| Intervals::range(UnixNanos(start), UnixNanos(end), step);
        assert_eq!(range(0, 10, 0), Err(IntervalsError::Step));
        assert_eq!(range(10, 10, 1), Err(IntervalsError::End));
        assert_eq!(range(11, 10, 1), Err(IntervalsError::End));
        assert_eq!(range(0, u64::MAX, 1), Err(IntervalsError::TooMany));
        assert_eq!(range(1, 11_001, 1), Err(IntervalsError::TooMany));
        assert_eq!(range(1, 11_000, 1).map(|intervals| intervals.count()), Ok(INTERVALS_MAX));
        assert_eq!(Intervals::instant(UnixNanos(1), UnixNanos(1)), Err(IntervalsError::End));
    }
}
