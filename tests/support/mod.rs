//! What tests share: random values of the model (`arbitrary`), filters (`filters`)
//! and queries (`queries`, `queries_about`) over them, how many cases of them are tried (`property`), databases of a test's own, open to any store
//! (`database`) or bare (`directory`, `postgres`; `cluster` with a server of its own, `proxy` to cut the way to it), the
//! real server (`process`), who talks to it (`http`, `sender`, `load`) and what it says of itself (`ledger`), and a few
//! plain spans.

use std::sync::Arc;

use tracewell::model::{
    Keyed, Resource, Scope, Span, SpanFacts, SpanId, SpanKind, Status, TraceFold, TraceId, TraceSummary, UnixNanos,
    Value,
};

pub(crate) mod arbitrary;
pub(crate) mod cluster;
pub(crate) mod database;
pub(crate) mod directory;
pub(crate) mod filters;
pub(crate) mod http;
pub(crate) mod ledger;
pub(crate) mod load;
pub(crate) mod outline;
pub(crate) mod postgres;
pub(crate) mod process;
pub(crate) mod property;
pub(crate) mod proxy;
pub(crate) mod queries;
pub(crate) mod queries_about;
pub(crate) mod random;
pub(crate) mod sender;

/// The id of the `number`th trace, from 1.
pub(crate) fn trace_id(number: u64) -> TraceId {
    TraceId::from_slice(&u128::from(number).to_be_bytes()).unwrap()
}

/// The id of the `number`th span, from 1.
pub(crate) fn span_id(number: u64) -> SpanId {
    SpanId::from_slice(&number.to_be_bytes()).unwrap()
}

/// A resource that has a service name and nothing else.
pub(crate) fn service(name: &str) -> Arc<Keyed<Resource>> {
    let attributes = [("service.name", Value::from(name))].into_iter().collect();
    Arc::new(Keyed::new(Resource { attributes, ..Resource::default() }))
}

/// A span like any other, to be changed where a test cares.
pub(crate) fn span(trace: u64, id: u64, start: u64) -> Span {
    Span {
        trace_id: trace_id(trace),
        span_id: span_id(id),
        parent_span_id: None,
        trace_state: String::new(),
        flags: 0,
        name: "get".to_owned(),
        kind: SpanKind::SERVER,
        start: UnixNanos(start),
        end: UnixNanos(start + 5_000),
        attributes: [("http.route", Value::from("/"))].into_iter().collect(),
        dropped_attributes_count: 0,
        events: Vec::new(),
        dropped_events_count: 0,
        links: Vec::new(),
        dropped_links_count: 0,
        status: Status::default(),
        resource: service("shop"),
        scope: Arc::new(Keyed::new(Scope::default())),
    }
}

/// The summary of a trace from its spans, in any order.
pub(crate) fn summary(spans: &[Span]) -> TraceSummary {
    let mut spans: Vec<_> = spans.iter().map(|span| (span.key(), span)).collect();
    spans.sort_by_key(|(key, _)| *key);
    let mut fold = TraceFold::default();
    for (key, span) in spans {
        fold.add(SpanFacts {
            key,
            end: span.end,
            is_root: span.parent_span_id.is_none(),
            is_error: span.is_error(),
            service: span.resource.service(),
            name: &span.name,
        });
    }
    fold.finish().unwrap()
}
