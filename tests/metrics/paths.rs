//! From what a query is answered: rollups where they tell enough, and then no span is read; and the edges of a time that
//! are not whole minutes, and services that have no name, are looked at all the same.

use std::sync::Arc;

use tracewell::model::{Attributes, Keyed, Resource, Span, UnixNanos};
use tracewell::query::{Evaluation, QuerySettings};
use tracewell::store::{Batch, Counted, SpanStore};

use super::{Asked, HOUR, MINUTE, SECOND};
use crate::support::database::{AT_ONCE, Database, postgres};
use crate::support::{self, service};

/// A span every 10 seconds of five hours, of two services.
fn spans() -> Vec<Span> {
    let span = |number: u64| Span {
        end: UnixNanos(HOUR + number * 10 * SECOND + number * number * 1_000),
        resource: service(if number.is_multiple_of(3) { "shop" } else { "cart" }),
        ..support::span(number / 10 + 1, number + 1, HOUR + number * 10 * SECOND)
    };
    (0..1_800).map(span).collect()
}

async fn compacted(spans: &[Span]) -> (Box<dyn Database>, Arc<dyn SpanStore>) {
    let database = postgres::create().await;
    let store = database.open().await;
    store.write(&[Batch::new(spans.to_vec())]).await.unwrap();
    store.compact(&AT_ONCE).await.unwrap();
    (database, store)
}

fn asked(query: &str, start: u64, end: u64, step: Option<u64>) -> Asked {
    Asked { query: query.to_owned(), start: HOUR + start, end: HOUR + end, step }
}

/// Scenario: everything is history, and queries ask for whole minutes of what rollups tell. Guarantee: the answers are
/// right, and no span was read and no block opened.
#[tokio::test]
async fn rollups_are_enough_for_whole_minutes() {
    let spans = spans();
    let (_database, store) = compacted(&spans).await;
    let all = 300 * MINUTE;
    for asked in [
        asked("{ } | rate()", 0, all, Some(MINUTE)),
        asked("{ resource.service.name = `shop` } | rate() by (resource.service.name)", 0, all, Some(60 * MINUTE)),
        asked("{ name =~ `g.*` } | quantile_over_time(duration, .5, .99) by (name)", 0, all, None),
        asked("{ kind = server } | avg_over_time(duration) by (kind, status)", 7 * MINUTE, all, None),
        asked("({ status != error } | rate()) / ({ } | rate())", 0, all, Some(5 * MINUTE)),
    ] {
        let answer = asked.answer(&store, QuerySettings::default()).await.unwrap();
        let work = &answer.coverage.work;
        assert_eq!(answer.evaluation, Evaluation::Rollups, "{asked:?}");
        assert_eq!((work.of(Counted::SpansRead), work.of(Counted::BlocksRead)), (0, 0), "{asked:?}");
        asked.check(&answer.series, &spans).unwrap();
        assert!(!answer.series.is_empty());
    }
    store.close().await;
}

/// Scenario: a time that begins and ends within a minute. Guarantee: the answer is right.
#[tokio::test]
async fn edges_within_a_minute_are_looked_at() {
    let spans = spans();
    let (_database, store) = compacted(&spans).await;
    for (start, end) in [(95 * SECOND, 200 * MINUTE + 1), (1, 59 * SECOND), (50 * SECOND, 70 * SECOND)] {
        let asked = asked("{ } | count_over_time() by (resource.service.name)", start, end, None);
        let answer = asked.answer(&store, QuerySettings::default()).await.unwrap();
        assert_eq!(answer.evaluation, Evaluation::Rollups);
        asked.check(&answer.series, &spans).unwrap();
    }
    store.close().await;
}

/// Scenario: resources that do not name their service, in a text, and one that names it as the others are called.
/// Guarantee: the answers are right.
#[tokio::test]
async fn services_without_a_name_are_told_apart() {
    let mut spans = spans();
    let none = Arc::new(Keyed::new(Resource { attributes: Attributes::default(), ..Resource::default() }));
    for (number, span) in spans.iter_mut().enumerate().filter(|(number, _)| number % 7 == 0) {
        span.resource = match number % 3 {
            0 => Arc::clone(&none),
            1 => service(""),
            _ => service("unknown_service"),
        };
    }
    let (_database, store) = compacted(&spans).await;
    for query in [
        "{ } | rate() by (resource.service.name)",
        "{ resource.service.name = nil } | rate()",
        "{ resource.service.name != `shop` } | rate()",
        "{ !(resource.service.name = `shop`) } | rate()",
        "{ resource.service.name = `` } | count_over_time()",
        "{ resource.service.name = `unknown_service` } | quantile_over_time(duration, .5)",
    ] {
        let asked = asked(query, 0, 300 * MINUTE, Some(10 * MINUTE));
        let answer = asked.answer(&store, QuerySettings::default()).await.unwrap();
        assert_eq!(answer.evaluation, Evaluation::Rollups);
        asked.check(&answer.series, &spans).unwrap();
    }
    store.close().await;
}
