//! The rollups, and the view `red_minute` over both tiers.

use std::collections::BTreeMap;
use std::ops::Range;

use futures::TryStreamExt;
use sqlx::{Connection, PgConnection};

use super::super::super::dictionary::{operation_id, service_id};
use super::super::day::{Day, add_days};
use super::super::rollup::Rollups;
use super::{NOW, Prepared, Random, count, execute, random_spans};
use crate::model::histogram::bucket;
use crate::model::{Condition, Filter, Histogram, Span, Status, StatusCode, TextIs, UnixNanos};
use crate::store::{RolledUp, RollupDetail, RollupRequest, SpanStore, Work};

fn add(rollups: &mut Rollups, span: &Span) {
    let service_id = service_id(span.resource.service());
    let operation_id = operation_id(service_id, span.kind, &span.name, &mut Vec::new());
    rollups.add(span.start, operation_id, span.status.code, span.duration_nanos());
}

/// Moves these spans from the hot rows to the rollups, in two flushes.
pub(super) async fn roll_up(spans: &[Span], connection: &mut PgConnection) {
    let mut transaction = connection.begin().await.unwrap();
    for half in spans.chunks(spans.len().div_ceil(2).max(1)) {
        let mut rollups = Rollups::default();
        for span in half {
            add(&mut rollups, span);
        }
        rollups.flush(&mut transaction).await.unwrap();
        assert_eq!(rollups.len(), 0);
        let digests: Vec<_> = half.iter().map(|span| span.key().digest).collect();
        let delete = sqlx::query("delete from span_row where digest = any($1)").bind(digests);
        delete.execute(&mut *transaction).await.unwrap();
    }
    transaction.commit().await.unwrap();
}

/// Whether a duration is within 1 % of the exact one.
fn is_close(found: u64, exact: u64) -> bool {
    u128::from(found.abs_diff(exact)) * 100 <= u128::from(exact)
}

/// What `percentile_disc` says of sorted durations.
fn exact(sorted: &[u64], percent: usize) -> u64 {
    sorted[(sorted.len() * percent).div_ceil(100).max(1) - 1]
}

/// The durations of the spans that begin in `times`, sorted, by the operation. The last moment of all ends no time, since
/// the minute that it is in begins before it.
fn scan(spans: &[Span], times: &Range<UnixNanos>) -> BTreeMap<RolledUp, Vec<u64>> {
    let mut found = BTreeMap::<_, Vec<u64>>::new();
    for span in
        spans.iter().filter(|span| times.contains(&span.start) || span.start.0 == u64::MAX && times.end == span.start)
    {
        let of = RolledUp {
            service: span.resource.service().to_owned(),
            name: span.name.clone(),
            kind: span.kind,
            status: span.status.code,
        };
        found.entry(of).or_default().push(span.duration_nanos());
    }
    for durations in found.values_mut() {
        durations.sort_unstable();
    }
    found
}

#[derive(Debug, Default)]
struct Counted {
    span_count: u64,
    duration_sum_nanos: u128,
    histogram: Histogram,
}

/// What the store says of the same, put together.
async fn counted(
    prepared: &Prepared,
    times: Range<UnixNanos>,
    by_hour: bool,
    filter: Filter,
) -> BTreeMap<RolledUp, Counted> {
    let request = RollupRequest {
        start: times.start,
        end: times.end,
        by_hour,
        detail: RollupDetail::Histogram,
        filter,
        as_of: prepared.store.watermark().await.unwrap(),
        work: Work::default(),
    };
    let mut rollups = prepared.store.rollups(request).await.unwrap().unwrap();
    let mut found = BTreeMap::<_, Counted>::new();
    while let Some(rollup) = rollups.try_next().await.unwrap() {
        let counted = found.entry((*rollup.of).clone()).or_default();
        counted.span_count += rollup.span_count;
        counted.duration_sum_nanos += rollup.duration_sum_nanos;
        counted.histogram.merge(&rollup.histogram);
    }
    found
}

fn check(found: &BTreeMap<RolledUp, Counted>, expected: &BTreeMap<RolledUp, Vec<u64>>) {
    assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    for (of, counted) in found {
        let durations = &expected[of];
        assert_eq!(counted.span_count, durations.len() as u64, "{of:?}");
        assert_eq!(counted.duration_sum_nanos, durations.iter().map(|duration| u128::from(*duration)).sum());
        for percent in [0, 1, 50, 95, 99, 100] {
            let (found, exact) =
                (counted.histogram.quantile(percent as f64 / 100.0).unwrap(), exact(durations, percent));
            assert!(is_close(found, exact), "p{percent} of {of:?} is {found}, not {exact}");
        }
    }
}

