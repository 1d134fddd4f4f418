//! Spans in PostgreSQL 15 or later. The schema, and the views that people may query, are in `migrations/postgres/`.
//!
//! Spans are in one of two tiers. What is new is in rows (`span_row`), a partition for each step of arrival; compaction
//! makes history of closed steps: blocks, traces and rollups. Every answer is of both.
//!
//! `write.rs` writes (`rows.rs` makes the rows, `dictionary.rs` what rows share); `compact/` makes history (`block/` is
//! how a block is written and read, `derived/` what is summed up); `retention/` removes what is old; `read/` answers (`scan.rs` makes the statements on
//! rows, `filter/` what a filter adds to them, `row.rs` reads them, `history/` does both for blocks); `open.rs` waits and migrates. Writers and readers have
//! their own connections, so that no crowd of readers keeps a write from its commit.

mod block;
mod compact;
mod derived;
mod dictionary;
mod error;
mod filter;
mod history;
mod open;
#[cfg(test)]
mod plans;
mod read;
mod retention;
mod row;
mod rows;
mod scan;
mod time;
mod write;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, Executor, PgPool};

use super::open::{MigrationReport, OpenError};
use super::{
    Backlog, Batch, CallRequest, Calls, Compaction, CompactionSettings, NameScan, NameStream, Outlines, Retained,
    RetentionSettings, RollupRequest, RollupStream, Scan, SpanStore, SpanStream, StoreError, TracePlace, Watermark,
    Work, Written,
};
use crate::metrics::CorruptBlocks;
use crate::model::{Operation, Parts, SpanKey, TraceId, TraceSummary};
use compact::Compactor;
use dictionary::Remembered;
use history::Damage;
use read::Reader;
use retention::Retainer;
use write::Writer;

/// A database whose administrator allows commits to be lost would break promise 1. Stronger settings are left alone.
const WRITER_SETTINGS: &str =
    "select set_config('synchronous_commit', 'on', false) where current_setting('synchronous_commit') = 'off'";

/// Who compacts goes through a whole step, on one core and no more: those who write want the others. To compile such a
/// statement takes longer than it saves.
const COMPACTOR_SETTINGS: &str = "set max_parallel_workers_per_gather = 0; set jit = off";

/// A connection that removes things is seldom used, and closed in between.
const RETAINER_IDLE_MAX: Duration = Duration::from_mins(1);

/// How the database is used.
#[derive(Debug, Clone)]
pub struct PostgresSettings {
    /// At most so many connections write.
    pub writer_connections_max: u32,
    /// At most so many connections read.
    pub reader_connections_max: u32,
    /// A write of so many spans or fewer is an insert, a larger one a COPY. Of a thousand spans an insert costs the server no
    /// more than a COPY, of four thousand a tenth more. But a COPY waits for two more turns of the network; and over TCP,
    /// where the driver leaves Nagle's algorithm on, its last message waits for an acknowledgement that the server delays by
    /// 40 ms.
    pub insert_spans_max: usize,
    /// How long a call waits for a connection.
    pub acquire_wait_max: Duration,
    /// How long a write may take, from the connection to the commit.
    pub write_duration_max: Duration,
    /// How long a statement that reads may take.
    pub read_duration_max: Duration,
    /// How long to wait at the start for a database that is not there yet.
    pub start_wait_max: Duration,
    /// Counts what of the history can not be read.
    pub corrupt_blocks: CorruptBlocks,
}

impl Default for PostgresSettings {
    fn default() -> Self {
        Self {
            writer_connections_max: 2,
            reader_connections_max: 8,
            insert_spans_max: 2_000,
            acquire_wait_max: Duration::from_secs(5),
            write_duration_max: Duration::from_secs(30),
            read_duration_max: Duration::from_secs(30),
            start_wait_max: Duration::from_mins(1),
            corrupt_blocks: CorruptBlocks::default(),
        }
    }
}

