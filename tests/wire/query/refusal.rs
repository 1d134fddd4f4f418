//! Wrong requests: each is refused as an invalid argument, and the field is named in the message and in the details.

use opentelemetry_proto::tonic::common::v1::AnyValue;
use prost_types::{Duration, Timestamp};
use tonic::{Code, Status};
use tracewell::server::generated::tracewell_v1::explain_request::Question;
use tracewell::server::generated::tracewell_v1::{
    AttributeCondition, ExplainRequest, GetTraceRequest, ListOperationsRequest, ListServicesRequest, SearchRequest,
};

use super::{bad_fields, served, span};

fn check(status: &Status, field: &str) {
    assert_eq!(status.code(), Code::InvalidArgument, "{field}: {status:?}");
    assert_eq!(bad_fields(status), [field], "{status:?}");
    assert!(status.message().starts_with(&format!("{field}: ")), "{field}: {}", status.message());
}

fn time(seconds: i64, nanos: i32) -> Timestamp {
    Timestamp { seconds, nanos }
}

fn duration(seconds: i64, nanos: i32) -> Duration {
    Duration { seconds, nanos }
}

fn condition(key: &str, value: Option<AnyValue>, scope: i32) -> Vec<AttributeCondition> {
    vec![AttributeCondition { key: key.to_owned(), value, scope }]
}

fn bad_searches() -> Vec<(&'static str, SearchRequest)> {
    let default = SearchRequest::default;
    let null = || Some(AnyValue::default());
    let nul = || "a\0".to_owned();
    vec![
        ("start_time_min", SearchRequest { start_time_min: Some(time(-1, 0)), ..default() }),
        ("start_time_min", SearchRequest { start_time_min: Some(time(0, -1)), ..default() }),
        ("start_time_min", SearchRequest { start_time_min: Some(time(0, 1_000_000_000)), ..default() }),
        ("start_time_max", SearchRequest { start_time_max: Some(time(18_446_744_073, 709_551_616)), ..default() }),
        ("start_time_max", SearchRequest { start_time_max: Some(time(i64::MAX, 0)), ..default() }),
        ("start_time_max", SearchRequest { start_time_max: Some(time(1, i32::MIN)), ..default() }),
        (
            "start_time_max",
            SearchRequest { start_time_min: Some(time(6, 0)), start_time_max: Some(time(5, 0)), ..default() },
        ),
        (
            "start_time_max",
            SearchRequest { start_time_min: Some(time(5, 0)), start_time_max: Some(time(5, 0)), ..default() },
        ),
        ("service", SearchRequest { service: nul(), ..default() }),
        ("node", SearchRequest { node: nul(), ..default() }),
        ("span_name", SearchRequest { span_name: nul(), ..default() }),
        ("duration_min", SearchRequest { duration_min: Some(duration(-1, 0)), ..default() }),
        ("duration_min", SearchRequest { duration_min: Some(duration(0, -1)), ..default() }),
        ("duration_min", SearchRequest { duration_min: Some(duration(0, 1_000_000_000)), ..default() }),
        ("duration_max", SearchRequest { duration_max: Some(duration(i64::MAX, 0)), ..default() }),
        ("duration_max", SearchRequest { duration_max: Some(duration(i64::MIN, 0)), ..default() }),
        ("duration_max", SearchRequest { duration_max: Some(duration(1, -1)), ..default() }),
        (
            "duration_max",
            SearchRequest { duration_min: Some(duration(0, 2)), duration_max: Some(duration(0, 1)), ..default() },
        ),
        ("attributes", SearchRequest { attributes: vec![condition("k", null(), 0).remove(0); 33], ..default() }),
        ("attributes.key", SearchRequest { attributes: condition("", null(), 0), ..default() }),
        ("attributes.key", SearchRequest { attributes: condition("\0", null(), 0), ..default() }),
        ("attributes.value", SearchRequest { attributes: condition("k", None, 0), ..default() }),
        ("attributes.scope", SearchRequest { attributes: condition("k", null(), 3), ..default() }),
        ("attributes.scope", SearchRequest { attributes: condition("k", null(), -1), ..default() }),
        ("query", SearchRequest { query: "{".to_owned(), ..default() }),
        ("query", SearchRequest { query: "{ } | rate()".to_owned(), ..default() }),
        ("spans_per_span_set", SearchRequest { spans_per_span_set: i32::MIN, ..default() }),
        ("page_size", SearchRequest { page_size: -1, ..default() }),
        ("page_token", SearchRequest { page_token: "x".to_owned(), ..default() }),
        ("page_token", SearchRequest { page_token: "AAAAAAAAAAAAAAAAAAAAAAAA".to_owned(), ..default() }),
    ]
}

#[tokio::test]
async fn bad_searches_name_their_field() {
    let served = served(vec![]).await;
    for (field, request) in bad_searches() {
        check(&served.client().search_traces(request.clone()).await.unwrap_err(), field);
        check(&served.client().search_spans(request.clone()).await.unwrap_err(), field);
        check(&served.client().stream_traces(request.clone()).await.map(drop).unwrap_err(), field);
        let question = Some(Question::Search(request));
        check(&served.client().explain(ExplainRequest { question }).await.map(drop).unwrap_err(), field);
    }
}

#[tokio::test]
async fn bad_ids_and_lists_name_their_field() {
    let served = served(vec![]).await;
    let mut client = served.client();
    for id in ["", "1", &"0".repeat(32), &"g".repeat(32), &"1".repeat(31), &"é".repeat(8)] {
        let request = GetTraceRequest { trace_id: id.to_owned() };
        check(&client.get_trace(request).await.unwrap_err(), "trace_id");
    }
    let request = ListServicesRequest { page_size: -1, ..Default::default() };
    check(&client.list_services(request).await.unwrap_err(), "page_size");
    let request = ListServicesRequest { page_token: "!".to_owned(), ..Default::default() };
    check(&client.list_services(request).await.unwrap_err(), "page_token");
    let request = ListOperationsRequest::default();
    check(&client.list_operations(request).await.unwrap_err(), "service");
    let request = ListOperationsRequest { service: "s".to_owned(), page_size: i32::MIN, ..Default::default() };
    check(&client.list_operations(request).await.unwrap_err(), "page_size");
}

/// Scenario: a good token comes back with another search, or with another list. Guarantees: it is refused.
#[tokio::test]
async fn a_token_is_good_for_its_own_list_only() {
    let served = served(vec![span(1, 1, 1), span(2, 1, 2)]).await;
    let mut client = served.client();
    let first = SearchRequest { page_size: 1, ..SearchRequest::default() };
    let page_token = client.search_traces(first).await.unwrap().into_inner().next_page_token;
    assert!(!page_token.is_empty());
    let next = SearchRequest { page_token: page_token.clone(), ..SearchRequest::default() };
    assert_eq!(client.search_traces(next.clone()).await.unwrap().into_inner().traces.len(), 1);
    let changed = SearchRequest { service: "shop".to_owned(), ..next.clone() };
    check(&client.search_traces(changed).await.unwrap_err(), "page_token");
    check(&client.search_spans(next).await.unwrap_err(), "page_token");
    let request = ListServicesRequest { page_token, ..Default::default() };
    check(&client.list_services(request).await.unwrap_err(), "page_token");
}
