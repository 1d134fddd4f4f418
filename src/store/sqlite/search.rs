//! A scan as SQL: which rows may match, newest first. All conditions of a search but those on attributes are exact; those
//! are necessary, and `Search::matches` has the last word. What a filter adds is in `filter.rs`.

use sqlx::{QueryBuilder, Sqlite};

use super::filter::{CONDITIONS_MAX, push_filter};
use crate::model::{Attribute, AttributeCondition, AttributeScope, Attributes, Filter, SpanKey, UnixNanos, Value};
use crate::store::{Scan, json, text};

/// The statement that finds the next rows of a scan: at most `rows` of them, after `before`. `None` when a condition
/// can not hold on any row.
pub(super) fn page(scan: &Scan, before: Option<SpanKey>, rows: usize) -> Option<QueryBuilder<Sqlite>> {
    let start = "select start_time, start_nano, trace_id, span_id, digest, arrival from span_row where true";
    let mut query = QueryBuilder::new(start);
    if let Some(watermark) = scan.as_of {
        query.push(" and arrival <= ").push_bind(watermark.0);
    }
    if let Some(before) = before {
        push_before(&mut query, &before);
    }
    push_times(&mut query, scan);
    push_labels(&mut query, scan);
    push_durations(&mut query, scan)?;
    for condition in &scan.search.attributes {
        push_attribute(&mut query, condition)?;
    }
    match &scan.filter {
        Filter::Everything => {}
        // Each by itself, so that an index is seen that one of them could go by.
        Filter::All(filters) if filters.len() <= CONDITIONS_MAX => {
            for filter in filters {
                push_filter(filter, query.push(" and "));
            }
        }
        filter => push_filter(filter, query.push(" and ")),
    }
    query.push(" order by start_time desc, start_nano desc, trace_id desc, span_id desc, digest desc limit ");
    query.push_bind(i64::try_from(rows).unwrap_or(i64::MAX));
    Some(query)
}

/// The rows below a key. The first comparison says nothing new; it is the one that an index can use.
fn push_before(query: &mut QueryBuilder<Sqlite>, before: &SpanKey) {
    let (micros, nanos) = before.start.to_micros_and_nanos();
    query.push(" and start_time <= ").push_bind(micros);
    query.push(" and (start_time, start_nano, trace_id, span_id, digest) < (").push_bind(micros);
    query.push(", ").push_bind(nanos);
    query.push(", ").push_bind(before.trace_id.as_bytes().to_vec());
    query.push(", ").push_bind(before.span_id.as_bytes().to_vec());
    query.push(", ").push_bind(before.digest).push(")");
}

/// That a row starts in the search's times.
pub(super) fn push_times(query: &mut QueryBuilder<Sqlite>, scan: &Scan) {
    let mut push = |time: Option<UnixNanos>, bound: &str, exact: &str| {
        if let Some((micros, nanos)) = time.map(UnixNanos::to_micros_and_nanos) {
            query.push(bound).push_bind(micros).push(exact).push_bind(micros).push(", ").push_bind(nanos).push(")");
        }
    };
    push(scan.search.start_min, " and start_time >= ", " and (start_time, start_nano) >= (");
    push(scan.search.start_max, " and start_time <= ", " and (start_time, start_nano) < (");
}

fn push_labels(query: &mut QueryBuilder<Sqlite>, scan: &Scan) {
    if let Some(service) = &scan.search.service {
        query.push(" and service_id = (select service_id from service where name = ");
        query.push_bind(text::stored(service).into_owned()).push(")");
    }
    if let Some(node) = &scan.search.node {
        query.push(" and resource_id in (select resource_id from resource_row where node = ");
        query.push_bind(text::stored(node).into_owned()).push(")");
    }
    if let Some(name) = &scan.search.span_name {
        query.push(" and name = ").push_bind(text::stored(name).into_owned());
    }
    if let Some(kind) = scan.search.kind {
        query.push(" and kind = ").push_bind(kind.0);
    }
    if let Some(status) = scan.search.status {
        query.push(" and coalesce(status_code, 0) = ").push_bind(status.0);
    }
}

fn push_durations(query: &mut QueryBuilder<Sqlite>, scan: &Scan) -> Option<()> {
    if let Some(min) = scan.search.duration_min_nanos {
        // No span is longer than the integers of a database.
        query.push(" and duration_nano >= ").push_bind(i64::try_from(min).ok()?);
    }
    if let Some(max) = scan.search.duration_max_nanos.and_then(|max| i64::try_from(max).ok()) {
        query.push(" and duration_nano <= ").push_bind(max);
    }
    Some(())
}

/// That the text of the attributes has the key and the value in it, as they are written. (SQLite's `->` takes a key
/// that begins with `$` for a path.)
fn push_attribute(query: &mut QueryBuilder<Sqlite>, condition: &AttributeCondition) -> Option<()> {
    let fragment = fragment(&condition.key, &condition.value)?;
    let in_span = |query: &mut QueryBuilder<Sqlite>| {
        query.push("instr(attributes, ").push_bind(fragment.clone()).push(") > 0");
    };
    let in_resource = |query: &mut QueryBuilder<Sqlite>| {
        query.push("resource_id in (select resource_id from resource_row where instr(resource_row.attributes, ");
        query.push_bind(fragment.clone()).push(") > 0)");
    };
    query.push(" and (");
    match condition.scope {
        AttributeScope::Span => in_span(query),
        AttributeScope::Resource => in_resource(query),
        AttributeScope::Any => {
            in_span(query);
            query.push(" or ");
            in_resource(query);
        }
    }
    query.push(")");
    Some(())
}

/// `"key":value` as it stands in the text of attributes; `None` when no row can hold such a value.
pub(super) fn fragment(key: &str, value: &Value) -> Option<String> {
    let attribute = Attribute { key: key.to_owned(), value: value.clone() };
    let mut object = Vec::new();
    json::attributes(&Attributes(vec![attribute]), &mut object).ok()?;
    let object = String::from_utf8(object).ok()?;
    Some(object.strip_prefix('{')?.strip_suffix('}')?.to_owned())
}
