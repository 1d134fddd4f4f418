//! A PostgreSQL database of a test's own.

use std::sync::Arc;

use async_trait::async_trait;
use tracewell::store::SpanStore;
use tracewell::store::postgres::{PostgresSettings, PostgresStore};

use super::Database;
use crate::support::postgres::TestDatabase;

/// So few that a test of any size writes both ways.
const INSERT_SPANS_MAX: usize = 3;

#[async_trait]
impl Database for TestDatabase {
    async fn open(&self) -> Arc<dyn SpanStore> {
        let settings = PostgresSettings { insert_spans_max: INSERT_SPANS_MAX, ..PostgresSettings::default() };
        Arc::new(PostgresStore::connect(&self.url(), &settings).await.unwrap())
    }
}

/// An empty database.
pub(crate) async fn create() -> Box<dyn Database> {
    Box::new(TestDatabase::create().await)
}
