//! A database of a test's own, whatever keeps it: the store's promises are held against each of these.

use std::sync::Arc;

use async_trait::async_trait;
use tracewell::store::SpanStore;

pub(crate) mod memory;
pub(crate) mod postgres;
pub(crate) mod postgres_sql_ascii;
pub(crate) mod sqlite;

/// A database that belongs to one test and goes with it.
#[async_trait]
pub(crate) trait Database: Send + Sync {
    /// Opens a store on it; again only after the one before was closed.
    async fn open(&self) -> Arc<dyn SpanStore>;
}
