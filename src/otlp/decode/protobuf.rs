//! OTLP's protobuf messages, field by field: which number is what, from the request down to the attribute's value.
//!
//! Unknown fields are skipped at every level. A field that comes twice is merged as protobuf says: the last scalar
//! counts, messages are read into each other, of a oneof the last member counts. Fields come in any order, so what
//! spans share is collected before they are read; hopping over them costs next to nothing.

use std::cell::Cell;
use std::mem;

use super::draft::{self, Assembly, Draft, DraftLink, Shared};
use super::wire::{Notes, Reader};
use super::{DecodeError, Decoded, MESSAGE_DEPTH_MAX, Malformed, Memory, RejectReason};
use crate::model::{
    Attribute, Attributes, EntityRef, Event, Link, Resource, Scope, SpanId, SpanKind, Status, StatusCode, TraceId,
    UnixNanos, Value,
};

/// How many messages deep the messages lie that have attributes. The request itself lies in none.
mod depth {
    pub(super) const RESOURCE: usize = 2;
    pub(super) const SCOPE: usize = 3;
    pub(super) const SPAN: usize = 3;
    pub(super) const EVENT: usize = 4;
    pub(super) const LINK: usize = 4;
}

/// Where `InstrumentationLibrarySpans` were, before 2022: they have the shape of `ScopeSpans`.
const INSTRUMENTATION_LIBRARY_SPANS: u32 = 1_000;

/// Reads an `ExportTraceServiceRequest` (or `TracesData`, which has the same bytes) into this memory.
pub fn protobuf_within(body: &[u8], memory: &Memory<'_>) -> Result<Decoded, DecodeError> {
    let notes = Notes { memory, repaired: Cell::new(0) };
    let mut assembly = Assembly::new(memory);
    let read = request(Reader::new(body, &notes), &mut assembly);
    if memory.is_full() {
        return Err(DecodeError::Full);
    }
    read?;
    Ok(assembly.finish(notes.repaired.get()))
}

fn request(mut reader: Reader<'_>, assembly: &mut Assembly<'_>) -> Result<(), Malformed> {
    while let Some(field) = reader.field()? {
        if field.number == 1 {
            resource_spans(field.message()?, assembly)?;
        }
    }
    Ok(())
}

fn resource_spans(mut reader: Reader<'_>, assembly: &mut Assembly<'_>) -> Result<(), Malformed> {
    let resource = shared_resource(reader)?;
    while let Some(field) = reader.field()? {
        if matches!(field.number, 2 | INSTRUMENTATION_LIBRARY_SPANS) {
            scope_spans(field.message()?, &resource, assembly)?;
        }
    }
    Ok(())
}

fn shared_resource(mut reader: Reader<'_>) -> Result<Shared<Resource>, Malformed> {
    let bytes = reader.len();
    let mut resource = Resource::default();
    let mut merged = Ok(());
    while let Some(field) = reader.field()? {
        match field.number {
            1 => merged = merged.and(merge_resource(&mut resource, field.message()?)),
            3 => resource.schema_url = field.text()?,
            _ => {}
        }
    }
    Ok(merged.and_then(|()| draft::shared_resource(resource, bytes)))
}

fn merge_resource(resource: &mut Resource, mut reader: Reader<'_>) -> Result<(), RejectReason> {
    while let Some(field) = reader.field()? {
        match field.number {
            1 => reader.push(1, &mut resource.attributes.0, attribute(field.message()?, depth::RESOURCE)?)?,
            2 => resource.dropped_attributes_count = field.uint32()?,
            3 => reader.push(3, &mut resource.entity_refs, entity_ref(field.message()?)?)?,
            _ => {}
        }
    }
    Ok(())
}

fn entity_ref(mut reader: Reader<'_>) -> Result<EntityRef, Malformed> {
    let mut entity = EntityRef::default();
    while let Some(field) = reader.field()? {
        match field.number {
            1 => entity.schema_url = field.text()?,
            2 => entity.entity_type = field.text()?,
            3 => reader.push(3, &mut entity.id_keys, field.text()?)?,
            4 => reader.push(4, &mut entity.description_keys, field.text()?)?,
            _ => {}
        }
    }
    Ok(entity)
}

