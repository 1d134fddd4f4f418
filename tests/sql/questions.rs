//! The questions of `docs/sql.md`, taken from the page and asked of spans that are known: whoever keeps them, the answers
//! are those that are counted out here.

use sqlx::Executor;
use tracewell::model::Span;

use super::answers::Answers;
use super::known::{self, CUSTOMERS};
use super::{Kept, Postgres, Rows, SQL_MD, Sqlite};

/// A question of the page: its heading, and how it is asked of each engine.
#[derive(Debug, Clone)]
pub(super) struct Question {
    pub(super) heading: String,
    pub(super) postgres: String,
    sqlite: String,
}

/// All of them, in the order of the page.
pub(super) fn questions() -> Vec<Question> {
    let (_, part) = SQL_MD.split_once("\n## Questions\n").unwrap();
    let question = |text: &str| {
        let (heading, text) = text.split_once('\n').unwrap();
        let block = |begin: &str| {
            let (_, rest) = text.split_once(begin)?;
            rest.split_once("\n```").map(|(sql, _)| sql.to_owned())
        };
        let postgres = block("```sql\n").unwrap();
        let sqlite = block("```sql sqlite\n").unwrap_or_else(|| postgres.clone());
        Question { heading: heading.to_owned(), postgres, sqlite }
    };
    part.split("\n### ").skip(1).map(question).collect()
}

/// A value as every engine writes it: times without a zone and without zeros behind, numbers to three digits.
fn plain(value: Option<&String>) -> String {
    let Some(value) = value else { return "null".to_owned() };
    let is_time = value.len() >= 19 && value.as_bytes()[10] == b' ' && value.as_bytes()[13] == b':';
    if is_time {
        let time = value.trim_end_matches("+00");
        return if time.contains('.') {
            time.trim_end_matches('0').trim_end_matches('.').to_owned()
        } else {
            time.to_owned()
        };
    }
    let is_number =
        value.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') && (value.contains('.') || value.len() < 16);
    match value.parse::<f64>() {
        Ok(number) if is_number => format!("{number:.3}"),
        _ => value.clone(),
    }
}

fn plain_rows(rows: &Rows) -> Vec<Vec<String>> {
    rows.iter().map(|row| row.iter().map(|value| plain(value.as_ref())).collect()).collect()
}

/// Whether two answers agree: numbers as far as their last digit may be rounded up or down, or as the percentiles of
/// rollups can.
fn agree(found: &[Vec<String>], expected: &[Vec<String>], tolerance: f64) -> bool {
    let is_number = |text: &str| text.contains('.');
    let close = |found: &String, expected: &String| match (found.parse::<f64>(), expected.parse::<f64>()) {
        (Ok(found_number), Ok(number)) if is_number(found) && is_number(expected) => {
            (found_number - number).abs() <= number.abs() * tolerance + 0.0011
        }
        _ => found == expected,
    };
    found.len() == expected.len()
        && found.iter().zip(expected).all(|(found, expected)| {
            found.len() == expected.len() && found.iter().zip(expected).all(|(found, expected)| close(found, expected))
        })
}

/// Asks each question of an engine.
#[track_caller]
fn check(question: &Question, found: &Rows, spans: &[Span], kept: &str) {
    let expected = Answers(spans).to(&question.heading);
    let tolerance = if question.heading == "Percentiles of a service" { 0.01 } else { 0.0 };
    let found = plain_rows(found);
    assert!(!expected.is_empty(), "{} has no answer", question.heading);
    assert!(
        agree(&found, &expected, tolerance),
        "{} ({kept}):\nfound    {found:#?}\nexpected {expected:#?}",
        question.heading
    );
}

/// Every question to a database of PostgreSQL, as whoever asks.
pub(super) async fn check_postgres(connection: &mut sqlx::PgConnection, spans: &[Span], kept: &str) {
    for question in questions() {
        let found = super::postgres_rows(&question.postgres, connection).await;
        let found = found.unwrap_or_else(|error| panic!("{}: {error}", question.heading));
        check(&question, &found, spans, kept);
    }
}

pub(super) const CUSTOMER: &str = "create table customer (user_id text primary key, plan text not null)";

pub(super) fn insert_customers() -> String {
    let rows: Vec<_> = CUSTOMERS.iter().map(|(user, plan)| format!("('{user}', '{plan}')")).collect();
    format!("insert into customer values {}", rows.join(", "))
}

async fn asked_of_postgres(kept: Kept) {
    let mut postgres = Postgres::new().await;
    let spans = known::spans(known::opening(&mut postgres.connection).await);
    postgres.keep(&spans, kept).await;
    postgres.connection.execute(CUSTOMER).await.unwrap();
    postgres.connection.execute(sqlx::AssertSqlSafe(insert_customers())).await.unwrap();
    check_postgres(&mut postgres.connection, &spans, &format!("{kept:?}")).await;
    postgres.end().await;
}

/// Scenario: the page's questions, asked of PostgreSQL with all spans hot. Guarantee: the answers are right.
#[tokio::test]
async fn hot_rows_answer() {
    asked_of_postgres(Kept::Hot).await;
}

/// Scenario: each trace is torn between the tiers, and copies are in both. Guarantee: as above.
#[tokio::test]
async fn torn_traces_answer() {
    asked_of_postgres(Kept::Torn).await;
}

/// Scenario: all is history, some of it late. Guarantee: as above.
#[tokio::test]
async fn the_history_answers() {
    asked_of_postgres(Kept::History).await;
}

/// Scenario: the page's questions, as it asks them of SQLite. Guarantee: the same answers.
#[tokio::test]
async fn sqlite_answers() {
    let postgres = Postgres::new().await;
    let mut connection = postgres.database.connect().await;
    let spans = known::spans(known::opening(&mut connection).await);
    let sqlite = Sqlite::with(&spans).await;
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!("{CUSTOMER}; {}", insert_customers())))
        .execute(&sqlite.pool)
        .await
        .unwrap();
    for question in questions() {
        check(&question, &sqlite.rows(&question.sqlite).await, &spans, "SQLite");
    }
    postgres.end().await;
}

/// Both ways to ask for the version say the same.
#[tokio::test]
async fn the_contract_has_a_version() {
    let (_, rest) = SQL_MD.split_once("```sql\n").unwrap();
    let (select, _) = rest.split_once("```").unwrap();
    let mut postgres = Postgres::new().await;
    let sqlite = Sqlite::with(&[]).await;
    assert!(SQL_MD.contains("\nVersion 2 is all that is on this page"));
    assert_eq!(postgres.rows(select).await, [[Some("2".to_owned())]]);
    assert_eq!(sqlite.rows(select).await, [[Some("2".to_owned())]]);
    postgres.end().await;
}
