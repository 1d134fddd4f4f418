//! Spans in a list: the store that is too simple to be wrong, and the oracle for the other two. Nothing survives the
//! process, so promise 1 holds only as long as it lives.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use async_trait::async_trait;
use futures::{StreamExt, stream};

use super::calls::calls_among;
use super::retention::{DAYS_AHEAD_MAX, Reason, days_before};
use super::{
    Batch, CallRequest, Calls, Counted, Fingerprint, MINUTE_NANOS, Retained, RetentionSettings, RolledUp, Rollup,
    RollupDetail, RollupRequest, RollupStream, Scan, SpanStore, SpanStream, StoreError, Watermark, Work, Written,
};
use crate::model::{Operation, Span, SpanFacts, SpanKey, TraceFold, TraceId, TraceSummary, UnixNanos, histogram};

/// A store in memory.
#[derive(Debug, Default)]
pub struct MemoryStore {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Every span that was stored and not removed since, in the order of arrival, copies too.
    spans: Vec<Arrived>,
    /// How many have ever arrived.
    arrivals: usize,
    /// The batches that they came in, and when.
    receipts: HashMap<Fingerprint, Instant>,
}

#[derive(Debug)]
struct Arrived {
    /// How many had arrived before.
    number: usize,
    /// On which day.
    day: i32,
    span: Span,
}

/// The days since 1970 by the system's clock.
#[expect(clippy::disallowed_methods, reason = "its clock is to a store what a database's clock is: nobody hands it in")]
fn today() -> i32 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i32::try_from(since.as_secs() / 86_400).unwrap_or(i32::MAX)
}

/// The day on which a span began.
fn day_of(span: &Span) -> i32 {
    i32::try_from(span.start.0 / 86_400_000_000_000).unwrap_or(i32::MAX)
}

impl MemoryStore {
    /// The spans that had arrived by `as_of` and pass `filter`: by ascending key, copies removed.
    fn sorted(&self, as_of: Option<Watermark>, filter: impl Fn(&Span) -> bool) -> Vec<(SpanKey, Span)> {
        let spans = &self.lock().spans;
        let arrived = as_of.and_then(|watermark| usize::try_from(watermark.0).ok()).unwrap_or(usize::MAX);
        let spans = spans.iter().filter(|span| span.number < arrived).map(|arrived| &arrived.span);
        let mut sorted: Vec<_> = spans.filter(|span| filter(span)).map(|span| (span.key(), span.clone())).collect();
        sorted.sort_by_key(|(key, _)| *key);
        sorted.dedup_by_key(|(key, _)| *key);
        sorted
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn scan(&self, scan: &Scan) -> Vec<(SpanKey, Span)> {
        let mut found = self.sorted(scan.as_of, |span| scan.search.matches(span) && scan.filter.matches(span));
        scan.work.add(Counted::SpansRead, found.len());
        found.retain(|(key, _)| scan.before.is_none_or(|before| *key < before));
        found.reverse();
        found.truncate(scan.limit);
        found
    }
}

/// A rollup of one span.
fn rolled_up(span: &Span, detail: RollupDetail) -> Rollup {
    let begin = span.start.0.saturating_sub(span.start.0.checked_rem(MINUTE_NANOS).unwrap_or_default());
    let of = RolledUp {
        service: span.resource.service().to_owned(),
        name: span.name.clone(),
        kind: span.kind,
        status: span.status.code,
    };
    let duration = span.duration_nanos();
    let counted = (detail >= RollupDetail::Histogram).then(|| (histogram::bucket(duration), 1));
    Rollup {
        begin: UnixNanos(begin),
        of: Arc::new(of),
        span_count: 1,
        duration_sum_nanos: if detail >= RollupDetail::Sum { duration.into() } else { 0 },
        histogram: counted.into_iter().collect(),
    }
}

fn stream_of(spans: Vec<(SpanKey, Span)>) -> SpanStream {
    stream::iter(spans.into_iter().map(|(_, span)| Ok(span))).boxed()
}

#[async_trait]
impl SpanStore for MemoryStore {
    async fn write(&self, batches: &[Batch]) -> Result<Vec<Written>, StoreError> {
        let mut state = self.lock();
        let write = |batch: &Batch| {
            if batch.spans().is_empty() {
                return Written::Stored;
            }
            if state.receipts.contains_key(&batch.fingerprint()) {
                return Written::Recognised;
            }
            state.receipts.insert(batch.fingerprint(), Instant::now());
            let day = today();
            for span in batch.spans() {
                let number = state.arrivals;
                state.spans.push(Arrived { number, day, span: span.clone() });
                state.arrivals = number.saturating_add(1);
            }
            Written::Stored
        };
        Ok(batches.iter().map(write).collect())
    }

    async fn forget_receipts(&self, age: Duration) -> Result<u64, StoreError> {
        let receipts = &mut self.lock().receipts;
        let before = receipts.len();
        receipts.retain(|_, written| written.elapsed() < age);
        Ok(u64::try_from(before.saturating_sub(receipts.len())).unwrap_or(u64::MAX))
    }

