//! What can be seen from inside only: the plans of the statements, the settings of the connections, what a read that
//! is given up leaves behind, and what SQLite's errors become.

use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;

use futures::TryStreamExt;
use sqlx::{Row, query, query_as, query_scalar};

use super::checkpoint::CHECKPOINT;
use super::open::writer_options;
use super::search::page;
use super::statements::{
    SELECT_FACTS, SELECT_OPERATIONS_AFTER, SELECT_SERVICES, SELECT_SPANS, SELECT_TRACE, SELECT_WATERMARK,
};
use super::{SqliteSettings, SqliteStore};
use crate::model::{
    AttributeCondition, AttributeScope, Attributes, Keyed, Resource, Scope, Search, SearchFields, Span, SpanId,
    SpanKey, SpanKind, Status, StatusCode, TraceId, UnixNanos, Value,
};
use crate::store::{Batch, Scan, SpanStore, StoreError};

/// A file in a directory of its own, gone with the test.
struct TestFile(PathBuf);

impl TestFile {
    fn create() -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let directory = std::env::temp_dir().join(format!("tracewell-unit-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        Self(directory.join("spans.db"))
    }

    async fn open(&self) -> SqliteStore {
        SqliteStore::open(self.0.to_str().unwrap(), &SqliteSettings::default()).await.unwrap()
    }
}

impl Drop for TestFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(self.0.parent().unwrap());
    }
}

fn span(id: u64) -> Span {
    Span {
        trace_id: TraceId::from_slice(&[1; 16]).unwrap(),
        span_id: SpanId::from_slice(&id.to_be_bytes()).unwrap(),
        parent_span_id: None,
        trace_state: String::new(),
        flags: 0,
        name: "get".to_owned(),
        kind: SpanKind::SERVER,
        start: UnixNanos(id),
        end: UnixNanos(id),
        attributes: Attributes::default(),
        dropped_attributes_count: 0,
        events: Vec::new(),
        dropped_events_count: 0,
        links: Vec::new(),
        dropped_links_count: 0,
        status: Status::default(),
        resource: Arc::new(Keyed::new(Resource::default())),
        scope: Arc::new(Keyed::new(Scope::default())),
    }
}

fn batch(ids: std::ops::Range<u64>) -> [Batch; 1] {
    [Batch::new(ids.map(span).collect())]
}

fn scan(fields: SearchFields) -> Scan {
    Scan::of(Search::try_from(fields).unwrap())
}

/// How SQLite goes about a statement, a line a step.
async fn plan(store: &SqliteStore, statement: &str) -> String {
    let text = sqlx::AssertSqlSafe(format!("explain query plan {statement}"));
    let mut reading = store.reader.begin().await.unwrap();
    // The plan does not depend on the values.
    let rows = query(text).fetch_all(&mut *reading).await.unwrap();
    rows.iter().map(|row| row.get::<String, _>("detail")).collect::<Vec<_>>().join("\n")
}

/// Every search goes along an index from the newest span on and stops when it has enough: none sorts all it finds.
#[tokio::test]
async fn searches_go_along_an_index() {
    let file = TestFile::create();
    let store = file.open().await;
    let default = SearchFields::default;
    let service = Some("shop".to_owned());
    let (start_min, start_max) = (Some(UnixNanos(1)), Some(UnixNanos(2)));
    let attribute = |scope| vec![AttributeCondition { scope, key: "a".to_owned(), value: Value::from("b") }; 2];
    let by_start = "INDEX span_row_by_start";
    let by_service = "INDEX span_row_by_service (service_id=?";
    let cases = [
        (default(), by_start.to_owned()),
        (SearchFields { start_min, start_max, ..default() }, format!("{by_start} (start_time>? AND start_time<?)")),
        (SearchFields { service: service.clone(), ..default() }, format!("{by_service})")),
        (
            SearchFields { start_min, start_max, service, ..default() },
            format!("{by_service} AND start_time>? AND start_time<?)"),
        ),
        (SearchFields { node: Some("n".to_owned()), ..default() }, by_start.to_owned()),
        (SearchFields { span_name: Some("get".to_owned()), ..default() }, by_start.to_owned()),
        (SearchFields { kind: Some(SpanKind::SERVER), status: Some(StatusCode::OK), ..default() }, by_start.to_owned()),
        (SearchFields { duration_min_nanos: Some(1), ..default() }, by_start.to_owned()),
        (SearchFields { attributes: attribute(AttributeScope::Any), ..default() }, by_start.to_owned()),
        (SearchFields { attributes: attribute(AttributeScope::Resource), ..default() }, by_start.to_owned()),
    ];
    for (fields, index) in cases {
        let scan = scan(fields);
        for before in [None, Some(span(1).key())] {
            let plan = plan(&store, page(&scan, before, 10).unwrap().sql().as_str()).await;
            let step = plan.lines().next().unwrap_or_default();
            let index = if before.is_some() { index.split([' ', ')']).nth(1).unwrap_or_default() } else { &index };
            assert!(step.contains(index), "{plan}");
            assert!(before.is_none() || step.contains("start_time<?"), "{plan}");
            assert!(plan.contains("USE TEMP B-TREE FOR LAST 4 TERMS OF ORDER BY"), "{plan}");
        }
    }
    store.close().await;
}

