//! What searches with queries may cost: little where a plan helps, never more than the limit, and what is left out is said.

use std::sync::Arc;
use std::time::Duration;

use tracewell::model::{Attributes, Search, SearchFields, Span, Status, StatusCode, UnixNanos, Value};
use tracewell::query::{PageRequest, Query, QuerySettings, Question};
use tracewell::store::memory::MemoryStore;
use tracewell::store::postgres::{PostgresSettings, PostgresStore};
use tracewell::store::{Batch, Counted, SpanStore};
use tracewell::traceql;
use tracewell::traceql::tree::{Body, Pipeline};

use crate::support::database::AT_ONCE;
use crate::support::postgres::TestDatabase;
use crate::support::{service, span, span_id, trace_id};

const SECOND: u64 = 1_000_000_000;

fn pipeline(query: &str) -> Pipeline {
    match traceql::parse(query).unwrap().body {
        Body::Traces(pipeline) => pipeline,
        Body::Metrics(_) => panic!("{query}"),
    }
}

/// A thousand traces of three spans, one a second: a root of "shop", and below it two of "cart". One of the roots is rare.
async fn store() -> Arc<MemoryStore> {
    let store = MemoryStore::default();
    let spans = (1..=1_000_u64).flat_map(|trace| {
        let start = trace * SECOND;
        let root = Span {
            end: UnixNanos(start + if trace % 100 == 0 { SECOND } else { 10_000 }),
            attributes: if trace == 123 {
                [("rare", Value::Int(1))].into_iter().collect()
            } else {
                Attributes::default()
            },
            ..span(trace, 1, start)
        };
        let child = |id: u64| Span {
            parent_span_id: Some(span_id(1)),
            resource: service("cart"),
            ..span(trace, id, start + id)
        };
        [root, child(2), child(3)]
    });
    store.write(&[Batch::new(spans.collect())]).await.unwrap();
    Arc::new(store)
}

/// What the first page of a search has: how many traces, and how many were read whole for it.
async fn first_page(query: &str, settings: QuerySettings) -> (usize, u64) {
    let (pipeline, search) = (pipeline(query), Search::default());
    let question = Question { query: Some(&pipeline), ..Question::plain(&search) };
    let query = Query::new(store().await, settings);
    let page = query.search_traces(&question, &PageRequest::default()).await.unwrap();
    assert!(!page.coverage.limit_reached);
    (page.items.len(), page.coverage.work.of(Counted::TracesRead))
}

/// Guarantees: of traces that can not match, none is read whole, as far as that can be told without: by the summary, by a
/// span that it must have, or because spans alone decide.
#[tokio::test]
async fn few_whole_traces_are_read() {
    for (query, found, read) in [
        ("{ resource.service.name = `cart` }", 20, 0),
        ("{ traceDuration > 500ms && name = `get` }", 10, 10),
        ("{ rootName = `put` }", 0, 0),
        ("{ rootName !~ `put` && rootServiceName !~ `cart` }", 20, 20),
        ("{ rootServiceName = `cart` || traceDuration > 1m }", 0, 0),
        ("{ .rare = 1 } > { }", 1, 1),
        ("{ } < { .rare = 1 }", 1, 1),
        ("{ .rare = 1 && childCount = 2 }", 1, 1),
        ("{ } | count() = 3", 20, 20),
        ("{ trace:id = `7b` } >> { }", 1, 1),
    ] {
        assert_eq!(first_page(query, QuerySettings::default()).await, (found, read), "{query}");
    }
}

/// A thousand traces, one a second: a span of "cart" in each, which fails in every fifth, one of "bank" and another of "cart"
/// in every twentieth, one of "stock" in every seventh.
async fn store_of_services() -> Arc<MemoryStore> {
    let store = MemoryStore::default();
    let spans = (1..=1_000_u64).flat_map(|trace| {
        let of = |id: u64, name: &str| Span {
            parent_span_id: Some(span_id(9)),
            resource: service(name),
            ..span(trace, id, trace * SECOND)
        };
        let code = if trace % 5 == 0 { StatusCode::ERROR } else { StatusCode::UNSET };
        let cart = Span { status: Status { code, message: String::new() }, ..of(1, "cart") };
        let bank = (trace % 20 == 0).then(|| [of(2, "bank"), of(4, "cart")]);
        let stock = (trace % 7 == 0).then(|| of(3, "stock"));
        [cart].into_iter().chain(bank.into_iter().flatten()).chain(stock)
    });
    store.write(&[Batch::new(spans.collect())]).await.unwrap();
    Arc::new(store)
}

