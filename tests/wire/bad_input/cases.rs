//! The table: what is sent, and what becomes of it.

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::ResourceSpans;
use opentelemetry_proto::tonic::trace::v1::Status;
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link};
use prost::Message;
use tracewell::otlp::decode::VALUE_DEPTH_JSON_MAX;

use super::sent::{any, attributes_everywhere, good, lists, maps, pair, span, text, text_everywhere, value_everywhere};
use crate::otlp::text::resource_spans;
use crate::otlp::wire::{delimited, unknown, varint};

const MIB: usize = 1 << 20;

/// A case of the table.
pub(super) struct Case {
    /// What is sent.
    pub(super) what: String,
    /// Makes it, as a span of this trace.
    pub(super) make: Box<dyn Fn([u8; 16]) -> Sent>,
}

/// A group with the bad span, in those formats that have such a thing, and what becomes of it.
pub(super) struct Sent {
    pub(super) protobuf: Option<Vec<u8>>,
    pub(super) json: Option<Vec<u8>>,
    pub(super) becomes: Becomes,
}

pub(super) enum Becomes {
    /// It is stored, as this.
    Stored(Box<ResourceSpans>),
    /// It is stored as this, with so many texts repaired.
    Repaired(u64, Box<ResourceSpans>),
    /// It is rejected: counted under this reason, and the sender is told this.
    Rejected { reason: &'static str, says: &'static str },
}

type Change = fn(&mut ResourceSpans);

pub(super) fn all() -> Vec<Case> {
    [texts(), values(), times_and_numbers(), ids(), depths(), sizes(), formats()].into_iter().flatten().collect()
}

fn texts() -> Vec<Case> {
    vec![
        repaired("invalid UTF-8 in every text", b"\xff\xfe", "\u{fffd}\u{fffd}"),
        repaired("a character cut in two, in every text", b"\xf0\x9f", "\u{fffd}"),
        json_repaired("half a surrogate pair in every text", r"\ud83d", "\u{fffd}\u{fffd}\u{fffd}"),
        stored("U+0000 in every text", |group| text_everywhere(group, "a\0\u{1}\0")),
        stored("U+0000 alone in every text", |group| text_everywhere(group, "\0")),
        stored("control characters in every text", |group| text_everywhere(group, "\u{1}\u{2}\u{1f}\u{7f}\u{85}\r\n")),
        stored("the last character there is, in every text", |group| text_everywhere(group, "\u{10ffff}\u{fffe}")),
        stored("an empty text everywhere", |group| text_everywhere(group, "")),
        stored("what looks like the stored form", |group| text_everywhere(group, "{\"$bytes\":\"AA==\"}")),
    ]
}

fn values() -> Vec<Case> {
    let odd = [
        ("NaN", Some(Value::DoubleValue(f64::NAN))),
        ("infinity", Some(Value::DoubleValue(f64::INFINITY))),
        ("minus infinity", Some(Value::DoubleValue(f64::NEG_INFINITY))),
        ("minus zero", Some(Value::DoubleValue(-0.0))),
        ("the smallest double", Some(Value::DoubleValue(5e-324))),
        ("the largest double", Some(Value::DoubleValue(f64::MAX))),
        ("the smallest int", Some(Value::IntValue(i64::MIN))),
        ("the largest int", Some(Value::IntValue(i64::MAX))),
        ("no bytes", Some(Value::BytesValue(Vec::new()))),
        ("a value in which nothing is set", None),
    ];
    let everywhere = odd.map(|(what, value)| Case {
        what: format!("{what} everywhere"),
        make: Box::new(move |trace_id| {
            let mut group = good(trace_id);
            value_everywhere(&mut group, &AnyValue { value: value.clone() });
            as_sent(group)
        }),
    });
    let others = [
        stored("attributes without a value", |group| {
            attributes_everywhere(
                group,
                &[KeyValue { key: "k".to_owned(), ..KeyValue::default() }, KeyValue::default()],
            );
        }),
        stored("keys that come twice", |group| {
            let [one, two] = [pair("k", text("1")), pair("k", any(Value::IntValue(2)))];
            attributes_everywhere(group, &[two.clone(), one.clone(), pair("a", text("")), one, two]);
        }),
    ];
    everywhere.into_iter().chain(others).collect()
}