/// The statements whose text is fixed find their rows by an index, too.
#[tokio::test]
async fn look_ups_use_their_index() {
    let file = TestFile::create();
    let store = file.open().await;
    for (statement, step) in [
        (SELECT_TRACE, "SEARCH span_row USING INDEX span_row_by_trace (<expr>=? AND rowid<?)"),
        (SELECT_FACTS, "SEARCH span_row USING INDEX span_row_by_trace (<expr>=?"),
        (SELECT_SPANS.as_str(), "SEARCH span_row USING INTEGER PRIMARY KEY (rowid=?)"),
        (SELECT_WATERMARK, "SEARCH span_row"),
        (SELECT_SERVICES, "SEARCH service USING COVERING INDEX sqlite_autoindex_service_1 (name>?)"),
        (SELECT_OPERATIONS_AFTER, "SEARCH operation USING PRIMARY KEY (service_id=? AND (name,kind)>(?,?))"),
        ("select * from span where trace_id = ?", "SEARCH span_row USING INDEX span_row_by_trace (<expr>=?)"),
        ("select * from trace where trace_id = ?", "SEARCH span_row USING INDEX span_row_by_trace (<expr>=?)"),
    ] {
        let plan = plan(&store, statement).await;
        assert!(plan.contains(step), "{statement}\n{plan}");
        assert!(!plan.contains("SCAN span_row") && !plan.contains("SCAN copy"), "{statement}\n{plan}");
    }
    store.close().await;
}

/// What a commit's durability, and the sharing of the file, depend on.
#[tokio::test]
async fn connections_have_their_settings() {
    let file = TestFile::create();
    let store = file.open().await;
    let (mut writer, mut reader) = (store.writer.pool.acquire().await.unwrap(), store.reader.begin().await.unwrap());
    for (pragma, on_writer, on_reader) in [
        ("pragma synchronous", 2, 2),
        ("pragma fullfsync", 1, 1),
        ("pragma foreign_keys", 0, 0),
        ("pragma busy_timeout", 5_000, 5_000),
        ("pragma query_only", 0, 1),
        ("pragma wal_autocheckpoint", 16_384, 1_000),
        ("pragma cache_size", -32_768, -8_192),
    ] {
        assert_eq!(query_scalar::<_, i64>(pragma).fetch_one(&mut *writer).await.unwrap(), on_writer, "{pragma}");
        assert_eq!(query_scalar::<_, i64>(pragma).fetch_one(&mut *reader).await.unwrap(), on_reader, "{pragma}");
    }
    let mode: String = query_scalar("pragma journal_mode").fetch_one(&mut *writer).await.unwrap();
    assert_eq!(mode, "wal");
    assert!(query("delete from span_row").execute(&mut *reader).await.is_err(), "a reader can write");
    drop((writer, reader));
    store.close().await;
}

/// Scenario: the writer wrote. Guarantee: who tidies up behind it, with a connection that changes no row, brings all of the log
/// into the file.
#[tokio::test]
async fn the_log_goes_into_the_file_beside_the_writes() {
    let file = TestFile::create();
    let store = file.open().await;
    let bytes = || std::fs::metadata(&file.0).unwrap().len();
    query("create table t as select zeroblob(1000000)").execute(&store.writer.pool).await.unwrap();
    assert!(bytes() < 1_000_000, "there was nothing to do");
    let (busy, log, copied): (i64, i64, i64) = query_as(CHECKPOINT).fetch_one(&store.checkpoints.pool).await.unwrap();
    assert!(busy == 0 && log > 200 && copied == log, "{busy} {log} {copied}");
    assert!(bytes() > 1_000_000);
    store.close().await;
}

/// A read whose caller goes away stops, however long it would have gone on: else it would keep its connection.
#[tokio::test]
async fn a_read_that_is_given_up_stops() {
    let file = TestFile::create();
    let store = file.open().await;
    let endless = "with recursive n (i) as (select 1 union all select i + 1 from n) select count(*) from n";
    for _ in 0..6 {
        let mut reading = store.reader.begin().await.unwrap();
        let mut read = pin!(async move { query(endless).execute(&mut *reading).await });
        // Two polls: one sends the statement, one sees that it goes on.
        for _ in 0..2 {
            assert!(matches!(futures::poll!(&mut read), Poll::Pending));
        }
    }
    store.ping().await.unwrap();
    store.close().await;
}

/// Runs a statement as another program would, beside the store.
async fn meddle(path: &Path, statement: &'static str) {
    let pool = sqlx::SqlitePool::connect_with(writer_options(path)).await.unwrap();
    query(statement).execute(&pool).await.unwrap();
    pool.close().await;
}

