//! A PostgreSQL database of a test's own.

use std::sync::Arc;

use async_trait::async_trait;
use tracewell::store::SpanStore;
use tracewell::store::postgres::{PostgresSettings, PostgresStore};

use super::Database;
use crate::support::postgres::TestDatabase;

#[async_trait]
impl Database for TestDatabase {
    async fn open(&self) -> Arc<dyn SpanStore> {
        Arc::new(PostgresStore::connect(&self.url(), &PostgresSettings::default()).await.unwrap())
    }
}

/// An empty database.
pub(crate) async fn create() -> Box<dyn Database> {
    Box::new(TestDatabase::create().await)
}
