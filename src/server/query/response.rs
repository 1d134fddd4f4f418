//! Model values as messages of the query service.

use prost_types::{Duration, Timestamp};

use super::super::generated::tracewell_v1 as proto;
use crate::model::{Event, Link, Operation, Resource, Scope, ServiceSummary, Span, TraceSummary, UnixNanos};
use crate::otlp::encode::{self, key_values};

const NANOS_PER_SECOND: u64 = 1_000_000_000;

pub(super) fn span(span: &Span) -> proto::Span {
    proto::Span {
        trace_id: span.trace_id.to_string(),
        span_id: span.span_id.to_string(),
        parent_span_id: hex(span.parent_span_id),
        service: span.resource.service().to_owned(),
        node: span.resource.node().unwrap_or_default().to_owned(),
        name: span.name.clone(),
        kind: span.kind.0,
        start_time: Some(timestamp(span.start)),
        end_time: Some(timestamp(span.end)),
        duration: Some(duration(span.duration_nanos())),
        status: Some(proto::Status { code: span.status.code.0, message: span.status.message.clone() }),
        attributes: key_values(&span.attributes),
        dropped_attributes_count: span.dropped_attributes_count,
        events: span.events.iter().map(event).collect(),
        dropped_events_count: span.dropped_events_count,
        links: span.links.iter().map(link).collect(),
        dropped_links_count: span.dropped_links_count,
        trace_state: span.trace_state.clone(),
        flags: span.flags,
        resource: Some(resource(&span.resource)),
        scope: Some(scope(&span.scope)),
    }
}

fn event(event: &Event) -> proto::Event {
    proto::Event {
        time: Some(timestamp(event.time)),
        name: event.name.clone(),
        attributes: key_values(&event.attributes),
        dropped_attributes_count: event.dropped_attributes_count,
    }
}

fn link(link: &Link) -> proto::Link {
    proto::Link {
        trace_id: hex(link.trace_id),
        span_id: hex(link.span_id),
        trace_state: link.trace_state.clone(),
        attributes: key_values(&link.attributes),
        dropped_attributes_count: link.dropped_attributes_count,
        flags: link.flags,
    }
}

fn resource(resource: &Resource) -> proto::Resource {
    let sent = encode::resource(resource);
    proto::Resource {
        attributes: sent.attributes,
        dropped_attributes_count: sent.dropped_attributes_count,
        schema_url: resource.schema_url.clone(),
        entity_refs: sent.entity_refs,
    }
}

fn scope(scope: &Scope) -> proto::Scope {
    proto::Scope {
        name: scope.name.clone(),
        version: scope.version.clone(),
        attributes: key_values(&scope.attributes),
        dropped_attributes_count: scope.dropped_attributes_count,
        schema_url: scope.schema_url.clone(),
    }
}

pub(super) fn trace(trace: TraceSummary) -> proto::TraceSummary {
    let duration = duration(trace.duration_nanos());
    let (root_service, root_name) = trace.root.unwrap_or_default();
    proto::TraceSummary {
        trace_id: trace.trace_id.to_string(),
        root_service,
        root_name,
        start_time: Some(timestamp(trace.start)),
        duration: Some(duration),
        span_count: trace.span_count,
        error_count: trace.error_count,
        services: trace.services.into_iter().map(service).collect(),
    }
}

fn service(service: ServiceSummary) -> proto::ServiceSummary {
    let ServiceSummary { name, span_count, error_count } = service;
    proto::ServiceSummary { name, span_count, error_count }
}

pub(super) fn operation(operation: Operation) -> proto::Operation {
    proto::Operation { name: operation.name, kind: operation.kind.0 }
}

fn hex(id: Option<impl ToString>) -> String {
    id.map_or_else(String::new, |id| id.to_string())
}

fn timestamp(time: UnixNanos) -> Timestamp {
    let (seconds, nanos) = split(time.0);
    Timestamp { seconds, nanos }
}

fn duration(nanos: u64) -> Duration {
    let (seconds, nanos) = split(nanos);
    Duration { seconds, nanos }
}

