//! A PostgreSQL database in which every write is history before the next question.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tracewell::model::{Operation, Parts, SpanKey, TraceId, TraceSummary};
use tracewell::store::{
    Batch, CallRequest, Calls, Compaction, CompactionSettings, NameScan, NameStream, Outlines, Retained,
    RetentionSettings, RollupRequest, RollupStream, Scan, SpanStore, SpanStream, StoreError, TracePlace, Watermark,
    Work, Written,
};

use super::{AT_ONCE, Database, postgres};

struct Compacted(Box<dyn Database>);

#[async_trait]
impl Database for Compacted {
    async fn open(&self) -> Arc<dyn SpanStore> {
        Arc::new(Compacting(self.0.open().await))
    }
}

/// An empty database.
pub(crate) async fn create() -> Box<dyn Database> {
    Box::new(Compacted(postgres::create().await))
}

struct Compacting(Arc<dyn SpanStore>);

#[async_trait]
impl SpanStore for Compacting {
    async fn write(&self, batches: &[Batch]) -> Result<Vec<Written>, StoreError> {
        let written = self.0.write(batches).await?;
        self.0.compact(&AT_ONCE).await?;
        Ok(written)
    }

    async fn forget_receipts(&self, age: Duration) -> Result<u64, StoreError> {
        self.0.forget_receipts(age).await
    }

    async fn retain(&self, settings: &RetentionSettings) -> Result<Retained, StoreError> {
        self.0.retain(settings).await
    }

    async fn compact(&self, settings: &CompactionSettings) -> Result<Compaction, StoreError> {
        self.0.compact(settings).await
    }

    async fn purge(&self) -> Result<(), StoreError> {
        self.0.purge().await
    }

    fn trace(&self, trace_id: TraceId) -> SpanStream {
        self.0.trace(trace_id)
    }

    fn traces(&self, trace_ids: Vec<TraceId>, as_of: Option<Watermark>, work: Work) -> SpanStream {
        self.0.traces(trace_ids, as_of, work)
    }

    fn scan_spans(&self, scan: Scan) -> SpanStream {
        self.0.scan_spans(scan)
    }

    async fn scan_keys(&self, scan: Scan) -> Result<Vec<SpanKey>, StoreError> {
        self.0.scan_keys(scan).await
    }

    async fn scan_places(&self, scan: Scan) -> Result<Vec<TracePlace>, StoreError> {
        self.0.scan_places(scan).await
    }

    async fn scan_outlines(&self, scan: Scan, parts: &Parts) -> Result<Option<Outlines>, StoreError> {
        self.0.scan_outlines(scan, parts).await
    }

    async fn rollups(&self, request: RollupRequest) -> Result<Option<RollupStream>, StoreError> {
        self.0.rollups(request).await
    }

    async fn calls(&self, request: CallRequest) -> Result<Option<Calls>, StoreError> {
        self.0.calls(request).await
    }

    async fn count_blocks(&self, scan: &Scan) -> Result<(), StoreError> {
        self.0.count_blocks(scan).await
    }

    async fn summaries(
        &self,
        trace_ids: &[TraceId],
        as_of: Option<Watermark>,
    ) -> Result<Vec<TraceSummary>, StoreError> {
        self.0.summaries(trace_ids, as_of).await
    }

    async fn watermark(&self) -> Result<Watermark, StoreError> {
        self.0.watermark().await
    }

    async fn services(&self, after: Option<&str>, limit: usize) -> Result<Vec<String>, StoreError> {
        self.0.services(after, limit).await
    }

    async fn operations(
        &self,
        service: &str,
        after: Option<&Operation>,
        limit: usize,
    ) -> Result<Vec<Operation>, StoreError> {
        self.0.operations(service, after, limit).await
    }

    fn names(&self, scan: NameScan) -> NameStream {
        self.0.names(scan)
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.0.ping().await
    }

    async fn close(&self) {
        self.0.close().await;
    }
}
