//! Metrics queries: the spans that match, in all traces, as series over time.
//!
//! A span counts in the interval in which it starts. Durations are in seconds. Groups of which all values are
//! missing are one group; within a group, a label whose value is missing is left out. [`intervals`] has the times,
//! [`measure`] what is counted of spans, [`compare`] the function that compares spans, [`series`] what is done with
//! series afterwards.

mod compare;
mod intervals;
mod measure;
mod series;

pub use intervals::{INTERVALS_MAX, Intervals, IntervalsError};

use super::{Trace, pipeline};
use crate::traceql::tree::{Literal, Math, Metrics, MetricsFunction, MetricsSource, SpanMetrics};
use compare::Comparer;
use measure::Measurer;

/// One number for each interval, where there is one.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// What it is of: names as in the query, and some that begin with `__`.
    pub labels: Vec<(String, Literal)>,
    /// One for each interval, in order.
    pub values: Vec<Option<f64>>,
}

/// A metrics query while it is fed with traces.
#[derive(Debug)]
pub struct Measurement<'q> {
    metrics: &'q Metrics,
    intervals: Intervals,
    leaves: Vec<Leaf<'q>>,
}

/// What one function over spans has measured.
#[derive(Debug)]
enum Leaf<'q> {
    Measured(Measurer<'q>),
    Compared(Comparer<'q>),
}

impl<'q> Measurement<'q> {
    /// Nothing measured yet.
    #[must_use]
    pub fn new(metrics: &'q Metrics, intervals: Intervals) -> Self {
        let mut leaves = Vec::new();
        collect_leaves(metrics, &intervals, &mut leaves);
        Self { metrics, intervals, leaves }
    }

    /// Adds a trace, of which all spans are given; each trace once.
    pub fn add(&mut self, trace: &Trace<'_>) {
        for leaf in &mut self.leaves {
            for set in pipeline::sets(&leaf.metrics().spans, trace) {
                for at in set.spans {
                    let start = trace.span(at).map(|span| span.start);
                    if let Some(interval) = start.and_then(|start| self.intervals.index(start)) {
                        leaf.add(trace, at, interval);
                    }
                }
            }
        }
    }

    /// The series, in the order of their labels.
    #[must_use]
    pub fn finish(self) -> Vec<Series> {
        let mut leaves = self.leaves.into_iter();
        let mut series = finished(self.metrics, &self.intervals, &mut leaves);
        series.sort_by_cached_key(|series| series::label_text(&series.labels));
        series
    }
}

impl<'q> Leaf<'q> {
    fn metrics(&self) -> &'q SpanMetrics {
        match self {
            Self::Measured(measurer) => measurer.metrics,
            Self::Compared(comparer) => comparer.metrics,
        }
    }

    fn add(&mut self, trace: &Trace<'_>, at: usize, interval: usize) {
        match self {
            Self::Measured(measurer) => measurer.add(trace, at, interval),
            Self::Compared(comparer) => comparer.add(trace, at, interval),
        }
    }
}

/// The functions over spans of a query, from left to right.
fn collect_leaves<'q>(metrics: &'q Metrics, intervals: &Intervals, leaves: &mut Vec<Leaf<'q>>) {
    match &metrics.source {
        MetricsSource::Math(math) => collect_math(math, intervals, leaves),
        MetricsSource::Spans(spans) => leaves.push(match &spans.function {
            MetricsFunction::Compare(compare) => Leaf::Compared(Comparer::new(spans, compare, intervals.count())),
            _ => Leaf::Measured(Measurer::new(spans, intervals.count())),
        }),
    }
}

fn collect_math<'q>(math: &'q Math, intervals: &Intervals, leaves: &mut Vec<Leaf<'q>>) {
    match math {
        Math::Number(_) => {}
        Math::Metrics(metrics) => collect_leaves(metrics, intervals, leaves),
        Math::Binary(_, left, right) => {
            collect_math(left, intervals, leaves);
            collect_math(right, intervals, leaves);
        }
    }
}

/// The series of a query, whose functions come in the order in which they were collected.
fn finished<'q>(metrics: &Metrics, intervals: &Intervals, leaves: &mut impl Iterator<Item = Leaf<'q>>) -> Vec<Series> {
    let series = match &metrics.source {
        MetricsSource::Math(math) => match calculated(math, intervals, leaves) {
            series::Operand::Series(series) => series,
            series::Operand::Number(_) => Vec::new(),
        },
        MetricsSource::Spans(_) => match leaves.next() {
            Some(Leaf::Measured(measurer)) => measurer.finish(intervals.step_seconds()),
            Some(Leaf::Compared(comparer)) => comparer.finish(),
            None => Vec::new(),
        },
    };
    metrics.then.iter().fold(series, series::after)
}

fn calculated<'q>(math: &Math, intervals: &Intervals, leaves: &mut impl Iterator<Item = Leaf<'q>>) -> series::Operand {
    match math {
        Math::Number(number) => series::Operand::Number(series::number(number)),
        Math::Metrics(metrics) => series::Operand::Series(finished(metrics, intervals, &mut *leaves)),
        Math::Binary(operator, left, right) => {
            let left = calculated(left, intervals, &mut *leaves);
            let right = calculated(right, intervals, &mut *leaves);
            series::calculate(left, *operator, right)
        }
    }
}
