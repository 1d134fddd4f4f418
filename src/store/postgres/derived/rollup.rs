//! The rollups: spans counted by minute, operation and status, and again by the hour. Who asks for them is answered by
//! `read/rollups.rs`.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use sqlx::{AssertSqlSafe, PgConnection};

use super::super::error::meaning;
use super::super::row::{Columns, corrupt};
use super::super::time::Micros;
use super::lists::Lists;
use crate::model::{DURATION_NANOS_MAX, Histogram, StatusCode, UnixNanos, histogram};
use crate::store::StoreError;

/// One statement is about so many rows at the most.
const STATEMENT_ROWS_MAX: usize = 2_000;

/// As many numbers as are held before they are to be flushed: some 50 MB when each row has few, less when it has many.
const HELD_NUMBERS_MAX: usize = 400_000;

/// A table of rollups.
#[derive(Debug, Clone, Copy)]
pub(in crate::store::postgres) struct Step {
    pub(in crate::store::postgres) table: &'static str,
    /// The column that says which minute or hour.
    pub(in crate::store::postgres) column: &'static str,
    /// How long that is.
    micros: i64,
}

pub(in crate::store::postgres) const MINUTE: Step =
    Step { table: "red_minute_row", column: "minute", micros: 60_000_000 };
pub(in crate::store::postgres) const HOUR: Step = Step { table: "red_hour_row", column: "hour", micros: 3_600_000_000 };

impl Step {
    /// The beginning of the step that a moment lies in.
    pub(in crate::store::postgres) fn begin(self, Micros(micros): Micros) -> Micros {
        Micros(micros.saturating_sub(micros.checked_rem_euclid(self.micros).unwrap_or_default()))
    }

    /// The beginning of the step that begins then or next.
    pub(in crate::store::postgres) fn next(self, Micros(micros): Micros) -> Micros {
        self.begin(Micros(micros.saturating_add(self.micros).saturating_sub(1)))
    }
}

/// How many spans there are in a row, and how long they took.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Row {
    span_count: u64,
    duration_sum: u128,
    histogram: Histogram,
}

impl Row {
    /// Adds a span. Says whether its bucket was empty.
    fn add(&mut self, duration_nanos: u64) -> bool {
        let duration = duration_nanos.min(DURATION_NANOS_MAX);
        let filled = self.histogram.len();
        self.span_count = self.span_count.saturating_add(1);
        self.duration_sum = self.duration_sum.saturating_add(u128::from(duration));
        self.histogram.add(histogram::bucket(duration), 1);
        self.histogram.len() > filled
    }

    /// Adds other spans.
    fn merge(&mut self, other: &Self) {
        self.span_count = self.span_count.saturating_add(other.span_count);
        self.duration_sum = self.duration_sum.saturating_add(other.duration_sum);
        self.histogram.merge(&other.histogram);
    }
}

/// Buckets and counts as the tables have them: a count beyond an int in parts.
fn parts(histogram: &Histogram) -> impl Iterator<Item = (i16, i32)> {
    histogram.iter().flat_map(|(bucket, count)| {
        let mut rest = count;
        std::iter::from_fn(move || {
            let part = i32::try_from(rest).unwrap_or(i32::MAX);
            rest = rest.saturating_sub(u64::from(part.unsigned_abs()));
            (part > 0).then_some((bucket, part))
        })
    })
}

/// A sum as text: the driver has no type for it.
pub(in crate::store::postgres) fn read_sum(columns: &mut Columns<'_>) -> Result<u128, StoreError> {
    columns.take::<&str>()?.parse().map_err(|_| corrupt("the durations of a rollup have no sum"))
}

/// The columns `buckets` and `counts`.
pub(in crate::store::postgres) fn read_histogram(columns: &mut Columns<'_>) -> Result<Histogram, StoreError> {
    let (buckets, counts) = (columns.take::<Vec<i16>>()?, columns.take::<Vec<i32>>()?);
    let counts = counts.into_iter().map(|count| u64::try_from(count).unwrap_or_default());
    Ok(buckets.into_iter().zip(counts).collect())
}

/// The key of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct RowKey {
    begin: Micros,
    operation_id: i64,
    status: StatusCode,
}

/// Collects the spans that go to the history, by minute, operation, status and duration.
#[derive(Debug, Default)]
pub(in crate::store::postgres) struct Rollups {
    minutes: HashMap<RowKey, Row>,
    /// How many buckets they have filled, which is what takes memory.
    filled: usize,
}

impl Rollups {
    /// Adds a span. One that was added before, here or in an earlier flush, must not come again.
    pub(in crate::store::postgres) fn add(
        &mut self,
        start: UnixNanos,
        operation_id: i64,
        status: StatusCode,
        duration_nanos: u64,
    ) {
        let begin = MINUTE.begin(Micros(start.to_micros_and_nanos().0));
        let row = self.minutes.entry(RowKey { begin, operation_id, status }).or_default();
        let is_new = row.add(duration_nanos);
        self.filled = self.filled.saturating_add(usize::from(is_new));
    }

    /// How many numbers there are, in all histograms of all rows.
    pub(in crate::store::postgres) fn len(&self) -> usize {
        self.filled
    }

