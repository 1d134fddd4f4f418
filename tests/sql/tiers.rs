//! However the spans are kept, the views of PostgreSQL show the same. (That they show what SQLite's show is in
//! `tests/sqlite/views.rs`.)

use std::collections::BTreeSet;

use serde_json::json;
use sqlx::Executor;
use tracewell::model::{Span, TraceId, TraceSummary, UnixNanos, Value};
use tracewell::store::SpanStore;

use super::{Kept, Postgres, Rows};
use crate::support::arbitrary;
use crate::support::random::Random;

/// The views, with all columns that may not change when history is made.
const VIEWS: [&str; 4] = [
    "select trace_id, span_id, parent_span_id, service, node, name, kind, start_time, end_time, duration, \
     start_time_unix_nano, end_time_unix_nano, duration_nano, status, status_message, attributes, resource_attributes, \
     scope_name, scope_version, events, links, trace_state, flags, dropped_attributes_count, dropped_events_count, \
     dropped_links_count, hour, start_time between start_time_min and start_time_max from span",
    "select * from trace",
    "select * from red_minute",
    "select * from resource",
];

async fn views(postgres: &mut Postgres) -> Vec<Rows> {
    let mut views = Vec::new();
    for select in VIEWS {
        let mut rows = postgres.rows(select).await;
        rows.sort();
        views.push(rows);
    }
    views
}

/// Writes the spans in random parts, some of them once more and in other company, and makes history at random moments.
async fn write_at_random(postgres: &Postgres, spans: &[Span], random: &mut Random) {
    let mut rest = spans;
    while !rest.is_empty() {
        let (part, later) = rest.split_at(rest.len().min(1 + random.index(12)));
        let written = &spans[..spans.len() - later.len()];
        let again = (0..random.below(4)).map(|_| written[random.index(written.len())].clone());
        let part: Vec<_> = part.iter().cloned().chain(again).collect();
        postgres.write(&part).await;
        if random.below(3) == 0 {
            postgres.compact().await;
        }
        rest = later;
    }
}

/// Scenario: random spans, whose ids and times collide, in random parts, with copies that come before and after their
/// originals were made history. Guarantee: each view has the rows that it has when nothing ever is, and `trace` says what
/// the store says of each trace.
#[tokio::test]
async fn the_views_do_not_tell_how_spans_are_kept() {
    for (round, spans) in arbitrary::samples(&arbitrary::spans(60), 6).into_iter().enumerate() {
        let mut random = Random::from_seed(round as u64);
        let mut hot = Postgres::with(&spans, Kept::Hot).await;
        let mut torn = Postgres::new().await;
        write_at_random(&torn, &spans, &mut random).await;
        let expected = views(&mut hot).await;
        let distinct: BTreeSet<_> = spans.iter().map(Span::key).collect();
        assert_eq!(expected[0].len(), distinct.len());
        for state in ["torn", "history"] {
            let found = views(&mut torn).await;
            for ((found, expected), view) in found.iter().zip(&expected).zip(VIEWS) {
                let without = |rows: &Rows, others: &Rows| {
                    rows.iter().filter(|row| !others.contains(row)).cloned().collect::<Rows>()
                };
                assert_eq!(without(found, expected), without(expected, found), "{state}, round {round}: {view}");
                assert_eq!(found.len(), expected.len(), "{state}, round {round}: {view}");
            }
            compare_with_the_store(&mut torn, &spans).await;
            torn.compact().await;
        }
        hot.end().await;
        torn.end().await;
    }
}

/// Scenario: a reader's snapshot is older than the compaction that moves what it reads. Guarantee: it goes on to see each span
/// once, and so does whoever comes after.
#[tokio::test]
async fn a_snapshot_sees_each_span_in_one_tier() {
    let spans = arbitrary::samples(&arbitrary::spans(40), 1).concat();
    let mut postgres = Postgres::with(&spans, Kept::Torn).await;
    postgres.connection.execute("begin isolation level repeatable read").await.unwrap();
    let before = views(&mut postgres).await;
    postgres.compact().await;
    assert_eq!(views(&mut postgres).await, before);
    postgres.connection.execute("commit").await.unwrap();
    assert_eq!(views(&mut postgres).await, before);
    assert_eq!(postgres.rows("select first_hot_step = open_step from tier").await, [[Some("t".to_owned())]]);
    postgres.end().await;
}

/// A text as it is stored.
fn stored(text: &str) -> String {
    text.replace('\u{1}', "\u{1}\u{2}").replace('\0', "\u{1}\u{1}")
}

/// A summary as the view has it.
fn row(summary: &TraceSummary) -> Vec<Option<String>> {
    let TraceSummary { trace_id, start, end, root, span_count, error_count, services } = summary;
    let micros = |time: &UnixNanos| (time.0 / 1_000).to_string();
    let nanos = (end.0 - start.0).min(i64::MAX as u64);
    let services: Vec<_> = services.iter().map(|service| stored(&service.name)).collect();
    let root = root.as_ref().map(|(service, name)| [stored(service), stored(name)]);
    let [service, name] = root.map_or([None, None], |names| names.map(Some));
    let numbers = [micros(start), micros(end), nanos.to_string(), span_count.to_string(), error_count.to_string()];
    let mut row = vec![Some(trace_id.to_string()), service, name, Some(json!(services).to_string())];
    row.extend(numbers.map(Some));
    row
}

