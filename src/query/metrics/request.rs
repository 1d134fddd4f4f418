//! A metrics query that can be run.

use crate::model::UnixNanos;
use crate::query::QueryError;
use crate::traceql::evaluate::{Intervals, IntervalsError};
use crate::traceql::tree::{Body, Metrics};
use crate::traceql::{self, Query};

/// A metrics query, and over which intervals.
#[derive(Debug, Clone)]
pub struct MetricsRequest {
    query: Query,
    metrics: Metrics,
    intervals: Intervals,
}

impl MetricsRequest {
    /// Reads a query; without a step there is one value of the whole range. What is wrong is said with the name of the
    /// field, as the query service has it.
    pub fn new(query: &str, start: UnixNanos, end: UnixNanos, step_nanos: Option<u64>) -> Result<Self, QueryError> {
        let bad = |field, reason: String| QueryError::BadRequest { field, reason };
        let query = traceql::parse(query).map_err(|error| bad("query", error.to_string()))?;
        let Body::Metrics(metrics) = query.body.clone() else {
            let reason = "it ends in no metrics function, such as `| rate()`: it finds traces, and is for a search";
            return Err(bad("query", reason.to_owned()));
        };
        let intervals = match step_nanos {
            Some(step_nanos) => Intervals::range(start, end, step_nanos),
            None => Intervals::instant(start, end),
        };
        let intervals = intervals.map_err(|error| match error {
            IntervalsError::End => bad("end_time", "must be later than start_time".to_owned()),
            IntervalsError::Step | IntervalsError::TooMany => bad("step", error.to_string()),
        })?;
        Ok(Self { query, metrics, intervals })
    }

    pub(super) fn query(&self) -> &Query {
        &self.query
    }

    pub(super) fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    pub(super) fn intervals(&self) -> &Intervals {
        &self.intervals
    }

    /// Whether there is one value for all of the time.
    pub(super) fn is_instant(&self) -> bool {
        self.intervals.count() == 1
    }

    /// When the first interval begins.
    pub(super) fn start(&self) -> UnixNanos {
        self.intervals.begin(0)
    }

    /// When the last interval ends.
    pub(super) fn end(&self) -> UnixNanos {
        self.intervals.begin(self.intervals.count())
    }
}
