//! Going through the spans of a store, newest first, and always knowing how far.
//!
//! All the rest is asked for at once, a chunk at a time: where the store can go by the conditions, that is one cheap
//! question. When the answer does not come for a quarter of the budget, it is asked window by window instead, each some
//! time long: then it is known after each window that nothing was overlooked so far, even when nothing was found. Windows
//! grow while they are cheap and shrink when they are dear.

use std::collections::VecDeque;

use futures::TryStreamExt;

use super::budget::{Allowance, Budget};
use super::drive::{Drive, Reads};
use super::size;
use crate::model::{Search, SearchFields, Span, SpanKey, TraceId, UnixNanos};
use crate::store::{Outlines, Scan, SpanStore, StoreError, Watermark, Work};

/// The first window, in nanoseconds: a minute.
const WINDOW_FIRST_NANOS: u64 = 60_000_000_000;
/// So much shorter is a window that was given up.
const WINDOW_SHRINKS_BY: u64 = 16;
/// So many times as many as are asked for may come when what was read has them: it is read again otherwise, when they are
/// needed.
const SPARE: usize = 7;
/// A chunk of spans ends when they come to so many bytes, as [`size`] estimates them.
const CHUNK_BYTES_MAX: usize = 16 << 20;

/// Where a scan begins, in the order of the keys that it meets first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum ScanFrom {
    /// At the greatest key less than this one.
    Below(SpanKey),
    /// At the greatest key of all.
    Top,
}

impl ScanFrom {
    pub(super) fn before(self) -> Option<SpanKey> {
        match self {
            Self::Below(key) => Some(key),
            Self::Top => None,
        }
    }

    /// At the greatest key of those that start before this time.
    fn before_time(time: UnixNanos) -> Self {
        Self::Below(least_key(time))
    }

    /// All spans that start at this time or later are above.
    pub(super) fn since(self) -> UnixNanos {
        match self.before() {
            Some(key) if key == least_key(key.start) => key.start,
            Some(key) => UnixNanos(key.start.0.saturating_add(1)),
            None => UnixNanos(u64::MAX),
        }
    }
}

/// The least key that a span that starts at this time can have.
fn least_key(start: UnixNanos) -> SpanKey {
    SpanKey::least(start, TraceId::MIN)
}

/// A span that was met.
#[derive(Debug)]
pub(super) struct Met {
    /// Its key; of an outline, with the least digest; without the span, the least that it can be: only its place is known.
    pub(super) key: SpanKey,
    /// The span itself, or its outline, where [`Drive::reads`] asks for it.
    pub(super) span: Option<Span>,
}

/// How many spans are asked for at a time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Chunks {
    /// In the next chunk; chunks double,
    pub(super) next: usize,
    /// up to this.
    pub(super) max: usize,
}

/// A walk through spans.
pub(super) struct Sweep<'a> {
    store: &'a dyn SpanStore,
    drive: Drive,
    as_of: Watermark,
    chunks: Chunks,
    /// All spans above were looked at.
    position: ScanFrom,
    /// Spans that were read and not looked at yet.
    queue: VecDeque<Met>,
    /// Where the position is once the queue is empty, when that is further than its last span.
    then: Option<ScanFrom>,
    /// Whether nothing is beyond the queue.
    all_read: bool,
    /// The length of the next window, in nanoseconds; `None` asks for all the rest.
    window_nanos: Option<u64>,
}

impl<'a> Sweep<'a> {
    pub(super) fn new(store: &'a dyn SpanStore, drive: Drive, as_of: Watermark, chunks: Chunks) -> Self {
        Self {
            store,
            drive,
            as_of,
            chunks,
            position: ScanFrom::Top,
            queue: VecDeque::new(),
            then: None,
            all_read: false,
            window_nanos: None,
        }
    }

    /// Begins with windows of this length at once.
    pub(super) fn in_windows(&mut self, nanos: Option<u64>) {
        self.window_nanos = nanos;
    }

    /// Goes on from here instead.
    pub(super) fn restart(&mut self, from: ScanFrom) {
        self.position = from;
        self.queue.clear();
        (self.then, self.all_read) = (None, from == self.end_position());
    }

    /// Where the position is when all was looked at.
    fn end_position(&self) -> ScanFrom {
        ScanFrom::before_time(self.drive.search.start_min.unwrap_or_default())
    }

    /// Goes no further.
    pub(super) fn end(&mut self) {
        self.queue.clear();
        self.all_read = true;
    }

    pub(super) fn position(&self) -> ScanFrom {
        self.position
    }

    /// The spans that were read and not taken yet, the next one first.
    pub(super) fn waiting(&self) -> impl Iterator<Item = &Met> {
        self.queue.iter()
    }

    /// Whether all was looked at.
    pub(super) fn is_done(&self) -> bool {
        self.all_read && self.queue.is_empty()
    }

    /// The next span of those that were read, and where a scan begins that meets it first.
    pub(super) fn take(&mut self) -> Option<(Met, ScanFrom)> {
        let met = self.queue.pop_front()?;
        let from = std::mem::replace(&mut self.position, ScanFrom::Below(met.key));
        self.settle();
        Some((met, from))
    }

    fn settle(&mut self) {
        if self.queue.is_empty()
            && let Some(then) = self.then.take()
        {
            self.position = then;
        }
    }

