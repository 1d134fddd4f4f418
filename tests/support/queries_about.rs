//! Random TraceQL queries about given spans: most of their conditions are true of one of them, so that they find something.

use proptest::prelude::*;
use proptest::sample::select;
use tracewell::model::{Attributes, Span, SpanKind, StatusCode, Value};
use tracewell::traceql::pattern::Pattern;
use tracewell::traceql::tree::{Comparison, Field, Intrinsic, Literal, Pipeline, Reference, Scope, Term};

use super::queries::{self, compare, field, literal};

/// Stages that often find some of these spans.
pub(crate) fn pipeline(spans: &[Span]) -> BoxedStrategy<Pipeline> {
    queries::pipeline_of(condition(spans))
}

/// A condition that is often true of some of these spans.
pub(crate) fn condition(spans: &[Span]) -> BoxedStrategy<Field> {
    let facts: Vec<_> = spans.iter().flat_map(facts).chain([literal(Literal::Bool(true))]).collect();
    let leaf = prop_oneof![6 => select(facts), 1 => queries::condition()];
    leaf.prop_recursive(2, 6, 3, |inner| queries::combined(&inner)).boxed()
}

/// What is true of the span.
fn facts(span: &Span) -> Vec<Field> {
    let text = |text: &str| Literal::Text(text.to_owned());
    let duration = Literal::Duration(i64::try_from(span.duration_nanos()).unwrap());
    let parent = span.parent_span_id.map_or(Literal::Nil, |id| text(&id.to_string()));
    let mut facts = vec![
        is(Intrinsic::SpanId, Comparison::Equal, text(&span.span_id.to_string())),
        is(Intrinsic::TraceId, Comparison::Equal, text(span.trace_id.to_string().trim_start_matches('0'))),
        is(Intrinsic::ParentId, Comparison::Equal, parent),
        is(Intrinsic::NestedSetParent, Comparison::Less, Literal::Int(0)),
        is(Intrinsic::ChildCount, Comparison::GreaterOrEqual, Literal::Int(0)),
    ];
    facts.extend(of_text(&intrinsic(Intrinsic::Name), &span.name));
    facts.extend(of_text(&intrinsic(Intrinsic::RootName), &span.name));
    facts.extend(of_text(&intrinsic(Intrinsic::RootService), span.resource.service()));
    facts.extend(of_text(&attribute(Scope::Resource, "service.name"), span.resource.service()));
    for comparison in [Comparison::Equal, Comparison::LessOrEqual, Comparison::GreaterOrEqual] {
        facts.push(is(Intrinsic::Duration, comparison, duration.clone()));
        facts.push(is(Intrinsic::TraceDuration, comparison, duration.clone()));
    }
    if (0..=2).contains(&span.status.code.0) {
        facts.push(is(Intrinsic::Status, Comparison::Equal, Literal::Status(StatusCode(span.status.code.0))));
    }
    if (0..=5).contains(&span.kind.0) {
        facts.push(is(Intrinsic::Kind, Comparison::Equal, Literal::Kind(SpanKind(span.kind.0))));
    }
    facts.extend(span.events.iter().map(|event| is(Intrinsic::EventName, Comparison::Equal, text(&event.name))));
    facts.extend(of_attributes(Scope::Span, &span.attributes));
    facts.extend(of_attributes(Scope::Resource, &span.resource.attributes));
    facts.extend(of_attributes(Scope::Instrumentation, &span.scope.attributes));
    facts.extend(span.events.iter().flat_map(|event| of_attributes(Scope::Event, &event.attributes)));
    facts.extend(span.links.iter().flat_map(|link| of_attributes(Scope::Link, &link.attributes)));
    facts
}

/// Ways to say of what is named that it is this text, and no other.
fn of_text(named: &Field, text: &str) -> Vec<Field> {
    let matched = |negated, pattern: &str| {
        let pattern = Pattern::new(pattern).unwrap();
        field(Term::Match { negated, value: Box::new(named.clone()), pattern })
    };
    let other = literal(Literal::Text("another".to_owned()));
    vec![
        compare(Comparison::Equal, named.clone(), literal(Literal::Text(text.to_owned()))),
        compare(Comparison::NotEqual, named.clone(), other),
        matched(false, &regex::escape(text)),
        matched(true, "another"),
    ]
}

fn is(one: Intrinsic, comparison: Comparison, value: Literal) -> Field {
    compare(comparison, intrinsic(one), literal(value))
}

fn intrinsic(one: Intrinsic) -> Field {
    field(Term::Reference(Reference::Intrinsic(one)))
}

fn attribute(scope: Scope, name: &str) -> Field {
    field(Term::Reference(Reference::Attribute { scope, name: name.to_owned() }))
}

fn of_attributes(scope: Scope, attributes: &Attributes) -> Vec<Field> {
    let pairs = attributes.iter().filter_map(|attribute| Some((&attribute.key, of_value(&attribute.value)?)));
    let pairs = pairs.flat_map(|(key, value)| [(scope, key, value.clone()), (Scope::Any, key, value)]);
    let facts = pairs.flat_map(|(scope, key, value)| match &value {
        Literal::Text(text) => of_text(&attribute(scope, key), text),
        _ => vec![compare(Comparison::Equal, attribute(scope, key), literal(value))],
    });
    facts.collect()
}

/// A literal that equals the value, or one of its elements.
fn of_value(value: &Value) -> Option<Literal> {
    match value {
        Value::String(text) => Some(Literal::Text(text.clone())),
        Value::Bool(value) => Some(Literal::Bool(*value)),
        Value::Int(value) => Some(Literal::Int(*value)),
        Value::Double(value) if value.is_finite() => Some(Literal::Float(*value)),
        Value::Array(values) => values.iter().find_map(of_value),
        Value::Null | Value::Double(_) | Value::Bytes(_) | Value::Map(_) => None,
    }
}
