//! The statements whose text is fixed. What a search makes is in `search.rs`.

use std::sync::LazyLock;

use sqlx::{AssertSqlSafe, SqlSafeStr, SqlStr};

/// No reader may see half a write, and two writers would have to wait for each other at the first row anyway.
pub(super) const BEGIN: &str = "begin immediate";

pub(super) const LEAVE_RECEIPT: &str = "insert or ignore into receipt (fingerprint) values (?)";

/// A few at a time, so that no write waits for long.
pub(super) const FORGET_RECEIPTS: &str = "
delete from receipt
where fingerprint in (
    select fingerprint from receipt where received_time <= cast((julianday('now') - 2440587.5) * 86400000 as integer) - ? limit ?)";

pub(super) const INSERT_SERVICE: &str = "insert or ignore into service (name) values (?)";

pub(super) const SELECT_SERVICE: &str = "select service_id from service where name = ?";

pub(super) const INSERT_OPERATION: &str = "insert or ignore into operation (service_id, name, kind) values (?, ?, ?)";

pub(super) const INSERT_RESOURCE: &str = "
insert or ignore into resource_row (resource_id, service_id, node, schema_url, attributes, attributes_shape,
    dropped_attributes_count, entity_refs)
values (?, ?, ?, ?, ?, ?, ?, ?)";

pub(super) const INSERT_SCOPE: &str = "
insert or ignore into scope (scope_id, name, version, schema_url, attributes, attributes_shape,
    dropped_attributes_count)
values (?, ?, ?, ?, ?, ?, ?)";

/// The columns of a span in the order in which `row.rs` writes and reads them.
const SPAN_COLUMNS: &str = "trace_id, span_id, start_time, start_nano, duration_nano, end_exact, parent_span_id, \
    service_id, resource_id, scope_id, digest, name, kind, flags, status_code, dropped_attributes_count, \
    dropped_events_count, dropped_links_count, status_message, trace_state, attributes, attributes_shape, events, links";

const SPAN_COLUMNS_COUNT: usize = 24;

/// A statement writes this many rows at the most: few enough for SQLite's 32,766 parameters, many enough that the way
/// to its thread and back costs nothing.
pub(super) const INSERT_ROWS_MAX: usize = 64;

/// Inserts of one row, of two, of four and so on: few statements to prepare, whatever the number of rows.
static INSERT_SPANS: LazyLock<Vec<SqlStr>> = LazyLock::new(|| {
    let row = format!("({})", vec!["?"; SPAN_COLUMNS_COUNT].join(", "));
    let rows = (0..=INSERT_ROWS_MAX.ilog2()).map(|power| vec![row.as_str(); 1 << power].join(", "));
    // Made of the constants above and nothing else.
    rows.map(|rows| AssertSqlSafe(format!("insert into span_row ({SPAN_COLUMNS}) values {rows}")).into_sql_str())
        .collect()
});

/// The statement that inserts the most of so many rows, and how many that is.
pub(super) fn insert_spans(rows: usize) -> Option<(SqlStr, usize)> {
    let power = rows.min(INSERT_ROWS_MAX).checked_ilog2()?;
    let statement = INSERT_SPANS.get(usize::try_from(power).ok()?)?;
    Some((statement.clone(), 1 << power))
}

/// Spans by the numbers of their arrival, in any order.
pub(super) static SELECT_SPANS: LazyLock<SqlStr> = LazyLock::new(|| {
    let text =
        format!("select arrival, {SPAN_COLUMNS} from span_row where arrival in (select value from json_each(?))");
    AssertSqlSafe(text).into_sql_str()
});

pub(super) const SELECT_RESOURCES: &str = "
select resource_id, schema_url, attributes, attributes_shape, dropped_attributes_count, entity_refs
from resource_row
where resource_id in (select value from json_each(?))";

pub(super) const SELECT_SCOPES: &str = "
select scope_id, name, version, schema_url, attributes, attributes_shape, dropped_attributes_count
from scope
where scope_id in (select value from json_each(?))";

pub(super) const SELECT_TRACE: &str = "
select start_time, start_nano, trace_id, span_id, digest, arrival
from span_row
where lower(hex(trace_id)) = ? and arrival <= ?
order by start_time, start_nano, span_id, digest";

/// What a summary needs to know, trace by trace.
pub(super) const SELECT_FACTS: &str = "
select start_time, start_nano, trace_id, span_id, digest, duration_nano, end_exact, parent_span_id is null,
    coalesce(status_code, 0), service.name, case when parent_span_id is null then span_row.name else '' end
from span_row join service on service.service_id = span_row.service_id
where lower(hex(trace_id)) in (select value from json_each(?)) and arrival <= ?
order by trace_id, start_time, start_nano, span_id, digest";

pub(super) const SELECT_WATERMARK: &str = "select coalesce(max(arrival), 0) from span_row";

/// No service has an empty name.
pub(super) const SELECT_SERVICES: &str = "select name from service where name > ? order by name limit ?";

pub(super) const SELECT_OPERATIONS: &str = "
select name, kind
from operation
where service_id = (select service_id from service where name = ?)
order by name, kind
limit ?";

pub(super) const SELECT_OPERATIONS_AFTER: &str = "
select name, kind
from operation
where service_id = (select service_id from service where name = ?) and (name, kind) > (?, ?)
order by name, kind
limit ?";

pub(super) const SELECT_ONE: &str = "select 1";
