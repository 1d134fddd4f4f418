//! How large an item is in an answer: an estimate from above, made without encoding anything.
//!
//! It counts every text and every bytes value as it is, and a constant for the rest, which is never less than what
//! protobuf needs for tags, lengths and numbers. `server/query` tests it against what it really sends.

use super::{FoundTrace, SpanSet};
use crate::model::{Attributes, EntityRef, Resource, Scope, Span, TraceSummary, Value};
use crate::traceql::evaluate::Series;
use crate::traceql::tree::Literal;

/// A text field: its tag and its length beside its bytes.
const TEXT_BYTES: usize = 8;
/// A value: its tags and lengths, or a number of up to ten bytes. With an attribute's key, enough for the attribute.
const VALUE_BYTES: usize = 16;
/// The ids, times, numbers and messages of a span with its resource and scope, without anything of variable length.
const SPAN_BYTES: usize = 192;
/// The same of an event.
const EVENT_BYTES: usize = 32;
/// The same of a link.
const LINK_BYTES: usize = 80;
/// The same of a trace's line.
const TRACE_BYTES: usize = 96;
/// The time and the number of a sample.
const SAMPLE_BYTES: usize = 28;
/// The size of a service in a trace's line.
const SERVICE_BYTES: usize = 32;

/// A set of spans without them.
const SPAN_SET_BYTES: usize = 24;
/// A span in such a set, without anything of variable length.
const FOUND_SPAN_BYTES: usize = 72;

/// The size of a span, with its resource and scope.
#[must_use]
pub fn span(span: &Span) -> usize {
    let texts = [&span.trace_state, &span.name, &span.status.message].map(|field| text(field));
    let events = span.events.iter().map(|event| sum([EVENT_BYTES, text(&event.name), attributes(&event.attributes)]));
    let links = span.links.iter().map(|link| sum([LINK_BYTES, text(&link.trace_state), attributes(&link.attributes)]));
    sum([
        SPAN_BYTES,
        sum(texts),
        attributes(&span.attributes),
        sum(events),
        sum(links),
        resource(&span.resource),
        scope(&span.scope),
    ])
}

/// The size of a trace that was found: its line, and what was found in it.
#[must_use]
pub fn found_trace(found: &FoundTrace) -> usize {
    sum([trace(&found.summary), sum(found.span_sets.iter().map(span_set))])
}

fn span_set(set: &SpanSet) -> usize {
    let spans = set.spans.iter().map(|span| {
        sum([FOUND_SPAN_BYTES, text(&span.name), text(&span.service), sum(span.selected.iter().map(literal))])
    });
    sum([SPAN_SET_BYTES, sum(spans), sum(set.attributes.iter().map(literal))])
}

/// A literal with its name.
fn literal((name, literal): &(String, Literal)) -> usize {
    let content = if let Literal::Text(content) = literal { content.len() } else { 0 };
    sum([text(name), VALUE_BYTES, content])
}

/// The size of a trace's line.
#[must_use]
pub fn trace(trace: &TraceSummary) -> usize {
    let root = trace.root.iter().map(|(service, name)| sum([text(service), text(name)]));
    let services = trace.services.iter().map(|service| sum([SERVICE_BYTES, text(&service.name)]));
    sum([TRACE_BYTES, sum(root), sum(services)])
}

/// The size of a series.
#[must_use]
pub fn series(series: &Series) -> usize {
    let samples = series.values.iter().flatten().map(|_| SAMPLE_BYTES);
    sum([TEXT_BYTES, sum(series.labels.iter().map(literal)), sum(samples)])
}

/// The size of a text.
#[must_use]
pub fn text(text: &str) -> usize {
    text.len().saturating_add(TEXT_BYTES)
}

/// A resource, and the service and node that a span shows of it once more.
fn resource(resource: &Resource) -> usize {
    let node = resource.node().map_or(0, text);
    let entities = resource.entity_refs.iter().map(entity_ref);
    let texts = sum([text(resource.service()), node, text(&resource.schema_url)]);
    sum([texts, attributes(&resource.attributes), sum(entities)])
}

fn entity_ref(entity: &EntityRef) -> usize {
    let keys = entity.id_keys.iter().chain(&entity.description_keys).map(|key| text(key));
    sum([TEXT_BYTES, text(&entity.schema_url), text(&entity.entity_type), sum(keys)])
}

fn scope(scope: &Scope) -> usize {
    sum([text(&scope.name), text(&scope.version), text(&scope.schema_url), attributes(&scope.attributes)])
}

fn attributes(attributes: &Attributes) -> usize {
    sum(attributes.iter().map(|attribute| sum([text(&attribute.key), value(&attribute.value)])))
}

fn value(of: &Value) -> usize {
    let content = match of {
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Double(_) => 0,
        Value::String(string) => string.len(),
        Value::Bytes(bytes) => bytes.len(),
        Value::Array(values) => sum(values.iter().map(value)),
        Value::Map(map) => attributes(map),
    };
    content.saturating_add(VALUE_BYTES)
}

fn sum(sizes: impl IntoIterator<Item = usize>) -> usize {
    sizes.into_iter().fold(0, usize::saturating_add)
}
