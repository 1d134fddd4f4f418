//! Small blocks of the history become few large ones, and nobody sees it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::{StreamExt, TryStreamExt};
use sqlx::{AssertSqlSafe, Executor, PgConnection};
use tracewell::model::{SearchFields, Span, TraceId};
use tracewell::store::postgres::{PostgresSettings, PostgresStore};
use tracewell::store::{Compaction, CompactionSettings, SpanStore};

use super::{batch, descending, scan, scanned, trace};
use crate::support::database::AT_ONCE;
use crate::support::postgres::TestDatabase;
use crate::support::{service, span};

/// An hour that is over, in nanoseconds.
const HOUR: u64 = 1_760_000_400_000_000_000;
const SECOND: u64 = 1_000_000_000;

const WITHOUT_MERGES: CompactionSettings = CompactionSettings { merge_blocks_min: u32::MAX, ..AT_ONCE };

/// What compaction derived from the spans, all but the names of the blocks.
const DERIVED: &str = "\
    select (to_jsonb(t) - 'block_ids')::text from trace_row t union all select to_jsonb(m)::text from red_minute_row m
    union all select to_jsonb(h)::text from red_hour_row h union all select to_jsonb(c)::text from call_minute_row c
    union all select to_jsonb(m)::text from message_row m order by 1";

/// Names of blocks that are wrong: of one that is not there, does not have the trace, or has it unnamed.
const MISNAMED: &str = "\
    with named as (select trace_id, day, unnest(block_ids) as block_id from trace_row),
    held as (select t.trace_id, t.day, block_id from span_block, unnest(trace_ids, trace_days) as t (trace_id, day))
    select count(*) from named full join held using (trace_id, day, block_id)
    where named.trace_id is null or held.trace_id is null";

struct Fixture {
    store: PostgresStore,
    connection: PgConnection,
    database: TestDatabase,
    sent: Vec<Span>,
}

impl Fixture {
    async fn new() -> Self {
        let database = TestDatabase::create().await;
        let store = PostgresStore::connect(&database.url(), &PostgresSettings::default()).await.unwrap();
        Self { store, connection: database.connect().await, database, sent: Vec::new() }
    }

    /// Writes spans and compacts them, as a step of their own.
    async fn step(&mut self, spans: Vec<Span>, settings: &CompactionSettings) -> Compaction {
        self.store.write(&[batch(&spans)]).await.unwrap();
        self.sent.extend(spans);
        self.store.compact(settings).await.unwrap()
    }

    /// How many spans each block has, by service and hour.
    async fn blocks(&mut self) -> Vec<i32> {
        let select = "select span_count from span_block order by service_id, hour, span_count";
        sqlx::query_scalar(select).fetch_all(&mut self.connection).await.unwrap()
    }

    async fn derived(&mut self) -> Vec<String> {
        sqlx::query_scalar(DERIVED).fetch_all(&mut self.connection).await.unwrap()
    }

    /// Everything is there, once, and found by all its names.
    async fn check(&mut self) {
        let shown = scanned(&self.store, scan(SearchFields::default())).await;
        assert_eq!(shown, descending(&self.sent));
        let mut traces = BTreeMap::<TraceId, Vec<Span>>::new();
        for span in shown.into_iter().rev() {
            traces.entry(span.trace_id).or_default().push(span);
        }
        for (id, expected) in traces {
            assert_eq!(trace(&self.store, id).await, expected);
        }
        let misnamed: i64 = sqlx::query_scalar(MISNAMED).fetch_one(&mut self.connection).await.unwrap();
        assert_eq!(misnamed, 0);
    }
}

/// Spans of a service in the hour, some of each of five traces.
fn spans_of(name: &str, numbers: std::ops::Range<u64>) -> Vec<Span> {
    let of =
        |number: u64| Span { resource: service(name), ..span(1 + number % 5, 1 + number, HOUR + number * SECOND / 2) };
    numbers.map(of).collect()
}

