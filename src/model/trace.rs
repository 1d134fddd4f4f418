//! What is said of a whole trace: its summary, folded from its spans.

use std::collections::BTreeMap;

use super::{SpanKey, SpanKind, TraceId, UnixNanos};

/// A trace in one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceSummary {
    /// The trace.
    pub trace_id: TraceId,
    /// When its earliest span began.
    pub start: UnixNanos,
    /// When its latest span ended; never before `start`.
    pub end: UnixNanos,
    /// Service and name of the earliest span without a parent; `None` while none has arrived.
    pub root: Option<(String, String)>,
    /// How many spans it has, exact copies counted once.
    pub span_count: u64,
    /// How many of them failed.
    pub error_count: u64,
    /// The services that took part, by name.
    pub services: Vec<ServiceSummary>,
}

/// One service's part of a trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceSummary {
    /// The service.
    pub name: String,
    /// How many of the trace's spans are its own.
    pub span_count: u64,
    /// How many of those failed.
    pub error_count: u64,
}

impl TraceSummary {
    /// From the first start to the last end, in nanoseconds.
    #[must_use]
    pub fn duration_nanos(&self) -> u64 {
        self.end.nanos_since(self.start)
    }
}

/// What a service does: a span name with a kind.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Operation {
    /// The spans' name.
    pub name: String,
    /// Their kind.
    pub kind: SpanKind,
}

/// Folds one trace's spans, given in ascending order of their keys, into its summary.
#[derive(Debug, Default)]
pub struct TraceFold {
    last: Option<SpanKey>,
    summary: Option<TraceSummary>,
    services: BTreeMap<String, (u64, u64)>,
}

/// What a summary needs to know of a span.
#[derive(Debug, Clone, Copy)]
pub struct SpanFacts<'a> {
    /// [`Span::key`](super::Span::key).
    pub key: SpanKey,
    /// [`Span::end`](super::Span::end).
    pub end: UnixNanos,
    /// Whether it has no parent.
    pub is_root: bool,
    /// [`Span::is_error`](super::Span::is_error).
    pub is_error: bool,
    /// [`Resource::service`](super::Resource::service).
    pub service: &'a str,
    /// [`Span::name`](super::Span::name); read only when `is_root`.
    pub name: &'a str,
}

impl TraceFold {
    /// Adds the next span. One whose key equals the last one's is an exact copy, and changes nothing.
    pub fn add(&mut self, span: SpanFacts<'_>) {
        if self.last.replace(span.key) == Some(span.key) {
            return;
        }
        let summary = self.summary.get_or_insert_with(|| TraceSummary {
            trace_id: span.key.trace_id,
            start: span.key.start,
            end: span.key.start,
            root: None,
            span_count: 0,
            error_count: 0,
            services: Vec::new(),
        });
        let error = u64::from(span.is_error);
        summary.end = summary.end.max(span.end);
        summary.span_count = summary.span_count.saturating_add(1);
        summary.error_count = summary.error_count.saturating_add(error);
        if span.is_root && summary.root.is_none() {
            summary.root = Some((span.service.to_owned(), span.name.to_owned()));
        }
        if !self.services.contains_key(span.service) {
            self.services.insert(span.service.to_owned(), (0, 0));
        }
        if let Some((spans, errors)) = self.services.get_mut(span.service) {
            *spans = spans.saturating_add(1);
            *errors = errors.saturating_add(error);
        }
    }

    /// The summary; `None` when no span was added.
    #[must_use]
    pub fn finish(self) -> Option<TraceSummary> {
        let services = self.services.into_iter();
        let services =
            services.map(|(name, (span_count, error_count))| ServiceSummary { name, span_count, error_count });
        self.summary.map(|summary| TraceSummary { services: services.collect(), ..summary })
    }
}
