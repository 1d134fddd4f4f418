//! OTLP/JSON: every rule of the specification, every leniency beyond it, and what is refused.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Sent;
use opentelemetry_proto::tonic::common::v1::{
    AnyValue, ArrayValue, EntityRef, InstrumentationScope, KeyValue, KeyValueList,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use prost::Message;

use super::text::json_text;
use super::{any, good_span, nested, pair, request};
use tracewell::model::{SpanId, SpanKind, StatusCode, UnixNanos, Value};
use tracewell::otlp::decode::{DecodeError, Decoded, VALUE_DEPTH_JSON_MAX, json, protobuf};

/// A request in which every field and every type of value occurs.
const EXAMPLE: &str = r#"
{"resourceSpans": [{
  "resource": {
    "attributes": [
      {"key": "service.name", "value": {"stringValue": "shop"}},
      {"key": "list", "value": {"arrayValue": {"values": [{"intValue": "-1"}, {"doubleValue": 1.5}, {}]}}}
    ],
    "droppedAttributesCount": 1,
    "entityRefs": [{"schemaUrl": "e", "type": "service", "idKeys": ["service.name"], "descriptionKeys": ["list"]}]
  },
  "scopeSpans": [{
    "scope": {
      "name": "lib", "version": "1.0.0", "droppedAttributesCount": 2,
      "attributes": [{"key": "scope", "value": {"boolValue": true}}]
    },
    "spans": [{
      "traceId": "5B8EFFF798038103D269B633813FC60C",
      "spanId": "EEE19B7EC3C1B174",
      "parentSpanId": "EEE19B7EC3C1B173",
      "traceState": "a=b,c=d",
      "flags": 257,
      "name": "I'm a server span",
      "startTimeUnixNano": "1544712660000000000",
      "endTimeUnixNano": "18446744073709551615",
      "kind": 2,
      "attributes": [
        {"key": "map", "value": {"kvlistValue": {"values": [{"key": "k", "value": {"bytesValue": "AP/+"}}]}}},
        {"key": "empty"}
      ],
      "droppedAttributesCount": 3,
      "events": [{
        "timeUnixNano": "1544712660000000001", "name": "event", "droppedAttributesCount": 4,
        "attributes": [{"key": "nan", "value": {"doubleValue": "NaN"}}]
      }],
      "droppedEventsCount": 5,
      "links": [{
        "traceId": "5b8efff798038103d269b633813fc60d", "spanId": "eee19b7ec3c1b175", "traceState": "e=f",
        "attributes": [{"key": "link", "value": {"intValue": "9223372036854775807"}}],
        "droppedAttributesCount": 6, "flags": 4294967295
      }],
      "droppedLinksCount": 7,
      "status": {"message": "no", "code": 2}
    }],
    "schemaUrl": "scope url"
  }],
  "schemaUrl": "resource url"
}]}"#;

fn text(text: &str) -> AnyValue {
    any(Sent::StringValue(text.into()))
}

/// What [`EXAMPLE`] says, in prost's types.
fn example() -> ExportTraceServiceRequest {
    let values = vec![any(Sent::IntValue(-1)), any(Sent::DoubleValue(1.5)), AnyValue { value: None }];
    let resource = Resource {
        attributes: vec![
            pair("service.name", text("shop")),
            pair("list", any(Sent::ArrayValue(ArrayValue { values }))),
        ],
        dropped_attributes_count: 1,
        entity_refs: vec![EntityRef {
            schema_url: "e".into(),
            r#type: "service".into(),
            id_keys: vec!["service.name".into()],
            description_keys: vec!["list".into()],
        }],
    };
    let scope = InstrumentationScope {
        name: "lib".into(),
        version: "1.0.0".into(),
        attributes: vec![pair("scope", any(Sent::BoolValue(true)))],
        dropped_attributes_count: 2,
    };
    let scope_spans = ScopeSpans { scope: Some(scope), spans: vec![example_span()], schema_url: "scope url".into() };
    ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            resource: Some(resource),
            scope_spans: vec![scope_spans],
            schema_url: "resource url".into(),
        }],
    }
}

