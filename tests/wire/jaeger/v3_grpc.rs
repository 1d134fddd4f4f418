//! `jaeger.api_v3.QueryService`.

use std::collections::HashMap;
use std::sync::Arc;

use opentelemetry_proto::tonic::trace::v1::TracesData;
use prost::Message;
use prost_types::Timestamp;
use tonic::{Code, Streaming};
use tracewell::model::{Keyed, Scope, Span, Value};
use tracewell::query::QuerySettings;
use tracewell::server::generated::jaeger::api_v3 as proto;

use super::{ALL_TIME, CONDITIONS, Jaeger, attributes, encoded, object, shop};
use crate::support::{span, trace_id};

/// Twice what a part may have.
const LARGE_BYTES: usize = 2 << 20;
/// What a client takes.
const MESSAGE_BYTES_MAX: usize = 4 << 20;

#[expect(clippy::unnecessary_wraps, reason = "messages have times that may be missing")]
pub(super) fn at(seconds: i64) -> Option<Timestamp> {
    Some(Timestamp { seconds, nanos: 0 })
}

/// A search over all time.
pub(super) fn everything() -> proto::TraceQueryParameters {
    proto::TraceQueryParameters { start_time_min: at(0), start_time_max: at(4_000_000_000), ..Default::default() }
}

/// A condition's parameters.
pub(super) fn asked(named: &[(&str, &str)], attributes: &[(&str, &str)]) -> proto::TraceQueryParameters {
    let mut asked = everything();
    let attributes = attributes.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    asked.attributes = attributes.collect::<HashMap<_, _>>();
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

pub(super) fn duration(text: &str) -> prost_types::Duration {
    let (number, unit) = text.split_at(text.find(char::is_alphabetic).unwrap());
    let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
    let unit = match unit {
        "ns" => 1,
        "us" => 1_000,
        "ms" => 1_000_000,
        other => panic!("{other}"),
    };
    let part = part.parse::<i32>().unwrap() * unit / 10_i32.pow(u32::try_from(part.len()).unwrap());
    prost_types::Duration { seconds: 0, nanos: whole.parse::<i32>().unwrap() * unit + part }
}

/// The traces of a stream, in the order of their parts, each with the number of its spans. No part is empty, larger than a
/// client takes, or of two traces, and the parts of a trace follow each other.
pub(super) async fn traces(mut parts: Streaming<TracesData>) -> Vec<(u64, usize)> {
    let mut traces: Vec<(u64, usize)> = Vec::new();
    while let Some(part) = parts.message().await.unwrap() {
        assert!(part.encoded_len() < MESSAGE_BYTES_MAX);
        let scopes = part.resource_spans.iter().flat_map(|resource| &resource.scope_spans);
        let ids: Vec<_> = scopes.flat_map(|scope| &scope.spans).map(|span| span.trace_id.clone()).collect();
        assert!(ids.iter().all(|id| *id == ids[0]), "a part has spans of one trace, and some");
        let id = u64::from_be_bytes(ids[0][8..].try_into().unwrap());
        if let Some((_, spans)) = traces.last_mut().filter(|(last, _)| *last == id) {
            *spans += ids.len();
        } else {
            assert!(traces.iter().all(|(other, _)| *other != id), "the parts of a trace follow each other");
            traces.push((id, ids.len()));
        }
    }
    traces
}

pub(super) fn ids(traces: &[(u64, usize)]) -> Vec<u64> {
    traces.iter().map(|(id, _)| *id).collect()
}

#[tokio::test]
async fn every_condition_finds_what_it_says() {
    let jaeger = Jaeger::with(shop()).await;
    for (named, attributes, expected) in CONDITIONS {
        let query = Some(asked(named, attributes));
        let found = jaeger.v3().find_traces(proto::FindTracesRequest { query: query.clone() }).await.unwrap();
        assert_eq!(ids(&traces(found.into_inner()).await), expected, "{named:?} {attributes:?}");
        let found = jaeger.v3().find_trace_summaries(proto::FindTraceSummariesRequest { query }).await.unwrap();
        let mut found = found.into_inner();
        let mut summaries = Vec::new();
        while let Some(message) = found.message().await.unwrap() {
            summaries.extend(message.summaries.into_iter().map(|one| u64::from_str_radix(&one.trace_id, 16).unwrap()));
        }
        assert_eq!(summaries, expected, "{named:?} {attributes:?}");
    }
}

/// Two traces of several parts each, and a small one between them.
pub(super) fn large() -> Vec<Span> {
    let fat = |trace: u64, id: u64| {
        let text = Value::String("x".repeat(LARGE_BYTES / 16));
        Span { attributes: attributes([("fat", text)]), ..span(trace, id, 1_000 * trace + id) }
    };
    let mut spans: Vec<_> = (1..=40).map(|id| fat(1, id)).collect();
    spans.push(span(2, 1, 2_000));
    spans.extend((1..=40).map(|id| fat(3, id)));
    spans
}

#[tokio::test]
async fn large_traces_come_in_parts_that_never_mix() {
    let jaeger = Jaeger::with(large()).await;
    for raw_traces in [false, true] {
        let query = Some(proto::TraceQueryParameters { raw_traces, ..everything() });
        let found = jaeger.v3().find_traces(proto::FindTracesRequest { query }).await.unwrap();
        assert_eq!(traces(found.into_inner()).await, [(3, 40), (2, 1), (1, 40)]);
        let request = proto::GetTraceRequest { trace_id: "3".to_owned(), raw_traces, ..Default::default() };
        let found = jaeger.v3().get_trace(request).await.unwrap();
        assert_eq!(traces(found.into_inner()).await, [(3, 40)]);
    }
}

#[tokio::test]
async fn a_trace_is_there_or_is_not_found() {
    let jaeger = Jaeger::with(shop()).await;
    for id in ["2", "0000000000000002", &trace_id(2).to_string()] {
        let request = proto::GetTraceRequest { trace_id: id.to_owned(), ..Default::default() };
        assert_eq!(traces(jaeger.v3().get_trace(request).await.unwrap().into_inner()).await, [(2, 2)]);
    }
    let request = proto::GetTraceRequest { trace_id: "77".to_owned(), ..Default::default() };
    let status = jaeger.v3().get_trace(request).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::NotFound, "trace not found"));
}