/// Every row of the view beside a scan of the spans: whether counts and sums agree, and both percentiles.
const VIEW_AND_SCAN: &str = "
    select to_json(v)::text, to_json(s)::text,
        (v.span_count, v.error_count, v.duration_sum_nano) is not distinct from
            (s.span_count, s.error_count, s.duration_sum),
        array[v.duration_p50_nano, v.duration_p95_nano, v.duration_p99_nano], s.percentiles
    from red_minute v
    full join (
        select date_trunc('minute', start_time, 'UTC') as minute, service, name, kind, status, count(*) as span_count,
            count(*) filter (where status = 'error') as error_count, sum(duration_nano) as duration_sum,
            percentile_disc(array[0.5, 0.95, 0.99]) within group (order by duration_nano) as percentiles
        from all_spans
        group by 1, 2, 3, 4, 5
    ) s using (minute, service, name, kind, status)";

type Compared = (Option<String>, Option<String>, bool, Vec<Option<i64>>, Vec<i64>);

async fn check_view(connection: &mut PgConnection) {
    let rows: Vec<Compared> = sqlx::query_as(VIEW_AND_SCAN).fetch_all(connection).await.unwrap();
    assert!(rows.len() > 10);
    for (view, scan, agree, found, exact) in rows {
        assert!(agree, "{view:?}, but {scan:?}");
        for (found, exact) in found.iter().zip(exact) {
            assert!(is_close(found.unwrap().unsigned_abs(), exact.unsigned_abs()), "{view:?}, but {scan:?}");
        }
    }
}

/// Scenario: spans go from the hot rows to the rollups in random parts, late ones into rows that are there, and days get
/// their partitions in between. Guarantee: after each step the view, and what the store reads, are what a scan of all
/// spans finds: counts and sums exactly, percentiles within 1 %.
#[tokio::test]
async fn rollups_and_hot_rows_are_a_scan_of_the_spans() {
    let prepared = Prepared::new().await;
    let mut connection = prepared.connect().await;
    for seed in 0..4 {
        let mut random = Random(seed);
        let spans = random_spans(300, 5, seed);
        prepared.write(&spans).await;
        execute(&mut connection, "create table all_spans as select * from span").await;
        let mut rest = &spans[..];
        while !rest.is_empty() {
            let (part, later) = rest.split_at(usize::try_from(random.below(150)).unwrap().min(rest.len()));
            roll_up(part, &mut connection).await;
            rest = later;
            check_view(&mut connection).await;
            let from = UnixNanos(random.of(&[0, NOW - 60_000_000_000, NOW, NOW + 60_000_000_000]));
            let until = UnixNanos(random.of(&[NOW + 120_000_000_000, NOW + 3_720_000_000_000, u64::MAX]));
            let whole = UnixNanos(from.0.next_multiple_of(60_000_000_000));
            for by_hour in [true, false] {
                let mut expected = scan(&spans, &(whole..until));
                check(&counted(&prepared, from..until, by_hour, Filter::Everything).await, &expected);
                let service = Filter::Is(Condition::Service(TextIs::Equal("s\0".to_owned())));
                expected.retain(|of, _| of.service == "s\0");
                check(&counted(&prepared, from..until, by_hour, service).await, &expected);
            }
            let today = Day::of(UnixNanos(NOW));
            add_days(&mut connection, [today], today).await.unwrap();
        }
        assert_eq!(count(&mut connection, "span_row").await, 0);
        execute(&mut connection, "truncate red_minute_row, red_hour_row; drop table all_spans").await;
    }
    prepared.end().await;
}

/// Scenario: the same spans in other orders and parts. Guarantee: the same rows.
#[tokio::test]
async fn the_order_of_flushes_makes_no_difference() {
    let prepared = Prepared::new().await;
    let mut connection = prepared.connect().await;
    let mut spans = random_spans(400, 5, 7);
    prepared.write(&spans).await;
    let mut rows = Vec::new();
    for parts in [1, 2, 7] {
        execute(&mut connection, "truncate red_minute_row, red_hour_row").await;
        spans.reverse();
        for part in spans.chunks(spans.len().div_ceil(parts)) {
            roll_up(part, &mut connection).await;
        }
        let select = "select r::text from red_minute_row r union all select r::text from red_hour_row r order by 1";
        let all: Vec<String> = sqlx::query_scalar(select).fetch_all(&mut connection).await.unwrap();
        rows.push(all);
    }
    assert!(rows[0].len() > 100 && rows[0] == rows[1] && rows[0] == rows[2]);
    prepared.end().await;
}