    /// Reads the next spans, unless the budget ends before. With `must`, something is read whatever it costs.
    pub(super) async fn read(&mut self, budget: &Budget, must: bool) -> Result<(), StoreError> {
        loop {
            let Some(since) = self.window_start().await? else {
                self.all_read = true;
                return Ok(());
            };
            let used = budget.used_thousandths();
            let scan = self.scan(since, budget.work());
            let read = match self.allowance(budget, must) {
                Some(allowance) => budget.within(allowance, scan).await.transpose()?,
                None => Some(scan.await?),
            };
            match read {
                Some((met, is_all)) => {
                    self.accept(met, is_all, since);
                    self.adapt(budget.used_thousandths().saturating_sub(used), is_all);
                    return Ok(());
                }
                None if self.window_nanos.is_some() && !must => return Ok(()),
                None => self.shrink(),
            }
        }
    }

    /// How far the next question may go; `None` when there is no smaller one.
    fn allowance(&self, budget: &Budget, must: bool) -> Option<Allowance> {
        match self.window_nanos {
            Some(..=1) if must => None,
            Some(_) if !must => Some(budget.rest()),
            _ => Some(budget.quarter()),
        }
    }

    /// When the next window begins; `None` when there are no spans at all.
    async fn window_start(&mut self) -> Result<Option<UnixNanos>, StoreError> {
        let start_min = self.drive.search.start_min.unwrap_or_default();
        let Some(nanos) = self.window_nanos else { return Ok(Some(start_min)) };
        let last = match self.position.before() {
            Some(key) if key == least_key(key.start) => key.start.0.checked_sub(1),
            Some(key) => Some(key.start.0),
            None => self.newest().await?.map(|newest| newest.0),
        };
        Ok(last.map(|last| UnixNanos(last.saturating_sub(nanos.saturating_sub(1))).max(start_min)))
    }

    /// When the newest span of all starts, that can be met as far as its time goes.
    async fn newest(&self) -> Result<Option<UnixNanos>, StoreError> {
        let fields = SearchFields { start_max: self.drive.search.start_max, ..SearchFields::default() };
        let search = Search::try_from(fields).unwrap_or_default();
        let scan = Scan { as_of: Some(self.as_of), limit: 1, ..Scan::of(search) };
        Ok(self.store.scan_places(scan).await?.first().map(|(start, _)| *start))
    }

    /// The next spans that start at this time or later, and whether these are all.
    fn scan(
        &self,
        since: UnixNanos,
        work: &Work,
    ) -> impl Future<Output = Result<(Vec<Met>, bool), StoreError>> + Send + use<'a> {
        let (store, reads, limit) = (self.store, self.drive.reads.clone(), self.chunks.next);
        let search = if since.0 == 0 { Some(self.drive.search.clone()) } else { self.drive.search_since(since) };
        let scan = search.map(|search| Scan {
            search,
            filter: self.drive.filter.clone(),
            as_of: Some(self.as_of),
            before: self.position.before(),
            limit,
            spare: limit.saturating_mul(SPARE).min(self.chunks.max.saturating_sub(limit)),
            work: work.clone(),
        });
        async move {
            let Some(scan) = scan else { return Ok((Vec::new(), true)) };
            match reads {
                Reads::Spans => spans(store, scan, limit).await,
                Reads::Outlines(parts) => match store.scan_outlines(scan.clone(), &parts).await? {
                    Some(Outlines { spans, is_all }) => {
                        let met = spans.into_iter().map(|(key, span)| Met { key, span: Some(span) });
                        Ok((met.collect(), is_all))
                    }
                    None => spans(store, scan, limit).await,
                },
                Reads::Places => {
                    let met = |(start, trace_id)| Met { key: SpanKey::least(start, trace_id), span: None };
                    let met: Vec<_> = store.scan_places(scan).await?.into_iter().map(met).collect();
                    let is_all = met.len() < limit;
                    Ok((met, is_all))
                }
            }
        }
    }

    fn accept(&mut self, met: Vec<Met>, is_all: bool, since: UnixNanos) {
        self.queue = met.into();
        self.then = is_all.then(|| ScanFrom::before_time(since));
        self.all_read = self.then == Some(self.end_position());
        self.settle();
        self.chunks.next = self.chunks.next.saturating_mul(2).min(self.chunks.max);
    }

    /// The next window, after one that cost so many thousandths of the budget.
    fn adapt(&mut self, cost: u64, is_all: bool) {
        let Some(nanos) = self.window_nanos else { return };
        self.window_nanos = Some(match cost {
            _ if !is_all => nanos,
            0..=1 => nanos.saturating_mul(64),
            2..=15 => nanos.saturating_mul(8),
            16..=125 => nanos.saturating_mul(2),
            _ => (nanos / 4).max(1),
        });
    }

    fn shrink(&mut self) {
        let nanos = self.window_nanos.map_or(WINDOW_FIRST_NANOS, |nanos| nanos / WINDOW_SHRINKS_BY);
        self.window_nanos = Some(nanos.max(1));
    }
}

async fn spans(store: &dyn SpanStore, scan: Scan, limit: usize) -> Result<(Vec<Met>, bool), StoreError> {
    let (mut met, mut bytes) = (Vec::new(), 0_usize);
    let mut spans = store.scan_spans(scan);
    while let Some(span) = spans.try_next().await? {
        bytes = bytes.saturating_add(size::span(&span));
        met.push(Met { key: span.key(), span: Some(span) });
        if bytes > CHUNK_BYTES_MAX {
            return Ok((met, false));
        }
    }
    let is_all = met.len() < limit;
    Ok((met, is_all))
}
