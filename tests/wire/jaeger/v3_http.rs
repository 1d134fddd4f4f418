//! `/api/v3/*`.

use std::fmt::Write;

use serde_json::{Value as Json, json};
use tracewell::model::{Span, SpanKind, UnixNanos};
use tracewell::query::QuerySettings;

use super::{ALL_TIME, CONDITIONS, Jaeger, encoded, object, shop};
use crate::support::{service, span, span_id};

/// The parameters of a condition, as this API calls them.
pub(super) fn parameters(named: &[(&str, &str)], attributes: &[(&str, &str)]) -> String {
    let mut text = ALL_TIME.to_owned();
    for (name, value) in named {
        let name = match *name {
            "service" => "serviceName",
            "operation" => "operationName",
            "minDuration" => "durationMin",
            "maxDuration" => "durationMax",
            "limit" => "searchDepth",
            other => panic!("{other}"),
        };
        write!(text, "&query.{name}={}", encoded(value)).unwrap();
    }
    if !attributes.is_empty() {
        write!(text, "&query.attributes={}", encoded(&object(attributes))).unwrap();
    }
    text
}

/// The traces of an envelope, in the order in which they appear.
pub(super) fn traces(envelope: &Json) -> Vec<u64> {
    let mut traces = Vec::new();
    for resource in envelope["result"]["resourceSpans"].as_array().unwrap() {
        for span in
            resource["scopeSpans"].as_array().unwrap().iter().flat_map(|scope| scope["spans"].as_array().unwrap())
        {
            let id = u64::from_str_radix(span["traceId"].as_str().unwrap(), 16).unwrap();
            if !traces.contains(&id) {
                traces.push(id);
            }
        }
    }
    traces
}

#[tokio::test]
async fn every_condition_finds_what_it_says() {
    let jaeger = Jaeger::with(shop()).await;
    for (named, attributes, expected) in CONDITIONS {
        let parameters = parameters(named, attributes);
        let answer = jaeger.get(&format!("/api/v3/traces?{parameters}")).await;
        if expected.is_empty() {
            assert_eq!(answer.status.as_u16(), 404, "{named:?} {attributes:?}");
            assert_eq!(answer.json(), json!({ "error": { "httpCode": 404, "message": "No traces found" } }));
        } else {
            assert_eq!(answer.status.as_u16(), 200, "{named:?} {attributes:?}: {}", answer.text());
            assert_eq!(traces(&answer.json()), expected, "{named:?} {attributes:?}");
        }
        let summaries = jaeger.json(&format!("/api/v3/trace-summaries?{parameters}")).await;
        let ids = summaries["summaries"].as_array().unwrap().iter();
        let ids: Vec<_> = ids.map(|one| u64::from_str_radix(one["traceId"].as_str().unwrap(), 16).unwrap()).collect();
        assert_eq!(ids, expected, "{named:?} {attributes:?}");
    }
}

#[tokio::test]
async fn both_ends_of_the_time_belong_to_it() {
    let jaeger = Jaeger::with(shop()).await;
    let at = async |min: &str, max: &str| {
        let range =
            format!("query.start_time_min=1970-01-01T00:00:{min}Z&query.start_time_max=1970-01-01T00:00:{max}Z");
        let answer = jaeger.get(&format!("/api/v3/traces?{range}")).await;
        if answer.status.as_u16() == 404 { vec![] } else { traces(&answer.json()) }
    };
    assert_eq!(at("01", "01").await, [1]);
    assert_eq!(at("01", "02").await, [2, 1]);
    assert_eq!(at("01.000000001", "01.999999999").await, Vec::<u64>::new());
    // One span is in the time, and the trace is whole.
    let path =
        "/api/v3/traces?query.startTimeMin=1970-01-01T00:00:02.000000001Z&query.startTimeMax=1970-01-01T00:00:03Z";
    let found = jaeger.json(path).await;
    let spans = found.to_string().matches("\"spanId\"").count();
    assert_eq!((traces(&found), spans), (vec![3, 2], 3));
}

