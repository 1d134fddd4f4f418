//! The statement of a scan: newest spans first, through the index of services and start times. Everything that a
//! caller named is bound, nothing becomes SQL text.

use sqlx::{Postgres, QueryBuilder};

use super::dictionary::{json_text, service_id};
use super::filter::{Told, push_row};
use super::row::IS_HOT;
use super::time::Micros;
use crate::model::{AttributeCondition, AttributeScope, DURATION_NANOS_MAX, Search, SpanKey, UnixNanos};
use crate::store::{Scan, StoreError, json, text};

type Builder = QueryBuilder<Postgres>;

/// The descending order of span keys. The index gives the first column's, the rest is sorted within.
const KEY_DESCENDING: [&str; 5] = ["start_time", "start_nano", "trace_id", "span_id", "digest"];

/// The rows of a scan before a key, at most so many, exact copies not removed.
///
/// With a service, its part of the index is read backwards. With several, or with any, the newest rows of each service
/// are, and the newest of those are taken: an index of start times alone would be a third one to keep up on every write.
/// With a few traces, their index leads to the rows.
pub(super) fn statement(
    scan: &Scan,
    told: &Told,
    columns: &str,
    before: Option<SpanKey>,
    rows_max: i64,
) -> Result<Builder, StoreError> {
    let service_ids = match &scan.search.service {
        Some(service) => Some(vec![service_id(service)]),
        None => told.service_ids().map(Vec::from_iter),
    };
    let mut sql = Builder::new("");
    if let Some(trace_ids) = told.trace_ids() {
        let ids: Vec<_> = trace_ids.iter().map(ToString::to_string).collect();
        push_rows(columns, &mut sql);
        sql.push(" and encode(s.trace_id, 'hex') collate \"C\" = any(").push_bind(ids).push(")");
        if let Some(service) = &scan.search.service {
            sql.push(" and s.service_id = ").push_bind(service_id(service));
        }
        push_conditions(scan, told, before, &mut sql)?;
        newest(&mut sql, "s", rows_max);
        return Ok(sql);
    }
    if let Some([service_id]) = service_ids.as_deref() {
        push_rows(columns, &mut sql);
        sql.push(" and s.service_id = ").push_bind(*service_id);
        push_conditions(scan, told, before, &mut sql)?;
        newest(&mut sql, "s", rows_max);
        return Ok(sql);
    }
    sql.push("select found.* from ");
    match service_ids {
        Some(ids) => sql.push("unnest(").push_bind(ids).push("::bigint[]) service (service_id)"),
        None => sql.push("service"),
    };
    sql.push(" cross join lateral (");
    push_rows(columns, &mut sql);
    sql.push(" and s.service_id = service.service_id");
    push_conditions(scan, told, before, &mut sql)?;
    newest(&mut sql, "s", rows_max);
    sql.push(") found");
    newest(&mut sql, "found", rows_max);
    Ok(sql)
}

fn newest(sql: &mut Builder, table: &str, rows_max: i64) {
    sql.push(" order by ");
    let mut list = sql.separated(", ");
    for column in KEY_DESCENDING {
        list.push(format_args!("{table}.{column} desc"));
    }
    sql.push(" limit ").push_bind(rows_max);
}

fn push_rows(columns: &str, sql: &mut Builder) {
    sql.push("select ").push(columns).push(" from span_row s where ").push(IS_HOT);
}

fn push_conditions(scan: &Scan, told: &Told, before: Option<SpanKey>, sql: &mut Builder) -> Result<(), StoreError> {
    if let Some(before) = before {
        push_before(before, sql);
    }
    if let Some(as_of) = scan.as_of {
        sql.push(" and s.received_time <= ").push_bind(Micros(as_of.0));
    }
    push_search(&scan.search, sql)?;
    sql.push(" and ");
    push_row(told, sql);
    Ok(())
}

/// The index understands the first column of such a comparison.
fn push_before(key: SpanKey, sql: &mut Builder) {
    let (micros, nanos) = key.start.to_micros_and_nanos();
    sql.push(" and (s.start_time, s.start_nano, s.trace_id, s.span_id, s.digest) < (");
    sql.push_bind(Micros(micros)).push(", ").push_bind(nanos).push(", ");
    sql.push_bind(key.trace_id.as_bytes().to_vec()).push(", ").push_bind(key.span_id.as_bytes().to_vec());
    sql.push(", ").push_bind(key.digest).push(")");
}

pub(super) fn push_start(comparison: &str, time: UnixNanos, sql: &mut Builder) {
    let (micros, nanos) = time.to_micros_and_nanos();
    sql.push(format_args!(" and (s.start_time, s.start_nano) {comparison} ("));
    sql.push_bind(Micros(micros)).push(", ").push_bind(nanos).push(")");
}

fn push_search(search: &Search, sql: &mut Builder) -> Result<(), StoreError> {
    if let Some(min) = search.start_min {
        push_start(">=", min, sql);
    }
    if let Some(max) = search.start_max {
        push_start("<", max, sql);
    }
    if let Some(node) = &search.node {
        sql.push(" and s.resource_id in (select resource_id from resource_row where node = ");
        sql.push_bind(text::stored(node).into_owned()).push(")");
    }
    if let Some(name) = &search.span_name {
        sql.push(" and s.name = ").push_bind(text::stored(name).into_owned());
    }
    if let Some(kind) = search.kind {
        sql.push(" and s.kind = ").push_bind(kind.0);
    }
    if let Some(status) = search.status {
        sql.push(" and coalesce(s.status_code, 0) = ").push_bind(status.0);
    }
    push_duration(search, sql);
    search.attributes.iter().try_for_each(|condition| push_attribute(condition, sql))
}

fn push_duration(search: &Search, sql: &mut Builder) {
    if let Some(min) = search.duration_min_nanos {
        if min > DURATION_NANOS_MAX {
            // No duration is as long.
            sql.push(" and false");
        }
        sql.push(" and s.duration_nano >= ").push_bind(min.min(DURATION_NANOS_MAX).cast_signed());
    }
    if let Some(max) = search.duration_max_nanos {
        sql.push(" and s.duration_nano <= ").push_bind(max.min(DURATION_NANOS_MAX).cast_signed());
    }
}

fn push_attribute(condition: &AttributeCondition, sql: &mut Builder) -> Result<(), StoreError> {
    let mut json = Vec::new();
    if json::value(&condition.value, &mut json).is_err() {
        // Nested too deep to be stored, so no span has it.
        sql.push(" and false");
        return Ok(());
    }
    let (key, value) = (text::stored(&condition.key).into_owned(), json_text(json)?);
    let in_resource = |sql: &mut Builder, key, value| {
        sql.push("s.resource_id in (select r.resource_id from resource_row r where ");
        push_has("r", key, value, sql);
        sql.push(")");
    };
    sql.push(" and (");
    match condition.scope {
        AttributeScope::Span => push_has("s", key, value, sql),
        AttributeScope::Resource => in_resource(sql, key, value),
        AttributeScope::Any => {
            push_has("s", key.clone(), value.clone(), sql);
            sql.push(" or ");
            in_resource(sql, key, value);
        }
    }
    sql.push(")");
    Ok(())
}

/// Compares texts, since jsonb holds that 1 = 1.0; both sides as jsonb prints them.
fn push_has(table: &str, key: String, value: String, sql: &mut Builder) {
    sql.push(format_args!("({table}.attributes -> ")).push_bind(key);
    sql.push(")::text = (").push_bind(value).push("::jsonb)::text");
}