/// Seconds, and the nanoseconds beyond. Neither conversion can fail: u64 nanoseconds are 584 years.
fn split(nanos: u64) -> (i64, i32) {
    let seconds = i64::try_from(nanos / NANOS_PER_SECOND).unwrap_or(i64::MAX);
    (seconds, i32::try_from(nanos % NANOS_PER_SECOND).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::collection::vec;
    use proptest::prelude::*;
    use prost::Message;

    use super::*;
    use crate::model::{Attribute, Attributes, EntityRef, Keyed, SpanId, SpanKind, Status, StatusCode, TraceId, Value};
    use crate::query::size;

    /// Every field as large as it can be, beside the texts and lists.
    const LARGE: u32 = u32::MAX;

    fn texts() -> impl Strategy<Value = String> {
        prop_oneof![Just(String::new()), "[a-zé]{1,200}", Just("x".repeat(20_000))]
    }

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            Just(Value::Int(-1)),
            Just(Value::Double(0.5)),
            Just(Value::Bool(true)),
            texts().prop_map(Value::String),
            vec(any::<u8>(), 0..300).prop_map(Value::Bytes),
        ];
        leaf.prop_recursive(4, 30, 5, |inner| {
            let map =
                vec(("[a-z]{0,9}", inner.clone()), 0..5).prop_map(|pairs| Value::Map(pairs.into_iter().collect()));
            prop_oneof![vec(inner, 0..5).prop_map(Value::Array), map]
        })
    }

    fn attributes() -> impl Strategy<Value = Attributes> {
        let pair = (texts(), values()).prop_map(|(key, value)| Attribute { key, value });
        vec(pair, 0..6).prop_map(Attributes)
    }

    fn resources() -> impl Strategy<Value = Resource> {
        (attributes(), texts(), texts(), vec(texts(), 0..4), any::<bool>()).prop_map(
            |(mut attributes, schema_url, node, keys, named)| {
                if named {
                    attributes.0.push(Attribute { key: "service.name".to_owned(), value: Value::String(node.clone()) });
                    attributes.0.push(Attribute { key: "host.name".to_owned(), value: Value::String(node) });
                }
                let entity = EntityRef {
                    schema_url: schema_url.clone(),
                    entity_type: "host".to_owned(),
                    id_keys: keys.clone(),
                    description_keys: keys,
                };
                Resource { attributes, dropped_attributes_count: LARGE, entity_refs: vec![entity; 2], schema_url }
            },
        )
    }

    prop_compose! {
        fn spans()(text in texts(), own in attributes(), others in attributes(), resource in resources(),
                   events in 0..4_usize, links in 0..4_usize) -> Span {
            let trace_id = TraceId::from_slice(&[255; 16]).unwrap();
            let span_id = SpanId::from_slice(&[255; 8]).unwrap();
            let event = Event {
                time: UnixNanos(u64::MAX), name: text.clone(), attributes: others.clone(),
                dropped_attributes_count: LARGE,
            };
            let link = Link {
                trace_id: Some(trace_id), span_id: Some(span_id), trace_state: text.clone(),
                attributes: others.clone(), dropped_attributes_count: LARGE, flags: LARGE,
            };
            let scope = Scope {
                name: text.clone(), version: text.clone(), attributes: others, dropped_attributes_count: LARGE,
                schema_url: text.clone(),
            };
            Span {
                trace_id, span_id, parent_span_id: Some(span_id), trace_state: text.clone(), flags: LARGE,
                name: text.clone(), kind: SpanKind(-1), start: UnixNanos(u64::MAX >> 1), end: UnixNanos(u64::MAX),
                attributes: own, dropped_attributes_count: LARGE, events: vec![event; events],
                dropped_events_count: LARGE, links: vec![link; links], dropped_links_count: LARGE,
                status: Status { code: StatusCode(-1), message: text },
                resource: Arc::new(Keyed::new(resource)), scope: Arc::new(Keyed::new(scope)),
            }
        }
    }

    /// As a page's element: with its tag and length.
    fn sent(message: &impl Message) -> usize {
        message.encode_length_delimited_to_vec().len().saturating_add(1)
    }

    proptest! {
        /// A page that is full by the estimate must not be larger on the wire.
        #[test]
        fn no_span_is_larger_than_its_estimate(of in spans()) {
            prop_assert!(sent(&span(&of)) <= size::span(&of));
        }

        #[test]
        fn no_trace_is_larger_than_its_estimate(root in prop::option::of((texts(), texts())),
                                                names in vec(texts(), 0..6)) {
            let part = |name| ServiceSummary { name, span_count: u64::MAX, error_count: u64::MAX };
            let of = TraceSummary {
                trace_id: TraceId::from_slice(&[255; 16]).unwrap(), start: UnixNanos(u64::MAX), end: UnixNanos(u64::MAX),
                root, span_count: u64::MAX, error_count: u64::MAX, services: names.into_iter().map(part).collect(),
            };
            let estimate = size::trace(&of);
            prop_assert!(sent(&trace(of)) <= estimate);
        }
    }
}
