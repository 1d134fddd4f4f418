//! `GetTrace`: every field of a span, and traces larger than a message.

use std::sync::Arc;

use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{self as common, AnyValue, ArrayValue, KeyValue, KeyValueList};
use prost::Message;
use prost_types::{Duration, Timestamp};
use tonic::codec::CompressionEncoding;
use tonic::{Code, Status};
use tracewell::model::{EntityRef, Event, Keyed, Link, Resource, Scope, Span, SpanKind, StatusCode, UnixNanos, Value};
use tracewell::server::generated::tracewell_v1::{self as proto, GetTraceRequest, GetTraceResponse};

use super::{Served, attributes, served, span, span_id, trace_id};

const MIB: usize = 1 << 20;

async fn get_trace(served: &Served, id: &str) -> Result<Vec<GetTraceResponse>, Status> {
    let mut client = served.client().max_decoding_message_size(16 * MIB);
    let mut stream = client.get_trace(GetTraceRequest { trace_id: id.to_owned() }).await?.into_inner();
    let mut chunks = Vec::new();
    while let Some(chunk) = stream.message().await? {
        chunks.push(chunk);
    }
    Ok(chunks)
}

/// A span in which nothing is at its default, with values of all types and numbers that OTLP does not define.
fn full_span() -> Span {
    let resource = Resource {
        attributes: attributes([("service.name", "shop".into()), ("host.name", "n1".into())]),
        dropped_attributes_count: 1,
        entity_refs: vec![EntityRef {
            schema_url: "e".to_owned(),
            entity_type: "host".to_owned(),
            id_keys: vec!["host.name".to_owned()],
            description_keys: vec!["host.type".to_owned()],
        }],
        schema_url: "r".to_owned(),
    };
    let scope = Scope {
        name: "lib".to_owned(),
        version: "2".to_owned(),
        attributes: attributes([("s", Value::Bool(true))]),
        dropped_attributes_count: 2,
        schema_url: "u".to_owned(),
    };
    Span {
        parent_span_id: Some(span_id(9)),
        trace_state: "a=b".to_owned(),
        flags: u32::MAX,
        kind: SpanKind(77),
        start: UnixNanos(1_700_000_000_123_456_789),
        end: UnixNanos(u64::MAX),
        attributes: attributes([
            ("list", Value::Array(vec![Value::Int(i64::MIN), Value::Double(1.0), Value::Null])),
            ("map", Value::Map(attributes([("bytes", Value::Bytes(vec![0, 255]))]))),
            ("text", "\0".into()),
        ]),
        dropped_attributes_count: 3,
        events: vec![Event {
            time: UnixNanos(1),
            name: "exception".to_owned(),
            attributes: attributes([("e", Value::Int(1))]),
            dropped_attributes_count: 4,
        }],
        dropped_events_count: 5,
        links: vec![
            Link {
                trace_id: Some(trace_id(3)),
                span_id: Some(span_id(4)),
                trace_state: "c=d".to_owned(),
                attributes: attributes([("l", Value::Int(2))]),
                dropped_attributes_count: 6,
                flags: 7,
            },
            Link::default(),
        ],
        dropped_links_count: 8,
        status: tracewell::model::Status { code: StatusCode(9), message: "bad".to_owned() },
        resource: Arc::new(Keyed::new(resource)),
        scope: Arc::new(Keyed::new(scope)),
        ..span(1, 2, 0)
    }
}

fn any(value: Any) -> AnyValue {
    AnyValue { value: Some(value) }
}

fn pair(key: &str, value: AnyValue) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(value), ..KeyValue::default() }
}

fn text(text: &str) -> AnyValue {
    any(Any::StringValue(text.to_owned()))
}

fn full_resource() -> proto::Resource {
    proto::Resource {
        attributes: vec![pair("service.name", text("shop")), pair("host.name", text("n1"))],
        dropped_attributes_count: 1,
        schema_url: "r".to_owned(),
        entity_refs: vec![common::EntityRef {
            schema_url: "e".to_owned(),
            r#type: "host".to_owned(),
            id_keys: vec!["host.name".to_owned()],
            description_keys: vec!["host.type".to_owned()],
        }],
    }
}

fn full_link() -> proto::Link {
    proto::Link {
        trace_id: "03030303030303030303030303030303".to_owned(),
        span_id: "0404040404040404".to_owned(),
        trace_state: "c=d".to_owned(),
        attributes: vec![pair("l", any(Any::IntValue(2)))],
        dropped_attributes_count: 6,
        flags: 7,
    }
}

fn full_attributes() -> Vec<KeyValue> {
    let list = vec![any(Any::IntValue(i64::MIN)), any(Any::DoubleValue(1.0)), AnyValue::default()];
    let map = vec![pair("bytes", any(Any::BytesValue(vec![0, 255])))];
    vec![
        pair("list", any(Any::ArrayValue(ArrayValue { values: list }))),
        pair("map", any(Any::KvlistValue(KeyValueList { values: map }))),
        pair("text", text("\0")),
    ]
}

