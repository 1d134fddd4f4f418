//! Part by part, the newest first: what is asked of the store for each, and what is measured of it.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::path::Path;
use super::request::MetricsRequest;
use super::rollups::Groups;
use super::windows::{Window, Windows};
use crate::model::{Filter, Search, SearchFields, Span, SpanKey, TraceId, UnixNanos};
use crate::query::budget::Budget;
use crate::query::{Evaluation, QueryError, QuerySettings};
use crate::store::{Scan, SpanStore, StoreError, Watermark};
use crate::traceql::evaluate::{Measurement, MeasurementLimits, TooMuch, Trace};
use crate::traceql::plan::text_of;
use futures::TryStreamExt;

/// So many places are asked for at once, to find traces by.
const PLACES_MAX: usize = 20_000;
/// So many traces are read at once.
const TRACES_MAX: usize = 256;

/// A query on its way.
pub(super) struct Run<'q> {
    pub(super) store: &'q dyn SpanStore,
    pub(super) settings: QuerySettings,
    pub(super) request: &'q MetricsRequest,
    pub(super) measurement: Measurement<'q>,
    /// How each function over spans is answered.
    pub(super) paths: Vec<Path>,
    pub(super) groups: Groups,
    pub(super) budget: Budget,
    /// Traces that were measured, or are too large to be.
    seen: HashSet<TraceId>,
    pub(super) too_large: BTreeSet<TraceId>,
    /// Everything that begins then or later was measured; `None` when nothing was.
    covered_since: Option<UnixNanos>,
    /// The first interval that was measured whole.
    pub(super) first_shown: usize,
}

/// How a query ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// Everything was measured.
    AllDone,
    /// The limit on work was reached first.
    AtLimit,
}

/// Why a part was not finished.
#[derive(Debug)]
pub(super) enum Failed {
    /// The limit on work was reached.
    AtLimit,
    /// There is too much to hold.
    TooMuch(TooMuch),
    /// The store failed.
    Store(StoreError),
}

/// Spans to go through, one by one.
#[derive(Debug)]
pub(super) struct SpanScan {
    pub(super) window: Window,
    /// Only those of this service.
    pub(super) service: Option<String>,
    /// The functions that measure them.
    pub(super) leaves: Vec<usize>,
}

impl<'q> Run<'q> {
    pub(super) fn new(
        store: &'q dyn SpanStore,
        settings: &QuerySettings,
        request: &'q MetricsRequest,
        limits: MeasurementLimits,
    ) -> Self {
        let intervals = request.intervals();
        let leaves = request.metrics().leaves();
        Self {
            store,
            settings: *settings,
            request,
            measurement: Measurement::new(request.metrics(), intervals.clone(), limits),
            paths: leaves.into_iter().map(|leaf| Path::of(leaf, intervals)).collect(),
            groups: HashMap::new(),
            budget: Budget::new(settings),
            seen: HashSet::new(),
            too_large: BTreeSet::new(),
            covered_since: None,
            first_shown: intervals.count(),
        }
    }

    /// What the function needs that needs most.
    pub(super) fn evaluation(&self) -> Evaluation {
        self.paths.iter().map(|path| path.evaluation).max().unwrap_or(Evaluation::Rollups)
    }

    /// What leaves spans out of all that is asked of the store, as text of the language.
    pub(super) fn pushed_down(&self) -> String {
        let all: Vec<_> = (0..self.paths.len()).collect();
        text_of(&self.found_by(&all))
    }

    /// Counts the blocks of all of the time, and those that may have what is found.
    pub(super) async fn count_blocks(&self) -> Result<(), QueryError> {
        let all: Vec<_> = (0..self.paths.len()).collect();
        let window = Window { start: self.request.start(), end: self.request.end() };
        match self.scan(window, None, &all, None) {
            Some(scan) => Ok(self.store.count_blocks(&scan).await?),
            None => Ok(()),
        }
    }

    pub(super) fn covered_since(&self) -> UnixNanos {
        self.covered_since.unwrap_or_else(|| self.request.end())
    }

    /// Measures everything, or as much as the limit on work allows.
    pub(super) async fn run(&mut self) -> Result<Ended, QueryError> {
        let as_of = self.store.watermark().await?;
        let mut windows = Windows::of(self.request.intervals());
        let mut before = self.budget.used_thousandths();
        while let Some(window) = windows.next() {
            let budget = self.budget.clone();
            match budget.within(budget.rest(), self.window(window, as_of)).await.unwrap_or(Err(Failed::AtLimit)) {
                Ok(()) => self.has_measured(window),
                Err(Failed::AtLimit) => return Ok(Ended::AtLimit),
                Err(Failed::TooMuch(error)) => return Err(error.into()),
                Err(Failed::Store(error)) => return Err(error.into()),
            }
            let used = budget.used_thousandths();
            windows.took(used.saturating_sub(before));
            before = used;
        }
        self.first_shown = 0;
        Ok(Ended::AllDone)
    }

    fn has_measured(&mut self, window: Window) {
        self.covered_since = Some(window.start);
        self.first_shown = self.request.intervals().index(window.start).unwrap_or(self.first_shown);
    }