    /// By age; it takes no room on any disk.
    async fn retain(&self, settings: &RetentionSettings) -> Result<Retained, StoreError> {
        let (mut done, today) = (Retained::default(), today());
        let Some(days) = settings.age_days_max else { return Ok(done) };
        let first = days_before(today, days);
        let arrival_first = settings.arrival_age_days_max.map(|days| days_before(today, days));
        let stays = |arrived: &Arrived| {
            let day = day_of(&arrived.span);
            let is_due = day < first || day > today.saturating_add(DAYS_AHEAD_MAX);
            !is_due || arrival_first.is_some_and(|first| arrived.day >= first)
        };
        let spans = &mut self.lock().spans;
        let before = spans.len();
        spans.retain(stays);
        done.add(Reason::Age, u64::try_from(before.saturating_sub(spans.len())).unwrap_or(u64::MAX));
        Ok(done)
    }

    async fn purge(&self) -> Result<(), StoreError> {
        let mut state = self.lock();
        state.spans.clear();
        state.receipts.clear();
        Ok(())
    }

    fn trace(&self, trace_id: TraceId) -> SpanStream {
        stream_of(self.sorted(None, |span| span.trace_id == trace_id))
    }

    fn traces(&self, trace_ids: Vec<TraceId>, as_of: Option<Watermark>, work: Work) -> SpanStream {
        let mut spans = self.sorted(as_of, |span| trace_ids.contains(&span.trace_id));
        spans.sort_by_key(|(key, _)| (key.trace_id, *key));
        work.add(Counted::SpansRead, spans.len());
        work.add(Counted::TracesRead, spans.chunk_by(|(a, _), (b, _)| a.trace_id == b.trace_id).count());
        stream_of(spans)
    }

    fn scan_spans(&self, scan: Scan) -> SpanStream {
        stream_of(self.scan(&scan))
    }

    async fn scan_keys(&self, scan: Scan) -> Result<Vec<SpanKey>, StoreError> {
        Ok(self.scan(&scan).into_iter().map(|(key, _)| key).collect())
    }

    /// Each span by itself.
    async fn rollups(&self, request: RollupRequest) -> Result<Option<RollupStream>, StoreError> {
        let last = if request.end.0 == u64::MAX { u64::MAX } else { request.end.0.saturating_sub(1) };
        let is_asked_for =
            |span: &Span| (request.start.0..=last).contains(&span.start.0) && request.filter.matches(span);
        let found = self.sorted(Some(request.as_of), is_asked_for);
        request.work.add(Counted::SpansRead, found.len());
        let rollups = found.into_iter().map(move |(_, span)| Ok(rolled_up(&span, request.detail)));
        Ok(Some(stream::iter(rollups).boxed()))
    }

    async fn calls(&self, request: CallRequest) -> Result<Option<Calls>, StoreError> {
        let spans: Vec<_> = self.sorted(None, |_| true).into_iter().map(|(_, span)| span).collect();
        request.work.add(Counted::SpansRead, spans.len());
        Ok(Some(calls_among(&spans, &request)))
    }

    async fn summaries(
        &self,
        trace_ids: &[TraceId],
        as_of: Option<Watermark>,
    ) -> Result<Vec<TraceSummary>, StoreError> {
        let ids: BTreeSet<_> = trace_ids.iter().collect();
        let summary = |id: &TraceId| {
            let mut fold = TraceFold::default();
            for (key, span) in &self.sorted(as_of, |span| span.trace_id == *id) {
                fold.add(SpanFacts {
                    key: *key,
                    end: span.end,
                    is_root: span.parent_span_id.is_none(),
                    is_error: span.is_error(),
                    service: span.resource.service(),
                    name: &span.name,
                });
            }
            fold.finish()
        };
        Ok(ids.into_iter().filter_map(summary).collect())
    }

    async fn watermark(&self) -> Result<Watermark, StoreError> {
        let arrived = self.lock().arrivals;
        Ok(Watermark(i64::try_from(arrived).unwrap_or(i64::MAX)))
    }

    async fn services(&self, after: Option<&str>, limit: usize) -> Result<Vec<String>, StoreError> {
        let spans = self.sorted(None, |span| after.is_none_or(|after| span.resource.service() > after));
        let names: BTreeSet<_> = spans.iter().map(|(_, span)| span.resource.service().to_owned()).collect();
        Ok(names.into_iter().take(limit).collect())
    }

    async fn operations(
        &self,
        service: &str,
        after: Option<&Operation>,
        limit: usize,
    ) -> Result<Vec<Operation>, StoreError> {
        let spans = self.sorted(None, |span| span.resource.service() == service);
        let operations: BTreeSet<_> =
            spans.into_iter().map(|(_, span)| Operation { name: span.name, kind: span.kind }).collect();
        Ok(operations.into_iter().filter(|operation| after.is_none_or(|after| operation > after)).take(limit).collect())
    }

    async fn ping(&self) -> Result<(), StoreError> {
        Ok(())
    }

    async fn close(&self) {}
}
