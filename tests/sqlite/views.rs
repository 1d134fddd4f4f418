//! The views show on SQLite what they show on PostgreSQL: the same columns, the same rows, the same values.

use serde_json::Value as Json;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};
use sqlx::{AssertSqlSafe, PgConnection, Row};
use tracewell::model::Span;
use tracewell::store::SpanStore;
use tracewell::store::postgres::{PostgresSettings, PostgresStore};
use tracewell::store::sqlite::{SqliteSettings, SqliteStore};

use crate::store::batch;
use crate::support::arbitrary;
use crate::support::directory::Directory;
use crate::support::postgres::TestDatabase;

/// The columns of the views that hold JSON, of which only the meaning is the same.
const JSON_COLUMNS: [&str; 6] = ["attributes", "resource_attributes", "events", "links", "services", "histogram"];

/// The same spans in both databases, and a way to ask both.
struct Both {
    sqlite: SqlitePool,
    postgres: PgConnection,
    _directory: Directory,
    _database: TestDatabase,
}

impl Both {
    async fn with(spans: &[Span]) -> Self {
        let (directory, database) = (Directory::create(), TestDatabase::create().await);
        let file = directory.file("spans.db");
        let stores: [Box<dyn SpanStore>; 2] = [
            Box::new(SqliteStore::open(&file, &SqliteSettings::default()).await.unwrap()),
            Box::new(PostgresStore::connect(&database.url(), &PostgresSettings::default()).await.unwrap()),
        ];
        for store in stores {
            let (first, second) = spans.split_at(spans.len() / 2);
            store.write(&[batch(first), batch(second)]).await.unwrap();
            // In another company, or they would be recognised.
            store.write(&[batch(&[second, &first[..1]].concat())]).await.unwrap();
            store.close().await;
        }
        let sqlite = SqlitePool::connect_with(SqliteConnectOptions::new().filename(&file)).await.unwrap();
        Self { sqlite, postgres: database.connect().await, _directory: directory, _database: database }
    }

    /// The columns of a view, in their order.
    async fn columns(&mut self, view: &str) -> [Vec<String>; 2] {
        let sqlite = format!("select name from pragma_table_info('{view}') order by cid");
        let postgres = format!(
            "select column_name::text from information_schema.columns where table_name = '{view}' \
             order by ordinal_position"
        );
        [
            sqlx::query_scalar(AssertSqlSafe(sqlite)).fetch_all(&self.sqlite).await.unwrap(),
            sqlx::query_scalar(AssertSqlSafe(postgres)).fetch_all(&mut self.postgres).await.unwrap(),
        ]
    }

    /// Every row of a view, every column as text, sorted.
    async fn rows(&mut self, view: &str) -> [Vec<Vec<Option<String>>>; 2] {
        let [columns, _] = self.columns(view).await;
        let list = |as_text: fn(&str) -> String| columns.iter().map(|c| as_text(c)).collect::<Vec<_>>().join(", ");
        let sqlite = format!("select {} from {view}", list(|column| format!("cast({column} as text)")));
        let postgres = format!("select {} from {view}", list(postgres_text));
        let sqlite = sqlx::query(AssertSqlSafe(sqlite)).fetch_all(&self.sqlite).await.unwrap();
        let postgres = sqlx::query(AssertSqlSafe(postgres)).fetch_all(&mut self.postgres).await.unwrap();
        let rows = [
            sqlite.iter().map(|row| (0..columns.len()).map(|index| row.get(index)).collect()).collect(),
            postgres.iter().map(|row| (0..columns.len()).map(|index| row.get(index)).collect()).collect(),
        ];
        rows.map(|rows| plain(rows, &columns))
    }
}

/// A column of PostgreSQL's view in the form that SQLite's has.
fn postgres_text(column: &str) -> String {
    match column {
        "start_time" | "end_time" | "minute" | "hour" | "start_time_min" | "start_time_max" => {
            format!("to_char({column} at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS.US')")
        }
        "duration" => "to_char(duration, 'HH24:MI:SS.US')".to_owned(),
        "services" | "histogram" => format!("to_json({column})::text"),
        _ => format!("{column}::text"),
    }
}

/// Sorted rows, in which JSON of equal meaning is equal text.
fn plain(mut rows: Vec<Vec<Option<String>>>, columns: &[String]) -> Vec<Vec<Option<String>>> {
    for row in &mut rows {
        for (column, text) in columns.iter().zip(row) {
            if let Some(text) = text.as_mut().filter(|_| JSON_COLUMNS.contains(&column.as_str())) {
                *text = serde_json::from_str::<Json>(text).unwrap().to_string();
            }
        }
    }
    rows.sort();
    rows
}

/// Whatever the spans, with copies among them and clocks that are wrong by centuries.
#[tokio::test]
async fn views_are_those_of_postgres() {
    let spans = arbitrary::samples(&arbitrary::spans(100), 2).concat();
    let mut both = Both::with(&spans).await;
    for view in ["span", "trace", "red_minute", "resource", "sql_contract"] {
        let [sqlite, postgres] = both.columns(view).await;
        assert_eq!(sqlite, postgres, "the columns of {view}");
        let [sqlite, postgres] = both.rows(view).await;
        assert!(!sqlite.is_empty());
        for (sqlite, postgres) in sqlite.iter().zip(&postgres) {
            assert_eq!(sqlite, postgres, "a row of {view}");
        }
        assert_eq!(sqlite.len(), postgres.len());
    }
}

/// Exact copies are one row; the table has them all.
#[tokio::test]
async fn copies_are_shown_once() {
    let span = crate::support::span(1, 1, 1);
    let both = Both::with(&[span.clone(), span.clone(), Span { flags: 1, ..span }]).await;
    for (count, expected) in
        [("select count(*) from span_row", 6), ("select count(*) from span", 2), ("select span_count from trace", 2)]
    {
        assert_eq!(sqlx::query_scalar::<_, i64>(count).fetch_one(&both.sqlite).await.unwrap(), expected, "{count}");
    }
}

/// Whoever reads the file may do so with a SQLite of years ago, which knows neither `->` nor an order in aggregates.
#[test]
fn the_schema_keeps_to_an_old_sqlite() {
    let schema = concat!(
        include_str!("../../migrations/sqlite/0001_spans.sql"),
        include_str!("../../migrations/sqlite/0003_red.sql"),
        include_str!("../../migrations/sqlite/0004_views.sql")
    );
    for newer in ["->", "unhex", " concat(", "string_agg", "octet_length", "subsec", "iif", "jsonb"] {
        assert!(!schema.contains(newer), "{newer}");
    }
}
