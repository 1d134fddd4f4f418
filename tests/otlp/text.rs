//! The JSON form of a message, as the specification writes it.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Sent;
use opentelemetry_proto::tonic::common::v1::{AnyValue, EntityRef, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use serde_json::{Value, json};

pub(crate) fn json_text(request: &ExportTraceServiceRequest) -> String {
    json!({ "resourceSpans": list(&request.resource_spans, resource_spans) }).to_string()
}

fn list<T>(items: &[T], form: impl Fn(&T) -> Value) -> Value {
    Value::Array(items.iter().map(form).collect())
}

pub(crate) fn resource_spans(sent: &ResourceSpans) -> Value {
    json!({
        "scopeSpans": list(&sent.scope_spans, scope_spans),
        "resource": sent.resource.as_ref().map(resource),
        "schemaUrl": sent.schema_url,
    })
}

fn resource(sent: &Resource) -> Value {
    json!({
        "attributes": list(&sent.attributes, key_value),
        "droppedAttributesCount": sent.dropped_attributes_count,
        "entityRefs": list(&sent.entity_refs, entity_ref),
    })
}

fn entity_ref(sent: &EntityRef) -> Value {
    json!({
        "schemaUrl": sent.schema_url,
        "type": sent.r#type,
        "idKeys": sent.id_keys,
        "descriptionKeys": sent.description_keys,
    })
}

fn scope_spans(sent: &ScopeSpans) -> Value {
    json!({
        "spans": list(&sent.spans, span),
        "scope": sent.scope.as_ref().map(scope),
        "schemaUrl": sent.schema_url,
    })
}

fn scope(sent: &InstrumentationScope) -> Value {
    json!({
        "name": sent.name,
        "version": sent.version,
        "attributes": list(&sent.attributes, key_value),
        "droppedAttributesCount": sent.dropped_attributes_count,
    })
}

fn span(sent: &Span) -> Value {
    json!({
        "traceId": hex(&sent.trace_id),
        "spanId": hex(&sent.span_id),
        "traceState": sent.trace_state,
        "parentSpanId": hex(&sent.parent_span_id),
        "flags": sent.flags,
        "name": sent.name,
        "kind": sent.kind,
        "startTimeUnixNano": sent.start_time_unix_nano.to_string(),
        "endTimeUnixNano": sent.end_time_unix_nano.to_string(),
        "attributes": list(&sent.attributes, key_value),
        "droppedAttributesCount": sent.dropped_attributes_count,
        "events": list(&sent.events, event),
        "droppedEventsCount": sent.dropped_events_count,
        "links": list(&sent.links, link),
        "droppedLinksCount": sent.dropped_links_count,
        "status": sent.status.as_ref().map(status),
    })
}

fn event(sent: &Event) -> Value {
    json!({
        "timeUnixNano": sent.time_unix_nano.to_string(),
        "name": sent.name,
        "attributes": list(&sent.attributes, key_value),
        "droppedAttributesCount": sent.dropped_attributes_count,
    })
}

fn link(sent: &Link) -> Value {
    json!({
        "traceId": hex(&sent.trace_id),
        "spanId": hex(&sent.span_id),
        "traceState": sent.trace_state,
        "attributes": list(&sent.attributes, key_value),
        "droppedAttributesCount": sent.dropped_attributes_count,
        "flags": sent.flags,
    })
}

fn status(sent: &Status) -> Value {
    json!({ "message": sent.message, "code": sent.code })
}

fn key_value(sent: &KeyValue) -> Value {
    json!({ "key": sent.key, "value": sent.value.as_ref().map(any_value), "keyStrindex": sent.key_strindex })
}

fn any_value(sent: &AnyValue) -> Value {
    match &sent.value {
        None => json!({}),
        Some(Sent::StringValue(text)) => json!({ "stringValue": text }),
        Some(Sent::BoolValue(bool)) => json!({ "boolValue": bool }),
        Some(Sent::IntValue(int)) => json!({ "intValue": int.to_string() }),
        Some(Sent::DoubleValue(double)) => json!({ "doubleValue": double_value(*double) }),
        Some(Sent::ArrayValue(array)) => json!({ "arrayValue": { "values": list(&array.values, any_value) } }),
        Some(Sent::KvlistValue(map)) => json!({ "kvlistValue": { "values": list(&map.values, key_value) } }),
        Some(Sent::BytesValue(bytes)) => json!({ "bytesValue": BASE64_STANDARD.encode(bytes) }),
        Some(Sent::StringValueStrindex(index)) => json!({ "stringValueStrindex": index }),
    }
}

fn double_value(double: f64) -> Value {
    if double.is_finite() {
        return json!(double);
    }
    json!(if double.is_nan() {
        "NaN"
    } else if double > 0.0 {
        "Infinity"
    } else {
        "-Infinity"
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02X}"))
}
