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

/// An aggregate over those spans that have the number; none when no span has it. What is not a number is neither the least nor
/// the largest one while there is another; of equal ones it is the first.
fn aggregated(aggregate: &Aggregate, trace: &Trace<'_>, spans: &[usize]) -> Option<Number> {
    let Aggregate::Of(function, of) = aggregate else {
        return Some(Number::Int(i64::try_from(spans.len()).unwrap_or(i64::MAX)));
    };
    let numbers = spans.iter().filter_map(|at| field::number(of, trace, *at));
    match function {
        AggregateFunction::Min => numbers.reduce(|a, b| if is_nan(a) || holds_less(b, a) { b } else { a }),
        AggregateFunction::Max => numbers.reduce(|a, b| if is_nan(a) || holds_less(a, b) { b } else { a }),
        AggregateFunction::Sum => numbers.reduce(sum),
        AggregateFunction::Average => average(&numbers.collect::<Vec<_>>()),
    }
}

fn holds_less(left: Number, right: Number) -> bool {
    left.compare(right) == Some(std::cmp::Ordering::Less)
}

fn is_nan(number: Number) -> bool {
    number.to_float().is_nan()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Span, Value};
    use crate::traceql::evaluate::spansets;
    use crate::traceql::tree::{Body, Pipeline};

    fn pipeline(text: &str) -> Pipeline {
        let query = crate::traceql::parse(text).unwrap();
        let Body::Traces(pipeline) = query.body else { panic!("{text} is no search") };
        pipeline
    }

    /// What the query shows of the spans that have these values, in this order; nothing when it finds nothing.
    fn shown(text: &str, values: [f64; 3]) -> Option<String> {
        let span =
            |value| Span { attributes: [("n", Value::Double(value))].into_iter().collect(), ..Span::example("x") };
        let spans = values.map(span);
        let sets = spansets(&pipeline(text), &Trace::new(&spans));
        sets.first().map(|set| set.attributes.iter().map(|(_, literal)| literal.to_string()).collect())
    }

    /// Scenario: a span has no number where the others have one, before them, between them and behind them. Guarantee: the least
    /// and the largest are of the others; where none has one, there is none.
    #[test]
    fn what_is_no_number_is_not_the_least() {
        for values in [[f64::NAN, 2.0, 1.0], [2.0, f64::NAN, 1.0], [1.0, 2.0, f64::NAN]] {
            assert_eq!(shown("{ } | min(span.n) <= 1", values).as_deref(), Some("1.0"), "{values:?}");
            assert_eq!(shown("{ } | max(span.n) >= 2", values).as_deref(), Some("2.0"), "{values:?}");
        }
        assert_eq!(shown("{ } | max(span.n) >= 0", [f64::NAN; 3]), None);
        assert_eq!(shown("{ } | min(span.n) <= 0", [f64::NAN; 3]), None);
    }
}
