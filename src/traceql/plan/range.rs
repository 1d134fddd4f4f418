//! Ranges of durations that compare with a literal as wanted.

use std::ops::RangeInclusive;

use crate::model::DURATION_NANOS_MAX;
use crate::traceql::tree::{Comparison, Literal};

/// From here on not every whole number is a float.
const FLOAT_WHOLE_MAX: f64 = 9_007_199_254_740_992.0;

/// All durations, in nanoseconds, that may compare so with the literal; `None` when it is no number, and an empty range
/// when there are none.
pub(super) fn of(comparison: Comparison, literal: &Literal) -> Option<RangeInclusive<u64>> {
    let (low, high, step) = match literal {
        Literal::Int(value) | Literal::Duration(value) => (i128::from(*value), i128::from(*value), 1),
        // Beyond, whole numbers are compared as the nearest float: the bounds are wide there.
        Literal::Float(value) if *value >= FLOAT_WHOLE_MAX => (1 << 53, i128::MAX, 0),
        Literal::Float(value) => (whole(value.floor()), whole(value.ceil()), 0),
        _ => return None,
    };
    let (from, to) = match comparison {
        Comparison::Equal => (low, high),
        Comparison::NotEqual => (0, i128::MAX),
        Comparison::Less => (0, high.saturating_sub(step)),
        Comparison::LessOrEqual => (0, high),
        Comparison::Greater => (low.saturating_add(step), i128::MAX),
        Comparison::GreaterOrEqual => (low, i128::MAX),
    };
    let end = |value: i128| u64::try_from(value).unwrap_or(u64::MAX);
    let is_empty = to < 0 || from > i128::from(DURATION_NANOS_MAX);
    Some(if is_empty { RangeInclusive::new(1, 0) } else { end(from.max(0))..=end(to) })
}

/// Whether the comparison says the same of all numbers from 0: it tells only -1 from them.
pub(super) fn is_same_from_zero(comparison: Comparison, literal: &Literal) -> bool {
    let (is_negative, is_zero) = match literal {
        Literal::Int(value) | Literal::Duration(value) => (*value < 0, *value == 0),
        Literal::Float(value) => (*value < 0.0, *value == 0.0),
        _ => return false,
    };
    let may_be_zero = matches!(comparison, Comparison::Less | Comparison::GreaterOrEqual);
    is_negative || (may_be_zero && is_zero)
}

#[expect(clippy::cast_possible_truncation, reason = "the nearest whole number is asked for")]
fn whole(value: f64) -> i128 {
    value as i128
}
