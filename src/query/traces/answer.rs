//! What a query finds in traces whose turn has come, when their spans have to be read for that.

use std::collections::HashMap;

use futures::TryStreamExt;

use super::super::finder::{Finder, SpanSet, each_trace};
use super::pending::{Answer, PendingTrace};
use super::{Place, TraceSearch};
use crate::model::TraceId;
use crate::store::{SpanStream, StoreError};
use crate::traceql::plan::Reach;

impl TraceSearch<'_> {
    /// Reads the next traces whose turn has come. Those in which nothing is found are pending no more.
    pub(super) async fn answer(&mut self) -> Result<(), StoreError> {
        let Some(finder) = &self.finder else { return Ok(()) };
        let asked = self.asked();
        let (asked_count, mut found_count) = (asked.len(), 0_usize);
        let ids = asked.iter().map(|(_, id)| *id).collect();
        let spans = self.tools.store.traces(ids, Some(self.as_of), self.tools.budget.work().clone());
        let mut found = match finder.plan.reach {
            Reach::Span => gathered(finder, spans).await?,
            Reach::Trace => evaluated(finder, spans).await?,
        };
        for place in asked {
            match found.remove(&place.1).filter(|sets| !sets.is_empty()) {
                None => drop(self.pending.remove(place)),
                Some(sets) => {
                    found_count = found_count.saturating_add(1);
                    if let Some(trace) = self.pending.get_mut(place.1) {
                        trace.seen.answer = Answer::Known(sets);
                    }
                }
            }
        }
        self.are_mostly_found = found_count.saturating_mul(2) >= asked_count;
        self.answers_next = self.answers_next.saturating_mul(2).min(self.tools.reading.summaries_max);
        Ok(())
    }

    /// The next traces of which the answer is not known, up to a number and a size. Where most are found, more than the page
    /// has room for would be read in vain.
    fn asked(&self) -> Vec<Place> {
        let mut spans = 0_u64;
        let traces_max = if self.are_mostly_found { self.page.free() } else { self.answers_next };
        let is_unknown = |(_, trace): &(Place, &PendingTrace)| matches!(trace.seen.answer, Answer::Unknown);
        let unknown = self.pending.from(self.floor()).filter(is_unknown).take(traces_max).enumerate();
        let asked = unknown.take_while(|(at, (_, trace))| {
            spans = spans.saturating_add(trace.summary.span_count);
            *at == 0 || spans <= self.tools.reading.answer_spans_max
        });
        asked.map(|(_, (place, _))| place).collect()
    }
}

async fn evaluated(finder: &Finder<'_>, spans: SpanStream) -> Result<HashMap<TraceId, Vec<SpanSet>>, StoreError> {
    let mut found = HashMap::new();
    each_trace(spans, |id, spans| drop(found.insert(id, finder.sets(spans)))).await?;
    Ok(found)
}

/// Of a query that spans alone decide: no trace has to be in memory, however large.
async fn gathered(finder: &Finder<'_>, mut spans: SpanStream) -> Result<HashMap<TraceId, Vec<SpanSet>>, StoreError> {
    let mut found = HashMap::new();
    while let Some(span) = spans.try_next().await? {
        if let Some(shown) = finder.alone(&span) {
            found.entry(span.trace_id).or_insert_with(|| finder.gathering()).add(span.key(), shown);
        }
    }
    Ok(found.into_iter().map(|(id, gathered)| (id, gathered.into_sets())).collect())
}
