//! Random requests: every field, every type, the values that are easy to get wrong, and now and then a bad id.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{
    AnyValue, ArrayValue, EntityRef, InstrumentationScope, KeyValue, KeyValueList,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

pub(super) fn request() -> impl Strategy<Value = ExportTraceServiceRequest> {
    vec(resource_spans(), 0..4).prop_map(|resource_spans| ExportTraceServiceRequest { resource_spans })
}

fn resource_spans() -> impl Strategy<Value = ResourceSpans> {
    (option::of(resource()), vec(scope_spans(), 0..3), text())
        .prop_map(|(resource, scope_spans, schema_url)| ResourceSpans { resource, scope_spans, schema_url })
}

/// Often one of two, so that groups of equal resources occur.
fn resource() -> impl Strategy<Value = Resource> {
    let any = (attributes(), number(), vec(entity_ref(), 0..3)).prop_map(
        |(attributes, dropped_attributes_count, entity_refs)| Resource {
            attributes,
            dropped_attributes_count,
            entity_refs,
        },
    );
    prop_oneof![Just(Resource::default()), Just(Resource { dropped_attributes_count: 1, ..Resource::default() }), any]
}

fn entity_ref() -> impl Strategy<Value = EntityRef> {
    (text(), text(), vec(text(), 0..3), vec(text(), 0..3)).prop_map(
        |(schema_url, r#type, id_keys, description_keys)| EntityRef { schema_url, r#type, id_keys, description_keys },
    )
}

fn scope_spans() -> impl Strategy<Value = ScopeSpans> {
    (option::of(scope()), vec(span(), 0..4), text()).prop_map(|(scope, spans, schema_url)| ScopeSpans {
        scope,
        spans,
        schema_url,
    })
}

fn scope() -> impl Strategy<Value = InstrumentationScope> {
    let any =
        (text(), text(), attributes(), number()).prop_map(|(name, version, attributes, dropped_attributes_count)| {
            InstrumentationScope { name, version, attributes, dropped_attributes_count }
        });
    prop_oneof![Just(InstrumentationScope::default()), any]
}

fn span() -> impl Strategy<Value = Span> {
    let ids = (needed_id(16), needed_id(8), optional_id(8), text(), number());
    let facts = (text(), enumeration(), time(), time(), option::of(status()));
    let lists = (attributes(), number(), vec(event(), 0..3), number(), vec(link(), 0..3), number());
    (ids, facts, lists).prop_map(|(ids, facts, lists)| Span {
        trace_id: ids.0,
        span_id: ids.1,
        parent_span_id: ids.2,
        trace_state: ids.3,
        flags: ids.4,
        name: facts.0,
        kind: facts.1,
        start_time_unix_nano: facts.2,
        end_time_unix_nano: facts.3,
        status: facts.4,
        attributes: lists.0,
        dropped_attributes_count: lists.1,
        events: lists.2,
        dropped_events_count: lists.3,
        links: lists.4,
        dropped_links_count: lists.5,
    })
}

fn event() -> impl Strategy<Value = Event> {
    (time(), text(), attributes(), number()).prop_map(|(time_unix_nano, name, attributes, dropped_attributes_count)| {
        Event { time_unix_nano, name, attributes, dropped_attributes_count }
    })
}

fn link() -> impl Strategy<Value = Link> {
    (optional_id(16), optional_id(8), text(), attributes(), number(), number()).prop_map(
        |(trace_id, span_id, trace_state, attributes, dropped_attributes_count, flags)| Link {
            trace_id,
            span_id,
            trace_state,
            attributes,
            dropped_attributes_count,
            flags,
        },
    )
}

fn status() -> impl Strategy<Value = Status> {
    (text(), enumeration()).prop_map(|(message, code)| Status { message, code })
}

fn needed_id(length: usize) -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![20 => vec(1..=u8::MAX, length), 1 => Just(vec![0; length]), 1 => vec(any::<u8>(), 0..20)]
}

fn optional_id(length: usize) -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        10 => vec(1..=u8::MAX, length),
        10 => Just(Vec::new()),
        5 => Just(vec![0; length]),
        1 => vec(any::<u8>(), 0..20),
    ]
}

fn text() -> impl Strategy<Value = String> {
    const SPECIAL: &[&str] = &["", "service.name", "k", "$bytes", "\0", "\u{fffd}", "\u{1f980}", "\"\\\n"];
    prop_oneof![prop::sample::select(SPECIAL).prop_map(str::to_owned), any::<String>()]
}

fn number() -> impl Strategy<Value = u32> {
    prop_oneof![Just(0), Just(u32::MAX), any::<u32>()]
}

fn enumeration() -> impl Strategy<Value = i32> {
    prop_oneof![0..7, Just(-1), any::<i32>()]
}

fn time() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), Just(u64::MAX), Just(1_700_000_000_123_456_789), any::<u64>()]
}

fn attributes() -> impl Strategy<Value = Vec<KeyValue>> {
    vec(key_value(any_value()), 0..4)
}

fn key_value(value: impl Strategy<Value = AnyValue>) -> impl Strategy<Value = KeyValue> {
    (text(), option::of(value), strindex()).prop_map(|(key, value, key_strindex)| KeyValue { key, value, key_strindex })
}

fn strindex() -> impl Strategy<Value = i32> {
    prop_oneof![9 => Just(0), 1 => any::<i32>()]
}

fn any_value() -> impl Strategy<Value = AnyValue> {
    let double = prop_oneof![
        prop::sample::select(&[0.0, -0.0, 1.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MIN_POSITIVE][..]),
        any::<f64>()
    ];
    let int = prop_oneof![Just(0), Just(i64::MIN), Just(i64::MAX), any::<i64>()];
    let leaf = prop_oneof![
        Just(None),
        text().prop_map(|text| Some(Value::StringValue(text))),
        any::<bool>().prop_map(|bool| Some(Value::BoolValue(bool))),
        int.prop_map(|int| Some(Value::IntValue(int))),
        double.prop_map(|double| Some(Value::DoubleValue(double))),
        vec(any::<u8>(), 0..6).prop_map(|bytes| Some(Value::BytesValue(bytes))),
        strindex().prop_map(|index| Some(Value::StringValueStrindex(index))),
    ];
    leaf.prop_map(|value| AnyValue { value }).prop_recursive(4, 16, 3, |inner| {
        let array = vec(inner.clone(), 0..3).prop_map(|values| Value::ArrayValue(ArrayValue { values }));
        let map = vec(key_value(inner), 0..3).prop_map(|values| Value::KvlistValue(KeyValueList { values }));
        prop_oneof![array, map].prop_map(|value| AnyValue { value: Some(value) })
    })
}
