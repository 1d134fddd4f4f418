//! A page of the list of traces, made from the order of spans.
//!
//! A store can go through spans, newest first; the list is of traces, newest first by the start of the whole trace. What
//! makes one out of the other: every trace of the list has a span that the search goes through ([`Drive`]). One that was
//! not seen yet has all of these below the position of the scan, so it starts at or before that position. A trace that
//! was seen is therefore certain, and its turn has come, once its own start and id are at or above the position. Until
//! then it is pending. That holds whichever spans are gone through, and of a query over whole traces they need not be
//! those that it finds; whether it finds any is looked up when the trace's turn has come.
//!
//! When the page is full some traces are pending: long ones, mostly. The token carries the ids of those that were seen
//! first, and the position from which the others are seen again. So a page deep in the list costs a page, not all that
//! is before it, even when a trace of hours lies across it. A trace above the last one shown has been shown already.
//!
//! When the page ends by the limit on its work, it may have shown nothing, and must have come further all the same: then
//! the token carries all that are pending, and the position stays where it is. There may be more than a token holds, or
//! than is remembered: the least ones are forgotten, but for the place that none of them is above ([`Forgotten`]). Once
//! the list has come down to that place, they are seen again.
//!
//! The moment that all pages show is named before the first page reads anything: a span that arrives while it reads
//! could otherwise move the start of a trace below the page, and the trace would be shown again.

use std::collections::{BTreeMap, HashSet};

use super::budget::Budget;
use super::drive::Drive;
use super::finder::{Finder, SpanSet};
use super::page::{Coverage, Filling, SearchPage};
use super::sweep::{Chunks, Met, ScanFrom, Sweep};
use super::token::{self, AfterTrace, CARRIED_MAX, Place};
use super::{Question, size};
use crate::model::{TraceId, TraceSummary, UnixNanos};
use crate::store::{SpanStore, StoreError, Watermark};
use crate::traceql::plan::Reach;

mod answer;
mod pending;

use pending::{Answer, Pending, Seen};

/// A trace that a search found.
#[derive(Debug, Clone, PartialEq)]
pub struct FoundTrace {
    /// What is known of the whole trace.
    pub summary: TraceSummary,
    /// What the query found in it; empty without one.
    pub span_sets: Vec<SpanSet>,
}

/// How much is read at a time, and remembered.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading {
    /// Span keys in the first chunk, for every trace of the page. Chunks double.
    pub(super) keys_per_trace: usize,
    /// The same when whole traces are asked about: not all that are met are found.
    pub(super) keys_per_asked_trace: usize,
    /// The same when any span of a trace may match: then a trace has many.
    pub(super) keys_per_whole_trace: usize,
    /// Span keys in a chunk at the least.
    pub(super) keys_min: usize,
    /// Span keys in a chunk at the most.
    pub(super) keys_max: usize,
    /// The first window of a scan, in nanoseconds; without it, all is asked for first.
    pub(super) window_nanos: Option<u64>,
    /// Traces in the first request for summaries, for every trace of the page. Requests double.
    pub(super) summaries_per_trace: usize,
    /// Traces in a request for summaries, or for whole traces, at the most.
    pub(super) summaries_max: usize,
    /// Spans in a request for whole traces at the most, unless a single trace has more.
    pub(super) answer_spans_max: u64,
    /// Pending traces beyond those that the page has room for.
    pub(super) pending_max: usize,
    /// Pending traces, of those that were seen on the page, whose ids the token of a full page carries.
    pub(super) carried_new_max: usize,
    /// Pending traces whose ids a token carries; [`CARRIED_MAX`] at the most.
    pub(super) carried_max: usize,
    /// Traces known to have been seen; when there are more, all are forgotten and may be looked up once more.
    pub(super) seen_max: usize,
    /// Spans whose place among the found ones is remembered; when there are more, their traces may be read once more.
    pub(super) known_spans_max: usize,
}

impl Default for Reading {
    fn default() -> Self {
        Self {
            keys_per_trace: 4,
            keys_per_asked_trace: 16,
            keys_per_whole_trace: 48,
            keys_min: 64,
            keys_max: 4_096,
            window_nanos: None,
            summaries_per_trace: 2,
            summaries_max: 1_024,
            answer_spans_max: 50_000,
            pending_max: CARRIED_MAX,
            carried_new_max: 32,
            carried_max: CARRIED_MAX,
            seen_max: 65_536,
            known_spans_max: 200_000,
        }
    }
}

