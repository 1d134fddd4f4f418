//! Model values as messages of the query service.

use prost_types::{Duration, Timestamp};

use super::super::generated::tracewell_v1 as proto;
use super::super::literal::key_value;
use crate::model::{Event, Link, Operation, Resource, Scope, ServiceSummary, Span, TraceSummary, UnixNanos};
use crate::otlp::encode::{self, key_values};
use crate::query::{Coverage, Evaluation, Explained, FoundTrace, SearchPage, ShownSpan, SpanSet};
use crate::store::Counted;

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

pub(super) fn found_trace(found: FoundTrace) -> proto::TraceSummary {
    let span_sets = found.span_sets.into_iter().map(span_set).collect();
    proto::TraceSummary { span_sets, ..trace(found.summary) }
}

fn span_set(set: SpanSet) -> proto::SpanSet {
    let spans = set.spans.into_iter().map(found_span).collect();
    proto::SpanSet { matched: set.matched, spans, attributes: set.attributes.into_iter().map(key_value).collect() }
}

fn found_span(span: ShownSpan) -> proto::FoundSpan {
    proto::FoundSpan {
        span_id: span.span_id.to_string(),
        name: span.name,
        service: span.service,
        start_time: Some(timestamp(span.start)),
        duration: Some(duration(span.duration_nanos)),
        attributes: span.selected.into_iter().map(key_value).collect(),
    }
}

pub(super) fn coverage(coverage: &Coverage) -> proto::Coverage {
    let too_large = &coverage.trace_ids_too_large;
    proto::Coverage {
        limit_reached: coverage.limit_reached,
        covered_since: coverage.since.map(timestamp),
        spans_read: coverage.work.of(Counted::SpansRead),
        traces_read: coverage.work.of(Counted::TracesRead),
        blocks_read: coverage.work.of(Counted::BlocksRead),
        trace_ids_too_large: too_large.iter().map(ToString::to_string).collect(),
    }
}

pub(super) fn explained(explained: Explained) -> proto::ExplainResponse {
    let evaluation = match explained.evaluation {
        Evaluation::Rollups => proto::Evaluation::Rollups,
        Evaluation::Spans => proto::Evaluation::Spans,
        Evaluation::Traces => proto::Evaluation::Traces,
    };
    let work = &explained.cost.work;
    proto::ExplainResponse {
        query: explained.query,
        pushed_down: explained.pushed_down,
        evaluation: evaluation.into(),
        blocks: work.of(Counted::BlocksSeen),
        blocks_left: work.of(Counted::BlocksLeft),
        cost: Some(coverage(&explained.cost)),
        duration: Some(duration(u64::try_from(explained.duration.as_nanos()).unwrap_or(u64::MAX))),
    }
}

pub(super) fn traces_page(page: SearchPage<FoundTrace>) -> proto::SearchTracesResponse {
    proto::SearchTracesResponse {
        coverage: Some(coverage(&page.coverage)),
        traces: page.items.into_iter().map(found_trace).collect(),
        next_page_token: page.next,
    }
}

pub(super) fn spans_page(page: SearchPage<Span>) -> proto::SearchSpansResponse {
    proto::SearchSpansResponse {
        coverage: Some(coverage(&page.coverage)),
        spans: page.items.iter().map(span).collect(),
        next_page_token: page.next,
    }
}

