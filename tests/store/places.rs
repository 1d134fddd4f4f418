//! Promise 7 where blocks are read in part: the places of a search by durations, and by attributes, are those of the spans that
//! match, with their traces. Of a block with few long spans no others are read, and the lines of its spans only when a value
//! that is asked for stands there.

use std::collections::BTreeSet;

use tracewell::model::{AttributeCondition, AttributeScope, SearchFields, Span, SpanKey, SpanKind, UnixNanos, Value};
use tracewell::store::{Counted, Scan, SpanStore, Work};

use super::{batch, scan};
use crate::support::database::AT_ONCE;
use crate::support::span;

const SECOND: u64 = 1_000_000_000;
/// A moment of 2026 at which an hour begins.
const BEGIN: u64 = 1_790_002_800_000_000_000;

/// A block of several traces: one span in a hundred is long, the first of a trace and the last by turns.
fn spans() -> Vec<Span> {
    let of = |number: u64| {
        let start = BEGIN + number * 1_000_000;
        let nanos = if number % 100 < 2 { 3 * SECOND + number } else { 40_000_000 + number };
        let kind = if number.is_multiple_of(2) { SpanKind::SERVER } else { SpanKind::CLIENT };
        Span { end: UnixNanos(start + nanos), kind, ..span(number / 3 + 1, number + 1, start) }
    };
    (0..400).map(of).collect()
}

/// Scenario: of a block, no span, few and all of them are long enough. Guarantee: the places are those of the spans that match,
/// whatever else is asked, and as of an earlier moment, too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn places_are_those_of_the_long_spans() {
    let database = crate::support::database::postgres::create().await;
    let store = database.open().await;
    let (early, late) = { spans() }.into_iter().partition::<Vec<_>, _>(|span| span.start.0 % 3 == 0);
    store.write(&[batch(&early)]).await.unwrap();
    let moment = store.watermark().await.unwrap();
    store.write(&[batch(&late)]).await.unwrap();
    store.compact(&AT_ONCE).await.unwrap();
    for (min, max) in [
        (3 * SECOND, None),
        (40_000_000, Some(2 * SECOND)),
        (0, None),
        (3 * SECOND + 200, Some(4 * SECOND)),
        (5 * SECOND, None),
    ] {
        for kind in [None, Some(SpanKind::CLIENT)] {
            let fields = SearchFields {
                duration_min_nanos: Some(min),
                duration_max_nanos: max,
                kind,
                ..SearchFields::default()
            };
            let told = format!("{min}, {max:?}, {kind:?}");
            assert_places(&*store, &scan(fields.clone()), [&early, &late], &told).await;
            assert_places(&*store, &Scan { as_of: Some(moment), ..scan(fields) }, [&early, &[]], &told).await;
        }
    }
    store.close().await;
}

/// Keys that are written otherwise than they read.
const KEYS: [&str; 4] = ["plain", "50% \"off\": %s", "tab\t\\", "\u{1}é\n"];

/// A block of spans of one shape but for a few: under the first two keys each has a value of its own, under the next one many
/// have the same; few have the last one, twice.
fn spans_with_attributes() -> Vec<Span> {
    let of = |number: u64| {
        let mut span = span(number / 3 + 1, number + 1, BEGIN + number * 1_000_000);
        let mut attributes = vec![
            (KEYS[0], Value::String(format!("value {number}\t%s"))),
            (KEYS[1], Value::Int(number.cast_signed())),
            (KEYS[2], Value::from(if number.is_multiple_of(2) { "even" } else { "100%" })),
        ];
        if number % 97 == 5 {
            attributes.push((KEYS[3], Value::Double(0.5)));
        }
        span.attributes = attributes.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        span
    };
    (0..400).map(of).collect()
}

