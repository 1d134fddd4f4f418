//! Floor 3: what is let go in time, by the clock. What that means is the store's affair; here is when it is asked to, and
//! what is said of it.
//!
//! Receipts go after an hour or so: they are what a sender that did not hear the OK is recognised by, and it does not come
//! again after hours. Spans go after days. Several processes may do this on one database: what one has let go, another
//! does not find.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::metrics::Metrics;
use crate::store::{self, Retained, SpanStore};

/// Between two looks for receipts that are old.
const LOOK_EVERY: Duration = Duration::from_mins(1);

/// Between two looks for spans that are to go.
const LOOK_FOR_SPANS_EVERY: Duration = Duration::from_mins(5);

/// How long things are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetentionSettings {
    /// How long a request is recognised when it is sent again.
    pub receipt_age_max: Duration,
    /// Which spans go.
    pub spans: store::RetentionSettings,
}

/// Lets go what is old, again and again until `stop`. A failure is logged, and made up for by the next look.
pub async fn run(
    store: Arc<dyn SpanStore>,
    settings: RetentionSettings,
    metrics: Arc<Metrics>,
    stop: CancellationToken,
) {
    let receipts = forget_receipts(&*store, settings.receipt_age_max);
    let work = async { tokio::join!(receipts, remove_spans(&*store, &settings.spans, &metrics)) };
    stop.run_until_cancelled(work).await;
}

async fn forget_receipts(store: &dyn SpanStore, age_max: Duration) {
    loop {
        sleep(LOOK_EVERY).await;
        match store.forget_receipts(age_max).await {
            Ok(0) => {}
            Ok(receipts) => debug!(receipts, "receipts were forgotten"),
            Err(error) => warn!(%error, "old receipts could not be forgotten, and will be at the next look"),
        }
    }
}

/// The first look is at once: it says from which day on spans are kept, before anything is made history.
async fn remove_spans(store: &dyn SpanStore, settings: &store::RetentionSettings, metrics: &Metrics) {
    loop {
        let began = Instant::now();
        match store.retain(settings).await {
            Ok(done) => tell(&done, began.elapsed(), settings, metrics),
            Err(error) => {
                metrics.retention_failed();
                let cause = error.source().map(tracing::field::display);
                warn!(%error, cause, "old spans could not be removed, and will be at the next look");
            }
        }
        sleep(LOOK_FOR_SPANS_EVERY).await;
    }
}

fn tell(done: &Retained, took: Duration, settings: &store::RetentionSettings, metrics: &Metrics) {
    let Retained { spans_by_age, spans_by_size, unused, bytes, .. } = *done;
    metrics.removed("age", spans_by_age);
    metrics.removed("size", spans_by_size);
    metrics.database_size(bytes);
    if done.is_something() {
        let took_s = took.as_secs_f64();
        info!(spans_by_age, spans_by_size, unused, bytes, took_s, "old spans were removed");
    }
    if done.is_held_up {
        metrics.retention_failed();
        warn!(
            "old spans are still there, since others use the tables all the time; they will be removed at a later look"
        );
    }
    if done.is_too_large {
        let bytes_max = settings.bytes_max;
        warn!(
            bytes,
            bytes_max, "more is stored than --retention-bytes-max, and what is left may not go: it is of today"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Span, UnixNanos};
    use crate::store::memory::MemoryStore;
    use crate::store::{Batch, Written};

    const SETTINGS: RetentionSettings = RetentionSettings {
        receipt_age_max: Duration::ZERO,
        spans: store::RetentionSettings { age_days_max: Some(14), arrival_age_days_max: None, bytes_max: None },
    };

    /// Scenario: the clock goes on by one look. Guarantee: what is older than it may be is forgotten then, not before,
    /// and nothing happens after the stop.
    #[tokio::test(start_paused = true)]
    async fn receipts_are_forgotten_at_the_next_look() {
        let store = Arc::new(MemoryStore::default());
        let stop = CancellationToken::new();
        let metrics = Arc::new(Metrics::new());
        let looking = tokio::spawn(run(Arc::clone(&store) as Arc<dyn SpanStore>, SETTINGS, metrics, stop.clone()));
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

    /// Scenario: two spans of 1970, and later two more. Guarantee: the former are gone at once, the latter by the next look
    /// and not before, and the metrics say so.
    #[tokio::test(start_paused = true)]
    async fn spans_are_removed_at_the_next_look() {
        let store = Arc::new(MemoryStore::default());
        let metrics = Arc::new(Metrics::new());
        let write = async |names: [&str; 2]| {
            let spans = names.map(|name| Span { start: UnixNanos(1), ..Span::example(name) });
            store.write(&[Batch::new(spans.to_vec())]).await.unwrap();
        };
        let services = async || store.services(None, 9).await.unwrap().len();
        write(["a", "b"]).await;
        let looking = Arc::clone(&store) as Arc<dyn SpanStore>;
        tokio::spawn(run(looking, SETTINGS, Arc::clone(&metrics), CancellationToken::new()));
        sleep(Duration::from_secs(1)).await;
        assert_eq!(services().await, 0);
        write(["c", "d"]).await;
        sleep(LOOK_FOR_SPANS_EVERY.saturating_sub(Duration::from_secs(2))).await;
        assert_eq!(services().await, 1);
        sleep(Duration::from_secs(2)).await;
        assert_eq!(services().await, 0);
        let text = metrics.text().unwrap();
        assert!(text.contains("tracewell_retention_spans_total{reason=\"age\"} 4\n"), "{text}");
    }
}
