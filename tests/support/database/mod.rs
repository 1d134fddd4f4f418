//! A database of a test's own, whatever keeps it: the store's promises are held against each of these.

use std::sync::Arc;

use std::time::Duration;

use async_trait::async_trait;
use tracewell::store::{CompactionSettings, SpanStore};

pub(crate) mod memory;
pub(crate) mod postgres;
pub(crate) mod postgres_compacted;
pub(crate) mod postgres_sql_ascii;
pub(crate) mod sqlite;

/// Compaction of all that is there, without a rest; what can be merged is merged.
pub(crate) const AT_ONCE: CompactionSettings = CompactionSettings {
    step_bytes_max: 0,
    step_age_max: Duration::ZERO,
    share: 1.0,
    drop_after: Duration::ZERO,
    merge_after: Duration::ZERO,
    merge_blocks_min: 2,
    count_spans_max: 200_000,
};

/// A database that belongs to one test and goes with it.
#[async_trait]
pub(crate) trait Database: Send + Sync {
    /// Opens a store on it; again only after the one before was closed.
    async fn open(&self) -> Arc<dyn SpanStore>;
}
