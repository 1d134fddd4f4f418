//! The functions that measure: counts, sums, extremes, histograms and quantiles of each group in each interval. What is
//! measured in parts, of spans one by one or of many that were counted before, is the same as when measured at once.

use std::cmp::Ordering::{Greater, Less};
use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::super::number::{Number, float};
use super::super::value::Value;
use super::super::{Trace, reference};
use super::limits::{Held, TooMuch};
use super::series::{label_text, whole};
use super::spread::Spread;
use super::{Counted, Series};
use crate::traceql::tree::{Intrinsic, Literal, MetricsFunction, Reference, SpanMetrics};

/// A function over spans, and what it has measured.
#[derive(Debug)]
pub(super) struct Measurer<'q> {
    pub(super) metrics: &'q SpanMetrics,
    groups: Vec<Group>,
    /// Places of groups, by the text of their labels.
    places: HashMap<String, usize>,
}

#[derive(Debug)]
struct Group {
    labels: Vec<(String, Literal)>,
    /// By interval, where anything was measured.
    cells: BTreeMap<usize, Cell>,
}

/// What was measured in one interval.
#[derive(Debug)]
enum Cell {
    Count(u64),
    Sum(Sum),
    /// The smallest or the largest number.
    Extreme(Option<f64>),
    /// How many numbers lie in each bucket: those up to two to the power of its key, and above half of that.
    Powers(BTreeMap<i32, u64>),
    Spread(Spread),
}

/// Numbers added up. Whole ones, and durations in nanoseconds, are so exactly, in whichever order they come.
#[derive(Debug, Default)]
struct Sum {
    count: u64,
    whole: i128,
    rest: f64,
}

impl<'q> Measurer<'q> {
    pub(super) fn new(metrics: &'q SpanMetrics) -> Self {
        Self { metrics, groups: Vec::new(), places: HashMap::new() }
    }

    /// Without groups, no span at all is a count of 0.
    fn is_count_of_all(&self) -> bool {
        self.metrics.by.is_empty() && matches!(self.metrics.function, MetricsFunction::Rate | MetricsFunction::Count)
    }

    pub(super) fn add(
        &mut self,
        trace: &Trace<'_>,
        at: usize,
        interval: usize,
        held: &mut Held,
    ) -> Result<(), TooMuch> {
        let mut number = Number::Int(1);
        if let Some(measured) = self.metrics.function.measured() {
            let first = reference::values(measured, trace, at).into_iter().next();
            match first.and_then(|value| value.number()).filter(|number| !number.to_float().is_nan()) {
                Some(found) => number = found,
                None => return Ok(()),
            }
        }
        let group = self.group(trace, at, held)?;
        self.cell(group, interval, held, |cell, function| cell.add(number, function))
    }

    /// The group that a span belongs to.
    pub(super) fn group(&mut self, trace: &Trace<'_>, at: usize, held: &mut Held) -> Result<usize, TooMuch> {
        let labels = labels(&self.metrics.by, trace, at);
        let text = label_text(&labels);
        if let Some(group) = self.places.get(&text) {
            return Ok(*group);
        }
        let series = if let MetricsFunction::Quantile(_, of) = &self.metrics.function { of.len() } else { 1 };
        held.take_group(series)?;
        held.take_entry(text.len().saturating_mul(2))?;
        let group = self.groups.len();
        self.places.insert(text, group);
        self.groups.push(Group { labels, cells: BTreeMap::new() });
        Ok(group)
    }

    /// Adds spans of a group that were counted before.
    pub(super) fn add_counted(
        &mut self,
        group: usize,
        interval: usize,
        counted: &Counted<'_>,
        held: &mut Held,
    ) -> Result<(), TooMuch> {
        self.cell(group, interval, held, |cell, _| cell.add_counted(counted))
    }

    /// Changes a cell; the change says of how many buckets it is the first that has something in them.
    fn cell(
        &mut self,
        group: usize,
        interval: usize,
        held: &mut Held,
        change: impl FnOnce(&mut Cell, &MetricsFunction) -> usize,
    ) -> Result<(), TooMuch> {
        let function = &self.metrics.function;
        let Some(group) = self.groups.get_mut(group) else { return Ok(()) };
        let mut entries = 0_usize;
        let cell = group.cells.entry(interval).or_insert_with(|| {
            entries = 1;
            Cell::of(function)
        });
        entries = entries.saturating_add(change(cell, function));
        (0..entries).try_for_each(|_| held.take_entry(0))
    }

    /// Whether durations are measured, which is done in nanoseconds, and shown in seconds.
    fn is_of_durations(&self) -> bool {
        let durations = [Intrinsic::Duration, Intrinsic::TraceDuration, Intrinsic::EventTimeSinceStart];
        matches!(self.metrics.function.measured(), Some(Reference::Intrinsic(one)) if durations.contains(one))
    }