/// Spans in PostgreSQL.
#[derive(Debug)]
pub struct PostgresStore {
    writer: Writer,
    reader: Reader,
    compactor: Compactor,
    retainer: Retainer,
    place: String,
}

impl PostgresStore {
    /// Waits for the database, migrates it, and is ready. Several processes may use one database.
    pub async fn connect(url: &str, settings: &PostgresSettings) -> Result<Self, OpenError> {
        let options = open::parse(url)?;
        open::prepare(&options, settings.start_wait_max).await?;
        let place = open::place_of_database(&options);
        let remembered = Arc::new(Remembered::default());
        let writer = Writer {
            pool: writer_pool(&options, settings, &remembered),
            insert_spans_max: settings.insert_spans_max,
            limit: settings.write_duration_max,
            remembered,
        };
        let damage = Arc::new(Damage::counted_by(settings.corrupt_blocks.clone()));
        let compactor = Compactor { pool: compactor_pool(&options, settings), damage: Arc::clone(&damage) };
        let retainer = Retainer { pool: retainer_pool(&options, settings), damage: Arc::clone(&damage) };
        // The server's own limit comes first, and leaves the connection in order.
        let limit = settings.read_duration_max.saturating_add(settings.acquire_wait_max);
        let reader = Reader { pool: reader_pool(options, settings), limit, damage };
        Ok(Self { writer, reader, compactor, retainer, place })
    }

    /// Where the spans are, for a person to read: server and database, without user or password.
    #[must_use]
    pub fn place(&self) -> String {
        self.place.clone()
    }
}

/// Waits for the database, migrates it, and says what was done.
pub async fn migrate(url: &str, start_wait_max: Duration) -> Result<MigrationReport, OpenError> {
    open::prepare(&open::parse(url)?, start_wait_max).await
}

fn writer_pool(options: &PgConnectOptions, settings: &PostgresSettings, remembered: &Arc<Remembered>) -> PgPool {
    let remembered = Arc::clone(remembered);
    PgPoolOptions::new()
        .max_connections(settings.writer_connections_max)
        .acquire_timeout(settings.acquire_wait_max)
        .after_connect(move |connection, _| {
            remembered.forget();
            Box::pin(async { connection.execute(WRITER_SETTINGS).await.map(drop) })
        })
        .connect_lazy_with(options.clone())
}

/// Compaction waits for a connection so many times as long as who has a caller: it is in no hurry.
const COMPACTOR_PATIENCE: u32 = 6;

/// One connection, which lasts for one compaction. It commits like a writer.
fn compactor_pool(options: &PgConnectOptions, settings: &PostgresSettings) -> PgPool {
    PgPoolOptions::new()
        .max_connections(1)
        .acquire_timeout(settings.acquire_wait_max.saturating_mul(COMPACTOR_PATIENCE))
        .after_connect(|connection, _| {
            Box::pin(async {
                connection.execute(WRITER_SETTINGS).await?;
                connection.execute(sqlx::raw_sql(COMPACTOR_SETTINGS)).await.map(drop)
            })
        })
        .connect_lazy_with(options.clone())
}

/// One connection for as long as a removal lasts, and one for who removes everything meanwhile.
fn retainer_pool(options: &PgConnectOptions, settings: &PostgresSettings) -> PgPool {
    PgPoolOptions::new()
        .max_connections(2)
        .acquire_timeout(settings.acquire_wait_max)
        .idle_timeout(RETAINER_IDLE_MAX)
        .after_connect(|connection, _| {
            let settings = sqlx::raw_sql(retention::CONNECTION_SETTINGS);
            Box::pin(async { connection.execute(settings).await.map(drop) })
        })
        .connect_lazy_with(options.clone())
}

/// Settings that leave the planner no wrong choice. It can not know how many spans have some attribute, guesses very
/// few, and would rather collect and sort all spans of a time than walk the index backwards until there are enough.
/// A plan depends on its values (how long a time, how rare a service), so it is made for them; compiling it would take
/// longer than running it.
fn reader_settings(settings: &PostgresSettings) -> String {
    format!(
        "set default_transaction_read_only = on; set statement_timeout = {}; \
         set enable_bitmapscan = off; set enable_sort = off; \
         set plan_cache_mode = force_custom_plan; set jit = off",
        settings.read_duration_max.as_millis()
    )
}

