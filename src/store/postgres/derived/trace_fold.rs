//! A trace as its row has it: what [`TraceFold`](crate::model::TraceFold) says of it, in any order of spans, and what it
//! takes to go on. Rows in and out are in `trace_row.rs`.

use std::collections::{BTreeMap, BTreeSet};

use super::super::time::Micros;
use crate::model::{SpanId, SpanKey, UnixNanos};

/// What a trace's row needs to know of a span.
#[derive(Debug, Clone, Copy)]
pub(in crate::store::postgres) struct TraceSpan {
    /// [`Span::key`](crate::model::Span::key).
    pub(in crate::store::postgres) key: SpanKey,
    /// [`Span::end`](crate::model::Span::end).
    pub(in crate::store::postgres) end: UnixNanos,
    /// Whether it has no parent.
    pub(in crate::store::postgres) is_root: bool,
    /// [`Span::is_error`](crate::model::Span::is_error).
    pub(in crate::store::postgres) is_error: bool,
    /// The key of its service.
    pub(in crate::store::postgres) service_id: i64,
    /// The key of its operation; read only when `is_root`.
    pub(in crate::store::postgres) operation_id: i64,
    /// The block that it is in from now on.
    pub(in crate::store::postgres) block_id: i64,
    /// When it arrived.
    pub(in crate::store::postgres) received: Micros,
}

/// A root; the least of a trace is its own. The order is that of [`SpanKey`] within one trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Root {
    pub(super) start: UnixNanos,
    pub(super) span_id: SpanId,
    pub(super) digest: i64,
    pub(super) operation_id: i64,
}

/// How many spans, and how many of them failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Counts {
    pub(super) spans: u64,
    pub(super) errors: u64,
}

impl Counts {
    pub(super) fn add(&mut self, other: Self) {
        self.spans = self.spans.saturating_add(other.spans);
        self.errors = self.errors.saturating_add(other.errors);
    }
}

/// Some spans of a trace, folded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fold {
    /// The earliest start.
    pub(super) start: UnixNanos,
    /// The latest end as sent, which may lie before `start`. The summary's lies never before, but to fold on, it must be
    /// known exactly: a span that began still earlier may follow.
    pub(super) end: UnixNanos,
    pub(super) root: Option<Root>,
    /// Of each service.
    pub(super) services: BTreeMap<i64, Counts>,
    pub(super) block_ids: BTreeSet<i64>,
    pub(super) received_max: Micros,
}

impl Fold {
    /// Of a single span.
    pub(super) fn of(span: &TraceSpan) -> Self {
        let mut fold = Self {
            start: span.key.start,
            end: span.end,
            root: None,
            services: BTreeMap::new(),
            block_ids: BTreeSet::new(),
            received_max: span.received,
        };
        fold.add(span);
        fold
    }

    pub(super) fn add(&mut self, span: &TraceSpan) {
        self.start = self.start.min(span.key.start);
        self.end = self.end.max(span.end);
        self.received_max = self.received_max.max(span.received);
        if span.is_root {
            let SpanKey { start, span_id, digest, .. } = span.key;
            self.add_root(Root { start, span_id, digest, operation_id: span.operation_id });
        }
        let counts = Counts { spans: 1, errors: u64::from(span.is_error) };
        self.services.entry(span.service_id).or_default().add(counts);
        self.block_ids.insert(span.block_id);
    }

    /// Folds in other spans of the same trace.
    pub(super) fn merge(&mut self, other: Self) {
        self.start = self.start.min(other.start);
        self.end = self.end.max(other.end);
        self.received_max = self.received_max.max(other.received_max);
        if let Some(root) = other.root {
            self.add_root(root);
        }
        for (service_id, counts) in other.services {
            self.services.entry(service_id).or_default().add(counts);
        }
        self.block_ids.extend(other.block_ids);
    }

    fn add_root(&mut self, root: Root) {
        self.root = Some(self.root.map_or(root, |least| least.min(root)));
    }

    /// Of all services.
    pub(super) fn counts(&self) -> Counts {
        self.services.values().fold(Counts::default(), |mut sum, counts| {
            sum.add(*counts);
            sum
        })
    }
}
