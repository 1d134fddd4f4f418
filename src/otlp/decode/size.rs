//! How much of a database a span takes at the most. One that is too large for some database is rejected here, alone: the
//! database would refuse all that came with it.
//!
//! PostgreSQL is the narrowest: a JSON value of 256 MiB, a row of 1 GiB. What takes far more room there than in a
//! request are parts with next to nothing in them (an empty event has two bytes) and characters that JSON escapes.

use super::RejectReason;
use super::draft::Draft;
use crate::model::{Attributes, Resource, Scope, Value};

/// A span may take so much, and what it shares with others (a resource, a scope) as much again.
pub const STORED_BYTES_MAX: usize = 192 << 20;

/// What has no more bytes than this in a request can not take so much: at the worst each second byte is a part.
const SAFE_BYTES: usize = STORED_BYTES_MAX / PART_BYTES * 2 / EMBEDDED;

/// An attribute, a value, an event or a link, beside its texts.
const PART_BYTES: usize = 96;

/// A double whose decimal digits reach far from the point, beside the part that it is.
const FAR_DOUBLE_BYTES: usize = 336;

/// An event or link lies in a column with its fellows, and may have its attributes there twice, the second time in base64.
const EMBEDDED: usize = 3;

/// Rejects what takes too much; `size` is asked only when something of so many bytes could.
pub(super) fn check(bytes_max: usize, size: impl FnOnce() -> usize) -> Result<(), RejectReason> {
    if bytes_max > SAFE_BYTES && size() > STORED_BYTES_MAX {
        return Err(RejectReason::Size { stored_bytes_max: STORED_BYTES_MAX });
    }
    Ok(())
}

/// The most that a span itself takes.
pub(super) fn of_span(draft: &Draft) -> usize {
    let texts = [&draft.name, &draft.trace_state, &draft.status.message].map(|field| text(field));
    let events = draft.events.iter().map(|event| text(&event.name).saturating_add(attributes(&event.attributes)));
    let links = draft.links.iter().map(|link| text(&link.trace_state).saturating_add(attributes(&link.attributes)));
    let embedded = sum(events.chain(links)).saturating_mul(EMBEDDED);
    let parts = draft.events.len().saturating_add(draft.links.len()).saturating_mul(PART_BYTES);
    sum([sum(texts), attributes(&draft.attributes), embedded, parts])
}

/// The most that a resource takes, with the service and the node that stand beside it.
pub(super) fn of_resource(resource: &Resource) -> usize {
    let entities = resource.entity_refs.iter().map(|entity| {
        let keys =
            entity.id_keys.iter().chain(&entity.description_keys).map(|key| PART_BYTES.saturating_add(text(key)));
        sum([PART_BYTES, text(&entity.schema_url), text(&entity.entity_type), sum(keys)])
    });
    sum([text(&resource.schema_url), attributes(&resource.attributes), sum(entities)])
}

/// The most that a scope takes.
pub(super) fn of_scope(scope: &Scope) -> usize {
    let texts = [&scope.name, &scope.version, &scope.schema_url].map(|field| text(field));
    sum([sum(texts), attributes(&scope.attributes)])
}

fn attributes(attributes: &Attributes) -> usize {
    sum(attributes.iter().map(|attribute| text(&attribute.key).saturating_add(value(&attribute.value))))
}

fn value(of: &Value) -> usize {
    let content = match of {
        Value::Null | Value::Bool(_) | Value::Int(_) => 0,
        Value::Double(double) if *double == 0.0 || (1e-64..1e64).contains(&double.abs()) => 0,
        Value::Double(_) => FAR_DOUBLE_BYTES,
        Value::String(string) => text(string),
        Value::Bytes(bytes) => bytes.len().saturating_mul(2),
        Value::Array(values) => sum(values.iter().map(value)),
        Value::Map(map) => attributes(map),
    };
    content.saturating_add(PART_BYTES)
}

/// A text as JSON has it. U+0000 and U+0001 are written as two characters, of which each is escaped.
fn text(text: &str) -> usize {
    let escaped = text.bytes().filter(|byte| *byte < 0x20 || matches!(byte, b'"' | b'\\'));
    escaped.fold(text.len(), |size, byte| size.saturating_add(if byte <= 1 { 11 } else { 5 }))
}

fn sum(sizes: impl IntoIterator<Item = usize>) -> usize {
    sizes.into_iter().fold(0, usize::saturating_add)
}
