//! OTLP's messages as JSON, for those who send requests: ids in hex, 64-bit integers as texts, enums as numbers.
//!
//! Fields at their default are left out, as protobuf's JSON mapping allows. The messages are made by
//! [`encode`](super::encode); the way back is [`decode::json`](super::decode::json).

use std::fmt::Write as _;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use opentelemetry_proto::tonic::common::v1::{AnyValue, EntityRef, InstrumentationScope, KeyValue, any_value};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status, TracesData};

/// The JSON of these spans: an `ExportTraceServiceRequest`, which looks like a `TracesData`.
#[must_use]
pub fn traces_data(data: &TracesData) -> Vec<u8> {
    let mut json = Json::default();
    json.object(|json| json.list("resourceSpans", &data.resource_spans, resource_spans));
    json.0.into_bytes()
}

/// JSON being written. What was written last tells whether a comma is due.
#[derive(Default)]
struct Json(String);

impl Json {
    fn comma(&mut self) {
        if !matches!(self.0.as_bytes().last(), None | Some(b'{' | b'[' | b':')) {
            self.0.push(',');
        }
    }

    fn object(&mut self, fields: impl FnOnce(&mut Self)) {
        self.comma();
        self.0.push('{');
        fields(self);
        self.0.push('}');
    }

    fn array<T>(&mut self, items: &[T], item: impl Fn(&mut Self, &T)) {
        self.comma();
        self.0.push('[');
        for each in items {
            item(self, each);
        }
        self.0.push(']');
    }

    /// A field's name, which is plain text.
    fn name(&mut self, name: &str) {
        self.comma();
        self.0.push('"');
        self.0.push_str(name);
        self.0.push_str("\":");
    }

    fn list<T>(&mut self, name: &str, items: &[T], item: impl Fn(&mut Self, &T)) {
        if !items.is_empty() {
            self.name(name);
            self.array(items, item);
        }
    }

    fn string(&mut self, text: &str) {
        self.comma();
        // A text is always JSON.
        self.0.push_str(&serde_json::to_string(text).unwrap_or_default());
    }

    fn text(&mut self, name: &str, text: &str) {
        if !text.is_empty() {
            self.name(name);
            self.string(text);
        }
    }

    fn number(&mut self, name: &str, number: impl Into<i64>) {
        let number = number.into();
        if number != 0 {
            self.name(name);
            self.0.push_str(&number.to_string());
        }
    }

    /// A 64-bit integer.
    fn long(&mut self, name: &str, number: impl Into<i128>) {
        self.name(name);
        self.string(&number.into().to_string());
    }

    fn id(&mut self, name: &str, id: &[u8]) {
        let hex = id.iter().fold(String::with_capacity(32), |mut hex, byte| {
            // Writing to a String can not fail.
            let _ = write!(hex, "{byte:02x}");
            hex
        });
        self.text(name, &hex);
    }
}

fn resource_spans(json: &mut Json, group: &ResourceSpans) {
    json.object(|json| {
        if let Some(resource) = &group.resource {
            json.name("resource");
            self::resource(json, resource);
        }
        json.list("scopeSpans", &group.scope_spans, scope_spans);
        json.text("schemaUrl", &group.schema_url);
    });
}

fn resource(json: &mut Json, resource: &Resource) {
    json.object(|json| {
        json.list("attributes", &resource.attributes, key_value);
        json.number("droppedAttributesCount", resource.dropped_attributes_count);
        json.list("entityRefs", &resource.entity_refs, entity_ref);
    });
}