fn times_and_numbers() -> Vec<Case> {
    fn times(group: &mut ResourceSpans, start: u64, end: u64) {
        let span = span(group);
        (span.start_time_unix_nano, span.end_time_unix_nano) = (start, end);
        span.events = vec![Event { time_unix_nano: start, ..Event::default() }];
    }
    vec![
        stored("times of 0", |group| times(group, 0, 0)),
        stored("times of 2^64-1", |group| times(group, u64::MAX, u64::MAX)),
        stored("from 0 to 2^64-1", |group| times(group, 0, u64::MAX)),
        stored("from 2^64-1 to 0", |group| times(group, u64::MAX, 0)),
        stored("the end before the start", |group| times(group, 1_790_000_000_000_000_001, 1_790_000_000_000_000_000)),
        stored("unknown kinds and codes", |group| {
            span(group).kind = 99;
            span(group).status = Some(Status { code: 77, ..Status::default() });
        }),
        stored("negative kinds and codes", |group| {
            span(group).kind = i32::MIN;
            span(group).status = Some(Status { code: -1, ..Status::default() });
        }),
        stored("all counts and flags at their largest", |group| {
            attributes_everywhere(group, &[]);
            let span = span(group);
            (span.flags, span.dropped_attributes_count) = (u32::MAX, u32::MAX);
            (span.dropped_events_count, span.dropped_links_count) = (u32::MAX, u32::MAX);
            span.events[0].dropped_attributes_count = u32::MAX;
            (span.links[0].dropped_attributes_count, span.links[0].flags) = (u32::MAX, u32::MAX);
        }),
    ]
}

fn ids() -> Vec<Case> {
    vec![
        rejected("no trace id", "trace_id", "trace_id must have 16 bytes, has 0", |group| span(group).trace_id.clear()),
        rejected("a trace id of zeros", "trace_id", "must not be all zeros", |group| {
            span(group).trace_id = vec![0; 16];
        }),
        rejected("a trace id of 8 bytes", "trace_id", "trace_id must ", |group| span(group).trace_id = vec![1; 8]),
        rejected("a trace id of 1 MiB", "trace_id", "trace_id must ", |group| span(group).trace_id = vec![1; MIB]),
        rejected("no span id", "span_id", "span_id must have 8 bytes, has 0", |group| span(group).span_id.clear()),
        rejected("a span id of zeros", "span_id", "must not be all zeros", |group| span(group).span_id = vec![0; 8]),
        rejected("a span id of 16 bytes", "span_id", "span_id must ", |group| span(group).span_id = vec![1; 16]),
        rejected("a parent id of 7 bytes", "parent_span_id", "parent_span_id must ", |group| {
            span(group).parent_span_id = vec![1; 7];
        }),
        rejected("a link's trace id of 17 bytes", "link", "trace_id of a link must ", |group| {
            span(group).links = vec![Link::default(), Link { trace_id: vec![1; 17], ..Link::default() }];
        }),
        rejected("a link's span id of 1 byte", "link", "span_id of a link must ", |group| {
            span(group).links = vec![Link::default(), Link { span_id: vec![1], ..Link::default() }];
        }),
        stored("a parent of zeros, and links to nowhere", |group| {
            let zeros = Link { trace_id: vec![0; 16], span_id: vec![0; 8], ..Link::default() };
            span(group).parent_span_id = vec![0; 8];
            span(group).links = vec![zeros, Link::default()];
        }),
        stored("its own id as its parent's", |group| span(group).parent_span_id = span(group).span_id.clone()),
    ]
}

