//! Spans that are counted: of the history, rows of whole hours, and rows of minutes at the edges of a time; of the hot
//! rows, which are in no rollup yet, a count on the fly. All of it in one snapshot.
//!
//! Rollups do not say when their spans arrived. So they answer for a moment only when nothing has become history that
//! arrived later, which is what is nearly always the case: compaction takes what is minutes old.

use std::collections::HashMap;
use std::sync::Arc;

use async_stream::try_stream;
use futures::{StreamExt, TryStreamExt};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Postgres, QueryBuilder};

use super::Reader;
use crate::model::{Condition, Filter, Histogram, SpanKind, StatusCode, TextIs, UnixNanos};
use crate::store::postgres::derived::rollup::{HOUR, MINUTE, Step, read_histogram, read_sum};
use crate::store::postgres::dictionary::{operation_id, service_id};
use crate::store::postgres::error::{is_damage, meaning, within};
use crate::store::postgres::row::{Columns, IS_HOT, corrupt};
use crate::store::postgres::time::Micros;
use crate::store::{Counted, RolledUp, Rollup, RollupDetail, RollupRequest, RollupStream, StoreError, Watermark, text};

type Builder = QueryBuilder<Postgres>;

/// As for all who read the history, see `history::BEGIN_READ_ONLY`; in the order in which retention locks.
const BEGIN: &str = "\
    begin isolation level repeatable read read only; \
    lock table only trace_row, only span_block, only red_minute_row, only red_hour_row in access share mode";

const IS_LATER_THAN: &str = "\
    select exists (
        select from span_block where received_max > $1
            and hour >= date_bin('1 hour', $2::timestamptz, '1970-01-01 00:00:00+00') and hour < $3)";

/// Of exact copies the first counts, of those that had arrived; none does that has one in the history.
const IS_NO_COPY: &str = "\
    not exists (
        select from span_row copy
        where copy.digest = s.digest
            and copy.service_id = s.service_id
            and copy.start_time = s.start_time
            and (copy.step, copy.ctid) < (s.step, s.ctid)
            and (copy.start_nano, copy.span_id, copy.trace_id) is not distinct from (s.start_nano, s.span_id, s.trace_id)
            and copy.step >= (select first_hot_step from tier)
            and copy.received_time <= $1
    )
    and not exists (
        select from trace_row t
        where encode(uuid_send(t.trace_id), 'hex') collate \"C\" = encode(s.trace_id, 'hex') collate \"C\"
            and copies_in_history(t.block_ids, s.step, s.ctid, s.trace_id, s.span_id, s.service_id, s.start_time) = 1
    )";

/// So many operations are remembered; when there are more, all are forgotten and made anew.
const OPERATIONS_MAX: usize = 50_000;

impl Reader {
    pub(in crate::store::postgres) async fn rollups(
        self,
        request: RollupRequest,
    ) -> Result<Option<RollupStream>, StoreError> {
        let parts = Parts::of(&request);
        let mut operations = Operations::default();
        let begun = within(self.limit, async {
            let mut transaction = self.pool.begin_with(BEGIN).await.map_err(meaning)?;
            if is_later_than(request.as_of, &parts, &mut transaction).await? {
                return Ok(None);
            }
            let hot = hot(&request, &parts, &mut operations, &mut transaction).await?;
            Ok(hot.map(|hot| (hot, transaction)))
        });
        let Some((hot, mut transaction)) = begun.await? else { return Ok(None) };
        let stream = try_stream! {
            for rollup in hot {
                yield rollup;
            }
            for (step, from, until) in parts.of_history() {
                let mut statement = history(&request, step, from, until);
                let mut rows = statement.build().fetch(&mut *transaction).map_err(meaning);
                while let Some(row) = within(self.limit, rows.try_next()).await? {
                    yield read(&row, request.detail, &mut operations)?;
                }
            }
        };
        Ok(Some(stream.boxed()))
    }
}

/// A time in minutes, whole hours, and minutes again.
#[derive(Debug, PartialEq, Eq)]
struct Parts {
    from: Micros,
    hours: (Micros, Micros),
    until: Micros,
}

impl Parts {
    fn of(request: &RollupRequest) -> Self {
        let (from, until) = (next_minute(request.start), next_minute(request.end));
        let (first, last) = (HOUR.next(from), HOUR.begin(until));
        let hours = if request.by_hour && first < last { (first, last) } else { (until, until) };
        Self { from, hours, until }
    }

    fn of_history(&self) -> impl Iterator<Item = (Step, Micros, Micros)> + use<> {
        let (first, last) = self.hours;
        let parts = [(MINUTE, self.from, first), (HOUR, first, last), (MINUTE, last, self.until)];
        parts.into_iter().filter(|(_, from, until)| from < until)
    }
}

/// The minute that begins then or next.
fn next_minute(time: UnixNanos) -> Micros {
    let (micros, nanos) = time.to_micros_and_nanos();
    MINUTE.next(Micros(micros.saturating_add(i64::from(nanos > 0))))
}

