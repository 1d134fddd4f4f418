//! Floor 3: what is forgotten in time, by the clock. Now that is receipts; they are what a sender that did not hear the
//! OK is recognised by, and it does not come again after hours.
//!
//! Several processes may do this on one database: what one has forgotten, another does not find.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use crate::store::SpanStore;

/// Between two looks for what has become old.
const LOOK_EVERY: Duration = Duration::from_mins(1);

/// How long things are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetentionSettings {
    /// How long a request is recognised when it is sent again.
    pub receipt_age_max: Duration,
}

/// Forgets what is old, again and again until `stop`. A failure is logged, and made up for by the next look.
pub async fn run(store: Arc<dyn SpanStore>, settings: RetentionSettings, stop: CancellationToken) {
    let forget = async {
        loop {
            sleep(LOOK_EVERY).await;
            match store.forget_receipts(settings.receipt_age_max).await {
                Ok(0) => {}
                Ok(receipts) => debug!(receipts, "receipts were forgotten"),
                Err(error) => warn!(%error, "old receipts could not be forgotten, and will be at the next look"),
            }
        }
    };
    stop.run_until_cancelled(forget).await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Span;
    use crate::store::memory::MemoryStore;
    use crate::store::{Batch, Written};

    /// Scenario: the clock goes on by one look. Guarantee: what is older than it may be is forgotten then, not before,
    /// and nothing happens after the stop.
    #[tokio::test(start_paused = true)]
    async fn receipts_are_forgotten_at_the_next_look() {
        let store = Arc::new(MemoryStore::default());
        let stop = CancellationToken::new();
        let settings = RetentionSettings { receipt_age_max: Duration::ZERO };
        let looking = tokio::spawn(run(Arc::clone(&store) as Arc<dyn SpanStore>, settings, stop.clone()));
        let write = async || store.write(&[Batch::new(vec![Span::example("get")])]).await.unwrap()[0];
        assert_eq!(write().await, Written::Stored);
        sleep(LOOK_EVERY.saturating_sub(Duration::from_secs(1))).await;
        assert_eq!(write().await, Written::Recognised);
        sleep(Duration::from_secs(2)).await;
        assert_eq!(write().await, Written::Stored);
        stop.cancel();
        looking.await.unwrap();
        sleep(LOOK_EVERY.saturating_mul(2)).await;
        assert_eq!(write().await, Written::Recognised);
    }
}
