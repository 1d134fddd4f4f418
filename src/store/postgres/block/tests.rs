//! What went into blocks comes out, whatever it was; and what was damaged is told, and nothing worse.

#![expect(clippy::arithmetic_side_effects, reason = "a test that can not go on shall say where")]

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::test_runner::{Config, FileFailurePersistence, TestCaseResult, TestRunner};
use sqlx::postgres::PgPoolCopyExt;
use sqlx::{AssertSqlSafe, Executor, PgConnection, PgPool};

use super::*;
use crate::model::{Attribute, Span, SpanKey, TraceId, UnixNanos, Value};
use crate::store::postgres::plans::support;
use crate::store::postgres::row::Dictionary;
use crate::store::postgres::{PostgresSettings, PostgresStore};
use crate::store::{Batch, SpanStore};

#[expect(dead_code, reason = "other tests use the rest")]
#[path = "../../../../tests/support/arbitrary.rs"]
mod arbitrary;

mod damage;
mod view;

use super::stored::StoredTrace;

/// A database with its store.
struct Fixture {
    store: PostgresStore,
    connection: PgConnection,
    pool: PgPool,
    _database: support::TestDatabase,
}

impl Fixture {
    async fn new() -> Self {
        let database = support::TestDatabase::create().await;
        let store = PostgresStore::connect(&database.url(), &PostgresSettings::default()).await.unwrap();
        let pool = PgPool::connect(&database.url()).await.unwrap();
        Self { store, connection: database.connect().await, pool, _database: database }
    }

    async fn execute(&mut self, statement: &str) {
        self.connection.execute(AssertSqlSafe(statement.to_owned())).await.unwrap();
    }

    /// Hot rows of these spans, and blocks of those.
    async fn store(&mut self, spans: &[Span]) -> Vec<Block> {
        self.execute("truncate span_row, span_block, receipt").await;
        for part in spans.chunks(spans.len().div_ceil(2).max(1)) {
            self.store.write(&[Batch::new(part.to_vec())]).await.unwrap();
        }
        self.compact().await
    }

    /// What is hot, as rows, copies once.
    async fn hot_rows(&mut self) -> Vec<HotRow> {
        let select = format!("select {HOT_COLUMNS} from span_row s");
        let rows = sqlx::query(AssertSqlSafe(select)).fetch_all(&mut self.connection).await.unwrap();
        let mut rows: Vec<_> = rows.iter().map(|row| HotRow::read(row).unwrap()).collect();
        rows.sort_by_key(|row| (row.service_id, row.key));
        rows.dedup_by_key(|row| row.key);
        rows
    }

    /// Makes blocks of what is hot.
    async fn compact(&mut self) -> Vec<Block> {
        let rows = self.hot_rows().await;
        let mut blocks: Vec<_> = pieces(&rows).map(|piece| Block::encode(piece).unwrap()).collect();
        // As if the traces were older than the blocks.
        for block in &mut blocks {
            block.set_trace_days(|id| 20_000 + i32::from(id[0]));
        }
        let mut copy = block_rows(0);
        for block in &blocks {
            block.push(&mut copy).unwrap();
        }
        copy.finish();
        let mut into = self.pool.copy_in_raw(COPY_BLOCKS).await.unwrap();
        into.send(copy.bytes()).await.unwrap();
        into.finish().await.unwrap();
        blocks
    }

    async fn blocks(&mut self) -> (Vec<StoredBlock>, Dictionary) {
        let select = format!("select {BLOCK_COLUMNS} from span_block b");
        let rows = sqlx::query(AssertSqlSafe(select)).fetch_all(&mut self.connection).await.unwrap();
        let blocks: Vec<_> = rows.iter().map(|row| StoredBlock::read(row).unwrap()).collect();
        let mut dictionary = Dictionary::default();
        for block in &blocks {
            dictionary.load(block.references(), &mut self.connection).await.unwrap();
        }
        (blocks, dictionary)
    }
}

