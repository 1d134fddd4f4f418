//! A SQLite file of a test's own.

use std::sync::Arc;

use async_trait::async_trait;
use tracewell::store::SpanStore;
use tracewell::store::sqlite::{SqliteSettings, SqliteStore};

use super::Database;
use crate::support::directory::Directory;

struct Sqlite(Directory);

#[async_trait]
impl Database for Sqlite {
    async fn open(&self) -> Arc<dyn SpanStore> {
        Arc::new(SqliteStore::open(&self.0.file("spans.db"), &SqliteSettings::default()).await.unwrap())
    }
}

/// A file that is not there yet.
#[expect(clippy::unused_async, reason = "other databases take a while to create")]
pub(crate) async fn create() -> Box<dyn Database> {
    Box::new(Sqlite(Directory::create()))
}
