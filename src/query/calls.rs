//! Who calls whom. The store has counted it; only where it has not, whole traces are read here, by the same rule, which is
//! in `store/calls.rs`. Numbers of a part would be wrong ones, so the limit on work is an error, as in `whole.rs`.

use std::collections::{BTreeMap, HashMap};

use super::{Budget, Query, QueryError};
use crate::model::{Search, SearchFields, Span, SpanId, TraceId, UnixNanos};
use crate::store::calls::{add_calls, callers, parent, senders};
use crate::store::{CallCounts, CallRequest, Calls};

/// So many senders of messages are looked for in other traces; more are too many to answer.
const SENDERS_MAX: usize = 200_000;

/// Calls whose caller is in another trace: the services that are called, by the caller.
type Pending = HashMap<TraceId, HashMap<SpanId, BTreeMap<String, CallCounts>>>;

impl Query {
    /// The calls whose called span begins in a minute of this time; without an end, in all since then.
    ///
    /// # Errors
    /// [`QueryError::TooMuch`] when the limit on work is reached; [`QueryError::TimedOut`].
    pub async fn calls(&self, start: UnixNanos, end: Option<UnixNanos>) -> Result<Calls, QueryError> {
        let limit = self.settings.query_timeout;
        tokio::time::timeout(limit, self.all_calls(start, end)).await.unwrap_or(Err(QueryError::TimedOut { limit }))
    }

    async fn all_calls(&self, start: UnixNanos, end: Option<UnixNanos>) -> Result<Calls, QueryError> {
        let budget = Budget::new(&self.settings);
        let request = CallRequest::around(start, end, budget.work().clone());
        let counted = budget.within(budget.rest(), self.store.calls(request.clone())).await;
        match counted.ok_or_else(|| self.too_much())?? {
            Some(calls) => Ok(calls),
            None => self.calls_of_traces(request, &budget).await,
        }
    }

    /// Counts them from all traces that have a span that begins in this time.
    async fn calls_of_traces(&self, request: CallRequest, budget: &Budget) -> Result<Calls, QueryError> {
        let as_of = Some(self.store.watermark().await?);
        let end = Some(request.end).filter(|end| end.0 < u64::MAX);
        let fields = SearchFields { start_min: Some(request.start), start_max: end, ..SearchFields::default() };
        // A time of no length has no calls.
        let Ok(search) = Search::try_from(fields) else { return Ok(Calls::new()) };
        let mut counted = Counted { request, calls: Calls::new(), pending: Pending::new(), senders: 0 };
        self.all_traces(budget, as_of, search, |_, spans| counted.add_trace(spans)).await?;
        let Counted { mut calls, pending, senders, .. } = counted;
        if senders > SENDERS_MAX {
            let what = format!("messages of more than {SENDERS_MAX} senders: ask for a shorter time");
            return Err(QueryError::TooMuch { what });
        }
        let ids: Vec<TraceId> = pending.keys().copied().collect();
        self.traces_of(budget, as_of, &ids, |id, spans| {
            let Some(wanted) = pending.get(&id) else { return };
            for ((_, sender), span) in callers(spans) {
                for (called, counts) in wanted.get(&sender).into_iter().flatten() {
                    add_calls(&mut calls, span.resource.service(), called, *counts);
                }
            }
        })
        .await?;
        Ok(calls)
    }
}

struct Counted {
    request: CallRequest,
    calls: Calls,
    pending: Pending,
    senders: usize,
}

impl Counted {
    fn add_trace(&mut self, spans: &[Span]) {
        let known = callers(spans);
        let request = self.request.clone();
        for called in spans.iter().filter(|span| request.has(span.start)) {
            let (service, counts) = (called.resource.service(), CallCounts::of(called));
            if let Some(caller) = parent(called).and_then(|id| known.get(&id)) {
                add_calls(&mut self.calls, caller.resource.service(), service, counts);
            }
            for sender in senders(called) {
                match known.get(&sender) {
                    Some(caller) => add_calls(&mut self.calls, caller.resource.service(), service, counts),
                    None => self.wait_for(sender, service, counts),
                }
            }
        }
    }

    /// Beyond the limit nothing is kept: there will be no answer.
    fn wait_for(&mut self, (trace, sender): (TraceId, SpanId), service: &str, counts: CallCounts) {
        if self.senders <= SENDERS_MAX {
            let called = self.pending.entry(trace).or_default().entry(sender).or_insert_with(|| {
                self.senders = self.senders.saturating_add(1);
                BTreeMap::new()
            });
            called.entry(service.to_owned()).or_default().add(counts);
        }
    }
}

#[cfg(test)]
mod tests;