fn check(seeds: &'static str, cases: u32, spans: &BoxedStrategy<Vec<Span>>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let fixture = tokio::sync::Mutex::new(runtime.block_on(Fixture::new()));
    let persistence = FileFailurePersistence::Direct(seeds);
    let config = Config { cases, failure_persistence: Some(Box::new(persistence)), ..Config::default() };
    let result = TestRunner::new(config)
        .run(spans, |spans| runtime.block_on(async { round_trip(&mut *fixture.lock().await, &spans).await }));
    if let Err(error) = result {
        panic!("{error}");
    }
    runtime.block_on(fixture.into_inner().store.close());
}

/// Scenario: spans of any hour and service; or many of one hour, service and a few traces. Guarantee: each of them comes
/// out of the blocks once, as it went in, in its place, and what is told beside it is true.
#[test]
fn what_went_into_blocks_comes_out() {
    check("src/store/postgres/block/tests/proptest-regressions/rows.txt", 32, &arbitrary::spans(24));
}

#[test]
fn blocks_of_many_spans_come_out() {
    check("src/store/postgres/block/tests/proptest-regressions/crowded.txt", 16, &crowded(150));
}

/// Spans that come together in a few blocks.
fn crowded(most: usize) -> BoxedStrategy<Vec<Span>> {
    let hour = 1_790_000_000_000_000_000 / 3_600_000_000_000 * 3_600_000_000_000;
    arbitrary::spans(most)
        .prop_map(move |spans| {
            let resource = spans[0].resource.clone();
            let squeeze = |span: Span| Span {
                start: UnixNanos(hour + span.start.0 % 3_600_000_000_000),
                resource: resource.clone(),
                ..span
            };
            spans.into_iter().map(squeeze).collect()
        })
        .boxed()
}

async fn round_trip(fixture: &mut Fixture, spans: &[Span]) -> TestCaseResult {
    let expected: BTreeMap<SpanKey, &Span> = spans.iter().map(|span| (span.key(), span)).collect();
    let written = fixture.store(spans).await;
    let received: BTreeMap<SpanKey, i64> =
        fixture.hot_rows().await.into_iter().map(|row| (row.key, row.received_micros)).collect();
    let (blocks, dictionary) = fixture.blocks().await;
    prop_assert_eq!(blocks.len(), written.len());
    let mut found = BTreeMap::new();
    for block in &blocks {
        let bounds = written.iter().find(|other| other.block_id == block.block_id).unwrap();
        let ids: Vec<_> = block.traces.iter().map(|trace| *trace.id.as_bytes()).collect();
        prop_assert_eq!(&ids, bounds.trace_ids());
        let mut last: Option<(TraceId, SpanKey)> = None;
        for (place, head) in block.heads().iter().enumerate() {
            let (key, span) = block.span(place, &dictionary).unwrap();
            prop_assert!(last.is_none_or(|(trace_id, last)| trace_id != key.trace_id || last < key));
            prop_assert_eq!((key.start, key.trace_id, key.span_id), (head.start, head.trace_id, head.span_id));
            prop_assert_eq!(head.duration_nanos, span.duration_nanos());
            prop_assert_eq!(head.resource_id, span.resource.key());
            prop_assert_eq!(head.received_micros, received[&key]);
            let shape: &Shape = &block.shapes()[head.shape];
            prop_assert_eq!((&shape.name, shape.kind, shape.status), (&span.name, span.kind, span.status.code));
            check_bounds(bounds, &span, head)?;
            last = Some((key.trace_id, key));
            prop_assert!(found.insert(key, span).is_none(), "a span came out twice");
        }
        check_traces(block, &dictionary, &mut fixture.connection).await?;
    }
    prop_assert_eq!(found.iter().map(|(key, span)| (*key, span)).collect::<BTreeMap<_, _>>(), expected);
    Ok(())
}

