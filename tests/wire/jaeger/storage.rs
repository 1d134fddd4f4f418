//! `jaeger.storage.v2`, as Jaeger asks its storage.

use tonic::Code;
use tracewell::server::generated::jaeger::expression::v1::Call;
use tracewell::server::generated::jaeger::storage::v2 as proto;
use tracewell::server::generated::jaeger::storage::v2::any_value::Value as Any;
use tracewell::server::generated::jaeger::storage::v2::capabilities_client::CapabilitiesClient;
use tracewell::server::generated::jaeger::storage::v2::dependency_reader_client::DependencyReaderClient;

use super::v3_grpc::{at, duration, ids, large, traces};
use super::{CONDITIONS, Jaeger, shop};
use crate::support::trace_id;

fn text(value: &str) -> Any {
    Any::StringValue(value.to_owned())
}

fn attribute(key: &str, value: Option<Any>) -> proto::KeyValue {
    proto::KeyValue { key: key.to_owned(), value: Some(proto::AnyValue { value }) }
}

fn everything() -> proto::TraceQueryParameters {
    let (start_time_min, start_time_max) = (at(0), at(4_000_000_000));
    proto::TraceQueryParameters { start_time_min, start_time_max, search_depth: 100, ..Default::default() }
}

fn asked(named: &[(&str, &str)], attributes: Vec<proto::KeyValue>) -> proto::TraceQueryParameters {
    let mut asked = proto::TraceQueryParameters { attributes, ..everything() };
    for (name, value) in named {
        match *name {
            "service" => (*value).clone_into(&mut asked.service_name),
            "operation" => (*value).clone_into(&mut asked.operation_name),
            "minDuration" => asked.duration_min = Some(duration(value)),
            "maxDuration" => asked.duration_max = Some(duration(value)),
            "limit" => asked.search_depth = value.parse().unwrap(),
            other => panic!("{other}"),
        }
    }
    asked
}

fn number(id: &[u8]) -> u64 {
    u64::from_be_bytes(id[8..].try_into().unwrap())
}

/// What is found by ids, which each other way must find too.
pub(super) async fn found(jaeger: &Jaeger, query: proto::TraceQueryParameters) -> Vec<u64> {
    let query = Some(query);
    let request = proto::FindTraceIDsRequest { query: query.clone() };
    let answer = jaeger.storage().find_trace_i_ds(request).await.unwrap().into_inner();
    assert_eq!(answer.next_page_token, "");
    let by_ids: Vec<_> = answer.trace_ids.iter().map(|found| number(&found.trace_id)).collect();
    let request = proto::FindTracesRequest { query: query.clone() };
    assert_eq!(ids(&traces(jaeger.storage().find_traces(request).await.unwrap().into_inner()).await), by_ids);
    let request = proto::FindTraceSummariesRequest { query };
    let mut messages = jaeger.storage().find_trace_summaries(request).await.unwrap().into_inner();
    let mut summaries = Vec::new();
    while let Some(message) = messages.message().await.unwrap() {
        summaries.extend(message.summaries.iter().map(|one| number(&one.trace_id)));
    }
    assert_eq!(summaries, by_ids);
    by_ids
}

#[tokio::test]
async fn every_condition_finds_what_it_says() {
    let jaeger = Jaeger::with(shop()).await;
    for (named, attributes, expected) in CONDITIONS {
        let attributes = attributes.iter().map(|(key, value)| attribute(key, Some(text(value)))).collect();
        assert_eq!(found(&jaeger, asked(named, attributes)).await, expected, "{named:?}");
    }
}

/// A value is found by its type and by its text.
#[tokio::test]
async fn values_may_have_types() {
    let jaeger = Jaeger::with(shop()).await;
    for (key, value, expected) in [
        ("k", Any::IntValue(200), vec![1]),
        ("k", Any::DoubleValue(200.0), vec![1]),
        ("k", Any::IntValue(201), vec![]),
        ("d", Any::DoubleValue(72.5), vec![1]),
        ("b", Any::BoolValue(true), vec![1]),
        ("b", Any::BoolValue(false), vec![]),
        ("error", Any::BoolValue(true), vec![1]),
        ("error", Any::BoolValue(false), vec![4, 3, 2]),
        ("error", text("1"), vec![1]),
        ("error", text("perhaps"), vec![]),
    ] {
        let query = asked(&[], vec![attribute(key, Some(value.clone()))]);
        assert_eq!(found(&jaeger, query).await, expected, "{key} {value:?}");
    }
}

