//! Promise 7 for spans in outline, in PostgreSQL's two tiers: they are of the newest spans of a scan, more than were asked for
//! when more were read, and never two of the same ids and start, which whole spans alone tell apart. That they are complete
//! under any filter is tested with the filters.

use regex::Regex;
use tracewell::model::{
    AttributeIs, Condition, Filter, Parts, SearchFields, Span, SpanKey, TextIs, UnixNanos, Value, Within,
};
use tracewell::store::{Counted, Outlines, Scan, Work};

use super::{batch, scan};
use crate::support::database::{AT_ONCE, Database};
use crate::support::outline::outline;
use crate::support::span;

/// A moment of 2026 at which an hour begins.
const BEGIN: u64 = 1_790_002_800_000_000_000;
const SECOND: u64 = 1_000_000_000;

/// A span each second, of a trace each; every second one has "tcp", all have a value of their own under another key.
fn spans(count: u64) -> Vec<Span> {
    let of = |number: u64| {
        let mut span = span(number + 1, number + 1, BEGIN + number * SECOND);
        let transport = if number.is_multiple_of(2) { "tcp" } else { "udp" };
        let attributes = [("transport", Value::from(transport)), ("own", Value::Int(number.cast_signed()))];
        span.attributes = attributes.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        span
    };
    (0..count).map(of).collect()
}

fn tcp(limit: usize) -> Scan {
    let is = AttributeIs::Text(TextIs::Equal("tcp".to_owned()));
    let condition = Condition::Attribute { within: Within::Span, key: "transport".to_owned(), is };
    Scan { filter: Filter::Is(condition), limit, ..scan(SearchFields::default()) }
}

fn parts(keys: &[&str]) -> Parts {
    Parts { keys: keys.iter().map(|key| (*key).to_owned()).collect(), ..Parts::default() }
}

async fn postgres() -> Box<dyn Database> {
    crate::support::database::postgres::create().await
}

fn ids(key: SpanKey) -> SpanKey {
    SpanKey { digest: i64::MIN, ..key }
}

/// The keys of outlines, after a check that each is of one of these spans.
fn of(outlines: &Outlines, spans: &[Span], parts: &Parts) -> Vec<SpanKey> {
    for (key, found) in &outlines.spans {
        let whole = spans.iter().find(|span| ids(span.key()) == *key).unwrap();
        assert_eq!(outline(found, parts), outline(whole, parts));
    }
    outlines.spans.iter().map(|(key, _)| *key).collect()
}

/// Scenario: of a block, ten spans with a value are asked for. Guarantee: all that it has come, newest first, since they were
/// looked at; of their attributes those that were asked for and no others, and it is known that there are no more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_come_when_they_were_read() {
    let database = postgres().await;
    let store = database.open().await;
    let spans = spans(400);
    store.write(&[batch(&spans)]).await.unwrap();
    store.compact(&AT_ONCE).await.unwrap();
    let (asked, work) = (parts(&["own", "none"]), Work::default());
    let outlines = store.scan_outlines(Scan { work: work.clone(), ..tcp(10) }, &asked).await.unwrap().unwrap();
    let expected: Vec<_> = spans.iter().rev().skip(1).step_by(2).collect();
    assert!(of(&outlines, &spans, &asked).into_iter().eq(expected.iter().map(|span| ids(span.key()))));
    let own: Vec<_> = outlines.spans.iter().map(|(_, span)| &span.attributes).collect();
    assert!(own.iter().all(|attributes| attributes.0.len() == 1 && attributes.get("own").is_some()));
    assert!(outlines.is_all);
    assert_eq!((work.of(Counted::SpansRead), work.of(Counted::BlocksRead)), (400, 1));
    store.close().await;
}

