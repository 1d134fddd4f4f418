//! The group commit: one transaction for all requests that wait, and an answer to each of them after it.
//!
//! A request that the store refuses must not fail its neighbours, so a group that fails for any reason but a busy
//! database is written again, each request apart. (Promise 2 of the store: after such an error nothing of the group is
//! stored.) A panic in the store is an error like any other: the writer lives on and the callers hear of it.
//!
//! What became of a request is known here and nowhere else, since its caller may be gone; so the ledger is kept here.

use std::any::Any;
use std::error::Error;
use std::panic::AssertUnwindSafe;
use std::slice;
use std::sync::Arc;

use futures::FutureExt;
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Place;
use super::delivery::{Delivery, Tally};
use crate::metrics::Metrics;
use crate::store::{Batch, SpanStore, StoreError, Written};

/// What becomes of a write; the error is shared by all requests of a group.
pub(super) type Answer = Result<(), Arc<StoreError>>;

/// A request in the queue.
pub(super) struct Job {
    pub(super) delivery: Delivery,
    pub(super) caller: Caller,
}

/// Who waits for the commit, and the place that it holds until then.
pub(super) struct Caller {
    pub(super) place: Place,
    pub(super) answer: oneshot::Sender<Answer>,
}

/// What to count of a request that is written, and whom to tell.
type Asker = (Tally, Caller);

impl Caller {
    /// The place is free before the caller hears, so that its next request finds it so. A caller that went away does
    /// not matter.
    fn hear(self, written: Answer) {
        drop(self.place);
        let _ = self.answer.send(written);
    }
}

#[derive(Clone)]
pub(super) struct Writer {
    /// Whoever holds the lock waits for the next group; the other writers wait for the lock.
    pub(super) queue: Arc<Mutex<mpsc::Receiver<Job>>>,
    pub(super) store: Arc<dyn SpanStore>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) stop: CancellationToken,
    pub(super) group_spans_max: usize,
}

impl Writer {
    /// Writes group after group until the queue is closed and empty.
    pub(super) async fn run(self) {
        while let Some(group) = self.next_group().await {
            self.write_group(group).await;
        }
    }

    /// Waits for one request and takes what else is there already.
    async fn next_group(&self) -> Option<Vec<Job>> {
        let mut queue = self.queue.lock().await;
        let first = loop {
            tokio::select! {
                job = queue.recv() => break job?,
                // A closed queue still gives what is in it, and then `None`.
                () = self.stop.cancelled(), if !queue.is_closed() => queue.close(),
            }
        };
        let mut spans = first.delivery.batch.spans().len();
        let mut group = vec![first];
        while spans < self.group_spans_max
            && let Ok(job) = queue.try_recv()
        {
            spans = spans.saturating_add(job.delivery.batch.spans().len());
            group.push(job);
        }
        Some(group)
    }

    async fn write_group(&self, group: Vec<Job>) {
        let part = |Job { delivery: Delivery { batch, tally }, caller }| (batch, (tally, caller));
        let (batches, askers): (Vec<_>, Vec<_>) = group.into_iter().map(part).unzip();
        match self.write(&batches).await {
            Ok(written) => {
                // Its memory is free before its place is.
                drop(batches);
                for (asker, written) in askers.into_iter().zip(written) {
                    self.settle(asker, Ok(written));
                }
            }
            Err(error) if batches.len() > 1 && !is_busy(&error) => {
                tracing::warn!(
                    requests = batches.len(),
                    %error,
                    cause = error.source().map(tracing::field::display),
                    "a group was not stored, each of its requests is written apart",
                );
                self.write_apart(batches, askers).await;
            }
            Err(error) => {
                drop(batches);
                for asker in askers {
                    self.settle(asker, Err(Arc::clone(&error)));
                }
            }
        }
    }

    /// Once the database is busy the rest is not tried: each attempt could last as long as the first.
    async fn write_apart(&self, batches: Vec<Batch>, askers: Vec<Asker>) {
        let mut busy = None;
        for (batch, asker) in batches.into_iter().zip(askers) {
            let written = match &busy {
                Some(error) => Err(Arc::clone(error)),
                None => self.write_one(&batch).await,
            };
            drop(batch);
            busy = written.as_ref().err().filter(|error| is_busy(error)).cloned();
            self.settle(asker, written);
        }
    }

    async fn write_one(&self, batch: &Batch) -> Result<Written, Arc<StoreError>> {
        let written = self.write(slice::from_ref(batch)).await?;
        written.first().copied().ok_or_else(|| Arc::new(StoreError::Bug("the store does not say what it did".into())))
    }

    /// What became of each batch.
    async fn write(&self, batches: &[Batch]) -> Result<Vec<Written>, Arc<StoreError>> {
        let began = Instant::now();
        let written = AssertUnwindSafe(self.store.write(batches)).catch_unwind().await;
        let written = written.unwrap_or_else(|panic| Err(StoreError::Bug(panic_text(panic.as_ref()).into())));
        match &written {
            Ok(_) => self.metrics.committed(began.elapsed()),
            Err(StoreError::Corrupt { .. } | StoreError::Bug(_)) => self.metrics.store_failed(),
            Err(StoreError::Busy(_) | StoreError::Refused { .. }) => {}
        }
        written.map_err(Arc::new)
    }

    /// Counts before the caller hears, so that who was answered finds it counted.
    fn settle(&self, (tally, caller): Asker, written: Result<Written, Arc<StoreError>>) {
        tally.settle(&self.metrics, written.as_ref().copied().map_err(|error| &**error));
        caller.hear(written.map(drop));
    }
}

fn is_busy(error: &StoreError) -> bool {
    matches!(error, StoreError::Busy(_))
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("a panic in the store: {}", text.unwrap_or("without a text"))
}
