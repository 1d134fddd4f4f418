//! What is derived from spans when they go from the hot rows to the history, and kept in agreement with them: a row for
//! each trace, rollups of rate, errors and durations by the minute and by the hour, and who calls whom by the minute.
//!
//! Compaction fills [`TraceRows`](trace_row::TraceRows) and [`Rollups`](rollup::Rollups) with each span that it moves, exact copies left out, and flushes both in
//! its transaction. Folding is commutative: however spans are spread over flushes and transactions, the rows are the same.
//! There is one such transaction at a time; the advisory lock of compaction sees to that. [`day::add_days`] makes partitions,
//! in a transaction of its own. Reading: [`trace_row::summaries`], `read/rollups.rs` and `read/calls.rs`. The tables are in
//! `migrations/postgres/0005_derived.sql` and `0009_calls.sql`, the views over them in `0006_views.sql`.
//!
//! Who calls whom can not be folded span by span, for a call has two of them: [`calls`] compares what is before and after.

pub(super) mod calls;
pub(super) mod day;
mod lists;
pub(super) mod rollup;
#[cfg(test)]
mod tests;
pub(super) mod trace_fold;
pub(super) mod trace_row;
