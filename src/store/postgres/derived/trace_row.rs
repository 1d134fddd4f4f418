//! The rows of `trace_row`: folding spans in, and reading summaries back. The fold itself is in `trace_fold.rs`.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, PgConnection};
use tracing::error;

use super::super::error::meaning;
use super::super::history::Damage;
use super::super::row::{Columns, corrupt};
use super::super::time::Micros;
use super::day::Day;
use super::lists::Lists;
use super::trace_fold::{Counts, Fold, Root, TraceSpan};
use crate::model::{ServiceSummary, SpanId, TraceId, TraceSummary, UnixNanos};
use crate::store::{StoreError, Watermark};

/// One statement is about so many traces at the most.
const STATEMENT_TRACES_MAX: usize = 5_000;

/// As many traces as are held before they are to be flushed: about 50 MB.
const HELD_TRACES_MAX: usize = 100_000;

/// The rows of these traces. The planner does not see how many they are: it would rather read all partitions than go
/// through the index of each, as though the rows were in memory and the ids were not.
const OF_TRACES: &str = "encode(uuid_send(trace_id), 'hex') collate \"C\" = any (array(select unnest($1::text[])))";

/// What [`read_row`] reads.
const COLUMNS: &str = "\
    encode(uuid_send(trace_id), 'hex'), day - date '1970-01-01', block_ids, start_time, start_nano, duration_nano,
    end_exact, received_max, service_ids, span_counts, error_counts, root_operation_id, root_start, root_span_id,
    root_digest";

const INSERT: &str = "\
    insert into trace_row (trace_id, day, start_time, start_nano, duration_nano, end_exact, received_max,
        root_operation_id, root_start, root_span_id, root_digest, span_count, error_count,
        service_ids, span_counts, error_counts, block_ids)
    select trace_id::uuid, date '1970-01-01' + day, start_time, start_nano, duration_nano, end_exact, received_max,
        root_operation_id, root_start, root_span_id, root_digest, span_count, error_count,
        ($14::bigint[])[service_first : service_last], ($15::int[])[service_first : service_last],
        case when error_count > 0 then ($16::int[])[service_first : service_last] end,
        ($17::bigint[])[block_first : block_last]
    from unnest($1::text[], $2::int[], $3::timestamptz[], $4::smallint[], $5::bigint[], $6::bigint[],
            $7::timestamptz[], $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[], $12::int[], $13::int[],
            $18::int[], $19::int[], $20::int[], $21::int[])
        as folded (trace_id, day, start_time, start_nano, duration_nano, end_exact, received_max,
            root_operation_id, root_start, root_span_id, root_digest, span_count, error_count,
            service_first, service_last, block_first, block_last)";

const SERVICE_NAMES: &str = "select service_id, name from service where service_id = any($1)";

const OPERATION_NAMES: &str = "\
    select operation_id, service.name, operation.name from operation join service using (service_id)
    where operation_id = any($1)";

fn take_out_statement() -> AssertSqlSafe<String> {
    AssertSqlSafe(format!("delete from trace_row where {OF_TRACES} returning {COLUMNS}"))
}

fn summaries_statement() -> AssertSqlSafe<String> {
    AssertSqlSafe(format!("select {COLUMNS} from trace_row where {OF_TRACES}"))
}

fn existing_statement() -> AssertSqlSafe<String> {
    let columns = "encode(uuid_send(trace_id), 'hex'), day - date '1970-01-01', block_ids";
    AssertSqlSafe(format!("select {columns} from trace_row where {OF_TRACES}"))
}

fn sizes_statement() -> AssertSqlSafe<String> {
    let columns = "encode(uuid_send(trace_id), 'hex'), span_count, block_ids";
    AssertSqlSafe(format!("select {columns} from trace_row where {OF_TRACES}"))
}

/// The statements that find rows, for a test of their plans.
#[cfg(test)]
pub(super) fn statements() -> [String; 4] {
    [take_out_statement().0, summaries_statement().0, existing_statement().0, sizes_statement().0]
}

/// Collects the spans that go to the history, by trace.
#[derive(Debug)]
pub(in crate::store::postgres) struct TraceRows {
    /// Under which traces are filed that have no row yet.
    day: Day,
    folds: HashMap<TraceId, Fold>,
}

