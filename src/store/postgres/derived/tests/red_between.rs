//! The function `red_between`, beside the view whose rows it adds up.

use sqlx::PgConnection;

use super::super::day::{Day, add_days};
use super::red::roll_up;
use super::{NOW, Prepared, Random, execute, random_spans};
use crate::model::UnixNanos;

/// The rows of the one and of the other, by what they are of.
const BOTH: &str = "
    with times as (
        select to_timestamp($1::float8) as since,
            case when $2::float8 is null then 'infinity' else to_timestamp($2::float8) end as until
    ), found as (
        select service, name, kind, status, sum(span_count) as spans, sum(error_count) as errors,
            sum(duration_sum_nano) as duration, red_merge(histogram)::text as histogram
        from times, red_between(since, until)
        group by 1, 2, 3, 4
    ), expected as (
        select service, name, kind, status, sum(span_count) as spans, sum(error_count) as errors,
            sum(duration_sum_nano) as duration, red_merge(histogram)::text as histogram
        from times, red_minute
        where minute >= since and minute < until
        group by 1, 2, 3, 4
    )
    select array(select f::text from found f order by 1), array(select e::text from expected e order by 1)";

async fn check(since: f64, until: Option<f64>, connection: &mut PgConnection) -> usize {
    let both = sqlx::query_as(BOTH).bind(since).bind(until).fetch_one(connection);
    let (found, expected): (Vec<String>, Vec<String>) = both.await.unwrap();
    assert_eq!(found, expected, "{since} to {until:?}");
    found.len()
}

/// Scenario: random spans, of which a random part is rolled up; times that begin and end on hours, minutes and between,
/// within one hour and over many. Guarantee: the rows of `red_between` add up to those of `red_minute`.
#[tokio::test]
async fn hours_and_minutes_add_up() {
    let prepared = Prepared::new().await;
    let mut connection = prepared.connect().await;
    let today = Day::of(UnixNanos(NOW));
    add_days(&mut connection, [today], today).await.unwrap();
    let now = (NOW / 1_000_000_000) as f64;
    let mut found = 0;
    for seed in 0..3 {
        let mut random = Random(seed);
        let spans = random_spans(300, 5, seed);
        prepared.write(&spans).await;
        let part = usize::try_from(random.below(300)).unwrap();
        roll_up(&spans[..part], &mut connection).await;
        for _ in 0..40 {
            let from_hour = (now / 3600.0).floor() * 3600.0;
            let since = random.of(&[0.0, 1.0, 2.0]) * 3600.0 + random.of(&[0.0, 60.0, 90.0, 3540.0, 3599.0]);
            let length = random.of(&[30.0, 60.0, 600.0, 3600.0, 3660.0, 7200.0, 86_400.0]);
            let since = from_hour - 3600.0 + since;
            found += check(since, Some(since + length), &mut connection).await;
        }
        for since in [-1e9, 0.0, now] {
            found += check(since, None, &mut connection).await;
        }
        execute(&mut connection, "truncate red_minute_row, red_hour_row, span_row").await;
    }
    assert!(found > 100, "{found}");
    prepared.end().await;
}

/// Rows of minutes are read at the edges only, and only the partitions of these days.
#[tokio::test]
async fn the_days_are_pruned() {
    let prepared = Prepared::new().await;
    let mut connection = prepared.connect().await;
    let today = Day::of(UnixNanos(NOW));
    add_days(&mut connection, (0..3).map(|days| Day(today.0 - days)), today).await.unwrap();
    let select = "explain select * from red_between('2026-01-01 00:30:00+00', '2026-01-01 12:00:00+00')";
    let plan: Vec<String> = sqlx::query_scalar(select).fetch_all(&mut connection).await.unwrap();
    let plan = plan.join("\n");
    assert!(plan.contains("red_hour_row_20260101") && !plan.contains("red_hour_row_20251231"), "{plan}");
    assert!(plan.contains("red_minute_row_20260101") && !plan.contains("red_minute_row_20251231"), "{plan}");
    prepared.end().await;
}
