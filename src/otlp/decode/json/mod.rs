//! OTLP/JSON, field by field: which name is what, from the request down to the attribute's value.
//!
//! More is read than the specification writes: names in camelCase and `snake_case`, numbers as numbers or texts,
//! enums by number or name, `null` for anything that is not set; unknown fields are skipped at every level. How the
//! objects are walked is in `object.rs`, what counts as a number, a text or an id in `scalar.rs`.

use opentelemetry_proto::tonic::trace::v1::span::SpanKind as SpanKindName;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode as StatusCodeName;
use serde::de::MapAccess;

use self::object::{Member, Notes, Object};
use super::draft::{self, Assembly, Draft, DraftLink, Drafts};
use super::memory::Full;
use super::{DecodeError, Decoded, Memory, RejectReason};
use crate::model::{
    Attribute, Attributes, EntityRef, Event, Resource, Scope, SpanKind, Status, StatusCode, UnixNanos, Value,
};

pub(crate) mod object;
mod scalar;

/// In JSON, a value inside so many others is kept (a value that is in no other has depth 1); a deeper one costs its span.
/// A map in a map is four JSON levels deeper, and the parser reads 127 of them, of which an event's attribute may have
/// used twelve. In messages that is less than [`MESSAGE_DEPTH_MAX`](super::MESSAGE_DEPTH_MAX).
pub const VALUE_DEPTH_JSON_MAX: usize = 28;

/// Reads an `ExportTraceServiceRequest` (or `TracesData`, which has the same text) into this memory.
pub fn json_within(body: &[u8], memory: &Memory<'_>) -> Result<Decoded, DecodeError> {
    let notes = Notes::new(memory);
    let mut assembly = Assembly::new(memory);
    let read = request(body, &notes, &mut assembly);
    if memory.is_full() {
        return Err(DecodeError::Full);
    }
    read?;
    Ok(assembly.finish(notes.repaired()))
}

fn request(body: &[u8], notes: &Notes<'_>, assembly: &mut Assembly<'_>) -> Result<(), DecodeError> {
    let mut request = Request::default();
    object::read(body, &mut request, notes)?;
    let finished =
        request.resource_spans.into_iter().try_for_each(|spans| spans.finish(body.len(), assembly, notes.memory));
    finished.map_err(|Full| DecodeError::Full)
}

#[derive(Default)]
struct Request {
    resource_spans: Vec<ResourceSpans>,
}

/// Spans of one resource. It may come after them, so they wait for it here.
#[derive(Default)]
struct ResourceSpans {
    resource: Resource,
    fault: Option<RejectReason>,
    scope_spans: Vec<ScopeSpans>,
}

/// Spans of one scope, likewise.
#[derive(Default)]
struct ScopeSpans {
    scope: Scope,
    fault: Option<RejectReason>,
    spans: Drafts,
}

impl ResourceSpans {
    fn finish(self, bytes_max: usize, assembly: &mut Assembly<'_>, memory: &Memory<'_>) -> Result<(), Full> {
        let resource = self.fault.map_or_else(|| draft::shared_resource(self.resource, bytes_max), Err);
        for scope_spans in self.scope_spans {
            let scope = scope_spans.scope;
            let scope = scope_spans.fault.map_or_else(|| draft::shared_scope(scope, bytes_max), Err);
            let drafts_bytes = scope_spans.spans.taken_bytes();
            for (draft, times) in scope_spans.spans {
                assembly.add((*draft, times), bytes_max, &resource, &scope)?;
            }
            memory.give_back(drafts_bytes);
        }
        Ok(())
    }
}

impl Object for Request {
    fn member<'de, A: MapAccess<'de>>(&mut self, name: &str, value: Member<'_, A>) -> Result<(), A::Error> {
        match name {
            "resourceSpans" | "resource_spans" => {
                let notes = value.notes;
                // Of a group without spans nothing is kept; there may be many.
                value.each(ResourceSpans::default, |group| {
                    let is_empty = group.scope_spans.is_empty();
                    if is_empty { Ok(()) } else { notes.memory.push(&mut self.resource_spans, group) }
                })
            }
            _ => value.skip(),
        }
    }
}

impl Object for ResourceSpans {
    fn member<'de, A: MapAccess<'de>>(&mut self, name: &str, value: Member<'_, A>) -> Result<(), A::Error> {
        match name {
            "resource" => {
                let notes = value.notes;
                value.object(&mut self.resource)?;
                self.fault = self.fault.or(notes.take_fault());
            }
            "scopeSpans"
            | "scope_spans"
            | "deprecatedScopeSpans"
            | "deprecated_scope_spans"
            | "instrumentationLibrarySpans"
            | "instrumentation_library_spans" => {
                let notes = value.notes;
                value.each(ScopeSpans::default, |group| {
                    let is_empty = group.spans.is_empty();
                    if is_empty { Ok(()) } else { notes.memory.push(&mut self.scope_spans, group) }
                })?;
            }
            "schemaUrl" | "schema_url" => self.resource.schema_url = value.text()?,
            _ => value.skip()?,
        }
        Ok(())
    }
}

