//! From the model to Zipkin: a span that came by Zipkin as it came, one that came by OTLP as OpenTelemetry's exporters for
//! Zipkin say it, so that it looks the same whichever way it took.
//!
//! Of the latter, what has no place with Zipkin becomes tags: the resource's attributes, the scope (`otel.scope.…`), the
//! status (`otel.status_code`, and `error` of a failed one), counts of what was dropped (`otel.dropped_…_count`),
//! `w3c.tracestate`. Links are not shown.

use std::collections::BTreeMap;
use std::net::IpAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::marks::{self, Marks};
use super::{Annotation, Endpoint, Kind, Span};
use crate::model::{self, Attributes, SpanKind, StatusCode, UnixNanos, Value};

/// Who is on the other side, by the attributes that say it, the best first; with the one that has the port.
pub const PEER_KEYS: [(&str, Option<&str>); 11] = [
    ("peer.service", None),
    ("server.address", None),
    ("net.peer.name", None),
    ("network.peer.address", Some("network.peer.port")),
    ("server.socket.domain", None),
    ("server.socket.address", Some("server.socket.port")),
    ("net.sock.peer.name", None),
    ("net.sock.peer.addr", Some("net.sock.peer.port")),
    ("peer.hostname", None),
    ("peer.address", None),
    ("db.name", None),
];

/// A span in Zipkin's words.
#[must_use]
pub fn span(of: &model::Span) -> Span {
    if marks::is_zipkins(of) { zipkins(of) } else { otlps(of) }
}

/// What both ways have in common.
fn plain(of: &model::Span) -> Span {
    Span {
        trace_id: of.trace_id,
        parent_id: of.parent_span_id,
        id: of.span_id,
        kind: kind(of.kind),
        name: of.name.clone(),
        timestamp: micros(of.start),
        // Zipkin knows no operation that took no time.
        duration: of.duration_nanos().div_ceil(1_000),
        local: Endpoint {
            service: of.resource.attributes.get_text("service.name").unwrap_or_default().to_owned(),
            ..Endpoint::default()
        },
        remote: Endpoint::default(),
        annotations: Vec::new(),
        tags: BTreeMap::new(),
        debug: false,
        shared: false,
    }
}

fn micros(time: UnixNanos) -> u64 {
    time.0 / 1_000
}

fn kind(kind: SpanKind) -> Option<Kind> {
    match kind {
        SpanKind::CLIENT => Some(Kind::Client),
        SpanKind::SERVER => Some(Kind::Server),
        SpanKind::PRODUCER => Some(Kind::Producer),
        SpanKind::CONSUMER => Some(Kind::Consumer),
        _ => None,
    }
}

fn zipkins(of: &model::Span) -> Span {
    let mut span = plain(of);
    let (Marks { shared, debug, no_timestamp, local, remote }, tags) = marks::read(&of.attributes);
    span.local = Endpoint { service: std::mem::take(&mut span.local.service), ..local };
    span.timestamp = if no_timestamp { 0 } else { span.timestamp };
    let annotations = of.events.iter();
    let annotations = annotations.map(|event| Annotation { timestamp: micros(event.time), value: event.name.clone() });
    let tags = tags.iter().map(|tag| (tag.key.clone(), text(&tag.value)));
    Span { remote, shared, debug, annotations: sorted(annotations), tags: tags.collect(), ..span }
}

/// By time, and each once, as Zipkin keeps them.
pub(super) fn sorted(annotations: impl Iterator<Item = Annotation>) -> Vec<Annotation> {
    let mut annotations: Vec<_> = annotations.collect();
    annotations.sort();
    annotations.dedup();
    annotations
}

fn otlps(of: &model::Span) -> Span {
    let span = plain(of);
    let remote = match span.kind {
        Some(Kind::Client | Kind::Producer) => remote(&of.attributes),
        _ => Endpoint::default(),
    };
    let annotations = of.events.iter().map(|event| Annotation { timestamp: micros(event.time), value: said(event) });
    Span { remote, annotations: sorted(annotations), tags: tags(of), ..span }
}

fn remote(attributes: &Attributes) -> Endpoint {
    let found = PEER_KEYS.iter().find_map(|(key, port)| attributes.get_text(key).map(|text| (text, port)));
    let Some((text, port)) = found else { return Endpoint::default() };
    let port = match port.and_then(|key| attributes.get(key)) {
        Some(Value::Int(port)) => u16::try_from(*port).unwrap_or_default(),
        _ => 0,
    };
    match (text.parse(), port) {
        (Ok(IpAddr::V4(ipv4)), _) => Endpoint { ipv4: Some(ipv4), port, ..Endpoint::default() },
        (Ok(IpAddr::V6(ipv6)), _) => Endpoint { ipv6: Some(ipv6), port, ..Endpoint::default() },
        (Err(_), port) => Endpoint { service: text.to_owned(), port, ..Endpoint::default() },
    }
}

/// An event's name; with its attributes, if it has some.
fn said(event: &model::Event) -> String {
    if event.attributes.is_empty() {
        return event.name.clone();
    }
    format!("{}: {}", json!(event.name), map_json(&event.attributes))
}

fn tags(of: &model::Span) -> BTreeMap<String, String> {
    let mut tags = BTreeMap::new();
    let resource = of.resource.attributes.iter().filter(|attribute| attribute.key != "service.name");
    for attribute in resource.chain(&of.attributes).filter(|attribute| attribute.value != Value::Null) {
        tags.insert(attribute.key.clone(), text(&attribute.value));
    }
    // With Zipkin whatever has the tag has failed.
    if tags.get("error").is_some_and(|error| error == "false") {
        tags.remove("error");
    }
    let mut add = |key: &str, value: &str| {
        if !value.is_empty() {
            tags.insert(key.to_owned(), value.to_owned());
        }
    };
    add("otel.scope.name", &of.scope.name);
    add("otel.scope.version", &of.scope.version);
    add("w3c.tracestate", &of.trace_state);
    let counts = [
        ("otel.dropped_attributes_count", of.dropped_attributes_count),
        ("otel.dropped_events_count", of.dropped_events_count),
        ("otel.dropped_links_count", of.dropped_links_count),
    ];
    for (key, count) in counts.into_iter().filter(|(_, count)| *count > 0) {
        add(key, &count.to_string());
    }
    match of.status.code {
        StatusCode::OK => add("otel.status_code", "OK"),
        StatusCode::ERROR => {
            add("otel.status_code", "ERROR");
            tags.insert("error".to_owned(), of.status.message.clone());
        }
        _ => {}
    }
    tags
}

/// A value as the text of a tag.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Double(double) => double.to_string(),
        other => match value_json(other) {
            serde_json::Value::String(text) => text,
            json => json.to_string(),
        },
    }
}

/// A value as JSON; it is not nested deeper than what was decoded.
fn value_json(value: &Value) -> serde_json::Value {
    match value {
        Value::Null => serde_json::Value::Null,
        Value::String(text) => json!(text),
        Value::Bool(bool) => json!(bool),
        Value::Int(int) => json!(int),
        Value::Double(double) if double.is_finite() => json!(double),
        Value::Double(double) => json!(double.to_string()),
        Value::Bytes(bytes) => json!(STANDARD.encode(bytes)),
        Value::Array(values) => values.iter().map(value_json).collect(),
        Value::Map(map) => map_json(map),
    }
}

fn map_json(map: &Attributes) -> serde_json::Value {
    let pairs = map.iter().map(|attribute| (attribute.key.clone(), value_json(&attribute.value)));
    serde_json::Value::Object(pairs.collect())
}
