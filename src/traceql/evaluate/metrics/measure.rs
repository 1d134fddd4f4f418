//! The functions that measure: counts, sums, extremes, histograms and quantiles of each group in each interval.

use std::collections::{BTreeMap, BTreeSet};

use super::super::number::float;
use super::super::value::Value;
use super::super::{Trace, reference};
use super::Series;
use super::series::{label_text, whole};
use crate::traceql::tree::{Intrinsic, Literal, MetricsFunction, Reference, SpanMetrics};

/// A function over spans, and what it has measured.
#[derive(Debug)]
pub(super) struct Measurer<'q> {
    pub(super) metrics: &'q SpanMetrics,
    intervals: usize,
    /// By the text of the labels.
    groups: BTreeMap<String, Group>,
}

#[derive(Debug)]
struct Group {
    labels: Vec<(String, Literal)>,
    cells: Vec<Cell>,
}

/// What was measured in one interval.
#[derive(Debug, Clone, Default)]
struct Cell {
    count: u64,
    sum: f64,
    extremes: Option<(f64, f64)>,
    /// How many values lie in each bucket: those up to two to the power of its key, and above half of that.
    buckets: BTreeMap<i32, u64>,
}

impl<'q> Measurer<'q> {
    pub(super) fn new(metrics: &'q SpanMetrics, intervals: usize) -> Self {
        let mut measurer = Self { metrics, intervals, groups: BTreeMap::new() };
        // Without groups, no span at all is a count of 0.
        if metrics.by.is_empty() && measurer.is_count() {
            measurer.group(Vec::new());
        }
        measurer
    }

    fn is_count(&self) -> bool {
        matches!(self.metrics.function, MetricsFunction::Rate | MetricsFunction::Count)
    }

    pub(super) fn add(&mut self, trace: &Trace<'_>, at: usize, interval: usize) {
        let mut value = 0.0;
        if let Some(measured) = self.metrics.function.measured() {
            let first = reference::values(measured, trace, at).into_iter().next();
            let Some(number) = first.and_then(|value| value.number()) else { return };
            value = number.to_float();
        }
        let labels = labels(&self.metrics.by, trace, at);
        let unit = self.unit();
        if let Some(cell) = self.group(labels).cells.get_mut(interval) {
            cell.add(value, unit);
        }
    }

    /// What a value is divided by to be shown: durations are measured in nanoseconds, and shown in seconds.
    fn unit(&self) -> f64 {
        let durations = [Intrinsic::Duration, Intrinsic::TraceDuration, Intrinsic::EventTimeSinceStart];
        match self.metrics.function.measured() {
            Some(Reference::Intrinsic(intrinsic)) if durations.contains(intrinsic) => 1e9,
            _ => 1.0,
        }
    }

    fn group(&mut self, labels: Vec<(String, Literal)>) -> &mut Group {
        let cells = self.intervals;
        let new = |labels| Group { labels, cells: vec![Cell::default(); cells] };
        self.groups.entry(label_text(&labels)).or_insert_with(|| new(labels))
    }

