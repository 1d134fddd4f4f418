//! Facts of one span, as a store can use them.

use super::implied::Fact;
use super::known::Known;
use super::range;
use crate::model::{AttributeIs, Condition, SERVICE_UNKNOWN, SpanId, TextIs, TraceId, Within};
use crate::traceql::pattern::Pattern;
use crate::traceql::tree::{Comparison, Intrinsic, Literal, Reference, Scope};

impl Fact for Condition {
    fn compared(comparison: Comparison, named: &Reference, literal: &Literal) -> Known<Self> {
        match named {
            Reference::Attribute { scope, name } => attribute_compared(comparison, *scope, name, literal),
            Reference::Intrinsic(intrinsic) => intrinsic_compared(comparison, *intrinsic, literal),
        }
    }

    fn matched(named: &Reference, negated: bool, pattern: &Pattern) -> Known<Self> {
        let is = || TextIs::Matching(pattern.regex().clone());
        match named {
            Reference::Attribute { .. } if negated => Self::there(named),
            Reference::Attribute { scope, name } => text_attribute(*scope, name, is()),
            Reference::Intrinsic(Intrinsic::Name) if !negated => Known::Is(Self::Name(is())),
            Reference::Intrinsic(_) => Known::default(),
        }
    }

    fn is(named: &Reference, value: bool) -> Known<Self> {
        attribute_of(named, AttributeIs::Bool(value))
    }

    fn there(named: &Reference) -> Known<Self> {
        attribute_of(named, AttributeIs::There)
    }

    fn missing(named: &Reference) -> Known<Self> {
        match named {
            Reference::Intrinsic(Intrinsic::ParentId) => Known::Is(Self::Root),
            _ => Known::default(),
        }
    }
}

fn attribute_of(named: &Reference, is: AttributeIs) -> Known<Condition> {
    match named {
        Reference::Attribute { scope, name } => attribute(*scope, name, is),
        Reference::Intrinsic(_) => Known::default(),
    }
}

fn attribute(scope: Scope, name: &str, is: AttributeIs) -> Known<Condition> {
    let within = match scope {
        // The first scope that has it decides; which one that is, is not known.
        Scope::Any => Within::Anywhere,
        Scope::Span => Within::Span,
        Scope::Resource => Within::Resource,
        Scope::Event => Within::Event,
        Scope::Link => Within::Link,
        Scope::Instrumentation => Within::Scope,
    };
    Known::Is(Condition::Attribute { within, key: name.to_owned(), is })
}

/// A span whose `service.name` is a text, and not empty, is of that service; one whose `service.name` is empty, or a list
/// with the text in it, is of the unknown one.
fn text_attribute(scope: Scope, name: &str, is: TextIs) -> Known<Condition> {
    let has = attribute(scope, name, AttributeIs::Text(is.clone()));
    if scope != Scope::Resource || name != "service.name" {
        return has;
    }
    let unknown = Known::all([Known::Is(Condition::Service(TextIs::Equal(SERVICE_UNKNOWN.to_owned()))), has]);
    match &is {
        TextIs::Equal(text) if text.is_empty() || text == SERVICE_UNKNOWN => unknown,
        _ => Known::one_of([Known::Is(Condition::Service(is)), unknown]),
    }
}

/// Of a list it is enough for `=`, `<` and the like that one element compares so; for `!=` an empty one is enough.
fn attribute_compared(comparison: Comparison, scope: Scope, name: &str, literal: &Literal) -> Known<Condition> {
    let is = match (comparison, literal) {
        (Comparison::Equal, Literal::Text(text)) => return text_attribute(scope, name, TextIs::Equal(text.clone())),
        (Comparison::Equal, Literal::Bool(value)) => AttributeIs::Bool(*value),
        _ => number_range(comparison, literal).unwrap_or(AttributeIs::There),
    };
    attribute(scope, name, is)
}

/// Whole numbers are compared exactly, and here by their nearest floats: so both bounds are included.
fn number_range(comparison: Comparison, literal: &Literal) -> Option<AttributeIs> {
    let number = match literal {
        Literal::Int(value) | Literal::Duration(value) => nearest(*value),
        Literal::Float(value) => *value,
        _ => return None,
    };
    let (min, max) = match comparison {
        Comparison::Equal => (number, number),
        Comparison::Less | Comparison::LessOrEqual => (f64::NEG_INFINITY, number),
        Comparison::Greater | Comparison::GreaterOrEqual => (number, f64::INFINITY),
        Comparison::NotEqual => return None,
    };
    Some(AttributeIs::Number { min, max })
}

#[expect(clippy::cast_precision_loss, reason = "the nearest float is asked for")]
fn nearest(value: i64) -> f64 {
    value as f64
}

fn intrinsic_compared(comparison: Comparison, intrinsic: Intrinsic, literal: &Literal) -> Known<Condition> {
    let is_equal = comparison == Comparison::Equal;
    match (intrinsic, literal) {
        (Intrinsic::Name, Literal::Text(text)) if is_equal => Known::Is(Condition::Name(TextIs::Equal(text.clone()))),
        (Intrinsic::Status, Literal::Status(code)) if is_equal => Known::Is(Condition::Status(*code)),
        (Intrinsic::Kind, Literal::Kind(kind)) if is_equal => Known::Is(Condition::Kind(*kind)),
        (Intrinsic::TraceId, Literal::Text(text)) if is_equal => {
            id(text, 32, |hex| TraceId::parse_hex(hex).map(Condition::TraceId).ok())
        }
        (Intrinsic::SpanId, Literal::Text(text)) if is_equal => {
            id(text, 16, |hex| SpanId::parse_hex(hex).map(Condition::SpanId).ok())
        }
        (Intrinsic::ParentId, Literal::Text(text)) if is_equal => {
            id(text, 16, |hex| SpanId::parse_hex(hex).map(Condition::ParentSpanId).ok())
        }
        (Intrinsic::Duration, _) if comparison != Comparison::NotEqual => duration(comparison, literal),
        (Intrinsic::NestedSetParent, _) if is_root(comparison, literal) => Known::Is(Condition::Root),
        _ => Known::default(),
    }
}

fn duration(comparison: Comparison, literal: &Literal) -> Known<Condition> {
    match range::of(comparison, literal) {
        Some(nanos) if nanos.is_empty() => Known::never(),
        Some(nanos) => Known::Is(Condition::Duration { min_nanos: *nanos.start(), max_nanos: *nanos.end() }),
        None => Known::default(),
    }
}

/// Only a root's number is less than 0.
fn is_root(comparison: Comparison, literal: &Literal) -> bool {
    matches!(comparison, Comparison::Equal | Comparison::Less | Comparison::LessOrEqual)
        && range::is_same_from_zero(comparison, literal)
}

/// Ids are equal without the zeros at their beginning, in either case; a text that is no id equals none.
fn id(text: &str, digits: usize, parse: impl FnOnce(&str) -> Option<Condition>) -> Known<Condition> {
    let bare = text.trim_start_matches('0');
    parse(&format!("{bare:0>digits$}")).map_or_else(Known::never, Known::Is)
}
