//! Floor 3: compaction, by the clock: what arrived earlier is made history, again and again. What that means is the
//! store's affair; here is when it is asked to, and what `/metrics` says of it.
//!
//! Every process of a database may run this: the store lets one of them compact at a time.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::metrics::Metrics;
use crate::store::{Compaction, CompactionSettings, SpanStore, StoreError};

/// Between two looks for what can be made history.
pub const LOOK_EVERY: Duration = Duration::from_secs(5);

/// After failures the looks become rarer, down to this.
const LOOK_EVERY_FAILED: Duration = Duration::from_mins(1);

/// Between two looks how much waits. They go on while compaction is at work.
const WATCH_EVERY: Duration = Duration::from_secs(10);

/// Compacts again and again until `stop`, which comes through at any point: what is not finished then did not happen.
/// Without settings this process leaves compaction to others, and says in its metrics how they do.
pub async fn run(
    store: Arc<dyn SpanStore>,
    settings: Option<CompactionSettings>,
    metrics: Arc<Metrics>,
    stop: CancellationToken,
) {
    let compact = async {
        if let Some(settings) = &settings {
            compact(&*store, settings, &metrics).await;
        }
    };
    let work = async { tokio::join!(compact, watch(&*store, &metrics)) };
    stop.run_until_cancelled(work).await;
}

/// A failure is logged and counted, and made up for by a later look.
async fn compact(store: &dyn SpanStore, settings: &CompactionSettings, metrics: &Metrics) {
    let mut wait = LOOK_EVERY;
    loop {
        sleep(wait).await;
        let began = Instant::now();
        match store.compact(settings).await {
            Ok(done) => {
                wait = LOOK_EVERY;
                tell(&done, began.elapsed(), metrics);
            }
            Err(error) => {
                wait = wait.saturating_mul(2).min(LOOK_EVERY_FAILED);
                fail(&error, wait, metrics);
            }
        }
    }
}

/// Says in the metrics how far compaction is behind, whoever does it.
async fn watch(store: &dyn SpanStore, metrics: &Metrics) {
    loop {
        // While the database does not answer, the last numbers stay.
        if let Ok(backlog) = store.backlog().await {
            metrics.compaction_waits(backlog.steps, backlog.age, backlog.bytes);
            metrics.calls_wait(backlog.uncounted_hours);
        }
        sleep(WATCH_EVERY).await;
    }
}

fn tell(done: &Compaction, took: Duration, metrics: &Metrics) {
    let Compaction { steps, spans, copies, blocks, blocks_merged, blocks_made, hours_counted, .. } = *done;
    metrics.compacted(spans, copies, blocks);
    metrics.merged(blocks_merged, blocks_made);
    let took_s = took.as_secs_f64();
    if spans > 0 || blocks_merged > 0 {
        info!(steps, spans, copies, blocks, blocks_merged, blocks_made, took_s, "spans were made history");
    }
    if hours_counted > 0 {
        info!(hours_counted, "calls were counted in hours of which an earlier version had counted none");
    }
}

fn fail(error: &StoreError, wait: Duration, metrics: &Metrics) {
    metrics.compaction_failed();
    let cause = error.source().map(tracing::field::display);
    let next_look_s = wait.as_secs();
    warn!(%error, cause, next_look_s, "compaction failed; the step stays as it was, and comes again");
}
