//! Several traces at once: promises 5, 6 and 8 for [`SpanStore::traces`], and what it counts.

use std::collections::BTreeSet;

use futures::TryStreamExt;
use tracewell::model::{Span, SpanKey, TraceId};
use tracewell::store::{Counted, SpanStore, Watermark, Work};

use super::{ascending, batch};
use crate::support::database::{AT_ONCE, Database};
use crate::support::{arbitrary, span, trace_id};

macro_rules! traces_of {
    ($($backend:ident),+) => { $(mod $backend {
        traces_of!(in $backend: in_any_order, as_of_any_moment, none_of_none, many_at_once);
    })+ };
    (in $backend:ident: $($case:ident),+) => { $(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $case() {
            super::$case(&*crate::support::database::$backend::create().await).await;
        }
    )+ };
}
traces_of!(memory, sqlite, postgres, postgres_compacted, postgres_sql_ascii);

/// The spans of these traces by trace and key, after a check that those of one trace come one after the other, in order.
pub(super) async fn traces(store: &dyn SpanStore, ids: &[TraceId], as_of: Option<Watermark>) -> Vec<Span> {
    let work = Work::default();
    let mut spans: Vec<Span> = store.traces(ids.to_vec(), as_of, work.clone()).try_collect().await.unwrap();
    let mut seen = BTreeSet::new();
    for trace in spans.chunk_by(|a, b| a.trace_id == b.trace_id) {
        assert!(seen.insert(trace[0].trace_id), "a trace comes in two parts");
        assert!(trace.iter().map(Span::key).is_sorted_by(|a: &SpanKey, b| a < b), "a trace is not in order");
    }
    assert_eq!(work.of(Counted::TracesRead), u64::try_from(seen.len()).unwrap());
    assert!(work.of(Counted::SpansRead) >= u64::try_from(spans.len()).unwrap());
    spans.sort_by_key(|span| (span.trace_id, span.key()));
    spans
}

/// What [`traces`] is to find among these spans.
fn expected(spans: &[Span], ids: &[TraceId]) -> Vec<Span> {
    let wanted: Vec<_> = spans.iter().filter(|span| ids.contains(&span.trace_id)).cloned().collect();
    let mut wanted = ascending(&wanted);
    wanted.sort_by_key(|span| span.trace_id);
    wanted
}

/// Ids in any order, some of them twice, some of traces that are not there; part of the spans are history.
async fn in_any_order(database: &dyn Database) {
    let store = database.open().await;
    let spans = arbitrary::samples(&arbitrary::spans(60), 4).concat();
    let mut ids: Vec<_> = arbitrary::samples(&arbitrary::trace_id(), 6);
    ids.extend([trace_id(77), trace_id(78)]);
    for (number, chunk) in spans.chunks(spans.len() / 4).enumerate() {
        store.write(&[batch(chunk), batch(&spans[..chunk.len()])]).await.unwrap();
        let written = &spans[..spans.len().min((number + 1) * (spans.len() / 4))];
        for wanted in [&ids[..], &ids[..1], &ids[3..]] {
            assert!(traces(&*store, wanted, None).await == expected(written, wanted));
        }
        if number % 2 == 0 {
            store.compact(&AT_ONCE).await.unwrap();
        }
    }
    store.close().await;
}

/// What had arrived by a watermark is there, and nothing that came later, whatever became history meanwhile.
async fn as_of_any_moment(database: &dyn Database) {
    let store = database.open().await;
    let spans = arbitrary::samples(&arbitrary::spans(40), 6);
    let ids: Vec<_> = arbitrary::samples(&arbitrary::trace_id(), 8);
    let mut marks = Vec::new();
    for end in 0..spans.len() {
        marks.push((store.watermark().await.unwrap(), spans[..end].concat()));
        store.write(&[batch(&spans[end]), batch(&spans[end / 2])]).await.unwrap();
    }
    for _ in 0..2 {
        for (mark, written) in &marks {
            assert!(traces(&*store, &ids, Some(*mark)).await == expected(written, &ids));
        }
        store.compact(&AT_ONCE).await.unwrap();
    }
    store.close().await;
}

async fn none_of_none(database: &dyn Database) {
    let store = database.open().await;
    store.write(&[batch(&[span(1, 1, 1)])]).await.unwrap();
    assert_eq!(traces(&*store, &[], None).await, []);
    assert_eq!(traces(&*store, &[trace_id(2)], None).await, []);
    store.close().await;
}

/// More traces than any statement is about, with spans in both tiers; a stream that is dropped leaves nothing behind.
async fn many_at_once(database: &dyn Database) {
    let store = database.open().await;
    let spans: Vec<_> = (1..=600).flat_map(|trace| (1..=3).map(move |id| span(trace, id, trace * 10 + id))).collect();
    store.write(&[batch(&spans[..900])]).await.unwrap();
    store.compact(&AT_ONCE).await.unwrap();
    store.write(&[batch(&spans[600..])]).await.unwrap();
    let ids: Vec<_> = (1..=700).rev().map(trace_id).collect();
    for _ in 0..20 {
        let mut stream = store.traces(ids.clone(), None, Work::default());
        assert!(stream.try_next().await.unwrap().is_some());
    }
    assert!(traces(&*store, &ids, None).await == expected(&spans, &ids));
    store.close().await;
}
