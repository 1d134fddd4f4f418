//! The store's promises, held against every backend: `contract.rs` has a script for each promise, `histories.rs`
//! compares a backend with the memory store under random histories.

use futures::TryStreamExt;
use tracewell::model::{Search, SearchFields, Span, SpanKey, TraceId};
use tracewell::store::{Batch, Scan, SpanStore};

mod calls;
mod contract;
mod corrupt;
mod counted;
mod filters;
mod fixtures;
mod histories;
mod merging;
mod names;
mod outlines;
mod places;
mod purge;
mod retention;
mod traces;
mod uncounted;
mod upgrade;

/// One request of these spans.
pub(crate) fn batch(spans: &[Span]) -> Batch {
    Batch::new(spans.to_vec())
}

/// Everything that matches, newest first.
pub(crate) fn scan(fields: SearchFields) -> Scan {
    Scan::of(Search::try_from(fields).unwrap())
}

/// The spans of a trace.
pub(crate) async fn trace(store: &dyn SpanStore, trace_id: TraceId) -> Vec<Span> {
    store.trace(trace_id).try_collect().await.unwrap()
}

/// The spans of a scan, after a check that `scan_keys` says the same.
pub(crate) async fn scanned(store: &dyn SpanStore, scan: Scan) -> Vec<Span> {
    let spans: Vec<Span> = store.scan_spans(scan.clone()).try_collect().await.unwrap();
    let keys: Vec<SpanKey> = spans.iter().map(Span::key).collect();
    assert_eq!(store.scan_keys(scan).await.unwrap(), keys, "scan_keys and scan_spans differ");
    spans
}

/// These spans by ascending key, exact copies once.
pub(crate) fn ascending(spans: &[Span]) -> Vec<Span> {
    let mut spans = spans.to_vec();
    spans.sort_by_key(Span::key);
    spans.dedup();
    spans
}

/// These spans by descending key, exact copies once.
pub(crate) fn descending(spans: &[Span]) -> Vec<Span> {
    let mut spans = ascending(spans);
    spans.reverse();
    spans
}