fn depths() -> Vec<Case> {
    const SAYS: &str = "an attribute's value is nested deeper than";
    let of = |what: &str, value: AnyValue, protobuf: bool, json: bool, is_stored: bool| {
        let what = what.to_owned();
        let make = move |trace_id| {
            let mut group = good(trace_id);
            attributes_everywhere(&mut group, &[pair("k", value.clone())]);
            let mut sent = as_sent(group);
            sent.protobuf = sent.protobuf.filter(|_| protobuf);
            sent.json = sent.json.filter(|_| json);
            if !is_stored {
                sent.becomes = Becomes::Rejected { reason: "depth", says: SAYS };
            }
            sent
        };
        Case { what, make: Box::new(make) }
    };
    // In an event, as deep as protobuf's decoders read, which is to 100 messages.
    let (most_lists, most_maps, most_json) = (48, 32, VALUE_DEPTH_JSON_MAX);
    vec![
        of("lists as deep as can be", lists(most_lists), true, false, true),
        of("maps as deep as can be", maps(most_maps, &["k"]), true, false, true),
        of("maps with odd keys as deep as can be", maps(most_maps, &["$"]), true, false, true),
        of("maps with copies of keys as deep as can be", maps(most_maps, &["b", "a", "a"]), true, false, true),
        of("lists that are too deep", lists(most_lists + 1), true, true, false),
        of("maps that are too deep", maps(most_maps + 1, &["k"]), true, true, false),
        of("lists as deep as can be in JSON", lists(most_json), true, true, true),
        of("maps as deep as can be in JSON", maps(most_json, &["b", "a", "a"]), true, true, true),
        of("lists that are too deep for JSON", lists(most_json + 1), false, true, false),
        raw("lists 10,000 deep", |trace_id| {
            let value = (0..10_000).fold(varint(3, 1), |inner, _| delimited(5, delimited(1, inner)));
            let json = format!("{}{}", r#"{"arrayValue":{"values":["#.repeat(10_000), "]}}".repeat(10_000));
            let protobuf = with_span_bytes(trace_id, &delimited(9, delimited(2, value)));
            let json = with_span_json(trace_id, &format!(r#""attributes":[{{"key":"k","value":{json}}}]"#));
            let becomes = Becomes::Rejected { reason: "depth", says: SAYS };
            Sent { protobuf: Some(protobuf), json: Some(json), becomes }
        }),
    ]
}

fn sizes() -> Vec<Case> {
    vec![
        stored("a text of 8 MiB", |group| span(group).attributes.push(pair("k", text(&"é".repeat(4 * MIB))))),
        stored("bytes of 8 MiB", |group| {
            let bytes = (0..=255).cycle().take(8 * MIB).collect();
            span(group).attributes.push(pair("k", any(Value::BytesValue(bytes))));
        }),
        stored("64 KiB in every text", |group| text_everywhere(group, &"é".repeat(32 << 10))),
        stored("names and keys of 1 MiB", |group| {
            let long = || "é".repeat(MIB / 2);
            text_everywhere(group, "");
            group.resource.get_or_insert_default().attributes =
                vec![pair("service.name", text(&long())), pair("host.name", text(&long()))];
            group.scope_spans[0].scope.get_or_insert_default().name = long();
            let span = span(group);
            span.name.extend([long()]);
            span.attributes.push(pair(&long(), text("v")));
            span.events[0].name = long();
        }),
        stored("10,000 attributes", |group| {
            span(group).attributes = (0..10_000).map(|number| pair(&number.to_string(), text("v"))).collect();
        }),
        stored("10,000 events and links with nothing in them", |group| {
            span(group).events = vec![Event::default(); 10_000];
            span(group).links = vec![Link::default(); 10_000];
        }),
        raw("millions of events with nothing in them", |trace_id| {
            const EVENTS: usize = 2_200_000;
            Sent {
                protobuf: Some(with_span_bytes(trace_id, &delimited(11, []).repeat(EVENTS))),
                // It takes more memory than a request may have: nobody knows how many come, so the list grows by copying.
                json: None,
                becomes: Becomes::Rejected { reason: "size", says: ": it would take more than 192 MiB of a database" },
            }
        }),
        raw("a text of which JSON makes twelve times as much", |trace_id| {
            let mut group = good(trace_id);
            span(&mut group).attributes.push(pair("k", text(&"\0".repeat(17 * MIB))));
            let becomes = Becomes::Rejected { reason: "size", says: ": it would take more than 192 MiB of a database" };
            Sent { protobuf: Some(group.encode_to_vec()), json: None, becomes }
        }),
        raw("the same as a service", |trace_id| {
            let mut group = good(trace_id);
            let service = pair("service.name", text(&"\0".repeat(17 * MIB)));
            group.resource.get_or_insert_default().attributes = vec![service];
            let says = ": its resource: it would take more than 192 MiB of a database";
            let becomes = Becomes::Rejected { reason: "size", says };
            Sent { protobuf: Some(group.encode_to_vec()), json: None, becomes }
        }),
    ]
}

fn formats() -> Vec<Case> {
    vec![
        raw("unknown fields", |trace_id| {
            let sent = as_sent(good(trace_id));
            let protobuf = with_span_bytes(trace_id, &unknown());
            let json = String::from_utf8(sent.json.unwrap()).unwrap();
            let json = json.replace("{\"", "{\"new\":{\"a\":[1,null,\"x\",{}]},\"").into_bytes();
            Sent { protobuf: Some(protobuf), json: Some(json), becomes: sent.becomes }
        }),
        raw("a time before 1970 in JSON", |trace_id| Sent {
            protobuf: None,
            json: Some(with_span_json(trace_id, r#""startTimeUnixNano":-1"#)),
            becomes: Becomes::Rejected { reason: "malformed", says: ": a value is not an unsigned 64-bit integer" },
        }),
        raw("a span that breaks off", |trace_id| Sent {
            protobuf: Some(with_span_bytes(trace_id, &[0x0a, 0x7f])),
            json: None,
            becomes: Becomes::Rejected { reason: "malformed", says: "length past the end of the message at byte" },
        }),
    ]
}

/// Stored as it was sent.
fn stored(what: &str, change: Change) -> Case {
    let make = move |trace_id| {
        let mut group = good(trace_id);
        change(&mut group);
        as_sent(group)
    };
    Case { what: what.to_owned(), make: Box::new(make) }
}

fn rejected(what: &str, reason: &'static str, says: &'static str, change: Change) -> Case {
    let make = move |trace_id| {
        let mut group = good(trace_id);
        change(&mut group);
        Sent { becomes: Becomes::Rejected { reason, says }, ..as_sent(group) }
    };
    Case { what: what.to_owned(), make: Box::new(make) }
}

fn raw(what: &str, make: fn([u8; 16]) -> Sent) -> Case {
    Case { what: what.to_owned(), make: Box::new(make) }
}

/// These bytes in every text, of which each is stored with that in their place.
fn repaired(what: &str, bytes: &'static [u8], stored: &'static str) -> Case {
    let make = move |trace_id| {
        let (sent, becomes) = spoilt(trace_id, stored);
        let replace = |text: Vec<u8>| replace(&text, b"@@", bytes);
        Sent { protobuf: sent.protobuf.map(replace), json: sent.json.map(replace), becomes }
    };
    assert_eq!(bytes.len(), 2, "as many as they replace");
    Case { what: what.to_owned(), make: Box::new(make) }
}

/// The same in JSON only.
fn json_repaired(what: &str, text: &'static str, stored: &'static str) -> Case {
    let make = move |trace_id| {
        let (sent, becomes) = spoilt(trace_id, stored);
        let json = sent.json.map(|json| replace(&json, b"@@", text.as_bytes()));
        Sent { protobuf: None, json, becomes }
    };
    Case { what: what.to_owned(), make: Box::new(make) }
}

/// A group with a mark in every text, and what becomes of it when there is this in place of each.
fn spoilt(trace_id: [u8; 16], stored: &str) -> (Sent, Becomes) {
    let [mut marked, mut repaired] = [good(trace_id), good(trace_id)];
    text_everywhere(&mut marked, "@@");
    text_everywhere(&mut repaired, stored);
    let sent = as_sent(marked);
    let marks = sent.protobuf.as_ref().unwrap().windows(2).filter(|pair| pair == b"@@").count();
    (sent, Becomes::Repaired(marks as u64, Box::new(repaired)))
}

fn replace(text: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let (mut replaced, mut rest) = (Vec::new(), text);
    while let Some(at) = rest.windows(from.len()).position(|window| window == from) {
        replaced.extend([&rest[..at], to].concat());
        rest = &rest[at + from.len()..];
    }
    [&replaced, rest].concat()
}

fn as_sent(group: ResourceSpans) -> Sent {
    Sent {
        protobuf: Some(group.encode_to_vec()),
        json: Some(resource_spans(&group).to_string().into_bytes()),
        becomes: Becomes::Stored(Box::new(group)),
    }
}

/// A good span with these bytes behind its fields.
fn with_span_bytes(trace_id: [u8; 16], bytes: &[u8]) -> Vec<u8> {
    let mut group = good(trace_id);
    let span = [&span(&mut group).encode_to_vec(), bytes].concat();
    group.scope_spans.clear();
    [group.encode_to_vec(), delimited(2, delimited(2, span))].concat()
}

/// A good span with this text behind its members.
fn with_span_json(trace_id: [u8; 16], members: &str) -> Vec<u8> {
    let trace_id = u128::from_be_bytes(trace_id);
    let span = format!(r#"{{"traceId":"{trace_id:032x}","spanId":"{:016x}","name":"case",{members}}}"#, 2);
    format!(r#"{{"scopeSpans":[{{"spans":[{span}]}}]}}"#).into_bytes()
}
