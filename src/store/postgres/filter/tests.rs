//! That blocks are left out, each by what one condition says of it. That none is left out in error is tested with the
//! promises, in `tests/store/filters.rs`.

use std::sync::Arc;
use std::time::Duration;

use futures::TryStreamExt;
use regex::Regex;

use super::super::plans::support::TestDatabase;
use super::super::{PostgresSettings, PostgresStore};
use super::*;
use crate::model::{
    Attributes, Event, Keyed, Link, Resource, Scope, Search, SearchFields, Span, Status, UnixNanos, Value,
};
use crate::store::{Batch, CompactionSettings, Counted, Scan, SpanStore};

/// Two services, each with a block of two spans in each of two hours.
const SERVICES: [&str; 2] = ["cart", "shop"];
const HOURS: u64 = 2;
const HOUR: u64 = 3_600_000_000_000;

fn attributes(key: &str, value: Value) -> Attributes {
    [(key, value)].into_iter().collect()
}

/// What differs between the services' spans is everything that a block says of itself.
fn span(service: &str, hour: u64, number: u8) -> Span {
    let is_shop = service == "shop";
    let (key, text) = if is_shop { ("only.shop", "100%") } else { ("only.cart", "50%") };
    let amount = if is_shop { Value::Double(0.5) } else { Value::Int(7) };
    let own = [(key, Value::from(text)), ("amount", amount), ("is_shop", Value::Bool(is_shop))];
    let list = Value::Array(vec![Value::from("x"), Value::from(service)]);
    let resource = [("service.name", Value::from(service)), (key, Value::from(text))];
    Span {
        trace_id: TraceId::from_slice(&[if is_shop { 1 } else { 2 }; 16]).unwrap(),
        span_id: SpanId::from_slice(&[number + if is_shop { 10 } else { 20 }; 8]).unwrap(),
        parent_span_id: is_shop.then(|| SpanId::from_slice(&[9; 8]).unwrap()),
        kind: if is_shop { SpanKind::SERVER } else { SpanKind::CLIENT },
        start: UnixNanos(hour * HOUR + 1),
        end: UnixNanos(hour * HOUR + if is_shop { 101 } else { 1_001 }),
        attributes: own.into_iter().chain([("list", list)]).collect(),
        events: vec![Event { attributes: attributes(key, Value::from(text)), ..Event::default() }],
        links: vec![Link { attributes: attributes(key, Value::from(text)), ..Link::default() }],
        status: Status { code: if is_shop { StatusCode::ERROR } else { StatusCode::UNSET }, message: String::new() },
        resource: Arc::new(Keyed::new(Resource { attributes: resource.into_iter().collect(), ..Resource::default() })),
        scope: Arc::new(Keyed::new(Scope { attributes: attributes(key, Value::from(text)), ..Scope::default() })),
        ..Span::example(if is_shop { "buy" } else { "add" })
    }
}

fn matching(text: &str) -> TextIs {
    TextIs::Matching(Regex::new(text).unwrap())
}

/// Conditions that hold on all spans of the shop and on no other.
fn of_the_shop() -> Vec<Condition> {
    let text = |text: &str| TextIs::Equal(text.to_owned());
    let mut conditions = vec![
        Condition::Service(text("shop")),
        Condition::Service(matching("^s")),
        Condition::Name(text("buy")),
        Condition::Name(matching("u")),
        Condition::Kind(SpanKind::SERVER),
        Condition::Status(StatusCode::ERROR),
        Condition::Duration { min_nanos: 0, max_nanos: 100 },
        Condition::TraceId(TraceId::from_slice(&[1; 16]).unwrap()),
        Condition::ParentSpanId(SpanId::from_slice(&[9; 8]).unwrap()),
    ];
    let attribute = |within, key: &str, is| Condition::Attribute { within, key: key.to_owned(), is };
    let places = [Within::Span, Within::Resource, Within::Event, Within::Link, Within::Scope, Within::Anywhere];
    for within in places {
        conditions.push(attribute(within, "only.shop", AttributeIs::There));
        conditions.push(attribute(within, "only.shop", AttributeIs::Text(text("100%"))));
        conditions.push(attribute(within, "only.shop", AttributeIs::Text(matching("^1.*%$"))));
    }
    conditions.push(attribute(Within::Span, "list", AttributeIs::Text(text("shop"))));
    conditions.push(attribute(Within::Span, "amount", AttributeIs::Number { min: 0.5, max: 0.5 }));
    conditions.push(attribute(Within::Span, "is_shop", AttributeIs::Bool(true)));
    conditions
}

async fn filled() -> (TestDatabase, PostgresStore, Vec<Span>) {
    let database = TestDatabase::create().await;
    let store = PostgresStore::connect(&database.url(), &PostgresSettings::default()).await.unwrap();
    let hours = (0..HOURS).flat_map(|hour| SERVICES.map(|service| (service, hour)));
    let spans: Vec<_> = hours.flat_map(|(service, hour)| [span(service, hour, 1), span(service, hour, 2)]).collect();
    store.write(&[Batch::new(spans.clone())]).await.unwrap();
    (database, store, spans)
}

async fn compact(store: &PostgresStore) {
    store.compact(&CompactionSettings::at_once(Duration::ZERO)).await.unwrap();
}