fn scope_spans(
    mut reader: Reader<'_>,
    resource: &Shared<Resource>,
    assembly: &mut Assembly<'_>,
) -> Result<(), Malformed> {
    let scope = shared_scope(reader)?;
    while let Some(field) = reader.field()? {
        if field.number == 2 {
            let before = reader.notes.memory.taken_bytes();
            let message = field.message()?;
            if !assembly.add((span(message), 1), message.len(), resource, &scope)? {
                reader.notes.memory.give_back_to(before);
            }
        }
    }
    Ok(())
}

fn shared_scope(mut reader: Reader<'_>) -> Result<Shared<Scope>, Malformed> {
    let bytes = reader.len();
    let mut scope = Scope::default();
    let mut merged = Ok(());
    while let Some(field) = reader.field()? {
        match field.number {
            1 => merged = merged.and(merge_scope(&mut scope, field.message()?)),
            3 => scope.schema_url = field.text()?,
            _ => {}
        }
    }
    Ok(merged.and_then(|()| draft::shared_scope(scope, bytes)))
}

fn merge_scope(scope: &mut Scope, mut reader: Reader<'_>) -> Result<(), RejectReason> {
    while let Some(field) = reader.field()? {
        match field.number {
            1 => scope.name = field.text()?,
            2 => scope.version = field.text()?,
            3 => reader.push(3, &mut scope.attributes.0, attribute(field.message()?, depth::SCOPE)?)?,
            4 => scope.dropped_attributes_count = field.uint32()?,
            _ => {}
        }
    }
    Ok(())
}

fn span(reader: Reader<'_>) -> Draft {
    let mut draft = Draft::default();
    draft.fault = read_span(&mut draft, reader).err();
    draft
}

fn read_span(draft: &mut Draft, mut reader: Reader<'_>) -> Result<(), RejectReason> {
    while let Some(field) = reader.field()? {
        match field.number {
            1 => draft.trace_id = TraceId::from_slice(field.bytes()?),
            2 => draft.span_id = SpanId::from_slice(field.bytes()?),
            3 => draft.trace_state = field.text()?,
            4 => draft.parent_span_id = SpanId::from_slice(field.bytes()?),
            5 => draft.name = field.text()?,
            6 => draft.kind = SpanKind(field.int32()?),
            7 => draft.start = UnixNanos(field.fixed64()?),
            8 => draft.end = UnixNanos(field.fixed64()?),
            9 => reader.push(9, &mut draft.attributes.0, attribute(field.message()?, depth::SPAN)?)?,
            10 => draft.dropped_attributes_count = field.uint32()?,
            11 => reader.push(11, &mut draft.events, event(field.message()?)?)?,
            12 => draft.dropped_events_count = field.uint32()?,
            13 => reader.push(13, &mut draft.links, link(field.message()?)?)?,
            14 => draft.dropped_links_count = field.uint32()?,
            15 => merge_status(&mut draft.status, field.message()?)?,
            16 => draft.flags = field.fixed32()?,
            _ => {}
        }
    }
    Ok(())
}

fn event(mut reader: Reader<'_>) -> Result<Event, RejectReason> {
    let mut event = Event::default();
    while let Some(field) = reader.field()? {
        match field.number {
            1 => event.time = UnixNanos(field.fixed64()?),
            2 => event.name = field.text()?,
            3 => reader.push(3, &mut event.attributes.0, attribute(field.message()?, depth::EVENT)?)?,
            4 => event.dropped_attributes_count = field.uint32()?,
            _ => {}
        }
    }
    Ok(event)
}