async fn is_later_than(as_of: Watermark, parts: &Parts, connection: &mut PgConnection) -> Result<bool, StoreError> {
    let query = sqlx::query_scalar(IS_LATER_THAN).bind(Micros(as_of.0)).bind(parts.from).bind(parts.until);
    query.fetch_one(connection).await.map_err(meaning)
}

/// The hot rows, counted; `None` when a damaged block keeps us from knowing what are copies.
async fn hot(
    request: &RollupRequest,
    parts: &Parts,
    operations: &mut Operations,
    connection: &mut PgConnection,
) -> Result<Option<Vec<Rollup>>, StoreError> {
    let mut statement = hot_statement(request, parts);
    let rows = match statement.build().fetch_all(connection).await {
        Err(error) if is_damage(&error) => return Ok(None),
        rows => rows.map_err(meaning)?,
    };
    let rollups: Vec<_> = rows.iter().map(|row| read_hot(row, request.detail, operations)).collect::<Result<_, _>>()?;
    let counted = rollups.iter().fold(0_u64, |sum, rollup| sum.saturating_add(rollup.span_count));
    request.work.add(Counted::SpansRead, usize::try_from(counted).unwrap_or(usize::MAX));
    Ok(Some(rollups))
}

fn hot_statement(request: &RollupRequest, parts: &Parts) -> Builder {
    let is_by_bucket = request.detail == RollupDetail::Histogram;
    let mut sql =
        Builder::new("select minute, service.name, kind, counted.name, status, span_count, duration_sum::text");
    sql.push(if is_by_bucket { ", bucket" } else { "" });
    sql.push(
        " from (select date_bin('1 minute', s.start_time, '1970-01-01 00:00:00+00') as minute, s.service_id, s.kind, \
         s.name, coalesce(s.status_code, 0) as status, count(*) as span_count, sum(s.duration_nano) as duration_sum",
    );
    // The subquery is run once.
    sql.push(if is_by_bucket {
        ", width_bucket(s.duration_nano, (select red_buckets()))::smallint as bucket"
    } else {
        ""
    });
    sql.push(" from span_row s where s.received_time <= ").push_bind(Micros(request.as_of.0));
    sql.push(" and ").push(IS_HOT).push(" and s.start_time >= ").push_bind(parts.from);
    sql.push(" and s.start_time < ").push_bind(parts.until).push(" and ").push(IS_NO_COPY);
    each_condition(&request.filter, &mut |condition| match condition {
        Condition::Service(TextIs::Equal(name)) => {
            sql.push(" and s.service_id = ").push_bind(service_id(name));
        }
        Condition::Name(TextIs::Equal(name)) => {
            sql.push(" and s.name = ").push_bind(text::stored(name).into_owned());
        }
        Condition::Kind(kind) => {
            sql.push(" and s.kind = ").push_bind(kind.0);
        }
        Condition::Status(code) => {
            sql.push(" and coalesce(s.status_code, 0) = ").push_bind(code.0);
        }
        _ => {}
    });
    sql.push(" group by 1, 2, 3, 4, 5").push(if is_by_bucket { ", 8" } else { "" });
    sql.push(") as counted join service using (service_id)");
    sql
}

/// Rows of a step that begin from one time on, and before another.
fn history(request: &RollupRequest, Step { table, column, .. }: Step, from: Micros, until: Micros) -> Builder {
    let mut sql = Builder::new("select r.");
    sql.push(column).push(", r.operation_id, service.name, o.kind, o.name, r.status, r.span_count");
    if request.detail >= RollupDetail::Sum {
        sql.push(", r.duration_sum::text");
    }
    if request.detail >= RollupDetail::Histogram {
        sql.push(", r.buckets, r.counts");
    }
    sql.push(" from ").push(table).push(" r join operation o using (operation_id) join service using (service_id)");
    sql.push(" where r.").push(column).push(" >= ").push_bind(from);
    sql.push(" and r.").push(column).push(" < ").push_bind(until);
    each_condition(&request.filter, &mut |condition| match condition {
        Condition::Service(TextIs::Equal(name)) => {
            sql.push(" and o.service_id = ").push_bind(service_id(name));
        }
        Condition::Name(TextIs::Equal(name)) => {
            sql.push(" and o.name = ").push_bind(text::stored(name).into_owned());
        }
        Condition::Kind(kind) => {
            sql.push(" and o.kind = ").push_bind(kind.0);
        }
        Condition::Status(code) => {
            sql.push(" and r.status = ").push_bind(code.0);
        }
        _ => {}
    });
    sql
}

/// Every condition without which the filter does not hold.
fn each_condition(filter: &Filter, each: &mut impl FnMut(&Condition)) {
    match filter {
        Filter::Is(condition) => each(condition),
        Filter::All(filters) => filters.iter().for_each(|filter| each_condition(filter, each)),
        Filter::Everything | Filter::OneOf(_) => {}
    }
}