fn trace(trace: TraceSummary) -> proto::TraceSummary {
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
        span_sets: Vec::new(),
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

pub(super) fn timestamp(time: UnixNanos) -> Timestamp {
    let (seconds, nanos) = split(time.0);
    Timestamp { seconds, nanos }
}

pub(super) fn duration(nanos: u64) -> Duration {
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
    use crate::traceql::tree::Literal;

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
        prop_oneof![Just(Attributes::default()), vec(pair, 1..6).prop_map(Attributes)]
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
            let bare = bare_span();
            let event = Event { name: text.clone(), attributes: others.clone(), ..bare_event() };
            let link = Link { trace_state: text.clone(), attributes: others.clone(), ..bare_link() };
            let scope = Scope {
                name: text.clone(), version: text.clone(), schema_url: text.clone(), attributes: others,
                dropped_attributes_count: LARGE,
            };
            Span {
                trace_state: text.clone(), name: text.clone(), attributes: own, events: vec![event; events],
                links: vec![link; links], status: Status { message: text, ..bare.status },
                resource: Arc::new(Keyed::new(resource)), scope: Arc::new(Keyed::new(scope)), ..bare
            }
        }
    }

    /// As a page's element: with its tag and length.
    fn sent(message: &impl Message) -> usize {
        message.encode_length_delimited_to_vec().len().saturating_add(1)
    }

    /// A span whose numbers are as large as they can be, and which has nothing else.
    fn bare_span() -> Span {
        let id = SpanId::from_slice(&[255; 8]).unwrap();
        Span {
            trace_id: TraceId::from_slice(&[255; 16]).unwrap(),
            span_id: id,
            parent_span_id: Some(id),
            trace_state: String::new(),
            flags: LARGE,
            name: String::new(),
            kind: SpanKind(-1),
            start: UnixNanos(u64::MAX >> 1),
            end: UnixNanos(u64::MAX),
            attributes: Attributes::default(),
            dropped_attributes_count: LARGE,
            events: vec![],
            dropped_events_count: LARGE,
            links: vec![],
            dropped_links_count: LARGE,
            status: Status { code: StatusCode(-1), message: String::new() },
            resource: Arc::new(Keyed::new(Resource { dropped_attributes_count: LARGE, ..Resource::default() })),
            scope: Arc::new(Keyed::new(Scope { dropped_attributes_count: LARGE, ..Scope::default() })),
        }
    }

    fn bare_event() -> Event {
        Event { time: UnixNanos(u64::MAX >> 1), dropped_attributes_count: LARGE, ..Event::default() }
    }

    fn bare_link() -> Link {
        Link {
            trace_id: TraceId::from_slice(&[255; 16]).ok(),
            span_id: SpanId::from_slice(&[255; 8]).ok(),
            dropped_attributes_count: LARGE,
            flags: LARGE,
            ..Link::default()
        }
    }

    /// Each part by itself and many times, so that no other part's reserve hides that its own is too small.
    #[test]
    fn no_part_is_larger_than_its_estimate() {
        let attribute = Attribute { key: String::new(), value: Value::Int(-1) };
        let array = Attribute { key: String::new(), value: Value::Array(vec![Value::Int(-1); 100]) };
        for of in [
            bare_span(),
            Span { attributes: Attributes(vec![attribute; 100]), ..bare_span() },
            Span { attributes: Attributes(vec![array]), ..bare_span() },
            Span { events: vec![bare_event(); 100], ..bare_span() },
            Span { links: vec![bare_link(); 100], ..bare_span() },
        ] {
            assert!(sent(&span(&of)) <= size::span(&of), "{} > {}", sent(&span(&of)), size::span(&of));
        }
    }

    proptest! {
        /// A page that is full by the estimate must not be larger on the wire.
        #[test]
        fn no_span_is_larger_than_its_estimate(of in spans()) {
            prop_assert!(sent(&span(&of)) <= size::span(&of));
        }

        #[test]
        fn no_found_trace_is_larger_than_its_estimate(name in texts(), spans in 0..5_usize, sets in prop_oneof![Just(0), Just(1), Just(60_usize)]) {
            let literals = [
                Literal::Nil, Literal::Int(-1), Literal::Float(0.5), Literal::Bool(true), Literal::Text(name.clone()),
                Literal::Duration(i64::MIN + 1), Literal::Status(StatusCode::ERROR), Literal::Kind(SpanKind::PRODUCER),
            ];
            let literals: Vec<_> = literals.into_iter().map(|literal| (String::new(), literal)).collect();
            let shown = ShownSpan {
                span_id: SpanId::from_slice(&[255; 8]).unwrap(), name: name.clone(), service: name.clone(),
                start: UnixNanos(u64::MAX), duration_nanos: u64::MAX, selected: literals.clone(),
            };
            let set = SpanSet { matched: u64::MAX, spans: vec![shown; spans], attributes: literals };
            let summary = TraceSummary {
                trace_id: TraceId::from_slice(&[255; 16]).unwrap(), start: UnixNanos(0), end: UnixNanos(0),
                root: None, span_count: 0, error_count: 0, services: vec![],
            };
            let of = FoundTrace { summary, span_sets: vec![set; sets] };
            let estimate = size::found_trace(&of);
            prop_assert!(sent(&found_trace(of)) <= estimate);
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