/// Scenario: values that one span of a block has, that many have, few or none, under keys that are escaped, alone and together.
/// Guarantee: the places are those of the spans that match.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn places_are_those_of_the_values() {
    let database = crate::support::database::postgres::create().await;
    let store = database.open().await;
    let spans = spans_with_attributes();
    store.write(&[batch(&spans)]).await.unwrap();
    store.compact(&AT_ONCE).await.unwrap();
    let values = [
        (KEYS[0], Value::from("value 17\t%s")),
        (KEYS[0], Value::from("value 18\t%s")),
        (KEYS[0], Value::from("value")),
        (KEYS[1], Value::Int(18)),
        (KEYS[1], Value::Double(18.0)),
        (KEYS[2], Value::from("even")),
        (KEYS[2], Value::from("100%")),
        (KEYS[2], Value::from("odd")),
        (KEYS[3], Value::Double(0.5)),
        ("none", Value::Int(18)),
    ];
    for first in &values {
        for second in &values {
            for scope in [AttributeScope::Any, AttributeScope::Span] {
                let condition = |(key, value): &(&str, Value)| AttributeCondition {
                    scope,
                    key: (*key).to_owned(),
                    value: value.clone(),
                };
                let attributes = [first, second].map(condition).to_vec();
                let asked = scan(SearchFields { attributes, ..SearchFields::default() });
                assert_places(&*store, &asked, [&spans, &[]], &format!("{first:?}, {second:?}")).await;
            }
        }
    }
    store.close().await;
}

/// Scenario: of a block that begins and ends as another one, of one that ended before and of old rows that are not history, ten
/// places are asked for, and others may come. Guarantee: those that the first two have come along, newest first, as far as the
/// third has none; down to what there is to spare; each block is read once; and the rest comes behind the last of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn places_that_were_read_come_along() {
    let database = crate::support::database::postgres::create().await;
    let store = database.open().await;
    let of = |service: &str, seconds: std::ops::Range<u64>, first: u64| {
        let resource = crate::support::service(service);
        let of = |number| {
            let span = span(first + number, first + number, BEGIN + number * SECOND);
            Span { resource: resource.clone(), ..span }
        };
        seconds.map(of).collect::<Vec<_>>()
    };
    let history = [of("a", 0..400, 1_000), of("b", 0..400, 2_000), of("c", 0..100, 3_000)].concat();
    store.write(&[batch(&history)]).await.unwrap();
    store.compact(&AT_ONCE).await.unwrap();
    let rows = of("d", 0..5, 4_000);
    store.write(&[batch(&rows)]).await.unwrap();
    let all: BTreeSet<_> = history.iter().chain(&rows).map(|span| (span.start, span.trace_id)).collect();
    let end = Some(UnixNanos(BEGIN + 399 * SECOND + 1));
    for (spare, places_max, blocks) in [(0, 10, 2), (70, 80, 2), (500, 510, 2), (5_000, 600, 2)] {
        let work = Work::default();
        let asked = scan(SearchFields { start_max: end, ..SearchFields::default() });
        let asked = Scan { limit: 10, spare, work: work.clone(), ..asked };
        let places = store.scan_places(asked.clone()).await.unwrap();
        assert!(places.iter().eq(all.iter().rev().take(places_max)), "{spare}: {}", places.len());
        assert_eq!(work.of(Counted::BlocksRead), blocks, "{spare}");
        let (start, trace_id) = *places.last().unwrap();
        let before = Some(SpanKey::least(start, trace_id));
        let rest = store.scan_places(Scan { before, limit: usize::MAX, spare: 0, ..asked }).await.unwrap();
        assert!(rest.iter().eq(all.iter().rev().skip(places_max)), "{spare}: {}", rest.len());
    }
    store.close().await;
}

async fn assert_places(store: &dyn SpanStore, asked: &Scan, stored: [&[Span]; 2], told: &str) {
    let spans = stored.into_iter().flatten().filter(|span| asked.search.matches(span));
    let expected: BTreeSet<_> = spans.map(|span| (span.start, span.trace_id)).collect();
    let work = Work::default();
    let places = store.scan_places(Scan { work: work.clone(), ..asked.clone() }).await.unwrap();
    assert!(places.iter().rev().eq(&expected), "{told}: {places:?}, not {expected:?}");
    // A block is left out unread, or all of it is looked at.
    let read = work.of(Counted::SpansRead);
    assert!([0, 400].contains(&read) && (read == 400 || expected.is_empty()), "{told}: {read} spans read");
}