fn link(mut reader: Reader<'_>) -> Result<Link, RejectReason> {
    let mut draft = DraftLink::default();
    while let Some(field) = reader.field()? {
        match field.number {
            1 => draft.trace_id = TraceId::from_slice(field.bytes()?),
            2 => draft.span_id = SpanId::from_slice(field.bytes()?),
            3 => draft.link.trace_state = field.text()?,
            4 => reader.push(4, &mut draft.link.attributes.0, attribute(field.message()?, depth::LINK)?)?,
            5 => draft.link.dropped_attributes_count = field.uint32()?,
            6 => draft.link.flags = field.fixed32()?,
            _ => {}
        }
    }
    draft.finish()
}

fn merge_status(status: &mut Status, mut reader: Reader<'_>) -> Result<(), Malformed> {
    while let Some(field) = reader.field()? {
        match field.number {
            2 => status.message = field.text()?,
            3 => status.code = StatusCode(field.int32()?),
            _ => {}
        }
    }
    Ok(())
}

/// The depth of a message that lies in one of this depth.
fn deeper(depth: usize) -> Result<usize, RejectReason> {
    if depth >= MESSAGE_DEPTH_MAX {
        return Err(RejectReason::Depth { depth_max: MESSAGE_DEPTH_MAX, of: "messages" });
    }
    Ok(depth.saturating_add(1))
}

/// A `KeyValue` that lies in a message of this depth. A `key_strindex`, which only profiles have, is no key.
fn attribute(mut reader: Reader<'_>, depth: usize) -> Result<Attribute, RejectReason> {
    let depth = deeper(depth)?;
    let mut attribute = Attribute { key: String::new(), value: Value::Null };
    while let Some(field) = reader.field()? {
        match field.number {
            1 => attribute.key = field.text()?,
            2 => merge_value(&mut attribute.value, field.message()?, depth)?,
            _ => {}
        }
    }
    Ok(attribute)
}

/// Reads an `AnyValue` that lies in a message of this depth.
fn merge_value(value: &mut Value, mut reader: Reader<'_>, depth: usize) -> Result<(), RejectReason> {
    let depth = deeper(depth)?;
    while let Some(field) = reader.field()? {
        match field.number {
            1 => *value = Value::String(field.text()?),
            2 => *value = Value::Bool(field.varint()? != 0),
            3 => *value = Value::Int(field.varint()?.cast_signed()),
            4 => *value = Value::Double(f64::from_bits(field.fixed64()?)),
            5 => *value = Value::Array(array(take_array(value), field.message()?, depth)?),
            6 => *value = Value::Map(map(take_map(value), field.message()?, depth)?),
            7 => *value = Value::Bytes(field.owned_bytes()?),
            // `string_value_strindex`, which only profiles have: set, but to nothing.
            8 => *value = Value::Null,
            _ => {}
        }
    }
    Ok(())
}

/// The values of an `ArrayValue`, after those that were there before.
fn array(mut values: Vec<Value>, mut reader: Reader<'_>, depth: usize) -> Result<Vec<Value>, RejectReason> {
    let depth = deeper(depth)?;
    while let Some(field) = reader.field()? {
        if field.number == 1 {
            let mut value = Value::Null;
            merge_value(&mut value, field.message()?, depth)?;
            reader.push(1, &mut values, value)?;
        }
    }
    Ok(values)
}

/// The pairs of a `KeyValueList`, after those that were there before.
fn map(mut attributes: Attributes, mut reader: Reader<'_>, depth: usize) -> Result<Attributes, RejectReason> {
    let depth = deeper(depth)?;
    while let Some(field) = reader.field()? {
        if field.number == 1 {
            reader.push(1, &mut attributes.0, attribute(field.message()?, depth)?)?;
        }
    }
    Ok(attributes)
}

/// The list that `value` was, else an empty one.
fn take_array(value: &mut Value) -> Vec<Value> {
    match mem::replace(value, Value::Null) {
        Value::Array(values) => values,
        _ => Vec::new(),
    }
}

/// The map that `value` was, else an empty one.
fn take_map(value: &mut Value) -> Attributes {
    match mem::replace(value, Value::Null) {
        Value::Map(attributes) => attributes,
        _ => Attributes::default(),
    }
}
