//! What the views show to people who ask in SQL.

use sqlx::{PgConnection, Row};
use tracewell::model::{Span, SpanKind, Status, StatusCode, UnixNanos};
use tracewell::store::SpanStore;

use super::{execute, full_span, open, span, write};
use crate::support::postgres::TestDatabase;

/// The rows of a statement as text, columns parted by `|`.
async fn ask(connection: &mut PgConnection, select: &str) -> Vec<String> {
    let statement = format!(
        "select concat_ws('|', variadic (select array_agg(coalesce(value #>> '{{}}', 'null') order by n) \
         from jsonb_each(to_jsonb(t)) with ordinality as e(key, value, n))) from ({select}) t"
    );
    let rows = sqlx::query(sqlx::AssertSqlSafe(statement)).fetch_all(connection).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

async fn one(connection: &mut PgConnection, expression: &str, from: &str) -> String {
    let select = format!("select ({expression})::text from {from}");
    let value: Option<String> = sqlx::query_scalar(sqlx::AssertSqlSafe(select)).fetch_one(connection).await.unwrap();
    value.unwrap_or_else(|| "null".to_owned())
}

/// Every column of `span`, of a plain span and of one in which nothing is at its default.
#[tokio::test]
async fn span_shows_every_column() {
    let database = TestDatabase::create().await;
    let store = open(&database).await;
    write(&store, &[span(2, 1), full_span()]).await.unwrap();
    let mut connection = database.connect().await;
    execute(&mut connection, "set timezone = 'America/New_York'; set intervalstyle = postgres").await;
    let cases = [
        ("span_id", "0101010101010101", "0101010101010101"),
        ("parent_span_id", "null", "0909090909090909"),
        ("service", "shop", "shop\u{1}\u{1}"),
        ("node", "null", "node\u{1}\u{2}"),
        ("name", "span 1", "n\u{1}\u{1}"),
        ("kind", "server", "-7"),
        ("start_time at time zone 'UTC'", "2023-11-14 22:13:20", "2554-07-21 23:34:33.709551"),
        ("end_time at time zone 'UTC'", "2023-11-14 22:13:21", "2554-07-21 23:34:33.709551"),
        ("duration", "00:00:00.999999", "00:00:00"),
        ("start_time_unix_nano", "1700000000000000001", "18446744073709551615"),
        ("end_time_unix_nano", "1700000001000000000", "18446744073709551614"),
        ("duration_nano", "999999999", "0"),
        ("status", "unset", "-1"),
        ("status_message", "null", "m\u{1}\u{1}"),
        ("attributes ? 'a'", "false", "true"),
        ("resource_attributes ->> 'a'", "null", "true"),
        ("scope_name", "", "lib\u{1}\u{1}"),
        ("scope_version", "", "1"),
        ("jsonb_array_length(events)", "0", "1"),
        ("events -> 0 ->> 'time_unix_nano'", "null", "18446744073709551615"),
        ("links -> 0 ->> 'trace_id'", "null", "08080808080808080808080808080808"),
        ("trace_state", "null", "k=v\u{1}\u{1}"),
        ("flags", "0", "4294967295"),
        ("dropped_attributes_count", "0", "4294967295"),
        ("dropped_events_count", "0", "2"),
        ("dropped_links_count", "0", "3"),
    ];
    for (expression, plain, full) in cases {
        let of = |trace: &str| format!("span where trace_id = '{}'", trace.repeat(16));
        assert_eq!(one(&mut connection, expression, &of("02")).await, plain, "{expression}");
        assert_eq!(one(&mut connection, expression, &of("01")).await, full, "{expression}");
    }
    store.close().await;
}

/// Times at the ends of what can be sent come out exact, and none of them breaks the view for the others.
#[tokio::test]
async fn times_of_broken_clocks_are_shown() {
    let database = TestDatabase::create().await;
    let store = open(&database).await;
    let times = [(0, 0), (0, u64::MAX), (u64::MAX, 0), (1, u64::MAX / 2), (999, 1_000), (u64::MAX, u64::MAX), (5, 2)];
    let spans: Vec<_> = times
        .iter()
        .zip(1..)
        .map(|((start, end), id)| Span { start: UnixNanos(*start), end: UnixNanos(*end), ..span(1, id) })
        .collect();
    write(&store, &spans).await.unwrap();
    let mut connection = database.connect().await;
    execute(&mut connection, "set timezone = 'Europe/Berlin'").await;
    for span in &spans {
        let from = format!("span where span_id = '{}'", span.span_id);
        let micros = |time: UnixNanos| (time.0 / 1_000).to_string();
        let duration = span.duration_nanos();
        let cases = [
            ("start_time_unix_nano", span.start.0.to_string()),
            ("end_time_unix_nano", span.end.0.to_string()),
            ("duration_nano", duration.to_string()),
            ("trunc(extract(epoch from start_time) * 1000000)", micros(span.start)),
            ("trunc(extract(epoch from end_time) * 1000000)", micros(span.end)),
            ("trunc(extract(epoch from duration) * 1000000)", (duration / 1_000).to_string()),
        ];
        for (expression, expected) in cases {
            assert_eq!(one(&mut connection, expression, &from).await, expected, "{expression} of {span:?}");
        }
    }
    store.close().await;
}

/// Exact copies are one row, from one write or from many; spans that differ anywhere are rows of their own.
#[tokio::test]
async fn copies_are_shown_once() {
    let database = TestDatabase::create().await;
    let store = open(&database).await;
    let other = Span { flags: 1, ..span(1, 1) };
    write(&store, &[span(1, 1), span(1, 1), other]).await.unwrap();
    write(&store, &[span(1, 1), span(1, 2)]).await.unwrap();
    let mut connection = database.connect().await;
    assert_eq!(one(&mut connection, "count(*)", "span_row").await, "5");
    assert_eq!(one(&mut connection, "count(*)", "span").await, "3");
    assert_eq!(one(&mut connection, "span_count", "trace").await, "3");
    store.close().await;
}

/// A trace from its first start to its last end, with the root that its summary has.
#[tokio::test]
async fn trace_sums_up_its_spans() {
    let database = TestDatabase::create().await;
    let store = open(&database).await;
    let failed = Status { code: StatusCode::ERROR, message: String::new() };
    let spans = [
        Span { parent_span_id: Some(span(1, 9).span_id), kind: SpanKind::CLIENT, ..span(1, 1) },
        Span { status: failed, ..span(1, 2) },
        span(1, 3),
        Span { end: UnixNanos(0), trace_id: span(2, 1).trace_id, ..span(2, 4) },
    ];
    write(&store, &spans).await.unwrap();
    let mut connection = database.connect().await;
    let rows = ask(
        &mut connection,
        "select root_name, span_count, error_count, services::text as services, \
        duration_nano, duration::text as duration, end_time - start_time as span from trace order by trace_id",
    )
    .await;
    // jsonb_each goes by length of the key, then by name.
    assert_eq!(
        rows,
        ["00:00:01|00:00:00.999999|{shop}|span 2|3|1|999999999", "00:00:00|00:00:00|{shop}|span 4|1|0|0",]
    );
    assert_eq!(one(&mut connection, "root_service", "trace where root_name = 'span 2'").await, "shop");
    store.close().await;
}
