//! The way out. Every read takes a connection for a page at a time, so that a slow caller holds neither a connection
//! nor a snapshot; rows never change (they may go, which a page that meant to have them does not mind) and the order of
//! arrival is kept, so that pages fit together.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_stream::try_stream;
use futures::{Stream, TryStreamExt};
use sqlx::pool::PoolConnection;
use sqlx::sqlite::{Sqlite, SqliteConnection, SqlitePool, SqliteRow};
use sqlx::{Connection, Row, query, query_scalar};

use super::dictionary::{Dictionary, json_array};
use super::error::store_error;
use super::row::{Columns, corrupt, end};
use super::search::page;
use super::statements::{
    SELECT_FACTS, SELECT_ONE, SELECT_OPERATIONS, SELECT_OPERATIONS_AFTER, SELECT_SERVICES, SELECT_SPANS, SELECT_TRACE,
    SELECT_WATERMARK,
};
use crate::model::{
    Keyed, Operation, Resource, Scope, Span, SpanFacts, SpanKey, SpanKind, StatusCode, TraceFold, TraceId, TraceSummary,
};
use crate::store::{Counted, Scan, StoreError, Watermark, Work, text};

/// At most so many spans are read at once.
const PAGE_SPANS_MAX: usize = 256;

/// At most so many keys are read at once.
const PAGE_KEYS_MAX: usize = 4_096;

/// How many steps of SQLite's machine a statement goes on after its caller has gone.
const STEPS_UNHEARD: i32 = 10_000;

/// A row found: its key, and its number in the order of arrival.
type Found = (SpanKey, i64);

/// All who read.
#[derive(Debug)]
pub(super) struct Reader {
    pool: SqlitePool,
    dictionary: Dictionary,
}

/// A connection for one page. Dropped, it stops the statement that still runs on it.
pub(super) struct Reading {
    connection: PoolConnection<Sqlite>,
    is_over: Arc<AtomicBool>,
}

impl Deref for Reading {
    type Target = SqliteConnection;

    fn deref(&self) -> &SqliteConnection {
        &self.connection
    }
}

impl DerefMut for Reading {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        &mut self.connection
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
    }
}

/// The spans of these traces that had arrived by then, trace by trace, oldest first. Small traces share a page.
pub(super) fn traces(
    reader: Arc<Reader>,
    trace_ids: Vec<TraceId>,
    as_of: Option<Watermark>,
    work: Work,
) -> impl Stream<Item = Result<Span, StoreError>> {
    try_stream! {
        let mut seen = HashSet::with_capacity(trace_ids.len());
        let mut trace_ids = trace_ids.into_iter().filter(|trace_id| seen.insert(*trace_id));
        let mut arrivals = VecDeque::new();
        loop {
            while arrivals.len() < PAGE_SPANS_MAX && let Some(trace_id) = trace_ids.next() {
                let of_trace = reader.arrivals(trace_id, as_of).await?;
                work.add(Counted::TracesRead, usize::from(!of_trace.is_empty()));
                arrivals.extend(of_trace);
            }
            if arrivals.is_empty() {
                break;
            }
            let page: Vec<_> = arrivals.drain(..arrivals.len().min(PAGE_SPANS_MAX)).collect();
            work.add(Counted::SpansRead, page.len());
            for span in reader.spans(&page).await?.into_iter().flatten() {
                yield span;
            }
        }
    }
}

/// The spans of a scan with their keys, newest first.
pub(super) fn scan_spans(reader: Arc<Reader>, scan: Scan) -> impl Stream<Item = Result<(SpanKey, Span), StoreError>> {
    try_stream! {
        let mut before = scan.before;
        let mut left = scan.limit;
        let mut rows = 0_usize;
        while left > 0 {
            // More each time: it may be that few of them match.
            rows = left.max(rows.saturating_mul(2)).min(PAGE_SPANS_MAX);
            let mut found = reader.page(&scan, before, rows).await?;
            let is_last = found.len() < rows;
            scan.work.add(Counted::SpansRead, found.len());
            before = found.last().map(|(key, _)| *key);
            found.dedup_by_key(|(key, _)| *key);
            let arrivals: Vec<_> = found.iter().map(|(_, arrival)| *arrival).collect();
            let spans = reader.spans(&arrivals).await?;
            let matching = found.into_iter().zip(spans).filter_map(|((key, _), span)| Some((key, span?)));
            let matches = |span: &Span| scan.search.matches(span) && scan.filter.matches(span);
            for item in matching.filter(|(_, span)| matches(span)).take(left) {
                left = left.saturating_sub(1);
                yield item;
            }
            if is_last {
                break;
            }
        }
    }
}

