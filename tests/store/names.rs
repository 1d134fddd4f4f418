//! Promise 14: what a backend lists is what its spans have, however it keeps them.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::TryStreamExt;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, TestCaseResult, TestRunner};
use tracewell::model::{
    Attributes, Event, Keyed, Link, Listed, Listing, Resource, Scope, Span, SpanKind, Status, StatusCode, UnixNanos,
    Value, Within,
};
use tracewell::store::{Counted, NamePortion, NameScan, SpanStore, Work};

use super::batch;
use crate::support::database::{AT_ONCE, Database};
use crate::support::{arbitrary, span};

const WITHIN: [Within; 6] =
    [Within::Anywhere, Within::Span, Within::Resource, Within::Event, Within::Link, Within::Scope];
const KEYS: [&str; 9] = ["a", "b", "http.route", "$bytes", "$", "a\"b", "service.name", "50%", "\0"];
const HOUR: u64 = 3_600_000_000_000;
/// A moment of 2026 at which an hour begins.
const BEGIN: u64 = 1_790_002_800_000_000_000;

macro_rules! names_of {
    ($($backend:ident: $cases:literal),+) => { $(
        mod $backend {
            /// Scenario: any spans are written in two parts, the first of which is made history, perhaps the other too;
            /// then everything is listed, of all spans and of those of some times. Guarantee: it is what the spans have.
            #[test]
            fn any_spans_are_listed() {
                super::check_any($cases, || crate::support::database::$backend::create());
            }

            /// Scenario: the same of some thousand spans that share much, over three hours. Guarantee: the same.
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn spans_that_share_much_are_listed() {
                super::check_many(&*crate::support::database::$backend::create().await).await;
            }
        }
    )+ };
}
names_of!(memory: 24, sqlite: 16, postgres: 10, postgres_compacted: 6);

fn check_any<F: Future<Output = Box<dyn Database>>>(cases: u32, create: impl Fn() -> F) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 60, ..Config::default() };
    let bound = || option::of((any::<Index>(), 0_u64..=1));
    let given = (arbitrary::spans(24), any::<bool>(), vec((bound(), bound()), 3));
    let run = TestRunner::new(config).run(&given, |(spans, is_history, times)| {
        runtime.block_on(async {
            let database = create().await;
            let store = database.open().await;
            keep(&*store, &spans, is_history).await;
            let bound = |bound: &Option<(Index, u64)>| {
                bound.as_ref().map(|(index, more)| UnixNanos(index.get(&spans).start.0.saturating_add(*more)))
            };
            for (min, max) in times.iter().map(|(min, max)| (bound(min), bound(max))).chain([(None, None)]) {
                for listing in listings() {
                    check(&*store, &spans, listing, min, max).await?;
                }
            }
            store.close().await;
            Ok(())
        })
    });
    if let Err(error) = run {
        panic!("{error}");
    }
}

async fn check_many(database: &dyn Database) {
    let (spans, store) = (shared_spans(), database.open().await);
    keep(&*store, &spans, true).await;
    let time = |hours: u64, nanos: u64| Some(UnixNanos(BEGIN + hours * HOUR + nanos));
    let times = [(None, None), (time(1, 0), time(2, 0)), (time(0, HOUR / 2), time(2, 77)), (time(2, HOUR / 3), None)];
    for (min, max) in times {
        for listing in listings() {
            check(&*store, &spans, listing, min, max).await.unwrap();
        }
    }
    store.close().await;
}

/// Writes half of the spans, makes them history, and writes the others and some copies.
async fn keep(store: &dyn SpanStore, spans: &[Span], is_history: bool) {
    let (first, second) = spans.split_at(spans.len() / 2);
    store.write(&[batch(first)]).await.unwrap();
    store.compact(&AT_ONCE).await.unwrap();
    store.write(&[batch(second), batch(&first[..first.len().min(20)])]).await.unwrap();
    if is_history {
        store.compact(&AT_ONCE).await.unwrap();
    }
}

/// Everything that can be listed.
fn listings() -> Vec<Listing> {
    let values = |within| KEYS.map(|key| Listing::Values { within, key: key.to_owned() });
    let texts = [Listing::Name, Listing::Kind, Listing::Status, Listing::StatusMessage, Listing::EventName];
    let scopes = [Listing::ScopeName, Listing::ScopeVersion];
    let attributes = WITHIN.into_iter().flat_map(|within| values(within).into_iter().chain([Listing::Keys(within)]));
    texts.into_iter().chain(scopes).chain(attributes).collect()
}

/// Every portion is right as far as it says it goes, and all of them together are.
async fn check(
    store: &dyn SpanStore,
    spans: &[Span],
    listing: Listing,
    start_min: Option<UnixNanos>,
    start_max: Option<UnixNanos>,
) -> TestCaseResult {
    let is_of =
        |span: &&Span| start_min.is_none_or(|min| span.start >= min) && start_max.is_none_or(|max| span.start < max);
    let listed = |since: UnixNanos| {
        let mut items = BTreeSet::new();
        for span in spans.iter().filter(is_of).filter(|span| span.start >= since) {
            listing.of_span(span, &mut |item| {
                let _is_new = items.insert(item);
            });
        }
        items
    };
    let scan = NameScan { listing: listing.clone(), start_min, start_max, work: Work::default() };
    let portions: Vec<NamePortion> = store.names(scan).try_collect().await.unwrap();
    let mut found = BTreeSet::new();
    for portion in portions {
        found.extend(portion.items);
        if let Some(since) = portion.covered_since {
            let missing: Vec<_> = listed(since).difference(&found).cloned().collect();
            prop_assert!(missing.is_empty(), "{:?} since {:?}: {:?} is missing", listing, since, missing);
        }
    }
    prop_assert_eq!(found, listed(UnixNanos(0)), "{:?} of {:?} to {:?}", listing, start_min, start_max);
    Ok(())
}

