//! Queries that end in numbers over time.

use super::{Arithmetic, Column, Comparison, Field, Literal, Pipeline, Reference};
use crate::model::UnixNanos;

/// Series over time, and what is done with them afterwards.
#[derive(Debug, Clone, PartialEq)]
pub struct Metrics {
    /// Where the series come from.
    pub source: MetricsSource,
    /// What is done with them, in this order.
    pub then: Vec<SecondStage>,
}

impl Metrics {
    /// The functions over spans of the query, from left to right.
    #[must_use]
    pub fn leaves(&self) -> Vec<&SpanMetrics> {
        let mut leaves = Vec::new();
        self.collect_leaves(&mut leaves);
        leaves
    }

    fn collect_leaves<'q>(&'q self, leaves: &mut Vec<&'q SpanMetrics>) {
        match &self.source {
            MetricsSource::Spans(spans) => leaves.push(spans),
            MetricsSource::Math(math) => math.collect_leaves(leaves),
        }
    }
}

/// Where series come from.
#[derive(Debug, Clone, PartialEq)]
pub enum MetricsSource {
    /// Spans, measured.
    Spans(SpanMetrics),
    /// Other series, calculated with.
    Math(Math),
}

/// `{ … } | rate() by (…)`
#[derive(Debug, Clone, PartialEq)]
pub struct SpanMetrics {
    /// Which spans.
    pub spans: Pipeline,
    /// Where the function's text is.
    pub column: Column,
    /// How they are measured.
    pub function: MetricsFunction,
    /// One series for each combination of these.
    pub by: Vec<Reference>,
}

/// How spans are measured.
#[derive(Debug, Clone, PartialEq)]
pub enum MetricsFunction {
    /// `rate()`: spans a second.
    Rate,
    /// `count_over_time()`: spans in each interval.
    Count,
    /// `min_over_time(x)`
    Min(Reference),
    /// `max_over_time(x)`
    Max(Reference),
    /// `avg_over_time(x)`
    Average(Reference),
    /// `sum_over_time(x)`
    Sum(Reference),
    /// `quantile_over_time(x, .5, …)`
    Quantile(Reference, Vec<f64>),
    /// `histogram_over_time(x)`
    Histogram(Reference),
    /// `compare({ … })`
    Compare(Box<Compare>),
}

impl MetricsFunction {
    /// The words of the functions that measure.
    pub const WORDS: [&'static str; 9] = [
        "rate",
        "count_over_time",
        "min_over_time",
        "max_over_time",
        "avg_over_time",
        "sum_over_time",
        "quantile_over_time",
        "histogram_over_time",
        "compare",
    ];

    /// The function's word.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Rate => "rate",
            Self::Count => "count_over_time",
            Self::Min(_) => "min_over_time",
            Self::Max(_) => "max_over_time",
            Self::Average(_) => "avg_over_time",
            Self::Sum(_) => "sum_over_time",
            Self::Quantile(..) => "quantile_over_time",
            Self::Histogram(_) => "histogram_over_time",
            Self::Compare(_) => "compare",
        }
    }

    /// What is measured, when it is not the number of spans.
    #[must_use]
    pub fn measured(&self) -> Option<&Reference> {
        match self {
            Self::Rate | Self::Count | Self::Compare(_) => None,
            Self::Min(of)
            | Self::Max(of)
            | Self::Average(of)
            | Self::Sum(of)
            | Self::Quantile(of, _)
            | Self::Histogram(of) => Some(of),
        }
    }
}

/// `compare({ … }, 10, start, end)`: how some of the spans differ from the others.
#[derive(Debug, Clone, PartialEq)]
pub struct Compare {
    /// Which spans are the selection; the others are the baseline.
    pub selection: Option<Field>,
    /// So many values of each attribute are shown, the most frequent ones.
    pub values_max: Option<u64>,
    /// Only spans that start here are in the selection: from the first, before the second.
    pub window: Option<(UnixNanos, UnixNanos)>,
}

/// What is done with series.
#[derive(Debug, Clone, PartialEq)]
pub enum SecondStage {
    /// `topk(n)`: the largest ones, at each moment.
    Top(u64),
    /// `bottomk(n)`: the smallest ones, at each moment.
    Bottom(u64),
    /// `> 1`: the samples that compare so.
    Filter(Comparison, Literal),
}

/// Series calculated from series and numbers.
#[derive(Debug, Clone, PartialEq)]
pub enum Math {
    /// A number; a duration counts in seconds.
    Number(Literal),
    /// `( … | rate() )`
    Metrics(Box<Metrics>),
    /// `a + b`: one of `+ - * /`.
    Binary(Arithmetic, Box<Math>, Box<Math>),
}

impl Math {
    fn collect_leaves<'q>(&'q self, leaves: &mut Vec<&'q SpanMetrics>) {
        match self {
            Self::Number(_) => {}
            Self::Metrics(metrics) => metrics.collect_leaves(leaves),
            Self::Binary(_, left, right) => {
                left.collect_leaves(leaves);
                right.collect_leaves(leaves);
            }
        }
    }
}