async fn compare_with_the_store(postgres: &mut Postgres, spans: &[Span]) {
    let ids: BTreeSet<TraceId> = spans.iter().map(|span| span.trace_id).collect();
    let summaries = postgres.store.summaries(&ids.into_iter().collect::<Vec<_>>(), None).await.unwrap();
    let select = "select trace_id, root_service, root_name, to_json(services)::text, \
                  (extract(epoch from start_time) * 1000000)::bigint, (extract(epoch from end_time) * 1000000)::bigint, \
                  duration_nano, span_count, error_count from trace";
    let mut found = postgres.rows(select).await;
    for row in &mut found {
        let services: serde_json::Value = serde_json::from_str(row[3].as_ref().unwrap()).unwrap();
        row[3] = Some(services.to_string());
    }
    let mut expected: Vec<_> = summaries.iter().map(row).collect();
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
}

/// Scenario: two roots of a trace start together and share an id; one is hot, the other is history, in both ways. Guarantee:
/// the view names the one that the store names.
#[tokio::test]
async fn of_equal_roots_the_least_is_named() {
    let one = crate::support::span(1, 1, 1_700_000_000_000_000_000);
    let other = Span { name: "put".to_owned(), ..one.clone() };
    for [first, second] in [[&one, &other], [&other, &one]] {
        let mut postgres = Postgres::new().await;
        postgres.write(std::slice::from_ref(first)).await;
        postgres.compact().await;
        postgres.write(std::slice::from_ref(second)).await;
        compare_with_the_store(&mut postgres, std::slice::from_ref(first)).await;
        assert_eq!(postgres.rows("select root_name from trace where span_count = 2").await.len(), 1);
        postgres.end().await;
    }
}

/// Scenario: spans of a trace that differ in one thing alone come after the first of them is history, and so does a copy of
/// that one. Guarantee: the copy is not shown again, by any view; all the others are.
#[tokio::test]
async fn only_exact_copies_are_hidden() {
    let span = crate::support::span(1, 1, 1_700_000_000_000_000_123);
    let attribute = |key: &str, value| [(key, value)].into_iter().collect();
    let event = tracewell::model::Event::default();
    let scope = tracewell::model::Scope { name: "other".to_owned(), ..Default::default() };
    let others = [
        Span { parent_span_id: Some(crate::support::span_id(2)), ..span.clone() },
        Span { trace_state: "a=b".to_owned(), ..span.clone() },
        Span { flags: 1, ..span.clone() },
        Span { name: "put".to_owned(), ..span.clone() },
        Span { kind: tracewell::model::SpanKind::CLIENT, ..span.clone() },
        Span { start: UnixNanos(span.start.0 + 1), ..span.clone() },
        Span { end: UnixNanos(span.end.0 + 1), ..span.clone() },
        Span { end: UnixNanos(span.start.0 - 1), ..span.clone() },
        Span { attributes: attribute("n", Value::Int(1)), ..span.clone() },
        Span { attributes: attribute("n", Value::Double(1.0)), ..span.clone() },
        Span { dropped_attributes_count: 1, ..span.clone() },
        Span { events: vec![event.clone()], ..span.clone() },
        Span { events: vec![event.clone(), event], ..span.clone() },
        Span { dropped_events_count: 1, ..span.clone() },
        Span { links: vec![tracewell::model::Link::default()], ..span.clone() },
        Span { dropped_links_count: 1, ..span.clone() },
        Span { status: tracewell::model::Status { message: "no".to_owned(), ..Default::default() }, ..span.clone() },
        Span {
            status: tracewell::model::Status { code: tracewell::model::StatusCode::OK, ..Default::default() },
            ..span.clone()
        },
        Span { resource: crate::support::service("cart"), ..span.clone() },
        Span { scope: std::sync::Arc::new(tracewell::model::Keyed::new(scope)), ..span.clone() },
    ];
    let all: Vec<_> = others.iter().cloned().chain([span]).collect();
    // Each of them is the first once, in a trace of its own.
    let of_trace = |number: usize| {
        let trace_id = crate::support::trace_id(1 + number as u64);
        all.iter().cloned().map(move |span| Span { trace_id, ..span })
    };
    let first: Vec<_> = (0..all.len()).map(|number| of_trace(number).nth(number).unwrap()).collect();
    let mut postgres = Postgres::new().await;
    postgres.write(&first).await;
    postgres.compact().await;
    postgres.write(&(0..all.len()).flat_map(of_trace).collect::<Vec<_>>()).await;
    let count = all.len().to_string();
    let by_trace = "select trace_id, count(*), (select span_count from trace t where t.trace_id = span.trace_id) \
                    from span group by trace_id order by trace_id";
    for state in ["torn", "history"] {
        let expected = |number| [crate::support::trace_id(1 + number as u64).to_string(), count.clone(), count.clone()];
        let expected: Rows = (0..all.len()).map(|number| expected(number).map(Some).to_vec()).collect();
        assert_eq!(postgres.rows(by_trace).await, expected, "{state}");
        let spans = (all.len() * all.len()).to_string();
        assert_eq!(postgres.rows("select sum(span_count) from red_minute").await, [[Some(spans)]], "{state}");
        postgres.compact().await;
    }
    postgres.end().await;
}
