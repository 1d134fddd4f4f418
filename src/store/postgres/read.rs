//! Reading: every method of the store that answers a question.

use std::time::Duration;

use async_stream::try_stream;
use futures::{StreamExt, TryStreamExt};
use sqlx::pool::PoolConnection;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, PgPool, Postgres};

use super::dictionary::service_id;
use super::error::{meaning, within};
use super::row::{Columns, Dictionary, KEY_COLUMNS, SPAN_COLUMNS, read_end, read_key, read_span};
use super::scan;
use super::time::Micros;
use crate::model::{Operation, SpanFacts, SpanKey, SpanKind, TraceFold, TraceId, TraceSummary};
use crate::store::{Scan, SpanStream, StoreError, Watermark, text};

/// A scan fetches at most so many spans at once, and is not connected to the database in between.
const SCAN_SPANS_MAX: usize = 1_000;
/// The same for keys.
const SCAN_KEYS_MAX: usize = 20_000;

/// Read only, so that it costs no transaction id; one snapshot, so that the spans' resources are in it.
const BEGIN_TRACE: &str = "begin isolation level repeatable read read only";

pub(super) const TRACE_IDS: &str = "\
    select distinct resource_id, scope_id from span_row where encode(trace_id, 'hex') collate \"C\" = $1";

pub(super) const SUMMARIES: &str = "\
    select s.start_time, s.start_nano, s.trace_id, s.span_id, s.digest, s.duration_nano, s.end_exact,
        s.parent_span_id is null, coalesce(s.status_code, 0) = 2, service.name,
        case when s.parent_span_id is null then s.name end
    from span_row s
    left join service on service.service_id = s.service_id
    where encode(s.trace_id, 'hex') collate \"C\" = any($1)
        and ($2::timestamptz is null or s.received_time <= $2)
    order by s.trace_id, s.start_time, s.start_nano, s.span_id, s.digest";

/// Transactions that have committed by now began before now.
const WATERMARK: &str = "select clock_timestamp()";

const SERVICES: &str = "\
    select name from service where ($1::text is null or name > $1) order by name limit $2";

const OPERATIONS: &str = "\
    select name, kind from operation
    where service_id = $1 and ($2::text is null or (name, kind) > ($2, $3))
    order by name, kind limit $4";

/// The reading half of the store.
#[derive(Debug, Clone)]
pub(super) struct Reader {
    pub(super) pool: PgPool,
    /// A statement that takes longer fails.
    pub(super) limit: Duration,
}

impl Reader {
    async fn connection(&self) -> Result<PoolConnection<Postgres>, StoreError> {
        self.pool.acquire().await.map_err(meaning)
    }

    pub(super) fn trace(self, trace_id: TraceId) -> SpanStream {
        let stream = try_stream! {
            let hex = trace_id.to_string();
            let mut connection = self.connection().await?;
            let mut transaction =
                sqlx::Connection::begin_with(&mut *connection, BEGIN_TRACE).await.map_err(meaning)?;
            let dictionary = within(self.limit, trace_dictionary(&hex, &mut transaction)).await?;
            let statement = trace_statement();
            let mut rows = sqlx::query(statement).bind(hex).fetch(&mut *transaction).map_err(meaning);
            let mut last = None;
            while let Some(row) = within(self.limit, rows.try_next()).await? {
                let (key, span) = read_span(&row, &dictionary)?;
                if last.replace(key) != Some(key) {
                    yield span;
                }
            }
        };
        stream.boxed()
    }

    pub(super) fn scan_spans(self, scan: Scan) -> SpanStream {
        let stream = try_stream! {
            let mut dictionary = Dictionary::default();
            let mut pages = Pages::of(&scan, SCAN_SPANS_MAX);
            while pages.wanted() > 0 {
                let rows = within(self.limit, self.scan_page(&scan, &pages, &mut dictionary)).await?;
                pages.fetched(rows.len());
                for row in rows {
                    let found = read_span(&row, &dictionary)?;
                    if pages.is_new(found.0) {
                        yield found.1;
                    }
                }
            }
        };
        stream.boxed()
    }

