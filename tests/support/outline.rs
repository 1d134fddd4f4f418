//! Spans in outline, made from whole ones: what `store::Outlines` promises of them, and nothing else.

use std::sync::Arc;

use tracewell::model::{Attribute, Attributes, Keyed, Parts, Scope, Span, Status, UnixNanos};

/// What an outline has of a span when these parts are asked for.
pub(crate) fn outline(span: &Span, parts: &Parts) -> Span {
    let attribute = |key: &String| {
        let value = span.attributes.get(key)?.clone();
        Some(Attribute { key: key.clone(), value })
    };
    let no_scope = || Arc::new(Keyed::new(Scope::default()));
    Span {
        parent_span_id: span.parent_span_id.filter(|_| parts.parent),
        end: UnixNanos(span.start.0 + span.duration_nanos()),
        trace_state: String::new(),
        flags: 0,
        attributes: Attributes(parts.keys.iter().filter_map(attribute).collect()),
        dropped_attributes_count: 0,
        events: Vec::new(),
        dropped_events_count: 0,
        links: Vec::new(),
        dropped_links_count: 0,
        status: Status { code: span.status.code, message: String::new() },
        scope: if parts.scope { Arc::clone(&span.scope) } else { no_scope() },
        ..span.clone()
    }
}