    pub(super) fn check_limit(&self) -> Result<(), Failed> {
        if self.budget.is_spent() { Err(Failed::AtLimit) } else { Ok(()) }
    }

    /// Measures all that begins in a part of the time.
    async fn window(&mut self, window: Window, as_of: Watermark) -> Result<(), Failed> {
        self.check_limit()?;
        let mut scans = Vec::new();
        for leaf in 0..self.paths.len() {
            if let Some(asked) = self.paths.get(leaf).and_then(|path| path.rollups) {
                scans.extend(self.rollups(leaf, asked, window, as_of).await?);
            }
        }
        scans.push(SpanScan { window, service: None, leaves: self.leaves_on(Evaluation::Spans) });
        for scan in scans.into_iter().filter(|scan| !scan.leaves.is_empty()) {
            self.spans(&scan, as_of).await?;
        }
        let leaves = self.leaves_on(Evaluation::Traces);
        if leaves.is_empty() { Ok(()) } else { self.traces(window, &leaves, as_of).await }
    }

    fn leaves_on(&self, evaluation: Evaluation) -> Vec<usize> {
        (0..).zip(&self.paths).filter(|(_, path)| path.evaluation == evaluation).map(|(leaf, _)| leaf).collect()
    }

    /// What holds on every span that one of these functions measures.
    fn found_by(&self, leaves: &[usize]) -> Filter {
        let found: Vec<_> = leaves.iter().filter_map(|leaf| self.paths.get(*leaf)).map(|path| &path.found).collect();
        match found.as_slice() {
            [only] => (*only).clone(),
            _ if found.iter().any(|filter| matches!(filter, Filter::Everything)) => Filter::Everything,
            _ => Filter::OneOf(found.into_iter().cloned().collect()),
        }
    }

    fn scan(
        &self,
        window: Window,
        service: Option<String>,
        leaves: &[usize],
        as_of: Option<Watermark>,
    ) -> Option<Scan> {
        let end = Some(window.end).filter(|end| end.0 < u64::MAX);
        let fields = SearchFields { start_min: Some(window.start), start_max: end, service, ..SearchFields::default() };
        // A part is never empty.
        let search = Search::try_from(fields).ok()?;
        let (filter, work) = (self.found_by(leaves), self.budget.work().clone());
        Some(Scan { filter, as_of, work, ..Scan::of(search) })
    }

    /// Measures spans one by one.
    async fn spans(&mut self, scan: &SpanScan, as_of: Watermark) -> Result<(), Failed> {
        let Some(asked) = self.scan(scan.window, scan.service.clone(), &scan.leaves, Some(as_of)) else {
            return Ok(());
        };
        let mut spans = self.store.scan_spans(asked);
        while let Some(span) = spans.try_next().await? {
            let trace = Trace::new([&span]);
            scan.leaves.iter().try_for_each(|leaf| self.measurement.add_to(*leaf, &trace))?;
            self.check_limit()?;
        }
        Ok(())
    }

    /// Measures whole traces: those that have a span in the part, and had none in a newer one.
    async fn traces(&mut self, window: Window, leaves: &[usize], as_of: Watermark) -> Result<(), Failed> {
        let mut before: Option<SpanKey> = None;
        loop {
            let Some(scan) = self.scan(window, None, leaves, Some(as_of)) else { return Ok(()) };
            let places = self.store.scan_places(Scan { before, limit: PLACES_MAX, ..scan }).await?;
            self.check_limit()?;
            let ids: Vec<_> = places.iter().map(|(_, id)| *id).filter(|id| self.seen.insert(*id)).collect();
            for ids in ids.chunks(TRACES_MAX) {
                self.whole_traces(ids, leaves, as_of).await?;
            }
            before = places.last().map(|(start, id)| SpanKey::least(*start, *id));
            if places.len() < PLACES_MAX {
                return Ok(());
            }
        }
    }

    async fn whole_traces(&mut self, ids: &[TraceId], leaves: &[usize], as_of: Watermark) -> Result<(), Failed> {
        let mut spans = self.store.traces(ids.to_vec(), Some(as_of), self.budget.work().clone());
        let mut trace: Vec<Span> = Vec::new();
        while let Some(span) = spans.try_next().await? {
            if trace.first().is_some_and(|first| first.trace_id != span.trace_id) {
                self.add_trace(&trace, leaves)?;
                trace.clear();
            }
            if trace.len() <= self.trace_spans_max() {
                trace.push(span);
            }
            self.check_limit()?;
        }
        Ok(self.add_trace(&trace, leaves)?)
    }

    fn trace_spans_max(&self) -> usize {
        usize::try_from(self.settings.trace_spans_max).unwrap_or(usize::MAX)
    }

    fn add_trace(&mut self, spans: &[Span], leaves: &[usize]) -> Result<(), TooMuch> {
        if spans.len() > self.trace_spans_max() {
            self.too_large.extend(spans.first().map(|span| span.trace_id));
            return Ok(());
        }
        let trace = Trace::new(spans);
        leaves.iter().try_for_each(|leaf| self.measurement.add_to(*leaf, &trace))
    }
}
