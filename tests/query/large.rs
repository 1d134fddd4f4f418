//! Much at once: the largest query, more than is looked through, more than is read in one go. Answers are whole all the same.

use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use tracewell::model::{Attributes, Keyed, Resource, Search, Span, UnixNanos, Value};
use tracewell::query::{MetricsRequest, PageRequest, Query, QuerySettings, Question};
use tracewell::store::memory::MemoryStore;
use tracewell::store::{Batch, Counted, SpanStore};
use tracewell::traceql;
use tracewell::traceql::tree::{Body, Pipeline};

use crate::support::database::{AT_ONCE, Database, postgres, postgres_compacted, sqlite};
use crate::support::{span, span_id, trace_id};

const MINUTE: u64 = 60_000_000_000;

fn pipeline(query: &str) -> Pipeline {
    match traceql::parse(query).unwrap().body {
        Body::Traces(pipeline) => pipeline,
        Body::Metrics(_) => panic!("{query}"),
    }
}

async fn filled(spans: Vec<Span>) -> Arc<dyn SpanStore> {
    let store = MemoryStore::default();
    store.write(&[Batch::new(spans)]).await.unwrap();
    Arc::new(store)
}

/// The one value of a metrics query over the first minute.
async fn value(store: &Arc<dyn SpanStore>, query: &str) -> Option<f64> {
    let request = MetricsRequest::new(query, UnixNanos(0), UnixNanos(MINUTE), None).unwrap();
    // However busy the machine is.
    let hour = Duration::from_hours(1);
    let settings = QuerySettings { query_timeout: 2 * hour, work_time_max: hour, ..QuerySettings::default() };
    let answer = Query::new(Arc::clone(store), settings).metrics(&request).await.unwrap();
    assert!(!answer.coverage.limit_reached && answer.series.len() == 1, "{query}");
    answer.series[0].values[0]
}

/// Scenario: a query of about as many conditions as one can have, which is more than fit into a statement of SQLite.
/// Guarantee: it finds what it means.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_largest_query_is_answered() {
    let mut text = "{ .none = -1".to_owned();
    for number in 0..2_400 {
        write!(text, " || .n = {number}").unwrap();
    }
    let (pipeline, search) = (pipeline(&(text + " }")), Search::default());
    let databases: [Box<dyn Database>; 3] =
        [sqlite::create().await, postgres::create().await, postgres_compacted::create().await];
    for database in databases {
        let store = database.open().await;
        let of = |number: u64| Span {
            attributes: [("n", Value::Int(number.cast_signed()))].into_iter().collect(),
            ..span(number, 1, number)
        };
        store.write(&[Batch::new(vec![of(7), of(2_399), of(2_400)])]).await.unwrap();
        store.compact(&AT_ONCE).await.unwrap();
        let query = Query::new(Arc::clone(&store), QuerySettings::default());
        let question = Question { query: Some(&pipeline), ..Question::plain(&search) };
        let page = query.search_traces(&question, &PageRequest::default()).await.unwrap();
        let ids: Vec<_> = page.items.iter().map(|found| found.summary.trace_id).collect();
        assert_eq!(ids, [trace_id(2_399), trace_id(7)]);
        store.close().await;
    }
}

/// Scenario: whole numbers that no double is equal to, and their neighbours. Guarantee: each is found by itself, hot or
/// history.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_whole_numbers_are_found() {
    let numbers = [(1_i64 << 53) + 1, i64::MAX, i64::MIN + 1];
    let of = |(trace, number): (u64, i64)| Span {
        attributes: [("n", Value::Int(number))].into_iter().collect(),
        ..span(trace, 1, trace)
    };
    let databases: [Box<dyn Database>; 2] = [sqlite::create().await, postgres::create().await];
    for database in databases {
        let store = database.open().await;
        let spans = (1..).zip(numbers.into_iter().flat_map(|number| [number, number - 1])).map(of).collect();
        store.write(&[Batch::new(spans)]).await.unwrap();
        for _ in ["hot", "history"] {
            for number in numbers {
                let text = format!("{{ .n = {number} }} | count_over_time()");
                assert_eq!(value(&store, &text).await, Some(1.0), "{text}");
            }
            store.compact(&AT_ONCE).await.unwrap();
        }
        store.close().await;
    }
}

/// Scenario: a condition that more resources meet than are looked through for it. Guarantee: the spans of all of them are
/// found, hot or history.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_condition_may_be_met_by_any_number_of_resources() {
    let of = |number: u64| {
        let attributes: Attributes = [("n", Value::Int(number.cast_signed()))].into_iter().collect();
        let resource = Arc::new(Keyed::new(Resource { attributes, ..Resource::default() }));
        Span { resource, ..span(1, number, number) }
    };
    let database = postgres::create().await;
    let store = database.open().await;
    store.write(&[Batch::new((1..=10_050).map(of).collect())]).await.unwrap();
    assert_eq!(value(&store, "{ resource.n != nil } | count_over_time()").await, Some(10_050.0));
    store.compact(&AT_ONCE).await.unwrap();
    assert_eq!(value(&store, "{ resource.n != nil } | count_over_time()").await, Some(10_050.0));
    store.close().await;
}

/// Scenario: spans of a MiB, of which not all are read in one go. Guarantee: a page that has room for all has all.
#[tokio::test]
async fn large_spans_are_read_in_parts() {
    let payload = || [("payload", Value::Bytes(vec![7; 1 << 20]))].into_iter().collect();
    let store = filled((1..=20).map(|id| Span { attributes: payload(), ..span(1, id, id) }).collect()).await;
    let query = Query::new(store, QuerySettings { page_bytes_max: 1 << 30, ..QuerySettings::default() });
    let search = Search::default();
    let page = query.search_spans(&Question::plain(&search), &PageRequest::default()).await.unwrap();
    assert_eq!((page.items.len(), page.next.as_str()), (20, ""));
}

/// Scenario: more places than are asked for at once, each of another trace. Guarantee: every trace is measured.
#[tokio::test]
async fn a_metric_of_whole_traces_is_of_all_of_them() {
    let store = filled((1..=20_050).map(|trace| span(trace, 1, trace)).collect()).await;
    assert_eq!(value(&store, "{ rootName = `get` } | count_over_time()").await, Some(20_050.0));
}

/// Scenario: spans of traces that must have a rare one, of few such traces and of many. Guarantee: the few are read, all of
/// them; of the many, hardly more than the page shows.
#[tokio::test]
async fn few_traces_are_read_at_once_and_many_are_not() {
    let (pipeline, search) = (pipeline("{ .rare = 1 } > { }"), Search::default());
    let question = Question { query: Some(&pipeline), ..Question::plain(&search) };
    for (traces, read_max) in [(200, 200), (300, 64)] {
        let of = |trace: u64| {
            let rare = [("rare", Value::Int(1))].into_iter().collect();
            let child = Span { parent_span_id: Some(span_id(1)), ..span(trace, 2, trace * 10 + 1) };
            [Span { attributes: rare, ..span(trace, 1, trace * 10) }, child]
        };
        let query = Query::new(filled((1..=traces).flat_map(of).collect()).await, QuerySettings::default());
        let page = query.search_spans(&question, &PageRequest { size: Some(10), token: "" }).await.unwrap();
        let ids: Vec<_> = page.items.iter().map(|span| span.trace_id).collect();
        assert_eq!(ids, (0..10).map(|back| trace_id(traces - back)).collect::<Vec<_>>());
        let read = page.coverage.work.of(Counted::TracesRead);
        assert!(read <= read_max && (traces > 256 || read == traces), "{read} of {traces}");
    }
}
