//! Floor 2: where spans are kept. One trait, [`SpanStore`], and its promises; `postgres/`, `sqlite/` and `memory`
//! keep them, and `tests/store/` holds all three to them.
//!
//! `memory` is obvious on purpose: it is the oracle that the other two are compared with, under random histories. What
//! the two databases share is in `json/` (values as JSON) and `text.rs` (texts).

use std::time::Duration;

use async_trait::async_trait;
use futures::stream::BoxStream;

use crate::model::{Filter, Operation, Parts, Search, Span, SpanKey, TraceId, TraceSummary, UnixNanos};

mod batch;
pub mod calls;
mod choose;
mod compaction;
mod json;
pub mod memory;
mod names;
mod open;
mod outlines;
mod places;
pub mod postgres;
mod retention;
mod rollup;
pub mod sqlite;
mod text;
mod work;

pub use choose::{OpenSettings, Opened, has_history, migrate, open};
pub use open::{MigrationReport, OpenError};

pub use batch::{Batch, Fingerprint};
pub use calls::{CallCounts, CallRequest, Calls};
pub use compaction::{Backlog, Compaction, CompactionSettings};
pub use names::{NamePortion, NameScan, NameStream};
pub use outlines::Outlines;
pub use retention::{Retained, RetentionSettings};
pub use rollup::{MINUTE_NANOS, RolledUp, Rollup, RollupDetail, RollupRequest, RollupStream};
pub use work::{Counted, Work};

/// Spans, one at a time, so that a caller can stop early; dropping the stream stops the query behind it.
pub type SpanStream = BoxStream<'static, Result<Span, StoreError>>;

/// A point in the order of arrival: everything that is committed when a store names one lies at or before it. The
/// number means something to the store that named it only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Watermark(pub i64);

/// When a span begins, and the trace that it is of: the greater half of its key.
pub type TracePlace = (UnixNanos, TraceId);

/// Which spans to go through, newest first.
#[derive(Debug, Clone)]
pub struct Scan {
    /// Only spans that match.
    pub search: Search,
    /// Spans on which it does not hold may be left out.
    pub filter: Filter,
    /// Only spans that had arrived by then.
    pub as_of: Option<Watermark>,
    /// Only spans whose key is less than this one.
    pub before: Option<SpanKey>,
    /// At most so many spans, exact copies counted once.
    pub limit: usize,
    /// So many places beyond the limit may come, too, when what was read has them.
    pub spare: usize,
    /// Counts what it takes.
    pub work: Work,
}

impl Scan {
    /// All spans that match, of all that have arrived.
    #[must_use]
    pub fn of(search: Search) -> Self {
        let (filter, work) = (Filter::default(), Work::default());
        Self { search, filter, as_of: None, before: None, limit: usize::MAX, spare: 0, work }
    }
}

