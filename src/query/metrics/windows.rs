//! The time of a query in parts, the newest first. A part begins where an interval begins, so that what was looked at is
//! whole intervals; the time of a single interval is cut at whole minutes. Parts grow while they take little, so that a
//! query that finds little does not ask the store a thousand times, and shrink when they take much, so that little is in
//! vain when the limit on work is reached.

use crate::model::UnixNanos;
use crate::store::MINUTE_NANOS;
use crate::traceql::evaluate::Intervals;

/// The first part is so much of the whole time.
const FIRST_SHARE: i128 = 32;

/// What is left of the time.
#[derive(Debug)]
pub(super) struct Windows {
    start: i128,
    /// Where the last part began.
    until: i128,
    /// Parts begin at multiples of this from here.
    unit: i128,
    origin: i128,
    /// How many units the next part has.
    units: i128,
}

/// A part: from its first nanosecond until before its last, of which the last one of all time is not before anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) start: UnixNanos,
    pub(super) end: UnixNanos,
}

impl Windows {
    pub(super) fn of(intervals: &Intervals) -> Self {
        let start = i128::from(intervals.begin(0).0);
        let until = i128::from(intervals.begin(intervals.count()).0);
        let (unit, origin) = if intervals.count() == 1 {
            (i128::from(MINUTE_NANOS), 0)
        } else {
            // The first interval may begin before all time; the second does not.
            (i128::from(intervals.step_nanos()), i128::from(intervals.begin(1).0))
        };
        let length = until.saturating_sub(start);
        let units = length.checked_div(unit).unwrap_or_default().checked_div(FIRST_SHARE).unwrap_or_default().max(1);
        Self { start, until, unit, origin, units }
    }

    /// The next part.
    pub(super) fn next(&mut self) -> Option<Window> {
        if self.until <= self.start {
            return None;
        }
        let end = self.until;
        let length = self.units.saturating_mul(self.unit);
        let beyond = end.saturating_sub(length).saturating_sub(self.origin);
        // Rounded up, so that a part is never longer; but never empty.
        let begin = round_up(beyond, self.unit).saturating_add(self.origin);
        let begin = if begin < end { begin } else { begin.saturating_sub(self.unit) };
        self.until = begin.max(self.start);
        let time = |nanos: i128| UnixNanos(u64::try_from(nanos).unwrap_or(if nanos < 0 { 0 } else { u64::MAX }));
        Some(Window { start: time(self.until), end: time(end) })
    }

    /// The last part took so many thousandths of what the whole may take.
    pub(super) fn took(&mut self, thousandths: u64) {
        if thousandths < 100 {
            self.units = self.units.saturating_mul(2);
        } else if thousandths > 200 {
            self.units = self.units.checked_div(2).unwrap_or_default().max(1);
        }
    }
}

fn round_up(value: i128, unit: i128) -> i128 {
    let rest = value.checked_rem_euclid(unit).unwrap_or_default();
    if rest == 0 { value } else { value.saturating_sub(rest).saturating_add(unit) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(intervals: &Intervals, thousandths: u64) -> Vec<(u64, u64)> {
        let mut windows = Windows::of(intervals);
        let mut all = Vec::new();
        while let Some(window) = windows.next() {
            all.push((window.start.0, window.end.0));
            windows.took(thousandths);
        }
        all
    }

    #[test]
    fn parts_begin_with_intervals_and_grow_or_stay() {
        let intervals = Intervals::range(UnixNanos(100), UnixNanos(200), 10).unwrap();
        assert_eq!(all(&intervals, 150)[..2], [(190, 200), (180, 190)]);
        assert_eq!(all(&intervals, 0), [(190, 200), (170, 190), (130, 170), (90, 130)]);
        let first = Intervals::range(UnixNanos(0), UnixNanos(20), 10).unwrap();
        assert_eq!(all(&first, 150), [(10, 20), (0, 10)]);
        let last = Intervals::range(UnixNanos(u64::MAX - 1), UnixNanos(u64::MAX), 10).unwrap();
        assert_eq!(all(&last, 150)[0], (u64::MAX / 10 * 10, u64::MAX));
    }

    #[test]
    fn a_single_interval_is_cut_at_whole_minutes() {
        let at = |seconds: u64| seconds * 1_000_000_000;
        let intervals = Intervals::instant(UnixNanos(at(90)), UnixNanos(at(290))).unwrap();
        let expected = [(240, 290), (180, 240), (120, 180), (90, 120)].map(|(start, end)| (at(start), at(end)));
        assert_eq!(all(&intervals, 150), expected);
        let short = Intervals::instant(UnixNanos(5), UnixNanos(6)).unwrap();
        assert_eq!(all(&short, 150), [(5, 6)]);
        let everything = Intervals::instant(UnixNanos(0), UnixNanos(u64::MAX)).unwrap();
        let all = all(&everything, 0);
        assert!(all.len() < 10 && all[0].1 == u64::MAX && all[all.len() - 1].0 == 0, "{all:?}");
        assert!(all.windows(2).all(|pair| pair[0].0 == pair[1].1));
    }
}
