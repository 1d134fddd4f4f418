//! Expressions over one span.

use super::number::Number;
use super::value::Value;
use super::{Trace, reference};
use crate::traceql::tree::{Arithmetic, Comparison, Field, Term};

/// Whether the expression is true of the span at this place. What is missing, or not a truth value, is not true.
pub(super) fn is_true<'v>(field: &'v Field, trace: &'v Trace<'v>, at: usize) -> bool {
    values(field, trace, at).iter().any(Value::is_true)
}

/// All values of the expression on the span at this place.
pub(super) fn values<'v>(field: &'v Field, trace: &'v Trace<'v>, at: usize) -> Vec<Value<'v>> {
    match &field.term {
        Term::Literal(literal) => Value::of_literal(literal).into_iter().collect(),
        Term::Reference(named) => reference::values(named, trace, at),
        Term::Not(inner) => match first(inner, trace, at) {
            Some(Value::Bool(value)) => truth(!value),
            _ => Vec::new(),
        },
        Term::Minus(inner) => {
            number(inner, trace, at).map(|number| Value::Number(number.negated())).into_iter().collect()
        }
        Term::All(operands) => truth(operands.iter().all(|operand| is_true(operand, trace, at))),
        Term::Any(operands) => truth(operands.iter().any(|operand| is_true(operand, trace, at))),
        Term::Compare(comparison, left, right) => truth(compares(*comparison, left, right, trace, at)),
        Term::Match { negated, value, pattern } => {
            let values = values(value, trace, at);
            truth(values.iter().any(|value| value.matches(*negated, |text| pattern.matches(text))))
        }
        Term::Arithmetic(operator, left, right) => {
            calculated(*operator, left, right, trace, at).map(Value::Number).into_iter().collect()
        }
    }
}

/// The first value of the expression, which is what groups are made by.
pub(super) fn first<'v>(field: &'v Field, trace: &'v Trace<'v>, at: usize) -> Option<Value<'v>> {
    values(field, trace, at).into_iter().next()
}

/// The first value of the expression, when it is a number.
pub(super) fn number<'v>(field: &'v Field, trace: &'v Trace<'v>, at: usize) -> Option<Number> {
    first(field, trace, at)?.number()
}

/// A comparison with `nil` asks whether something is there; `nil` itself neither is nor is not.
fn compares<'v>(comparison: Comparison, left: &'v Field, right: &'v Field, trace: &'v Trace<'v>, at: usize) -> bool {
    let asked = match (left.is_nil(), right.is_nil()) {
        (true, true) => return false,
        (true, false) => right,
        (false, true) => left,
        (false, false) => {
            let (left, right) = (values(left, trace, at), values(right, trace, at));
            return left.iter().any(|left| right.iter().any(|right| left.compare(comparison, right)));
        }
    };
    match comparison {
        Comparison::Equal => values(asked, trace, at).is_empty(),
        Comparison::NotEqual => !values(asked, trace, at).is_empty(),
        _ => false,
    }
}

fn calculated<'v>(
    operator: Arithmetic,
    left: &'v Field,
    right: &'v Field,
    trace: &'v Trace<'v>,
    at: usize,
) -> Option<Number> {
    number(left, trace, at)?.calculate(operator, number(right, trace, at)?)
}

fn truth<'v>(value: bool) -> Vec<Value<'v>> {
    vec![Value::Bool(value)]
}