/// What became of a batch that was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// Its spans are stored.
    Stored,
    /// It was stored before, and nothing was done.
    Recognised,
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
/// 6. **Ordered.** `trace`, and `traces` within each, go by ascending [`SpanKey`], `scan_spans` and `scan_keys` by
///    descending; `services` and `operations` by name (bytewise), then kind.
/// 7. **Complete.** `scan_*` returns exactly the spans for which [`Search::matches`] says yes, up to the limit; fewer
///    than the limit means that there are no more. Of those for which [`Filter::matches`] says no it may leave out any. What
///    `scan_outlines` gives is complete down to its last span, and it says itself whether there are more.
/// 8. **Steady.** With `as_of`, `scan_*`, `traces` and `summaries` see what was committed when the watermark was named, and
///    nothing that began to arrive later.
/// 9. **Safe.** Any value that the model can hold can be written and searched for; none reaches SQL as text.
/// 10. **Recognised.** A batch that was committed before is not stored again, whoever wrote it, until its receipt is
///     forgotten; of equal batches that are written at the same moment, one is stored.
/// 11. **Unseen.** `compact` changes no answer, at no moment of it, and an end in the middle leaves things as they were.
/// 12. **Let go.** `retain` removes the spans that [`RetentionSettings`] names and no others, of those that are history,
///     with all that is derived from them: whoever begins to read afterwards finds things as if they had never come. A
///     read that is under way sees them or does not, and does not fail. What only they referred to goes too, and comes
///     back with the next span that refers to it.
/// 13. **Counted.** What `rollups` counts is what a scan with its filter finds, as of the same moment, but for spans that
///     the filter would have left out.
/// 14. **Named.** `names` gives what [`Listing::of_span`](crate::model::Listing::of_span) gives of the spans that start in
///     its times, and nothing else.
/// 15. **Purged.** When `purge` returns `Ok`, nothing of what was committed before it was called is in any answer, and a batch
///     of that time is stored again when it is sent again. Of what is written at the same moment, a batch stays as a whole
///     or goes as a whole. Whoever reads or writes meanwhile, in this process or in another, goes on.
/// 16. **Called.** `calls` counts the calls among all spans that there are at one moment whose called span begins in the
///     minutes that were asked for: by parents, and by links of who takes messages, in whatever order and trace they came.
#[async_trait]
pub trait SpanStore: Send + Sync + 'static {
    /// Stores all spans of all batches in one transaction, with a receipt for each batch; says of each, in their
    /// order, what became of it.
    async fn write(&self, batches: &[Batch]) -> Result<Vec<Written>, StoreError>;

    /// Forgets the receipts of batches that were committed longer ago than `age`, and says how many. A batch that is
    /// sent again after that is stored again (and its spans are still shown once).
    async fn forget_receipts(&self, age: Duration) -> Result<u64, StoreError>;

    /// Makes history of what arrived earlier, for a store that keeps it in another way than what is new; the others
    /// have nothing to do. Takes as long as there is something to do; when the future is dropped, what is not finished
    /// did not happen.
    async fn compact(&self, _settings: &CompactionSettings) -> Result<Compaction, StoreError> {
        Ok(Compaction::default())
    }

    /// Removes what is old, or too much. What a store keeps in another way until it is history stays until then.
    async fn retain(&self, settings: &RetentionSettings) -> Result<Retained, StoreError>;

    /// Removes everything, as for a test bench that begins anew.
    async fn purge(&self) -> Result<(), StoreError>;

    /// What waits to be made history.
    async fn backlog(&self) -> Result<Backlog, StoreError> {
        Ok(Backlog::default())
    }

    /// All spans of a trace; none when the trace is unknown.
    fn trace(&self, trace_id: TraceId) -> SpanStream;

    /// All spans of these traces that had arrived by then: those of one trace one after the other, by ascending key; the
    /// traces in any order. Of one that is unknown, none.
    fn traces(&self, trace_ids: Vec<TraceId>, as_of: Option<Watermark>, work: Work) -> SpanStream;

    /// The spans of a scan.
    fn scan_spans(&self, scan: Scan) -> SpanStream;

    /// The keys of the spans of a scan.
    async fn scan_keys(&self, scan: Scan) -> Result<Vec<SpanKey>, StoreError>;

    /// The places of the spans of a scan that are less than the place of its `before`: each once, by descending place; the
    /// limit counts them, and what the scan has to spare.
    async fn scan_places(&self, scan: Scan) -> Result<Vec<TracePlace>, StoreError> {
        places::of_keys(&scan, |scan| self.scan_keys(scan)).await
    }

    /// The newest spans of a scan in outline, with these parts: as many as the limit says, or fewer when there are more of
    /// which it is not certain, or more when they come at no cost. `None` when the store has to be asked for the spans
    /// themselves.
    async fn scan_outlines(&self, _scan: Scan, _parts: &Parts) -> Result<Option<Outlines>, StoreError> {
        Ok(None)
    }

    /// Spans counted by minute or hour, service, name, kind and status. `None` when the store has to be asked for the spans
    /// themselves: when it can not tell what it had counted by then.
    async fn rollups(&self, _request: RollupRequest) -> Result<Option<RollupStream>, StoreError> {
        Ok(None)
    }

    /// Who calls whom, and how often. `None` when the store has to be asked for the spans themselves: when it did not count
    /// the calls of this time.
    async fn calls(&self, _request: CallRequest) -> Result<Option<Calls>, StoreError> {
        Ok(None)
    }

    /// Adds to the work of a scan how many blocks of the history are in its time, and how many of them may have what it
    /// looks for; where there are no blocks, nothing.
    async fn count_blocks(&self, _scan: &Scan) -> Result<(), StoreError> {
        Ok(())
    }

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

    /// What can be listed of spans, in portions. This way of doing it goes through all spans.
    fn names(&self, scan: NameScan) -> NameStream {
        names::of_spans(self.scan_spans(scan.spans()), scan.listing)
    }

    /// Whether the database answers.
    async fn ping(&self) -> Result<(), StoreError>;

    /// Ends every connection. Nothing may be called afterwards.
    async fn close(&self);
}
