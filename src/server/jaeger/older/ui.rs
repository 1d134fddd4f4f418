//! Spans as Jaeger's page has them: `/api/traces`, and what `/api/transform` makes of OTLP.
//!
//! A pure conversion. Envelopes, statuses and paths are the door's; what is changed in a trace before it is shown is in
//! `adjust.rs`.

use std::collections::HashMap;
use std::fmt::{Arguments, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value as Json, json};

use super::super::names::KINDS;
use crate::model::{Attribute, Attributes, Event, Link, Resource, Span, StatusCode, TraceId, UnixNanos, Value};

/// Beyond this, a reader in JavaScript would round a whole number: it is sent as a text.
const EXACT_INT_MAX: u64 = 1 << 53;
const NANOS_PER_MICRO: u64 = 1_000;
/// The attribute by which the bridge from `OpenTracing` says what a link is.
const REFERENCE_TYPE: &str = "opentracing.ref_type";

/// Writes one trace; its spans are in the order given. One span at a time is a tree: a trace may have many.
pub(super) fn write_trace(trace_id: TraceId, spans: &[Span], out: &mut String) {
    let mut processes = Processes::default();
    write_out(out, format_args!("{{\"traceID\":\"{}\",\"spans\":[", trace_id_text(trace_id)));
    for (at, one) in spans.iter().enumerate() {
        let comma = if at == 0 { "" } else { "," };
        write_out(out, format_args!("{comma}{}", span(one, &processes.name(one))));
    }
    let processes = Json::Object(processes.shown);
    write_out(out, format_args!("],\"processes\":{processes},\"warnings\":null}}"));
}

/// Writing to a text can not fail.
fn write_out(out: &mut String, text: Arguments<'_>) {
    let _ = out.write_fmt(text);
}

/// Resources, each under a name of its own: `p1`, `p2`, and so on.
#[derive(Default)]
struct Processes {
    names: HashMap<i64, String>,
    shown: Map<String, Json>,
}

impl Processes {
    fn name(&mut self, span: &Span) -> String {
        let next = self.names.len().saturating_add(1);
        let name = self.names.entry(span.resource.key()).or_insert_with(|| {
            let name = format!("p{next}");
            self.shown.insert(name.clone(), process(&span.resource));
            name
        });
        name.clone()
    }
}

fn process(resource: &Resource) -> Json {
    let others = resource.attributes.iter().filter(|attribute| attribute.key != "service.name");
    json!({ "serviceName": resource.service(), "tags": others.map(tag).collect::<Vec<_>>() })
}

fn span(span: &Span, process: &str) -> Json {
    json!({
        "traceID": trace_id_text(span.trace_id),
        "spanID": span.span_id.to_string(),
        "operationName": span.name,
        "references": references(span),
        "startTime": micros(span.start),
        "duration": span.duration_nanos().checked_div(NANOS_PER_MICRO),
        "tags": tags(span),
        "logs": span.events.iter().map(log).collect::<Vec<_>>(),
        "processID": process,
        "warnings": null,
    })
}

/// An id of 64 bits has 16 digits.
pub(super) fn trace_id_text(id: TraceId) -> String {
    let text = id.to_string();
    text.strip_prefix("0000000000000000").map(ToOwned::to_owned).unwrap_or(text)
}

/// The parent first, then the links. A link without ids points nowhere, and is not shown.
fn references(span: &Span) -> Vec<Json> {
    let reference = |kind: &str, trace_id: TraceId, span_id: String| json!({ "refType": kind, "traceID": trace_id_text(trace_id), "spanID": span_id });
    let parent = span.parent_span_id.map(|id| reference("CHILD_OF", span.trace_id, id.to_string()));
    let links = span
        .links
        .iter()
        .filter_map(|link| Some(reference(reference_type(link), link.trace_id?, link.span_id?.to_string())));
    parent.into_iter().chain(links).collect()
}

fn reference_type(link: &Link) -> &'static str {
    if link.attributes.get_text(REFERENCE_TYPE) == Some("child_of") { "CHILD_OF" } else { "FOLLOWS_FROM" }
}

/// The span's attributes, and what else it has that Jaeger shows as such.
fn tags(span: &Span) -> Vec<Json> {
    let mut tags: Vec<_> = span.attributes.iter().map(tag).collect();
    let mut add = |key: &str, value: Value| tags.push(tag(&Attribute { key: key.to_owned(), value }));
    for (key, text) in [("otel.scope.name", &span.scope.name), ("otel.scope.version", &span.scope.version)] {
        if !text.is_empty() {
            add(key, Value::String(text.clone()));
        }
    }
    if let Some((name, _)) = KINDS.iter().find(|(_, kind)| *kind == span.kind) {
        add("span.kind", Value::from(*name));
    }
    match span.status.code {
        StatusCode::OK => add("otel.status_code", Value::from("OK")),
        StatusCode::ERROR => {
            add("otel.status_code", Value::from("ERROR"));
            add("error", Value::Bool(true));
        }
        _ => {}
    }
    if !span.status.message.is_empty() {
        add("otel.status_description", Value::String(span.status.message.clone()));
    }
    if !span.trace_state.is_empty() {
        add("w3c.tracestate", Value::String(span.trace_state.clone()));
    }
    tags
}

/// An event, its name among its fields.
fn log(event: &Event) -> Json {
    let name = Attribute { key: "event".to_owned(), value: Value::String(event.name.clone()) };
    let name = Some(&name).filter(|name| name.value != Value::from(""));
    let fields: Vec<_> = name.into_iter().chain(&event.attributes).map(tag).collect();
    json!({ "timestamp": micros(event.time), "fields": fields })
}

fn tag(attribute: &Attribute) -> Json {
    let (kind, value) = match &attribute.value {
        Value::Bool(value) => ("bool", json!(value)),
        Value::Int(value) if value.unsigned_abs() > EXACT_INT_MAX => ("int64", json!(value.to_string())),
        Value::Int(value) => ("int64", json!(value)),
        Value::Double(value) if value.is_finite() => ("float64", json!(value)),
        // JSON has no number for it.
        Value::Double(value) => ("float64", json!(value.to_string())),
        Value::Bytes(bytes) => ("binary", json!(STANDARD.encode(bytes))),
        Value::String(text) => ("string", json!(text)),
        Value::Null => ("string", json!("")),
        list_or_map @ (Value::Array(_) | Value::Map(_)) => ("string", json!(plain(list_or_map).to_string())),
    };
    json!({ "key": attribute.key, "type": kind, "value": value })
}

/// A value as JSON has it, without types.
fn plain(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::String(text) => json!(text),
        Value::Bool(value) => json!(value),
        Value::Int(value) => json!(value),
        Value::Double(value) if value.is_finite() => json!(value),
        Value::Double(value) => json!(value.to_string()),
        Value::Bytes(bytes) => json!(STANDARD.encode(bytes)),
        Value::Array(values) => Json::Array(values.iter().map(plain).collect()),
        Value::Map(attributes) => object(attributes),
    }
}

fn object(attributes: &Attributes) -> Json {
    Json::Object(attributes.iter().map(|attribute| (attribute.key.clone(), plain(&attribute.value))).collect())
}

fn micros(time: UnixNanos) -> Option<u64> {
    time.0.checked_div(NANOS_PER_MICRO)
}
