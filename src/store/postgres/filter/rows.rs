//! A filter in SQL of hot rows, `span_row s`.

use super::{Builder, Test, Told, push_tree, push_value_is};
use crate::model::DURATION_NANOS_MAX;
use crate::store::text;

/// Appends what is to hold of a row.
pub(in crate::store::postgres) fn push_row(told: &Told, sql: &mut Builder) {
    push_tree(told, sql, push_test);
}

fn push_test(test: &Test, sql: &mut Builder) {
    match test {
        Test::Service { ids: Some(ids), .. } => push_any("s.service_id", ids.clone(), sql),
        Test::Name { names: Some(names), .. } => {
            let names: Vec<_> = names.iter().map(|name| text::stored(name).into_owned()).collect();
            sql.push("s.name = any(").push_bind(names).push(")");
        }
        Test::Kind(kind) => {
            sql.push("s.kind = ").push_bind(kind.0);
        }
        Test::Status(code) => {
            sql.push("coalesce(s.status_code, 0) = ").push_bind(code.0);
        }
        Test::Duration { min_nanos, max_nanos } => push_duration(*min_nanos, *max_nanos, sql),
        Test::TraceId(id) => {
            sql.push("s.trace_id = ").push_bind(id.as_bytes().to_vec());
        }
        Test::SpanId(id) => {
            sql.push("s.span_id = ").push_bind(id.as_bytes().to_vec());
        }
        Test::ParentSpanId(id) => {
            sql.push("s.parent_span_id = ").push_bind(id.as_bytes().to_vec());
        }
        Test::Root => {
            sql.push("s.parent_span_id is null");
        }
        Test::OfSpan(attribute) => push_value_is("s.attributes", attribute, sql),
        Test::OfEvent(attribute) => push_in_list("s.events", |sql| push_value_is(IN_ITEM, attribute, sql), sql),
        Test::OfLink(attribute) => push_in_list("s.links", |sql| push_value_is(IN_ITEM, attribute, sql), sql),
        Test::OfResource { found: Some(found), .. } => push_any("s.resource_id", found.ids.clone(), sql),
        Test::OfScope { ids: Some(ids), .. } => push_any("s.scope_id", ids.clone(), sql),
        Test::Service { ids: None, .. }
        | Test::Name { names: None, .. }
        | Test::OfResource { found: None, .. }
        | Test::OfScope { ids: None, .. }
        | Test::More => {
            sql.push("true");
        }
    }
}

/// The attributes of an event or link.
const IN_ITEM: &str = "(item.value -> 'attributes')";

fn push_in_list(list: &str, push: impl FnOnce(&mut Builder), sql: &mut Builder) {
    sql.push(format_args!("exists (select from jsonb_array_elements({list}) item (value) where "));
    push(sql);
    sql.push(")");
}

fn push_any(column: &str, ids: Vec<i64>, sql: &mut Builder) {
    sql.push(column).push(" = any(").push_bind(ids).push(")");
}

fn push_duration(min_nanos: u64, max_nanos: u64, sql: &mut Builder) {
    if min_nanos > DURATION_NANOS_MAX {
        // No duration is as long.
        sql.push("false");
        return;
    }
    sql.push("s.duration_nano between ").push_bind(min_nanos.cast_signed());
    sql.push(" and ").push_bind(max_nanos.min(DURATION_NANOS_MAX).cast_signed());
}
