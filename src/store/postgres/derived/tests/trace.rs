//! `trace_row`.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use sqlx::{AssertSqlSafe, Connection, Row};

use super::super::super::dictionary::{operation_id, service_id};
use super::super::super::time::Micros;
use super::super::day::{Day, add_days};
use super::super::rollup::Rollups;
use super::super::trace_fold::TraceSpan;
use super::super::trace_row::{self, StoredSummary, TraceRows};
use super::{NOW, Prepared, Random, count, execute, random_spans};
use crate::model::{Span, SpanFacts, SpanId, SpanKey, StatusCode, TraceFold, TraceId, TraceSummary, UnixNanos};
use crate::store::Watermark;

/// A span on its way into a block.
#[derive(Debug, Clone)]
struct Moved {
    span: Span,
    block_id: i64,
    received: i64,
}

impl Moved {
    fn facts(&self) -> TraceSpan {
        let service_id = service_id(self.span.resource.service());
        TraceSpan {
            key: self.span.key(),
            end: self.span.end,
            is_root: self.span.parent_span_id.is_none(),
            is_error: self.span.is_error(),
            service_id,
            operation_id: operation_id(service_id, self.span.kind, &self.span.name, &mut Vec::new()),
            block_id: self.block_id,
            received: Micros(self.received),
        }
    }
}

fn moved(spans: Vec<Span>, random: &mut Random) -> Vec<Moved> {
    let mut of = |span| Moved {
        span,
        block_id: random.below(5).cast_signed() - 2,
        received: random.below(1_000_000).cast_signed(),
    };
    spans.into_iter().map(&mut of).collect()
}

/// What the model says.
fn expected(spans: &[Moved]) -> BTreeMap<TraceId, StoredSummary> {
    let mut sorted: Vec<&Moved> = spans.iter().collect();
    sorted.sort_by_key(|moved| moved.span.key());
    let mut traces = BTreeMap::<TraceId, (TraceFold, i64, BTreeSet<i64>)>::new();
    for Moved { span, block_id, received } in sorted {
        let (fold, received_max, block_ids) =
            traces.entry(span.trace_id).or_insert_with(|| (TraceFold::default(), *received, BTreeSet::new()));
        fold.add(SpanFacts {
            key: span.key(),
            end: span.end,
            is_root: span.parent_span_id.is_none(),
            is_error: span.is_error(),
            service: span.resource.service(),
            name: &span.name,
        });
        *received_max = (*received_max).max(*received);
        block_ids.insert(*block_id);
    }
    let stored = |(fold, received_max, block_ids): (TraceFold, i64, BTreeSet<i64>)| StoredSummary {
        summary: fold.finish(),
        received_max: Watermark(received_max),
        block_ids: block_ids.into_iter().collect(),
    };
    traces.into_iter().map(|(trace_id, trace)| (trace_id, stored(trace))).collect()
}