    /// Whether it is time to flush.
    pub(in crate::store::postgres) fn is_full(&self) -> bool {
        self.len() >= HELD_NUMBERS_MAX
    }

    /// Adds all of them to the tables' rows, and is empty. After an error the transaction is of no use.
    pub(in crate::store::postgres) async fn flush(&mut self, connection: &mut PgConnection) -> Result<(), StoreError> {
        self.filled = 0;
        let minutes: BTreeMap<_, _> = self.minutes.drain().collect();
        let mut hours = BTreeMap::<RowKey, Row>::new();
        for (key, minute) in &minutes {
            hours.entry(RowKey { begin: HOUR.begin(key.begin), ..*key }).or_default().merge(minute);
        }
        for (step, rows) in [(MINUTE, minutes), (HOUR, hours)] {
            let mut rows = rows.into_iter().peekable();
            while rows.peek().is_some() {
                add_to(step, rows.by_ref().take(STATEMENT_ROWS_MAX).collect(), connection).await?;
            }
        }
        Ok(())
    }
}

/// Reads the rows that are there already, adds them up, and writes them all.
async fn add_to(step: Step, mut rows: BTreeMap<RowKey, Row>, connection: &mut PgConnection) -> Result<(), StoreError> {
    let begins: BTreeSet<Micros> = rows.keys().map(|key| key.begin).collect();
    let operations: BTreeSet<i64> = rows.keys().map(|key| key.operation_id).collect();
    let query = sqlx::query(select(step))
        .bind(begins.first().copied())
        .bind(begins.last().copied())
        .bind(begins.into_iter().collect::<Vec<_>>())
        .bind(operations.into_iter().collect::<Vec<_>>());
    for row in query.fetch_all(&mut *connection).await.map_err(meaning)? {
        let mut columns = Columns::of(&row);
        let (begin, operation_id) = (columns.take()?, columns.take()?);
        let key = RowKey { begin, operation_id, status: StatusCode(columns.take()?) };
        if let Some(row) = rows.get_mut(&key) {
            row.merge(&Row {
                span_count: u64::try_from(columns.take::<i64>()?).unwrap_or_default(),
                duration_sum: read_sum(&mut columns)?,
                histogram: read_histogram(&mut columns)?,
            });
        }
    }
    upsert(step, &rows, connection).await
}

/// Rows that may be among those wanted. The bounds are for pruning; the planner shall not know how long the lists are, or
/// it would read whole partitions.
fn select(step: Step) -> AssertSqlSafe<String> {
    let Step { table, column, .. } = step;
    AssertSqlSafe(format!(
        "select {column}, operation_id, status, span_count, duration_sum::text, buckets, counts from {table}
         where {column} between $1 and $2
             and {column} = any (array(select unnest($3::timestamptz[])))
             and operation_id = any (array(select unnest($4::bigint[])))"
    ))
}

fn upsert_statement(step: Step) -> AssertSqlSafe<String> {
    let Step { table, column, .. } = step;
    AssertSqlSafe(format!(
        "insert into {table} ({column}, operation_id, status, span_count, duration_sum, buckets, counts)
         select begin, operation_id, status, span_count, duration_sum::numeric,
             ($6::smallint[])[first : last], ($7::int[])[first : last]
         from unnest($1::timestamptz[], $2::bigint[], $3::int[], $4::bigint[], $5::text[], $8::int[], $9::int[])
             as added (begin, operation_id, status, span_count, duration_sum, first, last)
         on conflict ({column}, operation_id, status) do update set
             span_count = excluded.span_count, duration_sum = excluded.duration_sum,
             buckets = excluded.buckets, counts = excluded.counts"
    ))
}

async fn upsert(step: Step, rows: &BTreeMap<RowKey, Row>, connection: &mut PgConnection) -> Result<(), StoreError> {
    let (mut buckets, mut counts) = (Lists::default(), Vec::new());
    for row in rows.values() {
        buckets.push(parts(&row.histogram).map(|(bucket, _)| bucket));
        counts.extend(parts(&row.histogram).map(|(_, count)| count));
    }
    sqlx::query(upsert_statement(step))
        .bind(rows.keys().map(|key| key.begin).collect::<Vec<_>>())
        .bind(rows.keys().map(|key| key.operation_id).collect::<Vec<_>>())
        .bind(rows.keys().map(|key| key.status.0).collect::<Vec<_>>())
        .bind(rows.values().map(|row| i64::try_from(row.span_count).unwrap_or(i64::MAX)).collect::<Vec<_>>())
        .bind(rows.values().map(|row| row.duration_sum.to_string()).collect::<Vec<_>>())
        .bind(buckets.values)
        .bind(counts)
        .bind(buckets.firsts)
        .bind(buckets.lasts)
        .execute(connection)
        .await
        .map_err(meaning)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_beyond_an_int_is_in_parts() {
        let parts = |count| parts(&Histogram::from_iter([(7, count)])).collect::<Vec<_>>();
        let max = i32::MAX;
        assert_eq!(parts(u64::from(max.unsigned_abs()) * 2 + 5), [(7, max), (7, max), (7, 5)]);
        assert_eq!(parts(u64::from(max.unsigned_abs())), [(7, max)]);
        assert_eq!(parts(0), []);
    }
}
