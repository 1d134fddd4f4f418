//! The bounds of the queue: how many requests may be between the door and their answer, and how much memory they may
//! take together: their bodies, compressed and plain, and what is made of them.
//!
//! Two numbers under one lock that is never held across anything slow. Nobody waits here: there is room or there is
//! not.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::{IngestError, IngestSettings};
use crate::metrics::Metrics;

/// Nobody enters while more than this part of the bytes is taken: an eighth, some ten thousand spans by default. The
/// rest is for those who are inside and grow: to refuse one of them is to throw away what was done for it. A longer
/// queue would not be served any faster.
const TAKEN_TO_ENTER_DIVISOR: usize = 8;

pub(super) struct Room {
    settings: IngestSettings,
    usage: Mutex<Usage>,
    /// Told when nobody is inside any more.
    empty: Notify,
    metrics: Arc<Metrics>,
}

#[derive(Default)]
struct Usage {
    requests: usize,
    bytes: usize,
    /// So many want to be alone.
    closers: usize,
}

/// Keeps others from entering as long as it lives.
pub(super) struct Closed {
    room: Arc<Room>,
}

impl Closed {
    /// Waits until nobody is inside.
    pub(super) async fn empty(&self) {
        loop {
            let emptied = self.room.empty.notified();
            if self.room.lock().requests == 0 {
                return;
            }
            emptied.await;
        }
    }
}

impl Drop for Closed {
    fn drop(&mut self) {
        let mut usage = self.room.lock();
        usage.closers = usage.closers.saturating_sub(1);
    }
}

/// A request's place between the door and its answer, with the bytes that it holds. Dropping it makes room. Whoever has
/// the request's bytes in hand has its place too, so that no byte is without one.
pub struct Place {
    room: Arc<Room>,
    /// Changed under the room's lock only.
    bytes: AtomicUsize,
}

impl Place {
    /// How many bytes it holds.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Holds so many bytes from now on, or says at once that it can not and holds what it held. To be called before the
    /// memory is taken, and after it was given back. To hold less always succeeds.
    pub fn hold(&self, bytes: usize) -> Result<(), IngestError> {
        let queue_bytes_max = self.room.settings.queue_bytes_max;
        let mut usage = self.room.lock();
        let together = usage.bytes.saturating_sub(self.bytes()).saturating_add(bytes);
        if bytes > self.bytes() && together > queue_bytes_max {
            let never_fits = bytes > queue_bytes_max;
            return Err(if never_fits { IngestError::TooLarge { queue_bytes_max } } else { IngestError::QueueFull });
        }
        usage.bytes = together;
        self.bytes.store(bytes, Ordering::Relaxed);
        self.room.show(&usage);
        Ok(())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut usage = self.room.lock();
        usage.requests = usage.requests.saturating_sub(1);
        usage.bytes = usage.bytes.saturating_sub(self.bytes());
        self.room.show(&usage);
        if usage.requests == 0 {
            self.room.empty.notify_waiters();
        }
    }
}

impl Room {
    pub(super) fn new(settings: IngestSettings, metrics: Arc<Metrics>) -> Self {
        Self { settings, usage: Mutex::default(), empty: Notify::new(), metrics }
    }

    /// From now on nobody enters. Several may want that at once.
    pub(super) fn close(room: &Arc<Self>) -> Closed {
        let mut usage = room.lock();
        usage.closers = usage.closers.saturating_add(1);
        Closed { room: Arc::clone(room) }
    }

    pub(super) fn enter(room: &Arc<Self>) -> Result<Place, IngestError> {
        let IngestSettings { queue_requests_max, queue_bytes_max, .. } = room.settings;
        let bytes_to_enter = queue_bytes_max / TAKEN_TO_ENTER_DIVISOR;
        let mut usage = room.lock();
        if usage.closers > 0 {
            return Err(IngestError::Purging);
        }
        if usage.requests >= queue_requests_max || usage.bytes > bytes_to_enter {
            return Err(IngestError::QueueFull);
        }
        usage.requests = usage.requests.saturating_add(1);
        room.show(&usage);
        Ok(Place { room: Arc::clone(room), bytes: AtomicUsize::new(0) })
    }

    fn lock(&self) -> MutexGuard<'_, Usage> {
        self.usage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Called under the lock, so that the gauges never show an older state over a newer one.
    fn show(&self, usage: &Usage) {
        self.metrics.queue(usage.requests, usage.bytes);
    }
}
