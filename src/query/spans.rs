//! A page of the list of spans.
//!
//! Without a query, and with one that spans alone decide, the list is what a scan gives. With one over whole traces, a
//! scan gives the spans that may be found, and of each its trace is read to know; what was found in a trace is remembered
//! for its other spans. Where few traces can match at all, these are read instead ([`Few`]).

use std::collections::{HashMap, HashSet};

use super::drive::{Drive, Reads};
use super::few::Few;
use super::finder::{Finder, each_trace};
use super::page::{Coverage, Filling, SearchPage};
use super::sweep::{Chunks, ScanFrom, Sweep};
use super::token::{self, AfterSpan};
use super::traces::{TOO_LARGE_NAMED_MAX, Tools};
use super::{Question, size};
use crate::model::{Span, SpanKey, TraceId, TraceSummary};
use crate::store::{StoreError, Watermark};
use crate::traceql::plan::Reach;

/// Spans in a chunk at the most, and those in the first one at the least when not all of them may be found.
const CHUNK_SPANS_MAX: usize = 2_048;
const CHUNK_SPANS_MIN: usize = 64;

/// A page in the making.
pub(super) struct SpanSearch<'a> {
    tools: Tools<'a>,
    question: Question<'a>,
    finder: Option<Finder<'a>>,
    as_of: Watermark,
    page: Filling<Span>,
    sweep: Sweep<'a>,
    /// Of whole traces that were read, the spans that are found.
    known: HashMap<TraceId, HashSet<SpanKey>>,
    known_spans: usize,
    too_large: Vec<TraceId>,
    has_progressed: bool,
    limit_reached: bool,
}

impl<'a> SpanSearch<'a> {
    /// The page after the one that gave the token, or the first.
    pub(super) async fn page(
        tools: Tools<'a>,
        question: Question<'a>,
        after: Option<AfterSpan>,
        page: Filling<Span>,
    ) -> Result<SearchPage<Span>, StoreError> {
        let as_of = match &after {
            Some(after) => after.as_of,
            None => tools.store.watermark().await?,
        };
        let mut search = Self::new(tools, question, as_of, page);
        if let Some(after) = &after {
            search.sweep.restart(ScanFrom::Below(after.last));
        }
        if search.is_few(after.map(|after| after.last)).await? {
            return Ok(search.finish());
        }
        while !search.show().await? && !search.sweep.is_done() && !search.must_stop() {
            let must = !search.has_progressed;
            let position = search.sweep.position();
            search.sweep.read(tools.budget, must).await?;
            // A window that has nothing is progress, too; spans that are there have to be taken first.
            search.has_progressed |= search.sweep.position() != position;
        }
        Ok(search.finish())
    }

    fn new(tools: Tools<'a>, question: Question<'a>, as_of: Watermark, page: Filling<Span>) -> Self {
        let finder = Finder::of(&question);
        let drive = Drive::by_found(question.search, finder.as_ref().map(|finder| &finder.plan));
        let drive = Drive { reads: Reads::Spans, ..drive };
        // One more than fit, to know whether there is a next page.
        let wanted = page.free().saturating_add(1);
        let next = if finder.is_some() { wanted.clamp(CHUNK_SPANS_MIN, CHUNK_SPANS_MAX) } else { wanted };
        let mut sweep = Sweep::new(tools.store, drive, as_of, Chunks { next, max: CHUNK_SPANS_MAX.max(next) });
        sweep.in_windows(tools.reading.window_nanos);
        Self {
            tools,
            question,
            finder,
            as_of,
            page,
            sweep,
            known: HashMap::new(),
            known_spans: 0,
            too_large: Vec::new(),
            has_progressed: false,
            limit_reached: false,
        }
    }

    /// Fills the page when few traces can match, and says whether that is so.
    async fn is_few(&mut self, before: Option<SpanKey>) -> Result<bool, StoreError> {
        let Some(finder) = &self.finder else { return Ok(false) };
        let few = Few::of(self.tools, finder, self.question.search, self.as_of).await?;
        let Some(few) = few else { return Ok(false) };
        match few.fill(self.tools, finder, (self.as_of, before), &mut self.page).await? {
            Some(last) => self.sweep.restart(ScanFrom::Below(last)),
            None => self.sweep.end(),
        }
        self.too_large = few.too_large;
        Ok(true)
    }

    fn must_stop(&mut self) -> bool {
        self.limit_reached = self.has_progressed && self.tools.budget.is_spent();
        self.limit_reached
    }

