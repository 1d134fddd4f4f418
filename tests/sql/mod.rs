//! What people ask in SQL, on both engines and, on PostgreSQL, over both tiers: the questions of `docs/sql.md`
//! (`questions.rs`, on the spans of `known.rs`, with `answers.rs`), the columns that it tells (`contract.rs`), its role for
//! analysts (`role.rs`), whether the views show the same however the spans are kept (`tiers.rs`), and what a condition
//! keeps closed (`prunes.rs`). `dashboard.rs` has the queries of the dashboard for Grafana. More of single columns is in
//! `tests/postgres/views.rs` and `tests/sqlite/views.rs`.

mod answers;
mod contract;
mod dashboard;
mod known;
mod prunes;
mod questions;
mod role;
mod tiers;

use sqlx::postgres::PgRow;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool, SqliteRow};
use sqlx::{AssertSqlSafe, Executor, PgConnection, Row, ValueRef};
use tracewell::model::Span;
use tracewell::store::SpanStore;
use tracewell::store::postgres::{PostgresSettings, PostgresStore};
use tracewell::store::sqlite::{SqliteSettings, SqliteStore};

use crate::store::batch;
use crate::support::database::AT_ONCE;
use crate::support::directory::Directory;
use crate::support::postgres::TestDatabase;

/// The document.
const SQL_MD: &str = include_str!("../../docs/sql.md");

/// Rows as text.
type Rows = Vec<Vec<Option<String>>>;

/// How PostgreSQL keeps the spans of a test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kept {
    Hot,
    /// Traces are torn between the tiers, and copies of what is in the history are hot.
    Torn,
    History,
}

/// A PostgreSQL database with spans.
struct Postgres {
    store: PostgresStore,
    connection: PgConnection,
    database: TestDatabase,
}

impl Postgres {
    async fn new() -> Self {
        let database = TestDatabase::create().await;
        let store = PostgresStore::connect(&database.url(), &PostgresSettings::default()).await.unwrap();
        let mut connection = database.connect().await;
        connection.execute("set timezone = 'UTC'").await.unwrap();
        Self { store, connection, database }
    }

    async fn with(spans: &[Span], kept: Kept) -> Self {
        let new = Self::new().await;
        new.keep(spans, kept).await;
        new
    }

    async fn keep(&self, spans: &[Span], kept: Kept) {
        // Every other one, so that each trace is torn.
        let (even, odd): (Vec<_>, Vec<_>) = spans.iter().cloned().enumerate().partition(|(place, _)| place % 2 == 0);
        let parts = [even, odd].map(|part| part.into_iter().map(|(_, span)| span).collect::<Vec<_>>());
        self.write(&parts[0]).await;
        if kept != Kept::Hot {
            self.compact().await;
        }
        self.write(&[&parts[1][..], &parts[0][..parts[0].len().min(20)]].concat()).await;
        if kept == Kept::History {
            self.compact().await;
        }
    }

    async fn write(&self, spans: &[Span]) {
        self.store.write(&[batch(spans)]).await.unwrap();
    }

    async fn compact(&self) {
        assert!(!self.store.compact(&AT_ONCE).await.unwrap().is_elsewhere);
    }

    async fn rows(&mut self, select: &str) -> Rows {
        postgres_rows(select, &mut self.connection).await.unwrap()
    }

    async fn end(self) {
        self.store.close().await;
        drop(self.database);
    }
}

/// A SQLite file with spans.
struct Sqlite {
    pool: SqlitePool,
    _directory: Directory,
}

impl Sqlite {
    async fn with(spans: &[Span]) -> Self {
        let directory = Directory::create();
        let file = directory.file("spans.db");
        let store = SqliteStore::open(&file, &SqliteSettings::default()).await.unwrap();
        store.write(&[batch(spans)]).await.unwrap();
        store.write(&[batch(&spans[..spans.len().min(20)])]).await.unwrap();
        store.close().await;
        let pool = SqlitePool::connect_with(SqliteConnectOptions::new().filename(&file)).await.unwrap();
        Self { pool, _directory: directory }
    }

    async fn rows(&self, select: &str) -> Rows {
        let rows = sqlx::query(AssertSqlSafe(select.to_owned())).fetch_all(&self.pool).await;
        let text = |row: &SqliteRow, index| {
            let is_null = row.try_get_raw(index).unwrap().is_null();
            (!is_null).then(|| row.get_unchecked::<String, _>(index))
        };
        rows.unwrap().iter().map(|row| (0..row.len()).map(|index| text(row, index)).collect()).collect()
    }
}

/// Sent as plain text, so that values come back as people see them.
async fn postgres_rows(select: &str, connection: &mut PgConnection) -> Result<Rows, sqlx::Error> {
    let rows = sqlx::raw_sql(AssertSqlSafe(select.to_owned())).fetch_all(connection).await?;
    let text = |row: &PgRow, index| row.try_get_raw(index).unwrap().as_str().ok().map(str::to_owned);
    Ok(rows.iter().map(|row| (0..row.len()).map(|index| text(row, index)).collect()).collect())
}