    /// The series, with values from the first of the intervals to show on.
    pub(super) fn finish(mut self, shown: &Shown, held: &Held) -> Result<Vec<Series>, TooMuch> {
        for group in &mut self.groups {
            group.cells = group.cells.split_off(&shown.first);
        }
        self.groups.retain(|group| !group.cells.is_empty());
        if self.groups.is_empty() && self.is_count_of_all() {
            self.groups.push(Group { labels: Vec::new(), cells: BTreeMap::new() });
        }
        let function = &self.metrics.function;
        let of_durations = self.is_of_durations();
        held.check_series(self.groups.iter().map(|group| group.series_count(function)).sum(), shown.count)?;
        let series = self.groups.iter().flat_map(|group| match function {
            MetricsFunction::Histogram(_) => group.histogram(of_durations, shown),
            MetricsFunction::Quantile(_, quantiles) => group.quantiles(quantiles, of_durations, shown),
            _ => vec![group.plain(function, of_durations, shown)],
        });
        Ok(series.filter(|series| series.values.iter().any(Option::is_some)).collect())
    }
}

/// Which intervals are shown.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shown {
    /// The first one; those before have no values.
    pub(super) first: usize,
    /// How many there are, those before included.
    pub(super) count: usize,
    /// How long each is.
    pub(super) step_seconds: f64,
}

impl Shown {
    /// The values of all intervals.
    pub(super) fn values(&self, of: impl Fn(usize) -> Option<f64>) -> Vec<Option<f64>> {
        (0..self.count).map(|interval| of(interval).filter(|_| interval >= self.first)).collect()
    }
}

/// The values of what is grouped by; those that are missing are left out, unless all are.
fn labels(by: &[Reference], trace: &Trace<'_>, at: usize) -> Vec<(String, Literal)> {
    let label = |named: &Reference| {
        let first = reference::values(named, trace, at).into_iter().next();
        (named.to_string(), first.map_or(Literal::Nil, Value::into_literal))
    };
    let all: Vec<_> = by.iter().map(label).collect();
    let known: Vec<_> = all.iter().filter(|(_, value)| *value != Literal::Nil).cloned().collect();
    if known.is_empty() { all.into_iter().take(1).collect() } else { known }
}

/// What a value is divided by to be shown.
fn unit(of_durations: bool) -> f64 {
    if of_durations { 1e9 } else { 1.0 }
}

impl Group {
    /// One series; without groups, its label is the function's name.
    fn plain(&self, function: &MetricsFunction, of_durations: bool, shown: &Shown) -> Series {
        let mut labels = self.labels.clone();
        if labels.is_empty() {
            labels.push(("__name__".to_owned(), Literal::Text(function.word().to_owned())));
        }
        let empty = Cell::of(function);
        let value = |interval| self.cells.get(&interval).unwrap_or(&empty).value(function, shown.step_seconds);
        let unit = unit(of_durations);
        Series { labels, values: shown.values(|interval| value(interval).map(|value| value / unit)) }
    }

    /// A series for each bucket that anything lies in.
    fn histogram(&self, of_durations: bool, shown: &Shown) -> Vec<Series> {
        let count = |interval, bucket| {
            let powers = self.cells.get(&interval).and_then(Cell::powers);
            whole(powers.and_then(|powers| powers.get(&bucket)).copied().unwrap_or_default())
        };
        let series = |bucket| Series {
            labels: self.labels_and("__bucket", 2_f64.powi(bucket) / unit(of_durations)),
            values: shown.values(|interval| Some(count(interval, bucket))),
        };
        self.buckets().into_iter().map(series).collect()
    }

    /// The powers of two up to which anything lies, in any interval.
    fn buckets(&self) -> BTreeSet<i32> {
        self.cells.values().filter_map(Cell::powers).flat_map(|powers| powers.keys().copied()).collect()
    }

    /// A series for each quantile.
    fn quantiles(&self, quantiles: &[f64], of_durations: bool, shown: &Shown) -> Vec<Series> {
        let value = |interval, quantile| match self.cells.get(&interval) {
            Some(Cell::Spread(spread)) => spread.quantile(quantile, of_durations),
            _ => None,
        };
        let series = |quantile: &f64| Series {
            labels: self.labels_and("p", *quantile),
            values: shown.values(|interval| value(interval, *quantile).map(|value| value / unit(of_durations))),
        };
        quantiles.iter().map(series).collect()
    }

    fn series_count(&self, function: &MetricsFunction) -> usize {
        match function {
            MetricsFunction::Histogram(_) => self.buckets().len(),
            MetricsFunction::Quantile(_, quantiles) => quantiles.len(),
            _ => 1,
        }
    }

    fn labels_and(&self, name: &str, value: f64) -> Vec<(String, Literal)> {
        let mut labels = self.labels.clone();
        labels.push((name.to_owned(), Literal::Float(value)));
        labels
    }
}

impl Cell {
    fn of(function: &MetricsFunction) -> Self {
        match function {
            MetricsFunction::Rate | MetricsFunction::Count | MetricsFunction::Compare(_) => Self::Count(0),
            MetricsFunction::Sum(_) | MetricsFunction::Average(_) => Self::Sum(Sum::default()),
            MetricsFunction::Min(_) | MetricsFunction::Max(_) => Self::Extreme(None),
            MetricsFunction::Histogram(_) => Self::Powers(BTreeMap::new()),
            MetricsFunction::Quantile(..) => Self::Spread(Spread::default()),
        }
    }

