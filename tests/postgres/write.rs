//! What writes leave behind: all or nothing, also when they are cancelled, refused, or cut off.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use futures::future::join_all;
use tracewell::model::{
    AttributeCondition, AttributeScope, Attributes, Keyed, Resource, Scope, Search, SearchFields, Span, Value,
};
use tracewell::store::postgres::{PostgresSettings, PostgresStore};
use tracewell::store::{SpanStore, StoreError};

use super::{all, execute, full_span, open, scan, settings, span, write};
use crate::support::postgres::TestDatabase;

/// Every field comes back, also the ones that PostgreSQL can not hold as they are.
#[tokio::test]
async fn a_span_comes_back_whole() {
    let database = TestDatabase::create().await;
    let store = open(&database).await;
    let span = full_span();
    write(&store, std::slice::from_ref(&span)).await.unwrap();
    assert_eq!(all(store.trace(span.trace_id)).await.unwrap(), std::slice::from_ref(&span));
    assert_eq!(all(store.scan_spans(scan(10))).await.unwrap(), std::slice::from_ref(&span));
    assert_eq!(store.services(None, 10).await.unwrap(), ["shop\0"]);
    let operations = store.operations("shop\0", None, 10).await.unwrap();
    assert_eq!(operations.iter().map(|operation| operation.name.as_str()).collect::<Vec<_>>(), ["n\0"]);
    store.close().await;
}

/// Typed equality of attributes, in spans and resources, is that of the model.
#[tokio::test]
async fn attributes_are_found_by_type_and_value() {
    let database = TestDatabase::create().await;
    let store = open(&database).await;
    let span = full_span();
    write(&store, std::slice::from_ref(&span)).await.unwrap();
    let condition = |key: &str, value| AttributeCondition { scope: AttributeScope::Any, key: key.to_owned(), value };
    let map = span.attributes.get("a").unwrap().clone();
    let conditions = [
        condition("a", map),
        condition("a", Value::Array(vec![Value::Null, Value::Int(1), Value::Double(1.0)])),
        condition("a", Value::Bool(true)),
        condition("host.name", Value::from("node\u{1}")),
        condition("host.name", Value::from("node")),
        condition("a", (0..200).fold(Value::Null, |inner, _| Value::Array(vec![inner]))),
    ];
    for condition in conditions {
        let fields = SearchFields { attributes: vec![condition], ..SearchFields::default() };
        let search = Search::try_from(fields).unwrap();
        let expected = usize::from(search.matches(&span));
        let found = store.scan_keys(tracewell::store::Scan { search, ..scan(10) }).await.unwrap();
        assert_eq!(found.len(), expected);
    }
    store.close().await;
}

/// Exact copies do not eat up the limit, however many there are and wherever pages end.
#[tokio::test]
async fn a_limit_counts_spans_not_copies() {
    let database = TestDatabase::create().await;
    let store = open(&database).await;
    let copies: Vec<_> = (0..50).flat_map(|_| [span(1, 1), span(1, 2), span(1, 3)]).collect();
    write(&store, &copies).await.unwrap();
    let newest_two = [span(1, 3), span(1, 2)];
    assert_eq!(all(store.scan_spans(scan(2))).await.unwrap(), newest_two);
    assert_eq!(store.scan_keys(scan(2)).await.unwrap(), newest_two.map(|span| span.key()));
    assert_eq!(store.scan_keys(scan(1_000)).await.unwrap().len(), 3);
    store.close().await;
}

/// Polls a future so many times, then drops it.
async fn cut_after<T>(polls: usize, future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    let mut left = polls;
    poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        future.as_mut().poll(context).map(Some)
    })
    .await
}

