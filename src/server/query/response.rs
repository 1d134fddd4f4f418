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