fn example_span() -> Span {
    let trace_id =
        |last| vec![0x5b, 0x8e, 0xff, 0xf7, 0x98, 0x03, 0x81, 0x03, 0xd2, 0x69, 0xb6, 0x33, 0x81, 0x3f, 0xc6, last];
    let span_id = |last| vec![0xee, 0xe1, 0x9b, 0x7e, 0xc3, 0xc1, 0xb1, last];
    let map = KeyValueList { values: vec![pair("k", any(Sent::BytesValue(vec![0, 255, 254])))] };
    Span {
        trace_id: trace_id(0x0c),
        span_id: span_id(0x74),
        parent_span_id: span_id(0x73),
        trace_state: "a=b,c=d".into(),
        flags: 257,
        name: "I'm a server span".into(),
        kind: 2,
        start_time_unix_nano: 1_544_712_660_000_000_000,
        end_time_unix_nano: u64::MAX,
        attributes: vec![
            pair("map", any(Sent::KvlistValue(map))),
            KeyValue { key: "empty".into(), ..KeyValue::default() },
        ],
        dropped_attributes_count: 3,
        events: vec![Event {
            time_unix_nano: 1_544_712_660_000_000_001,
            name: "event".into(),
            attributes: vec![pair("nan", any(Sent::DoubleValue(f64::NAN)))],
            dropped_attributes_count: 4,
        }],
        dropped_events_count: 5,
        links: vec![Link {
            trace_id: trace_id(0x0d),
            span_id: span_id(0x75),
            trace_state: "e=f".into(),
            attributes: vec![pair("link", any(Sent::IntValue(i64::MAX)))],
            dropped_attributes_count: 6,
            flags: u32::MAX,
        }],
        dropped_links_count: 7,
        status: Some(Status { message: "no".into(), code: 2 }),
    }
}

/// The same text with this done to each name of a member.
fn renamed(text: &str, rename: impl Fn(&str) -> String) -> String {
    let parts: Vec<_> = text.split('"').collect();
    let next = parts.iter().skip(1).chain([&""]);
    let part = |(part, next): (&&str, &&str)| if next.starts_with(':') { rename(part) } else { (*part).to_owned() };
    parts.iter().zip(next).map(part).collect::<Vec<_>>().join("\"")
}

fn snake_case(name: &str) -> String {
    name.chars()
        .flat_map(|c| c.is_ascii_uppercase().then_some('_').into_iter().chain([c.to_ascii_lowercase()]))
        .collect()
}

#[test]
fn the_example_is_read_whole() {
    let expected = protobuf(&example().encode_to_vec()).unwrap();
    assert_eq!(expected.spans.len(), 1);
    assert_eq!(json(EXAMPLE.as_bytes()).unwrap(), expected);
    assert_eq!(json(json_text(&example()).as_bytes()).unwrap(), expected);
    let snake = renamed(EXAMPLE, snake_case);
    assert!(snake.contains("start_time_unix_nano") && snake.contains("kvlist_value"));
    assert_eq!(json(snake.as_bytes()).unwrap(), expected);
    let escaped = renamed(EXAMPLE, |name| name.replace('a', "\\u0061"));
    assert_eq!(json(escaped.as_bytes()).unwrap(), expected);
}