/// A write whose future is dropped, at whatever point, leaves all or nothing, and a connection that the next can use.
#[tokio::test]
async fn a_cancelled_write_leaves_all_or_nothing() {
    let database = TestDatabase::create().await;
    let settings = PostgresSettings { writer_connections_max: 1, ..settings() };
    let store = PostgresStore::connect(&database.url(), &settings).await.unwrap();
    for polls in 0..40 {
        let trace = u8::try_from(polls + 1).unwrap();
        // Each with a service of its own, so that the dictionaries are part of the transaction.
        let name = Value::String(format!("service {polls}"));
        let attributes = Attributes::from_iter([("service.name", name)]);
        let resource = Arc::new(Keyed::new(Resource { attributes, ..Resource::default() }));
        let spans = [span(trace, 1), span(trace, 2)].map(|span| Span { resource: resource.clone(), ..span });
        let outcome = cut_after(polls, write(&store, &spans)).await;
        write(&store, &[span(200, trace)]).await.unwrap();
        let stored = all(store.trace(spans[0].trace_id)).await.unwrap().len();
        match outcome {
            None => assert!(stored == 0 || stored == 2, "{stored} spans after {polls} polls"),
            Some(result) => assert_eq!((result.is_ok(), stored), (true, 2)),
        }
        let services = store.services(None, 100).await.unwrap();
        assert_eq!(services.contains(&format!("service {polls}")), stored == 2);
    }
    assert_eq!(all(store.trace(span(200, 1).trace_id)).await.unwrap().len(), 40);
    store.close().await;
}

/// More bytes than one statement takes, in a few spans, or in the resources and scopes of a few, are stored whole.
#[tokio::test]
async fn large_values_of_few_spans_are_stored() {
    let database = TestDatabase::create().await;
    let store = open(&database).await;
    let large = |number: u8| [("k", Value::String(format!("{number}{}", "x".repeat(6 << 20))))].into_iter().collect();
    let spans: Vec<_> = (0..18_u8)
        .map(|number| match number % 3 {
            0 => Span { attributes: large(number), ..span(1, number + 1) },
            1 => {
                let resource = Resource { attributes: large(number), ..Resource::default() };
                Span { resource: Arc::new(Keyed::new(resource)), ..span(1, number + 1) }
            }
            _ => {
                let scope = Scope { attributes: large(number), ..Scope::default() };
                Span { scope: Arc::new(Keyed::new(scope)), ..span(1, number + 1) }
            }
        })
        .collect();
    write(&store, &spans).await.unwrap();
    let stored = all(store.trace(spans[0].trace_id)).await.unwrap();
    assert_eq!(stored.len(), spans.len());
    for span in &spans {
        assert!(stored.contains(span), "span {} is missing or changed", span.span_id);
    }
    store.close().await;
}

/// What can not be stored is refused whole, with a reason, and the next write is none the worse.
#[tokio::test]
async fn a_refused_write_leaves_nothing() {
    let database = TestDatabase::create().await;
    let store = open(&database).await;
    let mut deep = span(1, 2);
    let value = (0..200).fold(Value::Null, |inner, _| Value::Array(vec![inner]));
    deep.attributes = Attributes::from_iter([("k", value)]);
    let error = write(&store, &[span(1, 1), deep]).await.unwrap_err();
    assert!(matches!(&error, StoreError::Refused { reason } if reason.contains("nested deeper")), "{error}");
    assert_eq!(all(store.trace(span(1, 1).trace_id)).await.unwrap(), []);
    assert_eq!(store.services(None, 10).await.unwrap(), [""; 0]);
    write(&store, &[span(1, 1)]).await.unwrap();
    assert_eq!(all(store.trace(span(1, 1).trace_id)).await.unwrap(), [span(1, 1)]);
    store.close().await;
}

