//! Random values of the model, as nasty as the model allows. Ids, services, names and times come from small pools, so
//! that collisions, shared ids and ties are common; searches draw from the same pools, so that they find something.

use std::fmt::Debug;
use std::sync::Arc;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use tracewell::model::{
    Attribute, AttributeCondition, AttributeScope, Attributes, EntityRef, Event, Keyed, Link, Resource, Scope, Search,
    SearchFields, Span, SpanId, SpanKind, Status, StatusCode, TraceId, UnixNanos, Value,
};

/// Texts that some layer may take for something else: empty, quoted, escaped, tagged, not ordered as they look.
pub(crate) const TEXTS: [&str; 33] = [
    "",
    "a",
    "A",
    "get",
    "GET",
    "\0",
    "a\0",
    "a\0b",
    "\u{1}",
    "\u{1}\u{1}",
    "a\u{1}",
    "a\u{1}\0",
    "\u{2}",
    "\u{7f}",
    "\r\n\t\u{8}\u{c}\u{b}\u{1f}",
    "\"",
    "\\",
    "\\\"",
    "\\u0000",
    "\\0",
    "'; drop table span_row; --",
    "%",
    "_",
    "a%",
    "$",
    "$1",
    "null",
    "1.0",
    "NaN",
    "{\"$bytes\":\"AA==\"}",
    "\u{fffd}",
    "\u{e000}",
    "\u{10ffff}é",
];

/// Keys of attributes that spans, resources and searches have in common.
const KEYS: [&str; 8] = ["a", "b", "http.route", "$bytes", "$", "a\"b", "host.name", "service.name"];

/// Services, as the value of `service.name`.
const SERVICES: [&str; 8] = ["shop", "Shop", "cart", "", "unknown_service", "é", "s\0", "s\u{1}"];

/// Nodes, as the value of `service.instance.id` or `host.name`.
const NODES: [&str; 4] = ["n1", "n2", "", "n\0"];

/// Names of spans.
const NAMES: [&str; 9] = ["get", "GET", "", "get /", "\0", "\u{1}", "\u{e000}", "\u{10ffff}", "'; --"];

/// Some moment of 2026, in nanoseconds.
const NOW: u64 = 1_790_000_000_123_456_789;

/// Starts and ends.
const TIMES: [u64; 14] = [
    0,
    1,
    999,
    1_000,
    1_001,
    i64::MAX as u64,
    i64::MAX as u64 + 1,
    u64::MAX - 1,
    u64::MAX,
    NOW,
    NOW + 1,
    NOW + 999,
    NOW + 60_000_000_000,
    NOW + 86_400_000_000_000,
];

/// Doubles that JSON writers and readers get wrong.
fn doubles() -> Vec<f64> {
    let nan_payloads = [0x7ff0_0000_0000_0001, 0x7ff8_0000_0000_0000, 0xfff8_0000_0000_0000, 0xffff_ffff_ffff_ffff];
    let mut doubles: Vec<_> = nan_payloads.into_iter().map(f64::from_bits).collect();
    doubles.extend([f64::INFINITY, f64::NEG_INFINITY, 0.0, -0.0, 1.0, -1.0, 0.1, 5e-324, f64::MIN_POSITIVE, f64::MAX]);
    doubles.extend([1e15, 1e16, 1e17, 1e20, 1e21, 1e22, 1e23, 1e300, -1e300, 9_007_199_254_740_993.0, 1.5e-7]);
    doubles
}

/// `count` values of a strategy, the same in every run.
pub(crate) fn samples<T: Debug>(strategy: &impl Strategy<Value = T>, count: usize) -> Vec<T> {
    let mut runner = TestRunner::deterministic();
    (0..count).map(|_| strategy.new_tree(&mut runner).unwrap().current()).collect()
}

/// A text.
pub(crate) fn text() -> BoxedStrategy<String> {
    let any_chars = vec(any::<char>(), 0..8).prop_map(String::from_iter);
    prop_oneof![3 => select(TEXTS.as_slice()).prop_map(str::to_owned), 1 => any_chars].boxed()
}