impl TraceRows {
    /// None yet. New traces are filed under this day, for ever: their blocks name it, and it is not their start's, which
    /// a late span moves.
    pub(in crate::store::postgres) fn filed_under(day: Day) -> Self {
        Self { day, folds: HashMap::new() }
    }

    /// Adds a span. One that was added before, here or in an earlier flush, must not come again.
    pub(in crate::store::postgres) fn add(&mut self, span: &TraceSpan) {
        self.folds.entry(span.key.trace_id).and_modify(|fold| fold.add(span)).or_insert_with(|| Fold::of(span));
    }

    /// How many traces there are.
    pub(in crate::store::postgres) fn len(&self) -> usize {
        self.folds.len()
    }

    /// Whether it is time to flush.
    pub(in crate::store::postgres) fn is_full(&self) -> bool {
        self.len() >= HELD_TRACES_MAX
    }

    /// Folds all of them into the table's rows, and is empty. After an error the transaction is of no use.
    pub(in crate::store::postgres) async fn flush(&mut self, connection: &mut PgConnection) -> Result<(), StoreError> {
        let mut folds: Vec<_> = self.folds.drain().collect();
        // What began together is read together, and an index of ranges needs it so.
        folds.sort_unstable_by_key(|(trace_id, fold)| (fold.start, *trace_id));
        for chunk in folds.chunks(STATEMENT_TRACES_MAX) {
            let ids: Vec<_> = chunk.iter().map(|(trace_id, _)| trace_id.to_string()).collect();
            let mut before = take_out(connection, &ids).await?;
            let mut columns = InsertColumns::default();
            for (trace_id, fold) in chunk {
                columns.push(&merged(*trace_id, self.day, fold, before.remove(trace_id)));
            }
            columns.insert(connection).await?;
        }
        Ok(())
    }
}

/// The blocks of these traces become others: of each trace, those that it is in from now on. They take the place of those
/// that are gone.
pub(in crate::store::postgres) async fn move_blocks(
    connection: &mut PgConnection,
    gone: &HashSet<i64>,
    traces: &BTreeMap<TraceId, BTreeSet<i64>>,
) -> Result<(), StoreError> {
    let traces: Vec<_> = traces.iter().collect();
    for chunk in traces.chunks(STATEMENT_TRACES_MAX) {
        let ids: Vec<_> = chunk.iter().map(|(trace_id, _)| trace_id.to_string()).collect();
        let mut before = take_out(connection, &ids).await?;
        let mut columns = InsertColumns::default();
        for (trace_id, block_ids) in chunk {
            // A trace whose row was dropped for its age has none.
            let Some(before) = before.remove(trace_id) else { continue };
            let mut row = before.map_err(|damaged| damaged.error)?;
            row.fold.block_ids.retain(|id| !gone.contains(id));
            row.fold.block_ids.extend(*block_ids);
            columns.push(&row);
        }
        columns.insert(connection).await?;
    }
    Ok(())
}

/// The row as it will be, from the spans at hand and the row as it was. Of one that can not be read, it keeps where the
/// trace's spans are.
fn merged(trace_id: TraceId, day: Day, fold: &Fold, before: Option<Result<TraceRow, Damaged>>) -> TraceRow {
    match before {
        None => TraceRow { trace_id, day, fold: fold.clone() },
        Some(Ok(mut row)) => {
            row.fold.merge(fold.clone());
            row
        }
        Some(Err(Damaged { filed, error })) => {
            error!(%trace_id, %error, "the row of a trace can not be read and is made anew of what arrived now");
            let mut fold = fold.clone();
            fold.block_ids.extend(filed.block_ids);
            TraceRow { trace_id, day: filed.day, fold }
        }
    }
}

/// Deletes the rows of these traces, to write them anew: an update would have to find them a second time, and costs
/// the table no less.
async fn take_out(
    connection: &mut PgConnection,
    ids: &[String],
) -> Result<HashMap<TraceId, Result<TraceRow, Damaged>>, StoreError> {
    let rows = sqlx::query(take_out_statement()).bind(ids).fetch_all(connection).await.map_err(meaning)?;
    rows.iter().map(read_row).collect()
}

/// Where the spans are that the history has of a trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::store::postgres) struct Filed {
    /// Under which its row is filed.
    pub(in crate::store::postgres) day: Day,
    /// The blocks that hold them.
    pub(in crate::store::postgres) block_ids: Vec<i64>,
}

