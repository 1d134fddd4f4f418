//! Who calls whom: counted over whole traces, by parents, and by links where a message goes from one trace to another.
//!
//! A span whose parent is there is a call from the parent's service to its own, also when both are one. Who takes a
//! message is mostly in a trace of its own and points to the sender by a link: that is a call, too, unless the sender is
//! its parent. Numbers of a part would be wrong ones, so the limit on work is an error, as in `whole.rs`.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::{Budget, Query, QueryError};
use crate::model::{Search, Span, SpanId, SpanKind, TraceId};

/// How many calls there are from one service to another.
pub type Calls = BTreeMap<(String, String), u64>;

/// So many senders of messages are looked for in other traces; more are too many to answer.
const SENDERS_MAX: usize = 200_000;

/// What a messaging library says of a span that takes messages, if its kind does not.
const TAKES: [&str; 2] = ["receive", "process"];

/// Calls whose caller is in another trace: the services that are called, by the caller.
type Pending = HashMap<TraceId, HashMap<SpanId, BTreeMap<String, u64>>>;

impl Query {
    /// The calls in all traces that have a span that matches.
    ///
    /// # Errors
    /// As [`Query::whole_traces`].
    pub async fn calls(&self, search: Search) -> Result<Calls, QueryError> {
        let limit = self.settings.query_timeout;
        tokio::time::timeout(limit, self.all_calls(search)).await.unwrap_or(Err(QueryError::TimedOut { limit }))
    }

    async fn all_calls(&self, search: Search) -> Result<Calls, QueryError> {
        let budget = Budget::new(&self.settings);
        let as_of = Some(self.store.watermark().await?);
        let mut counted = Counted::default();
        self.all_traces(&budget, as_of, search, |_, spans| counted.add_trace(spans)).await?;
        let Counted { mut calls, pending, senders } = counted;
        if senders > SENDERS_MAX {
            let what = format!("messages of more than {SENDERS_MAX} senders: ask for a shorter time");
            return Err(QueryError::TooMuch { what });
        }
        let ids: Vec<TraceId> = pending.keys().copied().collect();
        self.traces_of(&budget, as_of, &ids, |id, spans| {
            let Some(wanted) = pending.get(&id) else { return };
            for (sender, span) in by_id(spans) {
                for (called, count) in wanted.get(&sender).into_iter().flatten() {
                    add(&mut calls, span.resource.service(), called, *count);
                }
            }
        })
        .await?;
        Ok(calls)
    }
}

#[derive(Default)]
struct Counted {
    calls: Calls,
    pending: Pending,
    senders: usize,
}

impl Counted {
    fn add_trace(&mut self, spans: &[Span]) {
        let known = by_id(spans);
        for span in spans {
            let service = span.resource.service();
            if let Some(parent) = span.parent_span_id.and_then(|id| known.get(&id)) {
                add(&mut self.calls, parent.resource.service(), service, 1);
            }
            for (trace, sender) in senders(span) {
                match known.get(&sender).filter(|_| trace == span.trace_id) {
                    Some(sender) => add(&mut self.calls, sender.resource.service(), service, 1),
                    None => self.wait_for(trace, sender, service),
                }
            }
        }
    }

    /// Beyond the limit nothing is kept: there will be no answer.
    fn wait_for(&mut self, trace: TraceId, sender: SpanId, service: &str) {
        if self.senders <= SENDERS_MAX {
            let called = self.pending.entry(trace).or_default().entry(sender).or_insert_with(|| {
                self.senders = self.senders.saturating_add(1);
                BTreeMap::new()
            });
            let count = called.entry(service.to_owned()).or_default();
            *count = count.saturating_add(1);
        }
    }
}

/// Of spans that share an id, the first.
fn by_id(spans: &[Span]) -> HashMap<SpanId, &Span> {
    let mut known = HashMap::with_capacity(spans.len());
    for span in spans {
        known.entry(span.span_id).or_insert(span);
    }
    known
}

/// Whose messages a span takes, each once, but for its parent.
fn senders(span: &Span) -> HashSet<(TraceId, SpanId)> {
    let says = span.attributes.get_text("messaging.operation.type");
    if span.kind != SpanKind::CONSUMER && !says.is_some_and(|says| TAKES.contains(&says)) {
        return HashSet::new();
    }
    let of_link = |link: &crate::model::Link| Some((link.trace_id?, link.span_id?));
    let is_other = |(trace, sender): &(TraceId, SpanId)| {
        *trace != span.trace_id || (Some(*sender) != span.parent_span_id && *sender != span.span_id)
    };
    span.links.iter().filter_map(of_link).filter(is_other).collect()
}

fn add(calls: &mut Calls, parent: &str, child: &str, count: u64) {
    let counted = calls.entry((parent.to_owned(), child.to_owned())).or_default();
    *counted = counted.saturating_add(count);
}

#[cfg(test)]
mod tests;