/// Guarantees: of traces in which a service is not there that a query asks for, or nothing failed of it, none is read
/// whole: their summaries tell that, for a list of traces and for one of spans.
#[tokio::test]
async fn traces_without_a_wanted_service_are_not_read() {
    let query = Query::new(store_of_services().await, QuerySettings::default());
    for (text, found, read) in [
        ("{ resource.service.name = `bank` } && { resource.service.name = `stock` }", 7, 7),
        ("{ resource.service.name = `bank` } && { resource.service.name = `mail` }", 0, 0),
        ("{ resource.service.name =~ `st.*` } && { status = error }", 28, 28),
        ("{ resource.service.name = `bank` && status = error } && { resource.service.name = `cart` }", 0, 0),
        ("{ resource.service.name = `bank` } ~ { resource.service.name = `cart` && status = error }", 50, 50),
        ("{ resource.service.name = `cart` && status = unset } && { resource.service.name = `bank` }", 50, 50),
        ("{ resource.service.name = `bank` } && { duration > 1s }", 0, 0),
        ("{ resource.service.name = `bank` && span:parentID = nil } && { }", 0, 0),
        ("{ resource.service.name = `bank` || resource.service.name = `stock` } | count() > 1", 7, 185),
        ("{ resource.service.name = `bank` && traceDuration <= 5us }", 50, 50),
        ("{ resource.service.name = `bank` && traceDuration < 5us }", 0, 0),
    ] {
        let (pipeline, search) = (pipeline(text), Search::default());
        let question = Question { query: Some(&pipeline), ..Question::plain(&search) };
        let all = PageRequest { size: Some(1_000), token: "" };
        let page = query.search_traces(&question, &all).await.unwrap();
        assert_eq!((page.items.len(), page.coverage.work.of(Counted::TracesRead)), (found, read), "{text}");
        let page = query.search_spans(&question, &all).await.unwrap();
        assert_eq!(page.coverage.work.of(Counted::TracesRead), read, "spans of {text}");
    }
}

/// Scenario: no trace matches, which shows only when each is read. Guarantees: pages end by the limit, in spans or in time,
/// with nothing but a token, and say how far they came, which is further each time; the last one ends the list; and nobody
/// read much more than the limit for one of them.
#[tokio::test]
async fn a_search_that_finds_nothing_ends_by_its_limit() {
    let (pipeline, search) = (pipeline("{ } | count() > 3"), Search::default());
    let question = Question { query: Some(&pipeline), ..Question::plain(&search) };
    let default = QuerySettings::default;
    for settings in [
        QuerySettings { work_spans_max: 400, ..default() },
        QuerySettings { work_spans_max: 0, ..default() },
        QuerySettings { work_time_max: Duration::ZERO, ..default() },
    ] {
        let query = Query::new(store().await, settings);
        for is_of_traces in [true, false] {
            let (mut token, mut pages, mut covered) = (String::new(), 0, UnixNanos(u64::MAX));
            loop {
                let request = PageRequest { size: Some(2), token: &token };
                let (is_empty, next, coverage) = if is_of_traces {
                    let page = query.search_traces(&question, &request).await.unwrap();
                    (page.items.is_empty(), page.next, page.coverage)
                } else {
                    let page = query.search_spans(&question, &request).await.unwrap();
                    (page.items.is_empty(), page.next, page.coverage)
                };
                assert!(is_empty);
                assert!(coverage.work.of(Counted::SpansRead) < settings.work_spans_max.saturating_add(4_000));
                (token, pages) = (next, pages + 1);
                if token.is_empty() {
                    assert_eq!((coverage.limit_reached, coverage.since), (false, None));
                    break;
                }
                let since = coverage.since.unwrap();
                assert!(coverage.limit_reached && since <= covered, "{since:?} after {covered:?}");
                covered = since;
            }
            assert!((3..1_100).contains(&pages), "{pages}");
        }
    }
}

/// Scenario: traces have more spans than a query over whole traces may read. Guarantees: they are left out, and some are
/// named; of a query that spans alone decide, they are not.
#[tokio::test]
async fn traces_that_are_too_large_are_named() {
    let settings = QuerySettings { trace_spans_max: 2, ..QuerySettings::default() };
    let query = Query::new(store().await, settings);
    let whole = pipeline("{ } >> { }");
    let search = Search::try_from(SearchFields { start_min: Some(UnixNanos(900 * SECOND)), ..SearchFields::default() });
    let search = search.unwrap();
    let question = Question { query: Some(&whole), ..Question::plain(&search) };
    let page = query.search_traces(&question, &PageRequest::default()).await.unwrap();
    assert_eq!((page.items.len(), page.next.as_str()), (0, ""));
    assert_eq!(page.coverage.trace_ids_too_large.len(), 100);
    assert!(page.coverage.trace_ids_too_large.contains(&trace_id(1_000)));
    let page = query.search_spans(&question, &PageRequest::default()).await.unwrap();
    assert_eq!((page.items.len(), page.coverage.trace_ids_too_large.len()), (0, 100));
    let alone = pipeline("{ kind = server }");
    let question = Question { query: Some(&alone), ..Question::plain(&search) };
    let page = query.search_traces(&question, &PageRequest::default()).await.unwrap();
    assert_eq!((page.items.len(), page.coverage.trace_ids_too_large.len()), (20, 0));
}

/// Scenario: a history of two blocks, one for each of two services. Guarantee: an explanation says how many there are, and
/// how many are left.
#[tokio::test]
async fn an_explanation_counts_the_blocks() {
    let database = TestDatabase::create().await;
    let store = PostgresStore::connect(&database.url(), &PostgresSettings::default()).await.unwrap();
    let spans = vec![span(1, 1, SECOND), Span { resource: service("cart"), ..span(1, 2, SECOND) }];
    store.write(&[Batch::new(spans)]).await.unwrap();
    store.compact(&AT_ONCE).await.unwrap();
    let query = Query::new(Arc::new(store), QuerySettings::default());
    let (pipeline, search) = (pipeline("{ resource.service.name = `cart` }"), Search::default());
    let question = Question { query: Some(&pipeline), ..Question::plain(&search) };
    let work = query.explain_search(&question, &PageRequest::default()).await.unwrap().cost.work;
    assert_eq!((work.of(Counted::BlocksSeen), work.of(Counted::BlocksLeft)), (2, 1));
}
