//! Goes through whole traces, for what can only be said of all of them: an answer that is a part would be a wrong one, so
//! the limit on work is an error here.

use std::collections::HashSet;

use super::finder::each_trace;
use super::{Budget, Query, QueryError};
use crate::model::{Search, Span, SpanKey, TraceId};
use crate::store::{Scan, StoreError, Watermark};

/// So many places are read at once, in search of traces.
const PLACES_MAX: usize = 4_096;
/// So many traces are read at once.
const TRACES_MAX: usize = 64;

impl Query {
    /// Gives each trace that has a span that matches, once and whole, in no order.
    ///
    /// # Errors
    /// [`QueryError::TooMuch`] when the limit on work is reached, or a trace is larger than what is read as a whole; what
    /// was given by then is a part.
    pub async fn whole_traces(
        &self,
        search: Search,
        each: impl FnMut(TraceId, &[Span]) + Send,
    ) -> Result<(), QueryError> {
        let limit = self.settings.query_timeout;
        let all = async {
            let budget = Budget::new(&self.settings);
            let as_of = Some(self.store.watermark().await?);
            self.all_traces(&budget, as_of, search, each).await
        };
        tokio::time::timeout(limit, all).await.unwrap_or(Err(QueryError::TimedOut { limit }))
    }

    pub(super) async fn all_traces(
        &self,
        budget: &Budget,
        as_of: Option<Watermark>,
        search: Search,
        mut each: impl FnMut(TraceId, &[Span]) + Send,
    ) -> Result<(), QueryError> {
        let scan = Scan { as_of, limit: PLACES_MAX, work: budget.work().clone(), ..Scan::of(search) };
        let (mut before, mut seen) = (None, HashSet::new());
        loop {
            let scan = Scan { before, ..scan.clone() };
            let Some(places) = budget.within(budget.rest(), self.store.scan_places(scan)).await else {
                return Err(self.too_much());
            };
            let places = places?;
            let ids: Vec<TraceId> = places.iter().map(|(_, id)| *id).filter(|id| seen.insert(*id)).collect();
            self.traces_of(budget, as_of, &ids, &mut each).await?;
            let Some((start, id)) = places.last().copied().filter(|_| places.len() >= PLACES_MAX) else {
                return Ok(());
            };
            before = Some(SpanKey::least(start, id));
        }
    }

    /// Gives each of these traces that there is, whole.
    pub(super) async fn traces_of(
        &self,
        budget: &Budget,
        as_of: Option<Watermark>,
        ids: &[TraceId],
        mut each: impl FnMut(TraceId, &[Span]) + Send,
    ) -> Result<(), QueryError> {
        for ids in ids.chunks(TRACES_MAX) {
            self.check_sizes(ids, as_of).await?;
            let spans = self.store.traces(ids.to_vec(), as_of, budget.work().clone());
            let read: Option<Result<(), StoreError>> = budget.within(budget.rest(), each_trace(spans, &mut each)).await;
            read.ok_or_else(|| self.too_much())??;
            if budget.is_spent() {
                return Err(self.too_much());
            }
        }
        Ok(())
    }

    async fn check_sizes(&self, ids: &[TraceId], as_of: Option<Watermark>) -> Result<(), QueryError> {
        let spans_max = self.settings.trace_spans_max;
        let summaries = self.store.summaries(ids, as_of).await?;
        match summaries.iter().find(|summary| summary.span_count > spans_max) {
            Some(large) => {
                let what = format!(
                    "trace {} has more than {spans_max} spans, which is too many to read: ask for a time without it, or \
                     raise --trace-spans-max",
                    large.trace_id
                );
                Err(QueryError::TooMuch { what })
            }
            None => Ok(()),
        }
    }

    pub(super) fn too_much(&self) -> QueryError {
        let (spans, seconds) = (self.settings.work_spans_max, self.settings.work_time_max.as_secs());
        QueryError::TooMuch { what: format!("more than {spans} spans or {seconds} s of work: ask for a shorter time") }
    }
}