/// An attribute's key.
pub(crate) fn key() -> BoxedStrategy<String> {
    let known = select(KEYS.as_slice()).prop_map(str::to_owned);
    prop_oneof![8 => known, 3 => text(), 1 => Just("long.".repeat(200))].boxed()
}

fn leaf() -> BoxedStrategy<Value> {
    prop_oneof![
        Just(Value::Null),
        text().prop_map(Value::String),
        any::<bool>().prop_map(Value::Bool),
        prop_oneof![select(vec![0, 1, -1, i64::MIN, i64::MAX, 1 << 53]), any::<i64>()].prop_map(Value::Int),
        prop_oneof![select(doubles()), any::<u64>().prop_map(f64::from_bits)].prop_map(Value::Double),
        vec(any::<u8>(), 0..5).prop_map(Value::Bytes),
    ]
    .boxed()
}

/// A value of any type, nested up to four deep.
pub(crate) fn value() -> BoxedStrategy<Value> {
    let nested = |inner: BoxedStrategy<Value>| {
        let map = vec((key(), inner.clone()), 0..4).prop_map(|pairs| Value::Map(pairs.into_iter().collect()));
        prop_oneof![vec(inner, 0..4).prop_map(Value::Array), map]
    };
    leaf().prop_recursive(4, 16, 4, nested).boxed()
}

/// A value of a small pool that has neighbours of other types, so that equal ones meet.
fn common_value() -> BoxedStrategy<Value> {
    let bytes = Value::Bytes(b"1".to_vec());
    let list = Value::Array(vec![Value::Int(1), Value::Double(-0.0)]);
    let map = Value::Map([("$bytes", Value::from("MQ=="))].into_iter().collect());
    let numbers = [Value::Int(1), Value::Int(0), Value::Double(1.0), Value::Double(0.0), Value::Double(-0.0)];
    let words = [Value::from("1"), Value::from(""), Value::from("\0"), Value::from("\\"), Value::from("true")];
    let odd = [Value::Null, Value::Bool(true), Value::Double(f64::NAN), bytes, list, map];
    select([numbers.to_vec(), words.to_vec(), odd.to_vec()].concat()).boxed()
}

/// Attributes, mostly common ones.
pub(crate) fn attributes() -> BoxedStrategy<Attributes> {
    let common = (select(KEYS.as_slice()).prop_map(str::to_owned), common_value());
    let pair = prop_oneof![3 => common, 1 => (key(), value())];
    vec(pair, 0..5).prop_map(|pairs| pairs.into_iter().collect()).boxed()
}

/// How many attributes, events or links were dropped, or flags.
fn count() -> BoxedStrategy<u32> {
    prop_oneof![4 => Just(0), 1 => select(vec![1, 1 << 31, u32::MAX]), 1 => any::<u32>()].boxed()
}

/// A point in time.
pub(crate) fn time() -> BoxedStrategy<UnixNanos> {
    prop_oneof![9 => select(TIMES.as_slice()), 1 => any::<u64>()].prop_map(UnixNanos).boxed()
}

/// One of a few trace ids.
pub(crate) fn trace_id() -> BoxedStrategy<TraceId> {
    select(vec![[0xff; 16], [1; 16], 1_u128.to_be_bytes(), (1_u128 << 127).to_be_bytes()])
        .prop_map(|bytes| TraceId::from_slice(&bytes).unwrap())
        .boxed()
}

/// One of a few span ids.
pub(crate) fn span_id() -> BoxedStrategy<SpanId> {
    select(vec![[0xff; 8], 1_u64.to_be_bytes(), (1_u64 << 63).to_be_bytes()])
        .prop_map(|bytes| SpanId::from_slice(&bytes).unwrap())
        .boxed()
}

/// A kind, mostly one that OTLP defines.
pub(crate) fn kind() -> BoxedStrategy<SpanKind> {
    prop_oneof![6 => 0..=5, 1 => select(vec![-1, 6, i32::MIN, i32::MAX])].prop_map(SpanKind).boxed()
}