/// Scenario: the spans of some traces come in a random order, in random flushes of random transactions, some of which are
/// rolled back and done again; days get their partitions in between. Guarantee: the rows say what the model's fold of all
/// spans says, each trace has one, and it stays on the day on which it was first.
#[tokio::test]
async fn rows_are_the_fold_of_their_spans() {
    let prepared = Prepared::new().await;
    for seed in 0..12 {
        let mut connection = prepared.connect().await;
        execute(&mut connection, "truncate trace_row").await;
        let mut random = Random(seed);
        let spans = random_spans(150, 1 + seed * 3, seed);
        prepared.write(&spans).await;
        let mut rest = moved(spans, &mut random);
        let all = rest.clone();
        let mut days = HashMap::new();
        while !rest.is_empty() {
            let mut transaction = connection.begin().await.unwrap();
            let before = rest.clone();
            for _ in 0..=random.below(3) {
                let mut rows = TraceRows::filed_under(Day::of(UnixNanos(NOW)));
                for _ in 0..random.below(60).min(rest.len() as u64) {
                    let at = usize::try_from(random.below(rest.len() as u64)).unwrap();
                    rows.add(&rest.swap_remove(at).facts());
                }
                rows.flush(&mut transaction).await.unwrap();
                assert_eq!(rows.len(), 0);
            }
            if random.below(3) == 0 {
                transaction.rollback().await.unwrap();
                rest = before;
            } else {
                transaction.commit().await.unwrap();
                let query = sqlx::query("select trace_id::text, day::text from trace_row");
                for row in query.fetch_all(&mut connection).await.unwrap() {
                    let day: String = row.get(1);
                    assert_eq!(days.entry(row.get::<String, _>(0)).or_insert_with(|| day.clone()), &day);
                }
                let today = Day::of(UnixNanos(NOW));
                add_days(&mut connection, [today, Day(today.0 + 1)], today).await.unwrap();
            }
        }
        let expected = expected(&all);
        let ids: Vec<_> = expected.keys().copied().chain([TraceId::from_slice(&[0xee; 16]).unwrap()]).collect();
        let found = trace_row::summaries(&mut connection, &ids, &prepared.damage).await.unwrap();
        let found: BTreeMap<_, _> = found.into_iter().collect();
        assert_eq!(found, expected, "seed {seed}");
        let existing = trace_row::existing(&mut connection, &ids).await.unwrap();
        let blocks: HashMap<_, _> = expected.into_iter().map(|(id, stored)| (id, stored.block_ids)).collect();
        let existing: HashMap<_, _> = existing.into_iter().map(|(id, filed)| (id, filed.block_ids)).collect();
        assert_eq!(existing, blocks);
        assert_eq!(count(&mut connection, "trace_row").await, i64::try_from(blocks.len()).unwrap());
    }
    prepared.end().await;
}

/// Scenario: all ends lie before the starts, and then a span comes that began earlier still. Guarantee: the trace ends
/// with the latest end, not with the start that was the earliest before.
#[tokio::test]
async fn an_end_before_the_start_is_not_forgotten() {
    let prepared = Prepared::new().await;
    let span = |id, start, end| Span {
        span_id: SpanId::from_slice(&[id; 8]).unwrap(),
        start: UnixNanos(start),
        end: UnixNanos(end),
        ..Span::example("get")
    };
    let spans = [span(1, 10, 5), span(2, 3, 4)];
    prepared.write(&spans).await;
    let mut connection = prepared.connect().await;
    for (number, expected) in [(0, (10, 10)), (1, (3, 5))] {
        let mut rows = TraceRows::filed_under(Day::of(UnixNanos(NOW)));
        rows.add(&Moved { span: spans[number].clone(), block_id: 1, received: 1 }.facts());
        rows.flush(&mut connection).await.unwrap();
        let found = trace_row::summaries(&mut connection, &[spans[0].trace_id], &prepared.damage).await.unwrap();
        let TraceSummary { start, end, .. } = found[&spans[0].trace_id].summary.clone().unwrap();
        assert_eq!((start.0, end.0), expected);
    }
    prepared.end().await;
}

/// Scenario: a trace of 100,000 spans, in one flush and in many. Guarantee: it has one row, with all of them.
#[tokio::test]
async fn a_long_trace_has_one_row() {
    let prepared = Prepared::new().await;
    let mut connection = prepared.connect().await;
    for flush_every in [100_000_u64, 9_999] {
        execute(&mut connection, "truncate trace_row").await;
        let mut transaction = connection.begin().await.unwrap();
        let mut rows = TraceRows::filed_under(Day::of(UnixNanos(NOW)));
        for number in 0..100_000_u64 {
            let key = SpanKey {
                start: UnixNanos(NOW + number),
                trace_id: TraceId::from_slice(&[1; 16]).unwrap(),
                span_id: SpanId::from_slice(&(number + 1).to_be_bytes()).unwrap(),
                digest: 0,
            };
            rows.add(&TraceSpan {
                key,
                end: UnixNanos(NOW + 2 * number),
                is_root: false,
                is_error: number % 10 == 0,
                service_id: (number % 3_000).cast_signed(),
                operation_id: 0,
                block_id: (number / 2_000).cast_signed(),
                received: Micros(0),
            });
            if (number + 1) % flush_every == 0 {
                rows.flush(&mut transaction).await.unwrap();
            }
        }
        rows.flush(&mut transaction).await.unwrap();
        transaction.commit().await.unwrap();
        let select = "span_count, error_count, cardinality(service_ids), cardinality(block_ids), duration_nano";
        let select = AssertSqlSafe(format!("select {select} from trace_row"));
        let row: Vec<(i32, i32, i32, i32, i64)> = sqlx::query_as(select).fetch_all(&mut connection).await.unwrap();
        assert_eq!(row, [(100_000, 10_000, 3_000, 50, 199_998)]);
    }
    prepared.end().await;
}