/// Writers that add the same resources at the same time, each in an order of its own, do not end in a deadlock. All of
/// them are stopped halfway first, by somebody else who holds one of the resources.
#[tokio::test]
async fn writers_do_not_block_each_other_for_ever() {
    let database = TestDatabase::create().await;
    let settings = PostgresSettings { writer_connections_max: 4, ..settings() };
    let store = PostgresStore::connect(&database.url(), &settings).await.unwrap();
    let spans: Vec<_> = (0..200)
        .map(|number| {
            let attributes = Attributes::from_iter([("number", Value::Int(number))]);
            Span { resource: Arc::new(Keyed::new(Resource { attributes, ..Resource::default() })), ..span(1, 1) }
        })
        .collect();
    let mut holder = database.connect().await;
    let key = spans[100].resource.key();
    execute(&mut holder, &format!("begin; insert into resource_row values ({key}, 0, '', '', '', '{{}}')")).await;
    let release = async {
        let waiting = "select count(*) from pg_stat_activity \
                       where datname = current_database() and wait_event_type = 'Lock'";
        let mut observer = database.connect().await;
        while sqlx::query_scalar::<_, i64>(waiting).fetch_one(&mut observer).await.unwrap() < 4 {}
        execute(&mut holder, "rollback").await;
    };
    // Each has one span of its own, or it would be recognised and wait for no resource.
    let batches: Vec<Vec<Span>> = (1..=4).map(|id| [&spans[..], &[span(2, id)]].concat()).collect();
    let mut writes = pin!(join_all(batches.iter().map(|spans| write(&store, spans))));
    tokio::select! {
        results = &mut writes => panic!("nobody waited: {results:?}"),
        () = release => {}
    }
    for result in writes.await {
        result.unwrap();
    }
    assert_eq!(all(store.trace(spans[0].trace_id)).await.unwrap().len(), 200);
    store.close().await;
}

/// After a new connection, nothing is taken for granted: the server behind it may have lost rows that were written.
#[tokio::test]
async fn rows_that_a_failover_lost_are_written_again() {
    let database = TestDatabase::create().await;
    let store = open(&database).await;
    write(&store, &[span(1, 1)]).await.unwrap();
    let mut connection = database.connect().await;
    execute(&mut connection, "truncate receipt, resource_row, scope, service, operation, span_row").await;
    let others = "select pg_terminate_backend(pid, 5000) from pg_stat_activity \
                  where datname = current_database() and pid <> pg_backend_pid()";
    execute(&mut connection, others).await;
    write(&store, &[span(1, 1)]).await.unwrap();
    assert_eq!(all(store.trace(span(1, 1).trace_id)).await.unwrap(), [span(1, 1)]);
    assert_eq!(store.services(None, 10).await.unwrap(), ["shop"]);
    store.close().await;
}

/// A row that somebody damaged is an error that names the span, not a panic and not another span.
#[tokio::test]
async fn damaged_rows_are_corrupt() {
    let damages = [
        "delete from resource_row",
        "delete from scope",
        "update resource_row set attributes = '{\"service.name\": \"other\"}'",
        "update span_row set attributes_shape = '\\x07'",
        "update span_row set duration_nano = -1",
        "update span_row set span_id = ''",
        "update span_row set name = E'\\x01'",
        "update span_row set events = '{}'",
    ];
    for damage in damages {
        let database = TestDatabase::create().await;
        let store = open(&database).await;
        write(&store, &[span(1, 1)]).await.unwrap();
        execute(&mut database.connect().await, damage).await;
        for answer in [all(store.trace(span(1, 1).trace_id)).await, all(store.scan_spans(scan(1))).await] {
            assert!(matches!(answer, Err(StoreError::Corrupt { .. })), "{damage}: {answer:?}");
        }
        store.close().await;
    }
}

/// Readers can not write, whatever a statement says, and they do not run for ever.
#[tokio::test]
async fn a_slow_reader_is_stopped() {
    let database = TestDatabase::create().await;
    let settings = PostgresSettings { read_duration_max: std::time::Duration::from_millis(200), ..settings() };
    let store = PostgresStore::connect(&database.url(), &settings).await.unwrap();
    let mut connection = database.connect().await;
    execute(&mut connection, "begin; lock table span_row in access exclusive mode").await;
    let answer = store.scan_keys(scan(1)).await;
    assert!(matches!(answer, Err(StoreError::Busy(_))), "{answer:?}");
    execute(&mut connection, "rollback").await;
    assert_eq!(store.scan_keys(scan(1)).await.unwrap(), []);
    store.close().await;
}
