//! From the query service's messages back to the model: the reverse of what the server does, written anew, so that a
//! mistake there is not made here too.

use std::sync::Arc;

use opentelemetry_proto::tonic::common::v1 as common;

use super::fields::Seen;
use super::sent;
use crate::model::{
    Attribute, Attributes, EntityRef, Event, Keyed, Link, Resource, Scope, Span, SpanId, SpanKind, Status, StatusCode,
    TraceId, UnixNanos, Value,
};
use crate::otlp::decode;

/// The name of a field that can not be read.
type Unreadable = &'static str;

/// The span in a message.
pub(super) fn seen(span: sent::Span) -> Result<Seen, Unreadable> {
    let status = span.status.ok_or("status")?;
    let duration = span.duration.ok_or("duration")?;
    Ok(Seen {
        service: span.service,
        node: span.node,
        duration_nanos: nanos(duration.seconds, duration.nanos).ok_or("duration")?,
        span: Span {
            trace_id: TraceId::parse_hex(&span.trace_id).map_err(|_| "trace_id")?,
            span_id: SpanId::parse_hex(&span.span_id).map_err(|_| "span_id")?,
            parent_span_id: optional(&span.parent_span_id, SpanId::parse_hex).map_err(|_| "parent_span_id")?,
            trace_state: span.trace_state,
            flags: span.flags,
            name: span.name,
            kind: SpanKind(span.kind),
            start: time(span.start_time).ok_or("start_time")?,
            end: time(span.end_time).ok_or("end_time")?,
            attributes: attributes(span.attributes),
            dropped_attributes_count: span.dropped_attributes_count,
            events: span.events.into_iter().map(event).collect::<Option<_>>().ok_or("event")?,
            dropped_events_count: span.dropped_events_count,
            links: span.links.into_iter().map(link).collect::<Option<_>>().ok_or("link")?,
            dropped_links_count: span.dropped_links_count,
            status: Status { code: StatusCode(status.code), message: status.message },
            resource: Arc::new(Keyed::new(resource(span.resource.ok_or("resource")?))),
            scope: Arc::new(Keyed::new(scope(span.scope.ok_or("scope")?))),
        },
    })
}

/// An id that may be absent: then its text is empty.
fn optional<T, E>(text: &str, parse: impl Fn(&str) -> Result<T, E>) -> Result<Option<T>, E> {
    if text.is_empty() { Ok(None) } else { parse(text).map(Some) }
}

fn time(time: Option<prost_types::Timestamp>) -> Option<UnixNanos> {
    let time = time?;
    nanos(time.seconds, time.nanos).map(UnixNanos)
}

fn nanos(seconds: i64, nanos: i32) -> Option<u64> {
    let nanos = u64::try_from(nanos).ok().filter(|nanos| *nanos < 1_000_000_000)?;
    u64::try_from(seconds).ok()?.checked_mul(1_000_000_000)?.checked_add(nanos)
}

fn attributes(pairs: Vec<common::KeyValue>) -> Attributes {
    let attribute =
        |pair: common::KeyValue| Attribute { key: pair.key, value: pair.value.map_or(Value::Null, decode::value) };
    Attributes(pairs.into_iter().map(attribute).collect())
}

fn event(event: sent::Event) -> Option<Event> {
    Some(Event {
        time: time(event.time)?,
        name: event.name,
        attributes: attributes(event.attributes),
        dropped_attributes_count: event.dropped_attributes_count,
    })
}

fn link(link: sent::Link) -> Option<Link> {
    Some(Link {
        trace_id: optional(&link.trace_id, TraceId::parse_hex).ok()?,
        span_id: optional(&link.span_id, SpanId::parse_hex).ok()?,
        trace_state: link.trace_state,
        attributes: attributes(link.attributes),
        dropped_attributes_count: link.dropped_attributes_count,
        flags: link.flags,
    })
}

fn resource(resource: sent::Resource) -> Resource {
    let entity_ref = |entity: common::EntityRef| EntityRef {
        schema_url: entity.schema_url,
        entity_type: entity.r#type,
        id_keys: entity.id_keys,
        description_keys: entity.description_keys,
    };
    Resource {
        attributes: attributes(resource.attributes),
        dropped_attributes_count: resource.dropped_attributes_count,
        entity_refs: resource.entity_refs.into_iter().map(entity_ref).collect(),
        schema_url: resource.schema_url,
    }
}

fn scope(scope: sent::Scope) -> Scope {
    Scope {
        name: scope.name,
        version: scope.version,
        attributes: attributes(scope.attributes),
        dropped_attributes_count: scope.dropped_attributes_count,
        schema_url: scope.schema_url,
    }
}