/// Scenario: rows of near days and of far ones are there before any partition is. Guarantee: near days get theirs and the
/// rows are in them, far ones stay where they were; nothing is lost, and a second call finds nothing to do.
#[tokio::test]
async fn days_get_their_partitions_late() {
    let prepared = Prepared::new().await;
    let mut connection = prepared.connect().await;
    let today = Day::of(UnixNanos(NOW));
    let days = [-400, -35, 0, 2, 3].map(|difference| Day(today.0 + difference));
    for day in days {
        let trace_id = TraceId::from_slice(&u128::from(day.0.unsigned_abs()).to_be_bytes()).unwrap();
        let mut rows = TraceRows::filed_under(day);
        let span = Span { trace_id, ..Span::example("get") };
        rows.add(&Moved { span, block_id: 1, received: 1 }.facts());
        rows.flush(&mut connection).await.unwrap();
    }
    for _ in 0..2 {
        add_days(&mut connection, days, today).await.unwrap();
        assert_eq!(count(&mut connection, "trace_row").await, 5);
        assert_eq!(count(&mut connection, "trace_row_default").await, 2);
        for day in ["20251127", "20260101", "20260103"] {
            assert_eq!(count(&mut connection, &format!("trace_row_{day}")).await, 1, "{day}");
        }
        assert_eq!(count(&mut connection, "pg_inherits where inhparent = 'red_hour_row'::regclass").await, 4);
    }
    prepared.end().await;
}

/// Scenario: more and more traces, and more and more durations, are collected. Guarantee: both say when it is enough.
#[test]
fn what_is_collected_has_a_limit() {
    let (mut rows, mut rollups) = (TraceRows::filed_under(Day::of(UnixNanos(NOW))), Rollups::default());
    let facts = Moved { span: Span::example("get"), block_id: 1, received: 1 }.facts();
    for number in 1.. {
        let trace_id = TraceId::from_slice(&u128::to_be_bytes(number)).unwrap();
        rows.add(&TraceSpan { key: SpanKey { trace_id, ..facts.key }, ..facts });
        let minute = u64::try_from(number / 60).unwrap() * 60_000_000_000;
        rollups.add(UnixNanos(minute), 1, StatusCode::OK, 1 << (number % 60));
        if rows.is_full() && rollups.is_full() {
            break;
        }
        assert!(number < 10_000_000);
    }
    assert!(rows.len() >= 100_000 && rollups.len() == 400_000);
}

/// The rows of some traces are found through the index of each partition, however large they are and however many the
/// traces.
#[tokio::test]
async fn traces_are_found_by_the_index() {
    let prepared = Prepared::new().await;
    let mut connection = prepared.connect().await;
    let today = Day::of(UnixNanos(NOW));
    add_days(&mut connection, [today, Day(today.0 + 1)], today).await.unwrap();
    let fill =
        "insert into trace_row (start_time, duration_nano, received_max, day, span_count, error_count, start_nano,
            trace_id, service_ids, span_counts, block_ids)
        select now(), 0, now(), date '2026-01-01' + n % 2, 1, 0, 0, md5(n::text)::uuid, '{1}', '{1}', '{1}'
        from generate_series(1, 40000) n; analyze";
    execute(&mut connection, fill).await;
    let ids: Vec<_> = (1..=5_000).map(|number| format!("{number:032x}")).collect();
    for statement in trace_row::statements() {
        let explain = AssertSqlSafe(format!("explain {statement}"));
        let plan: Vec<String> = sqlx::query_scalar(explain).bind(&ids).fetch_all(&mut connection).await.unwrap();
        let plan = plan.join("\n");
        assert!(plan.contains("trace_row_20260101_encode_idx") && !plan.contains("Seq Scan on trace_row_2"), "{plan}");
    }
    prepared.end().await;
}