/// Scenario: two services with a few spans in each of many steps, the hour is over. Guarantee: each has one block in the
/// end, all that is derived stays as it was, and once is enough.
#[tokio::test]
async fn small_blocks_become_few() {
    let mut fixture = Fixture::new().await;
    for step in 0..6 {
        fixture
            .step(
                [spans_of("shop", step * 10..step * 10 + 10), spans_of("cart", step * 7..step * 7 + 7)].concat(),
                &WITHOUT_MERGES,
            )
            .await;
    }
    assert_eq!(fixture.blocks().await.len(), 12);
    let derived = fixture.derived().await;
    let late = fixture.store.compact(&CompactionSettings { merge_blocks_min: 7, ..AT_ONCE }).await.unwrap();
    assert_eq!((late.blocks_merged, late.blocks_made), (0, 0));
    let merged = fixture.store.compact(&AT_ONCE).await.unwrap();
    assert_eq!(merged, Compaction { blocks_merged: 12, blocks_made: 2, ..Compaction::default() });
    let mut blocks = fixture.blocks().await;
    blocks.sort_unstable();
    assert_eq!(blocks, [42, 60]);
    assert_eq!(fixture.derived().await, derived);
    fixture.check().await;
    assert_eq!(fixture.store.compact(&AT_ONCE).await.unwrap(), Compaction::default());
    fixture.store.close().await;
}

/// Scenario: an hour is not over, or not for long enough. Guarantee: its blocks are left alone until it is.
#[tokio::test]
async fn an_hour_that_is_not_over_is_left_alone() {
    let mut fixture = Fixture::new().await;
    for number in 0..4 {
        fixture.step(spans_of("shop", number..number + 1), &WITHOUT_MERGES).await;
    }
    let hours: f64 = sqlx::query_scalar("select extract(epoch from now() - max(hour))::float8 / 3600 from span_block")
        .fetch_one(&mut fixture.connection)
        .await
        .unwrap();
    let over = |hours: f64| CompactionSettings { merge_after: Duration::from_secs_f64(hours * 3_600.0), ..AT_ONCE };
    // Counted from its end, which is an hour after its beginning.
    let done = fixture.store.compact(&over(hours - 0.9)).await.unwrap();
    assert_eq!(done.blocks_merged, 0);
    let done = fixture.store.compact(&over(hours - 1.1)).await.unwrap();
    assert_eq!((done.blocks_merged, done.blocks_made), (4, 1));
    fixture.check().await;
    fixture.store.close().await;
}

/// Scenario: spans come late, again and again. Guarantee: they are merged with each other, and with older ones only when
/// they are at least half as many; blocks that are half full are never written again, and none of those that are made is small when
/// there are several.
#[tokio::test]
async fn a_span_is_written_anew_only_with_as_many_others() {
    let mut fixture = Fixture::new().await;
    let mut next = 0;
    let mut some = |count: u64| {
        next += count;
        spans_of("shop", next - count..next)
    };
    for count in [60, 60] {
        fixture.step(some(count), &AT_ONCE).await;
    }
    assert_eq!(fixture.blocks().await, [120]);
    for count in [10, 10, 10] {
        fixture.step(some(count), &WITHOUT_MERGES).await;
    }
    fixture.store.compact(&AT_ONCE).await.unwrap();
    assert_eq!(fixture.blocks().await, [30, 120]);
    fixture.step(some(90), &AT_ONCE).await;
    assert_eq!(fixture.blocks().await, [240]);
    for count in [900, 900, 900] {
        fixture.step(some(count), &WITHOUT_MERGES).await;
    }
    fixture.store.compact(&AT_ONCE).await.unwrap();
    assert_eq!(fixture.blocks().await, [1_470, 1_470]);
    for count in [1_001, 1, 1] {
        fixture.step(some(count), &AT_ONCE).await;
    }
    assert_eq!(fixture.blocks().await, [2, 1_001, 1_470, 1_470]);
    fixture.check().await;
    fixture.store.close().await;
}

/// Scenario: few spans with much text each. Guarantee: what is large in bytes is not merged for ever.
#[tokio::test]
async fn blocks_that_are_large_in_bytes_are_left_alone() {
    let mut fixture = Fixture::new().await;
    for number in 0..4 {
        let mut spans = spans_of("shop", number..number + 1);
        spans[0].trace_state = "x".repeat(if number < 2 { 1 << 20 } else { 1 << 19 });
        fixture.step(spans, &WITHOUT_MERGES).await;
    }
    let done = fixture.store.compact(&AT_ONCE).await.unwrap();
    assert_eq!((done.blocks_merged, done.blocks_made), (2, 1));
    fixture.check().await;
    assert_eq!(fixture.store.compact(&AT_ONCE).await.unwrap(), Compaction::default());
    fixture.store.close().await;
}