fn entity_ref(json: &mut Json, entity: &EntityRef) {
    json.object(|json| {
        json.text("schemaUrl", &entity.schema_url);
        json.text("type", &entity.r#type);
        json.list("idKeys", &entity.id_keys, |json, key| json.string(key));
        json.list("descriptionKeys", &entity.description_keys, |json, key| json.string(key));
    });
}

fn scope_spans(json: &mut Json, group: &ScopeSpans) {
    json.object(|json| {
        if let Some(scope) = &group.scope {
            json.name("scope");
            self::scope(json, scope);
        }
        json.list("spans", &group.spans, span);
        json.text("schemaUrl", &group.schema_url);
    });
}

fn scope(json: &mut Json, scope: &InstrumentationScope) {
    json.object(|json| {
        json.text("name", &scope.name);
        json.text("version", &scope.version);
        json.list("attributes", &scope.attributes, key_value);
        json.number("droppedAttributesCount", scope.dropped_attributes_count);
    });
}

fn span(json: &mut Json, span: &Span) {
    json.object(|json| {
        json.id("traceId", &span.trace_id);
        json.id("spanId", &span.span_id);
        json.text("traceState", &span.trace_state);
        json.id("parentSpanId", &span.parent_span_id);
        json.number("flags", span.flags);
        json.text("name", &span.name);
        json.number("kind", span.kind);
        json.long("startTimeUnixNano", span.start_time_unix_nano);
        json.long("endTimeUnixNano", span.end_time_unix_nano);
        json.list("attributes", &span.attributes, key_value);
        json.number("droppedAttributesCount", span.dropped_attributes_count);
        json.list("events", &span.events, event);
        json.number("droppedEventsCount", span.dropped_events_count);
        json.list("links", &span.links, link);
        json.number("droppedLinksCount", span.dropped_links_count);
        if let Some(status) = &span.status {
            json.name("status");
            self::status(json, status);
        }
    });
}

fn status(json: &mut Json, status: &Status) {
    json.object(|json| {
        json.text("message", &status.message);
        json.number("code", status.code);
    });
}

fn event(json: &mut Json, event: &Event) {
    json.object(|json| {
        json.long("timeUnixNano", event.time_unix_nano);
        json.text("name", &event.name);
        json.list("attributes", &event.attributes, key_value);
        json.number("droppedAttributesCount", event.dropped_attributes_count);
    });
}

fn link(json: &mut Json, link: &Link) {
    json.object(|json| {
        json.id("traceId", &link.trace_id);
        json.id("spanId", &link.span_id);
        json.text("traceState", &link.trace_state);
        json.list("attributes", &link.attributes, key_value);
        json.number("droppedAttributesCount", link.dropped_attributes_count);
        json.number("flags", link.flags);
    });
}

fn key_value(json: &mut Json, pair: &KeyValue) {
    json.object(|json| {
        json.text("key", &pair.key);
        if let Some(value) = &pair.value {
            json.name("value");
            any_value(json, value);
        }
    });
}

/// A value. One of these that is at its default is written all the same: it says which type the value has.
fn any_value(json: &mut Json, value: &AnyValue) {
    use any_value::Value as Sent;
    json.object(|json| match &value.value {
        None | Some(Sent::StringValueStrindex(_)) => {}
        Some(Sent::StringValue(text)) => {
            json.name("stringValue");
            json.string(text);
        }
        Some(Sent::BoolValue(bool)) => {
            json.name("boolValue");
            json.0.push_str(if *bool { "true" } else { "false" });
        }
        Some(Sent::IntValue(int)) => json.long("intValue", *int),
        Some(Sent::DoubleValue(double)) => {
            json.name("doubleValue");
            self::double(json, *double);
        }
        Some(Sent::BytesValue(bytes)) => {
            json.name("bytesValue");
            json.string(&STANDARD.encode(bytes));
        }
        Some(Sent::ArrayValue(array)) => {
            json.name("arrayValue");
            json.object(|json| json.list("values", &array.values, any_value));
        }
        Some(Sent::KvlistValue(list)) => {
            json.name("kvlistValue");
            json.object(|json| json.list("values", &list.values, key_value));
        }
    });
}

/// The shortest text that gives the same bits again; what JSON has no number for is a text.
fn double(json: &mut Json, double: f64) {
    match serde_json::Number::from_f64(double) {
        Some(number) => json.0.push_str(&number.to_string()),
        None if double.is_nan() => json.string("NaN"),
        None => json.string(if double > 0.0 { "Infinity" } else { "-Infinity" }),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::model::{
        Attribute, Attributes, EntityRef, Event, Keyed, Link, Resource, Scope, Span, SpanId, SpanKind, Status,
        StatusCode, TraceId, UnixNanos, Value,
    };
    use crate::otlp::{decode, encode};

    fn attributes() -> Attributes {
        let map = Attributes(vec![Attribute { key: String::new(), value: Value::Bytes(vec![0, 255]) }]);
        [
            ("null", Value::Null),
            ("text", Value::String("quote \" line \n zero \0 é".to_owned())),
            ("empty", Value::String(String::new())),
            ("no", Value::Bool(false)),
            ("int", Value::Int(i64::MIN)),
            ("double", Value::Double(0.1)),
            ("minus zero", Value::Double(-0.0)),
            ("infinite", Value::Double(f64::NEG_INFINITY)),
            ("nan", Value::Double(f64::NAN)),
            ("list", Value::Array(vec![Value::Int(0), Value::Array(Vec::new()), Value::Null])),
            ("map", Value::Map(map)),
        ]
        .into_iter()
        .collect()
    }

    fn span() -> Span {
        let trace_id = TraceId::from_slice(&[0xab; 16]).unwrap();
        let span_id = SpanId::from_slice(&[1; 8]).unwrap();
        let entity = EntityRef {
            schema_url: "s".to_owned(),
            entity_type: "host".to_owned(),
            id_keys: vec!["a".to_owned()],
            description_keys: vec!["b".to_owned(), "c".to_owned()],
        };
        let resource = Resource {
            attributes: attributes(),
            dropped_attributes_count: 1,
            entity_refs: vec![entity],
            schema_url: "r".to_owned(),
        };
        let scope = Scope {
            name: "n".to_owned(),
            version: "v".to_owned(),
            attributes: attributes(),
            dropped_attributes_count: 2,
            schema_url: "u".to_owned(),
        };
        let event = Event {
            time: UnixNanos(u64::MAX),
            name: "e".to_owned(),
            attributes: attributes(),
            dropped_attributes_count: 3,
        };
        let link = Link {
            trace_id: Some(trace_id),
            span_id: Some(span_id),
            trace_state: "l=1".to_owned(),
            attributes: attributes(),
            dropped_attributes_count: 4,
            flags: 5,
        };
        Span {
            trace_id,
            span_id,
            parent_span_id: Some(span_id),
            trace_state: "t=1".to_owned(),
            flags: u32::MAX,
            name: "name".to_owned(),
            kind: SpanKind(-1),
            start: UnixNanos(0),
            end: UnixNanos(u64::MAX),
            attributes: attributes(),
            dropped_attributes_count: u32::MAX,
            events: vec![event, Event::default()],
            dropped_events_count: 6,
            links: vec![link, Link::default()],
            dropped_links_count: 7,
            status: Status { code: StatusCode(99), message: "m".to_owned() },
            resource: Arc::new(Keyed::new(resource)),
            scope: Arc::new(Keyed::new(scope)),
        }
    }

    #[test]
    fn every_field_and_every_value_comes_back() {
        let spans = [span(), Span { parent_span_id: None, events: Vec::new(), ..span() }];
        let json = super::traces_data(&encode::traces_data(&spans));
        let decoded = decode::json(&json).unwrap();
        assert_eq!(decoded.spans, spans);
        assert_eq!(decoded.rejected.count(), 0);
    }
}