/// Those of these traces that have spans in the history.
pub(in crate::store::postgres) async fn existing(
    connection: &mut PgConnection,
    trace_ids: &[TraceId],
) -> Result<HashMap<TraceId, Filed>, StoreError> {
    let mut existing = HashMap::new();
    for chunk in trace_ids.chunks(STATEMENT_TRACES_MAX) {
        let ids: Vec<_> = chunk.iter().map(ToString::to_string).collect();
        for row in sqlx::query(existing_statement()).bind(ids).fetch_all(&mut *connection).await.map_err(meaning)? {
            let mut columns = Columns::of(&row);
            let trace_id = read_trace_id(&mut columns)?;
            existing.insert(trace_id, Filed { day: Day(columns.take()?), block_ids: columns.take()? });
        }
    }
    Ok(existing)
}

/// How much the history has of a trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::store::postgres) struct Size {
    /// So many spans,
    pub(in crate::store::postgres) spans: usize,
    /// in these blocks.
    pub(in crate::store::postgres) block_ids: Vec<i64>,
}

/// How much there is of those of these traces that have spans in the history: no more than one statement is about.
pub(in crate::store::postgres) async fn sizes(
    connection: &mut PgConnection,
    trace_ids: &[TraceId],
) -> Result<HashMap<TraceId, Size>, StoreError> {
    let ids: Vec<_> = trace_ids.iter().map(ToString::to_string).collect();
    let rows = sqlx::query(sizes_statement()).bind(ids).fetch_all(connection).await.map_err(meaning)?;
    let size = |row: &PgRow| {
        let mut columns = Columns::of(row);
        let (trace_id, spans) = (read_trace_id(&mut columns)?, columns.take::<i32>()?);
        let spans = usize::try_from(spans).unwrap_or_default();
        Ok((trace_id, Size { spans, block_ids: columns.take()? }))
    };
    rows.iter().map(size).collect()
}

/// What the history knows of a trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::store::postgres) struct StoredSummary {
    /// Of the spans in the history; `None` when the row can not be read.
    pub(in crate::store::postgres) summary: Option<TraceSummary>,
    /// When the latest of them arrived: as of an earlier moment the summary is another.
    pub(in crate::store::postgres) received_max: Watermark,
    /// The blocks that hold them.
    pub(in crate::store::postgres) block_ids: Vec<i64>,
}

/// What the history knows of these traces; nothing of those that have no span in it.
pub(in crate::store::postgres) async fn summaries(
    connection: &mut PgConnection,
    trace_ids: &[TraceId],
    damage: &Damage,
) -> Result<HashMap<TraceId, StoredSummary>, StoreError> {
    let mut summaries = HashMap::new();
    for chunk in trace_ids.chunks(STATEMENT_TRACES_MAX) {
        let ids: Vec<_> = chunk.iter().map(ToString::to_string).collect();
        let rows = sqlx::query(summaries_statement()).bind(ids).fetch_all(&mut *connection).await.map_err(meaning)?;
        let rows: Vec<_> = rows.iter().map(read_row).collect::<Result<_, _>>()?;
        let names = Names::load(connection, rows.iter().filter_map(|(_, row)| row.as_ref().ok())).await?;
        for (trace_id, row) in rows {
            let summary = row.and_then(|row| names.summary(row)).unwrap_or_else(|Damaged { filed, error }| {
                damage.tell_of_row(trace_id, &error);
                StoredSummary { summary: None, received_max: Watermark(i64::MAX), block_ids: filed.block_ids }
            });
            summaries.insert(trace_id, summary);
        }
    }
    Ok(summaries)
}

/// A row of the table.
#[derive(Debug)]
struct TraceRow {
    trace_id: TraceId,
    day: Day,
    fold: Fold,
}

fn read_trace_id(columns: &mut Columns<'_>) -> Result<TraceId, StoreError> {
    TraceId::parse_hex(columns.take()?).map_err(|error| corrupt(format!("a trace id {error}")))
}

/// A row of which only this can be read.
#[derive(Debug)]
struct Damaged {
    filed: Filed,
    error: StoreError,
}