impl Object for Resource {
    fn member<'de, A: MapAccess<'de>>(&mut self, name: &str, value: Member<'_, A>) -> Result<(), A::Error> {
        match name {
            "attributes" => value.attributes(&mut self.attributes, 1)?,
            "droppedAttributesCount" | "dropped_attributes_count" => self.dropped_attributes_count = value.integer()?,
            "entityRefs" | "entity_refs" => value.list(&mut self.entity_refs)?,
            _ => value.skip()?,
        }
        Ok(())
    }
}

impl Object for EntityRef {
    fn member<'de, A: MapAccess<'de>>(&mut self, name: &str, value: Member<'_, A>) -> Result<(), A::Error> {
        match name {
            "schemaUrl" | "schema_url" => self.schema_url = value.text()?,
            "type" => self.entity_type = value.text()?,
            "idKeys" | "id_keys" => value.texts(&mut self.id_keys)?,
            "descriptionKeys" | "description_keys" => value.texts(&mut self.description_keys)?,
            _ => value.skip()?,
        }
        Ok(())
    }
}

impl Object for ScopeSpans {
    fn member<'de, A: MapAccess<'de>>(&mut self, name: &str, value: Member<'_, A>) -> Result<(), A::Error> {
        let notes = value.notes;
        match name {
            "scope" | "instrumentationLibrary" | "instrumentation_library" => {
                value.object(&mut self.scope)?;
                self.fault = self.fault.or(notes.take_fault());
            }
            "spans" => value.each(Draft::default, |draft| {
                self.spans.push(Draft { fault: notes.take_fault(), ..draft }, notes.memory)
            })?,
            "schemaUrl" | "schema_url" => self.scope.schema_url = value.text()?,
            _ => value.skip()?,
        }
        Ok(())
    }
}

impl Object for Scope {
    fn member<'de, A: MapAccess<'de>>(&mut self, name: &str, value: Member<'_, A>) -> Result<(), A::Error> {
        match name {
            "name" => self.name = value.text()?,
            "version" => self.version = value.text()?,
            "attributes" => value.attributes(&mut self.attributes, 1)?,
            "droppedAttributesCount" | "dropped_attributes_count" => self.dropped_attributes_count = value.integer()?,
            _ => value.skip()?,
        }
        Ok(())
    }
}

impl Object for Draft {
    fn member<'de, A: MapAccess<'de>>(&mut self, name: &str, value: Member<'_, A>) -> Result<(), A::Error> {
        match name {
            "traceId" | "trace_id" => self.trace_id = value.trace_id()?,
            "spanId" | "span_id" => self.span_id = value.span_id()?,
            "traceState" | "trace_state" => self.trace_state = value.text()?,
            "parentSpanId" | "parent_span_id" => self.parent_span_id = value.span_id()?,
            "flags" => self.flags = value.integer()?,
            "name" => self.name = value.text()?,
            "kind" => self.kind = SpanKind(value.enumeration(SpanKindName::from_str_name)?),
            "startTimeUnixNano" | "start_time_unix_nano" => self.start = UnixNanos(value.integer()?),
            "endTimeUnixNano" | "end_time_unix_nano" => self.end = UnixNanos(value.integer()?),
            "attributes" => value.attributes(&mut self.attributes, 1)?,
            "droppedAttributesCount" | "dropped_attributes_count" => self.dropped_attributes_count = value.integer()?,
            "events" => value.list(&mut self.events)?,
            "droppedEventsCount" | "dropped_events_count" => self.dropped_events_count = value.integer()?,
            "links" => {
                let notes = value.notes;
                value.each(DraftLink::default, |link| match link.finish() {
                    Ok(link) => notes.memory.push(&mut self.links, link),
                    Err(reason) => {
                        notes.note_fault(reason);
                        Ok(())
                    }
                })?;
            }
            "droppedLinksCount" | "dropped_links_count" => self.dropped_links_count = value.integer()?,
            "status" => drop(value.object(&mut self.status)?),
            _ => value.skip()?,
        }
        Ok(())
    }
}

impl Object for Event {
    fn member<'de, A: MapAccess<'de>>(&mut self, name: &str, value: Member<'_, A>) -> Result<(), A::Error> {
        match name {
            "timeUnixNano" | "time_unix_nano" => self.time = UnixNanos(value.integer()?),
            "name" => self.name = value.text()?,
            "attributes" => value.attributes(&mut self.attributes, 1)?,
            "droppedAttributesCount" | "dropped_attributes_count" => self.dropped_attributes_count = value.integer()?,
            _ => value.skip()?,
        }
        Ok(())
    }
}