#[tokio::test]
async fn a_trace_is_told_in_otlp() {
    let jaeger = Jaeger::with(shop()).await;
    let route = json!({ "key": "http.route", "value": { "stringValue": "/" } });
    let name = |name: &str| json!({ "attributes": [{ "key": "service.name", "value": { "stringValue": name } }] });
    let expected = json!({ "result": { "resourceSpans": [
        { "resource": name("shop"), "scopeSpans": [{ "scope": {}, "spans": [{
            "traceId": "00000000000000000000000000000002", "spanId": "0000000000000002", "name": "get", "kind": 2,
            "startTimeUnixNano": "2000000000", "endTimeUnixNano": "2000005000", "attributes": [route], "status": {},
        }] }] },
        { "resource": name("db"), "scopeSpans": [{
            "scope": { "name": "lib", "version": "1", "attributes": [{ "key": "k", "value": { "stringValue": "scope" } }] },
            "spans": [{
                "traceId": "00000000000000000000000000000002", "spanId": "0000000000000003",
                "parentSpanId": "0000000000000002", "name": "select", "kind": 3,
                "startTimeUnixNano": "2000000001", "endTimeUnixNano": "2001500000", "attributes": [route], "status": {},
            }],
        }] },
    ] } });
    for id in ["2", "0000000000000002", "00000000000000000000000000000002", "AAAAAAAAAAAAAAAAAAAAAg=="] {
        assert_eq!(jaeger.json(&format!("/api/v3/traces/{id}")).await, expected, "{id}");
    }
    let answer = jaeger.get("/api/v3/traces/77").await;
    assert_eq!(answer.status.as_u16(), 404);
    assert_eq!(answer.json(), json!({ "error": { "httpCode": 404, "message": "No traces found" } }));
}

/// As Jaeger's page and Grafana's data source (with its switch for gRPC endpoints) were seen to send them.
#[tokio::test]
async fn recorded_requests_are_understood() {
    let jaeger = Jaeger::with(shop()).await;
    for path in [
        "/api/v3/services",
        "/api/v3/operations?service=shop",
        "/api/v3/operations?service=shop&span_kind=server",
        "/api/v3/trace-summaries?query.serviceName=shop&query.startTimeMin=1970-01-01T00%3A00%3A00.000Z\
         &query.startTimeMax=2026-11-29T07%3A00%3A00.000Z&query.searchDepth=20",
        "/api/v3/traces?query.service_name=shop&query.start_time_min=1970-01-01T00%3A00%3A00Z\
         &query.start_time_max=2026-11-29T07%3A00%3A00Z&query.num_traces=20&query.duration_min=1us&query.raw_traces=true",
        "/api/v3/traces/00000000000000000000000000000001?start_time=1970-01-01T02:00:00+02:00\
         &end_time=2026-11-29T09:00:00+02:00",
        "/api/v3/traces/1?startTime=1970-01-01T00:00:00Z&endTime=2026-11-29T09:00:00Z&rawTraces=false",
    ] {
        jaeger.json(path).await;
    }
}

#[tokio::test]
async fn names_are_listed_also_when_there_are_none() {
    let jaeger = Jaeger::with(shop()).await;
    assert_eq!(jaeger.json("/api/v3/services").await, json!({ "services": ["db", "shop", "unknown_service"] }));
    let operation = |name: &str, kind: &str| json!({ "operations": [{ "name": name, "spanKind": kind }] });
    assert_eq!(jaeger.json("/api/v3/operations?service=db").await, operation("select", "client"));
    assert_eq!(jaeger.json("/api/v3/operations?service=db&spanKind=client").await, operation("select", "client"));
    assert_eq!(jaeger.json("/api/v3/operations?service=db&spanKind=server").await, json!({ "operations": [] }));
    assert_eq!(jaeger.json("/api/v3/operations?service=none").await, json!({ "operations": [] }));
    assert_eq!(jaeger.json("/api/v3/operations?service=unknown_service").await, operation("odd", "internal"));
    assert_eq!(Jaeger::with(vec![]).await.json("/api/v3/services").await, json!({ "services": [] }));
}

#[tokio::test]
async fn a_summary_says_all_of_its_trace() {
    let jaeger = Jaeger::with(shop()).await;
    let found = jaeger.json(&format!("/api/v3/trace-summaries?{ALL_TIME}&query.searchDepth=3")).await;
    let service = |name: &str| json!({ "name": name, "spanCount": 1, "errorSpanCount": 0 });
    assert_eq!(
        found["summaries"][2],
        json!({
            "traceId": "00000000000000000000000000000002", "rootServiceName": "shop", "rootOperationName": "get",
            "minStartTimeUnixNano": "2000000000", "maxEndTimeUnixNano": "2001500000",
            "spanCount": 2, "errorSpanCount": 0, "orphanSpanCount": 0, "services": [service("db"), service("shop")],
        })
    );
    assert_eq!(
        (&found["summaries"][1]["orphanSpanCount"], &found["summaries"][1]["rootServiceName"]),
        (&json!(1), &json!(""))
    );
    let none = jaeger.json(&format!("/api/v3/trace-summaries?{ALL_TIME}&query.serviceName=none")).await;
    assert_eq!(none, json!({ "summaries": [] }));
}