    fn powers(&self) -> Option<&BTreeMap<i32, u64>> {
        if let Self::Powers(powers) = self { Some(powers) } else { None }
    }

    /// Adds a number; says how many buckets it is the first in.
    fn add(&mut self, number: Number, function: &MetricsFunction) -> usize {
        match self {
            Self::Count(count) => *count = count.saturating_add(1),
            Self::Sum(sum) => sum.add(number),
            Self::Extreme(extreme) => {
                let value = number.to_float();
                let is_min = matches!(function, MetricsFunction::Min(_));
                // Minus zero is less than zero, in whichever order they come.
                let is_further = |known: f64| value.total_cmp(&known) == if is_min { Less } else { Greater };
                if extreme.is_none_or(is_further) {
                    *extreme = Some(value);
                }
            }
            Self::Powers(powers) => {
                let Some(bucket) = bucket(number.to_float()) else { return 0 };
                let count = powers.entry(bucket).or_default();
                *count = count.saturating_add(1);
                return usize::from(*count == 1);
            }
            Self::Spread(spread) => return usize::from(spread.add(number)),
        }
        0
    }

    /// Adds spans that were counted before, when their durations are measured or nothing but their number.
    fn add_counted(&mut self, counted: &Counted<'_>) -> usize {
        match self {
            Self::Count(count) => *count = count.saturating_add(counted.span_count),
            Self::Sum(sum) => {
                sum.count = sum.count.saturating_add(counted.span_count);
                sum.whole = sum.whole.saturating_add_unsigned(counted.duration_sum_nanos);
            }
            Self::Spread(spread) => {
                let counts = counted.histogram.iter();
                return counts.map(|(bucket, count)| usize::from(spread.add_durations(bucket, count))).sum();
            }
            Self::Extreme(_) | Self::Powers(_) => {}
        }
        0
    }

    /// The value of a function that has one; of durations, in nanoseconds.
    fn value(&self, function: &MetricsFunction, step_seconds: f64) -> Option<f64> {
        match (self, function) {
            (Self::Count(count), MetricsFunction::Rate) => Some(whole(*count) / step_seconds),
            (Self::Count(count), _) => Some(whole(*count)),
            (Self::Sum(sum), MetricsFunction::Average(_)) => sum.total().map(|total| total / whole(sum.count)),
            (Self::Sum(sum), _) => sum.total(),
            (Self::Extreme(extreme), _) => *extreme,
            (Self::Powers(_) | Self::Spread(_), _) => None,
        }
    }
}

impl Sum {
    fn add(&mut self, number: Number) {
        self.count = self.count.saturating_add(1);
        match number {
            Number::Int(value) | Number::Duration(value) => self.whole = self.whole.saturating_add(value.into()),
            Number::Float(value) => self.rest += value,
        }
    }

    fn total(&self) -> Option<f64> {
        (self.count > 0).then(|| float(self.whole) + self.rest)
    }
}

/// The bucket of a value: the least power of two that is not below it. Values under 2 have none.
fn bucket(value: f64) -> Option<i32> {
    if !(value >= 2.0 && value.is_finite()) {
        return None;
    }
    // A double is a power of two, whose exponent is 1023 less than its first bits say, times 1 and a fraction.
    let power = i32::try_from(value.to_bits() >> 52).ok()?.saturating_sub(1023);
    let is_beyond = 2_f64.powi(power) < value;
    Some(power.saturating_add(is_beyond.into())).filter(|bucket| *bucket <= 1023)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_end_at_powers_of_two() {
        let values =
            [f64::NAN, -1.0, 0.0, 1.9, 2.0, 2.1, 4.0, 4.1, 1024.0, 1025.0, f64::MAX, f64::INFINITY, 2_f64.powi(1023)];
        let expected = [None, None, None, None, Some(1), Some(2), Some(2), Some(3), Some(10), Some(11), None, None];
        assert_eq!(values.map(bucket)[..12], expected);
        assert_eq!(bucket(2_f64.powi(1023)), Some(1023));
    }

    #[test]
    fn extremes_are_the_same_in_any_order() {
        let duration = || Reference::Intrinsic(Intrinsic::Duration);
        for numbers in [[0.0, -0.0], [-0.0, 0.0]] {
            for (function, least) in
                [(MetricsFunction::Min(duration()), true), (MetricsFunction::Max(duration()), false)]
            {
                let mut cell = Cell::of(&function);
                for number in numbers {
                    cell.add(Number::Float(number), &function);
                }
                let value = cell.value(&function, 1.0).unwrap();
                assert_eq!(value.is_sign_negative(), least, "{function:?} of {numbers:?}");
            }
        }
    }

    #[test]
    fn whole_numbers_are_added_exactly() {
        let numbers = [i64::MAX, 1, i64::MAX, -7, i64::MIN, 3, i64::MIN];
        let mut sum = Sum::default();
        for number in numbers {
            sum.add(Number::Int(number));
        }
        assert_eq!((sum.count, sum.whole, sum.total()), (7, -5, Some(-5.0)));
    }
}