#[tokio::test]
async fn traces_are_whole_and_their_parts_never_mix() {
    let jaeger = Jaeger::with(large()).await;
    let request = |ids: &[u64]| proto::GetTracesRequest {
        query: ids
            .iter()
            .map(|id| proto::GetTraceParams { trace_id: trace_id(*id).as_bytes().to_vec(), ..Default::default() })
            .collect(),
    };
    let got = async |ids: &[u64]| traces(jaeger.storage().get_traces(request(ids)).await.unwrap().into_inner()).await;
    assert_eq!(got(&[1, 77, 3, 2, 1]).await, [(1, 40), (3, 40), (2, 1)]);
    // What is not there is no error.
    assert_eq!(got(&[77, 78]).await, []);
    assert_eq!(got(&[]).await, []);
    let request = proto::FindTracesRequest { query: Some(everything()) };
    let found = jaeger.storage().find_traces(request).await.unwrap().into_inner();
    assert_eq!(traces(found).await, [(3, 40), (2, 1), (1, 40)]);
}

/// Scenario: traces that share an id between client and server. Guarantee: Jaeger's storage gives them as they were sent.
#[tokio::test]
async fn nothing_is_adjusted() {
    use tracewell::model::{Span, SpanKind};
    let client = Span { kind: SpanKind::CLIENT, ..crate::support::span(1, 5, 1) };
    let jaeger = Jaeger::with(vec![client, crate::support::span(1, 5, 2)]).await;
    let request = proto::FindTracesRequest { query: Some(everything()) };
    let mut parts = jaeger.storage().find_traces(request).await.unwrap().into_inner();
    let part = parts.message().await.unwrap().unwrap();
    let spans = &part.resource_spans[0].scope_spans[0].spans;
    assert_eq!(spans.iter().map(|span| span.span_id.last().copied()).collect::<Vec<_>>(), [Some(5), Some(5)]);
}

