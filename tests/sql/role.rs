//! The role for analysts, made by the page's own statements: it can ask all that the page asks, and nothing else.

use std::hash::{BuildHasher, Hasher, RandomState};

use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use super::{Kept, Postgres, SQL_MD, known, questions};

/// The name of a login of the server, dropped with this value: when the database is gone in which it may do something.
struct Login {
    name: String,
    server: String,
}

impl Login {
    fn new() -> Self {
        let random = RandomState::new().build_hasher().finish();
        let server = std::env::var("TEST_DATABASE_URL").unwrap();
        Self { name: format!("tracewell_test_{random:016x}"), server }
    }
}

impl Drop for Login {
    fn drop(&mut self) {
        let (server, statement) = (self.server.clone(), format!("drop role {}", self.name));
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let mut connection = PgConnection::connect(&server).await.unwrap();
                connection.execute(AssertSqlSafe(statement)).await.map(drop)
            })
        });
        let dropped = dropping.join();
        assert!(std::thread::panicking() || matches!(dropped, Ok(Ok(()))), "the test's login could not be dropped");
    }
}

/// The page's statements, with the role's name in place of its own.
fn statements(name: &str) -> String {
    let (_, rest) = SQL_MD.split_once("```sql role\n").unwrap();
    rest.split_once("\n```").unwrap().0.replace("analyst", name)
}

async fn connect(url: &str, login: &str) -> PgConnection {
    let options: sqlx::postgres::PgConnectOptions = url.parse().unwrap();
    PgConnection::connect_with(&options.username(login)).await.unwrap()
}

/// The code of the error that a statement ends with.
async fn refusal(statement: &str, connection: &mut PgConnection) -> String {
    let result = connection.execute(AssertSqlSafe(statement.to_owned())).await;
    let error = result.map(|_| panic!("{statement} was done")).unwrap_err();
    error
        .as_database_error()
        .and_then(sqlx::error::DatabaseError::code)
        .unwrap_or_else(|| panic!("{statement}: {error}"))
        .into_owned()
}

/// Scenario: on a database where nobody may call functions unasked, the page's statements make a role; then spans come, are
/// made history in new partitions, and come again. Guarantee: the role can ask every question of the page in each of these
/// states, and the answers are right; it can read no table, write nothing, and not take over what runs as the owner.
#[tokio::test]
async fn analysts_can_ask_and_do_nothing_else() {
    let login = Login::new();
    let mut postgres = Postgres::new().await;
    let (url, name) = (postgres.database.url(), &login.name);
    postgres.connection.execute("revoke execute on all functions in schema public from public").await.unwrap();
    postgres.connection.execute(AssertSqlSafe(statements(name))).await.unwrap();
    postgres.connection.execute(questions::CUSTOMER).await.unwrap();
    postgres.connection.execute(AssertSqlSafe(questions::insert_customers())).await.unwrap();
    postgres.connection.execute(AssertSqlSafe(format!("grant select on customer to {name}"))).await.unwrap();

    let mut analyst = connect(&url, name).await;
    let spans = known::spans(known::opening(&mut analyst).await);
    let (first, rest) = spans.split_at(spans.len() / 2);
    postgres.write(first).await;
    postgres.compact().await;
    postgres.write(&[rest, &first[..20]].concat()).await;
    questions::check_postgres(&mut analyst, &spans, "both tiers, as an analyst").await;
    postgres.compact().await;
    questions::check_postgres(&mut analyst, &spans, "history, as an analyst").await;

    let timeout = super::postgres_rows("show statement_timeout", &mut analyst).await.unwrap();
    assert_eq!(timeout, [[Some("1min".to_owned())]]);
    for (before, statement, code) in [
        ("", "insert into customer values ('u-9', 'free')", "25006"),
        ("set default_transaction_read_only = off", "insert into customer values ('u-9', 'free')", "42501"),
        ("", "create table mine (id int)", "42501"),
        ("", "select close_step()", "42501"),
        ("", "select * from span_row", "42501"),
        ("", "select * from span_block", "42501"),
        ("", "select * from resource_row", "42501"),
        ("", "select * from span_row_history", "42501"),
        ("set statement_timeout = '50ms'", "select pg_sleep(90)", "57014"),
    ] {
        analyst.execute(before).await.unwrap();
        assert_eq!(refusal(statement, &mut analyst).await, code, "{statement}");
    }
    analyst.close().await.unwrap();
    postgres.end().await;
}

/// Scenario: who asks has tables of the names of ours, in the place where PostgreSQL looks first. Guarantee: the function
/// that runs as the owner does not read them.
#[tokio::test]
async fn nothing_takes_the_place_of_our_tables() {
    let mut postgres = Postgres::new().await;
    let spans = known::spans(known::opening(&mut postgres.connection).await);
    postgres.keep(&spans, Kept::Torn).await;
    let count = "select count(*)::text from span";
    let expected = postgres.rows(count).await;
    let mut other = postgres.database.connect().await;
    other.execute("create temporary table span_block as select * from span_block with no data").await.unwrap();
    assert_eq!(super::postgres_rows(count, &mut other).await.unwrap(), expected);
    postgres.end().await;
}
