//! Values that spans have, and how they compare.

use std::cmp::Ordering;

use super::number::Number;
use crate::model::{self, SpanKind, StatusCode};
use crate::traceql::tree::{Comparison, Literal};

/// A value; one that is missing is none.
#[derive(Debug, Clone)]
pub(super) enum Value<'a> {
    Bool(bool),
    Number(Number),
    Text(&'a str),
    /// An id in hex: equals a text in either case, with or without the zeros at its beginning.
    Id(String),
    Status(StatusCode),
    Kind(SpanKind),
    /// Compares by its elements.
    List(&'a [model::Value]),
    /// Bytes and maps: they are there, and compare with nothing.
    Opaque,
}

impl<'a> Value<'a> {
    /// An attribute's value; `None` when it is null.
    pub(super) fn of(value: &'a model::Value) -> Option<Self> {
        match value {
            model::Value::Null => None,
            model::Value::Bool(value) => Some(Self::Bool(*value)),
            model::Value::Int(value) => Some(Self::Number(Number::Int(*value))),
            model::Value::Double(value) => Some(Self::Number(Number::Float(*value))),
            model::Value::String(text) => Some(Self::Text(text)),
            model::Value::Array(values) => Some(Self::List(values)),
            model::Value::Bytes(_) | model::Value::Map(_) => Some(Self::Opaque),
        }
    }

    /// A literal's value; `None` when it is nil.
    pub(super) fn of_literal(literal: &'a Literal) -> Option<Self> {
        match literal {
            Literal::Nil => None,
            Literal::Bool(value) => Some(Self::Bool(*value)),
            Literal::Text(text) => Some(Self::Text(text)),
            Literal::Status(code) => Some(Self::Status(*code)),
            Literal::Kind(kind) => Some(Self::Kind(*kind)),
            Literal::Int(_) | Literal::Float(_) | Literal::Duration(_) => Number::of(literal).map(Self::Number),
        }
    }

    /// As answers show it: a list as the text of its elements, bytes and maps as nil.
    pub(super) fn into_literal(self) -> Literal {
        match self {
            Self::Bool(value) => Literal::Bool(value),
            Self::Number(number) => number.literal(),
            Self::Text(text) => Literal::Text(text.to_owned()),
            Self::Id(text) => Literal::Text(text),
            Self::Status(code) => Literal::Status(code),
            Self::Kind(kind) => Literal::Kind(kind),
            Self::List(values) => {
                let shown: Vec<_> = elements(values).map(|value| value.into_literal().to_string()).collect();
                Literal::Text(format!("[{}]", shown.join(", ")))
            }
            Self::Opaque => Literal::Nil,
        }
    }

    pub(super) fn number(&self) -> Option<Number> {
        if let Self::Number(number) = self { Some(*number) } else { None }
    }

    /// Whether it is true, or a list of which an element is.
    pub(super) fn is_true(&self) -> bool {
        match self {
            Self::Bool(value) => *value,
            Self::List(values) => elements(values).any(|value| matches!(value, Self::Bool(true))),
            _ => false,
        }
    }

    /// Whether a text passes: of a list, by one element, or with `negated`, by all.
    pub(super) fn matches(&self, negated: bool, passes: impl Fn(&str) -> bool) -> bool {
        let one = |value: &Self| match value {
            Self::Text(text) => passes(text) != negated,
            Self::Id(id) => passes(id) != negated,
            _ => false,
        };
        match self {
            Self::List(values) if negated => elements(values).all(|value| one(&value)),
            Self::List(values) => elements(values).any(|value| one(&value)),
            other => one(other),
        }
    }

    /// Whether two values compare so. A list does when one of its elements does; for `!=`, all of them must. Values
    /// of different types never do.
    pub(super) fn compare(&self, comparison: Comparison, other: &Self) -> bool {
        let all = comparison == Comparison::NotEqual;
        match (self, other) {
            (Self::List(values), _) if all => elements(values).all(|value| value.compare(comparison, other)),
            (Self::List(values), _) => elements(values).any(|value| value.compare(comparison, other)),
            (_, Self::List(values)) if all => elements(values).all(|value| self.compare(comparison, &value)),
            (_, Self::List(values)) => elements(values).any(|value| self.compare(comparison, &value)),
            _ => self.compare_one(comparison, other),
        }
    }

    fn compare_one(&self, comparison: Comparison, other: &Self) -> bool {
        let equality = match (self, other) {
            (Self::Number(left), Self::Number(right)) => return holds(comparison, left.compare(*right)),
            (Self::Text(left), Self::Text(right)) => return holds(comparison, Some(left.cmp(right))),
            (Self::Id(id), Self::Text(text)) => return holds(comparison, Some(compare_id(id, text))),
            (Self::Text(text), Self::Id(id)) => return holds(comparison, Some(compare_id(id, text).reverse())),
            (Self::Id(left), Self::Id(right)) => return holds(comparison, Some(compare_id(left, right))),
            (Self::Bool(left), Self::Bool(right)) => left == right,
            (Self::Status(left), Self::Status(right)) => left == right,
            (Self::Kind(left), Self::Kind(right)) => left == right,
            _ => return false,
        };
        match comparison {
            Comparison::Equal => equality,
            Comparison::NotEqual => !equality,
            _ => false,
        }
    }
}

/// The elements of a list: nulls are not there, and what is in lists within does not compare.
fn elements(values: &[model::Value]) -> impl Iterator<Item = Value<'_>> {
    values.iter().filter_map(Value::of).map(|value| if let Value::List(_) = value { Value::Opaque } else { value })
}

/// Ids are equal without the zeros at their beginning, in either case; otherwise they are texts.
fn compare_id(id: &str, text: &str) -> Ordering {
    let bare = |text: &str| text.trim_start_matches('0').to_ascii_lowercase();
    if bare(id) == bare(text) { Ordering::Equal } else { id.cmp(text) }
}

/// Whether a comparison holds for values that stand so to each other; `None` is not a number, which equals nothing.
pub(super) fn holds(comparison: Comparison, ordering: Option<Ordering>) -> bool {
    match comparison {
        Comparison::Equal => ordering == Some(Ordering::Equal),
        Comparison::NotEqual => ordering != Some(Ordering::Equal),
        Comparison::Less => ordering == Some(Ordering::Less),
        Comparison::LessOrEqual => matches!(ordering, Some(Ordering::Less | Ordering::Equal)),
        Comparison::Greater => ordering == Some(Ordering::Greater),
        Comparison::GreaterOrEqual => matches!(ordering, Some(Ordering::Greater | Ordering::Equal)),
    }
}
