//! Floor 3: from a decoded request to the commit: a bounded queue, and writers that commit what waits in one go.
//!
//! Full means "no" now: nobody waits for a place, and a place is held from the door to the answer. There is no linger
//! either: a writer takes whatever has come while the last commit ran, so groups grow with the load by themselves. What is not here: decoding (`otlp/`, called by the doors) and status codes
//! (`server/status.rs`). Next: `writer.rs` for the group commit, `delivery.rs` for what is counted, `room.rs` for the bounds.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::metrics::Metrics;
use crate::store::{SpanStore, StoreError, Written};

mod delivery;
mod room;
#[cfg(test)]
mod tests;
mod writer;

pub use delivery::Delivery;
pub use room::Place;
use room::Room;
use writer::{Caller, Job, Writer};

/// The bounds of the queue, and how it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IngestSettings {
    /// How many requests may be between the door and their answer.
    pub queue_requests_max: usize,
    /// How much memory these requests may take together: their bodies, and what is made of them.
    pub queue_bytes_max: usize,
    /// How many commits run at the same time: 1 for SQLite, which has a single writer.
    pub writers: usize,
    /// A writer takes no further request into a commit that has so many spans.
    pub group_spans_max: usize,
}

/// Why a request was not stored, or is not known to be.
#[derive(Debug, Clone, thiserror::Error)]
pub enum IngestError {
    /// There is no place in the queue; a later attempt may find one.
    #[error("the queue is full")]
    QueueFull,
    /// The request takes more memory than all requests may together; it never will fit.
    #[error("the request takes more than {queue_bytes_max} bytes of memory")]
    TooLarge {
        /// What all may take together.
        queue_bytes_max: usize,
    },
    /// Everything is being removed; a later attempt will find an empty store.
    #[error("all data is being removed")]
    Purging,
    /// What everything else waits for did not end in time: requests that came before are still coming in.
    #[error("requests are still coming in")]
    Occupied,
    /// This process takes no more requests; another one may.
    #[error("the server is stopping")]
    Stopping,
    /// The store said no. Shared, since a group of requests fails of one error.
    #[error("the spans were not stored")]
    Store(#[source] Arc<StoreError>),
}

/// The way into the store. Clones share one queue; when the last is dropped, what waits is still written.
#[derive(Clone)]
pub struct Ingest {
    store: Arc<dyn SpanStore>,
    room: Arc<Room>,
    queue: mpsc::Sender<Job>,
    metrics: Arc<Metrics>,
    stop: CancellationToken,
    writers: TaskTracker,
}

impl Ingest {
    /// Starts the writers, on the runtime that this is called in.
    #[must_use]
    pub fn start(store: Arc<dyn SpanStore>, settings: IngestSettings, metrics: Arc<Metrics>) -> Self {
        let (queue, receiver) = mpsc::channel(settings.queue_requests_max.max(1));
        let (stop, writers) = (CancellationToken::new(), TaskTracker::new());
        let writer = Writer {
            queue: Arc::new(Mutex::new(receiver)),
            store: Arc::clone(&store),
            metrics: Arc::clone(&metrics),
            stop: stop.clone(),
            group_spans_max: settings.group_spans_max,
        };
        for _ in 0..settings.writers.max(1) {
            writers.spawn(writer.clone().run());
        }
        let room = Arc::new(Room::new(settings, Arc::clone(&metrics)));
        Self { store, room, queue, metrics, stop, writers }
    }

    /// Takes a place for a request that is about to come, or says at once that there is none. A door calls this
    /// before it reads a body, so that a refusal costs next to nothing.
    pub fn enter(&self) -> Result<Place, IngestError> {
        if self.stop.is_cancelled() {
            return Err(IngestError::Stopping);
        }
        Room::enter(&self.room)
    }

    /// Removes everything that was sent before this was called: requests between the door and their answer are finished
    /// first, for which they have so long; new ones are told to come again.
    pub async fn purge(&self, wait_max: Duration) -> Result<(), IngestError> {
        let closed = Room::close(&self.room);
        tokio::time::timeout(wait_max, closed.empty()).await.map_err(|_| IngestError::Occupied)?;
        self.store.purge().await.map_err(|error| IngestError::Store(Arc::new(error)))
    }

    /// Returns when all good spans of the request are committed, or when they will not be. A caller that stops waiting
    /// takes nothing back: the spans are stored all the same. Without good spans it is done at once.
    pub async fn commit(&self, place: Place, delivery: Delivery) -> Result<(), IngestError> {
        if delivery.batch.spans().is_empty() {
            delivery.tally.settle(&self.metrics, Ok(Written::Stored));
            return Ok(());
        }
        let (answer, answered) = oneshot::channel();
        self.queue.try_send(Job { delivery, caller: Caller { place, answer } }).map_err(|error| {
            let (job, refusal, reason) = match error {
                mpsc::error::TrySendError::Full(job) => (job, IngestError::QueueFull, "queue_full"),
                mpsc::error::TrySendError::Closed(job) => (job, IngestError::Stopping, "stopping"),
            };
            job.delivery.tally.refuse(&self.metrics, reason);
            refusal
        })?;
        let lost = |_| Err(Arc::new(StoreError::Bug("the writer ended without an answer".into())));
        answered.await.unwrap_or_else(lost).map_err(IngestError::Store)
    }

    /// [`enter`](Self::enter), [`Place::hold`] and [`commit`](Self::commit) in one: for a request that is in memory.
    pub async fn submit(&self, delivery: Delivery, request_bytes: usize) -> Result<(), IngestError> {
        let place = self.enter()?;
        place.hold(request_bytes)?;
        self.commit(place, delivery).await
    }

    /// From now on no request enters. What was received is committed and answered.
    pub fn begin_drain(&self) {
        self.stop.cancel();
        self.writers.close();
    }

    /// Begins to drain and waits for the end of it: `true` when all that was received has its answer, `false` when
    /// the deadline passed first (the writers go on even then).
    pub async fn drain(&self, deadline: Duration) -> bool {
        self.begin_drain();
        tokio::time::timeout(deadline, self.writers.wait()).await.is_ok()
    }
}