    async fn scan_page(
        &self,
        scan: &Scan,
        pages: &Pages,
        dictionary: &mut Dictionary,
    ) -> Result<Vec<PgRow>, StoreError> {
        let mut connection = self.connection().await?;
        let rows = pages.fetch(scan, SPAN_COLUMNS, &mut connection).await?;
        load_dictionary(&rows, dictionary, &mut connection).await?;
        Ok(rows)
    }

    pub(super) async fn scan_keys(&self, scan: &Scan) -> Result<Vec<SpanKey>, StoreError> {
        let mut keys = Vec::new();
        let mut pages = Pages::of(scan, SCAN_KEYS_MAX);
        while pages.wanted() > 0 {
            let page =
                within(self.limit, async { pages.fetch(scan, KEY_COLUMNS, &mut *self.connection().await?).await });
            let page = page.await?;
            pages.fetched(page.len());
            for row in page {
                let key = read_key(&mut Columns::of(&row))?;
                if pages.is_new(key) {
                    keys.push(key);
                }
            }
        }
        Ok(keys)
    }

    pub(super) async fn summaries(
        &self,
        trace_ids: &[TraceId],
        as_of: Option<Watermark>,
    ) -> Result<Vec<TraceSummary>, StoreError> {
        let ids: Vec<_> = trace_ids.iter().map(ToString::to_string).collect();
        within(self.limit, async {
            let mut connection = self.connection().await?;
            let query = sqlx::query(SUMMARIES).bind(ids).bind(as_of.map(|watermark| Micros(watermark.0)));
            let mut rows = query.fetch(&mut *connection).map_err(meaning);
            let mut folds = Folds::default();
            while let Some(row) = rows.try_next().await? {
                folds.add(&row)?;
            }
            Ok(folds.finish())
        })
        .await
    }

    pub(super) async fn watermark(&self) -> Result<Watermark, StoreError> {
        within(self.limit, async {
            let query = sqlx::query_scalar(WATERMARK);
            let Micros(now) = query.fetch_one(&mut *self.connection().await?).await.map_err(meaning)?;
            Ok(Watermark(now))
        })
        .await
    }

    pub(super) async fn services(&self, after: Option<&str>, limit: usize) -> Result<Vec<String>, StoreError> {
        let query = sqlx::query(SERVICES).bind(after.map(|name| text::stored(name).into_owned())).bind(rows_max(limit));
        within(self.limit, async {
            let rows = query.fetch_all(&mut *self.connection().await?).await.map_err(meaning)?;
            rows.iter().map(|row| Columns::of(row).text()).collect()
        })
        .await
    }

    pub(super) async fn operations(
        &self,
        service: &str,
        after: Option<&Operation>,
        limit: usize,
    ) -> Result<Vec<Operation>, StoreError> {
        let query = sqlx::query(OPERATIONS)
            .bind(service_id(service))
            .bind(after.map(|after| text::stored(&after.name).into_owned()))
            .bind(after.map(|after| after.kind.0))
            .bind(rows_max(limit));
        within(self.limit, async {
            let rows = query.fetch_all(&mut *self.connection().await?).await.map_err(meaning)?;
            rows.iter().map(read_operation).collect()
        })
        .await
    }

    pub(super) async fn ping(&self) -> Result<(), StoreError> {
        within(self.limit, async {
            sqlx::query("select 1").execute(&mut *self.connection().await?).await.map_err(meaning)?;
            Ok(())
        })
        .await
    }
}

