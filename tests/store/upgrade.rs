//! A database that the release before made, with migrations 1 and 2, and filled: it is opened, and nothing is lost or
//! changed, hot or in the history. `upgrade/` has what was written, and the databases as that release left them: dumps of
//! its own tables, `postgres.sql` and `sqlite.sql`, which are never made anew.

use std::sync::Arc;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, Row, SqliteConnection};
use tracewell::model::{SearchFields, Span, UnixNanos};
use tracewell::store::postgres::{PostgresSettings, PostgresStore};
use tracewell::store::sqlite::{SqliteSettings, SqliteStore};
use tracewell::store::{SpanStore, Written};

use super::{ascending, batch, descending, scan, scanned, trace};
use crate::support::database::AT_ONCE;
use crate::support::directory::Directory;
use crate::support::postgres::TestDatabase;
use crate::support::{span, trace_id};

mod spans;

const POSTGRES: &str = include_str!("upgrade/postgres.sql");
const SQLITE: &str = include_str!("upgrade/sqlite.sql");

/// What the views say of each span, in a form that both engines and both releases have.
const SHOWN: &str = "\
    select trace_id || ' ' || span_id || ' ' || coalesce(parent_span_id, '') || ' ' || service || ' ' || name || ' ' || kind
        || ' ' || status || ' ' || coalesce(status_message, '') from span order by 1";

/// Everything that was written, and some more.
fn everything(more: &[Span]) -> Vec<Span> {
    [spans::requests().concat(), more.to_vec()].concat()
}

/// Every span of both is found: all of them, by trace, in summaries; and a request that was committed is recognised.
async fn check(store: &dyn SpanStore, more: &[Span]) {
    let sent = everything(more);
    assert_eq!(scanned(store, scan(SearchFields::default())).await, descending(&sent));
    let mut ids: Vec<_> = sent.iter().map(|span| span.trace_id).collect();
    ids.sort_unstable();
    ids.dedup();
    for id in &ids {
        let of_trace: Vec<_> = sent.iter().filter(|span| span.trace_id == *id).cloned().collect();
        assert_eq!(trace(store, *id).await, ascending(&of_trace));
    }
    let summaries = store.summaries(&ids, None).await.unwrap();
    assert_eq!(summaries.len(), ids.len());
    assert_eq!(summaries.iter().map(|summary| summary.span_count).sum::<u64>(), ascending(&sent).len() as u64);
    for request in spans::requests() {
        assert_eq!(store.write(&[batch(&request)]).await.unwrap(), [Written::Recognised]);
    }
    let mut services: Vec<_> = sent.iter().map(|span| span.resource.service().to_owned()).collect();
    services.sort_unstable();
    services.dedup();
    assert_eq!(store.services(None, 100).await.unwrap(), services);
}

/// What comes after the upgrade: of a trace that was there, a copy of a span, and something new.
fn later() -> Vec<Span> {
    let old = spans::requests()[0][4].clone();
    let late = Span { start: UnixNanos(old.start.0 + 1), ..old.clone() };
    vec![late, old, span(9, 1, 1_767_229_080_000_000_000), Span { trace_id: trace_id(77), ..span(77, 1, 5) }]
}

async fn check_upgraded(store: &dyn SpanStore) {
    check(store, &[]).await;
    assert_eq!(store.write(&[batch(&later())]).await.unwrap(), [Written::Stored]);
    check(store, &later()).await;
    store.compact(&AT_ONCE).await.unwrap();
    check(store, &later()).await;
}

/// Scenario: a PostgreSQL database of the release before. Guarantee: its spans are found as they are, with later ones,
/// and as history; the views agree before and after.
#[tokio::test]
async fn postgres_of_the_release_before() {
    let database = TestDatabase::create().await;
    let mut connection = database.connect().await;
    connection.execute(sqlx::raw_sql(AssertSqlSafe(POSTGRES))).await.unwrap();
    connection.close().await.unwrap();
    let mut connection = database.connect().await;
    let before = shown(&mut connection).await;
    assert_eq!(before.len(), ascending(&everything(&[])).len());
    let store = PostgresStore::connect(&database.url(), &PostgresSettings::default()).await.unwrap();
    assert_eq!(shown(&mut connection).await, before);
    check_upgraded(&store).await;
    let after = shown(&mut connection).await;
    assert!(before.iter().all(|row| after.contains(row)));
    assert_eq!(after.len(), ascending(&everything(&later())).len());
    let hot: i64 = sqlx::query_scalar("select count(*) from span_row, tier where step >= first_hot_step")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    assert_eq!(hot, 0);
    let blocks: i64 =
        sqlx::query_scalar("select sum(span_count) from span_block").fetch_one(&mut connection).await.unwrap();
    assert_eq!(usize::try_from(blocks).unwrap(), ascending(&everything(&later())).len());
    store.close().await;
    // Opened once more, it is the same.
    let store = PostgresStore::connect(&database.url(), &PostgresSettings::default()).await.unwrap();
    check(&store, &later()).await;
    store.close().await;
}

async fn shown(connection: &mut PgConnection) -> Vec<String> {
    sqlx::query_scalar(SHOWN).fetch_all(connection).await.unwrap()
}

/// Scenario: the same of a SQLite file. Guarantee: the same.
#[tokio::test]
async fn sqlite_of_the_release_before() {
    let directory = Directory::create();
    let file = directory.file("spans.db");
    let options = SqliteConnectOptions::new().filename(&file).create_if_missing(true);
    let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
    connection.execute(sqlx::raw_sql(AssertSqlSafe(SQLITE))).await.unwrap();
    let before = shown_by_sqlite(&mut connection).await;
    assert_eq!(before.len(), ascending(&everything(&[])).len());
    connection.close().await.unwrap();
    let store: Arc<dyn SpanStore> = Arc::new(SqliteStore::open(&file, &SqliteSettings::default()).await.unwrap());
    check_upgraded(&*store).await;
    store.close().await;
    let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
    let after = shown_by_sqlite(&mut connection).await;
    assert!(before.iter().all(|row| after.contains(row)));
    assert_eq!(after.len(), ascending(&everything(&later())).len());
    connection.close().await.unwrap();
}

async fn shown_by_sqlite(connection: &mut SqliteConnection) -> Vec<String> {
    let rows = sqlx::query(SHOWN).fetch_all(connection).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}
