//! A page of the list of traces, made from the order of spans.
//!
//! A store can go through matching spans, newest first; the list is of traces, newest first by the start of the whole
//! trace. What makes one out of the other: a trace that was not seen yet has all its matching spans below the position
//! of the scan, so it starts at or before that position. A trace that was seen is therefore certain, and can be shown,
//! once its own start and id are at or above the position. Until then it is pending.
//!
//! When the page is full some traces are pending: long ones, mostly. The token carries the ids of those that were seen
//! first, and the position from which the others are seen again. So a page deep in the list costs a page, not all that
//! is before it, even when a trace of hours lies across it. A trace above the last one shown has been shown already.
//!
//! The moment that all pages show is named before the first page reads anything: a span that arrives while it reads
//! could otherwise move the start of a trace below the page, and the trace would be shown again.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashSet, VecDeque};

use super::page::{Filling, Page};
use super::size;
use super::token::{self, AfterTrace, CARRIED_MAX, Place};
use crate::model::{Search, SpanKey, TraceId, TraceSummary};
use crate::store::{Scan, SpanStore, StoreError, Watermark};

/// How much is read at a time, and remembered.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading {
    /// Span keys in the first chunk, for every trace of the page. Chunks double.
    keys_per_trace: usize,
    /// The same when any span of a trace may match: then a trace has many.
    keys_per_whole_trace: usize,
    /// Span keys in a chunk at the least.
    keys_min: usize,
    /// Span keys in a chunk at the most.
    keys_max: usize,
    /// Traces in the first request for summaries, for every trace of the page. Requests double.
    summaries_per_trace: usize,
    /// Traces in a request for summaries at the most.
    summaries_max: usize,
    /// Pending traces beyond those that the page has room for.
    pending_max: usize,
    /// Pending traces whose ids the token carries; [`CARRIED_MAX`] at the most.
    carried_max: usize,
    /// Traces known to have been seen; when there are more, all are forgotten and may be looked up once more.
    seen_max: usize,
}

impl Default for Reading {
    fn default() -> Self {
        Self {
            keys_per_trace: 16,
            keys_per_whole_trace: 48,
            keys_min: 64,
            keys_max: 4_096,
            summaries_per_trace: 2,
            summaries_max: 1_024,
            pending_max: 1_024,
            carried_max: CARRIED_MAX,
            seen_max: 65_536,
        }
    }
}

/// Whether few spans of a trace match, as far as can be told: it has one of a name, and few that are long or fail.
fn is_of_few(search: &Search) -> bool {
    search.span_name.is_some() || search.status.is_some() || search.duration_min_nanos.is_some()
}

/// Where a scan begins, in the order of the keys that it meets first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum ScanFrom {
    /// At the greatest key less than this one.
    Below(SpanKey),
    /// At the greatest key of all.
    Top,
}

impl ScanFrom {
    fn before(self) -> Option<SpanKey> {
        match self {
            Self::Below(key) => Some(key),
            Self::Top => None,
        }
    }
}

/// A trace that was seen and is not certain yet.
struct Pending {
    /// A scan from here finds the trace again.
    from: ScanFrom,
    summary: TraceSummary,
}

/// A page in the making.
pub(super) struct TraceSearch<'a> {
    store: &'a dyn SpanStore,
    search: &'a Search,
    reading: Reading,
    page: Filling<TraceSummary>,
    /// The last trace shown, on this page or the one before.
    last: Option<Place>,
    pending: BTreeMap<Place, Pending>,
    /// The highest `from` of pending traces that were too many to keep.
    forgotten: Option<ScanFrom>,
    seen: HashSet<TraceId>,
    /// All keys above were looked at.
    position: ScanFrom,
    /// Keys that were read and not looked at yet.
    keys: VecDeque<SpanKey>,
    /// Whether there are no keys beyond `keys`.
    all_read: bool,
    keys_next: usize,
    summaries_next: usize,
}

impl<'a> TraceSearch<'a> {
    pub(super) fn new(
        store: &'a dyn SpanStore,
        search: &'a Search,
        reading: Reading,
        page: Filling<TraceSummary>,
    ) -> Self {
        let first = |per_trace: usize| page.free().saturating_mul(per_trace);
        let keys = if is_of_few(search) { reading.keys_per_trace } else { reading.keys_per_whole_trace };
        Self {
            keys_next: first(keys).clamp(reading.keys_min, reading.keys_max),
            summaries_next: first(reading.summaries_per_trace).min(reading.summaries_max),
            store,
            search,
            reading,
            page,
            last: None,
            pending: BTreeMap::new(),
            forgotten: None,
            seen: HashSet::new(),
            position: ScanFrom::Top,
            keys: VecDeque::new(),
            all_read: false,
        }
    }