#[tokio::test]
async fn names_and_calls_are_listed() {
    let jaeger = Jaeger::with(shop()).await;
    let services = jaeger.v3().get_services(proto::GetServicesRequest {}).await.unwrap().into_inner().services;
    assert_eq!(services, ["db", "shop", "unknown_service"]);
    let operations = async |service: &str, span_kind: &str| {
        let request = proto::GetOperationsRequest { service: service.to_owned(), span_kind: span_kind.to_owned() };
        let operations = jaeger.v3().get_operations(request).await.unwrap().into_inner().operations;
        operations.into_iter().map(|one| (one.name, one.span_kind)).collect::<Vec<_>>()
    };
    let one = |name: &str, kind: &str| vec![(name.to_owned(), kind.to_owned())];
    assert_eq!(operations("shop", "").await, one("get", "server"));
    assert_eq!(operations("unknown_service", "unspecified").await, one("odd", ""));
    assert_eq!(operations("shop", "client").await, []);
    let request = proto::GetDependenciesRequest { start_time: at(0), end_time: at(100) };
    let calls = jaeger.v3().get_dependencies(request).await.unwrap().into_inner().dependencies;
    let call = proto::Dependency { parent: "shop".to_owned(), child: "db".to_owned(), call_count: 1 };
    assert_eq!(calls, [call]);
}

/// Of thousands of traces, of which the three newest are of an instrumentation of their own, a search may look at ten.
async fn limited() -> Jaeger {
    let settings = QuerySettings { work_spans_max: 10, ..QuerySettings::default() };
    let lib = Arc::new(Keyed::new(Scope { name: "lib".to_owned(), ..Scope::default() }));
    let other = Arc::new(Keyed::new(Scope::default()));
    let scope = |id| Arc::clone(if id > 5_000 { &lib } else { &other });
    Jaeger::limited((1..=5_003).map(|id| Span { scope: scope(id), ..span(id, id, id) }).collect(), settings).await
}

/// Scenario: a search that reaches the limit on work after it found something. Guarantee: what it found comes with a note
/// that there may be more, by gRPC and by HTTP.
#[tokio::test]
async fn a_part_is_said_to_be_one() {
    let jaeger = limited().await;
    let query = Some(asked(&[], &[("scope.name", "lib")]));
    let some = jaeger.v3().find_traces(proto::FindTracesRequest { query }).await.unwrap();
    let said = some.metadata().get("warning").map(|text| text.to_str().unwrap().to_owned());
    assert!(said.unwrap_or_default().contains("limit on work"), "{:?}", some.metadata());
    assert_eq!(traces(some.into_inner()).await.len(), 3);
    let attributes = encoded(&object(&[("scope.name", "lib")]));
    let some = jaeger.get(&format!("/api/v3/traces?{ALL_TIME}&query.attributes={attributes}")).await;
    assert!(some.header("warning").unwrap_or_default().contains("limit on work"), "{}", some.status);
}

/// Scenario: a search that reaches the limit on work before it found anything. Guarantee: that is not said as if there were
/// nothing, by gRPC and by HTTP.
#[tokio::test]
async fn an_empty_part_is_an_error() {
    let jaeger = limited().await;
    let nowhere = [("scope.name", "nowhere")];
    let query = Some(asked(&[], &nowhere));
    let refused = jaeger.v3().find_traces(proto::FindTracesRequest { query }).await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted, "{refused:?}");
    assert!(refused.message().contains("nothing was found so far"), "{refused:?}");
    let attributes = encoded(&object(&nowhere));
    let refused = jaeger.get(&format!("/api/v3/traces?{ALL_TIME}&query.attributes={attributes}")).await;
    assert_eq!(refused.status.as_u16(), 422, "{}", refused.text());
    assert!(refused.text().contains("nothing was found so far"), "{}", refused.text());
}

/// Guarantee: an answer that is whole has no note.
#[tokio::test]
async fn what_is_whole_has_no_note() {
    let jaeger = Jaeger::with(shop()).await;
    let all = jaeger.v3().find_traces(proto::FindTracesRequest { query: Some(everything()) }).await.unwrap();
    assert!(all.metadata().get("warning").is_none());
    let none = asked(&[], &[("http.route", "/nowhere")]);
    let none = jaeger.v3().find_traces(proto::FindTracesRequest { query: Some(none) }).await.unwrap();
    assert!(none.metadata().get("warning").is_none());
}
