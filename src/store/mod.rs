//! Floor 2: where spans are kept. One trait, [`SpanStore`], and its promises; `postgres/`, `sqlite/` and `memory`
//! keep them, and `tests/store/` holds all three to them.
//!
//! `memory` is obvious on purpose: it is the oracle that the other two are compared with, under random histories. What
//! the two databases share is in `json/` (values as JSON) and `text.rs` (texts).

use async_trait::async_trait;
use futures::stream::BoxStream;

use crate::model::{Operation, Search, Span, SpanKey, TraceId, TraceSummary};

mod choose;
mod json;
pub mod memory;
mod open;
pub mod postgres;
pub mod sqlite;
mod text;

pub use choose::{OpenSettings, Opened, migrate, open};
pub use open::{MigrationReport, OpenError};

/// The spans of one request, in the order sent. They are stored together or not at all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    /// The request's good spans.
    pub spans: Vec<Span>,
}

/// Spans, one at a time, so that a caller can stop early; dropping the stream stops the query behind it.
pub type SpanStream = BoxStream<'static, Result<Span, StoreError>>;

/// A point in the order of arrival: everything that is committed when a store names one lies at or before it. The
/// number means something to the store that named it only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Watermark(pub i64);

/// Which spans to go through, newest first.
#[derive(Debug, Clone)]
pub struct Scan {
    /// Only spans that match.
    pub search: Search,
    /// Only spans that had arrived by then.
    pub as_of: Option<Watermark>,
    /// Only spans whose key is less than this one.
    pub before: Option<SpanKey>,
    /// At most so many spans, exact copies counted once.
    pub limit: usize,
}

/// What went wrong in a store, named by what the caller does next.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database is away or too busy; the same call may succeed later. Whether a write was committed is not known.
    #[error("the database can not answer now")]
    Busy(#[source] BoxError),
    /// The database refuses this batch for its own sake (a value that it can not hold); another batch may well pass.
    #[error("the database refuses the batch: {reason}")]
    Refused {
        /// What it refuses, for the sender to read.
        reason: String,
    },
    /// A stored row can not be read back.
    #[error("a stored row can not be read: {what}")]
    Corrupt {
        /// Which row, and what is wrong with it.
        what: String,
    },
    /// A statement failed in a way that nobody foresaw.
    #[error("the store failed")]
    Bug(#[source] BoxError),
}

/// Any error, as a cause.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A place that keeps spans. The promises, each with a test of its number in `tests/store/contract.rs`:
///
/// 1. **Durable.** When `write` returns `Ok`, every span of every batch is committed: a kill of this process or of the
///    database a microsecond later loses none.
/// 2. **Whole.** After an error other than [`StoreError::Busy`], no span of the call is stored; after `Busy`, all of
///    them are or none is.
/// 3. **Visible.** What was committed is in the next answer of every method.
/// 4. **Exact.** A span comes back equal to what was written, resource and scope included.
/// 5. **Once.** Exact copies, from one batch or from many, are shown once and counted once by every read. Spans that
///    share ids but differ anywhere are all shown.
/// 6. **Ordered.** `trace` goes by ascending [`SpanKey`], `scan_spans` and `scan_keys` by descending; `services` and
///    `operations` by name (bytewise), then kind.
/// 7. **Complete.** `scan_*` returns exactly the spans for which [`Search::matches`] says yes, up to the limit; fewer
///    than the limit means that there are no more.
/// 8. **Steady.** With `as_of`, `scan_*` and `summaries` see what was committed when the watermark was named, and
///    nothing that began to arrive later.
/// 9. **Safe.** Any value that the model can hold can be written and searched for; none reaches SQL as text.
#[async_trait]
pub trait SpanStore: Send + Sync + 'static {
    /// Stores all spans of all batches in one transaction.
    async fn write(&self, batches: &[Batch]) -> Result<(), StoreError>;

    /// All spans of a trace; none when the trace is unknown.
    fn trace(&self, trace_id: TraceId) -> SpanStream;

    /// The spans of a scan.
    fn scan_spans(&self, scan: Scan) -> SpanStream;

    /// The keys of the spans of a scan.
    async fn scan_keys(&self, scan: Scan) -> Result<Vec<SpanKey>, StoreError>;

    /// One summary for each of these traces that has a span, in any order.
    async fn summaries(&self, trace_ids: &[TraceId], as_of: Option<Watermark>)
    -> Result<Vec<TraceSummary>, StoreError>;

    /// The watermark of now.
    async fn watermark(&self) -> Result<Watermark, StoreError>;

    /// Names of services that have a span, greater than `after`, at most `limit`.
    async fn services(&self, after: Option<&str>, limit: usize) -> Result<Vec<String>, StoreError>;

    /// Operations of a service, greater than `after`, at most `limit`; none when the service is unknown.
    async fn operations(
        &self,
        service: &str,
        after: Option<&Operation>,
        limit: usize,
    ) -> Result<Vec<Operation>, StoreError>;

    /// Whether the database answers.
    async fn ping(&self) -> Result<(), StoreError>;

    /// Ends every connection. Nothing may be called afterwards.
    async fn close(&self);
}
