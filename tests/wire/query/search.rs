//! The searches and lists: what each condition means, and paging to the end.

use opentelemetry_proto::tonic::common::v1::AnyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use prost_types::{Duration, Timestamp};
use tracewell::model::{Span, SpanKind, Status, StatusCode, UnixNanos, Value};
use tracewell::server::generated::tracewell_v1::{
    AttributeCondition, AttributeScope, ListOperationsRequest, ListServicesRequest, Operation, SearchRequest,
    ServiceSummary, TraceSummary,
};

use super::{Served, attributes, resource, served, span, span_id};

const SECOND: u64 = 1_000_000_000;

async fn search_spans(served: &Served, request: SearchRequest) -> Vec<String> {
    let response = served.client().search_spans(request).await.unwrap().into_inner();
    assert_eq!(response.next_page_token, "");
    response.spans.into_iter().map(|span| span.name).collect()
}

fn time(seconds: i64, nanos: i32) -> Timestamp {
    Timestamp { seconds, nanos }
}

fn duration(nanos: i32) -> Duration {
    Duration { seconds: 0, nanos }
}

fn attribute(key: &str, value: Option<Any>, scope: AttributeScope) -> SearchRequest {
    let condition = AttributeCondition { key: key.to_owned(), value: Some(AnyValue { value }), scope: scope.into() };
    SearchRequest { attributes: vec![condition], ..SearchRequest::default() }
}

/// Two spans that differ in everything that can be searched for.
fn two_spans() -> Vec<Span> {
    let both = |text: &str| attributes([("in.both", text.into())]);
    let mut second = resource("bank").attributes.clone();
    second.0.extend(attributes([("host.name", "n2".into()), ("in.both", "b".into())]).0);
    let second = tracewell::model::Resource { attributes: second, ..tracewell::model::Resource::default() };
    vec![
        Span { name: "one".to_owned(), attributes: both("b"), ..span(1, 1, SECOND) },
        Span {
            name: "two".to_owned(),
            kind: SpanKind(6),
            status: Status { code: StatusCode::ERROR, message: String::new() },
            end: UnixNanos(2 * SECOND + 20),
            attributes: attributes([("int", Value::Int(1)), ("null", Value::Null), ("in.both", "a".into())]),
            resource: std::sync::Arc::new(tracewell::model::Keyed::new(second)),
            ..span(2, 2, 2 * SECOND)
        },
    ]
}

/// Guarantees: each condition alone selects what it says, with the bounds inclusive and exclusive as promised.
#[tokio::test]
async fn every_condition_reaches_the_search() {
    let served = served(two_spans()).await;
    let default = SearchRequest::default;
    let text = |text: &str| Some(Any::StringValue(text.to_owned()));
    let (any, own, of_resource) = (AttributeScope::Unspecified, AttributeScope::Span, AttributeScope::Resource);
    let cases: [(&str, &[&str], SearchRequest); 20] = [
        ("nothing", &["two", "one"], default()),
        ("from a time", &["two"], SearchRequest { start_time_min: Some(time(2, 0)), ..default() }),
        ("from just after it", &[], SearchRequest { start_time_min: Some(time(2, 1)), ..default() }),
        ("to before a time", &["one"], SearchRequest { start_time_max: Some(time(2, 0)), ..default() }),
        ("to before just after it", &["two", "one"], SearchRequest { start_time_max: Some(time(2, 1)), ..default() }),
        ("service", &["two"], SearchRequest { service: "bank".to_owned(), ..default() }),
        ("node", &["two"], SearchRequest { node: "n2".to_owned(), ..default() }),
        ("name", &["one"], SearchRequest { span_name: "one".to_owned(), ..default() }),
        ("unknown kind", &["two"], SearchRequest { kind: Some(6), ..default() }),
        ("kind 0", &[], SearchRequest { kind: Some(0), ..default() }),
        ("status 0", &["one"], SearchRequest { status: Some(0), ..default() }),
        ("status", &["two"], SearchRequest { status: Some(2), ..default() }),
        ("longer", &["two"], SearchRequest { duration_min: Some(duration(20)), ..default() }),
        ("shorter", &["one"], SearchRequest { duration_max: Some(duration(10)), ..default() }),
        ("int", &["two"], attribute("int", Some(Any::IntValue(1)), any)),
        ("text", &[], attribute("int", text("1"), any)),
        ("null", &["two"], attribute("null", None, any)),
        ("anywhere", &["two", "one"], attribute("in.both", text("b"), any)),
        ("in the span", &["one"], attribute("in.both", text("b"), own)),
        ("in the resource", &["two"], attribute("in.both", text("b"), of_resource)),
    ];
    for (what, names, request) in cases {
        assert_eq!(search_spans(&served, request).await, names, "{what}");
    }
}