#[tokio::test]
async fn a_search_goes_on_by_pages_when_it_is_asked_for_them() {
    let jaeger = Jaeger::with(shop()).await;
    let (mut page_token, mut pages) = (String::new(), Vec::new());
    loop {
        let pagination = Some(proto::Pagination { page_size: 3, page_token: page_token.clone() });
        let query = Some(proto::TraceQueryParameters { pagination, ..everything() });
        let page = jaeger.storage().find_trace_i_ds(proto::FindTraceIDsRequest { query: query.clone() }).await.unwrap();
        let page = page.into_inner();
        pages.push(page.trace_ids.iter().map(|found| number(&found.trace_id)).collect::<Vec<_>>());
        let summaries =
            jaeger.storage().find_trace_summaries(proto::FindTraceSummariesRequest { query }).await.unwrap();
        let message = summaries.into_inner().message().await.unwrap().unwrap();
        assert_eq!((message.summaries.len(), &message.next_page_token), (page.trace_ids.len(), &page.next_page_token));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert_eq!(pages, [vec![4, 3, 2], vec![1]]);
    let first =
        jaeger.storage().find_trace_i_ds(proto::FindTraceIDsRequest { query: Some(everything()) }).await.unwrap();
    let (start, end) = (first.get_ref().trace_ids[3].start.unwrap(), first.get_ref().trace_ids[3].end.unwrap());
    assert_eq!((start.seconds, start.nanos, end.seconds, end.nanos), (1, 0, 1, 5_000));
}

#[tokio::test]
async fn names_calls_and_abilities_are_told() {
    let jaeger = Jaeger::with(shop()).await;
    let services = jaeger.storage().get_services(proto::GetServicesRequest {}).await.unwrap().into_inner().services;
    assert_eq!(services, ["db", "shop", "unknown_service"]);
    let operations = async |service: &str, span_kind: &str| {
        let request = proto::GetOperationsRequest { service: service.to_owned(), span_kind: span_kind.to_owned() };
        let operations = jaeger.storage().get_operations(request).await.unwrap().into_inner().operations;
        operations.into_iter().map(|one| (one.name, one.span_kind)).collect::<Vec<_>>()
    };
    assert_eq!(operations("unknown_service", "").await, [("odd".to_owned(), String::new())]);
    assert_eq!(operations("db", "server").await, []);
    let mut calls = DependencyReaderClient::new(jaeger.channel.clone());
    for (start_time, end_time, count) in [(at(0), at(100), 1), (None, None, 1), (at(63), None, 0)] {
        let request = proto::GetDependenciesRequest { start_time, end_time };
        let found = calls.get_dependencies(request).await.unwrap().into_inner().dependencies;
        let call = proto::Dependency {
            parent: "shop".to_owned(),
            child: "db".to_owned(),
            call_count: 1,
            source: String::new(),
        };
        assert_eq!(found, vec![call; count], "{start_time:?} {end_time:?}");
    }
    let mut able = CapabilitiesClient::new(jaeger.channel.clone());
    let able = able.get_capabilities(proto::GetCapabilitiesRequest {}).await.unwrap().into_inner().search.unwrap();
    assert!(able.without_service_name && able.same_span_conjunction && able.filter.is_none());
}

#[tokio::test]
async fn a_bad_request_is_an_invalid_argument() {
    let jaeger = Jaeger::with(shop()).await;
    let page = |page_size, page_token: &str| Some(proto::Pagination { page_size, page_token: page_token.to_owned() });
    let list = Any::ArrayValue(proto::ArrayValue { values: vec![] });
    let refused: Vec<(&str, Option<proto::TraceQueryParameters>)> = vec![
        ("query", None),
        (
            "start_time_max",
            Some(proto::TraceQueryParameters { start_time_min: at(9), start_time_max: at(8), ..everything() }),
        ),
        ("start_time_min", Some(proto::TraceQueryParameters { start_time_min: at(-1), ..everything() })),
        ("search_depth", Some(proto::TraceQueryParameters { search_depth: i32::MAX, ..everything() })),
        ("page_size", Some(proto::TraceQueryParameters { pagination: page(u32::MAX, ""), ..everything() })),
        ("page_token", Some(proto::TraceQueryParameters { pagination: page(1, "x"), ..everything() })),
        ("filter", Some(proto::TraceQueryParameters { filter: Some(Call::default()), ..everything() })),
        ("attributes", Some(asked(&[], vec![attribute("k", None)]))),
        ("attributes", Some(asked(&[], vec![attribute("k", Some(list))]))),
        ("attributes", Some(asked(&[], vec![attribute("k", Some(Any::BytesValue(vec![1])))]))),
        ("attributes", Some(asked(&[], vec![attribute("", Some(text("x")))]))),
        ("attributes", Some(asked(&[], vec![attribute("k", Some(text("x"))); 33]))),
    ];
    for (field, query) in refused {
        let refused = [
            jaeger.storage().find_traces(proto::FindTracesRequest { query: query.clone() }).await.map(|_| ()),
            jaeger.storage().find_trace_i_ds(proto::FindTraceIDsRequest { query: query.clone() }).await.map(|_| ()),
            jaeger.storage().find_trace_summaries(proto::FindTraceSummariesRequest { query }).await.map(|_| ()),
        ];
        for status in refused.map(Result::unwrap_err) {
            assert_eq!(status.code(), Code::InvalidArgument, "{field}: {}", status.message());
            assert!(status.message().contains(field), "{field}: {}", status.message());
        }
    }
    for trace_id in [vec![], vec![0; 16], vec![1; 15]] {
        let query = vec![proto::GetTraceParams { trace_id, ..Default::default() }];
        let status = jaeger.storage().get_traces(proto::GetTracesRequest { query }).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument);
    }
    let request = proto::GetOperationsRequest::default();
    assert_eq!(jaeger.storage().get_operations(request).await.unwrap_err().code(), Code::InvalidArgument);
    let request = proto::GetDependenciesRequest { start_time: at(2), end_time: at(1) };
    let mut calls = DependencyReaderClient::new(jaeger.channel.clone());
    assert_eq!(calls.get_dependencies(request).await.unwrap_err().code(), Code::InvalidArgument);
}
