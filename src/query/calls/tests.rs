use std::sync::Arc;

use crate::model::{Keyed, Link, Resource, Span, SpanId, SpanKind, TraceId, UnixNanos, Value};
use crate::query::{Query, QuerySettings};
use crate::store::memory::MemoryStore;
use crate::store::{Batch, SpanStore};

fn trace_id(byte: u8) -> TraceId {
    TraceId::from_slice(&[byte; 16]).unwrap()
}

fn span_id(byte: u8) -> SpanId {
    SpanId::from_slice(&[byte; 8]).unwrap()
}

fn span(service: &str, trace: u8, id: u8, parent: Option<u8>) -> Span {
    let attributes = [("service.name", Value::from(service))].into_iter().collect();
    let resource = Arc::new(Keyed::new(Resource { attributes, ..Resource::default() }));
    let (trace_id, span_id, parent_span_id) = (trace_id(trace), span_id(id), parent.map(span_id));
    Span { trace_id, span_id, parent_span_id, resource, ..Span::example("x") }
}

fn takes(span: Span, from: &[(u8, u8)]) -> Span {
    let link = |(trace, id): &(u8, u8)| Link {
        trace_id: Some(trace_id(*trace)),
        span_id: Some(span_id(*id)),
        ..Link::default()
    };
    Span { kind: SpanKind::CONSUMER, links: from.iter().map(link).collect(), ..span }
}

async fn calls(spans: Vec<Span>) -> Vec<(String, u64)> {
    let store = MemoryStore::default();
    store.write(&[Batch::new(spans)]).await.unwrap();
    let query = Query::new(Arc::new(store), QuerySettings::default());
    let calls = query.calls(UnixNanos(0), None).await.unwrap();
    calls.into_iter().map(|((parent, child), counts)| (format!("{parent}>{child}"), counts.calls)).collect()
}

fn expected<const N: usize>(calls: [(&str, u64); N]) -> Vec<(String, u64)> {
    calls.into_iter().map(|(call, count)| (call.to_owned(), count)).collect()
}

#[tokio::test]
async fn every_parent_that_is_there_is_a_caller() {
    let spans = vec![
        span("a", 1, 1, None),
        span("a", 1, 2, Some(1)),
        span("b", 1, 3, Some(2)),
        span("b", 1, 4, Some(2)),
        span("c", 1, 5, Some(9)),
        span("b", 2, 3, Some(1)),
    ];
    assert_eq!(calls(spans).await, expected([("a>a", 1), ("a>b", 2)]));
}

#[tokio::test]
async fn a_message_goes_to_another_trace() {
    let spans = vec![
        span("a", 1, 1, None),
        span("d", 1, 2, Some(1)),
        takes(span("b", 2, 1, None), &[(1, 1), (1, 1), (1, 2)]),
        takes(span("b", 3, 1, None), &[(1, 1), (9, 1)]),
    ];
    assert_eq!(calls(spans).await, expected([("a>b", 2), ("a>d", 1), ("d>b", 1)]));
}

#[tokio::test]
async fn a_sender_that_is_the_parent_counts_once_and_other_links_do_not() {
    let linked = Span { kind: SpanKind::SERVER, ..takes(span("c", 1, 4, None), &[(1, 1)]) };
    let said = [("messaging.operation.type", Value::from("receive"))].into_iter().collect();
    let received = Span { kind: SpanKind::CLIENT, attributes: said, ..takes(span("e", 1, 5, None), &[(1, 1)]) };
    let spans = vec![span("a", 1, 1, None), takes(span("b", 1, 2, Some(1)), &[(1, 1), (1, 2)]), linked, received];
    assert_eq!(calls(spans).await, expected([("a>b", 1), ("a>e", 1)]));
}