/// A status code, mostly one that OTLP defines.
pub(crate) fn status_code() -> BoxedStrategy<StatusCode> {
    prop_oneof![6 => 0..=2, 1 => select(vec![-1, 3, i32::MIN, i32::MAX])].prop_map(StatusCode).boxed()
}

/// An event.
pub(crate) fn event() -> BoxedStrategy<Event> {
    (time(), text(), attributes(), count())
        .prop_map(|(time, name, attributes, dropped_attributes_count)| Event {
            time,
            name,
            attributes,
            dropped_attributes_count,
        })
        .boxed()
}

/// A link, also one that points nowhere.
pub(crate) fn link() -> BoxedStrategy<Link> {
    (option::of(trace_id()), option::of(span_id()), text(), attributes(), count(), count())
        .prop_map(|(trace_id, span_id, trace_state, attributes, dropped_attributes_count, flags)| Link {
            trace_id,
            span_id,
            trace_state,
            attributes,
            dropped_attributes_count,
            flags,
        })
        .boxed()
}

fn entity_ref() -> BoxedStrategy<EntityRef> {
    (text(), text(), vec(key(), 0..3), vec(key(), 0..3))
        .prop_map(|(schema_url, entity_type, id_keys, description_keys)| EntityRef {
            schema_url,
            entity_type,
            id_keys,
            description_keys,
        })
        .boxed()
}

/// The attributes that name a service and a node; each may be missing, there twice, or not a text.
fn identity() -> BoxedStrategy<Vec<Attribute>> {
    let pair = |key: &'static str, names: &'static [&'static str]| {
        let value = prop_oneof![5 => select(names).prop_map(Value::from), 1 => common_value()];
        value.prop_map(|value| Attribute { key: key.to_owned(), value })
    };
    let service = vec(pair("service.name", &SERVICES), 0..=2);
    let instance = vec(pair("service.instance.id", &NODES), 0..=1);
    let host = vec(pair("host.name", &NODES), 0..=1);
    (service, instance, host).prop_map(|(service, instance, host)| [service, instance, host].concat()).boxed()
}

/// A resource; half of them have nothing but a service and a node, so that spans share one.
pub(crate) fn resource() -> BoxedStrategy<Resource> {
    let plain = identity().prop_map(|identity| Resource { attributes: Attributes(identity), ..Resource::default() });
    let full = (identity(), attributes(), count(), vec(entity_ref(), 0..3), text()).prop_map(
        |(identity, attributes, dropped_attributes_count, entity_refs, schema_url)| Resource {
            attributes: Attributes([attributes.0, identity].concat()),
            dropped_attributes_count,
            entity_refs,
            schema_url,
        },
    );
    prop_oneof![plain, full].boxed()
}

/// A scope; half of them are empty.
pub(crate) fn scope() -> BoxedStrategy<Scope> {
    let full = (text(), text(), attributes(), count(), text()).prop_map(
        |(name, version, attributes, dropped_attributes_count, schema_url)| Scope {
            name,
            version,
            attributes,
            dropped_attributes_count,
            schema_url,
        },
    );
    prop_oneof![Just(Scope::default()), full].boxed()
}

fn status() -> BoxedStrategy<Status> {
    let message = prop_oneof![2 => Just(String::new()), 1 => text()];
    (status_code(), message).prop_map(|(code, message)| Status { code, message }).boxed()
}

/// A span's name.
pub(crate) fn name() -> BoxedStrategy<String> {
    prop_oneof![8 => select(NAMES.as_slice()).prop_map(str::to_owned), 1 => text()].boxed()
}

/// A service's name, whether or not a span has it.
pub(crate) fn service() -> BoxedStrategy<String> {
    prop_oneof![8 => select(SERVICES.as_slice()).prop_map(str::to_owned), 1 => text()].boxed()
}

