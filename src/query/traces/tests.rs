//! The pages of the list of traces, put together, against the list made from all spans at once; and what they cost.

use std::time::Duration;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use proptest::prelude::*;

use super::Reading;
use crate::model::{Operation, Search, Span, SpanKey, TraceId, TraceSummary, UnixNanos};
use crate::query::tests::{Seed, in_runtime, search, seeds, span, write};
use crate::query::{FoundTrace, PageRequest, Query, QueryError, QuerySettings, Question, SearchPage};
use crate::store::memory::MemoryStore;
use crate::store::{Batch, Scan, SpanStore, SpanStream, StoreError, TracePlace, Watermark, Work, Written};
use crate::traceql;
use crate::traceql::evaluate::{Trace, spansets};
use crate::traceql::tree::{Body, Pipeline};

/// The list as it should be: straight from the spans, newest first.
fn traces_of(seeds: &[Seed]) -> Vec<(UnixNanos, TraceId, u64)> {
    let spans: Vec<_> = seeds.iter().copied().map(span).collect();
    let found: BTreeSet<_> = spans.iter().filter(|span| span.name == "yes").map(|span| span.trace_id).collect();
    let mut traces: Vec<_> = found
        .into_iter()
        .map(|id| {
            let own = || spans.iter().filter(move |span| span.trace_id == id);
            let start = own().map(|span| span.start).min().unwrap();
            let keys: BTreeSet<_> = own().map(Span::key).collect();
            (start, id, u64::try_from(keys.len()).unwrap())
        })
        .collect();
    traces.sort_unstable_by(|a, b| b.cmp(a));
    traces
}

fn shown(page: &SearchPage<FoundTrace>) -> impl Iterator<Item = (UnixNanos, TraceId, u64)> {
    page.items.iter().map(|found| (found.summary.start, found.summary.trace_id, found.summary.span_count))
}

async fn next_page(query: &Query, size: i32, token: &str) -> Result<SearchPage<FoundTrace>, QueryError> {
    query.search_traces(&Question::plain(&search()), &PageRequest { size: Some(size), token }).await
}

