//! Numbers made from a spanset.

use super::number::{Number, float};
use super::value::holds;
use super::{Trace, field};
use crate::traceql::tree::{Aggregate, AggregateFunction, Arithmetic, Literal, Scalar, ScalarFilter};

/// When the filter holds for these spans, its aggregates with their values.
pub(super) fn filtered(filter: &ScalarFilter, trace: &Trace<'_>, spans: &[usize]) -> Option<Vec<(String, Literal)>> {
    let mut shown = Vec::new();
    let left = value(&filter.left, trace, spans, &mut shown)?;
    let right = value(&filter.right, trace, spans, &mut shown)?;
    holds(filter.comparison, left.compare(right)).then_some(shown)
}

/// The number, and in `shown` the aggregates that it was made of.
fn value(scalar: &Scalar, trace: &Trace<'_>, spans: &[usize], shown: &mut Vec<(String, Literal)>) -> Option<Number> {
    match scalar {
        Scalar::Literal(literal) => Number::of(literal),
        Scalar::Aggregate(aggregate) => {
            let number = aggregated(aggregate, trace, spans)?;
            shown.push((aggregate.to_string(), number.literal()));
            Some(number)
        }
        Scalar::Arithmetic(operator, left, right) => {
            let left = value(left, trace, spans, shown)?;
            left.calculate(*operator, value(right, trace, spans, shown)?)
        }
    }
}

/// An aggregate over those spans that have the number; none when no span has it.
fn aggregated(aggregate: &Aggregate, trace: &Trace<'_>, spans: &[usize]) -> Option<Number> {
    let Aggregate::Of(function, of) = aggregate else {
        return Some(Number::Int(i64::try_from(spans.len()).unwrap_or(i64::MAX)));
    };
    let numbers = spans.iter().filter_map(|at| field::number(of, trace, *at));
    match function {
        AggregateFunction::Min => numbers.reduce(|a, b| if holds_less(b, a) { b } else { a }),
        AggregateFunction::Max => numbers.reduce(|a, b| if holds_less(a, b) { b } else { a }),
        AggregateFunction::Sum => numbers.reduce(sum),
        AggregateFunction::Average => average(&numbers.collect::<Vec<_>>()),
    }
}

fn holds_less(left: Number, right: Number) -> bool {
    left.compare(right) == Some(std::cmp::Ordering::Less)
}

fn sum(left: Number, right: Number) -> Number {
    // Only a division can give nothing.
    left.calculate(Arithmetic::Add, right).unwrap_or(left)
}

/// The mean: of durations a duration, in whole nanoseconds; otherwise a float.
fn average(numbers: &[Number]) -> Option<Number> {
    let count = i128::try_from(numbers.len()).ok()?;
    let nanos = |number: &Number| if let Number::Duration(nanos) = number { Some(i128::from(*nanos)) } else { None };
    let durations: Option<i128> = numbers.iter().map(nanos).sum();
    match durations.map(|total| total.checked_div(count)) {
        Some(mean) => i64::try_from(mean?).ok().map(Number::Duration),
        None => Some(Number::Float(numbers.iter().map(|number| number.to_float()).sum::<f64>() / float(count))),
    }
}