/// Scenario: a block has more spans that are looked for than are given at once. Guarantee: it is not said that these are all, and
/// the rest comes when it is asked for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_left_of_a_block_comes_later() {
    let database = postgres().await;
    let store = database.open().await;
    let all = spans(1_500);
    store.write(&[batch(&all)]).await.unwrap();
    store.compact(&AT_ONCE).await.unwrap();
    let condition = Condition::Attribute { within: Within::Span, key: "own".to_owned(), is: AttributeIs::There };
    let asked = Scan { filter: Filter::Is(condition), limit: 10, ..scan(SearchFields::default()) };
    let (none, mut found, mut pages) = (parts(&[]), Vec::new(), Vec::new());
    loop {
        let before = found.last().copied();
        let outlines = store.scan_outlines(Scan { before, ..asked.clone() }, &none).await.unwrap().unwrap();
        found.extend(of(&outlines, &all, &none));
        pages.push(outlines.spans.len());
        if outlines.is_all {
            break;
        }
    }
    assert_eq!(pages, [1_024, 476]);
    assert!(found.into_iter().eq(all.iter().rev().map(|span| ids(span.key()))));
    // By what the database can not say of rows, places are gone through in pages, too.
    let is = AttributeIs::Text(TextIs::Matching(Regex::new("...").unwrap()));
    let condition = Condition::Attribute { within: Within::Span, key: "transport".to_owned(), is };
    let asked = Scan { filter: Filter::Is(condition), ..scan(SearchFields::default()) };
    let places = store.scan_places(asked).await.unwrap();
    assert!(places.into_iter().eq(all.iter().rev().map(|span| (span.start, span.trace_id))));
    store.close().await;
}

/// Scenario: rows that are not history yet lie above a block, and beside it. Guarantee: what comes is complete down to the last
/// one, as of an earlier moment, too, and from any place on; all parts together are all.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_tiers_are_put_together() {
    let database = postgres().await;
    let store = database.open().await;
    let all = spans(400);
    let (late, early) = all.iter().cloned().partition::<Vec<_>, _>(|span| span.start.0 % (3 * SECOND) == 0);
    store.write(&[batch(&early)]).await.unwrap();
    store.compact(&AT_ONCE).await.unwrap();
    let moment = store.watermark().await.unwrap();
    store.write(&[batch(&late)]).await.unwrap();
    let asked = parts(&["transport"]);
    for (as_of, stored) in [(None, &all), (Some(moment), &early)] {
        let (mut found, mut before) = (Vec::new(), None);
        loop {
            let outlines = store.scan_outlines(Scan { as_of, before, ..tcp(7) }, &asked).await.unwrap().unwrap();
            found.extend(of(&outlines, stored, &asked));
            before = found.last().copied();
            if outlines.is_all {
                break;
            }
        }
        let is_tcp = |span: &&Span| span.attributes.get_text("transport") == Some("tcp");
        let expected = stored.iter().rev().filter(is_tcp).map(|span| ids(span.key()));
        assert!(found.iter().copied().eq(expected), "as of {as_of:?}");
    }
    store.close().await;
}

/// Scenario: a span is stored a second time, and another one has its ids and start; in the middle of the list. Guarantee: what is
/// above comes; from there on the spans themselves have to be read, and below they come again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_ids_are_told_apart_by_who_reads_all() {
    let changed = |span: &Span| Span { end: UnixNanos(span.end.0 + 1), ..span.clone() };
    for again in [Span::clone, changed] {
        let database = postgres().await;
        let store = database.open().await;
        let spans = spans(400);
        store.write(&[batch(&spans)]).await.unwrap();
        store.compact(&AT_ONCE).await.unwrap();
        let twice = &spans[200];
        store.write(&[batch(&[again(twice)])]).await.unwrap();
        let asked = parts(&[]);
        let above = store.scan_outlines(tcp(10), &asked).await.unwrap().unwrap();
        assert!(!above.is_all);
        let above = of(&above, &spans, &asked);
        assert_eq!((above.len(), above.last().copied()), (99, Some(ids(spans[202].key()))));
        let here = Scan { before: above.last().copied(), ..tcp(10) };
        assert!(store.scan_outlines(here, &asked).await.unwrap().is_none());
        // In the middle of those with the same ids nobody can go on without knowing which they are.
        let between = Scan { before: Some(twice.key()), ..tcp(10) };
        assert!(store.scan_outlines(between, &asked).await.unwrap().is_none());
        let below = Scan { before: Some(ids(twice.key())), ..tcp(10) };
        let below = store.scan_outlines(below, &asked).await.unwrap().unwrap();
        assert_eq!((below.spans.len(), below.is_all), (100, true));
        store.close().await;
    }
}

/// Scenario: a filter asks for an event. Guarantee: there is no outline of that.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_are_in_no_outline() {
    let database = postgres().await;
    let store = database.open().await;
    store.write(&[batch(&spans(2))]).await.unwrap();
    for within in [Within::Event, Within::Link] {
        let condition = Condition::Attribute { within, key: "own".to_owned(), is: AttributeIs::There };
        let asked = Scan { filter: Filter::OneOf(vec![Filter::Is(condition)]), ..scan(SearchFields::default()) };
        assert!(store.scan_outlines(asked, &parts(&[])).await.unwrap().is_none(), "{within:?}");
    }
    store.close().await;
}