/// Guarantees: a trace is shown with the figures of the whole trace, though only one of its spans matches.
#[tokio::test]
async fn a_found_trace_is_summed_up_whole() {
    let failed = Status { code: StatusCode::ERROR, message: String::new() };
    let served = served(vec![
        Span { end: UnixNanos(3 * SECOND), ..span(1, 1, SECOND) },
        Span {
            parent_span_id: Some(span_id(1)),
            resource: resource("bank"),
            name: "pay".to_owned(),
            status: failed,
            ..span(1, 2, 2 * SECOND)
        },
        span(2, 1, 4 * SECOND),
    ])
    .await;
    let request = SearchRequest { span_name: "pay".to_owned(), ..SearchRequest::default() };
    let response = served.client().search_traces(request).await.unwrap().into_inner();
    let service = |name: &str, error_count| ServiceSummary { name: name.to_owned(), span_count: 1, error_count };
    let expected = TraceSummary {
        trace_id: "01".repeat(16),
        root_service: "shop".to_owned(),
        root_name: "buy".to_owned(),
        start_time: Some(time(1, 0)),
        duration: Some(Duration { seconds: 2, nanos: 0 }),
        span_count: 2,
        error_count: 1,
        services: vec![service("bank", 1), service("shop", 0)],
        span_sets: Vec::new(),
    };
    assert_eq!(response.traces, [expected]);
    assert_eq!(response.next_page_token, "");
}

/// Five traces of two spans, of three services, each span with a name of its own.
fn many_spans() -> Vec<Span> {
    let service = |trace: u8| resource(["bank", "shop", "stock"][usize::from(trace % 3)]);
    let one = |trace: u8, id: u8| Span {
        resource: service(trace),
        name: format!("{trace}-{id}"),
        kind: SpanKind(id.into()),
        ..span(trace, id, u64::from(trace * 10 + id))
    };
    (1..6).flat_map(|trace| [one(trace, 1), one(trace, 2)]).collect()
}

/// Guarantees: page by page, each list is read to its end, in its order, and the end is marked.
#[tokio::test]
async fn traces_and_spans_are_read_page_by_page() {
    let served = served(many_spans()).await;
    let mut client = served.client();
    let mut request = SearchRequest { page_size: 2, ..SearchRequest::default() };
    let mut traces = Vec::new();
    loop {
        let page = client.search_traces(request.clone()).await.unwrap().into_inner();
        assert!(page.traces.len() <= 2);
        traces.extend(page.traces.into_iter().map(|trace| trace.trace_id[..2].to_owned()));
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
    }
    assert_eq!(traces, ["05", "04", "03", "02", "01"]);
    request.page_size = 3;
    let mut spans = Vec::new();
    loop {
        let page = client.search_spans(request.clone()).await.unwrap().into_inner();
        assert!(page.spans.len() <= 3);
        spans.extend(page.spans.into_iter().map(|span| span.name));
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
    }
    assert_eq!(spans, ["5-2", "5-1", "4-2", "4-1", "3-2", "3-1", "2-2", "2-1", "1-2", "1-1"]);
}

#[tokio::test]
async fn services_and_operations_are_read_page_by_page() {
    let served = served(many_spans()).await;
    let mut client = served.client();
    let mut request = ListServicesRequest { page_size: 2, ..ListServicesRequest::default() };
    let page = client.list_services(request.clone()).await.unwrap().into_inner();
    assert_eq!(page.services, ["bank", "shop"]);
    request.page_token = page.next_page_token;
    let page = client.list_services(request).await.unwrap().into_inner();
    assert_eq!((page.services, page.next_page_token.as_str()), (vec!["stock".to_owned()], ""));
    let mut request = ListOperationsRequest { service: "shop".to_owned(), page_size: 3, ..Default::default() };
    let operation = |name: &str, kind| Operation { name: name.to_owned(), kind };
    let page = client.list_operations(request.clone()).await.unwrap().into_inner();
    assert_eq!(page.operations, [operation("1-1", 1), operation("1-2", 2), operation("4-1", 1)]);
    request.page_token = page.next_page_token;
    let page = client.list_operations(request).await.unwrap().into_inner();
    assert_eq!((page.operations, page.next_page_token.as_str()), (vec![operation("4-2", 2)], ""));
}

/// Guarantees: what nobody sent is an empty answer.
#[tokio::test]
async fn nothing_found_is_an_empty_page() {
    let served = served(vec![]).await;
    let mut client = served.client();
    let traces = client.search_traces(SearchRequest::default()).await.unwrap().into_inner();
    assert_eq!((traces.traces.len(), traces.next_page_token.as_str()), (0, ""));
    assert_eq!(search_spans(&served, SearchRequest::default()).await, [""; 0]);
    assert_eq!(client.list_services(ListServicesRequest::default()).await.unwrap().into_inner().services, [""; 0]);
    let request = ListOperationsRequest { service: "shop".to_owned(), ..Default::default() };
    assert_eq!(client.list_operations(request).await.unwrap().into_inner().operations, []);
}