prop_compose! {
    /// Anything from one key at a time and nothing remembered, up.
    fn readings()(numbers in (1..4_usize, 1..4_usize, 1..9_usize, 1..3_usize, 1..5_usize, 0..4_usize),
                  (carried_new_max, carried_max, seen_max) in (0..4_usize, 1..5_usize, 0..6_usize),
                  window_nanos in prop::option::of(1..30_u64)) -> Reading {
        let (keys_per_trace, keys_min, keys_more, summaries_per_trace, summaries_max, pending_max) = numbers;
        let keys_max = keys_min + keys_more;
        Reading {
            keys_per_trace, keys_per_asked_trace: keys_per_trace, keys_per_whole_trace: keys_per_trace, keys_min, keys_max, window_nanos, summaries_per_trace,
            summaries_max, pending_max, carried_new_max, carried_max, seen_max, ..Reading::default()
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    /// Guarantees: all pages together are the list of the first page's moment, in order and without a repetition,
    /// whatever the pages' sizes, however little is read at a time or in all, and whatever arrives between two pages; and
    /// of what a page says it covers, nothing is missing so far.
    #[test]
    fn all_pages_are_the_list_of_the_first_moment(
        first in seeds(60),
        late in prop::collection::vec(seeds(6), 1..6),
        sizes in prop::collection::vec(1..5_i32, 1..4),
        page_bytes_max in prop_oneof![Just(1_usize), Just(500), Just(2 << 20)],
        reading in readings(),
        work_spans_max in prop_oneof![Just(u64::MAX), 0..20_u64],
    ) {
        in_runtime(async {
            let store = Arc::new(MemoryStore::default());
            write(store.as_ref(), &first).await;
            let settings = QuerySettings { page_bytes_max, work_spans_max, ..QuerySettings::default() };
            let query = Query { store: store.clone(), settings, reading };
            let (mut all, mut token) = (Vec::new(), String::new());
            for round in 0.. {
                let page = next_page(&query, sizes[round % sizes.len()], &token).await.unwrap();
                let may_be_empty = page.next.is_empty() || page.coverage.limit_reached;
                prop_assert!(may_be_empty || !page.items.is_empty(), "only the last page may be empty, or one that was cut");
                prop_assert!(round < 5_000, "no end");
                all.extend(shown(&page));
                let is_covered = |trace: &&(UnixNanos, TraceId, u64)| page.coverage.since.is_none_or(|since| trace.0 >= since);
                prop_assert!(traces_of(&first).iter().filter(is_covered).all(|trace| all.contains(trace)));
                prop_assert_eq!(page.next.is_empty(), page.coverage.since.is_none());
                token = page.next;
                if token.is_empty() {
                    break;
                }
                write(store.as_ref(), &late[round % late.len()]).await;
            }
            prop_assert_eq!(all, traces_of(&first));
            Ok(())
        })?;
    }
}

/// Queries that a span alone decides, or a whole trace; the last two are looked for by spans that need not be found.
const QUERIES: [&str; 6] = [
    "{ name = `yes` }",
    "{ name = `yes` } | count() > 1",
    "{ name = `no` } && { name = `yes` }",
    "{ traceDuration > 8ns && name = `yes` }",
    "{ span:id = `0202020202020202` } && { }",
    "{ } >> { span:id = `0303030303030303` } || { span:id = `0202020202020202` } && { }",
];

fn pipeline(query: usize) -> Pipeline {
    match traceql::parse(QUERIES[query]).unwrap().body {
        Body::Traces(pipeline) => pipeline,
        Body::Metrics(_) => unreachable!("{query}"),
    }
}

/// The list of a query as it should be, with the number of spans that are found.
fn traces_with(pipeline: &Pipeline, seeds: &[Seed]) -> Vec<(UnixNanos, TraceId, u64)> {
    let mut traces = BTreeMap::<TraceId, Vec<Span>>::new();
    for span in seeds.iter().copied().map(span) {
        traces.entry(span.trace_id).or_default().push(span);
    }
    let listed = traces.into_iter().filter_map(|(id, spans)| {
        let matched: usize = spansets(pipeline, &Trace::new(&spans)).iter().map(|set| set.spans.len()).sum();
        let start = spans.iter().map(|span| span.start).min()?;
        (matched > 0).then_some((start, id, u64::try_from(matched).ok()?))
    });
    let mut listed: Vec<_> = listed.collect();
    listed.sort_unstable_by(|a, b| b.cmp(a));
    listed
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Guarantees: the same of lists with a query, in which nothing is found of a trace until its turn has come; and that
    /// what is found in each is counted whole, on whichever pages its spans were seen.
    #[test]
    fn all_pages_of_a_query_are_its_list(
        first in seeds(60),
        late in prop::collection::vec(seeds(6), 1..6),
        sizes in prop::collection::vec(1..5_i32, 1..4),
        query_number in 0..QUERIES.len(),
        reading in readings(),
        work_spans_max in prop_oneof![Just(u64::MAX), 0..60_u64],
    ) {
        in_runtime(async {
            let store = Arc::new(MemoryStore::default());
            write(store.as_ref(), &first).await;
            let settings = QuerySettings { work_spans_max, ..QuerySettings::default() };
            let query = Query { store: store.clone(), settings, reading };
            let (pipeline, search) = (pipeline(query_number), Search::default());
            let question = Question { query: Some(&pipeline), ..Question::plain(&search) };
            let (mut all, mut token) = (Vec::new(), String::new());
            for round in 0.. {
                let request = PageRequest { size: Some(sizes[round % sizes.len()]), token: &token };
                let page = query.search_traces(&question, &request).await.unwrap();
                all.extend(page.items.iter().map(|found| {
                    let matched = found.span_sets.iter().map(|set| set.matched).sum();
                    (found.summary.start, found.summary.trace_id, matched)
                }));
                let is_covered = |trace: &&(UnixNanos, TraceId, u64)| page.coverage.since.is_none_or(|since| trace.0 >= since);
                prop_assert!(traces_with(&pipeline, &first).iter().filter(is_covered).all(|trace| all.contains(trace)));
                prop_assert!(round < 5_000, "no end");
                token = page.next;
                if token.is_empty() {
                    break;
                }
                write(store.as_ref(), &late[round % late.len()]).await;
            }
            prop_assert_eq!(all, traces_with(&pipeline, &first));
            Ok(())
        })?;
    }
}

/// Counts what is asked of the store behind it.
#[derive(Default)]
struct Counting {
    store: MemoryStore,
    scans: AtomicUsize,
    keys: AtomicUsize,
    summaries: AtomicUsize,
}

impl Counting {
    /// How many scans, keys and requests for summaries there were since the last time.
    fn take(&self) -> (usize, usize, usize) {
        let take = |count: &AtomicUsize| count.swap(0, Ordering::Relaxed);
        (take(&self.scans), take(&self.keys), take(&self.summaries))
    }
}

#[async_trait]
impl SpanStore for Counting {
    async fn write(&self, batches: &[Batch]) -> Result<Vec<Written>, StoreError> {
        self.store.write(batches).await
    }
    async fn forget_receipts(&self, age: Duration) -> Result<u64, StoreError> {
        self.store.forget_receipts(age).await
    }

    async fn retain(&self, settings: &crate::store::RetentionSettings) -> Result<crate::store::Retained, StoreError> {
        self.store.retain(settings).await
    }
    async fn purge(&self) -> Result<(), StoreError> {
        self.store.purge().await
    }
    fn trace(&self, trace_id: TraceId) -> SpanStream {
        self.store.trace(trace_id)
    }
    fn traces(&self, trace_ids: Vec<TraceId>, as_of: Option<Watermark>, work: Work) -> SpanStream {
        self.store.traces(trace_ids, as_of, work)
    }
    fn scan_spans(&self, scan: Scan) -> SpanStream {
        self.store.scan_spans(scan)
    }
    async fn scan_keys(&self, scan: Scan) -> Result<Vec<SpanKey>, StoreError> {
        self.store.scan_keys(scan).await
    }
    async fn scan_places(&self, scan: Scan) -> Result<Vec<TracePlace>, StoreError> {
        let places = self.store.scan_places(scan).await?;
        self.scans.fetch_add(1, Ordering::Relaxed);
        self.keys.fetch_add(places.len(), Ordering::Relaxed);
        Ok(places)
    }
    async fn summaries(&self, ids: &[TraceId], as_of: Option<Watermark>) -> Result<Vec<TraceSummary>, StoreError> {
        self.summaries.fetch_add(1, Ordering::Relaxed);
        self.store.summaries(ids, as_of).await
    }
    async fn watermark(&self) -> Result<Watermark, StoreError> {
        self.store.watermark().await
    }
    async fn services(&self, after: Option<&str>, limit: usize) -> Result<Vec<String>, StoreError> {
        self.store.services(after, limit).await
    }
    async fn operations(
        &self,
        service: &str,
        after: Option<&Operation>,
        limit: usize,
    ) -> Result<Vec<Operation>, StoreError> {
        self.store.operations(service, after, limit).await
    }
    async fn ping(&self) -> Result<(), StoreError> {
        self.store.ping().await
    }
    async fn close(&self) {
        self.store.close().await;
    }
}

/// Scenario: 60 short traces of eight spans, one after the other. Guarantees: the first page of 20 takes one scan and
/// one request for summaries.
#[tokio::test]
async fn an_ordinary_first_page_takes_two_questions() {
    let store = Arc::new(Counting::default());
    let seeds: Vec<Seed> =
        (0..60).flat_map(|trace| (1..9).map(move |id| (trace + 1, id, trace * 4 + id / 4, true))).collect();
    write(store.as_ref(), &seeds).await;
    let query = Query::new(store.clone(), QuerySettings::default());
    let page = query.search_traces(&Question::plain(&search()), &PageRequest::default()).await.unwrap();
    assert_eq!(shown(&page).collect::<Vec<_>>(), traces_of(&seeds)[..20]);
    let (scans, _, summaries) = store.take();
    assert_eq!((scans, summaries), (1, 1));
}

/// Scenario: a trace that began before all others and has a span after them all; 200 others, one page for each.
/// Guarantees: no page reads more keys for it than a few small chunks, so a deep page costs what the first one does,
/// although the token carries one trace only.
#[tokio::test]
async fn a_trace_across_all_pages_does_not_make_them_dear() {
    let store = Arc::new(Counting::default());
    let long = [(255, 1, 0, true), (255, 2, 250, true)];
    let seeds: Vec<Seed> = (1..200).map(|trace| (trace, 1, trace, true)).chain(long).collect();
    write(store.as_ref(), &seeds).await;
    let reading = Reading {
        keys_per_trace: 1,
        keys_per_asked_trace: 1,
        keys_per_whole_trace: 1,
        keys_min: 4,
        carried_new_max: 1,
        ..Reading::default()
    };
    let query = Query { store: store.clone(), settings: QuerySettings::default(), reading };
    let (mut all, mut token) = (Vec::new(), String::new());
    while all.is_empty() || !token.is_empty() {
        let page = next_page(&query, 1, &token).await.unwrap();
        all.extend(shown(&page));
        token = page.next;
        assert!(store.take().1 <= 12, "after {} traces", all.len());
    }
    assert_eq!(all, traces_of(&seeds));
}

/// Scenario: the second page is asked for with another search. Guarantees: that is refused, and names the token.
#[tokio::test]
async fn a_token_goes_with_its_search() {
    let store = Arc::new(MemoryStore::default());
    write(store.as_ref(), &[(1, 1, 1, true), (2, 1, 2, true)]).await;
    let query = Query::new(store, QuerySettings::default());
    let token = next_page(&query, 1, "").await.unwrap().next;
    let request = PageRequest { size: Some(1), token: &token };
    let refused = |result| matches!(result, Err(QueryError::BadRequest { field: "page_token", .. }));
    assert!(refused(query.search_traces(&Question::plain(&Search::default()), &request).await.map(|_| ())));
    assert!(refused(query.search_spans(&Question::plain(&search()), &request).await.map(|_| ())));
    assert!(refused(query.services(&request).await.map(|_| ())));
    assert!(next_page(&query, 2, &token).await.is_ok(), "another page size is no other search");
}
