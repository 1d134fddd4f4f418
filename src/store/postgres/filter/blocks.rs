//! A filter in SQL of whole blocks, `span_block b`: whether one of its spans may be one on which it holds.
//!
//! The attributes of spans stand in `attribute_values`, or, when many spans have one, in the format of their shape;
//! `attribute_keys` are the spans' own keys alone. Events and links stand as jsonb prints them.

use super::value::json_of;
use super::{Attribute, Builder, Test, Told, push_tree};
use crate::model::{AttributeIs, DURATION_NANOS_MAX, StatusCode, TextIs, Value};
use crate::store::text;

/// More names than this are not looked for in the names of each block.
const NAMES_MAX: usize = 64;

/// Up to here every whole number is a double, and no other is rounded to it.
const EXACT_MAX: f64 = 9_007_199_254_740_991.0;

/// Appends what is to hold of a block.
pub(in crate::store::postgres) fn push_block(told: &Told, sql: &mut Builder) {
    push_tree(told, sql, push_test);
}

fn push_test(test: &Test, sql: &mut Builder) {
    match test {
        Test::Service { ids: Some(ids), .. } => {
            sql.push("b.service_id = any(").push_bind(ids.clone()).push(")");
        }
        Test::Name { names: Some(names), .. } if names.len() <= NAMES_MAX => {
            let names: Vec<_> = names.iter().map(|name| text::stored(name).into_owned()).collect();
            sql.push("b.names && ").push_bind(names).push("::text[] collate \"C\"");
        }
        Test::Kind(kind) => {
            sql.push_bind(kind.0).push(" = any(b.shape_kind)");
        }
        Test::Status(StatusCode::UNSET) => {
            sql.push("(b.shape_status is null or 0 = any(b.shape_status))");
        }
        Test::Status(StatusCode::ERROR) => {
            sql.push("b.error_count > 0");
        }
        Test::Status(code) => {
            sql.push_bind(code.0).push(" = any(b.shape_status)");
        }
        Test::Duration { min_nanos, max_nanos } => push_duration(*min_nanos, *max_nanos, sql),
        Test::TraceId(id) => push_traces(vec![id.to_string()], sql),
        // The id of a parent is that of a span of the block, or stands behind those.
        Test::SpanId(id) | Test::ParentSpanId(id) => {
            sql.push("position(").push_bind(id.as_bytes().to_vec()).push(" in b.span_ids) > 0");
        }
        Test::Root => {
            sql.push("0 = any(b.parent)");
        }
        Test::OfSpan(attribute) => push_of_spans(attribute, sql),
        Test::OfEvent(attribute) => push_of_list("b.events", attribute, sql),
        Test::OfLink(attribute) => push_of_list("b.links", attribute, sql),
        Test::OfResource { found: Some(found), .. } => {
            sql.push("b.resource_ids && ").push_bind(found.ids.clone());
        }
        Test::OfScope { ids: Some(ids), .. } => {
            sql.push("b.shape_scope && ").push_bind(ids.clone());
        }
        Test::Service { ids: None, .. }
        | Test::Name { .. }
        | Test::OfResource { found: None, .. }
        | Test::OfScope { ids: None, .. }
        | Test::More => {
            sql.push("true");
        }
    }
}

/// The blocks that have spans of these traces are named by the traces' rows.
pub(in crate::store::postgres) fn push_traces(ids: Vec<String>, sql: &mut Builder) {
    sql.push("b.block_id = any(array(select unnest(t.block_ids) from trace_row t where ");
    sql.push("encode(uuid_send(t.trace_id), 'hex') collate \"C\" = any(array(select unnest(").push_bind(ids);
    sql.push("::text[])))))");
}

fn push_duration(min_nanos: u64, max_nanos: u64, sql: &mut Builder) {
    if min_nanos > DURATION_NANOS_MAX || min_nanos > max_nanos {
        sql.push("false");
        return;
    }
    sql.push("(b.duration_max >= ").push_bind(min_nanos.cast_signed());
    sql.push(" and b.duration_min <= ").push_bind(max_nanos.min(DURATION_NANOS_MAX).cast_signed()).push(")");
}

fn push_of_spans(attribute: &Attribute, sql: &mut Builder) {
    let key = attribute.stored_key();
    match text_of(&attribute.is) {
        Some(value) => push_spans_have(key, value, sql),
        None => {
            push_has_key(key, sql);
        }
    }
}

/// A text that stands in the text of every value that is this.
fn text_of(is: &AttributeIs) -> Option<String> {
    match is {
        AttributeIs::Text(TextIs::Equal(wanted)) => Some(json_of(&Value::String(wanted.clone()))),
        AttributeIs::Bool(wanted) => Some(wanted.to_string()),
        // 1 is in 1, in 1.0 and in 21; and 0 in what stands for minus zero.
        #[expect(clippy::float_cmp, reason = "a range of one number")]
        AttributeIs::Number { min, max } if min == max && min.abs() <= EXACT_MAX => Some(format!("{}", min + 0.0)),
        _ => None,
    }
}

fn push_has_key(key: String, sql: &mut Builder) {
    sql.push("b.attribute_keys @> array[").push_bind(key).push("] collate \"C\"");
}

/// Appends that spans of the block have the key, and that the JSON of a value stands somewhere among their values: first in
/// the formats, where % is doubled, since what many have stands there and the other text is long.
pub(in crate::store::postgres) fn push_spans_have(key: String, value: String, sql: &mut Builder) {
    sql.push("(");
    push_has_key(key, sql);
    sql.push(" and (strpos(array_to_string(b.shape_format, ' '), replace((").push_bind(value.clone());
    sql.push("::jsonb)::text, '%', '%%')) > 0 or strpos(b.attribute_values, (").push_bind(value);
    sql.push("::jsonb)::text) > 0))");
}

/// Appends that the key, and the value if there is a text for it, stand in the text of events or links.
fn push_of_list(list: &str, attribute: &Attribute, sql: &mut Builder) {
    let key = attribute.stored_key();
    sql.push("(strpos(").push(list).push(", to_jsonb(").push_bind(key).push("::text)::text || ': ') > 0");
    if let Some(value) = text_of(&attribute.is) {
        sql.push(" and strpos(").push(list).push(", (").push_bind(value).push("::jsonb)::text) > 0");
    }
    sql.push(")");
}