/// Traces that are left out are named, up to this number.
pub(super) const TOO_LARGE_NAMED_MAX: usize = 100;

/// What all pages are made with.
#[derive(Clone, Copy)]
pub(super) struct Tools<'a> {
    pub(super) store: &'a dyn SpanStore,
    pub(super) reading: Reading,
    /// A larger trace is not queried as a whole.
    pub(super) trace_spans_max: u64,
    pub(super) budget: &'a Budget,
}

/// What to do with a trace whose turn has come.
enum Step {
    Wait,
    Show,
    Answer,
}

/// A page in the making.
pub(super) struct TraceSearch<'a> {
    tools: Tools<'a>,
    question: Question<'a>,
    finder: Option<Finder<'a>>,
    as_of: Watermark,
    page: Filling<FoundTrace>,
    /// The last trace shown, on this page or an earlier one; or what it could have been.
    last: Option<Place>,
    pending: Pending,
    seen: HashSet<TraceId>,
    sweep: Sweep<'a>,
    summaries_next: usize,
    answers_next: usize,
    /// Whether in most of the traces that were read last something was found.
    are_mostly_found: bool,
    too_large: Vec<TraceId>,
    /// Whether a token that is made now leads further than the one that the page was asked with.
    has_progressed: bool,
    limit_reached: bool,
}

impl<'a> TraceSearch<'a> {
    /// The page after the one that gave the token, or the first.
    pub(super) async fn page(
        tools: Tools<'a>,
        question: Question<'a>,
        after: Option<AfterTrace>,
        page: Filling<FoundTrace>,
    ) -> Result<SearchPage<FoundTrace>, StoreError> {
        let as_of = match &after {
            Some(after) => after.as_of,
            None => tools.store.watermark().await?,
        };
        let mut search = Self::new(tools, question, as_of, page);
        if let Some(after) = after {
            search.resume(after).await?;
        }
        while !search.show_certain().await? {
            if !search.recall() {
                if search.sweep.is_done() || search.must_stop() {
                    break;
                }
                search.look_on().await?;
            }
        }
        Ok(search.finish())
    }

    fn new(tools: Tools<'a>, question: Question<'a>, as_of: Watermark, page: Filling<FoundTrace>) -> Self {
        let reading = tools.reading;
        let finder = Finder::of(&question);
        let drive = Drive::of_traces(&question, finder.as_ref().map(|finder| &finder.plan));
        let first = |per_trace: usize| page.free().saturating_mul(per_trace);
        let asks_of_traces = finder.as_ref().is_some_and(|finder| finder.plan.reach == Reach::Trace);
        let keys = match (drive.is_of_few(), asks_of_traces) {
            (false, _) => reading.keys_per_whole_trace,
            (true, true) => reading.keys_per_asked_trace,
            (true, false) => reading.keys_per_trace,
        };
        let chunks = Chunks { next: first(keys).clamp(reading.keys_min, reading.keys_max), max: reading.keys_max };
        let mut sweep = Sweep::new(tools.store, drive, as_of, chunks);
        sweep.in_windows(reading.window_nanos);
        Self {
            summaries_next: first(reading.summaries_per_trace).min(reading.summaries_max),
            answers_next: page.free().min(reading.summaries_max),
            are_mostly_found: false,
            tools,
            question,
            finder,
            as_of,
            page,
            last: None,
            pending: Pending::default(),
            seen: HashSet::new(),
            sweep,
            too_large: Vec::new(),
            has_progressed: false,
            limit_reached: false,
        }
    }

    /// Goes on where the page before ended. What that page carried over was seen above the position, nobody knows where.
    async fn resume(&mut self, after: AfterTrace) -> Result<(), StoreError> {
        self.last = after.last;
        self.sweep.restart(after.before.map_or(ScanFrom::Top, ScanFrom::Below));
        self.seen.extend(&after.carried);
        self.pending.forgotten = after.forgotten;
        let answer = || if self.finder.is_some() { Answer::Unknown } else { Answer::Known(Vec::new()) };
        let seen = after.carried.into_iter().map(|id| (id, Seen { from: ScanFrom::Top, answer: answer() })).collect();
        self.summarise(seen).await
    }