    /// Takes the spans that were read, those that are found to the page; says whether the page ends.
    async fn show(&mut self) -> Result<bool, StoreError> {
        loop {
            let next = self.sweep.waiting().next().map(|met| met.key);
            let Some(key) = next else { return Ok(self.page.free() == 0) };
            if self.is_of_whole_traces() && !self.known.contains_key(&key.trace_id) {
                if self.must_stop() {
                    return Ok(true);
                }
                self.read_traces().await?;
            } else if !self.show_next() {
                return Ok(true);
            }
        }
    }

    fn is_of_whole_traces(&self) -> bool {
        self.finder.as_ref().is_some_and(|finder| finder.plan.reach == Reach::Trace)
    }

    /// Takes the next span, unless it is found and the page has no room for it.
    fn show_next(&mut self) -> bool {
        let next = self.sweep.waiting().next();
        let Some((key, span)) = next.and_then(|met| met.span.as_ref().map(|span| (met.key, span))) else { return true };
        let is_found = match &self.finder {
            None => true,
            Some(finder) if finder.plan.reach == Reach::Span => finder.alone(span).is_some(),
            Some(_) => self.known.get(&key.trace_id).is_some_and(|found| found.contains(&key)),
        };
        if is_found && !self.page.has_room_for(size::span(span)) {
            return false;
        }
        if let Some((met, _)) = self.sweep.take()
            && let Some(span) = met.span.filter(|_| is_found)
        {
            self.page.take(span, size::span);
        }
        self.has_progressed = true;
        true
    }

    /// Reads the traces of the next spans, up to a number and a size.
    async fn read_traces(&mut self) -> Result<(), StoreError> {
        if self.known_spans > self.tools.reading.known_spans_max {
            (self.known_spans, self.known) = (0, HashMap::new());
        }
        let ids = self.unknown_ids();
        let summaries = self.tools.store.summaries(&ids, Some(self.as_of)).await?;
        let ids = self.wanted(ids, &summaries);
        let Some(finder) = &self.finder else { return Ok(()) };
        self.known.extend(ids.iter().map(|id| (*id, HashSet::new())));
        let spans = self.tools.store.traces(ids, Some(self.as_of), self.tools.budget.work().clone());
        each_trace(spans, |id, spans| {
            let found = finder.keys(spans);
            self.known_spans = self.known_spans.saturating_add(found.len());
            self.known.insert(id, found);
        })
        .await
    }

    /// The traces of the next spans of which nothing is known, that of the very next one first.
    fn unknown_ids(&self) -> Vec<TraceId> {
        let ids_max = self.page.free().saturating_add(1).min(self.tools.reading.summaries_max);
        let mut ids = Vec::new();
        for met in self.sweep.waiting() {
            let id = met.key.trace_id;
            if ids.len() < ids_max && !self.known.contains_key(&id) && !ids.contains(&id) {
                ids.push(id);
            }
        }
        ids
    }

    /// Those of the traces that have to be read, up to a size. In others nothing is found: that is known then.
    fn wanted(&mut self, ids: Vec<TraceId>, summaries: &[TraceSummary]) -> Vec<TraceId> {
        let Some(finder) = &self.finder else { return Vec::new() };
        let (mut wanted, mut spans) = (Vec::new(), 0_u64);
        for id in ids {
            let summary = summaries.iter().find(|summary| summary.trace_id == id);
            let span_count = summary.filter(|summary| finder.plan.may_match(summary)).map_or(0, |one| one.span_count);
            let is_too_large = span_count > self.tools.trace_spans_max;
            if is_too_large && self.too_large.len() < TOO_LARGE_NAMED_MAX {
                self.too_large.push(id);
            }
            if is_too_large || span_count == 0 {
                self.known.insert(id, HashSet::new());
                continue;
            }
            spans = spans.saturating_add(span_count);
            if !wanted.is_empty() && spans > self.tools.reading.answer_spans_max {
                break;
            }
            wanted.push(id);
        }
        wanted
    }

    fn finish(self) -> SearchPage<Span> {
        let is_last = self.sweep.is_done();
        let position = self.sweep.position();
        let coverage = Coverage {
            limit_reached: self.limit_reached && !is_last,
            since: (!is_last).then(|| position.since()),
            work: self.tools.budget.work().clone(),
            trace_ids_too_large: self.too_large,
        };
        let token = |last: SpanKey| token::seal(&AfterSpan { as_of: self.as_of, last }, self.question.digest());
        let next = position.before().filter(|_| !is_last).map(token).unwrap_or_default();
        SearchPage { items: self.page.into_items(), next, coverage }
    }
}
