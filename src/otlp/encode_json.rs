//! OTLP's messages as JSON, in either of the two forms that there are of it: OTLP's own, with ids in hex and enums as
//! numbers, and protobuf's plain mapping, as Tempo has it, with ids in base64 and enums by their names. 64-bit integers are
//! texts in both.
//!
//! Fields at their default are left out, as protobuf's JSON mapping allows. The messages are made by
//! [`encode`](super::encode); the way back from OTLP's form is [`decode::json`](super::decode::json). Other messages that
//! have OTLP's inside are written with the same [`Json`].

use std::fmt::Write as _;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use opentelemetry_proto::tonic::common::v1::{AnyValue, EntityRef, InstrumentationScope, KeyValue, any_value};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link, SpanKind};
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status, TracesData};

use crate::model::hex;

/// The JSON of these spans: an `ExportTraceServiceRequest`, which looks like a `TracesData`.
#[must_use]
pub fn traces_data(data: &TracesData) -> Vec<u8> {
    let mut json = Json::new(Form::Otlp);
    json.object(|json| json.resource_spans("resourceSpans", &data.resource_spans));
    json.into_bytes()
}

/// How ids and enums are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Ids in hex, enums as numbers.
    Otlp,
    /// Ids in base64, as all bytes; enums by their names.
    Plain,
}

/// JSON being written. What was written last tells whether a comma is due.
#[derive(Debug)]
pub struct Json {
    text: String,
    form: Form,
}

impl Json {
    /// Nothing yet.
    #[must_use]
    pub fn new(form: Form) -> Self {
        Self { text: String::new(), form }
    }

    /// What was written.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.text.into_bytes()
    }

    fn comma(&mut self) {
        if !matches!(self.text.as_bytes().last(), None | Some(b'{' | b'[' | b':')) {
            self.text.push(',');
        }
    }

    /// `{ … }`
    pub fn object(&mut self, fields: impl FnOnce(&mut Self)) {
        self.comma();
        self.text.push('{');
        fields(self);
        self.text.push('}');
    }

    /// `[ … ]`
    pub fn array<T>(&mut self, items: &[T], item: impl Fn(&mut Self, &T)) {
        self.comma();
        self.text.push('[');
        for each in items {
            item(self, each);
        }
        self.text.push(']');
    }

    /// A field's name, which is plain text.
    pub fn name(&mut self, name: &str) {
        self.comma();
        self.text.push('"');
        self.text.push_str(name);
        self.text.push_str("\":");
    }

    /// The key of an entry of a map, which may be any text.
    pub fn key(&mut self, key: &str) {
        self.string(key);
        self.text.push(':');
    }

    /// A field that is a list; left out when that is empty.
    pub fn list<T>(&mut self, name: &str, items: &[T], item: impl Fn(&mut Self, &T)) {
        if !items.is_empty() {
            self.name(name);
            self.array(items, item);
        }
    }

    /// A text. Most have nothing to escape.
    pub fn string(&mut self, text: &str) {
        self.comma();
        if text.bytes().all(|byte| byte >= b' ' && byte != b'"' && byte != b'\\') {
            self.text.push('"');
            self.text.push_str(text);
            self.text.push('"');
        } else {
            // A text is always JSON.
            self.text.push_str(&serde_json::to_string(text).unwrap_or_default());
        }
    }

    /// A number, as a number.
    pub fn integer(&mut self, number: impl Into<i128>) {
        self.comma();
        // Writing to a String can not fail.
        let _ = write!(self.text, "{}", number.into());
    }

    /// What is JSON already.
    pub fn raw(&mut self, json: &str) {
        self.comma();
        self.text.push_str(json);
    }

    /// A field that is a text; left out when that is empty.
    pub fn text(&mut self, name: &str, text: &str) {
        if !text.is_empty() {
            self.name(name);
            self.string(text);
        }
    }

    /// A field that is a number of 32 bits; left out when that is 0.
    pub fn number(&mut self, name: &str, number: impl Into<i64>) {
        let number = number.into();
        if number != 0 {
            self.name(name);
            self.integer(number);
        }
    }

    /// A field that is an integer of 64 bits, 0 too.
    pub fn long(&mut self, name: &str, number: impl Into<i128>) {
        self.name(name);
        // Writing to a String can not fail.
        let _ = write!(self.text, "\"{}\"", number.into());
    }

    /// A field that is a double, 0 too.
    pub fn double(&mut self, name: &str, double: f64) {
        self.name(name);
        self::double(self, double);
    }

    /// A field that is a list of attributes.
    pub fn attributes(&mut self, name: &str, attributes: &[KeyValue]) {
        self.list(name, attributes, key_value);
    }

    /// A field that is spans of resources; left out when there are none.
    pub fn resource_spans(&mut self, name: &str, groups: &[ResourceSpans]) {
        self.list(name, groups, resource_spans);
    }

    fn id(&mut self, name: &str, id: &[u8]) {
        if self.form == Form::Plain {
            return self.text(name, &STANDARD.encode(id));
        }
        if !id.is_empty() {
            self.name(name);
            self.text.push('"');
            self.text.extend(hex(id));
            self.text.push('"');
        }
    }

    /// An enum of which the name is known if it is defined.
    fn word(&mut self, name: &str, number: i32, word: Option<&'static str>) {
        match word.filter(|_| self.form == Form::Plain && number != 0) {
            Some(word) => self.text(name, word),
            None => self.number(name, number),
        }
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
        json.word("kind", span.kind, SpanKind::try_from(span.kind).ok().map(|kind| kind.as_str_name()));
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
        json.word("code", status.code, StatusCode::try_from(status.code).ok().map(|code| code.as_str_name()));
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
            json.text.push_str(if *bool { "true" } else { "false" });
        }
        Some(Sent::IntValue(int)) => json.long("intValue", *int),
        Some(Sent::DoubleValue(double)) => {
            json.double("doubleValue", *double);
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
        Some(number) => json.text.push_str(&number.to_string()),
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
            ("text", Value::String("quote \" backslash \\ line \n zero \0 é".to_owned())),
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

    /// Guarantee: the plain form says the same, with ids in base64 and with names where enums have some.
    #[test]
    fn the_plain_form_has_base64_and_names() {
        use super::{Form, Json};
        let status = Status { code: StatusCode::ERROR, message: String::new() };
        let known = Span { kind: SpanKind::SERVER, status, ..span() };
        let form = |span: &Span, form| {
            let mut json = Json::new(form);
            json.object(|json| json.resource_spans("batches", &encode::traces_data([span]).resource_spans));
            let json: serde_json::Value = serde_json::from_slice(&json.into_bytes()).unwrap();
            json["batches"][0]["scopeSpans"][0]["spans"][0].clone()
        };
        let plain = form(&known, Form::Plain);
        assert_eq!(plain["traceId"], "q6urq6urq6urq6urq6urqw==");
        assert_eq!([&plain["spanId"], &plain["parentSpanId"]], ["AQEBAQEBAQE="; 2]);
        assert_eq!(plain["links"][0]["traceId"], plain["traceId"]);
        assert_eq!([&plain["kind"], &plain["status"]["code"]], ["SPAN_KIND_SERVER", "STATUS_CODE_ERROR"]);
        let otlp = form(&known, Form::Otlp);
        assert_eq!((&plain["attributes"], &plain["events"]), (&otlp["attributes"], &otlp["events"]));
        let unknown = form(&span(), Form::Plain);
        assert_eq!((&unknown["kind"], &unknown["status"]["code"]), (&(-1).into(), &99.into()));
    }
}