    /// Whether the page ends here because its budget is spent.
    fn must_stop(&mut self) -> bool {
        self.limit_reached = self.has_progressed && self.tools.budget.is_spent();
        self.limit_reached
    }

    /// Traces from here on are certain; `None` when all are.
    fn floor(&self) -> Option<Place> {
        let highest = (UnixNanos(u64::MAX), TraceId::MAX);
        let place = self.sweep.position().before().map_or(highest, |key| (key.start, key.trace_id));
        (!self.sweep.is_done()).then_some(place)
    }

    /// Moves what is certain from pending to the page; says whether the page ends.
    async fn show_certain(&mut self) -> Result<bool, StoreError> {
        loop {
            if self.page.free() == 0 {
                return Ok(true);
            }
            let Some((place, step)) = self.next_step() else { return Ok(false) };
            match step {
                Step::Wait => return Ok(false),
                Step::Show if !self.show(place) => return Ok(true),
                Step::Show => {}
                Step::Answer if self.must_stop() => return Ok(true),
                Step::Answer => {
                    self.answer().await?;
                    self.has_progressed = true;
                }
            }
        }
    }

    /// The next trace that is certain, and what to do with it.
    fn next_step(&self) -> Option<(Place, Step)> {
        let floor = self.floor();
        let (place, next) = self.pending.from(floor).next()?;
        let step = match next.seen.answer {
            // More of its spans may be right below.
            Answer::Gathering(_) if floor == Some(place) => Step::Wait,
            Answer::Known(_) | Answer::Gathering(_) => Step::Show,
            Answer::Unknown => Step::Answer,
        };
        Some((place, step))
    }

    /// Shows a trace if there is room for it.
    fn show(&mut self, place: Place) -> bool {
        let Some(trace) = self.pending.remove(place) else { return true };
        let (from, summary) = (trace.seen.from, trace.summary);
        let span_sets = match trace.seen.answer {
            Answer::Known(sets) => sets,
            Answer::Gathering(gathered) => gathered.into_sets(),
            Answer::Unknown => Vec::new(),
        };
        let found = FoundTrace { summary, span_sets };
        if !self.page.has_room_for(size::found_trace(&found)) {
            let seen = Seen { from, answer: Answer::Known(found.span_sets) };
            self.pending.insert(seen, found.summary);
            return false;
        }
        self.last = Some(place);
        self.has_progressed = true;
        self.page.take(found, size::found_trace)
    }

    /// Goes back to what was forgotten, when nothing above it is left.
    fn recall(&mut self) -> bool {
        let is_next = self.pending.forgotten.is_some_and(|forgotten| {
            self.floor().is_none_or(|floor| floor <= forgotten.horizon) && self.pending.from(None).next().is_none()
        });
        let Some((horizon, from)) = is_next.then(|| self.pending.recall()).flatten() else { return false };
        // What is above was shown, or is not found.
        self.last = above(horizon);
        self.seen.clear();
        self.sweep.restart(from);
        true
    }

    /// Looks at the next spans: traces that were not seen before become pending.
    async fn look_on(&mut self) -> Result<(), StoreError> {
        let position = self.sweep.position();
        if self.sweep.waiting().next().is_none() {
            let must = !self.has_progressed;
            self.sweep.read(self.tools.budget, must).await?;
        }
        if self.seen.len() > self.tools.reading.seen_max {
            self.seen.clear();
        }
        let mut found = BTreeMap::new();
        while found.len() < self.summaries_next
            && let Some((met, from)) = self.sweep.take()
        {
            self.meet(met, from, &mut found);
        }
        self.has_progressed |= self.sweep.position() != position;
        self.summaries_next = self.summaries_next.saturating_mul(2).min(self.tools.reading.summaries_max);
        self.summarise(found).await
    }

