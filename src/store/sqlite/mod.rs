//! Spans in a SQLite file: for a laptop, a test run, an edge box. One process at a time owns the file.
//!
//! `open.rs` opens it, `write.rs` is the way in (`checkpoint.rs` tidies up behind it), `search.rs` and `filter.rs` (which
//! rows) and `read.rs` (what is in them) the way out, `names.rs` lists without reading spans, `rollups.rs` counts,
//! `retain.rs` lets go what is old, `purge.rs` everything; `row.rs` and `dictionary.rs` turn columns into the model,
//! `error.rs` sorts what SQLite may say. The tables and the
//! views for people who ask in SQL are in `migrations/sqlite/`.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::{StreamExt, TryStreamExt};

use self::checkpoint::Checkpoints;
use self::open::{Lock, Pools};
use self::read::Reader;
use self::write::Writer;
use super::names::of_spans;
use super::open::OpenError;
use super::{
    Batch, NameScan, NameStream, Retained, RetentionSettings, RollupRequest, RollupStream, Scan, SpanStore, SpanStream,
    StoreError, Watermark, Work, Written,
};
use crate::model::{Operation, SpanKey, TraceId, TraceSummary};

mod checkpoint;
mod dictionary;
mod error;
mod filter;
mod names;
mod open;
mod purge;
mod read;
mod retain;
mod rollups;
mod row;
mod search;
mod statements;
#[cfg(test)]
mod tests;
mod write;

pub use open::migrate;

/// How the file is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqliteSettings {
    /// At most so many connections read; one writes.
    pub reader_connections_max: u32,
}

impl Default for SqliteSettings {
    fn default() -> Self {
        Self { reader_connections_max: 8 }
    }
}

/// A store in a SQLite file, which nobody else writes while this is open.
#[derive(Debug)]
pub struct SqliteStore {
    writer: Writer,
    reader: Arc<Reader>,
    checkpoints: Checkpoints,
    /// Last, so that it is given back after all else is gone.
    lock: Lock,
}

impl SqliteStore {
    /// Opens the file that a URL (`sqlite:tracewell.db`) or a path names; makes it when there is none, and brings its
    /// schema up to date.
    pub async fn open(url_or_path: &str, settings: &SqliteSettings) -> Result<Self, OpenError> {
        let Pools { writer, readers, checkpoints, lock } = open::open(url_or_path, settings).await?;
        let (writer, reader) = (Writer::new(writer), Arc::new(Reader::new(readers)));
        Ok(Self { writer, reader, checkpoints: Checkpoints::start(checkpoints), lock })
    }
}

#[async_trait]
impl SpanStore for SqliteStore {
    async fn write(&self, batches: &[Batch]) -> Result<Vec<Written>, StoreError> {
        let written = self.writer.write(batches).await?;
        self.checkpoints.count(batches.iter().map(|batch| batch.spans().len()).sum());
        Ok(written)
    }

    async fn forget_receipts(&self, age: Duration) -> Result<u64, StoreError> {
        self.writer.forget_receipts(age).await
    }

    async fn retain(&self, settings: &RetentionSettings) -> Result<Retained, StoreError> {
        retain::retain(&self.writer, &self.reader, settings).await
    }

    async fn purge(&self) -> Result<(), StoreError> {
        purge::purge(&self.writer, &self.reader).await
    }

    fn trace(&self, trace_id: TraceId) -> SpanStream {
        read::traces(Arc::clone(&self.reader), vec![trace_id], None, Work::default()).boxed()
    }

    fn traces(&self, trace_ids: Vec<TraceId>, as_of: Option<Watermark>, work: Work) -> SpanStream {
        read::traces(Arc::clone(&self.reader), trace_ids, as_of, work).boxed()
    }

    fn scan_spans(&self, scan: Scan) -> SpanStream {
        read::scan_spans(Arc::clone(&self.reader), scan).map_ok(|(_, span)| span).boxed()
    }

    async fn scan_keys(&self, scan: Scan) -> Result<Vec<SpanKey>, StoreError> {
        if scan.search.attributes.is_empty() && filter::is_exact(&scan.filter) {
            return self.reader.scan_keys(&scan).await;
        }
        read::scan_spans(Arc::clone(&self.reader), scan).map_ok(|(key, _)| key).try_collect().await
    }

    async fn rollups(&self, request: RollupRequest) -> Result<Option<RollupStream>, StoreError> {
        Ok(Some(rollups::rollups(Arc::clone(&self.reader), request).boxed()))
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
        let shared = names::names(Arc::clone(&self.reader), &scan);
        shared.unwrap_or_else(|| of_spans(self.scan_spans(scan.spans()), scan.listing))
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.reader.ping().await
    }

    async fn close(&self) {
        self.checkpoints.close().await;
        self.writer.close().await;
        self.reader.close().await;
        self.lock.give_back();
    }
}