/// Spans of three hours and three services with few names and routes, and with some attributes of which each span has
/// another value, or only one span has any.
fn shared_spans() -> Vec<Span> {
    (0..4_000_u64).map(shared_span).collect()
}

fn shared_span(number: u64) -> Span {
    let one_of = |of: u64| number * 7_919 % of;
    let text = |what: &str, of: u64| Value::String(format!("{what} {}%\t\"", one_of(of)));
    let mut own = vec![("http.route", text("route", 5)), ("a", Value::Int(i64::try_from(number).unwrap()))];
    if number.is_multiple_of(1_999) {
        own.extend([("b", Value::Array(vec![Value::Bool(true), text("only", 3)])), ("50%", Value::Null)]);
    }
    if one_of(3) == 0 {
        own.push(("service.name", text("own", 2)));
    }
    let resource: Attributes = if one_of(31) == 30 {
        Attributes::default()
    } else {
        [("service.name", text("service", 3)), ("a", Value::Null), ("$", text("node", 40))].into_iter().collect()
    };
    let scope: Attributes =
        if one_of(2) == 0 { Attributes::default() } else { [("b", text("scope", 2))].into_iter().collect() };
    let event = Event {
        name: format!("event {}", one_of(4)),
        attributes: [("a\"b", text("event", 9))].into_iter().collect(),
        ..Event::default()
    };
    let link = Link {
        attributes: [("$bytes", text("link", 9)), ("a", Value::Double(0.5))].into_iter().collect(),
        ..Link::default()
    };
    let start = BEGIN + number * (3 * HOUR / 4_000) + 1;
    Span {
        name: format!("name {}", one_of(6)),
        kind: SpanKind(i32::try_from(one_of(9)).unwrap()),
        status: Status {
            code: StatusCode(i32::try_from(number / 3_990).unwrap()),
            message: if number.is_multiple_of(700) { format!("message {number}") } else { String::new() },
        },
        attributes: own.into_iter().collect(),
        events: if number.is_multiple_of(50) { vec![event, Event::default()] } else { vec![] },
        links: if number.is_multiple_of(90) { vec![link] } else { vec![] },
        resource: Arc::new(Keyed::new(Resource { attributes: resource, ..Resource::default() })),
        scope: Arc::new(Keyed::new(Scope {
            name: format!("scope {}", one_of(2)),
            attributes: scope,
            ..Scope::default()
        })),
        ..span(number / 10 + 1, number + 1, start)
    }
}

/// Scenario: spans of a whole day that have what the newest of them have, but for an attribute that is another in each.
/// Guarantee: few blocks are opened, and for what is the same in all spans of a block, none; nothing counts as read that was
/// not looked at, and what is another in each span is all looked at.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_known_is_not_opened() {
    let database = crate::support::database::postgres::create().await;
    let store = database.open().await;
    let spans: Vec<Span> = (0..4_800_u64)
        .map(|number| Span {
            attributes: [("http.route", Value::from("/")), ("number", Value::Int(number.cast_signed()))]
                .into_iter()
                .collect(),
            ..Span { start: UnixNanos(BEGIN + number * (HOUR / 200)), ..shared_span(number) }
        })
        .collect();
    store.write(&[batch(&spans)]).await.unwrap();
    store.compact(&AT_ONCE).await.unwrap();
    let work = Work::default();
    let listing = Listing::Keys(Within::Span);
    let scan = NameScan { listing: listing.clone(), start_min: None, start_max: None, work: work.clone() };
    let portions: Vec<NamePortion> = store.names(scan).try_collect().await.unwrap();
    assert_eq!(
        portions.into_iter().flat_map(|portion| portion.items).collect::<Vec<_>>(),
        ["http.route", "number"].map(|key| Listed::Text(key.to_owned()))
    );
    let (seen, read) = (work.of(Counted::BlocksSeen), work.of(Counted::BlocksRead));
    assert!(seen >= 24 && read <= 8, "{read} of {seen} blocks are read");
    assert!((1..500).contains(&work.of(Counted::SpansRead)), "{work:?}");
    for (key, values, read) in [("http.route", 1, 1..500), ("number", 4_800, 4_800..5_300)] {
        let listing = Listing::Values { within: Within::Span, key: key.to_owned() };
        let work = Work::default();
        let scan = NameScan { listing, start_min: None, start_max: None, work: work.clone() };
        let portions: Vec<NamePortion> = store.names(scan).try_collect().await.unwrap();
        let items: BTreeSet<Listed> = portions.into_iter().flat_map(|portion| portion.items).collect();
        assert!(items.len() == values && read.contains(&work.of(Counted::SpansRead)), "{key}: {work:?}");
    }
    for listing in [Listing::Keys(Within::Resource), Listing::Name, Listing::Kind, Listing::ScopeName] {
        let work = Work::default();
        let (start_min, start_max) = (Some(UnixNanos(0)), Some(UnixNanos(BEGIN + 100 * HOUR)));
        let scan = NameScan { listing, start_min, start_max, work: work.clone() };
        let _portions: Vec<NamePortion> = store.names(scan).try_collect().await.unwrap();
        assert_eq!(work.of(Counted::BlocksRead), 0);
    }
    store.close().await;
}
