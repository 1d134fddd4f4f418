//! The bounds of the queue: how many requests, and how many bytes of them, may be between the door and their answer.
//!
//! Two numbers under one lock that is never held across anything slow. Nobody waits here: there is room or there is
//! not.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{IngestError, IngestSettings};
use crate::metrics::Metrics;

pub(super) struct Room {
    settings: IngestSettings,
    usage: Mutex<Usage>,
    metrics: Arc<Metrics>,
}

#[derive(Default)]
struct Usage {
    requests: usize,
    bytes: usize,
}

/// A request's place between the door and its answer, with the bytes that it holds. Dropping it makes room.
pub struct Place {
    room: Arc<Room>,
    bytes: usize,
}

impl Place {
    /// Takes this many bytes of the room, or says at once that there are not so many. Called before a body is
    /// decoded, which makes several bytes out of one.
    pub fn hold(&mut self, request_bytes: usize) -> Result<(), IngestError> {
        let mut usage = self.room.lock();
        let others = usage.bytes.saturating_sub(self.bytes);
        let together = others.saturating_add(request_bytes);
        if others > 0 && together > self.room.settings.queue_bytes_max {
            return Err(IngestError::QueueFull);
        }
        usage.bytes = together;
        self.bytes = request_bytes;
        self.room.show(&usage);
        Ok(())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut usage = self.room.lock();
        usage.requests = usage.requests.saturating_sub(1);
        usage.bytes = usage.bytes.saturating_sub(self.bytes);
        self.room.show(&usage);
    }
}

impl Room {
    pub(super) fn new(settings: IngestSettings, metrics: Arc<Metrics>) -> Self {
        Self { settings, usage: Mutex::default(), metrics }
    }

    pub(super) fn enter(room: &Arc<Self>) -> Option<Place> {
        let mut usage = room.lock();
        if usage.requests >= room.settings.queue_requests_max {
            return None;
        }
        usage.requests = usage.requests.saturating_add(1);
        room.show(&usage);
        Some(Place { room: Arc::clone(room), bytes: 0 })
    }

    fn lock(&self) -> MutexGuard<'_, Usage> {
        self.usage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Called under the lock, so that the gauges never show an older state over a newer one.
    fn show(&self, usage: &Usage) {
        self.metrics.queue(usage.requests, usage.bytes);
    }
}
