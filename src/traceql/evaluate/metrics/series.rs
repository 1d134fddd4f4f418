//! What is done with series: the largest, those above a threshold, and arithmetic.

use std::collections::{BTreeMap, BTreeSet};

use super::super::number::{self, Number, float};
use super::super::value::holds;
use super::Series;
use crate::traceql::tree::{Arithmetic, Comparison, Literal, SecondStage};

/// What metrics are calculated with.
pub(super) enum Operand {
    Number(f64),
    Series(Vec<Series>),
}

/// A count as a value.
pub(super) fn whole(count: u64) -> f64 {
    float(count.into())
}

/// A number of the query as a value: a duration in seconds.
pub(super) fn number(literal: &Literal) -> f64 {
    Number::of(literal).map_or(f64::NAN, Number::in_seconds)
}

/// Labels as a text by which they are ordered and matched.
pub(super) fn label_text(labels: &[(String, Literal)]) -> String {
    let texts: Vec<_> = labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
    texts.join(",")
}

/// The series after a stage; those without any value left are dropped.
pub(super) fn after(mut series: Vec<Series>, stage: &SecondStage) -> Vec<Series> {
    match stage {
        SecondStage::Filter(comparison, literal) => {
            let threshold = number(literal);
            for value in series.iter_mut().flat_map(|series| &mut series.values) {
                *value = value.filter(|value| passes(*value, *comparison, threshold));
            }
        }
        SecondStage::Top(count) => keep(&mut series, *count, |value| -value),
        SecondStage::Bottom(count) => keep(&mut series, *count, |value| value),
    }
    with_values(series)
}

fn passes(value: f64, comparison: Comparison, threshold: f64) -> bool {
    holds(comparison, value.partial_cmp(&threshold))
}

/// Keeps, in each interval, so many values: those with the smallest rank, and of equal ones those whose labels come
/// first.
fn keep(series: &mut [Series], count: u64, rank: impl Fn(f64) -> f64) {
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    series.sort_by_cached_key(|series| label_text(&series.labels));
    let intervals = series.iter().map(|series| series.values.len()).max().unwrap_or_default();
    for interval in 0..intervals {
        let value = |series: &Series| series.values.get(interval).copied().flatten();
        let mut ranked: Vec<_> =
            series.iter().enumerate().filter_map(|(at, series)| Some((rank(value(series)?), at))).collect();
        ranked.sort_by(|(a, _), (b, _)| a.total_cmp(b));
        let kept: BTreeSet<_> = ranked.into_iter().take(count).map(|(_, at)| at).collect();
        for (_, series) in series.iter_mut().enumerate().filter(|(at, _)| !kept.contains(at)) {
            if let Some(value) = series.values.get_mut(interval) {
                *value = None;
            }
        }
    }
}

fn with_values(mut series: Vec<Series>) -> Vec<Series> {
    series.retain(|series| series.values.iter().any(Option::is_some));
    series
}

/// What an operator makes of its operands. Two sets of series are matched by their labels, the function's name aside;
/// one series without labels is matched with all of the other side.
pub(super) fn calculate(left: Operand, operator: Arithmetic, right: Operand) -> Operand {
    let both = |left: f64, right: f64| number::calculate(left, operator, right);
    match (left, right) {
        (Operand::Number(left), Operand::Number(right)) => Operand::Number(both(left, right)),
        (Operand::Series(left), Operand::Number(right)) => Operand::Series(mapped(left, |value| both(value, right))),
        (Operand::Number(left), Operand::Series(right)) => Operand::Series(mapped(right, |value| both(left, value))),
        (Operand::Series(left), Operand::Series(right)) => Operand::Series(matched(&left, &right, both)),
    }
}

fn mapped(series: Vec<Series>, to: impl Fn(f64) -> f64) -> Vec<Series> {
    let one = |series: Series| Series {
        labels: unnamed(&series.labels),
        values: series.values.into_iter().map(|value| value.map(&to).filter(|value| !value.is_nan())).collect(),
    };
    with_values(series.into_iter().map(one).collect())
}

fn matched(left: &[Series], right: &[Series], both: impl Fn(f64, f64) -> f64) -> Vec<Series> {
    let joined = |labels: Vec<(String, Literal)>, left: &Series, right: &Series| {
        let pairs = left.values.iter().zip(&right.values);
        let value = |(left, right): (&Option<f64>, &Option<f64>)| Some(both((*left)?, (*right)?));
        Series { labels, values: pairs.map(|pair| value(pair).filter(|value| !value.is_nan())).collect() }
    };
    let series = match (single(left), single(right)) {
        (_, Some(right)) => left.iter().map(|left| joined(unnamed(&left.labels), left, right)).collect(),
        (Some(left), None) => right.iter().map(|right| joined(unnamed(&right.labels), left, right)).collect(),
        (None, None) => {
            let by_label: BTreeMap<_, _> =
                right.iter().map(|series| (label_text(&unnamed(&series.labels)), series)).collect();
            let join = |left: &Series| {
                let labels = unnamed(&left.labels);
                by_label.get(&label_text(&labels)).map(|right| joined(labels, left, right))
            };
            left.iter().filter_map(join).collect()
        }
    };
    with_values(series)
}

/// The only series, when it has no labels but the function's name.
fn single(series: &[Series]) -> Option<&Series> {
    match series {
        [only] if unnamed(&only.labels).is_empty() => Some(only),
        _ => None,
    }
}

/// Labels without the function's name, which does not hold for what is calculated.
fn unnamed(labels: &[(String, Literal)]) -> Vec<(String, Literal)> {
    labels.iter().filter(|(name, _)| name != "__name__").cloned().collect()
}
