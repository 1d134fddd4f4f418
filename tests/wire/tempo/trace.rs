//! A trace by its id, in both versions and both forms.

use std::sync::Arc;

use opentelemetry_proto::tonic::trace::v1::TracesData;
use prost::Message;
use tracewell::model::{Link, Span};
use tracewell::otlp::encode;
use tracewell::query::QuerySettings;
use tracewell::server::generated::tempopb::{PartialStatus, TraceByIdResponse};
use tracewell::store::memory::MemoryStore;
use tracewell::store::{Batch, SpanStore};

use super::{Served, spans};
use crate::support::{span, span_id, trace_id};

const PROTOBUF: &str = "application/protobuf";

fn all_of_the_first() -> TracesData {
    let spans = spans();
    encode::traces_data(spans.iter().filter(|span| span.trace_id == trace_id(1)))
}

/// Guarantees: protobuf is what was sent, and of the first version the same bytes as OTLP's; an id may lack its zeros.
#[tokio::test]
async fn protobuf_is_otlps() {
    let served = Served::of(spans()).await;
    for path in ["1", "0000000000000001", &trace_id(1).to_string(), "1?start=5&end=3600"] {
        let v1 = served.get_accepting(&format!("/api/traces/{path}"), PROTOBUF).await;
        assert_eq!((v1.status.as_u16(), v1.header("content-type")), (200, Some(PROTOBUF)), "{path}");
        assert_eq!(TracesData::decode(v1.body).unwrap(), all_of_the_first());
        let v2 = served.get_accepting(&format!("/api/v2/traces/{path}"), PROTOBUF).await;
        let v2 = TraceByIdResponse::decode(v2.body).unwrap();
        assert_eq!(v2.trace.as_ref().unwrap().resource_spans, all_of_the_first().resource_spans);
        assert_eq!((v2.status(), v2.message.as_str()), (PartialStatus::Complete, ""));
    }
}

/// Guarantees: JSON has ids in base64 and enums by their names; the first version calls batches what the second calls
/// resource spans.
#[tokio::test]
async fn json_has_base64_and_names() {
    let link = Link { trace_id: Some(trace_id(1)), span_id: Some(span_id(2)), ..Link::default() };
    let [root, child, orphan]: [Span; 3] = spans().try_into().unwrap();
    let served = Served::of(vec![root, Span { links: vec![link], ..child }, orphan]).await;
    let v1 = served.get("/tempo/api/traces/1").await.json();
    assert_eq!(v1.as_object().unwrap().keys().collect::<Vec<_>>(), ["batches"]);
    let child = &v1["batches"][1]["scopeSpans"][0]["spans"][0];
    assert_eq!(child["traceId"], "AAAAAAAAAAAAAAAAAAAAAQ==");
    assert_eq!([&child["spanId"], &child["parentSpanId"]], ["AAAAAAAAAAI=", "AAAAAAAAAAE="]);
    assert_eq!([&child["links"][0]["traceId"], &child["links"][0]["spanId"]], [&child["traceId"], &child["spanId"]]);
    assert_eq!([&child["kind"], &child["status"]["code"]], ["SPAN_KIND_SERVER", "STATUS_CODE_ERROR"]);
    assert_eq!(child["startTimeUnixNano"], "10000000001");
    assert_eq!(v1["batches"][0]["scopeSpans"][0]["spans"][0]["attributes"][1]["value"]["intValue"], "3");
    let v2 = served.get("/api/v2/traces/1").await.json();
    assert_eq!(v2["trace"]["resourceSpans"], v1["batches"]);
    assert!(v2["metrics"].is_object() && v2.get("status").is_none() && v2.get("message").is_none());
}

/// Guarantees: what is not there is 404 in the first version, and in the second an answer whose trace is set and empty.
#[tokio::test]
async fn what_is_not_there_is_an_empty_trace() {
    let served = Served::of(spans()).await;
    let v2 = served.get_accepting("/api/v2/traces/5", PROTOBUF).await;
    assert_eq!(v2.status, 200);
    assert!(TraceByIdResponse::decode(v2.body).unwrap().trace.unwrap().resource_spans.is_empty());
    assert!(served.get("/api/v2/traces/5").await.json()["trace"].is_object());
    for accepted in [PROTOBUF, "application/json"] {
        let v1 = served.get_accepting("/tempo/api/traces/5", accepted).await;
        assert_eq!((v1.status.as_u16(), v1.text()), (404, &*format!("trace {} not found", trace_id(5))));
    }
}

/// Scenario: a trace that is larger than an answer may be. Guarantees: the second version gives a part and says so; the
/// first, which can not say it, gives none.
#[tokio::test]
async fn a_trace_that_is_too_large_is_partial() {
    let store = MemoryStore::default();
    store.write(&[Batch::new((1..=9).map(|id| span(1, id, id)).collect())]).await.unwrap();
    let settings = QuerySettings { trace_spans_max: 5, ..QuerySettings::default() };
    let served = Served::with(Arc::new(store), settings).await;
    let v2 = served.get("/api/v2/traces/1").await.json();
    assert_eq!(v2["trace"]["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array().unwrap().len(), 5);
    assert_eq!(v2["status"], "PARTIAL");
    assert!(v2["message"].as_str().unwrap().contains("these are the first 5 of its spans"));
    let v1 = served.get("/tempo/api/traces/1").await;
    assert_eq!(v1.status, 422);
    assert!(v1.text().contains("/api/v2/traces/"), "{}", v1.text());
}

/// Guarantees: the paths by which Grafana and others see that somebody is there.
#[tokio::test]
async fn the_door_says_that_it_is_there() {
    let served = Served::of(vec![]).await;
    assert_eq!(served.get("/api/echo").await.text(), "echo");
    let info = served.get("/api/status/buildinfo").await.json();
    assert_eq!(info["version"], format!("3.0.0+tracewell.{}", env!("CARGO_PKG_VERSION")));
}

/// Scenario: a path that Jaeger has as well. Guarantee: who accepts protobuf has Tempo's answer, anybody else Jaeger's; below
/// `/tempo` all have Tempo's.
#[tokio::test]
async fn a_path_of_two_is_tempos_for_who_accepts_protobuf() {
    let served = Served::of(spans()).await;
    let tempos = served.get_accepting("/api/traces/1", PROTOBUF).await;
    assert_eq!(TracesData::decode(tempos.body).unwrap(), all_of_the_first());
    for accepted in ["application/json", "*/*"] {
        let jaegers = served.get_accepting("/api/traces/1", accepted).await.json();
        assert_eq!(jaegers["data"][0]["spans"].as_array().map(Vec::len), Some(2));
    }
    for path in ["/tempo/api/echo", "/api/echo"] {
        assert_eq!(served.get(path).await.body, "echo");
    }
    let tempos = served.get_accepting("/tempo/api/traces/1", PROTOBUF).await;
    assert_eq!(TracesData::decode(tempos.body).unwrap(), all_of_the_first());
}
