//! A PostgreSQL database of a test's own, on the server that `TEST_DATABASE_URL` names.

use std::hash::{BuildHasher, Hasher, RandomState};

use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

/// A new, empty database, dropped with this value.
pub(crate) struct TestDatabase {
    name: String,
    server: String,
}

impl TestDatabase {
    pub(crate) async fn create() -> Self {
        Self::create_with("encoding 'UTF8'").await
    }

    /// A database with these options of `create database`.
    pub(crate) async fn create_with(options: &str) -> Self {
        let server = std::env::var("TEST_DATABASE_URL").expect("set TEST_DATABASE_URL or run ./scripts/test");
        let random = RandomState::new().build_hasher().finish();
        let name = format!("tracewell_test_{}_{random:016x}", std::process::id());
        run(&server, format!("create database {name} {options} template template0")).await;
        Self { name, server }
    }

    /// Where it is.
    pub(crate) fn url(&self) -> String {
        let (path, query) = self.server.split_once('?').unwrap_or((&self.server, ""));
        let (server, _) = path.rsplit_once('/').expect("TEST_DATABASE_URL names a database");
        format!("{server}/{}?{query}", self.name)
    }

    /// A connection to it.
    pub(crate) async fn connect(&self) -> PgConnection {
        PgConnection::connect(&self.url()).await.unwrap()
    }
}

impl Drop for TestDatabase {
    /// On a thread of its own, since a test's runtime can not be waited for.
    fn drop(&mut self) {
        let server = self.server.clone();
        let statement = format!("drop database {} with (force)", self.name);
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(run(&server, statement));
        });
        let dropped = dropping.join();
        assert!(std::thread::panicking() || dropped.is_ok(), "the test's database could not be dropped");
    }
}

async fn run(server: &str, statement: String) {
    let mut connection = PgConnection::connect(server).await.expect("the server of TEST_DATABASE_URL answers");
    connection.execute(AssertSqlSafe(statement)).await.unwrap();
}
