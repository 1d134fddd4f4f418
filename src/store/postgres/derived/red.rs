//! Rate, errors and durations of a time, from rows of whole hours, rows of minutes at its edges, and the hot rows, which
//! are in no rollup yet. One statement, so that they are of one moment.

use std::collections::BTreeMap;
use std::ops::Range;

use futures::TryStreamExt;
use sqlx::PgConnection;
use sqlx::postgres::PgRow;

use super::super::dictionary::service_id;
use super::super::error::meaning;
use super::super::row::{Columns, corrupt};
use super::super::time::Micros;
use super::histogram::{Histogram, Red};
use super::rollup::{HOUR, MINUTE, Step};
use crate::model::{Operation, SpanKind, StatusCode, UnixNanos};
use crate::store::StoreError;

/// $1 to $2 and $5 to $6 are the minutes at the edges, $3 to $4 the hours between them, $7 is the service.
const SELECT: &str = "\
    select service.name, red.name, kind, status, span_count, duration_sum::text, buckets, counts
    from (
        select service_id, operation.name, kind, status, span_count, duration_sum, buckets, counts
        from (
            select operation_id, status, span_count, duration_sum, buckets, counts
            from red_minute_row where minute >= $1 and minute < $2
            union all
            select operation_id, status, span_count, duration_sum, buckets, counts
            from red_hour_row where hour >= $3 and hour < $4
            union all
            select operation_id, status, span_count, duration_sum, buckets, counts
            from red_minute_row where minute >= $5 and minute < $6
        ) as history
        join operation using (operation_id)
        where $7::bigint is null or service_id = $7
        union all
        select service_id, name, kind, status, span_count, duration_sum, buckets, counts::int[]
        from red_minute_hot
        where minute >= $1 and minute < $6 and ($7::bigint is null or service_id = $7)
    ) as red
    join service using (service_id)";

/// Whose spans count together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store::postgres) enum RedGroup {
    /// All spans of a service.
    Service,
    /// Those of each operation of a service.
    Operation,
}

/// A group of spans.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::store::postgres) struct RedKey {
    /// Whose they are.
    pub(in crate::store::postgres) service: String,
    /// What they do, when they are grouped so.
    pub(in crate::store::postgres) operation: Option<Operation>,
}

/// Rate, errors and durations in the minutes that begin in `times`, of one service or of all.
pub(in crate::store::postgres) async fn red(
    connection: &mut PgConnection,
    times: Range<UnixNanos>,
    service: Option<&str>,
    group: RedGroup,
) -> Result<BTreeMap<RedKey, Red>, StoreError> {
    let parts = Parts::of(&times);
    let mut query = sqlx::query(SELECT);
    for part in [parts.before, parts.hours, parts.after] {
        query = query.bind(part.start).bind(part.end);
    }
    let mut rows = query.bind(service.map(service_id)).fetch(connection).map_err(meaning);
    let mut found = BTreeMap::<RedKey, Red>::new();
    while let Some(row) = rows.try_next().await? {
        let (key, red) = read(&row, group)?;
        found.entry(key).or_default().merge(&red);
    }
    Ok(found)
}

/// A time in minutes, whole hours, and minutes again.
#[derive(Debug, PartialEq, Eq)]
struct Parts {
    before: Range<Micros>,
    hours: Range<Micros>,
    after: Range<Micros>,
}

impl Parts {
    fn of(times: &Range<UnixNanos>) -> Self {
        let (from, until) = (next(MINUTE, times.start), next(MINUTE, times.end));
        let first = HOUR.begin(Micros(from.0.saturating_add(HOUR.micros).saturating_sub(1)));
        let last = HOUR.begin(until);
        if first < last {
            Self { before: from..first, hours: first..last, after: last..until }
        } else {
            Self { before: from..from, hours: from..from, after: from..until }
        }
    }
}

/// The step that begins then or next.
fn next(step: Step, time: UnixNanos) -> Micros {
    let (micros, nanos) = time.to_micros_and_nanos();
    let micros = micros.saturating_add(i64::from(nanos > 0));
    step.begin(Micros(micros.saturating_add(step.micros).saturating_sub(1)))
}

fn read(row: &PgRow, group: RedGroup) -> Result<(RedKey, Red), StoreError> {
    let mut columns = Columns::of(row);
    let service = columns.text()?;
    let operation = Operation { name: columns.text()?, kind: SpanKind(columns.take()?) };
    let is_error = StatusCode(columns.take()?) == StatusCode::ERROR;
    let span_count = u64::try_from(columns.take::<i64>()?).unwrap_or_default();
    let red = Red {
        span_count,
        error_count: if is_error { span_count } else { 0 },
        duration_sum: read_sum(&mut columns)?,
        histogram: read_histogram(&mut columns)?,
    };
    let operation = (group == RedGroup::Operation).then_some(operation);
    Ok((RedKey { service, operation }, red))
}

/// A sum as text: the driver has no type for it.
pub(super) fn read_sum(columns: &mut Columns<'_>) -> Result<u128, StoreError> {
    columns.take::<&str>()?.parse().map_err(|_| corrupt("the durations of a rollup have no sum"))
}

/// The columns `buckets` and `counts`.
pub(super) fn read_histogram(columns: &mut Columns<'_>) -> Result<Histogram, StoreError> {
    let (buckets, counts) = (columns.take::<Vec<i16>>()?, columns.take::<Vec<i32>>()?);
    let mut histogram = Histogram::default();
    for (bucket, count) in buckets.into_iter().zip(counts) {
        histogram.add(bucket, u64::try_from(count).unwrap_or_default());
    }
    Ok(histogram)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_minutes_hours_and_minutes() {
        let parts = |from: u64, until: u64| {
            let parts = Parts::of(&(UnixNanos(from * 1_000_000_000)..UnixNanos(until * 1_000_000_000)));
            [parts.before, parts.hours, parts.after].map(|part| (part.start.0 / 60_000_000, part.end.0 / 60_000_000))
        };
        assert_eq!(parts(0, 86_400), [(0, 0), (0, 1_440), (1_440, 1_440)]);
        assert_eq!(parts(1, 7_201), [(1, 60), (60, 120), (120, 121)]);
        assert_eq!(parts(3_600, 7_200), [(60, 60), (60, 120), (120, 120)]);
        assert_eq!(parts(3_601, 7_200), [(61, 61), (61, 61), (61, 120)]);
        assert_eq!(parts(60, 120), [(1, 1), (1, 1), (1, 2)]);
        assert_eq!(parts(61, 119), [(2, 2), (2, 2), (2, 2)]);
        let all = Parts::of(&(UnixNanos(0)..UnixNanos(u64::MAX)));
        assert_eq!((all.before.start.0, all.after.end.0), (0, 18_446_744_100_000_000));
    }
}
