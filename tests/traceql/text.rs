//! Traces as text: a line for each span, below its parent and indented by two more. After the name stand settings:
//!
//! ```text
//! checkout service=shop at=10ms for=1s kind=server status=error span.route=/pay event=retry@5ms event.count=2
//! ```
//!
//! A span without `at` starts with its parent, one without `for` takes a second. Its id is its number in the trace,
//! unless `id=` names a span (or is hex) whose id it shares; `parent=` likewise says whose child it claims to be.

use std::collections::HashMap;
use std::sync::Arc;

use tracewell::model::{
    Attribute, Attributes, Event, Keyed, Link, Resource, Scope, Span, SpanId, SpanKind, StatusCode, TraceId, UnixNanos,
    Value,
};

use crate::support;

/// The spans of a trace; `number` makes its id.
pub(crate) fn trace(number: u64, text: &str) -> Vec<Span> {
    let mut reader = Reader { ids: HashMap::new(), path: Vec::new() };
    let mut spans = Vec::new();
    for line in text.lines() {
        let (indent, words) = (line.len() - line.trim_start().len(), line.trim());
        reader.path.truncate(indent / 2);
        let mut span = support::span(number, spans.len() as u64 + 1, 0);
        span.attributes = Attributes::default();
        let parent: Option<&Span> = reader.path.last();
        span.parent_span_id = parent.map(|parent| parent.span_id);
        span.start = parent.map_or(UnixNanos(0), |parent| parent.start);
        span.kind = SpanKind::UNSPECIFIED;
        reader.read(&mut span, words);
        reader.ids.insert(span.name.clone(), span.span_id);
        reader.path.push(span.clone());
        spans.push(span);
    }
    spans
}

struct Reader {
    ids: HashMap<String, SpanId>,
    path: Vec<Span>,
}

impl Reader {
    fn read(&self, span: &mut Span, line: &str) {
        let mut words = line.split(' ');
        span.name = words.next().unwrap().replace('_', " ");
        let (mut resource, mut scope, mut length) = (Resource::default(), Scope::default(), 1_000_000_000);
        for word in words {
            let (key, text) = word.split_once('=').unwrap_or_else(|| panic!("no setting: {word}"));
            match key {
                "at" => span.start = UnixNanos(nanos(text)),
                "for" => length = nanos(text),
                "kind" => span.kind = SpanKind(text.parse().unwrap_or_else(|_| place(&KINDS, text))),
                "status" => span.status.code = StatusCode(text.parse().unwrap_or_else(|_| place(&CODES, text))),
                "message" => text.clone_into(&mut span.status.message),
                "id" => span.span_id = self.id(text),
                "parent" => span.parent_span_id = Some(self.id(text)).filter(|_| text != "none"),
                "service" => resource.attributes.0.push(attribute("service.name", text)),
                "library" => (scope.name, scope.version) = pair(text, '@'),
                "event" => span.events.push(event(span.start, text)),
                "link" => span.links.push(link(text)),
                _ => match key.split_once('.').unwrap_or_else(|| panic!("no such setting: {word}")) {
                    ("span", key) => span.attributes.0.push(attribute(key, text)),
                    ("resource", key) => resource.attributes.0.push(attribute(key, text)),
                    ("instrumentation", key) => scope.attributes.0.push(attribute(key, text)),
                    ("event", key) => span.events.last_mut().unwrap().attributes.0.push(attribute(key, text)),
                    ("link", key) => span.links.last_mut().unwrap().attributes.0.push(attribute(key, text)),
                    _ => panic!("no such scope: {word}"),
                },
            }
        }
        span.end = UnixNanos(span.start.0 + length);
        span.resource = Arc::new(Keyed::new(resource));
        span.scope = Arc::new(Keyed::new(scope));
    }

    fn id(&self, text: &str) -> SpanId {
        let known = self.ids.get(text).copied();
        known.unwrap_or_else(|| SpanId::parse_hex(text).unwrap_or_else(|_| support::span_id(999)))
    }
}

const KINDS: [&str; 6] = ["unspecified", "internal", "server", "client", "producer", "consumer"];
const CODES: [&str; 3] = ["unset", "ok", "error"];

fn place(words: &[&str], word: &str) -> i32 {
    let place = words.iter().position(|known| *known == word).unwrap_or_else(|| panic!("no such word: {word}"));
    i32::try_from(place).unwrap()
}

fn pair(text: &str, between: char) -> (String, String) {
    let (first, second) = text.split_once(between).unwrap_or((text, ""));
    (first.to_owned(), second.to_owned())
}

fn event(start: UnixNanos, text: &str) -> Event {
    let (name, after) = pair(text, '@');
    let time = match after.strip_prefix('-') {
        Some(before) => start.0 - nanos(before),
        None => start.0 + nanos(&after),
    };
    Event { name, time: UnixNanos(time), ..Event::default() }
}

fn link(text: &str) -> Link {
    let (trace, span) = pair(text, '/');
    Link { trace_id: TraceId::parse_hex(&trace).ok(), span_id: SpanId::parse_hex(&span).ok(), ..Link::default() }
}

pub(crate) fn nanos(text: &str) -> u64 {
    let units = [("ms", 1_000_000), ("us", 1_000), ("ns", 1), ("s", 1_000_000_000), ("m", 60_000_000_000)];
    let (unit, size) = units.into_iter().find(|(unit, _)| text.ends_with(unit)).unwrap_or(("", 1));
    text.trim_end_matches(unit).parse::<u64>().unwrap_or_else(|_| panic!("no duration: {text}")) * size
}

fn attribute(key: &str, text: &str) -> Attribute {
    Attribute { key: key.to_owned(), value: value(text) }
}

fn value(text: &str) -> Value {
    match text {
        "null" => Value::Null,
        "true" | "false" => Value::Bool(text == "true"),
        "bytes" => Value::Bytes(vec![1]),
        "map" => Value::Map([("k", Value::Int(1))].into_iter().collect()),
        "NaN" => Value::Double(f64::NAN),
        "[]" => Value::Array(Vec::new()),
        _ => match text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            Some(list) => Value::Array(list.split(',').map(value).collect()),
            None => number(text).unwrap_or_else(|| Value::from(text.trim_matches('"'))),
        },
    }
}

fn number(text: &str) -> Option<Value> {
    let int = text.parse().ok().map(Value::Int);
    int.or_else(|| {
        text.parse().ok().filter(|_| text.starts_with(|c: char| c.is_ascii_digit() || c == '-')).map(Value::Double)
    })
}