#[tokio::test]
async fn calls_are_counted_in_a_time() {
    let jaeger = Jaeger::with(shop()).await;
    let asked = async |start: &str, end: &str| {
        let path = format!("/api/v3/dependencies?startTime=1970-01-01T00:{start}Z&endTime=1970-01-01T00:{end}Z");
        jaeger.json(&path).await
    };
    let expected = json!({ "dependencies": [{ "parent": "shop", "child": "db", "callCount": "1" }] });
    // Of whole minutes.
    assert_eq!(asked("00:00", "00:30").await, expected);
    assert_eq!(asked("00:59", "01:30").await, expected);
    assert_eq!(asked("01:00", "01:30").await, json!({ "dependencies": [] }));
}

#[tokio::test]
async fn a_search_may_come_in_a_body() {
    let jaeger = Jaeger::with(shop()).await;
    let body = json!({ "query": {
        "service_name": "shop", "startTimeMin": "1970-01-01T00:00:00Z", "start_time_max": "2100-01-01T00:00:00Z",
        "attributes": { "k": "200" }, "searchDepth": 5, "rawTraces": true, "filter": null,
    } });
    let answer = jaeger.post("/api/v3/traces", body.to_string()).await;
    assert_eq!((answer.status.as_u16(), traces(&answer.json())), (200, vec![1]));
    let answer = jaeger.post("/api/v3/trace-summaries", body.to_string()).await;
    assert_eq!(answer.json()["summaries"].as_array().unwrap().len(), 1);
}

/// Scenario: a client and a server share an id, as Zipkin's tracers make them. Guarantee: both are shown, the server's below
/// the client's; and raw they are as they were sent.
#[tokio::test]
async fn shared_ids_are_parted_unless_the_trace_is_asked_for_raw() {
    let client = Span { kind: SpanKind::CLIENT, ..span(1, 5, 1) };
    let server = Span { resource: service("db"), start: UnixNanos(2), ..span(1, 5, 2) };
    let below = Span { parent_span_id: Some(span_id(5)), kind: SpanKind::INTERNAL, ..span(1, 7, 3) };
    let jaeger = Jaeger::with(vec![client, server, below]).await;
    let ids = async |path: &str| {
        let found = jaeger.json(path).await;
        let resources = found["result"]["resourceSpans"].as_array().unwrap().clone();
        let spans = resources.iter().flat_map(|one| one["scopeSpans"][0]["spans"].as_array().unwrap().clone());
        let digit = |id: &Json| id.as_str().map_or(0, |id| u64::from_str_radix(id, 16).unwrap());
        let mut ids: Vec<_> = spans.map(|span| (digit(&span["spanId"]), digit(&span["parentSpanId"]))).collect();
        ids.sort_unstable();
        ids
    };
    for path in ["/api/v3/traces/1?", &format!("/api/v3/traces?{ALL_TIME}&query.")] {
        assert_eq!(ids(path.trim_end_matches("&query.")).await, [(5, 0), (6, 5), (7, 6)], "{path}");
        let raw = format!("{path}rawTraces=1");
        assert_eq!(ids(&raw).await, [(5, 0), (5, 0), (7, 5)], "{raw}");
    }
}

#[tokio::test]
async fn what_is_too_much_is_said_and_not_cut() {
    let settings = QuerySettings { trace_spans_max: 1, ..QuerySettings::default() };
    let jaeger = Jaeger::limited(shop(), settings).await;
    for path in ["/api/v3/traces/2", &format!("/api/v3/traces?{ALL_TIME}")] {
        let answer = jaeger.get(path).await;
        assert_eq!((answer.status.as_u16(), &answer.json()["error"]["httpCode"]), (422, &json!(422)), "{path}");
        assert!(answer.text().contains("more than 1 span"), "{path}: {}", answer.text());
    }
}