fn rows_max(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

fn read_operation(row: &PgRow) -> Result<Operation, StoreError> {
    let mut columns = Columns::of(row);
    Ok(Operation { name: columns.text()?, kind: SpanKind(columns.take()?) })
}

pub(super) fn trace_statement() -> sqlx::AssertSqlSafe<String> {
    sqlx::AssertSqlSafe(format!(
        "select {SPAN_COLUMNS} from span_row s where encode(s.trace_id, 'hex') collate \"C\" = $1 \
         order by s.start_time, s.start_nano, s.span_id, s.digest"
    ))
}

/// What the spans of a trace refer to.
async fn trace_dictionary(hex: &str, connection: &mut PgConnection) -> Result<Dictionary, StoreError> {
    let ids: Vec<(i64, i64)> =
        sqlx::query_as(TRACE_IDS).bind(hex).fetch_all(&mut *connection).await.map_err(meaning)?;
    let mut dictionary = Dictionary::default();
    dictionary.load(ids.into_iter(), connection).await?;
    Ok(dictionary)
}

/// What these rows of [`SPAN_COLUMNS`] refer to.
async fn load_dictionary(
    rows: &[PgRow],
    dictionary: &mut Dictionary,
    connection: &mut PgConnection,
) -> Result<(), StoreError> {
    let mut ids = Vec::with_capacity(rows.len());
    for row in rows {
        let mut columns = Columns::of(row);
        read_key(&mut columns)?;
        ids.push((columns.take()?, columns.take()?));
    }
    dictionary.load(ids.into_iter(), connection).await
}

/// How far a scan has come. The limit counts spans, the statements' limits count rows, and exact copies make the
/// difference: they follow each other, and the next page begins after the last span seen, copies included.
struct Pages {
    last: Option<SpanKey>,
    missing: usize,
    page_max: usize,
    at_end: bool,
}

impl Pages {
    fn of(scan: &Scan, page_max: usize) -> Self {
        Self { last: scan.before, missing: scan.limit, page_max, at_end: false }
    }

    /// How many rows to ask for; none when the scan is done.
    fn wanted(&self) -> usize {
        if self.at_end { 0 } else { self.missing.min(self.page_max) }
    }

    async fn fetch(
        &self,
        scan: &Scan,
        columns: &'static str,
        connection: &mut PgConnection,
    ) -> Result<Vec<PgRow>, StoreError> {
        let mut statement = scan::statement(scan, columns, self.last, rows_max(self.wanted()))?;
        statement.build().fetch_all(connection).await.map_err(meaning)
    }

    /// So many rows came.
    fn fetched(&mut self, rows: usize) {
        self.at_end = rows < self.wanted();
    }

    /// Whether the next row is no copy of the one before.
    fn is_new(&mut self, key: SpanKey) -> bool {
        let is_new = self.last.replace(key) != Some(key);
        self.missing = self.missing.saturating_sub(usize::from(is_new));
        is_new
    }
}

/// Summaries of traces whose spans come one trace after the other.
#[derive(Default)]
struct Folds {
    current: Option<(TraceId, TraceFold)>,
    done: Vec<TraceSummary>,
}

impl Folds {
    /// Adds a row of [`SUMMARIES`].
    fn add(&mut self, row: &PgRow) -> Result<(), StoreError> {
        let mut columns = Columns::of(row);
        let key = read_key(&mut columns)?;
        let end = read_end(key.start, &mut columns)?;
        let (is_root, is_error) = (columns.take()?, columns.take()?);
        let missing = || StoreError::Corrupt { what: format!("trace {}: a service is not there", key.trace_id) };
        let service = columns.optional_text()?.ok_or_else(missing)?;
        let name = columns.optional_text()?.unwrap_or_default();
        if self.current.as_ref().is_none_or(|(trace_id, _)| *trace_id != key.trace_id) {
            self.end_trace();
        }
        let (_, fold) = self.current.get_or_insert_with(|| (key.trace_id, TraceFold::default()));
        fold.add(SpanFacts { key, end, is_root, is_error, service: &service, name: &name });
        Ok(())
    }

    fn end_trace(&mut self) {
        self.done.extend(self.current.take().and_then(|(_, fold)| fold.finish()));
    }

    fn finish(mut self) -> Vec<TraceSummary> {
        self.end_trace();
        self.done
    }
}
