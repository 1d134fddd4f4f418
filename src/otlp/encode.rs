//! From the model to OTLP's messages, for answers that carry spans.
//!
//! The messages are prost's; bytes and JSON are made of them by whoever sends them. The way back is
//! [`decode`](super::decode).

use std::collections::HashMap;

use opentelemetry_proto::tonic::common::v1::{
    AnyValue, ArrayValue, EntityRef, InstrumentationScope, KeyValue, KeyValueList, any_value,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status, TracesData};

use crate::model;

/// OTLP's form of spans: grouped by resource, then by scope, each in the order of first appearance.
#[must_use]
pub fn traces_data<'a>(spans: impl IntoIterator<Item = &'a model::Span>) -> TracesData {
    let mut groups = Groups::default();
    for span in spans {
        groups.add(span);
    }
    TracesData { resource_spans: groups.resource_spans }
}

/// Spans being grouped, and where each group is.
#[derive(Default)]
struct Groups {
    resource_spans: Vec<ResourceSpans>,
    /// From a resource's key to its place in `resource_spans`.
    resources: HashMap<i64, usize>,
    /// From a resource's and a scope's key to the place in the resource's `scope_spans`.
    scopes: HashMap<(i64, i64), usize>,
}

impl Groups {
    fn add(&mut self, span: &model::Span) {
        let (resource_key, scope_key) = (span.resource.key(), span.scope.key());
        let resource_place = *self.resources.entry(resource_key).or_insert_with(|| {
            self.resource_spans.push(resource_spans(&span.resource));
            self.resource_spans.len().saturating_sub(1)
        });
        let scopes = &mut self.resource_spans[resource_place].scope_spans;
        let scope_place = *self.scopes.entry((resource_key, scope_key)).or_insert_with(|| {
            scopes.push(scope_spans(&span.scope));
            scopes.len().saturating_sub(1)
        });
        scopes[scope_place].spans.push(self::span(span));
    }
}

fn resource_spans(resource: &model::Resource) -> ResourceSpans {
    ResourceSpans {
        resource: Some(self::resource(resource)),
        scope_spans: Vec::new(),
        schema_url: resource.schema_url.clone(),
    }
}

fn scope_spans(scope: &model::Scope) -> ScopeSpans {
    ScopeSpans { scope: Some(self::scope(scope)), spans: Vec::new(), schema_url: scope.schema_url.clone() }
}

/// OTLP's form of a resource; its schema URL belongs to the `ResourceSpans` around it.
#[must_use]
pub fn resource(resource: &model::Resource) -> Resource {
    Resource {
        attributes: key_values(&resource.attributes),
        dropped_attributes_count: resource.dropped_attributes_count,
        entity_refs: resource.entity_refs.iter().map(entity_ref).collect(),
    }
}

fn entity_ref(entity: &model::EntityRef) -> EntityRef {
    EntityRef {
        schema_url: entity.schema_url.clone(),
        r#type: entity.entity_type.clone(),
        id_keys: entity.id_keys.clone(),
        description_keys: entity.description_keys.clone(),
    }
}

/// OTLP's form of a scope; its schema URL belongs to the `ScopeSpans` around it.
#[must_use]
pub fn scope(scope: &model::Scope) -> InstrumentationScope {
    InstrumentationScope {
        name: scope.name.clone(),
        version: scope.version.clone(),
        attributes: key_values(&scope.attributes),
        dropped_attributes_count: scope.dropped_attributes_count,
    }
}

/// OTLP's form of a span, without its resource and scope.
#[must_use]
pub fn span(span: &model::Span) -> Span {
    Span {
        trace_id: span.trace_id.as_bytes().to_vec(),
        span_id: span.span_id.as_bytes().to_vec(),
        trace_state: span.trace_state.clone(),
        parent_span_id: span.parent_span_id.map_or_else(Vec::new, |id| id.as_bytes().to_vec()),
        flags: span.flags,
        name: span.name.clone(),
        kind: span.kind.0,
        start_time_unix_nano: span.start.0,
        end_time_unix_nano: span.end.0,
        attributes: key_values(&span.attributes),
        dropped_attributes_count: span.dropped_attributes_count,
        events: span.events.iter().map(event).collect(),
        dropped_events_count: span.dropped_events_count,
        links: span.links.iter().map(link).collect(),
        dropped_links_count: span.dropped_links_count,
        status: Some(Status { message: span.status.message.clone(), code: span.status.code.0 }),
    }
}

fn event(event: &model::Event) -> Event {
    Event {
        time_unix_nano: event.time.0,
        name: event.name.clone(),
        attributes: key_values(&event.attributes),
        dropped_attributes_count: event.dropped_attributes_count,
    }
}

fn link(link: &model::Link) -> Link {
    Link {
        trace_id: link.trace_id.map_or_else(Vec::new, |id| id.as_bytes().to_vec()),
        span_id: link.span_id.map_or_else(Vec::new, |id| id.as_bytes().to_vec()),
        trace_state: link.trace_state.clone(),
        attributes: key_values(&link.attributes),
        dropped_attributes_count: link.dropped_attributes_count,
        flags: link.flags,
    }
}

/// OTLP's form of attributes, in their order. Every pair has a value, an empty one for [`model::Value::Null`].
#[must_use]
pub fn key_values(attributes: &model::Attributes) -> Vec<KeyValue> {
    attributes.iter().map(key_value).collect()
}

fn key_value(attribute: &model::Attribute) -> KeyValue {
    KeyValue { key: attribute.key.clone(), value: Some(any_value(&attribute.value)), key_strindex: 0 }
}

/// OTLP's form of a value.
#[must_use]
pub fn any_value(value: &model::Value) -> AnyValue {
    use any_value::Value as Sent;
    let sent = match value {
        model::Value::Null => None,
        model::Value::String(text) => Some(Sent::StringValue(text.clone())),
        model::Value::Bool(bool) => Some(Sent::BoolValue(*bool)),
        model::Value::Int(int) => Some(Sent::IntValue(*int)),
        model::Value::Double(double) => Some(Sent::DoubleValue(*double)),
        model::Value::Bytes(bytes) => Some(Sent::BytesValue(bytes.clone())),
        model::Value::Array(values) => {
            Some(Sent::ArrayValue(ArrayValue { values: values.iter().map(any_value).collect() }))
        }
        model::Value::Map(attributes) => Some(Sent::KvlistValue(KeyValueList { values: key_values(attributes) })),
    };
    AnyValue { value: sent }
}