    fn meet(&mut self, met: Met, from: ScanFrom, found: &mut BTreeMap<TraceId, Seen>) {
        let Met { key, span } = met;
        let (shown, answer) = match (&self.finder, span) {
            (Some(finder), Some(span)) => match finder.alone(&span) {
                Some(shown) => (Some(shown), Answer::Gathering(finder.gathering())),
                None => return,
            },
            (Some(_), None) => (None, Answer::Unknown),
            (None, _) => (None, Answer::Known(Vec::new())),
        };
        let id = key.trace_id;
        if let Some(pending) = self.pending.get_mut(id) {
            pending.seen.gather(key, shown);
        } else if let Some(seen) = found.get_mut(&id) {
            seen.gather(key, shown);
        } else if self.seen.insert(id) {
            found.entry(id).or_insert(Seen { from, answer }).gather(key, shown);
        }
    }

    /// Looks these traces up; those that were not shown on an earlier page, and may be found, become pending.
    async fn summarise(&mut self, mut found: BTreeMap<TraceId, Seen>) -> Result<(), StoreError> {
        if found.is_empty() {
            return Ok(());
        }
        let ids: Vec<_> = found.keys().copied().collect();
        for summary in self.tools.store.summaries(&ids, Some(self.as_of)).await? {
            let place = (summary.start, summary.trace_id);
            if self.last.is_none_or(|last| place < last)
                && self.may_be_found(&summary)
                && let Some(seen) = found.remove(&summary.trace_id)
            {
                self.pending.insert(seen, summary);
            }
        }
        // So many are above the least ones that this page will not come to them.
        self.pending.keep(self.page.free().saturating_add(self.tools.reading.pending_max));
        Ok(())
    }

    /// Whether a query over whole traces may find something in this one, and it is not too large for that.
    fn may_be_found(&mut self, summary: &TraceSummary) -> bool {
        let Some(finder) = self.finder.as_ref().filter(|finder| finder.plan.reach == Reach::Trace) else { return true };
        if !finder.plan.may_match(summary) {
            return false;
        }
        let is_too_large = summary.span_count > self.tools.trace_spans_max;
        if is_too_large && self.too_large.len() < TOO_LARGE_NAMED_MAX && !self.too_large.contains(&summary.trace_id) {
            self.too_large.push(summary.trace_id);
        }
        !is_too_large
    }

    fn finish(mut self) -> SearchPage<FoundTrace> {
        let is_last = self.sweep.is_done() && self.pending.is_empty();
        let coverage = Coverage {
            limit_reached: self.limit_reached && !is_last,
            since: self.covered_since().filter(|_| !is_last),
            work: self.tools.budget.work().clone(),
            trace_ids_too_large: std::mem::take(&mut self.too_large),
        };
        let next = if is_last { String::new() } else { token::seal(&self.token(), self.question.digest()) };
        SearchPage { items: self.page.into_items(), next, coverage }
    }

    /// Every trace that starts then or later is shown, or was.
    fn covered_since(&self) -> Option<UnixNanos> {
        let next = self.pending.highest();
        let next_since = next.map(|(start, _)| UnixNanos(start.0.saturating_add(1)));
        match self.floor() {
            Some(floor) if next.is_none_or(|next| next < floor) => Some(self.sweep.position().since()),
            _ => next_since,
        }
    }

    fn token(&mut self) -> AfterTrace {
        let Reading { carried_new_max, carried_max, .. } = self.tools.reading;
        let position = self.sweep.position();
        let (carried, from) = if self.limit_reached {
            self.pending.keep(carried_max);
            (self.pending.ids(), position)
        } else {
            let (carried, again) = self.pending.carry(carried_new_max, carried_max);
            (carried, again.unwrap_or(position))
        };
        let (as_of, last, forgotten) = (self.as_of, self.last, self.pending.forgotten);
        AfterTrace { as_of, last, before: from.before(), forgotten, carried }
    }
}

/// The next place above; `None` when there is none.
fn above((start, id): Place) -> Option<Place> {
    let next = u128::from_be_bytes(*id.as_bytes()).checked_add(1);
    match next.and_then(|id| TraceId::from_slice(&id.to_be_bytes()).ok()) {
        Some(id) => Some((start, id)),
        None => start.0.checked_add(1).map(|start| (UnixNanos(start), TraceId::MIN)),
    }
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "an overflow fails the test")]
mod tests;
