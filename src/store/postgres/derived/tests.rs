//! What the derived tables say is what the spans say: of traces, what the model's fold says; of rollups, what a scan finds.
//! However the spans are spread over flushes, transactions and tiers.

#![expect(clippy::arithmetic_side_effects, clippy::cast_precision_loss, reason = "small numbers; a panic says where")]

mod red;
mod red_between;
mod trace;

use std::sync::Arc;

use sqlx::{AssertSqlSafe, Executor, PgConnection};

use super::super::history::Damage;
use super::super::plans::support;
use super::super::{PostgresSettings, PostgresStore};
use crate::metrics::CorruptBlocks;
use crate::model::{Attributes, Keyed};
use crate::model::{Resource, Span, SpanId, SpanKind, Status, StatusCode, TraceId, UnixNanos, Value};
use crate::store::{Batch, SpanStore};

/// A database of this schema.
struct Prepared {
    database: support::TestDatabase,
    store: PostgresStore,
    damage: Damage,
}

impl Prepared {
    async fn new() -> Self {
        let database = support::TestDatabase::create().await;
        let store = PostgresStore::connect(&database.url(), &PostgresSettings::default()).await.unwrap();
        Self { database, store, damage: Damage::counted_by(CorruptBlocks::default()) }
    }

    /// Stores these spans, and so makes the dictionaries' rows for them.
    async fn write(&self, spans: &[Span]) {
        self.store.write(&[Batch::new(spans.to_vec())]).await.unwrap();
    }

    async fn connect(&self) -> PgConnection {
        self.database.connect().await
    }

    async fn end(self) {
        self.store.close().await;
        drop(self.database);
    }
}

async fn execute(connection: &mut PgConnection, statements: &str) {
    connection.execute(sqlx::raw_sql(AssertSqlSafe(statements.to_owned()))).await.unwrap();
}

async fn count(connection: &mut PgConnection, from: &str) -> i64 {
    let select = AssertSqlSafe(format!("select count(*) from {from}"));
    sqlx::query_scalar(select).fetch_one(connection).await.unwrap()
}

/// Numbers that are the same in every run (`SplitMix64`).
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }

    fn of<T: Copy>(&mut self, pool: &[T]) -> T {
        pool[usize::try_from(self.below(pool.len() as u64)).unwrap()]
    }
}

/// 2026-01-01 00:58 UTC: two minutes from the next hour, in nanoseconds.
const NOW: u64 = 1_767_229_080_000_000_000;

/// A span with ids, times, names and status from small pools, some times at the ends of what can be sent.
fn random_span(number: u64, traces: u64, random: &mut Random) -> Span {
    let start = match random.below(20) {
        0 => random.of(&[0, 1, 999, 1_000, u64::MAX, u64::MAX - 1, i64::MAX as u64, NOW + 86_400_000_000_000]),
        1 => NOW,
        _ => NOW + random.below(300_000_000_000),
    };
    let most = 1_000 << random.below(25);
    let end = match random.below(20) {
        0 => random.of(&[0, 1, u64::MAX, i64::MAX as u64, start, start.saturating_sub(1_000)]),
        _ => start.saturating_add(random.below(most)),
    };
    let mut span = Span {
        trace_id: TraceId::from_slice(&(1 + u128::from(random.below(traces))).to_be_bytes()).unwrap(),
        // Two spans of a trace may share an id.
        span_id: SpanId::from_slice(&(1 + number / 2).to_be_bytes()).unwrap(),
        parent_span_id: (random.below(4) > 0).then(|| SpanId::from_slice(&[9; 8]).unwrap()),
        flags: u32::try_from(number).unwrap(),
        kind: random.of(&[SpanKind::SERVER, SpanKind::CLIENT, SpanKind(-7)]),
        start: UnixNanos(start),
        end: UnixNanos(end),
        status: Status { code: StatusCode(random.of(&[0, 0, 0, 1, 2, -3])), message: String::new() },
        ..Span::example(random.of(&["get", "put", "n\0", ""]))
    };
    let attributes: Attributes =
        [("service.name", Value::from(random.of(&["shop", "cart", "s\0", "é"])))].into_iter().collect();
    span.resource = Arc::new(Keyed::new(Resource { attributes, ..Resource::default() }));
    span
}

fn random_spans(count: u64, traces: u64, seed: u64) -> Vec<Span> {
    let mut random = Random(seed);
    (0..count).map(|number| random_span(number, traces, &mut random)).collect()
}
