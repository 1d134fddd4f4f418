//! What a query finds in spans that were read, by the reference evaluator, and what is shown of it.

use std::collections::{BTreeMap, HashSet};

use futures::TryStreamExt;
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::task::block_in_place;

use super::Question;
use crate::model::{Search, Span, SpanId, SpanKey, TraceId, UnixNanos};
use crate::store::{SpanStream, StoreError};
use crate::traceql::evaluate::{FoundSpan, Trace, spansets};
use crate::traceql::plan::Plan;
use crate::traceql::tree::{Literal, Pipeline};

/// A trace with more spans is large: looking at it takes long.
const ASIDE_SPANS_MIN: usize = 2_000;

/// Spans of one trace that a query found together.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SpanSet {
    /// How many there are.
    pub matched: u64,
    /// The first of them, by their keys.
    pub spans: Vec<ShownSpan>,
    /// What is known of them as a whole.
    pub attributes: Vec<(String, Literal)>,
}

/// A span that a query found, in short.
#[derive(Debug, Clone, PartialEq)]
pub struct ShownSpan {
    /// [`Span::span_id`].
    pub span_id: SpanId,
    /// [`Span::name`].
    pub name: String,
    /// [`Resource::service`](crate::model::Resource::service).
    pub service: String,
    /// [`Span::start`].
    pub start: UnixNanos,
    /// [`Span::duration_nanos`].
    pub duration_nanos: u64,
    /// What the query selects, of that what the span has.
    pub selected: Vec<(String, Literal)>,
}

/// A query, and what else must hold on the spans that it finds.
pub(super) struct Finder<'a> {
    search: &'a Search,
    pipeline: &'a Pipeline,
    pub(super) plan: Plan,
    spans_per_set_max: usize,
}

impl<'a> Finder<'a> {
    /// Of a question with a query.
    pub(super) fn of(question: &Question<'a>) -> Option<Self> {
        let Question { search, query, spans_per_set_max } = *question;
        query.map(|pipeline| Self { search, pipeline, plan: Plan::of(pipeline), spans_per_set_max })
    }

    /// What is shown of a span when it is found, of a query that a span alone decides.
    pub(super) fn alone(&self, span: &Span) -> Option<ShownSpan> {
        if !self.plan.found.matches(span) || !self.search.matches(span) {
            return None;
        }
        let sets = spansets(self.pipeline, &Trace::new([span]));
        sets.iter().flat_map(|set| &set.spans).next().map(shown)
    }

    /// The sets of spans that are found in a whole trace; none when it does not match.
    pub(super) fn sets(&self, trace: &[Span]) -> Vec<SpanSet> {
        let sets = spansets(self.pipeline, &Trace::new(trace)).into_iter().filter_map(|set| {
            let found: Vec<_> = set.spans.iter().filter(|found| self.search.matches(found.span)).collect();
            let matched = u64::try_from(found.len()).unwrap_or(u64::MAX);
            let spans = found.into_iter().take(self.spans_per_set_max).map(shown).collect();
            (matched > 0).then_some(SpanSet { matched, spans, attributes: set.attributes })
        });
        sets.collect()
    }

    /// The keys of the spans that are found in a whole trace.
    pub(super) fn keys(&self, trace: &[Span]) -> HashSet<SpanKey> {
        let sets = spansets(self.pipeline, &Trace::new(trace));
        let found = sets.iter().flat_map(|set| &set.spans).map(|found| found.span);
        found.filter(|span| self.search.matches(span)).map(Span::key).collect()
    }

    /// An empty set, to gather spans of a trace in.
    pub(super) fn gathering(&self) -> Gathered {
        Gathered { matched: 0, first: BTreeMap::new(), spans_max: self.spans_per_set_max }
    }
}

fn shown(found: &FoundSpan<'_>) -> ShownSpan {
    let FoundSpan { span, selected } = found;
    ShownSpan {
        span_id: span.span_id,
        name: span.name.clone(),
        service: span.resource.service().to_owned(),
        start: span.start,
        duration_nanos: span.duration_nanos(),
        selected: selected.clone(),
    }
}

/// Spans of one trace that come one by one, in any order.
#[derive(Debug)]
pub(super) struct Gathered {
    matched: u64,
    first: BTreeMap<SpanKey, ShownSpan>,
    spans_max: usize,
}

impl Gathered {
    pub(super) fn add(&mut self, key: SpanKey, span: ShownSpan) {
        self.matched = self.matched.saturating_add(1);
        self.first.insert(key, span);
        if self.first.len() > self.spans_max {
            self.first.pop_last();
        }
    }

    /// The one set; none when nothing was added.
    pub(super) fn into_sets(self) -> Vec<SpanSet> {
        let set = SpanSet { matched: self.matched, spans: self.first.into_values().collect(), attributes: Vec::new() };
        Some(set).filter(|set| set.matched > 0).into_iter().collect()
    }
}

/// Goes through whole traces, of which no more than one is in memory.
pub(super) async fn each_trace(
    mut spans: SpanStream,
    mut each: impl FnMut(TraceId, &[Span]),
) -> Result<(), StoreError> {
    let mut trace: Vec<Span> = Vec::new();
    while let Some(span) = spans.try_next().await? {
        if let Some(last) = trace.last().filter(|last| last.trace_id != span.trace_id) {
            aside(&trace, |trace| each(last.trace_id, trace));
            trace.clear();
            // A long evaluation must not keep the others from theirs.
            tokio::task::yield_now().await;
        }
        trace.push(span);
    }
    if let Some(last) = trace.last() {
        aside(&trace, |trace| each(last.trace_id, trace));
    }
    Ok(())
}

/// Runs over a trace. While that is a large one, the other tasks of this thread go on elsewhere, where the runtime has more
/// threads than this.
fn aside(trace: &[Span], each: impl FnOnce(&[Span])) {
    let is_large = trace.len() > ASIDE_SPANS_MIN;
    match Handle::try_current().map(|runtime| runtime.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) if is_large => block_in_place(|| each(trace)),
        _ => each(trace),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;
    use std::time::Duration;

    use super::*;
    use crate::query::tests::span;

    /// Scenario: a large trace is looked at on the only thread of a runtime. Guarantee: another task runs meanwhile.
    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn others_go_on_beside_a_large_trace() {
        let trace = vec![span((1, 1, 1, true)); ASIDE_SPANS_MIN + 1];
        let looked_at = tokio::spawn(async move {
            let (told, hears) = channel();
            tokio::spawn(async move { told.send(()) });
            let mut has_heard = false;
            aside(&trace, |_| has_heard = hears.recv_timeout(Duration::from_mins(1)).is_ok());
            has_heard
        });
        assert!(looked_at.await.unwrap());
    }
}
