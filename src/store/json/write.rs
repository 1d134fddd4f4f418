//! Values to JSON text, straight into a buffer: this is most of what a write does, so nothing is built in between.

use std::cmp::Ordering;
use std::fmt;
use std::io::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{DEPTH_MAX, SHAPE_LIST, SHAPE_ORDER, key_order_of};
use crate::model::{Attribute, Attributes, EntityRef, Event, Link, Value};
use crate::store::StoreError;

/// Appends a value. Refuses one that is nested too deep, as all of these do.
pub(crate) fn value(value: &Value, out: &mut Vec<u8>) -> Result<(), StoreError> {
    any(value, DEPTH_MAX, out)
}

/// Appends attributes as an object and returns their shape.
pub(crate) fn attributes(attributes: &Attributes, out: &mut Vec<u8>) -> Result<Option<Vec<u8>>, StoreError> {
    object(&attributes.0, DEPTH_MAX, out)
}

/// Appends events as an array of objects; a field at its default is left out, but `name` and `attributes` never are.
pub(crate) fn events(events: &[Event], out: &mut Vec<u8>) -> Result<(), StoreError> {
    array(events, DEPTH_MAX, out, |event, levels, out| {
        let levels = deeper(levels)?;
        out.extend(b"{\"time_unix_nano\":");
        number(event.time.0, out);
        out.extend(b",\"name\":");
        string(&event.name, out);
        described(&event.attributes, event.dropped_attributes_count, levels, out)?;
        out.push(b'}');
        Ok(())
    })
}

/// Appends links as an array of objects; a field at its default is left out, but `flags` and `attributes` never are.
pub(crate) fn links(links: &[Link], out: &mut Vec<u8>) -> Result<(), StoreError> {
    array(links, DEPTH_MAX, out, |link, levels, out| {
        let levels = deeper(levels)?;
        out.push(b'{');
        if let Some(id) = link.trace_id {
            out.extend(b"\"trace_id\":");
            quoted(id, out);
            out.push(b',');
        }
        if let Some(id) = link.span_id {
            out.extend(b"\"span_id\":");
            quoted(id, out);
            out.push(b',');
        }
        if !link.trace_state.is_empty() {
            out.extend(b"\"trace_state\":");
            string(&link.trace_state, out);
            out.push(b',');
        }
        out.extend(b"\"flags\":");
        number(link.flags, out);
        described(&link.attributes, link.dropped_attributes_count, levels, out)?;
        out.push(b'}');
        Ok(())
    })
}

/// Appends a resource's entity references as an array of objects with all their fields.
pub(crate) fn entity_refs(refs: &[EntityRef], out: &mut Vec<u8>) -> Result<(), StoreError> {
    let keys = |keys: &[String], levels, out: &mut Vec<u8>| {
        array(keys, levels, out, |key, _, out| {
            string(key, out);
            Ok(())
        })
    };
    array(refs, DEPTH_MAX, out, |entity_ref, levels, out| {
        let levels = deeper(levels)?;
        out.extend(b"{\"schema_url\":");
        string(&entity_ref.schema_url, out);
        out.extend(b",\"type\":");
        string(&entity_ref.entity_type, out);
        out.extend(b",\"id_keys\":");
        keys(&entity_ref.id_keys, levels, out)?;
        out.extend(b",\"description_keys\":");
        keys(&entity_ref.description_keys, levels, out)?;
        out.push(b'}');
        Ok(())
    })
}

/// The fields that say what an event or link is described by, after others.
fn described(attributes: &Attributes, dropped: u32, levels: usize, out: &mut Vec<u8>) -> Result<(), StoreError> {
    out.extend(b",\"attributes\":");
    let shape = object(&attributes.0, levels, out)?;
    if dropped != 0 {
        out.extend(b",\"dropped_attributes_count\":");
        number(dropped, out);
    }
    if let Some(shape) = shape {
        out.extend(b",\"shape\":");
        quoted(STANDARD.encode(shape), out);
    }
    Ok(())
}

fn any(value: &Value, levels: usize, out: &mut Vec<u8>) -> Result<(), StoreError> {
    match value {
        Value::Null => out.extend(b"null"),
        Value::Bool(true) => out.extend(b"true"),
        Value::Bool(false) => out.extend(b"false"),
        Value::Int(int) => number(*int, out),
        Value::String(text) => string(text, out),
        Value::Double(double) => return self::double(*double, levels, out),
        Value::Bytes(bytes) => return tagged("$bytes", STANDARD.encode(bytes), levels, out),
        Value::Array(values) => return array(values, levels, out, any),
        Value::Map(map) => return self::map(&map.0, levels, out),
    }
    Ok(())
}

fn double(double: f64, levels: usize, out: &mut Vec<u8>) -> Result<(), StoreError> {
    if double.is_nan() && double.to_bits() != f64::NAN.to_bits() {
        return tagged("$double", format_args!("NaN:{:016x}", double.to_bits()), levels, out);
    }
    if double.is_nan() {
        return tagged("$double", "NaN", levels, out);
    }
    if double.is_infinite() {
        return tagged("$double", if double > 0.0 { "Infinity" } else { "-Infinity" }, levels, out);
    }
    if double.to_bits() == (-0.0_f64).to_bits() {
        return tagged("$double", "-0.0", levels, out);
    }
    let start = out.len();
    number(double, out);
    if !out.iter().skip(start).any(|byte| *byte == b'.') {
        out.extend(b".0");
    }
    Ok(())
}

