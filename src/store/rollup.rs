//! Spans that were counted before anybody asked: how many of an operation began in a minute, and how long they took.

use std::sync::Arc;

use futures::stream::BoxStream;

use super::{StoreError, Watermark, Work};
use crate::model::{Filter, Histogram, SpanKind, StatusCode, UnixNanos};

/// A minute, in nanoseconds.
pub const MINUTE_NANOS: u64 = 60_000_000_000;

/// Which spans to count together.
#[derive(Debug, Clone)]
pub struct RollupRequest {
    /// Those that begin in this minute or later. The minute begins then, or is the first of all.
    pub start: UnixNanos,
    /// Those that begin before this minute; the end of all time is after all of them.
    pub end: UnixNanos,
    /// Whether those of a whole hour, as the clock has them, may be counted together; otherwise those of a minute.
    pub by_hour: bool,
    /// What is counted.
    pub detail: RollupDetail,
    /// Spans on which it does not hold may be left out. They may be in one rollup with others only if their service, name,
    /// kind and status are the same.
    pub filter: Filter,
    /// Only spans that had arrived by then.
    pub as_of: Watermark,
    /// Counts what it takes.
    pub work: Work,
}

/// What is counted of spans, each with what is before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RollupDetail {
    /// How many there are.
    Count,
    /// All their durations together.
    Sum,
    /// Each of their durations, within 1 %.
    Histogram,
}

/// Some of the spans of an operation that began in one minute or hour, exact copies counted once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rollup {
    /// When that minute or hour began.
    pub begin: UnixNanos,
    /// What they are.
    pub of: Arc<RolledUp>,
    /// How many there are.
    pub span_count: u64,
    /// All their durations together; 0 unless asked for.
    pub duration_sum_nanos: u128,
    /// Their durations by bucket; empty unless asked for.
    pub histogram: Histogram,
}

/// What all spans of a rollup are.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RolledUp {
    /// [`Resource::service`](crate::model::Resource::service).
    pub service: String,
    /// [`Span::name`](crate::model::Span::name).
    pub name: String,
    /// [`Span::kind`](crate::model::Span::kind).
    pub kind: SpanKind,
    /// The code of [`Span::status`](crate::model::Span::status).
    pub status: StatusCode,
}

/// Rollups in any order; of one minute and operation there may be several.
pub type RollupStream = BoxStream<'static, Result<Rollup, StoreError>>;
