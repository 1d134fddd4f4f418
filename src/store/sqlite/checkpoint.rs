//! The log goes into the file beside the writes. A commit that did it by itself would let all who wait for the writer wait
//! meanwhile; that is left for a log that grew long all the same (`open.rs`).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use sqlx::query;
use sqlx::sqlite::SqlitePool;
use tokio::sync::Notify;
use tokio::time::sleep;
use tokio_util::task::AbortOnDropHandle;

/// It is due after so many spans, some megabytes of log: seldom enough that a page which many writes change is written once
/// for all of them.
const SPANS_MAX: usize = 2_000;

/// Between two at the least.
const PAUSE: Duration = Duration::from_millis(50);

/// After one that failed.
const PAUSE_FAILED: Duration = Duration::from_secs(10);

/// Copies what no reader still needs otherwise, and waits for nobody.
pub(super) const CHECKPOINT: &str = "pragma wal_checkpoint(passive)";

/// The one who does it.
#[derive(Debug)]
pub(super) struct Checkpoints {
    pub(super) pool: SqlitePool,
    spans: AtomicUsize,
    due: Arc<Notify>,
    task: AbortOnDropHandle<()>,
}

impl Checkpoints {
    /// Begins, on the runtime that this is called in, with a connection of this pool.
    pub(super) fn start(pool: SqlitePool) -> Self {
        let due = Arc::new(Notify::new());
        let task = AbortOnDropHandle::new(tokio::spawn(run(pool.clone(), Arc::clone(&due))));
        Self { pool, spans: AtomicUsize::new(0), due, task }
    }

    /// So many spans were committed.
    pub(super) fn count(&self, spans: usize) {
        if self.spans.fetch_add(spans, Ordering::Relaxed).saturating_add(spans) >= SPANS_MAX {
            self.spans.store(0, Ordering::Relaxed);
            self.due.notify_one();
        }
    }

    pub(super) async fn close(&self) {
        self.task.abort();
        self.pool.close().await;
    }
}

async fn run(pool: SqlitePool, due: Arc<Notify>) {
    loop {
        due.notified().await;
        let pause = match query(CHECKPOINT).execute(&pool).await {
            Ok(_) => PAUSE,
            Err(error) => {
                tracing::warn!(%error, "the log did not go into the file; it grows until it does");
                PAUSE_FAILED
            }
        };
        sleep(pause).await;
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use futures::FutureExt;
    use sqlx::sqlite::SqlitePoolOptions;

    use super::*;

    #[tokio::test]
    async fn it_is_due_after_so_many_spans_and_once() {
        let task = AbortOnDropHandle::new(tokio::spawn(pending()));
        let pool = SqlitePoolOptions::new().connect_lazy("sqlite::memory:").unwrap();
        let checkpoints = Checkpoints { pool, spans: AtomicUsize::new(0), due: Arc::default(), task };
        let is_due = || checkpoints.due.notified().now_or_never().is_some();
        for _ in 0..2 {
            checkpoints.count(SPANS_MAX - 1);
            assert!(!is_due());
            checkpoints.count(1);
            assert!(is_due() && !is_due());
        }
    }
}
