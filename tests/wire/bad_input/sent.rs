//! Spans to be sent: plain ones, and such that have a text or a value wherever there can be one.

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{
    AnyValue, ArrayValue, EntityRef, InstrumentationScope, KeyValue, KeyValueList,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};

/// The name of a bad span, where its name is not what is bad.
pub(super) const NAME: &str = "case";

/// Some moment of 2026.
const NOW: u64 = 1_790_000_000_123_456_789;

/// A good span of its own service.
pub(super) fn neighbour(trace_id: [u8; 16], span_id: u64, name: &str) -> ResourceSpans {
    let span = Span {
        trace_id: trace_id.to_vec(),
        span_id: span_id.to_be_bytes().to_vec(),
        name: name.to_owned(),
        start_time_unix_nano: NOW,
        end_time_unix_nano: NOW + 1,
        attributes: vec![pair("k", text("v"))],
        ..Span::default()
    };
    let resource = Resource { attributes: vec![pair("service.name", text("neighbour"))], ..Resource::default() };
    let scope_spans = vec![ScopeSpans { spans: vec![span], ..ScopeSpans::default() }];
    ResourceSpans { resource: Some(resource), scope_spans, ..ResourceSpans::default() }
}

/// A span on which nothing is bad, yet.
pub(super) fn good(trace_id: [u8; 16]) -> ResourceSpans {
    neighbour(trace_id, 2, NAME)
}

/// The span of a group that has one.
pub(super) fn span(group: &mut ResourceSpans) -> &mut Span {
    &mut group.scope_spans[0].spans[0]
}

/// A text wherever there can be one, also as the name of the service and of the node. A name begins with [`NAME`].
pub(super) fn text_everywhere(group: &mut ResourceSpans, this: &str) {
    let map = KeyValueList { values: vec![pair(this, text(this))] };
    let list = ArrayValue { values: vec![text(this), any(Value::KvlistValue(map))] };
    attributes_everywhere(group, &[pair(this, text(this)), pair("list", any(Value::ArrayValue(list)))]);
    let owned = || this.to_owned();
    let entity = EntityRef {
        schema_url: owned(),
        r#type: owned(),
        id_keys: vec![owned()],
        description_keys: vec![owned(), owned()],
    };
    let resource = group.resource.get_or_insert_default();
    resource.attributes.extend([pair("service.name", text(this)), pair("service.instance.id", text(this))]);
    resource.entity_refs.push(entity);
    group.schema_url = owned();
    let scope_spans = &mut group.scope_spans[0];
    scope_spans.schema_url = owned();
    let scope = scope_spans.scope.get_or_insert_default();
    (scope.name, scope.version) = (owned(), owned());
    let span = span(group);
    span.name = format!("{NAME} {this}");
    span.trace_state = owned();
    span.status = Some(Status { message: owned(), code: 2 });
    span.events[0].name = owned();
    span.links[0].trace_state = owned();
}

/// A value wherever there can be one.
pub(super) fn value_everywhere(group: &mut ResourceSpans, value: &AnyValue) {
    let list = any(Value::ArrayValue(ArrayValue { values: vec![value.clone(); 2] }));
    let map = any(Value::KvlistValue(KeyValueList { values: vec![pair("inner", value.clone())] }));
    attributes_everywhere(group, &[pair("v", value.clone()), pair("list", list), pair("map", map)]);
}

/// Attributes wherever there can be some: on the span, an event, a link, the scope and the resource.
pub(super) fn attributes_everywhere(group: &mut ResourceSpans, these: &[KeyValue]) {
    group.resource.get_or_insert_default().attributes.extend(these.iter().cloned());
    let scope = InstrumentationScope { attributes: these.to_vec(), ..InstrumentationScope::default() };
    group.scope_spans[0].scope = Some(scope);
    let span = span(group);
    span.attributes.extend(these.iter().cloned());
    span.events.push(Event { time_unix_nano: NOW, attributes: these.to_vec(), ..Event::default() });
    span.links.push(Link { attributes: these.to_vec(), ..Link::default() });
}

pub(super) fn any(value: Value) -> AnyValue {
    AnyValue { value: Some(value) }
}

pub(super) fn text(text: &str) -> AnyValue {
    any(Value::StringValue(text.to_owned()))
}

pub(super) fn pair(key: &str, value: AnyValue) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(value), key_strindex: 0 }
}

/// A value of this depth, of lists only.
pub(super) fn lists(depth: usize) -> AnyValue {
    (1..depth).fold(text("deep"), |inner, _| any(Value::ArrayValue(ArrayValue { values: vec![inner] })))
}

/// A value of this depth, of maps only, each with these keys, of which the last has the next map.
pub(super) fn maps(depth: usize, keys: &[&str]) -> AnyValue {
    (1..depth).fold(text("deep"), |inner, _| {
        let mut values: Vec<_> = keys.iter().map(|key| pair(key, any(Value::IntValue(1)))).collect();
        values.last_mut().unwrap().value = Some(inner);
        any(Value::KvlistValue(KeyValueList { values }))
    })
}