/// How many blocks were seen, left, and read; and how many spans were found.
async fn cost(store: &PostgresStore, search: SearchFields, filter: Filter) -> [u64; 4] {
    let scan = Scan { filter, ..Scan::of(Search::try_from(search).unwrap()) };
    let found: Vec<Span> = store.scan_spans(scan.clone()).try_collect().await.unwrap();
    store.count_blocks(&scan).await.unwrap();
    let of = |counted| scan.work.of(counted);
    let read = of(Counted::BlocksRead);
    // All places of the blocks that were opened, and not one more.
    assert_eq!(of(Counted::SpansRead), read * 2);
    [of(Counted::BlocksSeen), of(Counted::BlocksLeft), read, u64::try_from(found.len()).unwrap()]
}

/// Each condition leaves out the blocks of the other service unopened.
#[tokio::test]
async fn blocks_are_left_out_unopened() {
    let (_database, store, spans) = filled().await;
    compact(&store).await;
    for condition in of_the_shop() {
        let filter = Filter::Is(condition);
        assert!(spans.iter().all(|span| filter.matches(span) == (span.resource.service() == "shop")), "{filter:?}");
        let all = cost(&store, SearchFields::default(), filter.clone()).await;
        assert_eq!(all, [4, 2, 2, 4], "{filter:?}");
        let an_hour = SearchFields { start_min: Some(UnixNanos(HOUR)), ..SearchFields::default() };
        assert_eq!(cost(&store, an_hour, filter.clone()).await, [2, 1, 1, 2], "{filter:?}");
    }
    let is_root = Filter::Is(Condition::Root);
    assert_eq!(cost(&store, SearchFields::default(), is_root).await, [4, 2, 2, 4]);
    let id = Filter::Is(Condition::SpanId(SpanId::from_slice(&[21; 8]).unwrap()));
    assert_eq!(cost(&store, SearchFields::default(), id.clone()).await, [4, 2, 2, 2]);
    let either = Filter::OneOf(vec![id, Filter::Is(Condition::Name(matching("uy")))]);
    assert_eq!(cost(&store, SearchFields::default(), either.clone()).await, [4, 4, 4, 6]);
    let both = Filter::All(vec![either, Filter::Is(Condition::Kind(SpanKind::CLIENT))]);
    assert_eq!(cost(&store, SearchFields::default(), both).await, [4, 2, 2, 2]);
    assert_eq!(cost(&store, SearchFields::default(), Filter::OneOf(vec![])).await, [4, 0, 0, 0]);
    store.close().await;
}

/// Of hot rows, each condition has those of the other service left out by the database; a regular expression on an
/// attribute alone is looked at here.
#[tokio::test]
async fn hot_rows_are_left_out_by_the_database() {
    let (_database, store, _) = filled().await;
    for condition in of_the_shop() {
        let filter = Filter::Is(condition);
        for limit in [1, 100] {
            let scan = Scan { filter: filter.clone(), limit, ..Scan::of(Search::default()) };
            let keys = store.scan_keys(scan.clone()).await.unwrap();
            assert_eq!(
                (keys.len(), scan.work.of(Counted::SpansRead)),
                (limit.min(4), limit.min(4) as u64),
                "{filter:?}"
            );
        }
    }
    store.close().await;
}

/// What is known of the services makes the way to the rows shorter.
#[tokio::test]
async fn services_are_known_by_what_they_imply() {
    let (_database, store, _) = filled().await;
    let mut connection = store.reader.pool.acquire().await.unwrap();
    let service = |name: &str| Filter::Is(Condition::Service(TextIs::Equal(name.to_owned())));
    let of_resource = |name: &str| {
        let is = AttributeIs::Text(TextIs::Equal(name.to_owned()));
        Filter::Is(Condition::Attribute { within: Within::Resource, key: "service.name".to_owned(), is })
    };
    let root = Filter::Is(Condition::Root);
    let ids = |names: &[&str]| Some(names.iter().map(|name| service_id(name)).collect::<BTreeSet<_>>());
    let cases = [
        (Filter::Everything, None),
        (root.clone(), None),
        (service("shop"), ids(&["shop"])),
        (of_resource("shop"), ids(&["shop"])),
        (Filter::All(vec![service("shop"), root.clone()]), ids(&["shop"])),
        (Filter::OneOf(vec![service("shop"), root]), None),
        (Filter::OneOf(vec![service("shop"), service("cart")]), ids(&["shop", "cart"])),
        (Filter::All(vec![service("shop"), of_resource("cart")]), ids(&[])),
        (
            Filter::OneOf(vec![service("shop"), Filter::All(vec![service("unknown_service"), of_resource("shop")])]),
            ids(&["shop"]),
        ),
        (Filter::Is(Condition::Service(matching("nobody"))), ids(&[])),
    ];
    for (filter, expected) in cases {
        let told = tell(&filter, &mut connection).await.unwrap();
        assert_eq!(told.service_ids(), expected, "{filter:?}");
    }
    let many = Filter::OneOf(vec![service("shop"); TESTS_MAX + 1]);
    assert!(matches!(tell(&many, &mut connection).await.unwrap(), Told::Is(Test::More)));
    drop(connection);
    store.close().await;
}