impl Object for DraftLink {
    fn member<'de, A: MapAccess<'de>>(&mut self, name: &str, value: Member<'_, A>) -> Result<(), A::Error> {
        let link = &mut self.link;
        match name {
            "traceId" | "trace_id" => self.trace_id = value.trace_id()?,
            "spanId" | "span_id" => self.span_id = value.span_id()?,
            "traceState" | "trace_state" => link.trace_state = value.text()?,
            "attributes" => value.attributes(&mut link.attributes, 1)?,
            "droppedAttributesCount" | "dropped_attributes_count" => link.dropped_attributes_count = value.integer()?,
            "flags" => link.flags = value.integer()?,
            _ => value.skip()?,
        }
        Ok(())
    }
}

impl Object for Status {
    fn member<'de, A: MapAccess<'de>>(&mut self, name: &str, value: Member<'_, A>) -> Result<(), A::Error> {
        match name {
            "message" => self.message = value.text()?,
            "code" => self.code = StatusCode(value.enumeration(StatusCodeName::from_str_name)?),
            _ => value.skip()?,
        }
        Ok(())
    }
}

/// A `KeyValue`, whose value lies at this depth.
struct Pair {
    attribute: Attribute,
    depth: usize,
}

/// An `AnyValue` at this depth.
struct AnyValue {
    value: Value,
    depth: usize,
}

/// An `ArrayValue`, whose values lie at this depth.
struct ArrayValue {
    values: Vec<Value>,
    depth: usize,
}

/// A `KeyValueList`, likewise.
struct KeyValueList {
    attributes: Attributes,
    depth: usize,
}

impl AnyValue {
    fn new(depth: usize) -> Self {
        Self { value: Value::Null, depth }
    }
}

impl<A> Member<'_, A> {
    fn attributes<'de>(self, attributes: &mut Attributes, depth: usize) -> Result<(), A::Error>
    where
        A: MapAccess<'de>,
    {
        let pair = || Pair { attribute: Attribute { key: String::new(), value: Value::Null }, depth };
        let memory = self.notes.memory;
        self.each(pair, |pair| memory.push(&mut attributes.0, pair.attribute))
    }
}

impl Object for Pair {
    fn member<'de, A: MapAccess<'de>>(&mut self, name: &str, value: Member<'_, A>) -> Result<(), A::Error> {
        match name {
            "key" => self.attribute.key = value.text()?,
            "value" => {
                let mut any = AnyValue::new(self.depth);
                value.object(&mut any)?;
                self.attribute.value = any.value;
            }
            _ => value.skip()?,
        }
        Ok(())
    }
}

impl Object for AnyValue {
    fn depth(&self) -> usize {
        self.depth
    }

    /// A oneof: `null` leaves it as it is, of several members the last counts.
    fn member<'de, A: MapAccess<'de>>(&mut self, name: &str, value: Member<'_, A>) -> Result<(), A::Error> {
        let depth = self.depth.saturating_add(1);
        let sent = match name {
            "stringValue" | "string_value" => value.optional_text()?.map(Value::String),
            "boolValue" | "bool_value" => value.optional_bool()?.map(Value::Bool),
            "intValue" | "int_value" => value.optional_integer()?.map(Value::Int),
            "doubleValue" | "double_value" => value.optional_double()?.map(Value::Double),
            "bytesValue" | "bytes_value" => value.optional_bytes()?.map(Value::Bytes),
            "arrayValue" | "array_value" => {
                let mut array = ArrayValue { values: Vec::new(), depth };
                value.object(&mut array)?.then_some(Value::Array(array.values))
            }
            "kvlistValue" | "kvlist_value" => {
                let mut list = KeyValueList { attributes: Attributes::default(), depth };
                value.object(&mut list)?.then_some(Value::Map(list.attributes))
            }
            _ => return value.skip(),
        };
        if let Some(sent) = sent {
            self.value = sent;
        }
        Ok(())
    }
}

impl Object for ArrayValue {
    fn member<'de, A: MapAccess<'de>>(&mut self, name: &str, value: Member<'_, A>) -> Result<(), A::Error> {
        match name {
            "values" => {
                let memory = value.notes.memory;
                value.each(|| AnyValue::new(self.depth), |any| memory.push(&mut self.values, any.value))
            }
            _ => value.skip(),
        }
    }
}

impl Object for KeyValueList {
    fn member<'de, A: MapAccess<'de>>(&mut self, name: &str, value: Member<'_, A>) -> Result<(), A::Error> {
        match name {
            "values" => value.attributes(&mut self.attributes, self.depth),
            _ => value.skip(),
        }
    }
}
