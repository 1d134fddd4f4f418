//! Compaction as its callers see it: when it is to be done, and what it did.

use std::fmt;
use std::time::Duration;

/// Compaction never works less than this, or it would not end.
const SHARE_MIN: f64 = 0.01;

/// When what arrived is made history, and at what pace.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CompactionSettings {
    /// Spans arrive in steps. The open step is closed, and can be made history, when it has so many bytes,
    pub step_bytes_max: u64,
    /// or when it is as old as this and not empty.
    pub step_age_max: Duration,
    /// How much of the time compaction works while one step waits, from 0.01 to 1; it rests for the remainder, so that
    /// those who write do not starve. With every further step it works as much more, so that it does not fall behind.
    pub share: f64,
    /// The rows of a step are kept so long after it was made history, for readers that began before.
    pub drop_after: Duration,
    /// Small blocks of an hour are merged when it has been over for so long; with zero, before it is over, too.
    pub merge_after: Duration,
    /// At least so many, but never less than two, are merged at once.
    pub merge_blocks_min: u32,
    /// Calls that an earlier version did not count are counted in portions of about so many spans, each for itself.
    pub count_spans_max: u64,
}

impl CompactionSettings {
    /// How much of the time it works while so many steps wait.
    #[must_use]
    pub fn share_of(&self, steps_waiting: usize) -> f64 {
        let steps = u32::try_from(steps_waiting.max(1)).unwrap_or(u32::MAX);
        (self.share * f64::from(steps)).clamp(SHARE_MIN, 1.0)
    }

    /// Makes history of all that is there, and merges what can be merged, without a rest.
    #[must_use]
    pub fn at_once(drop_after: Duration) -> Self {
        Self {
            step_bytes_max: 0,
            step_age_max: Duration::ZERO,
            share: 1.0,
            drop_after,
            merge_after: Duration::ZERO,
            merge_blocks_min: 2,
            ..Self::default()
        }
    }
}

impl Default for CompactionSettings {
    fn default() -> Self {
        Self {
            step_bytes_max: 256 * 1_024 * 1_024,
            step_age_max: Duration::from_mins(5),
            share: 0.25,
            drop_after: Duration::from_mins(2),
            merge_after: Duration::from_hours(1),
            merge_blocks_min: 3,
            count_spans_max: 200_000,
        }
    }
}

/// What waits to be made history.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Backlog {
    /// So many closed steps,
    pub steps: u64,
    /// the oldest of which was closed so long ago,
    pub age: Duration,
    /// with about so many bytes.
    pub bytes: u64,
    /// So many hours of the history have calls that are not counted yet.
    pub uncounted_hours: u64,
}

/// What a compaction did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Compaction {
    /// Another process was at it, or came in between: what is said below was done, and there may be more to do.
    pub is_elsewhere: bool,
    /// So many steps are history now,
    pub steps: u64,
    /// with so many spans, copies included,
    pub spans: u64,
    /// of which so many were exact copies and were left out;
    pub copies: u64,
    /// the others are in so many blocks.
    pub blocks: u64,
    /// So many small blocks of earlier steps were merged
    pub blocks_merged: u64,
    /// into so many larger ones.
    pub blocks_made: u64,
    /// Of so many hours of the history the calls were counted that an earlier version had not counted.
    pub hours_counted: u64,
}

impl Compaction {
    /// Adds what another call did later.
    pub fn add(&mut self, later: Self) {
        *self = Self {
            is_elsewhere: later.is_elsewhere,
            steps: self.steps.saturating_add(later.steps),
            spans: self.spans.saturating_add(later.spans),
            copies: self.copies.saturating_add(later.copies),
            blocks: self.blocks.saturating_add(later.blocks),
            blocks_merged: self.blocks_merged.saturating_add(later.blocks_merged),
            blocks_made: self.blocks_made.saturating_add(later.blocks_made),
            hours_counted: self.hours_counted.saturating_add(later.hours_counted),
        };
    }
}

impl fmt::Display for Compaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { steps, spans, copies, blocks, blocks_merged, blocks_made, .. } = self;
        write!(
            f,
            "compacted: steps {steps}, spans {spans}, exact copies left out {copies}, blocks written {blocks}, "
        )?;
        write!(f, "small blocks merged {blocks_merged} into {blocks_made}")?;
        match self.hours_counted {
            0 => Ok(()),
            hours => write!(f, ", hours whose calls were counted {hours}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_grows_with_what_waits() {
        let shares = |share, steps| (CompactionSettings { share, ..CompactionSettings::default() }).share_of(steps);
        let close = |a: f64, b: f64| (a - b).abs() < 1e-9;
        for (share, steps, expected) in
            [(0.25, 0, 0.25), (0.25, 1, 0.25), (0.25, 3, 0.75), (0.25, 9, 1.0), (1.0, 5, 1.0), (0.0, 1, 0.01)]
        {
            assert!(close(shares(share, steps), expected), "{share} with {steps} steps");
        }
    }
}
