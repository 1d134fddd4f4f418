//! Opening a file: what is found again, and the one sentence for whatever stands in the way.

use std::fs;

use sqlx::SqlitePool;
use sqlx::sqlite::SqliteConnectOptions;
use tracewell::model::SearchFields;
use tracewell::store::OpenError;
use tracewell::store::SpanStore;
use tracewell::store::sqlite::{SqliteSettings, SqliteStore, migrate};

use crate::store::{batch, descending, scan, scanned};
use crate::support::directory::Directory;
use crate::support::span;

/// Runs statements on a file that no store has open.
async fn execute(file: &str, statement: &'static str) {
    let options = SqliteConnectOptions::new().filename(file).create_if_missing(true);
    let pool = SqlitePool::connect_with(options).await.unwrap();
    sqlx::raw_sql(statement).execute(&pool).await.unwrap();
    pool.close().await;
}

async fn refused(file: &str) -> String {
    SqliteStore::open(file, &SqliteSettings::default()).await.unwrap_err().to_string()
}

/// While a store is open, nobody else opens or migrates its file; when it is closed or dropped, anybody may.
#[tokio::test]
async fn a_file_has_one_owner() {
    let directory = Directory::create();
    let file = directory.file("spans.db");
    let first = SqliteStore::open(&file, &SqliteSettings::default()).await.unwrap();
    for error in
        [SqliteStore::open(&file, &SqliteSettings::default()).await.unwrap_err(), migrate(&file).await.unwrap_err()]
    {
        assert!(matches!(error, OpenError::InUse { .. }), "{error}");
        let told = format!("{file} is in use by another tracewell: stop that one, or give this one a file of its own");
        assert_eq!(error.to_string(), told);
    }
    first.write(&[batch(&[span(1, 1, 1)])]).await.unwrap();
    first.close().await;
    let second = SqliteStore::open(&file, &SqliteSettings::default()).await.unwrap();
    drop(first);
    assert_eq!(scanned(&second, scan(SearchFields::default())).await, [span(1, 1, 1)]);
    drop(second);
    SqliteStore::open(&file, &SqliteSettings::default()).await.unwrap().close().await;
}

/// What is in the files at the moment of the OK is all that was acknowledged: a copy of them, as a process that is
/// killed would leave them, has every span. The store that goes on is not asked to write anything more.
#[tokio::test]
async fn the_files_have_all_when_ok_is_said() {
    let directory = Directory::create();
    let (file, copy) = (directory.file("spans.db"), directory.file("copy.db"));
    let store = SqliteStore::open(&file, &SqliteSettings::default()).await.unwrap();
    let mut written = Vec::new();
    for round in 1..=10 {
        let spans: Vec<_> = (1..=100).map(|id| span(round, id, id)).collect();
        store.write(&[batch(&spans)]).await.unwrap();
        written.extend(spans);
        for suffix in ["", "-wal"] {
            fs::copy(format!("{file}{suffix}"), format!("{copy}{suffix}")).unwrap();
        }
        let after = SqliteStore::open(&copy, &SqliteSettings::default()).await.unwrap();
        assert!(scanned(&after, scan(SearchFields::default())).await == descending(&written), "round {round}");
        after.close().await;
    }
    store.close().await;
}

/// A migration is done once, and says what it did; opening does it too, and a file can be named by a URL as well.
#[tokio::test]
async fn migrations_are_reported() {
    let directory = Directory::create();
    let file = directory.file("spans.db");
    let report = migrate(&file).await.unwrap();
    let told = "applied 1: spans\napplied 2: receipts\napplied 3: red\napplied 4: views\napplied 5: retention\n\
                applied 6: sql_contract\nthe schema is at version 6";
    assert_eq!(report.to_string(), told);
    assert_eq!(migrate(&format!("sqlite://{file}")).await.unwrap().to_string(), "the schema is at version 6");
    SqliteStore::open(&format!("sqlite:{file}"), &SqliteSettings::default()).await.unwrap().close().await;
    execute(&file, "delete from span_row").await;
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let directory = Directory::create();
    let file = directory.file("spans.db");
    migrate(&file).await.unwrap();
    execute(&file, "insert into _sqlx_migrations values (99, 'later', '', true, x'00', 0)").await;
    let told = "the database has schema version 99, this tracewell knows 6 at most: start a newer tracewell";
    assert_eq!(refused(&file).await, told);
    execute(&file, "delete from _sqlx_migrations where version = 99").await;
    execute(&file, "update _sqlx_migrations set checksum = x'00'").await;
    assert!(refused(&file).await.contains("schema version 1 of the database is not tracewell's"));
}

#[tokio::test]
async fn what_is_no_database_is_left_alone() {
    let directory = Directory::create();
    let file = directory.file("notes.txt");
    let notes = "buy milk\n".repeat(1_000);
    fs::write(&file, &notes).unwrap();
    assert_eq!(refused(&file).await, format!("{file} is not a SQLite database"));
    assert_eq!(fs::read_to_string(&file).unwrap(), notes);

    let folder = directory.file("folder");
    fs::create_dir(&folder).unwrap();
    assert!(refused(&folder).await.starts_with(&format!("{folder} can not be opened: ")));
}

#[tokio::test]
async fn a_file_that_can_not_be_made_is_told() {
    let directory = Directory::create();
    let nowhere = directory.file("nowhere/spans.db");
    assert!(refused(&nowhere).await.starts_with(&format!("{nowhere} can not be locked")));
    fs::write(directory.file("nowhere"), "a file").unwrap();
    assert!(refused(&nowhere).await.starts_with(&format!("{nowhere} can not be locked")));
    // Nobody, not even root, makes a file there.
    assert!(refused("/proc/spans.db").await.starts_with("/proc/spans.db can not be locked"));
}

/// A database of another program whose tables have our names is not changed.
#[tokio::test]
async fn another_programs_tables_are_told() {
    let directory = Directory::create();
    let file = directory.file("spans.db");
    execute(&file, "create table scope (id integer)").await;
    let told = refused(&file).await;
    assert!(told.starts_with(&format!("{file} can not be opened: ")) && told.contains("scope"), "{told}");
}
