//! What an answer has cost so far: counted by whoever reads, looked at by whoever sets a limit.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counters that all scans of one answer share. A clone counts into the same.
#[derive(Debug, Clone, Default)]
pub struct Work(Arc<Counters>);

#[derive(Debug, Default)]
struct Counters {
    spans_read: AtomicU64,
    traces_read: AtomicU64,
    blocks_seen: AtomicU64,
    blocks_left: AtomicU64,
    blocks_read: AtomicU64,
}

/// One of the counters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counted {
    /// Spans that were looked at, one by one: rows, places in an opened block, or lines of one. What many spans share counts
    /// once, when it is looked at once.
    SpansRead,
    /// Traces of which all spans were read.
    TracesRead,
    /// Blocks of the history in the time that was asked for.
    BlocksSeen,
    /// Those of them that may have what was asked for.
    BlocksLeft,
    /// Blocks that were opened.
    BlocksRead,
}

impl Work {
    /// Adds to a counter.
    pub fn add(&self, counted: Counted, number: usize) {
        self.counter(counted).fetch_add(u64::try_from(number).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// What a counter has come to.
    #[must_use]
    pub fn of(&self, counted: Counted) -> u64 {
        self.counter(counted).load(Ordering::Relaxed)
    }

    fn counter(&self, counted: Counted) -> &AtomicU64 {
        match counted {
            Counted::SpansRead => &self.0.spans_read,
            Counted::TracesRead => &self.0.traces_read,
            Counted::BlocksSeen => &self.0.blocks_seen,
            Counted::BlocksLeft => &self.0.blocks_left,
            Counted::BlocksRead => &self.0.blocks_read,
        }
    }
}