#[test]
fn unknown_members_are_skipped_at_every_level() {
    let deep = "[".repeat(1_000) + &"]".repeat(1_000);
    let unknown = format!(r#"{{"new": {{"a": [1, null, "x", 1.5e3]}}, "deep": {deep}, "#);
    let body = EXAMPLE.replace("{}", r#"{"new": 1}"#).replace("{\"", &format!("{unknown}\""));
    assert!(body.matches("\"deep\"").count() > 15);
    assert_eq!(json(body.as_bytes()).unwrap(), json(EXAMPLE.as_bytes()).unwrap());
}

#[test]
fn null_is_the_default_everywhere() {
    let names = ["resource", "scopeSpans", "schemaUrl"].map(|name| format!("\"{name}\": null")).join(", ");
    for (body, count) in [
        (r#"{"resourceSpans": null}"#.to_owned(), 0),
        (format!(r#"{{"resourceSpans": [null, {{{names}}}]}}"#), 0),
        (r#"{"resourceSpans": [{"scopeSpans": [{"scope": null, "spans": null}]}]}"#.to_owned(), 0),
    ] {
        assert_eq!(json(body.as_bytes()).unwrap().spans.len(), count, "{body}");
    }
    let names = [
        "parentSpanId",
        "traceState",
        "flags",
        "name",
        "kind",
        "startTimeUnixNano",
        "endTimeUnixNano",
        "attributes",
        "droppedAttributesCount",
        "events",
        "droppedEventsCount",
        "links",
        "droppedLinksCount",
        "status",
    ];
    let members = names.map(|name| format!("\"{name}\": null")).join(", ");
    assert_eq!(one_span(&members), one_span("\"flags\": 0"));
    let members = r#""status": {"message": null, "code": null}, "parentSpanId": """#;
    assert_eq!(one_span(members), one_span("\"flags\": 0"));
}

/// A request with spans of these members, beside their ids.
fn body_of_spans(spans: &[&str]) -> String {
    let ids = format!(r#""traceId": "{}", "spanId": "{}""#, "01".repeat(16), "02".repeat(8));
    let spans: Vec<_> = spans.iter().map(|members| format!("{{{ids}, {members}}}")).collect();
    format!(r#"{{"resourceSpans": [{{"scopeSpans": [{{"spans": [{}]}}]}}]}}"#, spans.join(", "))
}

fn body_of_span(members: &str) -> String {
    body_of_spans(&[members])
}

fn one_span(members: &str) -> tracewell::model::Span {
    let decoded = json(body_of_span(members).as_bytes()).unwrap();
    assert_eq!(decoded.rejected.message(), "", "{members}");
    decoded.spans.into_iter().next().unwrap()
}

#[test]
fn numbers_come_in_many_forms() {
    let max = u64::MAX;
    for (form, nanos) in [
        ("5", 5),
        ("\"5\"", 5),
        ("5.0", 5),
        ("5e3", 5_000),
        ("\"5e3\"", 5_000),
        ("\"5.0\"", 5),
        ("-0", 0),
        ("\"18446744073709551615\"", max),
        ("18446744073709551615", max),
        ("null", 0),
    ] {
        assert_eq!(one_span(&format!("\"startTimeUnixNano\": {form}")).start, UnixNanos(nanos), "{form}");
        let event = format!(r#""events": [{{"timeUnixNano": {form}}}]"#);
        assert_eq!(one_span(&event).events[0].time, UnixNanos(nanos), "{form}");
    }
    for form in ["4294967295", "\"4294967295\"", "4294967295.0"] {
        let names = ["flags", "droppedAttributesCount", "droppedEventsCount", "droppedLinksCount"];
        let span = one_span(&names.map(|name| format!("\"{name}\": {form}")).join(", "));
        assert_eq!(span.flags, u32::MAX);
        let dropped = [span.dropped_attributes_count, span.dropped_events_count, span.dropped_links_count];
        assert_eq!(dropped, [u32::MAX; 3]);
    }
}

#[test]
fn enums_come_as_numbers_or_names() {
    for (form, kind) in [
        ("\"SPAN_KIND_SERVER\"", SpanKind::SERVER),
        ("\"SPAN_KIND_CONSUMER\"", SpanKind::CONSUMER),
        ("3", SpanKind::CLIENT),
        ("\"3\"", SpanKind::CLIENT),
        ("3.0", SpanKind::CLIENT),
        ("-7", SpanKind(-7)),
        ("99", SpanKind(99)),
    ] {
        assert_eq!(one_span(&format!("\"kind\": {form}")).kind, kind, "{form}");
    }
    for (form, code) in [("\"STATUS_CODE_ERROR\"", StatusCode::ERROR), ("1", StatusCode::OK), ("99", StatusCode(99))] {
        assert_eq!(one_span(&format!(r#""status": {{"code": {form}}}"#)).status.code, code, "{form}");
    }
}

#[test]
fn values_come_in_many_forms() {
    let bytes = || Value::Bytes(vec![0xfb, 0xff, 0xfe, 0x00]);
    let cases = [
        ("null", Value::Null),
        ("{}", Value::Null),
        (r#"{"stringValueStrindex": 5}"#, Value::Null),
        (r#"{"stringValue": null}"#, Value::Null),
        (r#"{"stringValue": ""}"#, Value::from("")),
        (r#"{"stringValue": "\u0000\ud83e\udd80\n"}"#, Value::from("\0\u{1f980}\n")),
        (r#"{"stringValue": "a", "intValue": null, "new": 1}"#, Value::from("a")),
        (r#"{"stringValue": "a", "intValue": 1}"#, Value::Int(1)),
        (r#"{"boolValue": false}"#, Value::Bool(false)),
        (r#"{"intValue": "-9223372036854775808"}"#, Value::Int(i64::MIN)),
        (r#"{"intValue": -9223372036854775808}"#, Value::Int(i64::MIN)),
        (r#"{"intValue": 9007199254740993}"#, Value::Int(9_007_199_254_740_993)),
        (r#"{"intValue": 1.0}"#, Value::Int(1)),
        (r#"{"intValue": 1e3}"#, Value::Int(1_000)),
        (r#"{"intValue": "1E3"}"#, Value::Int(1_000)),
        (r#"{"doubleValue": 1}"#, Value::Double(1.0)),
        (r#"{"doubleValue": -1}"#, Value::Double(-1.0)),
        (r#"{"doubleValue": -0.0}"#, Value::Double(-0.0)),
        (r#"{"doubleValue": 0.1}"#, Value::Double(0.1)),
        (r#"{"doubleValue": 1.7976931348623157e308}"#, Value::Double(f64::MAX)),
        (r#"{"doubleValue": "0.1"}"#, Value::Double(0.1)),
        (r#"{"doubleValue": "NaN"}"#, Value::Double(f64::NAN)),
        (r#"{"doubleValue": "Infinity"}"#, Value::Double(f64::INFINITY)),
        (r#"{"doubleValue": "-Infinity"}"#, Value::Double(f64::NEG_INFINITY)),
        (r#"{"bytesValue": ""}"#, Value::Bytes(vec![])),
        (r#"{"bytesValue": "+//+AA=="}"#, bytes()),
        (r#"{"bytesValue": "+//+AA"}"#, bytes()),
        (r#"{"bytesValue": "-__-AA=="}"#, bytes()),
        (r#"{"bytesValue": "-__-AA"}"#, bytes()),
        (r#"{"bytesValue": "+//+AB"}"#, bytes()),
        (r#"{"arrayValue": null}"#, Value::Null),
        (r#"{"arrayValue": {}}"#, Value::Array(vec![])),
        (r#"{"arrayValue": {"values": null}}"#, Value::Array(vec![])),
        (r#"{"arrayValue": {"values": [null, {"intValue": 1}]}}"#, Value::Array(vec![Value::Null, Value::Int(1)])),
        (r#"{"kvlistValue": {"values": []}}"#, Value::Map([("", Value::Null); 0].into_iter().collect())),
        (r#"{"kvlistValue": {"values": [{}]}}"#, Value::Map([("", Value::Null)].into_iter().collect())),
    ];
    for (form, value) in cases {
        let members = format!(r#""attributes": [{{"key": "k", "value": {form}}}]"#);
        assert_eq!(one_span(&members).attributes, [("k", value)].into_iter().collect(), "{form}");
    }
}

#[test]
fn old_names_of_scopes_are_read() {
    let span = format!(r#"{{"traceId": "{}", "spanId": "{}"}}"#, "01".repeat(16), "02".repeat(8));
    for (spans, scope) in [
        ("deprecatedScopeSpans", "scope"),
        ("instrumentationLibrarySpans", "instrumentationLibrary"),
        ("instrumentation_library_spans", "instrumentation_library"),
    ] {
        let body =
            format!(r#"{{"resourceSpans": [{{"{spans}": [{{"spans": [{span}], "{scope}": {{"name": "lib"}}}}]}}]}}"#);
        assert_eq!(json(body.as_bytes()).unwrap().spans[0].scope.name, "lib");
    }
}

#[test]
fn ids_are_hex_in_either_case() {
    let span =
        one_span(r#""links": [{"traceId": "", "spanId": "00000000000000aB"}], "parentSpanId": "0000000000000000""#);
    assert_eq!(span.links[0].trace_id, None);
    assert_eq!(span.links[0].span_id, Some(SpanId::from_slice(&[0, 0, 0, 0, 0, 0, 0, 0xab]).unwrap()));
    assert_eq!(span.parent_span_id, None);
}

#[test]
fn a_bad_span_is_rejected_alone() {
    let cases = [
        (r#""traceId": "0102""#, "trace_id", "trace_id must be 32 hex digits"),
        (r#""traceId": "0202020202020202""#, "trace_id", "trace_id must be 32 hex digits"),
        (r#""traceId": "g1010101010101010101010101010101""#, "trace_id", "trace_id must be 32 hex digits"),
        (r#""traceId": """#, "trace_id", "trace_id must have 16 bytes, has 0"),
        (r#""traceId": null"#, "trace_id", "trace_id must have 16 bytes, has 0"),
        (r#""traceId": "00000000000000000000000000000000""#, "trace_id", "trace_id must not be all zeros"),
        (r#""spanId": "AQIDBAUGBwg=""#, "span_id", "span_id must be 16 hex digits"),
        (r#""parentSpanId": "01""#, "parent_span_id", "parent_span_id must be 16 hex digits"),
        (r#""links": [{}, {"traceId": "01"}, {"spanId": "01"}]"#, "link", "trace_id of a link must be 32 hex digits"),
        (r#""links": [{"spanId": "é"}]"#, "link", "span_id of a link must be 16 hex digits"),
    ];
    for (members, reason, why) in cases {
        let body = body_of_spans(&[r#""flags": 1"#, members, r#""flags": 2"#]);
        let decoded = json(body.as_bytes()).unwrap();
        assert_eq!(decoded.spans.iter().map(|span| span.flags).collect::<Vec<_>>(), [1, 2], "{body}");
        assert_eq!(decoded.rejected.by_reason().collect::<Vec<_>>(), [(reason, 1)]);
        let message = decoded.rejected.message();
        assert!(message.starts_with("1 span rejected: span 1 \"\"") && message.ends_with(why), "{message}");
    }
}

#[test]
fn values_are_read_down_to_the_limit_and_no_deeper() {
    let put: [fn(&mut ResourceSpans, Vec<_>); 5] = [
        |group, attributes| group.scope_spans[0].spans[0].attributes = attributes,
        |group, attributes| group.scope_spans[0].spans[0].events = vec![Event { attributes, ..Event::default() }],
        |group, attributes| group.scope_spans[0].spans[0].links = vec![Link { attributes, ..Link::default() }],
        |group, attributes| {
            group.scope_spans[0].scope = Some(InstrumentationScope { attributes, ..InstrumentationScope::default() });
        },
        |group, attributes| group.resource = Some(Resource { attributes, ..Resource::default() }),
    ];
    for put in put {
        let mut request = request(vec![good_span()]);
        // A group beside it stays.
        request.resource_spans.push(request.resource_spans[0].clone());
        put(&mut request.resource_spans[0], vec![pair("k", nested(VALUE_DEPTH_JSON_MAX, true))]);
        assert_eq!(json(json_text(&request).as_bytes()), protobuf(&request.encode_to_vec()));
        for depth in [VALUE_DEPTH_JSON_MAX + 1, 100] {
            put(&mut request.resource_spans[0], vec![pair("k", nested(depth, true))]);
            let decoded = json(json_text(&request).as_bytes()).unwrap();
            assert_eq!((decoded.spans.len(), decoded.rejected.by_reason().collect()), (1, vec![("depth", 1)]));
            let message = decoded.rejected.message();
            assert!(message.ends_with("nested deeper than 28 values"), "{message}");
        }
    }
}

/// Not UTF-8, and what JavaScript makes of a text that it cut inside a surrogate pair.
#[test]
fn broken_texts_are_repaired_and_counted() {
    let mut body =
        body_of_span(r#""name": "a?", "traceState": "\ud83d", "attributes": [{"key": "\udd80 b"}]"#).into_bytes();
    let place = body.iter().position(|byte| *byte == b'?').unwrap();
    body[place] = 0xff;
    let Decoded { spans, rejected, repaired, .. } = json(&body).unwrap();
    assert_eq!((rejected.count(), repaired), (0, 3));
    assert_eq!(spans[0].name, "a\u{fffd}");
    assert!(spans[0].trace_state.chars().all(|c| c == '\u{fffd}'));
    assert!(spans[0].attributes.0[0].key.ends_with("\u{fffd} b"));
}

#[test]
fn what_is_not_the_request_fails_with_a_place() {
    let cases = [
        ("", "EOF while parsing a value at 1:0"),
        ("{", "EOF while parsing an object at 1:1"),
        ("[]", "invalid type: sequence, expected an object at 1:2"),
        ("{}\n{}", "trailing characters at 2:1"),
        ("{\n  \"resourceSpans\": \"x\"}", "invalid type: string \"x\", expected an array at 2:22"),
        (r#"{"resourceSpans": [1]}"#, "invalid type: integer `1`, expected an object at 1:20"),
        (r#"{"resourceSpans": [{"schemaUrl": 1}]}"#, "invalid type: integer `1`, expected a string at 1:34"),
        (r#"{"resourceSpans": [{"schemaUrl": []}]}"#, "invalid type: sequence, expected a string at 1:35"),
    ];
    for (body, expected) in cases {
        let Err(DecodeError::Json { what, line, column }) = json(body.as_bytes()) else {
            panic!("{body} was read");
        };
        assert_eq!(format!("{what} at {line}:{column}"), expected, "{body}");
    }
    let error = json(b"{\n1").unwrap_err().to_string();
    assert_eq!(error, "invalid JSON at line 2 column 1: key must be a string");
}

/// What is of the right JSON type and yet no value of its field.
#[test]
fn values_out_of_range_cost_their_span() {
    let value = |form: &str| format!(r#""attributes": [{{"key": "k", "value": {{{form}}}}}]"#);
    let cases = [
        (r#""startTimeUnixNano": -1"#.to_owned(), "an unsigned 64-bit integer"),
        (r#""startTimeUnixNano": 18446744073709551616"#.to_owned(), "an unsigned 64-bit integer"),
        (r#""startTimeUnixNano": "18446744073709551616""#.to_owned(), "an unsigned 64-bit integer"),
        (r#""startTimeUnixNano": 1.5"#.to_owned(), "an unsigned 64-bit integer"),
        (r#""startTimeUnixNano": """#.to_owned(), "an unsigned 64-bit integer"),
        (r#""flags": 4294967296"#.to_owned(), "an unsigned 32-bit integer"),
        (r#""kind": 2147483648"#.to_owned(), "a 32-bit integer"),
        (r#""kind": 1.5"#.to_owned(), "a 32-bit integer"),
        (r#""kind": "SERVER""#.to_owned(), "an enum's number or name"),
        (r#""status": {"code": "OK"}"#.to_owned(), "an enum's number or name"),
        (r#""events": [{}, {"timeUnixNano": "x"}]"#.to_owned(), "an unsigned 64-bit integer"),
        (r#""links": [{"flags": -1}]"#.to_owned(), "an unsigned 32-bit integer"),
        (value(r#""intValue": 9223372036854775808"#), "a 64-bit integer"),
        (value(r#""intValue": "-9223372036854775809""#), "a 64-bit integer"),
        (value(r#""intValue": "NaN""#), "a 64-bit integer"),
        (value(r#""doubleValue": "1e400""#), "a double"),
        (value(r#""doubleValue": "x""#), "a double"),
        (value(r#""bytesValue": "a""#), "bytes in base64"),
    ];
    for (members, expected) in cases {
        let decoded = json(body_of_spans(&[r#""flags": 1"#, &members, r#""flags": 2"#]).as_bytes()).unwrap();
        assert_eq!(decoded.spans.iter().map(|span| span.flags).collect::<Vec<_>>(), [1, 2], "{members}");
        assert_eq!(decoded.rejected.by_reason().collect::<Vec<_>>(), [("malformed", 1)]);
        let message = decoded.rejected.message();
        assert!(message.starts_with("1 span rejected: span 1 \"\""), "{message}");
        assert!(message.ends_with(&format!("0202: a value is not {expected}")), "{message}");
    }
}

/// The same in what spans share.
#[test]
fn values_out_of_range_of_a_resource_or_scope_cost_its_spans() {
    let span = format!(r#"{{"traceId": "{}", "spanId": "{}"}}"#, "01".repeat(16), "02".repeat(8));
    let good = format!(r#"{{"spans": [{span}]}}"#);
    let bad = r#"{"droppedAttributesCount": -1}"#;
    for (groups, place) in [
        (format!(r#"{{"scopeSpans": [{good}], "resource": {bad}}}, {{"scopeSpans": [{good}]}}"#), "resource"),
        (format!(r#"{{"scopeSpans": [{{"spans": [{span}], "scope": {bad}}}, {good}]}}"#), "scope"),
    ] {
        let decoded = json(format!(r#"{{"resourceSpans": [{groups}]}}"#).as_bytes()).unwrap();
        assert_eq!((decoded.spans.len(), decoded.rejected.count()), (1, 1));
        let message = decoded.rejected.message();
        assert!(message.ends_with(&format!(": its {place}: a value is not an unsigned 32-bit integer")), "{message}");
    }
}

#[test]
fn values_of_another_type_fail_the_request() {
    let value = |form: &str| format!(r#""attributes": [{{"key": "k", "value": {{{form}}}}}]"#);
    let cases = [
        (r#""flags": true"#.to_owned(), "boolean `true`, expected an unsigned 32-bit integer"),
        (r#""kind": []"#.to_owned(), "sequence, expected an enum's number or name"),
        (value(r#""boolValue": "true""#), "string \"true\", expected true or false"),
        (value(r#""arrayValue": []"#), "sequence, expected an object"),
    ];
    for (members, expected) in cases {
        let error = json(body_of_span(&members).as_bytes()).unwrap_err().to_string();
        assert!(error.ends_with(expected), "{error}");
        assert!(error.starts_with("invalid JSON at line 1 column 1"), "{error}");
    }
}

/// Of bad spans in a row little is kept, and all is told.
#[test]
fn bad_spans_in_a_row_are_all_counted() {
    let members = [r#""traceId": "01""#, r#""spanId": """#, r#""flags": 1"#, r#""spanId": """#, r#""spanId": """#];
    let members = [&members[..], &[r#""traceId": """#; 5], &[r#""flags": 2"#], &[r#""traceId": """#]].concat();
    let decoded = json(body_of_spans(&members).as_bytes()).unwrap();
    assert_eq!(decoded.spans.iter().map(|span| span.flags).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(decoded.rejected.by_reason().collect::<Vec<_>>(), [("span_id", 3), ("trace_id", 7)]);
    let message = decoded.rejected.message();
    let places: Vec<_> = message.split("span ").filter_map(|part| part.split_once(" \"\"")).map(|(at, _)| at).collect();
    assert_eq!(places, ["0", "1", "3"], "{message}");
}

/// The parser quotes what it does not like; the answer stays small.
#[test]
fn an_error_quotes_no_more_than_a_little() {
    let body = format!(r#"{{"resourceSpans": "{}"}}"#, "x".repeat(100_000));
    let error = json(body.as_bytes()).unwrap_err().to_string();
    assert!(error.len() < 400 && error.contains("column 100"), "{error}");
}
