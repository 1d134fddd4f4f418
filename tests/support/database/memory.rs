//! The memory store as a test's database: it lives as long as the test, so opening it again finds what was there.

use std::sync::Arc;

use async_trait::async_trait;
use tracewell::store::SpanStore;
use tracewell::store::memory::MemoryStore;

use super::Database;

struct Memory(Arc<MemoryStore>);

#[async_trait]
impl Database for Memory {
    async fn open(&self) -> Arc<dyn SpanStore> {
        Arc::clone(&self.0) as Arc<dyn SpanStore>
    }
}

/// An empty memory.
#[expect(clippy::unused_async, reason = "other databases take a while to create")]
pub(crate) async fn create() -> Box<dyn Database> {
    Box::new(Memory(Arc::default()))
}