/// After each kind of failure nothing of the call is stored, the error says what to do next, and the next write works.
#[tokio::test]
async fn a_failed_write_is_sorted_and_stores_nothing() {
    let file = TestFile::create();
    let store = file.open().await;
    store.write(&batch(1..3)).await.unwrap();
    meddle(
        &file.0,
        "create trigger t before insert on span_row when new.start_nano = 99 begin select raise(abort, 'not this'); end",
    )
    .await;
    let refused = store.write(&batch(10..100)).await;
    assert!(matches!(&refused, Err(StoreError::Refused { reason }) if reason == "not this"), "{refused:?}");

    let pages: i64 = query_scalar("pragma page_count").fetch_one(&store.writer.pool).await.unwrap();
    let limit = |pages: i64| sqlx::AssertSqlSafe(format!("pragma max_page_count = {pages}"));
    query(limit(pages)).execute(&store.writer.pool).await.unwrap();
    let full = store.write(&batch(100..900)).await;
    assert!(matches!(full, Err(StoreError::Busy(_))), "{full:?}");
    query(limit(1 << 30)).execute(&store.writer.pool).await.unwrap();

    query("pragma busy_timeout = 0").execute(&store.writer.pool).await.unwrap();
    let other = sqlx::SqlitePool::connect_with(writer_options(&file.0)).await.unwrap();
    let transaction = other.begin_with("begin immediate").await.unwrap();
    let busy = store.write(&batch(100..101)).await;
    assert!(matches!(busy, Err(StoreError::Busy(_))), "{busy:?}");
    transaction.rollback().await.unwrap();
    other.close().await;

    let deep = (0..200).fold(Value::Null, |value, _| Value::Array(vec![value]));
    let deep = Span { attributes: [("deep", deep)].into_iter().collect(), ..span(50) };
    let refused = store.write(&[Batch::new(vec![span(49), deep])]).await;
    assert!(matches!(refused, Err(StoreError::Refused { .. })), "{refused:?}");

    assert_eq!(store.scan_keys(scan(SearchFields::default())).await.unwrap().len(), 2);
    store.write(&batch(3..4)).await.unwrap();
    assert_eq!(store.scan_keys(scan(SearchFields::default())).await.unwrap().len(), 3);

    meddle(&file.0, "drop table span_row").await;
    assert!(matches!(store.write(&batch(4..5)).await, Err(StoreError::Bug(_))));
    store.close().await;
}

/// A service that was learnt in a write that failed is learnt again: its rows do not point nowhere.
#[tokio::test]
async fn what_a_failed_write_learnt_is_forgotten() {
    let file = TestFile::create();
    let store = file.open().await;
    meddle(
        &file.0,
        "create trigger t before insert on span_row when new.start_nano = 99 begin select raise(abort, 'no'); end",
    )
    .await;
    store.write(&batch(99..100)).await.unwrap_err();
    store.write(&batch(1..2)).await.unwrap();
    let found: Vec<Span> = store.trace(span(1).trace_id).try_collect().await.unwrap();
    assert_eq!(found, [span(1)]);
    assert_eq!(store.services(None, 10).await.unwrap(), ["unknown_service"]);
    store.close().await;
}

/// A row that somebody changed is an error that says so, in every read that meets it; it is never another span.
#[tokio::test]
async fn damage_is_told() {
    for damage in [
        "update span_row set attributes = '{'",
        "update span_row set attributes_shape = x'07'",
        "update span_row set trace_id = x'00', span_id = x'00'",
        "update span_row set start_nano = 1000",
        "update span_row set name = char(1)",
        "delete from resource_row",
        "update resource_row set schema_url = 'another'",
        "update scope set name = 'another'",
    ] {
        let file = TestFile::create();
        let store = file.open().await;
        store.write(&batch(1..2)).await.unwrap();
        meddle(&file.0, damage).await;
        let read: Result<Vec<Span>, _> = store.scan_spans(scan(SearchFields::default())).try_collect().await;
        assert!(matches!(read, Err(StoreError::Corrupt { .. })), "{damage}: {read:?}");
        store.close().await;
    }
}

/// A search for a value that no row can hold finds nothing, and is no error.
#[tokio::test]
async fn a_search_for_what_can_not_be_stored_is_empty() {
    let file = TestFile::create();
    let store = file.open().await;
    store.write(&batch(1..2)).await.unwrap();
    let value = (0..200).fold(Value::Null, |value, _| Value::Array(vec![value]));
    let condition = AttributeCondition { scope: AttributeScope::Any, key: "deep".to_owned(), value };
    let deep = SearchFields { attributes: vec![condition], ..SearchFields::default() };
    let long = SearchFields { duration_min_nanos: Some(u64::MAX), ..SearchFields::default() };
    for fields in [deep, long] {
        assert_eq!(store.scan_keys(scan(fields)).await.unwrap(), Vec::<SpanKey>::new());
    }
    store.close().await;
}