fn map(map: &[Attribute], levels: usize, out: &mut Vec<u8>) -> Result<(), StoreError> {
    let order = key_order_of(map);
    if map.is_sorted_by(|a, b| order(a, b) == Ordering::Less) && !map.iter().any(|pair| pair.key.starts_with('$')) {
        return pairs(map.iter(), levels, out);
    }
    let levels = deeper(levels)?;
    out.extend(b"{\"$map\":");
    list(map, levels, out)?;
    out.push(b'}');
    Ok(())
}

/// Attributes as an object, and their shape.
fn object(attributes: &[Attribute], levels: usize, out: &mut Vec<u8>) -> Result<Option<Vec<u8>>, StoreError> {
    let order = key_order_of(attributes);
    if attributes.is_sorted_by(|a, b| order(a, b) == Ordering::Less) {
        pairs(attributes.iter(), levels, out)?;
        return Ok(None);
    }
    let mut sorted: Vec<_> = attributes.iter().enumerate().collect();
    sorted.sort_by(|(_, a), (_, b)| order(a, b));
    let unique = sorted.is_sorted_by(|(_, a), (_, b)| order(a, b) == Ordering::Less);
    if let Some(shape) = unique.then(|| order_shape(&sorted)).flatten() {
        // In jsonb's order, in which PostgreSQL has nothing to sort.
        pairs(sorted.into_iter().map(|(_, attribute)| attribute), levels, out)?;
        return Ok(Some(shape));
    }
    // The sort is stable, so the last of equal keys is the last that was sent.
    sorted.dedup_by(|(next, b), (kept, a)| {
        let equal = a.key == b.key;
        if equal {
            (*kept, *a) = (*next, *b);
        }
        equal
    });
    pairs(sorted.into_iter().map(|(_, attribute)| attribute), levels, out)?;
    let mut shape = vec![SHAPE_LIST];
    list(attributes, levels, &mut shape)?;
    Ok(Some(shape))
}

/// The shape of attributes with unique keys; `None` when they are too many for two bytes.
fn order_shape(sorted: &[(usize, &Attribute)]) -> Option<Vec<u8>> {
    let mut shape = vec![SHAPE_ORDER];
    if sorted.len() <= 256 {
        shape.extend(sorted.iter().map_while(|(index, _)| u8::try_from(*index).ok()));
    } else if sorted.len() <= 65_536 {
        shape.extend(sorted.iter().map_while(|(index, _)| u16::try_from(*index).ok()).flat_map(u16::to_le_bytes));
    } else {
        return None;
    }
    Some(shape)
}

/// `{"key":value,...}`
fn pairs<'a>(
    attributes: impl Iterator<Item = &'a Attribute>,
    levels: usize,
    out: &mut Vec<u8>,
) -> Result<(), StoreError> {
    let levels = deeper(levels)?;
    out.push(b'{');
    for (index, attribute) in attributes.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        string(&attribute.key, out);
        out.push(b':');
        any(&attribute.value, levels, out)?;
    }
    out.push(b'}');
    Ok(())
}

/// `[["key",value],...]`
fn list(attributes: &[Attribute], levels: usize, out: &mut Vec<u8>) -> Result<(), StoreError> {
    array(attributes, levels, out, |attribute, levels, out| {
        let levels = deeper(levels)?;
        out.push(b'[');
        string(&attribute.key, out);
        out.push(b',');
        any(&attribute.value, levels, out)?;
        out.push(b']');
        Ok(())
    })
}

fn array<T>(
    items: &[T],
    levels: usize,
    out: &mut Vec<u8>,
    write: impl Fn(&T, usize, &mut Vec<u8>) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let levels = deeper(levels)?;
    out.push(b'[');
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write(item, levels, out)?;
    }
    out.push(b']');
    Ok(())
}

fn tagged(tag: &str, text: impl fmt::Display, levels: usize, out: &mut Vec<u8>) -> Result<(), StoreError> {
    deeper(levels)?;
    out.push(b'{');
    quoted(tag, out);
    out.push(b':');
    quoted(text, out);
    out.push(b'}');
    Ok(())
}

/// How many levels are left inside one more pair of brackets.
fn deeper(levels: usize) -> Result<usize, StoreError> {
    levels.checked_sub(1).ok_or_else(|| StoreError::Refused {
        reason: format!("attribute values are nested deeper than {DEPTH_MAX} levels"),
    })
}

fn number(number: impl fmt::Display, out: &mut Vec<u8>) {
    // Writing to a Vec does not fail.
    let _ = write!(out, "{number}");
}

/// A text that needs no escaping.
fn quoted(text: impl fmt::Display, out: &mut Vec<u8>) {
    let _ = write!(out, "\"{text}\"");
}

/// Any text, by the rule of `text.rs`.
fn string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    let mut rest = text.as_bytes();
    while let Some(at) = rest.iter().position(|byte| *byte < 0x20 || *byte == b'"' || *byte == b'\\') {
        let (plain, special) = rest.split_at(at);
        out.extend(plain);
        match special.split_first() {
            Some((b'\0', after)) => {
                out.extend(br"\u0001\u0001");
                rest = after;
            }
            Some((1, after)) => {
                out.extend(br"\u0001\u0002");
                rest = after;
            }
            Some((byte, after)) => {
                escape(*byte, out);
                rest = after;
            }
            None => rest = special,
        }
    }
    out.extend(rest);
    out.push(b'"');
}

fn escape(byte: u8, out: &mut Vec<u8>) {
    match byte {
        b'"' | b'\\' => out.extend([b'\\', byte]),
        b'\n' => out.extend(br"\n"),
        b'\r' => out.extend(br"\r"),
        b'\t' => out.extend(br"\t"),
        _ => {
            let _ = write!(out, "\\u{byte:04x}");
        }
    }
}
