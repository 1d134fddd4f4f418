//! A shop of seventeen services, as the source of realistic traces: pure functions of a seed, a trace's number and its
//! start. Nothing here sends anything, and nothing is remembered between two traces.
//!
//! What the shop does is data, in `table.rs`; `walk.rs` makes a trace of it; `fleet.rs` says where it runs.
//!
//! Searches find values of every frequency. Many spans have `network.transport` = `tcp` or `shop.currency` = `EUR`, few
//! have `http.response.status_code` = 404 or 500. A `session.id` is in one trace only; one trace in twenty has a single
//! span, and then its session, if it has one, is the needle: no other span has that value.

use crate::model::{Link, Span, SpanId, TraceId, UnixNanos};

mod attributes;
pub(crate) mod chance;
mod fleet;
mod ids;
mod queries;
mod services;
mod span;
mod table;
mod walk;

use attributes::Visitor;
use chance::{Chance, Subject, whole};
use fleet::Fleet;
use ids::Ids;
use table::{FULFIL_BATCH, ORDER_INTAKE, Operation, ROOTS};
use walk::Walk;

/// The most spans that a trace has.
pub(crate) const TRACE_SPANS_MAX: u32 = 10_000;

/// Sizes are log-normal: half of the traces have at most so many spans, and the logarithms spread so far.
const TRACE_SPANS_MEDIAN: f64 = 18.0;
const TRACE_SPANS_SPREAD: f64 = 1.5;

/// How far back a batch of orders goes, in traces, and how many orders it has at the most.
const BATCH_TRACES_MAX: u64 = 256;
const BATCH_ORDERS_MAX: usize = 10;

/// The shop.
#[derive(Debug)]
pub(crate) struct Shop {
    seed: u64,
    fleet: Fleet,
}

impl Shop {
    /// The shop of this seed.
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed, fleet: Fleet::new(seed) }
    }

    /// The id of a trace.
    pub(crate) fn trace_id(&self, number: u64) -> TraceId {
        ids::trace_id(self.seed, number)
    }

    /// How many spans a trace has, without making them.
    pub(crate) fn trace_spans(&self, number: u64) -> u32 {
        self.outline(number).1
    }

    /// The spans of a trace that starts then, parents before their children.
    pub(crate) fn trace(&self, number: u64, start: UnixNanos) -> Vec<Span> {
        let (root, spans) = self.outline(number);
        let mut chance = Chance::new(self.seed, Subject::Trace, number);
        let visitor = Visitor::new(&mut chance);
        let trace_state = if chance.hits(100) { "shop=canary:1,vendor=t61rcWkgMzE" } else { "" };
        let mut walk = Walk {
            fleet: &self.fleet,
            ids: Ids::new(self.seed, number),
            chance,
            visitor,
            trace_state: trace_state.to_owned(),
            spans: Vec::with_capacity(usize::try_from(spans).unwrap_or(0)),
        };
        walk.root(root, start, spans, self.batch(root, number));
        walk.spans
    }

    /// How a trace begins, and how many spans it has.
    fn outline(&self, number: u64) -> (&'static Operation, u32) {
        let mut chance = Chance::new(self.seed, Subject::Size, number);
        let mut drawn = chance.below(1_000);
        let mut root = ROOTS[0].1;
        for (often, operation) in ROOTS {
            root = operation;
            let Some(rest) = drawn.checked_sub(often) else { break };
            drawn = rest;
        }
        let spans = whole(chance.log_normal(TRACE_SPANS_MEDIAN, TRACE_SPANS_SPREAD));
        (root, u32::try_from(spans).unwrap_or(u32::MAX).clamp(1, TRACE_SPANS_MAX))
    }

    /// Links to the orders that came shortly before, for a trace that takes several of them at once.
    fn batch(&self, root: &Operation, number: u64) -> Vec<Link> {
        if !std::ptr::eq(root, &raw const FULFIL_BATCH) {
            return Vec::new();
        }
        let recent = (number.saturating_sub(BATCH_TRACES_MAX)..number).rev();
        recent.filter_map(|number| self.order(number)).take(BATCH_ORDERS_MAX).map(link).collect()
    }

    /// The span that sent an order's message, if that is what the trace begins with.
    fn order(&self, number: u64) -> Option<(TraceId, SpanId)> {
        let (root, spans) = self.outline(number);
        let sends = std::ptr::eq(root, &raw const ORDER_INTAKE) && spans > 1;
        sends.then(|| ids::producer(self.seed, number))
    }
}

fn link((trace_id, span_id): (TraceId, SpanId)) -> Link {
    Link { trace_id: Some(trace_id), span_id: Some(span_id), flags: 0x301, ..Link::default() }
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, clippy::cast_precision_loss, reason = "a test that overflows fails")]
mod tests;