fn full_message() -> proto::Span {
    let event = proto::Event {
        time: Some(Timestamp { seconds: 0, nanos: 1 }),
        name: "exception".to_owned(),
        attributes: vec![pair("e", any(Any::IntValue(1)))],
        dropped_attributes_count: 4,
    };
    let scope = proto::Scope {
        name: "lib".to_owned(),
        version: "2".to_owned(),
        attributes: vec![pair("s", any(Any::BoolValue(true)))],
        dropped_attributes_count: 2,
        schema_url: "u".to_owned(),
    };
    proto::Span {
        trace_id: "01010101010101010101010101010101".to_owned(),
        span_id: "0202020202020202".to_owned(),
        parent_span_id: "0909090909090909".to_owned(),
        service: "shop".to_owned(),
        node: "n1".to_owned(),
        name: "buy".to_owned(),
        kind: 77,
        start_time: Some(Timestamp { seconds: 1_700_000_000, nanos: 123_456_789 }),
        end_time: Some(Timestamp { seconds: 18_446_744_073, nanos: 709_551_615 }),
        // The longest duration that there is: 292 years.
        duration: Some(Duration { seconds: 9_223_372_036, nanos: 854_775_807 }),
        status: Some(proto::Status { code: 9, message: "bad".to_owned() }),
        attributes: full_attributes(),
        dropped_attributes_count: 3,
        events: vec![event],
        dropped_events_count: 5,
        links: vec![full_link(), proto::Link::default()],
        dropped_links_count: 8,
        trace_state: "a=b".to_owned(),
        flags: u32::MAX,
        resource: Some(full_resource()),
        scope: Some(scope),
    }
}

/// Guarantees: every field of a span is in the answer, unknown numbers as they were sent.
#[tokio::test]
async fn a_span_is_shown_whole() {
    let served = served(vec![full_span(), span(2, 1, 1)]).await;
    let chunks = get_trace(&served, "01010101010101010101010101010101").await.unwrap();
    assert_eq!(chunks, [GetTraceResponse { spans: vec![full_message()] }]);
}

/// Guarantees: an id may be in upper case, and of 16 digits when its upper half is zero.
#[tokio::test]
async fn ids_come_in_either_case_and_width() {
    let short = tracewell::model::TraceId::parse_hex("00000000000000000abcdef012345678").unwrap();
    let served = served(vec![Span { trace_id: short, ..span(1, 1, 1) }, span(0xaf, 1, 1)]).await;
    for id in ["0abcdef012345678", "0ABCDEF012345678", "00000000000000000ABCDEF012345678", &"aF".repeat(16)] {
        assert_eq!(get_trace(&served, id).await.unwrap().len(), 1, "{id}");
    }
}

/// Guarantees: a trace nobody sent is not found, and the answer says which.
#[tokio::test]
async fn an_unknown_trace_is_not_found() {
    let served = served(vec![span(1, 1, 1)]).await;
    let status = get_trace(&served, &"0a".repeat(16)).await.unwrap_err();
    assert_eq!(status.code(), Code::NotFound);
    assert_eq!(status.message(), format!("trace {} not found", "0a".repeat(16)));
}

/// Scenario: a trace of 8 MiB, in its midst a span of 5 MiB. Guarantees: all spans come in order; a message is larger
/// than 1 MiB only when it is that span's, and has it alone; and messages are not made smaller than they need be.
#[tokio::test]
async fn a_large_trace_comes_in_pieces() {
    let of_size = |at: u64, bytes: usize| {
        let attributes = attributes([("payload", Value::Bytes(vec![7; bytes]))]);
        Span { attributes, ..span(1, 1, at) }
    };
    let spans: Vec<_> = (0..800).map(|at| of_size(at, if at == 400 { 5 * MIB } else { 4 << 10 })).collect();
    let served = served(spans).await;
    let chunks = get_trace(&served, &"01".repeat(16)).await.unwrap();
    for chunk in &chunks {
        assert!(chunk.encoded_len() <= MIB || chunk.spans.len() == 1);
    }
    let times = chunks.iter().flat_map(|chunk| &chunk.spans).map(|span| span.start_time.unwrap().nanos);
    assert!(times.eq(0..800));
    assert!(chunks.len() < 8, "{}", chunks.len());
}

/// Guarantees: a client that asks for gzip or zstd gets it, and one that sends it is understood.
#[tokio::test]
async fn messages_are_compressed_as_the_client_likes_it() {
    let served = served(vec![span(1, 1, 1)]).await;
    for (encoding, name) in [(CompressionEncoding::Gzip, "gzip"), (CompressionEncoding::Zstd, "zstd")] {
        let mut client = served.client().accept_compressed(encoding).send_compressed(encoding);
        let response = client.get_trace(GetTraceRequest { trace_id: "01".repeat(16) }).await.unwrap();
        assert_eq!(response.metadata().get("grpc-encoding").unwrap(), name);
        assert_eq!(response.into_inner().message().await.unwrap().unwrap().spans.len(), 1);
    }
    let response = served.client().get_trace(GetTraceRequest { trace_id: "01".repeat(16) }).await.unwrap();
    assert!(response.metadata().get("grpc-encoding").is_none());
}