impl Reader {
    pub(super) fn new(pool: SqlitePool) -> Self {
        Self { pool, dictionary: Dictionary::default() }
    }

    /// Keeps nothing of what was read.
    pub(super) fn forget(&self) {
        self.dictionary.forget();
    }

    pub(super) async fn begin(&self) -> Result<Reading, StoreError> {
        let mut connection = self.pool.acquire().await.map_err(store_error)?;
        let is_over = Arc::new(AtomicBool::new(false));
        let heard = Arc::clone(&is_over);
        let mut handle = connection.lock_handle().await.map_err(store_error)?;
        handle.set_progress_handler(STEPS_UNHEARD, move || !heard.load(Ordering::Relaxed));
        drop(handle);
        Ok(Reading { connection, is_over })
    }

    /// Where the spans of a trace are that had arrived by then, oldest first, one of copies only.
    async fn arrivals(&self, trace_id: TraceId, as_of: Option<Watermark>) -> Result<Vec<i64>, StoreError> {
        let mut reading = self.begin().await?;
        let arrived = as_of.map_or(i64::MAX, |watermark| watermark.0);
        let mut rows = query(SELECT_TRACE).bind(trace_id.to_string()).bind(arrived).fetch(&mut *reading);
        let mut arrivals = Vec::new();
        let mut last = None;
        while let Some(row) = rows.try_next().await.map_err(store_error)? {
            let (key, arrival) = found(&row)?;
            if last.replace(key) != Some(key) {
                arrivals.push(arrival);
            }
        }
        Ok(arrivals)
    }

    /// The spans that arrived as these numbers, in the order of the numbers given; none where one was removed meanwhile.
    async fn spans(&self, arrivals: &[i64]) -> Result<Vec<Option<Span>>, StoreError> {
        if arrivals.is_empty() {
            return Ok(Vec::new());
        }
        let mut reading = self.begin().await?;
        // What the rows refer to may be removed as well, and is read as of the same moment.
        let mut snapshot = Connection::begin(&mut *reading).await.map_err(store_error)?;
        let statement = query(SELECT_SPANS.clone()).bind(json_array(arrivals));
        let rows = statement.fetch_all(&mut *snapshot).await.map_err(store_error)?;
        let resources = self.dictionary.resources(keys(&rows, "resource_id")?, &mut snapshot).await?;
        let scopes = self.dictionary.scopes(keys(&rows, "scope_id")?, &mut snapshot).await?;
        snapshot.commit().await.map_err(store_error)?;
        drop(reading);
        let mut spans = HashMap::with_capacity(rows.len());
        for row in &rows {
            let mut columns = Columns::of(row);
            let arrival: i64 = columns.take()?;
            let span = columns.span(|key| resources.get(&key).cloned(), |key| scopes.get(&key).cloned())?;
            spans.insert(arrival, span);
        }
        Ok(arrivals.iter().map(|arrival| spans.remove(arrival)).collect())
    }

    /// The next rows of a scan, copies too: fewer than `rows` only when there are no more.
    async fn page(&self, scan: &Scan, before: Option<SpanKey>, rows: usize) -> Result<Vec<Found>, StoreError> {
        let Some(mut query) = page(scan, before, rows) else { return Ok(Vec::new()) };
        let mut reading = self.begin().await?;
        let rows = query.build().fetch_all(&mut *reading).await.map_err(store_error)?;
        rows.iter().map(found).collect()
    }

    /// The keys of a scan without conditions that only a span can tell, newest first.
    pub(super) async fn scan_keys(&self, scan: &Scan) -> Result<Vec<SpanKey>, StoreError> {
        let mut keys: Vec<SpanKey> = Vec::new();
        let mut before = scan.before;
        while keys.len() < scan.limit {
            let rows = scan.limit.saturating_sub(keys.len()).min(PAGE_KEYS_MAX);
            let found = self.page(scan, before, rows).await?;
            let is_last = found.len() < rows;
            scan.work.add(Counted::SpansRead, found.len());
            keys.extend(found.into_iter().map(|(key, _)| key));
            keys.dedup();
            before = keys.last().copied();
            if is_last {
                break;
            }
        }
        Ok(keys)
    }

