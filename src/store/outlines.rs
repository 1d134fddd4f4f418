//! Spans in outline: as much of them as a search looks at and shows.

use crate::model::{Span, SpanKey};

/// Spans of a scan in outline, by descending key. Of each no more is there for sure than its ids, its start and duration, its
/// name and kind, the code of its status, its resource, and the parts that were asked for. The digests of the keys are not
/// known: the least one there can be stands in their place. No two of the spans have the same ids and start.
#[derive(Debug, Default)]
pub struct Outlines {
    /// The newest ones.
    pub spans: Vec<(SpanKey, Span)>,
    /// Whether there are no more.
    pub is_all: bool,
}