/// PostgreSQL finds the bucket that Rust finds, for every bound, every power and anything between, and it takes the same
/// duration for it.
#[tokio::test]
async fn sql_finds_the_same_buckets() {
    let prepared = Prepared::new().await;
    let mut connection = prepared.connect().await;
    let mut durations = vec![0, 1, i64::MAX];
    for exponent in 0..63 {
        durations.extend([(1_i64 << exponent) - 1, 1 << exponent]);
    }
    durations.extend((0..19).map(|exponent| 10_i64.pow(exponent)));
    let firsts: Vec<i64> = sqlx::query_scalar("select unnest(red_buckets())").fetch_all(&mut connection).await.unwrap();
    durations.extend(firsts.iter().flat_map(|first| [*first - 1, *first]));
    let mut random = Random(3);
    durations.extend((0..20_000).map(|_| (random.below(1 << 63) >> random.below(63)).cast_signed()));
    let select = "
        select bucket, red_quantile(row(array[bucket], array[1])::red_histogram, 0.5)
        from unnest($1::bigint[]) with ordinality as given (duration, number),
            lateral (select width_bucket(duration, red_buckets())::smallint) as found (bucket)
        order by number";
    let found: Vec<(i16, i64)> = sqlx::query_as(select).bind(&durations).fetch_all(&mut connection).await.unwrap();
    assert_eq!(found.len(), durations.len());
    for (duration, (found, value)) in durations.into_iter().zip(found) {
        let one = Histogram::from_iter([(bucket(duration.unsigned_abs()), 1)]);
        assert_eq!(found, bucket(duration.unsigned_abs()), "{duration}");
        assert_eq!(Some(value.unsigned_abs()), one.quantile(0.5), "{duration}");
    }
    prepared.end().await;
}

/// People merge histograms of any rows: the quantiles are those of all the spans together.
#[tokio::test]
async fn histograms_merge_in_sql() {
    let prepared = Prepared::new().await;
    let mut connection = prepared.connect().await;
    let spans = random_spans(300, 5, 11);
    prepared.write(&spans).await;
    roll_up(&spans[..200], &mut connection).await;
    let select = "select service, red_quantile(red_merge(histogram), 0.9) from red_minute group by service";
    let found: Vec<(String, i64)> = sqlx::query_as(select).fetch_all(&mut connection).await.unwrap();
    let mut all = BTreeMap::<String, Vec<u64>>::new();
    for span in &spans {
        all.entry(span.resource.service().to_owned()).or_default().push(span.duration_nanos());
    }
    assert_eq!(found.len(), 4);
    for (service, found) in found {
        let service = crate::store::text::original(&service).unwrap().into_owned();
        let durations = all.get_mut(&service).unwrap();
        durations.sort_unstable();
        assert!(is_close(found.unsigned_abs(), exact(durations, 90)), "{service}");
    }
    for quantile in ["-0.1", "1.1", "'nan'"] {
        let select = sqlx::AssertSqlSafe(format!("select red_quantile(histogram, {quantile}) from red_minute"));
        let error = sqlx::query(select).execute(&mut connection).await.unwrap_err();
        assert!(error.to_string().contains("between 0 and 1"), "{error}");
    }
    prepared.end().await;
}

/// Copies in the hot rows count once.
#[tokio::test]
async fn copies_count_once() {
    let prepared = Prepared::new().await;
    let mut connection = prepared.connect().await;
    let failed = Status { code: StatusCode::ERROR, message: String::new() };
    let span = Span { status: failed, ..Span::example("get") };
    prepared.write(&[span.clone(), span.clone(), Span { flags: 5, ..span.clone() }]).await;
    prepared.write(&[span]).await;
    let rows: Vec<(i64, i64, i64)> =
        sqlx::query_as("select span_count, error_count, duration_p99_nano from red_minute")
            .fetch_all(&mut connection)
            .await
            .unwrap();
    assert_eq!(rows, [(2, 2, 1)]);
    prepared.end().await;
}

/// A condition on the minute prunes the partitions of other days; one on the service goes to the dictionary, so that
/// nothing of other services is merged.
#[tokio::test]
async fn conditions_reach_the_rollups() {
    let prepared = Prepared::new().await;
    let mut connection = prepared.connect().await;
    let today = Day::of(UnixNanos(NOW));
    add_days(&mut connection, (0..3).map(|days| Day(today.0 - days)), today).await.unwrap();
    let select = "explain select * from red_minute
        where service = 'shop' and minute >= '2026-01-01 00:00:00+00' and minute < '2026-01-01 12:00:00+00'";
    let plan: Vec<String> = sqlx::query_scalar(select).fetch_all(&mut connection).await.unwrap();
    let plan = plan.join("\n");
    assert!(plan.contains("red_minute_row_20260101") && !plan.contains("red_minute_row_20251231"), "{plan}");
    assert!(plan.contains("(name = 'shop'::text)") && plan.len() < 10_000, "{plan}");
    prepared.end().await;
}