/// What a block says of its spans is true of each.
fn check_bounds(block: &Block, span: &Span, head: &Head) -> TestCaseResult {
    let nanos = |micros: i64| u128::from(micros.unsigned_abs()) * 1_000;
    let (start, end) = (u128::from(span.start.0), u128::from(span.end.0));
    prop_assert!(nanos(block.bounds.start.0) <= start && start <= nanos(block.bounds.start.1));
    prop_assert!(end <= nanos(block.bounds.end_max));
    prop_assert!((block.bounds.received.0..=block.bounds.received.1).contains(&head.received_micros));
    let duration = span.duration_nanos().cast_signed();
    prop_assert!((block.bounds.duration.0..=block.bounds.duration.1).contains(&duration));
    for Attribute { key, .. } in &span.attributes {
        prop_assert!(block.attribute_keys.contains(&crate::store::text::stored(key).into_owned()));
    }
    prop_assert!(block.names.contains(&crate::store::text::stored(&span.name).as_bytes().to_vec()));
    prop_assert!(block.resource_ids.contains(&span.resource.key()));
    Ok(())
}

/// A trace is found where its spans are, all of them; and the same when nothing but it is read.
async fn check_traces(block: &StoredBlock, dictionary: &Dictionary, connection: &mut PgConnection) -> TestCaseResult {
    let mut places = 0;
    for StoredTrace { id: trace_id, places: range, .. } in &block.traces {
        prop_assert_eq!(block.places_of(*trace_id), range.clone());
        places += range.len();
        for place in range.clone() {
            prop_assert_eq!(block.span(place, dictionary).unwrap().0.trace_id, *trace_id);
        }
        let query = sqlx::query(TRACE_BLOCKS).bind(vec![trace_id.to_string(); 2]).bind(vec![block.block_id, 0]);
        let rows = query.fetch_all(&mut *connection).await.unwrap();
        prop_assert_eq!(rows.len(), 1);
        let alone = StoredBlock::read(&rows[0]).unwrap();
        prop_assert_eq!(alone.heads().len(), range.len());
        for (place, alone_place) in range.clone().zip(0..) {
            prop_assert_eq!(alone.span(alone_place, dictionary).unwrap(), block.span(place, dictionary).unwrap());
            let (head, whole) = (alone.heads()[alone_place], block.heads()[place]);
            prop_assert_eq!(head, whole);
        }
    }
    prop_assert_eq!(places, block.heads().len());
    let other = TraceId::from_slice(&[0x77; 16]).unwrap();
    prop_assert_eq!(block.places_of(other), 0..0);
    let query = sqlx::query(TRACE_BLOCKS).bind(vec![other.to_string()]).bind(vec![block.block_id]);
    prop_assert!(query.fetch_all(connection).await.unwrap().is_empty());
    Ok(())
}

/// Scenario: more spans than a block holds, another hour, another service, and a span with very long texts. Guarantee:
/// the pieces are blocks, none too large, and together they are all rows.
#[tokio::test]
async fn rows_are_cut_into_blocks() {
    let mut fixture = Fixture::new().await;
    let long = Value::String("long".repeat(BLOCK_BYTES_MAX / 8));
    let span = |number: u64| Span {
        start: UnixNanos(1_790_000_000_000_000_000 + number),
        attributes: if number.is_multiple_of(1_000) {
            [("text", long.clone())].into_iter().collect()
        } else {
            [("number", Value::Int(number.cast_signed()))].into_iter().collect()
        },
        ..Span::example("name")
    };
    let later = |number| Span { start: UnixNanos(1_790_003_600_000_000_000 + number), ..span(number) };
    let spans: Vec<_> = (1..=2_001).map(span).chain((1..=3).map(later)).collect();
    let blocks = fixture.store(&spans).await;
    // Both long texts fit; a third would not, nor would span 2,001.
    assert_eq!(blocks.iter().map(|block| block.span_count).collect::<Vec<_>>(), [1_999, 2, 3]);
    let (blocks, _) = fixture.blocks().await;
    assert_eq!(blocks.iter().map(|block| block.heads().len()).sum::<usize>(), spans.len());
    fixture.store.close().await;
}
