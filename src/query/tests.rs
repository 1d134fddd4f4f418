//! The pages of the lists of spans, services and operations, put together; and what the tests of traces share.

use std::collections::BTreeSet;
use std::sync::Arc;

use proptest::prelude::*;

use super::{Page, PageRequest, Query, QueryError, QuerySettings, Question};
use crate::model::{
    Attributes, Keyed, Resource, Scope, Search, SearchFields, Span, SpanId, SpanKind, Status, TraceId, UnixNanos, Value,
};
use crate::store::memory::MemoryStore;
use crate::store::{Batch, SpanStore};

/// What makes a span of the tests: trace, span, start, and whether it matches.
pub(super) type Seed = (u8, u8, u8, bool);

pub(super) fn span((trace, id, start, matches): Seed) -> Span {
    Span {
        trace_id: TraceId::from_slice(&[trace; 16]).unwrap(),
        span_id: SpanId::from_slice(&[id; 8]).unwrap(),
        parent_span_id: None,
        trace_state: String::new(),
        flags: 0,
        name: if matches { "yes" } else { "no" }.to_owned(),
        kind: SpanKind::SERVER,
        start: UnixNanos(start.into()),
        end: UnixNanos(u64::from(start) + 5),
        attributes: Attributes::default(),
        dropped_attributes_count: 0,
        events: vec![],
        dropped_events_count: 0,
        links: vec![],
        dropped_links_count: 0,
        status: Status::default(),
        resource: Arc::new(Keyed::new(Resource::default())),
        scope: Arc::new(Keyed::new(Scope::default())),
    }
}

pub(super) fn search() -> Search {
    Search::try_from(SearchFields { span_name: Some("yes".to_owned()), ..SearchFields::default() }).unwrap()
}

pub(super) async fn write(store: &dyn SpanStore, seeds: &[Seed]) {
    store.write(&[Batch::new(seeds.iter().copied().map(span).collect())]).await.unwrap();
}

pub(super) fn in_runtime<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(work)
}

pub(super) fn seeds(most: usize) -> impl Strategy<Value = Vec<Seed>> {
    prop::collection::vec((1..8_u8, 1..6_u8, 0..40_u8, prop::bool::weighted(0.6)), 0..most)
}

/// The store, with queries of it whose pages are cut at so many bytes.
fn store_and_query(page_bytes_max: usize) -> (Arc<MemoryStore>, Query) {
    let store = Arc::new(MemoryStore::default());
    let query = Query::new(store.clone(), QuerySettings { page_bytes_max, ..QuerySettings::default() });
    (store, query)
}

proptest! {
    /// Guarantees: all pages together are the spans of the first page's moment, in order and without a repetition,
    /// whatever arrives between two pages.
    #[test]
    fn all_pages_are_the_spans_of_the_first_moment(
        first in seeds(40),
        late in prop::collection::vec(seeds(6), 1..6),
        sizes in prop::collection::vec(1..7_i32, 1..4),
        page_bytes_max in prop_oneof![Just(1_usize), Just(1_500), Just(2 << 20)],
    ) {
        in_runtime(async {
            let (store, query) = store_and_query(page_bytes_max);
            write(store.as_ref(), &first).await;
            let (mut all, mut token) = (Vec::new(), String::new());
            for round in 0.. {
                let request = PageRequest { size: Some(sizes[round % sizes.len()]), token: &token };
                let page = query.search_spans(&Question::plain(&search()), &request).await.unwrap();
                prop_assert!(page.next.is_empty() || !page.items.is_empty());
                all.extend(page.items.iter().map(Span::key));
                token = page.next;
                if token.is_empty() {
                    break;
                }
                write(store.as_ref(), &late[round % late.len()]).await;
            }
            let matching: BTreeSet<_> = first.iter().filter(|seed| seed.3).map(|seed| span(*seed).key()).collect();
            prop_assert!(all.iter().eq(matching.iter().rev()));
            Ok(())
        })?;
    }
}

/// Reads a list to its end, one name a page.
async fn read_all<T>(mut next: impl AsyncFnMut(&str) -> Result<Page<T>, QueryError>) -> Vec<T> {
    let (mut all, mut token) = (Vec::new(), String::new());
    while all.is_empty() || !token.is_empty() {
        let page = next(&token).await.unwrap();
        assert_eq!(page.items.len(), 1);
        all.extend(page.items);
        token = page.next;
    }
    all
}

/// Scenario: services and operations with names that are hard to keep in a token. Guarantees: they are read one page
/// after the other, whether the page ends by its number of items or by its size.
#[tokio::test]
async fn names_are_read_page_by_page() {
    let names = ["", "a", "a\0", "a b", "käse", &"long".repeat(500)];
    for (page_bytes_max, size) in [(2 << 20, 1), (1, 1_000)] {
        let (store, query) = store_and_query(page_bytes_max);
        let spans = names.iter().map(|name| {
            let attributes = [("service.name", Value::from(*name))].into_iter().collect();
            let resource = Arc::new(Keyed::new(Resource { attributes, ..Resource::default() }));
            Span { resource, ..span((1, 1, 1, true)) }
        });
        let operations = names.iter().map(|name| Span { name: (*name).to_owned(), ..span((1, 1, 1, true)) });
        store.write(&[Batch::new(spans.chain(operations).collect())]).await.unwrap();
        let services = read_all(async |token| query.services(&PageRequest { size: Some(size), token }).await).await;
        let mut expected = vec!["a", "a\0", "a b", "käse", names[5], "unknown_service"];
        expected.sort_unstable();
        assert_eq!(services, expected);
        let operations =
            read_all(async |token| query.operations("unknown_service", &PageRequest { size: Some(size), token }).await);
        let mut expected = [names.as_slice(), &["yes"]].concat();
        expected.sort_unstable();
        let operations: Vec<_> = operations.await.into_iter().map(|operation| operation.name).collect();
        assert_eq!(operations, expected);
    }
}

/// Guarantees: without a size, and with size 0, each list has its own default; a size that is too large is cut.
#[tokio::test]
async fn pages_have_default_sizes() {
    let (store, query) = store_and_query(2 << 20);
    let seeds: Vec<Seed> = (1..=200).flat_map(|trace| (1..=6).map(move |id| (trace, id, trace, true))).collect();
    write(store.as_ref(), &seeds).await;
    for size in [None, Some(0)] {
        let request = PageRequest { size, token: "" };
        assert_eq!(query.search_traces(&Question::plain(&search()), &request).await.unwrap().items.len(), 20);
        assert_eq!(query.search_spans(&Question::plain(&search()), &request).await.unwrap().items.len(), 100);
    }
    let request = PageRequest { size: Some(5_000), token: "" };
    assert_eq!(query.search_traces(&Question::plain(&search()), &request).await.unwrap().items.len(), 200);
    assert_eq!(query.search_spans(&Question::plain(&search()), &request).await.unwrap().items.len(), 1_000);
}