/// The columns of [`COLUMNS`].
fn read_row(row: &PgRow) -> Result<(TraceId, Result<TraceRow, Damaged>), StoreError> {
    let mut columns = Columns::of(row);
    let trace_id = read_trace_id(&mut columns)?;
    let filed = Filed { day: Day(columns.take()?), block_ids: columns.take()? };
    match read_fold(&filed, columns) {
        Ok(fold) => Ok((trace_id, Ok(TraceRow { trace_id, day: filed.day, fold }))),
        Err(error @ StoreError::Corrupt { .. }) => Ok((trace_id, Err(Damaged { filed, error }))),
        Err(error) => Err(error),
    }
}

fn read_fold(filed: &Filed, mut columns: Columns<'_>) -> Result<Fold, StoreError> {
    let (Micros(micros), nanos) = (columns.take()?, columns.take()?);
    let start = UnixNanos::from_micros_and_nanos(micros, nanos).ok_or_else(|| corrupt("a start is out of range"))?;
    let (duration, end_exact) = (columns.take::<i64>()?, columns.take::<Option<i64>>()?);
    let end = end_exact.map_or_else(|| start.0.checked_add(duration.cast_unsigned()), |end| Some(end.cast_unsigned()));
    Ok(Fold {
        start,
        end: UnixNanos(end.ok_or_else(|| corrupt("a duration is out of range"))?),
        received_max: columns.take()?,
        services: read_services(&mut columns)?,
        block_ids: filed.block_ids.iter().copied().collect(),
        root: read_root(&mut columns)?,
    })
}

fn read_services(columns: &mut Columns<'_>) -> Result<BTreeMap<i64, Counts>, StoreError> {
    let (ids, spans) = (columns.take::<Vec<i64>>()?, columns.take::<Vec<i32>>()?);
    let errors = columns.take::<Option<Vec<i32>>>()?.unwrap_or_else(|| vec![0; ids.len()]);
    if spans.len() != ids.len() || errors.len() != ids.len() {
        return Err(corrupt("not every service has its counts"));
    }
    let count = |number: i32| u64::try_from(number).unwrap_or_default();
    let counts = spans.into_iter().zip(errors);
    let counts = counts.map(|(spans, errors)| Counts { spans: count(spans), errors: count(errors) });
    Ok(ids.into_iter().zip(counts).collect())
}

fn read_root(columns: &mut Columns<'_>) -> Result<Option<Root>, StoreError> {
    let Some(operation_id) = columns.take::<Option<i64>>()? else {
        return Ok(None);
    };
    let start = UnixNanos(columns.take::<i64>()?.cast_unsigned());
    let span_id = SpanId::from_slice(&columns.take::<i64>()?.to_be_bytes());
    let span_id = span_id.map_err(|error| corrupt(format!("the id of the root {error}")))?;
    Ok(Some(Root { start, span_id, digest: columns.take()?, operation_id }))
}

/// The columns of [`INSERT`].
#[derive(Debug, Default)]
struct InsertColumns {
    trace_ids: Vec<String>,
    days: Vec<i32>,
    start_times: Vec<Micros>,
    start_nanos: Vec<i16>,
    durations: Vec<i64>,
    ends_exact: Vec<Option<i64>>,
    received_max: Vec<Micros>,
    root_operation_ids: Vec<Option<i64>>,
    root_starts: Vec<Option<i64>>,
    root_span_ids: Vec<Option<i64>>,
    root_digests: Vec<Option<i64>>,
    span_totals: Vec<i32>,
    error_totals: Vec<i32>,
    service_ids: Lists<i64>,
    span_counts: Vec<i32>,
    error_counts: Vec<i32>,
    block_ids: Lists<i64>,
}

impl InsertColumns {
    fn push(&mut self, row: &TraceRow) {
        let fold = &row.fold;
        let (micros, nanos) = fold.start.to_micros_and_nanos();
        let duration = fold.end.0.checked_sub(fold.start.0);
        let counts = fold.counts();
        self.trace_ids.push(row.trace_id.to_string());
        self.days.push(row.day.0);
        self.start_times.push(Micros(micros));
        self.start_nanos.push(nanos);
        self.durations.push(duration.unwrap_or_default().cast_signed());
        self.ends_exact.push(duration.is_none().then(|| fold.end.0.cast_signed()));
        self.received_max.push(fold.received_max);
        self.push_root(fold.root);
        self.span_totals.push(int(counts.spans));
        self.error_totals.push(int(counts.errors));
        self.service_ids.push(fold.services.keys().copied());
        self.span_counts.extend(fold.services.values().map(|counts| int(counts.spans)));
        self.error_counts.extend(fold.services.values().map(|counts| int(counts.errors)));
        self.block_ids.push(fold.block_ids.iter().copied());
    }

