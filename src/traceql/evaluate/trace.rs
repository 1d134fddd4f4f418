//! One trace as queries see it: its spans in order, who is whose parent, and what is said of the whole.

use std::cell::OnceCell;
use std::collections::HashMap;

use super::nested::{self, NestedSet};
use crate::model::{Span, SpanFacts, SpanId, TraceFold, TraceSummary};

/// All spans of one trace, in the order of their keys, exact copies once.
#[derive(Debug, Default)]
pub struct Trace<'a> {
    spans: Vec<&'a Span>,
    with_id: HashMap<SpanId, Vec<usize>>,
    with_parent_id: HashMap<SpanId, Vec<usize>>,
    summary: OnceCell<Option<TraceSummary>>,
    nested: OnceCell<Vec<NestedSet>>,
}

impl<'a> Trace<'a> {
    /// A trace from its spans, in any order.
    #[must_use]
    pub fn new(spans: impl IntoIterator<Item = &'a Span>) -> Self {
        let spans: Vec<_> = spans.into_iter().collect();
        if spans.len() == 1 {
            // It has no relatives, and nothing to be told from.
            return Self { spans, ..Self::default() };
        }
        let mut spans: Vec<_> = spans.into_iter().map(|span| (span.key(), span)).collect();
        spans.sort_by_key(|(key, _)| *key);
        spans.dedup_by_key(|(key, _)| *key);
        let spans: Vec<_> = spans.into_iter().map(|(_, span)| span).collect();
        let with_id = places(spans.iter().map(|span| Some(span.span_id)));
        let with_parent_id = places(spans.iter().map(|span| span.parent_span_id));
        Self { spans, with_id, with_parent_id, ..Self::default() }
    }

    /// How many spans there are.
    pub(super) fn len(&self) -> usize {
        self.spans.len()
    }

    /// The span at this place.
    pub(super) fn span(&self, at: usize) -> Option<&'a Span> {
        self.spans.get(at).copied()
    }

    /// The spans, in order.
    pub(super) fn spans(&self) -> impl Iterator<Item = &'a Span> {
        self.spans.iter().copied()
    }

    /// The places of the spans that name this span as their parent.
    pub(super) fn children(&self, at: usize) -> impl Iterator<Item = usize> {
        let id = self.span(at).map(|span| span.span_id);
        others(&self.with_parent_id, id, at)
    }

    /// The places of the spans that this span names as its parent.
    pub(super) fn parents(&self, at: usize) -> impl Iterator<Item = usize> {
        let id = self.span(at).and_then(|span| span.parent_span_id);
        others(&self.with_id, id, at)
    }

    /// What is said of the whole trace; `None` when it has no spans.
    pub(super) fn summary(&self) -> Option<&TraceSummary> {
        self.summary.get_or_init(|| self.fold()).as_ref()
    }

    fn fold(&self) -> Option<TraceSummary> {
        let mut fold = TraceFold::default();
        for span in &self.spans {
            fold.add(SpanFacts {
                key: span.key(),
                end: span.end,
                is_root: span.parent_span_id.is_none(),
                is_error: span.is_error(),
                service: span.resource.service(),
                name: &span.name,
            });
        }
        fold.finish()
    }

    /// The span's numbers in a walk over the trace.
    pub(super) fn nested(&self, at: usize) -> NestedSet {
        self.nested.get_or_init(|| nested::number(self)).get(at).copied().unwrap_or_default()
    }
}

/// The places at which an id stands, but for one.
fn others(places: &HashMap<SpanId, Vec<usize>>, id: Option<SpanId>, but: usize) -> impl Iterator<Item = usize> {
    let places = id.and_then(|id| places.get(&id)).map_or(&[][..], Vec::as_slice);
    places.iter().copied().filter(move |place| *place != but)
}

/// The places at which each id stands.
fn places(ids: impl Iterator<Item = Option<SpanId>>) -> HashMap<SpanId, Vec<usize>> {
    let mut places: HashMap<SpanId, Vec<usize>> = HashMap::new();
    for (at, id) in ids.enumerate() {
        if let Some(id) = id {
            places.entry(id).or_default().push(at);
        }
    }
    places
}
