//! A server with both OTLP doors, and a store, in memory if nobody says else, that can be made to wait or to fail.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracewell::ingest::{Ingest, IngestSettings};
use tracewell::metrics::Metrics;
use tracewell::model::{Operation, Parts, SpanKey, TraceId, TraceSummary};
use tracewell::server::intake::{DoorSettings, Doors};
use tracewell::server::listen::{ListenSettings, serve};
use tracewell::server::otlp::{TraceService, router};
use tracewell::store::memory::MemoryStore;
use tracewell::store::{
    Batch, NameScan, NameStream, Outlines, RollupRequest, RollupStream, Scan, SpanStore, SpanStream, StoreError,
    TracePlace, Watermark, Work, Written,
};

/// Small, so that tests reach it with small bodies.
pub(crate) const REQUEST_BYTES_MAX: usize = 200_000;

/// Enough for a request of that size, however it is compressed, and not for two.
pub(crate) const QUEUE_BYTES_MAX: usize = 600_000;

/// Long enough to never matter, short enough that a test that hangs ends.
pub(crate) const A_WHILE: Duration = Duration::from_mins(1);

/// A store behind a gate: a write takes a permit, and tells when it began and when it was done.
pub(crate) struct GatedStore {
    inner: Arc<dyn SpanStore>,
    pub(crate) gate: Semaphore,
    pub(crate) begun: Semaphore,
    pub(crate) done: Semaphore,
    /// What the next write fails with.
    pub(crate) failure: Mutex<Option<StoreError>>,
}

impl GatedStore {
    /// How many spans the memory has.
    pub(crate) async fn span_count(&self) -> i64 {
        self.inner.watermark().await.unwrap().0
    }
}

#[async_trait]
impl SpanStore for GatedStore {
    async fn write(&self, batches: &[Batch]) -> Result<Vec<Written>, StoreError> {
        self.begun.add_permits(1);
        self.gate.acquire().await.unwrap().forget();
        let failure = self.failure.lock().unwrap().take();
        let written = match failure {
            Some(failure) => Err(failure),
            None => self.inner.write(batches).await,
        };
        self.done.add_permits(1);
        written
    }

    async fn forget_receipts(&self, age: Duration) -> Result<u64, StoreError> {
        self.inner.forget_receipts(age).await
    }

    async fn retain(
        &self,
        settings: &tracewell::store::RetentionSettings,
    ) -> Result<tracewell::store::Retained, StoreError> {
        self.inner.retain(settings).await
    }

    async fn purge(&self) -> Result<(), StoreError> {
        self.inner.purge().await
    }

    fn trace(&self, trace_id: TraceId) -> SpanStream {
        self.inner.trace(trace_id)
    }

    fn traces(&self, trace_ids: Vec<TraceId>, as_of: Option<Watermark>, work: Work) -> SpanStream {
        self.inner.traces(trace_ids, as_of, work)
    }

    fn scan_spans(&self, scan: Scan) -> SpanStream {
        self.inner.scan_spans(scan)
    }

    async fn scan_keys(&self, scan: Scan) -> Result<Vec<SpanKey>, StoreError> {
        self.inner.scan_keys(scan).await
    }

    async fn scan_places(&self, scan: Scan) -> Result<Vec<TracePlace>, StoreError> {
        self.inner.scan_places(scan).await
    }

    async fn scan_outlines(&self, scan: Scan, parts: &Parts) -> Result<Option<Outlines>, StoreError> {
        self.inner.scan_outlines(scan, parts).await
    }

    async fn rollups(&self, request: RollupRequest) -> Result<Option<RollupStream>, StoreError> {
        self.inner.rollups(request).await
    }

    async fn count_blocks(&self, scan: &Scan) -> Result<(), StoreError> {
        self.inner.count_blocks(scan).await
    }

    fn names(&self, scan: NameScan) -> NameStream {
        self.inner.names(scan)
    }

    async fn summaries(&self, ids: &[TraceId], as_of: Option<Watermark>) -> Result<Vec<TraceSummary>, StoreError> {
        self.inner.summaries(ids, as_of).await
    }

    async fn watermark(&self) -> Result<Watermark, StoreError> {
        self.inner.watermark().await
    }

    async fn services(&self, after: Option<&str>, limit: usize) -> Result<Vec<String>, StoreError> {
        self.inner.services(after, limit).await
    }

    async fn operations(
        &self,
        service: &str,
        after: Option<&Operation>,
        limit: usize,
    ) -> Result<Vec<Operation>, StoreError> {
        self.inner.operations(service, after, limit).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.inner.ping().await
    }

    async fn close(&self) {
        self.inner.close().await;
    }
}

/// Serves one router; ends with its value.
pub(crate) struct Listening {
    pub(crate) address: SocketAddr,
    pub(crate) stop: CancellationToken,
    pub(crate) served: JoinHandle<bool>,
}

impl Listening {
    pub(crate) async fn start(router: Router, settings: ListenSettings) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let served = tokio::spawn(serve(listener, router, settings, stop.clone()));
        Self { address, stop, served }
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Both doors, each on its port.
pub(crate) struct Server {
    pub(crate) store: Arc<GatedStore>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) ingest: Ingest,
    pub(crate) grpc: Listening,
    pub(crate) http: Listening,
}

impl Server {
    /// A server with an open gate and nothing unusual.
    pub(crate) async fn start() -> Self {
        let server = Self::gated(100, A_WHILE).await;
        server.store.gate.add_permits(1_000_000);
        server
    }

    /// A server whose writes wait, with a queue of so many requests and so long a time for each.
    pub(crate) async fn gated(queue_requests_max: usize, request_timeout: Duration) -> Self {
        Self::over(Arc::<MemoryStore>::default(), queue_requests_max, request_timeout).await
    }

    /// The same before another store.
    pub(crate) async fn over(inner: Arc<dyn SpanStore>, queue_requests_max: usize, request_timeout: Duration) -> Self {
        let store = Arc::new(GatedStore {
            inner,
            gate: Semaphore::new(0),
            begun: Semaphore::new(0),
            done: Semaphore::new(0),
            failure: Mutex::new(None),
        });
        let metrics = Arc::new(Metrics::new());
        let settings =
            IngestSettings { queue_requests_max, queue_bytes_max: QUEUE_BYTES_MAX, writers: 1, group_spans_max: 100 };
        let ingest = Ingest::start(Arc::clone(&store) as Arc<dyn SpanStore>, settings, Arc::clone(&metrics));
        let cors_origins = vec!["https://*.shop.example".to_owned()];
        let settings = DoorSettings { request_bytes_max: REQUEST_BYTES_MAX, request_timeout, cors_origins };
        let doors = Doors::new(ingest.clone(), Arc::clone(&metrics), settings);
        let routes = tonic::service::Routes::new(TraceService::new(Arc::clone(&doors))).into_axum_router();
        let grpc = Listening::start(routes, ListenSettings::default()).await;
        let http = Listening::start(router(doors), ListenSettings::default()).await;
        Self { store, metrics, ingest, grpc, http }
    }

    /// Asserts that `/metrics` would have this line.
    pub(crate) fn metric(&self, line: &str) {
        let text = self.metrics.text().unwrap();
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }

    /// Waits until `/metrics` would have this line.
    pub(crate) async fn metric_comes(&self, line: &str) {
        let comes = async {
            while !self.metrics.text().unwrap().lines().any(|found| found == line) {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(A_WHILE, comes).await.unwrap();
    }
}