    fn push_root(&mut self, root: Option<Root>) {
        self.root_operation_ids.push(root.map(|root| root.operation_id));
        self.root_starts.push(root.map(|root| root.start.0.cast_signed()));
        self.root_span_ids.push(root.map(|root| i64::from_be_bytes(*root.span_id.as_bytes())));
        self.root_digests.push(root.map(|root| root.digest));
    }

    async fn insert(self, connection: &mut PgConnection) -> Result<(), StoreError> {
        let query = sqlx::query(INSERT)
            .bind(self.trace_ids)
            .bind(self.days)
            .bind(self.start_times)
            .bind(self.start_nanos)
            .bind(self.durations)
            .bind(self.ends_exact)
            .bind(self.received_max)
            .bind(self.root_operation_ids)
            .bind(self.root_starts)
            .bind(self.root_span_ids)
            .bind(self.root_digests)
            .bind(self.span_totals)
            .bind(self.error_totals)
            .bind(self.service_ids.values)
            .bind(self.span_counts)
            .bind(self.error_counts)
            .bind(self.block_ids.values)
            .bind(self.service_ids.firsts)
            .bind(self.service_ids.lasts)
            .bind(self.block_ids.firsts)
            .bind(self.block_ids.lasts);
        query.execute(connection).await.map_err(meaning)?;
        Ok(())
    }
}

/// No trace has two thousand million spans.
fn int(count: u64) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

/// What the ids in some rows stand for.
struct Names {
    services: HashMap<i64, String>,
    /// Service and name.
    operations: HashMap<i64, (String, String)>,
}

impl Names {
    async fn load<'r>(
        connection: &mut PgConnection,
        rows: impl Iterator<Item = &'r TraceRow> + Clone,
    ) -> Result<Self, StoreError> {
        let service_ids = rows.clone().flat_map(|row| row.fold.services.keys().copied()).collect();
        let operation_ids = rows.filter_map(|row| row.fold.root.map(|root| root.operation_id)).collect();
        let mut names = Self { services: HashMap::new(), operations: HashMap::new() };
        for row in fetch(connection, SERVICE_NAMES, service_ids).await? {
            let mut columns = Columns::of(&row);
            names.services.insert(columns.take()?, columns.text()?);
        }
        for row in fetch(connection, OPERATION_NAMES, operation_ids).await? {
            let mut columns = Columns::of(&row);
            names.operations.insert(columns.take()?, (columns.text()?, columns.text()?));
        }
        Ok(names)
    }

    fn summary(&self, row: TraceRow) -> Result<StoredSummary, Damaged> {
        let TraceRow { trace_id, day, fold } = row;
        let block_ids: Vec<_> = fold.block_ids.iter().copied().collect();
        let missing = |what: &str| Damaged {
            filed: Filed { day, block_ids: block_ids.clone() },
            error: corrupt(format!("{what} is not there")),
        };
        let root =
            fold.root.map(|root| self.operations.get(&root.operation_id).ok_or_else(|| missing("its operation")));
        let Counts { spans, errors } = fold.counts();
        let mut services = BTreeMap::new();
        for (service_id, counts) in fold.services {
            let service = self.services.get(&service_id).ok_or_else(|| missing("a service"))?;
            services.insert(service.clone(), counts);
        }
        let services = services.into_iter().map(|(name, counts)| ServiceSummary {
            name,
            span_count: counts.spans,
            error_count: counts.errors,
        });
        let summary = TraceSummary {
            trace_id,
            start: fold.start,
            end: fold.end.max(fold.start),
            root: root.transpose()?.cloned(),
            span_count: spans,
            error_count: errors,
            services: services.collect(),
        };
        Ok(StoredSummary { summary: Some(summary), received_max: Watermark(fold.received_max.0), block_ids })
    }
}

async fn fetch(
    connection: &mut PgConnection,
    statement: &'static str,
    mut ids: Vec<i64>,
) -> Result<Vec<PgRow>, StoreError> {
    ids.sort_unstable();
    ids.dedup();
    sqlx::query(statement).bind(ids).fetch_all(connection).await.map_err(meaning)
}