    pub(super) fn finish(self, step_seconds: f64) -> Vec<Series> {
        let (function, unit) = (&self.metrics.function, self.unit());
        let series = self.groups.values().flat_map(|group| match function {
            MetricsFunction::Histogram(_) => group.histogram(unit),
            MetricsFunction::Quantile(_, quantiles) => group.quantiles(quantiles, unit),
            _ => vec![group.plain(function, step_seconds)],
        });
        series.filter(|series| series.values.iter().any(Option::is_some)).collect()
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

impl Group {
    /// One series; without groups, its label is the function's name.
    fn plain(&self, function: &MetricsFunction, step_seconds: f64) -> Series {
        let mut labels = self.labels.clone();
        if labels.is_empty() {
            labels.push(("__name__".to_owned(), Literal::Text(function.word().to_owned())));
        }
        Series { labels, values: self.cells.iter().map(|cell| cell.value(function, step_seconds)).collect() }
    }

    /// A series for each bucket that anything lies in.
    fn histogram(&self, unit: f64) -> Vec<Series> {
        let buckets: BTreeSet<_> = self.cells.iter().flat_map(|cell| cell.buckets.keys().copied()).collect();
        let count = |cell: &Cell, bucket| Some(whole(cell.buckets.get(&bucket).copied().unwrap_or_default()));
        let series = |bucket| Series {
            labels: self.labels_and("__bucket", 2_f64.powi(bucket) / unit),
            values: self.cells.iter().map(|cell| count(cell, bucket)).collect(),
        };
        buckets.into_iter().map(series).collect()
    }

    /// A series for each quantile.
    fn quantiles(&self, quantiles: &[f64], unit: f64) -> Vec<Series> {
        let series = |quantile: &f64| Series {
            labels: self.labels_and("p", *quantile),
            values: self.cells.iter().map(|cell| cell.quantile(*quantile).map(|value| value / unit)).collect(),
        };
        quantiles.iter().map(series).collect()
    }

    fn labels_and(&self, name: &str, value: f64) -> Vec<(String, Literal)> {
        let mut labels = self.labels.clone();
        labels.push((name.to_owned(), Literal::Float(value)));
        labels
    }
}

impl Cell {
    fn add(&mut self, value: f64, unit: f64) {
        let shown = value / unit;
        let (min, max) = self.extremes.unwrap_or((shown, shown));
        self.count = self.count.saturating_add(1);
        self.sum += shown;
        self.extremes = Some((min.min(shown), max.max(shown)));
        if let Some(bucket) = bucket(value) {
            let count = self.buckets.entry(bucket).or_default();
            *count = count.saturating_add(1);
        }
    }

    fn value(&self, function: &MetricsFunction, step_seconds: f64) -> Option<f64> {
        match function {
            MetricsFunction::Count => Some(whole(self.count)),
            MetricsFunction::Rate => Some(whole(self.count) / step_seconds),
            MetricsFunction::Min(_) => self.extremes.map(|(min, _)| min),
            MetricsFunction::Max(_) => self.extremes.map(|(_, max)| max),
            MetricsFunction::Sum(_) => self.extremes.map(|_| self.sum),
            MetricsFunction::Average(_) => self.extremes.map(|_| self.sum / whole(self.count)),
            MetricsFunction::Quantile(..) | MetricsFunction::Histogram(_) | MetricsFunction::Compare(_) => None,
        }
    }

    /// The value below which this part of the values lies, supposed that those of one bucket lie evenly between
    /// the logarithms of its bounds.
    fn quantile(&self, quantile: f64) -> Option<f64> {
        let rank = quantile * whole(self.buckets.values().sum());
        let mut below = 0.0;
        for (bucket, count) in &self.buckets {
            let count = whole(*count);
            if below + count >= rank {
                let part = (rank - below) / count;
                return Some(2_f64.powf(float((*bucket).into()) - 1.0 + part));
            }
            below += count;
        }
        None
    }
}

/// The bucket of a value: the least power of two that is not below it. Values under 2 have none.
fn bucket(value: f64) -> Option<i32> {
    (1..=1023).find(|bucket| 2_f64.powi(*bucket) >= value).filter(|_| value >= 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_end_at_powers_of_two() {
        let values = [f64::NAN, -1.0, 0.0, 1.9, 2.0, 2.1, 4.0, 4.1, 1024.0, 1025.0, f64::INFINITY];
        let expected = [None, None, None, None, Some(1), Some(2), Some(2), Some(3), Some(10), Some(11), None];
        assert_eq!(values.map(bucket), expected);
    }

    #[test]
    fn quantiles_lie_between_the_bounds_of_their_bucket() {
        let mut cell = Cell::default();
        assert_eq!(cell.quantile(0.5), None);
        for value in [3.0, 4.0, 6.0, 7.0] {
            cell.add(value, 1.0);
        }
        let quantiles = [0.0, 0.25, 0.5, 0.75, 1.0].map(|quantile| cell.quantile(quantile).unwrap());
        let expected = [2.0, 2.0 * 2_f64.sqrt(), 4.0, 4.0 * 2_f64.sqrt(), 8.0];
        for (quantile, expected) in quantiles.into_iter().zip(expected) {
            assert!((quantile - expected).abs() < 1e-9, "{quantile} {expected}");
        }
    }
}
