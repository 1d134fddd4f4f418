//! Spans that are counted, from their rows, in one statement: there are no rollups here, but counting is faster than
//! making spans of rows.

use std::sync::Arc;

use async_stream::try_stream;
use futures::{Stream, TryStreamExt};
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Sqlite};

use super::error::store_error;
use super::read::Reader;
use super::row::{Columns, corrupt};
use crate::model::{Condition, Filter, Histogram, SpanKind, StatusCode, TextIs, UnixNanos};
use crate::store::{Counted, MINUTE_NANOS, RolledUp, Rollup, RollupDetail, RollupRequest, StoreError, text};

/// Of exact copies the first counts.
const IS_NO_COPY: &str = "\
    not exists (
        select 1 from span_row copy
        where lower(hex(copy.trace_id)) = lower(hex(span_row.trace_id))
            and copy.digest = span_row.digest
            and copy.span_id = span_row.span_id
            and copy.start_time = span_row.start_time
            and copy.start_nano = span_row.start_nano
            and copy.arrival < span_row.arrival
    )";

const BUCKET: &str = "\
    , (select red_bucket.bucket from red_bucket where red_bucket.first_nano <= span_row.duration_nano
        order by red_bucket.first_nano desc limit 1) as bucket";

/// What a request asks for, by the minute.
pub(super) fn rollups(reader: Arc<Reader>, request: RollupRequest) -> impl Stream<Item = Result<Rollup, StoreError>> {
    try_stream! {
        let mut statement = statement(&request);
        let mut reading = reader.begin().await?;
        let mut rows = statement.build().fetch(&mut *reading);
        while let Some(row) = rows.try_next().await.map_err(store_error)? {
            let rollup = read(&row, request.detail)?;
            request.work.add(Counted::SpansRead, usize::try_from(rollup.span_count).unwrap_or(usize::MAX));
            yield rollup;
        }
    }
}

fn statement(request: &RollupRequest) -> QueryBuilder<Sqlite> {
    let is_by_bucket = request.detail == RollupDetail::Histogram;
    let mut sql = QueryBuilder::new(
        "select minute, service.name, kind, counted.name, status, span_count, seconds, nanos, bucket from ( \
         select start_time / 60000000 as minute, service_id, kind, name, coalesce(status_code, 0) as status, \
         count(*) as span_count, sum(duration_nano / 1000000000) as seconds, sum(duration_nano % 1000000000) as nanos",
    );
    sql.push(if is_by_bucket { BUCKET } else { ", 0 as bucket" });
    sql.push(" from span_row where ").push(IS_NO_COPY).push(" and arrival <= ").push_bind(request.as_of.0);
    sql.push(" and start_time >= ").push_bind(request.start.to_micros_and_nanos().0);
    if request.end.0 < u64::MAX {
        sql.push(" and start_time < ").push_bind(request.end.to_micros_and_nanos().0);
    }
    push_filter(&request.filter, &mut sql);
    sql.push(" group by 1, 2, 3, 4, 5, bucket) as counted join service using (service_id)");
    sql
}

/// Every condition without which the filter does not hold.
fn push_filter(filter: &Filter, sql: &mut QueryBuilder<Sqlite>) {
    match filter {
        Filter::Is(Condition::Service(TextIs::Equal(name))) => {
            sql.push(" and service_id = (select service_id from service where name = ");
            sql.push_bind(text::stored(name).into_owned()).push(")");
        }
        Filter::Is(Condition::Name(TextIs::Equal(name))) => {
            sql.push(" and name = ").push_bind(text::stored(name).into_owned());
        }
        Filter::Is(Condition::Kind(kind)) => {
            sql.push(" and kind = ").push_bind(kind.0);
        }
        Filter::Is(Condition::Status(code)) => {
            sql.push(" and coalesce(status_code, 0) = ").push_bind(code.0);
        }
        Filter::All(filters) => filters.iter().for_each(|filter| push_filter(filter, sql)),
        Filter::Everything | Filter::OneOf(_) | Filter::Is(_) => {}
    }
}

fn read(row: &SqliteRow, detail: RollupDetail) -> Result<Rollup, StoreError> {
    let mut columns = Columns::of(row);
    let minute: i64 = columns.take()?;
    let begin = u64::try_from(minute).ok().and_then(|minute| minute.checked_mul(MINUTE_NANOS));
    let (service, kind) = (columns.text()?, SpanKind(columns.take()?));
    let (name, status) = (columns.text()?, StatusCode(columns.take()?));
    let span_count = u64::try_from(columns.take::<i64>()?).unwrap_or_default();
    let (seconds, nanos) = (sum(&mut columns)?, sum(&mut columns)?);
    let bucket = columns.take()?;
    let sum = seconds.saturating_mul(1_000_000_000).saturating_add(nanos);
    Ok(Rollup {
        begin: begin.map(UnixNanos).ok_or_else(|| corrupt("a minute"))?,
        of: Arc::new(RolledUp { service, name, kind, status }),
        span_count,
        duration_sum_nanos: if detail >= RollupDetail::Sum { sum } else { 0 },
        histogram: match detail {
            RollupDetail::Histogram => Histogram::from_iter([(bucket, span_count)]),
            RollupDetail::Count | RollupDetail::Sum => Histogram::default(),
        },
    })
}

fn sum(columns: &mut Columns<'_>) -> Result<u128, StoreError> {
    Ok(u128::try_from(columns.take::<i64>()?).unwrap_or_default())
}