    /// The page after the one that gave the token, or the first.
    pub(super) async fn page(mut self, after: Option<AfterTrace>) -> Result<Page<TraceSummary>, StoreError> {
        let as_of = match after {
            Some(after) => self.resume(after).await?,
            None => self.store.watermark().await?,
        };
        while !self.show_certain() && !self.is_done() {
            let found = self.look_on(as_of).await?;
            self.summarise(found, as_of).await?;
        }
        Ok(self.finish(as_of))
    }

    /// Goes on where the page before ended. What that page carried over was seen above the position, nobody knows where.
    async fn resume(&mut self, after: AfterTrace) -> Result<Watermark, StoreError> {
        self.last = Some(after.last);
        self.position = after.before.map_or(ScanFrom::Top, ScanFrom::Below);
        self.seen.extend(&after.carried);
        let carried = after.carried.into_iter().map(|id| (id, ScanFrom::Top)).collect();
        self.summarise(carried, after.as_of).await?;
        Ok(after.as_of)
    }

    fn is_done(&self) -> bool {
        self.all_read && self.keys.is_empty()
    }

    /// Moves what is certain from pending to the page; says whether the page is full.
    fn show_certain(&mut self) -> bool {
        let is_done = self.is_done();
        let floor = self.position.before().map(|key| (key.start, key.trace_id));
        while let Some(next) = self.pending.last_entry() {
            if !is_done && floor.is_none_or(|floor| *next.key() < floor) {
                break;
            }
            if !self.page.has_room_for(size::trace(&next.get().summary)) {
                return true;
            }
            let (place, pending) = next.remove_entry();
            self.last = Some(place);
            self.page.take(pending.summary, size::trace);
        }
        self.page.free() == 0
    }

    /// Looks at the next keys: traces that were not seen before, each with where it was found.
    async fn look_on(&mut self, as_of: Watermark) -> Result<BTreeMap<TraceId, ScanFrom>, StoreError> {
        if self.keys.is_empty() {
            self.read_keys(as_of).await?;
        }
        if self.seen.len() > self.reading.seen_max {
            self.seen.clear();
        }
        let mut found = BTreeMap::new();
        while found.len() < self.summaries_next
            && let Some(key) = self.keys.pop_front()
        {
            if self.seen.insert(key.trace_id) {
                found.insert(key.trace_id, self.position);
            }
            self.position = ScanFrom::Below(key);
        }
        self.summaries_next = self.summaries_next.saturating_mul(2).min(self.reading.summaries_max);
        Ok(found)
    }

    async fn read_keys(&mut self, as_of: Watermark) -> Result<(), StoreError> {
        let limit = self.keys_next;
        let scan = Scan { search: self.search.clone(), as_of: Some(as_of), before: self.position.before(), limit };
        self.keys = self.store.scan_keys(scan).await?.into();
        self.all_read = self.keys.len() < limit;
        self.keys_next = limit.saturating_mul(2).min(self.reading.keys_max);
        Ok(())
    }

    /// Looks these traces up; those that were not shown on an earlier page become pending.
    async fn summarise(&mut self, found: BTreeMap<TraceId, ScanFrom>, as_of: Watermark) -> Result<(), StoreError> {
        if found.is_empty() {
            return Ok(());
        }
        let ids: Vec<_> = found.keys().copied().collect();
        for summary in self.store.summaries(&ids, Some(as_of)).await? {
            let place = (summary.start, summary.trace_id);
            if self.last.is_none_or(|last| place < last)
                && let Some(from) = found.get(&summary.trace_id)
            {
                self.pending.insert(place, Pending { from: *from, summary });
            }
        }
        self.forget();
        Ok(())
    }

    /// Bounds what is pending. The least ones go: so many are above them that this page will not come to them.
    fn forget(&mut self) {
        let pending_max = self.page.free().saturating_add(self.reading.pending_max);
        while self.pending.len() > pending_max {
            let from = self.pending.pop_first().map(|(_, pending)| pending.from);
            self.forgotten = self.forgotten.max(from);
        }
    }

    fn finish(self, as_of: Watermark) -> Page<TraceSummary> {
        let all_shown = self.is_done() && self.pending.is_empty() && self.forgotten.is_none();
        let Some(last) = self.last.filter(|_| !all_shown) else {
            return self.page.the_last();
        };
        let mut pending: Vec<_> = self.pending.iter().map(|((_, id), pending)| (pending.from, *id)).collect();
        pending.sort_unstable_by_key(|pending| Reverse(*pending));
        let (carried, seen_again) = pending.split_at(pending.len().min(self.reading.carried_max));
        let from = seen_again.iter().map(|(from, _)| *from).chain(self.forgotten).max().unwrap_or(self.position);
        let carried = carried.iter().map(|(_, id)| *id).collect();
        let token = AfterTrace { as_of, last, before: from.before(), carried };
        self.page.with_more(|_| token::seal(&token, self.search.digest()))
    }
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "an overflow fails the test")]
mod tests;
