//! Promise 15, that everything goes when somebody says so; and what only PostgreSQL has to see to: other processes that
//! remember what the database had, and tables that nobody thought of.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::TryStreamExt;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tracewell::model::{Filter, Listing, SearchFields, Span, UnixNanos, Within};
use tracewell::store::postgres::{PostgresSettings, PostgresStore};
use tracewell::store::{
    NamePortion, NameScan, RetentionSettings, RollupDetail, RollupRequest, Scan, SpanStore, Work, Written,
};

use super::retention::{assert_same_as_new, days, today};
use super::{batch, scan, scanned, trace};
use crate::support::database::{AT_ONCE, Database};
use crate::support::postgres::TestDatabase;
use crate::support::{service, span, trace_id};

/// What a new database has rows in, too: its steps, its version, and constants.
const NOT_EMPTIED: [&str; 3] = ["tier", "step", "_sqlx_migrations"];

/// Of a store with rows and history, with spans of many days, nothing is left in any answer; what it had is stored when it
/// is sent again, by the same store and by one that is opened anew, and is all there is then.
pub(super) async fn p15_purged(database: &dyn Database) {
    let spans = days();
    let (first, second) = (batch(&spans[..15]), batch(&spans[15..]));
    for _ in 0..3 {
        let store = database.open().await;
        assert_eq!(store.write(std::slice::from_ref(&first)).await.unwrap(), [Written::Stored]);
        store.compact(&AT_ONCE).await.unwrap();
        assert_eq!(store.write(std::slice::from_ref(&second)).await.unwrap(), [Written::Stored]);
        assert_same_as_new(&*store, &spans).await;
        let before = store.watermark().await.unwrap();
        store.purge().await.unwrap();
        assert_nothing(&*store).await;
        assert_eq!(store.write(&[second.clone(), first.clone()]).await.unwrap(), [Written::Stored; 2]);
        assert_same_as_new(&*store, &spans).await;
        let found = scanned(&*store, Scan { as_of: Some(before), ..scan(SearchFields::default()) }).await;
        assert!(found.is_empty(), "a watermark of before finds what came after: {found:?}");
        // A look for what is old finds its way afterwards.
        let settings = RetentionSettings { age_days_max: None, arrival_age_days_max: None, bytes_max: None };
        store.retain(&settings).await.unwrap();
        assert_same_as_new(&*store, &spans).await;
        store.purge().await.unwrap();
        store.close().await;
    }
    let store = database.open().await;
    assert_nothing(&*store).await;
    store.close().await;
}

/// No method finds anything.
async fn assert_nothing(store: &dyn SpanStore) {
    assert_same_as_new(store, &[]).await;
    let listings = [Listing::Keys(Within::Span), Listing::Keys(Within::Resource), Listing::Name, Listing::ScopeName];
    for listing in listings {
        let scan = NameScan { listing, start_min: None, start_max: None, work: Work::default() };
        let portions: Vec<NamePortion> = store.names(scan).try_collect().await.unwrap();
        assert!(portions.iter().all(|portion| portion.items.is_empty()), "{portions:?}");
    }
    let (start, end, as_of) = (UnixNanos(0), UnixNanos(u64::MAX), store.watermark().await.unwrap());
    let (by_hour, detail, filter, work) = (true, RollupDetail::Count, Filter::default(), Work::default());
    let request = RollupRequest { start, end, by_hour, detail, filter, as_of, work };
    if let Some(rollups) = store.rollups(request).await.unwrap() {
        let rollups: Vec<_> = rollups.try_collect().await.unwrap();
        assert!(rollups.is_empty(), "{rollups:?}");
    }
    let backlog = store.backlog().await.unwrap();
    assert_eq!(backlog.steps, 0);
    assert_eq!(store.compact(&AT_ONCE).await.unwrap().spans, 0);
}