    pub(super) async fn summaries(
        &self,
        trace_ids: &[TraceId],
        as_of: Option<Watermark>,
    ) -> Result<Vec<TraceSummary>, StoreError> {
        let ids: BTreeSet<_> = trace_ids.iter().map(|id| format!("\"{id}\"")).collect();
        let ids = format!("[{}]", ids.into_iter().collect::<Vec<_>>().join(","));
        let arrived = as_of.map_or(i64::MAX, |watermark| watermark.0);
        let mut reading = self.begin().await?;
        let mut rows = query(SELECT_FACTS).bind(ids).bind(arrived).fetch(&mut *reading);
        let mut summaries = Vec::new();
        let (mut trace, mut fold) = (None, TraceFold::default());
        while let Some(row) = rows.try_next().await.map_err(store_error)? {
            let mut columns = Columns::of(&row);
            let key = columns.key()?;
            if trace.replace(key.trace_id) != Some(key.trace_id) {
                summaries.extend(std::mem::take(&mut fold).finish());
            }
            add(&mut fold, key, &mut columns)?;
        }
        summaries.extend(fold.finish());
        Ok(summaries)
    }

    pub(super) async fn watermark(&self) -> Result<Watermark, StoreError> {
        let mut reading = self.begin().await?;
        query_scalar(SELECT_WATERMARK).fetch_one(&mut *reading).await.map(Watermark).map_err(store_error)
    }

    pub(super) async fn services(&self, after: Option<&str>, limit: usize) -> Result<Vec<String>, StoreError> {
        let mut reading = self.begin().await?;
        let after = text::stored(after.unwrap_or_default());
        let statement = query(SELECT_SERVICES).bind(after.as_ref()).bind(limit_of(limit));
        let rows = statement.fetch_all(&mut *reading).await.map_err(store_error)?;
        rows.iter().map(|row| Columns::of(row).text()).collect()
    }

    pub(super) async fn operations(
        &self,
        service: &str,
        after: Option<&Operation>,
        limit: usize,
    ) -> Result<Vec<Operation>, StoreError> {
        let mut reading = self.begin().await?;
        let service = text::stored(service);
        let statement = match after {
            None => query(SELECT_OPERATIONS).bind(service.as_ref()),
            Some(after) => {
                query(SELECT_OPERATIONS_AFTER).bind(service.as_ref()).bind(text::stored(&after.name)).bind(after.kind.0)
            }
        };
        let rows = statement.bind(limit_of(limit)).fetch_all(&mut *reading).await.map_err(store_error)?;
        rows.iter().map(operation).collect()
    }

    /// The resources with these keys.
    pub(super) async fn resources(&self, keys: BTreeSet<i64>) -> Result<Vec<Arc<Keyed<Resource>>>, StoreError> {
        Ok(self.dictionary.resources(keys, &mut *self.begin().await?).await?.into_values().collect())
    }

    /// The scopes with these keys.
    pub(super) async fn scopes(&self, keys: BTreeSet<i64>) -> Result<Vec<Arc<Keyed<Scope>>>, StoreError> {
        Ok(self.dictionary.scopes(keys, &mut *self.begin().await?).await?.into_values().collect())
    }

    pub(super) async fn ping(&self) -> Result<(), StoreError> {
        let mut reading = self.begin().await?;
        query(SELECT_ONE).execute(&mut *reading).await.map(|_| ()).map_err(store_error)
    }

    pub(super) async fn close(&self) {
        self.pool.close().await;
    }
}

/// Adds the span whose other columns are these.
fn add(fold: &mut TraceFold, key: SpanKey, columns: &mut Columns<'_>) -> Result<(), StoreError> {
    let end = end(key.start, columns.take()?, columns.take()?).ok_or_else(|| corrupt("an end"))?;
    let is_root = columns.take()?;
    let is_error = StatusCode(columns.take()?) == StatusCode::ERROR;
    let (service, name) = (columns.text()?, columns.text()?);
    fold.add(SpanFacts { key, end, is_root, is_error, service: &service, name: &name });
    Ok(())
}

fn found(row: &SqliteRow) -> Result<Found, StoreError> {
    let mut columns = Columns::of(row);
    Ok((columns.key()?, columns.take()?))
}

fn operation(row: &SqliteRow) -> Result<Operation, StoreError> {
    let mut columns = Columns::of(row);
    Ok(Operation { name: columns.text()?, kind: SpanKind(columns.take()?) })
}

fn keys(rows: &[SqliteRow], column: &str) -> Result<BTreeSet<i64>, StoreError> {
    rows.iter().map(|row| row.try_get(column).map_err(|_| corrupt(column))).collect()
}

fn limit_of(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
