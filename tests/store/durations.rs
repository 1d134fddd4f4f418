//! Promise 7 for durations: the places of a search are those of the spans that took so long, with their traces. Of a block
//! with few of them, no others are read.

use std::collections::BTreeSet;

use tracewell::model::{SearchFields, Span, SpanKind, UnixNanos};
use tracewell::store::Scan;

use super::{batch, scan};
use crate::support::database::AT_ONCE;
use crate::support::span;

const SECOND: u64 = 1_000_000_000;
/// A moment of 2026 at which an hour begins.
const BEGIN: u64 = 1_790_002_800_000_000_000;

/// A block of several traces: one span in a hundred is long, the first of a trace and the last by turns.
fn spans() -> Vec<Span> {
    let of = |number: u64| {
        let start = BEGIN + number * 1_000_000;
        let nanos = if number % 100 < 2 { 3 * SECOND + number } else { 40_000_000 + number };
        let kind = if number.is_multiple_of(2) { SpanKind::SERVER } else { SpanKind::CLIENT };
        Span { end: UnixNanos(start + nanos), kind, ..span(number / 3 + 1, number + 1, start) }
    };
    (0..400).map(of).collect()
}

/// Scenario: of a block, no span, few and all of them are long enough. Guarantee: the places are those of the spans that match,
/// whatever else is asked, and as of an earlier moment, too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn places_are_those_of_the_long_spans() {
    let database = crate::support::database::postgres::create().await;
    let store = database.open().await;
    let (early, late) = { spans() }.into_iter().partition::<Vec<_>, _>(|span| span.start.0 % 3 == 0);
    store.write(&[batch(&early)]).await.unwrap();
    let moment = store.watermark().await.unwrap();
    store.write(&[batch(&late)]).await.unwrap();
    store.compact(&AT_ONCE).await.unwrap();
    for (min, max) in [
        (3 * SECOND, None),
        (40_000_000, Some(2 * SECOND)),
        (0, None),
        (3 * SECOND + 200, Some(4 * SECOND)),
        (5 * SECOND, None),
    ] {
        for kind in [None, Some(SpanKind::CLIENT)] {
            let fields = SearchFields {
                duration_min_nanos: Some(min),
                duration_max_nanos: max,
                kind,
                ..SearchFields::default()
            };
            let asked = scan(fields);
            for (as_of, sent) in [(None, [&early, &late].map(Vec::as_slice)), (Some(moment), [early.as_slice(), &[]])] {
                let spans = sent.into_iter().flatten().filter(|span| asked.search.matches(span));
                let expected: BTreeSet<_> = spans.map(|span| (span.start, span.trace_id)).collect();
                let places = store.scan_places(Scan { as_of, ..asked.clone() }).await.unwrap();
                assert!(places.iter().rev().eq(&expected), "{min}, {max:?}, {kind:?}: {places:?}");
            }
        }
    }
    store.close().await;
}