/// A span.
pub(crate) fn span() -> BoxedStrategy<Span> {
    let ids = (trace_id(), span_id(), option::of(span_id()));
    let what = (text(), count(), name(), kind(), time(), time(), attributes(), count());
    let lists = (vec(event(), 0..3), count(), vec(link(), 0..3), count());
    (ids, what, lists, status(), resource(), scope())
        .prop_map(|(ids, what, lists, status, resource, scope)| Span {
            trace_id: ids.0,
            span_id: ids.1,
            parent_span_id: ids.2,
            trace_state: what.0,
            flags: what.1,
            name: what.2,
            kind: what.3,
            start: what.4,
            end: what.5,
            attributes: what.6,
            dropped_attributes_count: what.7,
            events: lists.0,
            dropped_events_count: lists.1,
            links: lists.2,
            dropped_links_count: lists.3,
            status,
            resource: Arc::new(Keyed::new(resource)),
            scope: Arc::new(Keyed::new(scope)),
        })
        .boxed()
}

/// A few spans; about a third of them differ from an earlier one in a single field, or in none.
pub(crate) fn spans(most: usize) -> BoxedStrategy<Vec<Span>> {
    let change = prop_oneof![
        Just(None),
        name().prop_map(|name| Some(Change::Name(name))),
        time().prop_map(|end| Some(Change::End(end))),
        attributes().prop_map(|attributes| Some(Change::Attributes(attributes))),
        scope().prop_map(|scope| Some(Change::Scope(scope))),
    ];
    (vec(span(), 1..=most), vec((any::<Index>(), change), 0..=most / 2))
        .prop_map(|(mut spans, changes)| {
            for (index, change) in changes {
                let original = index.get(&spans).clone();
                spans.push(change.map_or(original.clone(), |change| change.apply(original)));
            }
            spans
        })
        .boxed()
}

#[derive(Debug, Clone)]
enum Change {
    Name(String),
    End(UnixNanos),
    Attributes(Attributes),
    Scope(Scope),
}

impl Change {
    fn apply(self, span: Span) -> Span {
        match self {
            Self::Name(name) => Span { name, ..span },
            Self::End(end) => Span { end, ..span },
            Self::Attributes(attributes) => Span { attributes, ..span },
            Self::Scope(scope) => Span { scope: Arc::new(Keyed::new(scope)), ..span },
        }
    }
}

fn condition() -> BoxedStrategy<AttributeCondition> {
    let scope = select(vec![AttributeScope::Any, AttributeScope::Span, AttributeScope::Resource]);
    let common = (select(KEYS.as_slice()).prop_map(str::to_owned), common_value());
    let service = (Just("service.name".to_owned()), service().prop_map(Value::String));
    let pair = prop_oneof![4 => common, 1 => service, 1 => (key(), value())];
    (scope, pair).prop_map(|(scope, (key, value))| AttributeCondition { scope, key, value }).boxed()
}

/// One in four times a condition, else none.
fn sometimes<T: Debug + Clone + 'static>(strategy: impl Strategy<Value = T> + 'static) -> BoxedStrategy<Option<T>> {
    prop_oneof![3 => Just(None), 1 => strategy.prop_map(Some)].boxed()
}

/// A search that can be run.
pub(crate) fn search() -> BoxedStrategy<Search> {
    let duration = || sometimes(prop_oneof![select(TIMES.as_slice()), any::<u64>()]);
    let node = select(NODES.as_slice()).prop_map(str::to_owned);
    let conditions =
        prop_oneof![2 => vec(condition(), 0..=0), 2 => vec(condition(), 1..=1), 1 => vec(condition(), 2..4)];
    let bounds = (sometimes(time()), sometimes(time()), duration(), duration());
    let labels =
        (sometimes(service()), sometimes(node), sometimes(name()), sometimes(kind()), sometimes(status_code()));
    let fields = (bounds, labels, conditions).prop_map(|(bounds, labels, attributes)| SearchFields {
        start_min: bounds.0,
        start_max: bounds.1,
        duration_min_nanos: bounds.2,
        duration_max_nanos: bounds.3,
        service: labels.0,
        node: labels.1,
        span_name: labels.2,
        kind: labels.3,
        status: labels.4,
        attributes,
    });
    fields.prop_filter_map("can not be searched for", |fields| Search::try_from(fields).ok()).boxed()
}
