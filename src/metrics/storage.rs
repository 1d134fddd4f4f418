//! What the clockwork does to the database: compaction and retention. Spans on their way in are in `ledger.rs`.

use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use super::{Metrics, ReasonLabel};

/// The counters of compaction and retention.
#[derive(Debug, Default)]
pub(super) struct Storage {
    compaction_spans: Counter,
    compaction_copies: Counter,
    compaction_blocks: Counter,
    compaction_blocks_merged: Counter,
    compaction_blocks_made: Counter,
    compaction_failures: Counter,
    waiting_steps: Gauge,
    waiting_age: Gauge,
    waiting_bytes: Gauge,
    calls_uncounted: Gauge,
    retention_spans: Family<ReasonLabel, Counter>,
    retention_failures: Counter,
    size_bytes: Gauge,
}

impl Storage {
    pub(super) fn register(&self, registry: &mut Registry) {
        let help = "Spans that this process made history of, exact copies included";
        registry.register("compaction_spans", help, self.compaction_spans.clone());
        let help = "Exact copies that this process left out of the history";
        registry.register("compaction_copies", help, self.compaction_copies.clone());
        let help = "Blocks that this process added to the history";
        registry.register("compaction_blocks", help, self.compaction_blocks.clone());
        let help = "Small blocks of the history that this process merged into larger ones";
        registry.register("compaction_blocks_merged", help, self.compaction_blocks_merged.clone());
        let help = "Larger blocks that this process made of them";
        registry.register("compaction_blocks_made", help, self.compaction_blocks_made.clone());
        let help = "Compactions that failed; they come again";
        registry.register("compaction_failures", help, self.compaction_failures.clone());
        let help = "Closed steps of the database that are not history yet";
        registry.register("compaction_waiting_steps", help, self.waiting_steps.clone());
        let help = "Time since the oldest of them was closed";
        registry.register_with_unit("compaction_waiting_age", help, Unit::Seconds, self.waiting_age.clone());
        let help = "Size of their tables";
        registry.register_with_unit("compaction_waiting", help, Unit::Bytes, self.waiting_bytes.clone());
        let help = "Hours of the history whose calls an earlier version did not count and that are not counted yet";
        registry.register("calls_uncounted_hours", help, self.calls_uncounted.clone());
        let help = "Spans that this process removed from the database, by reason: age or size";
        registry.register("retention_spans", help, self.retention_spans.clone());
        let help = "Looks for what is to be removed that failed; they come again";
        registry.register("retention_failures", help, self.retention_failures.clone());
        let help = "Size on disk of all that tracewell keeps in the database, as of the last look";
        registry.register_with_unit("database_size", help, Unit::Bytes, self.size_bytes.clone());
    }
}

impl Metrics {
    /// So many spans were made history, of which so many were copies and left out, in so many blocks.
    pub fn compacted(&self, spans: u64, copies: u64, blocks: u64) {
        self.storage.compaction_spans.inc_by(spans);
        self.storage.compaction_copies.inc_by(copies);
        self.storage.compaction_blocks.inc_by(blocks);
    }

    /// So many small blocks became so many larger ones.
    pub fn merged(&self, blocks: u64, made: u64) {
        self.storage.compaction_blocks_merged.inc_by(blocks);
        self.storage.compaction_blocks_made.inc_by(made);
    }

    /// A compaction failed.
    pub fn compaction_failed(&self) {
        self.storage.compaction_failures.inc();
    }

    /// What waits to be made history now: so many steps, the oldest of which was closed so long ago, of so many bytes.
    pub fn compaction_waits(&self, steps: u64, age: Duration, bytes: u64) {
        self.storage.waiting_steps.set(whole(steps));
        self.storage.waiting_age.set(whole(age.as_secs()));
        self.storage.waiting_bytes.set(whole(bytes));
    }

    /// So many hours of the history have calls that are not counted yet.
    pub fn calls_wait(&self, hours: u64) {
        self.storage.calls_uncounted.set(whole(hours));
    }

    /// So many spans were removed from the database.
    pub fn removed(&self, reason: &'static str, spans: u64) {
        self.storage.retention_spans.get_or_create(&ReasonLabel { reason }).inc_by(spans);
    }

    /// A look for what is to be removed failed.
    pub fn retention_failed(&self) {
        self.storage.retention_failures.inc();
    }

    /// How large all that is stored is now.
    pub fn database_size(&self, bytes: u64) {
        self.storage.size_bytes.set(whole(bytes));
    }
}

fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_has_its_line() {
        let metrics = Metrics::new();
        metrics.compacted(60, 2, 3);
        metrics.compacted(40, 0, 1);
        metrics.merged(11, 10);
        metrics.compaction_failed();
        metrics.compaction_waits(5, Duration::from_millis(6_900), 7);
        metrics.calls_wait(4);
        metrics.removed("age", 8);
        metrics.removed("size", 9);
        metrics.retention_failed();
        metrics.database_size(u64::MAX);
        let text = metrics.text().unwrap();
        for line in [
            "tracewell_compaction_spans_total 100",
            "tracewell_compaction_copies_total 2",
            "tracewell_compaction_blocks_total 4",
            "tracewell_compaction_blocks_merged_total 11",
            "tracewell_compaction_blocks_made_total 10",
            "tracewell_compaction_failures_total 1",
            "tracewell_compaction_waiting_steps 5",
            "tracewell_compaction_waiting_age_seconds 6",
            "tracewell_compaction_waiting_bytes 7",
            "tracewell_calls_uncounted_hours 4",
            "tracewell_retention_spans_total{reason=\"age\"} 8",
            "tracewell_retention_spans_total{reason=\"size\"} 9",
            "tracewell_retention_failures_total 1",
            "tracewell_database_size_bytes 9223372036854775807",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
    }
}