fn reader_pool(options: PgConnectOptions, settings: &PostgresSettings) -> PgPool {
    let statements = reader_settings(settings);
    PgPoolOptions::new()
        .max_connections(settings.reader_connections_max)
        .acquire_timeout(settings.acquire_wait_max)
        .after_connect(move |connection, _| {
            let statements = AssertSqlSafe(statements.clone());
            Box::pin(async move { connection.execute(sqlx::raw_sql(statements)).await.map(drop) })
        })
        .connect_lazy_with(options)
}

#[async_trait]
impl SpanStore for PostgresStore {
    async fn write(&self, batches: &[Batch]) -> Result<Vec<Written>, StoreError> {
        self.writer.write(batches).await
    }

    async fn forget_receipts(&self, age: Duration) -> Result<u64, StoreError> {
        self.writer.forget_receipts(age).await
    }

    async fn compact(&self, settings: &CompactionSettings) -> Result<Compaction, StoreError> {
        self.compactor.compact(settings).await
    }

    async fn retain(&self, settings: &RetentionSettings) -> Result<Retained, StoreError> {
        self.retainer.retain(settings).await
    }

    async fn purge(&self) -> Result<(), StoreError> {
        self.retainer.purge().await
    }

    async fn backlog(&self) -> Result<Backlog, StoreError> {
        self.reader.backlog().await
    }

    fn trace(&self, trace_id: TraceId) -> SpanStream {
        self.reader.clone().trace(trace_id)
    }

    fn traces(&self, trace_ids: Vec<TraceId>, as_of: Option<Watermark>, work: Work) -> SpanStream {
        self.reader.clone().traces(trace_ids, as_of, work)
    }

    fn scan_spans(&self, scan: Scan) -> SpanStream {
        self.reader.clone().scan_spans(scan)
    }

    async fn scan_keys(&self, scan: Scan) -> Result<Vec<SpanKey>, StoreError> {
        self.reader.scan_keys(&scan).await
    }

    async fn scan_places(&self, scan: Scan) -> Result<Vec<TracePlace>, StoreError> {
        self.reader.scan_places(&scan).await
    }

    async fn scan_outlines(&self, scan: Scan, parts: &Parts) -> Result<Option<Outlines>, StoreError> {
        self.reader.scan_outlines(&scan, parts).await
    }

    async fn rollups(&self, request: RollupRequest) -> Result<Option<RollupStream>, StoreError> {
        self.reader.clone().rollups(request).await
    }

    async fn calls(&self, request: CallRequest) -> Result<Option<Calls>, StoreError> {
        self.reader.calls(request).await
    }

    async fn count_blocks(&self, scan: &Scan) -> Result<(), StoreError> {
        self.reader.count_blocks(scan).await
    }

    async fn summaries(
        &self,
        trace_ids: &[TraceId],
        as_of: Option<Watermark>,
    ) -> Result<Vec<TraceSummary>, StoreError> {
        self.reader.summaries(trace_ids, as_of).await
    }

    async fn watermark(&self) -> Result<Watermark, StoreError> {
        self.reader.watermark().await
    }

    async fn services(&self, after: Option<&str>, limit: usize) -> Result<Vec<String>, StoreError> {
        self.reader.services(after, limit).await
    }

    async fn operations(
        &self,
        service: &str,
        after: Option<&Operation>,
        limit: usize,
    ) -> Result<Vec<Operation>, StoreError> {
        self.reader.operations(service, after, limit).await
    }

    fn names(&self, scan: NameScan) -> NameStream {
        self.reader.clone().names(scan)
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.reader.ping().await
    }

    async fn close(&self) {
        self.writer.pool.close().await;
        self.reader.pool.close().await;
        self.compactor.pool.close().await;
        self.retainer.pool.close().await;
    }
}
