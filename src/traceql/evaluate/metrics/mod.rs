//! Metrics queries: what the spans of many traces come to in each interval, as series over time.
//!
//! A span counts in the interval in which it starts. Durations are in seconds. Groups of which all values are
//! missing are one group; within a group, a label whose value is missing is left out. A NaN is not measured, and a value
//! that is not finite is not shown. [`intervals`] has the times, [`measure`] what is counted of spans, [`spread`] what
//! quantiles are read from, [`compare`] the function that compares spans, [`series`] what is done with series afterwards,
//! [`limits`] how much all of it may be.
//!
//! Traces may come in any order, and their spans too: what is counted is the same. So a function that asks nothing of
//! other spans can be fed with each span as if it were a trace, and one that asks only what rollups tell, with those.

mod compare;
mod intervals;
mod limits;
mod measure;
mod series;
mod spread;

pub use intervals::{INTERVALS_MAX, Intervals, IntervalsError};
pub use limits::{MeasurementLimits, TooMuch};

use super::{Trace, pipeline};
use crate::model::{Histogram, Span, UnixNanos};
use crate::traceql::tree::{Literal, Math, Metrics, MetricsFunction, MetricsSource, SpanMetrics};
use compare::Comparer;
use limits::Held;
use measure::{Measurer, Shown};

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
    held: Held,
}

/// Spans that were counted before.
#[derive(Debug, Clone, Copy)]
pub struct Counted<'a> {
    /// How many there are.
    pub span_count: u64,
    /// All their durations together, in nanoseconds.
    pub duration_sum_nanos: u128,
    /// Each of their durations, within 1 %.
    pub histogram: &'a Histogram,
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
    pub fn new(metrics: &'q Metrics, intervals: Intervals, limits: MeasurementLimits) -> Self {
        let leaf = |spans: &'q SpanMetrics| match &spans.function {
            MetricsFunction::Compare(compare) => Leaf::Compared(Comparer::new(spans, compare)),
            _ => Leaf::Measured(Measurer::new(spans)),
        };
        let leaves = metrics.leaves().into_iter().map(leaf).collect();
        Self { metrics, intervals, leaves, held: Held::within(limits) }
    }

    /// Adds a trace, of which all spans are given, to every function over spans; each trace once.
    ///
    /// # Errors
    /// When there is too much to hold.
    pub fn add(&mut self, trace: &Trace<'_>) -> Result<(), TooMuch> {
        (0..self.leaves.len()).try_for_each(|leaf| self.add_to(leaf, trace))
    }

    /// Adds a trace to one of the functions over spans, in the order of [`Metrics::leaves`].
    ///
    /// # Errors
    /// When there is too much to hold.
    pub fn add_to(&mut self, leaf: usize, trace: &Trace<'_>) -> Result<(), TooMuch> {
        let Some(leaf) = self.leaves.get_mut(leaf) else { return Ok(()) };
        for set in pipeline::sets(&leaf.metrics().spans, trace) {
            for at in set.spans {
                let start = trace.span(at).map(|span| span.start);
                if let Some(interval) = start.and_then(|start| self.intervals.index(start)) {
                    leaf.add(trace, at, interval, &mut self.held)?;
                }
            }
        }
        Ok(())
    }

    /// The group of one of the functions over spans that spans like this one belong to; `None` when none does.
    ///
    /// # Errors
    /// When there is too much to hold.
    pub fn group(&mut self, leaf: usize, like: &Span) -> Result<Option<usize>, TooMuch> {
        let Some(Leaf::Measured(measurer)) = self.leaves.get_mut(leaf) else { return Ok(None) };
        let trace = Trace::new([like]);
        if pipeline::sets(&measurer.metrics.spans, &trace).is_empty() {
            return Ok(None);
        }
        measurer.group(&trace, 0, &mut self.held).map(Some)
    }

    /// Adds spans of a group that were counted before, and began at a time or later in the same interval. The function
    /// must be one that counts, or measures durations without naming the smallest or the largest one.
    ///
    /// # Errors
    /// When there is too much to hold.
    pub fn add_counted(
        &mut self,
        leaf: usize,
        group: usize,
        time: UnixNanos,
        counted: &Counted<'_>,
    ) -> Result<(), TooMuch> {
        let Some(Leaf::Measured(measurer)) = self.leaves.get_mut(leaf) else { return Ok(()) };
        match self.intervals.index(time) {
            Some(interval) => measurer.add_counted(group, interval, counted, &mut self.held),
            None => Ok(()),
        }
    }

    /// The intervals.
    #[must_use]
    pub fn intervals(&self) -> &Intervals {
        &self.intervals
    }

    /// The series, in the order of their labels, with values from the interval of this number on: those before may not
    /// have got all of their spans.
    ///
    /// # Errors
    /// When there are too many.
    pub fn finish(self, first: usize) -> Result<Vec<Series>, TooMuch> {
        let (count, step_seconds) = (self.intervals.count(), self.intervals.step_seconds());
        let shown = Shown { first, count, step_seconds };
        let mut leaves = self.leaves.into_iter();
        let mut series = finished(self.metrics, &shown, &self.held, &mut leaves)?;
        for value in series.iter_mut().flat_map(|series| &mut series.values) {
            *value = value.filter(|value| value.is_finite());
        }
        series.retain(|series| series.values.iter().any(Option::is_some));
        series.sort_by_cached_key(|series| series::label_text(&series.labels));
        Ok(series)
    }
}

impl<'q> Leaf<'q> {
    fn metrics(&self) -> &'q SpanMetrics {
        match self {
            Self::Measured(measurer) => measurer.metrics,
            Self::Compared(comparer) => comparer.metrics,
        }
    }

    fn add(&mut self, trace: &Trace<'_>, at: usize, interval: usize, held: &mut Held) -> Result<(), TooMuch> {
        match self {
            Self::Measured(measurer) => measurer.add(trace, at, interval, held),
            Self::Compared(comparer) => comparer.add(trace, at, interval, held),
        }
    }

    fn finish(self, shown: &Shown, held: &Held) -> Result<Vec<Series>, TooMuch> {
        match self {
            Self::Measured(measurer) => measurer.finish(shown, held),
            Self::Compared(comparer) => comparer.finish(shown, held),
        }
    }
}

/// The series of a query, whose functions come in the order in which they were collected.
fn finished<'q>(
    metrics: &Metrics,
    shown: &Shown,
    held: &Held,
    leaves: &mut impl Iterator<Item = Leaf<'q>>,
) -> Result<Vec<Series>, TooMuch> {
    let series = match &metrics.source {
        MetricsSource::Math(math) => match calculated(math, shown, held, leaves)? {
            series::Operand::Series(series) => series,
            series::Operand::Number(_) => Vec::new(),
        },
        MetricsSource::Spans(_) => leaves.next().map_or_else(|| Ok(Vec::new()), |leaf| leaf.finish(shown, held))?,
    };
    Ok(metrics.then.iter().fold(series, series::after))
}

fn calculated<'q>(
    math: &Math,
    shown: &Shown,
    held: &Held,
    leaves: &mut impl Iterator<Item = Leaf<'q>>,
) -> Result<series::Operand, TooMuch> {
    Ok(match math {
        Math::Number(number) => series::Operand::Number(series::number(number)),
        Math::Metrics(metrics) => series::Operand::Series(finished(metrics, shown, held, &mut *leaves)?),
        Math::Binary(operator, left, right) => {
            let left = calculated(left, shown, held, &mut *leaves)?;
            let right = calculated(right, shown, held, &mut *leaves)?;
            series::calculate(left, *operator, right)
        }
    })
}