/// Scenario: somebody reads a trace, has its first span, and the blocks of the others are merged. Guarantee: the reader
/// gets them all; and whoever reads meanwhile, without end, always sees everything.
#[tokio::test(flavor = "multi_thread")]
async fn readers_see_nothing_of_it() {
    let mut fixture = Fixture::new().await;
    for round in 0..8 {
        for step in 0..4 {
            let first = round * 400 + step * 100;
            fixture.step(spans_of("shop", first..first + 100), &WITHOUT_MERGES).await;
        }
        let id = fixture.sent[0].trace_id;
        let mut before = fixture.store.trace(id);
        let mut seen = vec![before.next().await.unwrap().unwrap()];
        let url = fixture.database.url();
        let (sent, reading) = (descending(&fixture.sent), std::sync::Arc::new(tokio::sync::Notify::new()));
        let is_reading = std::sync::Arc::clone(&reading);
        let reader = tokio::spawn(async move {
            let store = PostgresStore::connect(&url, &PostgresSettings::default()).await.unwrap();
            for _ in 0..3 {
                is_reading.notify_one();
                assert!(scanned(&store, scan(SearchFields::default())).await == sent, "something is missing, or twice");
            }
            store.close().await;
        });
        reading.notified().await;
        // What was compacted is not dropped while somebody reads it.
        let settings = CompactionSettings { drop_after: Duration::from_hours(1), ..AT_ONCE };
        let done = fixture.store.compact(&settings).await.unwrap();
        assert!(done.blocks_merged >= 4, "{done:?}");
        seen.extend(before.try_collect::<Vec<_>>().await.unwrap());
        assert_eq!(seen, trace(&fixture.store, id).await);
        reader.await.unwrap();
    }
    fixture.check().await;
    fixture.store.close().await;
}

/// Scenario: blocks are merged in which something is not as it was written. Guarantee: they stay, the others are merged,
/// and it is not tried for ever.
#[tokio::test]
async fn damaged_blocks_are_not_merged() {
    let mut fixture = Fixture::new().await;
    for step in 0..5 {
        fixture.step(spans_of("shop", step * 3..step * 3 + 3), &WITHOUT_MERGES).await;
    }
    let damage = "update span_block set flaw where block_id = (select min(block_id) from span_block)";
    let damage = damage.replace("flaw", "attribute_values = attribute_values || 'x'");
    fixture.connection.execute(AssertSqlSafe(damage)).await.unwrap();
    let done = fixture.store.compact(&AT_ONCE).await.unwrap();
    assert_eq!((done.blocks_merged, done.blocks_made), (4, 1));
    assert_eq!(fixture.blocks().await, [3, 12]);
    assert_eq!(fixture.store.compact(&AT_ONCE).await.unwrap(), Compaction::default());
    let shown = scanned(&fixture.store, scan(SearchFields::default())).await;
    let shown: BTreeSet<_> = shown.iter().map(Span::key).collect();
    assert!(fixture.sent.iter().filter(|span| shown.contains(&span.key())).count() >= 12);
    fixture.store.close().await;
}

/// Scenario: the first traces of a day become history. Guarantee: from then on they are found by the index of their ids,
/// without a wait for the server's own measuring; which measures nothing that is long.
#[tokio::test]
async fn what_was_compacted_is_measured() {
    let mut fixture = Fixture::new().await;
    let of = |number: u64| span(1 + number, 1, HOUR + number);
    fixture.step((0..3_000).map(of).collect(), &AT_ONCE).await;
    let plan: Vec<String> = sqlx::query_scalar(
        "explain select from trace_row where encode(uuid_send(trace_id), 'hex') collate \"C\" \
         = any (array(select unnest(array['00000000000000000000000000000001'])))",
    )
    .fetch_all(&mut fixture.connection)
    .await
    .unwrap();
    let plan = plan.join("\n");
    assert!(plan.matches("Index Scan using trace_row_").count() == 1, "{plan}");
    fixture.connection.execute("analyze").await.unwrap();
    let measured: Vec<String> = sqlx::query_scalar(
        "select distinct attname::text from pg_stats join pg_attribute using (attname) \
         join pg_class on pg_class.oid = attrelid and relname = tablename \
         where tablename ~ '^(span_block|trace_row|red_)' and relkind <> 'i' and attlen < 0",
    )
    .fetch_all(&mut fixture.connection)
    .await
    .unwrap();
    assert_eq!(measured, Vec::<String>::new());
    fixture.store.close().await;
}
