//! Floor 3: what is forgotten in time, by the clock. Now that is receipts; they are what a sender that did not hear the
//! OK is recognised by, and it does not come again after hours.
//!
//! Several processes may do this on one database: what one has forgotten, another does not find.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};
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
        let mut ticks = interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            match store.forget_receipts(settings.receipt_age_max).await {
                Ok(0) => {}
                Ok(receipts) => debug!(receipts, "receipts were forgotten"),
                Err(error) => warn!(%error, "old receipts could not be forgotten, and will be at the next look"),
            }
        }
    };
    stop.run_until_cancelled(forget).await;
}
