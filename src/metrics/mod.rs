//! Floor 0: what tracewell counts of itself, and nothing else: `/metrics` shows it, in OpenMetrics text.
//!
//! Spans have a ledger of their own, `ledger.rs`; what becomes of them in the database is in `storage.rs`; here is the
//! rest, and the way out. Names follow OpenMetrics: the unit
//! at the end, `_total` on counters.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

mod ledger;
mod storage;

use ledger::Ledger;
pub use ledger::{Entry, OpenLedger, SERVICE_BYTES_MAX, SERVICES_MAX, SERVICES_OTHER};
use storage::Storage;

/// Upper bounds of the commit time's buckets, in seconds.
const COMMIT_SECONDS: [f64; 12] = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0];

/// How a request came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// OTLP/gRPC.
    Grpc,
    /// OTLP/HTTP with a protobuf body.
    HttpProtobuf,
    /// OTLP/HTTP with a JSON body.
    HttpJson,
    /// Zipkin's JSON.
    ZipkinJson,
    /// Zipkin's protobuf.
    ZipkinProtobuf,
}

impl Protocol {
    /// The name that OpenTelemetry's `OTEL_EXPORTER_OTLP_PROTOCOL` gives it, and one alike for Zipkin's.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Grpc => "grpc",
            Self::HttpProtobuf => "http/protobuf",
            Self::HttpJson => "http/json",
            Self::ZipkinJson => "zipkin/json",
            Self::ZipkinProtobuf => "zipkin/protobuf",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ProtocolLabel {
    protocol: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabel {
    reason: &'static str,
}

/// Counts how often a damaged block of the history was left out of an answer. Clones are one counter.
#[derive(Debug, Clone, Default)]
pub struct CorruptBlocks(Counter<u64, AtomicU64>);

impl CorruptBlocks {
    /// Once more.
    pub fn count(&self) {
        self.0.inc();
    }

    /// How often so far.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.get()
    }
}

/// All counters of one process.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    ledger: Arc<Ledger>,
    requests_received: Family<ProtocolLabel, Counter>,
    requests_refused: Family<ReasonLabel, Counter>,
    values_repaired: Counter,
    commit_time: Histogram,
    queue_requests: Gauge,
    queue_bytes: Gauge,
    database_up: Gauge,
    store_failures: Counter<u64, AtomicU64>,
    history_blocks_corrupt: CorruptBlocks,
    storage: Storage,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// All counters at zero.
    #[must_use]
    pub fn new() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("tracewell"),
            ledger: Arc::default(),
            requests_received: Family::default(),
            requests_refused: Family::default(),
            values_repaired: Counter::default(),
            commit_time: Histogram::new(COMMIT_SECONDS),
            queue_requests: Gauge::default(),
            queue_bytes: Gauge::default(),
            database_up: Gauge::default(),
            store_failures: Counter::default(),
            history_blocks_corrupt: CorruptBlocks::default(),
            storage: Storage::default(),
        };
        metrics.register();
        metrics
    }

    fn register(&mut self) {
        let registry = &mut self.registry;
        registry.register_collector(Box::new(Arc::clone(&self.ledger)));
        let help = "Requests that came in, whatever became of them, by protocol";
        registry.register("requests_received", help, self.requests_received.clone());
        registry.register(
            "requests_refused",
            "Requests answered with an error, by reason",
            self.requests_refused.clone(),
        );
        registry.register(
            "values_repaired",
            "Texts stored with U+FFFD for invalid UTF-8",
            self.values_repaired.clone(),
        );
        let help = "Time from the begin of a write to its commit";
        registry.register_with_unit("commit", help, Unit::Seconds, self.commit_time.clone());
        registry.register("queue_requests", "Requests received and not yet answered", self.queue_requests.clone());
        let help = "Size of the requests received and not yet answered";
        registry.register_with_unit("queue", help, Unit::Bytes, self.queue_bytes.clone());
        registry.register("database_up", "1 while the database answers", self.database_up.clone());
        registry.register("store_failures", "Statements that failed unforeseen", self.store_failures.clone());
        let help = "Damaged history blocks that were left out of an answer, each time counted";
        registry.register("history_blocks_corrupt", help, self.history_blocks_corrupt.0.clone());
        self.storage.register(registry);
    }

    /// The ledger of spans, for the entries of one request.
    #[must_use]
    pub fn ledger(&self) -> OpenLedger<'_> {
        self.ledger.open()
    }

    /// A request came in.
    pub fn received(&self, protocol: Protocol) {
        self.requests_received.get_or_create(&ProtocolLabel { protocol: protocol.name() }).inc();
    }

    /// A request was answered with an error.
    pub fn refused(&self, reason: &'static str) {
        self.requests_refused.get_or_create(&ReasonLabel { reason }).inc();
    }

    /// So many texts were repaired, and stored so.
    pub fn repaired(&self, texts: u64) {
        self.values_repaired.inc_by(texts);
    }

    /// A write was committed.
    pub fn committed(&self, took: Duration) {
        self.commit_time.observe(took.as_secs_f64());
    }

    /// What waits now.
    pub fn queue(&self, requests: usize, bytes: usize) {
        self.queue_requests.set(i64::try_from(requests).unwrap_or(i64::MAX));
        self.queue_bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    /// Whether the database answered when last asked.
    pub fn database(&self, up: bool) {
        self.database_up.set(i64::from(up));
    }

    /// A statement failed unforeseen.
    pub fn store_failed(&self) {
        self.store_failures.inc();
    }

    /// For whoever reads the history.
    #[must_use]
    pub fn corrupt_blocks(&self) -> CorruptBlocks {
        self.history_blocks_corrupt.clone()
    }

    /// OpenMetrics text, `application/openmetrics-text; version=1.0.0; charset=utf-8`.
    pub fn text(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}
