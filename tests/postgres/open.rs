//! Opening a database that is new, not there, not ours, or not there yet.

use std::time::Duration;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tracewell::store::OpenError;
use tracewell::store::SpanStore;
use tracewell::store::postgres::{PostgresSettings, PostgresStore, migrate};

use super::{execute, settings};
use crate::support::postgres::TestDatabase;

/// Why this database can not be opened.
async fn refusal(url: &str) -> OpenError {
    let settings = PostgresSettings { start_wait_max: Duration::ZERO, ..settings() };
    PostgresStore::connect(url, &settings).await.unwrap_err()
}

/// The database's URL with another part in place of one of its own.
fn with(database: &TestDatabase, part: &str, other: &str) -> String {
    let url = database.url();
    assert!(url.contains(part), "TEST_DATABASE_URL has no {part}");
    url.replacen(part, other, 1)
}

/// Many processes start at once on a new database: all of them can, and each migration is applied by one of them.
#[tokio::test]
async fn many_may_migrate_at_once() {
    let database = TestDatabase::create().await;
    let url = database.url();
    let migrations = (0..6).map(|_| migrate(&url, Duration::from_secs(10)));
    let reports = futures::future::try_join_all(migrations).await.unwrap();
    let applied: Vec<_> = reports.iter().flat_map(|report| &report.applied).map(|(version, _)| *version).collect();
    assert!(applied.first() == Some(&1) && applied.is_sorted_by(|one, next| one < next), "{applied:?}");
    assert!(reports.iter().all(|report| Some(&report.version) == applied.last()));
    assert_eq!(migrate(&url, Duration::ZERO).await.unwrap().applied, []);
}

/// A database that a newer tracewell has migrated is left alone.
#[tokio::test]
async fn a_newer_schema_is_refused() {
    let database = TestDatabase::create().await;
    migrate(&database.url(), Duration::ZERO).await.unwrap();
    let mut connection = database.connect().await;
    let newer = "insert into _sqlx_migrations select 99, 'x', now(), true, '', 0";
    execute(&mut connection, newer).await;
    let error = refusal(&database.url()).await;
    assert!(matches!(error, OpenError::SchemaNewer { found: 99, .. }), "{error}");
}

/// A schema that something else than our migrations made is left alone.
#[tokio::test]
async fn a_changed_schema_is_refused() {
    let database = TestDatabase::create().await;
    migrate(&database.url(), Duration::ZERO).await.unwrap();
    execute(&mut database.connect().await, "update _sqlx_migrations set checksum = 'x'").await;
    let error = refusal(&database.url()).await;
    assert!(matches!(error, OpenError::SchemaForeign { version: 1 }), "{error}");
}

/// What waiting can not mend ends at once, and says what to do.
#[tokio::test]
async fn a_wrong_url_is_refused_at_once() {
    let database = TestDatabase::create().await;
    let url = database.url();
    let settings = PostgresSettings { start_wait_max: Duration::from_mins(10), ..settings() };
    let error = PostgresStore::connect(&url.replacen("tracewell_test_", "nowhere_", 1), &settings).await.unwrap_err();
    assert!(error.to_string().starts_with("there is no database nowhere_"), "{error}");
    let login = with(&database, "postgres@", "nobody:secret@");
    let error = PostgresStore::connect(&login, &settings).await.unwrap_err();
    assert!(error.to_string().starts_with("the database does not let user nobody in"), "{error}");
    let error = PostgresStore::connect("sqlite:x", &settings).await.unwrap_err();
    assert!(matches!(error, OpenError::Url { .. }), "{error}");
}

/// A database whose encoding can not hold every text would refuse spans one by one, later.
#[tokio::test]
async fn an_encoding_that_can_not_hold_every_text_is_refused() {
    let database = TestDatabase::create_with("encoding 'LATIN1' locale 'C'").await;
    let error = refusal(&database.url()).await;
    assert!(matches!(&error, OpenError::Encoding { encoding } if encoding == "LATIN1"), "{error}");
}

/// Without anybody listening, the error names the place and how long we waited.
#[tokio::test]
async fn a_server_that_is_not_there_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let error = refusal(&format!("postgres://user:secret@{address}/database")).await;
    assert_eq!(
        error.to_string(),
        format!("no database answers at {address} after 0 s: start it, or correct the database URL")
    );
}

/// A server that is not there yet is waited for: here it hangs up on the first caller.
#[tokio::test]
async fn a_server_that_starts_late_is_waited_for() {
    let database = TestDatabase::create().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let url = database.url();
    let (_, rest) = url.split_once('@').unwrap();
    let (server, path) = rest.split_once('/').unwrap();
    let server = server.to_owned();
    tokio::spawn(async move {
        drop(listener.accept().await.unwrap());
        loop {
            let (mut client, _) = listener.accept().await.unwrap();
            let mut server = TcpStream::connect(&server).await.unwrap();
            tokio::spawn(async move { copy_bidirectional(&mut client, &mut server).await });
        }
    });
    let store = PostgresStore::connect(&format!("postgres://postgres@{address}/{path}"), &settings()).await.unwrap();
    store.ping().await.unwrap();
    store.close().await;
}
