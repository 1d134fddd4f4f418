//! Spans as Jaeger's page has them: `/api/traces`, and what `/api/transform` makes of OTLP.
//!
//! A pure conversion. Envelopes, statuses and paths are the door's; what is changed in a trace before it is shown is in
//! `adjust.rs`.

use std::borrow::Cow;
use std::collections::HashMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value as Tree, json};

use super::super::names::KINDS;
use crate::model::{Attributes, Event, Link, Resource, Span, StatusCode, TraceId, UnixNanos, Value};
use crate::otlp::encode_json::Json;

/// Beyond this, a reader in JavaScript would round a whole number: it is sent as a text.
const EXACT_INT_MAX: u64 = 1 << 53;
const NANOS_PER_MICRO: u64 = 1_000;
/// The attribute by which the bridge from `OpenTracing` says what a link is.
const REFERENCE_TYPE: &str = "opentracing.ref_type";

/// Writes one trace; its spans are in the order given.
pub(super) fn trace(json: &mut Json, trace_id: TraceId, spans: &[Span]) {
    let mut processes = Processes::default();
    json.object(|json| {
        text(json, "traceID", &trace_id_text(trace_id));
        json.name("spans");
        json.array(&processes.of(spans), |json, (span, process)| self::span(json, span, &name(*process)));
        json.name("processes");
        json.object(|json| {
            for (number, resource) in (1..).zip(&processes.shown) {
                json.key(&name(number));
                self::process(json, resource);
            }
        });
        null(json, "warnings");
    });
}

/// Resources, each with a number of its own.
#[derive(Default)]
struct Processes<'s> {
    numbers: HashMap<i64, usize>,
    shown: Vec<&'s Resource>,
}

impl<'s> Processes<'s> {
    /// The spans with the numbers of their resources.
    fn of(&mut self, spans: &'s [Span]) -> Vec<(&'s Span, usize)> {
        let number = |span: &'s Span| {
            let number = *self.numbers.entry(span.resource.key()).or_insert_with(|| {
                self.shown.push(&span.resource);
                self.shown.len()
            });
            (span, number)
        };
        spans.iter().map(number).collect()
    }
}

/// `p1`, `p2`, and so on.
fn name(process: usize) -> String {
    format!("p{process}")
}

fn process(json: &mut Json, resource: &Resource) {
    let mut others = own(&resource.attributes);
    others.retain(|(key, _)| *key != "service.name");
    json.object(|json| {
        text(json, "serviceName", resource.service());
        json.name("tags");
        json.array(&others, tag);
    });
}

fn span(json: &mut Json, span: &Span, process: &str) {
    json.object(|json| {
        text(json, "traceID", &trace_id_text(span.trace_id));
        text(json, "spanID", &span.span_id.to_string());
        text(json, "operationName", &span.name);
        json.name("references");
        json.array(&references(span), reference);
        json.name("startTime");
        json.integer(micros(span.start));
        json.name("duration");
        json.integer(span.duration_nanos() / NANOS_PER_MICRO);
        json.name("tags");
        json.array(&tags(span), tag);
        json.name("logs");
        json.array(&span.events, log);
        text(json, "processID", process);
        null(json, "warnings");
    });
}

/// A field that is a text, an empty one too.
fn text(json: &mut Json, name: &str, text: &str) {
    json.name(name);
    json.string(text);
}

fn null(json: &mut Json, name: &str) {
    json.name(name);
    json.raw("null");
}

/// An id of 64 bits has 16 digits.
pub(super) fn trace_id_text(id: TraceId) -> String {
    let text = id.to_string();
    text.strip_prefix("0000000000000000").map(ToOwned::to_owned).unwrap_or(text)
}

/// How a span refers to another one: the kind, and the other's ids.
type Reference = (&'static str, TraceId, String);

/// The parent first, then the links. A link without ids points nowhere, and is not shown.
fn references(span: &Span) -> Vec<Reference> {
    let parent = span.parent_span_id.map(|id| ("CHILD_OF", span.trace_id, id.to_string()));
    let links = span.links.iter();
    let links = links.filter_map(|link| Some((reference_type(link), link.trace_id?, link.span_id?.to_string())));
    parent.into_iter().chain(links).collect()
}

fn reference(json: &mut Json, (kind, trace_id, span_id): &Reference) {
    json.object(|json| {
        text(json, "refType", kind);
        text(json, "traceID", &trace_id_text(*trace_id));
        text(json, "spanID", span_id);
    });
}

fn reference_type(link: &Link) -> &'static str {
    if link.attributes.get_text(REFERENCE_TYPE) == Some("child_of") { "CHILD_OF" } else { "FOLLOWS_FROM" }
}

type Tag<'s> = (&'s str, Cow<'s, Value>);

/// The span's attributes, and what else it has that Jaeger shows as such.
fn tags(span: &Span) -> Vec<Tag<'_>> {
    let mut tags = own(&span.attributes);
    let mut add = |key, value| tags.push((key, Cow::Owned(value)));
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

fn own(attributes: &Attributes) -> Vec<Tag<'_>> {
    attributes.iter().map(|attribute| (&attribute.key[..], Cow::Borrowed(&attribute.value))).collect()
}

/// An event, its name among its fields.
fn log(json: &mut Json, event: &Event) {
    let mut fields = own(&event.attributes);
    if !event.name.is_empty() {
        fields.insert(0, ("event", Cow::Owned(Value::String(event.name.clone()))));
    }
    json.object(|json| {
        json.name("timestamp");
        json.integer(micros(event.time));
        json.name("fields");
        json.array(&fields, tag);
    });
}

fn tag(json: &mut Json, (key, value): &Tag<'_>) {
    let kind = match &**value {
        Value::Bool(_) => "bool",
        Value::Int(_) => "int64",
        Value::Double(_) => "float64",
        Value::Bytes(_) => "binary",
        Value::String(_) | Value::Null | Value::Array(_) | Value::Map(_) => "string",
    };
    json.object(|json| {
        text(json, "key", key);
        text(json, "type", kind);
        json.name("value");
        self::value(json, value);
    });
}

fn value(json: &mut Json, value: &Value) {
    match value {
        Value::Bool(_) => json.raw(&plain(value).to_string()),
        Value::Double(double) if double.is_finite() => json.raw(&plain(value).to_string()),
        // JSON has no number for it.
        Value::Double(double) => json.string(&double.to_string()),
        Value::Int(int) if int.unsigned_abs() > EXACT_INT_MAX => json.string(&int.to_string()),
        Value::Int(int) => json.integer(*int),
        Value::Bytes(bytes) => json.string(&STANDARD.encode(bytes)),
        Value::String(text) => json.string(text),
        Value::Null => json.string(""),
        Value::Array(_) | Value::Map(_) => json.string(&plain(value).to_string()),
    }
}

/// A value as JSON has it, without types.
fn plain(value: &Value) -> Tree {
    match value {
        Value::Null => Tree::Null,
        Value::String(text) => json!(text),
        Value::Bool(value) => json!(value),
        Value::Int(value) => json!(value),
        Value::Double(value) if value.is_finite() => json!(value),
        Value::Double(value) => json!(value.to_string()),
        Value::Bytes(bytes) => json!(STANDARD.encode(bytes)),
        Value::Array(values) => Tree::Array(values.iter().map(plain).collect()),
        Value::Map(attributes) => object(attributes),
    }
}

fn object(attributes: &Attributes) -> Tree {
    Tree::Object(attributes.iter().map(|attribute| (attribute.key.clone(), plain(&attribute.value))).collect())
}

fn micros(time: UnixNanos) -> u64 {
    time.0 / NANOS_PER_MICRO
}
