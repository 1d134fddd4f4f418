//! OTLP's formats in both directions, against prost's types as the oracle.
//!
//! `decode_protobuf` and `decode_json` go case by case. What holds for any bytes is said in `property`, and tried with
//! random requests (`random`), with the corpus of `fuzz/`, and with requests that were changed at random (`mutation`).
//! `messages` makes random requests, `text` writes their JSON form, `wire` writes protobuf by hand, for what prost would
//! never write.

mod decode_json;
mod decode_protobuf;
mod messages;
pub(crate) mod mutation;
pub(crate) mod property;
mod random;
pub(crate) mod text;
pub(crate) mod wire;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue, KeyValueList, any_value};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};

/// A span with good ids and nothing else.
fn good_span() -> Span {
    Span { trace_id: vec![1; 16], span_id: vec![2; 8], ..Span::default() }
}

/// A request with one group of spans.
fn request(spans: Vec<Span>) -> ExportTraceServiceRequest {
    let scope_spans = vec![ScopeSpans { spans, ..ScopeSpans::default() }];
    let resource = Some(Resource::default());
    ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans { resource, scope_spans, ..ResourceSpans::default() }],
    }
}

fn any(value: any_value::Value) -> AnyValue {
    AnyValue { value: Some(value) }
}

fn pair(key: &str, value: AnyValue) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(value), key_strindex: 0 }
}

/// A value of this depth, of arrays and maps in turn, or of maps only.
fn nested(depth: usize, maps_only: bool) -> AnyValue {
    let mut value = any(any_value::Value::IntValue(1));
    for level in 1..depth {
        value = any(if maps_only || level % 2 == 0 {
            any_value::Value::KvlistValue(KeyValueList { values: vec![pair("k", value)] })
        } else {
            any_value::Value::ArrayValue(ArrayValue { values: vec![value] })
        });
    }
    value
}
