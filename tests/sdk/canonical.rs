//! One form for a span, whether it stands in OTLP/JSON, as the SDKs print what they sent, or in the JSON of our own
//! messages, as clients print what they got. Both leave out what is empty and write numbers in more than one way; here
//! everything is said, in one way. What this form has, the tests compare: it has every field of OTLP.

use serde_json::{Value, json};

const KINDS: [&str; 6] = [
    "SPAN_KIND_UNSPECIFIED",
    "SPAN_KIND_INTERNAL",
    "SPAN_KIND_SERVER",
    "SPAN_KIND_CLIENT",
    "SPAN_KIND_PRODUCER",
    "SPAN_KIND_CONSUMER",
];
const STATUS_CODES: [&str; 3] = ["STATUS_CODE_UNSET", "STATUS_CODE_OK", "STATUS_CODE_ERROR"];

/// The items of a list that may be left out.
pub(crate) fn list<'a>(of: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    of[key].as_array().map_or([].as_slice(), Vec::as_slice).iter()
}

/// All spans of an OTLP request, in this form.
pub(crate) fn spans_of_request(request: &Value) -> Vec<Value> {
    let mut spans = Vec::new();
    for resource_spans in list(request, "resourceSpans") {
        for scope_spans in list(resource_spans, "scopeSpans") {
            let mut resource = resource_spans["resource"].clone();
            resource["schemaUrl"] = resource_spans["schemaUrl"].clone();
            let mut scope = scope_spans["scope"].clone();
            scope["schemaUrl"] = scope_spans["schemaUrl"].clone();
            spans.extend(list(scope_spans, "spans").map(|span| canonical(span, &resource, &scope)));
        }
    }
    spans
}

/// A span, its resource and its scope, in this form.
pub(crate) fn canonical(span: &Value, resource: &Value, scope: &Value) -> Value {
    json!({
        "traceId": text(span, "traceId"),
        "spanId": text(span, "spanId"),
        "parentSpanId": text(span, "parentSpanId"),
        "traceState": text(span, "traceState"),
        "flags": count(span, "flags"),
        "name": text(span, "name"),
        "kind": named(&span["kind"], &KINDS),
        "start": nanos(span, "startTime"),
        "end": nanos(span, "endTime"),
        "attributes": attributes(span),
        "droppedAttributesCount": count(span, "droppedAttributesCount"),
        "events": list(span, "events").map(event).collect::<Vec<_>>(),
        "droppedEventsCount": count(span, "droppedEventsCount"),
        "links": list(span, "links").map(link).collect::<Vec<_>>(),
        "droppedLinksCount": count(span, "droppedLinksCount"),
        "status": { "code": named(&span["status"]["code"], &STATUS_CODES), "message": text(&span["status"], "message") },
        "resource": {
            "attributes": attributes(resource),
            "droppedAttributesCount": count(resource, "droppedAttributesCount"),
            "schemaUrl": text(resource, "schemaUrl"),
        },
        "scope": {
            "name": text(scope, "name"),
            "version": text(scope, "version"),
            "attributes": attributes(scope),
            "droppedAttributesCount": count(scope, "droppedAttributesCount"),
            "schemaUrl": text(scope, "schemaUrl"),
        },
    })
}

fn event(event: &Value) -> Value {
    json!({
        "time": nanos(event, "time"),
        "name": text(event, "name"),
        "attributes": attributes(event),
        "droppedAttributesCount": count(event, "droppedAttributesCount"),
    })
}

fn link(link: &Value) -> Value {
    json!({
        "traceId": text(link, "traceId"),
        "spanId": text(link, "spanId"),
        "traceState": text(link, "traceState"),
        "flags": count(link, "flags"),
        "attributes": attributes(link),
        "droppedAttributesCount": count(link, "droppedAttributesCount"),
    })
}

fn attributes(of: &Value) -> Value {
    list(of, "attributes").map(key_value).collect()
}

fn key_value(pair: &Value) -> Value {
    json!([text(pair, "key"), any_value(&pair["value"])])
}

/// A value with its type: an absent one is null, a whole double stays a double.
fn any_value(value: &Value) -> Value {
    let Some((kind, inner)) = value.as_object().and_then(|fields| fields.iter().next()) else {
        return json!("null");
    };
    let inner = match kind.as_str() {
        "intValue" => json!(inner.as_str().map_or_else(|| inner.to_string(), str::to_owned)),
        "doubleValue" => inner.as_f64().map_or_else(|| inner.clone(), |number| json!(number)),
        "arrayValue" => list(inner, "values").map(any_value).collect(),
        "kvlistValue" => list(inner, "values").map(key_value).collect(),
        _ => inner.clone(),
    };
    json!({ kind: inner })
}

fn text(of: &Value, key: &str) -> Value {
    of.get(key).filter(|text| !text.is_null()).cloned().unwrap_or_else(|| json!(""))
}

fn count(of: &Value, key: &str) -> Value {
    of.get(key).cloned().unwrap_or_else(|| json!(0))
}

/// The name of an enum's value, which OTLP/JSON gives as a number, and protobuf's JSON as a name.
fn named(value: &Value, names: &[&str]) -> Value {
    match value.as_u64() {
        Some(number) => json!(names[usize::try_from(number).unwrap()]),
        None if value.is_null() => json!(names[0]),
        None => value.clone(),
    }
}

/// Nanoseconds since 1970: OTLP/JSON has them as a text under a name of its own, protobuf's JSON as RFC 3339.
fn nanos(of: &Value, key: &str) -> Value {
    let time = match of.get(format!("{key}UnixNano")) {
        Some(nanos) => nanos.as_str().unwrap().parse().unwrap(),
        None => nanos_of_rfc3339(of[key].as_str().unwrap()),
    };
    json!(time)
}

#[expect(clippy::arithmetic_side_effects, reason = "times of a test that runs today")]
fn nanos_of_rfc3339(time: &str) -> u64 {
    let (date, time) = time.strip_suffix('Z').unwrap().split_once('T').unwrap();
    let (time, fraction) = time.split_once('.').unwrap_or((time, ""));
    let numbers = |text: &str, separator| text.split(separator).map(|n| n.parse().unwrap()).collect::<Vec<u64>>();
    let (date, time) = (numbers(date, '-'), numbers(time, ':'));
    // Years are counted from March, so that a leap day comes last.
    let (year, month) = if date[1] > 2 { (date[0], date[1] - 3) } else { (date[0] - 1, date[1] + 9) };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + date[2] - 719_469;
    let seconds = ((days * 24 + time[0]) * 60 + time[1]) * 60 + time[2];
    seconds * 1_000_000_000 + format!("{fraction:0<9}").parse::<u64>().unwrap()
}

#[test]
fn times_are_read_to_the_nanosecond() {
    assert_eq!(nanos_of_rfc3339("1970-01-01T00:00:00Z"), 0);
    assert_eq!(nanos_of_rfc3339("2000-02-29T23:59:59.5Z"), 951_868_799_500_000_000);
    assert_eq!(nanos_of_rfc3339("2026-11-22T17:06:27.929177985Z"), 1_795_367_187_929_177_985);
}
