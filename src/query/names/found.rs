//! What spans have that a query finds. When the query asks of nothing but the span, spans are looked at one by one;
//! otherwise whole traces, of which the found spans that start in time count.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use async_stream::try_stream;
use futures::StreamExt;
use futures::stream::TryStreamExt;

use super::request::Valued;
use super::source::{PLACES_MAX, Portion, Portions, SEEN_MAX, after, of_root, shown};
use crate::model::{Listed, Span, SpanKey, TraceId};
use crate::query::finder::each_trace;
use crate::store::{Scan, SpanStore, StoreError};
use crate::traceql::evaluate::{Trace, spansets};
use crate::traceql::plan::{Plan, Reach};
use crate::traceql::tree::Pipeline;

/// So many spans make a portion.
const SPANS_MAX: usize = 256;
/// So many traces are read at once.
const TRACES_MAX: usize = 64;

/// What is listed, and of which spans.
pub(super) struct Found {
    pub(super) store: Arc<dyn SpanStore>,
    /// The spans that start in time.
    pub(super) scan: Scan,
    pub(super) query: Pipeline,
    pub(super) lists: Vec<(u8, Valued)>,
    /// A trace that has more spans is left out, and named.
    pub(super) trace_spans_max: u64,
}

pub(super) fn portions(found: Found) -> Portions {
    let plan = Plan::of(&found.query);
    let is_of_spans = found.lists.iter().all(|(_, valued)| matches!(valued, Valued::OfSpan(_)));
    let found = Found { scan: Scan { filter: plan.found.clone(), ..found.scan }, ..found };
    if is_of_spans && plan.reach == Reach::Span { span_by_span(found) } else { trace_by_trace(found, plan) }
}

fn span_by_span(found: Found) -> Portions {
    let stream = try_stream! {
        let mut spans = found.store.scan_spans(found.scan.clone()).try_chunks(SPANS_MAX);
        while let Some(spans) = spans.next().await {
            let spans = spans.map_err(|error| error.1)?;
            let covered_since = spans.last().map(|last| after(last.start));
            let mut portion = Portion { covered_since, ..Portion::default() };
            for span in &spans {
                found.take(std::slice::from_ref(span), None, &mut portion.items);
            }
            yield portion;
        }
    };
    stream.boxed()
}

fn trace_by_trace(found: Found, plan: Plan) -> Portions {
    let stream = try_stream! {
        let (mut before, mut seen) = (None, HashSet::new());
        loop {
            let places = found.store.scan_places(Scan { before, limit: PLACES_MAX, ..found.scan.clone() }).await?;
            let is_last = places.len() < PLACES_MAX;
            before = places.last().map(|(start, id)| SpanKey::least(*start, *id));
            if seen.len() > SEEN_MAX {
                seen.clear();
            }
            let ids: Vec<TraceId> = places.iter().map(|(_, id)| *id).filter(|id| seen.insert(*id)).collect();
            for ids in ids.chunks(TRACES_MAX) {
                yield found.traces(ids, &plan).await?;
            }
            let covered_since = places.last().map(|(start, _)| after(*start));
            yield Portion { covered_since, ..Portion::default() };
            if is_last {
                break;
            }
        }
    };
    stream.boxed()
}

impl Found {
    /// What some traces have.
    async fn traces(&self, ids: &[TraceId], plan: &Plan) -> Result<Portion, StoreError> {
        let (mut portion, mut roots) = (Portion::default(), BTreeMap::new());
        for summary in self.store.summaries(ids, self.scan.as_of).await? {
            if summary.span_count > self.trace_spans_max {
                portion.too_large.insert(summary.trace_id);
            } else if plan.may_match(&summary) {
                roots.insert(summary.trace_id, summary.root);
            }
        }
        let ids = roots.keys().copied().collect();
        let spans = self.store.traces(ids, self.scan.as_of, self.scan.work.clone());
        let items = &mut portion.items;
        let each = |id, trace: &[Span]| self.take(trace, roots.get(&id).and_then(Option::as_ref), items);
        each_trace(spans, each).await?;
        Ok(portion)
    }

    /// What those spans of a trace have that are found and that start in time; and what its root has, if there are any.
    fn take(&self, spans: &[Span], root: Option<&(String, String)>, items: &mut BTreeSet<(u8, Listed)>) {
        let sets = spansets(&self.query, &Trace::new(spans));
        let found = sets.iter().flat_map(|set| &set.spans).map(|found| found.span);
        let mut is_any = false;
        for span in found.filter(|span| self.scan.search.matches(span)) {
            is_any = true;
            for (list, valued) in &self.lists {
                if let Valued::OfSpan(listing) = valued {
                    listing.of_span(span, &mut |item| {
                        items.insert((*list, shown(listing, item)));
                    });
                }
            }
        }
        if is_any {
            items.extend(self.lists.iter().filter_map(|(list, valued)| Some((*list, of_root(valued, root)?))));
        }
    }
}