/// While three write, one compacts and one removes everything: what was there before goes; what comes at the same moment
/// is there as a whole or not at all, with its service, and no other service is; what comes after stays until the next
/// time. Six rounds, each of services and names of its own and of ones that come again.
pub(super) async fn p15_purged_under_writes(database: &dyn Database) {
    let store = database.open().await;
    for round in 1..=6_u64 {
        let spans_of = move |number: u64| -> Vec<Span> {
            let trace = round * 1_000 + number;
            let name = if number.is_multiple_of(2) { format!("again {}", number % 7) } else { format!("once {trace}") };
            (1..=20)
                .map(|id| Span {
                    name: name.clone(),
                    resource: service(&name),
                    ..span(trace, id, today() * super::retention::DAY + id)
                })
                .collect()
        };
        store.write(&[batch(&spans_of(999))]).await.unwrap();
        let writers: Vec<_> = (0..3)
            .map(|writer| {
                let store = Arc::clone(&store);
                tokio::spawn(async move {
                    for number in (1..=15).map(|number| writer * 100 + number) {
                        store.write(&[batch(&spans_of(number))]).await.unwrap();
                    }
                })
            })
            .collect();
        let compacting = Arc::clone(&store);
        let compacting = tokio::spawn(async move {
            for _ in 0..3 {
                compacting.compact(&AT_ONCE).await.unwrap();
            }
        });
        store.purge().await.unwrap();
        assert!(trace(&*store, trace_id(round * 1_000 + 999)).await.is_empty(), "what was there is still there");
        for task in writers.into_iter().chain([compacting]) {
            task.await.unwrap();
        }
        store.write(&[batch(&spans_of(998))]).await.unwrap();
        let found = scanned(&*store, scan(SearchFields::default())).await;
        let traces: BTreeSet<_> = found.iter().map(|span| span.trace_id).collect();
        assert!(traces.contains(&trace_id(round * 1_000 + 998)));
        for id in &traces {
            assert!(*id > trace_id(round * 1_000), "a trace of an earlier round came back");
            assert_eq!(trace(&*store, *id).await.len(), 20, "a part of a trace is left");
        }
        let services: BTreeSet<_> = found.iter().map(|span| span.resource.service().to_owned()).collect();
        let listed = store.services(None, 1_000).await.unwrap();
        assert_eq!(listed, services.into_iter().collect::<Vec<_>>(), "services and spans differ");
    }
    store.close().await;
}

/// Another process remembers that the database has what its spans refer to. After everything was removed by this one, what it
/// writes next is read back whole, by both, as rows and as history.
#[tokio::test]
async fn another_process_learns_that_everything_went() {
    let database = TestDatabase::create().await;
    let open = || async { PostgresStore::connect(&database.url(), &PostgresSettings::default()).await.unwrap() };
    let (ours, other) = (open().await, open().await);
    for round in 1..=4 {
        let before = span(round, 1, 1);
        other.write(&[batch(&[before])]).await.unwrap();
        if round % 2 == 0 {
            ours.compact(&AT_ONCE).await.unwrap();
        }
        ours.purge().await.unwrap();
        assert_nothing(&other).await;
        let after = span(round, 2, 2);
        other.write(&[batch(std::slice::from_ref(&after))]).await.unwrap();
        for store in [&ours, &other] {
            assert_same_as_new(store, std::slice::from_ref(&after)).await;
        }
        other.compact(&AT_ONCE).await.unwrap();
        assert_same_as_new(&ours, std::slice::from_ref(&after)).await;
        ours.purge().await.unwrap();
    }
    ours.close().await;
    other.close().await;
}

/// No table keeps a row, whoever adds one to the schema later.
#[tokio::test]
async fn no_table_keeps_a_row() {
    let database = TestDatabase::create().await;
    let store = PostgresStore::connect(&database.url(), &PostgresSettings::default()).await.unwrap();
    store.write(&[batch(&days())]).await.unwrap();
    store.compact(&AT_ONCE).await.unwrap();
    let settings = RetentionSettings { age_days_max: Some(5), arrival_age_days_max: None, bytes_max: None };
    store.retain(&settings).await.unwrap();
    store.write(&[batch(&[span(1, 1, 1)])]).await.unwrap();
    store.purge().await.unwrap();
    let mut connection = PgConnection::connect(&database.url()).await.unwrap();
    let tables = "select relname::text from pg_class
                  where relnamespace = current_schema()::regnamespace and relkind in ('r', 'p')";
    let tables: Vec<String> = sqlx::query_scalar(tables).fetch_all(&mut connection).await.unwrap();
    for table in tables.iter().filter(|table| !NOT_EMPTIED.contains(&table.as_str())) {
        let count = AssertSqlSafe(format!("select count(*) from {table}"));
        let rows: i64 = sqlx::query_scalar(count).fetch_one(&mut connection).await.unwrap();
        assert_eq!(rows, 0, "{table}");
    }
    connection.close().await.unwrap();
    store.close().await;
}