/// What rollups are of, made once.
#[derive(Debug, Default)]
struct Operations {
    known: HashMap<(i64, StatusCode), Arc<RolledUp>>,
    form: Vec<u8>,
}

impl Operations {
    fn of(
        &mut self,
        operation_id: i64,
        status: StatusCode,
        make: impl FnOnce() -> Result<RolledUp, StoreError>,
    ) -> Result<Arc<RolledUp>, StoreError> {
        if let Some(known) = self.known.get(&(operation_id, status)) {
            return Ok(Arc::clone(known));
        }
        if self.known.len() >= OPERATIONS_MAX {
            self.known.clear();
        }
        let new = Arc::new(make()?);
        self.known.insert((operation_id, status), Arc::clone(&new));
        Ok(new)
    }
}

/// A row of [`history`].
fn read(row: &PgRow, detail: RollupDetail, operations: &mut Operations) -> Result<Rollup, StoreError> {
    let mut columns = Columns::of(row);
    let (begin, operation_id) = (read_begin(&mut columns)?, columns.take()?);
    let (service, kind, name) = (columns.take::<&str>()?, SpanKind(columns.take()?), columns.take::<&str>()?);
    let status = StatusCode(columns.take()?);
    let of = operations.of(operation_id, status, || rolled_up(service, kind, name, status))?;
    Ok(Rollup {
        begin,
        of,
        span_count: u64::try_from(columns.take::<i64>()?).unwrap_or_default(),
        duration_sum_nanos: if detail >= RollupDetail::Sum { read_sum(&mut columns)? } else { 0 },
        histogram: if detail >= RollupDetail::Histogram { read_histogram(&mut columns)? } else { Histogram::default() },
    })
}

/// A row of [`hot_statement`].
fn read_hot(row: &PgRow, detail: RollupDetail, operations: &mut Operations) -> Result<Rollup, StoreError> {
    let mut columns = Columns::of(row);
    let begin = read_begin(&mut columns)?;
    let (service, kind, name) = (columns.take::<&str>()?, SpanKind(columns.take()?), columns.take::<&str>()?);
    let status = StatusCode(columns.take()?);
    let rolled_up = rolled_up(service, kind, name, status)?;
    let id = operation_id(service_id(&rolled_up.service), kind, &rolled_up.name, &mut operations.form);
    let span_count = u64::try_from(columns.take::<i64>()?).unwrap_or_default();
    let sum = read_sum(&mut columns)?;
    let duration_sum_nanos = if detail >= RollupDetail::Sum { sum } else { 0 };
    let histogram = match detail {
        RollupDetail::Histogram => Histogram::from_iter([(columns.take()?, span_count)]),
        RollupDetail::Count | RollupDetail::Sum => Histogram::default(),
    };
    Ok(Rollup { begin, of: operations.of(id, status, || Ok(rolled_up))?, span_count, duration_sum_nanos, histogram })
}

fn read_begin(columns: &mut Columns<'_>) -> Result<UnixNanos, StoreError> {
    let Micros(micros) = columns.take()?;
    UnixNanos::from_micros_and_nanos(micros, 0).ok_or_else(|| corrupt("a rollup begins before 1970"))
}

fn rolled_up(service: &str, kind: SpanKind, name: &str, status: StatusCode) -> Result<RolledUp, StoreError> {
    let original = |stored| text::original(stored).map(Into::into).ok_or_else(|| corrupt("a text of a rollup"));
    Ok(RolledUp { service: original(service)?, name: original(name)?, kind, status })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Work;

    #[test]
    fn a_time_is_minutes_hours_and_minutes() {
        let parts = |from: u64, until: u64, by_hour| {
            let request = RollupRequest {
                start: UnixNanos(from * 1_000_000_000),
                end: UnixNanos(until * 1_000_000_000),
                by_hour,
                detail: RollupDetail::Count,
                filter: Filter::Everything,
                as_of: Watermark(0),
                work: Work::default(),
            };
            let parts = Parts::of(&request).of_history();
            parts
                .map(|(step, from, until)| (step.column, from.0 / 60_000_000, until.0 / 60_000_000))
                .collect::<Vec<_>>()
        };
        assert_eq!(parts(0, 86_400, true), [("hour", 0, 1_440)]);
        assert_eq!(parts(0, 86_400, false), [("minute", 0, 1_440)]);
        assert_eq!(parts(60, 7_260, true), [("minute", 1, 60), ("hour", 60, 120), ("minute", 120, 121)]);
        assert_eq!(parts(3_660, 7_200, true), [("minute", 61, 120)]);
        assert_eq!(parts(60, 120, true), [("minute", 1, 2)]);
        let all = Parts::of(&RollupRequest {
            start: UnixNanos(0),
            end: UnixNanos(u64::MAX),
            by_hour: true,
            detail: RollupDetail::Count,
            filter: Filter::Everything,
            as_of: Watermark(0),
            work: Work::default(),
        });
        assert_eq!((all.from.0, all.until.0), (0, 18_446_744_100_000_000));
    }
}
